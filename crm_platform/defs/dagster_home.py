"""Dagster's own folder: where it is, and the configuration that is put into it.

What belongs here: `$CRM_DATA_DIR/dagster` and its dagster.yaml. What does not: the configuration itself, which is the
repository's dagster.yaml (packaged as this folder's file of the same name).
"""

from __future__ import annotations

import os
from importlib import resources
from typing import TYPE_CHECKING

from crm_platform.warehouse import keep_private

if TYPE_CHECKING:
    from pathlib import Path

    from crm_platform.settings import Settings


def packaged_config() -> str:
    """Text of the dagster.yaml that ships with this package."""
    return resources.files(__package__).joinpath("dagster.yaml").read_text(encoding="utf-8")


def prepare_dagster_home(settings: Settings) -> Path:
    """Make the folder and put dagster.yaml into it, unless it is there already with this content; returns the folder.

    The file is replaced in one step: a daemon that starts meanwhile reads the old one or the new one.
    """
    home = settings.dagster_home
    keep_private(settings.root)
    keep_private(home)
    installed, wanted = home / "dagster.yaml", packaged_config()
    if not installed.exists() or installed.read_text(encoding="utf-8") != wanted:
        fresh = home / f".dagster.yaml.{os.getpid()}"
        fresh.write_text(wanted, encoding="utf-8")
        fresh.replace(installed)
    return home
