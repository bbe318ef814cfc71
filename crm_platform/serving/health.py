"""`/healthz`: whether this process can answer, and with what.

What belongs here: the verdict and its reasons. What does not: figures (metrics.py, kpi_api.py).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from crm_platform.errors import CrmPlatformError

if TYPE_CHECKING:
    import datetime as dt

    from starlette.requests import Request
    from starlette.routing import BaseRoute


def _healthz(request: Request) -> Response:
    state = request.app.state
    limit = state.settings.overdue_after
    reasons = []
    told: dict[str, object] = {"overdue_after_seconds": limit.total_seconds()}
    try:
        found = state.snapshots.current()
    except CrmPlatformError as problem:
        found = None
        reasons.append(str(problem))
    else:
        if found is None:
            reasons.append("nothing has been published yet: run `crm refresh`")
    if found is not None:
        if state.snapshots.problem:
            reasons.append(state.snapshots.problem)
        found.query("select 1 as one")
        age = state.now() - found.manifest.as_of
        if state.now() - found.manifest.stood_at > limit:
            reasons.append(
                f"the snapshot is {_hours(age)} old, more than {_hours(limit)}: see why builds fail, or do not run"
            )
        covered = [table.coverage for table in found.manifest.tables.values() if table.coverage is not None]
        told |= {
            "snapshot": found.snapshot.id,
            "as_of": found.as_of,
            "confirmed_at": found.confirmed_at,
            "age_seconds": round(age.total_seconds(), 3),
            "coverage": min(covered, default=None),
            "is_sandbox": found.manifest.is_sandbox,
        }
    document = {"status": "unwell" if reasons else "ok", "reasons": reasons, **told}
    return JSONResponse(document, 503 if reasons else 200, {"Cache-Control": "no-store"})


def _hours(span: dt.timedelta) -> str:
    return f"{span.total_seconds() / 3600:.3g} h"


def routes() -> list[BaseRoute]:
    """The health check."""
    return [Route("/healthz", _healthz, methods=["GET"])]
