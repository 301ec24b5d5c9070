"""The voice of decoded speech: a model with voices decodes speech as other speakers.

The first half of every recording is compressed, and decoded without a speaker, as its own
speaker and as other speakers of the folder. The first halves of their recordings define these
speakers. The speaker embeddings of `eval` measure similarity to second halves, with other words.

With --words, the recogniser of `phones.py` transcribes the first half and what was decoded of it.
Its words of the original are not ground truth, but errors against them compare decodings.
"""

from __future__ import annotations

import argparse
from collections import defaultdict
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from phone_recogniser import Recogniser
from result import write_result
from torch import Tensor

import vqcodec
from vqcodec.codec.model import Model
from vqcodec.evaluation.metrics.speaker import embedding_of
from vqcodec.evaluation.metrics.speech import stoi
from vqcodec.files import find_files
from vqcodec.rate import bits_per_second
from vqcodec.signals.sound import AudioClip
from vqcodec.signals.sound_files import read_clip
from vqcodec.signals.suffixes import SOUND_FORMATS

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


def word_errors(reference: Sequence[str], found: Sequence[str]) -> int:
    """Return the least number of words to insert, delete or replace (Levenshtein distance)."""
    row = list(range(len(found) + 1))
    for number, word in enumerate(reference, 1):
        before, row[0] = row[0], number
        for place, other in enumerate(found, 1):
            before, row[place] = (
                row[place],
                min(before + (word != other), row[place] + 1, row[place - 1] + 1),
            )
    return row[-1]


def measure(
    model: Model,
    recordings: Sequence[Halves],
    quality: float,
    num_targets: int,
    recogniser: Recogniser | None = None,
) -> dict[str, Any]:
    """Return means over all pairs of a source and a target.

    `word_error` is the share of the words of the originals that are wrong, over all of them.
    """
    errors: dict[str, list[int]] = defaultdict(list)
    num_words: dict[str, int] = defaultdict(int)
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
        words = recogniser.words(source) if recogniser else []

        def count_words(name: str, sound: AudioClip, words: Sequence[str] = words) -> None:
            if recogniser is not None:
                errors[name].append(word_errors(words, recogniser.words(sound)))
                num_words[name] += len(words)

        for name, sound in {
            "original": source,
            "nobody": decoded(stream, None),
            "itself": decoded(stream, source),
        }.items():
            score = judge(sound, source)
            scores[name] += [score(voices[number], voices[other]) for other in others]
            if name != "original":
                count_words(name, sound)
        for other in others:
            sound = decoded(stream, recordings[other][0])
            score = judge(sound, source)
            scores["target"].append(score(voices[number], voices[other]))
            count_words("target", sound)
        print(f"{number + 1} of {len(recordings)}", flush=True)
    means = {
        name: {key: float(np.mean([score[key] for score in found])) for key in found[0]}
        for name, found in scores.items()
    }
    for name, found in errors.items():
        means[name]["word_error"] = sum(found) / max(1, num_words[name])
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
    parser.add_argument("--recordings", type=int, help="use so many, spread over the folder")
    parser.add_argument("--words", action="store_true", help="also count wrong words")
    parser.add_argument("--name", default="speakers", help="of the result")
    options = parser.parse_args()
    model = vqcodec.load(options.model)
    files = find_files([options.folder], SOUND_FORMATS)
    if options.recordings is not None:
        files = files[:: max(1, len(files) // options.recordings)][: options.recordings]
    recordings = [halves_of(path) for path in files]
    recogniser = Recogniser() if options.words else None
    qualities = [
        measure(model, recordings, q, options.targets, recogniser) for q in options.quality
    ]
    identity = {"name": model.name, "fingerprint": model.fingerprint}
    write_result(options.name, {"model": identity, "works": qualities})


if __name__ == "__main__":
    main()
