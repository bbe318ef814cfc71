"""How many requests the ledger would let through now.

What belongs here: that question, for metadata and `crm status`. What does not: the ledger (api/gate.py).
"""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

from crm_platform.api import SqliteGate
from crm_platform.ingest.connect import REQUEST_TIMEOUT

if TYPE_CHECKING:
    from crm_platform.settings import Settings


def requests_left(settings: Settings) -> dict[str, int]:
    """Requests that may still start, by `minute` and `day`; a span without a limit is left out."""
    gate = SqliteGate(
        settings.gate_path,
        per_minute=settings.minute_limit,
        per_day=settings.day_limit,
        timeout_seconds=REQUEST_TIMEOUT,
    )
    with contextlib.closing(gate):
        allowance = gate.available()
    return {span: count for span, count in (("minute", allowance.minute), ("day", allowance.day)) if count is not None}
