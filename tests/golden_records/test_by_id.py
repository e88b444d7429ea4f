"""What the look-up index says of an id is what the tables of the release say, whatever releases there were before."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from golden_records import release
from golden_records.query import Release
from linkage.workspace import Workspace
from tests.golden_records.changing import World
from tests.golden_records.test_plan import released

TABLES = ("member", "relation", "event", "state", "dispute")


def told(asked: Release) -> dict[str, list[Any]]:
    """By every id ever issued, what the release answers."""
    rows = asked.lookup("select golden_id from golden union select golden_id from redirect order by 1")
    found: dict[str, list[Any]] = {one: [asked.show(one), asked.relations(one), asked.members(one)] for (one,) in rows}
    for entity in (None, *asked.manifest.entities):
        found[f"changes of {entity}"] = [list(asked.changes(n, entity, most)) for n, most in ((0, None), (7, 5))]
    return found


def check(ws: Workspace) -> int:
    """Compare the index with the tables of the current release; gives how many ids there were."""
    with Release.of(ws.releases) as asked:
        assert asked.by_id
        indexed = told(asked)
        asked.by_id = False
        assert told(asked) == indexed
        assert any(one[0].get("relations") for name, one in indexed.items() if " " not in name)
        return len(indexed)


def forget(ws: Workspace) -> None:
    """Let the current release be one that was written without the tables."""
    with closing(sqlite3.connect((ws.releases / "current").resolve() / "lookup.sqlite")) as lookup:
        for table in TABLES:
            lookup.execute(f"drop table {table}")
        lookup.execute("pragma user_version = 0")


def test_the_index_says_what_the_tables_say_release_after_release(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(release, "SHARE", 0.6)  # of so few, a change is a great share
    world = World(tmp_path, 1)
    world.begin(5)
    released(world.ws, world.rules)
    first = check(world.ws)
    for _ in range(2):
        world.step()
        assert not released(world.ws, world.rules).whole
        check(world.ws)
    forget(world.ws)
    with Release.of(world.ws.releases) as asked:
        assert not asked.by_id and len(told(asked)) >= first
    world.step()
    released(world.ws, world.rules)
    check(world.ws)
    release.rollback(world.ws, 2, world.day)
    assert check(world.ws) >= first
    released(world.ws, world.rules, full=True)
    check(world.ws)
