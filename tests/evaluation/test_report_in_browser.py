"""The report in a browser: its script works without errors."""

import re

import pytest
from browsing import browse, report_of_both_kinds

# Actions of a reader; the results become attributes of the page.
USE = """
<script>
const found = document.body.dataset;
const heads = document.querySelectorAll("#image details th");
const size = [...heads].find((head) => head.textContent === "size_bytes");
const sizes = () => [...size.closest("table").tBodies[0].rows]
  .map((row) => Number(row.cells[size.cellIndex].dataset.value));
const rising = (values) => values.every((value, index) => !index || values[index - 1] <= value);
size.firstChild.click();
found.rises = rising(sizes()) + " " + size.ariaSort;
size.firstChild.click();
found.falls = rising(sizes().reverse()) + " " + size.ariaSort;

const plot = document.querySelector(".plot");
for (const key of ["ArrowRight", "ArrowRight"]) {
  plot.querySelector("svg").dispatchEvent(new KeyboardEvent("keydown", { key }));
}
found.tip = plot.querySelector(".tip").textContent;

const viewer = document.querySelector('[data-viewer="pictures"]');
const set = (role, value, event) => {
  const control = viewer.querySelector(`[data-role="${role}"]`);
  control.value = value;
  control.dispatchEvent(new Event(event));
};
set("codec", "2", "change");
set("split", "25", "input");
found.decoded = viewer.querySelector('[data-role="decoded"]').alt;
found.split = viewer.querySelector(".stage").style.getPropertyValue("--split");

for (const kind of ["image", "audio"]) {
  const blind = document.querySelector(`[data-viewer="blind"][data-kind="${kind}"]`);
  for (const choice of [2, 2, 0]) blind.querySelector(`[data-choice="${choice}"]`).click();
  found[kind] = blind.querySelector('[data-role="tally"]').textContent;
}
found.wide = document.documentElement.scrollWidth > window.innerWidth;
</script>
</body>"""


@pytest.fixture(scope="module")
def visit(tmp_path_factory):
    """The page after a reader used it, and the log of the browser."""
    folder = tmp_path_factory.mktemp("report")
    text = report_of_both_kinds(folder)
    return browse(text.replace("</body>", USE), folder, "--window-size=500,900")


def found(visit, name):
    """Return an attribute that `USE` left."""
    return re.findall(rf'<body [^>]*data-{name}="([^"]*)"', visit.stdout)[0]


def test_the_script_runs_to_its_end_and_the_console_stays_empty(visit):
    assert 'data-ready="yes"' in visit.stdout
    assert "Original of &lt;b&gt;.png" in visit.stdout
    assert visit.stdout.count("<audio") == 4 + 3  # players, and those of the blind test
    assert "CONSOLE" not in visit.stderr


def test_a_click_sorts_and_a_second_click_reverses_the_order(visit):
    assert found(visit, "rises") == "true ascending"
    assert found(visit, "falls") == "true descending"


def test_arrow_keys_move_over_the_points_of_a_plot(visit):
    assert found(visit, "tip").startswith("ours, quality 4: ")


def test_codec_and_divider_can_be_chosen(visit):
    assert found(visit, "decoded") == "&lt;b&gt;.png by webp"
    assert found(visit, "split") == "25%"


def test_the_blind_test_counts_choices(visit):
    for kind in ("image", "audio"):
        tally = found(visit, kind)
        assert tally.endswith("no difference 2.")
        assert sorted(re.findall(r" (\d)", tally)) == ["0", "1", "2"]


def test_a_narrow_window_needs_no_scrolling_sideways(visit):
    assert found(visit, "wide") == "false"
