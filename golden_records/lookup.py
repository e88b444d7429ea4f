"""lookup.sqlite: the indexes of a release, read-only, for any number of readers at once; index.py asks them.

Writes: source_key, identifier, golden, redirect (SQLite, without rowid, in the order of their keys); by_id.py the rest.
A look-up by source key or identifier takes microseconds here and a scan of a Parquet file there.
"""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import duckdb

from golden_records import by_id
from golden_records.bulk import append
from golden_records.partitions import INDEX, LOOKUP, file_name, index_files
from golden_records.sql import statements
from linkage.workspace import use_entity
from rules.model import Entity

KEYS = """
select $entity, source, source_key,
       coalesce(max(golden_id) filter (where until is null), arg_max(golden_id, since_release)) as golden_id
from crosswalk
where {only}
group by source, source_key
order by source, source_key
"""
GOLDEN = "select golden_id, $entity, lifecycle from golden where {only} order by golden_id"
REDIRECT = """
select golden_id, $entity, kind,
       case when len(successors) = 0 then '[]' else '["' || array_to_string(successors, '", "') || '"]' end
from redirect where {only} order by golden_id"""
IDENTIFIER = "select $entity, field, value, golden_id from {table} where {only} order by field, value, golden_id"
EVERY = "true"
REPLACED = "golden_id in (select golden_id from replaced)"


def index_identifiers(con: duckdb.DuckDBPyConnection, entity: Entity) -> None:
    """Make `identifier`: every clean value and key that a member has in an identifier field, by golden record."""
    con.execute("create or replace table identifier (field varchar, value varchar, golden_id varchar)")
    for name in sorted(name for name, field in entity.fields.items() if field.identifier):
        con.execute(f"insert into identifier {identifier_sql(name)}", {"field": name})


@contextmanager
def indexing(release: Path, before: Path | None = None) -> Iterator[sqlite3.Connection]:
    """The look-up index of a release while it is written in one file: empty, or a copy of that of `before`."""
    path = release / file_name(LOOKUP, 0, 1, INDEX)
    with closing(create_lookup(path, before and before / path.name)) as lookup:
        yield lookup
        by_id.seal(lookup)


@contextmanager
def indexing_beside(
    con: duckdb.DuckDBPyConnection, release: Path, lineage: Mapping[str, Sequence[Path]]
) -> Iterator[Callable[[], None]]:
    """Write the index of a release to one new file while the block does other work; gives what waits for it.

    `lineage` names the entity types, and for each its folders in the releases before.
    """
    with indexing(release) as lookup, ThreadPoolExecutor(1) as beside:
        yield beside.submit(_add_all, lookup, con.cursor(), lineage).result


def _add_all(lookup: sqlite3.Connection, con: duckdb.DuckDBPyConnection, lineage: Mapping[str, Sequence[Path]]) -> None:
    """Index everything, over a connection of one's own."""
    with con:
        for entity, earlier in lineage.items():
            use_entity(con, entity)
            add_keys(lookup, con, entity)
            add_identifiers(lookup, con, entity)
            by_id.add_planned(lookup, con, entity, earlier)


def create_lookup(path: Path, earlier: Path | None = None) -> sqlite3.Connection:
    """A new lookup file, empty or a copy of an earlier one; nothing is spent on transactions.

    Another thread than that which made it may use it, one at a time.
    """
    if earlier is not None:
        shutil.copyfile(earlier, path)
    lookup = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
    for statement in statements("lookup"):
        if earlier is None or statement.startswith("pragma"):
            lookup.execute(statement)
    by_id.create(lookup)
    return lookup


def add_keys(lookup: sqlite3.Connection, con: duckdb.DuckDBPyConnection, entity: str, only: str = EVERY) -> None:
    """Index the source keys (withdrawn ones, too), golden ids and redirects of the current schema."""
    keys = only
    if only != EVERY:
        keys = f"(source, source_key) in (select (source, source_key) from crosswalk where {only})"
    for table, sql in (
        ("source_key", KEYS.format(only=keys)),
        ("golden", GOLDEN.format(only=only)),
        ("redirect", REDIRECT.format(only=only)),
    ):
        _take(lookup, con, table, sql, entity, only)


def add_identifiers(lookup: sqlite3.Connection, con: duckdb.DuckDBPyConnection, entity: str, only: str = EVERY) -> None:
    """Index the identifiers of the current schema."""
    _take(lookup, con, "identifier", IDENTIFIER.format(table="identifier", only=only), entity, only)


def renew(lookup: sqlite3.Connection, con: duckdb.DuckDBPyConnection, entity: str) -> None:
    """Bring the index of the release before up to date: the ids in `replaced`, and the keys that they have or had."""
    ids = con.execute("select golden_id from replaced").fetchall()
    gone = con.execute(IDENTIFIER.format(table="identifier_before", only=EVERY), {"entity": entity}).fetchall()
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


def copy_rows(lookup: sqlite3.Connection, release: Path, tables: Iterable[str]) -> None:
    """Take tables of the index of a release over, whole."""
    for path in index_files(release):
        lookup.execute("attach ? as earlier", (f"{path.resolve().as_uri()}?mode=ro&immutable=1",))
        for table in tables:
            lookup.execute(f"insert into {table} select * from earlier.{table}")
        lookup.execute("detach earlier")


@contextmanager
def gathered(release: Path, tables: Sequence[str]) -> Iterator[Path]:
    """The look-up index of a release in one file; of one in partitions, some tables are put together for a while."""
    files = index_files(release)
    if len(files) == 1:
        yield files[0]
        return
    with TemporaryDirectory() as folder:
        path = Path(folder) / files[0].name
        with closing(create_lookup(path)) as lookup:
            copy_rows(lookup, release, tables)
        yield path


def _take(
    lookup: sqlite3.Connection, con: duckdb.DuckDBPyConnection, table: str, sql: str, entity: str, only: str
) -> None:
    """Put the rows of a query into a table: all into one that has none of them, or some in the place of others."""
    if only == EVERY:
        append(lookup, table, con, sql, {"entity": entity})
    else:
        insert(lookup, table, iter(con.execute(sql, {"entity": entity}).fetchall()))


def insert(lookup: sqlite3.Connection, table: str, rows: Iterator[Sequence[object]]) -> None:
    """Put rows into a table of the index, in the order of its columns."""
    width = len(lookup.execute(f"select * from {table} limit 0").description)
    lookup.execute("begin")
    lookup.executemany(f"insert or replace into {table} values ({', '.join('?' * width)})", rows)
    lookup.execute("commit")
