"""The planner's state as Arrow tables, and back: what a restart needs, under the names that stored states have.

What belongs here: which owner keeps what is saved under which name. What does not: where the tables are stored
(ingest/planner_store.py).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from operator import attrgetter
from typing import Any, Final, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from crm_platform.ingest.planner.budget import Ledger
from crm_platform.ingest.planner.campaigns import SentCampaign
from crm_platform.ingest.planner.state import State
from crm_platform.ingest.planner.units import Floats, Rows

# What the global row holds, in its order: name → where the state keeps it. The names are those of stored states.
_TEXTS: Final = {"timezone": "clock.timezone", "mode": "mode"}
_NUMBERS: Final = {
    "start": "clock.start",
    "close_share": "budget.close_share",
    "audit_share": "audits.share",
    "base": "rates.base",
    "found_by_base": "rates.found_by_base",
    "exposed_by_base": "rates.exposed_by_base",
    "arrivals": "sweeps.arrivals",
    "arrivals_found": "sweeps.arrivals_found",
    "arrivals_exposed": "sweeps.arrivals_exposed",
    "accrued_at": "budget.accrued_at",
    "planned_at": "budget.planned_at",
    "tokens": "budget.tokens",
    "sweep_fund": "sweeps.fund",
    "price": "budget.price",
    "audit_credit": "audits.credit",
    "sweep_asked_at": "sweeps.asked_at",
    "swept_at": "sweeps.swept_at",
    "swept_before": "sweeps.swept_before",
    "scan_started_at": "scan.started_at",
    "scan_ends_at": "scan.ends_at",
}
_COUNTS: Final = {
    "per_minute": "budget.limits.per_minute",
    "per_day": "budget.limits.per_day",
    "learnt_hour": "rates.learnt_hour",
    "sweep_requests": "sweeps.requests",
    "audits_drawn": "audits.drawn",
    "audit_visits": "audits.visits",
}
_VECTORS: Final = {
    "weights": "rates.weights",
    "found_by_echo": "rates.found_by_echo",
    "exposed_by_echo": "rates.exposed_by_echo",
    "first_found": "rates.first_found",
    "first_visits": "rates.first_visits",
    "audit_sums": "audits.sums",
}

GIVEN: Final = ("timezone", "mode", "start", "per_minute", "per_day")
"""What a planner is made with."""


class SavedPlanner(NamedTuple):
    """The persisted state: `chats` has one row a chat, `planner` is the one global row."""

    chats: pa.Table
    planner: pa.Table


def to_arrow(state: State, chat_ids: Iterable[str] | None) -> SavedPlanner:
    """Save the state: one row a chat (all, or only `chat_ids`) and the global row."""
    return SavedPlanner(_chats_to_arrow(state, chat_ids), _planner_to_arrow(state))


def restore(state: State, saved: SavedPlanner) -> None:
    """Fill a new state, made with what is `GIVEN`, with what was saved. Chats may come in any order."""
    row = saved.planner.to_pylist()[0]
    _restore_planner(state, row)
    _restore_chats(state, saved.chats, row)
    state.chats.recompute_operating_hours()


def _chats_to_arrow(state: State, chat_ids: Iterable[str] | None) -> pa.Table:
    chats = state.chats
    rows = (
        np.arange(len(chats)) if chat_ids is None else np.array([chats.row_of[one] for one in chat_ids], dtype=np.intp)
    )
    columns: dict[str, pa.Array] = {
        "chat_id": pa.array([chats.ids[row] for row in rows.tolist()], type=pa.string()),
        "position": pa.array(rows, type=pa.int64()),
    }
    for name, (_, width) in chats.COLUMNS.items():
        values = getattr(chats, name)[..., rows].T
        columns[name] = (
            pa.array(values)
            if width == 1
            else pa.array(values.tolist(), type=pa.list_(pa.float64()))  # plain lists: every store has them
        )
    hints = [chats.hints.get(row, []) for row in rows.tolist()]
    columns["hints"] = pa.array(hints, type=pa.list_(pa.float64()))
    # By time, not by row: rows are renumbered when a chat is erased.
    named_in: dict[int, list[float]] = {}
    for one in state.campaigns.sent:
        for row in [] if one.rows is None else one.rows.tolist():
            named_in.setdefault(row, []).append(one.at)
    reached = [named_in.get(row, []) for row in rows.tolist()]
    columns["campaigns"] = pa.array(reached, type=pa.list_(pa.float64()))
    return pa.table(columns)


def _planner_to_arrow(state: State) -> pa.Table:
    saved: dict[str, pa.Array] = {}

    def save(name: str, value: object, kind: pa.DataType) -> None:
        saved[name] = pa.array([value], type=kind)

    for name, place in _TEXTS.items():
        save(name, attrgetter(place)(state), pa.string())
    for name, place in _NUMBERS.items():
        save(name, float(attrgetter(place)(state)), pa.float64())
    for name, place in _COUNTS.items():
        save(name, attrgetter(place)(state), pa.int64())
    for name, place in _VECTORS.items():
        save(name, attrgetter(place)(state).tolist(), pa.list_(pa.float64()))
    sent = state.campaigns.sent
    save("campaign_times", [one.at for one in sent], pa.list_(pa.float64()))
    save("campaign_shares", [one.share for one in sent], pa.list_(pa.float64()))
    save("campaign_is_to_all", [one.rows is None for one in sent], pa.list_(pa.bool_()))
    save("activity_counts", state.clock.counts.tolist(), pa.list_(pa.float64()))
    save("activity_profile", state.clock.profile.tolist(), pa.list_(pa.float64()))
    save("activity_counted", state.clock.counted_at_refresh, pa.float64())
    for name, ledger in _ledgers(state):
        save(f"{name}_ledger_times", [at for at, _ in ledger.entries], pa.list_(pa.float64()))
        save(f"{name}_ledger_requests", [count for _, count in ledger.entries], pa.list_(pa.int64()))
    return pa.table(saved)


def _restore_planner(state: State, row: Mapping[str, Any]) -> None:
    state.clock.restore(
        start=row["start"],
        counts=np.array(row["activity_counts"], dtype=np.float64),
        profile=np.array(row["activity_profile"], dtype=np.float64),
        counted_at_refresh=row["activity_counted"],
    )
    for name, place in (_NUMBERS | _COUNTS).items():
        if name not in GIVEN:
            _set(state, place, row[name])
    for name, place in _VECTORS.items():
        _set(state, place, np.array(row[name], dtype=np.float64))
    for name, ledger in _ledgers(state):
        for at, requests in zip(row[f"{name}_ledger_times"], row[f"{name}_ledger_requests"], strict=True):
            ledger.add(at, requests)


def _restore_chats(state: State, table: pa.Table, row: Mapping[str, Any]) -> None:
    chats = state.chats
    # Each column goes to its rows by itself: a sorted copy of the table would take as much memory again.
    order = np.argsort(table["position"].to_numpy(), kind="stable")
    ids = table["chat_id"].to_pylist()
    chats.append([ids[number] for number in order.tolist()])
    rows = np.empty_like(order)
    rows[order] = np.arange(len(order))
    for name, (kind, width) in chats.COLUMNS.items():
        values = table[name].combine_chunks()
        flat = (values.flatten() if width > 1 else values).to_numpy(zero_copy_only=False)
        getattr(chats, name)[..., rows] = flat.astype(kind, copy=False).reshape((-1, width) if width > 1 else -1).T
    chats.present = len(chats.present_rows())
    hinted, moments = _values(table["hints"])
    for number, moment in zip(rows[hinted].tolist(), moments.tolist(), strict=True):
        chats.hints.setdefault(number, []).append(moment)
    named, times = _values(table["campaigns"])
    state.campaigns.sent = [
        SentCampaign(at, share, None if to_all else np.sort(rows[named[times == at]]))
        for at, share, to_all in zip(
            row["campaign_times"], row["campaign_shares"], row["campaign_is_to_all"], strict=True
        )
    ]


def _values(lists: pa.ChunkedArray) -> tuple[Rows, Floats]:
    """The values of all lists, each with the number of its list."""
    whole = lists.combine_chunks()
    return pc.list_parent_indices(whole).to_numpy(), whole.flatten().to_numpy()


def _ledgers(state: State) -> Iterator[tuple[str, Ledger]]:
    yield "minute", state.budget.minute_ledger
    yield "day", state.budget.day_ledger
    yield "sweep", state.sweeps.ledger


def _set(state: State, place: str, value: object) -> None:
    owner, _, name = place.rpartition(".")
    setattr(attrgetter(owner)(state), name, value)
