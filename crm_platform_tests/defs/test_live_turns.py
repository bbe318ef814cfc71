"""When a live process renews figures: at once for what is new, by and by for what was known and has changed."""

from __future__ import annotations

import pytest

from crm_platform.defs import live
from crm_platform.errors import GiveUp
from crm_platform.settings import Settings


@pytest.fixture
def turns(tmp_path, monkeypatch):
    """Turns that publish nothing: `at` is when each was made, `clock` what the process's clock says."""

    class Turns(live._Turns):
        clock = 0.0
        at: list[float] = []  # noqa: RUF012 - of one test
        fails = False

    def renew(*_, **__):
        if made.fails:
            raise GiveUp("a table breaks its contract")
        made.at.append(made.clock)

    made = Turns(Settings(data_dir=tmp_path), None, None, on_turn=lambda *_: None, on_trouble=lambda _: None)
    made.at.clear()
    monkeypatch.setattr(live, "renew", renew)
    monkeypatch.setattr(live, "_tell", lambda *_: None)
    monkeypatch.setattr(live.time, "monotonic", lambda: made.clock)
    return made


def later(turns, seconds: float) -> None:
    """Let time pass, as one who hears that nothing comes."""
    turns.clock += seconds
    turns.heard(lambda _: None)(None)


def test_what_is_new_is_shown_at_once_and_what_has_changed_by_and_by(turns):
    turns.turn()
    turns.clock = 1
    turns.stored(False)
    assert turns.at == [0]
    turns.clock = 2
    turns.stored(True)
    assert turns.at == [0, 2]
    turns.stored(False)
    later(turns, 14)
    assert turns.at == [0, 2]
    later(turns, 1)
    assert turns.at == [0, 2, 17], "it was put off, and is not forgotten"
    later(turns, 60)
    assert turns.at == [0, 2, 17], "nothing came"
    turns.stored(False)
    assert turns.at == [0, 2, 17, 77], "nothing new came for long: at once, too"


def test_a_turn_that_could_not_be_made_is_made_later(turns):
    turns.turn()
    turns.fails = True
    turns.clock = 20
    turns.stored(True)
    turns.fails = False
    later(turns, 10)
    assert turns.at == [0]
    later(turns, 5)
    assert turns.at == [0, 35]
