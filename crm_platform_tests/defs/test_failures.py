"""Errors in Dagster's words: a full disk is told like an error of the platform, a bug passes untouched."""

from __future__ import annotations

import errno
import os

import dagster as dg
import pytest

from crm_platform.defs.failures import in_dagsters_words
from crm_platform.defs.shell import ShellReporter


def test_a_full_disk_is_told_to_the_reporter_with_what_to_do():
    reporter = ShellReporter(wait_seconds=0)
    full = OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), "published/.building/manifest.json")
    with pytest.raises(dg.Failure, match="cannot be written"), in_dagsters_words(reporter):
        raise full
    assert "make room on its disk" in str(reporter.problem)


def test_any_other_trouble_with_a_file_is_a_bug():
    reporter = ShellReporter(wait_seconds=0)
    with pytest.raises(FileNotFoundError), in_dagsters_words(reporter):
        raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), "somewhere")
    assert reporter.problem is None
