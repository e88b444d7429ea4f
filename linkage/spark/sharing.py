"""Deals tables of the work database out to tasks, so that one gets all rows of a share, and takes the results back.

Reads: queries of the work database with a column `share`. Writes (Parquet): a table per query, and one of all results.

What is a function of the rows of a share is worked out by the statements of one machine, in the DuckDB of the task.
Rows of several tables travel as one: `what` is the number of the table, and the columns of each are a struct.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import reduce
from typing import TYPE_CHECKING, Any

import duckdb
import pyarrow as pa
import pyarrow.compute as pc

from linkage.spark.shelf import Shelf
from linkage.spark.types import described, schema, travels
from rules.columns import quote

if TYPE_CHECKING:
    from pyspark.sql import DataFrame
    from pyspark.sql.types import StructField

ROWS = 500_000  # of all tables together that a task gets, about
SHARE, WHAT, RESULT = "share", "what", "result"
Batches = Iterator[pa.RecordBatch]
Types = Mapping[str, Mapping[str, str]]  # table -> column -> type in DuckDB


def share(
    con: duckdb.DuckDBPyConnection,
    shelf: Shelf,
    queries: Mapping[str, str],
    task: Callable[[Batches], Batches],
    results: Types,
) -> None:
    """Run `task` on every share of what the queries give; it gives rows of the tables `results` (see `pack`)."""
    handed = {name: shelf.handed(name, con, query) for name, query in queries.items()}
    count = sum(con.execute(f"select count(*) from {shelf.files(name)}").fetchall()[0][0] for name in queries)
    shelf.make(RESULT, lambda: _dealt(handed, count).mapInArrow(task, _schema(results)))


def each_alone(
    con: duckdb.DuckDBPyConnection,
    shelf: Shelf,
    name: str,
    query: str,
    count: int,
    task: Callable[[int, Batches], Batches],
    result: Mapping[str, str],
) -> pa.Table:
    """Run `task` once for every share of 0 … `count` - 1 of what the query gives, those without rows included;
    gives what they said, in no order."""
    frame = shelf.handed(name, con, query).repartitionById(count, SHARE)
    return frame.mapInArrow(_Numbered(task), schema(dict(result))).toArrow()


@dataclass(frozen=True)
class _Numbered:
    """Tells a task which share it has."""

    task: Callable[[int, Batches], Batches]

    def __call__(self, batches: Batches) -> Batches:
        from pyspark import TaskContext

        context = TaskContext.get()
        assert context is not None, "a task runs in Spark"
        return self.task(context.partitionId(), batches)


def take(con: duckdb.DuckDBPyConnection, shelf: Shelf, results: Types, name: str) -> None:
    """Make one of the tables of results in the work database."""
    con.execute(f"create or replace table {quote(name)} as {_result_sql(shelf, results, name)}")


def rows_of(con: duckdb.DuckDBPyConnection, shelf: Shelf, results: Types, name: str) -> list[tuple[Any, ...]]:
    """The rows of one of the tables of results, in one order."""
    return con.execute(f"from ({_result_sql(shelf, results, name)}) order by all").fetchall()


def _result_sql(shelf: Shelf, results: Types, name: str) -> str:
    """SQL of one of the tables of results."""
    columns = ", ".join(f"{quote(one)}::{kind} as {quote(one)}" for one, kind in results[name].items())
    found = f"select unnest({quote(name)}) from {shelf.files(RESULT)} where {WHAT} = {list(results).index(name)}"
    return f"select {columns} from ({found})"


def unpack(con: duckdb.DuckDBPyConnection, batches: Batches, tables: Types) -> bool:
    """Make the tables of a share in the DuckDB of its task; false where it has no rows. `share` is a column of each."""
    held = [batch for batch in batches if batch.num_rows]
    if not held:
        return False
    whole = pa.Table.from_batches(held)
    for i, (name, types) in enumerate(tables.items()):
        mine = whole.filter(pc.equal(whole.column(WHAT), i)).select([SHARE, name])
        columns = ", ".join(f"{quote(name)}.{quote(one)}::{kind} as {quote(one)}" for one, kind in types.items())
        con.register("incoming", mine)
        con.execute(f"create table {quote(name)} as select {SHARE}, {columns} from incoming")
        con.unregister("incoming")
    return True


def pack(con: duckdb.DuckDBPyConnection, results: Types) -> Batches:
    """The rows of the tables of results in the DuckDB of a task, as they travel."""
    parts = [
        f"select {i}::integer as {WHAT}, "
        + ", ".join(
            f"{_struct(name, types)} as {quote(other)}" if other == name else f"null as {quote(other)}"
            for other in results
        )
        + f" from {quote(name)}"
        for i, (name, types) in enumerate(results.items())
    ]
    yield from con.sql(" union all ".join(parts)).to_arrow_table().to_batches()


def types_of(con: duckdb.DuckDBPyConnection, queries: Mapping[str, str]) -> dict[str, dict[str, str]]:
    """The columns of queries but `share`, with their types."""
    found = {name: described(con, query) for name, query in queries.items()}
    return {name: {one: kind for one, kind in types.items() if one != SHARE} for name, types in found.items()}


def _struct(name: str, types: Mapping[str, str]) -> str:
    return (
        "{" + ", ".join(f"'{one}': {quote(name)}.{quote(one)}::{travels(kind)[0]}" for one, kind in types.items()) + "}"
    )


def _schema(results: Types) -> str:
    structs = ", ".join(
        f"`{name}` struct<{schema(dict(types)).replace('` ', '`: ')}>" for name, types in results.items()
    )
    return f"{WHAT} int, {structs}"


def _dealt(handed: Mapping[str, DataFrame], count: int) -> DataFrame:
    """The rows of all tables, those of a share side by side.

    Said in SQL: every column that is made from Python is several calls of the JVM of the driver, and every table has
    those of all others.
    """
    columns = {name: [one for one in frame.schema if one.name != SHARE] for name, frame in handed.items()}
    nothing = {name: _nothing(fields) for name, fields in columns.items()}
    parts: list[DataFrame] = []
    for i, (name, frame) in enumerate(handed.items()):
        mine = f"struct({', '.join(_quoted(one.name) for one in columns[name])})"
        said = [f"{mine if other == name else nothing[other]} as {_quoted(other)}" for other in handed]
        parts.append(frame.selectExpr(SHARE, f"{i} as {WHAT}", *said))
    whole = reduce(lambda one, other: one.union(other), parts)
    shares = max(-(-count // ROWS), whole.sparkSession.sparkContext.defaultParallelism)
    return whole.repartition(shares, SHARE)


def _nothing(fields: Sequence[StructField]) -> str:
    """SQL: a null in the place of a struct of such columns."""
    return f"cast(null as struct<{', '.join(f'{_quoted(one.name)}: {one.dataType.simpleString()}' for one in fields)}>)"


def _quoted(name: str) -> str:
    """A name in Spark's SQL."""
    return "`" + name.replace("`", "``") + "`"
