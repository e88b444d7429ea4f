"""How costs grow with the records: the exponent of measured sizes, and what more places would bring.

Writes nothing.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from linkage.kernel.columns import Floats, Ints

Z = 1.959963984540054
GROUPS = 20


def exponent(sizes: Sequence[float], costs: Sequence[float], least: float = 0) -> float | None:
    """The exponent b of cost = a * size ** b by least squares of logarithms: 1 is linear, 2 quadratic.

    Costs below `least`, and what has no logarithm, are left out; None where fewer than two sizes remain.
    """
    points = [
        (math.log(n), math.log(cost))
        for n, cost in zip(sizes, costs, strict=True)
        if n > 0 and cost > 0 and cost >= least
    ]
    middle = sum(x for x, _ in points) / max(len(points), 1)
    spread = sum((x - middle) ** 2 for x, _ in points)
    if spread == 0:
        return None
    return sum((x - middle) * y for x, y in points) / spread


@dataclass(frozen=True)
class Spread:
    """The pairs of one rule by the places of their two records; places stand in GROUPS groups.

    within  pairs of one place, by its group
    across  pairs of two places, by the groups of both (only sums count, so either order will do)
    known   those of `across` that are one entity: somebody who moved
    """

    within: Floats
    across: Floats
    known: Floats

    @classmethod
    def empty(cls) -> Spread:
        return cls(np.zeros(GROUPS), np.zeros((GROUPS, GROUPS)), np.zeros((GROUPS, GROUPS)))


@dataclass(frozen=True)
class Expected:
    """Pairs at a number of records: expected, with a 95 % interval.

    `capped` says that the pairs are no more than what caps leave: blocks grow beyond them, and are skipped.
    """

    records: int
    pairs: float
    low: float
    high: float
    capped: bool = False

    def as_dict(self) -> dict[str, float | int]:
        """For machines: pairs and pairs per record."""
        return {
            "records": self.records,
            "pairs": round(self.pairs),
            "capped": self.capped,
            **{
                f"{name}per_record": float(f"{value / self.records:.4g}")
                for name, value in (("", self.pairs), ("low_", self.low), ("high_", self.high))
            },
        }


def together(alone: Sequence[Expected], union: Expected) -> Expected:
    """What rules make together, which is no more than what all of them make alone, and no less than any of them."""

    def within(value: float, parts: list[float]) -> float:
        return min(max(value, max(parts, default=0.0)), sum(parts))

    return Expected(
        union.records,
        within(union.pairs, [one.pairs for one in alone]),
        within(union.low, [one.low for one in alone]),
        within(union.high, [one.high for one in alone]),
        any(one.capped for one in alone),
    )


def extrapolate(spread: Spread, records: Ints, wanted: int, most: float = math.inf) -> Expected:
    """The pairs of a rule when a registry grows to `wanted` records by more places like those it has.

    `records` counts the records of every group of places. With s times the places there are s times the pairs within a
    place and s times the entities that live in two, and s² times the chance agreements between places: a block of a
    key without a place grows with the country, a block of a key with one does not. The interval is that of a
    delete-a-group jackknife over places (Kott 2001, "The delete-a-group jackknife", J. Official Statistics 17).
    There are never more than `most` pairs: what a cap leaves of blocks that grow beyond it.
    """
    every = np.ones(GROUPS, dtype=np.bool_)
    whole = _at(spread, records, wanted, every)
    kept = [np.arange(GROUPS) != j for j in range(GROUPS) if records[j]]
    parts = np.array([_at(spread, records, wanted, one) for one in kept if records[one].sum()])
    if parts.size < 2:
        return Expected(wanted, min(whole, most), 0.0, most, whole > most)
    error = math.sqrt((parts.size - 1) / parts.size * float(((parts - parts.mean()) ** 2).sum()))
    low, high = max(0.0, whole - Z * error), whole + Z * error
    return Expected(wanted, min(whole, most), min(low, most), min(high, most), whole > most)


def _at(spread: Spread, records: Ints, wanted: int, kept: np.ndarray) -> float:
    scale = wanted / float(records[kept].sum())
    across, known = (float(one[np.ix_(kept, kept)].sum()) for one in (spread.across, spread.known))
    return (float(spread.within[kept].sum()) + known) * scale + max(across - known, 0.0) * scale**2
