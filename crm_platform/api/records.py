"""What the CRM's API answers, typed: records, pages, single answers, and the account of each request.

What belongs here: frozen shapes without behaviour. What does not: reading them from JSON (parsing.py), tables
(schemas/).

Every record keeps in `extra` what the contract does not name, and what it names but could not be converted exactly,
under the API's own field name; nothing the API sent is lost. Datetimes are aware and in UTC; `…_was_naive` says that
the API sent no zone. An empty text counts as absent (None).
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Generic, TypeAlias, TypeVar

T = TypeVar("T")

Extra: TypeAlias = dict[str, Any]  # JSON values by the API's own field names


@dataclass(frozen=True, slots=True)
class Contact:
    """A contact and its chat; `chat_id` is the key."""

    chat_id: str
    whatsapp_number: str | None
    email: str | None
    name: str | None
    custom_fields: dict[str, str | list[str]]
    status: str | None
    created_at: datetime | None
    created_at_was_naive: bool
    extra: Extra

    @property
    def key(self) -> str:
        """What names it in its list."""
        return self.chat_id


@dataclass(frozen=True, slots=True)
class Message:
    """One message of a chat; `direction` is `inbound` or `outbound`, `sender` an operator's e-mail address or id."""

    message_id: str
    type: str | None
    content: str | None
    direction: str
    status: str | None
    timestamp: datetime
    timestamp_was_naive: bool
    sender: str | None
    extra: Extra

    @property
    def key(self) -> str:
        """What names it in its list."""
        return self.message_id


@dataclass(frozen=True, slots=True)
class Campaign:
    """A campaign as the list shows it."""

    campaign_id: str
    name: str | None
    status: str | None
    created_at: datetime | None
    created_at_was_naive: bool
    scheduled_at: datetime | None
    scheduled_at_was_naive: bool
    total_recipients: int | None
    extra: Extra

    @property
    def key(self) -> str:
        """What names it in its list."""
        return self.campaign_id


@dataclass(frozen=True, slots=True)
class CampaignReport:
    """A campaign's figures as the API reports them, consistent or not; rates are the API's own texts (`98%`)."""

    campaign_id: str
    name: str | None
    total_recipients: int | None
    delivered: int | None
    read: int | None
    replied: int | None
    failed: int | None
    delivery_rate: str | None
    read_rate: str | None
    reply_rate: str | None
    extra: Extra


@dataclass(frozen=True, slots=True)
class CustomField:
    """A custom field that contacts of this tenant may carry."""

    custom_field_id: str
    name: str | None
    type: str | None
    required: bool | None
    extra: Extra

    @property
    def key(self) -> str:
        """What names it in its list."""
        return self.custom_field_id


@dataclass(frozen=True, slots=True)
class CustomFieldValue:
    """The value of one custom field in one chat."""

    field_id: str
    field_name: str | None
    field_type: str | None
    value: str | None
    extra: Extra

    @property
    def key(self) -> str:
        """What names it in its list."""
        return self.field_id


@dataclass(frozen=True, slots=True)
class Assignment:
    """Who a chat was assigned to: the API's word, or what was asked for where it says nothing."""

    assigned_to: str


@dataclass(frozen=True, slots=True)
class Trigger:
    """A campaign that was started, with the status the API gave it."""

    campaign_id: str
    status: str | None


@dataclass(frozen=True, slots=True)
class Receiver:
    """Who gets a campaign: an E.164 number and the template's variables by their number (`{"1": "Amina"}`)."""

    whatsapp_number: str
    variables: dict[str, str]


@dataclass(frozen=True, slots=True)
class Rejected:
    """A record that cannot be kept. `raw` is its JSON text, `record_id` its key where it has one."""

    reason: str
    raw: str
    record_id: str | None = None


@dataclass(frozen=True, slots=True)
class Fetch:
    """One request sent: a row of `ops.fetches`. Every attempt is one of its own.

    `outcome` is ok, rate_limited, server_error, not_json, not_success, timeout, disconnected, unauthorized, not_found,
    invalid or rejected. `records` counts the answer's records, rejected ones included. `server_clock_skew_seconds`: how
    far the server's clock is ahead of ours, 0 where they agree, None where the answer does not say.
    """

    fetch_id: int
    operation: str
    target: str | None
    page: int | None
    page_size: int | None
    sort: str | None
    attempt: int
    started_at: datetime
    finished_at: datetime
    http_status: int | None
    outcome: str
    records: int
    total: int | None
    server_clock_skew_seconds: float | None = None


@dataclass(frozen=True, slots=True)
class Page(Generic[T]):
    """One page of a list. `page_size`: the server's where it names one; `total`: of the whole list, if reported."""

    records: tuple[T, ...]
    rejected: tuple[Rejected, ...]
    page: int
    page_size: int
    total: int | None
    fetch: Fetch


@dataclass(frozen=True, slots=True)
class Answer(Generic[T]):
    """The one thing an operation answered, and the request that brought it."""

    value: T
    fetch: Fetch
