"""How sure the figures against a truth are: entities are drawn again, since the pairs of one are not independent.

Reads: judged (truth, grp). Writes nothing.

The unit is what truth and grouping tie together: all entities of which records stand in one group, and all groups that
hold records of one entity. Units are drawn with replacement as often as there are (the cluster bootstrap, Davison &
Hinkley 1997, 3.8), and the 2.5 % and 97.5 % quantiles of the figures are the interval.
"""

from __future__ import annotations

import duckdb
import numpy as np
from numpy.typing import NDArray

from linkage.inference import Interval

ROUNDS = 400
Ints = NDArray[np.int64]
Floats = NDArray[np.float64]
_CODES = """
select dense_rank() over (order by truth) - 1 as t, dense_rank() over (order by grp) - 1 as g,
       count(*) over (partition by truth, grp) as shared, count(*) over (partition by grp) as grouped,
       count(*) over (partition by truth) as truly
from judged order by id"""


def intervals(con: duckdb.DuckDBPyConnection, seed: int = 1) -> dict[str, dict[str, Interval]]:
    """Precision, recall and F1 over pairs (`pairwise`) and over records (`bcubed`), with intervals."""
    found = con.execute(_CODES).fetchnumpy()
    truth, group, shared, grouped, truly = (found[name].astype(np.int64) for name in found)
    unit = _units(truth, group)
    # A record's share of its group's pairs: (n - 1) / 2 of them are its own.
    parts: Floats = np.stack(
        [
            np.bincount(unit, weights).astype(np.float64)
            for weights in (
                (shared - 1) / 2,
                (grouped - 1) / 2,
                (truly - 1) / 2,
                np.ones(unit.size),
                shared / grouped,
                shared / truly,
            )
        ]
    )
    whole = parts.sum(axis=1)
    drawn = _drawn(parts, seed)
    told: dict[str, dict[str, Interval]] = {}
    for name, figures in (("pairwise", _pairwise), ("bcubed", _bcubed)):
        value, spread = figures(whole[:, None]), figures(drawn)
        told[name] = {
            key: Interval(float(value[key][0]), *(float(q) for q in np.quantile(spread[key], [0.025, 0.975])))
            for key in value
        }
    return told


def _drawn(parts: Floats, seed: int) -> Floats:
    """The sums of the parts in every round: each unit counts as often as it was drawn."""
    chance, units = np.random.Generator(np.random.PCG64(seed)), parts.shape[1]
    sums = [parts @ np.bincount(chance.integers(0, units, units), minlength=units) for _ in range(ROUNDS)]
    return np.stack(sums, axis=1)


def _pairwise(sums: Floats) -> dict[str, Floats]:
    right, made, true = sums[:3]
    return _shares(_divided(right, made), _divided(right, true))


def _bcubed(sums: Floats) -> dict[str, Floats]:
    return _shares(_divided(sums[4], sums[3]), _divided(sums[5], sums[3]))


def _shares(precision: Floats, recall: Floats) -> dict[str, Floats]:
    return {"precision": precision, "recall": recall, "f1": _divided(2 * precision * recall, precision + recall)}


def _divided(one: Floats, other: Floats) -> Floats:
    found: Floats = np.where(other > 0, one / np.where(other > 0, other, 1.0), 1.0)
    return found


def _units(truth: Ints, group: Ints) -> Ints:
    """For every record the number of what truth and grouping tie together: the least label that reaches it."""
    label = truth.copy()
    while True:
        before = label
        for codes in (group, truth):
            least = np.full(int(codes.max(initial=-1)) + 1, label.size, dtype=np.int64)
            np.minimum.at(least, codes, label)
            label = least[codes]
        if np.array_equal(before, label):
            _, unit = np.unique(label, return_inverse=True)
            return unit.astype(np.int64)
