import pytest

from vqcodec.rate import bits_per_pixel, bits_per_second


def test_1000_bytes_in_8_seconds_are_1000_bits_per_second():
    assert bits_per_second(1000, 8.0) == pytest.approx(1000.0)


def test_a_sound_without_duration_has_no_bit_rate():
    assert bits_per_second(22, 0.0) == 0.0


def test_a_byte_for_four_pixels_is_2_bits_per_pixel():
    assert bits_per_pixel(6, 4, 6) == pytest.approx(2.0)
    assert bits_per_pixel(30, 1, 1) == pytest.approx(240.0)
