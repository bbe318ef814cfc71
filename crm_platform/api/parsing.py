"""From JSON to records: every odd shape the API was seen to send, read exactly or kept as it came.

What belongs here: pure functions from decoded JSON to records.py. What does not: HTTP, envelopes (envelopes.py), any
meaning beyond the contract. No function here raises on what a server may send: a record that cannot be kept becomes
`Rejected`, so that one bad record never fails a page.

Written by hand because it is the hot path: 160,000 messages pass through here in a full load.
"""

from __future__ import annotations

import datetime as dt
import json
import math
import re
from collections.abc import Callable, Mapping
from typing import Any, Final, TypeAlias, TypeVar

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

T = TypeVar("T")
Parser: TypeAlias = Callable[[Any], "T | Rejected"]

_UTC: Final = dt.UTC
_EPOCH: Final = dt.datetime(1970, 1, 1, tzinfo=_UTC)
# A number below this counts seconds (until the year 5138), from here milliseconds.
_FIRST_MILLISECONDS: Final = 10**11
_EPOCH_TEXT: Final = re.compile(r"[0-9]{9,14}(\.[0-9]+)?")
# Digits that a datetime (microseconds) cannot hold.
_TOO_FINE: Final = re.compile(r"[.,]\d{6}\d*[1-9]")
_EXACT_STAMP: Final = 26  # characters of a timestamp without a seventh digit of a second's fraction
_LARGEST_INT64: Final = 2**63 - 1
_LONE_SURROGATE: Final = re.compile("[\ud800-\udfff]")

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


# Scalars. Each gives None for "absent" and for "cannot be converted exactly"; callers keep the second in `extra`.


def parse_timestamp(value: object) -> tuple[dt.datetime, bool] | None:
    """Read ISO 8601 (any zone, none = UTC), epoch seconds or milliseconds; gives (UTC, came without a zone)."""
    if isinstance(value, str):
        if value[4:5] == "-":  # 2026-…, the usual case
            return _iso(value.strip())
        text = value.strip()
        if not _EPOCH_TEXT.fullmatch(text):
            return _iso(text)
        number: float = float(text) if "." in text else int(text)
    elif isinstance(value, (int, float)) and not isinstance(value, bool):
        number = value
    else:
        return None
    if not 0 < number < _FIRST_MILLISECONDS * 1000:
        return None
    per_second = 1000 if number >= _FIRST_MILLISECONDS else 1
    try:
        return _EPOCH + dt.timedelta(microseconds=round(number * (1_000_000 // per_second))), False
    except OverflowError:
        return None


def _iso(text: str) -> tuple[dt.datetime, bool] | None:
    try:
        moment = dt.datetime.fromisoformat(text[:-1] + "Z" if text.endswith("z") else text)
        if moment.tzinfo is None:
            return moment.replace(tzinfo=_UTC), True
        # `Z` gives the very object dt.UTC: the usual case skips the conversion.
        return (moment if moment.tzinfo is _UTC else moment.astimezone(_UTC)), False
    except (ValueError, OverflowError):
        return None


def _is_exact(value: object) -> bool:
    # The seventh digit of a second's fraction is the 27th character of the usual form.
    if not isinstance(value, str) or len(value) <= _EXACT_STAMP or (value[4] == "-" and not value[26].isdigit()):
        return True
    return _TOO_FINE.search(value) is None


def parse_text(value: object) -> str | None:
    """Keep a text; a whole number becomes its digits; empty is absent; anything else is no text."""
    if type(value) is str:
        return value or None
    return str(value) if type(value) is int else None


def parse_id(value: object) -> str | None:
    """Read a key: a text that is not blank, or a whole number as its digits."""
    text = parse_text(value)
    return (text.strip() or None) if text else None


def parse_enum(value: object) -> str | None:
    """Read an enum value in lower case; a value the contract does not name is kept."""
    return (value.strip().lower() or None) if type(value) is str else None


def parse_int(value: object) -> int | None:
    """Read a whole number, also from digits in a text or a float without a fraction; 64 bits at most."""
    digits = isinstance(value, str) and re.fullmatch(r"\s*[+-]?[0-9]{1,19}\s*", value)
    if digits or (isinstance(value, float) and value.is_integer()):
        value = int(value)  # type: ignore[call-overload]  # digits or a float
    if isinstance(value, int) and not isinstance(value, bool) and abs(value) <= _LARGEST_INT64:
        return value
    return None


def _parse_flag(value: object) -> bool | None:
    if isinstance(value, bool):
        return value
    if isinstance(value, str):
        return {"true": True, "false": False, "1": True, "0": False}.get(value.strip().lower())
    return {1: True, 0: False}.get(value) if isinstance(value, int) else None


def _parse_rate(value: object) -> str | None:
    # The API's own text; a bare number keeps its JSON text, since 0.98 and 98 cannot be told apart safely.
    return json.dumps(value) if type(value) is float else parse_text(value)


def _rest(raw: Mapping[str, Any], known: frozenset[str]) -> Extra:
    """Collect what the contract does not name."""
    return {} if raw.keys() <= known else {name: value for name, value in raw.items() if name not in known}


def _keep(extra: Extra, raw: Mapping[str, Any], name: str) -> None:
    """Keep a declared field whose value could not be converted; an absent one leaves nothing to keep."""
    value = raw.get(name)
    if value is not None and value != "":
        extra[name] = value


def _timestamp_field(extra: Extra, raw: Mapping[str, Any], name: str) -> tuple[dt.datetime | None, bool]:
    value = raw.get(name)
    if value is None:
        return None, False
    parsed = parse_timestamp(value)
    if parsed is None or not _is_exact(value):
        _keep(extra, raw, name)
    return parsed or (None, False)


def _field(extra: Extra, raw: Mapping[str, Any], name: str, parse: Callable[[object], T | None]) -> T | None:
    value = raw.get(name)
    if value is None:
        return None
    parsed = parse(value)
    if parsed is None:
        _keep(extra, raw, name)
    return parsed


def reject(reason: str, raw: object, record_id: str | None = None) -> Rejected:
    """Refuse a record, keeping its JSON text; one that UTF-8 cannot hold is kept as the JSON text of its JSON text."""
    text = json.dumps(raw, ensure_ascii=False)
    if _LONE_SURROGATE.search(text):
        text = json.dumps(json.dumps(raw))
    return Rejected(reason=reason, raw=text, record_id=record_id)


# Records.


def parse_message(raw: Any) -> Message | Rejected:  # noqa: ANN401 - whatever JSON came
    """Read one message; without key, usable timestamp or known direction it is rejected."""
    if type(raw) is not dict:
        return reject("not an object", raw)
    get = raw.get
    message_id = get("message_id")
    if type(message_id) is not str or not message_id or message_id.isspace():
        message_id = parse_id(message_id)
        if message_id is None:
            return reject("no message_id", raw)
    stamp = get("timestamp")
    moment = parse_timestamp(stamp)
    if moment is None:
        return reject("no usable timestamp", raw, message_id)
    direction = get("direction")
    if type(direction) is not str or direction not in _DIRECTIONS:
        direction = parse_enum(direction)
        if direction not in _DIRECTIONS:
            return reject("unknown direction", raw, message_id)
    extra = {} if raw.keys() <= _MESSAGE_FIELDS else _rest(raw, _MESSAGE_FIELDS)
    sender = None if get("operator_email") is None else _field(extra, raw, "operator_email", parse_id)
    if extra and sender is None:
        for name in _OTHER_SENDERS:
            if sender := parse_id(extra.get(name)):
                del extra[name]
                break
    if type(stamp) is str and len(stamp) > _EXACT_STAMP and not _is_exact(stamp):
        extra["timestamp"] = stamp
    kind, content, status = get("type"), get("content"), get("status")
    if type(content) is not str:
        content = _field(extra, raw, "content", parse_text)
    # The usual values are lower-case words already: `islower` is a third of the price of strip and lower.
    if type(kind) is not str or not kind.islower():
        kind = _field(extra, raw, "type", parse_enum)
    if type(status) is not str or not status.islower():
        status = _field(extra, raw, "status", parse_enum)
    return Message(message_id, kind, content or None, direction, status, moment[0], moment[1], sender, extra)


def parse_contact(raw: Any) -> Contact | Rejected:  # noqa: ANN401
    """Read one contact; without `chat_id` it is rejected."""
    if type(raw) is not dict:
        return reject("not an object", raw)
    chat_id = parse_id(raw.get("chat_id"))
    if chat_id is None:
        return reject("no chat_id", raw)
    extra = _rest(raw, _CONTACT_FIELDS)
    created_at, naive = _timestamp_field(extra, raw, "created_at")
    return Contact(
        chat_id=chat_id,
        whatsapp_number=_field(extra, raw, "whatsapp_number", parse_text),
        email=_field(extra, raw, "email", parse_text),
        name=_field(extra, raw, "name", parse_text),
        custom_fields=_custom_fields(extra, raw.get("custom_fields")),
        status=_field(extra, raw, "status", parse_enum),
        created_at=created_at,
        created_at_was_naive=naive,
        extra=extra,
    )


def _custom_fields(extra: Extra, value: object) -> dict[str, str]:
    """Read text to text; numbers and true/false become their JSON text, what nests stays in `extra`."""
    if not isinstance(value, dict):
        if value:  # absent, null and an empty list all say: none
            extra["custom_fields"] = value
        return {}
    fields: dict[str, str] = {}
    nested: Extra = {}
    for name, one in value.items():
        if isinstance(one, str):
            if one:
                fields[name] = one
        elif isinstance(one, (int, float)):  # true and false among them
            fields[name] = json.dumps(one)
        elif one is not None:
            nested[name] = one
    if nested:
        extra["custom_fields"] = nested
    return fields


def parse_campaign(raw: Any) -> Campaign | Rejected:  # noqa: ANN401
    """Read one campaign; without `campaign_id` it is rejected."""
    if type(raw) is not dict:
        return reject("not an object", raw)
    campaign_id = parse_id(raw.get("campaign_id"))
    if campaign_id is None:
        return reject("no campaign_id", raw)
    extra = _rest(raw, _CAMPAIGN_FIELDS)
    created_at, created_naive = _timestamp_field(extra, raw, "created_at")
    scheduled_at, scheduled_naive = _timestamp_field(extra, raw, "scheduled_at")
    return Campaign(
        campaign_id=campaign_id,
        name=_field(extra, raw, "name", parse_text),
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
        name=_field(extra, raw, "name", parse_text),
        total_recipients=_field(odd, metrics, "total_recipients", parse_int),
        delivered=_field(odd, metrics, "delivered", parse_int),
        read=_field(odd, metrics, "read", parse_int),
        replied=_field(odd, metrics, "replied", parse_int),
        failed=_field(odd, metrics, "failed", parse_int),
        delivery_rate=_field(extra, raw, "delivery_rate", _parse_rate),
        read_rate=_field(extra, raw, "read_rate", _parse_rate),
        reply_rate=_field(extra, raw, "reply_rate", _parse_rate),
        extra=extra,
    )
    if odd is not extra and odd:
        extra["metrics"] = odd
    return report


def parse_custom_field(raw: Any) -> CustomField | Rejected:  # noqa: ANN401
    """Read one custom field; without `custom_field_id` it is rejected."""
    if type(raw) is not dict:
        return reject("not an object", raw)
    custom_field_id = parse_id(raw.get("custom_field_id"))
    if custom_field_id is None:
        return reject("no custom_field_id", raw)
    extra = _rest(raw, _FIELD_FIELDS)
    return CustomField(
        custom_field_id=custom_field_id,
        name=_field(extra, raw, "name", parse_text),
        type=_field(extra, raw, "type", parse_enum),
        required=_field(extra, raw, "required", _parse_flag),
        extra=extra,
    )


def parse_custom_field_value(raw: Any) -> CustomFieldValue | Rejected:  # noqa: ANN401
    """Read a chat's value of one custom field; without `field_id` it is rejected."""
    if type(raw) is not dict:
        return reject("not an object", raw)
    field_id = parse_id(raw.get("field_id"))
    if field_id is None:
        return reject("no field_id", raw)
    extra = _rest(raw, _VALUE_FIELDS)
    return CustomFieldValue(
        field_id=field_id,
        field_name=_field(extra, raw, "field_name", parse_text),
        field_type=_field(extra, raw, "field_type", parse_enum),
        value=_field(extra, raw, "value", parse_text),
        extra=extra,
    )


# Documents.


def _number(text: str) -> float | str:
    # 1e400 would become infinity, which JSON cannot say again: such a number stays a text.
    number = float(text)
    return number if math.isfinite(number) else text


_DECODER: Final = json.JSONDecoder(parse_float=_number, parse_constant=str)


def decode(body: bytes) -> tuple[Any, bool]:
    """Decode a body; the second value says that a text in it may hold what UTF-8 cannot (see `mend`).

    A broken byte inside a text does not make the document unreadable. Raises ValueError when it is not JSON.
    """
    try:
        text, suspect = body.decode(), b"\\ud" in body or b"\\uD" in body
    except UnicodeDecodeError:
        text, suspect = body.decode(errors="surrogateescape"), True
    try:
        document = _DECODER.decode(text.removeprefix("\ufeff"))
    except RecursionError:
        raise ValueError("nested too deeply") from None
    return document, suspect and _is_torn(document)


def _is_torn(document: object) -> bool:
    try:
        json.dumps(document, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        return True
    return False


def mend(record: object) -> tuple[Any, Extra]:
    """Replace what UTF-8 cannot hold by U+FFFD; gives the JSON text of each field that was changed, by name."""
    if not isinstance(record, dict) or not _is_torn(record):
        return _mended(record), {}
    broken = {_mended(name): json.dumps(value) for name, value in record.items() if _is_torn({name: value})}
    return _mended(record), broken


def _mended(value: Any) -> Any:  # noqa: ANN401
    if isinstance(value, str):
        return _LONE_SURROGATE.sub("\ufffd", value)
    if isinstance(value, list):
        return [_mended(one) for one in value]
    if isinstance(value, dict):
        return {_mended(name): _mended(one) for name, one in value.items()}
    return value


def parse_all(raws: list[Any], parse: Parser[T], *, torn: bool = False) -> tuple[tuple[T, ...], tuple[Rejected, ...]]:
    """Parse the records of one page; gives (kept, rejected), each in the page's order."""
    kept: list[T] = []
    rejected: list[Rejected] = []
    for raw in raws:
        if torn:
            mended, broken = mend(raw)
            record = parse(mended)
            if isinstance(record, Rejected):
                record = reject(record.reason, raw, record.record_id)
            elif broken:
                record.extra.update(broken)  # type: ignore[attr-defined]  # every record has one
        else:
            record = parse(raw)
        if type(record) is Rejected:
            rejected.append(record)
        else:
            kept.append(record)  # type: ignore[arg-type]
    return tuple(kept), tuple(rejected)
