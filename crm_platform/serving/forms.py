"""Forms that people send: their fields, read within bounds.

What belongs here: reading a body of a form. What does not: requests that other sites forge (guard.py looks at every
one), what a field means.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final
from urllib.parse import parse_qs

from starlette.requests import ClientDisconnect

from crm_platform.serving.refusals import Refused

if TYPE_CHECKING:
    from starlette.requests import Request

LONGEST_BODY: Final = 10_000
"""Bytes: nobody sends more than a form of a few lines."""
_FORM: Final = "application/x-www-form-urlencoded"
_MOST_FIELDS: Final = 10


async def read_form(request: Request, *, hint: str) -> dict[str, str]:
    """The fields of a form, each once. `hint`: which fields to send. Raises Refused when it is none."""
    kind = request.headers.get("content-type", _FORM).partition(";")[0].strip().lower()
    if kind != _FORM:
        raise Refused(415, "bad_form", "This is not the form of this page.", hint=f"{hint} as {_FORM}.")
    body = b""
    try:
        async for part in request.stream():
            body += part
            if len(body) > LONGEST_BODY:
                raise Refused(413, "too_long", "The form is too long.", hint=f"Send at most {LONGEST_BODY} bytes.")
        fields = parse_qs(body.decode("utf-8", "replace"), max_num_fields=_MOST_FIELDS)
    except ClientDisconnect:
        raise Refused(400, "bad_form", "The form did not come whole.") from None
    except ValueError:
        more = f"{hint}; {_MOST_FIELDS} fields at most are read."
        raise Refused(400, "bad_form", "The form has too many fields.", hint=more) from None
    return {name: values[0] for name, values in fields.items()}
