"""Where a linkage errs: by source pair, region, blocking rule and threshold, against a known truth.

Reads: judged, and where the entity type is linked standard and candidate_pair. Writes: temporary tables judged_pair and
judged_candidate.
"""

from __future__ import annotations

from typing import Any

import duckdb

from linkage.frequencies import hub_name
from linkage.sql import number, rows
from rules.model import Entity

Document = dict[str, Any]
MOST = 40
_PAIRS = """
create or replace temp table judged_pair as
with side as (
  select j.*, s.ordinal, {region} as region from judged as j left join standard as s using (source, source_key)
)
select a.source as ls, b.source as rs, a.region as lr, b.region as rr, a.ordinal as l, b.ordinal as r,
       a.truth = b.truth as truly, a.grp = b.grp as made
from side as a join side as b on a.id < b.id and a.truth = b.truth
union all
select a.source, b.source, a.region, b.region, a.ordinal, b.ordinal, false, true
from side as a join side as b on a.id < b.id and a.grp = b.grp and a.truth <> b.truth"""
_COUNTS = "count(*) filter (truly), count(*) filter (made), count(*) filter (truly and made)"


def broken_down(con: duckdb.DuckDBPyConnection, entity: Entity) -> Document:
    """Pairs by the sources and the regions of their records: true, found, right, precision, recall."""
    region = f"cast(({entity.region}) as varchar)" if entity.region else "null::varchar"
    con.execute(_PAIRS.format(region=region))
    return {
        "by_source_pair": _by(con, "least(ls, rs) || ' + ' || greatest(ls, rs)"),
        "by_region": _by(con, _region(con)),
    }


def by_rule(con: duckdb.DuckDBPyConnection, entity: Entity) -> Document:
    """Candidate pairs by the first rule that makes them: how many are kept, accepted, and right."""
    _judge_candidates(con)
    found = rows(
        con,
        "select match_key::integer, count(*), count(*) filter (verdict = 'accept'), "
        "count(*) filter (verdict = 'accept' and truly), count(*) filter (truly) "
        "from judged_candidate group by 1 order by 1",
    )
    told = {}
    for key, kept, accepted, right, true in ((int(str(a)), *map(int, map(str, rest))) for a, *rest in found):
        told[hub_name(entity.blocking[key])] = {
            "kept_pairs": kept,
            "accepted": accepted,
            "right": right,
            "precision": right / accepted if accepted else 1.0,
            "true_but_not_accepted": true - right,
        }
    return told


def curve(con: duckdb.DuckDBPyConnection, wanted: float | None) -> Document:
    """Precision and recall of kept pairs by threshold, constraints and ways over others left out.

    `chosen` is the least threshold above which the precision never falls below `wanted`.
    """
    _judge_candidates(con)
    true = number(con, "select count(*) from judged_pair where truly")
    found = rows(
        con,
        "select floor(match_weight) as threshold, count(*), count(*) filter (truly) from judged_candidate "
        "group by 1 order by 1 desc",
    )
    points: list[Document] = []
    made = right = 0
    for threshold, count, hits in found:
        made, right = made + int(str(count)), right + int(str(hits))
        points.append(
            {
                "threshold": float(str(threshold)),
                "pairs": made,
                "precision": right / made,
                "recall": right / true if true else 1.0,
            }
        )
    chosen = None
    for point in points:
        if wanted is None or point["precision"] < wanted:
            break
        chosen = point
    return {"points": points, "wanted_precision": wanted, "chosen": chosen}


def _judge_candidates(con: duckdb.DuckDBPyConnection) -> None:
    con.execute(
        "create or replace temp table judged_candidate as "
        "select p.match_weight, p.verdict, p.match_key, a.truth = b.truth as truly from candidate_pair as p "
        "join standard as l on l.record_id = record_l join standard as r on r.record_id = record_r "
        "join judged as a on a.source = l.source and a.source_key = l.source_key "
        "join judged as b on b.source = r.source and b.source_key = r.source_key"
    )


def _by(con: duckdb.DuckDBPyConnection, key: str) -> Document:
    found = rows(
        con,
        f"select {key} as part, {_COUNTS} from judged_pair where {key} is not null "
        f"group by 1 order by 2 desc, 1 limit {MOST}",
    )
    told: Document = {}
    for part, *counts in found:
        true, made, right = (int(str(n)) for n in counts)
        told[str(part)] = {
            "true_pairs": true,
            "found_pairs": made,
            "right_pairs": right,
            "precision": right / made if made else 1.0,
            "recall": right / true if true else 1.0,
        }
    return told


def _region(con: duckdb.DuckDBPyConnection) -> str:
    """SQL: the region of a pair, the shortest beginning of its code of which there are several."""
    least = "least(lr, rr)"
    for digits in (2, 4, 6):
        if number(con, f"select count(distinct left({least}, {digits})) from judged_pair") > 1:
            return f"left({least}, {digits})"
    return least
