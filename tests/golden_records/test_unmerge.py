"""A merge that is undone leaves no trace but its events: ids, values, relations and states are as they would be."""

from __future__ import annotations

import random
import shutil
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import duckdb
import pytest

from golden_records.segments import has_table, table_sql
from linkage.decisions import Decision, DecisionStore
from linkage.workspace import Workspace
from tests.golden_records.changing import World
from tests.golden_records.test_plan import released
from tests.golden_records.things import Yard

# What tells when something was published, and the weight of a match that a decision stood in for.
WHEN = {"since_release", "release"}


def said(ws: Workspace, entities: Iterable[str]) -> dict[str, list[str]]:
    """Everything that the current release says, by entity type and table, but not since which release it says so."""
    folder = (ws.releases / "current").resolve()
    found = {}
    with duckdb.connect() as con:
        for entity in entities:
            for table in ("golden", "provenance", "dispute", "crosswalk", "relation", "state"):
                if has_table(folder / entity, table):
                    rows = con.execute(f"from {table_sql(folder / entity, table)}")
                    names = [column[0] for column in rows.description or ()]
                    told: list[dict[str, Any]] = [dict(zip(names, row, strict=True)) for row in rows.fetchall()]
                    if table == "crosswalk":  # a record that went and came back is there since it came back
                        told = [row | {"since": None} for row in told if row["until"] is None]
                    kept = [{name: value for name, value in row.items() if name not in WHEN} for row in told]
                    found[f"{entity} {table}"] = sorted(map(repr, kept))
    return found


def test_ids_values_relations_and_states_are_as_they_were_before_a_merge(tmp_path: Path) -> None:
    world = World(tmp_path, 3)
    for _ in range(3):
        world._family()
    world._deliver(list(world.civil), list(world.social))
    world._died()
    world.link()
    released(world.ws, world.rules)
    before = said(world.ws, ["person"])
    assert before["person relation"] and before["person state"]
    dead = next(key for key, row in world.civil.items() if row.get("人员状态") == "死亡")
    other = next(key for key in sorted(world.civil) if key[:4] != dead[:4])
    subjects = (("civil_registry", dead), ("civil_registry", other))
    number = world.decisions.add(Decision("same", "person", subjects, "one person", "eve"))
    world.link()
    released(world.ws, world.rules)
    merged = said(world.ws, ["person"])
    assert [table for table in before if merged[table] == before[table]] == []
    world.decisions.withdraw(number, "eve")
    world.link()
    released(world.ws, world.rules)
    assert said(world.ws, ["person"]) == before


class Fleet:
    """Ships of two registers that come and change at random, the same ones for the same seed."""

    def __init__(self, yard: Yard, seed: int) -> None:
        self.yard, self.rng, self.month = yard, random.Random(seed), 0

    def deliver(self) -> None:
        self.month += 1
        for source in ("harbour", "insurer"):
            rows = [
                {"id": f"{source[0]}{n}", "mark": f"M{n % 7}", "name": self.rng.choice("甲乙丙"), "owner": f"o{n}"}
                for n in self.rng.sample(range(14), 5)
            ]
            self.yard.deliver(source, f"2024-{self.month:02}-01", *rows)

    def subjects(self) -> list[tuple[str, str]]:
        return sorted(self.yard.ids())


@pytest.mark.parametrize(("seed", "kind", "count"), [(2, "merge", 3)])
def test_after_any_deliveries_a_merge_that_is_undone_leaves_what_there_would_be_without_it(
    tmp_path: Path, seed: int, kind: str, count: int
) -> None:
    fleet = Fleet(Yard.create(tmp_path / "one" / "ws"), seed)
    fleet.deliver()
    fleet.yard.release()
    shutil.copytree(tmp_path / "one", tmp_path / "other", symlinks=True)
    untouched = Fleet(Yard(Workspace.open(tmp_path / "other" / "ws")), seed)
    untouched.month = fleet.month
    subjects = fleet.rng.sample(fleet.subjects(), count)
    number = fleet.yard.say(kind, *subjects)
    fleet.yard.release()
    for one in (fleet, untouched):
        one.rng = random.Random(seed + 100)
        one.deliver()
        one.yard.release()
    DecisionStore(fleet.yard.ws.decisions).withdraw(number)
    fleet.yard.release()
    now, wanted = said(fleet.yard.ws, ["ship"]), said(untouched.yard.ws, ["ship"])
    for table, rows in wanted.items():
        assert now[table] == rows, table
