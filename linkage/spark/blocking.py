"""Finds the candidate pairs on Spark, and refuses before pairing when there would be too many.

Reads: standard, frequency. Writes (Parquet): block, block_size, pair; (work database): pair_count, candidate_total.

The blocks of a record are found in tasks, by the SQL of one machine; the rest is joins and sums. Blocks that were hubs
when the frequencies were frozen are left out. A block that has grown large since stays one while the budget allows it:
its records are dealt out into parts, so that no task gets more than MOST records of one side of it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import duckdb

from linkage.block import RulePairs, refuse_above_budget
from linkage.frequencies import hub_key, hub_name
from linkage.spark import dialect
from linkage.spark.shelf import Shelf
from linkage.spark.tasks import BLOCK_COLUMNS, Blocking
from linkage.spark.types import schema
from linkage.sql import number
from rules.kinds.base import literal
from rules.model import Entity

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

MOST = 2_000


def block(
    con: duckdb.DuckDBPyConnection, shelf: Shelf, entity: Entity, standard: DataFrame, types: dict[str, str]
) -> list[RulePairs]:
    """Put every record into its blocks, count the pairs that each rule makes and, within the budget, list them.

    Raises:
        RefusedError: the rules together make more pairs than `matching.budget` per record.
    """
    hubs = shelf.handed("hub", con, _hubs_sql(entity))
    blocking = Blocking(entity, types)

    def blocks() -> DataFrame:
        placed = standard.mapInArrow(blocking, schema(BLOCK_COLUMNS))
        return dialect.query(
            "select b.rule, b.block, b.ordinal, b.dup_group from block as b "
            "left join hub as h on h.rule = b.rule and h.block = b.block where h.rule is null",
            block=placed,
            hub=hubs,
        )

    placed = shelf.made("block", blocks)
    sizes = shelf.made("block_size", lambda: dialect.run("spark_block_size", block=placed))
    counted = {
        row.rule: (int(row.pairs), int(row.largest))
        for row in dialect.run("spark_pair_count", block_size=sizes).collect()
    }
    estimates = [RulePairs(hub_name(rule), counted.get(i, (0, 0))[0]) for i, rule in enumerate(entity.blocking)]
    con.execute("create or replace table pair_count (rule varchar, pairs bigint)")
    con.executemany("insert into pair_count values (?, ?)", [[one.rule, one.pairs] for one in estimates])
    refuse_above_budget(con, entity, estimates)
    parts = -(-max((largest for _, largest in counted.values()), default=1) // MOST)
    shelf.make("pair", lambda: _pairs(placed, sizes, parts))
    return estimates


def _pairs(placed: DataFrame, sizes: DataFrame, parts: int) -> DataFrame:
    """The pairs of every rule that no earlier rule makes."""
    spark = placed.sparkSession
    split = spark.range(1, parts + 1).selectExpr("id as parts").crossJoin(spark.range(parts).selectExpr("id as part"))
    dealt = dialect.run("spark_part", {"most": MOST}, block=placed, block_size=sizes, split=split.where("part < parts"))
    return dialect.run("spark_pair", part=dealt)


def _hubs_sql(entity: Entity) -> str:
    """SQL of the frozen hubs: the number of a rule, and a block that it does not make."""
    parts = ["select 0::integer as rule, '' as block where false"]
    for i, rule in enumerate(entity.blocking):
        if rule.cap is not None:
            parts.append(f"select {i}, value from frequency where kind = 'hub' and name = {literal(hub_key(rule))}")
    return " union all ".join(parts)


def keep_total(con: duckdb.DuckDBPyConnection, shelf: Shelf) -> int:
    """Write how many pairs were listed to `candidate_total`."""
    con.execute(f"create or replace table candidate_total as select count(*) as pairs from {shelf.files('pair')}")
    return number(con, "select pairs from candidate_total")
