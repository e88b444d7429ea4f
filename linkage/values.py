"""What the kinds make of the texts of every field: each distinct text is read once and kept.

Reads: record, grouped_record, reference tables. Writes: value_<field>, coded, reading.

    value_<field>   raw (trimmed, unique), value, key, the further columns of the kind that the rules name, ok,
                    findings, code (what two values are equal by, as a number), nth (1, 2, …: the number of the text)
    coded           record_id and, for each field, <field>__nth: the number of what the record says, null for nothing
    reading         what a table was read with: a hash of the kind's SQL and reference tables, the day, the last record

A table grows by the texts of new records and keeps its numbers. It is made anew where what it was read with changed,
and where it holds what other entity types were found to be. On another day only those texts are read again whose
kind cannot exclude that they say something else now (`Kind.turns`).
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Mapping
from contextlib import closing
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import duckdb

from linkage import references
from linkage.sql import execute, number, transaction
from rules.columns import needed_columns, quote
from rules.kinds import KINDS
from rules.kinds.base import literal
from rules.loader import reference_path
from rules.model import Entity, EntityRules

# Half of the MD5 of the key. DuckDB's hash() gives texts that differ in two characters one value more often than chance
# does, and a typing error is just that.
CODE = "code"
REMEMBERED = 50_000  # texts that a reader of few remembers
NTH = "nth"  # a record's row of `value_<field>`: what reads one field only can be computed once per distinct text
BLANKS = " \t\r\n\u3000\u00a0\ufeff"
BLANK = literal(BLANKS)
# Makes `value_<field>` anew, given the field and the SQL of what a record says in it.
First = Callable[[str, str], None]


def read_fields(
    con: duckdb.DuckDBPyConnection,
    rules: EntityRules,
    rules_folder: Path,
    as_of: date,
    others: Mapping[str, EntityRules] | None = None,
    first: First | None = None,
) -> frozenset[str]:
    """Bring every `value_<field>` up to the records that are there, as seen on `as_of`; `first` makes one anew.

    References mean what the entity types in `others` were linked to. Gives the fields whose table was made anew; of the
    other tables `moved_value` (field, nth) names the rows that say something else than before.
    """
    entity = rules.entity
    load_references(con, entity, rules_folder)
    con.execute(
        "create table if not exists reading (field varchar primary key, sha256 varchar, as_of date, upto bigint)"
    )
    con.execute("create or replace temp table moved_value (field varchar, nth integer)")
    known = {field: said for field, *said in con.execute("select field, sha256, as_of, upto from reading").fetchall()}
    upto = number(con, "select coalesce(max(record_id), -1) from record")
    grouped = number(con, "select count(*) from grouped_record") > 0
    anew = set()
    for field, rule in entity.fields.items():
        said = references.delivered_sql(entity, rules.sources, field)
        target = (others or {}).get(str(rule.options.get("entity", "")))
        resolved = target is not None and not rule.options.get("late")
        sha256 = signature(entity, field, said, rules_folder)
        before, day, read_upto = known.get(field, (None, as_of, 0))
        with transaction(con):
            if before != sha256 or resolved:
                anew.add(field)
                con.execute("drop table if exists coded")  # its numbers are those of the table before
                if first is not None:
                    first(field, said)
                else:
                    table = quote("value_" + field)
                    execute(con, f"create or replace table {table} as {first_sql(entity, field, said)}", as_of=as_of)
            else:
                if day != as_of and "$as_of" in KINDS[rule.kind].parse("raw", rule.options):
                    _read_again(con, entity, field, day, as_of)
                if read_upto < upto or grouped:
                    execute(con, _more_sql(entity, field, said, read_upto), as_of=as_of)
            con.execute("insert or replace into reading values (?, ?, ?, ?)", [field, sha256, as_of, upto])
        if target is not None and resolved:
            load_references(con, target.entity, rules_folder)
            references.resolve(con, field, target, as_of)
    _code(con, rules)
    return frozenset(anew)


def _code(con: duckdb.DuckDBPyConnection, rules: EntityRules) -> None:
    """Bring `coded` up to the records that are there; where it is missing it is made."""
    with transaction(con):
        numbers = "".join(f", {quote(f'{field}__{NTH}')} integer" for field in rules.entity.fields)
        con.execute(f"create table if not exists coded (record_id bigint{numbers})")
        con.execute("delete from coded where record_id < 0")
        upto = number(con, "select coalesce(max(record_id), -1) from coded")
        for table, where in (("record", f"record_id > {upto}"), ("grouped_record", "true")):
            if number(con, f"select count(*) from {table} where {where}"):
                con.execute(f"insert into coded by name {_coded_sql(rules, table, where)}")


def _coded_sql(rules: EntityRules, table: str, where: str) -> str:
    texts, numbers, joins = "", "", ""
    for i, field in enumerate(rules.entity.fields):
        texts += f", {trimmed(references.delivered_sql(rules.entity, rules.sources, field))} as t{i}"
        numbers += f", v{i}.{NTH} as {quote(f'{field}__{NTH}')}"
        joins += f"\nleft join (select raw, {NTH} from {quote('value_' + field)}) as v{i} on v{i}.raw = t{i}"
    return f"select record_id{numbers} from (select record_id{texts} from {table} where {where}) as r{joins}"


def load_references(con: duckdb.DuckDBPyConnection, entity: Entity, rules_folder: Path) -> None:
    """Read the reference tables that the kinds of this entity type name, all columns as text."""
    con.execute("create schema if not exists reference")
    for name in sorted({name for rule in entity.fields.values() for name in KINDS[rule.kind].references}):
        path = str(reference_path(rules_folder, name))
        con.execute(
            f"create or replace table reference.{quote(name)} as "
            "select * from read_csv($path, all_varchar = true, header = true, delim = ',', quote = '\"')",
            {"path": path},
        )


@dataclass(frozen=True)
class Read:
    """What the kind of a field makes of a text: its clean value, its key, and what is wrong with it."""

    value: str | None
    key: str | None
    findings: tuple[str, ...]

    @property
    def forms(self) -> tuple[str, ...]:
        """Its clean value and its key, where it has them."""
        return tuple(dict.fromkeys(part for part in (self.value, self.key) if part is not None))


class Reader:
    """Reads typed-in texts as the kinds of an entity type do, tables at hand. One thread at a time.

    `few`: texts come one by one. Then a plan is not optimized, which costs more than one text does, and what a text
    means is remembered.
    """

    def __init__(self, rules: EntityRules, rules_folder: Path, few: bool = False) -> None:
        self._rules = rules
        self._remembered: dict[tuple[str, str], Read] | None = {} if few else None
        self._con = duckdb.connect()
        if few:
            self._con.execute("set threads = 1")
            self._con.execute("pragma disable_optimizer")
        load_references(self._con, rules.entity, rules_folder)
        self._con.execute("create table raw (raw varchar)")
        self._planned: dict[str, str] = {}

    def close(self) -> None:
        """Let go of the tables."""
        self._con.close()

    def read(self, field: str, texts: Iterable[str], as_of: date) -> dict[str, Read]:
        """What the kind of `field` makes of the texts; those that are nothing but blanks are left out."""
        bare = {text: text.strip(BLANKS) for text in texts}
        plan = self._plan(field, as_of)
        known = self._remembered if self._remembered is not None else {}
        new = sorted({text for text in bare.values() if text and (plan, text) not in known})
        if new:
            if len(known) > REMEMBERED:
                known.clear()
                new = sorted({text for text in bare.values() if text})
            self._con.execute("truncate raw")
            self._con.execute("insert into raw select unnest($texts::varchar[])", {"texts": new})
            for raw, value, key, findings in self._con.execute(f"execute {plan}").fetchall():
                known[plan, raw] = Read(value, key, tuple(findings))
        return {text: known[plan, raw] for text, raw in bare.items() if raw}

    def _plan(self, field: str, as_of: date) -> str:
        """The name of the prepared reading of a field on a day: planning it costs many times what one text does."""
        rule = self._rules.entity.fields[field]
        parse = KINDS[rule.kind].parse("raw", rule.options).replace("$as_of", f"date {literal(as_of.isoformat())}")
        if parse not in self._planned:
            name = f"reading_{len(self._planned)}"
            self._con.execute(f"prepare {name} as select raw, value, key, findings from ({parse})")
            self._planned[parse] = name
        return self._planned[parse]

    def keys(self, field: str, text: str, as_of: date) -> tuple[str, ...]:
        """The canonical forms of one typed-in value of `field`: its clean value and its key, where it has them."""
        return tuple(form for one in self.read(field, [text], as_of).values() for form in one.forms)


def keys_of(rules: EntityRules, rules_folder: Path, field: str, text: str, as_of: date) -> tuple[str, ...]:
    """The canonical forms of one typed-in value of `field`: its clean value and its key, where it has them."""
    with closing(Reader(rules, rules_folder)) as reader:
        return reader.keys(field, text, as_of)


def read_values(
    rules: EntityRules, rules_folder: Path, field: str, texts: Iterable[str], as_of: date
) -> dict[str, Read]:
    """What the kind of `field` makes of typed-in texts; those that are nothing but blanks are left out."""
    with closing(Reader(rules, rules_folder)) as reader:
        return reader.read(field, texts, as_of)


def trimmed(column: str) -> str:
    """SQL: the text of a raw column without blanks around it, null where nothing is left.

    TRIM itself is only called where there is something to trim: it is dearer than looking at both ends.
    """
    blanks = ", ".join(str(ord(blank)) for blank in BLANKS)
    return (
        f"case when unicode({column}) in ({blanks}) or unicode(right({column}, 1)) in ({blanks}) "
        f"then nullif(trim({column}, {BLANK}), '') else nullif({column}, '') end"
    )


def signature(entity: Entity, field: str, said: str, rules_folder: Path) -> str:
    """A hash of everything but day and records that `value_<field>` is a function of."""
    read_with = hashlib.sha256(parsed_sql(entity, field, said).encode())
    for name in KINDS[entity.fields[field].kind].references:
        read_with.update(reference_path(rules_folder, name).read_bytes())
    return read_with.hexdigest()


def first_sql(entity: Entity, field: str, said: str) -> str:
    """SQL of `value_<field>` of all records."""
    return f"select *, row_number() over ()::integer as {NTH} from ({parsed_sql(entity, field, texts_sql(said))})"


def texts_sql(said: str) -> str:
    """SQL of the distinct texts that all records say."""
    text = trimmed(said)
    return f"""
  select distinct {text} as raw from record where {text} is not null
  union
  select {text} from grouped_record where {text} is not null"""


def _more_sql(entity: Entity, field: str, said: str, upto: int) -> str:
    """SQL that adds the texts of records after `upto`."""
    text, table = trimmed(said), quote("value_" + field)
    raw = f"""
  select raw from (
    select {text} as raw from record where record_id > {upto} union select {text} from grouped_record
  ) anti join {table} using (raw) where raw is not null"""
    return f"""insert into {table} by name
select *, ((select count(*) from {table}) + row_number() over ())::integer as {NTH}
from ({parsed_sql(entity, field, raw)})"""


def _read_again(con: duckdb.DuckDBPyConnection, entity: Entity, field: str, day: date, as_of: date) -> None:
    """Read the texts anew that may say something else on `as_of` than on `day`; what did goes to `moved_value`."""
    table, rule = quote("value_" + field), entity.fields[field]
    turns = KINDS[rule.kind].turns(rule.options) or "true"
    raw = f"select raw from {table} where {turns}"
    first, last = sorted([day, as_of])
    execute(
        con,
        f"create or replace temp table again as {parsed_sql(entity, field, raw)}",
        as_of=as_of,
        first=first,
        last=last,
    )
    columns = [name for (name, *_) in con.execute("describe again").fetchall()]
    old, new = (f"({', '.join(f'{side}.{quote(name)}' for name in columns)})" for side in "va")
    con.execute(
        f"insert into moved_value select {literal(field)}, v.{NTH} from {table} as v join again as a using (raw) "
        f"where {old} is distinct from {new}"
    )
    told = f"select {NTH} from moved_value where field = {literal(field)}"
    con.execute(
        f"create or replace temp table moved as select a.*, v.{NTH} from again as a join {table} as v using (raw) "
        f"where v.{NTH} in ({told})"
    )
    con.execute(f"delete from {table} where {NTH} in ({told})")
    con.execute(f"insert into {table} by name from moved")


def parsed_sql(entity: Entity, field: str, raw: str, extras: tuple[str, ...] | None = None) -> str:
    """SQL of the columns of `value_<field>` but `nth`, of the distinct texts that the query `raw` gives.

    `extras` are the further columns of the kind, by default those that the rules name for this field.
    """
    extras = needed_columns(entity)[field] if extras is None else extras
    rule = entity.fields[field]
    kind = KINDS[rule.kind]
    codes = [code for code, finding in kind.findings.items() if finding.severity == "error"]
    doubts = [code for code, finding in kind.findings.items() if finding.severity != "info"]
    bad = _any_of(codes)
    kept = ", ".join(f"case when {bad} then null else {name} end as {name}" for name in ("value", "key"))
    kept += "".join(f", {quote(name)}" for name in extras)
    return f"""
with raw as materialized ({raw}), parsed as (
  {kind.parse("raw", rule.options)}
)
select raw, {kept},
  case when {bad} or value is null then null else not {_any_of(doubts)} end as ok,
  findings, md5_number_lower(case when {bad} then null else key end) as {CODE}
from parsed"""


def _any_of(codes: list[str]) -> str:
    if not codes:
        return "false"
    return f"list_has_any(findings, [{', '.join(literal(code) for code in codes)}])"
