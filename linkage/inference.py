"""How sure an estimate is: shares of samples, sums over strata, and what nobody has seen. Pure functions.

clopper_pearson   Clopper & Pearson 1934, exact and never too narrow
combined          a stratified estimate whose interval comes from the exact ones of its strata, by simulation
chao              the lower bound of Chao 1987 for what no occasion caught, with her log-normal interval
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
ROUNDS = 4000
Z = 1.959963984540054
MOST_REVIEWS = 10_000_000


@dataclass(frozen=True)
class Interval:
    """An estimate with its 95 % interval."""

    value: float
    low: float
    high: float

    def as_dict(self) -> dict[str, float]:
        """For machines, to six digits; the interval is rounded outwards."""
        low, high = math.floor(self.low * 1e6) / 1e6, math.ceil(self.high * 1e6) / 1e6
        return {"value": round(self.value, 6), "low": low, "high": high}


@dataclass(frozen=True)
class Stratum:
    """Pairs of which some were asked about: how many there are, how many were answered, how many are one entity."""

    pairs: int
    asked: int
    right: int
    linked: bool

    def total(self) -> float:
        """The estimated pairs that are one entity; half of them where nobody was asked."""
        return self.pairs * (self.right / self.asked if self.asked else 0.5)

    def totals(self, chance: np.random.Generator, upper: bool) -> Floats:
        """Draws of that number, whose outer quantiles are the Clopper-Pearson limits of the side that is asked for.

        The limits are quantiles of Beta(x, n - x + 1) and Beta(x + 1, n - x); what was asked about is known, and what
        was not are whole pairs.
        """
        a, b = self.right + upper, self.asked - self.right + (not upper)
        share = np.full(ROUNDS, float(a > 0)) if 0 in (a, b) else chance.beta(a, b, ROUNDS)
        found: Floats = self.right + chance.binomial(self.pairs - self.asked, share).astype(np.float64)
        return found


def combined(strata: Sequence[Stratum], missed: Interval, seed: int = 1) -> dict[str, Interval]:
    """Precision, recall and F1 of a linkage from a stratified sample of pairs.

    precision = right linked ÷ linked; recall = right linked ÷ (right linked + right others + missed), where `missed`
    are matches outside the frame. Totals are those of stratified sampling (Cochran 1977, 5.3). The interval of such a
    sum of shares near 0 or 1 is not normal: its lower end is the 2.5 % quantile of sums of draws whose quantiles are
    the lower Clopper-Pearson limits, its upper end that of the upper ones, so that a stratum without a fault counts.
    """
    linked, others = [s for s in strata if s.linked], [s for s in strata if not s.linked]
    made = sum(one.pairs for one in linked)
    right, left = sum(one.total() for one in linked), sum(one.total() for one in others) + missed.value
    chance = np.random.Generator(np.random.PCG64(seed))

    def sums(some: Iterable[Stratum], upper: bool) -> Floats:
        return sum((one.totals(chance, upper) for one in some), np.zeros(ROUNDS))

    low, high = sums(linked, False), sums(linked, True)
    few, many = sums(others, False) + missed.low, sums(others, True) + missed.high
    recall_low, recall_high = low / np.maximum(low + many, 1), high / np.maximum(high + few, 1)
    precision_low, precision_high = (one / max(made, 1) for one in (low, high))
    return {
        "precision": Interval(right / made if made else 1.0, _low(precision_low), _high(precision_high)),
        "recall": Interval(right / (right + left) if right + left else 1.0, _low(recall_low), _high(recall_high)),
        "f1": Interval(
            2 * right / (made + right + left) if made + right + left else 1.0,
            _low(_f1(precision_low, recall_low)),
            _high(_f1(precision_high, recall_high)),
        ),
    }


def _low(values: Floats) -> float:
    return float(np.quantile(values, 0.025))


def _high(values: Floats) -> float:
    return float(np.quantile(values, 0.975))


def _f1(precision: Floats, recall: Floats) -> Floats:
    found: Floats = 2 * precision * recall / np.maximum(precision + recall, 1e-12)
    return found


def at_most(strata: Sequence[Stratum], seed: int = 1) -> float:
    """The 95 % upper bound of the share of wrong pairs among linked ones, from their strata."""
    pairs = sum(one.pairs for one in strata)
    if not pairs:
        return 0.0
    chance = np.random.Generator(np.random.PCG64(seed))
    right = sum((one.totals(chance, False) for one in strata), np.zeros(ROUNDS))
    return float(np.quantile(1 - right / pairs, 0.95))


def clopper_pearson(hits: int, n: int, level: float = 0.95) -> tuple[float, float]:
    """The exact interval of the share hits / n (Clopper & Pearson 1934); (0, 1) where nothing was counted."""
    if n <= 0:
        return 0.0, 1.0
    tail = (1 - level) / 2
    low = 0.0 if hits == 0 else _solve(lambda p: 1 - _at_most(hits - 1, n, p), tail)
    high = 1.0 if hits == n else _solve(lambda p: -_at_most(hits, n, p), -tail)
    return low, high


def reviews_needed(bound: float, share: float) -> int | None:
    """How many answers would show that a share is at most `bound` (95 %, one-sided), if it is `share` in truth.

    Without a fault n answers show 1 - 0.05 ** (1 / n) (the "rule of three"). None: no number of them would.
    """
    if share >= bound:
        return None
    low, high = 1, 2
    while clopper_pearson(round(share * high), high, 0.9)[1] > bound:
        low, high = high, high * 2
        if high > MOST_REVIEWS:
            return None
    while low < high:
        middle = (low + high) // 2
        if clopper_pearson(round(share * middle), middle, 0.9)[1] > bound:
            low = middle + 1
        else:
            high = middle
    return low


def _at_most(hits: int, n: int, p: float) -> float:
    """P(X <= hits) of a binomial."""
    if p <= 0 or hits >= n:
        return 1.0
    if p >= 1:
        return 0.0
    k = np.arange(hits + 1)
    chosen = [math.lgamma(n + 1) - math.lgamma(i + 1) - math.lgamma(n - i + 1) for i in k.tolist()]
    return float(np.exp(np.array(chosen) + k * math.log(p) + (n - k) * math.log1p(-p)).sum())


def _solve(rising: Callable[[float], float], value: float) -> float:
    """Where a function of a share that never falls takes a value."""
    low, high = 0.0, 1.0
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (middle, high) if rising(middle) < value else (low, middle)
    return (low + high) / 2


def chao(once: int, twice: int, occasions: int) -> Interval:
    """How many were caught on no occasion, where so many were caught on just one and on just two (Chao 1987).

    The bias-corrected estimate (t - 1)/t · f1 (f1 - 1) / (2 (f2 + 1)) is a lower bound where occasions or individuals
    differ, as blocking rules do. Where it is 0 up to three stay possible (the "rule of three").
    """
    if occasions < 2 or once < 2:
        return Interval(0.0, 0.0, 3.0)
    share = (occasions - 1) / occasions
    value = share * once * (once - 1) / (2 * (twice + 1))
    variance = (
        share * once * (once - 1) / (2 * (twice + 1))
        + share**2 * once * (2 * once - 1) ** 2 / (4 * (twice + 1) ** 2)
        + share**2 * once**2 * twice * (once - 1) ** 2 / (4 * (twice + 1) ** 4)
    )
    spread = math.exp(Z * math.sqrt(math.log1p(variance / value**2)))
    return Interval(value, value / spread, max(value * spread, 3.0))
