"""Who succeeded whom: dated relations between golden records of one entity type, read off when they were seen.

Reads: standard, member, golden_number, golden. Writes: relation (which relations.py makes).

A succession is declared in `entity.toml`: a golden record that began (`later`) and one that was last seen
before (`earlier`) agree in the columns `same`, as the one was when it began and the other when it ended.
Each succeeds and is succeeded once at most: the smallest gap is served first, then the smallest ids.
A renaming or recoding is no relation: it is the history of one golden record.
"""

from __future__ import annotations

import duckdb

from golden_records.identity import one_to_one
from rules.model import EntityRules, SuccessionRule

UNCONTENDED = """
insert into succession
select from_id, to_id from successor
where from_id in (select from_id from successor group by from_id having count(*) = 1)
  and to_id in (select to_id from successor group by to_id having count(*) = 1)
"""
CONTENDED = """
select from_id, to_id from successor
where from_id not in (select from_id from succession) and to_id not in (select to_id from succession)
order by gap, from_id, to_id
"""


def succeed(con: duckdb.DuckDBPyConnection, rules: EntityRules) -> None:
    """Write every succession that the rules of the entity type in the current schema declare."""
    for rule in rules.entity.succession:
        con.execute(successor_sql(rule))
        con.execute("create or replace temp table succession (from_id varchar, to_id varchar)")
        con.execute(UNCONTENDED)
        _serve(con)
        con.execute(
            "insert into relation by name select from_id, $type as type, to_id, s.since, s.source "
            "from succession join successor s using (from_id, to_id)",
            {"type": rule.type},
        )


def successor_sql(rule: SuccessionRule) -> str:
    """SQL for `successor`: one row per pair that could be a succession, with the days between the two."""
    keys = ", ".join(f"({key}) as k{position}" for position, key in enumerate(rule.same))
    known = " and ".join(f"k{position} is not null" for position in range(len(rule.same)))
    agree = " and ".join(f"a.k{position} = b.k{position}" for position in range(len(rule.same)))
    return f"""
create or replace temp table successor as
with keyed as (
    select m.g, k.* exclude (ordinal)
    from (select ordinal, source, observed_on, {keys} from standard) k
    join member m using (ordinal)
    where {known}
), one as (
    select n.g, e.golden_id, e.valid_from, e.last_seen, ({rule.earlier}) as ended, ({rule.later}) as began
    from golden e join golden_number n using (golden_id)
), a as (
    select distinct one.golden_id, one.valid_from, keyed.* exclude (g, observed_on)
    from one join keyed on keyed.g = one.g and keyed.observed_on = one.valid_from
    where one.began
), b as (
    select distinct one.golden_id, one.last_seen, keyed.* exclude (g, source, observed_on)
    from one join keyed on keyed.g = one.g and keyed.observed_on = one.last_seen
    where one.ended
)
select a.golden_id as from_id, b.golden_id as to_id, a.valid_from as since, min(a.source) as source,
       a.valid_from - b.last_seen as gap
from a join b on {agree}
where a.valid_from > b.last_seen and a.valid_from <= b.last_seen + {int(rule.within_days)}
  and a.golden_id <> b.golden_id
group by a.golden_id, b.golden_id, a.valid_from, b.last_seen
"""


def _serve(con: duckdb.DuckDBPyConnection) -> None:
    """Settle the contended successions one to one."""
    served = one_to_one(con.execute(CONTENDED).fetchall())
    if served:
        con.execute(
            "insert into succession select unnest($begun), unnest($ended)",
            {"begun": list(served), "ended": list(served.values())},
        )
