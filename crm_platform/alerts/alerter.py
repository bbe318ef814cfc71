"""Who has been told of what, and telling them.

What belongs here: the state file, the log line, the post. What does not: the words (message.py).

A problem is its key. It is told when it begins, again a day later if it is still there, and once more when it is over.
Nothing here raises: an alert that cannot be sent must not fail the work that it is about.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import logging
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import httpx
from pydantic import AwareDatetime, BaseModel, ValidationError

from crm_platform.alerts.message import body, scrub
from crm_platform.errors import Busy
from crm_platform.warehouse.locks import file_lock

if TYPE_CHECKING:
    from crm_platform.alerts.message import Body
    from crm_platform.settings import Settings

_log = logging.getLogger(__name__)

QUIET: Final = dt.timedelta(days=1)  # between two messages about a problem that stays
RETRY: Final = dt.timedelta(minutes=5)  # after a webhook that failed
_TIMEOUT_SECONDS: Final = 10.0
_LOCK_SECONDS: Final = 10.0


@dataclass(frozen=True, slots=True)
class Alert:
    """Something is wrong. `key` names the problem, the same each time it is seen: `job:refresh_all`."""

    key: str
    title: str
    text: str = ""


class _Problem(BaseModel):
    """What is remembered of an open problem. `told_at`: when a message about it last arrived."""

    title: str
    since: AwareDatetime
    seen: int = 0
    tried_at: AwareDatetime | None = None
    told_at: AwareDatetime | None = None

    def is_due(self, now: dt.datetime) -> bool:
        if self.told_at is not None and now - self.told_at < QUIET:
            return False
        return self.may_try(now)

    def may_try(self, now: dt.datetime) -> bool:
        """A try that failed, or that another process is at just now, is not repeated at once."""
        if self.tried_at is None or (self.told_at is not None and self.told_at >= self.tried_at):
            return True
        return now - self.tried_at >= RETRY


class _State(BaseModel):
    problems: dict[str, _Problem] = {}


class Alerter:
    """Reports problems to the log and, with CRM_ALERT_WEBHOOK_URL, to the webhook. `now`: gives an aware time."""

    def __init__(
        self,
        settings: Settings,
        *,
        now: Callable[[], dt.datetime] = lambda: dt.datetime.now(dt.UTC),
        timeout: float = _TIMEOUT_SECONDS,
    ) -> None:
        self._settings = settings
        self._now = now
        self._timeout = timeout
        self._path = settings.root / "alerts.json"

    def report(self, alert: Alert) -> bool:
        """Say that a problem is there; returns whether a message about it went out this time."""
        now = self._now()
        title, text = scrub(alert.title, self._settings), scrub(alert.text, self._settings)
        with self._changing() as state:
            problem = state.problems.setdefault(alert.key, _Problem(title=title, since=now))
            problem.seen += 1
            is_due = problem.is_due(now)
            if is_due:
                problem.tried_at = now
        if not is_due:
            return False
        _log.error("%s%s", title, f": {text}" if text else "")
        notes = [f"since {problem.since:%Y-%m-%d %H:%M} UTC"]
        if problem.seen > 1:
            notes.append(f"seen {problem.seen} times")
        told = self._post(body(f"🔴 {title}", text=text, notes=[*notes, *self._origin()]))
        if told:
            with self._changing() as state:
                if alert.key in state.problems:
                    state.problems[alert.key].told_at = now
        return told

    def resolve(self, key: str, *, text: str = "") -> bool:
        """Say that a problem is over, if it was there; returns whether an all-clear went out.

        Call it whenever all is well: it costs a look into a small file. When the all-clear cannot be sent, the problem
        stays open and a later call tries again.
        """
        now = self._now()
        with self._changing() as state:
            problem = state.problems.get(key)
            if problem is None or (problem.told_at is not None and not problem.may_try(now)):
                return False
            if problem.told_at is None:
                del state.problems[key]  # nobody heard of it: no all-clear
                return False
            problem.tried_at = now
        text = scrub(text, self._settings)
        _log.info("over: %s%s", problem.title, f": {text}" if text else "")
        notes = [f"lasted from {problem.since:%Y-%m-%d %H:%M} to {now:%Y-%m-%d %H:%M} UTC"]
        told = self._post(body(f"🟢 over: {problem.title}", text=text, notes=[*notes, *self._origin()]))
        if told:
            with self._changing() as state:
                state.problems.pop(key, None)
        return told

    def open_problems(self) -> dict[str, str]:
        """Titles of the problems that are there now, by key."""
        return {key: problem.title for key, problem in self._read().problems.items()}

    def _origin(self) -> list[str]:
        return ["sandbox data"] if self._settings.is_sandbox else []

    @contextlib.contextmanager
    def _changing(self) -> Iterator[_State]:
        """Change the state under its lock. Where it cannot be kept (disk full), each report is told: better twice."""
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
            return _State.model_validate_json(self._path.read_bytes())
        except FileNotFoundError:
            return _State()
        except (OSError, ValidationError) as problem:
            _log.warning("what was told is forgotten: %s cannot be read (%s)", self._path.name, type(problem).__name__)
            return _State()

    def _post(self, content: Body) -> bool:
        """Post to the webhook, if there is one. The address is a secret: it stands in no log and no error."""
        url = self._settings.alert_webhook_url
        if url is None:
            return True
        try:
            with _unlogged(), httpx.Client(timeout=self._timeout) as client:
                answer = client.post(url.get_secret_value(), json=content)
        except (httpx.HTTPError, httpx.InvalidURL, OSError, ValueError) as problem:
            _log.warning("the alert webhook cannot be reached (%s); tried again later", type(problem).__name__)
            return False
        if not answer.is_success:
            _log.warning("the alert webhook answered %d; tried again later", answer.status_code)
        return answer.is_success


class _ThisThread(logging.Filter):
    def __init__(self) -> None:
        super().__init__()
        self._thread = threading.get_ident()

    def filter(self, record: logging.LogRecord) -> bool:
        return record.thread != self._thread


@contextlib.contextmanager
def _unlogged() -> Iterator[None]:
    """Keep httpx, which logs every address at INFO, silent in this thread."""
    logger, silence = logging.getLogger("httpx"), _ThisThread()
    logger.addFilter(silence)
    try:
        yield
    finally:
        logger.removeFilter(silence)
