"""Packets of one sample each take time in proportion to their number."""

import io

import numpy as np
import pytest

from vqcodec.signals.extra_formats import ContainerSound
from vqcodec.signals.files import read_signal


def matroska(num_packets):
    av = pytest.importorskip("av")
    file = io.BytesIO()
    with av.open(file, "w", format="matroska") as target:
        stream = target.add_stream("pcm_s16le", rate=16_000, layout="mono")
        for number in range(num_packets):
            level = np.full((1, 1), number, np.int16)
            frame = av.AudioFrame.from_ndarray(level, "s16", "mono")
            frame.sample_rate, frame.pts = 16_000, number
            target.mux(stream.encode(frame))
    return file.getvalue()


def test_samples_of_small_packets_are_counted_once(monkeypatch):
    data = matroska(3000)
    num_asked = 0

    class Samples(np.ndarray):
        @property
        def shape(self):
            nonlocal num_asked
            num_asked += 1
            return np.ndarray.shape.__get__(self)

    original = np.asarray
    monkeypatch.setattr(np, "asarray", lambda *given: original(*given).view(Samples))
    blocks = [original(block) for block in ContainerSound(io.BytesIO(data), "matroska").blocks([])]
    monkeypatch.undo()
    assert num_asked < 20 * 3000
    samples = np.concatenate(blocks, axis=1)
    assert np.array_equal(samples[0] * 32768, np.arange(3000))
    assert np.array_equal(read_signal(io.BytesIO(data), "x").waveform, samples)
