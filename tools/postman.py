"""`python -m tools.postman`: the Postman collection, generated from the OpenAPI document.

What belongs here: turning docs/openapi.yaml into docs/crm-api.postman_collection.json, the same bytes each time. What
does not: anything the document does not say.
"""

from __future__ import annotations

import json
import re
import sys
import uuid
from pathlib import Path
from typing import Any, Final, TypeAlias

import yaml

Json: TypeAlias = dict[str, Any]  # a node of the document or of the collection

DOCUMENT: Final = Path("docs/openapi.yaml")
COLLECTION: Final = Path("docs/crm-api.postman_collection.json")
_STATUS_WORDS: Final = {"200": "OK", "201": "Created"}


def collection(document: Json) -> Json:
    """Turn an OpenAPI document into a Postman collection (format v2.1.0): a folder a tag, a request an operation."""
    info = document["info"]
    folders: dict[str, Json] = {
        tag["name"]: {"name": tag["name"], "description": tag["description"], "item": []} for tag in document["tags"]
    }
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            folders[operation["tags"][0]]["item"].append(_item(document, path, method.upper(), operation))
    return {
        "info": {
            "_postman_id": str(uuid.uuid5(uuid.NAMESPACE_URL, f"{info['title']} {info['version']}")),
            "name": info["title"],
            "description": info["description"],
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
        "item": list(folders.values()),
    }


def _item(document: Json, path: str, method: str, operation: Json) -> Json:
    return {
        "name": operation["summary"],
        "request": _request(document, path, method, operation),
        "response": [
            example
            for status, response in sorted(operation["responses"].items())
            for example in _examples(_resolved(document, response), status)
        ],
    }


def _request(document: Json, path: str, method: str, operation: Json) -> Json:
    parameters = [_resolved(document, parameter) for parameter in operation.get("parameters", [])]
    # Postman writes :name where OpenAPI writes {name}.
    parts = re.sub(r"\{(\w+)\}", r":\1", path).strip("/").split("/")
    query = [{"key": one["name"], "value": str(one["example"])} for one in parameters if one["in"] == "query"]
    variables = [{"key": one["name"], "value": str(one["example"])} for one in parameters if one["in"] == "path"]
    raw = "{{baseUrl}}/" + "/".join(parts)
    if query:
        raw += "?" + "&".join(f"{one['key']}={one['value']}" for one in query)
    request: Json = {
        "method": method,
        "description": operation.get("description", operation["summary"]),
        "header": [{"key": "Accept", "value": "application/json"}],
        "url": {"raw": raw, "host": ["{{baseUrl}}"], "path": parts, "query": query, "variable": variables},
    }
    if "requestBody" in operation:
        examples = operation["requestBody"]["content"]["application/json"]["examples"]
        request["header"].append({"key": "Content-Type", "value": "application/json"})
        request["body"] = {
            "mode": "raw",
            "raw": _pretty(next(iter(examples.values()))["value"]),
            "options": {"raw": {"language": "json"}},
        }
    return request


def _examples(response: Json, status: str) -> list[Json]:
    examples = []
    for media_type, content in response["content"].items():
        for name, example in content["examples"].items():
            value = example["value"]
            examples.append(
                {
                    "name": f"{status} {name.replace('_', ' ')}",
                    "code": int(status),
                    "status": _STATUS_WORDS.get(status, response["description"]),
                    "header": [{"key": "Content-Type", "value": media_type}],
                    "body": value if isinstance(value, str) else _pretty(value),
                }
            )
    return examples


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
    return json.dumps(value, ensure_ascii=False, indent=2)


def generate() -> str:
    """Give the collection's text for the document in docs/. The working directory is the checkout."""
    return _pretty(collection(yaml.safe_load(DOCUMENT.read_text(encoding="utf-8")))) + "\n"


if __name__ == "__main__":
    COLLECTION.write_text(generate(), encoding="utf-8")
    sys.stdout.write(f"wrote {COLLECTION}\n")
