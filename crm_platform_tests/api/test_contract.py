"""Client, document and sandbox say the same: a change to one alone fails here."""

from __future__ import annotations

import contextlib
import inspect
import json
import re
from collections import Counter
from pathlib import Path
from typing import Any

import httpx
import pytest
import schemathesis
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator
from referencing import Registry, Resource
from referencing.jsonschema import DRAFT202012
from schemathesis import checks
from schemathesis.specs.openapi import checks as openapi_checks

from crm_platform import sandbox as sandbox_room
from crm_platform.api import OPERATIONS, CrmClient, Receiver
from crm_platform.errors import CrmPlatformError
from crm_platform_tests.api.inprocess import SandboxTransport, connect, make_sandbox
from tools import postman

ROOT = Path(__file__).parents[2]
DOCUMENT = ROOT / "docs" / "openapi.yaml"
DOC: dict[str, Any] = yaml.safe_load(DOCUMENT.read_text(encoding="utf-8"))
REGISTRY = Registry().with_resource("urn:crm", Resource(contents=DOC, specification=DRAFT202012))
NUMBER = "+254799000111"


def described() -> dict[str, tuple[str, str, dict[str, Any]]]:
    """operationId → (method, path, its description in the document)."""
    return {
        operation["operationId"]: (method.upper(), path, operation)
        for path, methods in DOC["paths"].items()
        for method, operation in methods.items()
    }


def follow(pointer: str) -> tuple[str, dict[str, Any]]:
    """Follow a pointer, and the reference it may lead to; gives the final pointer and what stands there."""
    node: Any = DOC
    for part in pointer.split("/")[1:]:
        node = node[part.replace("~1", "/").replace("~0", "~")]
    return follow(node["$ref"].removeprefix("#")) if "$ref" in node else (pointer, node)


def check(pointer: str, value: object) -> None:
    errors = sorted(
        Draft202012Validator({"$ref": f"urn:crm#{pointer}"}, registry=REGISTRY).iter_errors(value),
        key=lambda error: len(error.path),
    )
    assert not errors, f"{pointer}: {errors[0].message} at {list(errors[0].path)}"


class Checked(SandboxTransport):
    """Checks every request and every answer against the document on their way."""

    def __init__(self, sandbox) -> None:
        super().__init__(sandbox)
        self.seen: Counter[tuple[str, int]] = Counter()

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        name, pointer = self._operation(request)
        if request.read():
            check(f"{pointer}/requestBody/content/application~1json/schema", json.loads(request.content))
        response = super().handle_request(request)
        response.read()
        self.seen[name, response.status_code] += 1
        place, described = follow(f"{pointer}/responses/{response.status_code}")
        media_type = response.headers["content-type"].partition(";")[0]
        assert media_type in described["content"]
        if media_type == "application/json":
            try:
                document = json.loads(response.content)
            except ValueError:
                return response  # cut short on purpose
            check(f"{place}/content/application~1json/schema", document)
        return response

    def _operation(self, request: httpx.Request) -> tuple[str, str]:
        path = request.url.raw_path.decode().partition("?")[0]
        found = [
            operation
            for operation in OPERATIONS.values()
            if operation.method == request.method and re.fullmatch(re.sub(r"\{\w+\}", "[^/]+", operation.path), path)
        ]
        operation = min(found, key=lambda one: one.path.count("{"))
        return operation.name, f"/paths/{operation.path.replace('/', '~1')}/{operation.method.lower()}"


# The three name the same operations.


def test_document_client_and_sandbox_name_the_same_operations():
    assert {name: (method, path) for name, (method, path, _) in described().items()} == {
        name: (operation.method, operation.path) for name, operation in OPERATIONS.items()
    }
    assert dict(sandbox_room.OPERATIONS) == {name: (one.method, one.path) for name, one in OPERATIONS.items()}
    assert len(OPERATIONS) == 16
    public = {name for name, _ in inspect.getmembers(CrmClient, inspect.isfunction) if not name.startswith("_")}
    further = {"contact_pages", "message_pages", "campaign_pages", "available", "limits", "closed", "close"}
    assert public == {*OPERATIONS, *further}


# What a method's parameter is called in the request, where it is not the same.
RENAMED = {"field": "search_field", "value": "search_value", "resolution_notes": "metadata"}


@pytest.mark.parametrize("name", OPERATIONS)
def test_the_method_takes_what_the_document_describes(name):
    _, _, operation = described()[name]
    documented = {follow_parameter(parameter)["name"] for parameter in operation.get("parameters", [])}
    if "requestBody" in operation:
        schema = operation["requestBody"]["content"]["application/json"]["schema"]
        _, body = follow(schema["$ref"].removeprefix("#"))
        documented |= set(body["properties"])
    taken = set(inspect.signature(getattr(CrmClient, name)).parameters) - {"self", "retries"}
    assert {
        RENAMED.get(one, one) if name in ("search_contacts", "mark_as_done") else one for one in taken
    } == documented


def follow_parameter(parameter: dict[str, Any]) -> dict[str, Any]:
    return follow(parameter["$ref"].removeprefix("#"))[1] if "$ref" in parameter else parameter


# The document is right in itself.


def test_every_example_fits_its_schema():
    examples = 0
    for name, (method, path, operation) in described().items():
        base = f"/paths/{path.replace('/', '~1')}/{method.lower()}"
        if "requestBody" in operation:
            content = operation["requestBody"]["content"]["application/json"]
            assert content["examples"], name
            for example in content["examples"].values():
                check(f"{base}/requestBody/content/application~1json/schema", example["value"])
        for status in operation["responses"]:
            place, response = follow(f"{base}/responses/{status}")
            for media_type, content in response["content"].items():
                assert content["examples"], (name, status)
                for example in content["examples"].values():
                    check(f"{place}/content/{media_type.replace('/', '~1')}/schema", example["value"])
                    examples += 1
    assert examples > 100


@pytest.mark.parametrize("name", OPERATIONS)
def test_the_client_reads_every_example(name):
    """A good example gives a result, any other one error of the tree."""
    _, _, operation = described()[name]
    for status in operation["responses"]:
        _, response = follow(
            f"/paths/{OPERATIONS[name].path.replace('/', '~1')}/{OPERATIONS[name].method.lower()}/responses/{status}"
        )
        for media_type, content in response["content"].items():
            for example in content["examples"].values():
                value = example["value"]
                is_good = int(status) < 300 and value["success"]
                body = value.encode() if isinstance(value, str) else json.dumps(value).encode()
                answer = httpx.Response(int(status), content=body, headers={"Content-Type": media_type})
                with connect(httpx.MockTransport(lambda _, answer=answer: answer), retries=0) as client:
                    if is_good:
                        assert CALLS[name](client, "camp_41").fetch.outcome == "ok"
                    else:
                        with pytest.raises(CrmPlatformError):
                            CALLS[name](client, "camp_41")


# Each operation once, with the id it is about.
CALLS = {
    "list_contacts": lambda c, _: c.list_contacts(),
    "search_contacts": lambda c, _: c.search_contacts("whatsapp_number", "+254", "starts with"),
    "create_contact": lambda c, _: c.create_contact(NUMBER, name="Zoë", email="z@example.com"),
    "delete_contact": lambda c, i: c.delete_contact(i),
    "contact_custom_fields": lambda c, i: c.contact_custom_fields(i),
    "assign_chat": lambda c, i: c.assign_chat(i, "otieno@example.com", pause_automation=True),
    "mark_as_done": lambda c, i: c.mark_as_done(i, resolution_notes="done"),
    "list_messages": lambda c, i: c.list_messages(i, sort="oldest"),
    "list_custom_fields": lambda c, _: c.list_custom_fields(),
    "create_custom_field": lambda c, _: c.create_custom_field("Ward", required=False, default_value="-"),
    "delete_custom_field": lambda c, i: c.delete_custom_field(i),
    "list_campaigns": lambda c, _: c.list_campaigns(),
    "campaign_report": lambda c, i: c.campaign_report(i),
    "create_campaign": lambda c, _: c.create_campaign("N", template_name="t", receivers=[Receiver(NUMBER, {"1": "Z"})]),
    "clone_campaign": lambda c, i: c.clone_campaign(i, new_name="N2", receivers=[Receiver(NUMBER, {})]),
    "trigger_campaign": lambda c, i: c.trigger_campaign(i),
}


def test_the_postman_collection_is_generated_from_the_document():
    assert postman.collection(DOC) == json.loads((ROOT / postman.COLLECTION).read_text(encoding="utf-8")), (
        "run python -m tools.postman"
    )
    requests = [item["request"] for folder in postman.collection(DOC)["item"] for item in folder["item"]]
    assert len(requests) == len(OPERATIONS)
    assert all("{" not in "/".join(request["url"]["path"]) for request in requests)


def test_each_request_of_the_collection_comes_after_the_answers_it_needs():
    given, needed = {"baseUrl", "apiKey"}, set()
    for folder in postman.collection(DOC)["item"]:
        for item in folder["item"]:
            used = set(re.findall(r"\{\{([\w.]+)\}\}", json.dumps(item["request"])))
            assert used <= given, item["name"]
            needed |= used
            given |= set(re.findall(r'\.set\("([\w.]+)"', "".join(item["event"][0]["script"]["exec"])))
    assert needed == given - {"apiKey"}


def test_the_collection_is_written_where_it_is_committed(monkeypatch, tmp_path):
    monkeypatch.chdir(ROOT)
    assert postman.generate() == (ROOT / postman.COLLECTION).read_text(encoding="utf-8")


# The sandbox keeps the contract.


@pytest.mark.parametrize(
    "shapes", [(), ("flat-messages",), ("nested-messages",), ("no-created-at",), ("unknown-fields",)]
)
def test_every_operation_of_the_client_against_the_sandbox(shapes):
    transport = Checked(make_sandbox(shapes=shapes))
    with connect(transport) as client:
        chats = [contact.chat_id for page in client.contact_pages(limit=10) for contact in page.records]
        assert len(chats) >= 30
        for chat in chats[:8]:
            pages = list(client.message_pages(chat, limit=50))
            assert sum(len(page.records) for page in pages) == pages[0].total
            client.contact_custom_fields(chat)
        campaign = client.list_campaigns().records[0].campaign_id
        client.campaign_report(campaign)
        made = client.create_contact(NUMBER, name="Zoë", email="z@example.com", custom_fields={"City": "Embu"}).value
        assert client.search_contacts("whatsapp_number", NUMBER, "equal to").records == (made,)
        assert client.assign_chat(made.chat_id, "otieno@example.com").value.assigned_to == "otieno@example.com"
        client.mark_as_done(made.chat_id, resolution_notes="done")
        field = client.create_custom_field("Ward", "text", required=True, default_value="-").value
        assert field in client.list_custom_fields().records
        client.delete_custom_field(field.custom_field_id)
        draft = client.create_campaign("N", template_name="t", receivers=[Receiver(made.whatsapp_number, {})]).value
        copy = client.clone_campaign(draft.campaign_id, new_name="N2", receivers=[Receiver(NUMBER, {})]).value
        assert (draft.status, copy.status) == ("draft", "draft")
        assert client.trigger_campaign(copy.campaign_id).value.status in ("active", "in_progress")
        client.delete_contact(made.chat_id)
    assert {name for name, status in transport.seen if status < 300} == set(OPERATIONS)


ABOUT = [name for name, operation in OPERATIONS.items() if "{" in operation.path]


@pytest.mark.parametrize("name", OPERATIONS)
def test_refusals_of_the_sandbox_keep_the_contract(name):
    transport = Checked(make_sandbox(requests_per_minute=2))
    with connect(transport, key="wrong", retries=0) as client, pytest.raises(CrmPlatformError):
        CALLS[name](client, "nobody")
    with connect(transport, retries=0) as client:
        if name in ABOUT or name == "clone_campaign":
            with pytest.raises(CrmPlatformError):
                CALLS[name](client, "nobody")
        for _ in range(3):
            with contextlib.suppress(CrmPlatformError):
                CALLS[name](client, "nobody")
    statuses = {status for _, status in transport.seen}
    assert {401, 429} <= statuses
    assert 404 in statuses or (name not in ABOUT and name != "clone_campaign")


@pytest.mark.parametrize("fault", [name for name in sandbox_room.FAULTS if name != "drop"])
@pytest.mark.parametrize("name", ["list_contacts", "campaign_report", "create_contact", "delete_contact"])
def test_faults_of_the_sandbox_are_in_the_document(name, fault):
    sandbox = make_sandbox(fault_rate=1, faults=(fault,))
    with connect(Checked(sandbox), retries=0) as client, pytest.raises(CrmPlatformError):
        CALLS[name](client, next(sandbox.truth())["chat_id"] if "contact" in name else "camp")


# Whatever the document allows to be sent, and what it does not.

SCHEMA = schemathesis.openapi.from_dict(DOC)
FUZZED = {operation.ok().definition.raw["operationId"]: operation.ok() for operation in SCHEMA.get_all_operations()}
CHECKS = [
    checks.not_a_server_error,
    openapi_checks.status_code_conformance,
    openapi_checks.content_type_conformance,
    openapi_checks.response_headers_conformance,
    openapi_checks.response_schema_conformance,
]


@pytest.mark.parametrize("name", OPERATIONS)
def test_the_sandbox_answers_whatever_is_sent_as_documented(name):
    sandbox = make_sandbox()
    ids = {record["kind"]: record for record in sandbox.truth()}
    with connect(SandboxTransport(sandbox)) as client:
        draft = client.create_campaign("N", template_name="t", receivers=[Receiver(NUMBER, {})]).value
    real = {
        "chat_id": ids["contact"]["chat_id"],
        "campaign_id": draft.campaign_id,
        "custom_field_id": ids["custom_field"]["custom_field_id"],
    }
    statuses: Counter[int] = Counter()

    @settings(max_examples=15, deadline=None, derandomize=True, database=None, suppress_health_check=list(HealthCheck))
    @given(case=FUZZED[name].as_strategy(), is_about_something=st.booleans())
    def fuzz(case, is_about_something):
        if is_about_something:
            case.path_parameters = {key: real[key] for key in case.path_parameters or {}}
            if isinstance(case.body, dict) and "source_campaign_id" in case.body:
                case.body["source_campaign_id"] = draft.campaign_id
        request = case.as_transport_kwargs(base_url="http://crm.test")
        request = {
            key: request[key] for key in ("method", "url", "params", "json", "headers") if request.get(key) is not None
        }
        request["headers"] = {**dict(request.get("headers", {})), "API-KEY": "sandbox"}
        response = web.request(**request)
        statuses[response.status_code] += 1
        case.validate_response(response, checks=CHECKS)

    with httpx.Client(transport=SandboxTransport(sandbox)) as web:
        fuzz()
    assert set(statuses) & {200, 201}, statuses
