"""Says which entity a reference means, and makes records out of another entity type's records.

Reads: value_<field>, and of the referenced entity types standard, cluster, current_record.
Writes: value_<field> (its column `golden`), grouped_record.

A referenced entity is called after the smallest (source, source_key) of its cluster, so that neither load order
nor an internal number shows in what is matched. It is matched before the entity types that refer to it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import duckdb

from linkage.sql import execute, number, run
from rules.columns import quote
from rules.kinds import KINDS
from rules.kinds.base import literal
from rules.kinds.reference import SEPARATORS, UNKNOWN
from rules.model import Entity, EntityRules, FieldRule, Sources

Entities = Mapping[str, EntityRules]


def is_reference(rule: FieldRule) -> bool:
    """Whether a field names records of another entity type."""
    return "entity" in KINDS[rule.kind].options


def delivered_sql(entity: Entity, sources: Sources, field: str) -> str:
    """SQL over `record`: the text of a field, with what its keys are written before each key of a reference."""
    told = {name: one.refers[field].prefix for name, one in sources.sources.items() if field in one.refers}
    if not is_reference(entity.fields[field]) or not told:
        return quote(field)
    prefix = "".join(f" when {literal(name)} then {literal(said)}" for name, said in sorted(told.items()))
    return f"""array_to_string(list_transform(
      list_filter(regexp_split_to_array({quote(field)}, {literal(SEPARATORS)}), lambda item: item <> ''),
      lambda item: case source{prefix} else '' end || item), ';')"""


def resolve(con: duckdb.DuckDBPyConnection, fields: Sequence[str], target: EntityRules, as_of: object) -> None:
    """Fill `golden` of `value_<field>` of some fields from the clusters of `target`, where these are there."""
    if not has_table(con, target.name, "cluster"):
        return
    name_members(con, target)
    for field in fields:
        table, named = quote("value_" + field), quote("named_" + field)
        name_items(con, field, target, as_of)
        con.execute(
            f"""
            create or replace table {table} as
            with told as (
                select raw, list_sort(list_distinct(list(coalesce(n.name, item)))) as golden,
                       bool_or(n.name is null) as lost
                from (select raw, unnest(keys) as item from {table}) left join {named} as n using (item)
                group by raw
            )
            select v.* replace (
                coalesce(t.golden, v.golden) as golden,
                case when t.lost then list_sort(list_append(v.findings, '{UNKNOWN}')) else v.findings end as findings)
            from {table} as v left join told as t using (raw)
            """
        )


def name_items(con: duckdb.DuckDBPyConnection, field: str, target: EntityRules, as_of: object) -> None:
    """Build `named_<field>`: what each item of a reference was found to be, by name (`source/source_key`).

    Reads `member_name` of `target`.
    """
    named = quote("named_" + field)
    con.execute(f"create or replace table {named} (item varchar, name varchar)")
    con.execute(
        f"create or replace temp table asked as select distinct unnest(keys) as item from {quote('value_' + field)}"
    )
    for sql in named_sqls(con, target):
        execute(con, f"insert into {named} {sql}", as_of=as_of)


def name_members(con: duckdb.DuckDBPyConnection, target: EntityRules) -> None:
    """Build `member_name`: every record of an entity type, as a reference calls it, and the name of its entity."""
    schema = quote(target.name)
    con.execute(
        f"""
        create or replace temp table member_name as
        with said as materialized (
            select record_id, cluster_id, source || '/' || source_key as item
            from {schema}.standard join {schema}.cluster using (record_id)
        ), several as (
            select cluster_id from {schema}.cluster where record_id <> cluster_id
        ), first as (
            select cluster_id, min(item) as name from said semi join several using (cluster_id) group by cluster_id
        )
        select record_id, item, coalesce(name, item) as name from said left join first using (cluster_id)
        """
    )


def named_sqls(con: duckdb.DuckDBPyConnection, target: EntityRules) -> list[str]:
    """SQL of (item, name) for every item of `asked` that some record of `target` answers to.

    An identifier that several entities hold names none of them.
    """
    schema = quote(target.name)
    found = ["select item, name from member_name where item in (select item from asked)"]
    for name, rule in target.entity.fields.items():
        prefix = literal(f"#{name}/")
        if rule.identifier and number(con, f"select count(*) from asked where starts_with(item, {prefix})"):
            parse = KINDS[rule.kind].parse("raw", rule.options)
            found.append(
                f"""
                with raw as materialized (
                  select replace(item, {prefix}, '') as raw from asked where starts_with(item, {prefix})
                ), parsed as ({parse})
                select {prefix} || p.raw, any_value(m.name)
                from parsed as p
                join {schema}.standard as s on s.{quote(name + "__key")} = p.key
                join member_name as m using (record_id)
                group by p.raw having count(distinct m.name) = 1"""
            )
    return found


def group(con: duckdb.DuckDBPyConnection, rules: EntityRules, entities: Entities) -> None:
    """Build `grouped_record`: the records of sources that are made of another entity type's current records.

    A record that says what it said keeps its number.
    """
    listed = ", ".join(quote(field) for field in rules.entity.fields)
    con.execute("create or replace temp table regrouped as from grouped_record where false")
    for name, source in sorted(rules.sources.sources.items()):
        made_of = source.grouped
        if made_of is None or made_of.entity not in entities or not has_table(con, made_of.entity, "record"):
            continue
        told = {field: f"({sql})::varchar" for field, sql in made_of.fields.items()}
        fields = ", ".join(f"{told.get(field, 'null')} as {quote(field)}" for field in rules.entity.fields)
        con.execute(
            f"""
            insert into regrouped
            select null, $source, group_key, null, observed_on, md5(concat_ws(chr(31), {listed})), null,
                   {"$source" if source.duplicate_free else "null"}, {listed}
            from (
                select trim(({made_of.by})::varchar) as group_key, max(observed_on) as observed_on, {fields}
                from (select * from {quote(made_of.entity)}.current_record where source = $made_of)
                where ({made_of.where}) and nullif(trim(({made_of.by})::varchar), '') is not null
                group by 1
            )
            """,
            {"source": name, "made_of": made_of.source},
        )
    run(con, "regroup")


def has_table(con: duckdb.DuckDBPyConnection, schema: str, table: str) -> bool:
    """Whether a table is there. The catalogue lists every table for it: some milliseconds."""
    wanted = "select count(*) from duckdb_tables() where schema_name = $schema and table_name = $table"
    return number(con, wanted, schema=schema, table=table) > 0
