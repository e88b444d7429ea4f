"""The pairs among which the errors of a linkage are: those that it put together, and those that it might have.

Reads: standard, cluster, frequency. Writes: temporary table frame.

    frame   l, r (ordinals), match_weight (null: together only by way of others), linked, probed (only a probe makes the
            pair, no rule does), held (apart whatever it weighs: a guard or a constraint holds), region, key (the number
            of the first rule or probe that makes it)

A rule that missed a pair does not tell of it. So every rule is loosened, one key at a time, to *probes*, and the pairs
of those that make no more than PROBED pairs per record are weighed as well, down to DEEPER below `review`. What is
below that is only counted; what no probe makes is estimated from how many rules find a match (`inference.chao`).
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import duckdb
import numpy as np

from linkage import frequencies
from linkage.blocking import Blocking
from linkage.inference import Interval, chao
from linkage.kernel.match import Kernel
from linkage.progress import SILENT, Reporter
from linkage.sql import number
from linkage.workspace import use_entity
from rules.columns import quote
from rules.kinds.base import literal
from rules.model import BlockingRule, Entity, EntityRules

PROBED = 20
DEEPER = 10.0
UNBOUNDED = 1e9  # pairs per record
SCRATCH = "_frame"  # a schema: no entity type can bear this name


@dataclass(frozen=True)
class Frame:
    """What table `frame` holds, and what it does not.

    pairs       how many it has
    below       how many more were weighed and are lighter than `floor`
    by_no_rule  the matches that no rule makes, and `missed` those that neither a rule nor a probe does (`unseen`)
    """

    pairs: int
    below: int
    floor: float
    by_no_rule: Interval
    missed: Interval


def build(con: duckdb.DuckDBPyConnection, rules: EntityRules, reporter: Reporter = SILENT) -> Frame:
    """Build `frame` of an entity type that is linked, beside what the linkage left."""
    entity = rules.entity
    floor = entity.matching.review - DEEPER
    frequencies.load(con, rules)
    with reporter.step(f"{rules.name}: probes"):
        loosened = affordable(con, entity)
    with aside(con, rules.name), reporter.step(f"{rules.name}: pairs of rules and probes"):
        kernel = Kernel(con, _loose(rules, loosened, floor))
        compared = kernel.match()
        region = f"cast(({entity.region}) as varchar)" if entity.region else "null::varchar"
        excluded = " or ".join(f"s.{quote(one.column)} <> t.{quote(one.column)}" for one in entity.exclusive)
        con.execute(_FRAME.format(region=region, rules=len(entity.blocking), excluded=excluded or "false"))
    kept = number(con, "select count(*) from frame where match_weight is not null")
    return Frame(number(con, "select count(*) from frame"), compared - kept, floor, *unseen(con, entity, loosened))


def unseen(
    con: duckdb.DuckDBPyConnection, entity: Entity, loosened: tuple[BlockingRule, ...]
) -> tuple[Interval, Interval]:
    """The matches that no rule makes, and those that neither a rule nor a probe makes, by capture and recapture.

    Captured are the pairs that are together; occasions are the rules. A probe is no occasion independent of its rule,
    which makes the second estimate the bolder one.
    """
    found = con.execute("select l, r from frame where linked").fetchnumpy()
    left, right = found["l"].astype("int64"), found["r"].astype("int64")
    made = []
    for rules in (entity.blocking, (*entity.blocking, *loosened)):
        masks = Blocking(con, entity.model_copy(update={"blocking": rules})).masks(left, right)
        times = np.bitwise_count(masks)
        made.append(chao(int((times == 1).sum()), int((times == 2).sum()), len(rules)))
    return made[0], made[1]


def probes(entity: Entity) -> tuple[BlockingRule, ...]:
    """Every rule without one of its keys, and without its cap."""
    found: list[BlockingRule] = []
    for rule in entity.blocking:
        shorter = [rule.keys[:i] + rule.keys[i + 1 :] for i in range(len(rule.keys))]
        for keys in (*shorter, rule.keys):
            probe = BlockingRule(keys=keys, each=rule.each)
            if (keys or rule.each) and probe not in (*found, *entity.blocking):
                found.append(probe)
    return tuple(found)


def affordable(con: duckdb.DuckDBPyConnection, entity: Entity) -> tuple[BlockingRule, ...]:
    """The probes that make no more than PROBED pairs per record."""
    loosened = probes(entity)
    if not loosened:
        return ()
    made = Blocking(con, entity.model_copy(update={"blocking": loosened}))
    return tuple(
        probe for probe, pairs in zip(loosened, made.pairs, strict=True) if pairs <= PROBED * max(made.count, 1)
    )


def _loose(rules: EntityRules, loosened: tuple[BlockingRule, ...], floor: float) -> EntityRules:
    """The rules with probes behind them, by which every pair above `floor` is kept; what a guard holds is marked."""
    matching = rules.entity.matching.model_copy(update={"review": floor, "budget": UNBOUNDED})
    guards = tuple(guard.model_copy(update={"effect": "review"}) for guard in rules.entity.guards)
    changed = {"blocking": (*rules.entity.blocking, *loosened), "matching": matching, "guards": guards}
    return rules.model_copy(update={"entity": rules.entity.model_copy(update=changed)})


@contextmanager
def aside(con: duckdb.DuckDBPyConnection, entity: str) -> Iterator[None]:
    """Work where tables are made beside those of the entity type, which stay as they are."""
    con.execute(f"drop schema if exists {SCRATCH} cascade")
    con.execute(f"create schema {SCRATCH}")
    con.execute(f"set search_path = {literal(f'{SCRATCH},{entity},main')}")
    try:
        con.execute(f"create view standard as from {quote(entity)}.standard")
        yield
    finally:
        use_entity(con, entity)
        con.execute(f"drop schema if exists {SCRATCH} cascade")


_FRAME = """
create or replace temp table frame as
with placed as (
  select s.ordinal, s.dup_group, c.cluster_id, {region} as region from standard as s join cluster as c using (record_id)
), together as (
  select a.ordinal as l, b.ordinal as r from placed as a join placed as b using (cluster_id)
  where a.ordinal < b.ordinal and (a.dup_group is null or a.dup_group is distinct from b.dup_group)
), weighed as (
  select least(a.ordinal, b.ordinal) as l, greatest(a.ordinal, b.ordinal) as r, match_weight, match_key::integer as key,
         verdict = 'guard' or (verdict = 'accept' and match_key::integer < {rules}) as held
  from candidate_pair join standard as a on a.record_id = record_l join standard as b on b.record_id = record_r
)
select l, r, match_weight, y is not null as linked, coalesce(key >= {rules}, false) as probed,
       y is null and (held or coalesce({excluded}, false)) as held, key, least(a.region, b.region) as region
from weighed as w full join (select l, r, true as y from together) as yy using (l, r)
join placed as a on a.ordinal = l join placed as b on b.ordinal = r
join standard as s on s.ordinal = l join standard as t on t.ordinal = r"""
