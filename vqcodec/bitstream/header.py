"""The header: the model that a stream needs, and the size of its signal."""

import binascii
from dataclasses import dataclass
from enum import IntEnum

from vqcodec.bitstream.fields import FieldReader, build_varint
from vqcodec.bitstream.limits import (
    MAX_IMAGE_PIXELS,
    MAX_IMAGE_SIDE,
    MAX_NUM_CHANNELS,
    MAX_NUM_SAMPLES,
    MAX_SAMPLE_RATE,
    MIN_SAMPLE_RATE,
)
from vqcodec.errors import CorruptStreamError, InputError, UnsupportedStreamError

MAGIC = b"VQC"
VERSION = 1
FINGERPRINT_BYTES = 4
CRC_BYTES = 2
MAX_SIZE_BYTES = 10

SAMPLE_RATES = {
    0: 8_000,
    1: 11_025,
    2: 12_000,
    3: 16_000,
    4: 22_050,
    5: 24_000,
    6: 32_000,
    7: 44_100,
    8: 48_000,
    9: 88_200,
    10: 96_000,
    11: 176_400,
    12: 192_000,
}
SAMPLE_RATE_FOLLOWS = 255
_SAMPLE_RATE_CODES = {rate: code for code, rate in SAMPLE_RATES.items()}

_GREY = 0b0001
_CHANNELS_MASK = 0b0111
_DOWNMIXED = 0b1000


class Modality(IntEnum):
    """The kind of signal in a stream; the numbers are those of the format."""

    IMAGE = 1
    AUDIO = 2


@dataclass(frozen=True, kw_only=True, slots=True)
class ImageFacts:
    """The size of a picture, in pixels.

    Raises:
        InputError: the format has no picture of this size.
    """

    width: int
    height: int
    grey: bool

    def __post_init__(self) -> None:
        sides_fit = all(1 <= side <= MAX_IMAGE_SIDE for side in (self.width, self.height))
        if not sides_fit or self.width * self.height > MAX_IMAGE_PIXELS:
            raise InputError(
                f"picture: {self.width} x {self.height} pixels, needed sides of "
                f"1 … {MAX_IMAGE_SIDE} and at most {MAX_IMAGE_PIXELS} pixels"
            )


@dataclass(frozen=True, kw_only=True, slots=True)
class AudioFacts:
    """The size of the original sound: samples per channel, sample rate in Hz, channels.

    If `downmixed` is true, the stream codes one channel, the mean of all.

    Raises:
        InputError: the format has no sound of this size.
    """

    num_samples: int
    sample_rate: int
    num_channels: int
    downmixed: bool

    def __post_init__(self) -> None:
        if not 0 <= self.num_samples <= MAX_NUM_SAMPLES:
            raise InputError(f"sound: {self.num_samples} samples, needed 0 … {MAX_NUM_SAMPLES}")
        if not MIN_SAMPLE_RATE <= self.sample_rate <= MAX_SAMPLE_RATE:
            raise InputError(
                f"sound: {self.sample_rate} Hz, needed {MIN_SAMPLE_RATE} … {MAX_SAMPLE_RATE}"
            )
        if not 1 <= self.num_channels <= MAX_NUM_CHANNELS:
            raise InputError(f"sound: {self.num_channels} channels, needed 1 … {MAX_NUM_CHANNELS}")


@dataclass(frozen=True, kw_only=True, slots=True)
class Header:
    """The fields before the sections.

    Args:
        fingerprint: the model's, 4 bytes.
        rate: 0 … 255; the model's quantizer defines its meaning.
        facts: the size of the signal; its class gives the modality.
    """

    fingerprint: bytes
    rate: int
    facts: ImageFacts | AudioFacts

    def __post_init__(self) -> None:
        assert len(self.fingerprint) == FINGERPRINT_BYTES
        assert 0 <= self.rate <= 0xFF

    @property
    def modality(self) -> Modality:
        """The kind of signal in the stream."""
        return Modality.IMAGE if isinstance(self.facts, ImageFacts) else Modality.AUDIO


def build_header(header: Header) -> bytes:
    """Return the header's bytes, CRC included."""
    facts = header.facts
    if isinstance(facts, ImageFacts):
        flags = _GREY * facts.grey
        size = build_varint(facts.width) + build_varint(facts.height)
    else:
        flags = facts.num_channels - 1 | _DOWNMIXED * facts.downmixed
        size = build_varint(facts.num_samples) + _build_sample_rate(facts.sample_rate)
    kind = bytes([header.modality | flags << 4])
    data = MAGIC + bytes([VERSION]) + kind + header.fingerprint + bytes([header.rate]) + size
    return data + _crc(data)


def parse_header(reader: FieldReader) -> Header:
    """Return the header at the start of the data; the reader then stands after the header.

    Raises:
        TruncatedStreamError: the data ends within the header.
        UnsupportedStreamError: the version is unknown, or the modality of an intact header.
        CorruptStreamError: the data is not a stream, or the header is damaged.
    """
    _parse_magic(reader)
    version = reader.parse_integer("header: version", 1)
    if version != VERSION:
        raise UnsupportedStreamError(f"header: format version {version}, needed {VERSION}")
    kind = reader.parse_integer("header: modality", 1)
    fingerprint = reader.parse_bytes("header: fingerprint", FINGERPRINT_BYTES)
    rate = reader.parse_integer("header: rate", 1)
    try:
        facts = _parse_facts(reader, modality=kind & 0b1111, flags=kind >> 4)
    except InputError as error:  # no writer writes such a size
        raise CorruptStreamError(f"header: {error}") from error
    _check_crc(reader)
    return Header(fingerprint=fingerprint, rate=rate, facts=facts)


def _parse_magic(reader: FieldReader) -> None:
    if not MAGIC.startswith(reader.data[: len(MAGIC)]):
        raise CorruptStreamError(
            "header: not a .vqc stream, it does not begin with the bytes 'VQC'"
        )
    reader.parse_bytes("header: magic", len(MAGIC))


def _parse_facts(reader: FieldReader, *, modality: int, flags: int) -> ImageFacts | AudioFacts:
    if modality == Modality.IMAGE:
        if flags & ~_GREY:
            raise CorruptStreamError(f"header: unknown picture flags {flags:#06b}")
        return ImageFacts(
            width=reader.parse_varint("header: width", MAX_IMAGE_SIDE),
            height=reader.parse_varint("header: height", MAX_IMAGE_SIDE),
            grey=bool(flags & _GREY),
        )
    if modality == Modality.AUDIO:
        if flags == _DOWNMIXED:
            raise CorruptStreamError("header: one channel stands for all of one")
        return AudioFacts(
            num_samples=reader.parse_varint("header: number of samples", MAX_NUM_SAMPLES),
            sample_rate=_parse_sample_rate(reader),
            num_channels=(flags & _CHANNELS_MASK) + 1,
            downmixed=bool(flags & _DOWNMIXED),
        )
    _pass_size(reader)
    _check_crc(reader)  # damage is no later format
    raise UnsupportedStreamError(f"header: unknown modality {modality}")


def _pass_size(reader: FieldReader) -> None:
    """Pass over the size of an unknown modality: two numbers, as in every modality.

    A sample rate with its code 255 has the bytes of one varint.
    """
    num_ends = 0
    for _ in range(MAX_SIZE_BYTES):
        num_ends += reader.parse_integer("header: size", 1) < 0x80
        if num_ends == 2:
            return
    raise CorruptStreamError(f"header: damaged, its size has more than {MAX_SIZE_BYTES} bytes")


def _check_crc(reader: FieldReader) -> None:
    crc = _crc(reader.data[: reader.position])
    if reader.parse_bytes("header: CRC", CRC_BYTES) != crc:
        raise CorruptStreamError("header: damaged, its CRC does not match")


def _build_sample_rate(sample_rate: int) -> bytes:
    code = _SAMPLE_RATE_CODES.get(sample_rate)
    if code is not None:
        return bytes([code])
    return bytes([SAMPLE_RATE_FOLLOWS]) + build_varint(sample_rate)


def _parse_sample_rate(reader: FieldReader) -> int:
    code = reader.parse_integer("header: sample rate", 1)
    if code in SAMPLE_RATES:
        return SAMPLE_RATES[code]
    if code != SAMPLE_RATE_FOLLOWS:
        raise CorruptStreamError(f"header: unknown sample rate code {code}")
    sample_rate = reader.parse_varint("header: sample rate", MAX_SAMPLE_RATE)
    if sample_rate in _SAMPLE_RATE_CODES:
        raise CorruptStreamError(f"header: {sample_rate} Hz written out, though it has a code")
    return sample_rate


def _crc(data: bytes) -> bytes:
    return binascii.crc_hqx(data, 0).to_bytes(CRC_BYTES, "little")
