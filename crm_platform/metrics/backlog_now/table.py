"""kpi.backlog_now: its figures, and the waits that are open."""

from __future__ import annotations

from crm_platform.core import ResponseWaits
from crm_platform.languages import N_, NN_
from crm_platform.schemas.base import KpiTable
from crm_platform.schemas.figures import Rows

LAPSES_AT = "{{ later('last_inbound_at', 86400) }}"
OPEN = Rows(
    ResponseWaits,
    joins="join core.chats as chats on chats.chat_id = r.chat_id",
    where="r.state = 'open'",
    extra={"last_inbound_at": "chats.last_inbound_at"},
    measures={"waited_seconds": "{{ seconds_between('waiting_since', as_of) }}"},
)


class BacklogNow(KpiTable):
    """One row: waits that are open as far as each chat is known."""

    key = ()
    row_words = NN_("1 other figure", "{n} other figures")
    version = 2
    pillar = "operations"
    seen = "{{ message_coverage(gap_day, tomorrow) }}"
    rules = ("windows_expiring_2h <= open_waits",)

    open_waits = OPEN.count("Open waits.")
    oldest_open_wait_seconds = OPEN.seconds(
        "Age of the oldest at the cut.",
        "max({{ seconds_between('waiting_since', as_of) }}){filter}",
        uses=("state", "waiting_since"),
        good="down",
        label=N_("Longest wait now"),
    )
    windows_expiring_2h = OPEN.count(
        "Open waits whose 24-hour service window lapses within 2 h of the cut.",
        f"{LAPSES_AT} > {{{{ as_of }}}} and {LAPSES_AT} <= {{{{ later(as_of, 7200) }}}}",
        good="down",
        label=N_("Window ends within 2 h"),
    )
