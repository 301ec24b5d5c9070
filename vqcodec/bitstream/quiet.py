"""Sections of sounds: where they are digitally silent, and how much louder they were coded."""

from collections.abc import Sequence
from dataclasses import dataclass

from vqcodec.bitstream.fields import FieldReader, build_varint, within_section
from vqcodec.bitstream.limits import MAX_NUM_SAMPLES
from vqcodec.errors import CorruptStreamError

MAX_GAIN = 15  # a power of two

Stretches = tuple[range, ...]  # samples, in order, with others between them


@dataclass(frozen=True, slots=True)
class Passage:
    """Samples start … stop - 1 of all channels, coded 2^gain times as loud as the rest."""

    start: int
    stop: int
    gain: int


def build_silence(planes: Sequence[Stretches]) -> bytes:
    """Return the body with the silent stretches of each coded channel."""
    fields = []
    for stretches in planes:
        fields.append(build_varint(len(stretches)))
        position = 0
        for stretch in stretches:
            fields += [build_varint(stretch.start - position), build_varint(len(stretch))]
            position = stretch.stop
    return b"".join(fields)


def parse_silence(body: bytes, num_planes: int, num_samples: int) -> list[Stretches]:
    """Return the silent stretches of each coded channel: `build_silence` undone.

    Raises:
        CorruptStreamError: they are not within the sound, or are not as `build_silence` writes.
    """
    reader, planes = FieldReader(body), []
    with within_section():
        for _ in range(num_planes):
            stretches: list[range] = []
            position = 0
            for _ in range(reader.parse_varint("silence: stretches", MAX_NUM_SAMPLES)):
                gap = reader.parse_varint("silence: gap", MAX_NUM_SAMPLES)
                length = reader.parse_varint("silence: length", MAX_NUM_SAMPLES)
                start = position + gap
                if not length or (stretches and not gap) or start + length > num_samples:
                    raise CorruptStreamError(f"silence: {length} samples from sample {start} on")
                stretches.append(range(start, start + length))
                position = start + length
            planes.append(tuple(stretches))
    if not reader.at_end:
        raise CorruptStreamError("silence: bytes after the last stretch")
    return planes


def build_gain(gain: int) -> bytes:
    """Return the body that says that samples were multiplied by 2^gain."""
    assert 1 <= gain <= MAX_GAIN
    return bytes([gain])


def parse_gain(body: bytes) -> int:
    """Return by which power of two samples were multiplied: `build_gain` undone.

    Raises:
        CorruptStreamError: it is not one byte, or out of range.
    """
    if len(body) != 1 or not 1 <= body[0] <= MAX_GAIN:
        raise CorruptStreamError(f"gain: {body[:4].hex()}, needed one byte, 1 … {MAX_GAIN}")
    return body[0]


def build_passages(passages: Sequence[Passage]) -> bytes:
    """Return the body with quiet passages, which are in order and do not overlap."""
    fields, position = [], 0
    for passage in passages:
        fields.append(build_varint(passage.start - position))
        fields.append(build_varint(passage.stop - passage.start))
        fields.append(build_gain(passage.gain))
        position = passage.stop
    return b"".join(fields)


def parse_passages(body: bytes, num_samples: int) -> tuple[Passage, ...]:
    """Return the quiet passages: `build_passages` undone.

    Raises:
        CorruptStreamError: they are not within the sound, or a gain is out of range.
    """
    reader, passages, position = FieldReader(body), list[Passage](), 0
    with within_section():
        while not reader.at_end:
            start = position + reader.parse_varint("passages: gap", MAX_NUM_SAMPLES)
            length = reader.parse_varint("passages: length", MAX_NUM_SAMPLES)
            gain = parse_gain(reader.parse_bytes("passages: gain", 1))
            position = start + length
            if not length or position > num_samples:
                raise CorruptStreamError(f"passages: {length} samples from sample {start} on")
            passages.append(Passage(start, position, gain))
    return tuple(passages)
