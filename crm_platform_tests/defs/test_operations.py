"""The jobs of an operator's writes, run in this process against a sandbox: rehearsed, done, booked, refused."""

from __future__ import annotations

import dagster as dg
import httpx
import pytest

from crm_platform.api import OPERATIONS
from crm_platform.defs.graph import build_defs
from crm_platform.defs.operations import OPERATION_JOBS, Write
from crm_platform.errors import Busy
from crm_platform.ingest import operations as booking
from crm_platform_tests.api.inprocess import SandboxTransport, connect, make_sandbox

NUMBER = "+254799000111"
OPERATOR = "otieno@example.com"
RECEIVERS = [{"whatsapp_number": NUMBER, "variables": {"1": "Amina"}}]
# What each needs; where it is about something that is there, `here` puts its id in.
ASKED = {
    "assign_chat": {"chat_id": "c", "operator_email": OPERATOR, "pause_automation": True},
    "resolve_chat": {"chat_id": "c", "notes": "paid", "operator_email": OPERATOR},
    "create_contact": {"whatsapp_number": NUMBER, "name": "Zoë", "custom_fields": {"City": "Embu"}},
    "create_custom_field": {"name": "Ward", "required": False},
    "create_campaign": {
        "name": "N",
        "template_name": "t",
        "receivers": RECEIVERS,
        "scheduled_at": "2027-04-03T09:00+03:00",
    },
    "clone_campaign": {"source_campaign_id": "c", "new_name": "N2", "receivers": RECEIVERS},
    "trigger_campaign": {"campaign_id": "c"},
}


class Place:
    """Runs jobs of a graph whose CRM is a sandbox without a socket."""

    def __init__(self, settings, instance) -> None:
        self.defs = build_defs(settings)
        self.instance = instance
        self.sandbox = make_sandbox()
        self.transport: httpx.BaseTransport = SandboxTransport(self.sandbox)
        self.booked: list[dict] = []
        self.requests: list[str] = []
        self.trouble: Exception | None = None

    def open_client(self, settings, *, on_fetch):
        return connect(self.transport, on_fetch=on_fetch)

    def record_requests(self, settings, fetches) -> None:
        if self.trouble:
            raise self.trouble
        self.requests += [fetch.operation for fetch in fetches]

    def record_operation(self, settings, *, fetches, **details) -> None:
        self.record_requests(settings, fetches)
        self.booked.append(details)

    def run(self, job: str, **config):
        return self.defs.resolve_job_def(job).execute_in_process(
            instance=self.instance, run_config={"ops": {f"crm_{job}": {"config": config}}}, raise_on_error=False
        )

    def here(self, job: str) -> dict:
        """The configuration of a job, about a chat or a draft that is there."""
        config = dict(ASKED[job])
        with connect(SandboxTransport(self.sandbox)) as client:
            if "chat_id" in config:
                config["chat_id"] = client.list_contacts(limit=1).records[0].chat_id
            for name in {"source_campaign_id", "campaign_id"} & config.keys():
                from crm_platform.api import Receiver

                draft = client.create_campaign("D", template_name="t", receivers=[Receiver(NUMBER, {})])
                config[name] = draft.value.campaign_id
        return config

    def said(self, run) -> str:
        return "\n".join(event.user_message or "" for event in self.instance.all_logs(run.run_id))


@pytest.fixture
def place(settings, instance, monkeypatch) -> Place:
    place = Place(settings, instance)
    monkeypatch.setattr("crm_platform.ingest.connect.open_client", place.open_client)
    monkeypatch.setattr(booking, "record_requests", place.record_requests)
    monkeypatch.setattr(booking, "record_operation", place.record_operation)
    return place


def failure(run) -> dg.Failure:
    """What a failed run says of its one step."""
    (event,) = [event for event in run.all_events if event.is_step_failure]
    return event.step_failure_data.user_failure_data


@pytest.mark.parametrize("job", ASKED)
def test_every_write_is_a_rehearsal_unless_told(place, job):
    config = place.here(job)
    before = place.sandbox.stats().requests
    run = place.run(job, **config)
    assert run.success
    assert place.sandbox.stats().requests == before
    assert (place.requests, place.booked) == ([], [])
    said = place.said(run)
    assert "a rehearsal, nothing is sent: POST /crm/" in said
    assert "dry_run: false" in said


@pytest.mark.parametrize("job", ASKED)
def test_every_write_is_done_once(place, job):
    run = place.run(job, **place.here(job), dry_run=False)
    assert run.success, failure(run)
    assert len(place.requests) == 1
    assert OPERATIONS[place.requests[0]].is_write
    assert "done: {'" in place.said(run)
    assert NUMBER not in place.said(run)


def test_what_figures_count_is_booked_as_from_a_shell(settings, instance, monkeypatch, place):
    monkeypatch.undo()
    monkeypatch.setattr("crm_platform.ingest.connect.open_client", place.open_client)
    chat = place.here("assign_chat")["chat_id"]
    for job in ("assign_chat", "resolve_chat"):
        assert place.run(job, **ASKED[job] | {"chat_id": chat}, dry_run=False).success
    from crm_platform.ingest import open_warehouse

    with open_warehouse(settings).reading() as session:
        events = session.query("select kind, chat_id, agent, source, note from raw.operator_events order by fetch_id")
        requests = session.query("select operation from ops.fetches order by fetch_id")["operation"].to_pylist()
    assert [tuple(row.values()) for row in events.to_pylist()] == [
        ("assigned", chat, OPERATOR, "platform", None),
        ("done", chat, OPERATOR, "platform", "paid"),
    ]
    assert requests == ["assign_chat", "mark_as_done"]


def test_a_new_contact_is_the_one_that_was_described(place):
    run = place.run("create_contact", **ASKED["create_contact"], email="z@example.com", dry_run=False)
    assert run.success
    with connect(SandboxTransport(place.sandbox)) as client:
        (made,) = client.search_contacts("whatsapp_number", NUMBER, "equal to").records
    assert (made.name, made.email, made.custom_fields["City"]) == ("Zoë", "z@example.com", "Embu")


@pytest.mark.parametrize(
    ("job", "changed", "told"),
    [
        ("create_contact", {"whatsapp_number": "0712"}, "whatsapp_number: must be an international number"),
        ("create_contact", {"whatsapp_number": ""}, "whatsapp_number: must be an international number"),
        ("assign_chat", {"operator_email": "otieno"}, "operator_email: must be an e-mail address"),
        ("assign_chat", {"chat_id": ""}, "chat_id: must name one"),
        ("create_campaign", {"receivers": []}, "receivers: must name at least one"),
        ("create_campaign", {"scheduled_at": "soon"}, "scheduled_at: must be a time such as"),
        ("create_campaign", {"scheduled_at": "2027-04-03T09:00"}, "scheduled_at: needs a time zone"),
    ],
)
def test_what_makes_no_sense_fails_before_anything_is_sent(place, job, changed, told):
    for dry_run in (True, False):
        run = place.run(job, **ASKED[job] | changed, dry_run=dry_run)
        assert not run.success
        assert told in failure(run).description
    assert place.requests == []


def test_what_the_crm_refuses_is_told_in_its_words(place):
    place.run("create_contact", **ASKED["create_contact"], dry_run=False)
    run = place.run("create_contact", **ASKED["create_contact"], dry_run=False)
    assert "whatsapp_number: is a contact already" in failure(run).description
    run = place.run("resolve_chat", chat_id="nobody", dry_run=False)
    assert "HTTP 404" in failure(run).description
    assert place.booked == []
    assert len(place.requests) == 3


@pytest.mark.parametrize("trouble", [None, Busy("the warehouse is locked")])
def test_a_write_without_a_clear_answer_is_not_sent_again(place, trouble):
    sent = []

    def answer(request: httpx.Request) -> httpx.Response:
        sent.append(request)
        return httpx.Response(502)

    place.transport, place.trouble = httpx.MockTransport(answer), trouble
    run = place.run("trigger_campaign", campaign_id="c", dry_run=False)
    assert "look before running it again: crm campaigns list" in failure(run).description
    assert len(sent) == 1


def test_what_was_done_and_could_not_be_booked_is_not_done_again(place):
    config = place.here("assign_chat")
    before = place.sandbox.stats().requests
    place.trouble = Busy("the warehouse is locked")
    run = place.run("assign_chat", **config, dry_run=False)
    assert "the CRM has done it, but it could not be recorded here" in failure(run).description
    assert "Do not run it again" in failure(run).description
    assert place.sandbox.stats().requests == before + 1


@pytest.mark.parametrize("job", OPERATION_JOBS, ids=lambda job: job.name)
def test_the_launchpad_explains_itself(job):
    assert "A rehearsal unless dry_run is false." in job.description
    (node,) = job.nodes
    assert node.definition.description
    fields = node.definition.config_schema.config_type.fields
    assert fields["dry_run"].default_value is True
    for name, field in fields.items():
        assert field.description, f"{job.name}: {name}"
    filled_in = job.run_config["ops"][node.name]["config"]
    assert filled_in.items() >= {"dry_run": True}.items()
    required = {name for name, field in fields.items() if field.is_required}
    assert required <= filled_in.keys(), "every field that must be given is there"
    assert job.tags["dagster/max_retries"] == "0", "a worker that dies may have sent it"


def test_a_word_that_is_no_field_is_refused(place):
    with pytest.raises(dg.DagsterInvalidConfigError, match="operator"):
        place.run("assign_chat", chat_id="c", operator=OPERATOR)


def test_every_write_but_deletions_has_a_job():
    writes = {name for name, one in OPERATIONS.items() if one.is_write and not name.startswith("delete_")}
    assert {job.name for job in OPERATION_JOBS} == writes - {"mark_as_done"} | {"resolve_chat"}
    assert {"mark_as_done"} <= writes
    assert len(Write.__subclasses__()) == len(OPERATION_JOBS)
