"""The ways a message goes out: the log, a webhook, e-mail.

What belongs here: sending one message once, within a set time, and saying in safe words why it did not arrive. What
does not: when to send, and when to try again (alerter.py). No address, login or error text of the other end, which may
hold either, stands in a log or in a reason.
"""

from __future__ import annotations

import contextlib
import logging
import smtplib
import ssl
import threading
from collections.abc import Iterator
from typing import TYPE_CHECKING, Final, Protocol
from urllib.parse import unquote, urlsplit

import httpx

from crm_platform.alerts.notification import body, mail

if TYPE_CHECKING:
    from email.message import EmailMessage

    from pydantic import SecretStr

    from crm_platform.alerts.notification import Notification
    from crm_platform.settings import Settings

_log = logging.getLogger(__name__)

TIMEOUT_SECONDS: Final = 10.0  # for each step of a conversation: connect, an answer
_OURSELVES: Final = "[127.0.0.1]"  # to a mail server; smtplib would ask the DNS for our name, with no time set


class Channel(Protocol):
    """One way to reach people. `name` stands in `crm alerts` and in what is remembered."""

    @property
    def name(self) -> str:
        """What it is called."""

    def send(self, message: Notification, *, level: int) -> str | None:
        """Send it once. Returns None, or why it did not arrive; never raises. `level`: of the log line."""


class Log:
    """The log of this process: it always arrives."""

    name: Final = "log"

    def send(self, message: Notification, *, level: int) -> str | None:
        """Write one line."""
        _log.log(level, "%s%s", message.title, f": {message.text}" if message.text else "")
        return None


class Webhook:
    """A POST in Slack's format. The address is a secret."""

    name: Final = "webhook"

    def __init__(self, url: SecretStr, *, timeout: float = TIMEOUT_SECONDS) -> None:
        self._url = url
        self._timeout = timeout

    def send(self, message: Notification, *, level: int) -> str | None:  # noqa: ARG002 - a channel like the others
        """Post it."""
        return self.post(body(message.headline, text=message.text, notes=message.notes))

    def post(self, content: dict[str, object]) -> str | None:
        """Post a JSON document; returns None, or why it did not arrive."""
        try:
            with _unlogged(), httpx.Client(timeout=self._timeout) as client:
                answer = client.post(self._url.get_secret_value(), json=content)
        except (
            httpx.HTTPError,
            httpx.InvalidURL,
            OSError,
            ValueError,
            ImportError,
        ) as problem:  # ImportError: a socks proxy
            return f"cannot be reached ({type(problem).__name__})"
        return None if answer.is_success else f"answered {answer.status_code}"


class Mail:
    """One e-mail by SMTP to all readers: in clear, with STARTTLS, or over TLS from the first byte."""

    name: Final = "e-mail"

    def __init__(self, url: SecretStr, *, sender: str, to: tuple[str, ...], timeout: float = TIMEOUT_SECONDS) -> None:
        self._url = url
        self._sender = sender
        self._to = to
        self._timeout = timeout

    def send(self, message: Notification, *, level: int) -> str | None:  # noqa: ARG002 - a channel like the others
        """Hand it to the mail server."""
        return self.deliver(self.letter(message))

    def letter(self, message: Notification) -> EmailMessage:
        """Write the e-mail, without sending it."""
        return mail(message, sender=self._sender, to=self._to)

    def deliver(self, letter: EmailMessage) -> str | None:
        """Hand an e-mail to the mail server; returns None, or why it did not arrive."""
        try:
            with self._server() as server:
                refused = server.send_message(letter)
                with contextlib.suppress(OSError):  # it has arrived: a goodbye that fails must not send it twice
                    server.quit()
        except smtplib.SMTPRecipientsRefused:
            return "the mail server refused every reader"
        except smtplib.SMTPAuthenticationError:
            return "the mail server refused the login"
        except smtplib.SMTPResponseException as problem:
            return f"the mail server answered {problem.smtp_code}"
        except (OSError, ValueError) as problem:  # an SMTPException is an OSError, and so is a TLS error
            return f"the mail server cannot be reached ({type(problem).__name__})"
        if refused:
            _log.warning("the mail server refused %d of %d readers", len(refused), len(self._to))
        return None

    @contextlib.contextmanager
    def _server(self) -> Iterator[smtplib.SMTP]:
        """Connect, encrypt as the URL says, log in if it holds a login; hang up at the end."""
        parts = urlsplit(self._url.get_secret_value())
        host = parts.hostname or ""
        if parts.scheme == "smtps":
            server: smtplib.SMTP = smtplib.SMTP_SSL(
                host,
                parts.port or 465,
                local_hostname=_OURSELVES,
                timeout=self._timeout,
                context=ssl.create_default_context(),
            )
        else:
            port = parts.port or (587 if parts.query else 25)
            server = smtplib.SMTP(host, port, local_hostname=_OURSELVES, timeout=self._timeout)
        with contextlib.closing(server):
            if parts.query == "starttls":
                server.starttls(context=ssl.create_default_context())
            if parts.username and parts.password:
                server.login(unquote(parts.username), unquote(parts.password))
            yield server


def channels(settings: Settings, *, timeout: float = TIMEOUT_SECONDS) -> tuple[Channel, ...]:
    """The log, and whatever else the settings name. `timeout`: seconds for each step of a delivery."""
    found: list[Channel] = [Log()]
    if settings.alert_webhook_url is not None:
        found.append(Webhook(settings.alert_webhook_url, timeout=timeout))
    if settings.smtp_url is not None:
        sender = settings.alert_email_from or settings.alert_email_to[0]
        found.append(Mail(settings.smtp_url, sender=sender, to=settings.alert_email_to, timeout=timeout))
    return tuple(found)


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
