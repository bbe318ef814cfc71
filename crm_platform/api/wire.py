"""The way to the CRM: proxy, certificates, and a bound on the time and the bytes of each exchange.

What belongs here: opening the transport, ending what takes too long or grows too large, and telling which of its errors
only a changed setting can mend. What does not: requests and answers (connection.py).

The HTTP library bounds each wait. A server that sends a byte now and then, or `100 Continue` for ever, would still hold
a connection and its slot for ever. So each wait is also bounded by the time left for the whole exchange, measured by a
clock that cannot be set.
"""

from __future__ import annotations

import socket
import ssl
import threading
import time
import zlib
from collections.abc import Callable, Iterable, Iterator
from typing import Any, Final
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

import httpcore
import httpx

from crm_platform.errors import FixConfiguration
from crm_platform.settings import is_loopback

LARGEST_ANSWER: Final = 50 * 1024 * 1024
"""Bytes of an answer's body, unpacked, from where it is not read on."""

_PACKED: Final = {"gzip": zlib.MAX_WBITS | 16, "x-gzip": zlib.MAX_WBITS | 16, "deflate": zlib.MAX_WBITS}
# What OpenSSL says of bytes that are no TLS at all.
NO_TLS: Final = ("WRONG_VERSION_NUMBER", "HTTP_REQUEST", "UNKNOWN_PROTOCOL", "PACKET_LENGTH_TOO_LONG", "RECORD_LAYER")


class TooLargeError(Exception):
    """An answer that is larger than LARGEST_ANSWER. Stays inside api/."""


class Deadline(threading.local):
    """When the exchange under way in this thread has to be over."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._at = float("inf")

    def begin(self, seconds: float) -> None:
        """Begin an exchange that may take this long."""
        self._at = self._clock() + seconds

    @property
    def left(self) -> float:
        """Seconds left; none or less: it is over."""
        return self._at - self._clock()

    def shortened(self, timeout: float | None, error: type[Exception]) -> float:
        """Give the wait that is still allowed, `timeout` seconds at most. Raises `error` when none is."""
        left = self.left
        if left <= 0:
            raise error("the whole exchange takes too long")
        return left if timeout is None else min(timeout, left)


class _Stream(httpcore.NetworkStream):
    """A connection whose waits end with the exchange."""

    def __init__(self, stream: httpcore.NetworkStream, deadline: Deadline) -> None:
        self._stream = stream
        self._deadline = deadline

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        return self._stream.read(max_bytes, self._deadline.shortened(timeout, httpcore.ReadTimeout))

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        self._stream.write(buffer, self._deadline.shortened(timeout, httpcore.WriteTimeout))

    def close(self) -> None:
        self._stream.close()

    def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore.NetworkStream:
        allowed = self._deadline.shortened(timeout, httpcore.ConnectTimeout)
        return _Stream(self._stream.start_tls(ssl_context, server_hostname, allowed), self._deadline)

    def get_extra_info(self, info: str) -> Any:  # noqa: ANN401 - the library's signature
        return self._stream.get_extra_info(info)


class _Backend(httpcore.SyncBackend):
    """Connections whose waits end with the exchange."""

    def __init__(self, deadline: Deadline) -> None:
        self._deadline = deadline

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[httpcore.SOCKET_OPTION] | None = None,
    ) -> httpcore.NetworkStream:
        allowed = self._deadline.shortened(timeout, httpcore.ConnectTimeout)
        return _Stream(super().connect_tcp(host, port, allowed, local_address, socket_options), self._deadline)


def proxy_of(base_url: str) -> tuple[str, str] | None:
    """Give the proxy for this CRM and the variable that names it. A CRM on this machine is reached without one."""
    place = urlsplit(base_url)
    host = place.hostname or ""
    if is_loopback(host) or proxy_bypass(place.netloc.rpartition("@")[2]):
        return None
    proxies = getproxies()
    for name in (place.scheme, "all"):
        if proxy := proxies.get(name):
            return (proxy if "://" in proxy else f"http://{proxy}"), f"{name.upper()}_PROXY"
    return None


def open_transport(base_url: str, deadline: Deadline, *, max_connections: int) -> httpx.HTTPTransport:
    """Open the transport. Raises FixConfiguration where the environment names a proxy or certificates it cannot use."""
    url, variable = proxy_of(base_url) or (None, "")
    unusable = f"{variable} names a proxy that cannot be used; write it as http://host:port"
    try:
        # Built here, and not by the transport, so that its errors cannot be taken for those of the certificates.
        proxy = None if url is None else httpx.Proxy(url)
        is_unusable = url is not None and (not urlsplit(url).hostname or urlsplit(url).port == 0)
    except (httpx.InvalidURL, ValueError):
        raise FixConfiguration(unusable) from None
    if is_unusable:
        raise FixConfiguration(unusable)
    try:
        transport = httpx.HTTPTransport(
            limits=httpx.Limits(max_connections=max_connections, max_keepalive_connections=max_connections),
            proxy=proxy,
        )
    except ImportError:
        raise FixConfiguration(
            f"{variable} names a SOCKS proxy, and the package socksio is not installed; "
            "install it or name an http:// proxy"
        ) from None
    except OSError:  # of SSL, too
        raise FixConfiguration(
            "the certificates that SSL_CERT_FILE or SSL_CERT_DIR names cannot be read; correct the path or unset it"
        ) from None
    # The library has this setting, but offers no way to give it to its transport.
    transport._pool._network_backend = _Backend(deadline)  # noqa: SLF001
    return transport


def setting_to_fix(problem: Exception, base_url: str) -> str | None:
    """Say what is wrong when an error of the transport will come again until a setting is changed; else None."""
    place = urlsplit(base_url)
    causes = list(causes_of(problem))
    tls = next((cause for cause in causes if isinstance(cause, ssl.SSLError)), None)
    if isinstance(tls, ssl.SSLCertVerificationError):
        return (
            f"the certificate of {place.netloc} is not trusted ({tls.verify_message}); "
            "check CRM_BASE_URL, or name the file of your own authority by SSL_CERT_FILE"
        )
    if tls is not None and isinstance(problem, httpx.ConnectError) and not isinstance(tls, _CUT_OFF):
        reason = tls.reason or type(tls).__name__
        if reason.startswith(NO_TLS):
            return f"{place.netloc}: this port does not speak TLS; check the https:// and the port in CRM_BASE_URL"
        return f"{place.netloc}: no TLS connection ({reason}); check CRM_BASE_URL"
    proxy = proxy_of(base_url)
    if proxy is None:
        return None
    url, variable = proxy
    if isinstance(problem, httpx.ProxyError):
        said = str(problem)[:3]
        if said == "407":
            return f"the proxy of {variable} asks for a user and a password (HTTP 407); write http://user:password@host"
        return None if said.startswith("5") else f"the proxy of {variable} refuses the way to {place.netloc} ({said})"
    if any(isinstance(cause, ConnectionRefusedError | socket.gaierror) for cause in causes):
        return f"the proxy of {variable} ({httpx.URL(url).netloc.decode()}) cannot be reached; correct or unset it"
    return None


_CUT_OFF: Final = (ssl.SSLEOFError, ssl.SSLZeroReturnError, ssl.SSLSyscallError)


def why_not(problem: Exception) -> str:
    """Say in a word or two why no connection came about."""
    for cause in causes_of(problem):
        if isinstance(cause, socket.gaierror):
            return "the name of the host is not found"
        if isinstance(cause, ConnectionRefusedError):
            return "refused"
        if isinstance(cause, _CUT_OFF):
            return "cut off while TLS began; does this port speak TLS?"
    return type(problem).__name__


def causes_of(problem: BaseException) -> Iterator[BaseException]:
    """Give an error and what led to it."""
    cause: BaseException | None = problem
    while cause is not None:
        yield cause
        cause = cause.__cause__ or cause.__context__


class _Unpacker:
    """Unpacks a body as it comes. `is_whole`: it was read to its end, or nothing came at all."""

    def __init__(self, kind: int) -> None:
        self._kind = kind
        self._engine = zlib.decompressobj(kind)
        self._begun = False

    @property
    def is_whole(self) -> bool:
        return self._engine.eof or not self._begun

    def __call__(self, chunk: bytes, most: int) -> bytes:
        try:
            return self._engine.decompress(chunk, most)
        except zlib.error:
            # `deflate` comes without its two bytes of a header, too.
            if self._begun or self._kind != zlib.MAX_WBITS:
                raise
            self._engine = zlib.decompressobj(-zlib.MAX_WBITS)
            return self._engine.decompress(chunk, most)
        finally:
            self._begun = True


def body_of(response: httpx.Response, deadline: Deadline, *, most: int = LARGEST_ANSWER) -> bytes:
    """Read a body to its end and unpack it, never more than `most` bytes of it.

    Raises TooLargeError beyond that, httpx.ReadTimeout when the exchange takes too long, and httpx.DecodingError for a
    body that is not packed in the way it says. One that is packed in a way we did not ask for is left as it came.
    """
    kind = _PACKED.get(response.headers.get("content-encoding", "").strip().lower())
    unpack = None if kind is None else _Unpacker(kind)
    pieces: list[bytes] = []
    size = 0
    try:
        for chunk in response.stream:  # type: ignore[union-attr]  # it came of a synchronous transport
            # If the library unpacked them, 64 kB could become 64 MB, and 64 GB when packed twice.
            piece = chunk if unpack is None else unpack(chunk, most + 1 - size)
            size += len(piece)
            if size > most:
                raise TooLargeError
            if deadline.left <= 0:
                raise httpx.ReadTimeout("the answer trickles")
            pieces.append(piece)
    except zlib.error:
        raise httpx.DecodingError("not packed as it says") from None
    if unpack is not None and not unpack.is_whole:
        raise httpx.DecodingError("the packed body is not whole")
    return b"".join(pieces)
