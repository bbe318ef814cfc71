"""The read-only snapshot: what leaves the house, in one step, without a person in it.

What belongs here: copying a finished build out of models.duckdb, pseudonyms, Parquet, the manifest, the turn of the
symlink, and purging what is old. What does not: computing a figure (models/), showing one (serving/).

A snapshot is a folder that is never touched again, but for when its figures were last confirmed:

    published/
        current -> 20261122T082908.123Z-1f0c9ad2e4b7
        20261122T082908.123Z-1f0c9ad2e4b7/
            analytics.duckdb         schemas `kpi` and `core`, with comments
            kpi/<table>.parquet
            core/<table>.parquet
            core/messages/2026-11.parquet   by local month; an unchanged month is a hard link
            core/messages/2026-11-27.parquet   the newest days, which change most; a night later they are in the month
            manifest.json            cut, when confirmed, definition versions, rows, coverage, digests, whose data it is
        past/<id>/                   the same at a cut in the past that was asked for; never current

Open files by the real path that `current` gives: when a path that a process has open is replaced, DuckDB goes on
showing that process the old file.
"""

from crm_platform.publish.confirm import confirm
from crm_platform.publish.manifest import Manifest, Snapshot, current, lost_warehouse, read_manifest
from crm_platform.publish.parquet import published_columns, published_tables
from crm_platform.publish.pseudonyms import pseudonym, pseudonym_key
from crm_platform.publish.reading import reading
from crm_platform.publish.retention import kept, newest_past, purge
from crm_platform.publish.snapshot import publish

__all__ = [
    "Manifest",
    "Snapshot",
    "confirm",
    "current",
    "kept",
    "lost_warehouse",
    "newest_past",
    "pseudonym",
    "pseudonym_key",
    "publish",
    "published_columns",
    "published_tables",
    "purge",
    "read_manifest",
    "reading",
]
