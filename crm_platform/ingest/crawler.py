"""The crawler: each kind of fetching as one step, with what came committed in batches.

What belongs here: sweeping, listing, reporting, visiting and deepening, with threads, batches and an account of what
each raw table got. What does not: which step comes next (runs.py, planner/), what one visit or sweep is (visits.py,
sweep.py), rows (batch.py).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from collections.abc import Set as AbstractSet
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from itertools import islice
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING, Any, TypeVar

from crm_platform.api import FUTURE_TOLERANCE, Answer, CampaignReport, CrmClient, Fetch, Page
from crm_platform.errors import (
    CrmPlatformError,
    FixConfiguration,
    NotFound,
    QuotaSpent,
    RateLimited,
    RejectedRequest,
    ServerUnavailable,
    SkipRecord,
    Unauthorized,
)
from crm_platform.ingest.batch import Batch, aware, rejected_key
from crm_platform.ingest.clocks import CLOCK_SLACK, ClockIsWrong
from crm_platform.ingest.listing import Listing
from crm_platform.ingest.planner import SeenMessage
from crm_platform.ingest.presence import PRESENT
from crm_platform.ingest.sweep import Sweep, record_sweep
from crm_platform.ingest.trouble import Trouble, Troubles
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

BATCH_BYTES = 32 * 1024 * 1024
"""Bytes of text that are committed together: memory has to hold them several times over."""

BATCH_REQUESTS = 200
"""Requests that are committed together under a quota; with those under way they stay below MOST_UNCOMMITTED."""

COMMIT_EVERY = timedelta(minutes=1)
"""What came waits no longer than this: a kill costs a minute, however slow somebody's limit makes the requests."""

LOOKAHEAD_BYTES = 32 * 1024 * 1024
"""Bytes of text that visits may hold while they wait to be stored, by the heaviest visit so far."""

LOOKUP_CHATS = 500
"""Chats whose known messages are looked up at once."""

KNOWN_MESSAGES = 2 * 100
"""Newest stored messages a chat that a visit is held against: two pages' worth."""

LULL_SECONDS = 2.0
"""No answer for so long: the limit lets nothing through, or the server is slow. What came is committed meanwhile."""

HISTORY_PAGES = 10
"""Pages of history read before another chat has its turn: a chat's history is committed in pieces of this size."""

ROUNDS = 3
"""Times that a list which failed or moved is read before a run ends."""

FEWEST_TRIES = 2
"""Times that a run asks for an object that cannot be had: the answer repeats itself."""

TRIES_OF_THE_FLAKY = 3
"""Times that one answer may come on a server that has given something else when it was asked again."""

MOST_TRIES = 9
"""Times that a run asks for an object where answers pass: each is another, or has passed for another object."""

MOST_ROUNDS = 24
"""Times that a run comes back to the chats that failed: a long history may fail, and get further, many times."""

FAILURES_IN_A_ROW = 6
"""So many objects in a row that cannot be had: is it them, or is nobody answered? A look at the lists tells."""

SILENT_ROWS = 3
"""So many such rows, with the lists answered and no object of the kind between: the kind cannot be had now."""

FINAL = (QuotaSpent, FixConfiguration)
"""Errors that no other try in this run can mend."""

OF_ONE_OBJECT = (ServerUnavailable, RejectedRequest, Unauthorized, SkipRecord)
"""Errors that may be the trouble of the one object that was asked for."""

SENT = frozenset({"active", "in_progress", "completed"})
"""Campaign statuses that say messages went out."""


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a stage has come. `total` and `requests_left` are None where they are not known or not limited.

    `coverage`: share of the messages that are thought to exist that is stored; `seconds_to_whole`: until every history
    is whole at the present pace. Both are None where they are not known. `is_waiting`: nothing comes at the moment, and
    all that came is committed: a good moment for other work.
    """

    stage: str
    done: int
    total: int | None
    requests: int
    messages: int
    requests_left: int | None = None
    coverage: float | None = None
    seconds_to_whole: float | None = None
    is_waiting: bool = False


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
    kept: int = 0
    rejected: int = 0
    seconds_throttled: float = 0.0
    remaining: str = ""
    metrics: dict[str, float | int | str] = field(default_factory=dict)
    reasons: Counter[str] = field(default_factory=Counter)

    def took(self, page: Page[Any]) -> None:
        """Count a page's records, kept and rejected."""
        self.kept += len(page.records)
        self.rejected += len(page.rejected)
        self.reasons.update(one.reason for one in page.rejected)


@dataclass(frozen=True, slots=True)
class Failing:
    """A part of an object that failed in this run: how often without getting further, and why the last `times`."""

    reason: str
    times: int = 1
    tries: int = 1


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
        troubles: Troubles,
        batch: Batch,
        progress: Callable[[Progress], None],
        now: Callable[[], datetime],
        workers: int = WORKERS,
        is_limited: bool = False,
    ) -> None:
        self.client = client
        self.warehouse = warehouse
        self.memory = memory
        self.troubles = troubles
        self.batch = batch
        self.now = now
        self.requests = 0
        self.answers = 0
        self.messages = 0
        self.accounts: dict[type[RawTable], Account] = {}
        self.written: dict[type[Table], Written] = {}
        self.states: dict[str, ChatState] = {}
        self.requests_left: int | None = None
        self.coverage: float | None = None
        self.seconds_to_whole: float | None = None
        self._fetch_log = fetch_log
        self._progress = progress
        self._told: Progress | None = None
        self._committed_at = now()
        self._workers = workers
        self.is_limited = is_limited  # whether a quota makes requests dear
        self._stopped_by: CrmPlatformError | None = None
        # Objects that failed one after the other, with what was known of their trouble before.
        self._row: list[tuple[str, str, Trouble | None]] = []
        self._silent_rows = 0
        self._is_flaky = False  # something that failed in this run was had when it was asked for again
        self._failing: dict[tuple[str, str], dict[str, Failing]] = {}  # by part: the other part's answers say nothing
        self._passing: set[str] = set()  # reasons that were gone when the object was asked for again
        self._short: set[str] = set()  # chats whose ends met though rows are missing: read to the end of the list
        self._ended: dict[str, bool] = {}  # chats whose reading is over, and whether it reached the list's end
        self._bad_pages: dict[str, int] = {}  # pages of histories that could not be had in this run
        self._heaviest = 1  # bytes of text that one result brought

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
        self._told = Progress(
            stage,
            done,
            total,
            self.requests,
            self.messages,
            requests_left=self.requests_left,
            coverage=self.coverage,
            seconds_to_whole=self.seconds_to_whole,
        )
        self._progress(self._told)

    def commit(self, *, when_full: bool = False) -> None:
        """Write the batch; with `when_full` only if it is large enough."""
        is_full = len(self.batch) >= BATCH_ROWS or self.batch.bytes >= BATCH_BYTES
        is_full = is_full or (self.is_limited and len(self.batch.fetches) >= BATCH_REQUESTS)
        if when_full and not is_full and self.now() - self._committed_at < COMMIT_EVERY:
            return
        if self.now() < self._committed_at - CLOCK_SLACK:
            raise ClockIsWrong("this machine's clock was set back while the run was at work; the next run goes on")
        self.memory.save(self.batch, at=self.now())
        self.troubles.save(self.batch)
        for table, written in self.batch.commit(self.warehouse).items():
            self.written[table] = self.written.get(table, Written()) + written
        self._committed_at = self.now()

    # Steps.

    def sweep(self) -> Sweep:
        """Read the contact list once and record what it showed; the sweep says whether it was complete or failed."""
        self.commit()  # a sweep is judged by those before it
        account = self.account(raw.Contacts)
        sweep = Sweep(self.client, retries=lambda page: self._retries("list_contacts", page))
        for page in self._pages_of(sweep, account, "list_contacts"):
            self.batch.contacts(page)
            self.report("contacts", len(sweep.seen), page.total)
            self.commit(when_full=True)
        verdict = record_sweep(sweep, self.batch, self.warehouse)
        gone = frozenset() if verdict is None else verdict.gone
        if sweep.first is not None:
            self.memory.sighted(sweep.seen, at=sweep.first.fetch.started_at)
            self.memory.gone(gone)
        if sweep.is_complete:
            self.memory.swept(at=self.now(), requests=sweep.requests)
        else:
            self.memory.planner.swept_in_part(at=self.now(), requests=sweep.requests)
        for chat_id in sweep.seen - self.states.keys():
            self.states[chat_id] = ChatState(chat_id)
        for chat_id in gone:
            self.states.pop(chat_id, None)
            self.troubles.over("list_messages", chat_id, at=self.now())
        account.metrics["seen_contacts"] = len(sweep.seen)
        account.metrics["is_complete"] = str(sweep.is_complete).lower()
        if sweep.warning:
            account.remaining = sweep.warning
        if sweep.total is not None:
            account.metrics["reported_total"] = sweep.total
        return sweep

    def _retries(self, operation: str, page: int) -> int | None:
        return self.troubles.retries(operation, f"page {page}")

    def _pages_of(self, listing: Listing[R], account: Account, operation: str) -> Iterator[Page[R]]:
        """Read a list, booking its requests; what pages could not be had for is remembered with them."""
        pages = listing.pages()
        while (page := self._recorded(lambda: next(pages, None), account)) is not None:
            account.took(page)
            self.troubles.over(operation, f"page {page.page}", at=self.now())
            yield page
        for number, problem in listing.failed.items():
            self.troubles.met(operation, f"page {number}", problem, at=self.now())
        if listing.failed:
            account.remaining = _missing_pages(listing)
        if listing.reached_end:
            self._list_was_had(operation)

    def _list_was_had(self, operation: str) -> None:
        """All of a list was read: whatever trouble there was with it is over, also with pages that are no more."""
        for trouble in list(self.troubles):
            if trouble.operation == operation:
                self.troubles.over(operation, trouble.target, at=self.now())

    def custom_fields(self) -> None:
        """Fetch the tenant's custom fields."""
        account = self.account(raw.CustomFields)
        page = self._recorded(self.client.list_custom_fields, account)
        account.took(page)
        self.batch.custom_fields(page)
        self._list_was_had("list_custom_fields")
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
        listing = Listing(
            lambda page: self.client.list_campaigns(page=page, retries=self._retries("list_campaigns", page))
        )
        done = 0
        before = account.requests
        for page in self._pages_of(listing, account, "list_campaigns"):
            self.batch.campaigns(page, known_statuses=statuses)
            for campaign in page.records:
                previous = statuses.get(campaign.campaign_id, campaign.status)
                if campaign.status != previous:  # what it had no report for before, it may have one for now
                    self.troubles.over("campaign_report", campaign.campaign_id, at=self.now())
                if campaign.status in SENT and previous not in SENT:
                    # It went out by now, whatever it was due.
                    sent_at = min(campaign.scheduled_at or page.fetch.started_at, page.fetch.started_at)
                    self.memory.campaign_sent(at=sent_at, recipients=campaign.total_recipients or 0)
                statuses[campaign.campaign_id] = campaign.status
            done += len(page.records)
            self.report("campaigns", done, page.total)
        self.memory.planner.spent(at=self.now(), requests=account.requests - before)
        if listing.failure is not None:
            raise listing.failure

    def reports(self, campaign_ids: list[str]) -> dict[str, CrmPlatformError]:
        """Fetch these campaigns' reports; gives what failed. A campaign that has no report (404) is no failure."""
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
                account.kept += 1
                self.batch.report(report.value, report.fetch, last=last.get(answer.campaign_id))
            if answer.failure is not None and not isinstance(answer.failure, NotFound):
                failed[answer.campaign_id] = answer.failure
            self._judge(answer.failure, "campaign_report", answer.campaign_id)
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
        stored = {row["chat_id"]: _state_of(row) for row in known}
        self.states = {chat_id: stored.get(chat_id) or ChatState(chat_id) for chat_id in sorted(present)}
        # Whoever read them to where they meet died before the rows were counted.
        self._ended = {chat_id: False for chat_id, state in self.states.items() if state.meets}

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

    @property
    def ended(self) -> AbstractSet[str]:
        """Chats whose reading is over, and whose rows are still to be counted."""
        return self._ended.keys()

    def prove(self) -> set[str]:
        """Commit, and hold the chats whose reading is over against their rows; gives those that are to be read on.

        A chat is whole when as many records are stored or quarantined as its list says it has.
        """
        if not self._ended:
            return set()
        self.commit()
        over, self._ended = self._ended, {}
        read_on = set()
        for chat_ids in _chunks(over, LOOKUP_CHATS):
            held = self._held(chat_ids)
            for chat_id in chat_ids:
                before = self.states.get(chat_id)
                if before is None:
                    continue
                state = before.counted(held.get(chat_id, 0), has_ended=over[chat_id], at=self.now())
                if state == before:
                    self._short.add(chat_id)
                    read_on.add(chat_id)
                    continue
                self._short.discard(chat_id)
                self.batch.state(state)
                self.states[chat_id] = state
        return read_on

    def _held(self, chat_ids: list[str]) -> dict[str, int]:
        """How many records of these chats are stored or in quarantine."""
        marks = ", ".join("?" * len(chat_ids))
        with self.warehouse.reading() as session:
            counts = session.query(
                f"""
                select chat_id, count(*) as records from raw.messages where chat_id in ({marks}) group by chat_id
                union all
                select target as chat_id, count(*) as records from ops.quarantine
                where operation = 'list_messages' and target in ({marks}) group by target
                """,
                [*chat_ids, *chat_ids],
            )
        held: dict[str, int] = {}
        for chat_id, records in zip(*(column.to_pylist() for column in counts.columns), strict=True):
            held[chat_id] = held.get(chat_id, 0) + records
        return held

    # What the steps share.

    def _judge(self, failure: CrmPlatformError | None, operation: str, target: str, *, part: str = "") -> None:
        """Remember trouble with its object; stop when it is no object's: the server's, the key's or the quota's."""
        at = self.now()
        if failure is None or isinstance(failure, NotFound):
            self._row.clear()
            self._silent_rows = 0
            self._passed(operation, target, part=part)
            if failure is None:
                self.troubles.over(operation, target, at=at)
            else:
                self.troubles.met(operation, target, failure, at=at)
                self._let_rest(operation, target)
            return
        if isinstance(failure, FINAL) and not isinstance(failure, Unauthorized):
            self._stopped_by = failure
            return
        self._failed(failure, operation, target, part=part)
        if isinstance(failure, OF_ONE_OBJECT):
            before = self.troubles.of(operation, target)
            self.troubles.met(operation, target, failure, at=at)
            self._row.append((operation, target, before))
            self._let_rest(operation, target)
        else:  # the CRM, or our own gate, says: not now
            self._row.append((operation, target, self.troubles.of(operation, target)))
        if len(self._row) < FAILURES_IN_A_ROW or self._stopped_by is not None:
            return
        row, self._row = self._row, []
        if not isinstance(failure, OF_ONE_OBJECT) or not self.is_answered():
            for one in row:
                self.troubles.undo(*one, at=at)
            self._stopped_by = failure
        elif not isinstance(failure, RejectedRequest):
            self._silent_rows += 1
            if self._silent_rows == SILENT_ROWS:
                self._silent_rows = 0
                self._stopped_by = failure

    def _let_rest(self, operation: str, target: str) -> None:
        trouble = self.troubles.of(operation, target)
        if operation == "list_messages" and trouble is not None:
            self.memory.planner.rest(target, until=trouble.retry_at)

    def is_worth_another_try(self, operation: str, target: str, problem: CrmPlatformError) -> bool:
        """Whether what failed may be had in this run: not where the answer repeats itself, unless much is mended so."""
        return not isinstance(problem, NotFound) and self._tries_left(operation, target, str(problem)) > 0

    def _tries_left(self, operation: str, target: str, reason: str) -> int:
        """How often this run still asks for an object that cannot be had."""
        trouble, failing = self.troubles.of(operation, target), self._failing.get((operation, target), {}).values()
        times = max([0 if trouble is None else trouble.times, *(one.times for one in failing)])
        tries = max((one.tries for one in failing), default=0)
        if not self._is_flaky:
            return FEWEST_TRIES - max(times, tries)
        return min(MOST_TRIES - tries, (MOST_TRIES if reason in self._passing else TRIES_OF_THE_FLAKY) - times)

    def _failed(
        self, failure: CrmPlatformError, operation: str, target: str, *, part: str, has_moved: bool = False
    ) -> None:
        failing, now = self._failing.setdefault((operation, target), {}), Failing(str(failure))
        before = failing.get(part)
        if before is not None and not has_moved:
            times = before.times + 1 if before.reason == now.reason else 1
            now = replace(now, times=times, tries=before.tries + 1)
        failing[part] = now

    def _passed(self, operation: str, target: str, *, part: str) -> None:
        """The object answered: if it had failed before, then that was not its own doing."""
        before = self._failing.get((operation, target), {}).pop(part, None)
        if before is not None:
            self._passing.add(before.reason)
            self._is_flaky = True

    def is_resting(self, operation: str, target: str) -> bool:
        """Whether an object that could not be had is to be left alone for now."""
        return self.troubles.is_resting(operation, target, at=self.now())

    def is_answered(self) -> bool:
        """Whether the CRM answers this key at all: a look at its lists tells."""
        for look in (
            lambda: self.client.list_contacts(limit=1, retries=0),
            self.client.list_custom_fields,
            lambda: self.client.list_campaigns(limit=1, retries=0),
        ):
            try:
                self._recorded(look, self.account(raw.Contacts))
            except (RateLimited, QuotaSpent):
                return False
            except CrmPlatformError:
                continue
            return True
        return False

    def _raise_if_stopped(self) -> None:
        stopped_by, self._stopped_by = self._stopped_by, None
        if stopped_by is not None:
            raise stopped_by

    def _kept(self, visits: Iterator[Visit]) -> Iterator[Visit]:
        account = self.account(raw.Messages)
        for visit in visits:
            state = visit.state
            for page in visit.pages:
                self.batch.messages(state.chat_id, page)
                self.messages += len(page.records)
                account.took(page)
            if visit.is_newest and visit.pages:
                self._learn(visit)
            if visit.has_ended or state.meets:
                self._ended[state.chat_id] = visit.has_ended
            if visit.failed_page is not None and visit.failure is not None:
                self._bad_pages[state.chat_id] = visit.failed_page
            self._booked(visit.fetches, account)
            self._judge_visit(visit)
            self.batch.state(state)
            self.states[state.chat_id] = state
            yield visit
            self.commit(when_full=True)

    def _judge_visit(self, visit: Visit) -> None:
        """Judge what became of a visit. A history that got further before it failed is no failure: it goes on."""
        chat_id, failure = visit.state.chat_id, visit.failure
        part = "newest" if visit.is_newest else "history"
        if failure is None and not visit.pages:
            return  # nothing was asked
        got_further = visit.state.pages_from_oldest > self.states[chat_id].pages_from_oldest
        if isinstance(failure, OF_ONE_OBJECT) and got_further and not visit.is_newest:
            self._row.clear()
            self._silent_rows = 0
            self._failed(failure, "list_messages", chat_id, part=part, has_moved=True)
            visit.failure = None
            return
        self._judge(failure, "list_messages", chat_id, part=part)

    def _learn(self, visit: Visit) -> None:
        new = [
            SeenMessage(message.timestamp, message.direction, message.type == "template")
            for page in visit.pages
            for message in page.records
            if message.message_id in visit.unseen and message.timestamp <= page.fetch.started_at + FUTURE_TOLERANCE
        ]
        at = visit.pages[0].fetch.started_at
        self.memory.visited(visit.state.chat_id, at=at, new_messages=new, requests=len(visit.fetches))

    def _booked(self, fetches: list[Fetch], account: Account) -> None:
        self.batch.requests(fetches)
        self.requests += len(fetches)
        answered = [fetch for fetch in fetches if fetch.outcome == "ok"]
        self.answers += len(answered)
        self._is_flaky = self._is_flaky or any(fetch.attempt > 1 for fetch in answered)
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
        most = LOOKAHEAD if self.is_limited else LOOKAHEAD_UNLIMITED
        pool = ThreadPoolExecutor(self._workers, thread_name_prefix="crawl")
        done: SimpleQueue[Future[R]] = SimpleQueue()

        def begin(number: int) -> int:
            begun = [pool.submit(call, item) for item in islice(queue, number)]
            for future in begun:
                future.add_done_callback(done.put)
            return len(begun)

        def lookahead() -> int:
            return max(self._workers, min(most, LOOKAHEAD_BYTES // self._heaviest))

        try:
            under_way = begin(min(LOOKAHEAD, lookahead()))
            while under_way:
                future = self._next(done)
                under_way -= 1
                if not future.cancelled():
                    before = self.batch.bytes
                    yield future.result()
                    self._heaviest = max(self._heaviest, self.batch.bytes - before)
                if self._stopped_by is None:
                    under_way += begin(max(0, lookahead() - under_way))
                else:
                    pool.shutdown(wait=False, cancel_futures=True)
        finally:
            pool.shutdown(cancel_futures=True)

    def _next(self, done: SimpleQueue[Future[R]]) -> Future[R]:
        """Wait for what is done next; in a lull, commit what came and tell whoever watches."""
        while True:
            try:
                return done.get(timeout=LULL_SECONDS)
            except Empty:
                if self.batch.fetches:
                    self.commit()
                if self._told is not None:
                    self._progress(replace(self._told, is_waiting=True))

    def _visit(self, state: ChatState, known: Known) -> Visit:
        fetches: list[Fetch] = []
        with self._fetch_log.capture(fetches):
            visit = visit_newest(
                self.client,
                state,
                known,
                rejected_key=lambda one: rejected_key(one, operation="list_messages", target=state.chat_id),
                now=self.now,
                retries=self._retries_of("list_messages", state.chat_id),
            )
        visit.fetches = fetches
        return visit

    def _deepen(self, state: ChatState, pages: int) -> Visit:
        fetches: list[Fetch] = []
        with self._fetch_log.capture(fetches):
            visit = deepen(
                self.client,
                state,
                most_pages=pages,
                now=self.now,
                to_end=state.chat_id in self._short,
                skip_page=self._page_to_skip(state.chat_id),
                retries=self._retries_of("list_messages", state.chat_id),
            )
        visit.fetches = fetches
        return visit

    def _retries_of(self, operation: str, target: str) -> int | None:
        """How often a request is sent again at once: never for what has failed in this run, or before it."""
        return 0 if self._failing.get((operation, target)) else self.troubles.retries(operation, target)

    def _page_to_skip(self, chat_id: str) -> int | None:
        """The page of a history that is left out if it cannot be had this time either."""
        failing = self._failing.get(("list_messages", chat_id), {}).get("history")
        if failing is None or self._tries_left("list_messages", chat_id, failing.reason) > 1:
            return None
        return self._bad_pages.get(chat_id)

    def _fetch_report(self, campaign_id: str) -> ReportAnswer:
        answer = ReportAnswer(campaign_id)
        with self._fetch_log.capture(answer.fetches):
            try:
                retries = self._retries_of("campaign_report", campaign_id)
                answer.report = self.client.campaign_report(campaign_id, retries=retries)
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


def _state_of(row: dict[str, Any]) -> ChatState:
    """A chat's state from its row, which may have been written before some of its columns existed."""
    values = {name: value for name, value in aware(row).items() if value is not None}
    if "pages_from_oldest" not in values:
        values["pages_from_oldest"] = values["read_from_oldest"] // PAGE_SIZE
        values["read_from_oldest"] = values["pages_from_oldest"] * PAGE_SIZE
    return ChatState(**values)


def _missing_pages(listing: Listing[Any]) -> str:
    """Say which pages of a list could not be had, and how much that leaves unseen."""
    numbers = ", ".join(map(str, listing.failed))
    missing = "" if listing.missing is None else f", {listing.missing} of {listing.total} records are missing"
    return f"page {numbers} could not be had{missing}"


def _chunks(items: Iterable[T], size: int) -> Iterator[list[T]]:
    waiting = iter(items)
    while chunk := list(islice(waiting, size)):
        yield chunk
