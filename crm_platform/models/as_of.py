"""Reading a build's cut from text.

What belongs here: what counts as a cut. What does not: freezing the rows known by it.
"""

from __future__ import annotations

from datetime import UTC, datetime

from crm_platform.errors import FixConfiguration, quoted

_EARLIEST = datetime(2000, 1, 1, tzinfo=UTC)  # nothing that a CRM of this kind holds is older


def parse_as_of(text: str | None, *, now: datetime) -> datetime | None:
    """Read a cut, `2026-11-20T02:00:00+03:00`; nothing gives None, the start of the build. Aware, in UTC.

    Raises FixConfiguration on what is no time, has no offset, is older than any data, or is still to come after `now`
    (aware).
    """
    if text is None or not text.strip():
        return None
    try:
        as_of = datetime.fromisoformat(text.strip())
    except ValueError:
        raise FixConfiguration(
            f"as_of is {quoted(text)}; write a time as ISO 8601 with an offset, such as 2026-11-20T02:00:00+03:00"
        ) from None
    if as_of.tzinfo is None:
        raise FixConfiguration(f"as_of is {quoted(text)}, without an offset; add Z for UTC or +03:00 for Nairobi")
    if as_of < _EARLIEST:
        raise FixConfiguration(f"as_of is {quoted(text)}, which is before any data; write a time after 2000-01-01")
    if as_of > now:
        raise FixConfiguration(f"as_of is {quoted(text)}, which is still to come; the newest cut there is, is now")
    return as_of.astimezone(UTC)
