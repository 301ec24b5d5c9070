"""Random damage, and a watch over the processes that read what is damaged."""

from __future__ import annotations

import json
import os
import random
import select
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Callable
from typing import Any

_HANGS_AFTER = 60.0  # seconds without a result


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


def watch(first: int, count: int, seed: int, program: str) -> dict[str, Any]:
    """Have workers of a program read inputs, and return the counts of results and all findings.

    The program takes --work, --first, --count and --seed, and prints a JSON object for each input.
    """
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
