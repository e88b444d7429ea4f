"""Weighs the candidate pairs on Spark with the kernel, a share of them in every task.

Reads: standard, frequency, pair (Parquet). Writes: comparable (Parquet), candidate_pair (Parquet and work database).

The model is compiled once, where the driver runs; tasks get it ready. How common a value is comes with the record, so
that no task needs the table of frequencies.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import duckdb

from linkage import frequencies
from linkage.kernel.match import Compiled
from linkage.score import candidate_columns, comparable_sql
from linkage.spark import dialect
from linkage.spark.shelf import Shelf
from linkage.spark.tasks import Scoring
from linkage.spark.types import described, schema
from linkage.splink_model import frequency_columns, settings
from linkage.sql import number
from rules.columns import quote
from rules.kinds.base import literal
from rules.model import EntityRules

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

_TOTAL = "select greatest(max(count), 1) from frequency where kind = 'total' and name = $name"


def score(con: duckdb.DuckDBPyConnection, shelf: Shelf, rules: EntityRules, standard: DataFrame) -> None:
    """Weigh the pairs of `pair` and keep those worth it in `candidate_pair`, on the shelf and in the work database."""
    entity = rules.entity
    types = described(con, comparable_sql(entity))
    columns = [name for name in types if name not in ("ordinal", "record_id")]
    totals = {name: number(con, _TOTAL, name=name) for name in frequency_columns(entity)}
    unblocked = entity.model_copy(update={"blocking": ()})
    scoring = Scoring(
        unblocked,
        Compiled.of(con, unblocked),
        {name: types[name] for name in columns},
        settings(rules, frequencies.total(con)),
        totals,
    )
    frequency = shelf.handed("frequency", con, "select name, value, count from frequency where kind = 'tf'")
    compared = shelf.made(
        "comparable",
        lambda: dialect.query(_with_frequency_sql(columns, totals), standard=standard, frequency=frequency),
    )

    def weighed() -> DataFrame:
        carried = ["record_id", *columns, *(f"{name}__tf" for name in totals)]
        sides = ", ".join(f"{side}.{quote(name)} as {quote(f'{side}_{name}')}" for side in "lr" for name in carried)
        pairs = dialect.query(
            f"select p.l, p.r, p.rule, {sides} from pair as p "
            "join comparable as l on l.ordinal = p.l join comparable as r on r.ordinal = p.r",
            pair=shelf.read("pair"),
            comparable=compared,
        )
        return pairs.mapInArrow(scoring, schema(scoring.columns))

    shelf.make("candidate_pair", weighed)
    con.execute(f"create or replace table candidate_pair ({candidate_columns(entity)})")
    con.execute(f"insert into candidate_pair by name select * exclude (l, r) from {shelf.files('candidate_pair')}")


def _with_frequency_sql(columns: list[str], totals: dict[str, int]) -> str:
    """SQL: the compared columns of a record, and how common those of its values are that adjust a weight."""
    told = "".join(f", {quote(f'f_{name}')}.count as {quote(f'{name}__tf')}" for name in totals)
    joins = "".join(
        f" left join frequency as {quote(f'f_{name}')} on {quote(f'f_{name}')}.name = {literal(name)} "
        f"and {quote(f'f_{name}')}.value = cast(s.{quote(name)} as varchar)"
        for name in totals
    )
    kept = ", ".join(f"s.{quote(name)}" for name in ("ordinal", "record_id", *columns))
    return f"select {kept}{told} from standard as s{joins}"
