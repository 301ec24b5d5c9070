"""The options that mean the same in every command, and how their values are read."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from importlib.util import find_spec
from typing import Annotated

import typer

from vqcodec.errors import UsageError
from vqcodec.numbers import plain
from vqcodec.rate import DEFAULT_QUALITY


def _model_names() -> list[str]:
    """Return the names of installed models, for shell completion."""
    from vqcodec.codec.zoo import list_models

    return [card.name for card in list_models()]


Sources = Annotated[
    list[str],
    typer.Argument(
        metavar="INPUT", help="Files, folders, URLs or patterns; - is stdin, @NAME a list of files."
    ),
]
Output = Annotated[
    str | None,
    typer.Option(
        "--output",
        "-o",
        metavar="PATH",
        help="File to write, a folder to write into, which mirrors a folder of inputs, or - for "
        "stdout. Default: beside the input.",
    ),
]
Force = Annotated[bool, typer.Option("--force", "-f", help="Overwrite existing files.")]
SkipExisting = Annotated[
    bool, typer.Option("--skip-existing", help="Leave out inputs whose result exists.")
]
Jobs = Annotated[
    int | None,
    typer.Option("--jobs", metavar="N", min=1, help="Processes at once, with many inputs."),
]
Ray = Annotated[
    str | None,
    typer.Option(
        "--ray",
        metavar="[ADDRESS]",
        help="Work on a Ray cluster: one that starts on this machine, 'auto' or HOST:PORT.",
    ),
]
ManifestFile = Annotated[
    str | None,
    typer.Option(
        "--manifest",
        metavar="FILE",
        help="Record of every input, as JSON lines or .parquet; run again, it goes on from there.",
    ),
]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="No progress and no notes.")]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON object to stdout.")]
ModelName = Annotated[
    str | None,
    typer.Option(
        "--model",
        metavar="NAME",
        help="Name, fingerprint or file; see 'models'.",
        autocompletion=_model_names,
    ),
]
FileFormat = Annotated[
    str | None,
    typer.Option("--format", metavar="NAME", help="Kind of file, as png or wav, whatever PATH is."),
]
Quality = Annotated[
    float | None,
    typer.Option("--quality", metavar="1...10", help="Larger is better and bigger. Default: 5."),
]
Salvage = Annotated[
    bool, typer.Option("--salvage", help="Read damaged files as far as they can be read.")
]
NoIcc = Annotated[
    bool,
    typer.Option("--no-icc", help="For pictures: convert to sRGB and store no colour profile."),
]
Frame = Annotated[
    int, typer.Option(metavar="N", min=0, help="For pictures: which frame or page, from 0.")
]
SkipBad = Annotated[
    bool, typer.Option("--skip-bad", help="Go on without the inputs that cannot be read.")
]
Strict = Annotated[
    bool, typer.Option("--strict", help="Fail where something is left out or changed.")
]
Seed = Annotated[
    int, typer.Option("--seed", metavar="N", min=0, max=2**32 - 1, help="Of all random choices.")
]
Device = Annotated[str, typer.Option("--device", help="Where networks run: cpu, cuda, ...")]

_ADDRESS = re.compile(r"auto|local|(ray://)?[\w.-]+:\d+|(ray://)?\[[0-9a-fA-F:]+\]:\d+")
_AMOUNT = re.compile(r"(\d+\.?\d*|\.\d+) ?([a-zA-Z/]*)")
_FACTORS = {"": 1, "k": 1_000, "K": 1_000, "M": 1_000_000}
_SIZES = {"k": 1_000, "K": 1_000, "M": 1_000_000, "G": 1_000_000_000}
_BINARY_SIZES = {"Ki": 1 << 10, "Mi": 1 << 20, "Gi": 1 << 30}
_BYTES = {"": 1, "B": 1, **_SIZES}
_BYTES |= {f"{unit}B": factor for unit, factor in (_SIZES | _BINARY_SIZES).items()}


def with_address_of_ray(arguments: Sequence[str]) -> list[str]:
    """Return the arguments of a command with a value for `--ray`, which may have none.

    The next argument is its value only if it looks like an address: inputs do not.
    """
    end = arguments.index("--") if "--" in arguments else len(arguments)
    found = []
    for index, word in enumerate(arguments):
        following = arguments[index + 1] if index + 1 < end else ""
        if word == "--ray" and index < end and not _ADDRESS.fullmatch(following):
            found.append("--ray=local")
        else:
            found.append(word)
    return found


def parse_amount(option: str, text: str, examples: str = "3000, 3k or 1.5M") -> float:
    """Return the number above zero that `text` writes, as 0.25, 3000, 3k or 1.5M.

    Args:
        option: for messages.
        text: its value.
        examples: of values of this option.

    Raises:
        UsageError: it is not such a number.
    """
    return _parse(option, text, _FACTORS, f"not a number above 0 like {examples}")


def parse_size(option: str, text: str) -> float:
    """Return the number of bytes that `text` writes, as 20000, 20k, 20KB, 1.5MB or 20KiB.

    Raises:
        UsageError: it is not such a number.
    """
    hint = "not a number of bytes above 0 like 20000, 20kB (20000) or 20KiB (20480)"
    return _parse(option, text, _BYTES, hint)


def _parse(option: str, text: str, factors: Mapping[str, int], hint: str) -> float:
    match = _AMOUNT.fullmatch(text)
    value = float(match[1]) * factors.get(match[2], 0) if match else 0.0
    if not 0 < value < math.inf:
        raise UsageError(f"{option} {text}: {hint}")
    return value


def require_within(option: str, value: float, low: float, high: float) -> float:
    """Return the value; raise UsageError unless low <= value <= high (which NaN never is)."""
    if not low <= value <= high:
        raise UsageError(f"{option} {plain(value)}: not from {plain(low)} to {plain(high)}")
    return value


def require_quality(quality: float | None) -> float:
    """Return the quality to use; raise UsageError unless it is from 1 to 10."""
    return require_within("--quality", DEFAULT_QUALITY if quality is None else quality, 1, 10)


def require_cpu(ray: str | None, device: str) -> None:
    """Raise UsageError if a cluster is to use another device than the CPU."""
    if ray is not None and device != "cpu":
        raise UsageError(f"--ray: its workers use the CPU, not --device {device}")


def require_torch(device: str = "cpu", *, compiled: bool = False, needed_by: str = "train") -> None:
    """Raise UsageError unless PyTorch is installed and can compute, and compile, for a device."""
    if find_spec("torch") is None or find_spec("onnxscript") is None:
        raise UsageError(
            f"{needed_by}: needs PyTorch; install it with: pip install 'vqcodec[train]'"
        )
    if device != "cpu":
        from vqcodec.training.device import check_device  # here: importing torch takes seconds

        check_device(device)
    if compiled:
        from vqcodec.training.compiling import check_compiling

        check_compiling(device)
