"""core.business_hours: its declaration; a build's freeze fills it."""

from __future__ import annotations

from crm_platform.schemas.base import CoreTable, date, integer, seconds, timestamp


class BusinessHours(CoreTable):
    """Business hours of each day of the calendar; a day without any has one empty stretch. No rows if none are kept."""

    key = ("day", "stretch")
    is_published = False
    rules = ("opens_at <= closes_at",)

    day = date("Local day.")
    stretch = integer("1 for the day's first stretch.", minimum=1)
    opens_at = timestamp("When it begins.")
    closes_at = timestamp("When it ends.")
    seconds_before = seconds(
        "Business seconds of all earlier days, on the day's first stretch; 0 on the others.", nullable=False
    )
