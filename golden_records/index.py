"""Asks the look-up index of a release, in one SQLite file or in partitions (see partitions.py).

A partition holds what is looked up by the keys that lie in it: by golden id, source key or value of an identifier.
"""

from __future__ import annotations

import json
import sqlite3
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from golden_records import by_id
from golden_records.partitions import MOST_OPEN, index_files, partition_of
from rules.errors import NotFoundError

Row = tuple[Any, ...]


class Index:
    """The index of one release. One thread at a time, but not always the same one.

    Raises:
        NotFoundError: a file of it is missing.
        sqlite3.Error: one is damaged; a note names it.
    """

    def __init__(self, release: Path) -> None:
        self._files = index_files(release)
        self._open: dict[int, sqlite3.Connection] = {}
        self._last = self._files[0]
        try:
            self.by_id = by_id.is_whole(self._partition(0))  # whether it holds what is asked by golden id
        except sqlite3.Error as error:
            error.add_note(str(self._last))
            self.close()
            raise

    @property
    def last(self) -> Path:
        """The file that was asked last."""
        return self._last

    def of(self, key: str, sql: str, *values: Any) -> list[Row]:
        """The rows of a query about one key."""
        return self._partition(partition_of(key, len(self._files))).execute(sql, values).fetchall()

    def of_each(self, items: Sequence[Any], keys: Iterable[str], sql: str, *values: Any) -> list[Row]:
        """The rows of a query about many items, of which its first parameter is a JSON list; each has its key."""
        parts: dict[int, list[Any]] = defaultdict(list)
        for item, key in zip(items, keys, strict=True):
            parts[partition_of(key, len(self._files))].append(item)
        return [
            row
            for number, mine in parts.items()
            for row in self._partition(number).execute(sql, (json.dumps(mine, ensure_ascii=False), *values)).fetchall()
        ]

    def of_all(self, sql: str, *values: Any) -> list[Iterator[Row]]:
        """The rows of a query, from each partition on its own; as they are asked for, where all of them stay open."""
        found = (self._partition(number).execute(sql, values) for number in range(len(self._files)))
        return [rows if len(self._files) <= MOST_OPEN else iter(rows.fetchall()) for rows in found]

    def close(self) -> None:
        """Let go of the files."""
        for one in self._open.values():
            one.close()

    def _partition(self, number: int) -> sqlite3.Connection:
        """An open partition; of all those opened, MOST_OPEN stay open."""
        self._last = self._files[number]
        if number not in self._open:
            if not self._last.is_file():
                raise NotFoundError(f"{self._last} is missing; copy it from a backup, or publish again")
            if len(self._open) == MOST_OPEN:
                self._open.pop(next(iter(self._open))).close()
            uri = f"file:{self._last}?mode=ro&immutable=1"
            self._open[number] = sqlite3.connect(uri, uri=True, check_same_thread=False)
        return self._open[number]
