"""A release is made again from what was kept of it, and is the same row for row; what was tampered with is told."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from golden_records.replay import Replay, replay
from tests.golden_records.things import Yard
from tests.told import Told

Copy = Callable[[], Yard]


def differing(found: Replay) -> list[str]:
    return [f"{one.entity}/{one.table}" for one in found.tables if not one.equal]


@pytest.mark.parametrize("release", [1, 2, 3])
def test_a_release_is_the_same_row_for_row(told: Told, tmp_path: Path, release: int) -> None:
    found = replay(told.yard.ws, release, tmp_path / "scratch")
    assert (found.altered, differing(found)) == ((), [])
    assert found.equal and sum(one.rows for one in found.tables) > 50
    assert {one.table for one in found.tables} >= {"golden", "provenance", "crosswalk", "change", "look-up: source_key"}
