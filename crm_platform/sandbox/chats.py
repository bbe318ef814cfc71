"""The messages of a chat up to a time.

What belongs here: putting conversations and what campaigns add together, and keeping the chats that were read last. A
chat is a stream that goes forward only: asking for a later time continues it and never changes what came before, but
for delivery statuses, which are functions of time. What does not: what is said (`conversations.py`), which contacts
exist, HTTP, wire formats.
"""

from __future__ import annotations

import base64
import bisect
import itertools
from collections import OrderedDict
from collections.abc import Callable, Iterator
from typing import Final

from crm_platform.sandbox.campaign_outcomes import SETTLES_AFTER
from crm_platform.sandbox.campaign_store import CampaignStore
from crm_platform.sandbox.campaigns import SandboxCampaign
from crm_platform.sandbox.chance import DAY, HOUR, SECOND, derive, lognormal, mix
from crm_platform.sandbox.conversations import SandboxMessage, Talk
from crm_platform.sandbox.people import EXTRA, LIVELY

_REACTIONS_END: Final = SETTLES_AFTER + 4 * DAY  # after sending; a reply may wait for a long weekend's answer

# Busy hours between two conversations of a contact: log-normal, so that most write rarely and a few all day.
_BETWEEN: Final = tuple(hours / SECOND for hours in reversed(lognormal(850, 1.35)))
_HOT_ONE_IN: Final = 650  # contacts; resellers and drivers who write many times a day
_SILENT_PERCENT: Final = 7  # contacts who never write
_MERGED_ONE_IN: Final = 10  # chats whose messages stand in the next contact's chat, too, where contacts were merged


def id_prefix(number: str) -> str:
    """The beginning of a chat's message ids: like WhatsApp's own, it decodes to the phone number."""
    digits = number.removeprefix("+").encode()
    head = b"\x1c\x18" + bytes([len(digits)]) + digits + b"\x15\x02\x00\x11\x18\x12"
    return "wamid." + base64.b64encode(head + b"\x00" * (-len(head) % 3)).decode()


def template_id(prefix: str, seed: int, campaign: SandboxCampaign) -> str:
    """The id of a campaign's message in a chat; `seed`: the chat's."""
    return f"{prefix}{mix(campaign.seed ^ seed):016X}"


def reaction(prefix: str, seed: int, campaign: SandboxCampaign, replied: int) -> Iterator[SandboxMessage]:
    """What is said in a chat after a campaign's message, from the reply on."""
    talk = Talk(mix(campaign.seed ^ seed), prefix=prefix, begins=replied, hours_between=0)
    return talk.reaction(replied)


class Chat:
    """Everything said in one chat up to a time that only moves forward; `merged`: a chat that it holds, too."""

    def __init__(
        self,
        index: int,
        *,
        seed: int,
        prefix: str,
        begins: int,
        hours_between: float | None,
        campaigns: CampaignStore,
        merged: Chat | None = None,
    ) -> None:
        self._index = index
        self._seed = seed
        self._prefix = prefix
        self._campaigns = campaigns
        self._merged = merged
        talk = Talk(seed, prefix=prefix, begins=begins, hours_between=hours_between) if hours_between else ()
        self._talk = iter(talk)
        self._next = next(self._talk, None)
        self.begins = begins
        self.covered = begins - 1
        self.messages: list[SandboxMessage] = []

    def talk(self) -> Iterator[SandboxMessage]:
        """Its own ordinary messages beyond what is covered, without end; the chat itself cannot go on afterwards."""
        return iter(()) if self._next is None else itertools.chain([self._next], self._talk)

    def extend(self, until: int) -> None:
        """Go on to `until` (milliseconds)."""
        if until <= self.covered:
            return
        found: list[SandboxMessage] = []
        upcoming = self._next
        while upcoming is not None and upcoming.at <= until:
            found.append(upcoming)
            upcoming = next(self._talk, None)
        self._next = upcoming
        found += [one for one in self._from_campaigns(until) if self.covered < one.at <= until]
        if self._merged is not None:
            had = len(self._merged.messages)
            self._merged.extend(until)
            found += self._merged.messages[had:]
        found.sort(key=lambda one: one[:2])
        self.messages += found
        self.covered = until

    def _from_campaigns(self, until: int) -> Iterator[SandboxMessage]:
        for campaign, times in self._campaigns.reaching(self._index, until=until):
            sent, delivered, read, replied, failed = times
            if sent + _REACTIONS_END < self.covered or sent < self.begins:
                continue
            name = template_id(self._prefix, self._seed, campaign)
            yield SandboxMessage(sent, name, False, "template", campaign.text, None, delivered, read, failed)
            if replied <= until:
                yield from reaction(self._prefix, self._seed, campaign, replied)

    def seen(self, now: int) -> int:
        """How many messages there are as of a time within what is covered."""
        return bisect.bisect_right(self.messages, now, key=lambda one: one.at)


class ChatCache:
    """Chats by index; the most recently read ones are kept."""

    _MOST_KEPT: Final = 60_000  # messages, in all of them
    _AHEAD: Final = 6 * HOUR  # a kept chat is made a little beyond now, so that time passing costs nothing

    def __init__(
        self,
        seed: int,
        *,
        number: Callable[[int], str],
        begins: Callable[[int], int],
        campaigns: CampaignStore,
        merges: bool = False,
    ) -> None:
        self._seed = derive(seed, "chats")
        self._number = number
        self.begins = begins
        self._campaigns = campaigns
        self._merges = merges
        self._kept: OrderedDict[int, Chat] = OrderedDict()
        self._messages = 0

    def _hours_between(self, index: int) -> float | None:
        """Mean busy hours from one conversation of a contact to the next; None if it never writes of itself."""
        if index >= EXTRA:
            return None
        draw = mix(self._seed ^ derive("pace", index))
        if index == LIVELY:
            return 30.0
        if draw % 100 < _SILENT_PERCENT:
            return None
        hot = 40 if (draw >> 10) % _HOT_ONE_IN == 0 else 1
        return max(_BETWEEN[(draw >> 32) % len(_BETWEEN)] / hot, 0.8)

    def merged(self, index: int) -> list[tuple[int, int]]:
        """The merges that a chat is in: whose messages are held, by which chat, too."""
        if not self._merges or index >= EXTRA:
            return []
        return [(one, one + 1) for one in (index - 1, index) if one % _MERGED_ONE_IN == _MERGED_ONE_IN // 2]

    def prefix(self, index: int) -> str:
        """The beginning of the ids of a chat's own messages."""
        return id_prefix(self._number(index))

    def seed(self, index: int) -> int:
        """What a chat's chance follows from."""
        return mix(self._seed ^ derive("chat", index))

    def make(self, index: int) -> Chat:
        """A fresh chat, not kept."""
        merged = next((source for source, copy in self.merged(index) if copy == index), None)
        return Chat(
            index,
            seed=self.seed(index),
            prefix=self.prefix(index),
            begins=self.begins(index),
            hours_between=self._hours_between(index),
            campaigns=self._campaigns,
            merged=None if merged is None else self.make(merged),
        )

    def forget(self, index: int | None) -> None:
        """A campaign changed: make this chat (None: every chat) anew when it is next read."""
        if index is None:
            self._kept.clear()
            self._messages = 0
        else:
            for one in {index, *(copy for _, copy in self.merged(index))}:
                if (chat := self._kept.pop(one, None)) is not None:
                    self._messages -= len(chat.messages)

    def get(self, index: int, now: int) -> Chat:
        """The chat, covering at least `now`."""
        chat = self._kept.get(index)
        if chat is None:
            chat = self._kept[index] = self.make(index)
        else:
            self._kept.move_to_end(index)
        if chat.covered < now:
            before = len(chat.messages)
            chat.extend(now + self._AHEAD)
            self._messages += len(chat.messages) - before
            while self._messages > self._MOST_KEPT and len(self._kept) > 1:
                _, dropped = self._kept.popitem(last=False)
                self._messages -= len(dropped.messages)
        return chat
