"""What goes wrong in earnest: killed runs, a full disk, two runs at once, files that are not what they should be."""

from __future__ import annotations

import csv
import os
import resource
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import duckdb
import pytest

from tests.deliveries import (
    CIVIL,
    COMMITTEES,
    FIRST,
    FIRST_DAY,
    SECOND,
    SECOND_DAY,
    SOURCES,
    content,
    deliver,
    first_release,
    invoke,
    run,
    said,
    start,
)

P1 = "P000000000001U"
# Kills its own process right before a file operation: after `event` on a path that ends with `end` for each pair.
KILLED = """
import os, signal, sys
moments = [moment.split(":") for moment in sys.argv.pop(1).split(",")]
def watch(event, arguments):
    if moments and event == moments[0][0] and any(
        isinstance(one, (str, os.PathLike)) and os.fspath(one).endswith(moments[0][1]) for one in arguments
    ):
        moments.pop(0)
        if not moments:
            os.kill(os.getpid(), signal.SIGKILL)
sys.addaudithook(watch)
from cli import app
app()
"""


@dataclass(frozen=True)
class Places:
    """Workspaces with release 1: the second year loaded, linked and planned, and published as release 2."""

    loaded: Path
    planned: Path
    published: Path
    content: dict[int, dict[str, list[tuple[Any, ...]]]] = field(default_factory=dict)

    def copy(self, which: str, folder: Path) -> Path:
        shutil.copytree(getattr(self, which), folder, symlinks=True)
        return folder


@pytest.fixture(scope="module")
def places(tmp_path_factory: pytest.TempPathFactory) -> Places:
    folder = tmp_path_factory.mktemp("faults")
    found = Places(folder / "loaded", folder / "planned", folder / "published")
    first_release(tmp_path_factory, found.loaded)
    run("load", deliver(folder / "second", SECOND), "--workspace", found.loaded)
    for left, right, kind in (("C03", "marriage/M03", "different"), ("C04", "social_assistance/S04", "same")):
        run(
            *("decide", kind, "person", f"civil_registry/{left}", right, "--reason", "a test"),
            *("--workspace", found.loaded),
        )
    found.copy("loaded", found.planned)
    run("link", "--as-of", SECOND_DAY, "--workspace", found.planned)
    run("plan", "--workspace", found.planned)
    found.copy("planned", found.published)
    run("publish", "--yes", "--workspace", found.published)
    found.content.update({release: content(found.published, release) for release in (1, 2)})
    return found


def _assert_first_release_stands(ws: Path, places: Places) -> None:
    """Release 1 is current, whole and readable, nobody holds the workspace, and the audit trail is unbroken."""
    status = said("status", "--workspace", ws)
    assert (status["current"], status["running"]) == (1, None)
    assert [one["release"] for one in status["releases"]] == [1]
    assert said("show", P1, "--workspace", ws)["fields"]["phone"]["value"] == "154****0001"
    assert content(ws, 1) == places.content[1]
    assert said("audit", "verify", "--workspace", ws)["broken_at"] is None


def _publish_again(ws: Path, places: Places) -> None:
    assert said("publish", "--yes", "--workspace", ws)["release"] == 2
    assert content(ws, 2) == places.content[2]
    assert sorted(path.name for path in (ws / "releases").iterdir()) == ["1", "2", "current"]


# ── a run that is killed ────────────────────────────────────────────────────────────────────────────


def test_after_link_was_killed_at_any_step_the_next_run_makes_the_same_release(places: Places, tmp_path: Path) -> None:
    ws = places.copy("loaded", tmp_path / "ws")
    for step in ("person: standardize", "person: score", "person: review queue"):
        process = start("link", "--as-of", SECOND_DAY, "--workspace", ws)
        assert process.stderr is not None
        seen = next((line for line in process.stderr if line.startswith(step)), "")
        process.kill()
        process.communicate()
        assert seen, f"no line begins with {step!r}"
        _assert_first_release_stands(ws, places)
        if process.returncode == -signal.SIGKILL:
            refused = invoke("plan", "--workspace", ws)
            assert refused.exit_code == 4
            assert "run 'shuyuan link'" in refused.stderr
    run("link", "--as-of", SECOND_DAY, "--workspace", ws)
    run("plan", "--workspace", ws)
    _publish_again(ws, places)


@pytest.mark.parametrize(
    "moment",
    [
        "sqlite3.connect:lookup.sqlite",
        "os.rename:/manifest.json",
        "os.symlink:.current",
        "os.rename:.making-2",
        "os.rename:.making-2,sqlite3.connect:decisions.sqlite",
        "os.rename:.making-2,os.rename:.current",
    ],
)
def test_after_publish_was_killed_before_any_step_the_next_run_makes_the_same_release(
    places: Places, tmp_path: Path, moment: str
) -> None:
    ws = places.copy("planned", tmp_path / "ws")
    process = start(moment, "publish", "--yes", "--workspace", ws, launcher=("-c", KILLED))
    _, errors = process.communicate()
    assert process.returncode == -signal.SIGKILL, errors
    _assert_first_release_stands(ws, places)
    assert invoke("show", P1, "--release", 2, "--workspace", ws).exit_code == 5
    _publish_again(ws, places)
    assert said("audit", "verify", "--workspace", ws)["broken_at"] is None


@pytest.mark.parametrize("step", ["audits", "person: release tables"])
def test_after_publish_was_killed_while_it_wrote_the_next_run_makes_the_same_release(
    places: Places, tmp_path: Path, step: str
) -> None:
    ws = places.copy("planned", tmp_path / "ws")
    process = start("publish", "--yes", "--workspace", ws)
    assert process.stderr is not None
    assert any(line.startswith(step) for line in process.stderr)
    process.kill()
    process.communicate()
    assert process.returncode == -signal.SIGKILL
    _assert_first_release_stands(ws, places)
    _publish_again(ws, places)


def test_a_release_that_was_switched_to_is_published_and_stands_in_the_audit_trail(
    places: Places, tmp_path: Path
) -> None:
    ws = places.copy("planned", tmp_path / "ws")
    moment = "os.rename:.current,open:/releases"
    process = start(moment, "publish", "--yes", "--workspace", ws, launcher=("-c", KILLED))
    process.communicate()
    assert process.returncode == -signal.SIGKILL
    assert content(ws, 2) == places.content[2]
    assert said("status", "--workspace", ws)["current"] == 2
    last = said("audit", "list", "--limit", 1, "--workspace", ws)[0]
    assert (last["action"], last["detail"]["forced"], last["detail"]["release"]) == ("publish", None, 2)
    refused = invoke("publish", "--yes", "--workspace", ws)
    assert (refused.exit_code, "the plan is out of date" in refused.stderr) == (4, True)


def test_after_a_rollback_was_killed_before_it_switched_the_next_one_has_the_same_number(
    places: Places, tmp_path: Path
) -> None:
    ws = places.copy("published", tmp_path / "ws")
    asked = ("rollback", 1, "--as-of", "2025-02-28", "--yes", "--workspace", ws)
    process = start("os.rename:.current", *asked, launcher=("-c", KILLED))
    process.communicate()
    assert process.returncode == -signal.SIGKILL
    assert said("status", "--workspace", ws)["current"] == 2
    assert said(*asked)["release"] == 3
    assert said("show", P1, "--workspace", ws)["fields"]["phone"]["value"] == "154****0001"


def test_a_file_that_landed_before_load_was_killed_is_taken_in_by_the_next_run(tmp_path: Path) -> None:
    ws, files = tmp_path / "ws", deliver(tmp_path / "files", FIRST)
    run("init", ws)
    landed = "os.rename:load.marriage.2023-12-01.json"
    process = start(landed, "load", files, "--workspace", ws, launcher=("-c", KILLED))
    process.communicate()
    assert process.returncode == -signal.SIGKILL
    assert said("status", "--workspace", ws)["sources"][-1]["source"] == "civil_registry"
    report = {one["source"]: (one["new"], one["already"]) for one in said("load", files, "--workspace", ws)["loaded"]}
    assert report == {
        "civil_registry": (0, True),
        "marriage": (3, False),
        "social_assistance": (5, False),
        "stat_divisions": (4, False),
    }
    linked = {one["entity"]: one["records"] for one in said("link", "--as-of", FIRST_DAY, "--workspace", ws)}
    assert linked == {"committee": 4, "person": 13}


# ── a full disk ─────────────────────────────────────────────────────────────────────────────────────


@contextmanager
def _small_disk(folder: Path, megabytes: int) -> Iterator[Path]:
    """A file system of its own that is as small as that; skips where none may be made."""
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", f"size={megabytes}m", "tmpfs", str(folder)]
    if os.geteuid() != 0 or subprocess.run(command, capture_output=True, check=False).returncode:
        pytest.skip("a small file system of its own needs the right to mount one")
    try:
        yield folder
    finally:
        subprocess.run(["umount", str(folder)], check=True)


@pytest.mark.parametrize("free_kilobytes", [0, 80, 144])
def test_a_full_disk_refuses_the_release_and_changes_nothing(
    places: Places, tmp_path: Path, free_kilobytes: int
) -> None:
    with _small_disk(tmp_path / "disk", 64) as disk:
        ws = places.copy("planned", disk / "ws")
        free = os.statvfs(disk).f_bavail * os.statvfs(disk).f_bsize
        (disk / "filler").write_bytes(bytes(free - free_kilobytes * 1024))
        process = start("publish", "--yes", "--workspace", ws)
        _, errors = process.communicate()
        assert process.returncode == 4, errors
        assert "Traceback" not in errors
        assert "Free disk space" in errors
        assert os.readlink(ws / "releases/current") == "1"
        assert content(ws, 1) == places.content[1]
        (disk / "filler").unlink()
        _assert_first_release_stands(ws, places)
        _publish_again(ws, places)


def test_a_file_that_may_not_grow_refuses_the_release_and_changes_nothing(places: Places, tmp_path: Path) -> None:
    ws = places.copy("planned", tmp_path / "ws")
    size = 16 * 1024

    def limit() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))

    process = start("publish", "--yes", "--workspace", ws, preexec_fn=limit)
    _, errors = process.communicate()
    assert process.returncode == 4, errors
    _assert_first_release_stands(ws, places)
    _publish_again(ws, places)


@pytest.mark.parametrize("command", [("status",), ("link",), ("load", __file__)])
def test_a_disk_that_is_mounted_read_only_is_told_of(empty: Path, tmp_path: Path, command: tuple[str, ...]) -> None:
    with _small_disk(tmp_path / "disk", 8) as disk:
        shutil.copytree(empty, disk / "ws")
        subprocess.run(["mount", "-o", "remount,ro", str(disk)], check=True)
        done = invoke(*command, "--workspace", disk / "ws")
        assert (done.exit_code, done.stdout) == (4, ""), done.exception
        assert "a file or folder may not be read or written (" in done.stderr
        assert str(disk / "ws") in done.stderr
        assert "see that its disk is not mounted read-only" in done.stderr


# ── two at once ─────────────────────────────────────────────────────────────────────────────────────


@contextmanager
def _running(ws: Path, *arguments: object) -> Iterator[subprocess.Popen[str]]:
    """A command that is held up in the middle of its work, and goes on afterwards."""
    process = start(*arguments, "--workspace", ws)
    assert process.stderr is not None
    assert any("committee: standardize" in line for line in process.stderr)
    process.send_signal(signal.SIGSTOP)
    try:
        yield process
    finally:
        process.send_signal(signal.SIGCONT)
        process.communicate()


def test_while_a_batch_runs_a_second_is_refused_and_readers_and_stewards_go_on(places: Places, tmp_path: Path) -> None:
    ws = places.copy("loaded", tmp_path / "ws")
    with _running(ws, "link", "--as-of", SECOND_DAY) as process:
        for command in (("link",), ("plan",), ("publish", "--yes"), ("load", __file__), ("rollback", 1, "--yes")):
            refused = invoke(*command, "--workspace", ws)
            assert refused.exit_code == 4, refused.stderr
            assert f"is in use: 'link' by process {process.pid} on " in refused.stderr
            assert "wait until it has ended" in refused.stderr
        assert f"'link' by process {process.pid}" in said("status", "--workspace", ws)["running"]
        assert said("show", P1, "--workspace", ws)["golden_id"] == P1
        asked = ("find", "--entity", "person", "--field", "phone", "--value", "15400000021")
        assert said(*asked, "--workspace", ws) == [{"golden_id": P1, "entity": "person"}]
        assert len(said("changes", "--workspace", ws)) == 13
        assert len(said("review", "--workspace", ws)) == 1
        run(
            *("decide", "unsure", "person", "civil_registry/C05", "social_assistance/S05", "--reason", "来函"),
            *("--workspace", ws),
        )
    assert process.returncode == 0
    assert said("status", "--workspace", ws)["running"] is None


def test_a_reader_that_opened_a_release_keeps_it_while_the_next_one_is_published(
    places: Places, tmp_path: Path
) -> None:
    ws = places.copy("planned", tmp_path / "ws")
    process = start("publish", "--yes", "--workspace", ws)
    seen = []
    while process.poll() is None:
        seen.append(said("show", P1, "--workspace", ws)["fields"]["phone"]["value"])
        time.sleep(0.05)
    process.communicate()
    seen.append(said("show", P1, "--workspace", ws)["fields"]["phone"]["value"])
    assert process.returncode == 0
    assert seen == sorted(seen)
    assert set(seen) == {"154****0001", "154****0011"}


# ── files that are not what they should be ──────────────────────────────────────────────────────────


@pytest.fixture(scope="module")
def empty(tmp_path_factory: pytest.TempPathFactory) -> Path:
    ws = tmp_path_factory.mktemp("empty") / "ws"
    run("init", ws)
    return ws


def _parquet(text: str, path: Path) -> bytes:
    source = path.with_suffix(".csv")
    source.write_text(text, "utf-8")
    duckdb.sql(f"copy (from read_csv('{source}', all_varchar = true)) to '{path}' (format parquet)")
    whole = path.read_bytes()
    source.unlink()
    path.unlink()
    return whole


@pytest.mark.parametrize(
    ("name", "data", "message"),
    [
        (
            "civil_registry_1.csv",
            FIRST["civil_registry_20231201.csv"].replace("公民身份号码", "公民身份证号"),
            "civil_registry_1.csv line 1: column '公民身份号码' is missing; the nearest heading is '公民身份证号'",
        ),
        ("civil_registry_2.csv", CIVIL, "civil_registry_2.csv: no rows below the heading; nothing was loaded"),
        ("civil_registry_3.csv", "", "civil_registry_3.csv line 1: no heading"),
        ("civil_registry_4.csv", CIVIL.replace("曾用名", "姓名"), "civil_registry_4.csv line 1: heading '姓名'"),
        (
            "tax_office_2023.csv",
            FIRST["civil_registry_20231201.csv"],
            f"tax_office_2023.csv: belongs to no registered source; name one with --source ({SOURCES}), or ",
        ),
        ("civil_registry_5.doc", "x", "civil_registry_5.doc: unknown ending '.doc'; expected one of .csv, "),
        ("civil_registry_6.xlsx", "no sheet", "civil_registry_6.xlsx: not a readable XLSX file"),
    ],
)
def test_a_file_that_is_refused_is_named_with_line_and_reason_and_leaves_nothing(
    empty: Path, tmp_path: Path, name: str, data: str, message: str
) -> None:
    (tmp_path / name).write_text(data, "utf-8")
    done = invoke("load", tmp_path / name, "--workspace", empty)
    assert done.exit_code == 3
    assert f"error {message}" in done.stderr
    assert done.stdout == ""
    assert said("status", "--workspace", empty)["sources"] == []


@pytest.mark.parametrize("kept", [0.0, 0.3, 0.9])
def test_a_parquet_file_that_was_cut_short_is_refused(empty: Path, tmp_path: Path, kept: float) -> None:
    path = tmp_path / "civil_registry_20231201.parquet"
    whole = _parquet(FIRST["civil_registry_20231201.csv"], path)
    path.write_bytes(whole[: int(len(whole) * kept)])
    done = invoke("load", path, "--workspace", empty)
    assert done.exit_code == 3
    assert "civil_registry_20231201.parquet: not a readable Parquet file" in done.stderr
    assert "deliver it again" in done.stderr
    assert said("status", "--workspace", empty)["sources"] == []


def test_a_parquet_file_that_is_damaged_inside_is_refused(empty: Path, tmp_path: Path) -> None:
    path = tmp_path / "civil_registry_20231201.parquet"
    whole = bytearray(_parquet(FIRST["civil_registry_20231201.csv"], path))
    whole[4:200] = bytes(196)
    path.write_bytes(whole)
    done = invoke("load", path, "--workspace", empty)
    assert done.exit_code == 3, done.stderr or repr(done.exception)
    assert "civil_registry_20231201.parquet: not a readable Parquet file" in done.stderr


def test_a_source_that_is_not_registered_is_refused(empty: Path, tmp_path: Path) -> None:
    (path := tmp_path / "people.csv").write_text(FIRST["civil_registry_20231201.csv"], "utf-8")
    done = invoke("load", path, "--source", "tax_office", "--workspace", empty)
    assert done.exit_code == 3
    assert f"people.csv: 'tax_office' is no registered source (known: {SOURCES}); see sources.toml" in done.stderr


def test_one_refused_file_does_not_hold_up_the_others(tmp_path: Path) -> None:
    ws = tmp_path / "ws"
    run("init", ws)
    files = deliver(tmp_path / "files", {**FIRST, "civil_registry_20240101.csv": CIVIL, "notes.csv": "x\n1\n"})
    done = invoke("load", files, "--workspace", ws, "--json")
    assert done.exit_code == 3
    found = said("status", "--workspace", ws)
    assert sum(one["files"] for one in found["sources"]) == 4
    assert [line.removeprefix("error ") for line in done.stderr.splitlines() if ".csv" in line] == [
        "civil_registry_20240101.csv: no rows below the heading; nothing was loaded",
        f"notes.csv: belongs to no registered source; name one with --source ({SOURCES}), or register it in "
        "sources.toml",
    ]
    refused = [one["detail"] for one in said("audit", "list", "--workspace", ws) if one["action"] == "load refused"]
    assert [one["file"] for one in refused] == ["civil_registry_20240101.csv", "notes.csv"]


def test_every_rejected_row_is_listed_with_its_file_line_and_reason(tmp_path: Path) -> None:
    ws, rejects = tmp_path / "ws", tmp_path / "rejects.csv"
    run("init", ws)
    good = FIRST["civil_registry_20231201.csv"].splitlines()
    lines = [
        good[0].encode(),
        good[1].encode(),
        good[2].encode(),
        good[3].encode().replace("贺".encode(), b"\xff\xfe"),
        good[4].rsplit(",", 2)[0].encode(),
        good[2].replace("罗铁生", "罗铁牛").encode(),
        good[5].replace("C05", "  ").encode(),
        b'"C06,"',
    ]
    (tmp_path / "civil_registry_20231201.csv").write_bytes(b"\n".join(lines) + b"\n")
    committees = COMMITTEES + "2023,880101101201,东屏庄村委会,新庄镇,青泉县,北屏市,沧原省\n2023,880101101202\n"
    (tmp_path / "stat_divisions_2023.csv").write_text(committees, "gb18030")
    files = (tmp_path / "civil_registry_20231201.csv", tmp_path / "stat_divisions_2023.csv")
    asked = ("load", *files, "--workspace", ws, "--rejects", rejects)
    loaded: list[dict[str, Any]] = said(*asked)["loaded"]
    counts = [(one["read"], one["new"], one["rejected"]) for one in loaded]
    assert counts == [(7, 1, 6), (2, 1, 1)]
    expected = [
        ("civil_registry_20231201.csv", "3", "key C02 stands in lines 3, 6"),
        ("civil_registry_20231201.csv", "4", "bytes that are not utf-8-sig"),
        ("civil_registry_20231201.csv", "5", "9 cells where the heading has 11"),
        ("civil_registry_20231201.csv", "6", "key C02 stands in lines 3, 6"),
        ("civil_registry_20231201.csv", "7", "no key"),
        ("civil_registry_20231201.csv", "8", "1 cells where the heading has 11"),
        ("stat_divisions_2023.csv", "3", "2 cells where the heading has 7"),
    ]
    assert [row[:3] for row in _rows(rejects)] == [("file", "line", "reason"), *expected]
    assert "罗铁生" in _rows(rejects)[1][3]
    assert rejects.stat().st_mode & 0o777 == 0o600
    rejects.unlink()
    assert [one["already"] for one in said(*asked)["loaded"]] == [True, True]
    assert [row[:3] for row in _rows(rejects)[1:]] == expected


def _rows(path: Path) -> list[tuple[str, ...]]:
    with path.open(encoding="utf-8-sig", newline="") as file:
        return [tuple(row) for row in csv.reader(file)]
