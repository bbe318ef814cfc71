"""Settings that are well-formed and still do not work: alerts that reach nobody, pages that refuse their own name.

What belongs here: what follows from the settings together. What does not: whether each is well-formed (settings/).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from crm_platform.alerts import Alerter
from crm_platform.doctor.finding import Finding
from crm_platform.settings import is_loopback

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Iterator

    from crm_platform.settings import Settings

_LEAST_SECRET: Final = 16  # characters: what is shorter can be tried out


def alerts(settings: Settings, _now: dt.datetime) -> Iterator[Finding]:
    """Where problems are told, whether messages arrive there, and which problems are open."""
    if settings.alert_webhook_url is not None:
        place = urlsplit(settings.alert_webhook_url.get_secret_value())
        if place.scheme not in {"http", "https"} or not place.hostname:
            yield Finding("alerts", "BAD", "CRM_ALERT_WEBHOOK_URL is no web address; write https://…")
    alerter = Alerter(settings)
    channels = alerter.failing_channels()
    for name, failure in channels.items():
        if failure is not None:
            yield Finding("alerts", "note", f"{name} fails: {failure}; `crm alerts test` tries it")
    names = ", ".join(name for name, failure in channels.items() if failure is None)
    only = "; CRM_ALERT_WEBHOOK_URL or CRM_SMTP_URL would reach people" if set(channels) == {"log"} else ""
    problems = alerter.standing()
    opened = f"; {len(problems)} open problems, `crm alerts list` names them" if problems else ""
    yield Finding("alerts", "note" if problems else "ok", f"told on: {names or 'nothing'}{opened}{only}")


def secrets(settings: Settings, _now: dt.datetime) -> Iterator[Finding]:
    """Secrets that somebody could try out. Those of the roles are held to a length before anything starts."""
    kept = {"CRM_PSEUDONYM_KEY": settings.pseudonym_key, "CRM_WHATSAPP_VERIFY_TOKEN": settings.whatsapp_verify_token}
    short = [name for name, secret in kept.items() if secret and len(secret.get_secret_value()) < _LEAST_SECRET]
    for name in short:
        yield Finding(
            "secrets", "note", f"{name} has fewer than {_LEAST_SECRET} characters; openssl rand -hex 32 makes one"
        )
    if not short:
        yield Finding("secrets", "ok", f"none has fewer than {_LEAST_SECRET} characters")


def pages(settings: Settings, _now: dt.datetime) -> Iterator[Finding]:
    """Whether `crm serve` would start, and answer to the name that alerts link to."""
    roles = ", ".join(settings.role_secrets)
    if settings.serve_hosts and not roles:
        words = (
            "CRM_SERVE_HOSTS is set and no secret is: `crm serve` refuses to start; set CRM_VIEWER_SECRET, "
            "CRM_ANALYST_SECRET or CRM_ADMIN_SECRET"
        )
        yield Finding("pages", "BAD", words)
        return
    host = (urlsplit(settings.serve_url).hostname or "") if settings.serve_url else ""
    if settings.serve_hosts and host and not is_loopback(host) and host not in settings.serve_hosts:
        words = f"CRM_SERVE_URL names {host}, which CRM_SERVE_HOSTS does not: `crm serve` would refuse it"
        yield Finding("pages", "note", words)
        return
    yield Finding("pages", "ok", f"log in as {roles}" if roles else "open, on this machine only")


def clock(settings: Settings, now: dt.datetime) -> Iterator[Finding]:
    """The time here, and in the tenant's zone."""
    local = now.astimezone(settings.zone)
    yield Finding("clock", "ok", f"{local:%Y-%m-%d %H:%M} {local.tzname()} in {settings.timezone}, {now:%H:%M} UTC")
