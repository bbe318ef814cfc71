"""The same world by dlt's own rest_api source, loaded into DuckDB; run by the Python of dlt's own environment.

`python with_dlt.py URL KEY FOLDER`; prints what it loaded as JSON. The configuration is what dlt's documentation leads
to: declared resources, children resolved from their parents, page numbers until an empty page (the API gives a total of
records, dlt can stop early only on a total of pages), replaced tables, which is the cheapest way to load.
"""

from __future__ import annotations

import json
import os
import sys
import time
from pathlib import Path

PAGE = 100


def main(url: str, key: str, folder: str) -> None:
    os.environ["RUNTIME__DLTHUB_TELEMETRY"] = "false"
    os.environ["RUNTIME__LOG_LEVEL"] = "ERROR"
    os.environ["DLT_DATA_DIR"] = folder
    os.chdir(folder)
    import dlt  # noqa: PLC0415 - after the environment it reads when imported
    import duckdb  # noqa: PLC0415
    from dlt.sources.rest_api import rest_api_source  # noqa: PLC0415

    def paged(path: str, records: str) -> dict:
        return {
            "path": path,
            "params": {"limit": PAGE},
            "data_selector": records,
            "paginator": {"type": "page_number", "base_page": 1, "page_param": "page", "total_path": None},
        }

    one_page = {"paginator": "single_page"}
    source = rest_api_source(
        {
            "client": {
                "base_url": url,
                "auth": {"type": "api_key", "name": "API-KEY", "api_key": key, "location": "header"},
            },
            "resource_defaults": {"write_disposition": "replace"},
            "resources": [
                {"name": "contacts", "primary_key": "chat_id", "endpoint": paged("crm/chat", "data")},
                {"name": "custom_fields", "endpoint": {"path": "crm/setting/custom-field", **one_page}},
                {"name": "campaigns", "primary_key": "campaign_id", "endpoint": paged("crm/campaign", "data")},
                {
                    "name": "reports",
                    "endpoint": {"path": "crm/campaign/{resources.campaigns.campaign_id}/report", **one_page},
                },
                {
                    "name": "messages",
                    "primary_key": "message_id",
                    "include_from_parent": ["chat_id"],
                    "endpoint": paged("crm/chat/{resources.contacts.chat_id}/messages", "data.messages"),
                },
            ],
        }
    )
    database = Path(folder) / "dlt.duckdb"
    pipeline = dlt.pipeline(
        "full_load",
        pipelines_dir=str(Path(folder) / "pipelines"),
        destination=dlt.destinations.duckdb(str(database)),
        dataset_name="crm",
    )
    began = time.perf_counter()
    pipeline.run(source)
    seconds = time.perf_counter() - began
    with duckdb.connect(str(database), read_only=True) as connection:
        counted = connection.execute("select count(*), count(distinct message_id) from crm.messages").fetchone()
    json.dump(
        {"seconds": seconds, "messages": counted[0], "distinct": counted[1], "version": dlt.__version__}, sys.stdout
    )


if __name__ == "__main__":
    main(*sys.argv[1:])
