"""What a run says of its work: how far it has come, and what it did for each raw table.

What belongs here: the figures that runs report. What does not: how they come about (crawler.py), how they are shown
(cli/, defs/).
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from crm_platform.api import Page
    from crm_platform.schemas import RawTable


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a stage has come. `total` and `requests_left` are None where they are not known or not limited.

    `coverage`: share of the messages that are thought to exist that is stored; `seconds_to_whole`: until every history
    is whole at the present pace. Both are None where they are not known. `is_waiting`: nothing comes at the moment, and
    all that came is committed: a good moment for other work.
    """

    stage: str
    done: int
    total: int | None
    requests: int
    messages: int
    requests_left: int | None = None
    coverage: float | None = None
    seconds_to_whole: float | None = None
    is_waiting: bool = False


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a run did for one raw table. `remaining`: what is still missing and why, empty when nothing is."""

    table: type[RawTable]
    inserted: int
    updated: int
    unchanged: int
    rejected: int
    requests: int
    started_at: datetime
    finished_at: datetime
    seconds_throttled: float
    remaining: str
    metrics: dict[str, float | int | str]


@dataclass(slots=True)
class Account:
    """What has been done for one raw table so far."""

    requests: int = 0
    kept: int = 0
    rejected: int = 0
    seconds_throttled: float = 0.0
    remaining: str = ""
    metrics: dict[str, float | int | str] = field(default_factory=dict)
    reasons: Counter[str] = field(default_factory=Counter)

    def took(self, page: Page[Any]) -> None:
        """Count a page's records, kept and rejected."""
        self.kept += len(page.records)
        self.rejected += len(page.rejected)
        self.reasons.update(one.reason for one in page.rejected)
