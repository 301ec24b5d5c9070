"""Metrics of speech at 16 kHz, each by the package that is its reference."""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from functools import lru_cache
from importlib import import_module
from typing import Any

import numpy as np
from numpy.typing import NDArray

SPEECH_RATE = 16_000  # Hz
_MAX_PESQ_SAMPLES = 20 * SPEECH_RATE
_MIN_PESQ_SAMPLES = SPEECH_RATE // 4
_MIN_VISQOL_SAMPLES = SPEECH_RATE
_MIN_STOI_SAMPLES = SPEECH_RATE // 2  # STOI needs 30 frames of 12.8 ms


def speaker_similarity(
    reference: NDArray[np.float32], decoded: NDArray[np.float32]
) -> float | None:
    """Return the cosine between speaker embeddings of waveforms [T] at 16 kHz, see `speaker`."""
    from vqcodec.evaluation.metrics import speaker  # here: the only metric that needs torch

    return speaker.speaker_similarity(reference, decoded)


def pesq_wb(reference: NDArray[np.float32], decoded: NDArray[np.float32]) -> float | None:
    """Return PESQ (ITU-T P.862.2, wide band: 1.0 … 4.6) of waveforms [T] at 16 kHz.

    P.862 is for clips of up to 20 s, and its reference code crashes beyond 50 utterances. The
    score of a longer clip is the mean over equal pieces. None for silence, or less than 0.25 s.
    """
    from pesq import PesqError, pesq

    num_pieces = -(-len(reference) // _MAX_PESQ_SAMPLES)
    if len(reference) < _MIN_PESQ_SAMPLES:
        return None

    def score(pair: tuple[NDArray[np.float32], NDArray[np.float32]]) -> float | None:
        if not pair[0].any() or not pair[1].any():
            return None
        try:
            return float(pesq(SPEECH_RATE, *pair, "wb"))
        except (PesqError, ValueError):  # no utterance found in one of the sounds
            return None

    pieces = (np.array_split(waveform, num_pieces) for waveform in (reference, decoded))
    return _mean(map(score, zip(*pieces, strict=True)))


def stoi(reference: NDArray[np.float32], decoded: NDArray[np.float32]) -> float | None:
    """Return STOI (Taal 2011; 0 … 1), an intelligibility score, of waveforms [T] at 16 kHz.

    None for silence, or less than half a second of sound.
    """
    from pystoi import stoi as measure

    if len(reference) < _MIN_STOI_SAMPLES or not reference.any():
        return None
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        score = float(measure(reference, decoded, SPEECH_RATE))
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
            reference.astype(np.float64), decoded.astype(np.float64), SPEECH_RATE
        )
    except (IndexError, ValueError):  # no piece with enough speech to compare
        return None
    return float(result.moslqo)


@lru_cache(maxsize=1)
def _visqol() -> Any:
    api = import_module("visqol").VisqolApi()
    with _silent_stderr():  # its runtime prints messages about processors
        api.create(mode="speech", use_lattice_model=True)
    return api


@contextmanager
def _silent_stderr() -> Iterator[None]:
    """Discard the stderr output of C libraries."""
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


METRICS: dict[str, Callable[[NDArray[np.float32], NDArray[np.float32]], float | None]] = {
    "pesq_wb": pesq_wb,
    "stoi": stoi,
    "visqol": visqol,
    "speaker_similarity": speaker_similarity,
}
