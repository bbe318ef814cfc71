"""The API's answers for what a page is narrowed to, and rows of core narrowed in plain Python: what pages must equal.

What belongs here: asking by another way than pages do. What does not: expectations.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from urllib.parse import urlencode

from crm_platform.schemas import Type
from crm_platform.settings import Settings
from crm_platform.tables import TABLES
from crm_platform_tests.serving.pages.site import Row, Site


@dataclass
class NarrowedSite:
    """A site as `expected` asks it. `chosen`: pairs of a filter's name and its value, as addresses write them."""

    site: Site
    chosen: Sequence[tuple[str, str]]

    @property
    def settings(self) -> Settings:
        return self.site.settings

    @property
    def query(self) -> str:
        return urlencode(self.chosen)

    def published(self, sql: str) -> list[Row]:
        """Rows of `select … from <table>`."""
        name = sql.rpartition(" from ")[2].split()[0]
        return self._of_api(name) if name.startswith("kpi.") else self._of_core(name)

    def _of_api(self, name: str) -> list[Row]:
        only = [("only", f"{kind}:{value}") for kind, value in self.chosen]
        address = f"/api/v1/kpis/{name.removeprefix('kpi.')}?{urlencode([*only, ('limit', '10000')])}"
        answer = self.site.get(address)
        if answer.status_code == 400 and answer.json()["error"]["code"] == "not_narrowable":
            return []
        assert answer.status_code == 200, answer.text
        read = {Type.DATE: dt.date.fromisoformat, Type.TIMESTAMP: _instant}
        kinds = {column: declared.type for column, declared in TABLES[name].columns.items()}
        return [
            {
                column: read[kinds[column]](value) if value and kinds[column] in read else value
                for column, value in row.items()
            }
            for row in answer.json()["rows"]
        ]

    def _of_core(self, name: str) -> list[Row]:
        rows = self.site.published(f"select * from {name}")
        for kind, value in self.chosen:
            if kind in {"segment", "country"}:
                field, _, wanted = value.rpartition(":")
                dimension = f"segment:{field}" if kind == "segment" else "country"
                groups = self.site.published("select * from core.contact_groups")
                chats = {one["chat_id"] for one in groups if (one["dimension"], one["value"]) == (dimension, wanted)}
                rows = [row for row in rows if row["chat_id"] in chats]
            elif kind == "origin":
                rows = [row for row in rows if row["origin"] == value]
            else:
                teams = {one["agent"]: one["team"] for one in self.site.published("select * from core.agent_teams")}
                rows = [row for row in rows if _whose(row, kind, teams) == value]
        return rows


def _instant(text: str) -> dt.datetime:
    return dt.datetime.fromisoformat(text.removesuffix("Z"))


def _whose(row: Row, kind: str, teams: dict[str, str]) -> str:
    if "resolved_agent" in row:  # pages ask conversations for resolutions alone
        agent = row["resolved_agent"]
    else:
        agent = row["agent"] if "assignee" not in row or row["state"] == "answered" else row["assignee"]
    return agent or "(unassigned)" if kind == "agent" else teams.get(agent, "(no team)")
