"""Cleans the current records and derives their key columns.

Reads: current_record, reference tables. Writes: value_<field>, standard, finding (those of records).

Every field is parsed once per *distinct* text, so a phone number that stands in a million rows costs one
parse. A value with a finding of severity `error` does not count: value and key are null in `standard`, while
the kind's other columns keep what evidence is left in it (15 sound digits of a number that a spreadsheet
damaged). A record that fails a check of severity `error` is quarantined: it stays landed and reported, but
is absent from `standard`.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from pathlib import Path

import duckdb

from linkage.sql import execute, number, run
from rules.columns import quote
from rules.kinds import KINDS
from rules.kinds.base import literal
from rules.loader import reference_path
from rules.model import Entity, EntityRules

BLANK = literal(" \t\r\n\u3000\u00a0\ufeff")


def standardize(con: duckdb.DuckDBPyConnection, rules: EntityRules, rules_folder: Path, as_of: date) -> None:
    """Build `standard` and the findings of records from `current_record`, as seen on `as_of`."""
    entity = rules.entity
    load_references(con, entity, rules_folder)
    run(con, "arrival")
    for field in entity.fields:
        execute(con, value_sql(entity, field), as_of=as_of)
    con.execute(f"create or replace table staged as {staged_sql(entity)}")
    con.execute(f"create or replace table check_finding as {check_findings_sql(entity)}")
    if number(con, "select count(*) from check_finding where severity = 'error'"):
        run(con, "quarantine")
    con.begin()
    try:
        con.execute("drop table if exists standard")
        con.execute("alter table staged rename to standard")
        con.execute("delete from finding where record_id is not null")
        for field in entity.fields:
            con.execute(f"insert into finding {value_findings_sql(entity, field)}")
        con.execute("insert into finding select record_id, null, null, field, rule, severity, null from check_finding")
        con.execute("drop table check_finding")
        con.execute("drop table arrival")
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
    con = duckdb.connect()
    try:
        load_references(con, rules.entity, rules_folder)
        con.execute("create table typed as select ?::varchar as said", [text])
        con.execute(
            f"create table raw as select {trimmed('said')} as raw from typed where {trimmed('said')} is not null"
        )
        rule = rules.entity.fields[field]
        parse = KINDS[rule.kind].parse("raw", rule.options)
        execute(con, f"create table parsed as select value, key from ({parse})", as_of=as_of)
        found = con.execute("select value, key from parsed").fetchall()
    finally:
        con.close()
    return tuple(dict.fromkeys(str(part) for row in found for part in row if part is not None))


def trimmed(column: str) -> str:
    """SQL: the text of a raw column without blanks around it, null where nothing is left."""
    return f"nullif(trim({column}, {BLANK}), '')"


def value_sql(entity: Entity, field: str) -> str:
    """SQL that makes `value_<field>`: a distinct raw text and what its kind makes of it."""
    rule = entity.fields[field]
    kind = KINDS[rule.kind]
    codes = [code for code, finding in kind.findings.items() if finding.severity == "error"]
    doubts = [code for code, finding in kind.findings.items() if finding.severity != "info"]
    bad = _any_of(codes)
    kept = ", ".join(f"case when {bad} then null else {name} end as {name}" for name in ("value", "key"))
    kept += "".join(f", {quote(name)}" for name in kind.columns)
    return f"""create or replace table {quote("value_" + field)} as
with raw as materialized (
  select distinct {trimmed(quote(field))} as raw from arrival where {trimmed(quote(field))} is not null
), parsed as (
  {kind.parse("raw", rule.options)}
)
select raw, {kept},
  case when {bad} or value is null then null else not {_any_of(doubts)} end as ok,
  findings
from parsed"""


def staged_sql(entity: Entity) -> str:
    """SQL of `standard` before quarantine: arrival joined with its parsed values, then what is derived."""
    fixed = ", ".join(
        f"a.{name}" for name in ("record_id", "ordinal", "source", "source_key", "row_hash", "observed_on", "dup_group")
    )
    columns = "".join(f",\n  {column}" for field in entity.fields for column in _field_columns(entity, field))
    joins = "".join(
        f"\nleft join {quote('value_' + field)} as {quote('v_' + field)}"
        f" on {quote('v_' + field)}.raw = {trimmed('a.' + quote(field))}"
        for field in entity.fields
    )
    derived = "".join(f", ({sql}) as {quote(name)}" for name, sql in entity.derive.items())
    return f"select *{derived} from (select {fixed}{columns}\nfrom arrival as a{joins})"


def value_findings_sql(entity: Entity, field: str) -> str:
    """SQL of the findings that values of `field` raise, one row per record and code."""
    findings = KINDS[entity.fields[field].kind].findings
    severity = "".join(f" when {literal(code)} then {literal(finding.severity)}" for code, finding in findings.items())
    if not severity:
        return "select null, null, null, null, null, null, null where false"
    return f"""select a.record_id, null, null, {literal(field)}, f.code, case f.code{severity} end, null
from arrival as a
join (select raw, unnest(findings) as code from {quote("value_" + field)}) as f
  on f.raw = {trimmed("a." + quote(field))}"""


def check_findings_sql(entity: Entity) -> str:
    """SQL of the findings of the entity type's own checks: record_id, field, rule, severity."""
    parts = [
        f"select record_id, {literal(check.field) if check.field else 'null'} as field, "
        f"{literal(check.rule)} as rule, {literal(check.severity)} as severity from staged where {check.when}"
        for check in entity.checks
    ]
    empty = "select null::bigint as record_id, null::varchar as field, null::varchar as rule, null::varchar as severity"
    return " union all ".join([f"{empty} where false", *parts])


def _field_columns(entity: Entity, field: str) -> Iterator[str]:
    value = quote("v_" + field)
    yield f"{value}.value as {quote(field)}"
    for extra in ("key", *KINDS[entity.fields[field].kind].columns, "ok"):
        yield f"{value}.{quote(extra)} as {quote(f'{field}__{extra}')}"


def _any_of(codes: list[str]) -> str:
    if not codes:
        return "false"
    return f"list_has_any(findings, [{', '.join(literal(code) for code in codes)}])"
