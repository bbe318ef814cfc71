"""What a seed stands for: the size of the world, its limits and odd shapes, and how much trouble there is.

What belongs here: everything that is drawn before a run begins. What does not: chance within a run (run.py keeps a
stream of it for each purpose, so that one more draw in one place moves nothing in another).
"""

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import Final

ODD_SHAPES: Final = (
    "mixed-messages",
    "wrapped-reports",
    "epoch",
    "offset",
    "naive",
    "upper",
    "unknown-fields",
    "broken",
)

REQUEST_TROUBLES: Final = {
    "connection refused": 0.010,
    "timeout, never seen": 0.006,
    "timeout, seen": 0.008,
    "timeout, seen after it": 0.004,
    "slow answer": 0.020,
    "404 for a chat that exists": 0.008,
    "401": 0.003,
    "HTML with 200": 0.006,
    "ledger locked": 0.004,
    "another process asks meanwhile": 0.030,
    "kill before sending": 0.006,
    "kill before the server sees it": 0.010,
    "kill after the server saw it": 0.010,
}
"""Chance of each, per request, at trouble 1. The sandbox's own bad answers come on top."""

COMMIT_TROUBLES: Final = {
    "kill before a commit": 0.030,
    "kill between two tables": 0.010,
    "kill before COMMIT": 0.030,
    "kill after COMMIT": 0.030,
    "disk full before a commit": 0.012,
    "disk full between two tables": 0.003,
    "disk full at COMMIT": 0.012,
    "error after COMMIT": 0.008,
}
"""Chance of each, per transaction (between tables: per table), at trouble 1."""

LEDGER_LOST: Final = "ledger lost"
LEDGER_LOST_CHANCE: Final = 0.04
"""Chance that a process finds no ledger any more, at trouble 1."""

WORLD_CHANGES: Final = {
    "a message between two pages of its chat": 0.25,
    "a contact created between two pages of the list": 0.15,
    "a contact deleted between two pages of the list": 0.10,
}
"""Chance of each, per request for a page after the first."""


CLOCK_STEPS: Final = {
    "clock ahead for a run": (7200, 86_400, 30 * 86_400, 400 * 86_400),
    "clock back for a run": (-7200, -30 * 86_400, -20_000 * 86_400),
    "clock drifts for a run": (-90, -20, 20, 90),
}
"""Seconds by which the platform's clock may be off while a process lives, by name."""

CLOCK_STEP_CHANCE: Final = 0.35
"""Chance of one, per process, where the scenario has them."""


LISTS: Final = ("contacts", "messages", "campaigns")

SAID_SIZES: Final = {
    "asked": "a capped page says that it is as large as was asked for",
    "none": "a capped page does not say how large it is",
}
"""What pages that hold fewer records than were asked for may say of their size; and its name as a trouble."""

WRONG_TOTALS: Final = {
    "high": "a total is too high",
    "missing": "a total is missing",
    "of the page": "a total counts its page",
}
"""How totals of a list are not its totals; and their names as troubles."""

HIDDEN: Final = "a page lacks records that are counted"

SHRINKING: Final = "the oldest messages deleted between two requests"
SHRINKING_CHANCE: Final = 0.2
"""Chance of it, per request for a chat's messages, where the scenario has it."""

REFUSALS: Final = ("403", "401", "success: false", "500")
"""How an object is refused, each time that it is asked for."""

ODD_DATES: Final = {
    "year 1": "0001-01-01T00:00:00Z",
    "year 9999": "9999-12-31T23:59:59Z",
    "1970": "1970-01-01T00:00:00Z",
    "no date": "2026-13-45T99:99:99Z",
    "three hours ahead": None,
}
"""Dates of records that are not theirs; None: their own, moved."""

ODDITIES: Final = (
    *SAID_SIZES.values(),
    *WRONG_TOTALS.values(),
    HIDDEN,
    SHRINKING,
    *(f"refused: {how}" for how in REFUSALS),
    *(f"date: {name}" for name in ODD_DATES),
)
"""What a server does that its contract does not say, by the names that the report counts it under."""


@dataclass(frozen=True, slots=True)
class Oddities:
    """How the server departs from its contract, from the first request to the last unless said otherwise.

    page: so many messages at most on a page, whatever is asked for. said_size: see SAID_SIZES; None: the truth. hidden:
    lists that count records which no page holds. totals: by list, how its totals are wrong. shrinks: chats lose their
    oldest messages. refusals: how some chats and reports are refused until somebody sets it right; empty: none are.
    refuses_after: seconds from the start until then. dates: kinds of records some of which are dated oddly; is_ahead:
    three hours ahead, too.
    """

    page: int | None
    said_size: str | None
    hidden: tuple[str, ...]
    totals: dict[str, str]
    shrinks: bool
    refusals: tuple[str, ...]
    refuses_after: float
    dates: tuple[str, ...]
    is_ahead: bool

    @classmethod
    def of(cls, seed: int, *, is_timed: bool, has_kpis: bool) -> Oddities:
        """Draw them for a seed.

        Whole histories take days where totals are wrong, and the store then holds what the server has no more: neither
        an undisturbed run's time nor its figures tell anything about that.
        """
        rng = random.Random(f"oddities {seed}")
        said_size = rng.choice([None, None, *SAID_SIZES])
        page = 99 if said_size is not None and rng.random() < 0.4 else None
        hidden = tuple(name for name in LISTS if rng.random() < 0.2)
        totals = {name: rng.choice(list(WRONG_TOTALS)) for name in LISTS if rng.random() < 0.25}
        # A page that is shorter than it says, with its own count for a total: nobody could tell that more follows.
        for name in LISTS:
            if totals.get(name) == "of the page" and (name in hidden or said_size is not None):
                totals[name] = "missing"
        shrinks = rng.random() < 0.4
        refusals = tuple(how for how in REFUSALS if rng.random() < 0.6) if rng.random() < 0.4 else ()
        refuses_after = rng.choice([0.0, 0.0, 600.0])
        dates = tuple(name for name in ("message", "contact", "campaign") if rng.random() < 0.7)
        dates = dates if rng.random() < 0.5 else ()
        if is_timed or has_kpis:
            hidden = tuple(name for name in hidden if name == "campaigns")
            totals.pop("messages", None)
            shrinks = False
            # When a contact was made, and a campaign sent, is then known by who looked when alone.
            dates = tuple(name for name in dates if name == "message")
        if is_timed:
            refusals = ()
            totals.pop("contacts", None)
        return cls(
            page=page,
            said_size=said_size,
            hidden=hidden,
            totals=totals,
            shrinks=shrinks,
            refusals=refusals,
            refuses_after=refuses_after,
            dates=dates,
            is_ahead=not has_kpis,
        )


@dataclass(frozen=True, slots=True)
class Scenario:
    """One world and its troubles. Limits None: none. `skew_seconds`: the platform's clock minus the server's.

    contacts_page, messages_page: the most records a page that the server gives, None = what was asked for.
    long_chats: messages added to the history of so many chats. trouble: a factor on every chance of trouble.
    is_timed: the run's virtual time is held against an undisturbed one's (I7). has_kpis: so are its KPIs (I5).
    opens_files: the database file is opened for every piece of work, as in earnest; else once a life, to be quick.
    has_clock_steps: the platform's clock is wrong for a run now and then, from its start or in the middle.
    odd: how the server departs from its contract.
    """

    seed: int
    contacts: int
    days: int
    per_minute: int | None
    per_day: int | None
    server_per_minute: int | None
    server_per_day: int | None
    skew_seconds: float
    contacts_page: int | None
    messages_page: int | None
    long_chats: tuple[int, ...]
    shapes: tuple[str, ...]
    bad_answers: float
    trouble: float
    most_kills: int
    batch_requests: int
    batch_rows: int
    runs: int
    is_timed: bool
    has_kpis: bool
    opens_files: bool
    has_clock_steps: bool
    odd: Oddities

    @classmethod
    def of(cls, seed: int) -> Scenario:
        """Draw the scenario of a seed."""
        rng = random.Random(f"scenario {seed}")
        per_minute = rng.choice([None, 10, 15, 20, 30, 40, 60, 60])
        # A day's allowance would make a mission that ends when everything is there last for days, trouble or not.
        is_timed = seed % 4 == 3
        per_day = rng.choice([200, 300, 500]) if rng.random() < 0.2 and not is_timed else None
        server = rng.random()
        if is_timed and per_minute is not None:
            per_minute = max(
                per_minute, 20
            )  # below, a sweep takes minutes, and chance decides how many fall into a run
        server_per_minute, server_per_day = per_minute, per_day
        if server < 0.2:
            server_per_minute = server_per_day = None
        elif server < 0.4 and not is_timed:  # paced by what it was told, not by what it finds out
            server_per_minute = rng.choice([8, 12, 20, 30])
        elif server < 0.5 and not is_timed:
            server_per_day = rng.choice([150, 250])
        odd = Oddities.of(seed, is_timed=is_timed, has_kpis=seed % 4 == 1)
        return cls(
            seed=seed,
            contacts=rng.choice([10, 12, 15, 20, 25, 30, 40, 60]),
            days=rng.choice([2, 5, 8, 12]),
            per_minute=per_minute,
            per_day=per_day,
            server_per_minute=server_per_minute,
            server_per_day=server_per_day,
            skew_seconds=rng.choice([0.0, 0.0, 2.0, -2.0, 45.0, -45.0, 200.0, -200.0]),
            contacts_page=rng.choice([None, None, 5, 8, 13, 25]),
            messages_page=rng.choice([None, None, None, 10, 25, 40]),
            long_chats=tuple(
                rng.choice([60, 99, 100, 101, 150, 199, 200, 201, 301, 350]) for _ in range(rng.choice([0, 1, 1, 2, 3]))
            ),
            shapes=() if rng.random() < 0.5 else tuple(name for name in ODD_SHAPES if rng.random() < 0.5),
            bad_answers=rng.choice([0.0, 0.02, 0.05, 0.08]),
            trouble=rng.choice([0.5, 1.0, 1.0, 2.0, 3.0]),
            most_kills=rng.choice([4, 8, 16]),
            batch_requests=rng.choice([5, 15, 40, 200]),
            batch_rows=rng.choice([100, 500, 16_000]),
            runs=rng.choice([3, 4, 6]),
            is_timed=is_timed,
            has_kpis=seed % 4 == 1,
            opens_files=seed % 16 == 8,
            has_clock_steps=seed % 8 in (2, 4),
            odd=odd,
        )
