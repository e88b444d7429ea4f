"""Compares two releases row for row, table by table: as multisets, for a table on disk has no order of its own.

Reads: the tables, the look-up index and the manifest of both. The match index, an index of the work database, is left
out: records are numbered in it in the order of loading, and nothing published is a function of that.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb

from golden_records.lookup import gathered
from golden_records.manifest import read_manifest
from golden_records.masking import mask_row
from golden_records.segments import has_table, table_sql
from rules.columns import quote
from rules.model import Rules

INDEXES = ("source_key", "identifier", "golden", "redirect")
SHOWN = 3
Row = dict[str, Any]


@dataclass(frozen=True)
class Compared:
    """One table: its rows here and there, those that only one side has, and the first of these, masked.

    `entity` is empty for the look-up index and the manifest.
    """

    entity: str
    table: str
    rows: int
    replayed: int
    only_released: int
    only_replayed: int
    first_released: tuple[Row, ...] = ()
    first_replayed: tuple[Row, ...] = ()

    @property
    def equal(self) -> bool:
        """Whether both have the same rows."""
        return not self.only_released and not self.only_replayed


def compare(released: Path, replayed: Path, rules: Rules, tables: tuple[str, ...]) -> list[Compared]:
    """Compare the release in `released` with what a replay wrote to `replayed`."""
    found = [_facts(released, replayed)]
    names = sorted({*read_manifest(released).entities, *read_manifest(replayed).entities})
    with duckdb.connect() as con:
        for name in names:
            sides = released / name, replayed / name
            for table in tables:
                if any(has_table(side, table) for side in sides):
                    found.append(_table(con, rules, name, table, sides))
    with (
        gathered(released, INDEXES) as ours,
        gathered(replayed, INDEXES) as theirs,
        closing(sqlite3.connect(f"{ours.resolve().as_uri()}?mode=ro&immutable=1", uri=True)) as db,
    ):
        db.execute("attach ? as replayed", (f"{theirs.resolve().as_uri()}?mode=ro&immutable=1",))
        found += [_index(db, rules, table) for table in INDEXES]
    return found


def _facts(released: Path, replayed: Path) -> Compared:
    """The last serials, the counts and the numbers of events that the manifests tell."""
    told = [dict(_told(folder)) for folder in (released, replayed)]
    ours, theirs = (set(one.items()) for one in told)
    rows = [sorted(one, key=str) for one in (ours - theirs, theirs - ours)]
    first = [tuple({"fact": fact, "value": value} for fact, value in side[:SHOWN]) for side in rows]
    return Compared("", "manifest", len(ours), len(theirs), len(rows[0]), len(rows[1]), first[0], first[1])


def _told(folder: Path) -> Iterator[tuple[str, int]]:
    manifest = read_manifest(folder)
    yield from (("first_seq", manifest.first_seq), ("next_seq", manifest.next_seq))
    for name, one in manifest.entities.items():
        for fact in ("serial", "golden", "records"):
            yield f"{name}: {fact}", getattr(one, fact)
        yield from ((f"{name}: {kind}", count) for kind, count in one.events.items())


def _table(con: duckdb.DuckDBPyConnection, rules: Rules, entity: str, table: str, sides: tuple[Path, Path]) -> Compared:
    """Compare a table; what one side lacks, columns too, is null there."""
    columns = [_columns(con, side, table) for side in sides]
    types = columns[1] | columns[0]
    for view, folder, held in zip(("ours", "theirs"), sides, columns, strict=True):
        told = ", ".join(quote(c) if c in held else f"null::{types[c]} as {quote(c)}" for c in types)
        rows = f"from {table_sql(folder, table)}" if held else "where false"
        con.execute(f"create or replace temp view {view} as select {told} {rows}")
    counts = con.execute("select (select count(*) from ours), (select count(*) from theirs)").fetchall()[0]
    only, first = [], []
    for one, other in (("ours", "theirs"), ("theirs", "ours")):
        con.execute(f"create or replace temp table lone as from {one} except all from {other}")
        only.append(con.execute("select count(*) from lone").fetchall()[0][0])
        found = con.execute(f"from lone order by all limit {SHOWN}").fetchall()
        known = rules.entities[entity].entity
        first.append(tuple(mask_row(known, table, dict(zip(types, row, strict=True))) for row in found))
    return Compared(entity, table, counts[0], counts[1], only[0], only[1], first[0], first[1])


def _columns(con: duckdb.DuckDBPyConnection, folder: Path, table: str) -> dict[str, str]:
    """The columns of a table and their types; none where there is no such table."""
    if not has_table(folder, table):
        return {}
    return {row[0]: row[1] for row in con.execute(f"describe select * from {table_sql(folder, table)}").fetchall()}


def _index(db: sqlite3.Connection, rules: Rules, table: str) -> Compared:
    """Compare a table of the look-up index; each has a primary key, so its rows are a set."""
    counts, only, first = [], [], []
    for one, other in (("main", "replayed"), ("replayed", "main")):
        counts.append(db.execute(f"select count(*) from {one}.{table}").fetchone()[0])
        lone = f"select * from {one}.{table} except select * from {other}.{table}"
        only.append(db.execute(f"select count(*) from ({lone})").fetchone()[0])
        found = db.execute(f"{lone} limit {SHOWN}")
        names = [column[0] for column in found.description]
        rows = [dict(zip(names, row, strict=True)) for row in found]
        first.append(tuple(mask_row(rules.entities[row["entity"]].entity, "", row) for row in rows))
    return Compared("", f"look-up: {table}", counts[0], counts[1], only[0], only[1], first[0], first[1])
