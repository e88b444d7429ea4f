"""When two values of a field say the same (多元校核), by the kind's own equality.

Reads: testimony, witness (see sql/survivorship.sql), value_<field>. Writes: alike.

Equal keys agree. A kind may know of more (`Kind.agree`): a name or an address that leaves out the places above it
says the same as one that states them. That is no equivalence (two addresses may both agree with their county and not
with each other), so it is asked pair by pair, of the different keys that meet in one golden record.
"""

from __future__ import annotations

import duckdb

from linkage.values import code_sql
from rules.columns import needed_columns, quote
from rules.kinds import KINDS
from rules.kinds.base import literal
from rules.model import Entity

EMPTY = "create or replace table alike (field varchar, k ubigint, other ubigint)"


def liken(con: duckdb.DuckDBPyConnection, entity: Entity) -> None:
    """Fill `alike`: the codes of keys of a field that differ and agree, each pair both ways round."""
    con.execute(EMPTY)
    for field in lenient(entity):
        con.execute(alike_sql(entity, field))


def lenient(entity: Entity) -> list[str]:
    """The golden fields of which different keys may agree."""
    return [name for name, rule in entity.fields.items() if rule.golden and KINDS[rule.kind].agree(name, rule.options)]


def alike_sql(entity: Entity, field: str) -> str:
    """SQL that adds the pairs of one field to `alike`."""
    rule, extras = entity.fields[field], needed_columns(entity)[field]
    key = quote(f"{field}__key")
    columns = "".join(f", any_value({quote(name)} order by raw) as {quote(f'{field}__{name}')}" for name in extras)
    sides = ", ".join(
        f"{side}.{name} as {quote(f'{field}__{extra}_{side}')}"
        for side in "lr"
        for extra, name in (("key", key), *((n, quote(f"{field}__{n}")) for n in extras))
    )
    return f"""
insert into alike
with told as (
    select distinct w.g, s.{key} as key from testimony as s join witness as w using (ordinal) where s.{key} is not null
), several as (
    select g from told group by g having count(*) > 1
), met as (
    select distinct a.key as one, b.key as other
    from told as a join told as b using (g) where a.key < b.key and g in (select g from several)
), read as (
    select key as {key}{columns} from {quote("value_" + field)} where key is not null group by key
), pair as (
    select {sides} from met
    join read as l on l.{key} = met.one join read as r on r.{key} = met.other
), agreed as (
    select {quote(f"{field}__key_l")} as one, {quote(f"{field}__key_r")} as other from pair
    where {KINDS[rule.kind].agree(field, rule.options)}
)
select {literal(field)}, {code_sql("one")}, {code_sql("other")} from agreed
union all
select {literal(field)}, {code_sql("other")}, {code_sql("one")} from agreed"""


def same_sql(entity: Entity, field: str, one: str, other: str) -> str:
    """SQL: whether two codes of keys of a field agree; null where either is."""
    if field not in lenient(entity):
        return f"{one} = {other}"
    return f"({one} = {other} or ({one}, {other}) in (select (k, other) from alike where field = {literal(field)}))"
