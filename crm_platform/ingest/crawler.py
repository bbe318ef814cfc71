"""The crawler: each kind of fetching as one step, with what came committed in batches.

What belongs here: sweeping, listing, reporting, visiting and deepening, with threads, batches and an account of what
each raw table got. What does not: which step comes next (runs.py, planner.py), what one visit or sweep is (visits.py,
sweep.py), rows (batch.py).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import islice
from queue import SimpleQueue
from typing import TYPE_CHECKING, TypeVar

from crm_platform.api import Answer, CampaignReport, CrmClient, Fetch
from crm_platform.errors import CrmPlatformError, FixConfiguration, NotFound, QuotaSpent, RetryLater, SkipRecord
from crm_platform.ingest.batch import Batch, rejected_key
from crm_platform.ingest.clocks import CLOCK_SLACK, ClockIsWrong
from crm_platform.ingest.planner import SeenMessage
from crm_platform.ingest.sweep import PRESENT, Sweep, record_sweep
from crm_platform.ingest.visits import PAGE_SIZE, ChatState, Known, Visit, deepen, visit_newest
from crm_platform.schemas import RawTable, Table, raw
from crm_platform.warehouse import Written

if TYPE_CHECKING:
    from crm_platform.ingest.connect import FetchLog
    from crm_platform.ingest.memory import PlannerMemory
    from crm_platform.warehouse import Warehouse

T = TypeVar("T")
R = TypeVar("R")

WORKERS = 4
"""Requests under way at once: enough to hide the CRM's answer time, few enough to be a polite guest."""

LOOKAHEAD = 6 * WORKERS
"""Visits that may be under way or waiting to be stored under a quota: few, since a kill forgets them."""

LOOKAHEAD_UNLIMITED = 100 * WORKERS
"""The same where no request is dear: what keeps the threads busy for the second that a commit takes."""

BATCH_ROWS = 50_000
"""Rows that are committed together: a few seconds' work, and what a kill may cost."""

BATCH_REQUESTS = 200
"""Requests that are committed together under a quota; with those under way they stay below MOST_UNCOMMITTED."""

COMMIT_EVERY = timedelta(minutes=1)
"""What came waits no longer than this: a kill costs a minute, however slow somebody's limit makes the requests."""

LOOKUP_CHATS = 500
"""Chats whose known messages are looked up at once."""

KNOWN_MESSAGES = 2 * 100
"""Newest stored messages a chat that a visit is held against: two pages' worth."""

HISTORY_PAGES = 10
"""Pages of history read before another chat has its turn: a chat's history is committed in pieces of this size."""

ROUNDS = 3
"""Times that what failed is tried again before a run ends."""

FAILURES_IN_A_ROW = 6
"""So many failures one after the other, each of several tries, mean that the server is down: the run ends."""

FINAL = (QuotaSpent, FixConfiguration)
"""Errors that no other try in this run can mend."""

SENT = frozenset({"active", "in_progress", "completed"})
"""Campaign statuses that say messages went out."""


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a stage has come. `total` and `requests_left` are None where they are not known or not limited.

    `coverage`: share of the messages that are thought to exist that is stored; `seconds_to_whole`: until every history
    is whole at the present pace. Both are None where they are not known.
    """

    stage: str
    done: int
    total: int | None
    requests: int
    messages: int
    requests_left: int | None = None
    coverage: float | None = None
    seconds_to_whole: float | None = None


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a run did for one raw table. `remaining`: what is still missing and why, empty when nothing is."""

    table: type[RawTable]
    inserted: int
    updated: int
    unchanged: int
    rejected: int
    requests: int
    started_at: datetime
    finished_at: datetime
    seconds_throttled: float
    remaining: str
    metrics: dict[str, float | int | str]


@dataclass(slots=True)
class Account:
    """What has been done for one raw table so far."""

    requests: int = 0
    rejected: int = 0
    seconds_throttled: float = 0.0
    remaining: str = ""
    metrics: dict[str, float | int | str] = field(default_factory=dict)


@dataclass(slots=True)
class ReportAnswer:
    """A campaign's report, or why there is none."""

    campaign_id: str
    report: Answer[CampaignReport] | None = None
    fetches: list[Fetch] = field(default_factory=list)
    failure: CrmPlatformError | None = None


class Crawler:
    """One crawl at work. Its steps raise CrmPlatformError when they cannot go on; what came before is in the batch."""

    def __init__(
        self,
        client: CrmClient,
        warehouse: Warehouse,
        *,
        fetch_log: FetchLog,
        memory: PlannerMemory,
        batch: Batch,
        progress: Callable[[Progress], None],
        now: Callable[[], datetime],
        workers: int = WORKERS,
        is_limited: bool = False,
    ) -> None:
        self.client = client
        self.warehouse = warehouse
        self.memory = memory
        self.batch = batch
        self.now = now
        self.requests = 0
        self.messages = 0
        self.accounts: dict[type[RawTable], Account] = {}
        self.written: dict[type[Table], Written] = {}
        self.states: dict[str, ChatState] = {}
        self.requests_left: int | None = None
        self.coverage: float | None = None
        self.seconds_to_whole: float | None = None
        self._fetch_log = fetch_log
        self._progress = progress
        self._committed_at = now()
        self._workers = workers
        self._page_size = PAGE_SIZE  # then the server's, which may give fewer
        self.is_limited = is_limited  # whether a quota makes requests dear
        self._stopped_by: CrmPlatformError | None = None
        self._failures_in_a_row = 0

    # What a run asks about its work.

    def account(self, table: type[RawTable]) -> Account:
        """What has been done for a table."""
        return self.accounts.setdefault(table, Account())

    def outcome(self, table: type[RawTable], *, started_at: datetime) -> Outcome:
        """Close a table's account."""
        account = self.account(raw.Contacts if table is raw.ContactSweeps else table)
        written = self.written.get(table, Written())
        return Outcome(
            table=table,
            inserted=written.inserted,
            updated=written.updated,
            unchanged=written.unchanged,
            rejected=account.rejected,
            requests=account.requests,
            started_at=started_at,
            finished_at=self.now(),
            seconds_throttled=account.seconds_throttled,
            remaining=account.remaining,
            metrics=account.metrics,
        )

    def report(self, stage: str, done: int, total: int | None) -> None:
        """Tell whoever watches."""
        self._progress(
            Progress(
                stage,
                done,
                total,
                self.requests,
                self.messages,
                requests_left=self.requests_left,
                coverage=self.coverage,
                seconds_to_whole=self.seconds_to_whole,
            )
        )

    def commit(self, *, when_full: bool = False) -> None:
        """Write the batch; with `when_full` only if it is large enough."""
        is_full = len(self.batch) >= BATCH_ROWS or (self.is_limited and len(self.batch.fetches) >= BATCH_REQUESTS)
        if when_full and not is_full and self.now() - self._committed_at < COMMIT_EVERY:
            return
        if self.now() < self._committed_at - CLOCK_SLACK:
            raise ClockIsWrong("this machine's clock was set back while the run was at work; the next run goes on")
        self.memory.save(self.batch, at=self.now())
        for table, written in self.batch.commit(self.warehouse).items():
            self.written[table] = self.written.get(table, Written()) + written
        self._committed_at = self.now()

    # Steps.

    def sweep(self) -> Sweep:
        """Read the contact list once and record what it showed; the sweep says whether it was complete or failed."""
        account = self.account(raw.Contacts)
        sweep = Sweep(self.client)
        pages = sweep.pages()
        while (page := self._recorded(lambda: next(pages, None), account)) is not None:
            self.batch.contacts(page)
            account.rejected += len(page.rejected)
            self.report("contacts", len(sweep.seen), page.total)
            self.commit(when_full=True)
        self._failures_in_a_row = 0 if sweep.failure is None else self._failures_in_a_row + 1
        missed = record_sweep(sweep, self.batch, self.warehouse)
        if sweep.first is not None:
            self.memory.sighted(sweep.seen, at=sweep.first.fetch.started_at)
            self.memory.gone(missed)
        if sweep.is_complete:
            self.memory.swept(at=self.now(), requests=sweep.requests)
        else:
            self.memory.planner.swept_in_part(at=self.now(), requests=sweep.requests)
        for chat_id in sweep.seen - self.states.keys():
            self.states[chat_id] = ChatState(chat_id)
        for chat_id in missed:
            self.states.pop(chat_id, None)
        account.metrics["seen_contacts"] = len(sweep.seen)
        account.metrics["is_complete"] = str(sweep.is_complete).lower()
        if sweep.last is not None and sweep.last.total is not None:
            account.metrics["reported_total"] = sweep.last.total
        return sweep

    def custom_fields(self) -> None:
        """Fetch the tenant's custom fields."""
        account = self.account(raw.CustomFields)
        page = self._recorded(self.client.list_custom_fields, account)
        account.rejected += len(page.rejected)
        self.batch.custom_fields(page)
        self.memory.planner.spent(at=self.now(), requests=1)

    def campaigns(self) -> None:
        """Fetch the campaign list; tell the planner of campaigns that went out since the last look."""
        account = self.account(raw.Campaigns)
        with self.warehouse.reading() as session:
            known = session.query(
                "select campaign_id, status from (select campaign_id, status, row_number() over (partition by "
                "campaign_id order by observed_at desc) as newest from raw.campaign_statuses) as statuses "
                "where newest = 1"
            )
        statuses: dict[str, str | None] = dict(
            zip(known["campaign_id"].to_pylist(), known["status"].to_pylist(), strict=True)
        )
        pages = self.client.campaign_pages()
        done = 0
        before = account.requests
        while (page := self._recorded(lambda: next(pages, None), account)) is not None:
            self.batch.campaigns(page, known_statuses=statuses)
            account.rejected += len(page.rejected)
            for campaign in page.records:
                previous = statuses.get(campaign.campaign_id, campaign.status)
                if campaign.status in SENT and previous not in SENT:
                    sent_at = campaign.scheduled_at or page.fetch.started_at
                    self.memory.campaign_sent(at=sent_at, recipients=campaign.total_recipients or 0)
                statuses[campaign.campaign_id] = campaign.status
            done += len(page.records)
            self.report("campaigns", done, page.total)
        self.memory.planner.spent(at=self.now(), requests=account.requests - before)

    def reports(self, campaign_ids: list[str]) -> dict[str, CrmPlatformError]:
        """Fetch these campaigns' reports; gives what failed. A campaign that has no report is no failure."""
        account = self.account(raw.CampaignReports)
        with self.warehouse.reading() as session:
            snapshots = session.query(
                "select campaign_id, content_hash, first_fetched_at from (select *, row_number() over (partition by "
                "campaign_id order by first_fetched_at desc) as newest from raw.campaign_reports) as reports "
                "where newest = 1"
            ).to_pylist()
        last = {row["campaign_id"]: (row["content_hash"], row["first_fetched_at"]) for row in snapshots}
        failed: dict[str, CrmPlatformError] = {}
        before = account.requests
        for done, answer in enumerate(self._parallel(self._fetch_report, campaign_ids), start=1):
            self._booked(answer.fetches, account)
            if answer.report is not None:
                report = answer.report
                self.batch.report(report.value, report.fetch, last=last.get(answer.campaign_id))
            if answer.failure is not None and not isinstance(answer.failure, NotFound | SkipRecord):
                failed[answer.campaign_id] = answer.failure
            self._judge(answer.failure)
            self.report("campaign reports", done, len(campaign_ids))
            self.commit(when_full=True)
        self.memory.planner.spent(at=self.now(), requests=account.requests - before)
        self._raise_if_stopped()
        return failed

    def has_swept(self) -> bool:
        """Whether any sweep has ever ended with a page seen."""
        with self.warehouse.reading() as session:
            return bool(session.query("select sweep_id from raw.contact_sweeps limit 1").num_rows)

    def load_states(self, *, anew: bool = False) -> None:
        """Read the crawl state of every present contact; `anew`: as if none had ever been visited."""
        with self.warehouse.reading() as session:
            present = session.query(PRESENT)["chat_id"].to_pylist()
            known = [] if anew else session.query("select * from ops.crawl_state").to_pylist()
        for row in known:
            row.update({name: row[name] and row[name].replace(tzinfo=UTC) for name in ("known_until", "failed_at")})
        stored = {row["chat_id"]: ChatState(**row) for row in known}
        self.states = {chat_id: stored.get(chat_id) or ChatState(chat_id) for chat_id in sorted(present)}

    def visit(self, chat_ids: Iterable[str], *, anew: bool = False) -> Iterator[Visit]:
        """Visit the newest end of these chats and keep what came; raises when the server is down or all is spent."""
        states = (self.states.get(chat_id) or ChatState(chat_id) for chat_id in chat_ids)
        while chunk := list(islice(states, LOOKUP_CHATS)):
            visited = [state.chat_id for state in chunk if state.known_until is not None]
            known = {} if anew else self._known(visited)
            nothing = Known()
            yield from self._kept(
                self._parallel(lambda state: self._visit(state, known.get(state.chat_id, nothing)), chunk)  # noqa: B023
            )
            self._raise_if_stopped()

    def deepen(self, chat_ids: Iterable[str], *, pages: int = HISTORY_PAGES) -> Iterator[Visit]:
        """Read up to `pages` further pages of these chats' histories."""
        states = [self.states[chat_id] for chat_id in chat_ids]
        before = self.account(raw.Messages).requests
        yield from self._kept(self._parallel(lambda state: self._deepen(state, pages), states))
        self.memory.planner.spent(at=self.now(), requests=self.account(raw.Messages).requests - before)
        self._raise_if_stopped()

    # What the steps share.

    def _judge(self, failure: CrmPlatformError | None) -> None:
        """Stop the run when an error is final, or when the server seems to be down."""
        is_trouble = isinstance(failure, RetryLater)
        self._failures_in_a_row = self._failures_in_a_row + 1 if is_trouble else 0
        if isinstance(failure, FINAL) or self._failures_in_a_row >= FAILURES_IN_A_ROW:
            self._stopped_by = failure

    def _raise_if_stopped(self) -> None:
        stopped_by, self._stopped_by = self._stopped_by, None
        if stopped_by is not None:
            raise stopped_by

    def _kept(self, visits: Iterator[Visit]) -> Iterator[Visit]:
        account = self.account(raw.Messages)
        for visit in visits:
            state = visit.state
            for page in visit.pages:
                self._page_size = page.page_size
                self.batch.messages(state.chat_id, page)
                self.messages += len(page.records)
                account.rejected += len(page.rejected)
            if visit.is_newest and visit.pages:
                self._learn(visit)
            self.batch.state(state)
            self.states[state.chat_id] = state
            self._booked(visit.fetches, account)
            self._judge(visit.failure)
            yield visit
            self.commit(when_full=True)

    def _learn(self, visit: Visit) -> None:
        new = [
            SeenMessage(message.timestamp, message.direction, message.type == "template")
            for page in visit.pages
            for message in page.records
            if message.message_id in visit.unseen
        ]
        at = visit.pages[0].fetch.started_at
        self.memory.visited(visit.state.chat_id, at=at, new_messages=new, requests=len(visit.fetches))

    def _booked(self, fetches: list[Fetch], account: Account) -> None:
        self.batch.requests(fetches)
        self.requests += len(fetches)
        account.requests += len(fetches)

    def _recorded(self, call: Callable[[], R], account: Account) -> R:
        """Call in this thread, and put the requests it made into the batch, whatever came of it."""
        fetches: list[Fetch] = []
        throttled = self.client.seconds_throttled
        try:
            with self._fetch_log.capture(fetches):
                return call()
        finally:
            self._booked(fetches, account)
            account.seconds_throttled += self.client.seconds_throttled - throttled

    def _parallel(self, call: Callable[[T], R], items: Iterable[T]) -> Iterator[R]:
        """Call for each item with a few threads, somewhat ahead of the consumer; results come as they are done.

        Once something has stopped the run no new call begins, but those under way are waited for: what they brought,
        and the requests they spent, count. With one worker all happens in this thread, in order.
        """
        queue = iter(items)
        if self._workers == 1:
            for item in queue:
                yield call(item)
                if self._stopped_by is not None:
                    return
            return
        lookahead = LOOKAHEAD if self.is_limited else LOOKAHEAD_UNLIMITED
        pool = ThreadPoolExecutor(self._workers, thread_name_prefix="crawl")
        done: SimpleQueue[Future[R]] = SimpleQueue()

        def begin(number: int) -> int:
            begun = [pool.submit(call, item) for item in islice(queue, number)]
            for future in begun:
                future.add_done_callback(done.put)
            return len(begun)

        try:
            under_way = begin(lookahead)
            while under_way:
                future = done.get()
                under_way -= 1
                if self._stopped_by is None:
                    under_way += begin(1)
                else:
                    pool.shutdown(wait=False, cancel_futures=True)
                if not future.cancelled():
                    yield future.result()
        finally:
            pool.shutdown(cancel_futures=True)

    def _visit(self, state: ChatState, known: Known) -> Visit:
        fetches: list[Fetch] = []
        with self._fetch_log.capture(fetches):
            visit = visit_newest(
                self.client,
                state,
                known,
                rejected_key=lambda one: rejected_key(one, operation="list_messages", target=state.chat_id),
                now=self.now,
            )
        visit.fetches = fetches
        return visit

    def _deepen(self, state: ChatState, pages: int) -> Visit:
        fetches: list[Fetch] = []
        with self._fetch_log.capture(fetches):
            visit = deepen(self.client, state, most_pages=pages, now=self.now, page_size=self._page_size)
        visit.fetches = fetches
        return visit

    def _fetch_report(self, campaign_id: str) -> ReportAnswer:
        answer = ReportAnswer(campaign_id)
        with self._fetch_log.capture(answer.fetches):
            try:
                answer.report = self.client.campaign_report(campaign_id)
            except CrmPlatformError as problem:
                answer.failure = problem
        return answer

    def _known(self, chat_ids: list[str]) -> dict[str, Known]:
        """What is stored of these chats' newest ends."""
        if not chat_ids:
            return {}
        marks = ", ".join("?" * len(chat_ids))
        with self.warehouse.reading() as session:
            stored = session.query(
                f"select chat_id, message_id from (select chat_id, message_id, row_number() over "
                f"(partition by chat_id order by timestamp desc, message_id desc) as newest from raw.messages "
                f"where chat_id in ({marks})) as messages where newest <= {KNOWN_MESSAGES}",
                chat_ids,
            )
            rejected = session.query(
                f"select target, record_key from ops.quarantine "
                f"where operation = 'list_messages' and target in ({marks})",
                chat_ids,
            )
        ids: dict[str, set[str]] = {}
        keys: dict[str, set[str]] = {}
        for into, table in ((ids, stored), (keys, rejected)):
            for chat_id, key in zip(*(column.to_pylist() for column in table.columns), strict=True):
                into.setdefault(chat_id, set()).add(key)
        return {
            chat_id: Known(frozenset(ids.get(chat_id, ())), frozenset(keys.get(chat_id, ()))) for chat_id in chat_ids
        }
