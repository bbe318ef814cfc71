"""Who is missing from a sweep, and whether that is believed.

What belongs here: which contacts are there, when two sweeps agree, what makes a sweep suspicious, what settles it, by a
second sweep or by hand. What does not: reading the list (sweep.py), from when to when a contact was there
(core.contact_presence).

A list that is empty, partial or misread looks like one that everybody was deleted from. So a full sweep that misses
many is suspicious: it is stored with all that it missed and counts for nothing yet. A second one that misses the same
an hour later settles it, or a person (`crm sweeps accept`). Until then all whom it missed are there.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from crm_platform.errors import GiveUp
from crm_platform.ingest.duplicates import decide_duplicates, reopen_decision
from crm_platform.schemas import raw
from crm_platform.warehouse import taking_turns

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from collections.abc import Set as AbstractSet

    from crm_platform.warehouse import Commit, Session, Warehouse

CONFIRMED_AFTER = timedelta(hours=1)
"""A second sweep sooner than this may have met the same fault."""

SAME_WITHIN = 0.05
"""Share of the missing that may come back, and that may join them, between two sweeps that miss the same contacts."""

MANY = 20
"""So few may go missing at once, unless that is more than half."""

PRESENT = raw.CONTACTS_PRESENT
"""Contacts that are there."""

# Contacts that one sweep missed, whether it counts or not: their newest sighting up to it says so.
_MISSED_BY = """
    select chat_id
    from (
        select chat_id, is_present, row_number() over (partition by chat_id order by sweep_id desc) as newest
        from raw.contact_sightings
        where sweep_id <= ?
    ) as sightings
    where newest = 1 and not is_present
"""
_NEWEST = 2**63 - 1

_WAITING = f"select * from raw.contact_sweeps where {raw.ContactSweeps.WAITS} order by sweep_id desc"


def is_suspicious(*, seen: int, present: int, missing: int) -> bool:
    """Whether so many at once are rather a fault of the list: all of it, or more than a fifth that are not a few."""
    if not missing:
        return False
    are_many = missing > MANY or (present < 2 * MANY and 2 * missing > present)
    return seen == 0 or (5 * missing > present and are_many)


def are_same(first: AbstractSet[str], second: AbstractSet[str]) -> bool:
    """Whether two sweeps miss the same contacts: at most 5 % of the first's are back, at most as many have joined."""
    bound = SAME_WITHIN * len(first)
    return bool(first) and len(first - second) <= bound and len(second - first) <= bound


def digest_of(seen: AbstractSet[str], rejected: AbstractSet[str]) -> str:
    """Name a list by what stood in it, in whatever order."""
    lines = [*(f"seen {key}" for key in sorted(seen)), *(f"rejected {key}" for key in sorted(rejected))]
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()


@dataclass(frozen=True, slots=True)
class SweptList:
    """What a sweep brought. `is_full`: complete, and nothing of it rejected, so that somebody may be missing."""

    started_at: datetime
    ended_at: datetime
    seen: frozenset[str]
    reported_total: int | None
    is_full: bool


@dataclass(frozen=True, slots=True)
class SweepVerdict:
    """What follows from a sweep.

    `missing_contacts`: how many were there and are not listed. `appeared`, `disappeared`: changes against the list
    before, to be noted. `gone`: who is not there any more, from now on. `confirmed`: the stored row of an earlier
    sweep that this one confirms. `counted_at`: None when nobody is missing for it, or not yet.
    """

    missing_contacts: int
    appeared: frozenset[str]
    disappeared: frozenset[str]
    gone: frozenset[str]
    is_suspicious: bool
    needs_acceptance: bool
    counted_at: datetime | None
    confirmed: Mapping[str, Any] | None


@dataclass(frozen=True, slots=True)
class SweepBaseline:
    """What a sweep is held against.

    `present`: contacts that are there; `off_the_list`: those noted as missing last, whether that counts or not.
    `waiting`: undecided sweeps, newest first (rows of raw.contact_sweeps); `missed_by`: whom one of them lacked.
    `unlisted`: by how many the CRM's total exceeded its list when a sweep last counted. `let_go`: whom a person let go
    since the last sweep.
    """

    present: frozenset[str]
    off_the_list: frozenset[str]
    waiting: Sequence[Mapping[str, Any]]
    missed_by: Callable[[int], frozenset[str]]
    unlisted: int
    let_go: frozenset[str]


def judge(listing: SweptList, known: SweepBaseline) -> SweepVerdict:
    """Say what follows from a sweep, by what was known before it."""
    seen, missing = listing.seen, frozenset[str]()
    if listing.is_full:
        missing = known.present - seen
    suspicious = is_suspicious(seen=len(seen), present=len(known.present), missing=len(missing))
    needs_acceptance = suspicious and (not seen or _is_cut_short(listing, known, missing=len(missing)))
    confirmed = None if needs_acceptance else _confirmed(listing, known, missing)
    counts = listing.is_full and (not suspicious or confirmed is not None)
    return SweepVerdict(
        missing_contacts=len(missing),
        appeared=seen - (known.present - known.off_the_list),
        disappeared=missing - known.off_the_list,
        gone=(missing if counts else frozenset()) | (known.let_go - seen),
        is_suspicious=suspicious,
        needs_acceptance=needs_acceptance,
        counted_at=listing.ended_at if counts else None,
        confirmed=confirmed,
    )


def _is_cut_short(listing: SweptList, known: SweepBaseline, *, missing: int) -> bool:
    """Whether the CRM itself still counts most of the missing. A total that is off by the same always tells nothing."""
    if listing.reported_total is None:
        return False
    return 2 * (listing.reported_total - len(listing.seen) - known.unlisted) > missing


def _confirmed(listing: SweptList, known: SweepBaseline, missing: frozenset[str]) -> Mapping[str, Any] | None:
    """Find the first of the waiting sweeps that missed the same contacts an hour before, with no other between.

    One that only a person can accept says nothing, for or against.
    """
    found = None
    for row in known.waiting if missing else ():
        if _needs_acceptance(row):
            continue
        # Who was deleted here or has gone otherwise since then is no part of the question.
        if not are_same(known.missed_by(row["sweep_id"]) & known.present, missing):
            break
        if listing.started_at - _aware(row["started_at"]) >= CONFIRMED_AFTER:
            found = row
    return found


def _needs_acceptance(row: Mapping[str, Any]) -> bool:
    return bool(row["needs_acceptance"] or not row["seen_contacts"])


def _aware(moment: datetime) -> datetime:
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


# What is stored.


def known_before(session: Session) -> SweepBaseline:
    """Read what the next sweep is held against."""
    present = _ids(session, PRESENT)
    unlisted = session.query(
        "select reported_total - seen_contacts as unlisted from raw.contact_sweeps "
        f"where {raw.ContactSweeps.COUNTS} order by sweep_id desc limit 1"
    )["unlisted"].to_pylist()
    accepted = session.query(
        "select max(sweep_id) as sweep_id from raw.contact_sweeps where accepted_by is not null "
        "and counted_at >= (select max(ended_at) from raw.contact_sweeps)"
    )["sweep_id"][0].as_py()
    return SweepBaseline(
        present=present,
        off_the_list=_ids(session, _MISSED_BY, _NEWEST),
        waiting=session.query(_WAITING).to_pylist(),
        missed_by=lambda sweep_id: _ids(session, _MISSED_BY, sweep_id),
        unlisted=max([0, *filter(None, unlisted)]),
        let_go=frozenset() if accepted is None else _ids(session, _MISSED_BY, accepted) - present,
    )


def agrees_with_last(session: Session, digest: str) -> bool:
    """Whether the last sweep that came to the end of the list saw just the same."""
    last = session.query(
        "select seen_digest from raw.contact_sweeps where seen_digest is not null order by sweep_id desc limit 1"
    )
    return bool(last["seen_digest"].to_pylist() == [digest])


def _ids(session: Session, sql: str, *parameters: object) -> frozenset[str]:
    return frozenset(session.query(sql, parameters)["chat_id"].to_pylist())


# What people are told, and what they decide.


@dataclass(frozen=True, slots=True)
class JudgedSweep:
    """A stored sweep: its row of raw.contact_sweeps, whether it is undecided, and in words what it counts for."""

    row: Mapping[str, Any]
    waits: bool
    words: str


def judged_sweeps(session: Session, *, most: int | None = None) -> list[JudgedSweep]:
    """List the sweeps, newest first."""
    rows = session.query(
        f"select *, {raw.ContactSweeps.FULL} as is_full, {raw.ContactSweeps.COUNTS} as counts, "
        f"{raw.ContactSweeps.WAITS} as waits from raw.contact_sweeps order by sweep_id desc"
        + ("" if most is None else f" limit {most}")
    ).to_pylist()
    return [JudgedSweep(row, row["waits"], _words(row)) for row in rows]


def _words(row: Mapping[str, Any]) -> str:
    if not row["is_complete"]:
        return "not complete: nobody is missing for it"
    if not row["is_full"]:
        return f"{row['rejected_contacts']:,} records rejected: nobody is missing for it"
    if row["waits"]:
        return waits_for(row)
    if not row["counts"]:
        return "set aside: a later sweep counts instead"
    if row["accepted_by"]:
        return f"accepted by {row['accepted_by']}"
    return "confirmed by a second sweep" if row["is_suspicious"] else "counts"


def waits_for(row: Mapping[str, Any]) -> str:
    """Say what makes an undecided sweep count."""
    by_hand = f"`crm sweeps accept {row['sweep_id']}`"
    if _needs_acceptance(row):
        return f"waits for {by_hand}"
    second = row["started_at"] + CONFIRMED_AFTER
    return f"waits for a full sweep after {second:%Y-%m-%d %H:%M} UTC that misses the same contacts, or {by_hand}"


def warning(row: Mapping[str, Any]) -> str:
    """Say that a sweep is suspicious, and what becomes of those it misses."""
    return (
        f"sweep {row['sweep_id']} is suspicious: the list holds {row['seen_contacts']:,} contacts and lacks "
        f"{row['missing_contacts'] or 0:,} that were there; they count as there while it {waits_for(row)}"
    )


def accept_sweep(warehouse: Warehouse, sweep_id: int, *, by: str, at: datetime) -> int:
    """Make a suspicious sweep count: all whom it missed are gone since then. Returns how many.

    Raises GiveUp where there is nothing to accept.
    """
    with taking_turns(warehouse, purpose="accepting a sweep") as holder:
        with warehouse.committing(holder) as commit:
            before = _accept(commit, sweep_id, by=by, at=at)
        decide_duplicates(warehouse, holder, at=at)  # what is kept in a chat that is gone is kept in one that is there
        with warehouse.reading() as session:
            return len(before - _ids(session, PRESENT))


def _accept(commit: Commit, sweep_id: int, *, by: str, at: datetime) -> frozenset[str]:
    """Make a sweep count; gives the contacts that were there before."""
    sweep = next((one for one in judged_sweeps(commit) if one.row["sweep_id"] == sweep_id), None)
    if sweep is None:
        raise GiveUp(f"there is no sweep {sweep_id}: `crm sweeps` lists them")
    if not sweep.waits:
        raise GiveUp(f"sweep {sweep_id} does not wait to be accepted: {sweep.words}")
    before = _ids(commit, PRESENT)
    reopen_decision(commit, at=at)
    row = {name: sweep.row[name] for name in raw.ContactSweeps.columns}
    commit.merge(raw.ContactSweeps, raw.ContactSweeps.rows([row | {"counted_at": at, "accepted_by": by}]))
    return before
