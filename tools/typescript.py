"""TypeScript types of the KPI API, from its OpenAPI document.

What belongs here: turning the document's schemas into interfaces. What does not: a client; `fetch` is enough of one.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any, Final

Json = dict[str, Any]

_HEAD: Final = """\
// Types of the KPI API, generated from docs/kpi-api.openapi.json by `make docs`. Do not edit.
//
//   const response = await fetch("/api/v1/kpis/response_times_daily?day_from=2026-11-01");
//   const answer: KpiAnswer<"response_times_daily"> = await response.json();
//   answer.rows[0].response_seconds_median; // number | null
//
// A row has every column, unless `columns` names some: then write
//   Answer<Pick<ResponseTimesDaily, "day" | "waits">>
"""
_SCALARS: Final = {"string": "string", "integer": "number", "number": "number", "boolean": "boolean", "null": "null"}


def types(document: Json) -> str:
    """The text of the .d.ts file: an interface a schema, the tables by name, what each can be filtered by."""
    schemas: Json = document["components"]["schemas"]
    lines = [_HEAD]
    for name, schema in schemas.items():
        is_answer = name == "Answer"
        generic = "<Row = Record<string, unknown>>" if is_answer else ""
        lines += [
            *_comment(schema, ""),
            f"export interface {name}{generic} {{",
            *_members(schema, "  ", rows="Row[]" if is_answer else None),
            "}",
            "",
        ]
    operations = {
        path.removeprefix("/api/v1/kpis/"): methods["get"]
        for path, methods in document["paths"].items()
        if path.startswith("/api/v1/kpis/") and not path.endswith("/receipt")
    }
    lines += ["/** The row of each table, by the table's name in the address. */", "export interface KpiRows {"]
    lines += [f"  {_key(table)}: {_row_of(operation)};" for table, operation in operations.items()]
    lines += ["}", "", "export type KpiTable = keyof KpiRows;", ""]
    lines += ["/** What GET /api/v1/kpis/{table} answers. */"]
    lines += ["export type KpiAnswer<Name extends KpiTable> = Answer<KpiRows[Name]>;", ""]
    lines += ["/** What each table's address takes behind its question mark. */", "export interface KpiQueries {"]
    for table, operation in operations.items():
        lines += [f"  {_key(table)}: {{", *_query(document, operation, "    "), "  };"]
    return "\n".join([*lines, "}", ""])


def _row_of(operation: Json) -> str:
    _, own = operation["responses"]["200"]["content"]["application/json"]["schema"]["allOf"]
    reference: str = own["properties"]["rows"]["items"]["$ref"]
    return reference.rpartition("/")[2]


def _members(schema: Json, indent: str, *, rows: str | None = None) -> Iterator[str]:
    for name, member in schema["properties"].items():
        yield from _comment(member, indent)
        yield f"{indent}{_key(name)}: {rows if rows and name == 'rows' and _is_open(member) else _type(member)};"


def _is_open(member: Json) -> bool:
    # The rows of an answer, whose shape is the table's.
    return bool(member.get("items") == {"type": "object"})


def _query(document: Json, operation: Json, indent: str) -> Iterator[str]:
    for given in operation["parameters"]:
        name = given.get("$ref", "").rpartition("/")[2]
        parameter = document["components"]["parameters"][name] if name else given
        schema = parameter["schema"]
        kind = _type(schema)
        if schema.get("type") == "array":
            kind = f"{_type(schema['items'])} | {kind}"
        yield f"{indent}{_key(parameter['name'])}?: {kind};"


def _type(schema: Json) -> str:
    if "$ref" in schema:
        reference: str = schema["$ref"]
        return reference.rpartition("/")[2]
    if "enum" in schema:
        return " | ".join(json.dumps(value) for value in schema["enum"])
    if "oneOf" in schema:
        return " | ".join(_type(one) for one in schema["oneOf"])
    kinds = schema["type"] if isinstance(schema["type"], list) else [schema["type"]]
    return " | ".join(_of_kind(kind, schema) for kind in kinds)


def _of_kind(kind: str, schema: Json) -> str:
    if kind == "array":
        inner = _type(schema["items"])
        return f"({inner})[]" if " | " in inner else f"{inner}[]"
    if kind == "object":
        if "properties" not in schema:
            return "Record<string, unknown>"
        members = " ".join(f"{_key(name)}: {_type(member)};" for name, member in schema["properties"].items())
        return f"{{ {members} }}"
    return _SCALARS[kind]


def _key(name: str) -> str:
    return name if re.fullmatch(r"[A-Za-z_$][\w$]*", name) else json.dumps(name)


def _comment(schema: Json, indent: str) -> Iterator[str]:
    words = schema.get("description", "")
    if unit := schema.get("x-unit"):
        words = f"{words} [{unit}]"
    if words:
        yield f"{indent}/** {words.replace('*/', '*∕')} */"
