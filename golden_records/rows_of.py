"""The rows that a table of a release has of one golden id, read in milliseconds however large the table is.

The files of such a table lie in the order of its golden ids. A query would read the statistics of every row group of a
file; here they are read once, when a file is opened, and then only the row group in which an id stands. Of a base in
partitions the one is opened in which an id lies.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow.compute as pc
import pyarrow.parquet as pq

from golden_records.partitions import MOST_OPEN, files_of, partition_of
from golden_records.segments import KEYS, REPLACED, segments

ROW_GROUP = 8192  # rows: what is read for one id, and what a footer must tell of


@dataclass(frozen=True)
class _File:
    """An open file, and the least and greatest id of each of its row groups."""

    file: pq.ParquetFile
    least: list[str]
    greatest: list[str]

    @classmethod
    def of(cls, path: Path, key: str) -> _File:
        file = pq.ParquetFile(path, memory_map=True)
        at = file.schema_arrow.get_field_index(key)
        told = [file.metadata.row_group(i).column(at).statistics for i in range(file.metadata.num_row_groups)]
        return cls(file, [one.min for one in told], [one.max for one in told])

    def rows(self, key: str, golden_id: str) -> list[dict[str, Any]]:
        groups = list(range(bisect_left(self.greatest, golden_id), bisect_right(self.least, golden_id)))
        if not groups:
            return []
        table = self.file.read_row_groups(groups, use_threads=False)
        found: list[dict[str, Any]] = table.filter(pc.equal(table.column(key), golden_id)).to_pylist()
        return found


class RowsOf:
    """A table of the release's folder of an entity type, by golden id. One thread at a time."""

    def __init__(self, folder: Path, table: str) -> None:
        self._key = KEYS[table]
        self._base = files_of(folder, table)
        self._partitions: dict[int, _File] = {}
        self._files = [(n, _File.of(path, self._key)) for n, path in segments(folder, table)]
        self._last: dict[str, int] = {}
        for n, path in segments(folder, REPLACED):
            self._last |= dict.fromkeys(pq.read_table(path).column("golden_id").to_pylist(), n)

    def rows(self, golden_id: str) -> list[dict[str, Any]]:
        """What `table_sql` has of an id, in no order."""
        last = self._last.get(golden_id, 0)
        files = [file for n, file in self._files if n >= last]
        if not last:
            files.insert(0, self._partition(golden_id))
        return [row for file in files for row in file.rows(self._key, golden_id)]

    def _partition(self, golden_id: str) -> _File:
        """The file of the base in which an id lies; of all those opened, MOST_OPEN stay open."""
        number = partition_of(golden_id, len(self._base))
        if number not in self._partitions:
            if len(self._partitions) == MOST_OPEN:
                self._partitions.pop(next(iter(self._partitions))).file.close()
            self._partitions[number] = _File.of(self._base[number], self._key)
        return self._partitions[number]

    def close(self) -> None:
        """Let go of the files."""
        for one in [*self._partitions.values(), *(file for _, file in self._files)]:
            one.file.close()
