"""The sound networks of the VQ-VAE paper (van den Oord et al. 2017, arXiv:1711.00937)."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor, nn

from vqcodec.errors import ConfigError
from vqcodec.layout import Geometry
from vqcodec.networks.residual import PaperUnit1d, scale_for_rectifiers
from vqcodec.networks.statistics import standardise_outputs

NUM_HALVINGS = 6
STEP = 2**NUM_HALVINGS  # samples of one latent position
START_SIGNALS = 64  # of a first batch, enough for means and deviations
DILATIONS = (1, 3, 9, 27)  # of a level's residual units, as many as it has


@dataclass(frozen=True, kw_only=True, slots=True)
class PaperAudioConfig:
    """The rate of the sound, and the size of its two networks."""

    sample_rate: int = 16_000  # Hz
    dim: int = 64  # channels of the latents
    width: int = 256  # channels at the coarsest level
    narrow_width: int = 32  # channels at the finest level; they double from level to level
    num_units: int = 2  # residual units of each level of the decoder

    def __post_init__(self) -> None:
        if not 4_000 <= self.sample_rate <= 96_000:
            raise ConfigError(f"network.sample_rate: {self.sample_rate} is not 4000 … 96000 Hz")
        if not 1 <= self.dim <= 1_024:
            raise ConfigError(f"network.dim: {self.dim} is not 1 … 1024")
        if not 4 <= self.narrow_width <= self.width <= 1_024:
            raise ConfigError(
                f"network.width: {self.narrow_width} … {self.width} is not within 4 … 1024"
            )
        if not 0 <= self.num_units <= len(DILATIONS):
            raise ConfigError(f"network.num_units: {self.num_units} is not 0 … {len(DILATIONS)}")

    def widths(self) -> list[int]:
        """Return the channels of each level, the finest (half the sample rate) first."""
        return [min(self.width, self.narrow_width * 2**level) for level in range(NUM_HALVINGS)]

    def geometry(self) -> Geometry:
        """Return 64 samples a position; six strided convolutions reach one position."""
        return Geometry(
            step=STEP,
            missing=0,
            encoder_reach=1,
            decoder_reach=self._decoder_reach(),
            window=6_000,
            segment=4_000,
        )

    def _decoder_reach(self) -> int:
        """Return the positions that the samples of position 0 depend on, to either side."""
        units = sum(DILATIONS[: self.num_units])
        first, last = 0, STEP - 1
        for _ in range(NUM_HALVINGS):
            first, last = (first - 1) // 2, (last + 1) // 2  # of a transposed convolution
            first, last = first - units, last + units
        reach: int = max(-first, last)
        return reach


class PaperAudioEncoder(nn.Module):
    """Six convolutions of window 4 and stride 2."""

    def __init__(self, config: PaperAudioConfig) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        num_channels = 1
        for width in config.widths():
            layers += [nn.Conv1d(num_channels, width, 4, stride=2, padding=1), nn.ReLU()]
            num_channels = width
        self.body = nn.Sequential(*layers)
        self.head = nn.Conv1d(num_channels, config.dim, 1)
        scale_for_rectifiers(self.body)

    def forward(self, waveform: Tensor, rate: Tensor) -> Tensor:  # noqa: ARG002
        """Return latents [B, D, F] of waveform [B, 1, 64 * F], whatever the rate."""
        return self.head(self.body(waveform))  # type: ignore[no-any-return]


class PaperAudioDecoder(nn.Module):
    """The encoder mirrored, with residual units at every level.

    The paper's decoder is a WaveNet, which draws one sample after the other; this one makes all
    samples at once and is trained on the distance of spectra instead of on the likelihood of
    samples.
    """

    def __init__(self, config: PaperAudioConfig) -> None:
        super().__init__()
        widths = config.widths()[::-1]
        layers: list[nn.Module] = [nn.Conv1d(config.dim, widths[0], 1)]
        for width, narrower in zip(widths, [*widths[1:], 1], strict=True):
            layers += [PaperUnit1d(width, dilation) for dilation in DILATIONS[: config.num_units]]
            layers += [nn.ReLU(), nn.ConvTranspose1d(width, narrower, 4, stride=2, padding=1)]
        self.body, self.head = nn.Sequential(*layers[:-1]), layers[-1]
        scale_for_rectifiers(self.body)
        scale_for_rectifiers([self.head], gain=0.1)  # start near silence

    def forward(
        self,
        latents: Tensor,
        rate: Tensor,  # noqa: ARG002
        corner: tuple[int, ...] = (0,),  # noqa: ARG002
    ) -> Tensor:
        """Return the waveform [B, 1, 64 * F], about ±1, of latents [B, D, F]."""
        return self.head(self.body(latents))  # type: ignore[no-any-return]


def start_paper_networks(
    encoder: PaperAudioEncoder,
    decoder: PaperAudioDecoder,  # noqa: ARG001
    batch: Tensor,
) -> None:
    """Give the latents of a first batch [B, 1, T] mean 0 and deviation 1."""
    standardise_outputs(encoder.head, encoder.body(batch[:START_SIGNALS]))
