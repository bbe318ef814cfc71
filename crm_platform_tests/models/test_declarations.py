"""What every declared row goes through on its way into a table."""

from __future__ import annotations

import datetime as dt
from zoneinfo import ZoneInfo

import pandera.pandas  # noqa: F401 - Arrow reads aware datetimes in another way once this is imported

from crm_platform.schemas import ops


def test_a_moment_is_stored_in_utc_whatever_its_offset():
    moment = dt.datetime(2026, 11, 20, 9, tzinfo=dt.UTC)
    as_written = (
        moment,
        moment.astimezone(ZoneInfo("Africa/Nairobi")),
        moment.astimezone(dt.timezone(-dt.timedelta(hours=5))),
        moment.replace(tzinfo=None),
    )
    rows = ops.Builds.rows({"as_of": one} for one in as_written)
    assert set(rows["as_of"].to_pylist()) == {moment.replace(tzinfo=None)}
