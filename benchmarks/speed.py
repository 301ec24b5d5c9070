"""Seconds of both ways, without imports and files: a picture, speech, and stereo music.

The picture is a bundled one at 768 x 512 pixels; the sounds are bundled ones, repeated.
"""

from __future__ import annotations

import argparse
import os
import statistics
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from PIL import Image
from result import ROOT, write_result

import vqcodec
from vqcodec.codec.model import Model
from vqcodec.signals.files import Signal
from vqcodec.signals.picture import Picture
from vqcodec.signals.sound import AudioClip
from vqcodec.signals.sound_files import read_clip

SAMPLES = ROOT / "assets" / "samples"
QUALITY = 5.0
REPEATS = 5

Seconds = dict[str, float]


def timed(work: Callable[[], object]) -> float:
    """Return the seconds that a function takes."""
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def ways(model: Model, signal: Signal) -> Seconds:
    """Return the seconds of each way."""
    stream = model.compress(signal, quality=QUALITY)
    return {
        "compress": timed(lambda: model.compress(signal, quality=QUALITY)),
        "decompress": timed(lambda: model.decompress(stream)),
    }


def medians(model: Model, signal: Signal) -> Seconds:
    """Return the median of each way over REPEATS runs, after a warm-up run."""
    runs = [ways(model, signal) for _ in range(REPEATS + 1)][1:]
    return {way: statistics.median(run[way] for run in runs) for way in runs[0]}


def kodak_size(path: Path) -> Picture:
    """Return a picture, enlarged or reduced to 768 x 512 pixels."""
    with Image.open(path) as file:
        return Picture(np.asarray(file.convert("RGB").resize((768, 512))))


def repeated(path: Path, duration_s: float) -> AudioClip:
    """Return a sound, repeated or cut to a duration."""
    clip = read_clip(path)
    count = round(duration_s * clip.sample_rate)
    waveform = np.tile(clip.waveform, -(-count // clip.num_samples))[:, :count]
    return AudioClip(np.ascontiguousarray(waveform), clip.sample_rate)


def main() -> None:
    """Measure and write the result."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--threads", type=int, help="default: as many as there are cores")
    parser.add_argument("--picture", type=Path, default=SAMPLES / "tulips.png")
    parser.add_argument("--voice", type=Path, default=SAMPLES / "voice_man.flac")
    parser.add_argument("--music", type=Path, default=SAMPLES / "guitar.flac")
    options = parser.parse_args()
    if options.threads:
        os.environ["OMP_NUM_THREADS"] = str(options.threads)  # read when networks start
    image, speech, audio = (vqcodec.load(name) for name in ("image", "speech", "audio"))
    figures = {
        "n": REPEATS,
        "quality": QUALITY,
        "models": {model.name: model.fingerprint for model in (image, speech, audio)},
        "seconds": {
            "picture, 768 x 512": medians(image, kodak_size(options.picture)),
            "speech, 10 s": medians(speech, repeated(options.voice, 10)),
            "speech, 60 s": medians(speech, repeated(options.voice, 60)),
            "music in stereo, 60 s": medians(audio, repeated(options.music, 60)),
        },
    }
    write_result("speed", figures)


if __name__ == "__main__":
    main()
