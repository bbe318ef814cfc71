"""What a loading says of itself: how far, what is left, what it waits for; and that it is never silent for long."""

from __future__ import annotations

import datetime as dt
import io
import re
import threading

import pytest
from rich.console import Console

from crm_platform.api import Allowance
from crm_platform.cli.bars import Bars
from crm_platform.cli.crawl import describe
from crm_platform.cli.pace import Gauge, how_far, percent, what_is_left, what_is_waited_for
from crm_platform.cli.pulse import SAY_EVERY, pulse
from crm_platform.cli.status import status_lines
from crm_platform.ingest import Progress
from crm_platform.ingest.connect import open_gate
from crm_platform.schemas import raw
from crm_platform_tests.in_process import START, world

LIMITS = {"requests_per_minute": 60, "requests_per_day": 1000}


@pytest.mark.parametrize(
    ("share", "words"), [(0.0, "0.0%"), (0.29, "29.0%"), (0.9999, "99.9%"), (8499 / 8500, "99.9%"), (1.0, "100.0%")]
)
def test_a_share_is_all_only_when_nothing_is_missing(share, words):
    assert percent(share) == words


def test_a_stage_says_how_far_it_is():
    assert how_far(Progress("contacts", 5700, 8500, 57, 0)) == "contacts 5,700 of 8,500 (67.0%) · 57 requests"
    assert how_far(Progress("messages", 3, 0, 9, 4)) == "messages 3 of 0 chats · 9 requests · 4 messages"
    assert how_far(Progress("contacts", 100, None, 1, 0)) == "contacts 100 · 1 requests", "no total is known"


def test_what_the_limits_leave():
    assert what_is_left(Allowance(0, 477)) == "requests left: 0 this minute, 477 today"
    assert what_is_left(Allowance(None, 477)) == "requests left: 477 today"
    assert what_is_left(Allowance(None, None)) == ""


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (None, ""),
        (-3, ""),
        (33.2, "waiting for the CRM's limit, 34 s"),
        (7200, "the CRM's limit lets nothing through until 2026-11-20 14:00"),
    ],
)
def test_what_is_waited_for(seconds, words):
    opens_at = None if seconds is None else START + dt.timedelta(seconds=seconds)
    assert what_is_waited_for(opens_at, now=START, zone=dt.timezone(dt.timedelta(hours=3))) == words


class Watched:
    """A run whose shell is a pipe, on a clock that tests set."""

    def __init__(self) -> None:
        self.at = 0.0
        self.out = io.StringIO()
        self.bars = Bars(
            Console(file=self.out, force_terminal=False, width=200),
            wait_seconds=600,
            tables=3,
            gauge=self,
            monotonic=lambda: self.at,
        )

    def hear(self, progress) -> None:
        """Nothing to remember."""

    def words(self, progress) -> str:
        return how_far(progress)

    def pass_time(self, seconds: int) -> list[str]:
        """Let time pass, a beat a second; gives what was said."""
        before = len(self.out.getvalue())
        for _ in range(seconds):
            self.at += 1
            self.bars.beat()
        return self.out.getvalue()[before:].splitlines()


def test_a_pipe_is_never_silent_for_long():
    """Kind 15: whatever the run waits for or computes, it says so every ten seconds."""
    run = Watched()
    assert run.pass_time(12) == ["reading what is stored"]
    run.bars.waiting("crawl (process 7)")
    assert "waiting for crawl (process 7)" in run.pass_time(10)
    run.bars.progress(Progress("contacts", 5700, 8500, 57, 0))
    assert run.pass_time(40) == ["contacts 5,700 of 8,500 (67.0%) · 57 requests"] * 4
    run.bars.built("core.cut", seconds=1)
    assert run.pass_time(10) == ["computing KPIs: 1 of 3 (33.3%), last core.cut"]
    run.bars.built("core.chats", seconds=1)
    run.bars.built("kpi.backlog_now", seconds=1)
    assert run.pass_time(10) == ["publishing"]
    run.bars.published_so_far("")
    assert run.pass_time(10) == ["contacts 5,700 of 8,500 (67.0%) · 57 requests"], "and on it goes"
    assert SAY_EVERY < 15


def test_figures_so_far_are_told_and_why_not():
    run = Watched()
    run.bars.published_so_far("")
    run.bars.published_so_far("kpi.backlog_now: open_waits >= 0 (1 rows)")
    said = run.out.getvalue().splitlines()
    assert said[0] == "published: the figures of what is stored so far"
    assert said[1] == "not published so far: kpi.backlog_now: open_waits >= 0 (1 rows)"


def test_a_second_build_of_a_run_is_counted_from_its_cut():
    run = Watched()
    for _ in range(2):
        for table in ("core.cut", "core.chats"):
            run.bars.built(table, seconds=1)
    assert run.pass_time(10) == ["computing KPIs: 2 of 3 (66.6%), last core.chats"]


def test_a_terminal_shows_the_line_below_its_bars():
    screen = io.StringIO()
    watched = Watched()
    bars = Bars(
        Console(file=screen, force_terminal=True, width=160), wait_seconds=0, tables=3, gauge=watched, monotonic=float
    )
    with bars:
        bars.progress(Progress("contacts", 5700, 8500, 57, 0))
        bars.beat()
    assert "67.0%" in screen.getvalue()


def test_a_narrow_terminal_shows_the_time_to_go_as_well():
    """80 columns cut the line before what a person waits for."""
    screen = io.StringIO()
    watched = Watched()
    watched.words = lambda progress: f"{how_far(progress)} · requests left: 0 this minute, 940 today · all in about 2 h"
    bars = Bars(
        Console(file=screen, force_terminal=True, width=80), wait_seconds=0, tables=3, gauge=watched, monotonic=float
    )
    with bars:
        bars.progress(Progress("messages", 1314, 2000, 1533, 50_773))
        bars.beat()
    assert "all in about 2 h" in " ".join(screen.getvalue().split())


def test_the_beat_goes_on_beside_the_work_and_ends_with_it():
    beaten = threading.Event()
    with pulse(beaten.set, every=0.001):
        assert beaten.wait(10)
    assert not [thread for thread in threading.enumerate() if thread.name == "pulse"]


def gauge_of(crm) -> Gauge:
    return Gauge(crm.settings, began=crm.time.now, now=crm.time, monotonic=lambda: crm.time.now.timestamp())  # noqa: PLW0108


def test_a_line_says_left_waiting_and_time_to_go(tmp_path):
    """Kind 15: 57 of the minute's 60 are spent (3 are left to people), 28 pages are missing."""
    crm = world(tmp_path, limits=LIMITS)
    gauge = gauge_of(crm)
    gate = open_gate(crm.settings, now=crm.time, sleep=crm.time.sleep)
    gauge.hear(Progress("contacts", 100, 8500, 1, 0))
    for _ in range(57):
        gate.acquire("list_contacts").release({}, 200)
    crm.time.sleep(20)
    words = gauge.words(Progress("contacts", 5700, 8500, 57, 0))
    assert "requests left: 0 this minute, 940 today" in words
    assert re.search(r"waiting for the CRM's limit, 4[01] s", words)
    assert re.search(r"contacts in about 4[01] s", words)


def test_no_estimate_is_said_to_be_none(tmp_path):
    crm = world(tmp_path, limits=LIMITS)
    gauge = gauge_of(crm)
    gauge.hear(Progress("messages", 0, 60, 5, 0))
    assert gauge.words(Progress("messages", 0, 60, 5, 0)).endswith("all of it: how long is not known yet")


@pytest.mark.slow
def test_the_messages_end_is_that_of_all(tmp_path):
    crm = world(tmp_path, limits={"requests_per_minute": 30})
    crm.crawl(requests=30)
    gauge = gauge_of(crm)
    gauge.hear(Progress("messages", 1, 60, 30, 100))
    assert re.search(r"all of it in about \d", gauge.words(Progress("messages", 1, 60, 30, 100)))


def status_of(crm) -> dict[str, object]:
    return dict(status_lines(crm.settings, now=crm.time.now))


@pytest.mark.slow
def test_status_says_how_much_is_loaded_and_how_long_the_rest_takes(tmp_path):
    """Kind 15: from what is stored, so it is the same while another process crawls."""
    crm = world(tmp_path, limits=LIMITS)
    assert status_of(crm)["loaded"] == "not known: no contact list has been read yet"
    crm.refresh(tables=[raw.Contacts, raw.ContactSweeps])
    assert status_of(crm)["loaded"] == "not known: no chat has been read yet"
    crm.crawl(requests=30)
    said = status_of(crm)
    share = re.fullmatch(r"(\d+\.\d)% of about [\d,]+ messages that are thought to exist", said["loaded"])
    assert share
    assert 0 < float(share[1]) < 100
    assert re.fullmatch(r"about \d+", said["requests to go"])
    assert re.match(r"about .+ by `crm refresh`, about .+ by the schedules", said["loaded in"])
    assert re.fullmatch(r"[\d,]+ this minute, [\d,]+ this day", said["requests left"])


@pytest.mark.slow
def test_status_of_a_whole_load_says_so(tmp_path):
    crm = world(tmp_path)
    crm.refresh()
    said = status_of(crm)
    assert said["loaded"].startswith("100.0%: every history")
    assert said["requests to go"] == "none"
    assert "loaded in" not in said


@pytest.mark.slow
def test_status_without_a_limit_goes_by_the_pace_or_says_that_there_is_none(tmp_path):
    crm = world(tmp_path)
    crm.crawl(requests=30)
    crm.time.sleep(3600)
    assert status_of(crm)["loaded in"].startswith("not known: no limit paces it")


def test_a_crawl_says_what_it_waits_for_too():
    assert describe(Progress("chats", 3, 8, 9, 4, requests_left=0)).endswith("0 requests free now")
