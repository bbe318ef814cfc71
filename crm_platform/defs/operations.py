"""Jobs for what an operator does to the CRM, from Dagster's launchpad: one write of the API each.

What belongs here: what the launchpad asks for and explains, a rehearsal unless it is told otherwise, and that what the
CRM has done is booked as from a shell (ingest/operations.py). What does not: many at once (bulk/, by `crm`), deletions,
which are for a shell that asks first.

A write is never sent twice: a run whose outcome is not known fails and says where to look, and no run of these jobs is
started again by itself.
"""

import contextlib
import datetime as dt
import json
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Final

import dagster as dg
from pydantic import Field

from crm_platform.api import Answer, CrmClient, Fetch, Receiver
from crm_platform.api.rehearsal import rehearse
from crm_platform.defs.failures import in_dagsters_words
from crm_platform.defs.resources import Reporter
from crm_platform.errors import CrmPlatformError, FieldProblem, GiveUp, InvalidRequest, WriteUncertain
from crm_platform.ingest import connect
from crm_platform.ingest import operations as booking
from crm_platform.settings import Settings

_IDS: Final = ("chat_id", "custom_field_id", "campaign_id")


class Write(dg.Config):
    """One write: what it says, and whether it is sent. `look`: where a person sees whether it was done."""

    look: ClassVar[str]

    dry_run: bool = Field(
        default=True, description="true: only say in the log what would be sent. false: do it in the CRM."
    )

    def act(self, client: CrmClient) -> Answer[Any]:
        """Send it."""
        raise NotImplementedError

    def booked(self) -> Mapping[str, str | None] | None:
        """What figures count of it, as ingest.operations.record_operation takes it; None where they count nothing."""
        return None


class ReceiverOfCampaign(dg.Config):
    """Who gets a campaign."""

    whatsapp_number: str = Field(description="International number, such as +254712345678.")
    variables: dict[str, str] = Field(
        default={}, description='The template\'s variables by their number, such as {"1": "Amina", "2": "10%"}.'
    )


def _receivers(listed: Sequence[ReceiverOfCampaign]) -> list[Receiver]:
    return [Receiver(one.whatsapp_number, one.variables) for one in listed]


class AssignChat(Write):
    """Assigns a chat to an operator. Figures count it from the next build on."""

    look = "the chat in the CRM's inbox; assigning the same operator twice does no harm"

    chat_id: str = Field(description="The chat, as `crm contacts search` shows it.")
    operator_email: str = Field(description="The operator's e-mail address in the CRM.")
    pause_automation: bool | None = Field(
        default=None, description="Whether bots stop answering in this chat. Unset: as the CRM does by itself."
    )

    def act(self, client: CrmClient) -> Answer[Any]:
        """Assign it."""
        return client.assign_chat(self.chat_id, self.operator_email, pause_automation=self.pause_automation)

    def booked(self) -> Mapping[str, str | None]:
        """An assignment."""
        return {"kind": "assigned", "chat_id": self.chat_id, "operator_email": self.operator_email}


class ResolveChat(Write):
    """Marks a chat as done. Figures count it from the next build on."""

    look = "the chat in the CRM's inbox; marking it twice does no harm"

    chat_id: str = Field(description="The chat, as `crm contacts search` shows it.")
    notes: str | None = Field(default=None, description="What was done about it. Unset: no note.")
    operator_email: str | None = Field(
        default=None, description="Who resolved it; figures credit them. Unset: whom the chat is assigned to."
    )

    def act(self, client: CrmClient) -> Answer[Any]:
        """Mark it."""
        return client.mark_as_done(self.chat_id, resolution_notes=self.notes)

    def booked(self) -> Mapping[str, str | None]:
        """A mark as done."""
        return {"kind": "done", "chat_id": self.chat_id, "operator_email": self.operator_email, "note": self.notes}


class CreateContact(Write):
    """Creates a contact. Many at once: `crm contacts import`."""

    look = "crm contacts search --field whatsapp_number NUMBER"

    whatsapp_number: str = Field(description="International number, such as +254712345678.")
    name: str | None = Field(default=None, description="Display name. Unset: none.")
    email: str | None = Field(default=None, description="E-mail address. Unset: none.")
    custom_fields: dict[str, str] = Field(
        default={}, description='Values of custom fields by the field\'s name, such as {"City": "Embu"}.'
    )

    def act(self, client: CrmClient) -> Answer[Any]:
        """Create it."""
        return client.create_contact(
            self.whatsapp_number, name=self.name, email=self.email, custom_fields=self.custom_fields
        )


class CreateCustomField(Write):
    """Creates a custom field, which every contact then has."""

    look = "crm fields list"

    name: str = Field(description="The field's name, as people will see it.")
    type: str = Field(default="text", description="The field's type in the CRM.")
    required: bool | None = Field(default=None, description="Whether contacts must have it. Unset: as the CRM does.")
    default_value: str | None = Field(default=None, description="Value of contacts that have none. Unset: none.")

    def act(self, client: CrmClient) -> Answer[Any]:
        """Create it."""
        return client.create_custom_field(
            self.name, self.type, required=self.required, default_value=self.default_value
        )


class CreateCampaign(Write):
    """Creates a campaign: as a draft that waits for trigger_campaign, or, with scheduled_at, for its time."""

    look = "crm campaigns list"

    name: str = Field(description="The campaign's name.")
    template_name: str = Field(description="The approved template to send.")
    template_language: str | None = Field(default=None, description="The template's language, such as en.")
    scheduled_at: str | None = Field(
        default=None,
        description=(
            "When the CRM sends it, with its zone, such as 2026-04-03T09:00+03:00. Unset: not before the job "
            "trigger_campaign is run."
        ),
    )
    receivers: list[ReceiverOfCampaign] = Field(description="Who gets it; at least one.")

    def act(self, client: CrmClient) -> Answer[Any]:
        """Create it."""
        return client.create_campaign(
            self.name,
            template_name=self.template_name,
            template_language=self.template_language,
            receivers=_receivers(self.receivers),
            scheduled_at=_instant(self.scheduled_at),
        )


class CloneCampaign(Write):
    """Copies a campaign, as a draft, for other receivers."""

    look = "crm campaigns list"

    source_campaign_id: str = Field(description="The campaign to copy, as `crm campaigns list` shows it.")
    new_name: str = Field(description="The copy's name.")
    receivers: list[ReceiverOfCampaign] = Field(description="Who gets the copy; at least one.")

    def act(self, client: CrmClient) -> Answer[Any]:
        """Copy it."""
        return client.clone_campaign(
            self.source_campaign_id, new_name=self.new_name, receivers=_receivers(self.receivers)
        )


class TriggerCampaign(Write):
    """Starts a campaign: its messages go out to all of its receivers, and cannot be taken back."""

    look = "crm campaigns list"

    campaign_id: str = Field(description="The campaign, as `crm campaigns list` shows it.")

    def act(self, client: CrmClient) -> Answer[Any]:
        """Start it."""
        return client.trigger_campaign(self.campaign_id)


def _instant(text: str | None) -> dt.datetime | None:
    """Read a time. Raises InvalidRequest, which names the field, for what is none."""
    try:
        return None if text is None else dt.datetime.fromisoformat(text)
    except ValueError:
        told = FieldProblem("scheduled_at", "must be a time such as 2026-04-03T09:00+03:00")
        raise InvalidRequest("create campaign: the time cannot be read", details=[told]) from None


def _send(write: Write, settings: Settings) -> object:
    """Do it and book it. Raises as CrmClient does; what is raised after the CRM has done it is never worth a retry."""
    fetches: list[Fetch] = []
    with connect.open_client(settings, on_fetch=fetches.append) as client:
        try:
            answer = write.act(client)
        except CrmPlatformError as problem:
            with contextlib.suppress(CrmPlatformError):  # what went wrong matters more than its account
                booking.record_requests(settings, fetches)
            if isinstance(problem, WriteUncertain):
                raise WriteUncertain(f"{problem}; look before running it again: {write.look}") from None
            raise
    try:
        if (booked := write.booked()) is None:
            booking.record_requests(settings, fetches)
        else:
            booking.record_operation(settings, **booked, fetches=fetches)  # type: ignore[arg-type]
    except CrmPlatformError as problem:
        raise GiveUp(
            f"the CRM has done it, but it could not be recorded here ({problem}): figures will not count it. Do not run"
            " it again"
        ) from problem
    return answer.value


def _ids(write: Write, value: object) -> dict[str, str]:
    """What the run tells of it: ids of what was made, or of what it was about, and nobody's number or name."""
    found = {name: getattr(value, name, None) or getattr(write, name, None) for name in _IDS}
    return {name: str(one) for name, one in found.items() if one}


def _job(kind: type[Write], name: str) -> dg.JobDefinition:
    """A job of one op, whose launchpad opens with every field that there is to fill in."""
    description = (kind.__doc__ or "").strip()
    op_name = f"crm_{name}"  # Dagster wants another name than the job's

    @dg.op(name=op_name, description=description, config_schema=kind.to_config_schema().as_field())
    def op(
        context: dg.OpExecutionContext, settings: dg.ResourceParam[Settings], reporter: dg.ResourceParam[Reporter]
    ) -> None:
        write = kind(**context.op_config)
        with in_dagsters_words(reporter):
            planned = rehearse(write.act)
            if write.dry_run:
                body = json.dumps(planned.body, ensure_ascii=False, indent=2) if planned.body else ""
                context.log.info("a rehearsal, nothing is sent: %s %s\n%s", planned.method, planned.path, body)
                context.log.info("to do it, launch the run again with dry_run: false")
                return
            told = _ids(write, _send(write, settings))
        context.log.info("done: %s", told)
        context.add_output_metadata(told)

    @dg.job(
        name=name,
        description=f"{description} A rehearsal unless dry_run is false.",
        config={"ops": {op_name: {"config": _to_fill_in(kind)}}},
        # By default a run whose worker has died is started once more: that would send the write twice.
        tags={"dagster/max_retries": "0"},
    )
    def job() -> None:
        op()

    return job


def _to_fill_in(kind: type[Write]) -> dict[str, object]:
    """What the launchpad opens with: each field's default, or empty where it must be given; others are explained."""
    fields = {name: field for name, field in kind.model_fields.items() if field.default is not None}
    return {
        name: ([] if name == "receivers" else "") if field.is_required() else field.default
        for name, field in fields.items()
    }


OPERATION_JOBS: Final = tuple(
    _job(kind, name)
    for kind, name in (
        (AssignChat, "assign_chat"),
        (ResolveChat, "resolve_chat"),
        (CreateContact, "create_contact"),
        (CreateCustomField, "create_custom_field"),
        (CreateCampaign, "create_campaign"),
        (CloneCampaign, "clone_campaign"),
        (TriggerCampaign, "trigger_campaign"),
    )
)
