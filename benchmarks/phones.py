"""How well the indices of a model for sounds tell phones, on voices of other speakers.

After section 4.3 of the VQ-VAE paper (van den Oord et al. 2017, arXiv:1711.00937): every index is
mapped to the phone it stands for most often. There, phones come from transcripts; here, from what
the recogniser pocketsphinx hears (the package `pocketsphinx` with its US-English model): words
first, then their pronunciations aligned in a second pass. So they are not ground truth.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from result import write_result

import vqcodec
from vqcodec.codec.model import Model
from vqcodec.errors import UsageError
from vqcodec.files import find_files
from vqcodec.modalities.audio.modality import AudioModality
from vqcodec.signals.resampling import resample
from vqcodec.signals.sound import AudioClip
from vqcodec.signals.sound_files import SUFFIXES, read_clip

# Silence, then the 39 phones of the CMU pronouncing dictionary.
PHONES = [
    "SIL", "AA", "AE", "AH", "AO", "AW", "AY", "B", "CH", "D", "DH", "EH", "ER", "EY", "F",
    "G", "HH", "IH", "IY", "JH", "K", "L", "M", "N", "NG", "OW", "OY", "P", "R", "S",
    "SH", "T", "TH", "UH", "UW", "V", "W", "Y", "Z", "ZH",
]  # fmt: skip
SILENCE = PHONES.index("SIL")
NOT_COUNTED = -1  # in place of a phone
TRAINING_FILES = 60
VOTERS = 11  # indices around a position: 44 ms of the paper's 64 samples an index
PRIOR_WEIGHT = 1.0  # frames that every index is taken to have been seen in besides
RECOGNISER_RATE = 16_000  # Hz
RECOGNISER_HOP, RECOGNISER_WINDOW = 160, 410  # samples
WIDEST_SEARCH = 3_000  # hidden Markov models a frame: takes a third off the time


@dataclass(frozen=True)
class Voice:
    """A recording: its indices [F] and the phones [F] heard there, as numbers in PHONES."""

    indices: NDArray[np.int64]
    phones: NDArray[np.int64]

    def without_silence(self) -> Voice:
        """Return the voice with silent positions not counted."""
        phones = np.where(self.phones == SILENCE, NOT_COUNTED, self.phones)
        return replace(self, phones=phones)


@dataclass(frozen=True)
class PhoneMap:
    """Probabilities of phones: [P] whatever the index, and [N, P] given each index."""

    prior: NDArray[np.float64]
    given_index: NDArray[np.float64]

    def predict(self, indices: NDArray[np.int64], num_voters: int = 1) -> NDArray[np.int64]:
        """Return the likeliest phones [F] at indices [F].

        An odd number of indices around a position vote with their log-probabilities; alone, an
        index gives the phone it was seen with most often.
        """
        votes = np.log2(self.given_index)[indices]  # [F, P]
        reach = num_voters // 2
        padded = np.pad(votes, ((reach, reach), (0, 0)))
        sums = sum(padded[start : start + len(votes)] for start in range(num_voters))
        likeliest: NDArray[np.int64] = np.argmax(sums, axis=1)
        return likeliest


def learn_map(voices: Sequence[Voice], codebook_size: int) -> PhoneMap:
    """Return how often phones are heard at each index; at an unseen one, as often as anywhere."""
    counts = np.zeros((codebook_size, len(PHONES)))
    for voice in voices:
        counted = voice.phones != NOT_COUNTED
        np.add.at(counts, (voice.indices[counted], voice.phones[counted]), 1)
    prior = counts.sum(axis=0) + 1 / len(PHONES)  # no phone is impossible
    prior /= prior.sum()
    given_index = counts + PRIOR_WEIGHT * prior
    return PhoneMap(prior, given_index / given_index.sum(axis=1, keepdims=True))


def score_map(phone_map: PhoneMap, voices: Sequence[Voice]) -> dict[str, Any]:
    """Return shares of positions whose phone is told right, and bits of it that an index tells.

    `chance` is always saying the phone that was the most frequent where the map was learnt, and
    `voices_above_chance` the number of voices in which the map is right more often than that.
    `information_bits` is a lower bound of the mutual information of phone and index: the entropy
    of the phones less their cost under the map, which has not seen these voices.
    """
    counted = [voice.phones != NOT_COUNTED for voice in voices]

    def told(num_voters: int) -> list[NDArray[np.int64]]:
        pairs = zip(voices, counted, strict=True)
        return [phone_map.predict(voice.indices, num_voters)[kept] for voice, kept in pairs]

    by_one = told(1)
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
        "accuracy_of_votes": float(np.mean(np.concatenate(told(VOTERS)) == phones)),
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


def phones_at(
    segments: Iterable[tuple[str, int, int]], num_positions: int, hop_length: float
) -> NDArray[np.int64]:
    """Return the phones [F] at the middles of positions of hop_length samples.

    A frame of the recogniser stands for the middle of its window.

    Args:
        segments: name, first frame and number of frames; what is no phone, and what no segment
            covers, counts as silence.
        num_positions: F.
        hop_length: at RECOGNISER_RATE.
    """
    segments = list(segments)
    num_frames = max((start + count for _, start, count in segments), default=0)
    heard = np.full(num_frames + 1, SILENCE)  # the last frame is for all that follows
    for name, start, count in segments:
        heard[start : start + count] = PHONES.index(name) if name in PHONES else SILENCE
    middles = (np.arange(num_positions) + 0.5) * hop_length
    frames = np.rint((middles - RECOGNISER_WINDOW / 2) / RECOGNISER_HOP).astype(np.int64)
    phones: NDArray[np.int64] = heard[frames.clip(0, num_frames)]
    return phones


class Recogniser:
    """Hears phones in English speech; every recording is heard afresh."""

    def __init__(self) -> None:
        from pocketsphinx import Decoder

        self._decoder = Decoder(
            samprate=RECOGNISER_RATE, cmn="batch", maxhmmpf=WIDEST_SEARCH, loglevel="FATAL"
        )

    def segments(self, clip: AudioClip) -> list[tuple[str, int, int]]:
        """Return the name, first frame and number of frames of all that is heard, silence too."""
        mono = clip.waveform.mean(axis=0, keepdims=True)
        waveform = resample(mono, clip.sample_rate, RECOGNISER_RATE)[0]
        data = np.rint(waveform.clip(-1, 1) * 32767).astype("<i2").tobytes()
        self._decoder.activate_search()  # words
        self._hear(data)
        self._decoder.set_alignment()  # the phones of these words
        self._hear(data)
        phones = self._decoder.get_alignment().phones()
        return [(phone.name, phone.start, phone.duration) for phone in phones]

    def _hear(self, data: bytes) -> None:
        self._decoder.start_utt()
        self._decoder.process_raw(data, full_utt=True)
        self._decoder.end_utt()


def read_voice(path: Path, model: Model, recogniser: Recogniser) -> Voice:
    """Return the indices and phones of a recording."""
    clip = read_clip(path)
    modality = model.parts.modality
    assert isinstance(modality, AudioModality)
    hop_length = modality.geometry.step * RECOGNISER_RATE / modality.config.sample_rate
    indices = model.encode(clip)[0]
    return Voice(indices, phones_at(recogniser.segments(clip), len(indices), hop_length))


def speakers_of(files: Iterable[Path]) -> set[str]:
    """Return the speakers, who are the first part of a name."""
    return {path.stem.split("-")[0] for path in files}


def main() -> None:
    """Learn the map on some of the files of one folder, score it on those of another."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("model", help="name or file, of one codebook")
    parser.add_argument("training", type=Path, help="speech to learn the map from")
    parser.add_argument("held_out", type=Path, help="speech of other speakers")
    parser.add_argument("--name", default="phones", help="of the result")
    options = parser.parse_args()
    model = vqcodec.load(options.model)
    if model.modality != "audio" or model.parts.quantizer.num_codebooks != 1:
        raise UsageError(f"{model.name}: not a model for sounds with one codebook")
    training = find_files([options.training], SUFFIXES)
    training = training[:: max(1, len(training) // TRAINING_FILES)][:TRAINING_FILES]
    held_out = find_files([options.held_out], SUFFIXES)
    if common := speakers_of(training) & speakers_of(held_out):
        raise UsageError(f"speakers {', '.join(sorted(common))} are in both folders")

    recogniser = Recogniser()
    learnt_from, scored = (
        [read_voice(path, model, recogniser) for path in files] for files in (training, held_out)
    )
    size = model.parts.quantizer.codebook_sizes[0]
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
    }
    write_result(options.name, figures)


if __name__ == "__main__":
    main()
