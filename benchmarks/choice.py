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
from vqcodec.signals.speech_detection import RATE, judge, measures_of

NAMES = ("syllables", "roughness", "steadiness", "tones")
PENALTY = 1.0
SLOWED_SHARE = 0.1
SHORTEST_S = 1.0
EXCERPTS_S = ((1.5, 4.0), (4.0, 10.0))
_FFT, _STEP = 1024, 256


def main() -> None:
    """Fit or measure."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("action", choices=["fit", "measure"])
    parser.add_argument("--voices", nargs="+", required=True, help="to fit: SHARE:FOLDER")
    parser.add_argument("--others", nargs="+", required=True, help="to fit: SHARE:FOLDER")
    parser.add_argument("--most", type=int, default=300, help="files of a folder to fit on")
    parser.add_argument("--name", default="choice")
    options = parser.parse_args()
    if options.action == "fit":
        fit(options.voices, options.others, options.most)
    else:
        folders = (list(map(Path, each)) for each in (options.voices, options.others))
        measure(*folders, name=options.name)


def fit(voices: Sequence[str], others: Sequence[str], most: int) -> None:
    """Print the weights of a logistic regression, and the errors in five folds of files."""
    rng = random.Random(0)
    kinds = [*((words, 1.0) for words in voices), *((words, 0.0) for words in others)]
    rows: list[list[float]] = []
    labels: list[tuple[float, str, float, int]] = []  # label, kind, share of the kind, fold
    for words, label in kinds:
        share, _, folder = words.partition(":")
        for number, path in enumerate(_some_files(Path(folder), rng, most)):
            for clip in _excerpts(path, rng):
                varied = _slowed(clip, rng) if label else None
                for each, own, kind, weight in (
                    (clip, label, Path(folder).name, float(share)),
                    (varied, 0.0, "slowed voices", SLOWED_SHARE),
                ):
                    found = each and measures_of((each.waveform, each.sample_rate))
                    if found:
                        rows.append([found[name] for name in NAMES])
                        labels.append((own, kind, weight, number % 5))
    wanted, names, weights, folds = map(np.array, zip(*labels, strict=True))
    weights = weights / [np.sum(names == name) for name in names] * len(names)
    values = np.array(rows)
    centres, scales = values.mean(axis=0), values.std(axis=0)
    inputs = np.column_stack([(values - centres) / scales, np.ones(len(values))])
    scores = np.zeros(len(values))
    for fold in range(5):
        rest = folds != fold
        own_weights = _weights(inputs[rest], wanted[rest], weights[rest])
        scores[~rest] = inputs[~rest] @ own_weights
    for name in dict.fromkeys(names.tolist()):
        kind_of = names == name
        right = (scores[kind_of] > 0) == (wanted[kind_of] > 0)
        print(f"{name}: {right.mean():.1%} of {kind_of.sum()} excerpts right")
    found_weights = _weights(inputs, wanted, weights)
    for name, *numbers in zip(NAMES, centres, scales, found_weights, strict=False):
        print(name, *(f"{number:.3f}" for number in numbers))
    print(f"bias {found_weights[-1]:.3f}")


def measure(voices: Sequence[Path], others: Sequence[Path], *, name: str) -> None:
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


def _some_files(folder: Path, rng: random.Random, most: int) -> list[Path]:
    paths = sorted(find_files([folder], set(SUFFIXES)))
    return rng.sample(paths, min(most, len(paths)))


def _excerpts(path: Path, rng: random.Random) -> Iterator[AudioClip]:
    """Yield a short and a long excerpt of a file of a second or more."""
    try:
        clip = read_clip(path)
    except InputError:
        return
    if clip.duration_s < SHORTEST_S:
        return
    for range_s in EXCERPTS_S:
        length = min(clip.num_samples, round(rng.uniform(*range_s) * clip.sample_rate))
        first = rng.randrange(clip.num_samples - length + 1)
        samples = np.ascontiguousarray(clip.waveform[:, first : first + length])
        yield AudioClip(samples, clip.sample_rate)


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


def _weights(
    inputs: NDArray[np.float64], labels: NDArray[np.float64], shares: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return the weights of a logistic regression on weighted rows (Newton)."""
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
