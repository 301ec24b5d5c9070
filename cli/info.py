"""`vqcodec info`: what a stream says of itself."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Annotated

import typer

from .console import Record, display_name, naming, write_json, write_line
from .models import load_model
from .options import Device, Json
from .paths import read_source


def info(
    *,
    source: Annotated[str, typer.Argument(metavar="FILE", help="A .vqc file; - is stdin.")],
    indices: Annotated[
        bool, typer.Option("--indices", help="Print every index, one row per codebook.")
    ] = False,
    as_json: Json = False,
    device: Device = "cpu",
) -> None:
    """Show what a stream holds and where its bytes go."""
    from vqcodec.codec.inspect import describe

    stream = read_source(source)
    with naming(source):
        record: Record = {"input": display_name(source), **describe(stream)}
        if indices:
            model = load_model(str(record["fingerprint"]), device)
            planes = [plane.tolist() for plane in model.indices_of(stream)]  # [channel][codebook]
            record["indices"] = planes
    if as_json:
        write_json(record)
    elif indices:
        for row in (row for plane in planes for row in plane):
            write_line(" ".join(map(str, _flat(row))))
    else:
        for line in _lines(record):
            write_line(line)


def _flat(row: Iterable[object]) -> Iterable[object]:
    """Return the numbers of nested lists, in order."""
    for item in row:
        if isinstance(item, list):
            yield from _flat(item)
        else:
            yield item


def _lines(record: Mapping[str, object]) -> Iterable[str]:
    """Return a record as lines of names and values."""
    for key, value in record.items():
        name = key.replace("_", " ")
        if isinstance(value, list):
            yield f"{name}:"
            yield from (f"  {', '.join(_lines(item))}" for item in value)
        elif isinstance(value, float):
            yield f"{name}: {value:.6g}"
        else:
            yield f"{name}: {'unknown' if value is None else value}"
