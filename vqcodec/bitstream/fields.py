"""Building and parsing of a stream's fields, with bounds checks."""

from collections.abc import Iterator
from contextlib import contextmanager

from vqcodec.errors import CorruptStreamError, TruncatedStreamError


def build_varint(value: int) -> bytes:
    """Return `value`, 0 or more, as 7-bit groups, lowest first; bit 7 marks that more follow."""
    groups = bytearray()
    while value >= 0x80:
        groups.append(value & 0x7F | 0x80)
        value >>= 7
    groups.append(value)
    return bytes(groups)


class FieldReader:
    """Parses the fields of `data` one after the other.

    Every field has a name, for error messages.
    """

    def __init__(self, data: bytes) -> None:
        self.data = data
        self.position = 0  # of the next field

    @property
    def at_end(self) -> bool:
        """Whether all data has been read."""
        return self.position == len(self.data)

    def parse_bytes(self, name: str, length: int) -> bytes:
        """Return the next `length` bytes.

        Raises:
            TruncatedStreamError: fewer bytes are left.
        """
        left = len(self.data) - self.position
        if length > left:
            raise TruncatedStreamError(f"{name}: cut off, only {left} of {length} bytes remain")
        self.position += length
        return self.data[self.position - length : self.position]

    def parse_integer(self, name: str, length: int) -> int:
        """Return an unsigned little-endian integer of `length` bytes.

        Raises:
            TruncatedStreamError: fewer bytes are left.
        """
        return int.from_bytes(self.parse_bytes(name, length), "little")

    def parse_varint(self, name: str, most: int) -> int:
        """Return an integer 0 … `most` that `build_varint` wrote.

        Raises:
            TruncatedStreamError: the data ends within the integer.
            CorruptStreamError: the integer is larger, or written with more bytes than needed.
        """
        value = shift = 0
        while True:
            if self.at_end:
                raise TruncatedStreamError(f"{name}: cut off, no bytes remain")
            group = self.data[self.position]
            self.position += 1
            value |= (group & 0x7F) << shift
            shift += 7
            if value > most:
                raise CorruptStreamError(f"{name}: more than {most}")
            if group < 0x80:
                break
            if shift > most.bit_length():
                raise CorruptStreamError(f"{name}: more bytes than a number up to {most} needs")
        if group == 0 and shift > 7:
            raise CorruptStreamError(f"{name}: not written in as few bytes as possible")
        return value


@contextmanager
def within_section() -> Iterator[None]:
    """Report a field that goes past the end of a section's body as damage.

    The checksum of the section is valid, so the stream was not cut there.

    Raises:
        CorruptStreamError: a field goes past the end.
    """
    try:
        yield
    except TruncatedStreamError as error:
        raise CorruptStreamError(str(error)) from error
