"""What a request is answered with.

What belongs here: the response, and the refusals that end a request early. What does not: what an operation gives
(`operations.py`), spoiling a good response (`faults.py`), sending it (`server.py`).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final, NoReturn, TypeAlias

from crm_platform.sandbox.records import Record

Headers: TypeAlias = tuple[tuple[str, str], ...]

JSON: Final = ("content-type", "application/json")


@dataclass(frozen=True, slots=True)
class SandboxResponse:
    """What to send.

    delay: seconds to wait before it. cut: send only so many bytes of the body and then close the connection (None: all
    of it). chunks: the body of a long response, in place of `body`.
    """

    status: int
    body: bytes
    headers: Headers = (JSON,)
    delay: float = 0.0
    cut: int | None = None
    chunks: Iterator[bytes] | None = None


class RequestRefused(Exception):
    """The request ends with this status and body."""

    def __init__(self, status: int, body: Record, headers: Headers = ()) -> None:
        super().__init__(status)
        self.status = status
        self.body = body
        self.headers = headers


def error(code: str, message: str, details: Sequence[tuple[str, str]] = ()) -> Record:
    """The contract's envelope of an error; `details`: fields, and what is wrong with each."""
    said: Record = {"code": code, "message": message}
    if details:
        said["details"] = [{"field": field, "message": problem} for field, problem in details]
    return {"success": False, "error": said}


def invalid(*details: tuple[str, str]) -> NoReturn:
    """End the request with a 422 that names each field and what is wrong with it."""
    raise RequestRefused(422, error("VALIDATION_ERROR", "The request is not valid", details))


def missing(what: str) -> NoReturn:
    """End the request with a 404."""
    raise RequestRefused(404, error("NOT_FOUND", f"{what} not found"))
