"""kpi.message_volume_hourly: its figures, and the messages that they count."""

from __future__ import annotations

from crm_platform.core import Messages
from crm_platform.languages import N_
from crm_platform.schemas.base import KpiTable, hour_of_day, weekday
from crm_platform.schemas.figures import Rows

RECENT = Rows(
    Messages,
    by={"weekday": "{{ weekday(local_day('r.timestamp')) }}", "hour": "{{ local_hour('r.timestamp') }}"},
    where="""r.is_counted and coalesce(r.status, '') <> 'failed'
        and r.timestamp >= {{ start_of_day(84) }} and r.timestamp < {{ start_of_day(0) }}""",
    lists=("timestamp",),
)


class MessageVolumeHourly(KpiTable):
    """Messages by weekday and hour over the last 84 complete local days: 12 of each weekday. Failed ones are out."""

    key = ("weekday", "hour")
    version = 2
    pillar = "operations"
    keys = "{{ hours_of_week() }}"
    seen = "{{ message_coverage(days_before(84), cut_day) }}"

    weekday = weekday()
    hour = hour_of_day()
    inbound = RECENT.count("Messages from contacts.", "direction = 'inbound'", label=N_("Messages from contacts"))
    # What we send has no origin.
    replies = RECENT.count("Replies.", "is_reply", label=N_("Replies"), not_by=("origin",))
    templates = RECENT.count("Templates.", "is_template", label=N_("Templates"), not_by=("origin",))
