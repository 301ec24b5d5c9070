"""Pictures of 32 x 32 pixels: those of CIFAR-10, or random crops of larger ones."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from vqcodec.errors import InputError, UsageError
from vqcodec.files import find_files
from vqcodec.signals.suffixes import PICTURE_FORMATS

SIDE, CHANNELS = 32, 3
NUM_DIMS = SIDE * SIDE * CHANNELS
CIFAR_ROW = 1 + NUM_DIMS  # bytes: label, then red, green and blue planes
HELD_OUT = 1_000  # pictures at most
HELD_OUT_SHARE = 0.1  # of the files, where none is a test batch
CROPS_OF_FILE = 8  # of a larger picture that is held out


def uint8_pictures(path: Path) -> NDArray[np.uint8]:
    """Return the pictures in a file, [N, H, W, 3]: of a batch in CIFAR's binary form, or one.

    Raises:
        InputError: it is neither.
    """
    if path.suffix == ".bin":
        data = np.fromfile(path, np.uint8)
        if not data.size or data.size % CIFAR_ROW:
            raise InputError(f"{path}: {data.size} bytes, needed a multiple of {CIFAR_ROW}")
        planes = data.reshape(-1, CIFAR_ROW)[:, 1:].reshape(-1, CHANNELS, SIDE, SIDE)
        return planes.transpose(0, 2, 3, 1)
    try:
        with Image.open(path) as file:
            pixels = np.asarray(file.convert("RGB"))
    except OSError as error:
        raise InputError(f"{path}: cannot be read as a picture") from error
    if min(pixels.shape[:2]) < SIDE:
        raise InputError(f"{path}: {pixels.shape[1]} x {pixels.shape[0]} pixels, needed {SIDE}")
    return pixels[None]


@dataclass(frozen=True)
class Pictures:
    """Training pictures of any size, and held-out ones of 32 x 32."""

    training: list[NDArray[np.uint8]]  # [N, H, W, 3] each
    held_out: NDArray[np.uint8]  # [N, 32, 32, 3]

    @classmethod
    def of_folder(cls, folder: Path) -> Pictures:
        """Read a folder; CIFAR's test batch is held out, or else a share of the files.

        Raises:
            UsageError: there are too few files.
        """
        files = find_files([folder], frozenset({*PICTURE_FORMATS, ".bin", ".webp"}))
        tests = [path for path in files if path.name == "test_batch.bin"]
        if not tests:
            order = np.random.default_rng(0).permutation(len(files))
            tests = [files[n] for n in order[: round(HELD_OUT_SHARE * len(files))]]
        rest = [path for path in files if path not in tests]
        if not tests or not rest:
            raise UsageError(f"{folder}: {len(files)} pictures, needed more")
        generator = np.random.default_rng(1)
        held_out = np.concatenate(
            [crops_of(uint8_pictures(path), CROPS_OF_FILE, generator) for path in tests]
        )
        chosen = np.random.default_rng(2).permutation(len(held_out))[:HELD_OUT]
        return cls([uint8_pictures(path) for path in rest], held_out[chosen])

    def batch(self, size: int, generator: np.random.Generator) -> Tensor:
        """Return random values [B, 3, 32, 32] of 0 … 255; half of the pictures are mirrored."""
        counts = np.array([len(pictures) * min(CROPS_OF_FILE, crops_in(pictures))
                           for pictures in self.training], np.float64)  # fmt: skip
        crops = []
        for number in generator.choice(len(counts), size, p=counts / counts.sum()):
            pictures = self.training[number]
            one = pictures[generator.integers(len(pictures))][None]
            (crop,) = crops_of(one, 1, generator)
            crops.append(crop[:, ::-1] if generator.random() < 0.5 else crop)
        return as_values(np.stack(crops))


def crops_in(pictures: NDArray[np.uint8]) -> int:
    """Return how many separate crops there are in each of pictures [N, H, W, 3]."""
    height, width = pictures.shape[1:3]
    return int(height // SIDE) * int(width // SIDE)


def crops_of(
    pictures: NDArray[np.uint8], most: int, generator: np.random.Generator
) -> NDArray[np.uint8]:
    """Return random crops [M, 32, 32, 3], up to `most` of each of pictures [N, H, W, 3]."""
    height, width = pictures.shape[1:3]
    if (height, width) == (SIDE, SIDE):
        return pictures
    crops = []
    for picture in pictures:
        for _ in range(min(most, crops_in(pictures))):
            top, left = (int(generator.integers(side - SIDE + 1)) for side in (height, width))
            crops.append(picture[top : top + SIDE, left : left + SIDE])
    return np.stack(crops)


def as_values(pictures: NDArray[np.uint8]) -> Tensor:
    """Return pictures [N, 32, 32, 3] as values [N, 3, 32, 32] float of 0 … 255."""
    return torch.from_numpy(pictures.transpose(0, 3, 1, 2).copy()).float()
