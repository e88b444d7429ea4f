"""Compares the relations and states of a published release with a known truth.

Reads: truth files of the entity types (source, source_key, truth), of relations (type, from_entity, from_truth,
to_entity, to_truth, until; who is only named has no to_entity) and of states (entity, truth, state); the release's
Parquet files.

A golden record stands for the true entity that most of its records belong to. A published relation is right where
the truth has one of its type between the two, in either direction for the types named in `mutual`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import duckdb

from golden_records.query import Release
from golden_records.segments import table_sql
from rules.kinds.base import literal

Document = dict[str, Any]
MUTUAL = ("spouse",)


def judge(
    release: Release, truth: Mapping[str, Path], relations: Path, states: Path, mutual: Sequence[str] = MUTUAL
) -> Document:
    """Precision and recall of relations in force, by type and in all; the share of right states, by entity type."""
    con = duckdb.connect()
    con.execute("create table owner (entity varchar, golden_id varchar, truth varchar)")
    con.execute("create table published (type varchar, from_truth varchar, to_truth varchar)")
    con.execute("create table held (entity varchar, truth varchar, state varchar)")
    entities = [name for name in release.manifest.entities if name in truth]
    crosswalk, relation, golden = (
        {name: table_sql(release.folder / name, table) for name in entities}
        for table in ("crosswalk", "relation", "golden")
    )
    for name in entities:
        con.execute(
            f"insert into owner select {literal(name)}, golden_id, mode(t.truth order by t.truth) "
            "from read_csv($truth, all_varchar = true, header = true, delim = ',', quote = '\"') as t "
            f"join {crosswalk[name]} as x on x.source = t.source and x.source_key = t.source_key "
            "where x.until is null group by golden_id",
            {"truth": str(truth[name])},
        )
    for name in entities:
        con.execute(
            "insert into published select distinct r.type, a.entity || '/' || a.truth, "
            "coalesce(b.entity || '/' || b.truth, '/' || r.to_name) "
            f"from {relation[name]} as r join owner as a on a.golden_id = r.from_id "
            "left join owner as b on b.golden_id = r.to_id "
            "where r.until is null and (r.to_id is null or b.golden_id is not null)",
        )
        con.execute(
            f"insert into held select {literal(name)}, o.truth, g.lifecycle from {golden[name]} as g "
            "join owner as o using (golden_id)",
        )
    con.execute(
        "create table expected as select distinct type, from_entity || '/' || from_truth as from_truth, "
        "coalesce(to_entity, '') || '/' || to_truth as to_truth, coalesce(until, '') = '' as open "
        "from read_csv($relations, all_varchar = true, header = true, delim = ',', quote = '\"')",
        {"relations": str(relations)},
    )
    con.execute(
        "insert into expected select type, to_truth, from_truth, open from expected where list_contains($mutual, type)",
        {"mutual": list(mutual)},
    )
    document = {"relations": _relations(con), "states": _states(con, states)}
    con.close()
    return document


def _relations(con: duckdb.DuckDBPyConnection) -> Document:
    told = con.execute(
        """
        with right_ones as (select p.* from published p semi join expected e using (type, from_truth, to_truth)),
        found as (
            select e.type, count(*) as expected, count(*) filter (p.type is not null) as found
            from (select distinct on (type, least(from_truth, to_truth), greatest(from_truth, to_truth)) *
                  from expected where open) e
            left join (select type, from_truth, to_truth from published union
                       select type, to_truth, from_truth from published) p using (type, from_truth, to_truth)
            group by e.type
        )
        select type, coalesce(p.published, 0), coalesce(r.right_ones, 0), coalesce(f.expected, 0), coalesce(f.found, 0)
        from (select type from published union select type from expected)
        left join (select type, count(*) as published from published group by type) p using (type)
        left join (select type, count(*) as right_ones from right_ones group by type) r using (type)
        left join found f using (type)
        order by type
        """
    ).fetchall()
    known = {row[0] for row in con.execute("select distinct type from expected").fetchall()}
    by_type = {row[0]: _rates(*row[1:]) for row in told if row[0] in known}
    total = [sum(one[name] for one in by_type.values()) for name in ("published", "right", "expected", "found")]
    return {**_rates(*total), "by_type": by_type}


def _rates(published: int, right: int, expected: int, found: int) -> Document:
    return {
        "published": published,
        "right": right,
        "precision": right / published if published else 1.0,
        "expected": expected,
        "found": found,
        "recall": found / expected if expected else 1.0,
    }


def _states(con: duckdb.DuckDBPyConnection, states: Path) -> Document:
    told = con.execute(
        """
        select s.entity, count(*), count(*) filter (h.state = s.state)
        from read_csv($states, all_varchar = true, header = true, delim = ',', quote = '\"') as s
        join (select entity, truth, min(state) as state from held group by entity, truth) as h using (entity, truth)
        group by s.entity order by s.entity
        """,
        {"states": str(states)},
    ).fetchall()
    by_entity = {name: {"entities": n, "right": right, "share": right / n} for name, n, right in told}
    n, right = sum(row[1] for row in told), sum(row[2] for row in told)
    return {"entities": n, "right": right, "share": right / n if n else 1.0, "by_entity": by_entity}
