"""The contract's records, clean: field names and values as docs/crm-api.md has them.

What belongs here: how a person, a message, a campaign becomes a record. What does not: the odd shapes a record may take
on its way out (`shapes.py`), envelopes (`operations.py`).

A record's times are `Moment`s until the last step, because only that step knows how they are to be written.
"""

from __future__ import annotations

import datetime as dt
import itertools
import json
from typing import TYPE_CHECKING, Final, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from crm_platform.sandbox.campaign_store import CampaignMetrics
    from crm_platform.sandbox.campaigns import SandboxCampaign
    from crm_platform.sandbox.conversations import SandboxMessage
    from crm_platform.sandbox.people import CustomField

Record: TypeAlias = dict[str, object]  # one JSON object of the contract

_EPOCH: Final = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
_EPOCH_WITHOUT_ZONE: Final = _EPOCH.replace(tzinfo=None)
_ONE_MILLISECOND: Final = dt.timedelta(milliseconds=1)

encode: Final[Callable[[object], str]] = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode

_MOMENTS: Final = ("timestamp", "created_at", "scheduled_at", "at")  # the names under which records hold times


class Moment(int):
    """A time in milliseconds since 1970 that has not been written out yet."""

    __slots__ = ()


def milliseconds(moment: dt.datetime) -> int:
    """Whole milliseconds since 1970 of an aware datetime, rounded down."""
    return (moment - _EPOCH) // _ONE_MILLISECOND


def moment_of(at: int) -> dt.datetime:
    """The aware UTC datetime of a time in milliseconds."""
    return _EPOCH + at * _ONE_MILLISECOND


def clock_text(at: int) -> str:
    """ISO 8601 to the millisecond, without a zone."""
    return (_EPOCH_WITHOUT_ZONE + at * _ONE_MILLISECOND).isoformat(timespec="milliseconds")


def iso(at: int) -> str:
    """The API's usual form: 2026-01-05T09:13:22.123Z."""
    return clock_text(at) + "Z"


def written(record: Record, write: Callable[[int], object] = iso) -> Record:
    """The same record; its moments are replaced by texts."""
    for name in _MOMENTS:
        if type(value := record.get(name)) is Moment:
            record[name] = write(value)
    return record


def ndjson(records: Iterator[Record]) -> Iterator[bytes]:
    """Records as lines of JSON, so many at a time."""
    while lines := [encode(record) + "\n" for record in itertools.islice(records, 500)]:
        yield "".join(lines).encode()


def message_record(message: SandboxMessage, now: int, operator: str | None) -> Record:
    """A message as of now; `operator` is who wrote it, if the CRM says so."""
    record: Record = {
        "message_id": message.message_id,
        "type": message.type,
        "content": message.content,
        "direction": "inbound" if message.is_inbound else "outbound",
        "status": message.status(now),
        "timestamp": Moment(message.at),
    }
    if operator is not None:
        record["operator_email"] = operator
    return record


def custom_field_record(field: CustomField) -> Record:
    """A custom field's definition."""
    record: Record = {
        "custom_field_id": field.field_id,
        "name": field.name,
        "type": field.type,
        "required": field.required,
    }
    if field.default is not None:
        record["default_value"] = field.default
    return record


def campaign_record(campaign: SandboxCampaign, now: int, total_recipients: int) -> Record:
    """A campaign as of now; drafts say nothing of receivers."""
    status = campaign.status(now)
    record: Record = {
        "campaign_id": campaign.campaign_id,
        "name": campaign.name,
        "status": status,
        "created_at": Moment(campaign.created_at),
        "scheduled_at": None if campaign.scheduled_at is None else Moment(campaign.scheduled_at),
    }
    if status != "draft":
        record["total_recipients"] = total_recipients
    return record


def _percent(part: int, whole: int, decimals: int) -> str:
    return f"{100 * part / whole if whole else 0:.{decimals}f}%"


def report_record(campaign: SandboxCampaign, metrics: CampaignMetrics) -> Record:
    """A campaign's report: delivery over all receivers, reading and replying over the delivered."""
    record: Record = {"campaign_id": campaign.campaign_id}
    if campaign.optional_fields:
        record["name"] = campaign.name
    record["metrics"] = metrics._asdict()
    record["delivery_rate"] = _percent(metrics.delivered, metrics.total_recipients, campaign.decimals)
    if campaign.optional_fields:
        record["read_rate"] = _percent(metrics.read, metrics.delivered, campaign.decimals)
        record["reply_rate"] = _percent(metrics.replied, metrics.delivered, campaign.decimals)
    return record
