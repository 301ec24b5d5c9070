"""Damages thousands of streams, and decodes them: only a VqcodecError may be raised.

    python benchmarks/mutate_streams.py --count 3000 --seed 0

Every stream depends only on its number and the seed. Half of the streams get valid checksums after
the damage, so that it passes the checks; half are salvaged. A worker process restores
them; it is replaced when it dies or hangs.
"""

from __future__ import annotations

import argparse
import binascii
import json
import math
import os
import random
import resource
import sys
import time

import numpy as np
from mutations import mutate, watch
from result import write_result

from vqcodec.api import load
from vqcodec.bitstream.fields import FieldReader
from vqcodec.bitstream.header import AudioFacts, ImageFacts, parse_header
from vqcodec.bitstream.salvage import salvage_header
from vqcodec.bitstream.sections import Section, Tag, build_section
from vqcodec.bitstream.stream import build_stream, parse_stream
from vqcodec.codec.model import Model
from vqcodec.errors import UsageError, VqcodecError
from vqcodec.signals.files import notes_of
from vqcodec.signals.picture import Picture
from vqcodec.signals.sound import AudioClip

_MOST_MEMORY = 12 << 30  # bytes of address space of the worker; threads take much of it
_MOST_VALUES = 1 << 23  # samples or pixels that are restored; more takes minutes


def build_originals(models: dict[str, Model]) -> list[tuple[str, bytes]]:
    """Return the streams of small sounds and pictures: the name of the model and the stream."""
    rng = np.random.default_rng(0)
    tone = 0.3 * np.sin(np.arange(16_000) * 0.1) + 0.05 * rng.standard_normal(16_000)
    waveform = np.stack([tone, np.roll(tone, 99)]).astype(np.float32)
    waveform[:, 4000:8000] = 0
    passage = np.concatenate([waveform[:1], waveform[:1] / np.float32(2000)], axis=1)
    sounds = [
        AudioClip(np.tile(passage[:, 8000:], 2), 8000, tags=(("TITLE", "Lied"), ("ARTIST", "x"))),
        AudioClip(waveform[:1], 16_000),
        AudioClip(waveform, 44_100),
        AudioClip(waveform / np.float32(100), 8000),
        AudioClip(waveform[:, :0], 16_000),
    ]
    pixels = rng.integers(0, 256, (48, 80, 3), np.uint8)
    pixels[:, 40:] = 90
    alpha = np.full((48, 80), 200, np.uint8)
    pictures = [
        Picture(pixels),
        Picture(pixels[:, :, :1], alpha=alpha, icc_profile=bytes(300)),
        Picture(pixels, metadata={"exif": bytes(50), "xmp": b"<x/>"}),
    ]
    speech, image = models["speech"], models["image"]
    streams = [("speech", speech.compress(sound)) for sound in sounds]
    streams.append(("speech", speech.compress(sounds[1], separate_channels=True)))
    streams += [("image", image.compress(picture)) for picture in pictures]
    streams.append(("image", image.compress(pictures[0], progressive=True)))
    return streams


def damage(data: bytes, rng: random.Random) -> bytes:
    """Return a damaged stream, with or without valid checksums."""
    if rng.random() < 0.5:
        return mutate(data, rng)
    stream = parse_stream(data)
    reader = FieldReader(data)
    parse_header(reader)
    header = data[: reader.position - 2]
    if rng.random() < 0.3:
        at = rng.randrange(10, len(header))
        header = header[:at] + rng.randbytes(1) + header[at + 1 :]
    header += binascii.crc_hqx(header, 0).to_bytes(2, "little")
    sections = list(stream.sections)
    number = rng.randrange(len(sections))
    section = sections[number]
    body = mutate(section.body, rng) if section.body else rng.randbytes(3)
    tag = rng.choice(list(Tag)) if rng.random() < 0.2 else section.tag
    sections[number] = Section(tag, body)
    if rng.random() < 0.2:
        sections.insert(number, rng.choice(sections))
    if rng.random() < 0.1 and len(sections) > 1:
        sections.pop(rng.randrange(len(sections)))
    *others, last = sections
    parts = [build_section(each, last=False) for each in others]
    return header + b"".join([*parts, build_section(last, last=True)])


def restore(
    number: int, seed: int, originals: list[tuple[str, bytes]], models: dict[str, Model]
) -> dict[str, object]:
    """Restore one damaged stream and return the result."""
    rng = random.Random(f"{seed}/{number}")
    name, data = originals[rng.randrange(len(originals))]
    data = damage(data, rng)
    begin = time.monotonic()
    try:
        salvage, level = rng.random() < 0.5, rng.choice((None, None, None, 1, 2))
        _refuse_large(data, salvage=salvage)
        signal = models[name].open(data, salvage=salvage, level=level)
        if not isinstance(signal, Picture):
            length = sum(block.shape[1] for block in signal.blocks())
            if length != signal.num_samples:
                raise AssertionError(f"{length} samples, not {signal.num_samples}")
        result = "noted" if notes_of(signal) else "read"
    except VqcodecError:
        result = "refused"
    except MemoryError:
        result = "memory"
    except Exception as error:  # the finding itself
        result = f"{type(error).__name__}: {error}"
    took = time.monotonic() - begin
    return {"number": number, "name": name, "result": result, "seconds": round(took, 3)}


def sizes_of(facts: AudioFacts | ImageFacts) -> tuple[int, ...]:
    """Return the samples of a channel, or rows and columns."""
    return (facts.num_samples,) if isinstance(facts, AudioFacts) else (facts.height, facts.width)


def _refuse_large(data: bytes, *, salvage: bool) -> None:
    """Leave out streams that are valid but large: a long time is not a finding."""
    header = salvage_header(data)[0] if salvage else parse_header(FieldReader(data))
    facts = header.facts
    values = math.prod(sizes_of(facts))
    if values > _MOST_VALUES:
        raise UsageError("large")


def work(first: int, count: int, seed: int) -> None:
    """Restore streams and print a line for each."""
    resource.setrlimit(resource.RLIMIT_AS, (_MOST_MEMORY, _MOST_MEMORY))
    channel = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # output of a library is a finding
    models = {name: load(name) for name in ("speech", "image")}
    originals = build_originals(models)
    assert all(build_stream(parse_stream(data)) == data for _, data in originals)
    for number in range(first, first + count):
        outcome = restore(number, seed, originals, models)
        outcome["peak_bytes"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
        print(json.dumps(outcome), file=channel, flush=True)


def main() -> int:
    """Print the results of all streams, and return 1 if there are findings."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=3000)
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--keep", action="store_true", help="write benchmarks/results")
    parser.add_argument("--work", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.work:
        work(options.first, options.count, options.seed)
        return 0
    result = watch(options.first, options.count, options.seed, program=__file__)
    print(json.dumps(result, indent=2))
    if options.keep:
        write_result("mutated_streams", result)
    return 1 if result["findings"] else 0


if __name__ == "__main__":
    sys.exit(main())
