"""The plain walk of constrained union, edge by edge, for the few components that could conflict."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import numpy as np
from numpy.typing import NDArray

Pair = tuple[int, int]


class Walk:
    """Knows the constraints of every record; `take` unites clusters in the order of the edges."""

    def __init__(
        self,
        slots: Mapping[str, NDArray[np.int64]],
        groups: NDArray[np.int64],
        licences: Mapping[str, frozenset[Pair]],
    ) -> None:
        self.slots = list(slots.values())
        self.groups = groups
        self.licences = [{ordered(*pair) for pair in licences.get(slot, ())} for slot in slots]
        self.same: set[Pair] = set()
        self.forbidden: dict[int, set[int]] = {}

    def decide(self, same: Iterable[Pair], different: Iterable[Pair]) -> None:
        """Take in the stewards' decisions: `same` licenses what the two records hold."""
        for a, b in same:
            self.same.add(ordered(a, b))
            for values, licences in zip(self.slots, self.licences, strict=True):
                licences.add(ordered(int(values[a]), int(values[b])))
        for a, b in different:
            self.forbidden.setdefault(a, set()).add(b)
            self.forbidden.setdefault(b, set()).add(a)

    def take(
        self, records: list[int], label: list[int], edges: Iterable[tuple[int, int, int]]
    ) -> tuple[list[int], list[int], list[int]]:
        """Unite the clusters `label` of `records` along `edges` (number, cluster, cluster).

        Returns the new label of each record, the numbers of refused edges, and why (a position in the
        slots, then duplicate-free groups, then `different` decisions).
        """
        held = self._contents(records, label)
        parent: dict[int, int] = {head: head for head in held}
        refused, reasons = [], []
        for number, a, b in edges:
            a, b = find(parent, a), find(parent, b)
            if a == b:
                continue
            reason = self._conflict(held[a], held[b])
            if reason >= 0:
                refused.append(number)
                reasons.append(reason)
                continue
            low, high = min(a, b), max(a, b)
            parent[high] = low
            held[low] = held[low].merged(held.pop(high))
        return [find(parent, head) for head in label], refused, reasons

    def _contents(self, records: list[int], label: list[int]) -> dict[int, Contents]:
        held: dict[int, Contents] = {}
        codes = [values[records].tolist() for values in self.slots]
        groups = self.groups[records].tolist()
        for i, (record, head) in enumerate(zip(records, label, strict=True)):
            contents = held.get(head)
            if contents is None:
                contents = held[head] = Contents(len(codes))
            for values, column in zip(contents.values, codes, strict=True):
                if column[i] >= 0:
                    values.add(column[i])
            if groups[i] >= 0:
                contents.groups.setdefault(groups[i], set()).add(record)
            if record in self.forbidden:
                contents.decided.add(record)
                contents.forbidden |= self.forbidden[record]
        return held

    def _conflict(self, one: Contents, other: Contents) -> int:
        for position, (a, b) in enumerate(zip(one.values, other.values, strict=True)):
            if a and b and not a <= b and not b <= a:
                licences = self.licences[position]
                if not all(ordered(x, y) in licences for x in a - b for y in b - a):
                    return position
        for group in one.groups.keys() & other.groups.keys():
            if not all(ordered(x, y) in self.same for x in one.groups[group] for y in other.groups[group]):
                return len(self.slots)
        if one.forbidden & other.decided:
            return len(self.slots) + 1
        return -1


class Contents:
    """What a cluster holds: values per slot, records per duplicate-free group, decided records."""

    __slots__ = ("decided", "forbidden", "groups", "values")

    def __init__(self, slots: int) -> None:
        self.values: list[set[int]] = [set() for _ in range(slots)]
        self.groups: dict[int, set[int]] = {}
        self.decided: set[int] = set()
        self.forbidden: set[int] = set()

    def merged(self, other: Contents) -> Contents:
        """Take in another cluster's contents."""
        for mine, theirs in zip(self.values, other.values, strict=True):
            mine |= theirs
        for group, records in other.groups.items():
            self.groups.setdefault(group, set()).update(records)
        self.decided |= other.decided
        self.forbidden |= other.forbidden
        return self


def ordered(a: int, b: int) -> Pair:
    """An unordered pair in its one spelling."""
    return (a, b) if a <= b else (b, a)


def find(parent: dict[int, int], node: int) -> int:
    """The root of a node, with the path to it halved."""
    while parent[node] != node:
        parent[node] = parent[parent[node]]
        node = parent[node]
    return node
