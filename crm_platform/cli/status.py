"""`crm status`: a look at the platform.

What belongs here: questions, and how their answers are shown. What does not: published figures (kpi.py), anything that
changes data.
"""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, Final

import click

from crm_platform.cli import explain
from crm_platform.cli.words import Form, console, size, spoken, write_labelled, write_rows
from crm_platform.errors import CrmPlatformError
from crm_platform.languages import ENGLISH, N_, Language
from crm_platform.metrics.campaign_performance.table import CampaignPerformance
from crm_platform.metrics.executive_summary.table import ExecutiveSummary
from crm_platform.schemas import ops, raw
from crm_platform.settings import current_settings

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from crm_platform.ingest import JudgedSweep
    from crm_platform.settings import Settings
    from crm_platform.warehouse import Session, Warehouse

_PATIENCE: Final = 5.0  # seconds, for a file that somebody writes to, or a port
_MOST_TROUBLES: Final = 10  # lines of what cannot be had
_MANY_CHATS: Final = 100_000  # reading back what the planner remembers of a million takes a minute and 1.4 GB


def show_warnings(settings: Settings) -> None:
    """Show the checks that fail, with table, rule and what was found; nothing when all pass."""
    from crm_platform.models.noted import failing

    notes = failing(settings)
    if notes:
        _ = spoken(settings.language).gettext
        verdicts = {True: _("holds back"), False: _("warns")}
        rows = [(note.table, note.rule, verdicts[note.is_blocking], note.words) for note in notes]
        write_rows(("table", "rule", "verdict", "found"), rows, form="table", title=_("Checks that fail"))


def warn_of_new_start(settings: Settings, language: Language = ENGLISH) -> None:
    """Say so before a run begins anew in the place of a warehouse that is lost."""
    from crm_platform.publish import lost_warehouse

    if words := lost_warehouse(settings, language):
        click.echo(f"crm: {words}", err=True)


def _live(settings: Settings) -> Warehouse | None:
    from crm_platform.warehouse import live_store

    live = live_store(settings, timeout=_PATIENCE)
    return live if live.exists() else None


def _sweep_words(language: Language, sweep: JudgedSweep, *, now: dt.datetime) -> str:
    _, number = language.gettext, language.number
    row = sweep.row
    age = language.duration((now - row["started_at"].replace(tzinfo=dt.UTC)).total_seconds())
    seen, total = row["seen_contacts"], row["reported_total"] or 0
    state = _("complete") if row["is_complete"] else _("incomplete")
    if total >= seen:
        words = _(
            "{age} ago, {state}: {seen} of {total} contacts",
            age=age,
            state=state,
            seen=number(seen),
            total=number(total),
        )
    else:  # a total that counts a page alone says nothing
        words = _("{age} ago, {state}: {seen} contacts", age=age, state=state, seen=number(seen))
    if row["is_complete"] and total > seen + row["rejected_contacts"]:
        words += _(" ({n} that the CRM counts are not in its list)", n=number(total - seen))
    if sweep.waits:
        missing = number(row["missing_contacts"] or 0)
        words += _("; suspicious, {n} that were there are missing: it {what}", n=missing, what=sweep.words)
    return words


def _crawl_lines(session: Session, *, now: dt.datetime, language: Language) -> Iterator[tuple[str, object]]:
    from crm_platform.ingest import judged_sweeps

    _, number = language.gettext, language.number
    for sweep in judged_sweeps(session, most=1):
        yield _("last sweep"), _sweep_words(language, sweep, now=now)
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
    yield _("contacts"), number(chats["contacts"])
    yield (
        _("chats"),
        _(
            "{visited} visited, {whole} whole, {failing} failing",
            visited=number(chats["visited"]),
            whole=number(chats["whole"]),
            failing=number(chats["failing"]),
        ),
    )
    yield _("messages"), number(chats["messages"])
    spent = session.query(
        f"select count(*) as n from {ops.Fetches.full_name()} where started_at > ?",
        ((now - dt.timedelta(days=1)).replace(tzinfo=None),),
    )
    yield _("requests, last 24 h"), number(spent["n"][0].as_py())
    rejected = session.query(
        f"select reason, count(*) as n from {ops.Quarantine.full_name()} group by reason order by n desc, reason"
    ).to_pylist()
    yield _("quarantine"), ", ".join(f"{number(row['n'])} {row['reason']}" for row in rejected) or _("empty")
    yield from _trouble_lines(session, now=now, language=language)


def _trouble_lines(session: Session, *, now: dt.datetime, language: Language) -> Iterator[tuple[str, str]]:
    """What cannot be had, oldest first: which object, why, since when, and when it is asked for again."""
    from crm_platform.ingest import missed

    _ = language.gettext
    troubles = missed(session)
    for one in troubles[:_MOST_TROUBLES]:
        wait = (one.retry_at - now).total_seconds()
        again = _("again in {time}", time=language.duration(wait)) if wait > 0 else _("again by the next run")
        yield (
            _("cannot be had"),
            _(
                "{what}, for {age} ({n} times): {why}; {again}",
                what=f"{one.operation} {one.target}",
                age=language.duration(max(0.0, (now - one.since).total_seconds())),
                n=one.times,
                why=one.reason,
                again=again,
            ),
        )
    if len(troubles) > _MOST_TROUBLES:
        more = language.number(len(troubles) - _MOST_TROUBLES)
        yield _("cannot be had"), _("and {n} more ({table})", n=more, table="ops.troubles")


def _timeliness_lines(
    settings: Settings, store: Warehouse, *, now: dt.datetime, language: Language
) -> Iterator[tuple[str, str]]:
    """How late messages are found, and how far the planner's estimates are right."""
    from crm_platform.ingest import PlannerStore, timeliness

    _, number = language.gettext, language.number
    with store.reading() as session:
        chats = session.query(f"select count(*) as chats from {ops.PlannerChats.full_name()}")["chats"].to_pylist()[0]
    if chats > _MANY_CHATS:
        many = _("not computed here for {n} chats: the metadata of every ingest run has it", n=number(chats))
        yield _("found after"), many
        return
    crawl = timeliness(store, PlannerStore.load(settings, store, at=now).planner, at=now)
    if crawl.delay_hours is not None:
        least = crawl.least_delay_hours
        words = _("{time} on average in the last 24 h", time=language.duration(crawl.delay_hours * 3600))
        # A load reaches in minutes what the same visits, spread over the day, could not: no bound is told then.
        if least and least <= crawl.delay_hours:
            bound = language.duration(least * 3600)
            words += _("; {time} is the least so many visits could reach", time=bound)
        yield _("found after"), words
    audit = crawl.audit
    if audit.ratio is not None and audit.low is not None and audit.high is not None:
        yield (
            _("audit visits"),
            _(
                "{n} found {ratio} of what was expected ({low} to {high})",
                n=audit.visits,
                ratio=number(audit.ratio, ".2f"),
                low=number(audit.low, ".2f"),
                high=number(audit.high, ".2f"),
            ),
        )
    if crawl.advice is not None and (settings.minute_limit or settings.day_limit):
        yield _("advice"), crawl.advice


def _covered(language: Language, coverage: Mapping[str, float]) -> str:
    """How much of the figures is seen. The least known row is mostly the day that has just begun: it is named."""
    from crm_platform.cli.pace import percent

    _ = language.gettext
    if not coverage:
        return _("not known")
    least = min(coverage, key=lambda name: coverage[name])
    summary = coverage.get(ExecutiveSummary.full_name())
    if summary is None:
        whole = _("not known for the executive summary")
    else:
        whole = _("{share} of the executive summary", share=percent(summary, language))
    share = percent(coverage[least], language)
    return f"{whole}; " + _("{share} in the least known row ({table})", share=share, table=least)


def status_lines(settings: Settings, *, now: dt.datetime, language: Language = ENGLISH) -> Iterator[tuple[str, object]]:
    """What is known, spent and published, as (about, words)."""
    import duckdb

    from crm_platform.alerts import Alerter
    from crm_platform.alerts.checks import PREFIX, one_line
    from crm_platform.cli.pace import loading_lines
    from crm_platform.defs.allowance import closed, requests_left
    from crm_platform.models.noted import failing
    from crm_platform.publish import current, read_manifest
    from crm_platform.warehouse import leases_of

    _, number = language.gettext, language.number
    sandbox = _(" (the sandbox: made-up data)") if settings.is_sandbox else ""
    yield _("CRM"), f"{settings.crm_url}{sandbox}"
    yield _("data folder"), str(settings.root)
    live = _live(settings)
    held: dict[str, str] = {}
    try:
        held = leases_of(settings).at_work()
    except CrmPlatformError as problem:  # their Postgres is away: the rest is told all the same
        yield _("problem"), explain(problem)
    what_to_do = _("`crm refresh` is at work") if "crm refresh" in held else _("run `crm refresh`")
    if live is None:
        is_gone = settings.models_path.exists()
        gone, empty = _("gone, though a build was made of it: see `crm doctor`"), _("empty: {what}", what=what_to_do)
        yield _("warehouse"), gone if is_gone else empty
    else:
        try:
            with live.reading() as session:
                yield from _crawl_lines(session, now=now, language=language)
            yield from loading_lines(settings, live, now=now, language=language)
            yield from _timeliness_lines(settings, live, now=now, language=language)
        except (duckdb.CatalogException, duckdb.BinderException):
            earlier = _("written by an earlier version: `crm build`, or the next crawl, brings it up to date")
            yield _("warehouse"), earlier
        except CrmPlatformError as problem:  # held by somebody, damaged: the rest is told all the same
            yield _("warehouse"), explain(problem).replace("\n  ", "; ")
    spans = {"minute": N_("{n} this minute"), "day": N_("{n} this day")}
    try:
        words = [_(spans[span], n=number(count)) for span, count in requests_left(settings).items()]
        yield _("requests left"), ", ".join(words) or _("no limit")
        if pause := closed(settings):
            yield _("gate"), _("closed {pause}", pause=pause)
    except CrmPlatformError as problem:  # the ledger is held, damaged, or in a Redis that is away
        yield _("gate"), explain(problem).replace("\n  ", "; ")
    snapshot = current(settings)
    if snapshot is None:
        yield _("snapshot"), _("none yet: {what}", what=what_to_do)
    else:
        manifest = read_manifest(snapshot.path)
        age = language.duration((now - snapshot.as_of).total_seconds())
        if snapshot.confirmed_at is None:
            yield _("snapshot"), _("as of {age} ago, {size}", age=age, size=size(snapshot.bytes))
        else:
            since = language.duration((now - snapshot.confirmed_at).total_seconds())
            kept = size(snapshot.bytes)
            confirmed = _("as of {age} ago, confirmed {since} ago, {size}", age=age, since=since, size=kept)
            yield _("snapshot"), confirmed
        # A campaign's own row is covered or not, 1 or 0: one without a report says nothing about the rest.
        covered = {
            name: table.coverage
            for name, table in manifest.tables.items()
            if table.coverage is not None and name != CampaignPerformance.full_name()
        }
        yield _("coverage"), _covered(language, covered)
        if left_out := manifest.excluded_contacts:
            yield _("left out"), language.ngettext("1 contact, on purpose", "{n} contacts, on purpose", left_out)
    for work, holder in held.items():
        yield work, _("at work: {holder}", holder=holder)
    for note in failing(settings):
        yield _("broken contract") if note.is_blocking else _("warning"), one_line(note)
    for key, title in Alerter(settings).open_problems().items():
        if not key.startswith(PREFIX):
            yield _("problem"), title


@click.command()
@click.option("--json", "form", flag_value="json", help="One JSON document a line.")
def status(*, form: Form | None) -> None:
    """Say what is known of the CRM, what it cost, and how old the published figures are."""
    settings = current_settings()
    lines = status_lines(settings, now=dt.datetime.now(dt.UTC), language=spoken(settings.language, form))
    if form is None and console().is_terminal:
        for about, words in lines:
            write_labelled(f"{about:<22}", str(words))
        return
    write_rows(("about", "status"), lines, form=form or "table")
