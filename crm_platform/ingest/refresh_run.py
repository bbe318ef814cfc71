"""A refresh: a run that ends when everything is current.

What belongs here: its stages, their order, and how often each comes back to what failed. What does not: the steps
(list_steps.py, chat_steps.py), a run by allowance (crawl_run.py), scheduling (defs/).

Current means, counted from the start of a refresh: one complete sweep, each present chat's newest page, every history
whole, the campaign list and each report once. What could not be had is not an error: a run keeps what it has and says
in words what remains.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING

from crm_platform.api import utc_now
from crm_platform.errors import CrmPlatformError, FixConfiguration, RetryLater, ServerUnavailable, Unauthorized
from crm_platform.ingest.accounts import Outcome, Progress
from crm_platform.ingest.failures import FINAL, MOST_TRIES
from crm_platform.ingest.runs import (
    Connect,
    cannot_be_had,
    open_crawler,
    raise_if_nothing_was_kept,
    rate_of,
    unseen_in,
)
from crm_platform.ingest.workers import WORKERS
from crm_platform.schemas import RawTable, raw

if TYPE_CHECKING:
    from crm_platform.ingest.crawler import Crawler
    from crm_platform.ingest.message_lists import Visit
    from crm_platform.settings import Settings
    from crm_platform.warehouse import Warehouse

FIRST_REPORTS_SHARE = 0.2
"""Share of a day's requests that a refresh spends on reports before it reads messages."""

ROUNDS = 3
"""Times that a list which failed or moved is read before a run ends."""

MOST_ROUNDS = 24
"""Times that a run comes back to the chats that failed: a long history may fail, and get further, many times."""

_CAMPAIGNS = """
    select campaign_id
    from raw.campaigns
    order by status in ('draft', 'scheduled'), coalesce(scheduled_at, created_at, first_fetched_at) desc, campaign_id
"""


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
        stages = _Stages(crawler, anew=full_refresh)
        nobody: CrmPlatformError | None = None  # why nobody is answered any more
        for stage, of in _in_order(stages):
            wanted = [table for table in of if table in tables]
            if not wanted:
                continue
            started_at = now()
            throttled = crawler.client.seconds_throttled
            account = crawler.recorder.account(of[0])
            try:
                if nobody is not None:
                    raise nobody
                stage()
            except CrmPlatformError as problem:
                account.remaining = f"{account.remaining or stage.__name__.replace('_', ' ')}: {problem}"
                crawler.recorder.commit()
                if of[0] is raw.Contacts and not crawler.lists.has_swept():
                    raise  # nothing is known of this CRM yet: figures of nothing would mislead
                if isinstance(problem, FixConfiguration) and not _is_of_one_list(problem, crawler):
                    crawler.recorder.commit()
                    raise
                if nobody is None and isinstance(problem, ServerUnavailable) and not crawler.is_answered():
                    nobody = problem
            account.seconds_throttled = crawler.client.seconds_throttled - throttled
            crawler.recorder.commit()
            yield from (crawler.recorder.outcome(table, started_at=started_at) for table in wanted)
        if refused := crawler.failures.refused_key():
            crawler.recorder.commit()
            raise refused
        raise_if_nothing_was_kept(crawler)


def _is_of_one_list(problem: CrmPlatformError, crawler: Crawler) -> bool:
    """Whether a refused key is refused for one list alone."""
    return isinstance(problem, Unauthorized) and crawler.is_answered()


def _in_order(stages: _Stages) -> Iterator[tuple[Callable[[], None], tuple[type[RawTable], ...]]]:
    """The stages and what each fetches.

    Under a quota, ours or one that the CRM has named by now, the cheapest figures come first; without one, what moves
    fastest is read closest to the cut.
    """
    yield stages.contacts, (raw.Contacts, raw.ContactSweeps)
    yield stages.custom_fields, (raw.CustomFields,)
    crawler = stages.crawler
    limits = crawler.client.limits()
    crawler.recorder.is_limited = rate_of(limits) is not None
    messages, reports = (stages.messages, (raw.Messages,)), (stages.reports, (raw.CampaignReports,))
    campaigns = (stages.campaigns, (raw.Campaigns,))
    if not crawler.recorder.is_limited:
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
        account = self.crawler.recorder.account(raw.Contacts)
        for _ in range(ROUNDS):
            sweep = self.crawler.lists.sweep()
            # Pages that could not be had twice are left to the next run.
            is_stuck = sweep.failed and not any(
                self.crawler.failures.is_worth_another_try("list_contacts", f"page {page}", problem)
                for page, problem in sweep.failed.items()
            )
            if sweep.is_complete or is_stuck or isinstance(sweep.failure, FINAL):
                break
        if sweep.failure is not None and not sweep.is_complete:
            raise sweep.failure
        account.remaining = unseen_in(sweep)

    def custom_fields(self) -> None:
        """Fetch the tenant's custom fields."""
        self.crawler.lists.custom_fields()

    def campaigns(self) -> None:
        """Fetch the campaign list, and where reports come last, the first of them."""
        self.crawler.lists.campaigns()
        if self.first_reports:
            self.crawler.recorder.commit()
            first = self._reports_due()[: self.first_reports]
            self.asked |= set(first)
            self.crawler.lists.reports(first)

    def reports(self) -> None:
        """Fetch every campaign's report that was not fetched yet; what failed is tried again."""
        crawler = self.crawler
        crawler.recorder.commit()
        due = self._reports_due()
        account = crawler.recorder.account(raw.CampaignReports)
        account.remaining = f"{len(due)} reports"
        for _ in range(MOST_TRIES):
            due = [
                campaign_id
                for campaign_id, problem in crawler.lists.reports(due).items()
                if crawler.failures.is_worth_another_try("campaign_report", campaign_id, problem)
            ]
            if not due:
                break
        account.remaining = cannot_be_had(crawler, "campaign_report", "reports")

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
        crawler.recorder.commit()
        crawler.chats.load_states(anew=self.anew)
        account = crawler.recorder.account(raw.Messages)
        total = len(crawler.chats.states)
        current: set[str] = set()
        # Those never visited first: a page of each tells more than the newest minute of a few.
        due = [chat_id for chat_id in crawler.chats.states if not crawler.is_resting("list_messages", chat_id)]
        due.sort(key=lambda chat_id: crawler.chats.states[chat_id].known_until is not None)
        try:
            for _ in range(MOST_ROUNDS):
                failed = self._read(due, current)
                due = [
                    chat_id
                    for chat_id, problem in failed.items()
                    if crawler.failures.is_worth_another_try("list_messages", chat_id, problem)
                ]
                if not due:
                    break
        finally:
            account.metrics["chats"] = total
            account.metrics["chats_current"] = len(current)
            if len(current) < total:
                account.remaining = f"{total - len(current)} of {total} chats"
        if account.remaining:
            fell_short = sum(state.fell_short_at is not None for state in crawler.chats.states.values())
            short = f"{fell_short} hold less than the CRM counts" if fell_short else ""
            why = "; ".join(filter(None, (short, cannot_be_had(crawler, "list_messages", "chats"))))
            account.remaining += f": {why}" if why else ""

    def _read(self, chat_ids: list[str], current: set[str]) -> dict[str, CrmPlatformError]:
        """Visit these chats and read their histories; notes which are current, gives what failed."""
        try:
            return self._read_until_done(chat_ids, current)
        except RetryLater:
            # The day's requests are spent, or nobody answers: what was read to its end by then counts all the same.
            # Else a small allowance is spent on the same lists every day.
            self.crawler.chats.count_ended()
            current |= {chat_id for chat_id in chat_ids if self.crawler.chats.states[chat_id].is_history_whole}
            raise

    def _read_until_done(self, chat_ids: list[str], current: set[str]) -> dict[str, CrmPlatformError]:
        crawler = self.crawler
        failed: dict[str, CrmPlatformError] = {}
        asked = set(chat_ids)
        # Where only the history failed, the newest page need not be had again.
        unvisited = [chat_id for chat_id in chat_ids if chat_id not in self.visited]
        reading: Iterator[Visit] = crawler.chats.visit(unvisited, anew=self.anew)
        while True:
            for visit in reading:
                chat_id = visit.state.chat_id
                if visit.is_newest and visit.failure is None:
                    self.visited.add(chat_id)
                if visit.failure is not None:
                    failed[chat_id] = visit.failure
                elif visit.state.is_history_whole:
                    current.add(chat_id)
                crawler.recorder.report("messages", len(current), len(crawler.chats.states))
            left = asked - failed.keys() - current
            unfinished = self._due(left - crawler.chats.ended)
            if not unfinished:
                # Only now: a count opens the file, and the reading waits for it.
                crawler.chats.count_ended()
                current |= {chat_id for chat_id in left if crawler.chats.states[chat_id].is_history_whole}
                unfinished = self._due(left - current)
            if not unfinished:
                return failed
            # Pages are left out last: by then it is known which failures pass.
            patient = [chat_id for chat_id in unfinished if not crawler.chats.may_leave_out(chat_id)]
            reading = crawler.chats.deepen(patient or unfinished)

    def _due(self, chat_ids: set[str]) -> list[str]:
        """Those of the chats whose history is to be read on, in their order."""
        at = self.crawler.now()
        return sorted(chat_id for chat_id in chat_ids if self.crawler.chats.states[chat_id].is_due(at))
