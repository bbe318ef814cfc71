"""Leases: one at work at a time, each with a number of its own."""

from __future__ import annotations

import multiprocessing
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import pytest

from crm_platform.errors import Busy
from crm_platform.warehouse import FileLeases


def test_a_lease_is_one_process_s_at_a_time_and_says_whose(tmp_path):
    leases = FileLeases(tmp_path)
    assert leases.held_by("crawl") is None
    with leases.take("crawl", purpose="crm crawl"):
        assert "crm crawl (process" in (leases.held_by("crawl") or "")
        with pytest.raises(Busy, match="crawl is already at work") as caught, leases.take("crawl", purpose="another"):
            pass
        assert "crm crawl" in (caught.value.holder or "")
        with leases.take("write", purpose="a note"):
            assert set(leases.at_work()) == {"crawl"}, "what takes a moment is not told"
    assert leases.at_work() == {}


def test_each_lease_has_a_greater_epoch_and_a_look_takes_none(tmp_path):
    leases = FileLeases(tmp_path)
    with leases.take("crawl", purpose="a crawl") as first, leases.take("build", purpose="a build") as second:
        pass
    leases.held_by("crawl")
    leases.at_work()
    with FileLeases(tmp_path).take("crawl", purpose="a crawl") as third:
        assert [first.epoch, second.epoch, third.epoch] == [1, 2, 3]
        assert third.work == "crawl"
    assert leases.next_epoch() == 4


def test_a_counter_that_was_torn_begins_anew(tmp_path):
    leases = FileLeases(tmp_path)
    leases.next_epoch()
    (tmp_path / "epoch").write_text("")
    assert leases.next_epoch() == 1


def _count(folder: Path) -> list[int]:
    return [FileLeases(folder).next_epoch() for _ in range(50)]


@pytest.mark.slow
def test_processes_never_draw_the_same(tmp_path):
    with ProcessPoolExecutor(3, mp_context=multiprocessing.get_context("spawn")) as processes:
        drawn = [number for numbers in processes.map(_count, [tmp_path] * 3, timeout=60) for number in numbers]
    assert sorted(drawn) == list(range(1, 151))
