"""How well the indices of a model for sounds predict phones, on voices of other speakers.

After section 4.3 of the VQ-VAE paper (van den Oord et al. 2017, arXiv:1711.00937): every index is
mapped to its most frequent phone. In the paper, phones are from transcripts. Here they are from the
recogniser pocketsphinx (the package `pocketsphinx` with its US-English model): it finds words, and
a second pass aligns their pronunciations. So they are not ground truth.

The paper's model has 128 values of 40 ms. The same time scale and number of values are made of the
indices without labels: the means of the latents in windows of 40 ms are clustered into 128 values
by k-means. Of a model with several codebooks, the first codebook counts.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from phone_recogniser import PHONES, RECOGNISER_RATE, SILENCE, PhoneCache, phones_at
from result import write_result

import vqcodec
from vqcodec.codec.model import Model
from vqcodec.errors import UsageError
from vqcodec.files import find_files
from vqcodec.modalities.audio.modality import AudioModality
from vqcodec.quantizers.residual import ResidualQuantizer
from vqcodec.signals.sound_files import read_clip
from vqcodec.signals.suffixes import SOUND_FORMATS

NOT_COUNTED = -1  # in place of a phone
TRAINING_FILES = 60
VOTERS = 11  # indices around a position: 44 ms of the paper's 64 samples an index
PRIOR_WEIGHT = 1.0  # frames that are added to the count of every index
PAPER_WINDOW_S, PAPER_VALUES = 0.040, 128  # of an index in the paper's section 4.3
ROUNDS = 20  # of k-means


@dataclass(frozen=True)
class Voice:
    """A recording: its indices [F] and the phones [F] at them, as numbers in PHONES.

    `windows` [F', D] are the means of the latents in windows of PAPER_WINDOW_S, whose phones are
    `window_phones` [F'].
    """

    indices: NDArray[np.int64]
    phones: NDArray[np.int64]
    windows: NDArray[np.float32] | None = None
    window_phones: NDArray[np.int64] | None = None

    def without_silence(self) -> Voice:
        """Return the voice with silent positions not counted."""

        def spoken(phones: NDArray[np.int64]) -> NDArray[np.int64]:
            return np.where(phones == SILENCE, NOT_COUNTED, phones)

        windows = None if self.window_phones is None else spoken(self.window_phones)
        return replace(self, phones=spoken(self.phones), window_phones=windows)


def in_windows(voices: Sequence[Voice], centres: NDArray[np.float32]) -> list[Voice]:
    """Return voices whose indices are the nearest centres [N, D] of their windows."""
    found = []
    for voice in voices:
        assert voice.windows is not None and voice.window_phones is not None
        found.append(Voice(nearest(voice.windows, centres), voice.window_phones))
    return found


def nearest(vectors: NDArray[np.float32], centres: NDArray[np.float32]) -> NDArray[np.int64]:
    """Return the numbers [M] of the centres [N, D] that are nearest to vectors [M, D]."""
    distances = np.square(centres).sum(axis=1) - 2 * vectors @ centres.T
    numbers: NDArray[np.int64] = distances.argmin(axis=1)
    return numbers


def cluster(vectors: NDArray[np.float32], number: int) -> NDArray[np.float32]:
    """Return centres [N, D] of vectors [M, D] by k-means; clusters without a vector stay."""
    generator = np.random.default_rng(0)
    centres = vectors[generator.choice(len(vectors), number, replace=len(vectors) < number)].copy()
    for _ in range(ROUNDS):
        own = nearest(vectors, centres)
        counts = np.bincount(own, minlength=number)
        sums = np.zeros_like(centres)
        np.add.at(sums, own, vectors)
        centres[counts > 0] = sums[counts > 0] / counts[counts > 0, None]
    return centres


@dataclass(frozen=True)
class PhoneMap:
    """Probabilities of phones: [P] for any index, and [N, P] given each index."""

    prior: NDArray[np.float64]
    given_index: NDArray[np.float64]

    def predict(self, indices: NDArray[np.int64], num_voters: int = 1) -> NDArray[np.int64]:
        """Return the likeliest phones [F] at indices [F].

        An odd number of indices around a position vote with their log-probabilities. A single
        index gives its most frequent phone.
        """
        votes = np.log2(self.given_index)[indices]  # [F, P]
        reach = num_voters // 2
        padded = np.pad(votes, ((reach, reach), (0, 0)))
        sums = sum(padded[start : start + len(votes)] for start in range(num_voters))
        likeliest: NDArray[np.int64] = np.argmax(sums, axis=1)
        return likeliest


def learn_map(voices: Sequence[Voice], codebook_size: int) -> PhoneMap:
    """Return the frequencies of phones at each index; at an unseen index, those of all indices."""
    counts = np.zeros((codebook_size, len(PHONES)))
    for voice in voices:
        counted = voice.phones != NOT_COUNTED
        np.add.at(counts, (voice.indices[counted], voice.phones[counted]), 1)
    prior = counts.sum(axis=0) + 1 / len(PHONES)  # no phone is impossible
    prior /= prior.sum()
    given_index = counts + PRIOR_WEIGHT * prior
    return PhoneMap(prior, given_index / given_index.sum(axis=1, keepdims=True))


def score_map(phone_map: PhoneMap, voices: Sequence[Voice]) -> dict[str, Any]:
    """Return the shares of positions with the right phone, and the bits that an index gives.

    `chance` is the share if the answer is always the most frequent phone of the training voices.
    `voices_above_chance` is the number of voices in which the map is right more often than that.
    `information_bits` is a lower bound of the mutual information of phone and index: the entropy
    of the phones minus their bits under the map, which has not seen these voices.
    """
    counted = [voice.phones != NOT_COUNTED for voice in voices]

    def predicted(num_voters: int) -> list[NDArray[np.int64]]:
        pairs = zip(voices, counted, strict=True)
        return [phone_map.predict(voice.indices, num_voters)[kept] for voice, kept in pairs]

    by_one = predicted(1)
    heard = [voice.phones[kept] for voice, kept in zip(voices, counted, strict=True)]
    usual = np.argmax(phone_map.prior)
    phones, right = np.concatenate(heard), np.concatenate(by_one) == np.concatenate(heard)
    indices = np.concatenate([v.indices[kept] for v, kept in zip(voices, counted, strict=True)])
    present, counts = np.unique(phones, return_counts=True)
    shares = counts / len(phones)
    entropy = -float(np.sum(shares * np.log2(shares)))
    cost = -float(np.mean(np.log2(phone_map.given_index[indices, phones])))
    return {
        "num_positions": len(phones),
        "num_phones": len(present),
        "chance": float(np.mean(phones == usual)),
        "accuracy": float(np.mean(right)),
        "accuracy_of_votes": float(np.mean(np.concatenate(predicted(VOTERS)) == phones)),
        "voices_above_chance": sum(
            int(np.mean(one == own) > np.mean(own == usual))
            for one, own in zip(by_one, heard, strict=True)
        ),
        "entropy_bits": entropy,
        "information_bits": entropy - cost,
        "accuracy_by_phone": {
            PHONES[phone]: float(np.mean(right[phones == phone])) for phone in present
        },
    }


def read_voice(path: Path, model: Model, heard: PhoneCache) -> Voice:
    """Return the indices and phones of a recording, one by one and in windows."""
    clip = read_clip(path)
    modality, quantizer = model.parts.modality, model.parts.quantizer
    assert isinstance(modality, AudioModality)
    hop_length = modality.geometry.step * RECOGNISER_RATE / modality.config.sample_rate
    chosen = model.encode(clip)[:1]
    segments, (indices,) = heard.segments(path, clip), chosen
    latents = quantizer.dequantize(chosen[None], quantizer.config.rate_of(1))[0]  # [D, F]
    size = max(1, round(PAPER_WINDOW_S * RECOGNISER_RATE / hop_length))
    count = len(indices) // size
    windows = latents[:, : count * size].reshape(len(latents), count, size).mean(axis=2).T
    return Voice(
        indices,
        phones_at(segments, len(indices), hop_length),
        windows.astype(np.float32),
        phones_at(segments, count, size * hop_length),
    )


def speakers_of(files: Iterable[Path]) -> set[str]:
    """Return the speakers: the first part of each name."""
    return {path.stem.split("-")[0] for path in files}


def main() -> None:
    """Learn the map on files of one folder, and score it on files of another."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("model", help="name or file")
    parser.add_argument("training", type=Path, help="speech to learn the map from")
    parser.add_argument("held_out", type=Path, help="speech of other speakers")
    parser.add_argument("--name", default="phones", help="of the result")
    parser.add_argument("--cache", type=Path, help="JSON file that keeps what was recognised")
    options = parser.parse_args()
    model = vqcodec.load(options.model)
    if model.modality != "audio" or not isinstance(model.parts.quantizer, ResidualQuantizer):
        raise UsageError(f"{model.name}: not a model for sounds with codebooks")
    size = model.parts.quantizer.codebook_sizes[0]
    training = find_files([options.training], SOUND_FORMATS)
    training = training[:: max(1, len(training) // TRAINING_FILES)][:TRAINING_FILES]
    held_out = find_files([options.held_out], SOUND_FORMATS)
    if common := speakers_of(training) & speakers_of(held_out):
        raise UsageError(f"speakers {', '.join(sorted(common))} are in both folders")

    heard = PhoneCache(options.cache)
    learnt_from, scored = (
        [read_voice(path, model, heard) for path in files] for files in (training, held_out)
    )
    every = np.concatenate([voice.windows for voice in learnt_from if voice.windows is not None])
    centres = cluster(every, PAPER_VALUES)
    speaking = [[voice.without_silence() for voice in voices] for voices in (learnt_from, scored)]
    figures: dict[str, Any] = {
        "model": {"name": model.name, "fingerprint": model.fingerprint},
        "n": len(held_out),
        "num_training_files": len(training),
        "codebook_size": size,
        "num_voters": VOTERS,
        "scores": {
            "with silence": score_map(learn_map(learnt_from, size), scored),
            "without silence": score_map(learn_map(speaking[0], size), speaking[1]),
        },
        "windows": {
            name: score_map(
                learn_map(in_windows(learning, centres), PAPER_VALUES), in_windows(test, centres)
            )
            for name, learning, test in (
                ("with silence", learnt_from, scored),
                ("without silence", speaking[0], speaking[1]),
            )
        },
    }
    write_result(options.name, figures)


if __name__ == "__main__":
    main()
