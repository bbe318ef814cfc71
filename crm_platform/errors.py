"""The exception tree, sorted by what the caller should do.

What belongs here: every exception that leaves a package. What does not: handling them.

    CrmPlatformError
    ├── RetryLater            the same call may succeed later; nothing is wrong with the caller
    │   ├── RateLimited       the CRM (or our own gate) says: not now (`retry_after` seconds, if known)
    │   ├── ServerUnavailable 5xx, a proxy's HTML, a broken or truncated body, a dropped connection, a time-out
    │   ├── QuotaSpent        the day's requests are used up (`retry_after` seconds until one is free)
    │   ├── Busy              another process holds the lease or the lock (`holder` says who)
    │   └── Discarded         a damaged file that follows from others is gone; the next try makes it anew
    ├── FixConfiguration      somebody has to change a setting before a retry makes sense
    │   └── Unauthorized      the key is missing, wrong or lacks the right
    ├── RejectedRequest       the CRM understood the request and will not do it; do not send it again unchanged
    │   ├── NotFound          no such contact, field or campaign
    │   └── InvalidRequest    422: `details` names each field
    ├── WriteUncertain        a write may or may not have been applied: look before sending it again
    ├── SkipRecord            one record cannot be kept; quarantine it and go on
    ├── ContractBreach        a table breaks its declared contract (`breaches`); nothing was published
    └── GiveUp                a bug, a broken file or a full disk: stop, keep what is there, tell a person

No message, repr or attribute of these ever holds the API key, a phone number, an e-mail address or message text.
"""

from __future__ import annotations

import errno
import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Sequence

NO_ROOM: Final = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})
"""What the system says when a file cannot grow."""


def quoted(value: object) -> str:
    """Show in a message what somebody wrote: in quotes, on one line, and not for ever."""
    text = repr(value)
    return text if len(text) <= 80 else f"{text[:79]}…"


class CrmPlatformError(Exception):
    """Base of every error this platform raises on purpose."""


class RetryLater(CrmPlatformError):
    """The same call may succeed later. `retry_after`: seconds to wait, None when not known."""

    def __init__(self, message: str, *, retry_after: float | None = None) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class RateLimited(RetryLater):
    """The CRM answered 429, or the gate has no slot in the time given."""


class ServerUnavailable(RetryLater):
    """5xx, an HTML page, a body that is not JSON, a list's `success: false`, a dropped connection or a time-out."""


class QuotaSpent(RetryLater):
    """The day's allowance is used up; what was fetched before is kept."""


class Busy(RetryLater):
    """Another process holds a lease or lock. `holder` describes it (command, process, since when)."""

    def __init__(self, message: str, *, holder: str = "", retry_after: float | None = None) -> None:
        super().__init__(message, retry_after=retry_after)
        self.holder = holder


class Discarded(RetryLater):
    """A file that follows from others was damaged and is removed: the same call makes it anew."""


class FixConfiguration(CrmPlatformError):
    """A setting is missing or wrong; the message names it and says what to write."""


class Unauthorized(FixConfiguration):
    """The CRM refused the key (401 or 403)."""


class RejectedRequest(CrmPlatformError):
    """The CRM will not do this. `status`: HTTP status, `code`: the API's own code if it sent one.

    So is an answer about one chat, field or campaign that is HTTP 200 with `success: false`, or lacks what the contract
    promises, and one that is too large to be read: it would come again.
    """

    def __init__(self, message: str, *, status: int | None = None, code: str | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.code = code


class NotFound(RejectedRequest):
    """404: no such contact, custom field or campaign."""


@dataclass(frozen=True, slots=True)
class FieldProblem:
    """One entry of a 422's `details`: which field, and what is wrong with it."""

    field: str
    message: str


class InvalidRequest(RejectedRequest):
    """422, or an argument that the contract does not allow. `details`: one entry a field."""

    def __init__(
        self,
        message: str,
        *,
        details: Sequence[FieldProblem] = (),
        status: int | None = None,
        code: str | None = None,
    ) -> None:
        super().__init__(message, status=status, code=code)
        self.details = tuple(details)


class WriteUncertain(CrmPlatformError):
    """No answer came to a write: it may have been applied. Read before writing again."""


class SkipRecord(CrmPlatformError):
    """A record cannot be kept. The message is the reason that quarantine stores."""


@dataclass(frozen=True, slots=True)
class Breach:
    """One broken rule of one table: names and a count, never a value."""

    table: str
    column: str
    rule: str
    count: int

    def __str__(self) -> str:
        """Read as one line of a report."""
        place = f"{self.table}.{self.column}" if self.column else self.table
        return f"{place}: {self.rule} ({self.count} rows)"


class ContractBreach(CrmPlatformError):
    """Tables break their declared contract."""

    def __init__(self, breaches: Sequence[Breach]) -> None:
        super().__init__("; ".join(map(str, breaches)))
        self.breaches = tuple(breaches)


class GiveUp(CrmPlatformError):
    """Neither waiting nor a setting helps: a person has to look."""


def no_room(path: object, why: str | None) -> GiveUp:
    """Say that a file cannot grow, in the system's words (`why`)."""
    return GiveUp(
        f"{path or 'a file'} cannot be written ({why}): make room on its disk, then run it again; what was stored"
        " before is whole"
    )


def no_room_in(message: str) -> str | None:
    """The system's words for a file that cannot grow, where a library's message holds them."""
    return next((words for words in map(os.strerror, NO_ROOM) if words in message), None)
