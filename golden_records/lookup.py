"""lookup.sqlite: the indexes of a release, read-only, for any number of readers at once.

Writes: source_key, identifier, golden, redirect (SQLite, without rowid, in the order of their keys).
A look-up by source key or identifier takes microseconds here and a scan of a Parquet file there.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import duckdb

from golden_records.sql import statements
from rules.model import Entity

BATCH = 100_000
KEYS = """
select $entity, source, source_key,
       coalesce(max(golden_id) filter (where until is null), arg_max(golden_id, since_release)) as golden_id
from crosswalk
group by source, source_key
order by source, source_key
"""
GOLDEN = "select golden_id, $entity, lifecycle from golden order by golden_id"
REDIRECT = "select golden_id, $entity, kind, successors from redirect order by golden_id"


def create_lookup(path: Path) -> sqlite3.Connection:
    """A new, empty lookup file; it is written once, so nothing is spent on transactions."""
    lookup = sqlite3.connect(path, isolation_level=None)
    for statement in statements("lookup"):
        lookup.execute(statement)
    return lookup


def add_keys(lookup: sqlite3.Connection, con: duckdb.DuckDBPyConnection, entity: str) -> None:
    """Index the source keys (withdrawn ones, too), golden ids and redirects of the current schema."""
    named = {"entity": entity}
    _copy(lookup, "source_key", _rows(con, KEYS, named), 4)
    _copy(lookup, "golden", _rows(con, GOLDEN, named), 3)
    redirects = ((*row[:3], json.dumps(row[3])) for row in _rows(con, REDIRECT, named))
    _copy(lookup, "redirect", redirects, 4)


def add_identifiers(lookup: sqlite3.Connection, con: duckdb.DuckDBPyConnection, entity: Entity) -> None:
    """Index every clean value and key that a member has in an identifier field."""
    for name in sorted(name for name, field in entity.fields.items() if field.identifier):
        found = _rows(con, identifier_sql(name), {"entity": entity.entity, "field": name})
        _copy(lookup, "identifier", found, 4)


def identifier_sql(name: str) -> str:
    """SQL: entity, field, value, golden_id of one identifier field, in the order of the index."""
    return f"""
select $entity, $field, v.value, n.golden_id
from (
    select "{name}" as value, ordinal from standard where "{name}" is not null
    union
    select "{name}__key", ordinal from standard where "{name}__key" is not null
) v
join member m using (ordinal)
join golden_number n using (g)
group by v.value, n.golden_id
order by v.value, n.golden_id
"""


def copy_identifiers(lookup: sqlite3.Connection, earlier: Path) -> None:
    """Take the identifiers of an earlier release over."""
    lookup.execute("attach ? as earlier", (f"file:{earlier}?mode=ro&immutable=1",))
    lookup.execute("insert into identifier select * from earlier.identifier order by entity, field, value, golden_id")
    lookup.execute("detach earlier")


def _rows(con: duckdb.DuckDBPyConnection, sql: str, values: dict[str, str]) -> Iterator[tuple[object, ...]]:
    """The rows of a query, a batch at a time."""
    named = {key: value for key, value in values.items() if f"${key}" in sql}
    result = con.execute(sql, named)
    while rows := result.fetchmany(BATCH):
        yield from rows


def _copy(lookup: sqlite3.Connection, table: str, rows: Iterator[tuple[object, ...]], width: int) -> None:
    lookup.execute("begin")
    lookup.executemany(f"insert into {table} values ({', '.join('?' * width)})", rows)
    lookup.execute("commit")
