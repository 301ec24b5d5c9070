"""The report has no violations in axe-core: narrow or wide, light or dark.

The environment variable AXE_CORE is the path of axe.min.js. Without it, the file is searched in the
project's `node_modules`.
"""

import json
import os
import re
from html import escape, unescape
from pathlib import Path

import pytest
from browsing import browse, report_of_both_kinds

AXE = Path(
    os.environ.get("AXE_CORE")
    or Path(__file__).parents[2] / "node_modules" / "axe-core" / "axe.min.js"
)
WIDTHS = (390, 1280)  # pixels: of a telephone, and of a desktop
SCHEMES = {"light": [], "dark": ["--blink-settings=preferredColorScheme=0"]}

# Opens every part of the page that a reader can open.
CHECK = """
<script>
document.querySelectorAll("details").forEach((details) => { details.open = true; });
document.querySelectorAll(".plot svg").forEach((svg) => {
  svg.dispatchEvent(new KeyboardEvent("keydown", { key: "ArrowRight" }));
});
document.querySelectorAll("[data-choice='0']").forEach((button) => button.click());
document.querySelector("th button")?.click();
axe.run(document, { preload: false }).then((results) => {
  const nodes = (rule) => rule.nodes.map((node) => node.html.slice(0, 200));
  parent.document.body.dataset[`w${innerWidth}`] = JSON.stringify({
    violations: results.violations.map((rule) => [rule.id, rule.impact, nodes(rule)]),
    passes: results.passes.map((rule) => rule.id),
  });
});
</script>
</body>"""


def examined(text, folder, *options):
    """Return the results of axe-core on a page, by width."""
    if not AXE.is_file():
        pytest.skip(f"axe-core is not at {AXE}: npm install --no-save axe-core")
    # The page loads nothing, so the script is inside an element of the page.
    script = AXE.read_text(encoding="utf-8").replace("</script", r"<\/script")
    page = text.replace("</body>", f"<script>{script}</script>{CHECK}")
    # A window of the browser is 500 pixels wide or more; a frame may be narrower.
    frames = [
        f'<iframe width="{width}" height="900" srcdoc="{escape(page)}"></iframe>'
        for width in WIDTHS
    ]
    outer = f"<!DOCTYPE html><title>frames</title><body>{''.join(frames)}</body>"
    visit = browse(outer, folder, "--window-size=1400,2000", *options)
    found = dict(re.findall(r'data-w(\d+)="([^"]*)"', visit.stdout))
    assert set(map(int, found)) == set(WIDTHS), visit.stderr
    return {int(width): json.loads(unescape(value)) for width, value in found.items()}


@pytest.mark.parametrize("scheme", SCHEMES)
def test_a_report_breaks_no_rule(tmp_path, scheme):
    found = examined(report_of_both_kinds(tmp_path), tmp_path, *SCHEMES[scheme])
    for width in WIDTHS:
        assert found[width]["violations"] == []
        assert {"color-contrast", "image-alt", "select-name"} <= set(found[width]["passes"])


def test_violations_are_found(tmp_path):
    page = (
        '<!DOCTYPE html><html lang="en"><title>t</title><body><main><h1>t</h1>'
        '<p style="color:#ccc;background:#fff">faint</p><img src="data:,"></main></body>'
    )
    for found in examined(page, tmp_path).values():
        rules = {rule for rule, *_ in found["violations"]}
        assert rules == {"color-contrast", "image-alt"}
