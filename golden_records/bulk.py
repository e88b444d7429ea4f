"""Puts many rows into a table of SQLite without making a Python object of any of them."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping

import adbc_driver_manager as adbc
import adbc_driver_sqlite
import duckdb
import pyarrow as pa

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
        # The plain interface of the driver: its DB-API brings pandas and polars along.
        with adbc_driver_sqlite.connect(path) as file, adbc.AdbcConnection(file) as writer:
            for pragma in ("journal_mode", "synchronous"):
                with adbc.AdbcStatement(writer) as statement:
                    statement.set_sql_query(f"pragma {pragma} = off")
                    statement.execute_update()
            with adbc.AdbcStatement(writer) as statement:
                options = adbc.StatementOptions
                statement.set_options(
                    **{options.INGEST_TARGET_TABLE.value: table, options.INGEST_MODE.value: "adbc.ingest.mode.append"}
                )
                statement.bind_stream(pa.RecordBatchReader.from_batches(schema, named))
                statement.execute_update()
    except adbc.Error as error:
        raise sqlite3.OperationalError(str(error)) from error
