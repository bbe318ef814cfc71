"""Every environment variable the platform reads, typed, with its default and meaning.

What belongs here: the settings, their parsing, and the paths that follow from `CRM_DATA_DIR`. What does not: acting on
them. No other module reads `os.environ`. A secret may come from a file instead: `CRM_API_KEY_FILE=/run/secrets/key`.
"""

from __future__ import annotations

import datetime as dt
import functools
import ipaddress
import itertools
import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal, Self
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo

from pydantic import Field, SecretStr, ValidationError, field_validator, model_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from crm_platform.errors import FixConfiguration

SANDBOX_KEY = "sandbox"

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
_ADDRESS = re.compile(r"[^\s@,;:<>\"]+@[^\s@,;:<>\"]+")
_LEAST_SECRET = 16  # characters of a role's secret: more than anybody guesses over the network


@dataclass(frozen=True, slots=True)
class OpenHours:
    """A stretch of business hours: `weekday` 0 = Monday, minutes since local midnight, end excluded."""

    weekday: int
    start_minute: int
    end_minute: int


def _minutes(clock: str) -> int:
    match = re.fullmatch(r"(\d{1,2}):(\d{2})", clock)
    if not match or int(match[2]) > 59 or int(match[1]) * 60 + int(match[2]) > 24 * 60:
        msg = f"{clock!r} is not a time of day; write HH:MM, 24:00 at the latest"
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
        first, _, last = days.partition("-")
        try:
            start, end = DAYS.index(first.capitalize()), DAYS.index((last or first).capitalize())
        except ValueError:
            msg = f"{days!r} is not a weekday or a range of weekdays; write for example Mon-Fri 08:00-17:00"
            raise ValueError(msg) from None
        if not stretches:
            msg = f"{part!r} names no hours; write for example {days} 08:00-17:00"
            raise ValueError(msg)
        for offset in range((end - start) % 7 + 1):
            for stretch in stretches:
                opens, _, closes = stretch.partition("-")
                open_hours = OpenHours((start + offset) % 7, _minutes(opens), _minutes(closes))
                if open_hours.end_minute <= open_hours.start_minute:
                    msg = f"{stretch!r} ends before it starts; split it at midnight"
                    raise ValueError(msg)
                hours.append(open_hours)
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


TextList = Annotated[tuple[str, ...], NoDecode]


class Settings(BaseSettings):
    """The platform's configuration: one attribute for each `CRM_…` variable, in upper case there."""

    model_config = SettingsConfigDict(env_prefix="CRM_", frozen=True, extra="ignore", env_ignore_empty=True)

    base_url: str | None = Field(None, description="The CRM's address; unset: the platform's own sandbox on loopback.")
    sandbox_port: int = Field(
        8800, ge=1, le=65_535, description="Where the sandbox listens on this machine, while no CRM is configured."
    )
    api_key: SecretStr | None = Field(None, description="The CRM's API key (header API-KEY).")
    api_key_file: Path | None = Field(None, description="A file that holds the API key, instead of CRM_API_KEY.")
    data_dir: Path = Field(Path("data"), description="Where everything the platform writes is kept.")
    timezone: str = Field("Africa/Nairobi", description="Days, months, weekdays and hours are local to this zone.")

    requests_per_minute: int | None = Field(
        None, description="Most requests in any 60 s; unset: 60, on loopback no limit; `none` lifts it."
    )
    requests_per_day: int | None = Field(
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
    digest_hour: int | None = Field(
        None, ge=0, le=23, description="Local hour of the daily digest; unset: there is none."
    )
    serve_url: str | None = Field(None, description="Where the pages are found: alerts link to them.")

    conversation_gap_hours: float = Field(24, gt=0, le=8760, description="A longer silence starts a new conversation.")
    business_hours: str = Field("Mon-Fri 08:00-17:00", description="Opening hours for business response times.")
    holidays: Annotated[tuple[dt.date, ...], NoDecode] = Field((), description="Days closed: 2026-12-25,2026-12-26.")
    first_response_target_minutes: float = Field(
        15, gt=0, le=525_600, description="The promise that first answers are held to."
    )
    first_response_target_share: float | None = Field(
        None, gt=0, le=1, description="Least share of first answers within the target; unset: no alert on it."
    )
    segment_fields: TextList = Field(("Segment", "VIP"), description="Custom fields contacts are counted by.")
    automation_senders: TextList = Field((), description="Senders that are bots: their messages are no replies.")
    message_text: Literal["keep", "drop"] = Field("keep", description="Whether raw messages keep their text.")

    warehouse_url: str | None = Field(None, description="Unset: DuckDB under the data folder.")
    redis_url: SecretStr | None = Field(None, description="Redis for hot KPIs; unset: none.")
    webhook_secret: SecretStr | None = Field(None, description="Shared secret of incoming webhooks.")
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

    @field_validator("requests_per_minute", "requests_per_day", mode="before")
    @classmethod
    def _none_lifts_a_limit(cls, value: object) -> object:
        if isinstance(value, str):
            if value.strip().lower() == "none":
                return 0  # 0 = lifted on purpose; None = not set
            if not value.strip().isdigit():
                msg = "write a whole number of requests, or none"
                raise ValueError(msg)
        return value

    @field_validator("requests_per_minute", "requests_per_day")
    @classmethod
    def _limits_count_up(cls, value: int | None) -> int | None:
        if value is not None and value < 0:
            msg = "write a whole number of requests, or none"
            raise ValueError(msg)
        return value

    @field_validator("segment_fields", "automation_senders", "alert_email_to", "holidays", "serve_hosts", mode="before")
    @classmethod
    def _comma_separated(cls, value: object) -> object:
        return _split(value)

    @field_validator("holidays", mode="before")
    @classmethod
    def _dates(cls, value: object) -> object:
        for day in value if isinstance(value, tuple) else ():
            try:
                dt.date.fromisoformat(str(day))
            except ValueError:
                msg = f"{day!r} is no date; write 2026-12-25,2026-12-26"
                raise ValueError(msg) from None
        return value

    @field_validator("timezone")
    @classmethod
    def _known_zone(cls, value: str) -> str:
        try:
            ZoneInfo(value)
        except Exception:  # noqa: BLE001 - zoneinfo raises five kinds of error for five kinds of bad name
            msg = f"{value!r} is not a time zone; write an IANA name such as Africa/Nairobi"
            raise ValueError(msg) from None
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

    @field_validator("warehouse_url")
    @classmethod
    def _known_warehouse(cls, value: str | None) -> str | None:
        if value is not None and urlsplit(value).scheme not in {"duckdb", "clickhouse"}:
            msg = "write clickhouse://…, or leave it unset for DuckDB under the data folder"
            raise ValueError(msg)
        return value

    @field_validator("base_url", "serve_url")
    @classmethod
    def _http_address(cls, value: str | None) -> str | None:
        if value is None:
            return None
        parts = urlsplit(value)
        try:
            _ = parts.port
        except ValueError:
            msg = "the port is no number from 0 to 65535"
            raise ValueError(msg) from None
        if parts.scheme not in {"http", "https"} or not parts.hostname or parts.username or parts.password:
            msg = "write an address like https://crm.example.com, without user or password"
            raise ValueError(msg)
        return value.rstrip("/")

    @field_validator("smtp_url")
    @classmethod
    def _mail_server(cls, value: SecretStr | None) -> SecretStr | None:
        if value is None:
            return None
        shape = "write smtp://user:password@host:587?starttls, smtps://user:password@host, or smtp://host for no login"
        parts = urlsplit(value.get_secret_value())
        try:
            _ = parts.port
        except ValueError:
            msg = "the port is no number from 0 to 65535"
            raise ValueError(msg) from None
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
    def _secrets_from_files(cls, values: Any) -> Any:  # noqa: ANN401 - pydantic hands over whatever came
        for name in _SECRETS:
            path = values.get(f"{name}_file")
            if path and not values.get(name):
                try:
                    values[name] = Path(path).read_text(encoding="utf-8").strip()
                except OSError as problem:
                    msg = f"CRM_{name.upper()}_FILE cannot be read: {problem.strerror}"
                    raise ValueError(msg) from problem
        return values

    @model_validator(mode="after")
    def _key_goes_with_address(self) -> Self:
        if self.base_url is not None and self.api_key is None:
            msg = "CRM_BASE_URL is set but CRM_API_KEY (or CRM_API_KEY_FILE) is not"
            raise ValueError(msg)
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
    def is_sandbox(self) -> bool:
        """No CRM is configured: the data is made up by the platform's own sandbox."""
        return self.base_url is None

    @property
    def crm_url(self) -> str:
        """Address of the CRM, the sandbox's when none is configured."""
        return self.base_url or f"http://127.0.0.1:{self.sandbox_port}"

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

    @property
    def stale_after(self) -> dt.timedelta:
        """Figures whose cut is longer ago are called old: two refresh intervals, of 15 minutes or of a night."""
        return 2 * (dt.timedelta(days=1) if self.crawl_mode == "nightly" else dt.timedelta(minutes=15))

    @property
    def overdue_after(self) -> dt.timedelta:
        """Figures whose cut is longer ago say that something is broken: more than a long crawl or build explains."""
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
    def conversation_gap(self) -> dt.timedelta:
        """The silence after which a chat's next message starts a new conversation."""
        return dt.timedelta(hours=self.conversation_gap_hours)

    # Paths under the data folder.

    @property
    def root(self) -> Path:
        """The data folder, absolute."""
        return self.data_dir.expanduser().resolve()

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
            place = "CRM_" + "_".join(str(part) for part in error["loc"][:1]).upper() if error["loc"] else "settings"
            lines.append(f"{place}: {error['msg'].removeprefix('Value error, ')}")
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
