"""Recipes of six steps, and whether two checkpoints are the same."""

from __future__ import annotations

from typing import Any

import numpy as np

SEED = 3

IMAGE = """
modality = "image"

[network]
dim = 12
fine_width = 8
coarse_width = 8
fine_units = 1
coarse_units = 1

[quantizer]
kind = "lattice"
dim = 12
limit = 63

[prior]
kind = "grid"
groups = [4, 8]
width = 8

[data]
crop = 32
valid_fraction = 0.3

[objective]
coarsest_weight = 0.001
finest_weight = 0.01
balance = 0.5

[schedule]
steps = 6
batch_size = 2
warmup_steps = 2
average_decay = 0.9

[prior_schedule]
steps = 6
batch_size = 2
warmup_steps = 2
average_decay = 0.9

[card]
licence = "CC0"
"""

_LATTICE = 'kind = "lattice"\ndim = 12\nlimit = 63'
_CATEGORICAL = 'kind = "grid"\nhead = "categorical"\ngroups = [1, 2]'

RESIDUAL = IMAGE.replace(
    _LATTICE, 'kind = "residual"\ndim = 12\nnum_codebooks = 3\ncodebook_size = 8'
).replace('kind = "grid"\ngroups = [4, 8]', _CATEGORICAL)

AUDIO = IMAGE.replace('modality = "image"', 'modality = "audio"')
AUDIO = AUDIO[: AUDIO.index("[network]")] + """
[network]
sample_rate = 8_000
hop_length = 32
dim = 12
encoder_width = 8
encoder_units = 1
decoder_width = 8
decoder_units = 1

[quantizer]
kind = "lattice"
dim = 12
limit = 63
coarsest_step = 4.0
finest_step = 0.5

[prior]
kind = "frames"
head = "logistic"
groups = [4, 8]
width = 8
dilations = [1, 2]

[data]
frames = 40
valid_fraction = 0.3
group_separator = "-"

""" + IMAGE[IMAGE.index("[objective]") :]  # fmt: skip

RECIPES = {"image": IMAGE, "residual": RESIDUAL, "audio": AUDIO}


def same(one: Any, other: Any) -> bool:
    """Return whether two checkpoints are equal in every bit of every tensor."""
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(same(one[key], other[key]) for key in one)
    if isinstance(one, list | tuple):
        return len(one) == len(other) and all(map(same, one, other))
    if hasattr(one, "numpy"):
        return one.dtype == other.dtype and np.array_equal(one.numpy(), other.numpy())
    return bool(one == other)
