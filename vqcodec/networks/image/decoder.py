"""Latents to picture."""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor, nn
from torch.nn import functional

from vqcodec.modalities.image.config import PATCH, PatchesConfig
from vqcodec.networks.activations import leaky_relu
from vqcodec.networks.image.encoder import ImageEncoder, LatentGate, PointwiseConv, patches_of
from vqcodec.networks.pair import NetworkPair
from vqcodec.networks.precision import MixedPrecision, UnitStack
from vqcodec.networks.residual import RateModulation, ResidualUnit2d
from vqcodec.networks.statistics import principal_components


class ImageDecoder(MixedPrecision):
    """Latents to patches of 16 x 16 pixels, by the encoder's two paths in reverse."""

    def __init__(self, config: PatchesConfig) -> None:
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
            detail = self.head(leaky_relu(rising, 0.1))
        if self.gate is not None:
            latents = self.gate(latents, leaky_relu(features, 0.1))
        linear = functional.pixel_shuffle(self.linear(latents), PATCH)
        return (linear + functional.pixel_shuffle(detail, 8) + 1) / 2


def init_linear_paths(encoder: ImageEncoder, decoder: ImageDecoder, batch: Tensor) -> Tensor:
    """Set the linear paths to the principal components of the patches of batch [B, 3, H, W].

    Returns the standard deviations [D] of the patches along the components.
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


@torch.no_grad()
def extend_linear_paths(
    encoder: ImageEncoder, decoder: ImageDecoder, batches: Iterable[Tensor], first: int
) -> Tensor:
    """Make the latents from `first` on code the residual of the others at the finest rate.

    The new weights are a reduced-rank regression (Izenman 1975): the linear map from patches to
    residuals that has the least mean squared error among all maps of its rank. New latents have
    a variance of 1.

    Args:
        encoder: its weights of new latents are set.
        decoder: the same; its weights of new latents are still zero.
        batches: of images [B, 3, H, W].
        first: the number of old latents.

    Returns the standard deviations [D] of the patches along all latents.
    """
    num = encoder.linear.out_channels - first
    sums = torch.zeros(2, 1 + 3 * PATCH**2, 3 * PATCH**2, dtype=torch.float64)
    count = 0
    for image in batches:
        rate = image.new_ones(len(image))
        left = image - decoder(encoder(image, rate), rate)
        rows, targets = (
            patches_of(2 * part, PATCH).permute(0, 2, 3, 1).flatten(0, 2).double().cpu()
            for part in (image - 0.5, left)
        )
        with_one = torch.cat([torch.ones(len(rows), 1, dtype=torch.float64), rows], dim=1)
        sums += torch.stack([with_one.T @ rows, with_one.T @ targets])
        count += len(rows)
    (mean, mean_left), (squares, products) = (sums / count)[:, 0], (sums / count)[:, 1:]
    covariance = squares - mean[:, None] * mean + 1e-7 * torch.eye(len(mean))
    variances, vectors = torch.linalg.eigh(covariance)
    whiten = vectors / variances.clamp(min=1e-9).sqrt() @ vectors.T
    across = (products - mean[:, None] * mean_left).T  # [768 of residuals, 768 of patches]
    synthesis, deviations, analysis = torch.linalg.svd(across @ whiten)
    analysis = analysis[:num] @ whiten
    synthesis = synthesis[:, :num] * deviations[:num]
    encoder.linear.weight[first:] = analysis.float()[:, :, None, None]
    encoder.linear.bias[first:] = -(analysis @ mean).float()  # type: ignore[index]
    decoder.linear.weight[:, first:] = synthesis.float()[:, :, None, None]
    norms: Tensor = torch.linalg.vector_norm(decoder.linear.weight, dim=(0, 2, 3))
    return norms


PATCHES = NetworkPair(ImageEncoder, ImageDecoder, init_linear_paths, extend_linear_paths)
