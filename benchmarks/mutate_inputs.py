"""Damages thousands of sounds and pictures, and reads them: only a VqcodecError may be raised.

    python benchmarks/mutate_inputs.py --count 30000 --seed 0

Every input depends only on its number and the seed, so that a finding can be repeated:
`--first N --count 1`. A worker process reads them; it is replaced when it dies or hangs.
"""

from __future__ import annotations

import argparse
import importlib.util
import io
import json
import os
import random
import resource
import select
import struct
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from typing import Any

import numpy as np
import soundfile
from numpy.typing import NDArray
from PIL import Image, ImageCms
from result import write_result

from vqcodec.errors import VqcodecError
from vqcodec.signals.files import open_signal
from vqcodec.signals.mpeg_frames import parse_frame_header
from vqcodec.signals.ogg_pages import page_checksum
from vqcodec.signals.options import ReadOptions
from vqcodec.signals.picture import Picture
from vqcodec.signals.sound import AudioClip
from vqcodec.signals.sound_files import write_clip

_HANGS_AFTER = 60.0  # seconds without a result
_MOST_MEMORY = 4 << 30  # bytes of address space of the worker
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


def mutate(data: bytes, rng: random.Random) -> bytes:
    """Return the content with one to four changes."""
    for _ in range(rng.choice((1, 1, 1, 2, 4))):
        data = rng.choice(_CHANGES)(data, rng)
    return data


def _place(data: bytes, rng: random.Random) -> int:
    """Return a position; every second one is within the first bytes, where headers are."""
    return rng.randrange(max(1, min(len(data), 128) if rng.random() < 0.5 else len(data)))


def _flip(data: bytes, rng: random.Random) -> bytes:
    at = _place(data, rng)
    return (
        data[:at]
        + bytes(byte ^ 1 << rng.randrange(8) for byte in data[at : at + 1])
        + data[at + 1 :]
    )


def _set(data: bytes, rng: random.Random) -> bytes:
    at, size = _place(data, rng), rng.choice((1, 2, 4, 8))
    value = rng.choice((b"\0", b"\xff", b"\x7f", b"\x80", rng.randbytes(1))) * size
    return data[:at] + value + data[at + size :]


def _set_number(data: bytes, rng: random.Random) -> bytes:
    at, size = _place(data, rng), rng.choice((2, 4, 8))
    value = rng.randrange(1 << rng.randrange(1, 8 * size + 1))
    return data[:at] + value.to_bytes(size, rng.choice(("little", "big"))) + data[at + size :]


def _cut(data: bytes, rng: random.Random) -> bytes:
    return data[: rng.randrange(len(data) + 1)]


def _remove(data: bytes, rng: random.Random) -> bytes:
    at = _place(data, rng)
    return data[:at] + data[at + rng.randrange(1, 64) :]


def _insert(data: bytes, rng: random.Random) -> bytes:
    at = _place(data, rng)
    return data[:at] + rng.randbytes(rng.randrange(1, 64)) + data[at:]


def _repeat(data: bytes, rng: random.Random) -> bytes:
    at, size = _place(data, rng), rng.randrange(1, 512)
    return data[: at + size] + data[at:]


_CHANGES: tuple[Callable[[bytes, random.Random], bytes], ...] = (
    *(_flip, _flip, _set, _set_number, _set_number),
    *(_cut, _remove, _insert, _repeat),
)


def with_ogg_checksums(data: bytes) -> bytes:
    """Return the content with valid checksums of its Ogg pages, which hide damage otherwise."""
    whole, at = bytearray(data), data.find(b"OggS")
    while at >= 0 and len(data) > at + 27:
        lengths = data[at + 27 : at + 27 + data[at + 26]]
        stop = at + 27 + len(lengths) + sum(lengths)
        whole[at + 22 : at + 26] = bytes(4)
        crc = page_checksum(bytes(whole[at:stop]))
        whole[at + 22 : at + 26] = crc.to_bytes(4, "little")
        at = data.find(b"OggS", stop)
    return bytes(whole)


def read(number: int, seed: int, originals: list[tuple[str, bytes]]) -> dict[str, object]:
    """Read one damaged input and return the result."""
    rng = random.Random(f"{seed}/{number}")
    name, data = originals[rng.randrange(len(originals))]
    data = mutate(data, rng)
    if rng.random() < 0.5:
        data = with_ogg_checksums(data)
    options = ReadOptions(
        salvage=rng.random() < 0.3,
        keep_profile=rng.random() < 0.5,
        keep_metadata=rng.random() < 0.5,
    )
    begin = time.monotonic()
    try:
        signal = open_signal(io.BytesIO(data), name, options=options)
        if not isinstance(signal, Picture):
            length = sum(block.shape[1] for block in signal.blocks())
            if length != signal.num_samples:
                raise AssertionError(f"{length} samples, not {signal.num_samples}")
        result = "noted" if getattr(signal, "notes", ()) else "read"
    except VqcodecError:
        result = "refused"
    except MemoryError:
        result = "memory"
    except Exception as error:  # the finding itself
        result = f"{type(error).__name__}: {error}"
    took = time.monotonic() - begin
    return {"number": number, "name": name, "result": result, "seconds": round(took, 3)}


def work(first: int, count: int, seed: int) -> None:
    """Read inputs and print a line for each."""
    resource.setrlimit(resource.RLIMIT_AS, (_MOST_MEMORY, _MOST_MEMORY))
    channel = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # output of a library is a finding
    originals = build_originals()
    for number in range(first, first + count):
        outcome = read(number, seed, originals)
        outcome["peak_bytes"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
        print(json.dumps(outcome), file=channel, flush=True)


def watch(first: int, count: int, seed: int, program: str = __file__) -> dict[str, Any]:
    """Have workers of a program read inputs, and return the counts of results and all findings."""
    results: Counter[str] = Counter()
    findings: list[object] = []
    peak, slowest, said, number, stop = 0, 0.0, 0, first, first + count
    with tempfile.TemporaryFile() as words:
        while number < stop:
            arguments = [sys.executable, program, "--work", "--first", str(number)]
            arguments += ["--count", str(stop - number), "--seed", str(seed)]
            with subprocess.Popen(
                arguments, stdout=subprocess.PIPE, stderr=words, bufsize=0
            ) as worker:
                assert worker.stdout is not None
                while number < stop:
                    ready, _, _ = select.select([worker.stdout], [], [], _HANGS_AFTER)
                    line = worker.stdout.readline() if ready else b""
                    if not line:
                        findings.append({"number": number, "result": "died" if ready else "hangs"})
                        number += 1
                        break
                    outcome = json.loads(line)
                    if os.fstat(words.fileno()).st_size > said:
                        said = os.fstat(words.fileno()).st_size
                        findings.append(outcome | {"result": "wrote to stdout or stderr"})
                    if outcome["result"] not in ("read", "noted", "refused"):
                        findings.append(outcome)
                    results[outcome["result"] if len(outcome["result"]) < 10 else "other"] += 1
                    peak = max(peak, outcome["peak_bytes"])
                    slowest = max(slowest, outcome["seconds"])
                    number += 1
                worker.kill()
        words.seek(0)
        foreign = words.read(2000).decode(errors="replace")
    return {
        "inputs": count,
        "seed": seed,
        **results,
        "findings": findings,
        "peak_bytes": peak,
        "slowest_s": slowest,
        "foreign_words": foreign,
    }


def main() -> int:
    """Print the results of all inputs, and return 1 if there are findings."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=30_000)
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--keep", action="store_true", help="write benchmarks/results")
    parser.add_argument("--work", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.work:
        work(options.first, options.count, options.seed)
        return 0
    result = watch(options.first, options.count, options.seed)
    print(json.dumps(result, indent=2))
    if options.keep:
        write_result("mutated_inputs", result)
    return 1 if result["findings"] else 0


if __name__ == "__main__":
    sys.exit(main())
