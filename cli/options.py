"""The options that mean the same in every command, and how their values are read."""

from __future__ import annotations

import math
import re
from typing import Annotated

import typer

from vqcodec.errors import UsageError

DEFAULT_QUALITY = 5.0

Inputs = Annotated[list[str], typer.Argument(metavar="INPUT", help="Files; - is stdin.")]
Output = Annotated[
    str | None,
    typer.Option(
        "--output",
        "-o",
        metavar="PATH",
        help="File to write, a folder to write into, or - for stdout. Default: beside the input.",
    ),
]
Force = Annotated[bool, typer.Option("--force", "-f", help="Overwrite existing files.")]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="No progress and no notes.")]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON object to stdout.")]
ModelName = Annotated[
    str | None,
    typer.Option("--model", metavar="NAME", help="Name, fingerprint or file; see 'models'."),
]
FileFormat = Annotated[
    str | None,
    typer.Option("--format", metavar="NAME", help="Kind of file, as png or wav, whatever PATH is."),
]
Quality = Annotated[
    float | None,
    typer.Option("--quality", metavar="1...10", help="Larger is better and bigger. Default: 5."),
]
Seed = Annotated[
    int, typer.Option("--seed", metavar="N", min=0, max=2**32 - 1, help="Of all random choices.")
]
Device = Annotated[str, typer.Option("--device", help="Where networks run: cpu, cuda, ...")]

_AMOUNT = re.compile(r"(\d+\.?\d*|\.\d+)([kM]?)")
_FACTORS = {"": 1, "k": 1_000, "M": 1_000_000}


def parse_amount(option: str, text: str) -> float:
    """Return the number above zero that `text` writes, as 3000, 3k or 1.5M.

    Raises:
        UsageError: it is not such a number.
    """
    match = _AMOUNT.fullmatch(text)
    value = float(match[1]) * _FACTORS[match[2]] if match else 0.0
    if not 0 < value < math.inf:
        raise UsageError(f"{option} {text}: not a number above 0 like 3000, 3k or 1.5M")
    return value


def require_within(option: str, value: float, low: float, high: float) -> float:
    """Return the value; raise UsageError unless low <= value <= high (which NaN never is)."""
    if not low <= value <= high:
        raise UsageError(f"{option} {value:g}: not from {low:g} to {high:g}")
    return value


def require_quality(quality: float | None) -> float:
    """Return the quality to use; raise UsageError unless it is from 1 to 10."""
    return require_within("--quality", DEFAULT_QUALITY if quality is None else quality, 1, 10)


def require_device(device: str) -> None:
    """Raise UsageError unless torch can compute there."""
    if device == "cpu":
        return
    import torch  # here: importing torch takes seconds

    try:
        torch.zeros(1, device=device)
    except (RuntimeError, AssertionError) as error:  # AssertionError: torch built without CUDA
        raise UsageError(f"--device {device}: torch cannot compute there") from error
