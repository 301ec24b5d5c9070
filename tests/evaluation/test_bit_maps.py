"""Bits by place and time, as pictures and as numbers."""

import io

import numpy as np
import pytest
from PIL import Image, ImageDraw

from vqcodec.bitstream.header import AudioFacts, ImageFacts
from vqcodec.codec.bit_map import BitMap
from vqcodec.evaluation.bit_maps import bits_by_row, bits_by_second, draw_bit_map
from vqcodec.evaluation.palette import PALETTE

MARGIN = 12
COLOURS = np.frombuffer(PALETTE, np.uint8).reshape(256, 3)


def picture_facts(width, height):
    return ImageFacts(width=width, height=height, grey=False)


def sound_facts(num_samples, *, num_channels=1):
    return AudioFacts(
        num_samples=num_samples, sample_rate=8000, num_channels=num_channels, downmixed=False
    )


def map_of(planes, step):
    names = [f"channel {number + 1}" for number in range(len(planes))]
    return BitMap(planes=planes, names=names, step=step)


def drawn(bit_map, facts):
    image = Image.open(io.BytesIO(draw_bit_map(bit_map, facts)))
    assert image.format == "PNG"
    return np.asarray(image)


def test_a_map_shows_each_position_in_its_place():
    plane = np.array([[0.0, 256.0], [0.0, 0.0], [128.0, 0.0]])
    pixels = drawn(map_of(planes=[plane], step=16.0), picture_facts(30, 40))
    found = pixels[MARGIN : MARGIN + 40, MARGIN : MARGIN + 30]
    assert np.all(found[:16, 16:] == COLOURS[255])  # 256 bits on 16 x 16 pixels: 1 bit/pixel
    assert np.all(found[32:, :16] == COLOURS[128])
    assert np.all(found[:32, :16] == COLOURS[0])
    assert np.all(pixels[MARGIN + 40 :, : MARGIN + 30] == 255)  # no position outside the picture


@pytest.mark.parametrize(("width", "height"), [(1, 1), (300, 4000), (2048, 16), (1, 5000)])
def test_a_map_is_as_large_as_the_picture_up_to_a_limit(width, height):
    plane = np.ones((-(-height // 16), -(-width // 16)))
    pixels = drawn(map_of(planes=[plane], step=16.0), picture_facts(width, height))
    scale = min(1.0, 1024 / max(width, height))
    wide, high = (max(1, round(scale * side)) for side in (width, height))
    assert pixels.shape[0] == max(high, 160) + 2 * MARGIN
    shown = (pixels[:, MARGIN : pixels.shape[1] - 140] != 255).any(axis=2)
    assert shown[MARGIN : MARGIN + high, :wide].all()
    assert not shown[MARGIN + high :, :wide].any()


def test_a_picture_without_bits_is_drawn():
    pixels = drawn(map_of(planes=[np.zeros((2, 2))], step=16.0), picture_facts(32, 32))
    assert np.all(pixels[MARGIN : MARGIN + 32, MARGIN : MARGIN + 32] == COLOURS[0])


def test_rows_add_up():
    plane = np.arange(6.0).reshape(2, 3)
    assert bits_by_row(map_of(planes=[plane], step=16.0)) == [3.0, 12.0]


def test_a_frame_across_two_seconds_counts_for_both():
    bit_map = map_of(planes=[np.array([6.0, 4.0, 8.0])], step=0.8)
    (seconds,) = bits_by_second(bit_map, sound_facts(16_500))
    assert seconds == pytest.approx([7.0, 7.0, 4.0])  # the last includes bits after the end


def test_seconds_add_up_to_all_bits():
    planes = [np.random.default_rng(n).random(501) for n in range(3)]
    bit_map = map_of(planes=planes, step=0.01)
    seconds = bits_by_second(bit_map, sound_facts(40_000, num_channels=3))
    assert [len(channel) for channel in seconds] == [5, 5, 5]
    assert np.sum(seconds) == pytest.approx(bit_map.num_bits)


def columns_of(pixels, top):
    """Return the height of the bar in each column of a plot."""
    return (pixels[top : top + 140, 76 : 76 + 880] == (87, 16, 110)).all(axis=2).sum(axis=0)


def test_a_timeline_is_high_where_bits_are():
    frames = np.concatenate([np.zeros(50), np.full(50, 20.0)])
    pixels = drawn(map_of(planes=[frames], step=0.02), sound_facts(16_000))
    heights = columns_of(pixels, 34)
    assert not heights[:439].any()
    assert heights[441:].min() == heights[441:].max() == 140  # 1000 bit/s, the highest tick


def test_each_plane_has_a_plot_on_the_same_scale():
    bit_map = map_of(planes=[np.full(100, 20.0), np.full(100, 10.0)], step=0.02)
    pixels = drawn(bit_map, sound_facts(16_000, num_channels=2))
    heights = [columns_of(pixels, top) for top in (34, 34 + 174)]
    assert heights[0].max() == 140
    assert heights[1].max() == 70


def test_each_plot_has_the_name_of_its_plane(monkeypatch):
    texts = []

    def text(_canvas, _place, text, *_options, **_more):
        texts.append(text)

    monkeypatch.setattr(ImageDraw.ImageDraw, "text", text)
    planes = [np.full(100, 20.0), np.full(100, 10.0)]
    bit_map = BitMap(planes=planes, names=["channels 1 and 2", "channel 3"], step=0.02)
    drawn(bit_map, sound_facts(16_000, num_channels=3))
    assert [text for text in texts if "channel" in text] == [
        "channels 1 and 2, mean 1000 bit/s",
        "channel 3, mean 500 bit/s",
    ]


@pytest.mark.parametrize("num_samples", [0, 1])
def test_an_empty_sound_is_drawn(num_samples):
    planes = [np.ones(1)] * num_samples
    bit_map, facts = map_of(planes=planes, step=0.02), sound_facts(num_samples)
    assert drawn(bit_map, facts).shape == (34 + 140 + 44, 76 + 880 + 24, 3)
    assert bits_by_second(bit_map, facts) == [[1.0]] * num_samples
