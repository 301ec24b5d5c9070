"""Pictures: damage is reported, no program is started, frames and pages are named."""

import io

import numpy as np
import pytest
from input_files import (
    POSTSCRIPT,
    animation,
    picture,
    pixels,
    png_chunk,
    png_with,
    replaced,
)
from PIL import ExifTags, Image, TiffImagePlugin

from vqcodec.errors import InputError, UsageError
from vqcodec.notes import Note, NoteCode, refuse_notes
from vqcodec.signals.files import read_signal
from vqcodec.signals.options import ReadOptions
from vqcodec.signals.picture_files import read_picture, write_picture
from vqcodec.signals.picture_opening import FORMATS
from vqcodec.signals.picture_structure import read_structure


def read(data, name="input", **options):
    return read_picture(io.BytesIO(data), name, options=ReadOptions(**options))


def codes(signal):
    return [note.code for note in signal.notes]


@pytest.mark.parametrize("name", [b"IHDR", b"IDAT", b"IEND", b"gAMA"])
def test_a_wrong_checksum_in_a_png_is_damage(name):
    data = png_with((b"gAMA", (45_455).to_bytes(4, "big")))
    at = data.index(name) + 4 + (name == b"IDAT")
    spoilt = replaced(data, at, bytes([data[at] ^ 1]))
    with pytest.raises(InputError, match=r"checksum|picture"):
        read(spoilt)


def test_every_flipped_bit_in_the_pixels_of_a_png_is_reported():
    data = picture()
    start, stop = data.index(b"IDAT"), data.index(b"IEND") - 8
    for at in range(start, stop, 37):
        with pytest.raises(InputError):
            read(replaced(data, at, bytes([data[at] ^ 4])))


@pytest.mark.parametrize("format", ["PNG", "JPEG", "GIF", "WEBP", "AVIF", "TIFF", "BMP", "PPM"])
@pytest.mark.parametrize("share", [0.5, 0.8, 0.97])
def test_a_picture_that_is_cut_is_refused(format, share):
    data = picture(format, Image.fromarray(pixels(64, 64)))
    with pytest.raises(InputError):
        read(data[: int(len(data) * share)])


def test_a_jpeg_without_its_last_bytes_is_refused():
    data = picture("JPEG")
    with pytest.raises(InputError, match="ends before its end mark"):
        read(data[:-2])
    assert codes(read(data[:-2], salvage=True)) == ["damaged"]
    progressive = picture("JPEG", progressive=True)
    assert not read(progressive).notes
    with pytest.raises(InputError, match="ends before its end mark"):
        read(progressive[:-40])


def test_salvage_reads_the_intact_part():
    data = picture("PNG", Image.fromarray(np.full((64, 64), 200, np.uint8)), compress_level=0)
    cut = read(data[: len(data) // 2], salvage=True)
    assert codes(cut) == ["damaged"]
    assert (cut.pixels[:20] == 200).all()
    at = len(data) // 2
    assert codes(read(replaced(data, at, b"\1"), salvage=True)) == ["damaged"]


@pytest.mark.parametrize("format", ["PNG", "JPEG", "BMP", "AVIF", "JPEG2000"])
def test_bytes_after_a_picture_are_noted(format):
    data = picture(format)
    assert not read(data + bytes(9)).notes
    assert codes(read(data + b"some more bytes")) == ["trailing-bytes"]


@pytest.mark.parametrize("format", ["PNG", "JPEG", "BMP", "AVIF", "WEBP", "GIF"])
def test_a_second_picture_in_a_file_is_noted(format):
    data = picture(format)
    both = read(data + data)
    assert np.array_equal(both.pixels, read(data).pixels)
    assert codes(both) == ["trailing-bytes"]


@pytest.mark.parametrize(
    "tags", [{254: 1, 330: 8}, {50706: b"\1\4\0\0"}], ids=["other raw photos", "DNG"]
)
def test_the_preview_of_a_raw_photo_is_not_taken_for_it(tags):
    directory = TiffImagePlugin.ImageFileDirectory_v2()
    for tag, value in tags.items():
        directory.tagtype[tag] = 1 if isinstance(value, bytes) else 4
        directory[tag] = value
    with pytest.raises(InputError, match="raw photo"):
        read(picture("TIFF", tiffinfo=directory))


@pytest.mark.parametrize("head", [b"P6 2 1 65535\n", b"P6 2 1 256 "])
def test_a_ppm_of_16_bits_becomes_8_with_a_note(head):
    assert codes(read(head + bytes(12))) == ["depth-reduced"]


def test_a_plain_ppm_of_16_bits_becomes_8_with_a_note():
    assert codes(read(b"P3 1 1 65535\n1 2 3\n")) == ["depth-reduced"]
    assert not read(b"P3 1 1 255\n1 2 3\n").notes


def test_a_lab_picture_is_converted_with_a_note():
    data = picture("TIFF", Image.fromarray(pixels(), "LAB"))
    assert codes(read(data)) == ["colour-converted"]


@pytest.mark.parametrize("name", ["photo.eps", "photo.png", "photo", "photo.jpg", "sound.wav"])
@pytest.mark.parametrize("data", [POSTSCRIPT, b"\xc5\xd0\xd3\xc6" + bytes(26) + POSTSCRIPT])
def test_postscript_is_refused_under_any_name(name, data, monkeypatch):
    def start(*arguments, **options):
        raise AssertionError("a program was started")

    monkeypatch.setattr("subprocess.Popen", start)
    with pytest.raises(InputError, match=r"not a picture|neither a sound|as a sound"):
        read_signal(io.BytesIO(data), name)


def test_formats_that_start_programs_are_not_on_the_list():
    Image.init()
    assert not {"EPS", "WMF", "PDF", "FPX", "MIC", "BUFR", "GRIB", "HDF5"} & set(FORMATS)
    assert set(FORMATS) <= set(Image.OPEN)


@pytest.mark.parametrize("format", ["GIF", "PNG", "WEBP"])
def test_further_frames_are_noted_and_can_be_chosen(format):
    data = animation(format)
    first, last = read(data), read(data, frame=2)
    assert codes(first) == codes(last) == ["frames-left-out"]
    assert "2 further frames" in first.notes[0].text
    assert first.pixels[5, 5, 0] < 20
    assert last.pixels[5, 5, 0] > 140
    with pytest.raises(InputError, match=r"--frame 3: it has frames 0 … 2"):
        read(data, frame=3)


def test_further_pages_are_noted_and_can_be_chosen():
    data = animation("TIFF")
    assert codes(read(data)) == ["pages-left-out"]
    assert read(data, frame=1).pixels[0, 0].tolist() == [80, 175, 30]
    with pytest.raises(InputError, match=r"--frame 1: it has frames 0 … 0"):
        read(picture(), frame=1)
    with pytest.raises(UsageError, match="frames count from 0"):
        ReadOptions(frame=-1)


def with_exif(format="JPEG", *, location=False):
    exif = Image.Exif()
    exif[ExifTags.Base.Make] = "maker"
    exif[ExifTags.Base.Orientation] = 6
    if location:
        exif.get_ifd(ExifTags.IFD.GPSInfo)[ExifTags.GPS.GPSLatitude] = (1.0, 2.0, 3.0)
    return picture(format, exif=exif)


def test_metadata_is_dropped_with_a_quiet_note():
    (note,) = read(with_exif()).notes
    assert (note.code, note.quiet) == (NoteCode.METADATA_DROPPED, True)
    assert note.text == "metadata is left out: EXIF"
    (note,) = read(with_exif(location=True)).notes
    assert "with the location" in note.text
    turned = Image.Exif()
    turned[ExifTags.Base.Orientation] = 6
    assert not read(picture("JPEG", exif=turned)).notes  # it is applied


@pytest.mark.parametrize("format", ["JPEG", "PNG", "WEBP", "TIFF"])
def test_metadata_is_kept_without_the_applied_orientation(format):
    kept = read(with_exif(), keep_metadata=True)
    assert set(kept.metadata) == {"exif"}
    assert not kept.notes
    file = io.BytesIO()
    write_picture(kept, file, format)
    exif = Image.open(file).getexif()
    assert exif[ExifTags.Base.Make] == "maker"
    assert ExifTags.Base.Orientation not in exif
    assert read(file.getvalue()).pixels.shape == kept.pixels.shape


def test_text_in_a_png_is_named():
    data = png_with((b"tEXt", b"Comment\0hello"))
    assert "text" in read(data).notes[0].text


def test_a_damaged_picture_writes_nothing_to_stderr(capfd):
    rng = np.random.default_rng(0)
    for options in ({"compression": "tiff_lzw"}, {"compression": "jpeg"}, {}):
        data = picture("TIFF", **options)
        for at in rng.integers(0, len(data), 60):
            spoilt = replaced(data, int(at), rng.bytes(2))[: len(data)]
            try:
                read(spoilt)
            except InputError as error:
                assert "\n" not in str(error)
    captured = capfd.readouterr()
    assert captured.out == captured.err == ""


def test_a_tga_is_known_by_its_name():
    data = picture("TGA")
    assert read(data, "x.tga").width == 40
    with pytest.raises(InputError, match="not a picture"):
        read(data, "x.png")


def test_sixteen_bit_colours_become_8_with_a_note():
    header = b"\0\0\0\2\0\0\0\1\x10\2\0\0\0"  # 2 x 1, 16 bits, RGB
    rows = bytes([0]) + bytes(range(12))
    import zlib

    data = b"\x89PNG\r\n\x1a\n" + png_chunk(b"IHDR", header)
    data += png_chunk(b"IDAT", zlib.compress(rows)) + png_chunk(b"IEND", b"")
    assert codes(read(data)) == ["depth-reduced"]
    deep = Image.fromarray(np.arange(20, dtype=np.uint16).reshape(4, 5))
    assert not read(picture("PNG", deep)).notes


@pytest.mark.parametrize(("flags", "depth"), [(0, 8), (0x40, 10), (0x60, 12)])
def test_the_depth_of_an_avif_is_known(flags, depth):
    data = picture("AVIF")
    at = data.index(b"av1C") + 6
    assert not read(data).notes
    spoilt = replaced(data, at, bytes([data[at] & 0x9F | flags]))
    assert read_structure(io.BytesIO(spoilt)).depth == depth


def test_the_previews_of_a_photo_are_named_quietly():
    first, second = (Image.fromarray(pixels(seed=n)) for n in range(2))
    result = read(picture("MPO", first, save_all=True, append_images=[second]))
    assert [note.quiet for note in result.notes] == [True]
    errors = [np.abs(result.pixels.astype(int) - pixels(seed=n)).mean() for n in range(2)]
    assert errors[0] < 0.8 * errors[1]


def test_notes_become_errors_unless_they_are_quiet():
    quiet = Note(NoteCode.METADATA_DROPPED, "metadata")
    refuse_notes([quiet], "x")
    refuse_notes([], "x")
    loud = Note(NoteCode.ENDS_EARLY, "ends early")
    with pytest.raises(InputError, match=r"^x: refused by --strict: ends early$"):
        refuse_notes([quiet, loud], "x")
    assert str(loud) == "ends early"
