"""What comes of a crawl's requests, on its way into the warehouse: booked, counted, committed, and told of.

What belongs here: which requests a step took, an account for each raw table, when a batch is committed, progress. What
does not: what is asked for (list_steps.py, chat_steps.py), turning records into rows (batch.py).
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, TypeVar

from crm_platform.ingest.accounts import Account, Outcome, Progress
from crm_platform.ingest.clocks import CLOCK_SLACK, ClockIsWrong
from crm_platform.schemas import RawTable, Table, raw
from crm_platform.warehouse import Written

if TYPE_CHECKING:
    from crm_platform.api import CrmClient, Fetch
    from crm_platform.ingest.batch import Batch
    from crm_platform.ingest.connect import FetchLog
    from crm_platform.ingest.planner_store import PlannerStore
    from crm_platform.ingest.trouble import TroubleRegister
    from crm_platform.warehouse import Lease, Warehouse

R = TypeVar("R")

BATCH_ROWS = 50_000
"""Rows that are committed together: a few seconds' work, and what a kill may cost."""

BATCH_BYTES = 32 * 1024 * 1024
"""Bytes of text that are committed together: memory has to hold them several times over."""

BATCH_REQUESTS = 200
"""Requests that are committed together under a quota; with those under way they stay below MOST_UNCOMMITTED."""

COMMIT_EVERY = timedelta(minutes=1)
"""What came waits no longer than this: a kill costs a minute, however slow somebody's limit makes the requests."""


class Recorder:
    """Keeps what a crawl's requests brought. `is_limited`: whether a quota makes requests dear."""

    def __init__(
        self,
        client: CrmClient,
        warehouse: Warehouse,
        *,
        holder: Lease,
        fetch_log: FetchLog,
        planner_store: PlannerStore,
        troubles: TroubleRegister,
        batch: Batch,
        progress: Callable[[Progress], None],
        now: Callable[[], datetime],
        is_limited: bool,
    ) -> None:
        self.warehouse = warehouse
        self.holder = holder
        self.batch = batch
        self.now = now
        self.is_limited = is_limited
        self.requests = 0
        self.answers = 0
        self.messages = 0
        self.have_retries_helped = False  # a request that had failed was answered when it was sent again
        self.accounts: dict[type[RawTable], Account] = {}
        self.written: dict[type[Table], Written] = {}
        self.requests_left: int | None = None
        self.coverage: float | None = None
        self.seconds_to_whole: float | None = None
        self._client = client
        self._fetch_log = fetch_log
        self._planner_store = planner_store
        self._troubles = troubles
        self._progress = progress
        self._told: Progress | None = None
        self._committed_at = now()

    # Requests.

    def collecting(self, fetches: list[Fetch]) -> AbstractContextManager[None]:
        """Collect the requests that this thread makes into `fetches`; they are still to be booked."""
        return self._fetch_log.capture(fetches)

    def record(self, call: Callable[[], R], account: Account) -> R:
        """Call, and book the requests it made, whatever came of it."""
        fetches: list[Fetch] = []
        throttled = self._client.seconds_throttled
        try:
            with self.collecting(fetches):
                return call()
        finally:
            self.book(fetches, account)
            account.seconds_throttled += self._client.seconds_throttled - throttled

    def book(self, fetches: list[Fetch], account: Account) -> None:
        """Put requests into the batch, and count them."""
        self.batch.requests(fetches)
        self.requests += len(fetches)
        answered = [fetch for fetch in fetches if fetch.outcome == "ok"]
        self.answers += len(answered)
        self.have_retries_helped = self.have_retries_helped or any(fetch.attempt > 1 for fetch in answered)
        account.requests += len(fetches)

    # Rows.

    def commit(self, *, when_full: bool = False) -> None:
        """Write the batch; with `when_full` only if it is large enough."""
        is_full = len(self.batch) >= BATCH_ROWS or self.batch.bytes >= BATCH_BYTES
        is_full = is_full or (self.is_limited and len(self.batch.fetches) >= BATCH_REQUESTS)
        if when_full and not is_full and self.now() - self._committed_at < COMMIT_EVERY:
            return
        if self.now() < self._committed_at - CLOCK_SLACK:
            raise ClockIsWrong("this machine's clock was set back while the run was at work; the next run goes on")
        self._planner_store.save(self.batch, at=self.now())
        self._troubles.save(self.batch)
        for table, written in self.batch.commit(self.warehouse, self.holder).items():
            self.written[table] = self.written.get(table, Written()) + written
        self._committed_at = self.now()

    # What a run asks about its work, and tells of it.

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

    def report_lull(self) -> None:
        """Nothing comes at the moment: commit what came, and tell whoever watches."""
        if self.batch.fetches:
            self.commit()
        if self._told is not None:
            self._progress(replace(self._told, is_waiting=True))
