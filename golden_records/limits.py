"""When a plan is too surprising to be published without a reason.

Reads: standard, value_<field>. Writes nothing.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import duckdb

from linkage.crowded import crowded
from rules.model import EntityRules

SMALL = 100  # golden records: up to as many there are no limits to shares


def exceeded(con: duckdb.DuckDBPyConnection, one: EntityRules, events: Mapping[str, int], before: int) -> Iterator[str]:
    """The limits that a plan breaks in the entity type whose schema is current, in sentences.

    `events` are ids by kind, `before` the golden records of the current release.
    """
    for kind, limit in one.entity.limits.shares.items():
        if before > SMALL and events.get(kind, 0) > limit * before:
            yield f"{one.name}: {events[kind]:,} of {before:,} golden records would be {kind} (limit {limit:.1%})"
    yield from crowded(con, one.entity)
