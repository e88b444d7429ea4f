"""Reads a single record as `standard` would have it, without a work database: to look for it before it is loaded.

The kinds, derived columns and keys are those of the rules, and the SQL is theirs. It is prepared once for parameters,
because planning it costs many times what one record does; what a text means is remembered, and what a kind can say
of a text without SQL is never asked. A statement takes a parameter without being planned again only where the two are
of one type, so that every value is written with its type.

Two things a record alone cannot say are left null: what references mean (which needs the other entity types) and what
is derived from many records.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence, Set
from datetime import date
from pathlib import Path
from typing import Any, cast

import duckdb

from linkage import plain
from linkage.kernel.columns import WHOLE, number_sql
from linkage.kernel.compiler import Needed
from linkage.kernel.search import Held, Query
from linkage.kernel.store import Known
from linkage.reference_tables import ReferenceTables
from linkage.splink_model import named_columns
from linkage.standardize import derived_together, read_columns
from linkage.values import BLANKS, alike, load_references, parsed_sql
from rules.columns import needed_columns, quote
from rules.errors import InputError
from rules.kinds import KINDS
from rules.kinds.base import Kind, Row, literal
from rules.model import Entity, EntityRules

REMEMBERED = 50_000  # texts of one kind
REFERENCES = ("reference", "members")


class RecordReader:
    """Reads records of one entity type as seen on `as_of`.

    `standard` has the columns of the store with their types, `known` by field the texts that need not be read.
    """

    def __init__(
        self,
        rules: EntityRules,
        rules_folder: Path,
        as_of: date,
        standard: Mapping[str, str],
        needed: Needed,
        adjusting: Iterable[str],
        known: Mapping[str, Known],
    ) -> None:
        entity = rules.entity
        self.con = duckdb.connect()
        self.con.execute("set threads = 1")
        self._needed = needed
        self._adjusting = tuple(adjusting)
        self._fields = dict(entity.fields)
        self._extras = needed_columns(entity)
        load_references(self.con, entity, rules_folder)
        self._known = known
        # Optimizing a plan for one row costs more than the row does.
        self.con.execute("pragma disable_optimizer")
        tables = ReferenceTables(self.con)
        read_alike = [one for one in alike(entity) if entity.fields[one[0]].kind not in REFERENCES]
        self._groups = [
            _Group(self.con, f"read_{i}", rules, fields, as_of, tables) for i, fields in enumerate(read_alike)
        ]
        self._plain = {name: sql_type for name, sql_type in standard.items() if name not in entity.derive}
        self._prepare_columns(entity, standard)

    def _prepare_columns(self, entity: Entity, standard: Mapping[str, str]) -> None:
        """Prepare what only DuckDB can compute: expressions over the columns of the record, and hashes.

        Every value that goes there and back costs, so that plain columns stay here.
        """
        needed = self._needed
        numbers = [sql for sql in needed.numbers if sql not in self._plain]
        texts = [sql for sql in sorted(needed.texts) if sql not in self._plain]
        # Frequencies are those of texts.
        self._as_text = {
            name: name if standard[name] == "VARCHAR" else f"cast({quote(name)} as varchar)" for name in self._adjusting
        }
        values = [*sorted(needed.others), *(sql for name, sql in self._as_text.items() if standard[name] != "VARCHAR")]
        lists = sorted(needed.lists)
        self._computed = numbers, texts, values, lists
        chosen = [number_sql(sql, needed.numbers[sql]) for sql in numbers]
        chosen += [
            f"case when ({sql}) is not null then {{'h': hash({sql}), 'v': ({sql})}} end" for sql in texts + values
        ]
        chosen += [f"list_transform(list_distinct({sql}), lambda e: {{'h': hash(e), 'v': e}})" for sql in lists]
        apart = set(derived_together(entity))
        reads = {name for sql in (*numbers, *texts, *values, *lists) for name in named_columns(sql)}
        derived = read_columns(entity, reads & set(entity.derive)) | reads
        self._given = [name for name in self._plain if name in derived]
        self._types = [standard[name] for name in self._given]
        given = [f"${i}::{self._types[i - 1]} as {quote(name)}" for i, name in enumerate(self._given, 1)] or [
            "1 as nothing"
        ]
        source = f"(select {', '.join(given)})"
        for name in (name for name in entity.derive if name in derived):
            sql = f"null::{standard[name]}" if name in apart else f"({entity.derive[name]})"
            source = f"(select *, {sql} as {quote(name)} from {source})"
        hashes = f"list_transform(${len(self._given) + 1}::varchar[], lambda e: hash(e))"
        self.con.execute(f"prepare columns as select {', '.join([*chosen, hashes])} from {source}")
        self.con.execute("prepare hashes as select list_transform($1::varchar[], lambda e: hash(e))")
        self._hashes: dict[str, int] = {}
        self._plans = self._planned(entity, standard, [name for name in entity.derive if name in derived], apart)

    def _planned(
        self, entity: Entity, standard: Mapping[str, str], derived: Sequence[str], apart: Set[str]
    ) -> list[tuple[str, plain.Plan]] | None:
        """By name or SQL, in order, how derived columns and expressions are said without SQL; None where one is not."""
        numbers, texts, values, lists = self._computed
        if values or lists or any(self._needed.numbers[sql] not in WHOLE for sql in numbers):
            return None
        known = {name: plain.type_of(standard[name]) for name in self._given}
        planned: list[tuple[str, plain.Plan]] = []
        for name, sql in [*((name, entity.derive[name]) for name in derived), *((sql, sql) for sql in numbers + texts)]:
            how = plain.plan("null" if name in apart else sql, frozenset(known.items()))
            if how is None:
                return None
            planned.append((name, how))
            if name in standard:
                known[name] = plain.type_of(standard[name])
        return planned

    def close(self) -> None:
        self.con.close()

    def read(self, said: Mapping[str, str | None], source: str | None = None) -> Query:
        """The columns of a record that says `said`, field by field; `source` is who would deliver it.

        Raises:
            InputError: a field that the entity type does not have.
        """
        unknown = sorted(set(said) - set(self._fields))
        if unknown:
            raise InputError(f"no field {unknown[0]!r}; there are {', '.join(self._fields)}")
        row: dict[str, Any] = dict.fromkeys(self._plain)
        row |= {"source": source, "record_id": -1, "ordinal": -1}
        for group in self._groups:
            unread: dict[str, str] = {}
            for field in group.fields:
                text = (said.get(field) or "").strip(BLANKS)
                found = self._known[field].find(text) if text and field in self._known else None
                if found is not None:
                    row |= self._columns(field, found)
                elif text:
                    unread[field] = text
            read = group.read(unread.values())
            for field, text in unread.items():
                row |= self._columns(field, read[text])
        return self._query(row)

    def _columns(self, field: str, read: Mapping[str, Any]) -> dict[str, Any]:
        named = {field: read["value"], f"{field}__key": read["key"], f"{field}__ok": read["ok"]}
        named |= {f"{field}__code": read["code"]} | {f"{field}__{one}": read[one] for one in self._extras[field]}
        return {name: value for name, value in named.items() if name in set(self._plain)}

    def _query(self, row: Mapping[str, Any]) -> Query:
        numbers, texts, values, lists = self._computed
        plainly = {sql: row[sql] for sql in self._needed.texts if sql in self._plain}
        told = self._said(row)
        if told is None:
            hashed = sorted({text for text in plainly.values() if text is not None})
            given = [_typed(row[name], of) for name, of in zip(self._given, self._types, strict=True)]
            given.append(_typed(hashed, "VARCHAR[]"))
            ((*computed, hashes),) = self.con.execute(f"execute columns({', '.join(given)})").fetchall()
            known: Mapping[str, int] = dict(zip(hashed, hashes, strict=True))
            found = iter(computed)
            numbered = {sql: next(found) for sql in numbers}
            held = {sql: _held(next(found)) for sql in texts + values}
            listed = {sql: _list(next(found)) for sql in lists}
        else:
            plainly |= {sql: told[sql] for sql in texts}
            known = self._hashed({text for text in plainly.values() if text is not None})
            numbered, held, listed = {sql: told[sql] for sql in numbers}, {}, {}
        numbered |= {sql: _whole(row[sql]) for sql in self._needed.numbers if sql in self._plain}
        held |= {sql: None if text is None else Held(known[text], text) for sql, text in plainly.items()}
        return Query(
            numbered,
            {sql: held[sql] for sql in (*self._needed.texts, *self._needed.others)},
            listed,
            {column: held[sql] for column, sql in self._as_text.items()},
        )

    def _said(self, row: Mapping[str, Any]) -> dict[str, Any] | None:
        """What derived columns and expressions say of a record without SQL; None where DuckDB has to say it."""
        if self._plans is None:
            return None
        values = dict(row)
        try:
            for name, how in self._plans:
                values[name] = how.of(values)
        except plain.NotPlainError:
            return None
        return values

    def _hashed(self, texts: Set[str]) -> Mapping[str, int]:
        """DuckDB's hashes of some texts; they are remembered."""
        if len(self._hashes) > REMEMBERED:
            self._hashes.clear()
        new = sorted(texts - self._hashes.keys())
        if new:
            ((hashes,),) = self.con.execute(f"execute hashes({_typed(new, 'VARCHAR[]')})").fetchall()
            self._hashes.update(zip(new, hashes, strict=True))
        return self._hashes


class _Group:
    """Fields that read a text alike: of one kind with the same options. What a text means is remembered."""

    def __init__(
        self,
        con: duckdb.DuckDBPyConnection,
        name: str,
        rules: EntityRules,
        fields: list[str],
        as_of: date,
        tables: ReferenceTables,
    ) -> None:
        self.fields = fields
        self._con = con
        self._name = name
        self._as_of = as_of
        self._tables = tables
        self._rule = rules.entity.fields[fields[0]]
        self._remembered: dict[str, Mapping[str, Any]] = {}
        extras = needed_columns(rules.entity)
        more = tuple(sorted({extra for field in fields for extra in extras[field]}))
        sql = parsed_sql(rules.entity, fields[0], "select unnest($1::varchar[]) as raw", more)
        con.execute(f"prepare {name} as {sql.replace('$as_of', f'date {literal(as_of.isoformat())}')}")

    def read(self, texts: Iterable[str]) -> Mapping[str, Mapping[str, Any]]:
        """What the kind makes of some texts, by name of the columns of `value_<field>`."""
        known = self._remembered
        new = sorted(set(texts) - known.keys())
        if len(known) > REMEMBERED:
            known.clear()
            new = sorted(set(texts))
        known.update((text, row) for text in new if (row := self._usual(text)) is not None)
        unusual = [text for text in new if text not in known]
        if unusual:
            found = self._con.execute(f"execute {self._name}({_typed(unusual, 'VARCHAR[]')})")
            names = [str(column) for column, *_ in found.description or ()]
            rows = (dict(zip(names, values, strict=True)) for values in found.fetchall())
            known.update((row["raw"], row) for row in rows)
        return known

    def _usual(self, text: str) -> Mapping[str, Any] | None:
        """The same of a text that the kind reads without SQL."""
        kind = KINDS[self._rule.kind]
        row = kind.usual(text, self._tables, self._as_of, self._rule.options)
        return None if row is None else kept(row, kind)


def kept(row: Row, kind: Kind) -> dict[str, Any]:
    """What `parsed_sql` makes of what a kind says of one text."""
    graded = {kind.findings[code].severity for code in cast("list[str]", row["findings"])}
    bad = "error" in graded
    value, key = (None if bad else cast("str | None", row[name]) for name in ("value", "key"))
    ok = None if bad or row["value"] is None else not graded & {"error", "warn"}
    code = None if key is None else int.from_bytes(hashlib.md5(key.encode()).digest()[8:], "little")
    return {**row, "value": value, "key": key, "ok": ok, "code": code}


def _typed(value: object, sql_type: str) -> str:
    """A value as SQL text of a type."""
    return f"{_written(value)}::{sql_type}"


def _written(value: object) -> str:
    if value is None:
        return "null"
    if isinstance(value, list):
        return f"[{', '.join(map(_written, value))}]"
    return literal(str(value))


def _whole(value: Any) -> int | None:
    """A whole number, truth or day (since 1970) of a plain column as the kernel holds it."""
    if isinstance(value, date):
        return (value - date(1970, 1, 1)).days
    return None if value is None else int(value)


def _held(said: Any) -> Held | None:
    return None if said is None else Held(said["h"], said["v"])


def _list(said: Any) -> list[Held] | None:
    return None if said is None else [Held(one["h"], one["v"]) for one in said if one["v"] is not None]
