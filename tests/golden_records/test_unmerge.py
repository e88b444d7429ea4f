"""A merge that is undone leaves no trace but its events: ids, values, relations and states are as they were."""

from __future__ import annotations

import copy as copying
from pathlib import Path
from typing import Any

import duckdb
import pytest

from golden_records.segments import has_table, table_sql
from linkage.decisions import Decision
from tests.golden_records.changing import World, copy
from tests.golden_records.test_plan import released

# What tells when something was published or given back, not what is true.
WHEN = {"since_release", "release", "since", "weakest_match"}


def said(world: World) -> dict[str, list[str]]:
    """Everything that the current release says, by entity type and table, without when it came to say so."""
    folder = (world.ws.releases / "current").resolve()
    found = {}
    with duckdb.connect() as con:
        for entity in ("person", "household", "committee"):
            for table in ("golden", "provenance", "dispute", "crosswalk", "relation", "state"):
                if not has_table(folder / entity, table):
                    continue
                rows = con.execute(f"from {table_sql(folder / entity, table)}")
                names = [column[0] for column in rows.description or ()]
                told: list[dict[str, Any]] = [dict(zip(names, row, strict=True)) for row in rows.fetchall()]
                late = WHEN - ({"since"} if table in ("relation", "state") else set())
                if table == "crosswalk":
                    told = [row for row in told if row["until"] is None]
                found[f"{entity} {table}"] = sorted(
                    repr({name: value for name, value in row.items() if name not in late}) for row in told
                )
    return found


def twin(world: World, target: Path) -> World:
    """The same world in another place, where other things will be decided."""
    other = copying.copy(world)
    other.rng, other.ws = copying.deepcopy(world.rng), copy(world.ws, target / "ws")
    other.civil, other.social, other.homes = dict(world.civil), dict(world.social), dict(world.homes)
    other.files = target / "files"
    other.files.mkdir(parents=True, exist_ok=True)
    return other


@pytest.mark.parametrize(("kind", "seed", "change"), [("same", 3, "_corrected"), ("merge", 8, "_came")])
def test_a_merge_that_is_undone_leaves_what_there_would_be_without_it(
    tmp_path: Path, kind: str, seed: int, change: str
) -> None:
    world = World(tmp_path, seed)
    world.begin(5)
    released(world.ws, world.rules)
    before = said(world)
    untouched = twin(world, tmp_path / "twin")
    chosen = world.rng.sample(sorted(world.civil), 2 if kind == "same" else 3)
    subjects = tuple(("civil_registry", key) for key in chosen)
    untouched.rng = copying.deepcopy(world.rng)
    number = world.decisions.add(Decision(kind, "person", subjects, "one person", "eve"))
    world.link()
    released(world.ws, world.rules)
    assert said(world)["person golden"] != before["person golden"]
    for one in (world, untouched):
        getattr(one, change)()
        one.link()
        released(one.ws, one.rules)
    world.decisions.withdraw(number, "eve")
    world.link()
    released(world.ws, world.rules)
    now, wanted = said(world), said(untouched)
    assert now.keys() == wanted.keys()
    for table, rows in wanted.items():
        assert now[table] == rows, table
