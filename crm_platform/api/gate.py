"""The request gate: nobody sends a request to the CRM without a slot from here.

What belongs here: the gate's protocol and its two kinds. What does not: what to fetch, when to try again (client.py),
the account of what was sent (`ops.fetches`).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol


class Slot(Protocol):
    """The right to send one request."""

    def release(self, headers: Mapping[str, str] | None, status: int | None) -> None:
        """Say that the answer came, with its headers and status, or (None, None) that none will."""


class Gate(Protocol):
    """Whoever hands out slots."""

    def acquire(self, operation: str) -> Slot:
        """Give a slot, perhaps after waiting. Raises RateLimited or QuotaSpent if that would take too long."""


class _OpenSlot:
    def release(self, headers: Mapping[str, str] | None, status: int | None) -> None:
        """Nobody counts."""


class OpenGate:
    """No limit at all: every request passes, none is counted."""

    def __init__(self) -> None:
        self._slot = _OpenSlot()

    def acquire(self, operation: str) -> Slot:  # noqa: ARG002
        """Give a slot at once."""
        return self._slot
