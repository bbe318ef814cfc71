"""Who may send: a signature over the body as it came, by a secret that both sides have.

What belongs here: which secrets count, where a signature and its time stand, comparing. What does not: what is signed
(readings.py).

While no secret is set, nobody but this machine may send, and no browser and no proxy on anybody else's behalf.
"""

from __future__ import annotations

import datetime as dt
import hmac
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Final, Self

from crm_platform.api.instants import parse_timestamp
from crm_platform.settings import is_loopback

if TYPE_CHECKING:
    from pydantic import SecretStr

    from crm_platform.settings import Settings

WINDOW: Final = dt.timedelta(minutes=5)
"""A request that says when it was sent must have been sent so short a time ago: an old one is sent again by a thief."""

_SIGNATURES: Final = ("x-hub-signature-256", "x-webhook-signature", "x-signature-256", "x-signature")
_MOMENTS: Final = ("x-webhook-timestamp", "x-signature-timestamp", "x-timestamp")
_OF_OTHERS: Final = (
    *("origin", "via", "forwarded", "x-forwarded-for", "x-forwarded-host", "x-forwarded-proto", "x-real-ip"),
    *("cf-connecting-ip", "true-client-ip"),
)


class NotAllowedError(Exception):
    """A request that is not from whom it should be; the message says why, and nothing of a secret."""


class Signatures:
    """Tells whether a request is from whom it should be. `secrets`: those that are valid, none: this machine alone."""

    def __init__(self, secrets: Sequence[SecretStr]) -> None:
        self._secrets = [secret.get_secret_value().encode() for secret in secrets]

    @classmethod
    def of_crm(cls, settings: Settings) -> Self:
        """Those of the CRM: the secret, and the one before."""
        return cls([secret for secret in (settings.webhook_secret, settings.webhook_secret_previous) if secret])

    @classmethod
    def of_whatsapp(cls, settings: Settings) -> Self:
        """Those of Meta: the app's secret, where it has one of its own."""
        own = settings.whatsapp_app_secret
        return cls([own]) if own else cls.of_crm(settings)

    @property
    def is_open(self) -> bool:
        """Whether no secret is set."""
        return not self._secrets

    def check_sender(self, headers: Mapping[str, str], *, client: str) -> None:
        """Raise NotAllowedError for who may not send at all: no body need be read. `headers`: as in `check`."""
        if self.is_open and (not is_loopback(client) or any(name in headers for name in _OF_OTHERS)):
            raise NotAllowedError(
                "no webhook secret is set here, so only this machine may send: set CRM_WEBHOOK_SECRET"
            )
        if not self.is_open and _signature(headers) is None:
            raise NotAllowedError("the request is not signed: X-Hub-Signature-256 is missing")

    def check(self, headers: Mapping[str, str], body: bytes, *, at: dt.datetime) -> None:
        """Raise NotAllowedError unless a request is believed. `headers`: names in lower case; `at`: aware, now."""
        if self.is_open:
            return
        signature = (_signature(headers) or "").strip().lower().removeprefix("sha256=").encode("ascii", "replace")
        # Each is compared, whichever it is: how long that takes tells nothing.
        found = [
            hmac.compare_digest(hmac.digest(secret, body, "sha256").hex().encode(), signature)
            for secret in self._secrets
        ]
        if not any(found):
            raise NotAllowedError("the signature is not of this body by this secret")
        sent = next((headers[name] for name in _MOMENTS if name in headers), None)
        if sent is None:
            return
        moment = parse_timestamp(sent)
        if moment is None or abs(moment[0] - at) > WINDOW:
            raise NotAllowedError("the request was sent too long ago, or its clock or ours is wrong")


def _signature(headers: Mapping[str, str]) -> str | None:
    return next((headers[name] for name in _SIGNATURES if name in headers), None)


def is_verify_token(settings: Settings, token: str) -> bool:
    """Whether Meta sends the token that was set for it. Constant time."""
    known = settings.whatsapp_verify_token
    return known is not None and hmac.compare_digest(known.get_secret_value().encode(), token.encode())
