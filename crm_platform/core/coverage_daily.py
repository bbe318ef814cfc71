"""core.coverage_daily: its declaration; the SQL that fills it stands beside it."""

from __future__ import annotations

from crm_platform.schemas.base import CoreTable, count, date, number, rate


class CoverageDaily(CoreTable):
    """How much of the messages of each local day is stored, templates out of all."""

    key = ("day",)

    day = date("Local day.")
    stored = count("Counted messages stored.")
    expected_unseen = number(
        "Messages that the planner expects to exist unseen; NULL when not known.",
        nullable=True,
        minimum=0,
        unit="messages",
    )
    history_remainder = count(
        "Known older messages of chats whose oldest stored message is later than the day's start."
    )
    coverage = rate("stored / (stored + expected unseen + remainder).")
