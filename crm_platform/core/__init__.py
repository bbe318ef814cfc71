"""Core tables: what KPIs are made of, by the words of docs/definitions.md. A table is two files of its name.

What belongs here: of each table the declaration (`conversations.py`: its columns, and what readers call them and its
rows) and the SQL that fills it (`conversations.sql`). Those without SQL are filled by a build's freeze. A column that
is not published is marked so, a table too (`is_published`); a column that a figure is computed from is published. What
does not: figures (metrics/), running the SQL (models/).
"""

from crm_platform.core.agent_aliases import AgentAliases
from crm_platform.core.agent_teams import AgentTeams
from crm_platform.core.assignments import Assignments
from crm_platform.core.business_hours import BusinessHours
from crm_platform.core.calendar import Calendar
from crm_platform.core.campaign_reports import CampaignReports
from crm_platform.core.campaign_statuses import CampaignStatuses
from crm_platform.core.campaigns import Campaigns
from crm_platform.core.chat_quarantine import ChatQuarantine
from crm_platform.core.chats import Chats
from crm_platform.core.clock import Clock
from crm_platform.core.contact_days import ContactDays
from crm_platform.core.contact_groups import ContactGroups
from crm_platform.core.contact_presence import ContactPresence
from crm_platform.core.contact_segments import ContactSegments
from crm_platform.core.contact_sweeps import ContactSweeps
from crm_platform.core.contacts import Contacts
from crm_platform.core.conversation_spans import ConversationSpans
from crm_platform.core.conversations import Conversations
from crm_platform.core.coverage_daily import CoverageDaily
from crm_platform.core.coverage_sources import CoverageSources
from crm_platform.core.done_marks import DoneMarks
from crm_platform.core.excluded_contacts import ExcludedContacts
from crm_platform.core.fetches import Fetches
from crm_platform.core.field_scores import FieldScores
from crm_platform.core.handoffs import Handoffs
from crm_platform.core.message_events import MessageEvents
from crm_platform.core.messages import Messages
from crm_platform.core.notes import Notes
from crm_platform.core.rejected_opt_outs import RejectedOptOuts
from crm_platform.core.reply_credit import ReplyCredit
from crm_platform.core.response_waits import ResponseWaits
from crm_platform.core.satisfaction import Satisfaction
from crm_platform.core.work import Work

__all__ = [
    "AgentAliases",
    "AgentTeams",
    "Assignments",
    "BusinessHours",
    "Calendar",
    "CampaignReports",
    "CampaignStatuses",
    "Campaigns",
    "ChatQuarantine",
    "Chats",
    "Clock",
    "ContactDays",
    "ContactGroups",
    "ContactPresence",
    "ContactSegments",
    "ContactSweeps",
    "Contacts",
    "ConversationSpans",
    "Conversations",
    "CoverageDaily",
    "CoverageSources",
    "DoneMarks",
    "ExcludedContacts",
    "Fetches",
    "FieldScores",
    "Handoffs",
    "MessageEvents",
    "Messages",
    "Notes",
    "RejectedOptOuts",
    "ReplyCredit",
    "ResponseWaits",
    "Satisfaction",
    "Work",
]
