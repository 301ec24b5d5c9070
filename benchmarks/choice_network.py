"""The network that tells voices from other sounds: one hidden layer, fitted with NumPy."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

import vqcodec.signals.speech_detection
from vqcodec.signals.speech_detection import FAR, NAMES

UNITS, PENALTY, STEPS, STEP = 8, 1e-3, 1200, 0.02
FOLDS = 5
WEIGHTS = Path(vqcodec.signals.speech_detection.__file__).with_name("speech_weights.py")

Table = NDArray[np.float64]
Network = tuple[Table, Table, Table, float]


@dataclass(frozen=True, slots=True)
class Row:
    """The measures of one excerpt."""

    values: list[float]
    is_voice: bool
    kind: str
    share: float
    fold: int


def write_weights(found: Sequence[Row]) -> None:
    """Write the network, and print which share of excerpts is right in five folds."""
    values, wanted, shares = tables(found)
    centres, scales = values.mean(axis=0), values.std(axis=0)
    inputs = np.clip((values - centres) / scales, -FAR, FAR)
    folds = np.array([row.fold for row in found])
    scores = np.zeros(len(values))
    for fold in range(FOLDS):
        rest = folds != fold
        scores[~rest] = score(inputs[~rest], network(inputs[rest], wanted[rest], shares[rest]))
    print_right(found, scores)
    first, first_bias, second, bias = network(inputs, wanted, shares)
    lines = [
        '"""The network of speech_detection: benchmarks/choice.py fitted it and wrote this."""',
        "",
        "# Of each measure: its centre, its scale, and its weight in each unit.",
        "MEASURES = {",
    ]
    for measure, centre, scale, weights in zip(NAMES, centres, scales, first, strict=True):
        lines.append(f'    "{measure}": ({centre:.3f}, {scale:.3f}, {_numbers(weights)}),')
    lines += ["}", f"UNIT_BIASES = {_numbers(first_bias)}", f"UNIT_WEIGHTS = {_numbers(second)}"]
    lines.append(f"BIAS = {bias:.2f}")
    WEIGHTS.write_text("\n".join(lines) + "\n")


def tables(found: Sequence[Row]) -> tuple[Table, Table, Table]:
    """Return values [N, M], labels [N] and weights [N], half of them voices'."""
    values = np.array([row.values for row in found])
    wanted = np.array([float(row.is_voice) for row in found])
    kinds = np.array([row.kind for row in found])
    shares = np.array([row.share for row in found])
    shares /= [np.sum(kinds == kind) for kind in kinds]
    for label in (0, 1):
        shares[wanted == label] /= 2 * shares[wanted == label].sum()
    return values, wanted, shares


def network(inputs: Table, wanted: Table, shares: Table) -> Network:
    """Return the weights of a network of one hidden layer: logistic loss, decay, Adam."""
    rng = np.random.default_rng(0)
    width = inputs.shape[1]
    flat = rng.normal(size=width * UNITS + 2 * UNITS + 1) / np.sqrt(width)
    mean, square = np.zeros_like(flat), np.zeros_like(flat)
    for step in range(1, STEPS + 1):
        first, first_bias, second, bias = _parts(flat, width)
        hidden = np.tanh(inputs @ first + first_bias)
        logits = np.clip(hidden @ second + bias, -30, 30)
        error = shares * (1 / (1 + np.exp(-logits)) - wanted)
        back = error[:, None] * second * (1 - hidden**2)
        slope = np.concatenate(
            [(inputs.T @ back).ravel(), back.sum(axis=0), hidden.T @ error, [error.sum()]]
        )
        slope += PENALTY * flat
        mean = 0.9 * mean + 0.1 * slope
        square = 0.999 * square + 0.001 * slope**2
        pace = STEP * min(1, 3 * (1 - step / (STEPS + 1)))
        flat -= pace * mean / (1 - 0.9**step) / (np.sqrt(square / (1 - 0.999**step)) + 1e-9)
    return _parts(flat, width)


def score(inputs: Table, weights: Network) -> Table:
    """Return the logarithm of the odds [N] that excerpts are voices."""
    first, first_bias, second, bias = weights
    scores: Table = np.tanh(inputs @ first + first_bias) @ second + bias
    return scores


def print_right(found: Sequence[Row], scores: Table) -> None:
    """Print which share of each kind, of voices and of others is on the right side."""
    _, wanted, shares = tables(found)
    right_side = (scores > 0) == (wanted > 0)
    for name, label in (("voices", 1), ("others", 0)):
        chosen = wanted == label
        print(f"{name}: {np.average(right_side[chosen], weights=shares[chosen]):.2%} right")
    for kind in dict.fromkeys(row.kind for row in found):
        right = [
            (each > 0) == row.is_voice
            for each, row in zip(scores, found, strict=True)
            if row.kind == kind
        ]
        print(f"{kind}: {np.mean(right):.1%} of {len(right)} excerpts right")


def _parts(flat: Table, width: int) -> Network:
    first, first_bias, second, bias = np.split(flat, np.cumsum([width * UNITS, UNITS, UNITS]))
    return first.reshape(width, UNITS), first_bias, second, float(bias[0])


def _numbers(values: Table) -> str:
    return "(" + ", ".join(f"{value:.2f}" for value in values) + ")"
