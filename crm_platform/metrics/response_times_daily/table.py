"""kpi.response_times_daily: its figures, and the waits that they are computed from."""

from __future__ import annotations

from crm_platform.core import ResponseWaits
from crm_platform.languages import N_
from crm_platform.metrics.rows import MESSAGE_DAYS
from crm_platform.schemas.base import KpiTable, date
from crm_platform.schemas.figures import Rows, Watched

TRUNCATED = Rows(ResponseWaits, by={"day": "r.day"}, where="r.is_left_truncated")
WAITS = Rows(
    ResponseWaits,
    by={"day": "r.day"},
    where="not r.is_left_truncated",
    extra={
        # What survival.sql asks of a first wait: when it left, NULL of a missed one, which never does.
        "lasted": """case r.state
            when 'answered' then r.response_seconds
            when 'open' then {{ seconds_between('r.waiting_since', 'r.known_until') }}
        end"""
    },
    lists=("state",),
)
ANSWERED = "state = 'answered'"
FIRST_ANSWERED = "is_first and state = 'answered'"
FIRST_SETTLED = "is_first and state in ('answered', 'missed')"


class ResponseTimesDaily(KpiTable):
    """Waits and how long they took, by the local day they began. Left-truncated conversations are left out."""

    key = ("day",)
    pillar = "operations"
    period = "day"
    keys = MESSAGE_DAYS
    seen = "keys.coverage"
    rules = (
        "answered_waits + open_waits + missed_waits + trailing_waits == waits",
        "first_waits <= waits",
        "first_answered_waits <= answered_waits",
        "first_answered_waits + missed_waits <= first_waits",
    )

    day = date("Local day of waiting_since.")
    left_truncated_waits = TRUNCATED.count("Waits of left-truncated conversations: not in any other figure of the row.")
    waits = WAITS.count(
        "Waits that began.", watch=Watched(title=N_("The number of waits for a reply"), final="at once", either=True)
    )
    first_waits = WAITS.count("First waits of their conversation.", "is_first")
    answered_waits = WAITS.count("Waits that a reply closed.", ANSWERED)
    first_answered_waits = WAITS.count("First waits that a reply closed.", FIRST_ANSWERED)
    open_waits = WAITS.count("Waits without a reply whose conversation is not over.", "state = 'open'", good="down")
    missed_waits = WAITS.count(
        "First waits without a reply whose conversation is over.", "state = 'missed'", good="down"
    )
    trailing_waits = WAITS.count(
        "Later waits without a reply whose conversation is over: mostly thanks.", "state = 'trailing'"
    )
    answer_rate = WAITS.rate(
        "first_answered_waits / (first_answered_waits + missed_waits).",
        ANSWERED,
        of=FIRST_SETTLED,
        good="up",
        watch=Watched(
            title=N_("The share of conversations answered"), final="after the gap", sample="first_answered_waits"
        ),
    )
    response_seconds_median = WAITS.median("Median over answered waits.", "response_seconds", ANSWERED, good="down")
    response_seconds_p90 = WAITS.p90("90th percentile over answered waits.", "response_seconds", ANSWERED, good="down")
    response_seconds_mean = WAITS.mean("Mean over answered waits.", "response_seconds", ANSWERED, good="down")
    first_response_seconds_median = WAITS.median(
        "Median over first answered waits.",
        "response_seconds",
        FIRST_ANSWERED,
        good="down",
        watch=Watched(
            title=N_("The median first response"),
            final="answered",
            sample="first_answered_waits",
            target="first_response_target_seconds",
        ),
    )
    first_response_seconds_p90 = WAITS.p90(
        "90th percentile over first answered waits.", "response_seconds", FIRST_ANSWERED, good="down"
    )
    first_response_seconds_mean = WAITS.mean(
        "Mean over first answered waits.", "response_seconds", FIRST_ANSWERED, good="down"
    )
    business_first_response_seconds_median = WAITS.median(
        "Median of the business seconds of first answered waits.",
        "business_response_seconds",
        FIRST_ANSWERED,
        good="down",
    )
    first_within_target_rate = WAITS.rate(
        "First waits answered within CRM_FIRST_RESPONSE_TARGET_MINUTES / (first_answered_waits + missed_waits).",
        "response_seconds <= {{ target_seconds }}",
        of=FIRST_SETTLED,
        good="up",
        watch=Watched(
            title=N_("The share of first answers within the target"),
            final="answered",
            sample="first_answered_waits",
            target="first_response_target_share",
        ),
    )
    first_response_seconds_median_censored = WAITS.seconds(
        "Kaplan-Meier median over first waits: open ones censored, missed ones never answered.",
        "",
        "is_first",
        file="survival",
        uses=("state", "lasted"),
        good="down",
    )
