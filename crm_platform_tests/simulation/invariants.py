"""What must hold: after every run, and once it is quiet.

What belongs here: the invariants of the store (I1, I2, I4, I6, I9), of the limits (I3), of the time (I7) and of what
is refused (I8), each against the world itself. What does not: KPIs (kpis.py).

What counts as there is what the server lists: not what no page holds, nor what it deleted, read or not.

Each function gives what is broken, in words that begin with the invariant's name; an empty list: all hold.
"""

from __future__ import annotations

import datetime as dt
import json
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from itertools import pairwise
from typing import TYPE_CHECKING

from crm_platform.ingest.presence import PRESENT
from crm_platform.schemas import OpsTable, RawTable, live_tables
from crm_platform.tables import TABLES
from crm_platform.warehouse.digests import digest_sql
from crm_platform.warehouse.journal import chat_column
from crm_platform_tests.simulation.crm import Crm, windows
from crm_platform_tests.simulation.oddities import AHEAD
from crm_platform_tests.simulation.scenario import LEDGER_LOST

if TYPE_CHECKING:
    from crm_platform.warehouse import Session
    from crm_platform_tests.simulation.run import Simulation

MOST_TRIES = 8  # of an object that is refused, before a run knows that it is: five for a 500, and a second look
WINDOW = 60.0  # seconds
GATE_TIMEOUT = 120.0  # seconds; the gate's own
Row = dict[str, object]


def _rows(session: Session, sql: str) -> list[Row]:
    return session.query(sql).to_pylist()


def _some(what: str, found: Iterable[object]) -> Iterator[str]:
    """One line for all that is broken in one way."""
    listed = sorted(map(str, found))
    if listed:
        yield f"{what}: {len(listed)}, such as {'; '.join(listed[:3])}"


def _utc(moment: object) -> dt.datetime:
    assert isinstance(moment, dt.datetime)
    return moment.replace(tzinfo=dt.UTC)


# After every run.


def of_the_store(crm: Crm, session: Session) -> list[str]:
    """I2: no key twice. I4: what the state says is read, is stored or in quarantine."""
    return [*_keys_once(session), *_state_not_ahead(crm, session)]


def by_chat(session: Session) -> dict[str, str]:
    """Digest of what is stored of each chat in the tables that the journal is about, for `of_the_journal`."""
    lines = " union all ".join(
        f"select {column} as chat_id, hash(t) as line from {table.full_name()} as t where {column} is not null"
        for table in live_tables()
        if (column := chat_column(table)) is not None
    )
    found = _rows(session, f"select chat_id, {digest_sql('line')} as digest from ({lines}) group by chat_id")
    return {str(row["chat_id"]): str(row["digest"]) for row in found}


def of_the_journal(session: Session, *, before: dict[str, str], now: dict[str, str], since: int) -> list[str]:
    """I9: a chat that is stored otherwise than at the look before is named by a commit `since` then."""
    named = {row["chat_id"] for row in _rows(session, f"select chat_id from ops.changes where number > {since}")}
    changed = {chat_id for chat_id in before.keys() | now.keys() if before.get(chat_id) != now.get(chat_id)}
    return list(_some("I9: chats that changed unknown to the journal", changed - named if "" not in named else ()))


def newest_change(session: Session) -> int:
    """Number of the newest commit in the journal."""
    return int(_rows(session, "select coalesce(max(number), 0) as number from ops.changes")[0]["number"])


def _keys_once(session: Session) -> Iterator[str]:
    tables = [one for one in TABLES.values() if issubclass(one, RawTable | OpsTable) and one.key]
    stored = {
        row["name"]
        for row in _rows(session, "select table_schema || '.' || table_name as name from information_schema.tables")
    }
    tables = [one for one in tables if one.full_name() in stored]
    # Quoted: `at` is a word of SQL, too.
    counts = " union all ".join(
        f"select '{one.full_name()}' as name, count(*) as n from (select 1 from {one.full_name()} "
        f"""group by "{'", "'.join(one.key)}" having count(*) > 1)"""
        for one in tables
    )
    for row in _rows(session, f"from ({counts}) where n > 0"):
        yield f"I2: {row['n']} keys of {row['name']} stand there more than once"


def _held(session: Session) -> dict[str, list[str]]:
    """By chat: what its stored messages and quarantined records are known by."""
    held: defaultdict[str, list[str]] = defaultdict(list)
    for row in _rows(session, "select chat_id, message_id from raw.messages"):
        held[row["chat_id"]].append(row["message_id"])
    for row in _rows(session, "select target, raw from ops.quarantine where operation = 'list_messages'"):
        held[row["target"]].append(_mark(json.loads(row["raw"])))
    return held


def _mark(record: Row) -> str:
    """A broken message by what does not change of it; its id where it has one."""
    if record.get("message_id"):
        return str(record["message_id"])
    return json.dumps(
        {name: value for name, value in record.items() if name not in ("status", "message_id")}, sort_keys=True
    )


def _marks(crm: Crm, index: int, until: int) -> list[str]:
    """What a chat's messages are known by, oldest first, as they are stored or quarantined."""
    return [_mark_of(crm, record) for record in crm.listed_messages(index, until)]


def _mark_of(crm: Crm, record: Row) -> str:
    is_broken = crm.shapes.break_of("message", record) is not None
    return _mark(crm.shapes.shaped("message", dict(record)) if is_broken else record)


def _gone(crm: Crm, index: int) -> set[str]:
    """What is no longer listed of a chat, by what it is known by."""
    records = crm.world.every_message(index, crm.now)
    return {_mark_of(crm, record) for record in records[: crm.gone(index, crm.now)]}


def _state_not_ahead(crm: Crm, session: Session) -> Iterator[str]:
    held = _held(session)
    ahead = []
    read_last = {
        row["target"]: _utc(row["at"])
        for row in _rows(
            session,
            "select target, max(started_at) as at from ops.fetches "
            "where operation = 'list_messages' and outcome = 'ok' group by target",
        )
    }
    for state in _rows(session, "from ops.crawl_state where known_until is not null"):
        chat_id = state["chat_id"]
        path = f"/crm/chat/{chat_id}/messages"
        index = crm.world.people.ids.index(chat_id)
        seen = crm.seen_at[path, _utc(state["known_until"])]
        marks = _marks(crm, index, seen)
        have = set(held[chat_id])
        if state["is_history_whole"]:
            claimed = set(marks)
        else:
            # What went away since the last reading, that reading could not know of.
            gone = crm.gone(index, crm.seen_at[path, read_last[chat_id]])
            was_gone = crm.gone(index, seen)
            oldest = marks[max(0, gone - was_gone) :]
            claimed = {*oldest[: state["read_from_oldest"]], *marks[max(0, len(marks) - state["newest_run"]) :]}
        if claimed - have:
            claimed -= _gone(crm, index)  # nobody can read it any more
        if claimed - have:
            ahead.append(
                f"{chat_id} lacks {len(claimed - have)} of {len(claimed)} (whole: {state['is_history_whole']}, "
                f"total {state['reported_total']}, newest {state['newest_run']}, oldest {state['read_from_oldest']})"
            )
        ever = len(crm.world.every_message(index, seen))
        if not state["is_history_whole"] and state["newest_run"] > ever:
            ahead.append(f"{chat_id}: a run of {state['newest_run']} in a chat of {ever}")
    yield from _some("I4: chats whose state is ahead of their rows", ahead)


def is_everything_there(session: Session) -> bool:
    """Every chat visited, every history whole, the lists and each report read, as far as the platform knows."""
    missing = _rows(
        session,
        f"""
        select
            (select count(*) from raw.contact_sweeps where is_complete) as sweeps,
            (select count(*) from ({PRESENT}) as present left join ops.crawl_state as s using (chat_id)
                where s.known_until is null or not s.is_history_whole) as chats,
            (select count(*) from raw.campaigns where campaign_id not in
                (select target from ops.fetches where operation = 'campaign_report' and outcome = 'ok')) as reports,
            (select count(*) from raw.campaigns) as campaigns,
        """,
    )[0]
    return bool(missing["sweeps"] and missing["campaigns"] and not missing["chats"] and not missing["reports"])


# Once quiet.


def once_quiet(crm: Crm, session: Session) -> list[str]:
    """I1, I2, I4, I6 and I8 against the world as it stands."""
    return [
        *of_the_store(crm, session),
        *_messages(crm, session),
        *_missing(crm, session),
        *_contacts(crm, session),
        *_campaigns(crm, session),
        *_custom_fields(crm, session),
        *_quarantine(crm, session),
        *_requests(crm, session),
        *_troubles(crm, session),
    ]


def of_the_refused(crm: Crm, *, refreshes: int) -> list[str]:
    """I8: what keeps being refused costs a bounded number of requests: one a refresh, once that is known."""
    refused = crm.departures.refused
    return list(
        _some(
            f"I8: asked for too often in {refreshes} refreshes, though refused each time",
            [f"{path} {times} times" for path, times in refused.items() if times > refreshes + MOST_TRIES],
        )
    )


def _refused(crm: Crm, kind: str, names: Iterable[str]) -> set[str]:
    """Those of some chats or reports that are refused now."""
    departures = crm.departures
    return {name for name in names if departures.refuses and departures.is_refused(kind, name)}


def listed_contacts(crm: Crm) -> dict[str, int]:
    """Chat ids and indexes of everybody whom the contact list shows, and who can be kept."""
    now = crm.now
    records = {index: crm.world.contact(index, now) for index in crm.world.present(now)}
    return {
        str(record["chat_id"]): index
        for index, record in records.items()
        if crm.shapes.break_of("contact", record) is None and not crm.shapes.is_hidden("contact", record)
    }


def _listed_campaigns(crm: Crm) -> list[str]:
    now = crm.now
    records = [crm.world.campaign(campaign, now) for campaign in crm.world.campaigns.visible(now)]
    return [
        str(record["campaign_id"])
        for record in records
        if crm.shapes.break_of("campaign", record) is None and not crm.shapes.is_hidden("campaign", record)
    ]


def _troubles(crm: Crm, session: Session) -> Iterator[str]:
    """I8: the objects that are refused are named, and nothing else is."""
    named = {
        (row["operation"], row["target"])
        for row in _rows(session, "select operation, target from ops.troubles where over_at is null")
    }
    chats = listed_contacts(crm)
    refused = {
        *(("list_messages", one) for one in _refused(crm, "chat", chats)),
        *(("campaign_report", one) for one in _refused(crm, "report", _listed_campaigns(crm))),
    }
    yield from _some("I8: refused, and not named", refused - named)
    # Who left a list that is misread counts as there.
    left = set() if not is_list_misread(crm) else {("list_messages", one) for _, one in named if one not in chats}
    yield from _some("I8: named, and not refused", named - refused - left)


def _messages(crm: Crm, session: Session) -> Iterator[str]:
    now = crm.now
    stored: defaultdict[str, dict[str, Row]] = defaultdict(dict)
    for row in _rows(session, "from raw.messages"):
        stored[row["chat_id"]][row["message_id"]] = row
    breaks = crm.shapes.break_of
    missing, wrong, stale = [], [], []
    contacts = listed_contacts(crm)
    reachable = contacts.keys() - _refused(crm, "chat", contacts)
    for chat_id in reachable | stored.keys():
        index = crm.world.people.ids.index(chat_id)
        records = crm.world.every_message(index, now)
        listed = {record["message_id"] for record in crm.listed_messages(index, now)}
        newest = {record["message_id"] for record in records[-crm.page_size("messages") :]} & listed
        said = {one.message_id: one for one in crm.messages(index, now)}
        whole = {r["message_id"]: r for r in records if breaks("message", dict(r)) is None}
        have = stored[chat_id]
        if chat_id in reachable:
            missing += [f"{chat_id} {one}" for one in (whole.keys() & listed) - have.keys()]
        wrong += [f"{chat_id} {one} was never said" for one in have.keys() - whole.keys()]
        for message_id in have.keys() & whole.keys():
            row, record, one = have[message_id], whole[message_id], said[message_id]
            dated = one.at + (AHEAD if crm.shapes.is_ahead(dict(record)) else 0)
            same = (
                _utc(row["timestamp"]) == dt.datetime(1970, 1, 1, tzinfo=dt.UTC) + dt.timedelta(milliseconds=dated)
                and row["direction"] == record["direction"]
                and row["type"] == record["type"]
                and row["content"] == (record["content"] or None)
            )
            if not same:
                wrong.append(f"{chat_id} {message_id}")
            read = (f"/crm/chat/{chat_id}/messages", _utc(row["fetched_at"]))
            if row["status"] not in map(one.status, crm.seen_until(*read)):
                wrong.append(f"{chat_id} {message_id} was not {row['status']} when it was read")
            if chat_id in reachable and message_id in newest and row["status"] != one.status(now):
                stale.append(f"{chat_id} {message_id} is {one.status(now)}, not {row['status']}")
    yield from _some("I1: messages of the truth that are not stored", missing)
    yield from _some("I1: stored messages that were never true", wrong)
    yield from _some("I1: messages on a newest page that are out of date", stale)


def _missing(crm: Crm, session: Session) -> Iterator[str]:
    """I1: what a chat's total counts and nothing brings is counted, and nothing else is."""
    contacts = listed_contacts(crm)
    held = _held(session)
    wrong = []
    for state in _rows(session, "from ops.crawl_state where is_history_whole"):
        chat_id = state["chat_id"]
        if chat_id not in contacts.keys() - _refused(crm, "chat", contacts):
            continue
        total = crm.said_total(contacts[chat_id])
        missing = 0 if total is None else max(0, total - len(held[chat_id]))
        if state["unreachable"] != missing:
            wrong.append(f"{chat_id}: {state['unreachable']} instead of {missing}")
    yield from _some("I1: chats that say otherwise how many of their messages cannot be had", wrong)


def is_list_misread(crm: Crm) -> bool:
    """Whether the contact list holds a record that has to be rejected: then nobody can be missing from it."""
    shapes, now = crm.shapes, crm.now
    records = [crm.world.contact(index, now) for index in crm.world.present(now)]
    return any(shapes.break_of("contact", one) and not shapes.is_hidden("contact", one) for one in records)


def _contacts(crm: Crm, session: Session) -> Iterator[str]:
    now = crm.now
    stored = {row["chat_id"]: row for row in _rows(session, "from raw.contacts")}
    present = {row["chat_id"] for row in _rows(session, PRESENT)}
    true = listed_contacts(crm)
    wrong = []
    for chat_id, index in true.items():
        record = crm.world.contact(index, now)
        row = stored.get(chat_id, {})
        fields = {name: value for name, value in (record.get("custom_fields") or {}).items() if value}
        same = (
            row.get("whatsapp_number") == record["whatsapp_number"]
            and row.get("name") == (record.get("name") or None)
            and row.get("email") == (record.get("email") or None)
            and row.get("status") == record["status"]
            and json.loads(row.get("custom_fields") or "{}") == fields
        )
        if not same:
            wrong.append(chat_id)
    yield from _some("I1: contacts that are not stored as they are", wrong)
    yield from _some("I1: contacts that are there and not known to be", true.keys() - present)
    if not is_list_misread(crm):
        yield from _some("I1: contacts that are gone and thought to be there", present - true.keys())
    known = {crm.world.people.ids.index(chat_id) for chat_id in stored}
    yield from _some("I1: stored contacts that never were", [one for one in known if one is None])


def _campaigns(crm: Crm, session: Session) -> Iterator[str]:
    now = crm.now
    stored = {row["campaign_id"]: row for row in _rows(session, "from raw.campaigns")}
    statuses: defaultdict[str, list[Row]] = defaultdict(list)
    for row in _rows(session, "from raw.campaign_statuses order by campaign_id, observed_at"):
        statuses[row["campaign_id"]].append(row)
    reports: defaultdict[str, list[Row]] = defaultdict(list)
    for row in _rows(session, "from raw.campaign_reports order by campaign_id, first_fetched_at"):
        reports[row["campaign_id"]].append(row)
    wrong, never = [], []
    visible = crm.world.campaigns.visible(now)
    for campaign in visible:
        record = crm.world.campaign(campaign, now)
        campaign_id = record["campaign_id"]
        if crm.shapes.break_of("campaign", record) is not None or crm.shapes.is_hidden("campaign", record):
            continue
        row = stored.get(campaign_id, {})
        if (row.get("name"), row.get("status"), row.get("total_recipients")) != (
            record["name"],
            record["status"],
            record.get("total_recipients"),
        ):
            wrong.append(campaign_id)
        seen_statuses = statuses[campaign_id]
        if not seen_statuses or seen_statuses[-1]["status"] != record["status"]:
            wrong.append(f"{campaign_id}: the last status known is not {record['status']}")
        never += [
            f"{campaign_id} was not {seen['status']} then"
            for seen in seen_statuses
            if campaign.status(crm.seen_at["/crm/campaign", _utc(seen["observed_at"])]) != seen["status"]
        ]
        never += [
            f"{campaign_id} did not become {after['status']}"
            for before, after in pairwise(seen_statuses)
            if before["status"] == after["status"] or not after["is_change"]
        ]
        snapshots = reports[campaign_id]
        is_refused = bool(_refused(crm, "report", [campaign_id]))
        if not snapshots and is_refused:
            continue
        if not snapshots:
            wrong.append(f"{campaign_id} has no report")
            continue
        if not is_refused and _figures(snapshots[-1]) != crm.world.report(campaign, now)["metrics"]:
            wrong.append(f"{campaign_id}: its newest report is not the newest")
        for snapshot in snapshots:
            asked = (f"/crm/campaign/{campaign_id}/report", _utc(snapshot["first_fetched_at"]))
            if _figures(snapshot) != crm.world.report(campaign, crm.seen_at[asked])["metrics"]:
                never.append(f"{campaign_id}: a report that was never given")
    yield from _some("I1: campaigns and reports that are not stored as they are", wrong)
    yield from _some("I1: campaigns and reports that were never so", never)
    yield from _some("I1: campaigns that never were", stored.keys() - {one.campaign_id for one in visible})


def _figures(row: Row) -> Row:
    return {name: row[name] for name in ("total_recipients", "delivered", "read", "replied", "failed")}


def _custom_fields(crm: Crm, session: Session) -> Iterator[str]:
    stored = {(row["custom_field_id"], row["name"]) for row in _rows(session, "from raw.custom_fields")}
    true = {(field.field_id, field.name) for field in crm.world.custom_fields.existing(crm.now)}
    yield from _some("I1: custom fields that are not stored as they are", true ^ stored)


def _quarantine(crm: Crm, session: Session) -> Iterator[str]:
    """I6: what was broken on purpose stands in quarantine, and nothing else does."""
    now = crm.now
    shapes, world = crm.shapes, crm.world
    held = Counter(
        (row["operation"], row["target"], _lasting(json.loads(row["raw"])))
        for row in _rows(session, "select operation, target, raw from ops.quarantine")
    )
    broken: set[tuple[str, str | None, str]] = set()
    ever: set[tuple[str, str | None, str]] = set()
    everybody = [*range(world.roster.count_at(now)), *world._made]
    present = set(world.present(now))
    contacts = listed_contacts(crm)
    reachable = contacts.keys() - _refused(crm, "chat", contacts)

    def add(operation: str, target: str | None, kind: str, record: Row, *, is_there: bool) -> None:
        if shapes.break_of(kind, record) is not None:
            one = (operation, target, _lasting(shapes.shaped(kind, dict(record))))
            ever.add(one)
            if is_there and not shapes.is_hidden(kind, record):
                broken.add(one)

    for index in everybody:
        contact = world.contact(index, now)
        is_there = index in present
        add("list_contacts", None, "contact", dict(contact), is_there=is_there)
        chat_id = world.people.ids.text(index)
        is_reachable = chat_id in reachable
        for number, record in enumerate(world.every_message(index, now)):
            is_listed = is_reachable and number >= crm.gone(index, now)
            add("list_messages", chat_id, "message", record, is_there=is_listed)
    for campaign in world.campaigns.visible(now):
        add("list_campaigns", None, "campaign", world.campaign(campaign, now), is_there=True)
    yield from _some("I6: broken records that are not in quarantine", broken - held.keys())
    yield from _some("I6: records in quarantine that were not broken", held.keys() - ever)


def _lasting(record: Row) -> str:
    """A broken record by what does not change of it."""
    passing = ("status", "custom_fields", "total_recipients", "operator_email")
    return json.dumps({name: value for name, value in record.items() if name not in passing}, sort_keys=True)


def _requests(crm: Crm, session: Session) -> Iterator[str]:
    """Every request on record was really made."""
    answered = _rows(session, "select operation, target, started_at from ops.fetches where outcome = 'ok'")
    asked = {moment for _, moment in crm.seen_at}
    yield from _some(
        "I1: requests on record that the server never saw",
        [row for row in answered if _utc(row["started_at"]) not in asked],
    )


# The limits and the time.


def of_the_limits(crm: Crm) -> list[str]:
    """I3: no rolling minute or day over the smaller of our limit and the server's, as the server counts.

    But for one that the platform's clock went forward in.
    """
    broken = []
    scenario = crm.scenario
    for name, seconds, limits in (
        ("minute", 60.0, (scenario.per_minute, scenario.server_per_minute)),
        ("day", 86_400.0, (scenario.per_day, scenario.server_per_day)),
    ):
        known = [limit for limit in limits if limit is not None]
        most = max(windows(crm.arrivals, seconds, steps_forward=crm.steps_forward), default=0)
        if known and most > min(known):
            broken.append(f"I3: {most} requests in a rolling {name}, the limit is {min(known)} ({limits})")
    return broken


def seconds_rested(session: Session) -> float:
    """How long objects that gave the same answer again were left alone; of each its last and longest pause."""
    (row,) = _rows(session, "select coalesce(sum(epoch(retry_at - last_at)), 0) as seconds from ops.troubles")
    return float(str(row["seconds"]))


def of_the_time(
    troubled: Simulation, took: dt.timedelta, calm: Simulation, calm_took: dt.timedelta, *, run: float
) -> list[str]:
    """I7: no more virtual time than trouble explains, of a mission that ends when everything is there.

    `run`: seconds of the longest run; only at its end somebody looks whether everything is there.
    """
    scenario = troubled.scenario
    per_minute = min(filter(None, (scenario.per_minute, scenario.server_per_minute)), default=None)
    others = troubled.requests_of_others / per_minute * WINDOW if per_minute else 0.0
    allowed = (
        1.2 * calm_took.total_seconds()
        + troubled.seconds_delayed
        + troubled.seconds_of_backing_off
        + troubled.seconds_asked_for
        + troubled.seconds_rested
        + WINDOW * troubled.restarts
        + GATE_TIMEOUT * troubled.troubles[LEDGER_LOST]  # what was under way may be counted until then, and a window
        + others
        + run
    )
    if took.total_seconds() > allowed:
        said = (
            f"I7: it took {took.total_seconds():.0f} s, undisturbed {calm_took.total_seconds():.0f} s; with delays of "
            f"{troubled.seconds_delayed:.0f} s, waits of {troubled.seconds_of_backing_off:.0f} s before trying again, "
            f"{troubled.seconds_asked_for:.0f} s of Retry-After, {troubled.seconds_rested:.0f} s of rest for what "
            f"failed alike, {troubled.restarts} kills and "
            f"{troubled.requests_of_others} requests of others it may take {allowed:.0f} s"
        )
        return [said]
    return []
