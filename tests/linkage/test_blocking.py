"""Blocking is counted exactly, told without clear text, and rules that are suggested do no worse than those shipped."""

from __future__ import annotations

from datetime import date
from itertools import combinations
from pathlib import Path

import numpy as np
import pytest

from linkage import blocking, frame, frequencies
from linkage.decided import Decided
from linkage.growth import GROUPS, Expected, Spread, extrapolate, together
from linkage.known import Known, from_frame, from_truth, from_weights
from linkage.standardize import standardize
from linkage.suggesting import suggest
from linkage.workspace import Workspace, use_entity
from rules.model import BlockingRule
from tests.linkage.things import database, population, vessel

DAY = date(2024, 6, 1)


def test_pairs_are_those_that_comparing_everybody_with_everybody_gives(tmp_path: Path) -> None:
    rules = vessel(tmp_path, blocking=[{"keys": ["radio__key"], "cap": 8}, {"keys": ["owner__key", "initial"]}])
    records = population(120, 3)
    truth = tmp_path / "truth.csv"
    truth.write_text(
        "source,source_key,truth\n" + "".join(f"{r['source']},{r['key']},{r['truth']}\n" for r in records), "utf-8"
    )
    con = database(rules, records)
    standardize(con, rules, tmp_path, DAY)
    found = blocking.measure(con, rules, from_truth(con, truth))
    rows = con.execute("select source_key, radio__key, owner__key, initial from standard order by ordinal").fetchall()
    made: list[set[tuple[int, int]]] = [set(), set()]
    for (i, a), (j, b) in combinations(enumerate(rows), 2):
        if a[1] is not None and a[1] == b[1]:
            made[0].add((i, j))
        if a[2] == b[2] and a[3] == b[3] and None not in (*a[2:], *b[2:]):
            made[1].add((i, j))
    true = {(i, j) for (i, a), (j, b) in combinations(enumerate(rows), 2) if a[0] == b[0]}
    for i, one in enumerate(found["rules"]):
        assert one["pairs"] == len(made[i]) == sum(n * (n - 1) // 2 * k for n, k in one["block_sizes"].items())
        assert one["only"] == len(made[i] - made[1 - i])
        assert (one["caught"], one["share"]) == (len(made[i] & true), len(made[i] & true) / len(true))
        assert one["caught_by_it_alone"] == len((made[i] - made[1 - i]) & true)
    assert found["rules"][1]["new_pairs"] == len(made[1] - made[0])
    assert found["union"]["pairs"] == len(made[0] | made[1])
    assert found["union"]["share"] == len((made[0] | made[1]) & true) / len(true)
    assert found["hubs"] == "counted now"


def test_more_places_bring_pairs_within_them_as_their_number_and_between_them_as_its_square() -> None:
    records = np.full(GROUPS, 50)
    within, known, chance = np.full(GROUPS, 3.0), np.zeros((GROUPS, GROUPS)), np.full((GROUPS, GROUPS), 0.5)
    known[0, 1] = 10
    spread = Spread(within, chance + known, known)
    ten = extrapolate(spread, records, 10_000)
    assert ten.pairs == pytest.approx((60 + 10) * 10 + 200 * 100)
    assert ten.low <= ten.pairs <= ten.high
    assert extrapolate(spread, records, 10_000, most=5_000).high == 5_000
    assert (ten.capped, extrapolate(spread, records, 10_000, most=5_000).capped) == (False, True)


def test_rules_together_make_no_more_in_a_larger_registry_than_each_alone_and_no_less_than_any() -> None:
    some = [Expected(1000, 100.0, 80.0, 120.0), Expected(1000, 40.0, 40.0, 40.0, capped=True)]
    for pairs, low, high in ((900.0, 500.0, 2000.0), (1.0, 0.0, 2.0), (120.0, 90.0, 150.0)):
        found = together(some, Expected(1000, pairs, low, high))
        assert 100 <= found.pairs <= 140
        assert 80 <= found.low <= 120 <= found.high <= 160
        assert found.low <= found.pairs <= found.high
        assert found.capped
    assert together([], Expected(1000, 0.0, 0.0, 0.0)).pairs == 0


def test_likely_pairs_count_as_they_are_likely_and_those_that_something_holds_apart_not_at_all(tmp_path: Path) -> None:
    rules = vessel(tmp_path)
    con = database(rules, population(4, 1))
    standardize(con, rules, tmp_path, DAY)
    con.execute(
        "create or replace temp table frame as select * from (values "
        "(0, 1, 12.0, true, false), (0, 2, null, true, false), (0, 3, 0.0, false, false), (1, 2, 9.0, false, true), "
        "(1, 3, -9.0, false, false)) t(l, r, match_weight, linked, held)"
    )
    found = from_frame(con, ())
    assert list(zip(found.left, found.right, found.chance, strict=True)) == [(0, 1, 1.0), (0, 2, 1.0), (0, 3, 0.5)]
    keys = con.execute("select source, source_key from standard order by ordinal").fetchall()
    told = Decided("different", keys[3], keys[0])
    assert from_frame(con, [told]).count == 2


def test_a_pair_that_one_rule_brings_is_brought_a_second_way_as_far_as_the_budget_goes(tmp_path: Path) -> None:
    rules = vessel(tmp_path, blocking=[{"keys": ["radio__key"]}])
    records = population(300, 9)
    truth = tmp_path / "truth.csv"
    truth.write_text(
        "source,source_key,truth\n" + "".join(f"{r['source']},{r['key']},{r['truth']}\n" for r in records), "utf-8"
    )
    con = database(rules, records)
    standardize(con, rules, tmp_path, DAY)
    known = from_truth(con, truth)
    caught = []
    for again in (0.0, 0.1):
        found = suggest(con, rules.entity, known, 40 * known.count, 100, again=again)
        assert found.pairs <= 40 * known.count
        changed = rules.model_copy(update={"entity": rules.entity.model_copy(update={"blocking": found.rules})})
        told = blocking.measure(con, changed, known)
        caught.append((told["union"]["share"], sum(one["caught"] for one in told["rules"])))
    (once, times), (twice, more) = caught
    assert twice >= once - 0.001
    assert more > times


def test_the_present_rules_are_suggested_where_nothing_does_better_within_their_pairs(tmp_path: Path) -> None:
    rules = vessel(tmp_path, blocking=[{"keys": ["radio__key", "name__key"], "cap": 50}])
    records = population(300, 9)
    con = database(rules, records)
    standardize(con, rules, tmp_path, DAY)
    shipped = blocking.measure(con, rules, from_weights(con, (), linked=False))["union"]["pairs"]
    left, right = (
        con.execute(
            "select a.ordinal as l, b.ordinal as r from standard as a join standard as b using (radio__key, name__key) "
            "where a.ordinal < b.ordinal order by l, r"
        )
        .fetchnumpy()
        .values()
    )
    found = suggest(con, rules.entity, Known("weights", left, right, np.ones(left.size)), shipped, 100)
    assert (found.pairs, found.share) == (shipped, 1.0)


def test_what_is_suggested_finds_more_for_less_than_the_shipped_rules(people: Workspace) -> None:
    con = people.connect()
    try:
        one = people.load_rules().entities["person"]
        use_entity(con, one.name)
        truth = people.root / "demo/truth/person.csv"
        shipped = blocking.measure(con, one, from_truth(con, truth))["union"]
        frame.build(con, one)
        better = suggest(con, one.entity, from_frame(con, ()), shipped["pairs"], 100)
        assert better.pairs <= shipped["pairs"]
        changed = one.model_copy(update={"entity": one.entity.model_copy(update={"blocking": better.rules})})
        found = blocking.measure(con, changed, from_truth(con, truth))["union"]
        assert found["pairs"] == better.pairs
        assert found["share"] >= shipped["share"]
        assert 'keys = ["' in better.as_toml() and "cap = 100" in better.as_toml()
    finally:
        con.close()


def test_a_rule_with_each_and_a_cap_is_counted_as_linking_counts_it(tmp_path: Path) -> None:
    rules = vessel(tmp_path)
    con = database(rules, population(60, 5))
    standardize(con, rules, tmp_path, DAY)
    each = BlockingRule(each="[name__key, owner__key]", cap=30)
    entity = rules.entity.model_copy(update={"blocking": (each,)})
    rules = rules.model_copy(update={"entity": entity})
    found = blocking.measure(con, rules, from_weights(con, (), linked=False))
    con.execute(f"create or replace table frequency as {frequencies.frequency_sql(entity)}")
    listed = con.execute("select [name__key, owner__key] from standard order by ordinal").fetchall()
    counts: dict[str, int] = {}
    for (values,) in listed:
        for value in set(values) - {None}:
            counts[value] = counts.get(value, 0) + 1
    kept = {value for value, n in counts.items() if n <= 30}
    pairs = sum(bool(set(a) & set(b) & kept) for (a,), (b,) in combinations(listed, 2))
    assert found["rules"][0]["pairs"] == found["union"]["pairs"] == pairs
