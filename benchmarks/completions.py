"""What a model makes of the first half of pictures or sounds, and of a hole in pictures.

Pictures become one sheet: a row for each, with the original, its continuation from the upper half,
and a filled hole in its middle. Sounds become one file: of each, the original and then the
continuation from its first half.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

import vqcodec
from vqcodec.codec.model import Model
from vqcodec.signals.files import Signal
from vqcodec.signals.picture import Picture
from vqcodec.signals.sound import AudioClip
from vqcodec.signals.sound_files import write_clip

GAP = 4  # pixels
PAUSE_S = 0.4
HOLE = 0.3  # of each side


def hole_in(picture: Picture) -> NDArray[np.bool_]:
    """Return a hole [H, W] in the middle of a picture."""
    hole = np.zeros((picture.height, picture.width), np.bool_)
    rows, columns = (
        slice(round(side * (1 - HOLE) / 2), round(side * (1 + HOLE) / 2)) for side in hole.shape
    )
    hole[rows, columns] = True
    return hole


def complete_pictures(
    model: Model, pictures: Sequence[Picture], temperature: float, sweeps: int, quality: float
) -> Image.Image:
    """Return the sheet."""
    width = max(picture.width for picture in pictures) + GAP
    heights = [picture.height + GAP for picture in pictures]
    sheet = Image.new("RGB", (3 * width - GAP, sum(heights) - GAP), "white")
    top = 0
    for seed, picture in enumerate(pictures):
        continued, filled = (
            model.complete(
                picture,
                seed=seed,
                mask=mask,
                temperature=temperature,
                num_sweeps=sweeps,
                quality=quality,
            )
            for mask in (None, hole_in(picture))
        )
        for column, shown in enumerate((picture, continued, filled)):
            assert isinstance(shown, Picture)
            sheet.paste(Image.fromarray(shown.to_rgb()), (column * width, top))
        top += heights[seed]
    return sheet


def complete_sounds(
    model: Model, sounds: Sequence[AudioClip], temperature: float, quality: float
) -> AudioClip:
    """Return all sounds and their continuations in a row."""
    parts: list[NDArray[np.float32]] = []
    rate = sounds[0].sample_rate
    for seed, sound in enumerate(sounds):
        assert sound.sample_rate == rate, "sounds of one sample rate"
        continued = model.complete(sound, seed=seed, temperature=temperature, quality=quality)
        assert isinstance(continued, AudioClip)
        pause = np.zeros((1, round(PAUSE_S * rate)), np.float32)
        for shown in (sound, continued):
            parts += [shown.waveform.mean(axis=0, keepdims=True), pause]
    return AudioClip(np.concatenate(parts, axis=1), rate)


def main() -> None:
    """Complete every file and write one."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("model", help="name or file")
    parser.add_argument("output", type=Path, help=".webp, or .ogg for sounds")
    parser.add_argument("files", nargs="+", help="pictures, or sounds of one sample rate")
    parser.add_argument("--temperature", type=float, default=0.7)
    parser.add_argument("--sweeps", type=int, default=8)
    parser.add_argument("--quality", type=float, default=5.0)
    options = parser.parse_args()
    model = vqcodec.load(options.model)
    signals: list[Signal] = [vqcodec.read(name) for name in options.files]
    if model.modality == "image":
        pictures = [signal for signal in signals if isinstance(signal, Picture)]
        sheet = complete_pictures(
            model, pictures, options.temperature, options.sweeps, options.quality
        )
        sheet.save(options.output, quality=85)
        return
    sounds = [signal for signal in signals if isinstance(signal, AudioClip)]
    clip = complete_sounds(model, sounds, options.temperature, options.quality)
    with options.output.open("wb") as file:
        write_clip(clip, file, "OGG")


if __name__ == "__main__":
    main()
