"""How much of the CRM is stored, how many requests are missing until all of it is, and how long these take.

What belongs here: estimates from the crawl's stored state, the same while a crawl is at work and after it was killed.
What does not: how late messages are found (timeliness.py), the coverage of a figure (models/), how it is said (cli/).

A chat's size is known from its first visit on. Those not visited yet are taken to be like those that were: an
estimate, and none at all before the first visit.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from crm_platform.ingest.chat_state import PAGE_SIZE
from crm_platform.ingest.planner import HISTORY_SHARE
from crm_platform.ingest.presence import PRESENT

if TYPE_CHECKING:
    from crm_platform.api import Allowance
    from crm_platform.warehouse import Session

_CHATS = f"""
    with chats as (
        select
            states.known_until,
            coalesce(states.is_history_whole, false) as is_whole,
            case
                when states.known_until is null then null
                when states.is_history_whole then coalesce(states.reported_total, states.newest_run)
                else states.reported_total
            end as total,
            -- Of a list that fell short the rows were counted: where it is read from then on says nothing.
            coalesce(
                states.reported_total - states.short_by,
                coalesce(states.newest_run, 0) + coalesce(states.read_from_oldest, 0)
            ) as seen
        from ({PRESENT}) as present
        left join ops.crawl_state as states on states.chat_id = present.chat_id
    ),
    sizes as (
        select
            *,
            case when is_whole then total when total is null then seen else least(seen, total) end as stored
        from chats
    )
    select
        count(*) as chats,
        count(known_until) as visited,
        count(*) filter (where is_whole) as whole,
        count(*) filter (where known_until >= ?) as lately,
        count(*) filter (where known_until is not null and total is null) as unsized,
        coalesce(sum(stored) filter (where known_until is not null), 0) as stored,
        coalesce(sum(total), 0) as total,
        avg(total) as mean_total,
        coalesce(sum(greatest(1, ceil((total - stored) / {PAGE_SIZE}.0)))
            filter (where known_until is not null and not is_whole and total is not null), 0) as open_pages,
        avg(greatest(0, ceil(total / {PAGE_SIZE}.0) - 1)) as mean_pages_below
    from sizes
"""

_PACE = """
    select count(*) as requests, min(started_at) as first, max(started_at) as last
    from ops.fetches where started_at >= ?
"""

PACE_OF = timedelta(minutes=15)
"""Where no limit paces a crawl, its pace is that of its last minutes."""

_DAY = 86_400.0


@dataclass(frozen=True, slots=True)
class Completeness:
    """What is stored of what is thought to exist, as of the last commit.

    `chats`: present contacts, of which `visited`, `whole` (every message read). `stored`, `expected`: messages, None
    where nothing says how many there are. `visits`: newest pages still to be read, `pages`: pages of history, an
    estimate where chats are not visited yet; None where not known.
    """

    chats: int
    visited: int
    whole: int
    stored: int
    expected: float | None
    visits: int
    pages: float | None

    @property
    def share(self) -> float | None:
        """Share of the messages that are thought to exist that is stored; None where it is not known."""
        if self.chats and self.whole == self.chats:
            return 1.0
        # All of it is said only when nothing is missing, whatever the estimate rounds to.
        return min(self.stored / self.expected, 0.999) if self.expected else None

    @property
    def requests(self) -> int | None:
        """Requests until every chat is visited and every history whole; None where not known."""
        return None if self.pages is None else self.visits + math.ceil(self.pages)


def completeness(session: Session, *, since: datetime | None = None) -> Completeness:
    """Look at the stored state. `since`: a chat counts as visited when that was after; None: whenever it was."""
    moment = datetime(1970, 1, 1, tzinfo=UTC) if since is None else since.astimezone(UTC)
    row = session.query(_CHATS, [moment.replace(tzinfo=None)]).to_pylist()[0]
    never = row["chats"] - row["visited"]
    unsized = never + row["unsized"]
    expected = pages = None  # before the first contact list nothing is known, not even that nothing is missing
    if row["chats"] and not unsized:
        expected, pages = float(row["total"]), float(row["open_pages"])
    elif row["mean_total"] is not None:
        expected = float(row["total"]) + unsized * float(row["mean_total"])
        pages = float(row["open_pages"]) + unsized * float(row["mean_pages_below"])
    return Completeness(
        chats=row["chats"],
        visited=row["visited"],
        whole=row["whole"],
        stored=int(row["stored"]),
        expected=expected,
        visits=row["chats"] - row["lately"],
        pages=pages,
    )


def seconds_of(requests: float, *, limits: Allowance, left: Allowance, wait: float = 0.0) -> float | None:
    """Seconds that so many requests take under these limits; None: there is no limit.

    `left`: those that are free now. `wait`: seconds until the next one is, where none are.
    """
    seconds = [
        # What is free goes at once, the rest as the window gives it back.
        max(0.0, requests - (free or 0)) / limit * window
        for limit, free, window in ((limits.minute, left.minute, 60.0), (limits.day, left.day, _DAY))
        if limit
    ]
    return max(*seconds, wait if requests else 0.0) if seconds else None


def seconds_by_schedule(found: Completeness, *, limits: Allowance) -> float | None:
    """Seconds until all is whole by scheduled crawls, which give histories a share only; None: not known, no limit."""
    rates = [limit / window for limit, window in ((limits.minute, 60.0), (limits.day, _DAY)) if limit]
    if not rates or found.pages is None:
        return None
    rate = min(rates)
    return max(found.pages / (HISTORY_SHARE * rate), found.visits / ((1 - HISTORY_SHARE) * rate))


def pace(session: Session, *, now: datetime) -> float | None:
    """Requests a second that were sent of late; None when there were none."""
    since = (now - PACE_OF).astimezone(UTC).replace(tzinfo=None)
    row = session.query(_PACE, [since]).to_pylist()[0]
    if row["requests"] < 2 or row["last"] == row["first"]:
        return None
    seconds: float = (row["last"] - row["first"]).total_seconds()
    return float(row["requests"]) / seconds
