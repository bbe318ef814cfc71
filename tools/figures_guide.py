"""`python -m tools.figures_guide`: writes docs/what-each-figure-is-for.md, for people who do not write code.

What belongs here: putting the readings of the tables into one page. What does not: their words, which stand beside each
table (metrics/<table>/reading.md), and what comes before them (metrics/reading.md).
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Final

from crm_platform.models.generate import figures
from crm_platform.models.render import beside
from crm_platform.schemas import KpiTable
from crm_platform.tables import TABLES, metrics

GUIDE: Final = Path("docs/what-each-figure-is-for.md")


def generate() -> str:
    """The whole page."""
    introduction = Path(metrics.__file__ or "").with_name("reading.md").read_text(encoding="utf-8")
    return "\n".join([introduction, *(_reading(table) for table in TABLES.values() if issubclass(table, KpiTable))])


def _reading(table: type[KpiTable]) -> str:
    """What a table's folder says of it; of one that says nothing, what its declaration does."""
    path = beside(table, "reading.md")
    if path.exists():
        return path.read_text(encoding="utf-8")
    lines = [f"- `{name}`: {table.columns[name].description}" for name in figures(table)]
    title = table.table.replace("_", " ").capitalize()
    return "\n".join([f"## {title}", "", f"Table `{table.full_name()}`: {table.description()}", "", *lines, ""])


if __name__ == "__main__":
    GUIDE.write_text(generate(), encoding="utf-8")
    sys.stdout.write(f"wrote {GUIDE}\n")
