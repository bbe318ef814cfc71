"""The whole ingestion on a virtual clock, against everything that can go wrong, from one seed.

What belongs here: a world that lives while it is crawled, the troubles that befall the crawl, and the invariants that
must hold once it is quiet again. What does not: the sandbox's own tests, what a single function promises.

    python -m crm_platform_tests.simulation --seed 123           replay one seed, with its story
    python -m crm_platform_tests.simulation --seeds 200          many, with a report of the troubles by kind
    python -m crm_platform_tests.simulation --seeds 5000 --jobs 2
    python -m crm_platform_tests.simulation --seeds 200 --store memory
    python -m crm_platform_tests.simulation --seeds 200 --store clickhouse

The real client, gate, planner, ingest and DuckDB run against the sandbox in one process and one thread, so that the
same seed gives the same run, request by request: `Result.digest` says so. With `--store memory` a store without
transactions stands in DuckDB's place (crm_platform_tests/warehouse/in_memory.py): the run is the same to the last
request and row, also where it is killed between two steps of a commit. With `--store clickhouse` it is that of
warehouse/clickhouse_store.py, on a real server, killed at its writes in the same way. A kill takes away the client, the
gate, the planner and the warehouse objects; what they wrote stays.

scenario.py: what a seed stands for. crm.py: the CRM and the wire to it. oddities.py: where its answers depart from the
contract. lives.py: the platform between two restarts. run.py: a seed from beginning to end. invariants.py, kpis.py:
what must hold.
"""

from crm_platform_tests.simulation.run import Result, simulate
from crm_platform_tests.simulation.scenario import Scenario

__all__ = ["Result", "Scenario", "simulate"]
