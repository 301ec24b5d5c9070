"""Random crops of pictures."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor
from torch.nn import functional

from vqcodec.config import check_positive, check_range
from vqcodec.errors import ConfigError
from vqcodec.signals.picture_files import read_picture
from vqcodec.training.modality import Dataset


@dataclass(frozen=True, kw_only=True, slots=True)
class ImageDataConfig:
    """The size and augmentation of training crops."""

    crop: int = 128  # pixels each way
    valid_fraction: float = 0.04
    group_separator: str = ""
    largest_reduction: float = 1.0  # half of the crops are reduced by a factor up to this
    halve_above_megapixels: float | None = None  # many large pictures have chroma at half size

    def __post_init__(self) -> None:
        check_range(self, "data", 16, 2048, "crop")
        check_range(self, "data", 1, 8, "largest_reduction")
        if self.crop % 16:
            raise ConfigError(f"data.crop: {self.crop} is not a multiple of 16")
        if self.halve_above_megapixels is not None:
            check_positive(self, "data", "halve_above_megapixels")


def load_picture(path: Path, config: ImageDataConfig) -> NDArray[np.uint8]:
    """Return the picture [H, W, 3] of a file, halved if large, enlarged if smaller than a crop.

    Raises:
        InputError: the file cannot be read.
    """
    picture = Image.fromarray(np.ascontiguousarray(read_picture(path).to_rgb()))
    if picture.width * picture.height > 1e6 * (config.halve_above_megapixels or math.inf):
        picture = picture.reduce(2)
    if min(picture.size) < config.crop:
        factor = config.crop / min(picture.size)
        width, height = (max(config.crop, round(side * factor)) for side in picture.size)
        picture = picture.resize((width, height), Image.Resampling.LANCZOS)
    return np.asarray(picture)


class ImageCrops(Dataset):
    """Crops of pictures in memory, some turned or mirrored; large pictures are more probable."""

    def __init__(self, pictures: Sequence[NDArray[np.uint8]], config: ImageDataConfig) -> None:
        """Take pictures [H, W, 3] from `load_picture`."""
        self.crop, self.largest_reduction = config.crop, config.largest_reduction
        self.pictures = pictures
        areas = np.array([picture.shape[0] * picture.shape[1] for picture in self.pictures])
        self.shares = np.sqrt(areas) / np.sqrt(areas).sum()

    def signals(self, batch_size: int, generator: np.random.Generator) -> Tensor:
        """Return crops [B, 3, crop, crop] float32 in 0 … 1."""
        crops = []
        for choice in generator.choice(len(self.pictures), batch_size, p=self.shares):
            crop = self._crop(self.pictures[choice], generator)
            crop = crop[:, ::-1] if generator.random() < 0.5 else crop
            crops.append(np.rot90(crop, k=1) if generator.random() < 0.25 else crop)
        pixels = torch.from_numpy(np.stack(crops)).permute(0, 3, 1, 2)
        return pixels.contiguous().float() / 255

    def _crop(
        self, picture: NDArray[np.uint8], generator: np.random.Generator
    ) -> NDArray[np.uint8]:
        """Return a random crop of a picture, [crop, crop, 3]; half of the crops are reduced."""
        side = self.crop
        if self.largest_reduction > 1:
            reduction = max(1.0, self.largest_reduction ** generator.uniform(-1, 1))
            side = min(round(reduction * self.crop), *picture.shape[:2])
        top = generator.integers(picture.shape[0] - side + 1)
        left = generator.integers(picture.shape[1] - side + 1)
        part = picture[top : top + side, left : left + side]
        if side == self.crop:
            return part
        pixels = torch.from_numpy(part.copy()).permute(2, 0, 1)[None]
        size = (self.crop, self.crop)
        smaller = functional.interpolate(pixels, size=size, mode="bicubic", antialias=True)
        return smaller[0].permute(1, 2, 0).numpy()
