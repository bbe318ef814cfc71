"""The daily digest: its sentences by hand, its hour, and `crm alerts`."""

from __future__ import annotations

import datetime as dt
import json
import re
from dataclasses import replace

import pytest
from click.testing import CliRunner

from crm_platform import cli
from crm_platform.alerts import Alert, Alerter
from crm_platform.alerts.digest import digest, is_due, send
from crm_platform.alerts.summary import Summary
from crm_platform.cli import alerts as commands
from crm_platform.errors import FixConfiguration
from crm_platform.languages import Language
from crm_platform.publish import current
from crm_platform.receipts import claims
from crm_platform.receipts.behind import SnapshotReader, opened
from crm_platform.settings import Settings
from crm_platform.verdicts import Claim
from crm_platform_tests.alerts.test_watches import FRIDAY, MEDIAN, SATURDAY_NOON, ResponseTimesDaily, Tenant
from crm_platform_tests.receipts.weeks import NOW, altered

MORNING = SATURDAY_NOON - dt.timedelta(hours=5)  # 07:00 in Nairobi
LATER = "r.day >= date '2026-11-15'"


@pytest.fixture
def week(slower_weeks, tmp_path):
    """The digest of a copy of the published weeks, after some SQL."""

    def told(*statements: str, **changed: object) -> list[str]:
        settings = altered(slower_weeks, tmp_path, *statements, **changed)
        text = digest(settings, Alerter(settings), now=NOW).text
        return text.replace("\u00a0", " ").replace("\u202f", " ").splitlines()

    return told


def summary(**figures: object) -> str:
    return "update kpi.executive_summary set " + ", ".join(f"{name} = {value}" for name, value in figures.items())


def test_the_digest_says_how_things_are_and_what_changed(slower_weeks, tmp_path):
    figures = summary(total_contacts_previous=38, monthly_growth_rate=0.083, monthly_growth_rate_previous=0.086)
    settings = altered(slower_weeks, tmp_path, figures, serve_url="https://kpi.example.com")
    Alerter(settings, now=lambda: MORNING).report(Alert("job:ingest", "ingest failed"))
    message = digest(settings, Alerter(settings), now=NOW)
    assert message.headline == "📋 Digest of Sun 22 Nov 2026"
    told = message.text.splitlines()
    # Draws hang on pseudonyms, and so on the folder's key.
    between = r"the true change lies between \+15 min \d+ s and \+2[23] min \d+ s \(95 %\)\."
    assert re.fullmatch(
        rf"First reply, median: 28 min 55 s over 120, was 9 min 33 s over 140: worse; {between}", told.pop(1)
    )
    assert told == [
        "15 Nov 2026 to 21 Nov 2026, compared with 8 Nov 2026 to 14 Nov 2026:",
        "Conversations answered: 100.0 % over 120, was 100.0 % over 140: about the same.",
        "Resolved: 120, was 140.",
        "Waiting now: 0; 0 at the end of 15 Nov 2026.",
        "Contacts: 40; 38 at the end of 15 Nov 2026.",
        "Growth in Oct 2026: 8.3 %; 8.6 % in Sep 2026.",
        "Campaigns active: 0.",
        "As of Sun 22 Nov 2026, 14:05 EAT; coverage 100 %.",
        "Open problems: 1.",
        "• ingest failed, since 2026-11-21 04:00 UTC",
        "Page: https://kpi.example.com/executive",
    ]
    assert digest(settings, Alerter(settings), now=NOW) == message, "the same data, the same words"


def test_its_figures_are_those_that_are_published_and_judged(slower_weeks):
    snapshot = current(slower_weeks)
    with opened(snapshot.path) as one:
        found = Summary.of(SnapshotReader.of(one), Language("en"))
    for name in ("first_response_seconds_median_7d", "answer_rate_7d"):
        assert found.judged[name].current == pytest.approx(found.row[name])
    assert found.judged["chats_resolved_7d"].n_current == found.row["chats_resolved_7d"]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("language", "first"),
    [
        ("fr", "Première réponse, médiane : 28 min 55 s sur 120, contre 9 min 33 s sur 140: moins bien; "),
        (
            "sw",
            "Jibu la kwanza, thamani ya kati: dk 28 sek 55 kwa 120, ilikuwa dk 9 sek 33 kwa 140: mbaya zaidi; ",
        ),
    ],
)
def test_the_digest_speaks_the_tenants_language(week, language, first):
    assert week(language=Language(language))[1].startswith(first)


@pytest.mark.slow
@pytest.mark.parametrize("language", ["en", "fr", "sw"])
def test_what_is_not_known_is_compared_with_nothing(week, language):
    """Two days of the week were not read."""
    lines = week(
        "update kpi.response_times_daily set coverage = 0.5 where day >= date '2026-11-20'", language=Language(language)
    )
    left = {
        "en": "4 days of both are not compared, because they or their counterparts are not known or not over:",
        "fr": "4 jours des deux côtés ne sont pas comparés",
        "sw": "siku 4 za pande zote hazilinganishwi",
    }
    assert left[language] in lines[0]
    told = {
        "en": "First reply, median: 28 min 55 s; on the days that are compared: ",
        "fr": "Première réponse, médiane : 28 min 55 s; sur les jours comparés : ",
        "sw": "Jibu la kwanza, thamani ya kati: dk 28 sek 55; katika siku zinazolinganishwa: ",
    }
    assert lines[1].startswith(told[language])


def test_where_too_much_is_not_known_nothing_is_judged(week):
    lines = week("update kpi.response_times_daily set coverage = 0.5 where day >= date '2026-11-17'")
    assert lines[1] == "First reply, median: 28 min 55 s; not compared: too many of the days are not known."


def test_small_numbers_are_told_as_numbers(week):
    few = "chat_id not in (select chat_id from core.chats order by chat_id limit 2)"
    lines = week(
        f"delete from core.response_waits where {few}",
        "update kpi.chats_resolved_daily set resolved = 1",
        summary(chats_resolved_7d=7, monthly_growth_rate=0.5),
        "delete from kpi.contact_growth_monthly",
        "insert into kpi.contact_growth_monthly by name select date '2026-10-01' as month, 2 as opening, 3 as closing",
    )
    assert re.fullmatch(
        r"First reply, median: .* over \d, was .* over \d: too few to say whether it changed\.", lines[1]
    )
    assert re.fullmatch(r"Conversations answered: (\d) of \1, was (\d) of \2: too few to say .*", lines[2])
    assert lines[3] == "Resolved: 7, was 7."
    assert "Contacts at the end of Oct 2026: 3, 2 at its beginning." in lines


NO_REPLY = summary(first_response_seconds_median_7d="null")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("statements", "said"),
    [
        (
            ["update core.response_waits as r set state = 'missed' where " + LATER],
            {
                "en": "120 conversations were begun by customers, none got a reply.",
                "fr": "120 conversations ont été ouvertes par des clients, aucune n’a reçu de réponse.",
                "sw": "Mazungumzo 120 yalianzishwa na wateja, hakuna lililojibiwa.",
            },
        ),
        (
            ["delete from core.response_waits as r where " + LATER],
            {
                "en": "First replies: nobody had to be answered.",
                "fr": "Premières réponses : personne n’attendait de réponse.",
                "sw": "Majibu ya kwanza: hakuna aliyehitaji kujibiwa.",
            },
        ),
        (
            [
                "delete from core.response_waits as r where " + LATER,
                "update core.coverage_daily as r set expected_unseen = 100 where " + LATER,
            ],
            {
                "en": "First replies: not known. Of what is read so far, nobody had to be answered.",
                "fr": "Premières réponses : inconnues. D’après ce qui est lu, personne n’attendait de réponse.",
                "sw": "Majibu ya kwanza: hayajulikani. Kwa yaliyosomwa hadi sasa, hakuna aliyehitaji kujibiwa.",
            },
        ),
    ],
    ids=["nobody answered", "nobody wrote", "not known"],
)
@pytest.mark.parametrize("language", ["en", "fr", "sw"])
def test_no_demand_no_reply_and_no_data_are_three_sentences(week, statements, said, language):
    assert week(*statements, NO_REPLY, language=Language(language))[1] == said[language]


def test_who_still_waits_is_told_beside_who_got_none(week):
    half = "case when hash(chat_id) % 2 = 0 then 'missed' else 'open' end"
    line = week(f"update core.response_waits as r set state = {half} where {LATER}", NO_REPLY)[1]
    assert re.fullmatch(r"120 conversations were begun by customers, none got a reply; \d+ still wait\.", line)


def campaigns(*, before: int) -> str:
    """SQL: eight settled campaigns of the last 30 days that 30 % read, and some of the days before that 60 % did."""
    rows = [
        f"('k{number}', timestamp '2026-{month}-05 09:00', 1000, 1000, {readers}, 50, true, true, 1.0)"
        for number, (month, readers) in enumerate(
            [("11", 300 + n) for n in range(8)] + [("10", 600 + n) for n in range(before)]
        )
    ]
    columns = "campaign_id, sent_at, total_recipients, delivered, read, replied, is_consistent, is_settled, coverage"
    return f"insert into kpi.campaign_performance by name select * from (values {', '.join(rows)}) as k({columns})"


def test_settled_campaigns_are_judged_by_how_they_differ(week):
    rates = summary(read_per_delivered_30d=0.3035, reply_per_delivered_30d=0.05)
    told = week(campaigns(before=8), rates)
    assert "Settled campaigns sent 23 Oct 2026 to 21 Nov 2026, compared with 23 Sep 2026 to 22 Oct 2026:" in told
    assert any(
        line.startswith("Read, of what they delivered: 30.3 % over 8, was 60.4 % over 8: worse; ") for line in told
    )
    assert "Replied to: 5.0 % over 8, was 5.0 % over 8: about the same." in told


def test_few_campaigns_say_too_little(week):
    told = week(campaigns(before=3), summary(read_per_delivered_30d=0.3035, reply_per_delivered_30d=0.05))
    assert "Read, of what they delivered: 30.3 % over 8, was 60.1 % over 3: too few to say whether it changed." in told


def test_the_claims_of_a_digest_stand_under_one_rule(slower_weeks, monkeypatch):
    """One p value of 0.03 would stand alone; beside others it does not."""
    real = claims.over_days

    def unsure(*asked: object, **between: object) -> Claim | None:
        found = real(*asked, **between)
        return found if found is None or found.good == "neither" else replace(found, low=0.1, high=0.2, p_value=0.03)

    monkeypatch.setattr(claims, "over_days", unsure)
    with opened(current(slower_weeks).path) as one:
        found = Summary.of(SnapshotReader.of(one), Language("en"))
    assert {claim.verdict for claim in found.judged.values() if claim.p_value} == {"about_the_same"}


def test_old_figures_are_called_old(week, slower_weeks):
    said = digest(slower_weeks, Alerter(slower_weeks), now=NOW + dt.timedelta(days=2)).text
    assert "As of Sun 22 Nov 2026, 14:05 EAT; coverage 100 %. These figures are 2 d old." in said


def test_before_the_first_snapshot_there_is_a_digest_too(tmp_path):
    settings = Settings(data_dir=tmp_path)
    assert digest(settings, Alerter(settings), now=MORNING).text.startswith("Nothing is published yet")


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


def test_the_digest_is_sent_once_a_day_also_after_a_restart(slower_weeks, tmp_path, receiver, clock):
    settings = altered(slower_weeks, tmp_path, digest_hour=7, alert_webhook_url=receiver.url)
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


@pytest.mark.slow
def test_digest_shows_and_sends_only_when_asked(slower_weeks, tmp_path, receiver, shell):
    settings = altered(slower_weeks, tmp_path, alert_webhook_url=receiver.url)
    assert "Contacts: 40" in shell(settings, "digest")
    assert receiver.titles == []
    assert shell(settings, "digest", "--send").endswith("every channel has today's digest\n")
    shell(settings, "digest", "--send")
    assert len(receiver.titles) == 1


def test_check_without_a_snapshot_says_what_to_do(tmp_path, monkeypatch):
    monkeypatch.setattr(commands, "current_settings", lambda: Settings(data_dir=tmp_path))
    result = CliRunner().invoke(cli.crm, ["alerts", "check"])
    assert isinstance(result.exception, FixConfiguration)
    assert "crm refresh" in str(result.exception)
