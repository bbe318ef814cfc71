"""One request to the CRM that finds out why it does not answer, or what it answers.

What belongs here: a single request, sent by the client behind the gate, and what its transport saw: certificates,
proxies, names, time-outs, an answer that is none of the API's. What does not: what is done about it (doctor/).

The client's own errors say what a caller should do. Here each cause has its own words. What could not be verified is
never reported as well.
"""

from __future__ import annotations

import datetime as dt
import socket
import ssl
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal

import httpx

from crm_platform.api.client import CrmClient
from crm_platform.api.connection import utc_now
from crm_platform.api.envelopes import http_date
from crm_platform.api.gate import Gate
from crm_platform.api.paging import believed_total
from crm_platform.api.wire import NO_TLS, Deadline, causes_of, open_transport, proxy_of
from crm_platform.errors import CrmPlatformError, FixConfiguration, QuotaSpent, RetryLater

if TYPE_CHECKING:
    from pydantic import SecretStr

# `well`: contacts were read. `unreached`: no answer came, or none that is the API's. `limited`: the CRM asks for a
# pause. `refused`: it refuses the key. `forbidden`: the key lacks a right. Not asked: `spent`, since the day's requests
# are used up, `waiting`, since the gate gave no slot for another reason.
ProbeVerdict = Literal["well", "unreached", "limited", "refused", "forbidden", "spent", "waiting"]

_START: Final = 256  # bytes of an answer that tell HTML from JSON
# OpenSSL's verify codes that have a plain name; of the rest its own words are told.
_CERTIFICATE: Final = {
    9: "is not valid yet: is this machine's clock right?",
    10: "has expired: whoever runs the CRM has to renew it",
    18: "is self-signed: name the file of your own authority by SSL_CERT_FILE, or let the CRM get a public one",
    19: "is signed by an authority that this machine does not trust: name its file by SSL_CERT_FILE",
    20: "is signed by an authority that this machine does not trust: name its file by SSL_CERT_FILE",
    62: "is made out to another host: check CRM_BASE_URL",
    64: "is made out to another host: check CRM_BASE_URL",
}


@dataclass(frozen=True, slots=True)
class Seen:
    """What one look found. `skew`: the server's clock less ours; `retry_after`: seconds, where a pause is asked for."""

    verdict: ProbeVerdict
    words: str
    skew: dt.timedelta | None = None
    retry_after: float | None = None


class _Tapped(httpx.SyncByteStream):
    """A body that is passed on as it comes; its first bytes are kept."""

    def __init__(self, stream: httpx.SyncByteStream) -> None:
        self._stream = stream
        self.start = b""

    def __iter__(self) -> Iterator[bytes]:
        for chunk in self._stream:
            if len(self.start) < _START:
                self.start += chunk[:_START]
            yield chunk

    def close(self) -> None:
        self._stream.close()


class _Watched(httpx.BaseTransport):
    """Sends, and keeps the result: the library's error, or the answer's status, headers and first bytes."""

    def __init__(self, inner: httpx.BaseTransport) -> None:
        self._inner = inner
        self.is_used = False
        self.problem: Exception | None = None
        self.status: int | None = None
        self.headers = httpx.Headers()
        self._body: _Tapped | None = None

    @property
    def start(self) -> bytes:
        return self._body.start if self._body is not None else b""

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        self.is_used = True
        try:
            response = self._inner.handle_request(request)
        except Exception as problem:
            self.problem = problem
            raise
        self.status, self.headers = response.status_code, response.headers
        assert isinstance(response.stream, httpx.SyncByteStream)
        response.stream = self._body = _Tapped(response.stream)
        return response

    def close(self) -> None:
        self._inner.close()


def look(
    base_url: str, key: SecretStr, *, gate: Gate, timeout: float, now: Callable[[], dt.datetime] = utc_now
) -> Seen:
    """Ask for one contact, once. `timeout`: seconds for each wait. Raises nothing of the CRM's."""
    try:
        watched = _Watched(open_transport(base_url, Deadline(), max_connections=1))
    except FixConfiguration as problem:
        return Seen("unreached", str(problem))
    with CrmClient(base_url, key, gate=gate, transport=watched, timeout=timeout, retries=0, now=now) as client:
        try:
            page = client.list_contacts(limit=1)
        except CrmPlatformError as problem:
            return _unwell(problem, watched, base_url, timeout=timeout, now=now())
    skew = _skew(watched.headers, now())
    if page.rejected and not page.records:
        return Seen("unreached", f"answers, but its contacts cannot be read: {page.rejected[0].reason}", skew)
    total = believed_total(page)  # of one contact, or of this page of one?
    return Seen("well", "accepted" if total is None else f"accepted; {total:,} contacts", skew)


def _unwell(problem: CrmPlatformError, watched: _Watched, base_url: str, *, timeout: float, now: dt.datetime) -> Seen:
    """Say what an error stands for, by what the transport saw."""
    skew = _skew(watched.headers, now)
    pause = problem.retry_after if isinstance(problem, RetryLater) else None
    if not watched.is_used:
        return Seen("spent" if isinstance(problem, QuotaSpent) else "waiting", str(problem), retry_after=pause)
    if watched.problem is not None:
        return Seen("unreached", _why(watched.problem, base_url, timeout=timeout))
    status = watched.status
    assert status is not None
    if status == 401:
        return Seen("refused", "the CRM refuses it (401); set CRM_API_KEY (or CRM_API_KEY_FILE)", skew)
    if status == 407:
        return Seen("unreached", f"{_proxied(base_url)}asks for a user and a password (407); write them into it")
    if status == 429:
        return Seen("limited", "the CRM asks for a pause (429)", skew, pause)
    if 300 <= status < 400:  # mostly with an HTML page for people, which does not matter here
        return Seen("unreached", f"answers, but not as the API does: {problem}", skew)
    if _is_page(watched):
        words = f"answers with an HTML page (HTTP {status}), not with the API's JSON; check CRM_BASE_URL"
        return Seen("unreached", words, skew)
    if status == 403:
        words = "the CRM knows it, but it has no right to list contacts (403); give it that right"
        return Seen("forbidden", words, skew)
    if status == 404:
        words = "answers, but has no such API (404); CRM_BASE_URL goes without /crm and what follows"
        return Seen("unreached", words, skew)
    return Seen("unreached", f"answers, but not as the API does: {problem}", skew)


def _is_page(watched: _Watched) -> bool:
    return "html" in watched.headers.get("content-type", "").lower() or watched.start.lstrip()[:1] == b"<"


def _skew(headers: httpx.Headers, now: dt.datetime) -> dt.timedelta | None:
    told = http_date(headers.get("date", ""))
    return None if told is None else told - now


def _proxied(base_url: str) -> str:
    """Name the proxy in between, without its user and password; empty where there is none."""
    proxy = proxy_of(base_url)
    if proxy is None:
        return ""
    return f"the proxy of {proxy[1]} ({httpx.URL(proxy[0]).netloc.decode()}) "


def _why(problem: Exception, base_url: str, *, timeout: float) -> str:
    """Say why no answer came, and what to do."""
    causes = list(causes_of(problem))
    tls = next((cause for cause in causes if isinstance(cause, ssl.SSLError)), None)
    if tls is not None:
        return _tls(tls)
    through = _proxied(base_url)
    if isinstance(problem, httpx.ProxyError):
        return f"{through}refuses the way: {str(problem)[:100]}"
    if isinstance(problem, httpx.ConnectTimeout | httpx.PoolTimeout):
        return f"{through}hangs: no connection within {timeout:.0f} s; check CRM_BASE_URL and the network"
    if isinstance(problem, httpx.TimeoutException):
        return f"{through}hangs: connected, but no whole answer within {timeout:.0f} s"
    if isinstance(problem, httpx.RemoteProtocolError):
        hint = "; does this port speak https?" if base_url.startswith("http:") else ""
        return f"{through}does not answer in HTTP, or hangs up{hint}"
    remedy = "check that variable" if through else "check CRM_BASE_URL"
    for cause in causes:
        if isinstance(cause, socket.gaierror):
            return f"{through}the name of the host is not found; {remedy}"
        if isinstance(cause, OSError) and cause.strerror:
            return f"{through}{cause.strerror}; {remedy}"
    return f"{through}no answer ({type(problem).__name__}); {remedy}"


def _tls(problem: ssl.SSLError) -> str:
    if isinstance(problem, ssl.SSLCertVerificationError):
        return (
            f"its certificate {_CERTIFICATE.get(problem.verify_code) or f'is not trusted ({problem.verify_message})'}"
        )
    reason = problem.reason or type(problem).__name__
    if reason.startswith(NO_TLS) or isinstance(problem, ssl.SSLEOFError | ssl.SSLZeroReturnError):
        return "this port does not speak TLS; check the https:// and the port in CRM_BASE_URL"
    return f"no TLS connection ({reason}); check CRM_BASE_URL"
