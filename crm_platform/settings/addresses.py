"""Addresses as settings write them: of servers, hosts, networks and people.

What belongs here: reading one. Each function gives what is meant, in one spelling where there are several, or raises
ValueError with what to write. What does not: which setting holds which (variables.py), connecting to one.
"""

from __future__ import annotations

import ipaddress
import re
from urllib.parse import SplitResult, parse_qs, urlsplit

from pydantic import SecretStr

from crm_platform.errors import quoted

Network = ipaddress.IPv4Network | ipaddress.IPv6Network

_MAIL = re.compile(r"[^\s\x00-\x1f\x7f@,;:<>\"]+@[^\s\x00-\x1f\x7f@,;:<>\"]+")
_TWO_WAYS = re.compile("[ßς\u200c\u200d]")  # host names with these are two, by the rules of 2003 and of 2008

_POSTGRES_OPTIONS = {"sslmode", "sslrootcert", "sslcert", "sslkey", "sslcrl"}


def is_loopback(host: str) -> bool:
    """Whether a host, a name or an address, is this machine and reached from here only."""
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def http_address(url: str) -> str:
    """Read an http server's address, and give it in one spelling."""
    shape = "write an address like https://crm.example.com, without user or password"
    parts = _parts(url, shape)
    if parts.scheme not in {"http", "https"} or not parts.hostname or "@" in parts.netloc:
        raise ValueError(shape)
    if "?" in url or "#" in url:
        raise ValueError(f"leave out what follows {'?' if '?' in url else '#'}; {shape}")
    if not re.fullmatch(r"[\w.~!$&'()*+,;=:@%/-]*", parts.path, re.ASCII):
        raise ValueError(f"its path holds a space or another character that no address can hold; {shape}")
    port = "" if parts.port is None else f":{parts.port}"
    return f"{parts.scheme}://{_host(parts.hostname, shape)}{port}{parts.path.rstrip('/')}"


def crm_address(url: str) -> str:
    """Read the CRM's address, which every path is added to."""
    address = http_address(url)
    if re.search(r"/crm(/|$)", urlsplit(address).path):
        raise ValueError(
            "leave out /crm and what follows it: every path of the CRM begins so, and the platform adds it"
        )
    return address


def webhook(url: SecretStr) -> SecretStr:
    """Read a webhook's address, which is a secret, and keep it as it is written."""
    shape = "write the webhook's whole address, https://…"
    parts = _parts(url.get_secret_value(), shape)
    if parts.scheme not in {"http", "https"} or not parts.hostname or " " in url.get_secret_value():
        raise ValueError(shape)
    _host(parts.hostname, shape)
    return url


def mail_server(url: SecretStr) -> SecretStr:
    """Read a mail server's address, which may hold a password."""
    shape = "write smtp://user:password@host:587?starttls, smtps://user:password@host, or smtp://host for no login"
    parts = _parts(url.get_secret_value(), shape)
    is_known = parts.scheme in {"smtp", "smtps"} and parts.query in {"", "starttls"} and parts.path in {"", "/"}
    if not is_known or not parts.hostname or (parts.username is None) != (parts.password is None):
        raise ValueError(shape)
    if parts.username and parts.scheme == "smtp" and not parts.query and not is_loopback(parts.hostname):
        raise ValueError("the password would cross the network in clear: add ?starttls, or write smtps://")
    return url


def chat_url_template(template: str) -> str:
    """Read the address of a chat's page in the CRM, with a place for what tells chats apart."""
    shape = "write an address like https://crm.example/chats/{chat_id}; {whatsapp_number} is the other place there is"
    parts = _parts(template, shape)
    if parts.scheme not in {"http", "https"} or not parts.hostname or "@" in parts.netloc:
        raise ValueError(shape)
    if parts.scheme == "http" and not is_loopback(parts.hostname):
        raise ValueError("over http:// everybody on the way could read whose chat it is; write https://")
    _host(parts.hostname, shape)
    beyond = template.partition(parts.netloc)[2]
    places = re.findall(r"\{[^{}]*\}", beyond)
    plain = re.sub(r"\{(chat_id|whatsapp_number)\}", "", beyond)
    if not places or not re.fullmatch(r"[\w.~!$&'()*+,;=:@%/?#-]*", plain, re.ASCII):
        raise ValueError(f"it holds another place, none, or a character that no address can hold; {shape}")
    return template


def warehouse(url: SecretStr) -> SecretStr:
    """Read a warehouse's address, which may hold a password, and keep it as it is written."""
    shape = (
        "write clickhouse://user@host:8123/database (clickhouses:// for https; of the database letters, digits and _),"
        " or leave it unset for DuckDB under the data folder"
    )
    parts = _parts(url.get_secret_value(), shape)
    if parts.scheme not in {"clickhouse", "clickhouses"} or not parts.hostname or parts.query or parts.fragment:
        raise ValueError(shape)
    if not re.fullmatch(r"/[A-Za-z_][A-Za-z0-9_]*", parts.path, re.ASCII):
        raise ValueError(shape)
    return url


def redis(url: SecretStr) -> SecretStr:
    """Read a Redis server's address, which may hold a password."""
    shape = "write redis://host:6379/0, or rediss://user:password@host:6379/0 over TLS"
    parts = _parts(url.get_secret_value(), shape)
    is_known = parts.scheme in {"redis", "rediss"} and re.fullmatch(r"(/[0-9]{0,3})?", parts.path)
    if not is_known or not parts.hostname or parts.query or parts.fragment:
        raise ValueError(shape)
    _host(parts.hostname, shape)
    return url


def postgres(url: SecretStr) -> SecretStr:
    """Read the address of a Postgres database, which may hold a password."""
    shape = "write postgresql://user:password@host:5432/database; ?sslmode=verify-full&sslrootcert=… may follow"
    parts = _parts(url.get_secret_value(), shape)
    named = parts.scheme in {"postgresql", "postgres"} and parts.hostname and parts.username and not parts.fragment
    if not named or not re.fullmatch(r"/[^/]+", parts.path) or not {*parse_qs(parts.query)} <= _POSTGRES_OPTIONS:
        raise ValueError(shape)
    _host(parts.hostname or "", shape)
    return url


def host_names(names: tuple[str, ...]) -> tuple[str, ...]:
    """Read bare host names."""
    for name in names:
        if not re.fullmatch(r"[A-Za-z0-9.-]+|\[[0-9A-Fa-f:.]+\]", name):
            raise ValueError(f"{name!r} is no host name; write kpi.example.com, without scheme, port or path")
    return tuple(name.lower() for name in names)


def networks(texts: tuple[str, ...]) -> tuple[str, ...]:
    """Read addresses of machines and of networks."""
    for text in texts:
        try:
            ipaddress.ip_network(text)
        except ValueError:
            raise ValueError(
                f"{quoted(text)} is no address and no network; write 10.0.0.7 or 10.0.0.0/24, commas between them"
            ) from None
    return texts


def mail_addresses(addresses: tuple[str, ...]) -> tuple[str, ...]:
    """Read plain e-mail addresses."""
    if not all(address.isascii() and _MAIL.fullmatch(address) for address in addresses):
        raise ValueError("write plain addresses such as team@example.com, without names")
    return addresses


def mail_address(address: str) -> str:
    """Read one plain e-mail address."""
    return mail_addresses((address,))[0]


def _parts(url: str, shape: str) -> SplitResult:
    """Take a URL apart. `shape`: what to write instead of one that cannot be."""
    try:
        parts = urlsplit(url)
    except ValueError:
        raise ValueError(shape) from None
    try:
        port = parts.port
    except ValueError:
        raise ValueError("the port is no number from 0 to 65535") from None
    if port == 0:
        raise ValueError("nobody can be reached at port 0; write the server's")
    return parts


def _host(name: str, shape: str) -> str:
    """Spell a URL's host name or address as it goes over the network."""
    if ":" in name:
        try:
            return f"[{ipaddress.IPv6Address(name)}]"
        except ValueError:
            raise ValueError(shape) from None
    if _TWO_WAYS.search(name):
        raise ValueError(
            f"{quoted(name)} can be read in two ways; write it as its registrar does, in letters a to z: xn--…"
        )
    try:
        host = name.encode("idna").decode()
    except UnicodeError:
        host = ""
    if not re.fullmatch(r"[a-z0-9_]([a-z0-9_.-]{0,251}[a-z0-9_])?\.?", host):
        raise ValueError(shape)
    return host
