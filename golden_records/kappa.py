"""How far two people agree beyond chance (Cohen 1960), with the interval of Fleiss, Cohen and Everitt (1969)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from math import sqrt

from golden_records.intervals import Z, wilson


@dataclass(frozen=True)
class Agreement:
    """Of n pairs of answers: the share that agrees with its 95 % interval (Wilson), and kappa with its own.

    kappa is None where chance alone would agree always: nothing was answered, or one answer was given throughout.
    """

    n: int
    agreed: int
    share: tuple[float, float]
    kappa: float | None
    interval: tuple[float, float] | None


def agreement(answers: Sequence[tuple[str, str]]) -> Agreement:
    """How far the first and the second answers agree."""
    n, agreed = len(answers), sum(a == b for a, b in answers)
    share = wilson(agreed, n)
    first, second = Counter(a for a, _ in answers), Counter(b for _, b in answers)
    chance = sum(first[one] * second[one] for one in first) / n**2 if n else 1.0
    if chance >= 1.0:
        return Agreement(n, agreed, share, None, None)
    seen = agreed / n
    kappa = (seen - chance) / (1 - chance)
    spread = Z * sqrt(max(0.0, _variance(answers, first, second, seen, chance)))
    return Agreement(n, agreed, share, kappa, (max(-1.0, kappa - spread), min(1.0, kappa + spread)))


def _variance(
    answers: Sequence[tuple[str, str]], first: Counter[str], second: Counter[str], seen: float, chance: float
) -> float:
    """The large-sample variance of kappa (Fleiss, Cohen, Everitt 1969, formula 13)."""
    n = len(answers)
    total = 0.0
    for (a, b), count in Counter(answers).items():
        if a == b:
            total += count / n * ((1 - chance) - (second[a] + first[a]) / n * (1 - seen)) ** 2
        else:
            total += count / n * (1 - seen) ** 2 * ((second[a] + first[b]) / n) ** 2
    return (total - (seen * chance - 2 * chance + seen) ** 2) / (n * (1 - chance) ** 4)
