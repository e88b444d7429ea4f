"""What a decision rests on: a hash of what its records say, as it came, whatever file or day it came with.

Reads: standard, record, grouped_record. Writes nothing that stays.
"""

from __future__ import annotations

from collections.abc import Sequence

import duckdb

from linkage.decisions import Decision
from rules.columns import quote
from rules.model import EntityRules


def evidence_of(
    con: duckdb.DuckDBPyConnection, one: EntityRules, decisions: Sequence[Decision]
) -> dict[int, str | None]:
    """The hash of what the records of each decision say now, by decision id; none where one of them is not there."""
    told = [(d.decision_id, *subject) for d in decisions for subject in dict.fromkeys(d.subjects)]
    if not told:
        return {}
    said = record_text(one, "d")
    con.execute(
        "create or replace temp table about as select unnest($ids::bigint[]) as id, "
        "unnest($sources::varchar[]) as source, unnest($keys::varchar[]) as source_key",
        dict(zip(("ids", "sources", "keys"), map(list, zip(*told, strict=True)), strict=True)),
    )
    found = con.execute(
        f"""
with present as (select a.id, s.record_id from about as a left join standard as s using (source, source_key)
), delivered as (
  select * from record semi join present using (record_id)
  union all
  select * from grouped_record semi join present using (record_id)
)
select id, md5(string_agg({said}, chr(29) order by {said})), bool_and(d.record_id is not null)
from present left join delivered as d using (record_id) group by id"""
    ).fetchall()
    return {number: said if whole else None for number, said, whole in found}


def record_text(one: EntityRules, side: str) -> str:
    """SQL: everything that a record says, in one text."""
    said = ", ".join(f"{side}.{quote(name)}" for name in one.entity.fields)
    return f"array_to_string(list_transform([{said}], lambda t: coalesce(t, chr(30))), chr(31))"
