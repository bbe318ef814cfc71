"""What the figures depend on: the checks of the last run, settings and files that name whom nobody has seen, costs.

What belongs here: looks into the stores and the checks' notes. What does not: the files themselves (files.py).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from crm_platform.alerts.checks import one_line
from crm_platform.doctor.finding import LOADING, Finding
from crm_platform.languages import ENGLISH
from crm_platform.models.due import holds
from crm_platform.models.exclusion import VARIABLE, exclusion, read_exclusion
from crm_platform.models.noted import failing, noted
from crm_platform.models.staff import staff
from crm_platform.models.teams import FILE, read_teams
from crm_platform.publish import current
from crm_platform.publish.reading import reading
from crm_platform.schemas import raw
from crm_platform.spellings import staff_key
from crm_platform.warehouse import Warehouse, live_store

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Iterator

    from crm_platform.settings import Settings

_PATIENCE: Final = 5.0  # seconds, for a file that one of ours writes to
_MOST_NAMED: Final = 5  # of those that are misspelt


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


def left_out(settings: Settings, now: dt.datetime) -> Iterator[Finding]:
    """Contacts that are left out on purpose: a line that means nobody is most likely misspelt."""
    if settings.exclude_contacts is None:
        return
    read_exclusion(settings.exclude_contacts)  # what is wrong with it is said before anything is fetched, too
    if not _store(settings).exists():
        return
    with _store(settings).reading() as session:
        if not holds(session, raw.Contacts):
            return
        found = exclusion(session, settings, cut=now)
    if found.unknown:
        lines = ", ".join(map(str, found.unknown[:_MOST_NAMED])) + ("…" if len(found.unknown) > _MOST_NAMED else "")
        yield Finding("left out", "note", f"{VARIABLE} means no contact in line {lines}: correct it, or take it out")
    else:
        yield Finding("left out", "ok", f"every line of {VARIABLE} means a contact: {len(found.chat_ids)} in all")


def teams(settings: Settings, now: dt.datetime) -> Iterator[Finding]:
    """Teams of agents: who was never seen is most likely misspelt."""
    members = read_teams(settings.root)
    if not members or not _store(settings).exists():
        return
    with _store(settings).reading() as session:
        if not holds(session, raw.AgentCorrections):
            return
        known = staff(session, cut=now)
    unseen = [member for key, member in members.items() if key not in known.names]
    for member in unseen[:_MOST_NAMED]:
        words = f"{FILE}, line {member.line}, names {member.agent}, never seen: `crm agents` lists who was"
        yield Finding("teams", "note", words)
    if len(unseen) > _MOST_NAMED:
        yield Finding("teams", "note", f"{FILE} names {len(unseen) - _MOST_NAMED} more who were never seen")
    if not unseen:
        yield Finding("teams", "ok", f"every agent of {FILE} was seen")


def _store(settings: Settings) -> Warehouse:
    return live_store(settings, timeout=_PATIENCE)


def senders(settings: Settings, _now: dt.datetime) -> Iterator[Finding]:
    """Senders that are configured as bots: one that never sent a message is most likely misspelt."""
    if not settings.automation_senders or not _store(settings).exists():
        return
    with _store(settings).reading() as session:
        if not holds(session, raw.Messages):
            return
        # By what was sent, not by its key: a warehouse of an earlier version has none yet.
        sent = session.query(f"select distinct sender from {raw.Messages.full_name()} where direction = 'outbound'")[
            "sender"
        ].to_pylist()
    unseen = [sender for sender in settings.automation_senders if sender not in set(map(staff_key, sent))]
    for sender in unseen:
        words = (
            f"CRM_AUTOMATION_SENDERS names {sender}, never seen: no message is from there; correct it, or take it out"
        )
        yield Finding("senders", "note", words)
    if not unseen:
        yield Finding("senders", "ok", f"all {len(settings.automation_senders)} automation senders have sent messages")


def campaign_costs(settings: Settings, _now: dt.datetime) -> Iterator[Finding]:
    """The tenant's file of costs: each line that does not count, and how many do."""
    # The pages' packages take a while to load: only where there is such a file.
    with LOADING:
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
