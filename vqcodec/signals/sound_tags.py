"""The tags of a sound file: kept on demand, otherwise left out with a note."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from vqcodec.bitstream.tags import Tags
from vqcodec.notes import Note, NoteCode

# Tags that encoders write about themselves are neither kept nor named in a note.
_OF_ENCODERS = {"ENCODER", "SOFTWARE", "VENDOR", "ENCODED_BY", "ENCODING", "ENCODER_OPTIONS"}
_OF_ENCODERS |= {"MAJOR_BRAND", "MINOR_VERSION", "COMPATIBLE_BRANDS", "DURATION", "HANDLER_NAME"}
_OF_ENCODERS |= {"VENDOR_ID", "ENCODERSETTINGS", "LENGTH"}
_OF_ENCODERS |= {"WAVEFORMATEXTENSIBLE_CHANNEL_MASK"}
_ID3_NAMES = {
    "TIT2": "TITLE",
    "TPE1": "ARTIST",
    "TPE2": "ALBUMARTIST",
    "TALB": "ALBUM",
    "TRCK": "TRACKNUMBER",
    "TPOS": "DISCNUMBER",
    "TDRC": "DATE",
    "TYER": "DATE",
    "TCON": "GENRE",
    "TCOM": "COMPOSER",
    "TCOP": "COPYRIGHT",
    "TLAN": "LANGUAGE",
    "TSRC": "ISRC",
    "TSSE": "ENCODER",
    "TENC": "ENCODER",
    "TLEN": "LENGTH",
    "COMM": "COMMENT",
    "USLT": "LYRICS",
}
_SHORT_NAMES = {  # of ID3v2.2
    "TT2": "TIT2",
    "TP1": "TPE1",
    "TP2": "TPE2",
    "TAL": "TALB",
    "TRK": "TRCK",
    "TYE": "TYER",
    "TCO": "TCON",
    "TCM": "TCOM",
    "TEN": "TENC",
    "COM": "COMM",
    "ULT": "USLT",
    "PIC": "APIC",
}
_APE_NAMES = {"YEAR": "DATE", "TRACK": "TRACKNUMBER", "DISC": "DISCNUMBER"}
_APE_HEAD_BYTES, _APE_ITEM_BYTES = 32, 8
_APE_IS_TEXT = 0  # by bits 1 and 2 of an item's flags
_ENCODINGS = ("latin-1", "utf-16", "utf-16-be", "utf-8")
_MOST_TAGS = 1000
_MOST_NAMED = 20  # in a note
_LONGEST_NAME = 64  # characters
_LONGEST_VALUE = 1 << 16


@dataclass(slots=True)
class FoundTags:
    """The tags of a file.

    Attributes:
        values: can be kept.
        others: names of what cannot be kept, as pictures: as many as a note tells.
    """

    values: list[tuple[str, str]] = field(default_factory=list)
    others: list[str] = field(default_factory=list)
    _known: set[tuple[str, str]] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        self._known = set(self.values)

    def add(self, name: str, value: str) -> None:
        """Add a tag, unless it is of an encoder, empty or there already."""
        name, value = name.strip().upper(), value.strip("\0 \r\n\t")
        if (name, value) == ("LANGUAGE", "und"):  # what containers write for none
            return
        if not value or name in _OF_ENCODERS or not is_name(name):
            return
        if len(self.values) >= _MOST_TAGS or len(value) > _LONGEST_VALUE:
            self.leave_out(name.lower())
        elif (name, value) not in self._known:
            self._known.add((name, value))
            self.values.append((name, value))

    def leave_out(self, name: str) -> None:
        """Add the name of what cannot be kept."""
        if len(self.others) < _MOST_NAMED and name not in self.others:
            self.others.append(name)

    def merge(self, other: FoundTags) -> None:
        """Add the tags of another part of the file."""
        for name, value in other.values:
            self.add(name, value)
        for name in other.others:
            self.leave_out(name)

    def merge_missing(self, other: FoundTags) -> None:
        """Add the tags of names that are not there yet: ID3v1 cuts off what is long."""
        names = {name for name, _ in self.values}
        self.merge(FoundTags([tag for tag in other.values if tag[0] not in names], other.others))

    def note(self, *, kept: bool) -> list[Note]:
        """Return a quiet note that names what is left out, all tags or only what cannot be kept."""
        names = [] if kept else [name.lower() for name, _ in self.values]
        names = list(dict.fromkeys([*names, *self.others]))[:_MOST_NAMED]
        if not names:
            return []
        return [Note(NoteCode.METADATA_DROPPED, f"metadata is left out: {', '.join(names)}")]


def is_name(name: str) -> bool:
    """Return whether a text in upper case can be a tag's name, as in Vorbis comments."""
    return 0 < len(name) <= _LONGEST_NAME and all(
        " " <= char <= "}" and char != "=" for char in name
    )


def tags_of_mapping(tags: Mapping[str, str]) -> FoundTags:
    """Return the tags that a library has read."""
    found = FoundTags()
    for name, value in tags.items():
        found.add(name, value)
    return found


def parse_comments(block: bytes) -> FoundTags:
    """Return the tags in a block of Vorbis comments, as in FLAC, Vorbis and Opus."""
    position = 4 + int.from_bytes(block[:4], "little")
    count = int.from_bytes(block[position : position + 4], "little")
    position += 4
    found = FoundTags()
    for _ in range(min(count, _MOST_TAGS)):
        size = int.from_bytes(block[position : position + 4], "little")
        comment = block[position + 4 : position + 4 + size]
        name, equals, value = comment.partition(b"=")
        if not equals:
            break
        text = name.decode("ascii", "replace")
        if text.upper() == "METADATA_BLOCK_PICTURE":
            found.leave_out("picture")
        elif len(comment) < size:  # the block was cut off
            found.leave_out(text.lower())
        else:
            found.add(text, value.decode("utf-8", "replace"))
        position += 4 + size
    return found


def parse_id3(tag: bytes) -> FoundTags:
    """Return the tags in an ID3v2 tag (id3.org, versions 2.2 to 2.4)."""
    found = FoundTags()
    if len(tag) < 10 or not tag.startswith(b"ID3"):
        return found
    version, flags, position = tag[3], tag[5], 10
    name_size, head = (3, 6) if version == 2 else (4, 10)
    if flags & 0x80 and version < 4:
        tag = tag[:10] + _synchronised(tag[10:])
    if flags & 0x40 and version > 2:  # an extended header
        more = tag[10:14]
        position += _syncsafe(more) if version == 4 else 4 + int.from_bytes(more, "big")
    for _ in range(_MOST_TAGS):
        name = tag[position : position + name_size]
        if len(tag) < position + head or not name.isalnum():
            break
        size_field = tag[position + name_size : position + 2 * name_size]
        size = _syncsafe(size_field) if version == 4 else int.from_bytes(size_field, "big")
        content = tag[position + head : position + head + size]
        position += head + size
        key = name.decode("ascii")
        _add_id3_frame(found, _SHORT_NAMES.get(key, key), content)
    return found


def _add_id3_frame(found: FoundTags, key: str, content: bytes) -> None:
    if key == "APIC":
        found.leave_out("picture")
    elif key in ("COMM", "USLT"):  # encoding, language, description, text
        *_, text = _id3_texts(content[:1] + content[4:])
        found.add(_ID3_NAMES[key], text)
    elif key == "TXXX":
        name, *values = _id3_texts(content)
        for value in values:
            found.add(name, value)
    elif key.startswith("T"):
        for value in _id3_texts(content):
            found.add(_ID3_NAMES.get(key, key), value)
    else:
        found.leave_out(key)


def _id3_texts(content: bytes) -> list[str]:
    """Return the texts of a frame: a byte names their encoding, zeros separate them."""
    if not content or content[0] >= len(_ENCODINGS):
        return [""]
    text = content[1:].decode(_ENCODINGS[content[0]], "replace")
    return [part.removeprefix("\ufeff") for part in text.rstrip("\0").split("\0")]


def _syncsafe(data: bytes) -> int:
    """Return a number of 7 bits a byte."""
    value = 0
    for byte in data:
        value = value << 7 | byte & 0x7F
    return value


def _synchronised(data: bytes) -> bytes:
    return data.replace(b"\xff\0", b"\xff")


def parse_id3_v1(data: bytes) -> FoundTags:
    """Return the tags in the last 128 bytes of a file, if they are an ID3v1 tag."""
    found = FoundTags()
    if len(data) == 128 and data.startswith(b"TAG"):
        fields = (("TITLE", 3, 33), ("ARTIST", 33, 63), ("ALBUM", 63, 93), ("DATE", 93, 97))
        for name, start, stop in (*fields, ("COMMENT", 97, 125)):
            found.add(name, data[start:stop].partition(b"\0")[0].decode("latin-1"))
    return found


def parse_ape(tag: bytes) -> FoundTags:
    """Return the tags in an APE tag, from its header, or from its first item if it has none."""
    found = FoundTags()
    position = _APE_HEAD_BYTES if tag.startswith(b"APETAGEX") else 0
    for _ in range(_MOST_TAGS):
        head = tag[position : position + _APE_ITEM_BYTES]
        if len(head) < _APE_ITEM_BYTES or head == b"APETAGEX":
            break
        size, flags = int.from_bytes(head[:4], "little"), int.from_bytes(head[4:], "little")
        position += _APE_ITEM_BYTES
        end = tag.find(b"\0", position, position + _LONGEST_NAME + 1)
        if end < 0:
            break
        name = tag[position:end].decode("ascii", "replace").upper()
        content = tag[end + 1 : end + 1 + size]
        position = end + 1 + size
        if flags >> 1 & 3 != _APE_IS_TEXT or len(content) < size:
            found.leave_out("picture" if name.startswith("COVER ART") else name.lower())
            continue
        for value in content.decode("utf-8", "replace").split("\0"):
            found.add(_APE_NAMES.get(name, name), value)
    return found


def build_id3(tags: Tags) -> bytes:
    """Return tags as an ID3v2.4 tag in UTF-8; nothing if there are none."""
    keys = {name: key for key, name in _ID3_NAMES.items() if key not in ("TYER", "TENC")}
    frames = list[bytes]()
    for name, value in tags:
        key, text = keys.get(name, "TXXX"), value.encode()
        if key in ("COMM", "USLT"):
            content = b"\3und\0" + text
        elif key == "TXXX":
            content = b"\3" + name.encode() + b"\0" + text
        else:
            content = b"\3" + text
        frames.append(key.encode() + _as_syncsafe(len(content)) + b"\0\0" + content)
    body = b"".join(frames)
    return b"ID3\4\0\0" + _as_syncsafe(len(body)) + body if body else b""


def _as_syncsafe(value: int) -> bytes:
    return bytes(value >> shift & 0x7F for shift in (21, 14, 7, 0))


def joined(tags: Iterable[tuple[str, str]]) -> dict[str, str]:
    """Return one text for each name; several values are joined."""
    texts: dict[str, list[str]] = {}
    for name, value in tags:
        texts.setdefault(name, []).append(value)
    return {name: "; ".join(values) for name, values in texts.items()}
