"""What a release changes: the fate of every id and the events that tell it downstream.

Reads: crosswalk, golden, relation and the previous_ tables. Writes: redirect, change.

An id of the previous release that no cluster continues is merged (its records went to one id), split (to
several) or retired (nowhere). An id that lives on but lost records to a new or revived id is split, too: it
answers with itself and names the successors. `changed` means another value or state, a relation from it
that is new, ended or gone, or a record that moved between two ids that both were there before; a later day on which
the same was seen changes nothing.
"""

from __future__ import annotations

from datetime import date

import duckdb

from golden_records.sql import run

KINDS = ("created", "revived", "changed", "merged", "split", "retired")


def tell_changes(con: duckdb.DuckDBPyConnection, release: int, next_seq: int, as_of: date) -> dict[str, int]:
    """Write `redirect` and `change`; returns how many ids had each kind of event, and `unchanged`."""
    run(con, "changes")
    con.execute(altered_sql(_columns(con, "golden"), _columns(con, "previous_golden")))
    run(con, "events", release=release, next_seq=next_seq, as_of=as_of)
    told = con.execute("select kind, count(distinct golden_id) from change group by kind").fetchall()
    counts = {kind: 0 for kind in KINDS} | {str(kind): int(number) for kind, number in told}
    kept = con.execute("select count(*) from fate where lives").fetchall()
    return counts | {"unchanged": int(kept[0][0]) - counts["changed"]}


def _columns(con: duckdb.DuckDBPyConnection, table: str) -> list[str]:
    return [str(row[0]) for row in con.execute(f"describe {table}").fetchall()]


def altered_sql(now: list[str], before: list[str]) -> str:
    """SQL for `altered`: ids that lived before and have another state, end, value or relation now.

    A field that only one of the two releases knows counts as null in the other.
    """
    ignored = {"golden_id", "since_release", "valid_from", "last_seen", "records", "weakest_match"}
    tests = []
    for name in [*now, *(name for name in before if name not in now)]:
        if name not in ignored:
            left = f'n."{name}"' if name in now else "null"
            right = f'p."{name}"' if name in before else "null"
            tests.append(f"{left} is distinct from {right}")
    return f"""
create or replace temp table altered as
select n.golden_id
from golden n join previous_golden p using (golden_id)
where {" or ".join(tests)} or golden_id in (select from_id from relation_altered)
"""
