"""Random excerpts of recordings."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from vqcodec.config import check_range
from vqcodec.training.audio.disguise import disguise
from vqcodec.training.audio.gains import check_gains
from vqcodec.training.audio.recordings import Recordings
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
        check_gains(self)


QUIET_DB = -15.0  # an excerpt quieter than this, relative to its recording, is a pause
MOST_DRAWS = 8  # attempts to find an excerpt that is not a pause
JUDGED_PARTS, JUDGED_S = 16, 0.5  # of a long recording, evenly spread, that give its level


class Excerpt(NamedTuple):
    """A recording, and the seed of all other choices: they depend on its samples."""

    recording: int
    seed: int


class _Item(NamedTuple):
    """One item [T] of a batch; see `Batch`."""

    signal: NDArray[np.float64]
    source: NDArray[np.float64]
    recording: NDArray[np.float64]


class AudioExcerpts(Dataset):
    """Excerpts of recordings; level and speed vary, and some have a second voice."""

    def __init__(
        self,
        recordings: Recordings,
        config: AudioDataConfig,
        num_samples: int,
        sample_rate: int,
        speakers: Sequence[str] | None = None,
    ) -> None:
        """Take recordings at the model's sample rate, and the length of excerpts in samples.

        If the speaker of each recording is given, batches have other speech of the same speakers.
        """
        super().__init__()
        self.files = recordings.files
        self.config = config
        self.num_samples = num_samples
        self.sample_rate = sample_rate
        self.recordings = recordings
        self.speakers = speakers
        self.by_speaker: dict[str, list[int]] = {}
        for number, speaker in enumerate(speakers or ()):
            self.by_speaker.setdefault(speaker, []).append(number)
        self.shares = recordings.lengths / recordings.lengths.sum()
        self.powers: dict[int, float] = {}  # of the recordings that were read

    def describe(self) -> str:
        """Return how much is read, and how much of it is in memory."""
        return self.recordings.describe()

    def _power(self, number: int) -> float:
        """Return the mean power of a recording, of parts if it is long."""
        if number not in self.powers:
            length, size = int(self.recordings.lengths[number]), round(JUDGED_S * self.sample_rate)
            if length <= JUDGED_PARTS * size:
                parts = [self.recordings.read(number, 0, length)[0]]
            else:
                starts = np.linspace(0, length - size, JUDGED_PARTS).astype(int)
                parts = [self.recordings.read(number, int(s), int(s) + size)[0] for s in starts]
            samples = np.concatenate(parts)
            self.powers[number] = float(np.square(samples, dtype=np.float64).mean())
        return self.powers[number]

    def _excerpt(
        self, generator: np.random.Generator, num_samples: int, chosen: int
    ) -> NDArray[np.float64]:
        """Return num_samples of a recording, padded with silence if it is shorter.

        Most pauses are skipped: they can be half of a recording, and training gains little by them.
        """
        length = int(self.recordings.lengths[chosen])
        quiet = self._power(chosen) * 10 ** (QUIET_DB / 10)
        draws = 1 if generator.random() < self.config.quiet_share else MOST_DRAWS
        for _ in range(draws):
            start = int(generator.integers(max(1, length - num_samples + 1)))
            samples = self.recordings.read(chosen, start, min(length, start + num_samples))
            excerpt = samples[0].astype(np.float64)
            if np.square(excerpt).mean() >= quiet:
                break
        return np.pad(excerpt / 32768.0, (0, num_samples - len(excerpt)))

    def _random(self, generator: np.random.Generator) -> int:
        """Return the number of a random recording; longer recordings are more probable."""
        return int(generator.choice(len(self.shares), p=self.shares))

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

    def draw(self, batch_size: int, generator: np.random.Generator) -> Sequence[Excerpt]:
        """Return random recordings with seeds; longer recordings are more probable."""
        chosen = generator.choice(len(self.shares), batch_size, p=self.shares)
        seeds = generator.integers(2**63, size=batch_size)
        return [Excerpt(int(n), int(s)) for n, s in zip(chosen, seeds, strict=True)]

    def load_signals(self, excerpts: Sequence[Excerpt]) -> Tensor:
        """Return excerpts [B, 1, T] float32, -1 … 1."""
        return _tensor(
            self.load_each(
                excerpts, lambda e: self._varied(np.random.default_rng(e.seed), e.recording)
            )
        )

    def load(self, excerpts: Sequence[Excerpt]) -> Batch:
        """Return excerpts, disguises for the encoder, and recordings of the speakers."""
        items = self.load_each(excerpts, self._item)
        signal = _tensor([item.signal for item in items])
        source, recording = signal, None
        if self.config.formant_change:
            source = _tensor([item.source for item in items])
        if self.speakers is not None:
            recording = _tensor([item.recording for item in items])
        return Batch(signal, source, recording)

    def _item(self, excerpt: Excerpt) -> _Item:
        generator = np.random.default_rng(excerpt.seed)
        signal = self._varied(generator, excerpt.recording)
        source = recording = signal
        if self.config.formant_change:
            source = disguise(signal, self.sample_rate, generator, self.config.formant_change)
        if self.speakers is not None:
            recording = self._other_speech(generator, excerpt.recording)
        return _Item(signal, source, recording)

    def _other_speech(self, generator: np.random.Generator, number: int) -> NDArray[np.float64]:
        """Return an excerpt of a random recording of the same speaker."""
        assert self.speakers is not None
        other = int(generator.choice(self.by_speaker[self.speakers[number]]))
        return self._excerpt(generator, round(self.config.recording_s * self.sample_rate), other)


def _tensor(excerpts: Sequence[NDArray[np.float64]]) -> Tensor:
    """Return excerpts [T] as [B, 1, T] float32."""
    return torch.from_numpy(np.stack(excerpts)[:, None].astype(np.float32))
