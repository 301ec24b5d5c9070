"""Every row of the tables in docs/INPUTS.md, tried."""

import base64
import io
import re
import zlib
from pathlib import Path

import numpy as np
import pytest
from input_files import (
    POSTSCRIPT,
    N,
    animation,
    chunk,
    flac_frames,
    flac_with_length,
    id3,
    mp3,
    mp3_frames,
    mp3_in_wav,
    mp3_without_tag,
    noisy_tone,
    ogg_of_packets,
    ogg_pages,
    ogg_with_granule,
    padded_profile,
    picture,
    pixels,
    png_chunk,
    png_with,
    replaced,
    sound,
    srgb_profile,
)
from PIL import Image
from test_extra_formats import encoded
from test_picture_damage import with_exif

from vqcodec.errors import InputError
from vqcodec.notes import QUIET_CODES, NoteCode
from vqcodec.signals.files import notes_of, read_signal, write_signal
from vqcodec.signals.sound import AudioClip
from vqcodec.signals.sound_tags import build_id3

DOCUMENT = Path(__file__).parents[2] / "docs" / "INPUTS.md"
WAV, FLAC, OGG = sound("WAV"), sound("FLAC"), sound("OGG")
SIZE = WAV.index(b"data") + 4


def flipped(data, at):
    return replaced(data, at, bytes([data[at] ^ 1]))


def junk_between():
    frames = mp3_frames(mp3_without_tag())
    return b"".join([*frames[:9], b"something else", *frames[9:]])


def deep_colours():
    data = b"\x89PNG\r\n\x1a\n" + png_chunk(b"IHDR", b"\0\0\0\2\0\0\0\1\x10\2\0\0\0")
    return data + png_chunk(b"IDAT", zlib.compress(bytes(13))) + png_chunk(b"IEND", b"")


def heic():
    pillow_heif = pytest.importorskip("pillow_heif")
    file = io.BytesIO()
    pillow_heif.from_pillow(Image.fromarray(pixels(64, 64))).save(file)
    return file.getvalue()


SPEEX = (
    "T2dnUwACAAAAAAAAAAAAAAAAAAAAAAskkJsBUFNwZWV4ICAgMS4yLjEAAAAAAAAAAAAAAAAAAAABAAAAUAAAAEAf"
    "AAAAAAAABAAAAAEAAABuDwAAoAAAAAAAAAABAAAAAAAAAAAAAAAAAAAAT2dnUwAAAAAAAAAAAAAAAAAAAQAAANnN"
    "LHsBJwYAAABmZm1wZWcBAAAAFQAAAGVuY29kZXI9TGF2YyBsaWJzcGVleE9nZ1MABPgCAAAAAAAAAAAAAAIAAACy"
    "42MuBQoKCgoKQE+IKuGcpOrCzkBPiFwgrCTqwk5AT4hcIKwk6sJOQE+IXCCsJOrCTkBPiFwgrCTqwk4="
)


def sound_with_tags(format):
    file = io.BytesIO()
    clip = AudioClip(noisy_tone().T.copy(), 16_000, tags=(("TITLE", "Lied"),))
    write_signal(clip, file, format)
    return file.getvalue()


def flac_in_ogg():
    """Return a FLAC file in Ogg pages: its blocks of metadata, then one packet for each frame."""
    size = int.from_bytes(FLAC[5:8], "big")
    blocks, at, is_last = [], 8 + size, False
    while not is_last:
        is_last, length = bool(FLAC[at] & 0x80), 4 + int.from_bytes(FLAC[at + 1 : at + 4], "big")
        blocks.append(FLAC[at : at + length])
        at += length
    first = b"\x7fFLAC\1\0" + len(blocks).to_bytes(2, "big") + FLAC[: 8 + size]
    return ogg_of_packets([first, *blocks, *flac_frames(FLAC, at)], last_granule=N)


def speex():
    """Return 0.1 s of a tone as FFmpeg and libspeex write it: PyAV has no encoder."""
    pytest.importorskip("av")
    return base64.b64decode(SPEEX)


def damaged_aac():
    data = encoded("adts", "aac")
    at = data.index(data[:3], len(data) // 2)
    return replaced(data, at + 7, bytes([0xE0] * 40))


FORMATS = [("WAV", None), ("AIFF", None), ("CAF", None), ("AU", "PCM_16"), ("RF64", None)]
FORMATS += [("W64", None), ("VOC", "PCM_16"), ("NIST", "PCM_16"), ("SVX", "PCM_16")]
PICTURES = ["PNG", "JPEG", "WEBP", "AVIF", "TIFF", "BMP", "GIF", "PPM", "JPEG2000", "ICO", "PCX"]
PICTURES += ["SGI", "DDS", "QOI"]

INPUTS = {  # by row: makes one input, or several
    "MP3 with a length tag": mp3,
    "MP3 without a length tag": mp3_without_tag,
    "MP3 whose tag says too few frames": lambda: replaced(mp3(), tag() + 8, bytes([0, 0, 0, 9])),
    "MP3 that is cut off": lambda: mp3()[:9000],
    "MP3 after zeros or an ID3 tag": lambda: [bytes(500) + mp3(), id3() + mp3()],
    "MP3 files joined to one": lambda: mp3() + mp3(),
    "MP3 files of other channels joined to one": lambda: (
        mp3() + mp3(samples=noisy_tone(20_000, 2, 44_100))
    ),
    "MP3 with other bytes before its first whole frame": lambda: [
        mp3_without_tag()[50:],
        b"HTTP/1.1 200 OK" + mp3_without_tag(),
    ],
    "MP3 with junk between frames": junk_between,
    "MP3 with junk after its end": lambda: mp3() + b"something else",
    "MP3 in WAV": mp3_in_wav,
    "Ogg Vorbis or Opus": lambda: [OGG, sound("OGG", "OPUS")],
    "chained Ogg": lambda: OGG + OGG,
    "chained Ogg with zeros or tags between": lambda: OGG + bytes(999) + b"TAG" + bytes(125) + OGG,
    "chained Ogg of another rate": lambda: OGG + sound("OGG", rate=44_100),
    "Ogg that is cut off": lambda: OGG[:-500],
    "Ogg with a wrong position on its last page": lambda: ogg_with_granule(
        OGG, len(ogg_pages(OGG)) - 1, 3
    ),
    "Ogg with a wrong checksum": lambda: flipped(OGG, ogg_pages(OGG)[-1] + 300),
    "FLAC in Ogg": flac_in_ogg,
    "Speex in Ogg": speex,
    "FLAC": lambda: FLAC,
    "FLAC of unknown length": lambda: flac_with_length(0),
    "FLAC that is cut off": lambda: FLAC[: len(FLAC) // 2],
    "FLAC, WAV or AIFF files joined to one": lambda: [FLAC + FLAC, WAV + WAV, sound("AIFF") * 2],
    "FLAC with a wrong MD5 sum": lambda: flipped(FLAC, 30),
    "WAV, AIFF, CAF, AU, RF64, W64, VOC, SPH, …": lambda: [sound(*kind) for kind in FORMATS],
    "WAV whose length is 0, 0x80000000 or 0xFFFFFFFF": lambda: [
        replaced(WAV, SIZE, bytes(4)),
        replaced(WAV, SIZE, b"\0\0\0\x80"),
        replaced(WAV, SIZE, b"\xff" * 4),
    ],
    "RF64 or BW64 whose length is too large": lambda: [
        name + sound("RF64")[4:-9000] for name in (b"RF64", b"BW64")
    ],
    "WAV whose length is too large": lambda: WAV[: len(WAV) // 2],
    "WAV whose length is too small": lambda: replaced(WAV, SIZE, b"\0\1\0\0"),
    "WAV with chunks after its samples": lambda: WAV + chunk(b"LIST", b"INFO" + bytes(20)),
    "WAV with zeros or tags (ID3, APE) after its samples": lambda: [
        WAV + bytes(99) + b"TAG" + b"Lied".ljust(125, b"\0"),
        WAV + build_id3([("TITLE", "Lied")]),
    ],
    "WAV with samples beyond full scale": lambda: sound("WAV", "FLOAT", 4 * noisy_tone()),
    "WAV with samples that are not numbers": lambda: sound("WAV", "FLOAT", np.nan * noisy_tone()),
    "AAC, M4A, MP4, Matroska, WMA, …": lambda: [
        encoded(*kind) for kind in (("mp4", "aac"), ("adts", "aac"), ("matroska", "aac"))
    ],
    "AAC, MPEG-TS, WMA or WavPack that is cut off": lambda: [
        encoded("adts", "aac")[:-200],
        encoded("mpegts", "aac")[:-1999],
    ],
    "AAC or MP4 with a damaged packet": damaged_aac,
    "Matroska that is cut off": lambda: encoded("matroska", "aac")[:-4000],
    "AVI that is cut off": lambda: encoded("avi", "pcm_s16le")[:-9000],
    "MP4 after which another one was joined": lambda: 2 * encoded("mp4", "aac"),
    "sound with tags, as title and artist": lambda: [
        sound_with_tags(format) for format in ("WAV", "AIFF", "FLAC", "OGG", "MP3")
    ],
    "empty file": lambda: b"",
    "PNG, JPEG, WebP, AVIF, TIFF, BMP, GIF, PPM, JPEG 2000, …": lambda: [
        picture(format) for format in PICTURES
    ],
    "PNG with a wrong checksum": lambda: flipped(picture(), 60),
    "JPEG that is cut off": lambda: picture("JPEG")[:-30],
    "JPEG whose data end early, or have codes that do not exist": lambda: (
        picture("JPEG")[:-90] + b"\xff\xd9"
    ),
    "JPEG with unused bytes before its end mark": lambda: (
        picture("JPEG")[:-2] + bytes(9) + b"\xff\xd9"
    ),
    "picture with bytes after its end": lambda: [
        picture(format) + b"more" for format in ("PNG", "JPEG", "GIF", "WEBP", "PPM")
    ],
    "GIF without its end mark": lambda: picture("GIF")[:-1],
    "animation": lambda: [animation(format) for format in ("GIF", "PNG", "WEBP")],
    "raw photo of a camera (DNG, NEF, ARW)": lambda: picture("TIFF", tiffinfo={50706: 1}),
    "TIFF of several pages": lambda: animation("TIFF"),
    "PostScript": lambda: POSTSCRIPT,
    "PNG, PPM, JPEG 2000 or SGI of 16 bits a colour": lambda: [
        deep_colours(),
        b"P6 2 1 65535 " + bytes(12),
    ],
    "PNG with a gamma that is not sRGB's": lambda: png_with((b"gAMA", (10**5).to_bytes(4, "big"))),
    "PNG with primaries that are not sRGB's": lambda: png_with((b"cICP", bytes([9, 13, 0, 1]))),
    "PNG or AVIF with code points (cICP) for PQ or HLG": lambda: [
        png_with((b"cICP", bytes([9, 16, 0, 1]))),
        png_with((b"cICP", bytes([9, 18, 0, 1]))),
        avif_of_pq(),
    ],
    "PNG with code points (cICP) for a narrow range": lambda: png_with(
        (b"cICP", bytes([1, 13, 0, 0]))
    ),
    "PNG with a gamma that makes no sense": lambda: png_with((b"gAMA", b"\0\0\0\1")),
    "PNG with unknown code points (cICP)": lambda: png_with((b"cICP", bytes([99, 99, 0, 1]))),
    "CMYK": lambda: picture("JPEG", Image.fromarray(pixels()).convert("CMYK")),
    "picture with a large profile": lambda: picture("JPEG", icc_profile=padded_profile(9000)),
    "picture with a profile for other channels": lambda: picture(
        icc_profile=bytes(16) + b"GRAY" + bytes(112)
    ),
    "picture with a damaged profile": lambda: [
        picture("JPEG", icc_profile=srgb_profile()[:200]),
        png_with((b"iCCP", b"name\0\0damaged")),
    ],
    "picture with EXIF": with_exif,
    "HEIC": heic,
}


def tag():
    data = mp3()
    return data.index(b"Xing") if b"Xing" in data else data.index(b"Info")


def avif_of_pq():
    data = picture("AVIF")
    return replaced(data, data.index(b"colrnclx") + 8, bytes([0, 9, 0, 16]))


def rows():
    """Return the rows of both tables of inputs: the kind and the notes."""
    found = {}
    for line in DOCUMENT.read_text(encoding="utf-8").splitlines():
        cells = [cell.strip() for cell in line.strip("|").split(" | ")]
        if line.startswith("|") and len(cells) == 4 and cells[0] != "kind of input":
            found[cells[0]] = cells[3].strip(" |`")
    return found


def test_every_row_is_tried():
    assert list(rows()) == list(INPUTS)


@pytest.mark.parametrize("kind", INPUTS)
def test_an_input_is_read_as_the_document_says(kind):
    made = INPUTS[kind]()
    expected = rows()[kind]
    for data in made if isinstance(made, list) else [made]:
        if expected == "refused":
            with pytest.raises(InputError):
                read_signal(io.BytesIO(data), "input")
            continue
        notes = notes_of(read_signal(io.BytesIO(data), "input"))
        assert [note.code for note in notes] == ([] if expected == "none" else [expected])


def test_every_code_is_explained():
    text = DOCUMENT.read_text(encoding="utf-8")
    explained = dict(re.findall(r"^\| `([a-z-]+)`( \(quiet\))? \|", text, re.MULTILINE))
    assert list(explained) == [code.value for code in NoteCode]
    assert {code for code, quiet in explained.items() if quiet} == set(QUIET_CODES)


def test_the_shortest_sound_of_the_table_is_whole():
    assert read_signal(io.BytesIO(WAV)).num_samples == N
