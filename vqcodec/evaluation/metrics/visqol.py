"""ViSQOL in audio mode: a score of music and other sounds at 48 kHz."""

from __future__ import annotations

import math
from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from vqcodec.evaluation.metrics.gammatone import frame_length, gammatone_spectrogram, hop_length
from vqcodec.evaluation.metrics.neurogram import PATCH, match_patches, prepare, similarity

Floats = NDArray[np.float64]

PACKAGE = "visqol"  # its support vectors alone; it is not imported
SAMPLE_RATE = 48_000  # Hz
MAX_SAMPLES = 20 * SAMPLE_RATE
_MODEL = Path("model", "libsvm_nu_svr_model.txt")
_LEAST_SIMILARITY = 0.15  # below it, the score is 1

# A reference needs one and a half patches of frames.
MIN_SAMPLES = frame_length(SAMPLE_RATE) + (PATCH * 3 // 2 - 1) * hop_length(SAMPLE_RATE)


def visqol_audio(reference: NDArray[np.float32], decoded: NDArray[np.float32]) -> float | None:
    """Return ViSQOL 3 in audio mode (1.0 … 4.73) of waveforms [T] at 48 kHz.

    Chinen et al. 2020, arXiv:2004.09584: similarities of gammatone spectrograms in 32 bands, mapped
    to a score by support vectors. The steps are those of the reference implementation, version
    3.3.3, whose scores this function reproduces; an equal sound has 4.73. It is for mono sounds of
    5 to 10 s: a longer sound is cut into equal pieces of up to 20 s, and the score is their mean.
    None for silence, or less than a second.
    """
    num_pieces = max(1, -(-len(reference) // MAX_SAMPLES))
    pieces = (np.array_split(waveform, num_pieces) for waveform in (reference, decoded))
    scores = [
        _score(first.astype(np.float64), second.astype(np.float64))
        for first, second in zip(*pieces, strict=True)
        if len(first) >= MIN_SAMPLES and first.any() and second.any()
    ]
    return sum(scores) / len(scores) if scores else None


def _score(reference: Floats, decoded: Floats) -> float:
    bands = band_similarities(reference, decoded)
    return 1.0 if bands.mean() < _LEAST_SIMILARITY else _predict(bands)


def band_similarities(reference: Floats, decoded: Floats) -> Floats:
    """Return the mean similarity [32] of each gammatone band of waveforms [T] at 48 kHz."""
    decoded = aligned(reference, decoded)
    decoded = decoded * math.sqrt(np.square(reference).mean() / np.square(decoded).mean())
    pair = (gammatone_spectrogram(waveform, SAMPLE_RATE) for waveform in (reference, decoded))
    starts, offsets, patches = match_patches(*prepare(*pair))
    for number, (start, offset) in enumerate(zip(starts, offsets, strict=True)):
        if offset >= 0:
            again = _realigned(_samples(reference, start), _samples(decoded, offset))
            if again is not None and again.mean() >= patches[number].mean():
                patches[number] = again
    bands: Floats = np.mean(patches, axis=0)
    return bands


def _samples(waveform: Floats, first_frame: int) -> Floats:
    """Return the samples of a patch that begins at a frame, with silence before it if it ends late.

    The reference implementation puts the silence there, and rounds seconds down to samples.
    """
    hop_s = hop_length(SAMPLE_RATE) / SAMPLE_RATE
    start_s = first_frame * hop_s
    stop_s = start_s + hop_s * PATCH
    stop = min(len(waveform) - 1, int(stop_s * SAMPLE_RATE))
    num_missing = max(0, int(stop_s * SAMPLE_RATE - len(waveform)))
    found = waveform[int(start_s * SAMPLE_RATE) : stop]
    return np.concatenate([np.zeros(num_missing), found])


def _realigned(reference: Floats, decoded: Floats) -> Floats | None:
    """Return the similarities [B] of the samples of two patches, aligned; None if too few."""
    lag = best_lag(reference, decoded)
    decoded = _shifted(decoded, lag)
    if lag > 0 and len(reference) < len(decoded):
        skipped = int(lag / SAMPLE_RATE * SAMPLE_RATE)  # as the reference implementation rounds
        reference, decoded = reference[skipped:], decoded[skipped:]
    length = min(len(reference), len(decoded))
    if length <= frame_length(SAMPLE_RATE):
        return None
    pair = (gammatone_spectrogram(each[:length], SAMPLE_RATE) for each in (reference, decoded))
    return similarity(*prepare(*pair))


def aligned(reference: Floats, decoded: Floats) -> Floats:
    """Return a decoded waveform without its delay: cut at its start, or with silence before it."""
    return _shifted(decoded, best_lag(reference, decoded))


def _shifted(waveform: Floats, lag: int) -> Floats:
    if lag < 0:
        return waveform[-lag:]
    return np.concatenate([np.zeros(lag), waveform])


def best_lag(reference: Floats, decoded: Floats) -> int:
    """Return by how many samples to delay a decoded waveform so that the envelopes agree.

    It is negative for a decoded waveform that is late, and 0 if it would be more than half the
    length of the reference.
    """
    size = max(len(reference), len(decoded))
    num_bins = 1 << (2 * size - 2).bit_length()
    first, second = (np.fft.rfft(_envelope(x), num_bins) for x in (reference, decoded))
    correlation = np.fft.irfft(first * second.conj(), num_bins)
    both = np.concatenate([correlation[1 - size :], correlation[:size]])
    lag = int(both.argmax()) - (size - 1)
    return 0 if abs(lag) > len(reference) / 2 else lag


def _envelope(waveform: Floats) -> Floats:
    """Return the magnitude of the analytic signal of a waveform [T], about its mean.

    The waveform is padded to a length that is quick to transform, which changes only its ends.
    """
    mean, size = waveform.mean(), _quick_length(len(waveform))
    spectrum = np.zeros(size, np.complex128)
    spectrum[: size // 2 + 1] = np.fft.rfft(waveform - mean, size)
    spectrum[1 : (size + 1) // 2] *= 2
    envelope: Floats = np.abs(np.fft.ifft(spectrum)[: len(waveform)]) + mean
    return envelope


def _quick_length(size: int) -> int:
    """Return the least number from `size` on whose prime factors are 2, 3 and 5."""
    if size < 2:
        return 1
    odd: list[int] = [3**three * 5**five for three in range(13) for five in range(9)]
    return min(factor << max(0, (-(-size // factor) - 1).bit_length()) for factor in odd)


def _predict(features: Floats) -> float:
    """Return the score of mean similarities [B] by support vector regression, 1 … 5."""
    coefficients, vectors, gamma, offset = _support_vectors()
    kernel = np.exp(-gamma * np.square(vectors - features).sum(axis=1))
    return float(np.clip(coefficients @ kernel - offset, 1, 5))


@lru_cache(maxsize=1)
def _support_vectors() -> tuple[Floats, Floats, float, float]:
    """Return coefficients [S], vectors [S, B], gamma and the offset of libsvm's text file."""
    spec = find_spec(PACKAGE)
    assert spec is not None and spec.origin is not None, "callers check that it is installed"
    lines = (Path(spec.origin).parent / _MODEL).read_text(encoding="ascii").splitlines()
    start = lines.index("SV")
    facts = dict(line.split(" ", 1) for line in lines[:start])
    rows = [line.split() for line in lines[start + 1 :]]
    coefficients = np.array([float(row[0]) for row in rows])
    vectors = np.array([[float(entry.split(":")[1]) for entry in row[1:]] for row in rows])
    return coefficients, vectors, float(facts["gamma"]), float(facts["rho"])
