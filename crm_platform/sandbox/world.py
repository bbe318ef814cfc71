"""The world: everything that exists at a time, and the few things the API can change.

What belongs here: putting people, chats and campaigns together, and the overlay of writes, each with its time. What
does not: HTTP, odd shapes, faults. Times are milliseconds (see `chance.py`); `now` never goes back.
"""

from __future__ import annotations

import bisect
from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from crm_platform.sandbox.campaign_store import CampaignStore
from crm_platform.sandbox.campaigns import CampaignPlan, SandboxCampaign
from crm_platform.sandbox.chance import MINUTE, NEVER, SECOND, derive
from crm_platform.sandbox.chats import ChatCache
from crm_platform.sandbox.conversations import SandboxMessage
from crm_platform.sandbox.people import EXTRA, CustomFieldStore, People, Person
from crm_platform.sandbox.records import Moment, Record, campaign_record, message_record, report_record
from crm_platform.sandbox.roster import Roster

_SENDS_A_SECOND: Final = 20  # messages of a campaign made through the API


class World:
    """Everything, as of a time that each call names.

    `began`, `anchor`: when history begins, and when there are exactly `contacts` contacts; milliseconds.
    `merges_contacts`: some chats hold the messages of another, too.
    """

    def __init__(self, *, seed: int, contacts: int, began: int, anchor: int, merges_contacts: bool = False) -> None:
        # Another beginning is another world: ids of two worlds must not be mistaken for each other.
        self.seed = derive(seed, contacts, began, anchor)
        self.began = began
        self.people = People(self.seed)
        self.roster = Roster(self.seed, size=contacts, began=began, anchor=anchor)
        plan = CampaignPlan(self.seed, began=began, anchor=anchor, count_at=self.roster.count_at)
        self.campaigns = CampaignStore(plan)
        self.custom_fields = CustomFieldStore(self.seed, began=began)
        self.chats = ChatCache(
            self.seed,
            number=self._number,
            begins=lambda index: max(began, self.created_at(index)),
            campaigns=self.campaigns,
            merges=merges_contacts,
        )
        self.operator_events: list[tuple[int, Record]] = []  # when, what; assignments and marks made through the API
        self._made: dict[int, tuple[Person, int]] = {}  # contacts made through the API, and when
        self._by_number: dict[str, int] = {}
        self._assigned: dict[int, list[tuple[int, str]]] = {}
        self._done: dict[int, int] = {}  # chat → when it was first marked as done

    # Contacts

    def made(self, start: int = 0) -> list[int]:
        """Contacts made through the API, present or not, in their order; those from a place on."""
        return list(range(EXTRA + start, EXTRA + len(self._made)))

    def created_at(self, index: int) -> int:
        """When a contact was made."""
        return self._made[index][1] if index >= EXTRA else self.roster.created_at(index)

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
        for index in (self._by_number.get(number), self.people.index_of(number)):
            if index is not None and self.is_present(index, now):
                return index
        return None

    def person(self, index: int) -> Person:
        """A contact's attributes."""
        return self._made[index][0] if index >= EXTRA else self.people.person(index)

    def attribute(self, index: int, name: str) -> str | None:
        """`whatsapp_number`, `name` or `email` of a contact; quicker than all of them."""
        value: str | None
        value = getattr(self._made[index][0], name) if index >= EXTRA else getattr(self.people, name)(index)
        return value

    def _number(self, index: int) -> str:
        return self._made[index][0].whatsapp_number if index >= EXTRA else self.people.whatsapp_number(index)

    def contact(self, index: int, now: int) -> Record:
        """A contact's record as of a time."""
        person = self.person(index)
        record: Record = {"chat_id": self.people.ids.text(index), "whatsapp_number": person.whatsapp_number}
        if person.email is not None:
            record["email"] = person.email
        if person.name is not None:
            record["name"] = person.name
        if person.fields is not None:
            known = {field.name for field in self.custom_fields.existing(now)}
            record["custom_fields"] = {name: value for name, value in person.fields if name in known}
        record["status"] = "resolved" if self._done.get(index, NEVER) <= now else person.status
        record["created_at"] = Moment(self.created_at(index))
        return record

    def create_contact(self, person: Person, now: int) -> int:
        """A new contact with an empty chat; its index."""
        index = EXTRA + len(self._made)
        self._made[index] = (person, now)
        self._by_number[person.whatsapp_number] = index
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

    def also_in(self, index: int, message_id: str, at: int) -> int | None:
        """The other present chat that holds this message of a chat, if any does."""
        return next(
            (
                other
                for source, copy in self.chats.merged(index)
                for other in (source, copy)
                if other != index and self.is_present(other, at) and message_id.startswith(self.chats.prefix(source))
            ),
            None,
        )

    def history(self, index: int, at: int) -> list[SandboxMessage]:
        """All of a chat up to a time, oldest first; nothing of it is kept."""
        chat = self.chats.make(index)
        chat.extend(at)
        return chat.messages

    def every_message(self, index: int, at: int) -> list[Record]:
        """The same as records."""
        return self._message_records(index, self.history(index, at), at)

    def _message_records(self, index: int, messages: Sequence[SandboxMessage], now: int) -> list[Record]:
        return [self.message_record(index, message, now) for message in messages]

    def message_record(self, index: int, message: SandboxMessage, now: int) -> Record:
        """A chat's message as of a time."""
        return message_record(message, now, self._signed(index, message, message.operator))

    def writer(self, index: int, message: SandboxMessage) -> str | None:
        """Who of the team wrote a chat's message; None: the contact, a campaign or a bot."""
        return self._signed(index, message, message.writer)

    def _signed(self, index: int, message: SandboxMessage, own: str | None) -> str | None:
        if message.is_inbound or message.type == "template":
            return own
        return self.assigned(index, message.at) or own

    def assigned(self, index: int, at: int) -> str | None:
        """The operator to whom the API gave a chat, as of a time."""
        assigned = self._assigned.get(index)
        if assigned is None:
            return None
        place = bisect.bisect_right(assigned, at, key=lambda one: one[0])
        return assigned[place - 1][1] if place else None

    def assign(self, index: int, operator: str, now: int) -> None:
        """Later outbound messages of this chat carry this operator."""
        self._assigned.setdefault(index, []).append((now, operator))
        self._note("assigned", index, now, operator=operator)

    def mark_as_done(self, index: int, notes: str | None, now: int) -> None:
        """The contact's status becomes `resolved`."""
        self._done.setdefault(index, now)
        self._note("done", index, now, notes=notes)

    def _note(self, event: str, index: int, now: int, *, operator: str | None = None, notes: str | None = None) -> None:
        chat_id = self.people.ids.text(index)
        record = {"event": event, "chat_id": chat_id, "at": Moment(now)}
        self.operator_events.append((now, {**record, "operator_email": operator, "resolution_notes": notes}))

    # Campaigns

    def campaign(self, campaign: SandboxCampaign, now: int) -> Record:
        """A campaign's record as of a time."""
        is_draft = campaign.status(now) == "draft"
        return campaign_record(campaign, now, 0 if is_draft else self.campaigns.total_recipients(campaign))

    def report(self, campaign: SandboxCampaign, now: int) -> Record:
        """A campaign's report as of a time."""
        return report_record(campaign, self.campaigns.metrics(campaign, now))

    def create_campaign(
        self,
        *,
        name: str,
        template: str,
        receivers: Sequence[str],
        now: int,
        text: str | None = None,
        scheduled_at: int | None = None,
    ) -> SandboxCampaign:
        """A new campaign: a draft, or scheduled (a time in the past means: send at once)."""
        seed = derive(self.seed, "made campaign", self.campaigns.made_through_api())
        places, strangers = self._places(receivers, now)
        campaign = SandboxCampaign(
            campaign_id=f"cmp_{seed & 0xFFFFFFFFFFFF:012x}",
            name=name,
            template=template,
            text=text or f"[{template}]",
            seed=seed,
            created_at=now,
            scheduled_at=scheduled_at,
            starts=NEVER if scheduled_at is None else max(scheduled_at, now),
            duration=max(MINUTE, len(places) * SECOND // _SENDS_A_SECOND),
            draft_until=NEVER if scheduled_at is None else now,
            decimals=1,
            optional_fields=True,
            read_chance=700,
            reply_chance=120,
            fail_chance=20,
            receivers=places,
            strangers=strangers,
        )
        self.campaigns.add(campaign)
        self._forget_receivers(campaign)
        return campaign

    def trigger_campaign(self, campaign: SandboxCampaign, now: int) -> SandboxCampaign:
        """Send it from now on."""
        sent = self.campaigns.trigger(campaign, at=now)
        self._forget_receivers(sent)
        return sent

    def _forget_receivers(self, campaign: SandboxCampaign) -> None:
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
