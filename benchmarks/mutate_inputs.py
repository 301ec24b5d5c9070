"""Damages thousands of sounds and pictures, and reads them: only a VqcodecError may be raised.

    python benchmarks/mutate_inputs.py --count 30000 --seed 0

Every input depends only on its number and the seed, so that a finding can be repeated:
`--first N --count 1`. A worker process reads them; it is replaced when it dies or hangs.
"""

from __future__ import annotations

import argparse
import io
import json
import os
import random
import resource
import sys
import time

from mutations import mutate, watch
from original_inputs import build_originals
from result import write_result

from vqcodec.errors import VqcodecError
from vqcodec.signals.files import open_signal
from vqcodec.signals.ogg_pages import page_checksum
from vqcodec.signals.options import ReadOptions
from vqcodec.signals.picture import Picture

_MOST_MEMORY = 4 << 30  # bytes of address space of the worker


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
    result = watch(options.first, options.count, options.seed, __file__)
    print(json.dumps(result, indent=2))
    if options.keep:
        write_result("mutated_inputs", result)
    return 1 if result["findings"] else 0


if __name__ == "__main__":
    sys.exit(main())
