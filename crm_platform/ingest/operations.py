"""What people did to the CRM through this platform, and the requests it took.

What belongs here: recording an operation after it succeeded (or may have). What does not: doing it (cli/).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from crm_platform.ingest.batch import Batch
from crm_platform.ingest.connect import open_warehouse
from crm_platform.ingest.duplicates import decide_duplicates, reopen_decision
from crm_platform.schemas import raw
from crm_platform.spellings import staff_key
from crm_platform.warehouse import taking_turns

if TYPE_CHECKING:
    from collections.abc import Sequence

    from crm_platform.api import Fetch
    from crm_platform.settings import Settings

Kind = Literal["assigned", "done", "contact_deleted"]


def record_requests(settings: Settings, fetches: Sequence[Fetch]) -> None:
    """Put requests that brought no rows into ops.fetches."""
    batch = Batch()
    batch.requests(fetches)
    warehouse = open_warehouse(settings)
    with taking_turns(warehouse, purpose="a record of requests") as holder:
        batch.commit(warehouse, holder)


def add_operation(
    batch: Batch,
    *,
    kind: Kind,
    chat_id: str,
    operator_email: str | None = None,
    note: str | None = None,
    done_by: Fetch,
) -> None:
    """Add an operation that the CRM carried out to what is committed next. `done_by`: the request that did it."""
    batch.add(
        raw.OperatorEvents,
        {
            "event_id": f"platform-{done_by.fetch_id}",
            "kind": kind,
            "chat_id": chat_id,
            "agent": operator_email,
            "agent_key": staff_key(operator_email),
            "at": done_by.started_at,
            "source": "platform",
            "note": note,
            "fetch_id": done_by.fetch_id,
        },
    )


def record_operation(
    settings: Settings,
    *,
    kind: Kind,
    chat_id: str,
    operator_email: str | None = None,
    note: str | None = None,
    fetches: Sequence[Fetch],
) -> None:
    """Put an operation that the CRM carried out into raw.operator_events, with its requests.

    `operator_email`: the assignee, or who marked the chat as done, where that is known. The event's time is the start
    of the request that did it.
    """
    done_by = fetches[-1]
    batch = Batch()
    add_operation(batch, kind=kind, chat_id=chat_id, operator_email=operator_email, note=note, done_by=done_by)
    batch.requests(fetches)
    warehouse = open_warehouse(settings)
    with taking_turns(warehouse, purpose="a record of an operation") as holder:
        if kind == "contact_deleted":  # what is kept in its chat is kept in one that is there, from this decision on
            with warehouse.committing(holder) as commit:
                reopen_decision(commit, at=done_by.finished_at)
        batch.commit(warehouse, holder)
        if kind == "contact_deleted":
            with warehouse.committing(holder) as commit:  # a crawl may have decided in between
                reopen_decision(commit, at=done_by.finished_at)
            decide_duplicates(warehouse, holder, at=done_by.finished_at)
