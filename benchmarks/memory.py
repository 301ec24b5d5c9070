"""Peak memory and seconds of the command on large files: 24 megapixels, and hours of speech.

Without options, the bundled pictures and the bundled voices are repeated. Each command is a process
of its own, so that imports and reading count.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import soundfile
from PIL import Image
from result import ROOT, write_result

SAMPLES = ROOT / "assets" / "samples"
WIDTH, HEIGHT, TILE = 6000, 4000, 1000  # pixels
SAMPLE_RATE = 16_000  # Hz
QUALITY = 5.0

Figures = dict[str, float]


def make_picture(sources: Sequence[Path], target: Path) -> None:
    """Write a picture of WIDTH x HEIGHT pixels, each tile from the next source."""
    canvas = Image.new("RGB", (WIDTH, HEIGHT))
    corners = [(x, y) for y in range(0, HEIGHT, TILE) for x in range(0, WIDTH, TILE)]
    for number, corner in enumerate(corners):
        with Image.open(sources[number % len(sources)]) as image:
            canvas.paste(image.convert("RGB").resize((TILE, TILE)), corner)
    canvas.save(target, compress_level=1)


def make_speech(sources: Sequence[Path], target: Path, duration_s: float) -> None:
    """Write the sources one after the other, repeatedly, up to a duration."""
    left = round(duration_s * SAMPLE_RATE)
    with soundfile.SoundFile(target, "w", SAMPLE_RATE, 1) as file:
        while left:
            for source in sources:
                waveform, sample_rate = soundfile.read(source, dtype="int16", always_2d=True)
                assert sample_rate == SAMPLE_RATE, f"{source}: {sample_rate} Hz"
                file.write(waveform[:left, :1])
                left -= min(left, len(waveform))


def run(*arguments: str | Path) -> Figures:
    """Return the peak of resident memory and the seconds of a command."""
    start = time.perf_counter()
    process = subprocess.Popen([sys.executable, "-m", "vqcodec.cli", *map(str, arguments)])
    _, status, usage = os.wait4(process.pid, 0)
    seconds = time.perf_counter() - start
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SystemExit(f"vqcodec {arguments[0]}: exit code {process.returncode}")
    return {
        "peak_bytes": usage.ru_maxrss * 1024,
        "seconds": seconds,
        "processor_seconds": usage.ru_utime + usage.ru_stime,
    }


def both_ways(original: Path, restored: str) -> dict[str, Figures]:
    """Return the figures of compressing and of decompressing a file."""
    stream, quality = original.with_suffix(".vqc"), f"{QUALITY:g}"
    return {
        "compress": run("compress", "-q", original, "--quality", quality, "-o", stream),
        "decompress": run("decompress", "-q", stream, "-o", original.with_name(restored)),
    }


def main() -> None:
    """Measure and write the result."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pictures", type=Path, nargs="+", default=sorted(SAMPLES.glob("*.png")))
    parser.add_argument(
        "--voices", type=Path, nargs="+", default=sorted(SAMPLES.glob("voice_*.flac"))
    )
    parser.add_argument("--hours", type=float, nargs="+", default=[1, 2], help="of speech")
    options = parser.parse_args()
    works = {}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        make_picture(options.pictures, folder / "picture.png")
        works[f"picture, {WIDTH} x {HEIGHT}"] = both_ways(folder / "picture.png", "restored.png")
        for hours in options.hours:
            speech = folder / f"{hours:g}.flac"
            make_speech(options.voices, speech, 3600 * hours)
            figures = works[f"speech, {hours:g} h"] = both_ways(speech, f"{hours:g}.wav")
            for way in figures.values():
                way["times_real_time"] = 3600 * hours / way["seconds"]
    write_result("memory", {"quality": QUALITY, "works": works})


if __name__ == "__main__":
    main()
