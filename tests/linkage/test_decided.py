"""Where decisions contradict each other, and what is told of it."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from linkage.decided import Decided, SourceRecord, contradictions
from linkage.union import components

RECORDS: list[SourceRecord] = [("s", f"{i}") for i in range(8)]
SAID = st.builds(
    lambda kind, a, b: Decided(kind, RECORDS[a], RECORDS[b]),
    st.sampled_from(["same", "different"]),
    st.integers(0, 3),
    st.integers(4, 7),
)


@given(st.lists(SAID, max_size=12))
def test_a_pair_called_different_contradicts_where_same_decisions_connect_it(decided: list[Decided]) -> None:
    same = [(RECORDS.index(one.left), RECORDS.index(one.right)) for one in decided if one.kind == "same"]
    ends = np.array(same, dtype=np.int64).reshape(-1, 2)
    label = components(len(RECORDS), ends[:, 0].copy(), ends[:, 1].copy())
    found = contradictions(decided)
    assert [one.different for one in found] == [
        one
        for one in decided
        if one.kind == "different" and label[RECORDS.index(one.left)] == label[RECORDS.index(one.right)]
    ]
    for one in found:
        here = one.different.left
        for step in one.chain:
            assert step in decided and step.kind == "same" and here in (step.left, step.right)
            here = step.right if step.left == here else step.left
        assert here == one.different.right


def test_the_chain_is_told_with_its_decisions() -> None:
    a, b, c = RECORDS[:3]
    decided = [Decided("same", a, b, 3), Decided("same", b, c, 7), Decided("different", a, c, 9)]
    (found,) = contradictions(decided)
    assert str(found) == "s/0 ≠ s/2 (decision 9), but s/0 = s/1 (decision 3), s/1 = s/2 (decision 7)"
