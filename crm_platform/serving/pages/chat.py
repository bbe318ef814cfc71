"""The page that says whose chat it is, to whoever may know, and leads to it in the CRM.

What belongs here: reading the pseudonym, and the CRM's address of a chat. What does not: finding the chat and writing
down who looked (receipts/reveal.py), who may look (access.py).
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING
from urllib.parse import quote

from crm_platform.receipts.reveal import Revealed, reveal
from crm_platform.serving.pages.frame import bare_page
from crm_platform.serving.refusals import Refused

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response

    from crm_platform.settings import Settings


def reveal_chat(request: Request) -> Response:
    """Answer `/chat?pseudonym=…`: one line of the audit log, then the person. Raises Refused, Busy and GiveUp."""
    settings: Settings = request.app.state.settings
    visitor, pseudonym = request.state.visitor, request.query_params.get("pseudonym", "")
    if not re.fullmatch(r"[0-9a-f]{32}", pseudonym):
        hint = "Follow a chat from the page Now."
        raise Refused(404, "no_such_chat", "This is no pseudonym of a chat.", hint=hint)
    who = {
        "role": visitor.role.name.lower(),
        "by": visitor.came_by,
        "client": request.client.host if request.client else "unknown",
    }
    purpose, now = f"chat {pseudonym}", request.app.state.now()
    found = reveal(settings, [pseudonym], purpose=purpose, now=now, who=who).get(pseudonym)
    if found is None:
        raise Refused(404, "no_such_chat", "No chat that is stored goes by this pseudonym.", hint="It may be erased.")
    # No way to choose a language or theme from here: coming back would be one more look.
    return bare_page(
        request,
        "chat.html",
        headers={"Cache-Control": "no-store"},
        page="chat",
        pseudonym=pseudonym,
        chat=found,
        href=crm_href(settings.chat_url_template, found),
        is_linked=settings.chat_url_template is not None,
    )


def crm_href(template: str | None, chat: Revealed) -> str:
    """Where a chat is found in the CRM; empty where no template says it, or it asks for a number that there is not."""
    if template is None or ("{whatsapp_number}" in template and chat.whatsapp_number is None):
        return ""
    return template.replace("{chat_id}", quote(chat.chat_id, safe="")).replace(
        "{whatsapp_number}", quote(chat.whatsapp_number or "", safe="")
    )
