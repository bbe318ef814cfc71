"""Operational tables: requests, rejected records, the crawl's state.

What belongs here: the declarations. What does not: the request gate's own ledger (api/ledger.py keeps it apart, since
it must answer while this file is locked).
"""

from __future__ import annotations

from typing import Final

from crm_platform.schemas.base import OpsTable, count, date, flag, integer, json, number, text, timestamp


class Fetches(OpsTable):
    """Every request sent to the CRM, each attempt a row, committed with what it brought."""

    key = ("fetch_id",)
    seen_at = "started_at"

    fetch_id = integer("The request.")
    operation = text("Which of the API's operations.")
    target = text("The chat, campaign or field asked about.", nullable=True)
    page = integer("Page asked for.", nullable=True)
    page_size = integer("Records a page.", nullable=True)
    sort = text("newest or oldest.", nullable=True)
    attempt = integer("1 for the first try.", minimum=1)
    started_at = timestamp("When it was sent.")
    finished_at = timestamp("When the answer came, or was given up.")
    http_status = integer("HTTP status; NULL when no answer came.", nullable=True)
    outcome = text("ok, or what went wrong.")
    records = count("Records in the answer.")
    total = count("The total that the answer reported.", nullable=True)
    server_clock_skew_seconds = number(
        "Seconds by which the server's clock (its Date) is ahead of ours, 0 within 5 s; NULL where not known.",
        nullable=True,
        unit="s",
    )


class Quarantine(OpsTable):
    """Records that could not be kept, with the reason; each once, however often it is sent."""

    key = ("record_key",)
    seen_at = "first_fetched_at"

    record_key = text("SHA-256 of operation, target and the record's id (its text where it has none).", stays_raw=True)
    operation = text("Operation that brought it.")
    target = text("The chat or campaign it belongs to.", nullable=True)
    reason = text("Why it could not be kept.")
    raw = json("The record as it came.", stays_raw=True)
    first_fetched_at = timestamp("Start of the request that first brought it.", merge="first")
    fetched_at = timestamp("Start of the request that last brought it.")
    fetch_id = integer("That request.")


class CrawlState(OpsTable):
    """What the crawl knows of each chat. Never ahead of the rows: both are committed in one transaction.

    How many messages are stored or quarantined is counted from the rows themselves, so the two cannot disagree.
    """

    key = ("chat_id",)

    chat_id = text("The chat.")
    known_until = timestamp("Start of its last newest-page request; NULL before the first.", nullable=True)
    reported_total = count("Messages in the chat by that request.", nullable=True)
    newest_run = count("Records read without a gap from the newest end.")
    read_from_oldest = count("Records read without a gap from the oldest end.")
    is_history_whole = flag("All of it was read: as many records are held as the list has, but for `unreachable`.")
    proven_total = count("Total when the history was last proven whole.", nullable=True)
    failed_at = timestamp("Last time every try of a visit failed; NULL since the last success.", nullable=True)
    failure = text("Why.", nullable=True)
    pages_from_oldest = count("Pages of the history that are read, from the end that it is read from.", nullable=True)
    newest_run_since = timestamp(
        "Oldest message of the newest run: what is missing is older.", nullable=True, is_told=True
    )
    fell_short_at = timestamp("When the list was read to its end and held less than its total.", nullable=True)
    short_by = count("By how much.", nullable=True)
    is_read_back = flag(
        "The history is read from the newest end: a second time, or because the list has no total.", nullable=True
    )
    last_page = text("Digest of the last of these pages.", nullable=True)
    unreachable = count("Messages that the total counts and two readings to the end did not bring.", nullable=True)
    last_total = count("Messages in the chat when that page was read, or at a visit since then.", nullable=True)
    last_page_at = timestamp("When that was.", nullable=True)
    has_gap = flag("A page of these could not be had, and was left out.", nullable=True)


class Troubles(OpsTable):
    """What one chat, campaign report or page could not be had for, until it is had."""

    key = ("operation", "target")

    operation = text("What was asked.")
    target = text("The chat, the campaign, or the page of a list.")
    reason = text("What the answer was, or that none came.")
    since = timestamp("When it first could not be had.")
    last_at = timestamp("When it was last asked for.")
    times = count("How often the same reason came in a row.")
    retry_at = timestamp("When it is asked for again at the earliest.")
    over_at = timestamp("When it was had again; NULL while it is not.", nullable=True)


MISSED: Final = """
    select * from ops.troubles
    where over_at is null
    and not (operation = 'campaign_report' and target in (
        select campaign_id from raw.campaigns where status in ('draft', 'scheduled')
    ))
    order by since, operation, target
"""
"""What should be there and cannot be had: a campaign that has not been sent has no report, and misses none."""


class Meta(OpsTable):
    """What the warehouse knows of itself."""

    key = ("name",)

    name = text(
        "What: crm (whose data this is), rows (the version that its rows were brought up to), opt_out_words (what "
        "texts were compared with), duplicates (the newest request that messages in two chats were decided on), "
        "decided (when rows were last decided anew without a request)."
    )
    value = text("Its value.")
    changed_at = timestamp("When it was last set.")


DECIDED_ANEW: Final = "decided"
"""Name in ops.meta: when rows were last decided anew, without a request."""


class BulkSteps(OpsTable):
    """How far an import of contacts, or an assignment of many chats, is: what an interrupted one goes on from."""

    key = ("job", "item")

    job = text("What was asked for: a digest of the imported file, or of which chats go to whom.")
    item = text("The line of the file, or the chat.")
    state = text(
        "planned: to be done. begun: it may have been done. done. found: the contact was there already. refused: by "
        "the CRM.",
        allowed=("planned", "begun", "done", "found", "refused"),
    )
    number = text("Digits of the number to create a contact for.", nullable=True, stays_raw=True)
    chat_id = text("The chat that was assigned, or of the contact.", nullable=True, published="chat")
    operator_email = text("Who the chat goes to.", nullable=True)
    reason = text("Why the CRM refused it, in its own words.", nullable=True, stays_raw=True)
    at = timestamp("When that was noted.")


class Drift(OpsTable):
    """Fields and enum values the contract does not name, with how often they came."""

    key = ("record", "field", "value")

    record = text("Kind of record.")
    field = text("Field.")
    value = text("The unknown value; empty for an unknown field.")
    first_seen_at = timestamp("When it was first seen.", merge="first")
    last_seen_at = timestamp("When it was last seen.")
    occurrences = count("Records that carried it when last seen.")


class PlannerChats(OpsTable):
    """What the crawl planner remembers of each chat."""

    key = ("chat_id",)

    chat_id = text("The chat.")
    state = text("Its row of the planner's state, as JSON.", stays_raw=True)


class PlannerState(OpsTable):
    """What the crawl planner remembers of all chats together: rates learnt, activity by hour, tokens."""

    key = ("name",)

    name = text("Always planner.")
    state = text("The planner's global row, as JSON.", stays_raw=True)
    saved_at = timestamp("When.")


class Changes(OpsTable):
    """Of the newest commits, which chats each changed anything of: builds look at these chats alone."""

    key = ("number", "chat_id")

    number = integer("Commits that changed any are numbered from 1.", minimum=1)
    commit = text("Chosen at random: by it a commit is known from one of the same number in a restored backup.")
    chat_id = text("The chat; empty: any may have changed.", published="chat")
    is_other = flag("Its contact, sightings, crawl or quarantine changed, and no message or event.", nullable=True)


class ExpectedUnseen(OpsTable):
    """Messages that the planner expects to exist unseen, by local day, as of a build's cut."""

    key = ("day",)

    day = date("Local day.")
    messages = number("Expected messages other than templates.", nullable=True, minimum=0, unit="messages")


class Builds(OpsTable):
    """The cut that a build's tables share."""

    key = ("as_of",)

    as_of = timestamp("The cut.")
    started_at = timestamp("When the build began.")
    settings = json("Every setting that changes a figure.")
    is_sandbox = flag("The data is made up.")
    crm = text("Whose data it is: the CRM's host, port and path, or (sandbox).", nullable=True)
    number = integer("Builds of this store are numbered from 1.", nullable=True, minimum=1)
    basis = text("Digest of what decides a chat's rows besides its own data: code, settings, engine.", nullable=True)
    is_full = flag("Everything was computed anew.", nullable=True)
    chats = count("Chats with anything to compute from.", nullable=True)
    changed_chats = count("Chats that had changed since the build before; all of them in a full one.", nullable=True)
    excluded_contacts = count("Contacts left out on purpose (CRM_EXCLUDE_CONTACTS).", nullable=True)
    follows_from = text("Digest of all that it follows from, beside the time.", nullable=True)
    identity = text("Chosen at random: a build is known by it, whatever becomes of the store.", nullable=True)
    stands_on = text("Identity of the build before; NULL where nothing of it was kept.", nullable=True)
    meaning = text("Digest of what decides for all chats what their rows count for.", nullable=True)
    newest_change = text("The newest commit of ops.changes that it saw, by number and commit.", nullable=True)
    looked_at = count("Chats whose rows it looked at; NULL: all.", nullable=True)
    missed_chats = count("Of all chats, those that had changed and ops.changes did not say so.", nullable=True)


class ChatInputs(OpsTable):
    """What a build computes each chat from, as a digest, and the build that last found it changed."""

    key = ("chat_id",)

    chat_id = text("The chat.")
    digest = text("Rows, sum and exclusive or of the hashes of its frozen messages and events.", nullable=True)
    other_digest = text("The same of its other frozen rows.", nullable=True)
    changed_in = integer("Number of the build that found them changed.", minimum=1)
    known_until = timestamp("Start of its last newest-page request.", nullable=True)
    visited_in = integer("Number of the build that found this changed.", minimum=1, nullable=True)
    lines = integer("How many frozen rows it has.", minimum=1, nullable=True)
    other_lines = count("How many of them are no messages and events.", nullable=True)
    part = integer("Which part of all chats it is computed with, where memory does not hold all.", nullable=True)


class Pseudonyms(OpsTable):
    """The pseudonym under which each chat is published; that of no chat, '', tells by which key they were made."""

    key = ("chat_id",)

    chat_id = text("The chat.")
    pseudonym = text("32 hexadecimal digits.")


class ChosenChats(OpsTable):
    """The chats that a statement of a build is about: those that changed, or a part of them."""

    key = ("chat_id",)

    chat_id = text("The chat.")


class BuiltTables(OpsTable):
    """Tables whose rows are kept from build to build, each with the build that it stands for."""

    key = ("name",)

    name = text("The table.")
    build = integer("Number of that build.", minimum=1)
    since = integer("The build whose rows it kept, but for those that were touched.", nullable=True)
    touched = count("How many rows were.", nullable=True)
    frame = text("Digest of what decides its figures but the rows they are made of.", nullable=True)
