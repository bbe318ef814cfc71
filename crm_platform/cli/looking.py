"""`crm status`, `kpi`, `doctor`: a look at the platform, its figures and its health.

What belongs here: questions, and how their answers are shown. What does not: anything that changes data. Figures come
from the published snapshot, never from the live warehouse.
"""

from __future__ import annotations

import datetime as dt
import shutil
import socket
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

import click

from crm_platform.cli import EXIT_FAILED
from crm_platform.cli.words import Form, console, duration, figure, size, write_rows
from crm_platform.errors import Busy, CrmPlatformError, FixConfiguration, RetryLater, Unauthorized
from crm_platform.schemas import TABLES, KpiTable, Table, ops, raw
from crm_platform.schemas.kpi import CampaignPerformance, ExecutiveSummary
from crm_platform.settings import current_settings, load_settings

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    import pyarrow as pa

    from crm_platform.publish import Snapshot
    from crm_platform.settings import Settings
    from crm_platform.warehouse import DuckDbWarehouse, Session

_ENOUGH_DISK: Final = 1 << 30  # bytes: a build and a snapshot of a few million messages
_PATIENCE: Final = 5.0  # seconds, for a file that somebody writes to, or a port
_MANY_CHATS: Final = 100_000  # reading back what the planner remembers of a million takes a minute and 1.4 GB
_OLD_SNAPSHOT: Final = dt.timedelta(hours=26)  # a nightly build and two hours
_LEASES: Final = {"crawl": "crawl", "build": "build", "refresh": "crm refresh"}


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
    import duckdb

    newest_first = " desc" if issubclass(table, KpiTable) and table.period else ""
    order = f" order by {', '.join(f'{key}{newest_first}' for key in table.key)}" if table.key else ""
    some = "" if limit is None else f" limit {limit}"
    with duckdb.connect(str(snapshot.database), read_only=True) as connection:
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


def show_summary(settings: Settings) -> None:
    """Show the published executive summary, of when it is, and how complete."""
    from crm_platform.publish import read_manifest

    snapshot = published_snapshot(settings)
    row = _published(snapshot, ExecutiveSummary).to_pylist()[0]
    write_rows(("figure", "value", "previous", "meaning"), summary_lines(row), form="table", title="Executive summary")
    sandbox = " · sandbox data, made up" if read_manifest(snapshot.path).is_sandbox else ""
    provisional = " (provisional)" if row["is_provisional"] else ""
    coverage = "not known" if row["coverage"] is None else f"{row['coverage']:.1%}"
    as_of = snapshot.as_of.astimezone(settings.zone)
    click.echo(f"as of {as_of:%Y-%m-%d %H:%M:%S} ({settings.timezone}) · coverage {coverage}{provisional}{sandbox}")
    click.echo(f"snapshot {snapshot.path} ({size(snapshot.bytes)})")


def find_table(name: str) -> type[Table]:
    """Find a table by its full name, or by its own; a KPI comes first. Raises UsageError on any other word."""
    found = [table for full, table in TABLES.items() if name in {full, table.table}]
    found = [table for table in found if issubclass(table, KpiTable)] or found
    if not found:
        known = ", ".join(sorted(table.table for table in TABLES.values() if issubclass(table, KpiTable)))
        raise click.UsageError(f"there is no table {name!r}; KPI tables are {known}")
    return found[0]


@click.command
@click.argument("table", required=False)
@click.option("--json", "form", flag_value="json", help="One JSON document a line.")
@click.option("--csv", "form", flag_value="csv", help="CSV with a header.")
@click.option("--limit", type=click.IntRange(1), help="At most so many rows; newest days and months come first.")
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
    if declared.full_name() not in snapshot.tables:
        raise click.UsageError(f"{declared.full_name()} is not published; `crm kpi` lists what is")
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


def _crawl_lines(session: Session, *, now: dt.datetime) -> Iterator[tuple[str, object]]:
    sweep = session.query(
        f"select started_at, seen_contacts, reported_total, is_complete from {raw.ContactSweeps.full_name()}"
        " order by started_at desc limit 1"
    ).to_pylist()
    if sweep:
        last = sweep[0]
        age = duration((now - last["started_at"].replace(tzinfo=dt.UTC)).total_seconds())
        whole = "complete" if last["is_complete"] else "incomplete"
        yield "last sweep", f"{age} ago, {whole}: {last['seen_contacts']:,} of {last['reported_total'] or 0:,} contacts"
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
        bound = "" if least is None else f"; {duration(least * 3600)} is the least so many visits could reach"
        yield "found after", f"{duration(crawl.delay_hours * 3600)} on average in the last 24 h{bound}"
    audit = crawl.audit
    if audit.ratio is not None and audit.low is not None and audit.high is not None:
        yield (
            "audit visits",
            f"{audit.visits} found {audit.ratio:.2f} of what was expected ({audit.low:.2f} to {audit.high:.2f})",
        )
    if crawl.advice is not None and (settings.minute_limit or settings.day_limit):
        yield "advice", crawl.advice


def status_lines(settings: Settings, *, now: dt.datetime) -> Iterator[tuple[str, object]]:
    """What is known, spent and published, as (about, words)."""
    from crm_platform.alerts import Alerter
    from crm_platform.cli.pace import loading_lines
    from crm_platform.defs.allowance import requests_left
    from crm_platform.publish import current, read_manifest

    yield "CRM", f"{settings.crm_url}{' (the sandbox: made-up data)' if settings.is_sandbox else ''}"
    yield "data folder", str(settings.root)
    live = _live(settings)
    if live is None:
        yield "warehouse", "empty: run `crm refresh`"
    else:
        try:
            with live.reading() as session:
                yield from _crawl_lines(session, now=now)
            yield from loading_lines(settings, live, now=now)
            yield from _timeliness_lines(settings, live, now=now)
        except Busy as problem:
            yield "warehouse", str(problem)
    words = [f"{count:,} this {span}" for span, count in requests_left(settings).items()]
    yield "requests left", ", ".join(words) or "no limit"
    snapshot = current(settings)
    if snapshot is None:
        yield "snapshot", "none: run `crm refresh`"
    else:
        manifest = read_manifest(snapshot.path)
        yield "snapshot", f"as of {duration((now - snapshot.as_of).total_seconds())} ago, {size(snapshot.bytes)}"
        # A campaign's own row is covered or not, 1 or 0: one without a report says nothing about the rest.
        covered = [
            table.coverage
            for name, table in manifest.tables.items()
            if table.coverage is not None and name != CampaignPerformance.full_name()
        ]
        yield "coverage", f"{min(covered):.1%} at least, where it is known" if covered else "not known"
    for name, what in _LEASES.items():
        if holder := _holder(settings, name):
            yield what, f"at work: {holder}"
    for title in Alerter(settings).open_problems().values():
        yield "problem", title


def _holder(settings: Settings, name: str) -> str | None:
    from crm_platform.warehouse import lease

    try:
        with lease(settings.lock_dir / f"{name}.lock", purpose="a look whether it is free"):
            return None
    except Busy as problem:
        return problem.holder or "another process"


@click.command()
@click.option("--json", "form", flag_value="json", help="One JSON document a line.")
def status(*, form: Form | None) -> None:
    """Say what is known of the CRM, what it cost, and how old the published figures are."""
    lines = status_lines(current_settings(), now=dt.datetime.now(dt.UTC))
    if form is None and console().is_terminal:
        for about, words in lines:
            click.echo(f"{about:<22}{words}")
        return
    write_rows(("about", "status"), lines, form=form or "table")


# Doctor.


@dataclass(frozen=True, slots=True)
class Finding:
    """One line of a diagnosis: what was looked at, whether it is well, and what was found or what to do."""

    about: str
    is_well: bool
    words: str


def _disk(settings: Settings) -> Finding:
    try:
        settings.root.mkdir(parents=True, exist_ok=True)
        probe = settings.root / ".doctor"
        probe.write_text("", encoding="utf-8")
        probe.unlink()
    except OSError as problem:
        return Finding("disk", False, f"{settings.root}: {problem.strerror}; set CRM_DATA_DIR to a folder of yours")
    free = shutil.disk_usage(settings.root).free
    words = f"{size(free)} free in {settings.root}"
    return Finding("disk", free >= _ENOUGH_DISK, words if free >= _ENOUGH_DISK else f"{words}: make room for 1 GB")


def _reachable(settings: Settings) -> Finding:
    parts = urlsplit(settings.crm_url)
    port = parts.port or (443 if parts.scheme == "https" else 80)
    try:
        with socket.create_connection((parts.hostname or "", port), timeout=_PATIENCE):
            return Finding("CRM", True, f"{settings.crm_url} answers")
    except OSError as problem:
        hint = "start it with `crm sandbox`, or set CRM_BASE_URL" if settings.is_sandbox else "check CRM_BASE_URL"
        return Finding("CRM", False, f"{settings.crm_url}: {problem.strerror or 'no answer'}; {hint}")


def _key(settings: Settings) -> Finding:
    from crm_platform.ingest import open_client

    try:
        with open_client(settings, on_fetch=lambda _: None) as client:
            page = client.list_contacts(limit=1)
    except Unauthorized:
        return Finding("key", False, "the CRM refuses it; set CRM_API_KEY (or CRM_API_KEY_FILE)")
    except CrmPlatformError as problem:
        return Finding("key", isinstance(problem, RetryLater), str(problem))
    return Finding("key", True, "accepted" if page.total is None else f"accepted; {page.total:,} contacts")


def _warehouse(settings: Settings) -> Finding:
    live = _live(settings)
    if live is None:
        return Finding("warehouse", True, "not there yet: `crm refresh` makes it")
    try:
        with live.reading() as session:
            count = session.query("select count(*) as n from information_schema.tables")["n"][0].as_py()
    except CrmPlatformError as problem:
        return Finding("warehouse", False, f"{problem}; wait, or end the process that `crm status` names")
    except OSError as problem:
        return Finding("warehouse", False, f"cannot be read ({type(problem).__name__}): restore it, or move it away")
    return Finding("warehouse", True, f"{count} tables, {size(settings.warehouse_path.stat().st_size)}")


def _published_lately(settings: Settings) -> Finding:
    from crm_platform.publish import current

    try:
        snapshot = current(settings)
    except CrmPlatformError as problem:
        return Finding("snapshot", False, str(problem))
    if snapshot is None:
        return Finding("snapshot", True, "none yet: `crm refresh` makes it")
    age = dt.datetime.now(dt.UTC) - snapshot.as_of
    words = f"as of {duration(age.total_seconds())} ago"
    is_young = age <= _OLD_SNAPSHOT
    return Finding("snapshot", is_young, words if is_young else f"{words}: run `crm refresh`, or see why runs fail")


def _at_work(settings: Settings) -> Finding:
    holders = [f"{what}: {holder}" for name, what in _LEASES.items() if (holder := _holder(settings, name))]
    return Finding("at work", True, "; ".join(holders) or "nobody")


def _home(settings: Settings) -> Finding:
    from crm_platform.defs.home import packaged_config

    installed = settings.dagster_home / "dagster.yaml"
    if not installed.exists():
        return Finding("Dagster", True, f"{settings.dagster_home}: `crm refresh` or `crm dev` prepares it")
    is_ours = installed.read_text(encoding="utf-8") == packaged_config()
    words = str(settings.dagster_home)
    return Finding("Dagster", True, words if is_ours else f"{words}: dagster.yaml differs; the next command renews it")


_EXAMINATIONS: Final[tuple[Callable[[Settings], Finding], ...]] = (
    _disk,
    _reachable,
    _key,
    _warehouse,
    _published_lately,
    _at_work,
    _home,
)


@click.command()
def doctor() -> None:
    """Check configuration, CRM, key, disk, warehouse, snapshot and Dagster's folder; say what to do about each."""
    try:
        settings = load_settings()
    except FixConfiguration as problem:
        _say(Finding("configuration", False, str(problem)))
        sys.exit(EXIT_FAILED)
    _say(Finding("configuration", True, "sandbox" if settings.is_sandbox else f"CRM at {settings.crm_url}"))
    findings: list[Finding] = []
    for examine in _EXAMINATIONS:
        if examine is _key and not findings[-1].is_well:
            continue  # nobody answers: nothing to be learnt about the key
        findings.append(examine(settings))
        _say(findings[-1])
    if not all(finding.is_well for finding in findings):
        sys.exit(EXIT_FAILED)


def _say(finding: Finding) -> None:
    click.echo(f"{'ok ' if finding.is_well else 'BAD'}  {finding.about:<14}{finding.words}")
