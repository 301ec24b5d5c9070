"""Pictures a second with --jobs and with --ray, and what remains when processes are killed.

The pictures are random crops of the samples. Commands with one and with all workers, on processes
and on Ray, take turns. The time of a whole command counts, with the start of the cluster, and the
rate between its first result and its last. Then workers are killed by SIGKILL, one after the other.
Last, the driver is killed after half of the pictures, and the command is run again.
"""

from __future__ import annotations

import argparse
import os
import random
import signal
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from PIL import Image
from result import ROOT, write_result

SAMPLES = ROOT / "assets" / "samples"
PICTURES = (".png", ".jpg", ".webp")


@dataclass(frozen=True, slots=True)
class Run:
    """One command on all pictures.

    Attributes:
        seconds: from its start to its end.
        first_s: from its start to its first result.
        per_second: results a second, between the first and the last.
    """

    seconds: float
    first_s: float
    per_second: float


def make_pictures(folder: Path, count: int, size: int) -> None:
    """Write random crops of the samples as PNG."""
    generator = np.random.default_rng(1)
    sources = []
    for path in sorted(SAMPLES.iterdir()):
        if path.suffix in PICTURES:
            with Image.open(path) as image:
                sources.append(image.convert("RGB"))
    folder.mkdir()
    for index in range(count):
        source = sources[index % len(sources)]
        width, height = min(size, source.width), min(size, source.height)
        left = int(generator.integers(source.width - width + 1))
        top = int(generator.integers(source.height - height + 1))
        crop = source.crop((left, top, left + width, top + height))
        crop.save(folder / f"{index:05}.png", compress_level=1)


def start(folder: Path, *options: str) -> subprocess.Popen[str]:
    """Start a command that compresses the pictures; its stderr has a line for each."""
    command = [sys.executable, "-m", "vqcodec", "compress", "in", *options]
    return subprocess.Popen(command, cwd=folder, stderr=subprocess.PIPE, text=True)


def run(folder: Path, name: str, *options: str) -> Run:
    """Return the times of a command that compresses the pictures.

    Raises:
        SystemExit: it failed.
    """
    begin = time.perf_counter()
    process = start(folder, "-o", name, *options)
    assert process.stderr is not None
    lines, times = [], []
    for line in process.stderr:
        lines.append(line)
        if " -> " in line:
            times.append(time.perf_counter() - begin)
    if process.wait():
        raise SystemExit("".join(lines[-5:]))
    rate = (len(times) - 1) / (times[-1] - times[0])
    found = Run(time.perf_counter() - begin, times[0], rate)
    print(f"{name}: {found}", flush=True)
    return found


def workers_of(driver: int) -> list[int]:
    """Return the processes of the workers of a driver's local cluster."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            name = (folder / "cmdline").read_bytes()
            parent = (folder / "stat").read_text().rpartition(")")[2].split()[1]
            above = Path(f"/proc/{parent}/stat").read_text().rpartition(")")[2].split()[1]
        except OSError:  # it has ended
            continue
        if name.startswith(b"ray::Actor") and above == str(driver):
            found.append(int(folder.name))
    return found


def kill_workers(folder: Path, workers: int, every_s: float, for_s: float) -> dict[str, object]:
    """Return what is left of a run whose workers are killed."""
    process = start(folder, "-o", "killed", "--ray", "--jobs", str(workers))
    assert process.stderr is not None
    killed: list[int] = []
    stop, chooser = threading.Event(), random.Random(1)

    def kill() -> None:
        end = time.perf_counter() + for_s
        while time.perf_counter() < end and not stop.wait(every_s):
            if pids := workers_of(process.pid):
                killed.append(chooser.choice(pids))
                os.kill(killed[-1], signal.SIGKILL)

    thread = None
    for line in process.stderr:
        if " -> " in line and thread is None:
            thread = threading.Thread(target=kill)
            thread.start()
    exit_code = process.wait()
    stop.set()
    if thread is not None:
        thread.join()
    return {"exit_code": exit_code, "workers_killed": len(killed), **compare(folder, "killed")}


def kill_driver(folder: Path, workers: int, count: int) -> dict[str, object]:
    """Return what two runs do, the first of which is killed after half of the pictures."""
    options = ("-o", "stopped", "--ray", "--jobs", str(workers), "--manifest", "manifest.jsonl")
    process = start(folder, *options)
    assert process.stderr is not None
    for number, _ in enumerate(process.stderr):
        if number >= count // 2:
            process.kill()
            break
    process.stderr.close()
    process.wait()
    manifest = folder / "manifest.jsonl"
    num_first = manifest.read_bytes().count(b"\n")
    again = start(folder, *options)
    assert again.stderr is not None
    num_again = sum(" -> " in line for line in again.stderr)
    exit_code = again.wait()
    counts = {"records_of_first_run": num_first, "done_by_second_run": num_again}
    return {"exit_code": exit_code, **counts, **compare(folder, "stopped")}


def compare(folder: Path, name: str) -> dict[str, object]:
    """Return how many streams of a run there are, and how many equal those of --jobs."""
    expected = {path.name: path for path in (folder / "jobs").glob("*.vqc")}
    found = [path for path in (folder / name).iterdir() if not path.name.startswith(".")]
    num_equal = sum(path.read_bytes() == expected[path.name].read_bytes() for path in found)
    return {"expected": len(expected), "found": len(found), "identical": num_equal}


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure, and write benchmarks/results/NAME.json."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pictures", type=int, default=2000)
    parser.add_argument("--size", type=int, default=128, help="pixels each way")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--kill-every", type=float, default=10, help="seconds")
    parser.add_argument("--kill-for", type=float, default=60, help="seconds")
    parser.add_argument("--name", default="cluster")
    options = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        make_pictures(folder / "in", options.pictures, options.size)
        runs: dict[str, list[Run]] = {}
        for _ in range(options.repeats):
            for workers in (1, options.workers):
                number = ("--jobs", str(workers), "-f")
                os.environ["OMP_NUM_THREADS"] = str(workers)  # one thread each
                runs.setdefault(f"--jobs {workers}", []).append(run(folder, "jobs", *number))
                ray = run(folder, "ray", "--ray", *number)
                runs.setdefault(f"--ray --jobs {workers}", []).append(ray)
        figures = {
            "pictures": options.pictures,
            "pixels": options.size**2,
            "input_bytes": sum(path.stat().st_size for path in (folder / "in").iterdir()),
            "runs": {key: list(map(asdict, found)) for key, found in runs.items()},
            "median_seconds": {
                key: statistics.median(run.seconds for run in found) for key, found in runs.items()
            },
            "median_per_second": {
                key: statistics.median(run.per_second for run in found)
                for key, found in runs.items()
            },
            "ray": compare(folder, "ray"),
            "workers_killed": kill_workers(
                folder, options.workers, options.kill_every, options.kill_for
            ),
            "driver_killed": kill_driver(folder, options.workers, options.pictures),
        }
    write_result(options.name, figures)


if __name__ == "__main__":
    main()
