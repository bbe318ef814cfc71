"""core.clock: its declaration; a build's freeze fills it."""

from __future__ import annotations

from crm_platform.schemas.base import CoreTable, integer, timestamp


class Clock(CoreTable):
    """How far local clocks are ahead of UTC, from 2000 on: the one source of every local day and hour.

    A row is a stretch of one offset; the stretches follow each other and end five to fifteen years after the cut. They
    come from the pinned `tzdata` package, for SQL, Python and pages.
    """

    key = ("from_at",)
    rules = ("from_at < until_at",)

    from_at = timestamp("First instant of the stretch.")
    until_at = timestamp("First instant after it: the next row's `from_at`.")
    utc_offset_seconds = integer(
        "Seconds to add to an instant for what local clocks show.", minimum=-86399, maximum=86399, unit="s"
    )
