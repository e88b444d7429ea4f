"""The promises of the command line: exit codes and sentences, stdout and stderr, JSON, masks, help and documents."""

from __future__ import annotations

import json
import os
import pty
import re
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import typer.main

from cli import app
from linkage.workspace import Workspace
from tests.deliveries import (
    FIRST,
    FIRST_DAY,
    ROOT,
    SECOND,
    SOURCES,
    TRUTH,
    deliver,
    first_release,
    invoke,
    run,
    said,
)
from tests.leave import give_leave

P1 = "P000000000001U"
C3 = "C0000000000030"
ENTITIES = "committee, institution, organization, person, household"
CLEAR = sorted(
    {
        *("沈青禾", "罗铁生", "贺小满", "唐守仁", "温如玉", "邱望山", "莫晚晴"),
        *re.findall(r"(?<!\d)\d{17}[\dX](?!\d)", "".join(text for name, text in FIRST.items() if "stat" not in name)),
        *re.findall(r"154\d{8}", "".join(FIRST.values())),
        *("19850312", "1985-03-12", "1985年03月12日", "19720707", "1972-07-07", "柳湾村1号", "白塔村5号"),
    }
)


@dataclass(frozen=True)
class Place:
    """A workspace with one release, and a folder for files beside it."""

    ws: Path
    folder: Path


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Place:
    folder = tmp_path_factory.mktemp("cli")
    first_release(tmp_path_factory, folder / "ws")
    deliver(folder / "second", SECOND)
    (folder / "truth.csv").write_text(TRUTH, "utf-8")
    (folder / "no_truth.csv").write_text("source,key,truth\n", "utf-8")
    (folder / "civil_registry_1.csv").write_text(
        FIRST["civil_registry_20231201.csv"].replace("曾用名", "曾用姓名", 1), "utf-8"
    )
    (folder / "there.csv").write_text("", "utf-8")
    shutil.copytree(folder / "ws/rules/person", folder / "rules/person")
    (folder / "full").mkdir()
    (folder / "full" / "note.txt").write_text("", "utf-8")
    return Place(folder / "ws", folder)


@pytest.fixture
def copy(place: Place, tmp_path: Path) -> Path:
    """A copy of the workspace to do things to."""
    shutil.copytree(place.ws, tmp_path / "ws", symlinks=True)
    return tmp_path / "ws"


def _commands(group: Any = None, path: tuple[str, ...] = ()) -> Iterator[tuple[str, Any]]:
    for name, command in (group or typer.main.get_command(app)).commands.items():
        if hasattr(command, "commands"):
            yield from _commands(command, (*path, name))
        else:
            yield " ".join((*path, name)), command


# ── exit codes and sentences ────────────────────────────────────────────────────────────────────────

DONE: list[str] = [
    "status",
    f"show {P1}",
    "find -e person --source civil_registry --key C01",
    "changes",
    "review",
    f"related {P1}",
    "findings person",
    "findings person --rule id_area_unknown",
    "decide list",
    "audit verify",
    "rules check --rules {folder}/rules --as-of 2024-01-31",
    "evaluate person --truth {folder}/truth.csv",
    "version",
]
USAGE = [
    ("show", "Missing argument 'golden_id'"),
    ("status --nope", "No such option: --nope"),
    ("nothing", "No such command 'nothing'"),
    ("find -e person", "give --source and --key, or --field and --value"),
    ("link --as-of yesterday", "'yesterday' does not match the formats '%Y-%m-%d'"),
    (f"related {P1} --depth 0", "Invalid value for '--depth': Input should be greater than or equal to 1"),
    ("demo --size 5", "Invalid value for '--size': Input should be greater than or equal to 100"),
]
INPUT = [
    ("load {folder}/none.csv", "{folder}/none.csv: no such file or folder; give files or folders that are there"),
    (
        "load {folder}/civil_registry_1.csv",
        "civil_registry_1.csv line 1: column '曾用名' is missing; the nearest heading is '曾用姓名' "
        "(see columns in sources.toml)",
    ),
    (
        "load {folder}/truth.csv",
        f"truth.csv: belongs to no registered source; name one with --source ({SOURCES}), or register it in "
        "sources.toml",
    ),
    (
        "evaluate person --truth {folder}/no_truth.csv",
        "no_truth.csv line 1: column 'source_key' is missing; the nearest heading is 'source'",
    ),
    (
        "decide same person C01 marriage/M01 --reason why",
        "'C01': expected SOURCE/KEY, such as civil_registry/A0001",
    ),
    (
        "decide same person marriage/M01 marriage/M01 --reason why",
        "'same' is about two different source records, found 1",
    ),
    ("decide same person civil_registry/C01 marriage/M01 --reason ''", "a decision needs a reason"),
    ("decide import {folder}/there.csv", "there.csv line 1: column 'entity' is missing; see 'decide export'"),
    ("init {folder}/new --node 7", "node '7': expected two digits, 00 (the ministry) to 99"),
    ("audit verify --anchor {folder}/none", "{folder}/none: no such file; 'shuyuan audit anchor' makes one"),
    ("audit verify --anchor {folder}/truth.csv", "truth.csv line 1: not an anchor; each is JSON with seq and hash"),
    ("token --role king", "'king' cannot be granted; roles are reader, steward, approver, rule_maintainer"),
    ("token", "a grant needs a role; known are reader, steward, approver, rule_maintainer"),
    ("token --role reader --region 8801xx", "region '8801xx': expected the beginning of a division code, such as 4403"),
    ("token --role reader --entity ship", "no entity type 'ship'; the rules have committee, household"),
    ("restore {folder}/truth.csv {folder}/other", "truth.csv is no whole backup (file could not be opened"),
]
REFUSED = [
    ("init {ws}", "{ws} already is a workspace; use it, or choose another folder"),
    ("init {folder}/full", "{folder}/full is not empty; choose a new or an empty folder"),
    ("publish", "publish asks before it publishes; say --yes where nobody can answer"),
    ("rollback 1", "rollback asks before it publishes; say --yes where nobody can answer"),
    (
        "publish --yes",
        "the plan is out of date: files, rules, decisions or the current release changed since; "
        "run 'shuyuan link' and 'shuyuan plan' again",
    ),
    ("export person {folder}/people.csv", "an export needs a purpose; say it with --purpose"),
    ("export person {folder}/there.csv --purpose p", "{folder}/there.csv exists; choose another name"),
    (f"show {P1} --unmask ' '", "--unmask needs a reason; the audit trail keeps it"),
    ("backup {folder}/there.csv", "{folder}/there.csv exists; choose another name, a backup never replaces one"),
    ("restore {folder}/truth.csv {folder}/full", "{folder}/full is not empty; restore into a new folder"),
]
NOT_FOUND = [
    ("show P0000000000010", "'P0000000000010' is no golden id: its check character or its shape is wrong"),
    ("show P000000000099B", "P000000000099B was not issued up to release 1"),
    ("related P0000000000010", "'P0000000000010' is no golden id: its check character or its shape is wrong"),
    ("related P000000000099B", "P000000000099B was not issued up to release 1"),
    ("show X000000000001L", "X000000000001L: no entity type of this release has the prefix 'X'"),
    (f"show {P1} --release 9", "there is no release 9; 'shuyuan status' lists them"),
    ("find -e person --source marriage --key M99", "no golden record of person has it in this release"),
    ("find -e person --field phone --value 15499999999", "no golden record of person has it in this release"),
    (
        "find -e person --field shoe --value 40",
        "person has no field 'shoe'; known are name, former_name, sex, birth_date, citizen_id",
    ),
    ("find -e ship --source a --key b", f"no entity type 'ship'; the rules have {ENTITIES}"),
    ("link ship", f"no entity type 'ship'; the rules have {ENTITIES}"),
    ("train ship", f"no entity type 'ship'; the rules have {ENTITIES}"),
    ("findings ship", f"no entity type 'ship'; the rules have {ENTITIES}"),
    ("review ship", f"no entity type 'ship'; the rules have {ENTITIES}"),
    ("decide value person marriage/M01 shoe --reason why", "person has no field 'shoe'; known are name, former_name"),
    (f"known {P1} --form tax", "no form 'tax'; the rules have minimum_allowance, old_age_allowance"),
    ("watch dead", "no watch rule 'dead'; the rules have beneficiary_legal_representative"),
    ("token --end 99", "no token '99' in force; 'shuyuan token --list' shows them"),
    ("decide withdraw 99", "no decision 99 in force; 'shuyuan decide list' shows them"),
    ("rollback 9 --yes", "there is no release 9; 'shuyuan status' lists them"),
    ("export person {folder}/p.csv --purpose p --fields shoe", "person has no field 'shoe'; known are golden_id"),
    (
        "status --workspace {folder}/full",
        "{folder}/full is no workspace (no shuyuan.toml); make one with 'shuyuan init {folder}/full'",
    ),
]
PLACELESS = {"init", "demo", "version", "restore", "nothing", "rules keys"}


def _call(place: Place, line: str) -> Any:
    words = [
        "" if word == "''" else word.replace("·", " ").format(folder=place.folder, ws=place.ws)
        for word in line.replace("' '", "·").split()
    ]
    if not PLACELESS & {words[0], " ".join(words[:2])} and "--workspace" not in words:
        words += ["--workspace", str(place.ws)]
    return invoke(*words)


def _words(text: str) -> str:
    """Text without the frames and line breaks that usage errors are set in."""
    return " ".join(re.sub(r"[│╭╮╰╯─]", " ", text).split())


@pytest.mark.parametrize("line", DONE)
def test_what_is_done_exits_with_0(place: Place, line: str) -> None:
    done = _call(place, line)
    assert done.exit_code == 0, done.stderr
    assert done.stdout.strip()


def test_what_is_unexpected_exits_with_1_and_what_is_computed_is_made_anew(copy: Path) -> None:
    (copy / "work.duckdb").write_bytes(b"power was lost" * 1000)
    done = invoke("plan", "--workspace", copy)
    assert done.exit_code == 1
    assert done.stdout == ""
    assert f"error {copy}/work.duckdb is damaged (" in done.stderr
    assert "it holds only what is computed: delete it with its .wal file and run 'shuyuan link'" in done.stderr
    (copy / "work.duckdb").unlink()
    run("link", "--as-of", FIRST_DAY, "--workspace", copy)
    assert said("plan", "--workspace", copy)["entities"]["person"]["events"]["unchanged"] == 9


@pytest.mark.parametrize("limit", ["lots", "0%"])
def test_an_amount_of_memory_that_is_none_is_refused(copy: Path, monkeypatch: pytest.MonkeyPatch, limit: str) -> None:
    monkeypatch.setenv("SHUYUAN_MEMORY", limit)
    done = invoke("plan", "--workspace", copy)
    assert (done.exit_code, done.stdout) == (3, ""), done.exception
    assert f"error SHUYUAN_MEMORY={limit}: expected an amount of memory such as 6GB" in done.stderr


def test_duckdb_takes_the_memory_that_it_is_given(copy: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for limit, known in (("3GB", True), ("", False)):
        monkeypatch.setenv("SHUYUAN_MEMORY", limit)
        with closing(Workspace.open(copy).connect()) as con:
            ((told,),) = con.execute("select current_setting('memory_limit')").fetchall()
        assert (told == "2.7 GiB") is known


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (None, "Give DuckDB more of it"),
        (MemoryError(), "(MemoryError); nothing half-done counts. Give DuckDB less of it"),
    ],
)
def test_where_memory_does_not_suffice_it_is_said_and_nothing_half_done_counts(
    copy: Path, monkeypatch: pytest.MonkeyPatch, error: MemoryError | None, told: str
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise error or AssertionError

    with monkeypatch.context() as patched:
        if error is None:
            patched.setenv("SHUYUAN_MEMORY", "20MB")
        else:
            patched.setattr("linkage.link.Kernel", fail)
        done = invoke("link", "--full", "--as-of", FIRST_DAY, "--workspace", copy)
    assert (done.exit_code, done.stdout) == (4, ""), done.exception
    sentence = _words(done.stderr)
    assert "error there is not enough memory (" in sentence and told in sentence and "SHUYUAN_MEMORY" in sentence
    early = invoke("plan", "--workspace", copy)
    assert early.exit_code in (4, 5) and "run 'shuyuan link'" in _words(early.stderr)
    run("link", "--as-of", FIRST_DAY, "--workspace", copy)
    assert said("plan", "--workspace", copy)["entities"]["person"]["events"]["unchanged"] == 9


DAMAGED: list[tuple[str, bytes | None, str, int, str]] = [
    ("shuyuan.toml", b'format = 1\nnode = "0', "status", 3, 'expected format = 1 and node = "NN"'),
    ("shuyuan.toml", b"format = 1\n", "status", 3, "'node' is missing; expected format = 1"),
    ("shuyuan.toml", b"\xff\xfe", "status", 3, "put the two lines back"),
    (
        "decisions.sqlite",
        b"power was lost" * 1000,
        "status",
        4,
        "is not a database); keep a copy of the",
    ),
    ("releases/1/manifest.json", b'{"release": 1,', f"show {P1}", 1, "take the folder of the release out of a backup"),
    ("releases/1/lookup.sqlite", None, f"show {P1}", 5, "is missing; copy it from a backup, or publish again"),
    ("releases/1/lookup.sqlite", b"power was lost" * 1000, f"show {P1}", 4, "restore the last backup beside it"),
    ("releases/1/person/golden.parquet", b"PAR1", "export person {ws}/a.csv --purpose x", 4, "restore the last"),
    ("rules/person/entity.toml", b"[fields.name", "plan", 2, "error person/entity.toml: not TOML: "),
    ("rules/person/entity.toml", None, "plan", 2, "person/entity.toml: missing, though the folder has a sources.toml"),
]


@pytest.mark.parametrize(("path", "content", "line", "code", "sentence"), DAMAGED)
def test_what_is_damaged_or_gone_is_named_with_what_to_do(
    copy: Path, path: str, content: bytes | None, line: str, code: int, sentence: str
) -> None:
    (copy / path).unlink()
    if content is not None:
        (copy / path).write_bytes(content)
    done = invoke(*line.format(ws=copy).split(), "--workspace", copy)
    assert (done.exit_code, done.stdout) == (code, ""), done.exception
    assert path.removeprefix("rules/") in done.stderr
    assert sentence in done.stderr
    assert "unknown name" not in done.stderr


def test_a_landed_file_that_is_gone_is_named_with_what_to_do(copy: Path) -> None:
    (copy / "work.duckdb").unlink()
    (landed,) = (copy / "landed").glob("*/civil_registry_20231201.csv")
    landed.unlink()
    done = invoke("link", "--workspace", copy)
    assert (done.exit_code, done.stdout) == (5, "")
    assert f"error {landed} was loaded and is gone; copy it back from a backup, or load the file again" in done.stderr
    note = next(landed.parent.glob("load.*.json"))
    note.write_text("{", "utf-8")
    done = invoke("link", "--workspace", copy)
    assert (done.exit_code, done.stdout) == (3, "")
    assert f"error {note} is damaged (" in done.stderr


@pytest.mark.parametrize(("line", "sentence"), USAGE)
def test_a_wrong_usage_exits_with_2(place: Place, line: str, sentence: str) -> None:
    done = _call(place, line)
    assert (done.exit_code, done.stdout) == (2, "")
    assert sentence in _words(done.stderr)


def test_rules_that_cannot_be_used_exit_with_2_and_every_problem(copy: Path) -> None:
    path = copy / "rules/person/entity.toml"
    text = path.read_text("utf-8").replace("\naccept = ", "\naccpet = ", 1)
    path.write_text(text.replace("\nprefix = ", "\nperfix = ", 1), "utf-8")
    for command in ("status", "link", "rules check"):
        done = invoke(*command.split(), "--workspace", copy)
        assert (done.exit_code, done.stdout) == (2, "")
        assert "person/entity.toml: matching.accpet: unknown key" in done.stderr
        assert 'did you mean "accept"?' in done.stderr
        assert 'person/entity.toml: perfix: unknown key; did you mean "prefix"?' in done.stderr


@pytest.mark.parametrize(("line", "sentence"), INPUT)
def test_input_that_cannot_be_read_exits_with_3(place: Place, line: str, sentence: str) -> None:
    _assert_refusal(place, line, 3, sentence)


@pytest.mark.parametrize(("line", "sentence"), REFUSED)
def test_what_is_refused_exits_with_4(place: Place, line: str, sentence: str) -> None:
    _assert_refusal(place, line, 4, sentence)


@pytest.mark.parametrize(("line", "sentence"), NOT_FOUND)
def test_what_is_not_found_exits_with_5(place: Place, line: str, sentence: str) -> None:
    _assert_refusal(place, line, 5, sentence)


def _assert_refusal(place: Place, line: str, code: int, sentence: str) -> None:
    done = _call(place, line)
    assert (done.exit_code, done.stdout) == (code, ""), done.stderr
    assert f"error {sentence.format(folder=place.folder, ws=place.ws)}" in done.stderr
    assert not done.stderr.startswith("Traceback")


@pytest.mark.parametrize(
    ("line", "code", "sentence"),
    [
        ("link", 5, "no records of any entity type; run 'shuyuan load' first"),
        ("plan", 5, "nothing is linked; run 'shuyuan load' and 'shuyuan link' first"),
        ("publish --yes", 5, "nothing is planned; run 'shuyuan plan' first"),
        (f"show {P1}", 5, "nothing is published yet; run 'shuyuan publish'"),
        ("changes", 5, "nothing is published yet; run 'shuyuan publish'"),
        ("rollback 1 --yes", 5, "there is no release 1; 'shuyuan status' lists them"),
    ],
)
def test_a_step_that_comes_too_early_says_which_one_comes_first(
    tmp_path: Path, line: str, code: int, sentence: str
) -> None:
    run("init", tmp_path / "ws")
    _assert_refusal(Place(tmp_path / "ws", tmp_path), line, code, sentence)


def test_a_wrong_audit_trail_is_refused(copy: Path) -> None:
    with closing(sqlite3.connect(copy / "decisions.sqlite")) as db:
        db.execute("drop trigger audit_stays")
        db.execute("update audit set actor = 'nobody' where seq = 2")
        db.commit()
    done = invoke("audit", "verify", "--workspace", copy)
    assert done.exit_code == 4
    assert "error the audit trail is broken at entry 2: it is missing or was changed" in done.stderr


def test_an_audit_trail_whose_end_was_cut_off_is_not_the_one_that_was_anchored(copy: Path, tmp_path: Path) -> None:
    anchor = tmp_path / "anchor.jsonl"
    for _ in range(2):
        run("audit", "anchor", anchor, "--workspace", copy)
        run("decide", "pin", "person", "civil_registry/C01", "--reason", "seen", "--workspace", copy)
    run("audit", "verify", "--anchor", anchor, "--workspace", copy)
    last = json.loads(anchor.read_text("utf-8").splitlines()[-1])["seq"]
    with closing(sqlite3.connect(copy / "decisions.sqlite")) as db:
        db.execute("drop trigger audit_remains")
        db.execute("delete from audit where seq >= ?", (last,))
        db.commit()
    assert invoke("audit", "verify", "--workspace", copy).exit_code == 0, "the chain alone cannot tell"
    done = invoke("audit", "verify", "--anchor", anchor, "--workspace", copy)
    assert done.exit_code == 4
    assert f"error the audit trail is not the one that was anchored: entry {last} is missing" in done.stderr


# ── publishing asks ─────────────────────────────────────────────────────────────────────────────────


def test_publish_asks_on_a_terminal_and_does_what_is_answered(copy: Path) -> None:
    run("plan", "--workspace", copy)
    for answer, code, current, stdout in (("n", 4, "1", ""), ("y", 0, "2", "release 2 is published.\n")):
        terminal, other_end = pty.openpty()
        os.write(terminal, f"{answer}\n".encode())
        command = [sys.executable, "-m", "cli", "publish", "--workspace", str(copy)]
        done = subprocess.run(command, stdin=other_end, capture_output=True, text=True, cwd=ROOT, check=False)
        os.close(other_end)
        os.close(terminal)
        assert f"plan of release 2 as of {FIRST_DAY}" in done.stderr
        assert "Publish release 2? [y/N]" in done.stderr
        assert (done.returncode, done.stdout) == (code, stdout), done.stderr
        assert os.readlink(copy / "releases/current") == current


# ── stdout is data, stderr is everything else ───────────────────────────────────────────────────────

# One line for every command that has --json, in an order in which all of them are done; `demo` and `train`, which
# need more records, are in test_journey.
REPORTS = [
    "queue assign f547fd7a859bd162 --to li --until 2999-01-31",  # civil_registry/C05 and social_assistance/S05
    "queue release --steward li",
    "tickets send --to {folder}/sheets --as-of 2024-02-01",
    "tickets answer --file {folder}/sheets/person_marriage_1-1.csv --as-of 2024-02-01",
    "tickets list",
    "tickets show 1",
    "tickets overdue --as-of 2024-03-01",
    "tickets escalate --as-of 2024-03-01",
    "init {folder}/again --node 37",
    "rules check --rules {folder}/rules --as-of 2024-01-31",
    "rules keys cap",
    "load {folder}/second",
    "link --as-of 2025-01-31",
    "plan",
    "publish --yes",
    f"related {C3} --depth 2",
    "rules list",
    "rollback 1 --yes --as-of 2025-02-28",
    "review --limit -1",
    "queue list --region 88",
    "queue closed",
    "queue agreement",
    "decide list",
    "why person civil_registry/C01 marriage/M01",
    "why-not person civil_registry/C01 civil_registry/C02",
    f"how {P1}",
    f"show {P1}",
    "find -e person --field citizen_id --value 880101198503120023",
    "match person name=沈青禾 citizen_id=880101198503120023",
    "changes",
    "authority person --at 2025-01-31",
    "trust person",
    "forms",
    f"known {P1} --form old_age_allowance",
    "watch",
    "findings person --rule id_area_unknown --limit -1",
    "evaluate person --truth {folder}/truth.csv --precision 0.9",
    "evaluate person --draw 20",
    "evaluate person",
    "report person --html {folder}/tuning.html",
    "report 1 --html {folder}/run.html",
    "report",
    "blocking person --truth {folder}/truth.csv --suggest",
    "quality -e person --truth {folder}/truth.csv",
    "sample person --size 5 --to {folder}/sheet.csv",
    "census",
    "status",
    "backup {folder}/kept.tar",
    "replay 1",
    "evidence 1 {folder}/evidence.tar --purpose 审计",
    "token --role steward --region 8801",
    "token --list",
    "audit anchor {folder}/anchor.jsonl",
    "audit verify --anchor {folder}/anchor.jsonl",
    "audit list",
    "sources --samples {folder}/samples",
]


def test_every_report_is_one_json_document_without_clear_text_and_all_else_goes_to_stderr(
    place: Place, tmp_path: Path
) -> None:
    shutil.copytree(place.ws, tmp_path / "ws", symlinks=True)
    shutil.copytree(place.folder / "second", tmp_path / "second")
    shutil.copytree(place.folder / "rules", tmp_path / "rules")
    shutil.copyfile(place.folder / "truth.csv", tmp_path / "truth.csv")
    here = Place(tmp_path / "ws", tmp_path)
    invoke(
        *("decide", "unsure", "person", "civil_registry/C01", "civil_registry/C02", "--reason", "a test"),
        *("--workspace", here.ws),
    )
    for line in REPORTS:
        done = _call(here, f"{line} --json")
        assert done.exit_code == 0, f"{line}: {done.stderr}"
        assert isinstance(json.loads(done.stdout), dict | list), line
        for message in done.stderr.splitlines():
            assert re.match(r"(disk: needs|note: |.+: [\d.]+ s$)", message), f"{line}: {message}"
        for value in CLEAR:
            assert value not in done.stdout + done.stderr, f"{line} shows {value}"


def test_every_command_that_has_json_is_among_the_reports() -> None:
    reporting = {name for name, command in _commands() if any(p.name == "as_json" for p in command.params)}
    told = {max((name for name in reporting if f"{line} ".startswith(f"{name} ")), key=len) for line in REPORTS}
    assert reporting == told | {"demo", "train"}


@pytest.mark.parametrize(
    "line",
    [
        *(f"show {P1}", "review", "changes", "status", "audit list", "decide list"),
        *("findings person", "findings person --rule id_area_unknown"),
    ],
)
def test_a_table_for_people_is_masked_and_alone_on_stdout(place: Place, line: str) -> None:
    done = _call(place, line)
    assert (done.exit_code, done.stderr) == (0, "")
    assert not [value for value in CLEAR if value in done.stdout]


def test_a_reader_who_has_seen_enough_is_no_error(place: Place) -> None:
    for more in ((), ("--json",)):
        reading, writing = os.pipe()
        os.close(reading)
        with os.fdopen(writing, "wb") as closed:
            done = subprocess.run(
                [sys.executable, "-m", "cli", "changes", "--workspace", str(place.ws), *more],
                stdout=closed,
                stderr=subprocess.PIPE,
                text=True,
                cwd=ROOT,
                check=False,
            )
        assert (done.returncode, done.stderr) == (0, "")


def test_the_workspace_is_the_current_folder_or_the_one_in_the_environment(place: Place, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "cli", "find", "-e", "person", "--source", "civil_registry", "--key", "C01"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    for folder, more in ((place.ws, {}), (tmp_path, {"SHUYUAN_WORKSPACE": str(place.ws)})):
        done = subprocess.run(command, cwd=folder, env=environment | more, capture_output=True, text=True, check=False)
        assert (done.returncode, done.stdout, done.stderr) == (0, f"{P1}\n", "")


# ── masks ───────────────────────────────────────────────────────────────────────────────────────────


def test_clear_text_is_shown_for_a_reason_that_the_audit_trail_keeps(copy: Path) -> None:
    masked = said("show", P1, "--workspace", copy)
    assert invoke("show", P1, "--unmask", "信访核查", "--workspace", copy).exit_code == 4
    assert give_leave(copy) == 1
    shown = said("show", P1, "--unmask", "信访核查", "--workspace", copy)
    assert {name: (masked["fields"][name]["value"], one["value"]) for name, one in shown["fields"].items()} == {
        "name": ("沈**", "沈青禾"),
        "sex": ("2", "2"),
        "birth_date": ("1985-**-**", "1985-03-12"),
        "citizen_id": ("8****************3", "880101198503120023"),
        "phone": ("154****0001", "15400000001"),
        "division": ("880101101", "880101101"),
        "address": ("青泉县新庄…", "青泉县新庄镇柳湾村1号"),
    }
    assert invoke("review", "person", "--unmask", "核对两个号码", "--workspace", copy).exit_code == 4
    assert give_leave(copy) == 1
    pair = said("review", "person", "--unmask", "核对两个号码", "--workspace", copy)[0]
    assert pair["fields"]["citizen_id"] == ["880101197207070020", "880101197207070047"]
    assert pair["fields"]["birth_date"] == ["19720707", "1972-07-07"]
    kept = [one for one in said("audit", "list", "--workspace", copy) if one["action"] == "unmask"]
    assert [one["detail"] for one in kept] == [
        {"action": "show", "golden_id": P1, "reason": "信访核查"},
        {"action": "review", "entity": "person", "limit": 10, "reason": "核对两个号码"},
    ]


@pytest.mark.parametrize("line", [f"show {P1}", "review"])
def test_where_the_reason_cannot_be_kept_nothing_is_shown(copy: Path, line: str) -> None:
    for name in ("decisions.sqlite", "decisions.sqlite-wal", "decisions.sqlite-shm"):
        (copy / name).unlink(missing_ok=True)
    (copy / "decisions.sqlite").write_bytes(b"no database" * 1000)
    done = invoke(*line.split(), "--unmask", "why", "--workspace", copy)
    assert done.exit_code != 0
    assert done.stdout == ""


def test_values_to_look_up_may_come_on_stdin(place: Place) -> None:
    asked = ("find", "-e", "person", "--field", "citizen_id", "--value", "-", "--workspace", place.ws)
    assert said(*asked, stdin="880101198503120023\n") == [{"golden_id": P1, "entity": "person"}]
    assert invoke(*asked, stdin="").exit_code == 5


# ── help and documents ──────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("name", [name for name, _ in _commands()])
def test_every_command_says_what_it_does(name: str) -> None:
    command = dict(_commands())[name]
    assert command.help and command.help.strip().endswith("."), name
    done = invoke(*name.split(), "--help")
    assert done.exit_code == 0
    assert command.help.splitlines()[0] in " ".join(done.stdout.split())


@pytest.mark.parametrize("name", [name for name, _ in _commands()])
def test_every_command_is_documented(name: str) -> None:
    pages = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
    text = "\n".join(page.read_text("utf-8") for page in pages)
    assert re.search(rf"shuyuan {name}\b", text), f"neither README.md nor docs/*.md has 'shuyuan {name}'"
