"""Sizes of files in the units that codecs are compared in."""


def bits_per_second(size_bytes: int, duration_s: float) -> float:
    """Return the mean bit rate of a sound; 0 for a sound without duration."""
    return 8 * size_bytes / duration_s if duration_s > 0 else 0.0


def bits_per_pixel(size_bytes: int, width: int, height: int) -> float:
    """Return the mean number of bits for each of the width * height (1 or more) pixels."""
    return 8 * size_bytes / (width * height)
