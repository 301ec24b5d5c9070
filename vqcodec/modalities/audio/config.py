"""Configurations of the sound networks, and the geometry of their grids."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from vqcodec.config import check_range
from vqcodec.errors import ConfigError
from vqcodec.layout import Geometry
from vqcodec.registry import Kind, Registry

MDCT_FRAMES = 2  # MDCT frames per latent frame
UNIT_REACH = 3  # the receptive field of a unit, in positions on each side
NUM_HALVINGS = 6  # of the sample rate, in the paper's networks
PAPER_STEP = 2**NUM_HALVINGS  # samples per latent position, in the paper's networks
SPLITS = (1, 2, 4, 8, 16)  # blocks per frame that the transform of `BlocksConfig` can have
CHANNELS = 2  # its input channels
SIDE_BOOKS = 4  # its codebooks of a grid band that are not coefficients
DILATIONS = (1, 3, 9, 27)  # of a stage's residual units, in the paper's networks

NETWORKS = Registry(
    "network.kind",
    {
        "mdct": Kind(
            config="vqcodec.modalities.audio.config:MdctConfig",
            training="vqcodec.networks.audio.decoder:MDCT",
        ),
        "blocks": Kind(
            config="vqcodec.modalities.audio.config:BlocksConfig",
            training="vqcodec.networks.audio.stereo:BLOCKS",
        ),
        "paper": Kind(
            config="vqcodec.modalities.audio.config:PaperAudioConfig",
            training="vqcodec.networks.audio.paper:PAPER",
        ),
    },
    default="mdct",
)


@dataclass(frozen=True, kw_only=True, slots=True)
class MdctConfig:
    """The sample rate, and the size of the networks over MDCT frames."""

    num_channels: ClassVar[int] = 1  # of a plane

    sample_rate: int = 16_000  # Hz
    hop_length: int = 320  # samples per latent frame
    dim: int = 128
    encoder_width: int = 192
    encoder_units: int = 6
    decoder_width: int = 256
    decoder_units: int = 8
    excitation: bool = False  # whether the decoder adds generated harmonics and noise
    voice_dim: int = 0  # V, channels of a speaker embedding; 0 for no voices

    def __post_init__(self) -> None:
        check_range(self, "network", 4_000, 96_000, "sample_rate")
        check_range(self, "network", 16, 4_096, "hop_length")
        if self.hop_length % 4:
            raise ConfigError(f"network.hop_length: {self.hop_length} is not a multiple of 4")
        check_range(self, "network", 1, self.hop_length, "dim")
        check_range(self, "network", 0, 1_024, "voice_dim")
        check_range(self, "network", 8, 2_048, "encoder_width", "decoder_width")
        check_range(self, "network", 0, 32, "encoder_units", "decoder_units")

    @property
    def band_hz(self) -> float:
        """The highest frequency that is coded."""
        return self.sample_rate / 2

    def geometry(self) -> Geometry:
        """Return `hop_length` samples per frame, and the receptive field of the convolutions."""
        units, width = UNIT_REACH, 2
        return Geometry(
            step=self.hop_length,
            tail_trim=self.hop_length // MDCT_FRAMES,
            encoder_reach=width + units * self.encoder_units,
            decoder_reach=width + self.excitation + units * self.decoder_units,
            window=1500,
            segment=1000,
        )

    def bins_below(self, frequency: float) -> int:
        """Return the number of MDCT coefficients below a frequency in Hz, 1 … hop_length."""
        num_bins = round(frequency * 2 * self.hop_length / self.sample_rate)
        return max(1, min(num_bins, self.hop_length))


@dataclass(frozen=True, kw_only=True, slots=True)
class BlocksConfig:
    """The sample rate, and the size of a transform with block switching for two channels.

    The latents of a frame are those of `num_bands` grid bands of equal width. Each grid band has
    SIDE_BOOKS latents for the split and the levels of the frame, then `band_bins` coefficients of
    the mid channel, then as many of the side channel.
    """

    num_channels: ClassVar[int] = CHANNELS  # of a plane

    sample_rate: int = 48_000  # Hz
    hop_length: int = 2_048  # samples per frame
    num_bands: int = 54
    band_bins: int = 32  # coefficients of a grid band and channel
    num_slots: int = 48  # levels of a frame and channel
    num_halved: int = 0  # lowest grid bands with two slots each
    masking: float = 0.78  # exponent of a slot's threshold over its level
    decoder_width: int = 64
    decoder_units: int = 1

    def __post_init__(self) -> None:
        check_range(self, "network", 4_000, 96_000, "sample_rate")
        check_range(self, "network", 2 * SPLITS[-1], 2_048, "hop_length")
        check_range(self, "network", SPLITS[-1], 64, "band_bins")
        for name in ("hop_length", "band_bins"):
            if getattr(self, name) % SPLITS[-1]:
                raise ConfigError(
                    f"network.{name}: {getattr(self, name)} is not a multiple of {SPLITS[-1]}"
                )
        check_range(self, "network", 4, self.hop_length // self.band_bins, "num_bands")
        check_range(self, "network", 4, self.num_bands, "num_slots")
        if self.num_slots % 4:
            raise ConfigError(f"network.num_slots: {self.num_slots} is not a multiple of 4")
        check_range(self, "network", 0, (self.num_slots - 1) // 2, "num_halved")
        check_range(self, "network", 0.0, 1.0, "masking")
        if self.num_halved and self.band_bins % (2 * SPLITS[-1]):
            raise ConfigError(
                f"network.num_halved: needs band_bins that are a multiple of {2 * SPLITS[-1]}"
            )
        check_range(self, "network", 8, 2_048, "decoder_width")
        check_range(self, "network", 0, 32, "decoder_units")

    @property
    def band_hz(self) -> float:
        """The highest frequency that is coded."""
        return self.sample_rate * self.num_bands * self.band_bins / (2 * self.hop_length)

    @property
    def num_books(self) -> int:
        """The latents of a grid band."""
        return SIDE_BOOKS + CHANNELS * self.band_bins

    @property
    def dim(self) -> int:
        """The latents of a frame; those of one kind stand together, in order of frequency."""
        return self.num_books * self.num_bands

    def geometry(self) -> Geometry:
        """Return `hop_length` samples per frame, and the receptive field of the convolutions."""
        return Geometry(
            step=self.hop_length,
            tail_trim=0,
            encoder_reach=3,
            decoder_reach=2 + UNIT_REACH * self.decoder_units,
            window=128,
            segment=128,
        )


@dataclass(frozen=True, kw_only=True, slots=True)
class PaperAudioConfig:
    """The sample rate, and the size of the paper's two networks."""

    num_channels: ClassVar[int] = 1  # of a plane

    sample_rate: int = 16_000  # Hz
    dim: int = 64  # channels of the latents
    width: int = 256  # channels at the lowest resolution
    narrow_width: int = 32  # channels at the highest resolution; each halving doubles them
    num_units: int = 2  # residual units of each stage of the decoder
    voice_dim: int = 0  # V, channels of a speaker embedding; 0 for no voices

    def __post_init__(self) -> None:
        check_range(self, "network", 4_000, 96_000, "sample_rate")
        check_range(self, "network", 1, 1_024, "dim")
        check_range(self, "network", 4, 1_024, "width")
        check_range(self, "network", 4, self.width, "narrow_width")
        check_range(self, "network", 0, len(DILATIONS), "num_units")
        check_range(self, "network", 0, 1_024, "voice_dim")

    def widths(self) -> list[int]:
        """Return the channels of each stage, highest resolution (half the sample rate) first."""
        return [min(self.width, self.narrow_width * 2**stage) for stage in range(NUM_HALVINGS)]

    @property
    def band_hz(self) -> float:
        """The highest frequency that is coded."""
        return self.sample_rate / 2

    def geometry(self) -> Geometry:
        """Return 64 samples per position; the six strided convolutions reach one position."""
        return Geometry(
            step=PAPER_STEP,
            tail_trim=0,
            encoder_reach=1,
            decoder_reach=self._decoder_reach(),
            window=6_000,
            segment=4_000,
        )

    def _decoder_reach(self) -> int:
        """Return the decoder's receptive field, in positions on each side."""
        units = sum(DILATIONS[: self.num_units])
        first, last = 0, PAPER_STEP - 1
        for _ in range(NUM_HALVINGS):
            first, last = (first - 1) // 2, (last + 1) // 2  # of a transposed convolution
            first, last = first - units, last + units
        reach: int = max(-first, last)
        return reach
