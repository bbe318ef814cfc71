"""What a receiver of webhooks gets: forms, signatures, and what goes wrong on purpose or because it is away."""

import collections
import contextlib
import datetime as dt
import hashlib
import hmac
import http.server
import itertools
import json
import threading
import time
import uuid

import pytest
from click.testing import CliRunner

from crm_platform.cli.sandbox import sandbox
from crm_platform.errors import FixConfiguration
from crm_platform.sandbox import SandboxOptions, delivery
from crm_platform.sandbox.delivery import Delivery
from crm_platform.sandbox.webhooks import signature
from crm_platform_tests.sandbox.desk import START, Desk
from crm_platform_tests.sandbox.running import running_sandbox

URL = "http://127.0.0.1:1/webhooks/crm"


def hooked(**options):
    return Desk(**{"contacts": 60, "webhook_url": URL, **options})


def drained(desk):
    """Every body that is due."""
    bodies = []
    while True:
        postings, is_more = desk.sandbox.postings()
        for posting in postings:
            desk.sandbox.webhooks.answered(posting, is_accepted=True)
        bodies += [json.loads(posting.body) for posting in postings]
        if not is_more:
            return bodies


def unpacked(bodies):
    """The events of bodies, in order."""
    for body in bodies:
        if isinstance(body, list):
            yield from body
        else:
            yield from body.get("batch", [body])


def lines(desk):
    """The events that the sandbox says there were."""
    return [json.loads(line) for line in b"".join(desk.answer("GET", "/sandbox/events").chunks).splitlines()]


def plain(line):
    return {name: line[name] for name in ("event", "userId", "timestamp", "properties", "context")}


def test_without_mishaps_everything_comes_once_and_in_order():
    desk = hooked()
    desk.advance(hours=45)
    bodies = drained(desk)
    assert {type(body) for body in bodies} == {dict, list}
    assert all(len(body) <= 50 for body in bodies)
    assert list(unpacked(bodies)) == list(map(plain, lines(desk)))
    stats = desk.sandbox.stats().webhooks
    assert stats.made == stats.delivered == len(lines(desk)) > 100
    assert stats.reached == "2026-03-06T06:30:00.000Z"
    assert (stats.lost, stats.held, stats.waiting, stats.refused, stats.retried) == (0, 0, 0, 0, 0)
    assert stats.posts > 10


def test_the_envelope_spells_events_otherwise():
    desk = hooked(webhook_shape="batch")
    desk.advance(days=2)
    bodies = drained(desk)
    assert all(body.keys() == {"batch", "sent_at"} for body in bodies)
    spellings = set()
    for found, line in zip(unpacked(bodies), lines(desk), strict=True):
        assert found["event_id"] == line["event_id"] == str(uuid.UUID(line["event_id"]))
        assert found["event_name"] == line["event"].replace("csat.", "csat_")
        assert found["event_type"] == ("identify" if line["event"] == "contact.created" else "track")
        assert "+" + "".join(filter(str.isdigit, found["user_id"])) == line["userId"]
        spellings.add(found["user_id"][:1] + (" " if " " in found["user_id"] else ""))
        assert {name: found[name] for name in ("timestamp", "context", "properties")} == {
            name: line[name] for name in ("timestamp", "context", "properties")
        }
        assert len(found) == 7
    assert {"+", "2", "+ "} <= spellings


def test_mixed_bodies_are_of_every_form():
    desk = hooked(webhook_shape="mixed")
    desk.advance(days=3)
    bodies = drained(desk)
    forms = collections.Counter("list" if isinstance(body, list) else min(body) for body in bodies)
    assert forms.keys() == {"list", "context", "batch"}
    assert len(list(unpacked(bodies))) == len(lines(desk))


def test_messages_may_have_other_ids():
    desk = hooked(webhook_ids="other")
    desk.advance(days=2)
    found = lines(desk)
    assert list(unpacked(drained(desk))) == list(map(plain, found))
    names = collections.defaultdict(set)
    messages = {one["message_id"]: one for one in desk.truth("message")}
    for line in found:
        if line["message_id"] is not None:
            assert line["properties"]["messageId"].startswith("wamid.")
            names[line["message_id"]].add(line["properties"]["messageId"])
        if line["event"] in {"message.received", "message.sent"}:
            told, true = (
                dt.datetime.fromisoformat(text)
                for text in (line["timestamp"], messages[line["message_id"]]["timestamp"])
            )
            assert abs(told - true) <= dt.timedelta(seconds=2)
    assert all(len(others) == 1 and not others & {name} for name, others in names.items())


def shares(**options):
    """What came of the events of some days: the desk, the lines, and what came, by the order of coming."""
    desk = hooked(contacts=200, **options)
    bodies = []
    for _ in range(6):
        desk.advance(hours=16)
        bodies += drained(desk)
    return desk, lines(desk), list(unpacked(bodies))


def key(event):
    return json.dumps(event, sort_keys=True)


def test_events_are_lost_and_doubled_as_often_as_asked_for():
    desk, found, came = shares(webhook_lost=0.2, webhook_doubled=0.1)
    counts = collections.Counter(map(key, came))
    by_fates = collections.Counter(tuple(line["fates"]) for line in found)
    lost = sum(count for fates, count in by_fates.items() if "lost" in fates)
    assert 0.15 < lost / len(found) < 0.25
    assert 0.06 < by_fates["doubled",] / len(found) < 0.12
    stats = desk.sandbox.stats().webhooks
    for line in found:
        expected = 0 if "lost" in line["fates"] else 1 + ("doubled" in line["fates"])
        if counts[key(plain(line))] != expected:
            assert line["timestamp"] > "2026-03-08T09:20", "only what is still to come again"
    assert (stats.made, stats.lost, stats.doubled) == (len(found), lost, by_fates["doubled",])
    assert stats.made - stats.lost + stats.doubled == stats.delivered + stats.held
    assert len(came) == stats.delivered


def test_events_are_delayed_as_often_as_asked_for():
    desk, found, came = shares(webhook_delayed=0.1)
    assert 0.06 < sum(line["fates"] == ["delayed"] for line in found) / len(found) < 0.14
    order = [one["timestamp"] for one in came]
    newest = list(itertools.accumulate(order, max))
    late = [one for one, other in zip(order, newest, strict=True) if one < other]
    stats = desk.sandbox.stats().webhooks
    assert 0.7 * stats.delayed < len(late) <= stats.delayed
    assert stats.delayed == sum(line["fates"] == ["delayed"] for line in found)
    assert len(came) + stats.held == len(found)
    desk.advance(hours=1)
    expected = collections.Counter(key(plain(line)) for line in found)
    assert not expected - collections.Counter(map(key, came + list(unpacked(drained(desk)))))


def test_events_change_places_as_often_as_asked_for():
    desk, found, came = shares(webhook_reordered=0.3)
    stats = desk.sandbox.stats().webhooks
    order = [one["timestamp"] for one in came]
    steps_back = sum(later < earlier for earlier, later in itertools.pairwise(order))
    assert 0 < steps_back <= stats.reordered < 0.36 * len(found)
    assert stats.reordered > 0.1 * len(found), "some have no next one within a minute"
    assert not collections.Counter(map(key, came)) - collections.Counter(key(plain(line)) for line in found)
    desk.advance(minutes=2)
    came += unpacked(drained(desk))
    assert collections.Counter(map(key, came)) == collections.Counter(key(plain(line)) for line in lines(desk))


def test_mishaps_follow_from_the_seed_however_the_time_is_cut():
    options = {
        "webhook_lost": 0.1,
        "webhook_doubled": 0.2,
        "webhook_delayed": 0.2,
        "webhook_reordered": 0.3,
        "webhook_shape": "crm",
    }
    whole, cut, other = hooked(**options), hooked(**options), hooked(**options, seed=8)
    whole.advance(hours=30)
    other.advance(hours=30)
    at_once = list(unpacked(drained(whole)))
    by_pieces = []
    for _ in range(30 * 12):
        cut.advance(minutes=5)
        by_pieces += unpacked(drained(cut))
    assert by_pieces == at_once != list(unpacked(drained(other)))
    stats = (whole.sandbox.stats().webhooks, cut.sandbox.stats().webhooks)
    assert {**vars_of(stats[0]), "posts": 0} == {**vars_of(stats[1]), "posts": 0}


def vars_of(stats):
    return {name: getattr(stats, name) for name in stats.__slots__}


def test_without_a_receiver_nothing_is_posted():
    desk = Desk()
    desk.advance(days=1)
    assert desk.sandbox.postings() == ([], False)
    assert "webhooks" not in desk("GET", "/sandbox/stats")[1]


def test_signatures():
    """As `printf '{"a":1}' | openssl dgst -sha256 -hmac secret` has it."""
    expected = "sha256=aa9e2e3575f5d7098b6caccd790888c36d5fdb63342a73bada2d6a51747a8494"
    assert signature("secret", b'{"a":1}') == expected


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        ({"webhook_url": "ftp://127.0.0.1/x"}, "must be an address such as"),
        ({"webhook_url": "127.0.0.1:8090"}, "must be an address such as"),
        ({"webhook_url": "http://"}, "must be an address such as"),
        ({"webhook_url": ""}, "must be an address such as"),
        ({"webhook_url": "http://me:secret@127.0.0.1/"}, "must be an address such as"),
        ({"webhook_url": "http://127.0.0.1:99999/"}, "must be an address such as"),
        ({"webhook_url": "http://127.0.0.1/a b"}, "must be an address such as"),
        ({"webhook_url": "https://crm.example.com/hooks"}, "needs --webhook-secret or CRM_WEBHOOK_SECRET"),
        ({"webhook_secret": ""}, "the webhook secret is empty"),
        ({"webhook_shape": "xml"}, "unknown webhook shape 'xml'; there are crm, batch, mixed"),
        ({"webhook_ids": "none"}, "unknown webhook ids 'none'; there are api, other"),
        ({"webhook_lost": 1.1}, "shares between 0 and 1"),
        ({"webhook_reordered": float("nan")}, "shares between 0 and 1"),
    ],
)
def test_options_that_make_no_sense(options, problem):
    with pytest.raises(FixConfiguration, match=problem) as refused:
        SandboxOptions(**options)
    assert "me:secret" not in str(refused.value)


def test_a_receiver_elsewhere_takes_a_secret():
    options = SandboxOptions(webhook_url="https://crm.example.com/hooks?token=t0ken", webhook_secret="s3cret")
    assert "s3cret" not in repr(options)
    assert "t0ken" not in repr(options)


# Over HTTP


class Receiver:
    """A receiver of webhooks. `answers`: statuses (and Retry-After) to answer with before 200."""

    def __init__(self, *answers):
        self.answers = collections.deque(answers)
        self.requests = []
        receiver = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self):
                body = self.rfile.read(int(self.headers["Content-Length"]))
                receiver.requests.append((time.monotonic(), self.path, dict(self.headers), body))
                status, retry_after = receiver.answers.popleft() if receiver.answers else (200, None)
                self.send_response(status)
                if retry_after:
                    self.send_header("Retry-After", retry_after)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_):
                pass

        self._server = http.server.HTTPServer(("127.0.0.1", 0), Handler, bind_and_activate=False)
        self._server.server_bind()
        self.port = self._server.server_address[1]
        self.url = f"http://127.0.0.1:{self.port}/webhooks/crm?from=sandbox"

    def begin(self):
        self._server.server_activate()
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()

    def end(self):
        self._server.shutdown()
        self._server.server_close()


@contextlib.contextmanager
def receiving(*answers):
    receiver = Receiver(*answers)
    receiver.begin()
    try:
        yield receiver
    finally:
        receiver.end()


def until(is_so, *, seconds=60):
    end = time.monotonic() + seconds
    while not is_so():
        assert time.monotonic() < end, "it takes too long"
        time.sleep(0.02)


def caught_up(desk):
    stats = desk.sandbox.stats().webhooks
    return stats.waiting == 0 and stats.reached[:19] == desk.clock.now().isoformat()[:19]


def test_it_is_posted_signed_and_dated():
    with receiving() as receiver:
        desk = hooked(webhook_url=receiver.url, webhook_secret="s3cret", contacts=20)
        desk.advance(hours=20)
        with Delivery(desk.sandbox):
            until(lambda: caught_up(desk))
    for _, path, headers, body in receiver.requests:
        assert path == "/webhooks/crm?from=sandbox"
        assert headers["X-Hub-Signature-256"] == "sha256=" + hmac.new(b"s3cret", body, hashlib.sha256).hexdigest()
        assert abs(int(headers["X-Webhook-Timestamp"]) - time.time()) < 120
        assert headers["Content-Type"] == "application/json"
    came = list(unpacked(json.loads(body) for *_, body in receiver.requests))
    assert came == list(map(plain, lines(desk)))
    assert len(receiver.requests) == desk.sandbox.stats().webhooks.posts


def test_without_a_secret_nothing_is_signed():
    with receiving() as receiver:
        desk = hooked(webhook_url=receiver.url, contacts=20)
        desk.advance(hours=5)
        with Delivery(desk.sandbox):
            until(lambda: caught_up(desk))
    assert receiver.requests
    assert not any("X-Hub-Signature-256" in headers for _, _, headers, _ in receiver.requests)


def test_what_is_not_accepted_is_tried_again_or_refused(monkeypatch):
    monkeypatch.setattr(delivery, "_FIRST_PAUSE", 0.1)
    with receiving((503, None), (429, "1"), (200, None), (422, None)) as receiver:
        desk = hooked(webhook_url=receiver.url, contacts=60)
        desk.advance(hours=30)
        with Delivery(desk.sandbox):
            until(lambda: caught_up(desk))
    (first, *_, body), (second, *_, again), (third, *_, once_more), (*_, refused) = receiver.requests[:4]
    assert body == again == once_more != refused
    assert second - first >= 0.1
    assert third - second >= 1
    stats = desk.sandbox.stats().webhooks
    assert (stats.retried, stats.refused) == (2, len(list(unpacked([json.loads(refused)]))))
    assert stats.made == stats.delivered + stats.refused


def test_a_receiver_that_was_away_misses_nothing_and_stops_nobody(monkeypatch):
    monkeypatch.setattr(delivery, "_LONGEST_PAUSE", 0.2)
    receiver = Receiver()  # its port is taken, and nobody listens
    desk = hooked(webhook_url=receiver.url, contacts=60)
    with Delivery(desk.sandbox):
        for _ in range(3):
            desk.advance(hours=20)
            assert desk("GET", "/crm/chat")[0] == 200
        until(lambda: desk.sandbox.stats().webhooks.retried)
        stats = desk.sandbox.stats().webhooks
        assert stats.delivered == 0
        assert stats.waiting > 0
        receiver.begin()
        try:
            until(lambda: caught_up(desk))
        finally:
            receiver.end()
    came = list(unpacked(json.loads(body) for *_, body in receiver.requests))
    assert came == list(map(plain, lines(desk)))


@pytest.mark.slow
def test_a_running_sandbox_posts():
    with receiving() as receiver:
        options = {"webhook_url": receiver.url, "webhook_shape": "mixed", "webhook_lost": 0.2, "clock": "manual"}
        with running_sandbox(contacts=60, days=30, start=START, **options) as crm:
            crm.advance(2 * 86_400)
            until(lambda: crm.stats()["webhooks"]["reached"] == "2026-03-06T09:30:00.000Z", seconds=120)
            until(lambda: crm.stats()["webhooks"]["waiting"] == 0)
            stats = crm.stats()["webhooks"]
            lost = ["lost" in one["fates"] for one in crm.events()]
    came = list(unpacked(json.loads(body) for *_, body in receiver.requests))
    assert len(came) == stats["delivered"] == stats["made"] - stats["lost"] > 0
    assert (stats["made"], stats["lost"]) == (len(lost), sum(lost))
    assert 0 < stats["lost"] < stats["made"]


@pytest.mark.parametrize(
    ("arguments", "kept", "used"),
    [
        (["--webhook-url", URL], None, None),
        (["--webhook-url", URL], "a-secret-from-the-file", "a-secret-from-the-file"),
        (["--webhook-url", URL, "--webhook-secret", "given"], "a-secret-from-the-file", "given"),
        ([], "a-secret-from-the-file", None),
    ],
)
def test_the_secret_is_the_one_given_or_kept(arguments, kept, used, tmp_path, monkeypatch):
    if kept is not None:
        (tmp_path / "secret").write_text(f"{kept}\n", encoding="utf-8")
        monkeypatch.setenv("CRM_WEBHOOK_SECRET_FILE", str(tmp_path / "secret"))
    served = []
    monkeypatch.setattr("crm_platform.sandbox.server.serve", lambda crm, listening: served.append((crm, listening)))
    said = CliRunner().invoke(sandbox, ["--port", "0", "--contacts", "10", "--days", "1", *arguments])
    assert said.exit_code == 0, said.output
    ((crm, listening),) = served
    listening.close()
    assert crm.options.webhook_secret == used
    signed = f"events: posted to 127.0.0.1:1{', signed' if used else ''}\n"
    assert (signed in said.output) == bool(arguments)
    assert "given" not in said.output.replace("as given", "")
