"""The CRM's client: 16 operations, typed in and out, and a record (`Fetch`) of every request sent.

What belongs here: sending, retrying, paging. What does not: what answers mean (envelopes.py), records (parsing.py), how
many requests may be sent (gate.py), what to fetch (ingest/).

Reads are tried again when the server is busy or broken. **A write is sent once**: if no clear answer comes, the error
says that it may have been applied (`WriteUncertain`), and only a look at the CRM can tell.

No exception that leaves this module carries frames of the HTTP library: their local variables hold the key.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import itertools
import os
import random
import re
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final, Generic, Self, TypeVar
from urllib.parse import quote, urlencode, urlsplit

import httpx
from pydantic import SecretStr

from crm_platform.api.envelopes import (
    UnreadableAnswer,
    Verdict,
    clock_skew,
    judge_status,
    list_of,
    message_of,
    object_of,
    paging_of,
    says_failure,
    says_success,
)
from crm_platform.api.gate import Allowance, Closed, Gate, OpenGate
from crm_platform.api.instants import Believable
from crm_platform.api.operations import OPERATIONS, Operation
from crm_platform.api.paging import pages
from crm_platform.api.parsing import (
    Parser,
    decode,
    mend,
    parse_all,
    parse_campaign,
    parse_contact,
    parse_custom_field,
    parse_custom_field_value,
    parse_enum,
    parse_id,
    parse_message,
    parse_report,
)
from crm_platform.api.records import (
    Answer,
    Assignment,
    Campaign,
    CampaignReport,
    Contact,
    CustomField,
    CustomFieldValue,
    Fetch,
    Message,
    Page,
    Receiver,
    Rejected,
    Trigger,
)
from crm_platform.api.wire import (
    LARGEST_ANSWER,
    Deadline,
    TooLargeError,
    body_of,
    open_transport,
    setting_to_fix,
    why_not,
)
from crm_platform.errors import (
    CrmPlatformError,
    FieldProblem,
    FixConfiguration,
    InvalidRequest,
    RateLimited,
    RejectedRequest,
    RetryLater,
    ServerUnavailable,
    SkipRecord,
    WriteUncertain,
)
from crm_platform.scrub import scrub_http_logs

T = TypeVar("T")

LARGEST_PAGE: Final = 100  # records; the contract's limit
SEARCH_FIELDS: Final = ("email", "whatsapp_number", "name")
SEARCH_CONDITIONS: Final = ("contains", "equal to", "starts with", "ends with")
SORTS: Final = ("newest", "oldest")

# Seconds before the first retry; each further one waits twice as long. A 429 without Retry-After waits longer,
# because the window has to move on.
_FIRST_BACKOFF: Final = 0.5
_FIRST_RATE_BACKOFF: Final = 2.0
_LONGEST_BACKOFF: Final = 30.0
# Seconds; a shorter wait is the gate's own work, not a wait for a slot.
_SHORTEST_WAIT: Final = 0.05
# When the server asks for a longer pause than this (seconds), we do not wait: the caller has other things to do.
LONGEST_RETRY_AFTER: Final = 60.0

# Seconds to wait for a connection. One that works comes at once.
_LONGEST_CONNECT: Final = 10.0

_E164: Final = re.compile(r"\+?[1-9]\d{6,14}")
_EMAIL: Final = re.compile(r"[^@\s]+@[^@\s]+")
# Errors of the transport that come before a byte of the request has left.
_NEVER_SENT: Final = (
    httpx.ConnectError,
    httpx.ConnectTimeout,
    httpx.PoolTimeout,
    httpx.ProxyError,
    httpx.UnsupportedProtocol,
)


def utc_now() -> dt.datetime:
    """Give the time, aware and in UTC."""
    return dt.datetime.now(dt.UTC)


class FetchIds:
    """Ids of requests: 63 bits, unique across processes, increasing within a process, sortable by time."""

    def __init__(self, now: Callable[[], dt.datetime] = utc_now) -> None:
        self._now = now
        self._last = 0
        self._lock = threading.Lock()

    def __call__(self) -> int:
        """Give the next: microseconds since 1970 × 1024 + the process's low bits; one more where that repeats."""
        micros = (self._now() - dt.datetime(1970, 1, 1, tzinfo=dt.UTC)) // dt.timedelta(microseconds=1)
        fresh = micros * 1024 + (os.getpid() & 1023)
        with self._lock:
            self._last = fresh if fresh > self._last else self._last + 1024
            return self._last


@dataclass(frozen=True, slots=True)
class _Call:
    """One request, which may be sent several times."""

    operation: Operation
    path: str
    target: str | None = None
    query: Mapping[str, str | int] | None = None
    body: Mapping[str, Any] | None = None
    page: int | None = None
    page_size: int | None = None
    sort: str | None = None
    retries: int | None = None


@dataclass(frozen=True, slots=True)
class _Response:
    """A whole answer; `body` is None where it was too large to be read."""

    status: int
    headers: httpx.Headers
    body: bytes | None


@dataclass(frozen=True, slots=True)
class _NoAnswer:
    """What became of a request without an answer. `is_over`: the server can no longer receive it."""

    verdict: Verdict
    is_over: bool


@dataclass(frozen=True, slots=True)
class _Document:
    """A decoded body; `torn`: some text in it needs mending; `believed`: the instants that its request may tell of."""

    value: Any
    torn: bool
    believed: Believable


@dataclass(frozen=True, slots=True)
class _Reading(Generic[T]):
    """What a body held: the value, and how many records it took to say it."""

    value: T
    records: int = 1
    total: int | None = None


@dataclass(frozen=True, slots=True)
class _Listing(Generic[T]):
    records: tuple[T, ...]
    rejected: tuple[Rejected, ...]
    page_size: int
    total: int | None


def _refuse(field: str, message: str) -> InvalidRequest:
    return InvalidRequest(
        f"nothing was sent: the contract does not allow this {field}", details=[FieldProblem(field, message)]
    )


def _checked_id(field: str, value: str) -> str:
    if not value.strip() or value in (".", ".."):
        raise _refuse(field, "must name one")
    return value


def _checked_text(field: str, value: str) -> str:
    if not value.strip():
        raise _refuse(field, "must not be empty")
    return value


def _checked_choice(field: str, value: str, choices: tuple[str, ...]) -> str:
    if value not in choices:
        raise _refuse(field, f"must be one of: {', '.join(choices)}")
    return value


def _checked_number(value: str, field: str = "whatsapp_number") -> str:
    if not _E164.fullmatch(value):
        raise _refuse(field, "must be an international number such as +254712345678")
    return value


def _checked_email(field: str, value: str) -> str:
    if not _EMAIL.fullmatch(value):
        raise _refuse(field, "must be an e-mail address")
    return value


def _checked_page(page: int, limit: int) -> dict[str, str | int]:
    if page < 1:
        raise _refuse("page", "counts from 1")
    if not 1 <= limit <= LARGEST_PAGE:
        raise _refuse("limit", f"must be between 1 and {LARGEST_PAGE}")
    return {"page": page, "limit": limit}


def _receivers(receivers: Iterable[Receiver]) -> list[dict[str, Any]]:
    listed: list[dict[str, Any]] = []
    for receiver in receivers:
        one: dict[str, Any] = {
            "whatsapp_number": _checked_number(receiver.whatsapp_number, f"receivers[{len(listed)}].whatsapp_number")
        }
        if receiver.variables:
            one["variables"] = dict(receiver.variables)
        listed.append(one)
    if not listed:
        raise _refuse("receivers", "must name at least one")
    return listed


class CrmClient:
    """A connection to one CRM. Threads may share it; close it, or use it as a context manager.

    `gate` is passed by every attempt of every request; `on_fetch` is told of every attempt, in the thread that made it.
    `timeout` (seconds, by the monotonic `clock`) bounds a whole exchange; `retries` counts what follows the first try
    of a read. At most `max_connections` requests are under way at once. `now`, `clock`, `sleep`, `jitter` and `new_id`
    are there to be set by tests.

    Each method raises InvalidRequest, before anything is sent, for an argument the contract forbids, and otherwise what
    errors.py describes: RateLimited, ServerUnavailable, QuotaSpent (all: later), Unauthorized, FixConfiguration,
    NotFound, InvalidRequest, RejectedRequest, and for writes WriteUncertain.
    """

    def __init__(
        self,
        base_url: str,
        api_key: SecretStr,
        *,
        gate: Gate | None = None,
        on_fetch: Callable[[Fetch], None] | None = None,
        transport: httpx.BaseTransport | None = None,
        timeout: float = 30.0,
        retries: int = 4,
        now: Callable[[], dt.datetime] = utc_now,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
        jitter: random.Random | None = None,
        new_id: Callable[[], int] | None = None,
        max_connections: int = 8,
    ) -> None:
        self._base_url = base_url.rstrip("/")
        if not re.fullmatch(r"[\x21-\x7e]+", api_key.get_secret_value()):
            raise FixConfiguration("CRM_API_KEY is empty or holds characters that no header can carry")
        self._key = api_key
        self._gate: Gate = gate or OpenGate()
        self._on_fetch = on_fetch or (lambda _: None)
        self._retries = retries
        self._timeout = timeout
        self._now = now
        self._sleep = sleep
        self._jitter = jitter or random.Random()  # noqa: S311 - spreads retries, keeps no secret
        self._new_id = new_id or FetchIds(now)
        # Taken before the gate's slot: a request that has its slot leaves at once, and httpx never queues one.
        self._places = threading.BoundedSemaphore(max_connections)
        self._counting = threading.Lock()
        self.seconds_throttled = 0.0  # waited for the gate, by all threads together
        scrub_http_logs()
        # Only the library's transport is used. The contract knows no cookies, redirects or other authentication, and
        # the library's client would double the cost of a request.
        self._deadline = Deadline(clock)
        self._transport = transport or open_transport(self._base_url, self._deadline, max_connections=max_connections)
        self._headers = httpx.Headers(
            {
                "API-KEY": api_key.get_secret_value(),
                "Accept": "application/json",
                "Accept-Encoding": "gzip, deflate",
                "User-Agent": "crm_platform",
            }
        )
        self._extensions = {"timeout": httpx.Timeout(timeout, connect=min(timeout, _LONGEST_CONNECT)).as_dict()}

    def __repr__(self) -> str:
        """Name the CRM, never the key."""
        return f"CrmClient({self._base_url!r})"

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections and the gate."""
        self._transport.close()
        self._gate.close()

    def available(self) -> int | None:
        """How many requests may start now by the gate; None = no limit."""
        return self._gate.available().now

    def closed(self) -> Closed | None:
        """Until when nobody may send, and why; None while the gate is open."""
        return self._gate.closed()

    def limits(self) -> Allowance:
        """How many requests a minute and a day may hold by the gate: the smaller of ours and the server's."""
        return self._gate.limits()

    # Contacts.

    def list_contacts(self, *, page: int = 1, limit: int = LARGEST_PAGE, retries: int | None = None) -> Page[Contact]:
        """Give one page of the contacts, in the server's order. Nothing promises that this order is stable."""
        return self._page("list_contacts", "contacts", parse_contact, page=page, limit=limit, retries=retries)

    def contact_pages(self, *, limit: int = LARGEST_PAGE, first: int = 1) -> Iterator[Page[Contact]]:
        """Give the pages of the contacts from `first` to the end, asking for each when it is wanted."""
        return pages(lambda page: self.list_contacts(page=page, limit=limit), first=first)

    def search_contacts(self, field: str, value: str, condition: str = "contains") -> Page[Contact]:
        """Find contacts whose `field` (SEARCH_FIELDS) meets `condition` (SEARCH_CONDITIONS) with `value`; one page."""
        query = {
            "search_field": _checked_choice("search_field", field, SEARCH_FIELDS),
            "search_value": _checked_text("search_value", value),
            "condition": _checked_choice("condition", condition, SEARCH_CONDITIONS),
        }
        return self._list("search_contacts", "contacts", parse_contact, query=query)

    def create_contact(
        self,
        whatsapp_number: str,
        *,
        email: str | None = None,
        name: str | None = None,
        custom_fields: Mapping[str, str] | None = None,
    ) -> Answer[Contact]:
        """Create a contact for an E.164 number."""
        body: dict[str, Any] = {"whatsapp_number": _checked_number(whatsapp_number)}
        if email is not None:
            body["email"] = _checked_email("email", email)
        if name is not None:
            body["name"] = name
        if custom_fields:
            body["custom_fields"] = dict(custom_fields)
        return self._create("create_contact", parse_contact, body)

    def delete_contact(self, chat_id: str) -> Answer[None]:
        """Delete a contact and its chat."""
        return self._do("delete_contact", lambda _: None, target=_checked_id("chat_id", chat_id))

    def contact_custom_fields(self, chat_id: str) -> Page[CustomFieldValue]:
        """Give the custom field values of a chat; one page."""
        return self._list(
            "contact_custom_fields",
            "custom_fields",
            parse_custom_field_value,
            target=_checked_id("chat_id", chat_id),
        )

    # Chats.

    def list_messages(
        self,
        chat_id: str,
        *,
        page: int = 1,
        limit: int = LARGEST_PAGE,
        sort: str = "newest",
        retries: int | None = None,
    ) -> Page[Message]:
        """Give one page of a chat's messages; `sort` says which end page 1 is at (`newest` or `oldest`)."""
        return self._page(
            "list_messages",
            "messages",
            parse_message,
            page=page,
            limit=limit,
            sort=_checked_choice("sort", sort, SORTS),
            target=_checked_id("chat_id", chat_id),
            retries=retries,
        )

    def message_pages(
        self, chat_id: str, *, limit: int = LARGEST_PAGE, sort: str = "newest", first: int = 1
    ) -> Iterator[Page[Message]]:
        """Give the pages of a chat's messages from `first` to the end, asking for each when it is wanted."""
        return pages(lambda page: self.list_messages(chat_id, page=page, limit=limit, sort=sort), first=first)

    def assign_chat(
        self, chat_id: str, operator_email: str, *, pause_automation: bool | None = None
    ) -> Answer[Assignment]:
        """Assign a chat to an operator."""
        body: dict[str, Any] = {"operator_email": _checked_email("operator_email", operator_email)}
        if pause_automation is not None:
            body["pause_automation"] = pause_automation

        def read(document: _Document) -> Assignment:
            said = object_of(document.value).get("assigned_to")
            return Assignment(said if isinstance(said, str) and said else operator_email)

        return self._do("assign_chat", read, target=_checked_id("chat_id", chat_id), body=body)

    def mark_as_done(self, chat_id: str, *, resolution_notes: str | None = None) -> Answer[None]:
        """Mark a chat as done."""
        body = {"metadata": {"resolution_notes": resolution_notes}} if resolution_notes else {}
        return self._do("mark_as_done", lambda _: None, target=_checked_id("chat_id", chat_id), body=body)

    # Custom fields.

    def list_custom_fields(self) -> Page[CustomField]:
        """Give the tenant's custom fields; one page."""
        return self._list("list_custom_fields", "custom_fields", parse_custom_field)

    def create_custom_field(
        self,
        name: str,
        type: str = "text",  # noqa: A002 - the contract's word
        *,
        required: bool | None = None,
        default_value: str | None = None,
    ) -> Answer[CustomField]:
        """Create a custom field."""
        body: dict[str, Any] = {"name": _checked_text("name", name), "type": _checked_text("type", type)}
        if required is not None:
            body["required"] = required
        if default_value is not None:
            body["default_value"] = default_value
        return self._create("create_custom_field", parse_custom_field, body)

    def delete_custom_field(self, custom_field_id: str) -> Answer[None]:
        """Delete a custom field, and with it its values."""
        return self._do("delete_custom_field", lambda _: None, target=_checked_id("custom_field_id", custom_field_id))

    # Campaigns.

    def list_campaigns(self, *, page: int = 1, limit: int = LARGEST_PAGE, retries: int | None = None) -> Page[Campaign]:
        """Give one page of the campaigns."""
        return self._page("list_campaigns", "campaigns", parse_campaign, page=page, limit=limit, retries=retries)

    def campaign_pages(self, *, limit: int = LARGEST_PAGE, first: int = 1) -> Iterator[Page[Campaign]]:
        """Give the pages of the campaigns from `first` to the end, asking for each when it is wanted."""
        return pages(lambda page: self.list_campaigns(page=page, limit=limit), first=first)

    def campaign_report(self, campaign_id: str, *, retries: int | None = None) -> Answer[CampaignReport]:
        """Give a campaign's figures. Raises SkipRecord when the CRM sends those of another campaign."""

        def read(document: _Document) -> _Reading[CampaignReport | None]:
            raw, broken = mend(object_of(document.value)) if document.torn else (object_of(document.value), {})
            about = parse_id(raw.get("campaign_id"))
            report = parse_report(raw, campaign_id=campaign_id)
            if report is None:
                raise UnreadableAnswer("the answer holds no figures")
            if about is not None and about != campaign_id:
                return _Reading(None)
            report.extra.update(broken)
            return _Reading(report)

        call = self._call("campaign_report", target=_checked_id("campaign_id", campaign_id), retries=retries)
        reading, fetch = self._read(call, read)
        if reading.value is None:
            raise SkipRecord("campaign report: the answer is about another campaign")
        return Answer(reading.value, fetch)

    def create_campaign(
        self,
        name: str,
        *,
        template_name: str,
        receivers: Iterable[Receiver],
        template_language: str | None = None,
        scheduled_at: dt.datetime | None = None,
    ) -> Answer[Campaign]:
        """Create a campaign; `scheduled_at` (aware) makes the CRM send it then."""
        body: dict[str, Any] = {
            "name": _checked_text("name", name),
            "template_name": _checked_text("template_name", template_name),
            "receivers": _receivers(receivers),
        }
        if template_language:
            body["template_language"] = template_language
        if scheduled_at is not None:
            if scheduled_at.tzinfo is None:
                raise _refuse("scheduled_at", "needs a time zone")
            body["scheduled_at"] = scheduled_at.astimezone(dt.UTC).isoformat().replace("+00:00", "Z")
        return self._create("create_campaign", parse_campaign, body)

    def clone_campaign(
        self, source_campaign_id: str, *, new_name: str, receivers: Iterable[Receiver]
    ) -> Answer[Campaign]:
        """Copy a campaign, as a draft, for other receivers."""
        body = {
            "source_campaign_id": _checked_id("source_campaign_id", source_campaign_id),
            "new_name": _checked_text("new_name", new_name),
            "receivers": _receivers(receivers),
        }
        return self._create("clone_campaign", parse_campaign, body, target=source_campaign_id)

    def trigger_campaign(self, campaign_id: str) -> Answer[Trigger]:
        """Start a campaign: its messages go out."""

        def read(document: _Document) -> Trigger:
            return Trigger(campaign_id, parse_enum(object_of(document.value).get("status")))

        return self._do("trigger_campaign", read, target=_checked_id("campaign_id", campaign_id))

    # How lists, creations and other writes are read.

    def _page(
        self,
        name: str,
        list_name: str,
        parse: Parser[T],
        *,
        page: int,
        limit: int,
        sort: str | None = None,
        target: str | None = None,
        retries: int | None = None,
    ) -> Page[T]:
        query = _checked_page(page, limit) | ({"sort": sort} if sort else {})
        call = self._call(name, target=target, query=query, page=page, page_size=limit, sort=sort, retries=retries)
        return self._listed(call, list_name, parse)

    def _list(
        self,
        name: str,
        list_name: str,
        parse: Parser[T],
        *,
        target: str | None = None,
        query: Mapping[str, str | int] | None = None,
    ) -> Page[T]:
        return self._listed(self._call(name, target=target, query=query), list_name, parse)

    def _listed(self, call: _Call, list_name: str, parse: Parser[T]) -> Page[T]:
        def read(document: _Document) -> _Reading[_Listing[T]]:
            raws = list_of(document.value, list_name, is_first=call.page in (None, 1))
            records, rejected = parse_all(raws, parse, document.believed, torn=document.torn)
            size, total = paging_of(document.value, limit=call.page_size or max(1, len(raws)))
            return _Reading(_Listing(records, rejected, size, total), len(raws), total)

        reading, fetch = self._read(call, read)
        found = reading.value
        return Page(found.records, found.rejected, call.page or 1, found.page_size, found.total, fetch)

    def _create(self, name: str, parse: Parser[T], body: Mapping[str, Any], *, target: str | None = None) -> Answer[T]:
        def read(document: _Document) -> T:
            records, _ = parse_all([object_of(document.value)], parse, document.believed, torn=document.torn)
            if not records:
                raise UnreadableAnswer("the answer does not say what was created")
            return records[0]

        return self._do(name, read, target=target, body=body)

    def _do(
        self,
        name: str,
        read: Callable[[_Document], T],
        *,
        target: str | None = None,
        body: Mapping[str, Any] | None = None,
    ) -> Answer[T]:
        call = self._call(name, target=target, body=body)
        outcome, fetch = self._attempt(call, lambda document: _Reading(read(document)), attempt=1)
        if isinstance(outcome, Verdict):
            raise outcome.error
        return Answer(outcome.value, fetch)

    # Sending.

    def _call(
        self,
        name: str,
        *,
        target: str | None = None,
        query: Mapping[str, str | int] | None = None,
        body: Mapping[str, Any] | None = None,
        page: int | None = None,
        page_size: int | None = None,
        sort: str | None = None,
        retries: int | None = None,
    ) -> _Call:
        operation = OPERATIONS[name]
        path = re.sub(r"\{\w+\}", lambda _: quote(target or "", safe=""), operation.path)
        return _Call(operation, path, target, query, body, page, page_size, sort, retries)

    def _read(self, call: _Call, read: Callable[[_Document], _Reading[T]]) -> tuple[_Reading[T], Fetch]:
        """Send a read until it is answered, as often as the call or else the client allows. Raises the last error."""
        for attempt in itertools.count(1):
            outcome, fetch = self._attempt(call, read, attempt=attempt)
            if not isinstance(outcome, Verdict):
                return outcome, fetch
            pause = self._pause(outcome, attempt, most=self._retries if call.retries is None else call.retries)
            if pause is None:
                raise outcome.error
            self._sleep(pause)
        raise AssertionError  # itertools.count does not end

    def _pause(self, verdict: Verdict, attempt: int, *, most: int) -> float | None:
        """Seconds before the next try; None = no further try."""
        error = verdict.error
        if not isinstance(error, RetryLater) or attempt > most:
            return None
        first = _FIRST_RATE_BACKOFF if isinstance(error, RateLimited) else _FIRST_BACKOFF
        pause = min(_LONGEST_BACKOFF, first * 2.0 ** (attempt - 1)) * self._jitter.uniform(0.5, 1.0)
        if error.retry_after is None:
            return pause
        if error.retry_after > LONGEST_RETRY_AFTER:
            return None
        # Never earlier than the server said, and a little later, so that not everybody comes back at the same moment.
        return error.retry_after + min(pause, 1.0)

    def _attempt(
        self, call: _Call, read: Callable[[_Document], _Reading[T]], *, attempt: int
    ) -> tuple[_Reading[T] | Verdict, Fetch]:
        """Send the request once, read the answer, and report both to the gate and to `on_fetch`."""
        with self._places:
            asked_at = self._now()
            slot = self._gate.acquire(call.operation.name)
            headers: Mapping[str, str] | None = None
            status: int | None = None
            started_at = self._now()
            waited = (started_at - asked_at).total_seconds()
            if waited >= _SHORTEST_WAIT:
                with self._counting:
                    self.seconds_throttled += waited
            try:
                answer = self._send(call)
                if isinstance(answer, _Response):
                    headers, status = answer.headers, answer.status
                elif answer.is_over:
                    headers = {}
            finally:
                finished_at = self._now()
                slot.release(headers, status)
        outcome = (
            self._understood(call, answer, read, asked_at=started_at)
            if isinstance(answer, _Response)
            else answer.verdict
        )
        fetch = Fetch(
            fetch_id=self._new_id(),
            operation=call.operation.name,
            target=call.target,
            page=call.page,
            page_size=call.page_size,
            sort=call.sort,
            attempt=attempt,
            started_at=started_at,
            finished_at=finished_at,
            http_status=status,
            outcome="ok" if isinstance(outcome, _Reading) else outcome.outcome,
            records=outcome.records if isinstance(outcome, _Reading) else 0,
            total=outcome.total if isinstance(outcome, _Reading) else None,
            server_clock_skew_seconds=clock_skew(headers or {}, started_at=started_at, finished_at=finished_at),
        )
        self._on_fetch(fetch)
        return outcome, fetch

    def _send(self, call: _Call) -> _Response | _NoAnswer:
        """Send, and give the whole answer or what became of it. No exception of the HTTP library leaves this method."""
        what = call.operation.words
        try:
            return self._exchange(call)
        except _NEVER_SENT as problem:
            kind, sent, wrong = type(problem).__name__, False, setting_to_fix(problem, self._base_url)
            why = why_not(problem)
        except (httpx.HTTPError, httpx.InvalidURL, httpx.StreamError) as problem:
            kind, sent, wrong = type(problem).__name__, True, None
        is_over = not (sent and kind.endswith("Timeout"))
        outcome = "timeout" if kind.endswith("Timeout") else "disconnected"
        error: CrmPlatformError
        if kind in ("InvalidURL", "UnsupportedProtocol", "LocalProtocolError"):
            outcome = "rejected"
            error = FixConfiguration(f"{what}: the request cannot be made; check CRM_BASE_URL")
        elif wrong is not None:
            error = FixConfiguration(f"{what}: {wrong}")
        elif not sent:
            place = urlsplit(self._base_url)
            error = ServerUnavailable(f"{what}: no connection to {place.scheme}://{place.netloc} ({why})")
        elif call.operation.is_write:
            error = WriteUncertain(f"{what}: sent, but no answer came ({kind}); it may have been done")
        else:
            error = ServerUnavailable(f"{what}: no whole answer came ({kind})")
        return _NoAnswer(Verdict(outcome, error), is_over)

    def _exchange(self, call: _Call) -> _Response:
        method, url = call.operation.method, self._base_url + call.path
        if call.query:
            url += "?" + urlencode(call.query, quote_via=quote)  # the library would parse the whole address once more
        self._deadline.begin(self._timeout)
        request = httpx.Request(method, url, headers=self._headers, json=call.body, extensions=self._extensions)
        with contextlib.closing(self._transport.handle_request(request)) as response:
            body: bytes | None = None
            with contextlib.suppress(TooLargeError):
                body = body_of(response, self._deadline)
            return _Response(response.status_code, response.headers, body)

    def _understood(
        self, call: _Call, response: _Response, read: Callable[[_Document], _Reading[T]], *, asked_at: dt.datetime
    ) -> _Reading[T] | Verdict:
        """Give what the answer says, or the one error it stands for."""
        what, is_write = call.operation.words, call.operation.is_write
        secret = self._key
        believed = Believable.at(asked_at)
        document: _Document | None = None
        with contextlib.suppress(ValueError):  # judged below: HTML on a 503 is a 503 first
            document = _Document(*decode(response.body or b""), believed)
        verdict = judge_status(
            response.status,
            document.value if document else None,
            response.headers,
            what=what,
            is_about_one=call.target is not None,
            secret=secret,
            now=self._now(),
        )
        if verdict is not None:
            if is_write and isinstance(verdict.error, ServerUnavailable):
                if response.status < 500:
                    return Verdict("rejected", RejectedRequest(str(verdict.error), status=response.status))
                return Verdict(verdict.outcome, WriteUncertain(f"{verdict.error}; it may have been done"))
            return verdict
        if response.status == 204 and response.body == b"":
            # For a write it means that it is done, for a list that it is empty.
            document = _Document({"success": True, "data": None}, torn=False, believed=believed)
        if response.body is None:
            reason = f"the answer is larger than {LARGEST_ANSWER >> 20} MB and was not read"
            if is_write:
                return Verdict("not_json", WriteUncertain(f"{what}: {reason}; it may have been done"))
            # It would be as large the next time.
            return Verdict("not_json", RejectedRequest(f"{what}: {reason}", status=response.status))
        if document is None or not isinstance(document.value, dict):
            if is_write:
                return Verdict("not_json", WriteUncertain(f"{what}: the answer is not JSON; it may have been done"))
            return Verdict("not_json", ServerUnavailable(f"{what}: the answer is not JSON, or not whole"))
        if says_failure(document.value):
            said = message_of(document.value, secret=secret) or "success: false without a reason"
            if is_write:
                return Verdict("not_success", RejectedRequest(f"{what}: {said}", status=response.status))
            return self._unusable(call, said, response.status)
        if is_write and not says_success(document.value):
            return Verdict(
                "not_success", WriteUncertain(f"{what}: the answer does not say success; it may have been done")
            )
        try:
            return read(document)
        except UnreadableAnswer as problem:
            reason = str(problem)
        except RecursionError:
            reason = "the answer is nested too deeply"
        if is_write:
            return Verdict("not_success", WriteUncertain(f"{what}: done, but {reason}; look before doing it again"))
        return self._unusable(call, reason, response.status)

    @staticmethod
    def _unusable(call: _Call, reason: str, status: int) -> Verdict:
        """Judge a read's 200 that holds no answer. About one object it would come again; a list may come later."""
        text = f"{call.operation.words}: {reason}"
        error = ServerUnavailable(text) if call.target is None else RejectedRequest(text, status=status)
        return Verdict("not_success", error)
