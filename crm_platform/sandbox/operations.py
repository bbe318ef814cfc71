"""The contract's operations: a request's arguments in, the body of its answer out.

What belongs here: the path of each and its method, checks against the world, what its data looks like. What does not:
finding the operation (`routing.py`), key, limit and faults (`app.py`), records (`records.py`).

Choices the contract leaves open: `page` and `limit` that are no whole numbers, below 1, or a limit above 100 are a 422;
contacts and campaigns come newest first, so a new contact shifts every page; a search gives at most 1,000 contacts; a
number that is a contact already cannot be created again (422); a campaign's message to a number that is no contact
fails.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from crm_platform.sandbox.arguments import Arguments, parse_moment
from crm_platform.sandbox.campaigns import SandboxCampaign
from crm_platform.sandbox.people import Person, is_e164
from crm_platform.sandbox.records import Record, custom_field_record
from crm_platform.sandbox.responses import invalid, missing
from crm_platform.sandbox.shapes import Shapes
from crm_platform.sandbox.world import World

# operation → (method, path); the names are the published contract's operationIds.
OPERATIONS: Final[dict[str, tuple[str, str]]] = {
    "list_contacts": ("GET", "/crm/chat"),
    "create_contact": ("POST", "/crm/chat"),
    "search_contacts": ("GET", "/crm/chat/search"),
    "delete_contact": ("DELETE", "/crm/chat/{chat_id}"),
    "contact_custom_fields": ("GET", "/crm/chat/setting/{chat_id}/custom-field"),
    "assign_chat": ("POST", "/crm/chat/setting/{chat_id}/operator/assign_chat"),
    "mark_as_done": ("POST", "/crm/chat/setting/{chat_id}/operator/mark_as_done"),
    "list_messages": ("GET", "/crm/chat/{chat_id}/messages"),
    "list_custom_fields": ("GET", "/crm/setting/custom-field"),
    "create_custom_field": ("POST", "/crm/setting/custom-field"),
    "delete_custom_field": ("DELETE", "/crm/setting/custom-field/{custom_field_id}"),
    "list_campaigns": ("GET", "/crm/campaign"),
    "create_campaign": ("POST", "/crm/campaign"),
    "clone_campaign": ("POST", "/crm/campaign/clone"),
    "campaign_report": ("GET", "/crm/campaign/{campaign_id}/report"),
    "trigger_campaign": ("POST", "/crm/campaign/{campaign_id}/trigger"),
}

_CREATING: Final = frozenset({"create_contact", "create_custom_field", "create_campaign", "clone_campaign"})
_MOST_FOUND: Final = 1000  # contacts that one search gives
_SEARCH_FIELDS: Final = ("email", "whatsapp_number", "name")
_CONDITIONS: Final[dict[str, Callable[[str, str], bool]]] = {
    "contains": str.__contains__,
    "equal to": str.__eq__,
    "starts with": str.startswith,
    "ends with": str.endswith,
}


@dataclass(frozen=True, slots=True)
class Operations:
    """The operations for one request; `now`: milliseconds."""

    world: World
    shapes: Shapes
    now: int
    arguments: Arguments

    def answer(self, operation: str, *path_arguments: str) -> tuple[int, Record]:
        """Status and body of a key of `OPERATIONS`. Raises the refusal to answer with."""
        record = getattr(self, f"_{operation}")(*path_arguments)
        return 201 if operation in _CREATING else 200, {"success": True, **record}

    # Contacts. Each operation gives the body without `success`.

    def _contact(self, index: int) -> Record:
        return self.shapes.shaped("contact", self.world.contact(index, self.now))

    def _list_contacts(self) -> Record:
        page, limit = self.arguments.page(limit=20)
        total, indexes = self.world.roster.page(self.now, offset=(page - 1) * limit, limit=limit)
        contacts = [self._contact(index) for index in indexes]
        return {"data": contacts, "pagination": {"page": page, "limit": limit, "total": total}}

    def _search_contacts(self) -> Record:
        field = self.arguments.word("search_field", None, _SEARCH_FIELDS)
        condition = _CONDITIONS[self.arguments.word("condition", "contains", tuple(_CONDITIONS))]
        value = self.arguments.query_text("search_value").casefold()
        found = (
            self._contact(index)
            for offset in range(0, self.world.roster.total(self.now), 500)
            for index in self.world.roster.page(self.now, offset=offset, limit=500)[1]
            if (text := self.world.attribute(index, field)) and condition(text.casefold(), value)
        )
        return {"data": list(itertools.islice(found, _MOST_FOUND))}

    def _create_contact(self) -> Record:
        number = self.arguments.text("whatsapp_number")
        if not is_e164(number):
            invalid(("whatsapp_number", "must be a number like +254700000000"))
        email = self.arguments.optional_text("email")
        if email and "@" not in email:
            invalid(("email", "must be an e-mail address"))
        name, fields = self.arguments.optional_text("name"), self.arguments.texts("custom_fields")
        if self.world.find_number(number, self.now) is not None:
            invalid(("whatsapp_number", "is a contact already"))
        person = Person(number, name, email, None if fields is None else tuple(fields.items()), "active")
        return {"data": self._contact(self.world.create_contact(person, self.now))}

    def _delete_contact(self, chat_id: str) -> Record:
        self.world.delete_contact(self._chat(chat_id), self.now)
        return {"message": "Contact deleted"}

    def _contact_custom_fields(self, chat_id: str) -> Record:
        values = dict(self.world.person(self._chat(chat_id)).fields or ())
        data = [
            {
                "field_id": field.field_id,
                "field_name": field.name,
                "field_type": field.type,
                "value": values.get(field.name, field.default),
            }
            for field in self.world.custom_fields.existing(self.now)
        ]
        return {"data": data}

    # Chats

    def _chat(self, chat_id: str) -> int:
        index = self.world.find_chat(chat_id, self.now)
        return missing("Chat") if index is None else index

    def _assign_chat(self, chat_id: str) -> Record:
        index = self._chat(chat_id)
        operator = self.arguments.text("operator_email")
        if "@" not in operator:
            invalid(("operator_email", "must be an e-mail address"))
        self.arguments.flag("pause_automation")
        self.world.assign(index, operator, self.now)
        return {"message": "Chat assigned", "data": {"assigned_to": operator}}

    def _mark_as_done(self, chat_id: str) -> Record:
        index = self._chat(chat_id)
        notes = (self.arguments.texts("metadata") or {}).get("resolution_notes")
        self.world.mark_as_done(index, notes, self.now)
        return {"message": "Chat marked as done"}

    def _list_messages(self, chat_id: str) -> Record:
        page, limit = self.arguments.page(limit=50)
        newest_first = self.arguments.word("sort", "newest", ("newest", "oldest")) == "newest"
        index, offset = self._chat(chat_id), (page - 1) * limit
        total, records = self.world.messages(index, self.now, offset=offset, limit=limit, newest_first=newest_first)
        messages = [self.shapes.shaped("message", record) for record in records]
        pagination = {"page": page, "limit": limit, "total": total}
        if self.shapes.nests_messages(chat_id):
            return {"data": {"messages": messages, "pagination": pagination}}
        return {"data": messages, "pagination": pagination}

    # Custom fields

    def _list_custom_fields(self) -> Record:
        return {"data": [custom_field_record(field) for field in self.world.custom_fields.existing(self.now)]}

    def _create_custom_field(self) -> Record:
        name, kind = self.arguments.text("name"), self.arguments.text("type")
        required, default = self.arguments.flag("required"), self.arguments.optional_text("default_value")
        if any(field.name == name for field in self.world.custom_fields.existing(self.now)):
            invalid(("name", "is taken by another custom field"))
        field = self.world.custom_fields.create(name, kind, required=required, default=default, now=self.now)
        return {"data": custom_field_record(field)}

    def _delete_custom_field(self, field_id: str) -> Record:
        if not self.world.custom_fields.delete(field_id, self.now):
            missing("Custom field")
        return {"message": "Custom field deleted"}

    # Campaigns

    def _campaign(self, campaign_id: str) -> SandboxCampaign:
        campaign = self.world.campaigns.find(campaign_id, self.now)
        return missing("Campaign") if campaign is None else campaign

    def _shaped_campaign(self, campaign: SandboxCampaign) -> Record:
        return self.shapes.shaped("campaign", self.world.campaign(campaign, self.now))

    def _list_campaigns(self) -> Record:
        page, limit = self.arguments.page(limit=20)
        campaigns = self.world.campaigns.visible(self.now)
        data = [self._shaped_campaign(campaign) for campaign in campaigns[(page - 1) * limit : page * limit]]
        return {"data": data, "count": len(campaigns), "page": page, "rows": limit}

    def _campaign_report(self, campaign_id: str) -> Record:
        report = self.shapes.report(self.world.report(self._campaign(campaign_id), self.now))
        return {"data": report} if self.shapes.wraps_reports else report

    def _made_campaign(self, campaign: SandboxCampaign) -> Record:
        total = self.world.campaigns.total_recipients(campaign)
        return {"data": {**self._shaped_campaign(campaign), "total_recipients": total}}

    def _create_campaign(self) -> Record:
        name, template = self.arguments.text("name"), self.arguments.text("template_name")
        self.arguments.optional_text("template_language")
        when, receivers = self.arguments.optional_text("scheduled_at"), self.arguments.receivers()
        campaign = self.world.create_campaign(
            name=name,
            template=template,
            receivers=receivers,
            scheduled_at=None if when is None else parse_moment("scheduled_at", when),
            now=self.now,
        )
        return self._made_campaign(campaign)

    def _clone_campaign(self) -> Record:
        source_id, name = self.arguments.text("source_campaign_id"), self.arguments.text("new_name")
        receivers = self.arguments.receivers()
        source = self._campaign(source_id)
        return self._made_campaign(
            self.world.create_campaign(
                name=name, template=source.template, text=source.text, receivers=receivers, now=self.now
            )
        )

    def _trigger_campaign(self, campaign_id: str) -> Record:
        campaign = self._campaign(campaign_id)
        status = campaign.status(self.now)
        if status not in {"draft", "scheduled"}:
            invalid(("campaign_id", f"a campaign that is {status} cannot be triggered"))
        status = self.world.trigger_campaign(campaign, self.now).status(self.now)
        return {"message": "Campaign triggered", "data": {"campaign_id": campaign_id, "status": status}}
