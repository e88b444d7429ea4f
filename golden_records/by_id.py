"""What is asked of a release by golden id, in its look-up index: microseconds there, milliseconds in Parquet.

Reads: the tables of a release, on disk or in the work database. Writes: member, relation, event, state, dispute (see
sql/by_id.sql).

Values stay in Parquet, where they take a tenth of the room. A release that was written without these tables is asked
in Parquet; the next one of it has them whole.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator
from pathlib import Path

import duckdb

from golden_records.bulk import append
from golden_records.segments import KEYS, has_table, table_sql
from golden_records.sql import statements
from linkage.sql import aside

VERSION = 1  # kept in the file's user_version once all tables are whole
EVENT = "seq, golden_id, kind, into_id, release, t.at::varchar"
# Of every table of a release that is indexed: the table here, and its rows as SQL over the release's, in their order.
ROWS = {
    "crosswalk": (
        "member",
        "select distinct golden_id, source, source_key from t where until is null order by all",
    ),
    "relation": (
        "relation",
        "select $entity, from_id, type, to_id, to_name, since::varchar, until::varchar, source, source_key from t "
        "order by from_id, type, to_id, to_name, since, source, source_key",
    ),
    "state": (
        "state",
        "select golden_id, row_number() over (partition by golden_id order by since nulls first, source, source_key), "
        "state, since::varchar, until::varchar, event, source, source_key from t order by 1, 2",
    ),
    "dispute": (
        "dispute",
        "select golden_id, row_number() over (partition by golden_id order by field, source, source_key, said), "
        "field, source, source_key, said, observed_on::varchar from t order by 1, 2",
    ),
}
CHANGE = (
    f"select golden_id, {EVENT} from t union all "
    f"select into_id, {EVENT} from t where into_id is not null and into_id <> golden_id order by 1, 2"
)


def create(lookup: sqlite3.Connection) -> None:
    """Make the tables where they are missing."""
    for statement in statements("by_id"):
        lookup.execute(statement)


def is_whole(lookup: sqlite3.Connection) -> bool:
    """Whether the tables hold everything about every id."""
    return int(lookup.execute("pragma user_version").fetchone()[0]) >= VERSION


def seal(lookup: sqlite3.Connection) -> None:
    """Say that the tables hold everything."""
    lookup.execute(f"pragma user_version = {VERSION}")


def add_whole(lookup: sqlite3.Connection, entity: str, folder: Path, lineage: Iterable[Path]) -> None:
    """Index an entity type: its tables in `folder`, and its events in the folders of all releases, oldest first."""
    with aside() as con:
        for table in ROWS:
            if has_table(folder, table):
                _add(lookup, con, table, table_sql(folder, table), entity)
        for release in lineage:
            add_events(lookup, con, release)


def add_planned(
    lookup: sqlite3.Connection, con: duckdb.DuckDBPyConnection, entity: str, lineage: Iterable[Path]
) -> None:
    """Index what the work database holds of the entity type of the current schema, and the events in the folders of
    all releases before, oldest first."""
    for table in ROWS:
        _add(lookup, con, table, f"(from {table})", entity)
    for release in lineage:
        add_events(lookup, con, release)
    append(lookup, "event", con, f"with t as (from change) {CHANGE}", {})


def renew(lookup: sqlite3.Connection, con: duckdb.DuckDBPyConnection, entity: str, folder: Path) -> None:
    """Bring the index of the release before up to date: the ids in `replaced`, as `folder` has them, and the events."""
    ids = con.execute("select golden_id from replaced").fetchall()
    for table, (target, _) in ROWS.items():
        key = KEYS[table]
        _in_one(lookup, f"delete from {target} where {key} = ?", iter(ids))
        if ids and has_table(folder, table):
            _add(lookup, con, table, table_sql(folder, table, "replaced"), entity)
    add_events(lookup, con, folder)


def add_events(lookup: sqlite3.Connection, con: duckdb.DuckDBPyConnection, folder: Path) -> None:
    """Index the events that one release tells of an entity type."""
    if has_table(folder, "change"):
        append(lookup, "event", con, f"with t as {table_sql(folder, 'change')} {CHANGE}", {})


def _add(lookup: sqlite3.Connection, con: duckdb.DuckDBPyConnection, table: str, rows_sql: str, entity: str) -> None:
    target, sql = ROWS[table]
    append(lookup, target, con, f"with t as {rows_sql} {sql}", {"entity": entity} if "$entity" in sql else {})


def _in_one(lookup: sqlite3.Connection, sql: str, rows: Iterator[tuple[object, ...]]) -> None:
    lookup.execute("begin")
    lookup.executemany(sql, rows)
    lookup.execute("commit")
