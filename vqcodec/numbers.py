"""Numbers that callers give, and numbers in sentences for people."""

from __future__ import annotations

import math
from numbers import Integral, Real

from vqcodec.errors import UsageError

_MOST_PLACES = 15


def as_number(value: object, name: str) -> float:
    """Return a number that a caller gives, as a float; too large ones become infinite.

    Raises:
        UsageError: it is not a real number, or it is NaN; `name` is that of the argument.
    """
    if not isinstance(value, Real):
        raise UsageError(f"{name}: {value!r} is not a number")
    try:
        number = float(value)
    except OverflowError:
        return math.inf if value > 0 else -math.inf  # type: ignore[operator]
    if math.isnan(number):
        raise UsageError(f"{name}: {value!r} is not a number")
    return number


def as_whole(value: object, name: str, least: int, most: int | None = None) -> int:
    """Return a whole number that a caller gives, as an int.

    Raises:
        UsageError: it is no whole number, or out of the range; `name` is that of the argument.
    """
    is_whole = isinstance(value, Integral) and not isinstance(value, bool)
    if not is_whole or value < least or (most is not None and value > most):  # type: ignore[operator]
        bounds = f", {least} or more" if most is None else f" from {least} to {most}"
        raise UsageError(f"{name}: {value!r:.40} is not a whole number{bounds}")
    return int(value)  # type: ignore[call-overload, no-any-return]


def plain(value: float, digits: int = 6) -> str:
    """Return a number without an exponent, rounded to `digits` digits; whole ones are kept whole.

    Zeros at its end are left out: 0.25, 63080, 0.000001.
    """
    if not math.isfinite(value):
        return str(float(value))
    if value == 0:
        return "0"
    places = digits - 1 - math.floor(math.log10(abs(value)))
    text = f"{value:.{min(max(places, 0), _MOST_PLACES)}f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def counted(number: int, noun: str) -> str:
    """Return a number with its noun, as "1 file" or "2 files"."""
    return f"{number} {noun}{'' if number == 1 else 's'}"
