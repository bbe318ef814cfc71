"""The files of the data folder: whether each is what it should be, whole, and not held by somebody else.

What belongs here: the folder, the two DuckDB files, the snapshots. What does not: what stands in them (figures.py).
"""

from __future__ import annotations

import datetime as dt
import os
import re
import shutil
from typing import TYPE_CHECKING, Final

import duckdb

from crm_platform.doctor.finding import Finding
from crm_platform.doctor.processes import holders, name_of
from crm_platform.errors import Busy, CrmPlatformError, FixConfiguration, GiveUp
from crm_platform.languages import ENGLISH
from crm_platform.publish import current, kept, read_manifest
from crm_platform.publish.files import entry_of
from crm_platform.publish.manifest import CURRENT
from crm_platform.warehouse import live_store, open_store, owner, refusal

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from crm_platform.publish import Manifest, Snapshot
    from crm_platform.settings import Settings

_ENOUGH_DISK: Final = 1000  # MB: a build and a snapshot of a few million messages
_PATIENCE: Final = 3.0  # seconds, for a file that one of ours writes to
_HASHED: Final = 300 * 1000 * 1000  # bytes of snapshots that are read to the end; the rest is held to its size
_EARLY: Final = dt.timedelta(minutes=5)  # two clocks of one network may differ by so much


def _mb(count: float) -> str:
    return f"{count / 1e6:,.1f} MB"


# The folder.


def folder(settings: Settings, _now: dt.datetime) -> Iterator[Finding]:
    """Whether the data folder can be written to, each folder in it too, and whether there is room."""
    root, remedy = settings.root, "set CRM_DATA_DIR to a folder of yours"
    if root.exists() and not root.is_dir():
        yield Finding("data folder", "BAD", f"{root} is no folder; {remedy}")
        return
    try:
        root.mkdir(parents=True, exist_ok=True)
        probe = root / ".doctor"
        probe.write_text("", encoding="utf-8")
        probe.unlink()
    except OSError as problem:
        yield Finding("data folder", "BAD", f"{root}: {problem.strerror}; {remedy}")
        return
    for inner in (settings.lock_dir, settings.published_dir, settings.audit_dir, settings.dagster_home):
        if os.path.lexists(inner) and not inner.is_dir():
            yield Finding("data folder", "BAD", f"{inner} is no folder: move it away")
            return
        if inner.exists() and not os.access(inner, os.R_OK | os.W_OK | os.X_OK):
            yield Finding("data folder", "BAD", f"{inner} cannot be written to: make it yours (chown, chmod u+rwx)")
            return
    free = shutil.disk_usage(root).free
    words = f"{free / 1e9:,.1f} GB free in {root}"
    has_room = free >= _ENOUGH_DISK * 1e6
    yield Finding("data folder", "ok" if has_room else "BAD", words if has_room else f"{words}: make room for 1 GB")


# DuckDB files.


def warehouse(settings: Settings, _now: dt.datetime) -> Iterator[Finding]:
    """The live warehouse. Where it is missing and a build was made of it, it is lost: it is not a new data folder."""
    if settings.warehouse_url is not None:
        yield _elsewhere(settings)
        return
    path = settings.warehouse_path
    if settings.models_path.exists() and not os.path.lexists(path):
        words = f"{path} is gone, though a build was made of it: mount its disk or restore it before the next run"
        yield Finding("warehouse", "BAD", words)
        return
    yield _database(settings, path, "warehouse", "restore it, or move it away and run `crm refresh` to fetch anew")


def _elsewhere(settings: Settings) -> Finding:
    """The live warehouse that CRM_WAREHOUSE_URL names."""
    live = live_store(settings, timeout=_PATIENCE)
    try:
        if not live.exists():
            if settings.models_path.exists():
                words = f"{live.describe()} is empty, though a build was made of it: restore it before the next run"
                return Finding("warehouse", "BAD", words)
            return Finding("warehouse", "ok", f"{live.describe()}: nothing is there yet, `crm refresh` makes it")
        with live.reading() as session:
            known = owner(session)
    except CrmPlatformError as problem:
        return Finding("warehouse", "BAD", str(problem))
    if known is not None and known != settings.crm_name:
        return Finding("warehouse", "BAD", refusal(known, settings))
    return Finding("warehouse", "ok", f"{live.describe()}: {live.state()}")


def models(settings: Settings, _now: dt.datetime) -> Iterator[Finding]:
    """The build's file, which the next build makes anew when it is moved away."""
    yield _database(settings, settings.models_path, "models", "move it away: the next build makes it anew")


def _database(settings: Settings, path: Path, about: str, remedy: str) -> Finding:
    if not os.path.lexists(path):
        return Finding(about, "ok", f"{path.name} is not there yet: `crm refresh` makes it")
    if not path.is_file():
        return Finding(about, "BAD", f"{path} is no file; {remedy}")
    if not os.access(path, os.R_OK | os.W_OK):
        return Finding(about, "BAD", f"{path} cannot be read and written: make it yours (chown, chmod u+rw)")
    with path.open("rb") as file:
        if file.read(12)[8:] != b"DUCK":
            return Finding(about, "BAD", f"{path} is no DuckDB file; {remedy}")
    ours = holders(settings.lock_dir / f"{path.stem}.lock")
    if strangers := sorted(holders(path) - ours):
        names = ", ".join(map(name_of, strangers))
        return Finding(about, "BAD", f"{path} is held open by {names}: end it, or no run can write")
    try:
        return _opened(settings, path, about, remedy)
    except Busy as problem:
        if problem.holder and not ours:  # where the system does not list who holds what, the engine may know
            return Finding(about, "BAD", f"{problem}; held by {problem.holder}")
        names = ", ".join(map(name_of, sorted(ours))) or "another process"
        return Finding(about, "note", f"not verified: {path.name} is in use by {names}")
    except (duckdb.Error, GiveUp, FixConfiguration) as problem:
        cause = problem.__cause__ if isinstance(problem.__cause__, duckdb.Error) else problem
        if isinstance(cause, FixConfiguration):
            return Finding(about, "BAD", str(cause))
        return Finding(about, "BAD", f"{path} {_damage(cause)}; {remedy}")


def _opened(settings: Settings, path: Path, about: str, remedy: str) -> Finding:
    store = open_store(path, lock_dir=settings.lock_dir, timeout=_PATIENCE)
    with store.reading() as session:
        (size,) = session.query(
            "select block_size * used_blocks as bytes from pragma_database_size()"
            " where database_name = current_database()"
        )["bytes"].to_pylist()
        tables = session.query(
            "select schema_name || '.' || table_name as name from duckdb_tables()"
            " where database_name = current_database()"
        )["name"].to_pylist()
        # The file may be shorter than all its blocks: free ones at the end are cut off. Those in use must be in it.
        if path.stat().st_size < size:
            return Finding(about, "BAD", f"{path} is torn: {_mb(path.stat().st_size)} of {_mb(size)}; {remedy}")
        for name in tables:
            session.query(f"select * from {name} limit 1")
        known = owner(session)
    if known is not None and known != settings.crm_name:
        raise FixConfiguration(refusal(known, settings))
    return Finding(about, "ok", f"{path.name}: {len(tables)} tables, {_mb(path.stat().st_size)}")


def _damage(problem: BaseException) -> str:
    """Say what DuckDB means, without its link and its advice."""
    text = str(problem)
    if held := re.search(r"PID (\d+)", text):
        return f"is held open by {name_of(int(held[1]))}"
    if "version number" in text:
        return "was written by a newer version of DuckDB than this one"
    return f"is damaged ({type(problem).__name__})"


# Snapshots.


def snapshots(settings: Settings, now: dt.datetime) -> Iterator[Finding]:
    """The published snapshot: how old, whose, whole; and those that are kept beside it."""
    link = settings.published_dir / CURRENT
    others = kept(settings)
    try:
        published = current(settings)
    except CrmPlatformError as problem:
        yield Finding("snapshot", "BAD", str(problem))
        return
    if published is None:
        if others or (os.path.lexists(link) and not link.is_symlink()):
            yield Finding("snapshot", "BAD", f"{link} is no link to a snapshot: publish again (`crm build`)")
        else:
            yield Finding("snapshot", "ok", "none yet: `crm refresh` makes it")
        return
    manifest, budget = read_manifest(published.path), _HASHED
    broken, budget = _unlike(published.path, manifest, budget)
    if broken:
        yield Finding("snapshot", "BAD", f"{published.path / broken} is not what was published: run `crm build`")
    elif manifest.is_sandbox != settings.is_sandbox:
        theirs, ours = ("the sandbox", settings.crm_url) if manifest.is_sandbox else ("a CRM", "the sandbox")
        words = f"the published figures are those of {theirs}, and the settings name {ours}: give each a CRM_DATA_DIR"
        yield Finding("snapshot", "BAD", words)
    else:
        yield _age(settings, published, now=now)
    yield from _older([path for path in others if path != published.path], budget)


def _age(settings: Settings, published: Snapshot, *, now: dt.datetime) -> Finding:
    age = now - published.stood_at
    if age < -_EARLY:
        words = f"as of {published.stood_at:%Y-%m-%d %H:%M} UTC, which is still to come: is this machine's clock right?"
        return Finding("snapshot", "BAD", words)
    known = "as of" if published.confirmed_at is None else "confirmed"
    words = f"{known} {ENGLISH.duration(max(0.0, age.total_seconds()))} ago"
    if age > settings.overdue_after:
        limit = ENGLISH.duration(settings.overdue_after.total_seconds())
        return Finding("snapshot", "BAD", f"{words}, more than {limit}: run `crm refresh`, or see why runs fail")
    if age > settings.stale_after:
        return Finding("snapshot", "note", f"{words}: pages call it old")
    return Finding("snapshot", "ok", words)


def _older(paths: list[Path], budget: int) -> Iterator[Finding]:
    """Snapshots that are kept: a broken one does not affect the others."""
    broken: list[str] = []
    for path in paths:
        try:
            file, budget = _unlike(path, read_manifest(path), budget)
        except (CrmPlatformError, OSError):
            file = "manifest.json"
        if file:
            broken.append(f"{path.name}/{file}")
    if broken:
        words = f"{', '.join(broken)}: not what was published; remove that folder, receipts go on without it"
        yield Finding("snapshots", "note", words)
    elif paths:
        # Some were not read but only measured: say so.
        how = "read and whole" if budget > 0 else "whole by their sizes; some are too large to be read here"
        yield Finding("snapshots", "ok", f"{len(paths)} older ones, {how}")


def _unlike(path: Path, manifest: Manifest, budget: int) -> tuple[str, int]:
    """The first file that is not as its manifest says, empty when there is none; and what is left of the budget."""
    for name, entry in manifest.files.items():
        file = path / name
        try:
            if file.stat().st_size != entry.bytes:
                return name, budget
            budget -= entry.bytes
            if budget > 0 and entry_of(file) != entry:
                return name, budget
        except OSError:
            return name, budget
    return "", budget
