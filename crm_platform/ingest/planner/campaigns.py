"""Campaigns that went out, and the answers that they let expect in chats not visited since.

What belongs here: when each was sent, to which share of which chats, and a chat's chance of a copy. What does not: what
copies that were seen let expect (an echo like others: echoes.py).
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

import numpy as np

from crm_platform.ingest.planner.chats import TrackedChats
from crm_platform.ingest.planner.clock import WeekClock
from crm_platform.ingest.planner.echoes import COPY, ECHO_HOURS
from crm_platform.ingest.planner.units import MOMENT, Floats, Rows

CAMPAIGN_MEMORY_HOURS: Final = 24.0 * 60
"""A chat unvisited for longer has more to say than an answer to a campaign."""


@dataclass(frozen=True, slots=True)
class SentCampaign:
    """Sent at `at` (hours since 1970) to a `share` of the chats in `rows` (None: of all)."""

    at: float
    share: float
    rows: Rows | None


class SentCampaigns:
    """The campaigns of the last sixty days, the oldest first."""

    def __init__(self, clock: WeekClock, chats: TrackedChats) -> None:
        self._clock = clock
        self._chats = chats
        self.sent: list[SentCampaign] = []

    def add(self, t: float, *, recipients: int, chat_ids: Iterable[str] | None) -> None:
        """Note a campaign to `recipients` of these chats (None: of all present)."""
        chats = self._chats
        rows = None
        candidates = chats.present
        if chat_ids is not None:
            known = (chats.row_of.get(chat_id) for chat_id in chat_ids)
            rows = np.array(sorted({row for row in known if row is not None}), dtype=np.intp)
            candidates = len(rows)
        if recipients <= 0 or candidates == 0:
            return
        share = min(1.0, recipients / candidates)
        # A chat visited since has shown its copy already, or shown that it got none.
        late = chats.is_visited[: len(chats)] & (chats.visited_at[: len(chats)] >= t)
        if rows is not None:
            chats.copies_expected[rows[late[rows]]] += share
        else:
            chats.copies_expected[: len(chats)][late] += share
        kept = [one for one in self.sent if one.at > t - CAMPAIGN_MEMORY_HOURS]
        while any(one.at == t for one in kept):
            # Its time is its name in the saved state. Where a moment is lost in it, far from 1970, take the next float.
            t = max(t + MOMENT, math.nextafter(t, math.inf))
        self.sent = sorted([*kept, SentCampaign(t, share, rows)], key=lambda one: one.at)

    def visited(self, row: int, *, since: float, t: float) -> None:
        """A visit at `t`, after one at `since`, has shown whether the chat got the copies sent between."""
        for one in self.sent:
            if since < one.at <= t and (one.rows is None or row in one.rows):
                self._chats.copies_expected[row] += one.share

    def any_after(self, moment: float) -> bool:
        """Whether any was sent after a moment."""
        return bool(self.sent) and self.sent[-1].at > moment

    def answers(self, rows: Rows, moment: float, *, weight: float) -> Floats:
        """Answers expected by `moment` to the campaigns sent since the last visit; `weight`: answers a copy.

        The chance of a copy is the campaign's share, times how often this chat got what it could have got so far.
        """
        chats = self._chats
        visited_at = chats.visited_at[rows]
        exposed = np.zeros(len(rows))
        sent = [one for one in self.sent if one.at < moment]
        if not sent:
            return exposed
        times = np.array([one.at for one in sent])
        faded = np.exp((self._clock.at(moment) - self._clock.at_many(times)) / -ECHO_HOURS[COPY])
        copies = np.array([one.share for one in sent]) * (1 - faded)
        to_all = np.array([one.rows is None for one in sent])
        if to_all.any():
            # Sums from each campaign to the newest, looked up by the last visit.
            later = np.append(np.cumsum(copies[to_all][::-1])[::-1], 0.0)
            exposed += later[np.searchsorted(times[to_all], visited_at, side="right")]
        for one, copy in zip(sent, copies.tolist(), strict=True):
            if one.rows is not None:
                exposed += np.where(np.isin(rows, one.rows) & (visited_at < one.at), copy, 0.0)
        exposed *= (chats.copies_seen[rows] + 1) / (chats.copies_expected[rows] + 1)
        exposed *= weight
        return exposed
