"""`crm status`, `crm kpi`: a look at the platform and its figures.

What belongs here: questions, and how their answers are shown. What does not: anything that changes data. Figures come
from the published snapshot, never from the live warehouse.
"""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, Final

import click

from crm_platform.cli import explain
from crm_platform.cli.options import COUNT
from crm_platform.cli.words import Form, console, figure, size, write_labelled, write_rows
from crm_platform.durations import duration
from crm_platform.errors import CrmPlatformError, FixConfiguration, quoted
from crm_platform.metrics.campaign_performance.table import CampaignPerformance
from crm_platform.metrics.executive_summary.table import ExecutiveSummary
from crm_platform.schemas import KpiTable, Table, ops, raw
from crm_platform.settings import current_settings
from crm_platform.tables import TABLES

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    import pyarrow as pa

    from crm_platform.ingest import JudgedSweep
    from crm_platform.publish import Snapshot
    from crm_platform.settings import Settings
    from crm_platform.warehouse import DuckDbWarehouse, Session

_PATIENCE: Final = 5.0  # seconds, for a file that somebody writes to, or a port
_MOST_TROUBLES: Final = 10  # lines of what cannot be had
_MANY_CHATS: Final = 100_000  # reading back what the planner remembers of a million takes a minute and 1.4 GB


# Published figures.


def published_snapshot(settings: Settings) -> Snapshot:
    """Give the published snapshot. Raises FixConfiguration before the first."""
    from crm_platform.publish import current

    snapshot = current(settings)
    if snapshot is None:
        raise FixConfiguration(f"nothing is published in {settings.published_dir} yet: run `crm refresh` first")
    return snapshot


def _published(snapshot: Snapshot, table: type[Table], *, limit: int | None = None) -> pa.Table:
    """Read a table of a snapshot: newest days or months first, otherwise by key."""
    from crm_platform.publish import reading

    newest_first = " desc" if issubclass(table, KpiTable) and table.period else ""
    order = f" order by {', '.join(f'{key}{newest_first}' for key in table.key)}" if table.key else ""
    some = "" if limit is None else f" limit {limit}"
    with reading(snapshot.path) as connection:
        return connection.sql(f"select * from {table.full_name()}{order}{some}").to_arrow_table()


def summary_lines(row: Mapping[str, object]) -> list[tuple[str, str, str, str]]:
    """Lay out the executive summary: figure, value, previous value, meaning."""
    columns = ExecutiveSummary.columns
    return [
        (
            name.replace("_", " "),
            figure(column, row[name]),
            figure(column, row[f"{name}_previous"]),
            column.description,
        )
        for name, column in columns.items()
        if f"{name}_previous" in columns
    ]


def show_summary(settings: Settings, snapshot: Snapshot | None = None) -> None:
    """Show the executive summary of a snapshot, by default the current one: of when it is, and how complete."""
    from crm_platform.publish import current, read_manifest

    snapshot = snapshot or published_snapshot(settings)
    row = _published(snapshot, ExecutiveSummary).to_pylist()[0]
    write_rows(("figure", "value", "previous", "meaning"), summary_lines(row), form="table", title="Executive summary")
    sandbox = " · sandbox data, made up" if read_manifest(snapshot.path).is_sandbox else ""
    provisional = " (provisional)" if row["is_provisional"] else ""
    coverage = "not known" if row["coverage"] is None else f"{row['coverage']:.1%}"
    as_of = snapshot.as_of.astimezone(settings.zone)
    click.echo(f"as of {as_of:%Y-%m-%d %H:%M:%S} ({settings.timezone}) · coverage {coverage}{provisional}{sandbox}")
    click.echo(f"snapshot {snapshot.path} ({size(snapshot.bytes)})")
    shown = current(settings)
    if shown is None or shown.id != snapshot.id:
        stays = "nothing is current yet" if shown is None else f"{shown.id} stays current"
        click.echo(f"its cut was chosen in the past: {stays}; `crm build --as-of TIME --current` makes one current")


def show_warnings(settings: Settings) -> None:
    """Show the checks that fail, with table, rule and what was found; nothing when all pass."""
    from crm_platform.models.noted import failing

    notes = failing(settings)
    if notes:
        rows = [(note.table, note.rule, "holds back" if note.is_blocking else "warns", note.words) for note in notes]
        write_rows(("table", "rule", "verdict", "found"), rows, form="table", title="Checks that fail")


def find_table(name: str) -> type[Table]:
    """Find a table by its full name, or by its own; a KPI comes first. Raises UsageError on any other word."""
    found = [table for full, table in TABLES.items() if name in {full, table.table}]
    found = [table for table in found if issubclass(table, KpiTable)] or found
    if not found:
        known = ", ".join(sorted(table.table for table in TABLES.values() if issubclass(table, KpiTable)))
        raise click.UsageError(f"there is no table {quoted(name)}; KPI tables are {known}")
    return found[0]


def require_published(snapshot: Snapshot, table: type[Table]) -> None:
    """Raise UsageError when a snapshot does not hold a table: because none does, or because it is older than that."""
    from crm_platform.publish import published_tables

    if table.full_name() not in snapshot.tables:
        will_be = table in published_tables()
        words = (
            "is not in this snapshot yet: run `crm build`" if will_be else "is not published; `crm kpi` lists what is"
        )
        raise click.UsageError(f"{table.full_name()} {words}")


@click.command
@click.argument("table", required=False)
@click.option("--json", "form", flag_value="json", help="One JSON document a line.")
@click.option("--csv", "form", flag_value="csv", help="CSV with a header.")
@click.option("--limit", type=COUNT, help="At most so many rows; newest days and months come first.")
def kpi(*, table: str | None, form: Form | None, limit: int | None) -> None:
    """Show a published table; without TABLE, list the KPI tables.

    On a terminal the first 30 rows are drawn; in a pipe all of them are written.
    """
    snapshot = published_snapshot(current_settings())
    if table is None:
        listed = [
            (name, snapshot.tables.get(name), declared.description())
            for name, declared in sorted(TABLES.items())
            if issubclass(declared, KpiTable)
        ]
        write_rows(("table", "rows", "about"), listed, form=form or "table", title=f"As of {snapshot.as_of:%c} UTC")
        return
    declared = find_table(table)
    require_published(snapshot, declared)
    if limit is None and form is None and console().is_terminal:
        limit = 30
    found = _published(snapshot, declared, limit=limit)
    rows = zip(*(column.to_pylist() for column in found.columns), strict=True)
    title = f"{declared.full_name()} as of {snapshot.as_of:%Y-%m-%d %H:%M} UTC"
    write_rows(found.column_names, rows, form=form or "table", title=title)


# Status.


def _live(settings: Settings) -> DuckDbWarehouse | None:
    from crm_platform.warehouse import DuckDbWarehouse

    if not settings.warehouse_path.exists():
        return None
    return DuckDbWarehouse(settings.warehouse_path, lock_dir=settings.lock_dir, timeout=_PATIENCE)


def _sweep_words(sweep: JudgedSweep, *, now: dt.datetime) -> str:
    row = sweep.row
    age = duration((now - row["started_at"].replace(tzinfo=dt.UTC)).total_seconds())
    seen, total = row["seen_contacts"], row["reported_total"] or 0
    of = f" of {total:,}" if total >= seen else ""  # a total that counts a page alone says nothing
    words = f"{age} ago, {'complete' if row['is_complete'] else 'incomplete'}: {seen:,}{of} contacts"
    if row["is_complete"] and total > seen + row["rejected_contacts"]:
        words += f" ({total - seen:,} that the CRM counts are not in its list)"
    if sweep.waits:
        words += f"; suspicious, {row['missing_contacts'] or 0:,} that were there are missing: it {sweep.words}"
    return words


def _crawl_lines(session: Session, *, now: dt.datetime) -> Iterator[tuple[str, object]]:
    from crm_platform.ingest import judged_sweeps

    for sweep in judged_sweeps(session, most=1):
        yield "last sweep", _sweep_words(sweep, now=now)
    chats = session.query(
        f"""
        select
            (select count(*) from {raw.Contacts.full_name()}) as contacts,
            (select count(*) from {raw.Messages.full_name()}) as messages,
            count(*) filter (where known_until is not null) as visited,
            count(*) filter (where is_history_whole) as whole,
            count(*) filter (where failed_at is not null) as failing
        from {ops.CrawlState.full_name()}
        """
    ).to_pylist()[0]
    yield "contacts", f"{chats['contacts']:,}"
    yield "chats", f"{chats['visited']:,} visited, {chats['whole']:,} whole, {chats['failing']:,} failing"
    yield "messages", f"{chats['messages']:,}"
    spent = session.query(
        f"select count(*) as n from {ops.Fetches.full_name()} where started_at > ?",
        ((now - dt.timedelta(days=1)).replace(tzinfo=None),),
    )
    yield "requests, last 24 h", f"{spent['n'][0].as_py():,}"
    rejected = session.query(
        f"select reason, count(*) as n from {ops.Quarantine.full_name()} group by reason order by n desc, reason"
    ).to_pylist()
    yield "quarantine", ", ".join(f"{row['n']:,} {row['reason']}" for row in rejected) or "empty"
    yield from _trouble_lines(session, now=now)


def _trouble_lines(session: Session, *, now: dt.datetime) -> Iterator[tuple[str, str]]:
    """What cannot be had, oldest first: which object, why, since when, and when it is asked for again."""
    from crm_platform.ingest import missed

    troubles = missed(session)
    for one in troubles[:_MOST_TROUBLES]:
        ago = duration(max(0.0, (now - one.since).total_seconds()))
        wait = (one.retry_at - now).total_seconds()
        again = f"again in {duration(wait)}" if wait > 0 else "again by the next run"
        yield "cannot be had", f"{one.operation} {one.target}, for {ago} ({one.times} times): {one.reason}; {again}"
    if len(troubles) > _MOST_TROUBLES:
        yield "cannot be had", f"and {len(troubles) - _MOST_TROUBLES:,} more (ops.troubles)"


def _timeliness_lines(settings: Settings, store: DuckDbWarehouse, *, now: dt.datetime) -> Iterator[tuple[str, str]]:
    """How late messages are found, and how far the planner's estimates are right."""
    from crm_platform.ingest import PlannerMemory, standing

    with store.reading() as session:
        chats = session.query(f"select count(*) as chats from {ops.PlannerChats.full_name()}")["chats"].to_pylist()[0]
    if chats > _MANY_CHATS:
        yield "found after", f"not computed here for {chats:,} chats: the metadata of every ingest run has it"
        return
    crawl = standing(store, PlannerMemory.load(settings, store, at=now).planner, at=now)
    if crawl.delay_hours is not None:
        least = crawl.least_delay_hours
        # A load reaches in minutes what the same visits, spread over the day, could not: no bound is told then.
        is_bound = least is not None and least <= crawl.delay_hours
        bound = f"; {duration(least * 3600)} is the least so many visits could reach" if is_bound and least else ""
        yield "found after", f"{duration(crawl.delay_hours * 3600)} on average in the last 24 h{bound}"
    audit = crawl.audit
    if audit.ratio is not None and audit.low is not None and audit.high is not None:
        yield (
            "audit visits",
            f"{audit.visits} found {audit.ratio:.2f} of what was expected ({audit.low:.2f} to {audit.high:.2f})",
        )
    if crawl.advice is not None and (settings.minute_limit or settings.day_limit):
        yield "advice", crawl.advice


def _covered(coverage: Mapping[str, float]) -> str:
    """How much of the figures is seen. The least known row is mostly the day that has just begun: it is named."""
    from crm_platform.cli.pace import percent

    if not coverage:
        return "not known"
    least = min(coverage, key=lambda name: coverage[name])
    summary = coverage.get(ExecutiveSummary.full_name())
    whole = "not known for the executive summary" if summary is None else f"{percent(summary)} of the executive summary"
    return f"{whole}; {percent(coverage[least])} in the least known row ({least})"


def status_lines(settings: Settings, *, now: dt.datetime) -> Iterator[tuple[str, object]]:
    """What is known, spent and published, as (about, words)."""
    import duckdb

    from crm_platform.alerts import Alerter
    from crm_platform.alerts.checks import PREFIX, one_line
    from crm_platform.cli.pace import loading_lines
    from crm_platform.defs.allowance import closed, requests_left
    from crm_platform.models.noted import failing
    from crm_platform.publish import current, read_manifest
    from crm_platform.warehouse import at_work

    yield "CRM", f"{settings.crm_url}{' (the sandbox: made-up data)' if settings.is_sandbox else ''}"
    yield "data folder", str(settings.root)
    live = _live(settings)
    held = at_work(settings.lock_dir)
    what_to_do = "`crm refresh` is at work" if "crm refresh" in held else "run `crm refresh`"
    if live is None:
        is_gone = settings.models_path.exists() and not settings.warehouse_path.exists()
        yield (
            "warehouse",
            "gone, though a build was made of it: see `crm doctor`" if is_gone else f"empty: {what_to_do}",
        )
    else:
        try:
            with live.reading() as session:
                yield from _crawl_lines(session, now=now)
            yield from loading_lines(settings, live, now=now)
            yield from _timeliness_lines(settings, live, now=now)
        except (duckdb.CatalogException, duckdb.BinderException):
            yield "warehouse", "written by an earlier version: `crm build`, or the next crawl, brings it up to date"
        except CrmPlatformError as problem:  # held by somebody, damaged: the rest is told all the same
            yield "warehouse", explain(problem).replace("\n  ", "; ")
    words = [f"{count:,} this {span}" for span, count in requests_left(settings).items()]
    yield "requests left", ", ".join(words) or "no limit"
    if pause := closed(settings):
        yield "gate", f"closed {pause}"
    snapshot = current(settings)
    if snapshot is None:
        yield "snapshot", f"none yet: {what_to_do}"
    else:
        manifest = read_manifest(snapshot.path)
        yield "snapshot", f"as of {duration((now - snapshot.as_of).total_seconds())} ago, {size(snapshot.bytes)}"
        # A campaign's own row is covered or not, 1 or 0: one without a report says nothing about the rest.
        covered = {
            name: table.coverage
            for name, table in manifest.tables.items()
            if table.coverage is not None and name != CampaignPerformance.full_name()
        }
        yield "coverage", _covered(covered)
    for work, holder in held.items():
        yield work, f"at work: {holder}"
    for note in failing(settings):
        yield "broken contract" if note.is_blocking else "warning", one_line(note)
    for key, title in Alerter(settings).open_problems().items():
        if not key.startswith(PREFIX):
            yield "problem", title


@click.command()
@click.option("--json", "form", flag_value="json", help="One JSON document a line.")
def status(*, form: Form | None) -> None:
    """Say what is known of the CRM, what it cost, and how old the published figures are."""
    lines = status_lines(current_settings(), now=dt.datetime.now(dt.UTC))
    if form is None and console().is_terminal:
        for about, words in lines:
            write_labelled(f"{about:<22}", str(words))
        return
    write_rows(("about", "status"), lines, form=form or "table")
