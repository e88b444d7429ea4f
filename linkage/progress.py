"""How long work tells people where it stands: a step has a name, perhaps a total, and an end.

The engine only names its steps; the command line decides how they look (a bar with the remaining time
on a terminal, a line per finished step elsewhere).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Protocol

import duckdb

Advance = Callable[[int], None]


class Reporter(Protocol):
    """Receives the steps of long work."""

    def step(
        self, name: str, total: int | None = None, con: duckdb.DuckDBPyConnection | None = None
    ) -> AbstractContextManager[Advance]:
        """Open a step. Call the result with units done, or hand in `con` to have its query watched."""
        ...

    def note(self, message: str) -> None:
        """Say something that the user should know and that is not an error."""
        ...


class _Silent:
    """A reporter for tests and for use as a library."""

    @contextmanager
    def step(
        self, name: str, total: int | None = None, con: duckdb.DuckDBPyConnection | None = None
    ) -> Iterator[Advance]:
        yield lambda done: None

    def note(self, message: str) -> None:
        return None


SILENT: Reporter = _Silent()
