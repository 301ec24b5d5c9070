"""Compress and restore the bundled samples with the command line, and print the results."""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from PIL import Image
from result import ROOT, write_result

from vqcodec.bitstream.stream import parse_stream
from vqcodec.codec.zoo import find_model
from vqcodec.evaluation.run import compare
from vqcodec.rate import bits_per_pixel, bits_per_second
from vqcodec.signals.files import read_signal
from vqcodec.signals.picture import Picture

SAMPLES = ROOT / "assets" / "samples"
PICTURE = ROOT / "docs" / "images" / "comparison.webp"
GAP = 8  # pixels between pictures
QUALITY = {
    "psnr_db": "PSNR {:.2f} dB",
    "ms_ssim": "MS-SSIM {:.4f}",
    "pesq_wb": "PESQ-WB {:.2f}",
    "stoi": "STOI {:.3f}",
    "visqol_audio": "ViSQOL audio {:.2f}",
}


def vqcodec(*arguments: str | Path) -> None:
    """Run the command, and print it as a user would type it."""
    words = [os.path.relpath(word) if isinstance(word, Path) else word for word in arguments]
    print("$ vqcodec", *words, flush=True)
    subprocess.run([sys.executable, "-m", "vqcodec.cli", *words], check=True)


def fingerprint_of(stream: Path) -> str:
    """Return the fingerprint of the model of a stream."""
    return parse_stream(stream.read_bytes()).header.fingerprint.hex()


def row(original: Path, stream: Path, restored: Path) -> list[str]:
    """Return a sample's name, bytes before and after, rate, and quality."""
    signal, decoded = read_signal(original), read_signal(restored)
    size_bytes = stream.stat().st_size
    if isinstance(signal, Picture):
        rate = f"{bits_per_pixel(size_bytes, signal.width, signal.height):.3f} bit/pixel"
    else:
        rate = f"{bits_per_second(size_bytes, signal.duration_s):.0f} bit/s"
    metrics = compare(signal, decoded)  # metrics of sounds only if they are installed
    scores = [text.format(value) for name, text in QUALITY.items() if (value := metrics.get(name))]
    return [original.name, str(original.stat().st_size), str(size_bytes), rate, ", ".join(scores)]


def print_table(rows: Sequence[Sequence[str]]) -> None:
    """Print rows with aligned columns."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for cells in rows:
        padded = [cell.ljust(width) for cell, width in zip(cells, widths, strict=True)]
        print("  ".join(padded).rstrip())


def side_by_side(pairs: Sequence[tuple[Path, Path]]) -> Image.Image:
    """Return one picture: originals on the left, reconstructions on the right."""
    rows = [[Image.open(path).convert("RGB") for path in pair] for pair in pairs]
    width = sum(picture.width for picture in rows[0]) + GAP
    height = sum(original.height for original, _ in rows) + GAP * (len(rows) - 1)
    sheet = Image.new("RGB", (width, height), "white")
    top = 0
    for original, restored in rows:
        sheet.paste(original, (0, top))
        sheet.paste(restored, (original.width + GAP, top))
        top += original.height + GAP
    return sheet


def main() -> None:
    """Run the demonstration."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path, nargs="?", default=Path("demo"))
    parser.add_argument(
        "--record", action="store_true", help="put picture and figures where the README has them"
    )
    options = parser.parse_args()
    folder: Path = options.folder
    folder.mkdir(exist_ok=True)
    originals = sorted(p for p in SAMPLES.iterdir() if p.suffix in (".png", ".flac"))
    streams = [folder / f"{path.stem}.vqc" for path in originals]
    pictures = [path for path in originals if path.suffix == ".png"]
    voices = [path for path in originals if path.name.startswith("voice")]
    music = [path for path in originals if path not in (*pictures, *voices)]
    vqcodec("compress", *pictures, "-o", folder, "-f", "-q")
    vqcodec("compress", *voices, "--bitrate", "3k", "-o", folder, "-f", "-q")
    vqcodec("compress", *music, "--bitrate", "16k", "-o", folder, "-f", "-q")
    vqcodec("decompress", *streams, "-o", folder, "-f", "-q")
    restored = [
        stream.with_suffix(".decoded.png" if path.suffix == ".png" else ".decoded.wav")
        for path, stream in zip(originals, streams, strict=True)
    ]
    files = list(zip(originals, streams, restored, strict=True))
    header = ["sample", "bytes", "as .vqc", "rate", "quality"]
    rows = [row(*paths) for paths in files]
    print_table([header, *rows])
    picture = PICTURE if options.record else folder / "comparison.png"
    side_by_side([(a, b) for a, _, b in files if a.suffix == ".png"]).save(picture, quality=75)
    print(f"{os.path.relpath(picture)}: originals on the left, restored on the right")
    if options.record:
        used = [find_model(fingerprint_of(stream)) for stream in streams]
        models = {model.name: model.fingerprint for model in used}
        write_result("demo", {"models": models, "header": header, "rows": rows})


if __name__ == "__main__":
    main()
