"""Levels: what a progressive stream has in place of segments, each a part of all of them."""

from collections.abc import Sequence

from vqcodec.bitstream.fields import FieldReader, build_varint
from vqcodec.bitstream.limits import MAX_SECTION_BYTES
from vqcodec.errors import CorruptStreamError, TruncatedStreamError


def build_level(payloads: Sequence[bytes]) -> bytes:
    """Return the body of a level out of its payload in each segment, of which there is one or more.

    Each stands after its length, but the last goes on to the end.
    """
    *others, last = payloads
    return b"".join([*(build_varint(len(payload)) + payload for payload in others), last])


def parse_level(body: bytes, num_segments: int) -> list[bytes]:
    """Return the payload of a level in each segment: `build_level` undone.

    Raises:
        CorruptStreamError: the body does not hold so many.
    """
    reader, payloads = FieldReader(body), []
    try:
        for _ in range(num_segments - 1):
            length = reader.parse_varint("level: length", MAX_SECTION_BYTES)
            payloads.append(reader.parse_bytes("level: payload", length))
    except TruncatedStreamError as error:  # of an intact section: no cut
        raise CorruptStreamError(f"{error}, with {num_segments} segments to come") from error
    return [*payloads, body[reader.position :]]
