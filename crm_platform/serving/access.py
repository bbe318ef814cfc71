"""Who may see what: roles, their secrets, sessions, and patience with wrong passwords.

What belongs here: deciding who somebody is, and which role a path asks for. What does not: HTTP (guard.py, login.py).

One secret a role: people type it at the login page, programs send it as a bearer token. With no secret configured the
door is open, which `crm serve` allows on loopback only. Sessions live in this process's memory: a restart ends them.

The right secret always opens: it is looked for before anything is counted, so nobody can lock another out. What is
counted are wrong ones, by the address they come from.
"""

from __future__ import annotations

import enum
import hashlib
import hmac
import secrets
import threading
import time
from collections import OrderedDict, deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from crm_platform.errors import RateLimited

if TYPE_CHECKING:
    from crm_platform.settings import Settings

LONGEST_SESSION: Final = 12 * 3600.0  # seconds from login
LONGEST_PAUSE: Final = 2 * 3600.0  # seconds without a request
MOST_FAILURES: Final = 5  # wrong secrets from one address …
FAILURE_SPAN: Final = 300.0  # … in so many seconds; then the next wrong one waits for the oldest to pass
_MOST_KEPT: Final = 10_000  # sessions of one role, and addresses with failures: a bound on memory


class Role(enum.IntEnum):
    """What somebody may do; each role may do what stands before it."""

    VIEWER = 1  # look at pages
    ANALYST = 2  # take figures out: the KPI API, CSV
    ADMIN = 3  # look after the platform: metrics, the audit log, notes on days; see who is behind a chat


@dataclass(frozen=True, slots=True)
class Visitor:
    """Somebody who passed. `came_by`: `open`, `token`, or `session` and eight digits that tell sessions apart."""

    role: Role
    came_by: str

    @property
    def can_leave(self) -> bool:
        """Whether there is a session to end."""
        return self.came_by.startswith("session ")

    def may(self, path: str) -> bool:
        """Whether they may ask for a path of the dashboards. Its query, if it has one, decides nothing."""
        needed = needed_role(path.partition("?")[0])
        return needed is None or self.role >= needed


OPEN: Final = Visitor(Role.ADMIN, "open")


def needed_role(path: str) -> Role | None:
    """The least role that a path asks for; None: anybody."""
    if path in {"/healthz", "/login", "/preferences"} or path.startswith("/static/"):
        return None
    if path in {"/metrics", "/chat", "/notes"} or path.startswith("/api/v1/audit"):
        return Role.ADMIN
    if is_export(path) or path.startswith("/api/"):
        return Role.ANALYST
    return Role.VIEWER


def is_export(path: str) -> bool:
    """Whether figures leave by this path: it is audited."""
    return path.startswith("/api/v1/kpis/") or path.endswith(".csv")


@dataclass(slots=True)
class _Session:
    role: Role
    began: float
    seen: float


class Door:
    """Knows secrets, sessions and failures. Threads may share it.

    `cookie`: what a browser keeps a session's name under; browsers send one host's cookies to all of its ports, so each
    server needs its own. `now`: a clock that never goes back, in seconds.
    """

    def __init__(
        self,
        role_secrets: Mapping[Role, str],
        *,
        cookie: str = "crm_session",
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        # Digests have one length, so that comparing them takes the same time whatever was typed.
        self._digests = [(role, _digest(secret)) for role, secret in role_secrets.items()]
        self._cookie = cookie
        self._now = now
        self._lock = threading.Lock()
        # By role, so that no number of viewers' logins ends an admin's session.
        self._sessions: dict[Role, OrderedDict[bytes, _Session]] = {role: OrderedDict() for role in Role}
        self._failures: OrderedDict[str, deque[float]] = OrderedDict()

    @classmethod
    def of(cls, settings: Settings) -> Door:
        """The door that the settings ask for."""
        return cls({Role[role.upper()]: secret.get_secret_value() for role, secret in settings.role_secrets.items()})

    @property
    def is_open(self) -> bool:
        """No secret is configured: everybody on this machine may do everything."""
        return not self._digests

    def cookie(self, scheme: str) -> str:
        """The session cookie's name, by how a request came: with a prefix a browser keeps it over https alone."""
        return f"__Host-{self._cookie}" if scheme in {"https", "wss"} else self._cookie

    def recognise(self, secret: str, *, address: str) -> Role | None:
        """The role of a secret, None for a wrong one. Raises RateLimited after too many wrong ones of an address."""
        given, found = _digest(secret), None
        for role, digest in self._digests:  # every one of them, found or not
            if hmac.compare_digest(given, digest):
                found = role
        if found is None:
            self._failed(address)
        return found

    def _failed(self, address: str) -> None:
        with self._lock:
            now = self._now()
            failures = self._failures.setdefault(address, deque())
            while failures and now - failures[0] >= FAILURE_SPAN:
                failures.popleft()
            if len(failures) >= MOST_FAILURES:
                wait = FAILURE_SPAN - (now - failures[0])
                raise RateLimited("too many wrong secrets came from this address", retry_after=wait)
            failures.append(now)
            self._failures.move_to_end(address)
            if len(self._failures) > _MOST_KEPT:
                self._failures.popitem(last=False)

    def log_in(self, role: Role) -> str:
        """Begin a session; returns its secret name, for the cookie."""
        name = secrets.token_urlsafe(32)
        with self._lock:
            now, sessions = self._now(), self._sessions[role]
            for old in [key for key, session in sessions.items() if not _is_alive(session, now)]:
                del sessions[old]
            if len(sessions) >= _MOST_KEPT:
                sessions.popitem(last=False)
            sessions[_digest(name)] = _Session(role, began=now, seen=now)
        return name

    def by_session(self, name: str, *, renews: bool = True) -> Visitor | None:
        """Whose session this is; None when it never was, or is over. `renews`: the pause before its end begins anew."""
        key = _digest(name)
        with self._lock:
            now = self._now()
            for sessions in self._sessions.values():
                session = sessions.get(key)
                if session is None:
                    continue
                if not _is_alive(session, now):
                    del sessions[key]
                    break
                if renews:
                    session.seen = now
                return Visitor(session.role, f"session {key.hex()[:8]}")
        return None

    def log_out(self, name: str) -> None:
        """End a session, if there is one."""
        with self._lock:
            for sessions in self._sessions.values():
                sessions.pop(_digest(name), None)


def _digest(text: str) -> bytes:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest()


def _is_alive(session: _Session, now: float) -> bool:
    return now - session.began < LONGEST_SESSION and now - session.seen < LONGEST_PAUSE
