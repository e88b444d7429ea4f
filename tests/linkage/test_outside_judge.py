"""An outside judge sees the pairs and levels of the rules, learns from one half of the entities, changes nothing."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from importlib.metadata import PackageNotFoundError, version

import duckdb
import numpy as np
import pytest

from linkage import outside_judge
from linkage.evaluate import compare, read_truth
from linkage.outside_judge import PACKAGE, judge
from linkage.sql import number
from linkage.workspace import Workspace, use_entity
from rules.errors import RefusedError

DAY = date(2024, 6, 1)


def installed() -> bool:
    try:
        version(PACKAGE)
    except PackageNotFoundError:
        return False
    return True


needs_package = pytest.mark.skipif(not installed(), reason=f"needs {PACKAGE}; pip install 'shuyuan[judge]'")


@pytest.fixture
def con(people: Workspace) -> Iterator[duckdb.DuckDBPyConnection]:
    """Linked persons, judged by their truth as a release of their clusters would be."""
    con = people.connect()
    use_entity(con, "person")
    con.execute(
        "create or replace temp table placed as select source, source_key, cluster_id as grp "
        "from standard join cluster using (record_id)"
    )
    compare(con, read_truth(con, people.root / "demo/truth/person.csv"))
    yield con
    con.close()


@needs_package
def test_classifiers_learn_from_one_half_and_are_scored_on_the_other(
    people: Workspace, con: duckdb.DuckDBPyConnection
) -> None:
    one = people.load_rules().entities["person"]
    kept = con.execute("select * from candidate_pair order by all").fetchall()
    found = judge(con, one)
    assert found == judge(con, one), "the same seed, the same judgement"
    assert list(found["judges"]) == ["published", "weights", "ecm", "naive_bayes", "logistic_regression"]
    learned, scored = found["learned_from"], found["scored_on"]
    assert 0 < learned["matches"] < learned["pairs"]
    assert learned["pairs"] + scored["pairs"] < found["pairs"], "pairs between the halves take no part"
    assert 0.3 < scored["records"] / number(con, "select count(*) from judged") < 0.7
    for name, told in found["judges"].items():
        assert told["pairs"]["f1"] > 0.9, name
    assert found["judges"]["weights"]["unlike_weights"] == 0
    assert found["judges"]["published"]["groups"]["f1"] > 0.97
    assert judge(con, one, seed=2)["scored_on"] != scored
    assert con.execute("select * from candidate_pair order by all").fetchall() == kept


@needs_package
def test_without_matches_there_is_nothing_to_learn_from(people: Workspace, con: duckdb.DuckDBPyConnection) -> None:
    """Every record an entity of its own: there is no match to learn from."""
    one = people.load_rules().entities["person"]
    con.execute("update judged set truth = id::varchar")
    with pytest.raises(RefusedError, match="person: no matches among the pairs of the half that is learned from"):
        judge(con, one)


@needs_package
def test_more_pairs_than_it_is_for_are_refused(
    people: Workspace, con: duckdb.DuckDBPyConnection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(outside_judge, "MOST", 10)
    with pytest.raises(RefusedError, match="pairs are more than the 10 that recordlinkage is given"):
        judge(con, people.load_rules().entities["person"])


@pytest.mark.skipif(installed(), reason=f"{PACKAGE} is installed")
def test_without_the_package_it_says_how_to_get_it(people: Workspace, con: duckdb.DuckDBPyConnection) -> None:
    with pytest.raises(RefusedError, match=r"recordlinkage is not installed; pip install 'shuyuan\[judge\]'"):
        judge(con, people.load_rules().entities["person"])


def test_pairs_and_groups_are_counted_on_the_scored_half() -> None:
    """Records 0 to 3 are scored: 0 and 1 are one entity, 2 and 3 others, wrongly united; 4 and 5 are learned from."""
    pairs = outside_judge._Pairs(
        {"l": np.array([0, 1, 2, 4]), "r": np.array([1, 2, 3, 5]), "accepted": np.array([True, False, True, True])},
        {
            "ordinal": np.arange(6),
            "truth": np.array([0, 0, 1, 2, 3, 3]),
            "grp": np.array([0, 0, 1, 1, 2, 2]),
            "scored": np.array([True, True, True, True, False, False]),
        },
        6,
    )
    assert (pairs.scored.sum(), pairs.learned.sum(), pairs.true_pairs) == (3, 1, 1)
    weights = pairs.told(pairs.accepted)
    assert weights["pairs"] == {"precision": 0.5, "recall": 1.0, "f1": pytest.approx(2 / 3)}
    assert weights["groups"] == weights["pairs"] and weights["unlike_weights"] == 0
    chained = pairs.told(np.array([True, True, True, True]))
    assert (chained["pairs"]["precision"], chained["groups"]["precision"]) == pytest.approx((1 / 3, 1 / 6))
    assert chained["unlike_weights"] == 1
    assert pairs.told(pairs.published, True)["groups"] == weights["groups"]
