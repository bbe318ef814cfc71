"""Whether the figures that are published stand: nothing that they follow from is another, so nothing is computed.

What belongs here: what a build follows from, as a digest, and asking whether it is still that. What does not: which
chats have changed (incremental.py), what a sensor builds for (due.py).

The file of the live warehouse tells by its size and its time whether anybody wrote to it, whoever it was. Time changes
figures without that: those of `last_cut` stand for a quarter of an hour at most, as long as a build by schedule waits,
and not over midnight.
"""

from __future__ import annotations

import datetime as dt
import hashlib
from typing import TYPE_CHECKING, Final

import duckdb

from crm_platform.models.due import holds
from crm_platform.models.render import build_order, code_version
from crm_platform.models.teams import FILE as TEAMS
from crm_platform.schemas import ops, raw
from crm_platform.warehouse import state_of

if TYPE_CHECKING:
    from crm_platform.settings import Settings
    from crm_platform.warehouse import Models, Warehouse

STANDS_FOR: Final = dt.timedelta(minutes=15)


def followed_from(live: Warehouse, settings: Settings) -> str:
    """Digest of what a build follows from but the time: the live store, people's lists, settings, the code."""
    lists = [settings.root / TEAMS, settings.pseudonym_key_path]
    lists += [settings.exclude_contacts] if settings.exclude_contacts else []
    key = settings.pseudonym_key.get_secret_value() if settings.pseudonym_key else ""
    parts = [
        duckdb.__version__,
        settings.model_dump_json(),  # without secrets
        hashlib.sha256(f"stands {key}".encode()).hexdigest(),
        *(code_version(table) for table in build_order()),
        live.state(),
        *map(state_of, lists),
    ]
    return hashlib.sha256("\x00".join(parts).encode()).hexdigest()


def standing_cut(store: Models, live: Warehouse, *, settings: Settings, now: dt.datetime) -> dt.datetime | None:
    """The cut of the last build where its figures stand (aware UTC); None where there is something to compute."""
    if not store.exists():
        return None
    with store.reading() as session:
        if not holds(session, ops.Builds, raw.Messages):  # the first build was given up
            return None
        builds = session.query(f"select * from {ops.Builds.full_name()}").to_pylist()
        if len(builds) != 1 or builds[0].get("follows_from") is None:
            return None
        (last,) = builds
        as_of = last["as_of"].replace(tzinfo=dt.UTC)
        is_of_then = last["started_at"] == last["as_of"]
        is_today = as_of.astimezone(settings.zone).date() == now.astimezone(settings.zone).date()
        if not is_of_then or not is_today or not as_of <= now <= as_of + STANDS_FOR:
            return None
        if last["follows_from"] != followed_from(live, settings):
            return None
        due = f"select 1 as one from {raw.Messages.full_name()} where timestamp > ? and timestamp <= ? limit 1"
        moments = [moment.astimezone(dt.UTC).replace(tzinfo=None) for moment in (as_of, now)]
        return None if session.query(due, moments).num_rows else as_of


def answered_at(store: Models) -> dt.datetime | None:
    """When the CRM was last asked and answered by the cut of the last build, aware UTC; None: never.

    Where figures stand it is so to this day: a request writes to the live warehouse.
    """
    with store.reading() as session:
        newest = session.query(f"select max(started_at) as at from {ops.Fetches.full_name()} where outcome = 'ok'")
    (at,) = newest["at"].to_pylist()
    return None if at is None else at.replace(tzinfo=dt.UTC)
