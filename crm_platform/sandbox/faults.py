"""Bad answers on purpose.

What belongs here: which requests are hit, how, and what becomes of their responses. What does not: good responses
(`operations.py`), odd records (`shapes.py`). Whether request number n is hit follows from the seed and n alone, so a
failing run can be run again.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Final

from crm_platform.sandbox.chance import derive, mix
from crm_platform.sandbox.records import Record, encode
from crm_platform.sandbox.responses import SandboxResponse, error

_PROXY_PAGE: Final = b"<html><head><title>503 Service Temporarily Unavailable</title></head><body>nginx</body></html>\n"
_BUSY: Final = "The service is busy, try again"
# The places where such a message has been seen.
_FALSE_BODIES: Final[tuple[Record, ...]] = (
    {"success": False, "error": {"message": _BUSY}},
    {"success": False, "message": _BUSY},
    {"success": False, "developer_message": _BUSY},
    {"success": False, "title": _BUSY},
    {"success": False, "data": _BUSY},
)


@dataclass(frozen=True, slots=True)
class Fault:
    """One bad answer.

    kind: a key of `FAULTS`. is_applied: a write takes effect all the same. variant: which of several ways. part: how
    much of the body gets through (0 to 1).
    """

    kind: str
    is_applied: bool
    variant: int
    part: float


class Faults:
    """Chooses. `rate`: share of requests; `kinds`: keys of `FAULTS`, equally likely."""

    def __init__(self, seed: int, *, rate: float, kinds: tuple[str, ...]) -> None:
        self._seed = derive(seed, "faults")
        self._rate = rate if kinds else 0.0
        self._kinds = kinds

    def choose(self, number: int) -> Fault | None:
        """What happens to the n-th request; None: nothing bad."""
        if not self._rate:
            return None
        draw = mix(self._seed ^ number)
        if (draw >> 11) / (1 << 53) >= self._rate:
            return None
        draw = mix(draw)
        kind = self._kinds[draw % len(self._kinds)]
        # 429, 503 and success: false mean clearly that nothing was done. Half an answer means that it was done.
        is_applied = kind == "truncated" or (kind in {"500", "drop"} and bool(draw >> 20 & 1))
        return Fault(kind=kind, is_applied=is_applied, variant=draw >> 24 & 0xFF, part=(draw >> 32 & 0xFF) / 256)


def spoilt(response: SandboxResponse, fault: Fault) -> SandboxResponse:
    """A good response, made bad."""
    if fault.kind in {"429", "429-bare"}:
        limited = _instead(response, 429, error("RATE_LIMITED", "Too many requests"))
        if fault.kind == "429-bare":
            return limited
        return dataclasses.replace(limited, headers=(*limited.headers, ("retry-after", str(1 + fault.variant % 3))))
    if fault.kind == "500":
        return _instead(response, 500, error("INTERNAL_ERROR", "Something went wrong"))
    if fault.kind == "503":
        headers = (("content-type", "text/html"), *response.headers[1:])
        return dataclasses.replace(response, status=503, body=_PROXY_PAGE, headers=headers)
    if fault.kind == "false":
        return _instead(response, 200, _FALSE_BODIES[fault.variant % len(_FALSE_BODIES)])
    part = int(len(response.body) * fault.part * 0.98)  # never the whole
    if fault.kind == "truncated":
        return dataclasses.replace(response, body=response.body[: max(part, 1)])
    return dataclasses.replace(response, cut=part)


def _instead(response: SandboxResponse, status: int, record: Record) -> SandboxResponse:
    return dataclasses.replace(response, status=status, body=encode(record).encode())
