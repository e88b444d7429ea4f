"""Restricts a plan to what changed: the same statements over fewer records, and the result put in its place.

Reads: touched, decided, listing, speaker, and what the plan that was published last wrote. Writes: the schema
`affected <entity>`, and from it the rows of the affected ids in the golden tables.

While `within` lasts, an unqualified name means the table of that schema first and that of the entity type where there
is none, so that ids, values and states are worked out by the very statements that work out everything. They are a
function of the records of a golden record, of what its ids held before, and of what `deliveries.py` says of whole
sources. Affected are therefore

    the clusters with a record that linking tells of, or of which stewards decided something
    the records of a list that another one replaced, and of a source that came to be late or in time
    the ids that ever held such a record or answer with one of these, and all that they hold

An untouched cluster is one golden record of the release before, so no further cluster can ask for one of these ids.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import date

import duckdb

from golden_records.changes import tell_changes
from golden_records.sql import run, statements
from linkage.decisions import DecisionStore
from linkage.sql import number, transaction
from linkage.workspace import use_entity
from rules.columns import quote

PUT_BACK = ("golden_number", "crosswalk", "golden", "provenance", "dispute", "identifier")
BEFORE = ("crosswalk", "golden", "redirect")


def take_decided(con: duckdb.DuckDBPyConnection, decisions: DecisionStore, entity: str) -> None:
    """Make `decided_now`: one row per decision in force and source record that it is about."""
    told = [(source, key, one.decision_id) for one in decisions.entries(entity) for source, key in one.subjects]
    con.execute(
        "create or replace temp table decided_now as select unnest($sources::varchar[]) as source, "
        "unnest($keys::varchar[]) as source_key, unnest($numbers::bigint[]) as decision_id",
        dict(zip(("sources", "keys", "numbers"), ([row[i] for row in told] for i in range(3)), strict=True)),
    )


def remember_days(con: duckdb.DuckDBPyConnection) -> None:
    """Keep `listing` and `speaker` of the plan before aside."""
    for name in ("listing", "speaker"):
        con.execute(f"create or replace temp table {name}_before as from {name}")


def choose(con: duckdb.DuckDBPyConnection, entity: str) -> None:
    """Find what is affected in an entity type and make its tables."""
    clear(con, entity)
    con.execute(f"create schema {part_of(entity)}")
    with within(con, entity):
        run(con, "affected")
        open_before(con)


def put_back(con: duckdb.DuckDBPyConnection, entity: str) -> None:
    """Let what was worked out take the place of what the affected ids had, and place every record anew.

    All records are placed because their numbers move where one comes or goes.
    """
    part = part_of(entity)
    with transaction(con):
        for table in PUT_BACK:
            con.execute(f"delete from {table} where golden_id in (select golden_id from {part}.affected_id)")
            con.execute(f"insert into {table} by name from {part}.{table}")
        con.execute(f"create or replace table identifier_before as from {part}.before_identifier")
        con.execute(f"insert into alike (from {part}.alike except from alike)")
        run(con, "placed")


@contextmanager
def within(con: duckdb.DuckDBPyConnection, entity: str, part: str | None = None) -> Iterator[None]:
    """Let names mean the affected part of an entity type, or another `part` of it (a schema), while the block runs."""
    con.execute(f"set search_path = '{part or part_of(entity)},{quote(entity)},main'")
    try:
        yield
    finally:
        use_entity(con, entity)


def clear(con: duckdb.DuckDBPyConnection, entity: str) -> None:
    """Drop the tables of what was affected."""
    con.execute(f"drop schema if exists {part_of(entity)} cascade")


def part_of(entity: str) -> str:
    """The schema of what is affected in an entity type, quoted."""
    return quote(f"affected {entity}")


def open_before(con: duckdb.DuckDBPyConnection) -> None:
    """Make the previous_ views over what the release before says of the affected ids, to be called within."""
    for name in BEFORE:
        con.execute(f"create or replace temp view previous_{name} as from before_{name}")


def gather(con: duckdb.DuckDBPyConnection, entities: Iterable[str]) -> None:
    """Make `moved_id`: the affected ids of all entity types, and those that were minted."""
    told = " union ".join(
        f"select golden_id from {part_of(name)}.{table}"
        for name in entities
        for table in ("affected_id", "golden_number")
    )
    con.execute(f"create or replace temp table moved_id as {told}")


def tell(
    con: duckdb.DuckDBPyConnection, entity: str, release: int, next_seq: int, as_of: date, lived: int
) -> dict[str, int]:
    """Write `replaced`, `redirect` and `change`; returns what `tell_changes` does, as if everything had been told.

    `lived` is how many golden records the release before has.
    """
    part = part_of(entity)
    for sql in statements("replaced"):
        con.execute(sql.format(part=part))
    with within(con, entity):
        run(con, "retold")
        open_before(con)
        con.execute("create or replace temp view previous_relation as from held_relation")
        events = tell_changes(con, release, next_seq, as_of)
        events["unchanged"] += lived - number(con, "select count(*) from before_golden")
    with transaction(con):
        con.execute(f"create or replace table change as from {part}.change")
        con.execute(f"delete from redirect where golden_id in (select golden_id from {part}.affected_id)")
        con.execute(f"insert into redirect by name from {part}.redirect")
    return events
