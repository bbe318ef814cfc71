"""Trouble belongs to its object: one chat, one report, one page neither ends a run nor starves the others."""

from __future__ import annotations

import datetime as dt
import json
import random
import re
from collections import Counter
from dataclasses import replace
from urllib.parse import parse_qsl

import pytest

from crm_platform.cli.status import status_lines
from crm_platform.errors import GiveUp, RateLimited, ServerUnavailable, Unauthorized
from crm_platform.ingest.runs import open_crawler
from crm_platform.ingest.trouble import LONGEST_PAUSE, TroubleRegister
from crm_platform.models.raw_checks import everything_is_had
from crm_platform.sandbox import SandboxResponse
from crm_platform.sandbox.records import milliseconds
from crm_platform.schemas import raw
from crm_platform_tests.in_process import World, world

REFUSED = {"success": False, "error": {"code": "FORBIDDEN", "message": "no access to this chat"}}
NOT_SENT = {"success": False, "message": "Campaign has not been sent yet"}


def answers(crm: World, *rules: tuple[str, int, object]) -> Counter[str]:
    """Let the CRM answer paths (with their query) that match a rule's pattern with its status and body; counts them."""
    asked: Counter[str] = Counter()
    handle = type(crm.sandbox).handle.__get__(crm.sandbox)

    def handled(method, path, query, headers, body):
        for pattern, status, content in rules:
            if re.search(pattern, f"{path}?{query}"):
                asked[f"{path}?{query}"] += 1
                payload = content if isinstance(content, bytes) else json.dumps(content).encode()
                return SandboxResponse(status, payload)
        return handle(method, path, query, headers, body)

    crm.sandbox.handle = handled
    return asked


def chats(crm: World) -> list[str]:
    return [row["chat_id"] for row in crm.rows("select chat_id from raw.contacts order by chat_id")]


def by_table(outcomes):
    return {outcome.table: outcome for outcome in outcomes}


@pytest.mark.slow
@pytest.mark.parametrize(
    ("status", "body"),
    [
        (403, REFUSED),
        (200, {"success": False, "message": "archived"}),
        (500, {"success": False}),
        (401, {"success": False, "developer_message": "no"}),
        (200, {"success": True, "data": {"messages": "none"}}),
        (502, b"<html>bad gateway</html>"),
        (410, {"success": False}),
    ],
)
def test_one_chat_that_cannot_be_had_is_named_and_the_rest_goes_on(tmp_path, status, body):
    """Field case 6 and its like."""
    crm = world(tmp_path)
    crm.refresh(tables=[raw.Contacts])
    bad = chats(crm)[7]
    asked = answers(crm, (f"/crm/chat/{bad}/messages", status, body))
    outcome = by_table(crm.refresh())[raw.Messages]
    assert outcome.remaining.startswith("1 of 60 chats: 1 chats cannot be had: ")
    assert len(crm.rows("from ops.crawl_state where is_history_whole")) == 59
    (trouble,) = crm.rows("from ops.troubles where over_at is null")
    assert (trouble["operation"], trouble["target"]) == ("list_messages", bad)
    assert asked.total() <= 6
    first = asked.total()

    crm.refresh()
    assert asked.total() == first, "it rests"
    crm.time.sleep(86_400)
    crm.refresh()
    assert asked.total() == first + 1, "one try where the answer repeats itself"

    del crm.sandbox.handle
    crm.time.sleep(86_400)
    assert by_table(crm.refresh())[raw.Messages].remaining == ""
    (trouble,) = crm.rows("from ops.troubles")
    assert trouble["over_at"] is not None


def test_pauses_grow_to_a_day_and_no_clock_makes_them_longer(tmp_path):
    crm = world(tmp_path)
    with crm.warehouse.reading() as session:
        troubles = TroubleRegister.load(session)
    at = crm.time.now
    pauses = []
    for _ in range(9):
        troubles.met("list_messages", "c", ServerUnavailable("HTTP 500"), at=at)
        trouble = troubles.of("list_messages", "c")
        pauses.append((trouble.retry_at - at) / dt.timedelta(minutes=1))
        assert trouble.since == crm.time.now
        at = trouble.retry_at
    assert pauses == [0, 15, 60, 240, 960, 1440, 1440, 1440, 1440]
    troubles.met("list_messages", "c", ServerUnavailable("HTTP 502"), at=at)
    assert troubles.of("list_messages", "c").times == 1, "another answer is another trouble"
    troubles.met("list_messages", "d", ServerUnavailable("x"), at=at + 300 * LONGEST_PAUSE)
    troubles.met("list_messages", "d", ServerUnavailable("x"), at=at + 300 * LONGEST_PAUSE)
    assert not troubles.is_resting("list_messages", "d", at=at)


@pytest.mark.slow
@pytest.mark.parametrize(
    "body",
    [
        NOT_SENT,
        pytest.param({"success": True, "metrics": None}, marks=pytest.mark.slow),
        pytest.param({"success": True}, marks=pytest.mark.slow),
    ],
)
def test_reports_that_are_refused_starve_nobody(tmp_path, body):
    """Field case 5: reports of drafts, on a day's quota."""
    crm = world(tmp_path, contacts=40, limits={"requests_per_minute": 600, "requests_per_day": 200})
    asked = answers(crm, (r"/crm/campaign/[^/]+/report", 200, body))
    crm.refresh()
    campaigns = len(crm.rows("from raw.campaigns"))
    assert asked.total() <= 2 * campaigns
    assert len(crm.rows("from raw.contacts")) == 40
    assert len(crm.rows("from ops.crawl_state where known_until is not null")) == 40
    before = asked.total()
    crm.time.sleep(86_400)
    crm.crawl(minutes=10)
    assert asked.total() - before <= campaigns
    operations = Counter(row["operation"] for row in crm.rows("from ops.fetches"))
    assert operations["list_messages"] > 60


@pytest.mark.slow
def test_a_crawl_whose_reports_are_refused_visits_its_chats(tmp_path):
    crm = world(tmp_path, contacts=40, limits={"requests_per_minute": 60, "requests_per_day": 1_000})
    asked = answers(crm, (r"/crm/campaign/[^/]+/report", 200, NOT_SENT))
    crm.crawl(minutes=30)
    operations = Counter(row["operation"] for row in crm.rows("from ops.fetches"))
    assert operations["campaign_report"] == asked.total()
    assert operations["list_messages"] > 40 > 0.2 * operations["campaign_report"]


@pytest.mark.slow
@pytest.mark.parametrize("unlimited", [True, False])
def test_a_crawl_goes_on_without_a_chat_that_is_refused(tmp_path, unlimited):
    crm = world(tmp_path, limits={} if unlimited else {"requests_per_minute": 60})
    crm.refresh(tables=[raw.Contacts])
    bad = chats(crm)[:3]
    asked = answers(crm, (f"/crm/chat/({'|'.join(bad)})/messages", 403, REFUSED))
    outcome = by_table(crm.crawl(minutes=8))[raw.Messages]
    assert "3 of 60 chats not visited yet" in outcome.remaining
    assert len(crm.rows("from ops.crawl_state where is_history_whole")) == 57
    assert asked.total() <= 3 * 3


@pytest.mark.slow
def test_a_page_of_contacts_that_is_never_answered_is_missed_and_the_others_are_read(tmp_path):
    """Field case 17."""
    crm = world(tmp_path, contacts=330)
    asked = answers(crm, (r"/crm/chat\?page=2&", 500, {"success": False}))
    outcome = by_table(crm.refresh())[raw.Contacts]
    assert len(crm.rows("from raw.contacts")) == 230
    assert "page 2 could not be had, 100 of 330 records are missing" in outcome.remaining
    assert asked.total() <= 6
    assert len(crm.rows("from ops.crawl_state where is_history_whole")) == 230
    (sweep,) = crm.rows("from raw.contact_sweeps order by sweep_id desc limit 1")
    assert (sweep["is_complete"], sweep["seen_contacts"], sweep["reported_total"]) == (False, 230, 330)


@pytest.mark.slow
@pytest.mark.parametrize("path", [r"/crm/chat\?", r"/crm/campaign\?", r"/crm/setting/custom-field"])
@pytest.mark.parametrize("status", [403, pytest.param(500, marks=pytest.mark.slow)])
def test_a_list_that_cannot_be_had_ends_nothing_else(tmp_path, path, status):
    crm = world(tmp_path)
    crm.refresh()
    crm.time.sleep(86_400)
    asked = answers(crm, (path, status, {"success": False}))
    began = crm.time.now.replace(tzinfo=None)
    for run in (crm.refresh, lambda: crm.crawl(minutes=10)):
        run()
        assert len(crm.rows("from ops.crawl_state where known_until >= ?", began)) >= 60
    assert asked.total() < 60


@pytest.mark.slow
@pytest.mark.parametrize(
    "path", [r"/crm/campaign\?", pytest.param(r"/crm/setting/custom-field\?", marks=pytest.mark.slow)]
)
def test_trouble_with_a_list_is_over_once_any_run_has_read_it(tmp_path, path):
    crm = world(tmp_path)
    crm.refresh()
    crm.time.sleep(86_400)
    handle = crm.sandbox.handle
    answers(crm, (path, 403, REFUSED))
    crm.crawl(minutes=2)
    assert len(crm.rows("from ops.troubles where over_at is null")) == 1, "named once"
    crm.sandbox.handle = handle
    crm.refresh()
    assert not crm.rows("from ops.troubles where over_at is null")


@pytest.mark.slow
def test_trouble_with_a_page_is_over_once_the_list_ends_before_it(tmp_path):
    crm = world(tmp_path, contacts=220)
    handle = crm.sandbox.handle
    answers(crm, (r"/crm/chat\?page=3", 500, {"success": False}))
    crm.refresh(tables=[raw.Contacts])
    assert [row["target"] for row in crm.rows("from ops.troubles where over_at is null")] == ["page 3"]
    crm.sandbox.handle = handle
    at = milliseconds(crm.time.now)
    for index in list(crm.sandbox.world.present(at))[:30]:
        crm.sandbox.world.delete_contact(index, at)
    crm.refresh(tables=[raw.Contacts])
    assert not crm.rows("from ops.troubles where over_at is null")


def test_a_key_that_is_refused_everywhere_ends_the_run(tmp_path):
    crm = world(tmp_path)
    crm.refresh()
    asked = answers(crm, ("", 401, {"success": False, "developer_message": "no"}))
    for run in (crm.refresh, lambda: crm.crawl(minutes=10)):
        asked.clear()
        crm.time.sleep(86_400)
        with pytest.raises(Unauthorized):
            run()
        assert asked.total() <= 8
    assert not crm.rows("from ops.troubles where operation = 'list_messages' and over_at is null")


@pytest.mark.slow
@pytest.mark.parametrize(
    "run",
    [
        lambda crm: crm.crawl(requests=2),
        lambda crm: crm.crawl(minutes=2),
        lambda crm: crm.refresh(tables=[raw.CampaignReports]),
    ],
    ids=["two requests", "two minutes", "two reports"],
)
def test_a_run_that_asks_for_little_tells_a_refused_key_too(tmp_path, run):
    """It ended well after two refusals: too few for a row, and no list was due."""
    crm = world(tmp_path, limits={"requests_per_minute": 60})
    crm.refresh()
    with crm.warehouse.writing() as session:
        session.execute(
            "delete from raw.campaigns where campaign_id not in (select campaign_id from raw.campaigns limit 2)"
        )
    stored = crm.rows("select count(*) as n from raw.messages")
    crm.time.sleep(60)
    asked = answers(crm, ("", 401, {"success": False, "developer_message": "no"}))
    with pytest.raises(Unauthorized):
        run(crm)
    assert asked.total() <= 12
    assert crm.rows("select count(*) as n from raw.messages") == stored
    assert not crm.rows("from ops.troubles where over_at is null"), "it is the key's trouble, not theirs"


@pytest.mark.slow
def test_two_chats_that_are_refused_for_themselves_end_no_run(tmp_path):
    crm = world(tmp_path, limits={"requests_per_minute": 60})
    crm.refresh()
    asked = answers(crm, ("/messages", 401, REFUSED))
    crm.time.sleep(60)
    crm.crawl(requests=2)
    assert asked.total() == 2
    assert len(crm.rows("from ops.troubles where over_at is null")) == 2


@pytest.mark.slow
def test_messages_that_are_refused_altogether_end_their_stage_alone(tmp_path):
    crm = world(tmp_path)
    asked = answers(crm, ("/messages", 403, REFUSED))
    outcomes = by_table(crm.refresh(workers=1))
    assert "60 of 60 chats" in outcomes[raw.Messages].remaining
    assert outcomes[raw.CampaignReports].remaining == ""
    assert asked.total() < 40, "after three rows of six the rest is not asked any more"


@pytest.mark.slow
@pytest.mark.parametrize(
    ("rule", "problem"),
    [(("", 200, b"<html>maintenance</html>"), ServerUnavailable), (("", 429, {"success": False}), RateLimited)],
)
def test_a_crawl_that_got_nothing_says_so(tmp_path, rule, problem):
    """Field case 75."""
    crm = world(tmp_path)
    answers(crm, rule)
    with pytest.raises(problem):
        crm.crawl(minutes=5)


@pytest.mark.slow
def test_a_run_that_keeps_nothing_of_what_it_read_is_not_a_good_one(tmp_path):
    """Field cases 12, 21."""
    crm = world(tmp_path)
    crm.refresh()
    strange = {"success": True, "data": [{"who": str(n)} for n in range(60)], "pagination": {"total": 60}}
    answers(crm, (r"/crm/chat\?", 200, strange))
    for run in (crm.refresh, lambda: crm.crawl(minutes=40)):
        crm.time.sleep(86_400)
        with pytest.raises(GiveUp, match=r"raw.contacts: \d+ records, no chat_id"):
            run()
    assert len(crm.rows("from ops.crawl_state where is_history_whole")) == 60, "chats that are known were visited"


@pytest.mark.slow
def test_short_pages_capped_pages_and_a_total_too_high(tmp_path):
    """Field cases 7, 8, 13 at once, through the whole ingest."""
    crm = world(tmp_path, contacts=230)
    handle = type(crm.sandbox).handle.__get__(crm.sandbox)

    def capped(method, path, query, headers, body):
        answer = handle(method, path, re.sub(r"limit=\d+", "limit=50", query), headers, body)
        document = json.loads(answer.body)
        inner = document.get("data") if isinstance(document.get("data"), dict) else document
        if "pagination" in inner:
            inner["pagination"]["limit"] = 100
            inner["pagination"]["total"] += 5 if path.endswith("messages") else 0
        return replace(answer, body=json.dumps(document).encode())

    crm.sandbox.handle = capped
    outcome = by_table(crm.refresh())[raw.Messages]
    assert len(crm.rows("from raw.contacts")) == 230
    true = sum(line["kind"] == "message" for line in crm.truth())
    assert crm.rows("select count(*) as n from raw.messages") == [{"n": true}]
    assert "230 hold less than the CRM counts" in outcome.remaining
    assert not crm.rows("from ops.crawl_state where is_history_whole")
    known = chats(crm)
    crm.time.sleep(90_000)
    crm.refresh()
    states = {row["chat_id"]: row for row in crm.rows("from ops.crawl_state")}
    assert {(states[one]["is_history_whole"], states[one]["unreachable"]) for one in known} == {(True, 5)}


@pytest.mark.slow
def test_status_and_a_check_name_what_cannot_be_had(tmp_path):
    crm = world(tmp_path)
    crm.refresh(tables=[raw.Contacts])
    bad = chats(crm)[7]
    answers(crm, (f"/crm/chat/{bad}/messages", 403, REFUSED))
    crm.refresh()
    lines = [words for about, words in status_lines(crm.settings, now=crm.time.now) if about == "cannot be had"]
    assert len(lines) == 1
    assert lines[0].startswith(f"list_messages {bad}, for 0 s (2 times): ")
    assert "no access to this chat" in lines[0]
    assert "again in 15 min" in lines[0]
    with crm.warehouse.reading() as session:
        found = everything_is_had(session)
    assert not found.passed
    assert found.figures == {"list_messages": 1}
    assert bad in found.summary


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(3))
def test_one_run_at_a_high_rate_of_faults_gets_everything(tmp_path, seed):
    """What fails is asked for again as long as the same answer passes elsewhere; no page of a history is left out."""
    crm = world(tmp_path, contacts=25, days=400)
    chance = random.Random(seed)
    faults = [
        (200, json.dumps({"success": False, "message": "temporarily out of order"}).encode()),
        (200, b'{"success": true, "data": '),
        (500, b"{}"),
        (429, b"{}"),
    ]
    handle = type(crm.sandbox).handle.__get__(crm.sandbox)
    never = {"asked": 0}

    def handled(method, path, query, headers, body):
        if path == f"/crm/campaign/{stubborn}/report":
            never["asked"] += 1
            return SandboxResponse(200, json.dumps({"success": False, "message": "not for you"}).encode())
        if chance.random() < 0.35:
            return SandboxResponse(*chance.choice(faults))
        return handle(method, path, query, headers, body)

    crm.refresh(tables=[raw.Campaigns])
    stubborn = crm.rows("select max(campaign_id) as c from raw.campaigns where status = 'completed'")[0]["c"]
    crm.sandbox.handle = handled
    outcomes = by_table(crm.refresh(workers=1))
    assert len(crm.rows("from ops.crawl_state where is_history_whole and failed_at is null")) == 25
    assert {table.full_name(): outcome.remaining for table, outcome in outcomes.items() if outcome.remaining} == {
        "raw.campaign_reports": "1 reports cannot be had: campaign report: not for you"
    }
    assert never["asked"] <= 3


def test_another_answer_is_not_held_against_what_failed_before(tmp_path):
    """An answer that passes came three times, then one that no object had given yet: the chat is asked for again."""
    crm = world(tmp_path)
    crm.refresh(tables=[raw.Contacts])
    first, bad = chats(crm)[:2]
    out_of_order = (200, json.dumps({"success": False, "message": "temporarily out of order"}).encode())
    to_come = {first: [out_of_order], bad: [out_of_order] * 3 + [(429, b"{}")]}
    handle = type(crm.sandbox).handle.__get__(crm.sandbox)

    def handled(method, path, query, headers, body):
        asked = re.fullmatch("/crm/chat/(.+)/messages", path)
        faults = to_come.get(asked[1], []) if asked else []
        return SandboxResponse(*faults.pop(0)) if faults else handle(method, path, query, headers, body)

    crm.sandbox.handle = handled
    assert by_table(crm.refresh(workers=1))[raw.Messages].remaining == ""
    assert crm.rows("from ops.crawl_state where not is_history_whole") == []


@pytest.mark.slow
def test_a_page_is_left_out_for_its_own_failures_alone(tmp_path, monkeypatch):
    """Failures of the newest page between two of a history's page tell nothing of that page."""
    monkeypatch.setattr("crm_platform.ingest.recorder.BATCH_ROWS", 1)
    crm = world(tmp_path, contacts=12, days=200)
    crm.refresh(tables=[raw.Contacts])
    handle = type(crm.sandbox).handle.__get__(crm.sandbox)
    failing = {"sort=newest": (1, 3), "sort=oldest": (1, 2)}
    asked: Counter[tuple[str, str]] = Counter()

    def handled(method, path, query, headers, body):
        for sort, times in failing.items():
            if path.endswith("/messages") and sort in query:
                asked[path, sort] += 1
                if asked[path, sort] in times:
                    return SandboxResponse(200, b'{"success": false, "message": "temporarily out of order"}')
        return handle(method, path, query, headers, body)

    crm.sandbox.handle = handled
    with open_crawler(
        crm.settings,
        crm.warehouse,
        connect=crm.connect,
        progress=lambda _: None,
        now=crm.time,
        workers=1,
        wait_seconds=0,
        on_wait=None,
    ) as crawler:
        crawler.chats.load_states()
        while not all(state.meets or state.is_history_whole for state in crawler.chats.states.values()):
            answered = [visit.state for visit in crawler.chats.visit(chats(crm)) if visit.failure is None]
            list(
                crawler.chats.deepen(
                    [state.chat_id for state in answered if state.is_open and not state.meets], pages=50
                )
            )
        crawler.chats.count_ended()
        crawler.recorder.commit()
    assert max(asked.values()) > 3
    assert crm.rows("from ops.crawl_state where not is_history_whole") == []


@pytest.mark.slow
def test_a_page_is_left_out_for_no_failure_of_a_page_before_it(tmp_path, monkeypatch):
    """What kept an earlier page of the history from being had is over once the reading got further."""
    monkeypatch.setattr("crm_platform.ingest.message_lists.PAGE_SIZE", 5)
    crm = world(tmp_path, contacts=12, days=200)
    handle = type(crm.sandbox).handle.__get__(crm.sandbox)
    failing = {
        "newest&page=1": ("out of order", (1,)),  # so this server is one that mends what it said
        "oldest&page=2": ("out of order", (1, 2, 3)),
        "oldest&page=4": ("out of memory", (1, 2)),
    }
    asked: Counter[tuple[str, str]] = Counter()

    def handled(method, path, query, headers, body):
        given = dict(parse_qsl(query))
        for page, (why, times) in failing.items():
            if path.endswith("/messages") and page == f"{given['sort']}&page={given['page']}":
                asked[path, page] += 1
                if asked[path, page] in times:
                    return SandboxResponse(200, json.dumps({"success": False, "message": why}).encode())
        return handle(method, path, query, headers, body)

    crm.sandbox.handle = handled
    crm.refresh(workers=1)
    assert {page for (_, page), times in asked.items() if times > 2} >= {"oldest&page=2", "oldest&page=4"}
    assert crm.rows("from ops.crawl_state where not is_history_whole") == []
    assert crm.rows("from ops.troubles where over_at is null") == []


CAMPAIGNS = {"success": True, "count": 40, "data": [{"campaign_id": f"k{n}", "status": "completed"} for n in range(40)]}


@pytest.mark.slow
@pytest.mark.parametrize(
    ("kind", "status"),
    [
        ("report", 403),
        ("report", 500),
        ("messages", 403),
        ("messages", 500),
    ],
)
def test_a_kind_that_is_refused_altogether_ends_no_crawl(tmp_path, kind, status):
    """Field cases 5 and 6: with every report refused, crawl after crawl ended before it had read a contact."""
    crm = world(tmp_path, contacts=30)
    asked = answers(crm, (f"/{kind}", status, REFUSED), (r"/crm/campaign\?", 200, CAMPAIGNS))
    outcomes = by_table(crm.crawl(minutes=2))
    assert len(crm.rows("from raw.contacts")) == 30
    assert sum(asked.values()) < 300
    if kind == "report":
        assert len(crm.rows("from ops.crawl_state where is_history_whole")) == 30
        assert "reports cannot be had: campaign report: HTTP" in outcomes[raw.CampaignReports].remaining
    else:
        assert "chats cannot be had: list messages: HTTP" in outcomes[raw.Messages].remaining


@pytest.mark.slow
@pytest.mark.parametrize("data", [{"c1": {"chat_id": "c1"}}, {"items": [{"chat_id": "c1"}]}, "none"])
def test_a_crawl_without_a_contact_list_is_not_a_good_one(tmp_path, data):
    """Field case 75: nothing was read but the custom fields, and it ended with "remaining: nothing"."""
    crm = world(tmp_path)
    answers(crm, (r"/crm/chat\?", 200, {"success": True, "data": data}))
    with pytest.raises(ServerUnavailable, match="no list of contacts"):
        crm.crawl(minutes=2)


@pytest.mark.slow
def test_a_crawl_tells_of_contacts_that_it_did_not_see(tmp_path):
    crm = world(tmp_path, contacts=30)
    answers(crm, (r"/crm/chat\?", 200, {"success": True, "data": [], "pagination": {"total": 30}}))
    remaining = by_table(crm.crawl(minutes=2))[raw.Contacts].remaining
    assert remaining == "no sweep of the contact list was complete: 30 of 30 were not seen"


@pytest.mark.slow
def test_a_list_that_gives_its_first_page_only_is_not_complete(tmp_path):
    """Field case 14: `page` is ignored, and no total says that there is more than the 100 that came."""
    crm = world(tmp_path, contacts=130)
    handle = type(crm.sandbox).handle.__get__(crm.sandbox)

    def unpaged(method, path, query, headers, body):
        answer = handle(method, path, re.sub(r"page=\d+", "page=1", query), headers, body)
        document = json.loads(answer.body)
        document.pop("pagination", None)
        return replace(answer, body=json.dumps(document).encode()) if path == "/crm/chat" else answer

    crm.sandbox.handle = unpaged
    for run in (crm.refresh, lambda: crm.crawl(minutes=40)):
        crm.time.sleep(86_400)
        assert "page 2 is page 1 again" in by_table(run())[raw.Contacts].remaining
    assert 100 <= len(crm.rows("from raw.contacts")) < 110
    assert not crm.rows("from raw.contact_sweeps where is_complete")
