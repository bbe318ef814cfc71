"""The KPI API: published tables for programs, under /api/v1.

What belongs here: its routes. What does not: pages for people (pages/).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from starlette.routing import BaseRoute


def routes() -> list[BaseRoute]:
    """Routes of the API."""
    return []
