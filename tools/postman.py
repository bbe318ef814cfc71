"""`python -m tools.postman`: the Postman collection, generated from the OpenAPI document.

What belongs here: turning docs/openapi.yaml into docs/crm-api.postman_collection.json, the same bytes each time. What
does not: anything the document does not say.

The collection runs from top to bottom on a fresh sandbox. The document's `links` say which answer holds the id that
another request needs: that answer's script sets a collection variable, and the request comes after it. Each script also
tests the status and the shape that the document promises.
"""

from __future__ import annotations

import json
import re
import sys
import uuid
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, TypeAlias

import yaml

Json: TypeAlias = dict[str, Any]  # a node of the document or of the collection

DOCUMENT: Final = Path("docs/openapi.yaml")
COLLECTION: Final = Path("docs/crm-api.postman_collection.json")
_STATUS_WORDS: Final = {"200": "OK", "201": "Created"}
_METHODS: Final = ("get", "post", "delete")
_FROM_ANSWER: Final = "$response.body#"
# What a JSON schema of the collection keeps: what an answer is held to, without words and formats.
_SHAPE: Final = ("type", "const", "enum", "required")


@dataclass(slots=True)
class _Step:
    """One operation of the document, and how it hangs together with the others."""

    name: str
    path: str
    method: str
    operation: Json
    status: str
    needs: Json = field(default_factory=dict)
    """Parameter → variable that an earlier answer sets."""
    body: object = None
    """A body that holds such variables, in place of the document's example."""
    gives: dict[str, str] = field(default_factory=dict)
    """Variable that this answer sets → JSON pointer of its value."""
    depth: int = 0
    """How many answers it has to wait for, one after the other."""


def collection(document: Json) -> Json:
    """Turn an OpenAPI document into a Postman collection (format v2.1.0): a folder a tag, a request an operation."""
    info, steps = document["info"], _steps(document)
    return {
        "info": {
            "_postman_id": str(uuid.uuid5(uuid.NAMESPACE_URL, f"{info['title']} {info['version']}")),
            "name": info["title"],
            "description": "Run it from top to bottom against a sandbox (`crm sandbox`): it writes, and sends a"
            f" campaign.\n\n{info['description']}",
            "schema": "https://schema.getpostman.com/json/collection/v2.1.0/collection.json",
        },
        "auth": {
            "type": "apikey",
            "apikey": [
                {"key": "key", "value": document["components"]["securitySchemes"]["key"]["name"], "type": "string"},
                {"key": "value", "value": "{{apiKey}}", "type": "string"},
                {"key": "in", "value": "header", "type": "string"},
            ],
        },
        "variable": [
            {"key": "baseUrl", "value": document["servers"][0]["url"], "type": "string"},
            {"key": "apiKey", "value": "sandbox", "type": "string"},
        ],
        "item": [
            {
                "name": tag["name"],
                "description": tag["description"],
                "item": [_item(document, step) for step in steps if step.operation["tags"][0] == tag["name"]],
            }
            for tag in document["tags"]
        ],
    }


def _steps(document: Json) -> list[_Step]:
    """Give the operations, each after those whose answers it needs; reads first, deletions last."""
    steps = {
        operation["operationId"]: _Step(
            operation["operationId"],
            path,
            method,
            operation,
            status="201" if "201" in operation["responses"] else "200",
        )
        for path, methods in document["paths"].items()
        for method, operation in methods.items()
    }
    links = [
        (source, steps[link["operationId"]], link)
        for source in steps.values()
        for link in source.operation["responses"][source.status].get("links", {}).values()
    ]
    for source, target, link in links:
        for parameter, expression in link.get("parameters", {}).items():
            target.needs[parameter] = _variable(source, expression)
        if "requestBody" in link:
            target.body = {
                key: _variable(source, value) if _is_from_answer(value) else value
                for key, value in link["requestBody"].items()
            }
    for _ in steps:  # a chain of links has no more of them than there are operations
        for source, target, _link in links:
            target.depth = max(target.depth, source.depth + 1)
    return sorted(steps.values(), key=lambda step: (step.depth, _METHODS.index(step.method)))


def _is_from_answer(value: object) -> bool:
    return isinstance(value, str) and value.startswith(_FROM_ANSWER)


def _variable(source: _Step, expression: str) -> str:
    """Name the variable that holds a part of an answer, and have that answer set it."""
    pointer = expression.removeprefix(_FROM_ANSWER)
    name = f"{source.name}.{pointer.rpartition('/')[2]}"
    source.gives[name] = pointer
    return f"{{{{{name}}}}}"


def _item(document: Json, step: _Step) -> Json:
    answer = _resolved(document, step.operation["responses"][step.status])
    return {
        "name": step.operation["summary"],
        "request": _request(document, step),
        "response": _examples(answer, step.status),
        "event": [{"listen": "test", "script": {"type": "text/javascript", "exec": _script(document, step, answer)}}],
    }


def _request(document: Json, step: _Step) -> Json:
    parameters = [_resolved(document, parameter) for parameter in step.operation.get("parameters", [])]
    values = {one["name"]: step.needs.get(one["name"], str(one["example"])) for one in parameters}
    # Postman writes :name where OpenAPI writes {name}.
    parts = re.sub(r"\{(\w+)\}", r":\1", step.path).strip("/").split("/")
    query = [{"key": one["name"], "value": values[one["name"]]} for one in parameters if one["in"] == "query"]
    variables = [{"key": one["name"], "value": values[one["name"]]} for one in parameters if one["in"] == "path"]
    raw = "{{baseUrl}}/" + "/".join(parts)
    if query:
        raw += "?" + "&".join(f"{one['key']}={one['value']}" for one in query)
    request: Json = {
        "method": step.method.upper(),
        "description": step.operation.get("description", step.operation["summary"]),
        "header": [{"key": "Accept", "value": "application/json"}],
        "url": {"raw": raw, "host": ["{{baseUrl}}"], "path": parts, "query": query, "variable": variables},
    }
    if "requestBody" in step.operation:
        examples = step.operation["requestBody"]["content"]["application/json"]["examples"]
        request["header"].append({"key": "Content-Type", "value": "application/json"})
        request["body"] = {
            "mode": "raw",
            "raw": _pretty(step.body or next(iter(examples.values()))["value"]),
            "options": {"raw": {"language": "json"}},
        }
    return request


def _script(document: Json, step: _Step, answer: Json) -> list[str]:
    """Write what is done with the answer: two tests, and a variable for each value that a later request needs."""
    shape = json.dumps(_shape(document, answer["content"]["application/json"]["schema"]))
    return [
        f'pm.test("{step.name} answers {step.status}", () => pm.response.to.have.status({step.status}));',
        f'pm.test("{step.name} has the shape", () => pm.response.to.have.jsonSchema({shape}));',
        *(
            f'pm.collectionVariables.set("{name}", pm.response.json(){_member(pointer)});'
            for name, pointer in step.gives.items()
        ),
    ]


def _member(pointer: str) -> str:
    """Write a JSON pointer in JavaScript."""
    return "".join(f"[{part}]" if part.isdigit() else f".{part}" for part in pointer.split("/")[1:])


def _shape(document: Json, schema: Json) -> Json:
    """Give what a good answer is held to: a JSON schema without references, and without the shape of a failure."""
    schema = _resolved(document, schema)
    shape: Json = {key: schema[key] for key in _SHAPE if key in schema}
    if "properties" in schema:
        shape["properties"] = {name: _shape(document, one) for name, one in schema["properties"].items()}
    if "items" in schema:
        shape["items"] = _shape(document, schema["items"])
    for key in ("oneOf", "allOf"):
        if key in schema:
            shapes = [_shape(document, one) for one in schema[key]]
            shape[key] = [one for one in shapes if one.get("properties", {}).get("success") != {"const": False}]
    return shape


def _examples(response: Json, status: str) -> list[Json]:
    """Show what the answer looks like when all went well; docs/crm-api.md lists the errors."""
    return [
        {
            "name": f"{status} {name.replace('_', ' ')}",
            "code": int(status),
            "status": _STATUS_WORDS[status],
            "header": [{"key": "Content-Type", "value": media_type}],
            "body": _pretty(example["value"]),
        }
        for media_type, content in response["content"].items()
        for name, example in content["examples"].items()
        if example["value"]["success"]
    ]


def _resolved(document: Json, node: Json) -> Json:
    reference = node.get("$ref")
    if reference is None:
        return node
    found: Any = document
    for part in reference.removeprefix("#/").split("/"):
        found = found[part]
    assert isinstance(found, dict)
    return found


def _pretty(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, indent=2, sort_keys=True)


def generate() -> str:
    """Give the collection's text for the document in docs/. The working directory is the checkout."""
    return _pretty(collection(yaml.safe_load(DOCUMENT.read_text(encoding="utf-8")))) + "\n"


if __name__ == "__main__":
    COLLECTION.write_text(generate(), encoding="utf-8")
    sys.stdout.write(f"wrote {COLLECTION}\n")
