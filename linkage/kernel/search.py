"""Searches a packed store: the records that the rules would compare one record with, and what the pairs weigh.

The candidates of a record are found by two searches among the sorted words of every blocking rule. Their values are
gathered into small columns, in which the record itself stands last, and the pairs are weighed as those of any run are.
A value that no record has gets a code behind all others, so that it equals nothing but itself.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from linkage.kernel.blocks import UNIT, Rule
from linkage.kernel.columns import NULL, WIDE_NULL, Bools, Columns, Floats, Ints, Lists, places
from linkage.kernel.conditions import Pairs
from linkage.kernel.match import VERDICTS, Compiled, Model
from linkage.kernel.store import Segment, Values, mixed, open_frequency, open_store
from linkage.kernel.weights import ByCode
from linkage.splink_model import level_labels, settings
from rules.model import EntityRules

FEW = 2_000  # candidates of one rule that are looked at; a frozen hub is none at all


@dataclass(frozen=True)
class Held:
    """A value and DuckDB's hash of it."""

    hash: int
    value: Any


@dataclass(frozen=True)
class Query:
    """A record as the kernel would hold it: by the SQL of the column its value, None for null.

    adjusting  the values of the columns whose frequencies adjust weights, as text
    """

    numbers: dict[str, int | None]
    codes: dict[str, Held | None]
    lists: dict[str, list[Held] | None]
    adjusting: dict[str, Held | None]


@dataclass(frozen=True)
class Candidate:
    """A record that may be the one searched for. `levels` holds by comparison its level and what that weighs."""

    source: str
    source_key: str
    weight: float
    verdict: str
    rule: int
    levels: dict[str, tuple[str, float]]


class Index:
    """The store of one entity type, opened for searching. One thread at a time may search.

    `con` is a connection with an empty `standard` of the store's columns: what has no form over arrays is asked there.
    """

    def __init__(self, con: duckdb.DuckDBPyConnection, rules: EntityRules, compiled: Compiled, folder: Path) -> None:
        self.con = con
        self.compiled = compiled
        self.made, self.segments = open_store(folder, compiled)
        self._frequency = open_frequency(folder)
        self._hubs = [frozenset(one) for one in self.made.hubs]
        self._labels = {rule.name: level_labels(rules.entity, rule) for rule in rules.entity.comparisons}
        rarest = {column: np.array([1 / of]) for column, (_, _, of) in self._frequency.items()}
        self._model = Model.of(rules.entity, compiled, settings(rules, self.made.records), rarest)

    def __len__(self) -> int:
        """How many records count."""
        return sum(
            one.columns.count - int(np.count_nonzero(_gone(one.record_id, self._later(i))))
            for i, one in enumerate(self.segments)
        )

    def _later(self, i: int) -> list[Ints]:
        """The records that count no more in segment `i`, as later ones have it."""
        return [one.gone for one in self.segments[i + 1 :] if one.gone.size]

    def search(self, query: Query, limit: int | None = None) -> list[Candidate]:
        """The records at or above `matching.review`, best first; of equal weight by source and key."""
        found: list[Candidate] = []
        for i, segment in enumerate(self.segments):
            found += self._within(segment, self._later(i), query)
        found.sort(key=lambda one: (-one.weight, one.source, one.source_key))
        return found[:limit]

    def _within(self, segment: Segment, later: Sequence[Ints], query: Query) -> list[Candidate]:
        codes = {
            sql: _code(values, query.codes.get(sql)) for sql, values in segment.values.items() if sql in query.codes
        }
        ordinals, rules = self._candidates(segment, query, codes)
        kept = ~_gone(segment.record_id[ordinals], later)
        ordinals, rules = ordinals[kept], rules[kept]
        if not ordinals.size:
            return []
        few = _Few(segment, ordinals, query, codes)
        left, right = np.arange(ordinals.size), np.full(ordinals.size, ordinals.size)
        frequency: dict[str, ByCode] = {
            column: _Frequency(segment.frequency[column], self._rarity(column, query.adjusting[column]))
            for column in self.compiled.adjusted
        }
        model = self._model.with_frequency(frequency)
        pairs, bound = model.promising(Pairs(few, self.con, left, right))
        if not len(pairs):
            return []
        worth, weighed = model.weighed(pairs, bound)
        at = pairs.left[worth]
        return [
            Candidate(
                segment.source[int(ordinals[row])].as_py(),
                segment.source_key[int(ordinals[row])].as_py(),
                float(weighed.total[i]),
                VERDICTS[int(weighed.verdict[i])],
                int(rules[row]),
                {
                    name: (self._labels[name][int(gamma[i])], float(weighed.parts[name][i]))
                    for name, gamma in weighed.gammas.items()
                    if gamma[i] >= 0
                },
            )
            for i, row in enumerate(at.tolist())
        ]

    def _candidates(self, segment: Segment, query: Query, codes: dict[str, int]) -> tuple[Ints, Ints]:
        """The records of the blocks that the record would stand in, each with the first rule that finds it."""
        ordinals, rules = [], []
        for i, (rule, words) in enumerate(zip(self.compiled.rules, segment.words, strict=True)):
            for keys, text in self._keys(segment, rule, query, codes):
                if text in self._hubs[i]:
                    continue
                found = _block(segment, words, rule, keys)
                ordinals.append(found[:FEW])
                rules.append(np.full(ordinals[-1].size, i))
        if not ordinals:
            return np.zeros(0, dtype=np.int64), np.zeros(0, dtype=np.int64)
        every, first = np.unique(np.concatenate(ordinals), return_index=True)
        return every, np.concatenate(rules)[first]

    def _keys(self, segment: Segment, rule: Rule, query: Query, codes: dict[str, int]) -> list[tuple[list[int], str]]:
        """The keys of each block of the record, as they stand in the segment, and the block's text; none if unknown."""
        keys: list[int] = []
        texts: list[str] = []
        for sql in rule.keys:
            if sql in query.numbers:
                number = query.numbers[sql]
                if number is None:
                    return []
                keys.append(number)
                texts.append(str(number))
            else:
                held = query.codes[sql]
                if held is None or codes[sql] >= len(segment.values[sql]):
                    return []
                keys.append(codes[sql])
                texts.append(str(held.value))
        if rule.elements is None:
            return [(keys, UNIT.join(texts))]
        values = segment.values[rule.elements]
        found = [(held, values.find(held.hash, held.value)) for held in query.lists[rule.elements] or ()]
        return [([*keys, code], UNIT.join([*texts, str(held.value)])) for held, code in found if code is not None]

    def _rarity(self, column: str, held: Held | None) -> float:
        """The frozen frequency of a value."""
        if held is None:
            return 0.0
        values, counts, of = self._frequency[column]
        found = values.find(held.hash, held.value)
        return (1 if found is None else int(counts[found])) / of


def _gone(records: Ints, later: Sequence[Ints]) -> Bools:
    """Which records later segments name."""
    found = np.zeros(records.size, dtype=np.bool_)
    for gone in later:
        found |= np.isin(records, gone)
    return found


def _block(segment: Segment, words: NDArray[np.uint64], rule: Rule, keys: Sequence[int]) -> Ints:
    """The records of a block, in order."""
    word = mixed([np.array([key]) for key in keys])[0] & ~segment.mask
    low = int(np.searchsorted(words, word))
    high = int(np.searchsorted(words, word | segment.mask, side="right"))
    ordinals: Ints = (words[low:high] & segment.mask).astype(np.int64)
    same = np.ones(ordinals.size, dtype=np.bool_)
    for sql, key in zip(rule.keys, keys, strict=False):
        held = segment.columns.codes[sql] if sql in segment.columns.codes else segment.columns.numbers[sql]
        same &= held[ordinals] == key
    if rule.elements is not None:
        lists = segment.columns.lists[rule.elements]
        for i in places(same):
            start, length = int(lists.start[ordinals[i]]), int(lists.length[ordinals[i]])
            same[i] = keys[-1] in lists.items[start : start + length]
    return ordinals[same]


def _code(values: Values, held: Held | None) -> int:
    """The code of a value of the record; of one that is not among the values one behind all codes."""
    if held is None:
        return NULL
    found = values.find(held.hash, held.value)
    return len(values) if found is None else found


class _Few(Columns):
    """The columns of some records of a segment, and behind them those of the record that is searched for."""

    def __init__(self, segment: Segment, ordinals: Ints, query: Query, codes: dict[str, int]) -> None:
        super().__init__(ordinals.size + 1, types=segment.columns.types)
        self._segment = segment
        self._query = query
        unknown: dict[int, list[Held]] = {}
        for sql, held in query.codes.items():
            code = codes[sql]
            if held is not None and code >= len(segment.values[sql]):
                code += _position(unknown.setdefault(id(segment.values[sql]), []), held)
            self.codes[sql] = _behind(segment.columns.codes[sql].take(ordinals), code)
        for sql, number in query.numbers.items():
            self.numbers[sql] = _with_number(segment.columns.numbers[sql].take(ordinals), number)
        for sql, items in query.lists.items():
            self.lists[sql] = self._list(sql, ordinals, items, unknown.setdefault(id(segment.values[sql]), []))
        self._unknown = unknown

    def domain(self, sql: str) -> pa.Array:
        """The values of the codes of a column, those of the record that nobody else has included."""
        return _Domain(self._segment.values[sql], self._unknown.get(id(self._segment.values[sql]), []))

    def _list(self, sql: str, ordinals: Ints, items: list[Held] | None, unknown: list[Held]) -> Lists:
        lists, values = self._segment.columns.lists[sql], self._segment.values[sql]
        codes = []
        for held in items or ():
            found = values.find(held.hash, held.value)
            codes.append(len(values) + _position(unknown, held) if found is None else found)
        start = _behind(lists.start.take(ordinals), 0)
        length = _behind(lists.length.take(ordinals), -1 if items is None else len(codes))
        behind = np.cumsum(np.maximum(length, 0))
        spread = [lists.items[a : a + n] for a, n in zip(start[:-1], length[:-1], strict=True) if n > 0]
        gathered = np.concatenate([*spread, np.array(sorted(codes), dtype=np.int32)])
        return Lists(behind - np.maximum(length, 0), length, gathered.astype(np.int32))


@dataclass(frozen=True)
class _Domain:
    """The values of a segment's domain with some more behind them; as much of an Arrow array as conditions use."""

    values: Values
    more: list[Held]

    @property
    def type(self) -> pa.DataType:
        return self.values.texts.type

    def __getitem__(self, code: int) -> pa.Scalar:
        count = len(self.values)
        return self.values.texts[code] if code < count else pa.scalar(self.more[code - count].value, self.type)

    def take(self, codes: pa.Array) -> pa.Array:
        count = len(self.values)
        known = pc.less(codes, count)
        found = self.values.texts.take(pc.if_else(known, codes, None))
        if not self.more or pc.all(pc.fill_null(known, True)).as_py():
            return found
        more = pa.array([one.value for one in self.more], type=self.type)
        own = more.take(pc.if_else(known, None, pc.subtract(codes, count)))
        return pc.coalesce(found, own)


@dataclass(frozen=True)
class _Frequency:
    """Frequencies by code of a segment, and that of the one value behind all codes."""

    known: Floats
    own: float

    def __getitem__(self, codes: NDArray[np.integer], /) -> Floats:
        count = self.known.size - 1
        inside = codes < count
        return np.where(inside, self.known[np.where(inside, codes, -1)], self.own)


def _position(among: list[Held], held: Held) -> int:
    """Where a value stands among some, at the end if it is new."""
    if held not in among:
        among.append(held)
    return among.index(held)


def _behind(values: NDArray[Any], one: int) -> NDArray[Any]:
    """Values with one more behind them."""
    found = np.empty(values.size + 1, dtype=values.dtype)
    found[:-1], found[-1] = values, one
    return found


def _with_number(values: NDArray[np.integer], number: int | None) -> NDArray[np.integer]:
    """Numbers with one more behind them, in 64 bits where it needs them."""
    if number is None:
        return _behind(values, NULL if values.dtype == np.int32 else WIDE_NULL)
    if values.dtype == np.int32 and not NULL < number <= np.iinfo(np.int32).max:
        values = np.where(values == NULL, WIDE_NULL, values.astype(np.int64))
    return _behind(values, number)
