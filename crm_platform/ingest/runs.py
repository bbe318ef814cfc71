"""Runs of the crawler: until everything is current (`refresh`), or for an allowance (`crawl`).

What belongs here: which step comes when, how long, and what remains. What does not: the steps (crawler.py), which chats
are worth a visit (planner/), scheduling (defs/).

Current means, counted from the start of a refresh: one complete sweep, each present chat's newest page, every history
whole, the campaign list and each report once. What could not be had is not an error: a run keeps what it has and says
in words what remains.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from crm_platform.api import Allowance, CrmClient, Fetch, utc_now
from crm_platform.errors import (
    CrmPlatformError,
    FixConfiguration,
    GiveUp,
    QuotaSpent,
    RetryLater,
    ServerUnavailable,
    Unauthorized,
)
from crm_platform.ingest.agenda import Agenda
from crm_platform.ingest.batch import Batch
from crm_platform.ingest.clocks import settle
from crm_platform.ingest.connect import CRAWLER_RESERVE, FetchLog, open_client
from crm_platform.ingest.crawler import (
    FINAL,
    HISTORY_PAGES,
    MOST_ROUNDS,
    MOST_TRIES,
    OF_ONE_OBJECT,
    ROUNDS,
    WORKERS,
    Crawler,
    Outcome,
    Progress,
)
from crm_platform.ingest.events import Events
from crm_platform.ingest.memory import PlannerMemory
from crm_platform.ingest.planner import HISTORY_SHARE, Plan
from crm_platform.ingest.standing import standing
from crm_platform.ingest.trouble import Troubles, missed
from crm_platform.schemas import RawTable, raw
from crm_platform.warehouse import Written, claim, lease, lease_file

if TYPE_CHECKING:
    from crm_platform.ingest.sweep import Sweep
    from crm_platform.ingest.visits import ChatState, Visit
    from crm_platform.settings import Settings
    from crm_platform.warehouse import Warehouse

Connect = Callable[[Callable[[Fetch], None]], CrmClient]

TICK = timedelta(minutes=1)
"""How often a crawl asks the planner what to do next."""

WHOLE_LIST = "the list"
"""What cannot be had where no page of it is to blame."""

FEWEST_REJECTED = 2
"""One record that is broken is that record's trouble; this many, and none that is not, are the server's."""

FIRST_REPORTS_SHARE = 0.2
"""Share of a day's requests that a refresh spends on reports before it reads messages."""

SLOTS_RETURN = timedelta(seconds=61)
"""After so long the gate has every slot of a tick back: a minute, and a second for who reads the clock how."""


@contextlib.contextmanager
def _crawler(
    settings: Settings,
    warehouse: Warehouse,
    *,
    connect: Connect | None,
    progress: Callable[[Progress], None],
    now: Callable[[], datetime],
    workers: int,
    wait_seconds: float,
    on_wait: Callable[[str], None] | None,
) -> Iterator[Crawler]:
    """Be the only crawler, connected to the CRM whose data this is."""
    claim(warehouse, settings)
    fetch_log = FetchLog()
    connect = connect or (lambda on_fetch: open_client(settings, reserve=CRAWLER_RESERVE, on_fetch=on_fetch))
    with (
        lease(lease_file(settings.lock_dir, "crawl"), purpose="crawl", wait=wait_seconds, on_wait=on_wait),
        connect(fetch_log) as client,
    ):
        settle(warehouse, client, now=now())
        memory = PlannerMemory.load(settings, warehouse, at=now())
        with warehouse.reading() as session:
            troubles = Troubles.load(session)
        for trouble in troubles:
            if troubles.is_resting(trouble.operation, trouble.target, at=now()):
                memory.planner.rest(trouble.target, until=trouble.retry_at)
        yield Crawler(
            client,
            warehouse,
            fetch_log=fetch_log,
            memory=memory,
            troubles=troubles,
            batch=Batch(keep_text=settings.message_text == "keep"),
            progress=progress,
            now=now,
            workers=workers,
            is_limited=_rate(client.limits()) is not None,
        )


def refresh(
    settings: Settings,
    warehouse: Warehouse,
    *,
    tables: Collection[type[RawTable]] = raw.FETCHED,
    full_refresh: bool = False,
    connect: Connect | None = None,
    progress: Callable[[Progress], None] = lambda _: None,
    now: Callable[[], datetime] = utc_now,
    workers: int = WORKERS,
    wait_seconds: float = 0.0,
    on_wait: Callable[[str], None] | None = None,
) -> Iterator[Outcome]:
    """Fetch what `tables` hold until it is current, and yield an Outcome for each as its stage ends.

    `full_refresh` reads every chat's whole history again, as if nothing were known of it. `connect` opens a client that
    reports its requests to the callable it is given (default: the CRM of the settings, through the shared gate). Holds
    the crawl lease: another crawler is waited for `wait_seconds`, then Busy is raised, naming it. Raises
    FixConfiguration (a refused key), after committing what had come before, and what kept the very first sweep from
    ending.
    """
    with _crawler(
        settings,
        warehouse,
        connect=connect,
        progress=progress,
        now=now,
        workers=workers,
        wait_seconds=wait_seconds,
        on_wait=on_wait,
    ) as crawler:
        stages = _Stages(crawler, anew=full_refresh)
        nobody: CrmPlatformError | None = None  # why nobody is answered any more
        for stage, of in _in_order(stages):
            wanted = [table for table in of if table in tables]
            if not wanted:
                continue
            started_at = now()
            throttled = crawler.client.seconds_throttled
            account = crawler.account(of[0])
            try:
                if nobody is not None:
                    raise nobody
                stage()
            except CrmPlatformError as problem:
                account.remaining = f"{account.remaining or stage.__name__.replace('_', ' ')}: {problem}"
                crawler.commit()
                if of[0] is raw.Contacts and not crawler.has_swept():
                    raise  # nothing is known of this CRM yet: figures of nothing would mislead
                if isinstance(problem, FixConfiguration) and not _is_of_one_list(problem, crawler):
                    crawler.commit()
                    raise
                if nobody is None and isinstance(problem, ServerUnavailable) and not crawler.is_answered():
                    nobody = problem
            account.seconds_throttled = crawler.client.seconds_throttled - throttled
            crawler.commit()
            yield from (crawler.outcome(table, started_at=started_at) for table in wanted)
        _raise_if_nothing_was_kept(crawler)


def _is_of_one_list(problem: CrmPlatformError, crawler: Crawler) -> bool:
    """Whether a refused key is refused for one list alone."""
    return isinstance(problem, Unauthorized) and crawler.is_answered()


def _raise_if_nothing_was_kept(crawler: Crawler) -> None:
    """A run that keeps nothing of what it read is not a good one. Raises GiveUp, naming kinds, counts and reasons."""
    lost = [
        f"{table.full_name()}: {account.rejected} records, {', '.join(sorted(account.reasons))}"
        for table, account in crawler.accounts.items()
        if account.rejected >= FEWEST_REJECTED and not account.kept
    ]
    if lost:
        raise GiveUp(
            f"none of what was read could be kept ({'; '.join(lost)}): the CRM's answers are not as its contract says; "
            "the records are in ops.quarantine"
        )


def _in_order(stages: _Stages) -> Iterator[tuple[Callable[[], None], tuple[type[RawTable], ...]]]:
    """The stages and what each fetches.

    Under a quota, ours or one that the CRM has named by now, the cheapest figures come first; without one, what moves
    fastest is read closest to the cut.
    """
    yield stages.contacts, (raw.Contacts, raw.ContactSweeps)
    yield stages.custom_fields, (raw.CustomFields,)
    crawler = stages.crawler
    limits = crawler.client.limits()
    crawler.is_limited = _rate(limits) is not None
    messages, reports = (stages.messages, (raw.Messages,)), (stages.reports, (raw.CampaignReports,))
    campaigns = (stages.campaigns, (raw.Campaigns,))
    if not crawler.is_limited:
        yield from (messages, campaigns, reports)
    elif limits.day is None:
        yield from (campaigns, reports, messages)
    else:
        # A day's requests can run out: neither may eat up the other.
        stages.first_reports = int(FIRST_REPORTS_SHARE * limits.day)
        yield from (campaigns, messages, reports)


@dataclass(slots=True)
class _Stages:
    """The stages of a refresh."""

    crawler: Crawler
    anew: bool
    first_reports: int = 0
    asked: set[str] = field(default_factory=set)
    visited: set[str] = field(default_factory=set)

    def contacts(self) -> None:
        """Sweep the contact list, until a sweep is complete."""
        account = self.crawler.account(raw.Contacts)
        for _ in range(ROUNDS):
            sweep = self.crawler.sweep()
            # Pages that could not be had twice are left to the next run.
            is_stuck = sweep.failed and not any(
                self.crawler.is_worth_another_try("list_contacts", f"page {page}", problem)
                for page, problem in sweep.failed.items()
            )
            if sweep.is_complete or is_stuck or isinstance(sweep.failure, FINAL):
                break
        if sweep.failure is not None and not sweep.is_complete:
            raise sweep.failure
        account.remaining = _unseen(sweep)

    def custom_fields(self) -> None:
        """Fetch the tenant's custom fields."""
        self.crawler.custom_fields()

    def campaigns(self) -> None:
        """Fetch the campaign list, and where reports come last, the first of them."""
        self.crawler.campaigns()
        if self.first_reports:
            self.crawler.commit()
            first = self._reports_due()[: self.first_reports]
            self.asked |= set(first)
            self.crawler.reports(first)

    def reports(self) -> None:
        """Fetch every campaign's report that was not fetched yet; what failed is tried again."""
        crawler = self.crawler
        crawler.commit()
        due = self._reports_due()
        account = crawler.account(raw.CampaignReports)
        account.remaining = f"{len(due)} reports"
        for _ in range(MOST_TRIES):
            due = [
                campaign_id
                for campaign_id, problem in crawler.reports(due).items()
                if crawler.is_worth_another_try("campaign_report", campaign_id, problem)
            ]
            if not due:
                break
        account.remaining = _cannot_be_had(crawler, "campaign_report", "reports")

    def _reports_due(self) -> list[str]:
        """Campaigns whose report this run has not asked for, those that were sent last first; drafts at the end."""
        with self.crawler.warehouse.reading() as session:
            campaigns = session.query(_CAMPAIGNS)["campaign_id"].to_pylist()
        return [
            one for one in campaigns if one not in self.asked and not self.crawler.is_resting("campaign_report", one)
        ]

    def messages(self) -> None:
        """Visit every present chat's newest page, and read every history that is not whole."""
        crawler = self.crawler
        crawler.commit()
        crawler.load_states(anew=self.anew)
        account = crawler.account(raw.Messages)
        total = len(crawler.states)
        current: set[str] = set()
        # Those never visited first: a page of each tells more than the newest minute of a few.
        due = [chat_id for chat_id in crawler.states if not crawler.is_resting("list_messages", chat_id)]
        due.sort(key=lambda chat_id: crawler.states[chat_id].known_until is not None)
        try:
            for _ in range(MOST_ROUNDS):
                failed = self._read(due, current)
                due = [
                    chat_id
                    for chat_id, problem in failed.items()
                    if crawler.is_worth_another_try("list_messages", chat_id, problem)
                ]
                if not due:
                    break
        finally:
            account.metrics["chats"] = total
            account.metrics["chats_current"] = len(current)
            if len(current) < total:
                account.remaining = f"{total - len(current)} of {total} chats"
        if account.remaining:
            fell_short = sum(state.fell_short_at is not None for state in crawler.states.values())
            short = f"{fell_short} hold less than the CRM counts" if fell_short else ""
            why = "; ".join(filter(None, (short, _cannot_be_had(crawler, "list_messages", "chats"))))
            account.remaining += f": {why}" if why else ""

    def _read(self, chat_ids: list[str], current: set[str]) -> dict[str, CrmPlatformError]:
        """Visit these chats and read their histories; notes which are current, gives what failed."""
        crawler = self.crawler
        failed: dict[str, CrmPlatformError] = {}
        asked = set(chat_ids)
        # Where only the history failed, the newest page need not be had again.
        unvisited = [chat_id for chat_id in chat_ids if chat_id not in self.visited]
        reading: Iterator[Visit] = crawler.visit(unvisited, anew=self.anew)
        while True:
            for visit in reading:
                chat_id = visit.state.chat_id
                if visit.is_newest and visit.failure is None:
                    self.visited.add(chat_id)
                if visit.failure is not None:
                    failed[chat_id] = visit.failure
                elif visit.state.is_history_whole:
                    current.add(chat_id)
                crawler.report("messages", len(current), len(crawler.states))
            left = asked - failed.keys() - current
            unfinished = self._due(left - crawler.ended)
            if not unfinished:
                # Only now: a count opens the file, and the reading waits for it.
                crawler.prove()
                current |= {chat_id for chat_id in left if crawler.states[chat_id].is_history_whole}
                unfinished = self._due(left - current)
            if not unfinished:
                return failed
            reading = crawler.deepen(unfinished)

    def _due(self, chat_ids: set[str]) -> list[str]:
        """Those of the chats whose history is to be read on, in their order."""
        at = self.crawler.now()
        return sorted(chat_id for chat_id in chat_ids if self.crawler.states[chat_id].is_due(at))


_CAMPAIGNS = """
    select campaign_id
    from raw.campaigns
    order by status in ('draft', 'scheduled'), coalesce(scheduled_at, created_at, first_fetched_at) desc, campaign_id
"""


def _unseen(sweep: Sweep) -> str:
    """What a pass over the contact list leaves to be told: why it was not complete, or is not believed."""
    if sweep.is_complete or sweep.warning:
        return sweep.warning
    if sweep.failure is not None:
        return f"the contact list: {sweep.failure}"
    missing = f": {sweep.missing} of {sweep.total} were not seen" if sweep.missing else ""
    return f"no sweep of the contact list was complete{missing}"


def _cannot_be_had(crawler: Crawler, operation: str, what: str) -> str:
    """How many objects cannot be had, and what the first of them answers."""
    crawler.commit()
    with crawler.warehouse.reading() as session:
        troubles = [one for one in missed(session) if one.operation == operation]
    if operation == "list_messages":
        troubles = [one for one in troubles if one.target in crawler.states]
    return f"{len(troubles)} {what} cannot be had: {troubles[0].reason}" if troubles else ""


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
) -> Iterator[Outcome]:
    """Spend requests where they are worth most, minute by minute, and yield an Outcome for each raw table at the end.

    Ends after `requests`, after `minutes`, when nothing is worth a request any more (unless `forever`), or when the
    day's allowance is spent or the server is down; `forever` waits for these to pass. Each tick is committed.
    Otherwise as `refresh`.
    """
    with _crawler(
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
        crawler.load_states()
        ticks = _Ticks(crawler, settings, Events(warehouse, since=started_at))
        until = None if minutes is None else started_at + timedelta(minutes=minutes)
        problem: CrmPlatformError | None = None
        while True:
            tick_at = now()
            left = None if requests is None else requests - crawler.requests
            problem, pause = None, 0.0
            try:
                busy = ticks.tick(left)
            except FixConfiguration:
                crawler.commit()
                raise
            except RetryLater as later:
                problem, busy, pause = later, False, later.retry_after or 0.0
            except CrmPlatformError as other:
                problem, busy = other, False
            crawler.commit()
            if requests is not None and crawler.requests >= requests:
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
                sleep(min(max(0.0, (next_at - now()).total_seconds()), max(pause, SLOTS_RETURN.total_seconds())))
        account = crawler.account(raw.Messages)
        account.seconds_throttled = crawler.client.seconds_throttled
        account.remaining = ticks.remaining(problem)
        crawler.account(raw.CampaignReports).remaining = _cannot_be_had(crawler, "campaign_report", "reports")
        account.metrics |= standing(warehouse, crawler.memory.planner, at=now()).metrics()
        if crawler.coverage is not None:
            account.metrics["coverage"] = crawler.coverage
        yield from (crawler.outcome(table, started_at=started_at) for table in raw.FETCHED)
        if problem is not None and not crawler.answers and not isinstance(problem, QuotaSpent):
            raise problem  # whoever started this got nothing, and must not take it for a run that had nothing to do
        if ticks.without_contacts is not None and not crawler.has_swept():
            raise ticks.without_contacts  # nor this: nothing else can be asked for without a contact
        _raise_if_nothing_was_kept(crawler)


@dataclass(slots=True)
class _Kind:
    """One kind of record in a tick: messages, or reports."""

    cannot_be_had: bool = False


class _Ticks:
    """One minute of a crawl after the other."""

    def __init__(self, crawler: Crawler, settings: Settings, events: Events) -> None:
        self._crawler = crawler
        self._planner = crawler.memory.planner
        self._events = events
        self._mode = settings.crawl_mode
        self._limits = Allowance(settings.minute_limit, settings.day_limit)
        self._rate = _rate(self._limits)
        self._agenda = Agenda(crawler.warehouse, per_minute=self._rate)
        with crawler.warehouse.reading() as session:
            self._stored = int(session.query("select count(*) as messages from raw.messages")["messages"][0].as_py())
        self._last_at: datetime | None = None
        self._history_fund = 0.0
        self.is_done = False
        self.without_contacts: CrmPlatformError | None = None  # why the contact list could not be had to its end

    @property
    def is_limited(self) -> bool:
        """Whether a quota paces this crawl."""
        return self._rate is not None

    def tick(self, left: int | None) -> bool:
        """Spend what may be spent now, at most `left`; says whether anything was."""
        crawler = self._crawler
        at = crawler.now()
        before = crawler.requests
        self._hear_of_limits()
        self._estimate(at)
        self._events.hear(crawler.memory, at=at)
        self._fetch_what_is_due(at, left=left, before=before)
        history_pages = self._history_pages(at, is_due=any(state.is_due(at) for state in crawler.states.values()))
        plan = self._plan(at, left=left, before=before, history_pages=history_pages)
        if plan.sweep:
            self._sweep(left=left, before=before)
            if not plan.chats:  # the first sweep: only now are there chats to choose from
                plan = self._plan(crawler.now(), left=left, before=before, history_pages=history_pages)
        # Without those whom the sweep has just found gone: their trouble would never be over.
        due = [chat_id for chat_id in plan.chats if not plan.sweep or chat_id in crawler.states]
        with self._of_its_kind() as messages:
            self._visit(due, left=left, before=before)
            self._deepen(pages=history_pages, left=left, before=before)
        busy = crawler.requests > before
        # Under a quota there is always a next best request; without one a tick that found nothing to do is the end, but
        # for a limit that the server itself has named: then it was only not allowed to.
        found_nothing = not busy or messages.cannot_be_had
        self.is_done = not self.is_limited and found_nothing and crawler.client.available() != 0
        return busy

    def _visit(self, due: list[str], *, left: int | None, before: int) -> None:
        crawler = self._crawler
        for _ in range(1 if self.is_limited else MOST_TRIES):  # under a quota the planner comes back to what failed
            failed = []
            for done, visit in enumerate(crawler.visit(due), start=1):
                self._tell(done, len(due), left=self._free(left, before))
                if visit.failure is not None and crawler.is_worth_another_try(
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
        account = self._crawler.account(raw.Contacts)
        for _ in range(2):
            account.remaining = ""
            sweep = self._crawler.sweep()
            account.remaining = account.remaining or _unseen(sweep)
            if sweep.failure is not None:
                if isinstance(sweep.failure, OF_ONE_OBJECT) and (sweep.first or self._crawler.is_answered()):
                    self.without_contacts = sweep.failure
                    return
                raise sweep.failure
            free = self._free(left, before)
            if sweep.is_complete or (free is not None and free < sweep.requests):
                return

    def _hear_of_limits(self) -> None:
        """Pace everything by the limits that hold now: a CRM names its own in its answers."""
        limits = self._crawler.client.limits()
        if limits != self._limits:
            self._limits, self._rate = limits, _rate(limits)
            self._agenda.per_minute = self._rate
            self._crawler.is_limited = self.is_limited
            self._planner.set_limits(requests_per_minute=limits.minute, requests_per_day=limits.day, mode=self._mode)

    def _estimate(self, at: datetime) -> None:
        """How much of what is thought to exist is stored, and when the histories will be whole."""
        crawler = self._crawler
        missing = sum(state.missing for state in crawler.states.values())
        stored = self._stored + crawler.written.get(raw.Messages, Written()).inserted
        expected = stored + missing + self._planner.expected_unseen(at)
        crawler.coverage = stored / expected if expected > 0 else None
        pages = sum(state.missing_pages for state in crawler.states.values() if state.is_due(at))
        crawler.seconds_to_whole = None if self._rate is None else 60 * pages / (HISTORY_SHARE * self._rate)

    def remaining(self, problem: CrmPlatformError | None) -> str:
        """Say what is still missing, and why the crawl ended; empty when nothing is."""
        states = self._crawler.states.values()
        parts = []
        if never := sum(state.known_until is None for state in states):
            parts.append(f"{never} of {len(states)} chats not visited yet")
        if not_whole := sum(state.is_open for state in states):
            parts.append(f"{not_whole} histories not whole")
        if why := _cannot_be_had(self._crawler, "list_messages", "chats"):
            parts.append(why)
        if problem is not None:
            parts.append(str(problem))
        return "; ".join(parts)

    def _free(self, left: int | None, before: int) -> int | None:
        """Requests that may be sent now: what the gate has, and what is left of the caller's."""
        gate = self._crawler.client.available()
        if left is None:
            return gate
        mine = max(0, left - (self._crawler.requests - before))
        return mine if gate is None else min(gate, mine)

    def _fetch_what_is_due(self, at: datetime, *, left: int | None, before: int) -> None:
        """Custom fields, the campaign list and reports, within their shares of the quota."""
        crawler, agenda = self._crawler, self._agenda
        if agenda.is_custom_fields_due(at) and self._free(left, before) != 0:
            self._if_it_can_be_had(crawler.custom_fields, "list_custom_fields", raw.CustomFields)
        if agenda.is_campaign_list_due(at) and self._free(left, before) != 0:
            self._if_it_can_be_had(crawler.campaigns, "list_campaigns", raw.Campaigns)
            crawler.commit()
            agenda.look()
        due = [one for one in agenda.reports_due(at) if not crawler.is_resting("campaign_report", one)]
        room = self._free(left, before)
        if due := due[: None if room is None else -(-room // 2)]:  # the other half is for chats
            with self._of_its_kind():
                crawler.reports(due)
            crawler.commit()
            agenda.look()

    def _if_it_can_be_had(self, step: Callable[[], None], operation: str, table: type[RawTable]) -> None:
        """Take a step; where one list cannot be had, and others can, the rest goes on without it."""
        troubles, at = self._crawler.troubles, self._crawler.now()
        account = self._crawler.account(table)
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
            crawler.prove()
            room = _least(pages, self._free(left, before))
            at = crawler.now()
            due = [
                state
                for state in crawler.states.values()
                if state.is_due(at)
                and state.chat_id not in failed
                and not crawler.is_resting("list_messages", state.chat_id)
            ]
            chosen = _affordable(sorted(due, key=lambda state: (state.missing_pages, state.chat_id)), room)
            if not chosen:
                return
            asked = crawler.requests
            per_chat = HISTORY_PAGES if room is None else min(HISTORY_PAGES, room // len(chosen))
            for done, visit in enumerate(crawler.deepen(chosen, pages=per_chat), start=1):
                if visit.failure is not None:
                    failed.add(visit.state.chat_id)
                self._tell(done, len(chosen), left=self._free(left, before), stage="histories")
            if pages is not None:
                pages = max(0, pages - (crawler.requests - asked))

    def _tell(self, done: int, total: int, *, left: int | None, stage: str = "chats") -> None:
        self._crawler.requests_left = left
        self._crawler.report(stage, done, total)


def _rate(limits: Allowance) -> float | None:
    """Requests a minute that these limits allow on average; None = no limit."""
    known = [float(limit) for limit in (limits.minute, limits.day and limits.day / 1440) if limit]
    return min(known) if known else None


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
