"""What becomes of each answer: one typed result, or one error that says what to do; and what is never told."""

from __future__ import annotations

import datetime as dt
import io
import json
import logging
import random
import threading
import time
import traceback

import httpx
import pytest
from pydantic import SecretStr

from crm_platform.api import CrmClient, Fetch, FetchIds, OpenGate, Receiver
from crm_platform.api.envelopes import rate_headers, retry_after
from crm_platform.errors import (
    FieldProblem,
    FixConfiguration,
    InvalidRequest,
    NotFound,
    RateLimited,
    RejectedRequest,
    ServerUnavailable,
    SkipRecord,
    Unauthorized,
    WriteUncertain,
)
from crm_platform.scrub import scrub_foreign
from crm_platform_tests.api.inprocess import NOW, connect

KEY = "key-7f3a9c-secret"
NUMBER = "+254712345678"
GOOD = {"success": True, "data": [], "pagination": {"page": 1, "limit": 100, "total": 0}}


class Script(httpx.BaseTransport):
    """Answers from a list, the last one for ever; exceptions are raised."""

    def __init__(self, *answers) -> None:
        self.answers = list(answers)
        self.requests: list[httpx.Request] = []

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        request.read()
        self.requests.append(request)
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if isinstance(answer, Exception):
            raise answer
        return answer


def reply(status=200, body=GOOD, **headers) -> httpx.Response:
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    return httpx.Response(status, content=content, headers={name.replace("_", "-"): v for name, v in headers.items()})


def failure(**places) -> dict:
    return {"success": False, **places}


HTML = b"<html><body><h1>503 Service Unavailable</h1></body></html>"
READ_FAILURES = {
    "401": (reply(401, failure(developer_message="Invalid API key")), Unauthorized, "unauthorized", 1),
    "403 html": (reply(403, HTML), Unauthorized, "unauthorized", 1),
    "404": (reply(404, failure(error={"code": "NOT_FOUND", "message": "Chat not found"})), NotFound, "not_found", 1),
    "404 other": (reply(404, failure(developer_message="Chat not found")), NotFound, "not_found", 1),
    "422": (reply(422, failure(error={"code": "VALIDATION_ERROR", "message": "Bad"})), InvalidRequest, "invalid", 1),
    "409": (reply(409, failure(message="Busy")), RejectedRequest, "rejected", 1),
    "301": (reply(301, b"", location="https://evil.test/x"), FixConfiguration, "rejected", 1),
    "429": (reply(429, failure(message="Slow down")), RateLimited, "rate_limited", 5),
    "500": (
        reply(500, failure(error={"code": "INTERNAL_ERROR", "message": "x"})),
        ServerUnavailable,
        "server_error",
        5,
    ),
    "503 html": (reply(503, HTML), ServerUnavailable, "server_error", 5),
    "200 html": (reply(200, HTML), ServerUnavailable, "not_json", 5),
    "200 empty": (reply(200, b""), ServerUnavailable, "not_json", 5),
    "200 truncated": (reply(200, json.dumps(GOOD).encode()[:-9]), ServerUnavailable, "not_json", 5),
    "200 list": (reply(200, []), ServerUnavailable, "not_json", 5),
    "200 no list": (reply(200, {"success": True}), RejectedRequest, "not_success", 1),
    "200 list is none": (reply(200, {"success": True, "data": {"messages": 7}}), RejectedRequest, "not_success", 1),
    "200 false": (reply(200, failure(message="Busy")), RejectedRequest, "not_success", 1),
    "200 false beside data": (reply(200, GOOD | {"success": False}), RejectedRequest, "not_success", 1),
    "200 'false'": (reply(200, GOOD | {"success": "False"}), RejectedRequest, "not_success", 1),
    "408": (reply(408, b""), ServerUnavailable, "timeout", 5),
    "read timeout": (httpx.ReadTimeout("slow"), ServerUnavailable, "timeout", 5),
    "connect timeout": (httpx.ConnectTimeout("slow"), ServerUnavailable, "timeout", 5),
    "refused": (httpx.ConnectError("refused"), ServerUnavailable, "disconnected", 5),
    "dropped": (httpx.RemoteProtocolError("peer closed"), ServerUnavailable, "disconnected", 5),
    "reset": (httpx.ReadError("reset"), ServerUnavailable, "disconnected", 5),
    "bad gzip": (httpx.DecodingError("bad"), ServerUnavailable, "disconnected", 5),
}


@pytest.mark.parametrize("case", READ_FAILURES)
def test_each_failure_of_a_read_is_one_error(case):
    answer, error, outcome, tries = READ_FAILURES[case]
    fetches: list[Fetch] = []
    script = Script(answer)
    with connect(script, on_fetch=fetches.append) as client, pytest.raises(error) as caught:
        client.list_messages("c1")
    assert type(caught.value) is error
    assert [fetch.outcome for fetch in fetches] == [outcome] * tries
    assert [fetch.attempt for fetch in fetches] == list(range(1, tries + 1))
    assert len(script.requests) == tries
    assert {(fetch.operation, fetch.target, fetch.page, fetch.page_size, fetch.sort) for fetch in fetches} == {
        ("list_messages", "c1", 1, 100, "newest")
    }
    assert fetches[0].http_status == (answer.status_code if isinstance(answer, httpx.Response) else None)


WRITE_FAILURES = {
    "401": (reply(401, failure()), Unauthorized),
    "404": (reply(404, failure()), NotFound),
    "408": (reply(408, b""), RejectedRequest),
    "422": (reply(422, failure()), InvalidRequest),
    "429": (reply(429, failure(), retry_after="3"), RateLimited),
    "302": (reply(302, b"", location="/login"), FixConfiguration),
    "200 false": (reply(200, failure(title="No such operator")), RejectedRequest),
    "200 says nothing": (reply(200, {}), WriteUncertain),
    "200 html": (reply(200, HTML), WriteUncertain),
    "200 truncated": (reply(200, b'{"success": tr'), WriteUncertain),
    "500": (reply(500, failure(error={"message": "x"})), WriteUncertain),
    "503 html": (reply(503, HTML), WriteUncertain),
    "timeout": (httpx.ReadTimeout("slow"), WriteUncertain),
    "write timeout": (httpx.WriteTimeout("slow"), WriteUncertain),
    "dropped": (httpx.RemoteProtocolError("peer closed"), WriteUncertain),
    "refused": (httpx.ConnectError("refused"), ServerUnavailable),
    "connect timeout": (httpx.ConnectTimeout("slow"), ServerUnavailable),
}


@pytest.mark.parametrize("case", WRITE_FAILURES)
def test_a_write_is_sent_once_and_says_whether_it_may_have_been_done(case):
    answer, error = WRITE_FAILURES[case]
    fetches: list[Fetch] = []
    script = Script(answer)
    with connect(script, on_fetch=fetches.append) as client, pytest.raises(error) as caught:
        client.assign_chat("c1", "a@example.com")
    assert type(caught.value) is error
    assert len(script.requests) == len(fetches) == 1
    assert fetches[0].outcome != "ok"


def test_a_creation_without_its_record_is_uncertain():
    for body in ({"success": True}, {"success": True, "data": {"name": "x"}}, {"success": True, "data": "done"}):
        with connect(Script(reply(201, body))) as client, pytest.raises(WriteUncertain, match="look before"):
            client.create_contact(NUMBER)


@pytest.mark.parametrize(
    "place", [{"error": {"message": "M"}}, {"message": "M"}, {"developer_message": "M"}, {"title": "M"}, {"data": "M"},
              {"error": "M"}]
)  # fmt: skip
def test_the_servers_message_is_found_in_any_of_its_places(place):
    with connect(Script(reply(200, failure(**place)))) as client, pytest.raises(RejectedRequest, match=r"M$"):
        client.trigger_campaign("c1")


def test_validation_details_are_kept_and_scrubbed():
    details = [{"field": "whatsapp_number", "message": f"{NUMBER} is bad"}, "odd", {"field": None}]
    body = failure(error={"code": "VALIDATION_ERROR", "message": f"Bad {NUMBER}", "details": details})
    with connect(Script(reply(422, body))) as client, pytest.raises(InvalidRequest) as caught:
        client.create_contact(NUMBER)
    assert caught.value.details == (FieldProblem("whatsapp_number", "[number] is bad"), FieldProblem("", ""))
    assert caught.value.code == "VALIDATION_ERROR"
    assert "[number]" in str(caught.value)


# Retries.


def test_a_read_is_tried_again_until_it_is_answered():
    naps: list[float] = []
    script = Script(httpx.ReadTimeout("slow"), reply(200, HTML), reply(200, failure()), reply(429, b""), reply())
    with connect(script, naps=naps) as client:
        page = client.list_contacts()
    assert page.fetch.attempt == 5
    assert len({request.url for request in script.requests}) == 1
    bounds = [(0.25, 0.5), (0.5, 1), (1, 2), (8, 16)]
    assert all(low <= nap <= high for nap, (low, high) in zip(naps, bounds, strict=True))


@pytest.mark.parametrize("status", [429, 503])
@pytest.mark.parametrize("header", ["7", "Mon, 02 Mar 2026 09:00:07 GMT"])
def test_retry_after_is_honoured(status, header):
    naps: list[float] = []
    with connect(Script(reply(status, b"", retry_after=header), reply()), naps=naps, now=lambda: NOW) as client:
        client.list_contacts()
    assert len(naps) == 1
    assert 7 <= naps[0] <= 8


def test_a_pause_that_is_too_long_is_the_callers():
    naps: list[float] = []
    with (
        connect(Script(reply(429, b"", retry_after="3600")), naps=naps) as client,
        pytest.raises(RateLimited) as caught,
    ):
        client.list_contacts()
    assert caught.value.retry_after == 3600
    assert naps == []


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"retry-after": "3"}, 3),
        ({"retry-after": "0"}, 0),
        ({"retry-after": "2.5"}, 2.5),
        ({"retry-after": "Mon, 02 Mar 2026 08:59:00 GMT"}, 0),
        # The server's clock is ten minutes ahead of ours: the wait is what it means, not what the clocks make of it.
        ({"retry-after": "Mon, 02 Mar 2026 09:10:30 GMT", "date": "Mon, 02 Mar 2026 09:10:00 GMT"}, 30),
        ({"retry-after": "-3"}, None),
        ({"retry-after": "tomorrow"}, None),
        ({}, None),
    ],
)
def test_retry_after_forms(headers, seconds):
    assert retry_after(headers, now=NOW) == seconds


@pytest.mark.parametrize(
    ("reset", "after"),
    [(str(int(NOW.timestamp()) + 30), 30), (f"{int(NOW.timestamp()) + 30}000", 30), ("30", 30), ("0", 0), ("x", None)],
)
def test_rate_limit_reset_forms(reset, after):
    rates = rate_headers({"x-ratelimit-limit": "60", "x-ratelimit-remaining": "0", "x-ratelimit-reset": reset}, now=NOW)
    assert (rates.limit, rates.remaining, rates.reset_after) == (60, 0, after)


# Lists.


RECORD = {"message_id": "m", "timestamp": "2026-03-02T06:31:22Z", "direction": "inbound"}
PAGING = {"page": 1, "limit": 100, "total": "1"}


@pytest.mark.parametrize(
    "body",
    [
        {"success": True, "data": {"messages": [RECORD], "pagination": PAGING}},
        {"success": True, "data": [RECORD], "pagination": PAGING},
        {"success": True, "data": {"messages": [RECORD]}, "pagination": PAGING},
        {"success": True, "messages": [RECORD], "total": 1},
        {"success": True, "data": [RECORD], "count": 1, "page": 1, "rows": 100},
        {"data": [RECORD], "pagination": PAGING},
    ],
)
def test_lists_are_read_in_each_shape(body):
    with connect(Script(reply(200, body))) as client:
        page = client.list_messages("c1")
    assert [message.message_id for message in page.records] == ["m"]
    assert (page.total, page.page_size, page.fetch.total, page.fetch.records) == (1, 100, 1, 1)


def test_one_bad_record_does_not_fail_a_page():
    with connect(Script(reply(200, {"success": True, "data": [RECORD, RECORD | {"direction": "up"}, None]}))) as client:
        page = client.list_messages("c1")
    assert len(page.records) == 1
    assert [one.reason for one in page.rejected] == ["unknown direction", "not an object"]
    assert (page.fetch.records, page.total) == (3, None)


def contacts(first: int, count: int, **more) -> httpx.Response:
    data = [{"chat_id": str(first + number)} for number in range(count)]
    return reply(200, {"success": True, "data": data, **more})


def pages_of(*answers, limit=10) -> list[int]:
    script = Script(*answers)
    with connect(script) as client:
        return [len(page.records) for page in client.contact_pages(limit=limit)]


def test_paging_follows_the_last_total():
    def total(number: int) -> dict:
        return {"pagination": {"page": 1, "limit": 10, "total": number}}

    assert pages_of(contacts(0, 10, **total(20)), contacts(10, 10, **total(20))) == [10, 10]
    assert pages_of(contacts(0, 10, **total(20)), contacts(10, 10, **total(21)), contacts(20, 1, **total(21))) == [
        10,
        10,
        1,
    ]
    assert pages_of(contacts(0, 0, **total(0))) == [0]


def test_paging_without_a_total_ends_where_nothing_more_comes():
    assert pages_of(contacts(0, 10), contacts(10, 3), contacts(13, 0)) == [10, 3, 0]
    assert pages_of(contacts(0, 10), contacts(10, 10), contacts(20, 0)) == [10, 10, 0]


def test_paging_believes_a_server_that_gives_smaller_pages():
    small = {"pagination": {"page": 1, "limit": 5, "total": 12}}
    assert pages_of(contacts(0, 5, **small), contacts(5, 5, **small), contacts(10, 2, **small)) == [5, 5, 2]
    echoed = {"pagination": {"page": 1, "limit": 10, "total": 12}}
    assert pages_of(contacts(0, 5, **echoed), contacts(5, 5, **echoed), contacts(10, 2, **echoed)) == [5, 5, 2]


def test_paging_ends_when_a_server_repeats_itself():
    assert pages_of(contacts(0, 10)) == [10, 10]
    assert pages_of(contacts(0, 10, pagination={"total": 10**9})) == [10, 10]


def test_paging_asks_for_a_page_when_it_is_wanted():
    script = Script(contacts(0, 10))
    with connect(script) as client:
        pages = client.contact_pages(limit=10, first=3)
        assert not script.requests
        next(pages)
    assert [request.url.params["page"] for request in script.requests] == ["3"]


def test_a_report_about_another_campaign_is_refused():
    metrics = {"total_recipients": 1}
    with connect(Script(reply(200, {"success": True, "campaign_id": "b", "metrics": metrics}))) as client:
        with pytest.raises(SkipRecord, match="another campaign"):
            client.campaign_report("a")
        assert client.campaign_report("b").value.total_recipients == 1
    with connect(Script(reply(200, {"success": True, "data": {"metrics": metrics}}))) as client:
        assert client.campaign_report("a").value.campaign_id == "a"


# What is sent.


def sent(call, body=None) -> httpx.Request:
    answer = {
        "success": True,
        "data": body if body is not None else {"chat_id": "1", "campaign_id": "1", "custom_field_id": "1"},
    }
    script = Script(reply(200, answer))
    with connect(script) as client:
        call(client)
    return script.requests[0]


def test_requests_are_what_the_contract_says():
    request = sent(lambda c: c.create_contact(NUMBER, name="A", email="a@b.c", custom_fields={"VIP": "yes"}))
    assert (request.method, request.url.path, request.headers["API-KEY"]) == ("POST", "/crm/chat", "sandbox")
    assert json.loads(request.content) == {
        "whatsapp_number": NUMBER, "name": "A", "email": "a@b.c", "custom_fields": {"VIP": "yes"},
    }  # fmt: skip
    due = dt.datetime(2026, 4, 3, 9, tzinfo=dt.timezone(dt.timedelta(hours=3)))
    receivers = (Receiver(NUMBER, variables) for variables in ({"1": "Amina"}, {}))
    request = sent(lambda c: c.create_campaign("n", template_name="t", receivers=receivers, scheduled_at=due))
    assert json.loads(request.content) == {
        "name": "n",
        "template_name": "t",
        "receivers": [{"whatsapp_number": NUMBER, "variables": {"1": "Amina"}}, {"whatsapp_number": NUMBER}],
        "scheduled_at": "2026-04-03T06:00:00Z",
    }
    assert json.loads(sent(lambda c: c.mark_as_done("1", resolution_notes="ok")).content) == {
        "metadata": {"resolution_notes": "ok"}
    }
    assert json.loads(sent(lambda c: c.mark_as_done("1")).content) == {}
    assert json.loads(sent(lambda c: c.assign_chat("1", "a@b.c", pause_automation=False)).content) == {
        "operator_email": "a@b.c", "pause_automation": False,
    }  # fmt: skip
    request = sent(lambda c: c.search_contacts("name", "a&b=c", "starts with"), body=[])
    assert dict(request.url.params) == {
        "search_field": "name", "search_value": "a&b=c", "condition": "starts with",
    }  # fmt: skip


def test_ids_cannot_leave_their_place_in_the_path():
    request = sent(lambda c: c.delete_contact("../x?y#z/ä"))
    assert request.url.raw_path == b"/crm/chat/..%2Fx%3Fy%23z%2F%C3%A4"


@pytest.mark.parametrize(
    "call",
    [
        lambda c: c.list_contacts(page=0),
        lambda c: c.list_contacts(limit=101),
        lambda c: c.list_messages("", page=1),
        lambda c: c.list_messages(".."),
        lambda c: c.list_messages("c", sort="middle"),
        lambda c: c.search_contacts("phone", "x"),
        lambda c: c.search_contacts("name", " "),
        lambda c: c.search_contacts("name", "x", "like"),
        lambda c: c.create_contact("0712"),
        lambda c: c.create_contact(NUMBER, email="nobody"),
        lambda c: c.assign_chat("c", "nobody"),
        lambda c: c.create_custom_field(""),
        lambda c: c.create_campaign("n", template_name="t", receivers=[]),
        lambda c: c.create_campaign("n", template_name="t", receivers=[Receiver("7", {})]),
        lambda c: c.create_campaign(
            "n", template_name="t", receivers=[Receiver(NUMBER, {})], scheduled_at=dt.datetime(2026, 1, 1)
        ),
        lambda c: c.clone_campaign("c", new_name="", receivers=[Receiver(NUMBER, {})]),
    ],
)  # fmt: skip
def test_what_the_contract_forbids_is_never_sent(call):
    script = Script(reply())
    with connect(script) as client, pytest.raises(InvalidRequest) as caught:
        call(client)
    assert caught.value.details
    assert not script.requests


# Threads, time, ids.


def test_threads_share_a_client_and_its_bound():
    under_way, most, lock = 0, 0, threading.Lock()
    barrier = threading.Barrier(3, timeout=5)

    class Slow(httpx.BaseTransport):
        def handle_request(self, request):
            nonlocal under_way, most
            with lock:
                under_way += 1
                most = max(most, under_way)
            barrier.wait()
            with lock:
                under_way -= 1
            return reply()

    fetches: list[Fetch] = []
    with connect(Slow(), max_connections=3, on_fetch=fetches.append) as client:
        threads = [threading.Thread(target=client.list_contacts) for _ in range(12)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert most == 3
    assert len({fetch.fetch_id for fetch in fetches}) == 12


def test_fetch_ids_increase_also_when_the_clock_does_not():
    moments = iter([NOW, NOW, NOW - dt.timedelta(hours=1), NOW + dt.timedelta(seconds=1)])
    new_id = FetchIds(lambda: next(moments))
    ids = [new_id() for _ in range(4)]
    assert ids == sorted(set(ids))
    assert all(0 < one < 2**63 for one in ids)
    assert ids[0] >> 10 == int(NOW.timestamp()) * 1_000_000


def test_fetch_ids_of_two_clients_differ_by_their_numbers_at_any_instant():
    ids = {FetchIds(lambda: NOW, number=number)() for number in range(5000, 6024)}
    assert len(ids) == 1024
    assert {one >> 10 for one in ids} == {int(NOW.timestamp()) * 1_000_000}


def test_an_answer_that_trickles_is_a_time_out():
    moments = iter(range(10_000))

    def trickle():
        while True:
            yield b" "

    answer = httpx.Response(200, content=trickle())
    with (
        connect(Script(answer), clock=lambda: next(moments), retries=0) as client,
        pytest.raises(ServerUnavailable),
    ):
        client.list_contacts()


@pytest.mark.parametrize(
    ("headers", "skew"),
    [
        ({"date": "Mon, 02 Mar 2026 06:00:00 GMT"}, 0.0),
        ({"date": "Mon, 02 Mar 2026 06:00:04 GMT"}, 0.0),
        ({"date": "Mon, 02 Mar 2026 09:00:00 GMT"}, 3 * 3600.0),
        ({"date": "Mon, 02 Mar 2026 05:50:00 GMT"}, -599.0),  # whole seconds: it may be the end of that one
        ({"date": "Wed, 01 Apr 2026 06:00:00 GMT"}, 30 * 86_400.0),
        ({"date": "Mon, 02 Mar 2026 09:00:00 GMT", "age": "60"}, None),  # some cache's, of another time
        ({"date": "yesterday"}, None),
        ({"date": "x" * 100_000}, None),
        ({}, None),
    ],
)
def test_a_server_whose_clock_is_off_is_noted_with_its_request(headers, skew):
    """Field case 19."""
    now = dt.datetime(2026, 3, 2, 6, tzinfo=dt.UTC)
    fetches: list[Fetch] = []
    with connect(Script(reply(**headers)), on_fetch=fetches.append, now=lambda: now) as client:
        client.list_contacts()
    assert fetches[0].server_clock_skew_seconds == skew


def test_a_long_pause_is_told_with_its_end():
    """Field case 24: the refusal itself says until when."""
    with (
        connect(Script(reply(429, retry_after="30000")), now=lambda: NOW) as client,
        pytest.raises(RateLimited, match=f"a pause until {NOW + dt.timedelta(seconds=30_000):%Y-%m-%d %H:%M:%S} UTC"),
    ):
        client.list_contacts()


def test_the_gate_is_passed_by_every_attempt_and_told_of_every_answer():
    told = []

    class Gate(OpenGate):
        def acquire(self, operation):
            told.append(operation)
            return self

        def release(self, headers, status):
            told.append((headers and headers.get("X-RateLimit-Remaining"), status))

    script = Script(
        httpx.ReadTimeout("slow"), httpx.ConnectError("refused"), reply(500, b"", x_ratelimit_remaining="5"), reply()
    )
    with connect(script, gate=Gate()) as client:
        client.list_contacts()
    given_up, never_sent = (None, None), ({}, None)
    assert told[:4] == ["list_contacts", given_up, "list_contacts", never_sent]
    assert told[4:] == ["list_contacts", ("5", 500), "list_contacts", (None, 200)]


def test_an_interrupt_gives_the_slot_back():
    released = []

    class Gate(OpenGate):
        def acquire(self, operation):
            return self

        def release(self, headers, status):
            released.append(status)

    class Interrupted(httpx.BaseTransport):
        def handle_request(self, request):
            raise KeyboardInterrupt

    with connect(Interrupted(), gate=Gate()) as client, pytest.raises(KeyboardInterrupt):
        client.list_contacts()
    assert released == [None]


# Nothing secret, nothing personal.


@pytest.mark.parametrize(
    ("text", "scrubbed"),
    [
        (f"no {NUMBER} here", "no [number] here"),
        ("call 0712 345-678 now", "call [number] now"),
        ("%2B254712345678", "[number]"),
        ("amina.w+x@mail.example.com!", "[e-mail]!"),
        ("amina%40example.com", "[e-mail]"),
        (f"key {KEY} is wrong", "key [secret] is wrong"),
        ("two\nlines\x1b[31m", "two lines [31m"),
        ("page 12 of 345", "page 12 of 345"),
        ("x" * 500, "x" * 199 + "…"),
    ],
)
def test_scrubbing(text, scrubbed):
    assert scrub_foreign(text, secret=SecretStr(KEY)) == scrubbed


class _Failing(httpx.BaseTransport):
    """Fails inside a frame whose locals hold the request's headers, as httpcore and h11 do."""

    def handle_request(self, request):
        headers = [(name, value) for name, value in request.headers.items()]  # noqa: F841
        raise httpx.WriteError(f"could not send {request.headers['API-KEY']}")


@pytest.mark.parametrize(
    "transport",
    [
        Script(reply(401, failure(developer_message=f"{KEY} of {NUMBER} (a@example.com) is wrong"))),
        Script(reply(200, failure(data=f"{KEY} {NUMBER}"))),
        Script(reply(500, failure(error={"message": KEY, "code": KEY}))),
        _Failing(),
    ],
)
@pytest.mark.parametrize("call", [lambda c: c.list_contacts(), lambda c: c.delete_contact("c1")])
def test_no_exception_tells_the_key_or_a_person(transport, call):
    client = connect(transport, key=KEY)
    with pytest.raises(Exception) as caught:
        call(client)
    problem = caught.value
    told = "".join(traceback.TracebackException.from_exception(problem, capture_locals=True).format())
    told += repr(problem) + repr(vars(problem)) + repr(client)
    assert KEY not in told
    assert NUMBER.strip("+") not in told
    assert "a@example.com" not in told
    assert problem.__cause__ is None
    assert problem.__context__ is None


@pytest.mark.parametrize("key", ["", "two words", "line\nbreak", "schlüssel"])
def test_a_key_no_header_can_carry_is_a_setting_to_fix(key):
    with pytest.raises(FixConfiguration) as caught:
        CrmClient("http://crm.test", SecretStr(key))
    ours = caught.value.with_traceback(caught.tb.tb_next)
    told = "".join(traceback.TracebackException.from_exception(ours, capture_locals=True).format())
    assert not key or key not in told


@pytest.mark.slow
def test_debug_logs_tell_neither_key_nor_person(live_sandbox):
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    root = logging.getLogger()
    level = root.level
    root.addHandler(handler)
    root.setLevel(logging.DEBUG)
    try:
        with CrmClient(live_sandbox.url, SecretStr(KEY), jitter=random.Random(1)) as client:
            with pytest.raises(Unauthorized):
                client.search_contacts("whatsapp_number", NUMBER)
            with pytest.raises(Unauthorized):
                client.search_contacts("email", "amina@example.com")
            with pytest.raises(Unauthorized):
                client.list_messages(NUMBER)
    finally:
        root.removeHandler(handler)
        root.setLevel(level)
    logs = stream.getvalue()
    assert "send_request_headers" in logs
    for secret in (KEY, NUMBER.strip("+"), "amina"):
        assert secret not in logs


# Shapes.


EMPTY = [
    {"data": None}, {"data": {}}, {"data": ""}, {"data": []}, {"data": None, "pagination": {"total": 0}},
    {"data": {"messages": None, "pagination": {"page": 1, "limit": 100, "total": 0}}}, {"data": {"messages": {}}},
    {"messages": None}, {"pagination": {"page": 1, "limit": 100, "total": "0"}}, {"data": {"pagination": {"total": 0}}},
    {"count": 0, "page": 1, "rows": 100},
]  # fmt: skip


@pytest.mark.parametrize("body", EMPTY)
def test_an_empty_list_in_any_spelling_is_one(body):
    """Field case 9."""
    script = Script(reply(200, {"success": True} | body))
    with connect(script) as client:
        page = client.list_messages("c1")
    assert (page.records, page.rejected, page.fetch.outcome, page.fetch.records) == ((), (), "ok", 0)
    assert len(script.requests) == 1


def test_no_content_is_an_empty_list_but_no_report():
    """Field case 9: 204."""
    script = Script(reply(204, b""))
    with connect(script) as client:
        assert client.list_contacts().records == ()
        assert client.contact_custom_fields("c1").records == ()
        with pytest.raises(RejectedRequest):
            client.campaign_report("k1")
    assert len(script.requests) == 3


@pytest.mark.parametrize(
    "body",
    [
        {"success": True}, {"success": False, "data": None},
        {"success": True, "data": None, "pagination": {"total": 7}}, {"success": True, "data": "soon"},
        {"success": True, "data": {"pagination": {"total": 7}}},
        {"success": True, "data": {"items": [1], "pagination": {"total": 1}}}, {"success": True, "data": 0},
    ],
)  # fmt: skip
def test_what_is_no_list_at_all_is_not_an_empty_one(body):
    """A variant of field case 9: nobody vanishes because an answer was misread."""
    with connect(Script(reply(200, body))) as client, pytest.raises(RejectedRequest):
        client.list_messages("c1")
    with connect(Script(reply(200, body)), retries=0) as client, pytest.raises(ServerUnavailable):
        client.list_contacts()


def test_beyond_the_end_an_odd_empty_list_is_believed_beside_a_total():
    with connect(Script(reply(200, {"success": True, "data": None, "pagination": {"total": 7}}))) as client:
        assert client.list_messages("c1", page=2).total == 7


@pytest.mark.parametrize(
    "body", [failure(message="Campaign has not been sent yet"), {"success": True, "metrics": None}]
)
def test_a_report_that_is_not_there_costs_one_try(body):
    """Field case 5."""
    script = Script(reply(200, body))
    with connect(script) as client, pytest.raises(RejectedRequest) as caught:
        client.campaign_report("k1")
    assert caught.value.status == 200
    assert len(script.requests) == 1
    assert "message" not in body or body["message"] in str(caught.value)


def test_a_refusal_says_whether_it_may_concern_one_object():
    """Field case 6."""
    with connect(Script(reply(403, failure(message="No")))) as client:
        with pytest.raises(Unauthorized, match="lacks the right for this one"):
            client.list_messages("c1")
        with pytest.raises(Unauthorized, match="the key is refused"):
            client.list_contacts()


def test_long_words_of_a_server_are_cut_before_they_are_searched():
    """Field case 66: an error text of 80 kB took 160 s to scrub."""
    for text in ("a" * 80_000, "a." * 40_000, "1 " * 40_000, "+1(" * 30_000, f"no {NUMBER} here " * 10_000):
        with connect(Script(reply(500, failure(message=text))), retries=0) as client:
            begin = time.perf_counter()
            with pytest.raises(ServerUnavailable) as caught:
                client.list_contacts()
        assert time.perf_counter() - begin < 5  # measured: 0.01 s
        assert len(str(caught.value)) < 300
        assert NUMBER.strip("+") not in str(caught.value)


@pytest.mark.parametrize("body", [b'{"data":' + b"[" * 100_000, b"[" * 100_000, b'{"a":' * 100_000])
def test_a_nesting_bomb_is_an_unreadable_answer(body):
    """Field case 66."""
    with connect(Script(reply(200, body)), retries=0) as client:
        for call in (client.list_contacts, lambda: client.campaign_report("k1")):
            with pytest.raises((ServerUnavailable, RejectedRequest)):
                call()
