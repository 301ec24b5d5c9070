"""The voice of decoded speech: a model with voices decodes speech as other speakers.

The first half of every recording is compressed, and decoded without a speaker, as its own
speaker and as other speakers of the folder. The first halves of their recordings define these
speakers. The speaker embeddings of `eval` measure similarity to second halves, with other words.
"""

from __future__ import annotations

import argparse
from collections import defaultdict
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from result import write_result
from torch import Tensor

import vqcodec
from vqcodec.codec.model import Model
from vqcodec.evaluation.metrics.speaker import embedding_of
from vqcodec.evaluation.metrics.speech import stoi
from vqcodec.files import find_files
from vqcodec.rate import bits_per_second
from vqcodec.signals.sound import AudioClip
from vqcodec.signals.sound_files import SUFFIXES, read_clip

SAMPLE_RATE = 16_000  # Hz
Halves = tuple[AudioClip, AudioClip]
Scores = dict[str, float]


def halves_of(path: Path) -> Halves:
    """Return the two halves of a mono recording."""
    clip = read_clip(path)
    assert clip.sample_rate == SAMPLE_RATE and clip.num_channels == 1, f"{path}: not mono at 16 kHz"
    middle = clip.num_samples // 2
    first, second = clip.waveform[:, :middle], clip.waveform[:, middle:]
    return AudioClip(first, SAMPLE_RATE), AudioClip(second, SAMPLE_RATE)


def measure(
    model: Model, recordings: Sequence[Halves], quality: float, num_targets: int
) -> dict[str, Any]:
    """Return means over all pairs of a source and a target."""
    scores: dict[str, list[Scores]] = defaultdict(list)
    rates = []
    voices = [embedding_of(second.waveform[0]) for _, second in recordings]
    step = max(1, len(recordings) // (num_targets + 1))

    def decoded(stream: bytes, speaker: AudioClip | None) -> AudioClip:
        sound = model.decompress(stream, speaker=speaker)
        assert isinstance(sound, AudioClip)
        return sound

    for number, (source, _) in enumerate(recordings):
        stream = model.compress(source, quality=quality)
        rates.append(bits_per_second(len(stream), source.duration_s))
        others = [(number + place * step) % len(recordings) for place in range(1, num_targets + 1)]
        for name, sound in {
            "original": source,
            "nobody": decoded(stream, None),
            "itself": decoded(stream, source),
        }.items():
            score = judge(sound, source)
            scores[name] += [score(voices[number], voices[other]) for other in others]
        for other in others:
            score = judge(decoded(stream, recordings[other][0]), source)
            scores["target"].append(score(voices[number], voices[other]))
        print(f"{number + 1} of {len(recordings)}", flush=True)
    means = {
        name: {key: float(np.mean([score[key] for score in found])) for key in found[0]}
        for name, found in scores.items()
    }
    return {
        "n": len(recordings),
        "pairs": len(scores["target"]),
        "quality": quality,
        "bits_per_second": float(np.mean(rates)),
        "spoken_as": means,
    }


def judge(sound: AudioClip, original: AudioClip) -> Callable[[Tensor, Tensor], Scores]:
    """Return a function that scores a sound, given the embeddings of source and target."""
    voice = embedding_of(sound.waveform[0])
    heard = stoi(original.waveform[0], sound.waveform[0])
    assert heard is not None

    def score(source: Tensor, target: Tensor) -> Scores:
        to_source, to_target = float(voice @ source), float(voice @ target)
        nearer = float(to_target > to_source)
        return {"to_source": to_source, "to_target": to_target, "nearer": nearer, "stoi": heard}

    return score


def main() -> None:
    """Measure and write the result."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path, help="one recording of each speaker")
    parser.add_argument("--model", default="speech-voices", help="name or file")
    parser.add_argument("--quality", type=float, nargs="+", default=[1.0, 5.0])
    parser.add_argument("--targets", type=int, default=5, help="of every recording")
    options = parser.parse_args()
    model = vqcodec.load(options.model)
    recordings = [halves_of(path) for path in find_files([options.folder], SUFFIXES)]
    qualities = [measure(model, recordings, q, options.targets) for q in options.quality]
    identity = {"name": model.name, "fingerprint": model.fingerprint}
    write_result("speakers", {"model": identity, "works": qualities})


if __name__ == "__main__":
    main()
