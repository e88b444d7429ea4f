"""Releases: what a manifest says, what refuses one, how one is switched to, taken back, exported and looked up."""

from __future__ import annotations

import json
import os
import shutil
import sqlite3
import stat
import subprocess
import sys
from collections.abc import Callable
from contextlib import closing
from datetime import date
from errno import ENOSPC
from importlib.resources import files
from pathlib import Path

import duckdb
import polars as pl
import pytest

from golden_records import export as exports
from golden_records.manifest import Manifest, current_release, file_sha256, read_manifest, releases_of, software_version
from golden_records.match_index import MATCH
from golden_records.plan import Plan, next_release, read_plan
from golden_records.release import LIVING, clear_unpublished, rollback, write_release
from golden_records.sql import run
from linkage.audit_trail import AuditTrail
from linkage.workspace import Workspace
from rules.errors import NotFoundError, RefusedError
from tests.golden_records.things import SHIP, Yard, record, ship, survived
from tests.told import FIRST, SECOND, THIRD, Told

ROOT = Path(__file__).resolve().parents[2]
LATER = date(2024, 9, 1)
Copy = Callable[[], Yard]


@pytest.fixture(scope="module")
def origin(told: Told, tmp_path_factory: pytest.TempPathFactory) -> Yard:
    """The workspace with a fourth release linked and wholly planned: the audits of such a plan see everything."""
    root = tmp_path_factory.mktemp("planned") / "ws"
    shutil.copytree(told.yard.ws.root, root, symlinks=True)
    yard = Yard(Workspace.open(root))
    yard.link(LATER)
    yard.plan(full=True)
    return yard


@pytest.fixture
def planned(origin: Yard, tmp_path: Path) -> tuple[Yard, Plan]:
    """A copy of it, to be changed, and the plan that is kept there."""
    shutil.copytree(origin.ws.root, tmp_path / "ws", symlinks=True)
    yard = Yard(Workspace.open(tmp_path / "ws"))
    with yard.open() as con:
        return yard, read_plan(con)


def folder(yard: Yard, release: int) -> Path:
    """Where a release lies."""
    return yard.ws.releases / str(release)


# ── the manifest ────────────────────────────────────────────────────────────────────────────────────


def test_the_manifest_names_everything_the_release_is_a_function_of(told: Told) -> None:
    yard, manifest = told.yard, read_manifest(folder(told.yard, 3))
    rules = yard.ws.load_rules()
    one = manifest.entities["ship"]
    home = rules.entities["ship"].folder
    assert (manifest.release, manifest.previous, manifest.rollback_of, manifest.forced) == (3, 2, None, None)
    assert (manifest.as_of, manifest.node, manifest.software) == (THIRD, "07", software_version())
    assert manifest.rules == rules.sha256
    assert manifest.last_decision == yard.decisions.last_id() == 3
    assert one.weights == file_sha256(home / "weights.json") and one.weights
    assert one.frequencies == file_sha256(home / "frequencies.parquet") and one.frequencies
    assert one.references == {"lunar_months": file_sha256(ROOT / "rules" / "reference" / "lunar_months.csv")}
    landed = {(file.source, str(file.observed_on), file.rows) for file in manifest.landed}
    assert landed == {("registry", "2024-01-31", 5), ("harbour", "2024-02-01", 2), ("registry", "2024-06-30", 5)}
    assert {file.sha256 for file in manifest.landed} == {path.name for path in yard.ws.landed.iterdir()}
    assert (one.prefix, one.serial, one.golden, one.records) == ("S", 7, 4, 7)


@pytest.mark.parametrize("release", [1, 2, 3])
def test_every_file_of_a_release_is_in_the_manifest_with_its_true_hash_size_and_rows(told: Told, release: int) -> None:
    place = folder(told.yard, release)
    manifest = read_manifest(place)
    there = {path.relative_to(place).as_posix() for path in place.rglob("*") if path.is_file()}
    assert {file.path for file in manifest.files} == there - {"manifest.json"}
    for file in manifest.files:
        assert (file.sha256, file.bytes) == (file_sha256(place / file.path), (place / file.path).stat().st_size)
        if file.path.endswith(".parquet"):
            assert file.rows == pl.read_parquet(place / file.path).height


def test_every_event_is_numbered_once_over_all_releases(told: Told) -> None:
    with told.yard.ask() as published:
        seqs = [event["seq"] for event in published.changes()]
    assert seqs == list(range(1, len(seqs) + 1))
    ranges = [read_manifest(folder(told.yard, n)) for n in (1, 2, 3)]
    assert [one.first_seq for one in ranges] == [1, *(one.next_seq for one in ranges[:-1])]
    assert ranges[-1].next_seq == len(seqs) + 1


def test_a_release_is_written_for_its_owner_alone(told: Told) -> None:
    for path in [folder(told.yard, 3), *folder(told.yard, 3).rglob("*")]:
        assert stat.S_IMODE(path.stat().st_mode) == (0o700 if path.is_dir() else 0o600)


def test_the_same_inputs_make_the_same_release_byte_for_byte(copied: Copy) -> None:
    yard = copied()
    made = []
    for _ in range(2):
        yard.release(LATER)
        manifest = read_manifest(folder(yard, 4))
        # The match index says the same in other segments where linking began anew.
        said = [one for one in manifest.files if one.path.startswith("ship/") and f"/{MATCH}/" not in one.path]
        made.append((manifest.inputs, said))
        shutil.rmtree(folder(yard, 4))
        (yard.ws.releases / "current").unlink()
        (yard.ws.releases / "current").symlink_to("3")
        yard.ws.database.unlink()
    assert made[0] == made[1]


# ── audits ──────────────────────────────────────────────────────────────────────────────────────────

BAD_ROWS = {
    "ids.sql": [
        "update golden set golden_id = left(golden_id, -1) || '#'",
        "insert into golden from golden limit 1",
        "insert into redirect select golden_id, 'retired', [], 1 from golden limit 1",
        "insert into redirect select golden_id, 'merged', [golden_id], 1 from golden limit 1",
    ],
    "redirects.sql": ["insert into redirect values ('S070000000009X', 'merged', ['S070000000008Y'], 1)"],
    "relations.sql": [
        "insert into relation values ('S070000000009X', 'tows', 'S0700000000015', null, null, null, 'a', 'b')",
        "insert into relation select min(golden_id), 'tows', null, null, null, null, 'a', 'b' from golden",
        "insert into relation select min(golden_id), 'tows', min(golden_id), 'tug', null, null, 'a', 'b' from golden",
    ],
    "unplaced.sql": [
        "delete from member where ordinal = 0",
        "insert into member from member limit 1",
        "delete from golden_number where g = 1",
    ],
    "values.sql": [
        "update provenance set value = null where field = 'name'",
        "update provenance set source_key = 'nobody' where field = 'name'",
        "update provenance set golden_id = (select min(golden_id) from golden)",
        "update crosswalk set until = date '2024-01-01'",
    ],
    "verification.sql": [
        "update provenance set state = null where field = 'name'",
        "update provenance set state = 'well' where field = 'name'",
        "update provenance set state = 'disputed' where field = 'name'",
        "update provenance set valid_to = date '2024-01-01' where field = 'name'",
        "insert into provenance from provenance where field = 'name' limit 1",
        "insert into dispute (golden_id, field, state) values ('S0700000000015', 'name', 'agreed')",
        "insert into dispute (golden_id, field, state) values ('S0700000000099', 'name', 'disputed')",
    ],
    "census.sql": [
        "update census set n = 2 where item = 'members'",
        "update census set n = 1 where item = 'quarantined'",
        "update census set n = 1 where item = 'golden'",
        "delete from census where item = 'golden'",
        "delete from member where ordinal = 0",
        "delete from record where source_key = '1'",
    ],
    "quarantine.sql": [
        "insert into quarantine select record_id, 'nameless' from standard limit 1",
        "delete from member where ordinal = 0",
    ],
    "duplicate_free.sql": ["update standard set dup_group = 'registry' where source_key in ('1', '2')"],
}


def test_every_audit_has_bad_rows_to_catch() -> None:
    assert set(BAD_ROWS) == {one.name for one in files("golden_records.audits").iterdir() if one.name.endswith(".sql")}


@pytest.fixture(scope="module")
def good() -> duckdb.DuckDBPyConnection:
    """The tables of two ships, one of them with two records of the registry, in which nothing is wrong."""
    rows = [record("registry", "1", name="甲"), record("registry", "2", name="甲"), record("harbour", "3", ship="2")]
    con = survived(ship(SHIP), rows)
    run(con, "relations")
    con.execute("create table redirect (golden_id varchar, kind varchar, successors varchar[], since_release integer)")
    con.execute("create temp table same_decision (ordinal bigint)")
    con.execute(
        "create table census as select * from "
        "(values ('records', 3), ('members', 3), ('quarantined', 0), ('golden', 2)) as t(item, n)"
    )
    return con


def audited(con: duckdb.DuckDBPyConnection, name: str) -> list[tuple[object, ...]]:
    """The rows that an audit finds."""
    con.execute(LIVING)
    text = files("golden_records.audits").joinpath(name).read_text("utf-8")
    return con.execute(text.rstrip().rstrip(";")).fetchall()


@pytest.mark.parametrize(("name", "fault"), [(name, fault) for name, faults in BAD_ROWS.items() for fault in faults])
def test_an_audit_finds_nothing_in_good_rows_and_something_in_bad_ones(
    good: duckdb.DuckDBPyConnection, name: str, fault: str
) -> None:
    assert audited(good, name) == []
    good.begin()
    good.execute(fault)
    found = audited(good, name)
    good.rollback()
    assert found != []


def test_a_stewards_same_decision_licenses_two_records_of_a_source_without_duplicates(
    good: duckdb.DuckDBPyConnection,
) -> None:
    good.begin()
    good.execute("update standard set dup_group = 'registry' where source = 'registry'")
    good.execute("insert into same_decision select ordinal from standard")
    found = audited(good, "duplicate_free.sql")
    good.rollback()
    assert found == []


@pytest.mark.parametrize(
    ("audit", "fault"),
    [
        ("ids.sql", "update ship.golden set golden_id = 'S0700000000000'"),
        ("accounting.sql", "update ship.batch set rows = rows + 1"),
    ],
)
def test_an_audit_that_finds_rows_refuses_the_release(planned: tuple[Yard, Plan], audit: str, fault: str) -> None:
    yard, plan = planned
    with yard.open() as con:
        con.execute(fault)
    with pytest.raises(RefusedError, match=rf"audits refuse the release: ship: {audit} found \d+ rows"):
        yard.publish(plan, forced="no reason is good enough")
    assert (current_release(yard.ws.releases), releases_of(yard.ws.releases)) == (3, [1, 2, 3])


# ── plans ───────────────────────────────────────────────────────────────────────────────────────────


def fleet(root: Path) -> Yard:
    """A workspace whose first release has 120 ships, and whose next list lacks 40 of them."""
    yard = Yard.create(root)
    ships = [{"id": f"r{i:03}", "mark": f"MK-{i:03}"} for i in range(120)]
    yard.deliver("registry", "2024-01-31", *ships)
    yard.release(FIRST)
    yard.deliver("registry", "2024-06-30", *ships[40:])
    yard.link(SECOND)
    return yard


def test_a_surprising_plan_is_refused_unless_forced_with_a_reason_that_is_kept(tmp_path: Path) -> None:
    yard = fleet(tmp_path / "ws")
    planned = yard.plan()
    assert planned.exceeded == ("ship: 40 of 120 golden records would be retired (limit 5.0%)",)
    for reason in (None, ""):
        with pytest.raises(RefusedError, match="40 of 120 golden records would be retired"):
            yard.publish(planned, reason)
    assert current_release(yard.ws.releases) == 1
    assert yard.publish(planned, "the fleet was sold") == 2
    assert read_manifest(folder(yard, 2)).forced == "the fleet was sold"
    last = AuditTrail(yard.ws.decisions).entries()[-1]
    sealed = file_sha256(folder(yard, 2) / "manifest.json")
    assert (last.action, last.detail) == ("publish", {"release": 2, "forced": "the fleet was sold", "manifest": sealed})


def test_a_reason_that_was_not_needed_is_not_kept(planned: tuple[Yard, Plan]) -> None:
    yard, plan = planned
    yard.publish(plan, forced="just in case")
    assert read_manifest(folder(yard, 4)).forced is None


def test_a_plan_is_kept_in_the_work_database_for_another_process(planned: tuple[Yard, Plan]) -> None:
    yard, plan = planned
    assert yard.plan() == plan
    assert plan.entities["ship"].events == {
        **{"created": 0, "revived": 0, "changed": 0, "merged": 0, "split": 0, "retired": 0},
        "unchanged": 4,
    }


@pytest.mark.parametrize(
    "meanwhile",
    [
        lambda yard: yard.say("unsure", ("registry", "r0"), ("registry", "r3")),
        lambda yard: yard.decisions.withdraw(1),
        lambda yard: yard.deliver("insurer", "2024-08-01", {"id": "i1", "mark": "MK-0"}),
        lambda yard: rollback(yard.ws, 1, LATER),
        lambda yard: (yard.ws.rules_folder / "ship" / "cases.toml").write_text("# a new file"),
    ],
    ids=["a decision", "a withdrawn decision", "a file", "another release", "a rule"],
)
def test_a_plan_that_something_overtook_is_refused(
    planned: tuple[Yard, Plan], meanwhile: Callable[[Yard], object]
) -> None:
    yard, plan = planned
    meanwhile(yard)
    before = releases_of(yard.ws.releases)
    with pytest.raises(RefusedError, match=r"out of date|not linked from what is there now"):
        yard.publish(plan)
    assert releases_of(yard.ws.releases) == before


def test_nothing_is_published_that_was_not_planned_or_linked(tmp_path: Path) -> None:
    yard = Yard.create(tmp_path / "ws")
    with yard.open() as con, pytest.raises(NotFoundError, match="shuyuan plan"):
        read_plan(con)
    with pytest.raises(NotFoundError, match="shuyuan link"):
        yard.plan()


def test_a_stewards_later_word_on_another_record_of_the_ship_counts(copied: Copy) -> None:
    yard = copied()
    yard.say("value", ("registry", "r2"), field="name", value="东风号")
    yard.say("value", ("registry", "r1"), field="name", value="东风")
    yard.release(LATER)
    heir = yard.id_of("registry", "r1")
    (chosen,) = [one for one in yard.table("provenance") if (one["golden_id"], one["field"]) == (heir, "name")]
    assert (chosen["value"], chosen["source_key"], chosen["rule"]) == ("东风", "r1", "steward_decision")


# ── switching ───────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("error", [OSError(ENOSPC, "no space left on device"), KeyboardInterrupt()])
def test_a_release_that_breaks_off_half_written_leaves_the_current_one_as_it_was(
    copied: Copy, error: BaseException
) -> None:
    yard = copied()
    before = {path: file_sha256(path) for path in yard.ws.releases.rglob("*") if path.is_file()}

    def broken(place: Path) -> Manifest:
        (place / "ship" / "golden.parquet").write_bytes(b"half")
        raise error

    expected = RefusedError if isinstance(error, OSError) else KeyboardInterrupt
    with pytest.raises(expected):
        write_release(yard.ws, 4, ["ship"], broken)
    assert {path: file_sha256(path) for path in yard.ws.releases.rglob("*") if path.is_file()} == before
    assert (current_release(yard.ws.releases), next_release(yard.ws)) == (3, 4)


def test_what_a_dead_run_left_is_no_release_and_is_cleared_away(copied: Copy) -> None:
    yard = copied()
    shutil.copytree(folder(yard, 3), folder(yard, 4))
    (yard.ws.releases / ".current").symlink_to("4")
    shutil.copytree(folder(yard, 3), yard.ws.releases / ".making-4")
    assert (current_release(yard.ws.releases), releases_of(yard.ws.releases)) == (3, [1, 2, 3])
    with pytest.raises(NotFoundError, match="no release 4"):
        yard.ask(4)
    clear_unpublished(yard.ws)
    assert sorted(path.name for path in yard.ws.releases.iterdir()) == ["1", "2", "3", "current"]


def test_another_process_reads_while_a_batch_holds_the_work_database(told: Told) -> None:
    yard = told.yard
    code = (
        "import json, sys; from pathlib import Path; from golden_records.query import Release\n"
        "with Release.of(Path(sys.argv[1])) as one: print(json.dumps(one.show(sys.argv[2]), sort_keys=True))"
    )
    golden_id = told.now["registry", "r0"]
    with yard.ws.lock("link"), yard.open() as con:
        con.execute("begin")
        done = subprocess.run(
            [sys.executable, "-c", code, str(yard.ws.releases), golden_id],
            capture_output=True,
            text=True,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
            timeout=60,
        )
        con.execute("rollback")
    assert done.returncode == 0, done.stderr
    with yard.ask() as published:
        assert json.loads(done.stdout) == published.show(golden_id)


def test_without_current_nothing_is_planned_so_that_no_id_is_issued_twice(copied: Copy) -> None:
    yard = copied()
    (yard.ws.releases / "current").unlink()
    with pytest.raises(RefusedError, match="current is missing, the last release is 3"):
        yard.plan()


# ── rollback ────────────────────────────────────────────────────────────────────────────────────────


def test_a_rollback_publishes_earlier_content_as_the_next_release(told: Told, copied: Copy) -> None:
    yard = copied()
    assert rollback(yard.ws, 1, LATER) == 4
    for table in ("golden", "provenance", "relation"):
        assert yard.table(table) == yard.table(table, 1)
    assert yard.ids() == told.first
    manifest, earlier = read_manifest(folder(yard, 4)), read_manifest(folder(yard, 1))
    assert (manifest.release, manifest.previous, manifest.rollback_of, manifest.as_of) == (4, 3, 1, LATER)
    assert (manifest.rules, manifest.landed) == (earlier.rules, earlier.landed)
    for file in manifest.files:
        assert file.sha256 == file_sha256(folder(yard, 4) / file.path)
    last = AuditTrail(yard.ws.decisions).entries()[-1]
    sealed = file_sha256(folder(yard, 4) / "manifest.json")
    assert (last.action, last.detail) == ("rollback", {"release": 4, "to": 1, "manifest": sealed})


def test_after_a_rollback_numbers_only_grow_and_every_id_still_answers(told: Told, copied: Copy) -> None:
    yard = copied()
    then = read_manifest(folder(yard, 3))
    rollback(yard.ws, 1, LATER)
    now = read_manifest(folder(yard, 4))
    assert now.entities["ship"].serial == then.entities["ship"].serial == 7
    assert now.first_seq == then.next_seq
    with yard.ask() as published:
        assert [event["seq"] for event in published.changes()] == list(range(1, now.next_seq))
        for golden_id in {*told.first.values(), *told.now.values()}:
            published.show(golden_id)
        assert published.show(told.now["registry", "r3"])["golden_id"] == told.first["registry", "r3"]
    yard.deliver("insurer", "2024-08-20", {"id": "i9", "mark": "MK-9"})
    yard.release(LATER)
    assert yard.id_of("insurer", "i9").startswith("S070000000008")
    assert {subject: one for subject, one in yard.ids().items() if subject[0] != "insurer"} == told.now


def test_a_rollback_tells_of_every_ship_that_came_back_went_or_lost_a_record(told: Told, copied: Copy) -> None:
    yard = copied()
    rollback(yard.ws, 1, LATER)
    with yard.ask() as published:
        events = [event for event in published.changes() if event["release"] == 4]
    one, three, merged, gone, half = (
        told.first["registry", "r0"],
        told.first["registry", "r3"],
        told.first["registry", "r2"],
        told.first["registry", "r4"],
        told.now["registry", "r3"],
    )
    assert [(event["golden_id"], event["kind"], event["into_id"]) for event in events] == [
        (one, "changed", None),
        (three, "changed", None),
        (told.first["registry", "r1"], "split", merged),
        (merged, "revived", None),
        (gone, "revived", None),
        (half, "merged", three),
    ]


def test_a_rollback_tells_of_a_record_that_moves_back_between_two_ships_that_live_on(tmp_path: Path) -> None:
    yard = Yard.create(tmp_path / "ws")
    yard.deliver("harbour", "2024-01-31", *({"id": f"h{i}", "name": "甲"} for i in range(5)))
    left, right = yard.say("merge", ("harbour", "h0"), ("harbour", "h1"), ("harbour", "h2")), ("harbour", "h4")
    yard.say("same", ("harbour", "h3"), right)
    yard.release(FIRST)
    ids = yard.ids()
    yard.decisions.withdraw(left)
    yard.say("same", ("harbour", "h0"), ("harbour", "h1"))
    yard.say("same", ("harbour", "h2"), right)
    yard.release(SECOND)
    assert yard.ids() == ids | {("harbour", "h2"): ids[right]}
    rollback(yard.ws, 1, THIRD)
    assert yard.ids() == ids
    with yard.ask() as published:
        told = {(event["golden_id"], event["kind"]) for event in published.changes() if event["release"] == 3}
    assert told == {(golden_id, "changed") for golden_id in ids.values()}


def test_a_rollback_that_changes_no_ship_tells_nothing(copied: Copy) -> None:
    yard = copied()
    yard.deliver("harbour", "2024-08-20", {"id": "h3", "mark": "MK-3", "name": "长江", "flag": "巴拿马"})
    yard.release(LATER)
    assert yard.table("change") == []
    rollback(yard.ws, 3, LATER)
    assert yard.table("change") == []
    assert read_manifest(folder(yard, 5)).entities["ship"].events["unchanged"] == 4


def test_a_rollback_may_cross_a_release_from_which_the_rules_have_another_field(told: Told, copied: Copy) -> None:
    yard = copied()
    path = yard.ws.rules_folder / "ship" / "entity.toml"
    title = 'title = { zh = "呼号", en = "call sign" }'
    path.write_text(path.read_text("utf-8") + f'\n[fields.call_sign]\nkind = "text"\n{title}\n', "utf-8")
    yard.ws.database.unlink()
    yard.release(LATER)
    assert "call_sign" in yard.table("golden")[0]
    rollback(yard.ws, 3, LATER)
    assert yard.table("golden") == yard.table("golden", 3)
    assert (yard.ids(), yard.table("change")) == (told.now, [])


def test_an_entity_type_that_an_earlier_release_lacks_is_withdrawn_and_never_issues_an_id_again(copied: Copy) -> None:
    yard = copied()
    boats = yard.ws.rules_folder / "boat"
    shutil.copytree(yard.ws.rules_folder / "ship", boats)
    text = (boats / "entity.toml").read_text("utf-8")
    text = text.replace('entity = "ship"', 'entity = "boat"').replace('prefix = "S"', 'prefix = "B"')
    (boats / "entity.toml").write_text(text, "utf-8")
    yard.deliver("insurer", "2024-08-20", {"id": "b1", "mark": "B1"}, entity="boat")
    yard.release(LATER)
    with yard.ask() as published:
        (boat,) = published.find("boat", "insurer", "b1")
    rollback(yard.ws, 3, LATER)
    with yard.ask() as published:
        assert published.show(boat["golden_id"])["status"] == "retired"
    yard.deliver("insurer", "2024-08-21", {"id": "a1", "mark": "A1"}, entity="boat")
    yard.release(LATER)
    with yard.ask() as published:
        assert published.find("boat", "insurer", "b1") == [boat]
        (other,) = published.find("boat", "insurer", "a1")
    assert other["golden_id"].startswith("B070000000002")
    rollback(yard.ws, 4, LATER)
    with yard.ask() as published:
        assert published.find("boat", "insurer", "b1") == [boat]
        assert published.show(other["golden_id"])["status"] == "retired"


def test_a_rollback_to_what_is_no_release_is_refused(told: Told) -> None:
    with pytest.raises(NotFoundError, match="there is no release 9"):
        rollback(told.yard.ws, 9, LATER)


def test_a_rolled_back_merge_can_be_merged_and_rolled_back_again(told: Told, copied: Copy) -> None:
    yard = copied()
    rollback(yard.ws, 1, LATER)
    rollback(yard.ws, 3, LATER)
    assert yard.ids() == told.now
    rollback(yard.ws, 4, LATER)
    assert yard.ids() == told.first
    with yard.ask() as published:
        seqs = [event["seq"] for event in published.changes()]
        assert seqs == list(range(1, len(seqs) + 1))
        for golden_id in {*told.first.values(), *told.now.values()}:
            assert published.show(golden_id)


# ── exports ─────────────────────────────────────────────────────────────────────────────────────────


def test_an_export_holds_every_golden_record_and_its_purpose_is_kept(told: Told, tmp_path: Path) -> None:
    trail = AuditTrail(tmp_path / "trail.sqlite")
    with told.yard.ask() as published:
        assert exports.export(published, "ship", tmp_path / "all.parquet", "inspection", trail) == 4
    found = pl.read_parquet(tmp_path / "all.parquet")
    assert found.rows(named=True) == told.yard.table("golden")
    assert stat.S_IMODE((tmp_path / "all.parquet").stat().st_mode) == 0o600
    (entry,) = trail.entries()
    assert (entry.action, entry.detail["purpose"], entry.detail["rows"]) == ("export", "inspection", 4)
    assert entry.detail["file"] == "all.parquet" and "name" in str(entry.detail["fields"])


def test_an_export_as_csv_may_hold_some_fields(told: Told, tmp_path: Path) -> None:
    with told.yard.ask(1) as published:
        exports.export(
            published, "ship", tmp_path / "some.csv", "x", AuditTrail(tmp_path / "t.sqlite"), "csv", ["name"]
        )
    lines = (tmp_path / "some.csv").read_text("utf-8").splitlines()
    assert lines[0] == "golden_id,lifecycle,valid_from,last_seen,valid_to,records,name"
    assert f"{told.first['registry', 'r4']},active,2024-01-31,2024-01-31,,1,黄河" in lines


def test_an_export_without_a_purpose_over_a_file_or_of_nothing_is_refused(told: Told, tmp_path: Path) -> None:
    trail = AuditTrail(tmp_path / "trail.sqlite")
    (tmp_path / "there.csv").write_text("")
    with told.yard.ask() as published:
        for name, purpose, entity, fields, error in [
            ("a.csv", "  ", "ship", [], RefusedError),
            ("there.csv", "x", "ship", [], RefusedError),
            ("b.csv", "x", "boat", [], NotFoundError),
            ("c.csv", "x", "ship", ["nothing"], NotFoundError),
        ]:
            with pytest.raises(error):
                exports.export(published, entity, tmp_path / name, purpose, trail, "csv", fields)
    assert trail.entries() == []
    assert sorted(path.name for path in tmp_path.glob("*.csv")) == ["there.csv"]


# ── the look-up index ───────────────────────────────────────────────────────────────────────────────


def test_the_look_up_index_says_what_the_tables_say(told: Told) -> None:
    place = folder(told.yard, 3)
    with closing(sqlite3.connect(f"file:{place / 'lookup.sqlite'}?mode=ro&immutable=1", uri=True)) as lookup:
        keys = {
            (row[0], row[1]): row[2] for row in lookup.execute("select source, source_key, golden_id from source_key")
        }
        golden = lookup.execute("select golden_id, status from golden order by 1").fetchall()
        redirects = lookup.execute("select golden_id, kind, successors from redirect order by 1").fetchall()
        identifiers = lookup.execute("select value from identifier where field = 'mark' order by 1").fetchall()
    gone = {("registry", "r4"): told.first["registry", "r4"]}
    assert keys == told.now | gone, "a withdrawn record answers with the ship it was in"
    assert golden == [(one["golden_id"], one["lifecycle"]) for one in told.yard.table("golden")]
    assert [(one, kind, json.loads(text)) for one, kind, text in redirects] == [
        (row["golden_id"], row["kind"], row["successors"]) for row in told.yard.table("redirect")
    ]
    marks = {
        ("MK-0",),
        ("mk-0",),
        ("MK-1",),
        ("mk-1",),
        ("MK-2",),
        ("mk-2",),
        ("MK-3",),
        ("mk-3",),
        ("MK-5",),
        ("mk-5",),
    }
    assert set(identifiers) == marks


def test_merged_ids_form_a_chain_over_releases(told: Told) -> None:
    first, now = told.first, told.now
    with told.yard.ask(2) as published:
        (five,) = published.find("ship", "registry", "r5")
        assert published.show(first["registry", "r2"])["golden_id"] == first["registry", "r1"]
    assert now["registry", "r5"] == first["registry", "r1"]
    with told.yard.ask() as published:
        for old in (first["registry", "r2"], five["golden_id"]):
            shown = published.show(old)
            assert (shown["golden_id"], shown["redirected_from"]) == (first["registry", "r1"], old)
