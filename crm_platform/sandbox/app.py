"""The sandbox CRM: a request in, an answer out.

What belongs here: routing, checks of arguments, envelopes, and the order in which key, limit, fault and contract are
looked at. What does not: sockets and sleeping (`server.py`); `handle` does neither, so that a simulation can drive it
on a clock of its own.

Choices the contract leaves open: `page` and `limit` that are no whole numbers, below 1, or a limit above 100 are a 422;
contacts and campaigns come newest first, so a new contact shifts every page; a search gives at most 1,000 contacts; a
number that is a contact already cannot be created again (422); a campaign's message to a number that is no contact
fails.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
import hmac
import json
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, NoReturn
from urllib.parse import parse_qsl

from crm_platform.sandbox.campaigns import Campaign
from crm_platform.sandbox.chance import DAY
from crm_platform.sandbox.clock import Clock, ManualClock, RunningClock
from crm_platform.sandbox.faults import Fault, Faults
from crm_platform.sandbox.limits import RateLimit, Standing, Statistics, Stats
from crm_platform.sandbox.options import SandboxOptions
from crm_platform.sandbox.people import Person, is_e164
from crm_platform.sandbox.records import Record, encode, milliseconds, moment_of
from crm_platform.sandbox.shapes import Shapes
from crm_platform.sandbox.truth import truth
from crm_platform.sandbox.world import Field, World

if TYPE_CHECKING:
    from crm_platform.sandbox.server import AsgiApp

# operation → (method, path); the names are the published contract's operationIds.
OPERATIONS: Final[dict[str, tuple[str, str]]] = {
    "list_contacts": ("GET", "/crm/chat"),
    "create_contact": ("POST", "/crm/chat"),
    "search_contacts": ("GET", "/crm/chat/search"),
    "delete_contact": ("DELETE", "/crm/chat/{chat_id}"),
    "contact_custom_fields": ("GET", "/crm/chat/setting/{chat_id}/custom-field"),
    "assign_chat": ("POST", "/crm/chat/setting/{chat_id}/operator/assign_chat"),
    "mark_as_done": ("POST", "/crm/chat/setting/{chat_id}/operator/mark_as_done"),
    "list_messages": ("GET", "/crm/chat/{chat_id}/messages"),
    "list_custom_fields": ("GET", "/crm/setting/custom-field"),
    "create_custom_field": ("POST", "/crm/setting/custom-field"),
    "delete_custom_field": ("DELETE", "/crm/setting/custom-field/{custom_field_id}"),
    "list_campaigns": ("GET", "/crm/campaign"),
    "create_campaign": ("POST", "/crm/campaign"),
    "clone_campaign": ("POST", "/crm/campaign/clone"),
    "campaign_report": ("GET", "/crm/campaign/{campaign_id}/report"),
    "trigger_campaign": ("POST", "/crm/campaign/{campaign_id}/trigger"),
}

# Beside the contract, for tests: they need the key too, and are in no limit, fault or statistic.
EXTRAS: Final[dict[str, tuple[str, str]]] = {
    "truth": ("GET", "/sandbox/truth"),
    "stats": ("GET", "/sandbox/stats"),
    "clock": ("POST", "/sandbox/clock"),
}

MOST_FOUND: Final = 1000  # contacts that one search gives
_SEARCH_FIELDS: Final = ("email", "whatsapp_number", "name")
_CONDITIONS: Final[dict[str, Callable[[str, str], bool]]] = {
    "contains": str.__contains__,
    "equal to": str.__eq__,
    "starts with": str.startswith,
    "ends with": str.endswith,
}
_JSON: Final = ("content-type", "application/json")
_PROXY_PAGE: Final = b"<html><head><title>503 Service Temporarily Unavailable</title></head><body>nginx</body></html>\n"

Headers = tuple[tuple[str, str], ...]
_Routes = dict[int, list[tuple[tuple[str | None, ...], dict[str, str]]]]


@dataclass(frozen=True, slots=True)
class Answer:
    """What to send.

    delay: seconds to wait before it. cut: send only so many bytes of the body and then close the connection (None: all
    of it). chunks: the body of a long answer, in place of `body`.
    """

    status: int
    body: bytes
    headers: Headers = (_JSON,)
    delay: float = 0.0
    cut: int | None = None
    chunks: Iterator[bytes] | None = None


class _Refused(Exception):
    """The request ends with this status and body."""

    def __init__(self, status: int, body: Record, headers: Headers = ()) -> None:
        super().__init__(status)
        self.status = status
        self.body = body
        self.headers = headers


def _error(code: str, message: str, details: Sequence[tuple[str, str]] = ()) -> Record:
    error: Record = {"code": code, "message": message}
    if details:
        error["details"] = [{"field": field, "message": problem} for field, problem in details]
    return {"success": False, "error": error}


def _invalid(*details: tuple[str, str]) -> NoReturn:
    raise _Refused(422, _error("VALIDATION_ERROR", "The request is not valid", details))


def _missing(what: str) -> NoReturn:
    raise _Refused(404, _error("NOT_FOUND", f"{what} not found"))


def _routes() -> _Routes:
    by_length: _Routes = {}
    for name, (method, path) in (OPERATIONS | EXTRAS).items():
        pattern = tuple(None if part.startswith("{") else part for part in path.split("/")[1:])
        same_length = by_length.setdefault(len(pattern), [])
        methods = next((methods for known, methods in same_length if known == pattern), None)
        if methods is None:
            same_length.append((pattern, methods := {}))
        methods[method] = name
    for same_length in by_length.values():
        same_length.sort(key=lambda route: route[0].count(None))  # /crm/chat/search before /crm/chat/{chat_id}
    return by_length


_ROUTES: Final = _routes()


def _route(method: str, path: str) -> tuple[str, list[str]]:
    """The operation and its path arguments. Raises the 404 or 405 to answer with."""
    parts = path.split("/")[1:]
    allowed: set[str] = set()
    for pattern, methods in _ROUTES.get(len(parts), ()):
        if all(want is None or want == part for want, part in zip(pattern, parts, strict=True)):
            if method in methods:
                return methods[method], [part for want, part in zip(pattern, parts, strict=True) if want is None]
            allowed |= methods.keys()
    if allowed:
        message = f"{method} is not allowed here"
        raise _Refused(405, _error("METHOD_NOT_ALLOWED", message), (("allow", ", ".join(sorted(allowed))),))
    raise _Refused(404, _error("NOT_FOUND", "There is no such path"))


class _Arguments:
    """A request's query and body, checked as they are read; a wrong one ends the request with a 422."""

    def __init__(self, query: str, body: bytes) -> None:
        self._query = dict(parse_qsl(query, keep_blank_values=True)) if query else {}
        self._raw = body
        self._body: dict[str, object] | None = None

    def number(self, name: str, default: int, *, most: int | None = None) -> int:
        """A whole number of the query, at least 1."""
        text = self._query.get(name)
        if text is None:
            return default
        # Twelve digits are enough for any page, and bound the work of int().
        value = int(text) if text.isascii() and text.isdigit() and len(text) <= 12 else 0
        if value < 1 or (most is not None and value > most):
            _invalid((name, f"must be a whole number from 1{f' to {most}' if most else ' up'}"))
        return value

    def word(self, name: str, default: str | None, allowed: Sequence[str]) -> str:
        """One of a few words of the query."""
        value = self._query.get(name, default)
        if value is None or value not in allowed:
            _invalid((name, f"must be one of {', '.join(allowed)}"))
        return value

    def query_text(self, name: str) -> str:
        """A text of the query."""
        value = self._query.get(name)
        if not value:
            _invalid((name, "is required"))
        return value

    @property
    def moment(self) -> int | None:
        """`at` of the query."""
        text = self._query.get("at")
        return None if text is None else _moment("at", text)

    @property
    def body(self) -> dict[str, object]:
        """The JSON object that was sent; an empty body is an empty object."""
        if self._body is None:
            try:
                body = json.loads(self._raw) if self._raw.strip() else {}
                encode(body).encode()  # half of a surrogate pair is a ValueError: it could never be sent back
            except (ValueError, RecursionError):
                body = None
            if not isinstance(body, dict):
                _invalid(("body", "must be a JSON object"))
            self._body = body
        return self._body

    def text(self, name: str) -> str:
        """A text of the body that must be there."""
        value = self.body.get(name)
        if not isinstance(value, str) or not value.strip():
            _invalid((name, "is required and must be a text"))
        return value

    def optional_text(self, name: str) -> str | None:
        """A text of the body that may be missing or null."""
        value = self.body.get(name)
        if value is not None and not isinstance(value, str):
            _invalid((name, "must be a text"))
        return value

    def flag(self, name: str) -> bool:
        """True or false in the body; missing means false."""
        value = self.body.get(name)
        if value is not None and not isinstance(value, bool):
            _invalid((name, "must be true or false"))
        return bool(value)

    def texts(self, name: str) -> dict[str, str] | None:
        """An object of texts in the body."""
        value = self.body.get(name)
        if value is None:
            return None
        if not isinstance(value, dict) or not all(isinstance(one, str) for one in value.values()):
            _invalid((name, "must be an object of texts"))
        return value

    def receivers(self) -> list[str]:
        """Numbers of a campaign's receivers, in order."""
        given = self.body.get("receivers")
        if not isinstance(given, list) or not given:
            _invalid(("receivers", "is required and must be a list that is not empty"))
        problems: list[tuple[str, str]] = []
        numbers: list[str] = []
        for place, one in enumerate(given):
            number = one.get("whatsapp_number") if isinstance(one, dict) else None
            if not isinstance(number, str) or not is_e164(number):
                problems.append((f"receivers[{place}].whatsapp_number", "must be a number like +254700000000"))
            elif not isinstance(one.get("variables"), dict | None):
                problems.append((f"receivers[{place}].variables", "must be an object"))
            else:
                numbers.append(number)
        if problems:
            _invalid(*problems[:20])
        return numbers


def _moment(name: str, text: str) -> int:
    """Milliseconds of an ISO 8601 time; without a zone it is UTC."""
    try:
        moment = dt.datetime.fromisoformat(text)
    except ValueError:
        _invalid((name, "must be a time such as 2026-01-05T09:00:00Z"))
    if not 1990 <= moment.year <= 2200:  # far from the ends of datetime, where zones overflow
        _invalid((name, "must lie between 1990 and 2200"))
    return milliseconds(moment if moment.tzinfo else moment.replace(tzinfo=dt.UTC))


def _field(field: Field) -> Record:
    record: Record = {
        "custom_field_id": field.field_id,
        "name": field.name,
        "type": field.type,
        "required": field.required,
    }
    if field.default is not None:
        record["default_value"] = field.default
    return record


def _rate_headers(standing: Standing) -> Headers:
    return (
        ("x-ratelimit-limit", str(standing.limit)),
        ("x-ratelimit-remaining", str(standing.remaining)),
        ("x-ratelimit-reset", str(standing.reset)),
    )


class Sandbox:
    """A made-up CRM. Calls may come from several threads; they are served one after the other.

    options: see `SandboxOptions`. clock: the world's time (None: as the options say).
    """

    def __init__(self, options: SandboxOptions | None = None, *, clock: Clock | None = None) -> None:
        self.options = options = options or SandboxOptions()
        if clock is None:
            start = options.start or dt.datetime.now(dt.UTC)
            clock = ManualClock(start) if options.clock == "manual" else RunningClock(start, speed=options.speed)
        self.clock = clock
        days = options.days * DAY
        began = milliseconds(options.began) if options.began else milliseconds(options.start or clock.now()) - days
        self.world = World(seed=options.seed, contacts=options.contacts, began=began, anchor=began + days)
        self.shapes = Shapes(options.shapes)
        self._faults = Faults(options.seed, rate=options.fault_rate, kinds=options.faults)
        per_minute, per_day = options.limits
        self._limit = RateLimit(per_minute=per_minute, per_day=per_day)
        self._statistics = Statistics()
        self._requests = 0
        self._lock = threading.Lock()
        self._key = options.key.encode()
        self._latency = options.latency_ms / 1000

    @property
    def asgi(self) -> AsgiApp:
        """The same over ASGI."""
        from crm_platform.sandbox.server import asgi  # noqa: PLC0415 - server imports this module

        return asgi(self)

    @property
    def began(self) -> dt.datetime:
        """When history begins: as `SandboxOptions.began` it gives the same world again."""
        return moment_of(self.world.began)

    def stats(self) -> Stats:
        """What arrived so far."""
        with self._lock:
            return self._statistics.read()

    def size(self) -> tuple[int, int]:
        """How many contacts there are, and roughly (from a sample) how many messages."""
        now = milliseconds(self.clock.now())
        with self._lock:
            contacts = self.world.roster.count_at(now)
            sample = range(0, contacts, max(1, contacts // 200))
            messages = sum(len(self.world.every_message(index, now)) for index in sample)
            return self.world.roster.total(now), round(messages / len(sample) * contacts)

    def truth(self, at: dt.datetime | None = None) -> Iterator[Record]:
        """What a perfect sync would hold at a time (default: now); see `truth.py`."""
        return truth(self.world, self.shapes, at=milliseconds(at or self.clock.now()))

    def handle(
        self,
        method: str,
        path: str,
        query: str = "",
        headers: Mapping[str, str] | None = None,
        body: bytes = b"",
    ) -> Answer:
        """Answer one request; never raises.

        path: percent-decoded. query: without the question mark. headers: names in lower case.
        """
        with self._lock:
            try:
                operation, arguments = _route(method, path)
            except _Refused as refused:
                operation, arguments = "unknown", []
                return self._contract(operation, arguments, query, headers or {}, body, refused=refused)
            if operation in EXTRAS:
                return self._beside(operation, query, headers or {}, body)
            return self._contract(operation, arguments, query, headers or {}, body)

    # In order: count, key, limit, fault, contract.

    def _contract(
        self,
        operation: str,
        arguments: list[str],
        query: str,
        headers: Mapping[str, str],
        body: bytes,
        *,
        refused: _Refused | None = None,
    ) -> Answer:
        wall = self.clock.wall()
        self._statistics.arrive(operation, wall)
        self._requests += 1
        fault = None
        extra: Headers = ()
        try:
            self._check_key(headers)
            if (standing := self._limit.take(wall)) is not None:
                extra = _rate_headers(standing)
                if not standing.is_allowed:
                    retry_after = ("retry-after", str(standing.retry_after))
                    raise _Refused(429, _error("RATE_LIMITED", "Too many requests"), (retry_after,))  # noqa: TRY301
            if refused is not None:
                raise refused
            fault = self._faults.choose(self._requests)
            if fault is not None and not fault.is_applied:
                status, record = 200, {"success": True}
            else:
                now = milliseconds(self.clock.now())
                status, record = getattr(self, f"_{operation}")(now, _Arguments(query, body), *arguments)
            content = encode(record).encode()
        except _Refused as problem:
            status, content = problem.status, encode(problem.body).encode()
            extra = (*problem.headers, *extra)
        answer = Answer(status, content, headers=(_JSON, *extra), delay=self._latency)
        if fault is not None:
            self._statistics.fault(fault.kind)
            answer = _spoilt(answer, fault)
        self._statistics.answer(0 if answer.cut is not None else answer.status)
        return answer

    def _check_key(self, headers: Mapping[str, str]) -> None:
        given = headers.get("api-key", "").encode()
        if not hmac.compare_digest(given, self._key):
            raise _Refused(401, {"success": False, "developer_message": "The API key is missing or wrong"})

    def _beside(self, operation: str, query: str, headers: Mapping[str, str], body: bytes) -> Answer:
        try:
            self._check_key(headers)
            arguments = _Arguments(query, body)
            if operation == "stats":
                return Answer(200, encode(dataclasses.asdict(self._statistics.read())).encode())
            if operation == "clock":
                return Answer(200, encode(self._set_clock(arguments)).encode())
            at = arguments.moment
            now = milliseconds(self.clock.now())
            lines = truth(self.world, self.shapes, at=now if at is None else at)
            return Answer(200, b"", headers=(("content-type", "application/x-ndjson"),), chunks=_ndjson(lines))
        except _Refused as problem:
            return Answer(problem.status, encode(problem.body).encode(), headers=(_JSON, *problem.headers))

    def _set_clock(self, arguments: _Arguments) -> Record:
        if not isinstance(self.clock, ManualClock):
            _invalid(("now", "this sandbox's clock runs by itself; start it with --clock manual"))
        given = arguments.body.get("advance")
        try:
            if isinstance(given, int | float):
                self.clock.advance(given)
            else:
                self.clock.set(dt.datetime.fromtimestamp(_moment("now", arguments.text("now")) / 1000, tz=dt.UTC))
        except (ValueError, OverflowError) as problem:
            _invalid(("now", str(problem)))
        return {"success": True, "now": self.clock.now().isoformat()}

    # The operations. Each gives status and body, or raises what to answer.

    def _chat(self, chat_id: str, now: int) -> int:
        index = self.world.find_chat(chat_id, now)
        return _missing("Chat") if index is None else index

    def _contact(self, index: int, now: int) -> Record:
        return self.shapes.shaped("contact", self.world.contact(index, now))

    def _list_contacts(self, now: int, arguments: _Arguments) -> tuple[int, Record]:
        page, limit = arguments.number("page", 1), arguments.number("limit", 20, most=100)
        total, indexes = self.world.roster.page(now, offset=(page - 1) * limit, limit=limit)
        contacts = [self._contact(index, now) for index in indexes]
        return 200, {"success": True, "data": contacts, "pagination": {"page": page, "limit": limit, "total": total}}

    def _search_contacts(self, now: int, arguments: _Arguments) -> tuple[int, Record]:
        field = arguments.word("search_field", None, _SEARCH_FIELDS)
        condition = _CONDITIONS[arguments.word("condition", "contains", tuple(_CONDITIONS))]
        value = arguments.query_text("search_value").casefold()
        found: list[Record] = []
        total = self.world.roster.total(now)
        for offset in range(0, total, 500):
            for index in self.world.roster.page(now, offset=offset, limit=500)[1]:
                text = self.world.searchable(index, field).casefold()
                if text and condition(text, value):
                    found.append(self._contact(index, now))
                    if len(found) == MOST_FOUND:
                        return 200, {"success": True, "data": found}
        return 200, {"success": True, "data": found}

    def _create_contact(self, now: int, arguments: _Arguments) -> tuple[int, Record]:
        number = arguments.text("whatsapp_number")
        if not is_e164(number):
            _invalid(("whatsapp_number", "must be a number like +254700000000"))
        email = arguments.optional_text("email")
        if email and "@" not in email:
            _invalid(("email", "must be an e-mail address"))
        name, fields = arguments.optional_text("name"), arguments.texts("custom_fields")
        if self.world.find_number(number, now) is not None:
            _invalid(("whatsapp_number", "is a contact already"))
        person = Person(number, name, email, None if fields is None else tuple(fields.items()), "active")
        return 201, {"success": True, "data": self._contact(self.world.create_contact(person, now), now)}

    def _delete_contact(self, now: int, _arguments: _Arguments, chat_id: str) -> tuple[int, Record]:
        self.world.delete_contact(self._chat(chat_id, now), now)
        return 200, {"success": True, "message": "Contact deleted"}

    def _contact_custom_fields(self, now: int, _arguments: _Arguments, chat_id: str) -> tuple[int, Record]:
        values = dict(self.world.person(self._chat(chat_id, now)).fields or ())
        data = [
            {
                "field_id": field.field_id,
                "field_name": field.name,
                "field_type": field.type,
                "value": values.get(field.name, field.default),
            }
            for field in self.world.fields(now)
        ]
        return 200, {"success": True, "data": data}

    def _assign_chat(self, now: int, arguments: _Arguments, chat_id: str) -> tuple[int, Record]:
        index = self._chat(chat_id, now)
        operator = arguments.text("operator_email")
        if "@" not in operator:
            _invalid(("operator_email", "must be an e-mail address"))
        arguments.flag("pause_automation")
        self.world.assign(index, operator, now)
        return 200, {"success": True, "message": "Chat assigned", "data": {"assigned_to": operator}}

    def _mark_as_done(self, now: int, arguments: _Arguments, chat_id: str) -> tuple[int, Record]:
        index = self._chat(chat_id, now)
        notes = (arguments.texts("metadata") or {}).get("resolution_notes")
        self.world.mark_as_done(index, notes, now)
        return 200, {"success": True, "message": "Chat marked as done"}

    def _list_messages(self, now: int, arguments: _Arguments, chat_id: str) -> tuple[int, Record]:
        page, limit = arguments.number("page", 1), arguments.number("limit", 50, most=100)
        newest_first = arguments.word("sort", "newest", ("newest", "oldest")) == "newest"
        index = self._chat(chat_id, now)
        offset = (page - 1) * limit
        total, records = self.world.messages(index, now, offset=offset, limit=limit, newest_first=newest_first)
        messages = [self.shapes.shaped("message", record) for record in records]
        pagination = {"page": page, "limit": limit, "total": total}
        if self.shapes.nests_messages(chat_id):
            return 200, {"success": True, "data": {"messages": messages, "pagination": pagination}}
        return 200, {"success": True, "data": messages, "pagination": pagination}

    def _list_custom_fields(self, now: int, _arguments: _Arguments) -> tuple[int, Record]:
        return 200, {"success": True, "data": [_field(field) for field in self.world.fields(now)]}

    def _create_custom_field(self, now: int, arguments: _Arguments) -> tuple[int, Record]:
        name, type_ = arguments.text("name"), arguments.text("type")
        required, default = arguments.flag("required"), arguments.optional_text("default_value")
        if any(field.name == name for field in self.world.fields(now)):
            _invalid(("name", "is taken by another custom field"))
        field = self.world.create_field(name, type_, required=required, default=default, now=now)
        return 201, {"success": True, "data": _field(field)}

    def _delete_custom_field(self, now: int, _arguments: _Arguments, field_id: str) -> tuple[int, Record]:
        if not self.world.delete_field(field_id, now):
            _missing("Custom field")
        return 200, {"success": True, "message": "Custom field deleted"}

    def _list_campaigns(self, now: int, arguments: _Arguments) -> tuple[int, Record]:
        page, limit = arguments.number("page", 1), arguments.number("limit", 20, most=100)
        campaigns = self.world.campaigns.visible(now)
        chosen = campaigns[(page - 1) * limit : page * limit]
        data = [self.shapes.shaped("campaign", self.world.campaign(campaign, now)) for campaign in chosen]
        return 200, {"success": True, "data": data, "count": len(campaigns), "page": page, "rows": limit}

    def _find_campaign(self, campaign_id: str, now: int) -> Campaign:
        campaign = self.world.campaigns.find(campaign_id, now)
        return _missing("Campaign") if campaign is None else campaign

    def _campaign_report(self, now: int, _arguments: _Arguments, campaign_id: str) -> tuple[int, Record]:
        report = self.shapes.report(self.world.report(self._find_campaign(campaign_id, now), now))
        return 200, {"success": True, "data": report} if self.shapes.wraps_reports else {"success": True, **report}

    def _made_campaign(self, campaign: Campaign, now: int) -> tuple[int, Record]:
        total = self.world.campaigns.total_recipients(campaign)
        return 201, {"success": True, "data": {**self._shaped_campaign(campaign, now), "total_recipients": total}}

    def _shaped_campaign(self, campaign: Campaign, now: int) -> Record:
        return self.shapes.shaped("campaign", self.world.campaign(campaign, now))

    def _create_campaign(self, now: int, arguments: _Arguments) -> tuple[int, Record]:
        name, template = arguments.text("name"), arguments.text("template_name")
        language, when = arguments.optional_text("template_language"), arguments.optional_text("scheduled_at")
        campaign = self.world.create_campaign(
            name=name,
            template=template,
            language=language or "en",
            receivers=arguments.receivers(),
            scheduled_at=None if when is None else _moment("scheduled_at", when),
            now=now,
        )
        return self._made_campaign(campaign, now)

    def _clone_campaign(self, now: int, arguments: _Arguments) -> tuple[int, Record]:
        source_id, name, receivers = (
            arguments.text("source_campaign_id"),
            arguments.text("new_name"),
            arguments.receivers(),
        )
        source = self._find_campaign(source_id, now)
        return self._made_campaign(self.world.clone_campaign(source, name=name, receivers=receivers, now=now), now)

    def _trigger_campaign(self, now: int, _arguments: _Arguments, campaign_id: str) -> tuple[int, Record]:
        campaign = self._find_campaign(campaign_id, now)
        status = campaign.status(now)
        if status not in {"draft", "scheduled"}:
            _invalid(("campaign_id", f"a campaign that is {status} cannot be triggered"))
        status = self.world.trigger_campaign(campaign, now).status(now)
        data = {"campaign_id": campaign_id, "status": status}
        return 200, {"success": True, "message": "Campaign triggered", "data": data}


def _ndjson(records: Iterator[Record]) -> Iterator[bytes]:
    lines: list[str] = []
    for record in records:
        lines.append(encode(record))
        if len(lines) == 500:
            yield ("\n".join(lines) + "\n").encode()
            lines.clear()
    if lines:
        yield ("\n".join(lines) + "\n").encode()


def _spoilt(answer: Answer, fault: Fault) -> Answer:
    """A good answer, made bad."""
    if fault.kind in {"429", "429-bare"}:
        headers = (
            answer.headers
            if fault.kind == "429-bare"
            else (*answer.headers, ("retry-after", str(1 + fault.variant % 3)))
        )
        body = encode(_error("RATE_LIMITED", "Too many requests")).encode()
        return dataclasses.replace(answer, status=429, body=body, headers=headers)
    if fault.kind == "500":
        body = encode(_error("INTERNAL_ERROR", "Something went wrong")).encode()
        return dataclasses.replace(answer, status=500, body=body)
    if fault.kind == "503":
        headers = (("content-type", "text/html"), *answer.headers[1:])
        return dataclasses.replace(answer, status=503, body=_PROXY_PAGE, headers=headers)
    if fault.kind == "false":
        text = "The service is busy, try again"
        # The places where such a message has been seen.
        bodies: tuple[Record, ...] = (
            {"success": False, "error": {"message": text}},
            {"success": False, "message": text},
            {"success": False, "developer_message": text},
            {"success": False, "title": text},
            {"success": False, "data": text},
        )
        return dataclasses.replace(answer, status=200, body=encode(bodies[fault.variant % len(bodies)]).encode())
    part = int(len(answer.body) * fault.part * 0.98)  # never the whole
    if fault.kind == "truncated":
        return dataclasses.replace(answer, body=answer.body[: max(part, 1)])
    return dataclasses.replace(answer, cut=part)
