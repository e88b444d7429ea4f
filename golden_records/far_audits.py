"""Audits golden records on Spark where there are many: those audits that look at one id at a time, some ids in a task.

Reads: golden, redirect, provenance, crosswalk, dispute, relation, verified. Writes nothing.

The audits are the statements of one machine (`audits/*.sql`). Those that compare whole tables, or follow an id to
another, run where the plan is.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import duckdb

from golden_records.ids import create_macros
from linkage.spark import sharing
from linkage.spark.sharing import SHARE, Batches, Types
from linkage.spark.shelf import Shelf
from linkage.spark.tasks import connection

FEW = 100_000  # golden records that one machine audits in the time in which Spark starts to
ALONE = ("ids.sql", "relations.sql", "values.sql", "verification.sql")
FAULTS = {"fault": {"audit": "VARCHAR", "said": "VARCHAR"}}
# What these audits read, by table; of a value they ask only whether there is one.
READ = {
    "golden": f"select golden_id as {SHARE}, golden_id from golden",
    "redirect": f"select golden_id as {SHARE}, golden_id, kind from redirect",
    "provenance": f"select golden_id as {SHARE}, golden_id, g, field, source, source_key, state, valid_to, "
    "case when value is not null then '' end as value from provenance",
    "crosswalk": f"select golden_id as {SHARE}, golden_id, source, source_key, until from crosswalk",
    "dispute": f"select golden_id as {SHARE}, golden_id, field, state from dispute",
    "relation": f"select from_id as {SHARE}, from_id, type, to_id, to_name from relation",
}


@dataclass(frozen=True)
class Auditing:
    """Runs audits over some golden ids. `verified` are the fields that have states."""

    audits: Mapping[str, str]
    tables: Types
    verified: tuple[str, ...]

    def __call__(self, batches: Batches) -> Batches:
        con = connection()
        if not sharing.unpack(con, batches, self.tables):
            return
        create_macros(con)
        con.execute("create table verified as select unnest($fields::varchar[]) as field", {"fields": self.verified})
        con.execute("create table fault (audit varchar, said varchar)")
        for name, sql in self.audits.items():
            for row in con.execute(sql).fetchall():
                con.execute("insert into fault values (?, ?)", [name, str(row)])
        yield from sharing.pack(con, FAULTS)


def audit_far(con: duckdb.DuckDBPyConnection, shelf: Shelf, audits: Mapping[str, str]) -> dict[str, list[str]]:
    """The rows that audits (their SQL by name) find in the current schema, as text, by name."""
    verified = tuple(row[0] for row in con.execute("select field from verified order by field").fetchall())
    task = Auditing(audits, sharing.types_of(con, READ), verified)
    sharing.share(con, shelf, READ, task, FAULTS)
    found: dict[str, list[str]] = {name: [] for name in audits}
    for name, said in sharing.rows_of(con, shelf, FAULTS, "fault"):
        found[name].append(said)
    return found
