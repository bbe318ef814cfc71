"""kpi.contact_activity_daily: its figures, and the days on which contacts wrote.

table.sql fills it: a running sum over the days, because a contact is active on every day of a window that it wrote in.
"""

from __future__ import annotations

from crm_platform.core import Chats, ContactDays
from crm_platform.languages import N_, NN_
from crm_platform.schemas.base import KpiTable, date
from crm_platform.schemas.figures import Rows

ON_THE_DAY = Rows(ContactDays, by={"day": "r.day"})
IN_7_DAYS = Rows(ContactDays, where="r.day <= k.day and r.day > {{ days_later('k.day', -7) }}", is_stock=True)
IN_30_DAYS = Rows(ContactDays, where="r.day <= k.day and r.day > {{ days_later('k.day', -30) }}", is_stock=True)
FIRST = Rows(ContactDays, by={"day": "r.day"}, where="r.is_history_whole and r.previous_day is null")
AGAIN = Rows(
    ContactDays,
    by={"day": "r.day"},
    where="r.is_history_whole and r.previous_day < {{ days_later('r.day', -30) }}",
)
PRESENT = Rows(
    Chats,
    joins="join core.contacts as contacts on contacts.chat_id = r.chat_id",
    where="contacts.is_present",
)
_FIRST_DAY = "(select min(day) from kpi.contact_activity_daily)"
# The share is of the cut, and so the same on every day.
_IS_KNOWN = "(select max(whole_share) from kpi.contact_activity_daily) >= 0.95"


class ContactActivityDaily(KpiTable):
    """Contacts that wrote on each local day and in the days that end with it. Opt-outs are no activity."""

    key = ("day",)
    row_words = NN_("1 day", "{n} days")
    version = 2
    pillar = "engagement"
    period = "day"
    rules = ("active_contacts <= active_contacts_7d", "active_contacts_7d <= active_contacts_30d")

    day = date("Local day.")
    active_contacts = ON_THE_DAY.counted(
        "Contacts that wrote on it.",
        "count(distinct chat_id)",
        uses=("chat_id",),
        good="up",
        label=N_("Contacts that wrote"),
    )
    active_contacts_7d = IN_7_DAYS.counted(
        "Contacts that wrote on it or the 6 days before; NULL before there are 7 days.",
        "count(distinct chat_id)",
        uses=("chat_id",),
        given=f"(select day from k) >= {{{{ days_later('{_FIRST_DAY}', 6) }}}}",
        nullable=True,
        good="up",
        label=N_("Contacts that wrote in 7 days"),
    )
    active_contacts_30d = IN_30_DAYS.counted(
        "Contacts that wrote on it or the 29 days before; NULL before there are 30 days.",
        "count(distinct chat_id)",
        uses=("chat_id",),
        given=f"(select day from k) >= {{{{ days_later('{_FIRST_DAY}', 29) }}}}",
        nullable=True,
        good="up",
        label=N_("Contacts that wrote in 30 days"),
    )
    new_active = FIRST.counted(
        "Contacts that wrote for the first time; of chats whose history is whole, NULL while fewer than 95 % of those "
        "present are.",
        "count(*)",
        given=_IS_KNOWN,
        nullable=True,
        good="up",
        label=N_("Wrote for the first time"),
    )
    reactivated = AGAIN.counted(
        "Contacts that wrote earlier, but not on the 30 days before; like new_active.",
        "count(distinct chat_id)",
        uses=("chat_id", "previous_day"),
        given=_IS_KNOWN,
        nullable=True,
        good="up",
        label=N_("Came back"),
    )
    whole_share = PRESENT.share(
        "Present contacts' chats whose history is whole, of all of them.",
        "count(*) filter (where is_history_whole)",
        over="count(*)",
        label=N_("Histories that are whole"),
    )
