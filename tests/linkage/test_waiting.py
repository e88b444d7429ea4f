"""What linking hands to stewards: pairs in doubt, decisions whose evidence changed, pairs known to answer."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path

import pytest

from linkage.decided import SourceRecord
from linkage.decisions import Decision, DecisionStore
from linkage.items import Waiting, Worth, closed, open_items
from linkage.link import link
from linkage.workspace import Workspace, use_entity
from tests.linkage.test_changes import boats, deliver

__all__ = ["boats"]  # a fixture of another module
FIRST = date(2024, 1, 1)
ASTRA = {"name": "astra", "owner": "meyer", "radio": "13900000001"}
BOREA = {"name": "borea", "owner": "silva", "radio": "13900000002"}
Row = dict[str, str]
A, B, C, D = ("harbour", "1"), ("registry", "2"), ("harbour", "2"), ("guild", "2")


def row(key: str, built: str, **said: str) -> Row:
    return {"id": key, "op": "", "mark": "", "old_mark": "", "built": built, **said}


@dataclass
class Harbour:
    """A workspace of boats: harbour/1 and registry/2, harbour/2 and guild/2 are in doubt."""

    ws: Workspace
    day: date = FIRST

    @property
    def store(self) -> DecisionStore:
        return DecisionStore(self.ws.decisions)

    def deliver(self, source: str, *rows: Row) -> None:
        self.day += timedelta(1)
        deliver(self.ws, source, self.day, list(rows))

    def link(self) -> list[Waiting]:
        con = self.ws.connect()
        try:
            link(con, self.ws, self.ws.load_rules(), self.store, self.day)
        finally:
            con.close()
        return self.store.queue("boat")

    def say(self, kind: str, *subjects: SourceRecord, **payload: object) -> int:
        return self.store.add(Decision(kind, "boat", subjects, "seen", "eve", tuple(payload.items())))

    def together(self, one: SourceRecord, other: SourceRecord) -> bool:
        con = self.ws.connect()
        try:
            use_entity(con, "boat")
            found = con.execute(
                "select count(distinct cluster_id) from cluster join standard using (record_id) "
                "where source || '/' || source_key in (?, ?)",
                ["/".join(one), "/".join(other)],
            ).fetchall()
        finally:
            con.close()
        return bool(found[0][0] == 1)

    def gone(self) -> dict[frozenset[SourceRecord], str | None]:
        with self.store.reading() as db:
            return {frozenset(one.waiting.subjects): one.closed_because for one, _ in closed(db, "boat", 9)}


@pytest.fixture(scope="module")
def linked(tmp_path_factory: pytest.TempPathFactory, boats: Path) -> Path:
    """A workspace that was linked once."""
    made = Harbour(Workspace.create(tmp_path_factory.mktemp("harbour") / "ws", "07", boats))
    made.deliver("harbour", row("1", "1999-05-05", **ASTRA, mark="k1"), row("2", "1990-01-02", **BOREA))
    made.deliver("registry", row("2", "1990-05-05", **ASTRA))
    made.deliver("guild", row("2", "1990-01-03", **BOREA))
    made.link()
    return made.ws.root


@pytest.fixture
def harbour(linked: Path, tmp_path: Path) -> Iterator[Harbour]:
    """A copy of it."""
    shutil.copytree(linked, tmp_path / "ws")
    yield Harbour(Workspace.open(tmp_path / "ws"), FIRST + timedelta(3))


def asked(waiting: list[Waiting]) -> set[frozenset[SourceRecord]]:
    return {frozenset(one.subjects) for one in waiting}


def test_what_waits_tells_what_an_answer_is_worth_and_until_when_it_is_due(harbour: Harbour) -> None:
    waiting = harbour.store.queue("boat")
    assert asked(waiting) == {frozenset((A, B)), frozenset((C, D))}
    for one in waiting:
        assert one.match_weight is not None
        assert one.worth == Worth(round(2 ** (-abs(one.match_weight - 3.0) / 3.0), 4), 1, ("built",), ())
    with harbour.store.reading() as db:
        assert {(one.opened_on, one.due) for one in open_items(db)} == {("2024-01-04", "2024-01-18")}


def test_more_records_behind_a_pair_make_its_answer_worth_more(harbour: Harbour) -> None:
    harbour.deliver("guild", row("7", "1990-05-06", **ASTRA), row("8", "1990-05-07", **ASTRA))
    harbour.say("same", B, ("guild", "7"))
    harbour.say("same", A, ("guild", "8"))
    waiting = harbour.link()
    assert next(one.worth.moved for one in waiting if frozenset(one.subjects) == {A, B}) == 2


SAID: list[tuple[str, tuple[SourceRecord, ...], dict[str, object]]] = [
    ("merge", (A, B), {}),
    ("pin", (A,), {}),
    ("value", (A,), {"field": "owner", "value": ""}),
    ("different", (A, C), {}),
    ("split", (A, B, D), {"groups": [[A, B], [D]]}),
    ("unsure", (A, ("registry", "3")), {}),
]


def test_a_decision_of_any_kind_is_put_again_once_its_evidence_changed_and_not_before(harbour: Harbour) -> None:
    harbour.deliver("registry", row("2", "1990-05-05", **ASTRA), row("3", "1960-05-05", name="other"))
    for kind, subjects, payload in SAID:
        harbour.say(kind, *subjects, **payload)
    assert [one for one in harbour.link() if one.about] == []
    assert all(d.evidence for d in harbour.store.entries())
    harbour.deliver("harbour", row("1", "1999-05-05", **ASTRA | {"radio": "13900000009"}, mark="k1"))
    again = {one.about: one for one in harbour.link() if one.about}
    assert list(sorted(again)) == [1, 2, 3, 4, 5, 6]
    for number, (kind, subjects, _) in enumerate(SAID, 1):
        assert set(again[number].subjects) == set(subjects)
        assert f"decided {kind!r} before, and a record changed since" in again[number].reason
        assert "13900000009" in again[number].said["radio"]
    assert harbour.together(A, B) and not harbour.together(A, D), "they stand until somebody says otherwise"
    for kind, subjects, payload in SAID:
        harbour.say(kind, *subjects, **payload)
    assert [one for one in harbour.link() if one.about] == []


def test_a_change_that_is_undone_puts_nothing_again(harbour: Harbour) -> None:
    harbour.say("same", A, B)
    harbour.link()
    harbour.deliver("harbour", row("1", "1999-05-05", **ASTRA | {"radio": "13900000009"}, mark="k1"))
    assert [one.about for one in harbour.link() if one.about] == [1]
    harbour.deliver("harbour", row("1", "1999-05-05", **ASTRA, mark="k1"))
    assert [one.about for one in harbour.link() if one.about] == []
    assert harbour.gone() == {frozenset((A, B)): "settled"}


def test_what_a_run_makes_pointless_closes_and_says_why(harbour: Harbour) -> None:
    harbour.say("same", A, ("guild", "9"))
    harbour.say("same", B, ("guild", "9"))
    harbour.deliver("guild", row("2", "1990-01-03", name="borea", owner="other", radio=""), row("9", "", **ASTRA))
    harbour.link()
    assert harbour.gone() == {frozenset((A, B)): "together", frozenset((C, D)): "unlikely"}
    harbour.deliver("guild", row("2", "1990-01-03", **BOREA))
    assert frozenset((C, D)) in asked(harbour.link()), "it waits again where it is in doubt again"
    harbour.deliver("harbour", row("2", "1990-01-02", **BOREA) | {"op": "gone"})
    harbour.link()
    assert harbour.gone()[frozenset((C, D))] == "withdrawn"


def test_weight_joins_nothing_to_a_pinned_entity_and_decisions_do(harbour: Harbour) -> None:
    twin = row("5", "1985-03-04", name="borea", owner="silva", radio="13900000005")
    harbour.deliver("registry", row("2", "1990-05-05", **ASTRA), twin)
    harbour.link()
    assert harbour.together(C, ("registry", "5")), "by weight"
    number = harbour.say("pin", C)
    waiting = harbour.link()
    assert not harbour.together(C, ("registry", "5"))
    (held,) = [one for one in waiting if set(one.subjects) == {C, ("registry", "5")}]
    assert held.reason == "a steward pinned one of the entities"
    harbour.say("same", C, ("registry", "5"))
    harbour.link()
    assert harbour.together(C, ("registry", "5"))
    harbour.store.withdraw(number)
    harbour.store.withdraw(2)
    harbour.link()
    assert harbour.together(C, ("registry", "5")), "by weight again"


def test_pairs_with_a_known_answer_are_drawn_and_wait_for_nobody(harbour: Harbour) -> None:
    harbour.deliver("harbour", row("4", "1985-01-02", name="borea", owner="silva", radio="13900000005", mark="k9"))
    harbour.deliver("registry", row("2", "1990-05-05", **ASTRA), row("5", "1990-02-02", **BOREA, mark="k9"))
    harbour.deliver("guild", row("1", "1991-01-03", **BOREA))
    waiting = harbour.link()
    with harbour.store.reading() as db:
        known = [one.waiting for one in open_items(db) if one.waiting.control]
    assert [(set(one.subjects), one.control, one.reason) for one in known] == [
        ({("harbour", "4"), ("registry", "5")}, "same", "the weight is in doubt")
    ]
    assert not asked(known) & asked(waiting)
    assert harbour.together(("harbour", "4"), ("registry", "5"))
