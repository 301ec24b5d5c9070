"""The tables of `train adapt` and of the language model over tokens."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from table_text import Result, Results, markdown, number, origin, percentage

RIVALS = {"avif": "AVIF", "opus": "Opus"}
SCORES = {"psnr_db": "PSNR, dB", "ms_ssim": "MS-SSIM", "pesq_wb": "PESQ-WB", "stoi": "STOI"}


def score_gaps(points: Sequence[Result]) -> dict[str, float]:
    """Return the mean difference of bytes in per cent at equal score, by score."""
    gaps = {}
    for score in SCORES:
        curves = []
        for which in ("before", "after"):
            own = [p for p in points if p["model"] == which and score in p]
            curves.append(sorted((p[score], math.log(p["size_bytes"])) for p in own))
        if not all(curves):
            continue
        low, high = (f(g(curve)[0] for curve in curves) for f, g in ((max, min), (min, max)))
        levels = np.linspace(low, high, 101)
        old, new = (
            float(np.interp(levels, [x for x, _ in curve], [y for _, y in curve]).mean())
            for curve in curves
        )
        gaps[score] = 100 * math.expm1(new - old)
    return gaps


def adapted_table(results: Results) -> str:
    """Return what fitted models gain at equal quality, by domain."""
    if "adapting" not in results:
        return ""
    result = results["adapting"]
    rows = []
    for name, own in result["domains"].items():
        rival = own["change_to_rival_percent"]
        parts = ", ".join(
            f"{part} ({steps} steps)" if steps else part for part, steps in own["steps"].items()
        )
        rows.append([
            f"{name.rsplit(' ', 1)[0]}: {own['files']}",
            own["model"],
            f"{own['num_training_files']}, {own['num_judged_files']}",
            parts,
            number(own["cpu_minutes"]),
            percentage(own["prior_change_percent"]),
            percentage(own["change_percent"]),
            ", ".join(
                f"{SCORES[score].split(',')[0]} {gap:.1f} %"
                for score, gap in score_gaps(own["points"]).items()
            ),
            f"{RIVALS[rival['rival']]} {percentage(rival['change_percent'])}",
        ])  # fmt: skip
    header = [
        "files",
        "from",
        "trained on, judged",
        "fitted",
        "minutes",
        "at equal settings",
        "at equal quality",
        "at equal",
        "against",
    ]
    return markdown(header, rows) + origin(result)


def adapted_points_table(results: Results) -> str:
    """Return bytes and scores of the files that are judged, before and after."""
    if "adapting" not in results:
        return ""
    rows = []
    for name, own in results["adapting"]["domains"].items():
        before, after = (
            [point for point in own["points"] if point["model"] == which]
            for which in ("before", "after")
        )
        for old, new in zip(before, after, strict=True):
            rows.append([
                name.rsplit(" ", 1)[0],
                number(old["quality"]),
                f"{old['size_bytes']}, {new['size_bytes']}",
                "; ".join(
                    f"{label} {number(old[score])}, {number(new[score])}"
                    for score, label in SCORES.items()
                    if score in old
                ),
            ])  # fmt: skip
    header = ["files", "quality", "bytes before, after", "scores before, after"]
    return markdown(header, rows)


def language_model_table(results: Results) -> str:
    """Return how well a small language model predicts the tokens of a voice."""
    if "token_language_model" not in results:
        return ""
    result: Result = results["token_language_model"]
    rate, model = result["frames_per_second"], result["model"]
    tokens = f"{model['name']} {model['fingerprint']}, quality {number(result['quality'])}"
    rows = [
        ["tokens", tokens],
        ["parameters", str(result["parameters"])],
        ["trained", f"{number(result['minutes'])} minutes of one core, {result['steps']} steps"],
        ["windows, held out", f"{result['num_windows']}, {result['num_held_out']}"],
        [
            "held-out bits a frame, by the frequencies of indices alone",
            number(result["bits_per_frame_by_frequency"]),
        ],
        ["held-out bits a frame, by the model", number(result["bits_per_frame"])],
        ["held-out bits a second, by the model", number(rate * result["bits_per_frame"])],
    ]
    return markdown(["", ""], rows) + origin(result)
