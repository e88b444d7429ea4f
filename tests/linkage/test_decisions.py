"""Decisions last: they are appended, withdrawn and replayed, and the audit trail shows when it was touched."""

from __future__ import annotations

import sqlite3
from concurrent.futures import ThreadPoolExecutor
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
