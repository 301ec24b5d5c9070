"""Many silences and quiet passages take time and memory in proportion to their number."""

import tracemalloc

import numpy as np
import pytest
from tiny import load_tiny_model, noise_clip, short_segments

from vqcodec.bitstream.fields import build_varint
from vqcodec.bitstream.quiet import (
    Passage,
    Passages,
    Stretches,
    parse_passages,
    parse_silence,
)
from vqcodec.modalities.audio import quiet
from vqcodec.modalities.audio.quiet import amplify, apply_silences, find_quietness
from vqcodec.signals.sound import AudioClip

RATE, BLOCK, MANY = 1000, 512, 2000


@pytest.fixture
def visits(monkeypatch):
    """Count each stretch and each passage that is looked at."""
    counted = []
    for kind in (Stretches, Passages):
        original = kind.__getitem__

        def counting(self, number, original=original):
            counted.append(number)
            return original(self, number)

        monkeypatch.setattr(kind, "__getitem__", counting)
    return counted


def silenced(block, first, items):
    return apply_silences(block, first, (items,), RATE)


def amplified(block, first, items):
    return amplify(block, first, items, RATE, -1)


STRETCHES = Stretches(range(100 * n, 100 * n + 60) for n in range(MANY))
PASSAGES = Passages(Passage(100 * n + 5, 100 * n + 100, 3) for n in range(MANY))


@pytest.mark.parametrize(("apply", "items"), [(silenced, STRETCHES), (amplified, PASSAGES)])
def test_a_block_looks_only_at_what_is_near_it(visits, apply, items):
    whole = np.ones((1, 100 * MANY), np.float32)
    expected = apply(whole, 0, items)
    assert expected[0, 50] < 1
    visits.clear()
    blocks = [apply(whole[:, at : at + BLOCK], at, items) for at in range(0, whole.shape[1], BLOCK)]
    assert np.array_equal(np.concatenate(blocks, axis=1), expected)
    assert len(visits) < MANY + 2 * len(blocks)


def test_what_touches_a_range_only_with_its_end_is_not_within_it():
    items = Stretches([range(0, 10), range(20, 30), range(40, 50)])
    for start, stop, found in [
        (10, 20, []),
        (9, 20, [range(0, 10)]),
        (10, 21, [range(20, 30)]),
        (22, 25, [range(20, 30)]),
        (-5, 100, list(items)),
        (-5, 0, []),
        (50, 60, []),
    ]:
        assert list(items.within(start, stop)) == found


def test_many_quiet_passages_are_each_compared_only_with_those_within_them(visits):
    quiet_second, voice = np.full(3 * RATE, 2.0**-12), np.ones(10)
    waveform = np.tile(np.concatenate([voice, quiet_second]), 400)[None].astype(np.float32)
    passages = find_quietness(AudioClip(waveform, RATE), 1, lambda block: block).passages
    assert len(visits) < 10 * len(passages)
    assert len(passages) == 400
    assert list(passages) == sorted(passages, key=lambda passage: passage.start)
    assert quiet._QUIET_PASSAGES[0] < 2.0**-12 < quiet._QUIET_PASSAGES[1]


@pytest.mark.parametrize(
    ("body", "parse"),
    [
        (build_varint(20_000) + b"\1\1" * 20_000, lambda body: parse_silence(body, 1, 1 << 30)),
        (b"\0\1\1" * 20_000, lambda body: parse_passages(body, 1 << 30)),
    ],
)
def test_a_parsed_section_takes_little_more_memory_than_its_body(body, parse):
    tracemalloc.start()
    try:
        held = parse(body)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 20 * len(body)
    assert held


def test_stretches_unite_with_ranges_in_any_order():
    known = Stretches([range(0, 10), range(50, 60), range(90, 95)])
    more = [range(70, 80), range(55, 65), range(10, 12), range(52, 53), range(85, 85)]
    expected = Stretches([range(0, 12), range(50, 65), range(70, 80), range(90, 95)])
    assert known.united(more) == expected
    assert known.united([]) == known
    assert Stretches().united([range(5, 9), range(2, 6)]) == Stretches([range(2, 9)])
    assert known != expected


def test_missing_segments_are_silent_beside_stretches_that_come_later():
    model = load_tiny_model("speech")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(model.parts.modality, "geometry", short_segments(model))
        geometry = model.parts.modality.geometry
        length = geometry.segment * geometry.step
        clip = noise_clip(4 * length)
        ramp = round(0.002 * clip.sample_rate)
        clip.waveform[:, 3 * length :] = 0
        sound = model.open(model.compress(clip))
        gappy = model.parts.modality.with_gaps(sound, {2, 0}, ())
        (silences,) = gappy.silences
        later = range(3 * length + ramp, 4 * length)
        assert list(silences) == [range(length), range(2 * length, 3 * length), later]
        decoded = AudioClip.of_sound(gappy).waveform[0]
    assert not decoded[:length].any()
    assert not decoded[2 * length : 3 * length].any()
    assert not decoded[3 * length + ramp :].any()
    assert decoded[length : 2 * length].any()
