"""The options that mean the same in every command, and how their values are read."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from importlib.util import find_spec
from typing import Annotated

import typer
from typer.core import TyperCommand

from vqcodec.errors import UsageError
from vqcodec.extras import install_hint
from vqcodec.numbers import plain
from vqcodec.rate import DEFAULT_QUALITY


def _model_names() -> list[str]:
    """Return the names of installed models, for shell completion."""
    from vqcodec.codec.zoo import list_models

    return [card.name for card in list_models()]


class PlainCommand(TyperCommand):
    """A command whose usage line shows arguments without braces."""

    def collect_usage_pieces(self, ctx: typer.Context) -> list[str]:  # type: ignore[override]
        """Return the words of the usage line."""
        return [piece.strip("{}") for piece in super().collect_usage_pieces(ctx)]


Sources = Annotated[
    list[str],
    typer.Argument(
        metavar="INPUT...",
        help="Files, folders, URLs or patterns; - is stdin; @NAME is a file that lists inputs.",
    ),
]
Output = Annotated[
    str | None,
    typer.Option(
        "--output",
        "-o",
        metavar="PATH",
        help="Output file, or output folder, or - for stdout. For a folder of inputs, the output "
        "folder has the same structure. Default: the folder of the input.",
    ),
]
Force = Annotated[bool, typer.Option("--force", "-f", help="Overwrite existing files.")]
SkipExisting = Annotated[
    bool, typer.Option("--skip-existing", help="Skip inputs whose output file exists.")
]
Jobs = Annotated[
    int | None,
    typer.Option(
        "--jobs", metavar="N", min=1, help="Number of parallel processes for many inputs."
    ),
]
Ray = Annotated[
    str | None,
    typer.Option(
        "--ray",
        metavar="[ADDRESS]",
        help="Use a Ray cluster: without ADDRESS a new one on this machine, else 'auto' or "
        "HOST:PORT.",
    ),
]
ManifestFile = Annotated[
    str | None,
    typer.Option(
        "--manifest",
        metavar="FILE",
        help="Record every input in FILE (JSON lines or .parquet); a second run skips "
        "finished inputs.",
    ),
]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="Show no progress and no notes.")]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON object to stdout.")]
ModelName = Annotated[
    str | None,
    typer.Option(
        "--model",
        metavar="NAME",
        help="Name, fingerprint or file of a model; 'vqcodec models' lists them.",
        autocompletion=_model_names,
    ),
]
FileFormat = Annotated[
    str | None,
    typer.Option(
        "--format",
        metavar="NAME",
        help="Output format, e.g. png or wav. Default: from the suffix of PATH.",
    ),
]
Quality = Annotated[
    float | None,
    typer.Option(
        "--quality",
        metavar="1...10",
        help="Higher gives better quality and larger files. Default: 5.",
    ),
]
Salvage = Annotated[
    bool, typer.Option("--salvage", help="Read the undamaged parts of damaged files.")
]
NoIcc = Annotated[
    bool,
    typer.Option("--no-icc", help="For pictures: convert to sRGB and store no colour profile."),
]
Frame = Annotated[
    int,
    typer.Option(
        metavar="N",
        min=0,
        help="For pictures: number of the frame or page to read; the first is 0.",
    ),
]
SkipBad = Annotated[
    bool, typer.Option("--skip-bad", help="Skip inputs that cannot be read, and continue.")
]
Strict = Annotated[
    bool, typer.Option("--strict", help="Treat it as an error if something is left out or changed.")
]
Seed = Annotated[
    int,
    typer.Option("--seed", metavar="N", min=0, max=2**32 - 1, help="Seed of all random choices."),
]
Device = Annotated[
    str, typer.Option("--device", metavar="NAME", help="Device for the networks, e.g. cpu or cuda.")
]

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
        raise UsageError(f"{needed_by}: needs PyTorch; {install_hint('train')}")
    if device != "cpu":
        from vqcodec.training.device import check_device  # here: importing torch takes seconds

        check_device(device)
    if compiled:
        from vqcodec.training.compiling import check_compiling

        check_compiling(device)
