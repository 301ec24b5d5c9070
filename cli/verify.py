"""`vqcodec verify`: checks whether streams are intact."""

from __future__ import annotations

from .console import Record, display_name, for_each, write_line
from .hints import read_stream
from .options import Inputs, Json, Quiet


def verify(*, inputs: Inputs, quiet: Quiet = False, as_json: Json = False) -> None:
    """Check that streams are complete and undamaged.

    Only checksums are compared; nothing is decoded.
    """
    from vqcodec.codec.inspect import verify as verify_stream

    def verify_input(source: str) -> Record:
        stream = read_stream(source)
        verify_stream(stream)
        if not quiet and not as_json:
            write_line(f"{display_name(source)}: ok")
        return {"size_bytes": len(stream)}

    for_each(inputs, verify_input, as_json=as_json)
