"""Ports of this machine: taking one to listen on, and looking whether somebody does.

What belongs here: sockets, and what to say when a port is taken. What does not: who serves what on them.
"""

from __future__ import annotations

import errno
import socket

from crm_platform.errors import FixConfiguration, quoted


def listen(host: str, port: int) -> socket.socket:
    """A listening socket. Raises FixConfiguration when the port is taken. Port 0 picks a free one."""
    listening = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listening.bind((host, port))
        listening.listen(2048)  # from here on a connection waits instead of being refused
    except (OSError, UnicodeError) as problem:  # UnicodeError: a name that no DNS can hold
        listening.close()
        if not isinstance(problem, OSError):
            raise FixConfiguration(f"cannot listen on {quoted(host)}: it is no address") from None
        if problem.errno == errno.EADDRINUSE:
            raise FixConfiguration(f"port {port} is in use; stop what uses it, or take another with --port") from None
        raise FixConfiguration(f"cannot listen on {host}:{port}: {problem.strerror}") from None
    return listening


def require_free(port: int, *, what: str, remedy: str) -> None:
    """Raise FixConfiguration if something on this machine listens on the port."""
    if listens(port):
        raise FixConfiguration(f"port {port}, which {what} needs, is in use: {remedy}")


def listens(port: int) -> bool:
    """Whether something listens on a port of this machine."""
    with socket.socket() as probe:
        probe.settimeout(1)
        return probe.connect_ex(("127.0.0.1", port)) == 0
