"""What tests of several folders share, made once, and the order in which their files are begun."""

from __future__ import annotations

import pytest

from tests.told import copied, told

__all__ = ["copied", "told"]

# Files of minutes come first: where workers share the files, none is left alone with one of these in the end.
LONG = (
    "linkage/test_changes.py",
    "golden_records/test_plan.py",
    "test_journey.py",
    "test_faults.py",
    "golden_records/test_replay.py",
    "desk/test_browser.py",
    "test_wheel.py",
    "golden_records/test_release.py",
    "golden_records/test_tickets.py",
    "golden_records/test_verification.py",
    "test_cli.py",
)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Put the tests of the long files before all others, the longest file first."""
    ranks = {config.rootpath / "tests" / name: rank for rank, name in enumerate(LONG)}
    items.sort(key=lambda item: ranks.get(item.path, len(LONG)))
