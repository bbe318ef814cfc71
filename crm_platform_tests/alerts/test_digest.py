"""The daily digest: its sentences by hand, its hour, and `crm alerts`."""

from __future__ import annotations

import datetime as dt
import json

import pytest
from click.testing import CliRunner

from crm_platform import cli
from crm_platform.alerts import Alert, Alerter
from crm_platform.alerts.digest import digest, is_due, send
from crm_platform.cli import alerts as commands
from crm_platform.errors import FixConfiguration
from crm_platform.languages import Language
from crm_platform.metrics.backlog_now.table import BacklogNow
from crm_platform.metrics.executive_summary.table import ExecutiveSummary
from crm_platform.settings import Settings
from crm_platform_tests.alerts import published
from crm_platform_tests.alerts.test_watches import FRIDAY, MEDIAN, SATURDAY_NOON, ResponseTimesDaily, Tenant

FIGURES = {
    "total_contacts": 2000,
    "total_contacts_previous": 1968,
    "monthly_growth_rate": 0.083,
    "monthly_growth_rate_previous": 0.086,
    "active_campaigns": 2,
    "active_campaigns_previous": 2,
    "read_per_delivered_30d": 0.676,
    "read_per_delivered_30d_previous": 0.758,
    "reply_per_delivered_30d": 0.0521,
    "reply_per_delivered_30d_previous": 0.0521,
    "first_response_seconds_median_7d": 252.0,
    "first_response_seconds_median_7d_previous": 290.0,
    "answer_rate_7d": 0.895,
    "answer_rate_7d_previous": 0.875,
    "chats_resolved_7d": 568,
    "chats_resolved_7d_previous": 591,
    "open_waits": 12,
    "open_waits_previous": 9,
    "coverage": 0.9996,
    "is_provisional": False,
}
MORNING = SATURDAY_NOON - dt.timedelta(hours=5)  # 07:00 in Nairobi


def summarised(settings: Settings, **changed: object) -> Settings:
    tables = {
        ExecutiveSummary: [published.row(ExecutiveSummary, **{**FIGURES, **changed})],
        BacklogNow: [published.row(BacklogNow, open_waits=12, windows_expiring_2h=3)],
    }
    published.publish(settings, as_of=MORNING, tables=tables)
    return settings


def lines(settings: Settings, *, now: dt.datetime = MORNING) -> list[str]:
    return digest(settings, Alerter(settings), now=now).text.splitlines()


def test_the_digest_speaks_the_tenants_language(tmp_path):
    settings = summarised(Settings(data_dir=tmp_path, language=Language("fr"), serve_url="https://kpi.example.com"))
    message = digest(settings, Alerter(settings), now=MORNING)
    assert message.title == "Résumé du sam. 21 nov. 2026"
    told = message.text.replace("\u00a0", " ").replace("\u202f", " ").splitlines()
    assert told[0] == (
        "Première réponse des 7 derniers jours, médiane : 4 min 12 s, 38 s plus rapide que les 7 jours précédents."
    )
    assert told[4] == "Contacts : 2 000, 32 de plus que la semaine précédente."
    assert told[9] == "Au sam. 21 nov. 2026, 07:00 EAT ; couverture 99,9 %."
    assert told[-1] == "Page : https://kpi.example.com/executive"


def test_the_digest_says_how_things_are_and_what_changed(tmp_path):
    settings = summarised(Settings(data_dir=tmp_path, serve_url="https://kpi.example.com"))
    Alerter(settings, now=lambda: MORNING).report(Alert("job:ingest", "ingest failed"))
    message = digest(settings, Alerter(settings), now=MORNING)
    assert message.headline == "📋 Digest of Sat 21 Nov 2026"
    assert message.text.splitlines() == [
        "First reply in the last 7 days, median: 4 min 12 s, 38 s faster than in the 7 days before.",
        "Conversations answered: 89.5 %, 2.0 points more than in the 7 days before.",
        "Resolved: 568, 23 fewer than in the 7 days before.",
        "Waiting now: 12, 3 more than a week ago. 3 of them lose their 24-hour window within 2 hours.",
        "Contacts: 2,000, 32 more than a week ago.",
        "Growth last month: 8.3 %, 0.3 points less than the month before.",
        "Campaigns active: 2, the same as a week ago.",
        "Read, of what campaigns delivered in 30 days: 67.6 %, 8.2 points less than in the 30 days before.",
        "Replied to: 5.2 %, the same as in the 30 days before.",
        "As of Sat 21 Nov 2026, 07:00 EAT; coverage 99.9 %.",
        "Open problems: 1.",
        "• ingest failed, since 2026-11-21 04:00 UTC",
        "Page: https://kpi.example.com/executive",
    ]


def test_the_digest_says_so_when_little_is_known(tmp_path):
    unknown = {name: None for name, column in ExecutiveSummary.columns.items() if column.nullable}
    said = lines(summarised(Settings(data_dir=tmp_path), **{**unknown, "coverage": 0.4, "is_provisional": True}))
    assert said == [
        "First replies in the last 7 days: none.",
        "Resolved: 568.",
        "Waiting now: 12. 3 of them lose their 24-hour window within 2 hours.",
        "Contacts: 2,000.",
        "Campaigns active: 2.",
        "As of Sat 21 Nov 2026, 07:00 EAT; coverage 40 %, so the figures are provisional.",
        "No open problem.",
    ]


def test_old_figures_are_called_old(tmp_path):
    said = lines(summarised(Settings(data_dir=tmp_path)), now=MORNING + dt.timedelta(days=2))
    assert "As of Sat 21 Nov 2026, 07:00 EAT; coverage 99.9 %. These figures are 2 d old." in said


def test_before_the_first_snapshot_there_is_a_digest_too(tmp_path):
    said = lines(Settings(data_dir=tmp_path))
    assert said[0].startswith("Nothing is published yet")


@pytest.mark.parametrize(
    ("hour", "utc", "due"),
    [
        (7, "04:00", True),
        (7, "03:59", False),
        (7, "06:59", True),
        (7, "07:00", False),  # a platform that starts at ten sends none at ten
        (0, "21:00", True),
        (23, "20:30", True),
        (None, "04:00", False),
    ],
)
def test_the_digest_is_due_at_its_local_hour(tmp_path, hour, utc, due):
    settings = Settings(data_dir=tmp_path, digest_hour=hour)
    now = dt.datetime.fromisoformat(f"2026-11-21T{utc}:00+00:00")
    assert is_due(settings, Alerter(settings), now=now) is due


def test_the_digest_is_sent_once_a_day_also_after_a_restart(tmp_path, receiver, clock):
    settings = summarised(Settings(data_dir=tmp_path, digest_hour=7, alert_webhook_url=receiver.url))
    for later in range(0, 120, 15):
        now = MORNING + dt.timedelta(minutes=later)
        if is_due(settings, Alerter(settings), now=now):
            message = digest(settings, Alerter(settings), now=now)
            assert send(message, settings, Alerter(settings), now=now)
    assert receiver.titles == ["📋 Digest of Sat 21 Nov 2026"]
    assert is_due(settings, Alerter(settings), now=MORNING + dt.timedelta(days=1))


# `crm alerts`.


@pytest.fixture
def shell(monkeypatch):
    def run(settings: Settings, *words: str, code: int = 0) -> str:
        monkeypatch.setattr(commands, "current_settings", lambda: settings)
        result = CliRunner().invoke(cli.crm, ["alerts", *words])
        assert result.exit_code == code, (result.output, result.exception)
        return result.output

    return run


def test_list_shows_problems_and_failing_channels(tmp_path, receiver, shell):
    settings = Settings(data_dir=tmp_path, alert_webhook_url=receiver.url)
    assert shell(settings, "list").splitlines() == ["no open problem", "log: no failure", "webhook: no failure"]
    receiver.status = 500
    Alerter(settings, now=lambda: MORNING).report(Alert("job:ingest", "ingest failed", "the key is refused\nrun 12"))
    assert shell(settings, "list").splitlines() == [
        "since\tproblem\tabout\ttold_on",
        "2026-11-21 04:00 UTC\tingest failed\tthe key is refused\tlog",
        "log: no failure",
        "webhook: fails, answered 500, since 2026-11-21 04:00 UTC",
    ]
    (row,) = map(json.loads, shell(settings, "list", "--json").splitlines())
    assert row["problem"] == "ingest failed"


def test_test_sends_to_every_channel_and_fails_when_one_does(tmp_path, receiver, shell):
    settings = Settings(data_dir=tmp_path, alert_webhook_url=receiver.url)
    assert shell(settings, "test").splitlines() == ["ok   log      sent", "ok   webhook  sent"]
    receiver.status = 404
    assert "BAD  webhook  answered 404" in shell(settings, "test", code=1)
    assert receiver.titles == ["🔔 A test of crm_platform's alerts"] * 2
    assert "set CRM_ALERT_WEBHOOK_URL" in shell(Settings(data_dir=tmp_path / "other"), "test")


def test_check_judges_and_tells_only_when_asked(tmp_path, shell):
    tenant = Tenant(Settings(data_dir=tmp_path)).on(ResponseTimesDaily, FRIDAY, **{MEDIAN: 1500.0})
    tenant.snapshot()
    found = shell(tenant.settings, "check").splitlines()
    assert found[0] == "state\tfigure\trule\tfound"
    assert "broken\tThe median first response\ttarget\t25 min on Fri 20 Nov 2026; target: at most 15 min" in found
    assert Alerter(tenant.settings).open_problems() == {}
    shell(tenant.settings, "check", "--send")
    assert len(Alerter(tenant.settings).open_problems()) == 1


def test_what_programs_read_of_it_stays_english(tmp_path, shell):
    tenant = Tenant(Settings(data_dir=tmp_path, language=Language("sw")))
    tenant.on(ResponseTimesDaily, FRIDAY, **{MEDIAN: 1500.0}).snapshot()
    rows = [json.loads(line) for line in shell(tenant.settings, "check", "--json").splitlines()]
    row = next(row for row in rows if row["state"] == "broken")
    assert row["figure"] == "The median first response"
    assert row["found"] == "25 min on Fri 20 Nov 2026; target: at most 15 min"
    shell(tenant.settings, "check", "--send")
    assert list(Alerter(tenant.settings).open_problems().values()) == [
        "Thamani ya kati ya jibu la kwanza: juu ya lengo"
    ]


def test_digest_shows_and_sends_only_when_asked(tmp_path, receiver, shell):
    settings = summarised(Settings(data_dir=tmp_path, alert_webhook_url=receiver.url))
    assert "Contacts: 2,000" in shell(settings, "digest")
    assert receiver.titles == []
    assert shell(settings, "digest", "--send").endswith("every channel has today's digest\n")
    shell(settings, "digest", "--send")
    assert len(receiver.titles) == 1


def test_check_without_a_snapshot_says_what_to_do(tmp_path, monkeypatch):
    monkeypatch.setattr(commands, "current_settings", lambda: Settings(data_dir=tmp_path))
    result = CliRunner().invoke(cli.crm, ["alerts", "check"])
    assert isinstance(result.exception, FixConfiguration)
    assert "crm refresh" in str(result.exception)
