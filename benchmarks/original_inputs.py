"""Small sounds and pictures of all kinds, to be damaged."""

from __future__ import annotations

import importlib.util
import io
import struct
from typing import Any

import numpy as np
import soundfile
from numpy.typing import NDArray
from PIL import Image, ImageCms

from vqcodec.signals.mpeg_frames import parse_frame_header
from vqcodec.signals.sound import AudioClip
from vqcodec.signals.sound_files import write_clip

_SOUNDS = (
    *(("WAV", "PCM_16"), ("WAV", "PCM_24"), ("WAV", "FLOAT"), ("WAV", "IMA_ADPCM")),
    *(("WAV", "GSM610"), ("WAVEX", "PCM_16"), ("RF64", "PCM_16"), ("W64", "PCM_16")),
    *(("AIFF", "PCM_16"), ("AU", "PCM_16"), ("CAF", "PCM_16"), ("CAF", "ALAC_16")),
    *(("FLAC", "PCM_16"), ("FLAC", "PCM_24"), ("OGG", "VORBIS"), ("OGG", "OPUS")),
    *(("MP3", "MPEG_LAYER_III"), ("VOC", "PCM_16"), ("NIST", "PCM_16"), ("SVX", "PCM_16")),
    *(("MAT4", "PCM_16"), ("MAT5", "PCM_16"), ("PAF", "PCM_16"), ("PVF", "PCM_16")),
    *(("AVR", "PCM_16"), ("IRCAM", "PCM_16"), ("SDS", "PCM_16"), ("XI", "DPCM_16")),
)
_PICTURES = (
    *("PNG", "JPEG", "GIF", "WEBP", "AVIF", "TIFF", "BMP", "PPM", "JPEG2000"),
    *("ICO", "PCX", "SGI", "DDS", "TGA", "QOI"),
)


def build_originals() -> list[tuple[str, bytes]]:
    """Return small files of all kinds that can be written here, each with a name."""
    rng = np.random.default_rng(0)
    tone = 0.3 * np.sin(np.arange(8000) * 0.1) + 0.05 * rng.standard_normal(8000)
    files = []
    for format, subtype in _SOUNDS:
        file = io.BytesIO()
        try:
            soundfile.write(file, tone, 16_000, format=format, subtype=subtype)
        except soundfile.LibsndfileError:
            continue
        files.append((f"sound-{format}-{subtype}", file.getvalue()))
    files += _joined(dict(files)) + _tagged(tone) + _containers(tone)
    colours = rng.integers(0, 256, (24, 40, 3), np.uint8)
    colours[:, 20:] = 200
    picture = Image.fromarray(colours)
    for format in _PICTURES:
        files += _pictures(picture, format)
    return files


def _joined(files: dict[str, bytes]) -> list[tuple[str, bytes]]:
    """Return files of several parts, and files whose writer did not know the length."""
    mp3, ogg = files["sound-MP3-MPEG_LAYER_III"], files["sound-OGG-VORBIS"]
    flac, wav = files["sound-FLAC-PCM_16"], files["sound-WAV-PCM_16"]
    found = parse_frame_header(mp3)
    assert found is not None
    frames = mp3[found[1] :]
    form = struct.pack("<HHIIHHHHIHHH", 0x55, 1, 16_000, 4000, 1, 0, 12, 1, 2, 576, 1, 1393)
    head = b"WAVEfmt " + struct.pack("<I", len(form)) + form + b"data"
    head += struct.pack("<I", len(frames))
    return [
        ("sound-joined.mp3", mp3 + mp3),
        ("sound-without-tag.mp3", frames),
        ("sound-mp3-in.wav", b"RIFF" + struct.pack("<I", len(head) + len(frames)) + head + frames),
        ("sound-id3.mp3", b"ID3\x04\0\0\0\0\0\x20" + bytes(32) + mp3),
        ("sound-chained.ogg", ogg + files["sound-OGG-OPUS"] + ogg),
        ("sound-of-a-pipe.flac", flac[:21] + bytes([flac[21] & 0xF0]) + bytes(20) + flac[42:]),
        ("sound-of-a-pipe.wav", wav[:40] + bytes(4) + wav[44:]),
    ]


def _tagged(tone: NDArray[np.float64]) -> list[tuple[str, bytes]]:
    """Return files with tags."""
    tags = (("TITLE", "Lied"), ("ARTIST", "Sängerin"), ("COMMENT", 50 * "long "))
    clip = AudioClip(tone.astype(np.float32)[None], 16_000, tags=tags)
    files = []
    for format in ("WAV", "AIFF", "FLAC", "OGG", "MP3"):
        write_clip(clip, file := io.BytesIO(), format)
        files.append((f"sound-tagged-{format}", file.getvalue()))
    return files


def _containers(tone: NDArray[np.float64]) -> list[tuple[str, bytes]]:
    """Return files that only PyAV reads, if it is installed."""
    if importlib.util.find_spec("av") is None:
        return []
    import av

    files = []
    kinds = [(format, "aac") for format in ("mp4", "adts", "matroska", "mpegts")]
    for format, codec in (*kinds, ("ogg", "flac")):
        file = io.BytesIO()
        with av.open(file, "w", format=format) as target:
            stream: Any = target.add_stream(codec, rate=16_000, layout="mono")
            frame = av.AudioFrame.from_ndarray(tone.astype(np.float32)[None], "fltp", "mono")
            frame.sample_rate = 16_000
            size = stream.frame_size or 1024
            resampler = av.AudioResampler(stream.format, stream.layout, 16_000, size)
            for part in (*resampler.resample(frame), *resampler.resample(None)):
                target.mux(stream.encode(part))
            for packet in stream.encode(None):
                if packet.size:  # FLAC ends with an empty packet, which Ogg does not take
                    target.mux(packet)
        files.append((f"sound-{format}-{codec}", file.getvalue()))
    return files


def _pictures(picture: Image.Image, format: str) -> list[tuple[str, bytes]]:
    """Return a picture in one format: plain, and with the extras of that format."""
    second = picture.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
    variants: list[tuple[str, Image.Image, dict[str, object]]] = [("rgb", picture, {})]
    if format in ("PNG", "TIFF", "JPEG", "PCX", "SGI", "TGA", "JPEG2000"):
        variants.append(("grey", picture.convert("L"), {}))
    if format in ("PNG", "WEBP", "TIFF", "ICO"):
        variants.append(("alpha", picture.convert("RGBA"), {}))
    if format in ("PNG", "GIF", "WEBP", "TIFF"):
        variants.append(("frames", picture, {"save_all": True, "append_images": [second] * 2}))
    if format == "PNG":
        deep = Image.fromarray(np.arange(960, dtype=np.uint16).reshape(24, 40) * 60)
        variants.append(("deep", deep, {}))
        variants.append(("palette", picture.convert("P"), {}))
    if format in ("PNG", "JPEG", "WEBP", "TIFF", "AVIF"):
        exif = Image.Exif()
        exif[270], exif[274] = "a picture", 6
        profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
        variants.append(("described", picture, {"icc_profile": profile, "exif": exif}))
    if format == "JPEG":
        variants.append(("progressive", picture, {"progressive": True}))
        variants.append(("cmyk", picture.convert("CMYK"), {}))
    if format == "TIFF":
        variants += [(name, picture, {"compression": name}) for name in ("tiff_lzw", "jpeg")]
    files = []
    for name, image, options in variants:
        file = io.BytesIO()
        try:
            image.save(file, format, **options)
        except (OSError, KeyError, ValueError):
            continue
        files.append((f"picture-{format}-{name}.{format.lower()}", file.getvalue()))
    return files
