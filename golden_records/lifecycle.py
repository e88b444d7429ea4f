"""The states of golden records: events that records tell of, walked in order along the legal transitions.

Reads: evidence, holder (see sql/relations.sql), relation, golden. Writes: state, golden.lifecycle, finding.

An event that the present state does not allow moves nothing and is a finding of the record that tells of it; one
that leads to the state that holds already is another witness. Of several witnesses the earliest day counts.
"""

from __future__ import annotations

import duckdb

from rules.kinds.base import literal
from rules.model import EntityRules, EventRule

ILLEGAL = "illegal_transition"


def live(con: duckdb.DuckDBPyConnection, rules: EntityRules) -> None:
    """Build `state` and write the last one into `golden`, where the entity type has a life cycle.

    `lived` says of which golden records that changed the life cycle.
    """
    con.execute(
        "create or replace table state (golden_id varchar, state varchar, since date, until date, event varchar, "
        "source varchar, source_key varchar)"
    )
    con.execute("delete from finding where rule = $rule", {"rule": ILLEGAL})
    con.execute("create or replace temp table lived (golden_id varchar, before varchar, lifecycle varchar)")
    cycle = rules.entity.lifecycle
    if cycle is None:
        return
    moves = ", ".join(
        f"({literal(one.event)}, {literal(state)}, {literal(one.to)})" for one in cycle.events for state in one.from_
    )
    leads = ", ".join(
        f"({literal(name)}, {literal(to)})" for name, to in sorted({(e.event, e.to) for e in cycle.events})
    )
    con.execute(f"create or replace temp table move as select * from (values {moves}) as t(event, state, next)")
    con.execute(f"create or replace temp table leads as select * from (values {leads}) as t(event, next)")
    told = " union all ".join(told_sql(one, position) for position, one in enumerate(cycle.events))
    con.execute(
        f"""
        create or replace temp table told as
        select *, row_number() over (partition by golden_id order by day, position, source, source_key) as n
        from (
            select golden_id, event, position, day, first.source as source, first.source_key as source_key
            from (
                select golden_id, event, position, day,
                       min({{'source': source, 'source_key': source_key}}) as first
                from ({told})
                group by golden_id, event, position, day
            )
        )
        """
    )
    con.execute(
        "create or replace temp table step as "
        f"select distinct golden_id, {literal(cycle.initial)} as state, null::date as day, null::varchar as event, "
        "null::varchar as source, null::varchar as source_key, 0::bigint as n from told"
    )
    most = int(con.execute("select coalesce(max(n), 0) from told").fetchall()[0][0])
    con.execute("create or replace temp table present as select golden_id, state from step")
    for n in range(1, most + 1):
        _walk(con, n)
    con.execute(
        "insert into state select golden_id, state, day, lead(day) over (partition by golden_id order by n), event, "
        "source, source_key from step"
    )
    # A list that no longer has an entity says that it ended; an event that led somewhere says more.
    con.execute(
        "insert into lived select golden_id, g.lifecycle as before, case when p.state <> $initial "
        "then p.state when g.valid_to is null then $initial else 'ended' end as lifecycle "
        "from golden as g left join present as p using (golden_id)",
        {"initial": cycle.initial},
    )
    con.execute("delete from lived where lifecycle = before")
    con.execute("update golden set lifecycle = l.lifecycle from lived as l where l.golden_id = golden.golden_id")


def told_sql(rule: EventRule, position: int) -> str:
    """SQL of what tells of an event: one row per record version, or per relation."""
    if rule.relation is not None:
        return (
            f"select to_id as golden_id, {literal(rule.event)} as event, {position} as position, since as day, "
            f"source, source_key from relation where type = {literal(rule.relation)} and since is not null"
        )
    return f"""
    select h.golden_id, {literal(rule.event)} as event, {position} as position, e.day, e.source, e.source_key
    from (
        select source, source_key, coalesce(try_cast(({rule.on}) as date), since) as day
        from evidence where coalesce(({rule.when}), false)
    ) as e
    join holder h using (source, source_key)
    where h.lives"""


def _walk(con: duckdb.DuckDBPyConnection, n: int) -> None:
    """Take the n-th event of every golden record."""
    con.execute(
        """
        create or replace temp table taken as
        select t.*, p.state, m.next, l.next as leads_to
        from told t
        join present p using (golden_id)
        join leads l on l.event = t.event
        left join move m on m.event = t.event and m.state = p.state
        where t.n = $n
        """,
        {"n": n},
    )
    con.execute(
        "insert into step select golden_id, next, day, event, source, source_key, n from taken where next <> state"
    )
    con.execute(
        "insert into finding select s.record_id, null, null, null, $rule, 'warn', t.event || ' in state ' || t.state "
        "from taken t join standard s using (source, source_key) where t.next is null and t.leads_to <> t.state",
        {"rule": ILLEGAL},
    )
    con.execute(
        "update present set state = t.next from taken t "
        "where t.golden_id = present.golden_id and t.next is not null and t.next <> t.state"
    )
