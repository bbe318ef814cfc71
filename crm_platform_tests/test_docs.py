"""README keeps up with the code: every setting, command and table of it is there."""

from __future__ import annotations

from pathlib import Path

import pytest

from crm_platform.cli import COMMANDS
from crm_platform.settings import Settings

README = (Path(__file__).parent.parent / "README.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("name", sorted(Settings.model_fields))
def test_every_setting_is_in_the_readme(name):
    assert f"`CRM_{name.upper()}`" in README


@pytest.mark.parametrize("command", sorted(COMMANDS))
def test_every_command_is_in_the_readme(command):
    assert f"`crm {command}`" in README


@pytest.mark.parametrize("name", ["requirements.lock", "requirements-test.lock", "requirements-all.lock"])
def test_a_lock_pins_by_hash_and_holds_no_address(name):
    lock = (Path(__file__).parent.parent / name).read_text(encoding="utf-8")
    assert "://" not in lock
    assert lock.count("==") <= lock.count("--hash=sha256:")
