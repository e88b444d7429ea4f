"""The columns that conditions read, as integers in arrays: one position per record, by its ordinal.

Reads: standard. Writes nothing; the arrays live as long as a run.

Equality of text is equality of codes. Codes are exact: records are put in order by DuckDB's 64-bit hash of the
text, and neighbours of equal hash are compared as texts; where two different texts ever share a hash, the column is
coded by its texts alone. Columns that are compared with each other share one set of codes, a *domain*.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from linkage.sql import number
from rules.columns import quote
from rules.errors import RefusedError

Ints = NDArray[np.int64]
Narrow = NDArray[np.int32]
Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]

NULL = np.iinfo(np.int32).min
WIDE_NULL = np.iinfo(np.int64).min
NARROW = frozenset({"TINYINT", "SMALLINT", "INTEGER", "UTINYINT", "USMALLINT"})
WHOLE = NARROW | {"BIGINT", "UINTEGER"}
TEXT, WHOLE_NUMBER, BOOLEAN, DATE, LIST, OTHER = "text", "whole number", "boolean", "date", "list", "other"


@dataclass(frozen=True)
class Lists:
    """A list of codes per record: `items[start[i] : start[i] + length[i]]`, distinct; length -1 for a null list."""

    start: Ints
    length: Ints
    items: Narrow


@dataclass
class Columns:
    """The arrays of one run, each under the SQL of the expression over `standard` that it holds.

    codes    text, and values of any type that are only compared for equality: a code, NULL for null
    numbers  whole numbers, dates (days) and truths (0, 1): the value, NULL or WIDE_NULL for null
    lists    lists of text
    domain   SQL of a code or list column -> the values of its codes, an Arrow array indexed by code
    types    SQL -> SQL type
    """

    count: int
    types: dict[str, str]
    codes: dict[str, Narrow] = field(default_factory=dict)
    numbers: dict[str, Narrow | Ints] = field(default_factory=dict)
    lists: dict[str, Lists] = field(default_factory=dict)
    domain: dict[str, pa.Array] = field(default_factory=dict)

    def typed(self, sql: str, name: str) -> str:
        """SQL that gives column `name`, in which the values of `sql` stand as here, the type they had in DuckDB."""
        if sql not in self.numbers:
            return quote(name)
        if self.types[sql] == "DATE":
            return f"date '1970-01-01' + {quote(name)}::integer as {quote(name)}"
        return f"{quote(name)}::{self.types[sql]} as {quote(name)}"


def sort_of(sql_type: str) -> str:
    """What a column of an SQL type is to the kernel."""
    if sql_type in WHOLE:
        return WHOLE_NUMBER
    return {"VARCHAR": TEXT, "BOOLEAN": BOOLEAN, "DATE": DATE, "VARCHAR[]": LIST}.get(sql_type, OTHER)


def read_numbers(con: duckdb.DuckDBPyConnection, columns: Columns, types: dict[str, str]) -> None:
    """Read the whole numbers, dates and truths among `types` (SQL -> SQL type)."""
    for sql, sql_type in types.items():
        value = f"(({sql}) - date '1970-01-01')" if sql_type == "DATE" else f"({sql})"
        wide = sql_type not in NARROW | {"BOOLEAN"}
        null = WIDE_NULL if wide else NULL
        to, kind = ("bigint", np.int64) if wide else ("integer", np.int32)
        found = con.execute(f"select ordinal, {value}::{to} as value from standard").fetchnumpy()
        values = np.ma.asarray(found["value"])
        # The smallest number stands for null. Nobody's data holds it, but nothing may be wrong in silence.
        if (np.ma.compressed(values) == null).any():
            raise RefusedError(f"{sql} is {null} in some record, which the kernel keeps for null; use --engine splink")
        placed = np.empty(columns.count, dtype=kind)
        placed[found["ordinal"]] = values.filled(null)
        columns.numbers[sql] = narrowed(placed) if wide else placed


def narrowed(values: Ints) -> Narrow | Ints:
    """The same numbers in 32 bits where they fit."""
    known = values != WIDE_NULL
    if known.any() and not (values[known].min() > NULL and values[known].max() <= np.iinfo(np.int32).max):
        return values
    return np.where(known, values, NULL).astype(np.int32)


def read_codes(
    con: duckdb.DuckDBPyConnection, columns: Columns, texts: Sequence[str], lists: Sequence[str] = ()
) -> None:
    """Read expressions of one domain: `texts` are VARCHAR, `lists` VARCHAR[]."""
    parts = []
    for sql in texts:
        parts.append(_fetch(con, f"select ordinal, ({sql}) as value from standard"))
    for sql in lists:
        parts.append(
            _fetch(con, f"select ordinal, unnest(value) as value from (select ordinal, ({sql}) as value from standard)")
        )
    coded = [encode(hashes, values) for _, hashes, values in parts]
    dictionary, renumbered = _united([one for _, *one in coded])
    for i, sql in enumerate([*texts, *lists]):
        codes = coded[i][0] if renumbered is None else renumbered[i][coded[i][0]]
        columns.domain[sql] = dictionary
        if i < len(texts):
            placed = np.full(columns.count, NULL, dtype=np.int32)
            placed[parts[i][0]] = codes
            columns.codes[sql] = placed
        else:
            columns.lists[sql] = _lists(con, columns.count, sql, parts[i][0], codes)


def read_others(con: duckdb.DuckDBPyConnection, columns: Columns, sqls: Sequence[str]) -> None:
    """Read expressions of one domain of any type that DuckDB can group by."""
    every = " union all ".join(f"select ordinal, {i} as which, ({sql}) as value from standard" for i, sql in enumerate(sqls))
    found = (
        "select ordinal, which, value, dense_rank() over (order by value) - 1 as code "
        f"from ({every}) where value is not null"
    )
    table = con.sql(f"select any_value(value) as value from ({found}) group by code order by code").to_arrow_table()
    dictionary = _whole(table.column("value"))
    got = con.execute(f"select ordinal, which, code from ({found})").fetchnumpy()
    for i, sql in enumerate(sqls):
        mine = got["which"] == i
        placed = np.full(columns.count, NULL, dtype=np.int32)
        placed[got["ordinal"][mine]] = got["code"][mine]
        columns.codes[sql] = placed
        columns.domain[sql] = dictionary


def encode(hashes: NDArray[np.uint64], values: pa.Array) -> tuple[Narrow, NDArray[np.uint64], pa.Array]:
    """Codes of `values`, and for each code its hash and its value. Equal values, and only they, get equal codes."""
    if len(values) == 0:
        return np.zeros(0, dtype=np.int32), hashes, values
    order = np.argsort(hashes)
    ordered = hashes[order]
    sorted_values = values.take(pa.array(order))
    first = np.ones(order.size, dtype=np.bool_)
    np.not_equal(ordered[1:], ordered[:-1], out=first[1:])
    equal = pc.equal(sorted_values[1:], sorted_values[:-1]).to_numpy(zero_copy_only=False)
    if not (equal | first[1:]).all():
        whole = values.dictionary_encode()
        codes = whole.indices.to_numpy(zero_copy_only=False).astype(np.int32)
        of_code = np.empty(len(whole.dictionary), dtype=np.uint64)
        of_code[codes] = hashes
        return codes, of_code, whole.dictionary
    codes = np.empty(order.size, dtype=np.int32)
    codes[order] = np.cumsum(first, dtype=np.int32) - 1
    return codes, ordered[first], sorted_values.filter(pa.array(first))


def _united(parts: list[list[Any]]) -> tuple[pa.Array, list[Narrow] | None]:
    """One dictionary over several, and for each of them the new code of each of its codes (None: they stay)."""
    if len(parts) == 1:
        return parts[0][1], None
    hashes = np.concatenate([hashes for hashes, _ in parts])
    codes, _, dictionary = encode(hashes, pa.concat_arrays([values for _, values in parts]))
    ends = np.cumsum([len(values) for _, values in parts])
    return dictionary, np.split(codes, ends[:-1])


def _fetch(con: duckdb.DuckDBPyConnection, query: str) -> tuple[Ints, NDArray[np.uint64], pa.Array]:
    """Ordinal, hash and text of the non-null values of a query (ordinal, value)."""
    table = con.sql(f"select ordinal, hash(value) as hash, value from ({query}) where value is not null").to_arrow_table()
    ordinal, hashes = (table.column(name).to_numpy() for name in ("ordinal", "hash"))
    return ordinal.astype(np.int64), hashes.astype(np.uint64), _whole(table.column("value"))


def _whole(column: pa.ChunkedArray) -> pa.Array:
    combined = column.combine_chunks()
    return combined.cast(pa.large_string()) if pa.types.is_string(combined.type) else combined


def _lists(con: duckdb.DuckDBPyConnection, count: int, sql: str, ordinal: Ints, codes: Narrow) -> Lists:
    """Lists of distinct codes in order."""
    placed = np.unique(ordinal << 32 | codes) if codes.size else np.zeros(0, dtype=np.int64)
    length = np.bincount(placed >> 32, minlength=count).astype(np.int64)
    start = np.cumsum(length) - length
    null = con.execute(f"select ordinal from standard where ({sql}) is null").fetchnumpy()["ordinal"]
    length[null] = -1
    return Lists(start, length, (placed & 0xFFFFFFFF).astype(np.int32))
