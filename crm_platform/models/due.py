"""Whether anything is due: when what is stored last changed, when it was last built, which reports are missing.

What belongs here: these questions, which sensors ask before they start a run. What does not: starting it (defs/),
checks of the data (checks.py).
"""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, Final

from crm_platform.models.checks import count, first_row
from crm_platform.schemas import Table, ops, raw

if TYPE_CHECKING:
    from crm_platform.warehouse import Session


_OF_FIGURES: Final = ", ".join(f"'{event}'" for event in raw.Events.OF_FIGURES)


def holds(session: Session, *tables: type[Table]) -> bool:
    """Say whether the store has these tables yet."""
    return all(session.has(table) for table in tables)


def last_change(session: Session) -> dt.datetime | None:
    """When what a figure is made of last changed: start of the request that brought the newest row or version.

    Or when rows were decided anew without one, or something was corrected or noted by hand. Aware UTC; None before the
    first fetch.
    """
    if not holds(
        session, raw.OperatorEvents, raw.Events, raw.AgentCorrections, raw.OptOutRejections, raw.Notes, ops.Meta
    ):
        return None
    newest = first_row(
        session,
        f"""
        select max(changed_at) as changed_at from (
            select max(fetched_at) as changed_at from {raw.Contacts.full_name()}
            union all select max(fetched_at) from {raw.Messages.full_name()}
            union all select max(fetched_at) from {raw.Campaigns.full_name()}
            union all select max(first_fetched_at) from {raw.CampaignReports.full_name()}
            union all select max("at") from {raw.ContactSightings.full_name()}
            union all select max(counted_at) from {raw.ContactSweeps.full_name()} where accepted_by is not null
            union all select max(coalesce(known_at, "at")) from {raw.OperatorEvents.full_name()}
            union all select max(received_at) from {raw.Events.full_name()} where event in ({_OF_FIGURES})
            union all select max("at") from {raw.AgentCorrections.full_name()}
            union all select max("at") from {raw.OptOutRejections.full_name()}
            union all select max(greatest("at", removed_at)) from {raw.Notes.full_name()}
            union all select max(changed_at) from {ops.Meta.full_name()} where name = '{ops.DECIDED_ANEW}'
        ) as changes
        """,
    )["changed_at"]
    return newest.replace(tzinfo=dt.UTC) if isinstance(newest, dt.datetime) else None


def last_cut(session: Session) -> dt.datetime | None:
    """When the newest build began, aware UTC; None before the first."""
    if not holds(session, ops.Builds):
        return None
    newest = first_row(session, f"select max(started_at) as at from {ops.Builds.full_name()}")["at"]
    return newest.replace(tzinfo=dt.UTC) if isinstance(newest, dt.datetime) else None


def finished_without_report(session: Session) -> int:
    """Count the campaigns that have finished since their report was last fetched."""
    if not holds(session, raw.CampaignStatuses, raw.CampaignReports):
        return 0
    return count(
        session,
        f"""
        (
            select campaign_id, max(observed_at) as at
            from {raw.CampaignStatuses.full_name()}
            where status in ('completed', 'failed') and is_change
            group by campaign_id
        ) as finished
        left join (
            select campaign_id, max(last_fetched_at) as at
            from {raw.CampaignReports.full_name()}
            group by campaign_id
        ) as reported on reported.campaign_id = finished.campaign_id
        where reported.at is null or reported.at < finished.at
        """,
    )
