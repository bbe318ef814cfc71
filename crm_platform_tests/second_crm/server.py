"""A CRM on the standard library's HTTP server, to the letter of the contract, dirty on purpose.

What belongs here: made-up people, chats and campaigns, the 16 operations over them, odd shapes, faults, limits, and a
memory of everything that was really delivered. What does not: any import of the platform.

`Crm(Options(...))` is the tenant, `Server(crm)` serves it from threads of this process; `python -m
crm_platform_tests.second_crm.server --port 9400` serves it from a process of its own.
"""

from __future__ import annotations

import argparse
import base64
import datetime as dt
import json
import random
import re
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self
from urllib.parse import parse_qs, unquote, urlsplit

KEY = "a-strangers-key-0123456789"
SECRET_TEXT = "TOPSECRETTEXT"
SECRET_NAME = "Zebrawitz"
SECRET_DOMAIN = "private-mail.example"

HOUR = dt.timedelta(hours=1)

Json = dict[str, Any]
BROKEN_FIELDS = 1  # of the custom fields
RANK = {None: 0, "received": 1, "sent": 1, "delivered": 2, "read": 3, "failed": 4}
METRICS = ("total_recipients", "delivered", "read", "replied", "failed")
FAULTS = (
    "429 with Retry-After",
    "429",
    "500",
    "503 html",
    "truncated",
    "cut off",
    "no answer",
    "false error.message",
    "false message",
    "false developer_message",
    "false title",
    "false data",
)
STAMPS = ("z", "offset", "naive", "epoch", "ms", "space", "z", "z", "epoch text")
AGENTS = ("amina@desk.example", "otieno@desk.example")
AGENT_IDS = {"agent-77": "amina@desk.example"}
REGIONS = ("+2547{:08}", "+2547{:08}", "+2547{:08}", "+25578{:07}", "+4479111{:05}", "+1202555{:04}")


def webhook(name: str, at: dt.datetime, properties: Json, *, number: str | None = None) -> Json:
    told = {key: value for key, value in properties.items() if value is not None}
    event: Json = {"event": name, "timestamp": at.isoformat(), "properties": told, "context": {"channel": "whatsapp"}}
    return event if number is None else {**event, "userId": number}


def utc_now() -> dt.datetime:
    return dt.datetime.now(dt.UTC)


@dataclass(slots=True)
class Options:
    seed: int = 1
    contacts: int = 150
    campaigns: int = 115
    days: int = 70
    biggest_chat: int = 1500
    fault_rate: float = 0.05
    is_contrary: bool = False  # totals of one page, `sort` ignored, local time labelled UTC
    has_events: bool = False  # webhooks name who wrote, the API does not
    is_live: bool = False  # messages arrive and contacts come and go every few requests
    created: str = "mixed"  # whether contacts tell when they were created: mixed, all, none
    campaign_page: int = 50  # most campaigns a page, whatever is asked for
    per_minute: int | None = None
    per_day: int | None = None
    latency: float = 0.0  # seconds
    retry_after: str = "1"


@dataclass(slots=True)
class Message:
    message_id: str
    direction: str
    timestamp: dt.datetime
    type: str | None
    content: str | None
    statuses: list[str | None]  # one after the other, each time it is asked for
    stamp: str = "z"
    is_loud: bool = False  # enums in upper case
    is_numeric: bool = False
    extra: Json = field(default_factory=dict)
    sender: str | None = None

    def render(self) -> tuple[Json, str | None]:
        status = self.statuses[0]
        loud = str.upper if self.is_loud else str
        body: Json = {
            "message_id": int(self.message_id) if self.is_numeric else self.message_id,
            "type": None if self.type is None else loud(self.type),
            "content": self.content,
            "direction": loud(self.direction),
            "status": None if status is None else loud(status),
            "timestamp": stamped(self.timestamp, self.stamp),
            **self.extra,
        }
        return body, status


@dataclass(slots=True)
class Chat:
    chat_id: str
    number: str | None
    name: str | None
    email: str | None
    custom_fields: Any
    created_at: dt.datetime | None
    stamp: str
    is_numeric: bool
    status: str | None
    records: list[Message | Json | str | None]  # oldest first; what is no Message is a broken record
    is_nested: int = 0

    def render(self) -> Json:
        body: Json = {"chat_id": int(self.chat_id) if self.is_numeric else self.chat_id}
        body |= {"whatsapp_number": self.number, "email": self.email, "name": self.name}
        body["custom_fields"] = self.custom_fields
        if self.status is not None:
            body["status"] = self.status
        if self.created_at is not None:
            body["created_at"] = stamped(self.created_at, self.stamp)
        body["whatsapp_profile"] = {"about": f"{SECRET_NAME} likes {SECRET_TEXT}"}
        return body


@dataclass(slots=True)
class Campaign:
    campaign_id: str
    name: str | None
    status: str
    created_at: dt.datetime | None
    scheduled_at: dt.datetime | None
    total_recipients: int | None
    report: Json | None
    stamp: str
    is_numeric: bool
    is_loud: bool
    is_wrapped: bool

    def render(self) -> Json:
        body: Json = {
            "campaign_id": int(self.campaign_id) if self.is_numeric else self.campaign_id,
            "name": self.name,
            "status": self.status.upper() if self.is_loud else self.status,
            "scheduled_at": None if self.scheduled_at is None else stamped(self.scheduled_at, self.stamp),
            "channel": {"kind": "whatsapp"},
        }
        if self.created_at is not None:
            body["created_at"] = stamped(self.created_at, self.stamp)
        if self.total_recipients is not None:
            body["total_recipients"] = self.total_recipients
        return body


@dataclass(frozen=True, slots=True)
class Request:
    at: dt.datetime  # when it was read
    ended: dt.datetime
    monotonic: float
    method: str
    path: str
    query: dict[str, str]
    status: int
    fault: str | None


@dataclass(slots=True)
class Served:
    """What was delivered of one record: when first, and its newest version."""

    first: dt.datetime
    newest: Any


def stamped(moment: dt.datetime, how: str) -> object:
    whole, milli = moment.microsecond == 0, moment.microsecond % 1000 == 0
    if how == "offset":
        return moment.astimezone(dt.timezone(dt.timedelta(hours=3))).isoformat()
    if how == "naive":
        return moment.replace(tzinfo=None).isoformat()
    if how == "space":
        return moment.replace(tzinfo=None).isoformat(" ") + "+00:00"
    if how == "epoch" and whole:
        return int(moment.timestamp())
    if how == "epoch text" and whole:
        return str(int(moment.timestamp()))
    if how == "ms" and milli:
        return round(moment.timestamp() * 1000)
    return moment.isoformat().replace("+00:00", "Z")


class Crm:
    """The tenant. Everything public is safe to call from the server's threads under `lock`."""

    def __init__(self, options: Options | None = None, *, now: dt.datetime | None = None) -> None:
        self.options = options or Options()
        self.rng = random.Random(self.options.seed)
        self.now = now or utc_now().replace(microsecond=0)
        self.lock = threading.RLock()
        self.requests: list[Request] = []
        self.served_messages: dict[tuple[str, str], Served] = {}
        self.served_contacts: dict[str, Served] = {}
        self.contact_pages: list[tuple[dt.datetime, frozenset[str]]] = []
        self.served_campaigns: dict[str, Served] = {}
        self.campaign_changes: dict[str, list[tuple[dt.datetime, str]]] = {}
        self.served_reports: dict[str, list[tuple[dt.datetime, Json]]] = {}
        self.is_down = False
        self.has_lost_broken_records = False  # a chat went with some; nobody can say which were read before
        self.arrivals = 1_000_000
        self.fields = [
            {"custom_field_id": 1, "name": "Segment", "type": "TEXT", "required": False},
            {"custom_field_id": "f-2", "name": "VIP", "type": "text", "required": "true", "colour": "blue"},
            {"name": "no id at all"},
        ]
        self.chats = [self._chat(i) for i in range(self.options.contacts)]
        self.broken_contacts: list[object] = (
            [{"name": f"{SECRET_NAME} without a chat", "chat_id": None}, "not a contact", {"chat_id": "  "}]
            if self.options.contacts
            else []
        )
        self.campaigns = [self._campaign(i) for i in range(self.options.campaigns)]
        self.broken_campaigns: list[object] = [{"name": "no id", "status": "draft"}] if self.options.campaigns else []

    # The made-up world.

    def chance(self, share: float) -> bool:
        return self.rng.random() < share

    def _moment(self, *, days: float) -> dt.datetime:
        at = self.now - dt.timedelta(seconds=int(self.rng.random() * days * 86400))
        return at + dt.timedelta(microseconds=self.rng.choice((0, 0, 0, 125_000, 123_457)))

    def _chat(self, i: int) -> Chat:
        rng = self.rng
        number = rng.choice(REGIONS).format(10_000 + i)
        chat_id = (f"c-{i:04}", str(700_000 + i), f"{number[1:]}@c.us", f"Ünïque/{i} %2F?#é")[
            i % 4 if i < 40 else i % 3
        ]
        has_created = {"all": True, "none": False}.get(self.options.created, i % 3 != 0)
        fields: Any = {
            "Segment": rng.choice(("Retail", "retail", "Wholesale", "Élite", "")),
            "VIP": rng.choice(("yes", None)),
        }
        fields |= {"National id": f"{SECRET_TEXT}-{i}"}
        if i % 17 == 0:
            fields = rng.choice((None, [], {}))
        chat = Chat(
            chat_id=chat_id,
            number=None if i == 7 else "" if i == 8 else "not a number" if i == 9 else number,
            name=None if i % 10 == 0 else "" if i % 10 == 1 else f"{SECRET_NAME} Nº{i} 🦓",
            email=None if i % 4 else f"p{i}@{SECRET_DOMAIN}",
            custom_fields=fields,
            created_at=self._moment(days=self.options.days) if has_created else None,
            stamp=rng.choice(STAMPS),
            is_numeric=chat_id.isdigit(),
            status=rng.choice((None, "OPEN", "open", "")),
            records=[],
            is_nested=i % 3,
        )
        sizes = (0, 1, 2, 99, 100, 101, 200, 201, self.options.biggest_chat, 300)
        size = sizes[i] if i < len(sizes) else min(260, int(rng.lognormvariate(2.6, 1.2)))
        chat.records = list(self._messages(chat, size))
        return chat

    def _messages(self, chat: Chat, size: int) -> Iterator[Message | Json | str | None]:
        rng, at = self.rng, self._moment(days=self.options.days)
        if size > 90:
            at = self.now - dt.timedelta(days=self.options.days)
        pace = max(1.0, (self.now - at).total_seconds() / max(1, size))
        side = "inbound"
        for n in range(size):
            kind = rng.random()
            step = 0.0 if kind < 0.1 else rng.expovariate(1 / 400) if kind < 0.7 else rng.expovariate(1 / (3 * pace))
            at = min(at + dt.timedelta(seconds=int(step)), self.now - dt.timedelta(seconds=5 * (size - n)))
            if rng.random() < 0.05:
                at += dt.timedelta(microseconds=rng.choice((250_000, 7)))
            side = side if rng.random() < 0.4 else rng.choice(("inbound", "outbound"))
            yield self.message(chat, n, side, at)
            if rng.random() < 0.01:
                yield self._broken_message(n, at)
        if chat.chat_id.endswith("3") and size:
            yield self.message(chat, size, "inbound", self.now + dt.timedelta(days=2))
            yield self.message(chat, size + 1, "inbound", self.now + dt.timedelta(minutes=3))

    def message(self, chat: Chat, n: int, side: str, at: dt.datetime) -> Message:
        rng = self.rng
        # A WhatsApp message id decodes to the phone number; the first messages of all chats share their ids.
        wamid = base64.b64encode(f"{chat.number}/{n}".encode()).decode()
        message_id = f"shared-{n}" if n < 2 else str(10**9 + n) if n % 19 == 0 else f"wamid.{wamid}"
        kind = rng.choice(("text", "text", "text", "image", "audio", "document", "video", None, "sticker"))
        statuses: list[str | None] = ["received"]
        extra: Json = {}
        sender = None
        if side == "outbound":
            kind = rng.choice(("text", "text", "text", "template", "document", None))
            statuses = rng.choice(
                (["sent"], ["delivered"], ["read"], ["read"], ["failed"], [None], [""])
                if at < self.now - dt.timedelta(days=2)
                else (["sent", "delivered", "read"], ["read", "delivered"], ["sent", "failed"], ["delivered"])
            )[:]
            if rng.random() < 0.3:
                sender = rng.choice((*AGENTS, *AGENT_IDS))
                if not self.options.has_events:
                    extra["agentId" if sender in AGENT_IDS else "operator_email"] = sender
                    if sender == AGENTS[0] and rng.random() < 0.3:
                        extra["agentId"] = "agent-77"
        if rng.random() < 0.1:
            extra |= {"wa_context": {"forwarded": True, "note": SECRET_TEXT}, "reactions": ["❤️"]}
        text = rng.choice((f"{SECRET_TEXT} asante 🙏", "", None, '日本語\n\t"quoted" \u2028', "x" * rng.randrange(300)))
        return Message(
            message_id=message_id,
            direction=side,
            timestamp=at,
            type=kind,
            content=text,
            statuses=statuses,
            stamp=rng.choice(STAMPS),
            is_loud=rng.random() < 0.15,
            is_numeric=message_id.isdigit() and rng.random() < 0.7,
            extra=extra,
            sender=sender,
        )

    def webhooks(self) -> Iterator[Json]:
        """What the CRM sends by itself: every message, assignments, marks as done; in the order of what happened."""
        rng = random.Random(f"webhooks {self.options.seed}")
        numbers = [chat.number for chat in self.chats]
        found: list[tuple[dt.datetime, Json]] = []
        for chat in self.chats:
            sent = [one for one in chat.records if isinstance(one, Message)]
            is_known = chat.number is not None and re.fullmatch(r"\+[1-9][0-9]{9,12}", chat.number) is not None
            is_known = is_known and numbers.count(chat.number) == 1
            for one in sent:
                if one.timestamp > self.now:
                    continue
                near = sum(abs((other.timestamp - one.timestamp).total_seconds()) < 5 for other in sent)
                by_id, by_number = near > 1 or rng.random() < 0.7, is_known and rng.random() < 0.4
                told: Json = {"messageId": one.message_id if by_id else rng.choice((None, f"wamid.{rng.random()}"))}
                if not by_number:
                    told["chatId"] = chat.chat_id
                if one.sender is not None:
                    told["agentId"] = one.sender
                    if one.sender == "agent-77" and rng.random() < 0.5:
                        told["agentEmail"] = AGENT_IDS[one.sender]
                at = one.timestamp + dt.timedelta(seconds=0 if by_id else rng.choice((-1.5, 0, 1, 2)))
                name = "message.received" if one.direction == "inbound" else "message.sent"
                found.append((at, webhook(name, at, told, number=chat.number if by_number else None)))
        for chat_id, kind, at, agent in self.done:
            name = {"assigned": "chat.assigned", "done": "chat.resolved"}[kind]
            found.append((at, webhook(name, at, {"chatId": chat_id, "agentId": agent, "messageCount": 3})))
        yield from (event for _, event in sorted(found, key=lambda one: one[0]))

    @property
    def done(self) -> Iterator[tuple[str, str, dt.datetime, str | None]]:
        """What agents did to chats, where webhooks tell of it: chat, kind, when, who."""
        rng = random.Random(f"done {self.options.seed}")
        for chat in self.chats if self.options.has_events else ():
            moments = [
                one.timestamp for one in chat.records if isinstance(one, Message) and one.timestamp < self.now - HOUR
            ]
            for at in rng.sample(moments, min(len(moments), 3)):
                kind = rng.choice(("assigned", "done"))
                agent = rng.choice((*AGENTS, *AGENT_IDS, *((None,) if kind == "done" else ())))
                yield chat.chat_id, kind, at + dt.timedelta(seconds=rng.randrange(1, 3000)), agent

    def _broken_message(self, n: int, at: dt.datetime) -> Json | str:
        whole = {
            "message_id": f"broken-{n}",
            "direction": "inbound",
            "timestamp": at.isoformat(),
            "content": SECRET_TEXT,
        }
        return self.rng.choice(
            (
                {**whole, "message_id": None},
                {**whole, "message_id": ""},
                {**whole, "timestamp": None},
                {**whole, "timestamp": "yesterday"},
                {**whole, "direction": "sideways"},
                {**whole, "direction": None},
                f"a text about {SECRET_TEXT} {n}",
            )
        )

    def _campaign(self, i: int) -> Campaign:
        rng = self.rng
        status = ("draft", "scheduled", "active", "in_progress", "completed", "failed", "completed", "completed")[i % 8]
        created = self._moment(days=self.options.days)
        total = rng.choice((0, 1, 40, 3000))
        delivered = int(total * rng.choice((0, 0.9, rng.random(), 1)))
        read, replied = int(delivered * rng.random()), int(delivered * rng.random() * 0.4)
        failed = int((total - delivered) * rng.random())
        if i % 9 == 4:
            read, failed = read + rng.choice((0, 7)), failed + 3
        if i % 31 == 5:
            replied = -1
        report: Json | None = {
            "campaign_id": 5000 + i if i % 5 == 0 else f"camp-{i}",
            "metrics": {
                "total_recipients": None if i % 23 == 3 else total,
                "delivered": str(delivered) if i % 29 == 4 else delivered,
                "read": float(read) if i % 37 == 6 else read,
                "replied": replied,
                "failed": failed,
            },
            "delivery_rate": "0%" if not total else f"{100 * delivered / total:.0f}%",
            "quality": {"score": "HIGH"},
        }
        assert report is not None
        if i % 3 and delivered:
            report["read_rate"] = f"{100 * read / delivered + rng.choice((0, 0, 3)):.1f}%"
            report["reply_rate"] = rng.choice((None, "", f"{100 * replied / delivered:.2f} %"))
        if status in {"draft", "scheduled"} or i % 11 == 4:
            report = None
        return Campaign(
            campaign_id=str(5000 + i) if i % 5 == 0 else f"camp-{i}",
            name=None if i % 13 == 0 else f"Offer Nº{i} – café",
            status=status,
            created_at=None if i % 6 == 1 else created,
            scheduled_at=created + dt.timedelta(hours=rng.randrange(60)) if i % 2 or status == "scheduled" else None,
            total_recipients=None if i % 4 == 2 else total,
            report=report,
            stamp=rng.choice(STAMPS),
            is_numeric=i % 5 == 0,
            is_loud=i % 7 == 2,
            is_wrapped=i % 2 == 0,
        )

    # What happens while it is read.

    def live(self) -> None:
        """Let a little happen: called before every request of a live tenant."""
        count = len(self.requests)
        if count % 12 == 5:
            self.arrive(self.rng.choice(self.chats))
        if count % 70 == 20:
            self.join()
        if count % 90 == 40:
            self.leave(self.chats[self.rng.randrange(len(self.chats))].chat_id)

    def arrive(self, chat: Chat, side: str = "inbound") -> Message:
        self.arrivals += 1
        one = self.message(chat, self.arrivals, side, utc_now())
        one.stamp = "z"
        chat.records.append(one)
        return one

    def join(self) -> Chat:
        """A newcomer stands first in the list and shifts every page."""
        chat = self._chat(len(self.chats) + 1000 + len(self.requests))
        chat.created_at = utc_now() if chat.created_at else None
        chat.records = [one for one in chat.records if isinstance(one, Message) and one.timestamp < self.now][:3]
        self.chats.insert(0, chat)
        return chat

    def leave(self, chat_id: str) -> None:
        chat = self.find(chat_id)
        if chat and any(not isinstance(one, Message) for one in chat.records):
            self.has_lost_broken_records = True
        self.chats = [one for one in self.chats if one.chat_id != chat_id]

    def advance(self) -> None:
        """A day's work at once: campaigns move on, people come, go, write and change."""
        with self.lock:
            moves = {"scheduled": "in_progress", "in_progress": "completed", "active": "failed"}
            for one in self.campaigns[: len(self.campaigns) * 2 // 3]:
                one.status = moves.get(one.status, one.status)
                if one.report is None and one.status in {"in_progress", "completed"}:
                    one.report = {"campaign_id": one.campaign_id, "metrics": dict.fromkeys(METRICS, 0)}
                elif one.report is not None and one.status in {"completed", "failed"}:
                    metrics = {**one.report["metrics"], "replied": int(one.report["metrics"]["replied"]) + 1}
                    one.report = {**one.report, "metrics": metrics}
            for chat in self.chats[:: max(1, len(self.chats) // 9)]:
                for n in range(self.rng.choice((1, 3, 130))):
                    self.arrive(chat, "outbound" if n % 3 else "inbound")
            for chat in self.chats[5:25]:
                chat.custom_fields = {"Segment": "Moved", "VIP": ""}
            for chat in self.chats[30:36]:
                self.leave(chat.chat_id)
            for _ in range(3):
                self.join()

    # Bookkeeping for the limits, by the server's own clock.

    def most_in_a_minute(self) -> int:
        times = sorted(one.monotonic for one in self.requests)
        most = first = 0
        for last, at in enumerate(times):
            while times[first] <= at - 60:
                first += 1
            most = max(most, last - first + 1)
        return most

    def over_limit(self) -> bool:
        now = time.monotonic()
        recent = sum(one.monotonic > now - 60 for one in self.requests)
        return bool(
            (self.options.per_minute and recent >= self.options.per_minute)
            or (self.options.per_day and len(self.requests) >= self.options.per_day)
        )

    def find(self, chat_id: str) -> Chat | None:
        return next((one for one in self.chats if one.chat_id == chat_id), None)

    @contextmanager
    def only(self, **changes: Any) -> Iterator[None]:
        before = {name: getattr(self.options, name) for name in changes}
        for name, value in changes.items():
            setattr(self.options, name, value)
        yield
        for name, value in before.items():
            setattr(self.options, name, value)

    # The operations: (status, body, what to note once the body was delivered).

    def answer(self, method: str, path: str, query: dict[str, str], body: Json) -> tuple[int, Json, Callable[[], None]]:
        parts = [unquote(part) for part in path.strip("/").split("/")]
        match method, *parts:
            case "GET", "crm", "chat":
                return self._list_contacts(query)
            case "GET", "crm", "chat", "search":
                return self._search(query)
            case "POST", "crm", "chat":
                return self._create_contact(body)
            case "DELETE", "crm", "chat", chat_id:
                found = self.find(chat_id)
                self.leave(chat_id)
                return done() if found else missing("contact")
            case "GET", "crm", "chat", "setting", chat_id, "custom-field":
                chat = self.find(chat_id)
                if chat is None:
                    return missing("contact")
                values = chat.custom_fields or {}
                data = [
                    {"field_id": i, "field_name": n, "field_type": "text", "value": v}
                    for i, (n, v) in enumerate(values.items())
                ]
                return 200, {"success": True, "data": data}, nothing
            case "POST", "crm", "chat", "setting", chat_id, "operator", "assign_chat":
                data = {"assigned_to": body.get("operator_email")}
                return (
                    (200, {"success": True, "message": "ok", "data": data}, nothing)
                    if self.find(chat_id)
                    else missing("contact")
                )
            case "POST", "crm", "chat", "setting", chat_id, "operator", "mark_as_done":
                return done() if self.find(chat_id) else missing("contact")
            case "GET", "crm", "chat", chat_id, "messages":
                return self._list_messages(chat_id, query)
            case "GET", "crm", "setting", "custom-field":
                return 200, {"success": True, "data": self.fields}, nothing
            case "POST", "crm", "setting", "custom-field":
                one = {"custom_field_id": f"f-{len(self.fields)}", "required": False, **body}
                self.fields.append(one)
                return 201, {"success": True, "data": one}, nothing
            case "DELETE", "crm", "setting", "custom-field", field_id:
                kept = [one for one in self.fields if str(one.get("custom_field_id")) != field_id]
                gone, self.fields = len(kept) < len(self.fields), kept
                return done() if gone else missing("field")
            case "GET", "crm", "campaign":
                return self._list_campaigns(query)
            case "GET", "crm", "campaign", campaign_id, "report":
                return self._report(campaign_id)
            case "POST", "crm", "campaign", campaign_id, "trigger":
                one = next((c for c in self.campaigns if c.campaign_id == campaign_id), None)
                if one is None:
                    return missing("campaign")
                one.status = "in_progress"
                data = {"campaign_id": campaign_id, "status": one.status}
                return 200, {"success": True, "message": "started", "data": data}, nothing
            case "POST", "crm", "campaign", *rest if rest in ([], ["clone"]):
                made = self._campaign(len(self.campaigns) * 8)
                made.campaign_id, made.is_numeric, made.name = (
                    f"made-{len(self.campaigns)}",
                    False,
                    body.get("name") or body.get("new_name"),
                )
                made.total_recipients = len(body.get("receivers", []))
                self.campaigns.append(made)
                return (
                    201,
                    {"success": True, "data": {**made.render(), "total_recipients": made.total_recipients}},
                    nothing,
                )
        return missing("route")

    def _page(self, query: dict[str, str], default: int, cap: int = 100) -> tuple[int, int]:
        return max(1, int(query.get("page", "1"))), min(cap, max(1, int(query.get("limit", str(default)))))

    def _pagination(self, page: int, limit: int, came: int, total: int) -> Json:
        if self.options.is_contrary:
            return {"page": page, "limit": limit, "total": came}
        return {"page": page, "limit": limit, "total": total}

    def _list_contacts(self, query: dict[str, str]) -> tuple[int, Json, Callable[[], None]]:
        if int(query.get("limit", "20")) > 100:
            return invalid("limit", "at most 100")
        page, limit = self._page(query, 20)
        everything: list[Any] = [*self.chats, *self.broken_contacts]
        rows = everything[(page - 1) * limit : page * limit]
        known = [one for one in rows if isinstance(one, Chat)]
        body = [one.render() if isinstance(one, Chat) else one for one in rows]
        snapshots = {one.chat_id: (one.number, one.custom_fields, one.created_at) for one in known}

        def note() -> None:
            at = utc_now()
            for chat_id, version in snapshots.items():
                self.served_contacts.setdefault(chat_id, Served(at, version)).newest = version
            self.contact_pages.append((at, frozenset(snapshots)))

        return (
            200,
            {"success": True, "data": body, "pagination": self._pagination(page, limit, len(body), len(everything))},
            note,
        )

    def _search(self, query: dict[str, str]) -> tuple[int, Json, Callable[[], None]]:
        value = query.get("search_value", "").lower()
        tests: dict[str, Callable[[str], bool]] = {
            "contains": lambda text: value in text,
            "equal to": lambda text: value == text,
            "starts with": lambda text: text.startswith(value),
            "ends with": lambda text: text.endswith(value),
        }
        name = {"email": "email", "whatsapp_number": "number", "name": "name"}.get(query.get("search_field", ""))
        if name is None or query.get("condition") not in tests:
            return invalid("search_field", "unknown")
        test = tests[query["condition"]]
        found = [one.render() for one in self.chats if test((getattr(one, name) or "").lower())]
        return 200, {"success": True, "data": found}, nothing

    def _create_contact(self, body: Json) -> tuple[int, Json, Callable[[], None]]:
        if not re.fullmatch(r"\+[1-9][0-9]{6,14}", str(body.get("whatsapp_number", ""))):
            return invalid("whatsapp_number", "not E.164")
        chat = self.join()
        chat.number, chat.name, chat.email = body["whatsapp_number"], body.get("name"), body.get("email")
        chat.custom_fields, chat.records = body.get("custom_fields", {}), []
        return 201, {"success": True, "data": chat.render()}, nothing

    def _list_messages(self, chat_id: str, query: dict[str, str]) -> tuple[int, Json, Callable[[], None]]:
        if query.get("sort", "newest") not in {"newest", "oldest"} or int(query.get("limit", "50")) > 100:
            return invalid("sort", "newest or oldest, at most 100")
        chat = self.find(chat_id)
        if chat is None:
            return missing("chat")
        page, limit = self._page(query, 50)
        is_oldest = query.get("sort") == "oldest" and not self.options.is_contrary
        ordered = chat.records if is_oldest else chat.records[::-1]
        rows = ordered[(page - 1) * limit : page * limit]
        bodies, notes = [], []
        for one in rows:
            if isinstance(one, Message):
                body, status = one.render()
                if self.options.is_contrary:
                    body["timestamp"] = stamped(one.timestamp + dt.timedelta(hours=3), "z")
                bodies.append(body)
                notes.append((one, status))
            else:
                bodies.append(one)

        def note() -> None:
            at = utc_now()
            for one, status in notes:
                served = self.served_messages.setdefault((chat_id, one.message_id), Served(at, [one, status]))
                if RANK[status or None] > RANK[served.newest[1] or None]:
                    served.newest[1] = status
                if len(one.statuses) > 1:
                    one.statuses.pop(0)

        pagination = self._pagination(page, limit, len(rows), len(chat.records))
        is_nested = chat.is_nested == 0 or (chat.is_nested == 1 and page % 2 == 0)
        if is_nested:
            return 200, {"success": True, "data": {"messages": bodies, "pagination": pagination}}, note
        return 200, {"success": True, "data": bodies, "pagination": pagination}, note

    def _list_campaigns(self, query: dict[str, str]) -> tuple[int, Json, Callable[[], None]]:
        page, limit = self._page(query, 20, self.options.campaign_page)
        everything: list[Any] = [*self.campaigns, *self.broken_campaigns]
        rows = everything[(page - 1) * limit : page * limit]
        body = [one.render() if isinstance(one, Campaign) else one for one in rows]
        versions = {
            one.campaign_id: (one.name, one.status, one.created_at, one.scheduled_at, one.total_recipients)
            for one in rows
            if isinstance(one, Campaign)
        }

        def note() -> None:
            at = utc_now()
            for campaign_id, version in versions.items():
                self.served_campaigns.setdefault(campaign_id, Served(at, version)).newest = version
                history = self.campaign_changes.setdefault(campaign_id, [])
                if not history or history[-1][1] != version[1]:
                    history.append((at, version[1]))

        return 200, {"success": True, "data": body, "count": len(everything), "page": page, "rows": limit}, note

    def _report(self, campaign_id: str) -> tuple[int, Json, Callable[[], None]]:
        one = next((one for one in self.campaigns if one.campaign_id == campaign_id), None)
        if one is None or one.report is None:
            return missing("report")
        report = one.report

        def note() -> None:
            history = self.served_reports.setdefault(campaign_id, [])
            if not history or history[-1][1] != report:
                history.append((utc_now(), report))

        return 200, {"success": True, "data": report} if one.is_wrapped else {"success": True, **report}, note


def nothing() -> None:
    """Nothing to note."""


def done() -> tuple[int, Json, Callable[[], None]]:
    return 200, {"success": True, "message": "done"}, nothing


def missing(what: str) -> tuple[int, Json, Callable[[], None]]:
    if what in {"report", "route"}:
        return 404, {"success": False, "developer_message": f"no such {what}"}, nothing
    return 404, {"success": False, "error": {"code": "NOT_FOUND", "message": f"no such {what}"}}, nothing


def invalid(name: str, why: str) -> tuple[int, Json, Callable[[], None]]:
    error = {"code": "VALIDATION_ERROR", "message": "invalid", "details": [{"field": name, "message": why}]}
    return 422, {"success": False, "error": error}, nothing


def false_body(where: str) -> Json:
    text = "temporarily out of order"
    return (
        {"success": False, "error": {"message": text}} if where == "error.message" else {"success": False, where: text}
    )


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    timeout = 120
    server: Server

    def log_message(self, *args: object) -> None:
        """Say nothing."""

    def do_GET(self) -> None:
        crm = self.server.crm
        at, monotonic = utc_now(), time.monotonic()
        split = urlsplit(self.path)
        query = {name: values[-1] for name, values in parse_qs(split.query).items()}
        length = int(self.headers.get("Content-Length") or 0)
        sent = json.loads(self.rfile.read(length) or b"{}") if length else {}
        if crm.options.latency:
            time.sleep(crm.options.latency)
        note: Callable[[], None] = nothing
        headers: dict[str, str] = {}
        with crm.lock:
            fault = None
            if crm.is_down:
                fault = "no answer"
            elif self.headers.get("API-KEY") != KEY:
                status, body = 401, {"success": False, "developer_message": "Invalid API key"}
            elif crm.over_limit():
                status, body = 429, {"success": False, "message": "Too many requests"}
            else:
                if crm.options.is_live:
                    crm.live()
                if crm.chance(crm.options.fault_rate):
                    fault = crm.rng.choice(FAULTS)
                status, body, note = crm.answer(self.command, split.path, query, sent)
            content = json.dumps(body, ensure_ascii=crm.chance(0.5)).encode() if not crm.is_down else b""
            kind = "application/json; charset=utf-8"
            if crm.options.per_minute:
                recent = sum(one.monotonic > monotonic - 60 for one in crm.requests) + 1
                headers["X-RateLimit-Limit"] = str(crm.options.per_minute)
                headers["X-RateLimit-Remaining"] = str(max(0, crm.options.per_minute - recent))
                headers["X-RateLimit-Reset"] = str(int(time.time()) + 60)
            if fault:
                note = nothing
            if fault and fault.startswith("429"):
                status, content = 429, b'{"success": false, "message": "Too many requests"}'
                if fault != "429":
                    headers["Retry-After"] = crm.options.retry_after
            elif fault == "500":
                status = 500
                content = b'{"success": false, "error": {"code": "INTERNAL_ERROR", "message": "boom"}}'
            elif fault == "503 html":
                status, content, kind = 503, b"<html><body><h1>503 Service Unavailable</h1></body></html>", "text/html"
            elif fault == "truncated":
                content = content[: len(content) * 2 // 3]
            elif fault and fault.startswith("false"):
                status, content = 200, json.dumps(false_body(fault.removeprefix("false "))).encode()
            note()  # under the lock, so that what is noted is what the world was
            crm.requests.append(
                Request(
                    at, utc_now(), monotonic, self.command, split.path, query, status if not crm.is_down else 0, fault
                )
            )
        if fault == "no answer":
            self.close_connection = True
            self.connection.shutdown(socket.SHUT_RDWR)
            return
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        if fault == "cut off":
            self.wfile.write(content[: len(content) // 2])
            self.wfile.flush()
            self.close_connection = True
            self.connection.shutdown(socket.SHUT_RDWR)
            return
        self.wfile.write(content)

    do_POST = do_DELETE = do_GET  # noqa: N815 - the names that http.server calls


class Server(ThreadingHTTPServer):
    """The tenant over HTTP, in threads. A context manager that serves while it is open."""

    daemon_threads = True
    allow_reuse_address = True
    request_queue_size = 128

    def __init__(self, crm: Crm, port: int = 0) -> None:
        super().__init__(("127.0.0.1", port), _Handler)
        self.crm = crm

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"

    def handle_error(self, request: object, client_address: object) -> None:
        """A client that hangs up is no news."""

    def __enter__(self) -> Self:
        threading.Thread(target=self.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self.shutdown()
        self.server_close()


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--port", type=int, default=9400)
    for name, default in (("seed", 1), ("contacts", 150), ("campaigns", 115)):
        parser.add_argument(f"--{name}", type=int, default=default)
    parser.add_argument("--per-minute", type=int)
    parser.add_argument("--fault-rate", type=float, default=0.05)
    parser.add_argument("--live", action="store_true", dest="is_live")
    chosen = vars(parser.parse_args())
    port = chosen.pop("port")
    server = Server(Crm(Options(**chosen)), port)
    server.serve_forever()


if __name__ == "__main__":
    main()
