"""Tags in the chunks of WAV and AIFF that libsndfile does not report, and those after the file."""

from __future__ import annotations

from typing import BinaryIO

from vqcodec.signals.chunks import MOST_CHUNKS, ByteOrder, is_chunk_name
from vqcodec.signals.sound_tags import FoundTags, parse_id3
from vqcodec.signals.tag_blocks import find_tags, read_tags
from vqcodec.signals.views import length_of, read_at

_LARGEST = 1 << 20  # bytes of a chunk that is parsed
_SAMPLES = (b"data", b"SSND")
_OTHERS = {  # cannot be kept
    b"bext": "bext",
    b"iXML": "iXML",
    b"aXML": "aXML",
    b"_PMX": "XMP",
    b"cart": "cart",
    b"cue ": "cue points",
    b"smpl": "loops",
    b"MARK": "markers",
    b"INST": "loops",
}
_TEXTS = {b"NAME": "TITLE", b"AUTH": "ARTIST", b"(c) ": "COPYRIGHT", b"ANNO": "COMMENT"}
_INFO = {
    b"INAM": "TITLE",
    b"IART": "ARTIST",
    b"ICMT": "COMMENT",
    b"ICOP": "COPYRIGHT",
    b"ICRD": "DATE",
    b"IGNR": "GENRE",
    b"IPRD": "ALBUM",
    b"ITRK": "TRACKNUMBER",
}


def read_chunk_tags(
    file: BinaryIO, start: int, order: ByteOrder, samples: int, *, all_texts: bool
) -> FoundTags:
    """Return the tags of a WAV or AIFF file.

    Args:
        file: open for reading.
        start: the position of its first chunk.
        order: of bytes in sizes.
        samples: the size of the chunk with the samples, corrected.
        all_texts: whether to return the texts that libsndfile reports, too.
    """
    found, position, length = FoundTags(), start, length_of(file)
    for _ in range(MOST_CHUNKS):
        head = read_at(file, position, 8)
        if len(head) < 8 or not is_chunk_name(head[:4]):
            break
        name, size = head[:4], int.from_bytes(head[4:], order)
        if head.startswith(b"TAG"):  # ID3v1 looks like a chunk
            break
        if name in _SAMPLES:
            size = samples
        elif name in (b"id3 ", b"ID3 "):
            found.merge(parse_id3(read_at(file, position + 8, min(size, _LARGEST))))
        elif name in _OTHERS:
            found.leave_out(_OTHERS[name])
        elif all_texts:
            _take_texts(found, name, read_at(file, position + 8, min(size, _LARGEST)))
        if position + 8 + size > length:
            break
        position += 8 + size + size % 2
    tags, _ = find_tags(file, position, length)
    found.merge_missing(read_tags(file, tags))
    return found


def _take_texts(found: FoundTags, name: bytes, content: bytes) -> None:
    if name in _TEXTS:
        found.add(_TEXTS[name], _text(content))
    elif name == b"LIST" and content.startswith(b"INFO"):
        position = 4
        while position + 8 <= len(content):
            size = int.from_bytes(content[position + 4 : position + 8], "little")
            key = _INFO.get(content[position : position + 4])
            if key is not None:
                found.add(key, _text(content[position + 8 : position + 8 + size]))
            position += 8 + size + size % 2


def _text(content: bytes) -> str:
    """Return a text in UTF-8, or in Latin-1 as older programs wrote it."""
    content = content.partition(b"\0")[0]
    try:
        return content.decode()
    except UnicodeDecodeError:
        return content.decode("latin-1")
