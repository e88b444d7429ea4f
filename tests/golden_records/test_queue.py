"""The review queue: its order, who holds what, what two people must agree on, and what measures stewards."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import asdict, dataclass, replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest

from golden_records.kappa import agreement
from golden_records.queue import Queue, Where
from linkage.decision_files import export_csv
from linkage.decisions import Decision
from linkage.items import Waiting, Worth
from linkage.workspace import Workspace
from rules.errors import InputError, NotFoundError, RefusedError
from tests.golden_records.things import RULES, Yard
from tests.told import Told

OPENED, DUE = date(2024, 6, 3), date(2024, 6, 17)
NOON = datetime(2024, 6, 4, 12, tzinfo=UTC)


@dataclass
class Clock:
    """A clock that tests turn."""

    now: datetime = NOON

    def __call__(self) -> datetime:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def queue(tmp_path: Path, clock: Clock) -> Queue:
    """An empty queue of ships."""
    ws = Workspace.create(tmp_path / "ws", "07", RULES)
    return Queue(ws, ws.load_rules(), clock)


def pair(n: int, moved: int = 1, **more: object) -> Waiting:
    """The n-th pair: registry/a<n> and harbour/b<n>."""
    one = Waiting(("registry", f"a{n}"), ("harbour", f"b{n}"), 2.0, "review", "in doubt", f"seen {n}")
    return replace(one, **{"worth": Worth(0.5, moved), **more})  # type: ignore[arg-type]


def fill(queue: Queue, *waiting: Waiting) -> None:
    queue.store.fill_queue("ship", waiting, (OPENED, DUE))


def said(kind: str, n: int, steward: str) -> Decision:
    return Decision(kind, "ship", pair(n).subjects, "seen", steward)


def keys(found: list) -> list[str]:  # type: ignore[type-arg]
    return [one.waiting.left[1] for one in found]


# ── order ───────────────────────────────────────────────────────────────────────────────────────────


def test_the_value_of_an_answer_is_what_the_page_says_and_tells_why() -> None:
    worth = Worth(0.5, 3, ("owner", "port"), ("died",))
    assert worth.value == 0.5 * (3 + 2 + 3 * 1)
    assert str(worth) == (
        "4.00 = 0.50 close to the line × (3 records would move + 2 attributes differ (owner, port) + "
        "3 × 1 events wait (died))"
    )


def test_the_most_valuable_answer_goes_first_and_what_is_overdue_before_it(queue: Queue, clock: Clock) -> None:
    fill(queue, pair(1, 1), pair(2, 9), pair(3, 4))
    assert keys(queue.items()) == ["a2", "a3", "a1"]
    queue.store.fill_queue("ship", [pair(1, 1), pair(2, 9), pair(3, 4), pair(4, 5)], (OPENED, date(2024, 8, 1)))
    clock.now = datetime(2024, 6, 18, tzinfo=UTC)
    assert keys(queue.items()) == ["a2", "a3", "a1", "a4"], "what was open keeps the day on which it is due"


def test_an_item_that_comes_again_has_a_new_day(queue: Queue) -> None:
    fill(queue, pair(1))
    fill(queue)
    queue.store.fill_queue("ship", [pair(1)], (DUE, date(2024, 7, 1)))
    assert [(one.opened_on, one.due) for one in queue.items()] == [("2024-06-17", "2024-07-01")]


def test_items_go_to_those_who_answer_for_a_region_or_a_line_of_business(queue: Queue) -> None:
    fill(queue, pair(1, region="880101"), pair(2, region="8802"), pair(3, region="88"))
    assert keys(queue.items(Where("ship", "8801"))) == ["a1"]
    assert len(queue.items(Where(region="88"))) == 3
    with pytest.raises(NotFoundError, match="no line of business '渔业'"):
        queue.items(Where(line="渔业"))
    sources = queue.rules.entities["ship"].sources.sources
    fishing = sources["harbour"].title.model_copy(update={"zh": "渔业", "en": "fishing"})
    sources["harbour"] = sources["harbour"].model_copy(update={"line": fishing})
    fill(queue, pair(1), Waiting(("registry", "x"), ("registry", "y"), 2.0, "review", "in doubt", "e"))
    assert keys(queue.items(Where(line="渔业"))) == keys(queue.items(Where(line="fishing"))) == ["a1"]


# ── claims ──────────────────────────────────────────────────────────────────────────────────────────


def test_what_one_steward_holds_no_other_is_handed_until_it_expires(queue: Queue, clock: Clock) -> None:
    fill(queue, *(pair(n, 10 - n) for n in range(5)))
    assert keys(queue.claim("eve", 2)) == ["a0", "a1"]
    assert keys(queue.claim("adam", 2, hours=1)) == ["a2", "a3"]
    assert keys(queue.held("eve")) == ["a0", "a1"]
    with pytest.raises(RefusedError, match="registry/a0 and harbour/b0: eve holds this until 2024-06-04T20:00:00"):
        queue.decide(said("same", 0, "adam"))
    clock.now += timedelta(hours=2)
    assert keys(queue.claim("cain", 9)) == ["a2", "a3", "a4"]
    assert queue.release("eve") == 2
    assert keys(queue.claim("cain", 9)) == ["a0", "a1"]


def test_what_is_assigned_changes_hands(queue: Queue) -> None:
    fill(queue, pair(1), pair(2))
    (one,) = queue.claim("eve", 1)
    assert queue.assign([one.item], "adam", "head", NOON + timedelta(days=5)) == 1
    assert (queue.held("eve"), [found.item for found in queue.held("adam")]) == ([], [one.item])
    with pytest.raises(NotFoundError, match="nothing with the key 'x' waits"):
        queue.assign(["x"], "adam", "head", NOON)


def test_fifty_claims_at_once_hand_no_item_out_twice(queue: Queue) -> None:
    fill(queue, *(pair(n) for n in range(100)))
    with ThreadPoolExecutor(50) as pool:
        claims = list(pool.map(lambda n: Queue(queue.ws, queue.rules, queue.clock).claim(f"s{n}", 2), range(50)))
    assert sorted(key for claim in claims for key in keys(claim)) == sorted(f"a{n}" for n in range(100))


@pytest.mark.parametrize("count", [0, -1, 501])
def test_a_claim_of_nothing_or_of_everything_is_refused(queue: Queue, count: int) -> None:
    with pytest.raises((InputError, RefusedError)):
        queue.claim("eve", count)


# ── answers ─────────────────────────────────────────────────────────────────────────────────────────


def test_of_two_who_answer_at_once_one_is_told_of_the_other(queue: Queue) -> None:
    fill(queue, pair(1))
    (one,) = queue.items()

    def answer(steward: str) -> str:
        try:
            queue.decide(said("same", 1, steward), one.waiting.evidence)
        except RefusedError as error:
            return str(error)
        return "kept"

    with ThreadPoolExecutor(2) as pool:
        told = sorted(pool.map(answer, ("eve", "adam")), key=len)
    (made,) = queue.store.entries("ship")
    assert told[0] == "kept"
    assert f"registry/a1 and harbour/b1: {made.steward} decided 'same'" in told[1] and "(decision 1)" in told[1]
    assert queue.items() == []


def test_an_answer_to_what_has_changed_meanwhile_is_refused(queue: Queue) -> None:
    fill(queue, pair(1), pair(2))
    fill(queue, replace(pair(1), evidence="new"))
    with pytest.raises(RefusedError, match="says something else than you saw"):
        queue.decide(said("same", 1, "eve"), "seen 1")
    with pytest.raises(RefusedError, match="does not wait any more"):
        queue.decide(said("same", 2, "eve"), "seen 2")


def test_an_answer_that_is_taken_back_leaves_the_item_open_and_held(queue: Queue) -> None:
    fill(queue, pair(1))
    (one,) = queue.claim("eve", 1)
    number = queue.decide(said("same", 1, "eve"), one.waiting.evidence).number
    assert (queue.items(), queue.held("eve")) == ([], [])
    queue.withdraw(number, "eve")
    assert keys(queue.held("eve")) == keys(queue.items()) == ["a1"]


def test_a_decision_has_the_evidence_of_what_waits(queue: Queue) -> None:
    fill(queue, pair(1))
    queue.decide(said("different", 1, "eve"))
    assert [d.evidence for d in queue.store.entries()] == ["seen 1"]


def test_what_a_run_made_pointless_closes_with_the_reason_and_what_was_answered_is_not_told(queue: Queue) -> None:
    fill(queue, pair(1), pair(2))
    queue.decide(said("same", 1, "eve"))
    queue.store.fill_queue("ship", [], (OPENED, DUE), lambda gone: {one.item: "together" for one in gone})
    assert [(one.waiting.left[1], one.closed_because) for one, _ in queue.closed()] == [("a2", "together")]
    assert queue.items() == []


# ── two people ──────────────────────────────────────────────────────────────────────────────────────

R0, R1, R3, R5 = (("registry", f"r{n}") for n in (0, 1, 3, 5))


@pytest.fixture
def published(copied: Callable[[], Yard]) -> Queue:
    """The queue of a workspace with three releases."""
    ws = copied().ws
    return Queue(ws, ws.load_rules())


def decision(kind: str, *subjects: tuple[str, str], steward: str = "eve", **payload: object) -> Decision:
    return Decision(kind, "ship", subjects, "seen", steward, tuple(payload.items()))


def test_a_merge_of_two_confirmed_golden_records_counts_once_another_person_confirms_it(
    published: Queue, told: Told
) -> None:
    assert published.needs_second(decision("same", R0, R5)) is None, "neither is confirmed"
    for one in (R0, R5):
        assert published.decide(decision("pin", one)).needs is None
    made = published.decide(decision("same", R0, R5))
    ids = sorted((told.now[R0], told.now[R5]))
    assert made.needs == f"a merge of 2 confirmed golden records: {', '.join(ids)}"
    before, number = published.store.last_id(), made.number
    assert [d.decision_id for d in published.pending()] == [number]
    assert number not in {one.decision_id for one in published.store.replay("ship")}
    with pytest.raises(RefusedError, match="eve's own"):
        published.confirm(number, "eve", "sure")
    published.confirm(number, "adam", "sure")
    assert number in {one.decision_id for one in published.store.replay("ship")}
    assert (published.store.last_id() > before, published.pending()) == (True, [])
    with pytest.raises(NotFoundError, match=f"no decision {number} waits"):
        published.confirm(number, "cain", "sure")


def test_a_value_that_identifies_needs_a_second_person_and_others_do_not(published: Queue) -> None:
    assert published.decide(decision("value", R0, field="owner", value="")).needs is None
    made = published.decide(decision("value", R0, field="mark", value=""))
    assert made.needs == "mark identifies: no one person overrides it"
    assert [one.field for one in published.store.values("ship")] == ["owner"]
    published.withdraw(made.number, "adam")
    assert published.pending() == []


def test_a_golden_record_whose_identifier_is_confirmed_is_confirmed(copied: Callable[[], Yard]) -> None:
    yard = copied()
    for one in (R0, R3):
        yard.say("value", one, field="mark", value="")
    yard.release(date(2024, 8, 16))
    queue = Queue(yard.ws, yard.ws.load_rules())
    assert queue.needs_second(decision("merge", R0, R3)) is not None
    assert queue.needs_second(decision("merge", R0, R5)) is None
    assert queue.needs_second(decision("same", R1, R5)) is None, "they are one golden record already"


def test_clear_text_is_seen_by_who_asked_once_another_agreed_and_not_for_ever(queue: Queue, clock: Clock) -> None:
    asked = queue.ask_clear_text("ship", [R0, R1], "eve", "complaint 7")
    last = queue.store.last_id()
    assert asked.needs and not queue.may_unmask("ship", [R0], "eve")
    queue.confirm(asked.number, "adam", "complaint 7 is real")
    assert queue.store.last_id() == last, "no release is a function of it"
    assert queue.may_unmask("ship", [R0, R1], "eve")
    assert not queue.may_unmask("ship", [R0, R3], "eve") and not queue.may_unmask("ship", [R0], "adam")
    clock.now += timedelta(hours=9)
    assert not queue.may_unmask("ship", [R0], "eve")


def test_the_store_itself_refuses_that_one_person_is_two(queue: Queue) -> None:
    made = queue.decide(decision("value", R0, field="mark", value=""))
    with closing(sqlite3.connect(queue.ws.decisions)) as db, pytest.raises(sqlite3.IntegrityError, match="of his own"):
        db.execute("insert into confirmation values (?, 'eve', 'x', 'now')", (made.number,))


def test_of_two_who_confirm_at_once_one_does(queue: Queue) -> None:
    made = queue.decide(decision("value", R0, field="mark", value=""))

    def confirm(steward: str) -> bool:
        try:
            Queue(queue.ws, queue.rules).confirm(made.number, steward, "sure")
        except NotFoundError:
            return False
        return True

    with ThreadPoolExecutor(2) as pool:
        assert sorted(pool.map(confirm, ("adam", "cain"))) == [False, True]


# ── what measures stewards ──────────────────────────────────────────────────────────────────────────


def test_known_pairs_are_handed_out_unmarked_and_what_is_answered_to_them_decides_nothing(queue: Queue) -> None:
    controls = [pair(n, control="same") for n in range(100, 103)]
    fill(queue, *(pair(n) for n in range(60)), *controls)
    assert not {"a100", "a101", "a102"} & set(keys(queue.items()))
    claimed = queue.claim("eve", 40)
    hidden = [one for one in claimed if one.waiting.left[1] in ("a100", "a101", "a102")]
    assert (len(claimed), len(hidden)) == (40, 2)
    plain = next(one for one in claimed if one not in hidden)
    for one in hidden:
        shown = asdict(replace(one, item="", waiting=pair(1)))
        assert shown == asdict(replace(plain, item="", waiting=pair(1))) and one.waiting.control is None
    last = queue.store.last_id()
    for one, kind in zip(hidden, ("same", "different"), strict=True):
        receipt = queue.decide(Decision(kind, "ship", one.waiting.subjects, "seen", "eve"), one.waiting.evidence)
        assert receipt.needs is None
    assert [d.kind for d in queue.store.listed()] == ["same", "different"], "listed as any other decision"
    assert (queue.store.entries(), queue.store.replay("ship"), queue.store.last_id()) == ([], [], last)
    assert export_csv(queue.store, queue.ws.root / "d.csv") == 0
    assert len(queue.held("eve")) == 38
    found = queue.quality()
    assert (found.known.n, found.known.agreed) == (found.stewards["eve"].n, found.stewards["eve"].agreed) == (2, 1)


def test_who_decides_about_a_known_pair_without_being_handed_it_decides(queue: Queue) -> None:
    fill(queue, pair(1, control="same"))
    queue.decide(said("different", 1, "eve"))
    assert [one.kind for one in queue.store.replay("ship")] == ["different"]


def test_some_answered_pairs_are_answered_again_by_somebody_who_does_not_know(queue: Queue) -> None:
    fill(queue, *(pair(n, 100 - n) for n in range(30)))
    for n in range(10):
        queue.decide(said("same", n, "eve"))
    first = {f"a{n}" for n in range(10)}
    assert not first & set(keys(queue.claim("eve", 5)))
    claimed = queue.claim("adam", 15)
    (again,) = [one for one in claimed if one.waiting.left[1] in first]
    assert again.closed_because is None and keys(queue.held("adam")) == keys(claimed)
    queue.decide(Decision("different", "ship", again.waiting.subjects, "seen", "adam"), again.waiting.evidence)
    assert {one.kind for one in queue.store.replay("ship")} == {"same"}
    found = queue.quality("ship")
    assert (found.second.n, found.second.agreed, len(found.apart)) == (1, 0, 1)
    assert len(queue.held("adam")) == 14


def test_a_stale_claim_is_no_second_review(queue: Queue, clock: Clock) -> None:
    fill(queue, pair(1))
    (one,) = queue.claim("eve", 1, hours=1)
    clock.now += timedelta(hours=2)
    queue.decide(said("same", 1, "adam"), one.waiting.evidence)
    with pytest.raises(RefusedError, match="adam decided 'same'"):
        queue.decide(said("different", 1, "eve"), one.waiting.evidence)
    assert len(queue.store.listed()) == 1


def test_kappa_is_cohens_with_the_interval_of_fleiss() -> None:
    said = [("y", "y")] * 20 + [("y", "n")] * 5 + [("n", "y")] * 10 + [("n", "n")] * 15
    found = agreement(said)
    assert (found.n, found.agreed) == (50, 35)
    assert found.kappa == pytest.approx(0.4)
    assert found.interval == pytest.approx((0.1511, 0.6489), abs=0.001)
    assert agreement([]).kappa is None and agreement([("y", "y")] * 9).kappa is None
    assert agreement([("y", "y"), ("n", "n")]).kappa == 1.0
