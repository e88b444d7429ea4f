"""Made-up provinces that several modules look at, each linked once."""

from __future__ import annotations

from datetime import date

import pytest

from linkage.workspace import Workspace
from tests.linkage import things
from tests.once import copy_of, once

DAY = date(2024, 6, 1)


@pytest.fixture(scope="module")
def province(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """All five entity types as of DAY: a copy for the tests of one module."""
    made = once(tmp_path_factory, "province", lambda folder: things.province(folder, 600, DAY))
    return Workspace.open(copy_of(made, tmp_path_factory.mktemp("province") / "workspace"))


@pytest.fixture(scope="module")
def people(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """Persons alone, twice as many: a copy for the tests of one module."""
    made = once(tmp_path_factory, "people", lambda folder: things.province(folder, 1_200, DAY, "person"))
    return Workspace.open(copy_of(made, tmp_path_factory.mktemp("people") / "workspace"))
