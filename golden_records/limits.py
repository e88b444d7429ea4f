"""When a plan is too surprising to be published without a reason.

Reads: standard, value_<field>. Writes nothing.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import duckdb

from golden_records.masking import mask_value
from linkage.values import NTH
from rules.columns import quote
from rules.model import EntityRules

SMALL = 100  # golden records: up to as many there are no limits to shares


def exceeded(con: duckdb.DuckDBPyConnection, one: EntityRules, events: Mapping[str, int], before: int) -> Iterator[str]:
    """The limits that a plan breaks in the entity type whose schema is current, in sentences.

    `events` are ids by kind, `before` the golden records of the current release.
    """
    for kind, limit in one.entity.limits.shares.items():
        if before > SMALL and events.get(kind, 0) > limit * before:
            yield f"{one.name}: {events[kind]:,} of {before:,} golden records would be {kind} (limit {limit:.1%})"
    for field, most in one.entity.limits.shared.items():
        yield from _shared(con, one, field, most)


def _shared(con: duckdb.DuckDBPyConnection, one: EntityRules, field: str, most: int) -> Iterator[str]:
    """The sources of which more records than `most` have one value, with the value that most of them have."""
    nth, value = quote(f"{field}__{NTH}"), quote("value_" + field)
    found = con.execute(
        f"""
        with said as (
          select source, {nth} as nth, count(*) as n from standard where {nth} is not null
          group by all having n > $most
        )
        select source, arg_max(value, (n, value)), max(n), count(*) from said join {value} using ({NTH})
        where value is not null group by source order by 3 desc, source""",
        {"most": most},
    ).fetchall()
    for source, text, records, values in found:
        others = f", and as many share {values - 1:,} other values" if values > 1 else ""
        yield (
            f"{one.name}: {records:,} records of source {source} have one {field}, "
            f"{mask_value(one.entity, field, text)} (limit {most:,}){others}; ask its owner before they are believed"
        )
