import contextlib
import io
import struct
import zlib

import numpy as np
import pytest
from PIL import Image, ImageCms, ImageOps

from vqcodec.errors import CorruptStreamError, InputError, OutputError, UsageError
from vqcodec.signals.picture import Picture
from vqcodec.signals.picture_files import (
    decode_alpha,
    encode_alpha,
    is_picture,
    picture_of_image,
    read_picture,
    write_picture,
)
from vqcodec.signals.suffixes import PICTURE_FORMATS

LOSSLESS = ["PNG", "WEBP", "TIFF", "BMP", "PPM"]


def noise(*shape, seed=0, dtype=np.uint8):
    return np.random.default_rng(seed).integers(0, np.iinfo(dtype).max + 1, shape, dtype)


def file_of(image, format="PNG", **options):
    file = io.BytesIO()
    image.save(file, format, **options)
    file.seek(0)
    return file


def png_header(width, height):
    body = b"IHDR" + struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    size, crc = struct.pack(">I", 13), struct.pack(">I", zlib.crc32(body))
    return b"\x89PNG\r\n\x1a\n" + size + body + crc + b"\0\0\0\1IDAT"


@pytest.mark.parametrize("format", LOSSLESS)
@pytest.mark.parametrize("shape", [(1, 1), (1, 5), (7, 2), (30, 41)])
def test_a_lossless_format_gives_back_every_pixel(format, shape):
    picture = Picture(noise(*shape, 3))
    file = io.BytesIO()
    write_picture(picture, file, format)
    assert np.array_equal(read_picture(file).pixels, picture.pixels)


@pytest.mark.parametrize("format", ["JPEG", "AVIF"])
def test_a_lossy_format_is_written_at_high_quality(format):
    row = np.linspace(0, 255, 64).astype(np.uint8)
    picture = Picture(np.broadcast_to(row[None, :, None], (48, 64, 3)).copy())
    file = io.BytesIO()
    write_picture(picture, file, format)
    difference = read_picture(file).pixels.astype(int) - picture.pixels
    assert np.abs(difference).max() <= 8


@pytest.mark.parametrize("format", ["PNG", "TIFF", "PPM"])
def test_sixteen_bit_grey_is_kept(format):
    picture = Picture(noise(9, 14, 1, dtype=np.uint16))
    file = io.BytesIO()
    write_picture(picture, file, format)
    back = read_picture(file).pixels
    assert back.dtype == np.uint16
    assert np.array_equal(back, picture.pixels)


def test_sixteen_bits_are_rounded_where_a_format_has_eight():
    picture = Picture(np.array([[[0], [128], [129], [65535]]], dtype=np.uint16))
    file = io.BytesIO()
    write_picture(picture, file, "BMP")
    assert read_picture(file).pixels[0, :, 0].tolist() == [0, 0, 1, 255]


@pytest.mark.parametrize(
    ("mode", "format", "channels"),
    [
        ("1", "PNG", 1),
        ("L", "PNG", 1),
        ("P", "PNG", 3),
        ("RGB", "PNG", 3),
        ("CMYK", "TIFF", 3),
        ("YCbCr", "TIFF", 3),
        ("LAB", "TIFF", 3),
        ("I", "TIFF", 1),
    ],
)
def test_every_mode_becomes_grey_or_rgb(mode, format, channels):
    image = Image.fromarray(noise(5, 8, 3))
    if mode == "LAB":
        profiles = [ImageCms.createProfile(name) for name in ("sRGB", "LAB")]
        image = ImageCms.profileToProfile(image, *profiles, outputMode="LAB")
    picture = read_picture(file_of(image if mode == "LAB" else image.convert(mode), format))
    assert picture.pixels.shape == (5, 8, channels)
    assert picture.alpha is None


def test_a_one_bit_picture_is_black_and_white():
    image = Image.fromarray(np.array([[0, 255]], np.uint8)).convert("1")
    assert read_picture(file_of(image)).pixels[0, :, 0].tolist() == [0, 255]


def test_floats_from_0_to_1_become_16_bit_grey():
    image = Image.fromarray(np.array([[0, 0.5, 1]], np.float32))
    picture = read_picture(file_of(image, "TIFF"))
    assert picture.pixels[0, :, 0].tolist() == [0, 32768, 65535]


@pytest.mark.parametrize("value", [-0.1, 1.5, np.nan, np.inf])
def test_floats_that_are_not_greys_are_refused(value):
    image = Image.fromarray(np.array([[0, value]], np.float32))
    with pytest.raises(InputError, match=r"outside 0 … 1"):
        read_picture(file_of(image, "TIFF"))


def test_integers_that_are_not_greys_are_refused():
    image = Image.fromarray(np.array([[0, 65536]], np.int32))
    with pytest.raises(InputError, match=r"outside 0 … 65535"):
        read_picture(file_of(image, "TIFF"))


@pytest.mark.parametrize("mode", ["LA", "RGBA"])
@pytest.mark.parametrize("format", ["PNG", "TIFF"])
def test_alpha_and_the_colour_below_it_come_back(mode, format):
    picture = Picture(noise(6, 4, 1 if mode == "LA" else 3), noise(6, 4, seed=1))
    file = io.BytesIO()
    write_picture(picture, file, format)
    back = read_picture(file)
    assert np.array_equal(back.pixels, picture.pixels)
    assert np.array_equal(back.alpha, picture.alpha)


def test_alpha_survives_webp_with_the_colour_below_it():
    picture = Picture(noise(6, 4, 3), np.zeros((6, 4), np.uint8))
    file = io.BytesIO()
    write_picture(picture, file, "WEBP")
    back = read_picture(file)
    assert np.array_equal(back.pixels, picture.pixels)
    assert not back.alpha.any()


def test_alpha_that_is_opaque_everywhere_is_none():
    image = Image.fromarray(noise(3, 3, 3)).convert("RGBA")
    assert read_picture(file_of(image)).alpha is None


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_a_grey_declared_transparent_becomes_alpha(dtype):
    image = Image.fromarray(np.array([[7, 8, 7]], dtype))
    picture = read_picture(file_of(image, transparency=7))
    assert picture.pixels[0, :, 0].tolist() == [7, 8, 7]
    assert picture.alpha.tolist() == [[0, 255, 0]]


def test_a_palette_with_a_transparent_entry_becomes_rgb_and_alpha():
    image = Image.fromarray(np.array([[0, 1]], np.uint8), "P")
    image.putpalette([10, 20, 30, 40, 50, 60])
    picture = read_picture(file_of(image, transparency=1))
    assert picture.pixels.tolist() == [[[10, 20, 30], [40, 50, 60]]]
    assert picture.alpha.tolist() == [[255, 0]]


@pytest.mark.parametrize("format", ["PNG", "TIFF", "WEBP", "JPEG", "AVIF"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_a_picture_is_turned_as_exif_says(format, orientation):
    exif = Image.Exif()
    exif[0x0112] = orientation
    image = Image.fromarray(noise(16, 32, 3)).resize((64, 32))
    file = file_of(image, format, exif=exif)
    upright = np.array(ImageOps.exif_transpose(Image.open(file)))
    assert np.array_equal(read_picture(file).pixels, upright)
    assert upright.shape == ((32, 64, 3) if orientation < 5 else (64, 32, 3))


@pytest.mark.parametrize("exif", [b"damaged", b"MM\0*\0\0\0\x08\xff\xff" + bytes(9)])
def test_damaged_exif_does_not_hide_the_picture(exif):
    image = Image.fromarray(noise(8, 8, 3))
    file = file_of(image, exif=b"Exif\0\0" + exif)
    assert np.array_equal(read_picture(file).pixels, np.array(image))


@pytest.mark.parametrize("format", ["PNG", "JPEG", "WEBP", "AVIF", "TIFF"])
def test_a_profile_for_rgb_comes_back(format):
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    file = io.BytesIO()
    write_picture(Picture(noise(16, 16, 3), None, profile), file, format)
    assert read_picture(file).icc_profile == profile


@pytest.mark.parametrize("space", [b"CMYK", b"GRAY", b""])
def test_a_profile_for_something_else_is_dropped(space):
    profile = bytes(16) + space + bytes(112)
    file = file_of(Image.fromarray(noise(4, 4, 3)), icc_profile=profile)
    assert read_picture(file).icc_profile is None


def test_a_profile_of_greys_is_not_given_to_a_format_without_greys():
    profile = bytes(16) + b"GRAY" + bytes(112)
    file = io.BytesIO()
    write_picture(Picture(noise(4, 4, 1), None, profile), file, "WEBP")
    assert "icc_profile" not in Image.open(file).info


@pytest.mark.parametrize("format", ["GIF", "WEBP", "PNG"])
def test_an_animation_gives_its_first_frame(format):
    frames = [Image.new("RGB", (6, 5), colour) for colour in ((255, 0, 0), (0, 0, 255))]
    file = file_of(frames[0], format, save_all=True, append_images=frames[1:])
    assert read_picture(file).pixels[2, 2].tolist()[0] > 250


def test_an_image_of_pillow_is_read_as_a_file_is():
    file = file_of(Image.fromarray(noise(7, 9, 3)), icc_profile=bytes(16) + b"RGB " + bytes(112))
    picture = picture_of_image(Image.open(file))
    assert np.array_equal(picture.pixels, read_picture(file).pixels)
    assert picture.icc_profile == read_picture(file).icc_profile
    with pytest.raises(InputError, match="image: picture: 0 x 3"):
        picture_of_image(Image.new("L", (0, 3)))


def test_a_missing_file_and_a_folder_are_reported(tmp_path):
    with pytest.raises(InputError, match="No such file"):
        read_picture(tmp_path / "none.png")
    with pytest.raises(InputError, match="directory"):
        read_picture(tmp_path)


@pytest.mark.parametrize("content", [b"", b"hello", b"\x89PNG\r\n\x1a\n", b"BM", bytes(100)])
def test_a_file_that_is_not_a_picture_is_reported_with_its_name(content):
    with pytest.raises(InputError, match=r"^this\.png: "):
        read_picture(io.BytesIO(content), "this.png")


@pytest.mark.parametrize(
    ("size", "reason"), [((60000, 60000), "60000 x 60000 pixels"), ((70000, 1), "70000 x 1 pixels")]
)
def test_a_picture_larger_than_the_format_is_refused_unread(size, reason):
    with pytest.raises(InputError, match=reason):
        read_picture(io.BytesIO(png_header(*size)))


@pytest.mark.parametrize("format", ["PNG", "JPEG", "WEBP", "AVIF", "TIFF", "GIF"])
def test_no_damage_raises_another_error(format):
    data = file_of(Image.fromarray(noise(12, 9, 3)), format).getvalue()
    rng = np.random.default_rng(0)
    for length in rng.integers(0, len(data), 60):
        damaged = bytearray(data)
        damaged[length] ^= 1 << int(rng.integers(8))
        for content in (data[:length], bytes(damaged)):
            try:
                read_picture(io.BytesIO(content))
            except InputError as error:
                assert "\n" not in str(error)


def test_looking_for_a_picture_leaves_the_file_where_it_was():
    file = file_of(Image.fromarray(noise(2, 2, 3)))
    assert is_picture(file)
    assert file.tell() == 0
    assert not is_picture(io.BytesIO(b"text"))
    assert is_picture(io.BytesIO(png_header(60000, 60000)))


@pytest.mark.parametrize("format", ["JPEG", "BMP", "PPM"])
def test_transparency_is_never_dropped_silently(format):
    with pytest.raises(UsageError, match="transparency"):
        write_picture(Picture(noise(2, 2, 3), noise(2, 2)), io.BytesIO(), format)


def test_an_unknown_format_is_a_usage_error():
    with pytest.raises(UsageError, match="PNG"):
        write_picture(Picture(noise(2, 2, 3)), io.BytesIO(), "XYZ")


def test_a_format_that_pillow_lacks_is_a_usage_error(monkeypatch):
    Image.init()
    monkeypatch.delitem(Image.SAVE, "AVIF")
    with pytest.raises(UsageError, match="update"):
        write_picture(Picture(noise(2, 2, 3)), io.BytesIO(), "AVIF")


def test_a_picture_too_large_for_a_format_is_an_output_error():
    with pytest.raises(OutputError, match="WEBP"):
        write_picture(Picture(np.zeros((1, 16384, 3), np.uint8)), io.BytesIO(), "WEBP")


def test_a_file_that_cannot_be_written_is_an_output_error(tmp_path):
    path = tmp_path / "file"
    path.touch()
    with path.open("rb") as file, pytest.raises(OutputError):
        write_picture(Picture(noise(2, 2, 3)), file, "PNG")


def test_options_replace_the_usual_ones():
    files = [io.BytesIO(), io.BytesIO()]
    for file, quality in zip(files, (10, 90), strict=True):
        write_picture(Picture(noise(32, 32, 3)), file, "JPEG", {"quality": quality})
    assert len(files[0].getvalue()) < len(files[1].getvalue())


def test_every_suffix_has_a_format_that_pillow_writes():
    Image.init()
    assert set(PICTURE_FORMATS.values()) <= set(Image.SAVE)


@pytest.mark.parametrize("shape", [(1, 1), (1, 300), (17, 31)])
def test_alpha_comes_back_from_its_stream(shape):
    alpha = noise(*shape)
    back = decode_alpha(encode_alpha(alpha), shape[1], shape[0])
    assert back.dtype == np.uint8
    assert np.array_equal(back, alpha)


def test_alpha_of_another_size_or_kind_is_refused():
    alpha = encode_alpha(noise(4, 6))
    others = [
        (alpha, 4, 6),
        (file_of(Image.fromarray(noise(6, 4, 3))).getvalue(), 4, 6),
        (file_of(Image.fromarray(noise(6, 4)), "BMP").getvalue(), 4, 6),
        (png_header(4, 6), 4, 6),
    ]
    for data, width, height in others:
        with pytest.raises(CorruptStreamError):
            decode_alpha(data, width, height)


def test_damaged_alpha_raises_no_other_error():
    data = encode_alpha(noise(3, 5))
    for length in range(len(data)):
        for bit in range(8):
            damaged = bytearray(data)
            damaged[length] ^= 1 << bit
            for content in (data[:length], bytes(damaged)):
                with contextlib.suppress(CorruptStreamError):
                    assert decode_alpha(content, 5, 3).shape == (3, 5)
