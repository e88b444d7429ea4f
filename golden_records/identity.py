"""Stable golden ids: which id of the previous release each cluster continues, and which are minted.

Reads: standard, cluster, previous_crosswalk, previous_golden. Writes: golden_number, member, crosswalk.

The heir of an id is decided from the side of the cluster: the id that holds most of this cluster's records,
then the oldest, then the smallest. An id goes to one cluster only, so where several want it the greatest
overlap is served first; between clusters that tie for the same id, the one whose records came to it earlier
keeps it. A cluster that came into an id by a merge stands behind those that did not, however much it grew
meanwhile: it has a dead id to go back to. That, and further passes that give a cluster without an id the dead
one its records last had, makes merges that are undone restore the ids they found. What is left gets new serials
in the order of the clusters' smallest (source, source_key). No step looks at an internal number, so load order
cannot move an id.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from typing import Any

import duckdb

from golden_records.sql import run

UNCONTENDED = """
insert into heir
select head, golden_id, $origin from claim
where head in (select head from claim group by head having count(*) = 1)
  and golden_id in (select golden_id from claim group by golden_id having count(*) = 1)
"""
CONTENDED = """
select head, golden_id from claim
where head not in (select head from heir) and golden_id not in (select golden_id from heir)
order by merged_in, held desc, since_release, golden_id, arrived, head
"""


@dataclass(frozen=True)
class Issuer:
    """Who mints: the entity's prefix, the node, the last serial used, the release and its day.

    `numbered` is the greatest number that a golden record has in the work database beside those at hand.
    """

    prefix: str
    node: str
    counter: int
    release: int
    as_of: date
    numbered: int = 0


def identify(con: duckdb.DuckDBPyConnection, issuer: Issuer) -> int:
    """Give every cluster its golden id; returns the last serial used afterwards."""
    run(con, "identity")
    run(con, "claim_living")
    _assign(con, "kept")
    run(con, "claim_dead")
    while con.execute("select 1 from claim limit 1").fetchall():
        _assign(con, "revived")
        run(con, "claim_dead")
    run(
        con,
        "number",
        body=issuer.prefix + issuer.node,
        counter=issuer.counter,
        as_of=issuer.as_of,
        release=issuer.release,
        numbered=issuer.numbered,
    )
    created = con.execute("select count(*) from golden_number where origin = 'created'").fetchall()
    return issuer.counter + int(created[0][0])


def _assign(con: duckdb.DuckDBPyConnection, origin: str) -> None:
    """Serve the claims one to one: those that nobody disputes at once, the disputed ones in order."""
    con.execute(UNCONTENDED, {"origin": origin})
    served = one_to_one(con.execute(CONTENDED).fetchall())
    if served:
        con.execute(
            "insert into heir select unnest($heads), unnest($ids), $origin",
            {"heads": list(served), "ids": list(served.values()), "origin": origin},
        )


def one_to_one(claims: Iterable[tuple[Any, Any]]) -> dict[Any, Any]:
    """Serve claims in their order, each claimant once and with what nobody before it got: claimant -> what it gets."""
    served: dict[Any, Any] = {}
    taken: set[Any] = set()
    for claimant, claimed in claims:
        if claimant not in served and claimed not in taken:
            served[claimant] = claimed
            taken.add(claimed)
    return served
