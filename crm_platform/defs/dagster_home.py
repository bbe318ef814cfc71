"""Dagster's own folder: where it is, the configuration that is put into it, and opening it.

What belongs here: `$CRM_DATA_DIR/dagster`, its dagster.yaml with what the settings say of storage, and the instance.
What does not: the rest of the configuration, which is the repository's dagster.yaml (packaged as this folder's file of
the same name), connecting to Postgres (postgres_storage.py).
"""

from __future__ import annotations

import contextlib
import os
import sys
from importlib import resources
from typing import TYPE_CHECKING, Final

import dagster as dg
from dagster._core.instance.ref import InstanceRef

from crm_platform.defs.kept_open import with_kept_connections
from crm_platform.errors import RetryLater
from crm_platform.settings import current_settings
from crm_platform.warehouse import keep_private
from crm_platform.warehouse.locks import file_lock
from crm_platform.warehouse.postgres import place, version

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from crm_platform.settings import Settings

_OPENING_SECONDS: Final = 120.0  # that others may take to make Dagster's files: a second, ten on a busy machine

_POSTGRES: Final = "CRM_DAGSTER_POSTGRES_URL"
_IN_POSTGRES: Final = """
# Runs, events, schedules and ticks are in Postgres. Every process of Dagster's needs the variable.
storage:
  custom:
    module: crm_platform.defs.postgres_storage
    class: PooledPostgres
    config:
      {source}:
        env: {variable}
"""


def packaged_config() -> str:
    """Text of the dagster.yaml that ships with this package."""
    return resources.files(__package__).joinpath("dagster.yaml").read_text(encoding="utf-8")


def config_for(settings: Settings) -> str:
    """Text of the dagster.yaml of a data folder. It says in which variable Postgres's URL is found, and no password."""
    if settings.dagster_postgres_url is None:
        return packaged_config()
    source = "url" if settings.dagster_postgres_url_file is None else "url_file"
    return packaged_config() + _IN_POSTGRES.format(source=source, variable=f"CRM_DAGSTER_POSTGRES_{source.upper()}")


def prepare_dagster_home(settings: Settings) -> Path:
    """Make the folder and put dagster.yaml into it, unless it is there already with this content; returns the folder.

    The file is replaced in one step: a daemon that starts meanwhile reads the old one or the new one.
    """
    home = settings.dagster_home
    keep_private(settings.root)
    keep_private(home)
    installed, wanted = home / "dagster.yaml", config_for(settings)
    if not installed.exists() or installed.read_text(encoding="utf-8") != wanted:
        fresh = home / f".dagster.yaml.{os.getpid()}"
        fresh.write_text(wanted, encoding="utf-8")
        fresh.replace(installed)
    return home


@contextlib.contextmanager
def opened_instance(settings: Settings, *, keeps_connections: bool = False) -> Iterator[dg.DagsterInstance]:
    """Open the instance of a folder that is prepared. Raises Busy when others are at it for two minutes.

    In Postgres: raises RetryLater where that does not answer, FixConfiguration where it refuses us.

    `keeps_connections`: for a process that writes a run or two, and ends (see kept_open.py).

    Whoever opens it first makes its SQLite tables, and of two who do that at once one fails ("table runs already
    exists"): a new `crm demo` opens it from the UI and from the refresh. So one process opens it at a time.
    """
    with contextlib.ExitStack() as stack:
        stack.enter_context(_answering(settings))
        with file_lock(settings.lock_dir / "dagster.lock", exclusive=True, timeout=_OPENING_SECONDS):
            ref = InstanceRef.from_dir(str(settings.dagster_home))
            if keeps_connections:
                ref = with_kept_connections(ref)
            instance = stack.enter_context(dg.DagsterInstance.from_ref(ref))
        yield instance


def require_storage(settings: Settings) -> None:
    """Say at once, in a line, that Postgres does not answer: Dagster asks for half a minute, then shows a traceback."""
    if settings.dagster_postgres_url is not None:
        version(settings.dagster_postgres_url, setting=_POSTGRES)


@contextlib.contextmanager
def _answering(settings: Settings) -> Iterator[None]:
    """Say in a line that Postgres went away meanwhile."""
    require_storage(settings)
    if settings.dagster_postgres_url is None:
        yield
        return
    from crm_platform.defs.postgres_storage import GONE  # noqa: PLC0415 - not every installation has its packages

    try:
        yield
    except GONE as problem:
        where = place(settings.dagster_postgres_url)
        raise RetryLater(f"Dagster's Postgres at {where} went away: the next run goes on from there") from problem


if __name__ == "__main__":  # before Dagster's own commands in a container: `python -m crm_platform.defs.dagster_home`
    sys.stdout.write(f"{prepare_dagster_home(current_settings())}\n")
