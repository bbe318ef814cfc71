"""A crawl: a run that spends an allowance where it is worth most, minute by minute.

What belongs here: one tick after the other, what each of them may spend on what, and when to end. What does not: the
steps (list_steps.py, chat_steps.py), which chats are worth a visit (planner/), a run until all is current
(refresh_run.py).
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from crm_platform.api import Allowance, utc_now
from crm_platform.errors import CrmPlatformError, FixConfiguration, QuotaSpent, RetryLater
from crm_platform.ingest.accounts import Outcome, Progress
from crm_platform.ingest.chat_steps import HISTORY_PAGES
from crm_platform.ingest.due import DueFetches
from crm_platform.ingest.duplicates import decide_duplicates
from crm_platform.ingest.events import EventReader, Hint, find_whose, take_in
from crm_platform.ingest.failures import MOST_TRIES, OF_ONE_OBJECT
from crm_platform.ingest.hint_budget import HintBudget
from crm_platform.ingest.planner import HISTORY_SHARE, Plan
from crm_platform.ingest.runs import (
    Connect,
    cannot_be_had,
    open_crawler,
    raise_if_nothing_was_kept,
    rate_of,
    unseen_in,
)
from crm_platform.ingest.strangers import Strangers
from crm_platform.ingest.timeliness import timeliness
from crm_platform.ingest.workers import WORKERS
from crm_platform.schemas import RawTable, raw
from crm_platform.warehouse import Written

if TYPE_CHECKING:
    from crm_platform.ingest.chat_state import ChatState
    from crm_platform.ingest.crawler import Crawler
    from crm_platform.ingest.planner import CrawlPlanner
    from crm_platform.settings import Settings
    from crm_platform.warehouse import Warehouse

TICK = timedelta(minutes=1)
"""How often a crawl asks the planner what to do next."""

SLOTS_RETURN = timedelta(seconds=61)
"""After so long the gate has every slot of a tick back: a minute, and a second for who reads the clock how."""

DECIDE_EVERY = timedelta(minutes=15)
"""How often a crawl that goes on looks for messages that stand in two chats: builds run beside it."""

LOOK_EVERY = 0.05
"""Seconds between two looks whether an event has come, while a crawl waits for its next tick."""

LULL = timedelta(seconds=15)
"""How often whoever watches a live crawl hears that nothing comes."""

WHOLE_LIST = "the list"
"""What cannot be had where no page of it is to blame."""


def crawl(
    settings: Settings,
    warehouse: Warehouse,
    *,
    requests: int | None = None,
    minutes: float | None = None,
    forever: bool = False,
    connect: Connect | None = None,
    progress: Callable[[Progress], None] = lambda _: None,
    now: Callable[[], datetime] = utc_now,
    sleep: Callable[[float], None] = time.sleep,
    workers: int = WORKERS,
    wait_seconds: float = 0.0,
    on_wait: Callable[[str], None] | None = None,
    on_stored: Callable[[bool, CrawlPlanner], None] | None = None,
) -> Iterator[Outcome]:
    """Spend requests where they are worth most, minute by minute, and yield an Outcome for each raw table at the end.

    Ends after `requests`, after `minutes`, when nothing is worth a request any more (unless `forever`), or when the
    day's allowance is spent or the server is down; `forever` waits for these to pass. Each tick is committed. A chat
    that an event names meanwhile is visited at once, as far as the quota allows; `on_stored` is called after whatever
    brought something, and hears whether that is a message or an event, or only what was known has changed, and of the
    planner whose state is stored then. Otherwise as `refresh`.
    """
    with open_crawler(
        settings,
        warehouse,
        connect=connect,
        progress=progress,
        now=now,
        workers=workers,
        wait_seconds=wait_seconds,
        on_wait=on_wait,
    ) as crawler:
        started_at = now()
        crawler.chats.load_states()
        ticks = _Ticks(crawler, settings, EventReader(warehouse, since=started_at))
        until = None if minutes is None else started_at + timedelta(minutes=minutes)
        problem: CrmPlatformError | None = None
        decided_at = started_at
        while True:
            tick_at = now()
            if tick_at - decided_at >= DECIDE_EVERY:
                decide_duplicates(warehouse, crawler.holder, at=tick_at)
                find_whose(warehouse, crawler.holder, at=tick_at)
                decided_at = tick_at
            left = None if requests is None else requests - crawler.recorder.requests
            problem, pause = None, 0.0
            try:
                busy = ticks.tick(left)
            except FixConfiguration:
                crawler.recorder.commit()
                raise
            except RetryLater as later:
                problem, busy, pause = later, False, later.retry_after or 0.0
            except CrmPlatformError as other:
                problem, busy = other, False
            crawler.recorder.commit()
            if (is_new := ticks.news()) is not None and on_stored is not None:
                on_stored(is_new, crawler.planner_store.planner)
            if requests is not None and crawler.recorder.requests >= requests:
                break
            # From the last answer, not from the tick's start: its slots come free a minute after their answers, and a
            # tick that begins before finds an empty gate, gives up its minute, and half the quota is lost.
            next_at = max(tick_at + TICK, now() + (SLOTS_RETURN if busy else timedelta(seconds=pause)))
            if until is not None and next_at >= until:
                break
            if not forever and (isinstance(problem, QuotaSpent) or ticks.is_done):
                break
            if not busy or ticks.is_limited:
                # No longer than was meant: a clock that is set back meanwhile would make it days.
                until_next = min(max(0.0, (next_at - now()).total_seconds()), max(pause, SLOTS_RETURN.total_seconds()))
                is_live = on_stored is not None
                for is_new in ticks.hints(until_next, sleep=sleep, requests=requests, is_live=is_live):
                    if on_stored is not None:
                        on_stored(is_new, crawler.planner_store.planner)
        problem = problem or crawler.failures.refused_key()
        account = crawler.recorder.account(raw.Messages)
        account.seconds_throttled = crawler.client.seconds_throttled
        account.remaining = ticks.remaining(problem)
        crawler.recorder.account(raw.CampaignReports).remaining = cannot_be_had(crawler, "campaign_report", "reports")
        account.metrics |= timeliness(warehouse, crawler.planner_store.planner, at=now()).metrics()
        if crawler.recorder.coverage is not None:
            account.metrics["coverage"] = crawler.recorder.coverage
        yield from (crawler.recorder.outcome(table, started_at=started_at) for table in raw.FETCHED)
        if problem is not None and not crawler.recorder.answers and not isinstance(problem, QuotaSpent):
            raise problem  # whoever started this got nothing, and must not take it for a run that had nothing to do
        if ticks.without_contacts is not None and not crawler.lists.has_swept():
            raise ticks.without_contacts  # nor this: nothing else can be asked for without a contact
        raise_if_nothing_was_kept(crawler)


@dataclass(slots=True)
class _Kind:
    """One kind of record in a tick: messages, or reports."""

    cannot_be_had: bool = False


class _Ticks:
    """One minute of a crawl after the other."""

    def __init__(self, crawler: Crawler, settings: Settings, events: EventReader) -> None:
        self._crawler = crawler
        self._planner = crawler.planner_store.planner
        self._events = events
        self._mode = settings.crawl_mode
        self._limits = Allowance(settings.minute_limit, settings.day_limit)
        self._rate = rate_of(self._limits)
        self._due_fetches = DueFetches(crawler.warehouse, per_minute=self._rate)
        with crawler.warehouse.reading() as session:
            self._stored = int(session.query("select count(*) as messages from raw.messages")["messages"][0].as_py())
        self._last_at: datetime | None = None
        self._history_fund = 0.0
        self._strangers = Strangers()
        self._hint_budget = HintBudget(self._limits, per_minute=self._rate)
        self._events_taken = 0
        self._news_by_then = (0, 0)
        self.is_done = False
        self.without_contacts: CrmPlatformError | None = None  # why the contact list could not be had to its end

    @property
    def is_limited(self) -> bool:
        """Whether a quota paces this crawl."""
        return self._rate is not None

    def news(self) -> bool | None:
        """Whether messages or events were stored since this was last asked; None: nothing that figures are made of."""
        written = self._crawler.recorder.written
        came = self._events_taken + sum(written.get(table, Written()).inserted for table in raw.BY_CHAT)
        changed = sum(one.inserted + one.updated for table, one in written.items() if issubclass(table, RawTable))
        before, self._news_by_then = self._news_by_then, (came, changed)
        return came > before[0] if (came, changed) != before else None

    def hints(
        self, seconds: float, *, sleep: Callable[[float], None], requests: int | None, is_live: bool
    ) -> Iterator[bool]:
        """Wait so long; visit at once what events name meanwhile, and yield what `news` says after what brought any.

        `is_live`: whoever watches hears now and then that nothing comes.
        """
        crawler = self._crawler
        told_at, is_heard = crawler.now(), crawler.inbox.is_in_use()
        left, at = seconds, crawler.now()
        while left > 0:
            nap = min(left, LOOK_EVERY if is_heard else LULL.total_seconds() if is_live else left)
            sleep(nap)
            # At least what was slept: a clock that is set back meanwhile would make it days.
            before, at = at, crawler.now()
            left -= max(nap, (at - before).total_seconds())
            if is_live and crawler.now() - told_at >= LULL:
                told_at = crawler.now()
                crawler.recorder.report_lull()
            if not is_heard:
                continue
            try:
                if not crawler.inbox.has_events() and not self._may_look_up(requests):
                    continue
                self._follow_hints(None if requests is None else requests - crawler.recorder.requests)
            except FixConfiguration:
                crawler.recorder.commit()
                raise
            except CrmPlatformError:
                is_heard = False  # the next tick meets the same, and knows what follows from it
            crawler.recorder.commit()
            if (is_new := self.news()) is not None:
                yield is_new

    def _take_in(self, at: datetime) -> list[Hint]:
        """The chats that new events name, each with the newest message that they tell of."""
        crawler = self._crawler
        self._events_taken += take_in(crawler.inbox, crawler.warehouse, crawler.holder)
        named = self._events.pass_on(crawler.planner_store, known=crawler.chats.states.keys(), at=at)
        for one in named.strangers:
            self._strangers.named(one, at=at)
        self._hint_budget.named(named.moments, at=at)
        return named.hints

    def _follow_hints(self, left: int | None) -> None:
        """Visit the chats that events name, but for what a visit has seen already, within their share of the quota.

        What is beyond that the planner knows of, and comes to it by its worth. Who is not on the list yet comes last.
        """
        crawler, at = self._crawler, self._crawler.now()
        before = crawler.recorder.requests
        hints, room = self._take_in(at), self._hint_budget.room(at)
        try:
            self._visit_named(hints, room=room, left=left, before=before)
            hints = self._look_up(at, room=self._hint_room(room, left=left, before=before))
            self._visit_named(hints, room=room, left=left, before=before)
        finally:
            spent = crawler.recorder.requests - before
            self._hint_budget.spent(spent)
            self._planner.spent(at=at, requests=spent)

    def _visit_named(self, hints: list[Hint], *, room: int | None, left: int | None, before: int) -> None:
        crawler, states = self._crawler, self._crawler.chats.states
        due = [
            one.chat_id
            for one in hints
            if (seen_until := states[one.chat_id].known_until) is None or seen_until <= one.message_at
        ]
        due = [chat_id for chat_id in due if not crawler.is_resting("list_messages", chat_id)]
        self._visit(due[: self._hint_room(room, left=left, before=before)], left=left, before=before)

    def _hint_room(self, room: int | None, *, left: int | None, before: int) -> int | None:
        """What is left of the room for events, and of the gate, since so many requests were sent."""
        mine = None if room is None else max(0, room - (self._crawler.recorder.requests - before))
        return _least(self._gate(left, before), mine)

    def _may_look_up(self, requests: int | None) -> bool:
        """Whether somebody is due to be looked up, and there is room for it."""
        at, sent = self._crawler.now(), self._crawler.recorder.requests
        if not self._strangers.due(at):
            return False
        left = None if requests is None else requests - sent
        return self._hint_room(self._hint_budget.room(at), left=left, before=sent) != 0

    def _look_up(self, at: datetime, *, room: int | None) -> list[Hint]:
        """Search for those who wrote and are not on the list yet; gives a hint for each whose chat was found."""
        crawler, hints = self._crawler, []
        problem: CrmPlatformError | None = None
        for one in self._strangers.due(at)[:room]:
            self._strangers.asked(one.number, at=crawler.now())
            try:
                chats = crawler.lists.look_up(one.number)
            except CrmPlatformError as trouble:
                problem = trouble
                break
            hints += [Hint(chat_id, one.message_at, one.received_at) for chat_id in chats]
            if chats:
                self._strangers.found(one.number)
        if hints:
            crawler.recorder.commit()
            find_whose(crawler.warehouse, crawler.holder, at=crawler.now())
        for hint in hints:
            crawler.planner_store.hinted(hint.chat_id, message_at=hint.message_at, at=at)
        if problem is not None and not isinstance(problem, OF_ONE_OBJECT):
            raise problem
        return hints

    def tick(self, left: int | None) -> bool:
        """Spend what may be spent now, at most `left`; says whether anything was."""
        crawler = self._crawler
        at = crawler.now()
        before = crawler.recorder.requests
        self._take_limits()
        self._estimate(at)
        self._take_in(at)
        self._fetch_what_is_due(at, left=left, before=before)
        history_pages = self._history_pages(at, is_due=any(state.is_due(at) for state in crawler.chats.states.values()))
        plan = self._plan(at, left=left, before=before, history_pages=history_pages)
        if plan.sweep:
            self._sweep(left=left, before=before)
            find_whose(crawler.warehouse, crawler.holder, at=crawler.now())
            if not plan.chats:  # the first sweep: only now are there chats to choose from
                plan = self._plan(crawler.now(), left=left, before=before, history_pages=history_pages)
        # Without those whom the sweep has just found gone: their trouble would never be over.
        due = [chat_id for chat_id in plan.chats if chat_id in crawler.chats.states]
        with self._of_its_kind() as messages:
            self._visit(due, left=left, before=before)
            self._deepen(pages=history_pages, left=left, before=before)
        busy = crawler.recorder.requests > before
        # Under a quota there is always a next best request; without one a tick that found nothing to do is the end, but
        # for a limit that the server itself has named: then it was only not allowed to.
        found_nothing = not busy or messages.cannot_be_had
        self.is_done = not self.is_limited and found_nothing and crawler.client.available() != 0
        return busy

    def _visit(self, due: list[str], *, left: int | None, before: int) -> None:
        crawler = self._crawler
        for _ in range(1 if self.is_limited else MOST_TRIES):  # under a quota the planner comes back to what failed
            failed = []
            for done, visit in enumerate(crawler.chats.visit(due), start=1):
                self._tell(done, len(due), left=self._free(left, before))
                if visit.failure is not None and crawler.failures.is_worth_another_try(
                    "list_messages", visit.state.chat_id, visit.failure
                ):
                    failed.append(visit.state.chat_id)
            due = failed[: self._free(left, before)]

    @contextlib.contextmanager
    def _of_its_kind(self) -> Iterator[_Kind]:
        """Let trouble with many objects of one kind end that kind's turn alone, while the CRM answers others."""
        kind = _Kind()
        try:
            yield kind
        except OF_ONE_OBJECT:
            if not self._crawler.is_answered():
                raise
            kind.cannot_be_had = True  # each object has its trouble, and rests

    def _plan(self, at: datetime, *, left: int | None, before: int, history_pages: int | None) -> Plan:
        free = self._free(left, before)
        return self._planner.plan(at, available=None if free is None else max(0, free - (history_pages or 0)))

    def _sweep(self, *, left: int | None, before: int) -> None:
        """Read the contact list; once more where it moved meanwhile, if that is to be had."""
        account = self._crawler.recorder.account(raw.Contacts)
        for _ in range(2):
            account.remaining = ""
            sweep = self._crawler.lists.sweep()
            account.remaining = account.remaining or unseen_in(sweep)
            if sweep.failure is not None:
                if isinstance(sweep.failure, OF_ONE_OBJECT) and (sweep.first or self._crawler.is_answered()):
                    self.without_contacts = sweep.failure
                    return
                raise sweep.failure
            free = self._free(left, before)
            if sweep.is_complete or (free is not None and free < sweep.requests):
                return

    def _take_limits(self) -> None:
        """Pace everything by the limits that hold now: a CRM names its own in its answers."""
        limits = self._crawler.client.limits()
        if limits != self._limits:
            self._limits, self._rate = limits, rate_of(limits)
            self._hint_budget.set_limits(limits, per_minute=self._rate)
            self._due_fetches.per_minute = self._rate
            self._crawler.recorder.is_limited = self.is_limited
            self._planner.set_limits(requests_per_minute=limits.minute, requests_per_day=limits.day, mode=self._mode)

    def _estimate(self, at: datetime) -> None:
        """How much of what is thought to exist is stored, and when the histories will be whole."""
        crawler = self._crawler
        missing = sum(state.missing for state in crawler.chats.states.values())
        stored = self._stored + crawler.recorder.written.get(raw.Messages, Written()).inserted
        expected = stored + missing + self._planner.expected_unseen(at)
        crawler.recorder.coverage = stored / expected if expected > 0 else None
        pages = sum(state.missing_pages for state in crawler.chats.states.values() if state.is_due(at))
        crawler.recorder.seconds_to_whole = None if self._rate is None else 60 * pages / (HISTORY_SHARE * self._rate)

    def remaining(self, problem: CrmPlatformError | None) -> str:
        """Say what is still missing, and why the crawl ended; empty when nothing is."""
        states = self._crawler.chats.states.values()
        parts = []
        if never := sum(state.known_until is None for state in states):
            parts.append(f"{never} of {len(states)} chats not visited yet")
        if not_whole := sum(state.is_open for state in states):
            parts.append(f"{not_whole} histories not whole")
        if why := cannot_be_had(self._crawler, "list_messages", "chats"):
            parts.append(why)
        if problem is not None:
            parts.append(str(problem))
        return "; ".join(parts)

    def _free(self, left: int | None, before: int) -> int | None:
        """Requests that a tick may send now: as `_gate`, but for what is kept free for events."""
        gate = self._gate(left, before)
        return None if gate is None else max(0, gate - self._hint_budget.reserved())

    def _gate(self, left: int | None, before: int) -> int | None:
        """Requests that may be sent now: what the gate has, and what is left of the caller's."""
        gate = self._crawler.client.available()
        if left is None:
            return gate
        mine = max(0, left - (self._crawler.recorder.requests - before))
        return mine if gate is None else min(gate, mine)

    def _fetch_what_is_due(self, at: datetime, *, left: int | None, before: int) -> None:
        """Custom fields, the campaign list and reports, within their shares of the quota."""
        crawler, fetches = self._crawler, self._due_fetches
        if fetches.is_custom_fields_due(at) and self._free(left, before) != 0:
            self._if_it_can_be_had(crawler.lists.custom_fields, "list_custom_fields", raw.CustomFields)
        if fetches.is_campaign_list_due(at) and self._free(left, before) != 0:
            self._if_it_can_be_had(crawler.lists.campaigns, "list_campaigns", raw.Campaigns)
            crawler.recorder.commit()
            fetches.reload()
        due = [one for one in fetches.reports_due(at) if not crawler.is_resting("campaign_report", one)]
        room = self._free(left, before)
        if due := due[: None if room is None else -(-room // 2)]:  # the other half is for chats
            with self._of_its_kind():
                crawler.lists.reports(due)
            crawler.recorder.commit()
            fetches.reload()

    def _if_it_can_be_had(self, step: Callable[[], None], operation: str, table: type[RawTable]) -> None:
        """Take a step; where one list cannot be had, and others can, the rest goes on without it."""
        troubles, at = self._crawler.troubles, self._crawler.now()
        account = self._crawler.recorder.account(table)
        account.remaining = ""
        try:
            step()
        except OF_ONE_OBJECT as problem:
            if not self._crawler.is_answered():
                raise
            if not any(one.operation == operation and one.target != WHOLE_LIST for one in troubles):
                troubles.met(operation, WHOLE_LIST, problem, at=at)
            account.remaining = ": ".join(filter(None, (account.remaining, str(problem))))

    def _history_pages(self, at: datetime, *, is_due: bool) -> int | None:
        """Pages of history that this tick may read; None = no limit."""
        if self._rate is None:
            return None
        elapsed = TICK if self._last_at is None else min(at - self._last_at, timedelta(minutes=15))
        self._last_at = at
        self._history_fund += HISTORY_SHARE * self._rate * (elapsed / TICK) if is_due else 0.0
        pages = int(self._history_fund)
        self._history_fund -= pages
        return pages

    def _deepen(self, *, pages: int | None, left: int | None, before: int) -> None:
        """Deepen histories, those nearest to being whole first: more chats are whole for the same requests."""
        crawler = self._crawler
        failed: set[str] = set()
        while True:
            crawler.chats.count_ended()
            room = _least(pages, self._free(left, before))
            at = crawler.now()
            due = [
                state
                for state in crawler.chats.states.values()
                if state.is_due(at)
                and state.chat_id not in failed
                and not crawler.is_resting("list_messages", state.chat_id)
            ]
            chosen = _affordable(sorted(due, key=lambda state: (state.missing_pages, state.chat_id)), room)
            if not chosen:
                return
            asked = crawler.recorder.requests
            per_chat = HISTORY_PAGES if room is None else min(HISTORY_PAGES, room // len(chosen))
            for done, visit in enumerate(crawler.chats.deepen(chosen, pages=per_chat), start=1):
                if visit.failure is not None:
                    failed.add(visit.state.chat_id)
                self._tell(done, len(chosen), left=self._free(left, before), stage="histories")
            if pages is not None:
                pages = max(0, pages - (crawler.recorder.requests - asked))

    def _tell(self, done: int, total: int, *, left: int | None, stage: str = "chats") -> None:
        self._crawler.recorder.requests_left = left
        self._crawler.recorder.report(stage, done, total)


def _least(*limits: int | None) -> int | None:
    return min((limit for limit in limits if limit is not None), default=None)


def _affordable(states: list[ChatState], room: int | None) -> list[str]:
    """As many of these chats, in their order, as `room` pages reach for; always one if there is room at all."""
    if room is None:
        return [state.chat_id for state in states]
    chosen: list[str] = []
    for state in states:
        if room <= 0 or (chosen and state.missing_pages > room):
            break
        chosen.append(state.chat_id)
        room -= state.missing_pages
    return chosen
