"""kpi.contact_growth_monthly: its figures, and the days that they are taken from.

table.sql fills it: a month opens with what the month before closed with.
"""

from __future__ import annotations

from crm_platform.core import Calendar
from crm_platform.languages import N_, NN_
from crm_platform.metrics.contact_growth_daily.table import ContactGrowthDaily
from crm_platform.schemas.base import KpiTable, date
from crm_platform.schemas.figures import Rows


def _day(last: str, where: str) -> str:
    return f"(select {last}(days.day) from kpi.contact_growth_daily as days where {where})"


_DAY_BEFORE = _day("max", "days.day < k.month")
_FIRST_DAY = _day("min", "true")
_LAST_DAY = _day("max", "{{ month_of('days.day') }} = k.month")
_DAY_BEFORE_PREVIOUS = _day("max", "days.day < {{ previous_month }}")
_SAME_DAY_NUMBER = _day(
    "max",
    "{{ month_of('days.day') }} = {{ previous_month }}"
    " and {{ day_of_month('days.day') }} <= {{ day_of_month(cut_day) }}",
)

DAYS = Rows(ContactGrowthDaily, where="{{ month_of('r.day') }} = k.month")
# The first month known opens with what its first day says of the day before.
OPENING = Rows(ContactGrowthDaily, where=f"r.day = coalesce({_DAY_BEFORE}, {_FIRST_DAY})")
CLOSING = Rows(ContactGrowthDaily, where=f"r.day = {_LAST_DAY}")
ENDS = Rows(ContactGrowthDaily, where=f"r.day in ({_DAY_BEFORE}, {_LAST_DAY})")
ENDS_TO_DATE = Rows(ContactGrowthDaily, where=f"k.is_partial and r.day in ({_DAY_BEFORE_PREVIOUS}, {_SAME_DAY_NUMBER})")
TODAY = Rows(Calendar, where="r.day = {{ cut_day }}")

_FROM_FIRST_TO_LAST = (
    "case when count(*) = 2 then"
    " {{ rate(last_by('total_contacts', 'day') ~ ' - ' ~ first_by('total_contacts', 'day'),"
    " first_by('total_contacts', 'day')) }} end"
)


class ContactGrowthMonthly(KpiTable):
    """Contacts at the end of each local month, and how they came and went."""

    key = ("month",)
    row_words = NN_("1 month", "{n} months")
    version = 3
    pillar = "growth"
    period = "month"

    month = date("First day of the local month.", unit="local month", label=N_("Month"))
    opening = OPENING.counted(
        "Contacts at its start.",
        """case
            when max(day) < (select month from k) then max(total_contacts)
            else max(total_contacts - new_contacts + coalesce(gone_contacts, 0))
        end""",
        label=N_("Contacts at the start"),
    )
    new_contacts = DAYS.sum("Presences that began.", "new_contacts", good="up")
    gone_contacts = DAYS.sum(
        "Presences that ended; NULL when all its days are estimated.", "gone_contacts", nullable=True, good="down"
    )
    closing = CLOSING.counted(
        "Contacts at its end, or at the cut.", "max(total_contacts)", good="up", label=N_("Contacts at the end")
    )
    monthly_growth_rate = ENDS.number(
        "(closing − opening) / opening; NULL for the first month known.",
        _FROM_FIRST_TO_LAST,
        nullable=True,
        minimum=-1,
        good="up",
        label=N_("Monthly growth"),
    )
    is_partial = TODAY.flag(
        "The current month.",
        "max({{ month_of('day') }}) = (select month from k)",
        # Translators: whether a month is not
        label=N_("Not over"),
    )
    previous_to_date_rate = ENDS_TO_DATE.number(
        "On the partial month: the month before, closed at the same day number.",
        _FROM_FIRST_TO_LAST,
        nullable=True,
        minimum=-1,
        good="up",
        label=N_("Growth of the month before, to the same day"),
    )
