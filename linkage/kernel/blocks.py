"""The blocks of every rule and the pairs they make, without a table of candidates.

Reads: frequency (hubs) and the kernel's columns. Writes nothing.

A rule's keys become one exact number per record. A sort of 64-bit words, the number (or where it is too long the
high bits of its mix) before the ordinal, brings the records of a block side by side, in order. Pairs are counted
from the sizes of the blocks and then streamed by their number, so that a chunk may begin and end inside a block.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from linkage.frequencies import hubs_sql
from linkage.kernel.columns import NULL, WIDE_NULL, Bools, Columns, Ints, Lists, Narrow
from linkage.kernel.conditions import Positions, distinct, shared, where_true
from linkage.sql import rows
from rules.model import BlockingRule

UNIT = "\x1f"
NONE = np.int32(-1)
LONGEST = 2**62


@dataclass(frozen=True)
class Rule:
    """One blocking rule with its columns: `keys` over records, `elements` the list column of a rule with `each`."""

    rule: BlockingRule
    keys: tuple[str, ...]
    elements: str | None


@dataclass(frozen=True)
class Blocks:
    """The blocks of one rule.

    member  ordinals, block after block, in each block ascending; in 32 bits where these do
    end     for every member the position behind the last of its block; likewise
    of      each record's block or NONE; for a rule with `each` the list of its blocks instead
    """

    member: NDArray[np.integer]
    end: NDArray[np.integer]
    of: Narrow | Lists

    @property
    def pairs(self) -> int:
        """How many pairs the blocks hold."""
        return int((self.end - np.arange(self.end.size) - 1).sum())


def blocks(con: duckdb.DuckDBPyConnection, columns: Columns, rule: Rule) -> Blocks:
    """The blocks of a rule that hold two records or more and were no hub when the frequencies were frozen."""
    if rule.elements is None:
        record = np.arange(columns.count, dtype=np.int64)
        values = [held(columns, key) for key in rule.keys]
    else:
        listed = columns.lists[rule.elements]
        record = np.repeat(np.arange(columns.count, dtype=np.int64), np.maximum(listed.length, 0))
        values = [*(held(columns, key)[record] for key in rule.keys), listed.items]
    known = np.ones(record.size, dtype=np.bool_)
    for one in values:
        known &= one != null_of(one)
    for hub in hubs(con, columns, rule):
        here = known.copy()
        for one, value in zip(values, hub, strict=True):
            here &= one == value
        known &= ~here
    record, values = record[known], [one[known] for one in values]
    return _sorted(columns.count, record, numbered(values), each=rule.elements is not None)


def hubs(con: duckdb.DuckDBPyConnection, columns: Columns, rule: Rule) -> list[list[int]]:
    """The frozen hubs of a rule, each as the values of its keys in the arrays; hubs that are gone are left out."""
    if rule.rule.cap is None:
        return []
    found = rows(con, hubs_sql(rule.rule))
    names = [*rule.keys, *([rule.elements] if rule.elements else [])]
    parts = [str(value).split(UNIT) for (value,) in found]
    known = [part for part in parts if len(part) == len(names)]
    if not known:
        return []
    codes = [_codes_of(columns, name, [part[i] for part in known]) for i, name in enumerate(names)]
    return [[code for code in hub if code is not None] for hub in zip(*codes, strict=True) if None not in hub]


def _codes_of(columns: Columns, name: str, texts: Sequence[str]) -> list[int | None]:
    if name in columns.numbers:
        return [int(text) for text in texts]
    domain = columns.domain(name)
    here = pc.is_in(domain, value_set=pa.array(texts, type=domain.type)).to_numpy(zero_copy_only=False)
    codes = np.flatnonzero(here)
    code_of = dict(zip(domain.take(pa.array(codes)).to_pylist(), codes.tolist(), strict=True))
    return [code_of.get(text) for text in texts]


def held(columns: Columns, key: str) -> NDArray[np.integer]:
    """The array of a key column."""
    return columns.codes[key] if key in columns.codes else columns.numbers[key]


def null_of(values: NDArray[np.integer]) -> int:
    """What stands for null in an array."""
    return NULL if values.dtype == np.int32 else WIDE_NULL


def numbered(values: Sequence[NDArray[np.integer]]) -> Ints:
    """One number for every combination of values, equal where all are: mixed radix, or ranks where that is too long."""
    number, width = np.zeros(values[0].size if values else 0, dtype=np.int64), 1
    for one in values:
        low = int(one.min(initial=0))
        size = int(one.max(initial=0)) - low + 1
        if size >= LONGEST or width * size >= LONGEST:
            _, number = np.unique(number, return_inverse=True)
            _, ranks = np.unique(one, return_inverse=True)
            width, size, one, low = int(number.max(initial=0)) + 1, int(ranks.max(initial=0)) + 1, ranks, 0
        number = number * size + (one.astype(np.int64) - low)
        width *= size
    return number


def _sorted(count: int, record: Positions, number: Ints, each: bool) -> Blocks:
    bits = max(count - 1, 1).bit_length()
    if int(number.max(initial=0)) < 1 << (63 - bits):
        word = number << bits | record
        word.sort()
        member = word & ((1 << bits) - 1)
        number = word >> bits
    else:
        mixed = (number.astype(np.uint64) * np.uint64(0x9E3779B97F4A7C15)) >> np.uint64(bits)
        order = np.argsort(mixed << np.uint64(bits) | record.astype(np.uint64))
        kept = mixed[order]
        clash = (kept[1:] == kept[:-1]) & (number[order][1:] != number[order][:-1])
        if clash.any():
            order = np.lexsort((record, number))
        member, number = record[order], number[order]
    first = np.ones(member.size, dtype=np.bool_)
    np.not_equal(number[1:], number[:-1], out=first[1:])
    start = np.flatnonzero(first)
    size = np.diff(np.append(start, member.size))
    several = np.repeat(size > 1, size)
    member = member[several]
    size = size[size > 1]
    block = np.repeat(np.arange(size.size, dtype=np.int32), size)
    end = _fitting(np.repeat(np.cumsum(size), size), member.size)
    if not each:
        of = np.full(count, NONE, dtype=np.int32)
        of[member] = block
        return Blocks(_fitting(member, count), end, of)
    order = np.argsort(member << 32 | block)
    length = np.bincount(member, minlength=count).astype(np.int64)
    return Blocks(_fitting(member, count), end, Lists(np.cumsum(length) - length, length, block[order]))


def _fitting(values: Ints, most: int) -> NDArray[np.integer]:
    """Whole numbers up to `most` in 32 bits where they fit."""
    return values.astype(np.int32) if most <= np.iinfo(np.int32).max else values


def among(made: Blocks, chosen: Bools) -> Blocks:
    """The blocks as they would be if only some records were there."""
    kept = chosen[made.member]
    behind = np.cumsum(kept, dtype=np.int64)
    return Blocks(made.member[kept], behind[made.end[kept] - 1].astype(made.end.dtype), made.of)


def alike(made: Blocks, group: Ints) -> int:
    """How many pairs of the blocks are of one group (-1: none), which its source declares free of duplicates."""
    if not made.member.size or group.max(initial=-1) < 0:
        return 0
    block, mine = made.end, group[made.member]
    within = np.flatnonzero(mine >= 0)
    first, which = distinct([block[within], mine[within]], within.size)
    size = np.bincount(which, minlength=first.size)
    return int((size * (size - 1) // 2).sum())


def stream(made: Sequence[Blocks], group: Ints, chunk: int) -> Iterator[tuple[int, int, Positions, Positions]]:
    """The pairs of every rule that no earlier rule makes, in chunks made of at most `chunk` pairs of blocks.

    Gives the rule's number, how many pairs of its blocks were looked at, and the left and right ordinals (l < r).
    """
    grouped = group.max(initial=-1) >= 0
    for i, one in enumerate(made):
        position = np.arange(one.member.size)
        until = np.cumsum(one.end - position - 1)
        total = int(until[-1]) if until.size else 0
        for low in range(0, total, chunk):
            high = min(low + chunk, total)
            a, b = np.searchsorted(until, [low, high - 1], side="right")
            ends = np.minimum(until[a : b + 1], high)
            counts = np.diff(np.concatenate([[low], ends]))
            at = np.repeat(position[a : b + 1], counts)
            # The last partner of a member is the last of its block, and pair number `until - 1`.
            partner = one.end[at] - (until[at] - np.arange(low, high))
            left, right = (one.member[place].astype(np.int64) for place in (at, partner))
            if isinstance(one.of, Lists):
                once = _least(one, left, right, one.end[at])
                left, right = where_true(once, left), where_true(once, right)
            if grouped:
                apart = (group[left] != group[right]) | (group[left] < 0)
                left, right = where_true(apart, left), where_true(apart, right)
            for earlier in made[:i]:
                new = ~together(earlier.of, left, right)
                left, right = where_true(new, left), where_true(new, right)
            yield i, high - low, left, right


def _least(one: Blocks, left: Positions, right: Positions, end: NDArray[np.integer]) -> Bools:
    """Whether this is the first of the blocks that two records share: a pair counts once."""
    assert isinstance(one.of, Lists)
    pair, block = shared(one.of, left, one.of, right)
    least = np.full(left.size, np.iinfo(np.int64).max)
    np.minimum.at(least, pair, block)
    found: Bools = np.searchsorted(np.unique(one.end), end) == least
    return found


def together(of: Narrow | Lists, left: Positions, right: Positions) -> Bools:
    """Whether two records stand in one block of a rule."""
    if isinstance(of, Lists):
        found = np.zeros(left.size, dtype=np.bool_)
        found[shared(of, left, of, right)[0]] = True
        return found
    here = of.take(left)
    both: Bools = (here == of.take(right)) & (here >= 0)
    return both
