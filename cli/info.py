"""`vqcodec info`: what a stream says of itself."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from vqcodec.errors import UsageError
from vqcodec.numbers import plain

from .attempt import Attempt, Done, Report
from .console import Record, complain, write_json, write_line
from .hints import read_stream
from .models import model_of_stream
from .options import Device, Force, Json, ModelName
from .outputs import Source
from .paths import STDIO, check_target, open_target, require_apart

if TYPE_CHECKING:
    from vqcodec.codec.model import Model

BITS_SUFFIX = ".png"
MAX_NUMBERS = 1000  # of rows or seconds in a record, so that people can read it


def info(
    *,
    source: Annotated[str, typer.Argument(metavar="FILE", help="A .vqc file; - is stdin.")],
    indices: Annotated[
        bool, typer.Option("--indices", help="Print every index, one row per codebook.")
    ] = False,
    bits: Annotated[
        str | None,
        typer.Option(
            metavar="PATH", help="Draw the bits of each position, and write them to PATH (.png)."
        ),
    ] = None,
    model: ModelName = None,
    force: Force = False,
    as_json: Json = False,
    device: Device = "cpu",
) -> None:
    """Show the contents of a stream and the sizes of its parts."""
    from vqcodec.codec.inspect import describe

    if bits is not None:
        if bits == STDIO or Path(bits).suffix.lower() != BITS_SUFFIX:
            raise UsageError(f"--bits {bits}: the drawing is written to a file as {BITS_SUFFIX}")
        check_target(bits, force=force)
        require_apart([bits], (source, model))

    def facts_of(source: Source, _report: Report) -> Done:
        stream = read_stream(source.name)
        record: Record = describe(stream, model)
        fingerprint = str(record["fingerprint"])
        if bits is not None:
            loaded = model_of_stream(fingerprint, model, device)
            record |= _draw_bits(stream, loaded, bits, force=force, with_numbers=as_json)
        if indices:
            loaded = model_of_stream(fingerprint, model, device)
            record["indices"] = [plane.tolist() for plane in loaded.indices_of(stream)]
        return Done(record)

    record = Attempt(facts_of)(Source(source)).record
    if not record["ok"]:
        complain(str(record["error"]))
    if as_json:
        write_json(record)
    elif record["ok"]:
        for line in _rows(record["indices"]) if indices else _lines_of(record):
            write_line(line)
    if not record["ok"]:
        raise typer.Exit(int(str(record["exit_code"])))


def _rows(planes: object) -> Iterator[str]:
    """Yield the indices [plane][codebook]... of a stream, one line per codebook."""
    assert isinstance(planes, list)
    for row in itertools.chain(*planes):
        yield " ".join(map(str, _flat(row)))


def _lines_of(record: Record) -> Iterable[str]:
    """Return the lines for people about a stream."""
    shown = {key: value for key, value in record.items() if key != "ok"}
    return _lines({**shown, "sections": _summarised(record["sections"])})


def _draw_bits(
    stream: bytes, model: Model, target: str, *, force: bool, with_numbers: bool
) -> Record:
    """Write the drawing of a stream's bits, and return what a record says of them.

    Numbers by row or by second are left out where there are more than `MAX_NUMBERS`.
    """
    from vqcodec.bitstream.header import AudioFacts
    from vqcodec.bitstream.stream import parse_stream
    from vqcodec.evaluation.bit_maps import bits_by_row, bits_by_second, draw_bit_map

    bit_map, facts = model.bit_map_of(stream), parse_stream(stream).header.facts
    drawing = draw_bit_map(bit_map, facts)
    with open_target(target, force=force) as file:
        file.write(drawing)
    record: Record = {"bits_output": target, "index_bits": bit_map.num_bits}
    if with_numbers and isinstance(facts, AudioFacts):
        seconds = bits_by_second(bit_map, facts)
        if sum(map(len, seconds)) <= MAX_NUMBERS:
            record["bits_by_second"] = seconds
    elif with_numbers:
        rows = bits_by_row(bit_map)
        if len(rows) <= MAX_NUMBERS:
            record["bits_by_row"] = rows
    return record


def _summarised(sections: object) -> list[Record]:
    """Return sections with one entry for each run of the same tag."""
    assert isinstance(sections, list)
    summary: list[Record] = []
    for tag, run in itertools.groupby(sections, key=lambda section: section["tag"]):
        sizes = [section["size_bytes"] for section in run]
        if len(sizes) == 1:
            summary.append({"tag": tag, "size_bytes": sizes[0]})
        else:
            of_each = f"{min(sizes)} … {max(sizes)}"
            summary.append(
                {"tag": tag, "number": len(sizes), "size_bytes": sum(sizes), "of each": of_each}
            )
    return summary


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
            yield f"{name}: {plain(value)}"
        else:
            yield f"{name}: {'unknown' if value is None else value}"
