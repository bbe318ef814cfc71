"""What all runs of the crawler share: one crawler at a time, and what remains to be said at the end.

What belongs here: opening a crawler for the CRM of a warehouse, and words on what could not be had. What does not:
which step comes when (refresh_run.py, crawl_run.py).
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from datetime import datetime
from typing import TYPE_CHECKING

from crm_platform.api import Allowance, CrmClient, Fetch
from crm_platform.errors import CrmPlatformError, GiveUp
from crm_platform.ingest.accounts import Progress
from crm_platform.ingest.batch import Batch
from crm_platform.ingest.clocks import settle
from crm_platform.ingest.connect import CRAWLER_RESERVE, FetchLog, open_client
from crm_platform.ingest.crawler import Crawler
from crm_platform.ingest.duplicates import decide_duplicates
from crm_platform.ingest.events import find_whose, take_in
from crm_platform.ingest.inbox import Inbox
from crm_platform.ingest.planner_store import PlannerStore
from crm_platform.ingest.trouble import TroubleRegister, missed
from crm_platform.warehouse import claim

if TYPE_CHECKING:
    from crm_platform.ingest.sweep import Sweep
    from crm_platform.settings import Settings
    from crm_platform.warehouse import Warehouse

Connect = Callable[[Callable[[Fetch], None]], CrmClient]

FEWEST_REJECTED = 2
"""One record that is broken is that record's trouble; this many, and none that is not, are the server's."""


@contextlib.contextmanager
def open_crawler(
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
    """Be the only crawler, connected to the CRM whose data this is. What came is decided on before it is closed."""
    claim(warehouse, settings)
    fetch_log = FetchLog()
    with contextlib.ExitStack() as stack:
        crawling = warehouse.leases.take("crawl", purpose="crawl", wait=wait_seconds, on_wait=on_wait)
        holder = stack.enter_context(crawling)
        warehouse.recover(holder)
        if connect is None:
            client = open_client(settings, reserve=CRAWLER_RESERVE, on_fetch=fetch_log, holder=holder)
        else:
            client = connect(fetch_log)
        stack.enter_context(client)
        inbox = stack.enter_context(contextlib.closing(Inbox(settings.inbox_path)))
        settle(warehouse, client, holder=holder, now=now())
        take_in(inbox, warehouse, holder)
        find_whose(warehouse, holder, at=now())
        planner_store = PlannerStore.load(settings, warehouse, at=now())
        with warehouse.reading() as session:
            troubles = TroubleRegister.load(session)
        for trouble in troubles:
            if troubles.is_resting(trouble.operation, trouble.target, at=now()):
                planner_store.planner.rest(trouble.target, until=trouble.retry_at)
        crawler = Crawler(
            client,
            warehouse,
            holder=holder,
            fetch_log=fetch_log,
            planner_store=planner_store,
            troubles=troubles,
            inbox=inbox,
            batch=Batch(keep_text=settings.message_text == "keep", opt_out_words=settings.opt_out_words),
            progress=progress,
            now=now,
            workers=workers,
            is_limited=rate_of(client.limits()) is not None,
        )
        try:
            yield crawler
        except CrmPlatformError:
            decide_duplicates(warehouse, holder, at=now())  # what came before it was committed
            raise
        take_in(inbox, warehouse, holder)
        find_whose(warehouse, holder, at=now())
        decide_duplicates(warehouse, holder, at=now())


def raise_if_nothing_was_kept(crawler: Crawler) -> None:
    """A run that keeps nothing of what it read is not a good one. Raises GiveUp, naming kinds, counts and reasons."""
    lost = [
        f"{table.full_name()}: {account.rejected} records, {', '.join(sorted(account.reasons))}"
        for table, account in crawler.recorder.accounts.items()
        if account.rejected >= FEWEST_REJECTED and not account.kept
    ]
    if lost:
        raise GiveUp(
            f"none of what was read could be kept ({'; '.join(lost)}): the CRM's answers are not as its contract says; "
            "the records are in ops.quarantine"
        )


def unseen_in(sweep: Sweep) -> str:
    """What a pass over the contact list leaves to be told: why it was not complete, or is not believed."""
    if sweep.is_complete or sweep.warning:
        return sweep.warning
    if sweep.failure is not None:
        return f"the contact list: {sweep.failure}"
    missing = f": {sweep.missing} of {sweep.total} were not seen" if sweep.missing else ""
    return f"no sweep of the contact list was complete{missing}"


def cannot_be_had(crawler: Crawler, operation: str, what: str) -> str:
    """How many objects cannot be had, and what the first of them answers."""
    crawler.recorder.commit()
    with crawler.warehouse.reading() as session:
        troubles = [one for one in missed(session) if one.operation == operation]
    if operation == "list_messages":
        troubles = [one for one in troubles if one.target in crawler.chats.states]
    return f"{len(troubles)} {what} cannot be had: {troubles[0].reason}" if troubles else ""


def rate_of(limits: Allowance) -> float | None:
    """Requests a minute that these limits allow on average; None = no limit."""
    known = [float(limit) for limit in (limits.minute, limits.day and limits.day / 1440) if limit]
    return min(known) if known else None
