"""The training benchmark: both sides train the same records and come near each other."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.training import ENGINES, differences, measure


def level(m: float, u: float, observed: bool = True) -> dict[str, object]:
    return {"m": m, "u": u, "observed": observed}


def test_differences_are_relative_and_of_what_both_observed() -> None:
    theirs = [level(0.8, 0.5), level(0.001, 1e-6), level(0.2, 0.1, observed=False)]
    ours = [level(0.9, 0.4), level(0.002, 3e-6), level(0.9, 0.9)]
    found = differences(theirs, ours)
    assert found["m_common"] == pytest.approx(1 / 9, abs=1e-4)
    assert found["u_common"] == pytest.approx(0.2)
    assert found["m_difference"] == pytest.approx(0.5)
    assert found["u_difference"] == pytest.approx(2 / 3, abs=1e-4)


def test_both_sides_train_the_same_records(tmp_path: Path) -> None:
    found = measure(tmp_path, 800, 11)
    assert found["records"] > 600
    for ratio in ("cpu_ratio", "wall_ratio", "memory_ratio"):
        assert found[ratio] > 0 and found["whole"][ratio] > 0
    assert found["m_same_pairs"] < 1e-6
    assert found["m_common"] < 0.5
    assert found["sides"].keys() == set(ENGINES)
