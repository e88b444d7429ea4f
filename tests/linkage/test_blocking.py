"""Blocking is counted exactly, told without clear text, and rules that are suggested do no worse than those shipped."""

from __future__ import annotations

from datetime import date
from itertools import combinations
from pathlib import Path

import numpy as np
import pytest

from linkage import blocking, frequencies
from linkage.growth import GROUPS, Spread, extrapolate
from linkage.known import from_truth, from_weights
from linkage.standardize import standardize
from linkage.suggesting import suggest
from linkage.workspace import use_entity
from rules.model import BlockingRule
from tests.linkage import things
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


def test_what_is_suggested_finds_more_for_less_than_the_shipped_rules(tmp_path: Path) -> None:
    ws = things.province(tmp_path / "workspace", 1_200, DAY, "person")
    con = ws.connect()
    try:
        one = ws.load_rules().entities["person"]
        use_entity(con, one.name)
        truth = ws.root / "demo/truth/person.csv"
        shipped = blocking.measure(con, one, from_truth(con, truth))["union"]
        better = suggest(con, one.entity, from_weights(con, ()), shipped["pairs"], 100)
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
