"""The tables on the paper: every claim has a row, and figures come from results."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[2] / "benchmarks"))

import paper_tables
import tables
from paper_claims import CLAIMS

MACHINE = {
    "commit": "0123456789",
    "machine": {"cpu": "a CPU", "cores": 2, "threads": 1},
    "command": "python benchmarks/made_up.py",
}
SPOKEN = {"to_source": 0.6, "to_target": 0.7, "nearer": 0.85, "stoi": 0.81}
WORK = {
    "n": 10,
    "pairs": 30,
    "quality": 5.0,
    "bits_per_second": 1000.0,
    "spoken_as": {
        "nobody": {**SPOKEN, "word_error": 0.4},
        "target": {**SPOKEN, "word_error": 0.5},
    },
}
CONVERSION = {**MACHINE, "model": {"name": "a", "fingerprint": "b"}, "works": [WORK]}
BITS = {
    **MACHINE,
    "n": 100,
    "steps": 900,
    "cpu_minutes": 3.2,
    "bits_per_dim": {
        "values": 2.5,
        "indices, uniform": 1.875,
        "indices, learnt prior": 1.5,
        "bound, uniform": 4.375,
        "bound, learnt prior": 4.0,
        "usage": 0.95,
        "perplexity": 300.0,
    },
}


def test_claims_without_a_result_say_so():
    rows = paper_tables.claims_table({}).splitlines()
    assert len(rows) == 2 + len(CLAIMS)
    assert sum("| not measured yet | - |" in row for row in rows) == sum(
        claim.result is not None for claim in CLAIMS
    )


def test_claims_have_figure_count_and_command():
    results = {"bits_per_dim": BITS, "conversion-training": CONVERSION}
    table = paper_tables.claims_table(results)
    assert "| 4.67; continuous VAE 4.51 | 4.38 bits | 100 |" in table
    assert "| nearer to the target in 85.0 % of pairs, 1.25 times the word errors | 30 |" in table
    assert table.endswith("`python benchmarks/made_up.py`\n")


def test_the_bound_is_the_sum_of_its_parts():
    table = paper_tables.bits_per_dim_table({"bits_per_dim": BITS})
    assert "| uniform | 2.500 | 1.875 | 4.375 |" in table
    assert "| learnt prior | 2.500 | 1.500 | 4.000 |" in table
    assert "95.0 % of the entries used" in table


def test_conversion_shows_both_kinds_of_speaker():
    results = {"conversion-training": CONVERSION, "conversion-unseen": CONVERSION}
    table = paper_tables.conversion_table(results)
    for kind in ("training", "unseen"):
        assert f"| {kind} | the target | 0.600 | 0.700 | 85.0 % | 0.810 | 50.0 % | 30 |" in table


def test_shapes_show_bits_size_and_time():
    shape = {"period": 4, "kernel": 7, "width": 128, "embedding": 16, "steps": 300}
    shape |= {"bits": 5.0123, "bytes": 3_000_000, "code_cpu_s": 0.05}
    result = {**MACHINE, "run_steps": 500, "seconds": 60, "n": 64, "fixed_width": 9.0}
    result |= {"histogram": 8.5, "shapes": [shape]}
    table = paper_tables.shapes_table({"shapes_of_priors": result})
    assert "| 4 | 7 | 128 | 16 | 300 | 5.012 | 3.0 MB | 50 ms |" in table


def test_quantizers_show_every_rate():
    point = {"quality": 5.0, "bits_per_pixel": 0.4, "psnr_db": 27.0}
    point |= {"compress_cpu_s": 0.5, "decompress_cpu_s": 0.25}
    found = {"points": [point, {**point, "quality": 10.0}], "cpu_minutes": 4.0}
    found |= {"bits_per_index": {"uniform": 7.0, "integer": 4.0}}
    result = {**MACHINE, "n": 8, "quantizers": {"residual": found}}
    table = paper_tables.quantizers_table({"quantizers": result})
    first = "| residual, 4 x 128 | 5 | 0.400 | 27.00 | 0.50 s | 0.25 s | 7 → 4 | 4 min |"
    assert first in table
    assert "|  | 10 | 0.400 | 27.00 | 0.50 s | 0.25 s |  |  |" in table


@pytest.mark.parametrize(
    "name",
    ["bits per dimension", "shapes of priors", "conversion", "quantizers", "phones of tokens"],
)
def test_tables_without_results_are_empty(name):
    assert tables.TABLES[name]({}) == ""
