"""Pictures, as training and the codec see them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

import torch
from torch import Tensor
from torch.nn import functional

from vqcodec.bitstream.header import ImageFacts
from vqcodec.bitstream.header import Modality as HeaderModality
from vqcodec.config import build_config
from vqcodec.errors import UsageError
from vqcodec.modalities.base import Dataset, Facts, Modality, NetworkKind
from vqcodec.modalities.image.decoder import ImageDecoder, start_linear_paths
from vqcodec.modalities.image.encoder import ImageEncoder, ImageNetworkConfig
from vqcodec.modalities.image.paper import (
    PaperImageConfig,
    PaperImageDecoder,
    PaperImageEncoder,
    start_paper_networks,
)
from vqcodec.modalities.image.signal import Picture
from vqcodec.modalities.media import Signal

TRAINING_SUFFIXES = frozenset({".png", ".jpg", ".jpeg", ".webp", ".tif", ".tiff", ".bmp", ".ppm"})


class ImageModality(Modality):
    """Pictures in RGB, 0 … 1; one latent position for a square of pixels."""

    name = "image"
    wire_id = HeaderModality.IMAGE
    suffixes = TRAINING_SUFFIXES
    dims = 2
    network_kinds: ClassVar[Mapping[str, NetworkKind]] = {
        "patches": NetworkKind(ImageNetworkConfig, ImageEncoder, ImageDecoder, start_linear_paths),
        "paper": NetworkKind(
            PaperImageConfig, PaperImageEncoder, PaperImageDecoder, start_paper_networks
        ),
    }

    def facts(self, signal: Signal, *, separate_channels: bool) -> ImageFacts:  # noqa: ARG002
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

    def planes(self, signal: Signal, facts: Facts) -> list[Tensor]:  # noqa: ARG002
        """Return the picture [1, 3, H, W], padded to whole positions."""
        assert isinstance(signal, Picture)
        return [pad_to_positions(image_tensor(signal), self.geometry().step)]

    def restore(self, planes: list[Tensor], facts: Facts) -> Signal:
        """Return the picture in 8 bits; a grey one is the mean of its colours."""
        assert isinstance(facts, ImageFacts)
        image = planes[0][0, :, : facts.height, : facts.width]
        if facts.grey:
            image = image.mean(dim=0, keepdim=True)
        pixels = (image * 255).round_().clamp_(0, 255).to(torch.uint8).permute(1, 2, 0)
        return Picture(pixels=pixels.contiguous().numpy())

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

    def distortion(self, reconstruction: Tensor, target: Tensor) -> dict[str, Tensor]:
        """Return the squared error of 8-bit values, mean over each picture."""
        error = (reconstruction - target).square().mean(dim=(1, 2, 3)) * 255**2
        return {"total": error, "mse": error}

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
