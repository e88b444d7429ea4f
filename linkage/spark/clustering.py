"""Decides on Spark which records are one entity: connected components, then the constrained union inside each.

Reads: standard, candidate_pair (Parquet), decisions. Writes (Parquet): component, united; (work database): cluster,
refusal.

Accepted pairs and `same` decisions are the edges. Edges of one component never decide about another, so that the union
of one machine runs in tasks that get whole components. A value and its alias that some record elsewhere names together
may be one entity's: such a record is shown to the task as a witness.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

import duckdb
import numpy as np
import pyarrow as pa

from linkage.cluster import ClusterCounts, present, refuse_contradictions
from linkage.decided import Decided, SourceRecord
from linkage.spark import dialect
from linkage.spark.shelf import Shelf
from linkage.spark.tasks import EDGE, RECORD, UNITED_COLUMNS, WITNESS, Uniting
from linkage.spark.types import described, schema
from linkage.sql import number
from linkage.union import components
from rules.columns import quote
from rules.errors import ShuyuanError
from rules.model import Entity, EntityRules

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

FEW = 5_000_000  # edges that the driver takes into two arrays; more go round by round over the cluster
SHARE = 500_000  # records (counted twice) and edges of whole components that one task gets, about
ROUNDS = 60  # each shortens chains by more than half


def cluster(
    con: duckdb.DuckDBPyConnection,
    shelf: Shelf,
    rules: EntityRules,
    standard: DataFrame,
    decided: Iterable[Decided],
    pinned: Iterable[SourceRecord] = (),
) -> ClusterCounts:
    """Build `cluster` and `refusal`, as the engine of one machine does.

    Raises:
        RefusedError: decisions contradict each other.
    """
    same, different = present(con, list(decided))
    told = [one for _, one in (*same, *different)]
    refuse_contradictions(told)
    accepted = shelf.read("candidate_pair").where("verdict = 'accept'")
    edges = accepted.select("l", "r")
    if same:
        joined = pa.table({"l": [a for (a, _), _ in same], "r": [b for (_, b), _ in same]})
        edges = edges.union(shelf.spark.createDataFrame(joined))
    count = number(con, f"select count(*) from {shelf.files('candidate_pair')} where verdict = 'accept'") + len(same)
    labelled = shelf.made("component", lambda: _components(shelf, edges, count))
    uniting = Uniting(rules, _constrained_types(con, rules.entity), tuple(told), tuple(sorted(pinned)))
    share = -(-(2 * number(con, f"select count(*) from {shelf.files('component')}") + count) // SHARE)
    shelf.make("united", lambda: _united(uniting, standard, accepted, labelled, share))
    found = shelf.files("united")
    con.execute(
        "create or replace table cluster as select s.record_id, coalesce(u.cluster_id, s.record_id) as cluster_id "
        f"from standard as s left join (select * from {found} where cluster_id is not null) as u using (record_id)"
    )
    con.execute(
        "create or replace table refusal as select record_id as record_l, record_r, match_weight, reason "
        f"from {found} where cluster_id is null"
    )
    clusters = number(con, "select count(*) from cluster where record_id = cluster_id")
    return ClusterCounts(clusters, number(con, "select count(*) from refusal"))


def _components(shelf: Shelf, edges: DataFrame, count: int) -> DataFrame:
    """The component of every record that one of `count` edges names, by its smallest: (ordinal, component)."""
    if count <= FEW:
        return shelf.spark.createDataFrame(_gathered(edges.toArrow()))
    edge = dialect.query("select distinct r as high, l as low from edge where l <> r", edge=edges)
    before = None
    for i in range(ROUNDS):
        name = f"star_{i}"
        edge = shelf.made(name, lambda edge=edge: dialect.run("spark_star", edge=edge))  # type: ignore[misc]
        state = edge.selectExpr("count(*)", "sum(cast(xxhash64(high, low) as decimal(38, 0)))").collect()[0]
        if state == before:
            return dialect.query(
                "select high as ordinal, low as component from edge union select low, low from edge", edge=edge
            )
        before = state
    raise ShuyuanError(f"components were not found in {ROUNDS} rounds; no graph of pairs has so long a chain")


def _gathered(edges: pa.Table) -> pa.Table:
    """The same of edges that fit one array."""
    left, right = (edges.column(name).to_numpy() for name in ("l", "r"))
    nodes, ends = np.unique(np.concatenate([left, right]), return_inverse=True)
    label = components(nodes.size, ends[: left.size].copy(), ends[left.size :].copy())
    return pa.table({"ordinal": nodes.astype(np.int64), "component": nodes[label].astype(np.int64)})


def _constrained_types(con: duckdb.DuckDBPyConnection, entity: Entity) -> dict[str, str]:
    """The columns of `standard` that the constraints read, and their types."""
    return described(con, f"select {', '.join(constrained_columns(entity))} from standard")


def constrained_columns(entity: Entity) -> list[str]:
    """The columns of `standard` that say who may not be one entity, and who a record is."""
    aliases = [quote(f"{name}__key") for name, rule in entity.fields.items() if rule.alias_of]
    exclusive = [quote(one.column) for one in entity.exclusive]
    return list(dict.fromkeys(["record_id", "source", "source_key", "dup_group", *exclusive, *aliases]))


def _united(uniting: Uniting, standard: DataFrame, accepted: DataFrame, labelled: DataFrame, share: int) -> DataFrame:
    """What the tasks make of the components: records with their clusters, and refused pairs."""
    columns = ", ".join(f"s.{name}" for name in map(quote, uniting.types))
    ends = "null as record_l, null as record_r, null as match_weight"
    nothing = ", ".join(f"null as {quote(name)}" for name in uniting.types)
    frames = {"standard": standard, "labelled": labelled, "accepted": accepted}
    parts = [
        f"select c.component, {RECORD} as what, s.ordinal, {columns}, {ends} "
        "from labelled as c join standard as s on s.ordinal = c.ordinal",
        f"select c.component, {EDGE}, null, {nothing}, a.record_l, a.record_r, a.match_weight "
        "from accepted as a join labelled as c on c.ordinal = a.l",
        *(
            f"select distinct c.component, {WITNESS}, s.ordinal, {columns}, {ends} "
            f"from standard as s join standard as o on {owned} = {own} and {other} <> {own} "
            "join labelled as c on c.ordinal = o.ordinal"
            for own, other, owned in _licensing(uniting.rules.entity)
        ),
    ]
    rows = dialect.query(" union all ".join(parts), **frames)
    shares = max(share, labelled.sparkSession.sparkContext.defaultParallelism)
    return rows.repartition(shares, "component").mapInArrow(uniting, schema(UNITED_COLUMNS))


def _licensing(entity: Entity) -> list[tuple[str, str, str]]:
    """SQL by alias field: the value of a witness `s`, the alias that it names, and the value of a record `o`."""
    return [
        (f"s.{quote(one.column)}", f"s.{quote(f'{name}__key')}", f"o.{quote(one.column)}")
        for one in entity.exclusive
        for name, rule in entity.fields.items()
        if rule.alias_of == one.column
    ]
