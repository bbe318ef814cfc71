"""The webhook receiver: what the CRM, or WhatsApp, sends by itself, taken in and kept until a crawl has it.

What belongs here: who may send (signatures.py), what an event says in any of its spellings (readings.py), answering
and keeping (receiver.py). What does not: the file that keeps them (ingest/inbox.py), what becomes of an event
(ingest/events.py), figures.
"""

from crm_platform.events.readings import read_crm, read_whatsapp
from crm_platform.events.receiver import create_receiver

__all__ = ["create_receiver", "read_crm", "read_whatsapp"]
