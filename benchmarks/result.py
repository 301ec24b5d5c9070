"""The facts that every result file has besides its figures: commit, machine and command."""

from __future__ import annotations

import json
import os
import platform
import shlex
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
_FOLDER = "benchmarks/results"
RESULTS = ROOT / _FOLDER


def write_result(name: str, figures: Mapping[str, Any]) -> Path:
    """Write benchmarks/results/NAME.json and return its path."""
    import onnxruntime

    from vqcodec.cores import num_threads

    result = {
        "commit": _commit(),
        "machine": {
            "cpu": _cpu(),
            "cores": os.cpu_count(),
            "threads": num_threads(),
            "onnxruntime": onnxruntime.__version__,
        },
        "command": _command(),
        **figures,
    }
    path = RESULTS / f"{name}.json"
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps(result, indent=1, allow_nan=False) + "\n", encoding="utf-8")
    print(f"wrote {path.relative_to(ROOT)}")
    return path


def _command() -> str:
    """Return the command line; paths outside the repository are cut to their names."""
    words = [Path(word).name if Path(word).is_absolute() else word for word in sys.argv[1:]]
    return shlex.join(["python", f"benchmarks/{Path(sys.argv[0]).name}", *words])


def _commit() -> str:
    """Return the commit, with "-dirty" if files differ from it; other results may."""
    name = _git("describe", "--always", "--abbrev=10").stdout.strip()
    changed = _git("diff", "--quiet", "HEAD", "--", ":/", f":(exclude,top){_FOLDER}").returncode
    return f"{name}{'-dirty' if changed else ''}" if name else "unknown"


def _git(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = ["git", *arguments]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)


def _cpu() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()
