"""Searching for every record of a linked workspace must find what linking compared it with."""

from __future__ import annotations

from contextlib import closing
from datetime import date
from typing import Any

import duckdb

from linkage.search import Search
from linkage.standardize import derived_together
from linkage.workspace import Workspace, use_entity
from rules.columns import quote

Weighed = dict[str, tuple[float, str]]


def check_search(ws: Workspace, entity: str, as_of: date, every: int = 1) -> int:
    """Compare the pairs of each `every`-th record with what a search for it finds; gives how many it looked at.

    Records that refer to other entity types are left out: a search does not know who those are.
    """
    rules = ws.load_rules()
    one = rules.entities[entity]
    assert not derived_together(one.entity), "what is derived from many records cannot be searched for"
    con = ws.connect()
    try:
        records = _records(con, entity, list(one.entity.fields))
        pairs = _pairs(con)
    finally:
        con.close()
    group = {who: dup_group for who, _, dup_group, _ in records}
    references = {name for name, rule in one.entity.fields.items() if rule.kind in ("reference", "members")}
    looked = 0
    with closing(Search.open(ws.packed / entity, one, rules.folder, as_of)) as search:
        assert len(search.index) == len(records)
        for who, source, dup_group, said in records[::every]:
            if any(said[name] for name in references):
                continue
            looked += 1
            found: Weighed = {
                f"{one.source}/{one.source_key}": (one.weight, one.verdict) for one in search.candidates(said, source)
            }
            found.pop(who, None)
            if dup_group is not None:
                found = {other: what for other, what in found.items() if group[other] != dup_group}
            wanted = pairs.get(who, {})
            assert found.keys() == wanted.keys(), (who, said)
            for other, (weight, verdict) in wanted.items():
                assert abs(found[other][0] - weight) < 1e-9, (who, other)
                assert found[other][1] == verdict, (who, other)
    return looked


def _records(
    con: duckdb.DuckDBPyConnection, entity: str, fields: list[str]
) -> list[tuple[str, str, str | None, dict[str, Any]]]:
    """Of every current record its name, its source, its group and the texts of its fields."""
    use_entity(con, entity)
    texts = ", ".join(f"r.{quote(name)}" for name in fields)
    rows = con.execute(
        f"select s.source || '/' || s.source_key, s.source, s.dup_group, {texts} from standard as s "
        "join (from record union all by name from grouped_record) as r using (record_id) order by s.ordinal"
    ).fetchall()
    return [(who, source, group, dict(zip(fields, said, strict=True))) for who, source, group, *said in rows]


def _pairs(con: duckdb.DuckDBPyConnection) -> dict[str, Weighed]:
    found: dict[str, Weighed] = {}
    for left, right, weight, verdict in con.execute(
        "select l.source || '/' || l.source_key, r.source || '/' || r.source_key, match_weight, verdict "
        "from candidate_pair join standard as l on l.record_id = record_l join standard as r on r.record_id = record_r"
    ).fetchall():
        found.setdefault(left, {})[right] = (weight, verdict)
        found.setdefault(right, {})[left] = (weight, verdict)
    return found
