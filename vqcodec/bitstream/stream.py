"""A whole stream: a header and one or more sections."""

from dataclasses import dataclass

from vqcodec.bitstream.fields import FieldReader
from vqcodec.bitstream.header import Header, build_header, parse_header
from vqcodec.bitstream.limits import MAX_NUM_SECTIONS
from vqcodec.bitstream.sections import Section, Tag, build_section, parse_section
from vqcodec.errors import CorruptStreamError, InputError


@dataclass(frozen=True, slots=True)
class Stream:
    """A header and 1 or more sections, including optional ones that this version ignores.

    Raises:
        InputError: there are more sections than the format allows.
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

    @property
    def levels(self) -> tuple[bytes, ...]:
        """The bodies of the levels, coarsest first; only progressive streams have levels."""
        return tuple(section.body for section in self.sections if section.tag == Tag.LEVEL)

    def find(self, tag: int) -> bytes | None:
        """Return the body of the first section with this tag, or None."""
        return next((section.body for section in self.sections if section.tag == tag), None)


def build_stream(stream: Stream) -> bytes:
    """Return the stream's bytes; the exact inverse of `parse_stream`."""
    *others, last = stream.sections
    parts = [build_section(section, last=False) for section in others]
    return b"".join([build_header(stream.header), *parts, build_section(last, last=True)])


def parse_stream(data: bytes, level: int | None = None) -> Stream:
    """Return the parsed stream; every CRC is checked.

    Args:
        data: the stream.
        level: the last level of a progressive stream to read, 1 or more; later data may be damaged
            or missing.

    Raises:
        TruncatedStreamError: the data ends before the end of the last section.
        UnsupportedStreamError: this version does not know the format's version or a section.
        CorruptStreamError: the data is not a stream, or is damaged.
    """
    reader = FieldReader(data)
    header = parse_header(reader)
    sections: list[Section] = []
    num_levels, last = 0, False
    while not last and num_levels != level:
        if len(sections) == MAX_NUM_SECTIONS:
            raise CorruptStreamError(f"stream: more than {MAX_NUM_SECTIONS} sections")
        try:
            section, last = parse_section(reader)
        except CorruptStreamError as error:
            if not num_levels:
                raise
            raise type(error)(f"{error}; {_whole_levels(num_levels)}") from error
        sections.append(section)
        num_levels += section.tag == Tag.LEVEL
    if last and not reader.at_end:
        raise CorruptStreamError(
            f"stream: {len(data) - reader.position} bytes after the last section"
        )
    return Stream(header, tuple(sections))


def _whole_levels(num_levels: int) -> str:
    """Return advice about the intact levels of a damaged stream, for messages."""
    which = "level 1 is whole" if num_levels == 1 else f"levels 1 to {num_levels} are whole"
    them = "it" if num_levels == 1 else "them"
    return f"{which}, and 'decompress --level {num_levels}' restores {them}"
