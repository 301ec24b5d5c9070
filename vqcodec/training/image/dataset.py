"""Random crops of pictures."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from vqcodec.errors import InputError
from vqcodec.numbers import counted
from vqcodec.training.cache import DecodedFiles, describe_memory
from vqcodec.training.image.pictures import ImageDataConfig, load_picture, size_of_picture
from vqcodec.training.inputs import InputReader
from vqcodec.training.modality import Dataset

__all__ = ["Crop", "ImageCrops", "ImageDataConfig"]


class Crop(NamedTuple):
    """A place in a picture: `side` pixels each way, then mirrored, then turned."""

    picture: int
    top: int
    left: int
    side: int
    mirrored: bool
    turned: bool


class ImageCrops(Dataset):
    """Crops of pictures, some turned or mirrored; large pictures are more probable."""

    def __init__(
        self,
        files: Sequence[str],
        config: ImageDataConfig,
        memory_bytes: int,
        reader: InputReader,
    ) -> None:
        """Read the sizes of all pictures, and the pictures if they fit into the memory."""
        super().__init__()
        self.config, self.crop = config, config.crop
        self.largest_reduction = config.largest_reduction
        sizes = reader.read_each(files, partial(size_of_picture, config=config))
        self.decoded = DecodedFiles(memory_bytes)
        self.num_bytes = 3 * sum(height * width for height, width in sizes.values())
        if sizes and self.num_bytes <= memory_bytes:
            loaded = reader.read_each(sizes, partial(load_picture, config=config))
            sizes = {name: picture.shape[:2] for name, picture in loaded.items()}
            for number, picture in enumerate(loaded.values()):
                self.decoded.put(number, picture)
        self.files, self.sizes = list(sizes), list(sizes.values())  # height, width
        roots = np.sqrt([height * width for height, width in self.sizes])
        self.shares = roots / roots.sum()

    def describe(self) -> str:
        """Return the number of pictures, and how much of them is in memory."""
        return describe_memory(counted(len(self.files), "picture"), self.num_bytes, self.decoded)

    def picture(self, number: int) -> NDArray[np.uint8]:
        """Return a picture [H, W, 3], halved if large, enlarged if smaller than a crop.

        Raises:
            InputError: it cannot be read, or has another size than its header said.
        """
        picture = self.decoded.get(number, lambda n: load_picture(self.files[n], self.config))
        if picture.shape[:2] != self.sizes[number]:
            raise InputError(f"{self.files[number]}: its size is not that of its header")
        return picture

    def draw(self, batch_size: int, generator: np.random.Generator) -> Sequence[Crop]:
        """Return random crops; half of them are larger, to be reduced."""
        chosen = generator.choice(len(self.sizes), batch_size, p=self.shares)
        return [self._random_crop(int(number), generator) for number in chosen]

    def _random_crop(self, number: int, generator: np.random.Generator) -> Crop:
        height, width = self.sizes[number]
        side = self.crop
        if self.largest_reduction > 1:
            reduction = max(1.0, self.largest_reduction ** generator.uniform(-1, 1))
            side = min(round(reduction * self.crop), height, width)
        return Crop(
            picture=number,
            top=int(generator.integers(height - side + 1)),
            left=int(generator.integers(width - side + 1)),
            side=side,
            mirrored=bool(generator.random() < 0.5),
            turned=bool(generator.random() < 0.25),
        )

    def load_signals(self, excerpts: Sequence[Crop]) -> Tensor:
        """Return crops [B, 3, crop, crop] float32 in 0 … 1."""
        crops = self.load_each(excerpts, self._load)
        pixels = torch.from_numpy(np.stack(crops)).permute(0, 3, 1, 2)
        return pixels.contiguous().float() / 255

    def _load(self, place: Crop) -> NDArray[np.uint8]:
        """Return a crop [crop, crop, 3], mirrored and turned."""
        crop = self._cut(place)
        crop = crop[:, ::-1] if place.mirrored else crop
        return np.rot90(crop, k=1) if place.turned else crop

    def _cut(self, place: Crop) -> NDArray[np.uint8]:
        """Return a crop [crop, crop, 3] of a picture, reduced if it is larger."""
        bottom, right = place.top + place.side, place.left + place.side
        part = self.picture(place.picture)[place.top : bottom, place.left : right]
        if place.side == self.crop:
            return part
        pixels = torch.from_numpy(part.copy()).permute(2, 0, 1)[None]
        size = (self.crop, self.crop)
        smaller = functional.interpolate(pixels, size=size, mode="bicubic", antialias=True)
        return smaller[0].permute(1, 2, 0).numpy()
