"""What `train adapt` gains on a folder of one kind, against its model and against AVIF or Opus.

    python benchmarks/adapting.py maps MAPS --model image --minutes 10

The minutes are those of the processor, so that other work on the machine does not count. Scores
that the fitting does not minimise (PESQ, STOI, MS-SSIM) are measured, too.
"""

from __future__ import annotations

import argparse
import json
import math
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from statistics import fmean
from typing import Any

import torch
from result import RESULTS, write_result

from vqcodec.codec.model import Model
from vqcodec.codec.parts import Parts
from vqcodec.errors import MissingCodecError
from vqcodec.evaluation.baselines import load_baseline
from vqcodec.evaluation.run import compare
from vqcodec.signals.files import read_signal
from vqcodec.training.adapt.command import Adapted, Part, adapt_model
from vqcodec.training.adapt.judging import Judged, gap_percent, judge, middle_of
from vqcodec.training.adapt.model import model_of, write_fitted

RIVALS = {"image": "avif", "audio": "opus"}
SCORES = {"image": ("psnr_db", "ms_ssim"), "audio": ("pesq_wb", "stoi")}
NAME = "adapting"


def main() -> None:
    """Fit, measure, and add the figures to the results."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("domain")
    parser.add_argument("data", type=Path)
    parser.add_argument("--model", required=True)
    parser.add_argument("--part", default="both", choices=("both", "prior", "decoder", "all"))
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument("--save", type=Path, help="where to write the model")
    parser.add_argument("--text", default="", help="what the files are")
    wanted = parser.parse_args()
    torch.set_num_threads(1)
    part: Part = wanted.part
    adapted = adapt_model(
        data=[wanted.data],
        model=wanted.model,
        part=part,
        minutes=wanted.minutes,
        clock=time.process_time,
        report=lambda *values: print(*values, file=sys.stderr, flush=True),
    )
    if wanted.save is not None:
        write_fitted(wanted.save, adapted.file, name=wanted.domain, card=adapted.card())
    path = RESULTS / f"{NAME}.json"
    domains = json.loads(path.read_text())["domains"] if path.exists() else {}
    domains[f"{wanted.domain} {part}"] = {"files": wanted.text, **_figures(adapted, part)}
    write_result(NAME, {"domains": domains})


def _figures(adapted: Adapted, part: Part) -> dict[str, Any]:
    models = [model_of(adapted.base), model_of(adapted.file)]
    return {
        "part": part,
        "model": f"{adapted.base.name} {adapted.base.fingerprint}",
        "cpu_minutes": round(adapted.seconds / 60, 2),
        "steps": {name: fitted.steps for name, fitted in adapted.fits.items()},
        "held_out_change_percent": {
            name: round(100 * (fitted.after / fitted.before - 1), 2)
            for name, fitted in adapted.fits.items()
        },
        "num_training_files": len(adapted.domain.train),
        "num_judged_files": len(adapted.domain.judged),
        "change_percent": round(adapted.gap_percent, 2),
        "prior_change_percent": _same_quality_change(adapted),
        "change_to_rival_percent": _rival_change(adapted, models[1].parts),
        "points": [
            {"model": name, **point}
            for name, model, records in (
                ("before", models[0], adapted.before),
                ("after", models[1], adapted.after),
            )
            for point in _points(model, records, adapted.domain.judged)
        ],
    }


def _same_quality_change(adapted: Adapted) -> float:
    """Return the change of all bytes at equal settings, in per cent: what the prior alone saves."""
    before, after = (sum(r.size_bytes for r in own) for own in (adapted.before, adapted.after))
    return round(100 * (after / before - 1), 2)


def _rival_change(adapted: Adapted, parts: Parts) -> dict[str, Any]:
    name = RIVALS[parts.modality.name]
    try:
        rival = load_baseline(name)
    except MissingCodecError:
        return {"rival": name, "change_percent": None}
    files = adapted.domain.judged
    found = list(judge(rival, files, rival.qualities, parts.modality, adapted.distortion))
    gap = gap_percent(found, adapted.after)
    smallest = sum(r.size_bytes for r in found if r.quality == min(rival.qualities))
    return {
        "rival": name,
        "change_percent": round(gap, 2) if math.isfinite(gap) else None,
        "smallest_bytes": smallest,
    }


def _points(model: Model, records: Sequence[Judged], files: Sequence[Path]) -> list[dict[str, Any]]:
    """Return total bytes, mean quality and other scores by quality."""
    points = []
    for quality in sorted({record.quality for record in records}):
        own = [record for record in records if record.quality == quality]
        scores: dict[str, list[float]] = {name: [] for name in SCORES[model.modality]}
        for path in files:
            signal = middle_of(read_signal(path))
            found = compare(signal, model.decompress(model.compress(signal, quality=quality)))
            for name, values in scores.items():
                if (value := found.get(name)) is not None:
                    values.append(value)
        points.append({
            "quality": quality,
            "size_bytes": sum(record.size_bytes for record in own),
            "quality_db": round(fmean(record.quality_db for record in own), 4),
            **{name: round(fmean(values), 4) for name, values in scores.items() if values},
        })  # fmt: skip
    return points


if __name__ == "__main__":
    main()
