"""The types that DuckDB and Spark both have, and what stands for those that only DuckDB has.

Reads and writes nothing. Unsigned and 128-bit numbers travel as decimals or as the next larger number, enumerations as
text; a task casts them back, so that the SQL of the rules sees the types that it was written for.
"""

from __future__ import annotations

import duckdb

from rules.columns import quote

# DuckDB's type -> how it travels (DuckDB's name, Spark's name).
TRAVELS = {
    "BOOLEAN": ("BOOLEAN", "boolean"),
    "TINYINT": ("TINYINT", "tinyint"),
    "SMALLINT": ("SMALLINT", "smallint"),
    "INTEGER": ("INTEGER", "int"),
    "BIGINT": ("BIGINT", "bigint"),
    "UTINYINT": ("SMALLINT", "smallint"),
    "USMALLINT": ("INTEGER", "int"),
    "UINTEGER": ("BIGINT", "bigint"),
    "UBIGINT": ("DECIMAL(20,0)", "decimal(20,0)"),
    "HUGEINT": ("DECIMAL(38,0)", "decimal(38,0)"),
    "FLOAT": ("FLOAT", "float"),
    "DOUBLE": ("DOUBLE", "double"),
    "VARCHAR": ("VARCHAR", "string"),
    "VARCHAR[]": ("VARCHAR[]", "array<string>"),
    "DATE": ("DATE", "date"),
}


def described(con: duckdb.DuckDBPyConnection, query: str) -> dict[str, str]:
    """The columns of a query and their types in DuckDB."""
    return {str(name): str(sql_type) for name, sql_type, *_ in con.execute(f"describe {query}").fetchall()}


def travels(sql_type: str) -> tuple[str, str]:
    """How a type of DuckDB travels: as which of DuckDB's and which of Spark's."""
    return ("VARCHAR", "string") if sql_type.startswith("ENUM") else TRAVELS[sql_type]


def handed_sql(con: duckdb.DuckDBPyConnection, query: str) -> str:
    """SQL: a query with every column in the type in which it travels."""
    return travelling_sql(query, described(con, query))


def travelling_sql(query: str, columns: dict[str, str]) -> str:
    """The same where the columns of the query and their types are known."""
    said = ", ".join(f"{quote(name)}::{travels(one)[0]} as {quote(name)}" for name, one in columns.items())
    return f"select {said} from ({query})"


def schema(columns: dict[str, str]) -> str:
    """Spark's schema of columns with DuckDB's types."""
    return ", ".join(f"`{name}` {travels(one)[1]}" for name, one in columns.items())
