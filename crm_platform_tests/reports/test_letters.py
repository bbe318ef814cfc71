"""What a report's message holds: a summary in the reader's language, the document, the workbook."""

from __future__ import annotations

import base64
import hashlib
import logging

import pytest

from crm_platform.reports import letters

MAIL = "mailto:lead@example.com,week,en,support,pdf xlsx"


def states(found) -> list[tuple[str, str]]:
    return [(one.span.name, one.state) for one in found]


def test_a_letter_has_a_summary_the_document_and_the_workbook(platform):
    platform.to(MAIL)
    platform.send()
    (letter,) = platform.box.received
    text, document, workbook = letter.iter_parts()
    words = text.get_content()
    assert "Support health: " in words
    assert "As of 22\xa0Nov, 11:00 EAT" in words
    assert "Provisional" not in words
    assert document.get_filename() == "crm-report-2026-W46-en.html", "there is no Chromium here"
    assert "<!doctype html>" in document.get_content()
    assert workbook.get_filename() == "crm-report-2026-W46-en.xlsx"
    assert workbook.get_content().startswith(b"PK")
    assert letter["Auto-Submitted"] == "auto-generated"


def test_that_it_is_no_pdf_is_logged(platform, caplog):
    platform.to(MAIL)
    platform.send()
    assert "goes out as HTML, not as PDF: CRM_CHROMIUM names no program" in caplog.text


@pytest.mark.slow
def test_each_gets_it_in_its_own_language(platform):
    platform.to("mailto:a@example.com,week,sw,support,html", "mailto:b@example.com,week,fr,support,html")
    platform.send()
    assert platform.box.subjects == [
        "Ripoti ya wiki: 9 Nov 2026 hadi 15 Nov 2026",
        "Rapport hebdomadaire : du 9 nov. 2026 au 15 nov. 2026",
    ]
    first, second = (list(letter.iter_parts()) for letter in platform.box.received)
    assert '<html lang="sw"' in first[1].get_content()
    assert "Hali ya huduma" in first[0].get_content()
    assert '<html lang="fr"' in second[1].get_content()


@pytest.mark.slow
def test_what_is_held_goes_out_on_demand_and_says_that_it_is_provisional(make_platform):
    platform = make_platform()
    platform.publish(coverage=0.9)
    platform.to(MAIL)
    assert states(platform.send(even_provisional=True)) == [("2026-W46", "sent")]
    text, document, _ = platform.box.received[0].iter_parts()
    assert text.get_content().startswith("Provisional: not known yet: 9 Nov 2026 (90.0\xa0% of messages seen)")
    assert '<p class="draft">Provisional</p>' in document.get_content()
    platform.publish()
    assert platform.send() == [], "it counts as sent"


@pytest.mark.slow
def test_a_webhook_gets_a_document_with_files(platform, receiver, caplog):
    caplog.set_level(logging.DEBUG)
    platform.settings = platform.settings.model_copy(update={"serve_url": "https://kpi.example.com"})
    platform.to(f"{receiver.url},week,sw,support audience,html xlsx")
    assert states(platform.send()) == [("2026-W46", "sent")]
    (posted,) = receiver.received
    assert posted["title"] == "Ripoti ya wiki: 9 Nov 2026 hadi 15 Nov 2026"
    assert posted["language"] == "sw"
    assert posted["report"]["name"] == "2026-W46"
    assert (posted["report"]["from"], posted["report"]["to"]) == ("2026-11-09", "2026-11-15")
    assert posted["report"]["is_provisional"] is False
    assert [page["url"] for page in posted["pages"]] == [
        f"https://kpi.example.com/{name}?from=2026-11-09&to=2026-11-15" for name in ("support", "audience")
    ]
    for file in posted["files"]:
        content = base64.b64decode(file["base64"])
        assert (len(content), hashlib.sha256(content).hexdigest()) == (file["bytes"], file["sha256"])
    assert [file["name"] for file in posted["files"]] == ["crm-report-2026-W46-sw.html", "crm-report-2026-W46-sw.xlsx"]
    kept = [path.read_text() for path in (platform.settings.root / "audit").iterdir()]
    kept.append((platform.settings.root / "reports.json").read_text())
    assert all("SECRET" not in text for text in (*kept, caplog.text))
    assert "2026-W46 of snapshot" in kept[0], "each report that goes out is a line of the audit log"


def test_what_is_too_large_is_left_out_and_named(platform, receiver, monkeypatch):
    monkeypatch.setattr(letters, "MOST_BYTES", 50_000)
    platform.to(f"{receiver.url},week,,support,html xlsx", MAIL.replace("pdf", "html"))
    platform.send()
    (posted,) = receiver.received
    assert posted["left_out"] == ["crm-report-2026-W46-en.html"]
    text, *files = platform.box.received[0].iter_parts()
    assert "Too large to be sent: crm-report-2026-W46-en.html." in text.get_content()
    assert [file.get_filename() for file in files] == ["crm-report-2026-W46-en.xlsx"]
