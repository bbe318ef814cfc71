"""Who has been told of what, and telling them.

What belongs here: the state file, when a message is due on which channel, and trying again. What does not: the words
(notification.py) and the ways (channels.py).

A problem is identified by its key. Each channel is told when it begins, again after a while if it is still there, and
once more when it is over. A channel that fails rests for five minutes and delays no other. Nothing here raises: an
alert that cannot be sent must not fail the work that it is about.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import logging
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from pydantic import AwareDatetime, BaseModel, ValidationError

from crm_platform.alerts.channels import TIMEOUT_SECONDS, channels
from crm_platform.alerts.notification import Notification, scrubbed
from crm_platform.errors import Busy
from crm_platform.warehouse.locks import file_lock

if TYPE_CHECKING:
    from crm_platform.alerts.channels import Channel
    from crm_platform.settings import Settings

_log = logging.getLogger(__name__)

QUIET: Final = dt.timedelta(days=1)  # between two messages about a problem that stays
RETRY: Final = dt.timedelta(minutes=5)  # after a channel that failed
_LOCK_SECONDS: Final = 10.0


@dataclass(frozen=True, slots=True)
class Alert:
    """Something is wrong. `key` names the problem, the same each time it is seen: `job:refresh_all`."""

    key: str
    title: str
    text: str = ""
    remind_after: dt.timedelta = QUIET


@dataclass(frozen=True, slots=True)
class OpenProblem:
    """An open problem as a person asks for it. `told`: the channels that heard of it."""

    key: str
    title: str
    text: str
    since: dt.datetime
    seen: int
    told: tuple[str, ...]


class _Told(BaseModel):
    """What one channel knows of a problem. `sending_at`: a message is on its way, maybe by another process."""

    told_at: AwareDatetime | None = None
    sending_at: AwareDatetime | None = None

    def is_sending(self, now: dt.datetime) -> bool:
        return self.sending_at is not None and now - self.sending_at < RETRY  # a process that died sends no more


class _Problem(BaseModel):
    """What is remembered of a problem, until the last channel that heard of it has heard that it is over."""

    title: str
    since: AwareDatetime
    text: str = ""
    seen: int = 0
    remind_after: dt.timedelta = QUIET
    over_at: AwareDatetime | None = None
    told: dict[str, _Told] = {}

    def is_due(self, channel: str, now: dt.datetime, *, remind: bool) -> bool:
        told = self.told.get(channel, _Told())
        if told.is_sending(now):
            return False
        if self.over_at is not None:
            return told.told_at is not None
        return told.told_at is None or (remind and now - told.told_at >= self.remind_after)

    def is_done(self, now: dt.datetime, known: set[str]) -> bool:
        """Over, and no channel that is still configured waits for the all-clear."""
        waiting = (one for name, one in self.told.items() if name in known)
        return self.over_at is not None and not any(one.told_at or one.is_sending(now) for one in waiting)


class _Failure(BaseModel):
    since: AwareDatetime
    at: AwareDatetime
    reason: str


class _State(BaseModel):
    """`failing` is by channel; `sent` says of a message with a turn, such as the digest, which turn a channel had."""

    problems: dict[str, _Problem] = {}
    failing: dict[str, _Failure] = {}
    sent: dict[str, dict[str, str]] = {}

    def drawn_back(self, now: dt.datetime) -> _State:
        """The same, with nothing later than `now`: after a clock that ran ahead nobody would be told for that long."""
        for problem in self.problems.values():
            problem.since = min(problem.since, now)
            problem.over_at = problem.over_at and min(problem.over_at, now)
            for told in problem.told.values():
                told.told_at = told.told_at and min(told.told_at, now)
                told.sending_at = told.sending_at and min(told.sending_at, now)
        for failure in self.failing.values():
            failure.since, failure.at = min(failure.since, now), min(failure.at, now)
        return self

    def rests(self, channel: str, now: dt.datetime) -> bool:
        failure = self.failing.get(channel)
        return failure is not None and now - failure.at < RETRY

    def note(self, channel: str, reason: str | None, now: dt.datetime) -> None:
        if reason is None:
            self.failing.pop(channel, None)
        else:
            before = self.failing.get(channel)
            self.failing[channel] = _Failure(since=before.since if before else now, at=now, reason=reason)


class Alerter:
    """Reports problems to every channel that the settings name. `now`: gives an aware time; `timeout`: seconds."""

    def __init__(
        self,
        settings: Settings,
        *,
        now: Callable[[], dt.datetime] = lambda: dt.datetime.now(dt.UTC),
        timeout: float = TIMEOUT_SECONDS,
    ) -> None:
        self._settings = settings
        self._now = now
        self._channels = channels(settings, timeout=timeout)
        self._path = settings.root / "alerts.json"

    def report(self, alert: Alert) -> bool:
        """Say that a problem is there; returns whether a message was due now and arrived wherever it was sent.

        The title stays that of the first report, the text is that of the latest.
        """
        now = self._now()
        with self._changing() as state:
            problem = state.problems.get(alert.key)
            if problem is None or problem.over_at is not None:
                # A problem that comes back is a new one, but not for a channel that was never told that the old one was
                # over.
                waiting = {} if problem is None else problem.told
                problem = _Problem(title=scrubbed(alert.title, self._settings), since=now)
                problem.told = {name: one for name, one in waiting.items() if one.told_at and not one.is_sending(now)}
                state.problems[alert.key] = problem
            problem.text = scrubbed(alert.text, self._settings)
            problem.remind_after = alert.remind_after
            problem.seen += 1
            due = self._claim(state, problem, now, remind=True)
        return self._deliver(alert.key, problem, due, now)

    def resolve(self, key: str, *, text: str = "") -> bool:
        """Say that a problem is over, if it was there; returns whether an all-clear was due now and arrived.

        Call it whenever all is well: it only reads a small file.
        """
        if key not in self._read().problems:
            return False
        now = self._now()
        with self._changing() as state:
            problem = state.problems.get(key)
            if problem is None:
                return False
            if problem.over_at is None:
                problem.over_at = now
                problem.text = scrubbed(text, self._settings)
            due = self._claim(state, problem, now, remind=False)
        return self._deliver(key, problem, due, now)

    def catch_up(self) -> None:
        """Send what some channel has not had because it failed. Call it every minute or so."""
        for key in self._read().problems:
            now = self._now()
            with self._changing() as state:
                problem = state.problems.get(key)
                due = self._claim(state, problem, now, remind=False) if problem is not None else []
            if problem is not None and due:
                self._deliver(key, problem, due, now)

    def say(self, message: Notification) -> dict[str, str | None]:
        """Send a message on every channel, whatever was sent before; by channel, None or why it did not arrive."""
        return self._send(self._clean(message), self._channels, self._now(), level=logging.INFO)

    def say_once(self, key: str, turn: str, message: Notification) -> bool:
        """Send a message on every channel that has not had this turn of it; returns whether each has it now.

        `turn` is the day of a daily message. A turn is taken before it is sent: a process that dies on the way sends it
        once or never, not twice.
        """
        now = self._now()
        with self._changing() as state:
            sent = state.sent.setdefault(key, {})
            due = [one for one in self._channels if sent.get(one.name) != turn and not state.rests(one.name, now)]
            sent.update({one.name: turn for one in due})
        failures = self._send(self._clean(message), due, now, level=logging.INFO)
        with self._changing() as state:
            for name, reason in failures.items():
                if reason is not None:
                    state.sent.get(key, {}).pop(name, None)
        return not self.owes(key, turn)

    def owes(self, key: str, turn: str) -> bool:
        """Whether some channel has not had this turn of a message."""
        sent = self._read().sent.get(key, {})
        return any(sent.get(one.name) != turn for one in self._channels)

    def open_problems(self) -> dict[str, str]:
        """Titles of the problems that are there now, by key."""
        return {standing.key: standing.title for standing in self.standing()}

    def standing(self) -> list[OpenProblem]:
        """The problems that are there now, oldest first."""
        problems = sorted(self._read().problems.items(), key=lambda item: (item[1].since, item[0]))
        return [
            OpenProblem(
                key=key,
                title=problem.title,
                text=problem.text,
                since=problem.since,
                seen=problem.seen,
                told=tuple(name for name, one in problem.told.items() if one.told_at is not None),
            )
            for key, problem in problems
            if problem.over_at is None
        ]

    def failing_channels(self) -> dict[str, str | None]:
        """Every channel, and why its last message did not arrive: None when it did, or when none was sent yet."""
        failing = self._read().failing
        return {
            one.name: f"{failure.reason}, since {failure.since:%Y-%m-%d %H:%M} UTC"
            if (failure := failing.get(one.name))
            else None
            for one in self._channels
        }

    # How it is done.

    def _claim(self, state: _State, problem: _Problem, now: dt.datetime, *, remind: bool) -> list[Channel]:
        """Take the channels on which something is due, so that no other process sends the same."""
        due = [
            one
            for one in self._channels
            if problem.is_due(one.name, now, remind=remind) and not state.rests(one.name, now)
        ]
        for one in due:
            problem.told.setdefault(one.name, _Told()).sending_at = now
        return due

    def _deliver(self, key: str, problem: _Problem, due: list[Channel], now: dt.datetime) -> bool:
        """Send what is due, and remember who has it."""
        is_over = problem.over_at is not None
        level = logging.INFO if is_over else logging.ERROR
        failures = self._send(self._words(problem), due, now, level=level)
        if not due and not is_over:
            return False
        with self._changing() as state:
            kept = state.problems.get(key)
            if kept is not None and kept.since == problem.since:
                for name, reason in failures.items():
                    told = kept.told.setdefault(name, _Told())
                    told.sending_at = None
                    if reason is None:
                        told.told_at = None if is_over else now
                if kept.is_done(now, {one.name for one in self._channels}):
                    del state.problems[key]
        return bool(due) and not any(failures.values())

    def _send(
        self, message: Notification, due: tuple[Channel, ...] | list[Channel], now: dt.datetime, *, level: int
    ) -> dict[str, str | None]:
        """Send on each channel; by channel, None or why it did not arrive."""
        failures = {one.name: one.send(message, level=level) for one in due}
        if set(failures) - {"log"}:
            for name, reason in failures.items():
                if reason is not None:
                    _log.warning("a message did not go out by %s (%s); tried again later", name, reason)
            with self._changing() as state:
                for name, reason in failures.items():
                    state.note(name, reason, now)
        return failures

    def _words(self, problem: _Problem) -> Notification:
        """What is said of a problem, or of its end."""
        language, began = self._settings.language, f"{problem.since:%Y-%m-%d %H:%M}"
        if problem.over_at is None:
            notes = [language.gettext("since {time} UTC", time=began)]
            if problem.seen > 1:
                notes.append(language.gettext("seen {n} times", n=problem.seen))
            mark, title = "🔴", problem.title
        else:
            ended = f"{problem.over_at:%Y-%m-%d %H:%M}"
            notes = [language.gettext("lasted from {began} to {ended} UTC", began=began, ended=ended)]
            mark, title = "🟢", language.gettext("over: {problem}", problem=problem.title)
        return Notification(title, problem.text, (*notes, *self._origin()), mark)

    def _clean(self, message: Notification) -> Notification:
        title, text = scrubbed(message.title, self._settings), scrubbed(message.text, self._settings)
        return Notification(title, text, (*message.notes, *self._origin()), message.mark)

    def _origin(self) -> list[str]:
        return [self._settings.language.gettext("sandbox data")] if self._settings.is_sandbox else []

    @contextlib.contextmanager
    def _changing(self) -> Iterator[_State]:
        """Change the state under its lock. Where it cannot be kept (disk full), a report may be sent twice."""
        with contextlib.ExitStack() as stack:
            try:
                stack.enter_context(
                    file_lock(self._settings.lock_dir / "alerts.lock", exclusive=True, timeout=_LOCK_SECONDS)
                )
            except (OSError, Busy) as problem:
                _log.warning("alerts are told without a lock: %s", type(problem).__name__)
            state = self._read()
            yield state
            draft = self._path.with_suffix(".draft")
            try:
                self._path.parent.mkdir(parents=True, exist_ok=True)
                draft.write_text(state.model_dump_json(indent=2), encoding="utf-8")
                draft.replace(self._path)
            except OSError as problem:
                _log.warning("what was told cannot be remembered: %s", type(problem).__name__)

    def _read(self) -> _State:
        try:
            return _State.model_validate_json(self._path.read_bytes()).drawn_back(self._now())
        except FileNotFoundError:
            return _State()
        except (OSError, ValidationError) as problem:
            _log.warning("what was told is forgotten: %s cannot be read (%s)", self._path.name, type(problem).__name__)
            return _State()
