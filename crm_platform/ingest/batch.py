"""What is committed together: rows, the crawl's state, rejected records, drift, and the requests that brought them.

What belongs here: turning the API's records into declared rows, and one commit for all of a batch. What does not:
asking the API (visits.py, sweep.py, listing.py), deciding when a batch is full (recorder.py).

State is never ahead of rows: they are committed together.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from operator import attrgetter
from typing import TYPE_CHECKING, Any

import numpy as np
import phonenumbers
import pyarrow as pa

from crm_platform.api import FUTURE_TOLERANCE
from crm_platform.ingest.opt_outs import OptOutWords
from crm_platform.schemas import Table, ops, raw
from crm_platform.spellings import staff_key
from crm_platform.warehouse import Written

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping

    from crm_platform.api import Campaign, CampaignReport, Contact, CustomField, Fetch, Message, Page, Rejected
    from crm_platform.api.records import Extra
    from crm_platform.ingest.chat_state import ChatState
    from crm_platform.warehouse import Lease, Warehouse

Row = dict[str, object]

SENDER_FIELDS = frozenset({"operator_email", "agentId"})
"""Fields that may name who sent a message; where both come, the second one stands in `extra`."""

MESSAGE_TYPES = frozenset({"text", "image", "document", "audio", "video", "template"})
MESSAGE_STATUSES = frozenset({"sent", "delivered", "read", "received", "failed"})
CAMPAIGN_STATUSES = frozenset({"draft", "scheduled", "active", "in_progress", "completed", "failed"})


# Columns of raw.messages that are the same for all of a page, by the value that they take.
_OF_A_PAGE = {
    "chat_id": "chat_id",
    "first_fetched_at": "fetched_at",
    "fetched_at": "fetched_at",
    "first_fetch_id": "fetch_id",
    "fetch_id": "fetch_id",
}


_REGIONS = {str(code): regions for code, regions in phonenumbers.COUNTRY_CODE_TO_REGION_CODE.items()}


# What of a report is its content. What else it says (when it was made, who asked) may differ each time it is sent.
REPORT_FIGURES = (
    *("name", "total_recipients", "delivered", "read", "replied", "failed"),
    *("delivery_rate", "read_rate", "reply_rate"),
)

_LONGEST_NUMBER = 32  # characters of a text that may be a number


def rejected_key(rejected: Rejected, *, operation: str, target: str | None) -> str:
    """Name a rejected record, so that it stands in quarantine once however often it is sent."""
    identity = rejected.record_id or rejected.raw
    return hashlib.sha256(f"{operation}\x00{target}\x00{identity}".encode()).hexdigest()


def report_digest(figures: Mapping[str, object]) -> str:
    """Name a report's content, by its figures."""
    content = {name: figures[name] for name in REPORT_FIGURES}
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


@lru_cache(maxsize=65_536)
def region_of(number: str | None) -> str | None:
    """ISO country code of an E.164 number (with or without its +), None where it tells none."""
    if not number or len(number) > _LONGEST_NUMBER:
        return None
    digits = number.removeprefix("+")
    if digits.isascii() and digits.isdigit() and 7 <= len(digits) <= 15:
        # No calling code begins another. Most belong to one country, which needs no look at the rest of the number.
        regions = next(filter(None, (_REGIONS.get(digits[:length]) for length in (1, 2, 3))), ())
        if len(regions) == 1:
            return regions[0] if regions[0].isalpha() else None
    try:
        parsed = phonenumbers.parse(f"+{digits}", None)
    except phonenumbers.NumberParseException:
        return None
    region = phonenumbers.region_code_for_number(parsed)
    return region if region and region.isalpha() else None


class Batch:
    """Rows on their way into the warehouse, by table; of a key that comes twice the merge keeps the newest version.

    `keep_text`: whether messages keep their text. `opt_out_words`: as the settings have them.
    """

    def __init__(self, *, keep_text: bool = True, opt_out_words: tuple[str, ...] = ()) -> None:
        self.rows: dict[type[Table], list[Row]] = {}
        self._messages: dict[str, list[object]] = {name: [] for name in raw.Messages.columns if name not in _OF_A_PAGE}
        self._pages: list[tuple[int, str, datetime, int]] = []  # messages, chat, start and id of the request
        self.states: dict[str, ChatState] = {}
        self.fetches: list[Fetch] = []
        self._drift: Counter[tuple[str, str, str]] = Counter()
        self._drift_at = datetime.min.replace(tzinfo=UTC)
        self._reports_seen_again: dict[tuple[str, datetime], Row] = {}
        self._keep_text = keep_text
        self._opt_out_words = OptOutWords(opt_out_words)
        self.bytes = 0  # of texts on their way, near enough: a letter beyond ASCII counts as one

    def __len__(self) -> int:
        return (
            sum(map(len, self.rows.values())) + len(self._messages["message_id"]) + len(self.states) + len(self.fetches)
        )

    def add(self, table: type[Table], row: Row) -> None:
        """Add one row."""
        self.rows.setdefault(table, []).append(row)
        self.bytes += sum(len(value) for value in row.values() if type(value) is str)

    def requests(self, fetches: Iterable[Fetch]) -> None:
        """Add requests to ops.fetches."""
        self.fetches.extend(fetches)

    def state(self, state: ChatState) -> None:
        """Set a chat's crawl state; the last one counts."""
        self.states[state.chat_id] = state

    def contacts(self, page: Page[Contact]) -> None:
        """Add a page of the contact list."""
        for contact in page.records:
            self._drifted("contact", contact.extra, page.fetch)
            self.add(
                raw.Contacts,
                {
                    "chat_id": contact.chat_id,
                    "whatsapp_number": contact.whatsapp_number,
                    "email": contact.email,
                    "name": contact.name,
                    "custom_fields": _json(contact.custom_fields),
                    "status": contact.status,
                    "region": region_of(contact.whatsapp_number),
                    "created_at": contact.created_at,
                    "created_at_was_naive": contact.created_at_was_naive,
                    **_provenance(contact.extra, page.fetch),
                },
            )
        self._quarantine(page)

    def messages(self, chat_id: str, page: Page[Message]) -> None:
        """Add a page of a chat's messages, column by column: of all rows nine in ten are messages."""
        records, fetch, columns = page.records, page.fetch, self._messages
        count = len(records)
        latest = _now_of(fetch) + FUTURE_TOLERANCE
        self._pages.append((count, chat_id, fetch.started_at, fetch.fetch_id))
        for name in ("message_id", "timestamp", "timestamp_was_naive", "direction", "type", "status", "sender"):
            columns[name].extend(map(attrgetter(name), records))
        columns["is_future_dated"].extend([message.timestamp > latest for message in records])
        columns["sender_key"].extend([staff_key(message.sender) for message in records])
        word_of = self._opt_out_words.word_of
        words = [word_of(message.content) if message.direction == "inbound" else None for message in records]
        columns["is_opt_out"].extend([word is not None for word in words])
        columns["opt_out_word"].extend(words)
        columns["duplicate_of"].extend([None] * count)
        texts = [message.content if self._keep_text else None for message in records]
        extras = [_json(message.extra) if message.extra else None for message in records]
        columns["content"].extend(texts)
        columns["extra"].extend(extras)
        self.bytes += sum(map(len, filter(None, texts))) + sum(map(len, filter(None, extras)))
        for message in records:
            if message.extra:
                self._drifted("message", message.extra, fetch)
            if message.type not in MESSAGE_TYPES and message.type is not None:
                self._drifted_to("message", "type", message.type, fetch)
            if message.status not in MESSAGE_STATUSES and message.status is not None:
                self._drifted_to("message", "status", message.status, fetch)
        self._quarantine(page)

    def custom_fields(self, page: Page[CustomField]) -> None:
        """Add the tenant's custom fields."""
        for custom_field in page.records:
            self._drifted("custom_field", custom_field.extra, page.fetch)
            self.add(
                raw.CustomFields,
                {
                    "custom_field_id": custom_field.custom_field_id,
                    "name": custom_field.name,
                    "type": custom_field.type,
                    "required": custom_field.required,
                    **_provenance(custom_field.extra, page.fetch),
                },
            )
        self._quarantine(page)

    def campaigns(self, page: Page[Campaign], *, known_statuses: Mapping[str, str | None]) -> None:
        """Add a page of the campaign list; a status that differs from the last one known is a change."""
        for campaign in page.records:
            self._drifted("campaign", campaign.extra, page.fetch)
            if campaign.status is not None and campaign.status not in CAMPAIGN_STATUSES:
                self._drifted_to("campaign", "status", campaign.status, page.fetch)
            self.add(
                raw.Campaigns,
                {
                    "campaign_id": campaign.campaign_id,
                    "name": campaign.name,
                    "status": campaign.status,
                    "created_at": campaign.created_at,
                    "scheduled_at": campaign.scheduled_at,
                    "total_recipients": campaign.total_recipients,
                    **_provenance(campaign.extra, page.fetch),
                },
            )
            is_known = campaign.campaign_id in known_statuses
            if not is_known or known_statuses[campaign.campaign_id] != campaign.status:
                self.add(
                    raw.CampaignStatuses,
                    {
                        "campaign_id": campaign.campaign_id,
                        "observed_at": page.fetch.started_at,
                        "status": campaign.status,
                        "is_change": is_known,
                        "fetch_id": page.fetch.fetch_id,
                    },
                )
        self._quarantine(page)

    def report(self, report: CampaignReport, fetch: Fetch, *, last: tuple[str, datetime] | None) -> None:
        """Add a campaign's report; `last` = content hash and first_fetched_at of the newest snapshot stored."""
        content: Row = {name: getattr(report, name) for name in REPORT_FIGURES}
        digest = report_digest(content)
        if last is not None and last[0] == digest:
            self._reports_seen_again[report.campaign_id, last[1]] = {
                "campaign_id": report.campaign_id,
                "first_fetched_at": last[1],
                "last_fetched_at": fetch.started_at,
                "extra": _json(report.extra),
                "fetch_id": fetch.fetch_id,
            }
            return
        self._drifted("campaign_report", report.extra, fetch)
        self.add(
            raw.CampaignReports,
            {
                "campaign_id": report.campaign_id,
                "first_fetched_at": fetch.started_at,
                "last_fetched_at": fetch.started_at,
                "content_hash": digest,
                **content,
                "extra": _json(report.extra),
                "first_fetch_id": fetch.fetch_id,
                "fetch_id": fetch.fetch_id,
            },
        )

    def commit(self, warehouse: Warehouse, holder: Lease) -> dict[type[Table], Written]:
        """Write everything in one commit and start afresh; after an error nothing is forgotten."""
        if not len(self) and not self._reports_seen_again:
            return {}
        written: dict[type[Table], Written] = {}
        with warehouse.committing(holder) as commit:
            if self._messages["message_id"]:
                written[raw.Messages] = commit.merge(raw.Messages, self._message_rows())
            for table, rows in self.rows.items():
                written[table] = commit.merge(table, table.rows(rows))
            if self._reports_seen_again:
                commit.touch(raw.CampaignReports, raw.CampaignReports.part_of(self._reports_seen_again.values()))
            if self._drift:
                commit.merge(ops.Drift, ops.Drift.rows(self._drift_rows()))
            commit.append(ops.Fetches, _table_of(ops.Fetches, self.fetches))
            commit.merge(ops.CrawlState, _table_of(ops.CrawlState, self.states.values()))
        self.rows.clear()
        for column in self._messages.values():
            column.clear()
        self._pages.clear()
        self.states.clear()
        self.fetches.clear()
        self._drift.clear()
        self._reports_seen_again.clear()
        self.bytes = 0
        return written

    def _message_rows(self) -> pa.Table:
        """The messages, with what all of a page share repeated by Arrow rather than row by row."""
        counts, chats, moments, fetches = zip(*self._pages, strict=True)
        page_of_row = np.repeat(np.arange(len(counts)), counts)
        shared: dict[str, pa.Array] = {
            "chat_id": pa.array(chats, pa.string()),
            "fetched_at": pa.array([moment.astimezone(UTC) for moment in moments], pa.timestamp("us")),
            "fetch_id": pa.array(fetches, pa.int64()),
        }
        arrays = {name: shared[of].take(page_of_row) for name, of in _OF_A_PAGE.items()}
        return raw.Messages.table_of(self._messages | arrays)

    def _quarantine(self, page: Page[Any]) -> None:
        fetch = page.fetch
        for rejected in page.rejected:
            self.add(
                ops.Quarantine,
                {
                    "record_key": rejected_key(rejected, operation=fetch.operation, target=fetch.target),
                    "operation": fetch.operation,
                    "target": fetch.target,
                    "reason": rejected.reason,
                    "raw": rejected.raw,
                    "first_fetched_at": fetch.started_at,
                    "fetched_at": fetch.started_at,
                    "fetch_id": fetch.fetch_id,
                },
            )

    def _drifted(self, record: str, extra: Extra, fetch: Fetch) -> None:
        for name in extra.keys() - SENDER_FIELDS:
            self._drifted_to(record, name, "", fetch)

    def _drifted_to(self, record: str, name: str, value: str, fetch: Fetch) -> None:
        self._drift[record, name, value] += 1
        self._drift_at = max(self._drift_at, fetch.started_at)

    def _drift_rows(self) -> list[Row]:
        return [
            {
                "record": record,
                "field": name,
                "value": value,
                "first_seen_at": self._drift_at,
                "last_seen_at": self._drift_at,
                "occurrences": occurrences,
            }
            for (record, name, value), occurrences in self._drift.items()
        ]


def _table_of(table: type[Table], records: Collection[object]) -> pa.Table:
    """Records whose attributes are the table's columns, as its rows."""
    return table.table_of({name: list(map(attrgetter(name), records)) for name in table.columns})


def _provenance(extra: Extra, fetch: Fetch) -> Row:
    return {
        "extra": _json(extra),
        "first_fetched_at": fetch.started_at,
        "fetched_at": fetch.started_at,
        "first_fetch_id": fetch.fetch_id,
        "fetch_id": fetch.fetch_id,
    }


def _json(value: Mapping[str, object]) -> str | None:
    return json.dumps(value, ensure_ascii=False, sort_keys=True) if value else None


def _now_of(fetch: Fetch) -> datetime:
    """When a request began: by the CRM's clock where ours is more than a day behind it, which no zone explains."""
    behind = timedelta(seconds=fetch.server_clock_skew_seconds or 0.0)
    return fetch.started_at + (behind if behind > timedelta(days=1) else timedelta(0))


def aware(row: dict[str, Any]) -> dict[str, Any]:
    """A row as it is read, with its instants in UTC."""
    return {name: value.replace(tzinfo=UTC) if isinstance(value, datetime) else value for name, value in row.items()}
