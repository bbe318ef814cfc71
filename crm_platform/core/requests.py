"""The requests that rows of core tables came from: SELECTs of `fetch_id` over the relation `behind` of such rows.

What belongs here: those that several tables share. What does not: asking them (receipts/).
"""

from __future__ import annotations

from typing import Final

VISIT: Final = """
    select visits.fetch_id
    from behind
    join core.chats as chats on chats.chat_id = behind.chat_id
    join core.fetches as visits
        on visits.chat_id = chats.chat_id and visits.started_at = chats.known_until
        and visits.operation = 'list_messages'
"""
"""The visit that says that nothing came since."""

OF_CONTACT: Final = """
    select unnest([contacts.first_fetch_id, contacts.fetch_id]) as fetch_id
    from behind
    join core.contacts as contacts on contacts.chat_id = behind.chat_id
"""


def of_message(column: str) -> str:
    """Those that brought the message that a column names."""
    return f"""
        select unnest([messages.first_fetch_id, messages.fetch_id]) as fetch_id
        from behind
        join core.messages as messages
            on messages.chat_id = behind.chat_id and messages.message_id = behind.{column}
    """
