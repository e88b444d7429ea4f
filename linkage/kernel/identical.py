"""Records that say the same in every column that is matched: they are blocked and weighed as one.

Reads and writes nothing. The first record of a class, its *head*, stands for all of them: a pair of heads for all pairs
of a record of the one class and a record of the other, a head with itself for the pairs within its class. They all have
one weight. Where rules say something else of two records the other way round, a pair of heads (l, r) stands only for
the pairs whose record of l comes first.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass

import numpy as np

from linkage.kernel.blocks import Blocks, among
from linkage.kernel.columns import Bools, Columns, Hashes, Ints, Lists, Narrow
from linkage.kernel.conditions import Positions, where_true

WORTH = 0.02  # of the records: where fewer say what another one says, to treat them as one costs more than it saves
ODD = np.uint64(0x9E3779B97F4A7C15)


@dataclass(frozen=True)
class Classes:
    """Records by class.

    member  ordinals, class after class, in each ascending
    start   by ordinal, of a head the place of its class in `member`
    size    by ordinal, of a head how many records its class has, of the others 0
    last    by ordinal, of a head the last record of its class
    turns   whether the rules may say something else of two records the other way round
    """

    member: Narrow
    start: Narrow
    size: Narrow
    last: Narrow
    turns: bool

    @classmethod
    def of(cls, columns: Columns, names: Collection[str], turns: Callable[[], bool]) -> Classes:
        """The classes of records that are equal in the named columns; where few are, each is one of its own.

        `turns` is asked, which costs a little, only where there are classes.
        """
        mixed = _mixed(columns, names)
        order = np.argsort(mixed, kind="stable")
        first = np.ones(order.size, dtype=np.bool_)
        np.not_equal(mixed[order][1:], mixed[order][:-1], out=first[1:])
        again = np.flatnonzero(~first)
        # Equal mixes are compared in full; a record that only mixes alike is a class of its own, which costs nothing.
        head = np.maximum.accumulate(np.where(first, np.arange(order.size), 0))
        if again.size < WORTH * order.size:
            return cls.single(columns)
        apart = again[~_equal(columns, names, order[again], order[head[again]])]
        if apart.size:
            order = np.concatenate([np.delete(order, apart), order[apart]])
            first = np.concatenate([np.delete(first, apart), np.ones(apart.size, dtype=np.bool_)])
        begins = np.flatnonzero(first)
        start, size, last = (np.zeros(order.size, dtype=np.int32) for _ in range(3))
        heads = order[begins]
        start[heads] = begins
        size[heads] = np.diff(np.append(begins, order.size))
        last[heads] = order[begins + size[heads] - 1]
        return cls(order.astype(np.int32), start, size, last, turns())

    @classmethod
    def single(cls, columns: Columns) -> Classes:
        """Every record a class of its own."""
        each = np.arange(columns.count, dtype=np.int32)
        return cls(each, each, np.ones(columns.count, dtype=np.int32), each, turns=False)

    @property
    def heads(self) -> Bools:
        """By ordinal, whether a record is the head of its class."""
        return self.size > 0

    def among(self, blocks: Sequence[Blocks]) -> list[Blocks]:
        """The blocks of the heads. A record shares all blocks with its head: none of them vanishes."""
        heads = self.heads
        return list(blocks) if heads.all() else [among(one, heads) for one in blocks]

    def within(self, made: Blocks, earlier: Sequence[Blocks]) -> Positions:
        """The heads of several records that stand in a block of a rule and in none of the earlier ones."""
        several = np.flatnonzero(self.size > 1)
        several = where_true(_stands(made, several), several)
        for one in earlier:
            several = where_true(~_stands(one, several), several)
        return several

    def both_ways(self, left: Positions, right: Positions) -> tuple[Positions, Positions]:
        """Pairs of heads, and those the other way round that stand for any pair of records."""
        turned = right < self.last[left]
        if not self.turns or not turned.any():
            return left, right
        return (
            np.concatenate([left, where_true(turned, right)]),
            np.concatenate([right, where_true(turned, left)]),
        )

    def spread(self, left: Positions, right: Positions, group: Ints) -> tuple[Positions, Positions, Positions]:
        """The pairs of records that pairs of heads stand for: the number of the latter, and both records.

        Two records of one `group` (-1: none) are no pair.
        """
        each = self.size[left].astype(np.int64) * self.size[right]
        if each.max(initial=1) == 1:
            pair, a, b = np.arange(left.size), left, right
        else:
            pair = np.repeat(np.arange(left.size), each)
            place = np.arange(pair.size) - np.repeat(np.cumsum(each) - each, each)
            width = self.size[right][pair]
            a = self.member[self.start[left][pair] + place // width].astype(np.int64)
            b = self.member[self.start[right][pair] + place % width].astype(np.int64)
        good = (a < b) | ((left != right)[pair] & (not self.turns))
        good &= (group[a] < 0) | (group[a] != group[b])
        pair, a, b = where_true(good, pair), where_true(good, a), where_true(good, b)
        return pair, np.minimum(a, b), np.maximum(a, b)


def _mixed(columns: Columns, names: Collection[str]) -> Hashes:
    """A number for every record, equal where all columns are."""
    mixed = np.zeros(columns.count, dtype=np.uint64)
    for name in sorted(names):
        if name in columns.lists:
            said = _mixed_lists(columns.lists[name])
        else:
            said = (columns.codes[name] if name in columns.codes else columns.numbers[name]).astype(np.uint64)
        mixed = (mixed ^ said) * ODD
        mixed ^= mixed >> np.uint64(29)
    return mixed


def _mixed_lists(lists: Lists) -> Hashes:
    """The same of a column of lists."""
    said = (lists.items.astype(np.uint64) + np.uint64(1)) * ODD
    said ^= said >> np.uint64(31)
    upto = np.concatenate([np.zeros(1, dtype=np.uint64), np.cumsum(said * ODD, dtype=np.uint64)])
    whole: Hashes = upto[lists.start + np.maximum(lists.length, 0)] - upto[lists.start]
    return whole + lists.length.astype(np.uint64)


def _equal(columns: Columns, names: Collection[str], a: Positions, b: Positions) -> Bools:
    """Whether two records are equal in the named columns, null being equal to null."""
    same = np.ones(a.size, dtype=np.bool_)
    for name in names:
        if name in columns.lists:
            same &= _equal_lists(columns.lists[name], a, b)
        else:
            held = columns.codes[name] if name in columns.codes else columns.numbers[name]
            same &= held.take(a) == held.take(b)
    return same


def _equal_lists(lists: Lists, a: Positions, b: Positions) -> Bools:
    same: Bools = lists.length[a] == lists.length[b]
    alike = np.flatnonzero(same & (lists.length[a] > 0))
    length = lists.length[a[alike]]
    pair = np.repeat(alike, length)
    place = np.arange(pair.size) - np.repeat(np.cumsum(length) - length, length)
    differ = lists.items[lists.start[a[pair]] + place] != lists.items[lists.start[b[pair]] + place]
    same[pair[differ]] = False
    return same


def _stands(made: Blocks, records: Positions) -> Bools:
    """Whether records stand in a block of a rule."""
    if isinstance(made.of, Lists):
        found: Bools = made.of.length[records] > 0
        return found
    alone: Bools = made.of[records] >= 0
    return alone
