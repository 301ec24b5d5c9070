"""A section of sounds: tags, as title and artist."""

from __future__ import annotations

from collections.abc import Iterable

from vqcodec.bitstream.fields import FieldReader, build_varint, within_section
from vqcodec.bitstream.limits import MAX_NUM_TAGS, MAX_SECTION_BYTES
from vqcodec.errors import CorruptStreamError, UsageError

Tags = tuple[tuple[str, str], ...]


def build_tags(tags: Iterable[tuple[str, str]]) -> bytes:
    """Return the body of names, in upper case, and values.

    Raises:
        UsageError: there are more than a stream can hold.
    """
    texts = [f"{name}={value}".encode() for name, value in tags]
    if len(texts) > MAX_NUM_TAGS:
        raise UsageError(f"{len(texts)} tags, but a stream holds at most {MAX_NUM_TAGS}")
    return b"".join(build_varint(len(text)) + text for text in texts)


def parse_tags(body: bytes) -> Tags:
    """Return names and values: `build_tags` undone.

    Raises:
        CorruptStreamError: the body is not as `build_tags` writes, or has too many entries.
    """
    reader, tags = FieldReader(body), list[tuple[str, str]]()
    with within_section():
        while not reader.at_end:
            if len(tags) == MAX_NUM_TAGS:
                raise CorruptStreamError(f"tags: more than {MAX_NUM_TAGS}")
            size = reader.parse_varint("tags: length", MAX_SECTION_BYTES)
            try:
                text = reader.parse_bytes("tags: text", size).decode()
            except UnicodeDecodeError as error:
                raise CorruptStreamError("tags: not in UTF-8") from error
            name, equals, value = text.partition("=")
            is_name = name and all(" " <= char <= "}" and not char.islower() for char in name)
            if not equals or not is_name:
                raise CorruptStreamError("tags: an entry without a name in upper case")
            tags.append((name, value))
    return tuple(tags)
