"""A change of rules is tried on everything, told with its causes, stopped by limits, approved by two, put back."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from datetime import date
from pathlib import Path

import duckdb
import pytest

from golden_records.plan import plan
from golden_records.release import publish
from golden_records.trial import Trial, changed, try_rules
from linkage import rule_sets
from linkage.audit_trail import AuditTrail
from linkage.decisions import DecisionStore
from linkage.workspace import Workspace
from rules.errors import NotFoundError, RefusedError
from rules.loader import load_rules
from tests.linkage import things

DAY = date(2024, 6, 1)


@pytest.fixture(scope="module")
def published(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Workspace, duckdb.DuckDBPyConnection]]:
    ws = things.province(tmp_path_factory.mktemp("trial") / "workspace", 700, DAY, "person", "household")
    con, rules, decisions = ws.connect(), ws.load_rules(), DecisionStore(ws.decisions)
    publish(con, ws, rules, decisions, plan(con, ws, rules, decisions))
    yield ws, con
    con.close()


def candidate(ws: Workspace, folder: Path, **changes: str) -> Path:
    """A copy of the rules in which some lines of the rules of persons read otherwise."""
    shutil.copytree(ws.rules_folder, folder)
    path = folder / "person/entity.toml"
    text = path.read_text("utf-8")
    for before, after in changes.values():
        assert before in text
        text = text.replace(before, after)
    path.write_text(text, "utf-8")
    return folder


@pytest.fixture(scope="module")
def bad(published: tuple[Workspace, duckdb.DuckDBPyConnection], tmp_path_factory: pytest.TempPathFactory) -> Trial:
    ws, con = published
    folder = candidate(
        ws,
        tmp_path_factory.mktemp("bad") / "rules",
        accept=("accept = 8.0\nreview = 2.0", "accept = -40.0\nreview = -40.0"),
        numbers=("trusted_id_l <> trusted_id_r", "false"),
        twins=("gamma_name = 0 and gamma_former_name <= 0 and", "false and"),
    )
    return try_rules(con, ws, ws.load_rules(), folder, DAY)


def test_the_same_rules_change_nothing(published: tuple[Workspace, duckdb.DuckDBPyConnection], tmp_path: Path) -> None:
    ws, con = published
    before = sorted(path.name for path in ws.root.iterdir())
    found = try_rules(con, ws, ws.load_rules(), candidate(ws, tmp_path / "rules"))
    assert found.document["as_of"] == DAY.isoformat()
    told = found.document["entities"]["person"]
    assert found.document["changed_rules"] == [] and found.document["exceeded"] == []
    assert {kind: n for kind, n in told["events"].items() if n} == {"unchanged": found.plan.entities["person"].golden}
    assert told["examples"] == [] and told["tickets"] == {"opened": 0, "closed": 0}
    assert all(one["before"] == one["after"] for one in told["side_by_side"])
    assert sorted(path.name for path in ws.root.iterdir()) == before


def test_a_bad_rule_is_stopped_with_its_cause(bad: Trial) -> None:
    told = bad.document["entities"]["person"]
    assert {"key": "person: matching.accept", "before": 8.0, "after": -40.0} in bad.document["changed_rules"]
    assert told["events"]["merged"] > 0
    (said, *_) = bad.document["exceeded"]
    assert "golden records that would be merged" in said and "matching.accept 8.0 -> -40.0" in said
    example = next(one for one in told["examples"] if one["kind"] == "merged")
    assert example["weight"] >= -40.0 and example["levels"] and example["cause"]
    assert sum(told["causes"].values()) >= told["events"]["merged"]


def test_a_change_needs_two_people_and_can_be_taken_back(
    published: tuple[Workspace, duckdb.DuckDBPyConnection], bad: Trial, tmp_path: Path
) -> None:
    shutil.copytree(published[0].root, tmp_path / "ws", symlinks=True)
    ws = Workspace.open(tmp_path / "ws")
    first = rule_sets.name_of(ws.rules_folder)
    good = candidate(ws, tmp_path / "good", budget=("budget = 40", "budget = 41"))
    name = rule_sets.propose(ws, good, "anna", {"exceeded": []})
    with pytest.raises(RefusedError, match="anna proposed this change; somebody else has to approve it"):
        rule_sets.approve(ws, name, "anna", "looked at it")
    assert rule_sets.approve(ws, name, "bert", "looked at it") == first
    assert rule_sets.name_of(ws.rules_folder) == name
    assert ws.load_rules().entities["person"].entity.matching.budget == 41
    (change,) = rule_sets.changes(ws)
    assert (change.approver, change.replaced) == ("bert", first)
    assert rule_sets.restore(ws, first) == name
    assert rule_sets.name_of(ws.rules_folder) == first
    actions = [(one.actor, one.action) for one in AuditTrail(ws.decisions).entries()]
    assert ("anna", "propose rules") in actions and ("bert", "approve rules") in actions

    refused = rule_sets.propose(ws, good, "anna", bad.document)
    with pytest.raises(RefusedError, match="expected to be somebody else"):
        rule_sets.approve(ws, refused, "bert", "looked at it")
    with pytest.raises(NotFoundError, match="no set of rules 'nothing' was proposed"):
        rule_sets.approve(ws, "nothing", "bert", "why")


def test_every_key_that_differs_is_named(
    published: tuple[Workspace, duckdb.DuckDBPyConnection], tmp_path: Path
) -> None:
    ws, _ = published
    changes = {"budget": ("budget = 40", "budget = 41"), "kin": ("least_m = 0.02", "least_m = 0.03")}
    other = load_rules(candidate(ws, tmp_path / "rules", **changes))
    assert changed(ws.load_rules(), other) == [
        {"key": "person: comparisons.kin.least_m", "before": 0.02, "after": 0.03},
        {"key": "person: matching.budget", "before": 40.0, "after": 41.0},
    ]
