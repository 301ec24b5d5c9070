"""Draw pictures with the patterns that photographs lack: checks, gratings, text, charts, noise.

Networks that have seen photographs alone can fail on such pictures. Add the folder to those of the
photographs in `vqcodec train`. The seed gives the same pictures again, with the same versions of
NumPy and Pillow. They are free to use (CC0). Crops begin at any pixel, but a picture of the size of
a crop is taken whole. With `--side 192`, networks see checks that lie on their own grid.
"""

from __future__ import annotations

import argparse
import random
from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

WORDS = (  # noqa: SIM905 - a word a line would be long
    "the a codec picture sound of to and in is that for on as with at by from file rate 0 1 2 3 "
    "4,096 17 % error open save close edit view help New Format Table Total Sum [x] {y} <z> # && "
    "return import while lambda +1 -2.5 =3.14 / path/to/file.png"
).split()

Picture = NDArray[np.floating]  # [side, side, 3], 0 … 255


class Draw(random.Random):
    """A source of random numbers for pictures of `side` pixels each way."""

    side = 640

    @property
    def places(self) -> NDArray[np.float64]:
        """The row and the column of every pixel, [2, side, side]."""
        return np.mgrid[: self.side, : self.side].astype(np.float64)


def colour(draw: Draw) -> Picture:
    """Return a colour [3]: black, white, a primary one, or any."""
    kind = draw.random()
    if kind < 0.3:
        return np.full(3, float(draw.choice((0, 255))))
    if kind < 0.6:
        return np.array([float(draw.choice((0, 255))) for _ in range(3)])
    return np.array([draw.uniform(0, 255) for _ in range(3)])


def two_colours(draw: Draw, share: NDArray[np.floating]) -> Picture:
    """Return a mixture of two colours, with the share [side, side], 0 … 1, of the second."""
    first, second = colour(draw), colour(draw)
    if np.abs(first - second).max() < 64:
        second = 255 - second
    return first + share[..., None] * (second - first)


def checks(draw: Draw) -> Picture:
    """Return a board of squares or rectangles of 1 to 64 pixels; large boards begin anywhere."""
    height = draw.choice((1, 2, 3, 4, 5, 6, 8, 8, 10, 12, 16, 16, 24, 32, 64))
    width = height if draw.random() < 0.7 else draw.choice((1, 2, 4, 8, 16, 32, 640))
    top, left = (draw.randrange(64), draw.randrange(64)) if draw.side >= 640 else (0, 0)
    rows, columns = draw.places
    return two_colours(draw, ((rows + top) // height + (columns + left) // width) % 2)


def grating(draw: Draw) -> Picture:
    """Return stripes of any direction and period, with soft or hard edges, also with a chirp."""
    angle, period = draw.uniform(0, np.pi), 2 * 2 ** draw.uniform(0, 6)
    rows, columns = draw.places
    place = (rows * np.sin(angle) + columns * np.cos(angle)) / period
    if draw.random() < 0.3:
        place = place * (1 + rows / draw.side)
    wave = 0.5 + 0.5 * np.sin(2 * np.pi * place)
    return two_colours(draw, wave if draw.random() < 0.5 else np.rint(wave))


def blocks(draw: Draw) -> Picture:
    """Return random squares, as of a printed code or of a mosaic."""
    side = draw.choice((1, 2, 3, 4, 6, 8, 12, 16, 32))
    count = -(-draw.side // side)
    source = np.random.default_rng(draw.randrange(2**32))
    if draw.random() < 0.5:
        share = source.integers(0, 2, (count, count)).astype(np.float64)
        return two_colours(draw, np.kron(share, np.ones((side, side)))[: draw.side, : draw.side])
    cells = source.uniform(0, 255, (count, count, 3))
    return np.kron(cells, np.ones((side, side, 1)))[: draw.side, : draw.side]


def noise(draw: Draw) -> Picture:
    """Return noise around a gradient of two colours, grey or coloured, weak to full."""
    source = np.random.default_rng(draw.randrange(2**32))
    rows, columns = draw.places / draw.side
    smooth = two_colours(draw, (rows * draw.random() + columns * draw.random()) / 2)
    grain = source.normal(size=(draw.side, draw.side, draw.choice((1, 3))))
    return smooth + grain * 2 ** draw.uniform(0, 6.5)


def chart(draw: Draw) -> Picture:
    """Return overlapping boxes, ellipses and lines, as of a diagram or of a screen."""
    image = Image.new("RGB", (draw.side, draw.side), tuple(map(int, colour(draw))))
    pen = ImageDraw.Draw(image)
    for _ in range(draw.randrange(10, 120)):
        x, y = draw.randrange(-40, draw.side), draw.randrange(-40, draw.side)
        box = (x, y, x + draw.randrange(4, 300), y + draw.randrange(4, 200))
        ink, width = tuple(map(int, colour(draw))), draw.choice((1, 1, 2, 3, 8))
        if (kind := draw.random()) < 0.4:
            pen.rectangle(box, ink if draw.random() < 0.5 else None, ink, width)
        elif kind < 0.6:
            pen.ellipse(box, ink if draw.random() < 0.5 else None, ink, width)
        else:
            pen.line(box, ink, width)
    return np.asarray(image, np.float64)


def text(draw: Draw) -> Picture:
    """Return lines of words of several sizes on a plain ground."""
    ground = np.array([255.0] * 3) if draw.random() < 0.5 else colour(draw)
    image = Image.new("RGB", (draw.side, draw.side), tuple(map(int, ground)))
    pen, y = ImageDraw.Draw(image), 4
    ink = (0, 0, 0) if ground.mean() > 127 else (255, 255, 255)
    while y < draw.side:
        size = draw.choice((9, 10, 11, 12, 13, 14, 16, 18, 24, 40))
        line = " ".join(draw.choice(WORDS) for _ in range(80))
        own = ink if draw.random() < 0.8 else tuple(map(int, colour(draw)))
        pen.text((draw.randrange(12), y), line, own, ImageFont.load_default(size=size))
        y += round(1.3 * size)
    return np.asarray(image, np.float64)


KINDS: tuple[Callable[[Draw], Picture], ...] = (checks, grating, blocks, noise, chart, text)


def main() -> None:
    """Draw the pictures as PNG files."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--number", type=int, default=96)
    parser.add_argument("--side", type=int, default=Draw.side, help="pixels each way")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    options.folder.mkdir(parents=True, exist_ok=True)
    draw = Draw(options.seed)
    draw.side = options.side
    for number in range(options.number):
        kind = KINDS[number % len(KINDS)]
        pixels = kind(draw).clip(0, 255).round().astype(np.uint8)
        Image.fromarray(pixels).save(options.folder / f"{kind.__name__}-{number:03d}.png")


if __name__ == "__main__":
    main()
