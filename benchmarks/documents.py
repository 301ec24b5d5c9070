"""Put the figures of benchmarks/results into the tables of the documents.

A table stands between two comments, `<!-- table: NAME -->` and `<!-- end -->`; this program
replaces the text between them.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path

from result import RESULTS, ROOT
from table_text import Result, Results
from tables import TABLES, model_table

from vqcodec.codec.model_file import SUFFIX
from vqcodec.codec.zoo import ModelCard, read_card

CARDS = sorted(Path(ROOT, "assets", "models").glob("*.md"))
PAGES = ("RESULTS", "PAPER", "QUANTIZERS", "TOKENS")
DOCUMENTS = (
    "README.md",
    *(f"docs/{name}.md" for name in PAGES),
    *(f"assets/models/{card.name}" for card in CARDS),
)
TABLE = re.compile(r"(<!-- table: ([\w -]+) -->\n).*?(<!-- end -->)", re.DOTALL)
NOT_MEASURED = "Not measured yet.\n"


def rebuilt(text: str, results: Results, cards: Mapping[str, ModelCard]) -> str:
    """Return a document with new tables."""

    def table(match: re.Match[str]) -> str:
        kind, _, name = match[2].partition(" ")
        if kind == "model":
            body = model_table(cards[name], results) if name in cards else NOT_MEASURED
        else:
            body = TABLES[match[2]](results) or NOT_MEASURED
        return f"{match[1]}\n{body}\n{match[3]}"

    return TABLE.sub(table, text)


def read_results() -> dict[str, Result]:
    """Return all results by name."""
    return {path.stem: json.loads(path.read_text("utf-8")) for path in RESULTS.glob("*.json")}


def read_cards() -> dict[str, ModelCard]:
    """Return the cards of the shipped models by name."""
    folder = ROOT / "assets" / "models"
    return {card.name: card for card in map(read_card, sorted(folder.glob(f"*{SUFFIX}")))}


def main() -> None:
    """Rewrite the documents."""
    results, cards = read_results(), read_cards()
    for name in DOCUMENTS:
        path = Path(ROOT, name)
        text = path.read_text(encoding="utf-8")
        path.write_text(rebuilt(text, results, cards), encoding="utf-8")


if __name__ == "__main__":
    main()
