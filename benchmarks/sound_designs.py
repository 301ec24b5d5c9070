"""Frames and levels of the network `blocks`, compared before anything is trained.

Coefficients are not quantized. Those above a frequency are left out, so that noise with the coded
levels takes their place. ViSQOL then says what the levels alone are worth at equal numbers of them.
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

from vqcodec.evaluation.metrics.visqol import visqol_audio
from vqcodec.modalities.audio.config import BlocksConfig
from vqcodec.networks.audio import stereo
from vqcodec.signals.resampling import resample
from vqcodec.signals.sound_files import read_clip

SAMPLE_RATE, SECONDS = 48_000, 5.0
RATE = torch.tensor([0.5])


@dataclass(frozen=True)
class Design:
    """What differs between the designs."""

    hop_length: int
    num_slots: int
    noise_from_hz: float
    level_octaves: float = 0.42
    split_cost: float = 0.1


DESIGNS = (
    Design(2048, 24, 4_000, split_cost=0.01),
    Design(1024, 24, 4_000, split_cost=0.01),
    Design(1024, 24, 4_000),
    Design(1024, 20, 4_000, split_cost=0.01),
    Design(1024, 32, 4_000, split_cost=0.01),
    Design(1024, 32, 4_000, split_cost=0.2),
    Design(1024, 40, 4_000),
    Design(512, 20, 4_000, split_cost=0.01),
    Design(1024, 32, 1_000),
    Design(1024, 32, 1_000, level_octaves=0.65),
    Design(1024, 32, 1_000, level_octaves=0.9),
)


@torch.no_grad()
def score(design: Design, sounds: list[NDArray[np.float32]]) -> dict[str, Any]:
    """Return the mean ViSQOL of sounds [2, T], and levels per second and channel."""
    num_bands = design.hop_length * 54 // 1024
    config = BlocksConfig(
        hop_length=design.hop_length, num_bands=num_bands, num_slots=design.num_slots
    )
    stereo.SPLIT_COST = design.split_cost
    stereo.COARSEST_LEVEL = stereo.FINEST_LEVEL = design.level_octaves
    encoder, decoder = stereo.StereoEncoder(config).eval(), stereo.StereoDecoder(config).eval()
    scores = []
    for sound in sounds:
        length = sound.shape[1] // design.hop_length * design.hop_length
        signal = torch.from_numpy(np.ascontiguousarray(sound[None, :, :length]))
        choice, side, bins = encoder.frames.unpack(encoder(signal, RATE))
        hertz = torch.arange(bins.shape[-1]) * SAMPLE_RATE / (2 * design.hop_length)
        latents = encoder.frames.pack(choice, side, bins * (hertz < design.noise_from_hz))
        decoded = decoder(latents, RATE)[0].mean(0).numpy()
        scores.append(visqol_audio(signal[0].mean(0).numpy(), decoded))
    found = [number for number in scores if number is not None]
    levels = design.num_slots * SAMPLE_RATE / design.hop_length
    return {"visqol": sum(found) / len(found), "levels_per_second": levels}


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
        write_result("sound_designs", {"num_files": len(sounds), "designs": rows})


if __name__ == "__main__":
    main()
