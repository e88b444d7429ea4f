"""Estimates the weights of an entity type from its own unlabelled records.

Reads: standard. Writes: rules/<entity>/weights.json and frequencies.parquet, each in one atomic step.

u (how often two records of *different* entities reach a level) comes from all pairs, nearly all of which are
different entities: counted from value frequencies where a level is an equality, else from random pairs. m (how often
two records of *one* entity do) comes from expectation maximisation over passes; each pass takes the pairs that agree
in its keys and estimates only the comparisons that the keys do not touch, because agreement there is forced
(Dempster, Laird & Rubin 1977; Winkler 1988). A comparison that several passes estimate gets the median.

Some of these pairs are one entity after all, and for a level that hardly any two entities share they are most
of what is seen. So their expected share lambda, which is also the prior of the model, is taken out again:
u = (observed - lambda m) / (1 - lambda).

A level that was never observed cannot be estimated. It keeps a default and a warning says so: for u the upper
95 % bound 3 / pairs (the "rule of three", Hanley & Lippman-Hand 1983), for m UNSEEN_M. One of which neither was
observed says nothing for a match, and speaks no less against it than the level before it. No m is below `least_m`
of its comparison: in real files nothing is impossible.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from math import log2
from statistics import median
from typing import Literal

import duckdb

from linkage import estimate, frequencies
from linkage.diagnosis import Doubt, doubts, pairs_for
from linkage.estimate import Estimates, Key, Told, touched, unseen_u
from linkage.kernel import training
from linkage.progress import SILENT, Reporter
from linkage.splink_model import ELSE, build, comparison, prior
from linkage.sql import number
from linkage.workspace import write_atomically
from rules.errors import RefusedError
from rules.model import Entity, EntityRules

Estimator = Literal["kernel", "splink"]
UNSEEN_M = 0.001
DIGITS = 6
RAREST = 1e-5
MOST_PAIRS = 50_000_000


@dataclass(frozen=True)
class LevelWeight:
    """One trained level: m and u, and whether both were observed."""

    comparison: str
    label: str
    m: float
    u: float
    observed: bool


@dataclass(frozen=True)
class TrainReport:
    """What training found.

    levels   in order; passes  of every pass its keys, what it tells of itself, and its m
    doubts   what a maintainer should look at
    sha256   of the whole model: weights, prior and frequencies, as `weights.json` names it
    u_pairs  how many random pairs u was estimated from
    """

    records: int
    levels: tuple[LevelWeight, ...]
    passes: tuple[tuple[tuple[str, ...], Told | None, dict[Key, float]], ...]
    doubts: tuple[Doubt, ...]
    sha256: str
    u_pairs: int


def train(
    con: duckdb.DuckDBPyConnection,
    rules: EntityRules,
    reporter: Reporter = SILENT,
    engine: Estimator = "kernel",
    error: float | None = None,
) -> TrainReport:
    """Freeze the frequencies of `standard`, estimate u and m and write both beside the rules.

    `engine` says what estimates: the kernel over arrays, or Splink over SQL. They differ by the chance of sampling.
    With `error` as many random pairs are taken as give every sampled u of RAREST or more that standard error (as a part
    of itself), no more than MOST_PAIRS.

    Raises:
        RefusedError: there are too few records, or no pass estimates some comparison.
    """
    entity = rules.entity
    records = number(con, "select count(*) from standard")
    if records < 2:
        raise RefusedError(f"{rules.name} has {records} records; load a population before training")
    frequencies.freeze(con, rules)
    estimating = (training if engine == "kernel" else estimate).estimate
    found = estimating(con, rules, reporter)
    if error is not None:
        sampled = [u for key, u in found.u.items() if u >= RAREST and found.sampled.get(key)]
        wanted = max((pairs_for(u, error) for u in sampled), default=0)
        if wanted > entity.training.u_pairs:
            rules = _asking(rules, float(min(wanted, MOST_PAIRS)))
            entity = rules.entity
            found = estimating(con, rules, reporter)
    levels = tuple(_combined(entity, found, prior(entity, records), reporter))
    told = [*found.told, *[None] * (len(found.passes) - len(found.told))]
    passes = tuple(zip(entity.training.em, told, found.passes, strict=True))
    said = doubts(entity, found, [((one.comparison, one.label), one.m, one.u, one.observed) for one in levels])
    sha256 = _write(rules, records, levels)
    return TrainReport(records, levels, passes, tuple(said), sha256, int(entity.training.u_pairs))


def _asking(rules: EntityRules, pairs: float) -> EntityRules:
    """The rules, with u estimated from so many random pairs."""
    asked = rules.entity.training.model_copy(update={"u_pairs": pairs})
    return rules.model_copy(update={"entity": rules.entity.model_copy(update={"training": asked})})


def _combined(entity: Entity, found: Estimates, matches: float, reporter: Reporter) -> Iterator[LevelWeight]:
    u = found.u
    for rule in entity.comparisons:
        if all(touched(entity, rule, keys) for keys in entity.training.em):
            raise RefusedError(
                f"no pass of training.em estimates the comparison {rule.name!r}; add one whose keys leave it free"
            )
        before = 0.0
        for label in [*(level.label for level in comparison(entity, rule).levels), ELSE]:
            key = (rule.name, label)
            estimates = [one[key] for one in found.passes if key in one]
            unseen = [side for side, seen in (("m", bool(estimates)), ("u", key in u)) if not seen]
            if unseen:
                reporter.note(f"{rule.name}: {label}: {' and '.join(unseen)} never observed; kept the default")
            if len(unseen) == 2:
                yield LevelWeight(rule.name, label, UNSEEN_M * 2 ** min(before, 0.0), UNSEEN_M, False)
                continue
            m = max(median(estimates) if estimates else UNSEEN_M, rule.least_m)
            apart = max((u.get(key, 0.0) - matches * m) / (1 - matches), unseen_u(entity))
            before = log2(m / apart)
            yield LevelWeight(rule.name, label, m, apart, not unseen)


def _write(rules: EntityRules, records: int, levels: tuple[LevelWeight, ...]) -> str:
    """Write `weights.json`; gives the hash of weights and frequencies, which stands in it as Splink's `linker_uid`."""
    trained = {
        (level.comparison, level.label): {
            "m_probability": float(f"{level.m:.{DIGITS}g}"),
            "u_probability": float(f"{level.u:.{DIGITS}g}"),
        }
        for level in levels
    }
    model = build(rules.entity, prior(rules.entity, records), trained)
    model["linker_uid"] = frequencies.sealed(rules, model)
    write_atomically(rules.folder / "weights.json", json.dumps(model, ensure_ascii=False, indent=1) + "\n")
    return str(model["linker_uid"])
