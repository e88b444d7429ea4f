"""Reads a single record as `standard` would have it, without a work database: to look for it before it is loaded.

The kinds, derived columns and keys are those of the rules, and the SQL is theirs. It is prepared once over tables of
one row, because planning it costs many times what one record does; what a text means is remembered.

Two things a record alone cannot say are left null: what references mean (which needs the other entity types) and what
is derived from many records.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from datetime import date
from pathlib import Path
from typing import Any

import duckdb

from linkage.kernel.columns import number_sql
from linkage.kernel.compiler import Needed
from linkage.kernel.search import Held, Query
from linkage.kernel.store import Known
from linkage.standardize import derived_together
from linkage.values import BLANKS, load_references, parsed_sql
from rules.columns import needed_columns, quote
from rules.errors import InputError
from rules.kinds.base import literal
from rules.model import EntityRules

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
        self.con.execute("create table typed (raw varchar)")
        self._groups = _groups(rules)
        self._known = known
        self._remembered: dict[int, dict[str, dict[str, Any]]] = {i: {} for i in range(len(self._groups))}
        # Optimizing a plan for one row costs more than the row does.
        self.con.execute("pragma disable_optimizer")
        for i, fields in enumerate(self._groups):
            extras = sorted({extra for field in fields for extra in self._extras[field]})
            sql = parsed_sql(entity, fields[0], "from typed", tuple(extras))
            sql = sql.replace("$as_of", f"date {literal(as_of.isoformat())}")
            self.con.execute(f"prepare read_{i} as {sql}")
        apart = set(derived_together(entity))
        self._plain = [name for name in standard if name not in entity.derive]
        self.con.execute(f"create table one ({', '.join(f'{quote(name)} {standard[name]}' for name in self._plain)})")
        derived = [
            f"null::{standard[name]} as {quote(name)}" if name in apart else f"({sql}) as {quote(name)}"
            for name, sql in entity.derive.items()
        ]
        source = f"(select {', '.join(['*', *derived])} from one)"
        self._texts = [*sorted(needed.texts), *sorted(needed.others)]
        self._listed = sorted(needed.lists)
        self._counted = list(needed.numbers)
        chosen = [number_sql(sql, needed.numbers[sql]) for sql in self._counted]
        chosen += [f"case when ({sql}) is not null then {{'h': hash({sql}), 'v': ({sql})}} end" for sql in self._texts]
        chosen += [f"list_transform(list_distinct({sql}), lambda e: {{'h': hash(e), 'v': e}})" for sql in self._listed]
        chosen += [
            f"case when {text} is not null then {{'h': hash({text}), 'v': {text}}} end"
            for text in (f"cast({quote(column)} as varchar)" for column in self._adjusting)
        ]
        self.con.execute(f"prepare columns as select {', '.join(chosen)} from {source}")

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
        for i, fields in enumerate(self._groups):
            unread: dict[str, str] = {}
            for field in fields:
                text = (said.get(field) or "").strip(BLANKS)
                found = self._known[field].find(text) if text and field in self._known else None
                if found is not None:
                    row |= self._columns(field, found)
                elif text:
                    unread[field] = text
            read = self._read(i, set(unread.values()))
            for field, text in unread.items():
                row |= self._columns(field, read[text])
        said_by = {name: value for name, value in row.items() if value is not None}
        named, places = ", ".join(quote(name) for name in said_by), ", ".join("?" * len(said_by))
        self.con.execute("truncate one")
        self.con.execute(f"insert into one ({named}) values ({places})", list(said_by.values()))
        return self._query(self.con.execute("execute columns").fetchall()[0])

    def _read(self, group: int, texts: set[str]) -> dict[str, dict[str, Any]]:
        """What a group of fields makes of some texts, by name of the column of the kind."""
        known = self._remembered[group]
        new = sorted(texts - known.keys())
        if new:
            if len(known) > REMEMBERED:
                known.clear()
                new = sorted(texts)
            self.con.execute("truncate typed")
            self.con.execute("insert into typed select unnest($texts::varchar[])", {"texts": new})
            found = self.con.execute(f"execute read_{group}")
            names = [str(name) for name, *_ in found.description or ()]
            for values in found.fetchall():
                one = dict(zip(names, values, strict=True))
                known[one["raw"]] = one
        return known

    def _columns(self, field: str, read: Mapping[str, Any]) -> dict[str, Any]:
        named = {field: read["value"], f"{field}__key": read["key"], f"{field}__ok": read["ok"]}
        named |= {f"{field}__code": read["code"]} | {f"{field}__{one}": read[one] for one in self._extras[field]}
        return {name: value for name, value in named.items() if name in set(self._plain)}

    def _query(self, row: tuple[Any, ...]) -> Query:
        values = iter(row)
        return Query(
            {sql: next(values) for sql in self._counted},
            {sql: _held(next(values)) for sql in self._texts},
            {sql: _list(next(values)) for sql in self._listed},
            {column: _held(next(values)) for column in self._adjusting},
        )


def _groups(rules: EntityRules) -> list[list[str]]:
    """The fields that read a text alike: of one kind with the same options, references apart."""
    found: dict[tuple[str, str], list[str]] = {}
    for name, rule in rules.entity.fields.items():
        if rule.kind not in REFERENCES:
            found.setdefault((rule.kind, json.dumps(dict(rule.options), sort_keys=True)), []).append(name)
    return list(found.values())


def _held(said: Any) -> Held | None:
    return None if said is None else Held(said["h"], said["v"])


def _list(said: Any) -> list[Held] | None:
    return None if said is None else [Held(one["h"], one["v"]) for one in said if one["v"] is not None]
