"""The phones that the recogniser pocketsphinx hears in English speech."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from vqcodec.signals.resampling import resample
from vqcodec.signals.sound import AudioClip

# Silence, then the 39 phones of the CMU pronouncing dictionary.
PHONES = [
    "SIL", "AA", "AE", "AH", "AO", "AW", "AY", "B", "CH", "D", "DH", "EH", "ER", "EY", "F",
    "G", "HH", "IH", "IY", "JH", "K", "L", "M", "N", "NG", "OW", "OY", "P", "R", "S",
    "SH", "T", "TH", "UH", "UW", "V", "W", "Y", "Z", "ZH",
]  # fmt: skip
SILENCE = PHONES.index("SIL")
RECOGNISER_RATE = 16_000  # Hz
RECOGNISER_HOP, RECOGNISER_WINDOW = 160, 410  # samples
WIDEST_SEARCH = 3_000  # hidden Markov models for each frame: saves a third of the time


def phones_at(
    segments: Iterable[tuple[str, int, int]], num_positions: int, hop_length: float
) -> NDArray[np.int64]:
    """Return the phones [F] at the middles of positions of hop_length samples.

    A frame of the recogniser stands for the middle of its window.

    Args:
        segments: name, first frame and number of frames; anything that is not a phone, and frames
            without a segment, count as silence.
        num_positions: F.
        hop_length: at RECOGNISER_RATE.
    """
    segments = list(segments)
    num_frames = max((start + count for _, start, count in segments), default=0)
    heard = np.full(num_frames + 1, SILENCE)  # the last frame is for all later positions
    for name, start, count in segments:
        heard[start : start + count] = PHONES.index(name) if name in PHONES else SILENCE
    middles = (np.arange(num_positions) + 0.5) * hop_length
    frames = np.rint((middles - RECOGNISER_WINDOW / 2) / RECOGNISER_HOP).astype(np.int64)
    phones: NDArray[np.int64] = heard[frames.clip(0, num_frames)]
    return phones


class Recogniser:
    """Recognises phones in English speech; no state is kept between recordings."""

    def __init__(self) -> None:
        from pocketsphinx import Decoder

        self._decoder = Decoder(
            samprate=RECOGNISER_RATE, cmn="batch", maxhmmpf=WIDEST_SEARCH, loglevel="FATAL"
        )

    def segments(self, clip: AudioClip) -> list[tuple[str, int, int]]:
        """Return the name, first frame and number of frames of all segments, silence included."""
        data = self._samples(clip)
        self._decoder.activate_search()  # words
        self._hear(data)
        self._decoder.set_alignment()  # the phones of these words
        self._hear(data)
        phones = self._decoder.get_alignment().phones()
        return [(phone.name, phone.start, phone.duration) for phone in phones]

    def words(self, clip: AudioClip) -> list[str]:
        """Return the words of a sound."""
        self._decoder.activate_search()
        self._hear(self._samples(clip))
        hypothesis = self._decoder.hyp()
        return hypothesis.hypstr.split() if hypothesis is not None else []

    def _samples(self, clip: AudioClip) -> bytes:
        """Return the mean of the channels as 16-bit integers at RECOGNISER_RATE."""
        mono = clip.waveform.mean(axis=0, keepdims=True)
        waveform = resample(mono, clip.sample_rate, RECOGNISER_RATE)[0]
        data: bytes = np.rint(waveform.clip(-1, 1) * 32767).astype("<i2").tobytes()
        return data

    def _hear(self, data: bytes) -> None:
        self._decoder.start_utt()
        self._decoder.process_raw(data, full_utt=True)
        self._decoder.end_utt()


class PhoneCache:
    """The segments of recordings that were heard before, in a JSON file: hearing takes longest."""

    def __init__(self, path: Path | None) -> None:
        self._path = path
        self._heard: dict[str, list[tuple[str, int, int]]] = {}
        if path is not None and path.exists():
            self._heard = json.loads(path.read_text(encoding="utf-8"))
        self._recogniser: Recogniser | None = None

    def segments(self, path: Path, clip: AudioClip) -> list[tuple[str, int, int]]:
        """Return the segments of a recording; see `Recogniser`."""
        if path.name not in self._heard:
            self._recogniser = self._recogniser or Recogniser()
            self._heard[path.name] = self._recogniser.segments(clip)
            if self._path is not None:
                self._path.write_text(json.dumps(self._heard), encoding="utf-8")
        return [(name, start, count) for name, start, count in self._heard[path.name]]
