"""The pages people look at.

What belongs here: what each page says and shows. What does not: who may see it (app.py), the API for programs.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from starlette.routing import BaseRoute


def routes() -> list[BaseRoute]:
    """Routes of all pages."""
    return []
