"""The world: everything that exists at a time, and the few things the API can change.

What belongs here: putting people, chats and campaigns together, and the overlay of writes, each with its time. What
does not: HTTP, odd shapes, faults. Times are milliseconds (see `chance.py`); `now` never goes back.
"""

from __future__ import annotations

import bisect
import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Literal

from crm_platform.sandbox.campaigns import SENDS_A_SECOND, Campaign, Campaigns
from crm_platform.sandbox.chance import DAY, MINUTE, NEVER, SECOND, derive
from crm_platform.sandbox.chats import Chat, Chats, Message
from crm_platform.sandbox.people import EXTRA, People, Person, Roster
from crm_platform.sandbox.records import (
    Moment,
    Record,
    campaign_record,
    message_record,
    report_record,
)

_FIELDS: Final = (
    ("Segment", "text"),
    ("VIP", "text"),
    ("City", "text"),
    ("Language", "text"),
    ("Loyalty points", "number"),
)


@dataclass(frozen=True, slots=True)
class Field:
    """A custom field's definition; times in milliseconds."""

    field_id: str
    name: str
    type: str
    required: bool
    default: str | None
    created_at: int
    deleted_at: int = NEVER


@dataclass(frozen=True, slots=True)
class OperatorEvent:
    """An assignment or a mark-as-done made through the API."""

    event: Literal["assigned", "done"]
    index: int
    at: int
    operator: str | None = None
    notes: str | None = None


@dataclass(frozen=True, slots=True)
class _Made:
    """A contact made through the API."""

    person: Person
    created_at: int


class World:
    """Everything, as of a time that each call names.

    `began`, `anchor`: when history begins, and when there are exactly `contacts` contacts; milliseconds.
    """

    def __init__(self, *, seed: int, contacts: int, began: int, anchor: int) -> None:
        # Another beginning is another world: ids of two worlds must not be mistaken for each other.
        self._seed = derive(seed, contacts, began, anchor)
        self.began = began
        self.people = People(self._seed)
        self.roster = Roster(self._seed, size=contacts, began=began, anchor=anchor)
        self.campaigns = Campaigns(self._seed, began=began, anchor=anchor, count_at=self.roster.count_at)
        self.chats = Chats(self._seed, people=self.people, campaigns=self.campaigns, begins=self._chat_begins)
        self._made: dict[int, _Made] = {}
        self._by_number: dict[str, int] = {}
        self._assigned: dict[int, list[tuple[int, str]]] = {}
        self._done: dict[int, int] = {}  # chat → when it was first marked as done
        self.events: list[OperatorEvent] = []
        self._fields = [
            Field(f"fld_{derive(self._seed, name) & 0xFFFFFFFF:08x}", name, kind, False, None, began - (9 - k) * DAY)
            for k, (name, kind) in enumerate(_FIELDS)
        ]

    # Contacts

    def _chat_begins(self, index: int) -> int:
        return max(self.began, self.created_at(index))

    def created_at(self, index: int) -> int:
        """When a contact was made."""
        return self._made[index].created_at if index >= EXTRA else self.roster.created_at(index)

    def is_present(self, index: int, now: int) -> bool:
        """Whether a contact exists as of a time."""
        if index >= EXTRA and index not in self._made:
            return False
        return self.created_at(index) <= now < self.roster.departed_at(index, until=now)

    def find_chat(self, chat_id: str, now: int) -> int | None:
        """The index of a present contact's chat."""
        index = self.people.ids.index(chat_id)
        return index if index is not None and self.is_present(index, now) else None

    def find_number(self, number: str, now: int) -> int | None:
        """The index of a present contact with this number."""
        index = self._by_number.get(number)
        if index is None or not self.is_present(index, now):
            index = self.people.index_of(number)
        return index if index is not None and self.is_present(index, now) else None

    def person(self, index: int) -> Person:
        """A contact's attributes."""
        return self._made[index].person if index >= EXTRA else self.people.person(index)

    def searchable(self, index: int, field: str) -> str:
        """One attribute of a contact as text: `whatsapp_number`, `name` or `email`."""
        if index >= EXTRA:
            person = self._made[index].person
            return {"whatsapp_number": person.whatsapp_number, "name": person.name, "email": person.email}[field] or ""
        if field == "whatsapp_number":
            return self.people.number(index)
        return (self.people.name(index) if field == "name" else self.people.email(index)) or ""

    def contact(self, index: int, now: int) -> Record:
        """A contact's record as of a time."""
        person = self.person(index)
        record: Record = {"chat_id": self.people.ids.text(index), "whatsapp_number": person.whatsapp_number}
        if person.email is not None:
            record["email"] = person.email
        if person.name is not None:
            record["name"] = person.name
        if person.fields is not None:
            known = {field.name for field in self.fields(now)}
            record["custom_fields"] = {name: value for name, value in person.fields if name in known}
        record["status"] = "resolved" if self._done.get(index, NEVER) <= now else person.status
        record["created_at"] = Moment(self.created_at(index))
        return record

    def create_contact(self, person: Person, now: int) -> int:
        """A new contact with an empty chat; its index."""
        index = EXTRA + len(self._made)
        self._made[index] = _Made(person, now)
        self._by_number[person.whatsapp_number] = index
        self.chats.add(index, person.whatsapp_number)
        self.roster.add(index, at=now)
        return index

    def delete_contact(self, index: int, now: int) -> None:
        """Gone from now on."""
        self.roster.remove(index, at=now)
        self.chats.forget(index)

    def present(self, at: int) -> Iterator[int]:
        """Every contact present at a time, oldest first, those made through the API last."""
        for index in range(self.roster.count_at(at)):
            if self.roster.departed_at(index, until=at) == NEVER:
                yield index
        yield from (index for index in self._made if self.is_present(index, at))

    # Chats

    def messages(
        self, index: int, now: int, *, offset: int, limit: int, newest_first: bool
    ) -> tuple[int, list[Record]]:
        """How many messages a chat has, and one page of them."""
        chat = self.chats.get(index, now)
        total = chat.seen(now)
        if newest_first:
            chosen = chat.messages[max(total - offset - limit, 0) : max(total - offset, 0)][::-1]
        else:
            chosen = chat.messages[offset : min(offset + limit, total)]
        return total, self._message_records(index, chosen, now)

    def every_message(self, index: int, at: int) -> list[Record]:
        """All of a chat up to a time, oldest first; nothing of it is kept."""
        chat: Chat = self.chats.make(index)
        chat.extend(at)
        return self._message_records(index, chat.messages, at)

    def _message_records(self, index: int, messages: Sequence[Message], now: int) -> list[Record]:
        assigned = self._assigned.get(index)
        if assigned is None:
            return [message_record(message, now, message.operator) for message in messages]
        records = []
        for message in messages:
            operator = message.operator
            if not message.is_inbound and message.type != "template":
                place = bisect.bisect_right(assigned, message.at, key=lambda one: one[0])
                operator = assigned[place - 1][1] if place else operator
            records.append(message_record(message, now, operator))
        return records

    def assign(self, index: int, operator: str, now: int) -> None:
        """Later outbound messages of this chat carry this operator."""
        self._assigned.setdefault(index, []).append((now, operator))
        self.events.append(OperatorEvent("assigned", index, now, operator=operator))

    def mark_as_done(self, index: int, notes: str | None, now: int) -> None:
        """The contact's status becomes `resolved`."""
        self._done.setdefault(index, now)
        self.events.append(OperatorEvent("done", index, now, notes=notes))

    # Custom fields

    def fields(self, at: int) -> list[Field]:
        """Definitions that exist at a time."""
        return [field for field in self._fields if field.created_at <= at < field.deleted_at]

    def create_field(self, name: str, type_: str, *, required: bool, default: str | None, now: int) -> Field:
        """A new definition."""
        field_id = f"fld_{derive(self._seed, 'field', len(self._fields)) & 0xFFFFFFFF:08x}"
        field = Field(field_id, name, type_, required, default, now)
        self._fields.append(field)
        return field

    def delete_field(self, field_id: str, now: int) -> bool:
        """Take a definition, and with it every value, away. False when there is none of this id."""
        for place, field in enumerate(self._fields):
            if field.field_id == field_id and field.created_at <= now < field.deleted_at:
                self._fields[place] = dataclasses.replace(field, deleted_at=now)
                return True
        return False

    # Campaigns

    def campaign(self, campaign: Campaign, now: int) -> Record:
        """A campaign's record as of a time."""
        is_draft = campaign.status(now) == "draft"
        return campaign_record(campaign, now, 0 if is_draft else self.campaigns.total_recipients(campaign))

    def report(self, campaign: Campaign, now: int) -> Record:
        """A campaign's report as of a time."""
        return report_record(campaign, self.campaigns.metrics(campaign, now))

    def create_campaign(
        self, *, name: str, template: str, language: str, receivers: Sequence[str], scheduled_at: int | None, now: int
    ) -> Campaign:
        """A new campaign: a draft, or scheduled (a time in the past means: send at once)."""
        number = self.campaigns.made_through_api()
        seed = derive(self._seed, "made campaign", number)
        places, strangers = self._places(receivers, now)
        starts = NEVER if scheduled_at is None else max(scheduled_at, now)
        campaign = Campaign(
            number=number,
            campaign_id=f"cmp_{seed & 0xFFFFFFFFFFFF:012x}",
            name=name,
            template=template,
            text=f"[{template}]",
            seed=seed,
            created_at=now,
            scheduled_at=scheduled_at,
            starts=starts,
            duration=max(MINUTE, len(places) * SECOND // SENDS_A_SECOND),
            stops=NEVER,
            draft_until=NEVER if scheduled_at is None else now,
            is_drip=False,
            decimals=1,
            optional_fields=True,
            share=0,
            audience=0,
            read_chance=700,
            reply_chance=120,
            fail_chance=20,
            receivers=places,
            strangers=strangers,
            language=language,
        )
        self._keep(campaign)
        return campaign

    def clone_campaign(self, source: Campaign, *, name: str, receivers: Sequence[str], now: int) -> Campaign:
        """A draft with another campaign's template."""
        copy = self.create_campaign(
            name=name,
            template=source.template,
            language=source.language,
            receivers=receivers,
            scheduled_at=None,
            now=now,
        )
        copy = dataclasses.replace(copy, text=source.text)
        self._keep(copy)
        return copy

    def trigger_campaign(self, campaign: Campaign, now: int) -> Campaign:
        """Send it from now on."""
        sent = self.campaigns.trigger(campaign, at=now)
        self._forget_receivers(sent)
        return sent

    def _keep(self, campaign: Campaign) -> None:
        self.campaigns.add(campaign)
        self._forget_receivers(campaign)

    def _forget_receivers(self, campaign: Campaign) -> None:
        if campaign.receivers is None:
            self.chats.forget(None)
        else:
            for index in campaign.receivers:
                self.chats.forget(index)

    def _places(self, receivers: Sequence[str], now: int) -> tuple[Mapping[int, int], int]:
        """Receivers who are contacts, in line; and how many are not (a message to them fails)."""
        places: dict[int, int] = {}
        strangers = 0
        for number in dict.fromkeys(receivers):
            index = self.find_number(number, now)
            if index is None:
                strangers += 1
            else:
                places[index] = len(places)
        return places, strangers
