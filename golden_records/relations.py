"""Dated relations between golden records, of one entity type or of two, or to somebody who is only named.

Reads: standard, past, crosswalk, named_<field>; crosswalk of the entity types referred to. Writes: holder, relation,
finding.

A relation holds from the first day on which a record said so until the last version that did was replaced or
withdrawn. It names records, not ids, until the ids of both sides are known, so it survives the merge or split of
either end. What earlier releases said plays no part: the versions of the records are kept.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import date

import duckdb

from golden_records.affected import part_of, within
from golden_records.far_relations import FEW, Statement, join_far
from golden_records.sql import run
from golden_records.succession import succeed
from linkage.references import name_items, name_members
from linkage.spark.shelf import Shelf
from linkage.sql import number
from rules.columns import quote
from rules.kinds.base import literal
from rules.model import EntityRules, RelationRule

CIRCLE = "relation_circle"
LATE_UNKNOWN = "relation_to_unknown"
UNKNOWN_ITEMS = """
insert into finding
select record_id, null, null, $field, $rule, 'warn', null from (select record_id, unnest({keys}) as item from standard)
anti join {named} using (item)"""


def relate(
    con: duckdb.DuckDBPyConnection,
    rules: EntityRules,
    entities: Mapping[str, EntityRules],
    as_of: date,
    shelf_of: Callable[[str], Shelf] | None = None,
) -> None:
    """Write every relation that the rules of the entity type in the current schema declare.

    `entities` are those of the plan: all of them have their ids. One that is not among them is referred to in vain.
    Where there is `shelf_of`, which gives the folder of Spark for a part of the work, what many records say is joined
    there.
    """
    run(con, "evidence")
    for view in ("evidence", "counterpart"):
        _testify(con, view, rules.name)
    _name_late(con, rules, entities, as_of)
    _write(con, rules, entities, shelf_of)
    _find_circles(con, rules)


def relate_again(
    con: duckdb.DuckDBPyConnection, rules: EntityRules, entities: Mapping[str, EntityRules], as_of: date
) -> None:
    """Write the relations anew from those ids of which one may have changed; `held_relation` keeps what they had.

    Reads beside what `relate` does: moved_id, and what affected.py made.
    """
    part = part_of(rules.name)
    run(con, "evidence")
    for view in ("evidence", "counterpart"):
        _testify(con, view, rules.name)
    _name_late(con, rules, entities, as_of)
    if rules.entity.succession:  # everybody succeeds once at most, so one succession may depend on all of them
        con.execute("create or replace temp table held_relation as from relation")
        _write(con, rules, entities)
        con.execute(f"create table {part}.relation as from relation")
    else:
        _choose_from(con, rules, entities)
        con.execute("create or replace temp table held_relation as from relation semi join from_id using (from_id)")
        _testify(con, "evidence", rules.name, "select from_id from from_id")
        with within(con, rules.name):
            _write(con, rules, entities, few=True)
        con.execute("delete from relation where from_id in (select from_id from from_id)")
        con.execute(f"insert into relation by name from {part}.relation")
        _testify(con, "evidence", rules.name)
    _find_circles(con, rules)


def _testify(con: duckdb.DuckDBPyConnection, view: str, entity: str, held: str | None = None) -> None:
    """Make a view of what records say and said, and when: of all, or of those that some ids (SQL) hold or held last."""
    only = ""
    if held is not None:
        only = "semi join told_record using (record_id)"
        records = " union all ".join(f"select record_id, source, source_key from {t}" for t in ("standard", "past"))
        con.execute(
            f"create or replace temp table told_record as select record_id from ({records}) "
            f"semi join (select source, source_key from holder where golden_id in ({held})) using (source, source_key)"
        )
    con.execute(
        f"create or replace temp view {view} as "
        f"select *, observed_on as since, null::date as until from {quote(entity)}.standard {only} "
        f"union all by name select * from {quote(entity)}.past {only}"
    )


def _name_late(
    con: duckdb.DuckDBPyConnection, rules: EntityRules, entities: Mapping[str, EntityRules], as_of: date
) -> None:
    """Find out what late references mean; `renamed_<field>` has the items that meant something else before."""
    con.execute("delete from finding where rule in ($circle, $unknown)", {"circle": CIRCLE, "unknown": LATE_UNKNOWN})
    for field in dict.fromkeys(rule.field for rule in rules.entity.relations if rule.field is not None):
        options = rules.entity.fields[field].options
        target = entities.get(str(options["entity"]))
        if target is None or not options.get("late"):
            continue
        named, renamed = quote(f"named_{field}"), quote(f"renamed_{field}")
        con.execute(f"create table if not exists {named} (item varchar, name varchar)")
        con.execute(f"create or replace temp table {renamed} as from {named}")
        name_members(con, target)
        name_items(con, field, target, as_of)
        con.execute(
            f"create or replace temp table {renamed} as select item "
            f"from ((from {named} except from {renamed}) union all (from {renamed} except from {named}))"
        )
        con.execute(
            UNKNOWN_ITEMS.format(keys=quote(f"{field}__keys"), named=named), {"field": field, "rule": LATE_UNKNOWN}
        )


def _write(
    con: duckdb.DuckDBPyConnection,
    rules: EntityRules,
    entities: Mapping[str, EntityRules],
    shelf_of: Callable[[str], Shelf] | None = None,
    few: bool = False,
) -> None:
    run(con, "relations")
    succeed(con, rules)
    for i, rule in enumerate(_meant(rules, entities)):
        said = statement(rules, rule, few)
        if shelf_of is not None and number(con, "select count(*) from evidence") > FEW:
            join_far(con, shelf_of(f"relation_{i}"), said)
        else:
            con.execute(f"insert into relation by name {said.whole}")
    run(con, "relation_once")


def _meant(rules: EntityRules, entities: Mapping[str, EntityRules]) -> list[RelationRule]:
    """The rules of relations, without those to an entity type that is not among `entities`."""
    return [
        rule
        for rule in rules.entity.relations
        if rule.field is None or str(rules.entity.fields[rule.field].options["entity"]) in entities
    ]


def _choose_from(con: duckdb.DuckDBPyConnection, rules: EntityRules, entities: Mapping[str, EntityRules]) -> None:
    """Make `from_id`: the ids from which a relation may be another than in the plan before."""
    with within(con, rules.name):
        run(con, "from_id")
    _testify(con, "counterpart", rules.name, "select golden_id from moved_id")
    for rule in _meant(rules, entities):
        if rule.field is not None:
            con.execute(f"insert into from_id {_referring_sql(rules, rule.field)}")
        elif rule.party is None:
            con.execute(f"insert into from_id select distinct from_id from ({_pair(rule).whole})")
    _testify(con, "counterpart", rules.name)


def _referring_sql(rules: EntityRules, field: str) -> str:
    """SQL of the ids with a record that names one of the affected records of another entity type, or an item that means
    something else than it did."""
    options = rules.entity.fields[field].options
    target = part_of(str(options["entity"]))
    renamed = f"union select item from {quote(f'renamed_{field}')}" if options.get("late") else ""
    return f"""
with moved as (
    select source || '/' || source_key as name from {target}.affected_record
), asked as (
    select name as item from moved
    union
    select item from {quote(f"named_{field}")} semi join moved using (name)
    {renamed}
)
select distinct h.golden_id
from (select source, source_key, unnest({quote(field + "__keys")}) as item from evidence) as e
semi join asked using (item)
join holder as h using (source, source_key)"""


def statement(rules: EntityRules, rule: RelationRule, few: bool = False) -> Statement:
    """The statement of the relations that a rule declares; `few` records at most name anybody."""
    if rule.party is not None:
        return _party(rule)
    return _pair(rule) if rule.field is None else _reference(rules, rule, few)


# Who said it first: one aggregate over all that puts records in order costs a third of two that each name a column.
_FIRST = "min({{'since': {side}since, 'source': {side}source, 'source_key': {side}source_key}}) as first"


def _first_said(sql: str) -> str:
    """The same relations with the record that said so first."""
    return f"select * exclude (first), first.source as source, first.source_key as source_key from ({sql})"


def _reference(rules: EntityRules, rule: RelationRule, few: bool) -> Statement:
    """The relations to the golden records that a reference field names.

    Where `few` records do, only those that they name are looked for; the statement has to be run as a whole then.
    """
    field = str(rule.field)
    target = quote(str(rules.entity.fields[field].options["entity"]))
    meant = f"""
select h.golden_id, coalesce(n.name, s.item) as name, s.source, s.source_key, s.since, s.until
from (
    select source, source_key, unnest({quote(field + "__keys")}) as item, {rule.since or "since"} as since, until
    from evidence
    where coalesce(({rule.when}), false)
) as s
left join {quote("named_" + field)} as n using (item)
join holder as h using (source, source_key)"""
    other = f"""
select source || '/' || source_key as name,
       arg_max(golden_id, ((until is null)::bigint << 32) + since_release) as golden_id,
       case when count(*) = count(until) then max(until) end as ended
from {target}.crosswalk{" where source || '/' || source_key in (select name from meant)" if few else ""}
group by 1"""
    sql = _first_said(f"""
select m.golden_id as from_id, {literal(rule.type)} as type, o.golden_id as to_id, min(m.since) as since,
       case when count(*) = count(coalesce(m.until, o.ended)) then max(coalesce(m.until, o.ended)) end as until,
       {_FIRST.format(side="m.")}
from meant m
join other o on o.name = m.name
where m.golden_id <> o.golden_id
group by m.golden_id, o.golden_id""")
    return Statement({"meant": meant, "other": other}, ("name",), sql)


def _party(rule: RelationRule) -> Statement:
    """The relations to those whom a field names: `to_name` is what the latest record calls them."""
    field = str(rule.party)
    said = f"""
select h.golden_id, e.*
from (
    select source, source_key, {quote(field)} as name, {quote(field + "__key")} as key,
           {rule.since or "since"} as since, until
    from evidence
    where {quote(field + "__key")} is not null and coalesce(({rule.when}), false)
) as e
join holder as h using (source, source_key)"""
    sql = _first_said(f"""
select golden_id as from_id, {literal(rule.type)} as type, arg_max(name, (since, source, source_key)) as to_name,
       min(since) as since, case when count(*) = count(until) then max(until) end as until,
       {_FIRST.format(side="")}
from said
group by golden_id, key""")
    return Statement({"said": said}, ("golden_id",), sql)


def _pair(rule: RelationRule) -> Statement:
    """The relations between records of one entity type that agree in keys, on days on which both did."""

    def side(keys: tuple[str, ...], when: str, since: str, told: str) -> str:
        named = "".join(f", ({key}) as k{i}" for i, key in enumerate(keys))
        known = "".join(f" and ({key}) is not null" for key in keys)
        return f"""
select h.golden_id, e.*
from (
    select source, source_key, {since} as since, until{named}
    from {told} where coalesce(({when}), false){known}
) as e
join holder as h using (source, source_key)"""

    names = tuple(f"k{i}" for i in range(len(rule.keys)))
    agree = " and ".join(f"a.{name} = b.{name}" for name in names)
    never = "date '9999-12-31'"
    sql = _first_said(f"""
select a.golden_id as from_id, {literal(rule.type)} as type, b.golden_id as to_id, min(a.since) as since,
       case when bool_or(a.until is null and b.until is null) then null else max(least(a.until, b.until)) end as until,
       {_FIRST.format(side="a.")}
from a join b on {agree}
where a.golden_id <> b.golden_id
  and a.since < coalesce(b.until, {never}) and b.since < coalesce(a.until, {never})
group by a.golden_id, b.golden_id""")
    sides = {
        "a": side(rule.keys, rule.when, rule.since or "since", "evidence"),
        "b": side(rule.to_keys or rule.keys, rule.to_when, "since", "counterpart"),
    }
    return Statement(sides, names, sql)


def _find_circles(con: duckdb.DuckDBPyConnection, rules: EntityRules) -> None:
    """Find the relations that run in a circle where none may."""
    for kind in dict.fromkeys(rule.type for rule in rules.entity.relations if rule.acyclic):
        _find_circles_of(con, kind)


def _find_circles_of(con: duckdb.DuckDBPyConnection, kind: str) -> None:
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
