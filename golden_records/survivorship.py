"""Which value of which record becomes the golden value (一数一源), and why.

Reads: standard, past, finding, member, golden_number, listing, speaker, value_decision. Writes: place, provenance,
golden, and what verification.py does.

A value comes from exactly one record, fields of a group from the same record, and a steward's decision goes
before every preference. The work is done choice by choice on small integers (see preferences.py): a golden
record whose records all agree is settled by one aggregate, who backs its value included; only of the others are the
candidates kept and compared. A value gets its state (verification.py) before it is written, so that it is written once.

A field with history is cut into periods. A record speaks from its day until its next version does, a row of a
yearly list for its year; on every day on which that changes, the preferences choose among those that speak then.
Neighbouring periods of equal values are one; the last is the current value.
"""

from __future__ import annotations

from datetime import date

import duckdb

from golden_records.agreement import liken, same_sql
from golden_records.preferences import (
    ORDINAL_BITS,
    Choice,
    choices,
    deciding,
    golden_fields,
    packed,
    regional,
    voices,
)
from golden_records.sql import run
from golden_records.verification import MOST_IN_BIGINT, States
from linkage.sql import transaction
from linkage.values import CODE, code_sql
from rules.columns import quote
from rules.errors import Problem, RulesError
from rules.kinds.base import literal
from rules.model import EntityRules

MOST_SOURCES = 126
NEVER = 2**31 - 1
FIRST_DAY = "date '0001-01-01'"


def survive(con: duckdb.DuckDBPyConnection, rules: EntityRules, as_of: date, release: int) -> None:
    """Choose every golden value of the entity type in the current schema, and give it its state."""
    names = sorted(rules.sources.sources)
    if len(names) > MOST_SOURCES:
        message = f"{len(names)} sources of one entity type; at most {MOST_SOURCES} can be told apart"
        raise RulesError([Problem(f"{rules.name}/sources.toml", "sources", message)])
    run(con, "survivorship")
    spoken = voices(rules.sources)
    con.execute(
        "insert into voter select unnest($names), unnest($numbers), unnest($voices)",
        {
            "names": names,
            "numbers": list(range(len(names))),
            "voices": [names.index(spoken[name]) for name in names],
        },
    )
    if regional(rules.sources):
        con.execute(place_sql(rules.entity.region or "null"))
    liken(con, rules.entity)
    columns = [str(row[0]) for row in con.execute("describe standard").fetchall()]
    filled = _filled(con, golden_fields(rules.entity))
    with transaction(con):
        states = States(con, rules, as_of)
        for choice in choices(rules.entity):
            if not filled.isdisjoint(choice.fields):
                _choose(con, rules, choice, packed(choice, rules, as_of, columns), states)
    run(con, "lifespan")
    con.execute(golden_sql(golden_fields(rules.entity)), {"release": release})


def _choose(con: duckdb.DuckDBPyConnection, rules: EntityRules, choice: Choice, pref: str, states: States) -> None:
    """Add the values of one choice to `provenance`; `pref` is SQL of how a record is preferred."""
    said, fields = candidate_sql(choice, pref, regional(rules.sources)), {"fields": list(choice.fields)}
    con.execute(summary_sql(choice, said, _wide(rules)), fields)
    run(con, "settle")
    con.execute(f"create or replace temp table candidate as from ({said}) semi join unsettled using (g)", fields)
    con.execute(fight_sql(choice))
    run(con, "periods" if choice.history else "winners")
    con.execute(verdict_sql(choice))
    for position, field in enumerate(choice.fields):
        con.execute(picked_sql(field, position), {"field": field})
        same = same_sql(rules.entity, field, f"c.key_{position}", f"w.key_{position}")
        con.execute(opinion_sql(same, choice.history))
        states.judge(field)
        con.execute(provenance_sql(field, sorted(rules.sources.sources), _wide(rules)), {"field": field})
        states.dispute(field)


def _wide(rules: EntityRules) -> str:
    """The integer that has a bit for every source."""
    return "bigint" if len(rules.sources.sources) <= MOST_IN_BIGINT else "hugeint"


def _filled(con: duckdb.DuckDBPyConnection, fields: list[str]) -> set[str]:
    """The fields in which some record says something."""
    counts = ", ".join(f"count({quote(name)})" for name in fields)
    (found,) = con.execute(f"select {counts} from testimony").fetchall()
    return {name for name, count in zip(fields, found, strict=True) if count}


def place_sql(region: str) -> str:
    """SQL for `place`: the region of a golden record, where a record names one.

    The one that most records name, of equals the one named last, then the last in order. One region for the whole
    golden record, so that one row of the authority matrix ranks all its sources.
    """
    return f"""
create or replace temp table place as
select g, arg_max(region, {{'n': n, 'day': day, 'region': region}}) as region
from (
    select m.g, s.region, count(*) as n, coalesce(max(s.observed_on), {FIRST_DAY}) as day
    from (select ordinal, observed_on, ({region})::varchar as region from standard) s
    join member m using (ordinal)
    where s.region is not null
    group by m.g, s.region
)
group by g
"""


def candidate_sql(choice: Choice, pref: str, placed: bool = False) -> str:
    """SQL of the candidates: one row per record with a value in one of the choice's fields.

    k is a code of what two values are equal by, key_<i> that of the i-th field's key (null: not comparable).
    """
    codes = [f's."{name}__{CODE}"' for name in choice.fields]
    keys = ", ".join(f"{code} as key_{position}" for position, code in enumerate(codes))
    values = [f's."{name}"' for name in choice.fields]
    told = [f"coalesce({code}, {code_sql(value)})" for code, value in zip(codes, values, strict=True)]
    same = told[0]
    if len(told) > 1:
        whole = " || '/' || ".join(f"coalesce({one}::varchar, '')" for one in told)
        same = code_sql(whole)
    filled = " or ".join(f"{value} is not null" for value in values)
    until = f"(s.until - {FIRST_DAY})::integer" if choice.history else "null::integer"
    return f"""
with warned as (
    select record_id, max(case severity when 'info' then 1 when 'warn' then 2 else 3 end) as worst
    from finding
    where list_contains($fields, field) and record_id is not null
    group by record_id
)
select m.g, s.ordinal, v.number, v.voice,
       coalesce(s.observed_on - {FIRST_DAY}, 0)::integer as day, {until} as until,
       {same} as k, {keys}, {pref} as pref
from {"testimony" if choice.history else "standard"} s
join {"witness" if choice.history else "member"} m using (ordinal)
join voter v on v.source = s.source
left join warned w on w.record_id = s.record_id{" left join place l on l.g = m.g" if placed else ""}
where {filled}
"""


def summary_sql(choice: Choice, candidates: str, wide: str) -> str:
    """SQL for `summary`: what is known of each golden record by one look at its candidates.

    plain       whether every candidate speaks on the day on which it begins to, so that all speak for one period
    backed_<i>  where that is so, the sources that say something comparable in the i-th field, as bits
    """
    plain = "bool_and(until is null or until > day)"
    backed = "".join(
        f", case when {plain} then bit_or(1::{wide} << number::{wide}) filter (key_{i} is not null) end as backed_{i}"
        for i in range(len(choice.fields))
    )
    return f"""
create or replace temp table summary as
select g, min(k) <> max(k) as disputed, {plain} as plain,
       min((pref::hugeint << {ORDINAL_BITS}) + ordinal) as best, count(*) as candidates,
       min(number) = max(number) as lone, min(day) as first_day, max(day) as last_day{backed}
from ({candidates})
group by g
"""


def fight_sql(choice: Choice) -> str:
    """SQL for `fight`: the candidates of disputed golden records, what is counted in the cluster counted in.

    Agreement counts voices, majority records.
    """
    counted = [name for name in ("agreement", "majority") if name in choice.preferences]
    if not counted:
        return "create or replace temp table fight as select * from candidate semi join disputed using (g)"
    ranks = "".join(f" + ((255 - least(255, b.{name})) << {choice.shift(name)})" for name in counted)
    return f"""
create or replace temp table fight as
with ballot as (
    select g, k, bit_count(bit_or(1::hugeint << voice::hugeint))::bigint as agreement, count(*) as majority
    from candidate semi join disputed using (g)
    group by g, k
)
select c.* replace (c.pref{ranks} as pref)
from candidate c join ballot b using (g, k)
"""


def verdict_sql(choice: Choice) -> str:
    """SQL that adds the disputed golden records to `verdict`.

    A period that nobody contradicts within its own days was chosen for its days alone: `recency`.
    """
    rule = deciding(choice, "(best >> 40)", "(other >> 40)")
    return f"""
insert into verdict by name
select g, best, case when other is null then 'recency' else {rule} end as rule,
       false as lone, first_day, last_day, next_day
from contest
"""


def picked_sql(field: str, position: int) -> str:
    """SQL for `picked`: the verdicts on one field, the newest one overruled where a steward decided.

    backed  where the golden record is settled, the sources that say the value, its own included, as bits
    """
    return f"""
create or replace temp table picked as
with decided as (
    select m.g, arg_max(s.ordinal, d.number) as ordinal
    from value_decision d
    join standard s using (source, source_key)
    join member m using (ordinal)
    where d.field = $field and s."{field}" is not null
    group by m.g
)
select v.g, coalesce(d.ordinal, (v.best & 1099511627775)::bigint) as ordinal,
       case when d.g is not null then 'steward_decision' else v.rule end as rule,
       v.lone, v.first_day, v.last_day, v.next_day, v.backed_{position} as backed
from verdict v
left join decided d on d.g = v.g and v.next_day is null
"""


def opinion_sql(same: str, history: bool) -> str:
    """SQL for `opinion`: the sources of the golden record that agree and differ, as bits, in a period's days.

    `same` is SQL over the chosen candidate w and another c. A value that cannot be compared (no key) is neither. Of
    settled golden records no candidates are kept, and `picked` says who agrees.
    """
    days = (
        "and c.day < coalesce(p.next_day, 2147483647) and coalesce(c.until, 2147483647) > p.first_day"
        if history
        else ""
    )
    return f"""
create or replace temp table opinion as
select g, first_day,
       bit_or(1::hugeint << number::hugeint) filter (same and number <> own) as agree,
       bit_or(1::hugeint << number::hugeint) filter (not same) as differ
from (
    select p.g, p.first_day, c.number, w.number as own, {same} as same
    from picked p
    join candidate w on w.ordinal = p.ordinal
    join candidate c on c.g = p.g and c.ordinal <> p.ordinal {days}
    where not p.lone
)
group by g, first_day
"""


def provenance_sql(field: str, sources: list[str], wide: str) -> str:
    """SQL that adds one field's rows to `provenance`, the current ones with the state that `stated` has."""
    listed = f"[{', '.join(literal(name) for name in sources)}]::varchar[]"
    names = f"list_filter({listed}, lambda name, i: ({{}} >> (i - 1)::hugeint) & 1 = 1)"
    return f"""
insert into provenance
with named as (
    select bits, {names.format("bits")} as names
    from (select agree as bits from opinion union select differ from opinion)
), supported as (
    select p.backed, v.source, {names.format("xor(p.backed, bit)")} as names
    from (select distinct backed::hugeint as backed from picked where backed is not null) as p
    join (select source, 1::hugeint << number::hugeint as bit from voter) as v on p.backed & v.bit <> 0
)
select p.g, n.golden_id, $field, s."{field}",
       case when p.first_day > 0 then {FIRST_DAY} + p.first_day end,
       case when p.last_day > 0 then {FIRST_DAY} + p.last_day end,
       {FIRST_DAY} + p.next_day,
       s.source, s.source_key, s.record_id, p.rule,
       coalesce(case when s."{field}__{CODE}" is not null then b.names end, a.names, []), coalesce(d.names, []),
       case when p.next_day is null then t.state end
from picked p
join version_said s using (ordinal)
join golden_number n using (g)
left join opinion o on o.g = p.g and o.first_day = p.first_day
left join named a on a.bits = o.agree
left join named d on d.bits = o.differ
left join supported b on b.backed = p.backed and b.source = s.source
left join stated t on t.g = p.g
where s."{field}" is not null
"""


def golden_sql(fields: list[str]) -> str:
    """SQL for `golden`: one row per golden record with its current values."""
    values = "".join(f', f{i}.value as "{name}"' for i, name in enumerate(fields))
    joins = "\n".join(
        f"left join provenance f{i} on f{i}.g = n.g and f{i}.field = {literal(name)} and f{i}.valid_to is null"
        for i, name in enumerate(fields)
    )
    return f"""
create or replace table golden as
select n.golden_id, case when l.valid_to is null then 'active' else 'ended' end as lifecycle,
       coalesce(p.since_release, r.since_release, $release::integer) as since_release,
       l.valid_from, l.last_seen, l.valid_to, l.records{values}
from golden_number n
join lifespan l using (g)
left join previous_golden p on p.golden_id = n.golden_id
left join previous_redirect r on r.golden_id = n.golden_id
{joins}
"""
