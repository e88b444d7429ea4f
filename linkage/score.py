"""Weighs the candidate pairs with Splink and keeps those that are worth anybody's time.

Reads: standard, pair, frequency. Writes: comparable (dropped again), candidate_pair.

Splink is handed lean columns and the pairs in chunks, so that memory stays bounded whatever their number;
only pairs at or above `matching.review` come back. A pair is `accept` or `review` by its weight alone,
unless a guard of the rules holds for it: then it waits for a steward (`guard`) or is dropped.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise

import duckdb

from linkage.frequencies import lookup_sql
from linkage.frequencies import total as frozen_total
from linkage.splink_model import (
    SCHEMA,
    Session,
    comparison,
    compared_columns,
    frequency_columns,
    predicting,
    settings,
    sided_columns,
)
from linkage.sql import number, rows
from rules.columns import quote
from rules.kinds.base import literal
from rules.model import ComparisonRule, Entity, EntityRules

CHUNK = 4_000_000


def score(
    con: duckdb.DuckDBPyConnection, rules: EntityRules, advance: Callable[[int], None] = lambda done: None
) -> None:
    """Build `candidate_pair`; `advance` hears the number of pairs weighed so far, chunk by chunk."""
    entity = rules.entity
    model = settings(rules, frozen_total(con))
    con.execute(f"create or replace table comparable as {comparable_sql(entity)}")
    con.execute(f"create or replace table scored ({scored_columns(entity)})")
    with predicting(con, "comparable", model) as session:
        register_frequencies(session, entity)
        for low, high in chunks(con):
            insert_scores(session, entity, f"join_key_l >= {low} and join_key_l < {high}")
            advance(number(con, f"select count(*) from pair where join_key_l >= {low} and join_key_l < {high}"))
    con.execute(f"create or replace table candidate_pair as {candidate_pair_sql(entity)}")
    con.execute("drop table scored")
    con.execute("drop table comparable")


def comparable_sql(entity: Entity) -> str:
    """SQL of the columns that Splink compares."""
    return f"select ordinal, {', '.join(quote(column) for column in compared_columns(entity))} from standard"


def chunks(con: duckdb.DuckDBPyConnection) -> list[tuple[int, int]]:
    """Ranges of left ordinals with at most about CHUNK pairs each."""
    pairs = number(con, "select count(*) from pair")
    if not pairs:
        return []
    count = -(-pairs // CHUNK)
    shares = ", ".join(str(i / count) for i in range(1, count))
    cuts = rows(con, f"select unnest(quantile_disc(join_key_l, [{shares}])) from pair") if shares else []
    top = number(con, "select max(join_key_l) + 1 from pair")
    edges = sorted({0, *(int(str(cut)) for (cut,) in cuts), top})
    return list(pairwise(edges))


def register_frequencies(session: Session, entity: Entity) -> None:
    """Hand Splink the frozen look-up of every column whose value frequencies adjust a weight."""
    for column in frequency_columns(entity):
        table = f"frequency_{column}"
        session.cursor.execute(f"create or replace table {SCHEMA}.{quote(table)} as {lookup_sql(column)}")
        frame = session.api.register(f"{SCHEMA}.{quote(table)}", table_name=table)
        session.linker.table_management.register_term_frequency_lookup(frame, column)


def scored_columns(entity: Entity) -> str:
    """The column definitions of `scored`: the pair, and level and weight of every comparison."""
    found = "".join(f", gamma_{one.name} tinyint, weight_{one.name} float" for one in entity.comparisons)
    return f"ordinal_l bigint, ordinal_r bigint, match_key varchar, match_weight double{found}"


def insert_scores(session: Session, entity: Entity, where: str) -> None:
    """Weigh the pairs of one chunk and append those at or above `matching.review` to `scored`."""
    session.cursor.execute(f"create or replace table {SCHEMA}.chunk as select * from pair where {where}")
    chunk = session.api.table_to_splink_dataframe("chunk", f"{SCHEMA}.chunk")
    session.linker.table_management.register_blocked_pairs_for_predict(chunk)
    found = session.linker.inference.predict(threshold_match_weight=entity.matching.review, warning_mode="never")
    columns = "".join(f", gamma_{one.name}, {weight_sql(entity, one)}" for one in entity.comparisons)
    session.cursor.execute(
        f"insert into scored select ordinal_l, ordinal_r, match_key, match_weight{columns} from {found.physical_name}"
    )
    found.drop_table_from_database_and_remove_from_cache()


def weight_sql(entity: Entity, rule: ComparisonRule) -> str:
    """SQL over Splink's output: what one comparison adds to the match weight, term frequency included."""
    adjusted = rule.term_frequency and any(level.term_frequency for level in comparison(entity, rule).levels)
    return f"mw_{rule.name} + mw_tf_adj_{rule.name}" if adjusted else f"mw_{rule.name}"


def candidate_pair_sql(entity: Entity) -> str:
    """SQL that names the records of the scored pairs and gives every pair its verdict."""
    guards = "".join(
        f" when {guard.when} then {literal('dropped' if guard.effect == 'reject' else 'guard')}"
        for guard in sorted(entity.guards, key=lambda guard: guard.effect)
    )
    weighed = f"case{guards} when match_weight >= {entity.matching.accept} then 'accept' else 'review' end"
    compared = ", ".join(f"gamma_{one.name}, weight_{one.name}" for one in entity.comparisons)
    names = sorted(set().union(*(sided_columns(guard.when) for guard in entity.guards)))
    named = "".join(
        f", {side}.{quote(name)} as {quote(f'{name}_{side}')}"
        for name in names
        if not name.startswith("gamma_")
        for side in "lr"
    )
    return f"""select record_l, record_r, match_key, match_weight, verdict, {compared} from (
  select *, {weighed} as verdict from (
    select scored.*, l.record_id as record_l, r.record_id as record_r{named}
    from scored join standard as l on l.ordinal = ordinal_l join standard as r on r.ordinal = ordinal_r
  )
) where verdict <> 'dropped'"""
