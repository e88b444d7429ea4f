"""The static SQL of linkage: one file per table, each statement ended by `;` at the end of a line."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from importlib.resources import files

import duckdb

_NAMED = re.compile(r"\$([a-z_]+)")
_END = re.compile(r";[ \t]*(?:\n|$)")


@cache
def statements(name: str) -> tuple[str, ...]:
    """The statements of `sql/<name>.sql` in order."""
    text = files(__package__).joinpath(f"{name}.sql").read_text("utf-8")
    return tuple(part.strip() for part in _END.split(text) if part.strip())


def run(con: duckdb.DuckDBPyConnection, name: str, **values: object) -> None:
    """Run every statement of `sql/<name>.sql`, each with those of `values` that it names as `$value`."""
    for statement in statements(name):
        execute(con, statement, **values)


def execute(con: duckdb.DuckDBPyConnection, statement: str, **values: object) -> None:
    """Run one statement with those of `values` that it names as `$value` (DuckDB refuses the others)."""
    named = set(_NAMED.findall(statement))
    con.execute(statement, {key: value for key, value in values.items() if key in named})


def aside() -> duckdb.DuckDBPyConnection:
    """A connection to the one empty database of this process, for reading files: made in microseconds, where another
    database would take 30 ms. What is made in it must be temporary: that belongs to the connection alone.
    """
    return _empty().cursor()


@cache
def _empty() -> duckdb.DuckDBPyConnection:
    return duckdb.connect()


@contextmanager
def transaction(con: duckdb.DuckDBPyConnection) -> Iterator[None]:
    """All that is done in the block counts when it ends, none of it where it fails."""
    con.begin()
    try:
        yield
        con.commit()
    except BaseException:
        con.rollback()
        raise


@contextmanager
def checkpoint_later(con: duckdb.DuckDBPyConnection) -> Iterator[None]:
    """Let no commit in the block make a checkpoint, however long the log grows; the caller makes one behind it.

    The log of what changed in a large table comes to the length at which DuckDB makes one, and then it costs several
    times what it does when all is done.
    """
    con.execute("set checkpoint_threshold = '1TB'")
    try:
        yield
    finally:
        con.execute("reset checkpoint_threshold")


def rows(con: duckdb.DuckDBPyConnection, statement: str, **values: object) -> list[tuple[object, ...]]:
    """All rows of a query: an unfinished result would leave the connection busy."""
    execute(con, statement, **values)
    return con.fetchall()


def number(con: duckdb.DuckDBPyConnection, statement: str, **values: object) -> int:
    """The one number that a query gives (0 for null)."""
    return int(str(rows(con, statement, **values)[0][0] or 0))
