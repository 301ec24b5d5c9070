"""A colour description is kept, or applied with a note; never dropped silently."""

import io
import struct

import numpy as np
import pytest
from input_files import padded_profile, picture, pixels, png_with, srgb_profile
from PIL import Image, ImageCms

from vqcodec.errors import InputError
from vqcodec.signals.icc_profiles import build_profile, refuse_huge_profile
from vqcodec.signals.options import ReadOptions
from vqcodec.signals.picture_files import read_picture

RAMP = Image.fromarray(np.repeat(np.arange(256, dtype=np.uint8)[None, :, None], 3, axis=2))
SRGB = (0.3127, 0.3290, 0.64, 0.33, 0.30, 0.60, 0.15, 0.06)
P3 = (0.3127, 0.3290, 0.68, 0.32, 0.265, 0.69, 0.15, 0.06)


def read(data, **options):
    return read_picture(io.BytesIO(data), options=ReadOptions(**options))


def codes(picture):
    return [note.code for note in picture.notes]


def gama(value):
    return b"gAMA", round(value * 100_000).to_bytes(4, "big")


def chrm(values):
    return b"cHRM", struct.pack(">8I", *(round(value * 100_000) for value in values))


def cicp(primaries, transfer):
    return b"cICP", bytes([primaries, transfer, 0, 1])


def to_srgb(picture):
    """Return the pixels as a screen shows them, by LittleCMS."""
    source = ImageCms.ImageCmsProfile(io.BytesIO(picture.icc_profile))
    target = ImageCms.createProfile("sRGB")
    return np.array(ImageCms.profileToProfile(Image.fromarray(picture.pixels), source, target), int)


def test_a_linear_gamma_is_converted():
    result = read(png_with(gama(1.0), image=RAMP))
    assert codes(result) == ["colour-converted"]
    values = np.arange(256) / 255
    expected = np.where(values <= 0.0031308, 12.92 * values, 1.055 * values ** (1 / 2.4) - 0.055)
    assert np.abs(result.pixels[0, :, 0] - 255 * expected).max() <= 0.51
    grey = read(png_with(gama(1.0), image=RAMP.convert("L")))
    assert np.array_equal(grey.pixels[0, :, 0], result.pixels[0, :, 0])


@pytest.mark.parametrize("chunks", [[gama(1 / 2.2)], [gama(1 / 2.2), chrm(SRGB)], [chrm(SRGB)]])
def test_a_gamma_that_means_srgb_changes_nothing(chunks):
    result = read(png_with(*chunks, image=RAMP))
    assert np.array_equal(result.pixels, np.array(RAMP))
    assert result.icc_profile is None
    assert not result.notes


def test_srgb_takes_precedence_over_gamma():
    result = read(png_with(gama(1.0), (b"sRGB", b"\0"), image=RAMP))
    assert np.array_equal(result.pixels, np.array(RAMP))


@pytest.mark.parametrize("chunks", [[chrm(P3), gama(1 / 2.2)], [cicp(12, 13)]])
def test_wide_colours_become_a_profile_that_littlecms_understands(chunks):
    image = Image.fromarray(pixels())
    result = read(png_with(*chunks, image=image))
    assert np.array_equal(result.pixels, np.array(image))
    assert len(result.icc_profile) < 600
    assert not result.notes
    shown = to_srgb(result)
    assert np.abs(shown - result.pixels.astype(int)).mean() > 3


@pytest.mark.parametrize("gamma", [None, 2.2])
def test_a_profile_of_srgb_primaries_is_srgb(gamma):
    profile = build_profile(SRGB, gamma)
    pixels_of_profile = to_srgb(type("P", (), {"icc_profile": profile, "pixels": pixels()}))
    difference = np.abs(pixels_of_profile - pixels().astype(int))
    assert difference.max() <= (2 if gamma is None else 12)
    info = ImageCms.ImageCmsProfile(io.BytesIO(profile))
    assert "colour description" in ImageCms.getProfileDescription(info)


@pytest.mark.parametrize("values", [(0,) * 8, (0.3, 0.3) * 4, (21474.8,) * 8])
def test_invalid_chromaticities_are_noted(values):
    result = read(png_with(chrm(values), image=RAMP))
    assert codes(result) == ["colour-dropped"]
    assert np.array_equal(result.pixels, np.array(RAMP))


@pytest.mark.parametrize("transfer", [16, 18])
def test_high_dynamic_range_is_tone_mapped_with_a_note(transfer):
    result = read(png_with(cicp(9, transfer), image=RAMP))
    assert codes(result) == ["colour-converted"]
    assert "tone-mapped" in result.notes[0].text
    row = result.pixels[0, :, 1].astype(int)
    assert (np.diff(row) >= 0).all()
    assert row[0] == 0
    assert row[-1] >= 254
    if transfer == 16:  # reference white, 203 cd/m², has the value 0.58
        assert 225 <= row[148] <= 245


def test_code_points_that_are_unknown_are_noted():
    assert codes(read(png_with(cicp(10, 17), image=RAMP))) == ["colour-dropped"]
    assert not read(png_with(cicp(1, 13), image=RAMP)).notes


@pytest.mark.parametrize("format", ["JPEG", "TIFF"])
def test_cmyk_is_converted_with_a_note(format):
    image = Image.fromarray(pixels()).convert("CMYK")
    result = read(picture(format, image))
    assert codes(result) == ["colour-converted"]
    assert "plain formula" in result.notes[0].text
    damaged = bytes(16) + b"CMYK" + bytes(112)
    assert codes(read(picture(format, image, icc_profile=damaged))) == ["colour-converted"]


def test_cmyk_with_a_profile_is_converted_by_it(monkeypatch):
    # Pillow makes no CMYK profile: the call shows that a profile is used.
    calls = []

    def convert(image, source, target, *, outputMode):  # noqa: N803 - Pillow's name
        calls.append((image.mode, outputMode))
        return Image.new("RGB", image.size, (1, 2, 3))

    monkeypatch.setattr("vqcodec.signals.icc_profiles.ImageCms.profileToProfile", convert)
    monkeypatch.setattr("vqcodec.signals.icc_profiles.ImageCms.ImageCmsProfile", lambda file: file)
    image = Image.fromarray(pixels()).convert("CMYK")
    result = read(picture("TIFF", image, icc_profile=bytes(16) + b"CMYK" + bytes(112)))
    assert calls == [("CMYK", "RGB")]
    assert result.pixels[0, 0].tolist() == [1, 2, 3]
    assert result.icc_profile is None
    assert result.notes[0].text == "CMYK is converted to sRGB by its profile"


def test_a_large_profile_is_named_and_can_be_left_out():
    data = picture("JPEG", icc_profile=padded_profile(20_000))
    result = read(data)
    assert codes(result) == ["profile-large"]
    assert "20000 bytes" in result.notes[0].text
    assert "--no-icc" in result.notes[0].text
    without = read(data, keep_profile=False)
    assert without.icc_profile is None
    assert codes(without) == ["colour-converted"]
    assert np.abs(without.pixels.astype(int) - result.pixels).max() <= 2  # it was sRGB's
    assert not read(picture(icc_profile=srgb_profile())).notes
    with pytest.raises(InputError, match=r"profile alone takes 20000 bytes.*--no-icc"):
        refuse_huge_profile(result.icc_profile, 2000)
    refuse_huge_profile(result.icc_profile, 20_000)
    refuse_huge_profile(None, 1)


def test_leaving_a_profile_out_converts_the_colours():
    image = Image.fromarray(pixels())
    data = picture("PNG", image, icc_profile=build_profile(P3, None))
    result = read(data, keep_profile=False)
    assert np.array_equal(result.pixels, to_srgb(read(data)))


def test_a_damaged_profile_can_be_left_out():
    data = picture("PNG", icc_profile=bytes(16) + b"RGB " + bytes(112))
    result = read(data, keep_profile=False)
    assert (result.icc_profile, codes(result)) == (None, ["colour-dropped"])


@pytest.mark.parametrize("space", [b"CMYK", b"GRAY"])
def test_a_profile_for_other_channels_is_dropped_with_a_note(space):
    result = read(picture("PNG", icc_profile=bytes(16) + space + bytes(112)))
    assert (result.icc_profile, codes(result)) == (None, ["colour-dropped"])


@pytest.mark.parametrize("gamma", [1, 4_294_967_295])
def test_a_gamma_that_makes_no_sense_changes_no_pixels(gamma):
    picture = read(png_with((b"gAMA", gamma.to_bytes(4, "big"))))
    assert np.array_equal(picture.pixels, read(png_with()).pixels)
    assert [note.code for note in picture.notes] == ["colour-dropped"]


def test_a_narrow_range_is_widened():
    picture = read(png_with((b"cICP", bytes([1, 13, 0, 0]))))
    stored = read(png_with()).pixels.astype(float)
    expected = ((stored - 16) / 219 * 255).clip(0, 255)
    assert np.abs(picture.pixels - expected).max() <= 1
    assert [note.code for note in picture.notes] == ["colour-converted"]
