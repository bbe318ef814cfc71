"""A refresh: fetch until everything is current, or until the allowance is spent; commit as it goes.

What belongs here: the order of the stages, batches, rounds of another try, what is reported. What does not: what a
visit or a sweep is (visits.py, sweep.py), rows (batch.py), scheduling (defs/).

Current means, counted from the start of the refresh: one complete sweep, each present chat's newest page, every history
whole, the campaign list and each report once. What could not be had is not an error: the run keeps what it has and says
in words what remains.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import islice
from typing import TYPE_CHECKING, TypeVar

from crm_platform.api import Answer, CampaignReport, CrmClient, Fetch, utc_now
from crm_platform.errors import CrmPlatformError, FixConfiguration, NotFound, QuotaSpent
from crm_platform.ingest.batch import Batch, rejected_key
from crm_platform.ingest.connect import CRAWLER_RESERVE, FetchLog, open_client
from crm_platform.ingest.memory import PlannerMemory
from crm_platform.ingest.planner import SeenMessage
from crm_platform.ingest.sweep import PRESENT, Sweep, record_sweep
from crm_platform.ingest.visits import ChatState, Known, Visit, deepen, visit_newest
from crm_platform.schemas import RawTable, Table, raw
from crm_platform.warehouse import Written, lease

if TYPE_CHECKING:
    from crm_platform.settings import Settings
    from crm_platform.warehouse import Warehouse

log = logging.getLogger(__name__)

T = TypeVar("T")
R = TypeVar("R")

RAW_TABLES: tuple[type[RawTable], ...] = (
    raw.Contacts,
    raw.ContactSweeps,
    raw.CustomFields,
    raw.Campaigns,
    raw.CampaignReports,
    raw.Messages,
)
"""What a refresh fetches, in its order."""

WORKERS = 4
"""Requests under way at once: enough to hide the CRM's answer time, few enough to be a polite guest."""

LOOKAHEAD = 6 * WORKERS
"""Visits that may be under way or waiting to be stored: what keeps the threads busy during a commit."""

BATCH_ROWS = 8_000
"""Rows that are committed together: about a second's work, and what a kill may cost."""

LOOKUP_CHATS = 500
"""Chats whose known messages are looked up at once."""

KNOWN_MESSAGES = 2 * 100
"""Newest stored messages a chat that a visit is held against: two pages' worth."""

HISTORY_PAGES = 10
"""Pages of history read before another chat has its turn: a chat's history is committed in pieces of this size."""

ROUNDS = 3
"""Times that what failed is tried again before a run ends."""

FAILURES_IN_A_ROW = 12
"""So many chats failing one after the other mean that the server is down: the run ends with what it has."""

FINAL = (QuotaSpent, FixConfiguration)
"""Errors that no other try in this run can mend."""


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a stage has come. `total` is None until it is known."""

    stage: str
    done: int
    total: int | None
    requests: int
    messages: int


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a refresh did for one raw table. `remaining`: what is still missing and why, empty when nothing is."""

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


def refresh(
    settings: Settings,
    warehouse: Warehouse,
    *,
    tables: Collection[type[RawTable]] = RAW_TABLES,
    full_refresh: bool = False,
    connect: Callable[[Callable[[Fetch], None]], CrmClient] | None = None,
    progress: Callable[[Progress], None] = lambda _: None,
    now: Callable[[], datetime] = utc_now,
    wait_seconds: float = 0.0,
    on_wait: Callable[[str], None] | None = None,
) -> Iterator[Outcome]:
    """Fetch what `tables` hold and yield an Outcome for each as its stage ends.

    `full_refresh` reads every chat's whole history again, as if nothing were known of it. `connect` opens a client that
    reports its requests to the callable it is given (default: the CRM of the settings, through the shared gate). Holds
    the crawl lease: another crawler is waited for `wait_seconds`, then Busy is raised, naming it. Raises
    FixConfiguration (a refused key), after committing what had come before.
    """
    fetch_log = FetchLog()
    connect = connect or (lambda on_fetch: open_client(settings, reserve=CRAWLER_RESERVE, on_fetch=on_fetch))
    with (
        lease(settings.lock_dir / "crawl.lock", purpose="crawl", wait=wait_seconds, on_wait=on_wait),
        connect(fetch_log) as client,
    ):
        run = _Refresh(
            client=client,
            warehouse=warehouse,
            fetch_log=fetch_log,
            batch=Batch(keep_text=settings.message_text == "keep"),
            memory=PlannerMemory.load(settings, warehouse, at=now()),
            progress=progress,
            now=now,
            full_refresh=full_refresh,
        )
        wanted = set(tables)
        stages: list[tuple[Callable[[], None], tuple[type[RawTable], ...]]] = [
            (run.contacts, (raw.Contacts, raw.ContactSweeps)),
            (run.custom_fields, (raw.CustomFields,)),
            (run.campaigns, (raw.Campaigns,)),
            (run.reports, (raw.CampaignReports,)),
            (run.messages, (raw.Messages,)),
        ]
        if settings.minute_limit is None and settings.day_limit is None:
            # Under a quota the cheapest figures come first; without one, what moves fastest is read closest to the cut.
            stages[2:] = [stages[4], *stages[2:4]]
        for stage, of in stages:
            if wanted.isdisjoint(of):
                continue
            account = run.account = _Account(started_at=now())
            throttled_before = client.seconds_throttled
            try:
                stage()
            except FixConfiguration:
                run.commit()
                raise
            except CrmPlatformError as problem:
                account.remaining = f"{account.remaining or stage.__name__.replace('_', ' ')}: {problem}"
            run.commit()
            throttled = client.seconds_throttled - throttled_before
            yield from (
                account.outcome(table, finished_at=now(), throttled=throttled) for table in of if table in wanted
            )


@dataclass(slots=True)
class _Account:
    """What a stage has done so far."""

    started_at: datetime
    written: dict[type[Table], Written] = field(default_factory=dict)
    rejected: int = 0
    requests: int = 0
    messages: int = 0
    remaining: str = ""
    metrics: dict[str, float | int | str] = field(default_factory=dict)

    def outcome(self, table: type[RawTable], *, finished_at: datetime, throttled: float) -> Outcome:
        """Close the account."""
        written = self.written.get(table, Written())
        return Outcome(
            table=table,
            inserted=written.inserted,
            updated=written.updated,
            unchanged=written.unchanged,
            rejected=self.rejected,
            requests=self.requests,
            started_at=self.started_at,
            finished_at=finished_at,
            seconds_throttled=throttled,
            remaining=self.remaining,
            metrics=self.metrics,
        )


@dataclass(slots=True)
class _Refresh:
    """The stages of one refresh, sharing a client, a batch and an account."""

    client: CrmClient
    warehouse: Warehouse
    fetch_log: FetchLog
    batch: Batch
    memory: PlannerMemory
    progress: Callable[[Progress], None]
    now: Callable[[], datetime]
    full_refresh: bool
    account: _Account = field(default_factory=lambda: _Account(started_at=datetime.min.replace(tzinfo=UTC)))
    stopped_by: CrmPlatformError | None = None

    # Stages.

    def contacts(self) -> None:
        """Sweep the contact list, until a sweep is complete."""
        for _ in range(ROUNDS):
            sweep = Sweep(self.client)
            pages = sweep.pages()
            while (page := self._recorded(lambda: next(pages, None))) is not None:  # noqa: B023 - called at once
                self.batch.contacts(page)
                self._report("contacts", len(sweep.seen), page.total)
                self.commit(when_full=True)
            missed = record_sweep(sweep, self.batch, self.warehouse)
            if sweep.first is not None:
                self.memory.sighted(sweep.seen, at=sweep.first.fetch.started_at)
                self.memory.gone(missed)
            if sweep.is_complete:
                self.memory.planner.swept(at=self.now(), requests=sweep.requests)
            if sweep.is_complete or isinstance(sweep.failure, FINAL):
                break
        self.account.metrics["seen_contacts"] = len(sweep.seen)
        if sweep.last is not None and sweep.last.total is not None:
            self.account.metrics["reported_total"] = sweep.last.total
        self.account.metrics["is_complete"] = str(sweep.is_complete).lower()
        if sweep.failure is not None:
            raise sweep.failure
        if not sweep.is_complete:
            self.account.remaining = "the contact list kept moving: no sweep was complete"

    def custom_fields(self) -> None:
        """Fetch the tenant's custom fields."""
        self.batch.custom_fields(self._recorded(self.client.list_custom_fields))

    def campaigns(self) -> None:
        """Fetch the campaign list."""
        with self.warehouse.reading() as session:
            known = session.query(
                "select campaign_id, status from (select campaign_id, status, row_number() over "
                "(partition by campaign_id order by observed_at desc) as newest from raw.campaign_statuses) "
                "as statuses where newest = 1"
            )
        statuses = dict(zip(known["campaign_id"].to_pylist(), known["status"].to_pylist(), strict=True))
        pages = self.client.campaign_pages()
        done = 0
        while (page := self._recorded(lambda: next(pages, None))) is not None:
            self.batch.campaigns(page, known_statuses=statuses)
            statuses.update((campaign.campaign_id, campaign.status) for campaign in page.records)
            done += len(page.records)
            self._report("campaigns", done, page.total)

    def reports(self) -> None:
        """Fetch every campaign's report; a campaign that has none yet is no failure."""
        with self.warehouse.reading() as session:
            campaign_ids = session.query("select campaign_id from raw.campaigns order by campaign_id")
            snapshots = session.query(
                "select campaign_id, content_hash, first_fetched_at from (select *, row_number() over (partition by "
                "campaign_id order by first_fetched_at desc) as newest from raw.campaign_reports) as reports "
                "where newest = 1"
            ).to_pylist()
        last = {row["campaign_id"]: (row["content_hash"], row["first_fetched_at"]) for row in snapshots}
        due: list[str] = campaign_ids["campaign_id"].to_pylist()
        total, done = len(due), 0
        failed: dict[str, CrmPlatformError] = {}
        for _ in range(1 + ROUNDS):
            failed = {}
            for answer in self._parallel(self._fetch_report, due):
                self.batch.requests(answer.fetches)
                self.account.requests += len(answer.fetches)
                if answer.report is not None:
                    report = answer.report
                    self.batch.report(report.value, report.fetch, last=last.get(answer.campaign_id))
                if answer.failure is None or isinstance(answer.failure, NotFound):
                    done += 1
                else:
                    failed[answer.campaign_id] = answer.failure
                    if isinstance(answer.failure, FINAL):
                        self.stopped_by = answer.failure
                self._report("campaign reports", done, total)
                self.commit(when_full=True)
            if not failed or self.stopped_by:
                break
            due = list(failed)
        if done < total:
            self._remains(f"{total - done} of {total} reports", failed)

    def messages(self) -> None:
        """Visit every present chat's newest page, and read every history that is not whole."""
        states = self._chat_states()
        total = len(states)
        current = 0
        due: dict[str, ChatState] = states
        failed: dict[str, CrmPlatformError] = {}
        for _ in range(1 + ROUNDS):
            failed, in_a_row = {}, 0
            for visit in self._visits(due.values()):
                chat_id = visit.state.chat_id
                self._keep(visit)
                due[chat_id] = visit.state
                if visit.failure is not None:
                    failed[chat_id] = visit.failure
                    in_a_row += 1
                    if isinstance(visit.failure, FINAL) or in_a_row >= FAILURES_IN_A_ROW:
                        self.stopped_by = visit.failure
                elif visit.state.is_history_whole:
                    current += 1
                    in_a_row = 0
                self._report("messages", current, total)
                self.commit(when_full=True)
            due = {chat_id: due[chat_id] for chat_id, problem in failed.items() if not isinstance(problem, NotFound)}
            if not due or self.stopped_by:
                break
        self.account.metrics["chats"] = total
        self.account.metrics["chats_current"] = current
        if current < total:
            self._remains(f"{total - current} of {total} chats", failed)

    # What the stages share.

    def commit(self, *, when_full: bool = False) -> None:
        """Write the batch, if it is large enough or the stage is over."""
        if when_full and len(self.batch) < BATCH_ROWS:
            return
        self.account.rejected += self.batch.rejected
        self.memory.save(self.batch, at=self.now())
        for table, written in self.batch.commit(self.warehouse).items():
            self.account.written[table] = self.account.written.get(table, Written()) + written

    def _report(self, stage: str, done: int, total: int | None) -> None:
        self.progress(Progress(stage, done, total, self.account.requests, self.account.messages))

    def _recorded(self, call: Callable[[], R]) -> R:
        """Call in this thread, and put the requests it made into the batch, whatever came of it."""
        fetches: list[Fetch] = []
        try:
            with self.fetch_log.capture(fetches):
                return call()
        finally:
            self.batch.requests(fetches)
            self.account.requests += len(fetches)

    def _remains(self, what: str, failed: Mapping[str, CrmPlatformError]) -> None:
        """Say what is missing and why; a wrong configuration is the caller's business."""
        if isinstance(self.stopped_by, FixConfiguration):
            raise self.stopped_by
        reason = self.stopped_by or next(iter(failed.values()), None)
        self.account.remaining = f"{what}: {reason}" if reason else what

    def _parallel(self, call: Callable[[T], R], items: Iterable[T]) -> Iterator[R]:
        """Call for each item with WORKERS threads, a few items ahead of the consumer; results come as they are done.

        Once something has stopped the run no new call begins, but those under way are waited for: what they brought,
        and the requests they spent, count.
        """
        queue = iter(items)
        with ThreadPoolExecutor(WORKERS, thread_name_prefix="crawl") as pool:
            under_way: set[Future[R]] = {pool.submit(call, item) for item in islice(queue, LOOKAHEAD)}
            while under_way:
                done, under_way = wait(under_way, return_when=FIRST_COMPLETED)
                if self.stopped_by is None:
                    under_way |= {pool.submit(call, item) for item in islice(queue, len(done))}
                else:
                    under_way = {future for future in under_way if not future.cancel()}
                yield from (future.result() for future in done)

    def _chat_states(self) -> dict[str, ChatState]:
        """Crawl state of every present contact, those never visited first."""
        with self.warehouse.reading() as session:
            present = session.query(PRESENT)["chat_id"].to_pylist()
            known = session.query("select * from ops.crawl_state").to_pylist()
        for row in known:
            row.update({name: row[name] and row[name].replace(tzinfo=UTC) for name in ("known_until", "failed_at")})
        stored = {} if self.full_refresh else {row["chat_id"]: ChatState(**row) for row in known}
        states = [stored.get(chat_id) or ChatState(chat_id) for chat_id in present]
        states.sort(key=lambda state: (state.known_until is not None, state.chat_id))
        return {state.chat_id: state for state in states}

    def _visits(self, states: Iterable[ChatState]) -> Iterator[Visit]:
        """Visit chats; a long history comes as several visits of one chat."""
        queue = iter(list(states))
        while chunk := list(islice(queue, LOOKUP_CHATS)):
            known = self._known([state.chat_id for state in chunk if state.known_until is not None])
            nothing = Known()
            unfinished: list[ChatState] = []
            jobs: Iterable[ChatState] = chunk
            for visit in self._parallel(lambda state: self._visit(state, known.get(state.chat_id, nothing)), jobs):  # noqa: B023
                yield visit
                if visit.failure is None and not visit.state.is_history_whole:
                    unfinished.append(visit.state)
            while unfinished:
                jobs, unfinished = unfinished, []
                for visit in self._parallel(self._deepen, jobs):
                    yield visit
                    if visit.failure is None and not visit.state.is_history_whole:
                        unfinished.append(visit.state)

    def _visit(self, state: ChatState, known: Known) -> Visit:
        fetches: list[Fetch] = []
        with self.fetch_log.capture(fetches):
            visit = visit_newest(
                self.client,
                state,
                known,
                rejected_key=lambda one: rejected_key(one, operation="list_messages", target=state.chat_id),
                now=self.now,
            )
        visit.fetches = fetches
        return visit

    def _deepen(self, state: ChatState) -> Visit:
        fetches: list[Fetch] = []
        with self.fetch_log.capture(fetches):
            visit = deepen(self.client, state, most_pages=HISTORY_PAGES, now=self.now)
        visit.fetches = fetches
        return visit

    def _keep(self, visit: Visit) -> None:
        chat_id = visit.state.chat_id
        for page in visit.pages:
            self.batch.messages(chat_id, page)
            self.account.messages += len(page.records)
        if visit.is_newest and visit.pages:
            new = [
                SeenMessage(message.timestamp, message.direction, message.type == "template")
                for page in visit.pages
                for message in page.records
                if message.message_id in visit.unseen
            ]
            at = visit.pages[0].fetch.started_at
            self.memory.visited(chat_id, at=at, new_messages=new, requests=len(visit.fetches))
        self.batch.requests(visit.fetches)
        self.batch.state(visit.state)
        self.account.requests += len(visit.fetches)

    def _known(self, chat_ids: list[str]) -> dict[str, Known]:
        """What is stored of these chats' newest ends."""
        if not chat_ids or self.full_refresh:
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

    def _fetch_report(self, campaign_id: str) -> _ReportAnswer:
        answer = _ReportAnswer(campaign_id)
        with self.fetch_log.capture(answer.fetches):
            try:
                answer.report = self.client.campaign_report(campaign_id)
            except CrmPlatformError as problem:
                answer.failure = problem
        return answer


@dataclass(slots=True)
class _ReportAnswer:
    """A campaign's report, or why there is none."""

    campaign_id: str
    report: Answer[CampaignReport] | None = None
    fetches: list[Fetch] = field(default_factory=list)
    failure: CrmPlatformError | None = None
