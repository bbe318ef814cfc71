"""The PDF: printed by Chromium where it is; and what becomes of a program that fails, or never ends."""

from __future__ import annotations

import os
import re
import shutil
import time
from pathlib import Path

import pytest

from crm_platform.reports.pdf import NotPrinted, chromium, print_pdf
from crm_platform.settings import Settings, load_settings
from crm_platform_tests.reports.test_document import html_of, made


def with_program(folder: Path, script: str) -> Settings:
    program = folder / "prints"
    program.write_text(f"#!/bin/sh\n{script}\n", encoding="utf-8")
    program.chmod(0o755)
    return load_settings(data_dir=folder, chromium=program)


@pytest.mark.slow
def test_a_program_that_never_ends_is_ended_with_its_children(tmp_path):
    settings = with_program(tmp_path, f"sleep 300 & echo $! >{tmp_path}/child; wait")
    with pytest.raises(NotPrinted, match="not done within"):
        print_pdf("<p>", settings, seconds=0.5)
    child = Path(f"/proc/{(tmp_path / 'child').read_text().strip()}/stat")
    deadline = time.monotonic() + 5
    while child.exists() and " Z " not in child.read_text() and time.monotonic() < deadline:
        time.sleep(0.01)
    assert not child.exists() or " Z " in child.read_text()


@pytest.mark.parametrize(
    ("script", "told"),
    [
        ("exit 1", "ended without a PDF"),
        ('for a; do case $a in --print-to-pdf=*) echo no >"${a#*=}";; esac; done', "ended without a PDF"),
    ],
)
def test_what_is_no_pdf_is_none(tmp_path, script, told):
    with pytest.raises(NotPrinted, match=told):
        print_pdf("<p>", with_program(tmp_path, script))


def test_the_program_gets_nothing_of_ours(tmp_path, monkeypatch):
    monkeypatch.setenv("CRM_API_KEY", "SECRETSECRET")
    with pytest.raises(NotPrinted):
        print_pdf("<p>", with_program(tmp_path, f"env >{tmp_path}/told; echo $@ >>{tmp_path}/told"))
    told = (tmp_path / "told").read_text()
    assert "SECRET" not in told
    assert "CRM_" not in told
    assert ("--no-sandbox" in told) == (os.geteuid() == 0)


def test_a_setting_that_names_no_program_finds_none(tmp_path):
    settings = load_settings(data_dir=tmp_path, chromium=tmp_path / "nowhere")
    assert chromium(settings) is None
    with pytest.raises(NotPrinted, match="CRM_CHROMIUM names no program"):
        print_pdf("<p>", settings)


@pytest.mark.services
def test_chromium_prints_it(platform):
    program = shutil.which("chromium")
    assert program, "apt-get install chromium"
    settings = platform.settings.model_copy(update={"chromium": Path(program)})
    printed = print_pdf(html_of(made(platform, language="sw", why="x")), settings)
    assert printed.startswith(b"%PDF-")
    assert len(re.findall(rb"/Type\s*/Page\b", printed)) >= 4, "each page of figures begins a sheet"
    assert b"/Rotate" not in printed
    assert len(printed) < 5_000_000
