"""Which operation a request asks for.

What belongs here: finding the operation of a method and a path, and the paths beside the contract. What does not: the
contract's own (`operations.py`), a request's other arguments (`arguments.py`).
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final, NoReturn

from crm_platform.sandbox.operations import OPERATIONS
from crm_platform.sandbox.responses import RequestRefused, error

# Beside the contract, for tests: they need the key too, and are in no limit, fault or statistic.
EXTRAS: Final[dict[str, tuple[str, str]]] = {
    "truth": ("GET", "/sandbox/truth"),
    "events": ("GET", "/sandbox/events"),
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
