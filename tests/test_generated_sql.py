"""No SQL that the rules generate measures Han text in bytes, and no engine module knows an entity by name."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from linkage.block import block_sql, pairs_sql
from linkage.estimate import training_sql
from linkage.score import candidate_pair_sql, comparable_sql
from linkage.splink_model import build
from linkage.standardize import check_findings_sql, staged_sql
from linkage.values import parsed_sql
from rules.checks import BYTEWISE, bytewise_uses
from rules.columns import ascii_columns, quote
from rules.loader import SHIPPED, load_rules
from rules.model import EntityRules

ROOT = Path(__file__).resolve().parent.parent
ENGINE = ("rules", "linkage", "golden_records")
SHIPPED_RULES = list(load_rules(SHIPPED).entities.values())


def generated(rules: EntityRules) -> Iterator[str]:
    """Every piece of SQL that is made from the rules of an entity type."""
    entity = rules.entity
    yield from (
        parsed_sql(entity, field, f"select {quote(field)} as raw").replace("$as_of", "date '2024-01-01'")
        for field in entity.fields
    )
    yield from (staged_sql(rules), check_findings_sql(entity.checks), block_sql(entity), training_sql(entity))
    yield from (pairs_sql(entity, i) for i in range(len(entity.blocking)))
    yield from (comparable_sql(entity), candidate_pair_sql(entity, "scored"))
    model: dict[str, Any] = build(entity, 0.01)
    for comparison in model["comparisons"]:
        yield from (
            f"select {level['sql_condition']}"
            for level in comparison["comparison_levels"]
            if level["sql_condition"] != "ELSE"
        )


@pytest.mark.parametrize("rules", SHIPPED_RULES, ids=lambda rules: rules.name)
def test_no_byte_wise_function_on_han_text(rules: EntityRules) -> None:
    for sql in generated(rules):
        assert bytewise_uses(sql, ascii_columns(rules.entity)) == [], sql


@pytest.mark.parametrize("function", sorted(BYTEWISE))
def test_the_scan_finds_what_it_looks_for(function: str) -> None:
    sql = f"select {function}(name_l, name_r) > 0 from t"
    (found,) = bytewise_uses(sql, frozenset())
    assert found.endswith("(name)")
    assert bytewise_uses(sql, frozenset({"name"})) == []


def test_static_sql_measures_nothing_in_bytes() -> None:
    for package in ENGINE:
        for path in (ROOT / package).rglob("*.sql"):
            assert not [name for name in BYTEWISE if f"{name}(" in path.read_text("utf-8")], path


def test_the_engine_names_no_entity_type() -> None:
    names = "|".join(rules.name for rules in SHIPPED_RULES)
    word = re.compile(rf"[\"'\b]({names})[\"'\b]")
    for package in ENGINE:
        for path in (ROOT / package).rglob("*.py"):
            if "build" not in path.parts:
                assert not word.search(path.read_text("utf-8")), path
