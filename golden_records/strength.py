"""How strong the match behind a golden record is.

Reads: standard, member, golden_number, candidate_pair, decisions. Writes: golden.weakest_match.

The records of a cluster are joined by their heaviest accepted pairs (a spanning tree of greatest weight); the lightest
of these is the link that the golden record hangs on. What a steward joined has no weight, so a record alone, or one
that stewards alone made, has none.
"""

from __future__ import annotations

import duckdb
import numpy as np
import pyarrow as pa

from linkage.decisions import DecisionStore
from linkage.union import Floats, Ints, components

DIGITS = 2


def strengthen(con: duckdb.DuckDBPyConnection, decisions: DecisionStore, entity: str) -> None:
    """Add `weakest_match` to `golden`, in the schema of the entity type."""
    label, joined, edges = _links(con, decisions, entity)
    weakest = weakest_links(label, joined, edges)
    held = np.flatnonzero(np.isfinite(weakest))
    con.register("weakest", pa.table({"g": held, "weight": weakest[held]}))
    try:
        con.execute("alter table golden add column weakest_match double")
        con.execute(
            "update golden set weakest_match = round(w.weight, $digits) "
            "from weakest as w join golden_number as n on n.g = w.g where n.golden_id = golden.golden_id",
            {"digits": DIGITS},
        )
    finally:
        con.unregister("weakest")


def weakest_links(label: Ints, joined: Ints, edges: tuple[Ints, Ints, Floats]) -> Floats:
    """Per cluster number, the weight of the weakest link that holds it together; infinite where it has none.

    label is the cluster of each record, joined the part that stewards made of each record, edges are accepted pairs
    (two arrays of records, weights). Every round takes the heaviest edge that leaves each part (Borůvka), so there are
    about log2(records of the largest cluster) rounds.
    """
    left, right, weight = edges
    order = np.lexsort((right, left, -weight))
    order = order[label[left[order]] == label[right[order]]]
    left, right, weight = left[order], right[order], weight[order]
    found = np.full(int(label.max(initial=-1)) + 1, np.inf)
    part = joined
    while True:
        apart = part[left] != part[right]
        left, right, weight = left[apart], right[apart], weight[apart]
        if not left.size:
            return found
        best = np.full(label.size, left.size, dtype=np.int64)
        for side in (left, right):
            np.minimum.at(best, part[side], np.arange(left.size))
        taken = np.unique(best[best < left.size])
        np.minimum.at(found, label[left[taken]], weight[taken])
        part = components(label.size, part[left[taken]], part[right[taken]])[part]


def _links(
    con: duckdb.DuckDBPyConnection, decisions: DecisionStore, entity: str
) -> tuple[Ints, Ints, tuple[Ints, Ints, Floats]]:
    """The cluster of every record in order, the parts that stewards joined, and the accepted pairs."""
    told = con.execute("select ordinal, g from member order by ordinal").fetchnumpy()
    ordinals, label = told["ordinal"].astype(np.int64), told["g"].astype(np.int64)
    pairs = con.execute(
        "select l.ordinal as l, r.ordinal as r, match_weight as w from candidate_pair "
        "join standard as l on l.record_id = record_l join standard as r on r.record_id = record_r "
        "where verdict = 'accept'"
    ).fetchnumpy()
    left, right = (np.searchsorted(ordinals, pairs[side]) for side in "lr")
    same = [one for one in decisions.replay(entity) if one.kind == "same"]
    found = con.execute(
        "select l.ordinal as l, r.ordinal as r from (select unnest($ls) as ls, unnest($lk) as lk, unnest($rs) as rs, "
        "unnest($rk) as rk) join standard as l on l.source = ls and l.source_key = lk "
        "join standard as r on r.source = rs and r.source_key = rk",
        {
            "ls": [one.left[0] for one in same],
            "lk": [one.left[1] for one in same],
            "rs": [one.right[0] for one in same],
            "rk": [one.right[1] for one in same],
        },
    ).fetchnumpy()
    joined = components(label.size, *(np.searchsorted(ordinals, found[side]) for side in "lr"))
    return label, joined, (left, right, pairs["w"].astype(np.float64))
