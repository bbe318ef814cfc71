"""A document printed as PDF by Chromium.

What belongs here: finding the program, running it once, and ending it. What does not: what the document says.

Chromium gets a profile that is thrown away, an environment without our variables, no network, and a time to be done
in. Its own sandbox stays on, but for root, whom it would refuse with it. The document itself has no script and forbids
whatever is not in it (document.py).
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from crm_platform.settings import Settings

SECONDS: Final = 90.0  # for one document; on two cores it takes two to four
_NAMES: Final = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
_FLAGS: Final = (
    "--headless",
    "--no-first-run",
    "--no-default-browser-check",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-extensions",
    "--disable-gpu",
    "--disable-breakpad",
    "--disable-sync",
    "--password-store=basic",
    "--host-resolver-rules=MAP * ~NOTFOUND",
    "--proxy-server=127.0.0.1:9",
    "--no-pdf-header-footer",
)


class NotPrinted(Exception):
    """There is no PDF; the message says why, in English, for a log."""


def chromium(settings: Settings) -> Path | None:
    """Find the program that prints: CRM_CHROMIUM, or the first that is found; None where there is none that runs."""
    if settings.chromium is not None:
        found = shutil.which(settings.chromium.expanduser())
    else:
        found = next(filter(None, map(shutil.which, _NAMES)), None)
    return Path(found) if found else None


def print_pdf(html: str, settings: Settings, *, seconds: float = SECONDS) -> bytes:
    """Print a document. Raises NotPrinted where that does not work in time."""
    program = chromium(settings)
    if program is None:
        raise NotPrinted("CRM_CHROMIUM names no program" if settings.chromium else "no Chromium is found")
    folder = Path(tempfile.mkdtemp(prefix="crm-report-"))
    try:
        page, printed = folder / "report.html", folder / "report.pdf"
        page.write_text(html, encoding="utf-8")
        command = [str(program), *_FLAGS, f"--user-data-dir={folder / 'profile'}", f"--print-to-pdf={printed}"]
        if os.geteuid() == 0:
            command.append("--no-sandbox")
        _run([*command, page.as_uri()], folder, seconds)
        content = printed.read_bytes() if printed.is_file() else b""
    except OSError as problem:
        raise NotPrinted(f"{program.name} cannot be run ({problem.strerror or type(problem).__name__})") from None
    finally:
        shutil.rmtree(folder, ignore_errors=True)  # a child of Chromium's may still write to its profile
    if not content.startswith(b"%PDF-"):
        raise NotPrinted(f"{program.name} ended without a PDF; run it by hand to see why")
    return content


def _run(command: list[str], folder: Path, seconds: float) -> None:
    """Run a program to its end, or to the end of its time; none of its children stays."""
    # PATH and HOME: Debian's chromium is a shell script.
    environment = {"HOME": str(folder), "TMPDIR": str(folder), "PATH": os.defpath, "LANG": "C.UTF-8"}
    with subprocess.Popen(  # noqa: S603 - the program that the settings name, with words of our own
        command,
        env=environment,
        cwd=folder,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    ) as process:
        try:
            process.wait(seconds)
        except subprocess.TimeoutExpired:
            raise NotPrinted(f"it was not done within {seconds:.0f} s") from None
        finally:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)  # its own session, with its children: nobody else is in it
