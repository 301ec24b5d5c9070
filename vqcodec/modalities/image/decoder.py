"""Latents to picture."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from vqcodec.modalities.image.encoder import (
    PATCH,
    ImageEncoder,
    ImageNetworkConfig,
    LatentGate,
    PointwiseConv,
)
from vqcodec.nn.precision import MixedPrecision, UnitStack
from vqcodec.nn.residual import RateModulation, ResidualUnit2d
from vqcodec.nn.statistics import principal_components


class ImageDecoder(MixedPrecision):
    """Latents to patches of 16 x 16 pixels: the encoder's two paths, the other way round."""

    def __init__(self, config: ImageNetworkConfig) -> None:
        super().__init__()
        fine, coarse = config.fine_width, config.coarse_width
        self.linear = PointwiseConv(config.dim, 3 * PATCH * PATCH)
        self.widen = nn.Conv2d(config.dim, coarse, 3, padding=1)
        self.coarse_modulation = RateModulation(coarse)
        self.coarse = UnitStack(*[ResidualUnit2d(coarse) for _ in range(config.coarse_units)])
        self.up = PointwiseConv(coarse, 4 * fine)
        self.fine_modulation = RateModulation(fine)
        self.fine = UnitStack(*[ResidualUnit2d(fine) for _ in range(config.fine_units)])
        self.head = nn.Conv2d(fine, 3 * 64, 3, padding=1)
        nn.init.zeros_(self.head.weight)
        nn.init.zeros_(self.head.bias)  # type: ignore[arg-type]
        self.gate = LatentGate(coarse, config.dim) if config.gated else None

    def forward(
        self,
        latents: Tensor,
        rate: Tensor,
        corner: tuple[int, ...] = (0, 0),  # noqa: ARG002
    ) -> Tensor:
        """Return the image [B, 3, 16 * h, 16 * w], about 0 … 1, of latents [B, D, h, w].

        rate [B] is 0 … 1. The result is not clamped, so that training keeps its gradient.
        """
        with self.products(latents.device):
            features = self.coarse(self.coarse_modulation(self.widen(latents), rate))
            rising = functional.pixel_shuffle(self.up(features), 2)  # [B, C, 2 * h, 2 * w]
            rising = self.fine(self.fine_modulation(rising, rate))
            detail = self.head(functional.leaky_relu(rising, 0.1))
        if self.gate is not None:
            latents = self.gate(latents, functional.leaky_relu(features, 0.1))
        linear = functional.pixel_shuffle(self.linear(latents), PATCH)
        return (linear + functional.pixel_shuffle(detail, 8) + 1) / 2


def start_linear_paths(encoder: ImageEncoder, decoder: ImageDecoder, batch: Tensor) -> Tensor:
    """Set the linear paths to the principal components of the patches of batch [B, 3, H, W].

    Returns the deviations [D] of the patches along them.
    """
    patches = functional.pixel_unshuffle(batch * 2 - 1, PATCH)  # [B, 768, h, w]
    mean, components, deviations = principal_components(
        patches.permute(0, 2, 3, 1).flatten(0, 2), encoder.linear.out_channels
    )
    analysis = components / deviations[:, None]
    with torch.no_grad():
        encoder.linear.weight.copy_(analysis[:, :, None, None])
        encoder.linear.bias.copy_(-analysis @ mean)  # type: ignore[union-attr]
        decoder.linear.weight.copy_((components * deviations[:, None]).T[:, :, None, None])
        decoder.linear.bias.copy_(mean)  # type: ignore[union-attr]
    return deviations
