"""What a report says in figures: tables, plots, gaps, parts."""

import re
from dataclasses import replace

import pytest
from comparing import Coarse

from vqcodec.evaluation.parts import part_sizes
from vqcodec.evaluation.record import Record
from vqcodec.evaluation.report import comparison as comparisons
from vqcodec.evaluation.report import page, plots
from vqcodec.evaluation.report.comparison import Comparison, match_qualities, rate_gap
from vqcodec.evaluation.report.parts import build_parts
from vqcodec.evaluation.report.tables import build_table


def test_cells_keep_the_number_that_they_are_sorted_by():
    table = build_table("A & B", ["file", "<rate>"], [["x", 0.123456], ["y", None], ["z", 12345]])
    assert '<td class="number" data-value="0.123456">0.1235</td>' in table
    assert '<td class="number">-</td>' in table
    assert '<td class="number" data-value="12345">12345</td>' in table
    assert "A &amp; B" in table and "&lt;rate&gt;" in table


def test_a_plot_stays_inside_its_frame():
    points = [plots.Point(10.0**power, 30.0 + power, "p") for power in (-3, 0, 2)]
    for line in (points, points[:1]):
        drawn = plots.build_plot("t", "rate", "quality", [plots.Line("<a>", line)])
        places = re.findall(r'class="marker" transform="translate\(([\d.]+) ([\d.]+)\)"', drawn)
        assert len(places) == len(line)
        assert all(64 <= float(x) <= 624 and 16 <= float(y) <= 328 for x, y in places)
        assert "&lt;a&gt;" in drawn
    assert plots.build_plot("t", "rate", "quality", [plots.Line("a", [])]) == ""


def record(codec, quality, size_bytes, psnr_db, payload_bytes=None):
    return Record(
        file="a.png",
        codec=codec,
        quality=quality,
        size_bytes=size_bytes,
        payload_bytes=payload_bytes,
        bits_per_pixel=size_bytes / 100,
        bits_per_second=None,
        compress_s=0,
        decompress_s=0,
        metrics={"psnr_db": psnr_db, "empty": None},
    )


def made_up():
    """A model that needs half of a peer's bytes at equal quality, and a peer of other qualities."""
    return Comparison(
        modality="image",
        files=[],
        model=Coarse("ours"),
        peers=[Coarse("jpeg"), Coarse("far")],
        quality=2,
        records=[
            *(record("ours", q, 100 * 2**q, 20.0 + q, 100 * 2**q - 25) for q in (1, 2, 3)),
            *(record("jpeg", 10 * q, 200 * 2**q, 20.0 + q) for q in (1, 2, 3)),
            *(record("far", q, 100 * 2**q, 50.0 + q) for q in (1, 2, 3)),
        ],
    )


def test_peers_are_matched_to_the_size_of_the_model():
    assert match_qualities(made_up()) == {"ours": 2, "jpeg": 10, "far": 2}


def test_a_gap_is_below_zero_where_the_model_needs_less():
    one = made_up()
    assert rate_gap(one, "jpeg", "psnr_db") == pytest.approx(-50)
    assert rate_gap(one, "far", "psnr_db") is None
    assert rate_gap(one, "jpeg", "empty") is None
    assert one.metrics == ["psnr_db"]
    text = page._gaps(one)
    assert ">-50</td>" in text and '<td class="number">-</td>' in text and "PCHIP" in text


def test_bits_are_divided_into_header_and_payload():
    assert [(sizes.quality, sizes.header_bits) for sizes in part_sizes(made_up().records)] == [
        (1, 200),
        (2, 200),
        (3, 200),
    ]
    text = build_parts(made_up())
    assert '<td class="number" data-value="1400.0">1400</td>' in text
    assert 'data-value="12.5"' in text
    assert "level" not in text and "<svg" not in text  # these records are without


def test_a_bar_is_divided_by_the_shares_of_header_and_levels():
    records = [
        replace(record("ours", q, 100, 30.0, 80), level_bits=[480.0 / q, 160.0]) for q in (1, 2)
    ]
    text = build_parts(replace(made_up(), records=records))
    bars = re.findall(r'<rect class="(\w+)"[^>]* x="([\d.]+)" y="(\d+)" width="([\d.]+)"', text)
    assert bars == [
        ("header", "120.0", "5", "72.0"),
        ("level", "192.0", "5", "216.0"),
        ("level", "408.0", "5", "72.0"),
        ("header", "120.0", "35", "102.9"),
        ("level", "222.9", "35", "154.3"),
        ("level", "377.1", "35", "102.9"),
    ]
    assert "<title>level 1: 480 bits, 60.0 %</title>" in text
    assert text.count("<li>") == 3
    assert ">level 2</button>" in text and 'data-value="480.0"' in text


def test_a_single_level_is_drawn_in_full_colour():
    records = [replace(record("ours", 1, 100, 30.0, 80), level_bits=[640.0])]
    text = build_parts(replace(made_up(), records=records))
    assert re.findall(r'class="level" fill-opacity="([\d.]+)" x=', text) == ["1.00"]


def test_what_has_no_peers_or_no_stream_of_ours_has_no_such_table():
    one = replace(made_up(), peers=[])
    assert page._gaps(one) == ""
    assert build_parts(replace(one, records=[record("ours", 2, 100, 30.0)])) == ""
    assert "beside" not in page._names(one)


def test_metrics_have_names_for_readers():
    assert comparisons.label_of("psnr_db") == "PSNR (dB)"
    assert comparisons.label_of("new") == "new"


def test_of_very_many_records_the_first_are_listed(monkeypatch):
    monkeypatch.setattr(page, "MAX_ROWS", 2)
    text = page._records("c", made_up().records)
    assert text.count("<tr>") == 3
    assert "The first 2 of 9" in text
