"""Bits per dimension at the setting of the VQ-VAE paper for CIFAR-10 (arXiv:1711.00937, 4.1).

Pictures of 32 x 32 x 3 bytes become 8 x 8 x 10 latents with a codebook of K = 512. Nothing is
downloaded: the folder holds pictures, or the `*.bin` files of CIFAR-10's binary version. Pictures
that are larger give random crops.

The encoder is deterministic: q(z | x) is 1 for the index that it chooses. So the bound is

    -log2 p(x)  <=  -log2 p(x | z)  -  log2 p(z),    divided by the 3,072 values of a picture.

The decoder gives the distribution p(x | z) of every value: a logistic distribution that is
integrated over the interval of each of the 256 values, with its own mean and scale. The prior p(z)
is uniform, as in the paper's training (640 x 9 bits, 1.875 bits per dimension), or the histogram
of the training's indices, or a learnt prior, which the paper's figure does not have. All figures
are means over held-out pictures, and all are upper bounds of the bits that a coder would need.
"""

from __future__ import annotations

import argparse
import math
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from cifar_pictures import CHANNELS, NUM_DIMS, SIDE, Pictures, as_values
from result import write_result
from torch import Tensor, nn

from vqcodec.modalities.image.config import PaperImageConfig
from vqcodec.networks.image.paper import PaperImageDecoder, PaperImageEncoder
from vqcodec.networks.priors.grid import GridPriorNetwork
from vqcodec.networks.quantizers import build_quantizer_module
from vqcodec.networks.statistics import standardise_outputs
from vqcodec.priors.config import GridPriorConfig

GRID = SIDE // 4  # positions each way
SLOTS, SIZE = 10, 512  # latents at a position, entries of the codebook that they share
UNIFORM = GRID * GRID * SLOTS * math.log2(SIZE) / NUM_DIMS  # bits per dimension of the indices
LEAST_LOG_SCALE = -7.0  # nepers, of the scale in values of 0 … 255
LEAST_PROBABILITY = 1e-12
PAPER_BITS = 4.67  # of the paper's VQ-VAE


def value_bits(values: Tensor, mean: Tensor, log_scale: Tensor) -> Tensor:
    """Return -log2 of the probability of each of values 0 … 255 under a discretised logistic.

    All are [B, 3, H, W]; mean and exp(log_scale) are in the unit of values. The first and the last
    interval are open, so that the probabilities of the 256 values sum to 1 (Salimans et al. 2017,
    arXiv:1701.05517).
    """
    inverse = torch.exp(-log_scale.clamp(min=LEAST_LOG_SCALE))
    above = torch.sigmoid((values + 0.5 - mean) * inverse)
    below = torch.sigmoid((values - 0.5 - mean) * inverse)
    above = torch.where(values >= 255, torch.ones_like(above), above)
    below = torch.where(values <= 0, torch.zeros_like(below), below)
    return -torch.log2((above - below).clamp(min=LEAST_PROBABILITY))


class BoundedModel(nn.Module):
    """The paper's networks with ten latents at a position, and a decoder of distributions."""

    def __init__(self, width: int, num_units: int, dim: int) -> None:
        super().__init__()
        config = PaperImageConfig(dim=SLOTS * dim, width=width, num_units=num_units)
        self.encoder, self.decoder = PaperImageEncoder(config), PaperImageDecoder(config)
        self.decoder.head = nn.ConvTranspose2d(width, 2 * CHANNELS, 4, stride=2, padding=1)
        nn.init.normal_(self.decoder.head.weight, std=0.1 * (4 * width) ** -0.5)
        nn.init.zeros_(self.decoder.head.bias)  # type: ignore[arg-type]
        self.quantizer = build_quantizer_module(
            {"kind": "residual", "dim": dim, "num_codebooks": 1, "codebook_size": SIZE}
        )

    def latents(self, values: Tensor) -> Tensor:
        """Return latents [B * 10, D, 8, 8] of values [B, 3, 32, 32]."""
        latents: Tensor = self.encoder(values / 255, values.new_ones(1))
        return latents.reshape(len(values) * SLOTS, -1, *latents.shape[2:])

    @torch.no_grad()
    def init_from_data(self, values: Tensor) -> None:
        """Data-dependent initialisation from a first batch [B, 3, 32, 32]."""
        standardise_outputs(self.encoder.head, self.encoder.body(values / 127.5 - 1))
        self.quantizer.init_from_data(self.latents(values), None)

    def forward(self, values: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Return bits per dimension [B] of values given indices, indices, and the quantizer's loss.

        Indices are [B, 10, 8, 8].
        """
        rate = torch.ones(len(values) * SLOTS, dtype=torch.int64)
        quantized = self.quantizer(self.latents(values), rate)
        latents = quantized.latents.reshape(len(values), -1, *quantized.latents.shape[2:])
        outputs = self.decoder.head(self.decoder.body(latents))
        mean = 127.5 + 127.5 * outputs[:, :CHANNELS]
        log_scale = 2.0 + 2.0 * outputs[:, CHANNELS:]
        bits = value_bits(values, mean, log_scale).mean(dim=(1, 2, 3))
        indices = quantized.indices.reshape(len(values), SLOTS, *quantized.indices.shape[2:])
        return bits, indices, quantized.loss


def train(
    parameters: list[nn.Parameter], steps: int, rate: float, loss_of_step: Callable[[int], Tensor]
) -> None:
    """Make steps of Adam; the learning rate falls along a line in the last third."""
    optimizer = torch.optim.Adam(parameters, lr=rate)
    began, since = time.monotonic(), 0.0
    for step in range(steps):
        optimizer.param_groups[0]["lr"] = rate * min(1.0, 3 * (steps - step) / steps)
        loss = loss_of_step(step)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(parameters, 1.0)
        optimizer.step()
        since += float(loss.detach())
        if (step + 1) % 100 == 0:
            left = (time.monotonic() - began) / (step + 1) * (steps - step - 1)
            print(f"step {step + 1}/{steps}  {since / 100:.4f}  {left:.0f} s left", flush=True)
            since = 0.0


@torch.no_grad()
def judge(
    model: BoundedModel,
    prior: GridPriorNetwork | None,
    values: Tensor,
    histogram: Tensor,
) -> dict[str, float]:
    """Return bits per dimension of values [N, 3, 32, 32], and the use of the codebook.

    `histogram` holds the bits of each entry, [512].
    """
    model.eval()
    sums = {"of values": 0.0, "indices, histogram": 0.0, "indices, learnt prior": 0.0}
    seen = torch.zeros(SIZE)
    for part in torch.split(values, 100):
        bits, indices, _ = model(part)
        seen += torch.bincount(indices.flatten(), minlength=SIZE)
        sums["of values"] += float(bits.sum())
        sums["indices, histogram"] += float(histogram[indices].sum()) / NUM_DIMS
        if prior is not None:
            costs = prior.bits(indices, torch.ones(len(part)))
            sums["indices, learnt prior"] += float(costs.sum()) / NUM_DIMS
    if prior is None:
        del sums["indices, learnt prior"]
    shares = seen / seen.sum()
    means = {name: total / len(values) for name, total in sums.items()}
    return {
        "values": means["of values"],
        "indices, uniform": UNIFORM,
        **{name: mean for name, mean in means.items() if name != "of values"},
        **{
            f"bound{name.removeprefix('indices')}": means["of values"] + mean
            for name, mean in {"indices, uniform": UNIFORM, **means}.items()
            if name != "of values"
        },
        "usage": float((seen > 0).float().mean()),
        "perplexity": float(torch.exp(-(shares * shares.clamp(min=1e-12).log()).sum())),
    }


def main() -> None:
    """Train, judge held-out pictures, and write the result."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", type=Path, help="pictures, or CIFAR-10's *.bin files")
    parser.add_argument("--steps", type=int, default=20_000, help="of networks and codebook")
    parser.add_argument("--prior-steps", type=int, default=4_000, help="0: no learnt prior")
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--width", type=int, default=128, help="the paper has 256")
    parser.add_argument("--units", type=int, default=2)
    parser.add_argument("--dim", type=int, default=16, help="of a codebook entry")
    parser.add_argument("--name", default="bits_per_dim", help="of the result")
    options = parser.parse_args()
    torch.manual_seed(0)
    pictures = Pictures.of_folder(options.folder)
    model = BoundedModel(options.width, options.units, options.dim)
    model.init_from_data(pictures.batch(128, np.random.default_rng(3)))
    counts = torch.ones(SIZE)

    def loss_of_step(step: int) -> Tensor:
        values = pictures.batch(options.batch, np.random.default_rng([4, step]))
        bits, indices, loss = model(values)
        if 2 * step >= options.steps:
            counts.add_(torch.bincount(indices.flatten(), minlength=SIZE))
        total: Tensor = bits.mean() + loss
        return total

    began = time.process_time()
    train(list(model.parameters()), options.steps, 4e-4, loss_of_step)
    prior = None
    if options.prior_steps:
        prior = fit_prior(model.eval(), pictures, options.prior_steps, options.batch)
    figures: dict[str, Any] = {
        "n": len(pictures.held_out),
        "num_training_files": len(pictures.training),
        "num_training_pictures": sum(map(len, pictures.training)),
        "steps": options.steps,
        "prior_steps": options.prior_steps,
        "cpu_minutes": (time.process_time() - began) / 60,
        "bits_per_dim": judge(
            model, prior, as_values(pictures.held_out), -torch.log2(counts / counts.sum())
        ),
        "paper": PAPER_BITS,
    }
    for name, value in figures["bits_per_dim"].items():
        print(f"{name:>24}  {value:.3f}")
    write_result(options.name, figures)


def fit_prior(model: BoundedModel, pictures: Pictures, steps: int, batch: int) -> GridPriorNetwork:
    """Return a prior of the indices of a model: slots in pairs, each pair in four phases."""
    config = GridPriorConfig(
        groups=(2,) * (SLOTS // 2), head="categorical", period=2, kernel_size=5, embedding_dim=16
    )
    prior = GridPriorNetwork(config, (SIZE,) * SLOTS)

    def loss_of_step(step: int) -> Tensor:
        values = pictures.batch(batch, np.random.default_rng([5, step]))
        with torch.no_grad():
            _, indices, _ = model(values)
        return prior.bits(indices, torch.ones(len(values))).mean()

    train(list(prior.parameters()), steps, 1e-3, loss_of_step)
    return prior.eval()


if __name__ == "__main__":
    main()
