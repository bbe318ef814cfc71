"""Tenants of odd sizes, written straight into a warehouse by SQL: what a crawl would have stored of them.

What belongs here: which tenants there are, and their raw rows. What does not: building and measuring (__main__.py),
worlds that answer requests (crm_platform/sandbox; a crawl of a million contacts takes days at a tenant's limit).

Everything follows from the numbers of the rows by a hash: at the same time the same tenant is the same rows.
"""

from __future__ import annotations

import datetime as dt
import json
from dataclasses import dataclass
from pathlib import Path

from crm_platform.ingest.planner import CrawlPlanner, SeenMessage
from crm_platform.schemas import Table, live_tables, ops, raw
from crm_platform.warehouse import DuckDbWarehouse
from crm_platform.warehouse.duckdb import DuckDbSession

DAYS = 180
SWEEPS = 60  # one a day

# Names that were somebody's idea of a name. {n}: the campaign's number.
LONG_WORDS = "Thank you for being with us all year, here is what we have kept for you alone until Friday evening; "
NAMES = (
    "Weekend offer {n}",
    "Weekend offer {n}",
    (LONG_WORDS * 4)[:290] + " {n}",
    "x" * 290 + "{n}",
    "عرض نهاية الأسبوع للعملاء الكرام رقم {n}",
    "🎉🎉 Siku ya wateja 👩🏽‍🌾 {n}",
    "=HYPERLINK(0,{n})",
    "<script>alert({n})</script>",
    'Offer "{n}" & more, 50 % off',
    "@SUM({n})",
)


@dataclass(frozen=True, slots=True)
class Tenant:
    """A size. `values`: distinct ones of the field Segment; `messages`: about so many."""

    contacts: int
    messages: int
    agents: int = 6
    campaigns: int = 40
    values: int = 3


TENANTS = {
    "empty": Tenant(contacts=0, messages=0, agents=0, campaigns=0),
    "twelve": Tenant(contacts=12, messages=40, agents=0, campaigns=0),
    "one-agent": Tenant(contacts=2_000, messages=30_000, agents=1),
    "no-agent": Tenant(contacts=2_000, messages=30_000, agents=0),
    "campaigns": Tenant(contacts=5_000, messages=60_000, campaigns=10_000),
    "busy": Tenant(contacts=30_000, messages=1_400_000, agents=20, campaigns=120, values=8),
    "large": Tenant(contacts=1_000_000, messages=3_000_000, agents=60, campaigns=400, values=200),
}


def store(folder: Path, tenant: Tenant, *, now: dt.datetime) -> None:
    """Write the tenant as it stands at `now` into the warehouse of a data folder."""
    live = DuckDbWarehouse(folder / "warehouse.duckdb", lock_dir=folder / "locks", memory=2_000_000_000)
    live.prepare(live_tables())
    if tenant.contacts == 0:
        return
    with live.writing() as session:
        # Bound once: every statement below reads them.
        for name, value in {
            "now": now.replace(tzinfo=None),
            "start": (now - dt.timedelta(days=DAYS)).replace(hour=0, minute=0, tzinfo=None),
            "contacts": tenant.contacts,
            "conversations": -(-tenant.messages * 10 // 43),  # 4.3 messages each
            "agents": tenant.agents,
            "values": tenant.values,
        }.items():
            session.execute(f"set variable {name} = ?", [value])
        session.execute("create temp macro chance(n, salt) as hash(n::varchar || salt) / 18446744073709551616e0")
        session.execute("create temp macro chat(n) as 'chat-' || lpad(n::varchar, 8, '0')")
        session.execute("create temp macro agent(n) as 'agent.number.' || n || '@example.com'")
        _people(session)
        _talks(session)
        _work(session)
        _planner(session, now)
        if tenant.campaigns:
            _campaigns(session, tenant.campaigns)
        _requests(session)


def go_on(live: DuckDbWarehouse, *, chats: int, now: dt.datetime) -> None:
    """Let some chats have a question and an answer within the last quarter of an hour, and a visit that reads them."""
    with live.leases.take("crawl", purpose="time goes on") as holder, live.committing(holder) as session:
        for name, value in {"now": now.replace(tzinfo=None), "chats": chats}.items():
            session.execute(f"set variable {name} = ?", [value])
        session.execute(
            "create temp table went_on as select chat_id from raw.contacts"
            " order by hash(chat_id || getvariable('now')) limit getvariable('chats')"
        )
        _insert(
            session,
            raw.Messages,
            """
            select
                chat_id,
                'wamid.' || epoch_ms(getvariable('now')) || '.' || turn || '.' || chat_id as message_id,
                getvariable('now') - to_minutes(14 - turn::integer) as "timestamp",
                false as timestamp_was_naive,
                false as is_future_dated,
                if(turn = 0, 'inbound', 'outbound') as direction,
                'text' as type,
                if(turn = 0, 'received', 'delivered') as status,
                false as is_opt_out,
                getvariable('now') - interval 20 seconds as first_fetched_at,
                first_fetched_at as fetched_at,
                100000 as first_fetch_id,
                first_fetch_id as fetch_id
            from went_on, range(2) as turns(turn)
            """,
        )
        session.execute(
            "update ops.crawl_state set known_until = getvariable('now') - interval 20 seconds"
            " where chat_id in (select chat_id from went_on)"
        )
        session.touched.chats |= set(session.query("from went_on")["chat_id"].to_pylist())


def _insert(session: DuckDbSession, table: type[Table], select: str) -> None:
    session.execute(f"insert into {table.full_name()} by name {select}")


def _people(session: DuckDbSession) -> None:
    """Contacts who came over 400 days, a sweep a day, and one in a hundred gone since."""
    session.execute(f"""
        create temp table people as
        select
            n,
            chat(n) as chat_id,
            date_trunc('second', getvariable('now') - to_seconds(chance(n, 'came') * 400 * 86400 + 7200)) as created_at,
            greatest(1, {SWEEPS} - floor(epoch(getvariable('now') - created_at) / 86400)::integer) as seen_in,
            case when n % 100 = 99 then seen_in + 1 end as gone_in
        from range(getvariable('contacts')) as numbers(n)
    """)
    session.execute(
        "create temp macro swept_at(number) as"
        f" getvariable('now') - interval 1 hour - to_days(({SWEEPS} - number)::integer)"
    )
    _insert(
        session,
        raw.Contacts,
        """
        select
            chat_id,
            '+2547' || lpad(n::varchar, 8, '0') as whatsapp_number,
            'Contact ' || n as name,
            json_object(
                'Segment',
                case floor(power(chance(n, 'segment'), 2) * getvariable('values'))::integer
                    when 0 then 'Retail'
                    when 1 then 'عملاء الجملة'
                    when 2 then repeat('A segment that somebody described at length ', 5)
                    else 'Segment ' || floor(power(chance(n, 'segment'), 2) * getvariable('values'))::integer
                end,
                'VIP', if(chance(n, 'vip') < 0.05, 'Yes', 'No')
            ) as custom_fields,
            'active' as status,
            ['KE', 'UG', 'TZ', 'RW', 'NG', NULL][1 + floor(chance(n, 'region') * 6)::integer] as region,
            created_at,
            false as created_at_was_naive,
            swept_at(seen_in) as first_fetched_at,
            swept_at(seen_in) as fetched_at,
            1 + n // 100 as first_fetch_id,
            1 + n // 100 as fetch_id
        from people
        """,
    )
    _insert(
        session,
        raw.ContactSweeps,
        f"""
        select
            sweeps.number as sweep_id,
            swept_at(sweeps.number) as started_at,
            started_at + interval 10 minutes as ended_at,
            present as first_reported_total,
            present as reported_total,
            present as seen_contacts,
            0 as rejected_contacts,
            present // 100 + 1 as requests,
            true as is_complete
        from (
            select number, sum(came - went) over (order by number) as present
            from (
                select
                    number,
                    (select count(*) from people where seen_in = number) as came,
                    (select count(*) from people where gone_in = number) as went
                from range(1, {SWEEPS} + 1) as numbers(number)
            )
        ) as sweeps
        """,
    )
    _insert(
        session,
        raw.ContactSightings,
        f"""
        select chat_id, seen_in as sweep_id, swept_at(seen_in) as "at", true as is_present from people
        union all
        select chat_id, gone_in, swept_at(gone_in), false from people where gone_in <= {SWEEPS}
        """,
    )


def _talks(session: DuckDbSession) -> None:
    """Conversations: few chats have many, by day and less by night; one in eight is not answered to the end."""
    session.execute("""
        create temp table talks as
        select
            n as talk,
            chat(floor(power(chance(n, 'chat'), 2) * getvariable('contacts'))::bigint) as chat_id,
            getvariable('start') + to_days(floor(chance(n, 'day') * 181)::integer)
                + to_seconds((3 + 14 * (chance(n, 'hour') + chance(n, 'hour2')) / 2) * 3600) as began_at,
            1 + floor(power(chance(n, 'length'), 2) * 12)::integer as turns,
            chance(n, 'missed') < 0.125 as is_missed,
            exp(4.5 + 1.4 * (chance(n, 'a') + chance(n, 'b') + chance(n, 'c') - 1.5) * 2) as pace,
            if(
                getvariable('agents') = 0,
                NULL,
                agent(floor(power(chance(n, 'agent'), 2) * getvariable('agents'))::integer)
            ) as sender
        from range(getvariable('conversations')) as numbers(n)
    """)
    _insert(
        session,
        raw.Messages,
        """
        select
            chat_id,
            'wamid.' || talk || '.' || turn as message_id,
            date_trunc('milliseconds', began_at + to_seconds(pace * (turn + 0.8 * chance(talk * 100 + turn, 'late'))))
                as "timestamp",
            false as timestamp_was_naive,
            false as is_future_dated,
            if(turn % 2 = 0, 'inbound', 'outbound') as direction,
            if(turn % 2 = 1 and chance(talk * 100 + turn, 'kind') < 0.05, 'template', 'text') as type,
            case
                when turn % 2 = 0 then 'received'
                when chance(talk * 100 + turn, 'status') < 0.01 then 'failed'
                else 'read'
            end as status,
            if(turn % 2 = 0, NULL, talks.sender) as sender,
            if(turn % 2 = 0, NULL, talks.sender) as sender_key,
            false as is_opt_out,
            'Habari, naomba msaada na oda yangu.' as content,
            greatest("timestamp", getvariable('now') - interval 60 days) + interval 90 seconds as first_fetched_at,
            first_fetched_at as fetched_at,
            100000 + talk % 1000 as first_fetch_id,
            first_fetch_id as fetch_id
        from talks, range(12) as turns(turn)
        where turn < turns and not (is_missed and turn % 2 = 1 and turn >= turns - 2)
            and began_at + to_seconds(pace * (turn + 1)) < getvariable('now') - interval 5 minutes
        """,
    )


def _work(session: DuckDbSession) -> None:
    """Half of the conversations are assigned to their agent, a third are marked as done."""
    _insert(
        session,
        raw.OperatorEvents,
        """
        select kind || talk as event_id, kind, chat_id, sender as agent, sender as agent_key,
            began_at + pause as "at", 'platform' as source
        from talks, (values ('assigned', interval 1 minute, 0.5), ('done', interval 90 minutes, 0.33))
            as kinds(kind, pause, share)
        where sender is not null and chance(talk, kind) < share and began_at + pause < getvariable('now')
        """,
    )


def _planner(session: DuckDbSession, now: dt.datetime) -> None:
    """Every chat has been visited, and what the planner learnt of one it learnt of all."""
    _insert(
        session,
        ops.CrawlState,
        """
        select
            chat_id,
            getvariable('now') - interval 10 minutes as known_until,
            coalesce(stored, 0) as reported_total,
            coalesce(stored, 0) as newest_run,
            0 as read_from_oldest,
            true as is_history_whole,
            coalesce(stored, 0) as proven_total
        from people
        left join (select chat_id, count(*) as stored from raw.messages group by chat_id) as counted using (chat_id)
        """,
    )
    planner = CrawlPlanner(requests_per_minute=60, requests_per_day=None, start=now, timezone="Africa/Nairobi")
    message = SeenMessage(now - dt.timedelta(days=3), "inbound", is_template=False)
    planner.visited("@chat", at=now - dt.timedelta(minutes=10), new_messages=[message])
    state = planner.to_arrow()
    (one,), (whole,) = state.chats.to_pylist(), state.planner.to_pylist()
    session.execute("set variable learnt = ?", [json.dumps(one | {"position": "@position"})])
    _insert(
        session,
        ops.PlannerChats,
        """
        select
            chat_id,
            replace(replace(getvariable('learnt'), '@chat', chat_id), '"@position"', n::varchar) as state
        from people
        """,
    )
    saved = {"name": "planner", "state": json.dumps(whole), "saved_at": now - dt.timedelta(minutes=10)}
    session.append(ops.PlannerState, ops.PlannerState.rows([saved]))


def _campaigns(session: DuckDbSession, count: int) -> None:
    """Campaigns of two years: one in thirty without a report, one in fifty with an impossible one."""
    names = ", ".join(f"'{name}'" for name in NAMES)
    session.execute(f"""
        create temp table sendings as
        select
            n,
            'cmp_' || lpad(n::varchar, 6, '0') as campaign_id,
            replace([{names}][1 + n % {len(NAMES)}], '{{n}}', n::varchar) as name,
            date_trunc('hour', getvariable('now') - to_seconds(chance(n, 'sent') * 730 * 86400 + 3600)) as sent_at,
            case
                when n % 100 = 7 then 'draft'
                when sent_at > getvariable('now') - interval 6 hours then 'in_progress'
                else 'completed'
            end as status,
            20 + floor(power(chance(n, 'recipients'), 4) * 40000)::bigint as total,
            floor(total * (0.9 + 0.1 * chance(n, 'delivered')))::bigint as delivered,
            floor(delivered * (0.3 + 0.5 * chance(n, 'read')))::bigint + if(n % 50 = 3, delivered, 0) as read,
            floor(delivered * 0.2 * chance(n, 'replied'))::bigint as replied
        from range({count}) as numbers(n)
    """)
    _insert(
        session,
        raw.Campaigns,
        """
        select campaign_id, name, status, sent_at - interval 1 day as created_at, sent_at as scheduled_at,
            total as total_recipients, getvariable('now') - interval 30 minutes as first_fetched_at,
            first_fetched_at as fetched_at, 200000 + n // 100 as first_fetch_id, first_fetch_id as fetch_id
        from sendings
        """,
    )
    _insert(
        session,
        raw.CampaignStatuses,
        """
        select campaign_id, getvariable('now') - interval 30 minutes as observed_at, status, false as is_change,
            200000 + n // 100 as fetch_id
        from sendings
        """,
    )
    _insert(
        session,
        raw.CampaignReports,
        """
        select campaign_id, getvariable('now') - interval 20 minutes as first_fetched_at,
            first_fetched_at as last_fetched_at, sha256(campaign_id) as content_hash, name,
            total as total_recipients, delivered, read, replied, (total - delivered) // 2 as failed,
            210000 + n as first_fetch_id, 210000 + n as fetch_id
        from sendings
        where status <> 'draft' and n % 30 <> 11
        """,
    )


def _requests(session: DuckDbSession) -> None:
    """The requests that all of it came from: pages of contacts, the newest page of each chat, reports."""
    columns = "1 as page, 100 as page_size, 'newest' as sort, 1 as attempt, started_at as finished_at,"
    columns += " 200 as http_status, 'ok' as outcome, 100 as records, 100 as total"
    _insert(
        session,
        ops.Fetches,
        f"""
        select *, {columns} from (
            select 1 + page as fetch_id, 'list_contacts' as operation, NULL as target, swept_at(1) as started_at
            from range((getvariable('contacts') + 99) // 100) as pages(page)
            union all
            select 1000000 + n, 'list_messages', chat_id, getvariable('now') - interval 10 minutes from people
            union all
            select 100000 + n, 'list_messages', chat(n), getvariable('now') - interval 1 day
            from range(least(1000, getvariable('contacts'))) as chats(n)
            union all
            select distinct fetch_id, 'list_campaigns', NULL, first_fetched_at from raw.campaigns
            union all
            select fetch_id, 'campaign_report', campaign_id, first_fetched_at from raw.campaign_reports
        )
        """,
    )
