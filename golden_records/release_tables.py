"""The tables of a release: their columns, their order, and how one is written.

Reads: the tables of an entity type in the work database. Writes: Parquet.
"""

from __future__ import annotations

from pathlib import Path

import duckdb

from golden_records.partitions import file_name
from golden_records.rows_of import ROW_GROUP
from rules.kinds.base import literal

# In provenance the record is named by (source, source_key): its number in the work database depends on the order of
# loading.
TABLES = {
    "golden": ("*", "golden_id"),
    "provenance": ("* exclude (g, record_id)", "golden_id, field, valid_from, source, source_key"),
    "dispute": ("*", "golden_id, field, source, source_key"),
    "crosswalk": ("*", "golden_id, source, source_key, since_release"),
    "redirect": ("*", "golden_id"),
    "relation": ("*", "from_id, type, to_id, to_name, since"),
    "state": ("*", "golden_id, since nulls first"),
    "change": ("*", "seq"),
    "quality": ("*", "all"),
    "census": ("*", "all"),
    "level": ("*", "all"),
}


def select_sql(table: str, where: str = "true") -> str:
    """SQL of the rows of a table of the work database as they are published."""
    columns, order = TABLES[table]
    return f"select {columns} from {table} where {where} order by {order}"


def write_tables(con: duckdb.DuckDBPyConnection, folder: Path, tables: tuple[str, ...] = tuple(TABLES)) -> None:
    """Write tables of the current schema, each to one file."""
    for table in tables:
        write_table(con, select_sql(table), folder / file_name(table, 0, 1))


def write_table(con: duckdb.DuckDBPyConnection, select: str, path: Path) -> None:
    """Write what a query gives to a file of a table."""
    size = ROW_GROUP if path.name.startswith("provenance") else 30720
    con.execute(f"copy ({select}) to {literal(str(path))} (format parquet, compression zstd, row_group_size {size})")
