"""The Parquet tables that a run on Spark leaves between its steps, and the manifest of those that are finished.

Reads and writes: <workspace>/spark/<entity>/steps.json and one folder of Parquet files per table.

A table is a step. What a finished step made is read again by a run that follows one that died, where the inputs are the
same; a step that was under way is done anew. The folder lies where driver and executors see it, and goes when the run
has succeeded. No table is computed from more than the tables before it, however long the way was that led there.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import duckdb

from linkage.spark.types import described, schema, travelling_sql
from linkage.workspace import write_atomically
from rules.kinds.base import literal

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession
    from pyspark.sql.types import StructType

MANIFEST = "steps.json"


class Shelf:
    """The tables of one entity type made from `inputs` (a hash); those of other inputs are cleared away."""

    def __init__(self, spark: SparkSession, folder: Path, inputs: str) -> None:
        self.spark = spark
        self.folder = folder
        self._inputs = inputs
        self._schemas: dict[str, StructType | str] = {}  # of the tables that this run made
        self._done: list[str] = self._finished()

    def _finished(self) -> list[str]:
        try:
            said = json.loads((self.folder / MANIFEST).read_text("utf-8"))
        except FileNotFoundError:
            said = {}
        if said.get("inputs") == self._inputs:
            return list(said["done"])
        shutil.rmtree(self.folder, ignore_errors=True)
        self.folder.mkdir(parents=True)
        return []

    def make(self, name: str, make: Callable[[], DataFrame]) -> None:
        """Make the table `name` where no earlier run with the same inputs finished it."""
        if name not in self._done:
            frame = make()
            frame.write.mode("overwrite").parquet(self._url(name))
            self._schemas[name] = frame.schema
            self._finish(name)

    def made(self, name: str, make: Callable[[], DataFrame]) -> DataFrame:
        """The table `name`, made where no earlier run with the same inputs finished it."""
        self.make(name, make)
        return self.read(name)

    def handed(self, name: str, con: duckdb.DuckDBPyConnection, query: str) -> DataFrame:
        """What a query of the work database gives, as table `name`; Spark's types stand for those that it lacks."""
        if name not in self._done:
            place = self.folder / name
            shutil.rmtree(place, ignore_errors=True)
            place.mkdir()
            types = described(con, query)
            con.execute(
                f"copy ({travelling_sql(query, types)}) to {literal(str(place))} "
                "(format parquet, compression zstd, per_thread_output, overwrite_or_ignore)"
            )
            self._schemas[name] = schema(types)
            self._finish(name)
        return self.read(name)

    def read(self, name: str) -> DataFrame:
        """A finished table; where its columns are not known, Spark opens a file in a job of its own to learn them."""
        known = self._schemas.get(name)
        reader = self.spark.read if known is None else self.spark.read.schema(known)
        return reader.parquet(self._url(name))

    def files(self, name: str) -> str:
        """SQL: a finished table as DuckDB reads it."""
        return f"read_parquet({literal(str(self.folder / name / '*.parquet'))})"

    def drop(self, name: str) -> None:
        """Let go of a table that no later step reads."""
        shutil.rmtree(self.folder / name, ignore_errors=True)

    def _url(self, name: str) -> str:
        return (self.folder / name).absolute().as_uri()

    def _finish(self, name: str) -> None:
        self._done.append(name)
        write_atomically(self.folder / MANIFEST, json.dumps({"inputs": self._inputs, "done": self._done}))
