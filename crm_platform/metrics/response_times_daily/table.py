"""kpi.response_times_daily: its figures, and the waits that they are computed from."""

from __future__ import annotations

from crm_platform.core import Messages, ResponseWaits
from crm_platform.languages import N_, NP_
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
    # Translators: how long a wait goes on by now
    labels={"lasted": N_("Lasted so far")},
    lists=("state",),
    measures={
        "response_seconds": "response_seconds",
        "business_response_seconds": "business_response_seconds",
        "weekday": "{{ weekday('day') }}",
    },
)
OPT_OUTS = Rows(
    Messages,
    by={"day": "{{ local_day('r.timestamp') }}"},
    where="r.is_counted and r.is_opt_out",
    lists=("timestamp", "origin"),
)
ANSWERED = "state = 'answered'"
FIRST_ANSWERED = "is_first and state = 'answered'"
LATER_ANSWERED = "not is_first and state = 'answered'"
DECIDED = ("first_answered_waits", "missed_waits")
FIRST_SETTLED = "is_first and state in ('answered', 'missed')"
# Where no business hours are kept, an answered wait has no business seconds, and a missed one is neither shut nor open.
BUSINESS_FIRST_SETTLED = f"{FIRST_SETTLED} and (business_response_seconds is not null or shut is not null)"


class ResponseTimesDaily(KpiTable):
    """Waits and how long they took, by the local day they began. Left-truncated conversations are left out."""

    key = ("day",)
    version = 2
    pillar = "operations"
    period = "day"
    keys = MESSAGE_DAYS
    seen = "keys.coverage"
    rules = (
        "campaign_first_waits <= first_waits",
        "followed_up_missed_waits <= missed_waits",
        "shut_missed_waits <= missed_waits",
        "answered_waits + open_waits + missed_waits + trailing_waits == waits",
        "first_waits <= waits",
        "first_answered_waits <= answered_waits",
        "first_answered_waits + missed_waits <= first_waits",
    )

    day = date("Local day of waiting_since.")
    left_truncated_waits = TRUNCATED.count(
        "Waits of left-truncated conversations: not in any other figure of the row.",
        label=N_("Waits whose beginning is not known"),
    )
    waits = WAITS.count(
        "Waits that began.",
        watch=Watched(title=N_("The number of waits for a reply"), final="at once", either=True),
        label=N_("Waits"),
    )
    first_waits = WAITS.count(
        "First waits of their conversation.", "is_first", label=N_("First waits of conversations")
    )
    campaign_first_waits = WAITS.count(
        "First waits that a campaign brought: opened within 72 h of a template, with no reply between.",
        "is_first and origin = 'campaign'",
        label=N_("First waits after a campaign"),
    )
    answered_waits = WAITS.count("Waits that a reply closed.", ANSWERED, label=N_("Waits answered"))
    first_answered_waits = WAITS.count("First waits that a reply closed.", FIRST_ANSWERED, label=N_("First replies"))
    open_waits = WAITS.count(
        "Waits without a reply whose conversation is not over.",
        "state = 'open'",
        good="down",
        label=N_("Chats waiting"),
    )
    missed_waits = WAITS.count(
        "First waits without a reply whose conversation is over, or that a mark as done ended.",
        "state = 'missed'",
        good="down",
        label=NP_("waits", "Missed"),
    )
    followed_up_missed_waits = WAITS.count(
        "Missed waits after which we wrote within 7 days of the conversation's end, before the contact did.",
        "state = 'missed' and followed_up_at is not null",
        label=N_("Missed, but followed up"),
    )
    shut_missed_waits = WAITS.count(
        "Missed waits in whose first 24 hours fewer business seconds than the target lie; 0 without business hours.",
        "state = 'missed' and shut",
        label=N_("Missed while we were shut"),
    )
    trailing_waits = WAITS.count(
        "Later waits without a reply whose conversation is over, or that a mark as done ended: mostly thanks.",
        "state = 'trailing'",
        # Translators: waits that a last word of the customer left open, mostly a thank-you
        label=N_("Thanks and the like"),
    )
    answer_rate = WAITS.rate(
        "first_answered_waits / (first_answered_waits + missed_waits).",
        ANSWERED,
        of=FIRST_SETTLED,
        good="up",
        watch=Watched(title=N_("The share of conversations answered"), final="after the gap", sample=DECIDED),
        label=N_("Answer rate"),
    )
    response_seconds_median = WAITS.median(
        "Median over answered waits.", "response_seconds", ANSWERED, good="down", label=N_("Response time, median")
    )
    response_seconds_p90 = WAITS.p90(
        "90th percentile over answered waits.",
        "response_seconds",
        ANSWERED,
        good="down",
        label=N_("Response time, 9 of 10 within"),
    )
    response_seconds_mean = WAITS.mean(
        "Mean over answered waits.", "response_seconds", ANSWERED, good="down", label=N_("Response time, mean")
    )
    first_response_seconds_median = WAITS.median(
        "Median over first answered waits.",
        "response_seconds",
        FIRST_ANSWERED,
        good="down",
        watch=Watched(
            title=N_("The median first response"),
            final="answered",
            sample=("first_answered_waits",),
            target="first_response_target_seconds",
            missed="missed_waits",
        ),
        label=N_("First response time"),
    )
    first_response_seconds_p90 = WAITS.p90(
        "90th percentile over first answered waits.",
        "response_seconds",
        FIRST_ANSWERED,
        good="down",
        label=N_("First response, 9 of 10 within"),
    )
    first_response_seconds_mean = WAITS.mean(
        "Mean over first answered waits.",
        "response_seconds",
        FIRST_ANSWERED,
        good="down",
        label=N_("First response, mean"),
    )
    business_first_response_seconds_median = WAITS.median(
        "Median of the business seconds of first answered waits.",
        "business_response_seconds",
        FIRST_ANSWERED,
        good="down",
        label=N_("First response time in business hours"),
    )
    business_first_response_seconds_p90 = WAITS.p90(
        "90th percentile of the business seconds of first answered waits.",
        "business_response_seconds",
        FIRST_ANSWERED,
        good="down",
        label=N_("First response in business hours, 9 of 10 within"),
    )
    first_within_target_rate = WAITS.rate(
        "First waits answered within CRM_FIRST_RESPONSE_TARGET_MINUTES / (first_answered_waits + missed_waits).",
        "response_seconds <= {{ target_seconds }}",
        of=FIRST_SETTLED,
        good="up",
        watch=Watched(
            title=N_("The share of first answers within the target"),
            final="answered",
            sample=DECIDED,
            target="first_response_target_share",
        ),
        label=N_("Answered within the target"),
    )
    business_first_within_target_rate = WAITS.rate(
        "First waits answered within as many business minutes / (first_answered_waits + missed_waits).",
        "business_response_seconds <= {{ target_seconds }}",
        of=BUSINESS_FIRST_SETTLED,
        good="up",
        label=N_("Answered within the target in business hours"),
    )
    later_response_seconds_median = WAITS.median(
        "Median over later answered waits, those that are not the first of their conversation.",
        "response_seconds",
        LATER_ANSWERED,
        good="down",
        label=N_("Later response time"),
    )
    business_later_response_seconds_median = WAITS.median(
        "Median of the business seconds of later answered waits.",
        "business_response_seconds",
        LATER_ANSWERED,
        good="down",
        label=N_("Later response time in business hours"),
    )
    first_response_seconds_median_censored = WAITS.seconds(
        "Kaplan-Meier median over first waits: open ones censored, missed ones never answered.",
        "",
        "is_first",
        file="survival",
        uses=("state", "lasted"),
        good="down",
        label=N_("First response time with those who still wait"),
    )
    opt_outs = OPT_OUTS.count(
        "Messages that were opt-outs, by their own day; those of left-truncated conversations, too.",
        good="down",
        label=N_("Opt-outs"),
    )
