"""What a value is made of: its receipt, and the rows behind it.

What belongs here: the answers of these two tools. What does not: making a receipt (receipts/).
"""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlencode

from crm_platform.errors import InvalidRequest
from crm_platform.receipts import Movement, Receipt, moved_since, receipt
from crm_platform.receipts.keys import RANGE
from crm_platform.serving.mcp.asking import AskedFigure, cell, require_order
from crm_platform.serving.mcp.gives import Explanation, Reason, Requests, Rows, Taken
from crm_platform.serving.mcp.gives import Movement as MovementWords

if TYPE_CHECKING:
    from crm_platform.serving.mcp.source import Source
    from crm_platform.serving.mcp.takes import Explain, RowsBehind

_MOST_TAKEN: Final = 10  # figures that one is taken from


def explain(source: Source, takes: Explain) -> Explanation:
    """A figure's definition and its receipt, and why it moved."""
    asked, key = _asked(source, takes)
    found = _receipt(asked, key, limit=_MOST_TAKEN)
    # Of some contacts or agents alone no earlier value is kept.
    movement = (
        None
        if source.narrowing
        else moved_since(source.settings, source.opened, found.table, key, found.column, limit=0)
    )
    fetched = found.fetched
    return Explanation(
        **asked.about(),
        **_value(asked, found),
        key=_cells(found.key),
        table_meaning=found.table_meaning,
        definition_version=found.definition_version,
        source=found.source,
        used=list(found.used),
        computed=found.computed,
        agrees=found.agrees,
        taken_from=[
            Taken(figure=f"{one.table.removeprefix('kpi.')}.{one.column}", key=_cells(one.key))
            for one in found.taken_from[:_MOST_TAKEN]
        ],
        fetched=Requests(
            requests=fetched.requests,
            first_at=_aware(fetched.first_at),
            last_at=_aware(fetched.last_at),
            by_operation=dict(fetched.by_operation),
        ),
        digest=found.digest,
        moved=_moved(movement) if movement else None,
    )


def rows_behind(source: Source, takes: RowsBehind) -> Rows:
    """The first rows behind a value, by their key."""
    asked, key = _asked(source, takes)
    found = _receipt(asked, key, limit=takes.limit)
    left_out = found.row_count - len(found.rows)
    only = [("only", f"{one.name}:{one.address}") for one in source.chosen]
    query = urlencode([("column", found.column), *key.items(), *only])
    all_of_it = "" if only else ", `crm explain … --json` all"
    more = (
        f"ask again with a limit of up to 100; GET /api/v1/kpis/{asked.table.table}/receipt?{query} lists"
        f" 10,000{all_of_it}"
    )
    return Rows(
        **asked.about(),
        **_value(asked, found),
        key=_cells(found.key),
        source=found.source,
        rows=[_cells(row) for row in found.rows],
        total=found.row_count,
        left_out=left_out,
        more=more if left_out else "",
    )


def _asked(source: Source, takes: Explain) -> tuple[AskedFigure, dict[str, str]]:
    """The figure, and the key that names one value of it. Raises InvalidRequest and NoSuchRow."""
    asked = AskedFigure.of(source, takes.figure)
    key = dict(takes.where)
    days = dict(zip(RANGE, (takes.day_from, takes.day_to), strict=True))
    if takes.day_from and takes.day_to:
        require_order(takes.day_from, takes.day_to)
    elif takes.day_from or takes.day_to:
        raise InvalidRequest("give both, day_from and day_to (the day after the last one), or neither")
    return asked, key | {name: day.isoformat() for name, day in days.items() if day}


def _receipt(asked: AskedFigure, key: dict[str, str], *, limit: int) -> Receipt:
    asked.row(key)  # a row that is not there is told in our words: a receipt's own name what is in others
    return receipt(asked.source.opened, asked.table.full_name(), key, asked.column, limit=limit)


def _value(asked: AskedFigure, found: Receipt) -> dict[str, Any]:
    return {
        "value": cell(found.value),
        "n": found.row_count if found.source else None,
        "coverage": found.coverage,
        "is_provisional": found.is_provisional,
        "receipt": asked.receipt_address(found.key),
    }


def _cells(row: Any) -> dict[str, Any]:  # noqa: ANN401 - any mapping
    return {name: cell(part) for name, part in row.items()}


def _aware(moment: dt.datetime | None) -> dt.datetime | None:
    return moment.replace(tzinfo=dt.UTC) if moment else None


def _moved(movement: Movement) -> MovementWords:
    return MovementWords(
        earlier_snapshot=movement.earlier,
        earlier_as_of=movement.earlier_as_of,
        then=cell(movement.then),
        now=cell(movement.now),
        coverage_then=movement.coverage_then,
        has_moved=movement.has_moved,
        rows_added=movement.added,
        rows_removed=movement.removed,
        rows_changed=movement.changed,
        reasons=[Reason(kind=one.kind, words=one.words, rows=one.rows) for one in movement.reasons],
    )
