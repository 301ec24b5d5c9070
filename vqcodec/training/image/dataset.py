"""Random crops of pictures."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from vqcodec.config import check_range
from vqcodec.errors import ConfigError, InputError
from vqcodec.training.modality import Dataset


@dataclass(frozen=True, kw_only=True, slots=True)
class ImageDataConfig:
    """What a training excerpt of a picture is."""

    crop: int = 128  # pixels each way
    valid_fraction: float = 0.04
    group_separator: str = ""

    def __post_init__(self) -> None:
        check_range(self, "data", 16, 2048, "crop")
        if self.crop % 16:
            raise ConfigError(f"data.crop: {self.crop} is not a multiple of 16")


class ImageCrops(Dataset):
    """Crops of pictures held in memory, turned and mirrored; larger pictures come more often."""

    def __init__(self, files: Sequence[Path], config: ImageDataConfig) -> None:
        self.crop = config.crop
        self.pictures = [self._read(path) for path in files]
        areas = np.array([picture.shape[0] * picture.shape[1] for picture in self.pictures])
        self.shares = np.sqrt(areas) / np.sqrt(areas).sum()

    def _read(self, path: Path) -> NDArray[np.uint8]:
        """Return the picture [H, W, 3], enlarged where it is smaller than a crop."""
        try:
            with Image.open(path) as file:
                picture = file.convert("RGB")
        except OSError as error:
            raise InputError(f"{path}: cannot be read as a picture") from error
        if min(picture.size) < self.crop:
            factor = self.crop / min(picture.size)
            width, height = (max(self.crop, round(side * factor)) for side in picture.size)
            picture = picture.resize((width, height), Image.Resampling.LANCZOS)
        return np.asarray(picture)

    def signals(self, batch_size: int, generator: np.random.Generator) -> Tensor:
        """Return crops [B, 3, crop, crop] float32 in 0 … 1."""
        crops = []
        for choice in generator.choice(len(self.pictures), batch_size, p=self.shares):
            picture = self.pictures[choice]
            top = generator.integers(picture.shape[0] - self.crop + 1)
            left = generator.integers(picture.shape[1] - self.crop + 1)
            crop = picture[top : top + self.crop, left : left + self.crop]
            crop = crop[:, ::-1] if generator.random() < 0.5 else crop
            crops.append(np.rot90(crop, k=1) if generator.random() < 0.25 else crop)
        pixels = torch.from_numpy(np.stack(crops)).permute(0, 3, 1, 2)
        return pixels.contiguous().float() / 255
