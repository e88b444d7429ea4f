"""A release is made again from what was kept of it, and is the same row for row; what was tampered with is told."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import tarfile
from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any

import duckdb
import pytest

from golden_records import evidence
from golden_records.kept import altered
from golden_records.manifest import MANIFEST, Manifest, file_sha256, read_manifest
from golden_records.release import rollback
from golden_records.replay import Replay, replay, seal_of
from linkage.decisions import Decision, DecisionStore
from linkage.decisions_then import copy_as_of
from linkage.rule_set import tables_of, version_of
from rules.errors import NotFoundError, RefusedError
from rules.loader import load_rules
from tests.deliveries import invoke, run, said
from tests.golden_records.things import Yard
from tests.told import Told

Copy = Callable[[], Yard]


def differing(found: Replay) -> list[str]:
    return [f"{one.entity}/{one.table}" for one in found.tables if not one.equal]


def hashes(root: Path) -> dict[str, str | None]:
    """Every file of a workspace but SQLite's own two beside a database that is open."""
    found = {path.relative_to(root).as_posix(): path for path in root.rglob("*") if path.is_file()}
    return {name: file_sha256(path) for name, path in found.items() if not name.endswith(("-wal", "-shm"))}


# ── the same rows ───────────────────────────────────────────────────────────────────────────────────


def test_a_release_is_the_same_row_for_row_and_its_workspace_is_left_as_it_was(copied: Copy, tmp_path: Path) -> None:
    ws = copied().ws
    before = hashes(ws.root)
    found = replay(ws, 3, tmp_path / "scratch")
    assert (found.altered, differing(found)) == ((), [])
    assert found.sound and sum(one.rows for one in found.tables) > 50
    assert {one.table for one in found.tables} >= {"golden", "provenance", "crosswalk", "change", "look-up: source_key"}
    assert hashes(ws.root) == before


def test_what_was_withdrawn_decided_and_delivered_later_is_left_out(copied: Copy, tmp_path: Path) -> None:
    yard = copied()
    yard.decisions.withdraw(1)
    yard.decisions.withdraw(2)
    yard.say("different", ("registry", "r0"), ("harbour", "h0"))
    yard.deliver("registry", "2024-09-30", {"id": "r9", "mark": "MK-9", "name": "新船"})
    assert replay(yard.ws, 2, tmp_path / "scratch").sound


def test_a_release_that_brought_an_earlier_one_back_is_brought_back_again(copied: Copy, tmp_path: Path) -> None:
    ws = copied().ws
    number = rollback(ws, 1, date(2024, 9, 1))
    found = replay(ws, number, tmp_path / "scratch")
    assert (number, found.sound, differing(found)) == (4, True, [])


# ── what was tampered with ──────────────────────────────────────────────────────────────────────────


def _deliver_another_name(ws: Path) -> None:
    path = min(ws.glob("landed/*/registry_*.csv"), key=lambda one: one.name)
    path.write_text(path.read_text("utf-8").replace("MK-3", "MK-8"), "utf-8")


def _lose_a_delivery(ws: Path) -> None:
    shutil.rmtree(min(ws.glob("landed/*/registry_*.csv"), key=lambda one: one.name).parent)


def _lower_the_line(ws: Path) -> None:
    rules = ws / "releases/1/rules/ship/entity.toml"
    rules.unlink()  # a file that other releases have, too
    rules.write_text((ws / "rules/ship/entity.toml").read_text("utf-8") + "\n# another line\n", "utf-8")


def _count_otherwise(ws: Path) -> None:
    path = ws / "releases/1/rules/ship/frequencies.parquet"
    path.unlink()
    duckdb.sql("select 'total' as kind, '' as name, '' as value, 9::bigint as count").write_parquet(str(path))


def _look_up_otherwise(ws: Path) -> None:
    path = ws / "releases/1/reference/lunar_months.csv"
    text = path.read_text("utf-8")
    path.unlink()
    path.write_text(text[: text.rindex("\n", 0, -1) + 1], "utf-8")


@pytest.mark.parametrize(
    ("tamper", "sentence"),
    [
        (_deliver_another_name, r"the delivered file \w+.*\.csv of \w+ is altered"),
        (_lose_a_delivery, r"a delivered file of registry \(landed/[0-9a-f]{12}…\) is gone"),
        (_lower_the_line, r"the rules have the hash [0-9a-f]{12}, not [0-9a-f]{12}"),
        (_count_otherwise, r"ship/frequencies\.parquet is altered"),
        (_look_up_otherwise, r"the reference table lunar_months of ship is another one"),
    ],
)
def test_what_a_release_was_made_of_and_is_not_any_more_is_told(
    copied: Copy, tmp_path: Path, tamper: Callable[[Path], None], sentence: str
) -> None:
    ws = copied().ws
    tamper(ws.root)
    with pytest.raises(RefusedError, match=f"release 1 cannot be replayed.*: .*{sentence}"):
        replay(ws, 1, tmp_path / "scratch")
    assert not (tmp_path / "scratch").exists()


def test_a_release_that_continues_an_altered_one_is_not_replayed(copied: Copy, tmp_path: Path) -> None:
    ws = copied().ws
    shutil.copyfile(ws.releases / "1/ship/redirect.parquet", tmp_path / "held")
    (ws.releases / "1/ship/crosswalk.parquet").unlink()
    (tmp_path / "held").rename(ws.releases / "1/ship/crosswalk.parquet")
    with pytest.raises(RefusedError, match=r"release 1, which it continues: ship/crosswalk\.parquet is altered"):
        replay(ws, 2, tmp_path / "scratch")


def test_a_row_that_was_changed_is_shown_masked_and_a_manifest_that_hides_it_is_not_the_sealed_one(
    copied: Copy,
) -> None:
    ws = copied().ws
    folder = ws.releases / "1"
    path = folder / "ship/golden.parquet"
    changed = duckdb.sql(f"select * replace (if(radio is null, null, '13900000000') as radio) from '{path}'").pl()
    path.unlink()
    changed.write_parquet(path)
    done = invoke("replay", "1", "--json", "--workspace", ws.root)
    found = json.loads(done.stdout)
    assert (done.exit_code, found["equal"], found["sound"]) == (4, False, False)
    assert found["altered"] == ["ship/golden.parquet"]
    wrong = [one for one in found["tables"] if not one["equal"]]
    assert [(one["table"], one["only_released"], one["only_replayed"]) for one in wrong] == [("golden", 1, 1)]
    assert wrong[0]["first_released"][0]["radio"] == "139****0000"
    assert wrong[0]["first_replayed"][0]["radio"] == "139****5678"
    assert "ship/golden.parquet is altered; ship golden differs" in done.stderr

    manifest = read_manifest(folder)
    files = tuple(
        one.model_copy(update={"sha256": file_sha256(path)}) if one.path == "ship/golden.parquet" else one
        for one in manifest.files
    )
    (folder / MANIFEST).unlink()
    (folder / MANIFEST).write_text(manifest.model_copy(update={"files": files}).text(), "utf-8")
    assert (altered(folder), seal_of(ws, 1).manifest, seal_of(ws, 2).manifest) == ([], False, True)


def test_a_release_without_what_a_replay_needs_says_so(copied: Copy, tmp_path: Path) -> None:
    ws = copied().ws
    place = ws.releases / "1" / MANIFEST
    earlier = Manifest.model_validate_json(place.read_text("utf-8")).model_copy(update={"decided": None})
    place.write_text(earlier.text(), "utf-8")
    with pytest.raises(RefusedError, match="did not keep what a replay needs"):
        replay(ws, 1, tmp_path / "scratch")
    with pytest.raises(NotFoundError, match="9 is no release"):
        replay(ws, 9, tmp_path / "scratch")


# ── the rule set ────────────────────────────────────────────────────────────────────────────────────


def test_a_rule_set_is_another_one_where_anything_that_decides_is(told: Told, copied: Copy) -> None:
    ws = copied().ws
    named = {read_manifest(ws.releases / str(n)).rule_set for n in (1, 2, 3)}
    rules = ws.load_rules()
    assert named == {version_of(rules, tables_of(rules))}
    kept = load_rules(ws.releases / "1/rules")
    assert named == {version_of(kept, tables_of(kept))}
    for tamper in (_lower_the_line, _count_otherwise):
        tamper(ws.root)
        other = load_rules(ws.releases / "1/rules")
        assert version_of(other, tables_of(other)) not in named
        named.add(version_of(other, tables_of(other)))


# ── decisions as they were ──────────────────────────────────────────────────────────────────────────

A, B, C = ("registry", "r1"), ("registry", "r2"), ("registry", "r3")


def test_the_decisions_are_those_that_a_release_knew_whatever_the_clocks_said(tmp_path: Path) -> None:
    store = DecisionStore(tmp_path / "decisions.sqlite")
    known: list[tuple[Any, list[tuple[int, str]]]] = []

    def release() -> None:
        known.append((store.taken(), [(one.decision_id, one.state) for one in store.listed(withdrawn=True)]))

    def decide(*subjects: tuple[str, str], needs: str | None = None, **more: Any) -> None:
        store.add(Decision("same", "ship", subjects, "seen", "eve", needs=needs, **more))

    release()
    decide(A, B)
    decide(A, C)
    release()
    decide(B, C, needs="two")
    store.withdraw(1)
    release()
    # Brought from elsewhere, with a day before everything above.
    decide(
        A, ("harbour", "h3"), decided_at="2001-01-01T00:00:00+00:00", needs="confirmed where it was made", second="kai"
    )
    store.confirm(3, "kai", "seen, too")
    release()
    store.withdraw(3)
    store.withdraw(4)
    for number, (taken, wanted) in enumerate(known):
        then = copy_as_of(store.path, tmp_path / f"{number}.sqlite", taken, "2999-01-01T00:00:00+00:00")
        counting = [(n, state) for n, state in wanted if state != "proposed"]
        assert [(d.decision_id, d.state) for d in then.listed(withdrawn=True) if d.state != "proposed"] == counting
    with pytest.raises(RefusedError, match="the decisions are not those of the release: it knew 4 decisions"):
        copy_as_of(tmp_path / "1.sqlite", tmp_path / "short.sqlite", known[-1][0], "2999-01-01T00:00:00+00:00")


# ── evidence ────────────────────────────────────────────────────────────────────────────────────────

CLEAR = ("海鸥", "东风", "13912345678", "1999-05-04")


def test_evidence_alone_is_enough_to_replay_a_release(
    copied: Copy, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ws = copied().ws
    archive = tmp_path / "evidence.tar"
    told = said("evidence", "2", archive, "--purpose", "审计", "--workspace", ws.root)
    kept = said("audit", "list", "--limit", "1", "--workspace", ws.root)[0]
    assert (kept["action"], kept["detail"]["purpose"], kept["detail"]["release"]) == ("evidence", "审计", 2)
    assert (archive.stat().st_mode & 0o777, told["data"]) == (0o600, True)
    shutil.rmtree(ws.root)
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    found = said("replay", "--evidence", archive)
    assert (found["release"], found["sound"], found["seal"]["manifest"]) == (2, True, True)
    assert not list((tmp_path / "elsewhere").iterdir())

    with tarfile.open(archive) as tar:
        assert tar.getnames()[0] == "evidence.json"
        tar.extractall(tmp_path / "open", filter="data")
    page = (tmp_path / "open/README.md").read_text("utf-8")
    script = page.split('python3 -c "\n')[1].split('"\n\n')[0].replace("\n    ", "\n").removeprefix("    ")
    checked = subprocess.run([sys.executable, "-c", script], cwd=tmp_path / "open", capture_output=True, text=True)
    assert checked.stdout.split() == [str(found["seal"]["entries"]), found["seal"]["head"]], checked.stderr
    seen = "".join(path.read_text("utf-8") for path in (tmp_path / "open/samples").rglob("*.csv"))
    assert "139****5678" in seen and not [value for value in CLEAR if value in seen]

    landed = next((tmp_path / "open/landed").glob("*/*.csv"))
    landed.write_text("id\n", "utf-8")
    with tarfile.open(tmp_path / "other.tar", "w") as tar:
        tar.add(tmp_path / "open", ".")
    done = invoke("replay", "--evidence", tmp_path / "other.tar")
    assert done.exit_code == 3 and "is missing or not what was put in" in done.stderr


def test_evidence_without_the_data_has_no_value_in_clear_text_and_is_not_replayed(copied: Copy, tmp_path: Path) -> None:
    archive = tmp_path / "evidence.tar"
    run("evidence", "3", archive, "--purpose", "审计", "--without-data", "--workspace", copied().ws.root)
    with tarfile.open(archive) as tar:
        names = tar.getnames()
        tar.extractall(tmp_path / "open", filter="data")
    assert {"evidence.json", "README.md", "releases/3/manifest.json", "releases/3/rules/ship/weights.json"} <= {*names}
    text = "".join(path.read_text("utf-8-sig") for path in (tmp_path / "open").rglob("*") if path.is_file())
    assert "139****5678" in text and not [value for value in CLEAR if value in text]
    done = invoke("replay", "--evidence", archive)
    assert done.exit_code == 4 and "it was written without the data" in done.stderr


def test_what_a_steward_decided_is_masked_in_evidence(told: Told, tmp_path: Path) -> None:
    store = DecisionStore(tmp_path / "decisions.sqlite")
    said = (("field", "radio"), ("value", "13912345678"))
    store.add(Decision("value", "ship", (A,), "seen", "eve", said))
    (row,) = evidence.decisions_masked(store, told.yard.ws.load_rules())
    assert row["payload"] == {"field": "radio", "value": "139****5678"}


def test_evidence_needs_a_purpose_and_a_new_name_and_a_replay_needs_one_thing_to_replay(
    told: Told, tmp_path: Path
) -> None:
    root = told.yard.ws.root
    there = tmp_path / "there.tar"
    there.write_bytes(b"")
    for line, code, sentence in (
        (("evidence", "1", tmp_path / "new.tar", "--purpose", " ", "--workspace", root), 4, "needs a purpose"),
        (("evidence", "1", there, "--purpose", "审计", "--workspace", root), 4, "exists; choose another name"),
        (("replay", "--workspace", root), 3, "name either a release or an archive"),
        (("replay", "1", "--evidence", there), 3, "name either a release or an archive"),
        (("replay", "--evidence", there), 3, "there.tar is no whole evidence"),
        (("replay", "1", "--to", tmp_path, "--workspace", root), 4, "is not empty"),
    ):
        done = invoke(*line)
        assert (done.exit_code, sentence in done.stderr) == (code, True), done.stderr
