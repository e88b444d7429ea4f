"""What deliveries say of a source as a whole: which list replaced which, and whether it is in time.

Reads: standard, batch. Writes: listing, heard, speaker.

A source is in time while it delivered within its `cycle_days`. It is the source that is asked and not the row: what
a delta leaves unsaid still holds, so a birth date that was written in 1990 is as fresh as the last delivery.
"""

from __future__ import annotations

from datetime import date

import duckdb

from golden_records.preferences import voices
from golden_records.sql import run
from linkage.references import has_table
from linkage.standardize import current_schema
from rules.columns import quote
from rules.kinds.base import literal
from rules.model import EntityRules


def hear(con: duckdb.DuckDBPyConnection, rules: EntityRules, as_of: date) -> None:
    """Make `listing`, `heard` and `speaker` of the entity type in the current schema, as of a day."""
    con.execute(heard_sql(con, rules), {"as_of": as_of})
    names = sorted(rules.sources.sources)
    spoken = voices(rules.sources)
    run(
        con,
        "deliveries",
        periodic=[name for name, source in rules.sources.sources.items() if source.period],
        names=names,
        voices=[names.index(spoken[name]) for name in names],
        cycles=[rules.sources.sources[name].cycle_days for name in names],
        as_of=as_of,
    )


def heard_sql(con: duckdb.DuckDBPyConnection, rules: EntityRules) -> str:
    """SQL for `heard`: the last day, up to $as_of, on which a source delivered or of which its records speak.

    A source that is made of another one's records delivers when that one does.
    """
    told = ["select source, observed_on as day from standard"]
    if has_table(con, current_schema(con), "batch"):
        told.append("select source, observed_on from batch")
    for name, source in sorted(rules.sources.sources.items()):
        made_of = source.grouped
        if made_of is not None and has_table(con, made_of.entity, "batch"):
            table = f"{quote(made_of.entity)}.batch"
            told.append(f"select {literal(name)}, observed_on from {table} where source = {literal(made_of.source)}")
    return f"""
create or replace temp table heard as
select source, max(day) as day from ({" union all ".join(told)}) where day <= $as_of::date group by source
"""
