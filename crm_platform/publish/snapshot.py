"""Copying a finished build out, whole, and showing it in one step.

What belongs here: the order of steps that a crash cannot break, and what may not be published. What does not: which
rows and columns leave (parquet.py), whether a table keeps its contract (models.validate), how long a snapshot lives
(retention.py).
"""

from __future__ import annotations

import datetime as dt
import json
import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from crm_platform import core
from crm_platform.errors import Breach, ContractBreach, FixConfiguration, GiveUp
from crm_platform.publish.database import Database, begin_writer
from crm_platform.publish.files import (
    BUILDING,
    begin_demo_link,
    end_demo_link,
    is_whole,
    literal,
    open_as,
    remove_leftovers,
    seal,
    sync_folder,
    turn,
)
from crm_platform.publish.manifest import (
    CURRENT,
    DATABASE,
    MANIFEST,
    MESSAGES,
    PAST,
    Manifest,
    Snapshot,
    TableEntry,
    read_manifest,
)
from crm_platform.publish.parquet import (
    Clocks,
    Differing,
    Parquet,
    frame_of,
    published_columns,
    published_tables,
    write_parquet,
)
from crm_platform.publish.pseudonyms import bind_key, keep_pseudonyms, pseudonym_key
from crm_platform.publish.retention import new_id
from crm_platform.schemas import CoreTable, KpiTable, Table
from crm_platform.settings import Settings
from crm_platform.warehouse import DuckDbSession, DuckDbWarehouse, Models, leases_of

Validate = Callable[[Models, type[Table]], Sequence[Breach]]

_log = logging.getLogger(__name__)

# What no day empties: nothing that was known of a CRM is deleted here.
NEVER_EMPTIED = {"core.chats", "core.contacts", "core.messages", "core.campaigns"}

_REBUILD = "materialise all of core/… and kpi/… in one run (crm build)"
_WAIT_SECONDS = 60.0  # for another publisher
_WRITTEN_ANEW = dt.timedelta(hours=20)  # a nightly publisher does each time
_RECENT = dt.timedelta(days=3)  # so far back conversations still go on, and statuses still come


@dataclass(frozen=True, slots=True)
class _Cut:
    as_of: dt.datetime
    is_sandbox: bool
    settings: str
    crm: str | None
    excluded_contacts: int
    is_past: bool  # it was chosen, and lies before the build that was made of it
    identity: str | None  # the build's, where every table by chat stands for it


def publish(
    models: Models,
    *,
    settings: Settings,
    now: dt.datetime,
    validate: Validate | None = None,
    turns: bool | None = None,
) -> Snapshot:
    """Publish what models.duckdb holds, and make it current unless its cut was chosen in the past.

    `now`: aware, the snapshot's time. `validate`: gives a table's breaches; default models.validate. A caller that has
    just validated every table passes one that finds nothing. `turns`: whether it becomes current; None: unless its cut
    lies in the past. One that does not is put into `past/`, where no reader of the current figures comes upon it.
    Whatever is raised, the snapshot that was current stays: ContractBreach when a table breaks its contract, GiveUp
    when a table is missing, was built at another cut or shows none of what the current snapshot shows, FixConfiguration
    when another CRM's data was built, Busy when another process publishes.
    """
    assert isinstance(models, DuckDbWarehouse), "a snapshot is made of DuckDB's file"
    check = validate or _contract()
    tables = published_tables()
    folder = settings.published_dir
    with leases_of(settings).take("publish", purpose="publish", wait=_WAIT_SECONDS):
        end_demo_link(folder)
        folder.mkdir(parents=True, exist_ok=True)
        remove_leftovers(folder)
        if not models.exists():
            raise GiveUp(f"nothing has been built yet: {_REBUILD}")
        with models.reading() as session:
            cut = _cut(session, tables)
            if cut.crm not in {None, settings.crm_name}:
                raise FixConfiguration(f"what was built is of {cut.crm}, and this is {settings.crm_name}: {_REBUILD}")
            becomes_current = not cut.is_past if turns is None else turns
            previous = _previous(folder)
            if becomes_current and previous is not None:
                _refuse_nothing(session, tables, shown=previous[1])
        breaches = [breach for table in tables for breach in check(models, table)]
        if breaches:
            raise ContractBreach(breaches)

        key = pseudonym_key(settings)
        with models.writing() as session:
            keep_pseudonyms(session, key)
        building = folder / BUILDING
        building.mkdir()
        with begin_writer(building) as writer, models.reading() as session, session.beside() as other:
            if _cut(session, tables) != cut:
                raise GiveUp(f"another build began while this one was validated: {_REBUILD}")
            for one in (session, other):
                bind_key(one, key)
            frame = frame_of(session, tables)
            same = previous if previous is not None and previous[1].frame == frame else None
            base = _base(settings, same, excluded=cut.excluded_contacts, now=now)
            columns = {table: published_columns(table) for table in tables}
            file = Database(writer, building / DATABASE, columns, base=base)
            clocks = _clocks(cut, previous, now=now)
            differing = _differing(same, cut, clocks)
            parquet = write_parquet(
                [session, other],
                tables,
                building,
                previous=same,
                clocks=clocks,
                differing=differing,
                tell=file.write,
            )
            chats = differing(session, core.Chats)
            if base is not None and _is_less(settings, same, parquet, building, session=session, chats=chats):
                base = None
                file.begin_anew()
            file.end()
        database = DuckDbWarehouse(building / DATABASE, lock_dir=settings.lock_dir)
        with database.reading() as session:
            sql = _sql(tables, cut)
            entries = {table.full_name(): _describe(session, table, sql=sql.get(table.full_name())) for table in tables}
        files = {
            name: parquet.shared.get(name) or seal(path)
            for path in sorted(building.rglob("*"))
            if path.is_file() and (name := path.relative_to(building).as_posix())
        }
        manifest = Manifest(
            id="",
            as_of=cut.as_of,
            created_at=now,
            is_sandbox=cut.is_sandbox,
            crm=cut.crm,
            timezone=settings.timezone,
            settings=json.loads(cut.settings),
            excluded_contacts=cut.excluded_contacts,
            tables=entries,
            months=parquet.months.pop(MESSAGES, {}),
            other_months=parquet.months,
            contents=parquet.contents,
            frame=frame,
            build=cut.identity,
            recent=clocks.recent,
            database_from=_whole_since(previous[1]) if base is not None and previous is not None else None,
            files=files,
        )
        manifest = manifest.model_copy(update={"id": new_id(now, manifest.digest())})
        (building / MANIFEST).write_text(manifest.text(), encoding="utf-8")
        seal(building / MANIFEST)
        open_as(folder, building)
        for path in (building, *(path for path in building.rglob("*") if path.is_dir())):
            sync_folder(path)
        place = folder if becomes_current else folder / PAST
        place.mkdir(exist_ok=True)
        snapshot = Snapshot.of(manifest, place / manifest.id)
        building.rename(snapshot.path)
        sync_folder(place)
        if becomes_current:
            turn(folder / CURRENT, manifest.id)
            if settings.demo_link is not None:
                begin_demo_link(settings.demo_link, folder)
    _log.info("published %s: %d tables, %d bytes", snapshot.id, len(snapshot.tables), snapshot.bytes)
    return snapshot


def _contract() -> Validate:
    from crm_platform import models  # noqa: PLC0415 - brings pandera, which a caller that has validated does not need

    return models.validate


def _cut(session: DuckDbSession, tables: Sequence[type[Table]]) -> _Cut:
    """The one cut that all tables share. Raises GiveUp when something is missing or was built at another one."""
    known = {
        (f"{schema}.{table}", column)
        for schema, table, column in session.connection.execute(
            "select schema_name, table_name, column_name from duckdb_columns() where database_name = current_database()"
        ).fetchall()
    }
    missing = [
        table.full_name()
        for table in tables
        if any((table.full_name(), column) not in known for column in published_columns(table))
    ]
    # A store of an earlier version lacks them.
    later = "crm", "excluded_contacts", "identity"
    crm, excluded, identity = (name if ("ops.builds", name) in known else "null" for name in later)
    build = (
        session.connection.execute(
            f"select as_of, is_sandbox, settings, {crm}, coalesce({excluded}, 0), as_of < started_at,"
            f" {identity} from ops.builds"
            " order by started_at desc limit 1"
        ).fetchone()
        if ("ops.builds", "as_of") in known
        else None
    )
    if missing or build is None:
        raise GiveUp(f"{', '.join(missing) or 'the cut'} is not there, or lacks a column: {_REBUILD}")
    as_of, is_sandbox, figure_settings, crm, excluded_contacts, is_past, identity = build
    stale = [
        table.full_name()
        for table in tables
        if issubclass(table, KpiTable)
        and session.connection.execute(
            f"select 1 from {table.full_name()} where as_of is distinct from ? limit 1", [as_of]
        ).fetchone()
    ]
    if stale:
        raise GiveUp(f"{', '.join(stale)} was built at another cut than the rest: {_REBUILD}")
    as_of = as_of.replace(tzinfo=dt.UTC)
    is_its = identity is not None and _stand_for_it(session, tables)
    return _Cut(
        as_of, is_sandbox, figure_settings, crm, excluded_contacts, is_past, identity=identity if is_its else None
    )


def _stand_for_it(session: DuckDbSession, tables: Sequence[type[Table]]) -> bool:
    """Whether all tables by chat were built at the last build: some may have been asked for alone."""
    built = session.connection.execute(
        "select name from ops.built_tables where build = (select max(number) from ops.builds)"
    ).fetchall()
    return {one.full_name() for one in tables if issubclass(one, CoreTable) and one.is_by_chat} <= {
        name for (name,) in built
    }


def _refuse_nothing(session: DuckDbSession, tables: Sequence[type[Table]], *, shown: Manifest) -> None:
    """Raise GiveUp when what people, messages or campaigns were shown is gone to the last: no CRM forgets like that."""
    emptied = [
        f"{table.full_name()} ({was:,} rows before)"
        for table in tables
        if table.full_name() in NEVER_EMPTIED
        and (was := shown.tables[table.full_name()].rows if table.full_name() in shown.tables else 0)
        and session.connection.execute(f"select 1 from {table.full_name()} limit 1").fetchone() is None
    ]
    if emptied:
        raise GiveUp(
            f"held back, the last snapshot stays: nothing is left of {', '.join(emptied)}. Is the warehouse the right"
            " one, and whole? If this is how it should be, remove published/current in the data folder, then publish"
        )


def _sql(tables: Sequence[type[Table]], cut: _Cut) -> dict[str, str]:
    """The SQL that filled each table, of those that are built by one."""
    from crm_platform import models  # noqa: PLC0415 - readers of a snapshot need no templates
    from crm_platform.models.render import is_built  # noqa: PLC0415

    settings, at = Settings.model_construct(**json.loads(cut.settings)), models.Cut(as_of=cut.as_of, rows={})
    return {
        table.full_name(): models.render(table, dialect="duckdb", settings=settings, cut=at)
        for table in tables
        if is_built(table)
    }


def _clocks(cut: _Cut, previous: tuple[Path, Manifest] | None, *, now: dt.datetime) -> Clocks:
    """Local time, as the build had it. What is recent is counted back from when the last whole database was written."""
    from crm_platform import models  # noqa: PLC0415 - readers of a snapshot need no templates

    settings, at = Settings.model_construct(**json.loads(cut.settings)), models.Cut(as_of=cut.as_of, rows={})
    is_night = previous is None or now - _whole_since(previous[1]) > _WRITTEN_ANEW
    since = now if previous is None or is_night else _whole_since(previous[1])
    recent = since.astimezone(settings.zone).date() - _RECENT
    local = models.vocabulary(dialect="duckdb", settings=settings, cut=at)["local"]
    return Clocks(local, settings.zone, recent, is_night)


def _differing(previous: tuple[Path, Manifest] | None, cut: _Cut, clocks: Clocks) -> Differing:
    """What tells the rows that differ from a snapshot's; of none where all is looked at again, or counted otherwise."""
    from crm_platform.models.touched import differing_rows  # noqa: PLC0415 - readers need no templates

    before = previous[1] if previous is not None else None
    if (
        before is None
        or clocks.is_night
        or before.recent != clocks.recent
        or before.settings != json.loads(cut.settings)
    ):
        return lambda _session, _table: None
    return partial(differing_rows, than=before.build)


def _describe(session: DuckDbSession, table: type[Table], *, sql: str | None) -> TableEntry:
    name = table.full_name()
    if not issubclass(table, KpiTable):
        (rows,) = session.connection.execute(f"select count(*) from {name}").fetchone() or (0,)
        return TableEntry(rows=rows, sql=sql)
    rows, coverage, provisional = session.connection.execute(
        f"select count(*), min(coverage), count(*) filter (is_provisional) from {name}"
    ).fetchone() or (0, None, 0)
    return TableEntry(
        rows=rows, sql=sql, definition_version=table.version, coverage=coverage, provisional_rows=provisional
    )


def _base(
    settings: Settings, previous: tuple[Path, Manifest] | None, *, excluded: int, now: dt.datetime
) -> Path | None:
    """The database of a snapshot of the same frame that the next one can be made of by what changed, if there is one.

    It is written anew each day, where a third of the file is free, and where who is left out has changed.
    """
    if previous is None or now - _whole_since(previous[1]) > _WRITTEN_ANEW:
        return None
    file, known = previous[0] / DATABASE, previous[1].files.get(DATABASE)
    if previous[1].excluded_contacts != excluded:
        return None
    if known is None or not is_whole(file, known, sealed_by=previous[0] / MANIFEST):
        return None
    with DuckDbWarehouse(file, lock_dir=settings.lock_dir).reading() as session:
        ((free, total),) = session.connection.execute(
            "select free_blocks, total_blocks from pragma_database_size() where database_name = current_database()"
        ).fetchall()
    return None if free > total / 3 else file


def _is_less(
    settings: Settings,
    previous: tuple[Path, Manifest] | None,
    parquet: Parquet,
    building: Path,
    *,
    session: DuckDbSession,
    chats: str | None,
) -> bool:
    """Whether there is less than in the snapshot before, or it cannot be told: what is gone stays in free blocks.

    That is so where there are fewer people, messages or campaigns, and where a chat is gone. `chats`: the relation of
    the rows of chats that differ from the snapshot's, if that is known.
    """
    if previous is None or not parquet.is_by_instants:
        return True
    if any(previous[1].tables[name].rows > rows for name, rows in parquet.rows.items() if name in NEVER_EMPTIED):
        return True
    name = core.Chats.full_name()
    if name not in parquet.rows:
        return False
    if chats is not None:
        now = f"select chat_id from {chats} where is_put_in"
        gone = f"select 1 as one from {chats} where not is_put_in and chat_id not in ({now}) limit 1"
        return len(session.query(gone)) > 0
    now = literal(str(building / core.Chats.schema / f"{core.Chats.table}.parquet"))
    gone = f"select 1 as one from {name} anti join read_parquet({now}) using (chat_id) limit 1"
    with DuckDbWarehouse(previous[0] / DATABASE, lock_dir=settings.lock_dir).reading() as shown:
        return len(shown.query(gone)) > 0


def _whole_since(manifest: Manifest) -> dt.datetime:
    return manifest.database_from or manifest.created_at


def _previous(folder: Path) -> tuple[Path, Manifest] | None:
    """The current snapshot, to share unchanged months with; None when there is none, or none that can be read."""
    path = (folder / CURRENT).resolve()
    try:
        return (path, read_manifest(path)) if path.is_dir() else None
    except GiveUp as problem:
        _log.warning("every file is written anew: %s", problem)
        return None
