"""ETags: whether a client already has what it asks for.

What belongs here: making and comparing tags. What does not: what they stand for.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from starlette.requests import Request


def tag(*parts: str) -> str:
    """A weak ETag (an answer may be compressed on its way) of what decides an answer."""
    joined = "\0".join(parts).encode("utf-8", "surrogatepass")
    return f'W/"{hashlib.sha256(joined).hexdigest()[:24]}"'


def is_known(request: Request, etag: str) -> bool:
    """Whether If-None-Match names this tag, or any."""
    given = [one.strip() for one in request.headers.get("if-none-match", "").split(",")]
    return "*" in given or etag.removeprefix("W/") in {one.removeprefix("W/") for one in given}
