"""JPEG and WebP as measured here, compared with published points of the same pictures.

The points are read from a table (CSV) with the columns dataset, codec, bpp and psnr_rgb, made
from the figures that CompressAI publishes: means over all pictures, one row for each quality of
QUALITIES, of files that Pillow writes with its defaults. They are compared with the means of the
result `pictures`, which has the settings of `vqcodec eval`. With --pictures, files with Pillow's
defaults are measured, too.
"""

from __future__ import annotations

import argparse
import csv
import json
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import result
from result import write_result

from vqcodec.errors import InputError
from vqcodec.evaluation.picture_baselines import PillowCodec
from vqcodec.files import find_files
from vqcodec.rate import bits_per_pixel
from vqcodec.signals.picture import psnr
from vqcodec.signals.picture_files import read_picture
from vqcodec.signals.suffixes import PICTURE_FORMATS

FORMATS = ("JPEG", "WEBP")
QUALITIES = tuple(range(5, 100, 5))
RECORDED, DEFAULTS = "settings of eval", "Pillow's defaults"


@dataclass(frozen=True, slots=True)
class Point:
    """Means over pictures at one quality."""

    bits_per_pixel: float
    psnr_db: float


Curve = Mapping[int, Point]  # by quality


def read_published(path: Path, dataset: str) -> dict[str, Curve]:
    """Return the published curves of a dataset by codec.

    Raises:
        InputError: the file cannot be read, or lacks a row for a quality.
    """
    try:
        with path.open(newline="", encoding="utf-8") as file:
            rows = [row for row in csv.DictReader(file) if row["dataset"] == dataset]
        curves: dict[str, Curve] = {}
        for codec in map(str.lower, FORMATS):
            own = [row for row in rows if row["codec"] == codec]
            points = [Point(float(row["bpp"]), float(row["psnr_rgb"])) for row in own]
            curves[codec] = dict(zip(QUALITIES, points, strict=True))
    except OSError as error:
        raise InputError(f"{path}: {error.strerror}") from error
    except (KeyError, ValueError) as error:
        needed = f"{len(QUALITIES)} rows of {dataset} for each of {', '.join(FORMATS)}"
        raise InputError(f"{path}: not a table with {needed}: {error}") from error
    return curves


def recorded_curves(pictures: Mapping[str, Any]) -> dict[str, Curve]:
    """Return the curves of the codecs in the result `pictures`, by codec."""
    curves: dict[str, dict[int, Point]] = {}
    for mean in pictures["means"]:
        if mean["codec"].upper() in FORMATS:
            point = Point(mean["bits_per_pixel"], mean["metrics"]["psnr_db"])
            curves.setdefault(mean["codec"], {})[round(mean["quality"])] = point
    return dict(curves)


def measured_curve(codec: PillowCodec, files: Sequence[Path]) -> Curve:
    """Return the means over picture files at all qualities."""
    pictures = [read_picture(path) for path in files]
    curve = {}
    for quality in QUALITIES:
        points = []
        for picture in pictures:
            stream = codec.compress(picture, quality=quality)
            rate = bits_per_pixel(len(stream), picture.width, picture.height)
            points.append(Point(rate, psnr(picture, codec.decompress(stream))))
        curve[quality] = Point(
            statistics.fmean(point.bits_per_pixel for point in points),
            statistics.fmean(point.psnr_db for point in points),
        )
    return curve


def compare(codec: str, settings: str, own: Curve, published: Curve) -> dict[str, Any]:
    """Return relative differences of rate and of PSNR at qualities that both curves have."""
    points = [
        {
            "quality": quality,
            "bits_per_pixel": point.bits_per_pixel,
            "psnr_db": point.psnr_db,
            "rate_difference": point.bits_per_pixel / published[quality].bits_per_pixel - 1,
            "psnr_difference": point.psnr_db / published[quality].psnr_db - 1,
        }
        for quality, point in sorted(own.items())
        if quality in published
    ]
    largest = {
        f"largest_{name}": max((point[name] for point in points), key=abs, default=None)
        for name in ("rate_difference", "psnr_difference")
    }
    return {"codec": codec, "settings": settings, **largest, "points": points}


def print_comparison(comparison: Mapping[str, Any]) -> None:
    """Print the points of a comparison, and then the largest differences."""
    print(f"{comparison['codec']}, {comparison['settings']}")
    for point in comparison["points"]:
        rate, quality = f"{point['bits_per_pixel']:.4f} bit/pixel", f"{point['psnr_db']:.3f} dB"
        shares = f"{point['rate_difference']:+.2%} {point['psnr_difference']:+.2%}"
        print(f"  {point['quality']:2d}  {rate}  {quality}  {shares}")
    if comparison["points"]:
        rate, quality = (comparison[f"largest_{name}_difference"] for name in ("rate", "psnr"))
        print(f"  largest difference: rate {rate:+.2%}, PSNR {quality:+.2%}")


def main() -> None:
    """Compare, print and write the result."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("points", type=Path, help="the published points, as CSV")
    parser.add_argument("--dataset", default="kodak", help="of the points")
    parser.add_argument("--pictures", type=Path, help="folder of all pictures of the dataset")
    options = parser.parse_args()
    published = read_published(options.points, options.dataset)
    comparisons, figures = [], {"dataset": options.dataset}
    recorded = result.RESULTS / "pictures.json"
    if recorded.exists():
        curves = recorded_curves(json.loads(recorded.read_text(encoding="utf-8")))
        comparisons += [
            compare(codec, RECORDED, curve, published[codec]) for codec, curve in curves.items()
        ]
    if options.pictures:
        files = find_files([options.pictures], PICTURE_FORMATS)
        figures["n"] = len(files)
        for codec in (PillowCodec(format, {}) for format in FORMATS):
            curve = measured_curve(codec, files)
            comparisons.append(compare(codec.name, DEFAULTS, curve, published[codec.name]))
    for comparison in comparisons:
        print_comparison(comparison)
    write_result("published", {**figures, "comparisons": comparisons})


if __name__ == "__main__":
    main()
