"""NumPy arrays -> pictures and sounds; for other arrays, a message gives the reason."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from vqcodec.bitstream.header import AudioFacts, ImageFacts
from vqcodec.errors import InputError, UsageError
from vqcodec.signals.picture import Picture
from vqcodec.signals.sound import ROUNDING, AudioClip

_SOUND_INTEGERS = (np.dtype(np.int16), np.dtype(np.int32))


def picture_of_array(array: NDArray[Any]) -> Picture:
    """Return the picture of an array [H, W], or [H, W, C] with C = 1 … 4.

    Two channels are grey and opacity, four are RGB and opacity. Integers have 8 or 16 bits; floats
    are from 0 to 1 and become 16 bits.

    Raises:
        UsageError: the shape, the type or a value is not supported; or the format does not support
            this size.
    """
    array = _plain(array)
    if array.ndim == 2:
        array = array[:, :, None]
    if array.ndim != 3 or array.shape[2] not in (1, 2, 3, 4):
        hint = "; channels come last" if array.ndim == 3 and array.shape[0] in (1, 3, 4) else ""
        raise UsageError(
            f"an array {_shape(array)}: a picture is [H, W], [H, W, 3] or [H, W, 4]{hint}"
            "; a sound needs sample_rate"
        )
    try:
        ImageFacts(width=array.shape[1], height=array.shape[0], grey=False)
    except InputError as error:
        raise UsageError(f"an array {_shape(array)}: {error}") from error
    if np.issubdtype(array.dtype, np.floating):
        array = np.rint(_within(array, 0, "a picture") * 65535).astype(np.uint16)
    elif array.dtype not in (np.uint8, np.uint16):
        raise UsageError(
            f"an array of {array.dtype}: a picture is of uint8, uint16, or floats from 0 to 1"
        )
    if array.shape[2] in (1, 3):
        return Picture(_copy(array))
    pixels, alpha = Picture(_copy(array[:, :, :-1])), Picture(_copy(array[:, :, -1:])).to_8_bits()
    return Picture(pixels.pixels, None if alpha.min() == 255 else alpha[:, :, 0])


def sound_of_array(array: NDArray[Any], sample_rate: int) -> AudioClip:
    """Return the sound of an array of samples [T] or [C, T].

    Floats are from -1 to 1; int16 and int32 use their whole range.

    Raises:
        UsageError: the shape, the type, a value or the rate is not supported.
    """
    array = _plain(array)
    if array.ndim == 1:
        array = array[None]
    if array.ndim != 2:
        raise UsageError(f"an array {_shape(array)}: a sound is [T] or [C, T]")
    try:
        if isinstance(sample_rate, bool) or int(sample_rate) != sample_rate:
            raise UsageError(f"sample_rate: {sample_rate!r} is not a whole number of Hz")
        AudioFacts(
            num_samples=array.shape[1],
            sample_rate=int(sample_rate),
            num_channels=array.shape[0],
            downmixed=False,
        )
    except InputError as error:
        hint = "; channels come first" if array.shape[1] < array.shape[0] else ""
        raise UsageError(f"an array {_shape(array)}: {error}{hint}") from error
    except (TypeError, ValueError, OverflowError) as error:
        raise UsageError(f"sample_rate: {sample_rate!r} is not a number of Hz") from error
    if np.issubdtype(array.dtype, np.floating):
        waveform = _within(array, -1, "a sound")
    elif array.dtype in _SOUND_INTEGERS:
        waveform = array / -float(np.iinfo(array.dtype).min)
    else:
        raise UsageError(
            f"an array of {array.dtype}: a sound is of floats from -1 to 1, int16 or int32"
        )
    return AudioClip(waveform.astype(np.float32), int(sample_rate))


def _plain(array: NDArray[Any]) -> NDArray[Any]:
    """Return an array in the byte order of this machine.

    Raises:
        UsageError: the array is masked: what is under its mask is no value.
    """
    if isinstance(array, np.ma.MaskedArray):
        raise UsageError("a masked array: fill what is masked, as with array.filled(0)")
    return array.astype(array.dtype.newbyteorder("="), copy=False)


def _within(array: NDArray[Any], low: float, what: str) -> NDArray[Any]:
    """Return floats in low … 1; raise UsageError if one is outside."""
    values = array.astype(np.float64 if array.dtype.itemsize > 4 else np.float32)
    if not values.size:
        return values
    least, most = values.min(), values.max()
    if not (low - ROUNDING <= least and most <= 1 + ROUNDING):  # NaN is in no range
        raise UsageError(
            f"an array with values from {least:g} to {most:g}: floats of {what} are from {low} to 1"
        )
    return values.clip(low, 1)


def _copy(array: NDArray[Any]) -> NDArray[Any]:
    """Return a copy, so that the caller may change the original array."""
    return np.array(array, order="C")


def _shape(array: NDArray[Any]) -> str:
    return f"[{', '.join(map(str, array.shape))}]"
