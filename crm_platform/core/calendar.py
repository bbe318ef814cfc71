"""core.calendar: its declaration; a build's freeze fills it."""

from __future__ import annotations

from crm_platform.languages import N_, NN_
from crm_platform.schemas.base import CoreTable, date, timestamp


class Calendar(CoreTable):
    """Local days, from the oldest that a figure speaks of (and at least 100 days back) to that of the cut."""

    key = ("day",)
    row_words = NN_("1 day", "{n} days")
    rules = ("starts_at <= ends_at",)

    day = date("Local day.", label=N_("Day"))
    starts_at = timestamp("Its first instant.")
    ends_at = timestamp(
        "The first instant of the next day: 23 or 25 hours later where clocks change, 0 where a zone skipped the day."
    )
