"""Redis: whether it answers, and whether it keeps what is given to it.

What belongs here: what it says of itself, put into words as findings. What does not: the connection
(crm_platform/redis_server.py), what is kept there.
"""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Final

from crm_platform.doctor.finding import Finding
from crm_platform.redis_server import RedisServer
from crm_platform.settings import is_loopback

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Iterator

    from crm_platform.settings import Settings

_PATIENCE: Final = 3.0  # seconds
_OLDEST: Final = 6  # major version: from here on a script may ask for the time and then write


def redis(settings: Settings, _now: dt.datetime) -> Iterator[Finding]:
    """Whether the server of CRM_REDIS_URL answers, may forget anything, and is new enough; nothing without one."""
    if settings.redis_url is None:
        return
    server = RedisServer(settings, patience=_PATIENCE)
    with contextlib.closing(server), server.asking() as client:
        said = {**client.info("server"), **client.info("memory"), **client.info("replication")}
    version, policy, most = str(said["redis_version"]), said.get("maxmemory_policy"), said.get("maxmemory", 0)
    if int(version.partition(".")[0]) < _OLDEST:
        yield Finding("Redis", "BAD", f"{server.place} is version {version}; take {_OLDEST}.0 or newer")
    elif said.get("role") == "slave":
        yield Finding("Redis", "BAD", f"{server.place} is a replica: name its primary in CRM_REDIS_URL")
    else:
        yield Finding("Redis", "ok", f"{server.place} answers: version {version}")
    if policy == "noeviction":
        yield Finding("Redis's memory", "ok", "maxmemory-policy noeviction: it forgets nothing by itself")
    else:
        words = f"maxmemory-policy {policy}: it may forget requests, and more are sent than allowed; set noeviction"
        yield Finding("Redis's memory", "BAD" if most else "note", words if most else f"{words} (maxmemory is not set)")
    has_password = settings.redis_password is not None or "@" in settings.redis_url.get_secret_value()
    if has_password and server.crosses_in_clear and not is_loopback(server.host):
        words = "its password crosses the network in clear; write rediss:// unless that network is yours alone"
        yield Finding("Redis's password", "note", words)
