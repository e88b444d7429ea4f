"""The columns that conditions read, as integers in arrays: one position per record, by its ordinal.

Reads: standard, value_<field>. Writes nothing; the arrays live as long as a run.

Equality of text is equality of codes. Codes are exact: values are put in order by DuckDB's 64-bit hash of the text, and
neighbours of equal hash are compared as texts; where two texts share a hash (it happens: names and dates that differ
in two characters are enough), the column is coded by its texts alone. Columns that are compared with each other
share one set of codes, a *domain*.

What reads one field only is computed and coded once for each distinct text of the field, not for each record.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from mmap import ACCESS_READ, mmap
from pathlib import Path
from tempfile import TemporaryFile
from typing import Any

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from linkage.sql import number
from linkage.values import NTH, PLACE, SHORT, meanings_sql, only_field
from rules.columns import quote
from rules.errors import RefusedError
from rules.model import Entity

Ints = NDArray[np.int64]
Narrow = NDArray[np.int32]
Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]
Hashes = NDArray[np.uint64]

ASIDE = 1 << 20  # bytes: what is larger of the values of a domain is kept on disk
NULL = int(np.iinfo(np.int32).min)
WIDE_NULL = int(np.iinfo(np.int64).min)
NARROW = frozenset({"TINYINT", "SMALLINT", "INTEGER", "UTINYINT", "USMALLINT"})
WHOLE = NARROW | {"BIGINT", "UINTEGER"}
TEXT, WHOLE_NUMBER, BOOLEAN, DATE, LIST, OTHER = "text", "whole number", "boolean", "date", "list", "other"


def sort_of(sql_type: str) -> str:
    """What a column of an SQL type is to the kernel."""
    if sql_type in WHOLE:
        return WHOLE_NUMBER
    return {"VARCHAR": TEXT, "BOOLEAN": BOOLEAN, "DATE": DATE, "VARCHAR[]": LIST}.get(sql_type, OTHER)


@dataclass(frozen=True)
class Lists:
    """A list of codes per record: `items[start[i] : start[i] + length[i]]`, distinct; length -1 for a null list."""

    start: Ints
    length: Ints
    items: Narrow


def places(mask: Bools) -> Ints:
    """Where a mask is true. NumPy's `flatnonzero` does the same; of a few records it takes several times as long."""
    return mask.nonzero()[0]


@dataclass(frozen=True)
class Domain:
    """The values of a set of codes, each at the place of its code, and the hashes of those that are texts."""

    hashes: Hashes
    values: pa.Array

    def aside(self, folder: Path) -> Domain:
        """The same in a file without a name that is mapped into memory, where it is large.

        Codes are what is compared: of the values few are ever looked at, and so they need not take memory.
        """
        if self.values.nbytes < ASIDE or self.hashes.size != len(self.values):
            return self
        folder.mkdir(exist_ok=True, mode=0o700)
        with TemporaryFile(dir=folder) as file:
            batch = pa.record_batch([pa.array(self.hashes), self.values], names=["hash", "value"])
            with pa.ipc.new_file(file, batch.schema) as writer:
                writer.write_batch(batch)
            file.flush()
            mapped = mmap(file.fileno(), 0, access=ACCESS_READ)
        with pa.ipc.open_file(pa.BufferReader(pa.py_buffer(mapped))) as reader:
            batch = reader.get_batch(0)
        return Domain(batch.column("hash").to_numpy(), batch.column("value"))


@dataclass
class Columns:
    """The arrays of one run, each under the SQL of the expression over `standard` that it holds.

    codes    text, and values of any type that are only compared for equality: a code, NULL for null
    numbers  whole numbers, dates (days) and truths (0, 1): the value, NULL or WIDE_NULL for null
    lists    lists of text
    domains  SQL of a code or list column -> its domain
    types    SQL of a number column -> SQL type
    """

    count: int
    codes: dict[str, Narrow] = field(default_factory=dict)
    numbers: dict[str, NDArray[np.integer]] = field(default_factory=dict)
    lists: dict[str, Lists] = field(default_factory=dict)
    domains: dict[str, Domain] = field(default_factory=dict)
    types: dict[str, str] = field(default_factory=dict)

    def domain(self, sql: str) -> pa.Array:
        """The values of the codes of a column, an Arrow array indexed by code."""
        return self.domains[sql].values

    def typed(self, sql: str, name: str) -> str:
        """SQL that gives column `name`, in which the values of `sql` stand as here, the type they had in DuckDB."""
        if sql not in self.numbers:
            return quote(name)
        if self.types[sql] == "DATE":
            return f"date '1970-01-01' + {quote(name)}::integer as {quote(name)}"
        return f"{quote(name)}::{self.types[sql]} as {quote(name)}"


@dataclass(frozen=True, eq=False)
class Origin:
    """A relation with a column `_place` (0 … size-1) and the columns of `standard` that expressions may read.

    `spread` says for each record which place is its own; None: place and ordinal are one.
    """

    relation: str
    size: int
    spread: Ints | None

    def over_records(self, placed: NDArray[np.integer]) -> NDArray[np.integer]:
        """The values of all records, given those of all places."""
        return placed if self.spread is None else placed[self.spread]


class Reader:
    """Reads expressions over `standard` into arrays."""

    def __init__(self, con: duckdb.DuckDBPyConnection, entity: Entity) -> None:
        self.con = con
        self.columns = Columns(number(con, "select count(*) from standard"))
        self._entity = entity
        self._fields: dict[str, Origin] = {}
        # Where DuckDB spills; a connection of no workspace names none.
        spill = Path(con.execute("select current_setting('temp_directory')").fetchall()[0][0])
        self._spill = spill if spill.is_absolute() else None
        held = {name for name, *_ in con.execute("describe standard").fetchall()}
        # A share of `standard` that stands alone does not know which texts its values came from.
        self._numbered = {name for name in entity.fields if f"{name}__{NTH}" in held}

    @cached_property
    def _records(self) -> Origin:
        return Origin(f"(select *, ordinal as {PLACE} from standard)", self.columns.count, None)

    def numbers(self, types: dict[str, str]) -> None:
        """Read whole numbers, dates and truths: SQL -> SQL type."""
        self.columns.types |= types
        origins: dict[Origin, list[str]] = {}
        for sql in types:
            origins.setdefault(self._origin(sql), []).append(sql)
        for origin, sqls in origins.items():
            selected = ", ".join(f"{number_sql(sql, types[sql])} as v{i}" for i, sql in enumerate(sqls))
            found = self.con.execute(f"select {PLACE}, {selected} from {origin.relation}").fetchnumpy()
            for i, sql in enumerate(sqls):
                values: Any = np.ma.asarray(found[f"v{i}"])
                null = NULL if values.dtype == np.int32 else WIDE_NULL
                # The smallest number stands for null. Nobody's data holds it, but nothing may be wrong in silence.
                if (np.ma.compressed(values) == null).any():
                    raise RefusedError(f"{sql} is {null} in some record, which the kernel keeps for null")
                placed: NDArray[np.integer] = np.empty(origin.size, dtype=values.dtype)
                placed[found[PLACE]] = values.filled(null)
                self.columns.numbers[sql] = origin.over_records(narrowed(placed) if null == WIDE_NULL else placed)

    def codes(self, texts: Sequence[str], lists: Sequence[str] = ()) -> None:
        """Read expressions of one domain: `texts` are VARCHAR, `lists` VARCHAR[]."""
        origins = [*(self._origin(sql) for sql in texts), *(self._records for _ in lists)]
        selected = [f"({sql}) as value" for sql in texts] + [f"unnest({sql}) as value" for sql in lists]
        parts = [
            self._fetch(f"select {PLACE}, {value} from {origin.relation}")
            for value, origin in zip(selected, origins, strict=True)
        ]
        codes, domain = together([(hashes, values) for _, hashes, values in parts])
        if self._spill is not None:
            domain = domain.aside(self._spill)
        for i, sql in enumerate([*texts, *lists]):
            self.columns.domains[sql] = domain
            if i < len(texts):
                placed = np.full(origins[i].size, NULL, dtype=np.int32)
                placed[parts[i][0]] = codes[i]
                self.columns.codes[sql] = origins[i].over_records(placed).astype(np.int32, copy=False)
            else:
                self.columns.lists[sql] = self._lists(sql, parts[i][0], codes[i])

    def others(self, sqls: Sequence[str]) -> None:
        """Read expressions of one domain of any type that DuckDB can order."""
        every = " union all ".join(
            f"select ordinal, {i} as which, ({sql}) as value from standard" for i, sql in enumerate(sqls)
        )
        ranked = "select ordinal, which, value, dense_rank() over (order by value) - 1 as code "
        ranked += f"from ({every}) where value is not null"
        by_code = f"select any_value(value) as value from ({ranked}) group by code order by code"
        dictionary = self.con.sql(by_code).to_arrow_table().column("value").combine_chunks()
        domain = Domain(np.zeros(0, dtype=np.uint64), dictionary)
        got = self.con.execute(f"select ordinal, which, code from ({ranked})").fetchnumpy()
        for i, sql in enumerate(sqls):
            mine = got["which"] == i
            placed = np.full(self.columns.count, NULL, dtype=np.int32)
            placed[got["ordinal"][mine]] = got["code"][mine]
            self.columns.codes[sql] = placed
            self.columns.domains[sql] = domain

    def forget(self) -> None:
        """Let go of what is kept for further expressions of a field."""
        self._fields.clear()

    def _origin(self, sql: str) -> Origin:
        """Where an expression is computed: over the distinct texts of a field, or over the records."""
        of = only_field(self._entity, sql)
        if of is None or of not in self._numbered:
            return self._records
        if of not in self._fields:
            self._fields[of] = self._field(of)
        return self._fields[of]

    def _field(self, name: str) -> Origin:
        """The distinct texts of a field; place 0 is that of records without one, where every column is null."""
        nth = quote(f"{name}__{NTH}")
        found = self.con.execute(f"select ordinal, coalesce({nth}, 0) as nth from standard").fetchnumpy()
        spread = np.empty(self.columns.count, dtype=np.int64)
        spread[found["ordinal"]] = found["nth"]
        texts = number(self.con, f"select count(*) from {quote('value_' + name)}")
        return Origin(meanings_sql(self._entity, name), texts + 1, spread)

    def _fetch(self, query: str) -> tuple[Ints, Hashes, pa.Array]:
        """Place, hash and text of the non-null values of a query (_place, value)."""
        known = f"select {PLACE}, hash(value) as hash, value from ({query}) where value is not null"
        table = self.con.sql(known).to_arrow_table()
        place, hashes = (table.column(name).to_numpy() for name in (PLACE, "hash"))
        values = table.column("value")
        if values.nbytes >= SHORT and pa.types.is_string(values.type):
            values = values.cast(pa.large_string())
        return place, hashes, values.combine_chunks()

    def _lists(self, sql: str, ordinal: Ints, codes: Narrow) -> Lists:
        """Lists of distinct codes in order."""
        placed = np.sort(ordinal << 32 | codes)
        placed = placed[np.diff(placed, prepend=-1) != 0]
        length = np.bincount(placed >> 32, minlength=self.columns.count).astype(np.int64)
        start = np.cumsum(length) - length
        null = self.con.execute(f"select ordinal from standard where ({sql}) is null").fetchnumpy()["ordinal"]
        length[null] = -1
        return Lists(start, length, (placed & 0xFFFFFFFF).astype(np.int32))


def narrowed(values: NDArray[np.integer]) -> NDArray[np.integer]:
    """The same numbers in 32 bits where they fit."""
    known = values != WIDE_NULL
    if known.any() and not (values[known].min() > NULL and values[known].max() <= np.iinfo(np.int32).max):
        return values
    return np.where(known, values, NULL).astype(np.int32)


def together(parts: Sequence[tuple[Hashes, pa.Array]]) -> tuple[list[Narrow], Domain]:
    """Codes of several arrays of texts (with their hashes) in one domain."""
    coded = [encode(hashes, values) for hashes, values in parts]
    if len(coded) == 1:
        return [coded[0][0]], coded[0][1]
    domains = [domain for _, domain in coded]
    values = [domain.values for domain in domains]
    if sum(one.nbytes for one in values) >= SHORT:
        values = [one.cast(pa.large_string()) for one in values]
    codes, domain = encode(np.concatenate([one.hashes for one in domains]), pa.concat_arrays(values))
    renumbered = np.split(codes, np.cumsum([len(one) for one in values])[:-1])
    return [new[old] for new, (old, _) in zip(renumbered, coded, strict=True)], domain


def encode(hashes: Hashes, texts: pa.Array) -> tuple[Narrow, Domain]:
    """A code for every text: equal texts, and only they, have equal codes."""
    if len(texts) == 0:
        return np.zeros(0, dtype=np.int32), Domain(hashes, texts)
    order = np.argsort(hashes)
    ordered = hashes[order]
    first = np.ones(order.size, dtype=np.bool_)
    np.not_equal(ordered[1:], ordered[:-1], out=first[1:])
    again = np.flatnonzero(~first)
    same = pc.equal(texts.take(pa.array(order[again])), texts.take(pa.array(order[again - 1])))
    if not pc.all(same, min_count=0).as_py():
        return _encode_texts(hashes, texts)
    codes = np.empty(order.size, dtype=np.int32)
    codes[order] = np.cumsum(first, dtype=np.int32) - 1
    return codes, Domain(ordered[first], texts.take(pa.array(order[first])))


def _encode_texts(hashes: Hashes, texts: pa.Array) -> tuple[Narrow, Domain]:
    """The same where two texts share a hash; codes are in the order of hashes, then of texts."""
    whole = texts.dictionary_encode()
    found = whole.indices.to_numpy(zero_copy_only=False)
    of_text = np.empty(len(whole.dictionary), dtype=np.uint64)
    of_text[found] = hashes
    told = pa.table({"hash": of_text, "text": whole.dictionary})
    order = pc.sort_indices(told, [("hash", "ascending"), ("text", "ascending")]).to_numpy()
    code = np.empty(order.size, dtype=np.int32)
    code[order] = np.arange(order.size)
    return code[found], Domain(of_text[order], whole.dictionary.take(pa.array(order)))


def number_sql(sql: str, sql_type: str) -> str:
    """SQL of a whole number, date (days) or truth in one of two widths."""
    value = f"(({sql}) - date '1970-01-01')" if sql_type == "DATE" else f"({sql})"
    return f"{value}::{'integer' if sql_type in NARROW | {'BOOLEAN'} else 'bigint'}"
