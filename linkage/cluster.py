"""Decides which records are one entity: constrained union over the accepted pairs and the stewards' decisions.

Reads: standard, candidate_pair, decisions. Writes: cluster, refusal.

The constraints come from the rules: every `exclusive` column is a slot of which a cluster holds one value
(unless an `alias_of` field licenses a second), and a cluster holds one record of a duplicate-free group.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import duckdb
import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from linkage.decided import Decided, SourceRecord, contradictions
from linkage.kernel.columns import Reader
from linkage.sql import number, run
from linkage.union import PINNED, Constraints, Floats, Ints, Pair, components, constrained_union
from rules.columns import quote
from rules.errors import RefusedError
from rules.model import Entity, EntityRules


@dataclass(frozen=True)
class ClusterCounts:
    """How many clusters there are and how many accepted pairs a constraint kept apart."""

    clusters: int
    refused: int


def cluster(
    con: duckdb.DuckDBPyConnection,
    rules: EntityRules,
    decided: Iterable[Decided],
    pinned: Iterable[SourceRecord] = (),
) -> ClusterCounts:
    """Build `cluster` and `refusal`. Decisions about records that are not there now rest.

    An entity with one of the records `pinned` is what `same` decisions make of it: weight joins nothing to it.

    Raises:
        RefusedError: decisions contradict each other.
    """
    count = number(con, "select count(*) from standard")
    same, different = present(con, list(decided))
    slots, licences = _slots(con, rules.entity)
    constraints = Constraints(
        slots=slots,
        groups=_groups(con, rules.entity),
        licences=licences,
        same=tuple(pair for pair, _ in same),
        different=tuple(pair for pair, _ in different),
    )
    refuse_contradictions(one for _, one in (*same, *different))
    edges = _edges(con)
    barred = _barred(count, edges, constraints.same, _ordinals(con, pinned))
    free = (edges[0][~barred], edges[1][~barred], edges[2][~barred])
    found = constrained_union(count, free, constraints)
    left, right, weight = (np.concatenate([f[found.refused], e[barred]]) for f, e in zip(free, edges, strict=True))
    reasons = np.array((*constraints.reasons, PINNED), dtype=object)[
        np.concatenate([found.reason, np.full(np.count_nonzero(barred), len(constraints.reasons))])
    ]
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
    heads = np.count_nonzero(found.label == np.arange(count))
    return ClusterCounts(int(heads), int(left.size))


def _slots(con: duckdb.DuckDBPyConnection, entity: Entity) -> tuple[dict[str, Ints], dict[str, frozenset[Pair]]]:
    """Per slot a code per record, and the pairs of codes that an alias field licenses: a value and its alias."""
    reader = Reader(con, entity)
    slots: dict[str, Ints] = {}
    licences: dict[str, frozenset[Pair]] = {}
    for one in entity.exclusive:
        column = slot_text(one.column)
        aliases = [slot_text(f"{name}__key") for name, rule in entity.fields.items() if rule.alias_of == one.column]
        reader.codes([column, *aliases])
        own = _from_zero(reader.columns.codes[column])
        for alias in aliases:
            other = _from_zero(reader.columns.codes[alias])
            licensing = (own >= 0) & (other >= 0) & (own != other)
            pairs = np.unique(np.stack([own[licensing], other[licensing]], axis=1), axis=0)
            found = frozenset((int(a), int(b)) for a, b in pairs)
            licences[one.slot] = licences.get(one.slot, frozenset()) | found
        slots[one.slot] = own
    return slots, licences


def _groups(con: duckdb.DuckDBPyConnection, entity: Entity) -> Ints:
    """A code per record of the group that its source declares free of duplicates, -1 for none."""
    reader = Reader(con, entity)
    reader.codes(["dup_group"])
    return _from_zero(reader.columns.codes["dup_group"])


def slot_text(column: str) -> str:
    """SQL: the values of an exclusive column as they are compared."""
    return f"cast({quote(column)} as varchar)"


def _from_zero(codes: NDArray[np.int32]) -> Ints:
    return np.maximum(codes, -1).astype(np.int64)


def _edges(con: duckdb.DuckDBPyConnection) -> tuple[Ints, Ints, Floats]:
    found = con.execute(
        "select l.ordinal as l, r.ordinal as r, match_weight as w from candidate_pair "
        "join standard as l on l.record_id = record_l join standard as r on r.record_id = record_r "
        "where verdict = 'accept'"
    ).fetchnumpy()
    return found["l"].astype(np.int64), found["r"].astype(np.int64), found["w"].astype(np.float64)


Resolved = list[tuple[Pair, Decided]]


def present(con: duckdb.DuckDBPyConnection, decided: Sequence[Decided]) -> tuple[Resolved, Resolved]:
    """The `same` and the `different` decisions whose records are in `standard`, with their ordinals."""
    if not decided:
        return [], []
    ordinal = _ordinals(con, (record for one in decided for record in (one.left, one.right)))
    same: Resolved = []
    different: Resolved = []
    for one in decided:
        if one.left in ordinal and one.right in ordinal:
            a, b = sorted((ordinal[one.left], ordinal[one.right]))
            if a != b:
                (same if one.kind == "same" else different).append(((a, b), one))
    return same, different


def _ordinals(con: duckdb.DuckDBPyConnection, records: Iterable[SourceRecord]) -> dict[SourceRecord, int]:
    """The ordinals of those of the records that are in `standard`."""
    named = sorted(set(records))
    if not named:
        return {}
    found = con.execute(
        "select source, source_key, ordinal from standard semi join "
        "(select unnest($sources) as source, unnest($keys) as source_key) using (source, source_key)",
        {"sources": [source for source, _ in named], "keys": [key for _, key in named]},
    ).fetchall()
    return {(source, key): int(number_) for source, key, number_ in found}


def _barred(
    count: int, edges: tuple[Ints, Ints, Floats], same: Iterable[Pair], pinned: dict[SourceRecord, int]
) -> NDArray[np.bool_]:
    """Which edges lead out of, or into, a pinned entity: the records that `same` decisions join to a pinned one."""
    if not pinned:
        return np.zeros(edges[0].size, dtype=bool)
    ends = np.array([*same], dtype=np.int64).reshape(-1, 2)
    part = components(count, ends[:, 0].copy(), ends[:, 1].copy())
    held = np.zeros(count, dtype=bool)
    held[part[list(pinned.values())]] = True
    left, right = part[edges[0]], part[edges[1]]
    barred: NDArray[np.bool_] = (left != right) & (held[left] | held[right])
    return barred


def refuse_contradictions(decided: Iterable[Decided]) -> None:
    """RefusedError where decisions about records that are there contradict each other."""
    found = contradictions(decided)
    if found:
        told = "; ".join(str(one) for one in found[:5])
        raise RefusedError(f"{len(found)} contradictions between decisions: {told}. Withdraw one of each")
