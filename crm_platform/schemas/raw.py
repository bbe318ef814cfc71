"""Raw tables: what the CRM's API sent, each record once, at its newest version, and nothing lost.

What belongs here: the declarations. A raw table holds the contract's fields, converted where that is exact, and
everything else in `extra`; the last ones hold what people said here by hand. What does not: cleaning (ingest/), meaning
(core/).
"""

from __future__ import annotations

from typing import ClassVar, Final

from crm_platform.schemas.base import RawTable, count, date, flag, integer, json, text, timestamp


class Record(RawTable):
    """A record that the API sends again and again: each once, at its newest version."""

    extra = json("Every other field the API sent, as JSON.", nullable=True, stays_raw=True)
    first_fetched_at = timestamp("Start of the request that first brought the record.", merge="first")
    fetched_at = timestamp("Start of the request that brought this version.")
    first_fetch_id = integer("Request (ops.fetches) that first brought the record.", merge="first")
    fetch_id = integer("Request (ops.fetches) that brought this version.")


class Contacts(Record):
    """Contacts, one row a chat; contacts that are gone keep their row (their presence is in contact_sightings)."""

    key = ("chat_id",)

    chat_id = text("The contact's chat, and the contact's key.", published="chat")
    whatsapp_number = text(
        "E.164 number; another spelling of it, and an id that is no number, are in extra.",
        nullable=True,
        stays_raw=True,
    )
    email = text("E-mail address.", nullable=True, stays_raw=True)
    name = text("Display name.", nullable=True, stays_raw=True)
    custom_fields = json("Custom field values: text to text, or to a list of texts.", nullable=True)
    status = text("Status as the API sent it, in lower case.", nullable=True)
    region = text("ISO country code of the number; NULL when the number tells none.", nullable=True)
    created_at = timestamp("Creation time, where the API sends one.", nullable=True, is_told=True)
    created_at_was_naive = flag("created_at came without a zone and was read as UTC.")


class ContactSweeps(RawTable):
    """One row a sweep over the contact list that ended, complete or not."""

    key = ("sweep_id",)
    seen_at = "ended_at"

    sweep_id = integer("Number of the sweep: the id of its first request.")
    started_at = timestamp("Start of its first request.")
    ended_at = timestamp("End of its last request.")
    first_reported_total = count("pagination.total of the first page.", nullable=True)
    reported_total = count("pagination.total of the last page.", nullable=True)
    seen_contacts = count("Distinct contacts seen.")
    rejected_contacts = count("Records that had to be quarantined.")
    requests = count("Pages asked for.")
    is_complete = flag(
        "Every page to the end, and seen at least the smaller of the first and last reported total, or just the same "
        "contacts as the sweep before that came to the end."
    )
    seen_digest = text("SHA-256 of what it saw; NULL where it did not come to the end of the list.", nullable=True)
    missing_contacts = count(
        "Contacts that were there and that it did not list; one that is not complete, or rejected a record, misses "
        "nobody.",
        nullable=True,
    )
    is_suspicious = flag(
        "An empty list while anybody was there, or one that misses more than a fifth (and more than 20, or more than "
        "half of fewer than 40). NULL: stored by a version that did not judge.",
        nullable=True,
    )
    needs_acceptance = flag(
        "Suspicious, and no other sweep can confirm it: an empty list, or one that is short of the CRM's own total.",
        nullable=True,
    )
    counted_at = timestamp(
        "Since when whom it misses counts as missing: its own end, for a suspicious one the end of the sweep that "
        "confirmed it, or when it was accepted. NULL: not, or not yet.",
        nullable=True,
    )
    accepted_by = text("Who accepted a suspicious one by hand.", nullable=True)

    FULL: ClassVar[str] = "(is_complete and rejected_contacts = 0)"
    """SQL: somebody may be missing from it."""

    COUNTS: ClassVar[str] = f"({FULL} and (counted_at is not null or not coalesce(is_suspicious, seen_contacts = 0)))"
    """SQL: whom it misses counts as missing. Of rows of versions that did not judge, an empty list does not count."""

    LAST_COUNTED: ClassVar[str] = f"(select coalesce(max(sweep_id), 0) from raw.contact_sweeps where {COUNTS})"
    """SQL: the newest sweep that counts, and so settles all before it; 0 = none."""

    WAITS: ClassVar[str] = f"({FULL} and not {COUNTS} and sweep_id > {LAST_COUNTED})"
    """SQL: suspicious, and neither confirmed, accepted nor contradicted yet."""


class ContactSightings(RawTable):
    """Changes between sweeps: a row when a contact appears in one, or a complete one that rejects nothing lacks it."""

    key = ("chat_id", "sweep_id")
    seen_at = "at"

    chat_id = text("The contact.", published="chat")
    sweep_id = integer("The sweep that noticed.")
    at = timestamp("started_at of that sweep.")
    is_present = flag(
        "Seen (true), or missing from a complete sweep (false), which counts when raw.contact_sweeps says so."
    )


CONTACTS_PRESENT: Final = f"""
    select sightings.chat_id as chat_id
    from (
        select chat_id, sweep_id, is_present, "at",
            row_number() over (partition by chat_id order by sweep_id desc) as newest
        from raw.contact_sightings
    ) as sightings
    left join (
        select chat_id, max("at") as deleted_at from raw.operator_events where kind = 'contact_deleted' group by chat_id
    ) as deletions on deletions.chat_id = sightings.chat_id
    where sightings.newest = 1
        and (sightings.is_present or sightings.sweep_id > {ContactSweeps.LAST_COUNTED})
        and (deletions.deleted_at is null or deletions.deleted_at <= sightings."at")
"""
"""SQL: contacts that are there, as they stood at the newest sweep that noticed them.

Whom a sweep missed that does not count is missing for the next one that does, unless it sees them: until then they are
there. A contact deleted here since then is absent: if it comes back, that is noticed.
"""


class CustomFields(Record):
    """Custom field definitions of the tenant."""

    key = ("custom_field_id",)

    custom_field_id = text("The field's id.")
    name = text("The field's name.", nullable=True)
    type = text("The field's type.", nullable=True)
    required = flag("Whether a contact must have it.", nullable=True)


class Campaigns(Record):
    """Campaigns at their newest version."""

    key = ("campaign_id",)

    campaign_id = text("The campaign.")
    name = text("The campaign's name.", nullable=True)
    status = text("draft, scheduled, active, in_progress, completed or failed; a new value is kept.", nullable=True)
    created_at = timestamp("Creation time, where the API sends one.", nullable=True, is_told=True)
    scheduled_at = timestamp("When it is or was due.", nullable=True, is_told=True)
    total_recipients = integer("Recipients by the campaign itself.", nullable=True)


class CampaignStatuses(RawTable):
    """Every status a campaign was seen in, at the request that first saw it."""

    key = ("campaign_id", "observed_at")
    seen_at = "observed_at"

    campaign_id = text("The campaign.")
    observed_at = timestamp("Start of the request that saw the status.")
    status = text("The status.", nullable=True)
    is_change = flag("A change that was observed; false for the status a campaign was first seen in.")
    fetch_id = integer("Request (ops.fetches) that saw it.")


class CampaignReports(RawTable):
    """Campaign reports: a snapshot whenever the content changed."""

    key = ("campaign_id", "first_fetched_at")

    campaign_id = text("The campaign.")
    first_fetched_at = Record.first_fetched_at
    last_fetched_at = timestamp("Start of the last request that still brought the same content.")
    content_hash = text("SHA-256 of the report's figures: what else it says may differ each time.")
    name = text("The campaign's name by the report.", nullable=True)
    total_recipients = integer("Recipients.", nullable=True)
    delivered = integer("Delivered.", nullable=True)
    read = integer("Read.", nullable=True)
    replied = integer("Replied.", nullable=True)
    failed = integer("Failed.", nullable=True)
    delivery_rate = text("The API's own text.", nullable=True)
    read_rate = text("The API's own text.", nullable=True)
    reply_rate = text("The API's own text.", nullable=True)
    extra = Record.extra
    first_fetch_id = Record.first_fetch_id
    fetch_id = Record.fetch_id


class Messages(Record):
    """Messages, one row a message of a chat, with the furthest delivery status seen."""

    key = ("chat_id", "message_id")

    chat_id = text("The chat.", published="chat")
    message_id = text("The message.", published="message")
    timestamp = timestamp("When it was sent.", is_told=True)
    timestamp_was_naive = flag("The timestamp came without a zone and was read as UTC.")
    is_future_dated = flag("Dated more than 5 minutes after the request that first brought it: kept, in no figure.")
    direction = text("inbound or outbound.", allowed=("inbound", "outbound"))
    type = text("text, image, document, audio, video, template; a new value is kept.", nullable=True)
    status = text("sent, delivered, read, received or failed; never moves backwards.", nullable=True, merge="status")
    sender = text("Who sent it, where the API says so.", nullable=True)
    sender_key = text("The form that senders are compared in: one spelling for all of its spellings.", nullable=True)
    content = text("The text.", nullable=True, stays_raw=True)
    is_opt_out = flag("Inbound, and its text is one of CRM_OPT_OUT_WORDS; decided before a text is dropped.")
    opt_out_word = text("Which of them.", nullable=True)
    duplicate_of = text(
        "The chat that the same message is kept in, as after contacts were merged; NULL for the one that is kept.",
        nullable=True,
        merge="decided",
        published="chat",
    )


class OperatorEvents(RawTable):
    """Assignments, marks as done and deletions that went through this platform or came as events."""

    key = ("event_id",)
    seen_at = "at"

    event_id = text("Key of the event.")
    kind = text("What was done.", allowed=("assigned", "done", "contact_deleted"))
    chat_id = text("The chat.", published="chat")
    agent = text("The operator's e-mail address or id: the assignee, or who marked it.", nullable=True)
    agent_key = text("The form that operators are compared in: one spelling for all of its spellings.", nullable=True)
    at = timestamp("When it was done.")
    source = text("platform (done here) or event (a webhook said so).", allowed=("platform", "event"))
    note = text("Resolution notes.", nullable=True, stays_raw=True)
    fetch_id = integer("Request (ops.fetches) that did it.", nullable=True)
    known_at = timestamp("When the event that says so came; NULL of what was done here.", nullable=True)


class Events(RawTable):
    """Events that the CRM, or WhatsApp, sent by webhook, each once. They may come late, out of order, or never."""

    key = ("event_id",)
    seen_at = "received_at"

    OF_FIGURES: ClassVar = ("message.sent", "agent.handoff", "csat.submitted")
    """Events that figures are made of; what the others tell, figures have from the API."""

    event_id = text("Key of the event: a digest of the id it bears, else of what it says.")
    event = text("message.received, chat.assigned, …")
    source = text("Who sent it.", nullable=True, allowed=("crm", "whatsapp"))
    chat_id = text("The chat, as the event names it or by the contact's number.", nullable=True, published="chat")
    message_id = text("The message, where the event names it.", nullable=True, published="message")
    agent = text("The operator's e-mail address or id, where the event names one.", nullable=True)
    agent_key = text("The form that operators are compared in: one spelling for all of its spellings.", nullable=True)
    whatsapp_number = text("The contact's number.", nullable=True, stays_raw=True)
    happened_at = timestamp("When it happened, by the event.", is_told=True)
    received_at = timestamp("When it came.", merge="first")
    score = integer(
        "What was answered to a survey, from 1 to 5: its rating, else its score; NULL where it is none.",
        nullable=True,
        minimum=1,
        maximum=5,
    )
    properties = json("Everything else it said.", nullable=True, stays_raw=True)


class AgentCorrections(RawTable):
    """What people said of staff's identifiers by hand: of each identifier the newest counts."""

    key = ("correction_id",)
    seen_at = "at"

    correction_id = integer("Number of the correction, from 1.", minimum=1)
    kind = text("merge: it is another agent's, too. split: it is nobody else's.", allowed=("merge", "split"))
    alias = text("The identifier, normalised.")
    agent = text("An identifier of the agent whose it is, normalised; NULL of a split.", nullable=True)
    at = timestamp("When it was said.")
    who = text("Who said it.")


class OptOutRejections(RawTable):
    """What people said of opt-outs by hand: of each word and message the newest counts."""

    key = ("kind", "value", "at")
    seen_at = "at"

    kind = text("Whether a word or one message.", allowed=("word", "message"))
    value = text("The word as raw.messages has it, or the message's id.")
    at = timestamp("When it was said.")
    who = text("Who said it.")
    is_rejected = flag("It is no opt-out (true), or is one after all (false).")


class Notes(RawTable):
    """Notes on days, for the charts: an outage, a promotion."""

    key = ("note_id",)
    seen_at = "at"

    note_id = integer("Number of the note, from 1.", minimum=1)
    day = date("The local day it is about.")
    at = timestamp("When it was written.")
    who = text("Who wrote it.")
    removed_at = timestamp("When it was taken away; NULL while it stands.", nullable=True)
    removed_by = text("Who took it away.", nullable=True)
    text = text("What happened.")


FETCHED: Final[tuple[type[RawTable], ...]] = (
    Contacts,
    ContactSweeps,
    CustomFields,
    Campaigns,
    CampaignReports,
    Messages,
)
"""What a run fetches from the CRM. The other raw tables follow from these, or are written when something is done."""

UNASKED: Final[tuple[type[RawTable], ...]] = (OperatorEvents, Events)
"""What no run fetches: what was done through this platform, and what came by webhook."""

BY_CHAT: Final[tuple[type[RawTable], ...]] = (Messages, OperatorEvents, Events)
"""Tables of many rows a chat: of each commit it is noted which chats it changed them of (ops.changes)."""
