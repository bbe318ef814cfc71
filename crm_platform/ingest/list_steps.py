"""The steps that read a tenant's lists and reports: contacts, custom fields, campaigns.

What belongs here: reading each once, keeping what came, and telling the planner. What does not: when they are read
(refresh_run.py, due.py), one pass over a list (listing.py, sweep.py), chats (chat_steps.py).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeVar

from crm_platform.api.lookup import contacts_of_number
from crm_platform.errors import CrmPlatformError, NotFound, RejectedRequest, SkipRecord
from crm_platform.ingest.listing import Listing
from crm_platform.ingest.stored import campaign_statuses, last_reports
from crm_platform.ingest.sweep import Sweep, record_sweep
from crm_platform.schemas import raw

if TYPE_CHECKING:
    from crm_platform.api import Answer, CampaignReport, CrmClient, Fetch, Page
    from crm_platform.ingest.accounts import Account
    from crm_platform.ingest.chat_steps import ChatSteps
    from crm_platform.ingest.failures import Failures
    from crm_platform.ingest.planner_store import PlannerStore
    from crm_platform.ingest.recorder import Recorder
    from crm_platform.ingest.trouble import TroubleRegister
    from crm_platform.ingest.workers import Workers

R = TypeVar("R")

SENT = frozenset({"active", "in_progress", "completed"})
"""Campaign statuses that say messages went out."""


@dataclass(slots=True)
class ReportAnswer:
    """A campaign's report, or why there is none."""

    campaign_id: str
    report: Answer[CampaignReport] | None = None
    fetches: list[Fetch] = field(default_factory=list)
    failure: CrmPlatformError | None = None


class ListSteps:
    """Reads lists and reports; raises CrmPlatformError when a step cannot go on, what came before is in the batch."""

    def __init__(
        self,
        client: CrmClient,
        recorder: Recorder,
        *,
        chats: ChatSteps,
        failures: Failures,
        troubles: TroubleRegister,
        planner_store: PlannerStore,
        workers: Workers,
    ) -> None:
        self._client = client
        self._recorder = recorder
        self._batch = recorder.batch
        self._warehouse = recorder.warehouse
        self._now = recorder.now
        self._chats = chats
        self._failures = failures
        self._troubles = troubles
        self._planner_store = planner_store
        self._planner = planner_store.planner
        self._workers = workers

    def sweep(self) -> Sweep:
        """Read the contact list once and record what it showed; the sweep says whether it was complete or failed."""
        self._recorder.commit()  # a sweep is judged by those before it
        account = self._recorder.account(raw.Contacts)
        sweep = Sweep(self._client, retries=lambda page: self._failures.retries("list_contacts", f"page {page}"))
        for page in self._pages_of(sweep, account, "list_contacts"):
            self._batch.contacts(page)
            self._recorder.report("contacts", len(sweep.seen), page.total)
            self._recorder.commit(when_full=True)
        verdict = record_sweep(sweep, self._batch, self._warehouse)
        gone = frozenset() if verdict is None else verdict.gone
        if sweep.first is not None:
            self._planner_store.sighted(sweep.seen, at=sweep.first.fetch.started_at)
            self._planner_store.gone(gone)
        if sweep.is_complete:
            self._planner_store.swept(at=self._now(), requests=sweep.requests)
        else:
            self._planner.swept_in_part(at=self._now(), requests=sweep.requests)
        self._chats.listed(sweep.seen)
        self._chats.gone(gone)
        for chat_id in gone:
            self._troubles.over("list_messages", chat_id, at=self._now())
        account.metrics["seen_contacts"] = len(sweep.seen)
        account.metrics["is_complete"] = str(sweep.is_complete).lower()
        if sweep.warning:
            account.remaining = sweep.warning
        if sweep.total is not None:
            account.metrics["reported_total"] = sweep.total
        return sweep

    def _pages_of(self, listing: Listing[R], account: Account, operation: str) -> Iterator[Page[R]]:
        """Read a list, booking its requests; what pages could not be had for is remembered with them."""
        pages = listing.pages()
        while (page := self._recorder.record(lambda: next(pages, None), account)) is not None:
            account.took(page)
            self._troubles.over(operation, f"page {page.page}", at=self._now())
            yield page
        for number, problem in listing.failed.items():
            self._troubles.met(operation, f"page {number}", problem, at=self._now())
        if listing.failed:
            account.remaining = _missing_pages(listing)
        if listing.reached_end:
            self._list_was_had(operation)

    def _list_was_had(self, operation: str) -> None:
        """All of a list was read: whatever trouble there was with it is over, also with pages that are no more."""
        for trouble in list(self._troubles):
            if trouble.operation == operation:
                self._troubles.over(operation, trouble.target, at=self._now())

    def look_up(self, number: str) -> list[str]:
        """Search for the contacts that have a number, once, and keep them; gives their chats.

        Until a sweep sees them, they are there as whoever was created here is. Raises CrmPlatformError where it is not
        this number's trouble.
        """
        account = self._recorder.account(raw.Contacts)
        try:
            page = self._recorder.record(lambda: contacts_of_number(self._client, number, retries=0), account)
        except (RejectedRequest, SkipRecord):
            return []
        account.took(page)
        self._batch.contacts(page)
        chat_ids = [contact.chat_id for contact in page.records]
        self._planner_store.sighted(chat_ids, at=page.fetch.started_at)
        self._chats.listed(set(chat_ids))
        return chat_ids

    def has_swept(self) -> bool:
        """Whether any sweep has ever ended with a page seen."""
        with self._warehouse.reading() as session:
            return bool(session.query("select sweep_id from raw.contact_sweeps limit 1").num_rows)

    def custom_fields(self) -> None:
        """Fetch the tenant's custom fields."""
        account = self._recorder.account(raw.CustomFields)
        page = self._recorder.record(self._client.list_custom_fields, account)
        account.took(page)
        self._batch.custom_fields(page)
        self._list_was_had("list_custom_fields")
        self._planner.spent(at=self._now(), requests=1)

    def campaigns(self) -> None:
        """Fetch the campaign list; tell the planner of campaigns that went out since the last look."""
        account = self._recorder.account(raw.Campaigns)
        with self._warehouse.reading() as session:
            statuses = campaign_statuses(session)
        listing = Listing(
            lambda page: self._client.list_campaigns(
                page=page, retries=self._failures.retries("list_campaigns", f"page {page}")
            )
        )
        done = 0
        before = account.requests
        for page in self._pages_of(listing, account, "list_campaigns"):
            self._batch.campaigns(page, known_statuses=statuses)
            for campaign in page.records:
                previous = statuses.get(campaign.campaign_id, campaign.status)
                if campaign.status != previous:  # what it had no report for before, it may have one for now
                    self._troubles.over("campaign_report", campaign.campaign_id, at=self._now())
                if campaign.status in SENT and previous not in SENT:
                    # It went out by now, whatever it was due.
                    sent_at = min(campaign.scheduled_at or page.fetch.started_at, page.fetch.started_at)
                    self._planner_store.campaign_sent(at=sent_at, recipients=campaign.total_recipients or 0)
                statuses[campaign.campaign_id] = campaign.status
            done += len(page.records)
            self._recorder.report("campaigns", done, page.total)
        self._planner.spent(at=self._now(), requests=account.requests - before)
        if listing.failure is not None:
            raise listing.failure

    def reports(self, campaign_ids: list[str]) -> dict[str, CrmPlatformError]:
        """Fetch these campaigns' reports; gives what failed. A campaign that has no report (404) is no failure."""
        account = self._recorder.account(raw.CampaignReports)
        with self._warehouse.reading() as session:
            last = last_reports(session)
        failed: dict[str, CrmPlatformError] = {}
        before = account.requests
        answers = self._workers.each(self._fetch_report, campaign_ids, is_limited=self._recorder.is_limited)
        for done, answer in enumerate(answers, start=1):
            self._recorder.book(answer.fetches, account)
            if answer.report is not None:
                report = answer.report
                account.kept += 1
                self._batch.report(report.value, report.fetch, last=last.get(answer.campaign_id))
            if answer.failure is not None and not isinstance(answer.failure, NotFound):
                failed[answer.campaign_id] = answer.failure
            self._failures.judge(answer.failure, "campaign_report", answer.campaign_id)
            self._recorder.report("campaign reports", done, len(campaign_ids))
            self._recorder.commit(when_full=True)
        self._planner.spent(at=self._now(), requests=account.requests - before)
        self._failures.raise_if_stopped()
        return failed

    def _fetch_report(self, campaign_id: str) -> ReportAnswer:
        answer = ReportAnswer(campaign_id)
        with self._recorder.collecting(answer.fetches):
            try:
                retries = self._failures.retries("campaign_report", campaign_id)
                answer.report = self._client.campaign_report(campaign_id, retries=retries)
            except CrmPlatformError as problem:
                answer.failure = problem
        return answer


def _missing_pages(listing: Listing[Any]) -> str:
    """Say which pages of a list could not be had, and how much that leaves unseen."""
    numbers = ", ".join(map(str, listing.failed))
    missing = "" if listing.missing is None else f", {listing.missing} of {listing.total} records are missing"
    return f"page {numbers} could not be had{missing}"
