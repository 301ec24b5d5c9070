"""`vqcodec train adapt`: what is handed to the library, printed, written and refused."""

from __future__ import annotations

import json
import math
import signal
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from types import SimpleNamespace

import pytest

from vqcodec.errors import NoGainError, OutputError

pytestmark = pytest.mark.skipif(find_spec("torch") is None, reason="torch is not installed")


@dataclass
class Record:
    """As `vqcodec.training.adapt.judging.Judged`."""

    file: str
    codec: str
    quality: float
    size_bytes: int
    quality_db: float


@dataclass
class Fit:
    before: float = 2.0
    after: float = 1.5


class Fitted(SimpleNamespace):
    def card(self):
        return {"adapted_from": "image"}


@pytest.fixture
def calls(stand_in):
    """Calls of the library; the gap to report is the last."""
    made = {"gap": -9.5}

    def adapt_model(*, report, interruption, **settings):
        made["settings"] = settings
        made.get("first", interruption.keep)()
        made.get("then", lambda: None)()
        report("prior", 0.25, -3.0)
        gap = made["gap"]
        tables = {"modality": "image", "network": {"dim": 12}}
        return Fitted(
            file=SimpleNamespace(fingerprint="0a0b0c0d", tables=tables),
            base=SimpleNamespace(name="image", fingerprint="01020304"),
            domain=SimpleNamespace(train=[1, 2], stopping=[3], judged=[Path("x/a.png")]),
            distortion="default",
            fits={"prior": Fit()},
            before=[Record("a.png", "image", 5.0, 1000, 30.0)],
            after=[Record("a.png", "image", 5.0, 905, 30.1)],
            gap_percent=gap,
            gained=gap < 0,
            measured=f"measured {gap:+.1f} %",
            seconds=60.0,
        )

    def write_fitted(path, file, *, name, card):
        made["written"] = (name, file.fingerprint, card)
        path.write_bytes(b"model")

    def judge(codec, *_):
        made.get("judging", lambda: None)()
        return [Record("a.png", codec.name, 50, 2000, 30.0)]

    stand_in("vqcodec.training.adapt.command", adapt_model=adapt_model)
    stand_in("vqcodec.training.adapt.model", write_fitted=write_fitted)
    stand_in(
        "vqcodec.training.adapt.judging", judge=judge, gap_percent=lambda *_: made.get("rival", -50)
    )
    return made


def adapt(vqc, tmp_path, *options):
    return vqc(
        *("train", "adapt", str(tmp_path), "--model", "image"),
        *("-o", str(tmp_path / "mine.safetensors"), *options),
    )


@pytest.mark.parametrize(
    ("option", "part"),
    [((), "both"), (("--prior",), "prior"), (("--decoder",), "decoder"), (("--all",), "all")],
)
def test_options_are_handed_over(vqc, calls, tmp_path, option, part):
    outcome = adapt(vqc, tmp_path, *option, "--minutes", "2.5", "--seed", "7")
    assert outcome.exit_code == 0
    assert calls["settings"] == {
        "data": [tmp_path],
        "model": "image",
        "part": part,
        "minutes": 2.5,
        "seed": 7,
        "skip_bad": False,
    }
    assert calls["written"] == ("mine", "0a0b0c0d", {"adapted_from": "image"})
    assert (tmp_path / "mine.safetensors").read_bytes() == b"model"


def test_the_gain_is_printed_for_every_file_and_against_another_codec(vqc, calls, tmp_path):
    outcome = adapt(vqc, tmp_path)
    lines = outcome.stdout.decode().splitlines()
    assert lines[1].split() == ["a.png", "5.000", "1000", "905", "30.000", "30.100"]
    assert "against image 01020304: -9.5 %" in lines[-2]
    assert "against avif: -50.0 %" in lines[-1]
    assert "prior: 25% of the time, held-out -3.00 %" in outcome.stderr
    calls["rival"] = math.nan
    lines = adapt(vqc, tmp_path, "-f").stdout.decode().splitlines()
    assert "no quality in common: it takes 2000 bytes at 30.0 dB to" in lines[-1]
    assert lines[-1].endswith("the new model takes 905 bytes at 30.1 dB to 905 bytes at 30.1 dB")


def test_json_has_all_records(vqc, calls, tmp_path):
    report = json.loads(adapt(vqc, tmp_path, "--json", "-q").stdout)
    assert report["change_percent"] == -9.5
    assert report["written"]
    assert (report["fingerprint_before"], report["fingerprint"]) == ("01020304", "0a0b0c0d")
    assert report["after"][0]["size_bytes"] == 905
    assert report["rivals"][0]["codec"] == "avif"
    assert report["fits"]["prior"] == {"before": 2.0, "after": 1.5}


@pytest.mark.parametrize("gap", [0.0, 0.3, math.nan])
def test_a_model_that_is_no_better_is_not_written(vqc, calls, tmp_path, gap):
    calls["gap"] = gap
    outcome = adapt(vqc, tmp_path, "--json")
    assert outcome.exit_code == NoGainError.exit_code == 7
    assert "not written, because the fitted model is not clearly better" in outcome.stderr
    assert f"(measured {gap:+.1f} %)" in outcome.stderr
    assert not json.loads(outcome.stdout)["written"]
    assert list(tmp_path.iterdir()) == []


OUTPUT = "{}/mine.safetensors: not written, because Ctrl-C ended the command"


def interrupt():
    signal.raise_signal(signal.SIGINT)


def test_ctrl_c_while_files_are_read_says_that_nothing_is_written(vqc, calls, tmp_path):
    calls["first"] = interrupt
    outcome = adapt(vqc, tmp_path)
    assert outcome.exit_code == 130
    assert outcome.stderr == f"vqcodec: {OUTPUT.format(tmp_path)}\n"
    assert outcome.stdout == b""
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("place", ["then", "judging"])
def test_after_one_ctrl_c_the_model_is_still_judged_and_written(vqc, calls, tmp_path, place):
    calls[place] = interrupt
    outcome = adapt(vqc, tmp_path)
    assert outcome.exit_code == 0
    assert "A second Ctrl-C ends the command" in outcome.stderr
    assert "against avif" in outcome.stdout.decode()
    assert (tmp_path / "mine.safetensors").read_bytes() == b"model"


def test_a_second_ctrl_c_ends_the_command(vqc, calls, tmp_path):
    calls |= {"then": interrupt, "judging": interrupt}
    outcome = adapt(vqc, tmp_path)
    assert outcome.exit_code == 130
    assert OUTPUT.format(tmp_path) in outcome.stderr
    assert list(tmp_path.iterdir()) == []


def test_an_existing_model_is_kept(vqc, calls, tmp_path):
    (tmp_path / "mine.safetensors").write_bytes(b"old")
    assert adapt(vqc, tmp_path).exit_code == OutputError.exit_code
    assert "settings" not in calls
    assert adapt(vqc, tmp_path, "-f").exit_code == 0


@pytest.mark.parametrize(
    "options",
    [["--decoder", "--all"], ["--minutes", "0"], ["--minutes", "nan"], ["-o", "mine.onnx"]],
)
def test_wrong_usage_is_refused(vqc, calls, tmp_path, options):
    assert adapt(vqc, tmp_path, *options).exit_code == 2
    assert calls == {"gap": -9.5}
