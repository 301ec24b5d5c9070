"""The gain of each idea: a codec is extended step by step, and each step codes every file.

The recipes of the runs differ in one setting, and the numbers of training steps are equal. The
first steps have residual codebooks trained on distortion alone: with indices at fixed width, with
frequencies, with a prior. Then networks, codebooks and prior are trained jointly. Then a lattice
replaces the codebooks. Last, for pictures: indices are chosen by rate and distortion, and indices
that the prior is certain of are left out, with their groups.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from result import write_result

import vqcodec
from vqcodec.codec.model import Model
from vqcodec.evaluation.curves import Curve, build_curve, gap_or_none
from vqcodec.evaluation.metrics.speech import pesq_wb
from vqcodec.files import find_files
from vqcodec.priors.grid import GridPrior
from vqcodec.priors.learnt import LearntPrior
from vqcodec.priors.logistic_coding import LogisticCoding
from vqcodec.rate import bits_per_pixel, bits_per_second
from vqcodec.signals.files import Signal, read_signal
from vqcodec.signals.picture import Picture, psnr
from vqcodec.signals.sound import AudioClip
from vqcodec.signals.suffixes import PICTURE_FORMATS, SOUND_FORMATS
from vqcodec.training.export import save_model
from vqcodec.training.frozen_prior import freeze_prior
from vqcodec.training.trained_run import TrainedRun, load_run

METRICS = {"pictures": "psnr_db", "voices": "pesq_wb"}
QUALITIES = "1,3,5,7,10"


def steps_of(distortion: Path, joint: Path, lattice: Path) -> Iterator[tuple[str, Model]]:
    """Yield the name and the model of each step, from three runs."""
    run = load_run(distortion)
    yield "fixed width", model_of(run, "uniform")
    yield "histogram", model_of(run, "histogram")
    yield "prior", model_of(run)
    yield "joint training", model_of(load_run(joint))
    run = load_run(lattice)
    yield "lattice for codebooks", with_nearest(model_of(run))
    if run.recipe.prior["kind"] == GridPrior.kind:  # sounds take the nearest index
        yield "choice by bits", model_of(run)
        yield "certain indices left out", model_of(run, skip_certain=True)


def model_of(run: TrainedRun, kind: str | None = None, **settings: Any) -> Model:
    """Return the model of a run, with its own prior, or with a static prior of this kind.

    `settings` are changes of the prior's table.
    """
    table = {"kind": kind} if kind else {**run.recipe.prior, **settings}
    prior = freeze_prior(run, kind)
    tables = {**run.recipe.model_tables(), "prior": table}
    with TemporaryDirectory() as folder:
        path = Path(folder) / f"{kind}.safetensors"
        save_model(
            path,
            name=run.recipe.modality,
            tables=tables,
            autoencoder=run.autoencoder,
            prior=prior,
            card={},
        )
        return vqcodec.load(str(path))


def with_nearest(model: Model) -> Model:
    """Return a model that chooses the nearest indices, whatever their bits."""
    assert isinstance(model.prior, LearntPrior)
    assert isinstance(model.prior.coding, LogisticCoding)
    model.prior.coding.bit_weight = 0.0
    return model


def curve_of(name: str, model: Model, files: Sequence[Path], qualities: Sequence[float]) -> Curve:
    """Return the curve of mean rates of whole streams and mean values of the metric."""
    points = []
    for quality in qualities:
        measured = []
        for path in files:
            signal = read_signal(path)
            stream = model.compress(signal, quality=quality)
            measured.append((_rate(stream, signal), value_of(signal, model.decompress(stream))))
        rate, value = np.mean(measured, axis=0).tolist()
        points.append((rate, value))
        print(f"{name}, quality {quality:g}: {rate:.4g}, {value:.4g}", flush=True)
    return build_curve(name, points)


def value_of(signal: Signal, decoded: Signal) -> float:
    """Return the metric of the curves."""
    if isinstance(signal, Picture):
        assert isinstance(decoded, Picture)
        return psnr(signal, decoded)
    assert isinstance(decoded, AudioClip)
    value = pesq_wb(signal.waveform[0], decoded.waveform[0])
    assert value is not None
    return value


def _rate(stream: bytes, signal: Signal) -> float:
    if isinstance(signal, Picture):
        return bits_per_pixel(len(stream), signal.width, signal.height)
    return bits_per_second(len(stream), signal.duration_s)


def gaps(curves: Sequence[Curve]) -> list[dict[str, Any]]:
    """Return the BD-rate of each curve to the first and to the one before; None without overlap."""
    rows = []
    for number, curve in enumerate(curves):
        rows.append({
            "step": curve.name,
            "rates": curve.rates.tolist(),
            "values": curve.qualities.tolist(),
            "to_first": gap_or_none(curves[0], curve),
            "to_previous": gap_or_none(curves[max(0, number - 1)], curve),
        })  # fmt: skip
    return rows


def main() -> None:
    """Measure and write the result as ablation_pictures or ablation_voices."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("kind", choices=METRICS)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--distortion", type=Path, required=True, help="run of 'train vqvae'")
    parser.add_argument("--joint", type=Path, required=True, help="run of 'train joint'")
    parser.add_argument("--lattice", type=Path, required=True, help="the same with a lattice")
    parser.add_argument("--quality", default=QUALITIES)
    options = parser.parse_args()
    formats = PICTURE_FORMATS if options.kind == "pictures" else SOUND_FORMATS
    files = find_files([options.folder], formats)
    qualities = [float(quality) for quality in options.quality.split(",")]
    curves = [
        curve_of(name, model, files, qualities)
        for name, model in steps_of(options.distortion, options.joint, options.lattice)
    ]
    figures = {
        "n": len(files),
        "metric": METRICS[options.kind],
        "training_steps": load_run(options.lattice).step,
        "steps": gaps(curves),
    }
    write_result(f"ablation_{options.kind}", figures)


if __name__ == "__main__":
    main()
