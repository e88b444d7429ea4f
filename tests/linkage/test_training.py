"""The kernel estimates what Splink estimates: the same u from all pairs, the same m from the pairs of every pass."""

from __future__ import annotations

import random
from datetime import date
from itertools import product
from math import sqrt
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pytest
from hypothesis import HealthCheck, Phase, assume, given, settings
from hypothesis import strategies as st

from linkage.estimate import Estimates, Key, estimate_m, read_trained, training_sql
from linkage.kernel import training
from linkage.kernel.blocks import Blocks, among, blocks, stream
from linkage.kernel.training import UNGROUPED, Training, maximised, one_sided
from linkage.splink_model import build, predicting
from linkage.sql import number
from linkage.standardize import standardize
from linkage.train import train
from linkage.workspace import Workspace, use_entity
from rules.loader import SHIPPED, load_rules
from rules.model import Entity, EntityRules
from tests.effort import effort
from tests.linkage.test_kernel import RECORD, entities
from tests.linkage.things import VESSEL, database, population, vessel

DAY = date(2024, 6, 1)
ENTITIES = list(load_rules(SHIPPED).entities)
EVERY = 1e7  # more than there are pairs


def asking(rules: EntityRules, pairs: float) -> EntityRules:
    """The rules, with u estimated from so many pairs."""
    asked = rules.entity.training.model_copy(update={"u_pairs": pairs})
    return rules.model_copy(update={"entity": rules.entity.model_copy(update={"training": asked})})


def splinks_u(con: duckdb.DuckDBPyConnection, entity: Entity) -> dict[Key, float]:
    """Splink's u of all pairs of `comparable`; it would stop at a hundred of each level."""
    with predicting(con, "comparable", build(entity, 0.01, adjust=False)) as session:
        session.linker.training.estimate_u_using_random_sampling(EVERY, min_count_per_level=None, num_chunks=1)
        return read_trained(session.linker.misc.save_model_to_json(), "u_probability")


def both(con: duckdb.DuckDBPyConnection, rules: EntityRules) -> Estimates:
    """Estimate from `standard` both ways, from all pairs, and compare; returns what the kernel found."""
    rules = asking(rules, EVERY)
    entity = rules.entity
    found = training.estimate(con, rules)
    con.execute(f"create or replace table comparable as {training_sql(entity)}")
    assert found.u == pytest.approx(splinks_u(con, entity), rel=1e-9)
    for i, m in enumerate(found.passes):
        assert m == pytest.approx(estimate_m(con, entity, i, found.u), rel=1e-6), entity.training.em[i]
    con.execute("drop table comparable")
    return found


@pytest.mark.parametrize("entity", ENTITIES)
def test_a_shipped_entity_type_is_trained_as_splink_trains_it(province: Workspace, entity: str) -> None:
    con = province.connect()
    try:
        use_entity(con, entity)
        rules = province.load_rules().entities[entity]
        found = both(con, rules)
        assert len(found.u) > len(rules.entity.comparisons)
        assert all(found.passes)
    finally:
        con.close()


EM_KEYS = [
    "radio__key",
    "mark__key",
    "initial",
    "substr(port__key, 1, 6)",
    "case when count(*) over (partition by name__key) < 4 then name__key end",
]


@settings(
    max_examples=effort(12, 40),
    phases=[Phase.explicit, Phase.reuse, Phase.generate],
    suppress_health_check=list(HealthCheck),
)
@given(
    changes=entities(),
    keys=st.lists(st.lists(st.sampled_from(EM_KEYS), min_size=1, max_size=2, unique=True), min_size=1, max_size=3),
    records=st.lists(RECORD, min_size=4, max_size=24),
)
def test_any_rules_over_any_records_are_trained_as_splink_trains_them(
    tmp_path_factory: pytest.TempPathFactory, changes: dict[str, Any], keys: list[list[str]], records: list[Any]
) -> None:
    rules = vessel(tmp_path_factory.mktemp("any"), **changes, training=VESSEL["training"] | {"em": keys})
    con = database(rules, records)
    standardize(con, rules, rules.folder.parent, DAY)
    try:
        assume(number(con, "select count(*) from standard") > 1)
        both(con, rules)
    finally:
        con.close()


def ready(folder: Path, records: list[dict[str, Any]], **changes: Any) -> tuple[duckdb.DuckDBPyConnection, EntityRules]:
    """Standardized records of vessels."""
    rules = vessel(folder, **changes)
    con = database(rules, records)
    standardize(con, rules, folder, DAY)
    return con, rules


def test_neither_threads_nor_the_order_of_loading_change_the_weights(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(training, "EM_PAIRS", 150)
    records = population(400, seed=5)
    sampled = VESSEL["training"] | {"u_pairs": 30_000}
    texts = []
    for threads in (1, 4):
        con, rules = ready(tmp_path / str(threads), records, training=sampled)
        con.execute(f"set threads = {threads}")
        train(con, rules)
        texts.append((rules.folder / "weights.json").read_text())
        random.Random(threads).shuffle(records)
    assert texts[0] == texts[1]


def test_splink_itself_may_train(tmp_path: Path) -> None:
    con, rules = ready(tmp_path, population(700, seed=6))
    ours, theirs = train(con, rules), train(con, rules, engine="splink")
    assert ours.records == theirs.records
    for one, other in zip(ours.levels, theirs.levels, strict=True):
        assert (one.comparison, one.label, one.observed) == (other.comparison, other.label, other.observed)
        assert one.m == pytest.approx(other.m, abs=0.01)
        assert one.u == pytest.approx(other.u, abs=0.01)


NESTED = {
    "name": "nested",
    "null": "port__key_l is null or port__key_r is null",
    "own": [
        {"label": "one", "when": "port__key_l = port__key_r and owner__key_l = owner__key_r"},
        {"label": "two", "when": "name__key_r = name__key_l"},
        {"label": "three", "when": "length(name__key_l) = length(name__key_r)"},
    ],
}
COUNTED = {("name", "exact"), ("owner", "exact"), ("port", "exact"), ("port", "else")}
COUNTED |= {("radio", "same"), ("radio", "else"), *(("nested", label) for label in ("one", "two", "three", "else"))}


def test_exact_levels_do_not_depend_on_the_sample_and_the_others_come_near_it(tmp_path: Path) -> None:
    con, rules = ready(tmp_path, population(500, seed=8), comparisons=[*VESSEL["comparisons"], NESTED])
    whole = both(con, rules).u
    pairs = 20_000
    part = Training(con, asking(rules, pairs).entity).u()
    assert {key for key in whole if whole[key] == part[key]} == COUNTED
    for key in whole.keys() - COUNTED:
        # Two fifths of the pairs are null in the comparison that has fewest; five deviations never happen.
        assert part[key] == pytest.approx(whole[key], abs=5 * sqrt(whole[key] * (1 - whole[key]) / (0.4 * pairs)))
    for rule in rules.entity.comparisons:
        assert sum(share for (name, _), share in part.items() if name == rule.name) == pytest.approx(1)


@pytest.mark.parametrize(
    ("condition", "expected"),
    [
        ("false", True),
        ("a_l is null or a_r is null", True),
        ("a_l is null or b_r is null", False),
        ("(a_l is null or b_l is null) or (b_r is null or a_r is null)", True),
        ("a_l is null", False),
        ("a_l is null and a_r is null", False),
        ("a_l is null or a_r is null or a_l = a_r", False),
    ],
)
def test_a_null_condition_belongs_to_records_or_to_pairs(condition: str, expected: bool) -> None:
    assert one_sided(condition) is expected


def listed(made: Blocks) -> list[tuple[int, int]]:
    return sorted(
        pair
        for _, _, left, right in stream([made], UNGROUPED, 7)
        for pair in zip(left.tolist(), right.tolist(), strict=True)
    )


def test_blocks_of_some_records_hold_the_pairs_among_them(tmp_path: Path) -> None:
    con, rules = ready(tmp_path, population(60, seed=2), training=VESSEL["training"] | {"em": [["initial"]]})
    ready_made = Training(con, rules.entity)
    made = blocks(con, ready_made.columns, ready_made.passes[0])
    for share in (0.0, 0.1, 0.5, 1.0):
        chosen = np.random.default_rng(3).random(ready_made.columns.count) < share
        assert listed(among(made, chosen)) == [(a, b) for a, b in listed(made) if chosen[a] and chosen[b]]
        assert among(made, chosen).pairs == len(listed(among(made, chosen)))


def test_a_pass_of_too_many_pairs_is_sampled(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    con, rules = ready(tmp_path, population(2000, seed=4), training=VESSEL["training"] | {"em": [["initial"]]})
    ready_made = Training(con, rules.entity)
    u = ready_made.u()
    pairs, whole = ready_made.blocks(0).pairs, ready_made.m(0, u)
    monkeypatch.setattr(training, "EM_PAIRS", pairs // 4)
    assert ready_made.blocks(0).pairs == pytest.approx(pairs / 4, rel=0.1)
    assert ready_made.m(0, u) == pytest.approx(whole, abs=0.05)


def test_a_pass_without_pairs_estimates_nothing(tmp_path: Path) -> None:
    con, rules = ready(tmp_path, population(20, seed=4), training=VESSEL["training"] | {"em": [["mark__key"]]})
    assert both(con, rules).passes == ({},)


@given(m=st.lists(st.floats(0.7, 0.97), min_size=3, max_size=5), u=st.floats(0.01, 0.2), share=st.floats(0.2, 0.8))
def test_expectation_maximisation_finds_what_independent_patterns_were_made_from(
    m: list[float], u: float, share: float
) -> None:
    patterns = np.array(list(product((0, 1), repeat=len(m))), dtype=np.int8)
    agree = patterns == 1
    matches = np.where(agree, m, 1 - np.array(m)).prod(axis=1)
    others = np.where(agree, u, 1 - u).prod(axis=1)
    found = maximised(list(patterns.T), 1e6 * (share * matches + (1 - share) * others), [np.array([1 - u, u])] * len(m))
    assert [float(one[1]) for one in found] == pytest.approx(m, abs=0.01)
