"""What `compress --effort` saves, and what it costs in time, on a folder of pictures.

Commands as a user types them compress and decompress the whole folder, once for each quality,
without and with the option. The times are of whole commands, divided by the number of pictures.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from result import write_result

import vqcodec
from vqcodec.evaluation.curves import Curve, bjontegaard_rate
from vqcodec.rate import bits_per_pixel
from vqcodec.signals.picture import Picture, psnr


def point(originals: Path, quality: str, options: Sequence[str]) -> dict[str, float]:
    """Return the means over a folder that is compressed at a quality with further options."""
    with tempfile.TemporaryDirectory() as name:
        packed, restored = Path(name, "packed"), Path(name, "restored")
        start_s = time.perf_counter()
        run("compress", str(originals), "-o", str(packed), "--quality", quality, *options)
        seconds = time.perf_counter() - start_s
        run("decompress", str(packed), "-o", str(restored), "--jobs", "1")
        rates, levels_db = [], []
        for path in sorted(originals.iterdir()):
            original = vqcodec.read(path)
            again = vqcodec.read(next(restored.glob(path.stem + ".*")))
            assert isinstance(original, Picture)
            assert isinstance(again, Picture)
            size_bytes = next(packed.glob(path.stem + ".*")).stat().st_size
            rates.append(bits_per_pixel(size_bytes, original.width, original.height))
            levels_db.append(psnr(original, again))
    return {
        "quality": float(quality),
        "bits_per_pixel": float(np.mean(rates)),
        "psnr_db": float(np.mean(levels_db)),
        "seconds": seconds / len(rates),
    }


def run(*arguments: str) -> None:
    """Run `vqcodec`."""
    command = [sys.executable, "-m", "vqcodec", *arguments, "--quiet"]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)


def curve(name: str, points: Sequence[dict[str, float]]) -> Curve:
    """Return the points as a curve of rates by PSNR."""
    return Curve(
        name,
        np.array([each["bits_per_pixel"] for each in points]),
        np.array([each["psnr_db"] for each in points]),
    )


def main() -> None:
    """Measure and write the result."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("pictures", type=Path, help="a folder of pictures alone")
    parser.add_argument("--steps", type=int, default=100)
    parser.add_argument("--quality", default="3,5,7,9", help="as 3,5,7,9")
    parser.add_argument("--model", default="image")
    options = parser.parse_args()
    model = vqcodec.load(options.model)
    usual = ["--model", options.model, "--jobs", "1"]
    found: dict[str, list[dict[str, float]]] = {"usual": [], "refined": []}
    for quality in options.quality.split(","):
        found["usual"].append(point(options.pictures, quality, usual))
        with_effort = [*usual, "--effort", str(options.steps)]
        found["refined"].append(point(options.pictures, quality, with_effort))
        print(quality, found["usual"][-1], found["refined"][-1], flush=True)
    usual_curve, refined_curve = (curve(name, points) for name, points in found.items())
    figures = {
        "model": {"name": model.name, "fingerprint": model.fingerprint},
        "n": len(list(options.pictures.iterdir())),
        "steps": options.steps,
        "points": found,
        "bd_rate_percent": bjontegaard_rate(usual_curve, refined_curve),
    }
    write_result("effort", figures)


if __name__ == "__main__":
    main()
