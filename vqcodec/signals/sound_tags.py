"""The tags of a sound file: streams leave them out, and a note names them."""

from __future__ import annotations

from collections.abc import Iterable

from vqcodec.notes import Note, NoteCode

# Tags that encoders write about themselves: no note names them.
_OF_ENCODERS = {"encoder", "software", "vendor", "encoded_by", "encoding"}
_ID3_FRAMES = {
    b"TIT2": "title",
    b"TPE1": "artist",
    b"TALB": "album",
    b"TRCK": "tracknumber",
    b"TDRC": "date",
    b"TYER": "date",
    b"TCON": "genre",
    b"COMM": "comment",
    b"USLT": "lyrics",
    b"APIC": "picture",
}


def note_on_tags(names: Iterable[str]) -> list[Note]:
    """Return a quiet note that names the tags of a file, except those of encoders."""
    kept = list(dict.fromkeys(name.lower() for name in names))
    kept = [name for name in kept if name not in _OF_ENCODERS and name.isprintable()]
    if not kept:
        return []
    return [Note(NoteCode.METADATA_DROPPED, f"metadata is left out: {', '.join(kept[:20])}")]


def names_in_id3(tag: bytes) -> list[str]:
    """Return the names of the common frames in an ID3v2 tag."""
    return [name for frame, name in _ID3_FRAMES.items() if frame in tag]


def names_in_comments(block: bytes) -> list[str]:
    """Return the names in a block of Vorbis comments, as in FLAC."""
    position = 4 + int.from_bytes(block[:4], "little")
    count = int.from_bytes(block[position : position + 4], "little")
    position += 4
    names = []
    for _ in range(min(count, 1000)):
        size = int.from_bytes(block[position : position + 4], "little")
        name, equals, _ = block[position + 4 : position + 4 + size].partition(b"=")
        if not equals:
            break
        names.append(name.decode("ascii", "replace"))
        position += 4 + size
    return names
