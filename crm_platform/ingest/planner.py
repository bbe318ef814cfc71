"""What to fetch next: the request is the currency, and this module says where it is best spent.

What belongs here: the estimate of what each chat hides, the worth of ending its waiting, the pacing of the quota, and
what is learnt from visits. What does not: I/O, a clock, randomness of its own. Every method is told the time, the state
is a function of the calls, and `to_arrow` / `from_arrow` carry it over a restart without changing one later answer.

An append-only page loses nothing by waiting, it is only late, so the worth of a visit is the waiting it ends.
Minimising the sum of delays under a budget gives visit rates ∝ √rate; greedy on accumulated waiting is the same law on
line. The classic optimum of web crawling (binary freshness) starves the hottest pages and is not used.

How many messages hide in a chat is a mixture of decaying echoes of what was seen there. With U(t) the operating-hours
clock (mean 1, from the activity profile of a week), d = U(t) − U(last visit) and counters a_k that decay with TH_k:

    M(t) = w0 d + Σ_k w_k a_k (1 − e^(−d/TH_k)) + w_copy · (copies of a campaign that may have been sent since)

and the worth of a visit after τ hours, with z = τ/H, is the waiting of M messages spread over τ, discounted by age:

    M/τ · (H² (1 − e^(−z)(1 + z)) + ε τ²/2)  +  hours waited by the messages that events have named

The weights w are learnt from visits: each visit splits what it found among the terms in proportion to what they
promised (expectation-maximisation of a Poisson mixture), forgotten with a half-life of about six days.
"""

from __future__ import annotations

import datetime as dt
import math
from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple, Self
from zoneinfo import ZoneInfo

import numpy as np
import numpy.typing as npt
import pyarrow as pa

Floats = npt.NDArray[np.float64]
Flags = npt.NDArray[np.bool_]
Rows = npt.NDArray[np.intp]

# Shares of the quota that others than chats may take at most; the caller books them with `spent`.
SWEEP_SHARE: Final = 0.10
CAMPAIGN_LIST_SHARE: Final = 0.05
REPORT_SHARE: Final = 0.05
HISTORY_SHARE: Final = 0.10

SWEEP_INTERVAL_HOURS: Final = 0.5  # at least this long between two
SWEEP_AT_LEAST_HOURS: Final = 24.0  # growth is a daily figure
CONTACTS_PER_SWEEP_REQUEST: Final = 100

# The echoes, in operating hours: a burst, a day's talk, some days', a regular, an unanswered question (a flag, not a
# count), a campaign's copy, a newcomer, a message that an event named. WEIGHTS are messages to come per unit of
# counter: priors, relearnt every hour.
ECHO_HOURS: Final = np.array([1.0, 8.0, 72.0, 720.0, 4.0, 12.0, 96.0, 1.0])
WEIGHTS: Final = np.array([0.35, 0.15, 0.15, 0.3, 0.8, 0.3, 1.0, 0.5])
BASE_PER_HOUR: Final = 2e-4
_ECHOES: Final = len(ECHO_HOURS)
_TALK: Final = 4  # echoes 0..3 count messages other than templates
_UNANSWERED, _COPY, _NEWCOMER, _NAMED = 4, 5, 6, 7
_SEEN: Final = 7  # echoes 0..6 are of what a visit saw, the last one of what it will see

CAMPAIGN_MEMORY_HOURS: Final = 24.0 * 60  # a chat unvisited for longer has more to say than an answer to a campaign
FIRST_VISIT_MESSAGES: Final = 4.0  # expected on a chat never visited, until first visits have taught better
COLD_START_HOURS: Final = 240.0  # how far back those messages reach when there was no sweep before

WORTH_HORIZON_HOURS: Final = 24.0  # H at most: a message later than this is hardly worth hurrying for
WORTH_HORIZON_CYCLES: Final = 2.0  # H where the quota goes round sooner, in rounds of all chats; at least one hour
OVERDUE_SHARE: Final = 0.05  # ε: what waiting beyond H still counts, so that no chat starves

# Learning.
PRIOR_EXPOSURE: Final = 5.0  # pseudo-counters behind each prior weight
PRIOR_BASE_HOURS: Final = 3600.0  # pseudo-hours behind the base rate
KEPT_PER_HOUR: Final = 0.995
LONGEST_FORGETTING_HOURS: Final = 24  # at once: a clock that is wrong by months must not wipe out what was learnt
PROFILE_KEPT_PER_DAY: Final = 0.5 ** (1 / 56)  # half-life of the activity profile: eight weeks
PROFILE_SMOOTHING: Final = 500.0  # messages' weight of "weekday × hour of day" against the single hour of the week
PROFILE_PRIOR: Final = 200.0  # messages' weight of a flat week
PROFILE_GIVEN: Final = 2000.0  # messages' weight of a profile handed in
PROFILE_FLOOR: Final = 0.02  # the operating clock never stands still

# A chat handed out and not visited is not handed out again for this long: its batch, or the server, needs time.
PATIENCE_HOURS: Final = 0.25
# A plan may hold the work of a whole cadence (15 minutes), never the backlog of a night without a crawler: it would be
# stale before it was done.
LONGEST_TICK_MINUTES: Final = 15.0
PACE_LAG_HOURS: Final = 1  # the quota follows the messages: they must be there to be fetched
DAY_RESERVE: Final = 0.01  # of a day's quota, for further pages and reports that fall due when the day is full
STARTING_SHARE: Final = 1 / 24  # of a day's quota, at hand at once, so that a new installation shows something
WORTH_A_VISIT: Final = 0.01  # expected unseen messages, where no quota forces a choice
FULL_SCAN_MARGIN: Final = 1.01  # N visits and the N/100 pages of a sweep
NIGHTLY_END_HOUR: Final = 2  # local: the full KPI build begins
CLOSE_HOURS: Final = frozenset({21, 22, 23, 0, 1})  # local, the run-up to it

_FURTHEST_HOURS: Final = 24 * 366 * 25  # what the hourly tables may reach, whatever moment they are asked for
_ORIGIN_HOURS: Final = 24 * 90  # how far before `start` the hourly tables begin
_NEVER: Final = -math.inf
_BLOCK: Final = 8192  # rows
_MOMENT: Final = 1e-9  # hours, 4 µs: what sums of hours since 1970 are good for
_WILSON_Z: Final = 1.959963984540054


@dataclass(frozen=True, slots=True)
class SeenMessage:
    """What the planner learns of one message. `timestamp` is aware UTC; `direction` is inbound or outbound."""

    timestamp: dt.datetime
    direction: str
    is_template: bool


@dataclass(frozen=True, slots=True)
class Plan:
    """What to do now: whether to sweep the contact list, and the chats to visit, best first."""

    sweep: bool
    chats: list[str]


@dataclass(frozen=True, slots=True)
class _Campaign:
    """Sent at `at` (hours since 1970) to a `share` of the chats in `rows` (None: of all)."""

    at: float
    share: float
    rows: Rows | None


@dataclass(frozen=True, slots=True)
class AuditSummary:
    """What visits to chats drawn at random found, against what was expected there: the unbiased check.

    `ratio` = found / expected (None before anything was expected), with a 95 % interval from the spread between visits.
    """

    visits: int
    found: float
    expected: float
    ratio: float | None
    low: float | None
    high: float | None


# What the global row holds, by attribute.
_TEXTS: Final = ("timezone", "mode")
_NUMBERS: Final = (
    "start",
    "close_share",
    "audit_share",
    "base",
    "found_by_base",
    "exposed_by_base",
    "arrivals",
    "arrivals_found",
    "arrivals_exposed",
    "accrued_at",
    "planned_at",
    "tokens",
    "sweep_fund",
    "price",
    "audit_credit",
    "sweep_asked_at",
    "swept_at",
    "swept_before",
    "scan_started_at",
    "scan_ends_at",
)
_COUNTS: Final = ("per_minute", "per_day", "learnt_hour", "sweep_requests", "audits_drawn", "audit_visits")
_VECTORS: Final = ("weights", "found_by_echo", "exposed_by_echo", "first_found", "first_visits", "audit_sums")


class PlannerState(NamedTuple):
    """The persisted state: `chats` has one row a chat, `planner` is the one global row."""

    chats: pa.Table
    planner: pa.Table


def _hours(at: dt.datetime) -> float:
    """Hours since 1970. Raises ValueError on a naive datetime."""
    if at.tzinfo is None:
        raise ValueError("the planner wants aware datetimes")
    return at.timestamp() / 3600


class _WeekClock:
    """Operating hours: time that runs as fast as the business does, on average as fast as the wall.

    Tables by UTC hour since `origin`; each hour takes the local hour of the week at its middle, so zones with half
    hours are off by half an hour and daylight saving is right.
    """

    def __init__(self, *, start: float, zone: ZoneInfo, counts: Floats) -> None:
        self.zone = zone
        self.origin = math.floor(start) - _ORIGIN_HOURS
        self.counts = counts
        self.counted_at_refresh = 0.0
        self._cells = np.empty(0, dtype=np.int64)
        self._elapsed = np.zeros(1)
        self.profile = np.ones(168)
        self.refresh()

    def refresh(self) -> None:
        """Take the profile from the counts: single hours, smoothed towards weekday × hour of day."""
        week = (self.counts + PROFILE_PRIOR / 168).reshape(7, 24)
        smooth = np.outer(week.sum(axis=1), week.sum(axis=0)).ravel() / week.sum() ** 2
        mixed = self.counts + PROFILE_SMOOTHING * smooth
        self.use(np.maximum(mixed * (168 / mixed.sum()), PROFILE_FLOOR))
        self.counted_at_refresh = float(self.counts.sum())

    def use(self, profile: Floats) -> None:
        """Set the profile (168 weights, scaled to mean 1 here) and rebuild the tables."""
        self.profile = profile * (168 / profile.sum())
        self._elapsed = np.concatenate(([0.0], np.cumsum(self.profile[self._cells])))

    def _reach(self, hour: int) -> None:
        missing = hour + 1 - len(self._cells)
        if missing <= 0:
            return
        first = self.origin + len(self._cells)
        utc = dt.UTC
        local = [
            dt.datetime.fromtimestamp((first + step) * 3600 + 1800, tz=utc).astimezone(self.zone)
            for step in range(missing)
        ]
        cells = np.array([moment.weekday() * 24 + moment.hour for moment in local], dtype=np.int64)
        # One running sum, continued: the same floats whether the table grew hour by hour or was built at once.
        grown = np.cumsum(np.concatenate((self._elapsed[-1:], self.profile[cells])))
        self._cells = np.concatenate((self._cells, cells))
        self._elapsed = np.concatenate((self._elapsed, grown[1:]))

    def at(self, hours: float) -> float:
        """Operating hours at one moment (hours since 1970)."""
        past = min(hours - self.origin, _FURTHEST_HOURS)
        if past < 0:
            return past
        hour = int(past)
        self._reach(hour)
        return float(self._elapsed[hour] + (past - hour) * self.profile[self._cells[hour]])

    def at_many(self, hours: Floats) -> Floats:
        """Operating hours at many moments."""
        past = np.minimum(hours - self.origin, _FURTHEST_HOURS)
        if past.size == 0:
            return past
        inside = np.maximum(past, 0.0)
        hour = inside.astype(np.int64)
        self._reach(int(hour.max()))
        elapsed = self._elapsed[hour] + (inside - hour) * self.profile[self._cells[hour]]
        return np.where(past < 0, past, elapsed)

    def cell(self, hours: float) -> int:
        """Local hour of the week, 0 = Monday 00:00; before the tables by the offset at their beginning."""
        hour = math.floor(min(hours - self.origin, _FURTHEST_HOURS))
        self._reach(max(hour, 0))
        return int(self._cells[hour]) if hour >= 0 else int((self._cells[0] + hour) % 168)

    def count(self, hours: Floats) -> None:
        """Count messages by the hour of the week they were sent in."""
        if hours.size:
            hour = np.floor(np.minimum(hours - self.origin, _FURTHEST_HOURS)).astype(np.int64)
            self._reach(max(int(hour.max()), 0))
            cells = np.where(hour >= 0, self._cells[np.maximum(hour, 0)], (self._cells[0] + hour) % 168)
            self.counts += np.bincount(cells, minlength=168)

    def quota_share(self, begin: float, end: float, *, close_share: float) -> float:
        """Share of a day's quota released in [begin, end): along the profile, `close_share` in the closing hours."""
        # One pattern for all days: a rolling 24 hours can be full all the time only if each repeats the one before.
        day = self.profile.reshape(7, 24).sum(axis=0) / self.profile.sum()
        share = 0.0
        while begin < end:
            until = min(end, math.floor(begin) + 1.0)
            hour = self.cell(begin) % 24
            rate = (1 - close_share) * day[hour - PACE_LAG_HOURS]
            if hour in CLOSE_HOURS:
                rate += close_share / len(CLOSE_HOURS)
            share += float(rate) * (until - begin)
            begin = until
        return share


class _Ledger:
    """Requests of the last `span` hours by moment, for the promise about rolling windows."""

    def __init__(self, *, span: float) -> None:
        self.span = span
        self.entries: deque[tuple[float, int]] = deque()
        self.total = 0

    def add(self, at: float, requests: int) -> None:
        """Book requests; moments never run backwards here, an earlier one is booked at the latest known."""
        if requests <= 0:
            return
        self.total += requests
        if self.entries and at <= self.entries[-1][0]:
            latest, known = self.entries[-1]
            self.entries[-1] = (latest, known + requests)
        else:
            self.entries.append((at, requests))

    def within(self, at: float) -> int:
        """Requests of the whole span up to `at`."""
        while self.entries and self.entries[0][0] <= at - self.span + _MOMENT:
            self.total -= self.entries.popleft()[1]
        return self.total


class _Chats:
    """One row a chat, in columns that grow; row order is the order of first sight."""

    # name → (type, columns); hours are hours since 1970, `_u` operating hours.
    COLUMNS: Final[Mapping[str, tuple[type, int]]] = {
        "visited_at": (np.float64, 1),  # never visited: the sweep before the one that found it
        "counters": (np.float64, _SEEN),  # decayed to visited_at
        "copies_seen": (np.float64, 1),
        "copies_expected": (np.float64, 1),  # of campaigns sent before visited_at
        "hint_count": (np.float64, 1),
        "hint_sum": (np.float64, 1),  # of the hinted messages' times
        "hint_at": (np.float64, 1),  # the newest of them
        "hint_decayed": (np.float64, 1),  # their count, each decayed from its message to hint_at
        "planned_at": (np.float64, 1),  # handed out and not visited yet, else -inf
        "is_visited": (np.bool_, 1),
        "is_cold": (np.bool_, 1),  # there before the first sweep, so not a newcomer
        "is_gone": (np.bool_, 1),
        "is_audit": (np.bool_, 1),  # the visit planned is an audit
    }

    visited_at: Floats
    counters: Floats
    copies_seen: Floats
    copies_expected: Floats
    hint_count: Floats
    hint_sum: Floats
    hint_at: Floats
    hint_decayed: Floats
    planned_at: Floats
    is_visited: Flags
    is_cold: Flags
    is_gone: Flags
    is_audit: Flags

    def __init__(self) -> None:
        self.ids: list[str] = []
        self.row: dict[str, int] = {}
        self.visited_u = np.empty(0)  # derived from the clock, not persisted
        self.hint_u = np.empty(0)
        for name, (kind, width) in self.COLUMNS.items():
            setattr(self, name, np.empty((width, 0) if width > 1 else 0, dtype=kind))

    def __len__(self) -> int:
        return len(self.ids)

    def add(self, chat_id: str) -> int:
        """Add a row of zeros; returns its number."""
        row = len(self.ids)
        if row == len(self.visited_at):
            capacity = max(1024, row * 2)
            for name in (*self.COLUMNS, "visited_u", "hint_u"):
                old = getattr(self, name)
                new = np.zeros((*old.shape[:-1], capacity), dtype=old.dtype)
                new[..., :row] = old[..., :row]
                setattr(self, name, new)
        self.ids.append(chat_id)
        self.row[chat_id] = row
        self.planned_at[row] = _NEVER
        return row


def _mix(counter: int) -> int:
    """SplitMix64: the n-th draw of the audit, the same in every process."""
    mask = (1 << 64) - 1
    z = (counter * 0x9E3779B97F4A7C15) & mask
    z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & mask
    z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & mask
    return z ^ (z >> 31)


class CrawlPlanner:
    """Decides once a tick which chats to visit. See the module's docstring for the law.

    A limit of None means there is none of that kind. With neither, `plan` returns every chat that is worth a visit at
    all: never visited, hinted, at least `WORTH_A_VISIT` messages expected, or not looked at for a day. Asking every
    chat every minute would cost the server much and bring nothing.

    `activity` are 168 hourly weights to begin with, Monday 00:00 local first; messages seen teach better ones.

    Raises ValueError on naive datetimes, on limits below 1, shares outside [0, 1] and profiles not of 168 weights.
    """

    def __init__(
        self,
        *,
        requests_per_minute: int | None,
        requests_per_day: int | None,
        start: dt.datetime,
        timezone: str = "Africa/Nairobi",
        activity: Sequence[float] | None = None,
        close_share: float = 0.4,
        audit_share: float = 0.01,
        mode: str = "continuous",
    ) -> None:
        if not (0 <= close_share <= 1 and 0 <= audit_share <= 1):
            raise ValueError("shares lie between 0 and 1")
        counts = np.zeros(168)
        if activity is not None:
            given = np.asarray(activity, dtype=np.float64)
            if given.shape != (168,) or not np.isfinite(given).all() or (given < 0).any() or given.sum() <= 0:
                raise ValueError("an activity profile is 168 weights, none negative, not all zero")
            counts = given * (PROFILE_GIVEN / given.sum())
        self._start = _hours(start)
        self._timezone = timezone
        self._close_share = close_share
        self._audit_share = audit_share
        self._clock = _WeekClock(start=self._start, zone=ZoneInfo(timezone), counts=counts)
        self._chats = _Chats()
        self._present = 0
        self._hints: dict[int, list[float]] = {}
        self._campaigns: list[_Campaign] = []

        # Weights and what teaches them.
        self._weights = WEIGHTS.copy()
        self._base = BASE_PER_HOUR
        self._found_by_echo = np.zeros(_ECHOES)
        self._exposed_by_echo = np.zeros(_ECHOES)
        self._found_by_base = 0.0
        self._exposed_by_base = 0.0
        self._first_found = np.zeros(2)  # on first visits to newcomers, to chats of the cold start
        self._first_visits = np.zeros(2)
        self._arrivals = 0.0  # newcomers since the last sweep, then by operating hour
        self._arrivals_found = 0.0
        self._arrivals_exposed = 0.0
        self._learnt_hour = math.floor(self._start)

        # The purse.
        self._minute_ledger = _Ledger(span=1 / 60)
        self._day_ledger = _Ledger(span=24.0)
        self._sweep_ledger = _Ledger(span=24.0)
        self._accrued_at = self._start
        self._planned_at = self._start
        self._sweep_fund = 0.0
        self._price = 0.0  # worth of the last visit bought
        self._audit_credit = 0.0
        self.set_limits(requests_per_minute=requests_per_minute, requests_per_day=requests_per_day, mode=mode)
        self._tokens = (requests_per_day or 0) * STARTING_SHARE if self._is_paced else float(requests_per_minute or 0)

        # Sweeps, nightly scans, audits.
        self._sweep_asked_at = _NEVER
        self._swept_at = _NEVER
        self._swept_before = _NEVER
        self._sweep_requests = 0
        self._scan_started_at = _NEVER
        self._scan_ends_at = _NEVER
        self._audits_drawn = 0
        self._audit_visits = 0
        self._audit_sums = np.zeros(5)  # n, m, n², m², n·m over audit visits

    def set_limits(
        self, *, requests_per_minute: int | None, requests_per_day: int | None, mode: str = "continuous"
    ) -> None:
        """Change the quota or the mode of a running or restored planner. Raises ValueError as the constructor does."""
        for limit in (requests_per_minute, requests_per_day):
            if limit is not None and limit < 1:
                raise ValueError("a limit is at least one request; None means no limit")
        if mode not in {"continuous", "nightly"}:
            raise ValueError("mode is continuous or nightly")
        self._per_minute = requests_per_minute
        self._per_day = requests_per_day
        # What others spend is known afterwards; the reserve keeps it from going over the day's limit.
        self._day_quota = max(math.floor((requests_per_day or 0) * (1 - DAY_RESERVE)), 1)
        self._mode = mode
        self._is_free = requests_per_minute is None and requests_per_day is None
        # What runs out first? A minute's unused requests are lost, a day's can be kept for later.
        self._is_paced = requests_per_day is not None and (
            requests_per_minute is None or requests_per_day < requests_per_minute * 1440
        )

    # What the crawler reports.

    def sighted(self, chat_ids: Iterable[str], *, at: dt.datetime) -> None:
        """Take in chats found by a sweep or an event; a chat that was gone is back."""
        t = _hours(at)
        for chat_id in chat_ids:
            row = self._chats.row.get(chat_id)
            if row is None:
                self._add(chat_id, t)
            elif self._chats.is_gone[row]:
                self._chats.is_gone[row] = False
                self._present += 1

    def gone(self, chat_ids: Iterable[str]) -> None:
        """Take out chats that no longer exist: never planned, nothing expected, until sighted again."""
        for chat_id in chat_ids:
            row = self._chats.row.get(chat_id)
            if row is not None and not self._chats.is_gone[row]:
                self._chats.is_gone[row] = True
                self._present -= 1

    def rest(self, chat_id: str, *, until: dt.datetime) -> None:
        """Leave a chat alone until then: it cannot be had."""
        row = self._chats.row.get(chat_id)
        if row is not None:
            self._chats.planned_at[row] = _hours(until) - PATIENCE_HOURS

    def hinted(self, chat_id: str, *, message_at: dt.datetime, at: dt.datetime) -> None:
        """An event named a message of `message_at` in this chat. Repeats, and what a visit has seen, count nothing."""
        t = _hours(at)
        moment = min(_hours(message_at), t)  # a sender's clock that runs ahead does not make waiting negative
        row = self._chats.row.get(chat_id)
        if row is None:
            row = self._add(chat_id, t)
        chats = self._chats
        if chats.is_gone[row] or (chats.is_visited[row] and moment <= chats.visited_at[row]):
            return
        known = self._hints.setdefault(row, [])
        if moment not in known:
            known.append(moment)
            self._count_hints(row, known)

    def campaign_sent(self, *, at: dt.datetime, recipients: int, chat_ids: Iterable[str] | None = None) -> None:
        """A campaign went out at `at` to `recipients` of these chats (None: of all present)."""
        t, chats = _hours(at), self._chats
        rows = None
        candidates = self._present
        if chat_ids is not None:
            known = (chats.row.get(chat_id) for chat_id in chat_ids)
            rows = np.array(sorted({row for row in known if row is not None}), dtype=np.intp)
            candidates = len(rows)
        if recipients <= 0 or candidates == 0:
            return
        share = min(1.0, recipients / candidates)
        # A chat visited since has shown its copy already, or shown that it got none.
        late = chats.is_visited[: len(chats)] & (chats.visited_at[: len(chats)] >= t)
        if rows is not None:
            chats.copies_expected[rows[late[rows]]] += share
        else:
            chats.copies_expected[: len(chats)][late] += share
        kept = [one for one in self._campaigns if one.at > t - CAMPAIGN_MEMORY_HOURS]
        while any(one.at == t for one in kept):
            t += _MOMENT  # its time is its name in the saved state
        self._campaigns = sorted([*kept, _Campaign(t, share, rows)], key=lambda one: one.at)

    def swept(self, *, at: dt.datetime, requests: int) -> None:
        """A sweep of the contact list is complete and cost `requests`."""
        t = _hours(at)
        if self._swept_at != _NEVER:
            self._arrivals_found += self._arrivals
            self._arrivals_exposed += max(self._clock.at(t) - self._clock.at(self._swept_at), 0.0)
        self._arrivals = 0.0
        self._swept_before, self._swept_at = self._swept_at, t
        self._sweep_asked_at = max(self._sweep_asked_at, t)
        self._sweep_requests = requests
        self._sweep_fund = max(self._sweep_fund - requests, -float(requests))
        self._sweep_ledger.add(t, requests)
        self._pay(t, requests)

    def swept_in_part(self, *, at: dt.datetime, requests: int) -> None:
        """A sweep that cost `requests` broke off, or the list moved under it.

        Under a quota the next one comes as soon as the sweeps' share has bought it. Half an hour's wait for it would be
        one for all that hangs on it: newcomers, who is gone, whatever is called complete.
        """
        t = _hours(at)
        if not self._is_free:
            self._sweep_asked_at = max(self._swept_at, t - SWEEP_INTERVAL_HOURS)
        self._sweep_fund = max(self._sweep_fund - requests, -float(requests))
        self._sweep_ledger.add(t, requests)
        self._pay(t, requests)

    def spent(self, *, at: dt.datetime, requests: int) -> None:
        """Book requests for anything else: campaign list, reports, history, retries, visits that were not planned."""
        self._pay(_hours(at), requests)

    def visited(self, chat_id: str, *, at: dt.datetime, new_messages: Sequence[SeenMessage], requests: int = 1) -> None:
        """A chat was read up to `at` (start of the request); `new_messages` were not known before.

        `plan` has paid the first request of each chat it handed out; further ones are paid here. A visit that was not
        planned pays nothing: book it with `spent`, or load known history for free.
        """
        t, chats = _hours(at), self._chats
        row = chats.row.get(chat_id)
        if row is None:
            row = self._add(chat_id, t)
        if chats.planned_at[row] != _NEVER:
            chats.planned_at[row] = _NEVER
            self._pay(t, requests - 1)
        previous = float(chats.visited_at[row])
        t = max(t, previous)
        u = self._clock.at(t)
        is_first = not chats.is_visited[row]
        counters = chats.counters[:, row]
        lag = max(u - float(chats.visited_u[row]), 0.0)
        decay = np.exp(lag / -ECHO_HOURS[:_SEEN])

        # What is dated ahead was sent by now all the same.
        moments = np.minimum(np.array([_hours(message.timestamp) for message in new_messages]), t)
        talk = np.array([not message.is_template for message in new_messages], dtype=bool)
        found = float((talk & (moments > previous)).sum()) if new_messages else 0.0
        self._learn_from(row, found, t=t, lag=lag, u=u, decay=decay, is_first=is_first)

        if not is_first:
            counters *= decay
        if new_messages:
            ages = np.maximum(u - self._clock.at_many(moments), 0.0)
            counters[:_TALK] += np.exp(ages[talk, None] / -ECHO_HOURS[:_TALK]).sum(axis=0)
            counters[_COPY] += np.exp(ages[~talk] / -ECHO_HOURS[_COPY]).sum()
            chats.copies_seen[row] += float((~talk).sum())
            if talk.any():
                last = int(np.flatnonzero(talk)[np.argmax(moments[talk])])
                is_waiting = new_messages[last].direction == "inbound"
                counters[_UNANSWERED] = math.exp(-ages[last] / ECHO_HOURS[_UNANSWERED]) if is_waiting else 0.0
                self._clock.count(moments[talk])
        if is_first and not chats.is_cold[row]:
            oldest = self._clock.at(float(moments.min())) if new_messages else float(chats.visited_u[row])
            counters[_NEWCOMER] = math.exp(-max(u - oldest, 0.0) / ECHO_HOURS[_NEWCOMER])

        chats.is_visited[row] = True
        chats.visited_at[row], chats.visited_u[row] = t, u
        for one in self._campaigns:
            if previous < one.at <= t and (one.rows is None or row in one.rows):
                chats.copies_expected[row] += one.share
        self._forget_hints(row, until=t)

    # What the crawler asks.

    def plan(self, at: dt.datetime, *, available: int | None = None) -> Plan:
        """Spend the tokens at hand, at most `available` of them, on a sweep if one is due and on the best chats.

        A sweep costs what the last one did (⌈contacts/100⌉ before the first) and is taken off the chats of this plan;
        one that is longer than a minute begins with half a minute's room and is paid out of the minutes that follow.
        """
        t = max(_hours(at), self._accrued_at)
        self._accrue(t)
        self._learn(t)
        open_now, day_room = self._open_now(t, available), self._day_room(t)
        self._planned_at = t
        if self._mode == "nightly":
            return self._plan_nightly(t, min(open_now, day_room))
        if sweep := self._is_sweep_due(t, open_now, day_room):
            self._sweep_asked_at = t
            # The caller pays when the sweep is done; this plan must leave it the room.
            budget = min(open_now, day_room, self._purse()) - self._sweep_cost()
        elif self._is_paced:
            # Put by for the next sweep, unless the room comes back in time with what the last ones took from this day.
            saved = max(self._sweep_fund, 0.0)
            allotted = max(SWEEP_SHARE * self._day_quota, float(self._sweep_cost()))
            kept = min(saved, max(allotted - self._sweep_ledger.within(t), 0.0))
            budget = min(open_now, day_room - kept, self._purse() - saved)
        else:  # a minute's unused requests are lost, nothing can be put by
            budget = min(open_now, day_room, self._purse())
        return Plan(sweep, self._hand_out(t, self._choose(t, budget)))

    def expected_unseen(
        self, at: dt.datetime, *, since: dt.datetime | None = None, until: dt.datetime | None = None
    ) -> float:
        """Messages other than templates, dated in [since, until), unseen as of `at`. `until` defaults to `at`.

        Without `since` it counts from each chat's last visit. A chat of the cold start that was never visited is taken
        to have talked at the same rate before: a span long ago is not complete because nothing was read of it.
        """
        chats = self._chats
        rows = np.flatnonzero(~chats.is_gone[: len(chats)])
        t = _hours(at)
        end = t if until is None else min(_hours(until), t)
        begin = _NEVER if since is None else min(_hours(since), end)
        not_found = self._not_found_before(end, t) - self._not_found_before(begin, t)
        return float(self._expected(rows, at, since=since, until=until).sum()) + not_found

    def expected_unseen_per_chat(
        self, at: dt.datetime, *, since: dt.datetime | None = None, until: dt.datetime | None = None
    ) -> dict[str, float]:
        """`expected_unseen` of every chat that is present."""
        chats = self._chats
        rows = np.flatnonzero(~chats.is_gone[: len(chats)])
        expected = self._expected(rows, at, since=since, until=until)
        return {chats.ids[row]: value for row, value in zip(rows.tolist(), expected.tolist(), strict=True)}

    def expected_unseen_by(self, at: dt.datetime, edges: Sequence[dt.datetime]) -> list[float]:
        """`expected_unseen` of each span between neighbouring `edges` (ascending): one value less than edges."""
        t, chats = _hours(at), self._chats
        rows = np.flatnonzero(~chats.is_gone[: len(chats)])
        moments = [min(_hours(edge), t) for edge in edges]

        def dated_before(moment: float) -> float:
            return float(self._dated_before(rows, moment, t).sum()) + self._not_found_before(moment, t)

        # Until the first thing we know of, the sum is a straight line: a history of decades costs what its ends do.
        quiet = sum(moment <= self._first_known(rows) for moment in moments)
        before = [dated_before(moment) for moment in moments[max(quiet - 1, 0) :]]
        if quiet > 1:
            ends = [moments[0], moments[quiet - 1]]
            line = np.interp(moments[: quiet - 1], ends, [dated_before(moments[0]), before[0]])
            before = [*line.tolist(), *before]
        hints = np.sort(np.array([moment for times in self._hints.values() for moment in times]))
        named = np.searchsorted(hints, [_hours(edge) for edge in edges])
        return [
            max(later - earlier, 0.0) + float(named_later - named_earlier)
            for earlier, later, named_earlier, named_later in zip(
                before[:-1], before[1:], named[:-1], named[1:], strict=True
            )
        ]

    def optimal_delay_hours(self, at: dt.datetime, *, visits_per_day: float) -> float | None:
        """Least mean delay any fixed schedule reaches at the rates learnt: (Σ√λ)² / (2 B Σλ); None without messages.

        λ is what each present chat is expected to bring in the day (24 operating hours) after `at`.
        """
        t, chats, size = _hours(at), self._chats, len(self._chats)
        lag = np.maximum(self._clock.at(t) - chats.visited_u[:size], 0.0)
        counters = chats.counters[:, :size]
        rates = (self._echoes(lag + 24, counters) - self._echoes(lag, counters)) / 24
        rates = rates[~chats.is_gone[:size]]
        if not rates.sum() or visits_per_day <= 0:
            return None
        return float(np.sqrt(rates).sum() ** 2 / (2 * visits_per_day / 24 * rates.sum()))

    def advice(self) -> str | None:
        """Say so if a nightly scan would serve those who only look in the morning better than a continuous crawl."""
        limits = [limit for limit in (self._per_day, self._per_minute and self._per_minute * 1440) if limit]
        if self._mode == "nightly" or not self._present or (limits and min(limits) < FULL_SCAN_MARGIN * self._present):
            return None
        return (
            f"The quota covers a whole scan of {self._present} chats a day. If nobody looks at the figures by day, "
            "CRM_CRAWL_MODE=nightly (one scan that ends at 02:00) is complete every night and asks the CRM for less."
        )

    def audit(self) -> AuditSummary:
        """Compare what audit visits found with what was expected of them."""
        visits = self._audit_visits
        found, expected, found2, expected2, product = self._audit_sums.tolist()
        if expected <= 0 or visits < 2:
            return AuditSummary(visits, found, expected, None, None, None)
        ratio = found / expected
        spread = max(found2 - 2 * ratio * product + ratio * ratio * expected2, 0.0) * visits / (visits - 1)
        error = _WILSON_Z * math.sqrt(spread) / expected
        return AuditSummary(visits, found, expected, ratio, max(ratio - error, 0.0), ratio + error)

    def explain(self, chat_id: str, at: dt.datetime) -> str:
        """Say in words why a chat is or is not next."""
        t, chats = _hours(at), self._chats
        row = chats.row.get(chat_id)
        if row is None:
            return "This chat is not known: no sweep and no event has named it yet."
        if chats.is_gone[row]:
            return "This chat is gone: it is not planned until a sweep or an event sights it again."
        eligible = self._eligible(t)
        scores = np.where(eligible, self._scores(t), -np.inf)
        waited = t - float(chats.visited_at[row])
        expected = float(self._unseen(t, slice(row, row + 1))[0])
        since = (
            "it was last visited" if chats.is_visited[row] else "the sweep before it was found; it was never visited"
        )
        parts = [f"{expected:.2f} messages are expected unseen, over {waited:.1f} h since {since}"]
        if chats.hint_count[row]:
            waiting = t - float(chats.hint_sum[row] / chats.hint_count[row])
            parts.append(f"{chats.hint_count[row]:.0f} named by events have waited {waiting:.1f} h on average")
        if not eligible[row]:
            minutes = (t - float(chats.planned_at[row])) * 60
            if minutes < 0:
                rest = PATIENCE_HOURS * 60 - minutes
                return f"Not next: it could not be had, and rests for {rest:.0f} minutes; " + "; ".join(parts) + "."
            return f"Not next: handed out {minutes:.0f} minutes ago and not visited yet; " + "; ".join(parts) + "."
        rank = int((scores > scores[row]).sum() + (scores[:row] == scores[row]).sum()) + 1
        budget = max(math.floor(self._tokens), 0)
        is_next = bool(self._worth_a_visit(t)[row]) if self._is_free else rank <= budget
        purse = "no quota" if self._is_free else f"{budget} requests at hand"
        return (
            f"{'Next' if is_next else 'Not next'}: rank {rank} of {int(eligible.sum())} with {purse} "
            f"(score {scores[row]:.3g}); " + "; ".join(parts) + "."
        )

    # Persistence.

    def to_arrow(self, chat_ids: Iterable[str] | None = None) -> PlannerState:
        """Everything a restart needs: one row a chat (all, or only `chat_ids`) and the global row."""
        chats, size = self._chats, len(self._chats)
        rows = np.arange(size) if chat_ids is None else np.array([chats.row[one] for one in chat_ids], dtype=np.intp)
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
        hints = [self._hints.get(row, []) for row in rows.tolist()]
        columns["hints"] = pa.array(hints, type=pa.list_(pa.float64()))
        # By time, not by row: rows are renumbered when a chat is erased.
        named_in: dict[int, list[float]] = {}
        for one in self._campaigns:
            for row in [] if one.rows is None else one.rows.tolist():
                named_in.setdefault(row, []).append(one.at)
        reached = [named_in.get(row, []) for row in rows.tolist()]
        columns["campaigns"] = pa.array(reached, type=pa.list_(pa.float64()))

        saved: dict[str, pa.Array] = {}
        for name in _TEXTS:
            saved[name] = pa.array([getattr(self, f"_{name}")], type=pa.string())
        for name in _NUMBERS:
            saved[name] = pa.array([float(getattr(self, f"_{name}"))], type=pa.float64())
        for name in _COUNTS:
            saved[name] = pa.array([getattr(self, f"_{name}")], type=pa.int64())
        for name in _VECTORS:
            saved[name] = pa.array([getattr(self, f"_{name}").tolist()], type=pa.list_(pa.float64()))
        saved["campaign_times"] = pa.array([[one.at for one in self._campaigns]], type=pa.list_(pa.float64()))
        saved["campaign_shares"] = pa.array([[one.share for one in self._campaigns]], type=pa.list_(pa.float64()))
        to_all = [one.rows is None for one in self._campaigns]
        saved["campaign_is_to_all"] = pa.array([to_all], type=pa.list_(pa.bool_()))
        clock = self._clock
        saved["activity_counts"] = pa.array([clock.counts.tolist()], type=pa.list_(pa.float64()))
        saved["activity_profile"] = pa.array([clock.profile.tolist()], type=pa.list_(pa.float64()))
        saved["activity_counted"] = pa.array([clock.counted_at_refresh], type=pa.float64())
        for name, ledger in self._ledgers():
            saved[f"{name}_ledger_times"] = pa.array([[at for at, _ in ledger.entries]], type=pa.list_(pa.float64()))
            saved[f"{name}_ledger_requests"] = pa.array(
                [[count for _, count in ledger.entries]], type=pa.list_(pa.int64())
            )
        return PlannerState(pa.table(columns), pa.table(saved))

    @classmethod
    def from_arrow(cls, state: PlannerState) -> Self:
        """Restore a planner that gives the same answers as the one saved. Rows may come in any order."""
        saved = state.planner.to_pylist()[0]
        planner = cls(
            requests_per_minute=saved["per_minute"],
            requests_per_day=saved["per_day"],
            start=dt.datetime.fromtimestamp(saved["start"] * 3600, tz=dt.UTC),
            timezone=saved["timezone"],
            mode=saved["mode"],
        )
        for name in (*_NUMBERS, *_COUNTS):
            setattr(planner, f"_{name}", saved[name])
        for name in _VECTORS:
            setattr(planner, f"_{name}", np.array(saved[name], dtype=np.float64))
        clock = _WeekClock(start=planner._start, zone=ZoneInfo(saved["timezone"]), counts=np.zeros(168))
        clock.counts = np.array(saved["activity_counts"], dtype=np.float64)
        clock.profile = np.array(saved["activity_profile"], dtype=np.float64)
        clock.counted_at_refresh = saved["activity_counted"]
        planner._clock = clock
        for name, ledger in planner._ledgers():
            for at, requests in zip(saved[f"{name}_ledger_times"], saved[f"{name}_ledger_requests"], strict=True):
                ledger.add(at, requests)

        table = state.chats.sort_by("position")
        chats = planner._chats
        for chat_id in table["chat_id"].to_pylist():
            chats.add(chat_id)
        size = len(chats)
        for name, (kind, width) in chats.COLUMNS.items():
            values = table[name].combine_chunks()
            flat = (values.flatten() if width > 1 else values).to_numpy(zero_copy_only=False)
            getattr(chats, name)[..., :size] = flat.astype(kind).reshape((size, width) if width > 1 else size).T
        named_in = table["campaigns"].to_pylist()
        planner._campaigns = [
            _Campaign(
                at,
                share,
                None if to_all else np.array([row for row in range(size) if at in named_in[row]], dtype=np.intp),
            )
            for at, share, to_all in zip(
                saved["campaign_times"], saved["campaign_shares"], saved["campaign_is_to_all"], strict=True
            )
        ]
        planner._hints = {row: moments for row, moments in enumerate(table["hints"].to_pylist()) if moments}
        planner._present = int((~chats.is_gone[:size]).sum())
        planner._recompute_operating_hours()
        return planner

    def draw_back(self, at: dt.datetime) -> None:
        """Take the clock back to `at`: what lies after it was learnt while the clock ran ahead, and is of now."""
        t, size = _hours(at), len(self._chats)
        for column in (self._chats.visited_at, self._chats.hint_at):
            np.minimum(column[:size], t, out=column[:size])
        for name in ("accrued_at", "planned_at", "sweep_asked_at", "swept_at", "swept_before", "scan_started_at"):
            setattr(self, f"_{name}", min(getattr(self, f"_{name}"), t))
        self._scan_ends_at = min(self._scan_ends_at, t)
        self._learnt_hour = min(self._learnt_hour, math.floor(t))
        for _, ledger in self._ledgers():
            ledger.entries = deque((min(moment, t), requests) for moment, requests in ledger.entries)
        self._recompute_operating_hours()

    @property
    def accrued_at(self) -> dt.datetime:
        """The latest moment that it was asked for a plan, or begun."""
        return dt.datetime.fromtimestamp(self._accrued_at * 3600, tz=dt.UTC)

    def _ledgers(self) -> tuple[tuple[str, _Ledger], ...]:
        return ("minute", self._minute_ledger), ("day", self._day_ledger), ("sweep", self._sweep_ledger)

    # Estimates.

    def _first_mean(self) -> Floats:
        """Messages expected at a first visit: of a newcomer, of a chat of the cold start."""
        result: Floats = (self._first_found + PRIOR_EXPOSURE * FIRST_VISIT_MESSAGES) / (
            self._first_visits + PRIOR_EXPOSURE
        )
        return result

    def _not_found_before(self, moment: float, t: float) -> float:
        """Messages dated before `moment` of newcomers that no sweep has found as of t."""
        if self._swept_at == _NEVER or moment <= self._swept_at or self._arrivals_exposed <= 0:
            return 0.0
        per_hour = self._arrivals_found / self._arrivals_exposed * float(self._first_mean()[0])
        return per_hour * (self._clock.at(min(moment, t)) - self._clock.at(self._swept_at))

    def _echoes(self, lag: Floats, counters: Floats) -> Floats:
        """Messages expected in `lag` operating hours after visits that left these counters (a row an echo)."""
        expected: Floats = self._base * lag
        for hours, weight, counter in zip(ECHO_HOURS.tolist(), self._weights.tolist(), counters, strict=False):
            echo = np.expm1(lag * (-1 / hours))
            echo *= counter
            echo *= -weight
            expected += echo
        return expected

    def _unseen(self, t: float, rows: slice) -> Floats:
        """Expected unseen of these rows as of t, what events have named not counted."""
        chats = self._chats
        lag = np.maximum(self._clock.at(t) - chats.visited_u[rows], 0.0)
        expected = self._echoes(lag, chats.counters[:, rows])
        never = np.flatnonzero(~chats.is_visited[rows])
        if never.size:
            expected[never] = self._first_mean()[chats.is_cold[rows][never].astype(np.intp)]
        expected += self._answers(np.arange(rows.start, rows.stop), t)
        return expected

    def _blocks(self) -> Iterator[slice]:
        """All rows, in slices whose intermediate results stay in the processor's cache."""
        size = len(self._chats)
        for start in range(0, size, _BLOCK):
            yield slice(start, min(start + _BLOCK, size))

    def _answers(self, rows: Rows, moment: float) -> Floats:
        """Answers expected by `moment` to the campaigns sent since the last visit.

        The chance of a copy is the campaign's share, times how often this chat got what it could have got so far.
        """
        chats = self._chats
        visited_at = chats.visited_at[rows]
        exposed = np.zeros(len(rows))
        sent = [one for one in self._campaigns if one.at < moment]
        if not sent:
            return exposed
        times = np.array([one.at for one in sent])
        faded = np.exp((self._clock.at(moment) - self._clock.at_many(times)) / -ECHO_HOURS[_COPY])
        copies = np.array([one.share for one in sent]) * (1 - faded)
        to_all = np.array([one.rows is None for one in sent])
        if to_all.any():
            # Sums from each campaign to the newest, looked up by the last visit.
            later = np.append(np.cumsum(copies[to_all][::-1])[::-1], 0.0)
            exposed += later[np.searchsorted(times[to_all], visited_at, side="right")]
        for one, copy in zip(sent, copies.tolist(), strict=True):
            if one.rows is not None:
                exposed += np.where(np.isin(rows, one.rows) & (visited_at < one.at), copy, 0.0)
        exposed *= (chats.copies_seen[rows] + 1) / (chats.copies_expected[rows] + 1)
        exposed *= self._weights[_COPY]
        return exposed

    def _named(self, rows: Rows, u: float) -> Floats:
        """Messages expected by operating hour u to follow those that events have named."""
        chats = self._chats
        age = np.maximum(u - chats.hint_u[rows], 0.0)
        result: Floats = self._weights[_NAMED] * (
            chats.hint_count[rows] - chats.hint_decayed[rows] * np.exp(age / -ECHO_HOURS[_NAMED])
        )
        return result

    def _first_known(self, rows: Rows) -> float:
        """When the first of the visits, sightings, campaigns and events was that these rows' estimates rest on."""
        chats = self._chats
        some = rows[chats.is_visited[rows] | ~chats.is_cold[rows]]
        named = rows[chats.hint_count[rows] > 0]
        moments = [chats.visited_at[some], chats.hint_at[named], np.array([one.at for one in self._campaigns])]
        if self._swept_at != _NEVER:
            moments.append(np.array([self._swept_at]))
        return min((float(part.min()) for part in moments if part.size), default=math.inf)

    def _dated_before(self, rows: Rows, moment: float, t: float) -> Floats:
        """Of what is unseen in these rows as of t, the part dated since the last visit and before `moment` ≤ t."""
        chats = self._chats
        expected = np.zeros(len(rows))
        visited = chats.is_visited[rows]
        recent = np.flatnonzero(visited & (chats.visited_at[rows] < moment))
        some = rows[recent]
        u = self._clock.at(moment)
        lag = np.maximum(u - chats.visited_u[some], 0.0)
        expected[recent] = self._echoes(lag, chats.counters[:, some])
        expected += self._answers(rows, moment)
        named = np.flatnonzero((chats.hint_count[rows] > 0) & (chats.hint_at[rows] < moment))
        if named.size:
            expected[named] += self._named(rows[named], u)
        never = np.flatnonzero(~visited)
        if never.size:
            some = rows[never]
            begin, is_cold = chats.visited_at[some], chats.is_cold[some]
            span = np.where(is_cold, COLD_START_HOURS, np.maximum(t - begin, 1e-9))
            part = (moment - begin) / span
            # A newcomer said nothing before it came; a chat of the cold start talked before as it does now (negative).
            part = np.where(is_cold, np.where(moment == _NEVER, 0.0, part), np.maximum(part, 0.0))
            expected[never] += self._first_mean()[is_cold.astype(np.intp)] * part
        return expected

    def _expected(self, rows: Rows, at: dt.datetime, *, since: dt.datetime | None, until: dt.datetime | None) -> Floats:
        t = _hours(at)
        end = t if until is None else min(_hours(until), t)
        expected = self._dated_before(rows, end, t)
        begin = _NEVER
        if since is not None:
            begin = min(_hours(since), end)
            expected -= self._dated_before(rows, begin, t)
        np.maximum(expected, 0.0, out=expected)
        if self._hints:
            place = np.full(len(self._chats), -1, dtype=np.intp)
            place[rows] = np.arange(len(rows))
            last = math.inf if until is None else _hours(until)
            for row, moments in self._hints.items():
                if place[row] >= 0:
                    expected[place[row]] += sum(begin <= moment < last for moment in moments)
        return expected

    def _horizon(self) -> float:
        """H in hours: a day, or two rounds of all chats where the quota allows those sooner.

        Measured at 60 a minute: 0.4 points more within the hour at the same mean delay.
        """
        hourly = [self._per_minute and self._per_minute * 60, self._per_day and self._per_day / 24]
        limits = [limit for limit in hourly if limit]
        if not limits:
            return WORTH_HORIZON_HOURS
        return min(max(WORTH_HORIZON_CYCLES * self._present / min(limits), 1.0), WORTH_HORIZON_HOURS)

    def _scores(self, t: float) -> Floats:
        """Worth of a visit of every row: hours of waiting it ends, discounted by age."""
        chats, size = self._chats, len(self._chats)
        worth = np.zeros(size)
        horizon = self._horizon()
        for rows in self._blocks():
            waited = np.maximum(t - chats.visited_at[rows], 1e-9)
            z = waited * (1 / horizon)
            part = np.exp(-z)
            part *= 1 + z
            np.subtract(1, part, out=part)
            part *= horizon**2
            part /= waited
            part += waited * (OVERDUE_SHARE / 2)
            part *= self._unseen(t, rows)
            part[waited <= 1e-9] = 0.0
            worth[rows] = part
        named = np.flatnonzero(chats.hint_count[:size])
        if named.size:
            # Named messages have waited since they were sent, what follows them half of that on average.
            count = chats.hint_count[named]
            waiting = count * t - chats.hint_sum[named]
            worth[named] += waiting * (1 + self._named(named, self._clock.at(t)) / (2 * count))
        return worth

    # Choosing.

    def _eligible(self, t: float) -> Flags:
        chats, size = self._chats, len(self._chats)
        result: Flags = ~chats.is_gone[:size] & (chats.planned_at[:size] <= t - PATIENCE_HOURS)
        return result

    def _choose(self, t: float, budget: float) -> list[int]:
        """Rows of the best chats, best first, audits among them; at most `budget`."""
        eligible = self._eligible(t)
        if self._is_free:
            eligible &= self._worth_a_visit(t)
            return self._best(t, eligible, len(self._chats) if math.isinf(budget) else math.floor(budget))
        count = min(math.floor(budget + 1e-6), int(eligible.sum()))
        if count <= 0:
            return []
        audits = self._draw_audits(eligible, count)
        eligible[audits] = False
        return self._best(t, eligible, count - len(audits)) + audits

    def _worth_a_visit(self, t: float) -> Flags:
        """Where no quota forces a choice: never visited, named, a message likely, or a day old."""
        chats = self._chats
        result: Flags = np.zeros(len(chats), dtype=np.bool_)
        for rows in self._blocks():
            result[rows] = (
                ~chats.is_visited[rows]
                | (chats.hint_count[rows] > 0)
                | (t - chats.visited_at[rows] >= 24)
                | (self._unseen(t, rows) >= WORTH_A_VISIT)
            )
        return result

    def _best(self, t: float, eligible: Flags, count: int) -> list[int]:
        rows = np.flatnonzero(eligible)
        if count <= 0 or rows.size == 0:
            return []
        scores = self._scores(t)[rows]
        if count < rows.size:
            best = np.argpartition(-scores, count - 1)[:count]
            rows, scores = rows[best], scores[best]
            self._price = float(scores.min())
        order: list[int] = rows[np.lexsort((rows, -scores))].tolist()
        return order

    def _draw_audits(self, eligible: Flags, count: int) -> list[int]:
        """Rows drawn evenly from the visited chats; about `audit_share` of all that is handed out."""
        self._audit_credit += self._audit_share * count
        drawn: list[int] = []
        candidates = eligible & self._chats.is_visited[: len(self._chats)]
        while self._audit_credit >= 1 and len(drawn) < count:
            self._audit_credit -= 1
            # Rejection keeps the draw even; a few misses (gone, in flight) are normal, many mean nobody is there.
            for _ in range(50):
                self._audits_drawn += 1
                row = _mix(self._audits_drawn) % len(eligible)
                if candidates[row]:
                    candidates[row] = False
                    drawn.append(row)
                    break
        self._chats.is_audit[drawn] = True
        return drawn

    def _hand_out(self, t: float, rows: list[int]) -> list[str]:
        self._chats.planned_at[rows] = t
        if rows:
            self._pay(t, len(rows))
        return [self._chats.ids[row] for row in rows]

    def _plan_nightly(self, t: float, room: float) -> Plan:
        """One scan of every chat, begun so that it ends at 02:00 local; what is left by then is still fetched."""
        cost = self._present + self._sweep_cost()
        minutes = 1.0 if self._per_minute is None else cost / self._per_minute
        ends_at = self._next_scan_end(t)
        begins_at = ends_at - (minutes * 1.05 + 1) / 60
        is_new = t >= begins_at and ends_at > self._scan_ends_at
        if is_new:
            self._scan_started_at, self._scan_ends_at = t, ends_at
        if self._scan_started_at == _NEVER:
            return Plan(sweep=False, chats=[])
        sweep = self._sweep_asked_at < self._scan_started_at and room >= 1
        if sweep:
            self._sweep_asked_at = t
            room -= self._sweep_cost()
        eligible = self._eligible(t)
        chats = self._chats
        eligible &= (chats.visited_at[: len(chats)] < self._scan_started_at) | ~chats.is_visited[: len(chats)]
        count = len(chats) if math.isinf(room) else math.floor(room)
        return Plan(sweep, self._hand_out(t, self._best(t, eligible, count)))

    def _next_scan_end(self, t: float) -> float:
        zone = self._clock.zone
        local = dt.datetime.fromtimestamp(t * 3600, tz=zone)
        end = dt.datetime.combine(local.date(), dt.time(NIGHTLY_END_HOUR), tzinfo=zone)
        if _hours(end) <= t:
            end = dt.datetime.combine(local.date() + dt.timedelta(days=1), dt.time(NIGHTLY_END_HOUR), tzinfo=zone)
        return _hours(end)

    # The purse.

    def _accrue(self, t: float) -> None:
        """Add the tokens of the time since the last plan, and the sweeps' part of them to their fund."""
        begin, self._accrued_at = self._accrued_at, t
        minutes = (t - begin) * 60
        income = math.inf if self._per_minute is None else minutes * self._per_minute
        if self._is_paced:
            # After days of silence there is nothing to release that the day's limit would not refuse.
            paced = self._clock.quota_share(max(begin, t - 24), t, close_share=self._close_share)
            income = min(income, self._day_quota * paced)
        if self._is_free:
            return
        self._tokens += income
        if self._per_minute is not None and not self._is_paced:
            self._tokens = min(self._tokens, self._minute_cap(t))
        if self._per_day is not None:
            # Tokens that fall due while the day is full are lost, but for two hours', else a burst would echo for ever.
            self._tokens = min(self._tokens, max(self._day_room(t), self._day_quota / 12 + self._sweep_fund))
        self._sweep_fund = min(self._sweep_fund + SWEEP_SHARE * income, float(self._sweep_cost()))

    def _purse(self) -> float:
        return math.inf if self._is_free else self._tokens

    def _minute_cap(self, t: float) -> float:
        """Requests that a plan may hand out for the time since the plan before."""
        assert self._per_minute is not None
        return self._per_minute * min(max((t - self._planned_at) * 60, 1.0), LONGEST_TICK_MINUTES)

    def _open_now(self, t: float, available: int | None) -> float:
        """Requests that neither the rolling minute nor the gate refuses."""
        room = math.inf if available is None else float(max(available, 0))
        if self._per_minute is not None:
            room = min(room, self._minute_cap(t) - self._minute_ledger.within(t))
        return max(room, 0.0)

    def _day_room(self, t: float) -> float:
        """Requests that the rolling day has left."""
        return math.inf if self._per_day is None else max(float(self._day_quota - self._day_ledger.within(t)), 0.0)

    def _pay(self, t: float, requests: int) -> None:
        if requests <= 0:
            return
        if not self._is_free:
            self._tokens -= requests
        if self._per_minute is not None:
            self._minute_ledger.add(t, requests)
        if self._per_day is not None:
            # Booked at the end of its five minutes: 288 entries a day to keep, and never too early.
            self._day_ledger.add(math.ceil(t * 12) / 12, requests)

    def _sweep_cost(self) -> int:
        return max(self._sweep_requests, math.ceil(self._present / CONTACTS_PER_SWEEP_REQUEST), 1)

    def _is_sweep_due(self, t: float, open_now: float, day_room: float) -> bool:
        cost = self._sweep_cost()
        if day_room < cost:
            return False
        # No sweep takes the last request; one longer than a minute begins with half a minute's, else it never would.
        # With nothing known there is nothing else to do.
        needed = cost + 1 if self._per_minute is None else min(cost + 1, max(self._per_minute // 2, 1))
        if open_now < (needed if self._present else 1):
            return False
        if self._sweep_asked_at == _NEVER:
            return True
        if t - self._sweep_asked_at < SWEEP_INTERVAL_HOURS - _MOMENT:
            return False
        if not self._is_free and self._sweep_fund < cost:
            return False
        # Newcomers wait like others: sweep when its requests end as much waiting as the last visits bought. Measured at
        # 60 a minute: 1 point more within the hour than a sweep every 30 minutes; at 10,000 a day 0.2 h less delay.
        since = t - max(self._swept_at, self._sweep_asked_at)
        waiting = self._not_found_before(t, t) * since / 2
        is_known = self._arrivals_exposed >= SWEEP_AT_LEAST_HOURS
        return not is_known or since >= SWEEP_AT_LEAST_HOURS or waiting >= self._price * cost

    # Learning.

    def _learn_from(
        self, row: int, found: float, *, t: float, lag: float, u: float, decay: Floats, is_first: bool
    ) -> None:
        """Split what a visit found among the terms that promised it. Messages that events named promise themselves."""
        chats = self._chats
        if is_first:
            kind = int(chats.is_cold[row])
            self._first_found[kind] += found
            self._first_visits[kind] += 1
            chats.is_audit[row] = False
            return
        exposure = np.zeros(_ECHOES)
        exposure[:_SEEN] = chats.counters[:, row] * (1 - decay)
        if chats.hint_count[row] > 0:
            exposure[_NAMED] = float(self._named(np.array([row]), u)[0]) / self._weights[_NAMED]
        if self._campaigns and self._campaigns[-1].at > chats.visited_at[row]:
            exposure[_COPY] += float(self._answers(np.array([row]), t)[0]) / self._weights[_COPY]
        promised = exposure * self._weights
        base = self._base * lag
        expected = float(promised.sum()) + base
        hinted = float(chats.hint_count[row])
        if expected > 0:
            ratio = max(found - hinted, 0.0) / expected
            if hinted > 0:
                # The other weights are those of chats that no event has named: where events come, these are quiet.
                promised[:_SEEN] = exposure[:_SEEN] = base = lag = 0.0
            self._found_by_echo += ratio * promised
            self._found_by_base += ratio * base
            self._exposed_by_echo += exposure
            self._exposed_by_base += lag
        if chats.is_audit[row]:
            chats.is_audit[row] = False
            expected += hinted
            self._audit_visits += 1
            self._audit_sums += (found, expected, found * found, expected * expected, found * expected)

    def _learn(self, t: float) -> None:
        """Once an hour: new weights; a new profile when enough was counted to move it."""
        hour = math.floor(t)
        passed = hour - self._learnt_hour
        if passed <= 0:
            return
        self._learnt_hour = hour
        self._weights = (self._found_by_echo + PRIOR_EXPOSURE * WEIGHTS) / (self._exposed_by_echo + PRIOR_EXPOSURE)
        self._base = (self._found_by_base + PRIOR_BASE_HOURS * BASE_PER_HOUR) / (
            self._exposed_by_base + PRIOR_BASE_HOURS
        )
        passed = min(passed, LONGEST_FORGETTING_HOURS)
        kept = KEPT_PER_HOUR**passed
        self._found_by_echo *= kept
        self._exposed_by_echo *= kept
        self._found_by_base *= kept
        self._exposed_by_base *= kept
        self._arrivals_found *= kept
        self._arrivals_exposed *= kept
        clock = self._clock
        clock.counts *= PROFILE_KEPT_PER_DAY ** (passed / 24)
        if abs(float(clock.counts.sum()) - clock.counted_at_refresh) > 0.02 * clock.counted_at_refresh:
            clock.refresh()
            self._recompute_operating_hours()

    def _recompute_operating_hours(self) -> None:
        chats, size = self._chats, len(self._chats)
        chats.visited_u[:size] = self._clock.at_many(chats.visited_at[:size])
        chats.hint_u[:size] = self._clock.at_many(chats.hint_at[:size])

    # Rows.

    def _add(self, chat_id: str, t: float) -> int:
        chats = self._chats
        row = chats.add(chat_id)
        self._present += 1
        previous = self._swept_at if self._swept_at < t else self._swept_before
        chats.is_cold[row] = previous == _NEVER
        self._arrivals += previous != _NEVER
        begin = t - COLD_START_HOURS if previous == _NEVER else previous
        chats.visited_at[row] = begin
        chats.visited_u[row] = self._clock.at(begin)
        return row

    def _forget_hints(self, row: int, *, until: float) -> None:
        known = self._hints.get(row)
        if known is None:
            return
        kept = [moment for moment in known if moment > until]
        if kept:
            self._hints[row] = kept
        else:
            del self._hints[row]
        self._count_hints(row, kept)

    def _count_hints(self, row: int, moments: list[float]) -> None:
        chats = self._chats
        newest = max(moments, default=0.0)
        operating = self._clock.at_many(np.array(moments))
        chats.hint_count[row] = float(len(moments))
        chats.hint_sum[row] = math.fsum(moments)
        chats.hint_at[row] = newest
        chats.hint_u[row] = self._clock.at(newest)
        ages = chats.hint_u[row] - operating
        chats.hint_decayed[row] = float(np.exp(ages / -ECHO_HOURS[_NAMED]).sum())
