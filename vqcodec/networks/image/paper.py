"""The picture networks of the VQ-VAE paper (van den Oord et al. 2017, arXiv:1711.00937)."""

from __future__ import annotations

from torch import Tensor, nn

from vqcodec.modalities.image.config import PaperImageConfig
from vqcodec.networks.pair import NetworkPair
from vqcodec.networks.residual import PaperUnit2d, scale_for_rectifiers
from vqcodec.networks.statistics import standardise_outputs

START_SIGNALS = 64  # of a first batch: enough for means and standard deviations


class PaperImageEncoder(nn.Module):
    """Two 4x4 convolutions of stride 2, then residual units."""

    def __init__(self, config: PaperImageConfig) -> None:
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv2d(3, config.width, 4, stride=2, padding=1),
            nn.ReLU(),
            nn.Conv2d(config.width, config.width, 4, stride=2, padding=1),
            *[PaperUnit2d(config.width) for _ in range(config.num_units)],
            nn.ReLU(),
        )
        self.head = nn.Conv2d(config.width, config.dim, 1)
        scale_for_rectifiers(self.body)

    def forward(self, image: Tensor, rate: Tensor) -> Tensor:  # noqa: ARG002
        """Return latents [B, D, H / 4, W / 4] of image [B, 3, H, W] in 0 … 1.

        H and W are multiples of 4; the rate is ignored.
        """
        return self.head(self.body(image * 2 - 1))  # type: ignore[no-any-return]


class PaperImageDecoder(nn.Module):
    """Residual units, then two transposed 4x4 convolutions of stride 2."""

    def __init__(self, config: PaperImageConfig) -> None:
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv2d(config.dim, config.width, 1),
            *[PaperUnit2d(config.width) for _ in range(config.num_units)],
            nn.ReLU(),
            nn.ConvTranspose2d(config.width, config.width, 4, stride=2, padding=1),
            nn.ReLU(),
        )
        self.head = nn.ConvTranspose2d(config.width, 3, 4, stride=2, padding=1)
        scale_for_rectifiers(self.body)
        scale_for_rectifiers([self.head], gain=0.1)  # initial outputs are near middle grey

    def forward(
        self,
        latents: Tensor,
        rate: Tensor,  # noqa: ARG002
        corner: tuple[int, ...] = (0, 0),  # noqa: ARG002
    ) -> Tensor:
        """Return the image [B, 3, 4 * h, 4 * w], about 0 … 1, of latents [B, D, h, w].

        The result is not clamped, so that training keeps its gradient.
        """
        return (self.head(self.body(latents)) + 1) / 2  # type: ignore[no-any-return]


def init_paper_networks(
    encoder: PaperImageEncoder,
    decoder: PaperImageDecoder,  # noqa: ARG001
    batch: Tensor,
) -> None:
    """Give the latents of a first batch [B, 3, H, W] mean 0 and standard deviation 1."""
    standardise_outputs(encoder.head, encoder.body(batch[:START_SIGNALS] * 2 - 1))


PAPER = NetworkPair(PaperImageEncoder, PaperImageDecoder, init_paper_networks)
