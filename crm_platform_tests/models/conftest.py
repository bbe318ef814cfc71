from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from crm_platform.settings import Settings
from crm_platform_tests.models.worlds import World

Worlds = Callable[..., World]


@pytest.fixture
def new_world(tmp_path: Path) -> Worlds:
    """An empty world; keyword arguments are settings."""

    def make(**settings: object) -> World:
        folder = tmp_path / f"world-{len(list(tmp_path.iterdir()))}"
        folder.mkdir()
        return World(folder, Settings(data_dir=folder, **settings))  # type: ignore[arg-type]

    return make
