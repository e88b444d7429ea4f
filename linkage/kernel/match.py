"""Blocks and weighs the records of one entity type over arrays: the same pairs, levels and weights as Splink gives.

Reads: standard, frequency. Writes: pair_count, candidate_total, candidate_pair.

Pairs are streamed from the blocks. Levels that cost nothing are found first; a pair that could not reach
`matching.review` with the best of its open levels is dropped there. What is left is gathered into larger batches, in
which DuckDB is asked what has no form over arrays. Only pairs worth keeping are ever written.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cached_property, lru_cache
from typing import Any

import duckdb
import numpy as np
import pyarrow as pa

from linkage import frequencies
from linkage.block import RulePairs, refuse_above_budget
from linkage.frequencies import hub_name
from linkage.kernel import conditions as c
from linkage.kernel.blocks import Blocks, Rule, alike, blocks, stream
from linkage.kernel.columns import NULL, Columns, Floats, Ints, Reader, places
from linkage.kernel.compiler import Bound, Compiler, Needed
from linkage.kernel.conditions import Pairs, Positions, Truths, together, where_true
from linkage.kernel.identical import Classes
from linkage.kernel.symmetry import symmetric_rules
from linkage.kernel.weights import ByCode, Weights, frequency_of, prior_weight, weights
from linkage.score import candidate_columns
from linkage.splink_model import comparison, frequency_columns, settings
from linkage.sql import aside
from rules.columns import quote
from rules.model import BlockingRule, Entity, EntityRules

REMEMBERED = 100  # sets of rules, compiled
CHUNK = 1 << 16
BATCH = 1 << 19
SLACK = 1e-6  # sums in another order differ by less
VERDICTS = ("accept", "review", "guard")
ACCEPT, REVIEW, GUARD, DROPPED = range(4)
UNDECIDED = np.int8(-2)  # a level that is open; below it by the highest level that it can be


@dataclass(frozen=True)
class Levels:
    """One comparison: when it is null, and its levels, most similar first."""

    name: str
    null: Bound
    levels: tuple[Bound, ...]

    def whole(self, pairs: Pairs) -> Truths:
        """The level of every pair."""
        gamma = np.full(len(pairs), UNDECIDED, dtype=np.int8)
        open_ = places(self._null(gamma, pairs) == UNDECIDED)
        pairs = pairs.take(open_)
        for i, level in enumerate(self.levels):
            if not open_.size:
                break
            here = level.condition.truth(pairs) == c.TRUE
            gamma[where_true(here, open_)] = len(self.levels) - i
            left = places(~here)
            open_, pairs = open_.take(left), pairs.take(left)
        gamma[open_] = 0
        return gamma

    def _null(self, gamma: Truths, pairs: Pairs) -> Truths:
        gamma[self.null.condition.truth(pairs) == c.TRUE] = -1
        return gamma


@dataclass(frozen=True)
class Compared(Levels):
    """A comparison, and what its levels weigh."""

    weights: Weights

    def cheap(self, pairs: Pairs) -> Truths:
        """The level of every pair as far as it costs nothing, else UNDECIDED less the highest that it can be."""
        gamma = np.full(len(pairs), UNDECIDED, dtype=np.int8)
        anything = UNDECIDED - np.int8(len(self.levels) + 1)
        if self.null.asks:
            return np.full_like(gamma, anything)
        open_ = places(self._null(gamma, pairs) == UNDECIDED)
        for i, level in enumerate(self.levels):
            if not open_.size:
                break
            here = level.cheap.truth(pairs.take(open_)) == c.TRUE
            reached = np.int8(len(self.levels) - i)
            gamma[where_true(here, open_)] = UNDECIDED - reached if level.asks else reached
            open_ = where_true(~here, open_)
        gamma[open_] = 0
        return gamma

    def most(self, gamma: Truths, pairs: Pairs, frequency: Mapping[str, ByCode]) -> Floats:
        """The most that every pair can weigh, given what is known of its level; what it weighs where that is known."""
        open_ = places(gamma <= UNDECIDED)
        if not open_.size:
            return self.weights.of(gamma, pairs, frequency)
        most = np.empty(gamma.size)
        most[open_] = self.weights.ceilings[UNDECIDED - gamma[open_]]
        decided = places(gamma > UNDECIDED)
        if decided.size:
            most[decided] = self.weights.of(gamma.take(decided), pairs.take(decided), frequency)
        return most


@dataclass(frozen=True)
class Compiled:
    """The rules of one entity type as the kernel executes them, and the columns that they need.

    group     the column of the group that a source declares free of duplicates
    adjusted  the columns whose value frequencies adjust weights
    matched   all columns but that of the group: records that are equal in them are weighed alike
    """

    comparisons: tuple[Levels, ...]
    guards: tuple[tuple[Bound, int], ...]
    rules: tuple[Rule, ...]
    group: str
    adjusted: tuple[str, ...]
    matched: frozenset[str]
    needed: Needed

    @classmethod
    def of(cls, con: duckdb.DuckDBPyConnection, entity: Entity) -> Compiled:
        """Compiled for the `standard` of the current schema."""
        columns = tuple((str(name), str(kind)) for name, kind, *_ in con.execute("describe standard").fetchall())
        return _compiled(columns, entity.model_dump_json(by_alias=True))

    @classmethod
    def _of(cls, con: duckdb.DuckDBPyConnection, entity: Entity) -> Compiled:
        compiler = Compiler(con)
        comparisons = tuple(compiled(compiler, entity))
        guards = tuple(
            (compiler.condition(guard.when), DROPPED if guard.effect == "reject" else GUARD)
            for guard in sorted(entity.guards, key=lambda guard: guard.effect)
        )
        adjusted = tuple(frequency_columns(entity))
        for column in adjusted:
            compiler.value(column)
        ruled = tuple(keyed(compiler, rule) for rule in entity.blocking)
        needed = compiler.needed
        matched = frozenset({*needed.numbers, *needed.texts, *needed.lists, *needed.others})
        return cls(comparisons, guards, ruled, compiler.value("dup_group"), adjusted, matched, needed)


@lru_cache(REMEMBERED)
def _compiled(columns: tuple[tuple[str, str], ...], entity: str) -> Compiled:
    """The rules of an entity type (JSON) over a `standard` of such columns and types; nothing else tells of a form."""
    with aside() as con:
        con.execute(f"create temp table standard ({', '.join(f'{quote(name)} {kind}' for name, kind in columns)})")
        return Compiled._of(con, Entity.model_validate_json(entity))


@dataclass(frozen=True)
class Weighed:
    """What became of pairs: weight, weight by comparison, level by comparison, verdict."""

    total: Floats
    parts: dict[str, Floats]
    gammas: dict[str, Truths]
    verdict: Ints


@dataclass(frozen=True)
class Model:
    """Everything the kernel needs to weigh pairs of one entity type."""

    prior: float
    review: float
    accept: float
    comparisons: tuple[Compared, ...]
    guards: tuple[tuple[Bound, int], ...]
    frequency: dict[str, ByCode]

    @classmethod
    def of(cls, entity: Entity, made: Compiled, settled: dict[str, Any], frequency: Mapping[str, Floats]) -> Model:
        """The model of Splink's settings `settled`; `frequency` holds those of `made.adjusted` by code."""
        comparisons = tuple(
            Compared(one.name, one.null, one.levels, weights(said, frequency))
            for one, said in zip(made.comparisons, settled["comparisons"], strict=True)
        )
        matching = entity.matching
        return cls(prior_weight(settled), matching.review, matching.accept, comparisons, made.guards, dict(frequency))

    def with_frequency(self, frequency: dict[str, ByCode]) -> Model:
        """The same model with other codes of the values whose frequencies adjust weights."""
        return replace(self, frequency=frequency)

    def promising(self, pairs: Pairs) -> tuple[Pairs, Floats]:
        """The pairs that may reach `review`, and the most that each can weigh.

        Levels that cost nothing are found, the others stay open.
        """
        bound = np.full(len(pairs), self.prior + sum(one.weights.top for one in self.comparisons))
        for one in sorted(self.comparisons, key=lambda one: -one.weights.top):
            gamma = one.cheap(pairs)
            bound += one.most(gamma, pairs, self.frequency) - one.weights.top
            pairs.gammas[one.name] = gamma
            pairs, bound, _ = self._hopeful(pairs, bound)
        return pairs, bound

    def _hopeful(self, pairs: Pairs, bound: Floats) -> tuple[Pairs, Floats, Positions]:
        """Those that may still reach `review`, and which they were."""
        hopeful = places(bound >= self.review - SLACK)
        if hopeful.size < bound.size:
            return pairs.take(hopeful), bound[hopeful], hopeful
        return pairs, bound, hopeful

    def weighed(self, pairs: Pairs, bound: Floats) -> tuple[Positions, Weighed]:
        """Which of some pairs are worth keeping, and what became of those; `bound` is the most that each can weigh.

        Levels that are open are found first, those that may take most from a pair before the others, and a pair is
        left as soon as it cannot reach `review`.
        """
        at = np.arange(len(pairs))
        for one in sorted(self.comparisons, key=lambda one: float(one.weights.level.min()) - one.weights.top):
            gamma = pairs.gammas[one.name]
            open_ = places(gamma <= UNDECIDED)
            if open_.size:
                asked, hoped = pairs.take(open_), one.weights.ceilings[UNDECIDED - gamma[open_]]
                gamma[open_] = one.whole(asked)
                bound[open_] += one.weights.of(gamma[open_], asked, self.frequency) - hoped
                pairs, bound, which = self._hopeful(pairs, bound)
                at = at.take(which)
        total = np.full(len(pairs), self.prior)
        parts: dict[str, Floats] = {}
        for one in self.comparisons:
            parts[one.name] = one.weights.of(pairs.gammas[one.name], pairs, self.frequency)
            total += parts[one.name]
        worth = places(total >= self.review)
        pairs = pairs.take(worth)
        verdict = np.where(total[worth] >= self.accept, ACCEPT, REVIEW)
        for guard, said in reversed(self.guards):
            verdict[guard.condition.truth(pairs) == c.TRUE] = said
        left_open = places(verdict != DROPPED)
        kept = worth[left_open]
        return at.take(kept), Weighed(
            total[kept],
            {name: part[kept] for name, part in parts.items()},
            {name: gamma.take(left_open) for name, gamma in pairs.gammas.items()},
            verdict[left_open],
        )


class Kernel:
    """One entity type, ready to be matched: its columns in memory, its blocks counted.

    Records that are equal in every matched column are weighed as one, unless `collapse` says otherwise; the pairs and
    their weights are the same.

    Raises:
        RefusedError: the rules together make more pairs than `matching.budget` per record, or there are no weights.
    """

    def __init__(self, con: duckdb.DuckDBPyConnection, rules: EntityRules, collapse: bool = True) -> None:
        entity = rules.entity
        self.con = con
        self.entity = entity
        settled = settings(rules, frequencies.total(con))
        self.compiled = Compiled.of(con, entity)
        self.columns = read(con, entity, self.compiled.needed)
        self.frequency = {column: frequency_of(con, self.columns, column) for column in self.compiled.adjusted}
        self.model = Model.of(entity, self.compiled, settled, self.frequency)
        self.group: Ints = groups(self.columns, self.compiled.group)
        self._blocks: list[Blocks] = [blocks(con, self.columns, rule) for rule in self.compiled.rules]
        self.estimates = [
            RulePairs(hub_name(rule), one.pairs - alike(one, self.group))
            for rule, one in zip(entity.blocking, self._blocks, strict=True)
        ]
        con.execute("create or replace table pair_count (rule varchar, pairs bigint)")
        con.executemany("insert into pair_count values (?, ?)", [[one.rule, one.pairs] for one in self.estimates])
        refuse_above_budget(con, entity, self.estimates)
        self._collapse = collapse

    @cached_property
    def classes(self) -> Classes:
        """The records that are weighed as one."""
        if not self._collapse:
            return Classes.single(self.columns)
        return Classes.of(self.columns, self.compiled.matched, lambda: not symmetric_rules(self.entity))

    @cached_property
    def _among_heads(self) -> list[Blocks]:
        self._blocks = self.classes.among(self._blocks)  # those of all records have done their work and go
        return self._blocks

    @property
    def looks(self) -> int:
        """How many pairs of the blocks `match` looks at."""
        return sum(one.pairs for one in self._among_heads)

    def match(self, advance: Callable[[int], None] = lambda done: None) -> int:
        """Weigh the pairs and write those worth keeping to `candidate_pair`; returns how many were compared."""
        con = self.con
        con.execute(f"create or replace table candidate_pair ({candidate_columns(self.entity)})")
        record = np.empty(self.columns.count, dtype=np.int64)
        found = con.execute("select ordinal, record_id from standard").fetchnumpy()
        record[found["ordinal"]] = found["record_id"]
        compared = 0
        kept = _Kept()
        for rule, looked, left, right in self._heads():
            compared += self.classes.spread(left, right, self.group)[0].size
            advance(looked)
            kept.add(rule, *self.model.promising(Pairs(self.columns, self.con, left, right)))
            if kept.size >= BATCH:
                self._finish(kept, record)
                kept = _Kept()
        self._finish(kept, record)
        con.execute("create or replace table candidate_total as select $pairs::bigint as pairs", {"pairs": compared})
        return compared

    def forget_blocks(self) -> None:
        """Give back the memory of the blocks: what was matched is packed without them."""
        self._blocks = []
        self.__dict__.pop("_among_heads", None)

    def _heads(self) -> Iterator[tuple[int, int, Positions, Positions]]:
        """Pairs of heads of classes that stand for pairs of records, each with the first rule that makes it."""
        made = self._among_heads
        group = self.group if self.classes.heads.all() else np.full(self.columns.count, -1)
        for rule in range(len(made)):
            within = self.classes.within(made[rule], made[:rule])
            if within.size:
                yield rule, 0, within, within
        for rule, looked, left, right in stream(made, group, CHUNK):
            yield rule, looked, *self.classes.both_ways(left, right)

    def _finish(self, kept: _Kept, record: Ints) -> None:
        """Find the levels that are still open, weigh exactly, judge, and write."""
        if not kept.size:
            return
        rule, pairs, bound = kept.whole()
        left, right = pairs.left, pairs.right
        worth, found = self.model.weighed(pairs, bound)
        of, left, right = self.classes.spread(left[worth], right[worth], self.group)
        table = {
            "record_l": record[left],
            "record_r": record[right],
            "match_key": pa.array([str(i) for i in range(len(self.compiled.rules))]).take(pa.array(rule[worth][of])),
            "match_weight": found.total[of],
            "verdict": pa.array(VERDICTS).take(pa.array(found.verdict[of])),
        }
        for one in self.model.comparisons:
            table[f"gamma_{one.name}"] = found.gammas[one.name][of]
            table[f"weight_{one.name}"] = found.parts[one.name][of].astype(np.float32)
        self.con.register("kernel_found", pa.table(table))
        try:
            self.con.execute("insert into candidate_pair by name select * from kernel_found")
        finally:
            self.con.unregister("kernel_found")


class _Kept:
    """Pairs on their way from the chunks of the stream to one batch."""

    def __init__(self) -> None:
        self.size = 0
        self._rules: list[Ints] = []
        self._pairs: list[Pairs] = []
        self._bounds: list[Floats] = []

    def add(self, rule: int, pairs: Pairs, bound: Floats) -> None:
        self.size += len(pairs)
        self._rules.append(np.full(len(pairs), rule))
        self._pairs.append(pairs)
        self._bounds.append(bound)

    def whole(self) -> tuple[Ints, Pairs, Floats]:
        return np.concatenate(self._rules), together(self._pairs), np.concatenate(self._bounds)


def groups(columns: Columns, name: str) -> Ints:
    """A number for every record's group that its source declares free of duplicates, -1 for none."""
    codes = columns.codes[name]
    return np.where(codes == NULL, -1, codes).astype(np.int64)


def keyed(compiler: Compiler, rule: BlockingRule) -> Rule:
    """A blocking rule with the columns of its keys."""
    keys = tuple(compiler.key(key) for key in rule.keys)
    return Rule(rule, keys, compiler.elements(rule.each) if rule.each else None)


def compiled(compiler: Compiler, entity: Entity) -> list[Levels]:
    """The comparisons of the rules."""
    return [
        Levels(rule.name, compiler.condition(whole.null), tuple(compiler.condition(one.when) for one in whole.levels))
        for rule in entity.comparisons
        for whole in (comparison(entity, rule),)
    ]


def read(con: duckdb.DuckDBPyConnection, entity: Entity, needed: Needed) -> Columns:
    """The columns that the compiled conditions and keys need."""
    reader = Reader(con, entity)
    for _ in reading(reader, needed):
        pass
    return reader.columns


def reading(reader: Reader, needed: Needed) -> Iterator[None]:
    """Read the columns domain by domain; in between, what was read may be put elsewhere."""
    reader.numbers(needed.numbers)
    yield
    for domain in _domains([*needed.texts, *needed.lists, *needed.others], needed.together):
        texts, lists, others = (sorted(sort & domain) for sort in (needed.texts, needed.lists, needed.others))
        if texts or lists:
            reader.codes(texts, lists)
        if others:
            reader.others(others)
        yield


def _domains(names: list[str], together: list[tuple[str, str]]) -> Iterator[set[str]]:
    """The names that share codes: connected by being compared."""
    left = {name: {name} for name in names}
    for a, b in together:
        whole = left[a] | left[b]
        for name in whole:
            left[name] = whole
    seen: set[str] = set()
    for name in sorted(left):
        if name not in seen:
            seen |= left[name]
            yield left[name]
