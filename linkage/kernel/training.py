"""Estimates u and m over arrays, as Splink does over SQL.

Reads: standard. Writes nothing.

u of a level that says no more than that columns are equal comes from how often their values occur: n records of one
value are n(n - 1)/2 pairs, and what a more similar level takes first is taken off by inclusion and exclusion. These u
are exact. The other levels of a comparison share the rest as random pairs do, or all pairs where those are no more.

m comes from the patterns of levels that the pairs of a pass show, and their counts: expectation maximisation visits
patterns, not pairs. Starting values, the end of the iteration and nulls are Splink's (`expectation_maximisation.py`
and `comparison_level.py` of Splink 5): a null level says nothing and takes no part in m, u stays as it is, the share
of matches among the pairs is estimated along with m.

Chance comes from the raw numbers of PCG64, which NumPy promises never to change, and chooses by ordinal: neither
threads nor the order of loading play a part.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations
from math import log2, sqrt

import duckdb
import numpy as np
from sqlglot import exp

from linkage.estimate import EM_PAIRS, SHARE_IN_BLOCK, Estimates, Key, Start, Told, free, m_step, u_step, unseen_u
from linkage.kernel import conditions as c
from linkage.kernel.blocks import Blocks, Rule, among, blocks, numbered, stream
from linkage.kernel.columns import Columns, Floats
from linkage.kernel.compiler import Compiler, flattened, side_of
from linkage.kernel.conditions import Pairs, Positions, Truths
from linkage.kernel.match import BATCH, Levels, compiled, keyed, read
from linkage.kernel.weights import LEAST
from linkage.progress import SILENT, Advance, Reporter
from linkage.splink_model import comparison, level_labels
from rules.expressions import parsed
from rules.model import BlockingRule, ComparisonRule, Entity, EntityRules

START_TOP = 0.95  # Splink's first m of the most similar level; the others share the rest
UNSEEN = 1e-6  # what Splink takes for the m of a level that no pair shows
CONVERGED = 1e-4
ITERATIONS = 25
STARTS = ((0.8, 0.05), (0.6, 0.5), (0.99, 0.7))  # other first m of the most similar level, and shares of matches
NEAR = 1e-4  # bits for each pair: starts that differ by less in likelihood are as likely as each other
SEEN = 20  # pairs that must agree in two comparisons before anything is said of them
EARLIER = 3  # a level behind more equalities than these is sampled: with each the unions to be counted double
UNGROUPED = np.full(1, -1, dtype=np.int64)


def estimate(con: duckdb.DuckDBPyConnection, rules: EntityRules, reporter: Reporter = SILENT) -> Estimates:
    """u from frequencies and random pairs of `standard`, and m of every EM pass."""
    entity = rules.entity
    with reporter.step(f"columns of {rules.name}"):
        training = Training(con, entity)
    with reporter.step(u_step(rules), training.sampled) as advance:
        u = training.u(advance)
    passes, told = [], []
    for i, keys in enumerate(entity.training.em):
        with reporter.step(m_step(rules, keys)):
            m, said = training.told(i, u)
        passes.append(m)
        told.append(said)
    return Estimates(u, tuple(passes), training.seen, tuple(told))


@dataclass(frozen=True)
class Exact:
    """What frequencies alone say of a comparison: the pairs that are not null, and how many reach some levels."""

    pairs: int
    of: dict[int, int]


class Training:
    """One entity type, ready to be trained: the columns of its comparisons and passes in memory."""

    def __init__(self, con: duckdb.DuckDBPyConnection, entity: Entity) -> None:
        compiler = Compiler(con)
        self.con = con
        self.entity = entity
        self.levels = {one.name: one for one in compiled(compiler, entity)}
        self.labels = {rule.name: level_labels(entity, rule) for rule in entity.comparisons}
        self.passes = [keyed(compiler, BlockingRule(keys=keys)) for keys in entity.training.em]
        self.columns: Columns = read(con, entity, compiler.needed)
        self.seen: dict[Key, int] = {}

    @property
    def sampled(self) -> int:
        """How many pairs are looked at for u."""
        return min(int(self.entity.training.u_pairs), _all_pairs(self.columns.count))

    def u(self, advance: Advance = lambda done: None) -> dict[Key, float]:
        """u of every level that some pair showed."""
        exact = {rule.name: self._exact(rule) for rule in self.entity.comparisons}
        counts = {name: np.zeros(len(labels)) for name, labels in self.labels.items()}
        open_ = [one for one in self.levels.values() if len(exact[one.name].of) < len(counts[one.name])]
        for pairs in self._random() if open_ else ():
            for one in open_:
                counts[one.name] += np.bincount(one.whole(pairs) + 1, minlength=len(one.levels) + 2)[1:]
            advance(len(pairs))
        self.seen = {
            (name, label): 0 if level in exact[name].of else int(counts[name][level])
            for name, labels in self.labels.items()
            for level, label in enumerate(labels)
        }
        return {
            (name, label): share
            for name, labels in self.labels.items()
            for label, share in zip(labels, _shares(exact[name], counts[name]), strict=True)
            if share
        }

    def m(self, i: int, u: dict[Key, float]) -> dict[Key, float]:
        """m of every level that a pair of pass `i` showed, of the comparisons that its keys leave free."""
        return self.told(i, u)[0]

    def told(self, i: int, u: dict[Key, float]) -> tuple[dict[Key, float], Told]:
        """m of pass `i`, and what the pass tells of itself."""
        names = [rule.name for rule in free(self.entity, self.entity.training.em[i])]
        made = self.blocks(i)
        if not names or not made.pairs:
            return {}, Told(0, 0.0, 0, True, 0.0, {})
        patterns, counts = self._patterns([self.levels[name] for name in names], made)
        known = [
            np.array([u.get((name, label), unseen_u(self.entity)) for label in self.labels[name]]) for name in names
        ]
        best, *others = started(patterns, counts, known)
        near = [as_likely(one, best, counts) for one in others]
        apart = max((_gap(one, best) for one, likely in zip(others, near, strict=True) if likely), default=0.0)
        told = Told(
            int(counts.sum()),
            best.share,
            best.rounds,
            best.rounds < ITERATIONS,
            apart,
            _together(names, patterns, counts * (1 - best.matching)),
            tuple(Start(likely, self._named(names, one)) for one, likely in zip(others, near, strict=True)),
        )
        return self._named(names, best), told

    def _named(self, names: Sequence[str], found: Maximised) -> dict[Key, float]:
        """The m of every level that a pair showed, by comparison and label."""
        return {
            (name, label): float(share)
            for name, shares in zip(names, found.m, strict=True)
            for label, share in zip(self.labels[name], shares, strict=True)
            if not np.isnan(share)
        }

    def blocks(self, i: int) -> Blocks:
        """The blocks of pass `i`; of too many pairs those among so many random records that about EM_PAIRS are left."""
        made = blocks(self.con, self.columns, self.passes[i])
        if made.pairs <= EM_PAIRS:
            return made
        chosen = _raw(self.entity.training.seed).random_raw(self.columns.count)
        return among(made, chosen < np.uint64(sqrt(EM_PAIRS / made.pairs) * 2**64))

    def _pairs(self, left: Positions, right: Positions) -> Pairs:
        return Pairs(self.columns, self.con, left, right)

    def _exact(self, rule: ComparisonRule) -> Exact:
        """The levels of a comparison that are equalities of columns, and behind no others."""
        one = self.levels[rule.name]
        if not one_sided(comparison(self.entity, rule).null):
            return Exact(0, {})
        # Of a condition that names one record or the other alike, a record beside itself says what it says.
        every = np.arange(self.columns.count)
        known = one.null.condition.truth(self._pairs(every, every)) != c.TRUE
        found = Exact(_all_pairs(int(known.sum())), {})
        earlier: list[frozenset[str]] = []
        for i, level in enumerate(one.levels):
            columns = equal_columns(level.condition)
            if not columns or len(earlier) > EARLIER:
                return found
            terms = Counter({columns: 1})
            for other in earlier:
                for union, sign in list(terms.items()):
                    terms[union | other] -= sign
            found.of[len(one.levels) - i] = sum(
                sign * among(self._agreeing(union), known).pairs for union, sign in terms.items() if sign
            )
            earlier.append(columns)
        found.of[0] = found.pairs - sum(found.of.values())
        return found

    def _agreeing(self, columns: frozenset[str]) -> Blocks:
        keys = tuple(sorted(columns))
        return blocks(self.con, self.columns, Rule(BlockingRule(keys=keys), keys, None))

    def _random(self) -> Iterator[Pairs]:
        """Random pairs, or every pair where those are no more than were asked for."""
        count, wanted = self.columns.count, self.sampled
        if wanted == _all_pairs(count):
            whole = Blocks(np.arange(count), np.full(count, count), np.zeros(count, dtype=np.int32))
            for _, _, left, right in stream([whole], UNGROUPED, BATCH):
                yield self._pairs(left, right)
            return
        raw = _raw(self.entity.training.seed)
        for low in range(0, wanted, BATCH):
            one, other = raw.random_raw((min(BATCH, wanted - low), 2)).T
            left = (one % np.uint64(count)).astype(np.int64)
            right = (other % np.uint64(count - 1)).astype(np.int64)
            right += right >= left
            yield self._pairs(np.minimum(left, right), np.maximum(left, right))

    def _patterns(self, levels: Sequence[Levels], made: Blocks) -> tuple[list[Truths], Floats]:
        """The patterns that the pairs of blocks show: the level of every comparison by pattern, and counts."""
        parts = []
        for _, _, left, right in stream([made], UNGROUPED, BATCH):
            pairs = self._pairs(left, right)
            parts.append(_counted([one.whole(pairs) for one in levels], np.ones(len(pairs))))
        gammas = [np.concatenate([one[i] for one, _ in parts]) for i in range(len(levels))]
        return _counted(gammas, np.concatenate([counts for _, counts in parts]))


@dataclass(frozen=True)
class Maximised:
    """What expectation maximisation found: m, the share of matches, by pattern their probability, its likelihood."""

    m: list[Floats]
    share: float
    matching: Floats
    likelihood: float
    rounds: int


def maximised(patterns: Sequence[Truths], counts: Floats, u: Sequence[Floats]) -> list[Floats]:
    """m by expectation maximisation from Splink's start (`maximise`)."""
    return maximise(patterns, counts, u).m


def started(patterns: Sequence[Truths], counts: Floats, u: Sequence[Floats]) -> list[Maximised]:
    """What Splink's start leads to, which is what counts, and after it what others lead to."""
    return [maximise(patterns, counts, u), *(maximise(patterns, counts, u, *start) for start in STARTS)]


def as_likely(other: Maximised, best: Maximised, counts: Floats) -> bool:
    """Whether a start explains the pairs as well; one that is likelier by far is another explanation of them."""
    return other.likelihood >= best.likelihood - NEAR * float(counts.sum())


def _gap(other: Maximised, best: Maximised) -> float:
    """How far the m of two starts lie apart at most."""
    return max(float(np.nanmax(np.abs(a - b), initial=0.0)) for a, b in zip(best.m, other.m, strict=True))


def maximise(
    patterns: Sequence[Truths],
    counts: Floats,
    u: Sequence[Floats],
    top: float = START_TOP,
    share: float = SHARE_IN_BLOCK,
) -> Maximised:
    """m by expectation maximisation over patterns (Dempster, Laird & Rubin 1977), with u fixed.

    `patterns` holds the level of every comparison by pattern (-1 null), `counts` the pairs by pattern, `u` and m
    one array per comparison, indexed by level; a level that no pattern has is NaN. `top` and `share` are the first m of
    the most similar level and the first share of matches.
    """
    seen = [_by_level(gamma, counts, one.size) > 0 for gamma, one in zip(patterns, u, strict=True)]
    m = [_start(one.size, top) for one in u]
    rounds = 0
    for _ in range(ITERATIONS):
        rounds += 1
        weight = np.full(counts.size, log2(share / (1 - share)))
        for gamma, one, other in zip(patterns, m, u, strict=True):
            level = np.log2(np.maximum(one, LEAST) / np.maximum(other, LEAST))
            weight += np.concatenate([[0.0], level])[gamma + 1]
        expected = counts / (1 + np.exp2(np.minimum(-weight, 1000)))
        before, m = [np.array([share]), *m], []
        for gamma, known in zip(patterns, seen, strict=True):
            matches = _by_level(gamma, expected, known.size)
            m.append(np.where(known, matches / max(matches.sum(), LEAST), UNSEEN))
        share = min(max(float(expected.sum() / counts.sum()), LEAST), 1 - 2**-53)
        after = [np.array([share]), *m]
        if max(float(np.abs(a - b).max()) for a, b in zip(before, after, strict=True)) < CONVERGED:
            break
    apart = np.zeros(counts.size)
    for gamma, other in zip(patterns, u, strict=True):
        apart += np.concatenate([[0.0], np.log2(np.maximum(other, LEAST))])[gamma + 1]
    # log2 of P(pattern) = log2 P(pattern | no match) + log2 (1 - share) + log2 (1 + odds)
    likelihood = apart + log2(1 - share) + np.logaddexp2(0.0, weight)
    return Maximised(
        [np.where(known, one, np.nan) for known, one in zip(seen, m, strict=True)],
        share,
        expected / np.maximum(counts, LEAST),
        float((counts * likelihood).sum()),
        rounds,
    )


def _start(levels: int, top: float) -> Floats:
    """The first m: `top` for the most similar level, equal shares for the others."""
    return np.array([(1 - top) / (levels - 1)] * (levels - 1) + [top])


def _together(names: Sequence[str], patterns: Sequence[Truths], weights: Floats) -> dict[Key, float]:
    """How much more often two comparisons both agree in full than they would independently; 3 times or more."""
    found: dict[Key, float] = {}
    tops = [gamma == gamma.max(initial=0) for gamma in patterns]
    for i, j in combinations(range(len(names)), 2):
        known = (patterns[i] >= 0) & (patterns[j] >= 0)
        every = float(weights[known].sum())
        both = float(weights[known & tops[i] & tops[j]].sum())
        alone = float(weights[known & tops[i]].sum()) * float(weights[known & tops[j]].sum())
        if every > 0 and alone > 0 and both >= SEEN and both * every / alone >= 3:
            found[names[i], names[j]] = both * every / alone
    return found


def _by_level(gamma: Truths, weights: Floats, levels: int) -> Floats:
    """The sum of some weights by level, nulls left out."""
    return np.bincount(gamma + 1, weights, minlength=levels + 1)[1:].astype(np.float64)


def _counted(gammas: Sequence[Truths], counts: Floats) -> tuple[list[Truths], Floats]:
    """The distinct patterns, in order, and the sum of counts of each."""
    _, first, which = np.unique(numbered(gammas), return_index=True, return_inverse=True)
    return [gamma[first] for gamma in gammas], np.bincount(which, counts).astype(np.float64)


def _shares(exact: Exact, counts: Floats) -> Floats:
    """The share of every level: those known exactly, and the rest as the counts of the others have it."""
    known = np.array(sorted(exact.of), dtype=np.int64)
    found = counts.copy()
    found[known] = 0
    rest = 1.0
    if known.size and exact.pairs:
        rest -= sum(exact.of.values()) / exact.pairs
    found *= rest / max(found.sum(), 1.0)
    if exact.pairs:
        found[known] = [exact.of[level] / exact.pairs for level in known]
    return found


def equal_columns(condition: c.Condition) -> frozenset[str]:
    """The columns in which a condition asks two records to be equal, if it asks nothing else; else none."""
    match condition:
        case c.SameCode((side, one), (other_side, other), False) if side != other_side and one == other:
            return frozenset({one})
        case c.Compare("=", c.Column(side, one), c.Column(other_side, other), False) if (
            side != other_side and one == other
        ):
            return frozenset({one})
        case c.All(parts):
            every = [equal_columns(part) for part in parts]
            return frozenset().union(*every) if all(every) else frozenset()
    return frozenset()


def one_sided(sql: str) -> bool:
    """Whether a condition is true of a pair wherever it is true of one record or the other, in whatever order."""
    sides: dict[str, set[str]] = {"l": set(), "r": set()}
    for part in flattened(parsed(sql), exp.Or):
        side = side_of(part)
        if side:
            sides[side].add(part.transform(_without_side).sql("duckdb"))
        elif part.find(exp.Column):
            return False
    return sides["l"] == sides["r"]


def _without_side(node: exp.Expr) -> exp.Expr:
    return exp.column(node.name[:-2]) if isinstance(node, exp.Column) else node


def _all_pairs(records: int) -> int:
    return records * (records - 1) // 2


def _raw(seed: int) -> np.random.PCG64:
    return np.random.PCG64(seed)
