"""What the kinds make of the texts of every field: each distinct text is read once and kept.

Reads: record, grouped_record, reference tables. Writes: value_<field>, coded, reading.

    value_<field>   raw (trimmed, unique), value, key, the further columns of the kind that the rules name, ok,
                    findings, code (what two values are equal by, as a number), nth (1, 2, …: the number of the text)
    coded           record_id and, for each field, <field>__nth: the number of what the record says, null for nothing
    reading         what a table was read with: a hash of the kind's SQL and reference tables, and the day

A table grows by the texts of new records and keeps its numbers. It is made anew where what it was read with changed,
and where it holds what other entity types were found to be. On another day only those texts are read again whose
kind cannot exclude that they say something else now (`Kind.turns`).
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Generator, Iterable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import cast

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray
from sqlglot import exp

from linkage import references
from linkage.reference_tables import ReferenceTables
from linkage.sql import execute, number, transaction
from rules.columns import field_columns, needed_columns, quote
from rules.expressions import parsed
from rules.kinds import KINDS
from rules.kinds.base import literal
from rules.loader import reference_path
from rules.model import Entity, EntityRules

# Half of the MD5 of the key. DuckDB's hash() gives texts that differ in two characters one value more often than chance
# does, and a typing error is just that.
CODE = "code"
REMEMBERED = 50_000  # texts that a reader of few remembers
SHORT = 2**31  # bytes that an Arrow array of strings can hold; more need another type
NTH = "nth"  # a record's row of `value_<field>`: what reads one field only can be computed once per distinct text
PLACE = "_place"  # `nth` among the meanings of a field, where 0 is that of nothing; no field can bear this name
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
    con.execute("create table if not exists reading (field varchar primary key, sha256 varchar, as_of date)")
    con.execute("create or replace temp table moved_value (field varchar, nth integer)")
    known = {field: said for field, *said in con.execute("select field, sha256, as_of from reading").fetchall()}
    signatures = {field: signature(entity, field, _said(rules, field), rules_folder) for field in entity.fields}
    targets = {field: (others or {}).get(str(rule.options.get("entity", ""))) for field, rule in entity.fields.items()}
    resolved = {field for field, rule in entity.fields.items() if targets[field] and not rule.options.get("late")}
    anew = resolved | {field for field in signatures if known.get(field, [None])[0] != signatures[field]}
    if anew:
        con.execute("drop table if exists coded")  # its numbers are those of the tables before

    def ready(field: str) -> None:
        if field not in anew:
            _read_again(con, entity, field, known[field][1], as_of)
        elif first is not None:
            first(field, _said(rules, field))
        else:
            con.execute(f"create or replace table {quote('value_' + field)} ({columns_sql(entity, field)})")

    arrived = _Arrived(con, rules)
    groups = alike(entity)
    with closing(arrived.told(groups)) as coming:
        for fields, told in zip(groups, coming, strict=True):
            with transaction(con):
                for field in fields:
                    ready(field)
                arrived.read(fields, told, as_of)
                for field in fields:
                    said = [field, signatures[field], as_of]
                    con.execute("insert or replace into reading (field, sha256, as_of) values (?, ?, ?)", said)
    for target in {one.name: one for one in targets.values() if one is not None}.values():
        named = [field for field, one in targets.items() if one is target and field in resolved]
        if named:
            load_references(con, target.entity, rules_folder)
            references.resolve(con, named, target, as_of)
    arrived.write()
    return frozenset(anew)


def alike(entity: Entity) -> list[list[str]]:
    """The fields in groups of one kind and options: what they make of a text is the same."""
    groups: dict[tuple[str, str], list[str]] = {}
    for field, rule in entity.fields.items():
        groups.setdefault((rule.kind, json.dumps(dict(rule.options), sort_keys=True)), []).append(field)
    return list(groups.values())


def _said(rules: EntityRules, field: str) -> str:
    return references.delivered_sql(rules.entity, rules.sources, field)


@dataclass(frozen=True)
class _Told:
    """What records say in one field: at each of `places` among the records the text of a number; -1 for none."""

    places: NDArray[np.int64]
    which: NDArray[np.int32]
    texts: pa.Array


class _Arrived:
    """The records that `coded` lacks: what their texts are is read field by field, and their numbers are kept.

    Texts are told apart in memory, those of the next fields while these are read: the engine would hash them once to
    find the distinct ones and once more to number the records by them.
    """

    def __init__(self, con: duckdb.DuckDBPyConnection, rules: EntityRules) -> None:
        self._con, self._rules = con, rules
        numbers = "".join(f", {quote(f'{field}__{NTH}')} integer" for field in rules.entity.fields)
        con.execute(f"create table if not exists coded (record_id bigint{numbers})")
        upto = number(con, "select coalesce(max(record_id), -1) from coded")
        # Records made of another entity type's have numbers below zero and may say something else every time.
        self._records = f"(from record where record_id > {upto} union all by name from grouped_record)"
        ids = con.sql(f"select record_id from {self._records} order by 1").to_arrow_table().column("record_id")
        self._ids = ids.to_numpy()
        self._numbers: dict[str, pa.Array] = {}

    def told(self, groups: Iterable[Sequence[str]]) -> Generator[dict[str, _Told]]:
        """What the records say in some fields, of one group of them after another; of the next while one is worked on.

        Fields in which none says anything are left out.
        """
        path = self._con.execute("select current_setting('search_path')").fetchall()[0][0]
        with self._con.cursor() as con, ThreadPoolExecutor(1) as beside:
            con.execute("set search_path = ?", [path])
            coming: list[Future[dict[str, _Told]]] = []
            for fields in groups:
                coming.append(beside.submit(self._told, con, fields))
                if len(coming) > 1:
                    yield coming.pop(0).result()
            for last in coming:
                yield last.result()

    def read(self, fields: Sequence[str], told: Mapping[str, _Told], as_of: date) -> None:
        """Put the texts that the tables of fields of one kind lack into them, and note which one each record says.

        A text that several fields say (the name of a father, who has a record himself) is read once for all.
        """
        for i, one in enumerate(told.values()):
            self._con.register(f"arrived_{i}", pa.table({"i": np.arange(len(one.texts)), "raw": one.texts}))
        try:
            new = {
                field: f"select raw from arrived_{i} anti join {quote('value_' + field)} using (raw)"
                for i, field in enumerate(told)
            }
            entity = self._rules.entity
            if len(new) > 1:
                needed = needed_columns(entity)
                extras = tuple(dict.fromkeys(extra for field in new for extra in needed[field]))
                parsed = parsed_sql(entity, fields[0], " union ".join(new.values()), extras)
                execute(self._con, f"create or replace temp table parsed as {parsed}", as_of=as_of)
            for i, (field, raw) in enumerate(new.items()):
                if len(new) > 1:
                    columns = ", ".join(map(quote, ("raw", "value", "key", *needed[field], "ok", "findings", CODE)))
                    read = f"select {columns} from ({raw}) join parsed using (raw)"
                else:
                    read = parsed_sql(entity, field, raw)
                self._number(field, read, f"arrived_{i}", told[field], as_of)
            self._con.execute("drop table if exists parsed")
        finally:
            for i in range(len(told)):
                self._con.unregister(f"arrived_{i}")

    def _told(self, con: duckdb.DuckDBPyConnection, fields: Sequence[str]) -> dict[str, _Told]:
        found = {}
        for field in fields:
            said = con.sql(
                f"select record_id, {_said(self._rules, field)} as raw from {self._records} "
                f"where {quote(field)} is not null"
            ).to_arrow_table()
            which, texts = told_apart(said.column("raw"))
            if len(texts):
                places = np.searchsorted(self._ids, said.column("record_id").to_numpy())
                found[field] = _Told(places, which, texts)
        return found

    def _number(self, field: str, read: str, arrived: str, told: _Told, as_of: date) -> None:
        """Put what was `read` of new texts into `value_<field>`, and note the numbers of what records say."""
        table = quote("value_" + field)
        numbered = f"select *, ((select count(*) from {table}) + row_number() over ())::integer as {NTH} from ({read})"
        execute(self._con, f"insert into {table} by name {numbered}", as_of=as_of)
        found = self._con.execute(f"select i, v.{NTH} as nth from {arrived} join {table} as v using (raw)").fetchnumpy()
        of_text = np.zeros(len(told.texts) + 1, dtype=np.int32)  # the last place is that of nothing
        of_text[found["i"]] = found["nth"]
        numbers = np.zeros(self._ids.size, dtype=np.int32)
        numbers[told.places] = of_text[told.which]
        self._numbers[field] = pa.array(numbers, mask=numbers == 0)

    def write(self) -> None:
        """Put the numbers of these records into `coded`."""
        numbers = {f"{field}__{NTH}": numbers for field, numbers in self._numbers.items()}
        self._con.register("arrived", pa.table({"record_id": self._ids, **numbers}))
        with transaction(self._con):
            self._con.execute("delete from coded where record_id < 0")
            self._con.execute("insert into coded by name from arrived")
        self._con.unregister("arrived")


def told_apart(raw: pa.ChunkedArray) -> tuple[NDArray[np.int32], pa.Array]:
    """The distinct texts without blanks around them, and for each raw one, none of them null, its place among them.

    The place of one that is nothing but blanks is -1. Blanks are looked for in distinct texts alone.
    """
    if raw.nbytes >= SHORT:
        raw = raw.cast(pa.large_string())
    coded = raw.dictionary_encode().combine_chunks()
    which, texts = coded.indices.to_numpy(), coded.dictionary
    bare = pc.utf8_trim(texts, BLANKS)
    if bare.equals(texts) and not pc.any(pc.equal(texts, "")).as_py():
        return which, texts
    again = pc.if_else(pc.equal(bare, ""), None, bare).dictionary_encode()
    return again.indices.fill_null(-1).to_numpy(zero_copy_only=False)[which], again.dictionary


def load_references(con: duckdb.DuckDBPyConnection, entity: Entity, rules_folder: Path) -> None:
    """Read the reference tables that the kinds of this entity type name, all columns as text, where they changed.

    What a table was read from is noted on it.
    """
    con.execute("create schema if not exists reference")
    noted = "select table_name, comment from duckdb_tables() where schema_name = 'reference'"
    known = dict(con.execute(noted).fetchall())
    for name in sorted({name for rule in entity.fields.values() for name in KINDS[rule.kind].references}):
        path = reference_path(rules_folder, name)
        sha256 = _sha256(path)
        if known.get(name) == sha256:
            continue
        with transaction(con):
            con.execute(
                f"create or replace table reference.{quote(name)} as "
                "select * from read_csv($path, all_varchar = true, header = true, delim = ',', quote = '\"')",
                {"path": str(path)},
            )
            con.execute(f"comment on table reference.{quote(name)} is '{sha256}'")


def _sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


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

    `few`: texts come one by one. Then usual ones are read without SQL, a plan is not optimized, which costs more than
    one text does, and what a text means is remembered.
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
        self._tables = ReferenceTables(self._con)
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
            if self._remembered is not None:
                known.update(((plan, text), read) for text in new if (read := self._usual(field, text, as_of)))
                new = [text for text in new if (plan, text) not in known]
        if new:
            self._con.execute("truncate raw")
            self._con.execute("insert into raw select unnest($texts::varchar[])", {"texts": new})
            for raw, value, key, findings in self._con.execute(f"execute {plan}").fetchall():
                known[plan, raw] = Read(value, key, tuple(findings))
        return {text: known[plan, raw] for text, raw in bare.items() if raw}

    def _usual(self, field: str, text: str, as_of: date) -> Read | None:
        """The same of a text that the kind reads without SQL."""
        rule = self._rules.entity.fields[field]
        row = KINDS[rule.kind].usual(text, self._tables, as_of, rule.options)
        if row is None:
            return None
        value, key = (cast("str | None", row[name]) for name in ("value", "key"))
        return Read(value, key, tuple(cast("list[str]", row["findings"])))

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

    TRIM itself is only called where there is something to trim: it is dearer than looking at both ends. Blanks listed
    after IN would be as fast, but in the condition of a join DuckDB makes every pair of rows before it looks at a list.
    """
    ends = " or ".join(f"contains({BLANK}, {side}({column}, 1))" for side in ("left", "right"))
    return f"case when {ends} then nullif(trim({column}, {BLANK}), '') else {column} end"


def signature(entity: Entity, field: str, said: str, rules_folder: Path) -> str:
    """A hash of everything but the day and the texts that `value_<field>` is a function of."""
    read_with = hashlib.sha256(parsed_sql(entity, field, said).encode())
    for name in KINDS[entity.fields[field].kind].references:
        read_with.update(_sha256(reference_path(rules_folder, name)).encode())
    return read_with.hexdigest()


def texts_sql(said: str) -> str:
    """SQL of the distinct texts that all records say."""
    text = trimmed(said)
    return f"""
  select distinct {text} as raw from record where {text} is not null
  union
  select {text} from grouped_record where {text} is not null"""


def _read_again(con: duckdb.DuckDBPyConnection, entity: Entity, field: str, day: date, as_of: date) -> None:
    """Read the texts anew that may say something else on `as_of` than on `day`; what did goes to `moved_value`."""
    table, rule = quote("value_" + field), entity.fields[field]
    if day == as_of or "$as_of" not in KINDS[rule.kind].parse("raw", rule.options):
        return
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
    further = "".join(f", {quote(name)}" for name in extras)
    return f"""
with raw as materialized ({raw}), parsed as (
  {kind.parse("raw", rule.options)}
), judged as (
  select raw, case when {_any_of(codes)} then null else value end as value,
    case when {_any_of(codes)} then null else key end as key{further}, findings
  from parsed
)
select raw, value, key{further}, case when value is not null then not {_any_of(doubts)} end as ok,
  findings, {code_sql("key")} as {CODE}
from judged"""


def columns_sql(entity: Entity, field: str) -> str:
    """SQL of the columns of `value_<field>` with their types."""
    types = KINDS[entity.fields[field].kind].columns
    further = "".join(f"{quote(name)} {types[name]}, " for name in needed_columns(entity)[field])
    known = f"raw varchar, value varchar, key varchar, {further}ok boolean, findings varchar[]"
    return f"{known}, {CODE} ubigint, {NTH} integer"


def only_field(entity: Entity, sql: str) -> str | None:
    """The field that an expression over `standard` reads; None where it reads other columns, too, or counts records."""
    tree = parsed(sql)
    named = {column.name for column in tree.find_all(exp.Column)}
    fields = {name.split("__")[0] for name in named} & set(entity.fields)
    if len(fields) != 1 or any(tree.find_all(exp.Window, exp.Select, exp.AggFunc)):
        return None
    (field,) = fields
    return field if named <= set(field_columns(field, entity.fields[field].kind)) else None


def meanings_sql(entity: Entity, field: str, only: str = "") -> str:
    """SQL of the columns that `standard` has of a field for each of its texts (those of the condition `only`) by
    `_place`; at place 0, that of records that say nothing, all are null."""
    extras = ("key", *needed_columns(entity)[field], "ok")
    renamed = "".join(f", {quote(extra)} as {quote(f'{field}__{extra}')}" for extra in extras)
    return (
        f"(select {NTH} as {PLACE}, value as {quote(field)}{renamed} from {quote('value_' + field)} {only} "
        f"union all by name select 0 as {PLACE})"
    )


def code_sql(text: str) -> str:
    """SQL: half of the MD5 of a text as a number; `md5_number_lower` says the same at five times the cost."""
    return f"(md5_number({text}) >> 64)::ubigint"


def _any_of(codes: list[str]) -> str:
    if not codes:
        return "false"
    return f"list_has_any(findings, [{', '.join(literal(code) for code in codes)}])"
