"""The connection to Redis, where several hosts share what one machine keeps in a file.

What belongs here: opening it from the settings, its errors in the platform's words, names of keys, waiting a while
before a server that does not answer is asked again. What does not: what is kept there (api/redis_gate.py,
serving/hot.py, serving/notices.py).

`redis`, the client, is an optional package: it is imported when a server is configured, and not before.
"""

from __future__ import annotations

import contextlib
import hashlib
import threading
import time
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, Final, TypeVar
from urllib.parse import unquote, urlsplit

from crm_platform.errors import Busy, CrmPlatformError, FixConfiguration, GiveUp

if TYPE_CHECKING:
    from crm_platform.settings import Settings

_T = TypeVar("_T")
_PORT: Final = 6379
_REST: Final = 5.0  # seconds that a server which did not answer is left alone


class RedisServer:
    """One server, by the settings. Threads may share it; nothing is sent before it is first asked.

    `patience`: seconds to wait for a connection, and for each answer. Raises FixConfiguration when the client is not
    installed.
    """

    def __init__(self, settings: Settings, *, patience: float) -> None:
        assert settings.redis_url is not None, "it is asked for where a server is configured"
        parts = urlsplit(settings.redis_url.get_secret_value())
        port = parts.port or _PORT
        self.host = parts.hostname or ""
        self.place = f"[{self.host}]:{port}" if ":" in self.host else f"{self.host}:{port}"
        self.crosses_in_clear = parts.scheme == "redis"
        self._tenant = hashlib.sha256(settings.crm_name.encode()).hexdigest()[:16]
        password = settings.redis_password.get_secret_value() if settings.redis_password else parts.password
        module = _module()
        kind = module.SSLConnection if parts.scheme == "rediss" else module.Connection
        self._client = module.Redis(
            connection_pool=module.ConnectionPool(
                connection_class=kind,
                host=self.host,
                port=port,
                db=int(parts.path.strip("/") or 0),
                username=unquote(parts.username) if parts.username else None,
                password=unquote(password) if password and not settings.redis_password else password,
                socket_connect_timeout=patience,
                socket_timeout=patience,
                client_name="crm_platform",
                protocol=2,
                retry=module.retry.Retry(module.backoff.NoBackoff(), 0),
            )
        )

    def __repr__(self) -> str:
        return f"RedisServer({self.place!r})"

    def key(self, name: str) -> str:
        """The name of a key of this CRM's; those of one CRM are on one node of a cluster."""
        return f"{{crm:{self._tenant}}}:{name}"

    @contextlib.contextmanager
    def asking(self) -> Iterator[Any]:
        """Give the client, a `redis.Redis`.

        What it raises is raised as Busy (no answer), FixConfiguration (it refuses us) or GiveUp.
        """
        errors = _module().exceptions
        try:
            yield self._client
        except (errors.AuthenticationError, errors.AuthorizationError, errors.NoPermissionError) as problem:
            raise FixConfiguration(
                f"Redis at {self.place} refuses user or password, or forbids a command ({type(problem).__name__}): set"
                " CRM_REDIS_URL and CRM_REDIS_PASSWORD (or CRM_REDIS_PASSWORD_FILE)"
            ) from None
        except errors.ReadOnlyError:
            raise FixConfiguration(f"Redis at {self.place} is a replica: name its primary in CRM_REDIS_URL") from None
        except errors.OutOfMemoryError:
            raise GiveUp(f"Redis at {self.place} has no memory left: raise its maxmemory") from None
        except (errors.ConnectionError, errors.TimeoutError, errors.BusyLoadingError, OSError) as problem:
            if "certificate verify failed" in str(problem):
                raise FixConfiguration(
                    f"the certificate of Redis at {self.place} is not trusted; name your authority's in SSL_CERT_FILE"
                ) from None
            # The text of a connection's error may hold its URL.
            raise Busy(f"Redis at {self.place} does not answer ({type(problem).__name__})") from None
        except errors.RedisError as problem:
            raise GiveUp(f"Redis at {self.place}: {type(problem).__name__}: {problem}") from None

    def close(self) -> None:
        """Let go of its connections; the next question opens one."""
        self._client.close()
        self._client.connection_pool.disconnect()


class Rests:
    """Leaves a server that did not answer alone for a while, so that its absence costs a reader nothing.

    `clock`: seconds that only grow. Threads may share one.
    """

    def __init__(self, server: RedisServer, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._server = server
        self._clock = clock
        self._until = 0.0
        self._lock = threading.Lock()

    def ask(self, question: Callable[[Any], _T]) -> _T | None:
        """Give the answer to a question; None where there is none, or the server rests."""
        with self._lock:
            if self._clock() < self._until:
                return None
        try:
            with self._server.asking() as client:
                return question(client)
        except CrmPlatformError:
            with self._lock:
                self._until = self._clock() + _REST
            return None


def _module() -> Any:  # noqa: ANN401 - a package that may be missing
    try:
        import redis  # noqa: PLC0415 - optional
    except ImportError:
        raise FixConfiguration("CRM_REDIS_URL needs Redis's client, which is not installed: make setup-scale") from None
    return redis
