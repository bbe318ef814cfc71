"""kpi.opt_outs_daily: its figures, and the messages that they count."""

from __future__ import annotations

from crm_platform.metrics.response_times_daily.table import OPT_OUTS
from crm_platform.metrics.rows import MESSAGE_DAYS
from crm_platform.schemas.base import KpiTable, date


class OptOutsDaily(KpiTable):
    """Opt-outs by their own local day, those of left-truncated conversations, too."""

    key = ("day",)
    version = 2
    pillar = "engagement"
    period = "day"
    keys = MESSAGE_DAYS
    seen = "keys.coverage"
    rules = ("contacts <= opt_outs", "after_campaign <= opt_outs")

    day = date("Local day.")
    opt_outs = OPT_OUTS.count("Messages that were opt-outs.", good="down")
    contacts = OPT_OUTS.counted(
        "Contacts that wrote them.",
        "count(distinct chat_id){filter}",
        empty="0",
        good="down",
    )
    after_campaign = OPT_OUTS.count(
        "Opt-outs within 72 h of a template, with no reply between.",
        "origin = 'campaign'",
        good="down",
    )
