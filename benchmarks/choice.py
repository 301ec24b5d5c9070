"""The choice between the models for speech and for other sounds: fitted, and measured.

`fit` prints the numbers in vqcodec/signals/speech_detection.py; `measure` writes a result.
"""

from __future__ import annotations

import argparse
import random
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from result import write_result

from vqcodec.errors import InputError
from vqcodec.files import find_files
from vqcodec.signals.resampling import resample
from vqcodec.signals.sound import AudioClip
from vqcodec.signals.sound_files import SUFFIXES, read_clip
from vqcodec.signals.speech_detection import RATE, excerpts, judge, measures_of

NAMES = ("syllables", "roughness", "steadiness", "tones")
PENALTY = 1.0
MAX_OF_A_KIND = 120
_FFT, _STEP = 1024, 256


def main() -> None:
    """Fit or measure."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("action", choices=["fit", "measure"])
    parser.add_argument("--voices", type=Path, nargs="+", required=True, help="folders or files")
    parser.add_argument("--others", type=Path, nargs="+", required=True, help="folders or files")
    parser.add_argument("--least-s", type=float, default=1.0, help="shorter files are left out")
    parser.add_argument("--name", default="choice")
    options = parser.parse_args()
    if options.action == "fit":
        fit(options.voices, options.others, options.least_s)
    else:
        measure(options.voices, options.others, options.name)


def fit(voices: Sequence[Path], others: Sequence[Path], least_s: float) -> None:
    """Print the weights of a logistic regression, and the errors in five folds of files."""
    rng = random.Random(0)
    rows: list[list[float]] = []
    labels: list[float] = []
    for folders, label in ((voices, 1.0), (others, 0.0)):
        for clip in _clips(folders, rng, least_s):
            varied = _slowed(clip, rng) if label else None
            for each, own in ((clip, label), (varied, 0.0)):
                found = each and measures_of(next(excerpts(each)))
                if found:
                    rows.append([found[name] for name in NAMES])
                    labels.append(own)
    values, wanted = np.array(rows), np.array(labels)
    centres, scales = values.mean(axis=0), values.std(axis=0)
    inputs = np.column_stack([(values - centres) / scales, np.ones(len(values))])
    folds = np.arange(len(values)) % 5
    scores = np.zeros(len(values))
    for fold in range(5):
        scores[folds == fold] = inputs[folds == fold] @ _weights(
            inputs[folds != fold], wanted[folds != fold]
        )
    right = (scores > 0) == (wanted > 0)
    for label, name in ((1, "voices"), (0, "others")):
        kind = wanted == label
        print(f"{name}: {right[kind].mean():.1%} of {kind.sum()} right")
    weights = _weights(inputs, wanted)
    for name, *numbers in zip(NAMES, centres, scales, weights, strict=False):
        print(name, *(f"{number:.3f}" for number in numbers))
    print(f"bias {weights[-1]:.3f}")


def measure(voices: Sequence[Path], others: Sequence[Path], name: str) -> None:
    """Write how each file is judged."""
    files = []
    for folders, is_voice in ((voices, True), (others, False)):
        for path in find_files(list(folders), set(SUFFIXES)):
            judgement = judge(read_clip(path))
            files.append(
                {
                    "file": path.name,
                    "is_voice": is_voice,
                    "judged": judgement.is_speech,
                    "score": judgement.score,
                    "reason": judgement.reason,
                }
            )
    kinds = {}
    for label, is_voice in (("voices", True), ("others", False)):
        own = [each for each in files if each["is_voice"] is is_voice]
        kinds[label] = {
            "n": len(own),
            "right": sum(each["judged"] is is_voice for each in own),
        }
    for file in files:
        print(file)
    write_result(name, {**kinds, "files": files})


def _clips(folders: Sequence[Path], rng: random.Random, least_s: float) -> Iterator[AudioClip]:
    """Yield the middle 10 s of some files of each kind; the kind is how a name begins."""
    kinds: dict[str, list[Path]] = {}
    for path in find_files(list(folders), set(SUFFIXES)):
        kinds.setdefault(f"{path.parent}/{path.name.split('__')[0][:12]}", []).append(path)
    of_parents: dict[str, list[Path]] = {}
    for kind, paths in kinds.items():  # names of their own are one kind
        of_parents.setdefault(kind if len(paths) > 3 else kind.rpartition("/")[0], []).extend(paths)
    for paths in of_parents.values():
        for path in rng.sample(paths, min(MAX_OF_A_KIND, len(paths))):
            try:
                clip = read_clip(path)
            except InputError:
                continue
            if clip.duration_s >= least_s:
                first = max(0, clip.num_samples - 10 * clip.sample_rate) // 2
                middle = clip.waveform[:, first : first + 10 * clip.sample_rate]
                yield AudioClip(np.ascontiguousarray(middle), clip.sample_rate)


def _slowed(clip: AudioClip, rng: random.Random) -> AudioClip | None:
    """Return a voice that is two and a half to five times as slow, for every third clip.

    It stands for singing: the pitch is that of the voice, and sounds last.
    """
    if rng.random() > 1 / 3:
        return None
    mono = resample(clip.waveform.mean(axis=0, keepdims=True), clip.sample_rate, RATE)[
        0, : 5 * RATE
    ]
    window = np.hanning(_FFT)
    padded = np.pad(mono, (0, _FFT))
    frames = np.lib.stride_tricks.sliding_window_view(padded, _FFT)[::_STEP]
    spectra = np.fft.rfft(frames * window, axis=1)
    places = np.arange(0, len(spectra) - 1, 1 / rng.uniform(2.5, 5))
    advance = 2 * np.pi * _STEP * np.arange(_FFT // 2 + 1) / _FFT
    phase, result = np.angle(spectra[0]), np.zeros(len(places) * _STEP + _FFT)
    for number, place in enumerate(places):
        at = int(place)
        share = place - at
        size = (1 - share) * np.abs(spectra[at]) + share * np.abs(spectra[at + 1])
        start = number * _STEP
        result[start : start + _FFT] += np.fft.irfft(size * np.exp(1j * phase)) * window
        change = np.angle(spectra[at + 1]) - np.angle(spectra[at]) - advance
        phase += advance + change - 2 * np.pi * np.round(change / (2 * np.pi))
    return AudioClip(result[None, : 10 * RATE].astype(np.float32), RATE)


def _weights(inputs: NDArray[np.float64], labels: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the weights of a logistic regression in which both kinds count alike (Newton)."""
    shares = np.where(labels > 0, 0.5 / labels.sum(), 0.5 / (1 - labels).sum()) * len(labels)
    penalties = np.full(inputs.shape[1], PENALTY)
    penalties[-1] = 1e-6
    weights = np.zeros(inputs.shape[1])
    for _ in range(50):
        chance = 1 / (1 + np.exp(-inputs @ weights))
        slope = inputs.T @ (shares * (chance - labels)) + penalties * weights
        curvature = (inputs * (shares * chance * (1 - chance))[:, None]).T @ inputs
        weights -= np.linalg.solve(curvature + np.diag(penalties), slope)
    return weights


if __name__ == "__main__":
    main()
