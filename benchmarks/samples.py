"""Draw samples from a model's prior: a sheet of pictures, or a row of sounds."""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

import vqcodec
from vqcodec.signals.picture import Picture
from vqcodec.signals.sound import AudioClip
from vqcodec.signals.sound_files import write_clip

SIDE = 128  # pixels of one picture
COLUMNS, ROWS, GAP = 8, 3, 4
DURATION_S, COUNT, PAUSE_S = 2.0, 4, 0.4


def main() -> None:
    """Draw with seeds 0, 1, 2 … and write one file."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("model", help="name or file")
    parser.add_argument("output", type=Path, help=".webp, or .ogg for sounds")
    parser.add_argument("--temperature", type=float, default=1.0)
    parser.add_argument("--sweeps", type=int, default=0, help="of pictures; see 'vqcodec sample'")
    options = parser.parse_args()
    model = vqcodec.load(options.model)
    if model.modality == "image":
        sheet = Image.new("RGB", (COLUMNS * (SIDE + GAP) - GAP, ROWS * (SIDE + GAP) - GAP), "white")
        for seed in range(COLUMNS * ROWS):
            drawn = model.sample(
                seed=seed,
                temperature=options.temperature,
                quality=10,
                width=SIDE,
                height=SIDE,
                num_sweeps=options.sweeps,
            )
            assert isinstance(drawn, Picture)
            row, column = divmod(seed, COLUMNS)
            picture = Image.fromarray(drawn.pixels)
            sheet.paste(picture, (column * (SIDE + GAP), row * (SIDE + GAP)))
        sheet.save(options.output, quality=90)
        return
    parts: list[NDArray[np.float32]] = []
    sample_rate = 0
    for seed in range(COUNT):
        drawn = model.sample(
            seed=seed, temperature=options.temperature, quality=10, duration_s=DURATION_S
        )
        assert isinstance(drawn, AudioClip)
        sample_rate = drawn.sample_rate
        pause = np.zeros((1, round(PAUSE_S * drawn.sample_rate)), np.float32)
        parts += [drawn.waveform, pause]
    with options.output.open("wb") as file:
        write_clip(AudioClip(np.concatenate(parts, axis=1), sample_rate), file, "OGG")


if __name__ == "__main__":
    main()
