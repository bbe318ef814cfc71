"""Checks of the live warehouse, after ingest: is it fresh, whole, free of doubles, as many messages as the CRM says?

What belongs here: one function a check, and the list of which table each is of. What does not: checks of events
(event_checks.py), of a build (model_checks.py).
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from typing import TYPE_CHECKING, Final

from crm_platform.models.checks import CheckResult, DataCheck, Figure, count, first_row, number, stored
from crm_platform.models.cut import Cut
from crm_platform.models.event_checks import EVENT_CHECKS
from crm_platform.models.render import vocabulary
from crm_platform.schemas import Table, ops, raw

if TYPE_CHECKING:
    from crm_platform.settings import Settings
    from crm_platform.warehouse import Session

DRIFT_IS_NEWS: Final = dt.timedelta(days=7)  # a field that has been there for a week has been read by somebody
VOLUME_DAYS: Final = 28  # four of each weekday
VOLUME_FACTOR: Final = 2.0  # a day outside [least ÷ 2, most x 2] of those is news; weekends are inside by themselves
FUTURE_IS_NEWS: Final = dt.timedelta(days=28)
LARGEST_ZONE: Final = dt.timedelta(hours=14, minutes=15)  # of all zones, and a little for what rounds
QUARTER: Final = dt.timedelta(minutes=15)  # zones are whole quarters of an hour off
CLOCKS_AGREE: Final = dt.timedelta(minutes=2)


def unique_key(session: Session, table: type[Table]) -> CheckResult:
    """Count the keys that stand more than once: the merge must leave none."""
    keys = ", ".join(table.key)
    doubled = count(session, f"(select {keys} from {table.full_name()} group by {keys} having count(*) > 1)")
    return CheckResult(
        doubled == 0, f"{doubled} keys of {table.full_name()} stand more than once", {"doubled_keys": doubled}
    )


def drift(session: Session, table: type[Table], *, now: dt.datetime) -> CheckResult:
    """List fields and values the contract does not name; those first seen within a week are news."""
    record = table.table.removesuffix("s")
    found = session.query(
        f"select field, value, first_seen_at > ? as is_news from {ops.Drift.full_name()} where record = ? "
        "order by field, value",
        (stored(now - DRIFT_IS_NEWS), record),
    ).to_pylist()
    # A field's name and an enum's value are the API's vocabulary, not a person's data.
    news = [
        f"{row['field']} = {row['value']}" if row["value"] else str(row["field"]) for row in found if row["is_news"]
    ]
    summary = f"new in the last 7 days: {', '.join(news)}" if news else "nothing new in the last 7 days"
    return CheckResult(not news, summary, {"unknown_fields_and_values": len(found), "new": len(news)})


def freshness(session: Session, operation: str, *, limit: dt.timedelta, now: dt.datetime) -> CheckResult:
    """Say how long ago a request of this kind last succeeded."""
    last = first_row(
        session,
        f"select max(started_at) as at from {ops.Fetches.full_name()} where operation = ? and outcome = 'ok'",
        (operation,),
    )["at"]
    if not isinstance(last, dt.datetime):
        return CheckResult(passed=False, summary=f"{operation} has never succeeded")
    age = (stored(now) - last).total_seconds()
    return CheckResult(
        age <= limit.total_seconds(),
        f"{operation} last succeeded {age / 3600:.1f} h ago; expected within {limit.total_seconds() / 3600:.0f} h",
        {"age_seconds": age},
    )


def messages_have_contacts(session: Session) -> CheckResult:
    """Count the chats whose messages have no contact: an id that the contact list never named."""
    row = first_row(
        session,
        f"""
        select count(*) as messages, count(distinct m.chat_id) as chats
        from {raw.Messages.full_name()} m
        left join {raw.Contacts.full_name()} c on c.chat_id = m.chat_id
        where c.chat_id is null
        """,
    )
    messages, chats = number(row["messages"]), number(row["chats"])
    return CheckResult(
        messages == 0, f"{messages} messages of {chats} chats have no contact", {"messages": messages, "chats": chats}
    )


def messages_reconcile(session: Session) -> CheckResult:
    """Compare messages stored and quarantined with the total the API reported, chat by chat.

    Only a chat whose history is whole can be held to its total, as last proven; what the others still lack is the known
    remainder.
    """
    row = first_row(
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
        "chats": number(row["chats"]),
        "chats_whole": number(row["whole"]),
        "chats_short_of_their_total": number(row["short"]),
        "messages_missing": number(row["missing"]),
        "messages_known_to_be_older": number(row["remainder"]),
    }
    return CheckResult(
        figures["chats_short_of_their_total"] == 0,
        f"{figures['chats_short_of_their_total']} of {figures['chats_whole']} whole chats hold fewer messages than "
        f"reported ({figures['messages_missing']} in all); {figures['messages_known_to_be_older']} older messages are "
        "still to be read",
        figures,
    )


def duplicates(session: Session) -> CheckResult:
    """Count the messages that stand in two chats, and so count once: each must be kept in a chat that keeps it."""
    row = first_row(
        session,
        f"""
        select
            count(*) as copies,
            count(distinct copy.chat_id) as chats,
            count(*) filter (where kept.chat_id is null) as lost
        from {raw.Messages.full_name()} as copy
        left join {raw.Messages.full_name()} as kept
            on kept.chat_id = copy.duplicate_of and kept.message_id = copy.message_id and kept.duplicate_of is null
        where copy.duplicate_of is not null
        """,
    )
    copies, chats, lost = number(row["copies"]), number(row["chats"]), number(row["lost"])
    found = (
        f"{copies} messages of {chats} chats stand in another chat, too, as after contacts were merged, and count once"
    )
    return CheckResult(
        lost == 0,
        f"{lost} of {found}, but are kept in none: the next `crm refresh` decides again" if lost else found,
        {"copies": copies, "chats": chats, "kept_in_none": lost},
    )


def volume(session: Session, *, settings: Settings, now: dt.datetime) -> CheckResult:
    """Hold the last complete day's messages against the 28 days before it; says so when there is less history."""
    words = vocabulary(dialect=session.dialect, settings=settings, cut=Cut(as_of=now, rows={}))
    days = session.query(
        f"""
        select {words["local_day"]("timestamp")} as day, count(*) as messages
        from {raw.Messages.full_name()}
        where not is_future_dated and timestamp >= ?
        group by 1 order by 1
        """,
        (stored(now - dt.timedelta(days=VOLUME_DAYS + 3)),),
    ).to_pylist()
    yesterday = now.astimezone(settings.zone).date() - dt.timedelta(days=1)
    by_day = {row["day"]: int(row["messages"]) for row in days}
    before = [by_day.get(yesterday - dt.timedelta(days=back), 0) for back in range(1, VOLUME_DAYS + 1)]
    oldest = f"select min(timestamp) as at from {raw.Messages.full_name()} where not is_future_dated"
    first = first_row(session, oldest)["at"]
    if not isinstance(first, dt.datetime) or stored(now) - first < dt.timedelta(days=VOLUME_DAYS + 2):
        return CheckResult(passed=True, summary=f"fewer than {VOLUME_DAYS} days of history: nothing to compare with")
    messages, least, most = by_day.get(yesterday, 0), min(before) / VOLUME_FACTOR, max(before) * VOLUME_FACTOR
    return CheckResult(
        least <= messages <= most,
        f"{messages} messages yesterday; the {VOLUME_DAYS} days before suggest {least:.0f} to {most:.0f}",
        {"messages": messages, "least": least, "most": most},
    )


def future_dated(session: Session, *, now: dt.datetime) -> CheckResult:
    """Count the messages that were dated after the request that brought them: stored, and in no figure.

    A few odd stamps are no more than that. Local time that calls itself UTC dates all of the last hours ahead, by as
    much as the zone's offset: the largest lead that a zone explains says by how much.
    """
    row = first_row(
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
        (stored(now - FUTURE_IS_NEWS), LARGEST_ZONE.total_seconds(), stored(now - FUTURE_IS_NEWS)),
    )
    messages, recent, lead = number(row["messages"]), number(row["recent"]), number(row["lead"])
    figures: dict[str, Figure] = {"messages": messages, "recent": recent}
    if not recent:
        return CheckResult(
            passed=True, summary=f"no message of late; {messages} earlier ones are in no figure", figures=figures
        )
    hours = round(lead / QUARTER.total_seconds()) * QUARTER / dt.timedelta(hours=1)
    guess = f", as if the CRM's time were {hours:g} h ahead (a local time that says it is UTC?)" if hours else ""
    return CheckResult(
        passed=False,
        summary=f"{messages} messages are dated after their own request and in no figure, {recent} of them came in the "
        f"last {FUTURE_IS_NEWS.days} days{guess}",
        figures=figures | {"hours_ahead": hours},
    )


def server_clock(session: Session, *, now: dt.datetime) -> CheckResult:
    """Compare the CRM's clock, as its answers' dates have it, with ours."""
    row = first_row(
        session,
        f"""
        select
            count(server_clock_skew_seconds) as asked,
            count(*) filter (where abs(server_clock_skew_seconds) > ?) as off,
            median(server_clock_skew_seconds) as skew
        from {ops.Fetches.full_name()}
        where started_at > ?
        """,
        (CLOCKS_AGREE.total_seconds(), stored(now - dt.timedelta(days=1))),
    )
    asked, off = number(row["asked"]), number(row["off"])
    if not asked:
        return CheckResult(passed=True, summary="no answer of the last 24 h said what time it was")
    skew = float(row["skew"]) if isinstance(row["skew"], int | float) else 0.0
    figures: dict[str, Figure] = {"answers": asked, "answers_off": off, "skew_seconds": skew}
    if 2 * off <= asked:
        return CheckResult(passed=True, summary=f"the CRM's clock and ours agree ({asked} answers)", figures=figures)
    way = "ahead of" if skew > 0 else "behind"
    return CheckResult(
        passed=False,
        summary=f"the CRM's clock is {abs(skew) / 60:,.0f} min {way} ours ({off} of {asked} answers in 24 h): "
        "set the one that is wrong",
        figures=figures,
    )


def everything_is_had(session: Session) -> CheckResult:
    """Count what cannot be had: chats, reports, pages and lists that the CRM refuses or does not answer."""
    troubles = session.query(ops.MISSED).to_pylist()
    figures: dict[str, Figure] = {}
    for one in troubles:
        figures[one["operation"]] = number(figures.get(one["operation"], 0)) + 1
    if not troubles:
        return CheckResult(passed=True, summary="nothing that was asked for is missing")
    counts = ", ".join(f"{count} of {operation}" for operation, count in figures.items())
    first = troubles[0]
    oldest = f"{first['target']} since {first['since']:%Y-%m-%d %H:%M} UTC: {first['reason']}"
    return CheckResult(
        passed=False,
        summary=f"cannot be had: {counts}; {oldest}",
        figures=figures,
    )


def sweeps_are_settled(session: Session) -> CheckResult:
    """Say whether a suspicious sweep waits for a second one, or for a person."""
    waiting = session.query(
        f"select sweep_id, seen_contacts, missing_contacts from {raw.ContactSweeps.full_name()} "
        f"where {raw.ContactSweeps.WAITS} order by sweep_id desc"
    ).to_pylist()
    if not waiting:
        return CheckResult(passed=True, summary="no suspicious sweep waits", figures={"waiting": 0})
    newest, missing = waiting[0], number(waiting[0]["missing_contacts"])
    return CheckResult(
        passed=False,
        summary=f"sweep {newest['sweep_id']} holds {newest['seen_contacts']} contacts and lacks {missing} that were "
        "there: they count as there until a second sweep an hour later lacks the same, or somebody accepts it; "
        "`crm sweeps` says what it waits for",
        figures={"waiting": len(waiting), "missing": missing},
    )


_RECORDS: Final = [table for table in raw.FETCHED if table is not raw.ContactSweeps]
_FETCHED_BY: Final[Mapping[type[Table], str]] = {
    raw.Contacts: "list_contacts",
    raw.Campaigns: "list_campaigns",
    raw.Messages: "list_messages",
}


def _unique(table: type[Table]) -> DataCheck:
    return DataCheck(
        table,
        "unique_key",
        f"Each {', '.join(table.key)} stands once.",
        lambda session, _settings, _now: unique_key(session, table),
        is_blocking=True,
    )


def _drift(table: type[Table]) -> DataCheck:
    return DataCheck(
        table,
        "drift",
        "No field or value that the contract does not name has turned up in the last 7 days.",
        lambda session, _settings, now: drift(session, table, now=now),
    )


def _fresh(table: type[Table], operation: str) -> DataCheck:
    return DataCheck(
        table,
        "freshness",
        f"{operation} has succeeded lately.",
        lambda session, settings, now: freshness(session, operation, limit=settings.overdue_after, now=now),
    )


RAW_CHECKS: Final[tuple[DataCheck, ...]] = (
    *map(_unique, raw.FETCHED),
    *map(_drift, _RECORDS),
    *(_fresh(table, operation) for table, operation in _FETCHED_BY.items()),
    DataCheck(
        raw.ContactSweeps,
        "settled",
        "No suspicious sweep waits to be confirmed or accepted.",
        lambda session, _settings, _now: sweeps_are_settled(session),
    ),
    DataCheck(
        raw.Messages,
        "references",
        "Every message belongs to a contact that the contact list has named.",
        lambda session, _settings, _now: messages_have_contacts(session),
        also=(raw.Contacts,),
    ),
    DataCheck(
        raw.Messages,
        "reconciliation",
        "Stored and quarantined messages are as many as the API reports, chat by chat.",
        lambda session, _settings, _now: messages_reconcile(session),
    ),
    DataCheck(
        raw.Messages,
        "future_dated",
        "No message of the last 28 days is dated after the request that brought it.",
        lambda session, _settings, now: future_dated(session, now=now),
    ),
    DataCheck(
        raw.Messages,
        "server_clock",
        "The CRM's clock and ours agree within two minutes.",
        lambda session, _settings, now: server_clock(session, now=now),
    ),
    DataCheck(
        raw.Messages,
        "reachable",
        "No chat, report or page is refused or left without an answer.",
        lambda session, _settings, _now: everything_is_had(session),
    ),
    DataCheck(
        raw.Messages,
        "duplicates",
        "A message that stands in two chats is kept in one of them.",
        lambda session, _settings, _now: duplicates(session),
    ),
    DataCheck(
        raw.Messages,
        "volume",
        "Yesterday's messages are in the range of the 28 days before.",
        lambda session, settings, now: volume(session, settings=settings, now=now),
    ),
    *EVENT_CHECKS,
)
"""Asked of the live warehouse, after ingest."""
