"""A first look at the published figures: response times, campaigns, when people write.

What belongs here: reading the published snapshot and drawing it, in cells that an analyst copies and changes. What does
not: computing a figure anew (models/); the one place that does holds it against the published one.

`crm notebook` opens a copy of it in marimo. It runs as a script too: python docs/notebooks/first-look.py
"""

import marimo

__generated_with = "0.25.2"
app = marimo.App(width="medium", app_title="First look")


@app.cell
def _():
    import altair as alt
    import duckdb
    import marimo as mo

    from crm_platform.publish import current, read_manifest
    from crm_platform.settings import load_settings

    return alt, current, duckdb, load_settings, mo, read_manifest


@app.cell
def _(current, duckdb, load_settings, mo, read_manifest):
    settings = load_settings()
    snapshot = current(settings)
    mo.stop(snapshot is None, mo.md(f"Nothing is published in `{settings.published_dir}` yet: run `crm refresh`."))
    manifest = read_manifest(snapshot.path)

    def query(sql):
        """Ask the snapshot; a pandas frame comes back. Tables are `kpi.…` and `core.…`."""
        with duckdb.connect(str(snapshot.database), read_only=True) as connection:
            return connection.execute(sql).df()

    return manifest, query, settings, snapshot


@app.cell(hide_code=True)
def _(manifest, mo, query):
    summary = query("from kpi.executive_summary").iloc[0]
    _coverage = "not known" if summary.isna()["coverage"] else f"{summary['coverage']:.1%}"
    mo.md(f"""
    # First look

    {"**Sandbox data: all of it is made up.**" if manifest.is_sandbox else ""}
    As of **{manifest.as_of:%Y-%m-%d %H:%M} UTC** (days in {manifest.timezone}), snapshot `{manifest.id}`,
    coverage of the summary **{_coverage}**.

    Provisional days, drawn hollow, are not over or have less than 95 % coverage: do not quote them.
    """)
    return (summary,)


@app.cell(hide_code=True)
def _(mo):
    window = mo.ui.dropdown({"28 days": 28, "90 days": 90, "all": 100_000}, value="90 days", label="Show")
    mo.vstack([mo.md("## How long do people wait for a first answer?"), window])
    return (window,)


@app.cell
def _(query, window):
    waits = query(f"""
        select
            day,
            first_response_seconds_median / 60 as median,
            first_response_seconds_p90 / 60 as p90,
            business_first_response_seconds_median / 60 as in_office_hours,
            first_answered_waits,
            answer_rate,
            coverage,
            is_provisional
        from kpi.response_times_daily
        order by day desc
        limit {window.value}
    """)
    return (waits,)


@app.cell
def _(alt, settings, waits):
    _target = settings.first_response_target_minutes
    _base = alt.Chart(waits).encode(x=alt.X("day:T", title=None, axis=alt.Axis(format="%d %b")))
    _tooltip = ["day", "median", "p90", "in_office_hours", "first_answered_waits", "answer_rate", "coverage"]
    _minutes = alt.Scale(type="symlog", constant=10)
    _median = _base.mark_line(color="#0072B2").encode(
        y=alt.Y("median:Q", title="minutes, first answered waits", scale=_minutes)
    )
    _slow = _base.mark_line(color="#0072B2", opacity=0.35).encode(y=alt.Y("p90:Q", scale=_minutes))
    _office = _base.mark_line(color="#D55E00", strokeWidth=1).encode(y=alt.Y("in_office_hours:Q", scale=_minutes))
    _points = _base.mark_point(color="#0072B2", size=36).encode(
        y="median:Q",
        fill=alt.condition("datum.is_provisional", alt.value("white"), alt.value("#0072B2")),
        tooltip=_tooltip,
    )
    _promise = (
        alt.Chart(alt.InlineData([{"target": _target}]))
        .mark_rule(strokeDash=[6, 4], color="#555555")
        .encode(y="target:Q")
    )
    _coverage = _base.mark_area(color="#999999", line=True, opacity=0.4).encode(
        y=alt.Y("coverage:Q", title="coverage", scale=alt.Scale(domain=[0, 1]), axis=alt.Axis(format="%", tickCount=2))
    )
    response_chart = alt.vconcat(
        alt.layer(_slow, _office, _median, _points, _promise).properties(
            width=680,
            height=260,
            title=alt.Title(
                "First response by day",
                subtitle=f"median, 90th percentile (light), median in office hours (orange); target {_target:g} min",
                anchor="start",
            ),
        ),
        _coverage.properties(width=680, height=50),
    ).resolve_scale(x="shared")
    response_chart
    return (response_chart,)


@app.cell(hide_code=True)
def _(mo):
    mo.md("""
    A median says nothing of those who never got an answer: read it beside `answer_rate`. Days do not average into
    weeks; pool the rows instead, as below.
    """)


@app.cell
def _(query):
    weeks = query("""
        select
            cast(date_trunc('week', day) as date) as week,
            quantile_cont(response_seconds, 0.5) filter (where state = 'answered') / 60 as median_minutes,
            count(*) filter (where state = 'answered') as answered,
            count(*) filter (where state = 'missed') as missed,
            count(*) filter (where state = 'open') as still_open
        from core.response_waits
        where is_first and not is_left_truncated
        group by week
        order by week desc
    """)
    weeks
    return (weeks,)


@app.cell
def _(mo, query):
    # Is it the published figure? The median of each day, from the rows behind it.
    agreement = query("""
        with recomputed as (
            select day, quantile_cont(response_seconds, 0.5) as median
            from core.response_waits
            where is_first and state = 'answered' and not is_left_truncated
            group by 1
        )
        select
            count(*) as days,
            count(*) filter (where abs(median - first_response_seconds_median) <= 1e-9 * median) as equal
        from kpi.response_times_daily join recomputed using (day)
    """).iloc[0]
    mo.md(f"Recomputed from the rows: **{agreement['equal']} of {agreement['days']}** days are the published figure.")
    return (agreement,)


@app.cell(hide_code=True)
def _(mo):
    mo.md("""
    ## Which campaigns were read?

    Ranked by the lower end of the 95 % interval, so that a campaign of a dozen people cannot win by luck. Where two
    bars overlap widely, the campaigns are not known to differ. Settled campaigns with a consistent report only.
    """)


@app.cell
def _(query):
    campaigns = query("""
        select
            coalesce(name, campaign_id) || ' (' || campaign_id[-4:] || ')' as campaign,
            delivered,
            read_per_delivered as rate,
            read_per_delivered_low as low,
            read_per_delivered_high as high,
            reply_per_delivered
        from kpi.campaign_performance
        where is_settled and is_consistent and delivered > 0
        order by low desc
        limit 25
    """)
    return (campaigns,)


@app.cell
def _(alt, campaigns):
    _ranked = alt.Chart(campaigns).encode(y=alt.Y("campaign:N", sort=None, title=None, axis=alt.Axis(labelLimit=260)))
    _share = alt.Axis(format="%", title="read, of delivered", orient="top")
    campaign_chart = alt.layer(
        _ranked.mark_rule(strokeWidth=2, color="#0072B2").encode(
            x=alt.X("low:Q", axis=_share, scale=alt.Scale(zero=False)), x2="high:Q"
        ),
        _ranked.mark_point(filled=True, size=50, color="#0072B2").encode(
            x="rate:Q", tooltip=["campaign", "delivered", "rate", "low", "high", "reply_per_delivered"]
        ),
    ).properties(width=440, title="Read per delivered, with the 95 % interval")
    campaign_chart
    return (campaign_chart,)


@app.cell(hide_code=True)
def _(mo):
    mo.md("""
    ## When do people write, and when do we answer?

    Messages in a typical week: the last 84 complete days, divided by 12.
    """)


@app.cell
def _(query):
    hours = query("""
        unpivot (
            select weekday, hour, inbound / 12 as "from contacts", replies / 12 as "our replies"
            from kpi.message_volume_hourly
        )
        on "from contacts", "our replies"
        into name kind value messages
    """)
    return (hours,)


@app.cell
def _(alt, hours):
    _names = "['Mon', 'Tue', 'Wed', 'Thu', 'Fri', 'Sat', 'Sun'][datum.value]"
    heat_map = (
        alt.Chart(hours)
        .mark_rect()
        .encode(
            x=alt.X("hour:O", title="local hour", axis=alt.Axis(labelAngle=0, values=[0, 3, 6, 9, 12, 15, 18, 21])),
            y=alt.Y("weekday:O", title=None, axis=alt.Axis(labelExpr=_names)),
            color=alt.Color("messages:Q", scale=alt.Scale(scheme="blues"), title="a week"),
            tooltip=["weekday", "hour", "kind", alt.Tooltip("messages:Q", format=".1f")],
        )
        .properties(width=310, height=150)
        .facet(column=alt.Column("kind:N", title=None))
    )
    heat_map
    return (heat_map,)


@app.cell(hide_code=True)
def _(mo):
    mo.md("""
    ## Go on from here

    Add a cell and ask: `query("select * from kpi.backlog_now")`. What every column means stands in the database itself:
    """)


@app.cell
def _(query):
    columns = query("""
        select schema_name || '.' || table_name as "table", column_name as "column", comment as meaning
        from duckdb_columns()
        where schema_name in ('kpi', 'core')
        order by "table", column_index
    """)
    columns
    return (columns,)


if __name__ == "__main__":
    app.run()
