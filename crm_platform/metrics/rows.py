"""Rows that several KPI tables share.

What belongs here: keys and rows that more than one table names. What does not: what one table alone says.
"""

from __future__ import annotations

from typing import Final

from crm_platform.metrics.campaign_performance.table import CampaignPerformance
from crm_platform.schemas.figures import Rows

MESSAGE_DAYS: Final = """(
    select days.day as day, coverage_daily.coverage as coverage
    from {{ message_days() }} as days
    join core.coverage_daily as coverage_daily on coverage_daily.day = days.day
)"""
"""Every local day from that of the oldest counted message, with the coverage of its messages."""

JUDGED: Final = Rows(
    CampaignPerformance,
    where="""r.is_consistent and r.total_recipients > 0 and coalesce(r.status, '') not in ('draft', 'scheduled')
        and r.sent_at <= {{ as_of }}""",
    day="{{ local_day('r.sent_at') }}",
)
"""Campaigns that engagement is judged by; a table says by what."""

REPORT_COVERAGE: Final = "{{ report_coverage() }}"
CONTACTS_ACTIVE: Final = "{{ smallest(contact_coverage(), message_coverage(days_before(30), cut_day)) }}"
"""Coverage of what is said of contacts and of their messages of 30 days."""
