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
    compared_columns,
    comparison,
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
LOWEST = -1000.0  # no pair weighs less


def score(
    con: duckdb.DuckDBPyConnection, rules: EntityRules, advance: Callable[[int], None] = lambda done: None
) -> None:
    """Build `candidate_pair`; `advance` hears how many pairs each chunk weighed."""
    entity = rules.entity
    model = settings(rules, frozen_total(con))
    con.execute(f"create or replace table comparable as {comparable_sql(entity)}")
    con.execute(f"create or replace table candidate_pair ({candidate_columns(entity)})")
    with predicting(con, "comparable", model) as session:
        register_frequencies(session, entity)
        for low, high in chunks(con):
            advance(score_chunk(session, entity, f"join_key_l >= {low} and join_key_l < {high}"))
    con.execute("drop table comparable")


def keeping_all(rules: EntityRules) -> EntityRules:
    """The same rules, by which every pair is kept whatever it weighs."""
    matching = rules.entity.matching.model_copy(update={"review": LOWEST})
    return rules.model_copy(update={"entity": rules.entity.model_copy(update={"matching": matching})})


def comparable_sql(entity: Entity) -> str:
    """SQL of the columns that comparisons and guards read; nothing else is handed to Splink."""
    guarded = set().union(*(sided_columns(guard.when) for guard in entity.guards))
    columns = sorted({*compared_columns(entity), *guarded} - {"record_id", "ordinal"})
    return f"select ordinal, record_id, {', '.join(quote(column) for column in columns)} from standard"


def candidate_columns(entity: Entity) -> str:
    """The column definitions of `candidate_pair`: the pair, its verdict, and level and weight of every comparison."""
    found = "".join(f", gamma_{one.name} tinyint, weight_{one.name} float" for one in entity.comparisons)
    return f"record_l bigint, record_r bigint, match_key varchar, match_weight double, verdict varchar{found}"


def chunks(con: duckdb.DuckDBPyConnection) -> list[tuple[int, int]]:
    """Ranges of left ordinals with about CHUNK pairs each."""
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


def score_chunk(session: Session, entity: Entity, where: str) -> int:
    """Weigh the pairs of one chunk, append those worth keeping to `candidate_pair`; returns how many it weighed."""
    session.cursor.execute(f"create or replace table {SCHEMA}.chunk as select * from pair where {where}")
    chunk = session.api.table_to_splink_dataframe("chunk", f"{SCHEMA}.chunk")
    session.linker.table_management.register_blocked_pairs_for_predict(chunk)
    found = session.linker.inference.predict(threshold_match_weight=entity.matching.review, warning_mode="never")
    session.cursor.execute(f"insert into candidate_pair {candidate_pair_sql(entity, found.physical_name)}")
    found.drop_table_from_database_and_remove_from_cache()
    return number(session.cursor, f"select count(*) from {SCHEMA}.chunk")


def candidate_pair_sql(entity: Entity, scored: str) -> str:
    """SQL of `candidate_pair` from a table that Splink scored: levels, weights and the verdict."""
    guards = "".join(
        f" when {guard.when} then {literal('dropped' if guard.effect == 'reject' else 'guard')}"
        for guard in sorted(entity.guards, key=lambda guard: guard.effect)
    )
    verdict = f"case{guards} when match_weight >= {entity.matching.accept} then 'accept' else 'review' end"
    levels = "".join(
        f", {gamma_sql(entity, one)} as gamma_{one.name}, {weight_sql(entity, one)} as weight_{one.name}"
        for one in entity.comparisons
    )
    kept = "".join(f", gamma_{one.name}, weight_{one.name}" for one in entity.comparisons)
    sided = sorted({*compared_columns(entity), *set().union(*(sided_columns(g.when) for g in entity.guards))})
    columns = "".join(
        f", {side}.{quote(name)} as {quote(f'{name}_{side}')}" for name in sided if name != "ordinal" for side in "lr"
    )
    return f"""select record_l, record_r, match_key, match_weight, verdict{kept} from (
  select *, {verdict} as verdict from (
    select *{levels} from (
      select s.*, l.record_id as record_l, r.record_id as record_r{columns}
      from {scored} as s join comparable as l on l.ordinal = s.ordinal_l join comparable as r on r.ordinal = s.ordinal_r
    )
  )
) where verdict <> 'dropped'"""


def gamma_sql(entity: Entity, rule: ComparisonRule) -> str:
    """SQL: the level of a pair, counted as Splink counts: -1 null, 0 else, the most similar highest."""
    whole = comparison(entity, rule)
    levels = "".join(f" when {level.when} then {len(whole.levels) - i}" for i, level in enumerate(whole.levels))
    return f"case when {whole.null} then -1{levels} else 0 end"


def weight_sql(entity: Entity, rule: ComparisonRule) -> str:
    """SQL over Splink's output: what one comparison adds to the match weight, term frequency included."""
    adjusted = rule.term_frequency and any(level.term_frequency for level in comparison(entity, rule).levels)
    return f"mw_{rule.name} + mw_tf_adj_{rule.name}" if adjusted else f"mw_{rule.name}"
