"""The state of every current golden value (多元校核): who backs it, who differs, and is it in time.

Reads: alike, picked, version_said, provenance, standard, member, finding, listing, speaker, place. Writes: dispute,
verified, stated (from which survivorship.py takes the states).

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


class States:
    """Gives the current values of the entity type in the current schema their states, field by field."""

    def __init__(self, con: duckdb.DuckDBPyConnection, rules: EntityRules, as_of: date) -> None:
        self._con, self._rules, self._as_of = con, rules, as_of
        ignored = rules.entity.verification.ignore
        self._verified = [name for name in golden_fields(rules.entity) if name not in ignored]
        run(con, "verification", verified=self._verified)
        con.execute(spoken_sql(self._verified))

    def judge(self, field: str) -> None:
        """Make `stated`: the states of the current values that `picked` names, none of a field that is left out."""
        if field in self._verified:
            leads = lead_sql(self._rules, field, self._as_of)
            self._con.execute(stated_sql(field, self._verified.index(field), leads, self._rules))
        else:
            self._con.execute("create or replace temp table stated (g integer, state varchar)")

    def dispute(self, field: str) -> None:
        """List who differs from the values of a field that now stand in `provenance`."""
        if field in self._verified:
            self._con.execute(dispute_sql(field, self._verified.index(field), self._rules))


def spoken_sql(fields: list[str]) -> str:
    """SQL for `spoken`: one row per record of a golden record, with the code of what it says by field (k0, k1 …).

    `now` is false of what a later list replaced.
    """
    keys = "".join(f", s.{quote(f'{name}__{CODE}')} as k{i}" for i, name in enumerate(fields))
    return f"""
create or replace temp table spoken as
select m.g, s.record_id, v.number, v.voice, v.in_time, l.next_day is null as now{keys}
from standard s
join member m using (ordinal)
join speaker v on v.source = s.source
left join listing l on l.source = s.source and l.day = s.observed_on
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
    select p.g, w.record_id, w.{quote(f"{field}__{CODE}")} as k, p.rule = 'steward_decision' as decided,
           {leads} as leads
    from picked p
    join version_said w using (ordinal)
    {place}
    where p.next_day is null and w.{quote(field)} is not null
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
