"""lookup.sqlite: the indexes of a release, read-only, for any number of readers at once.

Writes: source_key, identifier, golden, redirect (SQLite, without rowid, in the order of their keys); by_id.py the rest.
A look-up by source key or identifier takes microseconds here and a scan of a Parquet file there.
"""

from __future__ import annotations

import json
import shutil
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import duckdb

from golden_records import by_id
from golden_records.sql import statements
from rules.model import Entity

BATCH = 100_000
KEYS = """
select $entity, source, source_key,
       coalesce(max(golden_id) filter (where until is null), arg_max(golden_id, since_release)) as golden_id
from crosswalk
where {only}
group by source, source_key
order by source, source_key
"""
GOLDEN = "select golden_id, $entity, lifecycle from golden where {only} order by golden_id"
REDIRECT = "select golden_id, $entity, kind, successors from redirect where {only} order by golden_id"
IDENTIFIER = "select $entity, field, value, golden_id from {table} where {only} order by field, value, golden_id"
EVERY = "true"
REPLACED = "golden_id in (select golden_id from replaced)"


def index_identifiers(con: duckdb.DuckDBPyConnection, entity: Entity) -> None:
    """Make `identifier`: every clean value and key that a member has in an identifier field, by golden record."""
    con.execute("create or replace table identifier (field varchar, value varchar, golden_id varchar)")
    for name in sorted(name for name, field in entity.fields.items() if field.identifier):
        con.execute(f"insert into identifier {identifier_sql(name)}", {"field": name})


def create_lookup(path: Path, earlier: Path | None = None) -> sqlite3.Connection:
    """A new lookup file, empty or a copy of an earlier one; nothing is spent on transactions."""
    if earlier is not None:
        shutil.copyfile(earlier, path)
    lookup = sqlite3.connect(path, isolation_level=None)
    for statement in statements("lookup"):
        if earlier is None or statement.startswith("pragma"):
            lookup.execute(statement)
    by_id.create(lookup)
    return lookup


def add_keys(lookup: sqlite3.Connection, con: duckdb.DuckDBPyConnection, entity: str, only: str = EVERY) -> None:
    """Index the source keys (withdrawn ones, too), golden ids and redirects of the current schema."""
    named = {"entity": entity}
    keys = only
    if only != EVERY:
        keys = f"(source, source_key) in (select (source, source_key) from crosswalk where {only})"
    _copy(lookup, "source_key", _rows(con, KEYS.format(only=keys), named), 4)
    _copy(lookup, "golden", _rows(con, GOLDEN.format(only=only), named), 3)
    redirects = ((*row[:3], json.dumps(row[3])) for row in _rows(con, REDIRECT.format(only=only), named))
    _copy(lookup, "redirect", redirects, 4)


def add_identifiers(lookup: sqlite3.Connection, con: duckdb.DuckDBPyConnection, entity: str, only: str = EVERY) -> None:
    """Index the identifiers of the current schema."""
    rows = _rows(con, IDENTIFIER.format(table="identifier", only=only), {"entity": entity})
    _copy(lookup, "identifier", rows, 4)


def renew(lookup: sqlite3.Connection, con: duckdb.DuckDBPyConnection, entity: str) -> None:
    """Bring the index of the release before up to date: the ids in `replaced`, and the keys that they have or had."""
    ids = con.execute("select golden_id from replaced").fetchall()
    gone = list(_rows(con, IDENTIFIER.format(table="identifier_before", only=EVERY), {"entity": entity}))
    lookup.execute("begin")
    for table in ("golden", "redirect"):
        lookup.executemany(f"delete from {table} where golden_id = ?", ids)
    lookup.executemany("delete from identifier where entity = ? and field = ? and value = ? and golden_id = ?", gone)
    lookup.execute("commit")
    add_keys(lookup, con, entity, REPLACED)
    add_identifiers(lookup, con, entity, REPLACED)


def identifier_sql(name: str) -> str:
    """SQL: field, value, golden_id of one identifier field."""
    return f"""
select $field, v.value, n.golden_id
from (
    select "{name}" as value, ordinal from standard where "{name}" is not null
    union
    select "{name}__key", ordinal from standard where "{name}__key" is not null
) v
join member m using (ordinal)
join golden_number n using (g)
group by v.value, n.golden_id
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
    lookup.executemany(f"insert or replace into {table} values ({', '.join('?' * width)})", rows)
    lookup.execute("commit")
