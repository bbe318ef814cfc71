"""From JSON to records: every odd shape that the API was seen to send is read exactly, or kept as it came.

What belongs here: pure functions from decoded JSON to records.py, and what is believed of it: which instants, how long
a text. What does not: bodies (decoding.py), envelopes (envelopes.py), spellings of a value (scalars.py) and of an
instant (instants.py), any meaning beyond the contract. No function here raises on what a server may send: a record that
cannot be kept becomes `Rejected`, so that one bad record never fails a page.

Written by hand because it is the hot path: 160,000 messages pass through here in a full load.
"""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Callable, Mapping
from typing import Any, Final, TypeAlias, TypeVar

from crm_platform.api.decoding import LONE_SURROGATE, mend
from crm_platform.api.instants import Believable, is_exact, parse_timestamp
from crm_platform.api.records import (
    Campaign,
    CampaignReport,
    Contact,
    CustomField,
    CustomFieldValue,
    Extra,
    Message,
    Rejected,
)
from crm_platform.api.scalars import (
    LONGEST_ID,
    LONGEST_WORD,
    parse_direction,
    parse_enum,
    parse_flag,
    parse_id,
    parse_int,
    parse_number,
    parse_rate,
    parse_text,
)

T = TypeVar("T")
Parser: TypeAlias = Callable[[Any, Believable], "T | Rejected"]

_EXACT_STAMP: Final = 26  # characters of a timestamp without a seventh digit of a second's fraction

# Bounds, in characters. What is longer is cut, and what came stands beside it as far as `extra` may hold it.
LONGEST_CONTENT: Final = 65_536
"""Of a message's text; WhatsApp itself allows 4,096."""
LONGEST_TEXT: Final = 4_096
"""Of any other text: a name, an address, the value of a custom field."""
LONGEST_EXTRA: Final = 65_536
"""Of the JSON text of one value in `extra`."""
LONGEST_REJECTED: Final = 262_144
"""Of the JSON text of a record that is rejected."""
MOST_EXTRA: Final = 100
"""Fields of a record that the contract does not name and that are told apart."""
_OTHER_FIELDS: Final = "…"  # the name that the rest of them goes under
_LONGEST_NAME: Final = 200  # of a field
_DEEPEST: Final = 64  # levels of lists and objects in a value
_TOO_DEEP: Final = "nested too deeply to be kept"

_CONTACT_FIELDS: Final = frozenset(Contact.__slots__) - {"created_at_was_naive", "extra"}
_MESSAGE_FIELDS: Final = frozenset(Message.__slots__) - {"timestamp_was_naive", "sender", "extra"} | {"operator_email"}
_CAMPAIGN_FIELDS: Final = frozenset(Campaign.__slots__) - {"created_at_was_naive", "scheduled_at_was_naive", "extra"}
_FIELD_FIELDS: Final = frozenset(CustomField.__slots__) - {"extra"}
_VALUE_FIELDS: Final = frozenset(CustomFieldValue.__slots__) - {"extra"}
_METRICS: Final = ("total_recipients", "delivered", "read", "replied", "failed")
_RATES: Final = ("delivery_rate", "read_rate", "reply_rate")
# Who sent a message, under the names it may come beside `operator_email`; the first that is there is the sender.
_OTHER_SENDERS: Final = ("agentId", "agent_id", "operator_id", "agent_email")
_DIRECTIONS: Final = frozenset({"inbound", "outbound"})


def _rest(raw: Mapping[str, Any], known: frozenset[str]) -> Extra:
    """Collect what the contract does not name."""
    return {} if raw.keys() <= known else {name: value for name, value in raw.items() if name not in known}


def _keep(extra: Extra, raw: Mapping[str, Any], name: str) -> None:
    """Keep a declared field whose value could not be converted; an absent one leaves nothing to keep."""
    value = raw.get(name)
    if value is not None and value != "":
        extra[name] = value


def _instant_field(
    extra: Extra, raw: Mapping[str, Any], name: str, *, before: dt.datetime, believed: Believable
) -> tuple[dt.datetime | None, bool]:
    """Read an instant that may be absent. One that is not believed counts as absent, and its text is kept."""
    value = raw.get(name)
    if value is None:
        return None, False
    parsed = parse_timestamp(value)
    if parsed is None or not believed.since <= parsed[0] < before:
        _keep(extra, raw, name)
        return None, False
    if not is_exact(value):
        _keep(extra, raw, name)
    return parsed


def _field(extra: Extra, raw: Mapping[str, Any], name: str, parse: Callable[[object], T | None]) -> T | None:
    value = raw.get(name)
    if value is None:
        return None
    parsed = parse(value)
    if parsed is None:
        _keep(extra, raw, name)
    return parsed


def _text_field(extra: Extra, raw: Mapping[str, Any], name: str) -> str | None:
    """Read a text, cut to a readable length."""
    return _shortened(extra, raw, name, _field(extra, raw, name, parse_text), longest=LONGEST_TEXT)


def _shortened(extra: Extra, raw: Mapping[str, Any], name: str, text: str | None, *, longest: int) -> str | None:
    if text is None or len(text) <= longest:
        return text
    _keep(extra, raw, name)
    return _cut(text, longest)


def _cut(text: str, longest: int) -> str:
    return text if len(text) <= longest else text[: longest - 1] + "…"


def _bound(extra: Extra) -> None:
    """Cut what is too long, too deep or too many for a row. A value that is cut says how long it was."""
    for name in list(extra)[MOST_EXTRA:]:
        extra.setdefault(_OTHER_FIELDS, []).append([name, extra.pop(name)])
    for name, value in list(extra.items()):
        if len(name) > _LONGEST_NAME:
            extra[_cut(name, _LONGEST_NAME)] = extra.pop(name)
        if isinstance(value, (str, list, dict)):
            extra[_cut(name, _LONGEST_NAME)] = _bounded(value)


def _bounded(value: str | list[Any] | dict[str, Any]) -> Any:  # noqa: ANN401 - a JSON value
    if isinstance(value, str):
        text = value
    elif _is_deep(value):
        return _TOO_DEEP
    else:
        text = json.dumps(value, ensure_ascii=False)
    if len(text) <= LONGEST_EXTRA:
        return value
    return {"cut": _cut(text, LONGEST_EXTRA), "characters": len(text)}


def _is_deep(value: object) -> bool:
    """Whether lists and objects stand inside each other more than _DEEPEST times; without a call for each level."""
    level: list[Any] = [value]
    for _ in range(_DEEPEST):
        level = [
            inner
            for one in level
            for inner in (one.values() if isinstance(one, dict) else one)
            if isinstance(inner, (list, dict))
        ]
        if not level:
            return False
    return True


def reject(reason: str, raw: object, record_id: str | None = None) -> Rejected:
    """Refuse a record, keeping its JSON text; one that UTF-8 cannot hold is kept as the JSON text of its JSON text."""
    if isinstance(raw, (list, dict)) and _is_deep(raw):
        return Rejected(reason=reason, raw=json.dumps(_TOO_DEEP), record_id=record_id)
    text = json.dumps(raw, ensure_ascii=False)
    if LONE_SURROGATE.search(text):
        text = json.dumps(json.dumps(raw))
    if len(text) > LONGEST_REJECTED:
        text = json.dumps(_cut(text, LONGEST_REJECTED), ensure_ascii=False)  # JSON all the same
    return Rejected(reason=reason, raw=text, record_id=record_id)


# Records.


def _key_of(raw: Any, name: str) -> str | Rejected:  # noqa: ANN401 - whatever JSON came
    """Give a record's key; without one it is rejected."""
    if type(raw) is not dict:
        return reject("not an object", raw)
    return parse_id(raw.get(name)) or reject(f"no {name}", raw)


def parse_message(raw: Any, believed: Believable) -> Message | Rejected:  # noqa: ANN401 - whatever JSON came
    """Read one message; without key, believable timestamp or known direction it is rejected."""
    if type(raw) is not dict:
        return reject("not an object", raw)
    get = raw.get
    message_id = get("message_id")
    if type(message_id) is not str or not message_id or message_id.isspace() or len(message_id) > LONGEST_ID:
        message_id = parse_id(message_id)
        if message_id is None:
            return reject("no message_id", raw)
    stamp = get("timestamp")
    moment = parse_timestamp(stamp)
    if moment is None:
        return reject("no usable timestamp", raw, message_id)
    if not believed.since <= moment[0] < believed.until:
        return reject("timestamp out of range", raw, message_id)
    direction = get("direction")
    if type(direction) is not str or direction not in _DIRECTIONS:
        direction = parse_direction(direction)
        if direction is None:
            return reject("unknown direction", raw, message_id)
    extra = {} if raw.keys() <= _MESSAGE_FIELDS else _rest(raw, _MESSAGE_FIELDS)
    sender = None if get("operator_email") is None else _field(extra, raw, "operator_email", parse_id)
    if extra and sender is None:
        for name in _OTHER_SENDERS:
            if sender := parse_id(extra.get(name)):
                del extra[name]
                break
    if (type(stamp) is not str or len(stamp) > _EXACT_STAMP or stamp[4:5] != "-") and not is_exact(stamp):
        extra["timestamp"] = stamp
    kind, content, status = get("type"), get("content"), get("status")
    if type(content) is not str:
        content = _field(extra, raw, "content", parse_text)
    elif len(content) > LONGEST_CONTENT:
        extra["content"] = {"characters": len(content)}  # the text itself may not be kept where texts are not
        content = _cut(content, LONGEST_CONTENT)
    # The usual values are lower-case words already: `islower` is a third of the price of strip and lower.
    if type(kind) is not str or not kind.islower() or len(kind) > LONGEST_WORD:
        kind = _field(extra, raw, "type", parse_enum)
    if type(status) is not str or not status.islower() or len(status) > LONGEST_WORD:
        status = _field(extra, raw, "status", parse_enum)
    return Message(message_id, kind, content or None, direction, status, moment[0], moment[1], sender, extra)


def parse_contact(raw: Any, believed: Believable) -> Contact | Rejected:  # noqa: ANN401
    """Read one contact; without `chat_id` it is rejected."""
    chat_id = _key_of(raw, "chat_id")
    if isinstance(chat_id, Rejected):
        return chat_id
    extra = _rest(raw, _CONTACT_FIELDS)
    created_at, naive = _instant_field(extra, raw, "created_at", before=believed.created_before, believed=believed)
    number = _field(extra, raw, "whatsapp_number", parse_number)
    if number is not None and number != parse_text(raw["whatsapp_number"]):
        _keep(extra, raw, "whatsapp_number")
    return Contact(
        chat_id=chat_id,
        whatsapp_number=_shortened(extra, raw, "whatsapp_number", number, longest=LONGEST_TEXT),
        email=_text_field(extra, raw, "email"),
        name=_text_field(extra, raw, "name"),
        custom_fields=_custom_fields(extra, raw.get("custom_fields")),
        status=_field(extra, raw, "status", parse_enum),
        created_at=created_at,
        created_at_was_naive=naive,
        extra=extra,
    )


def _custom_fields(extra: Extra, value: object) -> dict[str, str | list[str]]:
    """Read text to text, or to a list of texts, out of an object or a list of names and values.

    Numbers and true/false become their JSON text, what nests further stays in `extra`.
    """
    fields: dict[str, str | list[str]] = {}
    rest: Extra = {}
    pairs = _pairs_of(value)
    if pairs is None:
        if value:  # absent, null and an empty list all say: none
            extra["custom_fields"] = value
        return {}
    for name, one in pairs:
        texts = [_plain(part) for part in (one if isinstance(one, list) else [one])]
        if None in texts or len(fields) >= MOST_EXTRA or len(name) > _LONGEST_NAME:
            rest[name] = one
            continue
        kept = [_cut(text, LONGEST_TEXT) for text in texts if text]
        if any(text and len(text) > LONGEST_TEXT for text in texts):
            rest[name] = one
        if kept:
            fields[name] = kept if isinstance(one, list) else kept[0]
    if rest:
        extra["custom_fields"] = rest
    return fields


def _plain(value: object) -> str | None:
    """Give a value of a custom field as a text, empty for an absent one; None for what is no plain value."""
    if isinstance(value, str):
        return value
    if isinstance(value, (int, float)):  # true and false among them
        return json.dumps(value)
    return "" if value is None else None


def _pairs_of(value: object) -> list[tuple[str, Any]] | None:
    """Give custom fields by name, out of an object or a list of `{field_name, value}`; None for any other shape."""
    if isinstance(value, dict):
        return list(value.items())
    if not isinstance(value, list) or not value:
        return None
    pairs = []
    for one in value:
        name = next((one[key] for key in ("field_name", "name") if key in one), None) if isinstance(one, dict) else None
        if not isinstance(name, str) or not name or "value" not in one:
            return None
        pairs.append((name, one["value"]))
    return pairs


def parse_campaign(raw: Any, believed: Believable) -> Campaign | Rejected:  # noqa: ANN401
    """Read one campaign; without `campaign_id` it is rejected."""
    campaign_id = _key_of(raw, "campaign_id")
    if isinstance(campaign_id, Rejected):
        return campaign_id
    extra = _rest(raw, _CAMPAIGN_FIELDS)
    created_at, created_naive = _instant_field(
        extra, raw, "created_at", before=believed.created_before, believed=believed
    )
    scheduled_at, scheduled_naive = _instant_field(extra, raw, "scheduled_at", before=believed.until, believed=believed)
    return Campaign(
        campaign_id=campaign_id,
        name=_text_field(extra, raw, "name"),
        status=_field(extra, raw, "status", parse_enum),
        created_at=created_at,
        created_at_was_naive=created_naive,
        scheduled_at=scheduled_at,
        scheduled_at_was_naive=scheduled_naive,
        total_recipients=_field(extra, raw, "total_recipients", parse_int),
        extra=extra,
    )


def parse_report(raw: Mapping[str, Any], *, campaign_id: str) -> CampaignReport | None:
    """Read a report (the object that holds `metrics`); None when it holds no figure at all.

    The metrics are read from `metrics`, and from beside it where a server writes them flat.
    """
    nested = raw.get("metrics")
    metrics: Mapping[str, Any] = nested if isinstance(nested, dict) else raw
    if not any(name in metrics for name in _METRICS):
        return None
    known = {"success", "campaign_id", "name", *_RATES}
    extra = _rest(raw, frozenset(known | ({"metrics"} if metrics is nested else set(_METRICS))))
    odd: Extra = _rest(metrics, frozenset(_METRICS)) if metrics is nested else extra
    report = CampaignReport(
        campaign_id=campaign_id,
        name=_text_field(extra, raw, "name"),
        total_recipients=_field(odd, metrics, "total_recipients", parse_int),
        delivered=_field(odd, metrics, "delivered", parse_int),
        read=_field(odd, metrics, "read", parse_int),
        replied=_field(odd, metrics, "replied", parse_int),
        failed=_field(odd, metrics, "failed", parse_int),
        delivery_rate=_field(extra, raw, "delivery_rate", parse_rate),
        read_rate=_field(extra, raw, "read_rate", parse_rate),
        reply_rate=_field(extra, raw, "reply_rate", parse_rate),
        extra=extra,
    )
    if odd is not extra and odd:
        extra["metrics"] = odd
    _bound(extra)
    return report


def parse_custom_field(raw: Any, _: Believable) -> CustomField | Rejected:  # noqa: ANN401
    """Read one custom field; without `custom_field_id` it is rejected."""
    custom_field_id = _key_of(raw, "custom_field_id")
    if isinstance(custom_field_id, Rejected):
        return custom_field_id
    extra = _rest(raw, _FIELD_FIELDS)
    return CustomField(
        custom_field_id=custom_field_id,
        name=_text_field(extra, raw, "name"),
        type=_field(extra, raw, "type", parse_enum),
        required=_field(extra, raw, "required", parse_flag),
        extra=extra,
    )


def parse_custom_field_value(raw: Any, _: Believable) -> CustomFieldValue | Rejected:  # noqa: ANN401
    """Read a chat's value of one custom field; without `field_id` it is rejected."""
    field_id = _key_of(raw, "field_id")
    if isinstance(field_id, Rejected):
        return field_id
    extra = _rest(raw, _VALUE_FIELDS)
    return CustomFieldValue(
        field_id=field_id,
        field_name=_text_field(extra, raw, "field_name"),
        field_type=_field(extra, raw, "field_type", parse_enum),
        value=_text_field(extra, raw, "value"),
        extra=extra,
    )


def parse_all(
    raws: list[Any], parse: Parser[T], believed: Believable, *, torn: bool = False
) -> tuple[tuple[T, ...], tuple[Rejected, ...]]:
    """Parse the records of one page; gives (kept, rejected), each in the page's order."""
    kept: list[T] = []
    rejected: list[Rejected] = []
    for raw in raws:
        try:
            record = _parse_torn(raw, parse, believed) if torn else parse(raw, believed)
        except RecursionError:
            record = reject("nested too deeply", raw)
        if type(record) is Rejected:
            rejected.append(record)
            continue
        if record.extra:  # type: ignore[union-attr]  # every record has one
            _bound(record.extra)  # type: ignore[union-attr]
        kept.append(record)  # type: ignore[arg-type]
    return tuple(kept), tuple(rejected)


def _parse_torn(raw: object, parse: Parser[T], believed: Believable) -> T | Rejected:
    mended, broken = mend(raw)
    record = parse(mended, believed)
    if isinstance(record, Rejected):
        return reject(record.reason, raw, record.record_id)
    record.extra.update(broken)  # type: ignore[attr-defined]  # every record has one
    return record
