"""The floor: one httpx client asks for every page, one after the other, and keeps nothing.

Run as `python -m benchmarks.full_load.bare_loop URL KEY`; prints what it met as JSON. Pages are decoded where the next
request depends on them (lists, and each chat's first page) and thrown away undecoded where not. With a third argument
`newest` it asks for each chat's newest page alone: what somebody has to ask who knows all the others.
"""

from __future__ import annotations

import json
import math
import sys
import time

import httpx

PAGE = 100


def main(url: str, key: str, pages_of_chats: str = "all") -> None:
    began = time.perf_counter()
    messages = message_pages = 0
    with httpx.Client(base_url=url, headers={"API-KEY": key}, timeout=60) as client:

        def pages(path: str, *, total: str) -> list[dict]:
            found: list[dict] = []
            page = 1
            while True:
                answer = client.get(path, params={"page": page, "limit": PAGE}).raise_for_status().json()
                found += answer["data"]
                if page * PAGE >= (answer.get("pagination") or answer)[total]:
                    return found
                page += 1

        contacts = pages("/crm/chat", total="total")
        client.get("/crm/setting/custom-field").raise_for_status()
        campaigns = pages("/crm/campaign", total="count")
        for campaign in campaigns:
            client.get(f"/crm/campaign/{campaign['campaign_id']}/report").raise_for_status()
        for contact in contacts:
            path = f"/crm/chat/{contact['chat_id']}/messages"
            first = client.get(path, params={"page": 1, "limit": PAGE, "sort": "newest"}).raise_for_status().json()
            data = first["data"]
            total = (data if isinstance(data, dict) else first)["pagination"]["total"]
            last = max(1, math.ceil(total / PAGE)) if pages_of_chats == "all" else 1
            for page in range(2, last + 1):
                client.get(path, params={"page": page, "limit": PAGE, "sort": "newest"}).raise_for_status()
            messages += total
            message_pages += last
    minimum = math.ceil(len(contacts) / PAGE) + math.ceil(len(campaigns) / PAGE) + len(campaigns) + message_pages + 1
    json.dump(
        {
            "seconds": time.perf_counter() - began,
            "contacts": len(contacts),
            "campaigns": len(campaigns),
            "messages": messages,
            "minimum_requests": minimum,
        },
        sys.stdout,
    )


if __name__ == "__main__":
    main(*sys.argv[1:])
