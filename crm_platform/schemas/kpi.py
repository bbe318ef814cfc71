"""KPI tables: one class a table of kpi-definitions.md, in its order.

What belongs here: the declarations, and rules that hold by definition whatever the CRM sent (a report that contradicts
itself is shown and flagged, so the rules on reports bind on consistent rows only). What does not: SQL (models/kpi/).
"""

from __future__ import annotations

from typing import Any

from crm_platform.schemas.base import (
    Column,
    KpiTable,
    count,
    date,
    flag,
    integer,
    number,
    rate,
    seconds,
    text,
    timestamp,
)


def _weekday() -> Column:
    return integer("Local weekday, 0 = Monday.", minimum=0, maximum=6)


def _hour() -> Column:
    return integer("Local hour.", minimum=0, maximum=23)


def _reported(description: str) -> Column:
    # As the report says it: it may contradict itself, even be negative.
    return integer(description, nullable=True)


def _reported_rate(description: str, **options: Any) -> Column:  # noqa: ANN401 - options of Column
    # No bounds: an inconsistent report gives an impossible rate, which is shown and flagged.
    return number(description, nullable=True, **options)


class ResponseTimesDaily(KpiTable):
    """Waits and how long they took, by the local day they began. Left-truncated conversations are left out."""

    key = ("day",)
    pillar = "operations"
    period = "day"
    rules = (
        "answered_waits + open_waits + missed_waits + trailing_waits == waits",
        "first_waits <= waits",
        "first_answered_waits <= answered_waits",
        "first_answered_waits + missed_waits <= first_waits",
    )

    day = date("Local day of waiting_since.")
    left_truncated_waits = count("Waits of left-truncated conversations: not in any other figure of the row.")
    waits = count("Waits that began.")
    first_waits = count("First waits of their conversation.")
    answered_waits = count("Waits that a reply closed.")
    first_answered_waits = count("First waits that a reply closed.")
    open_waits = count("Waits without a reply whose conversation is not over.")
    missed_waits = count("First waits without a reply whose conversation is over.")
    trailing_waits = count("Later waits without a reply whose conversation is over: mostly thanks.")
    answer_rate = rate("first_answered_waits / (first_answered_waits + missed_waits).")
    response_seconds_median = seconds("Median over answered waits.")
    response_seconds_p90 = seconds("90th percentile over answered waits.")
    response_seconds_mean = seconds("Mean over answered waits.")
    first_response_seconds_median = seconds("Median over first answered waits.")
    first_response_seconds_p90 = seconds("90th percentile over first answered waits.")
    first_response_seconds_mean = seconds("Mean over first answered waits.")
    business_first_response_seconds_median = seconds("Median of the business seconds of first answered waits.")
    first_within_target_rate = rate(
        "First waits answered within CRM_FIRST_RESPONSE_TARGET_MINUTES / (first_answered_waits + missed_waits)."
    )
    first_response_seconds_median_censored = seconds(
        "Kaplan-Meier median over first waits: open ones censored, missed ones never answered."
    )


class ChatsResolvedDaily(KpiTable):
    """Conversations resolved, by the local day of it. Left-truncated conversations are left out."""

    key = ("day",)
    pillar = "operations"
    period = "day"
    rules = ("resolved_by_operator + resolved_quietly == resolved",)

    day = date("Local day of resolved_at, for `unresolved` of ended_at.")
    resolved = count("Conversations resolved.")
    resolved_by_operator = count("… by a mark-as-done.")
    resolved_quietly = count("… by ending answered.")
    unresolved = count("Conversations that ended that day with a missed wait and unmarked.")
    resolution_seconds_median = seconds("Median from first inbound to resolved_at.")


class BacklogDaily(KpiTable):
    """Waits that stood open at the end of each local day."""

    key = ("day",)
    pillar = "operations"
    period = "day"

    day = date("Local day; the newest ends at the cut.")
    open_waits_at_end = count("Waits begun, not answered, and not given up by the day's end.")
    oldest_wait_seconds = seconds("Age of the oldest of them at the day's end.")


class BacklogNow(KpiTable):
    """One row: waits that are open as far as each chat is known."""

    key = ()
    pillar = "operations"
    rules = ("windows_expiring_2h <= open_waits",)

    open_waits = count("Open waits.")
    oldest_open_wait_seconds = seconds("Age of the oldest at the cut.")
    windows_expiring_2h = count("Open waits whose 24-hour service window lapses within 2 h of the cut.")


class AgentLeaderboard(KpiTable):
    """What each agent did in the last 7 and 30 complete local days."""

    key = ("agent", "window_days")
    pillar = "operations"
    rules = ("window_days == 7 or window_days == 30",)

    agent = text("The staff identifier; (unassigned) for work of nobody.")
    window_days = integer("Length of the window in complete local days.")
    chats_assigned = count("Assignments to the agent.")
    chats_resolved = count("Conversations resolved, credited to the marker, else the assignee.")
    replies = count("Replies, credited to the sender, else the assignee.")
    first_response_seconds_median = seconds("Median over first answered waits that the agent's reply closed.")
    attributed_share = rate("Replies with an agent / all replies of the window; the same on every row of it.")
    first_responses = count("First answered waits that the agent's reply closed: what the median is over.")


class MessageVolumeHourly(KpiTable):
    """Messages by weekday and hour over the last 84 complete local days: 12 of each weekday. Failed ones are out."""

    key = ("weekday", "hour")
    pillar = "operations"

    weekday = _weekday()
    hour = _hour()
    inbound = count("Messages from contacts.")
    replies = count("Replies.")
    templates = count("Templates.")


class CampaignPerformance(KpiTable):
    """Campaigns and what their newest report says of them; impossible reports are shown and flagged."""

    key = ("campaign_id",)
    pillar = "engagement"
    rules = (
        "is_consistent == False or delivered >= 0",
        "is_consistent == False or read >= 0",
        "is_consistent == False or replied >= 0",
        "is_consistent == False or failed >= 0",
        "is_consistent == False or read <= delivered",
        "is_consistent == False or replied <= delivered",
        "is_consistent == False or in_flight >= 0",
        "is_consistent == False or delivery_rate <= 1",
        "is_consistent == False or read_per_delivered <= 1",
        "is_consistent == False or reply_per_delivered <= 1",
        "is_consistent == False or read_per_recipient <= 1",
        "is_consistent == False or reply_per_recipient <= 1",
        "delivery_rate_low <= delivery_rate_high",
        "read_per_delivered_low <= read_per_delivered_high",
        "reply_per_delivered_low <= reply_per_delivered_high",
    )

    campaign_id = text("The campaign.")
    name = text("Its name.", nullable=True, published="masked")
    status = text("Its status.", nullable=True)
    sent_at = timestamp("When it was sent, by the best that is known; NULL for a draft.", nullable=True)
    total_recipients = _reported("Recipients: the report's, else the campaign's.")
    delivered = _reported("Delivered.")
    read = _reported("Read.")
    replied = _reported("Replied.")
    failed = _reported("Failed.")
    in_flight = _reported("total_recipients − delivered − failed; NULL beyond a trillion.")
    delivery_rate = _reported_rate("delivered / total_recipients.")
    read_per_delivered = _reported_rate("read / delivered.")
    reply_per_delivered = _reported_rate("replied / delivered.")
    read_per_recipient = _reported_rate("read / total_recipients.")
    reply_per_recipient = _reported_rate("replied / total_recipients.")
    delivery_rate_low = rate("Lower Wilson 95 % bound.")
    delivery_rate_high = rate("Upper Wilson 95 % bound.")
    read_per_delivered_low = rate("Lower Wilson 95 % bound.")
    read_per_delivered_high = rate("Upper Wilson 95 % bound.")
    reply_per_delivered_low = rate("Lower Wilson 95 % bound.")
    reply_per_delivered_high = rate("Upper Wilson 95 % bound.")
    is_consistent = flag(
        "read ≤ delivered ≤ total, replied ≤ delivered, delivered + failed ≤ total, none negative or over a trillion.",
        nullable=True,
    )
    is_settled = flag("Completed or failed, and sent at least 72 h before the cut.")
    api_rate_gap = number(
        "Largest difference between our rates and the API's texts beyond their rounding.",
        nullable=True,
        minimum=0,
        unit="percentage points",
    )


class EngagementMonthly(KpiTable):
    """Campaigns by the local month they were sent in: consistent ones with recipients, sent by the cut."""

    key = ("month",)
    pillar = "engagement"
    period = "month"
    rules = ("read <= delivered", "replied <= delivered", "delivered + failed <= total_recipients")

    month = date("First day of the local month of sent_at.", unit="local month")
    campaigns = count("Campaigns.")
    total_recipients = count("Recipients.")
    delivered = count("Delivered.")
    read = count("Read.")
    replied = count("Replied.")
    failed = count("Failed.")
    delivery_rate = rate("delivered / total_recipients, from the sums.")
    read_per_delivered = rate("read / delivered, from the sums.")
    reply_per_delivered = rate("replied / delivered, from the sums.")


class SendTimePerformance(KpiTable):
    """Campaigns by the local weekday and hour of sending: those of engagement_monthly."""

    key = ("weekday", "hour")
    pillar = "engagement"
    rules = ("read <= delivered", "replied <= delivered")

    weekday = _weekday()
    hour = _hour()
    campaigns = count("Campaigns.")
    delivered = count("Delivered.")
    read = count("Read.")
    replied = count("Replied.")
    read_per_delivered = rate("read / delivered.")
    reply_per_delivered = rate("replied / delivered.")
    read_per_delivered_shrunk = rate(
        "read / delivered, drawn towards the mean of all cells as far as chance explains it."
    )
    reply_per_delivered_shrunk = rate("replied / delivered, drawn in the same way.")
    enough_data = flag("At least 3 campaigns and 1,000 delivered.")


class ContactGrowthDaily(KpiTable):
    """Contacts at the end of each local day, and how they came and went."""

    key = ("day",)
    version = 2
    pillar = "growth"
    period = "day"
    rules = ("is_estimated or net_growth == new_contacts - gone_contacts",)

    day = date("Local day.")
    total_contacts = count("Contacts present at its end.")
    new_contacts = count("Presences that began.")
    gone_contacts = count("Presences that ended; NULL on estimated days.", nullable=True)
    net_growth = integer("new_contacts − gone_contacts.")
    is_estimated = flag("Before the first complete sweep, from creation times alone.")


class ContactGrowthMonthly(KpiTable):
    """Contacts at the end of each local month, and how they came and went."""

    key = ("month",)
    version = 2
    pillar = "growth"
    period = "month"

    month = date("First day of the local month.", unit="local month")
    opening = count("Contacts at its start.")
    new_contacts = count("Presences that began.")
    gone_contacts = count("Presences that ended; NULL when all its days are estimated.", nullable=True)
    closing = count("Contacts at its end, or at the cut.")
    monthly_growth_rate = number(
        "(closing − opening) / opening; NULL for the first month known.", nullable=True, minimum=-1
    )
    is_partial = flag("The current month.")
    previous_to_date_rate = number(
        "On the partial month: the month before, closed at the same day number.", nullable=True, minimum=-1
    )


class ContactsBySegment(KpiTable):
    """Present contacts by the value of each segment field: the 50 largest values, the rest as (other).

    Values are compared without the spaces around them. A contact whose field holds several values counts in each of
    them, so the shares of a field may add up to more than 1.
    """

    key = ("field", "value")
    pillar = "growth"
    rules = ("active_30d <= contacts",)
    version = 2

    field = text("The custom field.")
    value = text("Its value; (other) beyond the 50 largest, (none) where absent.", published="masked")
    contacts = count("Present contacts.")
    share = rate("Of all present contacts.")
    active_30d = count("Those with an inbound message in the 30 complete local days before the cut's day.")


class ContactsByCountry(KpiTable):
    """Present contacts by the country of their number."""

    key = ("region",)
    version = 2
    pillar = "growth"
    rules = ("active_30d <= contacts",)

    region = text("ISO country code; (unknown) where the number tells none.")
    contacts = count("Present contacts.")
    share = rate("Of all present contacts.")
    active_30d = count("Those with an inbound message in the 30 complete local days before the cut's day.")


class ExecutiveSummary(KpiTable):
    """One row: the figures a company is run by, each beside the same one a period before."""

    key = ()
    version = 2
    pillar = "executive"

    total_contacts = count("Contacts present at the cut.")
    total_contacts_previous = count("… at the end of the local day 7 days before the cut's.", nullable=True)
    monthly_growth_rate = number("Of the last complete month.", nullable=True, minimum=-1)
    monthly_growth_rate_previous = number("Of the month before.", nullable=True, minimum=-1)
    active_campaigns = count("Campaigns active or in progress.")
    active_campaigns_previous = count("… at the end of the local day 7 days before the cut's.", nullable=True)
    read_per_delivered_30d = _reported_rate("Settled campaigns sent in the last 30 complete local days.")
    read_per_delivered_30d_previous = _reported_rate("… in the 30 days before.")
    reply_per_delivered_30d = _reported_rate("Settled campaigns sent in the last 30 complete local days.")
    reply_per_delivered_30d_previous = _reported_rate("… in the 30 days before.")
    first_response_seconds_median_7d = seconds("Over first answered waits of the last 7 complete local days.")
    first_response_seconds_median_7d_previous = seconds("… of the 7 days before.")
    answer_rate_7d = rate("First waits answered / answered or missed, last 7 complete local days.")
    answer_rate_7d_previous = rate("… in the 7 days before.")
    chats_resolved_7d = count("Conversations resolved in the last 7 complete local days.")
    chats_resolved_7d_previous = count("… in the 7 days before.", nullable=True)
    open_waits = count("Open waits.")
    open_waits_previous = count("… at the end of the local day 7 days before the cut's.", nullable=True)
