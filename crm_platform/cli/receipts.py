"""`crm explain`: what a table means, what a figure is made of, and why it moved.

What belongs here: how definitions and receipts are shown. What does not: all that moved (moved.py), finding them
(receipts/).
"""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Mapping
from dataclasses import asdict
from typing import TYPE_CHECKING, Any, Final

import click

from crm_platform.cli.kpi import find_table, published_snapshot
from crm_platform.cli.moved import show_moved
from crm_platform.cli.options import Whole, kpi_tables
from crm_platform.cli.words import figure, write_labelled, write_rows
from crm_platform.errors import InvalidRequest, NotFound, quoted
from crm_platform.languages import ENGLISH
from crm_platform.schemas import Column, KpiTable, Table
from crm_platform.settings import current_settings
from crm_platform.tables import TABLES

if TYPE_CHECKING:
    from collections.abc import Iterator

    from crm_platform.receipts import Movement, Receipt
    from crm_platform.settings import Settings

_ROWS: Final = 20  # shown where --rows does not say
_MOVED_ROWS: Final = 10  # of those that moved


@click.command()
@click.argument("table", required=False, shell_complete=kpi_tables)
@click.option("--column", help="A figure of the table: show its receipt.")
@click.option("--key", "keys", multiple=True, metavar="NAME=VALUE", help="A key column of the figure's row.")
@click.option("--day", help="The same as --key day=…, such as 2026-11-20.")
@click.option("--month", help="The same as --key month=…, such as 2026-11.")
@click.option("--from", "from_", help="First day of a range, of the tables by day whose rows can be pooled.")
@click.option("--to", help="The day after its last one.")
@click.option(
    "--since", help="Compare with a kept snapshot: its id, a time, or `yesterday`; unset: the newest that differs."
)
@click.option("--moved", "is_about_all", is_flag=True, help="List every figure that moved since an earlier snapshot.")
@click.option("--rows", "limit", type=Whole(0, 1_000_000_000), help=f"Rows to show; unset: {_ROWS}, all with --json.")
@click.option("--json", "as_json", is_flag=True, help="One JSON document.")
@click.option("--privileged", is_flag=True, help="Name the chats behind the rows; written to the audit log.")
def explain(
    *,
    table: str | None,
    column: str | None,
    keys: tuple[str, ...],
    day: str | None,
    month: str | None,
    from_: str | None,
    to: str | None,
    since: str | None,
    is_about_all: bool,
    limit: int | None,
    as_json: bool,
    privileged: bool,
) -> None:
    """Show what a table means and its SQL; with --column, what a published figure is made of and why it moved.

    With --moved, which figures moved since an earlier snapshot, of one table or of all.
    """
    if table is None and not is_about_all:
        raise click.UsageError("name a table, such as response_times_daily, or use --moved")
    declared = None if table is None else find_table(table)
    if is_about_all:
        if column or keys or day or month or from_ or to or privileged:
            raise click.UsageError("--moved lists all figures: with it go a table, --since, --rows and --json alone")
        show_moved(current_settings(), declared, since=since, limit=limit, as_json=as_json)
        return
    assert declared is not None
    if column is None:
        if keys or day or month or from_ or to or since or as_json or privileged or limit is not None:
            raise click.UsageError("these options are about one figure: name it with --column")
        _show_definition(declared)
        return
    given = {"day": day, "month": month, "day_from": from_, "day_to": to}
    key = {name: value for name, value in given.items() if value is not None}
    for one in keys:
        name, sign, value = one.partition("=")
        if not sign:
            raise click.UsageError(f"--key is {quoted(one)}; write name=value, such as weekday=0")
        key[name] = value
    try:
        _show_receipt(
            declared, column, key, since=since, limit=limit, form="json" if as_json else "text", privileged=privileged
        )
    except (NotFound, InvalidRequest) as problem:
        raise click.UsageError(str(problem)) from None


def _show_definition(declared: type[Table]) -> None:
    from crm_platform.models import Cut, dependencies, render
    from crm_platform.models.render import is_built

    click.echo(f"{declared.full_name()}: {declared.description()}")
    click.echo(f"key: {', '.join(declared.key) or 'one row'}")
    if issubclass(declared, KpiTable):
        click.echo(f"definition version {declared.version}, pillar {declared.pillar}")
    click.echo("\ncolumns")
    width = max(map(len, declared.columns))
    for name, column in declared.columns.items():
        unit = f" [{column.unit}]" if column.unit else ""
        write_labelled(f"  {name:<{width}}  {column.type.value:<9}  ", column.description + unit)
    if declared.rules:
        click.echo("\nrules\n" + "\n".join(f"  {rule}" for rule in declared.rules))
    if is_built(declared):
        settings = current_settings()
        click.echo(f"\nreads {', '.join(sorted(dependencies(declared)))}\n")
        click.echo(
            render(declared, dialect="duckdb", settings=settings, cut=Cut(as_of=dt.datetime.now(dt.UTC), rows={}))
        )


def _show_receipt(
    declared: type[Table],
    column: str,
    key: Mapping[str, str],
    *,
    since: str | None,
    limit: int | None,
    form: str,
    privileged: bool,
) -> None:
    from crm_platform.receipts import moved_since, opened, receipt
    from crm_platform.receipts.reveal import reveal

    if limit is None and form == "text":
        limit = _ROWS
    settings = current_settings()
    table = declared.full_name()
    with opened(published_snapshot(settings).path) as snapshot:
        found = receipt(snapshot, table, key, column, limit=limit)
        movement = moved_since(settings, snapshot, table, key, column, since=since, limit=limit)
    names: dict[str, dict[str, object]] = {}
    if privileged:
        chats = [str(row["chat_id"]) for row in found.rows if "chat_id" in row]
        purpose, now = f"{table}.{column} {dict(key)}", dt.datetime.now(dt.UTC)
        names = {name: asdict(one) for name, one in reveal(settings, chats, purpose=purpose, now=now).items()}
    if form == "json":
        document: dict[str, Any] = {**found.to_dict(), "moved": movement and movement.to_dict()}
        if privileged:
            document["revealed"] = names
        click.echo(json.dumps(document, ensure_ascii=False))
        return
    for line in _receipt_lines(found, settings):
        click.echo(line)
    _show_rows(found, names)
    for line in _origin_lines(found):
        click.echo(line)
    click.echo(f"\nSQL that filled {found.table}\n\n{found.sql}")
    for line in _movement_lines(movement, found, settings):
        click.echo(line)
    if movement is not None and movement.rows:
        _show_moved_rows(movement)


# Words.


def _named(key: Mapping[str, object]) -> str:
    return "".join(f", {name} {value}" for name, value in key.items())


def _words(found: Receipt, value: object) -> str:
    column: Column = TABLES[found.table].columns[found.column]
    words = figure(ENGLISH, column, value)
    # What is rounded in words stands beside them in full.
    return f"{words} ({value})" if isinstance(value, float) and str(value) != words else words


def _receipt_lines(found: Receipt, settings: Settings) -> Iterator[str]:
    yield f"{found.table}{_named(found.key)}: {found.column} = {_words(found, found.value)}"
    yield f"  {found.meaning}"
    yield f"  {found.table_meaning}"
    coverage = "not known" if found.coverage is None else f"{found.coverage:.1%}"
    provisional = ", provisional" if found.is_provisional else ""
    as_of = found.as_of.astimezone(settings.zone)
    yield f"  definition version {found.definition_version} · coverage {coverage}{provisional}"
    yield f"  as of {as_of:%Y-%m-%d %H:%M:%S} ({settings.timezone}) · snapshot {found.snapshot}"
    if found.source is None:
        yield "\nno lineage is declared for it: the SQL below is all there is to say"
        return
    agrees = "which is the figure" if found.agrees else f"WHICH IS NOT THE FIGURE but {found.recomputed}"
    yield f"\nfrom {found.row_count:,} rows of {found.source}: {found.computed}, {agrees}"


def _show_rows(found: Receipt, names: Mapping[str, Mapping[str, object]]) -> None:
    if not found.rows:
        return
    columns = list(dict.fromkeys((*found.row_key, *found.used)))
    revealed = ["real_chat_id", "whatsapp_number"] if names else []
    rows = [
        [
            *(row[column] for column in columns),
            *(names.get(str(row.get("chat_id")), {}).get(name) for name in ("chat_id", "whatsapp_number") if names),
        ]
        for row in found.rows
    ]
    write_rows([*columns, *revealed], rows, form="table", title="rows")
    _say_cut("rows", len(rows), found.row_count, "--rows")


def _origin_lines(found: Receipt) -> Iterator[str]:
    fetched = found.fetched
    if fetched.first_at is not None and fetched.last_at is not None:
        kinds = ", ".join(f"{count:,} {operation}" for operation, count in fetched.by_operation.items())
        yield (
            f"\nfrom {fetched.requests:,} requests ({kinds}), the first at {fetched.first_at:%Y-%m-%d %H:%M:%S} UTC,"
            f" the last at {fetched.last_at:%Y-%m-%d %H:%M:%S} UTC"
        )
    shown = found.taken_from[:_ROWS]
    # Of each row listed as many figures are taken.
    takes = len(found.taken_from) // len(found.rows) if found.rows else 0
    if len(shown) < takes * found.row_count:
        yield _cut("figures that it is taken from", len(shown), takes * found.row_count, "--json") + ":"
    for taken in shown:
        options = "".join(f" --key {name}={value}" for name, value in taken.key.items())
        yield f"  crm explain {taken.table}{options} --column {taken.column}"
    yield f"digest {found.digest}"


def _movement_lines(movement: Movement | None, found: Receipt, settings: Settings) -> Iterator[str]:
    if movement is None:
        yield "\nit is the same in every earlier snapshot that is kept"
        return
    as_of = movement.earlier_as_of.astimezone(settings.zone)
    was = "the same" if not movement.has_moved else _words(found, movement.then)
    coverage = "" if movement.coverage_then is None else f", at a coverage of {movement.coverage_then:.1%}"
    yield f"\nin snapshot {movement.earlier}, as of {as_of:%Y-%m-%d %H:%M:%S}, it was {was}{coverage}"
    yield f"  rows: {movement.added:,} came, {movement.removed:,} went, {movement.changed:,} changed"
    for reason in movement.reasons:
        yield f"  {reason.words}" + (f": {reason.rows:,} rows" if reason.rows else "")


def _show_moved_rows(movement: Movement) -> None:
    """The first rows that came, went or changed, each with what was used of it then and now."""
    shown = movement.rows[:_MOVED_ROWS]
    keys = [name for name in shown[0] if name not in ("what", "reason", "then", "now")]
    rows = [
        [one["what"], one["reason"], *(one[name] for name in keys), _used(one["then"]), _used(one["now"])]
        for one in shown
    ]
    write_rows(["what", "reason", *keys, "then", "now"], rows, form="table", title="rows that moved")
    _say_cut("rows that moved", len(shown), movement.added + movement.removed + movement.changed, "--json")


def _say_cut(what: str, shown: int, of: int, option: str) -> None:
    """Say how much of a list is shown where that is not all: on a line of its own, because a pipe gets no titles."""
    if shown < of:
        click.echo(_cut(what, shown, of, option))


def _cut(what: str, shown: int, of: int, option: str) -> str:
    return f"showing {shown:,} of {of:,} {what}; more with {option}"


def _used(values: object) -> str:
    if not isinstance(values, Mapping):
        return "–"
    return ", ".join(f"{name} {value}" for name, value in values.items())
