"""Random excerpts of recordings."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from vqcodec.config import check_range
from vqcodec.training.audio.disguise import disguise
from vqcodec.training.modality import Batch, Dataset


@dataclass(frozen=True, kw_only=True, slots=True)
class AudioDataConfig:
    """The length and augmentation of training excerpts of recordings."""

    frames: int = 50  # latent frames
    lowest_gain_db: float = -15.0
    highest_gain_db: float = 5.0
    speed_change: float = 0.1  # largest relative change of the speed
    speed_share: float = 0.5  # of excerpts with another speed
    mix_share: float = 0.1  # of excerpts with a second, quieter voice
    quiet_share: float = 0.05  # of excerpts that may be pauses
    formant_change: float = 0.0  # of the input of the encoder: largest relative change
    recording_s: float = 3.0  # of a speaker, for decoders with voices
    valid_fraction: float = 0.04
    group_separator: str = ""

    def __post_init__(self) -> None:
        check_range(self, "data", 4, 10_000, "frames")
        check_range(self, "data", 0, 0.5, "speed_change")
        check_range(self, "data", 0, 1, "formant_change")
        check_range(self, "data", 0.5, 30, "recording_s")
        check_range(self, "data", 0, 1, "speed_share", "mix_share", "quiet_share")


QUIET_DB = -15.0  # an excerpt quieter than this, relative to its recording, is a pause
MOST_DRAWS = 8  # attempts to find an excerpt that is not a pause


class AudioExcerpts(Dataset):
    """Excerpts of recordings in memory; level and speed vary, and some have a second voice."""

    def __init__(
        self,
        recordings: Sequence[NDArray[np.int16]],
        config: AudioDataConfig,
        num_samples: int,
        sample_rate: int,
        speakers: Sequence[str] | None = None,
    ) -> None:
        """Take recordings [T] at the model's sample rate, and the length of excerpts in samples.

        If the speaker of each recording is given, batches have other speech of the same speakers.
        """
        self.config = config
        self.num_samples = num_samples
        self.sample_rate = sample_rate
        self.recordings = recordings
        self.speakers = speakers
        self.by_speaker: dict[str, list[int]] = {}
        for number, speaker in enumerate(speakers or ()):
            self.by_speaker.setdefault(speaker, []).append(number)
        lengths = np.array([len(recording) for recording in recordings], np.float64)
        self.shares = lengths / lengths.sum()
        self.powers = [float(np.square(r, dtype=np.float64).mean()) for r in recordings]

    def _excerpt(
        self, generator: np.random.Generator, num_samples: int, chosen: int
    ) -> NDArray[np.float64]:
        """Return num_samples of a recording, padded with silence if it is shorter.

        Most pauses are skipped: they can be half of a recording, and training gains little by them.
        """
        recording = self.recordings[chosen]
        quiet = self.powers[chosen] * 10 ** (QUIET_DB / 10)
        draws = 1 if generator.random() < self.config.quiet_share else MOST_DRAWS
        for _ in range(draws):
            start = generator.integers(max(1, len(recording) - num_samples + 1))
            excerpt = recording[start : start + num_samples].astype(np.float64)
            if np.square(excerpt).mean() >= quiet:
                break
        return np.pad(excerpt / 32768.0, (0, num_samples - len(excerpt)))

    def _random(self, generator: np.random.Generator) -> int:
        """Return the number of a random recording; longer recordings are more probable."""
        return int(generator.choice(len(self.recordings), p=self.shares))

    def _varied(self, generator: np.random.Generator, chosen: int) -> NDArray[np.float64]:
        """Return one augmented excerpt [T] of a recording."""
        config, count = self.config, self.num_samples
        source = count
        if generator.random() < config.speed_share:
            source = round(count * (1 + generator.uniform(-1, 1) * config.speed_change))
        excerpt = self._excerpt(generator, source, chosen)
        if generator.random() < config.mix_share:
            other = self._excerpt(generator, source, self._random(generator))
            excerpt = excerpt + other * generator.uniform(0.1, 0.6)
        if source != count:  # resampled by its spectrum, which is exact except at the ends
            spectrum = np.fft.rfft(excerpt)
            excerpt = np.fft.irfft(spectrum[: count // 2 + 1], count) * (count / source)
        gain = 10 ** (generator.uniform(config.lowest_gain_db, config.highest_gain_db) / 20)
        return np.clip(excerpt * gain, -1, 1)

    def signals(self, batch_size: int, generator: np.random.Generator) -> Tensor:
        """Return excerpts [B, 1, T] float32, -1 … 1."""
        chosen = [self._random(generator) for _ in range(batch_size)]
        return _tensor([self._varied(generator, number) for number in chosen])

    def batch(self, batch_size: int, generator: np.random.Generator) -> Batch:
        """Return random excerpts, disguises for the encoder, and recordings of the speakers."""
        chosen = [self._random(generator) for _ in range(batch_size)]
        excerpts = [self._varied(generator, number) for number in chosen]
        signal = _tensor(excerpts)
        source, recording = signal, None
        if self.config.formant_change:
            change = self.config.formant_change
            source = _tensor([disguise(x, self.sample_rate, generator, change) for x in excerpts])
        if self.speakers is not None:
            length = round(self.config.recording_s * self.sample_rate)
            others = [generator.choice(self.by_speaker[self.speakers[n]]) for n in chosen]
            recording = _tensor([self._excerpt(generator, length, n) for n in others])
        return Batch(signal, source, recording)


def _tensor(excerpts: Sequence[NDArray[np.float64]]) -> Tensor:
    """Return excerpts [T] as [B, 1, T] float32."""
    return torch.from_numpy(np.stack(excerpts)[:, None].astype(np.float32))
