"""Links one entity type on Spark, from `standard` to clusters, and takes the result back into the work database.

Reads: standard, frequency, decisions. Writes: what one machine writes (candidate_pair, cluster, refusal, …), with the
same content, so that either engine continues where the other stopped.
"""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING

import duckdb

from linkage.block import RulePairs
from linkage.cluster import ClusterCounts
from linkage.decided import Decided, SourceRecord
from linkage.score import comparable_sql
from linkage.spark.blocking import block, keep_total
from linkage.spark.clustering import cluster, constrained_columns
from linkage.spark.loading import Loading
from linkage.spark.reading import read
from linkage.spark.scoring import score
from linkage.spark.session import LOCAL, session
from linkage.spark.shelf import Shelf
from linkage.spark.tasks import Parsing
from linkage.spark.types import described
from linkage.splink_model import named_columns
from linkage.sql import rows
from linkage.values import First
from rules.columns import quote
from rules.model import Entity, EntityRules

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

FOLDER = "spark"
TEXTS, LINKING, LOADING = "texts", "linking", "loading"
Step = Callable[[str, int | None, bool], AbstractContextManager[Callable[[int], None]]]
# What tells one `standard` from another: internal numbers differ where the same files were loaded in another order.
_CONTENT = "select count(*), coalesce(sum(hash(record_id, ordinal, row_hash)::hugeint), 0)::varchar from standard"


class Spark:
    """Spark as the engine of one run, with its folder in the workspace."""

    def __init__(self, workspace: Path, master: str | None) -> None:
        self._folder = workspace / FOLDER
        self._session = session(master or LOCAL)

    def linking(self, con: duckdb.DuckDBPyConnection, one: EntityRules, inputs: str) -> Linking:
        """The linking of an entity type of which `standard` stands; `inputs` is a hash of all that it depends on."""
        return Linking(con, self.shelf(con, one.name, LINKING, inputs), one)

    def shelf(self, con: duckdb.DuckDBPyConnection, entity: str, name: str, inputs: str) -> Shelf:
        """The tables of one part of the work on an entity type whose schema is current."""
        said = hashlib.sha256(json.dumps([inputs, *map(str, rows(con, _CONTENT)[0])]).encode()).hexdigest()
        return Shelf(self._session, self._folder / entity / name, said)

    def reading(self, con: duckdb.DuckDBPyConnection, one: EntityRules, rules_folder: Path, as_of: date) -> First:
        """What reads the texts of a field of an entity type of which the records are there."""
        folder = self._folder / one.name / TEXTS

        def first(field: str, said: str) -> None:
            read(con, self._session, folder, Parsing(one.entity, field, said, rules_folder, as_of))

        return first

    def loading(self) -> Loading:
        """What reads delivered files."""
        return Loading(self._session, self._folder / LOADING)

    def clear(self) -> None:
        """Let go of everything that steps left: the run has succeeded."""
        shutil.rmtree(self._folder, ignore_errors=True)


class Linking:
    """One entity type on its way from `standard` to clusters."""

    def __init__(self, con: duckdb.DuckDBPyConnection, shelf: Shelf, rules: EntityRules) -> None:
        self._con = con
        self._shelf = shelf
        self._rules = rules
        query = f"select {', '.join(quote(name) for name in read_columns(con, rules.entity))} from standard"
        self._types = described(con, query)
        self._standard: DataFrame = shelf.handed("standard", con, query)

    def match(self, step: Step) -> tuple[list[RulePairs], int]:
        """Block and weigh; gives the pairs that each rule makes, and how many were compared."""
        with step("block", None, False):
            estimates = block(self._con, self._shelf, self._rules.entity, self._standard, self._types)
            compared = keep_total(self._con, self._shelf)
        with step("score", None, False):
            score(self._con, self._shelf, self._rules, self._standard)
        return estimates, compared

    def cluster(self, decided: Iterable[Decided], pinned: Iterable[SourceRecord] = ()) -> ClusterCounts:
        """Form the clusters of the accepted pairs and the decisions."""
        return cluster(self._con, self._shelf, self._rules, self._standard, decided, pinned)


def read_columns(con: duckdb.DuckDBPyConnection, entity: Entity) -> list[str]:
    """The columns of `standard` that blocking, comparing and the constraints read; only they leave the database."""
    found = {"ordinal", *described(con, comparable_sql(entity)), *(c.strip('"') for c in constrained_columns(entity))}
    held = described(con, "from standard")
    for rule in entity.blocking:
        for key in (*rule.keys, *([rule.each] if rule.each else [])):
            found |= named_columns(key)
    return [name for name in held if name in found]
