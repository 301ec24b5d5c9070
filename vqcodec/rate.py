"""Bit rates: bits per second and bits per pixel; the quality that decides them by default."""

DEFAULT_QUALITY = 5.0  # of 1 … 10


def bits_per_second(size_bytes: int, duration_s: float) -> float:
    """Return the mean bit rate of a sound; 0 for a sound without duration."""
    return 8 * size_bytes / duration_s if duration_s > 0 else 0.0


def bits_per_pixel(size_bytes: int, width: int, height: int) -> float:
    """Return the mean bits per pixel; width and height are at least 1."""
    return 8 * size_bytes / (width * height)
