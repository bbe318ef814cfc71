"""Postgres: a connection to it, by a URL of the settings.

What belongs here: connecting, and what is said when that fails. What does not: what is kept there (postgres_leases.py;
Dagster's runs, of which defs/ knows).

The driver is not among what every installation has: `make setup-scale` brings it.
"""

from __future__ import annotations

import contextlib
import re
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import parse_qsl, unquote, urlsplit

from crm_platform.errors import FixConfiguration, RetryLater

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pydantic import SecretStr

_CONNECTING: Final = 5  # seconds that the server may take to let us in

IDLE: Final = 10  # seconds of silence, after which a watched side is asked whether it is there
_KEEPALIVES: Final = {"idle": IDLE, "interval": 5, "count": 3}  # then every 5 s, and three may stay without an answer

# What no waiting mends, in Postgres's words. Its code does not come with a connection that is refused.
_WRONG: Final = ("authentication failed", "does not exist", "pg_hba.conf", "no password supplied", "certificate")
_POOLED: Final = "unsupported startup parameter"


def place(url: SecretStr) -> str:
    """Say where a database is, without user and password: `db.example.com:5432/crm`."""
    parts = urlsplit(url.get_secret_value())
    return f"{parts.hostname}:{parts.port or 5432}{parts.path}"


@contextlib.contextmanager
def connected(url: SecretStr, *, setting: str, name: str, is_watched: bool = False) -> Iterator[Any]:
    """Connect, in autocommit. `setting`: the variable that holds the URL; `name`: what the server shows of us.

    `is_watched`: the server asks, and so do we, whether an idle other side is there. A host that lost its power, or its
    network, is given up after 25 s. Raises RetryLater where the server does not answer or goes away, also while the
    block runs, and FixConfiguration where it refuses us, or where the driver is missing.
    """
    psycopg2 = _driver(setting)
    parts = urlsplit(url.get_secret_value())
    try:
        session = psycopg2.connect(
            host=parts.hostname,
            port=parts.port or 5432,
            user=unquote(parts.username or ""),
            password=unquote(parts.password or ""),
            dbname=unquote(parts.path.removeprefix("/")),
            application_name=name,
            connect_timeout=_CONNECTING,
            **(_watched() if is_watched else {}),
            **dict(parse_qsl(parts.query)),
        )
    except psycopg2.Error as problem:
        raise _refused(str(problem), place(url), setting) from None
    with contextlib.closing(session):
        try:
            session.autocommit = True
            yield session
        except psycopg2.errors.InsufficientPrivilege as problem:
            raise FixConfiguration(f"{setting}: {_first_line(problem)}; grant it on {place(url)}") from None
        except psycopg2.OperationalError as problem:
            raise RetryLater(f"Postgres at {place(url)} went away ({_first_line(problem)})") from None


def _watched() -> dict[str, object]:
    theirs = " ".join(f"-c tcp_keepalives_{what}={value}" for what, value in _KEEPALIVES.items())
    return {"options": theirs, **{f"keepalives_{what}": value for what, value in _KEEPALIVES.items()}}


def is_alive(session: Any) -> bool:  # noqa: ANN401 - psycopg2's connection
    """Say whether a connection still leads somewhere."""
    import psycopg2  # noqa: PLC0415 - as in _driver

    try:
        with session.cursor() as cursor:
            cursor.execute("select 1")
    except psycopg2.Error:
        return False
    return True


def version(url: SecretStr, *, setting: str) -> str:
    """Ask a server for its version: `15.18`. Raises as `connected` does."""
    with connected(url, setting=setting, name="crm_platform: a look") as session, session.cursor() as cursor:
        cursor.execute("show server_version")
        return str(cursor.fetchone()[0]).partition(" ")[0]


def _driver(setting: str) -> Any:  # noqa: ANN401 - a module that is not always there
    try:
        import psycopg2  # noqa: PLC0415
        import psycopg2.errors  # noqa: PLC0415
    except ImportError:
        raise FixConfiguration(
            f"{setting} names Postgres, whose driver is not installed; run `make setup-scale`, or unset it"
        ) from None
    return psycopg2


def _refused(words: str, where: str, setting: str) -> FixConfiguration | RetryLater:
    """Say why there is no connection: neither the URL nor what libpq says of it holds the password."""
    if _POOLED in words:
        return FixConfiguration(f"{setting}: {where} is a pooler such as PgBouncer; name the Postgres server itself")
    found = re.search(r"(?:failed|FATAL): +(?!FATAL)(.+)", words)
    why = found[1] if found else words.strip().partition("\n")[0] or "no reason is given"
    if any(wrong in words for wrong in _WRONG):
        return FixConfiguration(f"{setting}: Postgres at {where} refuses it ({why}); correct the URL, or the server")
    return RetryLater(f"Postgres at {where} does not answer ({why}): start it, or correct {setting}")


def _first_line(problem: Exception) -> str:
    return str(problem).strip().partition("\n")[0] or type(problem).__name__
