"""Streams of format version 1 decode to the same indices on all machines and settings."""

from __future__ import annotations

import os
import subprocess
import sys
import tarfile
from pathlib import Path

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parent))

from read import PROGRESSIVE_SUFFIX, read_planes

from vqcodec.bitstream.header import VERSION
from vqcodec.bitstream.stream import build_stream, parse_stream
from vqcodec.errors import CorruptStreamError
from vqcodec.signals.sound import AudioClip

FOLDER = Path(__file__).parent / "v1"
STREAMS = sorted(path.stem for path in FOLDER.glob("*.vqc"))


def enabled_features():
    """The instruction sets that numpy can use on this machine."""
    core = (np._core if hasattr(np, "_core") else np.core)._multiarray_umath
    return " ".join(name for name in core.__cpu_dispatch__ if core.__cpu_features__.get(name))


THREADS = "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"
NUMPY_ENVIRONMENTS = {
    "one-thread": dict.fromkeys(THREADS, "1"),
    "two-threads": dict.fromkeys(THREADS, "2"),
    "oldest-kernels": {"OPENBLAS_CORETYPE": "Prescott"},
    "kernels-without-fma": {"OPENBLAS_CORETYPE": "Sandybridge"},
    "plain-numpy": {"NPY_DISABLE_CPU_FEATURES": enabled_features(), "OPENBLAS_CORETYPE": "Nehalem"},
}
TORCH_ENVIRONMENTS = {
    "oldest": {
        "ONEDNN_MAX_CPU_ISA": "SSE41",
        "MKL_CBWR": "COMPATIBLE",
        "MKL_ENABLE_INSTRUCTIONS": "SSE4_2",
        "ATEN_CPU_CAPABILITY": "default",
        "OPENBLAS_CORETYPE": "Nehalem",
        **dict.fromkeys(THREADS, "1"),
    },
    "newer": {
        "ONEDNN_MAX_CPU_ISA": "AVX2",
        "MKL_CBWR": "AVX2",
        "MKL_ENABLE_INSTRUCTIONS": "AVX2",
        "ATEN_CPU_CAPABILITY": "avx2",
        "OPENBLAS_CORETYPE": "Haswell",
        **dict.fromkeys(THREADS, "2"),
    },
}


def run(arguments, environment):
    subprocess.run(
        [sys.executable, *map(str, arguments)],
        check=True,
        env={**os.environ, **environment},
        timeout=300,
    )


@pytest.mark.parametrize("environment", NUMPY_ENVIRONMENTS.values(), ids=list(NUMPY_ENVIRONMENTS))
def test_every_index_is_the_same_under(environment):
    run([FOLDER.parent / "read.py"], environment)


def test_every_index_is_the_same_in_plain_integers():
    run([FOLDER.parent / "read.py", "int64"], {})


@pytest.fixture(scope="module")
def models_folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("golden")
    with tarfile.open(FOLDER / "models.tar.xz") as archive:
        archive.extractall(folder, filter="data")
    return folder


@pytest.fixture(scope="module")
def models(models_folder):
    from vqcodec.codec.loading import read_model

    loaded = [read_model(path) for path in sorted(models_folder.iterdir())]
    return {model.fingerprint: model for model in loaded}


@pytest.mark.parametrize("environment", TORCH_ENVIRONMENTS.values(), ids=list(TORCH_ENVIRONMENTS))
def test_the_whole_decoder_reads_the_same_indices_under(environment, models_folder):
    code = """
import sys
from pathlib import Path

import numpy as np

from vqcodec.bitstream.stream import parse_stream
from vqcodec.codec.loading import read_model

golden, folder = map(Path, sys.argv[1:])
sys.path.insert(0, str(golden.parent))

from read import read_planes

models = {model.fingerprint: model for model in map(read_model, folder.iterdir())}
for path in golden.glob("*.vqc"):
    stream = path.read_bytes()
    model = models[parse_stream(stream).header.fingerprint.hex()]
    model.decompress(stream)
    for plane, expected in zip(model.indices_of(stream), read_planes(path.stem), strict=True):
        assert np.array_equal(plane, expected), path
"""
    run(["-c", code, FOLDER, models_folder], environment)


@pytest.mark.parametrize("name", STREAMS)
def test_a_golden_stream_decodes_and_is_written_in_one_way(name, models):
    data = (FOLDER / f"{name}.vqc").read_bytes()
    stream = parse_stream(data)
    assert data[3] == VERSION
    assert build_stream(stream) == data
    model = models[stream.header.fingerprint.hex()]
    for plane, expected in zip(model.indices_of(data), read_planes(name), strict=True):
        assert np.array_equal(plane, expected)
    decoded, facts = model.decompress(data), stream.header.facts
    if isinstance(decoded, AudioClip):
        assert decoded.waveform.shape == (facts.num_channels, facts.num_samples)
        assert decoded.sample_rate == facts.sample_rate
    else:
        assert decoded.pixels.shape == (facts.height, facts.width, 1 if facts.grey else 3)
        assert (decoded.alpha is not None) == (name == "picture-with-more")


@pytest.mark.parametrize("name", [name for name in STREAMS if name.endswith(PROGRESSIVE_SUFFIX)])
def test_a_progressive_stream_has_the_indices_of_the_other_at_every_level(name, models):
    progressive, plain = (
        (FOLDER / f"{stem}.vqc").read_bytes()
        for stem in (name, name.removesuffix(PROGRESSIVE_SUFFIX))
    )
    stream = parse_stream(progressive)
    model = models[stream.header.fingerprint.hex()]
    for level in range(1, len(stream.levels) + 1):
        one, other = (model.indices_of(data, level=level) for data in (progressive, plain))
        assert np.array_equal(one, other)


def test_every_kind_of_stream_is_there(models):
    assert len(STREAMS) == 31
    assert sum(name.endswith(PROGRESSIVE_SUFFIX) for name in STREAMS) == 3
    used = {
        parse_stream((FOLDER / f"{name}.vqc").read_bytes()).header.fingerprint.hex()
        for name in STREAMS
    }
    assert used == set(models)


def test_a_golden_stream_with_another_index_count_is_refused(models):
    two = parse_stream((FOLDER / "sound-in-two-segments.vqc").read_bytes())
    cut = build_stream(type(two)(two.header, two.sections[:1]))
    with pytest.raises(CorruptStreamError, match="1 segments, needed 2"):
        models[two.header.fingerprint.hex()].indices_of(cut)
