"""The two macro files: the same words, and the same meaning word by word."""

from __future__ import annotations

import datetime as dt
import functools
import itertools
import json
import random
from collections.abc import Mapping
from pathlib import Path
from zoneinfo import ZoneInfo

import jinja2
import pytest

from crm_platform import core
from crm_platform.clock import BEGINS_AT, stretches, zone_of
from crm_platform.models import Cut, build_order, render
from crm_platform.models.render import MACRO_FOLDER, seconds_ahead
from crm_platform.schemas import Table, raw
from crm_platform.settings import Settings
from crm_platform.warehouse import DuckDbWarehouse
from crm_platform_tests.conformance.clickhouse import ClickHouseEngine, Row
from crm_platform_tests.models.worlds import World
from crm_platform_tests.oracle.compare import differences

DIALECTS = ("clickhouse", "duckdb")
NOW = dt.datetime(2026, 11, 20, 9, tzinfo=dt.UTC)
SECOND, HOUR, DAY = dt.timedelta(seconds=1), dt.timedelta(hours=1), dt.timedelta(days=1)

# Ordinary ones, and those of midnights that are not there or come twice, half hours, a day that was skipped, changes
# round Ramadan, a change that was abolished this year.
ZONES = (
    *("UTC", "Africa/Nairobi", "Europe/Berlin", "America/New_York", "Asia/Kathmandu"),
    *(
        "America/Havana",
        "America/Santiago",
        "Australia/Lord_Howe",
        "Pacific/Apia",
        "Africa/Casablanca",
        "America/Vancouver",
    ),
)


def macros_of(dialect: str) -> dict[str, list[str]]:
    """By name the arguments of each macro of a file."""
    tree = jinja2.Environment().parse((MACRO_FOLDER / f"{dialect}.jinja").read_text(encoding="utf-8"))
    return {macro.name: [argument.name for argument in macro.args] for macro in tree.find_all(jinja2.nodes.Macro)}


def test_every_engine_has_every_word():
    assert sorted(path.stem for path in MACRO_FOLDER.glob("*.jinja")) == list(DIALECTS)
    assert macros_of("clickhouse") == macros_of("duckdb")


@pytest.mark.slow
@pytest.mark.parametrize("table", build_order(), ids=lambda table: table.full_name())
def test_every_model_can_be_said_in_every_dialect(table):
    cut = Cut(as_of=dt.datetime(2026, 11, 20, 9, tzinfo=dt.UTC), rows={})
    spoken = {dialect: render(table, dialect=dialect, settings=Settings(), cut=cut) for dialect in DIALECTS}
    assert "toDateTime64" not in spoken["duckdb"]
    assert "timestamp '" not in spoken["clickhouse"]


def said(dialect: str, select: str, context: Mapping[str, object]) -> str:
    """Expand a SELECT that uses the macros."""
    environment = jinja2.Environment(loader=jinja2.FileSystemLoader(MACRO_FOLDER), undefined=jinja2.StrictUndefined)
    words = environment.get_template(f"{dialect}.jinja").make_module(dict(context))
    return environment.from_string(select).render(
        context, **{name: getattr(words, name) for name in macros_of(dialect)}
    )


def both(
    select: str,
    table: type[Table],
    rows: list[Row],
    *,
    folder: Path,
    clickhouse: ClickHouseEngine,
    zone: str = "UTC",
    **context: object,
) -> tuple[list[Row], list[Row]]:
    """What each engine answers to a SELECT from a table with these rows; `context` is what the SELECT may name."""
    clock = stretches(zone_of(zone), as_of=NOW)
    context = {"seconds_ahead": functools.partial(seconds_ahead, clock), **context}
    store = DuckDbWarehouse(folder / "words.duckdb", lock_dir=folder)
    store.prepare([table])
    with store.writing() as session:
        session.append(table, table.rows(rows))
        stored = session.query(f"select * from {table.full_name()}")
        expected = session.query(said("duckdb", select, context)).to_pylist()
    clickhouse.load(table, stored)
    return expected, clickhouse.query(said("clickhouse", select, context))


def awkward_instants(zone: ZoneInfo) -> list[dt.datetime]:
    """Anywhere from the year 1 on; and around midnights, most of them where clocks changed, to the microsecond."""

    def offset(at: dt.datetime) -> dt.timedelta | None:
        return at.astimezone(zone).utcoffset()

    rng = random.Random(zone.key)
    beginning, today = dt.datetime(1, 1, 2, tzinfo=dt.UTC), NOW.replace(hour=0)
    instants = [beginning + rng.random() * (dt.datetime(9999, 12, 30, tzinfo=dt.UTC) - beginning) for _ in range(200)]
    instants += [today - rng.random() * 40000 * DAY for _ in range(200)]
    days = [today - number * DAY for number in range(60 * 365)]
    changed = [later for earlier, later in itertools.pairwise(reversed(days)) if offset(earlier) != offset(later)]
    changes = [
        later - number * HOUR
        for later in changed
        for number in range(24)
        if offset(later - number * HOUR) != offset(later - (number + 1) * HOUR)
    ]
    instants += [at + step for at in changes for step in (-HOUR, -dt.timedelta.resolution, 0 * SECOND, SECOND / 2)]
    midnights = [dt.datetime.combine(at.astimezone(zone).date(), dt.time(), zone) for at in (*changes, *instants[:100])]
    return instants + [at.astimezone(dt.UTC) + step for at in midnights for step in (-dt.timedelta.resolution, 0 * DAY)]


@pytest.mark.services
@pytest.mark.parametrize("zone", ZONES)
def test_both_engines_tell_the_same_time(zone: str, tmp_path: Path, clickhouse: ClickHouseEngine):
    instants = awkward_instants(zone_of(zone))
    rows = [
        {"day": at.date(), "starts_at": at, "ends_at": other}
        for at, other in zip(instants, [*instants[1:], instants[0]], strict=True)
    ]
    select = """
        select
            starts_at,
            ends_at,
            {{ local_day("starts_at") }} as local_day,
            {{ local_hour("starts_at") }} as local_hour,
            {{ weekday("day") }} as weekday,
            {{ weekday(local_day("starts_at")) }} as local_weekday,
            {{ month_of("day") }} as month,
            {{ day_of_month("day") }} as number,
            {{ seconds_between("starts_at", "ends_at") }} as seconds,
            {{ later("starts_at", "-1e-6") }} as just_before,
            {{ later("starts_at", "5400.5e0") }} as later,
            {{ later("starts_at", 86400) }} as a_day_later
        from core.calendar
    """
    unique = {(row["starts_at"], row["ends_at"]): row for row in rows}.values()
    expected, actual = both(select, core.Calendar, list(unique), folder=tmp_path, clickhouse=clickhouse, zone=zone)
    assert len(expected) == len(unique)
    assert differences(expected, actual, ("starts_at", "ends_at"), tolerance=1e-12) == []
    end = stretches(zone_of(zone), as_of=NOW)[-1].until_at
    for row in expected:
        at = row["starts_at"].replace(tzinfo=dt.UTC)  # type: ignore[attr-defined]
        if BEGINS_AT <= at < end:
            local = at.astimezone(zone_of(zone))
            assert (row["local_day"], row["local_hour"]) == (local.date(), local.hour), at


@pytest.mark.services
def test_both_engines_read_the_same_texts(tmp_path: Path, clickhouse: ClickHouseEngine):
    texts = (
        *("98%", "98.5 %", " 7", "-3.25%", "", "n/a", "98,5%", "1e2", "100.00%", "%", "5 5%", "0.5\n", "0.1%%", None),
        *("007.50", ".5", "5.", "+5", "- 5", "5.5.5", "12345678901234567890.123456789%", "٥%", "5\u00a0%", "\t5"),
    )
    members = ("a/b", "a~b", "a.b", "it's", "back\\slash", "$", "*", "0", "🙂")
    values = (
        "",
        "it's",
        'say "so"',
        "back\\slash\\",
        "new\nline",
        "tab\t",
        "nul\x00.",
        "é",
        "🙂",
        "null",
        "1.0",
        "/",
        None,
    )
    world = World(tmp_path, Settings(data_dir=tmp_path))
    for number, text in enumerate(texts):
        fields = {member: values[(number + place) % len(values)] for place, member in enumerate(members)}
        world.contact(f"{number}", name=text, custom_fields=json.dumps(fields if number else {}))
    select = """
        select
            {% for member in members %}{{ each_json_text("custom_fields", member) }} as m{{ loop.index }}, {% endfor %}
            {{ percentage("name") }} as percentage,
            {{ decimals("name") }} as decimals,
            chat_id
        from raw.contacts
    """
    expected, actual = both(
        select, raw.Contacts, world.rows[raw.Contacts], folder=tmp_path, clickhouse=clickhouse, members=members
    )
    assert differences(expected, actual, ("chat_id",), tolerance=1e-15) == []
    assert [row["percentage"] for row in expected[:5]] == [98, 98.5, 7, -3.25, None]
    assert {row["m1"] for row in expected} == set(values)


@pytest.mark.services
def test_both_engines_find_the_same_member_and_digits(tmp_path: Path, clickhouse: ClickHouseEngine):
    """A text that is a number or an object is a text all the same; null is absent, as what is not there."""
    world = World(tmp_path, Settings(data_dir=tmp_path))
    values = ("it's", "", "back\\slash", "🙂", 7, -1.5, True, None, ["a", {"b": 1}], {"a": "b"})
    for number, value in enumerate(values):
        world.contact(f"{number}", name=f"+{number} (0) {value}-١x", custom_fields=json.dumps({"templateId": value}))
    world.contact("none", custom_fields="{}")
    world.contact("nothing")
    select = """
        select chat_id, {{ json_text("custom_fields", "templateId") }} as text,
            {{ json_member("custom_fields", "templateId") }} as member, {{ digits("name") }} as digits
        from raw.contacts
    """
    expected, actual = both(select, raw.Contacts, world.rows[raw.Contacts], folder=tmp_path, clickhouse=clickhouse)
    for row in (*expected, *actual):
        row["member"] = None if row["member"] is None else json.dumps(json.loads(row["member"]))
        row["text"] = row["text"] and row["text"].replace(" ", "")
    assert differences(expected, actual, ("chat_id",), tolerance=0) == []
    assert {row["text"] for row in expected} >= {"it's", "", "7", "-1.5", None}


@pytest.mark.services
def test_both_engines_take_a_list_apart_and_trim_its_texts(tmp_path: Path, clickhouse: ClickHouseEngine):
    world = World(tmp_path, Settings(data_dir=tmp_path))
    for number, value in enumerate((["a", " b ", "", "\t c\n"], [], "d ", None, "[1]", ['["x"]'])):
        world.contact(f"{number}", custom_fields=json.dumps({"It's/odd~": value}))
    select = """
        select chat_id, label, {{ trimmed("label") }} as bare
        from (select chat_id, {{ each_json_text("custom_fields", member) }} as label from raw.contacts) as labels
    """
    expected, actual = both(
        select, raw.Contacts, world.rows[raw.Contacts], folder=tmp_path, clickhouse=clickhouse, member="It's/odd~"
    )
    assert differences(expected, actual, ("chat_id", "label"), tolerance=0) == []
    assert {row["bare"] for row in expected} == {"a", "b", "c", "", "d", None, "[1]", '["x"]'}


@pytest.mark.services
def test_both_engines_sum_up_in_the_same_way(tmp_path: Path, clickhouse: ClickHouseEngine):
    """Groups of 0 to 30 rows; repeated figures, unordered, some of them NULL."""
    rng = random.Random(30)
    rows: list[Row] = [
        {
            "campaign_id": f"{size} of {number}",
            "name": f"group {size}",
            "total_recipients": rng.choice([None, 0, 7, -7, rng.randrange(10**12)]),
            "status": rng.choice([None, "kept", "kept", "left out"]),
            "first_fetched_at": NOW + number * SECOND,
            "fetched_at": NOW,
            "first_fetch_id": 1,
            "fetch_id": 1,
        }
        for size in range(31)
        for number in rng.sample(range(size), size)
    ]
    select = """
        select
            name,
            {{ median("total_recipients") }} as median,
            {{ p90("total_recipients") }} as p90,
            {{ median("total_recipients") }} filter (where status = 'kept') as median_kept,
            {{ p90("total_recipients / 7e0") }} filter (where status = 'kept') as p90_kept,
            {{ first_by("campaign_id", "first_fetched_at") }} as first,
            {{ last_by("campaign_id", "first_fetched_at") }} as last,
            {{ first_by("total_recipients", "first_fetched_at") }} filter (where status = 'kept') as first_kept,
            {{ last_by("status", "first_fetched_at") }} filter (where status = 'none has it') as last_of_none
        from raw.campaigns
        group by name
    """
    expected, actual = both(select, raw.Campaigns, rows, folder=tmp_path, clickhouse=clickhouse)
    assert len(expected) == 30
    assert differences(expected, actual, ("name",), tolerance=1e-9) == []


@pytest.mark.services
def test_both_engines_write_the_same_literals(tmp_path: Path, clickhouse: ClickHouseEngine):
    texts = ("it's", "''", "back\\slash", "\\'", "\\", "new\nline", "nul\x00.", "{{ braces }}", "🙂", "% ? $1", "")
    instants = (
        NOW,
        dt.datetime(1950, 6, 30),
        dt.datetime(1969, 12, 31, 23, 59, 59, 999_999),
        dt.datetime(9999, 12, 31),
    )
    select = """
        select
            {% for text in texts %}{{ quoted(text) }} as t{{ loop.index }}, {% endfor %}
            {% for one in instants %}{{ instant(one) }} as i{{ loop.index }}, {{ day(one.date()) }} as d{{ loop.index }}
            {{- ", " if not loop.last }}{% endfor %}
    """
    expected, actual = both(
        select, core.Calendar, [], folder=tmp_path, clickhouse=clickhouse, texts=texts, instants=instants
    )
    assert differences(expected, actual, (), tolerance=0) == []
    assert [expected[0][f"t{place}"] for place in range(1, len(texts) + 1)] == list(texts)
