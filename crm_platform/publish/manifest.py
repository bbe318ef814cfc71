"""What a snapshot says of itself, and which one is current.

What belongs here: the manifest's shape, reading it, following the symlink, what to say where only the snapshot is left.
What does not: writing a snapshot (snapshot.py).
"""

from __future__ import annotations

import datetime as dt
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import AwareDatetime, BaseModel, ConfigDict, ValidationError

from crm_platform.errors import GiveUp
from crm_platform.languages import ENGLISH, Language
from crm_platform.warehouse.factory import live_store

if TYPE_CHECKING:
    from crm_platform.settings import Settings

MANIFEST = "manifest.json"
DATABASE = "analytics.duckdb"
CURRENT = "current"
PAST = "past"

_FORMAT = 1
MESSAGES = "core.messages"
_DEMO = Path("sandbox/published")


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True)


class FileEntry(_Part):
    """One file: its size in bytes and its SHA-256 in hexadecimal."""

    bytes: int
    sha256: str


class TableEntry(_Part):
    """One table. `coverage`: the smallest of its rows, 0 to 1, None when it has none; `sql`: what filled it."""

    rows: int
    sql: str | None = None
    definition_version: int | None = None
    coverage: float | None = None
    provisional_rows: int | None = None


class MonthEntry(_Part):
    """One local month of a table. `content`: a digest of its rows, by which an unchanged month is known.

    `lines`: what it is a digest of, to which rows can be added and from which they can be taken: how many there are,
    sum and exclusive or of their hashes. Empty where a month is not what lies between two instants.
    """

    rows: int
    content: str
    lines: str = ""


class Manifest(_Part):
    """`manifest.json`. Keys of `files` are paths inside the snapshot, of `tables` full names, of `months` YYYY-MM.

    `months` are those of messages, `other_months` of the other tables that are a file a month. `contents`: of core
    tables that are one file the digest of their rows, by which one that has not changed is known;
    `frame`: digest of what decides files besides; `build`: the identity of the build that was published; `recent`: the
    first local day whose rows are a file of their own. `database_from`: when the DuckDB file that this one was made
    from by what changed was written whole; None: it was itself.

    `crm`: whose data it is, None in a snapshot from before that was noted. `settings`: those that change a figure, as
    the build had them; None in a snapshot from before receipts. `excluded_contacts`: how many were left out on purpose
    (CRM_EXCLUDE_CONTACTS). `confirmed_at`: when a later build last found that these figures stand (confirm.py); None:
    none has. It is the one thing of a snapshot that changes.
    """

    format: int = _FORMAT
    id: str
    as_of: AwareDatetime
    created_at: AwareDatetime
    confirmed_at: AwareDatetime | None = None
    is_sandbox: bool
    crm: str | None = None
    timezone: str
    settings: dict[str, Any] | None = None
    excluded_contacts: int = 0
    tables: dict[str, TableEntry]
    months: dict[str, MonthEntry]
    other_months: dict[str, dict[str, MonthEntry]] = {}
    contents: dict[str, str] = {}
    frame: str = ""
    build: str | None = None
    recent: dt.date | None = None
    database_from: AwareDatetime | None = None
    files: dict[str, FileEntry]

    def months_of(self, table: str) -> dict[str, MonthEntry]:
        """The months of a table, by its full name; of one that is no file a month none."""
        return self.months if table == MESSAGES else self.other_months.get(table, {})

    def text(self) -> str:
        """What `manifest.json` says."""
        return self.model_dump_json(indent=2) + "\n"

    def digest(self) -> str:
        """SHA-256 of all that never changes but the id, in hexadecimal."""
        return hashlib.sha256(self.model_dump_json(exclude={"id", "confirmed_at"}).encode()).hexdigest()

    @property
    def stood_at(self) -> dt.datetime:
        """When the figures are last known to stand: the cut, or when they were confirmed. Their age counts from it."""
        return self.confirmed_at or self.as_of


@dataclass(frozen=True, slots=True)
class Snapshot:
    """A published snapshot. `path`: its real folder; `tables`: rows by full name; `bytes`: size of all its files.

    `as_of` and `confirmed_at` are the manifest's.
    """

    id: str
    path: Path
    as_of: dt.datetime
    tables: Mapping[str, int]
    bytes: int
    confirmed_at: dt.datetime | None = None

    @classmethod
    def of(cls, manifest: Manifest, path: Path) -> Snapshot:
        """Summarise a manifest."""
        return cls(
            id=manifest.id,
            path=path,
            as_of=manifest.as_of,
            tables={name: table.rows for name, table in manifest.tables.items()},
            bytes=sum(file.bytes for file in manifest.files.values()),
            confirmed_at=manifest.confirmed_at,
        )

    @property
    def stood_at(self) -> dt.datetime:
        """When the figures are last known to stand, as the manifest has it."""
        return self.confirmed_at or self.as_of

    @property
    def database(self) -> Path:
        """The DuckDB file, by its real path."""
        return self.path / DATABASE


def read_manifest(path: Path) -> Manifest:
    """Read the manifest of the snapshot in a folder. Raises GiveUp when it is missing, broken or from the future."""
    try:
        manifest = Manifest.model_validate_json((path / MANIFEST).read_bytes())
    except (OSError, ValidationError) as problem:
        raise GiveUp(
            f"the snapshot {path.name} is broken ({type(problem).__name__}): publish again (crm build)"
        ) from None
    if manifest.format > _FORMAT:
        raise GiveUp(
            f"the snapshot {path.name} is of a newer version: update crm_platform, or publish again (crm build)"
        )
    return manifest


def is_demo_link(published: Path) -> bool:
    """Whether a published folder is but the sandbox's, shown where no real CRM's snapshot is yet."""
    return published.is_symlink() and published.readlink() == _DEMO


def current(settings: Settings) -> Snapshot | None:
    """The snapshot readers should open, None before the first. Raises GiveUp when the symlink leads nowhere."""
    link = settings.published_dir / CURRENT
    if is_demo_link(settings.published_dir) or not link.is_symlink():
        return None
    path = link.resolve()
    return Snapshot.of(read_manifest(path), path)


def lost_warehouse(settings: Settings, language: Language = ENGLISH) -> str:
    """What to say before a run that begins anew though figures were published; empty where the warehouse is there.

    It may be meant: a run is warned of and goes on.
    """
    live = live_store(settings)
    try:
        snapshot = None if live.exists() else current(settings)
    except GiveUp:  # broken: no figures that a run could replace
        return ""
    if snapshot is None:
        return ""
    return language.gettext(
        "{warehouse} is gone, though figures as of {time} UTC were published from it. This run begins anew, and what it"
        " has read by then takes the place of those figures. To go on from what was known, end it now (Ctrl-C) and"
        " restore the file from a backup: docs/runbook.md, Restore",
        warehouse=live.describe(),
        time=f"{snapshot.as_of:%Y-%m-%d %H:%M}",
    )
