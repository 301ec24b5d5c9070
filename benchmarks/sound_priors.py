"""Priors of different kinds on the indices of `audio`, each trained for the same processor time.

A plane of time and frequency is coded in phases of whole frames or in those of square cells, with
weights that all bands share. States are updated by features around them, or by states around them,
too. The plane sees the magnitudes of coefficients alone, or predicts their means from their signs.
Frame by frame, all earlier frames are known, and weights are of single bands. The indices of random
training excerpts at random rates are made once. Held-out files give the bits of an index.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import fitting
import numpy as np
import torch
from result import write_result
from torch import Tensor, nn

from vqcodec.networks.priors import build_prior_network
from vqcodec.networks.priors.base import PriorNetwork
from vqcodec.networks.priors.frames import FrameGroup
from vqcodec.networks.priors.plane import START_LOG2_SCALE, PlanePriorNetwork, unbounded_bits
from vqcodec.training.modality import training_side
from vqcodec.training.trained_run import TrainedRun, load_run

FRAME_GROUPS = (108, 54, 54, *[864] * 4)  # the kinds of a plane's groups; coefficients in quarters
CELLS = {"groups": [2, 1, 1, 32, 32], "frame_period": None, "narrow_updates": False}
PRIORS: dict[str, dict[str, Any]] = {  # what differs from the [prior] table of the run
    "plane": {},
    "plane, states around": {"narrow_updates": False},
    "plane, cells of 4 x 4, states around": CELLS,
    "plane, cells of 4 x 4, states around, signs": {**CELLS, "magnitudes": False},
    "frames, 256 wide": {"kind": "frames", "width": 256, "dilations": [1, 2, 4, 8]},
}
RATES = (40, 100, 160)  # rate bytes of the held-out files
LEARNING_RATE, LIMIT = 2e-3, 2.0
FRAMES = 64  # of an excerpt

Excerpts = list[tuple[Tensor, Tensor]]  # indices [1, K, F] int16, and rate bytes [1]


def table_of(run: TrainedRun, changes: Mapping[str, Any]) -> dict[str, Any]:
    """Return the [prior] table of a design."""
    if changes.get("kind") == "frames":
        return {"head": "logistic", "groups": list(FRAME_GROUPS), **changes}
    return {**run.recipe.prior, **changes}


@torch.no_grad()
def collect(run: TrainedRun, num_excerpts: int) -> tuple[Excerpts, Excerpts]:
    """Return training excerpts at random rates, and held-out ones at RATES."""
    autoencoder = run.autoencoder
    side = training_side(autoencoder.modality)
    dataset = side.dataset(run.manifest.train, {**run.recipe.data, "frames": FRAMES})
    generator = np.random.default_rng(0)
    torch.manual_seed(0)
    training = []
    for _ in range(num_excerpts):
        rate = autoencoder.quantizer.sample_rates(1)
        indices = autoencoder.indices_of(dataset.signals(1, generator), rate)
        training.append((indices.to(torch.int16), rate))
    valid = []
    for path in run.manifest.valid:
        for byte in RATES:
            rate = torch.tensor([byte])
            indices = autoencoder.indices_of(side.excerpt(path), rate)[..., :FRAMES]
            valid.append((indices.to(torch.int16), rate))
    return training, valid


def bits_of(network: PriorNetwork, indices: Tensor, rate: Tensor) -> Tensor:
    """Return the bits of every index; both kinds have a gradient everywhere."""
    position = rate / 255
    if isinstance(network, PlanePriorNetwork):
        return network.bits(indices, position)
    outputs = torch.cat(network(indices, position, None), dim=2)  # [B, F, K, 2]
    coded = (indices - network.codebook_size // 2).transpose(1, 2)
    return unbounded_bits(coded, outputs[..., 0], outputs[..., 1])


def fitted(
    run: TrainedRun, table: Mapping[str, Any], training: Excerpts, seconds: float
) -> tuple[PriorNetwork, int]:
    """Return the prior of a table, trained for `seconds` of processor time, and its steps."""
    torch.manual_seed(0)
    network = build_prior_network(table, run.autoencoder.quantizer.codebook_sizes)
    for part in network.modules():
        if isinstance(part, FrameGroup):  # most indices are zero; a plane starts in the same way
            nn.init.constant_(part.head.bias[1::2], START_LOG2_SCALE)
    generator = np.random.default_rng(2)

    def loss() -> Tensor:
        indices, rate = training[generator.integers(len(training))]
        return bits_of(network, indices.long(), rate).mean()

    steps = fitting.fit(network, loss, seconds, LEARNING_RATE, LIMIT)
    return network.eval(), steps


@torch.no_grad()
def held_out_bits(network: PriorNetwork, valid: Excerpts) -> list[float]:
    """Return the mean bits of a held-out index at each of RATES."""
    found: dict[int, list[float]] = {byte: [] for byte in RATES}
    for indices, rate in valid:
        found[int(rate)].append(float(bits_of(network, indices.long(), rate).mean()))
    return [float(np.mean(found[byte])) for byte in RATES]


def main() -> None:
    """Train every prior, and write the result."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("run", type=Path, help="of the recipe audio")
    parser.add_argument("--seconds", type=float, default=300, help="of processor time, each")
    parser.add_argument("--excerpts", type=int, default=1_000, help="to train on")
    options = parser.parse_args()
    torch.set_num_threads(1)
    run = load_run(options.run)
    training, valid = collect(run, options.excerpts)
    rows = []
    for name, changes in PRIORS.items():
        network, steps = fitted(run, table_of(run, changes), training, options.seconds)
        weights = sum(weight.numel() for weight in network.parameters())
        bits = held_out_bits(network, valid)
        rows.append({"name": name, "weights": weights, "steps": steps, "bits": bits})
        print(rows[-1], flush=True)
    figures = {"n": len(run.manifest.valid), "seconds": options.seconds, "rate_bytes": RATES}
    write_result("sound_priors", {**figures, "priors": rows})


if __name__ == "__main__":
    main()
