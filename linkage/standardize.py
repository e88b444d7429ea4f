"""Cleans the current records and derives their key columns.

Reads: current_record, version, reference tables. Writes: value_<field>, standard, past, quarantine, finding (those of
records).

Every field is parsed once per *distinct* text, so a phone number that stands in a million rows costs one
parse. A value with a finding of severity `error` does not count: value and key are null in `standard`, while
the kind's other columns keep what evidence is left in it (15 sound digits of a number that a spreadsheet
damaged). A record that fails a check of severity `error` is quarantined: it stays landed and reported, but
is absent from `standard`; `quarantine` names it.

`standard` has of every field the value, its key, the key as a number (`code`), whether it is sound, which row of
`value_<field>` it came from (`nth`), and of the further columns of its kind those that the rules name.

`past` has the columns of `standard` for the versions that counted before, each with `since` and `until`: nothing is
matched by them, but what a relation or an event said on a day in the past is read there.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import duckdb

from linkage import references
from linkage.sql import execute, number, run
from rules.columns import FIXED, field_columns, needed_columns, quote
from rules.kinds import KINDS
from rules.kinds.base import literal
from rules.loader import reference_path
from rules.model import Entity, EntityRules

# A record that counts now, as it was delivered, by its ordinal.
ARRIVED = """(
select p.ordinal, r.* from arrival as p
join (select * from record union all select * from grouped_record) as r using (record_id))"""
# What two values are equal by as one number: half of the MD5 of the key. DuckDB's hash() gives texts that differ in two
# characters one value more often than chance does, and a typing error is just that.
CODE = "code"
NTH = "nth"  # a record's row of `value_<field>`: what reads one field only can be computed once per distinct text
BLANK = literal(" \t\r\n\u3000\u00a0\ufeff")


def standardize(
    con: duckdb.DuckDBPyConnection,
    rules: EntityRules,
    rules_folder: Path,
    as_of: date,
    others: Mapping[str, EntityRules] | None = None,
) -> None:
    """Build `standard` and the findings of records from `current_record`, as seen on `as_of`.

    References mean what the entity types in `others` were linked to.
    """
    entity = rules.entity
    load_references(con, entity, rules_folder)
    run(con, "arrival")
    con.execute(f"create or replace table past_arrival as {past_arrival_sql(con)}")
    for field, rule in entity.fields.items():
        said = references.delivered_sql(entity, rules.sources, field)
        execute(con, value_sql(entity, field, said), as_of=as_of)
        target = (others or {}).get(str(rule.options.get("entity", "")))
        if target is not None and not rule.options.get("late"):
            load_references(con, target.entity, rules_folder)
            references.resolve(con, field, target, as_of)
    silent = frozenset(f for f in entity.fields if not number(con, f"select count(*) from {quote('value_' + f)}"))
    con.execute(f"create or replace table staged as {staged_sql(rules, silent=silent)}")
    con.execute(f"create or replace table past as {past_sql(rules, silent)}")
    con.execute(f"create or replace table check_finding as {check_findings_sql(entity)}")
    con.execute("create or replace temp table value_finding as from finding where false")
    for field in entity.fields:
        con.execute(f"insert into value_finding {value_findings_sql(rules, field)}")
    if number(con, "select count(*) from check_finding where severity = 'error'"):
        run(con, "quarantine")
    con.begin()
    try:
        con.execute("drop table if exists standard")
        con.execute("alter table staged rename to standard")
        con.execute("delete from finding where record_id is not null")
        con.execute("insert into finding from value_finding")
        con.execute("insert into finding select record_id, null, null, field, rule, severity, null from check_finding")
        con.execute(
            "create or replace table quarantine as select distinct record_id, rule from check_finding "
            "where severity = 'error'"
        )
        con.execute("drop table check_finding")
        con.execute("drop table arrival")
        con.execute("drop table past_arrival")
        con.commit()
    except BaseException:
        con.rollback()
        raise


def load_references(con: duckdb.DuckDBPyConnection, entity: Entity, rules_folder: Path) -> None:
    """Read the reference tables that the kinds of this entity type name, all columns as text."""
    names = {name for rule in entity.fields.values() for name in KINDS[rule.kind].references}
    con.execute("create schema if not exists reference")
    for name in sorted(names):
        path = str(reference_path(rules_folder, name))
        con.execute(
            f"create or replace table reference.{quote(name)} as "
            "select * from read_csv($path, all_varchar = true, header = true, delim = ',', quote = '\"')",
            {"path": path},
        )


def keys_of(rules: EntityRules, rules_folder: Path, field: str, text: str, as_of: date) -> tuple[str, ...]:
    """The canonical forms of one typed-in value of `field`: its clean value and its key, where it has them."""
    read = read_values(rules, rules_folder, field, [text], as_of)
    return tuple(dict.fromkeys(part for one in read.values() for part in (one.value, one.key) if part is not None))


@dataclass(frozen=True)
class Read:
    """What the kind of a field makes of a text: its clean value, its key, and what is wrong with it."""

    value: str | None
    key: str | None
    findings: tuple[str, ...]


def read_values(
    rules: EntityRules, rules_folder: Path, field: str, texts: Iterable[str], as_of: date
) -> dict[str, Read]:
    """What the kind of `field` makes of typed-in texts; those that are nothing but blanks are left out."""
    con = duckdb.connect()
    try:
        load_references(con, rules.entity, rules_folder)
        con.execute("create table typed as select unnest($texts::varchar[]) as said", {"texts": sorted(set(texts))})
        con.execute(
            f"create table raw as select distinct {trimmed('said')} as raw from typed "
            f"where {trimmed('said')} is not null"
        )
        rule = rules.entity.fields[field]
        parse = KINDS[rule.kind].parse("raw", rule.options)
        execute(con, f"create table parsed as select raw, value, key, findings from ({parse})", as_of=as_of)
        found = con.execute(
            f"select said, value, key, findings from typed join parsed on raw = {trimmed('said')}"
        ).fetchall()
    finally:
        con.close()
    return {str(said): Read(value, key, tuple(findings)) for said, value, key, findings in found}


def trimmed(column: str) -> str:
    """SQL: the text of a raw column without blanks around it, null where nothing is left."""
    return f"nullif(trim({column}, {BLANK}), '')"


def past_arrival_sql(con: duckdb.DuckDBPyConnection) -> str:
    """SQL of the versions that counted once: ranked behind those of `arrival`, with the days on which they did."""
    several = "select source, source_key from record group by all having count(*) > 1"
    if not references.has_table(con, current_schema(con), "observation"):
        return f"select *, null::date as since, null::date as until from {ARRIVED} where false"
    gone = "select source, source_key from observation where op = 'delete'"
    return f"""
    select (select count(*) from arrival) - 1 + row_number() over (order by r.source, r.source_key, v.since, r.row_hash)
             as ordinal, r.*, v.since, v.until
    from version as v join record as r using (record_id)
    where (r.source, r.source_key) in ({several} union {gone})
      and record_id not in (select record_id from arrival) and v.until is not null"""


def current_schema(con: duckdb.DuckDBPyConnection) -> str:
    """The schema that unqualified names mean."""
    return str(con.execute("select current_schema()").fetchall()[0][0])


def value_sql(entity: Entity, field: str, said: str | None = None) -> str:
    """SQL that makes `value_<field>`: a distinct raw text and what its kind makes of it.

    `said` is the SQL of the text where that is not the field as it was delivered.
    """
    text = trimmed(said or quote(field))
    rule = entity.fields[field]
    kind = KINDS[rule.kind]
    codes = [code for code, finding in kind.findings.items() if finding.severity == "error"]
    doubts = [code for code, finding in kind.findings.items() if finding.severity != "info"]
    bad = _any_of(codes)
    kept = ", ".join(f"case when {bad} then null else {name} end as {name}" for name in ("value", "key"))
    kept += "".join(f", {quote(name)}" for name in needed_columns(entity)[field])
    return f"""create or replace table {quote("value_" + field)} as
with raw as materialized (
  select distinct {text} as raw from record where {text} is not null
  union
  select {text} from grouped_record where {text} is not null
), parsed as (
  {kind.parse("raw", rule.options)}
)
select raw, {kept},
  case when {bad} or value is null then null else not {_any_of(doubts)} end as ok,
  findings, md5_number_lower(case when {bad} then null else key end) as {CODE}, row_number() over ()::integer as {NTH}
from parsed"""


def staged_sql(
    rules: EntityRules,
    arrival: str = ARRIVED,
    also: tuple[str, ...] = (),
    silent: frozenset[str] = frozenset(),
) -> str:
    """SQL of `standard` before quarantine: what arrived joined with its parsed values, then what is derived.

    Fields of which no record says anything (`silent`) are null without a join.
    """
    entity = rules.entity
    inner = [f"a.{name}" for name in (*FIXED, *also)]
    for field, extras in needed_columns(entity).items():
        inner += _field_columns(entity, field, extras, field in silent)
    joins = "".join(
        f"\nleft join {quote('value_' + field)} as {quote('v_' + field)}"
        f" on {quote('v_' + field)}.raw = {trimmed(_delivered(rules, field))}"
        for field in entity.fields
        if field not in silent
    )
    derived = [f"({sql}) as {quote(name)}" for name, sql in entity.derive.items()]
    return f"select {', '.join(['*', *derived])} from (select {', '.join(inner)}\nfrom {arrival} as a{joins})"


def past_sql(rules: EntityRules, silent: frozenset[str] = frozenset()) -> str:
    """SQL of `past`: what `staged` is for the present; what would be quarantined is left out."""
    refused = [f"coalesce(({check.when}), false)" for check in rules.entity.checks if check.severity == "error"]
    kept = "".join(f" and not {when}" for when in refused)
    return f"select * from ({staged_sql(rules, 'past_arrival', ('since', 'until'), silent)}) where true{kept}"


def value_findings_sql(rules: EntityRules, field: str) -> str:
    """SQL of the findings that values of `field` raise, one row per record and code."""
    entity = rules.entity
    findings = KINDS[entity.fields[field].kind].findings
    severity = "".join(f" when {literal(code)} then {literal(finding.severity)}" for code, finding in findings.items())
    if not severity:
        return "select null, null, null, null, null, null, null where false"
    nth = quote(f"{field}__{NTH}")
    return f"""select s.record_id, null, null, {literal(field)}, f.code, case f.code{severity} end, null
from staged as s
join (select {NTH}, unnest(findings) as code from {quote("value_" + field)}) as f on f.{NTH} = s.{nth}"""


def check_findings_sql(entity: Entity) -> str:
    """SQL of the findings of the entity type's own checks: record_id, field, rule, severity."""
    parts = [
        f"select record_id, {literal(check.field) if check.field else 'null'} as field, "
        f"{literal(check.rule)} as rule, {literal(check.severity)} as severity from staged where {check.when}"
        for check in entity.checks
    ]
    empty = "select null::bigint as record_id, null::varchar as field, null::varchar as rule, null::varchar as severity"
    return " union all ".join([f"{empty} where false", *parts])


def _delivered(rules: EntityRules, field: str) -> str:
    """SQL: the text of a field of relation `a`; a reference says whose keys it holds."""
    said = references.delivered_sql(rules.entity, rules.sources, field)
    return f"a.{said}" if said == quote(field) else said.replace(quote(field), f"a.{quote(field)}")


def _field_columns(entity: Entity, field: str, extras: tuple[str, ...], silent: bool) -> Iterator[str]:
    if silent:
        types = field_columns(field, entity.fields[field].kind)
        for column in (field, *(f"{field}__{extra}" for extra in ("key", *extras, "ok"))):
            yield f"null::{types[column]} as {quote(column)}"
        yield f"null::ubigint as {quote(f'{field}__{CODE}')}"
        yield f"null::integer as {quote(f'{field}__{NTH}')}"
        return
    value = quote("v_" + field)
    yield f"{value}.value as {quote(field)}"
    for extra in ("key", *extras, "ok", CODE, NTH):
        yield f"{value}.{quote(extra)} as {quote(f'{field}__{extra}')}"


def _any_of(codes: list[str]) -> str:
    if not codes:
        return "false"
    return f"list_has_any(findings, [{', '.join(literal(code) for code in codes)}])"
