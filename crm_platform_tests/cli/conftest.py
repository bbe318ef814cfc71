"""`crm` in this process as a shell would run it, on a platform whose work is taken out: only words are left."""

from __future__ import annotations

import contextlib
import io
import os
import signal
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace

import pytest
import uvicorn

from crm_platform import ingest, models
from crm_platform.cli import demo, main, ports
from crm_platform.defs import shell
from crm_platform.errors import GiveUp
from crm_platform.ingest import connect, operations
from crm_platform.serving.mcp import protocol
from crm_platform.settings import current_settings, load_settings
from crm_platform_tests.api.inprocess import SandboxTransport, make_sandbox
from crm_platform_tests.api.inprocess import connect as client_of
from crm_platform_tests.serving.published import publish_rows


@dataclass(frozen=True)
class Said:
    """How a command ended."""

    code: int
    out: str
    err: str


Shell = Callable[..., Said]


def run(*words: str) -> Said:
    """Run `crm …`. Whatever it raises but an exit is a traceback for its user, and fails the test."""
    out, err = (io.TextIOWrapper(io.BytesIO(), encoding="utf-8", write_through=True) for _ in range(2))
    current_settings.cache_clear()
    code: object = 0
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        try:
            main(words)
        except SystemExit as end:
            code = end.code
    texts = [stream.buffer.getvalue().decode() for stream in (out, err)]  # type: ignore[attr-defined]
    assert isinstance(code, int | None), (words, code)
    return Said(code or 0, *texts)


@pytest.fixture
def clean(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Path]:
    """No variable but a data folder, and a folder to write to."""
    for name in [name for name in os.environ if name.startswith("CRM_") or name.upper().endswith("_PROXY")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("CRM_DATA_DIR", str(tmp_path / "data"))
    monkeypatch.chdir(tmp_path)
    yield tmp_path
    current_settings.cache_clear()


@pytest.fixture(scope="session")
def published(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("published")
    publish_rows(load_settings(data_dir=folder))
    return folder


@pytest.fixture
def idle(clean: Path, published: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Commands read their words, look at a snapshot and ask a CRM without a socket; none starts, fetches or builds."""
    monkeypatch.setenv("CRM_DATA_DIR", str(published))
    monkeypatch.setenv("CRM_BASE_URL", "http://127.0.0.1:1")
    monkeypatch.setenv("CRM_API_KEY", "a-key")
    monkeypatch.setenv("CRM_CHROMIUM", "/nowhere/chromium")

    def ended(*_: object, **__: object) -> None:
        raise GiveUp("the work begins")

    crm = SandboxTransport(make_sandbox())
    client = lambda *_, **__: client_of(crm)  # noqa: E731
    listening = SimpleNamespace(getsockname=lambda: ("127.0.0.1", 1), set_inheritable=lambda _: None, fileno=lambda: 9)
    for place, name, fake in (
        (os, "execve", ended),
        (signal, "signal", lambda *_: None),
        (demo, "subprocess", SimpleNamespace(run=ended, Popen=ended, TimeoutExpired=TimeoutError, DEVNULL=-3)),
        (uvicorn.Server, "run", ended),
        (ports, "listen", lambda *_: listening),
        (shell, "refresh_in_process", ended),
        (protocol, "run", ended),
        (ingest, "crawl", ended),
        (models, "freeze", ended),
        (ingest, "open_client", client),
        (connect, "open_client", client),
        (operations, "record_requests", lambda *_, **__: None),
        (operations, "record_operation", lambda *_, **__: None),
    ):
        monkeypatch.setattr(place, name, fake)
    return clean
