"""Runs a value kind over literal values in a real DuckDB: what it reads and which level two values reach."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date
from functools import cache
from typing import Any

import duckdb

from rules.kinds import KINDS
from rules.loader import SHIPPED, reference_path

TODAY = date(2026, 11, 23)


def connect(kind_name: str) -> duckdb.DuckDBPyConnection:
    """A connection to the reference tables of the kind, which are read once; its own tables are temporary ones."""
    return _references(kind_name).cursor()


@cache
def _references(kind_name: str) -> duckdb.DuckDBPyConnection:
    con = duckdb.connect()
    con.execute("create schema reference")
    for name in KINDS[kind_name].references:
        con.execute(
            f"create table reference.{name} as select * from read_csv(?, all_varchar = true, header = true)",
            [str(reference_path(SHIPPED, name))],
        )
    return con


def parse(
    kind_name: str, values: Sequence[str], options: Mapping[str, Any] | None = None, as_of: date = TODAY
) -> dict[str, dict[str, Any]]:
    """raw value -> the row that the kind makes of it."""
    con = connect(kind_name)
    _parse(con, kind_name, values, options or {}, as_of)
    rows = con.execute("select * from parsed")
    names = [column[0] for column in rows.description or []]
    return {row[0]: dict(zip(names, row, strict=True)) for row in rows.fetchall()}


def levels(
    kind_name: str,
    pairs: Sequence[tuple[str, str]],
    options: Mapping[str, Any] | None = None,
    as_of: date = TODAY,
) -> list[str]:
    """The label of the level that each pair reaches, `null` or `else`."""
    con = connect(kind_name)
    kind, options = KINDS[kind_name], options or {}
    _parse(con, kind_name, sorted({value for pair in pairs for value in pair}), options, as_of)
    comparison = kind.compare("f", options)
    columns = {"f": "value", "f__key": "key"} | {f"f__{extra}": extra for extra in kind.columns}
    sides = ", ".join(f'{s}."{c}" as "{n}_{s}"' for s in "lr" for n, c in columns.items())
    branches = " ".join(f"when {level.when} then '{level.label}'" for level in comparison.levels)
    con.execute("create temp table pair (n integer, a varchar, b varchar)")
    con.executemany("insert into pair values (?, ?, ?)", [(n, a, b) for n, (a, b) in enumerate(pairs)])
    return [
        row[0]
        for row in con.execute(
            f"select case when {comparison.null} then 'null' {branches} else 'else' end from "
            f"(select n, {sides} from pair join parsed l on l.raw = a join parsed r on r.raw = b) order by n"
        ).fetchall()
    ]


def level(kind_name: str, left: str, right: str, options: Mapping[str, Any] | None = None) -> str:
    """The level of one pair."""
    return levels(kind_name, [(left, right)], options)[0]


def agree(kind_name: str, left: str, right: str, options: Mapping[str, Any] | None = None) -> bool:
    """Whether two values say the same: equal keys, or what the kind knows beyond them, asked both ways round."""
    con = connect(kind_name)
    kind, options = KINDS[kind_name], options or {}
    _parse(con, kind_name, sorted({left, right}), options, TODAY)
    columns = {"f__key": "key"} | {f"f__{extra}": extra for extra in kind.columns}
    sides = ", ".join(f'{s}."{c}" as "{n}_{s}"' for s in "lr" for n, c in columns.items())
    found = con.execute(
        f"select distinct coalesce(f__key_l = f__key_r or ({kind.agree('f', options) or 'false'}), false) from "
        f"(select {sides} from parsed l, parsed r where (l.raw, r.raw) in (($a, $b), ($b, $a)))",
        {"a": left, "b": right},
    ).fetchall()
    assert len(found) == 1, "agreement depends on the side"
    return bool(found[0][0])


def _parse(
    con: duckdb.DuckDBPyConnection,
    kind_name: str,
    values: Sequence[str],
    options: Mapping[str, Any],
    as_of: date,
) -> None:
    con.execute("create temp table raw (raw varchar)")
    con.executemany("insert into raw values (?)", [(value,) for value in values])
    sql = KINDS[kind_name].parse("raw", options)
    con.execute(f"create temp table parsed as {sql}", {"as_of": as_of} if "$as_of" in sql else None)
