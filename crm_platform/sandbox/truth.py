"""The truth: what a perfect sync of the sandbox would hold at a time.

What belongs here: every record as of a time, clean, in the contract's field names plus `kind` (and `chat_id` on
messages). What does not: anything a client could not have seen. So contacts that are gone are left out with their
messages, an empty text counts as absent (null), and records that are broken on purpose stand as kind `broken`, whole,
with what is broken about them (`of`: contact, campaign or message; `field`: the field that is unusable). Messages of a
contact whose record is broken cannot be found, nor the report of such a campaign, so they are left out too. A message
that stands in two present chats, as after contacts were merged, says in `also_in` which is the other.

An outbound message says in `written_by` what no client can know in general: who of the team wrote it, null for a
campaign's and the bot's.

Events are a truth of their own, as clients see only those that reach them: the plain form of each, with its
`event_id`, the API's `message_id` (null: it is of no message), and in `fates` what goes wrong with it on its way.

Times are ISO 8601 in UTC with microseconds. An operator event: `event` (`assigned`, `done`), `chat_id`, `at`, and
`operator_email` or `resolution_notes`.
"""

from __future__ import annotations

from collections.abc import Iterator

from crm_platform.sandbox.campaigns import SandboxCampaign
from crm_platform.sandbox.events import SandboxEvent
from crm_platform.sandbox.records import Record, clock_text, custom_field_record, written
from crm_platform.sandbox.shapes import Shapes
from crm_platform.sandbox.webhooks import Webhooks, plain
from crm_platform.sandbox.world import World


def _exactly(at: int) -> str:
    return clock_text(at) + "000Z"


def _line(kind: str, record: Record) -> Record:
    return {"kind": kind, **{name: None if value == "" else value for name, value in written(record, _exactly).items()}}


def _checked(shapes: Shapes, kind: str, record: Record) -> Record:
    field = shapes.break_of(kind, record)
    return _line(kind, record) if field is None else {**_line("broken", record), "of": kind, "field": field}


def truth(world: World, shapes: Shapes, *, at: int) -> Iterator[Record]:
    """Contacts, custom fields, campaigns, reports, operator events, messages. `at`: milliseconds."""
    reachable: list[int] = []
    for index in world.present(at):
        line = _checked(shapes, "contact", world.contact(index, at))
        if line["kind"] == "contact":
            reachable.append(index)
        yield line
    for field in world.custom_fields.existing(at):
        yield {"kind": "custom_field", **custom_field_record(field), "default_value": field.default}
    reported: list[SandboxCampaign] = []
    for campaign in world.campaigns.visible(at):
        line = _checked(shapes, "campaign", world.campaign(campaign, at))
        if line["kind"] == "campaign":
            reported.append(campaign)
        yield line
    for campaign in reported:
        yield _line("report", world.report(campaign, at))
    for moment, event in world.operator_events:
        if moment <= at:
            yield _line("operator_event", dict(event))
    for index in reachable:
        owner = world.people.ids.text(index)
        for message in world.history(index, at):
            record = world.message_record(index, message, at)
            other = world.also_in(index, message.message_id, at)
            also = {} if other is None else {"also_in": world.people.ids.text(other)}
            wrote = {} if message.is_inbound else {"written_by": world.writer(index, message)}
            yield {**_checked(shapes, "message", record), "chat_id": owner, **also, **wrote}


def event_line(event: SandboxEvent, webhooks: Webhooks | None) -> Record:
    """One event; `webhooks`: what posts it, None where nothing does."""
    fates = (
        () if webhooks is None else [name for name, is_so in webhooks.outbox.fates(event)._asdict().items() if is_so]
    )
    return {
        "kind": "event",
        **plain(event if webhooks is None else webhooks.as_sent(event)),
        "event_id": event.event_id,
        "message_id": event.properties.get("messageId"),
        "fates": fates,
    }
