"""Designs of the network `blocks`, compared before anything is trained.

Bits are those of histograms of indices, given coded neighbours and levels (as context modelling
would have them), over all sounds together. A trained prior needs fewer, in about the same ratio.
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from result import write_result
from torch import Tensor

from vqcodec.evaluation.metrics.attacks import pre_echo
from vqcodec.evaluation.metrics.masking import noise_to_mask
from vqcodec.evaluation.metrics.spectra import log_spectral_distance
from vqcodec.evaluation.metrics.visqol import visqol_audio
from vqcodec.modalities.audio.config import SIDE_BOOKS
from vqcodec.networks.audio import frames as layout
from vqcodec.networks.audio import stereo
from vqcodec.networks.autoencoder import Autoencoder
from vqcodec.signals.resampling import resample
from vqcodec.signals.sound_files import read_clip

SAMPLE_RATE, SECONDS, NUM_BANDS = 48_000, 5.0, 54
RATE_BYTES = (0, 40, 80, 130, 190)
RATES_KBPS = (8.0, 16.0, 40.0)  # at which scores are interpolated
SCORES = ("lsd_db", "nmr_db", "visqol_audio", "pre_echo_db")
LOOKED_UP = 6.0  # bits that a symbol costs in the histogram of a context

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]


@dataclass(frozen=True)
class Design:
    """What differs between the designs."""

    hop_length: int = 2_048
    num_slots: int = 52
    num_halved: int = 4
    masking: float = 0.84
    coarsest_level: float = layout.COARSEST_LEVEL
    width_power: float = stereo.WIDTH_POWER
    split_cost: float = stereo.SPLIT_COST
    attack_cost: float = stereo.ATTACK_COST
    unsteadiness: float = stereo.UNSTEADINESS
    rounding: float = 0.6
    coarsest_step: float = 2.55
    finest_step: float = 0.1

    def build(self) -> Autoencoder:
        """Return the design with its steps, and noise whose gain is not trained."""
        stereo.WIDTH_POWER = self.width_power
        layout.COARSEST_LEVEL = self.coarsest_level
        stereo.SPLIT_COST, stereo.ATTACK_COST = self.split_cost, self.attack_cost
        stereo.UNSTEADINESS = self.unsteadiness
        band_bins = self.hop_length // 64
        network = {
            "kind": "blocks",
            "hop_length": self.hop_length,
            "num_bands": NUM_BANDS,
            "band_bins": band_bins,
            "num_slots": self.num_slots,
            "num_halved": self.num_halved,
            "masking": self.masking,
        }
        quantizer = {
            "kind": "lattice",
            "dim": NUM_BANDS * (SIDE_BOOKS + 2 * band_bins),
            "coarsest_step": self.coarsest_step,
            "finest_step": self.finest_step,
            "learn_steps": False,
            "num_integers": SIDE_BOOKS * NUM_BANDS,
            "rounding": self.rounding,
        }
        tables = {"modality": "audio", "network": network, "quantizer": quantizer}
        autoencoder = Autoencoder(tables).eval()
        autoencoder.init_from_data(torch.zeros(1, 2, 4 * self.hop_length))
        return autoencoder


DESIGNS = (
    Design(),
    Design(num_slots=48, num_halved=0),
    Design(num_slots=32, num_halved=0),
    Design(masking=0.78, coarsest_step=2.0, finest_step=0.08),  # at about the same rates
    Design(masking=0.9, coarsest_step=3.2, finest_step=0.125),
    Design(coarsest_level=0.9),
    Design(width_power=0.3),
    Design(rounding=0.5),
    Design(unsteadiness=0.0),
    Design(split_cost=0.1),
    Design(attack_cost=0.5),
    Design(split_cost=100.0),  # whole frames only
    Design(hop_length=1_024, num_slots=48, num_halved=0),
    Design(hop_length=1_024, num_slots=32, num_halved=0),
)


class Histograms:
    """Counts symbols in contexts, and estimates their bits."""

    def __init__(self) -> None:
        self.pairs: list[Integers] = []

    def add(self, context: Integers, symbols: Integers) -> None:
        """Count symbols, -500 … 500, each with the number of its context."""
        self.pairs.append((context * 1_024 + symbols + 512).ravel())

    def bits(self) -> float:
        """Return the bits of all symbols, and of the histograms themselves."""
        pairs, counts = np.unique(np.concatenate(self.pairs), return_counts=True)
        _, context = np.unique(pairs // 1_024, return_inverse=True)
        totals = np.bincount(context, counts)[context]
        return float((counts * np.log2(totals / counts)).sum() + LOOKED_UP * len(pairs))


def buckets(values: Floats | Integers) -> Integers:
    """Return numbers 0 … 7 of values from 0 on, the larger ones together."""
    found: Integers = np.searchsorted([1, 2, 3, 4, 6, 9, 13], values, side="right")
    return found


def count_coefficients(found: Histograms, indices: Integers, octaves: Floats) -> None:
    """Count coefficients [2, F, bins]; octaves: how far the level is above the step."""
    expected = np.clip(np.floor(octaves * 2), -8, 11).astype(np.int64) + 8
    sizes = np.minimum(np.abs(indices), 8)
    before = np.pad(sizes, ((0, 0), (1, 0), (1, 1)))[:, :-1]
    around = 2 * before[:, :, 1:-1] + before[:, :, :-2] + before[:, :, 2:]
    mid = np.concatenate([np.full_like(sizes[:1], 3), np.minimum(sizes[:1], 2)])
    context = (expected * 8 + buckets(around)) * 4 + mid
    found.add(context[expected > 0], indices[expected > 0])


def count_levels(found: Histograms, levels: Integers, choice: Integers) -> None:
    """Count levels or angles [F, slots]; choice: [F]."""
    before = np.pad(levels, ((1, 0), (0, 0)))[:-1]
    below = np.pad(levels, ((0, 0), (1, 0)))[:, :-1]
    rise = below - np.pad(before, ((0, 0), (1, 0)))[:, :-1]
    expected = np.floor(before + 0.4 * rise + 0.5).astype(np.int64)
    is_like = (choice == np.pad(choice, (1, 0))[:-1])[:, None].astype(np.int64)
    context = (np.clip(rise, -4, 4) + 4) * 6 + np.minimum(np.abs(before), 2) * 2 + is_like
    found.add(context, np.clip(levels - expected, -500, 500))


@torch.no_grad()
def score(design: Design, sounds: list[NDArray[np.float32]]) -> dict[str, Any]:
    """Return the means of scores of sounds [2, T] at `RATES_KBPS`; None at rates out of range."""
    autoencoder = design.build()
    points = [scores_at(autoencoder, number, sounds) for number in RATE_BYTES]
    logarithms = np.log([point["kbps"] for point in points])
    found: dict[str, Any] = {}
    for name in SCORES:
        values = [point[name] for point in points]
        at_rates = np.interp(np.log(RATES_KBPS), logarithms, values, left=np.nan, right=np.nan)
        found[name] = [None if np.isnan(value) else float(value) for value in at_rates]
    return found


def scores_at(
    autoencoder: Autoencoder, number: int, sounds: list[NDArray[np.float32]]
) -> dict[str, float]:
    """Return the rate, and means of scores, at one rate byte."""
    rate = torch.tensor([number])
    quantizer: Any = autoencoder.quantizer
    fraction, frames = quantizer.rate_fraction(rate), autoencoder.encoder.frames
    histograms = [Histograms() for _ in range(4)]
    scores: list[tuple[float, ...]] = []
    for sound in sounds:
        length = sound.shape[1] // frames.config.hop_length * frames.config.hop_length
        signal = np.ascontiguousarray(sound[:, :length])
        latents = autoencoder.encoder(torch.from_numpy(signal)[None], fraction)
        coded = quantizer.dequantize(quantizer.quantize(latents, rate), rate)
        decoded = autoencoder.decoder(coded, fraction)[0].numpy()
        count_all(histograms, frames, coded, quantizer.gain(rate, 3), fraction)
        scores.append(
            (
                log_spectral_distance(signal, decoded, SAMPLE_RATE),
                noise_to_mask(signal, decoded)["nmr_db"] or 0.0,
                visqol_audio(signal.mean(0), decoded.mean(0)) or 0.0,
                np.nan if (excess := pre_echo(signal, decoded)) is None else excess,
            )
        )
    seconds = sum(sound.shape[1] for sound in sounds) / SAMPLE_RATE
    kbps = sum(found.bits() for found in histograms) / seconds / 1000
    means = [float(column) for column in np.nanmean(scores, axis=0)]  # some have no attack
    return {"kbps": kbps, **dict(zip(SCORES, means, strict=True))}


def count_all(
    found: list[Histograms], frames: Any, coded: Tensor, gain: Tensor, fraction: Tensor
) -> None:
    """Count the indices of coded latents [1, D, F]."""
    choice, side, indices = frames.unpack(coded * gain)
    _, _, gains = frames.unpack(gain.expand_as(coded))
    chosen = frames.slots.chosen(choice)
    steps = frames.thresholds(side, chosen, fraction) / gains
    powers = frames.slots.expand(frames.powers(side[:, :2], fraction), chosen)
    octaves = torch.log2(powers / steps.square() + 1e-9)[0].double().numpy() / 2
    count_coefficients(found[0], _integers(indices[0]), octaves)
    for histogram, levels in zip(found[1:], side[0], strict=True):
        count_levels(histogram, _integers(levels), _integers(choice[0]))


def _integers(values: Tensor) -> Integers:
    found: Integers = values.round().long().numpy()
    return found


def main() -> None:
    """Compare the designs on held-out sounds, and write the result."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("sounds", type=Path, nargs="+")
    parser.add_argument("--write", action="store_true", help="write benchmarks/results")
    options = parser.parse_args()
    torch.set_num_threads(1)
    sounds = []
    for path in options.sounds:
        clip = read_clip(path)
        waveform = clip.waveform[[0, -1], : round(SECONDS * clip.sample_rate)]
        sounds.append(resample(waveform, clip.sample_rate, SAMPLE_RATE))
    rows = []
    for design in DESIGNS:
        rows.append({**vars(design), **score(design, sounds)})
        print(rows[-1], flush=True)
    if options.write:
        figures = {"num_files": len(sounds), "rates_kbps": RATES_KBPS, "designs": rows}
        write_result("sound_designs", figures)


if __name__ == "__main__":
    main()
