"""Pictures, as training and the codec see them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from vqcodec.bitstream.header import ImageFacts
from vqcodec.bitstream.header import Modality as HeaderModality
from vqcodec.config import build_config
from vqcodec.errors import UsageError
from vqcodec.modalities.base import Dataset, Decode, Facts, Modality, NetworkKind
from vqcodec.modalities.image.decoder import ImageDecoder, extend_linear_paths, start_linear_paths
from vqcodec.modalities.image.encoder import ImageEncoder, ImageNetworkConfig
from vqcodec.modalities.image.paper import (
    PaperImageConfig,
    PaperImageDecoder,
    PaperImageEncoder,
    start_paper_networks,
)
from vqcodec.modalities.image.signal import Picture
from vqcodec.modalities.media import LazySignal
from vqcodec.nn.windows import Place, sizes, whole

TRAINING_SUFFIXES = frozenset({".png", ".jpg", ".jpeg", ".webp", ".tif", ".tiff", ".bmp", ".ppm"})
MS_SSIM_SCALE = 1_500.0  # so that at equal rates both distortions are about as large


class ImageModality(Modality):
    """Pictures in RGB, 0 … 1; one latent position for a square of pixels."""

    name = "image"
    wire_id = HeaderModality.IMAGE
    suffixes = TRAINING_SUFFIXES
    dims = 2
    distortions = ("default", "ms_ssim")
    network_kinds: ClassVar[Mapping[str, NetworkKind]] = {
        "patches": NetworkKind(
            ImageNetworkConfig,
            ImageEncoder,
            ImageDecoder,
            start_linear_paths,
            extend_linear_paths,
        ),
        "paper": NetworkKind(
            PaperImageConfig, PaperImageEncoder, PaperImageDecoder, start_paper_networks
        ),
    }

    def facts(self, signal: LazySignal, *, separate_channels: bool) -> ImageFacts:  # noqa: ARG002
        """Return the size of a picture."""
        if not isinstance(signal, Picture):
            raise UsageError("this model is for pictures, and the input is a sound")
        return ImageFacts(width=signal.width, height=signal.height, grey=signal.grey)

    def num_planes(self, facts: Facts) -> int:  # noqa: ARG002
        """Return 1: all colours go through the networks together."""
        return 1

    def grid(self, facts: Facts) -> tuple[int, ...]:
        """Return rows and columns of positions."""
        assert isinstance(facts, ImageFacts)
        step = self.geometry().step
        return -(-facts.height // step), -(-facts.width // step)

    def facts_of_size(self, size: tuple[int, ...]) -> ImageFacts:
        """Return the facts of a picture of (height, width) pixels."""
        return ImageFacts(width=size[1], height=size[0], grey=False)

    def reader(self, signal: LazySignal, facts: Facts) -> Callable[[Place], Tensor]:  # noqa: ARG002
        """Return what gives pixels [1, 3, H, W]; beyond the picture, its last row and column."""
        assert isinstance(signal, Picture)

        def read(place: Place) -> Tensor:
            part = image_tensor(Picture(signal.pixels[place]))
            height, width = sizes(place)
            missing = (0, width - part.shape[3], 0, height - part.shape[2])
            return functional.pad(part, missing, mode="replicate")

        return read

    def restore(self, decode: Decode, facts: Facts) -> Picture:
        """Return the picture in 8 bits; a grey one is the mean of its colours."""
        assert isinstance(facts, ImageFacts)
        pixels = np.empty((facts.height, facts.width, 1 if facts.grey else 3), np.uint8)
        for (rows, columns), planes in decode(whole(self.grid(facts))):
            image = planes[0, :, : facts.height - rows.start, : facts.width - columns.start]
            if facts.grey:
                image = image.mean(dim=0, keepdim=True)
            levels = (image * 255).round_().clamp_(0, 255).to(torch.uint8)
            pixels[rows, columns] = levels.permute(1, 2, 0).numpy()
        return Picture(pixels)

    def dataset(self, files: Sequence[Path], table: Mapping[str, Any]) -> Dataset:
        """Return random crops."""
        from vqcodec.modalities.image.dataset import ImageCrops, ImageDataConfig

        return ImageCrops(files, build_config(ImageDataConfig, table, "data"))

    def excerpt(self, path: Path) -> Tensor:
        """Return the middle of a picture, [1, 3, H, W]: whole positions, sides at most 512."""
        from vqcodec.modalities.image.media import read_picture

        picture = read_picture(path)
        top, left = max(0, picture.height - 512) // 2, max(0, picture.width - 512) // 2
        middle = image_tensor(picture)[..., top : top + 512, left : left + 512]
        return pad_to_positions(middle, self.geometry().step)

    def distortion(
        self, reconstruction: Tensor, target: Tensor, kind: str = "default"
    ) -> dict[str, Tensor]:
        """Return the squared error of 8-bit values, mean over each picture.

        With "ms_ssim", what is minimised is how far structures are from being the same; squared
        errors are only reported.
        """
        errors = functional.mse_loss(reconstruction, target, reduction="none")
        error = errors.mean(dim=(1, 2, 3)) * 255**2
        psnr = -10 * torch.log10(error.detach() / 255**2)
        if kind == "default":
            return {"total": error, "mse": error, "psnr_db": psnr}
        from vqcodec.modalities.image.metrics import ms_ssim

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
    """Return a picture's colours as [1, 3, H, W] float32 in 0 … 1; grey fills all three."""
    white = 65535 if picture.pixels.dtype.itemsize == 2 else 255
    image = torch.from_numpy(picture.pixels.astype("float32")).permute(2, 0, 1)[None] / white
    return image.expand(-1, 3, -1, -1)


def pad_to_positions(image: Tensor, step: int) -> Tensor:
    """Return image [B, C, H, W] with its last row and column repeated to multiples of step."""
    height, width = image.shape[-2:]
    return functional.pad(image, (0, -width % step, 0, -height % step), mode="replicate")
