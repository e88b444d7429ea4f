"""What a task does with its share of the records or pairs: the very code and SQL of one machine, in an own DuckDB.

Reads: Arrow batches of a partition. Writes: Arrow batches. A task knows nothing but what it is handed, so it may be
done again elsewhere, and what it gives depends on its share alone.

Texts are cut, matched and compared here and not in Spark's SQL: whether a function counts bytes or characters, or how
it reads a list or a pattern, is then the same on both engines because it is the same function.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from functools import cached_property
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pyarrow as pa

from linkage.cluster import cluster
from linkage.decided import Decided, SourceRecord
from linkage.frequencies import block_known, block_source, block_text
from linkage.kernel.conditions import Pairs
from linkage.kernel.match import VERDICTS, Compiled, Model, read
from linkage.kernel.weights import frequency_of
from linkage.score import candidate_columns
from linkage.spark.types import described, handed_sql
from linkage.values import load_references, parsed_sql
from linkage.workspace import use_entity
from rules.columns import quote
from rules.kinds.base import literal
from rules.model import Entity, EntityRules

Batches = Iterator[pa.RecordBatch]
INCOMING = "incoming"
BLOCK_COLUMNS = {"rule": "INTEGER", "block": "VARCHAR", "ordinal": "BIGINT", "dup_group": "VARCHAR"}
# What stands for the place of a row in a union of several tables.
RECORD, EDGE, WITNESS = range(3)


def connection() -> duckdb.DuckDBPyConnection:
    """A DuckDB of one thread: a task has one core."""
    con = duckdb.connect()
    con.execute("set threads = 1")
    return con


def _typed(types: dict[str, str], names: Sequence[str] = ()) -> str:
    """SQL: columns with the types that they have on one machine."""
    return ", ".join(f"{quote(name)}::{types[name]} as {quote(name)}" for name in (names or types))


def _batches(con: duckdb.DuckDBPyConnection, query: str) -> Iterator[pa.RecordBatch]:
    """What a query gives, in the types in which it travels."""
    yield from con.sql(handed_sql(con, query)).to_arrow_table().to_batches()


@dataclass(frozen=True)
class Parsing:
    """Reads distinct texts of a field as its kind does, with the reference tables of the rules at hand.

    `said` is the SQL of what a record says in the field: a part of what the readings depend on.
    """

    entity: Entity
    field: str
    said: str
    rules_folder: Path
    as_of: date

    def __call__(self, batches: Batches) -> Batches:
        con = self.ready()
        for batch in batches:
            con.register(INCOMING, batch)
            yield from _batches(con, self.sql(f"select raw from {INCOMING}"))
            con.unregister(INCOMING)

    def ready(self) -> duckdb.DuckDBPyConnection:
        """A DuckDB that has the reference tables."""
        con = connection()
        load_references(con, self.entity, self.rules_folder)
        return con

    def sql(self, raw: str) -> str:
        """SQL of the columns of `value_<field>` but its numbers, of the distinct texts that the query `raw` gives."""
        return parsed_sql(self.entity, self.field, raw).replace("$as_of", f"date {literal(self.as_of.isoformat())}")


@dataclass(frozen=True)
class Blocking:
    """Gives each record the blocks in which it stands by every rule. `types` are those of the columns of `standard`."""

    entity: Entity
    types: dict[str, str]

    def __call__(self, batches: Batches) -> Batches:
        con = connection()
        for batch in batches:
            con.register(INCOMING, batch)
            con.execute(f"create or replace table standard as select {_typed(self.types)} from {INCOMING}")
            yield from _batches(con, self._sql)
            con.unregister(INCOMING)

    @cached_property
    def _sql(self) -> str:
        parts = []
        for i, rule in enumerate(self.entity.blocking):
            parts.append(
                f"select {i}::integer as rule, {block_text(rule)} as block, ordinal, dup_group "
                f"from {block_source(rule)} where {block_known(rule)}"
            )
        return " union all ".join(parts)


@dataclass(frozen=True)
class Scoring:
    """Weighs candidate pairs as the kernel does and keeps those that are worth anybody's time.

    A pair comes with the columns of its left record (l_<column>) and of its right one; `<column>__tf` is how many
    records had the value when the frequencies were frozen, null where it was one or none.

    types   the columns of `standard` that are compared
    model   Splink's settings
    totals  by column whose frequencies adjust a weight: how many records had a value
    """

    entity: Entity
    compiled: Compiled
    types: dict[str, str]
    model: dict[str, Any]
    totals: dict[str, int]

    def __call__(self, batches: Batches) -> Batches:
        con = connection()
        for batch in batches:
            yield from self._weigh(con, batch)

    def _weigh(self, con: duckdb.DuckDBPyConnection, batch: pa.RecordBatch) -> Batches:
        count = batch.num_rows
        adjusted = [f"{column}__tf" for column in self.totals]
        sides = {
            name: pa.chunked_array([batch.column(f"{side}_{name}") for side in "lr"])
            for name in ("record_id", *self.types, *adjusted)
        }
        con.register(INCOMING, pa.table({"ordinal": np.arange(2 * count), **sides}))
        kept = ", ".join(["ordinal", "record_id", "null::varchar as dup_group", *map(quote, adjusted)])
        con.execute(f"create or replace table standard as select {kept}, {_typed(self.types)} from {INCOMING}")
        con.unregister(INCOMING)
        con.execute(f"create or replace table frequency as {self._frequency_sql}")
        columns = read(con, self.entity, self.compiled.needed)
        frequency = {column: frequency_of(con, columns, column) for column in self.totals}
        model = Model.of(self.entity, self.compiled, self.model, frequency)
        left = np.arange(count, dtype=np.int64)
        pairs, bound = model.promising(Pairs(columns, con, left, left + count, {}))
        kept_of, found = model.weighed(pairs, bound)
        places = pa.array(pairs.left[kept_of])
        table = {
            "record_l": batch.column("l_record_id").take(places),
            "record_r": batch.column("r_record_id").take(places),
            "match_key": batch.column("rule").take(places).cast(pa.string()),
            "match_weight": found.total,
            "verdict": pa.array(VERDICTS).take(pa.array(found.verdict)),
            "l": batch.column("l").take(places),
            "r": batch.column("r").take(places),
        }
        for one in model.comparisons:
            table[f"gamma_{one.name}"] = found.gammas[one.name]
            table[f"weight_{one.name}"] = found.parts[one.name].astype(np.float32)
        con.register(INCOMING, pa.table(table))
        yield from _batches(con, f"select {_typed(self.columns)} from {INCOMING}")
        con.unregister(INCOMING)

    @cached_property
    def columns(self) -> dict[str, str]:
        """The columns of what is kept and their types: those of `candidate_pair`, and the ordinals of the records."""
        with duckdb.connect() as con:
            con.execute(f"create table candidate_pair ({candidate_columns(self.entity)})")
            return described(con, "from candidate_pair") | {"l": "BIGINT", "r": "BIGINT"}

    @cached_property
    def _frequency_sql(self) -> str:
        """SQL of the part of `frequency` that speaks of the records at hand."""
        parts = ["select '' as kind, '' as name, '' as value, 0::bigint as count where false"]
        for column, total in self.totals.items():
            parts.append(f"select 'total', {literal(column)}, '', {total}")
            parts.append(
                f"select distinct 'tf', {literal(column)}, cast({quote(column)} as varchar), {quote(f'{column}__tf')} "
                f"from standard where {quote(f'{column}__tf')} is not null"
            )
        return " union all ".join(parts)


@dataclass(frozen=True)
class Uniting:
    """Forms the clusters of whole components under the constraints of the rules and the decisions of stewards.

    A row is a record of a component, an edge between two, or a record of elsewhere that licenses two values to be one
    entity's (`what`). types are those of the columns of `standard` that the constraints read.
    """

    rules: EntityRules
    types: dict[str, str]
    decided: tuple[Decided, ...]
    pinned: tuple[SourceRecord, ...]

    def __call__(self, batches: Batches) -> Batches:
        found = [batch for batch in batches if batch.num_rows]
        if not found:
            return
        con = connection()
        use_entity(con, self.rules.name)
        con.register(INCOMING, pa.Table.from_batches(found))
        con.execute(
            f"create table standard as select row_number() over (order by global) - 1 as ordinal, * from ("
            f"select distinct on (record_id) ordinal as global, what, {_typed(self.types)} "
            f"from {INCOMING} where what <> {EDGE} order by record_id, what)"
        )
        con.execute(
            "create table candidate_pair as select record_l, record_r, match_weight, 'accept' as verdict "
            f"from {INCOMING} where what = {EDGE}"
        )
        cluster(con, self.rules, self.decided, self.pinned)
        yield from _batches(con, _UNITED)


UNITED_COLUMNS = {
    "record_id": "BIGINT",
    "cluster_id": "BIGINT",
    "record_r": "BIGINT",
    "match_weight": "DOUBLE",
    "reason": "VARCHAR",
}
# A record and its cluster, or a pair (record_id, record_r) whose union was refused and why.
_UNITED = f"""
select record_id, cluster_id, null::bigint as record_r, null::double as match_weight, null::varchar as reason
from cluster semi join (select record_id from standard where what = {RECORD}) using (record_id)
union all
select record_l, null, record_r, match_weight, reason from refusal"""
