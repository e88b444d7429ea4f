"""What tests of several folders share, made once, and the order in which their files are begun."""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest
from hypothesis import settings

from linkage import workspace
from tests import in_memory
from tests.known_rules import known_rules
from tests.told import copied, told

__all__ = ["copied", "told"]

# A machine that others use, too, makes no promise about milliseconds.
settings.register_profile("shared", deadline=None)
settings.load_profile("shared")

# Files of minutes come first: where workers share the files, none is left alone with one of these in the end. What
# several of them copy (`tests/once.py`) is asked for by one of them alone at a time.
LONG = (
    "test_spark.py",
    "golden_records/test_plan.py",
    "test_faults.py",
    "test_cli.py",
    "linkage/test_changes.py",
    "test_journey.py",
    "benchmarks/test_corrections.py",
    "links/test_links.py",
    "benchmarks/test_incremental.py",
    "benchmarks/test_ladder.py",
    "benchmarks/test_training.py",
    "desk/test_browser.py",
    "watch/test_watch.py",
    "test_wheel.py",
    "golden_records/test_by_id.py",
    "linkage/test_explain.py",
    "golden_records/test_tickets.py",
    "golden_records/test_verification.py",
    "benchmarks/test_peers.py",
    "linkage/test_kernel.py",
    "linkage/test_training.py",
    "golden_records/test_replay.py",
    "golden_records/test_release.py",
    "golden_records/test_survivorship.py",
    "benchmarks/test_blocking.py",
    "desk/test_pages.py",
    "benchmarks/test_search.py",
    "test_kin.py",
    "golden_records/test_drift.py",
    "foreign/test_foreign_entity.py",
)


@pytest.hookimpl(tryfirst=True)
def pytest_configure(config: pytest.Config) -> None:
    """Let the folders of tests lie in memory, unless `--basetemp` says where; the workers are told it by it, too."""
    held = ExitStack()
    config.add_cleanup(held.close)
    place = None
    if config.option.basetemp is None and in_memory.room() >= in_memory.ROOM:
        place = held.enter_context(in_memory.folder())
        config.option.basetemp = place / "run"
    if sys.dont_write_bytecode:
        held.enter_context(compiled_once(place))


@contextmanager
def compiled_once(place: Path | None) -> Iterator[None]:
    """Processes that tests start find what the first of them compiled: where nothing may be written beside the sources
    (PYTHONDONTWRITEBYTECODE), each of hundreds would compile all of them. The workers of pytest are told by it, too.
    """
    with tempfile.TemporaryDirectory(prefix="compiled-", dir=place) as folder, pytest.MonkeyPatch.context() as patched:
        patched.delenv("PYTHONDONTWRITEBYTECODE", raising=False)
        patched.setenv("PYTHONPYCACHEPREFIX", folder)
        yield


@pytest.fixture(scope="session", autouse=True)
def rules_read_once() -> Iterator[None]:
    """Workspaces with the same rules share what was read of them; what is wrong in rules is told by `load_rules`."""
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(workspace, "load_rules", known_rules)
        yield


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Put the tests of the long files before all others, the longest file first."""
    ranks = {config.rootpath / "tests" / name: rank for rank, name in enumerate(LONG)}
    items.sort(key=lambda item: ranks.get(item.path, len(LONG)))
