"""Reading a build's cut from text.

What belongs here: what counts as a cut. What does not: freezing the rows known by it.
"""

from __future__ import annotations

from datetime import UTC, datetime

from crm_platform.errors import FixConfiguration


def parse_as_of(text: str | None, *, now: datetime) -> datetime | None:
    """Read a cut, `2026-11-20T02:00:00+03:00`; nothing gives None, the start of the build. Aware, in UTC.

    Raises FixConfiguration on what is no time, has no offset, or is still to come after `now` (aware).
    """
    if text is None or not text.strip():
        return None
    try:
        as_of = datetime.fromisoformat(text.strip())
    except ValueError:
        raise FixConfiguration(
            f"as_of is {text!r}; write a time as ISO 8601 with an offset, such as 2026-11-20T02:00:00+03:00"
        ) from None
    if as_of.tzinfo is None:
        raise FixConfiguration(f"as_of is {text!r}, without an offset; add Z for UTC or +03:00 for Nairobi")
    if as_of > now:
        raise FixConfiguration(f"as_of is {text!r}, which is still to come; the newest cut there is, is now")
    return as_of.astimezone(UTC)
