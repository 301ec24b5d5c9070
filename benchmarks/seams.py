"""Whether the tiles of a large picture are visible: errors across their borders and elsewhere.

A picture of 24 megapixels, made of many, is compressed and decompressed by the command. An error is
decoded minus original. The jump of the error from a pixel to the next is measured across the
borders of tiles, across those of other blocks, and across all other lines.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

import numpy as np
from memory import QUALITY, TILE, both_ways, make_picture
from numpy.typing import NDArray
from PIL import Image
from result import write_result

from vqcodec.modalities.image.config import PATCH, PatchesConfig


def jumps(errors: NDArray[np.int16]) -> NDArray[np.float64]:
    """Return the mean absolute jumps [W - 1] into all columns but the first of errors [H, W, 3]."""
    columns = range(1, errors.shape[1])
    return np.array(
        [np.abs(errors[:, x] - errors[:, x - 1]).mean(dtype=np.float64) for x in columns]
    )


def by_kind(change: NDArray[np.float64], border: int) -> dict[str, NDArray[np.float64]]:
    """Return the jumps [W - 1] by kind of line, without those between two pictures.

    One more kind is the jumps at the borders of tiles minus the mean of the borders beside them.

    Args:
        change: the result of `jumps`.
        border: columns from one border of tiles to the next.
    """
    column = np.arange(1, len(change) + 1)
    inside = column % TILE != 0
    tiles = (column % border == 0) & inside
    blocks = (column % PATCH == 0) & (column % border != 0) & inside
    at = np.flatnonzero(tiles)
    beside = (change[at - PATCH] + change[at + PATCH]) / 2
    return {
        "borders of tiles": change[tiles],
        "other borders of blocks": change[blocks],
        "all other lines": change[(column % PATCH != 0) & inside],
        "borders of tiles, minus the mean of the two borders of blocks beside": change[at] - beside,
    }


def main() -> None:
    """Measure and write the result."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("pictures", type=Path, help="a folder of pictures to make the large one of")
    folder: Path = parser.parse_args().pictures
    border = PatchesConfig().geometry().window * PATCH
    with tempfile.TemporaryDirectory() as name:
        original = Path(name) / "picture.png"
        make_picture(sorted(folder.iterdir()), original)
        both_ways(original, "restored.png")
        pixels = [
            np.asarray(Image.open(path)).astype(np.int16)
            for path in (original, original.with_name("restored.png"))
        ]
    errors = pixels[1] - pixels[0]
    across = [by_kind(jumps(turned), border) for turned in (errors, errors.transpose(1, 0, 2))]
    lines = {kind: np.concatenate([one[kind] for one in across]) for kind in across[0]}
    figures = {
        kind: {
            "lines": len(found),
            "mean": float(found.mean()),
            "standard_error": float(found.std(ddof=1) / len(found) ** 0.5),
        }
        for kind, found in lines.items()
    }
    write_result("seams", {"quality": QUALITY, "tile_pixels": border, "jumps": figures})


if __name__ == "__main__":
    main()
