"""`crm` as a user runs it: a process of its own with an environment of its own, and what it published."""

from __future__ import annotations

import datetime as dt
import json
import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import duckdb

from crm_platform.publish.pseudonyms import pseudonym, pseudonym_key
from crm_platform.settings import Settings, load_settings

Row = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Platform:
    """A data folder, and the CRM that it is connected to."""

    data: Path
    url: str
    key: str = "sandbox"
    more: Mapping[str, str] = field(default_factory=dict)  # further CRM_… variables, of all its commands

    def crm(self, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
        """Run `crm`; `environment`: further CRM_… variables."""
        return subprocess.run(
            self.command(*arguments), env=self.environment(**environment), capture_output=True, text=True, check=False
        )

    def command(self, *arguments: str) -> list[str]:
        return [sys.executable, "-m", "crm_platform.cli", *arguments]

    def environment(self, **more: str) -> dict[str, str]:
        own = {name: value for name, value in os.environ.items() if not name.startswith(("CRM_", "DAGSTER_"))}
        return (
            own | {"CRM_DATA_DIR": str(self.data), "CRM_BASE_URL": self.url, "CRM_API_KEY": self.key} | self.more | more
        )

    @property
    def settings(self) -> Settings:
        return load_settings(data_dir=self.data, base_url=self.url, api_key=self.key)

    @property
    def snapshot(self) -> Path:
        return (self.data / "published" / "current").resolve()

    @property
    def manifest(self) -> Row:
        return json.loads((self.snapshot / "manifest.json").read_text())

    def published(self, sql: str) -> list[Row]:
        """Query the published snapshot."""
        with duckdb.connect(str(self.snapshot / "analytics.duckdb"), read_only=True) as connection:
            return connection.sql(sql).to_arrow_table().to_pylist()

    def chat_pseudonyms(self, chat_ids: list[str]) -> dict[str, str]:
        """Pseudonym → chat id."""
        key = pseudonym_key(self.settings)
        return {pseudonym(key, "chat", chat_id): chat_id for chat_id in chat_ids}


def utc(moment: dt.datetime | None) -> dt.datetime | None:
    """Published instants are naive and in UTC."""
    return None if moment is None else moment.replace(tzinfo=dt.UTC)
