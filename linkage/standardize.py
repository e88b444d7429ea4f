"""Cleans the current records and derives their key columns.

Reads: current_record, version, value_<field>. Writes: standard, past, quarantine, finding (those of records).

A value with a finding of severity `error` does not count: value and key are null in `standard`, while
the kind's other columns keep what evidence is left in it (15 sound digits of a number that a spreadsheet
damaged). A record that fails a check of severity `error` is quarantined: it stays landed and reported, but
is absent from `standard`; `quarantine` names it.

`standard` has of every field the value, its key, the key as a number (`code`), whether it is sound, which row of
`value_<field>` it came from (`nth`), and of the further columns of its kind those that the rules name.

`past` has the columns of `standard` for the versions that counted before, each with `since` and `until`: nothing is
matched by them, but what a relation or an event said on a day in the past is read there.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import date
from pathlib import Path

import duckdb
from sqlglot import exp

from linkage import references
from linkage.splink_model import named_columns
from linkage.sql import number, run, transaction
from linkage.values import CODE, NTH, PLACE, meanings_sql, only_field, read_fields
from linkage.workspace import use_entity
from rules.columns import FIXED, field_columns, needed_columns, quote
from rules.expressions import parsed
from rules.kinds import KINDS
from rules.kinds.base import literal
from rules.model import CheckRule, Entity, EntityRules

# A record that counts now, by its ordinal, with the numbers of what it says.
VERSION = "record_id, source, source_key, row_hash, observed_on, dup_group"
ARRIVED = f"""(
select p.ordinal, r.*, c.* exclude (record_id) from arrival as p
join (select {VERSION} from record union all select {VERSION} from grouped_record) as r using (record_id)
join coded as c using (record_id))"""

VERSIONS = "_versions"  # a schema: no entity type can bear this name
# The source keys of which some version may count no more.
_SEVERAL = """
select source, source_key from record group by all having count(*) > 1
union
select source, source_key from observation where op = 'delete'"""
PAST_ARRIVAL = f"""
select -1::bigint as ordinal, r.*, c.* exclude (record_id), v.since, v.until
from version as v join (select {VERSION} from record) as r using (record_id) join coded as c using (record_id)
where record_id not in (select record_id from arrival) and v.until is not null
  and (r.source, r.source_key) in ({_SEVERAL})"""
_NO_PAST = f"select *, null::date as since, null::date as until from {ARRIVED} where false"


def standardize(
    con: duckdb.DuckDBPyConnection,
    rules: EntityRules,
    rules_folder: Path,
    as_of: date,
    others: Mapping[str, EntityRules] | None = None,
    kept: bool = False,
) -> None:
    """Build `standard` and the findings of records from `current_record`, as seen on `as_of`.

    References mean what the entity types in `others` were linked to. `kept` says that there is a `standard` by the same
    rules: then the temporary tables `came` and `gone` (record_id) tell what changed in it, a record that says something
    else standing in both, `newcomer` holds the rows of one, `was` what others depend on in those of the other, and
    `retold` (source, source_key) names records whose past or findings changed.
    """
    read_fields(con, rules, rules_folder, as_of, others)
    compose(con, rules, kept)


def compose(con: duckdb.DuckDBPyConnection, rules: EntityRules, kept: bool = False) -> None:
    """Build `standard` and the findings of records where every `value_<field>` is up to the records."""
    silent = silent_fields(con, rules)
    run(con, "arrival")
    _find_past(con, rules.name)
    con.execute(f"create or replace table new_past as {past_sql(rules, silent)}")
    if kept:
        con.execute("create or replace temp table retold (source varchar, source_key varchar)")
        retell_past(con, rules.entity, "past", "new_past")
    con.execute("drop table if exists past")
    con.execute("alter table new_past rename to past")
    _build(con, rules, silent, kept)
    run(con, "renumber_past")
    con.execute("drop table arrival")
    con.execute("drop table past_arrival")


def silent_fields(con: duckdb.DuckDBPyConnection, rules: EntityRules) -> frozenset[str]:
    """The fields of which no record says anything."""
    counts = {field: number(con, f"select count(*) from {quote('value_' + field)}") for field in rules.entity.fields}
    return frozenset(field for field, count in counts.items() if not count)


def silent_columns(entity: Entity, silent: Collection[str]) -> set[str]:
    """The columns that `standard` has of some fields."""
    return {
        column
        for field in silent
        for column in (*field_columns(field, entity.fields[field].kind), f"{field}__{CODE}", f"{field}__{NTH}")
    }


def _build(con: duckdb.DuckDBPyConnection, rules: EntityRules, silent: frozenset[str], kept: bool) -> None:
    """Make `standard` anew, and tell what changed where the one before is by the same rules."""
    entity = rules.entity
    _stage(con, entity, staged_sql(rules, silent=silent), silent)
    con.execute(f"create or replace table check_finding as {check_findings_sql(first_checks(entity))}")
    find_values(con, rules)
    if number(con, "select count(*) from check_finding where severity = 'error'"):
        run(con, "quarantine")
    con.execute(f"insert into check_finding {check_findings_sql(last_checks(entity))}")
    own = "record_id is not null"
    if kept:
        _compare(con, entity)
        own += f" and rule in ({', '.join(literal(rule) for rule in sorted(own_rules(entity)))})"
        con.execute(f"create or replace temp table told_before as from finding where {own}")
    with transaction(con):
        con.execute("drop table if exists standard")
        con.execute("alter table staged rename to standard")
        con.execute(f"delete from finding where {own}")
        con.execute("delete from finding where record_id not in (select record_id from arrival)")
        con.execute("delete from quarantine")
        run(con, "checked")
        if kept:
            retell(con, own)


def _stage(con: duckdb.DuckDBPyConnection, entity: Entity, sql: str, silent: frozenset[str]) -> None:
    """Make the table `staged` of a query; columns of fields of which no record says anything take no room in it."""
    nothing = silent_columns(entity, silent)
    told, kept = [], []
    for column, kind, *_ in con.execute(f"describe {sql}").fetchall():
        told.append(f"{quote(column)} {kind}" + (f" generated always as (null::{kind})" if column in nothing else ""))
        kept += [] if column in nothing else [quote(column)]
    con.execute(f"create or replace table staged ({', '.join(told)})")
    con.execute(f"insert into staged by name select {', '.join(kept)} from ({sql})")


def _compare(con: duckdb.DuckDBPyConnection, entity: Entity) -> None:
    """Tell what `staged` has that `standard` has not, and the other way."""
    con.execute(f"create or replace temp table gone as {_differing_sql(con, entity, 'standard', 'staged')}")
    con.execute(f"create or replace temp table came as {_differing_sql(con, entity, 'staged', 'standard')}")
    con.execute(was_sql(entity))
    con.execute("create or replace temp table newcomer as select * from staged semi join came using (record_id)")


def was_sql(entity: Entity) -> str:
    """SQL that keeps of the records that go what others may depend on: their codes, and what checks look among."""
    columns = {one.column for one in entity.exclusive} | {check.among for check in entity.checks if check.among}
    columns |= {f"{name}__key" for name, rule in entity.fields.items() if rule.alias_of}
    named = ", ".join(quote(name) for name in [*FIXED, *sorted(columns - set(FIXED))])
    return f"create or replace temp table was as select {named} from standard semi join gone using (record_id)"


def _differing_sql(con: duckdb.DuckDBPyConnection, entity: Entity, one: str, other: str) -> str:
    """SQL of the records of `one` that `other` lacks or has otherwise."""
    a, b = (f"({_said(con, entity, one, side)})" for side in "ab")
    return (
        f"select a.record_id from {one} as a left join {other} as b using (record_id) "
        f"where b.record_id is null or {a} is distinct from {b}"
    )


def _said(con: duckdb.DuckDBPyConnection, entity: Entity, table: str, side: str = "s") -> str:
    """SQL of the columns of a table like `standard` but for those that number records and texts."""
    numbers = {"ordinal", *(f"{field}__{NTH}" for field in entity.fields)}
    columns = [name for (name, *_) in con.execute(f"describe {table}").fetchall() if name not in numbers]
    return ", ".join(f"{side}.{quote(name)}" for name in columns)


def own_rules(entity: Entity) -> set[str]:
    """What standardizing finds; findings of other rules are those of golden records."""
    codes = {code for rule in entity.fields.values() for code in KINDS[rule.kind].findings}
    return codes | {check.rule for check in entity.checks}


def find_values(con: duckdb.DuckDBPyConnection, rules: EntityRules) -> None:
    """Put the findings of the values of `staged` into `value_finding`."""
    con.execute("create or replace temp table value_finding as from finding where false")
    for field in rules.entity.fields:
        con.execute(f"insert into value_finding {value_findings_sql(rules, field)}")


def retell(con: duckdb.DuckDBPyConnection, found: str) -> None:
    """Put the records whose findings (those that `found` holds for) are not those of `told_before` into `retold`."""
    con.execute(
        f"""
        insert into retold select distinct source, source_key from standard semi join (
            (from told_before except from finding where {found})
            union
            (from finding where {found} except from told_before)
        ) using (record_id)"""
    )


def retell_past(con: duckdb.DuckDBPyConnection, entity: Entity, before: str, now: str) -> None:
    """Put the records whose past is not what it was into `retold`."""
    for one, other in ((before, now), (now, before)):
        said = " except ".join(f"select {_said(con, entity, before)} from {table} as s" for table in (one, other))
        con.execute(f"insert into retold select distinct source, source_key from ({said})")


def first_checks(entity: Entity) -> list[CheckRule]:
    """The checks of single records, and those that quarantine: they see everything that arrived."""
    return [check for check in entity.checks if check.severity == "error" or reads_one_record(check.when)]


def last_checks(entity: Entity) -> list[CheckRule]:
    """The checks that look at other records, too: they see what was not quarantined."""
    first = first_checks(entity)
    return [check for check in entity.checks if check not in first]


def reads_one_record(sql: str) -> bool:
    """Whether an expression over `standard` reads nothing but the record that it is computed for."""
    tree = parsed(sql)
    return not any(tree.find_all(exp.Window, exp.Select, exp.AggFunc))


@contextmanager
def versions_of(con: duckdb.DuckDBPyConnection, entity: str, keys: str) -> Iterator[None]:
    """Work where `record`, `version` and `current_record` know only the source keys in temporary table `keys`."""
    home = quote(entity)
    con.execute(f"drop schema if exists {VERSIONS} cascade")
    con.execute(f"create schema {VERSIONS}")
    con.execute(f"set search_path = '{VERSIONS},{entity},main'")
    try:
        con.execute(f"create table observation as from {home}.observation semi join {keys} using (source, source_key)")
        seen = "record_id in (select record_id from observation)"
        con.execute(f"create table record as select {VERSION} from {home}.record where {seen}")
        con.execute(f"create table grouped_record as select {VERSION} from {home}.grouped_record where false")
        run(con, "versions")
        yield
    finally:
        use_entity(con, entity)
        con.execute(f"drop schema if exists {VERSIONS} cascade")


def _find_past(con: duckdb.DuckDBPyConnection, entity: str) -> None:
    """Build `past_arrival`: the versions that counted once, with the days on which they did."""
    con.execute(f"create or replace temp table past_arrival as {_NO_PAST}")
    if not references.has_table(con, entity, "observation"):
        return
    con.execute("create or replace temp table several as " + _SEVERAL)
    if number(con, "select count(*) from several"):
        with versions_of(con, entity, "several"):
            con.execute(f"create or replace temp table past_arrival as {PAST_ARRIVAL}")


def current_schema(con: duckdb.DuckDBPyConnection) -> str:
    """The schema that unqualified names mean."""
    return str(con.execute("select current_schema()").fetchall()[0][0])


def staged_sql(
    rules: EntityRules,
    arrival: str = ARRIVED,
    also: tuple[str, ...] = (),
    silent: frozenset[str] = frozenset(),
    few: bool = False,
) -> str:
    """SQL of `standard` before quarantine: what arrived, its values by their numbers, then what is derived.

    Fields of which no record says anything (`silent`) are null without a join. Of `few` records, those of a table
    `arrival`, only the values that they name are joined. What is derived from many records is computed over the columns
    that it reads and joined: windows over all columns cost many times as much.
    """
    entity = rules.entity
    together = derived_together(entity)
    derived = {name: sql for name, sql in entity.derive.items() if name not in together}
    whole = _joined_sql(entity, arrival, also, silent, few, entity.fields, derived)
    if not together:
        return whole
    read = read_columns(entity, together)
    fields = [field for field in entity.fields if any(name.split("__")[0] == field for name in read)]
    narrow = _joined_sql(
        entity, arrival, also, silent, few, fields, {name: sql for name, sql in derived.items() if name in read}
    )
    version = ", ".join(["record_id", *(name for name in also if name == "since")])
    named = ", ".join(quote(name) for name in together)
    computed = _derived_sql(f"({narrow})", {name: entity.derive[name] for name in together})
    return f"from ({whole}) join (select {version}, {named} from ({computed})) using ({version})"


def _joined_sql(
    entity: Entity,
    arrival: str,
    also: tuple[str, ...],
    silent: frozenset[str],
    few: bool,
    fields: Collection[str],
    derived: Mapping[str, str],
) -> str:
    """SQL of what arrived with some fields and derived columns.

    A derived column that reads one field is worked out once for each text of it.
    """
    inner = [f"a.{name}" for name in (*FIXED, *also)]
    joins = ""
    origin = {name: only_field(entity, sql) for name, sql in derived.items()}
    once = {name: field for name, field in origin.items() if field is not None and field not in silent}
    for field, extras in needed_columns(entity).items():
        if field in fields:
            inner += _field_columns(entity, field, extras, field in silent)
        if field in fields and field not in silent:
            value, nth = quote("v_" + field), quote(f"{field}__{NTH}")
            only = f"where {NTH} in (select {nth} from {arrival})" if few else ""
            joins += f"\nleft join (from {quote('value_' + field)} {only}) as {value} on {value}.{NTH} = a.{nth}"
            here = {name: derived[name] for name, at in once.items() if at == field}
            if here:
                told = quote("d_" + field)
                inner += [f"{told}.{quote(name)}" for name in here]
                texts = _derived_sql(meanings_sql(entity, field, only), here)
                joins += f"\nleft join ({texts}) as {told} on {told}.{PLACE} = coalesce(a.{nth}, 0)"
    records = f"(select {', '.join(inner)}\nfrom {arrival} as a{joins})"
    return _derived_sql(records, {name: sql for name, sql in derived.items() if name not in once})


def _derived_sql(records: str, derived: Mapping[str, str]) -> str:
    columns = "".join(f", ({sql}) as {quote(name)}" for name, sql in derived.items())
    return f"select *{columns} from {records}"


def derived_together(entity: Entity) -> list[str]:
    """The derived columns that read other records, or one that does."""
    found: list[str] = []
    for name, sql in entity.derive.items():
        if not reads_one_record(sql) or named_columns(sql) & set(found):
            found.append(name)
    return found


def read_columns(entity: Entity, derived: Iterable[str]) -> set[str]:
    """The columns that derived columns read, those behind other derived ones included."""
    found: set[str] = set()
    for name in derived:
        named = named_columns(entity.derive[name])
        found |= named | read_columns(entity, named & set(entity.derive))
    return found


def past_sql(rules: EntityRules, silent: frozenset[str] = frozenset()) -> str:
    """SQL of `past`: what `staged` is for the present; what would be quarantined is left out."""
    refused = [f"coalesce(({check.when}), false)" for check in rules.entity.checks if check.severity == "error"]
    kept = "".join(f" and not {when}" for when in refused)
    return f"select * from ({staged_sql(rules, 'past_arrival', ('since', 'until'), silent, few=True)}) where true{kept}"


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


def check_findings_sql(checks: Sequence[CheckRule]) -> str:
    """SQL of the findings of an entity type's own checks over `staged`: record_id, field, rule, severity."""
    parts = [
        f"select record_id, {literal(check.field) if check.field else 'null'} as field, "
        f"{literal(check.rule)} as rule, {literal(check.severity)} as severity from staged where {check.when}"
        for check in checks
    ]
    empty = "select null::bigint as record_id, null::varchar as field, null::varchar as rule, null::varchar as severity"
    return " union all ".join([f"{empty} where false", *parts])


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
