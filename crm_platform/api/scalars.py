"""Single values as servers write them: keys, words, whole numbers, telephone numbers, yes and no.

What belongs here: every spelling of one that is read. What does not: which fields hold one (parsing.py), instants
(instants.py).

Each function gives None for what is absent and for what cannot be converted exactly. Callers keep the
second in `extra`.
"""

from __future__ import annotations

import json
import re
from typing import Final

LONGEST_ID: Final = 512
"""Characters of a key; a longer one is none."""
LONGEST_WORD: Final = 64
"""Characters of what may be a number, or the word for a direction, a kind or a status."""

_LARGEST_INT64: Final = 2**63 - 1

# What other systems call a direction, without case, spaces and marks. Each word has one meaning only: `user`, for
# example, is the customer in some systems and the agent in others, so it is not listed.
_SPELLINGS: Final = {
    **dict.fromkeys(
        ("inbound", "in", "i", "incoming", "received", "receive", "fromcontact", "fromcustomer", "fromclient",
         "contact", "customer", "client", "contacttobusiness", "customertobusiness", "usertobusiness", "mo"),
        "inbound",
    ),
    **dict.fromkeys(
        ("outbound", "out", "o", "outgoing", "sent", "send", "tocontact", "tocustomer", "toclient", "fromagent",
         "fromoperator", "frombusiness", "agent", "operator", "business", "businesstocontact", "businesstocustomer",
         "businesstouser", "mt"),
        "outbound",
    ),
}  # fmt: skip
# A whole number with its thousands set apart: 1,234 or 1 234 567; with points only where it cannot be a fraction.
_GROUPED: Final = re.compile(
    r"([+-]?[0-9]{1,3}(?:([,\s'\u2019])[0-9]{3}(?:\2[0-9]{3}){0,5}|(?:\.[0-9]{3}){2,6}))(?:\.0+)?"
)
_PLAIN: Final = re.compile(r"([+-]?[0-9]{1,19})(?:\.0+)?")
_NOT_DIGITS: Final = re.compile(r"[^0-9-]")

# Numbers: what may stand before one, behind one, and between its digits.
_SCHEME: Final = re.compile(r"(?:whatsapp|tel|sms)\s*:\s*|(?:https?://)?wa\.me/", re.IGNORECASE)
_JID: Final = re.compile(r"([0-9]{5,20})(?:[.:_][0-9]{1,5}){0,2}@(c\.us|s\.whatsapp\.net)", re.IGNORECASE)
_BETWEEN: Final = re.compile(r"\(0\)|[\s().\-/\u00a0\u2010-\u2015\u2212\u200b-\u200f\u202a-\u202e\u2066-\u2069]")
_INTERNATIONAL: Final = re.compile(r"\+?[1-9][0-9]{6,12}")
# WhatsApp's own ids of people and groups: digits, but no telephone number. No country has numbers of 14 digits.
_NO_NUMBER: Final = re.compile(
    r"\+?[1-9][0-9]{13,19}|[^@\s]{1,64}@(?:lid|g\.us|broadcast|newsletter|hosted\.lid)", re.IGNORECASE
)


def parse_text(value: object) -> str | None:
    """Keep a text; a whole number becomes its digits; empty is absent; anything else is no text."""
    if type(value) is str:
        return value or None
    return str(value) if type(value) is int else None


def parse_id(value: object) -> str | None:
    """Read a key: a text that is not blank and no longer than a key may be, or a whole number as its digits."""
    text = parse_text(value)
    return (text.strip() or None) if text and len(text) <= LONGEST_ID else None


def parse_enum(value: object) -> str | None:
    """Read an enum value in lower case; a value the contract does not name is kept, but no longer than a word."""
    return (value.strip().lower() or None) if type(value) is str and len(value) <= LONGEST_WORD else None


def parse_direction(value: object) -> str | None:
    """Read who wrote: `inbound` or `outbound`, also in the words of other systems; None for any other."""
    if type(value) is not str or len(value) > LONGEST_WORD:
        return None
    return _SPELLINGS.get("".join(filter(str.isalnum, value.lower())))


def parse_int(value: object) -> int | None:
    """Read a whole number, also from a text (1,234) or a float without a fraction; 64 bits at most."""
    if isinstance(value, str):
        text = value.strip() if len(value) <= LONGEST_WORD else ""
        found = _PLAIN.fullmatch(text) or _GROUPED.fullmatch(text)
        value = int(_NOT_DIGITS.sub("", found[1])) if found else None
    elif isinstance(value, float) and value.is_integer():
        value = int(value)
    if isinstance(value, int) and not isinstance(value, bool) and abs(value) <= _LARGEST_INT64:
        return value
    return None


def parse_number(value: object) -> str | None:
    """Read a WhatsApp number: `+254…` of what holds one in another spelling, None for an id that only looks like one.

    A number without its plus, and a text that is no international number, stay as they came.
    """
    text = parse_text(value)
    if text is None or _INTERNATIONAL.fullmatch(text) or len(text) > LONGEST_WORD:
        return text
    bare = _SCHEME.sub("", text.strip(), count=1).partition(";")[0]
    if jid := _JID.fullmatch(bare):
        bare = jid[1]
    digits = _BETWEEN.sub("", bare).removeprefix("00")
    if _NO_NUMBER.fullmatch(bare) or _NO_NUMBER.fullmatch(digits):
        return None
    return f"+{digits.removeprefix('+')}" if _INTERNATIONAL.fullmatch(digits) else text


def parse_flag(value: object) -> bool | None:
    """Read a yes or no."""
    if isinstance(value, bool):
        return value
    if isinstance(value, str):
        return {"true": True, "false": False, "1": True, "0": False}.get(value.strip().lower())
    return {1: True, 0: False}.get(value) if isinstance(value, int) else None


def parse_rate(value: object) -> str | None:
    """Keep a rate as the API's own text; a bare number keeps its JSON text: 0.98 and 98 cannot be told apart safely."""
    text = json.dumps(value) if type(value) is float else parse_text(value)
    return text if text is None or len(text) <= LONGEST_WORD else None


def digits_of(number: str) -> str:
    """The form that telephone numbers are compared in."""
    return re.sub(r"[^0-9]", "", number)
