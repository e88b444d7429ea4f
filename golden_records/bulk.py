"""Puts many rows into a table of SQLite without making a Python object of any of them."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping

import duckdb
import pyarrow as pa
from adbc_driver_manager import Error as AdbcError
from adbc_driver_sqlite import dbapi

BATCH = 100_000


def append(
    db: sqlite3.Connection, table: str, con: duckdb.DuckDBPyConnection, sql: str, values: Mapping[str, object]
) -> None:
    """Put the rows of a query into a table that has none of them, in the order of its columns.

    `db` is in no transaction. Nothing is spent on safety: a file that is not written whole is thrown away.

    Raises:
        sqlite3.OperationalError: the file cannot be written.
    """
    path = db.execute("pragma database_list").fetchone()[2]
    rows: pa.RecordBatchReader = con.sql(sql, params=dict(values)).to_arrow_reader(BATCH)
    names = [name for name, *_ in db.execute(f"select * from {table} limit 0").description]
    schema = pa.schema([field.with_name(name) for name, field in zip(names, rows.schema, strict=True)])
    named = (pa.RecordBatch.from_arrays(batch.columns, schema=schema) for batch in rows)
    try:
        with dbapi.connect(path, autocommit=True) as writer, writer.cursor() as cursor:
            for pragma in ("journal_mode", "synchronous"):
                cursor.execute(f"pragma {pragma} = off")
                cursor.fetchall()  # else it is not executed
            cursor.adbc_ingest(table, pa.RecordBatchReader.from_batches(schema, named), mode="append")
    except AdbcError as error:
        raise sqlite3.OperationalError(str(error)) from error
