"""The refusal that routes and the guard raise.

What belongs here: what a refusal says of itself. What does not: how it is answered (problems.py), deciding to refuse.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from starlette.exceptions import HTTPException

_NOTHING: Mapping[str, str] = MappingProxyType({})


class Refused(HTTPException):
    """A request ends here.

    `code`: a word for programs, and for what people read (problems.py, with `places` filled); `message`: what is wrong;
    `hint`: what to do instead.
    """

    def __init__(
        self,
        status: int,
        code: str,
        message: str,
        *,
        hint: str = "",
        headers: Mapping[str, str] | None = None,
        places: Mapping[str, str] = _NOTHING,
    ) -> None:
        super().__init__(status, message, dict(headers or {}))
        self.code = code
        self.hint = hint
        self.places = places
