"""From bytes to JSON values: what a body holds, whole where it can be, and every text in it one that UTF-8 can hold.

What belongs here: decoding a body, and mending the texts of a record. What does not: what the values mean (parsing.py),
how a body comes (wire.py).
"""

from __future__ import annotations

import json
import math
import re
from typing import Any, Final

from crm_platform.api.records import Extra

LONE_SURROGATE: Final = re.compile("[\ud800-\udfff]")
"""What stands in a text for a byte that is broken, or for half a character."""


def _number(text: str) -> float | str:
    # 1e400 would become infinity, which JSON cannot express: such a number stays a text.
    number = float(text)
    return number if math.isfinite(number) else text


_DECODER: Final = json.JSONDecoder(parse_float=_number, parse_constant=str)


def decode(body: bytes) -> tuple[Any, bool]:
    """Decode a body; the second value says that a text in it may hold what UTF-8 cannot (see `mend`).

    A broken byte inside a text does not make the document unreadable. Raises ValueError when it is not JSON.
    """
    try:
        text, suspect = body.decode(), b"\\ud" in body or b"\\uD" in body
    except UnicodeDecodeError:
        text, suspect = body.decode(errors="surrogateescape"), True
    try:
        document = _DECODER.decode(text.removeprefix("\ufeff"))
        return document, suspect and _is_torn(document)
    except RecursionError:
        raise ValueError("nested too deeply") from None


def _is_torn(document: object) -> bool:
    try:
        json.dumps(document, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        return True
    return False


def mend(record: object) -> tuple[Any, Extra]:
    """Replace what UTF-8 cannot hold by U+FFFD; gives the JSON text of each field that was changed, by name."""
    if not isinstance(record, dict) or not _is_torn(record):
        return _mended(record), {}
    broken = {_mended(name): json.dumps(value) for name, value in record.items() if _is_torn({name: value})}
    return _mended(record), broken


def _mended(value: Any) -> Any:  # noqa: ANN401
    if isinstance(value, str):
        return LONE_SURROGATE.sub("\ufffd", value)
    if isinstance(value, list):
        return [_mended(one) for one in value]
    if isinstance(value, dict):
        return {_mended(name): _mended(one) for name, one in value.items()}
    return value
