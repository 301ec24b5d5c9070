"""The report: one page that needs no other file, for any file names."""

import json
import re
import subprocess
import sys
from html.parser import HTMLParser

import pytest
from comparing import Coarse, compare_plainly, compared, pictures_in, sounds_in

from vqcodec.evaluation import run
from vqcodec.evaluation.record import Record
from vqcodec.evaluation.report import page
from vqcodec.evaluation.report.comparison import Comparison
from vqcodec.evaluation.report.page import build_page

HOSTILE = "<script>alert(1)<" + chr(92) + "!--.png"
VOID = {"meta", "link", "img", "input", "br"}


class Outline(HTMLParser):
    """Elements with their attributes, and whether all of them are closed in order."""

    def __init__(self, text):
        super().__init__()
        self.elements, self.open = [], []
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def all(self, tag):
        return [attributes for name, attributes in self.elements if name == tag]


@pytest.fixture(autouse=True)
def metric(monkeypatch):
    monkeypatch.setattr(run, "compare", compare_plainly)


def media_of(text):
    (data,) = re.findall(r'<script type="application/json" id="media">(.*?)</script>', text)
    return json.loads(data)


@pytest.fixture
def both(tmp_path):
    """The text of a report on pictures and sounds."""
    parts = [
        compared(pictures_in(tmp_path, "a.png", "b.png")),
        compared(sounds_in(tmp_path, "c.wav"), "audio"),
    ]
    return build_page(parts, ["jxl: needs imagecodecs"]).decode()


def test_a_report_is_one_complete_page_with_landmarks(both):
    outline = Outline(both)
    tags = [tag for tag, _ in outline.elements]
    assert outline.all("html") == [{"lang": "en"}]
    for tag in ("title", "h1", "header", "nav", "main", "footer"):
        assert tags.count(tag) == 1
    assert {"name": "viewport", "content": "width=device-width, initial-scale=1"} in outline.all(
        "meta"
    )
    assert "ours compared with jpeg, webp" in both
    assert "Not measured: jxl: needs imagecodecs" in both


def test_a_report_loads_nothing(both):
    outline = Outline(both)
    for _, attributes in outline.elements:
        for name in ("src", "href", "action", "data", "poster"):
            assert (attributes.get(name) or "#").startswith(("#", "data:"))
    assert not re.search(r"https?:|@import|url\(|\bfetch\(|XMLHttpRequest|import\(", both)
    policies = [meta["content"] for meta in outline.all("meta") if "http-equiv" in meta]
    assert policies[0].startswith("default-src 'none'")


def test_torch_is_not_needed_to_build_a_page():
    code = "import sys, vqcodec.evaluation.report.page; sys.exit('torch' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_every_referenced_id_exists_once(both):
    outline = Outline(both)
    ids = [attributes["id"] for _, attributes in outline.elements if "id" in attributes]
    assert len(ids) == len(set(ids))
    labels = [attributes.get("aria-labelledby") or "" for _, attributes in outline.elements]
    referred = [name for label in labels for name in label.split()]
    referred += [(link.get("href") or "").removeprefix("#") for link in outline.all("a")]
    assert {name for name in referred if name} <= set(ids)


def test_names_of_files_are_only_text(tmp_path):
    text = build_page([compared(pictures_in(tmp_path, HOSTILE, '"><img src=x>.png'))]).decode()
    assert "<script>alert" not in text
    assert "<img src=x>" not in text
    assert "&lt;script&gt;alert(1)" in text
    assert len(Outline(text).all("script")) == 2
    names = [file["name"] for file in media_of(text)["image"]]
    assert sorted(names) == sorted([HOSTILE, '"><img src=x>.png'])


def test_the_valid_part_of_an_invalid_name_is_shown():
    record = Record(
        file="\udcff.png", codec="ours", quality=1, size_bytes=1, payload_bytes=None,
        bits_per_pixel=1.0, bits_per_second=None, compress_s=0, decompress_s=0,
    )  # fmt: skip
    one = Comparison(
        modality="image", files=[], model=Coarse("ours"), peers=[], quality=1, records=[record]
    )
    assert b"?.png" in build_page([one])


def test_every_column_can_be_sorted(both):
    outline = Outline(both)
    columns = [th for th in outline.all("th") if th["scope"] == "col"]
    buttons = re.findall(r'<th scope="col" aria-sort="none"[^>]*><button type="button">', both)
    assert len(columns) == len(buttons) > 20
    assert len(outline.all("caption")) == len(outline.all("table")) == 6
    regions = [div for div in outline.all("div") if div.get("class") == "scroll"]
    assert all(div["tabindex"] == "0" and div["aria-label"] for div in regions)


def test_a_plot_has_a_marker_for_each_mean_and_a_line_for_each_codec(both):
    plot = both[both.index('<figure class="plot">') :]
    plot = plot[: plot.index("</figure>")]
    assert plot.count("data-tip=") == 9
    assert plot.count("<li>") == 3
    assert re.search(r'data-tip="jpeg, quality 2: [\d.]+ bits per pixel, PSNR \(dB\) [\d.]+"', plot)
    assert "bits per pixel, logarithmic" in plot
    assert "kbit/s, logarithmic" in both


def test_an_empty_sound_and_a_single_pixel_are_shown_too(tmp_path):
    sound = compared(sounds_in(tmp_path, "a.wav", num_samples=0), "audio", (6,))
    picture = compared(pictures_in(tmp_path, "a.png", height=1, width=1), qualities=(4,))
    text = build_page([picture, sound]).decode()
    assert "data:audio/wav" in text
    assert text.count('class="plot"') == 1  # no rate in time, no plot


def test_a_page_stays_below_its_limit(tmp_path, monkeypatch):
    parts = [
        compared(pictures_in(tmp_path, *"abcdef", height=64, width=64), qualities=(6,)),
        compared(sounds_in(tmp_path, "a.wav", num_samples=60_000), "audio", (6,)),
    ]
    largest = len(build_page(parts))
    limit = page._RESERVE_BYTES + 150_000
    assert largest > limit
    monkeypatch.setattr(page, "MAX_PAGE_BYTES", limit)
    assert len(build_page(parts)) < limit


def test_a_page_without_room_for_files_has_no_viewer(tmp_path, monkeypatch):
    monkeypatch.setattr(page, "MAX_PAGE_BYTES", 0)
    text = build_page([compared(pictures_in(tmp_path, "a.png"), qualities=(4,))]).decode()
    assert "data-viewer=" not in text.partition("<script>")[0]
