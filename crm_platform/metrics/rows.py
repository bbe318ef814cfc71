"""Rows that several KPI tables share.

What belongs here: keys and rows that more than one table names, and what is pooled over them. What does not: what one
table alone says.
"""

from __future__ import annotations

from typing import Any, Final

from crm_platform.metrics.campaign_performance.table import CampaignPerformance
from crm_platform.schemas.base import Column, Table
from crm_platform.schemas.figures import Rows

MESSAGE_DAYS: Final = """(
    select days.day as day, coverage_daily.coverage as coverage
    from {{ message_days() }} as days
    join core.coverage_daily as coverage_daily on coverage_daily.day = days.day
)"""
"""Every local day from that of the oldest counted message, with the coverage of its messages."""

CONSISTENT: Final = "coalesce(r.is_consistent, true) and r.delivered is not null"
"""Campaigns whose report says how many got it, and contradicts itself in nothing that it says: rates are pooled over
these alone. A report that lacks another count cannot be called consistent, but nor does it contradict itself.
"""

JUDGED: Final = Rows(
    CampaignPerformance,
    where=CONSISTENT
    + """ and r.total_recipients > 0 and coalesce(r.status, '') not in ('draft', 'scheduled')
        and r.sent_at <= {{ as_of }}""",
    day="{{ local_day('r.sent_at') }}",
)
"""Campaigns that engagement is judged by; a table says by what."""


def delivered_with(rows: Rows, part: str, description: str = "", **options: Any) -> Column:  # noqa: ANN401
    """Declare what the rate of `part` (read, replied) is over: delivered, of the reports that say both."""
    words = description or f"Delivered, of the reports that say {part}, too."
    return rows.sum(words, "delivered", f"{part} is not null", **{"empty": "0", **options})


def rate_of_delivered(rows: Rows, part: str, description: str = "", **options: Any) -> Column:  # noqa: ANN401
    """Declare the rate of `part` (read, replied) per delivered, pooled: over the reports that say both."""
    words = description or f"{part} / delivered, from the sums, over the reports that say both."
    return rows.ratio(words, part, "delivered", good="up", **options)


REPORT_COVERAGE: Final = "{{ report_coverage() }}"
CONTACTS_ACTIVE: Final = "{{ smallest(contact_coverage(), message_coverage(days_before(30), cut_day)) }}"
"""Coverage of what is said of contacts and of their messages of 30 days."""


def message_days_since(first: type[Table]) -> str:
    """SQL: those of MESSAGE_DAYS from the first day of a table's rows on; none where it has no row.

    For what events tell: before the first of them nobody knows whether there was none, or nobody told of it.
    """
    return f"""(
    select days.day as day, days.coverage as coverage
    from {MESSAGE_DAYS} as days
    cross join (select min(day) as first_day from {first.full_name()} having count(*) > 0) as told
    where days.day >= told.first_day
)"""
