"""How often each source was right where sources differ, as a proposal for the authority matrix; never applied.

Reads: a release's provenance and dispute.

A dispute is a golden value about which two independent sources differ. A source has lost it where one of its records
says something else than the golden value, and won it where its records say the same. The golden value is no truth: a
source that leads in a field wins there by its rank, so its share says little, and the figures tell most about the
sources behind it, about fields in which validity or recency goes first, and about values that stewards decided.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import duckdb

from golden_records.intervals import wilson
from golden_records.preferences import authority, golden_fields, in_force, voices
from golden_records.query import Release
from golden_records.segments import has_table, table_sql
from golden_records.sql import statements
from rules.errors import NotFoundError
from rules.model import EntityRules

Document = dict[str, Any]
Interval = tuple[float, float]


def trust(release: Release, rules: EntityRules) -> list[Document]:
    """Per attribute in which sources differ: what each of them won and lost, its rank, and the order proposed.

    Raises:
        NotFoundError: the release lacks the entity type, or says nothing of disputes.
    """
    folder = release.folder / rules.name
    if not has_table(folder, "dispute"):
        raise NotFoundError(f"release {release.manifest.release} has no disputes of an entity type {rules.name!r}")
    counted = _counted(folder, rules)
    found = []
    for field in golden_fields(rules.entity):
        if field not in counted:
            continue
        row = in_force(rules.sources, [field], release.manifest.as_of)
        ranks = authority(rules.sources, [field], release.manifest.as_of)
        told = [
            _told(name, won, lost, row.order.index(name) + 1 if row is not None and name in row.order else None)
            for name, (won, lost) in counted[field].items()
        ]
        told.sort(key=lambda one: (ranks[one["source"]], one["source"]))
        spans = {one["source"]: (one["low"], one["high"]) for one in told}
        found.append({"field": field, "sources": told, "proposed": propose(spans)})
    return found


def propose(spans: Mapping[str, Interval]) -> list[str]:
    """The sources so that each stands behind all that lose less by intervals that do not touch; else as they were."""
    left, order = list(spans), list[str]()
    while left:
        ready = next(one for one in left if not any(spans[other][1] < spans[one][0] for other in left))
        left.remove(ready)
        order.append(ready)
    return order


def _told(source: str, won: int, lost: int, rank: int | None) -> Document:
    low, high = wilson(lost, won + lost)
    share = lost / (won + lost)
    return {"source": source, "rank": rank, "won": won, "lost": lost, "share": share, "low": low, "high": high}


def _counted(folder: Path, rules: EntityRules) -> dict[str, dict[str, tuple[int, int]]]:
    """Field -> source -> disputes won and lost."""
    spoken = voices(rules.sources)
    with duckdb.connect() as con:
        con.execute(
            "create table voice as select unnest($names) as source, unnest($voices) as voice",
            {"names": list(spoken), "voices": list(spoken.values())},
        )
        for name in ("provenance", "dispute"):
            con.execute(f"create view {name} as from {table_sql(folder, name)}")
        (sql,) = statements("trust")
        rows = con.execute(sql).fetchall()
    found: dict[str, dict[str, tuple[int, int]]] = {}
    for field, source, won, lost in rows:
        found.setdefault(field, {})[source] = (won, lost)
    return found
