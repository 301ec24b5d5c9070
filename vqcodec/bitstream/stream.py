"""A whole stream: a header and one or more sections."""

from dataclasses import dataclass

from vqcodec.bitstream.fields import FieldReader
from vqcodec.bitstream.header import Header, build_header, parse_header
from vqcodec.bitstream.limits import MAX_NUM_SECTIONS
from vqcodec.bitstream.sections import Section, Tag, build_section, parse_section
from vqcodec.errors import CorruptStreamError, InputError


@dataclass(frozen=True, slots=True)
class Stream:
    """What a stream says; `sections` also holds the optional ones that this version ignores.

    Raises:
        InputError: more sections than the format holds.
    """

    header: Header
    sections: tuple[Section, ...]

    def __post_init__(self) -> None:
        assert self.sections, "a stream has at least one section"
        if len(self.sections) > MAX_NUM_SECTIONS:
            raise InputError(
                f"stream: {len(self.sections)} sections, "
                f"more than the {MAX_NUM_SECTIONS} of the format"
            )

    @property
    def segments(self) -> tuple[bytes, ...]:
        """The bodies of the segments, in order."""
        return tuple(section.body for section in self.sections if section.tag == Tag.SEGMENT)

    def find(self, tag: int) -> bytes | None:
        """Return the body of the first section with this tag, if there is one."""
        return next((section.body for section in self.sections if section.tag == tag), None)


def build_stream(stream: Stream) -> bytes:
    """Return the stream's bytes; `parse_stream` is the exact inverse."""
    *others, last = stream.sections
    parts = [build_section(section, last=False) for section in others]
    return b"".join([build_header(stream.header), *parts, build_section(last, last=True)])


def parse_stream(data: bytes) -> Stream:
    """Return what a stream says, every CRC checked.

    Raises:
        TruncatedStreamError: the data ends before the last section does.
        UnsupportedStreamError: another version of the format, or a part that this one lacks.
        CorruptStreamError: not a stream, or damaged.
    """
    reader = FieldReader(data)
    header = parse_header(reader)
    sections: list[Section] = []
    last = False
    while not last:
        if len(sections) == MAX_NUM_SECTIONS:
            raise CorruptStreamError(f"stream: more than {MAX_NUM_SECTIONS} sections")
        section, last = parse_section(reader)
        sections.append(section)
    if not reader.at_end:
        raise CorruptStreamError(
            f"stream: {len(data) - reader.position} bytes after the last section"
        )
    return Stream(header, tuple(sections))
