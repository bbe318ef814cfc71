"""The planner's state in the warehouse, committed with the rows it was learnt from.

What belongs here: loading a planner, noting which chats it learnt of, giving their rows to a batch, and what a stored
state lets expect. What does not: what it learns (planner/), when it is asked (crawl_run.py).
"""

from __future__ import annotations

import functools
import json
import logging
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING, Final, Self

import numpy as np
import pyarrow as pa

from crm_platform.api import FIRST_BELIEVED
from crm_platform.clock import start_of_day
from crm_platform.ingest.clocks import CLOCK_SLACK
from crm_platform.ingest.planner import CrawlPlanner, SavedPlanner, SeenMessage
from crm_platform.schemas import ops
from crm_platform.warehouse import ask

if TYPE_CHECKING:
    from crm_platform.ingest.batch import Batch
    from crm_platform.settings import Settings
    from crm_platform.warehouse import Session, Warehouse


log = logging.getLogger(__name__)


_JSON_TYPES: Final = {pa.string(): "VARCHAR", pa.int64(): "BIGINT", pa.float64(): "DOUBLE", pa.bool_(): "BOOLEAN"}


def _read(session: Session, schema: pa.Schema) -> pa.Table | None:
    """The chats of a saved planner, from a JSON text each; None when one is not shaped as in `schema`.

    The engine reads the texts: in Python those of a million chats take 20 seconds.
    """
    query, name = session.query, ops.PlannerChats.full_name()
    if session.dialect != "duckdb":  # whose words these are: the texts come, and are read here
        texts = session.query(f"select state from {name}")
        query, name = functools.partial(ask, tables={"texts": texts}), "texts"
    shapes = query(f"select distinct json_keys(state) as names from {name}")["names"].to_pylist()
    if any(set(names) != set(schema.names) for names in shapes):
        return None
    types = {field.name: _JSON_TYPES.get(field.type, ["DOUBLE"]) for field in schema}
    chats = query(f"select unnest(from_json_strict(state, '{json.dumps(types)}')) from {name}")
    never = pa.array(np.full(len(chats), -np.inf))  # whoever was to visit it is no more
    return chats.set_column(chats.column_names.index("planned_at"), "planned_at", never)


def _load(settings: Settings, warehouse: Warehouse, *, at: datetime) -> CrawlPlanner:
    """Restore the planner from the warehouse, or begin a new one; limits and mode are those of the settings."""
    minute, day, mode = settings.minute_limit, settings.day_limit, settings.crawl_mode
    fresh = CrawlPlanner(
        requests_per_minute=minute, requests_per_day=day, start=at, timezone=settings.timezone, mode=mode
    )
    # Also where nothing is saved: Arrow's first conversion takes half a second, better now than between requests.
    schema = fresh.to_arrow()
    with warehouse.reading() as session:
        saved = session.query("select state from ops.planner_state where name = 'planner'")["state"].to_pylist()
        chats = _read(session, schema.chats.schema) if saved else None
    if not saved:
        return fresh
    if chats is None or json.loads(saved[0]).keys() != set(schema.planner.column_names):
        log.warning("the planner's state was written by another version: it learns anew")
        return fresh
    state = SavedPlanner(chats, pa.Table.from_pylist([json.loads(saved[0])], schema=schema.planner.schema))
    planner = CrawlPlanner.from_arrow(state)
    planner.set_limits(requests_per_minute=minute, requests_per_day=day, mode=mode)
    if planner.accrued_at > at + CLOCK_SLACK:
        planner.draw_back(at)
    return planner


class PlannerStore:
    """A planner that knows which of its chats have changed since they were last given to a batch."""

    def __init__(self, planner: CrawlPlanner, known: Iterable[str] = ()) -> None:
        self.planner = planner
        self._known = set(known)
        self._changed: set[str] = set()
        self._has_swept = False

    @classmethod
    def load(cls, settings: Settings, warehouse: Warehouse, *, at: datetime) -> Self:
        """Restore the planner from the warehouse, or begin a new one; limits and mode are those of the settings."""
        planner = _load(settings, warehouse, at=at)
        return cls(planner, planner.chat_ids)

    def sighted(self, chat_ids: Iterable[str], *, at: datetime) -> None:
        """Tell of chats that a sweep or an event found."""
        found = set(chat_ids)
        self.planner.sighted(sorted(found), at=at)
        self._changed |= found - self._known
        self._known |= found

    def swept(self, *, at: datetime, requests: int) -> None:
        """Tell of a complete sweep."""
        self.planner.swept(at=at, requests=requests)
        self._has_swept = True

    def gone(self, chat_ids: Iterable[str]) -> None:
        """Tell of chats that a complete sweep missed."""
        missed = self._known & set(chat_ids)
        self.planner.gone(missed)
        self._changed |= missed

    def visited(self, chat_id: str, *, at: datetime, new_messages: Sequence[SeenMessage], requests: int) -> None:
        """Tell of a visit."""
        self.planner.visited(chat_id, at=at, new_messages=new_messages, requests=requests)
        self._known.add(chat_id)
        self._changed.add(chat_id)

    def hinted(self, chat_id: str, *, message_at: datetime, at: datetime) -> None:
        """Tell of a message that an event named."""
        self.planner.hinted(chat_id, message_at=message_at, at=at)
        self._known.add(chat_id)
        self._changed.add(chat_id)

    def campaign_sent(self, *, at: datetime, recipients: int) -> None:
        """Tell of a campaign that went out to some of the chats."""
        self.planner.campaign_sent(at=at, recipients=recipients)
        self._changed |= self._known

    def save(self, batch: Batch, *, at: datetime) -> None:
        """Put what has changed into the batch."""
        if not self._changed and not self._has_swept:
            return
        self._has_swept = False
        state = self.planner.to_arrow(sorted(self._changed))
        self._changed.clear()
        for row in state.chats.to_pylist():
            batch.add(ops.PlannerChats, {"chat_id": row["chat_id"], "state": json.dumps(row)})
        (planner,) = state.planner.to_pylist()
        batch.add(ops.PlannerState, {"name": "planner", "state": json.dumps(planner), "saved_at": at})


def expected_unseen(
    settings: Settings, warehouse: Warehouse, *, as_of: datetime, planner: CrawlPlanner | None = None
) -> Mapping[date, float] | None:
    """Messages other than templates that exist unseen as of `as_of`, by local day from the oldest stored message on.

    None when the planner has learnt something after `as_of` (its state of that time is not kept) or nothing at all.
    `planner`: the one whose state is stored, where it is at hand: to load that of a million chats takes two seconds.
    """
    with warehouse.reading() as session:
        saved = session.query("select max(saved_at) as saved_at from ops.planner_state")["saved_at"].to_pylist()[0]
        oldest = session.query(
            "select min(timestamp) as oldest from raw.messages where not is_future_dated and timestamp >= ?",
            [FIRST_BELIEVED.replace(tzinfo=None)],
        )["oldest"].to_pylist()[0]
    if saved is None or saved.replace(tzinfo=UTC) > as_of:
        return None
    planner = planner or _load(settings, warehouse, at=as_of)
    zone = settings.zone
    last = as_of.astimezone(zone).date()
    first = last if oldest is None else min(last, oldest.replace(tzinfo=UTC).astimezone(zone).date())
    days = [first + timedelta(days=step) for step in range((last - first).days + 1)]
    edges = [start_of_day(day, zone) for day in days]
    return dict(zip(days, planner.expected_unseen_by(as_of, [*edges, as_of]), strict=True))
