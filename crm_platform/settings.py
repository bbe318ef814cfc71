"""Every environment variable the platform reads, typed, with its default and meaning.

What belongs here: the settings, their parsing, and the paths that follow from `CRM_DATA_DIR`. What does not: acting on
them. No other module reads `os.environ`. A secret may come from a file instead: `CRM_API_KEY_FILE=/run/secrets/key`.

Every variable has bounds. What is written in another way but means one thing is read so (a byte order mark, a trailing
slash); anything else is refused in one line that names the variable and says what to write. No message shows a secret.
"""

from __future__ import annotations

import codecs
import contextlib
import datetime as dt
import functools
import importlib.resources
import io
import ipaddress
import itertools
import os
import re
import stat
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Final, Literal, Self
from urllib.parse import SplitResult, urlsplit
from zoneinfo import ZoneInfo

from pydantic import BeforeValidator, Field, SecretStr, ValidationError, field_validator, model_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from crm_platform.errors import FixConfiguration, quoted
from crm_platform.languages import ENGLISH, Language, languages

SANDBOX_KEY = "sandbox"
SANDBOX_NAME = "(sandbox)"
"""Whose data the sandbox's is, on whatever port it runs: no host is called so."""

DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_SECRETS = (
    "api_key",
    "pseudonym_key",
    "smtp_url",
    "webhook_secret",
    "viewer_secret",
    "analyst_secret",
    "admin_secret",
)
NOT_IN_USE: Final = ("warehouse_url", "redis_url", "webhook_secret")
"""Settings that nothing reads yet."""

_ADDRESS = re.compile(r"[^\s\x00-\x1f\x7f@,;:<>\"]+@[^\s\x00-\x1f\x7f@,;:<>\"]+")
_LEAST_SECRET = 16  # characters of a role's secret: more than anybody guesses over the network
_LONGEST: Final = (
    65_536  # characters of a setting, bytes of a secret's file: a list of a thousand senders is half of it
)
_MOST_FIELDS, _LONGEST_FIELD = 50, 200  # custom fields: each is a table's column of values, and a choice on a page
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")
_TWO_WAYS = re.compile("[ßς\u200c\u200d]")  # host names with these are two, by the rules of 2003 and of 2008


@dataclass(frozen=True, slots=True)
class OpenHours:
    """A stretch of business hours: `weekday` 0 = Monday, minutes since local midnight, end excluded."""

    weekday: int
    start_minute: int
    end_minute: int


def _minutes(clock: str) -> int:
    match = re.fullmatch(r"([0-9]{1,2}):([0-9]{2})", clock)
    if not match or int(match[2]) > 59 or int(match[1]) * 60 + int(match[2]) > 24 * 60:
        msg = f"{quoted(clock)} is not a time of day; write HH:MM, 24:00 at the latest"
        raise ValueError(msg)
    return int(match[1]) * 60 + int(match[2])


def parse_business_hours(text: str) -> tuple[OpenHours, ...] | None:
    """Read `Mon-Fri 08:00-17:00, Sat 09:00-12:00 13:00-15:00`; `none` gives None (no business hours are kept).

    Raises ValueError, with what to write instead, on anything else and on stretches that overlap.
    """
    if text.strip().lower() == "none":
        return None
    hours: list[OpenHours] = []
    for part in filter(None, (piece.strip() for piece in re.split(r"[,;]", text))):
        days, *stretches = part.split()
        first, dash, last = days.partition("-")
        try:
            start, end = DAYS.index(first.capitalize()), DAYS.index((last if dash else first).capitalize())
        except ValueError:
            msg = f"{quoted(days)} is not a weekday or a range of weekdays; write for example Mon-Fri 08:00-17:00"
            raise ValueError(msg) from None
        if not stretches:
            msg = f"{quoted(part)} names no hours; write for example {days} 08:00-17:00"
            raise ValueError(msg)
        for offset in range((end - start) % 7 + 1):
            for stretch in stretches:
                opens, _, closes = stretch.partition("-")
                open_hours = OpenHours((start + offset) % 7, _minutes(opens), _minutes(closes))
                if open_hours.end_minute <= open_hours.start_minute:
                    msg = f"{quoted(stretch)} ends before it starts; split it at midnight"
                    raise ValueError(msg)
                hours.append(open_hours)
    if not hours:
        msg = "it names no hours; write for example Mon-Fri 08:00-17:00, or none"
        raise ValueError(msg)
    hours.sort(key=lambda one: (one.weekday, one.start_minute))
    for one, following in itertools.pairwise(hours):
        if one.weekday == following.weekday and one.end_minute > following.start_minute:
            msg = f"business hours overlap on {DAYS[one.weekday]}"
            raise ValueError(msg)
    return tuple(hours)


def _split(value: object) -> object:
    return tuple(filter(None, (part.strip() for part in value.split(",")))) if isinstance(value, str) else value


def is_loopback(host: str) -> bool:
    """Whether a host, a name or an address, is this machine and reached from here only."""
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _number(least: float, most: float, *, or_none: bool = False) -> BeforeValidator:
    """Read a number, whole where the bounds are. ASCII digits alone: `٣`, `1_000`, `inf` and `nan` are none.

    `or_none`: the word `none` gives 0, a limit that is lifted on purpose; None is one that is not set.
    """
    is_whole = isinstance(least, int)
    pattern = r"[0-9]{1,18}" if is_whole else r"([0-9]+\.?[0-9]*|\.[0-9]+)(e[+-]?[0-9]{1,3})?"

    def read(value: object) -> object:
        if or_none and (value == 0 or (isinstance(value, str) and value.lower() == "none")):
            return 0
        number = value
        if isinstance(value, str) and re.fullmatch(pattern, value, re.IGNORECASE):
            number = int(value) if is_whole else float(value)
        if number is None or (isinstance(number, int | float) and least <= number <= most):
            return number
        kind = "whole number" if is_whole else "number"
        msg = f"{quoted(value)} is refused; write a {kind} from {least:,.12g} to {most:,.12g}"
        raise ValueError(f"{msg}, or none" if or_none else msg)

    return BeforeValidator(read)


@functools.cache
def _zones() -> frozenset[str]:
    """Every zone there is by IANA. A machine's own files hold others, such as `localtime`, that no engine knows."""
    names = importlib.resources.files("tzdata").joinpath("zones").read_text(encoding="utf-8").split()
    return frozenset(names) - {"Factory"}  # a placeholder for a machine whose zone was never set


def _variable(name: str) -> str:
    return f"CRM_{name.upper()}"


def _plain(name: str, value: object) -> object:
    """Bound a setting's text. Blanks around it mean nothing, but in a secret."""
    if not isinstance(value, str):
        return value
    text = value if name in _SECRETS else value.strip()
    if len(text) > _LONGEST:
        raise ValueError(f"{_variable(name)}: it is longer than {_LONGEST:,} characters; shorten it")
    if _CONTROL.search(text) and not name.startswith("alert_email_"):  # an address has a stricter rule of its own
        raise ValueError(f"{_variable(name)}: it holds a line break or a character that cannot be shown; take it out")
    return text


def _parts(url: str, shape: str) -> SplitResult:
    """Take a URL apart. `shape`: what to write instead of one that cannot be."""
    try:
        parts = urlsplit(url)
    except ValueError:
        raise ValueError(shape) from None
    try:
        port = parts.port
    except ValueError:
        msg = "the port is no number from 0 to 65535"
        raise ValueError(msg) from None
    if port == 0:
        msg = "nobody can be reached at port 0; write the server's"
        raise ValueError(msg)
    return parts


def _host(name: str, shape: str) -> str:
    """Spell a URL's host name or address as it goes over the network."""
    if ":" in name:
        try:
            return f"[{ipaddress.IPv6Address(name)}]"
        except ValueError:
            raise ValueError(shape) from None
    if _TWO_WAYS.search(name):
        msg = f"{quoted(name)} can be read in two ways; write it as its registrar does, in letters a to z: xn--…"
        raise ValueError(msg)
    try:
        host = name.encode("idna").decode()
    except UnicodeError:
        host = ""
    if not re.fullmatch(r"[a-z0-9_]([a-z0-9_.-]{0,251}[a-z0-9_])?\.?", host):
        raise ValueError(shape)
    return host


def _http_address(url: str) -> str:
    """Read an http server's address, and give it in one spelling."""
    shape = "write an address like https://crm.example.com, without user or password"
    parts = _parts(url, shape)
    if parts.scheme not in {"http", "https"} or not parts.hostname or "@" in parts.netloc:
        raise ValueError(shape)
    if "?" in url or "#" in url:
        msg = f"leave out what follows {'?' if '?' in url else '#'}; {shape}"
        raise ValueError(msg)
    if not re.fullmatch(r"[\w.~!$&'()*+,;=:@%/-]*", parts.path, re.ASCII):
        msg = f"its path holds a space or another character that no address can hold; {shape}"
        raise ValueError(msg)
    port = "" if parts.port is None else f":{parts.port}"
    return f"{parts.scheme}://{_host(parts.hostname, shape)}{port}{parts.path.rstrip('/')}"


def _secret_in(path: Path) -> str:
    """Read the one line of a secret's file, of whatever encoding it says itself to be in."""
    try:
        path = path.expanduser()
        # What is no file, a device or a pipe, may have no end, or wait for a writer for ever.
        is_plain = stat.S_ISREG(path.stat().st_mode)
        with path.open("rb") if is_plain else io.BytesIO() as file:
            content = file.read(_LONGEST + 1)
    except (OSError, RuntimeError, ValueError) as problem:
        msg = f"{quoted(str(path))} cannot be read: {getattr(problem, 'strerror', None) or 'it is no path'}"
        raise ValueError(msg) from None
    if not is_plain:
        msg = f"{quoted(str(path))} is no plain file; name a file that holds the secret"
        raise ValueError(msg)
    if len(content) > _LONGEST:
        msg = f"{quoted(str(path))} holds more than {_LONGEST:,} bytes, which is no secret; name the right file"
        raise ValueError(msg)
    is_wide = content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
    try:
        text = content.decode("utf-16" if is_wide else "utf-8-sig").strip()
    except UnicodeError:
        text = "\0"
    if "\0" in text:
        msg = f"{quoted(str(path))} is not written in UTF-8; save it as plain text in UTF-8"
        raise ValueError(msg)
    if len(text.splitlines()) != 1:
        found = "several lines" if text else "nothing"
        msg = f"{quoted(str(path))} holds {found}; write the secret alone, in one line"
        raise ValueError(msg)
    return text


Hours = Annotated[float, _number(0.01, 8760.0)]
Minutes = Annotated[float, _number(0.01, 525_600.0)]
TextList = Annotated[tuple[str, ...], NoDecode]
Network = ipaddress.IPv4Network | ipaddress.IPv6Network


def _language(value: object) -> object:
    if not isinstance(value, str):
        return value
    if value not in languages():
        msg = f"{quoted(value)} is no language that there are words for; write one of {', '.join(languages())}"
        raise ValueError(msg)
    return languages()[value]


def _day(value: object) -> object:
    if not isinstance(value, str):
        return value
    try:
        day = dt.date.fromisoformat(value) if re.fullmatch(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", value) else dt.date.min
    except ValueError:
        day = dt.date.min
    if not 1970 <= day.year <= 2200:
        msg = f"{quoted(value)} is no date; write 2026-12-25,2026-12-26"
        raise ValueError(msg)
    return day


class Settings(BaseSettings):
    """The platform's configuration: one attribute for each `CRM_…` variable, in upper case there."""

    model_config = SettingsConfigDict(env_prefix="CRM_", frozen=True, extra="ignore", env_ignore_empty=True)

    base_url: str | None = Field(None, description="The CRM's address; unset: the platform's own sandbox on loopback.")
    sandbox_port: Annotated[int, _number(1, 65_535)] = Field(
        8800, description="Where the sandbox listens on this machine, while no CRM is configured."
    )
    api_key: SecretStr | None = Field(None, description="The CRM's API key (header API-KEY).")
    api_key_file: Path | None = Field(None, description="A file that holds the API key, instead of CRM_API_KEY.")
    data_dir: Path = Field(
        Path("data"),
        description="Where everything the platform writes is kept; unset: data, and data/sandbox for the sandbox.",
    )
    timezone: str = Field("Africa/Nairobi", description="Days, months, weekdays and hours are local to this zone.")

    language: Annotated[Language, NoDecode, BeforeValidator(_language)] = Field(
        ENGLISH, description="What the shell, alerts and the digest speak, and the pages to a reader who does not say."
    )

    allow_plain_http: Literal["yes", "no"] = Field(
        "no", description="Whether the key, or an alert, may cross the network in clear, over http:// beyond loopback."
    )
    requests_per_minute: Annotated[int | None, _number(1, 1_000_000, or_none=True)] = Field(
        None, description="Most requests in any 60 s; unset: 60, on loopback no limit; `none` lifts it."
    )
    requests_per_day: Annotated[int | None, _number(1, 1_000_000_000, or_none=True)] = Field(
        None, description="Most requests in any 24 h; unset: 1,000, on loopback no limit; `none` lifts it."
    )
    crawl_mode: Literal["continuous", "nightly"] = Field(
        "continuous", description="Visit chats all day by worth, or scan all of them once a night."
    )
    automation: Literal["on", "off"] = Field("off", description="Whether schedules and sensors start switched on.")
    alert_webhook_url: SecretStr | None = Field(None, description="Where alerts are posted, in Slack's format.")
    smtp_url: SecretStr | None = Field(
        None, description="Mail server of alerts: smtp://user:password@host:587?starttls, smtps://… or smtp://host."
    )
    smtp_url_file: Path | None = Field(None, description="A file that holds the mail server's URL.")
    alert_email_to: TextList = Field((), description="Who gets alerts by e-mail; commas between addresses.")
    alert_email_from: str | None = Field(None, description="Their sender; unset: the first of CRM_ALERT_EMAIL_TO.")
    digest_hour: Annotated[int | None, _number(0, 23)] = Field(
        None, description="Local hour of the daily digest; unset: there is none."
    )
    serve_url: str | None = Field(None, description="Where the pages are found: alerts link to them.")

    conversation_gap_hours: Hours = Field(24, description="A longer silence starts a new conversation.")
    business_hours: str = Field("Mon-Fri 08:00-17:00", description="Opening hours for business response times.")
    holidays: Annotated[tuple[dt.date, ...], NoDecode] = Field((), description="Days closed: 2026-12-25,2026-12-26.")
    first_response_target_minutes: Minutes = Field(15, description="The promise that first answers are held to.")
    first_response_target_share: Annotated[float | None, _number(0.01, 1.0)] = Field(
        None, description="Least share of first answers within the target; unset: no alert on it."
    )
    segment_fields: TextList = Field(("Segment", "VIP"), description="Custom fields contacts are counted by.")
    automation_senders: TextList = Field((), description="Senders that are bots: their messages are no replies.")
    message_text: Literal["keep", "drop"] = Field("keep", description="Whether raw messages keep their text.")

    warehouse_url: str | None = Field(
        None, description="Another warehouse; not in use yet. Unset: DuckDB under the data folder."
    )
    redis_url: SecretStr | None = Field(None, description="Redis for hot KPIs; not in use yet.")
    webhook_secret: SecretStr | None = Field(None, description="Shared secret of incoming webhooks; not in use yet.")
    webhook_secret_file: Path | None = Field(None, description="A file that holds the webhook secret.")
    pseudonym_key: SecretStr | None = Field(
        None, description="Key of the published pseudonyms; unset: made once under the data folder."
    )
    pseudonym_key_file: Path | None = Field(None, description="A file that holds the pseudonym key.")

    viewer_secret: SecretStr | None = Field(None, description="Opens the dashboards: password, or bearer token.")
    viewer_secret_file: Path | None = Field(None, description="A file that holds the viewers' secret.")
    analyst_secret: SecretStr | None = Field(None, description="Opens the KPI API and exports besides.")
    analyst_secret_file: Path | None = Field(None, description="A file that holds the analysts' secret.")
    admin_secret: SecretStr | None = Field(None, description="Opens /metrics and the audit log besides.")
    admin_secret_file: Path | None = Field(None, description="A file that holds the admins' secret.")
    serve_hosts: TextList = Field((), description="Host names that `crm serve` answers to beside this machine's own.")
    serve_proxies: TextList = Field(
        (), description="Addresses or networks of proxies whose X-Forwarded-For is believed; unset: of none."
    )

    @field_validator(
        "segment_fields", "automation_senders", "alert_email_to", "serve_hosts", "serve_proxies", mode="before"
    )
    @classmethod
    def _comma_separated(cls, value: object) -> object:
        return _split(value)

    @field_validator("segment_fields")
    @classmethod
    def _a_few_fields(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        if len(value) > _MOST_FIELDS or any(len(name) > _LONGEST_FIELD for name in value):
            msg = f"write at most {_MOST_FIELDS} names of custom fields, each of at most {_LONGEST_FIELD} characters"
            raise ValueError(msg)
        return value

    @field_validator("holidays", mode="before")
    @classmethod
    def _dates(cls, value: object) -> object:
        days = _split(value)
        return tuple(map(_day, days)) if isinstance(days, tuple) else days

    @field_validator("data_dir")
    @classmethod
    def _a_folder(cls, value: Path) -> Path:
        advice = "name a folder of yours, which is made if it is not there"
        try:
            folder = value.expanduser().resolve()
            if any(len(os.fsencode(part)) > 255 for part in folder.parts) or len(os.fsencode(folder)) > 3000:
                msg = f"{quoted(str(value))} is too long for a file system; {advice}"
                raise ValueError(msg)
            is_folder = True
            with contextlib.suppress(FileNotFoundError):
                is_folder = stat.S_ISDIR(folder.stat().st_mode)
        except (OSError, RuntimeError) as problem:  # RuntimeError: links in a circle, `~somebody` who is not there
            why = getattr(problem, "strerror", None) or "no such path"
            msg = f"{quoted(str(value))} cannot be used ({why}); {advice}"
            raise ValueError(msg) from None
        if not is_folder:
            msg = f"{quoted(str(value))} is a file; {advice}"
            raise ValueError(msg)
        return value

    @field_validator("timezone")
    @classmethod
    def _known_zone(cls, value: str) -> str:
        if value not in _zones():
            meant = next((zone for zone in _zones() if zone.lower() == value.lower()), "")
            advice = f"did you mean {meant}?" if meant else "write an IANA name such as Africa/Nairobi"
            msg = f"{quoted(value)} is not a time zone; {advice}"
            raise ValueError(msg)
        return value

    @field_validator("business_hours")
    @classmethod
    def _readable_hours(cls, value: str) -> str:
        parse_business_hours(value)
        return value

    @field_validator("api_key")
    @classmethod
    def _key_fits_a_header(cls, value: SecretStr | None) -> SecretStr | None:
        if value is not None and not re.fullmatch(r"[\x21-\x7e]+", value.get_secret_value()):
            msg = "the key holds spaces, line breaks or characters that no header can carry"
            raise ValueError(msg)
        return value

    @field_validator("viewer_secret", "analyst_secret", "admin_secret")
    @classmethod
    def _secret_is_hard_to_guess(cls, value: SecretStr | None) -> SecretStr | None:
        if value is not None and not re.fullmatch(rf"[\x21-\x7e]{{{_LEAST_SECRET},}}", value.get_secret_value()):
            msg = f"write {_LEAST_SECRET} or more letters, digits and signs, no spaces; openssl rand -hex 32 makes one"
            raise ValueError(msg)
        return value

    @field_validator("serve_hosts")
    @classmethod
    def _bare_host_names(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for name in value:
            if not re.fullmatch(r"[A-Za-z0-9.-]+|\[[0-9A-Fa-f:.]+\]", name):
                msg = f"{name!r} is no host name; write kpi.example.com, without scheme, port or path"
                raise ValueError(msg)
        return tuple(name.lower() for name in value)

    @field_validator("serve_proxies")
    @classmethod
    def _networks(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for text in value:
            try:
                ipaddress.ip_network(text)
            except ValueError:
                msg = f"{quoted(text)} is no address and no network; write 10.0.0.7 or 10.0.0.0/24, commas between them"
                raise ValueError(msg) from None
        return value

    @field_validator("warehouse_url")
    @classmethod
    def _known_warehouse(cls, value: str | None) -> str | None:
        shape = "write clickhouse://…, or leave it unset for DuckDB under the data folder"
        if value is not None and _parts(value, shape).scheme not in {"duckdb", "clickhouse"}:
            raise ValueError(shape)
        return value

    @field_validator("redis_url")
    @classmethod
    def _known_cache(cls, value: SecretStr | None) -> SecretStr | None:
        shape = "write redis://host:6379 or rediss://host:6379"
        if value is not None and _parts(value.get_secret_value(), shape).scheme not in {"redis", "rediss"}:
            raise ValueError(shape)
        return value

    @field_validator("serve_url")
    @classmethod
    def _pages_address(cls, value: str | None) -> str | None:
        return None if value is None else _http_address(value)

    @field_validator("base_url")
    @classmethod
    def _crm_address(cls, value: str | None) -> str | None:
        if value is None:
            return None
        address = _http_address(value)
        if re.search(r"/crm(/|$)", urlsplit(address).path):
            msg = "leave out /crm and what follows it: every path of the CRM begins so, and the platform adds it"
            raise ValueError(msg)
        return address

    @field_validator("alert_webhook_url")
    @classmethod
    def _web_address(cls, value: SecretStr | None) -> SecretStr | None:
        if value is None:
            return None
        shape = "write the webhook's whole address, https://…"
        parts = _parts(value.get_secret_value(), shape)
        if parts.scheme not in {"http", "https"} or not parts.hostname or " " in value.get_secret_value():
            raise ValueError(shape)
        _host(parts.hostname, shape)
        return value

    @field_validator("smtp_url")
    @classmethod
    def _mail_server(cls, value: SecretStr | None) -> SecretStr | None:
        if value is None:
            return None
        shape = "write smtp://user:password@host:587?starttls, smtps://user:password@host, or smtp://host for no login"
        parts = _parts(value.get_secret_value(), shape)
        is_known = parts.scheme in {"smtp", "smtps"} and parts.query in {"", "starttls"} and parts.path in {"", "/"}
        if not is_known or not parts.hostname or (parts.username is None) != (parts.password is None):
            raise ValueError(shape)
        if parts.username and parts.scheme == "smtp" and not parts.query and not is_loopback(parts.hostname):
            msg = "the password would cross the network in clear: add ?starttls, or write smtps://"
            raise ValueError(msg)
        return value

    @field_validator("alert_email_to", "alert_email_from")
    @classmethod
    def _addresses(cls, value: tuple[str, ...] | str | None) -> tuple[str, ...] | str | None:
        for address in (value,) if isinstance(value, str) else value or ():
            if not (address.isascii() and _ADDRESS.fullmatch(address)):
                msg = "write plain addresses such as team@example.com, without names"
                raise ValueError(msg)
        return value

    @model_validator(mode="before")
    @classmethod
    def _texts_are_bounded(cls, values: Any) -> Any:  # noqa: ANN401 - pydantic hands over whatever came
        """Look at every text before anything else does, then fetch the secrets that stand in files."""
        plain = {name: _plain(name, value) for name, value in values.items()}
        values = {name: value for name, value in plain.items() if value != ""}
        for name in _SECRETS:
            path = values.get(f"{name}_file")
            if path is None:
                continue
            if values.get(name) is not None:
                raise ValueError(f"{_variable(name)} and {_variable(name)}_FILE are both set; keep one of them")
            try:
                values[name] = _secret_in(Path(path))
            except ValueError as problem:
                raise ValueError(f"{_variable(name)}_FILE: {problem}") from None
        return values

    @model_validator(mode="after")
    def _key_goes_with_address(self) -> Self:
        if self.base_url is not None and self.api_key is None:
            msg = "CRM_BASE_URL is set but CRM_API_KEY (or CRM_API_KEY_FILE) is not"
            raise ValueError(msg)
        return self

    @model_validator(mode="after")
    def _nothing_crosses_in_clear(self) -> Self:
        hook = self.alert_webhook_url.get_secret_value() if self.alert_webhook_url else None
        for name, url, what in (
            ("CRM_BASE_URL", self.base_url, "the key and every message"),
            ("CRM_ALERT_WEBHOOK_URL", hook, "the address, which is a secret, and every alert"),
        ):
            parts = urlsplit(url or "")
            if parts.scheme == "http" and not is_loopback(parts.hostname or "") and self.allow_plain_http == "no":
                raise ValueError(
                    f"{name}: over http:// {what} would cross the network in clear, for all on the way to read;"
                    " write https://, or set CRM_ALLOW_PLAIN_HTTP=yes to take that risk"
                )
        return self

    @model_validator(mode="after")
    def _mail_has_a_server_and_a_reader(self) -> Self:
        if (self.smtp_url is None) != (not self.alert_email_to):
            msg = "alerts by e-mail need both CRM_SMTP_URL (or CRM_SMTP_URL_FILE) and CRM_ALERT_EMAIL_TO"
            raise ValueError(msg)
        return self

    @model_validator(mode="after")
    def _a_secret_means_one_role(self) -> Self:
        secrets = [secret.get_secret_value() for secret in self.role_secrets.values()]
        if len(set(secrets)) < len(secrets):
            msg = "CRM_VIEWER_SECRET, CRM_ANALYST_SECRET and CRM_ADMIN_SECRET must differ from each other"
            raise ValueError(msg)
        return self

    # What follows from the variables.

    @property
    def role_secrets(self) -> dict[Literal["viewer", "analyst", "admin"], SecretStr]:
        """The secrets that are set, by role; none: the dashboards are open, and on loopback only."""
        found = {"viewer": self.viewer_secret, "analyst": self.analyst_secret, "admin": self.admin_secret}
        return {role: secret for role, secret in found.items() if secret is not None}  # type: ignore[misc]

    @property
    def proxies(self) -> tuple[Network, ...]:
        """The proxies that are believed."""
        return tuple(ipaddress.ip_network(text) for text in self.serve_proxies)

    @property
    def is_sandbox(self) -> bool:
        """No CRM is configured: the data is made up by the platform's own sandbox."""
        return self.base_url is None

    @property
    def crm_url(self) -> str:
        """Address of the CRM, the sandbox's when none is configured."""
        return self.base_url or f"http://127.0.0.1:{self.sandbox_port}"

    @property
    def crm_name(self) -> str:
        """Which CRM this is, however its address is spelt: `crm.example.com:8443/tenant`, or `(sandbox)`."""
        if self.base_url is None:
            return SANDBOX_NAME
        parts = urlsplit(self.base_url)
        host = (parts.hostname or "").rstrip(".")
        host = "localhost" if host in {"127.0.0.1", "::1"} else f"[{host}]" if ":" in host else host
        port = "" if parts.port in {None, 80, 443} else f":{parts.port}"
        return f"{host}{port}{re.sub(r'/+', '/', parts.path).rstrip('/')}"

    @property
    def crm_key(self) -> SecretStr:
        """Key of the CRM, the sandbox's when none is configured."""
        return self.api_key or SecretStr(SANDBOX_KEY)

    @property
    def is_loopback(self) -> bool:
        """The CRM runs on this machine, where no limit is assumed."""
        return is_loopback(urlsplit(self.crm_url).hostname or "")

    @property
    def minute_limit(self) -> int | None:
        """Most requests in any rolling 60 s; None = no limit."""
        return self._limit(self.requests_per_minute, default=60)

    @property
    def day_limit(self) -> int | None:
        """Most requests in any rolling 24 h; None = no limit."""
        return self._limit(self.requests_per_day, default=1000)

    def _limit(self, configured: int | None, *, default: int) -> int | None:
        if configured is None:
            return None if self.is_loopback else default
        return configured or None

    # How old is too old: the one rule. Pages, /healthz, doctor, digest, checks and Dagster ask here.

    @property
    def refresh_every(self) -> dt.timedelta:
        """The cadence that figures are promised in: a quarter of an hour, or a night.

        `CRM_AUTOMATION` has no part in it: the promise is the same whoever starts the runs, our schedules or a cron.
        """
        return dt.timedelta(days=1) if self.crawl_mode == "nightly" else dt.timedelta(minutes=15)

    @property
    def stale_after(self) -> dt.timedelta:
        """What is older than two intervals is called old: pages turn grey, the digest says so, Dagster warns."""
        return 2 * self.refresh_every

    @property
    def overdue_after(self) -> dt.timedelta:
        """What is older says that something is broken: more than a long crawl or build explains.

        /healthz and `crm doctor` are unwell, the freshness checks and Dagster's policies fail.
        """
        return max(self.stale_after, dt.timedelta(hours=2))

    @property
    def zone(self) -> ZoneInfo:
        """The local time zone of days, months, weekdays and hours."""
        return ZoneInfo(self.timezone)

    @property
    def open_hours(self) -> tuple[OpenHours, ...] | None:
        """Business hours by weekday; None when the setting is `none`."""
        return parse_business_hours(self.business_hours)

    @property
    def first_response_target_seconds(self) -> float:
        """The promise that first answers are held to, in seconds."""
        return self.first_response_target_minutes * 60

    @property
    def conversation_gap(self) -> dt.timedelta:
        """The silence after which a chat's next message starts a new conversation."""
        return dt.timedelta(hours=self.conversation_gap_hours)

    # Paths under the data folder.

    @property
    def _demo_has_its_own(self) -> bool:
        """Nobody said where the data goes, nor which CRM: made-up data stays out of the way of a real CRM's."""
        return self.is_sandbox and "data_dir" not in self.model_fields_set

    @property
    def root(self) -> Path:
        """The data folder, absolute."""
        folder = self.data_dir.expanduser()
        return (folder / "sandbox" if self._demo_has_its_own else folder).resolve()

    @property
    def warehouse_path(self) -> Path:
        """DuckDB file of the live raw tables and the crawl's state."""
        return self.root / "warehouse.duckdb"

    @property
    def models_path(self) -> Path:
        """DuckDB file of the build in progress: frozen inputs, core and KPI tables."""
        return self.root / "models.duckdb"

    @property
    def gate_path(self) -> Path:
        """SQLite file of the request ledger."""
        return self.root / "gate.sqlite"

    @property
    def lock_dir(self) -> Path:
        """Where lock files live."""
        return self.root / "locks"

    @property
    def published_dir(self) -> Path:
        """Where snapshots are published."""
        return self.root / "published"

    @property
    def demo_link(self) -> Path | None:
        """Where the sandbox's snapshots are found besides, until a real CRM's are there; None: nowhere else."""
        return self.data_dir.expanduser().resolve() / "published" if self._demo_has_its_own else None

    @property
    def audit_dir(self) -> Path:
        """Where it is written who took figures out, a file a month."""
        return self.root / "audit"

    @property
    def dagster_home(self) -> Path:
        """Dagster's own storage: runs, events, schedules."""
        return self.root / "dagster"


def load_settings(**overrides: Any) -> Settings:  # noqa: ANN401 - any setting by its attribute name
    """Read the environment. Raises FixConfiguration naming each variable that is wrong and what to write."""
    try:
        return Settings(**overrides)
    except ValidationError as problem:
        lines = []
        for error in problem.errors(include_input=False, include_url=False, include_context=False):
            said = error["msg"].removeprefix("Value error, ").replace("Input should be '", "write '")
            lines.append(f"{_variable(str(error['loc'][0]))}: {said}" if error["loc"] else said)
        message = "; ".join(lines)
        raise FixConfiguration(message) from None


def environment_without_secrets() -> dict[str, str]:
    """Give what a child of this process needs to find its libraries, and nothing else of the environment."""
    return {
        name: os.environ[name] for name in ("PYTHONPATH", "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH") if name in os.environ
    }


def environment_with(**defaults: str) -> dict[str, str]:
    """Give this process's environment for a child, with `defaults` for variables that are not set."""
    return {**defaults, **os.environ}


@functools.cache
def current_settings() -> Settings:
    """Settings of this process, read once."""
    return load_settings()
