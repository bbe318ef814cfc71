"""Which operation a request asks for.

What belongs here: the paths, and finding the operation of a method and a path. What does not: what an operation does
(`operations.py`), its other arguments (`arguments.py`).
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final, NoReturn

from crm_platform.sandbox.responses import RequestRefused, error

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

UNKNOWN: Final = "unknown"  # what the statistics call a request that is for none of them

_ROUTES: Final = [
    (operation, method, re.compile(re.sub(r"{\w+}", "([^/]*)", path)))
    for operation, (method, path) in (OPERATIONS | EXTRAS).items()
]


def route(method: str, path: str) -> tuple[str, tuple[str, ...]]:
    """Find the operation and its path arguments. For none: UNKNOWN, and the methods that this path has."""
    methods = set()
    for operation, own_method, pattern in _ROUTES:
        if (found := pattern.fullmatch(path)) is not None:
            if own_method == method:
                return operation, found.groups()
            methods.add(own_method)
    return UNKNOWN, tuple(sorted(methods))


def refuse_unknown(method: str, allowed: Iterable[str]) -> NoReturn:
    """End a request that is for no operation; `allowed`: the methods that its path has."""
    if methods := ", ".join(allowed):
        raise RequestRefused(405, error("METHOD_NOT_ALLOWED", f"{method} is not allowed here"), (("allow", methods),))
    raise RequestRefused(404, error("NOT_FOUND", "There is no such path"))
