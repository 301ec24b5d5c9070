"""The tables of the documents hold the figures of benchmarks/results."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[2] / "benchmarks"))

import documents
import tables

from vqcodec.codec.zoo import ModelCard

ROOT = Path(__file__).parents[2]
MACHINE = {
    "commit": "0123456789",
    "machine": {"cpu": "a CPU", "cores": 2, "threads": 1, "torch": "2"},
    "command": "python benchmarks/made_up.py",
}


def mean(codec, rate, metrics, *, pictures=True):
    return {
        "codec": codec,
        "quality": 5,
        "size_bytes": 1234.5,
        "bits_per_pixel": rate if pictures else None,
        "bits_per_second": None if pictures else rate,
        "metrics": metrics,
    }


PICTURES = {
    **MACHINE,
    "model": {"name": "image", "fingerprint": "01234567"},
    "n": 24,
    "means": [mean("image", 0.25, {"psnr_db": 28.0}), mean("jpeg", 0.5, {"psnr_db": None})],
    "gaps": [
        {
            "against": "jpeg",
            "metric": "psnr_db",
            "bd_rate_percent": -33.3,
            "range_db": [24.0, 30.0],
            "bytes_saved": 0.314,
        },
        {"against": "webp", "metric": "ms_ssim_db", "bd_rate_percent": None},
    ],
}
VOICES = {
    **MACHINE,
    "model": {"name": "speech", "fingerprint": "01234567"},
    "n": 30,
    "means": [
        mean("speech", rate, {"pesq_wb": rate / 1000, "stoi": 0.9}, pictures=False)
        for rate in (2000.0, 2900.0, 3100.0)
    ],
    "gaps": [],
}


@pytest.mark.parametrize("name", documents.DOCUMENTS)
def test_documents_match_the_results(name):
    text = (ROOT / name).read_text(encoding="utf-8")
    assert documents.TABLE.search(text)
    rebuilt = documents.rebuilt(text, documents.read_results(), documents.read_cards())
    assert rebuilt == text, "run 'make tables'"


def test_results_are_those_of_the_shipped_models():
    shipped = {name: card.fingerprint for name, card in documents.read_cards().items()}
    for name, result in documents.read_results().items():
        measured = dict(result.get("models", {}))
        if "model" in result:
            measured[result["model"]["name"]] = result["model"]["fingerprint"]
        for model, fingerprint in measured.items():
            assert shipped.get(model, fingerprint) == fingerprint, name


def test_every_table_is_in_a_document():
    text = "".join((ROOT / name).read_text(encoding="utf-8") for name in documents.DOCUMENTS)
    named = {name for _, name, _ in documents.TABLE.findall(text)}
    assert named == {*tables.TABLES, *(f"model {name}" for name in documents.read_cards())}


def test_what_has_no_figures_says_so():
    text = "before\n<!-- table: speed -->\nold\n<!-- end -->\nafter\n"
    assert documents.rebuilt(text, {}, {}) == (
        "before\n<!-- table: speed -->\n\nNot measured yet.\n\n<!-- end -->\nafter\n"
    )


def test_making_tables_again_changes_nothing():
    text = "<!-- table: pictures -->\n<!-- end -->\n"
    once = documents.rebuilt(text, {"pictures": PICTURES}, {})
    assert "| image | 5 | 1234 | 0.250 | 28 |" in once
    assert "| JPEG | 5 | 1234 | 0.500 | - |" in once
    assert documents.rebuilt(once, {"pictures": PICTURES}, {}) == once


def test_gaps_show_what_there_is():
    rows = tables.gaps_table("pictures")({"pictures": PICTURES}).splitlines()
    assert rows[2:] == [
        "| JPEG | psnr_db | -33.3 % | 31.4 % | 24 … 30 dB |",
        "| WebP | ms_ssim_db | - | - | - |",
    ]


def test_the_summary_shows_the_bd_rates_that_there_are():
    voices = {
        **VOICES,
        "gaps": [
            {"against": "opus", "metric": "stoi", "bd_rate_percent": -66.4},
            {"against": "codec2", "metric": "pesq_wb", "bd_rate_percent": None},
        ],
    }
    rows = tables.summary_table({"voices": voices, "pictures": PICTURES}).splitlines()
    assert rows[2:] == [
        "| image | JPEG | PSNR | -33.3 % | 24 pictures |",
        "| speech | Opus | STOI | -66.4 % | 30 voices |",
    ]
    assert tables.summary_table({}) == ""


def test_commands_show_time_and_memory():
    figures = {"seconds": 0.5, "peak_bytes": 200_400_000}
    commands = {**MACHINE, "commands": {"speech, 10 s, compress": {"this": figures}}}
    table = tables.TABLES["commands"]({"commands": commands})
    assert "| speech, 10 s, compress | 0.50 s | 200 MB |" in table
    assert "`python benchmarks/made_up.py`" in table
    assert tables.TABLES["commands"]({}) == tables.TABLES["summary of commands"]({}) == ""


def test_a_card_shows_what_was_measured(tmp_path):
    path = tmp_path / "image.safetensors"
    summary = {"recipe": "long", "num_training_files": 3}
    card = ModelCard("image", "01234567", "image", path, 12_345_678, summary)
    prior = {
        "hours": 1.25,
        "usage": 0.5,
        "perplexity": 12.0,
        "bits_per_index": {"uniform": 9.0, "integer": 6.0},
    }
    table = tables.model_table(card, {"prior_image": prior, "pictures": PICTURES})
    assert "| file | `image.safetensors`, 12.3 MB |" in table
    assert "| num training files | 3 |" in table
    assert "| hours of training | 1.25 |" in table
    assert "| codebook usage, mean | 50.0 % of the entries |" in table
    assert "| scores at quality 5 | 0.250 bit/pixel, psnr db 28 |" in table
    assert "long" not in table


def test_priors_show_the_ratio_of_models_of_one_rate():
    prior = {
        **MACHINE,
        "n": 12,
        "steps": 100,
        "bits_per_index": {"uniform": 9.0, "histogram": 8.5, "float": 6.0, "integer": 6.01},
        "saved": 0.332,
        "integer_excess": 0.0017,
        "ratio": {"uniform": 42.67, "integer": 63.9},
    }
    table = tables.priors_table({"prior_paper-image": prior})
    assert (
        "| paper-image | 12 | 100 | 9 | 8.5 | 6 | 6.01 | 33.2 % | +0.17 % | 42.7 → 63.9 |" in table
    )


def test_speakers_are_shown_by_who_is_to_speak():
    scores = {"to_source": 0.6, "to_target": 0.7, "nearer": 0.875, "stoi": 0.81}
    work = {"n": 30, "pairs": 150, "quality": 1.0, "bits_per_second": 401.6}
    works = [{**work, "spoken_as": {"original": scores, "target": scores}}]
    model = {"name": "speech-voices", "fingerprint": "01234567"}
    table = tables.speakers_table({"speakers": {**MACHINE, "model": model, "works": works}})
    assert table.startswith("Means over 150 pairs of 30 speakers; model speech-voices 01234567.")
    assert "| - | not coded | 0.600 | 0.700 | 87.5 % | 0.810 |" in table
    assert "| 402 | the target | 0.600 | 0.700 | 87.5 % | 0.810 |" in table


def test_an_ablation_shows_what_each_step_is_worth():
    first = {"step": "fixed width", "rates": [1.0, 2.0], "values": [1.5, 2.5]}
    steps = [
        {**first, "to_previous": 0.0, "to_first": 0.0},
        {**first, "step": "prior", "to_previous": -12.34, "to_first": None},
    ]
    result = {**MACHINE, "metric": "pesq_wb", "steps": steps}
    table = tables.ablation_table("ablation_voices")({"ablation_voices": result})
    assert "| fixed width | 0.0 % | 0.0 % | 1.5 at 1, 2.5 at 2 |" in table
    assert "| prior | -12.3 % | - | 1.5 at 1, 2.5 at 2 |" in table
    assert tables.ablation_table("ablation_voices")({}) == ""
