"""The SQL of the engine on Spark: written once, in DuckDB's dialect, and transpiled.

Reads: the static SQL of linkage, and the DataFrames that it names. Writes nothing.

`COUNTERPARTS` has every function that transpiled SQL calls, with what Spark calls it. What has none, because it counts
bytes on one engine and characters on the other, or reads lists, patterns or hashes otherwise, is never transpiled: a
task asks DuckDB (see tasks.py).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

import sqlglot
from sqlglot import exp

from linkage.sql import statements
from rules.expressions import parsed

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

# DuckDB's name of a function or operator -> Spark's.
COUNTERPARTS = {
    "count": "COUNT",
    "sum": "SUM",
    "min": "MIN",
    "max": "MAX",
    "least": "LEAST",
    "greatest": "GREATEST",
    "coalesce": "COALESCE",
    "cast": "CAST",
    "//": "DIV",
    "%": "%",
    "case": "CASE",
}
# How sqlglot's tree calls those of them that it does not call as DuckDB does.
_NAMES: dict[type[exp.Expr], str] = {exp.IntDiv: "//", exp.Mod: "%"}


def named_functions(sql: str) -> set[str]:
    """The functions, and the operators that are one, that a statement in DuckDB's dialect calls."""
    found = set()
    for node in parsed(sql).walk():
        if type(node) in _NAMES:
            found.add(_NAMES[type(node)])
        elif isinstance(node, exp.Anonymous):
            found.add(node.name.lower())
        elif isinstance(node, exp.Func) and not isinstance(node, (exp.Connector, exp.If)):
            found.add(node.sql_name().lower())
    return found


def transpiled(sql: str) -> str:
    """A statement in Spark's dialect.

    Raises:
        ValueError: it calls a function that has no counterpart.
    """
    strange = sorted(named_functions(sql) - set(COUNTERPARTS))
    if strange:
        raise ValueError(f"{', '.join(strange)}: no counterpart on Spark is known")
    return sqlglot.transpile(sql, read="duckdb", write="spark")[0]


def query(sql: str, **frames: DataFrame) -> DataFrame:
    """What a statement in DuckDB's dialect gives over frames that it calls by name."""
    spark = next(iter(frames.values())).sparkSession
    return spark.sql(_bound(transpiled(sql), frames), **cast(dict[str, Any], frames))


def run(name: str, values: dict[str, int] | None = None, **frames: DataFrame) -> DataFrame:
    """What `sql/<name>.sql` gives over frames that it calls by name; `values` stand for its `$names`."""
    (sql,) = statements(name)
    for key, value in (values or {}).items():
        sql = sql.replace(f"${key}", str(value))
    return query(sql, **frames)


def _bound(sql: str, frames: dict[str, DataFrame]) -> str:
    """The statement with frames in the place of the tables that it names, as `SparkSession.sql` takes them."""
    tree = sqlglot.parse_one(sql, read="spark")
    for table in list(tree.find_all(exp.Table)):
        if table.name in frames and not table.db:
            alias = table.alias or table.name
            table.replace(exp.alias_(exp.Table(this=exp.to_identifier(f"__{table.name}__")), alias, table=True))
    said = tree.sql("spark")
    for name in frames:
        said = said.replace(f"__{name}__", f"{{{name}}}")
    return said
