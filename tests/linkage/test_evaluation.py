"""What is said of a linkage without a truth holds where the truth is known, and intervals are what they say."""

from __future__ import annotations

import shutil
from collections import Counter
from collections.abc import Iterator
from datetime import date
from pathlib import Path

import duckdb
import pytest

from linkage import clerical
from linkage.bootstrap import intervals
from linkage.decisions import Decision, DecisionStore
from linkage.frame import build
from linkage.inference import Interval, Stratum, at_most, chao, clopper_pearson, combined, reviews_needed
from linkage.known import from_truth
from linkage.link import link
from linkage.waiting import fill_queue
from linkage.workspace import Workspace, use_entity

DAY = date(2024, 6, 1)
REPEATED = 100


@pytest.fixture
def con(people: Workspace) -> Iterator[duckdb.DuckDBPyConnection]:
    con = people.connect()
    use_entity(con, "person")
    yield con
    con.close()


def test_estimates_without_a_truth_cover_it(people: Workspace, con: duckdb.DuckDBPyConnection) -> None:
    one = people.load_rules().entities["person"]
    frame = build(con, one)
    from_truth(con, people.root / "demo/truth/person.csv")
    named = con.execute(
        "select a.source, a.source_key, b.source, b.source_key from known_pair "
        "join standard as a on a.ordinal = l join standard as b on b.ordinal = r"
    ).fetchall()
    true = {(min((a, b), (c, d)), max((a, b), (c, d))) for a, b, c, d in named}
    made, right = con.execute(
        "select count(*) filter (linked), count(*) filter (linked and k.l is not null) "
        "from frame left join known_pair as k using (l, r)"
    ).fetchall()[0]
    truth = {"precision": right / made, "recall": right / len(true), "f1": 2 * right / (made + len(true))}
    covered: Counter[str] = Counter()
    sizes = set()
    for seed in range(REPEATED):
        sample = clerical.draw(con, one.entity, frame, 200, seed)
        sizes.add(len(sample.drawn))
        told = clerical.estimated(sample, {drawn.pair: drawn.pair in true for drawn in sample.drawn}, seed)
        for name, value in truth.items():
            covered[name] += told[name]["low"] <= value <= told[name]["high"]
        assert told["recall"]["high"] - told["recall"]["low"] < 0.05
    assert min(covered.values()) >= 93
    assert max(sizes) <= 230


def test_a_sample_waits_in_the_ordinary_queue_until_it_is_answered(people: Workspace, tmp_path: Path) -> None:
    shutil.copytree(people.root, tmp_path / "workspace", symlinks=True)
    ws = Workspace.open(tmp_path / "workspace")
    rules, decisions, con = ws.load_rules(), DecisionStore(ws.decisions), ws.connect()
    one = rules.entities["person"]
    try:
        use_entity(con, one.name)
        sample = clerical.draw(con, one.entity, build(con, one), 40, 1)
        again = clerical.draw(con, one.entity, build(con, one), 40, 1)
        assert again == sample
        store = clerical.SampleStore(decisions)
        number = store.keep(one.name, sample)
        fill_queue(con, one, decisions, DAY)
        asked = {(min(w.left, w.right), max(w.left, w.right)) for w in decisions.queue(one.name)}
        assert {drawn.pair for drawn in sample.drawn} <= asked
        linked = next(drawn for drawn in sample.drawn if drawn.stratum.startswith("linked"))
        apart = next(drawn for drawn in sample.drawn if not drawn.stratum.startswith("linked"))
        decisions.add(Decision("same", one.name, linked.pair, "looked"))
        decisions.add(Decision("different", one.name, apart.pair, "looked"))
        link(con, ws, rules, decisions, DAY, only=[one.name])
        left = {(min(w.left, w.right), max(w.left, w.right)) for w in decisions.queue(one.name)}
        assert {drawn.pair for drawn in sample.drawn} - left == {linked.pair, apart.pair}
        told = clerical.estimated(store.last(one.name), clerical.answers(decisions, one.name))
        assert (told["sample"], told["drawn"], told["answered"]) == (number, len(sample.drawn), 2)
        strata = {part["stratum"]: part for part in told["strata"]}
        assert strata[linked.stratum]["one_entity"] == 1
        assert strata[apart.stratum]["one_entity"] == 0
        whole, *regions = clerical.promises(store.last(one.name), clerical.answers(decisions, one.name))
        assert whole["region"] == "" and whole["linked_pairs"] == sum(one["linked_pairs"] for one in regions)
        assert whole["false_merges_at_most"] > 0.5 and whole["answers_needed"] == 299
    finally:
        con.close()


@pytest.mark.parametrize(
    ("hits", "n", "low", "high"),
    [(0, 10, 0.0, 0.3085), (10, 10, 0.6915, 1.0), (5, 10, 0.1871, 0.8129), (1, 1000, 0.0000253, 0.005559)],
)
def test_clopper_pearson_is_that_of_the_tables(hits: int, n: int, low: float, high: float) -> None:
    assert clopper_pearson(hits, n) == pytest.approx((low, high), abs=1e-4)


def test_three_hundred_answers_without_a_fault_show_one_per_cent() -> None:
    assert reviews_needed(0.01, 0.0) == 299
    assert reviews_needed(0.01, 0.01) is None
    needed = reviews_needed(0.01, 0.005)
    assert needed is not None and 1000 < needed < 3000


def test_a_bound_on_false_merges_is_that_of_one_stratum_and_grows_with_what_nobody_answered() -> None:
    assert at_most([Stratum(10**6, 299, 299, True)]) == pytest.approx(0.01, abs=0.001)
    assert at_most([Stratum(100, 100, 99, True)]) == pytest.approx(0.01)
    assert at_most([Stratum(50, 50, 50, True), Stratum(50, 0, 0, True)]) == 0.5


def test_what_was_asked_about_wholly_has_no_interval() -> None:
    found = combined([Stratum(90, 90, 81, True), Stratum(10, 10, 9, False)], Interval(0, 0, 0))
    assert (found["precision"].low, found["precision"].high) == (0.9, 0.9)
    assert (found["recall"].low, found["recall"].value, found["recall"].high) == (0.9, 0.9, 0.9)


def test_chao_is_the_published_estimate() -> None:
    # t = 18 occasions, 43 caught once, 16 twice (the cottontail rabbits of Chao 1987): about 50 never.
    found = chao(43, 16, 18)
    assert found.value == pytest.approx(17 / 18 * 43 * 42 / 34)
    assert found.low < found.value < found.high
    assert chao(0, 5, 9) == Interval(0.0, 0.0, 3.0)


def test_whole_entities_are_drawn_again() -> None:
    con = duckdb.connect()
    con.execute("create temp table judged (id bigint, truth varchar, grp varchar)")
    # Forty entities of three records; every fifth is split, and two of them are one group.
    rows = []
    for i in range(40):
        for j in range(3):
            grp = f"g{i}" if i % 5 or j < 2 else f"x{i}"
            rows.append([len(rows), f"t{i}", "g1" if i == 2 else grp])
    con.executemany("insert into judged values (?, ?, ?)", rows)
    found = intervals(con)
    pairs = found["pairwise"]
    assert pairs["recall"].value == (40 * 3 - 8 * 2) / (40 * 3)
    assert pairs["precision"].value == (40 * 3 - 8 * 2) / (40 * 3 - 8 * 2 + 9)
    for one in (*pairs.values(), *found["bcubed"].values()):
        assert one.low < one.value <= one.high
