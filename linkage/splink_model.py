"""Splink's model of an entity type: built from the rules every time, with the weights that training left.

Writes nothing; `predicting` lends a Splink linker on its own cursor and schema and clears both away.

A comparison level has a label; `weights.json` holds m and u of each (comparison, label) in Splink's own
format, so that a change of weights is a reviewable diff. A level that bears a term frequency weighs
log2(m / frequency of the value), and log2(m / u) on average (Fellegi & Sunter 1969; Winkler 1989).
"""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from math import log2
from typing import Any

import duckdb
from splink import DuckDBAPI, Linker
from sqlglot import exp

from rules.columns import quote
from rules.errors import RefusedError
from rules.expressions import parsed
from rules.kinds import KINDS
from rules.kinds.base import Comparison, Level
from rules.model import ComparisonRule, Entity, EntityRules

SCHEMA = "splink"
INPUT = "splink_input"  # Splink looks columns up by table name alone, over all schemas
ELSE = "else"
LEAST = 1e-300
PROBABILITIES = ("m_probability", "u_probability")
Trained = dict[tuple[str, str], dict[str, float]]


@dataclass(frozen=True)
class Session:
    """A linker, the API that registers tables for it, and the cursor that both work on."""

    linker: Linker
    api: DuckDBAPI
    cursor: duckdb.DuckDBPyConnection


def comparison(entity: Entity, rule: ComparisonRule) -> Comparison:
    """The null condition and the levels of a comparison: its own, or those of its field's kind."""
    if rule.field is None:
        own = tuple(Level(level.label, level.when, level.term_frequency) for level in rule.own)
        return Comparison(rule.null or "false", own)
    field = entity.fields[rule.field]
    whole = KINDS[field.kind].compare(rule.field, field.options)
    if not rule.levels:
        return whole
    return Comparison(whole.null, tuple(level for level in whole.levels if level.label in rule.levels))


def level_labels(entity: Entity, rule: ComparisonRule) -> list[str]:
    """The labels of a comparison's levels, indexed by gamma: 0 is `else`, the most similar stands last."""
    return [ELSE, *(level.label for level in reversed(comparison(entity, rule).levels))]


def settings(rules: EntityRules, records: int) -> dict[str, Any]:
    """Splink's settings for `records` records (at the time of freezing) with the trained weights.

    Raises:
        RefusedError: there are no weights, or none for a level.
    """
    trained = weights(rules)
    return build(rules.entity, prior(rules.entity, records), trained)


def prior(entity: Entity, records: int) -> float:
    """The probability that two random records match: expected matching pairs over all pairs."""
    return min(0.5, 2 * entity.matching.pairs_per_record / max(records - 1, 1))


def build(entity: Entity, probability: float, trained: Trained | None = None, *, adjust: bool = True) -> dict[str, Any]:
    """A Splink settings dictionary; without `trained` no m and u, without `adjust` no term frequencies."""
    return {
        "link_type": "dedupe_only",
        "sql_dialect": "duckdb",
        "unique_id_column_name": "ordinal",
        "probability_two_random_records_match": probability,
        "retain_matching_columns": False,
        "retain_intermediate_calculation_columns": True,
        "blocking_rules_to_generate_predictions": [f"l.block_{i} = r.block_{i}" for i in range(len(entity.blocking))],
        "comparisons": [_comparison(entity, rule, trained, adjust) for rule in entity.comparisons],
    }


def weights(rules: EntityRules) -> Trained:
    """(comparison, label) -> m_probability and u_probability, out of `weights.json`."""
    if rules.weights is None:
        raise RefusedError(f"{rules.name} has no weights; run 'shuyuan train {rules.name}' first")
    found = {
        (one["output_column_name"], level["label_for_charts"]): level
        for one in rules.weights["comparisons"]
        for level in one["comparison_levels"]
        if not level.get("is_null_level")
    }
    wanted = [
        (rule.name, label)
        for rule in rules.entity.comparisons
        for label in [*(level.label for level in comparison(rules.entity, rule).levels), ELSE]
    ]
    missing = [f"{name}: {label}" for name, label in wanted if (name, label) not in found]
    if missing:
        raise RefusedError(f"{rules.name} has no weights for {', '.join(missing)}; run 'shuyuan train {rules.name}'")
    return {key: {name: found[key][name] for name in PROBABILITIES} for key in wanted}


def weighed(rules: EntityRules) -> list[dict[str, Any]]:
    """What every level weighs: comparison, level, m, u, log2(m / u), the most similar first; empty without weights."""
    if rules.weights is None:
        return []
    return [
        {
            "comparison": name,
            "level": label,
            "m": one["m_probability"],
            "u": one["u_probability"],
            "weight": round(log2(max(one["m_probability"], LEAST) / max(one["u_probability"], LEAST)), 2),
        }
        for (name, label), one in weights(rules).items()
    ]


def frequency_columns(entity: Entity) -> list[str]:
    """The columns of `standard` whose value frequencies adjust a weight."""
    named = {
        level.term_frequency
        for rule in entity.comparisons
        if rule.term_frequency
        for level in comparison(entity, rule).levels
        if level.term_frequency
    }
    return sorted(named)


def compared_columns(entity: Entity) -> list[str]:
    """The columns of `standard` that comparisons read: all that Splink is given."""
    columns = set(frequency_columns(entity))
    for rule in entity.comparisons:
        whole = comparison(entity, rule)
        for sql in (whole.null, *(level.when for level in whole.levels)):
            columns |= sided_columns(sql)
    return sorted(columns)


def sided_columns(sql: str) -> set[str]:
    """The columns that a condition over `_l` / `_r` columns names, without their side."""
    return {name[:-2] for name in named_columns(sql) if name.endswith(("_l", "_r"))}


def named_columns(sql: str) -> set[str]:
    """The columns that an SQL expression names."""
    return {column.name for column in parsed(sql).find_all(exp.Column)}


@contextmanager
def predicting(con: duckdb.DuckDBPyConnection, table: str, model: dict[str, Any]) -> Iterator[Session]:
    """A Splink linker over table `table` of the current schema.

    It works on a cursor of its own (an unfinished result on a shared one is fatal) in a schema of its own
    that is dropped afterwards, also when an earlier run died inside it. Tables must be committed.
    """
    home = str(con.execute("select current_schema()").fetchall()[0][0])
    cursor = con.cursor()
    logger = logging.getLogger("splink")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        cursor.execute(f"drop schema if exists {SCHEMA} cascade")
        cursor.execute(f"create schema {SCHEMA}")
        cursor.execute(f"set search_path = '{SCHEMA},{home},main'")
        cursor.execute(f"create view {INPUT} as select * from {quote(home)}.{quote(table)}")
        api = DuckDBAPI(cursor)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            linker = Linker(api.register(INPUT), model, log_level=None, validate_settings=False)
            yield Session(linker, api, cursor)
    finally:
        logger.setLevel(level)
        cursor.execute(f"drop schema if exists {SCHEMA} cascade")
        cursor.close()


def _comparison(entity: Entity, rule: ComparisonRule, trained: Trained | None, adjust: bool) -> dict[str, Any]:
    whole = comparison(entity, rule)
    levels: list[dict[str, Any]] = [{"sql_condition": whole.null, "label_for_charts": "null", "is_null_level": True}]
    for level in whole.levels:
        adjusted = adjust and rule.term_frequency and level.term_frequency
        frequency = (
            {"tf_adjustment_column": level.term_frequency, "disable_tf_exact_match_detection": True} if adjusted else {}
        )
        levels.append({"sql_condition": level.when, "label_for_charts": level.label, **frequency})
    levels.append({"sql_condition": "ELSE", "label_for_charts": ELSE})
    if trained is not None:
        for one in levels[1:]:
            one.update(trained[rule.name, one["label_for_charts"]])
    return {"output_column_name": rule.name, "comparison_description": rule.name, "comparison_levels": levels}
