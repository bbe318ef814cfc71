"""The pages people look at.

What belongs here: their routes; each page is a module, its look stands in templates/ and static/. What does not:
who may see a page (app.py), the API for programs (kpi_api.py), computing a figure (models/).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Final

from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.routing import Route

from crm_platform.errors import InvalidRequest, NotFound
from crm_platform.serving.pages import audience, campaigns, chat, executive, now, support
from crm_platform.serving.pages.chart import Chart
from crm_platform.serving.pages.figures import explain
from crm_platform.serving.pages.frame import Frame, preferences
from crm_platform.serving.pages.note_page import NOTES, show_notes, write_note
from crm_platform.serving.pages.period import BadAddress
from crm_platform.serving.pages.view import NOW, Build, View, narrowed
from crm_platform.serving.refusals import Refused

if TYPE_CHECKING:
    from starlette.routing import BaseRoute

# What builds each page.
BUILDS: Final[Mapping[str, Build]] = {
    "executive": executive.build,
    "campaigns": campaigns.build,
    "support": support.build,
    "audience": audience.build,
    NOW: now.build,
}


def routes() -> list[BaseRoute]:
    """Routes of all pages, and of their charts as CSV."""
    frame = Frame()

    def home(request: Request) -> Response:
        query = f"?{request.url.query}" if request.url.query else ""
        return RedirectResponse(f"/executive{query}", 307)

    async def page(request: Request) -> Response:
        name = request.url.path.strip("/")
        return await frame.answer(request, page=name, build=BUILDS[name])

    def receipt(request: Request) -> Response:
        try:
            is_export = request.url.path.endswith(".csv")
            return frame.rows_csv(request) if is_export else frame.behind(request)
        except (InvalidRequest, NotFound) as problem:
            raise Refused(404, "no_such_figure", str(problem), hint="Follow a figure's rows from its page.") from None
        except BadAddress as problem:
            raise Refused(400, "bad_page", str(problem), hint="Follow a figure's rows from its page.") from None

    def found(request: Request) -> tuple[View, Chart]:
        name, chart = request.path_params["page"], request.path_params["chart"]
        published, _ = frame.published(request)
        if name not in BUILDS or published is None:
            message = "There is no such chart, or nothing is published yet."
            raise Refused(404, "no_such_chart", message, hint="Run crm refresh.")
        view = frame.view(request, published, page=name)
        if view.notice:
            raise Refused(400, "bad_range", view.notice.text)
        try:
            charts = narrowed(view, BUILDS[name](view)).charts
        except BadAddress as problem:
            raise Refused(400, "bad_range", str(problem)) from None
        if chart not in charts:
            message = f"The page {name} has no chart {chart}; it has {', '.join(charts)}."
            raise Refused(404, "no_such_chart", message, hint="Follow a chart's CSV from its page.")
        return view, charts[chart]

    def chart_csv(request: Request) -> Response:
        view, chart = found(request)
        cut = view.published.as_of.astimezone(view.published.zone)
        of = f"{cut:%Y-%m-%dT%H%M}" if view.is_of_now else f"{view.period.start}-{view.period.end}"
        file = f"{view.page}-{chart.name}-{of}.csv"
        return Response(
            chart.csv(),
            media_type="text/csv; charset=utf-8",
            headers={"Content-Disposition": f'attachment; filename="{file}"'},
        )

    def notes(request: Request) -> Response:
        return show_notes(request, frame)

    async def note(request: Request) -> Response:
        return await write_note(request, frame)

    def state(request: Request) -> Response:
        published, _ = frame.published(request)
        return JSONResponse({"snapshot": published.opened.snapshot.id if published else ""})

    return [
        Route("/", home),
        *(Route(f"/{name}", page) for name in BUILDS),
        Route("/figures", explain),
        Route("/receipt", receipt),
        Route("/receipt.csv", receipt),
        Route("/chat", chat.reveal_chat),
        Route(NOTES, notes, methods=["GET"]),
        Route(NOTES, note, methods=["POST"]),
        Route("/preferences", preferences),
        Route("/state.json", state),
        Route("/charts/{page}/{chart}.csv", chart_csv),
    ]
