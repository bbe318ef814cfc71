"""The KPI API's OpenAPI 3.1 document, from the declared tables.

What belongs here: describing what kpi_api.py is asked. What does not: the shapes of answers (openapi_schemas.py),
answering; other languages' types (tools/).
"""

from __future__ import annotations

import functools
import json
from typing import Final

from crm_platform.models.generate import pools
from crm_platform.publish import published_columns
from crm_platform.receipts import figure_columns
from crm_platform.schemas import Column, KpiTable, Type
from crm_platform.serving.openapi_schemas import TYPES, Json, reference, schema_name, schemas
from crm_platform.serving.queries import DEFAULT_LIMIT, MOST_ROWS, RANGED, kpi_tables

_VERSION: Final = "1.1.0"
AUDIT_LINES: Final = 100
MOST_AUDIT_LINES: Final = 10_000
# A query may name a month for its first day, and an instant without its zone.
_ASKED: Final[dict[Type, Json]] = {
    Type.DATE: {"type": "string", "pattern": r"^[0-9]{4}-(0[1-9]|1[0-2])(-[0-9]{2})?$", "examples": ["2026-11-20"]},
    Type.TIMESTAMP: {"type": "string", "examples": ["2026-11-20T09:00:00Z", "2026-11-20"]},
    Type.TEXT: {"type": "string"},
    Type.JSON: {"type": "string"},
}
_ABOUT: Final = """\
The published KPI tables. Every answer comes from one snapshot, which never changes: its id, its cut (`as_of`) and the
share of the data it has seen (`coverage`) stand in every answer. A rate is a share from 0 to 1 and NULL where its
denominator is 0; a duration is in seconds; a day is local to the snapshot's `timezone`; an instant is UTC.

Filter by any column: `?weekday=0&weekday=1` keeps rows that equal one of the values,
`?day_from=2026-11-01&day_to=2026-12-01` keeps a range, its start included and its end excluded. A day where a column
holds instants is that local day: `?sent_at=2026-11-20` keeps what was sent on it. `order=-day` sorts, newest first.
Rows come in pages: follow `next` until it is null; it answers 409 once a newer snapshot is published, and you begin
again.

Send `If-None-Match` with the ETag of an earlier answer: 304 means that nothing has changed.

In CSV, texts that a spreadsheet would take for a formula begin with an apostrophe. JSON and Arrow hold them as they
are."""


def document() -> Json:
    """The whole document; the same tables give the same one."""
    tables = kpi_tables()
    return {
        "openapi": "3.1.0",
        "info": {"title": "KPI API", "version": _VERSION, "description": _ABOUT, "license": {"name": "Apache-2.0"}},
        "servers": [{"url": "/", "description": "The server that `crm serve` starts."}],
        "security": [{"bearer": []}, {"session": []}, {}],
        "tags": [{"name": pillar} for pillar in dict.fromkeys(table.pillar for table in tables.values())],
        "paths": {
            "/api/v1/kpis": {"get": _list_operation()},
            **{f"/api/v1/kpis/{name}": {"get": _operation(table)} for name, table in tables.items()},
            **{f"/api/v1/kpis/{name}/receipt": {"get": _receipt_operation(table)} for name, table in tables.items()},
            "/api/v1/audit": {"get": _audit_operation()},
            "/api/v1/openapi.json": {"get": _self_operation()},
        },
        "components": {
            "securitySchemes": {
                "bearer": {
                    "type": "http",
                    "scheme": "bearer",
                    "description": "The analysts' or admins' secret. Not needed where none is configured.",
                },
                "session": {"type": "apiKey", "in": "cookie", "name": "crm_session"},
            },
            "parameters": _parameters(),
            "headers": _headers(),
            "responses": _responses(),
            "schemas": schemas(tables.values()),
        },
    }


def document_text() -> str:
    """The document as it stands in docs/."""
    return _text(tuple(kpi_tables().values()))


@functools.lru_cache(maxsize=1)
def _text(_tables: tuple[type[KpiTable], ...]) -> str:
    return json.dumps(document(), ensure_ascii=False, indent=1) + "\n"


# Operations.


def _operation(table: type[KpiTable]) -> Json:
    row = {"type": "array", "items": reference("schemas", schema_name(table))}
    answer = {
        "allOf": [reference("schemas", "Answer"), {"type": "object", "properties": {"rows": row}}],
    }
    return {
        "operationId": table.table,
        "summary": f"kpi.{table.table}",
        "description": f"{table.description()} Key: {', '.join(table.key) or 'one row'}.",
        "tags": [table.pillar],
        "parameters": [
            *(reference("parameters", name) for name in ("only", "columns", "order", "limit", "cursor", "format")),
            *_filters(table),
        ],
        "responses": {
            "200": {
                "description": "Rows that match.",
                "headers": {name: reference("headers", name) for name in _headers()},
                "content": {
                    "application/json": {"schema": answer},
                    "text/csv": {"schema": {"type": "string"}},
                    "application/vnd.apache.arrow.stream": {"schema": {"type": "string", "format": "binary"}},
                },
            },
            **_refusals("304", "400", "401", "403", "406", "409", "503"),
        },
    }


_REFUSALS: Final = {
    "304": "NotModified",
    "400": "BadRequest",
    "401": "NotLoggedIn",
    "403": "RoleTooLow",
    "404": "NoSuchFigure",
    "406": "NotAcceptable",
    "409": "CursorOutdated",
    "503": "NothingPublished",
}


def _refusals(*statuses: str) -> Json:
    return {status: reference("responses", _REFUSALS[status]) for status in statuses}


def _as_json(description: str, schema: str, *, has_tag: bool = True) -> Json:
    """An answer that has one form."""
    tag = {"headers": {"ETag": reference("headers", "ETag")}} if has_tag else {}
    content = {"application/json": {"schema": reference("schemas", schema)}}
    return {"200": {"description": description, **tag, "content": content}}


def _filters(table: type[KpiTable]) -> list[Json]:
    """What keeps rows of a table; the columns that every KPI has are described once, in the components."""
    return [
        reference("parameters", one["name"]) if name in KpiTable.columns else one
        for name, column in published_columns(table).items()
        for one in _filters_by(name, column)
    ]


def _filters_by(name: str, column: Column) -> list[Json]:
    schema = _ASKED.get(column.type, TYPES[column.type])
    about = f"Keep rows whose {name} is one of these. {column.description}"
    many = {"schema": {"type": "array", "items": schema}, "style": "form", "explode": True}
    found = [{"name": name, "in": "query", "description": about, **many}]
    if column.type in RANGED:
        found += [
            {"name": f"{name}_from", "in": "query", "description": f"Keep {name} from here on.", "schema": schema},
            {"name": f"{name}_to", "in": "query", "description": f"Keep {name} before this.", "schema": schema},
        ]
    return found


def _receipt_operation(table: type[KpiTable]) -> Json:
    is_pooled = pools(table)
    key: list[Json] = [
        {
            "name": name,
            "in": "query",
            "required": not is_pooled,
            "description": f"Of the figure's row. {column.description}",
            "schema": _ASKED.get(column.type, TYPES[column.type]),
        }
        for name, column in table.columns.items()
        if name in table.key
    ]
    if is_pooled:
        words = {"day_from": "First day of a range, instead of day.", "day_to": "The day after the last of it."}
        schema = {"type": "string", "format": "date"}
        key += [{"name": name, "in": "query", "description": said, "schema": schema} for name, said in words.items()]
    if any(column.figure and column.figure.rows.measures for column in table.columns.values()):
        key += _bounds(table)
    figure = {
        "name": "column",
        "in": "query",
        "required": True,
        "description": "The figure.",
        "schema": {"type": "string", "enum": figure_columns(table)},
    }
    return {
        "operationId": f"{table.table}_receipt",
        "summary": f"What one figure of kpi.{table.table} is made of, and why it moved",
        "tags": [table.pillar],
        "parameters": [*key, figure, reference("parameters", "only"), reference("parameters", "receipt_limit")],
        "responses": _as_json("The receipt.", "Receipt") | _refusals("404", "304", "400", "401", "403", "503"),
    }


def _bounds(table: type[KpiTable]) -> list[Json]:
    """What bounds the rows behind a figure, where they have a measure."""
    counts = [column.figure for column in table.columns.values() if column.figure]
    measures = list(dict.fromkeys(name for figure in counts for name in figure.rows.measures))
    side = {"type": "number", "minimum": 0}
    return [
        {
            "name": "at_least",
            "in": "query",
            "description": "Only rows whose measure is this or more; durations are in seconds.",
            "schema": side,
        },
        {"name": "below", "in": "query", "description": "Only rows whose measure is less.", "schema": side},
        {
            "name": "measure",
            "in": "query",
            "description": "The measure that bounds are of.",
            "schema": {"type": "string", "enum": measures, "default": measures[0]},
        },
    ]


def _audit_operation() -> Json:
    return {
        "operationId": "audit",
        "summary": "The newest lines of the audit log; for admins",
        "parameters": [reference("parameters", "audit_limit")],
        "responses": {
            **_as_json("What left the house, and who came in, newest first.", "AuditLog", has_tag=False),
            **_refusals("400", "401", "403"),
        },
    }


def _list_operation() -> Json:
    return {
        "operationId": "list_kpis",
        "summary": "Every KPI table, its columns and its coverage",
        "responses": _as_json("The tables.", "TableList") | _refusals("304", "401", "403", "503"),
    }


def _self_operation() -> Json:
    return {
        "operationId": "openapi",
        "summary": "This document",
        "responses": {
            "200": {"description": "OpenAPI 3.1.", "content": {"application/json": {"schema": {"type": "object"}}}},
            **_refusals("304", "401", "403"),
        },
    }


# Components.


def _parameters() -> Json:
    return (
        {
            name: {"name": name, "in": "query", "description": description, "schema": schema}
            for name, description, schema in (
                (
                    "only",
                    "Figures of these alone; of one kind either, of several kinds all. What cannot be told is NULL.",
                    {
                        "type": "array",
                        "items": {"type": "string"},
                        "examples": [["agent:amina", "segment:city:Mombasa"]],
                    },
                ),
                ("columns", "Only these columns, comma-separated, in this order.", {"type": "string"}),
                (
                    "order",
                    "Sort by these columns, comma-separated; a minus before a name sorts downwards. Default: the key.",
                    {"type": "string", "examples": ["-day"]},
                ),
                (
                    "limit",
                    "Most rows of a page.",
                    {"type": "integer", "minimum": 1, "maximum": MOST_ROWS, "default": DEFAULT_LIMIT},
                ),
                ("cursor", "The page after another: follow `next` instead of writing it.", {"type": "string"}),
                (
                    "format",
                    "The form of the answer, before the Accept header.",
                    {"type": "string", "enum": ["json", "csv", "arrow"]},
                ),
            )
        }
        | {
            "receipt_limit": {
                "name": "limit",
                "in": "query",
                "description": "Most rows and requests listed; figure and digest are of all of them.",
                "schema": {"type": "integer", "minimum": 1, "maximum": MOST_ROWS, "default": MOST_ROWS},
            },
            "audit_limit": {
                "name": "limit",
                "in": "query",
                "description": "Most lines.",
                "schema": {"type": "integer", "minimum": 1, "maximum": MOST_AUDIT_LINES, "default": AUDIT_LINES},
            },
        }
        | {one["name"]: one for name, column in KpiTable.columns.items() for one in _filters_by(name, column)}
    )


def _headers() -> Json:
    return {
        name: {"description": description, "schema": {"type": "string"}}
        for name, description in (
            ("ETag", "Tells this answer from others: the snapshot's id and the question."),
            ("Link", 'Address of the next page, as `<…>; rel="next"`; absent on the last.'),
            ("X-Snapshot", "Id of the snapshot."),
            ("X-As-Of", "The snapshot's cut."),
            ("X-Coverage", "Smallest coverage of the rows that match; empty when not known."),
            ("X-Total-Rows", "Rows that match, on all pages."),
            ("X-Provisional-Rows", "How many of them are provisional."),
        )
    }


def _responses() -> Json:
    refusal = {"application/json": {"schema": reference("schemas", "Problem")}}
    words = {
        "BadRequest": "A parameter is wrong; the message names it, the hint says what to write.",
        "NotLoggedIn": "No secret, or a wrong one.",
        "RoleTooLow": "The secret belongs to a role that may not do this.",
        "NotAcceptable": "None of the three forms is acceptable.",
        "CursorOutdated": "A newer snapshot was published, or other parameters were given: begin again.",
        "NoSuchFigure": "No figure has this column and this key; the message names the nearest.",
        "NothingPublished": "Nothing, or not this table, has been published yet.",
    }
    return {
        "NotModified": {"description": "The answer that If-None-Match names still stands."},
        **{name: {"description": description, "content": refusal} for name, description in words.items()},
    }
