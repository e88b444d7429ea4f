"""Joins what records say to whom they say it of, on Spark where there is much: some keys in every task.

Reads: tables of one statement (see relations.py). Writes: relation.

What a rule says of two ends is one relation from the first day to the last, and earliest, latest and first said are
alike in whichever order and in however many parts they are found. So a task may tell what its keys say of two ends, and
`relation_once.sql` puts together what several tell.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import duckdb

from linkage.spark import sharing
from linkage.spark.sharing import SHARE, Batches, Types
from linkage.spark.shelf import Shelf
from linkage.spark.tasks import connection

FEW = 100_000  # versions of records that one machine joins in the time in which Spark starts to
JOINED = "joined"


@dataclass(frozen=True)
class Statement:
    """The relations of one rule: SQL over a few tables, each SQL of its own. Only rows that agree in `keys` meet."""

    tables: Mapping[str, str]
    keys: tuple[str, ...]
    sql: str

    @property
    def whole(self) -> str:
        """One statement over the tables of the work database."""
        return f"with {', '.join(f'{name} as ({sql})' for name, sql in self.tables.items())} {self.sql}"


@dataclass(frozen=True)
class Joining:
    """Works out the relations of some keys."""

    sql: str
    tables: Types
    results: Types

    def __call__(self, batches: Batches) -> Batches:
        con = connection()
        if sharing.unpack(con, batches, self.tables):
            con.execute(f"create table {JOINED} as {self.sql}")
            yield from sharing.pack(con, self.results)


def join_far(con: duckdb.DuckDBPyConnection, shelf: Shelf, statement: Statement) -> None:
    """Add the relations of a rule to `relation`."""
    key = f"(hash({', '.join(statement.keys)}) >> 1)::bigint"
    queries = {name: f"select {key} as {SHARE}, * from ({sql})" for name, sql in statement.tables.items()}
    results = sharing.types_of(con, {JOINED: f"select * from ({statement.whole})"})
    task = Joining(statement.sql, sharing.types_of(con, queries), results)
    sharing.share(con, shelf, queries, task, results)
    sharing.take(con, shelf, results, JOINED)
    con.execute(f"insert into relation by name from {JOINED}")
    con.execute(f"drop table {JOINED}")
