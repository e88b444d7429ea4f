"""Counts what the six indicators of GB/T 36344-2018 are made of, so that a release can answer for its quality.

Reads: standard, member, quarantine, record, grouped_record, coded, finding, batch. Writes: quality (and, for the day,
heard and place).

Every row is a numerator (`hits`) and a denominator (`n`) of one measure, for one source, region, field and rule.
Rows of a measure add up, so a share of any part of them is sum(hits) / sum(n); what measures there are and which
indicator each belongs to stands in `scorecard.MEASURES`. A record that was quarantined counts against its source.

The region of a record is what the entity type's `region` (SQL over `standard`) says of it, null where it says nothing.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date

import duckdb

from golden_records.agreement import same_sql
from golden_records.deliveries import heard_sql
from golden_records.preferences import lead, regions_in_force, voices
from golden_records.sql import run
from golden_records.survivorship import place_sql
from golden_records.verification import MOST_IN_BIGINT
from linkage.values import CODE, NTH
from rules.columns import quote
from rules.kinds import KINDS
from rules.kinds.base import literal
from rules.model import EntityRules, Source

DOUBT = "severity in ('warn', 'error')"


def measure(con: duckdb.DuckDBPyConnection, rules: EntityRules, as_of: date) -> None:
    """Build `quality` of the entity type in the current schema, as seen on `as_of`."""
    con.execute(f"create or replace temp table system as {system_sql(rules)}")
    con.execute(heard_sql(con, rules), {"as_of": as_of})
    con.execute(place_sql(rules.entity.region or "null"))
    con.execute(f"create or replace temp table judged as {judged_sql(rules)}")
    run(con, "quality", as_of=as_of)
    con.execute(f"create or replace temp table given as {given_sql(rules)}")
    for sql in (*value_sqls(rules), *check_sqls(rules)):
        con.execute(f"insert into quality {sql}")
    con.execute(f"create or replace temp table voiced as {voiced_sql(rules)}")
    con.execute(f"create or replace temp table compared as {compared_sql(rules, as_of)}")
    for sql in agreement_sqls(rules):
        con.execute(f"insert into quality {sql}")
    con.execute("drop table judged; drop table voiced")


def system_sql(rules: EntityRules) -> str:
    """SQL of the sources: cycle in days, whether it lists year by year, the voice it speaks with."""
    spoken = voices(rules.sources)
    told = ", ".join(
        f"({literal(name)}, {one.cycle_days or 'null'}, {str(one.period is not None).lower()}, {literal(spoken[name])})"
        for name, one in sorted(rules.sources.sources.items())
    )
    empty = "(null, null, null, null)"
    return (
        "select source::varchar as source, cycle_days::integer as cycle_days, periodic::boolean as periodic, "
        f"voice::varchar as voice from (values {told or empty}) as t(source, cycle_days, periodic, voice) "
        "where source is not null"
    )


def judged_sql(rules: EntityRules) -> str:
    """SQL of `judged`: one row per current record with what was given in it and what was doubtful.

    given, doubted  fields as bits, in declared order
    siblings        records of its source (of one yearly list) in its golden record; 1 where it is in none
    speaks          false for a row of a yearly list where the golden record is in a later one
    listed_last     whether it stands in the newest list of its source
    newest          whether it is the newest record of its source in its golden record
    """
    bits = _bits(rules)
    doubts = " ".join(
        f"when {literal(name)} then case when rule in ({_codes(rules, name)}) then {bit} end"
        for name, bit in bits.items()
        if KINDS[rules.entity.fields[name].kind].findings
    )
    doubted = f"case field {doubts} end" if doubts else "0"
    given = " | ".join(
        f"case when {quote(f'{name}__{NTH}')} is null then 0 else {bit} end" for name, bit in bits.items()
    )
    version = "record_id, source, source_key, observed_on"
    return f"""
with said as (
    select {version}, ordinal, ({rules.entity.region or "null"})::varchar as region, {given} as given from standard
    union all
    select {version}, null, null, {given}
    from (select {version} from record union all select {version} from grouped_record) join coded using (record_id)
    where record_id in (select record_id from quarantine)
), doubt as (
    select record_id, bit_or({doubted}) as fields
    from finding where record_id is not null and {DOUBT} group by record_id
), newest_list as (
    select source, max(observed_on) as day from said group by source
), placed as (
    select r.*, m.g, y.voice, y.periodic
    from said as r left join system as y using (source) left join member as m using (ordinal)
), several as (
    select g, source, count(*) as n, max(observed_on) as latest
    from placed where g is not null group by g, source having count(*) > 1
), of_list as (
    select g, source, observed_on, count(*) as n
    from placed semi join several using (g, source) where periodic group by all having count(*) > 1
), newest as (
    select p.g, p.source, min(p.source_key) as source_key
    from placed as p join several as s using (g, source)
    where p.observed_on is not distinct from s.latest group by p.g, p.source
)
select r.record_id, r.source, r.ordinal, r.g, r.region, r.voice,
       r.given, coalesce(d.fields, 0)::{_wide(rules)} as doubted,
       coalesce(case when r.periodic then o.n else s.n end, 1) as siblings,
       not r.periodic or r.observed_on = coalesce(s.latest, r.observed_on) as speaks,
       r.observed_on = l.day as listed_last,
       w.g is null or w.source_key = r.source_key as newest
from placed as r
left join newest_list as l using (source)
left join several as s on s.g = r.g and s.source = r.source
left join of_list as o on o.g = r.g and o.source = r.source and o.observed_on is not distinct from r.observed_on
left join newest as w on w.g = r.g and w.source = r.source
left join doubt as d on d.record_id = r.record_id"""


def given_sql(rules: EntityRules) -> str:
    """SQL of `given`: per source, region and field: records, values given, values without a doubt."""
    counts = "".join(
        f", count(*) filter (given & {bit} <> 0) as given_{i}"
        f", count(*) filter (given & {bit} <> 0 and doubted & {bit} = 0) as fine_{i}"
        for i, bit in enumerate(_bits(rules).values())
    )
    parts = " union all ".join(
        f"select source, region, {literal(name)} as field, records, given_{i} as given, fine_{i} as fine from counted"
        for i, name in enumerate(rules.entity.fields)
    )
    return (
        f"with counted as materialized (select source, region, count(*) as records{counts} from judged "
        f"group by source, region) {parts}"
    )


def value_sqls(rules: EntityRules) -> Iterator[str]:
    """SQL of conformity (in all and by rule) and completeness."""
    mapped = ", ".join(
        f"({literal(name)}, {literal(field)})"
        for name, one in sorted(rules.sources.sources.items())
        for field in delivered(one)
    )
    codes = [
        f"(f.field = {literal(name)} and f.rule in ({_codes(rules, name)}))"
        for name in rules.entity.fields
        if KINDS[rules.entity.fields[name].kind].findings
    ]
    yield (
        "select 'conformity', 'conformity', source, region, field, null, sum(fine), sum(given) "
        "from given where given > 0 group by source, region, field"
    )
    if codes:
        yield f"""
        select 'conformity', 'conformity_rule', b.source, b.region, b.field, b.rule, g.given - b.broken, g.given
        from (
            select j.source, j.region, f.field, f.rule, count(distinct f.record_id) as broken
            from finding as f join judged as j using (record_id) where f.{DOUBT} and ({" or ".join(codes)})
            group by j.source, j.region, f.field, f.rule
        ) as b
        join given as g on g.source = b.source and g.region is not distinct from b.region and g.field = b.field"""
    if mapped:
        yield (
            "select 'completeness', 'completeness', source, region, field, null, sum(given), sum(records) "
            f"from given join (values {mapped}) as m(source, field) using (source, field) "
            "group by source, region, field"
        )


def delivered(source: Source) -> tuple[str, ...]:
    """The fields that a source is expected to fill."""
    return tuple(source.grouped.fields if source.grouped else source.columns)


def check_sqls(rules: EntityRules) -> Iterator[str]:
    """SQL of cross_field: records to which a check applies (its field is given, or it failed) and for which it holds.

    A check over golden records applies to every record in one.
    """
    bits = _bits(rules)
    told = [(one.rule, one.severity, one.field, True) for one in rules.entity.checks]
    told += [(one.rule, one.severity, None, False) for one in rules.entity.golden_checks]
    for rule, severity, field, alone in told:
        if severity == "info":
            continue
        given = f"given & {bits[field]} <> 0" if field in bits else "true"
        failed = f"record_id in (select record_id from finding where rule = {literal(rule)})"
        yield (
            f"select 'consistency', 'cross_field', source, region, {literal(field) if field else 'null'}, "
            f"{literal(rule)}, count(*) filter (not failed), count(*) from "
            f"(select source, region, {failed} as failed, {given if alone else 'g is not null'} as applies "
            "from judged) where applies or failed group by source, region"
        )


def compared_fields(rules: EntityRules) -> list[str]:
    """The fields whose values are compared between sources: those that verification does not leave out."""
    return [name for name in rules.entity.fields if name not in rules.entity.verification.ignore]


def lead_sql(rules: EntityRules, field: str, as_of: date) -> str | None:
    """SQL over `voiced` a: the source that leads in a field where the golden record is; None where none ever does."""
    general = lead(rules.sources, (field,), as_of)
    cases = ""
    for region in regions_in_force(rules.sources, (field,), as_of):
        name = lead(rules.sources, (field,), as_of, region)
        cases += f" when starts_with(a.place, {literal(region)}) then {literal(name) if name else 'null'}"
    said = literal(general) if general else "null"
    return (f"case{cases} else {said} end" if cases else said) if cases or general else None


def voiced_sql(rules: EntityRules) -> str:
    """SQL of `voiced`: the records of golden records that several sources have, values by the codes of their keys."""
    keys = "".join(f", s.{quote(f'{name}__{CODE}')} as k{i}" for i, name in enumerate(compared_fields(rules)))
    return f"""
select j.g, j.source, j.voice, j.region, j.newest, l.region as place{keys}
from judged as j join standard as s using (ordinal) left join place as l on l.g = j.g
where j.speaks and j.g in (
    select g from judged where g is not null group by g having min(source) <> max(source)
)"""


def compared_sql(rules: EntityRules, as_of: date) -> str:
    """SQL of `compared`: per source and region how often its values met another's and its lead's, and were the same.

    A copy (`derived_from`) does not meet its original, but is measured by it where that leads. Of a pair of records is
    noted in which fields they met, were the same and the other led, as bits, and what is noted alike is counted once.
    """
    noted = {"met": "other and met", "same": "other and met & same", "led": "met & led", "right": "met & same & led"}
    met, same, led = [], [], []
    counts = ""
    for i, name in enumerate(compared_fields(rules)):
        bit = f"{1 << i}::{_wide(rules)}"
        met.append(f"case when a.k{i} is not null and b.k{i} is not null then {bit} else 0 end")
        same.append(f"case when {same_sql(rules.entity, name, f'a.k{i}', f'b.k{i}')} then {bit} else 0 end")
        leads = lead_sql(rules, name, as_of)
        led.append(f"case when b.newest and b.source = {leads} then {bit} else 0 end" if leads else "0")
        for count, what in noted.items():
            counts += f", coalesce(sum(n) filter ({what} & {bit} <> 0), 0) as {count}_{i}"
    return f"""
with met as (
    select a.source, a.region, a.voice <> b.voice as other, {" | ".join(met) or "0"} as met,
           {" | ".join(same) or "0"} as same, {" | ".join(led) or "0"} as led, count(*) as n
    from voiced as a join voiced as b on a.g = b.g and a.source <> b.source
    group by all
)
select source, region{counts} from met group by source, region"""


def agreement_sqls(rules: EntityRules) -> Iterator[str]:
    """SQL of source_agreement and authority_agreement, from `compared`."""
    for i, name in enumerate(compared_fields(rules)):
        yield (
            f"select 'consistency', 'source_agreement', source, region, {literal(name)}, null, same_{i}, met_{i} "
            f"from compared where met_{i} > 0"
        )
        yield (
            f"select 'accuracy', 'authority_agreement', source, region, {literal(name)}, null, right_{i}, led_{i} "
            f"from compared where led_{i} > 0"
        )


def _wide(rules: EntityRules) -> str:
    """The integer that has a bit for every field."""
    return "bigint" if len(rules.entity.fields) <= MOST_IN_BIGINT else "hugeint"


def _bits(rules: EntityRules) -> dict[str, str]:
    """SQL of the bit of every field."""
    return {name: f"{1 << i}::{_wide(rules)}" for i, name in enumerate(rules.entity.fields)}


def _codes(rules: EntityRules, field: str) -> str:
    return ", ".join(literal(code) for code in KINDS[rules.entity.fields[field].kind].findings)
