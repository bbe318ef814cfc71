"""The crawler: a connection, a batch, and the steps that a run takes with them.

What belongs here: putting one crawl's parts together, and whether the CRM answers at all. What does not: the steps
(list_steps.py, chat_steps.py), which of them comes next (refresh_run.py, crawl_run.py, planner/), what becomes of
failures (failures.py).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import datetime
from typing import TYPE_CHECKING

from crm_platform.errors import CrmPlatformError, QuotaSpent, RateLimited, Unauthorized
from crm_platform.ingest.chat_steps import ChatSteps
from crm_platform.ingest.failures import Failures
from crm_platform.ingest.list_steps import ListSteps
from crm_platform.ingest.recorder import Recorder
from crm_platform.ingest.workers import WORKERS, Workers
from crm_platform.schemas import raw

if TYPE_CHECKING:
    from crm_platform.api import CrmClient
    from crm_platform.ingest.accounts import Progress
    from crm_platform.ingest.batch import Batch
    from crm_platform.ingest.connect import FetchLog
    from crm_platform.ingest.inbox import Inbox
    from crm_platform.ingest.planner_store import PlannerStore
    from crm_platform.ingest.trouble import TroubleRegister
    from crm_platform.warehouse import Lease, Warehouse


class Crawler:
    """One crawl at work. Its steps raise CrmPlatformError when they cannot go on; what came before is in the batch."""

    def __init__(
        self,
        client: CrmClient,
        warehouse: Warehouse,
        *,
        holder: Lease,
        fetch_log: FetchLog,
        planner_store: PlannerStore,
        troubles: TroubleRegister,
        inbox: Inbox,
        batch: Batch,
        progress: Callable[[Progress], None],
        now: Callable[[], datetime],
        workers: int = WORKERS,
        is_limited: bool = False,
    ) -> None:
        self.client = client
        self.warehouse = warehouse
        self.holder = holder
        self.now = now
        self.troubles = troubles
        self.inbox = inbox
        self.planner_store = planner_store
        self.recorder = Recorder(
            client,
            warehouse,
            holder=holder,
            fetch_log=fetch_log,
            planner_store=planner_store,
            troubles=troubles,
            batch=batch,
            progress=progress,
            now=now,
            is_limited=is_limited,
        )
        self.failures = Failures(
            troubles,
            planner_store.planner,
            self.recorder,
            is_answered=self.is_answered,
            is_key_refused=self.is_key_refused,
        )
        self.workers = Workers(
            workers,
            held_bytes=lambda: batch.bytes,
            is_stopped=lambda: self.failures.stopped_by is not None,
            on_lull=self.recorder.report_lull,
        )
        self.chats = ChatSteps(
            client, self.recorder, failures=self.failures, planner_store=planner_store, workers=self.workers
        )
        self.lists = ListSteps(
            client,
            self.recorder,
            chats=self.chats,
            failures=self.failures,
            troubles=troubles,
            planner_store=planner_store,
            workers=self.workers,
        )

    def is_answered(self) -> bool:
        """Whether the CRM answers this key at all: a look at its lists tells."""
        for problem in self._look_at_lists():
            if problem is None:
                return True
            if isinstance(problem, RateLimited | QuotaSpent):
                return False
        return False

    def is_key_refused(self) -> bool:
        """Whether the CRM refuses this key for each of its lists."""
        return all(isinstance(problem, Unauthorized) for problem in self._look_at_lists())

    def _look_at_lists(self) -> Iterator[CrmPlatformError | None]:
        """Ask for one list after the other: None where it is answered, else why not."""
        for look in (
            lambda: self.client.list_contacts(limit=1, retries=0),
            self.client.list_custom_fields,
            lambda: self.client.list_campaigns(limit=1, retries=0),
        ):
            try:
                self.recorder.record(look, self.recorder.account(raw.Contacts))
            except CrmPlatformError as problem:
                yield problem
            else:
                yield None

    def is_resting(self, operation: str, target: str) -> bool:
        """Whether an object that could not be had is to be left alone for now."""
        return self.troubles.is_resting(operation, target, at=self.now())
