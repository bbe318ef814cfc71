"""kpi.contact_retention_monthly: its figures, and the contacts and their days that they count.

table.sql fills it: who is active in a month is told by other rows than who belongs to its cohort.
"""

from __future__ import annotations

from crm_platform.core import Chats, ContactDays
from crm_platform.languages import N_, NN_
from crm_platform.schemas.base import KpiTable, count, date
from crm_platform.schemas.figures import Rows

_COHORT = "r.is_history_whole and {{ month_of('r.first_inbound_day') }} = k.cohort"
COHORT = Rows(Chats, where=_COHORT, lists=("first_inbound_day",))
ACTIVE = Rows(
    ContactDays,
    joins="join core.chats as chats on chats.chat_id = r.chat_id",
    where="""chats.is_history_whole and {{ month_of('chats.first_inbound_day') }} = k.cohort
        and {{ months_between('k.cohort', 'r.day') }} = k.months_since""",
)
# Of each contact of the cohort, whether it wrote in the month.
KEPT = Rows(
    Chats,
    joins="""left join (
        select days.chat_id as chat_id, count(*) as days
        from core.contact_days as days
        cross join k as months
        where {{ months_between('months.cohort', 'days.day') }} = months.months_since
        group by days.chat_id
    ) as written on written.chat_id = r.chat_id""",
    where=_COHORT,
    extra={"days_written": "coalesce(written.days, 0)"},
    # Translators: days of a month on which a contact wrote
    labels={"days_written": N_("Days with messages")},
)


class ContactRetentionMonthly(KpiTable):
    """Of the contacts that first wrote in a local month, how many wrote in the months after.

    Over chats whose history is whole; a month that is not over has no row.
    """

    key = ("cohort", "months_since")
    row_words = NN_("1 month of a cohort", "{n} months of cohorts")
    version = 2
    pillar = "engagement"
    rules = ("active <= contacts", "months_since <= 12")

    cohort = date(
        "First day of the local month of the contacts' first counted message.",
        unit="local month",
        # Translators: contacts by the month in which they first wrote
        label=N_("First wrote in"),
    )
    months_since = count("Months after it: 0 is the month itself, at most 12.", label=N_("Months later"))
    contacts = COHORT.count("Contacts of the cohort.")
    active = ACTIVE.counted(
        "Those that wrote something but an opt-out in that month.",
        "count(distinct chat_id)",
        uses=("chat_id",),
        good="up",
        label=N_("Contacts that wrote"),
    )
    retention = KEPT.share(
        "active / contacts.",
        "count(*) filter (where days_written > 0)",
        over="count(*)",
        good="up",
        label=N_("Retention"),
    )
