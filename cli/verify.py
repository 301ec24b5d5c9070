"""`vqcodec verify`: checks whether streams are intact."""

from __future__ import annotations

import typer

from .attempt import Attempt, Done, Report
from .console import Record, complain, note, on_others, write_json, write_line
from .hints import read_stream
from .options import Json, Quiet, Sources
from .outputs import Source, find_sources
from .paths import STREAM_SUFFIX


def verify(*, inputs: Sources, quiet: Quiet = False, as_json: Json = False) -> None:
    """Check that streams are complete and undamaged.

    If an input is a folder, all streams in it are checked.
    Only checksums are compared; nothing is decoded.
    """
    found = find_sources(inputs, {STREAM_SUFFIX}, left_out=None)
    attempt = Attempt(_verify_input)
    records: list[Record] = []
    exit_code = 0
    for source in found.sources:
        record = attempt(source).record
        if as_json:
            records.append(record)
        if not record["ok"]:
            complain(str(record["error"]))
            exit_code = exit_code or int(str(record["exit_code"]))
        elif not quiet and not as_json:
            write_line(f"{record['input']}: ok")
    for text in on_others(found.other_files):
        note(text, quiet=quiet)
    if as_json:
        others = list(found.other_files)
        write_json({"files": records, "num_other_files": len(others), "other_files": others})
    if exit_code:
        raise typer.Exit(exit_code)


def _verify_input(source: Source, _report: Report) -> Done:
    """Check one stream."""
    from vqcodec.codec.inspect import verify as verify_stream

    stream = read_stream(source.name)
    verify_stream(stream)
    return Done({"size_bytes": len(stream)})
