"""The files of a kind, and their split: to train on, to stop by, and to judge by."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from vqcodec.errors import UsageError
from vqcodec.files import as_text
from vqcodec.numbers import counted

FEWEST_FILES = 3
JUDGED_SHARE, STOPPING_SHARE = 0.1, 0.05
MOST_JUDGED, MOST_STOPPING = 12, 8


@dataclass(frozen=True, slots=True)
class Domain:
    """Files of one kind.

    Attributes:
        train: are trained on.
        stopping: decide when the fitting stops, and which weights are kept.
        judged: give the figures; nothing is chosen by them except whether a model is written.
    """

    train: tuple[Path, ...]
    stopping: tuple[Path, ...]
    judged: tuple[Path, ...]


def split_domain(files: Sequence[Path], seed: int) -> Domain:
    """Return the split of files for a seed; the hash of its name decides where a file goes.

    Raises:
        UsageError: there are too few files.
    """
    if len(files) < FEWEST_FILES:
        raise UsageError(
            f"train adapt: {counted(len(files), 'file')}, needed at least {FEWEST_FILES}: "
            "one for training, one for early stopping and one for the final comparison"
        )
    ordered = sorted(files, key=lambda path: (_place(path, seed), path))
    num_judged = _number(len(files), JUDGED_SHARE, MOST_JUDGED)
    num_held_out = num_judged + _number(len(files), STOPPING_SHARE, MOST_STOPPING)
    return Domain(
        train=tuple(ordered[num_held_out:]),
        stopping=tuple(ordered[num_judged:num_held_out]),
        judged=tuple(ordered[:num_judged]),
    )


def _place(path: Path, seed: int) -> bytes:
    return hashlib.sha256(as_text(f"{seed}:{path.name}").encode()).digest()


def _number(total: int, share: float, most: int) -> int:
    return max(1, min(most, round(share * total)))
