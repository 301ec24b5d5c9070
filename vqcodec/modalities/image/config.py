"""Configurations of the picture networks, and the geometry of their grids."""

from __future__ import annotations

import math
from dataclasses import dataclass

from vqcodec.config import check_positive, check_range
from vqcodec.layout import Geometry
from vqcodec.registry import Kind, Registry

PATCH = 16  # pixels per latent position, along each axis
EFFECTIVE = 2.2  # times the square root of a receptive field
PAPER_STEP = 4  # the same for the paper's networks

NETWORKS = Registry(
    "network.kind",
    {
        "patches": Kind(
            config="vqcodec.modalities.image.config:PatchesConfig",
            training="vqcodec.networks.image.decoder:PATCHES",
        ),
        "paper": Kind(
            config="vqcodec.modalities.image.config:PaperImageConfig",
            training="vqcodec.networks.image.paper:PAPER",
        ),
    },
    default="patches",
)


@dataclass(frozen=True, kw_only=True, slots=True)
class PatchesConfig:
    """The size of the networks over patches."""

    dim: int = 192  # channels of the latents
    fine_width: int = 128  # channels at 1/8 resolution
    coarse_width: int = 192  # channels at 1/16 resolution
    fine_units: int = 2
    coarse_units: int = 2
    gated: bool = False  # whether features scale the linear path's latents
    largest_feature: float | None = None  # of the encoder; beyond it, trust falls

    def __post_init__(self) -> None:
        check_range(self, "network", 1, 3 * PATCH * PATCH, "dim")
        check_range(self, "network", 8, 1024, "fine_width", "coarse_width")
        check_range(self, "network", 0, 32, "fine_units", "coarse_units")
        if self.largest_feature is not None:
            check_positive(self, "network", "largest_feature")

    def geometry(self) -> Geometry:
        """Return 16 pixels per position, and how far the 3 x 3 convolutions reach."""
        # A unit has two convolutions; those of fine units count half. Each network has one more
        # convolution at coarse resolution, and the decoder one more at fine resolution.
        reach = 2 * self.coarse_units + 1 + self.fine_units
        return Geometry(
            step=PATCH,
            tail_trim=0,
            encoder_reach=_effective(reach),
            decoder_reach=_effective(reach + 1),
            window=128,
            segment=64,
        )


def _effective(reach: int) -> int:
    """Return how far a receptive field of `reach` positions has an effect.

    The effective receptive field grows with the square root of the depth (Luo et al. 2016,
    arXiv:1701.04128). What is beyond changes what `image` decodes by less than 1/10 of a level, and
    its latents by less than 1/100 of a step.
    """
    return min(reach, math.ceil(EFFECTIVE * math.sqrt(reach)))


@dataclass(frozen=True, kw_only=True, slots=True)
class PaperImageConfig:
    """The size of the paper's two networks; the paper has 256 channels."""

    dim: int = 64  # channels of the latents
    width: int = 128  # channels of all hidden layers
    num_units: int = 2  # residual units of each network

    def __post_init__(self) -> None:
        check_range(self, "network", 1, 1024, "dim")
        check_range(self, "network", 4, 1024, "width")
        check_range(self, "network", 0, 32, "num_units")

    def geometry(self) -> Geometry:
        """Return 4 pixels per position; strided convolutions reach one position, each unit one."""
        reach = self.num_units + 1
        return Geometry(
            step=PAPER_STEP,
            tail_trim=0,
            encoder_reach=reach,
            decoder_reach=reach,
            window=128,
            segment=256,
        )
