"""Round numbers for the axes of plots."""

from __future__ import annotations

import math

_FACTORS = (1, 2, 5, 10)  # of a power of ten


def ticks_from_zero(highest: float, count: int) -> list[float]:
    """Return round numbers from 0 to `highest` or just above it, at most `count` steps apart."""
    if highest <= 0:
        return [0.0, 1.0]
    step = _step(highest / count)
    return _multiples(step, 0, math.ceil(highest / step * (1 - 1e-9)))


def ticks_between(low: float, high: float, count: int = 5) -> list[float]:
    """Return the multiples of a round step between two numbers, at most `count` steps apart."""
    step = _step((high - low) / count)
    return _multiples(step, math.ceil(low / step), math.floor(high / step))


def logarithmic_ticks(low: float, high: float) -> list[float]:
    """Return 1, 2 and 5 times the powers of ten between two logarithms; fewer in wide ranges."""
    factors = _FACTORS[:3] if high - low < 2.5 else _FACTORS[:1]
    powers = range(math.floor(low), math.ceil(high) + 1)
    ticks = [factor * 10.0**power for power in powers for factor in factors]
    return [tick for tick in ticks if low <= math.log10(tick) <= high]


def _step(least: float) -> float:
    """Return the smallest of 1, 2 and 5 times a power of ten that is not below `least`."""
    power = 10.0 ** math.floor(math.log10(least))
    return next(factor * power for factor in _FACTORS if factor * power >= least * (1 - 1e-9))


def _multiples(step: float, first: int, last: int) -> list[float]:
    return [float(f"{step * number:.10g}") for number in range(first, last + 1)]
