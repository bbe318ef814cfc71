"""One clock: stretches, local times and SQL against `tzdata`, which is read here byte by byte or by zoneinfo."""

from __future__ import annotations

import datetime as dt
import importlib.resources
import itertools
import os
import random
import struct
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import duckdb
import pytest

from crm_platform.clock import BEGINS_AT, Stretch, instant_of, start_of_day, stretches, zone_of
from crm_platform.models import Cut, vocabulary
from crm_platform.settings import Settings, environment_with

AS_OF = dt.datetime(2026, 11, 20, 9, tzinfo=dt.UTC)
MINUTE, HOUR, DAY = dt.timedelta(minutes=1), dt.timedelta(hours=1), dt.timedelta(days=1)
TICK = dt.timedelta.resolution

TZDATA = importlib.resources.files("tzdata")
NAMES = sorted({*TZDATA.joinpath("zones").read_text(encoding="utf-8").split()} - {"Factory"})
# Of names for the same file, the last.
ALL_ZONES = sorted({TZDATA.joinpath("zoneinfo", *name.split("/")).read_bytes(): name for name in NAMES}.values())

# Midnights that are not there or come twice, parts of hours, a day that was skipped, changes round Ramadan, changes
# that were moved or abolished, a midnight a minute before the clocks go back.
ODD_ZONES = (
    *("Africa/Cairo", "Africa/Casablanca", "Africa/Nairobi", "America/Caracas", "America/Havana", "America/Santiago"),
    *("America/St_Johns", "America/Vancouver", "Antarctica/Troll", "Asia/Gaza", "Asia/Kathmandu", "Asia/Pyongyang"),
    *("Australia/Lord_Howe", "Europe/Berlin", "Europe/Dublin", "Pacific/Apia", "Pacific/Chatham", "UTC"),
)


def written_changes(name: str) -> list[tuple[dt.datetime, int]]:
    """Changes of offset that a zone's file lists, with the new offset: RFC 8536, the 64-bit block."""
    data = TZDATA.joinpath("zoneinfo", *name.split("/")).read_bytes()

    def counts(at: int) -> tuple[int, int, int, int, int, int]:
        return struct.unpack(">6l", data[at + 20 : at + 44])  # type: ignore[return-value]

    isut, isstd, leap, times, types, letters = counts(0)
    header = 44 + 5 * times + 6 * types + letters + 8 * leap + isstd + isut
    *_, times, types, _ = counts(header)
    place = header + 44
    instants = struct.unpack(f">{times}q", data[place : place + 8 * times])
    kinds = data[place + 8 * times : place + 9 * times]
    place += 9 * times
    offsets = [struct.unpack(">l", data[place + 6 * n : place + 6 * n + 4])[0] for n in range(types)]
    found, before = [], offsets[0]
    for at, kind in zip(instants, kinds, strict=True):
        if offsets[kind] != before:
            before = offsets[kind]
            found.append((dt.datetime.fromtimestamp(0, dt.UTC) + dt.timedelta(seconds=at), before))
    return found


def check_stretches(name: str) -> Sequence[Stretch]:
    clock = stretches(zone_of(name), as_of=AS_OF)
    assert clock[0].from_at == BEGINS_AT
    assert clock[-1].until_at == dt.datetime(2040, 1, 1, tzinfo=dt.UTC)
    assert [one.until_at for one in clock[:-1]] == [one.from_at for one in clock[1:]]
    assert all(one.from_at < one.until_at for one in clock)
    begins = [(one.from_at, one.utc_offset_seconds) for one in clock]
    listed = [change for change in written_changes(name) if BEGINS_AT < change[0] < clock[-1].until_at]
    assert begins[1 : len(listed) + 1] == listed, name  # later ones follow from a rule
    for one in clock:
        for at in (one.from_at, one.from_at + (one.until_at - one.from_at) / 2, one.until_at - TICK):
            assert at.astimezone(zone_of(name)).utcoffset() == dt.timedelta(seconds=one.utc_offset_seconds), (name, at)
    return clock


@pytest.mark.parametrize("name", ODD_ZONES)
def test_stretches_are_those_of_tzdata(name: str):
    check_stretches(name)


@pytest.mark.slow
def test_stretches_of_every_zone_are_those_of_tzdata():
    for name in ALL_ZONES:
        check_stretches(name)


def test_no_zone_changes_twice_within_two_days():
    """Stretches are looked for day by day."""
    for name in ALL_ZONES:
        changes = [at for at, _ in written_changes(name) if at >= BEGINS_AT]
        assert all(later - earlier > 2 * DAY for earlier, later in itertools.pairwise(changes)), name


@pytest.mark.parametrize("year", [2000, 2024, 2026, 2034, 2035, 2199])
def test_stretches_reach_past_all_that_is_believed(year: int):
    as_of = dt.datetime(year, 12, 31, 23, 59, 59, tzinfo=dt.UTC)
    clock = stretches(zone_of("Europe/Berlin"), as_of=as_of)
    assert clock[-1].until_at > as_of.replace(year=year + 5)


@pytest.mark.parametrize("name", ODD_ZONES)
def test_a_local_time_is_the_first_instant_that_has_reached_it(name: str):
    zone = zone_of(name)
    for change in stretches(zone, as_of=AS_OF)[1:]:
        day = change.from_at.astimezone(zone).date()
        for minute in (0, 1, 30, 60, 61, 90, 119, 120, 125, 150, 180, 210, 1380, 1439, 1440):
            wall = dt.datetime.combine(day, dt.time()) + minute * MINUTE
            at = instant_of(day, minute, zone)
            assert at.astimezone(zone).replace(tzinfo=None) >= wall
            assert (at - TICK).astimezone(zone).replace(tzinfo=None) < wall
            # None before it has: local clocks go back by two hours at most.
            assert all((at - n * MINUTE).astimezone(zone).replace(tzinfo=None) < wall for n in range(5, 130, 5))


def test_local_times_that_are_left_out_or_come_twice():
    berlin = zone_of("Europe/Berlin")
    spring, autumn = dt.date(2026, 3, 29), dt.date(2026, 10, 25)
    change = dt.datetime(2026, 3, 29, 1, tzinfo=dt.UTC)
    assert [instant_of(spring, minute, berlin) for minute in (120, 150, 180)] == [change] * 3
    assert instant_of(spring, 181, berlin) == change + MINUTE
    assert instant_of(autumn, 150, berlin) == dt.datetime(2026, 10, 25, 0, 30, tzinfo=dt.UTC)
    apia = zone_of("Pacific/Apia")
    skipped = dt.date(2011, 12, 30)
    assert (
        start_of_day(skipped, apia) == start_of_day(skipped + DAY, apia) == dt.datetime(2011, 12, 30, 10, tzinfo=dt.UTC)
    )


def in_sql(zones: Sequence[str], instants: Sequence[dt.datetime]) -> dict[str, list[tuple[dt.date, int]]]:
    """Local day and hour of each instant by zone, as DuckDB says them."""
    connection = duckdb.connect(config={"threads": 1})
    connection.execute("create table instants (number integer, moment timestamp)")
    listed = ", ".join(f"({n}, timestamp '{at:%Y-%m-%d %H:%M:%S.%f}')" for n, at in enumerate(instants))
    connection.execute(f"insert into instants values {listed}")
    found = {}
    for zone in zones:
        words = vocabulary(dialect="duckdb", settings=Settings(timezone=zone), cut=Cut(as_of=AS_OF, rows={}))
        asked = f"select {words['local_day']('moment')}, {words['local_hour']('moment')} from instants order by number"
        found[zone] = connection.execute(asked).fetchall()
    return found


def check_sql(zones: Sequence[str], instants: Sequence[dt.datetime]) -> None:
    for zone, found in in_sql(zones, instants).items():
        for at, told in zip(instants, found, strict=True):
            local = at.astimezone(zone_of(zone))
            assert told == (local.date(), local.hour), (zone, at)


def random_instants(count: int) -> list[dt.datetime]:
    """From 2000 to the end of 2031."""
    rng = random.Random(40)
    until = dt.datetime(2032, 1, 1, tzinfo=dt.UTC)
    return [BEGINS_AT + rng.random() * (until - BEGINS_AT) for _ in range(count)]


@pytest.mark.slow
def test_sql_and_python_tell_the_same_day_and_hour():
    check_sql(ODD_ZONES, random_instants(1000))


@pytest.mark.parametrize("zone", ODD_ZONES)
def test_sql_and_python_tell_the_same_where_clocks_change(zone: str):
    changes = [one.from_at for one in stretches(zone_of(zone), as_of=AS_OF)]
    steps = (0 * DAY, TICK, HOUR, -TICK, -HOUR)
    check_sql([zone], [at + step for at in changes for step in steps if at + step >= BEGINS_AT])


@pytest.mark.slow
def test_sql_and_python_tell_the_same_in_every_zone():
    check_sql(ALL_ZONES, random_instants(200))


def test_a_zone_of_one_offset_is_a_constant_in_sql():
    words = vocabulary(dialect="duckdb", settings=Settings(), cut=Cut(as_of=AS_OF, rows={}))
    assert words["local"]("at") == "(at + to_seconds(10800))"


def test_sql_does_not_change_from_cut_to_cut():
    def said(as_of: dt.datetime) -> str:
        settings = Settings(timezone="Europe/Berlin")
        return str(vocabulary(dialect="duckdb", settings=settings, cut=Cut(as_of=as_of, rows={}))["local"]("at"))

    assert said(AS_OF) == said(AS_OF + 400 * DAY)


MACHINE = """
from zoneinfo import ZoneInfo
{before}
from crm_platform.settings import Settings
import datetime as dt
at = dt.datetime(2026, 11, 20, 23, 10, tzinfo=dt.UTC)
for name in ("Africa/Casablanca", "Africa/Nairobi"):
    print(at.astimezone(Settings(timezone=name).zone).utcoffset(), at.astimezone(ZoneInfo(name)).utcoffset())
"""


@pytest.mark.slow
@pytest.mark.parametrize("before", ["", "ZoneInfo('Africa/Casablanca'), ZoneInfo('Africa/Nairobi')"])
def test_the_files_of_the_machine_are_not_asked(before: str, tmp_path: Path):
    """A machine that has Morocco and Kenya where Kathmandu is."""
    (tmp_path / "Africa").mkdir()
    wrong = TZDATA.joinpath("zoneinfo", "Asia", "Kathmandu").read_bytes()
    for name in ("Casablanca", "Nairobi"):
        (tmp_path / "Africa" / name).write_bytes(wrong)
    environment = {**os.environ, "PYTHONTZPATH": str(tmp_path)}
    told = subprocess.run(
        [sys.executable, "-c", MACHINE.format(before=before)],
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    assert told.split() == ["0:00:00", "0:00:00", "3:00:00", "3:00:00"]


def test_a_child_without_our_code_reads_tzdata_alone():
    """As Dagster's daemon, which reckons when a schedule is due."""
    told = subprocess.run(
        [sys.executable, "-c", "import zoneinfo; print(zoneinfo.TZPATH)"],
        env=environment_with(),
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    assert told == "()\n"
