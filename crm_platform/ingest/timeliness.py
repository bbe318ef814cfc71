"""How timely the crawl is: how late messages were found, how late they had to be, how far the estimates are right.

What belongs here: figures about the crawl itself. What does not: KPIs, and what the crawl does next.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from crm_platform.ingest.planner import AuditSummary, CrawlPlanner
    from crm_platform.warehouse import Warehouse

# A message counts where its chat had been looked at before it was sent: history read late was not found late.
_FOUND = """
    select messages.timestamp as sent_at, messages.first_fetched_at as found_at
    from raw.messages as messages
    join (select chat_id, min(first_fetched_at) as known_since from raw.messages group by chat_id) as chats
        on chats.chat_id = messages.chat_id
    where messages.first_fetched_at >= ? and messages.timestamp > chats.known_since and not messages.is_future_dated
"""

_VISITS = """
    select count(*) as visits
    from ops.fetches
    where operation = 'list_messages' and sort = 'newest' and page = 1 and outcome = 'ok' and started_at >= ?
"""


@dataclass(frozen=True, slots=True)
class Timeliness:
    """The crawl's last 24 hours.

    `delay_hours`: mean time from a message to its first fetch. `least_delay_hours`: the least mean that any schedule
    of as many visits reaches at the rates learnt, (Σ√λ)² / (2 B Σλ). `audit`: what visits drawn at random found against
    what was expected of them. `advice`: another mode that would serve better, if one would. None: not known.
    """

    visits: int
    delay_hours: float | None
    least_delay_hours: float | None
    audit: AuditSummary
    advice: str | None

    def metrics(self) -> dict[str, float | int | str]:
        """The figures that are known, by name, for a run's metadata."""
        audit = self.audit
        figures = {
            "delay_hours": self.delay_hours,
            "least_delay_hours": self.least_delay_hours,
            "audit_ratio": audit.ratio,
            "audit_ratio_low": audit.low,
            "audit_ratio_high": audit.high,
        }
        return {name: value for name, value in figures.items() if value is not None}


def timeliness(warehouse: Warehouse, planner: CrawlPlanner, *, at: datetime) -> Timeliness:
    """Say how timely the crawl has been, as of `at`."""
    since = (at - timedelta(days=1)).astimezone(UTC).replace(tzinfo=None)
    with warehouse.reading() as session:
        visits = session.query(_VISITS, [since])["visits"].to_pylist()[0]
        delays = session.query(_FOUND, [since])
    found_after = [
        max(found_at - sent_at, timedelta(0)) / timedelta(hours=1)  # their clock may be a little ahead of ours
        for sent_at, found_at in zip(delays["sent_at"].to_pylist(), delays["found_at"].to_pylist(), strict=True)
    ]
    return Timeliness(
        visits=visits,
        delay_hours=sum(found_after) / len(found_after) if found_after else None,
        least_delay_hours=planner.optimal_delay_hours(at, visits_per_day=visits),
        audit=planner.audit(),
        advice=planner.advice(),
    )
