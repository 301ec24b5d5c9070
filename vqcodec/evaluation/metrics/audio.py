"""Metrics of a decoded sound against the original."""

from __future__ import annotations

import math
from collections.abc import Iterable
from importlib.util import find_spec

import numpy as np
from numpy.typing import NDArray

from vqcodec.errors import UsageError
from vqcodec.evaluation.metrics import speech
from vqcodec.evaluation.metrics.attacks import pre_echo
from vqcodec.evaluation.metrics.masking import noise_to_mask
from vqcodec.evaluation.metrics.spectra import log_spectral_distance, mel_distance
from vqcodec.evaluation.metrics.stereo import stereo_errors
from vqcodec.evaluation.metrics.visqol import visqol_audio
from vqcodec.signals.resampling import resample, to_length
from vqcodec.signals.sound import AudioClip

Waveform = NDArray[np.float32]

FULL_RATE = 48_000  # Hz
LEAST_FULL_RATE = 32_000  # Hz; sounds of lower rates are measured as speech

# The packages that each metric needs; ViSQOL needs a second one for its lattice network.
_PACKAGES = {
    "pesq_wb": ["pesq"],
    "stoi": ["pystoi"],
    "visqol": ["visqol", "ai_edge_litert"],
    "visqol_audio": ["visqol"],
    "speaker_similarity": ["resemblyzer", "torch"],
}


def compare(reference: AudioClip, decoded: AudioClip) -> dict[str, float | None]:
    """Return si_sdr_db, mel_distance and the metrics for the rate of the reference.

    Below 32 kHz, these are the metrics of speech: pesq_wb, stoi, visqol and speaker_similarity, as
    far as they are installed. From 32 kHz on, they are visqol_audio, if installed, and
    log_spectral_distance_db, the noise-to-mask ratios, pre_echo_db and, of two channels, the errors
    of the stereo image.

    The decoded clip is first converted to the rate and the length of the reference, because some
    codecs have their own sample rate. Every metric is the mean over the channels, except
    visqol_audio, which is that of their mean. A metric without a value is None, such as PESQ of
    silence.
    """
    waveform = resample(decoded.waveform, decoded.sample_rate, reference.sample_rate)
    waveform = to_length(waveform, reference.num_samples)
    if waveform.shape != reference.waveform.shape:
        raise UsageError(f"{len(waveform)} channels came back of {reference.num_channels}")
    scores: dict[str, float | None] = {
        "si_sdr_db": _mean(map(si_sdr, reference.waveform, waveform)),
        "mel_distance": mel_distance(reference.waveform, waveform, reference.sample_rate),
    }
    is_full = reference.sample_rate >= LEAST_FULL_RATE
    rate = FULL_RATE if is_full else speech.SPEECH_RATE
    pair = [resample(w, reference.sample_rate, rate) for w in (reference.waveform, waveform)]
    return scores | (_full_band_scores if is_full else _speech_scores)(*pair)


def missing() -> list[str]:
    """Return the names of the metrics that are not installed; `compare` leaves them out."""
    return [name for name in _PACKAGES if not _is_installed(name)]


def _is_installed(name: str) -> bool:
    return all(find_spec(package) for package in _PACKAGES[name])


def _speech_scores(reference: Waveform, decoded: Waveform) -> dict[str, float | None]:
    """Return the metrics of speech of waveforms [C, T] at 16 kHz."""
    return {
        name: _mean(map(metric, reference, decoded))
        for name, metric in speech.METRICS.items()
        if _is_installed(name)
    }


def _full_band_scores(reference: Waveform, decoded: Waveform) -> dict[str, float | None]:
    """Return the metrics of waveforms [C, T] at 48 kHz."""
    scores: dict[str, float | None] = {}
    if _is_installed("visqol_audio"):
        scores["visqol_audio"] = visqol_audio(reference.mean(axis=0), decoded.mean(axis=0))
    scores["log_spectral_distance_db"] = log_spectral_distance(reference, decoded, FULL_RATE)
    scores |= noise_to_mask(reference, decoded)
    scores["pre_echo_db"] = pre_echo(reference, decoded)
    if len(reference) == 2:
        scores |= stereo_errors(reference, decoded)
    return scores


def si_sdr(reference: NDArray[np.float32], decoded: NDArray[np.float32]) -> float | None:
    """Return the scale-invariant signal-to-distortion ratio in dB (Le Roux 2019).

    arXiv:1811.02508. Both are [T]; their means are subtracted first. The ratio is infinite for
    equal sounds and minus infinity for orthogonal sounds. It is None if a sound is silent.
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


def _mean(values: Iterable[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return sum(known) / len(known) if known else None
