"""Checks on the data itself: is it fresh, whole, free of doubles, and does it agree with what the CRM says of itself?

What belongs here: one function a question, from an open session to a `Finding`, and the list of which table each is
asked of. What does not: a table's own contract (schemas/ declare it, `models.validate` holds it), Dagster's asset
checks (defs/ turns each entry of the lists into one).

A finding holds counts and names of tables and columns, never a value of a person.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import TYPE_CHECKING, Final
from zoneinfo import ZoneInfo

from crm_platform import core
from crm_platform.metrics.campaign_performance.table import CampaignPerformance
from crm_platform.metrics.contact_growth_daily.table import ContactGrowthDaily
from crm_platform.schemas import Table, ops, raw

if TYPE_CHECKING:
    from crm_platform.settings import Settings
    from crm_platform.warehouse import Session

DRIFT_IS_NEWS: Final = dt.timedelta(days=7)  # a field that has been there for a week has been read by somebody
VOLUME_DAYS: Final = 28  # four of each weekday
VOLUME_FACTOR: Final = (
    2.0  # a day outside [least ÷ 2, most x 2] of those days is news; weekends are inside by themselves
)
TOTAL_TOLERANCE: Final = 0.01  # share: contacts come and go between the sweep and the cut
FUTURE_IS_NEWS: Final = dt.timedelta(days=28)
LARGEST_ZONE: Final = dt.timedelta(hours=14, minutes=15)  # of all zones, and a little for what rounds
QUARTER: Final = dt.timedelta(minutes=15)  # zones are whole quarters of an hour off
CLOCKS_AGREE: Final = dt.timedelta(minutes=2)

Figure = int | float | str


@dataclass(frozen=True, slots=True)
class Finding:
    """What a check found. `summary`: one sentence; `figures`: numbers worth plotting."""

    passed: bool
    summary: str
    figures: Mapping[str, Figure] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Question:
    """A check of one table: what it is called, what it asks, and whether a bad answer stops what comes after.

    `also`: other tables it reads, which must be there first.
    """

    table: type[Table]
    name: str
    description: str
    ask: Callable[[Session, Settings, dt.datetime], Finding]
    is_blocking: bool = False
    also: tuple[type[Table], ...] = ()


def _row(session: Session, sql: str, parameters: tuple[object, ...] = ()) -> dict[str, object]:
    """Fetch the first row of a query that always has one."""
    return session.query(sql, parameters).slice(0, 1).to_pylist()[0]  # type: ignore[no-any-return]


def _number(value: object) -> int:
    """Read a count; an aggregate over no rows is 0."""
    return int(value) if isinstance(value, int | float | Decimal) else 0


def _plain(now: dt.datetime) -> dt.datetime:
    """Turn an aware instant into the form that the warehouse stores: UTC without a zone."""
    return now.astimezone(dt.UTC).replace(tzinfo=None)


def unique_key(session: Session, table: type[Table]) -> Finding:
    """Count the keys that stand more than once: the merge must leave none."""
    keys = ", ".join(table.key)
    doubled = _number(
        _row(
            session,
            f"select count(*) as n from (select {keys} from {table.full_name()} group by {keys} having count(*) > 1)",
        )["n"]
    )
    return Finding(
        doubled == 0, f"{doubled} keys of {table.full_name()} stand more than once", {"doubled_keys": doubled}
    )


def drift(session: Session, table: type[Table], *, now: dt.datetime) -> Finding:
    """List fields and values the contract does not name; those first seen within a week are news."""
    record = table.table.removesuffix("s")
    found = session.query(
        f"select field, value, first_seen_at > ? as is_news from {ops.Drift.full_name()} where record = ? "
        "order by field, value",
        (_plain(now - DRIFT_IS_NEWS), record),
    ).to_pylist()
    # A field's name and an enum's value are the API's vocabulary, not a person's data.
    news = [
        f"{row['field']} = {row['value']}" if row["value"] else str(row["field"]) for row in found if row["is_news"]
    ]
    summary = f"new in the last 7 days: {', '.join(news)}" if news else "nothing new in the last 7 days"
    return Finding(not news, summary, {"unknown_fields_and_values": len(found), "new": len(news)})


def freshness(session: Session, operation: str, *, limit: dt.timedelta, now: dt.datetime) -> Finding:
    """Say how long ago a request of this kind last succeeded."""
    last = _row(
        session,
        f"select max(started_at) as at from {ops.Fetches.full_name()} where operation = ? and outcome = 'ok'",
        (operation,),
    )["at"]
    if not isinstance(last, dt.datetime):
        return Finding(passed=False, summary=f"{operation} has never succeeded")
    age = (_plain(now) - last).total_seconds()
    return Finding(
        age <= limit.total_seconds(),
        f"{operation} last succeeded {age / 3600:.1f} h ago; expected within {limit.total_seconds() / 3600:.0f} h",
        {"age_seconds": age},
    )


def messages_have_contacts(session: Session) -> Finding:
    """Count the chats whose messages have no contact: an id that the contact list never named."""
    row = _row(
        session,
        f"""
        select count(*) as messages, count(distinct m.chat_id) as chats
        from {raw.Messages.full_name()} m
        left join {raw.Contacts.full_name()} c on c.chat_id = m.chat_id
        where c.chat_id is null
        """,
    )
    messages, chats = _number(row["messages"]), _number(row["chats"])
    return Finding(
        messages == 0, f"{messages} messages of {chats} chats have no contact", {"messages": messages, "chats": chats}
    )


def messages_reconcile(session: Session) -> Finding:
    """Compare messages stored and quarantined with the total the API reported, chat by chat.

    Only a chat whose history is whole can be held to its total, as last proven; what the others still lack is the known
    remainder.
    """
    row = _row(
        session,
        f"""
        with
        stored as (select chat_id, count(*) as n from {raw.Messages.full_name()} group by chat_id),
        rejected as (
            select target as chat_id, count(*) as n
            from {ops.Quarantine.full_name()}
            where operation = 'list_messages'
            group by target
        ),
        chats as (
            select
                s.is_history_whole,
                s.is_history_whole and s.proven_total is not null as is_proven,
                coalesce(s.proven_total, 0) - coalesce(m.n, 0) - coalesce(q.n, 0) as missing,
                coalesce(s.reported_total, 0) - coalesce(m.n, 0) - coalesce(q.n, 0) as remainder
            from {ops.CrawlState.full_name()} s
            left join stored m on m.chat_id = s.chat_id
            left join rejected q on q.chat_id = s.chat_id
        )
        select
            count(*) as chats,
            count(*) filter (where is_history_whole) as whole,
            count(*) filter (where is_proven and missing > 0) as short,
            sum(missing) filter (where is_proven and missing > 0) as missing,
            sum(remainder) filter (where not is_history_whole and remainder > 0) as remainder
        from chats
        """,
    )
    figures: dict[str, Figure] = {
        "chats": _number(row["chats"]),
        "chats_whole": _number(row["whole"]),
        "chats_short_of_their_total": _number(row["short"]),
        "messages_missing": _number(row["missing"]),
        "messages_known_to_be_older": _number(row["remainder"]),
    }
    return Finding(
        figures["chats_short_of_their_total"] == 0,
        f"{figures['chats_short_of_their_total']} of {figures['chats_whole']} whole chats hold fewer messages than "
        f"reported ({figures['messages_missing']} in all); {figures['messages_known_to_be_older']} older messages are "
        "still to be read",
        figures,
    )


def volume(session: Session, *, timezone: str, now: dt.datetime) -> Finding:
    """Hold the last complete day's messages against the 28 days before it; says so when there is less history."""
    days = session.query(
        f"""
        select cast(timezone(?, timezone('UTC', timestamp)) as date) as day, count(*) as messages
        from {raw.Messages.full_name()}
        where not is_future_dated and timestamp >= ?
        group by 1 order by 1
        """,
        (timezone, _plain(now - dt.timedelta(days=VOLUME_DAYS + 3))),
    ).to_pylist()
    yesterday = now.astimezone(ZoneInfo(timezone)).date() - dt.timedelta(days=1)
    by_day = {row["day"]: int(row["messages"]) for row in days}
    before = [by_day.get(yesterday - dt.timedelta(days=back), 0) for back in range(1, VOLUME_DAYS + 1)]
    first = _row(session, f"select min(timestamp) as at from {raw.Messages.full_name()} where not is_future_dated")[
        "at"
    ]
    if not isinstance(first, dt.datetime) or _plain(now) - first < dt.timedelta(days=VOLUME_DAYS + 2):
        return Finding(passed=True, summary=f"fewer than {VOLUME_DAYS} days of history: nothing to compare with")
    messages, least, most = by_day.get(yesterday, 0), min(before) / VOLUME_FACTOR, max(before) * VOLUME_FACTOR
    return Finding(
        least <= messages <= most,
        f"{messages} messages yesterday; the {VOLUME_DAYS} days before suggest {least:.0f} to {most:.0f}",
        {"messages": messages, "least": least, "most": most},
    )


def future_dated(session: Session, *, now: dt.datetime) -> Finding:
    """Count the messages that were dated after the request that brought them: stored, and in no figure.

    A few odd stamps are no more than that. Local time that calls itself UTC dates all of the last hours ahead, by as
    much as the zone's offset: the largest lead that a zone explains says by how much.
    """
    row = _row(
        session,
        f"""
        select
            count(*) as messages,
            count(*) filter (where first_fetched_at > ?) as recent,
            max(lead) filter (where lead <= ? and first_fetched_at > ?) as lead
        from (
            select first_fetched_at, date_diff('second', first_fetched_at, timestamp) as lead
            from {raw.Messages.full_name()}
            where is_future_dated
        )
        """,
        (_plain(now - FUTURE_IS_NEWS), LARGEST_ZONE.total_seconds(), _plain(now - FUTURE_IS_NEWS)),
    )
    messages, recent, lead = _number(row["messages"]), _number(row["recent"]), _number(row["lead"])
    figures: dict[str, Figure] = {"messages": messages, "recent": recent}
    if not recent:
        return Finding(
            passed=True, summary=f"no message of late; {messages} earlier ones are in no figure", figures=figures
        )
    hours = round(lead / QUARTER.total_seconds()) * QUARTER / dt.timedelta(hours=1)
    guess = f", as if the CRM's time were {hours:g} h ahead (a local time that says it is UTC?)" if hours else ""
    return Finding(
        passed=False,
        summary=f"{messages} messages are dated after their own request and in no figure, {recent} of them came in the "
        f"last {FUTURE_IS_NEWS.days} days{guess}",
        figures=figures | {"hours_ahead": hours},
    )


def server_clock(session: Session, *, now: dt.datetime) -> Finding:
    """Compare the CRM's clock, as its answers' dates have it, with ours."""
    row = _row(
        session,
        f"""
        select
            count(server_clock_skew_seconds) as asked,
            count(*) filter (where abs(server_clock_skew_seconds) > ?) as off,
            median(server_clock_skew_seconds) as skew
        from {ops.Fetches.full_name()}
        where started_at > ?
        """,
        (CLOCKS_AGREE.total_seconds(), _plain(now - dt.timedelta(days=1))),
    )
    asked, off = _number(row["asked"]), _number(row["off"])
    if not asked:
        return Finding(passed=True, summary="no answer of the last 24 h said what time it was")
    skew = float(row["skew"]) if isinstance(row["skew"], int | float) else 0.0
    figures: dict[str, Figure] = {"answers": asked, "answers_off": off, "skew_seconds": skew}
    if 2 * off <= asked:
        return Finding(passed=True, summary=f"the CRM's clock and ours agree ({asked} answers)", figures=figures)
    way = "ahead of" if skew > 0 else "behind"
    return Finding(
        passed=False,
        summary=f"the CRM's clock is {abs(skew) / 60:,.0f} min {way} ours ({off} of {asked} answers in 24 h): "
        "set the one that is wrong",
        figures=figures,
    )


def everything_is_had(session: Session) -> Finding:
    """Count what cannot be had: chats, reports, pages and lists that the CRM refuses or does not answer."""
    troubles = session.query(ops.MISSED).to_pylist()
    figures: dict[str, Figure] = {}
    for one in troubles:
        figures[one["operation"]] = _number(figures.get(one["operation"], 0)) + 1
    if not troubles:
        return Finding(passed=True, summary="nothing that was asked for is missing")
    counts = ", ".join(f"{count} of {operation}" for operation, count in figures.items())
    first = troubles[0]
    oldest = f"{first['target']} since {first['since']:%Y-%m-%d %H:%M} UTC: {first['reason']}"
    return Finding(
        passed=False,
        summary=f"cannot be had: {counts}; {oldest}",
        figures=figures,
    )


def waits_have_conversations(session: Session) -> Finding:
    """Count the waits that belong to no conversation."""
    lost = _number(
        _row(
            session,
            """
            select count(*) as n
            from core.response_waits w
            left join core.conversations c on c.chat_id = w.chat_id and c.first_message_id = w.first_message_id
            where c.chat_id is null
            """,
        )["n"]
    )
    return Finding(lost == 0, f"{lost} waits belong to no conversation", {"waits": lost})


def sweeps_are_settled(session: Session) -> Finding:
    """Say whether a suspicious sweep waits for a second one, or for a person."""
    waiting = session.query(
        f"select sweep_id, seen_contacts, missing_contacts from {raw.ContactSweeps.full_name()} "
        f"where {raw.ContactSweeps.WAITS} order by sweep_id desc"
    ).to_pylist()
    if not waiting:
        return Finding(passed=True, summary="no suspicious sweep waits", figures={"waiting": 0})
    newest, missing = waiting[0], _number(waiting[0]["missing_contacts"])
    return Finding(
        passed=False,
        summary=f"sweep {newest['sweep_id']} holds {newest['seen_contacts']} contacts and lacks {missing} that were "
        "there: they count as there until a second sweep an hour later lacks the same, or somebody accepts it; "
        "`crm sweeps` says what it waits for",
        figures={"waiting": len(waiting), "missing": missing},
    )


def total_agrees_with_sweep(session: Session) -> Finding:
    """Compare the newest day's total of contacts with what the newest sweep was told, and say how much they differ."""
    row = _row(
        session,
        """
        select
            (select total_contacts from kpi.contact_growth_daily order by day desc limit 1) as ours,
            (select reported_total from raw.contact_sweeps order by started_at desc limit 1) as theirs,
            (select seen_contacts from raw.contact_sweeps where is_complete order by started_at desc limit 1) as listed
        """,
    )
    if row["ours"] is None or row["theirs"] is None:
        return Finding(passed=True, summary="no sweep has reported a total yet")
    ours, theirs, listed = _number(row["ours"]), _number(row["theirs"]), _number(row["listed"])
    unlisted = f"; the CRM lists {listed} itself" if row["listed"] is not None and listed != theirs else ""
    return Finding(
        abs(ours - theirs) <= TOTAL_TOLERANCE * theirs,
        f"{ours} contacts today, {theirs} by the newest sweep: {ours - theirs:+d}{unlisted}",
        {"contacts": ours, "reported_total": theirs, "listed": listed, "difference": ours - theirs},
    )


def rates_agree_with_api(session: Session) -> Finding:
    """Compare our campaign rates with the texts the API sends."""
    row = _row(
        session,
        """
        select
            count(api_rate_gap) as compared,
            count(*) filter (where api_rate_gap > 1e-9) as apart,
            max(api_rate_gap) as gap
        from kpi.campaign_performance
        """,
    )
    apart, gap = _number(row["apart"]), row["gap"]
    largest = float(gap) if isinstance(gap, float) else 0.0
    return Finding(
        apart == 0,
        f"{apart} of {_number(row['compared'])} campaigns: the API's own rates differ, by {largest:.2f} points at most",
        {"campaigns_apart": apart, "largest_gap_points": largest},
    )


def reports_are_consistent(session: Session) -> Finding:
    """Count the campaign reports whose numbers contradict each other; they are shown and flagged, never corrected."""
    row = _row(
        session,
        """
        select count(is_consistent) as reports, count(*) filter (where not is_consistent) as odd
        from kpi.campaign_performance
        """,
    )
    odd = _number(row["odd"])
    return Finding(
        odd == 0, f"{odd} of {_number(row['reports'])} campaign reports contradict themselves", {"inconsistent": odd}
    )


_RECORDS: Final = [table for table in raw.FETCHED if table is not raw.ContactSweeps]
_FETCHED_BY: Final[Mapping[type[Table], str]] = {
    raw.Contacts: "list_contacts",
    raw.Campaigns: "list_campaigns",
    raw.Messages: "list_messages",
}


def _unique(table: type[Table]) -> Question:
    return Question(
        table,
        "unique_key",
        f"Each {', '.join(table.key)} stands once.",
        lambda session, _settings, _now: unique_key(session, table),
        is_blocking=True,
    )


def _drift(table: type[Table]) -> Question:
    return Question(
        table,
        "drift",
        "No field or value that the contract does not name has turned up in the last 7 days.",
        lambda session, _settings, now: drift(session, table, now=now),
    )


def _fresh(table: type[Table], operation: str) -> Question:
    return Question(
        table,
        "freshness",
        f"{operation} has succeeded lately.",
        lambda session, settings, now: freshness(session, operation, limit=settings.overdue_after, now=now),
    )


RAW_QUESTIONS: Final[tuple[Question, ...]] = (
    *map(_unique, raw.FETCHED),
    *map(_drift, _RECORDS),
    *(_fresh(table, operation) for table, operation in _FETCHED_BY.items()),
    Question(
        raw.ContactSweeps,
        "settled",
        "No suspicious sweep waits to be confirmed or accepted.",
        lambda session, _settings, _now: sweeps_are_settled(session),
    ),
    Question(
        raw.Messages,
        "references",
        "Every message belongs to a contact that the contact list has named.",
        lambda session, _settings, _now: messages_have_contacts(session),
        also=(raw.Contacts,),
    ),
    Question(
        raw.Messages,
        "reconciliation",
        "Stored and quarantined messages are as many as the API reports, chat by chat.",
        lambda session, _settings, _now: messages_reconcile(session),
    ),
    Question(
        raw.Messages,
        "future_dated",
        "No message of the last 28 days is dated after the request that brought it.",
        lambda session, _settings, now: future_dated(session, now=now),
    ),
    Question(
        raw.Messages,
        "server_clock",
        "The CRM's clock and ours agree within two minutes.",
        lambda session, _settings, now: server_clock(session, now=now),
    ),
    Question(
        raw.Messages,
        "reachable",
        "No chat, report or page is refused or left without an answer.",
        lambda session, _settings, _now: everything_is_had(session),
    ),
    Question(
        raw.Messages,
        "volume",
        "Yesterday's messages are in the range of the 28 days before.",
        lambda session, settings, now: volume(session, timezone=settings.timezone, now=now),
    ),
)
"""Asked of the live warehouse, after ingest."""

MODEL_QUESTIONS: Final[tuple[Question, ...]] = (
    Question(
        core.ResponseWaits,
        "references",
        "Every wait belongs to a conversation.",
        lambda session, _settings, _now: waits_have_conversations(session),
        also=(core.Conversations,),
    ),
    Question(
        ContactGrowthDaily,
        "reconciliation",
        "Today's total of contacts is what the newest sweep was told, within 1 %.",
        lambda session, _settings, _now: total_agrees_with_sweep(session),
    ),
    Question(
        CampaignPerformance,
        "reconciliation",
        "Our delivery, read and reply rates are the API's own.",
        lambda session, _settings, _now: rates_agree_with_api(session),
    ),
    Question(
        CampaignPerformance,
        "consistency",
        "No report contradicts itself.",
        lambda session, _settings, _now: reports_are_consistent(session),
    ),
)
"""Asked of a finished build."""


def holds(session: Session, *tables: type[Table]) -> bool:
    """Say whether the store has these tables yet."""
    known = session.query("select table_schema || '.' || table_name as name from information_schema.tables")
    return {table.full_name() for table in tables} <= set(known.column("name").to_pylist())


def last_change(session: Session) -> dt.datetime | None:
    """When what a figure is made of last changed: start of the request that brought the newest row or version.

    Aware UTC; None before the first fetch.
    """
    if not holds(session, raw.OperatorEvents):
        return None
    newest = _row(
        session,
        f"""
        select max(changed_at) as changed_at from (
            select max(fetched_at) as changed_at from {raw.Contacts.full_name()}
            union all select max(fetched_at) from {raw.Messages.full_name()}
            union all select max(fetched_at) from {raw.Campaigns.full_name()}
            union all select max(first_fetched_at) from {raw.CampaignReports.full_name()}
            union all select max("at") from {raw.ContactSightings.full_name()}
            union all select max(counted_at) from {raw.ContactSweeps.full_name()} where accepted_by is not null
            union all select max("at") from {raw.OperatorEvents.full_name()}
        ) as changes
        """,
    )["changed_at"]
    return newest.replace(tzinfo=dt.UTC) if isinstance(newest, dt.datetime) else None


def last_cut(session: Session) -> dt.datetime | None:
    """When the newest build began, aware UTC; None before the first."""
    if not holds(session, ops.Builds):
        return None
    newest = _row(session, f"select max(started_at) as at from {ops.Builds.full_name()}")["at"]
    return newest.replace(tzinfo=dt.UTC) if isinstance(newest, dt.datetime) else None


def finished_without_report(session: Session) -> int:
    """Count the campaigns that have finished since their report was last fetched."""
    if not holds(session, raw.CampaignStatuses, raw.CampaignReports):
        return 0
    return _number(
        _row(
            session,
            f"""
            with finished as (
                select campaign_id, max(observed_at) as at
                from {raw.CampaignStatuses.full_name()}
                where status in ('completed', 'failed') and is_change
                group by campaign_id
            ),
            reported as (
                select campaign_id, max(last_fetched_at) as at
                from {raw.CampaignReports.full_name()}
                group by campaign_id
            )
            select count(*) as n
            from finished f left join reported r on r.campaign_id = f.campaign_id
            where r.at is null or r.at < f.at
            """,
        )["n"]
    )
