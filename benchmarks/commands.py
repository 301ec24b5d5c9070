"""Seconds and peak memory of whole commands, with imports, loading and files.

With --base, a checkout of another version, its commands alternate with these, so that load on the
machine affects both. The base runs in the same environment, which must have its packages.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import statistics
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import NamedTuple

import numpy as np
import soundfile
from PIL import Image
from result import ROOT, write_result

SAMPLES = ROOT / "assets" / "samples"
THUMBNAIL = 128  # pixels each way
LARGE = (4000, 6000)  # rows and columns
# Runs a command of a checkout, whose cli/ and assets/ are beside its package.
START = """
import importlib.util, sys
root = sys.argv.pop(1)
sys.path.insert(0, root)
for name, folder in (("vqcodec.cli", "cli"), ("vqcodec.assets", "assets")):
    import vqcodec
    place = f"{root}/{folder}"
    spec = importlib.util.spec_from_file_location(
        name, f"{place}/__init__.py", submodule_search_locations=[place])
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
from vqcodec.cli.main import main
main()
"""


class Run(NamedTuple):
    """The seconds and the peak memory of a command."""

    seconds: float
    peak_bytes: int


def run(root: Path, *arguments: str | Path) -> Run:
    """Return the seconds and the peak memory of a command of a checkout.

    Raises:
        SystemExit: it failed.
    """
    start = time.perf_counter()
    command = [sys.executable, "-c", START, str(root), *map(str, arguments)]
    # Installed packages have their bytecode on disk, whatever this shell asks for.
    environment = {
        key: value for key, value in os.environ.items() if key != "PYTHONDONTWRITEBYTECODE"
    }
    process = subprocess.Popen(command, cwd=tempfile.gettempdir(), env=environment)
    _, status, usage = os.wait4(process.pid, 0)
    seconds = time.perf_counter() - start
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SystemExit(f"vqcodec {arguments[0]}: exit code {process.returncode}")
    return Run(seconds, usage.ru_maxrss * 1024)


def inputs(
    folder: Path, picture: Path, voice: Path, music: Path, *, large: bool
) -> dict[str, Path]:
    """Return the files to compress by name: picture, thumbnail, ten seconds of speech and of music.

    With `large`, a picture of 24 megapixels is another: repetitions of the first one.
    """
    with Image.open(picture) as image:
        image.convert("RGB").resize((768, 512)).save(folder / "picture.png")
        if large:
            repetitions = (-(-LARGE[0] // image.height), -(-LARGE[1] // image.width), 1)
            pixels = np.tile(np.asarray(image.convert("RGB")), repetitions)
            Image.fromarray(pixels[: LARGE[0], : LARGE[1]]).save(folder / "large.png")
        image.convert("RGB").resize((THUMBNAIL, THUMBNAIL)).save(folder / "thumbnail.png")
    for sound, own in (("speech", voice), ("music", music)):
        waveform, rate = soundfile.read(own)
        repeated = np.resize(waveform, (10 * rate, *waveform.shape[1:]))
        soundfile.write(folder / f"{sound}.flac", repeated, rate)
    files = {
        "picture, 768 x 512": folder / "picture.png",
        f"thumbnail, {THUMBNAIL} x {THUMBNAIL}": folder / "thumbnail.png",
        "speech, 10 s": folder / "speech.flac",
        "music, 10 s": folder / "music.flac",
    }
    return files | ({"picture, 6000 x 4000": folder / "large.png"} if large else {})


def measure(roots: dict[str, Path], files: dict[str, Path], repeats: int) -> dict[str, object]:
    """Return median seconds and largest peak of each command of each checkout."""
    figures: dict[str, object] = {}
    for what, original in files.items():
        for way in ("compress", "decompress"):
            runs: dict[str, list[Run]] = {name: [] for name in roots}
            for _ in range(repeats):
                for name, root in roots.items():
                    stream = original.with_suffix(f".{name}.vqc")
                    restored = stream.with_suffix(".png" if original.suffix == ".png" else ".wav")
                    source, target = (original, stream) if way == "compress" else (stream, restored)
                    runs[name].append(run(root, way, "-q", "-f", source, "-o", target))
            figures[f"{what}, {way}"] = {
                name: {
                    "seconds": statistics.median(one.seconds for one in own),
                    "peak_bytes": max(one.peak_bytes for one in own),
                }
                for name, own in runs.items()
            }
    return figures


def main() -> None:
    """Measure and write the result."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--base", type=Path, help="checkout of the version to compare with")
    parser.add_argument("--repeats", type=int, default=7)
    parser.add_argument("--large", action="store_true", help="also a picture of 24 megapixels")
    parser.add_argument("--picture", type=Path, default=SAMPLES / "tulips.png")
    parser.add_argument("--voice", type=Path, default=SAMPLES / "voice_man.flac")
    parser.add_argument("--music", type=Path, default=SAMPLES / "guitar.flac")
    options = parser.parse_args()
    roots = {"this": ROOT} | ({"base": options.base.resolve()} if options.base else {})
    with tempfile.TemporaryDirectory() as name:
        # In a process of its own: the peak memory of a command begins with that of this process.
        with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as own_process:
            made = own_process.submit(
                inputs,
                Path(name),
                options.picture,
                options.voice,
                options.music,
                large=options.large,
            )
            files = made.result()
        figures = measure(roots, files, options.repeats)
    write_result("commands", {"n": options.repeats, "commands": figures})


if __name__ == "__main__":
    main()
