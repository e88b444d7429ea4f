"""Writes what is large of a release on Spark: a partition of a table, or of the look-up index, in every task.

Reads: the tables of a plan. Writes: the files of partitions (see partitions.py), with their hashes, into the folder of
the release, which driver and executors see.

A file is written beside and comes to its place by one rename, so a task that is done again changes nothing. A table
that fits one partition is written where the plan is, as on one machine.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory, mkdtemp

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq

from golden_records import by_id
from golden_records.lookup import EVERY, GOLDEN, IDENTIFIER, KEYS, REDIRECT, create_lookup, insert
from golden_records.manifest import Written, file_sha256
from golden_records.partitions import INDEX, LOOKUP, TABLE, file_name, partition_sql
from golden_records.release_tables import TABLES, select_sql, write_table
from golden_records.segments import KEYS as OWNERS
from golden_records.segments import has_table, table_sql
from linkage.spark import sharing
from linkage.spark.sharing import SHARE, Batches
from linkage.spark.shelf import Shelf
from linkage.spark.tasks import connection
from linkage.spark.types import described
from linkage.sql import number
from rules.columns import quote
from rules.kinds.base import literal

ROWS = 1_000_000  # of a table, or of the index, in one partition, about
ARRIVING = ".arriving"  # folder of a release in which tasks write
PARTITIONED = OWNERS | {"change": "golden_id"}  # the tables that grow with the ids, and the column that names one
WRITTEN = {"path": "VARCHAR", "rows": "BIGINT", "bytes": "BIGINT", "sha256": "VARCHAR"}
# Of every table of the index: the columns by which a row of it is looked up.
LOOKED_UP = {
    "source_key": (2,),
    "identifier": (2,),
    "golden": (0,),
    "redirect": (0,),
    "member": (0,),
    "relation": (1, 3),
    "state": (0,),
    "dispute": (0,),
    "event": (0,),
}


@dataclass(frozen=True)
class WritingTable:
    """Writes the file of one partition of a table. `types` are those of its columns."""

    release: Path
    entity: str
    table: str
    count: int
    types: Mapping[str, str]

    def __call__(self, partition: int, batches: Batches) -> Batches:
        con = connection()
        _fill(con, self.table, self.types, batches)
        select = f"select * from {self.table} order by {TABLES[self.table][1]}"
        path = f"{self.entity}/{file_name(self.table, partition, self.count, TABLE)}"
        yield _written(self.release, path, lambda scratch: write_table(con, select, scratch))


@dataclass(frozen=True)
class WritingIndex:
    """Writes the file of one partition of the look-up index. A row: the number of its table, its values as text."""

    release: Path
    count: int
    types: Mapping[str, str]

    def __call__(self, partition: int, batches: Batches) -> Batches:
        con = connection()
        _fill(con, "told", self.types, batches)

        def write(scratch: Path) -> None:
            with closing(create_lookup(scratch)) as lookup:
                for what, table in enumerate(LOOKED_UP):
                    rows = con.execute("select distinct v from told where what = ? order by v", [what])
                    insert(lookup, table, (row[0] for row in _each(rows)))
                by_id.seal(lookup)

        yield _written(self.release, file_name(LOOKUP, partition, self.count, INDEX), write)


def write_tables_far(con: duckdb.DuckDBPyConnection, shelf: Shelf, release: Path, entity: str) -> list[Written]:
    """Write the tables of the current schema; gives the files that tasks wrote."""
    found = []
    for table in TABLES:
        count = -(-number(con, f"select count(*) from {table}") // ROWS) if table in PARTITIONED else 1
        if count > 1:
            columns = f"select {TABLES[table][0]} from {table}"
            task = WritingTable(release, entity, table, count, described(con, columns))
            query = f"select {partition_sql(PARTITIONED[table], count)} as {SHARE}, * from ({columns})"
            found += _run(con, shelf, table, query, task)
        else:
            write_table(con, select_sql(table), release / entity / file_name(table, 0, 1))
    return found


def index_partitions(con: duckdb.DuckDBPyConnection, entities: Sequence[str]) -> int:
    """How many partitions the look-up index of the entity types is to have."""
    read = ("crosswalk", "crosswalk", "golden", "redirect", "relation", "relation", "state", "dispute", "change")
    counts = [
        number(con, f"select count(*) from {quote(entity)}.{table}")
        for entity in entities
        for table in (*read, "identifier")
    ]
    return max(1, -(-sum(counts) // ROWS))


def write_index_far(
    con: duckdb.DuckDBPyConnection, shelf: Shelf, release: Path, count: int, told: Mapping[str, Sequence[Path]]
) -> list[Written]:
    """Write the look-up index in `count` partitions; gives their files.

    `told` are the entity types, each with its folders in the releases before, of which the events are indexed, too.
    """
    rows = [
        f"select {partition_sql(f'v[{key + 1}]', count)} as {SHARE}, {what} as what, v from ({query}) "
        f"where v[{key + 1}] is not null"
        for entity, before in told.items()
        for table, query in _index_sqls(con, entity, before)
        for what, keys in [(list(LOOKED_UP).index(table), LOOKED_UP[table])]
        for key in keys
    ]
    types = {"what": "INTEGER", "v": "VARCHAR[]"}
    return _run(con, shelf, "index", " union all ".join(rows), WritingIndex(release, count, types))


def _index_sqls(con: duckdb.DuckDBPyConnection, entity: str, before: Sequence[Path]) -> Iterator[tuple[str, str]]:
    """By table of the index, SQL of its rows of an entity type, each a list of its values as text."""
    keys = {
        "source_key": ("crosswalk", KEYS),
        "golden": ("golden", GOLDEN),
        "redirect": ("redirect", REDIRECT),
        "identifier": ("identifier", IDENTIFIER.format(table="identifier", only=EVERY)),
    }
    for target, (table, sql) in keys.items():
        yield target, _as_text(con, f"with {table} as (from {quote(entity)}.{table}) {sql.format(only=EVERY)}", entity)
    for table, (target, sql) in by_id.ROWS.items():
        yield target, _as_text(con, f"with t as (from {quote(entity)}.{table}) {sql}", entity)
    changes = [table_sql(folder, "change") for folder in before if has_table(folder, "change")]
    changes.append(f"(from {quote(entity)}.change)")
    yield "event", _as_text(con, f"with t as ({' union all by name '.join(changes)}) {by_id.CHANGE}", entity)


def _as_text(con: duckdb.DuckDBPyConnection, query: str, entity: str) -> str:
    said = query.replace("$entity", literal(entity))
    names = [f"c{i}" for i in range(len(con.execute(f"describe {said}").fetchall()))]
    values = ", ".join(f"{name}::varchar" for name in names)
    return f"select [{values}] as v from ({said}) as q({', '.join(names)})"


def _run(
    con: duckdb.DuckDBPyConnection, shelf: Shelf, name: str, query: str, task: WritingTable | WritingIndex
) -> list[Written]:
    """Run a task for every partition; gives the files that they wrote."""
    arriving = task.release / ARRIVING
    arriving.mkdir(mode=0o700, exist_ok=True)
    told = sharing.each_alone(con, shelf, name, query, task.count, task, WRITTEN)
    shutil.rmtree(arriving)
    return [Written(**row) for row in told.to_pylist()]


def _fill(con: duckdb.DuckDBPyConnection, table: str, types: Mapping[str, str], batches: Batches) -> None:
    """Make the table of a task of the rows that it gets, none included."""
    con.execute(f"create table {table} ({', '.join(f'{quote(name)} {kind}' for name, kind in types.items())})")
    for batch in batches:
        con.register("incoming", batch)
        con.execute(f"insert into {table} by name select * exclude ({SHARE}) from incoming")
        con.unregister("incoming")


def _written(release: Path, path: str, write: Callable[[Path], None]) -> pa.RecordBatch:
    """Write a file on this machine, bring it into the release, and say what it is."""
    place = release / path
    with TemporaryDirectory() as near:
        local = Path(near) / place.name
        write(local)
        rows = pq.read_metadata(local).num_rows if place.suffix == TABLE else 0
        said = {"path": path, "rows": rows, "bytes": local.stat().st_size, "sha256": file_sha256(local)}
        far = Path(mkdtemp(dir=release / ARRIVING)) / place.name
        shutil.copyfile(local, far)
        os.replace(far, place)
    return pa.RecordBatch.from_pylist([said])


def _each(rows: duckdb.DuckDBPyConnection) -> Iterator[tuple[list[str]]]:
    while some := rows.fetchmany(100_000):
        yield from some
