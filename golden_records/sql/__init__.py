"""The static SQL of golden records: one file per table, each statement ended by `;` at the end of a line."""

from __future__ import annotations

import re
from functools import cache
from importlib.resources import files

import duckdb

_NAMED = re.compile(r"\$([a-z_]+)")


@cache
def statements(name: str) -> tuple[str, ...]:
    """The statements of `sql/<name>.sql` in order."""
    text = files(__package__).joinpath(f"{name}.sql").read_text("utf-8")
    return tuple(part.strip() for part in re.split(r";\s*(?:\n|$)", text) if part.strip())


def run(con: duckdb.DuckDBPyConnection, name: str, **values: object) -> None:
    """Run every statement of `sql/<name>.sql`, each with those of `values` that it names as `$value`."""
    for statement in statements(name):
        named = set(_NAMED.findall(statement))
        con.execute(statement, {key: value for key, value in values.items() if key in named})
