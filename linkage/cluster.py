"""Decides which records are one entity: constrained union over the accepted pairs and the stewards' decisions.

Reads: standard, candidate_pair, decisions. Writes: cluster, refusal.

The constraints come from the rules: every `exclusive` column is a slot of which a cluster holds one value
(unless an `alias_of` field licenses a second), and a cluster holds one record of a duplicate-free group.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

import duckdb
import numpy as np
import pyarrow as pa

from linkage.sql import number, run
from linkage.union import Constraints, Floats, Ints, Pair, components, constrained_union
from rules.columns import quote
from rules.errors import RefusedError
from rules.model import Entity, EntityRules

SourceRecord = tuple[str, str]


@dataclass(frozen=True)
class Decided:
    """What a steward decided about two source records, each named by (source, source_key)."""

    kind: Literal["same", "different"]
    left: SourceRecord
    right: SourceRecord


@dataclass(frozen=True)
class ClusterCounts:
    """How many clusters there are and how many accepted pairs a constraint kept apart."""

    clusters: int
    refused: int


def cluster(con: duckdb.DuckDBPyConnection, rules: EntityRules, decided: Iterable[Decided]) -> ClusterCounts:
    """Build `cluster` and `refusal`. Decisions about records that are not there now rest.

    Raises:
        RefusedError: decisions contradict each other.
    """
    count = number(con, "select count(*) from standard")
    same, different = _present(con, list(decided))
    constraints = Constraints(
        slots={one.slot: _codes(con, count, one.column, code_sql(one.column)) for one in rules.entity.exclusive},
        groups=_codes(con, count, "dup_group", "dense_rank() over (order by dup_group) - 1"),
        licences=_licences(con, rules.entity),
        same=tuple(pair for pair, _ in same),
        different=tuple(pair for pair, _ in different),
    )
    _refuse_contradictions(count, same, different)
    edges = _edges(con)
    found = constrained_union(count, edges, constraints)
    left, right, weight = (side[found.refused] for side in edges)
    reasons = np.array(constraints.reasons, dtype=object)[found.reason]
    con.register("label", pa.table({"ordinal": np.arange(count, dtype=np.int64), "head": found.label}))
    con.register(
        "refused",
        pa.table(
            {
                "ordinal_l": left,
                "ordinal_r": right,
                "match_weight": weight,
                "reason": pa.array(reasons, type=pa.string()),
            }
        ),
    )
    try:
        run(con, "cluster")
    finally:
        con.unregister("label")
        con.unregister("refused")
    return ClusterCounts(int(np.unique(found.label).size), int(found.refused.size))


def code_sql(column: str) -> str:
    """SQL: a number that stands for a column's value (63 bits of its hash)."""
    return f"cast(hash({quote(column)}) >> 1 as bigint)"


def _codes(con: duckdb.DuckDBPyConnection, count: int, column: str, code: str) -> Ints:
    """A code per ordinal, -1 where `column` is null."""
    found = con.execute(f"select ordinal, {code} as code from standard where {quote(column)} is not null").fetchnumpy()
    codes = np.full(count, -1, dtype=np.int64)
    codes[found["ordinal"]] = found["code"]
    return codes


def _licences(con: duckdb.DuckDBPyConnection, entity: Entity) -> dict[str, frozenset[Pair]]:
    """Per slot the pairs of codes that an alias field licenses: a record's own value and its alias."""
    found: dict[str, frozenset[Pair]] = {}
    slots = {one.column: one.slot for one in entity.exclusive}
    for name, field in entity.fields.items():
        if field.alias_of is not None and field.alias_of in slots:
            own, alias = quote(field.alias_of), quote(f"{name}__key")
            pairs = con.execute(
                f"select distinct {code_sql(field.alias_of)}, {code_sql(name + '__key')} from standard "
                f"where {own} is not null and {alias} is not null and {own} <> {alias}"
            ).fetchall()
            slot = slots[field.alias_of]
            found[slot] = found.get(slot, frozenset()) | {(int(a), int(b)) for a, b in pairs}
    return found


def _edges(con: duckdb.DuckDBPyConnection) -> tuple[Ints, Ints, Floats]:
    found = con.execute(
        "select l.ordinal as l, r.ordinal as r, match_weight as w from candidate_pair "
        "join standard as l on l.record_id = record_l join standard as r on r.record_id = record_r "
        "where verdict = 'accept'"
    ).fetchnumpy()
    return found["l"].astype(np.int64), found["r"].astype(np.int64), found["w"].astype(np.float64)


Resolved = list[tuple[Pair, Decided]]


def _present(con: duckdb.DuckDBPyConnection, decided: Sequence[Decided]) -> tuple[Resolved, Resolved]:
    """The `same` and the `different` decisions whose records are in `standard`, with their ordinals."""
    if not decided:
        return [], []
    named = sorted({record for one in decided for record in (one.left, one.right)})
    ordinal = {
        (source, key): int(number_)
        for source, key, number_ in con.execute(
            "select source, source_key, ordinal from standard semi join "
            "(select unnest($sources) as source, unnest($keys) as source_key) using (source, source_key)",
            {"sources": [source for source, _ in named], "keys": [key for _, key in named]},
        ).fetchall()
    }
    same: Resolved = []
    different: Resolved = []
    for one in decided:
        if one.left in ordinal and one.right in ordinal:
            a, b = sorted((ordinal[one.left], ordinal[one.right]))
            if a != b:
                (same if one.kind == "same" else different).append(((a, b), one))
    return same, different


def _refuse_contradictions(count: int, same: Resolved, different: Resolved) -> None:
    if not same or not different:
        return
    pairs = np.array([pair for pair, _ in same], dtype=np.int64)
    label = components(count, pairs[:, 0].copy(), pairs[:, 1].copy())
    clash = [one for (a, b), one in different if label[a] == label[b]]
    if clash:
        named = "; ".join(f"{'/'.join(one.left)} and {'/'.join(one.right)}" for one in clash[:5])
        raise RefusedError(
            f"{len(clash)} 'different' decisions contradict 'same' decisions: {named}. Withdraw one of each"
        )
