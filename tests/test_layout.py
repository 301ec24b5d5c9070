"""Networks in windows give the same result as in a single run."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.nn import functional

from vqcodec.layout import (
    Geometry,
    at,
    decode_windows,
    encode_windows,
    num_pieces,
    piece_at,
    pieces,
    spans,
)

STEP, TAIL_TRIM = 4, 2
SOUND = Geometry(
    step=STEP, tail_trim=TAIL_TRIM, encoder_reach=2, decoder_reach=2, window=3, segment=100
)
PICTURE = Geometry(step=STEP, tail_trim=0, encoder_reach=1, decoder_reach=1, window=3, segment=100)


@given(st.lists(st.integers(0, 12), min_size=1, max_size=3), st.integers(1, 14))
def test_pieces_cover_every_position_once(grid, size):
    seen = np.zeros(grid, int)
    for piece in pieces(tuple(grid), size):
        assert all(0 < axis.stop - axis.start <= size for axis in piece)
        seen[piece] += 1
    assert (seen == 1).all()


def test_pieces_go_row_by_row():
    corners = [tuple(axis.start for axis in piece) for piece in pieces((4, 5), 3)]
    assert corners == [(0, 0), (0, 3), (3, 0), (3, 3)]


@given(st.lists(st.integers(0, 12), min_size=1, max_size=3), st.integers(1, 14))
def test_a_piece_is_found_by_its_number(grid, size):
    every = list(pieces(tuple(grid), size))
    assert num_pieces(tuple(grid), size) == len(every)
    assert [piece_at(tuple(grid), size, number) for number in range(len(every))] == every


def test_an_empty_grid_has_no_pieces():
    assert spans(0, 3) == []
    assert list(pieces((0,), 3)) == []
    assert list(pieces((4, 0), 3)) == []


def of_arrays(function):
    """The same function, for NumPy arrays."""

    def wrapped(values, *rest):
        return function(torch.from_numpy(values), *rest).numpy()

    return wrapped


@of_arrays
def encode_sound(signal):
    """Sums over three frames; the last frame has TAIL_TRIM fewer samples."""
    frames = functional.pad(signal, (0, TAIL_TRIM)).unfold(2, STEP, STEP).sum(3)
    return functional.conv1d(frames, torch.ones(1, 1, 3, dtype=torch.float64), padding=1)


@of_arrays
def decode_sound(latents, corner=(0,)):
    spread = functional.conv1d(latents, torch.ones(1, 1, 3, dtype=torch.float64), padding=1)
    samples = spread.repeat_interleave(STEP, 2) + torch.arange(STEP).repeat(latents.shape[2])
    return samples[..., : latents.shape[2] * STEP - TAIL_TRIM]


@of_arrays
def encode_picture(signal):
    patches = functional.pixel_unshuffle(signal, STEP)
    kernel = torch.arange(1, 10, dtype=torch.float64).reshape(1, 1, 3, 3).repeat(2, 16, 1, 1)
    return functional.conv2d(patches, kernel, padding=1)


@of_arrays
def decode_picture(latents, corner=(0, 0)):
    kernel = torch.arange(1, 10, dtype=torch.float64).reshape(1, 1, 3, 3).repeat(16, 2, 1, 1)
    return functional.pixel_shuffle(functional.conv2d(latents, kernel, padding=1), STEP)


@pytest.mark.parametrize("frames", [1, 2, 3, 4, 6, 7, 20])
def test_windows_of_a_sound_equal_a_single_run(frames):
    generator = np.random.default_rng(frames)
    length = frames * STEP - TAIL_TRIM
    signal = generator.integers(-9, 9, (1, 1, length)).astype(np.float64)
    latents = encode_windows(encode_sound, lambda place: at(signal, place), (frames,), SOUND)
    assert np.array_equal(latents, encode_sound(signal))
    decoded = np.full((1, 1, length), np.nan)
    for place, part in decode_windows(
        decode_sound, lambda piece: at(latents, piece), (frames,), SOUND
    ):
        assert np.isnan(at(decoded, place)).all()  # nothing is written twice
        at(decoded, place)[...] = part
    assert np.array_equal(decoded, decode_sound(latents))


@pytest.mark.parametrize("grid", [(1, 1), (1, 7), (3, 3), (4, 5), (9, 2)])
def test_windows_of_a_picture_equal_a_single_run(grid):
    generator = np.random.default_rng(grid)
    size = tuple(STEP * length for length in grid)
    signal = generator.integers(0, 9, (1, 1, *size)).astype(np.float64)
    latents = encode_windows(encode_picture, lambda place: at(signal, place), grid, PICTURE)
    assert np.array_equal(latents, encode_picture(signal))
    decoded = np.full((1, 1, *size), np.nan)
    for place, part in decode_windows(
        decode_picture, lambda piece: at(latents, piece), grid, PICTURE
    ):
        assert np.isnan(at(decoded, place)).all()
        at(decoded, place)[...] = part
    assert np.array_equal(decoded, decode_picture(latents))


def test_a_region_equals_that_part_of_the_whole():
    generator = np.random.default_rng(0)
    signal = generator.integers(0, 9, (1, 1, 9 * STEP, 8 * STEP)).astype(float)
    region = (slice(2, 7), slice(3, 8))
    latents = encode_picture(signal)
    found = encode_windows(encode_picture, lambda place: at(signal, place), (9, 8), PICTURE, region)
    assert np.array_equal(found, at(latents, region))
    decoded, seen = decode_picture(latents), np.zeros((9 * STEP, 8 * STEP))
    for place, part in decode_windows(
        decode_picture, lambda piece: at(latents, piece), (9, 8), PICTURE, region
    ):
        assert np.array_equal(part, at(decoded, place))
        seen[place] += 1
    assert seen.sum() == at(seen, (slice(8, 28), slice(12, 32))).sum() == 20 * 20


def test_a_decoder_gets_the_first_position_of_its_latents():
    corners = []

    def decode(latents, corner):
        corners.append((corner, latents.shape[2:]))
        return decode_picture(latents)

    list(decode_windows(decode, lambda place: at(np.ones((1, 2, 4, 5)), place),
                        (4, 5), PICTURE))  # fmt: skip
    # windows begin at 0 and 3 and are extended by one position on each side
    assert corners == [
        ((0, 0), (4, 4)), ((0, 2), (4, 3)), ((2, 0), (2, 4)), ((2, 2), (2, 3)),
    ]  # fmt: skip
