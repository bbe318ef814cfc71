"""One seed, from the first request to the last check.

What belongs here: the order of things, chance within a run, the account of troubles and of virtual time. What does not:
what a seed stands for (scenario.py), how trouble is made (crm.py, lives.py), what must hold (invariants.py, kpis.py).

A run has three parts. The mission: crawls and refreshes in a living world, in trouble, restarted whenever they die. The
quiet: the world's clock stands still, nothing fails; with what is refused still refused, all else must come to be
there; then refreshes run, a day apart where a list fell short, until two of them found everything. The checks.
"""

from __future__ import annotations

import atexit
import contextlib
import datetime as dt
import functools
import hashlib
import itertools
import random
import tempfile
import time
import traceback
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal
from unittest import mock

import httpx
from pydantic import SecretStr

from crm_platform.api import CrmClient, SqliteGate
from crm_platform.errors import CrmPlatformError, GiveUp, QuotaSpent, RateLimited
from crm_platform.ingest import Outcome
from crm_platform.ingest.clocks import draw_back
from crm_platform.schemas import live_tables, ops, raw
from crm_platform.settings import Settings, load_settings
from crm_platform.warehouse import Lease, Session, Warehouse
from crm_platform.warehouse.clickhouse_client import Address, ClickHouseClient
from crm_platform.warehouse.owner import CRM
from crm_platform_tests import clickhouse_server
from crm_platform_tests.simulation import invariants, kpis
from crm_platform_tests.simulation.crm import START, Crm, PlainWire, Time
from crm_platform_tests.simulation.lives import DiskFull, DiskFullInside, Killed, Life
from crm_platform_tests.simulation.scenario import (
    CLOCK_STEP_CHANCE,
    CLOCK_STEPS,
    COMMIT_TROUBLES,
    LEDGER_LOST,
    LEDGER_LOST_CHANCE,
    REQUEST_TROUBLES,
    Scenario,
)
from crm_platform_tests.warehouse.in_memory import MemoryStore

StoreName = Literal["duckdb", "memory", "clickhouse"]

WINDOW = 60.0  # seconds; what a kill may cost
LONGEST_RUN = 9.0  # minutes
REST = dt.timedelta(days=1, seconds=1)  # between two refreshes in the quiet that are to find more
FEWEST_REFRESHES, MOST_REFRESHES = 3, 12  # in the quiet
MOST_RUNS = 60  # of a mission that goes on until everything is there
# In memory where there is such a place: a run commits a hundred times, and waits for a disk otherwise.
FOLDER = next((path for path in (Path("/dev/shm"),) if path.is_dir()), None)


@dataclass(slots=True)
class Result:
    """What came of a seed. `digest` names the run: every request, answer, commit and trouble in order.

    `stored`: a digest of the rows of each table, once it was quiet.
    """

    seed: int
    broken: list[str] = field(default_factory=list)
    troubles: Counter[str] = field(default_factory=Counter)
    digest: str = ""
    stored: dict[str, str] = field(default_factory=dict)
    lives: int = 0
    requests: int = 0
    virtual_hours: float = 0.0
    seconds: float = 0.0
    cpu_seconds: float = 0.0
    story: list[str] = field(default_factory=list)


class Simulation:
    """One world, one data folder, and everything that befalls them."""

    def __init__(
        self,
        scenario: Scenario,
        folder: Path,
        *,
        store: StoreName = "duckdb",
        is_troubled: bool = True,
        tells: bool = False,
    ) -> None:
        seed = scenario.seed
        self.store = store
        self.memory = MemoryStore(random.Random(f"tables {seed}")) if store == "memory" else None
        self.address = new_database() if store == "clickhouse" else None
        self.scenario = scenario
        self.folder = folder
        self.is_troubled = is_troubled
        self.troubles: Counter[str] = Counter()
        self.time = Time(START)
        self.crm = Crm(scenario, self.time, count=self._count)
        self.settings: Settings = load_settings(
            data_dir=folder,
            base_url="http://127.0.0.1:1",
            api_key="sandbox",
            requests_per_minute=scenario.per_minute,
            requests_per_day=scenario.per_day,
        )
        self.lives = 0
        self.is_prepared = False
        self.commits = 0
        self.rested = dt.timedelta(0)  # how far the platform's clock is ahead of the world's in the quiet
        self.clock_step = dt.timedelta(0)  # the platform's clock minus what it would be if it were right
        self.last_frozen_id = 0
        self.on_the_wire = random.Random(f"wire {seed}")
        self._requests_fate = random.Random(f"requests {seed}")
        self._commits_fate = random.Random(f"commits {seed}")
        self._ledger_fate = random.Random(f"ledger {seed}")
        self._plans = random.Random(f"plans {seed}")
        self._clock_fate = random.Random(f"clock {seed}")
        self._digest = hashlib.blake2b(digest_size=8)
        self.story: list[str] | None = [] if tells else None
        self.broken: list[str] = []
        self.stored: dict[str, str] = {}
        self._seen: dict[str, str] = {}  # what was stored of each chat at the last look
        self._seen_in = 0  # the newest commit then
        # The account of virtual time that an undisturbed run would not have spent, in seconds.
        self.seconds_delayed = 0.0
        self.seconds_of_backing_off = 0.0
        self.seconds_asked_for = 0.0
        self.seconds_rested = 0.0
        self.requests_of_others = 0
        self.restarts = 0

    @functools.cache  # noqa: B019 - a simulation is over soon
    def client(self, address: Address) -> ClickHouseClient:
        """One connection for all lives: to open one asks the server three times."""
        return ClickHouseClient(address)

    # The account.

    def _count(self, what: str) -> None:
        self.troubles[what] += 1

    def note(self, what: str) -> None:
        line = f"{self.time.now:%d %H:%M:%S.%f} {what}"
        self._digest.update(line.encode())
        if self.story is not None:
            self.story.append(line)

    @property
    def digest(self) -> str:
        return self._digest.hexdigest()

    # Clocks.

    def gate_now(self) -> dt.datetime:
        """The platform's clock as the gate reads it: that one cannot stand still, or no slot would come free."""
        return self.time.now + dt.timedelta(seconds=self.scenario.skew_seconds) + self.clock_step

    def platform_now(self) -> dt.datetime:
        """The platform's clock; in the quiet it stands still."""
        frozen_at = self.crm.clock.frozen_at
        right = self.time.now if frozen_at is None else frozen_at + self.rested
        return right + dt.timedelta(seconds=self.scenario.skew_seconds) + self.clock_step

    def _set_clock(self, step: dt.timedelta, why: str) -> None:
        if step > self.clock_step:
            self.crm.steps_forward.append(self.crm.clock.wall())
        if step != self.clock_step:
            self.note(f"the clock is off by {step}: {why}")
        self.clock_step = step

    def _perhaps_set_the_clock_wrong(self, life: Life) -> None:
        """For this life: from its start or later, to its end or until somebody sets it right."""
        fate = self._clock_fate
        if not (self.is_troubled and self.scenario.has_clock_steps and fate.random() < CLOCK_STEP_CHANCE):
            return
        name = fate.choice(list(CLOCK_STEPS))
        step = dt.timedelta(seconds=fate.choice(CLOCK_STEPS[name]))
        self._count(name)

        def later(to: dt.timedelta, why: str) -> None:
            moment = self.time.now + dt.timedelta(seconds=fate.uniform(1, 400))
            self.time.at(moment, lambda: None if life.is_dead else self._set_clock(to, why))

        if fate.random() < 0.3:
            later(step, f"{name}, in the middle")
        else:
            self._set_clock(step, name)
            if fate.random() < 0.4:
                later(dt.timedelta(0), "set right in the middle")

    def rest(self) -> None:
        """In the quiet: a day later by the platform's clock, with the world as it was."""
        self.time.sleep(REST.total_seconds())
        self.rested += REST

    def delay(self, seconds: float) -> None:
        """Let an answer wait."""
        self.seconds_delayed += seconds
        self.time.sleep(seconds)

    def back_off(self, seconds: float) -> None:
        """The client's own waits before it tries again."""
        self.seconds_of_backing_off += seconds
        self.time.sleep(seconds)

    # Trouble.

    def trouble_with_request(self, *, is_of_a_chat: bool) -> str | None:
        trouble = self._fate(self._requests_fate, REQUEST_TROUBLES)
        if trouble == "ledger locked" or (trouble == "404 for a chat that exists" and not is_of_a_chat):
            return None
        return self._happened(trouble)

    def trouble_with_commit(self, where: str) -> str | None:
        names = {
            "before a commit": ("kill before a commit", "disk full before a commit"),
            "between two tables": ("kill between two tables", "disk full between two tables"),
            "at COMMIT": ("kill before COMMIT", "disk full at COMMIT"),
            "after COMMIT": ("kill after COMMIT", "error after COMMIT"),
        }[where]
        return self._happened(self._fate(self._commits_fate, {name: COMMIT_TROUBLES[name] for name in names}))

    def is_ledger_locked(self) -> bool:
        chance = {"ledger locked": REQUEST_TROUBLES["ledger locked"]}
        return self._happened(self._fate(self._ledger_fate, chance)) is not None

    def _perhaps_lose_the_ledger(self) -> None:
        """Somebody deleted it, or the disk did; only with a limit is there one to lose."""
        path = self.settings.gate_path
        if path.exists() and self._happened(self._fate(self._ledger_fate, {LEDGER_LOST: LEDGER_LOST_CHANCE})):
            self.note(LEDGER_LOST)
            for one in path.parent.glob(f"{path.name}*"):
                one.unlink()

    def _fate(self, chance: random.Random, of: dict[str, float]) -> str | None:
        drawn = chance.random()
        if not self.is_troubled:
            return None
        for name, rate in of.items():
            drawn -= rate * self.scenario.trouble
            if drawn < 0:
                return name
        return None

    def _happened(self, trouble: str | None) -> str | None:
        if trouble is not None and (trouble.startswith(("kill", "disk", "error", LEDGER_LOST))):
            if self.restarts >= self.scenario.most_kills:
                return None
            self.restarts += 1
        if trouble is not None:
            self._count(trouble)
        return trouble

    # Requests.

    def receive(self, request: httpx.Request, asked_at: dt.datetime) -> httpx.Response | None:
        """The server's part of a request."""
        answer = self.crm.answer(request, asked_at)
        if answer is None:
            self.note("the server saw it, and closed the connection")
            return None
        self.note(f"{answer.status_code} {len(answer.content)} {hashlib.md5(answer.content).hexdigest()[:8]}")
        if answer.status_code in (429, 503) and "retry-after" in answer.headers:
            self.seconds_asked_for += float(answer.headers["retry-after"])
        return answer

    def ask_from_another_process(self) -> None:
        """Somebody at a shell, through the same ledger, while the crawler's request is under way."""
        gate = SqliteGate(
            self.settings.gate_path,
            per_minute=self.settings.minute_limit,
            per_day=self.settings.day_limit,
            max_wait=0,
            now=self.gate_now,
            sleep=self.time.sleep,
        )
        wire = PlainWire(self, self.platform_now)
        with CrmClient(
            "http://127.0.0.1:1",
            SecretStr("sandbox"),
            gate=gate,
            transport=wire,
            retries=0,
            now=self.platform_now,
            sleep=self.time.sleep,
        ) as client:
            most = self.on_the_wire.choice([1, 3, 3, 100 if self.settings.minute_limit else 3])
            for _ in range(most):
                try:
                    client.search_contacts("name", "a")
                    self.requests_of_others += 1
                except (RateLimited, QuotaSpent):
                    break
                except CrmPlatformError:
                    continue

    # The parts of a run.

    @contextlib.contextmanager
    def life(self) -> Iterator[Life]:
        """A process, until it ends or dies."""
        self.lives += 1
        self.note("a process starts")
        self._perhaps_lose_the_ledger()
        life = Life(self)
        self._perhaps_set_the_clock_wrong(life)
        try:
            with (
                mock.patch("crm_platform.ingest.clocks.draw_back", self._draw_back),
                mock.patch("crm_platform.ingest.connect.open_warehouse", return_value=life.warehouse),
                mock.patch("crm_platform.ingest.connect.live_store", return_value=life.warehouse),
                # One thread: nobody gives a slot back while it naps, so it need not look every second.
                mock.patch("crm_platform.api.gate._LONGEST_NAP", WINDOW),
                self._small_batches(),
            ):
                yield life
        except Killed:
            self.note("the process is no more")
        except (DiskFull, DiskFullInside, CrmPlatformError) as problem:
            if not self.is_troubled or isinstance(problem, GiveUp):  # nothing here explains that
                raise
            self.note(f"the run failed: {type(problem).__name__}")
        finally:
            life.is_dead = True
            life.warehouse.close()
            self._set_clock(dt.timedelta(0), "the process has ended")

    def _draw_back(self, warehouse: Warehouse, holder: Lease, *, now: dt.datetime, by: dt.timedelta) -> None:
        """As the product does; what the server remembers of the times it was asked at follows, if it was committed."""
        before = self.commits
        try:
            draw_back(warehouse, holder, now=now, by=by)
        finally:
            if self.commits > before:
                self._count("what was stored under a clock ahead is drawn back")
                self.crm.draw_back(now, by)

    @contextlib.contextmanager
    def _small_batches(self) -> Iterator[None]:
        """Many commits while there is trouble, so that it finds many boundaries."""
        if self.crm.clock.frozen_at is not None:
            yield
            return
        with (
            mock.patch("crm_platform.ingest.recorder.BATCH_REQUESTS", self.scenario.batch_requests),
            mock.patch("crm_platform.ingest.recorder.BATCH_ROWS", self.scenario.batch_rows),
        ):
            yield

    def mission(self) -> None:
        """Run after run in a living world."""
        for number in range(MOST_RUNS):
            minutes = self._plans.uniform(2, LONGEST_RUN)
            with self.life() as life:
                if self.scenario.is_timed:
                    life.crawl(minutes=minutes)
                else:
                    self._one_run(life, minutes)
            is_everything_there = self._look(after=f"run {number + 1}")
            if self.broken or (self.scenario.is_timed and is_everything_there):
                return
            if self.scenario.is_timed:
                self.time.sleep(1)
            elif number + 1 >= self.scenario.runs:
                return
            else:
                self.time.sleep(self._plans.choice([1, 20, 300, 900, 4 * 3600, 26 * 3600]))
        self.broken.append(f"I7: after {MOST_RUNS} runs not everything is there")

    def _one_run(self, life: Life, minutes: float) -> list[Outcome]:
        kind = self._plans.random()
        if kind < 0.35:
            return life.crawl(minutes=minutes)
        if kind < 0.55:
            return life.crawl(requests=self._plans.randrange(5, 60), minutes=20)
        if kind < 0.90:
            return life.refresh()
        if kind < 0.95:
            return life.refresh(full_refresh=True)
        return life.refresh(tables=[raw.Contacts])

    def _look(self, *, after: str) -> bool:
        """Hold what is stored against I2 and I4, whatever has just happened; says whether everything is there."""
        with self._undisturbed(), self.life() as life, life.reading() as session:
            self.broken += [f"{one} (after {after})" for one in invariants.of_the_store(self.crm, session)]
            if self.memory is None:  # whose store keeps no journal: nothing is built from it
                now = invariants.by_chat(session)
                self.broken += invariants.of_the_journal(session, before=self._seen, now=now, since=self._seen_in)
                self._seen, self._seen_in = now, invariants.newest_change(session)
            self.seconds_rested = invariants.seconds_rested(session)
            return invariants.is_everything_there(session)
        raise AssertionError  # an undisturbed life does not end in the middle

    @contextlib.contextmanager
    def _undisturbed(self) -> Iterator[None]:
        was, self.is_troubled = self.is_troubled, False
        try:
            yield
        finally:
            self.is_troubled = was

    def quiet(self) -> None:
        """Nothing fails, the world stands still: what is refused stays so at first, then all is there."""
        self.is_troubled = False
        self.time.sleep(121)  # what was still on its way has arrived
        self.crm.calm_down()
        self.note("quiet")
        if self.crm.departures.refuses:
            self._refresh_what_is_not_refused()
            self.crm.refuse(is_so=False)
            self.rest()
        if not self.broken:
            self._refresh_to_the_end()

    def _refresh_what_is_not_refused(self) -> None:
        """Refresh a day apart, until all is there that is not refused, and that is named."""
        self.crm.departures.refused.clear()
        broken: list[str] = []
        for number in range(1, MOST_REFRESHES + 1):
            with self.life() as life:
                self._refresh(life)
            with self.life() as life, life.reading() as session:
                broken = invariants.once_quiet(self.crm, session)
            if not broken and number >= FEWEST_REFRESHES:
                self.broken += invariants.of_the_refused(self.crm, refreshes=number)
                return
            self.rest()
        self.broken += [f"{one} (while some are refused)" for one in broken]

    def _refresh_to_the_end(self) -> None:
        """Refresh until two refreshes found everything, a day apart where a list fell short."""
        complete = 0
        remaining = ""
        for _ in range(MOST_REFRESHES):
            with self.life() as life:
                # Who left a list that is misread counts as there, and has no messages any more.
                is_misread = invariants.is_list_misread(self.crm)
                outcomes = self._refresh(life)
                judged = [one for one in outcomes if not (is_misread and one.table is raw.Messages)]
                remaining = "; ".join(filter(None, (outcome.remaining for outcome in judged)))
                complete += bool(outcomes) and not remaining
            if complete == 2:
                return
            # What remains of a misread list is not judged, so a chat may rest.
            if remaining or not outcomes or is_misread:
                self.rest()
        self.broken.append(f"I1: even in quiet something remains: {remaining}")

    def _refresh(self, life: Life) -> list[Outcome]:
        """Refresh in the quiet; nothing at all where the allowance lets not even the first look through."""
        try:
            return life.refresh()
        except (RateLimited, QuotaSpent) as problem:
            self.note(f"not now: {problem}")
            return []


_databases = itertools.count(1)


@functools.cache
def _server() -> clickhouse_server.Server:
    """The ClickHouse server of this process's simulations."""
    folder = tempfile.TemporaryDirectory(prefix="clickhouse-", dir=FOLDER, ignore_cleanup_errors=True)
    server = clickhouse_server.start(Path(folder.name))
    atexit.register(folder.cleanup)
    atexit.register(server.end)
    return server


def new_database() -> Address:
    """Give a database that there is none of yet."""
    url = SecretStr(_server().url(f"crm_{next(_databases)}"))
    return Address.of(url, SecretStr(clickhouse_server.PASSWORD))


def simulate(seed: int, *, store: StoreName = "duckdb", tells: bool = False) -> Result:
    """Run a seed on a store and hold it against every invariant; `tells`: keep the story."""
    began, cpu_began = time.perf_counter(), time.process_time()
    scenario = Scenario.of(seed)
    result = Result(seed)
    with tempfile.TemporaryDirectory(prefix="simulation-", dir=FOLDER) as name:
        folder = Path(name)
        simulation = Simulation(scenario, folder / "data", store=store, tells=tells)
        try:
            _hold(simulation, folder)
        except Exception as problem:  # noqa: BLE001 - whatever it is, this seed shows it
            where = traceback.extract_tb(problem.__traceback__)[-1]
            simulation.broken.append(f"crash: {problem!r} at {Path(where.filename).name}:{where.lineno}")
            simulation.note("".join(traceback.format_exception(problem)))
        result.broken = simulation.broken
        result.troubles = simulation.troubles + Counter(simulation.crm.sandbox.stats().faults)
        result.digest = simulation.digest
        result.stored = simulation.stored
        result.lives = simulation.lives
        result.requests = len(simulation.crm.arrivals)
        result.virtual_hours = (simulation.time.now - START).total_seconds() / 3600
        result.story = simulation.story or []
    result.seconds = time.perf_counter() - began
    result.cpu_seconds = time.process_time() - cpu_began
    return result


def _digests_of(session: Session) -> dict[str, str]:
    """A digest of each live table's rows, by key."""
    found = {}
    for table in live_tables():
        if table is ops.Changes:  # what names a commit is chosen at random
            continue
        keys = ", ".join(f'"{name}"' for name in table.key)
        columns = ", ".join(f'"{name}"' for name in table.columns)
        # Whose data it is was noted by the real clock.
        where = f"where name <> '{CRM}'" if table is ops.Meta else ""
        rows = session.query(f"select {columns} from {table.full_name()} {where} order by {keys}").to_pylist()
        found[table.full_name()] = hashlib.md5(repr(rows).encode()).hexdigest()
    return found


def _hold(simulation: Simulation, folder: Path) -> None:
    """Run it, and hold it against what must be; what is broken stays with the simulation."""
    scenario = simulation.scenario
    simulation.mission()
    ended_at = simulation.time.now
    if not simulation.broken:
        simulation.quiet()
    if not simulation.broken:
        with simulation.life() as life, life.reading() as session:
            simulation.broken += invariants.once_quiet(simulation.crm, session)
            simulation.stored = _digests_of(session)
    simulation.broken += invariants.of_the_limits(simulation.crm)
    if scenario.is_timed and not simulation.broken:
        calm = Simulation(scenario, folder / "calm", store=simulation.store, is_troubled=False)
        calm.crm.answer_well()
        calm.mission()
        simulation.broken += invariants.of_the_time(
            simulation, ended_at - START, calm, calm.time.now - START, run=LONGEST_RUN * 60
        )
    if scenario.has_kpis and not simulation.broken:
        simulation.broken += kpis.differing(simulation, folder)
