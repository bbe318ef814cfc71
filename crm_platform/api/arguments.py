"""Arguments of the client's methods, held to the contract before anything is sent.

What belongs here: what the contract allows in a request, and refusing the rest (`InvalidRequest`). What does not:
sending it (client.py), the same bounds as a shell states them (cli/).
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any, Final

from crm_platform.api.records import Receiver
from crm_platform.errors import FieldProblem, InvalidRequest

LARGEST_PAGE: Final = 100  # records; the contract's limit
SEARCH_FIELDS: Final = ("email", "whatsapp_number", "name")
SEARCH_CONDITIONS: Final = ("contains", "equal to", "starts with", "ends with")
SORTS: Final = ("newest", "oldest")

_E164: Final = re.compile(r"\+?[1-9]\d{6,14}")
_EMAIL: Final = re.compile(r"[^@\s]+@[^@\s]+")


def refuse(field: str, message: str) -> InvalidRequest:
    """Give the error for an argument that the contract does not allow."""
    return InvalidRequest(
        f"nothing was sent: the contract does not allow this {field}", details=[FieldProblem(field, message)]
    )


def checked_id(field: str, value: str) -> str:
    """Give an id that a path may hold."""
    if not value.strip() or value in (".", ".."):
        raise refuse(field, "must name one")
    return value


def checked_text(field: str, value: str) -> str:
    """Give a text that is not blank."""
    if not value.strip():
        raise refuse(field, "must not be empty")
    return value


def checked_choice(field: str, value: str, choices: tuple[str, ...]) -> str:
    """Give one of the words that are allowed."""
    if value not in choices:
        raise refuse(field, f"must be one of: {', '.join(choices)}")
    return value


def checked_number(field: str, value: str) -> str:
    """Give a WhatsApp number in its international form."""
    if not _E164.fullmatch(value):
        raise refuse(field, "must be an international number such as +254712345678")
    return value


def checked_email(field: str, value: str) -> str:
    """Give an e-mail address."""
    if not _EMAIL.fullmatch(value):
        raise refuse(field, "must be an e-mail address")
    return value


def check_page(page: int, limit: int) -> None:
    """Refuse a page that cannot be asked for."""
    if page < 1:
        raise refuse("page", "counts from 1")
    if not 1 <= limit <= LARGEST_PAGE:
        raise refuse("limit", f"must be between 1 and {LARGEST_PAGE}")


def checked_receivers(receivers: Iterable[Receiver]) -> list[dict[str, Any]]:
    """Give the receivers of a campaign, at least one, as a body lists them."""
    listed: list[dict[str, Any]] = []
    for receiver in receivers:
        number = checked_number(f"receivers[{len(listed)}].whatsapp_number", receiver.whatsapp_number)
        variables = {"variables": dict(receiver.variables)} if receiver.variables else {}
        listed.append({"whatsapp_number": number} | variables)
    if not listed:
        raise refuse("receivers", "must name at least one")
    return listed
