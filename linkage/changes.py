"""Matches and clusters what changed since the last run; the result is that of doing everything anew.

Reads: came, gone, newcomer, was, retold, standard, value_<field>, frequency, candidate_pair, cluster, refusal.
Writes: candidate_pair, cluster, refusal, touched.

Two laws make this exact. The weight of a pair is a function of its two records alone, for frequencies and hubs are
frozen: pairs arise and fall only with the records that came and went. And constrained union decides within the
components of the accepted pairs: a component without a change keeps its clusters. So the records that came and those
that share a block with them, and later the components that changed, are each put as a small population into a schema
of its own, where the ordinary kernel and the ordinary union do their work.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import duckdb
import pyarrow as pa

from linkage import touched
from linkage.block import RulePairs
from linkage.cluster import ClusterCounts, cluster, slot_text
from linkage.decided import Decided, SourceRecord
from linkage.frequencies import block_keys, block_known, block_source, block_text, hubs_sql
from linkage.kernel import store
from linkage.kernel.match import Kernel
from linkage.kernel.partners import partners
from linkage.splink_model import compared_columns, named_columns, sided_columns
from linkage.sql import number, transaction
from linkage.values import NTH
from linkage.workspace import use_entity
from rules.columns import FIXED, quote
from rules.model import BlockingRule, Entity, EntityRules

SCHEMA = "_changes"  # no entity type can bear this name


def match_changes(
    con: duckdb.DuckDBPyConnection, rules: EntityRules, packed: Path | None = None
) -> tuple[list[RulePairs], int]:
    """Bring `candidate_pair` up to `standard`; gives the pairs that each rule made and how many were compared.

    The packed store of the last run in the folder `packed` is brought up to it as well.
    """
    con.execute(_TORN)
    con.execute("delete from candidate_pair where record_l in (from gone) or record_r in (from gone)")
    con.execute("create or replace temp table partner as from came")
    found = None if packed is None else partners(con, rules.entity, packed)
    if found is None:
        for rule in rules.entity.blocking:
            con.execute(f"insert into partner {partners_sql(rule)}")
    else:
        con.register("found_packed", pa.table({"record_id": found}))
        con.execute("insert into partner from found_packed")
        con.unregister("found_packed")
    moved = [record for (record,) in con.execute("from partner union from gone").fetchall()]
    with population(con, rules, "partner", _matching_columns(rules.entity)):
        kernel = Kernel(con, rules)
        compared = kernel.match()
        if packed is not None and moved:
            store.append(con, kernel, packed, moved)
        con.execute("create or replace temp table found as from candidate_pair")
    # Pairs among the partners stand in `candidate_pair` already.
    con.execute(
        "insert into candidate_pair by name select * from found "
        "where record_l in (from came) or record_r in (from came)"
    )
    return kernel.estimates, compared


def partners_sql(rule: BlockingRule) -> str:
    """SQL of the records that share a block of a rule with one of `newcomer`."""
    keys = block_keys(rule)
    named = ", ".join(f"{key} as k{i}" for i, key in enumerate(keys))
    known = block_known(rule)
    spared = ""
    if rule.cap is not None:
        spared = f" and ({block_text(rule)}) not in ({hubs_sql(rule)})"
    using = ", ".join(f"k{i}" for i in range(len(keys)))
    return f"""
select distinct record_id from (select record_id, {named} from {block_source(rule)} where {known})
semi join (select distinct {named} from {block_source(rule, "newcomer")} where {known}{spared}) using ({using})"""


def cluster_changes(
    con: duckdb.DuckDBPyConnection,
    rules: EntityRules,
    decided: Sequence[Decided],
    named: Iterable[SourceRecord],
    pinned: Iterable[SourceRecord] = (),
) -> ClusterCounts:
    """Bring `cluster` and `refusal` up to `candidate_pair` and the decisions; `touched` names what changed.

    `named` are all records that any decision ever spoke of: one that was withdrawn changes clusters as well.

    Raises:
        RefusedError: decisions contradict each other.
    """
    _reach(con, rules.entity, named)
    con.execute(f"create or replace temp table together as from reached union ({_licensing_sql(rules.entity)})")
    aliases = {f"{name}__key" for name, rule in rules.entity.fields.items() if rule.alias_of}
    with population(con, rules, "together", {one.column for one in rules.entity.exclusive} | aliases):
        con.execute(
            f"create table candidate_pair as from {quote(rules.name)}.candidate_pair where verdict = 'accept' "
            "and record_l in (from reached) and record_r in (from reached)"
        )
        cluster(con, rules, decided, pinned)
        con.execute("create or replace temp table clustered as from cluster where record_id in (from reached)")
        con.execute("create or replace temp table refused_again as from refusal")
    con.execute(_CHANGED)
    touched.note(con, "from changed")
    with transaction(con):
        for table, found, members in (
            ("cluster", "clustered", ("record_id",)),
            ("refusal", "refused_again", ("record_l", "record_r")),
        ):
            for member in members:
                con.execute(f"delete from {table} where {member} in (from reached) or {member} in (from gone)")
            con.execute(f"insert into {table} by name from {found}")
    clusters = number(con, "select count(*) from cluster where record_id = cluster_id")
    return ClusterCounts(clusters, number(con, "select count(*) from refusal"))


def _reach(con: duckdb.DuckDBPyConnection, entity: Entity, named: Iterable[SourceRecord]) -> None:
    """Build `reached`: every record of a component that may be clustered in another way than before."""
    subjects = sorted(set(named))
    con.execute(
        "create or replace temp table fresh as from came union from torn union "
        "select record_id from standard semi join "
        "(select unnest($sources::varchar[]) as source, unnest($keys::varchar[]) as source_key) "
        "using (source, source_key)",
        {"sources": [source for source, _ in subjects], "keys": [key for _, key in subjects]},
    )
    for column, alias in _aliases(entity):
        # What one record licenses, two others may do: a code and its alias in one cluster.
        own = f"select {{}} from {{}} where {alias} is not null and {column} is not null"
        codes = " union ".join(own.format(side, table) for side in (column, alias) for table in ("newcomer", "was"))
        con.execute(f"insert into fresh select record_id from standard where {column} in ({codes})")
    con.execute("create or replace temp table reached (record_id bigint)")
    while True:
        con.execute(
            "create or replace temp table fresh as "
            "select distinct record_id from fresh anti join reached using (record_id)"
        )
        if not number(con, "select count(*) from fresh"):
            return
        con.execute("insert into reached from fresh")
        con.execute(_NEIGHBOURS)


def _licensing_sql(entity: Entity) -> str:
    """SQL of the records that license two codes of `reached` in one cluster; they join nothing themselves."""
    parts = [
        f"select record_id from standard where {alias} is not null and {column} is not null and {alias} in "
        f"(select {column} from standard where record_id in (from reached))"
        for column, alias in _aliases(entity)
    ]
    return " union ".join(parts) or "select record_id from standard where false"


def _aliases(entity: Entity) -> list[tuple[str, str]]:
    """SQL of every exclusive column, as text, with each field that may hold another value of it."""
    return [
        (slot_text(one.column), slot_text(f"{name}__key"))
        for one in entity.exclusive
        for name, rule in entity.fields.items()
        if rule.alias_of == one.column
    ]


@contextmanager
def population(
    con: duckdb.DuckDBPyConnection, rules: EntityRules, table: str, columns: set[str] | None = None
) -> Iterator[None]:
    """Work on the records of a temporary table alone, in a schema with them, their values and the frequencies.

    Of `standard` there are the named columns (default: all) and those of every entity type.
    """
    home = quote(rules.name)
    held = [str(name) for (name, *_) in con.execute("describe standard").fetchall()]
    columns = set(held) if columns is None else columns
    fields = [field for field in rules.entity.fields if any(name.split("__")[0] == field for name in columns)]
    numbers = {"ordinal", *(f"{field}__{NTH}" for field in fields)}
    wanted = [name for name in held if name in columns | set(FIXED) and name not in numbers]
    con.execute(f"drop schema if exists {SCHEMA} cascade")
    use_entity(con, SCHEMA)
    try:
        chosen = ["row_number() over (order by s.ordinal) - 1 as ordinal", *(f"s.{quote(name)}" for name in wanted)]
        joins = ""
        for i, field in enumerate(fields):
            nth, value = quote(f"{field}__{NTH}"), quote("value_" + field)
            con.execute(
                f"create table {value} as select v.* replace (row_number() over ()::integer as {NTH}), v.{NTH} as _was "
                f"from {home}.{value} as v where {NTH} in "
                f"(select {nth} from {home}.standard where record_id in (select record_id from {table}))"
            )
            joins += f" left join {value} as v{i} on v{i}._was = s.{nth}"
            chosen.append(f"v{i}.{NTH} as {nth}")
        con.execute(
            f"create table standard as select {', '.join(chosen)} from {home}.standard as s{joins} "
            f"where s.record_id in (select record_id from {table})"
        )
        con.execute(f"create view frequency as from {home}.frequency")
        yield
    finally:
        use_entity(con, rules.name)
        con.execute(f"drop schema if exists {SCHEMA} cascade")


def _matching_columns(entity: Entity) -> set[str]:
    """The columns of `standard` that blocking, comparisons and guards read."""
    columns = set(compared_columns(entity))
    for rule in entity.blocking:
        for key in (*rule.keys, *([rule.each] if rule.each else [])):
            columns |= named_columns(key)
    for guard in entity.guards:
        columns |= sided_columns(guard.when)
    return columns


# The records that an accepted pair joined to one that went.
_TORN = """
create or replace temp table torn as
select record_r as record_id from candidate_pair where verdict = 'accept' and record_l in (from gone)
union
select record_l from candidate_pair where verdict = 'accept' and record_r in (from gone)"""

_NEIGHBOURS = """
create or replace temp table fresh as
select record_r as record_id from candidate_pair where verdict = 'accept' and record_l in (from fresh)
union
select record_l from candidate_pair where verdict = 'accept' and record_r in (from fresh)"""

# The records that came, went or say something else, and all that were or are in one cluster with such a one or with
# one whose cluster has another name.
_CHANGED = """
create or replace temp table changed as
with moved as (
  select record_id from came union select record_id from gone
  union
  select record_id from cluster as a join clustered as b using (record_id) where a.cluster_id <> b.cluster_id
  union
  select record_id from clustered anti join cluster using (record_id)
), id as (
  from moved
  union
  select record_id from cluster
  where cluster_id in (select cluster_id from cluster where record_id in (from moved))
  union
  select record_id from clustered
  where cluster_id in (select cluster_id from clustered where record_id in (from moved))
)
select source, source_key from standard where record_id in (from id)
union
select source, source_key from was
union
select source, source_key from retold"""
