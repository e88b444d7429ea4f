"""Golden ids last: properties over literal clusters, release after release, then over whole workspaces."""

from __future__ import annotations

import shutil
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path

import duckdb
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from golden_records import ids
from linkage.workspace import Workspace
from tests.golden_records.things import Ledger, Yard

KEYS = "abcdefg"
Clusters = list[list[str]]
quick = settings(max_examples=5, derandomize=True)


@st.composite
def clusterings(draw: st.DrawFn, keys: Sequence[str] = KEYS, every: bool = False) -> Clusters:
    """The records of a release in some clusters; unless `every`, some records may be absent."""
    where = draw(st.lists(st.integers(0 if every else -1, 4), min_size=len(keys), max_size=len(keys)))
    return grouped(zip(keys, where, strict=True))


def grouped(pairs: Iterable[tuple[str, int]]) -> Clusters:
    """Keys by the number of their cluster; those with a negative number are left out."""
    found: dict[int, list[str]] = {}
    for key, number in pairs:
        if number >= 0:
            found.setdefault(number, []).append(key)
    return list(found.values())


def coarser(clusters: Clusters, joins: Sequence[int]) -> Clusters:
    """The same clusters, those with the same number in `joins` merged."""
    return grouped((key, joins[i]) for i, cluster in enumerate(clusters) for key in cluster)


def answers(ledger: Ledger, golden_id: str) -> set[str]:
    """The ids that an id stands for in the last release, as a reader follows redirects."""
    living, redirects = ledger.living(), ledger.redirects()
    for _ in range(100):
        if golden_id in living:
            return {golden_id}
        kind, successors = redirects[golden_id]
        if kind != "merged":
            return set(successors)
        (golden_id,) = successors
    raise AssertionError(f"{golden_id} runs in a circle")


# ── what changes no id ──────────────────────────────────────────────────────────────────────────────


@quick
@given(clusterings(every=True))
def test_an_identical_run_changes_no_id_and_tells_nothing(clusters: Clusters) -> None:
    ledger = Ledger()
    first = ledger.publish(clusters)
    assert ledger.publish(clusters) == first
    assert ledger.events() == []
    assert ledger.counts["unchanged"] == len(clusters)


@quick
@given(st.data())
def test_the_order_of_clusters_and_of_record_numbers_moves_no_id(data: st.DataObject) -> None:
    sequence = data.draw(st.lists(clusterings(), min_size=2, max_size=4))
    ledger, shuffled = Ledger(), Ledger()
    for clusters in sequence:
        other = data.draw(st.permutations([cluster[::-1] for cluster in clusters]))
        assert ledger.publish(clusters) == shuffled.publish(other, order=-1)
        assert ledger.rows("from change order by seq") == shuffled.rows("from change order by seq")
        assert ledger.rows("from redirect order by all") == shuffled.rows("from redirect order by all")


@quick
@given(st.data())
def test_a_cluster_that_keeps_its_records_keeps_its_id_whatever_becomes_of_others(data: st.DataObject) -> None:
    before = data.draw(clusterings())
    kept = before[: data.draw(st.integers(0, len(before)))]
    others = [key for cluster in before[len(kept) :] for key in cluster]
    newcomers = ["v", "w", "x"]
    joined = [
        [*cluster, *data.draw(st.sampled_from([[], [new]]))] for cluster, new in zip(kept, newcomers, strict=False)
    ]
    joined += kept[len(newcomers) :]
    others += [new for new in newcomers if not any(new in cluster for cluster in joined)]
    ledger = Ledger()
    first = ledger.publish(before)
    then = ledger.publish([*joined, *data.draw(clusterings(others))])
    assert {key: then[key] for cluster in kept for key in cluster} == {
        key: first[key] for cluster in kept for key in cluster
    }


# ── merge and split ─────────────────────────────────────────────────────────────────────────────────


@quick
@given(clusterings(every=True), st.lists(st.integers(0, 2), min_size=5, max_size=5))
def test_a_merged_id_answers_with_the_heir_and_undoing_the_merge_restores_every_id(
    clusters: Clusters, joins: list[int]
) -> None:
    ledger = Ledger()
    first = ledger.publish(clusters)
    merged = ledger.publish(coarser(clusters, joins))
    for key, golden_id in first.items():
        assert answers(ledger, golden_id) == {merged[key]}
    told = {(golden_id, "merged", merged[key]) for key, golden_id in first.items() if merged[key] != golden_id}
    assert set(ledger.events()) == told
    assert ledger.publish(clusters) == first
    assert {kind for kind, _ in ledger.redirects().values()} <= {"split"}
    assert {event[:2] for event in ledger.events()} >= {(golden_id, "revived") for golden_id, _, _ in told}


@quick
@given(clusterings(every=True), st.lists(st.integers(0, 2), min_size=5, max_size=5))
def test_a_split_keeps_one_heir_that_lists_its_successors_and_undoing_it_restores_the_id(
    clusters: Clusters, joins: list[int]
) -> None:
    ledger = Ledger()
    first = ledger.publish(coarser(clusters, joins))
    split = ledger.publish(clusters)
    for golden_id in set(first.values()):
        parts = {split[key] for key, was in first.items() if was == golden_id}
        assert golden_id in parts
        others = sorted(parts - {golden_id})
        assert ledger.redirects().get(golden_id) == (("split", others) if others else None)
    assert ledger.publish(coarser(clusters, joins)) == first
    assert ledger.redirects().keys() == set(split.values()) - set(first.values())


def test_the_heir_is_the_id_that_holds_most_of_this_clusters_records() -> None:
    ledger = Ledger()
    first = ledger.publish([["a", "b", "c", "d", "e"], ["f", "g"]])
    then = ledger.publish([["a", "f", "g"], ["b", "c", "d", "e"]])
    assert then["a"] == first["f"], "of three records two were f's, although a's id held more in all"
    assert then["b"] == first["a"]


def test_among_equals_the_oldest_id_inherits() -> None:
    ledger = Ledger()
    ledger.publish([["z"]])
    ledger.node = "03"
    first = ledger.publish([["z"], ["a"]])
    assert first["a"] < first["z"], "another node issued the younger one"
    assert ledger.publish([["a", "z"]])["a"] == first["z"]


def test_among_equals_of_one_age_the_smallest_id_inherits() -> None:
    ledger = Ledger()
    first = ledger.publish([["b"], ["a"]])
    assert ledger.publish([["a", "b"]])["b"] == first["a"] == min(first.values())


def test_an_id_that_two_clusters_want_stays_where_it_came_first() -> None:
    ledger = Ledger()
    first = ledger.publish([["b"], ["a"]])
    ledger.publish([["a", "b"]])
    assert ledger.publish([["a"], ["b"]]) == first


def test_an_id_whose_records_went_to_several_answers_with_all_of_them() -> None:
    ledger = Ledger()
    first = ledger.publish([["a", "b"], ["c", "d"], ["e", "f"]])
    then = ledger.publish([["c", "d", "a"], ["e", "f", "b"]])
    assert ledger.redirects() == {first["a"]: ("split", sorted([then["c"], then["e"]]))}
    assert ledger.counts == {
        **{"created": 0, "revived": 0, "changed": 0, "merged": 0, "split": 1, "retired": 0},
        "unchanged": 2,
    }


def test_a_split_is_remembered_until_it_is_undone() -> None:
    ledger = Ledger()
    first = ledger.publish([["a", "b"]])
    split = ledger.publish([["a"], ["b"]])
    remembered = {first["a"]: ("split", [split["b"]])}
    assert ledger.redirects() == remembered
    ledger.publish([["a"], ["b"], ["c"]])
    assert ledger.redirects() == remembered
    ledger.publish([["a", "b"], ["c"]])
    assert ledger.redirects() == {split["b"]: ("merged", [first["a"]])}


def test_merges_chain_over_releases() -> None:
    ledger = Ledger()
    first = ledger.publish([["a"], ["b", "c"], ["d", "e", "f", "g"]])
    ledger.publish([["a", "b", "c"], ["d", "e", "f", "g"]])
    ledger.publish([["a", "b", "c", "d", "e", "f", "g"]])
    assert ledger.redirects() == {
        first["a"]: ("merged", [first["b"]]),
        first["b"]: ("merged", [first["d"]]),
    }
    assert answers(ledger, first["a"]) == {first["d"]}


@quick
@given(clusterings(every=True), st.lists(st.integers(0, 2), min_size=10, max_size=10))
def test_merges_upon_merges_undone_one_after_the_other_restore_every_id(clusters: Clusters, joins: list[int]) -> None:
    ledger = Ledger()
    once = coarser(clusters, joins)
    states = [clusters, once, coarser(once, joins[5:])]
    first, second, _ = (ledger.publish(state) for state in states)
    assert ledger.publish(once) == second
    assert ledger.publish(clusters) == first


def test_two_merges_undone_at_once_restore_all_three_ids() -> None:
    ledger = Ledger()
    first = ledger.publish([["a", "b"], ["c"], ["d", "e", "f", "g"]])
    ledger.publish([["a", "b", "c"], ["d", "e", "f", "g"]])
    ledger.publish([["a", "b", "c", "d", "e", "f", "g"]])
    assert ledger.publish([["a", "b"], ["c"], ["d", "e", "f", "g"]]) == first


@quick
@given(st.data())
def test_what_came_while_two_were_one_moves_no_id_when_they_are_two_again(data: st.DataObject) -> None:
    clusters = data.draw(clusterings(every=True))
    joins = data.draw(st.lists(st.integers(0, 2), min_size=5, max_size=5))
    arrivals = data.draw(st.lists(st.lists(st.integers(0, 9), max_size=3), min_size=1, max_size=4))
    ledger, untouched = Ledger(), Ledger()
    ledger.publish(clusters)
    untouched.publish(clusters)
    new = iter("hijklmnopqrstuvwxyz")
    grown = [list(cluster) for cluster in clusters]
    for came in arrivals:
        for where in came:
            if where < len(clusters):
                grown[where].append(next(new))
            else:
                grown.append([next(new)])
        old = coarser(grown[: len(clusters)], joins)
        ledger.publish([*old, *grown[len(clusters) :]])
        untouched.publish(grown)
    assert ledger.publish(grown) == untouched.publish(grown)


def test_an_id_stays_with_the_records_it_was_given_to_not_with_the_many_that_merged_into_it() -> None:
    ledger = Ledger()
    first = ledger.publish([["a"], ["b"]])
    ledger.publish([["a", "b"]])
    ledger.publish([["a", "b", "c", "d"]])
    then = ledger.publish([["a"], ["b", "c", "d"]])
    assert {key: then[key] for key in "ab"} == first
    assert then["c"] == then["d"] == first["b"]


def test_a_dead_id_goes_to_the_cluster_whose_records_had_it_first() -> None:
    ledger = Ledger()
    ledger.publish([["z"], ["d", "e", "f"]])
    first = ledger.publish([["a"], ["z"], ["d", "e", "f"]])
    ledger.publish([["a", "z"], ["d", "e", "f"]])
    ledger.publish([["a", "z", "d", "e", "f"]])
    assert ledger.publish([["a"], ["z"], ["d", "e", "f"]]) == first


def test_a_withdrawn_record_that_comes_back_gets_its_id_again() -> None:
    ledger = Ledger()
    first = ledger.publish([["a"], ["b"]])
    ledger.publish([["b"]])
    assert ledger.redirects() == {first["a"]: ("retired", [])}
    assert ledger.publish([["a"], ["b"]]) == first
    assert ledger.events() == [(first["a"], "revived", None)]


# ── any sequence of releases ────────────────────────────────────────────────────────────────────────


@quick
@given(st.lists(clusterings(), min_size=3, max_size=6))
def test_over_any_sequence_no_id_is_minted_twice_and_every_id_answers_for_ever(sequence: list[Clusters]) -> None:
    ledger = Ledger()
    ever: set[str] = set()
    alive: set[str] = set()
    seqs: list[int] = []
    for clusters in sequence:
        serial = ledger.serial
        now = ledger.publish(clusters)
        by_cluster = [{now[key] for key in cluster} for cluster in clusters]
        assert all(len(one) == 1 for one in by_cluster) and len(set.union(set(), *by_cluster)) == len(clusters)
        events = ledger.events()
        minted = sorted(golden_id for golden_id, kind, _ in events if kind == "created")
        assert not set(minted) & ever
        assert [ids.parse(one) for one in minted] == [
            ids.GoldenId("S", "07", serial + 1 + i) for i in range(ledger.serial - serial)
        ]
        ever |= set(minted)
        living = ledger.living()
        for one in ever:
            assert answers(ledger, one) <= ever
            assert one in living or one in ledger.redirects()
        came = {golden_id for golden_id, kind, _ in events if kind in ("created", "revived")}
        assert came == living - alive
        ended = {golden_id for golden_id, kind, _ in events if kind in ("merged", "split", "retired")}
        assert ended >= alive - living
        assert all(into in living for _, _, into in events if into is not None)
        assert all(kind == "split" for golden_id, (kind, _) in ledger.redirects().items() if golden_id in living)
        seqs += [row[0] for row in ledger.rows("select seq from change order by seq")]
        alive = living
    assert seqs == list(range(1, len(seqs) + 1))


@quick
@given(st.lists(clusterings(), min_size=2, max_size=5))
def test_the_crosswalk_says_of_every_record_where_it_was_and_is(sequence: list[Clusters]) -> None:
    ledger = Ledger()
    was: dict[str, set[str]] = {}
    for clusters in sequence:
        for key, golden_id in ledger.publish(clusters).items():
            was.setdefault(key, set()).add(golden_id)
    rows = ledger.rows("select source_key, golden_id, until from crosswalk")
    assert {key: {golden_id for k, golden_id, _ in rows if k == key} for key in was} == was
    assert max(Counter(key for key, _, until in rows if until is None).values(), default=1) == 1


# ── the id itself ───────────────────────────────────────────────────────────────────────────────────

golden_ids = st.builds(
    ids.golden_id,
    st.text("ABCDEFGHIJKLMNOPQRSTUVWXYZ", min_size=1, max_size=3),
    st.text("0123456789", min_size=2, max_size=2),
    st.integers(1, 10**10 - 1),
)


@given(st.lists(golden_ids, min_size=1, max_size=20))
@settings(max_examples=5, derandomize=True)
def test_every_id_is_well_formed_in_python_and_in_sql(made: list[str]) -> None:
    con = duckdb.connect()
    ids.create_macros(con)
    found = con.execute("select bool_and(well_formed(id)) from (select unnest(?::varchar[]) as id)", [made]).fetchall()
    assert found == [(True,)]
    for one in made:
        parts = ids.parse(one)
        assert parts is not None and ids.golden_id(*parts) == one


@given(golden_ids)
@settings(max_examples=5, derandomize=True)
def test_the_check_character_catches_every_wrong_character_and_every_swap_of_neighbours(golden_id: str) -> None:
    wrong = {
        golden_id[:i] + other + golden_id[i + 1 :]
        for i in range(len(golden_id))
        for other in ids.ALPHABET
        if other != golden_id[i]
    }
    wrong |= {
        golden_id[:i] + golden_id[i + 1] + golden_id[i] + golden_id[i + 2 :] for i in range(len(golden_id) - 1)
    } - {golden_id}
    assert [text for text in wrong if ids.parse(text) is not None] == []
    assert [text for text in wrong if ids.check_character(text[:-1]) == text[-1]] == []


def test_sql_refuses_what_python_refuses() -> None:
    right = ids.golden_id("S", "07", 123)
    wrong = [right[:-1] + "0", right[:-1], right.lower(), "", "S" + right, right + " ", f"{right[:5]}X{right[6:]}"]
    con = duckdb.connect()
    ids.create_macros(con)
    found = con.execute("select coalesce(well_formed(id), false) from (select unnest(?) as id)", [wrong]).fetchall()
    assert [ids.parse(one) for one in wrong] == [None] * len(wrong)
    assert found == [(False,)] * len(wrong)


@pytest.mark.parametrize("serial", [0, -1, 10**10])
def test_a_serial_beyond_its_digits_is_refused(serial: int) -> None:
    with pytest.raises(ValueError, match="does not fit"):
        ids.golden_id("S", "07", serial)


# ── whole workspaces ────────────────────────────────────────────────────────────────────────────────

SHIPS = [{"id": f"r{i}", "mark": f"M{i}", "name": f"船{i}"} for i in range(5)]
CALLS = [{"id": f"h{i}", "mark": f"M{i}", "name": f"船{i}"} for i in (1, 3, 8)]


@pytest.fixture(scope="module")
def published(tmp_path_factory: pytest.TempPathFactory) -> Yard:
    """A workspace with one release of six ships."""
    made = Yard.create(tmp_path_factory.mktemp("published") / "ws")
    made.deliver("registry", "2024-01-31", *SHIPS)
    made.deliver("harbour", "2024-02-01", *CALLS)
    made.release()
    return made


@pytest.fixture
def yard(published: Yard, tmp_path: Path) -> Yard:
    """A copy of it, to be changed."""
    shutil.copytree(published.ws.root, tmp_path / "ws", symlinks=True)
    return Yard(Workspace.open(tmp_path / "ws"))


def test_files_in_another_order_with_other_rows_first_get_the_same_ids(yard: Yard, tmp_path: Path) -> None:
    other = Yard.create(tmp_path / "other")
    other.deliver("harbour", "2024-02-01", *CALLS[::-1])
    other.deliver("registry", "2024-01-31", *SHIPS[::-1])
    other.release()
    assert other.ids() == yard.ids()
    for table in ("golden", "crosswalk", "change", "provenance"):
        assert other.table(table) == yard.table(table)


def test_a_work_database_that_was_deleted_is_rebuilt_with_the_same_ids(yard: Yard) -> None:
    before = yard.ids()
    yard.ws.database.unlink()
    shutil.rmtree(yard.ws.root / "spill", ignore_errors=True)
    yard.release()
    assert yard.ids() == before
    assert yard.table("change") == []


def test_new_files_move_no_id_of_ships_they_do_not_speak_of(yard: Yard) -> None:
    before = yard.ids()
    yard.deliver("insurer", "2024-03-01", {"id": "i1", "mark": "M1"}, {"id": "i9", "mark": "M9"})
    yard.release()
    assert {subject: golden_id for subject, golden_id in yard.ids().items() if subject[0] != "insurer"} == before
    assert yard.id_of("insurer", "i1") == yard.id_of("registry", "r1")


def test_a_stewards_merge_and_its_withdrawal_give_both_ids_back(yard: Yard) -> None:
    before = yard.ids()
    number = yard.say("same", ("registry", "r0"), ("harbour", "h8"))
    yard.release()
    heir, old = sorted([before["harbour", "h8"], before["registry", "r0"]])
    with yard.ask() as published:
        assert published.show(old) == published.show(heir) | {"redirected_from": old}
    yard.decisions.withdraw(number)
    yard.release()
    assert yard.ids() == before


def test_a_stewards_split_keeps_the_id_with_one_half_and_names_the_other(yard: Yard) -> None:
    was = yard.id_of("registry", "r1")
    yard.say("different", ("registry", "r1"), ("harbour", "h1"))
    yard.release()
    halves = {yard.id_of("registry", "r1"), yard.id_of("harbour", "h1")}
    assert was in halves and len(halves) == 2
    with yard.ask() as published:
        shown = published.show(was)
    assert (shown["golden_id"], shown["successors"]) == (was, sorted(halves - {was}))
