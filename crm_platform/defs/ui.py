"""`python -m crm_platform.defs.ui`: what `crm dev` becomes: Dagster's UI behind our door, its daemon, the code server.

What belongs here: starting these and ending them together. What does not: the door (serving/ui_door.py), arguments and
words (cli/platform.py).

`dagster dev` starts the same three, but its web server answers to everybody who reaches its port. So the UI's app runs
in this process, behind the door, and no other port gives it.
"""

from __future__ import annotations

import contextlib
import logging
import signal
import socket
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final

import dagster as dg
import uvicorn
import yaml
from dagster._cli.proxy_server_manager import ProxyServerManager
from dagster._core.workspace.context import WorkspaceProcessContext
from dagster._core.workspace.load_target import ModuleTarget, WorkspaceFileTarget
from dagster._serdes import serialize_value
from dagster._utils.log import configure_loggers
from dagster_shared.ipc import get_ipc_shutdown_pipe, open_ipc_subprocess, send_ipc_shutdown_message
from dagster_webserver.app import create_app_from_workspace_process_context

from crm_platform.defs.dagster_home import opened_instance
from crm_platform.serving.server import config_for
from crm_platform.serving.ui_door import behind_door
from crm_platform.settings import current_settings

if TYPE_CHECKING:
    from crm_platform.settings import Settings

MODULE: Final = "crm_platform.definitions"
_LEVEL: Final = "error"
_DAEMON_SECONDS: Final = 25.0  # that it may take to end what it is at


def arguments(listening: socket.socket, *, host: str) -> Sequence[str]:
    """The command line that runs this module on a socket, which the process has to inherit."""
    listening.set_inheritable(True)
    return [sys.executable, "-W", "ignore::FutureWarning", "-m", __name__, host, str(listening.fileno())]


def run(settings: Settings, listening: socket.socket, *, host: str) -> int:
    """Run the UI and the daemon until interrupted, or until the daemon ends; returns the exit status.

    Dagster's folder has been prepared, and is DAGSTER_HOME.
    """
    configure_loggers(formatter="colored", log_level=_LEVEL.upper())
    with (
        opened_instance(settings) as instance,
        _workspace(instance) as workspace,
        _daemon(instance, workspace) as daemon,
        WorkspaceProcessContext(
            instance,
            workspace_load_target=WorkspaceFileTarget([str(workspace)]),
            code_server_log_level=_LEVEL,
        ) as context,
    ):
        ui = create_app_from_workspace_process_context(context, live_data_poll_rate=2000)
        server = uvicorn.Server(config_for(behind_door(ui, settings, host=host), has_websockets=True))
        threading.Thread(target=_end_with, args=(daemon, server), daemon=True).start()
        with contextlib.suppress(KeyboardInterrupt):  # uvicorn has shut down by then, and raises it once more
            server.run(sockets=[listening])
        if daemon.poll() is not None:
            logging.getLogger("dagster").error("Dagster's daemon ended by itself (status %d)", daemon.returncode)
            return 1
    return 0


def _end_with(daemon: subprocess.Popen[bytes], server: uvicorn.Server) -> None:
    daemon.wait()
    server.should_exit = True


@contextlib.contextmanager
def _workspace(instance: dg.DagsterInstance) -> Iterator[Path]:
    """A code server that the UI and the daemon share, and a file that says where it is."""
    target = ModuleTarget(module_name=MODULE, attribute=None, working_directory=None, location_name=None)
    with (
        ProxyServerManager(instance, target, code_server_log_level=_LEVEL) as servers,
        tempfile.TemporaryDirectory() as folder,
    ):
        file = Path(folder) / "workspace.yaml"
        file.write_text(yaml.safe_dump({"load_from": list(servers.get_code_server_specs())}), encoding="utf-8")
        yield file


@contextlib.contextmanager
def _daemon(instance: dg.DagsterInstance, workspace: Path) -> Iterator[subprocess.Popen[bytes]]:
    reading, writing = get_ipc_shutdown_pipe()
    command = [sys.executable, "-m", "dagster._daemon", "run", "--shutdown-pipe", str(reading)]
    command += ["--instance-ref", serialize_value(instance.get_ref()), "--workspace", str(workspace)]
    command += ["--log-level", _LEVEL, "--code-server-log-level", _LEVEL]
    process = open_ipc_subprocess(command, pass_fds=[reading])
    try:
        yield process
    finally:
        send_ipc_shutdown_message(writing)
        try:
            process.wait(_DAEMON_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


if __name__ == "__main__":
    # Whoever ends this process ends the others: by SIGTERM too, and where a shell began it in the background.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.default_int_handler)
    with contextlib.suppress(KeyboardInterrupt):
        sys.exit(run(current_settings(), socket.socket(fileno=int(sys.argv[2])), host=sys.argv[1]))
