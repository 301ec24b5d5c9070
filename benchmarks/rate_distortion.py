"""Rates and quality of a model and of other codecs, on a folder of files.

It runs `vqcodec eval` as a user would, and records the time.

A new model changes nothing about the other codecs. With --peers-of, their figures are those of an
earlier result on the same files, and only the model is measured.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from result import RESULTS, write_result

import vqcodec
from vqcodec.codec.zoo import default_model_name
from vqcodec.evaluation.curves import bytes_at_equal_quality, gap_or_none, known_curves
from vqcodec.evaluation.record import Record, mean_records
from vqcodec.evaluation.table import parse_json_lines

QUALITIES = "1,2,3,4,5,6,7,8,9,10"
METRICS = {
    "pictures": ("psnr_db", "ms_ssim_db"),
    "voices": ("pesq_wb", "stoi"),
    "sounds": ("visqol_audio",),
}
SAVED_METRIC = "psnr_db"
LOWEST_DB, HIGHEST_DB = 24.0, 30.0  # where bytes are compared


def gap(records: Sequence[Record], model: str, peer: str, metric: str) -> dict[str, Any]:
    """Return how many bytes the model saves against a peer at equal quality.

    `bytes_saved` is the mean share over `range_db`: the part of LOWEST_DB … HIGHEST_DB that both
    curves cover. `bd_rate_percent` is over the whole range that they share. They are None if the
    curves share no range or one has a single point.
    """
    found: dict[str, Any] = {"against": peer, "metric": metric, "bd_rate_percent": None}
    curves = known_curves(records, [model, peer], metric)
    if len(curves) < 2:
        return found
    own, other = curves[model], curves[peer]
    found["bd_rate_percent"] = gap_or_none(other, own)
    if metric == SAVED_METRIC:
        low = max(LOWEST_DB, own.qualities[0], other.qualities[0])
        high = min(HIGHEST_DB, own.qualities[-1], other.qualities[-1])
        if low < high:
            found["range_db"] = [float(low), float(high)]
            found["bytes_saved"] = bytes_at_equal_quality(other, own, low, high)
    return found


def measured(arguments: Sequence[str]) -> tuple[list[Record], float]:
    """Return the records of a run of `vqcodec`, and the seconds that it took, imports and all."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "records.jsonl")
        command = [sys.executable, "-m", "vqcodec.cli", *arguments, "-o", str(path)]
        start_s = time.perf_counter()
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
        seconds = time.perf_counter() - start_s
        return parse_json_lines(path.read_text(encoding="utf-8")), seconds


def measured_before(name: str, peers: Sequence[str], num_files: int) -> tuple[list[Record], str]:
    """Return the mean records of other codecs in an earlier result, and the commit of it."""
    result = json.loads((RESULTS / f"{name}.json").read_text(encoding="utf-8"))
    if result["n"] != num_files:
        raise SystemExit(f"{name} is of {result['n']} files, not of {num_files}")
    means = [Record(**mean) for mean in result["means"] if mean["codec"] in peers]
    missing = set(peers) - {mean.codec for mean in means}
    if missing:
        raise SystemExit(f"{name} has no figures of {', '.join(sorted(missing))}")
    return means, result.get("peers_of", result["commit"])


def main() -> None:
    """Measure and write the result."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("kind", choices=METRICS)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--against", default="", help="baselines, as jpeg,webp,avif")
    parser.add_argument("--quality", default=QUALITIES, help="the model's, as 1,3.5,8")
    parser.add_argument("--model", help="name or file; default: the usual one")
    parser.add_argument("--jobs", type=int, help="processes at once; default: one a core")
    parser.add_argument("--peers-of", help="a result with the figures of --against; see above")
    parser.add_argument("--report", type=Path, help="page to write, too, as .html")
    parser.add_argument("--name", help="of the result; default: pictures or voices")
    options = parser.parse_args()

    modality = "image" if options.kind == "pictures" else "audio"
    model = vqcodec.load(options.model or default_model_name(modality))
    command = ["eval", str(options.folder), "--quality", options.quality, "--quiet"]
    command += ["--model", options.model] if options.model else []
    command += ["--jobs", str(options.jobs)] if options.jobs else []
    measure_peers = options.against and not options.peers_of
    command += ["--against", options.against] if measure_peers else []
    command += ["--report", str(options.report), "--force"] if options.report else []
    records, seconds = measured(command)
    peers = [name for name in options.against.split(",") if name]
    num_files = len({record.file for record in records})
    means, source = mean_records(records), {}
    if options.peers_of:
        others, commit = measured_before(options.peers_of, peers, num_files)
        means, source = [*means, *others], {"peers_of": commit}
    gaps = [
        gap(means, model.name, peer, metric) for peer in peers for metric in METRICS[options.kind]
    ]
    figures = {
        "model": {"name": model.name, "fingerprint": model.fingerprint},
        "n": num_files,
        **source,
        "minutes": seconds / 60,
        "means": [asdict(mean) for mean in means],
        "gaps": gaps,
    }
    write_result(options.name or options.kind, figures)


if __name__ == "__main__":
    main()
