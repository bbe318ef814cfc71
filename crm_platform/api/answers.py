"""What an answer comes to: what was asked for, or the one error that it stands for.

What belongs here: judging an answer's status and body, for reads and for writes. What does not: sending and trying
again (connection.py), finding the parts of an answer (envelopes.py), records (parsing.py).
"""

from __future__ import annotations

import contextlib
import datetime as dt
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Generic, TypeVar
from urllib.parse import urlsplit

from pydantic import SecretStr

from crm_platform.api.decoding import decode
from crm_platform.api.envelopes import (
    UnreadableAnswer,
    code_of,
    details_of,
    message_of,
    rate_headers,
    retry_after,
    says_failure,
    says_success,
)
from crm_platform.api.instants import Believable
from crm_platform.api.operations import Operation
from crm_platform.api.wire import LARGEST_ANSWER
from crm_platform.errors import (
    CrmPlatformError,
    FixConfiguration,
    InvalidRequest,
    NotFound,
    RateLimited,
    RejectedRequest,
    ServerUnavailable,
    Unauthorized,
    WriteUncertain,
)

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class RawAnswer:
    """A whole answer; `body` is None where it was too large to be read."""

    status: int
    headers: Mapping[str, str]
    body: bytes | None


@dataclass(frozen=True, slots=True)
class Document:
    """A decoded body; `torn`: some text in it needs mending; `believed`: the instants that its request may tell of."""

    value: Any
    torn: bool
    believed: Believable


@dataclass(frozen=True, slots=True)
class Parsed(Generic[T]):
    """What a body held: the value, and how many records it took to say it."""

    value: T
    records: int = 1
    total: int | None = None


@dataclass(frozen=True, slots=True)
class Failure:
    """Why there is nothing to parse: the outcome that `ops.fetches` records, and the error to raise.

    `is_over`: the server can no longer receive the request.
    """

    outcome: str
    error: CrmPlatformError
    is_over: bool = True


def understood(
    response: RawAnswer,
    parse: Callable[[Document], Parsed[T]],
    operation: Operation,
    *,
    is_about_one: bool,
    asked_at: dt.datetime,
    now: dt.datetime,
    secret: SecretStr,
) -> Parsed[T] | Failure:
    """Give what the answer says, or the one error it stands for.

    `is_about_one`: the request concerns one chat, field or campaign. `secret` is taken out of the server's words.
    """
    what, is_write = operation.words, operation.is_write
    document: Document | None = None
    with contextlib.suppress(ValueError):  # judged below: HTML on a 503 is a 503 first
        document = Document(*decode(response.body or b""), Believable.at(asked_at))
    value = document.value if document else None
    failure = _failed_status(response, value, what=what, is_about_one=is_about_one, secret=secret, now=now)
    if failure is not None:
        if is_write and isinstance(failure.error, ServerUnavailable):
            if response.status < 500:
                return Failure("rejected", RejectedRequest(str(failure.error), status=response.status))
            return Failure(failure.outcome, WriteUncertain(f"{failure.error}; it may have been done"))
        return failure
    if response.status == 204 and response.body == b"":
        # For a write it means that it is done, for a list that it is empty.
        document = Document({"success": True, "data": None}, torn=False, believed=Believable.at(asked_at))
    if response.body is None:
        reason = f"the answer is larger than {LARGEST_ANSWER >> 20} MB and was not read"
        if is_write:
            return Failure("not_json", WriteUncertain(f"{what}: {reason}; it may have been done"))
        # It would be as large the next time.
        return Failure("not_json", RejectedRequest(f"{what}: {reason}", status=response.status))
    if document is None or not isinstance(document.value, dict):
        if is_write:
            return Failure("not_json", WriteUncertain(f"{what}: the answer is not JSON; it may have been done"))
        return Failure("not_json", ServerUnavailable(f"{what}: the answer is not JSON, or not whole"))
    if says_failure(document.value):
        reason = message_of(document.value, secret=secret) or "success: false without a reason"
        if is_write:
            return Failure("not_success", RejectedRequest(f"{what}: {reason}", status=response.status))
    elif is_write and not says_success(document.value):
        return Failure("not_success", WriteUncertain(f"{what}: the answer does not say success; it may have been done"))
    else:
        try:
            return parse(document)
        except UnreadableAnswer as problem:
            reason = str(problem)
        except RecursionError:
            reason = "the answer is nested too deeply"
        if is_write:
            return Failure("not_success", WriteUncertain(f"{what}: done, but {reason}; look before doing it again"))
    # A read's 200 that holds no answer. About one object it would come again; a list may come later.
    if is_about_one:
        return Failure("not_success", RejectedRequest(f"{what}: {reason}", status=response.status))
    return Failure("not_success", ServerUnavailable(f"{what}: {reason}"))


def _failed_status(
    response: RawAnswer, document: object, *, what: str, is_about_one: bool, secret: SecretStr, now: dt.datetime
) -> Failure | None:
    """Give the error that an HTTP status outside 2xx stands for, None for 2xx. `document` is None where no JSON came.

    `what` names the operation in words; `is_about_one`: it concerns one chat, field or campaign.
    """
    status, headers = response.status, response.headers
    if 200 <= status < 300:
        return None
    said = message_of(document, secret=secret)
    text = f"{what}: HTTP {status}" + (f", {said}" if said else "")
    code = code_of(document)
    if status == 429:
        wait = retry_after(headers, now=now)
        if wait is None:
            rates = rate_headers(headers, now=now)
            wait = rates.reset_after if rates.remaining == 0 else None
        until = f", a pause until {now + dt.timedelta(seconds=wait):%Y-%m-%d %H:%M:%S} UTC" if wait else ""
        return Failure("rate_limited", RateLimited(f"{text} (rate limit{until})", retry_after=wait))
    if status >= 500:
        return Failure("server_error", ServerUnavailable(text, retry_after=retry_after(headers, now=now)))
    if status == 408:
        return Failure("timeout", ServerUnavailable(text, retry_after=retry_after(headers, now=now)))
    if status in (401, 403):
        why = "the key lacks the right for this one, or is refused altogether" if is_about_one else "the key is refused"
        return Failure("unauthorized", Unauthorized(f"{text}: {why}; check CRM_API_KEY"))
    if status == 407:
        return Failure(
            "rejected", FixConfiguration(f"{text}: a proxy asks for a user and a password; check HTTP_PROXY")
        )
    if status == 404:
        return Failure("not_found", NotFound(text, status=status, code=code))
    if status == 422:
        details = details_of(document, secret=secret)
        return Failure("invalid", InvalidRequest(text, details=details, status=status, code=code))
    if 300 <= status < 400:
        # Redirects are never followed: the key would be sent to wherever the answer points.
        try:
            there = urlsplit(headers.get("location", ""))
            place = f" to {there.scheme}://{there.hostname}" if there.hostname else " elsewhere"
        except ValueError:
            place = " elsewhere"
        return Failure("rejected", FixConfiguration(f"{text}: redirected{place}; check CRM_BASE_URL"))
    return Failure("rejected", RejectedRequest(text, status=status, code=code))
