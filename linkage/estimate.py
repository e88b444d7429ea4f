"""Estimates u and m with Splink over SQL, and says what is agreed about estimating whoever does it.

Reads: standard. Writes: comparable (dropped again).

`kernel/training.py` estimates the same over arrays.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import duckdb

from linkage.progress import SILENT, Reporter
from linkage.splink_model import (
    build,
    compared_columns,
    comparison,
    named_columns,
    predicting,
    prior,
    sided_columns,
)
from linkage.sql import number
from rules.columns import quote
from rules.model import ComparisonRule, Entity, EntityRules

SHARE_IN_BLOCK = 0.3
EM_PAIRS = 2_000_000
Key = tuple[str, str]


@dataclass(frozen=True)
class Start:
    """What another start of an EM pass led to: its m, and whether it is as likely as what the pass took."""

    likely: bool
    m: dict[Key, float]


@dataclass(frozen=True)
class Told:
    """What an EM pass tells of itself: how sure its m are, and what speaks against it.

    pairs, share  the pairs that agree in its keys, and the share of them that it takes for matches
    rounds        of the iteration; converged  whether it ended by itself
    apart         the largest difference between the m of several starts that are as likely as the best one
    together      (comparison, comparison) -> how many times more often both agree among what it takes for others than
                  they would if they had nothing to do with each other; only what is 3 times or more
    starts        what the other starts led to
    """

    pairs: int
    share: float
    rounds: int
    converged: bool
    apart: float
    together: dict[Key, float]
    starts: tuple[Start, ...] = ()


@dataclass(frozen=True)
class Estimates:
    """u of every (comparison, level) that pairs showed, and m of every one that the pairs of each EM pass showed.

    `sampled` says by how many of the sampled pairs a level was seen, 0 where it was counted exactly; `told` what each
    pass tells of itself. Splink tells neither.
    """

    u: dict[Key, float]
    passes: tuple[dict[Key, float], ...]
    sampled: dict[Key, int] = field(default_factory=dict)
    told: tuple[Told, ...] = ()


def estimate(con: duckdb.DuckDBPyConnection, rules: EntityRules, reporter: Reporter = SILENT) -> Estimates:
    """u from the pairs of a random sample of `standard`, and m of every EM pass."""
    entity = rules.entity
    con.execute(f"create or replace table comparable as {training_sql(entity)}")
    try:
        with reporter.step(u_step(rules), con=con):
            u = _estimate_u(con, entity)
        passes = []
        for i, keys in enumerate(entity.training.em):
            with reporter.step(m_step(rules, keys), con=con):
                passes.append(estimate_m(con, entity, i, u))
    finally:
        con.execute("drop table if exists comparable")
    return Estimates(u, tuple(passes))


def u_step(rules: EntityRules) -> str:
    """What the estimation of u is called."""
    return f"u of {rules.name}"


def m_step(rules: EntityRules, keys: tuple[str, ...]) -> str:
    """What an EM pass is called."""
    return f"m of {rules.name}, pairs that agree in {' + '.join(keys)}"


def unseen_u(entity: Entity) -> float:
    """The upper 95 % bound of a share of which no sampled pair was seen: the "rule of three"."""
    return 3 / entity.training.u_pairs


def free(entity: Entity, keys: tuple[str, ...]) -> tuple[ComparisonRule, ...]:
    """The comparisons that a pass over pairs that agree in `keys` estimates."""
    return tuple(rule for rule in entity.comparisons if not touched(entity, rule, keys))


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


def training_sql(entity: Entity) -> str:
    """SQL of the compared columns plus one block column per EM pass."""
    columns = ", ".join(quote(column) for column in compared_columns(entity))
    blocks = ""
    for i, keys in enumerate(entity.training.em):
        known = " and ".join(f"({key}) is not null" for key in keys)
        text = ", ".join(f"cast({key} as varchar)" for key in keys)
        blocks += f", case when {known} then cast(hash(concat_ws('|', {text})) >> 1 as bigint) end as em_{i}"
    return f"select ordinal, {columns}{blocks} from standard"


def _estimate_u(con: duckdb.DuckDBPyConnection, entity: Entity) -> dict[Key, float]:
    """u of every level that random pairs showed."""
    records = number(con, "select count(*) from comparable")
    with predicting(con, "comparable", build(entity, prior(entity, records), adjust=False)) as session:
        session.linker.training.estimate_u_using_random_sampling(
            max_pairs=entity.training.u_pairs, seed=entity.training.seed
        )
        return read_trained(session.linker.misc.save_model_to_json(), "u_probability")


def estimate_m(con: duckdb.DuckDBPyConnection, entity: Entity, i: int, u: dict[Key, float]) -> dict[Key, float]:
    """m of every level that pass `i` over `comparable` showed, of the comparisons that its keys leave free."""
    pairs = number(
        con,
        f"select sum(n * (n - 1) // 2) from (select count(*)::hugeint as n from comparable "
        f"where em_{i} is not null group by em_{i})",
    )
    compared = free(entity, entity.training.em[i])
    if not compared or not pairs:
        return {}
    model = build(entity.model_copy(update={"comparisons": compared}), SHARE_IN_BLOCK, adjust=False)
    for one in model["comparisons"]:
        for level in one["comparison_levels"][1:]:
            level["u_probability"] = u.get((one["output_column_name"], level["label_for_charts"]), unseen_u(entity))
    with predicting(con, "comparable", model) as session:
        session.linker.training.estimate_parameters_using_expectation_maximisation(
            f"l.em_{i} = r.em_{i}",
            estimate_without_term_frequencies=True,
            max_pairs=EM_PAIRS if pairs > EM_PAIRS else None,
        )
        return read_trained(session.linker.misc.save_model_to_json(), "m_probability")


def read_trained(model: dict[str, Any], name: str) -> dict[Key, float]:
    """The trained probabilities of a saved Splink model; untrained levels are absent."""
    return {
        (one["output_column_name"], level["label_for_charts"]): float(level[name])
        for one in model["comparisons"]
        for level in one["comparison_levels"]
        if isinstance(level.get(name), int | float)
    }
