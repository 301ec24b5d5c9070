"""Levels: the sections of a progressive stream; a level holds a part of every segment."""

from collections.abc import Sequence

from vqcodec.bitstream.fields import FieldReader, build_varint
from vqcodec.bitstream.limits import MAX_SECTION_BYTES
from vqcodec.errors import CorruptStreamError, TruncatedStreamError


def build_level(payloads: Sequence[bytes]) -> bytes:
    """Return the body of a level from its payloads, one for each of the 1 or more segments.

    A length precedes each payload, except the last payload, which extends to the end.
    """
    *others, last = payloads
    return b"".join([*(build_varint(len(payload)) + payload for payload in others), last])


def parse_level(body: bytes, num_segments: int) -> list[bytes]:
    """Return the payload of a level for each segment; the inverse of `build_level`.

    Raises:
        CorruptStreamError: the body holds fewer payloads than `num_segments`.
    """
    reader, payloads = FieldReader(body), []
    try:
        for _ in range(num_segments - 1):
            length = reader.parse_varint("level: length", MAX_SECTION_BYTES)
            payloads.append(reader.parse_bytes("level: payload", length))
    except TruncatedStreamError as error:  # the section itself is complete
        raise CorruptStreamError(f"{error}; it needs {num_segments} payloads") from error
    return [*payloads, body[reader.position :]]
