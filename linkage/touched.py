"""Which source records may have changed since golden records were worked out from them last.

Reads: nothing of ours. Writes: touched.

`touched` names, for the entity type of the current schema, the source records that came, went, differ in `standard`,
in `past` or in their findings, or whose cluster has another set of members. Naming too many costs time only; naming too
few makes a wrong release. Where the table is absent anything may have changed: so it is after linking everything, and
until golden records were worked out once.

    link       everything: `forget`         what changed: `note`
    plan       when it is done: `settle`
"""

from __future__ import annotations

import duckdb

from linkage.references import has_table


def note(con: duckdb.DuckDBPyConnection, sql: str) -> None:
    """Name the records that a query gives as (source, source_key); where anything may have changed that stays so."""
    if known(con):
        con.execute(f"insert into touched select distinct source, source_key from ({sql})")


def forget(con: duckdb.DuckDBPyConnection) -> None:
    """Anything may have changed."""
    con.execute("drop table if exists touched")


def settle(con: duckdb.DuckDBPyConnection) -> None:
    """Nothing has changed since now."""
    con.execute("create or replace table touched (source varchar, source_key varchar)")


def known(con: duckdb.DuckDBPyConnection) -> bool:
    """Whether `touched` names all that changed."""
    return has_table(con, str(con.execute("select current_schema()").fetchall()[0][0]), "touched")
