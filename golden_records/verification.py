"""The state of every current golden value (多元校核): who backs it, who differs, and is it in time.

Reads: alike, provenance, standard, past, member, finding, listing, speaker, place. Writes: dispute, verified,
provenance (its column `state`).

A state follows from the records that count now, by the kind's own equality, as everywhere. The first that holds:

    invalid        the record that gave the value has a finding of severity warn or error in this field
    disputed       a record of a source that is in time says something else
    stale          no source that says the same is in time
    confirmed      a steward chose the value; or its lead source and, with it, enough independent voices say it
    agreed         enough independent voices say it, the lead source is none of them
    single_source  fewer do

deliveries.py says which source is in time. Copies (`derived_from`) speak with one voice. That an invalid value loses
to a valid one is done already, by the preference `validity`; it is published as `invalid` only where no record has a
better one, or where authority goes first.
"""

from __future__ import annotations

from datetime import date
from typing import get_args

import duckdb

from golden_records.agreement import same_sql
from golden_records.preferences import golden_fields, lead, regional, regions_in_force
from golden_records.sql import run
from linkage.values import CODE
from rules.columns import quote
from rules.kinds.base import literal
from rules.model import EntityRules, State

STATES: tuple[str, ...] = get_args(State)
MOST_IN_BIGINT = 62


def verify(con: duckdb.DuckDBPyConnection, rules: EntityRules, as_of: date) -> None:
    """Give every current value of the entity type in the current schema its state, and list who differs."""
    fields = golden_fields(rules.entity)
    verified = [name for name in fields if name not in rules.entity.verification.ignore]
    run(con, "verification", verified=verified)
    con.execute(spoken_sql(verified))
    chosen = {str(field) for (field,) in con.execute("select distinct field from provenance").fetchall()}
    for field in (name for name in fields if name in chosen):
        if field in verified:
            con.execute(stated_sql(field, verified.index(field), lead_sql(rules, field, as_of), rules))
            con.execute(dispute_sql(field, verified.index(field), rules))
        con.execute(judged_sql(field, field in verified))
    run(con, "judged")


def spoken_sql(fields: list[str]) -> str:
    """SQL for `spoken`: one row per record of a golden record, with the code of what it says by field (k0, k1 …).

    `now` is false of what a later list replaced, and of the past versions from which values were taken.
    """
    keys = "".join(f", s.{quote(f'{name}__{CODE}')} as k{i}" for i, name in enumerate(fields))
    return f"""
create or replace temp table spoken as
select m.g, s.record_id, v.number, v.voice, v.in_time, l.next_day is null as now{keys}
from standard s
join member m using (ordinal)
join speaker v on v.source = s.source
left join listing l on l.source = s.source and l.day = s.observed_on
union all
select null, s.record_id, v.number, v.voice, false, false{keys}
from past s
join speaker v on v.source = s.source
where s.record_id in (select record_id from provenance where valid_to is null)
  and s.record_id not in (select record_id from standard)
"""


def lead_sql(rules: EntityRules, field: str, as_of: date) -> str:
    """SQL over `place` l: the number of the source that leads in a field where the golden record is."""
    names = sorted(rules.sources.sources)

    def of(region: str | None) -> str:
        name = lead(rules.sources, [field], as_of, region)
        return str(names.index(name)) if name in names else "null"

    cases = "".join(
        f" when starts_with(l.region, {literal(region)}) then {of(region)}"
        for region in regions_in_force(rules.sources, [field], as_of)
    )
    return f"(case{cases} else {of(None)} end)::integer" if cases else f"{of(None)}::integer"


def stated_sql(field: str, position: int, leads: str, rules: EntityRules) -> str:
    """SQL for `stated`: the golden records that have a current value of `field`, its code, and its state."""
    same = same_sql(rules.entity, field, f"s.k{position}", "c.k")
    wide = "bigint" if len(rules.sources.sources) <= MOST_IN_BIGINT else "hugeint"
    quorum = rules.entity.verification.quorum.get(field, 2)
    place = "left join place l on l.g = p.g" if regional(rules.sources) else ""
    return f"""
create or replace temp table stated as
with chosen as (
    select p.g, p.record_id, w.k{position} as k, p.rule = 'steward_decision' as decided, {leads} as leads
    from provenance p
    join spoken w on w.record_id = p.record_id
    {place}
    where p.field = {literal(field)} and p.valid_to is null
), asked as (
    select c.g, c.record_id, c.k, c.decided, c.leads, s.number, s.voice, s.in_time,
           s.record_id = c.record_id or {same} as same
    from chosen c
    join spoken s on s.g = c.g and s.now
    where s.record_id = c.record_id or (s.k{position} is not null and c.k is not null)
), told as (
    select g,
           bit_count(coalesce(bit_or(1::{wide} << voice::{wide}) filter (same), 0)) as voices,
           bool_or(same and in_time) as in_time,
           bool_or(not same and in_time) as differs,
           coalesce(bool_or(same and number = leads), false) as led
    from asked
    group by g
), bad as (
    select distinct record_id from finding
    where field = {literal(field)} and severity in ('warn', 'error') and record_id is not null
)
select c.g, c.k, coalesce(t.differs, false) as differs,
       case when b.record_id is not null then 'invalid'
            when t.differs then 'disputed'
            when t.in_time is distinct from true then 'stale'
            when c.decided then 'confirmed'
            when t.voices < {quorum} then 'single_source'
            when t.led then 'confirmed'
            else 'agreed' end as state
from chosen c
left join told t using (g)
left join bad b on b.record_id = c.record_id
"""


def dispute_sql(field: str, position: int, rules: EntityRules) -> str:
    """SQL that adds to `dispute` the records that say something else than the golden value of `field`."""
    return f"""
insert into dispute
select p.golden_id, p.field, p.value, p.source, p.source_key, d.source, d.source_key, d."{field}", d.observed_on,
       t.state
from stated t
join provenance p on p.g = t.g and p.field = {literal(field)} and p.valid_to is null
join spoken s on s.g = t.g and s.now and s.in_time and s.k{position} <> t.k and s.record_id <> p.record_id
join standard d on d.record_id = s.record_id
where t.differs and not {same_sql(rules.entity, field, f"s.k{position}", "t.k")}
"""


def judged_sql(field: str, verified: bool) -> str:
    """SQL that adds the values of `field` to `judged`, the current ones with their state."""
    if not verified:
        return f"insert into judged select *, null from provenance where field = {literal(field)}"
    return f"""
insert into judged
select p.*, t.state
from provenance p
left join stated t on t.g = p.g and p.valid_to is null
where p.field = {literal(field)}
"""
