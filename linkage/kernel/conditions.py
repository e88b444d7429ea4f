"""Conditions of the rules as trees that NumPy evaluates over many pairs at once.

A truth is an `int8` array in which FALSE < UNKNOWN < TRUE, so that SQL's three-valued AND is the minimum and OR the
maximum. Parts are evaluated only for the pairs that they still decide: AND stops at false, OR at true, CASE takes
one branch. What has no form here is asked of DuckDB, once for every distinct combination of values (`Asked`).

NumPy chooses by positions three to five times faster than by a mask, and a truth made of bits is faster than one that
is written under a mask: hence `where_true` and `known_truth`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray
from rapidfuzz.distance import DamerauLevenshtein
from rapidfuzz.process import cpdist

from linkage import plain
from linkage.kernel.columns import NULL, WHOLE, WIDE_NULL, Bools, Columns, Ints, Lists, places

Truths = NDArray[np.int8]
Whole = NDArray[np.number]
Positions = NDArray[np.int64]
PROBE = 1 << 12
FEW = 64  # pairs that are told without SQL where that is possible
LONGEST = 1 << 62  # keys of more than that are made anew from ranks
FALSE, UNKNOWN, TRUE = np.int8(0), np.int8(1), np.int8(2)


@dataclass(frozen=True)
class Pairs:
    """Pairs of records by their ordinals; also the levels of their comparisons as far as they are known.

    `answers` remembers what DuckDB said of these pairs: one level asks for 0.92 of a likeness, the next for 0.8.
    """

    columns: Columns
    con: duckdb.DuckDBPyConnection
    left: Positions
    right: Positions
    gammas: dict[str, Truths] = field(default_factory=dict)
    answers: dict[str, tuple[Whole, Bools]] = field(default_factory=dict)

    def __len__(self) -> int:
        return self.left.size

    def take(self, which: Positions) -> Pairs:
        """Some of the pairs."""
        gammas = {name: gamma.take(which) for name, gamma in self.gammas.items()}
        answers = {sql: (said.take(which), known.take(which)) for sql, (said, known) in self.answers.items()}
        return Pairs(self.columns, self.con, self.left.take(which), self.right.take(which), gammas, answers)

    def of(self, side: str) -> Positions:
        """The records on one side, `l` or `r`."""
        return self.left if side == "l" else self.right


def together(some: Sequence[Pairs]) -> Pairs:
    """Some pairs behind each other, with their levels."""
    gammas = {name: np.concatenate([one.gammas[name] for one in some]) for name in some[0].gammas}
    left, right = (np.concatenate([one.of(side) for one in some]) for side in "lr")
    return Pairs(some[0].columns, some[0].con, left, right, gammas)


def where_true(found: Bools, of: Positions) -> Positions:
    """Those of some positions where a mask over them is true."""
    return of.take(places(found))


def sure(found: Bools) -> Truths:
    """TRUE or FALSE."""
    return found.view(np.int8) << 1


def known_truth(found: Bools, known: Bools) -> Truths:
    """TRUE or FALSE where known, else UNKNOWN."""
    return sure(found & known) | (~known).view(np.int8)


class Condition(Protocol):
    """Gives the truth of every pair."""

    def truth(self, pairs: Pairs) -> Truths: ...


class Number(Protocol):
    """Gives a whole number of every pair, and whether it is known (not null)."""

    def value(self, pairs: Pairs) -> tuple[Whole, Bools]: ...


@dataclass(frozen=True)
class Fixed:
    """The same truth for every pair."""

    said: np.int8

    def truth(self, pairs: Pairs) -> Truths:
        return np.full(len(pairs), self.said, dtype=np.int8)


@dataclass(frozen=True)
class All:
    """AND."""

    parts: tuple[Condition, ...]

    def truth(self, pairs: Pairs) -> Truths:
        return _connect(self.parts, pairs, TRUE, FALSE, np.minimum)


@dataclass(frozen=True)
class Any_:
    """OR."""

    parts: tuple[Condition, ...]

    def truth(self, pairs: Pairs) -> Truths:
        return _connect(self.parts, pairs, FALSE, TRUE, np.maximum)


def _connect(
    parts: Sequence[Condition], pairs: Pairs, start: np.int8, end: np.int8, both: Callable[..., Truths]
) -> Truths:
    found = parts[0].truth(pairs)
    for part in parts[1:]:
        open_ = places(found != end)
        if open_.size == len(pairs):
            found = both(found, part.truth(pairs))
        elif open_.size:
            found[open_] = both(found[open_], part.truth(pairs.take(open_)))
    return found


@dataclass(frozen=True)
class Not:
    """NOT: unknown stays unknown."""

    part: Condition

    def truth(self, pairs: Pairs) -> Truths:
        return TRUE - self.part.truth(pairs)


@dataclass(frozen=True)
class First:
    """COALESCE of truths: the first that is known."""

    parts: tuple[Condition, ...]

    def truth(self, pairs: Pairs) -> Truths:
        found = self.parts[0].truth(pairs)
        for part in self.parts[1:]:
            open_ = places(found == UNKNOWN)
            if open_.size:
                found[open_] = part.truth(pairs.take(open_))
        return found


@dataclass(frozen=True)
class Case:
    """CASE over truths: the branch of the first condition that is true."""

    branches: tuple[tuple[Condition, Condition], ...]
    otherwise: Condition

    def truth(self, pairs: Pairs) -> Truths:
        found = np.empty(len(pairs), dtype=np.int8)
        open_ = np.arange(len(pairs))
        for when, then in self.branches:
            if not open_.size:
                return found
            here = when.truth(pairs.take(open_)) == TRUE
            chosen, open_ = where_true(here, open_), where_true(~here, open_)
            if chosen.size:
                found[chosen] = then.truth(pairs.take(chosen))
        if open_.size:
            found[open_] = self.otherwise.truth(pairs.take(open_))
        return found


@dataclass(frozen=True)
class Known:
    """IS NOT NULL of a code, number or list column of one side."""

    side: str
    sql: str

    def truth(self, pairs: Pairs) -> Truths:
        columns, at = pairs.columns, pairs.of(self.side)
        if self.sql in columns.lists:
            return sure(columns.lists[self.sql].length.take(at) >= 0)
        values = _held(columns, self.sql)
        return sure(values.take(at) != _null(values))


@dataclass(frozen=True)
class KnownNumber:
    """IS NOT NULL of a number."""

    number: Number

    def truth(self, pairs: Pairs) -> Truths:
        return sure(self.number.value(pairs)[1])


@dataclass(frozen=True)
class Flag:
    """A truth that belongs to one record."""

    side: str
    sql: str

    def truth(self, pairs: Pairs) -> Truths:
        values = pairs.columns.numbers[self.sql].take(pairs.of(self.side))
        return known_truth(values == 1, values != NULL)


@dataclass(frozen=True)
class SameCode:
    """`=` of two columns of one domain, or IS NOT DISTINCT FROM with `nulls` (which is never unknown)."""

    left: tuple[str, str]
    right: tuple[str, str]
    nulls: bool = False

    def truth(self, pairs: Pairs) -> Truths:
        (side, sql), (other, other_sql) = self.left, self.right
        a = pairs.columns.codes[sql].take(pairs.of(side))
        b = pairs.columns.codes[other_sql].take(pairs.of(other))
        return sure(a == b) if self.nulls else known_truth(a == b, (a != NULL) & (b != NULL))


COMPARE: dict[str, Callable[[Whole, Whole], Bools]] = {
    "=": np.equal,
    "<>": np.not_equal,
    "<": np.less,
    "<=": np.less_equal,
    ">": np.greater,
    ">=": np.greater_equal,
}


@dataclass(frozen=True)
class Compare:
    """A comparison of two numbers; `nulls` makes `=` IS NOT DISTINCT FROM."""

    operator: str
    left: Number
    right: Number
    nulls: bool = False

    def truth(self, pairs: Pairs) -> Truths:
        a, a_known = self.left.value(pairs)
        b, b_known = self.right.value(pairs)
        found = COMPARE[self.operator](a, b)
        if self.nulls:
            return sure((found & a_known & b_known) | ~(a_known | b_known))
        return known_truth(found, a_known & b_known)


@dataclass(frozen=True)
class Constant:
    """A number in the rules; None is null."""

    said: int | float | None

    def value(self, pairs: Pairs) -> tuple[Whole, Bools]:
        known = self.said is not None
        return np.full(len(pairs), self.said or 0), np.full(len(pairs), known)


@dataclass(frozen=True)
class Column:
    """A number that belongs to one record."""

    side: str
    sql: str

    def value(self, pairs: Pairs) -> tuple[Whole, Bools]:
        values = pairs.columns.numbers[self.sql]
        found = values.take(pairs.of(self.side))
        known: Bools = found != _null(values)
        return found, known


@dataclass(frozen=True)
class Gamma:
    """The level of a comparison."""

    name: str

    def value(self, pairs: Pairs) -> tuple[Whole, Bools]:
        return pairs.gammas[self.name].astype(np.int64), np.ones(len(pairs), dtype=np.bool_)


ARITHMETIC: dict[str, Callable[[Ints, Ints], Ints]] = {
    "+": np.add,
    "-": np.subtract,
    "*": np.multiply,
    "&": np.bitwise_and,
    "|": np.bitwise_or,
}


@dataclass(frozen=True)
class Arithmetic:
    """An operation of two numbers, null where one is."""

    operator: str
    left: Number
    right: Number

    def value(self, pairs: Pairs) -> tuple[Whole, Bools]:
        a, a_known = self.left.value(pairs)
        b, b_known = self.right.value(pairs)
        return ARITHMETIC[self.operator](a.astype(np.int64), b.astype(np.int64)), a_known & b_known


@dataclass(frozen=True)
class Absolute:
    """ABS."""

    number: Number

    def value(self, pairs: Pairs) -> tuple[Whole, Bools]:
        found, known = self.number.value(pairs)
        return np.abs(found.astype(np.int64)), known


@dataclass(frozen=True)
class Extreme:
    """GREATEST or LEAST: as in DuckDB, nulls do not count."""

    greatest: bool
    parts: tuple[Number, ...]

    def value(self, pairs: Pairs) -> tuple[Whole, Bools]:
        found, known = self.parts[0].value(pairs)
        choose = np.maximum if self.greatest else np.minimum
        for part in self.parts[1:]:
            other, other_known = part.value(pairs)
            both = choose(found, other)
            found = np.where(known & other_known, both, np.where(known, found, other))
            known = known | other_known
        return found, known


@dataclass(frozen=True)
class FirstNumber:
    """COALESCE of numbers."""

    parts: tuple[Number, ...]

    def value(self, pairs: Pairs) -> tuple[Whole, Bools]:
        found, known = self.parts[0].value(pairs)
        for part in self.parts[1:]:
            other, other_known = part.value(pairs)
            found, known = np.where(known, found, other), known | other_known
        return found, known


@dataclass(frozen=True)
class AsNumber:
    """A truth as 0 or 1."""

    condition: Condition

    def value(self, pairs: Pairs) -> tuple[Whole, Bools]:
        found = self.condition.truth(pairs)
        return (found == TRUE).view(np.int8), found != UNKNOWN


@dataclass(frozen=True)
class Shared:
    """How many elements two lists share: len(list_intersect(…))."""

    left: tuple[str, str]
    right: tuple[str, str]

    def value(self, pairs: Pairs) -> tuple[Whole, Bools]:
        (side, sql), (other, other_sql) = self.left, self.right
        a, b = pairs.columns.lists[sql], pairs.columns.lists[other_sql]
        at, other_at = pairs.of(side), pairs.of(other)
        pair, _ = shared(a, at, b, other_at)
        count = np.bincount(pair, minlength=len(pairs)).astype(np.int64)
        # DuckDB's answer is null where the first list is; with a list, a null shares nothing.
        return count, a.length[at] >= 0


def shared(a: Lists, at: Positions, b: Lists, other_at: Positions) -> tuple[Positions, Ints]:
    """The elements that list `a[at[i]]` shares with `b[other_at[i]]`: pair number and element, in order."""
    m, n = np.maximum(a.length[at], 0), np.maximum(b.length[other_at], 0)
    each = m * n
    pair = np.repeat(np.arange(at.size), each)
    within = np.arange(pair.size) - np.repeat(np.cumsum(each) - each, each)
    width = n[pair]
    one = a.items[a.start[at][pair] + within // np.maximum(width, 1)]
    other = b.items[b.start[other_at][pair] + within % np.maximum(width, 1)]
    same = one == other
    return pair[same], one[same].astype(np.int64)


@dataclass(frozen=True)
class Asked:
    """What DuckDB answers for the values of `inputs` ((side, column) in codes or numbers) and the levels `gammas`.

    `strict` says that a null among the inputs makes the answer null, so that such pairs are not asked about; `type`
    is that of the answer where it is a number.
    """

    sql: str
    inputs: tuple[tuple[str, str], ...]
    strict: bool
    gammas: tuple[str, ...] = ()
    type: str = "bigint"

    def truth(self, pairs: Pairs) -> Truths:
        answer, known = self._ask(pairs, "boolean")
        return known_truth(answer == 1, known)

    def value(self, pairs: Pairs) -> tuple[Whole, Bools]:
        if self.sql not in pairs.answers:
            pairs.answers[self.sql] = self._ask(pairs, self.type)
        return pairs.answers[self.sql]

    def _ask(self, pairs: Pairs, to: str) -> tuple[Whole, Bools]:
        asked = np.arange(len(pairs))
        if self.strict:
            for side, sql in self.inputs:
                values = _held(pairs.columns, sql)
                asked = where_true(values.take(pairs.of(side).take(asked)) != _null(values), asked)
        kind = np.float64 if to == "double" else np.int64
        found, known = np.zeros(len(pairs), dtype=kind), np.zeros(len(pairs), dtype=np.bool_)
        if not asked.size:
            return found, known
        some = pairs.take(asked)
        held = [_held(some.columns, sql).take(some.of(side)) for side, sql in self.inputs]
        levels = [some.gammas[name] for name in self.gammas]
        every = np.arange(len(some))
        first, which = distinct([*held, *levels], len(some)) if repeated([*held, *levels]) else (every, every)
        said, sure = self._answers(some, first, to)
        found[asked], known[asked] = said[which], sure[which]
        return found, known

    def _answers(self, pairs: Pairs, which: Positions, to: str) -> tuple[Whole, Bools]:
        """What DuckDB says of some of the pairs, and of which it says anything."""
        told = self._plainly(pairs, which, to) if which.size <= FEW else None
        if told is not None:
            return told
        names, arrays = ["i"], [pa.array(np.arange(which.size))]
        for side, sql in self.inputs:
            names.append(f"{sql}_{side}")
            arrays.append(_values(pairs.columns, sql, pairs.of(side)[which]))
        typed = ", ".join(
            ["i", *(pairs.columns.typed(sql, f"{sql}_{side}") for side, sql in self.inputs)]
            + [f"gamma_{name}" for name in self.gammas]
        )
        names += [f"gamma_{name}" for name in self.gammas]
        arrays += [pa.array(pairs.gammas[name].take(which)) for name in self.gammas]
        pairs.con.register("kernel_asked", pa.table(arrays, names=names))
        try:
            answer = pairs.con.execute(
                f"select i, said::{to}::{'bigint' if to == 'boolean' else to} as said from (select i, ({self.sql}) "
                f"as said from (select {typed} from kernel_asked)) where said is not null"
            ).fetchnumpy()
        finally:
            pairs.con.unregister("kernel_asked")
        said = np.zeros(which.size, dtype=np.float64 if to == "double" else np.int64)
        sure = np.zeros(which.size, dtype=np.bool_)
        said[answer["i"]], sure[answer["i"]] = answer["said"], True
        return said, sure

    def _plainly(self, pairs: Pairs, which: Positions, to: str) -> tuple[Whole, Bools] | None:
        """The same of a few pairs without SQL; None where DuckDB has to say it."""
        names = [f"{sql}_{side}" for side, sql in self.inputs]
        types = [_plain_type(pairs.columns, sql) for _, sql in self.inputs]
        how = plain.plan(self.sql, frozenset(zip(names, types, strict=True)))
        if how is None or how.type != (plain.TRUTH if to == "boolean" else plain.WHOLE):
            return None
        values = [_few_values(pairs.columns, sql, pairs.of(side)[which]) for side, sql in self.inputs]
        try:
            found = [how.of(dict(zip(names, row, strict=True))) for row in zip(*values, strict=True)]
        except plain.NotPlainError:
            return None
        said = np.array([0 if one is None else int(one) for one in found], dtype=np.int64)
        return said, np.array([one is not None for one in found])


@dataclass(frozen=True)
class Edits(Asked):
    """How many slips of the keyboard lie between two texts: a letter more, less, other, or two exchanged.

    DuckDB counts bytes. Where all are letters of ASCII RapidFuzz counts the same (a test compares them) in a third of
    the time; DuckDB is asked of the others.
    """

    def _answers(self, pairs: Pairs, which: Positions, to: str) -> tuple[Whole, Bools]:
        (left, left_plain), (right, right_plain) = (
            _texts(pairs.columns, sql, pairs.of(side)[which]) for side, sql in self.inputs
        )
        plain = places(left_plain & right_plain)
        said, sure = np.zeros(which.size, dtype=np.int64), np.ones(which.size, dtype=np.bool_)
        counted = cpdist(left[plain], right[plain], scorer=DamerauLevenshtein.distance, dtype=np.int32, workers=-1)
        said[plain] = counted
        rest = places(~(left_plain & right_plain))
        if rest.size:
            said[rest], sure[rest] = super()._answers(pairs, which[rest], to)
        return said, sure


def _texts(columns: Columns, sql: str, at: Positions) -> tuple[NDArray[np.object_], Bools]:
    """The texts of some records, none of them null, and whether each is ASCII."""
    codes, of = np.unique(columns.codes[sql][at], return_inverse=True)
    texts = columns.domain(sql).take(pa.array(codes))
    plain = pc.string_is_ascii(texts).to_numpy(zero_copy_only=False)
    return np.array(texts.to_pylist(), dtype=np.object_)[of], plain[of]


def repeated(columns: Sequence[NDArray[np.integer]]) -> bool:
    """Whether the rows of some columns stand there twice or more on average, judged by some of them.

    Of n rows out of N, about n²/2D pairs are equal where D are distinct. Sorting costs more than asking DuckDB twice.
    """
    if not columns or columns[0].size <= PROBE:
        return True
    step = columns[0].size // PROBE
    some = [values[::step] for values in columns]
    count = some[0].size
    first, _ = distinct(some, count)
    return (count - first.size) * step >= count


def distinct(columns: Sequence[NDArray[np.integer]], count: int) -> tuple[Positions, Positions]:
    """The distinct rows of some columns: the position of one of each, and for every row which it is."""
    key, width = np.zeros(count, dtype=np.int64), 1
    for values in columns:
        low = int(values.min(initial=0))
        span = int(values.max(initial=0)) - low + 1
        if width * span > LONGEST:
            _, key = np.unique(key, return_inverse=True)
            width = count
        if width * span > LONGEST:
            _, values = np.unique(values, return_inverse=True)
            low, span = 0, count
        key = key * span + (values.astype(np.int64) - low)
        width *= span
    _, first, which = np.unique(key, return_index=True, return_inverse=True)
    return first, which


def _plain_type(columns: Columns, sql: str) -> str:
    """The type that `plain` knows a column by; nothing where it does not."""
    if sql in columns.codes:
        return plain.TEXT if columns.domain(sql).type in (pa.string(), pa.large_string()) else ""
    # A truth is held as a number.
    return plain.WHOLE if columns.types[sql] in WHOLE else ""


def _held(columns: Columns, sql: str) -> NDArray[np.integer]:
    return columns.codes[sql] if sql in columns.codes else columns.numbers[sql]


def _values(columns: Columns, sql: str, at: Positions) -> pa.Array:
    """The values of some records as DuckDB had them."""
    held = _held(columns, sql)[at]
    null = held == _null(held)
    if sql in columns.codes:
        return columns.domain(sql).take(pa.array(held, mask=null))
    return pa.array(held.astype(np.int64), mask=null)


def _few_values(columns: Columns, sql: str, at: Positions) -> list[Any]:
    """The same of few records, as Python has them."""
    held = _held(columns, sql).take(at)
    null = _null(held)
    found = held.tolist()
    if sql not in columns.codes:
        return [None if one == null else one for one in found]
    domain = columns.domain(sql)
    return [None if one == null else domain[one].as_py() for one in found]


def _null(values: NDArray[np.integer]) -> int:
    return NULL if values.dtype == np.int32 else WIDE_NULL
