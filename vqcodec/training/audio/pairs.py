"""Random excerpts of recordings with two channels."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from vqcodec.config import check_range
from vqcodec.training.audio.gains import check_gains
from vqcodec.training.audio.recordings import Recordings
from vqcodec.training.modality import Dataset


@dataclass(frozen=True, kw_only=True, slots=True)
class PairDataConfig:
    """The length and augmentation of training excerpts of two channels."""

    frames: int = 64  # latent frames
    lowest_gain_db: float = -15.0
    highest_gain_db: float = 3.0
    mono_share: float = 0.1  # of excerpts that are mixed down
    turn_share: float = 0.2  # of excerpts whose channels are mixed at a random angle
    mix_share: float = 0.1  # of excerpts with a second sound
    recording_s: float = 40.0  # most of a file that is kept in memory, from its middle
    valid_fraction: float = 0.04
    group_separator: str = ""

    def __post_init__(self) -> None:
        check_range(self, "data", 4, 10_000, "frames")
        check_range(self, "data", 0, 1, "mono_share", "turn_share", "mix_share")
        check_range(self, "data", 1, 3_600, "recording_s")
        check_gains(self)


SILENCE = 1e-6  # mean square of a stretch, -60 dB, that is left out


class PairExcerpts(Dataset):
    """Excerpts of recordings; recordings shorter than an excerpt are joined."""

    def __init__(self, recordings: Recordings, config: PairDataConfig, num_samples: int) -> None:
        """Take recordings of two channels at the rate of the model, and the length of excerpts."""
        super().__init__()
        self.files = recordings.files
        self.recordings, self.config, self.num_samples = recordings, config, num_samples
        lengths = recordings.lengths.astype(np.float64)
        # Short recordings come more often than by their length.
        shares = np.sqrt(np.maximum(lengths, num_samples))
        self.shares = shares * np.minimum(1, lengths / num_samples)
        self.shares /= self.shares.sum()

    def describe(self) -> str:
        """Return how much is read, and how much of it is in memory."""
        return self.recordings.describe()

    def draw(self, batch_size: int, generator: np.random.Generator) -> Sequence[int]:
        """Return seeds of all other choices: they depend on samples."""
        seeds: list[int] = generator.integers(2**63, size=batch_size).tolist()
        return seeds

    def load_signals(self, excerpts: Sequence[int]) -> Tensor:
        """Return excerpts [B, 2, T] float32, -1 … 1."""
        found = self.load_each(excerpts, lambda seed: self._varied(np.random.default_rng(seed)))
        return torch.from_numpy(np.stack(found).astype(np.float32))

    def _excerpt(self, generator: np.random.Generator) -> NDArray[np.float64]:
        """Return pieces of recordings, joined until they are long enough."""
        pieces: list[NDArray[np.float64]] = []
        missing = self.num_samples
        while missing > 0:
            number = int(generator.choice(len(self.shares), p=self.shares))
            length = int(self.recordings.lengths[number])
            start = int(generator.integers(max(1, length - missing + 1)))
            piece = self.recordings.read(number, start, min(length, start + missing)) / 32768.0
            if np.square(piece).mean() < SILENCE and generator.random() < 0.9:
                continue
            pieces.append(piece)
            missing -= piece.shape[1]
        return np.concatenate(pieces, axis=1)

    def _varied(self, generator: np.random.Generator) -> NDArray[np.float64]:
        """Return one augmented excerpt [2, T]."""
        config = self.config
        excerpt = self._excerpt(generator)
        if generator.random() < config.mix_share:
            excerpt = excerpt + self._excerpt(generator) * generator.uniform(0.1, 0.6)
        if generator.random() < 0.5:
            excerpt = excerpt[::-1]
        chance = generator.random()
        if chance < config.mono_share:
            excerpt = np.repeat(excerpt.mean(axis=0, keepdims=True), 2, axis=0)
        elif chance < config.mono_share + config.turn_share:
            angle = generator.uniform(-np.pi / 4, np.pi / 4)
            cosine, sine = np.cos(angle), np.sin(angle)
            excerpt = np.array([[cosine, -sine], [sine, cosine]]) @ excerpt
        gain = 10 ** (generator.uniform(config.lowest_gain_db, config.highest_gain_db) / 20)
        return np.clip(excerpt * gain, -1, 1)
