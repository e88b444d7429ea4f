"""The weights of Splink's model as tables indexed by level, and the frequencies of values that adjust them.

Reads: frequency. Writes nothing.

The sum is Splink's, term by term and in its order: the prior, then for every comparison log2(m / u) of the level and,
where the level bears a term frequency, log2(u) - log2(the greater frequency of the two values).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from math import log2
from typing import Any, Protocol

import duckdb
import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from linkage.kernel.columns import NULL, Columns, Floats, places
from linkage.kernel.conditions import Pairs, Truths
from linkage.sql import number
from rules.kinds.base import literal

LEAST = 1e-300  # Splink takes no m and no u below this


class ByCode(Protocol):
    """Frequencies by the code of a value; -1 stands for null, which has none."""

    def __getitem__(self, codes: NDArray[np.integer], /) -> Floats: ...


@dataclass(frozen=True)
class Adjusted:
    """The column whose frequencies adjust a level, and log2 of the level's u."""

    column: str
    base: float


@dataclass(frozen=True)
class Weights:
    """What the levels of one comparison add. `level` is indexed by gamma + 1, so that null stands first.

    most      the same with the most that a frequency could add
    adjusted  gamma -> the frequency that adjusts it
    """

    level: Floats
    most: Floats
    adjusted: dict[int, Adjusted]

    @property
    def top(self) -> float:
        """The most that any level can weigh."""
        return float(self.most.max())

    @cached_property
    def ceilings(self) -> Floats:
        """The most that a pair can weigh whose level is no null and at most so high; at the end that of any pair."""
        return np.append(np.maximum.accumulate(self.most[1:]), self.top)

    def of(self, gamma: Truths, pairs: Pairs, frequency: Mapping[str, ByCode]) -> Floats:
        """The weight of every pair, given its level."""
        found = self.level[gamma + 1]
        for level, one in self.adjusted.items():
            here = places(gamma == level)
            if here.size:
                found[here] += _adjustment(one, pairs.take(here), frequency[one.column])
        return found


def _adjustment(one: Adjusted, pairs: Pairs, frequency: ByCode) -> Floats:
    codes = pairs.columns.codes[one.column]
    a, b = codes[pairs.left], codes[pairs.right]
    # Nulls read the 0 behind the last code: unknown.
    greater = np.maximum(frequency[np.where(a == NULL, -1, a)], frequency[np.where(b == NULL, -1, b)])
    known = greater > 0
    return np.where(known, one.base - np.log2(np.where(known, greater, 1.0)), 0.0)


def prior_weight(model: dict[str, Any]) -> float:
    """The match weight of a pair of which nothing is known."""
    probability = model["probability_two_random_records_match"]
    return log2(probability / (1 - probability))


def weights(comparison: dict[str, Any], frequency: Mapping[str, Floats]) -> Weights:
    """The weights of a comparison of Splink's settings: its null level, its levels, and the else level at the end."""
    levels = comparison["comparison_levels"][1:]
    top = len(levels) - 1
    level = np.zeros(len(levels) + 1)
    most = np.zeros(len(levels) + 1)
    adjusted = {}
    for i, one in enumerate(levels):
        m, u = (max(one[f"{name}_probability"], LEAST) for name in "mu")
        gamma = top - i
        level[gamma + 1] = most[gamma + 1] = log2(m / u)
        column = one.get("tf_adjustment_column")
        if column:
            adjusted[gamma] = Adjusted(column, log2(one["u_probability"]))
            least = frequency[column][frequency[column] > 0].min(initial=1.0)
            most[gamma + 1] += max(0.0, log2(one["u_probability"]) - log2(least))
    return Weights(level, most, adjusted)


def frequency_of(con: duckdb.DuckDBPyConnection, columns: Columns, column: str) -> Floats:
    """The frozen frequency of every value of a column by its code, as `lookup_sql` has it; at the end 0 for null."""
    domain = columns.domain(column)
    named = f"name = {literal(column)}"
    total = max(1, number(con, f"select max(count) from frequency where kind = 'total' and {named}"))
    con.register("kernel_domain", pa.table({"code": np.arange(len(domain)), "value": domain}))
    try:
        found = con.execute(
            "select code, count from kernel_domain as d "
            f"join frequency as f on f.value = cast(d.value as varchar) where f.kind = 'tf' and f.{named}"
        ).fetchnumpy()
    finally:
        con.unregister("kernel_domain")
    frequency = np.full(len(domain) + 1, 1 / total)
    frequency[found["code"]] = found["count"] / total
    frequency[-1] = 0
    return frequency
