"""Alerts against a real HTTP server: once, again after a day, an all-clear, and never an error for the caller."""

from __future__ import annotations

import datetime as dt
import json
import logging
import stat
import tempfile
import threading
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from pydantic import SecretStr

from crm_platform.alerts import Alert, Alerter, Notification
from crm_platform.alerts.notification import body, scrubbed
from crm_platform.settings import Settings
from crm_platform_tests.alerts.conftest import FAILED, Clock, Receiver


@pytest.fixture
def alerter(tmp_path: Path, receiver: Receiver, clock: Clock) -> Alerter:
    return Alerter(Settings(data_dir=tmp_path, alert_webhook_url=receiver.url), now=clock)


def test_a_problem_is_told_once(alerter, receiver, caplog):
    assert alerter.report(FAILED)
    assert not alerter.report(FAILED)
    assert not alerter.report(Alert(FAILED.key, "refresh_all failed again", "another text, the same problem"))
    assert receiver.titles == ["🔴 refresh_all failed"]
    assert [record.levelname for record in caplog.records] == ["ERROR"]
    assert alerter.open_problems() == {"job:refresh_all": "refresh_all failed"}


def test_the_message_has_slacks_shape(alerter, receiver):
    alerter.report(FAILED)
    assert receiver.received == [
        {
            "text": "🔴 refresh_all failed: step raw__messages: the CRM answered 500",
            "blocks": [
                {"type": "header", "text": {"type": "plain_text", "text": "🔴 refresh_all failed"}},
                {"type": "section", "text": {"type": "mrkdwn", "text": "step raw__messages: the CRM answered 500"}},
                {
                    "type": "context",
                    "elements": [{"type": "mrkdwn", "text": "since 2026-11-22 08:00 UTC · sandbox data"}],
                },
            ],
        }
    ]


def test_what_was_told_under_a_clock_ahead_silences_nobody_once_it_is_right(alerter, receiver, clock):
    """Field case 65."""
    right = clock.now
    clock.now = right + dt.timedelta(days=30)
    alerter.report(FAILED)
    receiver.status = 500
    alerter.report(Alert("job:ingest", "ingest failed"))
    receiver.status = 200
    receiver.received.clear()
    clock.now = right
    assert not alerter.report(FAILED), "told a moment ago, as far as anybody can say"
    clock.now = right + dt.timedelta(minutes=6)
    alerter.catch_up()
    assert receiver.titles == ["🔴 ingest failed"], "the channel that failed rests for five minutes, not for a month"
    clock.now = right + dt.timedelta(days=1, minutes=1)
    assert alerter.report(FAILED)
    assert all(one.since <= clock.now for one in alerter.standing())


def test_two_problems_are_two(alerter, receiver):
    assert alerter.report(FAILED)
    assert alerter.report(Alert("job:ingest", "ingest failed"))
    assert len(receiver.received) == 2


def test_what_stays_wrong_is_told_again_a_day_later(alerter, receiver, clock):
    alerter.report(FAILED)
    for _hour in range(47):
        clock.pass_time(hours=1)
        alerter.report(FAILED)
    assert len(receiver.received) == 2
    assert "seen 25 times" in receiver.received[1]["blocks"][-1]["elements"][0]["text"]


def test_an_all_clear_when_it_is_over_and_only_then(alerter, receiver, clock):
    assert not alerter.resolve(FAILED.key)
    alerter.report(FAILED)
    clock.pass_time(hours=2)
    assert alerter.resolve(FAILED.key, text="run 12 succeeded")
    assert not alerter.resolve(FAILED.key)
    assert receiver.titles == ["🔴 refresh_all failed", "🟢 over: refresh_all failed"]
    assert "from 2026-11-22 08:00 to 2026-11-22 10:00 UTC" in receiver.received[1]["blocks"][-1]["elements"][0]["text"]
    assert alerter.open_problems() == {}
    assert alerter.report(FAILED), "a problem that comes back is a new one"


def test_what_was_told_survives_a_restart(tmp_path, receiver, clock):
    settings = Settings(data_dir=tmp_path, alert_webhook_url=receiver.url)
    assert Alerter(settings, now=clock).report(FAILED)
    assert not Alerter(settings, now=clock).report(FAILED)
    assert Alerter(settings, now=clock).resolve(FAILED.key)
    assert len(receiver.received) == 2


def test_many_at_once_tell_it_once(alerter, receiver):
    threads = [threading.Thread(target=alerter.report, args=(FAILED,)) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(receiver.received) == 1


@pytest.mark.slow
@pytest.mark.parametrize("status", [0, 302, 404, 429, 500])
def test_a_webhook_that_fails_fails_nobody_and_is_tried_again(alerter, receiver, clock, status, caplog):
    receiver.status = status
    assert not alerter.report(FAILED)
    clock.pass_time(minutes=1)
    tries = len(receiver.received)
    assert not alerter.report(FAILED)
    assert len(receiver.received) == tries, "not at once"
    receiver.status = 200
    clock.pass_time(minutes=5)
    assert alerter.report(FAILED)
    assert "tried again later" in caplog.text


def test_an_all_clear_that_cannot_be_sent_is_sent_later(alerter, receiver, clock):
    alerter.report(FAILED)
    receiver.status = 503
    clock.pass_time(hours=1)
    assert not alerter.resolve(FAILED.key)
    receiver.status = 200
    assert not alerter.resolve(FAILED.key), "not at once"
    clock.pass_time(minutes=5)
    assert alerter.resolve(FAILED.key)


def test_a_channel_gets_no_all_clear_for_what_it_never_heard_of(alerter, receiver, clock, caplog):
    receiver.status = 500
    alerter.report(FAILED)
    receiver.status = 200
    clock.pass_time(hours=1)
    with caplog.at_level(logging.INFO):
        alerter.resolve(FAILED.key)
    assert "over: refresh_all failed" in caplog.text, "the log heard of both"
    assert alerter.open_problems() == {}
    assert len(receiver.received) == 1


@pytest.mark.parametrize("url", ["http://127.0.0.1:1/hook", "http://[broken", "no address at all", "ftp://host/x"])
def test_an_address_that_cannot_work_fails_nobody(tmp_path, clock, url, caplog):
    # The settings refuse most of them; a settings object that was made in another way fails nobody either.
    odd = Settings(data_dir=tmp_path).model_copy(update={"alert_webhook_url": SecretStr(url)})
    alerter = Alerter(odd, now=clock)
    assert not alerter.report(FAILED)
    assert url not in caplog.text


def test_without_a_webhook_the_log_is_told_once(tmp_path, clock, caplog):
    alerter = Alerter(Settings(data_dir=tmp_path), now=clock)
    with caplog.at_level(logging.INFO):
        assert alerter.report(FAILED)
        assert not alerter.report(FAILED)
        assert alerter.resolve(FAILED.key, text="run 12 succeeded")
    assert caplog.messages == [
        "refresh_all failed: step raw__messages: the CRM answered 500",
        "over: refresh_all failed: run 12 succeeded",
    ]


def test_the_address_is_in_no_log(alerter, receiver, clock, caplog):
    with caplog.at_level(logging.DEBUG):
        alerter.report(FAILED)
        receiver.status = 0
        clock.pass_time(days=2)
        alerter.report(FAILED)
    assert "SECRETSECRET" not in caplog.text
    assert receiver.url not in caplog.text


def test_httpx_speaks_again_afterwards(alerter):
    before = list(logging.getLogger("httpx").filters)
    alerter.report(FAILED)
    assert logging.getLogger("httpx").filters == before


def test_words_that_quote_a_person_or_a_secret_are_covered(tmp_path, receiver, clock, caplog):
    settings = Settings(
        data_dir=tmp_path, alert_webhook_url=receiver.url, base_url="http://127.0.0.1:1", api_key="key-of-the-crm"
    )
    text = "254712345678, +254 712 345 678 or achieng@example.com at 2026-11-22 08:00:00, 160000 rows, key-of-the-crm"
    Alerter(settings, now=clock).report(Alert("x", f"no chat {receiver.url}", text))
    [sent] = receiver.received
    assert sent["blocks"][1]["text"]["text"] == (
        "[number], [number] or [e-mail] at 2026-11-22 08:00:00, 160000 rows, [secret]"
    )
    everything = json.dumps(sent) + caplog.text + (tmp_path / "alerts.json").read_text()
    for hidden in ("254712345678", "achieng", "key-of-the-crm", "SECRETSECRET"):
        assert hidden not in everything


def test_a_torn_state_file_is_forgotten_not_fatal(alerter, tmp_path, receiver, caplog):
    (tmp_path / "alerts.json").write_text('{"problems": {"job:')
    assert alerter.report(FAILED)
    assert "forgotten" in caplog.text


def test_a_state_that_cannot_be_written_is_no_error(alerter, tmp_path, receiver, monkeypatch, caplog):
    (tmp_path / "alerts.json").mkdir(mode=stat.S_IRWXU)  # replacing a folder by a file fails, also for root
    assert alerter.report(FAILED)
    assert alerter.report(FAILED), "told twice rather than not at all"
    assert "cannot be remembered" in caplog.text


def test_a_message_fits_slacks_limits_however_it_is_escaped():
    made = body("<&>" * 100, text="&" * 5000, notes=[])
    assert len(made["blocks"][0]["text"]["text"]) <= 150
    assert len(made["blocks"][1]["text"]["text"]) <= 3000
    assert made["blocks"][0]["text"]["text"].endswith("…")
    assert body("a < b & c", text="", notes=[])["text"] == "a &lt; b &amp; c"


@pytest.mark.parametrize(
    "kept", ["0f8c1d2e-1111-2222-3333-444455556666", "20261122T080500.000Z-1f0c9ad2e4b7", "12345678 rows"]
)
def test_ids_and_counts_are_left_alone(kept):
    assert scrubbed(kept, Settings()) == kept


# Whatever happens, in whatever order.


class Wire:
    """A channel that works or does not."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.works = True
        self.marks: list[str] = []

    def send(self, message: Notification, *, level: int) -> str | None:
        if self.works:
            self.marks.append(message.mark)
        return None if self.works else "broken"


EVENTS = st.sampled_from(
    ["report", "resolve", "catch up", "cut a", "cut b", "mend a", "mend b", "3 min", "30 min", "2 d"]
)


@pytest.mark.slow
@given(st.lists(EVENTS, max_size=40))
@example(["report", "cut b", "resolve", "report", "resolve"])
@settings(max_examples=150, deadline=None)
def test_each_channel_hears_of_a_beginning_then_of_its_end_and_in_the_end_of_the_truth(events):
    with tempfile.TemporaryDirectory() as folder:
        now, wires = Clock(), {"a": Wire("a"), "b": Wire("b")}
        alerter = Alerter(Settings(data_dir=folder), now=now)
        alerter._channels = tuple(wires.values())
        passing = {"3 min": {"minutes": 3}, "30 min": {"minutes": 30}, "2 d": {"days": 2}}
        for event in [*events, "mend a", "mend b", "30 min", "catch up", "30 min", "catch up"]:
            verb, _, name = event.partition(" ")
            if event in passing:
                now.pass_time(**passing[event])
            elif verb in {"cut", "mend"}:
                wires[name].works = verb == "mend"
            else:
                {"report": lambda: alerter.report(FAILED), "resolve": lambda: alerter.resolve(FAILED.key)}.get(
                    event, alerter.catch_up
                )()
        for wire in wires.values():
            heard = "".join(wire.marks)
            assert not heard.startswith("🟢")
            assert "🟢🟢" not in heard
            assert "2 d" in events or "🔴🔴" not in heard, "a reminder comes after a day"
            assert not heard or heard.endswith("🔴" if alerter.open_problems() else "🟢")
            assert heard or not alerter.open_problems()
        assert alerter.open_problems() or not alerter._read().problems, "nothing is kept of what everyone knows is over"
