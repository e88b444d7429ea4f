"""What speaks against trained weights, each with its likely cause and what to do. Pure functions; nothing is changed.

unseen      a level that no pair showed: it has a default
rare        u of a level rests on so few sampled pairs that it may be off by a third or more
reversed    the most similar level of a comparison is found less often in matches than in others (m < u)
starts      starts of expectation maximisation that are as likely as each other lead to other m
restless    a pass had not ended after the most rounds
apart       passes disagree on a level: one of them looks at something else, such as the people of one household
together    two comparisons agree together, in pairs of different entities, far more often than independently
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import ceil, sqrt
from statistics import median

from linkage.estimate import Estimates, Key, Told
from rules.model import Entity

CERTAIN = 0.33  # of itself: the standard error of a u that is worth a warning
WIDE = 0.15  # between the m of two passes
MOVED = 0.02  # between the m of two starts
SEVERAL = 3.0


@dataclass(frozen=True)
class Doubt:
    """Something that a maintainer should look at before the weights are used."""

    cause: str
    where: str
    said: str


def doubts(entity: Entity, found: Estimates, levels: Sequence[tuple[Key, float, float, bool]]) -> list[Doubt]:
    """Every doubt about the weights `levels` ((comparison, label), m, u, observed), in the order of the table above."""
    return [
        *_unseen(levels),
        *_rare(entity, found),
        *_reversed(levels),
        *(doubt for keys, one in zip(entity.training.em, found.told, strict=False) for doubt in _pass(keys, one)),
        *_apart(entity, found),
    ]


def error_of_u(share: float, seen: int) -> float:
    """The standard error of a sampled share, as a part of itself: √((1 - u) / (n u)), n u pairs seen."""
    return sqrt((1 - share) / seen) if seen else 0.0


def pairs_for(share: float, error: float) -> int:
    """How many random pairs give a share that standard error (as a part of itself)."""
    return ceil((1 - share) / (share * error * error))


def _unseen(levels: Sequence[tuple[Key, float, float, bool]]) -> Iterator[Doubt]:
    for (name, label), _, _, observed in levels:
        if not observed:
            yield Doubt(
                "unseen",
                f"{name}: {label}",
                "no pair showed it, so m or u is a default; what never occurs can go, what is rare needs more records",
            )


def _rare(entity: Entity, found: Estimates) -> Iterator[Doubt]:
    for (name, label), seen in found.sampled.items():
        share = found.u.get((name, label), 0.0)
        error = error_of_u(share, seen)
        if seen and error > CERTAIN:
            wanted = entity.training.u_pairs * (error / 0.1) ** 2
            yield Doubt(
                "rare",
                f"{name}: {label}",
                f"{seen} of the random pairs showed it, so u may be off by {2 * error:.0%}; "
                f"u_pairs = {wanted:.0e} would make that 20%",
            )


def _reversed(levels: Sequence[tuple[Key, float, float, bool]]) -> Iterator[Doubt]:
    first: set[str] = set()
    for (name, label), m, u, observed in levels:
        if name not in first and observed and m < u:
            yield Doubt(
                "reversed",
                f"{name}: {label}",
                f"matches agree less often (m {m:.2g}) than others (u {u:.2g}): the field is wrong, or the passes of "
                "training.em found something else than matches",
            )
        first.add(name)


def _pass(keys: Sequence[str], one: Told) -> Iterator[Doubt]:
    where = " + ".join(keys)
    if one.apart > MOVED:
        yield Doubt(
            "starts",
            where,
            f"starts that are as likely lead to m that differ by {one.apart:.2f}: its pairs say too little; "
            "give the pass other keys",
        )
    if not one.converged:
        yield Doubt("restless", where, f"had not ended after {one.rounds} rounds; its m are rough")
    for (name, other), times in sorted(one.together.items(), key=lambda item: -item[1]):
        if times >= SEVERAL:
            yield Doubt(
                "together",
                f"{name}, {other}",
                f"agree together {times:.0f} times as often as independently among pairs that are no matches "
                f"(of {where}): evidence counts twice; make one comparison of them",
            )


def _apart(entity: Entity, found: Estimates) -> Iterator[Doubt]:
    for key in dict.fromkeys(key for one in found.passes for key in one):
        told = {i: one[key] for i, one in enumerate(found.passes) if key in one}
        middle = median(told.values())
        for i, m in told.items():
            if len(told) > 1 and abs(m - middle) > WIDE:
                yield Doubt(
                    "apart",
                    f"{key[0]}: {key[1]}",
                    f"m is {m:.2f} among pairs that agree in {' + '.join(entity.training.em[i])}, {middle:.2f} "
                    "elsewhere: they may be different people of one household, or records of one kind of error; give "
                    "the pass a key that only one entity has",
                )
