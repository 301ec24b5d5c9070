"""What a fitted model gained, and whether that is enough to write it."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
from tiny import tiny_model_path

from vqcodec.codec.model_file import read_model_file
from vqcodec.training.adapt.command import LEAST_GAIN_PERCENT, Adapted
from vqcodec.training.adapt.domain import Domain
from vqcodec.training.adapt.judging import Judged, gap_percent


def records(sizes, qualities_db, codec="a"):
    return [
        Judged("file", codec, float(number), size, quality_db)
        for number, (size, quality_db) in enumerate(zip(sizes, qualities_db, strict=True))
    ]


def test_a_gap_compares_bytes_at_equal_quality():
    before = records([100, 200, 400], [20, 25, 30])
    assert gap_percent(before, records([90, 180, 360], [20, 25, 30])) == pytest.approx(-10)
    better = [replace(record, quality_db=record.quality_db + 1) for record in before]
    assert gap_percent(before, better) < -10
    assert gap_percent(before, before) == 0


def test_a_single_rate_gains_only_if_it_is_nowhere_worse():
    before = records([100], [20.0])
    assert gap_percent(before, records([80], [20.0])) == pytest.approx(-20)
    assert math.isnan(gap_percent(before, records([80], [19.0])))
    assert math.isnan(gap_percent(before, records([10, 20], [40.0, 50.0])))


def judged(before, after, *, fingerprint="new"):
    """What `adapt_model` returns for these records."""
    base = read_model_file(tiny_model_path("image"))
    return Adapted(
        file=replace(base, fingerprint=fingerprint or base.fingerprint),
        base=base,
        domain=Domain((), (), ()),
        distortion="default",
        fits={},
        before=before,
        after=after,
        gap_percent=gap_percent(before, after),
        seconds=1.0,
    )


@pytest.mark.parametrize("fingerprint", ["new", ""])
@pytest.mark.parametrize(
    ("factor", "gained"), [(1.01, False), (1.0, False), (0.996, False), (0.994, True)]
)
def test_a_gain_below_half_a_per_cent_is_none(factor, gained, fingerprint):
    before = records([100_000, 200_000, 400_000], [20, 25, 30])
    after = records([round(factor * record.size_bytes) for record in before], [20, 25, 30])
    adapted = judged(before, after, fingerprint=fingerprint)
    assert adapted.gained == gained
    assert f"bytes at equal quality {100 * (factor - 1):+.2f} %" in adapted.measured
    assert f"{-LEAST_GAIN_PERCENT} % or less" in adapted.measured


def test_a_decoder_of_several_rates_gains_bytes_at_equal_quality():
    before = records([100, 200, 400], [20, 25, 30])
    for gain_db, gained in ((0.02, False), (0.1, True)):
        after = [replace(r, quality_db=r.quality_db + gain_db) for r in before]
        assert judged(before, after, fingerprint="").gained == gained


@pytest.mark.parametrize(("gain_db", "gained"), [(-1, False), (0, False), (0.01, False), (1, True)])
def test_a_decoder_of_a_single_rate_gains_quality(gain_db, gained):
    before, after = records([100], [20.0]), records([100], [20.0 + gain_db])
    adapted = judged(before, after, fingerprint="")
    assert adapted.gained == gained
    assert f"quality {gain_db:+.3f} dB" in adapted.measured
    assert not judged(before, after).gained  # a new model needs fewer bytes


def test_models_without_a_quality_in_common_are_not_called_better():
    adapted = judged(records([100, 200], [20, 25]), records([10, 20], [10, 15]))
    assert not adapted.gained
    assert "cannot be compared" in adapted.measured
