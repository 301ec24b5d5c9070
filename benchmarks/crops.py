"""Crops of restored pictures beside those of another codec at equal bytes, as one sheet.

A row for each crop: the original, then for each quality the model and the other codec. Whole
pictures are coded; the other codec has the highest setting whose file is not larger.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image

import vqcodec
from vqcodec.evaluation.baseline import Baseline
from vqcodec.evaluation.baselines import load_baseline
from vqcodec.signals.picture import Picture

GAP = 4  # pixels
SIDES = 192, 128  # pixels, of a crop
CROPS = (  # picture, left and top: plain skies, gradients, soft backgrounds, clouds over water
    ("kodim09.png", 130, 40),
    ("kodim20.png", 400, 100),
    ("kodim12.png", 0, 180),
    ("kodim15.png", 560, 60),
    ("kodim16.png", 430, 60),
    ("kodim23.png", 20, 20),
)


def at_most(codec: Baseline, picture: Picture, size_bytes: int) -> bytes:
    """Return the codec's file at the highest of its settings 0 … 100 that is not larger.

    It is the smallest file if all are larger.
    """
    low, high = 0, 100
    while low < high:
        middle = (low + high + 1) // 2
        if len(codec.compress(picture, quality=middle)) <= size_bytes:
            low = middle
        else:
            high = middle - 1
    return codec.compress(picture, quality=low)


def restored(
    picture: Picture, model: str, codec: Baseline, qualities: Sequence[float]
) -> tuple[list[Picture], list[int]]:
    """Return the picture by the model and by the codec at each quality, and all sizes in bytes."""
    pictures: list[Picture] = []
    sizes = []
    for quality in qualities:
        stream = vqcodec.compress(picture, model=model, quality=quality)
        file = at_most(codec, picture, len(stream))
        for found in (vqcodec.decompress(stream, model=model), codec.decompress(file)):
            assert isinstance(found, Picture)
            pictures.append(found)
        sizes += [len(stream), len(file)]
    return pictures, sizes


def main() -> None:
    """Write the sheet, and print the sizes."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path, help="with the Kodak pictures")
    parser.add_argument("output", type=Path, help=".webp or .png")
    parser.add_argument("--model", default="image", help="name or file")
    parser.add_argument("--quality", type=float, nargs="+", default=[3, 5])
    parser.add_argument("--against", default="avif")
    arguments = parser.parse_args()

    codec = load_baseline(arguments.against)
    width, height = SIDES
    num_columns = 1 + 2 * len(arguments.quality)
    sheet = Image.new(
        "RGB",
        (num_columns * (width + GAP) - GAP, len(CROPS) * (height + GAP) - GAP),
        "white",
    )
    for row, (name, left, top) in enumerate(CROPS):
        picture = vqcodec.read(arguments.folder / name)
        assert isinstance(picture, Picture)
        others, sizes = restored(picture, arguments.model, codec, arguments.quality)
        print(name, *sizes)
        for column, shown in enumerate((picture, *others)):
            crop = np.asarray(shown.to_rgb())[top : top + height, left : left + width]
            sheet.paste(Image.fromarray(crop), (column * (width + GAP), row * (height + GAP)))
    sheet.save(arguments.output, quality=90, method=6)


if __name__ == "__main__":
    main()
