"""Dated relations between golden records, of one entity type or of two, or to somebody who is only named.

Reads: standard, past, crosswalk, named_<field>; crosswalk of the entity types referred to. Writes: relation, finding.

A relation holds from the first day on which a record said so until the last version that did was replaced or
withdrawn. It names records, not ids, until the ids of both sides are known, so it survives the merge or split of
either end. What earlier releases said plays no part: the versions of the records are kept.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date

import duckdb

from golden_records.sql import run
from golden_records.succession import succeed
from linkage.references import name_items
from rules.columns import quote
from rules.model import EntityRules, RelationRule

CIRCLE = "relation_circle"
LATE_UNKNOWN = "relation_to_unknown"
UNKNOWN_ITEMS = """
insert into finding
select record_id, null, null, $field, $rule, 'warn', null from (select record_id, unnest({keys}) as item from standard)
anti join {named} using (item)"""


def relate(
    con: duckdb.DuckDBPyConnection, rules: EntityRules, entities: Mapping[str, EntityRules], as_of: date
) -> None:
    """Write every relation that the rules of the entity type in the current schema declare.

    `entities` are those of the plan: all of them have their ids. One that is not among them is referred to in vain.
    """
    run(con, "relations")
    con.execute("delete from finding where rule in ($circle, $unknown)", {"circle": CIRCLE, "unknown": LATE_UNKNOWN})
    succeed(con, rules)
    for rule in rules.entity.relations:
        options = rules.entity.fields[rule.field].options if rule.field else {}
        target = entities.get(str(options.get("entity")))
        if rule.field is not None and target is None:
            continue
        if rule.field is not None and target is not None and options.get("late"):
            name_items(con, rule.field, target, as_of)
            con.execute(
                UNKNOWN_ITEMS.format(keys=quote(f"{rule.field}__keys"), named=quote(f"named_{rule.field}")),
                {"field": rule.field, "rule": LATE_UNKNOWN},
            )
        if rule.party is not None:
            sql = party_sql(rule)
        else:
            sql = pair_sql(rule) if rule.field is None else reference_sql(rules, rule)
        con.execute(f"insert into relation by name {sql}", {"type": rule.type})
    run(con, "relation_once")
    for name in dict.fromkeys(rule.type for rule in rules.entity.relations if rule.acyclic):
        _find_circles(con, name)


def reference_sql(rules: EntityRules, rule: RelationRule) -> str:
    """SQL of the relations to the golden records that a reference field names."""
    field = str(rule.field)
    target = quote(str(rules.entity.fields[field].options["entity"]))
    return f"""
with said as (
    select source, source_key, unnest({quote(field + "__keys")}) as item, {rule.since or "since"} as since, until
    from evidence
    where coalesce(({rule.when}), false)
), meant as (
    select s.*, coalesce(n.name, s.item) as name from said s left join {quote("named_" + field)} n using (item)
), other as (
    select source || '/' || source_key as name, arg_max(golden_id, (until is null, since_release)) as golden_id,
           case when count(*) = count(until) then max(until) end as ended
    from {target}.crosswalk
    group by 1
)
select h.golden_id as from_id, $type as type, o.golden_id as to_id, min(m.since) as since,
       case when count(*) = count(coalesce(m.until, o.ended)) then max(coalesce(m.until, o.ended)) end as until,
       arg_min(m.source, (m.since, m.source, m.source_key)) as source,
       arg_min(m.source_key, (m.since, m.source, m.source_key)) as source_key
from meant m
join holder h on h.source = m.source and h.source_key = m.source_key
join other o on o.name = m.name
where h.golden_id <> o.golden_id
group by h.golden_id, o.golden_id"""


def party_sql(rule: RelationRule) -> str:
    """SQL of the relations to those whom a field names: `to_name` is what the latest record calls them."""
    field = str(rule.party)
    return f"""
select h.golden_id as from_id, $type as type, arg_max(e.name, (e.since, e.source, e.source_key)) as to_name,
       min(e.since) as since, case when count(*) = count(e.until) then max(e.until) end as until,
       arg_min(e.source, (e.since, e.source, e.source_key)) as source,
       arg_min(e.source_key, (e.since, e.source, e.source_key)) as source_key
from (
    select source, source_key, {quote(field)} as name, {quote(field + "__key")} as key,
           {rule.since or "since"} as since, until
    from evidence
    where {quote(field + "__key")} is not null and coalesce(({rule.when}), false)
) as e
join holder h using (source, source_key)
group by h.golden_id, e.key"""


def pair_sql(rule: RelationRule) -> str:
    """SQL of the relations between records of one entity type that agree in keys, on days on which both did."""

    def side(keys: tuple[str, ...], when: str, since: str) -> str:
        named = "".join(f", ({key}) as k{i}" for i, key in enumerate(keys))
        known = "".join(f" and ({key}) is not null" for key in keys)
        return f"""
    select h.golden_id, e.*
    from (
        select source, source_key, {since} as since, until{named}
        from evidence where coalesce(({when}), false){known}
    ) as e
    join holder h using (source, source_key)"""

    agree = " and ".join(f"a.k{i} = b.k{i}" for i in range(len(rule.keys)))
    never = "date '9999-12-31'"
    return f"""
with a as ({side(rule.keys, rule.when, rule.since or "since")}
), b as ({side(rule.to_keys or rule.keys, rule.to_when, "since")}
)
select a.golden_id as from_id, $type as type, b.golden_id as to_id, min(a.since) as since,
       case when bool_or(a.until is null and b.until is null) then null else max(least(a.until, b.until)) end as until,
       arg_min(a.source, (a.since, a.source, a.source_key)) as source,
       arg_min(a.source_key, (a.since, a.source, a.source_key)) as source_key
from a join b on {agree}
where a.golden_id <> b.golden_id
  and a.since < coalesce(b.until, {never}) and b.since < coalesce(a.until, {never})
group by a.golden_id, b.golden_id"""


def _find_circles(con: duckdb.DuckDBPyConnection, kind: str) -> None:
    """Find the relations of one type that run in a circle, by peeling off what begins or ends a chain."""
    con.execute(
        "create or replace temp table chain as select from_id, to_id, source, source_key from relation "
        "where type = $type and until is null",
        {"type": kind},
    )
    left = -1
    while left:
        con.execute(
            "create or replace temp table chain as select * from chain "
            "where from_id in (select to_id from chain) and to_id in (select from_id from chain)"
        )
        before, left = left, int(con.execute("select count(*) from chain").fetchall()[0][0])
        if left == before:
            break
    con.execute(
        "insert into finding select distinct s.record_id, null, null, null, $rule, 'warn', $type "
        "from chain c join standard s using (source, source_key)",
        {"rule": CIRCLE, "type": kind},
    )
