"""What to fetch next: the request is the currency, and this package says where it is best spent.

What belongs here: the estimate of what each chat hides, the worth of ending its waiting, the pacing of the quota, and
what is learnt from visits. What does not: I/O, a clock, randomness of its own. Every method is told the time, the state
is a function of the calls, and `to_arrow` / `from_arrow` carry it over a restart without changing one later answer.

`CrawlPlanner` is all that others talk to. docs/planner.md has the formulas, with units and where each is computed:

    units, clock, echoes   what is counted in: hours, operating hours, the terms of the estimate
    chats, campaigns, rates, budget, sweeps, audit, nightly   the owners of the state, put together in `state`
    estimate, choice, learning, plan   what is done with it: M(t), the best k, visits, a tick
    persistence, explain   how it is saved and what is said of it
"""

from crm_platform.ingest.planner.audit import AuditSummary
from crm_platform.ingest.planner.budget import CAMPAIGN_LIST_SHARE, HISTORY_SHARE, REPORT_SHARE, SWEEP_SHARE
from crm_platform.ingest.planner.crawl_planner import CrawlPlanner
from crm_platform.ingest.planner.echoes import BASE_PER_HOUR, ECHO_HOURS, WEIGHTS
from crm_platform.ingest.planner.learning import SeenMessage
from crm_platform.ingest.planner.persistence import SavedPlanner
from crm_platform.ingest.planner.plan import Plan
from crm_platform.ingest.planner.rates import FIRST_VISIT_MESSAGES
from crm_platform.ingest.planner.sweeps import SWEEP_INTERVAL_HOURS

__all__ = [
    "BASE_PER_HOUR",
    "CAMPAIGN_LIST_SHARE",
    "ECHO_HOURS",
    "FIRST_VISIT_MESSAGES",
    "HISTORY_SHARE",
    "REPORT_SHARE",
    "SWEEP_INTERVAL_HOURS",
    "SWEEP_SHARE",
    "WEIGHTS",
    "AuditSummary",
    "CrawlPlanner",
    "Plan",
    "SavedPlanner",
    "SeenMessage",
]
