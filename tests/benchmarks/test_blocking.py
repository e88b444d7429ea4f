"""The blocking benchmark: growth is what it should be, and its counts are those of the linkage itself."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.blocking import LEAST, UNION, ladder, measure
from linkage.growth import exponent


@pytest.mark.parametrize(("power", "factor"), [(1.0, 3), (2.0, 0.5), (1.2, 7)])
def test_the_growth_of_a_power_is_its_exponent(power: float, factor: float) -> None:
    sizes = [1_000, 2_000, 5_000, 20_000]
    found = exponent(sizes, [factor * size**power for size in sizes], LEAST)
    assert found == pytest.approx(power)


def test_too_few_pairs_have_no_growth() -> None:
    assert exponent([1_000, 2_000], [3, 90], LEAST) is None


def test_a_rule_that_grows_as_the_square_is_refused_and_no_shipped_one_does(tmp_path: Path) -> None:
    rungs = {size: measure(tmp_path / str(size), size, 77) for size in (1_000, 2_000)}
    found = ladder(rungs)
    assert not any(one["refused"] for one in found)
    for entity in {one["entity"] for one in found}:
        *rules, union = (one for one in found if one["entity"] == entity)
        assert union["rule"] == UNION
        assert sum(one["new_pairs"] for one in rules) == union["pairs"] <= sum(one["pairs"] for one in rules)
        assert union["caught"] >= max(one["caught"] for one in rules)
    worse = {size: {"person": dict(rung["person"])} for size, rung in rungs.items()}
    for size, rung in worse.items():
        rung["person"]["rules"] = [{**rung["person"]["rules"][0], "pairs": size * size // 10}]
    assert [one["refused"] for one in ladder(worse)] == [True]
