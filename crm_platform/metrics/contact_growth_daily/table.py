"""kpi.contact_growth_daily: its figures, and the presences that they count.

table.sql fills it: a running sum over the days, because each contact stands on every day that it is there.
"""

from __future__ import annotations

from crm_platform.core import ContactPresence, ContactSweeps
from crm_platform.languages import N_, NN_
from crm_platform.schemas.base import KpiTable, date
from crm_platform.schemas.figures import Rows, Watched

# A presence whose creation is dated after its end ends when it begins.
THERE = Rows(
    ContactPresence,
    where="""(r.from_day is null or r.from_day <= k.day)
        and (r.to_day is null or greatest(r.from_day, r.to_day) > k.day)""",
    is_stock=True,
)
CAME = Rows(ContactPresence, by={"day": "r.from_day"})
WENT = Rows(ContactPresence, by={"day": "r.to_day"}, where="not k.is_estimated")
MOVED = Rows(ContactPresence, where="(r.from_day = k.day or r.to_day = k.day and not k.is_estimated)")
SWEEPS = Rows(ContactSweeps, where="r.is_complete and r.day <= k.day")


class ContactGrowthDaily(KpiTable):
    """Contacts at the end of each local day, and how they came and went.

    From the day of the oldest counted message or of the first sweep, whichever is earlier.
    """

    key = ("day",)
    row_words = NN_("1 day", "{n} days")
    version = 2
    pillar = "growth"
    period = "day"
    rules = ("is_estimated or net_growth == new_contacts - gone_contacts",)

    day = date("Local day.")
    total_contacts = THERE.count("Contacts present at its end.", good="up", label=N_("Contacts"))
    new_contacts = CAME.count(
        "Presences that began.",
        good="up",
        watch=Watched(title=N_("The number of new contacts"), final="at once", either=True),
        label=N_("New"),
    )
    gone_contacts = WENT.count(
        "Presences that ended; NULL on estimated days.",
        given="not (select is_estimated from k)",
        nullable=True,
        good="down",
        watch=Watched(title=N_("The number of contacts gone"), final="at once"),
        # Translators: contacts who left the list
        label=N_("Gone"),
    )
    net_growth = MOVED.integer(
        "new_contacts − gone_contacts.",
        """count(*) filter (where from_day = (select day from k))
        - count(*) filter (where to_day = (select day from k) and not (select is_estimated from k))""",
        good="up",
        label=N_("New less gone"),
    )
    is_estimated = SWEEPS.flag(
        "Before the first complete sweep, from creation times alone.",
        "count(*) = 0",
        # Translators: whether the time of a coming or going is
        label=N_("Estimated"),
    )
