"""Small files of common kinds, made here: each function returns bytes."""

import io
import struct
import zlib

import numpy as np
import soundfile
from PIL import Image, ImageCms

from vqcodec.signals.mpeg_frames import parse_frame_header
from vqcodec.signals.ogg_pages import page_checksum

RATE = 16_000
N = 20_000  # samples of most sounds


def noisy_tone(num_samples=N, num_channels=1, rate=RATE, seed=0):
    rng = np.random.default_rng(seed)
    times = np.arange(num_samples)[:, None] / rate
    tone = 0.3 * np.sin(2 * np.pi * 440 * times) + 0.02 * rng.standard_normal((1, num_channels))
    return (tone + 0.02 * rng.standard_normal((num_samples, num_channels))).astype(np.float32)


def sound(format="WAV", subtype=None, samples=None, rate=RATE, **options):
    file = io.BytesIO()
    samples = noisy_tone(rate=rate) if samples is None else samples
    with soundfile.SoundFile(
        file, "w", rate, samples.shape[1], format=format, subtype=subtype, **options
    ) as target:
        for start in range(0, len(samples), 4000):  # so that Ogg has several pages
            target.write(samples[start : start + 4000])
    return file.getvalue()


def replaced(data, at, value):
    return data[:at] + value + data[at + len(value) :]


def mp3_frames(data):
    """Return the frames of an MP3 of our own making, its tag first."""
    frames, at = [], 0
    while (found := parse_frame_header(data, at)) is not None:
        frames.append(data[at : at + found[1]])
        at += found[1]
    return frames


def mp3(num_samples=44_100 * 2, mode="VARIABLE", **options):
    samples = options.pop("samples", None)
    if samples is None:
        # First quiet, then loud: an estimate from the first frames is wrong.
        samples = noisy_tone(num_samples, rate=44_100)
        samples[num_samples // 4 :] += 0.3 * np.random.default_rng(1).standard_normal(
            samples[num_samples // 4 :].shape
        ).astype(np.float32)
    return sound("MP3", samples=samples.clip(-0.9, 0.9), rate=44_100, bitrate_mode=mode, **options)


def mp3_without_tag(**options):
    return b"".join(mp3_frames(mp3(**options))[1:])


def mp3_in_wav():
    frames = mp3_without_tag()
    form = struct.pack("<HHIIHHHHIHHH", 0x55, 1, 44_100, 16_000, 1, 0, 12, 1, 2, 1152, 1, 1393)
    body = b"WAVE" + chunk(b"fmt ", form) + chunk(b"fact", struct.pack("<I", 1000))
    body += chunk(b"data", frames)
    return b"RIFF" + struct.pack("<I", len(body)) + body


def chunk(name, content):
    return name + struct.pack("<I", len(content)) + content + bytes(len(content) % 2)


def id3(size=300):
    return (
        b"ID3\x04\0\0" + bytes([0, 0, size >> 7, size & 0x7F]) + b"\xff\xfb\x90\x44" * (size // 4)
    )


def flac_with_length(num_samples, data=None):
    data = sound("FLAC") if data is None else data
    packed = int.from_bytes(data[18:26], "big") >> 36 << 36 | num_samples
    return replaced(data, 18, packed.to_bytes(8, "big"))


def ogg_pages(data):
    """Return where pages begin."""
    starts, at = [], 0
    while at < len(data):
        starts.append(at)
        lengths = data[at + 27 : at + 27 + data[at + 26]]
        at += 27 + len(lengths) + sum(lengths)
    return starts


def ogg_with_granule(data, number, granule):
    """Return an Ogg file with another position in one of its pages."""
    starts = [*ogg_pages(data), len(data)]
    page = bytearray(data[starts[number] : starts[number + 1]])
    page[6:14] = granule.to_bytes(8, "little")
    page[22:26] = bytes(4)
    page[22:26] = page_checksum(bytes(page)).to_bytes(4, "little")
    return replaced(data, starts[number], bytes(page))


def flac_frames(data, start):
    """Return the frames of a FLAC file of one block size, from a position on."""
    sync, starts, at = data[start : start + 4], [], start
    while at >= 0:
        starts.append(at)
        at = data.find(sync + bytes([len(starts)]), at + 1)
    return [data[a:b] for a, b in zip(starts, [*starts[1:], len(data)], strict=True)]


def ogg_of_packets(packets, last_granule):
    """Return one Ogg stream with these packets, each on pages of its own."""
    pages = []
    for number, packet in enumerate(packets):
        lengths = [255] * (len(packet) // 255) + [len(packet) % 255]
        for start in range(0, len(lengths), 255):
            part = lengths[start : start + 255]
            body = packet[255 * start : 255 * start + sum(part)]
            is_last = number == len(packets) - 1 and start + 255 >= len(lengths)
            flags = (start > 0) | 2 * (not pages) | 4 * is_last
            granule = last_granule if is_last else 0
            page = b"OggS\0" + bytes([flags]) + granule.to_bytes(8, "little") + b"vqcd"
            page += len(pages).to_bytes(4, "little") + bytes(4) + bytes([len(part), *part]) + body
            page = replaced(page, 22, page_checksum(page).to_bytes(4, "little"))
            pages.append(page)
    return b"".join(pages)


def pixels(height=24, width=40, channels=3, seed=0):
    rng = np.random.default_rng(seed)
    shape = (height, width, channels) if channels > 1 else (height, width)
    return rng.integers(0, 256, shape, np.uint8)


def picture(format="PNG", image=None, **options):
    file = io.BytesIO()
    (Image.fromarray(pixels()) if image is None else image).save(file, format, **options)
    return file.getvalue()


def png_chunk(name, content):
    crc = zlib.crc32(name + content)
    return struct.pack(">I", len(content)) + name + content + struct.pack(">I", crc)


def png_with(*chunks, image=None):
    """Return a PNG with more chunks after its header."""
    data = picture("PNG", image)
    return data[:33] + b"".join(png_chunk(*chunk) for chunk in chunks) + data[33:]


def animation(format="GIF"):
    frames = [Image.new("RGB", (12, 10), (80 * n, 255 - 80 * n, 30)) for n in range(3)]
    return picture(format, frames[0], save_all=True, append_images=frames[1:])


def srgb_profile():
    return ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()


def padded_profile(size):
    """Return sRGB's profile with a large tag that nothing uses."""
    profile = srgb_profile()
    return struct.pack(">I", size) + profile[4:] + bytes(size - len(profile))


POSTSCRIPT = (
    b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 10 10\n%%EndComments\n"
    b"0 0 10 10 rectfill\nshowpage\n%%EOF\n"
)
