"""Which channels of a sound are coded together."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

KINDS_FOR_PAIRS = frozenset({"blocks"})  # of networks

# The pairs and singles of a sound by its number of channels, in the order of WAV files:
# front, centre, low frequencies, back, side (mono, left and right, with a centre, four, with a
# centre, 5.1, 6.1 and 7.1).
_PLANES: dict[int, tuple[tuple[int, ...], ...]] = {
    1: ((0,),),
    2: ((0, 1),),
    3: ((0, 1), (2,)),
    4: ((0, 1), (2, 3)),
    5: ((0, 1), (2,), (3, 4)),
    6: ((0, 1), (2,), (3,), (4, 5)),
    7: ((0, 1), (2,), (3,), (4,), (5, 6)),
    8: ((0, 1), (2,), (3,), (4, 5), (6, 7)),
}


def channels_of_planes(num_channels: int) -> tuple[tuple[int, ...], ...]:
    """Return the channels of each plane of a model for pairs: left and right are a pair."""
    return _PLANES[num_channels]


def codes_pairs(network: Mapping[str, Any]) -> bool:
    """Return whether the networks of a model's [network] table code channels in pairs."""
    return network.get("kind") in KINDS_FOR_PAIRS
