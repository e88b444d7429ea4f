"""Constrained union over arrays: who is one entity, when some may not be.

Edges are taken in descending weight (ties by the smaller record, then the other). A union is refused where
it would bring two unlicensed values of one slot, two records of one duplicate-free group, or the two sides
of a `different` decision together. `same` decisions are joined first and license what they bring together.

The result is that of walking edge by edge, but almost no edge is walked. Components of all edges without a
possible conflict are taken whole. The rest is cut into runs of descending weight; inside a run, edges
between clusters that already exclude each other are refused at once, components that cannot conflict are
taken whole, and only what is left is walked in Python. Edges of one component never decide about another,
so the shortcut is exact; `tests/linkage/test_union.py` compares it with the plain walk.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from linkage.walk import Walk

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]
Pair = tuple[int, int]
RUN = 100_000
MASK_GROUPS = 63
DUPLICATE_FREE = "duplicate_free"
DIFFERENT = "different"
PINNED = "pinned"  # refused before any union: the pair leads into or out of a pinned entity


@dataclass(frozen=True)
class Constraints:
    """What may not come together, over records 0 … n-1.

    slots      name -> a code per record, -1 for none; one cluster holds one code unless licensed
    groups     a code per record, -1 for none: one cluster holds at most one record of a group
    licences   slot -> pairs of codes that one cluster may hold
    same       pairs of records that a steward joined: taken first, and what they bring together is licensed
    different  pairs of records that a steward keeps apart
    """

    slots: dict[str, Ints]
    groups: Ints
    licences: dict[str, frozenset[Pair]] = field(default_factory=dict)
    same: tuple[Pair, ...] = ()
    different: tuple[Pair, ...] = ()

    @property
    def reasons(self) -> tuple[str, ...]:
        """The names of what can refuse a union; a refusal's reason is a position in here."""
        return (*self.slots, DUPLICATE_FREE, DIFFERENT)


@dataclass(frozen=True)
class Clusters:
    """The smallest record of each record's cluster; the refused edges (positions) and why."""

    label: Ints
    refused: Ints
    reason: Ints


def components(count: int, left: Ints, right: Ints) -> Ints:
    """The smallest node of each node's connected component: hook roots to smaller ones, then jump."""
    label = np.arange(count, dtype=np.int64)
    while left.size:
        high, low = np.maximum(left, right), np.minimum(left, right)
        label[high] = low
        while not np.array_equal(jumped := label[label], label):
            label = jumped
        left, right = label[left], label[right]
        apart = left != right
        left, right = left[apart], right[apart]
    return label


def constrained_union(count: int, edges: tuple[Ints, Ints, Floats], constraints: Constraints) -> Clusters:
    """Clusters of `count` records from `edges` (left record, right record, weight; left < right).

    Edges whose ends came together in another way are never refusals. The order of the edges is immaterial.
    """
    left, right, weight = edges
    label = components(count, *_columns(constraints.same))
    whole = components(count, label[left], label[right])[label]
    union = _Union(label, constraints)
    suspect = union.conflicting(np.arange(count, dtype=np.int64), whole, count)
    clean = ~suspect[whole]
    label[clean] = whole[clean]
    union.members = np.flatnonzero(~clean)
    order = np.flatnonzero(suspect[whole[left]])
    order = order[np.lexsort((right[order], left[order], -weight[order]))]
    found = [
        union.take(run, left[run], right[run])
        for run in (order[start : start + RUN] for start in range(0, order.size, RUN))
    ]
    refused = np.concatenate([np.zeros(0, dtype=np.int64), *(edge for edge, _ in found)])
    reason = np.concatenate([np.zeros(0, dtype=np.int64), *(why for _, why in found)])
    apart = label[left[refused]] != label[right[refused]]
    return Clusters(label, refused[apart], reason[apart])


class _Union:
    """The clusters so far: `label` is changed in place, `members` are the records still in question."""

    def __init__(self, label: Ints, constraints: Constraints) -> None:
        self.label = label
        self.constraints = constraints
        self.members = np.zeros(0, dtype=np.int64)
        self.node = np.full(label.size, -1, dtype=np.int64)
        self.width = int(constraints.groups.max(initial=0)) + 1
        self.walk = Walk(constraints.slots, constraints.groups, constraints.licences)
        self.walk.decide(constraints.same, constraints.different)
        self.special = self._special()

    def conflicting(self, records: Ints, component: Ints, count: int) -> Bools:
        """Per component, whether `records` (each in `component`) together could break a constraint."""
        found = np.zeros(count, dtype=np.bool_)
        for values in self.constraints.slots.values():
            low, high = _bounds(count, component, values[records])
            found |= low < high
        grouped = self.constraints.groups[records] >= 0
        keys = np.sort(component[grouped] * self.width + self.constraints.groups[records][grouped])
        found[keys[1:][keys[1:] == keys[:-1]] // self.width] = True
        if self.constraints.different:
            where = np.full(self.label.size, -1, dtype=np.int64)
            where[records] = component
            a, b = (where[side] for side in _columns(self.constraints.different))
            found[a[(a == b) & (a >= 0)]] = True
        return found

    def take(self, run: Ints, left: Ints, right: Ints) -> tuple[Ints, Ints]:
        """Take the edges of one run, in order; returns the refused ones and why."""
        left, right = self.label[left], self.label[right]
        apart = left != right
        run, left, right = run[apart], left[apart], right[apart]
        heads, ends = np.unique(np.concatenate([left, right]), return_inverse=True)
        left, right = ends[: run.size], ends[run.size :]
        self.node[heads] = np.arange(heads.size)
        node = self.node[self.label[self.members]]
        records, node = self.members[node >= 0], node[node >= 0]
        self.node[heads] = -1

        reason = self._excluded(records, node, left, right, heads.size)
        free = reason < 0
        refused, why = [run[~free]], [reason[~free]]
        run, left, right = run[free], left[free], right[free]
        joined = components(heads.size, left, right)
        suspect = self.conflicting(records, joined[node], heads.size)
        clean = ~suspect[joined[node]]
        self.label[records[clean]] = heads[joined[node[clean]]]
        walked = suspect[joined[left]]
        if walked.any():
            doubtful = records[~clean]
            steps = zip(run[walked].tolist(), heads[left[walked]].tolist(), heads[right[walked]].tolist(), strict=True)
            label, edge, code = self.walk.take(doubtful.tolist(), self.label[doubtful].tolist(), steps)
            self.label[doubtful] = label
            refused.append(np.array(edge, dtype=np.int64))
            why.append(np.array(code, dtype=np.int64))
        return np.concatenate(refused), np.concatenate(why)

    def _excluded(self, records: Ints, node: Ints, left: Ints, right: Ints, count: int) -> Ints:
        """Per edge, the position of a constraint that its two clusters break beyond doubt, or -1."""
        reason = np.full(left.size, -1, dtype=np.int64)
        for position, values in enumerate(self.constraints.slots.values()):
            low, high = _bounds(count, node, values[records])
            single = low == high
            differ = single[left] & single[right] & (low[left] != low[right])
            reason[differ & (reason < 0)] = position
        if self.width <= MASK_GROUPS:
            held = self.constraints.groups[records] >= 0
            mask = np.zeros(count, dtype=np.int64)
            np.bitwise_or.at(mask, node[held], np.int64(1) << self.constraints.groups[records][held])
            shared = (mask[left] & mask[right]) != 0
            reason[shared & (reason < 0)] = len(self.constraints.slots)
        special = np.zeros(count, dtype=np.bool_)
        special[node[self.special[records]]] = True
        reason[special[left] | special[right]] = -1
        return reason

    def _special(self) -> Bools:
        """The records that a licence or a `same` decision speaks of: never refused without a walk."""
        found = np.zeros(self.label.size, dtype=np.bool_)
        for side in _columns(self.constraints.same):
            found[side] = True
        for values, pairs in zip(self.constraints.slots.values(), self.walk.licences, strict=True):
            if pairs:
                found |= np.isin(values, np.concatenate(_columns(pairs))) & (values >= 0)
        return found


def _bounds(count: int, component: Ints, values: Ints) -> tuple[Ints, Ints]:
    """The smallest and the largest code (-1 apart) that each component holds; low > high where none."""
    held = values >= 0
    low = np.full(count, np.iinfo(np.int64).max, dtype=np.int64)
    high = np.full(count, -1, dtype=np.int64)
    np.minimum.at(low, component[held], values[held])
    np.maximum.at(high, component[held], values[held])
    return low, high


def _columns(pairs: Iterable[Pair]) -> tuple[Ints, Ints]:
    array = np.array(sorted(pairs), dtype=np.int64).reshape(-1, 2)
    return array[:, 0], array[:, 1]
