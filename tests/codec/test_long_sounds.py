"""Sounds that are never in memory as a whole: equal streams and samples, bounded memory."""

from __future__ import annotations

import tracemalloc
from dataclasses import dataclass, replace

import numpy as np
import pytest
from tiny import HOP, SAMPLE_RATE, noise_clip

from vqcodec.bitstream.header import AudioFacts
from vqcodec.bitstream.sections import Section, Tag
from vqcodec.bitstream.stream import Stream, build_stream, parse_stream
from vqcodec.codec import search, segments
from vqcodec.errors import CorruptStreamError, InputError, UsageError

WINDOW, SEGMENT = 60, 40
LONG = 180 * HOP  # five segments in three windows


@dataclass
class Pieces:
    """A sound whose blocks all have the same length."""

    waveform: np.ndarray
    size: int
    sample_rate: int = SAMPLE_RATE

    @property
    def num_channels(self):
        return len(self.waveform)

    @property
    def num_samples(self):
        return self.waveform.shape[1]

    def blocks(self):
        for start in range(0, self.num_samples, self.size):
            yield self.waveform[:, start : start + self.size]


@dataclass
class Hum:
    """A sound that is generated when it is read."""

    num_samples: int
    num_channels: int = 1
    sample_rate: int = 24_000

    def blocks(self):
        for start in range(0, self.num_samples, 8000):
            number = np.arange(start, min(start + 8000, self.num_samples))
            yield np.sin(number / 30, dtype=np.float32)[None]


@pytest.fixture(params=["speech", "residual-speech"])
def model(request, tiny_models):
    return tiny_models[request.param]


@pytest.fixture(autouse=True)
def small_windows(tiny_models, monkeypatch):
    """Windows and segments of few frames, so that a short sound counts as long."""
    for model in tiny_models.values():
        modality = model.parts.modality
        small = replace(modality.geometry, window=WINDOW, segment=SEGMENT)
        monkeypatch.setattr(modality, "geometry", small)


@pytest.fixture
def few_at_a_time(monkeypatch):
    """Limit the segments that are decoded side by side to one for each thread."""
    monkeypatch.setattr(segments, "INDICES_AT_A_TIME", 1)


@pytest.mark.parametrize("size", [1, 777, HOP, LONG])
@pytest.mark.parametrize("sample_rate", [SAMPLE_RATE, 44_100])
def test_the_stream_does_not_depend_on_the_block_length(model, size, sample_rate):
    clip = noise_clip(LONG, channels=2, sample_rate=sample_rate)
    stream = model.compress(clip, quality=3)
    assert model.compress(Pieces(clip.waveform, size, sample_rate), quality=3) == stream


@pytest.mark.parametrize(
    ("positions", "states", "rows"), [(1, 0, 3), (5 * SEGMENT, 0, 5), (6 * SEGMENT, SEGMENT, 3)]
)
def test_segments_that_are_decoded_together_are_bounded_by_indices_and_states(
    audio_model, monkeypatch, positions, states, rows
):
    stream = parse_stream(audio_model.compress(noise_clip(LONG), quality=3))
    num_codebooks = len(audio_model.encode(noise_clip(10), quality=3))
    monkeypatch.setattr(segments, "INDICES_AT_A_TIME", positions * num_codebooks)
    monkeypatch.setattr(audio_model.prior, "states_per_segment", states * num_codebooks)
    monkeypatch.setattr(segments, "num_threads", lambda: 3)
    found = segments.SegmentRows(stream, audio_model.parts)
    assert found.rows_at_a_time == rows


@pytest.mark.parametrize("separate_channels", [False, True])
def test_indices_do_not_depend_on_how_many_segments_are_decoded_side_by_side(
    audio_model, few_at_a_time, monkeypatch, separate_channels
):
    clip = noise_clip(LONG, channels=2)
    stream = audio_model.compress(clip, quality=3, separate_channels=separate_channels)
    few = audio_model.decompress(stream).waveform
    indices, bit_map = audio_model.indices_of(stream), audio_model.bit_map_of(stream)
    monkeypatch.setattr(segments, "INDICES_AT_A_TIME", 1 << 30)
    assert np.array_equal(audio_model.decompress(stream).waveform, few)
    assert np.array_equal(audio_model.indices_of(stream), indices)
    assert np.array_equal(audio_model.bit_map_of(stream).planes, bit_map.planes)
    assert np.array_equal(indices[0], audio_model.encode(clip, quality=3)) != separate_channels


def test_threads_get_no_segments_that_are_too_large_together(audio_model, monkeypatch):
    monkeypatch.setattr(segments, "INDICES_AT_A_TIME", 100)
    monkeypatch.setattr(segments, "MOST_AT_A_TIME", 3_000)
    monkeypatch.setattr(audio_model.prior, "states_per_segment", 0)
    monkeypatch.setattr(segments, "num_threads", lambda: 8)
    sizes = (100, 1_000, 5_000)
    assert [segments.num_at_a_time(audio_model.prior, size) for size in sizes] == [8, 3, 1]


def test_many_segments_are_decoded_side_by_side(audio_model, monkeypatch):
    calls, decompress = [], audio_model.prior.decompress

    def spy(payloads, shapes, *options):
        calls.append(len(payloads))
        return decompress(payloads, shapes, *options)

    stream = audio_model.compress(noise_clip(LONG), quality=1)
    monkeypatch.setattr(audio_model.prior, "decompress", spy)
    audio_model.decompress(stream)
    assert calls == [5]  # five segments for 181 frames: the end needs one more


def test_the_blocks_of_an_open_stream_equal_the_decompressed_sound(model, few_at_a_time):
    stream = model.compress(noise_clip(LONG, sample_rate=44_100), quality=3)
    sound, told = model.open(stream, progress=None), []
    whole = model.decompress(stream, progress=told.append)
    assert (sound.num_channels, sound.num_samples) == whole.waveform.shape
    for _ in range(2):
        assert np.array_equal(np.concatenate(list(sound.blocks()), axis=1), whole.waveform)
    assert told == sorted(told)
    assert len(told) > 1
    assert told[-1] == 1


@pytest.mark.parametrize("sample_rate", [16_000, 44_100])
def test_progress_of_a_part_reaches_one(model, sample_rate):
    stream = model.compress(noise_clip(LONG, sample_rate=sample_rate), quality=3)
    told = []
    part = model.open(stream, start_s=0.05, duration_s=0.02, progress=told.append)
    assert sum(block.shape[1] for block in part.blocks()) == round(0.02 * sample_rate)
    assert told == sorted(told)
    assert told[-1] == 1


def test_progress_of_compressing_is_reported_for_each_stripe(model):
    told = []
    model.compress(noise_clip(LONG * 4), quality=1, progress=told.append)
    assert told == sorted(told)
    assert len(told) > 2
    assert told[-1] == 1


def peak_bytes(work):
    tracemalloc.start()
    try:
        work()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def test_memory_does_not_grow_with_the_length(audio_model, few_at_a_time, monkeypatch):
    monkeypatch.setattr("vqcodec.signals.resampling.BLOCK", 1000)
    peaks = []
    for num_samples in (LONG * 4, LONG * 12):
        streams = []
        hum = Hum(num_samples)
        one_way = peak_bytes(lambda hum=hum, to=streams: to.append(audio_model.compress(hum)))
        back = peak_bytes(lambda of=streams: [None for _ in audio_model.open(of[0]).blocks()])
        peaks.append((one_way, back))
    for short, long in zip(*peaks, strict=True):
        assert long - short < LONG * 8  # 1 byte per added sample; the stream grows, too


def test_a_search_reads_the_sound_twice_for_every_tried_rate(audio_model, monkeypatch):
    hum, readings, tried = Hum(20_000), [], []
    least = len(audio_model.compress(hum, quality=2))
    blocks, compress = hum.blocks, search.compress_signal
    hum.blocks = lambda: readings.append(1) or blocks()
    monkeypatch.setattr(
        search, "compress_signal", lambda *args, **kw: tried.append(1) or compress(*args, **kw)
    )
    assert len(search.compress_to_target(audio_model.parts, hum, size_bytes=least)) <= least
    assert len(tried) > 1
    assert len(readings) == 2 * len(tried)  # its quiet passages are found first


def test_a_sound_with_missing_samples_is_an_error(audio_model):
    class Broken(Hum):
        def blocks(self):
            yield next(super().blocks())
            raise InputError("ends after 8000 samples")

    with pytest.raises(InputError, match="ends after"):
        audio_model.compress(Broken(50_000))


def forged(model, num_samples, payload=b""):
    """A forged stream with the right number of segments, all with the same few bytes."""
    stream = parse_stream(model.compress(noise_clip(10), quality=3))
    facts = AudioFacts(
        num_samples=num_samples, sample_rate=SAMPLE_RATE, num_channels=8, downmixed=True
    )
    (num_frames,) = model.parts.modality.grid(facts)
    sections = (Section(Tag.SEGMENT, payload),) * -(-num_frames // SEGMENT)
    return build_stream(Stream(replace(stream.header, facts=facts), sections))


def test_a_small_stream_of_a_huge_sound_takes_little_memory(residual_audio_model, few_at_a_time):
    stream = forged(residual_audio_model, 1 << 24)  # half a gigabyte of samples
    assert len(stream) < 1 << 17
    peak = peak_bytes(lambda: next(residual_audio_model.open(stream).blocks()))
    assert peak < 1 << 24


def test_empty_segments_of_a_logistic_prior_soon_leave_the_codebook(audio_model):
    with pytest.raises(CorruptStreamError, match="codebook"):
        next(audio_model.open(forged(audio_model, 1 << 20)).blocks())


@pytest.mark.parametrize("verb", ["decompress", "indices_of", "bit_map_of"])
def test_a_sound_too_large_for_memory_is_refused_early(audio_model, verb, monkeypatch):
    stream = forged(audio_model, 1 << 20)
    limit = {"bit_map_of": 1 << 14, "indices_of": 1 << 18}.get(verb, 1 << 22)
    monkeypatch.setattr("vqcodec.codec.decompress.MAX_HELD_VALUES", limit)
    with pytest.raises(UsageError, match="held in memory"):
        getattr(audio_model, verb)(stream)


def test_damage_in_a_later_segment_is_found_when_that_segment_is_read(audio_model, few_at_a_time):
    stream = parse_stream(audio_model.compress(noise_clip(LONG), quality=3))
    *sections, last = stream.sections
    sections.append(Section(last.tag, last.body + b"\x01"))
    blocks = audio_model.open(build_stream(Stream(stream.header, tuple(sections)))).blocks()
    with pytest.raises(CorruptStreamError, match="do not end"):
        for _ in blocks:
            pass


@pytest.mark.parametrize("kind", [SystemExit, KeyboardInterrupt, MemoryError])
def test_whatever_ends_the_thread_of_indices_reaches_the_reader(audio_model, monkeypatch, kind):
    stream = audio_model.compress(noise_clip(5000))

    def die(*_):
        raise kind("gone")

    monkeypatch.setattr(segments.SegmentRows, "decode", die)
    with pytest.raises(kind, match="gone"):  # and does not wait for ever
        audio_model.decompress(stream)
