"""Random excerpts of recordings."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from vqcodec.errors import ConfigError
from vqcodec.modalities.base import Dataset


@dataclass(frozen=True, kw_only=True, slots=True)
class AudioDataConfig:
    """What a training excerpt of a recording is, and how it is varied."""

    frames: int = 50  # latent frames
    lowest_gain_db: float = -15.0
    highest_gain_db: float = 5.0
    speed_change: float = 0.1  # fastest and slowest play, as a share
    speed_share: float = 0.5  # of excerpts that are played faster or slower
    mix_share: float = 0.1  # of excerpts that have a second, quieter voice
    quiet_share: float = 0.05  # of excerpts that may be as quiet as they are
    valid_fraction: float = 0.04
    group_separator: str = ""

    def __post_init__(self) -> None:
        if not 4 <= self.frames <= 10_000:
            raise ConfigError(f"data.frames: {self.frames} is not 4 … 10000")
        if not 0 <= self.speed_change <= 0.5:
            raise ConfigError(f"data.speed_change: {self.speed_change} is not 0 … 0.5")
        for name in ("speed_share", "mix_share", "quiet_share"):
            if not 0 <= getattr(self, name) <= 1:
                raise ConfigError(f"data.{name}: {getattr(self, name)} is not 0 … 1")


QUIET_DB = -15.0  # an excerpt that is quieter than this beside its recording is passed over
MOST_DRAWS = 8  # of one excerpt


class AudioExcerpts(Dataset):
    """Excerpts of recordings held in memory, varied in level, speed (with pitch) and company."""

    def __init__(
        self, recordings: Sequence[NDArray[np.int16]], config: AudioDataConfig, num_samples: int
    ) -> None:
        """Take recordings [T] at the model's rate; excerpts will be num_samples long."""
        self.config = config
        self.num_samples = num_samples
        self.recordings = recordings
        lengths = np.array([len(recording) for recording in recordings], np.float64)
        self.shares = lengths / lengths.sum()
        self.powers = [float(np.square(r, dtype=np.float64).mean()) for r in recordings]

    def _excerpt(self, generator: np.random.Generator, num_samples: int) -> NDArray[np.float64]:
        """Return num_samples of a random recording, ending in silence where it is shorter.

        Pauses are mostly passed over: they can be half of a recording, and teach little.
        """
        chosen = generator.choice(len(self.recordings), p=self.shares)
        recording = self.recordings[chosen]
        quiet = self.powers[chosen] * 10 ** (QUIET_DB / 10)
        draws = 1 if generator.random() < self.config.quiet_share else MOST_DRAWS
        for _ in range(draws):
            start = generator.integers(max(1, len(recording) - num_samples + 1))
            excerpt = recording[start : start + num_samples].astype(np.float64)
            if np.square(excerpt).mean() >= quiet:
                break
        return np.pad(excerpt / 32768.0, (0, num_samples - len(excerpt)))

    def _varied(self, generator: np.random.Generator) -> NDArray[np.float64]:
        """Return one excerpt [T], varied."""
        config, count = self.config, self.num_samples
        source = count
        if generator.random() < config.speed_share:
            source = round(count * (1 + generator.uniform(-1, 1) * config.speed_change))
        excerpt = self._excerpt(generator, source)
        if generator.random() < config.mix_share:
            excerpt = excerpt + self._excerpt(generator, source) * generator.uniform(0.1, 0.6)
        if source != count:  # resampled by its spectrum: exact but for the ends
            spectrum = np.fft.rfft(excerpt)
            excerpt = np.fft.irfft(spectrum[: count // 2 + 1], count) * (count / source)
        gain = 10 ** (generator.uniform(config.lowest_gain_db, config.highest_gain_db) / 20)
        return np.clip(excerpt * gain, -1, 1)

    def batch(self, batch_size: int, generator: np.random.Generator) -> Tensor:
        """Return excerpts [B, 1, T] float32, -1 … 1."""
        excerpts = np.stack([self._varied(generator) for _ in range(batch_size)])
        return torch.from_numpy(excerpts[:, None].astype(np.float32))
