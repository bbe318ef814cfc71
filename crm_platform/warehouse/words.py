"""The words in which engines differ, for SQL that asks a store: the macros of its dialect as functions.

What belongs here: giving them out. What does not: the words themselves (macros/), what the templates of a build may
name besides (models/render.py).
"""

from __future__ import annotations

import functools
from pathlib import Path
from typing import Any, Final

import jinja2

_FOLDER: Final = Path(__file__).parent / "macros"


@functools.cache
def words(dialect: str) -> Any:  # noqa: ANN401 - a module of macros
    """The macros of a dialect: `words(session.dialect).instant(moment)` is SQL. Local time is not among them."""
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(_FOLDER),
        undefined=jinja2.StrictUndefined,
        autoescape=False,  # noqa: S701 - SQL
    )
    return environment.get_template(f"{dialect}.jinja").module
