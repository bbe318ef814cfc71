"""Which rows a figure is computed from, and how: one declaration a KPI table.

What belongs here: for each figure the published rows behind it, the columns used of them, and the figure computed from
exactly those. What does not: the SQL that fills a table (models/kpi/), fetching rows and digests (receipt.py). A test
computes every figure of random worlds a second time by these declarations.

Texts are SQL in the words of the templates (`{{ rate(…) }}`, `{{ cut_day }}`). In `rows`, `k` is the figure's own row
of its KPI table and `r` the row behind it. In `value`, `behind` is the relation of the rows behind it, which is read
from where no FROM is written; `k` can be asked by a subquery.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final


@dataclass(frozen=True, slots=True)
class Rows:
    """Rows that figures are computed from.

    `source`: the published table whose rows they are; `rows`: FROM (after `k`) and WHERE; `key`: what names a row;
    `used`: its columns that decide the figures. `extra`: more columns, as `expression as name`. `takes`: for rows of
    a KPI table, the figures taken from each.
    """

    source: str
    rows: str
    key: tuple[str, ...]
    used: tuple[str, ...]
    extra: tuple[str, ...] = ()
    takes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Figure:
    """One column: the rows it is computed from, those of them that `where` picks, and how."""

    rows: Rows
    value: str
    where: str = "true"


@dataclass(frozen=True, slots=True)
class _Table:
    """A KPI table's figures, by column."""

    figures: dict[str, Figure] = field(default_factory=dict)

    def of(self, rows: Rows, where: str = "true", /, **values: str) -> _Table:
        """Add columns that are computed from the same rows."""
        self.figures.update({column: Figure(rows, value, where) for column, value in values.items()})
        return self


# Rows that several tables share.

_WAIT_KEY: Final = ("chat_id", "opening_message_id")
_ANSWERED: Final = "r.state = 'answered'"
_FIRST_ANSWERED: Final = "r.state = 'answered' and r.is_first"
_FIRST_SETTLED: Final = "r.is_first and r.state in ('answered', 'missed')"
_ANSWER_RATE: Final = "{{ rate(\"count(*) filter (where state = 'answered')\", 'count(*)') }}"
_JUDGED: Final = """kpi.campaign_performance as r
    where r.is_consistent and r.total_recipients > 0 and coalesce(r.status, '') not in ('draft', 'scheduled')
        and r.sent_at <= {{ as_of }}"""
_SENT_WEEKDAY: Final = "{{ weekday(local_day('r.sent_at')) }}"
_SENT_HOUR: Final = "{{ local_hour('r.sent_at') }}"


# Operations.


def _waits(used: tuple[str, ...], where: str = "not r.is_left_truncated") -> Rows:
    return Rows("core.response_waits", f"core.response_waits as r where r.day = k.day and {where}", _WAIT_KEY, used)


_RESPONSE_TIMES = (
    _Table()
    .of(_waits(("is_left_truncated",), "r.is_left_truncated"), left_truncated_waits="count(*)")
    .of(_waits(("state",)), waits="count(*)")
    .of(_waits(("is_first",)), "r.is_first", first_waits="count(*)")
    .of(_waits(("state",)), _ANSWERED, answered_waits="count(*)")
    .of(_waits(("state", "is_first")), _FIRST_ANSWERED, first_answered_waits="count(*)")
    .of(_waits(("state",)), "r.state = 'open'", open_waits="count(*)")
    .of(_waits(("state",)), "r.state = 'missed'", missed_waits="count(*)")
    .of(_waits(("state",)), "r.state = 'trailing'", trailing_waits="count(*)")
    .of(_waits(("state",)), _FIRST_SETTLED, answer_rate=_ANSWER_RATE)
    .of(
        _waits(("response_seconds",)),
        _ANSWERED,
        response_seconds_median="{{ median('response_seconds') }}",
        response_seconds_p90="{{ p90('response_seconds') }}",
        response_seconds_mean="avg(response_seconds)",
    )
    .of(
        _waits(("response_seconds",)),
        _FIRST_ANSWERED,
        first_response_seconds_median="{{ median('response_seconds') }}",
        first_response_seconds_p90="{{ p90('response_seconds') }}",
        first_response_seconds_mean="avg(response_seconds)",
    )
    .of(
        _waits(("business_response_seconds",)),
        _FIRST_ANSWERED,
        business_first_response_seconds_median="{{ median('business_response_seconds') }}",
    )
    .of(
        _waits(("state", "response_seconds")),
        _FIRST_SETTLED,
        first_within_target_rate=(
            "{{ rate('count(*) filter (where response_seconds <= ' ~ target_seconds ~ ')', 'count(*)') }}"
        ),
    )
    .of(
        # Surviving t: the product, over the moments until t, of 1 − answered / at risk. At risk at a moment are the
        # first waits that had not left before: a missed one never leaves.
        Rows(
            "core.response_waits",
            "core.response_waits as r where r.day = k.day and not r.is_left_truncated and r.is_first",
            _WAIT_KEY,
            ("state", "lasted"),
            extra=(
                """case r.state
                    when 'answered' then r.response_seconds
                    when 'open' then {{ seconds_between('r.waiting_since', 'r.known_until') }}
                end as lasted""",
            ),
        ),
        first_response_seconds_median_censored="""
            select min(lasted) from (
                select lasted, product(1e0 - answered * 1e0 / at_risk) over (
                    order by lasted rows between unbounded preceding and current row
                ) as surviving
                from (
                    select lasted, count(*) filter (where state = 'answered') as answered,
                        (select count(*) from behind as others
                            where others.lasted is null or others.lasted >= moments.lasted) as at_risk
                    from behind as moments
                    where lasted is not null
                    group by lasted
                ) as risks
            ) as survival
            where surviving <= 0.5e0 + 1e-12
        """,
    )
)


def _conversations(used: tuple[str, ...], where: str) -> Rows:
    return Rows(
        "core.conversations",
        f"core.conversations as r where not r.is_left_truncated and {where}",
        ("chat_id", "first_message_id"),
        used,
    )


_CHATS_RESOLVED = (
    _Table()
    .of(_conversations(("resolved_at", "resolved_by"), "r.resolved_day = k.day"), resolved="count(*)")
    .of(
        _conversations(("resolved_at", "resolved_by"), "r.resolved_day = k.day"),
        "r.resolved_by = 'operator'",
        resolved_by_operator="count(*)",
    )
    .of(
        _conversations(("resolved_at", "resolved_by"), "r.resolved_day = k.day"),
        "r.resolved_by = 'quiet'",
        resolved_quietly="count(*)",
    )
    .of(
        _conversations(("ended_at", "state"), "r.ended_day = k.day and r.state = 'missed'"),
        unresolved="count(*)",
    )
    .of(
        _conversations(("resolution_seconds",), "r.resolved_day = k.day"),
        "r.resolution_seconds is not null",
        resolution_seconds_median="{{ median('resolution_seconds') }}",
    )
)

_DAY_END: Final = "case when k.day = {{ cut_day }} then {{ as_of }} else days.ends_at end"
_BACKLOG = Rows(
    "core.response_waits",
    f"""core.calendar as days
    cross join core.response_waits as r
    where days.day = k.day
        and r.day <= k.day
        and r.waiting_since < {_DAY_END}
        and (r.answered_at is null or r.answered_at >= {_DAY_END})
        and {{{{ later('r.conversation_ended_at', gap_seconds) }}}} >= {_DAY_END}""",
    _WAIT_KEY,
    ("waiting_since", "answered_at", "conversation_ended_at"),
    extra=(f"{_DAY_END} as day_end",),
)
_BACKLOG_DAILY = _Table().of(
    _BACKLOG,
    open_waits_at_end="count(*)",
    oldest_wait_seconds="max({{ seconds_between('waiting_since', 'day_end') }})",
)

_OPEN = Rows(
    "core.response_waits", "core.response_waits as r where r.state = 'open'", _WAIT_KEY, ("state", "waiting_since")
)
_EXPIRING = Rows(
    "core.response_waits",
    """core.response_waits as r
    join core.chats as chats on chats.chat_id = r.chat_id
    where r.state = 'open'
        and {{ later('chats.last_inbound_at', 86400) }} > {{ as_of }}
        and {{ later('chats.last_inbound_at', 86400) }} <= {{ later(as_of, 7200) }}""",
    _WAIT_KEY,
    ("state", "last_inbound_at"),
    extra=("chats.last_inbound_at as last_inbound_at",),
)
_BACKLOG_NOW = (
    _Table()
    .of(
        _OPEN,
        open_waits="count(*)",
        oldest_open_wait_seconds="max({{ seconds_between('waiting_since', as_of) }})",
    )
    .of(_EXPIRING, windows_expiring_2h="count(*)")
)

_WINDOW: Final = "r.day >= {{ cut_day }} - cast(k.window_days as integer) and r.day < {{ cut_day }}"
_IS_AGENTS: Final = "coalesce(r.agent, '(unassigned)') = k.agent"


def _work(kind: str, where: str = _IS_AGENTS) -> Rows:
    return Rows(
        "core.work",
        f"core.work as r where r.kind = '{kind}' and {_WINDOW} and {where}",
        ("chat_id", "message_id"),
        ("done_at", "agent"),
    )


_AGENT_LEADERBOARD = (
    _Table()
    .of(
        Rows(
            "core.assignments",
            f"core.assignments as r where {_WINDOW} and {_IS_AGENTS}",
            ("chat_id", "number"),
            ("assigned_at", "agent"),
        ),
        chats_assigned="count(*)",
    )
    .of(_work("resolution"), chats_resolved="count(*)")
    .of(_work("reply"), replies="count(*)")
    .of(
        Rows(
            "core.response_waits",
            f"""core.response_waits as r
            join core.work as work
                on work.kind = 'reply' and work.chat_id = r.chat_id and work.message_id = r.closing_message_id
            where r.is_first and r.state = 'answered' and not r.is_left_truncated
                and {_WINDOW} and coalesce(work.agent, '(unassigned)') = k.agent""",
            _WAIT_KEY,
            ("response_seconds", "agent"),
            extra=("work.agent as agent",),
        ),
        first_response_seconds_median="{{ median('response_seconds') }}",
        first_responses="count(*)",
    )
    .of(_work("reply", "true"), attributed_share="{{ rate('count(agent)', 'count(*)') }}")
)

_VOLUME = Rows(
    "core.messages",
    """core.messages as r
    where r.is_counted and coalesce(r.status, '') <> 'failed'
        and r.timestamp >= {{ start_of_day(84) }} and r.timestamp < {{ start_of_day(0) }}
        and {{ weekday(local_day('r.timestamp')) }} = k.weekday and {{ local_hour('r.timestamp') }} = k.hour""",
    ("chat_id", "message_id"),
    ("timestamp",),
)
_MESSAGE_VOLUME = (
    _Table()
    .of(_VOLUME, "r.direction = 'inbound'", inbound="count(*)")
    .of(_VOLUME, "r.is_reply", replies="count(*)")
    .of(_VOLUME, "r.is_template", templates="count(*)")
)


# Engagement.


def _campaign(*used: str) -> Rows:
    """The campaign and its newest report; the report's recipients come before the campaign's own."""
    return Rows(
        "core.campaigns",
        """core.campaigns as r
        left join core.campaign_reports as reports on reports.campaign_id = r.campaign_id
        where r.campaign_id = k.campaign_id""",
        ("campaign_id",),
        used,
        extra=(
            "coalesce(reports.total_recipients, r.total_recipients) as recipients",
            "reports.campaign_id is not null as has_report",
            *(f"reports.{name} as {name}" for name in ("delivered", "read", "replied", "failed")),
            *(f"reports.{name} as {name}" for name in ("delivery_rate", "read_rate", "reply_rate")),
        ),
    )


def _wilson(successes: str, of: str) -> dict[str, str]:
    # Of the one row: an aggregate of one row is that row.
    return {end: f"max({{{{ wilson('{successes}', '{of}', {sign}) }}}})" for end, sign in (("_low", -1), ("_high", 1))}


def _intervals(name: str, successes: str, of: str) -> dict[str, str]:
    return {f"{name}{end}": value for end, value in _wilson(successes, of).items()}


_GAPS: Final = ", ".join(
    f"""case when {{{{ rate('{x}', '{n}') }}}} is null or {{{{ percentage('{text}') }}}} is null then -1e0
    else greatest(0e0, abs(100 * {{{{ rate('{x}', '{n}') }}}} - {{{{ percentage('{text}') }}}})
        - 0.5e0 * power(10e0, -{{{{ decimals('{text}') }}}})) end"""
    for x, n, text in (
        ("delivered", "recipients", "delivery_rate"),
        ("read", "delivered", "read_rate"),
        ("replied", "delivered", "reply_rate"),
    )
)

_CAMPAIGN_PERFORMANCE = (
    _Table()
    .of(_campaign("name"), name="max(name)")
    .of(_campaign("status"), status="max(status)")
    .of(_campaign("sent_at"), sent_at="max(sent_at)")
    .of(_campaign("recipients"), total_recipients="max(recipients)")
    .of(_campaign("delivered"), delivered="max(delivered)")
    .of(_campaign("read"), read="max(read)")
    .of(_campaign("replied"), replied="max(replied)")
    .of(_campaign("failed"), failed="max(failed)")
    .of(_campaign("recipients", "delivered", "failed"), in_flight="max({{ in_flight('recipients') }})")
    .of(
        _campaign("delivered", "recipients"),
        delivery_rate="max({{ rate('delivered', 'recipients') }})",
        **_intervals("delivery_rate", "delivered", "recipients"),
    )
    .of(
        _campaign("read", "delivered"),
        read_per_delivered="max({{ rate('read', 'delivered') }})",
        **_intervals("read_per_delivered", "read", "delivered"),
    )
    .of(
        _campaign("replied", "delivered"),
        reply_per_delivered="max({{ rate('replied', 'delivered') }})",
        **_intervals("reply_per_delivered", "replied", "delivered"),
    )
    .of(_campaign("read", "recipients"), read_per_recipient="max({{ rate('read', 'recipients') }})")
    .of(_campaign("replied", "recipients"), reply_per_recipient="max({{ rate('replied', 'recipients') }})")
    .of(
        _campaign("recipients", "delivered", "read", "replied", "failed"),
        is_consistent="bool_and(case when has_report then {{ funnel_narrows('recipients') }} end)",
    )
    .of(
        _campaign("status", "sent_at"),
        is_settled="""
            bool_and(coalesce(
                status in ('completed', 'failed') and {{ seconds_between('sent_at', as_of) }} >= 72 * 3600, false
            ))
        """,
    )
    .of(
        _campaign("recipients", "delivered", "read", "replied", "delivery_rate", "read_rate", "reply_rate"),
        api_rate_gap=f"nullif(max(greatest({_GAPS})), -1e0)",
    )
)


def _judged(used: tuple[str, ...], where: str) -> Rows:
    return Rows("kpi.campaign_performance", f"{_JUDGED} and {where}", ("campaign_id",), used, takes=used)


_SENT_THAT_MONTH: Final = "{{ month_of(local_day('r.sent_at')) }} = k.month"
_ENGAGEMENT_MONTHLY = (
    _Table()
    .of(_judged(("is_consistent",), _SENT_THAT_MONTH), campaigns="count(*)")
    .of(_judged(("total_recipients",), _SENT_THAT_MONTH), total_recipients="sum(total_recipients)")
    .of(_judged(("delivered",), _SENT_THAT_MONTH), delivered="sum(delivered)")
    .of(_judged(("read",), _SENT_THAT_MONTH), read="sum(read)")
    .of(_judged(("replied",), _SENT_THAT_MONTH), replied="sum(replied)")
    .of(_judged(("failed",), _SENT_THAT_MONTH), failed="sum(failed)")
    .of(
        _judged(("delivered", "total_recipients"), _SENT_THAT_MONTH),
        delivery_rate="{{ rate('sum(delivered)', 'sum(total_recipients)') }}",
    )
    .of(
        _judged(("read", "delivered"), _SENT_THAT_MONTH),
        read_per_delivered="{{ rate('sum(read)', 'sum(delivered)') }}",
    )
    .of(
        _judged(("replied", "delivered"), _SENT_THAT_MONTH),
        reply_per_delivered="{{ rate('sum(replied)', 'sum(delivered)') }}",
    )
)

_SENT_THAT_HOUR: Final = f"{_SENT_WEEKDAY} = k.weekday and {_SENT_HOUR} = k.hour"


def _shrunk(successes: str) -> tuple[Rows, str]:
    """All judged campaigns by their cell: a cell's rate is drawn towards the mean of all (kpi-definitions.md)."""
    rows = Rows(
        "kpi.campaign_performance",
        _JUDGED,
        ("campaign_id",),
        ("cell_weekday", "cell_hour", "delivered", successes),
        extra=(f"{_SENT_WEEKDAY} as cell_weekday", f"{_SENT_HOUR} as cell_hour"),
        takes=("delivered", successes),
    )
    value = f"""
        with cells as (
            select cell_weekday, cell_hour, sum(delivered) * 1e0 as n, sum({successes}) * 1e0 as x
            from behind
            group by cell_weekday, cell_hour
        ),
        pool as (
            select sum(n) as total, count(*) filter (where n > 0) as cells, sum(n * n) as squares,
                {{{{ rate('sum(x)', 'sum(n)') }}}} as p
            from cells
        ),
        moments as (
            select any_value(total) as total, any_value(cells) as k, any_value(p) as p,
                sum(n * (x / n - p) * (x / n - p)) - (any_value(cells) - 1) * any_value(p) * (1 - any_value(p))
                    as numerator,
                any_value(total) - any_value(squares) / any_value(total) - (any_value(cells) - 1) as denominator
            from cells cross join pool
            where n > 0
        ),
        prior as (
            select p, case
                when k = 1 or denominator <= 0 or numerator <= 0 then null
                else p * (1 - p) / (numerator / denominator) - 1
            end as m
            from moments
            where total > 0
        )
        select case
            when m is null then p
            when m <= 0 then coalesce({{{{ rate('x', 'n') }}}}, p)
            else (x + m * p) / (n + m)
        end
        from prior cross join cells
        where cell_weekday = (select weekday from k) and cell_hour = (select hour from k)
    """
    return rows, value


_READ_SHRUNK, _REPLIED_SHRUNK = _shrunk("read"), _shrunk("replied")
_SEND_TIME = (
    _Table()
    .of(_judged(("is_consistent",), _SENT_THAT_HOUR), campaigns="count(*)")
    .of(_judged(("delivered",), _SENT_THAT_HOUR), delivered="sum(delivered)")
    .of(_judged(("read",), _SENT_THAT_HOUR), read="sum(read)")
    .of(_judged(("replied",), _SENT_THAT_HOUR), replied="sum(replied)")
    .of(
        _judged(("read", "delivered"), _SENT_THAT_HOUR),
        read_per_delivered="{{ rate('sum(read)', 'sum(delivered)') }}",
    )
    .of(
        _judged(("replied", "delivered"), _SENT_THAT_HOUR),
        reply_per_delivered="{{ rate('sum(replied)', 'sum(delivered)') }}",
    )
    .of(_READ_SHRUNK[0], read_per_delivered_shrunk=_READ_SHRUNK[1])
    .of(_REPLIED_SHRUNK[0], reply_per_delivered_shrunk=_REPLIED_SHRUNK[1])
    .of(_judged(("delivered",), _SENT_THAT_HOUR), enough_data="count(*) >= 3 and sum(delivered) >= 1000")
)


# Growth.


def _presences(where: str, *used: str) -> Rows:
    return Rows(
        "core.contact_presence", f"core.contact_presence as r where {where}", ("chat_id", "interval_number"), used
    )


# A presence whose creation is dated after its end ends when it begins.
_THERE: Final = (
    "(r.from_day is null or r.from_day <= k.day) and (r.to_day is null or greatest(r.from_day, r.to_day) > k.day)"
)
_CAME: Final = "count(*) filter (where from_day = (select day from k))"
_WENT: Final = "count(*) filter (where to_day = (select day from k) and not (select is_estimated from k))"
_GROWTH_DAILY = (
    _Table()
    .of(_presences(_THERE, "from_day", "to_day"), total_contacts="count(*)")
    .of(_presences("r.from_day = k.day", "from_day"), new_contacts="count(*)")
    .of(
        _presences("r.to_day = k.day and not k.is_estimated", "to_day"),
        gone_contacts="case when not (select is_estimated from k) then count(*) end",
    )
    .of(
        _presences("(r.from_day = k.day or r.to_day = k.day and not k.is_estimated)", "from_day", "to_day"),
        net_growth=f"{_CAME} - {_WENT}",
    )
    .of(
        Rows(
            "core.contact_sweeps",
            "core.contact_sweeps as r where r.is_complete and r.day <= k.day",
            ("sweep_id",),
            ("is_complete", "day"),
        ),
        is_estimated="count(*) = 0",
    )
)


def _days(where: str, *takes: str) -> Rows:
    return Rows(
        "kpi.contact_growth_daily", f"kpi.contact_growth_daily as r where {where}", ("day",), takes, takes=takes
    )


_THAT_MONTH: Final = "{{ month_of('r.day') }} = k.month"
_DAY_BEFORE: Final = "(select max(days.day) from kpi.contact_growth_daily as days where days.day < k.month)"
_FIRST_DAY: Final = "(select min(days.day) from kpi.contact_growth_daily as days)"
_LAST_DAY: Final = (
    "(select max(days.day) from kpi.contact_growth_daily as days where {{ month_of('days.day') }} = k.month)"
)
_DAY_BEFORE_PREVIOUS: Final = (
    "(select max(days.day) from kpi.contact_growth_daily as days where days.day < {{ previous_month }})"
)
_SAME_DAY_NUMBER: Final = """(
    select max(days.day) from kpi.contact_growth_daily as days
    where {{ month_of('days.day') }} = {{ previous_month }}
        and {{ day_of_month('days.day') }} <= {{ day_of_month(cut_day) }}
)"""
_FROM_FIRST_TO_LAST: Final = (
    "case when count(*) = 2 then"
    " {{ rate('arg_max(total_contacts, day) - arg_min(total_contacts, day)', 'arg_min(total_contacts, day)') }} end"
)
_GROWTH_MONTHLY = (
    _Table()
    .of(
        # The first month known opens with what its first day says of the day before.
        _days(f"r.day = coalesce({_DAY_BEFORE}, {_FIRST_DAY})", "total_contacts", "new_contacts", "gone_contacts"),
        opening="""
            case
                when max(day) < (select month from k) then max(total_contacts)
                else max(total_contacts - new_contacts + coalesce(gone_contacts, 0))
            end
        """,
    )
    .of(_days(_THAT_MONTH, "new_contacts"), new_contacts="sum(new_contacts)")
    .of(_days(_THAT_MONTH, "gone_contacts"), gone_contacts="sum(gone_contacts)")
    .of(_days(f"r.day = {_LAST_DAY}", "total_contacts"), closing="max(total_contacts)")
    .of(_days(f"r.day in ({_DAY_BEFORE}, {_LAST_DAY})", "total_contacts"), monthly_growth_rate=_FROM_FIRST_TO_LAST)
    .of(
        _days(f"k.is_partial and r.day in ({_DAY_BEFORE_PREVIOUS}, {_SAME_DAY_NUMBER})", "total_contacts"),
        previous_to_date_rate=_FROM_FIRST_TO_LAST,
    )
    .of(
        Rows("core.calendar", "core.calendar as r where r.day = {{ cut_day }}", ("day",), ("day",)),
        is_partial="max({{ month_of('day') }}) = (select month from k)",
    )
)


def _segment(where: str, *used: str) -> Rows:
    return Rows(
        "core.contact_segments",
        f"core.contact_segments as r where r.field = k.field and {where}",
        ("chat_id", "field"),
        used,
    )


_BY_SEGMENT = (
    _Table()
    .of(_segment("r.value = k.value", "value"), contacts="count(*)")
    .of(
        _segment("true", "value"),
        share="{{ rate('count(*) filter (where value = (select value from k))', 'count(*)') }}",
    )
    .of(_segment("r.value = k.value and r.is_active_30d", "value", "is_active_30d"), active_30d="count(*)")
)


def _present(where: str, *used: str) -> Rows:
    return Rows("core.contacts", f"core.contacts as r where r.is_present and {where}", ("chat_id",), used)


_ITS_REGION: Final = "coalesce(r.region, '(unknown)') = k.region"
_BY_COUNTRY = (
    _Table()
    .of(_present(_ITS_REGION, "region"), contacts="count(*)")
    .of(
        _present("true", "region"),
        share=(
            "{{ rate(\"count(*) filter (where coalesce(region, '(unknown)') = (select region from k))\", 'count(*)') }}"
        ),
    )
    .of(_present(f"{_ITS_REGION} and r.is_active_30d", "region", "is_active_30d"), active_30d="count(*)")
)


# Executive: what it takes from other tables, taken from there.


def _taken(table: str, where: str, key: tuple[str, ...], *takes: str) -> Rows:
    return Rows(f"kpi.{table}", f"kpi.{table} as r where {where}", key, takes, takes=takes)


# Whether the window before has all its days.
_IS_LONG: Final = "(select min(days.day) from kpi.chats_resolved_daily as days) <= {{ days_before(14) }}"


def _window_of_waits(first: int, until: str, where: str, used: tuple[str, ...]) -> Rows:
    return Rows(
        "core.response_waits",
        f"""core.response_waits as r
        where r.is_first and not r.is_left_truncated and {where}
            and r.day >= {{{{ days_before({first}) }}}} and r.day < {until}""",
        _WAIT_KEY,
        used,
    )


def _sent_between(first: int, until: int, *takes: str) -> Rows:
    return _taken(
        "campaign_performance",
        f"""r.is_settled and r.sent_at >= {{{{ start_of_day({first}) }}}}
            and r.sent_at < {{{{ start_of_day({until}) }}}}""",
        ("campaign_id",),
        *takes,
    )


_CUT_DAY: Final = "{{ cut_day }}"
_WEEK_AGO: Final = "{{ days_before(7) }}"
_MEDIAN: Final = "{{ median('response_seconds') }}"
_RUNNING: Final = "status in ('active', 'in_progress')"
_EXECUTIVE = (
    _Table()
    .of(_present("true", "is_present"), total_contacts="count(*)")
    .of(
        _taken("contact_growth_daily", f"r.day = {_WEEK_AGO}", ("day",), "total_contacts"),
        total_contacts_previous="max(total_contacts)",
    )
    .of(
        _taken("contact_growth_monthly", "r.month = {{ previous_month }}", ("month",), "monthly_growth_rate"),
        monthly_growth_rate="max(monthly_growth_rate)",
    )
    .of(
        _taken("contact_growth_monthly", "r.month = {{ month_before_previous }}", ("month",), "monthly_growth_rate"),
        monthly_growth_rate_previous="max(monthly_growth_rate)",
    )
    .of(
        Rows("core.campaigns", f"core.campaigns as r where r.{_RUNNING}", ("campaign_id",), ("status",)),
        active_campaigns="count(*)",
    )
    .of(
        Rows(
            "core.campaign_statuses",
            """core.campaign_statuses as r
            where r.observed_at = (
                select max(observed_at) from core.campaign_statuses as others
                where others.campaign_id = r.campaign_id and others.observed_at < {{ start_of_day(6) }}
            )""",
            ("campaign_id",),
            ("status",),
        ),
        active_campaigns_previous=f"case when count(*) > 0 then count(*) filter (where {_RUNNING}) end",
    )
    .of(
        _sent_between(30, 0, "read", "delivered"),
        read_per_delivered_30d="{{ rate('sum(read)', 'sum(delivered)') }}",
    )
    .of(
        _sent_between(60, 30, "read", "delivered"),
        read_per_delivered_30d_previous="{{ rate('sum(read)', 'sum(delivered)') }}",
    )
    .of(
        _sent_between(30, 0, "replied", "delivered"),
        reply_per_delivered_30d="{{ rate('sum(replied)', 'sum(delivered)') }}",
    )
    .of(
        _sent_between(60, 30, "replied", "delivered"),
        reply_per_delivered_30d_previous="{{ rate('sum(replied)', 'sum(delivered)') }}",
    )
    .of(
        _window_of_waits(7, _CUT_DAY, _ANSWERED, ("response_seconds",)),
        first_response_seconds_median_7d=_MEDIAN,
    )
    .of(
        _window_of_waits(14, _WEEK_AGO, f"{_ANSWERED} and {_IS_LONG}", ("response_seconds",)),
        first_response_seconds_median_7d_previous=_MEDIAN,
    )
    .of(
        _window_of_waits(7, _CUT_DAY, "r.state in ('answered', 'missed')", ("state",)),
        answer_rate_7d=_ANSWER_RATE,
    )
    .of(
        _window_of_waits(14, _WEEK_AGO, f"r.state in ('answered', 'missed') and {_IS_LONG}", ("state",)),
        answer_rate_7d_previous=_ANSWER_RATE,
    )
    .of(
        _taken("chats_resolved_daily", f"r.day >= {_WEEK_AGO} and r.day < {_CUT_DAY}", ("day",), "resolved"),
        chats_resolved_7d="coalesce(sum(resolved), 0)",
    )
    .of(
        _taken(
            "chats_resolved_daily",
            f"r.day >= {{{{ days_before(14) }}}} and r.day < {_WEEK_AGO} and {_IS_LONG}",
            ("day",),
            "resolved",
        ),
        chats_resolved_7d_previous="sum(resolved)",
    )
    .of(_taken("backlog_now", "true", (), "open_waits"), open_waits="max(open_waits)")
    .of(
        _taken("backlog_daily", f"r.day = {_WEEK_AGO}", ("day",), "open_waits_at_end"),
        open_waits_previous="max(open_waits_at_end)",
    )
)

FIGURES: Final[Mapping[str, Mapping[str, Figure]]] = {
    "kpi.response_times_daily": _RESPONSE_TIMES.figures,
    "kpi.chats_resolved_daily": _CHATS_RESOLVED.figures,
    "kpi.backlog_daily": _BACKLOG_DAILY.figures,
    "kpi.backlog_now": _BACKLOG_NOW.figures,
    "kpi.agent_leaderboard": _AGENT_LEADERBOARD.figures,
    "kpi.message_volume_hourly": _MESSAGE_VOLUME.figures,
    "kpi.campaign_performance": _CAMPAIGN_PERFORMANCE.figures,
    "kpi.engagement_monthly": _ENGAGEMENT_MONTHLY.figures,
    "kpi.send_time_performance": _SEND_TIME.figures,
    "kpi.contact_growth_daily": _GROWTH_DAILY.figures,
    "kpi.contact_growth_monthly": _GROWTH_MONTHLY.figures,
    "kpi.contacts_by_segment": _BY_SEGMENT.figures,
    "kpi.contacts_by_country": _BY_COUNTRY.figures,
    "kpi.executive_summary": _EXECUTIVE.figures,
}
"""Every figure's rows, by full table name and column. A table that is not here has receipts without rows."""

POOLED: Final = ("kpi.response_times_daily", "kpi.chats_resolved_daily")
"""Tables by day whose figures hold for any range of days too: the same value, of the rows of all its days together."""


# Requests that rows of a source came from: SELECTs of `fetch_id` over `behind`.

_CHAT_KNOWN: Final = """
    select visits.fetch_id
    from behind
    join core.chats as chats on chats.chat_id = behind.chat_id
    join core.fetches as visits
        on visits.chat_id = chats.chat_id and visits.started_at = chats.known_until
        and visits.operation = 'list_messages'
"""


def _of_message(column: str) -> str:
    return f"""
        select unnest([messages.first_fetch_id, messages.fetch_id]) as fetch_id
        from behind
        join core.messages as messages
            on messages.chat_id = behind.chat_id and messages.message_id = behind.{column}
    """


_OF_CONTACT: Final = """
    select unnest([contacts.first_fetch_id, contacts.fetch_id]) as fetch_id
    from behind
    join core.contacts as contacts on contacts.chat_id = behind.chat_id
"""

FETCHES: Final[Mapping[str, tuple[str, ...]]] = {
    "core.messages": ("select unnest([first_fetch_id, fetch_id]) as fetch_id from behind",),
    # The messages at its ends, and the visit that says nothing came since.
    "core.response_waits": (_of_message("opening_message_id"), _of_message("closing_message_id"), _CHAT_KNOWN),
    "core.conversations": (
        """
        select unnest([messages.first_fetch_id, messages.fetch_id]) as fetch_id
        from behind
        join core.messages as messages
            on messages.chat_id = behind.chat_id
            and messages.timestamp >= behind.started_at and messages.timestamp <= behind.ended_at
        """,
        _CHAT_KNOWN,
    ),
    "core.work": (_of_message("message_id"),),
    "core.assignments": ("select fetch_id from behind where fetch_id is not null",),
    "core.contacts": ("select unnest([first_fetch_id, fetch_id]) as fetch_id from behind",),
    "core.contact_segments": (_OF_CONTACT,),
    # The sweep that noticed it came back, or is gone.
    "core.contact_presence": (
        _OF_CONTACT,
        """
        select sweeps.sweep_id as fetch_id
        from behind
        join core.contact_sweeps as sweeps on sweeps.started_at = behind.from_at or sweeps.started_at = behind.to_at
        """,
    ),
    "core.contact_sweeps": ("select sweep_id as fetch_id from behind",),
    "core.campaigns": (
        "select fetch_id from behind",
        """
        select reports.fetch_id
        from behind
        join core.campaign_reports as reports on reports.campaign_id = behind.campaign_id
        """,
        """
        select statuses.fetch_id
        from behind
        join core.campaign_statuses as statuses on statuses.campaign_id = behind.campaign_id
        """,
    ),
    "core.campaign_statuses": ("select fetch_id from behind",),
    "core.calendar": (),
}
