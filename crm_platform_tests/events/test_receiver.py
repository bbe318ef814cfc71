"""The receiver as a process of its own: who may send, what is answered, and that what was acknowledged is there."""

from __future__ import annotations

import contextlib
import datetime as dt
import hashlib
import hmac
import json
import signal
import socket
import threading
import time
from pathlib import Path

import httpx
import pytest

from crm_platform.events.receiver import MOST_BODY
from crm_platform.ingest.inbox import Inbox, InboxEvent
from crm_platform_tests.events.receiving import RECEIVE, receiver
from crm_platform_tests.serving.running import RunningServer

SECRET, BEFORE, METAS = "s" * 32, "b" * 32, "m" * 32


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    return tmp_path_factory.mktemp("signed")


@pytest.fixture(scope="module")
def signed(root):
    secrets = {"webhook_secret": SECRET, "webhook_secret_previous": BEFORE, "whatsapp_app_secret": METAS}
    with receiver(root, **secrets, whatsapp_verify_token="a token") as server:
        yield server


@pytest.fixture(scope="module")
def opened(tmp_path_factory):
    with receiver(tmp_path_factory.mktemp("open")) as server:
        yield server


def event(number: int | str, **values: object) -> dict[str, object]:
    moment = f"{dt.datetime.now(dt.UTC):%Y-%m-%dT%H:%M:%SZ}"
    return {"event": "message.received", "timestamp": moment, "properties": {"messageId": f"m{number}"}, **values}


def kept(root: Path) -> list[InboxEvent]:
    with contextlib.closing(Inbox(root / "inbox.sqlite")) as inbox:
        return inbox.take(1_000_000).events


def post(
    server: RunningServer, body: bytes, *, place: str = "crm", secret: str = SECRET, **headers: str
) -> httpx.Response:
    signature = hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()
    names = {"X-Hub-Signature-256": f"sha256={signature}"} | {
        name.replace("_", "-"): text for name, text in headers.items()
    }
    return httpx.post(f"{server.url}/webhooks/{place}", content=body, headers=names)


def test_a_signed_event_is_kept_before_it_is_answered(root, signed):
    body = json.dumps([event("signed"), event("signed"), {}]).encode()
    answer = post(signed, body)
    assert answer.status_code == 200
    assert answer.json() == {
        "success": True,
        "received": 3,
        "new": 1,
        "refused": [{"index": 2, "reason": "it names no event"}],
    }
    assert "msigned" in {one.message_id for one in kept(root)}
    assert "signed" in signed.words


def test_both_secrets_count_while_they_are_changed_and_no_other(signed):
    body = json.dumps(event("rotated")).encode()
    assert post(signed, body, secret=BEFORE).status_code == 200
    for wrong in (METAS, "x" * 32, ""):
        refused = post(signed, body, secret=wrong) if wrong else httpx.post(f"{signed.url}/webhooks/crm", content=body)
        assert refused.status_code == 401
        assert refused.json()["success"] is False
        assert SECRET not in refused.text
    assert post(signed, body + b" ", X_Hub_Signature_256="sha256=00").status_code == 401


def test_a_request_that_says_it_is_old_is_refused(signed):
    body = json.dumps(event("old")).encode()
    assert post(signed, body, X_Webhook_Timestamp=str(int(time.time()))).status_code == 200
    for sent in (str(int(time.time()) - 301), str(int(time.time()) + 301), "never"):
        assert post(signed, body, X_Webhook_Timestamp=sent).status_code == 401


def test_whatsapp_has_a_secret_and_a_token_of_its_own(root, signed):
    value = {"messages": [{"id": "wamid.own", "from": "254700000001", "timestamp": str(int(time.time()))}]}
    body = json.dumps({"entry": [{"changes": [{"value": value}]}]}).encode()
    assert post(signed, body, place="whatsapp").status_code == 401
    assert post(signed, body, place="whatsapp", secret=METAS).status_code == 200
    assert "wamid.own" in {one.message_id for one in kept(root)}
    asked = {"hub.mode": "subscribe", "hub.verify_token": "a token", "hub.challenge": "1158201444"}
    answer = httpx.get(f"{signed.url}/webhooks/whatsapp", params=asked)
    assert (answer.status_code, answer.text) == (200, "1158201444")
    for wrong in ({"hub.verify_token": "b"}, {"hub.mode": "unsubscribe"}, {"hub.challenge": "<script>"}):
        assert httpx.get(f"{signed.url}/webhooks/whatsapp", params=asked | wrong).status_code == 403


def test_without_a_secret_this_machine_alone_may_send_and_no_browser_or_proxy(opened):
    assert "open: this machine only" in opened.words
    body = json.dumps(event("open")).encode()
    assert httpx.post(f"{opened.url}/webhooks/crm", content=body).status_code == 200
    for headers in ({"Origin": "https://evil.example"}, {"X-Forwarded-For": "10.0.0.1"}, {"Forwarded": "for=10.0.0.1"}):
        refused = httpx.post(f"{opened.url}/webhooks/crm", content=body, headers=headers)
        assert refused.status_code == 401
        assert "CRM_WEBHOOK_SECRET" in refused.text
    assert httpx.get(f"{opened.url}/webhooks/whatsapp", params={"hub.mode": "subscribe"}).status_code == 403


@pytest.mark.parametrize("body", [b"", b"{", b"\xff\xfe", b"[" * 100_000, b"7", b'"text"', b"NaN"])
def test_what_is_no_json_or_no_events_is_told_so(opened, body):
    answer = httpx.post(f"{opened.url}/webhooks/crm", content=body)
    assert answer.status_code == 400
    assert answer.json()["error"]


def test_other_places_methods_and_sizes_are_refused(opened):
    assert httpx.get(opened.url).status_code == 404
    assert httpx.get(f"{opened.url}/webhooks/crm").status_code == 405
    assert httpx.post(f"{opened.url}/webhooks/other").status_code == 404
    assert httpx.post(f"{opened.url}/webhooks/crm", content=b" " * (MOST_BODY + 1)).status_code == 413
    many = json.dumps([{}] * 10_001).encode()
    assert "at most 10,000 events" in httpx.post(f"{opened.url}/webhooks/crm", content=many).text
    assert httpx.get(f"{opened.url}/healthz").json() == {"status": "ok"}


def test_a_sender_that_leaves_in_mid_body_hurts_nobody(opened):
    host, port = opened.place
    for words in (
        b"POST /webhooks/crm HTTP/1.1\r\nhost: x\r\ncontent-length: 100\r\n\r\n{",
        b"\x16\x03\x01 nonsense\r\n\r\n",
    ):
        with socket.create_connection((host, port)) as connection:
            connection.sendall(words)
    assert httpx.get(f"{opened.url}/healthz").status_code == 200


def send_until_it_is_gone(url: str, name: str, acknowledged: list[str]) -> None:
    with httpx.Client() as client:
        for number in range(100_000):
            try:
                answer = client.post(f"{url}/webhooks/crm", json=event(f"{name}-{number}"), timeout=5)
            except httpx.HTTPError:
                return
            if answer.status_code == 200:
                acknowledged.append(f"m{name}-{number}")


@pytest.mark.slow
def test_what_was_acknowledged_is_there_after_a_kill(tmp_path):
    acknowledged: list[str] = []
    for life in range(3):
        before = len(acknowledged)
        with receiver(tmp_path) as server:
            senders = [
                threading.Thread(target=send_until_it_is_gone, args=(server.url, f"{life}-{one}", acknowledged))
                for one in range(8)
            ]
            for sender in senders:
                sender.start()
            while len(acknowledged) - before < 300:
                time.sleep(0.01)
            server.process.send_signal(signal.SIGKILL)
            for sender in senders:
                sender.join()
    there = {one.message_id for one in kept(tmp_path)}
    assert set(acknowledged) <= there
    assert len(there) <= len(acknowledged) + 3 * 8, "at most what was under way came besides"


@pytest.mark.slow
def test_a_full_disk_is_told_as_not_now_and_nothing_acknowledged_is_lost(tmp_path):
    # No file of this process may grow beyond 256 kB: what a full disk says.
    limited = ("bash", "-c", 'trap "" XFSZ; ulimit -f 256; exec "$0" "$@"', *RECEIVE)
    acknowledged, refused = [], 0
    with receiver(tmp_path, command=limited) as server, httpx.Client() as client:
        for number in range(400):
            told = {"properties": {"messageId": f"m{number}", "note": "x" * 2000}}
            answer = client.post(f"{server.url}/webhooks/crm", json=event(number, **told))
            if answer.status_code == 200:
                acknowledged.append(f"m{number}")
            else:
                refused += 1
                assert answer.status_code == 503
                assert int(answer.headers["retry-after"]) > 0
    assert refused > 0
    assert len(acknowledged) > 0
    assert {one.message_id for one in kept(tmp_path)} >= set(acknowledged)
