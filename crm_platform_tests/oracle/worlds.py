"""Random worlds, small and full of edge cases, from a seed.

What belongs here: making up facts that keep the contract and are as awkward as the contract allows. What does not:
realism (the sandbox has that), expected figures.

Same arguments, same facts, in every process. In every world of some size: messages of one second and one microsecond,
silences of exactly the gap and a microsecond more, messages at local midnight and at the cut, templates between
question and answer, failed replies, thank-yous, bots, marks and assignments anywhere, messages from the future, records
fetched after the cut, chats known until days ago or never read, histories cut off, contacts without a message, contacts
that come, go and come back between complete and incomplete sweeps, lists that are empty or lack most, campaigns of
every status with reports that are missing, inconsistent, empty, changing or without some of their counts; and what
`oddities.py` adds.
"""

from __future__ import annotations

import datetime as dt
import math
import random
from collections.abc import Iterator
from dataclasses import replace
from zoneinfo import ZoneInfo

from crm_platform.settings import Settings
from crm_platform_tests.oracle.facts import (
    Campaign,
    Chat,
    Contact,
    Event,
    Facts,
    Message,
    OperatorEvent,
    Report,
    Sweep,
)
from crm_platform_tests.oracle.oddities import with_oddities

ZONES = ("Africa/Nairobi", "Europe/Berlin", "America/New_York", "Asia/Kathmandu")
# Just after both clock changes of Berlin and New York, a leap day, a new year, an ordinary afternoon.
CUTS = ("2026-03-31T09:30", "2026-11-03T14:00", "2028-03-01T00:00", "2027-01-01T00:00", "2026-07-15T13:37:11.123456")
OFFICE_HOURS = (
    "Mon-Fri 08:00-17:00",
    "none",
    "Mon-Sun 00:00-24:00",
    "Mon-Fri 08:00-12:30 13:15-18:00, Sat 09:00-12:00",
)
AGENTS = ("amina@example.com", "brian@example.com", "chebet@example.com", "agent-7")
ALIASES = {"agent-1": AGENTS[0], "agent-2": AGENTS[1], "agent-3": AGENTS[1]}
BOT = "bot@example.com"
NUMBERS = (
    *("+254712345678", "+254110123456", "+254733000111", "+255754123456", "+4915112345678", "+447911123456"),
    *("+14155552671", "+80012345678", "+999123", "0712345678", "", None),
)
SECOND, MINUTE, HOUR, DAY = (dt.timedelta(seconds=seconds) for seconds in (1, 60, 3600, 86400))
TICK = dt.timedelta.resolution
SKEW = 5 * MINUTE


def random_facts(
    seed: int,
    *,
    contacts: int = 12,
    days: int = 100,
    messages_per_chat: float = 20,
    campaigns: int = 12,
    timezone: str | None = None,
    as_of: dt.datetime | None = None,
) -> Facts:
    """Facts of a made-up tenant; `days` of history, `messages_per_chat` on average with a heavy tail.

    Without `timezone` or `as_of` the seed chooses them. `contacts=0` and `campaigns=0` give an empty world.
    """
    rng = random.Random(f"world {seed}")
    settings = _settings(rng, timezone or rng.choice(ZONES))
    cut = (as_of or dt.datetime.fromisoformat(rng.choice(CUTS)).replace(tzinfo=settings.zone)).astimezone(dt.UTC)
    world = _World(rng, settings, cut, days)
    people, sweeps = world.contacts_and_sweeps(contacts)
    chats, messages, events = world.chats(people, messages_per_chat)
    sold, reports = world.campaigns(campaigns)
    facts = Facts(
        as_of=cut,
        settings=settings,
        contacts=tuple(people),
        sweeps=tuple(sweeps),
        messages=tuple(messages),
        chats=tuple(chats),
        campaigns=tuple(sold),
        reports=tuple(reports),
        operator_events=tuple(events),
        agent_aliases=ALIASES,
    )
    return with_events(with_oddities(facts, seed, staff=(*AGENTS, *ALIASES), bot=BOT), seed)


def with_events(facts: Facts, seed: int) -> Facts:
    """The same world with events about its chats: handoffs and scores on and beside the limits of the definitions.

    Some come twice, late, after the cut, dated ahead of when they came, or of a chat without a message; some worlds
    have none, some scores are none.
    """
    rng = random.Random(f"handoffs and scores {seed}")
    gap = facts.settings.conversation_gap
    beside = (-TICK, 0 * TICK, TICK, SECOND, 10 * MINUTE, 3 * HOUR)
    afar = (*beside, gap - TICK, gap, gap + TICK, 7 * DAY - TICK, 7 * DAY, 7 * DAY + TICK)
    moments = [(one.chat_id, one.timestamp) for one in facts.messages if one.timestamp <= facts.as_of]
    moments += [(one.chat_id, one.at) for one in facts.operator_events if one.kind == "done"]
    moments += [(chat.chat_id, chat.known_until - HOUR) for chat in facts.chats if chat.known_until is not None] * 3
    events: list[Event] = []
    shares = {kind: rng.choice([0, 0.05, 0.3, 0.3]) for kind in ("agent.handoff", "csat.submitted")}
    field = rng.choice([None, "CSAT", "C/S~AT"])
    for kind, share in shares.items():
        for chat_id, moment in moments:
            if rng.random() < share:
                at = moment + rng.choice(beside if rng.random() < 0.6 else afar)
                late = rng.choice([0 * DAY, 0 * DAY, SECOND, 5 * HOUR, -MINUTE, -SKEW, -SKEW - TICK])
                score = rng.choice([None, 1, 2, 3, 4, 4, 5, 5, 5]) if kind == "csat.submitted" else None
                events.append(Event(f"{rng.getrandbits(32):08x}-{len(events)}", chat_id, kind, at, at + late, score))
                if rng.random() < 0.2:  # once more of the same instant
                    again = replace(events[-1], key=f"{rng.getrandbits(32):08x}-{len(events)}")
                    events.append(replace(again, score=score and rng.choice([1, 5])))
    values = ("1", "4", " 5 ", "5.0", "6", "", None, ("4", "4"), ("2", "3"), ("5", "none"))
    return replace(
        facts,
        settings=facts.settings.model_copy(update={"satisfaction_field": field}),
        contacts=tuple(
            replace(one, custom_fields={**one.custom_fields, "CSAT": rng.choice(values), "C/S~AT": rng.choice(values)})
            if rng.random() < 0.7
            else one
            for one in facts.contacts
        ),
        events=tuple(events),
    )


def _settings(rng: random.Random, timezone: str) -> Settings:
    first_holiday = rng.choice([dt.date(2026, 3, 27), dt.date(2026, 10, 30), dt.date(2026, 7, 6)])
    return Settings(
        timezone=timezone,
        conversation_gap_hours=rng.choice([24, 24, 24, 6, 1.5]),
        business_hours=rng.choice(OFFICE_HOURS),
        holidays=(first_holiday, first_holiday + 3 * DAY, dt.date(2026, 12, 25)),
        first_response_target_minutes=rng.choice([15, 15, 60, 0.5]),
        segment_fields=rng.choice([("Segment", "VIP"), ("Segment", "VIP", "Nowhere")]),
        automation_senders=rng.choice([(), (BOT,), (BOT, "agent-7")]),
    )


class _World:
    """What the generators share: one stream of chance, the settings, the cut, the beginning of history."""

    def __init__(self, rng: random.Random, settings: Settings, cut: dt.datetime, days: int) -> None:
        self.rng = rng
        self.settings = settings
        self.cut = cut
        self.beginning = cut - days * DAY
        self.zone: ZoneInfo = settings.zone

    def chance(self, share: float) -> bool:
        return self.rng.random() < share

    def instant(self, start: dt.datetime, end: dt.datetime) -> dt.datetime:
        return start + dt.timedelta(seconds=int(self.rng.random() * max(0.0, (end - start).total_seconds())))

    def any_instant(self) -> dt.datetime:
        """Somewhere in history; at times a local midnight, or the cut itself, or a little after it."""
        place = self.instant(self.beginning, self.cut)
        kind = self.rng.random()
        if kind < 0.1:
            return self.midnight_after(place) + self.rng.choice([-TICK, 0 * TICK, TICK])
        if kind < 0.13:
            return self.cut + self.rng.choice([-TICK, 0 * TICK, TICK, 3 * HOUR])
        return place

    def midnight_after(self, instant: dt.datetime) -> dt.datetime:
        tomorrow = instant.astimezone(self.zone).date() + DAY
        return dt.datetime.combine(tomorrow, dt.time(), self.zone).astimezone(dt.UTC)

    # Contacts and the sweeps that meet them.

    def contacts_and_sweeps(self, count: int) -> tuple[list[Contact], list[Sweep]]:
        sends_created_at = self.rng.choice([1.0, 1.0, 0.0, 0.5])
        stays = {f"chat-{i:05}": self._stays() for i in range(count)}
        # The contact list may have been looked at for as long as there are messages, or only lately.
        looked_since = self.rng.choice([self.beginning, self.cut - 40 * DAY, self.cut - 9 * DAY])
        starts = sorted({self.instant(looked_since, self.cut) for _ in range(10)} | {self.cut - 20 * MINUTE})
        starts.append(self.cut - SECOND)  # this one ends after the cut
        sweeps = []
        for start in starts:
            present = sorted(one for one, spans in stays.items() if any(a <= start < b for a, b in spans))
            is_complete = self.chance(0.8)
            met = present if is_complete else [one for one in present if self.chance(0.5)]
            sweeps.append(Sweep(start, start + 3 * MINUTE, frozenset(met), is_complete))
        sweeps = self._troubled(sweeps)

        people = []
        for chat_id, spans in stays.items():
            met_at = next((sweep.started_at + SECOND for sweep in sweeps if chat_id in sweep.seen), None)
            created_here = spans[0][0] + SECOND if self.chance(0.1) else None
            first_seen_at = min(filter(None, (met_at, created_here)), default=None)
            if first_seen_at is not None:
                created_at = spans[0][0] if self.chance(sends_created_at) else None
                people.append(self._contact(chat_id, first_seen_at, created_at))
        return people, sweeps

    def _troubled(self, sweeps: list[Sweep]) -> list[Sweep]:
        """Some lists are empty, or lack most for a while; some hold what cannot be read; some people accept them."""
        rng = random.Random(self.rng.random())
        troubled: list[Sweep] = []
        hidden: frozenset[str] = frozenset()
        for sweep, after in zip(sweeps, [*sweeps[1:], None], strict=True):
            if rng.random() < 0.4:
                everybody = sorted(sweep.seen)
                hidden = frozenset(rng.sample(everybody, int(len(everybody) * rng.choice([0, 0, 0.3, 0.7, 0.9, 1]))))
            accepted_at = sweep.ended_at + SECOND
            is_free = after is None or accepted_at < after.started_at
            one = replace(
                sweep,
                seen=sweep.seen - hidden,
                rejected=int(rng.random() < 0.1),
                accepted_at=accepted_at if is_free and rng.random() < 0.2 else None,
            )
            troubled.append(one)
            again = one.started_at + rng.choice([30, 60, 61]) * MINUTE  # the same list once more, soon
            if after is not None and again + 4 * MINUTE < after.started_at and rng.random() < 0.3:
                troubled.append(replace(one, started_at=again, ended_at=again + 3 * MINUTE, accepted_at=None))
        return troubled

    def _stays(self) -> list[tuple[dt.datetime, dt.datetime]]:
        for_ever = self.cut + 1000 * DAY
        long_ago = self.beginning - 200 * DAY  # before every message that is kept
        arrived = long_ago if self.chance(0.1) else min(self.any_instant(), self.cut - MINUTE)
        if self.chance(0.6):
            return [(arrived, for_ever)]
        left = self.instant(arrived + MINUTE, self.cut + 5 * DAY)
        if self.chance(0.4):
            return [(arrived, left)]
        return [(arrived, left), (self.instant(left, self.cut + 5 * DAY) + MINUTE, for_ever)]

    def _contact(self, chat_id: str, first_seen_at: dt.datetime, created_at: dt.datetime | None) -> Contact:
        fields: dict[str, str | None] = {}
        if self.chance(0.8):
            # Sixty values in a large world are more than the fifty that are kept.
            fields["Segment"] = self.rng.choice(
                ["Retail", "retail", "Wholesale", "", "Élite", f"S{self.rng.randrange(60)}"]
            )
        if self.chance(0.7):
            fields["VIP"] = self.rng.choice(["yes", "no", None])
        return Contact(chat_id, first_seen_at, created_at, self.rng.choice(NUMBERS), fields)

    # Chats: messages, visits, marks, assignments, deletions.

    def chats(
        self, people: list[Contact], messages_per_chat: float
    ) -> tuple[list[Chat], list[Message], list[OperatorEvent]]:
        chats: list[Chat] = []
        messages: list[Message] = []
        events: list[OperatorEvent] = []
        for contact in people:
            chat_id = contact.chat_id
            visits = self._visits()
            known_until = max((at for at in visits if at <= self.cut), default=None)
            is_whole = self.chance(0.8)
            chats.append(Chat(chat_id, known_until, is_whole))
            times = sorted([*self._times(messages_per_chat), *self._last_hours()]) if self.chance(0.93) else []
            stored = list(self._messages(chat_id, times[0 if is_whole else len(times) // 3 :], visits))
            messages += stored
            events += self._events(chat_id, [message.timestamp for message in stored])
            if self.chance(0.07):
                deleted_at = max(contact.first_seen_at + MINUTE, self.any_instant())
                events.append(OperatorEvent(chat_id, "contact_deleted", deleted_at))
        return chats, messages, events

    def _visits(self) -> list[dt.datetime]:
        """Starts of newest-page requests; most chats were read lately, some days ago, a few never, or after the cut."""
        kind = self.rng.random()
        latest = self.cut if kind < 0.75 else self.cut - self.rng.choice([DAY, 3 * DAY, 12 * DAY])
        visits = [self.instant(self.beginning, latest) for _ in range(self.rng.randrange(5))]
        if kind < 0.75:
            visits.append(self.cut - self.rng.choice([0 * SECOND, TICK, MINUTE, 3 * HOUR]))
        if self.chance(0.15):
            visits.append(self.cut + HOUR)
        return sorted(visits) if kind < 0.97 else []

    def _times(self, messages_per_chat: float) -> Iterator[dt.datetime]:
        # Lognormal with a mean of `messages_per_chat`: most chats are short, a few have hundreds of times the median.
        count = 1 + int(self.rng.lognormvariate(math.log(messages_per_chat) - 0.72, 1.2))
        at = self.any_instant() if count < 3 * messages_per_chat else self.beginning
        pace = min(1.0, (self.cut - at).total_seconds() / (count * 30000)) if at < self.cut else 1.0
        for _ in range(count):
            if at > self.cut + DAY:
                return
            yield at
            at = self._next_time(at, pace)

    def _last_hours(self) -> list[dt.datetime]:
        """Some messages shortly before the cut: who waits now, and whose service window is about to lapse."""
        if self.chance(0.5):
            return []
        lapsing = [self.cut - 24 * HOUR + lead for lead in (0 * TICK, TICK, HOUR, 2 * HOUR, 2 * HOUR + TICK)]
        return [
            self.rng.choice([*lapsing, self.instant(self.cut - 30 * HOUR, self.cut)])
            for _ in range(self.rng.randrange(1, 5))
        ]

    def _next_time(self, at: dt.datetime, pace: float) -> dt.datetime:
        gap = self.settings.conversation_gap
        kind = self.rng.random()
        if kind < 0.08:
            return at
        if kind < 0.11:
            return at + gap
        if kind < 0.13:
            return at + gap + TICK
        if kind < 0.17:
            return max(at, self.midnight_after(at) + self.rng.choice([-TICK, 0 * TICK, SECOND]))
        if kind < 0.45:
            return at + self.rng.random() * MINUTE
        if kind < 0.75:
            return at + int(self.rng.random() * 3600) * SECOND
        if kind < 0.88:
            return at + self.rng.random() * pace * 20 * HOUR
        return at + self.rng.uniform(0.9, 5) * pace * gap

    def _messages(self, chat_id: str, times: list[dt.datetime], visits: list[dt.datetime]) -> Iterator[Message]:
        ids: set[str] = set()
        direction = "inbound"
        for at in times:
            fetched_at = next((visit for visit in visits if visit >= at), None)
            before = max((visit for visit in visits if visit < at), default=None)
            if before is not None and at - before <= SKEW and self.chance(0.5):
                fetched_at = before  # the CRM's clock is a little ahead of ours
            if fetched_at is not None:
                direction = direction if self.chance(0.4) else self.rng.choice(["inbound", "outbound"])
                yield self._message(chat_id, direction, at, fetched_at, ids)
        for visit in visits:
            if self.chance(0.1):
                ahead = self.rng.choice([SKEW, SKEW + TICK, HOUR, 2 * DAY])
                yield self._message(chat_id, "inbound", visit + ahead, visit, ids)

    def _message(
        self, chat_id: str, direction: str, at: dt.datetime, fetched_at: dt.datetime, ids: set[str]
    ) -> Message:
        prefix = self.rng.choice(["wamid.", "WAMID.", "wämid."])
        message_id = f"{prefix}{self.rng.getrandbits(32):08x}"
        while message_id in ids:
            message_id += "0"
        ids.add(message_id)
        if direction == "inbound":
            kind = self.rng.choice(["text", "image", None])
            return Message(chat_id, message_id, direction, at, fetched_at, kind, "received")
        return Message(
            chat_id=chat_id,
            message_id=message_id,
            direction=direction,
            timestamp=at,
            first_fetched_at=fetched_at,
            type=self.rng.choice(["text", "text", "text", "template", "document", None]),
            status=self.rng.choice(["sent", "delivered", "read", "read", "failed", None]),
            sender=self.rng.choice([None, None, *AGENTS, *ALIASES, BOT]),
        )

    def _events(self, chat_id: str, times: list[dt.datetime]) -> Iterator[OperatorEvent]:
        gap = self.settings.conversation_gap
        taken: set[dt.datetime] = set()
        for _ in range(self.rng.randrange(1 + min(8, len(times)))):
            later = self.rng.choice([0 * SECOND, TICK, 40 * MINUTE, gap - TICK, gap, 2 * gap, -MINUTE])
            at = (self.rng.choice(times) if self.chance(0.9) else self.any_instant()) + later
            if at not in taken:
                taken.add(at)
                kind = self.rng.choice(["assigned", "assigned", "done", "done", "done"])
                agents = [*AGENTS, *ALIASES] if kind == "assigned" else [None, None, *AGENTS, *ALIASES]
                yield OperatorEvent(chat_id, kind, at, self.rng.choice(agents))

    # Campaigns and their reports.

    def campaigns(self, count: int) -> tuple[list[Campaign], list[Report]]:
        campaigns: list[Campaign] = []
        reports: list[Report] = []
        rush_hour = self.instant(self.cut - 25 * DAY, self.cut - 5 * DAY)
        for i in range(count):
            created_at = rush_hour if self.chance(0.3) else self.any_instant()
            campaign = self._campaign(f"campaign-{i:03}", created_at)
            campaigns.append(campaign)
            if self.chance(0.85):
                reports += self._reports(campaign)
        return campaigns, reports

    def _campaign(self, campaign_id: str, created_at: dt.datetime) -> Campaign:
        path = [
            "draft",
            "scheduled",
            self.rng.choice(["active", "in_progress"]),
            self.rng.choice(["completed", "failed"]),
        ]
        path = path[self.rng.choice([0, 1, 2, 3, 3, 3]) :]
        first_seen_at = created_at + self.rng.choice([0 * SECOND, HOUR, 10 * DAY])
        changes, at = [], first_seen_at
        for status in path[1 : 1 + self.rng.randrange(len(path))]:
            at += self.rng.choice([20 * MINUTE, 5 * HOUR, 4 * DAY])
            changes.append((at, status))
        return Campaign(
            campaign_id=campaign_id,
            first_seen_at=first_seen_at,
            first_status=path[0],
            name=self.rng.choice([None, f"Offer {campaign_id}"]),
            created_at=created_at if self.chance(0.8) else None,
            scheduled_at=created_at + self.rng.choice([0 * SECOND, 30 * HOUR]) if self.chance(0.4) else None,
            total_recipients=self.rng.choice([None, 0, 50, 3000]),
            changes=tuple(changes),
        )

    def _reports(self, campaign: Campaign) -> Iterator[Report]:
        at = campaign.first_seen_at
        for _ in range(self.rng.randrange(1, 4)):
            total = self.rng.choice([0, 1, 7, 400, 2500])
            delivered = int(total * self.rng.choice([0.0, 0.9, self.rng.random(), 1.0]))
            read = int(delivered * self.rng.random())
            replied = int(delivered * self.rng.random() * 0.3)
            failed = int((total - delivered) * self.rng.choice([0.0, 0.5, 1.0]))
            if self.chance(0.15):
                failed += self.rng.choice([1, 5])
                read, replied = read + self.rng.choice([0, 40]), replied + self.rng.choice([-1, 0, 90])
            yield Report(
                campaign_id=campaign.campaign_id,
                first_seen_at=at,
                total_recipients=total if self.chance(0.9) else None,
                delivered=delivered if self.chance(0.95) else None,
                read=read if self.chance(0.85) else None,
                replied=replied if self.chance(0.85) else None,
                failed=failed if self.chance(0.95) else None,
                delivery_rate=self._rate_text(delivered, total),
                read_rate=self._rate_text(read, delivered),
                reply_rate=self._rate_text(replied, delivered),
            )
            at += self.rng.choice([HOUR, 2 * DAY])

    def _rate_text(self, part: int, whole: int) -> str | None:
        if whole == 0 or self.chance(0.3):
            return self.rng.choice([None, "0%"])
        percent = 100 * part / whole + self.rng.choice([0, 0, 0, 0.4, 3])
        return f"{percent:.{self.rng.randrange(3)}f}{self.rng.choice(['%', '%', ' %', ''])}"
