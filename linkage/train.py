"""Estimates the weights of an entity type from its own unlabelled records.

Reads: standard. Writes: rules/<entity>/weights.json and frequencies.parquet, each in one atomic step.

u (how often two records of *different* entities reach a level) comes from random pairs, nearly all of which
are different entities. m (how often two records of *one* entity do) comes from expectation maximisation over
passes; each pass takes the pairs that agree in its keys and estimates only the comparisons that the keys do
not touch, because agreement there is forced (Dempster, Laird & Rubin 1977; Winkler 1988). A comparison that
several passes estimate gets the median.

Some of the random pairs are one entity after all, and for a level that hardly any two entities share they are most
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
from typing import Any

import duckdb

from linkage import frequencies
from linkage.progress import SILENT, Reporter
from linkage.splink_model import (
    ELSE,
    build,
    compared_columns,
    comparison,
    named_columns,
    predicting,
    prior,
    sided_columns,
)
from linkage.sql import number
from linkage.workspace import write_atomically
from rules.columns import quote
from rules.errors import RefusedError
from rules.model import ComparisonRule, Entity, EntityRules

UNSEEN_M = 0.001
SHARE_IN_BLOCK = 0.3
EM_PAIRS = 2_000_000
DIGITS = 6
Key = tuple[str, str]


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
    """What training found: records counted, pairs sampled, the levels in order."""

    records: int
    levels: tuple[LevelWeight, ...]


def train(con: duckdb.DuckDBPyConnection, rules: EntityRules, reporter: Reporter = SILENT) -> TrainReport:
    """Freeze the frequencies of `standard`, estimate u and m and write both beside the rules.

    Raises:
        RefusedError: there are too few records, or no pass estimates some comparison.
    """
    entity = rules.entity
    records = number(con, "select count(*) from standard")
    if records < 2:
        raise RefusedError(f"{rules.name} has {records} records; load a population before training")
    frequencies.freeze(con, rules)
    con.execute(f"create or replace table comparable as {training_sql(entity)}")
    try:
        with reporter.step(f"u of {rules.name}", con=con):
            u = _estimate_u(con, entity, records)
        passes: list[dict[Key, float]] = []
        for i, keys in enumerate(entity.training.em):
            with reporter.step(f"m of {rules.name}, pairs that agree in {' + '.join(keys)}", con=con):
                passes.append(_estimate_m(con, entity, i, u))
    finally:
        con.execute("drop table if exists comparable")
    levels = tuple(_combined(entity, u, passes, prior(entity, records), reporter))
    _write(rules, records, levels)
    return TrainReport(records, levels)


def training_sql(entity: Entity) -> str:
    """SQL of the compared columns plus one block column per EM pass."""
    columns = ", ".join(quote(column) for column in compared_columns(entity))
    blocks = ""
    for i, keys in enumerate(entity.training.em):
        known = " and ".join(f"({key}) is not null" for key in keys)
        text = ", ".join(f"cast({key} as varchar)" for key in keys)
        blocks += f", case when {known} then cast(hash(concat_ws('|', {text})) >> 1 as bigint) end as em_{i}"
    return f"select ordinal, {columns}{blocks} from standard"


def touched(entity: Entity, rule: ComparisonRule, keys: tuple[str, ...]) -> bool:
    """Whether agreement in `keys` forces a level of a comparison, because both read the same field."""
    compared = {column for level in comparison(entity, rule).levels for column in sided_columns(level.when)}
    read = {column for key in keys for column in named_columns(key)}
    return bool(_fields(entity, compared) & _fields(entity, read))


def _fields(entity: Entity, columns: set[str]) -> set[str]:
    """The fields behind columns of `standard`; a derived column stands for all the fields it reads."""
    found: set[str] = set()
    for column in columns:
        if column in entity.derive:
            found |= _fields(entity, named_columns(entity.derive[column]))
        else:
            found.add(column.split("__")[0])
    return found


def _estimate_u(con: duckdb.DuckDBPyConnection, entity: Entity, records: int) -> dict[Key, float]:
    """u of every level that random pairs showed."""
    with predicting(con, "comparable", build(entity, prior(entity, records), adjust=False)) as session:
        session.linker.training.estimate_u_using_random_sampling(
            max_pairs=entity.training.u_pairs, seed=entity.training.seed
        )
        return _read(session.linker.misc.save_model_to_json(), "u_probability")


def _estimate_m(con: duckdb.DuckDBPyConnection, entity: Entity, i: int, u: dict[Key, float]) -> dict[Key, float]:
    """m of every level that pass `i` showed, of the comparisons that its keys leave free."""
    free = tuple(rule for rule in entity.comparisons if not touched(entity, rule, entity.training.em[i]))
    pairs = number(
        con,
        f"select sum(n * (n - 1) // 2) from (select count(*)::hugeint as n from comparable "
        f"where em_{i} is not null group by em_{i})",
    )
    if not free or not pairs:
        return {}
    model = build(entity.model_copy(update={"comparisons": free}), SHARE_IN_BLOCK, adjust=False)
    for one in model["comparisons"]:
        for level in one["comparison_levels"][1:]:
            level["u_probability"] = u.get((one["output_column_name"], level["label_for_charts"]), _unseen_u(entity))
    with predicting(con, "comparable", model) as session:
        session.linker.training.estimate_parameters_using_expectation_maximisation(
            f"l.em_{i} = r.em_{i}",
            estimate_without_term_frequencies=True,
            max_pairs=EM_PAIRS if pairs > EM_PAIRS else None,
        )
        return _read(session.linker.misc.save_model_to_json(), "m_probability")


def _unseen_u(entity: Entity) -> float:
    return 3 / entity.training.u_pairs


def _read(model: dict[str, Any], name: str) -> dict[Key, float]:
    """The trained probabilities of a saved Splink model; untrained levels are absent."""
    return {
        (one["output_column_name"], level["label_for_charts"]): float(level[name])
        for one in model["comparisons"]
        for level in one["comparison_levels"]
        if isinstance(level.get(name), int | float)
    }


def _combined(
    entity: Entity, u: dict[Key, float], passes: list[dict[Key, float]], matches: float, reporter: Reporter
) -> Iterator[LevelWeight]:
    for rule in entity.comparisons:
        if all(touched(entity, rule, keys) for keys in entity.training.em):
            raise RefusedError(
                f"no pass of training.em estimates the comparison {rule.name!r}; add one whose keys leave it free"
            )
        before = 0.0
        for label in [*(level.label for level in comparison(entity, rule).levels), ELSE]:
            key = (rule.name, label)
            estimates = [one[key] for one in passes if key in one]
            unseen = [side for side, seen in (("m", bool(estimates)), ("u", key in u)) if not seen]
            if unseen:
                reporter.note(f"{rule.name}: {label}: {' and '.join(unseen)} never observed; kept the default")
            if len(unseen) == 2:
                yield LevelWeight(rule.name, label, UNSEEN_M * 2 ** min(before, 0.0), UNSEEN_M, False)
                continue
            m = max(median(estimates) if estimates else UNSEEN_M, rule.least_m)
            apart = max((u.get(key, 0.0) - matches * m) / (1 - matches), _unseen_u(entity))
            before = log2(m / apart)
            yield LevelWeight(rule.name, label, m, apart, not unseen)


def _write(rules: EntityRules, records: int, levels: tuple[LevelWeight, ...]) -> None:
    trained = {
        (level.comparison, level.label): {
            "m_probability": float(f"{level.m:.{DIGITS}g}"),
            "u_probability": float(f"{level.u:.{DIGITS}g}"),
        }
        for level in levels
    }
    model = build(rules.entity, prior(rules.entity, records), trained)
    write_atomically(rules.folder / "weights.json", json.dumps(model, ensure_ascii=False, indent=1) + "\n")
