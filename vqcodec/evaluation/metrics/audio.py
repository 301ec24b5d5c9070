"""How close a decoded sound is to the original."""

from __future__ import annotations

import math
import os
import warnings
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from functools import lru_cache
from importlib import import_module
from importlib.util import find_spec
from typing import Any

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from vqcodec.signals.resampling import resample, to_length
from vqcodec.signals.sound import AudioClip

_MEL_SCALES = {2048: 320, 1024: 160, 512: 80, 256: 40, 128: 20, 64: 10, 32: 5}  # window: bands
_QUIETEST = 1e-5  # magnitudes below count as this one
_SPEECH_RATE = 16_000  # Hz
_MAX_PESQ_SAMPLES = 20 * _SPEECH_RATE
_MIN_PESQ_SAMPLES = _SPEECH_RATE // 4
_MIN_VISQOL_SAMPLES = _SPEECH_RATE
_MIN_STOI_SAMPLES = _SPEECH_RATE // 2  # 30 frames of 12.8 ms are needed
_BATCH = 1 << 18  # samples in all windows that are transformed at once

# What has to be installed for a metric; of ViSQOL its newer model of listeners, too.
_PACKAGES = {
    "pesq_wb": ["pesq"],
    "stoi": ["pystoi"],
    "visqol": ["visqol", "ai_edge_litert"],
    "speaker_similarity": ["resemblyzer", "torch"],
}


def compare(reference: AudioClip, decoded: AudioClip) -> dict[str, float | None]:
    """Return si_sdr_db, mel_distance and, where installed, metrics of speech.

    These are pesq_wb, stoi, visqol and speaker_similarity.
    The decoded clip is first brought to the rate and the length of the reference, as codecs that
    work at a rate of their own need it. Every metric is the mean of the channels. None stands for
    a metric without a value, such as PESQ of silence.
    """
    waveform = resample(decoded.waveform, decoded.sample_rate, reference.sample_rate)
    waveform = to_length(waveform, reference.num_samples)
    assert waveform.shape == reference.waveform.shape
    scores: dict[str, float | None] = {
        "si_sdr_db": _mean(map(si_sdr, reference.waveform, waveform)),
        "mel_distance": mel_distance(reference.waveform, waveform, reference.sample_rate),
    }
    pair = (
        resample(w, reference.sample_rate, _SPEECH_RATE) for w in (reference.waveform, waveform)
    )
    channels = list(zip(*pair, strict=True))
    for name, metric in _SPEECH_METRICS.items():
        if _is_installed(name):
            scores[name] = _mean(metric(*channel) for channel in channels)
    return scores


def missing() -> list[str]:
    """Return the names of the metrics that `compare` leaves out: they are not installed."""
    return [name for name in _PACKAGES if not _is_installed(name)]


def _is_installed(name: str) -> bool:
    return all(find_spec(package) for package in _PACKAGES[name])


def si_sdr(reference: NDArray[np.float32], decoded: NDArray[np.float32]) -> float | None:
    """Return the scale-invariant ratio of signal to distortion in dB (Le Roux 2019).

    arXiv:1811.02508. Both are [T] and lose their mean first. Equal sounds have an infinite ratio,
    sounds with nothing in common a negative infinite one; next to silence there is none.
    """
    if not reference.any() or not decoded.any():
        return None
    target, estimate = (x - x.mean() for x in (reference.astype(float), decoded.astype(float)))
    energy = float(target @ target)
    if not energy or not estimate.any():
        return None
    target *= (target @ estimate) / energy
    distortion = float(np.square(estimate - target).sum())
    if not distortion:
        return math.inf
    ratio = float(target @ target) / distortion
    return 10 * math.log10(ratio) if ratio else -math.inf


def mel_distance(
    reference: NDArray[np.float32], decoded: NDArray[np.float32], sample_rate: int
) -> float:
    """Return the mean absolute difference of log10 mel magnitudes over seven resolutions.

    The multi-scale mel loss of DAC (Kumar et al. 2023, arXiv:2306.06546): Hann windows of 32 to
    2048 samples, a quarter of one between two, 5 to 320 Slaney mel bands up to half the sample
    rate, magnitudes of at least 1e-5. This is the mean over the scales where DAC takes the sum, so
    that 0.1 is 2 dB. Both waveforms are [C, T]; a short one is continued by silence to a window.
    """
    num_samples = max(reference.shape[1], *_MEL_SCALES)
    first, second = (to_length(waveform, num_samples) for waveform in (reference, decoded))
    distances = [
        _mel_distance(first, second, window, mel_bands(window, num_bands, sample_rate))
        for window, num_bands in _MEL_SCALES.items()
    ]
    return sum(distances) / len(distances)


def speaker_similarity(
    reference: NDArray[np.float32], decoded: NDArray[np.float32]
) -> float | None:
    """Return the cosine between speaker embeddings of waveforms [T] at 16 kHz, see `speaker`."""
    from vqcodec.evaluation.metrics import speaker  # here: the only metric that needs torch

    return speaker.speaker_similarity(reference, decoded)


def pesq_wb(reference: NDArray[np.float32], decoded: NDArray[np.float32]) -> float | None:
    """Return PESQ (ITU-T P.862.2, wide band: 1.0 … 4.6) of waveforms [T] at 16 kHz.

    P.862 is for clips of up to 20 s, and its reference code crashes beyond 50 utterances: a longer
    clip scores the mean of equal pieces. None for silence, or less than 0.25 s.
    """
    from pesq import PesqError, pesq

    num_pieces = -(-len(reference) // _MAX_PESQ_SAMPLES)
    if len(reference) < _MIN_PESQ_SAMPLES:
        return None

    def score(pair: tuple[NDArray[np.float32], NDArray[np.float32]]) -> float | None:
        if not pair[0].any() or not pair[1].any():
            return None
        try:
            return float(pesq(_SPEECH_RATE, *pair, "wb"))
        except (PesqError, ValueError):  # no utterance found, on one side or the other
            return None

    pieces = (np.array_split(waveform, num_pieces) for waveform in (reference, decoded))
    return _mean(map(score, zip(*pieces, strict=True)))


def stoi(reference: NDArray[np.float32], decoded: NDArray[np.float32]) -> float | None:
    """Return STOI (Taal 2011; 0 … 1), for intelligibility, of waveforms [T] at 16 kHz.

    None for silence, or less than half a second that is not silent.
    """
    from pystoi import stoi as measure

    if len(reference) < _MIN_STOI_SAMPLES or not reference.any():
        return None
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        score = float(measure(reference, decoded, _SPEECH_RATE))
    return None if score == 1e-5 else score  # how pystoi reports too few frames, with a warning


def visqol(reference: NDArray[np.float32], decoded: NDArray[np.float32]) -> float | None:
    """Return ViSQOL 3 in speech mode (1.0 … 5.0), of waveforms [T] at 16 kHz.

    Chinen et al. 2020, arXiv:2004.09584, with the lattice network that is the default of the
    reference implementation. None for silence, or less than a second.
    """
    if len(reference) < _MIN_VISQOL_SAMPLES or not reference.any() or not decoded.any():
        return None
    try:
        result = _visqol().measure_from_arrays(
            reference.astype(np.float64), decoded.astype(np.float64), _SPEECH_RATE
        )
    except (IndexError, ValueError):  # no piece with enough speech to compare
        return None
    return float(result.moslqo)


@lru_cache(maxsize=1)
def _visqol() -> Any:
    api = import_module("visqol").VisqolApi()
    with _silent_stderr():  # its runtime has something to say of processors
        api.create(mode="speech", use_lattice_model=True)
    return api


@contextmanager
def _silent_stderr() -> Iterator[None]:
    """Drop what programs in C write to stderr."""
    kept, nowhere = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(nowhere, 2)
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(nowhere)


def _mean(values: Iterable[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return sum(known) / len(known) if known else None


def _mel_distance(
    first: NDArray[np.float32],
    second: NDArray[np.float32],
    window: int,
    bands: NDArray[np.float32],
) -> float:
    """Return `mel_distance` of one resolution, batch by batch of windows."""
    step = window // 4
    pairs = [
        sliding_window_view(_padded(channel, window), window)[::step]  # [frames, window]
        for channel in (*first, *second)
    ]
    num_frames, size = len(pairs[0]), max(1, _BATCH // window)
    total = 0.0
    for one, other in zip(pairs[: len(first)], pairs[len(first) :], strict=True):
        for start in range(0, num_frames, size):
            part = slice(start, start + size)
            difference = _log_mel(one[part], bands) - _log_mel(other[part], bands)
            total += float(np.abs(difference).sum(dtype=np.float64))
    return total / (len(first) * num_frames * len(bands[0]))


def _padded(channel: NDArray[np.float32], window: int) -> NDArray[np.float32]:
    """Return a channel [T], mirrored at both ends so that a window is centred on each end."""
    return np.pad(channel, window // 2, mode="reflect")


def _log_mel(frames: NDArray[np.float32], bands: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return log10 mel magnitudes [frames, bands] of frames [frames, window]."""
    spectrum = np.fft.rfft(frames * hann_window(frames.shape[1]), axis=1)
    magnitudes = np.abs(spectrum).astype(np.float32)
    logarithms: NDArray[np.float32] = np.log10(
        np.maximum(magnitudes @ bands, np.float32(_QUIETEST))
    )
    return logarithms


def hann_window(length: int) -> NDArray[np.float32]:
    """Return a periodic Hann window."""
    return np.hanning(length + 1)[:-1].astype(np.float32)


@lru_cache(maxsize=64)
def mel_bands(window: int, num_bands: int, sample_rate: int) -> NDArray[np.float32]:
    """Return the weights [window / 2 + 1, num_bands] of triangular bands of equal area.

    Slaney's scale: 200/3 Hz a mel up to 1 kHz, then 27 mels for a factor of 6.4.
    """
    highest = _mels_of(np.array(sample_rate / 2))
    edges = _frequencies_of(np.linspace(0, highest, num_bands + 2))
    bins = np.linspace(0, sample_rate / 2, window // 2 + 1)[:, None]
    rising = (bins - edges[:-2]) / np.diff(edges)[:-1]
    falling = (edges[2:] - bins) / np.diff(edges)[1:]
    weights = np.minimum(rising, falling).clip(min=0) * 2 / (edges[2:] - edges[:-2])
    return weights.astype(np.float32)


def _mels_of(frequencies: NDArray[np.float64]) -> NDArray[np.float64]:
    linear = frequencies * 3 / 200
    return np.where(
        linear < 15, linear, 15 + np.log(np.maximum(frequencies, 1) / 1000) * 27 / np.log(6.4)
    )


def _frequencies_of(mels: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.where(mels < 15, mels * 200 / 3, 1000 * 6.4 ** ((mels - 15) / 27))


_SPEECH_METRICS: dict[str, Callable[[NDArray[np.float32], NDArray[np.float32]], float | None]] = {
    "pesq_wb": pesq_wb,
    "stoi": stoi,
    "visqol": visqol,
    "speaker_similarity": speaker_similarity,
}
