"""The weakest link behind a golden record: the lightest of the heaviest pairs that hold its records together."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from golden_records.strength import weakest_links
from tests.golden_records.things import Yard
from tests.told import Told

Edge = tuple[int, int, float]


def weakest(label: list[int], edges: list[Edge], joined: list[int] | None = None) -> list[float]:
    parts = np.array(range(len(label)) if joined is None else joined, dtype=np.int64)
    left, right = (np.array([edge[side] for edge in edges], dtype=np.int64) for side in (0, 1))
    weight = np.array([edge[2] for edge in edges], dtype=np.float64)
    return [float(one) for one in weakest_links(np.array(label, dtype=np.int64), parts, (left, right, weight))]


@pytest.mark.parametrize(
    ("label", "edges", "joined", "expected"),
    [
        # A record alone has no link.
        ([0, 1], [], None, [np.inf, np.inf]),
        ([0, 0], [(0, 1, 12.5)], None, [12.5]),
        # Three records: the two heavy pairs hold them, the light third pair adds nothing.
        ([0, 0, 0], [(0, 1, 20.0), (1, 2, 15.0), (0, 2, 9.0)], None, [15.0]),
        # Two pairs with one bridge: everything hangs on the bridge.
        ([0, 0, 0, 0], [(0, 1, 30.0), (2, 3, 30.0), (1, 2, 8.5)], None, [8.5]),
        # A pair that a constraint kept apart joins nothing.
        ([0, 0, 1], [(0, 1, 10.0), (1, 2, 40.0)], None, [10.0, np.inf]),
        # What a steward joined has no weight of its own.
        ([0, 0, 0], [(1, 2, 11.0)], [0, 0, 2], [11.0]),
        ([0, 0], [(0, 1, 9.0)], [0, 0], [np.inf]),
    ],
)
def test_the_weakest_link(label: list[int], edges: list[Edge], joined: list[int] | None, expected: list[float]) -> None:
    assert weakest(label, edges, joined) == expected


@settings(max_examples=200)
@given(st.integers(2, 9), st.lists(st.tuples(st.integers(0, 8), st.integers(0, 8), st.integers(1, 6)), max_size=25))
def test_it_is_that_of_joining_edge_by_edge_from_the_heaviest(count: int, drawn: list[tuple[int, int, int]]) -> None:
    edges = [(min(a, b), max(a, b), float(w)) for a, b, w in drawn if a != b and max(a, b) < count]
    part = list(range(count))
    last: dict[int, float] = {}
    for a, b, weight in sorted(edges, key=lambda edge: -edge[2]):
        one, other = part[a], part[b]
        if one != other:
            part = [one if p == other else p for p in part]
            last[one] = min(weight, last.pop(other, np.inf), last.get(one, np.inf))
    numbers = {head: n for n, head in enumerate(dict.fromkeys(part))}
    assert weakest([numbers[p] for p in part], edges) == [last.get(head, np.inf) for head in numbers]


def test_a_release_tells_the_weakest_match_and_the_day_of_each_record(told: Told) -> None:
    yard: Yard = told.yard
    found = {row["golden_id"]: row["weakest_match"] for row in yard.table("golden", 1)}
    by_weight = yard.id_of("registry", "r0", 1)
    assert found[by_weight] is not None and found[by_weight] >= 2
    assert found[yard.id_of("registry", "r1", 1)] is None
    steward = {row["golden_id"]: row["weakest_match"] for row in yard.table("golden", 2)}
    assert steward[yard.id_of("registry", "r1", 2)] is None
    days = {
        (row["source"], row["source_key"]): (row["observed_on"], row["until"]) for row in yard.table("crosswalk", 2)
    }
    assert str(days["harbour", "h0"][0]) == "2024-02-01"
    assert days["registry", "r4"][0] is None and days["registry", "r4"][1] is not None
