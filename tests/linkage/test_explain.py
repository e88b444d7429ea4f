"""What is told of a pair is what linking made of it; what is told of a cluster is how it came about."""

from __future__ import annotations

from datetime import date

import duckdb
import pytest

from golden_records import explained
from linkage.decisions import Decision, DecisionStore
from linkage.explain import explain, history
from linkage.link import link
from linkage.workspace import Workspace, use_entity
from rules.errors import NotFoundError, RefusedError

DAY = date(2024, 6, 1)
ENTITIES = ("committee", "person", "household", "organization", "institution")


PAIRS = """
select l.source as ls, l.source_key as lk, r.source as rs, r.source_key as rk, p.*
from candidate_pair as p join standard as l on l.record_id = record_l join standard as r on r.record_id = record_r
order by md5(l.source_key || r.source_key)"""


def sampled(con: duckdb.DuckDBPyConnection, limit: int) -> list[dict[str, object]]:
    found = con.execute(f"{PAIRS} limit {limit}")
    names = [column[0] for column in found.description]
    return [dict(zip(names, row, strict=True)) for row in found.fetchall()]


@pytest.mark.parametrize("entity", ENTITIES)
def test_a_kept_pair_is_told_as_it_was_weighed(province: Workspace, entity: str) -> None:
    rules = province.load_rules().entities[entity]
    con = province.connect()
    try:
        use_entity(con, entity)
        for pair in sampled(con, 6):
            left, right = ((str(pair[f"{side}s"]), str(pair[f"{side}k"])) for side in "lr")
            found = explain(con, rules, left, right)
            assert found.match_weight == pytest.approx(pair["match_weight"], abs=1e-6)
            assert found.verdict == pair["verdict"]
            assert found.match_weight == pytest.approx(found.prior + sum(one.weight for one in found.parts), abs=1e-2)
            for part in found.parts:
                assert part.weight == pytest.approx(pair[f"weight_{part.comparison}"], abs=1e-3)
            meeting = [i for i, block in enumerate(found.blocks) if block.meets]
            assert meeting[0] == int(str(pair["match_key"]))
            back = explain(con, rules, right, left)
            assert (back.match_weight, back.verdict, back.parts) == (found.match_weight, found.verdict, found.parts)
    finally:
        con.close()


@pytest.mark.parametrize("entity", ENTITIES)
def test_a_cluster_was_joined_from_the_heaviest_pair_down(province: Workspace, entity: str) -> None:
    rules = province.load_rules().entities[entity]
    con = province.connect()
    try:
        use_entity(con, entity)
        clusters = con.execute(
            "select list(s.source order by ordinal), list(s.source_key order by ordinal) from cluster "
            "join standard as s using (record_id) group by cluster_id having count(*) > 1 order by min(ordinal)"
        ).fetchall()
        for sources, keys in clusters:
            joins = history(con, rules, [], zip(sources, keys, strict=True))
            assert len(joins) == len(keys) - 1
            weights = [join.match_weight for join in joins]
            assert weights == sorted(weights, key=lambda weight: -float(weight or 0))
            assert sum(joins[-1].sizes) == len(keys)
    finally:
        con.close()


def test_a_pair_that_nothing_found_is_told_with_what_lacks(province: Workspace) -> None:
    rules = province.load_rules().entities["person"]
    con = province.connect()
    try:
        use_entity(con, "person")
        (a, b) = con.execute(
            "select source, source_key from standard where source = 'civil_registry' order by md5(source_key) limit 2"
        ).fetchall()
        found = explain(con, rules, a, b)
        assert found.verdict == "below" and not found.together and not any(block.meets for block in found.blocks)
        told = explained.document(rules, found, province.rules_folder, "en", unmask=False)
        assert told["sentences"][0] == "the records are different entities"
        assert "are missing" in told["sentences"][1] and "no blocking rule" in told["sentences"][2]
        clear = {said for one in found.readings if one.field in ("name", "citizen_id") for said in one.said if said}
        assert clear and not any(said in str(told) for said in clear)
        assert explained.picture(told, "zh").startswith("<svg")
    finally:
        con.close()


def test_a_decision_is_told(province: Workspace) -> None:
    rules = province.load_rules().entities["person"]
    con = province.connect()
    store = DecisionStore(province.decisions)
    try:
        use_entity(con, "person")
        accepted = f"select ls, lk, rs, rk from ({PAIRS}) where verdict = 'accept' limit 1"
        ((ls, lk, rs, rk),) = con.execute(accepted).fetchall()
        store.add(Decision("different", "person", ((ls, lk), (rs, rk)), "two people", "eve", ()))
        link(con, province, province.load_rules(), store, DAY)
        use_entity(con, "person")
        decided = [(one.kind, one.left, one.right) for one in store.replay("person")]
        found = explain(con, rules, (ls, lk), (rs, rk), decided)
        assert found.decided == ("different",) and not found.together and found.refused == "different"
        assert "a steward said that they differ" in " ".join(explained.sentences(found, "en"))
    finally:
        store.withdraw(store.last_id(), "eve")
        con.close()


def test_what_is_not_there_is_not_found(province: Workspace) -> None:
    rules = province.load_rules().entities["person"]
    con = province.connect()
    try:
        use_entity(con, "person")
        (known,) = con.execute("select source, source_key from standard limit 1").fetchall()
        with pytest.raises(NotFoundError, match="nowhere/0"):
            explain(con, rules, known, ("nowhere", "0"))
        with pytest.raises(RefusedError, match="name two"):
            explain(con, rules, known, known)
    finally:
        con.close()


def test_every_sentence_is_there_in_both_languages() -> None:
    for name, said in explained.SAID.items():
        assert set(said) == {"zh", "en"}, name
