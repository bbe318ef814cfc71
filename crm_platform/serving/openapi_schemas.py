"""The shapes of the KPI API's answers, as JSON Schema, for its OpenAPI document.

What belongs here: what an answer, a row, a receipt and a refusal hold. What does not: which operation gives which
(openapi.py).
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

from crm_platform.publish import published_columns
from crm_platform.schemas import Column, KpiTable, Type

Json = dict[str, Any]
TYPES: Final[dict[Type, Json]] = {
    Type.TEXT: {"type": "string"},
    Type.JSON: {"type": "string"},
    Type.INTEGER: {"type": "integer", "format": "int64"},
    Type.FLOAT: {"type": "number", "format": "double"},
    Type.BOOLEAN: {"type": "boolean"},
    Type.TIMESTAMP: {"type": "string", "format": "date-time"},
    Type.DATE: {"type": "string", "format": "date"},
}


def schema_name(table: type[KpiTable]) -> str:
    """What the shape of a table's row is called."""
    return table.__name__


def reference(kind: str, name: str) -> Json:
    """A component, told once, by its name."""
    return {"$ref": f"#/components/{kind}/{name}"}


def _nullable(schema: Json) -> Json:
    return {**schema, "type": [schema["type"], "null"]}


def _object(properties: Json, description: str) -> Json:
    return {"type": "object", "description": description, "required": list(properties), "properties": properties}


def schemas(tables: Iterable[type[KpiTable]]) -> Json:
    """Every shape by its name: those of all tables, and a row of each."""
    text, whole = {"type": "string"}, {"type": "integer", "minimum": 0}
    snapshot = {
        "snapshot": {**text, "description": "Id of the snapshot."},
        "as_of": {**text, "format": "date-time", "description": "Its cut: nothing later counts."},
        "confirmed_at": {
            **_nullable(text),
            "format": "date-time",
            "description": "When these figures were last found to stand; null: not since they were published.",
        },
        "timezone": {**text, "description": "Days, months, weekdays and hours are local to this zone."},
        "is_sandbox": {"type": "boolean", "description": "The data is made up."},
    }
    coverage: Json = {"type": ["number", "null"], "minimum": 0, "maximum": 1}
    return {
        "Problem": _object(
            {
                "error": _object(
                    {
                        "code": {**text, "description": "A word for programs."},
                        "message": {**text, "description": "What is wrong."},
                        "hint": {**text, "description": "What to do instead."},
                    },
                    "Why there is no answer.",
                )
            },
            "A refusal.",
        ),
        "Answer": _object(
            {
                "table": {**text, "description": "Full name of the table."},
                "definition_version": {"type": "integer", "description": "Version of its definition."},
                **snapshot,
                "coverage": {**coverage, "description": "Smallest coverage of the rows that match; null: not known."},
                "provisional_rows": {**whole, "description": "How many rows that match are provisional."},
                "total_rows": {**whole, "description": "Rows that match, on all pages."},
                "next": {"type": ["string", "null"], "description": "Address of the next page."},
                "rows": {"type": "array", "items": {"type": "object"}},
            },
            "A page of rows, and what they come from.",
        ),
        "Column": _object(
            {
                "name": text,
                "type": {**text, "enum": [one.value for one in Type]},
                "unit": {"type": ["string", "null"]},
                "nullable": {"type": "boolean"},
                "description": text,
            },
            "A column.",
        ),
        "Table": _object(
            {
                "table": text,
                "description": text,
                "pillar": text,
                "key": {"type": "array", "items": text},
                "period": {"type": ["string", "null"], "description": "The column of a row's day or month."},
                "definition_version": {"type": "integer"},
                "is_published": {"type": "boolean"},
                "rows": whole,
                "coverage": coverage,
                "provisional_rows": whole,
                "columns": {"type": "array", "items": reference("schemas", "Column")},
                "links": _object({"json": text, "csv": text, "arrow": text}, "Where its rows are."),
            },
            "A KPI table.",
        ),
        **_receipt_schemas(),
        "AuditLog": _object(
            {
                "lines": {
                    "type": "array",
                    "items": {"type": "object", "description": "Time, event, and what is known."},
                },
                "unreadable_lines": {
                    "type": "integer",
                    "minimum": 0,
                    "description": "Lines between these that a full disk or a crash has torn.",
                },
            },
            "Lines of the audit log.",
        ),
        "TableList": _object(
            {**snapshot, "tables": {"type": "array", "items": reference("schemas", "Table")}}, "Every KPI table."
        ),
        **{schema_name(table): _row(table) for table in tables},
    }


def _receipt_schemas() -> Json:
    text, whole = {"type": "string"}, {"type": "integer", "minimum": 0}
    moment = {**text, "format": "date-time"}
    value: Json = {"type": ["number", "string", "boolean", "null"]}
    key = {"type": "object", "description": "The key of its row."}
    rows = {"type": "array", "items": {"type": "object"}}
    figure = {"table": text, "key": key, "column": text}
    return {
        "Receipt": _object(
            {
                **figure,
                "value": value,
                "unit": _nullable(text),
                "meaning": {**text, "description": "The column's definition."},
                "table_meaning": {**text, "description": "The table's definition."},
                "definition_version": whole,
                "computed": {**_nullable(text), "description": "How it follows from the rows, as SQL over `behind`."},
                "sql": {**_nullable(text), "description": "The SELECT that filled the table."},
                "snapshot": text,
                "as_of": moment,
                "coverage": {"type": ["number", "null"], "minimum": 0, "maximum": 1},
                "is_provisional": {"type": "boolean"},
                "source": {**_nullable(text), "description": "The published table of the rows behind it."},
                "row_key": {"type": "array", "items": text},
                "used": {"type": "array", "items": text},
                "row_count": {**whole, "description": "Rows behind it."},
                "rows": {**rows, "description": "Their keys and used values; ids are pseudonyms."},
                "recomputed": {**value, "description": "The figure, computed again from just these rows."},
                "taken_from": {"type": "array", "items": _object(figure, "A figure that this one is taken from.")},
                "fetched": _object(
                    {
                        "requests": whole,
                        "first_at": _nullable(moment),
                        "last_at": _nullable(moment),
                        "by_operation": {"type": "object"},
                        "listed": rows,
                    },
                    "The requests that the rows came from.",
                ),
                "digest": {**text, "description": "SHA-256: equal inputs give equal digests."},
                "agrees": {"type": ["boolean", "null"], "description": "Whether the rows give the published value."},
                "moved": {
                    "description": "How it moved since an earlier kept snapshot; null when it has not.",
                    "oneOf": [reference("schemas", "Movement"), {"type": "null"}],
                },
            },
            "What one figure is made of.",
        ),
        "Movement": _object(
            {
                **figure,
                "then": value,
                "now": value,
                "earlier": {**text, "description": "Id of the earlier snapshot."},
                "earlier_as_of": moment,
                "current": text,
                "current_as_of": moment,
                "added": whole,
                "removed": whole,
                "changed": whole,
                "rows": rows,
                "reasons": {
                    "type": "array",
                    "items": _object({"kind": text, "words": text, "rows": whole}, "Why, and of how many rows."),
                },
                "has_moved": {"type": "boolean"},
            },
            "One figure in two snapshots.",
        ),
    }


def _row(table: type[KpiTable]) -> Json:
    return {
        "type": "object",
        "description": f"{table.description()} A row has every column, unless `columns` names some.",
        "additionalProperties": False,
        "properties": {name: _property(column) for name, column in published_columns(table).items()},
    }


def _property(column: Column) -> Json:
    schema = TYPES[column.type]
    unit = {"x-unit": column.unit} if column.unit else {}
    bounds = {
        word: bound for word, bound in (("minimum", column.minimum), ("maximum", column.maximum)) if bound is not None
    }
    allowed = {"enum": [*column.allowed, *([None] if column.nullable else [])]} if column.allowed else {}
    described = {**schema, **bounds, **allowed, "description": column.description, **unit}
    return _nullable(described) if column.nullable else described
