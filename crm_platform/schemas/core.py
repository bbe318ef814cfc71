"""Core tables: what KPIs are made of, by the words of kpi-definitions.md.

What belongs here: the declarations. A column that is not published is marked so, a table too (`is_published`). What
does not: the SQL that fills them (models/core/). The first four have none: a build's freeze writes them.
Receipts (receipts/) are made of the published ones: a column that a figure is computed from is published.
"""

from __future__ import annotations

from crm_platform.schemas.base import CoreTable, count, date, flag, integer, number, rate, seconds, text, timestamp


class Calendar(CoreTable):
    """Local days, from the oldest that a figure speaks of (and at least 100 days back) to that of the cut."""

    key = ("day",)
    rules = ("starts_at < ends_at",)

    day = date("Local day.")
    starts_at = timestamp("Its first instant.")
    ends_at = timestamp("The first instant of the next day: 23 or 25 hours later where clocks change.")


class BusinessHours(CoreTable):
    """Business hours of each day of the calendar; a day without any has one empty stretch. No rows if none are kept."""

    key = ("day", "stretch")
    is_published = False
    rules = ("opens_at <= closes_at",)

    day = date("Local day.")
    stretch = integer("1 for the day's first stretch.", minimum=1)
    opens_at = timestamp("When it begins.")
    closes_at = timestamp("When it ends.")
    seconds_before = seconds(
        "Business seconds of all earlier days, on the day's first stretch; 0 on the others.", nullable=False
    )


class ChatQuarantine(CoreTable):
    """How many records of each chat could not be kept."""

    key = ("chat_id",)
    is_published = False

    chat_id = text("The chat.", published="chat")
    records = count("Its records in quarantine by the cut.")


class AgentPairs(CoreTable):
    """Two identifiers of one operator that a message carried together."""

    key = ("alias", "agent")
    is_published = False

    alias = text("One identifier.")
    agent = text("Another one, on the same message.")


class AgentAliases(CoreTable):
    """Every identifier of an operator, and the one that stands for all of that operator's."""

    key = ("alias",)

    alias = text("E-mail address or agent id, as it came.")
    agent = text("The identifier figures use: an e-mail address where one is known to be the same operator's.")


class Messages(CoreTable):
    """Every stored message, with its place in its chat and conversation."""

    key = ("chat_id", "message_id")
    is_by_chat = True
    rules = ("is_counted == False or position >= 1", "is_counted == False or conversation_number >= 1")

    chat_id = text("The chat.", published="chat")
    message_id = text("The message.", published="message")
    timestamp = timestamp("When it was sent.")
    direction = text("inbound or outbound.", allowed=("inbound", "outbound"))
    type = text("text, image, document, audio, video, template, or what else came.", nullable=True)
    status = text("sent, delivered, read, received or failed: the furthest seen.", nullable=True)
    sender = text("Who sent it, where the API says so.", nullable=True, published="no")
    is_counted = flag("Dated by the cut and not flagged as future: stands in figures.")
    is_template = flag("Outbound of type template.")
    is_reply = flag("Outbound, no template, not failed, not sent by a bot.")
    position = count("Place among the chat's counted messages, from 1; 0 when not counted.", published="no")
    conversation_number = count("Conversation of the chat, from 1; 0 when not counted.", published="no")
    first_fetch_id = integer("Request that first brought it.")
    fetch_id = integer("Request that brought this version.")


class Chats(CoreTable):
    """What is known of each chat, and until when."""

    key = ("chat_id",)
    is_by_chat = True

    chat_id = text("The chat.", published="chat")
    known_until = timestamp(
        "Start of its last newest-page request by the cut: what is said of it is as of then.", nullable=True
    )
    is_history_whole = flag("Nothing older is missing.")
    stored_messages = count("Messages stored.")
    quarantined_messages = count("Its records in quarantine.")
    unreachable_messages = count(
        "Messages that the CRM counts and that two readings of the whole list, a day apart, did not bring."
    )
    oldest_counted_at = timestamp("Its oldest counted message.", nullable=True, published="no")
    last_inbound_at = timestamp("Its newest counted inbound message.", nullable=True)
    history_remainder = count("Messages known to exist and not stored.", published="no")
    remainder_until = timestamp("Up to when these may be dated.", nullable=True, published="no")


class ConversationSpans(CoreTable):
    """Conversations as far as their messages alone tell."""

    key = ("chat_id", "conversation_number")
    is_by_chat = True
    is_published = False
    rules = ("started_at <= ended_at",)

    chat_id = text("The chat.", published="chat")
    conversation_number = integer("Conversation of the chat, from 1.", minimum=1)
    first_message_id = text("Its first message.", published="message")
    started_at = timestamp("Its first message's time.")
    ended_at = timestamp("Its last message's time.")
    first_inbound_at = timestamp("Its first inbound message's time.", nullable=True)
    inbound_messages = count("Messages from the contact.")
    replies = count("Replies.")
    templates = count("Templates.")
    initiated_by = text("Who wrote first.", allowed=("contact", "business"))
    known_until = timestamp("The chat is known until then.", nullable=True)
    is_over = flag("Silent for longer than the gap, as far as is known.")
    is_left_truncated = flag("The oldest stored conversation of a chat whose history is not yet whole.")


class ResponseWaits(CoreTable):
    """Waits for a reply: from the oldest unanswered message to the next reply."""

    key = ("chat_id", "opening_message_id")
    is_by_chat = True
    rules = ("answered_at >= waiting_since",)

    chat_id = text("The chat.", published="chat")
    first_message_id = text("First message of its conversation.", published="message")
    opening_message_id = text("The inbound message it opens at.", published="message")
    closing_message_id = text("The reply that closes it.", nullable=True, published="message")
    waiting_since = timestamp("When it opened.")
    answered_at = timestamp("When the reply came.", nullable=True)
    response_seconds = seconds("How long it took.")
    business_response_seconds = seconds("The part inside business hours; NULL when none are kept.")
    is_first = flag("The first wait of its conversation.")
    state = text("What became of it.", allowed=("answered", "open", "missed", "trailing"))
    is_left_truncated = flag("Its conversation is the oldest stored of a chat whose history is not yet whole.")
    day = date("Local day of waiting_since.")
    conversation_number = integer("Conversation of the chat.", minimum=1, published="no")
    conversation_ended_at = timestamp("When its conversation ended.")
    known_until = timestamp("The chat is known until then.", nullable=True)


class Conversations(CoreTable):
    """Conversations: a silence longer than the gap starts a new one."""

    key = ("chat_id", "first_message_id")
    is_by_chat = True
    rules = ("started_at <= ended_at",)

    chat_id = text("The chat.", published="chat")
    first_message_id = text("Its first message.", published="message")
    conversation_number = integer("For display: older history may still arrive.", minimum=1)
    started_at = timestamp("Its first message's time.")
    ended_at = timestamp("Its last message's time.")
    inbound_messages = count("Messages from the contact.")
    replies = count("Replies.")
    templates = count("Templates.")
    initiated_by = text("Who wrote first.", allowed=("contact", "business"))
    is_over = flag("Silent for longer than the gap, as far as is known.")
    is_left_truncated = flag("The oldest stored conversation of a chat whose history is not yet whole.")
    resolved_at = timestamp("When it was resolved.", nullable=True)
    resolved_by = text("How it was resolved.", nullable=True, allowed=("operator", "quiet"))
    state = text("The first that applies.", allowed=("resolved", "waiting", "active", "missed", "quiet"))
    resolution_seconds = seconds("First inbound to resolved_at; NULL if negative or without inbound.")
    resolved_day = date("Local day of resolved_at.", nullable=True)
    ended_day = date("Local day of ended_at.")
    marker = text("Who marked it as done.", nullable=True, published="no")


class Work(CoreTable):
    """Replies and resolutions within the leaderboard's reach, each with the agent it is credited to."""

    key = ("kind", "chat_id", "message_id")

    kind = text("What was done.", allowed=("reply", "resolution"))
    chat_id = text("The chat.", published="chat")
    message_id = text("The reply, or the first message of the conversation.", published="message")
    done_at = timestamp("When.")
    day = date("Local day of it.")
    agent = text("The sender or marker, else the chat's assignee at that time.", nullable=True)


class Assignments(CoreTable):
    """Assignments of chats to operators, done here or told by events."""

    key = ("chat_id", "number")

    chat_id = text("The chat.", published="chat")
    number = integer("1 for the chat's first assignment.", minimum=1)
    assigned_at = timestamp("When.")
    day = date("Local day of it.")
    agent = text("The operator, by the identifier figures use; NULL when the assignment names none.", nullable=True)
    fetch_id = integer("Request that did it; NULL when an event told it.", nullable=True)


class Contacts(CoreTable):
    """Contacts, those that are gone included."""

    key = ("chat_id",)

    chat_id = text("The contact.", published="chat")
    joined_at = timestamp("When it joined; NULL = it was there before we looked.", nullable=True)
    first_seen_at = timestamp("When it was first fetched.")
    region = text("ISO country code of its number.", nullable=True)
    is_present = flag("Not gone.")
    has_created_at = flag("The API says when it was created.", published="no")
    is_active_30d = flag("At least one inbound message in the 30 complete days before the cut's day.")
    first_fetch_id = integer("Request that first brought it.")
    fetch_id = integer("Request that brought this version.")


class ContactSegments(CoreTable):
    """The values of each segment field that a present contact is counted under: several where it holds a list."""

    key = ("chat_id", "field", "value")

    chat_id = text("The contact.", published="chat")
    field = text("The custom field.")
    value = text("Its value; (other) beyond the 50 largest, (none) where absent.", published="masked")
    is_active_30d = flag("As core.contacts says.")


class ContactPresence(CoreTable):
    """From when to when each contact was there."""

    key = ("chat_id", "interval_number")

    chat_id = text("The contact.", published="chat")
    from_at = timestamp("joined_at, for a return the sweep's start; NULL = there before we looked.", nullable=True)
    to_at = timestamp("When it was gone; NULL = it is there.", nullable=True)
    interval_number = integer("1 for its first interval.", minimum=1)
    from_day = date("Local day of from_at.", nullable=True)
    to_day = date("Local day of to_at.", nullable=True)


class ContactSweeps(CoreTable):
    """Sweeps over the contact list that ended by the cut."""

    key = ("sweep_id",)

    sweep_id = integer("Number of the sweep: the id of its first request.")
    started_at = timestamp("Start of its first request.")
    ended_at = timestamp("End of its last request.")
    reported_total = count("Contacts there are, by its last page.", nullable=True)
    seen_contacts = count("Distinct contacts seen.")
    is_complete = flag("Every page to the end, and as many contacts as reported, or the same as the one before saw.")
    missing_contacts = count("Contacts that were there and that it did not list.", nullable=True)
    is_suspicious = flag("It misses so many that the list itself is in doubt; NULL: not judged then.", nullable=True)
    counted_at = timestamp("Since when whom it misses counts as missing; NULL: not by the cut.", nullable=True)
    day = date("Local day of started_at.")


class Campaigns(CoreTable):
    """Campaigns as they stood at the cut."""

    key = ("campaign_id",)

    campaign_id = text("The campaign.")
    name = text("Its name.", nullable=True, published="masked")
    status = text("Its status.", nullable=True)
    sent_at = timestamp("When it was sent, by the best that is known; NULL for a draft.", nullable=True)
    total_recipients = integer("Recipients by the campaign itself.", nullable=True)
    is_report_current = flag("Its report was fetched after its last change of status.")
    fetch_id = integer("Request that brought this version.")


class CampaignReports(CoreTable):
    """The newest report of each campaign."""

    key = ("campaign_id",)

    campaign_id = text("The campaign.")
    first_fetched_at = timestamp("Start of the request that first brought this content.")
    last_fetched_at = timestamp("Start of the last request that still brought it.")
    total_recipients = integer("Recipients.", nullable=True)
    delivered = integer("Delivered.", nullable=True)
    read = integer("Read.", nullable=True)
    replied = integer("Replied.", nullable=True)
    failed = integer("Failed.", nullable=True)
    delivery_rate = text("The API's own text.", nullable=True)
    read_rate = text("The API's own text.", nullable=True)
    reply_rate = text("The API's own text.", nullable=True)
    fetch_id = integer("Request that brought this content.")


class CampaignStatuses(CoreTable):
    """Every status that a campaign was seen in by the cut."""

    key = ("campaign_id", "observed_at")

    campaign_id = text("The campaign.")
    observed_at = timestamp("Start of the request that saw the status.")
    status = text("The status.", nullable=True)
    is_change = flag("A change that was observed; false for the status a campaign was first seen in.")
    fetch_id = integer("Request that saw it.")


class Fetches(CoreTable):
    """The requests that what is published came from, and the last visit of each chat."""

    key = ("fetch_id",)

    fetch_id = integer("The request.")
    operation = text("Which of the API's operations.")
    chat_id = text("The chat asked about.", nullable=True, published="chat")
    campaign_id = text("The campaign asked about.", nullable=True)
    page = integer("Page asked for.", nullable=True)
    started_at = timestamp("When it was sent.")
    finished_at = timestamp("When the answer came.")
    http_status = integer("HTTP status.", nullable=True)
    outcome = text("ok, or what went wrong.")
    records = count("Records in the answer.")


class CoverageDaily(CoreTable):
    """How much of the messages of each local day is stored, templates out of all."""

    key = ("day",)

    day = date("Local day.")
    stored = count("Counted messages stored.")
    expected_unseen = number(
        "Messages that the planner expects to exist unseen; NULL when not known.",
        nullable=True,
        minimum=0,
        unit="messages",
    )
    history_remainder = count(
        "Known older messages of chats whose oldest stored message is later than the day's start."
    )
    coverage = rate("stored / (stored + expected unseen + remainder).")


class CoverageSources(CoreTable):
    """One row: how complete the reports and the contact list are."""

    key = ()
    is_published = False

    reports = rate("Campaigns whose report was fetched after their last change of status, of all.")
    contacts = rate("Contacts seen by the newest sweep, of its total (or of those in doubt); NULL before one.")
