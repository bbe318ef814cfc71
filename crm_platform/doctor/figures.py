"""What the figures depend on: the checks of the last run, senders that nobody has seen, costs that do not count.

What belongs here: looks into the stores and the checks' notes. What does not: the files themselves (files.py).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from crm_platform.alerts.checks import one_line
from crm_platform.doctor.finding import Finding
from crm_platform.languages import ENGLISH
from crm_platform.models.due import holds
from crm_platform.models.noted import failing, noted
from crm_platform.publish import current
from crm_platform.publish.reading import reading
from crm_platform.schemas import raw
from crm_platform.warehouse import DuckDbWarehouse

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Iterator

    from crm_platform.settings import Settings

_PATIENCE: Final = 5.0  # seconds, for a file that one of ours writes to


def checks(settings: Settings, now: dt.datetime) -> Iterator[Finding]:
    """What each check said when it was last asked; only those that fail have a line of their own."""
    notes, bad = noted(settings), failing(settings)
    for note in bad:
        yield Finding("check", "BAD" if note.is_blocking else "note", one_line(note))
    if not notes:
        yield Finding("checks", "note", "none was asked yet: `crm refresh` asks them")
        return
    age = ENGLISH.duration(max(0.0, (now - max(note.at for note in notes)).total_seconds()))
    yield Finding("checks", "note" if bad else "ok", f"{len(notes) - len(bad)} of {len(notes)} pass; asked {age} ago")


def senders(settings: Settings, _now: dt.datetime) -> Iterator[Finding]:
    """Senders that are configured as bots: one that never sent a message is most likely misspelt."""
    if not settings.automation_senders or not settings.warehouse_path.is_file():
        return
    store = DuckDbWarehouse(settings.warehouse_path, lock_dir=settings.lock_dir, timeout=_PATIENCE)
    with store.reading() as session:
        if not holds(session, raw.Messages):
            return
        # Compared as people write them, reported as the messages have them.
        found = session.query(
            f"select distinct sender from {raw.Messages.full_name()}"
            " where direction = 'outbound' and list_contains(?, lower(trim(sender)))",
            ([_plain(sender) for sender in settings.automation_senders],),
        )["sender"].to_pylist()
    spelt = {_plain(sender): sender for sender in found}
    unseen = [sender for sender in settings.automation_senders if sender not in found]
    for sender in unseen:
        other = spelt.get(_plain(sender))
        hint = f"messages are from {other}" if other else "no message is from there; correct it, or take it out"
        yield Finding("senders", "note", f"CRM_AUTOMATION_SENDERS names {sender}, never seen: {hint}")
    if not unseen:
        yield Finding("senders", "ok", f"all {len(settings.automation_senders)} automation senders have sent messages")


def campaign_costs(settings: Settings, _now: dt.datetime) -> Iterator[Finding]:
    """The tenant's file of costs: each line that does not count, and how many do."""
    # The pages' packages take a while to load: only where there is such a file.
    from crm_platform.serving.pages.costs import FILE, parse_costs  # noqa: PLC0415

    path = settings.root / FILE
    if not path.exists():
        return
    file, snapshot = parse_costs(path), current(settings)
    if snapshot is None:
        for wrong in file.wrong:
            yield Finding("costs", "note", f"{FILE}, {wrong}")
        yield Finding("costs", "note", f"{FILE}: no campaigns are published yet to hold its lines against")
        return
    with reading(snapshot.path) as connection:
        campaigns = connection.sql("select campaign_id, name from kpi.campaign_performance").to_arrow_table()
    costs = file.of(campaigns.to_pylist())
    for wrong in costs.wrong:
        yield Finding("costs", "note", f"{FILE}, {wrong}")
    told = f"lines of {FILE} that count: {len(costs.by_id)}" + (
        f", that do not: {len(costs.wrong)}" if costs.wrong else ""
    )
    yield Finding("costs", "note" if costs.wrong else "ok", told)


def _plain(sender: str) -> str:
    return sender.strip().lower()
