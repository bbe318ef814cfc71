"""The 16 operations of the CRM's API: name, method, path.

What belongs here: the one table that client, document and tests share. What does not: parameters and bodies
(docs/openapi.yaml describes them, client.py sends them).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class Operation:
    """One operation: `name` is its operationId and the client's method, `{…}` in `path` what the request is about."""

    name: str
    method: str
    path: str

    @property
    def is_write(self) -> bool:
        """Whether it changes the CRM: then it is never sent twice."""
        return self.method != "GET"

    @property
    def words(self) -> str:
        """The name for people."""
        return self.name.replace("_", " ")


OPERATIONS: Final[dict[str, Operation]] = {
    operation.name: operation
    for operation in (
        Operation("list_contacts", "GET", "/crm/chat"),
        Operation("search_contacts", "GET", "/crm/chat/search"),
        Operation("create_contact", "POST", "/crm/chat"),
        Operation("delete_contact", "DELETE", "/crm/chat/{chat_id}"),
        Operation("contact_custom_fields", "GET", "/crm/chat/setting/{chat_id}/custom-field"),
        Operation("assign_chat", "POST", "/crm/chat/setting/{chat_id}/operator/assign_chat"),
        Operation("mark_as_done", "POST", "/crm/chat/setting/{chat_id}/operator/mark_as_done"),
        Operation("list_messages", "GET", "/crm/chat/{chat_id}/messages"),
        Operation("list_custom_fields", "GET", "/crm/setting/custom-field"),
        Operation("create_custom_field", "POST", "/crm/setting/custom-field"),
        Operation("delete_custom_field", "DELETE", "/crm/setting/custom-field/{custom_field_id}"),
        Operation("list_campaigns", "GET", "/crm/campaign"),
        Operation("campaign_report", "GET", "/crm/campaign/{campaign_id}/report"),
        Operation("create_campaign", "POST", "/crm/campaign"),
        Operation("clone_campaign", "POST", "/crm/campaign/clone"),
        Operation("trigger_campaign", "POST", "/crm/campaign/{campaign_id}/trigger"),
    )
}
