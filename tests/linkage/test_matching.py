"""Blocking, training, weighing and clustering of a small population with known truth."""

from __future__ import annotations

import json
from datetime import date
from pathlib import Path
from typing import Any

import duckdb
import pytest
from splink import DuckDBAPI, Linker

from linkage import frequencies
from linkage.block import block
from linkage.cluster import cluster
from linkage.decided import Decided
from linkage.progress import SILENT
from linkage.score import score
from linkage.splink_model import settings
from linkage.standardize import standardize
from linkage.train import train
from rules.errors import RefusedError
from rules.model import EntityRules
from tests.linkage.things import database, population, vessel

DAY = date(2024, 6, 1)
FACTS = """
with t as (select source, source_key, cluster_id from cluster join standard using (record_id))
select (select count(*) from t a join t b using (cluster_id) where a.source < b.source and a.source_key = b.source_key),
       (select count(*) from t a join t b using (cluster_id) where (a.source, a.source_key) < (b.source, b.source_key)),
       (select count(*) from t a join t b using (source_key) where a.source < b.source)
"""


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> tuple[EntityRules, list[dict[str, Any]]]:
    folder = tmp_path_factory.mktemp("rules")
    records = population(900, seed=3)
    rules = vessel(folder)
    con = database(rules, records)
    standardize(con, rules, folder, DAY)
    train(con, rules)
    return vessel(folder), records


def linked(rules: EntityRules, records: list[dict[str, Any]]) -> duckdb.DuckDBPyConnection:
    con = database(rules, records)
    standardize(con, rules, rules.folder.parent, DAY)
    frequencies.load(con, rules)
    block(con, rules)
    score(con, rules)
    cluster(con, rules, [])
    return con


def pairs(con: duckdb.DuckDBPyConnection) -> list[Any]:
    """All candidate pairs by what names them outside, so that runs can be compared."""
    return con.execute(
        "select l.source, l.source_key, r.source, r.source_key, round(match_weight, 9), verdict from candidate_pair "
        "join standard l on l.record_id = record_l join standard r on r.record_id = record_r order by all"
    ).fetchall()


def test_a_population_is_linked(trained: tuple[EntityRules, list[dict[str, Any]]]) -> None:
    con = linked(*trained)
    ((right, found, wanted),) = con.execute(FACTS).fetchall()
    assert right / found > 0.95
    assert right / wanted > 0.6


def test_pairs_and_weights_are_those_of_splink_alone(trained: tuple[EntityRules, list[dict[str, Any]]]) -> None:
    rules, records = trained
    con = linked(rules, records)
    oracle = duckdb.connect()
    whole = con.sql("select * from standard join block using (ordinal)").to_arrow_table()
    oracle.register("whole", whole)
    oracle.execute("create table population as select * from whole")
    api = DuckDBAPI(oracle)
    model = settings(rules, frequencies.total(con))
    model["retain_matching_columns"] = True
    linker = Linker(api.register("population"), model, log_level=None)
    for column in frequencies.frequency_columns(rules.entity):
        lookup = con.sql(frequencies.lookup_sql(column)).to_arrow_table()
        linker.table_management.register_term_frequency_lookup(api.register(lookup, table_name=f"tf_{column}"), column)
    found = linker.inference.predict(threshold_match_weight=rules.entity.matching.review)
    gammas = ", ".join(f"gamma_{one.name}" for one in rules.entity.comparisons)
    theirs = oracle.execute(
        f"select record_id_l, record_id_r, match_key, round(match_weight, 9), {gammas} from (select p.*, "
        "l.record_id as record_id_l, r.record_id as record_id_r "
        f"from {found.physical_name} p join population l on l.ordinal = ordinal_l "
        "join population r on r.ordinal = ordinal_r) where not (gamma_port = 0 and gamma_owner = 0) order by all"
    ).fetchall()
    ours = con.execute(
        f"select record_l, record_r, match_key, round(match_weight, 9), {gammas} from candidate_pair order by all"
    ).fetchall()
    assert len(ours) > 500
    assert ours == theirs


def test_chunks_change_nothing(
    trained: tuple[EntityRules, list[dict[str, Any]]], monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = pairs(linked(*trained))
    monkeypatch.setattr("linkage.score.CHUNK", 3000)
    assert pairs(linked(*trained)) == whole


def test_the_order_of_loading_changes_nothing(trained: tuple[EntityRules, list[dict[str, Any]]]) -> None:
    rules, records = trained
    assert pairs(linked(rules, records)) == pairs(linked(rules, records[::-1]))


def test_a_new_record_moves_no_other_pair(trained: tuple[EntityRules, list[dict[str, Any]]]) -> None:
    rules, records = trained
    before = pairs(linked(rules, records))
    more = [*records, {"key": "x", "source": "c", "name": "astra", "owner": "Meyer", "radio": "13900000001"}]
    assert [pair for pair in pairs(linked(rules, more)) if "x" not in (pair[1], pair[3])] == before


def test_weights_of_its_comparisons_add_up_to_the_match_weight(
    trained: tuple[EntityRules, list[dict[str, Any]]],
) -> None:
    rules, records = trained
    con = linked(rules, records)
    parts = " + ".join(f"weight_{one.name}" for one in rules.entity.comparisons)
    rest = f"match_weight - ({parts})"
    ((low, high),) = con.execute(f"select min({rest}), max({rest}) from candidate_pair").fetchall()
    assert high - low < 1e-4


def test_guards_hold_back_and_drop(trained: tuple[EntityRules, list[dict[str, Any]]]) -> None:
    rules, records = trained
    sold = {"name": "astra nova", "radio": "13700000001", "port": "port 1"}
    sale = [
        {**sold, "key": "s1", "source": "a", "owner": "meyer"},
        {**sold, "key": "s2", "source": "b", "owner": "tanaka"},
    ]
    con = linked(rules, [*records, *sale])
    dropped = "select count(*) from candidate_pair where gamma_port = 0 and gamma_owner = 0"
    held = "select distinct verdict from candidate_pair where gamma_owner = 0 and gamma_radio > 0"
    assert con.execute(dropped).fetchall() == [(0,)]
    assert con.execute(held).fetchall() == [("guard",)]


def test_too_many_pairs_are_refused_before_they_are_made(tmp_path: Path) -> None:
    rules = vessel(tmp_path, matching={**vessel(tmp_path).entity.matching.model_dump(), "budget": 1.0})
    con = database(rules, [{"name": f"v{i}", "owner": "Meyer", "radio": f"13900001{i:03}"} for i in range(20)])
    standardize(con, rules, tmp_path, DAY)
    frequencies.load(con, rules)
    with pytest.raises(RefusedError, match=r"190 candidate pairs, more than the budget of 20 .*owner__key") as refused:
        block(con, rules)
    assert "(20 records, 20 of source " in str(refused.value)
    assert con.execute("select count(*) from duckdb_tables() where table_name = 'pair'").fetchall() == [(0,)]


def test_a_hub_blocks_nothing_as_long_as_it_was_one_when_frozen(tmp_path: Path) -> None:
    rules = vessel(tmp_path, blocking=[{"keys": ["radio__key"], "cap": 8}])
    con = database(rules, [{"name": f"v{i}", "radio": "13912345678" if i < 9 else "13912345679"} for i in range(17)])
    standardize(con, rules, tmp_path, DAY)
    frequencies.load(con, rules)
    assert [one.pairs for one in block(con, rules)] == [28]


def test_masked_values_stand_in_the_refusal(tmp_path: Path) -> None:
    rules = vessel(
        tmp_path,
        blocking=[{"keys": ["radio__key"]}],
        matching={**vessel(tmp_path).entity.matching.model_dump(), "budget": 1.0},
    )
    con = database(rules, [{"name": f"v{i}", "radio": "13912345678"} for i in range(9)])
    standardize(con, rules, tmp_path, DAY)
    frequencies.load(con, rules)
    with pytest.raises(RefusedError) as refused:
        block(con, rules)
    assert "139****5678 (9 records, 9 of source " in str(refused.value)


def test_a_source_that_went_wrong_is_named_where_its_pairs_are_too_many(tmp_path: Path) -> None:
    rules = vessel(
        tmp_path,
        blocking=[{"keys": ["radio__key"]}],
        matching={**vessel(tmp_path).entity.matching.model_dump(), "budget": 1.0},
        limits={"shared": {"radio": 5}},
    )
    poison = [{"name": f"v{i}", "radio": "13912345678", "source": "harbour"} for i in range(8)]
    con = database(rules, [*poison, {"name": "w", "radio": "13912345678", "source": "registry"}])
    standardize(con, rules, tmp_path, DAY)
    frequencies.load(con, rules)
    with pytest.raises(RefusedError) as refused:
        block(con, rules)
    cause = "The cause: vessel: 8 records of source harbour have one radio, 139****5678 (limit 5); ask its owner"
    assert cause in str(refused.value)
    assert "(9 records, 8 of source harbour)" in str(refused.value)


def test_training_twice_gives_the_same_weights(tmp_path: Path) -> None:
    texts = []
    for _ in range(2):
        rules = vessel(tmp_path)
        con = database(rules, population(400, seed=5))
        standardize(con, rules, tmp_path, DAY)
        report = train(con, rules)
        texts.append((rules.folder / "weights.json").read_text())
    assert texts[0] == texts[1]
    assert {level.label for level in report.levels if level.comparison == "radio"} == {"same", "else"}
    assert json.loads(texts[0])["comparisons"][0]["output_column_name"] == "name"


def test_a_level_that_was_never_seen_says_nothing_and_is_told(tmp_path: Path) -> None:
    notes: list[str] = []

    class Notes:
        step = staticmethod(SILENT.step)
        note = staticmethod(notes.append)

    never = {"label": "never", "when": "name__key_l = owner__key_r || 'impossible'"}
    own = {"name": "odd", "null": "name__key_l is null or owner__key_r is null", "own": [never]}
    rules = vessel(tmp_path, comparisons=[*vessel(tmp_path).entity.model_dump()["comparisons"][2:], own])
    con = database(rules, population(300, seed=5))
    standardize(con, rules, tmp_path, DAY)
    report = train(con, rules, Notes())
    assert "odd: never: m and u never observed; kept the default" in notes
    assert [(one.m, one.u) for one in report.levels if one.label == "never"] == [(0.001, 0.001)]


def test_rules_without_weights_are_refused(tmp_path: Path) -> None:
    with pytest.raises(RefusedError, match="shuyuan train vessel"):
        settings(vessel(tmp_path), 100)


def clusters(con: duckdb.DuckDBPyConnection) -> list[set[str]]:
    rows = con.execute("select cluster_id, source_key from cluster join standard using (record_id)").fetchall()
    found: dict[int, set[str]] = {}
    for head, key in rows:
        found.setdefault(head, set()).add(key)
    return sorted(found.values(), key=sorted)


def by_hand(tmp_path: Path, records: list[dict[str, Any]], accepted: list[tuple[str, str, float]]) -> Any:
    rules = vessel(tmp_path)
    con = database(rules, records)
    standardize(con, rules, tmp_path, DAY)
    con.execute("create table candidate_pair (record_l bigint, record_r bigint, match_weight double, verdict varchar)")
    for left, right, weight in accepted:
        con.execute(
            "insert into candidate_pair select l.record_id, r.record_id, ?, 'accept' from standard l, standard r "
            "where l.source_key = ? and r.source_key = ?",
            [weight, left, right],
        )
    return con, rules


MARKED = [{"key": key, "name": "x", "mark": mark} for key, mark in zip("abcd", ("k1", None, "k2", None), strict=True)]


def test_two_values_of_an_exclusive_column_never_meet(tmp_path: Path) -> None:
    con, rules = by_hand(tmp_path, MARKED, [("a", "b", 9), ("b", "c", 8), ("c", "d", 7)])
    counts = cluster(con, rules, [])
    assert clusters(con) == [{"a", "b"}, {"c", "d"}]
    assert (counts.clusters, counts.refused) == (2, 1)
    refused = con.execute("select record_l, record_r, match_weight, reason from refusal").fetchall()
    assert refused == [(1, 2, 8.0, "mark")]


def test_an_alias_licenses_a_second_value(tmp_path: Path) -> None:
    records = [dict(MARKED[0], old_mark="k2"), *MARKED[1:]]
    con, rules = by_hand(tmp_path, records, [("a", "b", 9), ("b", "c", 8)])
    cluster(con, rules, [])
    assert clusters(con) == [{"a", "b", "c"}, {"d"}]


def test_a_duplicate_free_source_keeps_its_records_apart(tmp_path: Path) -> None:
    groups = ("y", "y", None, "z")
    records = [dict(one, mark=None, dup_group=group) for one, group in zip(MARKED, groups, strict=True)]
    con, rules = by_hand(tmp_path, records, [("a", "c", 9), ("b", "c", 8), ("c", "d", 7)])
    cluster(con, rules, [])
    assert clusters(con) == [{"a", "c", "d"}, {"b"}]
    assert con.execute("select reason from refusal").fetchall() == [("duplicate_free",)]


def test_decisions_of_stewards_come_first(tmp_path: Path) -> None:
    con, rules = by_hand(tmp_path, MARKED, [("a", "b", 9), ("b", "d", 8)])
    decided = [Decided("same", ("a", "a"), ("a", "c")), Decided("different", ("a", "d"), ("a", "b"))]
    cluster(con, rules, decided)
    assert clusters(con) == [{"a", "b", "c"}, {"d"}]
    assert con.execute("select reason from refusal").fetchall() == [("different",)]
    absent = [Decided("same", ("a", "a"), ("gone", "z"))]
    cluster(con, rules, absent)
    assert clusters(con) == [{"a", "b", "d"}, {"c"}]


def test_contradicting_decisions_are_refused(tmp_path: Path) -> None:
    con, rules = by_hand(tmp_path, MARKED, [])
    decided = [
        Decided("same", ("a", "a"), ("a", "b")),
        Decided("same", ("a", "b"), ("a", "c")),
        Decided("different", ("a", "a"), ("a", "c")),
    ]
    with pytest.raises(RefusedError, match="contradict"):
        cluster(con, rules, decided)
