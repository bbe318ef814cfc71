"""`crm explain --moved`: all that moved since an earlier snapshot, in words.

What belongs here: how it is shown. What does not: finding it (receipts/rebuilt.py), why one figure moved (receipts.py).
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from itertools import groupby
from operator import attrgetter
from typing import TYPE_CHECKING, Final

import click

from crm_platform.cli.kpi import published_snapshot
from crm_platform.cli.words import console, figure, one_line, write_labelled, write_rows
from crm_platform.errors import NotFound
from crm_platform.languages import ENGLISH
from crm_platform.tables import TABLES

if TYPE_CHECKING:
    from crm_platform.receipts import Moved, TableChange
    from crm_platform.schemas import Table
    from crm_platform.settings import Settings

_COLUMNS: Final = ("table", "column", "rows", "the last of them", "then", "now", "the furthest", "from", "to", "why")


def show_moved(
    settings: Settings, declared: type[Table] | None, *, since: str | None, limit: int | None, as_json: bool
) -> None:
    """Show what moved, of one table or of all: for each figure in how many rows, and the one that moved furthest.

    `limit`: most figures shown, in JSON most values.
    """
    from crm_platform.receipts import changes_since, opened

    with opened(published_snapshot(settings).path) as snapshot:
        try:
            found = changes_since(settings, snapshot, since=since)
        except NotFound as problem:
            raise click.UsageError(str(problem)) from None
    chosen = {declared.full_name()} if declared else {*TABLES}
    tables = [one for one in found.tables if one.table in chosen]
    alone = {"tables_new": found.tables_new, "tables_gone": found.tables_gone}
    if as_json:
        document = {
            "earlier": found.earlier.id,
            "earlier_as_of": found.earlier.as_of.isoformat(),
            "moved": [move.to_dict() for table in tables for move in table.moved][:limit],
            "tables": [table.to_dict() for table in tables],
            **{name: [one for one in names if declared is None or one in chosen] for name, names in alone.items()},
        }
        click.echo(json.dumps(document, ensure_ascii=False))
        return
    as_of = found.earlier.as_of.astimezone(settings.zone)
    click.echo(f"compared with snapshot {found.earlier.id},\nas of {as_of:%Y-%m-%d %H:%M:%S} ({settings.timezone})")
    figures = [(table, several) for table in tables for several in _by_column(table)]
    if not figures:
        click.echo("no figure that both have moved")
    elif console().is_terminal:
        _show(figures[:limit])
    else:
        write_rows(_COLUMNS, [_row(*one) for one in figures[:limit]], form="table")
    if limit is not None and len(figures) > limit:
        click.echo(f"{len(figures) - limit:,} figures more with --rows")
    _show_besides(tables)
    for label, names in (("new tables: ", found.tables_new), ("tables that are gone: ", found.tables_gone)):
        if some := [name.removeprefix("kpi.") for name in names if declared is None or name in chosen]:
            write_labelled(label, ", ".join(some))
    if figures:
        write_labelled("why: ", f"crm explain TABLE --column COLUMN --key NAME=VALUE --since {found.earlier.id}")


def _by_column(table: TableChange) -> list[list[Moved]]:
    """The moves of each column, in the order of the columns."""
    places = {name: place for place, name in enumerate(TABLES[table.table].columns)}
    moves = sorted(table.moved, key=lambda one: places[one.column])
    return [list(several) for _, several in groupby(moves, key=attrgetter("column"))]


def _furthest(several: Sequence[Moved]) -> Moved:
    """The one that moved furthest, of equal ones the last."""
    return max(reversed(several), key=attrgetter("distance"))


def _row(table: TableChange, several: Sequence[Moved]) -> list[object]:
    last, furthest = several[-1], _furthest(several)
    return [
        table.table,
        last.column,
        len(several),
        _of(last),
        *_values(last),
        _of(furthest),
        *_values(furthest),
        _why(table),
    ]


def _show(figures: Sequence[tuple[TableChange, Sequence[Moved]]]) -> None:
    """A paragraph for each table, a line for each figure that moved."""
    for table, group in groupby(figures, key=lambda one: one[0]):
        of_table = [several for _, several in group]
        click.echo()
        write_labelled(f"{table.table.removeprefix('kpi.')}: ", _why(table))
        width = max(len(several[0].column) for several in of_table)
        for several in of_table:
            furthest = _furthest(several)
            rows = f"{len(several):,} of {table.rows:,} rows, furthest {_named(furthest.key)}: " if furthest.key else ""
            write_labelled(f"  {furthest.column:<{width}}  ", one_line(rows + _moved(furthest)))
    click.echo()


def _show_besides(tables: Sequence[TableChange]) -> None:
    """What cannot be compared: rows and columns that only one of the snapshots has."""
    for table in tables:
        told = [
            f"{number:,} {words}"
            for number, words in ((table.rows_new, "new rows"), (table.rows_gone, "rows gone"))
            if number
        ]
        told += [f"new columns {', '.join(table.columns_new)}"] if table.columns_new else []
        told += [f"columns gone {', '.join(table.columns_gone)}"] if table.columns_gone else []
        told += [_why(table)] if table.rows_gone and not table.moved else []
        if told:
            write_labelled(f"not compared, {table.table.removeprefix('kpi.')}: ", "; ".join(told))


def _why(table: TableChange) -> str:
    """What holds for all figures of a table."""
    return (
        "; ".join(one.words for one in table.reasons)
        or "same definition and settings: rows came, went or changed, or time passed"
    )


def _named(key: Mapping[str, object]) -> str:
    if len(key) == 1:
        return str(next(iter(key.values())))
    return ", ".join(f"{name} {value}" for name, value in key.items())


def _of(one: Moved) -> str:
    """The row of a value, as it stands in a pipe."""
    return ", ".join(f"{name} {value}" for name, value in one.key.items()) or "its one row"


def _moved(one: Moved) -> str:
    then, now = _values(one)
    # What is rounded in words may hide that it moved.
    exact = f" ({one.then:.6g} → {one.now:.6g})" if then == now and one.distance else ""
    return f"{then} → {now}{exact}"


def _values(one: Moved) -> tuple[str, str]:
    column = TABLES[one.table].columns[one.column]
    return figure(ENGLISH, column, one.then), figure(ENGLISH, column, one.now)
