"""Importing contacts: what a file's lines say, what is planned, and that nobody is created twice whatever is killed."""

from __future__ import annotations

import csv
from collections import Counter

import httpx
import pytest

from crm_platform.bulk.contacts import (
    BLOCK,
    Imported,
    custom_fields,
    import_contacts,
    plan_import,
    read_people,
    write_refused,
)
from crm_platform.errors import FixConfiguration, ServerUnavailable
from crm_platform.schemas import raw
from crm_platform_tests.api.inprocess import NOW
from crm_platform_tests.bulk.desk import Desk, Killed, Life, now

FIELDS = ("City", "email")


@pytest.fixture
def desk(tmp_path) -> Desk:
    desk = Desk(tmp_path / "data")
    desk.swept()
    return desk


def written(tmp_path, text: str, name: str = "people.csv"):
    file = tmp_path / name
    file.write_text(text, encoding="utf-8")
    return file


def many(tmp_path, count: int, name: str = "people.csv"):
    lines = "".join(f"+2547990000{number:02},Person {number}\n" for number in range(count))
    return written(tmp_path, f"whatsapp_number,name\n{lines}", name)


def planned(desk: Desk, file, **options):
    with desk.store.reading() as session:
        return plan_import(session, read_people(file, known_fields=FIELDS), **options)


def imported(desk: Desk, file, **options) -> Imported:
    result = Imported()
    import_contacts(planned(desk, file, **options), store=desk, connect=desk.connect, now=now, into=result)
    return result


def numbers(desk: Desk) -> Counter[str]:
    return Counter(number for _, number, _ in desk.sandbox_contacts())


# What the lines say.


def test_columns_are_a_contacts_own_and_custom_fields(tmp_path):
    header = "whatsapp_number,name,email,City,field:email,field:New one,refused"
    file = written(tmp_path, f"{header}\n+254799000001,Zoë,z@example.com,Embu,x,y,because\n+254799000002,,,,,,\n")
    people = read_people(file, known_fields=FIELDS)
    one, other = people.lines
    assert (one.line, one.number, one.name, one.email) == (2, "+254799000001", "Zoë", "z@example.com")
    assert one.fields == {"City": "Embu", "email": "x", "New one": "y"}
    assert (other.name, other.email, other.fields) == (None, None, {})
    assert people.unknown_fields == ("New one",)


def test_an_unknown_column_is_refused_with_those_that_are_known(tmp_path):
    file = written(tmp_path, "whatsapp_number,Town,city\n+254799000001,a,b\n")
    with pytest.raises(FixConfiguration) as refused:
        read_people(file, known_fields=FIELDS)
    assert "names 'Town', 'city', which is no column" in str(refused.value)
    assert "custom fields: City, email" in str(refused.value)


def test_two_columns_for_one_field_are_refused(tmp_path):
    with pytest.raises(FixConfiguration, match="two columns are for the custom field 'City'"):
        read_people(written(tmp_path, "whatsapp_number,City,field:City\n"), known_fields=FIELDS)


def test_every_problem_is_told_by_line_and_column_and_quotes_nobody(tmp_path):
    text = "whatsapp_number,email\n2.547E+11,\n+254799000001,me\n254 799 000 001,me@example.com\n0799000002,x@y\n1\n"
    with pytest.raises(FixConfiguration) as refused:
        read_people(written(tmp_path, text), known_fields=())
    first, *problems = str(refused.value).splitlines()
    assert first.endswith("people.csv: 5 problems; nothing was sent")
    assert [line.split(": ")[0].strip() for line in problems] == [
        "line 2, whatsapp_number",
        "line 3, email",
        "line 4, whatsapp_number",
        "line 5, whatsapp_number",
        "line 6",
    ]
    assert "799" not in str(refused.value)


def test_known_fields_are_those_of_the_warehouse(desk):
    provenance = {"first_fetched_at": NOW, "fetched_at": NOW, "first_fetch_id": 1, "fetch_id": 1}
    desk.put(
        raw.CustomFields, {"custom_field_id": "1", "name": "City", **provenance}, {"custom_field_id": "2", **provenance}
    )
    with desk.store.reading() as session:
        assert custom_fields(session) == ("City",)


# The plan, and what is done.


def test_who_is_a_contact_already_is_passed_over(desk, tmp_path):
    _, there, _ = next(desk.sandbox_contacts())
    file = written(tmp_path, f"whatsapp_number,name\n{there.removeprefix('+')},Other\n+254799000001,New\n")
    plan = planned(desk, file)
    assert (plan.known, [line.line for line in plan.create], plan.look_up, plan.requests) == (1, [3], (), 1)
    assert plan.known_as_of == NOW
    result = imported(desk, file)
    assert (result.created, result.found, result.refused) == (1, 0, [])
    assert desk.asked == ["POST /crm/chat"]
    assert desk.rows("select count(*) as n from ops.fetches where operation = 'create_contact'") == [{"n": 1}]


def test_a_file_that_is_done_asks_nothing_more(desk, tmp_path):
    imported(desk, many(tmp_path, 3))
    before = len(desk.asked)
    assert imported(desk, many(tmp_path, 3)).created == 0
    assert len(desk.asked) == before


def test_a_file_that_was_changed_looks_up_whom_it_has_created(desk, tmp_path):
    imported(desk, many(tmp_path, 3))
    plan = planned(desk, many(tmp_path, 4))
    assert (len(plan.look_up), len(plan.create), plan.requests) == (3, 1, 7)
    result = imported(desk, many(tmp_path, 4))
    assert (result.created, result.found, result.refused) == (1, 3, [])


def test_without_a_contact_list_everybody_is_looked_up(tmp_path):
    desk = Desk(tmp_path / "data")
    _, there, _ = next(desk.sandbox_contacts())
    file = written(tmp_path, f"whatsapp_number\n{there}\n+254799000001\n")
    assert planned(desk, file).known_as_of is None
    result = imported(desk, file)
    assert (result.created, result.found) == (1, 1)


def test_everybody_is_looked_up_when_asked_for(desk, tmp_path):
    assert len(planned(desk, many(tmp_path, 2), look_up_all=True).look_up) == 2


def test_a_contact_that_is_gone_may_be_created_again(desk, tmp_path):
    desk.contacts(("gone", "+254799000000", None))
    assert planned(desk, many(tmp_path, 1)).known == 1
    desk.put(
        raw.OperatorEvents,
        {
            "event_id": "e",
            "kind": "contact_deleted",
            "chat_id": "gone",
            "at": NOW.replace(hour=10),
            "source": "platform",
        },
    )
    assert planned(desk, many(tmp_path, 1)).known == 0


def test_a_refused_line_is_told_and_not_sent_again_unchanged(desk, tmp_path):
    with desk.connect(lambda _: None) as client:  # since the list was read
        client.create_contact("+254799000001")
    desk.asked.clear()
    file = many(tmp_path, 3)
    result = imported(desk, file)
    assert result.created == 2
    (refusal,) = result.refused
    assert (refusal.line.line, refusal.reason) == (3, "whatsapp_number: is a contact already")
    before = len(desk.asked)
    plan = planned(desk, file)
    assert (plan.to_do, plan.refused) == (0, (refusal,))
    assert len(desk.asked) == before

    out = tmp_path / "people.refused.csv"
    write_refused(out, plan.people, plan.refused)
    with out.open(encoding="utf-8-sig", newline="") as lines:
        assert list(csv.reader(lines)) == [
            ["whatsapp_number", "name", "refused"],
            ["'+254799000001", "Person 1", "whatsapp_number: is a contact already"],
        ]
    again = read_people(out, known_fields=())
    assert [line.number for line in again.lines] == ["+254799000001"]


def test_a_write_without_a_clear_answer_is_looked_up_at_once(desk, tmp_path):
    lost = iter([True])

    def answer(request: httpx.Request) -> httpx.Response | None:
        if request.method == "POST" and next(lost, False):
            desk.sandbox.handle("POST", request.url.path, "", dict(request.headers.items()), request.read())
            return httpx.Response(502, text="<html>")
        return None

    desk.answer = answer
    result = imported(desk, many(tmp_path, 2))
    assert (result.created, result.unclear, result.refused) == (2, [], [])
    assert numbers(desk)["+254799000000"] == 1


def test_a_write_that_may_come_yet_is_looked_up_by_the_next_run(desk, tmp_path):
    desk.answer = lambda request: httpx.Response(502) if request.method == "POST" else None
    result = imported(desk, many(tmp_path, 2))
    assert (result.created, len(result.unclear)) == (0, 2)
    desk.answer = lambda _: None
    assert len(planned(desk, many(tmp_path, 2)).look_up) == 2
    assert imported(desk, many(tmp_path, 2)).created == 2


def test_an_error_leaves_what_was_not_tried_as_it_was(desk, tmp_path):
    count = BLOCK + 5

    def answer(request: httpx.Request) -> httpx.Response | None:
        return None if len(desk.asked) <= BLOCK + 2 else httpx.Response(429, headers={"Retry-After": "3600"})

    desk.answer = answer
    with pytest.raises(Exception, match="429"):
        imported(desk, many(tmp_path, count))
    desk.answer = lambda _: None
    plan = planned(desk, many(tmp_path, count))
    assert (plan.done, len(plan.look_up), len(plan.create)) == (BLOCK + 2, 1, 2)
    result = imported(desk, many(tmp_path, count))
    assert (result.created, result.refused) == (3, [])


def test_a_crm_that_is_away_ends_it(desk, tmp_path):
    desk.answer = lambda _: (_ for _ in ()).throw(httpx.ConnectError("refused"))
    with pytest.raises(ServerUnavailable):
        imported(desk, many(tmp_path, 2))


QUICK = (0, 3, 4, 5)


@pytest.mark.parametrize(
    "kill_at", [pytest.param(at, marks=[] if at in QUICK else [pytest.mark.slow]) for at in range(64)]
)
def test_nobody_is_created_twice_whenever_it_is_killed(desk, tmp_path, kill_at):
    """Killed before and after each request reaches the CRM, and before and after each commit, twice."""
    file = many(tmp_path, BLOCK + 3)
    for _ in range(2):
        desk.life = Life(kill_at)
        try:
            imported(desk, file)
        except Killed:
            continue
    desk.life = Life()
    result = imported(desk, file)
    assert result.refused == [], "the CRM refuses a number that is a contact already"
    assert result.unclear == []
    created = numbers(desk)
    assert all(created[f"+2547990000{number:02}"] == 1 for number in range(BLOCK + 3))
    plan = planned(desk, file)
    assert (plan.to_do, plan.done) == (0, BLOCK + 3)
