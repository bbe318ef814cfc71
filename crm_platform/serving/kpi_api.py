"""The KPI API: published tables for programs, under /api/v1.

What belongs here: its routes, and an answer's three forms: JSON, CSV, Arrow. What does not: pages for people (pages/),
what a query string means (queries.py), the description of all this (openapi.py).

Endpoints follow from the declared tables: a new KPI class has one without a line here.
"""

from __future__ import annotations

import io
import json
from dataclasses import dataclass, replace
from importlib.metadata import version
from typing import TYPE_CHECKING, Final
from urllib.parse import parse_qsl, quote, urlencode, urlsplit
from zoneinfo import ZoneInfo

import duckdb
import pyarrow as pa
import pyarrow.compute as pc
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from crm_platform.clock import zone_of
from crm_platform.errors import InvalidRequest, NotFound
from crm_platform.publish import published_columns
from crm_platform.publish.csv_writer import csv_document
from crm_platform.receipts import moved_since, receipt
from crm_platform.receipts.choices import UnknownValue, narrowing_of
from crm_platform.receipts.narrowed import DIMENSIONS, Narrowing
from crm_platform.schemas import KpiTable
from crm_platform.serving import openapi
from crm_platform.serving.caching import Kept, KeptAnswer, is_known, tag
from crm_platform.serving.hot import MOST_BYTES, Answers, Hot, place_of
from crm_platform.serving.queries import MOST_ROWS, TableQuery, find_table, kpi_tables, parse_query, read_limit
from crm_platform.serving.refusals import Refused

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.routing import BaseRoute

    from crm_platform.publish.audit import Read
    from crm_platform.serving.snapshots import OpenSnapshot, Snapshots

ARROW_TYPE: Final = "application/vnd.apache.arrow.stream"
_FORMS: Final = {"json": "application/json", "csv": "text/csv", "arrow": ARROW_TYPE}
_CACHING: Final = {"Cache-Control": "private, no-cache", "Vary": "Accept, Authorization, Cookie"}


def _snapshot(request: Request) -> OpenSnapshot:
    found: OpenSnapshot | None = request.app.state.snapshots.current()
    if found is None:
        hint = "Run `crm refresh`; this address then answers without a restart."
        raise Refused(503, "nothing_published", "Nothing has been published yet.", hint=hint)
    return found


def _narrowed(request: Request, found: OpenSnapshot, table: type[KpiTable]) -> tuple[OpenSnapshot, Narrowing]:
    """The snapshot of what `only=` asks for alone. Raises Refused where there is no such value, or no such figure."""
    asked = [text.partition(":") for text in request.query_params.getlist("only")]
    if not asked:
        return found, Narrowing()
    snapshots: Snapshots = request.app.state.snapshots
    try:
        narrowing = narrowing_of([(name, value) for name, _, value in asked], snapshots.choices(found))
    except UnknownValue as problem:
        names = ", ".join(DIMENSIONS)
        hint = f"Write only=<name>:<value>; names are {names}, a segment is only=segment:<field>:<value>."
        raise Refused(400, "unknown_value", f"only={problem}.", hint=hint) from None
    if not narrowing.tells(table.full_name()):
        message = f"No figure of {table.full_name()} can be told of {', '.join(sorted(narrowing.kinds))} alone."
        raise Refused(400, "not_narrowable", message, hint="Leave out `only`: its rows do not say whose they are.")
    return snapshots.narrowed(found, narrowing), narrowing


def _zone(request: Request) -> ZoneInfo:
    """The zone that days are local to: the snapshot's, the setting before there is one."""
    found: OpenSnapshot | None = request.app.state.snapshots.current()
    return zone_of(found.manifest.timezone if found else request.app.state.settings.timezone)


# The list of tables.


def _listed(table: type[KpiTable], found: OpenSnapshot) -> dict[str, object]:
    entry = found.manifest.tables.get(table.full_name())
    address = f"/api/v1/kpis/{table.table}"
    return {
        "table": table.full_name(),
        "description": table.description(),
        "pillar": table.pillar,
        "key": list(table.key),
        "period": table.period,
        "definition_version": table.version,
        "is_published": entry is not None,
        "rows": entry.rows if entry else 0,
        "coverage": entry.coverage if entry else None,
        "provisional_rows": (entry.provisional_rows or 0) if entry else 0,
        "columns": [
            {
                "name": name,
                "type": column.type.value,
                "unit": column.unit,
                "nullable": column.nullable,
                "description": column.description,
            }
            for name, column in published_columns(table).items()
        ],
        "links": {"json": address, "csv": f"{address}?format=csv", "arrow": f"{address}?format=arrow"},
    }


def _list(request: Request) -> Response:
    found = _snapshot(request)
    key = _list_key(found)
    headers = {"ETag": key[0], **_CACHING}
    if is_known(request, key[0]):
        return Response(status_code=304, headers=headers)
    known = _hot(request, found, key) or _list_answer(found)
    return Response(known.body, media_type=_FORMS["json"], headers=headers)


def _list_key(found: OpenSnapshot) -> tuple[str, str]:
    return tag("list", found.version, _software()), ""


def _list_answer(found: OpenSnapshot) -> KeptAnswer:
    manifest = found.manifest
    document = {
        "snapshot": found.snapshot.id,
        "as_of": found.as_of,
        "confirmed_at": found.confirmed_at,
        "timezone": manifest.timezone,
        "is_sandbox": manifest.is_sandbox,
        "tables": [_listed(table, found) for table in kpi_tables().values()],
    }
    return KeptAnswer(bytes(JSONResponse(document).body), {})


def _software() -> str:
    # A new version of the software may say the same figures in another shape.
    return version("crm_platform")


# One table.


@dataclass(frozen=True, slots=True)
class _Answer:
    """A page of rows and what is said beside it. `following`: the address of the next page, None on the last."""

    query: TableQuery
    found: OpenSnapshot
    rows: pa.Table
    total: int
    coverage: float | None
    provisional: int
    following: str | None

    def headers(self) -> dict[str, str]:
        """What a form that has no place for it says in headers."""
        headers = {
            "X-Snapshot": self.found.snapshot.id,
            "X-As-Of": self.found.as_of,
            "X-Coverage": "" if self.coverage is None else repr(self.coverage),
            "X-Total-Rows": str(self.total),
            "X-Provisional-Rows": str(self.provisional),
        }
        if self.found.confirmed_at:
            headers["X-Confirmed-At"] = self.found.confirmed_at
        if self.following:
            headers["Link"] = f'<{self.following}>; rel="next"'
        return headers

    def json(self) -> bytes:
        manifest = self.found.manifest
        document = {
            "table": self.query.table.full_name(),
            "definition_version": self.query.table.version,
            "snapshot": self.found.snapshot.id,
            "as_of": self.found.as_of,
            "confirmed_at": self.found.confirmed_at,
            "timezone": manifest.timezone,
            "is_sandbox": manifest.is_sandbox,
            "coverage": self.coverage,
            "provisional_rows": self.provisional,
            "total_rows": self.total,
            "next": self.following,
            "rows": _in_words(self.rows).to_pylist(),
        }
        return json.dumps(document, ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode()

    def csv(self) -> bytes:
        rows = _in_words(self.rows)
        columns = [column.to_pylist() for column in rows.columns]
        return csv_document(rows.column_names, zip(*columns, strict=True)).encode()

    def arrow(self) -> bytes:
        rows = self.rows
        for place, field in enumerate(rows.schema):
            if pa.types.is_timestamp(field.type):
                rows = rows.set_column(place, field.name, rows.column(place).cast(pa.timestamp("us", "UTC")))
        about = {
            "table": self.query.table.full_name(),
            "definition_version": str(self.query.table.version),
            "snapshot": self.found.snapshot.id,
            "as_of": self.found.as_of,
        }
        if self.found.confirmed_at:
            about["confirmed_at"] = self.found.confirmed_at
        rows = rows.replace_schema_metadata(about)
        written = io.BytesIO()
        with pa.ipc.new_stream(written, rows.schema) as stream:
            stream.write_table(rows)
        return written.getvalue()


def _in_words(rows: pa.Table) -> pa.Table:
    """Days as 2026-11-20, instants as 2026-11-20T06:00:00.000000Z."""
    for place, field in enumerate(rows.schema):
        column = rows.column(place)
        if pa.types.is_timestamp(field.type):
            rows = rows.set_column(place, field.name, pc.strftime(column, format="%Y-%m-%dT%H:%M:%SZ"))
        elif pa.types.is_date(field.type):
            rows = rows.set_column(place, field.name, column.cast(pa.string()))
    return rows


def _form(request: Request) -> str:
    """JSON, CSV or Arrow: by `format`, else by Accept. Raises Refused."""
    asked = request.query_params.get("format")
    if asked is not None:
        if asked not in _FORMS:
            raise Refused(400, "bad_format", "There is no such format.", hint=f"Write {', '.join(_FORMS)}.")
        return asked
    accept = request.headers.get("accept", "").strip()
    if not accept:
        return "json"
    wanted = sorted((_range(one) for one in accept.split(",")), key=lambda one: -one[1])
    for media_type, weight in wanted:
        for form, own in _FORMS.items():
            if weight > 0 and media_type in {own, f"{own.split('/')[0]}/*", "*/*"}:
                return form
    hint = f"Accept {', '.join(_FORMS.values())}, or add format=json."
    raise Refused(406, "not_acceptable", "This is not to be had in the form that Accept asks for.", hint=hint)


def _range(text: str) -> tuple[str, float]:
    media_type, *options = (part.strip().lower() for part in text.split(";"))
    weights = [option.removeprefix("q=") for option in options if option.startswith("q=")]
    try:
        return media_type, float(weights[0]) if weights else 1.0
    except ValueError:
        return media_type, 0.0


def _read(query: TableQuery, found: OpenSnapshot, parameters: list[tuple[str, str]]) -> _Answer:
    offset = query.offset(snapshot=found.snapshot.id)
    (summary,) = found.rows(query.summary(), query.values)
    rows = found.query(query.select(offset), query.values)
    following = None
    if offset + rows.num_rows < summary["total"] and rows.num_rows:
        cursor = query.cursor_to(offset + rows.num_rows, snapshot=found.snapshot.id)
        kept = [(name, text) for name, text in parameters if name != "cursor"]
        following = f"/api/v1/kpis/{quote(query.table.table)}?{urlencode([*kept, ('cursor', cursor)])}"
    return _Answer(
        query=query,
        found=found,
        rows=rows,
        total=summary["total"],
        coverage=summary["coverage"],
        provisional=summary["provisional"],
        following=following,
    )


def _table(request: Request) -> Response:
    table = find_table(request.path_params["table"])
    parameters = request.query_params.multi_items()
    asked = [(name, text) for name, text in parameters if name != "only"]
    query = parse_query(table, asked, zone=_zone(request))
    form = _form(request)
    found, narrowing = _narrowed(request, _snapshot(request), table)
    query = replace(query, identity=query.identity + repr(narrowing.chosen))
    if table.full_name() not in found.manifest.tables:
        hint = "It was declared after the last build: run `crm build`."
        raise Refused(503, "not_published", f"{table.full_name()} is not published yet.", hint=hint)
    # The tag says what is asked; the words of the question stand in the address of the next page.
    key = (_tag_of(query, found, form=form), request.url.query)
    headers = {"ETag": key[0], **_CACHING}
    if is_known(request, key[0]):
        return Response(status_code=304, headers=headers)
    kept: Kept = request.app.state.kept
    known = kept.get(key)
    if known is None:
        is_plain = form == "json" and {name for name, _ in parameters} <= {"cursor"}
        known = _hot(request, found, key) if is_plain else None
        known = known or _answer(query, found, parameters, form=form)
        kept.put(key, known)
    return Response(known.body, media_type=_FORMS[form], headers={**headers, **known.headers})


def _tag_of(query: TableQuery, found: OpenSnapshot, *, form: str) -> str:
    return tag(found.version, _software(), form, query.identity, str(query.limit), query.cursor or "")


def _answer(query: TableQuery, found: OpenSnapshot, parameters: list[tuple[str, str]], *, form: str) -> KeptAnswer:
    table = query.table
    try:
        answer = _read(query, found, parameters)
    except duckdb.BinderException:
        message = f"The published {table.full_name()} lacks a column that this version declares."
        raise Refused(503, "not_published", message, hint="Run `crm build`.") from None
    headers = answer.headers()
    if form != "json":
        extension = "arrows" if form == "arrow" else form
        headers["Content-Disposition"] = f'attachment; filename="{table.table}.{extension}"'
    return KeptAnswer(getattr(answer, form)(), headers)


# What stands ready in Redis.


def _hot(request: Request, found: OpenSnapshot, key: tuple[str, str]) -> KeptAnswer | None:
    hot: Hot = request.app.state.hot
    return hot.get(found.version, place_of(key), otherwise=lambda: answers(found))


def answers(found: OpenSnapshot) -> Answers:
    """The answers that stand ready: the list of tables, and all rows of each table as JSON, page by page, by place.

    Where they would be larger than MOST_BYTES, first pages come before others.
    """
    list_key = _list_key(found)
    ready = {place_of(list_key): _list_answer(found)}
    left = MOST_BYTES
    pages: list[tuple[type[KpiTable], list[tuple[str, str]]]] = [
        (table, []) for table in kpi_tables().values() if table.full_name() in found.manifest.tables
    ]
    zone, nothing = zone_of(found.manifest.timezone), repr(Narrowing().chosen)
    for table, parameters in pages:  # it grows meanwhile, by the pages that follow
        query = parse_query(table, parameters, zone=zone)
        query = replace(query, identity=query.identity + nothing)
        try:
            answer = _read(query, found, parameters)
        except duckdb.BinderException:
            continue  # declared after the last build: the file says so
        kept = KeptAnswer(answer.json(), answer.headers())
        left -= kept.size
        if left < 0:
            break
        ready[place_of((_tag_of(query, found, form="json"), urlencode(parameters)))] = kept
        if answer.following:
            pages.append((table, parse_qsl(urlsplit(answer.following).query)))
    return ready


# The receipt of one figure.


def _receipt(request: Request) -> Response:
    table = find_table(request.path_params["table"])
    key = dict(request.query_params)
    column, most = key.pop("column", ""), key.pop("limit", str(MOST_ROWS))
    limit = read_limit(most, most=MOST_ROWS, hint=f"Leave it out for the first {MOST_ROWS}.")
    key.pop("only", None)
    whole = _snapshot(request)
    found, narrowing = _narrowed(request, whole, table)
    etag = tag("receipt", found.snapshot.id, _software(), table.full_name(), str(request.query_params))
    headers = {"ETag": etag, **_CACHING}
    if is_known(request, etag):
        return Response(status_code=304, headers=headers)
    try:
        made_of = receipt(found, table.full_name(), key, column, limit=limit)
        # Of some contacts or agents alone no earlier value is kept.
        movement = (
            None
            if narrowing
            else moved_since(request.app.state.settings, whole, table.full_name(), key, column, limit=limit)
        )
    except (InvalidRequest, NotFound) as problem:
        hint = f"column and {', '.join(table.key) or 'no key'} name a figure of {table.full_name()}."
        raise Refused(404, "no_such_figure", str(problem), hint=hint) from None
    return JSONResponse({**made_of.to_dict(), "moved": movement and movement.to_dict()}, headers=headers)


# The description, and the audit log.


def _openapi(request: Request) -> Response:
    text = openapi.document_text()
    headers = {"ETag": tag(text), **_CACHING}
    if is_known(request, headers["ETag"]):
        return Response(status_code=304, headers=headers)
    return Response(text, media_type="application/json", headers=headers)


def _audit(request: Request) -> Response:
    asked = request.query_params.get("limit", str(openapi.AUDIT_LINES))
    limit = read_limit(asked, most=openapi.MOST_AUDIT_LINES, hint=f"Leave it out for the newest {openapi.AUDIT_LINES}.")
    read: Read = request.app.state.audit.newest(limit)
    document = {"lines": read.lines, "unreadable_lines": read.unreadable}
    return JSONResponse(document, headers={"Cache-Control": "no-store"})


def routes() -> list[BaseRoute]:
    """Routes of the API."""
    return [
        Route("/api/v1/kpis", _list, methods=["GET"]),
        Route("/api/v1/kpis/{table}", _table, methods=["GET"]),
        Route("/api/v1/kpis/{table}/receipt", _receipt, methods=["GET"]),
        Route("/api/v1/openapi.json", _openapi, methods=["GET"]),
        Route("/api/v1/audit", _audit, methods=["GET"]),
    ]
