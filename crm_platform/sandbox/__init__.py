"""A CRM to run against: a seeded world behind the contract of docs/crm-api.md.

What belongs here: the world, the contract's operations, faults, odd shapes, limits, and the server. What does not:
anything another package imports; the command line starts it, tests drive it.

    from crm_platform.sandbox import ManualClock, Sandbox, SandboxOptions

    sandbox = Sandbox(SandboxOptions(contacts=50), clock=ManualClock(start))
    response = sandbox.handle("GET", "/crm/chat", "page=1&limit=100", {"api-key": "sandbox"})

`handle` neither sleeps nor opens sockets, takes its time from the clock and its chance from the seed: the same requests
at the same times get the same bytes, in any process.
"""

from crm_platform.sandbox.app import Sandbox
from crm_platform.sandbox.clock import ManualClock, SandboxClock
from crm_platform.sandbox.dealings import EVENTS
from crm_platform.sandbox.events import SandboxEvent
from crm_platform.sandbox.operations import OPERATIONS
from crm_platform.sandbox.options import FAULTS, SandboxOptions
from crm_platform.sandbox.responses import SandboxResponse
from crm_platform.sandbox.shapes import SHAPES

__all__ = [
    "EVENTS",
    "FAULTS",
    "OPERATIONS",
    "SHAPES",
    "ManualClock",
    "Sandbox",
    "SandboxClock",
    "SandboxEvent",
    "SandboxOptions",
    "SandboxResponse",
]
