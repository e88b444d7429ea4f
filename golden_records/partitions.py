"""In which partition of a release a golden id or a key lies, and what the files of partitions are called.

    <table>.parquet                    a table in one file
    <table>-00003-of-00012.parquet     the partition 3 of a table in 12
    lookup.sqlite, lookup-00003-of-00012.sqlite     the look-up index alike

A partition holds the rows of whole ids, or what is looked up by whole keys, in the order of the table. Which one is
decided by the key alone (its MD5, for that is the same in every program), so that a reader opens one file of many.
"""

from __future__ import annotations

import hashlib
from pathlib import Path

TABLE, INDEX = ".parquet", ".sqlite"
LOOKUP = "lookup"
MOST_OPEN = 64  # partitions of one table that a reader keeps open


def partition_of(key: str, count: int) -> int:
    """The partition of `count` in which a key lies."""
    if count == 1:
        return 0
    return int.from_bytes(hashlib.md5(key.encode(), usedforsecurity=False).digest()[8:], "little") % count


def partition_sql(column: str, count: int) -> str:
    """SQL of the same for a column of keys."""
    return f"(md5_number_lower({column}) % {count})::integer"


def file_name(table: str, number: int, count: int, suffix: str = TABLE) -> str:
    """What the file of a partition is called."""
    return f"{table}{suffix}" if count == 1 else f"{table}-{number:05}-of-{count:05}{suffix}"


def files_of(folder: Path, table: str, suffix: str = TABLE) -> list[Path]:
    """The files of a table in the order of its partitions, missing ones too; of no table, that of a whole one."""
    one = None
    if not (folder / f"{table}{suffix}").exists():
        one = next(folder.glob(f"{table}-*-of-*{suffix}"), None)
    count = int(one.stem.rpartition("-of-")[2]) if one is not None else 1
    return [folder / file_name(table, number, count, suffix) for number in range(count)]


def index_files(release: Path) -> list[Path]:
    """The files of the look-up index of a release."""
    return files_of(release, LOOKUP, INDEX)
