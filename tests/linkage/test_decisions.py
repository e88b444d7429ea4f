"""Decisions last: they are appended, withdrawn and replayed, and the audit trail shows when it was touched."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from linkage.audit_trail import AuditTrail
from linkage.decided import Decided
from linkage.decision_files import export_csv, import_csv
from linkage.decisions import Decision, DecisionStore, Override
from linkage.items import Waiting
from rules.errors import InputError, NotFoundError, RefusedError

A, B, C = ("civil", "1"), ("civil", "2"), ("aid", "9")


@pytest.fixture
def store(tmp_path: Path) -> DecisionStore:
    return DecisionStore(tmp_path / "decisions.sqlite")


def test_the_last_word_on_a_pair_counts(store: DecisionStore) -> None:
    store.add(Decision("same", "shop", (A, B), "same owner"))
    store.add(Decision("different", "shop", (B, A), "looked again"))
    assert store.replay("shop") == [Decided("different", A, B)]


def test_a_withdrawn_decision_rests_and_stays_readable(store: DecisionStore) -> None:
    number = store.add(Decision("same", "shop", (A, B), "same owner"))
    store.withdraw(number)
    assert store.replay("shop") == []
    assert len(store.entries("shop", withdrawn=True)) == 1
    with pytest.raises(NotFoundError):
        store.withdraw(number)


def test_merge_and_split_speak_of_pairs(store: DecisionStore) -> None:
    store.add(Decision("merge", "shop", (A, B, C), "one shop"))
    assert {d.kind for d in store.replay("shop")} == {"same"}
    store.add(Decision("split", "shop", (A, B, C), "two", payload=(("groups", [[A, B], [C]]),)))
    assert store.replay("shop") == [
        Decided("different", C, A),
        Decided("different", C, B),
        Decided("same", A, B),
    ]


def test_values_are_overrides(store: DecisionStore) -> None:
    store.add(Decision("value", "shop", (A,), "seen", payload=(("field", "name"), ("value", "甲"))))
    assert store.values("shop") == [Override(A, "name", "甲")]


def test_decisions_travel_as_csv(store: DecisionStore, tmp_path: Path) -> None:
    store.add(Decision("same", "shop", (A, B), "same owner"))
    assert export_csv(store, tmp_path / "d.csv") == 1
    other = DecisionStore(tmp_path / "other.sqlite")
    assert (import_csv(other, tmp_path / "d.csv"), import_csv(other, tmp_path / "d.csv")) == (1, 0)
    assert other.replay("shop") == store.replay("shop")


def test_a_wrong_line_imports_nothing(store: DecisionStore, tmp_path: Path) -> None:
    path = tmp_path / "d.csv"
    path.write_text('kind,entity,subjects,reason\nsame,shop,"[[""a"",""1""],[""a"",""2""]]",x\nsame,shop,[],y\n')
    with pytest.raises(InputError, match="line 3 column subjects: 'same' is about two"):
        import_csv(store, path)
    assert store.entries() == []


def test_the_queue_is_replaced(store: DecisionStore) -> None:
    store.fill_queue("shop", [Waiting(A, B, 3.0, "review", "between", "h"), Waiting(A, C, 4.0, "guard", "g", "h")])
    assert [w.right for w in store.queue("shop")] == [C, B]
    store.fill_queue("shop", [])
    assert store.queue() == []


def test_nobody_rewrites_a_decision(store: DecisionStore) -> None:
    store.add(Decision("same", "shop", (A, B), "same owner"))
    db = sqlite3.connect(store.path)
    with pytest.raises(sqlite3.IntegrityError):
        db.execute("delete from decision")
    with pytest.raises(sqlite3.IntegrityError):
        db.execute("update decision set reason = 'other'")
    db.close()


def test_a_touched_trail_is_found(tmp_path: Path) -> None:
    trail = AuditTrail(tmp_path / "decisions.sqlite")
    for n in range(4):
        trail.append("publish", {"release": n}, actor="op")
    assert trail.verify() is None
    db = sqlite3.connect(trail.path)
    db.executescript("drop trigger audit_stays; update audit set actor = 'x' where seq = 3;")
    db.close()
    assert trail.verify() == 3


def test_of_two_stewards_who_decide_at_once_one_is_told_of_the_other(store: DecisionStore) -> None:
    seen = 0

    def decide(steward: str) -> str:
        try:
            store.add(Decision("same", "shop", (A, B), "seen", steward), seen)
        except RefusedError as error:
            return str(error)
        return "kept"

    with ThreadPoolExecutor(2) as pool:
        said = sorted(pool.map(decide, ("eve", "adam")), key=len)
    assert said[0] == "kept"
    (made,) = store.entries("shop")
    assert made.steward in said[1] and "decision 1" in said[1] and "civil/1" in said[1]
    assert store.add(Decision("different", "shop", (A, B), "on second thoughts", "eve"), 1) == 2
    assert store.add(Decision("same", "shop", (A, C), "another pair", "adam"), seen) == 3


def test_fifty_writers_at_once_lose_nothing(store: DecisionStore) -> None:
    def decide(i: int) -> int:
        mine = DecisionStore(store.path)
        return mine.add(Decision("same", "shop", (("s", f"{i}"), ("s", f"{i + 100}")), "seen", f"steward {i}"), 0)

    with ThreadPoolExecutor(50) as pool:
        numbers = list(pool.map(decide, range(50)))
    assert sorted(numbers) == list(range(1, 51))
    assert {made.subjects[0][1] for made in store.entries("shop")} == {f"{i}" for i in range(50)}


# ── files ───────────────────────────────────────────────────────────────────────────────────────────


def test_every_kind_of_decision_goes_to_a_file_and_comes_back_as_it_was(store: DecisionStore, tmp_path: Path) -> None:
    made = [
        Decision("same", "shop", (A, B), 'a "reason", with\na line', "eve", evidence="h1"),
        Decision("different", "shop", (A, C), "不是同一家", "adam"),
        Decision("unsure", "shop", (B, C), "asked", "eve"),
        Decision("value", "shop", (A,), "seen", "eve", (("field", "name"), ("value", ""))),
        Decision("merge", "shop", (A, B, C), "one", "eve"),
        Decision("split", "shop", (A, B, C), "two", "eve", (("groups", [list(map(list, (A, B))), [list(C)]]),)),
        Decision("pin", "shop", (A, B), "stays", "eve"),
        Decision("same", "shop", (B, C), "two agreed", "eve", needs="big", second="adam"),
    ]
    store.add_all(made)
    store.add(Decision("value", "shop", (B,), "proposed", "eve", (("field", "name"), ("value", "")), needs="why"))
    assert export_csv(store, tmp_path / "d.csv") == len(made)
    assert (tmp_path / "d.csv").stat().st_mode & 0o777 == 0o600
    other = DecisionStore(tmp_path / "other.sqlite")
    assert import_csv(other, tmp_path / "d.csv") == len(made)
    assert import_csv(other, tmp_path / "d.csv") == 0
    assert [replace(d, needs=None) for d in other.entries()] == [replace(d, needs=None) for d in store.entries()]
    assert other.replay("shop") == store.replay("shop")
    export_csv(other, tmp_path / "again.csv")
    assert (tmp_path / "again.csv").read_bytes() == (tmp_path / "d.csv").read_bytes()


def test_what_needs_a_second_person_is_proposed_when_the_file_names_none(store: DecisionStore, tmp_path: Path) -> None:
    store.add_all([Decision("same", "shop", (A, B), "one", "eve"), Decision("same", "shop", (B, C), "two", "eve")])
    export_csv(store, tmp_path / "d.csv")
    other = DecisionStore(tmp_path / "other.sqlite")
    import_csv(other, tmp_path / "d.csv", needs=lambda d: "two confirmed" if C in d.subjects else None)
    assert ([d.subjects for d in other.entries()], [d.needs for d in other.proposed()]) == ([(A, B)], ["two confirmed"])


BAD = [
    ('join,shop,"[[""a"",""1""],[""a"",""2""]]",{},x,', "kind", "kind 'join': expected one of same"),
    ('same,shop,"[[""a"",1],[""a"",""2""]]",{},x,', "subjects", "expected a JSON list"),
    ("same,shop,not json,{},x,", "subjects", "expected a JSON list"),
    ('value,shop,"[[""a"",""1""]]",[],x,', "payload", "expected a JSON object"),
    (
        'split,shop,"[[""a"",""1""],[""a"",""2""]]","{""groups"": [[[""a"",""1""]]]}",x,',
        "payload",
        "two or more groups",
    ),
    ('same,shop,"[[""a"",""1""],[""a"",""2""]]",{}," ",', "reason", "needs a reason"),
    ('same,shop,"[[""a"",""1""],[""a"",""2""]]",{},x,yesterday', "decided_at", "'yesterday' is no time"),
    ('unmask,shop,"[[""a"",""1""]]",{},x,', "kind", "never imported"),
]


@pytest.mark.parametrize(("line", "column", "said"), BAD)
def test_a_bad_cell_is_told_with_file_line_and_column_and_nothing_is_imported(
    store: DecisionStore, tmp_path: Path, line: str, column: str, said: str
) -> None:
    good = 'same,shop,"[[""a"",""8""],[""a"",""9""]]",{},x,'
    path = tmp_path / "d.csv"
    path.write_text(f"kind,entity,subjects,payload,reason,decided_at\n{good}\n{line}\n", "utf-8")
    with pytest.raises(InputError, match=f"d.csv line 3 column {column}: .*{said}(.|\n)*nothing was imported"):
        import_csv(store, path)
    assert store.listed() == []


def test_a_file_that_is_cut_or_in_another_encoding_is_refused(store: DecisionStore, tmp_path: Path) -> None:
    path = tmp_path / "d.csv"
    for text, said in (
        (b"kind,entity,subjects,reason\nsame,shop\n", "line 2 column"),
        ("kind,entity,subjects,reason\nsame,shop,[],看\n".encode("gb18030"), "not UTF-8"),
        (b"kind,entity,subjects\n", "column 'reason' is missing"),
        (b'kind,entity,subjects,reason\nsame,shop,"[[\n', "nothing was imported"),
    ):
        path.write_bytes(text)
        with pytest.raises(InputError, match=said):
            import_csv(store, path)
    assert store.listed() == []


# ── what a file survives ────────────────────────────────────────────────────────────────────────────

OLD = """
create table decision (
  decision_id integer primary key autoincrement, kind text not null, entity text not null,
  subjects text not null, payload text not null, steward text not null, reason text not null,
  evidence text, decided_at text not null, withdrawn_at text, withdrawn_by text);
create trigger decision_stays before update on decision when old.withdrawn_at is not null
  begin select raise(abort, 'a decision is never changed, only withdrawn'); end;
create trigger decision_remains before delete on decision
  begin select raise(abort, 'a decision is never deleted, only withdrawn'); end;
create table queue (
  entity text not null, left_source text not null, left_key text not null,
  right_source text not null, right_key text not null, match_weight real, verdict text not null,
  reason text not null, evidence text not null, said text not null, levels text not null,
  primary key (entity, left_source, left_key, right_source, right_key)) without rowid;
insert into decision values
  (1, 'same', 'shop', '[["civil", "1"], ["civil", "2"]]', '{}', 'eve', 'seen', 'h', '2024-01-01', null, null),
  (2, 'different', 'shop', '[["civil", "1"], ["aid", "9"]]', '{}', 'eve', 'seen', 'h', '2024-01-02', '2024-01-03', 'x');
insert into queue values
  ('shop', 'aid', '9', 'civil', '2', 3.5, 'review', 'in doubt', 'h', '{"name": ["a", "b"]}', '{}');
"""


def test_a_file_of_an_earlier_layout_is_taken_over_with_all_that_was_decided(store: DecisionStore) -> None:
    with closing(sqlite3.connect(store.path)) as db:
        db.executescript(OLD)
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda _: DecisionStore(store.path).entries(withdrawn=True), range(8)))
    assert all(len(one) == 2 for one in found)
    assert store.replay("shop") == [Decided("same", A, B)]
    (waiting,) = store.queue("shop")
    assert (waiting.subjects, waiting.match_weight, waiting.said) == ((C, B), 3.5, {"name": ("a", "b")})
    store.add(Decision("same", "shop", (B, C), "seen"))
    assert (store.queue("shop"), [d.evidence for d in store.entries()]) == ([], ["h", "h"])
    with closing(sqlite3.connect(store.path)) as db, pytest.raises(sqlite3.IntegrityError):
        db.execute("update decision set entity = 'other'")


def test_a_file_of_a_newer_version_is_refused(store: DecisionStore) -> None:
    store.entries()
    with closing(sqlite3.connect(store.path)) as db:
        db.execute("pragma user_version = 99")
    with pytest.raises(RefusedError, match="layout 99; this version knows"):
        store.entries()


WRITER = """
import sys
from pathlib import Path
from linkage.decisions import Decision, DecisionStore
store = DecisionStore(Path(sys.argv[1]))
for n in range(100000):
    print(store.add(Decision("same", "shop", (("s", f"{n}"), ("t", f"{n}")), "seen", "eve")), flush=True)
"""


def test_a_process_that_is_killed_loses_no_acknowledged_decision(store: DecisionStore) -> None:
    process = subprocess.Popen([sys.executable, "-c", WRITER, str(store.path)], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    told = [int(process.stdout.readline()) for _ in range(40)]
    process.kill()
    told += [int(line) for line in process.stdout.read().splitlines()]
    process.wait()
    process.stdout.close()
    held = [d.decision_id for d in store.entries()]
    assert held[: len(told)] == told and len(held) - len(told) <= 1
    with store.reading() as db:
        assert db.execute("pragma integrity_check").fetchone() == ("ok",)
