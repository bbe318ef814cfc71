"""The declaration: one attribute for each `CRM_…` variable, in upper case there, and what follows from them.

What belongs here: each variable's type, bounds, default and meaning, what holds between several, and what they say
together. What does not: reading one value (values.py, addresses.py, business_hours.py), the process's environment
(environment.py).
"""

from __future__ import annotations

import datetime as dt
import ipaddress
import re
from pathlib import Path
from typing import Annotated, Any, Final, Literal, Self
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo

from pydantic import AfterValidator, BeforeValidator, Field, SecretStr, model_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from crm_platform.clock import zone_of
from crm_platform.languages import ENGLISH, Language
from crm_platform.settings import addresses, values
from crm_platform.settings.addresses import Network, is_loopback
from crm_platform.settings.business_hours import OpenHours, parse_business_hours
from crm_platform.settings.machine import memory
from crm_platform.settings.values import LONGEST, number, secret_in

SANDBOX_KEY = "sandbox"
SANDBOX_NAME = "(sandbox)"
"""Whose data the sandbox's is, on whatever port it runs: no host is called so."""

OPT_OUT_WORDS: Final = (
    *("stop", "stopp", "unsubscribe", "cancel", "end", "quit", "opt out", "remove me"),
    *("acha", "sitaki", "ondoa", "nitoe", "usinitumie", "jiondoe"),
)
"""What people write to opt out, in English and Swahili."""

_SECRETS = (
    "api_key",
    "pseudonym_key",
    "smtp_url",
    "warehouse_password",
    "redis_password",
    "dagster_postgres_url",
    "coordination_url",
    "webhook_secret",
    "webhook_secret_previous",
    "whatsapp_app_secret",
    "whatsapp_verify_token",
    "viewer_secret",
    "analyst_secret",
    "admin_secret",
)
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")

Hours = Annotated[float, number(0.01, 8760.0)]
Minutes = Annotated[float, number(0.01, 525_600.0)]
TextList = Annotated[tuple[str, ...], NoDecode, BeforeValidator(values.separated)]
RoleSecret = Annotated[SecretStr, AfterValidator(values.role_secret)]


def variable(name: str) -> str:
    """Give the environment's name for a setting."""
    return f"CRM_{name.upper()}"


def _plain(name: str, value: object) -> object:
    """Bound a setting's text. Blanks around it mean nothing, but in a secret."""
    if not isinstance(value, str):
        return value
    text = value if name in _SECRETS else value.strip()
    if len(text) > LONGEST:
        raise ValueError(f"{variable(name)}: it is longer than {LONGEST:,} characters; shorten it")
    if _CONTROL.search(text) and not name.startswith("alert_email_"):  # an address has a stricter rule of its own
        raise ValueError(f"{variable(name)}: it holds a line break or a character that cannot be shown; take it out")
    return text


def _readable_hours(text: str) -> str:
    parse_business_hours(text)
    return text


class Settings(BaseSettings):
    """The platform's configuration: one attribute for each `CRM_…` variable, in upper case there."""

    model_config = SettingsConfigDict(env_prefix="CRM_", frozen=True, extra="ignore", env_ignore_empty=True)

    base_url: Annotated[str, AfterValidator(addresses.crm_address)] | None = Field(
        None, description="The CRM's address; unset: the platform's own sandbox on loopback."
    )
    sandbox_port: Annotated[int, number(1, 65_535)] = Field(
        8800, description="Where the sandbox listens on this machine, while no CRM is configured."
    )
    api_key: Annotated[SecretStr, AfterValidator(values.api_key)] | None = Field(
        None, description="The CRM's API key (header API-KEY)."
    )
    api_key_file: Path | None = Field(None, description="A file that holds the API key, instead of CRM_API_KEY.")
    data_dir: Annotated[Path, AfterValidator(values.data_folder)] = Field(
        Path("data"),
        description="Where everything the platform writes is kept; unset: data, and data/sandbox for the sandbox.",
    )
    timezone: Annotated[str, AfterValidator(values.time_zone)] = Field(
        "Africa/Nairobi", description="Days, months, weekdays and hours are local to this zone."
    )

    language: Annotated[Language, NoDecode, BeforeValidator(values.language)] = Field(
        ENGLISH, description="What the shell, alerts and the digest speak, and the pages to a reader who does not say."
    )

    allow_plain_http: Literal["yes", "no"] = Field(
        "no", description="Whether the key, or an alert, may cross the network in clear, over http:// beyond loopback."
    )
    requests_per_minute: Annotated[int | None, number(1, 1_000_000, or_none=True)] = Field(
        None, description="Most requests in any 60 s; unset: 60, on loopback no limit; `none` lifts it."
    )
    requests_per_day: Annotated[int | None, number(1, 1_000_000_000, or_none=True)] = Field(
        None, description="Most requests in any 24 h; unset: 1,000, on loopback no limit; `none` lifts it."
    )
    build_memory_mb: Annotated[int | None, number(128, 1_000_000)] = Field(
        None, description="Memory that a build computes in, MB; unset: an eighth of the machine's, 256 to 750."
    )
    crawl_mode: Literal["continuous", "nightly"] = Field(
        "continuous", description="Visit chats all day by worth, or scan all of them once a night."
    )
    automation: Literal["on", "off"] = Field("off", description="Whether schedules and sensors start switched on.")
    alert_webhook_url: Annotated[SecretStr, AfterValidator(addresses.webhook)] | None = Field(
        None, description="Where alerts are posted, in Slack's format."
    )
    smtp_url: Annotated[SecretStr, AfterValidator(addresses.mail_server)] | None = Field(
        None, description="Mail server of alerts: smtp://user:password@host:587?starttls, smtps://… or smtp://host."
    )
    smtp_url_file: Path | None = Field(None, description="A file that holds the mail server's URL.")
    alert_email_to: Annotated[TextList, AfterValidator(addresses.mail_addresses)] = Field(
        (), description="Who gets alerts by e-mail; commas between addresses."
    )
    alert_email_from: Annotated[str, AfterValidator(addresses.mail_address)] | None = Field(
        None, description="Their sender; unset: the first of CRM_ALERT_EMAIL_TO."
    )
    digest_hour: Annotated[int | None, number(0, 23)] = Field(
        None, description="Local hour of the daily digest; unset: there is none."
    )
    serve_url: Annotated[str, AfterValidator(addresses.http_address)] | None = Field(
        None, description="Where the pages are found: alerts link to them."
    )

    chromium: Path | None = Field(
        None, description="The program that prints reports as PDF; unset: chromium or chrome, where one is found."
    )

    conversation_gap_hours: Hours = Field(24, description="A longer silence starts a new conversation.")
    after_done_minutes: Minutes = Field(
        30, description="Later than so long after a mark as done, a message starts a new conversation."
    )
    silent_types: TextList = Field(
        ("reaction", "system", "note", "call", "revoked", "unsupported"),
        description="Types of messages that stand in no figure: nobody asks or answers by them.",
    )
    business_hours: Annotated[str, AfterValidator(_readable_hours)] = Field(
        "Mon-Fri 08:00-17:00", description="Opening hours for business response times."
    )
    holidays: Annotated[tuple[dt.date, ...], NoDecode, BeforeValidator(values.days)] = Field(
        (), description="Days closed: 2026-12-25,2026-12-26."
    )
    first_response_target_minutes: Minutes = Field(15, description="The promise that first answers are held to.")
    first_response_target_share: Annotated[float | None, number(0.01, 1.0)] = Field(
        None, description="Least share of first answers within the target; unset: no alert on it."
    )
    segment_fields: Annotated[TextList, AfterValidator(values.custom_fields)] = Field(
        ("Segment", "VIP"), description="Custom fields contacts are counted by."
    )
    satisfaction_field: Annotated[str, AfterValidator(values.custom_field)] | None = Field(
        None, description="The custom field that holds a contact's score from 1 to 5; unset: none does."
    )
    automation_senders: Annotated[TextList, AfterValidator(values.staff)] = Field(
        (), description="Senders that are bots: their messages are no replies. Compared without case."
    )
    opt_out_words: Annotated[TextList, AfterValidator(values.opt_out_words)] = Field(
        OPT_OUT_WORDS,
        description="An inbound text that is just one of these is an opt-out, whatever its case and punctuation.",
    )
    exclude_contacts: Path | None = Field(
        None,
        description="A file of numbers or chat ids, one a line, of people who are in no figure: staff, test phones.",
    )
    message_text: Literal["keep", "drop"] = Field("keep", description="Whether raw messages keep their text.")

    warehouse_url: Annotated[SecretStr, AfterValidator(addresses.warehouse)] | None = Field(
        None,
        description="The ClickHouse database that keeps what is fetched, clickhouse://user@host:8123/crm_tenant, "
        "clickhouses:// for https; unset: DuckDB under the data folder.",
    )
    warehouse_password: SecretStr | None = Field(
        None, description="The password there, where CRM_WAREHOUSE_URL does not hold it."
    )
    warehouse_password_file: Path | None = Field(None, description="A file that holds that password.")
    redis_url: Annotated[SecretStr, AfterValidator(addresses.redis)] | None = Field(
        None,
        description="Redis, where several hosts share the request gate and what is published: redis://host:6379/0, or"
        " rediss://… over TLS; unset: a file under the data folder holds the gate.",
    )
    redis_password: SecretStr | None = Field(None, description="Redis's password, where CRM_REDIS_URL does not say it.")
    redis_password_file: Path | None = Field(None, description="A file that holds Redis's password.")
    dagster_postgres_url: Annotated[SecretStr, AfterValidator(addresses.postgres)] | None = Field(
        None,
        description="Postgres for Dagster's runs and events, postgresql://user:password@host:5432/database; unset: "
        "SQLite under the data folder.",
    )
    dagster_postgres_url_file: Path | None = Field(None, description="A file that holds Dagster's Postgres URL.")
    coordination_url: Annotated[SecretStr, AfterValidator(addresses.postgres)] | None = Field(
        None,
        description="Postgres that keeps the leases, for several hosts at work on one CRM; unset: files under the data "
        "folder, for one host.",
    )
    coordination_url_file: Path | None = Field(None, description="A file that holds the URL of the leases' Postgres.")
    webhook_secret: RoleSecret | None = Field(
        None, description="What the CRM signs its webhooks with (HMAC-SHA-256); unset: only this machine may send any."
    )
    webhook_secret_file: Path | None = Field(None, description="A file that holds the webhook secret.")
    webhook_secret_previous: RoleSecret | None = Field(
        None, description="The secret before: valid too, until every sender has the new one."
    )
    webhook_secret_previous_file: Path | None = Field(None, description="A file that holds the previous secret.")
    whatsapp_app_secret: RoleSecret | None = Field(
        None, description="What Meta signs WhatsApp's own webhooks with; unset: CRM_WEBHOOK_SECRET."
    )
    whatsapp_app_secret_file: Path | None = Field(None, description="A file that holds the app secret.")
    whatsapp_verify_token: SecretStr | None = Field(
        None, description="What Meta sends back when WhatsApp's webhooks are set up; unset: that is refused."
    )
    whatsapp_verify_token_file: Path | None = Field(None, description="A file that holds the verify token.")
    pseudonym_key: SecretStr | None = Field(
        None, description="Key of the published pseudonyms; unset: made once under the data folder."
    )
    pseudonym_key_file: Path | None = Field(None, description="A file that holds the pseudonym key.")

    viewer_secret: RoleSecret | None = Field(None, description="Opens the dashboards: password, or bearer token.")
    viewer_secret_file: Path | None = Field(None, description="A file that holds the viewers' secret.")
    analyst_secret: RoleSecret | None = Field(None, description="Opens the KPI API and exports besides.")
    analyst_secret_file: Path | None = Field(None, description="A file that holds the analysts' secret.")
    admin_secret: RoleSecret | None = Field(
        None, description="Opens /metrics, the audit log and the names behind chats besides."
    )
    admin_secret_file: Path | None = Field(None, description="A file that holds the admins' secret.")
    chat_url_template: Annotated[str, AfterValidator(addresses.chat_url_template)] | None = Field(
        None,
        description="A chat's page in the CRM, https://crm.example/chats/{chat_id} or with {whatsapp_number}: the page "
        "Now leads admins there.",
    )
    serve_hosts: Annotated[TextList, AfterValidator(addresses.host_names)] = Field(
        (), description="Host names that `crm serve` answers to beside this machine's own."
    )
    serve_proxies: Annotated[TextList, AfterValidator(addresses.networks)] = Field(
        (), description="Addresses or networks of proxies whose X-Forwarded-For is believed; unset: of none."
    )

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
                raise ValueError(f"{variable(name)} and {variable(name)}_FILE are both set; keep one of them")
            try:
                values[name] = secret_in(Path(path))
            except ValueError as problem:
                raise ValueError(f"{variable(name)}_FILE: {problem}") from None
        return values

    @model_validator(mode="after")
    def _key_goes_with_address(self) -> Self:
        if self.base_url is not None and self.api_key is None:
            raise ValueError("CRM_BASE_URL is set but CRM_API_KEY (or CRM_API_KEY_FILE) is not")
        return self

    @model_validator(mode="after")
    def _nothing_crosses_in_clear(self) -> Self:
        hook = self.alert_webhook_url.get_secret_value() if self.alert_webhook_url else None
        store = self.warehouse_url.get_secret_value() if self.warehouse_url else None
        for name, url, what in (
            ("CRM_BASE_URL", self.base_url, "the key and every message"),
            ("CRM_ALERT_WEBHOOK_URL", hook, "the address, which is a secret, and every alert"),
            ("CRM_WAREHOUSE_URL", store, "the password and every message"),
        ):
            parts = urlsplit(url or "")
            if (
                parts.scheme in {"http", "clickhouse"}
                and not is_loopback(parts.hostname or "")
                and self.allow_plain_http == "no"
            ):
                raise ValueError(
                    f"{name}: over {parts.scheme}:// {what} would cross the network in clear, for all on the way to"
                    f" read; write {parts.scheme}s://, or set CRM_ALLOW_PLAIN_HTTP=yes to take that risk"
                )
        return self

    @model_validator(mode="after")
    def _one_password_of_the_warehouse(self) -> Self:
        if self.warehouse_password is not None and (
            self.warehouse_url is None or urlsplit(self.warehouse_url.get_secret_value()).password is not None
        ):
            raise ValueError("CRM_WAREHOUSE_PASSWORD is set, so CRM_WAREHOUSE_URL must be, too, without a password")
        return self

    @model_validator(mode="after")
    def _mail_has_a_server_and_a_reader(self) -> Self:
        if (self.smtp_url is None) != (not self.alert_email_to):
            raise ValueError("alerts by e-mail need both CRM_SMTP_URL (or CRM_SMTP_URL_FILE) and CRM_ALERT_EMAIL_TO")
        return self

    @model_validator(mode="after")
    def _redis_has_one_password(self) -> Self:
        if self.redis_password is None:
            return self
        if self.redis_url is None:
            raise ValueError("CRM_REDIS_PASSWORD is set but CRM_REDIS_URL is not: set that, too")
        if urlsplit(self.redis_url.get_secret_value()).password is not None:
            raise ValueError("CRM_REDIS_URL holds a password and CRM_REDIS_PASSWORD is set, too; keep one of them")
        return self

    @model_validator(mode="after")
    def _a_secret_before_has_one_after(self) -> Self:
        if self.webhook_secret_previous is not None and self.webhook_secret is None:
            raise ValueError("CRM_WEBHOOK_SECRET_PREVIOUS is set but CRM_WEBHOOK_SECRET is not: set that one")
        return self

    @model_validator(mode="after")
    def _a_secret_means_one_role(self) -> Self:
        secrets = [secret.get_secret_value() for secret in self.role_secrets.values()]
        if len(set(secrets)) < len(secrets):
            raise ValueError("CRM_VIEWER_SECRET, CRM_ANALYST_SECRET and CRM_ADMIN_SECRET must differ from each other")
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
        return zone_of(self.timezone)

    @property
    def open_hours(self) -> tuple[OpenHours, ...] | None:
        """Business hours by weekday; None when the setting is `none`."""
        return parse_business_hours(self.business_hours)

    @property
    def first_response_target_seconds(self) -> float:
        """The promise that first answers are held to, in seconds."""
        return self.first_response_target_minutes * 60

    @property
    def build_memory(self) -> int:
        """Bytes of memory that a build computes in. A smaller one takes more, smaller steps, to the same figures."""
        megabytes = self.build_memory_mb or min(750, max(256, memory() // 8_000_000))
        return megabytes * 1_000_000

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
    def mirror_path(self) -> Path:
        """DuckDB file of what builds read, copied out of the store that CRM_WAREHOUSE_URL names."""
        return self.root / "mirror.duckdb"

    @property
    def pseudonym_key_path(self) -> Path:
        """File of the pseudonyms' key, where CRM_PSEUDONYM_KEY does not say it."""
        return self.root / "pseudonym.key"

    @property
    def gate_path(self) -> Path:
        """SQLite file of the request ledger."""
        return self.root / "gate.sqlite"

    @property
    def inbox_path(self) -> Path:
        """SQLite file of the events that came and are not in the warehouse yet."""
        return self.root / "inbox.sqlite"

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
