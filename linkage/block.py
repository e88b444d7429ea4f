"""Finds the pairs worth comparing, and refuses before running when there would be too many.

Reads: standard, frequency. Writes: block, block_<i>, pair_count, candidate_total, pair.

Every blocking rule becomes one BIGINT column of `block` (a hash of its keys, null where a key is null or
where the block was a hub when the frequencies were frozen), so that the joins compare machine words. A rule
with `each` puts a record into several blocks and has a table `block_<i>` of its own.
A pair belongs to the first rule that makes it; it is ordered by the records' ordinals. Two records of a group
that its source declares free of duplicates are no pair.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import duckdb

from linkage.crowded import crowded
from linkage.frequencies import block_keys, block_source, block_text, hub_name, hubs_sql
from linkage.frequencies import total as frozen_total
from linkage.sql import number, rows
from rules.columns import field_columns
from rules.errors import RefusedError
from rules.kinds import KINDS
from rules.kinds.base import literal
from rules.model import BlockingRule, Entity, EntityRules

SHOWN = 3


@dataclass(frozen=True)
class RulePairs:
    """How many pairs one blocking rule makes on its own, counted exactly from the sizes of its blocks."""

    rule: str
    pairs: int


def block(con: duckdb.DuckDBPyConnection, rules: EntityRules) -> list[RulePairs]:
    """Build `block`, estimate every rule and, within the budget, list the candidate pairs in `pair`.

    Raises:
        RefusedError: the rules together make more pairs than `matching.budget` per record.
    """
    entity = rules.entity
    con.execute(f"create or replace table block as {block_sql(entity)}")
    for i, rule in enumerate(entity.blocking):
        if rule.each:
            con.execute(f"create or replace table block_{i} as {each_sql(rule)}")
    estimates = _estimate(con, entity)
    refuse_above_budget(con, entity, estimates)
    con.execute("create or replace table pair (join_key_l bigint, join_key_r bigint, match_key varchar)")
    for i in range(len(entity.blocking)):
        con.execute(f"insert into pair {pairs_sql(entity, i)}")
    con.execute("create or replace table candidate_total as select count(*) as pairs from pair")
    return estimates


def block_sql(entity: Entity) -> str:
    """SQL of `block`: a record's ordinal and its block under every rule that gives it one."""
    columns = "".join(
        f",\n  {hashed_sql(rule)} as block_{i}" for i, rule in enumerate(entity.blocking) if not rule.each
    )
    return f"select ordinal, {_GROUP} as dup_group{columns}\nfrom standard"


def each_sql(rule: BlockingRule) -> str:
    """SQL of `block_<i>`: a record's ordinal and each of its blocks under one rule."""
    return (
        f"select * from (select ordinal, {_GROUP} as dup_group, {hashed_sql(rule)} as block from {block_source(rule)}) "
        "where block is not null"
    )


def hashed_sql(rule: BlockingRule) -> str:
    """SQL: the block of a record, null where a key is null or the block is a hub."""
    hashed = f"cast(hash({block_text(rule)}) >> 1 as bigint)"
    hubs = f"select cast(hash(value) >> 1 as bigint) from ({hubs_sql(rule)})"
    known = " and ".join(f"({key}) is not null" for key in block_keys(rule))
    spared = f" and {hashed} not in ({hubs})" if rule.cap is not None else ""
    return f"case when {known}{spared} then {hashed} end"


def pairs_sql(entity: Entity, i: int) -> str:
    """SQL of the pairs that rule `i` makes and no earlier rule does."""
    if entity.blocking[i].each:
        pairs = (
            f"select distinct l.ordinal as l, r.ordinal as r from block_{i} as l join block_{i} as r "
            f"on l.block = r.block and l.ordinal < r.ordinal and {_APART}"
        )
        return f"select l, r, '{i}' from ({pairs}) {_UNPAIRED}"
    scalar = [j for j in range(i) if not entity.blocking[j].each]
    earlier = " or ".join(f"coalesce(l.block_{j} = r.block_{j}, false)" for j in scalar)
    pairs = (
        f"select l.ordinal as l, r.ordinal as r, '{i}' from block as l join block as r "
        f"on l.block_{i} = r.block_{i} and l.ordinal < r.ordinal and {_APART}"
        + (f" where not ({earlier})" if earlier else "")
    )
    return pairs if len(scalar) == i else f"select * from ({pairs}) {_UNPAIRED}"


_GROUP = "case when dup_group is not null then cast(hash(dup_group) >> 1 as bigint) end"
_APART = "(l.dup_group is null or l.dup_group is distinct from r.dup_group)"
_UNPAIRED = "where not exists (select 1 from pair as p where p.join_key_l = l and p.join_key_r = r)"


def _estimate(con: duckdb.DuckDBPyConnection, entity: Entity) -> list[RulePairs]:
    con.execute("create or replace table pair_count (rule varchar, pairs bigint)")
    for i, rule in enumerate(entity.blocking):
        con.execute(
            f"insert into pair_count select {_name(rule)}, "
            "coalesce(sum(n * (n - 1) // 2), 0) - coalesce(sum(alike), 0) from "
            "(select sum(n) as n, sum(case when dup_group is not null then n * (n - 1) // 2 end) as alike from "
            f"(select block_{i}, dup_group, count(*)::hugeint as n from {_blocks(rule, i)} "
            f"where block_{i} is not null group by all) group by block_{i})"
        )
    found = dict(con.execute("select rule, pairs from pair_count").fetchall())
    return [RulePairs(hub_name(rule), int(found[hub_name(rule)])) for rule in entity.blocking]


def refuse_above_budget(con: duckdb.DuckDBPyConnection, entity: Entity, estimates: list[RulePairs]) -> None:
    """RefusedError where the rules together make more pairs than `matching.budget` per record.

    It names the cause: a source of which too many records have one value, else the largest blocks and whose they are.
    """
    records = max(number(con, "select count(*) from standard"), frozen_total(con))
    allowed = int(entity.matching.budget * records)
    wanted = sum(estimate.pairs for estimate in estimates)
    if wanted <= allowed:
        return
    worst = max(range(len(estimates)), key=lambda i: estimates[i].pairs)
    blocks = "; ".join(map(str, largest_blocks(con, entity, entity.blocking[worst])))
    said = (
        f"blocking would make {wanted:,} candidate pairs, more than the budget of {allowed:,} "
        f"({entity.matching.budget:g} per record). Rule {estimates[worst].rule!r} makes {estimates[worst].pairs:,}; "
        f"its largest blocks are {blocks}. "
    )
    if causes := list(crowded(con, entity)):
        raise RefusedError(f"{said}The cause: {'; '.join(causes)}")
    raise RefusedError(
        f"{said}If a source went wrong, ask its owner; else give the rule another key or a lower `cap` in entity.toml, "
        "then run 'shuyuan train' to count its hubs"
    )


@dataclass(frozen=True)
class LargeBlock:
    """A block: its keys, masked, how many records stand in it, and the source that most of them are of."""

    keys: tuple[str | None, ...]
    records: int
    source: str
    of_source: int

    def __str__(self) -> str:
        keys = " + ".join(str(key) for key in self.keys)
        return f"{keys} ({self.records:,} records, {self.of_source:,} of source {self.source})"


def largest_blocks(
    con: duckdb.DuckDBPyConnection, entity: Entity, rule: BlockingRule, limit: int = SHOWN
) -> list[LargeBlock]:
    """The largest blocks of a rule, hubs left out."""
    found = rows(
        con,
        f"""
        with part as (
          select {hashed_sql(rule)} as block, source, min({block_text(rule)}) as text, count(*) as n
          from {block_source(rule)} group by all
        )
        select min(text), sum(n)::bigint, arg_max(source, (n, source)), max(n) from part where block is not null
        group by block order by 2 desc, 1 limit {limit}""",
    )
    return [
        LargeBlock(masked_keys(entity, rule, str(text).split("\x1f")), int(str(n)), str(source), int(str(most)))
        for text, n, source, most in found
    ]


def _blocks(rule: BlockingRule, i: int) -> str:
    return f"(select ordinal, dup_group, block as block_{i} from block_{i})" if rule.each else "block"


def _name(rule: BlockingRule) -> str:
    return literal(hub_name(rule))


def masked_keys(entity: Entity, rule: BlockingRule, values: Sequence[str | None]) -> tuple[str | None, ...]:
    """The keys of a block as they may be shown: by the mask of the field's kind, or only a first letter."""
    owner = {
        column: (KINDS[field.kind], column[len(name) :].removeprefix("__"))
        for name, field in entity.fields.items()
        for column in field_columns(name, field.kind)
    }

    def shown(key: str, value: str) -> str:
        if key not in owner:
            return f"{value[:1]}***"
        kind, column = owner[key]
        return kind.mask_column(column, value) if column else kind.mask(value)

    return tuple(
        None if value is None else shown(key, value) for key, value in zip(block_keys(rule), values, strict=True)
    )
