"""How many requests the ledger would let through now, and until when none.

What belongs here: these questions, for metadata and `crm status`. What does not: the ledger (api/ledger.py).
"""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

from crm_platform.errors import CrmPlatformError
from crm_platform.ingest.connect import open_gate

if TYPE_CHECKING:
    from crm_platform.api import Closed
    from crm_platform.settings import Settings


def requests_left(settings: Settings) -> dict[str, int]:
    """Requests that may still start, by `minute` and `day`; a span without a limit is left out."""
    with contextlib.closing(open_gate(settings)) as gate:
        allowance = gate.available()
    return {span: count for span, count in (("minute", allowance.minute), ("day", allowance.day)) if count is not None}


def requests_known_left(settings: Settings) -> dict[str, int]:
    """The same, as far as the ledger can be read: what was fetched counts without it."""
    try:
        return requests_left(settings)
    except CrmPlatformError:
        return {}


def closed(settings: Settings) -> Closed | None:
    """Until when the ledger lets nobody through, and why; None while it is open."""
    with contextlib.closing(open_gate(settings)) as gate:
        return gate.closed()
