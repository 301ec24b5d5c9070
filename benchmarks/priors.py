"""Bits per index of the priors of a run, on the files that its training held out."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import torch
from result import write_result

from vqcodec.networks.quantizers.usage import usage_of
from vqcodec.training.data import NUM_HELD_OUT
from vqcodec.training.inputs import evenly_chosen
from vqcodec.training.modality import training_side
from vqcodec.training.prior_comparison import judge_priors
from vqcodec.training.trained_run import load_run

SAMPLE_BITS = {"image": 8, "audio": 16}  # of an uncompressed value


def main() -> None:
    """Measure and write the result as prior_RUN.

    `saved` is the share of fixed-width bytes that the integer prior saves, and `integer_excess`
    the bits of integers relative to floats. A model of one codebook has one rate; its `ratio` is
    how many times smaller than 8-bit values (16-bit for sounds) the indices are, at fixed width and
    under the integer prior. `usage` and `perplexity` are means over codebooks, at the highest rate.
    """
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("run", type=Path)
    run: Path = parser.parse_args().run
    trained = load_run(run)
    bits = judge_priors(trained)
    modality, quantizer = trained.autoencoder.modality, trained.autoencoder.quantizer
    side = training_side(modality)
    files = evenly_chosen(trained.manifest.valid, NUM_HELD_OUT)
    rate = torch.tensor([quantizer.config.rate_of(10)])
    signals = [side.excerpt(path) for path in files]
    indices = [trained.autoencoder.indices_of(signal, rate).flatten(2) for signal in signals]
    usage = usage_of(torch.cat(indices, dim=2), quantizer.codebook_sizes[0])
    figures: dict[str, Any] = {
        "n": len(files),
        "steps": trained.step,
        "hours": sum(hours_of(run / name) for name in ("log.jsonl", "prior_log.jsonl")),
        "bits_per_index": bits,
        "saved": 1 - bits["integer"] / bits["uniform"],
        "integer_excess": bits["integer"] / bits["float"] - 1 if "float" in bits else None,
        "usage": float(usage.share.mean()),
        "perplexity": float(usage.perplexity.mean()),
    }
    if quantizer.num_codebooks == 1:
        source_bits = signals[0].numel() * SAMPLE_BITS[modality.name] / indices[0].numel()
        figures["ratio"] = {name: source_bits / bits[name] for name in ("uniform", "integer")}
    write_result(f"prior_{run.name}", figures)


def hours_of(log: Path) -> float:
    """Return the hours of training in a log, over all interruptions, summed over processes."""
    if not log.exists():
        return 0.0
    total_s = last_s = 0.0
    for line in log.read_text(encoding="utf-8").splitlines():
        report = json.loads(line)
        elapsed_s = report["elapsed_s"]  # since the training was begun or resumed
        since_s = elapsed_s - last_s if elapsed_s >= last_s else elapsed_s
        total_s += since_s * report.get("processes", 1)
        last_s = elapsed_s
    return total_s / 3600


if __name__ == "__main__":
    main()
