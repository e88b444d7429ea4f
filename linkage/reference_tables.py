"""Reference tables in memory, for who reads a single text without SQL (`Kind.usual`)."""

from __future__ import annotations

from bisect import bisect_left

import duckdb
import pyarrow as pa

from rules.columns import quote


class ReferenceTables:
    """The reference tables of a database by their first columns."""

    def __init__(self, con: duckdb.DuckDBPyConnection) -> None:
        self._con = con
        self._read: dict[str, tuple[pa.Table, dict[str, tuple[int, ...]]]] = {}
        self._ordered: dict[str, list[str]] = {}

    def rows(self, table: str, first: str) -> list[dict[str, str | None]]:
        """The rows with such a first column."""
        read, at = self._table(table)
        found: list[dict[str, str | None]] = [row for i in at.get(first, ()) for row in read.slice(i, 1).to_pylist()]
        return found

    def begun(self, table: str, start: str) -> bool:
        """Whether the first column of any row begins so."""
        if table not in self._ordered:
            self._ordered[table] = sorted(self._table(table)[1])
        ordered = self._ordered[table]
        at = bisect_left(ordered, start)
        return at < len(ordered) and ordered[at].startswith(start)

    def _table(self, name: str) -> tuple[pa.Table, dict[str, tuple[int, ...]]]:
        if name not in self._read:
            read = self._con.sql(f"from reference.{quote(name)}").to_arrow_table()
            at: dict[str, tuple[int, ...]] = {}
            for i, first in enumerate(read.column(0).to_pylist()):
                at[first] = (*at.get(first, ()), i)
            self._read[name] = read, at
        return self._read[name]
