"""Contacts over time, segments and countries, by hand."""

from __future__ import annotations

import datetime as dt
import json
from dataclasses import replace
from pathlib import Path

import pytest

from crm_platform_tests.models.conftest import Worlds
from crm_platform_tests.models.worlds import World, from_facts, provenance
from crm_platform_tests.oracle.compare import differences
from crm_platform_tests.oracle.compute import KEYS, compute
from crm_platform_tests.oracle.worlds import random_facts

# Friday 20 November 2026, 12:00 in Nairobi.
NOW = dt.datetime(2026, 11, 20, 9, tzinfo=dt.UTC)
HOUR, DAY = dt.timedelta(hours=1), dt.timedelta(days=1)


def presence(world: World, chat_id: str) -> list[tuple[object, object]]:
    rows = [row for row in world.tables["core.contact_presence"] if row["chat_id"] == chat_id]
    return [(row["from_at"], row["to_at"]) for row in sorted(rows, key=lambda row: str(row["interval_number"]))]


def test_coming_and_going(new_world: Worlds):
    """Five complete sweeps, one a day, and an incomplete one between the third and the fourth."""
    world = new_world()
    days = [NOW - n * DAY for n in (5, 4, 3, 2, 1)]
    seen = {
        "stays": "11111",
        "gone": "11000",  # since the third
        "missed once": "11011",  # absent from one sweep only: never gone
        "came": "00011",
        "back": "10011",  # gone at the second, back at the fourth
        "gone today": "11110",  # not absent twice yet
    }
    for chat_id, sweeps in seen.items():
        world.contact(chat_id, days[sweeps.index("1")] + HOUR / 60)
    world.contact("deleted", days[0])
    world.event("contact_deleted", "deleted", days[2] + HOUR)
    for number, day in enumerate(days):
        world.sweep(
            day, [*(c for c, sweeps in seen.items() if sweeps[number] == "1"), *(["deleted"] if number < 3 else [])]
        )
        if number == 2:
            world.sweep(day + 2 * HOUR, ["missed once"], is_complete=False)
    world.freeze(NOW)
    naive = [day.replace(tzinfo=None) for day in days]
    assert presence(world, "stays") == [(None, None)]
    assert presence(world, "gone") == [(None, naive[2])]
    assert presence(world, "missed once") == [(None, None)]
    assert presence(world, "came") == [((days[3] + HOUR / 60).replace(tzinfo=None), None)]
    assert presence(world, "back") == [(None, naive[1]), (naive[3], None)]
    assert presence(world, "gone today") == [(None, None)]
    assert presence(world, "deleted") == [(None, (days[2] + HOUR).replace(tzinfo=None))]
    daily = {str(row["day"])[-2:]: row for row in world.tables["kpi.contact_growth_daily"]}
    columns = ("total_contacts", "new_contacts", "gone_contacts", "net_growth", "is_estimated")
    assert {day: tuple(row[name] for name in columns) for day, row in daily.items()} == {
        "15": (6, 0, 0, 0, False),
        "16": (5, 0, 1, -1, False),
        "17": (3, 0, 2, -2, False),
        "18": (5, 2, 0, 2, False),
        "19": (5, 0, 0, 0, False),
        "20": (5, 0, 0, 0, False),
    }


ALL = [f"c{number}" for number in range(50)]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("cut", "gone", "since"),
    [
        (2 * HOUR, 0, None),  # half of the list is missing: suspicious
        (2.5 * HOUR + HOUR / 30, 0, None),
        (2.5 * HOUR + HOUR / 20, 25, 1 * HOUR),  # the second sweep to miss them has ended
        (5 * HOUR, 25, 1 * HOUR),  # now the list is empty
        (6 * HOUR - HOUR / 60, 25, 1 * HOUR),
        (6 * HOUR, 50, 4 * HOUR),  # somebody accepts it
        (9 * HOUR, 50, 4 * HOUR),
    ],
)
def test_what_was_known_of_suspicious_sweeps_at_a_cut(new_world: Worlds, cut: dt.timedelta, gone: int, since: object):
    """Field cases 11 and 12: a decision counts from when it was made on, whom it lets go are gone since the sweep."""
    world, start = new_world(), NOW - DAY
    for chat_id in ALL:
        world.contact(chat_id, start)
    world.sweep(start, ALL)
    world.sweep(start + HOUR, ALL[:25])
    world.sweep(start + HOUR * 3 / 2, [], rejected=50)
    world.sweep(start + HOUR * 2.5, ALL[:25])
    world.sweep(start + HOUR * 4, [], accepted_at=start + 6 * HOUR)
    world.freeze(NOW, as_of=start + cut)
    ends = [row["to_at"] for row in world.tables["core.contact_presence"] if row["to_at"] is not None]
    assert len(ends) == gone
    assert since is None or max(ends) == (start + since).replace(tzinfo=None)  # type: ignore[operator,type-var]


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(30))
def test_presence_agrees_with_the_oracle_at_any_cut(seed: int, tmp_path: Path):
    """Lists that are empty, lack many or hold what cannot be read, and people who accept them, seen from many cuts."""
    facts = random_facts(seed, contacts=(8, 30, 90)[seed % 3], messages_per_chat=1, campaigns=0)
    world = from_facts(facts, tmp_path)
    for cut in [*(sweep.ended_at for sweep in facts.sweeps[3::4]), facts.as_of]:
        then = replace(facts, as_of=min(cut, facts.as_of))
        world.freeze(facts.as_of + DAY, as_of=then.as_of)
        for table in ("core.contact_presence", "kpi.contact_growth_daily"):
            assert differences(compute(then)[table], world.tables[table], KEYS[table], tolerance=1e-9) == [], cut


DAILY = ("total_contacts", "new_contacts", "gone_contacts", "is_estimated")
YEARS_AGO = dt.datetime(2005, 1, 1, tzinfo=dt.UTC)


@pytest.mark.slow
def test_growth_begins_with_the_oldest_message_and_whoever_was_created_before_is_its_opening(new_world: Worlds):
    world = new_world()
    for number, created_at in enumerate([YEARS_AGO, NOW - 4 * DAY, NOW - 3 * DAY, NOW - 2 * DAY, NOW - HOUR]):
        world.contact(f"chat{number}", NOW - HOUR / 2, created_at=created_at)
    world.sweep(NOW - HOUR / 2, [f"chat{number}" for number in range(5)])
    world.message("chat0", "ahead", NOW - 9 * DAY, "inbound", is_future_dated=True)  # in no figure
    world.message("chat0", "oldest", NOW - 3 * DAY, "outbound", type="template")
    world.freeze(NOW)
    assert [tuple(row[name] for name in DAILY) for row in world.tables["kpi.contact_growth_daily"]] == [
        (3, 1, None, True),
        (4, 1, None, True),
        (4, 0, None, True),
        (5, 1, 0, False),
    ]
    (month,) = world.tables["kpi.contact_growth_monthly"]
    assert (month["opening"], month["new_contacts"], month["closing"]) == (2, 3, 5)
    assert len(world.tables["core.coverage_daily"]) == 101, "nobody's creation makes the calendar longer"


@pytest.mark.slow
def test_growth_begins_with_the_first_sweep_where_no_message_is_older(new_world: Worlds):
    """And that sweep need not have been complete; nor need there be a message."""
    for messages in (0, 1):
        world = new_world()
        world.contact("old", NOW - 2 * DAY, created_at=YEARS_AGO)
        world.contact("new", NOW - DAY, created_at=NOW - DAY)
        world.sweep(NOW - 2 * DAY, ["old"], is_complete=False)
        world.sweep(NOW - DAY, ["old", "new"])
        for number in range(messages):
            world.message("old", f"m{number}", NOW - HOUR, "inbound")
        world.freeze(NOW)
        assert [tuple(row[name] for name in DAILY) for row in world.tables["kpi.contact_growth_daily"]] == [
            (1, 0, None, True),
            (2, 1, 0, False),
            (2, 0, 0, False),
        ]


@pytest.mark.slow
def test_messages_alone_begin_growth_before_anybody_looked(new_world: Worlds):
    """A chat that was read, and no sweep yet: everything is estimated. With neither there is no day at all."""
    world = new_world()
    world.contact("old", NOW - DAY, created_at=YEARS_AGO)
    world.freeze(NOW)
    assert world.tables["kpi.contact_growth_daily"] == []
    world.message("old", "m", NOW - DAY, "inbound")
    world.freeze(NOW)
    assert [tuple(row[name] for name in DAILY) for row in world.tables["kpi.contact_growth_daily"]] == [
        (1, 0, None, True),
        (1, 0, None, True),
    ]


@pytest.mark.slow
def test_one_contact_without_a_creation_time_and_nothing_is_estimated(new_world: Worlds):
    world = new_world()
    world.contact("old", NOW - DAY, created_at=NOW - 9 * DAY)
    world.contact("unknown", NOW - DAY)
    world.sweep(NOW - DAY, ["old", "unknown"])
    world.message("old", "m", NOW - 5 * DAY, "inbound")
    world.freeze(NOW)
    assert [(row["day"].day, row["total_contacts"]) for row in world.tables["kpi.contact_growth_daily"]] == [  # type: ignore[attr-defined]
        (19, 2),
        (20, 2),
    ]


def test_months(new_world: Worlds):
    """10 contacts by the end of September, 5 more in October (2 of them by the 20th), 3 more in November so far."""
    world = new_world()
    births = ["09-10"] * 10 + ["10-05", "10-20", "10-21", "10-25", "10-31"] + ["11-01", "11-02", "11-20"]
    for number, day in enumerate(births):
        world.contact(f"chat{number}", NOW, created_at=dt.datetime.fromisoformat(f"2026-{day}T01:00:00+03:00"))
    world.sweep(NOW - HOUR, [f"chat{number}" for number in range(len(births))])
    world.message("chat0", "oldest", dt.datetime(2026, 9, 10, 9, tzinfo=dt.UTC), "outbound", type="template")
    world.freeze(NOW)
    months = sorted(world.tables["kpi.contact_growth_monthly"], key=lambda row: str(row["month"]))
    columns = ("opening", "new_contacts", "closing", "monthly_growth_rate", "is_partial", "previous_to_date_rate")
    assert [tuple(row[name] for name in columns) for row in months] == [
        (0, 10, 10, None, False, None),  # the first month known
        (10, 5, 15, 0.5, False, None),
        (15, 3, 18, 0.2, True, 0.2),
    ]
    (summary,) = world.tables["kpi.executive_summary"]
    assert (summary["monthly_growth_rate"], summary["monthly_growth_rate_previous"]) == (0.5, None)
    assert (summary["total_contacts"], summary["total_contacts_previous"]) == (18, 17)


@pytest.mark.slow
def test_the_month_before_closes_at_its_last_day_where_it_is_shorter(new_world: Worlds):
    now = dt.datetime(2026, 3, 31, 9, tzinfo=dt.UTC)
    world = new_world()
    for number, day in enumerate(["01-10", "02-28"]):
        world.contact(f"chat{number}", now, created_at=dt.datetime.fromisoformat(f"2026-{day}T12:00:00+03:00"))
    world.sweep(now - HOUR, ["chat0", "chat1"])
    world.message("chat0", "oldest", dt.datetime(2026, 1, 20, 9, tzinfo=dt.UTC), "outbound", type="template")
    world.freeze(now)
    assert world.row("kpi.contact_growth_monthly", is_partial=True)["previous_to_date_rate"] == 1.0


ODD_NAMES = (
    "It's/odd~",
    "Plan: tier",
    'say "so"',
    "back\\slash",
    "$.a[0].b",
    "100 %",
    "a -- b",
    "{{ x }}",
    "Élite",
    "🙂",
)


@pytest.mark.slow
def test_segments(new_world: Worlds):
    """60 values of one contact each and one of two; odd names are only names; nobody has the last field."""
    world = new_world(segment_fields=(*ODD_NAMES, "Nowhere"))
    values = [f"v{number:02}" for number in range(60)] + ["twice", "twice", "", None]
    for number, value in enumerate(values):
        fields = {} if value is None else dict.fromkeys(ODD_NAMES, value)
        world.contact(f"chat{number:02}", custom_fields=json.dumps(fields))
    world.contact("gone", custom_fields=json.dumps(dict.fromkeys(ODD_NAMES, "twice")))
    world.event("contact_deleted", "gone", NOW - DAY)
    # Active: in the 30 complete days before today, and by a message of the contact's own.
    world.message("chat00", "m", NOW - 3 * DAY, "inbound")
    world.message("chat01", "m", NOW - HOUR, "inbound")
    world.message("chat02", "m", NOW - 3 * DAY, "outbound", type="template")
    world.freeze(NOW)
    every = world.tables["kpi.contacts_by_segment"]
    by_field = {
        name: {row["value"]: row | {"field": ""} for row in every if row["field"] == name} for name in ODD_NAMES
    }
    rows = by_field[ODD_NAMES[0]]
    assert all(same == rows for same in by_field.values()), "field case 53"
    assert len(rows) == 52
    assert {rows[value]["contacts"] for value in ("v00", "v48")} == {1}
    assert (rows["twice"]["contacts"], rows["(other)"]["contacts"], rows["(none)"]["contacts"]) == (2, 11, 2)
    assert sum(row["share"] for row in rows.values()) == pytest.approx(1)  # type: ignore[misc]
    assert [value for value, row in rows.items() if row["active_30d"]] == ["v00"]
    assert world.row("kpi.contacts_by_segment", field="Nowhere")["value"] == "(none)"


@pytest.mark.slow
def test_a_list_counts_in_each_of_its_values(new_world: Worlds):
    """Field case 27: values are compared without the spaces around them; those of one contact in (other) count once."""
    world = new_world(segment_fields=("Plan",))
    lists: list[object] = [["gold", " silver "], "gold ", ["gold", "gold"], [], ["", " "], None, ["rare1", "rare2"]]
    for number, value in enumerate(lists):
        world.contact(f"chat{number:02}", custom_fields=json.dumps({"Plan": value}))
    for number in range(50):
        for twin in range(2):
            world.contact(f"many{number:02}{twin}", custom_fields=json.dumps({"Plan": f"v{number:02}"}))
    world.message("chat00", "m", NOW - 3 * DAY, "inbound")
    world.freeze(NOW)
    rows = {row["value"]: row for row in world.tables["kpi.contacts_by_segment"]}
    counts = {value: rows[value]["contacts"] for value in ("gold", "(none)", "(other)", "v00")}
    assert counts == {"gold": 3, "(none)": 3, "(other)": 4, "v00": 2}, (
        "v49, silver and the two rare ones of one contact"
    )
    assert (rows["gold"]["active_30d"], rows["(other)"]["active_30d"]) == (1, 1)
    assert rows["gold"]["share"] == pytest.approx(3 / 107)
    assert {row["definition_version"] for row in rows.values()} == {2}


@pytest.mark.slow
def test_odd_dates_of_earlier_versions_size_no_table(new_world: Worlds):
    """Field cases 2 and 4: rows that no upgrade has moved hurt nobody either."""
    world = new_world(segment_fields=())
    for number, year in enumerate((1, 1000, 1970, 9999)):
        at = dt.datetime(year, 1, 3, tzinfo=dt.UTC)
        world.contact(f"chat{number}", NOW - DAY, created_at=at)
        world.message(f"chat{number}", "m", at, "inbound", **provenance(NOW - DAY))
    world.sweep(NOW - DAY, [f"chat{number}" for number in range(4)])
    world.build(NOW)
    longest = (NOW - dt.datetime(2000, 1, 1, tzinfo=dt.UTC)).days + 2
    sizes = {name: len(rows) for name, rows in world.tables.items()}
    assert max(sizes.values()) <= longest * 24, sizes
    assert sizes["kpi.contact_growth_daily"] <= longest


@pytest.mark.slow
def test_countries(new_world: Worlds):
    world = new_world(segment_fields=())
    for number, region in enumerate(["KE", "KE", "TZ", None]):
        world.contact(f"chat{number}", region=region)
    world.freeze(NOW)
    shares = {row["region"]: (row["contacts"], row["share"]) for row in world.tables["kpi.contacts_by_country"]}
    assert shares == {"KE": (2, 0.5), "TZ": (1, 0.25), "(unknown)": (1, 0.25)}
    assert world.tables["kpi.contacts_by_segment"] == []
