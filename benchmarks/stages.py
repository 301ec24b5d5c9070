"""Seconds of each stage of both ways, by size of the file and by number of cores.

Files are made of the bundled picture and voice, read from disk and written to it. The seconds of a
stage exclude those of nested stages. In decompression, the prior and its range decoder work in a
thread beside the network. The network's wait for them is a stage of its own, and the sum of all
stages may be more than the total.
"""

from __future__ import annotations

import argparse
import io
import os
import tempfile
import threading
import time
from collections import defaultdict
from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import Any

import torch
from PIL import Image
from result import ROOT, write_result
from speed import QUALITY, repeated

import vqcodec
from vqcodec.codec.model import Model
from vqcodec.codec.segments import IndexReader
from vqcodec.entropy.range_coder import SymbolDecoder, SymbolEncoder
from vqcodec.priors.logistic_coding import LogisticCoding
from vqcodec.signals.files import open_signal, write_signal
from vqcodec.signals.sound import ForwardReader
from vqcodec.signals.sound_files import write_clip

SAMPLES = ROOT / "assets" / "samples"
MEGAPIXELS = (0.1, 0.4, 1.5, 6.0, 24.0)
DURATIONS_S = (1, 10, 60, 600, 3600)
ON_ONE_CORE = ("1.5 MP", "60 s")  # also measured with one core
STAGES = ("read", "networks", "search", "prior", "range coder", "wait", "write")

Figures = dict[str, float]


class StageClock:
    """Adds up the seconds of functions by stage; nested ones in the same thread are excluded."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = defaultdict(float)
        self._local = threading.local()

    def in_order(self) -> Figures:
        """Return the seconds of the stages that ran, in the order of STAGES."""
        return {stage: self.seconds[stage] for stage in STAGES if stage in self.seconds}

    def time(self, owner: Any, name: str, stage: str) -> None:
        """Replace a function of an object, a class or a module by one that is timed."""
        setattr(owner, name, self.timed(getattr(owner, name), stage))

    def timed(self, function: Callable[..., Any], stage: str) -> Callable[..., Any]:
        """Return a function whose seconds are added to those of a stage."""

        @wraps(function)
        def run(*args: Any, **kwargs: Any) -> Any:
            outside = getattr(self._local, "inside", 0.0)
            self._local.inside = 0.0  # seconds of nested calls
            start = time.perf_counter()
            try:
                return function(*args, **kwargs)
            finally:
                elapsed = time.perf_counter() - start
                self.seconds[stage] += elapsed - self._local.inside
                self._local.inside = outside + elapsed

        return run


def clock_of(models: list[Model]) -> StageClock:
    """Return a clock of all stages of both ways."""
    clock = StageClock()
    for model in models:
        clock.time(model.parts.networks, "encode", "networks")
        clock.time(model.parts.networks, "decode", "networks")
        clock.time(type(model.prior), "code", "prior")
    for coder in (SymbolEncoder, SymbolDecoder):
        for name in ("code", "code_with_tables", "decode_rows", "finish"):
            if hasattr(coder, name):
                clock.time(coder, name, "range coder")
    clock.time(LogisticCoding, "_choose", "search")
    clock.time(IndexReader, "__call__", "wait")
    clock.time(ForwardReader, "__call__", "read")
    return clock


def both_ways(model: Model, source: Path, target: Path, clock: StageClock) -> dict[str, Figures]:
    """Return the seconds of compress and of decompress, and of their stages."""
    found = {}
    clock.seconds.clear()
    start = time.perf_counter()
    with source.open("rb") as file:
        signal = clock.timed(open_signal, "read")(file, source.name)
        stream = model.compress(signal, quality=QUALITY)
    found["compress"] = {"total": time.perf_counter() - start, **clock.in_order()}
    clock.seconds.clear()
    start = time.perf_counter()
    with target.open("wb") as file:
        clock.timed(write_signal, "write")(model.open(stream), file, target.suffix[1:].upper())
    found["decompress"] = {"total": time.perf_counter() - start, **clock.in_order()}
    return found


def use_cores(number: int) -> None:
    """Run on the first `number` cores, with a thread of the networks on each."""
    os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:number])
    torch.set_num_threads(number)


def make_files(folder: Path, most_megapixels: float, most_s: float) -> dict[str, Path]:
    """Write the files, and return them by name."""
    files = {}
    with Image.open(SAMPLES / "tulips.png") as picture:
        for megapixels in (size for size in MEGAPIXELS if size <= most_megapixels):
            width = round((megapixels * 1e6 * 1.5) ** 0.5)
            path = files[f"{megapixels:g} MP"] = folder / f"{width}.png"
            picture.convert("RGB").resize((width, width * 2 // 3)).save(path, compress_level=1)
    for duration_s in (length for length in DURATIONS_S if length <= most_s):
        path = files[f"{duration_s} s"] = folder / f"{duration_s}.wav"
        file = io.BytesIO()
        write_clip(repeated(SAMPLES / "voice_man.flac", duration_s), file, "WAV")
        path.write_bytes(file.getvalue())
    return files


def main() -> None:
    """Measure and write the result."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--most-megapixels", type=float, default=MEGAPIXELS[-1])
    parser.add_argument("--most-seconds", type=float, default=DURATIONS_S[-1])
    options = parser.parse_args()
    models = {".png": vqcodec.load("image"), ".wav": vqcodec.load("speech")}
    clock = clock_of(list(models.values()))
    num_cores = len(os.sched_getaffinity(0))
    works = []
    with tempfile.TemporaryDirectory() as folder:
        files = make_files(Path(folder), options.most_megapixels, options.most_seconds)
        for cores in dict.fromkeys((num_cores, 1)):  # cores are only ever taken away
            use_cores(cores)
            for name, path in files.items():
                if cores < num_cores and name not in ON_ONE_CORE:
                    continue
                model, target = models[path.suffix], path.with_stem("restored")
                if path.stat().st_size < 20e6:
                    both_ways(model, path, target, clock)  # a first run, which is not counted
                for way, seconds in both_ways(model, path, target, clock).items():
                    works.append({"file": name, "cores": cores, "way": way, "seconds": seconds})
    write_result("stages", {"quality": QUALITY, "stages": ["total", *STAGES], "works": works})


if __name__ == "__main__":
    main()
