import csv
import json

import pytest

from vqcodec.errors import InputError
from vqcodec.evaluation.record import Record
from vqcodec.evaluation.table import (
    build_csv,
    build_gaps_markdown,
    build_json_lines,
    build_markdown,
    build_parts_markdown,
    parse_json_lines,
)


def record(**changes):
    fields = {
        "file": "a|b.png",
        "codec": "jpeg",
        "quality": 50,
        "size_bytes": 12345,
        "payload_bytes": None,
        "bits_per_pixel": 0.251234,
        "bits_per_second": None,
        "compress_s": 0.5,
        "decompress_s": 0.25,
        "metrics": {"psnr_db": 31.23456},
    }
    return Record(**(fields | changes))


RECORDS = [record(), record(file="c.png", quality=2.5, metrics={"psnr_db": None, "extra": 1.0})]


def test_records_come_back_from_json_lines():
    text = build_json_lines(RECORDS)
    assert len(text.splitlines()) == 2
    assert json.loads(text.splitlines()[0])["size_bytes"] == 12345
    assert parse_json_lines(text + "\n\n") == RECORDS
    assert parse_json_lines("") == []


@pytest.mark.parametrize("line", ["{", "[]", "3", "{}", '{"file": "a", "other": 1}'])
def test_a_line_that_is_not_a_record_is_reported(line):
    with pytest.raises(InputError, match="line 3"):
        parse_json_lines(build_json_lines(RECORDS) + line)


def test_records_from_before_processor_times_can_still_be_read():
    line = json.loads(build_json_lines(RECORDS[:1]))
    del line["compress_cpu_s"], line["decompress_cpu_s"]
    assert parse_json_lines(json.dumps(line)) == RECORDS[:1]


def test_a_markdown_table_has_only_columns_with_values():
    assert build_markdown(RECORDS).splitlines() == [
        "| file | codec | quality | size_bytes | bits_per_pixel | compress_s | decompress_s "
        "| psnr_db | extra |",
        "| --- | --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: |",
        r"| a\|b.png | jpeg | 50 | 12345 | 0.2512 | 0.5 | 0.25 | 31.23 | - |",
        "| c.png | jpeg | 2.5 | 12345 | 0.2512 | 0.5 | 0.25 | - | 1 |",
    ]


def test_csv_holds_the_same_table_unrounded():
    header, first, second = csv.reader(build_csv(RECORDS).splitlines())
    assert header[:3] == ["file", "codec", "quality"]
    assert dict(zip(header, first, strict=True))["psnr_db"] == "31.23456"
    assert dict(zip(header, second, strict=True))["psnr_db"] == ""


def in_parts(quality, level_bits, **changes):
    fields = {"size_bytes": 50, "payload_bytes": 40, "overhead_bytes": 10, "codec": "image"}
    return record(quality=quality, level_bits=level_bits, **(fields | changes))


PARTS = [
    in_parts(1, [100.0, 200.0]),
    in_parts(1, [200.0, 100.0]),
    in_parts(5, [300.0, 0.0]),
    in_parts(5, [310.0], codec="paper"),
    record(),
]


def test_bits_by_part_are_a_table_of_means():
    assert build_parts_markdown(PARTS).splitlines()[3:] == [
        "| codec | quality | bits | header and sections | level 1 | level 2 |",
        "| --- | ---: | ---: | ---: | ---: | ---: |",
        "| image | 1 | 400 | 80 | 150 | 150 |",
        "| image | 5 | 400 | 80 | 300 | 0 |",
        "| paper | 5 | 400 | 80 | 310 | - |",
    ]
    assert build_parts_markdown(RECORDS) == ""
    assert "level" not in build_markdown(PARTS)


def test_csv_and_json_lines_hold_the_bits_by_part():
    rows = list(csv.DictReader(build_csv(PARTS).splitlines()))
    assert [rows[0][f"level_{number}_bits"] for number in (1, 2)] == ["100.0", "200.0"]
    assert [row["level_2_bits"] for row in rows[3:]] == ["", ""]
    assert [row["overhead_bytes"] for row in rows] == ["10"] * 4 + [""]
    assert parse_json_lines(build_json_lines(PARTS)) == PARTS


def test_a_table_without_records_is_empty():
    assert build_json_lines([]) == ""
    assert build_csv([]).strip() == ""


def test_markdown_has_a_matrix_of_gaps():
    points = [(1, 0.1, 26.0), (2, 0.2, 29.0), (3, 0.4, 32.0), (4, 0.8, 35.0)]
    records = [
        record(codec=codec, quality=q, bits_per_pixel=factor * rate, metrics={"psnr_db": psnr})
        for codec, factor in (("image", 0.5), ("jpeg", 1))
        for q, rate, psnr in points
    ]
    assert build_gaps_markdown(records).splitlines()[1:] == [
        "BD-rate in per cent at equal psnr_db, PCHIP (cubic):",
        "",
        "| codec | against image | against jpeg |",
        "| --- | ---: | ---: |",
        "| image | - | -50.0 (-50.0) |",
        "| jpeg | +100.0 (+100.0) | - |",
    ]
    assert build_gaps_markdown(RECORDS) == ""
