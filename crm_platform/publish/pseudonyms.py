"""Keyed pseudonyms: the same chat is the same word everywhere, and nobody without the key can tell which chat.

What belongs here: the key, and the pseudonym of one id in Python and of a column in SQL (a test holds them equal). What
does not: deciding which columns need one (the schemas do, with `published="chat"` or `"message"`).

A pseudonym is the first 128 bits of HMAC-SHA256(key, "<kind>:<id>"), as 32 hexadecimal digits. A WhatsApp message id
decodes to a phone number and there are only so many numbers: a plain hash would be undone by trying them all.
"""

from __future__ import annotations

import hashlib
import hmac
import logging
import os
import secrets
from typing import TYPE_CHECKING, Literal

from crm_platform.errors import FixConfiguration
from crm_platform.schemas import ops
from crm_platform.warehouse import DuckDbSession

if TYPE_CHECKING:
    from pathlib import Path

    from crm_platform.settings import Settings
    from crm_platform.warehouse import BuildSession, Session

Kind = Literal["chat", "message", "value"]

_log = logging.getLogger(__name__)

_DIGITS = 32  # hexadecimal: 128 bits
_KEY_BYTES = 32  # of a generated key
_WEAK_CHARACTERS = 16  # a shorter key from the settings can be guessed
_BLOCK_BYTES = 64  # of SHA-256, by which HMAC pads its key


def pseudonym(key: bytes, kind: Kind, identifier: str) -> str:
    """The pseudonym of one id: 32 hexadecimal digits."""
    return hmac.new(key, f"{kind}:{identifier}".encode(), hashlib.sha256).hexdigest()[:_DIGITS]


def bind_key(session: Session, key: bytes) -> None:
    """Give a session the key, as bound values, so that `pseudonym_sql` works in it. No SQL text ever holds it."""
    assert isinstance(session, DuckDbSession), "the SQL of a pseudonym is DuckDB's"
    block = hashlib.sha256(key).digest() if len(key) > _BLOCK_BYTES else key
    block = block.ljust(_BLOCK_BYTES, b"\0")
    session.execute("set variable pseudonym_inner = ?", [bytes(byte ^ 0x36 for byte in block)])
    session.execute("set variable pseudonym_outer = ?", [bytes(byte ^ 0x5C for byte in block)])


def pseudonym_sql(column: str, kind: Kind) -> str:
    """SQL of a column's pseudonym; NULL stays NULL. DuckDB has no HMAC: this is its definition, spelt out."""
    inner = f"sha256(getvariable('pseudonym_inner') || encode('{kind}:' || {column}))"
    return f"left(sha256(getvariable('pseudonym_outer') || unhex({inner})), {_DIGITS})"


def keep_pseudonyms(session: BuildSession, key: bytes) -> None:
    """Note the pseudonyms of the chats that were built of, and of no others: those of a million take two seconds."""
    bind_key(session, key)
    for table in (ops.Pseudonyms, ops.ChatInputs):
        session.create(table)
    kept, known = ops.Pseudonyms.full_name(), f"(select chat_id from {ops.ChatInputs.full_name()} union all select '')"
    made = pseudonym_sql("chat_id", "chat")
    of_no_chat = session.query(f"select pseudonym, {made} as made from {kept} where chat_id = ''").to_pylist()
    if not any(row["pseudonym"] == row["made"] for row in of_no_chat):
        session.execute(f"truncate {kept}")
    missing = f"select chat_id from {known} where chat_id not in (select chat_id from {kept})"
    session.extend(ops.Pseudonyms, f"select chat_id, {made} as pseudonym from ({missing})")
    counts = session.query(f"select (select count(*) from {kept}) as kept, (select count(*) from {known}) as known")
    if counts["kept"] != counts["known"]:
        session.execute(f"delete from {kept} where chat_id not in (from {known})")


def kept_sql(column: str) -> str:
    """SQL of the pseudonyms of a column of chats where `ops.pseudonyms` is joined as `kept`, of all others anew."""
    return f"coalesce(kept.pseudonym, {pseudonym_sql(column, 'chat')})"


def pseudonym_key(settings: Settings) -> bytes:
    """The key: CRM_PSEUDONYM_KEY, else the one under the data folder, which the first caller makes (mode 0600).

    Raises FixConfiguration when the key's file cannot be read or is empty.
    """
    if settings.pseudonym_key is not None:
        given = settings.pseudonym_key.get_secret_value()
        if len(given) < _WEAK_CHARACTERS:
            _log.warning("CRM_PSEUDONYM_KEY is shorter than %d characters: it can be guessed", _WEAK_CHARACTERS)
        return given.encode()
    path = settings.pseudonym_key_path
    try:
        if not path.exists():
            _make_key(path)
        key = path.read_text(encoding="ascii").strip()
    except (OSError, UnicodeDecodeError) as problem:
        raise FixConfiguration(f"{path} cannot be used as the pseudonym key ({type(problem).__name__})") from None
    if not key:
        raise FixConfiguration(
            f"{path} is empty: restore it from a backup, or delete it for a new key (every pseudonym then changes)"
        )
    return key.encode()


def _make_key(path: Path) -> None:
    """Write a new key whole or not at all; of several processes at once one wins, and all read the winner's."""
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    handle = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(handle, "w", encoding="ascii") as file:
            file.write(secrets.token_hex(_KEY_BYTES) + "\n")
            file.flush()
            os.fsync(file.fileno())
        try:
            os.link(draft, path)  # unlike a rename, a link never replaces what another process made first
        except FileExistsError:
            return
        _log.info("made a new pseudonym key at %s: back it up, pseudonyms change without it", path)
    finally:
        draft.unlink()
