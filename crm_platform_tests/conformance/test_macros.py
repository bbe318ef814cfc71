"""The two macro files: the same words, and the same meaning word by word."""

from __future__ import annotations

import datetime as dt
import random

import jinja2
import pytest

from crm_platform.models import Cut, build_order, render
from crm_platform.models.templates import MACRO_FOLDER
from crm_platform.settings import Settings

DIALECTS = ("clickhouse", "duckdb")


def macros_of(dialect: str) -> dict[str, list[str]]:
    """By name the arguments of each macro of a file."""
    tree = jinja2.Environment().parse((MACRO_FOLDER / f"{dialect}.jinja").read_text(encoding="utf-8"))
    return {macro.name: [argument.name for argument in macro.args] for macro in tree.find_all(jinja2.nodes.Macro)}


def test_every_engine_has_every_word():
    assert sorted(path.stem for path in MACRO_FOLDER.glob("*.jinja")) == list(DIALECTS)
    assert macros_of("clickhouse") == macros_of("duckdb")


@pytest.mark.parametrize("table", build_order(), ids=lambda table: table.full_name())
def test_every_model_can_be_said_in_every_dialect(table):
    cut = Cut(as_of=dt.datetime(2026, 11, 20, 9, tzinfo=dt.UTC), rows={})
    spoken = {dialect: render(table, dialect=dialect, settings=Settings(), cut=cut) for dialect in DIALECTS}
    assert "toDateTime64" not in spoken["duckdb"]
    assert "timestamp '" not in spoken["clickhouse"]
