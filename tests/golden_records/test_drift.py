"""What moved since the last release is told with how far, and what chance alone moves is not."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from datetime import date
from pathlib import Path

import duckdb
import numpy as np
import pytest

from golden_records.drift import BITS, drift, stability
from golden_records.plan import plan
from golden_records.release import publish
from linkage.decisions import DecisionStore
from linkage.workspace import Workspace, use_entity
from rules.loader import load_rules
from tests.linkage import things

DAY = date(2024, 6, 1)


@pytest.fixture(scope="module")
def published(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Workspace, duckdb.DuckDBPyConnection]]:
    ws = things.province(tmp_path_factory.mktemp("drift") / "workspace", 400, DAY, "person", "household")
    con, rules, decisions = ws.connect(), ws.load_rules(), DecisionStore(ws.decisions)
    publish(con, ws, rules, decisions, plan(con, ws, rules, decisions))
    use_entity(con, "person")
    yield ws, con
    con.close()


def test_right_after_a_release_nothing_moved(published: tuple[Workspace, duckdb.DuckDBPyConnection]) -> None:
    ws, con = published
    found = drift(con, ws, ws.load_rules().entities["person"])
    assert found is not None
    assert (found["release"], found["moved"]) == (1, [])
    assert {one["bits"] for one in found["weights"]} == {0.0}
    assert all(one["index"] == 0.0 for one in found["levels"])
    assert all(one["pairs"]["then"] == one["pairs"]["now"] > 100 for one in found["levels"])
    for one in found["levels"]:
        assert sum(level["now"] for level in one["levels"]) == pytest.approx(1, abs=1e-4)
    assert {one["bits"] for one in found["values"]} == {0.0}


def test_a_weight_that_moved_is_told_in_bits(
    published: tuple[Workspace, duckdb.DuckDBPyConnection], tmp_path: Path
) -> None:
    ws, con = published
    shutil.copytree(ws.rules_folder, tmp_path / "rules")
    path = tmp_path / "rules/person/weights.json"
    model = json.loads(path.read_text("utf-8"))
    levels = next(one["comparison_levels"] for one in model["comparisons"] if one["output_column_name"] == "phone")
    same = next(level for level in levels if level["label_for_charts"] == "same")
    same["u_probability"] *= 4
    path.write_text(json.dumps(model), "utf-8")
    found = drift(con, ws, load_rules(tmp_path / "rules").entities["person"])
    assert found is not None
    (moved,) = [one for one in found["weights"] if abs(one["bits"]) >= BITS]
    assert (moved["comparison"], moved["level"], moved["bits"]) == ("phone", "same", pytest.approx(-2.0, abs=0.02))
    (said,) = found["moved"]
    assert said.startswith("phone, same: weighs ")


def test_levels_that_come_otherwise_are_told_with_the_one_that_moved_most(
    published: tuple[Workspace, duckdb.DuckDBPyConnection],
) -> None:
    ws, con = published
    con.execute("begin")
    try:
        con.execute("update candidate_pair set gamma_sex = 0 where verdict = 'accept' and record_l % 2 = 0")
        found = drift(con, ws, ws.load_rules().entities["person"])
    finally:
        con.execute("rollback")
    assert found is not None
    (said,) = found["moved"]
    assert said.startswith("sex: levels of accepted pairs moved strongly (index ")
    sex = next(one for one in found["levels"] if one["comparison"] == "sex")
    assert sex["index"] > 0.25 > sex["by_chance"]


def test_where_nothing_is_published_there_is_no_drift(
    published: tuple[Workspace, duckdb.DuckDBPyConnection], tmp_path: Path
) -> None:
    ws, con = published
    assert drift(con, Workspace.create(tmp_path / "other"), ws.load_rules().entities["person"]) is None


def test_samples_of_one_population_stay_below_what_chance_explains_nineteen_times_in_twenty() -> None:
    chance = np.random.Generator(np.random.PCG64(7))
    shares = [0.6, 0.25, 0.1, 0.05]
    below = 0
    for _ in range(400):
        then, now = (dict(zip("abcd", chance.multinomial(n, shares).tolist(), strict=True)) for n in (800, 1500))
        index, by_chance = stability(then, now)
        below += index <= by_chance
    assert 0.92 <= below / 400 <= 0.98
    assert stability({"a": 50, "b": 50}, {"a": 50, "b": 50})[0] == 0.0
    # Σ (now - then) ln(now / then), with half a pair in every level
    assert stability({"a": 90, "b": 10}, {"a": 50, "b": 50})[0] == pytest.approx(
        2 * (90.5 / 101 - 0.5) * 0.5 * np.log(90.5 / 10.5), rel=1e-9
    )
