"""Who an identifier is, what readers call them, whose a piece of work is.

What belongs here: the ground rules about staff, and credit. What does not: figures by agent (`operations.py`,
`support.py`).
"""

from __future__ import annotations

import datetime as dt
import unicodedata
from collections import defaultdict
from collections.abc import Iterator

from crm_platform_tests.oracle.facts import Facts, Message, OperatorEvent
from crm_platform_tests.oracle.messages import is_inbound, is_template, known_messages

UNASSIGNED = "(unassigned)"
NO_TEAM = "(no team)"


def normalised(identifier: str | None) -> str | None:
    """NFKC, trimmed, case-folded; None when nothing is left."""
    return unicodedata.normalize("NFKC", identifier or "").strip().casefold() or None


def known_events(facts: Facts) -> list[OperatorEvent]:
    """What staff did by the cut, oldest first, but for contacts that are left out."""
    events = [one for one in facts.operator_events if one.at <= facts.as_of and one.chat_id not in facts.excluded]
    return sorted(events, key=lambda one: one.at)


class Staff:
    """The people behind the identifiers; an agent is always given by the clear name, nobody by None."""

    def __init__(self, facts: Facts) -> None:
        self._aliases = {normalised(alias): normalised(agent) for alias, agent in facts.agent_aliases.items()}
        self._bots = {self._person(one) for one in facts.settings.automation_senders}
        # Lines of the file are compared as all staff identifiers are.
        self._teams = {self._person(agent): team for agent, team in facts.agent_teams.items()}
        self._names = self._newest_spellings(facts)
        self._assignments: defaultdict[str, list[tuple[dt.datetime, str]]] = defaultdict(list)
        for event in known_events(facts):
            agent = self.agent(event.agent)
            if event.kind == "assigned" and agent is not None:
                self._assignments[event.chat_id].append((event.at, agent))

    def _person(self, identifier: str | None) -> str | None:
        """The normalised identifier that stands for the person; one without an alias stands for itself."""
        key = normalised(identifier)
        return self._aliases.get(key, key)

    def _newest_spellings(self, facts: Facts) -> dict[str, str]:
        """By normalised identifier how it was spelt last, trimmed; in one instant the greatest bytewise.

        Every outbound message and event that the cut knows of tells, whether it counts or not: a name is no figure.
        """
        spelt = [(m.timestamp, m.sender) for m in known_messages(facts) if not is_inbound(m)]
        spelt += [(event.at, event.agent) for event in facts.operator_events if event.at <= facts.as_of]
        names: dict[str, str] = {}
        for _, spelling in sorted((at, text.strip().encode()) for at, text in spelt if text is not None):
            key = normalised(spelling.decode())
            if key is not None:
                names[key] = spelling.decode()
        return names

    def agent(self, identifier: str | None) -> str | None:
        """The clear name: the newest spelling of what stands for the person, which stands for itself if never spelt."""
        person = self._person(identifier)
        return None if person is None else self._names.get(person, person)

    def is_bot(self, identifier: str | None) -> bool:
        person = self._person(identifier)
        return person is not None and person in self._bots

    def is_reply(self, message: Message) -> bool:
        """Outbound, no template, not failed, and not a bot's."""
        return (
            message.direction == "outbound"
            and not is_template(message)
            and message.status != "failed"
            and not self.is_bot(message.sender)
        )

    def assignee(self, chat_id: str, at: dt.datetime) -> str | None:
        """Whom the chat was last given to by then."""
        assignees = [agent for since, agent in self._assignments[chat_id] if since <= at]
        return assignees[-1] if assignees else None

    def credit(self, identifier: str | None, chat_id: str, at: dt.datetime) -> str | None:
        """Who did it, where that is known, else the chat's assignee at the time."""
        return self.agent(identifier) or self.assignee(chat_id, at)

    def credit_of_reply(self, reply: Message) -> str | None:
        return self.credit(reply.sender, reply.chat_id, reply.timestamp)

    def team(self, agent: str | None) -> str:
        return NO_TEAM if agent is None else self._teams.get(self._person(agent), NO_TEAM)

    def assignments(self) -> Iterator[tuple[dt.datetime, str]]:
        """When somebody was given a chat, and who."""
        for events in self._assignments.values():
            yield from events
