"""The events of a world: what happens to whom in a stretch of time.

What belongs here: finding the contacts to whom something happens without asking all of them each time, and what an
event says. What does not: what happens between one contact and the team (`dealings.py`), the form in which events are
sent, and what is lost on the way (`webhooks.py`).

An event follows from the world and what was written through the API; so the same stretch gives the same events,
however it is cut into pieces. A chat's events stop when its contact goes.
"""

from __future__ import annotations

import bisect
import heapq
import uuid
from collections.abc import Iterator
from typing import Final, NamedTuple

import numpy as np

from crm_platform.sandbox.campaigns import SandboxCampaign
from crm_platform.sandbox.chance import DAY, NEVER, Times, derive
from crm_platform.sandbox.chats import reaction, template_id
from crm_platform.sandbox.dealings import (
    ASSIGNED,
    CREATED,
    DELIVERED,
    EVENTS,
    HANDOFF,
    RATED,
    READ,
    RECEIVED,
    RESOLVED,
    SENT,
    Dealings,
    Ending,
    Happening,
    ending_of,
)
from crm_platform.sandbox.people import EXTRA, country_of
from crm_platform.sandbox.records import Record
from crm_platform.sandbox.world import World

_LONG: Final = 400  # messages; shorter histories are made anew (at most 2 ms) rather than kept (4 kB)
_MET_AT_ONCE: Final = 200  # contacts; so many histories take some 30 ms
_REACTION_ENDS: Final = 9 * DAY  # after a reply: a long weekend, the answer's fate, the conversation's end
_SOURCES: Final = ("whatsapp", "whatsapp", "whatsapp", "website", "import")  # where a contact of the world's came from


class SandboxEvent(NamedTuple):
    """One event. at: milliseconds; event_id: a UUID; number: the contact's, E.164; properties: as in the contract."""

    at: int
    event_id: str
    name: str
    number: str
    properties: Record


class _Line:
    """Times of one event of many contacts, in order."""

    def __init__(self, event: int, times: Times, indexes: Times, *, after: int) -> None:
        order = np.argsort(times, kind="stable")
        self.event = event
        self._times, self._indexes = times[order], indexes[order]
        self._taken = int(np.searchsorted(self._times, after, side="right"))

    def until(self, until: int) -> Iterator[tuple[int, int]]:
        """When, and whose, from where it was left on."""
        part = slice(self._taken, int(np.searchsorted(self._times, until, side="right")))
        self._taken = part.stop
        return zip(self._times[part].tolist(), self._indexes[part].tolist(), strict=True)


class _Sending:
    """What the messages of one campaign go through after a time. `replies`: contact → when it replies."""

    def __init__(self, world: World, campaign: SandboxCampaign, *, after: int) -> None:
        self.campaign = campaign
        self.lines: list[_Line] = []
        self.replies: dict[int, int] = {}
        columns = [np.concatenate(parts) for parts in zip(*self._parts(world, campaign), strict=True)]
        if columns:
            indexes, *fates, replied = columns
            events = zip((SENT, DELIVERED, READ), fates, strict=True)
            self.lines = [_Line(event, times, indexes, after=after) for event, times in events]
            chosen = replied < NEVER
            self.replies = dict(zip(indexes[chosen].tolist(), replied[chosen].tolist(), strict=True))

    @staticmethod
    def _parts(world: World, campaign: SandboxCampaign) -> Iterator[tuple[Times, ...]]:
        for indexes, part in world.campaigns.outcomes(campaign):
            chosen = part.sent < NEVER
            columns = (indexes, part.sent, part.delivered, part.read, part.replied)
            yield tuple(column[chosen] for column in columns)


class EventFeed:
    """The events of a world after a time, asked for step by step.

    The first step costs what the history of every contact does: two seconds for 10,000 contacts. `prepare` does that in
    pieces. A further one costs what happens in it. What is written through the API at the very time that a step ends
    comes with the next one.
    """

    def __init__(self, world: World, *, after: int) -> None:
        self._world = world
        self._after = after  # where it began
        self.reached = after  # how far it has come
        self._waiting: list[tuple[int, int, str]] = []  # a heap: when something happens to whom, after which campaign
        self._kept: dict[tuple[int, str], Dealings] = {}
        self._sendings: dict[str, _Sending] = {}
        self._met = self._met_made = 0  # contacts whose chats are followed: the world's, and those made through the API
        self._created = world.roster.count_at(after)
        self._made = sum(world.created_at(index) <= after for index in world.made())
        self._noted = bisect.bisect_right(world.operator_events, after, key=lambda one: one[0])

    def prepare(self) -> Iterator[None]:
        """Follow every contact and campaign that there is; between two pieces the world may be used."""
        while self._meet(self._created, most=_MET_AT_ONCE):
            yield
        for campaign in [*self._live(self.reached)]:
            self._send(campaign)
            yield

    def until(self, until: int) -> list[SandboxEvent]:
        """Events up to a time (milliseconds), in its order; none for a time that is reached already."""
        until = max(until, self.reached)
        self._meet(self._world.roster.count_at(until))
        found = [*self._of_campaigns(until), *self._of_talks(until), *self._of_contacts(until), *self._of_notes(until)]
        self.reached = until
        found.sort(key=lambda one: (one.at, EVENTS.index(one.name), one.event_id))
        return found

    # Whom to ask

    def _meet(self, contacts: int, *, most: int | None = None) -> bool:
        """Follow so many contacts of the world's, and those made through the API. Whether some are still to be met."""
        end = contacts if most is None else min(contacts, self._met + most)
        made = self._world.made(self._met_made)
        for index in (*range(self._met, end), *made):
            if self._world.created_at(index) > self.reached or self._holder(index, self.reached) is not None:
                self._wait(index, "", self._dealings(index, ""))
        self._met = max(self._met, end)
        self._met_made += len(made)
        return end < contacts

    def _dealings(self, index: int, campaign_id: str) -> Dealings:
        """A contact's, or those that a reply to a campaign began; from what is reached on."""
        chats = self._world.chats
        if campaign_id:
            sending = self._sendings[campaign_id]
            seed = derive(chats.seed(index), campaign_id)
            talk = reaction(chats.prefix(index), chats.seed(index), sending.campaign, sending.replies[index])
        else:
            seed, talk = chats.seed(index), chats.make(index).talk()
        dealings = Dealings(talk, seed=seed, after=self.reached)
        next(dealings.until(self.reached), None)
        return dealings

    def _wait(self, index: int, campaign_id: str, dealings: Dealings) -> None:
        """Remember to ask when something happens next."""
        if dealings.next_at == NEVER:
            return
        heapq.heappush(self._waiting, (dealings.next_at, index, campaign_id))
        if dealings.looked_at > _LONG or campaign_id:
            self._kept[index, campaign_id] = dealings

    # What happens

    def _of_talks(self, until: int) -> Iterator[SandboxEvent]:
        while self._waiting and self._waiting[0][0] <= until:
            at, index, campaign_id = heapq.heappop(self._waiting)
            dealings = self._kept.pop((index, campaign_id), None) or self._dealings(index, campaign_id)
            for happening in dealings.until(until):
                yield from self._of_message(index, happening)
            if self._holder(index, at) is not None:
                self._wait(index, campaign_id, dealings)

    def _of_campaigns(self, until: int) -> Iterator[SandboxEvent]:
        world, live = self._world, {one.campaign_id: one for one in self._live(until)}
        for campaign_id in self._sendings.keys() - live.keys():
            del self._sendings[campaign_id]
        for campaign_id, campaign in live.items():
            if campaign_id not in self._sendings:
                self._send(campaign)
            for line in self._sendings[campaign_id].lines:
                for at, index in line.until(until):
                    if self._holder(index, at) is not None and campaign.starts >= world.chats.begins(index):
                        name = template_id(world.chats.prefix(index), world.chats.seed(index), campaign)
                        template: Record = {"templateId": campaign.template} if line.event == SENT else {}
                        yield self._event(at, line.event, index, name, {"messageId": name, **template})

    def _live(self, until: int) -> Iterator[SandboxCampaign]:
        return self._world.campaigns.live(self.reached - _REACTION_ENDS, until)

    def _send(self, campaign: SandboxCampaign) -> None:
        """Follow a campaign, and the contacts who reply to it."""
        # From the feed's own beginning on: what is triggered at the time of a step is sent from that very time.
        sending = self._sendings[campaign.campaign_id] = _Sending(self._world, campaign, after=self._after)
        for index, replied in sending.replies.items():
            if replied + _REACTION_ENDS > self._after and campaign.starts >= self._world.chats.begins(index):
                heapq.heappush(self._waiting, (max(replied, self._after), index, campaign.campaign_id))

    def _of_contacts(self, until: int) -> Iterator[SandboxEvent]:
        world = self._world
        count = world.roster.count_at(until)
        made = [index for index in world.made(self._made) if world.created_at(index) <= until]
        for index in (*range(self._created, count), *made):
            draw = world.people.draw(index)
            properties: Record = {"source": "api" if index >= EXTRA else _SOURCES[(draw >> 50) % len(_SOURCES)]}
            if (country := country_of(self._number(index))) is not None:
                properties["countryCode"] = country
            yield self._event(world.created_at(index), CREATED, index, str(index), properties)
        self._created, self._made = max(self._created, count), self._made + len(made)

    def _of_notes(self, until: int) -> Iterator[SandboxEvent]:
        """What was done with chats through the API."""
        for at, note in self._world.operator_events[self._noted :]:
            if at > until:
                return
            self._noted += 1
            chat_id = str(note["chat_id"])
            index = self._world.people.ids.index(chat_id)
            if index is not None:
                yield self._of_note(at, note, index, chat_id)

    # What an event says

    def _of_note(self, at: int, note: Record, index: int, chat_id: str) -> SandboxEvent:
        key = f"note {self._noted}"
        if note["event"] == "assigned":
            return self._event(at, ASSIGNED, index, key, {"chatId": chat_id, "agentId": note["operator_email"]})
        history = self._world.history(index, at)
        latest = [one for one in history if one.conversation == history[-1].conversation]
        resolution = note["resolution_notes"] or "resolved"
        properties = self._resolved(index, chat_id, at, ending_of(latest), resolution)
        return self._event(at, RESOLVED, index, key, properties)

    def _of_message(self, index: int, happening: Happening) -> Iterator[SandboxEvent]:
        world, (at, event, message, ending) = self._world, happening
        holder = self._holder(index, at)
        if holder is None:
            return
        chat_id = world.people.ids.text(holder)
        properties: Record = {}
        if event == RECEIVED:
            properties = {"messageId": message.message_id, "chatId": chat_id, "contentType": message.type}
        elif event in {SENT, DELIVERED, READ}:
            properties = {"messageId": message.message_id}
            if event == SENT and (agent := world.writer(index, message)) is not None:
                properties["agentId"] = agent
        elif event in {HANDOFF, ASSIGNED}:
            if world.assigned(index, at) is not None:
                return  # the API gave the chat to somebody already
            properties = {"chatId": chat_id, "agentId": message.writer}
        elif ending is not None and event == RESOLVED:
            resolution = "resolved" if ending.agent else "automated"
            properties = self._resolved(index, chat_id, at, ending, resolution)
        elif ending is not None and event == RATED:
            properties = {"rating": ending.rating}
        yield self._event(at, event, index, message.message_id, properties)

    def _resolved(self, index: int, chat_id: str, at: int, ending: Ending, resolution: object) -> Record:
        agent = self._world.assigned(index, at) or ending.agent
        return {
            "chatId": chat_id,
            **({} if agent is None else {"agentId": agent}),
            "messageCount": ending.messages,
            "durationMinutes": ending.minutes,
            "resolution": resolution,
        }

    def _holder(self, index: int, at: int) -> int | None:
        """The present chat that holds a contact's messages: its own, or the one it was merged into."""
        if self._world.is_present(index, at):
            return index
        copies = (copy for source, copy in self._world.chats.merged(index) if source == index)
        return next((copy for copy in copies if self._world.is_present(copy, at)), None)

    def _number(self, index: int) -> str:
        return str(self._world.attribute(index, "whatsapp_number"))

    def _event(self, at: int, event: int, index: int, key: str, properties: Record) -> SandboxEvent:
        name, seed = EVENTS[event], self._world.seed
        bits = derive(seed, name, key) << 64 | derive(seed, "event", name, key)
        return SandboxEvent(at, str(uuid.UUID(int=bits, version=4)), name, self._number(index), properties)
