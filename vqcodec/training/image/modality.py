"""The training side of pictures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from vqcodec.config import build_config
from vqcodec.modalities.image.modality import ImageModality, image_array
from vqcodec.signals.picture import Picture
from vqcodec.signals.picture_files import read_picture
from vqcodec.signals.suffixes import PICTURE_SUFFIXES
from vqcodec.training.image.dataset import ImageCrops, ImageDataConfig
from vqcodec.training.inputs import InputReader
from vqcodec.training.modality import Dataset, TrainingModality
from vqcodec.training.sources import open_name

MS_SSIM_SCALE = 1_500.0  # makes both distortions about equal at equal rates
LARGEST_EXCERPT = 512  # pixels each way, of a held-out picture


class ImageTraining(TrainingModality):
    """Crops of pictures, and the distortion between two pictures."""

    suffixes = PICTURE_SUFFIXES
    distortions = ("default", "ms_ssim")

    def __init__(self, modality: ImageModality) -> None:
        self.modality = modality

    def _dataset(
        self,
        files: Sequence[str],
        table: Mapping[str, Any],
        memory_bytes: int,
        reader: InputReader,
    ) -> Dataset:
        """Return random crops."""
        config = build_config(ImageDataConfig, table, "data")
        return ImageCrops(files, config, memory_bytes, reader)

    def excerpt(self, name: str | Path) -> Tensor:
        """Return the middle of a picture, [1, 3, H, W]: whole positions, at most 512 pixels."""
        with open_name(name) as file:
            picture, size = read_picture(file, str(name)), LARGEST_EXCERPT
        top, left = max(0, picture.height - size) // 2, max(0, picture.width - size) // 2
        middle = image_tensor(picture)[..., top : top + size, left : left + size]
        return pad_to_positions(middle, self.modality.geometry.step)

    def distortion(
        self, reconstruction: Tensor, target: Tensor, kind: str = "default"
    ) -> dict[str, Tensor]:
        """Return the squared error of 8-bit values, mean over each picture.

        With "ms_ssim", the objective is 1 - MS-SSIM, scaled; squared errors are only reported.
        """
        errors = functional.mse_loss(reconstruction, target, reduction="none")
        error = errors.mean(dim=(1, 2, 3)) * 255**2
        psnr = -10 * torch.log10(error.detach() / 255**2)
        if kind == "default":
            return {"total": error, "mse": error, "psnr_db": psnr}
        from vqcodec.training.image.losses import ms_ssim

        similarity = ms_ssim(target, reconstruction)
        return {
            "total": MS_SSIM_SCALE * (1 - similarity),
            "mse": error,
            "psnr_db": psnr,
            "ms_ssim": similarity,
        }

    def rate_of_bits(self, bits: Tensor, target: Tensor) -> Tensor:
        """Return bits [B] per pixel of pictures [B, 3, H, W]."""
        return bits / (target.shape[-1] * target.shape[-2])


def image_tensor(picture: Picture) -> Tensor:
    """Return a picture's colours [1, 3, H, W] float32 in 0 … 1; grey is in all three channels."""
    return torch.from_numpy(image_array(picture.pixels, picture.pixels.shape[:2]))


def pad_to_positions(image: Tensor, step: int) -> Tensor:
    """Return image [B, C, H, W] with its last row and column repeated to multiples of step."""
    height, width = image.shape[-2:]
    return functional.pad(image, (0, -width % step, 0, -height % step), mode="replicate")
