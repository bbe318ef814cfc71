"""A clock that was wrong for a run, and what becomes of it once it is right again.

What belongs here: telling that the clock has gone back, which of its two readings was wrong, and drawing back what is
stored. What does not: the gate's own ledger (api/ledger.py does the same for it), what the CRM says of its messages.

Versions, sightings, sweeps and builds go by the instants and the request ids that our own clock gave them. A run with a
clock a month ahead would win over every later one for a month. So each run looks whether anything is stored that its
clock has yet to reach. If so, the CRM's own clock (one request) says which reading was wrong:

- ours is behind now: nothing is fetched, since what is stored with it would be older than what it replaces;
- ours ran ahead then: all that lies ahead is moved back by one span, so that its order stays and its newest is just
  before now.
"""

from __future__ import annotations

import logging
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final

from crm_platform.api import FUTURE_TOLERANCE
from crm_platform.errors import CrmPlatformError, RetryLater
from crm_platform.ingest.meta import DECIDED_UNTIL
from crm_platform.schemas import Table, Type, live_tables, ops, raw
from crm_platform.warehouse.words import words

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from crm_platform.api import CrmClient
    from crm_platform.warehouse import Commit, Lease, Warehouse

log = logging.getLogger(__name__)

CLOCK_SLACK: Final = timedelta(minutes=5)
"""What a clock that is kept in order may go back by; later versions wait for no longer than that."""

FIRST_MOMENT: Final = datetime(2025, 1, 1, tzinfo=UTC)
"""No run of this platform was earlier: a clock that says so was never set."""

IS_BEHIND: Final = timedelta(hours=1)
"""So far behind the CRM's clock ours is wrong, where what is stored says so, too."""

REQUEST_IDS: Final = frozenset({"fetch_id", "first_fetch_id", "sweep_id"})
"""Columns that hold ids of requests, which tell the time in 1/1024 µs (api.FetchIds)."""

# What is written with every batch, and what writes beside the crawl.
_NEWEST: Final = f"""
    select max(moment) as moment from (
        select max(finished_at) as moment from {ops.Fetches.full_name()}
        union all select max(saved_at) from {ops.PlannerState.full_name()}
        union all select max(received_at) from {raw.Events.full_name()}
    )
"""


class ClockIsWrong(RetryLater):
    """Nothing may be stored by this clock; once it is set the next run goes on."""


def settle(warehouse: Warehouse, client: CrmClient, *, holder: Lease, now: datetime) -> None:
    """Draw back what lies ahead of `now`, if anything does. Raises ClockIsWrong where it is `now` that is wrong."""
    if now < FIRST_MOMENT:
        raise ClockIsWrong(f"this machine's clock says {now:%Y-%m-%d %H:%M} UTC: set it; nothing was fetched")
    newest = newest_instant(warehouse)
    if newest is None or newest <= now + CLOCK_SLACK:
        return
    try:
        behind = _behind(warehouse, client, now=now)
    except CrmPlatformError as problem:
        log.warning("requests are on record until %s, ahead of this clock; the CRM was asked: %s", newest, problem)
        return  # it will not answer the run either
    if behind > IS_BEHIND:
        raise ClockIsWrong(
            f"this machine's clock says {now:%Y-%m-%d %H:%M} UTC, but the CRM's {now + behind:%Y-%m-%d %H:%M}, and "
            f"requests are on record until {newest:%Y-%m-%d %H:%M}: set the clock; nothing was fetched"
        )
    draw_back(warehouse, holder, now=now, by=newest - now + timedelta(seconds=1))


def _behind(warehouse: Warehouse, client: CrmClient, *, now: datetime) -> timedelta:
    """How far this clock is behind the CRM's: by its answer's date, or, where it sends none, by its newest message."""
    skew = client.list_custom_fields().fetch.server_clock_skew_seconds
    if skew is not None:
        return timedelta(seconds=skew)
    with warehouse.reading() as session:
        said = session.query(f"select max(timestamp) as said from {raw.Messages.full_name()} where not is_future_dated")
    newest = said["said"][0].as_py()
    # A zone that is off, which dates messages ahead, is less than a day.
    behind = timedelta(0) if newest is None else newest.replace(tzinfo=UTC) - now
    return behind if behind > timedelta(days=1) else timedelta(0)


def newest_instant(warehouse: Warehouse) -> datetime | None:
    """The latest instant on record by our own clock."""
    with warehouse.reading() as session:
        moment = session.query(_NEWEST)["moment"][0].as_py()
    return None if moment is None else moment.replace(tzinfo=UTC)


def draw_back(warehouse: Warehouse, holder: Lease, *, now: datetime, by: timedelta) -> None:
    """Move every instant and request id that lies ahead of `now` back, in one commit."""
    log.warning("the clock has gone back by %s: what was stored ahead of it is drawn back", by)
    with warehouse.committing(holder) as commit:
        for table in live_tables():
            _draw_back(commit, table, now=now, by=by)
        commit.erase(ops.Meta, column="name", values=[DECIDED_UNTIL])  # it names a request by an id that has moved


def _draw_back(commit: Commit, table: type[Table], *, now: datetime, by: timedelta) -> None:
    say = words(commit.dialect)
    instant = say.instant(now.astimezone(UTC))
    micros = by // timedelta(microseconds=1)
    first_id = (now - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1) * 1024
    moved: dict[str, tuple[str, str]] = {}  # column: where it begins to lie ahead, and what it becomes
    for name, column in table.columns.items():
        if column.type is Type.TIMESTAMP and not column.is_told:
            moved[name] = instant, say.later(f'"{name}"', -by.total_seconds())
        elif name in REQUEST_IDS:
            moved[name] = str(first_id), f'"{name}" - {micros * 1024}'
    if not moved:
        return
    now_as = {
        name: f'case when "{name}" > {limit} then {then} else "{name}" end' for name, (limit, then) in moved.items()
    }
    is_ahead = " or ".join(f'"{name}" > {limit}' for name, (limit, _) in moved.items())
    if table is raw.Messages:  # under the clock that ran ahead nothing looked dated in the future
        tolerated = say.later(f"({now_as['first_fetched_at']})", FUTURE_TOLERANCE.total_seconds())
        is_future_dated = f"timestamp > {tolerated}"
        now_as["is_future_dated"] = f"is_future_dated or {is_future_dated}"
        is_ahead += f" or (not is_future_dated and {is_future_dated})"
    # A row whose key moves is another one: it is written anew, and the old one taken away.
    keys = [name for name in table.key if name in moved]
    is_another = " or ".join(f'"{key}" > {moved[key][0]}' for key in keys) or "false"
    others = commit.query(_select(table, table.columns, now_as, where=is_another))
    same = commit.query(
        _select(table, dict.fromkeys([*table.key, *now_as]), now_as, where=f"({is_ahead}) and not ({is_another})")
    )
    before = {key: commit.query(f'select distinct "{key}" from {table.full_name()} where {is_another}') for key in keys}
    if others.num_rows:
        for key, values in before.items():
            commit.erase(table, column=key, values=values[key].to_pylist())
        commit.append(table, others)
    commit.touch(table, same)


def _select(table: type[Table], names: Iterable[str], now_as: Mapping[str, str], *, where: str) -> str:
    quoted = {name: f'"{name}"' for name in names}
    columns = ", ".join(f"{now_as.get(name, column)} as {column}" for name, column in quoted.items())
    return f"select {columns} from {table.full_name()} where {where}"
