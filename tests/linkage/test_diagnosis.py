"""What speaks against trained weights is told with its cause, and weights never go with other frequencies."""

from __future__ import annotations

import json
from datetime import date
from pathlib import Path

import numpy as np
import pytest

from linkage import frequencies
from linkage.diagnosis import Doubt, doubts, error_of_u, pairs_for
from linkage.estimate import Estimates, Told
from linkage.kernel.training import _gap, _together, as_likely, started
from linkage.standardize import standardize
from linkage.train import train
from rules.errors import RefusedError
from tests.linkage.things import database, population, vessel

DAY = date(2024, 6, 1)
NAME, PORT = ("name", "exact"), ("port", "exact")


def causes(found: list[Doubt]) -> set[tuple[str, str]]:
    return {(one.cause, one.where) for one in found}


def test_every_cause_is_told_where_it_is(tmp_path: Path) -> None:
    entity = vessel(tmp_path).entity
    quiet = Told(100, 0.5, 5, True, 0.0, {})
    loud = Told(100, 0.5, 25, False, 0.1, {("name", "owner"): 7.0})
    found = Estimates(
        {NAME: 0.001, PORT: 0.2},
        ({NAME: 0.9, PORT: 0.1}, {NAME: 0.5, PORT: 0.1}),
        {NAME: 4, PORT: 50_000},
        (quiet, loud),
    )
    told = doubts(entity, found, [(NAME, 0.7, 0.001, False), (PORT, 0.1, 0.2, True)])
    assert causes(told) == {
        ("unseen", "name: exact"),
        ("rare", "name: exact"),
        ("reversed", "port: exact"),
        ("starts", "name__key + owner__key"),
        ("restless", "name__key + owner__key"),
        ("together", "name, owner"),
        ("apart", "name: exact"),
    }
    assert doubts(entity, Estimates({NAME: 0.1}, ({NAME: 0.9},), {NAME: 900}, (quiet,)), [(NAME, 0.9, 0.1, True)]) == []


def test_the_sample_for_an_error_is_the_one_that_has_it() -> None:
    pairs = pairs_for(0.001, 0.1)
    assert pairs == 99_900
    assert error_of_u(0.001, round(pairs * 0.001)) == pytest.approx(0.1, rel=0.01)


def test_two_columns_that_say_the_same_are_found_together() -> None:
    patterns = [np.array([0, 1, 0, 1], dtype=np.int8), np.array([0, 1, 1, 0], dtype=np.int8)]
    found = _together(["a", "b"], patterns, np.array([900.0, 90.0, 5.0, 5.0]))
    assert found == {("a", "b"): pytest.approx(90 * 1000 / (95 * 95))}
    assert _together(["a", "b"], patterns, np.array([810.0, 10.0, 90.0, 90.0])) == {}


def test_starts_agree_where_the_pairs_say_enough_and_do_not_where_they_say_little() -> None:
    levels = np.array([[a, b, c] for a in (0, 1) for b in (0, 1) for c in (0, 1)], dtype=np.int8)
    agree = levels.sum(axis=1)
    matches, others = 0.9**agree * 0.1 ** (3 - agree), 0.05**agree * 0.95 ** (3 - agree)
    u = [np.array([0.95, 0.05])] * 3

    def apart(patterns: list[np.ndarray], counts: np.ndarray, known: list[np.ndarray]) -> float:
        best, *rest = started(patterns, counts, known)
        return max((_gap(one, best) for one in rest if as_likely(one, best, counts)), default=0.0)

    assert apart(list(levels.T), 1e6 * (0.4 * matches + 0.6 * others), u) < 0.01
    # One comparison alone: any m goes with some share of matches.
    assert apart([np.array([0, 1], dtype=np.int8)], np.array([500.0, 500.0]), [np.array([0.7, 0.3])]) > 0.02


def test_a_pass_tells_what_every_start_led_to(tmp_path: Path) -> None:
    rules = vessel(tmp_path)
    con = database(rules, population(200, 3))
    standardize(con, rules, tmp_path, DAY)
    for _, told, m in train(con, rules).passes:
        assert told is not None
        assert len(told.starts) == 3
        assert all(set(one.m) == set(m) for one in told.starts)
        likely = [abs(one.m[key] - m[key]) for one in told.starts if one.likely for key in m]
        assert told.apart == pytest.approx(max(likely, default=0.0))


def test_weights_name_the_frequencies_they_go_with_and_take_no_others(tmp_path: Path) -> None:
    rules = vessel(tmp_path)
    con = database(rules, population(120, 3))
    standardize(con, rules, tmp_path, DAY)
    report = train(con, rules)
    model = json.loads((rules.folder / "weights.json").read_text())
    assert model["linker_uid"] == report.sha256 == frequencies.sealed(rules, model)
    assert [keys for keys, _, _ in report.passes] == list(rules.entity.training.em)
    trained = vessel(tmp_path)
    frequencies.load(con, trained)
    sealed = trained.model_copy(update={"weights": model})
    assert frequencies.unsealed(sealed) == ()
    model["comparisons"][0]["comparison_levels"][1]["m_probability"] /= 2
    assert frequencies.unsealed(sealed) == ("weights.json",)
    con.execute("delete from standard where ordinal < 40")
    frequencies.freeze(con, trained)
    with pytest.raises(RefusedError, match=r"is not the one that weights\.json was trained with"):
        frequencies.load(con, trained)


def test_a_wanted_error_asks_for_more_pairs(tmp_path: Path) -> None:
    rules = vessel(
        tmp_path, training={"seed": 7, "u_pairs": 2_000, "em": [["radio__key"], ["name__key", "owner__key"]]}
    )
    con = database(rules, population(300, 3))
    standardize(con, rules, tmp_path, DAY)
    assert train(con, rules).u_pairs == 2_000
    assert train(con, rules, error=0.1).u_pairs > 4_000
