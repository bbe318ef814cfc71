"""Checks of a finished build: do its tables agree with each other, and with what the CRM says of itself?

What belongs here: one function a check, and the list of which table each is of. What does not: checks of the live
warehouse (raw_checks.py).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from crm_platform import core
from crm_platform.metrics.campaign_performance.table import CampaignPerformance
from crm_platform.metrics.contact_growth_daily.table import ContactGrowthDaily
from crm_platform.models.checks import CheckResult, DataCheck, count, first_row, number

if TYPE_CHECKING:
    from crm_platform.warehouse import Session

TOTAL_TOLERANCE: Final = 0.01  # share: contacts come and go between the sweep and the cut


def waits_have_conversations(session: Session) -> CheckResult:
    """Count the waits that belong to no conversation."""
    lost = count(
        session,
        """
        core.response_waits w
        left join core.conversations c on c.chat_id = w.chat_id and c.first_message_id = w.first_message_id
        where c.chat_id is null
        """,
    )
    return CheckResult(lost == 0, f"{lost} waits belong to no conversation", {"waits": lost})


def total_agrees_with_sweep(session: Session) -> CheckResult:
    """Compare the newest day's total of contacts with what the newest sweep was told, and say how much they differ."""
    row = first_row(
        session,
        """
        select
            (select total_contacts from kpi.contact_growth_daily order by day desc limit 1) as ours,
            (select reported_total from raw.contact_sweeps order by started_at desc limit 1) as theirs,
            (select seen_contacts from raw.contact_sweeps where is_complete order by started_at desc limit 1) as listed
        """,
    )
    if row["ours"] is None or row["theirs"] is None:
        return CheckResult(passed=True, summary="no sweep has reported a total yet")
    ours, theirs, listed = number(row["ours"]), number(row["theirs"]), number(row["listed"])
    unlisted = f"; the CRM lists {listed} itself" if row["listed"] is not None and listed != theirs else ""
    return CheckResult(
        abs(ours - theirs) <= TOTAL_TOLERANCE * theirs,
        f"{ours} contacts today, {theirs} by the newest sweep: {ours - theirs:+d}{unlisted}",
        {"contacts": ours, "reported_total": theirs, "listed": listed, "difference": ours - theirs},
    )


def rates_agree_with_api(session: Session) -> CheckResult:
    """Compare our campaign rates with the texts the API sends."""
    row = first_row(
        session,
        """
        select
            count(api_rate_gap) as compared,
            count(*) filter (where api_rate_gap > 1e-9) as apart,
            max(api_rate_gap) as gap
        from kpi.campaign_performance
        """,
    )
    apart, gap = number(row["apart"]), row["gap"]
    largest = float(gap) if isinstance(gap, float) else 0.0
    return CheckResult(
        apart == 0,
        f"{apart} of {number(row['compared'])} campaigns: the API's own rates differ, by {largest:.2f} points at most",
        {"campaigns_apart": apart, "largest_gap_points": largest},
    )


def reports_are_consistent(session: Session) -> CheckResult:
    """Count the campaign reports whose numbers contradict each other; they are shown and flagged, never corrected."""
    row = first_row(
        session,
        """
        select count(is_consistent) as reports, count(*) filter (where not is_consistent) as odd
        from kpi.campaign_performance
        """,
    )
    odd = number(row["odd"])
    return CheckResult(
        odd == 0, f"{odd} of {number(row['reports'])} campaign reports contradict themselves", {"inconsistent": odd}
    )


MODEL_CHECKS: Final[tuple[DataCheck, ...]] = (
    DataCheck(
        core.ResponseWaits,
        "references",
        "Every wait belongs to a conversation.",
        lambda session, _settings, _now: waits_have_conversations(session),
        also=(core.Conversations,),
    ),
    DataCheck(
        ContactGrowthDaily,
        "reconciliation",
        "Today's total of contacts is what the newest sweep was told, within 1 %.",
        lambda session, _settings, _now: total_agrees_with_sweep(session),
    ),
    DataCheck(
        CampaignPerformance,
        "reconciliation",
        "Our delivery, read and reply rates are the API's own.",
        lambda session, _settings, _now: rates_agree_with_api(session),
    ),
    DataCheck(
        CampaignPerformance,
        "consistency",
        "No report contradicts itself.",
        lambda session, _settings, _now: reports_are_consistent(session),
    ),
)
"""Asked of a finished build."""
