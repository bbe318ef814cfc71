"""Campaigns and their reports, by hand."""

from __future__ import annotations

import datetime as dt

import pytest

from crm_platform_tests.models.conftest import Worlds

# Friday 20 November 2026, 12:00 in Nairobi.
NOW = dt.datetime(2026, 11, 20, 9, tzinfo=dt.UTC)
HOUR, DAY = dt.timedelta(hours=1), dt.timedelta(days=1)
REPORT = {"total_recipients": 100, "delivered": 80, "read": 40, "replied": 8, "failed": 10}


@pytest.mark.slow
def test_one_campaign_of_each_kind(new_world: Worlds):
    world = new_world()
    sent = NOW - 10 * DAY
    world.campaign("plain", [(sent, "completed")], created_at=sent)
    world.report("plain", sent + HOUR, **{**REPORT, "delivered": 1})
    world.report("plain", NOW - HOUR, **REPORT, delivery_rate="80%", read_rate="50.0%", reply_rate="11%")
    world.campaign("seen leaving", [(sent - DAY, "scheduled"), (sent, "in_progress"), (NOW - DAY, "completed")])
    world.report("seen leaving", NOW - 2 * DAY, **REPORT)
    world.campaign("draft", [(sent, "draft")], scheduled_at=sent)
    world.campaign("fresh", [(NOW - DAY, "completed")], total_recipients=7)
    world.campaign("impossible", [(sent, "failed")])
    world.report("impossible", NOW - HOUR, **{**REPORT, "read": 90})
    world.campaign("to nobody", [(sent, "completed")])
    world.report("to nobody", NOW - HOUR, total_recipients=0, delivered=0, read=0, replied=0, failed=0, read_rate="0%")
    world.freeze(NOW)

    plain = world.row("kpi.campaign_performance", campaign_id="plain")
    assert (plain["delivered"], plain["in_flight"], plain["is_consistent"], plain["is_settled"]) == (80, 10, True, True)
    assert (plain["delivery_rate"], plain["read_per_delivered"], plain["reply_per_recipient"]) == (0.8, 0.5, 0.08)
    # Our 10 % against the text's 11 %, which may mean anything from 10.5 %.
    assert plain["api_rate_gap"] == pytest.approx(0.5)
    # Wilson: (0.8 + z²/200 ± z √(0.8·0.2/100 + z²/40000)) / (1 + z²/100)
    assert plain["delivery_rate_low"] == pytest.approx(0.7111708344068411)
    assert plain["delivery_rate_high"] == pytest.approx(0.8666330666689676)
    assert (plain["coverage"], plain["is_provisional"]) == (1, False)

    leaving = world.row("kpi.campaign_performance", campaign_id="seen leaving")
    assert leaving["sent_at"] == sent.replace(tzinfo=None)
    assert (leaving["coverage"], leaving["is_provisional"]) == (0, True)  # its report is older than its last status

    draft = world.row("kpi.campaign_performance", campaign_id="draft")
    assert (draft["sent_at"], draft["is_consistent"], draft["is_settled"], draft["delivered"]) == (
        None,
        None,
        False,
        None,
    )

    fresh = world.row("kpi.campaign_performance", campaign_id="fresh")
    assert (fresh["total_recipients"], fresh["is_settled"], fresh["delivery_rate"]) == (7, False, None)

    impossible = world.row("kpi.campaign_performance", campaign_id="impossible")
    assert (impossible["is_consistent"], impossible["read_per_delivered"]) == (False, 90 / 80)
    assert impossible["read_per_delivered_low"] is None

    nobody = world.row("kpi.campaign_performance", campaign_id="to nobody")
    assert (nobody["delivery_rate"], nobody["delivery_rate_low"], nobody["api_rate_gap"]) == (None, None, None)

    (month,) = world.tables["kpi.engagement_monthly"]
    assert (month["campaigns"], month["total_recipients"], month["delivery_rate"]) == (2, 200, 0.8)
    assert (month["month"], month["is_provisional"]) == (dt.date(2026, 11, 1), True)
    # Both were sent at the same hour: with one cell there is nothing to draw it towards but itself.
    (cell,) = world.tables["kpi.send_time_performance"]
    assert (cell["campaigns"], cell["read_per_delivered_shrunk"], cell["enough_data"]) == (2, 0.5, False)


@pytest.mark.slow
def test_shrinkage_draws_small_cells_further(new_world: Worlds):
    world = new_world()
    sent = NOW - 10 * DAY
    for number, (delivered, read) in enumerate([(1000, 700), (1000, 300), (10, 9)]):
        at = sent + number * HOUR
        world.campaign(f"c{number}", [(at, "completed")])
        report = {"total_recipients": delivered, "delivered": delivered, "read": read, "replied": 0, "failed": 0}
        world.report(f"c{number}", NOW - HOUR, **report)
    world.freeze(NOW)
    cells = sorted(world.tables["kpi.send_time_performance"], key=lambda row: str(row["hour"]))
    drawn = [abs(row["read_per_delivered_shrunk"] - row["read_per_delivered"]) for row in cells]  # type: ignore[operator]
    assert drawn[2] > 10 * max(drawn[:2]) > 0
    assert [row["reply_per_delivered_shrunk"] for row in cells] == [0, 0, 0]


@pytest.mark.slow
def test_a_report_that_lacks_a_figure_is_neither_consistent_nor_a_breach(new_world: Worlds):
    world = new_world()
    world.campaign("partial", [(NOW - 9 * DAY, "completed")])
    world.report("partial", NOW - HOUR, **{**REPORT, "read": None})
    world.freeze(NOW)
    row = world.row("kpi.campaign_performance", campaign_id="partial")
    assert (row["is_consistent"], row["read_per_delivered"], row["delivery_rate"]) == (None, None, 0.8)
    (month,) = world.tables["kpi.engagement_monthly"]
    assert (month["read"], month["read_delivered"], month["read_per_delivered"]) == (0, 0, None)
    assert (month["replied"], month["reply_delivered"], month["reply_per_delivered"]) == (8, 80, 0.1)


@pytest.mark.slow
def test_a_rate_is_over_reports_that_say_both_its_counts(new_world: Worlds):
    """Field case 42: whatever counts reports lack, and whichever contradict themselves, in every table that pools."""
    world = new_world()
    full = {"total_recipients": 1000, "delivered": 1000, "read": 700, "replied": 100, "failed": 0}
    odd = {"total_recipients": 100, "delivered": 80, "read": 95, "replied": 8, "failed": 0}
    lacking = [
        {"read": None, "replied": None},
        {"read": None, "replied": None, "failed": None},
        {"delivered": None},
        dict.fromkeys(full),
    ]
    reports = [
        *({**full, **one} for one in lacking),
        odd,
        {**odd, "replied": None},
        {**odd, "read": None, "replied": 81},
        {**odd, "read": -1},
    ]
    for number, report in enumerate([full, *reports]):
        sent = NOW - (4 + 7 * (number % 2)) * DAY  # one hour of one weekday and month
        world.campaign(f"c{number}", [(sent, "completed")], created_at=sent)
        world.report(f"c{number}", NOW - HOUR, **report)
    world.freeze(NOW)
    (month,) = world.tables["kpi.engagement_monthly"]
    (cell,) = world.tables["kpi.send_time_performance"]
    (summary,) = world.tables["kpi.executive_summary"]
    assert (summary["read_per_delivered_30d"], summary["reply_per_delivered_30d"]) == (0.7, 0.1)
    assert (summary["read_delivered_30d"], summary["reply_delivered_30d"]) == (1000, 1000)
    for row in (month, cell):
        assert (row["campaigns"], row["delivered"]) == (3, 3000)
        assert (row["read"], row["read_delivered"], row["read_per_delivered"]) == (700, 1000, 0.7)
        assert (row["replied"], row["reply_delivered"], row["reply_per_delivered"]) == (100, 1000, 0.1)
    assert (cell["read_per_delivered_shrunk"], cell["reply_per_delivered_shrunk"]) == (0.7, 0.1)


@pytest.mark.slow
def test_a_cut_in_the_past_sees_the_report_and_status_of_then(new_world: Worlds):
    world = new_world()
    then = NOW - 5 * DAY
    world.campaign("c", [(then - DAY, "in_progress"), (NOW - DAY, "completed")], created_at=then - DAY)
    world.report("c", then - HOUR, **{**REPORT, "read": 10}, last_fetched_at=NOW - 2 * DAY)
    world.report("c", NOW - HOUR, **REPORT)
    world.freeze(NOW, as_of=then)
    row = world.row("kpi.campaign_performance", campaign_id="c")
    assert (row["status"], row["read"], row["coverage"]) == ("in_progress", 10, 1)
    assert world.tables["kpi.executive_summary"][0]["active_campaigns"] == 1
    world.freeze(NOW)
    assert world.row("kpi.campaign_performance", campaign_id="c")["read"] == 40
    assert world.tables["kpi.executive_summary"][0]["active_campaigns_previous"] is None  # nothing was known then
