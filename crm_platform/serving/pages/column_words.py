"""What is said of published columns: their names, what their abbreviations mean, and what a table's rows are called.

What belongs here: English words, marked for the catalogs; a test holds that none is missing that a receipt can show.
What does not: names of figures as their tiles say them (figure_words.py).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from crm_platform.languages import N_, NN_, NP_, Words

COLUMN_WORDS: Final[Mapping[str, Words]] = {
    # Names of rows.
    "chat_id": N_("Chat"),
    "message_id": N_("Message"),
    "opening_message_id": N_("First unanswered message"),
    "first_message_id": N_("First message"),
    "campaign_id": N_("Campaign"),
    # Translators: a count of all contacts that the platform made
    "sweep_id": N_("Count"),
    # Translators: a time during which a contact was in the list
    "interval_number": N_("Stay"),
    "number": N_("Number"),
    "day": N_("Day"),
    "month": N_("Month"),
    "weekday": N_("Weekday"),
    "hour": N_("Hour"),
    # Translators: the weekday on which a campaign was sent
    "cell_weekday": N_("Sent on"),
    # Translators: the hour at which a campaign was sent
    "cell_hour": N_("Sent at"),
    "window_days": N_("Days"),
    "field": N_("Field"),
    "value": N_("Value"),
    # Translators: by a phone number
    "region": N_("Country"),
    "agent": N_("Agent"),
    "name": N_("Name"),
    # Waits and conversations.
    "state": N_("Outcome"),
    # Translators: of a wait: whether it is
    "is_first": N_("First of its conversation"),
    "is_left_truncated": N_("Beginning not known"),
    "waiting_since": N_("Waiting since"),
    # Translators: when a wait was answered
    "answered_at": N_("Answered"),
    # Translators: how long a reply took
    "response_seconds": N_("Took"),
    "business_response_seconds": N_("Took, in business hours"),
    # Translators: how long a wait goes on by now
    "lasted": N_("Lasted so far"),
    "conversation_ended_at": N_("Conversation ended"),
    # Translators: when a conversation did
    "started_at": N_("Began"),
    "ended_at": N_("Ended"),
    "resolved_at": N_("Resolved"),
    # Translators: how a conversation was resolved: marked as done, or ended answered
    "resolved_by": N_("How"),
    "resolution_seconds": N_("Time to the end"),
    "last_inbound_at": N_("Last message of the customer"),
    "assigned_at": N_("Assigned"),
    # Translators: when an agent did something
    "done_at": N_("Done"),
    # Translators: when a message was sent
    "timestamp": NP_("message", "Sent"),
    # Operations.
    "waits": N_("Waits"),
    "first_waits": N_("First waits of conversations"),
    "answered_waits": N_("Waits answered"),
    "first_answered_waits": N_("First replies"),
    "open_waits": N_("Chats waiting"),
    "missed_waits": NP_("waits", "Missed"),
    # Translators: waits that a last word of the customer left open, mostly a thank-you
    "trailing_waits": N_("Thanks and the like"),
    "left_truncated_waits": N_("Waits whose beginning is not known"),
    "first_responses": N_("First replies"),
    "answer_rate": N_("Answer rate"),
    "answer_rate_7d": N_("Answer rate, 7 days"),
    "response_seconds_median": N_("Response time, median"),
    "response_seconds_p90": N_("Response time, 9 of 10 within"),
    "response_seconds_mean": N_("Response time, mean"),
    "first_response_seconds_median": N_("First response time"),
    "first_response_seconds_median_7d": N_("First response time, 7 days"),
    "first_response_seconds_p90": N_("First response, 9 of 10 within"),
    "first_response_seconds_mean": N_("First response, mean"),
    "first_response_seconds_median_censored": N_("First response time with those who still wait"),
    "business_first_response_seconds_median": N_("First response time in business hours"),
    "first_within_target_rate": N_("Answered within the target"),
    "resolved": N_("Conversations resolved"),
    "resolved_by_operator": N_("Resolved: marked as done"),
    "resolved_quietly": N_("Resolved: ended answered"),
    "unresolved": N_("Ended missed"),
    "resolution_seconds_median": N_("Time to resolution, median"),
    "open_waits_at_end": N_("Chats waiting at the end of the day"),
    "oldest_wait_seconds": N_("Longest wait at the end of the day"),
    "oldest_open_wait_seconds": N_("Longest wait now"),
    "windows_expiring_2h": N_("Window ends within 2 h"),
    "chats_assigned": N_("Chats assigned"),
    "chats_resolved": N_("Chats resolved"),
    "chats_resolved_7d": N_("Chats resolved, 7 days"),
    "attributed_share": N_("Replies that name who wrote them"),
    "inbound": N_("Messages from contacts"),
    "replies": N_("Replies"),
    "templates": N_("Templates"),
    # Campaigns.
    "status": N_("Status"),
    # Translators: when a campaign was sent
    "sent_at": N_("Sent"),
    "campaigns": N_("Campaigns"),
    "active_campaigns": N_("Active campaigns"),
    "recipients": N_("Recipients"),
    "total_recipients": N_("Recipients"),
    # Translators: messages of a campaign; so are the next ones
    "delivered": N_("Delivered"),
    "read": N_("Read"),
    "replied": N_("Replied"),
    "failed": N_("Failed"),
    # Translators: messages of a campaign
    "in_flight": N_("Under way"),
    "delivery_rate": N_("Delivery rate"),
    "delivery_rate_low": N_("Delivery rate, at least"),
    "delivery_rate_high": N_("Delivery rate, at most"),
    "read_rate": N_("Read rate as the CRM writes it"),
    "reply_rate": N_("Reply rate as the CRM writes it"),
    "read_per_delivered": N_("Read rate"),
    "read_per_delivered_low": N_("Read rate, at least"),
    "read_per_delivered_high": N_("Read rate, at most"),
    "read_per_delivered_shrunk": N_("Read rate, drawn towards the mean"),
    "read_per_delivered_30d": N_("Read rate, settled, 30 days"),
    "reply_per_delivered": N_("Reply rate"),
    "reply_per_delivered_low": N_("Reply rate, at least"),
    "reply_per_delivered_high": N_("Reply rate, at most"),
    "reply_per_delivered_shrunk": N_("Reply rate, drawn towards the mean"),
    "reply_per_delivered_30d": N_("Reply rate, settled, 30 days"),
    "read_per_recipient": N_("Read, of all recipients"),
    "reply_per_recipient": N_("Replied, of all recipients"),
    "api_rate_gap": N_("CRM's own rate differs by"),
    "is_consistent": N_("Report does not contradict itself"),
    "is_settled": N_("Settled"),
    "enough_data": N_("Enough data"),
    # Contacts.
    "contacts": N_("Contacts"),
    "total_contacts": N_("Contacts"),
    "new_contacts": N_("New"),
    # Translators: contacts who left the list
    "gone_contacts": N_("Gone"),
    "net_growth": N_("New less gone"),
    "opening": N_("Contacts at the start"),
    "closing": N_("Contacts at the end"),
    "monthly_growth_rate": N_("Monthly growth"),
    "previous_to_date_rate": N_("Growth of the month before, to the same day"),
    "share": N_("Share"),
    "active_30d": N_("Active contacts"),
    "is_active_30d": N_("Wrote in 30 days"),
    "is_present": N_("Present"),
    # Translators: whether a count of contacts is
    "is_complete": N_("Whole"),
    # Translators: whether the time of a coming or going is
    "is_estimated": N_("Estimated"),
    # Translators: whether a month is not
    "is_partial": N_("Not over"),
    # Translators: the first and the last day of a stay
    "from_day": N_("From"),
    "to_day": N_("To"),
}
"""Names of columns: what a receipt calls figures, and heads the rows behind them with."""

VALUE_WORDS: Final[Mapping[str, Mapping[str, Words]]] = {
    "state": {
        # Translators: what became of a wait of a customer
        "answered": N_("answered"),
        "open": N_("still waiting"),
        "missed": N_("missed"),
        "trailing": N_("thanks and the like"),
        # Translators: the state of a conversation
        "resolved": N_("resolved"),
        "waiting": N_("waiting"),
        "active": N_("going on"),
        "quiet": N_("quiet"),
    },
    "resolved_by": {
        # Translators: how a conversation was resolved
        "operator": N_("marked as done"),
        "quiet": N_("ended answered"),
    },
    "status": {
        # Translators: the status of a campaign
        "draft": N_("draft"),
        "scheduled": N_("scheduled"),
        "active": N_("active"),
        "in_progress": N_("in progress"),
        "paused": N_("paused"),
        "completed": N_("completed"),
        "failed": N_("failed"),
        "cancelled": N_("cancelled"),
    },
}
"""What the values of a column stand for."""

ABSENT_WORDS: Final[Mapping[str, str]] = {
    # Translators: what stands for a value that is missing
    "(none)": N_("none given"),
    "(other)": N_("all others"),
    "(unknown)": N_("not known"),
    "(unassigned)": N_("nobody named"),
}
"""What the tables write where there is no name."""

ROW_WORDS: Final[Mapping[str, tuple[str, str]]] = {
    # Translators: what a figure is made of, as in: Made of 12 messages
    "response_waits": NN_("1 wait of a customer", "{n} waits of customers"),
    "conversations": NN_("1 conversation", "{n} conversations"),
    "assignments": NN_("1 chat handed to somebody", "{n} chats handed to somebody"),
    "work": NN_("1 thing that an agent did", "{n} things that agents did"),
    "messages": NN_("1 message", "{n} messages"),
    "campaigns": NN_("1 campaign", "{n} campaigns"),
    "campaign_statuses": NN_("1 campaign", "{n} campaigns"),
    "campaign_performance": NN_("1 campaign", "{n} campaigns"),
    "contacts": NN_("1 contact", "{n} contacts"),
    "contact_segments": NN_("1 contact", "{n} contacts"),
    "contact_presence": NN_("1 stay of a contact", "{n} stays of contacts"),
    "contact_sweeps": NN_("1 count of all contacts", "{n} counts of all contacts"),
    "calendar": NN_("1 day", "{n} days"),
    "backlog_daily": NN_("1 day", "{n} days"),
    "chats_resolved_daily": NN_("1 day", "{n} days"),
    "contact_growth_daily": NN_("1 day", "{n} days"),
    "contact_growth_monthly": NN_("1 month", "{n} months"),
    "backlog_now": NN_("1 other figure", "{n} other figures"),
}
"""One row of a table, and so many."""

_ROWS: Final = NN_("1 row", "{n} rows")


def column_words(column: str) -> Words:
    """Name of a column; of one that nobody has put into words, its own name made readable."""
    return COLUMN_WORDS.get(column) or column.replace("_", " ").capitalize()


def row_words(table: str) -> tuple[str, str]:
    """What one row of a table is called, and so many."""
    return ROW_WORDS.get(table, _ROWS)
