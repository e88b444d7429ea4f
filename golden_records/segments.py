"""The tables of a release on disk: a base, and what later releases put in the place of some of its rows.

    <table>.parquet            the base, in one file or in partitions (see partitions.py)
    <table>.<n>.parquet        the rows that release n has of the ids it replaced
    replaced.<n>.parquet       the ids of which release n replaced every row, in all of these tables

A row counts unless its id was replaced later. The files of earlier releases are linked, not copied: a release is a
folder of its own, and what it shares with others takes no room. Every reader gets a table from `table_sql`.
"""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from golden_records.partitions import files_of
from rules.kinds.base import literal

# The tables of which a release may replace some rows, and the column that names whose they are.
KEYS = {
    "golden": "golden_id",
    "provenance": "golden_id",
    "dispute": "golden_id",
    "crosswalk": "golden_id",
    "redirect": "golden_id",
    "relation": "from_id",
    "state": "golden_id",
}
REPLACED = "replaced"


def table_sql(folder: Path, table: str, of: str | None = None) -> str:
    """SQL of a table, in brackets, of the release's folder of an entity type.

    `of`, a table of golden ids, asks for what it holds of them alone: what was replaced is not looked for in the base.
    """
    files = ", ".join(literal(str(path)) for path in files_of(folder, table))
    base = f"select * from read_parquet([{files}])"
    key = KEYS.get(table)
    replaced = segments(folder, REPLACED) if key else []
    if not replaced:
        return f"({base} where {key} in (select golden_id from {of}))" if of else f"({base})"
    ids = " union all ".join(
        f"select golden_id as {key}, {n} as segment from read_parquet({literal(str(path))})" for n, path in replaced
    )
    wanted = ""
    if of:
        base += f" where {key} in (select golden_id from {of} where golden_id not in (select {key} from ({ids})))"
        wanted = f" where {key} in (select golden_id from {of})"
    rows = "".join(
        f" union all by name select *, {n} as segment from read_parquet({literal(str(path))}){wanted}"
        for n, path in segments(folder, table)
    )
    return (
        f"(select t.* exclude (segment) from (select *, 0 as segment from ({base}){rows}) as t left join "
        f"(select {key}, max(segment) as last from ({ids}) group by {key}) as r on r.{key} = t.{key} "
        "where r.last is null or t.segment >= r.last)"
    )


def has_table(folder: Path, table: str) -> bool:
    """Whether the release's folder of an entity type has a table."""
    return any(path.exists() for path in files_of(folder, table))


def table_of(path: Path) -> str:
    """The table of which a file is the base, or a part of it."""
    return path.name.partition(".")[0].partition("-")[0]


def segments(folder: Path, table: str) -> list[tuple[int, Path]]:
    """The later files of a table, each with the release that wrote it, oldest first."""
    found = [(path.name.split("."), path) for path in folder.glob(f"{table}.*.parquet")]
    return sorted((int(parts[1]), path) for parts, path in found if len(parts) == 3 and parts[1].isdigit())


def link_file(source: Path, target: Path) -> None:
    """Have a file of an earlier release in a new one; where the file system has no links it is copied."""
    try:
        os.link(source, target)
    except OSError:
        shutil.copy2(source, target)
