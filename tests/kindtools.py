"""Runs a value kind over literal values in a real DuckDB: what it reads and which level two values reach."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
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
    con.execute("create temp table raw (raw varchar)")
    con.execute("create temp table pair (n integer, a varchar, b varchar)")
    return con


@cache
def _planned(kind_name: str, query: str) -> str:
    """The statement that runs a query over `raw` and `pair`: it is planned once, which takes longer than running it."""
    name = f"asked_{hashlib.sha256(query.encode()).hexdigest()}"
    _references(kind_name).execute(f"prepare {name} as {query}")
    return f"execute {name}"


def _given(kind_name: str, values: Iterable[str], pairs: Iterable[tuple[str, str]] = ()) -> duckdb.DuckDBPyConnection:
    """The connection of the kind's queries, with `raw` and `pair` filled."""
    con = _references(kind_name)
    con.execute("truncate raw")
    con.execute("insert into raw select unnest($values::varchar[])", {"values": list(values)})
    left, right = [pair[0] for pair in pairs], [pair[1] for pair in pairs]
    con.execute("truncate pair")
    con.execute(
        "insert into pair select unnest(range(len($left::varchar[]))), unnest($left::varchar[]), "
        "unnest($right::varchar[])",
        {"left": left, "right": right},
    )
    return con


def parse(
    kind_name: str, values: Sequence[str], options: Mapping[str, Any] | None = None, as_of: date = TODAY
) -> dict[str, dict[str, Any]]:
    """raw value -> the row that the kind makes of it."""
    query = f"select * from ({_parse_sql(kind_name, options or {}, as_of)})"
    rows = _given(kind_name, values).execute(_planned(kind_name, query))
    names = [column[0] for column in rows.description or []]
    return {row[0]: dict(zip(names, row, strict=True)) for row in rows.fetchall()}


def levels(
    kind_name: str,
    pairs: Sequence[tuple[str, str]],
    options: Mapping[str, Any] | None = None,
    as_of: date = TODAY,
) -> list[str]:
    """The label of the level that each pair reaches, `null` or `else`."""
    comparison = KINDS[kind_name].compare("f", options or {})
    branches = " ".join(f"when {level.when} then '{level.label}'" for level in comparison.levels)
    said = f"case when {comparison.null} then 'null' {branches} else 'else' end"
    return [label for (label,) in _compared(kind_name, pairs, said, options or {}, as_of)]


def level(kind_name: str, left: str, right: str, options: Mapping[str, Any] | None = None) -> str:
    """The level of one pair."""
    return levels(kind_name, [(left, right)], options)[0]


def agree(kind_name: str, left: str, right: str, options: Mapping[str, Any] | None = None) -> bool:
    """Whether two values say the same: equal keys, or what the kind knows beyond them, asked both ways round."""
    known = KINDS[kind_name].agree("f", options or {}) or "false"
    said = f"coalesce(f__key_l = f__key_r or ({known}), false)"
    one, other = _compared(kind_name, [(left, right), (right, left)], said, options or {}, TODAY)
    assert one == other, "agreement depends on the side"
    return bool(one[0])


def _compared(
    kind_name: str, pairs: Sequence[tuple[str, str]], said: str, options: Mapping[str, Any], as_of: date
) -> list[tuple[Any, ...]]:
    """What an expression over the sides of a pair says of each."""
    columns = {"f": "value", "f__key": "key"} | {f"f__{extra}": extra for extra in KINDS[kind_name].columns}
    sides = ", ".join(f'{s}."{c}" as "{n}_{s}"' for s in "lr" for n, c in columns.items())
    query = (
        f"with parsed as materialized ({_parse_sql(kind_name, options, as_of)}) select {said} from "
        f"(select n, {sides} from pair join parsed l on l.raw = a join parsed r on r.raw = b) order by n"
    )
    con = _given(kind_name, sorted({value for pair in pairs for value in pair}), pairs)
    return con.execute(_planned(kind_name, query)).fetchall()


def _parse_sql(kind_name: str, options: Mapping[str, Any], as_of: date) -> str:
    return KINDS[kind_name].parse("raw", options).replace("$as_of", f"date '{as_of}'")
