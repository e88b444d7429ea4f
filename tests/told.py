"""One workspace with three releases, made once; tests that change it take a copy."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import pytest

from linkage.workspace import Workspace
from tests.golden_records.things import Yard
from tests.once import copy_of, once

FIRST, SECOND, THIRD = date(2024, 2, 15), date(2024, 7, 15), date(2024, 8, 15)


@dataclass(frozen=True)
class Told:
    """The workspace and its ids: `first` of release 1, `now` of release 3, by (source, source_key)."""

    yard: Yard
    first: dict[tuple[str, str], str]
    now: dict[tuple[str, str], str]


def three_releases(folder: Path) -> None:
    """A workspace of six ships, three times released.

    ship 0  registry r0 and harbour h0; in the second list another owner (the harbour leads) and another day of building
    ship 1  registry r1, in the second release merged with ship 2 by a steward
    ship 2  registry r2
    ship 3  registry r3 and harbour h3, split by a steward in the second release
    ship 4  registry r4, gone from the second list
    ship 5  registry r5, new in the second list; in the third release merged with what ship 1 became
    """
    yard = Yard.create(folder / "ws")
    ships = [
        {"id": "r0", "mark": "MK-0", "name": "海鸥", "owner": "甲", "radio": "13912345678", "built": "1999-05-04"},
        {"id": "r1", "mark": "MK-1", "name": "东风"},
        {"id": "r2", "mark": "MK-2", "name": "东风号"},
        {"id": "r3", "mark": "MK-3", "name": "长江", "flag": "中国"},
        {"id": "r4", "mark": "MK-4", "name": "黄河"},
    ]
    calls = [
        {"id": "h0", "mark": "mk-0", "name": "海鸥", "owner": "乙", "port": "舟山", "berth": "七号"},
        {"id": "h3", "mark": "MK-3", "name": "长江", "flag": "巴拿马", "day": "2024-01-30"},
    ]
    yard.deliver("registry", "2024-01-31", *ships)
    yard.deliver("harbour", "2024-02-01", *calls)
    yard.release(FIRST)
    later = [*ships[1:4], {"id": "r5", "mark": "MK-5", "name": "东风五"}]
    yard.deliver("registry", "2024-06-30", ships[0] | {"owner": "丙", "built": "1999-05-05"}, *later)
    yard.say("same", ("registry", "r1"), ("registry", "r2"))
    yard.say("different", ("registry", "r3"), ("harbour", "h3"))
    yard.release(SECOND)
    yard.say("same", ("registry", "r5"), ("registry", "r2"))
    yard.release(THIRD)


@pytest.fixture(scope="session")
def told(tmp_path_factory: pytest.TempPathFactory) -> Told:
    """The workspace of `three_releases`, to be read."""
    made = once(tmp_path_factory, "told", three_releases)
    yard = Yard(Workspace.open(copy_of(made / "ws", tmp_path_factory.mktemp("told") / "ws")))
    return Told(yard, yard.ids(1), yard.ids())


@pytest.fixture
def copied(told: Told, tmp_path: Path) -> Callable[[], Yard]:
    """Copies the workspace with the three releases, to be changed."""
    return lambda: Yard(Workspace.open(copy_of(told.yard.ws.root, tmp_path / "copy")))
