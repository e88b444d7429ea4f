"""The SQL of the rules as trees. Each text is parsed once: the same few hundred are asked about over and over."""

from __future__ import annotations

from functools import lru_cache

import sqlglot
from sqlglot import exp

REMEMBERED = 10_000


@lru_cache(REMEMBERED)
def parsed(sql: str) -> exp.Expr:
    """The tree of an expression or query in DuckDB's dialect, to be read: who changes it copies it first.

    Raises:
        sqlglot.errors.SqlglotError: it is not SQL.
    """
    return sqlglot.parse_one(sql, read="duckdb")


def called(tree: exp.Expr) -> str:
    """The function that an expression calls, as DuckDB calls it; nothing where it is no call."""
    return tree.sql("duckdb").split("(")[0].lower() if isinstance(tree, exp.Func) else ""
