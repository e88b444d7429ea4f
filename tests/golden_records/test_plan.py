"""Promises: a plan of what changed is the plan of everything, row for row, whatever changed and however often."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import duckdb
import pytest

from golden_records import release
from golden_records.answers import take_one
from golden_records.manifest import file_sha256, read_manifest
from golden_records.plan import Plan, plan
from golden_records.rows_of import RowsOf
from golden_records.segments import KEYS, table_sql
from golden_records.tickets import TicketStore
from linkage.backup import backup, restore
from linkage.decisions import DecisionStore
from linkage.progress import SILENT, Reporter
from linkage.workspace import Workspace
from rules.model import Rules
from tests.deliveries import content
from tests.effort import effort
from tests.golden_records.changing import World, copy


def released(ws: Workspace, rules: Rules, full: bool = False, reporter: Reporter = SILENT) -> Plan:
    """Plan and publish what was linked."""
    con, decisions = ws.connect(), DecisionStore(ws.decisions)
    try:
        planned = plan(con, ws, rules, decisions, reporter, full)
        release.publish(con, ws, rules, decisions, planned, reporter, forced="a small registry", full=full)
    finally:
        con.close()
    return planned


def whole(folder: Path, table: str) -> list[str]:
    """Every row of a table of a release."""
    with duckdb.connect() as con:
        rows = con.execute(f"from {table_sql(folder, table)}")
        names = [column[0] for column in rows.description]
        return sorted(repr(dict(zip(names, row, strict=True))) for row in rows.fetchall())


def by_id(folder: Path, table: str) -> list[str]:
    """The same, asked for id by id; ids of nobody have none."""
    with duckdb.connect() as con:
        ids = [
            one for (one,) in con.execute(f"select distinct golden_id from {table_sql(folder, 'crosswalk')}").fetchall()
        ]
    with closing(RowsOf(folder, table)) as asked:
        assert asked.rows("A") == asked.rows("zzz") == []
        return sorted(repr(row) for one in ids for row in asked.rows(one))


@pytest.mark.parametrize("seed", [1])
def test_what_changed_alone_gives_the_release_that_everything_gives(
    tmp_path: Path, seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(release, "SHARE", 0.6)  # of so few, a change is a great share
    world = World(tmp_path, seed)
    world.begin(12)
    assert released(world.ws, world.rules).whole
    told = []
    for number in range(2, effort(5, 9)):
        told.append(world.step())
        told.append(_answered(world))
        other = copy(world.ws, tmp_path / f"other{number}")
        planned, everything = released(world.ws, world.rules), released(other, world.rules, full=True)
        assert everything.whole and not planned.whole
        assert planned.entities == everything.entities, told
        now, wanted = content(world.ws.root, number), content(other.root, number)
        for table in wanted:
            assert sorted(map(repr, now[table])) == sorted(map(repr, wanted[table])), (table, told)
        assert tickets_of(world.ws) == tickets_of(other), told


def _answered(world: World) -> str:
    """Somebody answers some of the tickets."""
    asked = TicketStore(world.decisions)
    tickets = asked.tickets(states=("open",))
    told = []
    for ticket in world.rng.sample(tickets, min(3, len(tickets))):
        answer = world.rng.choice(("维持原值", "不予采纳"))
        take_one(asked, world.rules, ticket.ticket_id, (answer, "", "seen"), world.day, "eve")
        told.append(f"{answer} {ticket.source_key} {ticket.field}")
    return ", ".join(told)


def tickets_of(ws: Workspace) -> list[list[tuple[Any, ...]]]:
    """All tickets and what became of them."""
    with TicketStore(DecisionStore(ws.decisions)).reading() as db:
        return [
            db.execute(f"select {columns} from {table} order by 1").fetchall()
            for table, columns in (
                ("ticket", "ticket_id, entity, source, source_key, field, evidence, golden_id, value, said, release"),
                ("ticket_event", "event_id, ticket_id, kind, at, reason, due, decision_id, release, detail"),
            )
        ]


class Deadly:
    """A reporter under which the process is killed when a step begins."""

    def __init__(self, step: str) -> None:
        self.name = step

    @contextmanager
    def step(
        self, name: str, total: int | None = None, con: duckdb.DuckDBPyConnection | None = None
    ) -> Iterator[Callable[[int], None]]:
        if name == self.name:
            os.kill(os.getpid(), signal.SIGKILL)
        yield lambda done: None

    def note(self, message: str) -> None:
        return None


def _die(folder: str, step: str) -> None:
    ws = Workspace.open(Path(folder))
    released(ws, ws.load_rules(), reporter=Deadly(step))


@pytest.fixture(scope="module")
def changed(tmp_path_factory: pytest.TempPathFactory) -> tuple[World, Plan, dict[str, list[tuple[Any, ...]]]]:
    """A world of which the second release is linked, and what that release says."""
    world = World(tmp_path_factory.mktemp("killed"), 5)
    world.begin(12)
    released(world.ws, world.rules)
    world.step()
    other = copy(world.ws, world.files.parent / "other")
    planned = released(other, world.rules)
    assert not planned.whole
    return world, planned, content(other.root, 2)


@pytest.mark.parametrize(
    "step", ["person: ids", "household: relations and changes", "household: quality", "household: look-up index"]
)
def test_a_run_that_was_killed_is_run_again_to_the_same_release(
    changed: tuple[World, Plan, dict[str, list[tuple[Any, ...]]]], tmp_path: Path, step: str
) -> None:
    world, planned, wanted = changed
    ws = copy(world.ws, tmp_path / "ws")
    process = get_context("spawn").Process(target=_die, args=(str(ws.root), step))
    process.start()
    process.join()
    assert process.exitcode == -signal.SIGKILL
    again = released(ws, world.rules)
    assert again.entities == planned.entities
    now = content(ws.root, 2)
    for table in wanted:
        assert sorted(map(repr, now[table])) == sorted(map(repr, wanted[table])), table


def test_a_release_of_what_changed_shares_files_and_is_kept_taken_back_and_restored_like_any_other(
    changed: tuple[World, Plan, dict[str, list[tuple[Any, ...]]]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    world, _, wanted = changed
    ws = copy(world.ws, tmp_path / "ws")
    monkeypatch.setattr(release, "SHARE", 10)
    released(ws, world.rules)
    first, second = (ws.releases / str(number) for number in (1, 2))
    shared = {path.relative_to(first) for path in first.rglob("*.parquet") if path.stem in KEYS}
    assert all((second / path).samefile(first / path) for path in shared)
    told = {one.path: one for one in read_manifest(second).files}
    written = {path.relative_to(second).as_posix() for path in second.rglob("*") if path.is_file()} - {"manifest.json"}
    assert set(told) == written and any(path.endswith("/golden.2.parquet") for path in written)
    assert all(file_sha256(second / path) == one.sha256 for path, one in told.items())

    for folder in (first / "person", second / "person"):
        assert by_id(folder, "provenance") == whole(folder, "provenance")

    before = content(ws.root, 1)
    backup(ws, tmp_path / "kept.tar")
    again = restore(tmp_path / "kept.tar", tmp_path / "again")
    for one in (ws, again):
        assert content(one.root, 1) == before
        now = content(one.root, 2)
        assert all(sorted(map(repr, now[table])) == sorted(map(repr, wanted[table])) for table in wanted)
        release.rollback(one, 1, world.day)
        release.rollback(one, 2, world.day)
        back = content(one.root, 4)
        for table in ("golden", "provenance", "dispute", "relation", "state"):
            assert sorted(map(repr, back[f"person/{table}.parquet"])) == sorted(
                map(repr, now[f"person/{table}.parquet"])
            )

    monkeypatch.setattr(release, "SHARE", 0)
    assert released(ws, world.rules).whole  # what was taken back is not what the work database holds
    world_again = copy(world.ws, tmp_path / "whole")
    assert not released(world_again, world.rules).whole
    assert not list((world_again.releases / "2").rglob("replaced.*"))
    now = content(world_again.root, 2)
    assert all(sorted(map(repr, now[table])) == sorted(map(repr, wanted[table])) for table in wanted)
