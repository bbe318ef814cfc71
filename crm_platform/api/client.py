"""The CRM's client: 16 operations, typed in and out, and a record (`Fetch`) of every request sent.

What belongs here: what each operation sends and gives, page by page where it is a list. What does not: sending
(connection.py), what the contract allows in a request (arguments.py), what to fetch (ingest/).
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, TypeVar

from crm_platform.api.answers import Document, Parsed
from crm_platform.api.arguments import (
    LARGEST_PAGE,
    SEARCH_CONDITIONS,
    SEARCH_FIELDS,
    SORTS,
    check_page,
    checked_choice,
    checked_email,
    checked_id,
    checked_number,
    checked_receivers,
    checked_text,
    refuse,
)
from crm_platform.api.connection import Call, Connection
from crm_platform.api.decoding import mend
from crm_platform.api.envelopes import UnreadableAnswer, list_of, object_of, paging_of
from crm_platform.api.paging import pages
from crm_platform.api.parsing import (
    Parser,
    parse_all,
    parse_campaign,
    parse_contact,
    parse_custom_field,
    parse_custom_field_value,
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
    Message,
    Page,
    Receiver,
    Rejected,
    Trigger,
)
from crm_platform.api.scalars import parse_enum, parse_id
from crm_platform.errors import SkipRecord

T = TypeVar("T")


class CrmClient(Connection):
    """A connection to one CRM, with a method for each of its operations.

    Each method raises InvalidRequest, before anything is sent, for an argument the contract forbids, and otherwise what
    errors.py describes: RateLimited, ServerUnavailable, QuotaSpent (all: later), Unauthorized, FixConfiguration,
    NotFound, InvalidRequest, RejectedRequest, and for writes WriteUncertain.
    """

    # Contacts.

    def list_contacts(self, *, page: int = 1, limit: int = LARGEST_PAGE, retries: int | None = None) -> Page[Contact]:
        """Give one page of the contacts, in the server's order. Nothing promises that this order is stable."""
        check_page(page, limit)
        call = Call("list_contacts", page=page, limit=limit, retries=retries)
        return self._list(call, "contacts", parse_contact)

    def contact_pages(self, *, limit: int = LARGEST_PAGE, first: int = 1) -> Iterator[Page[Contact]]:
        """Give the pages of the contacts from `first` to the end, asking for each when it is wanted."""
        return pages(lambda page: self.list_contacts(page=page, limit=limit), first=first)

    def search_contacts(
        self, field: str, value: str, condition: str = "contains", *, retries: int | None = None
    ) -> Page[Contact]:
        """Find contacts whose `field` (SEARCH_FIELDS) meets `condition` (SEARCH_CONDITIONS) with `value`; one page."""
        search = {
            "search_field": checked_choice("search_field", field, SEARCH_FIELDS),
            "search_value": checked_text("search_value", value),
            "condition": checked_choice("condition", condition, SEARCH_CONDITIONS),
        }
        return self._list(Call("search_contacts", search=search, retries=retries), "contacts", parse_contact)

    def create_contact(
        self,
        whatsapp_number: str,
        *,
        email: str | None = None,
        name: str | None = None,
        custom_fields: Mapping[str, str] | None = None,
    ) -> Answer[Contact]:
        """Create a contact for an E.164 number."""
        body: dict[str, Any] = {"whatsapp_number": checked_number("whatsapp_number", whatsapp_number)}
        if email is not None:
            body["email"] = checked_email("email", email)
        if name is not None:
            body["name"] = name
        if custom_fields:
            body["custom_fields"] = dict(custom_fields)
        return self._create(Call("create_contact", body=body), parse_contact)

    def delete_contact(self, chat_id: str) -> Answer[None]:
        """Delete a contact and its chat."""
        return self._do(Call("delete_contact", checked_id("chat_id", chat_id)), lambda _: None)

    def contact_custom_fields(self, chat_id: str) -> Page[CustomFieldValue]:
        """Give the custom field values of a chat; one page."""
        call = Call("contact_custom_fields", checked_id("chat_id", chat_id))
        return self._list(call, "custom_fields", parse_custom_field_value)

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
        checked_choice("sort", sort, SORTS)
        checked_id("chat_id", chat_id)
        check_page(page, limit)
        call = Call("list_messages", chat_id, page=page, limit=limit, sort=sort, retries=retries)
        return self._list(call, "messages", parse_message)

    def message_pages(
        self, chat_id: str, *, limit: int = LARGEST_PAGE, sort: str = "newest", first: int = 1
    ) -> Iterator[Page[Message]]:
        """Give the pages of a chat's messages from `first` to the end, asking for each when it is wanted."""
        return pages(lambda page: self.list_messages(chat_id, page=page, limit=limit, sort=sort), first=first)

    def assign_chat(
        self, chat_id: str, operator_email: str, *, pause_automation: bool | None = None
    ) -> Answer[Assignment]:
        """Assign a chat to an operator."""
        body: dict[str, Any] = {"operator_email": checked_email("operator_email", operator_email)}
        if pause_automation is not None:
            body["pause_automation"] = pause_automation

        def read(document: Document) -> Assignment:
            said = object_of(document.value).get("assigned_to")
            return Assignment(said if isinstance(said, str) and said else operator_email)

        return self._do(Call("assign_chat", checked_id("chat_id", chat_id), body=body), read)

    def mark_as_done(self, chat_id: str, *, resolution_notes: str | None = None) -> Answer[None]:
        """Mark a chat as done."""
        body = {"metadata": {"resolution_notes": resolution_notes}} if resolution_notes else {}
        return self._do(Call("mark_as_done", checked_id("chat_id", chat_id), body=body), lambda _: None)

    # Custom fields.

    def list_custom_fields(self) -> Page[CustomField]:
        """Give the tenant's custom fields; one page."""
        return self._list(Call("list_custom_fields"), "custom_fields", parse_custom_field)

    def create_custom_field(
        self,
        name: str,
        type: str = "text",  # noqa: A002 - the contract's word
        *,
        required: bool | None = None,
        default_value: str | None = None,
    ) -> Answer[CustomField]:
        """Create a custom field."""
        body: dict[str, Any] = {"name": checked_text("name", name), "type": checked_text("type", type)}
        if required is not None:
            body["required"] = required
        if default_value is not None:
            body["default_value"] = default_value
        return self._create(Call("create_custom_field", body=body), parse_custom_field)

    def delete_custom_field(self, custom_field_id: str) -> Answer[None]:
        """Delete a custom field, and with it its values."""
        call = Call("delete_custom_field", checked_id("custom_field_id", custom_field_id))
        return self._do(call, lambda _: None)

    # Campaigns.

    def list_campaigns(self, *, page: int = 1, limit: int = LARGEST_PAGE, retries: int | None = None) -> Page[Campaign]:
        """Give one page of the campaigns."""
        check_page(page, limit)
        call = Call("list_campaigns", page=page, limit=limit, retries=retries)
        return self._list(call, "campaigns", parse_campaign)

    def campaign_pages(self, *, limit: int = LARGEST_PAGE, first: int = 1) -> Iterator[Page[Campaign]]:
        """Give the pages of the campaigns from `first` to the end, asking for each when it is wanted."""
        return pages(lambda page: self.list_campaigns(page=page, limit=limit), first=first)

    def campaign_report(self, campaign_id: str, *, retries: int | None = None) -> Answer[CampaignReport]:
        """Give a campaign's figures. Raises SkipRecord when the CRM sends those of another campaign."""

        def read(document: Document) -> CampaignReport | None:
            raw, broken = mend(object_of(document.value)) if document.torn else (object_of(document.value), {})
            about = parse_id(raw.get("campaign_id"))
            report = parse_report(raw, campaign_id=campaign_id)
            if report is None:
                raise UnreadableAnswer("the answer holds no figures")
            if about is not None and about != campaign_id:
                return None
            report.extra.update(broken)
            return report

        answer = self._do(Call("campaign_report", checked_id("campaign_id", campaign_id), retries=retries), read)
        if answer.value is None:
            raise SkipRecord("campaign report: the answer is about another campaign")
        return Answer(answer.value, answer.fetch)

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
            "name": checked_text("name", name),
            "template_name": checked_text("template_name", template_name),
            "receivers": checked_receivers(receivers),
        }
        if template_language:
            body["template_language"] = template_language
        if scheduled_at is not None:
            if scheduled_at.tzinfo is None:
                raise refuse("scheduled_at", "needs a time zone")
            body["scheduled_at"] = scheduled_at.astimezone(dt.UTC).isoformat().replace("+00:00", "Z")
        return self._create(Call("create_campaign", body=body), parse_campaign)

    def clone_campaign(
        self, source_campaign_id: str, *, new_name: str, receivers: Iterable[Receiver]
    ) -> Answer[Campaign]:
        """Copy a campaign, as a draft, for other receivers."""
        body = {
            "source_campaign_id": checked_id("source_campaign_id", source_campaign_id),
            "new_name": checked_text("new_name", new_name),
            "receivers": checked_receivers(receivers),
        }
        return self._create(Call("clone_campaign", source_campaign_id, body=body), parse_campaign)

    def trigger_campaign(self, campaign_id: str) -> Answer[Trigger]:
        """Start a campaign: its messages go out."""

        def read(document: Document) -> Trigger:
            return Trigger(campaign_id, parse_enum(object_of(document.value).get("status")))

        return self._do(Call("trigger_campaign", checked_id("campaign_id", campaign_id)), read)

    # How lists, creations and other answers are read.

    def _list(self, call: Call, name: str, parse: Parser[T]) -> Page[T]:
        def read(document: Document) -> Parsed[tuple[tuple[T, ...], tuple[Rejected, ...], int]]:
            raws = list_of(document.value, name, is_first=call.page in (None, 1))
            records, rejected = parse_all(raws, parse, document.believed, torn=document.torn)
            size, total = paging_of(document.value, limit=call.limit or max(1, len(raws)))
            return Parsed((records, rejected, size), len(raws), total)

        parsed, fetch = self._ask(call, read)
        records, rejected, size = parsed.value
        return Page(records, rejected, call.page or 1, size, parsed.total, fetch)

    def _create(self, call: Call, parse: Parser[T]) -> Answer[T]:
        def read(document: Document) -> T:
            records, _ = parse_all([object_of(document.value)], parse, document.believed, torn=document.torn)
            if not records:
                raise UnreadableAnswer("the answer does not say what was created")
            return records[0]

        return self._do(call, read)

    def _do(self, call: Call, read: Callable[[Document], T]) -> Answer[T]:
        parsed, fetch = self._ask(call, lambda document: Parsed(read(document)))
        return Answer(parsed.value, fetch)
