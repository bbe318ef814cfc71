"""The planner that a crawl talks to: what it reports, what it asks, what it keeps.

What belongs here: the planner's surface in terms of datetimes and chat ids. What does not: everything that is computed
(the other modules of this package, in terms of hours and rows).
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Sequence
from typing import Self

from crm_platform.ingest.planner import persistence
from crm_platform.ingest.planner.audit import AuditSummary
from crm_platform.ingest.planner.budget import Limits
from crm_platform.ingest.planner.choice import PATIENCE_HOURS, Choice
from crm_platform.ingest.planner.clock import WeekClock, counts_of
from crm_platform.ingest.planner.estimate import COLD_START_HOURS, Estimate
from crm_platform.ingest.planner.explain import advice, explain
from crm_platform.ingest.planner.learning import Learning, SeenMessage
from crm_platform.ingest.planner.persistence import SavedPlanner
from crm_platform.ingest.planner.plan import Plan, Planning
from crm_platform.ingest.planner.state import State
from crm_platform.ingest.planner.units import NEVER, datetime_of, hours_of


class CrawlPlanner:
    """Decides once a tick which chats to visit. See the package's docstring for the law.

    A limit of None means there is none of that kind. With neither, `plan` returns every chat that is worth a visit at
    all: never visited, hinted, at least `choice.WORTH_A_VISIT` messages expected, or not looked at for a day. Asking
    every chat every minute would cost the server much and bring nothing.

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
        self._state = State.begin(
            clock=WeekClock(counts=counts_of(activity), start=hours_of(start), timezone=timezone),
            limits=Limits(requests_per_minute, requests_per_day),
            mode=_known_mode(mode),
            close_share=close_share,
            audit_share=audit_share,
        )
        self._estimate = Estimate(self._state)
        self._choice = Choice(self._state, self._estimate)
        self._learning = Learning(self._state, self._estimate)
        self._planning = Planning(self._state, estimate=self._estimate, choice=self._choice, learning=self._learning)

    def set_limits(
        self, *, requests_per_minute: int | None, requests_per_day: int | None, mode: str = "continuous"
    ) -> None:
        """Change the quota or the mode of a running or restored planner. Raises ValueError as the constructor does."""
        limits = Limits(requests_per_minute, requests_per_day)
        self._state.mode = _known_mode(mode)
        self._state.budget.limits = limits

    # What the crawler reports.

    def sighted(self, chat_ids: Iterable[str], *, at: dt.datetime) -> None:
        """Take in chats found by a sweep or an event; a chat that was gone is back."""
        t, chats = hours_of(at), self._state.chats
        for chat_id in chat_ids:
            chats.set_gone(self._row(chat_id, t), is_gone=False)

    def gone(self, chat_ids: Iterable[str]) -> None:
        """Take out chats that no longer exist: never planned, nothing expected, until sighted again."""
        chats = self._state.chats
        for chat_id in chat_ids:
            row = chats.row_of.get(chat_id)
            if row is not None:
                chats.set_gone(row, is_gone=True)

    def rest(self, chat_id: str, *, until: dt.datetime) -> None:
        """Leave a chat alone until then: it cannot be had."""
        row = self._state.chats.row_of.get(chat_id)
        if row is not None:
            self._state.chats.planned_at[row] = hours_of(until) - PATIENCE_HOURS

    def hinted(self, chat_id: str, *, message_at: dt.datetime, at: dt.datetime) -> None:
        """An event named a message of `message_at` in this chat. Repeats, and what a visit has seen, count nothing."""
        t, chats = hours_of(at), self._state.chats
        moment = min(hours_of(message_at), t)  # a sender's clock that runs ahead does not make waiting negative
        row = self._row(chat_id, t)
        if not chats.is_gone[row] and not (chats.is_visited[row] and moment <= chats.visited_at[row]):
            chats.hint(row, moment)

    def campaign_sent(self, *, at: dt.datetime, recipients: int, chat_ids: Iterable[str] | None = None) -> None:
        """A campaign went out at `at` to `recipients` of these chats (None: of all present)."""
        self._state.campaigns.add(hours_of(at), recipients=recipients, chat_ids=chat_ids)

    def swept(self, *, at: dt.datetime, requests: int) -> None:
        """A sweep of the contact list is complete and cost `requests`."""
        self._state.sweeps.completed(hours_of(at), requests)

    def swept_in_part(self, *, at: dt.datetime, requests: int) -> None:
        """A sweep that cost `requests` broke off, or the list moved under it.

        Under a quota the next one comes as soon as the sweeps' share has bought it. Half an hour's wait for it would be
        one for all that hangs on it: newcomers, who is gone, whatever is called complete.
        """
        self._state.sweeps.broke_off(hours_of(at), requests)

    def spent(self, *, at: dt.datetime, requests: int) -> None:
        """Book requests for anything else: campaign list, reports, history, retries, visits that were not planned."""
        self._state.budget.pay(hours_of(at), requests)

    def visited(self, chat_id: str, *, at: dt.datetime, new_messages: Sequence[SeenMessage], requests: int = 1) -> None:
        """A chat was read up to `at` (start of the request); `new_messages` were not known before.

        `plan` has paid the first request of each chat it handed out; further ones are paid here. A visit that was not
        planned pays nothing: book it with `spent`, or load known history for free.
        """
        t, chats = hours_of(at), self._state.chats
        row = self._row(chat_id, t)
        if chats.planned_at[row] != NEVER:
            chats.planned_at[row] = NEVER
            self._state.budget.pay(t, requests - 1)
        self._learning.visited(row, t, new_messages)

    def _row(self, chat_id: str, t: float) -> int:
        """The chat's row; of one sighted for the first time a new one."""
        chats = self._state.chats
        row = chats.row_of.get(chat_id)
        if row is not None:
            return row
        previous = self._state.sweeps.arrived(t)
        is_cold = previous == NEVER
        return chats.add(chat_id, since=t - COLD_START_HOURS if is_cold else previous, is_cold=is_cold)

    # What the crawler asks.

    def plan(self, at: dt.datetime, *, available: int | None = None) -> Plan:
        """Spend the tokens at hand, at most `available` of them, on a sweep if one is due and on the best chats.

        A sweep costs what the last one did (⌈contacts/100⌉ before the first) and is taken off the chats of this plan;
        one that is longer than a minute begins with half a minute's room and is paid out of the minutes that follow.
        """
        return self._planning.plan(hours_of(at), available=available)

    @property
    def chat_ids(self) -> Sequence[str]:
        """Every chat that it knows, those that are gone included, in the order of first sight."""
        return self._state.chats.ids

    @property
    def accrued_at(self) -> dt.datetime:
        """The latest moment that it was asked for a plan, or begun."""
        return datetime_of(self._state.budget.accrued_at)

    def expected_unseen(
        self, at: dt.datetime, *, since: dt.datetime | None = None, until: dt.datetime | None = None
    ) -> float:
        """Messages other than templates, dated in [since, until), unseen as of `at`. `until` defaults to `at`.

        Without `since` it counts from each chat's last visit. A chat of the cold start that was never visited is taken
        to have talked at the same rate before: a span long ago is not complete because nothing was read of it.
        """
        return self._estimate.total(hours_of(at), since=_hours_if_any(since), until=_hours_if_any(until))

    def expected_unseen_per_chat(
        self, at: dt.datetime, *, since: dt.datetime | None = None, until: dt.datetime | None = None
    ) -> dict[str, float]:
        """`expected_unseen` of every chat that is present."""
        chats = self._state.chats
        rows = chats.present_rows()
        expected = self._estimate.by_row(rows, hours_of(at), since=_hours_if_any(since), until=_hours_if_any(until))
        return {chats.ids[row]: value for row, value in zip(rows.tolist(), expected.tolist(), strict=True)}

    def expected_unseen_by(self, at: dt.datetime, edges: Sequence[dt.datetime]) -> list[float]:
        """`expected_unseen` of each span between neighbouring `edges` (ascending): one value less than edges."""
        return self._estimate.by_span(hours_of(at), [hours_of(edge) for edge in edges])

    def optimal_delay_hours(self, at: dt.datetime, *, visits_per_day: float) -> float | None:
        """Least mean delay any fixed schedule reaches at the rates learnt: (Σ√λ)² / (2 B Σλ); None without messages.

        λ is what each present chat is expected to bring in the day (24 operating hours) after `at`.
        """
        return self._estimate.optimal_delay(hours_of(at), visits_per_day=visits_per_day)

    def audit(self) -> AuditSummary:
        """Compare what audit visits found with what was expected of them."""
        return self._state.audits.summary()

    def advice(self) -> str | None:
        """Say so if a nightly scan would serve those who only look in the morning better than a continuous crawl."""
        return advice(self._state)

    def explain(self, chat_id: str, at: dt.datetime) -> str:
        """Say in words why a chat is or is not next."""
        return explain(self._state, chat_id, hours_of(at), estimate=self._estimate, choice=self._choice)

    # What it keeps.

    def to_arrow(self, chat_ids: Iterable[str] | None = None) -> SavedPlanner:
        """Everything a restart needs: one row a chat (all, or only `chat_ids`) and the global row."""
        return persistence.to_arrow(self._state, chat_ids)

    @classmethod
    def from_arrow(cls, state: SavedPlanner) -> Self:
        """Restore a planner that gives the same answers as the one saved. Rows may come in any order."""
        given = state.planner.select(persistence.GIVEN).to_pylist()[0]
        planner = cls(
            requests_per_minute=given["per_minute"],
            requests_per_day=given["per_day"],
            start=datetime_of(given["start"]),
            timezone=given["timezone"],
            mode=given["mode"],
        )
        persistence.restore(planner._state, state)
        return planner

    def draw_back(self, at: dt.datetime) -> None:
        """Take the clock back to `at`: what lies after it was learnt while the clock ran ahead, and is of now."""
        self._state.draw_back(hours_of(at))


def _known_mode(mode: str) -> str:
    if mode not in {"continuous", "nightly"}:
        raise ValueError("mode is continuous or nightly")
    return mode


def _hours_if_any(at: dt.datetime | None) -> float | None:
    return None if at is None else hours_of(at)
