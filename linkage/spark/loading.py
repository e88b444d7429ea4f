"""Reads delivered files on Spark: a file, or a part of one, in every task, by the code of one machine.

Reads: delivered files. Writes (Parquet): the rows of every part; (work database): staged_row.

Plain text and Parquet are read in parts. Where a part shows that the file is not plain, or is refused, a task reads the
file whole: what is rejected or refused, and why, is then said by who says it on one machine. Lines of a part count from
its first row; how many rows stand before it is known when all parts are read.
"""

from __future__ import annotations

import json
import os
import shutil
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from tempfile import mkdtemp
from typing import TYPE_CHECKING

import duckdb
import pyarrow as pa

from linkage.ingest import is_new, map_rows, stage_file
from linkage.reading import Incoming, Part, Rejected, parts, read_part
from linkage.spark.tasks import Batches, connection
from linkage.spark.types import schema
from rules.errors import InputError
from rules.kinds.base import literal
from rules.model import EntityRules

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

SIZE = 64 << 20  # bytes of a file that a task reads, about
TOLD = {"piece": "BIGINT", "said": "VARCHAR"}


@dataclass(frozen=True)
class Delivered:
    """A file, and the source of an entity type that it comes from."""

    entity: str
    source: str
    path: Path


@dataclass(frozen=True)
class Piece:
    """What one task reads: a file, or a part of it."""

    file: Delivered
    part: Part | None


@dataclass(frozen=True)
class Told:
    """What became of a piece: its rows in a Parquet file, or why it was refused."""

    headings: tuple[str, ...] = ()
    rows: int = 0
    rejected: tuple[Rejected, ...] = ()
    refused: str | None = None

    @classmethod
    def of(cls, said: str) -> Told:
        """What `as_json` said."""
        found = json.loads(said)
        rejected = tuple(Rejected(**one) for one in found["rejected"])
        return cls(tuple(found["headings"]), found["rows"], rejected, found["refused"])

    def as_json(self) -> str:
        """The same as text."""
        return json.dumps(asdict(self), ensure_ascii=False)


@dataclass(frozen=True)
class Reading:
    """Reads the pieces of which it gets the numbers, and writes the rows of each into `folder`."""

    rules: Mapping[str, EntityRules]
    pieces: Sequence[Piece]
    folder: Path

    def __call__(self, batches: Batches) -> Batches:
        for batch in batches:
            for number in batch.column(0).to_pylist():
                told = self._read(number)
                yield pa.RecordBatch.from_pylist([{"piece": number, "said": told.as_json()}])

    def _read(self, number: int) -> Told:
        con, piece = connection(), self.pieces[number]
        try:
            incoming = self._staged(con, piece)
        except InputError as error:
            return Told(refused=str(error))
        if incoming is None:
            return Told(refused="not plain")
        near = Path(mkdtemp(dir=self.folder)) / "rows"
        con.execute(f"copy staged_row to {literal(str(near))} (format parquet, compression zstd)")
        os.replace(near, place(self.folder, number))
        return Told(incoming.headings, incoming.rows, incoming.rejected)

    def _staged(self, con: duckdb.DuckDBPyConnection, piece: Piece) -> Incoming | None:
        """Make `staged_row` of a piece; None where the file is not plain."""
        one, rules = piece.file, self.rules[piece.file.entity]
        if piece.part is None:
            return stage_file(con, rules, one.source, one.path)
        incoming = read_part(con, one.path, piece.part)
        if incoming is not None:
            map_rows(con, rules, one.source, one.path.name, incoming)
        return incoming


class Loading:
    """Stages files for `load_file` (see linkage/ingest.py); those that are read ahead are read side by side."""

    def __init__(self, spark: SparkSession, folder: Path) -> None:
        self._spark = spark
        self._folder = folder
        self._ahead: dict[Delivered, list[tuple[Path, Told]]] = {}
        self.clear()

    def __call__(self, con: duckdb.DuckDBPyConnection, entity: EntityRules, source: str, path: Path) -> Incoming:
        """Make `staged_row` of the rows of a file.

        Raises:
            InputError: the file is refused, as on one machine.
        """
        delivered = Delivered(entity.name, source, path)
        if delivered not in self._ahead:
            self._read({entity.name: entity}, [delivered])
        found = self._ahead.pop(delivered)
        first = found[0][1]
        if first.refused is not None:
            raise InputError(first.refused)
        # A file that was read whole tells its own lines; the first row of one in parts stands below the heading.
        before = 0 if len(found) == 1 else 2
        con.execute("drop table if exists staged_row")
        for file, told in found:
            said = f"select line + {before} as line, * exclude (line) from read_parquet({literal(str(file))})"
            con.execute(f"create temp table if not exists staged_row as from ({said}) limit 0")
            con.execute(f"insert into staged_row {said}")
            file.unlink()
            before += told.rows
        return Incoming(first.headings, sum(told.rows for _, told in found), first.rejected)

    def ahead(self, con: duckdb.DuckDBPyConnection, files: Iterable[tuple[EntityRules, str, Path]]) -> None:
        """Read those of the files that are new, each of which is then there for one call; what is wrong is said there.

        A file comes with its entity type and the source that it is of.
        """
        new = [one for one in files if is_new(con, *one)]
        rules = {entity.name: entity for entity, _, _ in new}
        self._read(rules, [Delivered(entity.name, source, path) for entity, source, path in new])

    def _read(self, rules: Mapping[str, EntityRules], files: Sequence[Delivered]) -> None:
        files = list(dict.fromkeys(files))
        apart = self._run(rules, [Piece(one, part) for one in files for part in _parts(one.path)])
        sound = {one: found for one, found in apart.items() if all(told.refused is None for _, told in found)}
        self._ahead |= sound | self._run(rules, [Piece(one, None) for one in files if one not in sound])

    def _run(
        self, rules: Mapping[str, EntityRules], pieces: Sequence[Piece]
    ) -> dict[Delivered, list[tuple[Path, Told]]]:
        """Read every piece in a task of its own; gives by file what became of its pieces, in their order."""
        found: dict[Delivered, list[tuple[Path, Told]]] = defaultdict(list)
        if pieces:
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            folder = Path(mkdtemp(dir=self._folder)).absolute()
            numbers = self._spark.range(0, len(pieces), 1, len(pieces))
            told = numbers.mapInArrow(Reading(rules, pieces, folder), schema(TOLD)).toArrow()
            for row in sorted(told.to_pylist(), key=lambda row: row["piece"]):
                found[pieces[row["piece"]].file].append((place(folder, row["piece"]), Told.of(row["said"])))
        return dict(found)

    def clear(self) -> None:
        """Let go of everything that tasks wrote."""
        shutil.rmtree(self._folder, ignore_errors=True)


def place(folder: Path, number: int) -> Path:
    """The Parquet file of the rows of a piece."""
    return folder / f"{number}.parquet"


def _parts(path: Path) -> Sequence[Part]:
    try:
        return parts(path, SIZE)
    except InputError:  # said again by the task that reads the file whole
        return ()
