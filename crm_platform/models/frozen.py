"""Freezing: what was known by a cut, read out of the live warehouse once, so that a build computes beside the crawl.

What belongs here: which rows are known by a cut, the clock and the calendar. What does not: any figure, telling which
chats have changed (incremental.py), who of the staff is who (staff.py), who is left out (exclusion.py). The live lock
is held for the copying alone; of messages, nine rows in ten, and of operators' events only those of changed chats are
copied. Numbers, names and texts (`stays_raw`) are never read out.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import json
import secrets
from functools import partial
from types import MappingProxyType
from typing import TYPE_CHECKING

import pyarrow as pa

from crm_platform import core
from crm_platform.clock import BEGINS_AT, instant_of, stretches
from crm_platform.errors import FixConfiguration
from crm_platform.models.changed import OTHERS, Since, look_back
from crm_platform.models.checks import count
from crm_platform.models.corrections import rejected_opt_outs
from crm_platform.models.cut import Cut
from crm_platform.models.exclusion import exclusion
from crm_platform.models.incremental import Meaning, basis_of, changed_chats, note_changes, of_chats
from crm_platform.models.staff import Staff, one_fact_sql, staff
from crm_platform.models.standing import followed_from
from crm_platform.models.teams import read_teams, teams_of
from crm_platform.schemas import RawTable, Table, live_tables, ops, raw
from crm_platform.spellings import staff_key
from crm_platform.tables import TABLES
from crm_platform.warehouse import claim
from crm_platform.warehouse.digests import digest_sql, line_sql

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from crm_platform.settings import Settings
    from crm_platform.warehouse import BuildSession, Models, Session, Warehouse

FIGURE_SETTINGS = (
    "timezone",
    "conversation_gap_hours",
    "after_done_minutes",
    "silent_types",
    "business_hours",
    "holidays",
    "first_response_target_minutes",
    "segment_fields",
    "satisfaction_field",
    "automation_senders",
)
"""Settings that change a figure: a build records them."""

CALENDAR_DAYS = 100
"""The calendar reaches at least so far back: the longest window of a figure is 84 days."""

_OF_CONTACTS: tuple[type[RawTable], ...] = (raw.Contacts, raw.ContactSightings)
"""Raw tables with rows for each contact, of which the journal knows whose are written."""

_OVERTAKEN = dt.timedelta(days=1)
"""A request may be stored so much later than others that were sent after it, and is still looked for."""

DAYS_AHEAD = 2
"""Business hours reach so much further: 24 hours from now are asked about."""


def freeze(
    models: Models,
    live: Warehouse,
    *,
    settings: Settings,
    as_of: dt.datetime | None,
    now: dt.datetime,
    expected_unseen: Mapping[dt.date, float] | None,
    full: bool = False,
) -> Cut:
    """Read all that was known by the cut into `models`, and note the cut there, with the chats that have changed.

    `as_of`: aware, None = `now`, the start of the build. `expected_unseen`: messages (without templates) that the
    planner expects unseen by local day, as of the cut; None when its state of that time is not kept (no coverage then).
    `full`: nothing of the last build is kept. Raises FixConfiguration when `as_of` lies after `now`, and when the
    warehouse is another CRM's.
    """
    cut = (as_of or now).astimezone(dt.UTC)
    if cut > now:
        raise FixConfiguration(f"as_of {cut.isoformat()} lies in the future")
    if not live.exists():
        live.prepare(live_tables())
    claim(live, settings)
    live = live.at_hand()
    rows: dict[str, int] = {}
    figures = settings.model_dump(mode="json", include=set(FIGURE_SETTINGS))
    with models.writing(source=live) as session:
        for noted in (ops.Builds, ops.ChatInputs, ops.ChosenChats, ops.BuiltTables):
            session.create(noted)
        known = f"timestamp '{cut:%Y-%m-%d %H:%M:%S.%f}'"
        excluded = exclusion(session, settings, cut=cut, source="live.").chat_ids
        rows[core.ExcludedContacts.full_name()] = _fill(
            session, core.ExcludedContacts, ({"chat_id": chat_id} for chat_id in excluded)
        )
        for table in TABLES.values():
            if issubclass(table, RawTable) and table not in (*raw.BY_CHAT, *_OF_CONTACTS):
                rows[table.full_name()] = session.replace(table, _known_rows(table, known))
        rows[core.ChatQuarantine.full_name()] = session.replace(core.ChatQuarantine, _chat_quarantine(known))
        rows[core.RejectedOptOuts.full_name()] = session.replace(
            core.RejectedOptOuts, rejected_opt_outs(session.dialect)
        )
        known_staff = staff(session, cut=cut, source="live.")
        rows |= _fill_staff(session, known_staff, settings)
        clock = stretches(settings.zone, as_of=cut)
        offsets = [(one.from_at.isoformat(), one.utc_offset_seconds) for one in clock]
        basis = basis_of(session, figures={**figures, "clock": offsets}, copied=_copied())
        with _spellings(session, known_staff, settings):
            meaning = _meaning(session)
            since = look_back(session, basis=basis, meaning=meaning, cut=cut)
            rows[ops.Fetches.full_name()] = _fill_fetches(session, known, since=None if full else since)
            others: dict[type[Table], Callable[..., str]] = {ops.CrawlState: partial(_crawl_state, known)}
            others |= {table: partial(_known_rows, table, known) for table in _OF_CONTACTS}
            named = f"from {OTHERS}" if since.is_told_of_others and not full else ""
            for table, select in others.items():
                rows[table.full_name()] = _fill_by_chat(session, table, select, chats=named)
            changes = note_changes(
                session,
                unfrozen=lambda table, chats: _known_rows(table, known, chats=chats),
                meanings=_meanings(known),
                since=since,
                full=full,
            )
        changed = "" if changes.is_full else changed_chats(changes.number - 1)
        for table in raw.BY_CHAT:
            select = partial(_known_rows, table, known)
            rows[table.full_name()] = _fill_by_chat(session, table, select, chats=changed)
        days = _days(session, settings, cut)
        contents: dict[type[Table], Iterable[Mapping[str, object]]] = {
            ops.ExpectedUnseen: _expected(expected_unseen, cut.astimezone(settings.zone).date()),
            core.Clock: (stretch._asdict() for stretch in clock),
            core.Calendar: _calendar(days, settings),
            core.BusinessHours: _business_hours([*days, *_days_after(days[-1], DAYS_AHEAD)], settings),
            ops.Builds: [
                {
                    "as_of": cut,
                    "started_at": now,
                    "settings": json.dumps(figures, sort_keys=True),
                    "is_sandbox": settings.is_sandbox,
                    "crm": settings.crm_name,
                    "number": changes.number,
                    "basis": basis,
                    "is_full": changes.is_full,
                    "chats": changes.chats,
                    "changed_chats": changes.changed_chats,
                    "excluded_contacts": len(excluded),
                    "follows_from": followed_from(live, settings),
                    "identity": secrets.token_hex(8),
                    "stands_on": changes.stands_on,
                    "meaning": meaning,
                    "newest_change": changes.newest,
                    "looked_at": changes.looked_at,
                    "missed_chats": changes.missed,
                }
            ],
        }
        for filled, content in contents.items():
            rows[filled.full_name()] = _fill(session, filled, content)
    return Cut(
        as_of=cut,
        rows=MappingProxyType(rows),
        number=changes.number,
        is_full=changes.is_full,
        chats=changes.chats,
        changed_chats=changes.changed_chats,
    )


def require_known(cut: Cut, live: Warehouse) -> None:
    """Raise FixConfiguration when nothing at all was known by a frozen cut: figures of nothing would mislead."""
    if any(rows for name, rows in cut.rows.items() if issubclass(TABLES[name], RawTable)):
        return
    with live.reading() as session:
        first = session.query(f"select min(started_at) as at from {ops.Fetches.full_name()} where outcome = 'ok'")
    (answered,) = first["at"].to_pylist()
    if answered is None or answered.replace(tzinfo=dt.UTC) <= cut.as_of:
        raise FixConfiguration("nothing was fetched yet, so there is nothing to build from: run `crm refresh` first")
    raise FixConfiguration(
        f"nothing was known at {cut.as_of:%Y-%m-%d %H:%M:%S} UTC, the CRM first answered at"
        f" {answered:%Y-%m-%d %H:%M:%S} UTC: choose a later cut"
    )


def _copied() -> dict[type[Table], str]:
    """By what SELECT each table is copied of which rows of an earlier build stay."""
    tables = (*raw.BY_CHAT, *_OF_CONTACTS)
    known: dict[type[Table], str] = {table: _known_rows(table, "cut") for table in tables}
    return known | {ops.CrawlState: _crawl_state("cut"), ops.Fetches: _requests("cut")}


def _requests(known: str) -> str:
    return f"select * from live.{ops.Fetches.full_name()} where started_at <= {known}"


def _fill_fetches(session: BuildSession, known: str, *, since: Since | None) -> int:
    """Copy the requests sent by the cut; `since` a build that the journal knows, those that are not there yet."""
    name = ops.Fetches.full_name()
    select = _requests(known)
    if since is not None and since.is_told and since.last is not None:
        late = f"started_at > timestamp '{since.last['as_of'] - _OVERTAKEN:%Y-%m-%d %H:%M:%S.%f}'"
        new = f"{select} and {late} and fetch_id not in (select fetch_id from {name} where {late})"
        session.extend(ops.Fetches, new)
        counts = f"select (select count(*) from {name}) as copied, (select count(*) from ({select})) as stored"
        (found,) = session.query(counts).to_pylist()
        if found["copied"] == found["stored"]:  # a request never becomes another
            return int(found["copied"])
    return session.replace(ops.Fetches, select)


def _fill_by_chat(session: BuildSession, table: type[Table], select: Callable[..., str], *, chats: str) -> int:
    """Copy a table with rows of chats; returns how many there are.

    `select`: gives the SELECT of its rows, of some chats or of all; `chats`: SELECT of those whose rows take the place
    of what was copied before, empty: of all.
    """
    name = table.full_name()
    if not chats:
        return session.replace(table, select())
    session.execute(f"delete from {name} where chat_id in ({chats})")
    session.extend(table, select(chats=chats))
    return count(session, name)


def _fill(session: BuildSession, table: type[Table], content: Iterable[Mapping[str, object]]) -> int:
    """Make a table hold just these rows."""
    arrow = table.rows(content)
    nothing = ", ".join(f'null as "{name}"' for name in table.columns)
    session.replace(table, f"select {nothing} where false")
    session.append(table, arrow)
    return int(arrow.num_rows)


def _known_rows(table: type[RawTable], known: str, *, chats: str = "") -> str:
    """SELECT the rows of a raw table that were known by the cut (of some `chats` alone), without what stays raw."""
    limits = [f't."{table.seen_at}" <= {known}']
    own = {name: f'null as "{name}"' if column.stays_raw else f't."{name}"' for name, column in table.columns.items()}
    joins = ""
    if table is raw.CampaignReports:
        # As it stood: seen again after the cut counts for nothing; the last fetch by the cut is in ops.fetches.
        own["last_fetched_at"] = f"""case
            when t.last_fetched_at <= {known} then t.last_fetched_at
            else greatest(t.first_fetched_at, coalesce(f.started_at, t.first_fetched_at)) end as last_fetched_at"""
        joins = f"""left join (
            select target, max(started_at) as started_at
            from live.ops.fetches
            where operation = 'campaign_report' and outcome in ('ok', 'not_found') and started_at <= {known}
            group by target
        ) as f on f.target = t.campaign_id"""
    if table is raw.ContactSweeps:
        # What was decided after the cut counts for nothing.
        counted_at = f"case when {table.COUNTS} then coalesce(t.counted_at, t.ended_at) end"
        own["counted_at"] = f"case when {counted_at} <= {known} then {counted_at} end as counted_at"
        own["accepted_by"] = f"case when t.counted_at <= {known} then t.accepted_by end as accepted_by"
    if table is raw.Messages:
        # Where it is kept is told by the copies that were known then: one that came later can keep none.
        own["duplicate_of"] = "nullif(kept.chat_id, t.chat_id) as duplicate_of"
        joins = f"""left join (
            select chat_id as copy, message_id, first_value(chat_id) over (
                partition by message_id, coalesce(duplicate_of, chat_id)
                order by duplicate_of is not null, first_fetched_at desc, chat_id
            ) as chat_id
            from live.raw.messages
            where first_fetched_at <= {known}
                and message_id in (select message_id from live.raw.messages where duplicate_of is not null)
        ) as kept on kept.copy = t.chat_id and kept.message_id = t.message_id"""
    if table is raw.ContactSightings:
        # A sighting is known when its sweep has ended.
        joins = f"join live.raw.contact_sweeps as s on s.sweep_id = t.sweep_id and s.ended_at <= {known}"
    if table is raw.OperatorEvents:
        limits.append(f'coalesce(t.known_at, t."at") <= {known}')
        limits.append(f"not (t.source = 'event' and exists ({_told_already(known, chats=chats)}))")
    if table is raw.Events:
        limits.append(f"t.chat_id is not null and t.event in {table.OF_FIGURES!r}")
    if table is raw.Notes:
        # What was taken away after the cut still stands.
        own |= {
            name: f"case when t.removed_at <= {known} then t.{name} end as {name}"
            for name in ("removed_at", "removed_by")
        }
    if "chat_id" in table.columns:
        limits.append(_included("t.chat_id"))
    source = f"live.{table.full_name()}"
    if chats:  # inside, because the engine looks at all rows before it looks at conditions beside a subquery
        source = f"(from {source} where {of_chats(source, chats)})"
    return f"""
        select {", ".join(own.values())}
        from {source} as t {joins}
        where {" and ".join(limits)}
    """


def _told_already(known: str, *, chats: str) -> str:
    """SELECT what makes an event's row no fact of its own: done here to that chat then, or told by an event before.

    `chats`: SELECT of those that are asked about, empty: of all. Two addresses that differ are two people's doing; an
    id may be anybody's address.
    """
    ended = f"(select max(finished_at) from live.{ops.Fetches.full_name()} as f where f.fetch_id = ours.fetch_id)"
    one_fact = one_fact_sql("ours", "t", ended=ended, dialect="duckdb")
    table = f"live.{raw.OperatorEvents.full_name()}"
    ours = f"(from {table} where {of_chats(table, chats)})" if chats else table
    return f"""
        select 1 from {ours} as ours
        where ours.chat_id = t.chat_id and ours.kind = t.kind and {one_fact}
            and coalesce(ours.known_at, ours."at") <= {known}
            and case when ours.source = 'event' then
                ours.agent_key is not distinct from t.agent_key and (ours."at", ours.event_id) < (t."at", t.event_id)
            else
                coalesce(ours.agent_key = t.agent_key or not contains(ours.agent_key, '@')
                    or not contains(t.agent_key, '@'), true)
            end
    """


def _included(chat_id: str) -> str:
    """SQL: it is not of a contact that is left out on purpose."""
    return f"coalesce({chat_id}, '') not in (select chat_id from {core.ExcludedContacts.full_name()})"


def _crawl_state(known: str, *, chats: str = "") -> str:
    """SELECT the state of each chat as it was at the cut; a chat not yet visited by then has no row.

    `chats`: SELECT of those that are asked about, empty: of all.
    """

    def among(column: str) -> str:
        return f"and {column} in ({chats})" if chats else ""

    columns = {name: f"s.{name}" for name in ops.CrawlState.columns} | {
        name: f"case when s.known_until <= {known} then s.{name} else {then} end as {name}"
        for name, then in (
            ("known_until", "v.known_until"),
            ("reported_total", "v.total"),
        )
    }
    columns["is_history_whole"] = (
        "s.is_history_whole and coalesce(d.oldest >= coalesce(v.known_until, s.known_until), true) as is_history_whole"
    )
    return f"""
        with visits as (
            select target, max(started_at) as known_until, arg_max(total, started_at) as total
            from live.ops.fetches
            where operation = 'list_messages' and outcome = 'ok' and page = 1
                and coalesce(sort, 'newest') = 'newest' and started_at <= {known} {among("target")}
            group by target
        ),
        -- Its history was not yet whole when what came after the cut is older than that visit.
        deepened as (
            select chat_id, min(timestamp) as oldest
            from live.raw.messages
            where first_fetched_at > {known} {among("chat_id")}
            group by chat_id
        )
        select {", ".join(columns.values())}
        from live.ops.crawl_state as s
        left join visits as v on v.target = s.chat_id
        left join deepened as d on d.chat_id = s.chat_id
        where (s.known_until <= {known} or v.known_until is not null) and {_included("s.chat_id")}
            {among("s.chat_id")}
    """


def _chat_quarantine(known: str) -> str:
    return f"""
        select target as chat_id, count(*) as records
        from live.ops.quarantine
        where operation = 'list_messages' and target is not null and first_fetched_at <= {known}
            and {_included("target")}
        group by target
    """


def _fill_staff(session: BuildSession, known: Staff, settings: Settings) -> dict[str, int]:
    """Fill the tables of staff; returns their rows."""
    contents: dict[type[Table], Iterable[Mapping[str, object]]] = {
        core.AgentAliases: ({"alias": alias, "agent": agent} for alias, agent in known.names.items()),
        core.AgentTeams: (
            {"agent": agent, "team": team} for agent, team in teams_of(known, read_teams(settings.root)).items()
        ),
    }
    return {table.full_name(): _fill(session, table, content) for table, content in contents.items()}


@contextlib.contextmanager
def _spellings(session: BuildSession, known: Staff, settings: Settings) -> Iterator[None]:
    """Let SQL ask whom an identifier means, as it came: `spellings` (spelling, means), by name and whether a bot."""
    bots = {known.names.get(sender) for sender in settings.automation_senders}
    spellings = sorted(known.spellings)
    names = [known.names[staff_key(spelling) or ""] for spelling in spellings]
    columns = {"spelling": spellings, "means": [f"{'bot' if name in bots else 'agent'} {name}" for name in names]}
    with session.shown({"spellings": pa.table(columns, pa.schema(dict.fromkeys(columns, pa.string())))}):
        yield


def _meanings(known: str) -> dict[type[Table], Meaning]:
    """What rows mean besides what they say: that their time has come, whose they are, that they are no opt-outs."""
    whose = "left join spellings on spelling = {}"
    rejected = f"(select value from {core.RejectedOptOuts.full_name()} where kind = '{{}}')"
    is_rejected = (
        f"is_opt_out and (opt_out_word in {rejected.format('word')} or message_id in {rejected.format('message')})"
    )
    return {
        raw.Messages: Meaning(whose.format("sender"), (f"timestamp <= {known}", "means", is_rejected)),
        raw.OperatorEvents: Meaning(whose.format("agent"), ("means",)),
        raw.Events: Meaning(whose.format("agent"), ("means",)),
    }


def _meaning(session: Session) -> str:
    """Digest of what decides for all chats what their rows count for: identifiers, rejected words, who is left out."""
    read = "spellings", core.RejectedOptOuts.full_name(), core.ExcludedContacts.full_name()
    parts = [session.query(f"select {digest_sql(line_sql(['t']))} as digest from {name} as t") for name in read]
    return " ".join(part["digest"][0].as_py() or "" for part in parts)


def _expected(expected_unseen: Mapping[dt.date, float] | None, today: dt.date) -> list[dict[str, object]]:
    if expected_unseen is None:
        return []
    # A row at least: that nothing is expected is not the same as that nothing is known.
    return [{"day": day, "messages": messages} for day, messages in {today: 0.0, **expected_unseen}.items()]


def _days(session: BuildSession, settings: Settings, cut: dt.datetime) -> list[dt.date]:
    """Local days from the oldest that a figure speaks of to that of the cut."""
    today = cut.astimezone(settings.zone).date()
    oldest = session.query(
        """
        select min(moment) as moment from (
            select min(timestamp) as moment from raw.messages where not is_future_dated
            union all select min(started_at) from raw.contact_sweeps
        )
        """
    )["moment"][0].as_py()
    first = today - dt.timedelta(days=CALENDAR_DAYS)
    if oldest is not None:
        first = min(first, max(oldest.replace(tzinfo=dt.UTC), BEGINS_AT).astimezone(settings.zone).date())
    return [first + dt.timedelta(days=number) for number in range((today - first).days + 1)]


def _days_after(day: dt.date, number: int) -> list[dt.date]:
    return [day + dt.timedelta(days=ahead) for ahead in range(1, number + 1)]


def _calendar(days: Iterable[dt.date], settings: Settings) -> Iterator[dict[str, object]]:
    for day in days:
        yield {
            "day": day,
            "starts_at": instant_of(day, 0, settings.zone),
            "ends_at": instant_of(day, 1440, settings.zone),
        }


def _business_hours(days: Iterable[dt.date], settings: Settings) -> Iterator[dict[str, object]]:
    hours = settings.open_hours
    if hours is None:
        return
    passed, zone = 0.0, settings.zone
    for day in days:
        open_hours = [
            (instant_of(day, one.start_minute, zone), instant_of(day, one.end_minute, zone))
            for one in hours
            if one.weekday == day.weekday() and day not in settings.holidays
        ] or [(instant_of(day, 0, zone),) * 2]
        before = passed
        for number, (opens_at, closes_at) in enumerate(open_hours, start=1):
            passed += (closes_at - opens_at).total_seconds()
            yield {
                "day": day,
                "stretch": number,
                "opens_at": opens_at,
                "closes_at": closes_at,
                "seconds_before": before if number == 1 else 0.0,
            }
