"""A CRM's chats over 90 days: who writes when.

Deliberately not the planner's model: no message makes another more likely by a decaying echo. Chats have a heavy-tailed
appetite and fall silent and wake up for days at a time; conversations are dialogues with human delays (an agent sleeps,
a contact answers after lunch, says thank you); newcomers come with a question; campaigns go to a part of the contacts
and a few of them answer.

Times are hours since the start of the measured time, which is a Monday 00:00 local; history has negative times.
"""

from __future__ import annotations

import bisect
import datetime as dt
import functools
import random
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from crm_platform.ingest.planner import SeenMessage

START = dt.datetime(2026, 3, 1, 21, tzinfo=dt.UTC)  # Monday 2026-03-02 00:00 in Nairobi
HISTORY_DAYS = 60

# Local hours of a weekday; Saturday is shorter, Sunday quiet.
WEEKDAY = [2.5, 1.2, 0.6, 0.4, 0.5, 1, 3, 6, 11, 14, 15, 14, 12, 12, 13, 14, 14, 13, 13, 14, 14, 12, 8, 5]
WEEK = np.array(WEEKDAY * 5 + [0.6 * one for one in WEEKDAY] + [0.25 * one for one in WEEKDAY])
MESSAGES_PER_CONVERSATION = 6.5  # roughly, for `World.rates`
OPENS, CLOSES = 8.0, 20.0  # when agents answer, Monday to Saturday


@dataclass(frozen=True, slots=True)
class Shape:
    """What can be turned about a world."""

    contacts: int = 8_500
    growth_per_day: float = 0.0075
    conversations_per_chat_day: float = 0.02
    appetite_sigma: float = 1.5
    awake_days: float = 8.0
    asleep_days: float = 30.0
    awake_factor: float = 14.0  # how much more an awake chat talks than a sleeping one
    newcomer_asks: float = 0.9
    campaigns_per_week: float = 2.5
    campaign_reach: float = 0.2
    campaign_answers: float = 0.07


@dataclass(frozen=True, slots=True)
class Campaign:
    """One sending: when, and to which chats."""

    sent_at: float
    chats: npt.NDArray[np.intp]


@dataclass(frozen=True)
class World:
    """Messages sorted by chat and time: chat i owns rows first[i] to first[i + 1]."""

    days: int
    joined: npt.NDArray[np.float64]
    first: npt.NDArray[np.intp]
    times: npt.NDArray[np.float64]
    inbound: npt.NDArray[np.bool_]
    template: npt.NDArray[np.bool_]
    campaigns: list[Campaign]
    rates: npt.NDArray[np.float64]  # each chat's own long-run messages an hour, for the crawler that knows the truth

    def at(self, hours: float) -> dt.datetime:
        return START + dt.timedelta(hours=hours)

    @functools.cached_property
    def talk(self) -> npt.NDArray[np.bool_]:
        """The messages that are measured: dated in the measured time, not templates."""
        return ~self.template & (self.times >= 0) & (self.times < self.days * 24)

    def seen(self, begin: int, end: int) -> list[SeenMessage]:
        """Messages begin to end as the planner is shown them."""
        return [
            SeenMessage(self.at(when), "inbound" if inbound else "outbound", template)
            for when, inbound, template in zip(
                self.times[begin:end].tolist(),
                self.inbound[begin:end].tolist(),
                self.template[begin:end].tolist(),
                strict=True,
            )
        ]


@dataclass(slots=True)
class _Writer:
    """Dialogues, message by message."""

    dice: random.Random
    until: float
    rows: list[tuple[int, float, bool, bool]] = field(default_factory=list)

    def _opens(self, hours: float) -> float:
        """The next moment at which agents work."""
        day, hour = divmod(hours, 24)
        if hour >= CLOSES:
            day, hour = day + 1, OPENS
        hour = max(hour, OPENS)
        if day % 7 == 6:
            day, hour = day + 1, OPENS
        return day * 24 + hour

    def _say(self, chat: int, at: float, *, inbound: bool, more: float) -> float:
        """One side writes one or more messages; returns when it stopped."""
        self.rows.append((chat, at, inbound, False))
        while self.dice.random() < more:
            at += self.dice.lognormvariate(-4.4, 0.8)  # 45 seconds
            self.rows.append((chat, at, inbound, False))
        return at

    def dialogue(self, chat: int, at: float, *, by_contact: bool = True) -> None:
        """A conversation begins at `at`: question, answer, question …, thanks; sometimes it goes on the next day."""
        dice = self.dice
        while True:
            if by_contact:
                at = self._say(chat, at, inbound=True, more=0.35)
                if dice.random() < 0.07:
                    return  # never answered
                ready = self._opens(at)
                # Who wrote at night is answered in the morning, after the others who did.
                at = ready + (dice.lognormvariate(-1.6, 1.2) if ready == at else dice.expovariate(1 / 1.2))
            at = self._say(chat, at, inbound=False, more=0.3)
            by_contact = True
            step = dice.random()
            if step < 0.55:
                at += dice.lognormvariate(-2.2, 1.3)  # 7 minutes
            elif step < 0.62:
                at += 14 + dice.expovariate(1 / 10)  # sleeps over it
            else:
                if step < 0.8:
                    self._say(chat, at + dice.lognormvariate(-1.8, 1.0), inbound=True, more=0.05)  # asante
                return
            if at > self.until:
                return


def build(seed: int, *, days: int = 30, shape: Shape | None = None) -> World:
    """Make the world of a seed: 60 days of history and `days` to be measured."""
    shape = shape or Shape()
    numbers, dice = np.random.default_rng(seed), random.Random(seed)
    begin, end = -HISTORY_DAYS * 24, days * 24

    # The week's rhythm, as a clock that can be read backwards.
    edges = np.arange(begin, end + 1, dtype=np.float64)
    pace = np.tile(WEEK / WEEK.mean(), (end - begin) // 168 + 2)[begin % 168 :][: end - begin]
    clock = np.concatenate(([0.0], np.cumsum(pace)))

    # Contacts: those of the beginning, and newcomers at a steady growth.
    old = round(shape.contacts / (1 + shape.growth_per_day) ** HISTORY_DAYS)
    total = round(shape.contacts * (1 + shape.growth_per_day) ** days)
    growth = np.log(np.arange(old, total) / old) / np.log(1 + shape.growth_per_day) * 24 + begin
    shifted = np.floor(growth / 24) * 24  # the day is the growth's, the hour the rhythm's
    hour = numbers.choice(24, size=growth.size, p=np.array(WEEKDAY) / sum(WEEKDAY)) + numbers.random(growth.size)
    joined = np.concatenate((np.full(old, -np.inf), np.sort(shifted + hour)))

    appetite = numbers.lognormal(-(shape.appetite_sigma**2) / 2, shape.appetite_sigma, total)
    awake_share = shape.awake_days / (shape.awake_days + shape.asleep_days)
    asleep_rate = 1 / (awake_share * shape.awake_factor + 1 - awake_share)
    writer = _Writer(dice, float(end))
    for chat in range(total):
        rate = appetite[chat] * shape.conversations_per_chat_day / 24
        came = joined[chat]
        at = 0.0 if np.isinf(came) else float(np.interp(came, edges, clock))
        awake = True if not np.isinf(came) else dice.random() < awake_share
        if not np.isinf(came) and dice.random() < shape.newcomer_asks:
            writer.dialogue(chat, came + dice.expovariate(20))
        while at < clock[-1]:
            spell = dice.expovariate(1 / (24 * (shape.awake_days if awake else shape.asleep_days)))
            pace_now = rate * asleep_rate * (shape.awake_factor if awake else 1.0)
            moment = at + dice.expovariate(pace_now)
            while moment < min(at + spell, clock[-1]):
                writer.dialogue(chat, float(np.interp(moment, clock, edges)), by_contact=dice.random() < 0.85)
                moment += dice.expovariate(pace_now)
            at, awake = at + spell, not awake

    campaigns = []
    loyal = numbers.random(total) < 0.6  # most campaigns go to the same part of the contacts
    for day in range(-HISTORY_DAYS, days):
        if day % 7 > 4 or dice.random() >= shape.campaigns_per_week / 5:
            continue
        sent_at = day * 24 + dice.choice([9.0, 10.0, 14.0, 16.0]) + dice.random() / 2
        there = joined < sent_at
        wanted = there & (loyal if dice.random() < 0.7 else ~loyal)
        reached = np.flatnonzero(wanted & (numbers.random(total) < shape.campaign_reach * 2 * dice.random()))
        campaigns.append(Campaign(sent_at, reached))
        for chat in reached.tolist():
            copy_at = sent_at + dice.random() * 0.5
            writer.rows.append((chat, copy_at, False, True))
            if dice.random() < shape.campaign_answers * min(2.5, 0.5 + appetite[chat] / 2):
                writer.dialogue(chat, copy_at + dice.lognormvariate(0.4, 1.5))

    rows = [row for row in writer.rows if begin <= row[1] < end]
    rows.sort()
    chat_of = np.array([row[0] for row in rows], dtype=np.intp)
    return World(
        days=days,
        joined=joined,
        first=np.searchsorted(chat_of, np.arange(total + 1)),
        times=np.array([row[1] for row in rows]),
        inbound=np.array([row[2] for row in rows], dtype=bool),
        template=np.array([row[3] for row in rows], dtype=bool),
        campaigns=campaigns,
        rates=appetite * shape.conversations_per_chat_day / 24 * MESSAGES_PER_CONVERSATION,
    )


def newest_before(world: World, chat: int, hours: float) -> tuple[int, int]:
    """First message of the chat, and the first that is later than `hours`."""
    begin, end = int(world.first[chat]), int(world.first[chat + 1])
    return begin, bisect.bisect_right(world.times, hours, begin, end)
