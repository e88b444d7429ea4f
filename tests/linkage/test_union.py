"""Constrained union: the fast way over arrays equals the plain walk, whatever the order of the edges."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from linkage import union
from linkage.union import Clusters, Constraints, components, constrained_union

RECORDS = 12
pair = st.tuples(st.integers(0, RECORDS - 1), st.integers(0, RECORDS - 1)).filter(lambda p: p[0] < p[1])
code = st.integers(-1, 2)
codes = st.lists(code, min_size=RECORDS, max_size=RECORDS)


@st.composite
def problems(draw: st.DrawFn) -> tuple[list[tuple[int, int, float]], Constraints]:
    """Small random inputs in which constraints bite often."""
    edges = draw(st.lists(st.tuples(pair, st.sampled_from([9.0, 10.0, 11.5])), max_size=30, unique_by=lambda e: e[0]))
    licences = draw(st.lists(st.sampled_from([(0, 1), (1, 2)]), max_size=1))
    constraints = Constraints(
        slots={"number": array(draw(codes)), "other": array(draw(codes))},
        groups=array(draw(codes)),
        licences={"number": frozenset(licences)},
        same=tuple(draw(st.lists(pair, max_size=2, unique=True))),
        different=tuple(draw(st.lists(pair, max_size=2, unique=True))),
    )
    return [(left, right, weight) for (left, right), weight in edges], constraints


def array(values: list[int]) -> union.Ints:
    return np.array(values, dtype=np.int64)


def arrays(edges: list[tuple[int, int, float]]) -> tuple[union.Ints, union.Ints, union.Floats]:
    return (
        array([left for left, _, _ in edges]),
        array([right for _, right, _ in edges]),
        np.array([weight for *_, weight in edges], dtype=np.float64),
    )


def plain_walk(edges: list[tuple[int, int, float]], constraints: Constraints) -> list[int]:
    """What the module promises, written the slow and obvious way."""
    cluster = [{i} for i in range(RECORDS)]

    def unite(a: int, b: int) -> None:
        together = cluster[a] | cluster[b]
        for record in together:
            cluster[record] = together

    def values(slot: str, records: set[int]) -> set[int]:
        return {int(constraints.slots[slot][i]) for i in records} - {-1}

    def licensed(slot: str, x: int, y: int) -> bool:
        by_same = {
            tuple(sorted((int(constraints.slots[slot][a]), int(constraints.slots[slot][b]))))
            for a, b in constraints.same
        }
        return tuple(sorted((x, y))) in by_same | set(constraints.licences.get(slot, ()))

    def allowed(one: set[int], other: set[int]) -> bool:
        for slot in constraints.slots:
            a, b = values(slot, one), values(slot, other)
            apart = a and b and not a <= b and not b <= a
            if apart and not all(licensed(slot, x, y) for x in a - b for y in b - a):
                return False
        for i in one:
            for j in other:
                same_group = constraints.groups[i] >= 0 and constraints.groups[i] == constraints.groups[j]
                if same_group and tuple(sorted((i, j))) not in {tuple(sorted(p)) for p in constraints.same}:
                    return False
                if (i, j) in constraints.different or (j, i) in constraints.different:
                    return False
        return True

    for a, b in constraints.same:
        unite(a, b)
    for left, right, _ in sorted(edges, key=lambda e: (-e[2], e[0], e[1])):
        if cluster[left] is not cluster[right] and allowed(cluster[left], cluster[right]):
            unite(left, right)
    return [min(cluster[i]) for i in range(RECORDS)]


@pytest.mark.parametrize("run", [1, 2, 5, 1000])
@settings(max_examples=300)
@given(problem=problems())
def test_equals_the_plain_walk(run: int, problem: tuple[list[tuple[int, int, float]], Constraints]) -> None:
    edges, constraints = problem
    union.RUN = run
    try:
        found = constrained_union(RECORDS, arrays(edges), constraints)
    finally:
        union.RUN = 100_000
    assert found.label.tolist() == plain_walk(edges, constraints)
    for edge in found.refused.tolist():
        left, right, _ = edges[edge]
        assert found.label[left] != found.label[right]


@settings(max_examples=200)
@given(problem=problems(), data=st.data())
def test_the_order_of_the_edges_is_immaterial(
    problem: tuple[list[tuple[int, int, float]], Constraints], data: st.DataObject
) -> None:
    edges, constraints = problem
    shuffled = data.draw(st.permutations(edges))
    one = constrained_union(RECORDS, arrays(edges), constraints)
    other = constrained_union(RECORDS, arrays(shuffled), constraints)
    assert one.label.tolist() == other.label.tolist()
    assert refusals(edges, one, constraints) == refusals(shuffled, other, constraints)


@settings(max_examples=200)
@given(problem=problems())
def test_no_cluster_breaks_a_constraint_that_no_licence_covers(
    problem: tuple[list[tuple[int, int, float]], Constraints],
) -> None:
    edges, constraints = problem
    bare = Constraints(constraints.slots, constraints.groups, different=constraints.different)
    label = constrained_union(RECORDS, arrays(edges), bare).label
    for head in set(label.tolist()):
        members = np.flatnonzero(label == head)
        for values in bare.slots.values():
            assert len(set(values[members].tolist()) - {-1}) <= 1
        groups = [group for group in bare.groups[members].tolist() if group >= 0]
        assert len(groups) == len(set(groups))
        assert not any(a in members and b in members for a, b in bare.different)


def refusals(
    edges: list[tuple[int, int, float]], found: Clusters, constraints: Constraints
) -> set[tuple[tuple[int, int, float], str]]:
    pairs = zip(found.refused.tolist(), found.reason.tolist(), strict=True)
    return {(edges[edge], constraints.reasons[reason]) for edge, reason in pairs}


def test_components_of_a_long_chain_and_a_star() -> None:
    count = 5000
    chain = np.arange(count - 1, dtype=np.int64)
    assert components(count, chain, chain + 1).max() == 0
    assert components(count, chain[::-1].copy(), chain[::-1] + 1).max() == 0
    star = np.full(count - 1, count - 1, dtype=np.int64)
    assert components(count, star, chain).max() == 0
    assert components(3, array([]), array([])).tolist() == [0, 1, 2]
