"""How long a snapshot that is no longer current is kept.

What belongs here: which to keep, and removing the rest. What does not: publishing.

All are kept while a reader may still have them open, then the last of each local day (what moved since yesterday), then
none. Of those that stood for a day one goes at a time: a clock that runs ahead for a run makes all of them look old.
A month of messages that did not change is one file, however many snapshots hold it.
"""

from __future__ import annotations

import datetime as dt
import re
import shutil
from typing import TYPE_CHECKING, Final

from crm_platform.publish.files import PURGING, remove_leftovers
from crm_platform.publish.manifest import CURRENT, PAST, Snapshot, is_demo_link, read_manifest
from crm_platform.warehouse import leases_of

if TYPE_CHECKING:
    from pathlib import Path

    from crm_platform.settings import Settings

# A page or notebook that opened a snapshot may go on opening its Parquet files for this long after it was superseded.
GRACE: Final = dt.timedelta(hours=2)

# Where many follow one another, as in live operation, the last of each stretch stays so long, each other one so long.
STRETCH: Final = dt.timedelta(minutes=5)
SHORT_GRACE: Final = dt.timedelta(minutes=5)

_ID = re.compile(r"(\d{8}T\d{6}\.\d{3})Z-[0-9a-f]+")
_WAIT_SECONDS = 60.0  # for a publisher at work


def new_id(now: dt.datetime, digest: str) -> str:
    """A snapshot's name: UTC time to the millisecond, so that names sort by age, and 12 digits of its digest."""
    return f"{now.astimezone(dt.UTC).strftime('%Y%m%dT%H%M%S.%f')[:-3]}Z-{digest[:12]}"


def created_at(snapshot_id: str) -> dt.datetime | None:
    """The time in a snapshot's name; None for a name that is no snapshot's."""
    match = _ID.fullmatch(snapshot_id)
    return dt.datetime.strptime(match[1], "%Y%m%dT%H%M%S.%f").replace(tzinfo=dt.UTC) if match else None


def kept(settings: Settings) -> list[Path]:
    """Folders of the snapshots that are kept and were current once, newest first."""
    if is_demo_link(settings.published_dir):
        return []
    return [path for _, path in _snapshots(settings.published_dir)]


def newest_past(settings: Settings) -> Snapshot | None:
    """The snapshot at a cut in the past that was published last and never was current; None when there is none."""
    path = next((path for _, path in _snapshots(settings.published_dir / PAST)), None)
    return None if path is None else Snapshot.of(read_manifest(path), path)


def _snapshots(folder: Path) -> list[tuple[dt.datetime, Path]]:
    """When each snapshot in a folder was made, and its folder, newest first."""
    if not folder.is_dir():
        return []
    return sorted(((made, path) for path in folder.iterdir() if (made := created_at(path.name))), reverse=True)


def purge(settings: Settings, *, now: dt.datetime, keep_days: int = 14, keep_at_least: int = 3) -> list[str]:
    """Remove old snapshots and unfinished ones; returns the removed snapshots' ids, newest first.

    Kept: the current one, the `keep_at_least` newest, those superseded less than five minutes ago, of those superseded
    less than two hours ago the last that was made in each five minutes, and the last of each local day for `keep_days`
    days: of these one goes at a call, the oldest. Of those that never were current, at a cut in the past: the
    `keep_at_least` newest, and all of the last `keep_days` days. `now`: aware. Raises Busy while another process
    publishes.
    """
    folder = settings.published_dir
    if not folder.is_dir() or is_demo_link(folder):
        return []
    with leases_of(settings).take("publish", purpose="purge", wait=_WAIT_SECONDS):
        remove_leftovers(folder)
        current = (folder / CURRENT).resolve().name
        old: list[Path] = []
        day_is_old: list[Path] = []
        days_kept: set[dt.date] = set()
        superseded_at = now
        stretches: set[int] = set()
        for rank, (made, path) in enumerate(_snapshots(folder)):
            day = made.astimezone(settings.zone).date()
            is_last_of_day = day not in days_kept
            days_kept.add(day)
            stretch = int(made.timestamp() // STRETCH.total_seconds())
            grace = SHORT_GRACE if stretch in stretches else GRACE
            stretches.add(stretch)
            in_use = path.name == current or now - superseded_at < grace
            superseded_at = made
            if rank < keep_at_least or in_use:
                continue
            if not is_last_of_day:
                old.append(path)
            elif now - made > dt.timedelta(days=keep_days):
                day_is_old.append(path)
        removed = [_remove(path, folder) for path in sorted([*old, *day_is_old[-1:]], reverse=True)]
        for made, path in _snapshots(folder / PAST)[keep_at_least:]:
            if now - made > dt.timedelta(days=keep_days):
                removed.append(_remove(path, folder))
        return removed


def _remove(path: Path, folder: Path) -> str:
    """Remove a snapshot, out of sight first: nobody ever sees half of one."""
    shutil.rmtree(path.rename(folder / f"{PURGING}{path.name}"))
    return path.name
