"""Random histories: a warehouse that goes on from build to build, in every way that a crawl, a clock and people have.

What belongs here: what happens between two builds. What does not: expected figures.
"""

from __future__ import annotations

import datetime as dt
import random

from crm_platform.schemas import ops, raw
from crm_platform_tests.models.worlds import Row, World, provenance

SECOND, MINUTE, HOUR, DAY = (dt.timedelta(seconds=seconds) for seconds in (1, 60, 3600, 86400))
TICK = dt.timedelta.resolution
AGENTS = ("amina@example.com", "brian@example.com", "agent-7")


class History:
    """A world at `now`; every `go_on` is a time with things that happen in it. Same seed, same history."""

    def __init__(self, world: World, *, seed: int, chats: int, now: dt.datetime) -> None:
        self.world, self.now = world, now
        self._rng = random.Random(f"history {seed}")
        self._messages = 0
        self._began = now
        for number in range(chats):
            self._arrive(f"chat-{number:03}")
        self._sweep()
        for number in range(3):
            world.campaign(f"campaign-{number}", [(now - 9 * DAY, "active")], total_recipients=100)

    def go_on(self) -> None:
        """Let minutes pass, or a silence that ends conversations, or the time to midnight; then let things happen."""
        rng = self._rng
        before = self.now
        step = rng.choice([15 * MINUTE, 15 * MINUTE, 2 * HOUR, 25 * HOUR])
        midnight = dt.datetime.combine(
            before.astimezone(self.world.settings.zone).date() + DAY, dt.time(), self.world.settings.zone
        ).astimezone(dt.UTC)
        self.now = midnight + rng.choice([-TICK, TICK, HOUR]) if rng.random() < 0.15 else before + step
        for chat_id in self._some(self._chats(), 0.2):
            self._visit(chat_id, since=before)
        happenings = (
            self._new_contact,
            self._older_history,
            self._out_of_order_commit,
            self._status_came_late,
            self._operator_event,
            self._operator_event,
            self._webhooks,
            self._quarantined,
            self._campaign_goes_on,
            self._sweep,
            self._read_without_news,
            self._dated_ahead,
            self._merged,
        )
        for happen in self._some(happenings, 0.3):
            happen()

    def erase(self) -> None:
        """Take a chat away with all that is stored of it."""
        chat_id = self._rng.choice(self._chats())
        for table, rows in self.world.rows.items():
            if "chat_id" in table.columns:
                rows[:] = [row for row in rows if row["chat_id"] != chat_id]
            elif table is ops.Quarantine:
                rows[:] = [row for row in rows if row["target"] != chat_id]

    def _some(self, things, share):  # type: ignore[no-untyped-def]
        return [thing for thing in things if self._rng.random() < share]

    def _chats(self) -> list[str]:
        return [str(row["chat_id"]) for row in self.world.rows[ops.CrawlState]]

    def _rows(self, table, chat_id: str) -> list[Row]:  # type: ignore[no-untyped-def]
        return [row for row in self.world.rows.get(table, []) if row["chat_id"] == chat_id]

    def _instant(self, start: dt.datetime, end: dt.datetime) -> dt.datetime:
        """Somewhere between, often on a whole minute, so that messages share an instant."""
        place = start + (end - start) * self._rng.random()
        return place.replace(second=0, microsecond=0) if self._rng.random() < 0.3 else place

    def _arrive(self, chat_id: str) -> None:
        rng = self._rng
        if rng.random() < 0.9:
            self.world.contact(
                chat_id,
                self.now - MINUTE,
                region=rng.choice(["KE", "UG", None]),
                custom_fields='{"Segment": "' + rng.choice(["A", "B", ""]) + '"}',
                created_at=self.now - 40 * DAY * rng.random() if rng.random() < 0.7 else None,
            )
        self.world.chat(
            chat_id, known_until=self.now - SECOND, is_whole=rng.random() < 0.7, reported_total=rng.randrange(30)
        )
        for _ in range(rng.randrange(12)):
            self._message(chat_id, self._instant(self.now - 60 * DAY, self.now - HOUR), self.now - SECOND)

    def _message(self, chat_id: str, at: dt.datetime, fetched_at: dt.datetime, **values: object) -> None:
        rng = self._rng
        self._messages += 1
        is_inbound = rng.random() < 0.5
        self.world.message(
            chat_id,
            f"m{rng.getrandbits(24):06x}-{self._messages}",
            at,
            "inbound" if is_inbound else "outbound",
            **{
                "type": "text" if is_inbound else rng.choice(["text", "text", "template"]),
                "status": "received" if is_inbound else rng.choice(["sent", "delivered", "failed"]),
                "sender": None if is_inbound else rng.choice([*AGENTS, "bot", None]),
                "extra": '{"agent_id": "agent-8"}' if rng.random() < 0.05 else None,
                **provenance(fetched_at),
                **values,
            },
        )

    def _visit(self, chat_id: str, *, since: dt.datetime) -> None:
        """A request now or a moment ago: new messages, some of them late, and the chat is known until then."""
        at = self._instant(self.now - MINUTE, self.now)
        for _ in range(self._rng.randrange(4)):
            late = self._rng.choice([0 * DAY, 0 * DAY, HOUR, DAY, 30 * HOUR])
            self._message(chat_id, self._instant(since - late, at), at)
        (state,) = self._rows(ops.CrawlState, chat_id)
        state["known_until"] = at
        state["reported_total"] = len(self._rows(raw.Messages, chat_id))
        state["is_history_whole"] = state["is_history_whole"] or self._rng.random() < 0.2
        self.world.fetch("list_messages", chat_id, at, total=state["reported_total"])

    def _read_without_news(self) -> None:
        """Known until later, and nothing else: that alone ends conversations and makes waits missed."""
        for chat_id in self._some(self._chats(), 0.1):
            (state,) = self._rows(ops.CrawlState, chat_id)
            state["known_until"] = self.now

    def _new_contact(self) -> None:
        self._arrive(f"chat-{len(self._chats()):03}-{self._messages}")

    def _older_history(self) -> None:
        """Messages from before the oldest one, now and then from before the calendar began."""
        chat_id = self._rng.choice(self._chats())
        back = self._rng.choice([70, 80, 150]) * DAY
        for _ in range(self._rng.randrange(1, 4)):
            self._message(chat_id, self._instant(self._began - back, self._began - back + 3 * DAY), self.now)

    def _out_of_order_commit(self) -> None:
        """A request of long before this build's predecessor, whose rows are committed only now."""
        chat_id = self._rng.choice(self._chats())
        at = self.now - self._rng.choice([20 * MINUTE, 3 * HOUR, 2 * DAY])
        self._message(chat_id, self._instant(at - DAY, at), at)

    def _status_came_late(self) -> None:
        """A delivery status moves on; where an older request brought it, no time of a row tells."""
        for row in self._some(self.world.rows.get(raw.Messages, []), 0.03):
            if row["direction"] == "outbound":
                row["status"] = "failed" if row["status"] == "read" else "read"
                row["fetched_at"] = self._rng.choice([row["fetched_at"], self.now])

    def _dated_ahead(self) -> None:
        """Dated minutes after the build, which only time lets count; or far ahead, which never counts."""
        chat_id = self._rng.choice(self._chats())
        self._message(chat_id, self.now + 4 * MINUTE, self.now)
        self._message(chat_id, self.now + 4 * DAY, self.now, is_future_dated=True)

    def _merged(self) -> None:
        """A message turns out to stand in another chat, too, and is kept in either; or is kept where it is again."""
        row, other = self._rng.choice(self.world.rows[raw.Messages]), self._rng.choice(self._chats())
        if row.get("duplicate_of"):
            row["duplicate_of"] = None
        elif all(one["message_id"] != row["message_id"] for one in self._rows(raw.Messages, other)):
            copy = row | provenance(self.now) | {"chat_id": other}
            self.world.rows[raw.Messages].append(copy)
            kept, one = self._rng.sample([row, copy], 2)
            one["duplicate_of"] = kept["chat_id"]

    def _operator_event(self) -> None:
        """An event, at times told late; a deletion now and then."""
        kind = self._rng.choice(["done", "done", "assigned", "assigned", "contact_deleted"])
        at = self.now - self._rng.choice([0 * DAY, MINUTE, 5 * HOUR, 3 * DAY])
        self.world.event(kind, self._rng.choice(self._chats()), at, self._rng.choice(AGENTS))

    def _webhooks(self) -> None:
        """Events of some messages of ours, by id or by time alone, at times told late; one of an unknown chat."""
        sent = [row for row in self.world.rows[raw.Messages] if row["direction"] == "outbound"]
        for row in self._some(sent, 0.03):
            at = row["timestamp"] + self._rng.choice([-3, -1, 0, 0, 1, 2]) * SECOND  # type: ignore[operator]
            named = self._rng.choice([{"message_id": row["message_id"]}, {"message_id": "wamid"}, {}])
            agent = self._rng.choice([*AGENTS, "agent-8", None])
            received_at = self._rng.choice([self.now, self.now + HOUR])
            self.world.webhook("message.sent", row["chat_id"], at, agent, received_at=received_at, **named)  # type: ignore[arg-type]
        kind = self._rng.choice(["chat.assigned", "chat.resolved", "agent.handoff"])
        self.world.webhook(kind, self._rng.choice(self._chats()), self.now - MINUTE, self._rng.choice(AGENTS))
        self.world.webhook("message.sent", None, self.now, "agent-8")
        for row in self._some(self.world.rows[raw.Messages], 0.1):
            told = self._rng.choice(["agent.handoff", "csat.submitted"])
            at = row["timestamp"] + self._rng.choice([0, 1, 5 * 3600, 7 * 86400]) * SECOND  # type: ignore[operator]
            received_at = max(at, self._rng.choice([self.now, self.now + HOUR]))
            score = self._rng.choice([None, 1, 4, 5])
            self.world.webhook(told, str(row["chat_id"]), at, received_at=received_at, score=score)

    def _quarantined(self) -> None:
        self.world.add(
            ops.Quarantine,
            record_key=f"record-{self._messages}-{len(self.world.rows.get(ops.Quarantine, []))}",
            operation="list_messages",
            target=self._rng.choice(self._chats()),
            reason="no timestamp",
            raw="{}",
            first_fetched_at=self.now,
            fetched_at=self.now,
            fetch_id=1,
        )

    def _campaign_goes_on(self) -> None:
        number = self._rng.randrange(3)
        figures = {name: self._rng.randrange(100) for name in ("delivered", "read", "replied", "failed")}
        self.world.report(f"campaign-{number}", self.now, total_recipients=100, **figures)
        self.world.add(
            raw.CampaignStatuses,
            campaign_id=f"campaign-{number}",
            observed_at=self.now,
            status=self._rng.choice(["completed", "in_progress"]),
            is_change=True,
            fetch_id=1,
        )

    def _sweep(self) -> None:
        contacts = [str(row["chat_id"]) for row in self.world.rows.get(raw.Contacts, [])]
        self.world.sweep(self.now - 10 * MINUTE, self._some(contacts, 0.9), is_complete=self._rng.random() < 0.8)
