"""Rates and quality of a model beside those of other codecs, on a folder of files."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from result import write_result

import vqcodec
from vqcodec.codec.zoo import default_model_name
from vqcodec.data.manifest import find_files
from vqcodec.errors import UsageError
from vqcodec.evaluation.baselines import load_baseline
from vqcodec.evaluation.curves import bjontegaard_rate, bytes_at_equal_quality, curve_of_records
from vqcodec.evaluation.record import Record, mean_records
from vqcodec.evaluation.run import evaluate
from vqcodec.modalities.audio import media as audio
from vqcodec.modalities.image import media as image

QUALITIES = "1,2,3,4,5,6,7,8,9,10"
METRICS = {"pictures": ("psnr_db", "ms_ssim_db"), "voices": ("pesq_wb", "stoi")}
SAVED_METRIC = "psnr_db"
LOWEST_DB, HIGHEST_DB = 24.0, 30.0  # where bytes are compared


def gap(records: Sequence[Record], model: str, peer: str, metric: str) -> dict[str, Any]:
    """Return how many bytes the model saves against a peer at equal quality.

    `bytes_saved` is the mean share over as much of LOWEST_DB … HIGHEST_DB as both curves cover, and
    `range_db` says how much that is; `bd_rate_percent` is over all that they share. None stands for
    curves that share nothing, or of a single point.
    """
    found: dict[str, Any] = {"against": peer, "metric": metric, "bd_rate_percent": None}
    try:
        own, other = (curve_of_records(records, codec, metric) for codec in (model, peer))
        found["bd_rate_percent"] = bjontegaard_rate(other, own)
    except UsageError:
        return found
    if metric == SAVED_METRIC:
        low = max(LOWEST_DB, own.qualities[0], other.qualities[0])
        high = min(HIGHEST_DB, own.qualities[-1], other.qualities[-1])
        if low < high:
            found["range_db"] = [float(low), float(high)]
            found["bytes_saved"] = bytes_at_equal_quality(other, own, low, high)
    return found


def main() -> None:
    """Measure and write the result."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("kind", choices=METRICS)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--against", default="", help="baselines, as jpeg,webp,avif")
    parser.add_argument("--quality", default=QUALITIES, help="the model's, as 1,3.5,8")
    parser.add_argument("--model", help="name or file; default: the usual one")
    parser.add_argument("--jobs", type=int, default=1, help="files at once; times then say little")
    parser.add_argument("--name", help="of the result; default: pictures or voices")
    options = parser.parse_args()

    modality, media = ("image", image) if options.kind == "pictures" else ("audio", audio)
    model = vqcodec.load(options.model or default_model_name(modality))  # type: ignore[arg-type]
    peers = [load_baseline(name) for name in options.against.split(",") if name]
    files = find_files([options.folder], media.SUFFIXES)
    qualities = [float(quality) for quality in options.quality.split(",")]
    records = evaluate(files, [model], qualities, jobs=options.jobs)
    for peer in peers:
        records += evaluate(files, [peer], peer.qualities, jobs=options.jobs)
    gaps = [
        gap(records, model.name, peer.name, metric)
        for peer in peers
        for metric in METRICS[options.kind]
    ]
    figures = {
        "model": {"name": model.name, "fingerprint": model.fingerprint},
        "n": len(files),
        "means": [asdict(mean) for mean in mean_records(records)],
        "gaps": gaps,
    }
    write_result(options.name or options.kind, figures)


if __name__ == "__main__":
    main()
