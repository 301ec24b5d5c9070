"""`vqcodec verify`: checks whether streams are intact."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import typer

from vqcodec.numbers import counted

from .attempt import Attempt, Done, Report
from .console import Record, complain, note, on_others, write_json, write_line
from .hints import read_stream
from .options import Json, Quiet, Sources
from .outputs import Source, find_sources
from .paths import STREAM_SUFFIX


def verify(*, inputs: Sources, quiet: Quiet = False, as_json: Json = False) -> None:
    """Check that streams are complete and undamaged.

    If an input is a folder, all streams in it are checked.
    Only checksums are compared; nothing is decoded. Models that are not installed are named.
    """
    found = find_sources(inputs, {STREAM_SUFFIX}, left_out=None)
    attempt = Attempt(_verify_input)
    records: list[Record] = []
    exit_code = 0
    for source in found.sources:
        record = attempt(source).record
        records.append(record)
        if not record["ok"]:
            complain(str(record["error"]))
            exit_code = exit_code or int(str(record["exit_code"]))
        elif not quiet and not as_json:
            write_line(f"{record['input']}: ok")
    missing = _missing_models(records)
    for fingerprint, number in missing.items():
        streams = counted(number, "stream")
        note(
            f"{streams} cannot be restored here: model {fingerprint} is not installed", quiet=quiet
        )
    for text in on_others(found.other_files):
        note(text, quiet=quiet)
    if as_json:
        others = list(found.other_files)
        result = {"files": records, "num_other_files": len(others), "other_files": others}
        write_json(result | {"missing_models": list(missing)})
    if exit_code:
        raise typer.Exit(exit_code)


def _verify_input(source: Source, _report: Report) -> Done:
    """Check one stream."""
    from vqcodec.codec.inspect import verify as verify_stream

    stream = read_stream(source.name)
    return Done({"fingerprint": verify_stream(stream), "size_bytes": len(stream)})


def _missing_models(records: Sequence[Record]) -> dict[str, int]:
    """Return how many intact streams need each model that is not installed."""
    from vqcodec.codec.zoo import is_installed

    needed = Counter(str(record["fingerprint"]) for record in records if record["ok"])
    return {name: number for name, number in needed.items() if not is_installed(name)}
