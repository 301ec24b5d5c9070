"""A report of pictures and sounds, and Chromium to open it with."""

import shutil
import subprocess
from dataclasses import replace

import pytest
from comparing import compare_plainly, compared, pictures_in, sounds_in

from vqcodec.evaluation import run
from vqcodec.evaluation.report.page import build_page

BROWSER = shutil.which("chromium")
OPTIONS = ["--headless", "--no-sandbox", "--disable-gpu", "--enable-logging=stderr"]


def report_of_both_kinds(folder):
    """Return the text of a report; one of the names has to be escaped."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(run, "compare", compare_plainly)
        parts = [
            in_parts(compared(pictures_in(folder, "<b>.png", "c.png"))),
            in_parts(compared(sounds_in(folder, "d.wav"), "audio")),
        ]
        return build_page(parts, ["jxl: needs imagecodecs"]).decode()


def in_parts(comparison):
    """Return a comparison whose model writes streams of a header and two levels."""
    records = [
        replace(record, payload_bytes=10, level_bits=[60.0, 20.0])
        if record.codec == comparison.model.name
        else record
        for record in comparison.records
    ]
    return replace(comparison, records=records)


def browse(text, folder, *options):
    """Return the page as the browser renders it, and the log of the browser."""
    if BROWSER is None:
        pytest.skip("chromium is not installed")
    page = folder / "page.html"
    page.write_text(text, encoding="utf-8")
    place = [f"--user-data-dir={folder / 'profile'}", *options]
    command = [BROWSER, *OPTIONS, *place, "--virtual-time-budget=10000", "--dump-dom"]
    return subprocess.run(
        [*command, page.as_uri()], capture_output=True, text=True, timeout=240, check=True
    )
