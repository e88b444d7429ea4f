"""A source that went wrong is named before anything it says is believed."""

from __future__ import annotations

import duckdb
import pytest

from golden_records.limits import exceeded
from rules.loader import load_rules
from rules.model import EntityRules
from tests.golden_records.things import RULES


@pytest.fixture
def ship() -> EntityRules:
    one = load_rules(RULES).entities["ship"]
    limits = one.entity.limits.model_copy(update={"shared": {"mark": 3}, "merged": 0.05})
    return one.model_copy(update={"entity": one.entity.model_copy(update={"limits": limits})})


def standing(*records: tuple[str, int | None]) -> duckdb.DuckDBPyConnection:
    """`standard` of records (source, number of the mark), and the marks."""
    con = duckdb.connect()
    con.execute("create table standard (source varchar, mark__nth integer)")
    for one in records:
        con.execute("insert into standard values (?, ?)", list(one))
    con.execute("create table value_mark as select n as nth, 'MK-00' || n as value from range(1, 9) as t(n)")
    return con


def test_many_records_of_one_source_with_one_value_stop_a_plan_and_are_named(ship: EntityRules) -> None:
    poison = [("harbour", 1)] * 5 + [("harbour", 2)] * 4
    with standing(*poison, ("registry", 1), ("registry", None)) as con:
        (said,) = exceeded(con, ship, {}, 0)
    assert said.startswith("ship: 5 records of source harbour have one mark, ")
    assert "(limit 3), and as many share 1 other values; ask its owner" in said
    assert "MK-001" not in said


def test_as_many_as_are_allowed_over_several_sources_are_no_surprise(ship: EntityRules) -> None:
    with standing(*[("harbour", 1)] * 3, *[("registry", 1)] * 3, *[("registry", None)] * 9) as con:
        assert list(exceeded(con, ship, {}, 0)) == []


def test_shares_count_from_a_hundred_golden_records_on(ship: EntityRules) -> None:
    with standing() as con:
        assert list(exceeded(con, ship, {"merged": 50}, 100)) == []
        (said,) = exceeded(con, ship, {"merged": 50}, 101)
    assert said == "ship: 50 of 101 golden records would be merged (limit 5.0%)"
