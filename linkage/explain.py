"""Says why two records are one entity or are not, and in which order the records of a cluster joined.

Reads: record, grouped_record, standard, value_<field>, frequency, candidate_pair, cluster, refusal, decisions.
Writes nothing that stays.

The pair is weighed anew by Splink, whatever found it and whatever became of it, so that a pair that no blocking rule
makes, or that weighs too little to be kept, is explained as one that was.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

import duckdb

from linkage import frequencies
from linkage.changes import population
from linkage.decided import Decided, SourceRecord
from linkage.decisions import DecisionStore
from linkage.frequencies import block_keys, block_source, block_text, hub_name, hubs_sql
from linkage.kernel.weights import prior_weight
from linkage.references import has_table
from linkage.score import keeping_all, score
from linkage.splink_model import level_labels, settings
from linkage.sql import rows
from linkage.values import NTH
from rules.columns import quote
from rules.errors import NotFoundError, RefusedError
from rules.model import BlockingRule, EntityRules

Verdict = Literal["accept", "review", "guard", "reject", "below"]


@dataclass(frozen=True)
class Reading:
    """One field: what the two records say, how it was read, and what is wrong with it."""

    field: str
    said: tuple[str | None, str | None]
    read: tuple[str | None, str | None]
    findings: tuple[tuple[str, ...], tuple[str, ...]]


@dataclass(frozen=True)
class Part:
    """One comparison: the label of its level (`null`: it says nothing) and what it adds to the match weight (bits)."""

    comparison: str
    level: str
    weight: float


@dataclass(frozen=True)
class Block:
    """One blocking rule: the keys of both records, whether it makes the pair, and whether the block is a hub."""

    rule: str
    keys: tuple[tuple[str | None, ...], tuple[str | None, ...]]
    meets: bool
    hub: bool


@dataclass(frozen=True)
class Explanation:
    """Everything that speaks for and against a pair.

    verdict   by weight and guards alone: accept, review, guard (waits although heavy), reject (by a guard), below
    guards    the labels of the guards that hold
    together  whether both are in one cluster
    refused   the constraint that refused their union: the slot of an exclusive column, duplicate_free, different
    decided   what stewards said of this pair (same, different, unsure), in order
    path      where they are together without having joined each other: the records that lead from one to the other
    """

    entity: str
    left: SourceRecord
    right: SourceRecord
    readings: tuple[Reading, ...]
    prior: float
    parts: tuple[Part, ...]
    match_weight: float
    review: float
    accept: float
    verdict: Verdict
    guards: tuple[str, ...]
    blocks: tuple[Block, ...]
    together: bool
    refused: str | None
    decided: tuple[str, ...]
    path: tuple[SourceRecord, ...]


@dataclass(frozen=True)
class Join:
    """One step by which a cluster grew: the pair that joined two parts, and how many records each part had.

    `by` is the blocking rule that found the pair, `decision` where a steward said it.
    """

    left: SourceRecord
    right: SourceRecord
    match_weight: float | None
    by: str
    sizes: tuple[int, int]


def said_by_stewards(store: DecisionStore, entity: str) -> list[tuple[str, SourceRecord, SourceRecord]]:
    """What stewards said about pairs of records: the word, and both records."""
    said = [(one.kind, one.left, one.right) for one in store.replay(entity)]
    return said + [("unsure", left, right) for left, right in sorted(store.unsure(entity))]


def explain(
    con: duckdb.DuckDBPyConnection,
    rules: EntityRules,
    left: SourceRecord,
    right: SourceRecord,
    decided: Sequence[tuple[str, SourceRecord, SourceRecord]] = (),
) -> Explanation:
    """Explain a pair of records of the entity type whose schema is current, as the last run of `link` left it.

    `decided` are decisions about pairs of records: kind and both records.

    Raises:
        NotFoundError: nothing is linked, or a record is not there or does not count now.
        RefusedError: both are one record.
    """
    if left == right:
        raise RefusedError(f"{'/'.join(left)} is one record; name two")
    if not has_table(con, rules.name, "cluster"):
        raise NotFoundError(f"{rules.name} is not linked; run 'shuyuan load' and 'shuyuan link' first")
    ids = tuple(_record_id(con, record) for record in (left, right))
    con.execute("create or replace temp table explained as select unnest($ids::bigint[]) as record_id", {"ids": ids})
    weight, gammas, weights = _weigh(con, rules, ids)
    guards = _guards(con, rules, ids, gammas)
    pair = {left, right}
    together = _one_cluster(con, ids)
    entity = rules.entity
    return Explanation(
        entity=rules.name,
        left=left,
        right=right,
        readings=_readings(con, rules, ids),
        prior=prior_weight(settings(rules, frequencies.total(con))),
        parts=tuple(
            Part(rule.name, "null" if gamma < 0 else level_labels(entity, rule)[gamma], round(part, 4))
            for rule, gamma, part in zip(entity.comparisons, gammas, weights, strict=True)
        ),
        match_weight=weight,
        review=entity.matching.review,
        accept=entity.matching.accept,
        verdict=_verdict(rules, weight, guards),
        guards=guards,
        blocks=tuple(_block(con, rule, ids) for rule in entity.blocking),
        together=together,
        refused=_refusal(con, ids),
        decided=tuple(kind for kind, a, b in decided if {a, b} == pair),
        path=_path(con, rules, decided, left, right) if together else (),
    )


def history(
    con: duckdb.DuckDBPyConnection, rules: EntityRules, decided: Iterable[Decided], records: Iterable[SourceRecord]
) -> list[Join]:
    """How the cluster of these records grew: `same` decisions first, then accepted pairs from the heaviest down.

    Ties are broken as clustering breaks them. Pairs within one part join nothing and are left out.
    """
    known = sorted(set(records))
    order = {record: i for i, record in enumerate(known)}
    steps: list[tuple[SourceRecord, SourceRecord, float | None, str]] = [
        (one.left, one.right, None, "decision")
        for one in decided
        if one.kind == "same" and one.left in order and one.right in order
    ]
    names = [hub_name(rule) for rule in rules.entity.blocking]
    steps += [
        ((str(ls), str(lk)), (str(rs), str(rk)), float(str(weight)), names[int(str(key))])
        for ls, lk, rs, rk, weight, key in _accepted(con, known)
    ]
    part = {record: {record} for record in known}
    joins = []
    for a, b, weight, by in steps:
        if part[a] is not part[b]:
            joins.append(Join(a, b, weight, by, (len(part[a]), len(part[b]))))
            whole = part[a] | part[b]
            for record in whole:
                part[record] = whole
    return joins


def _record_id(con: duckdb.DuckDBPyConnection, record: SourceRecord) -> int:
    wanted = "select record_id from standard where source = $source and source_key = $key"
    found = rows(con, wanted, source=record[0], key=record[1])
    if not found:
        raise NotFoundError(
            f"no record {'/'.join(record)} counts now: it was never loaded, was withdrawn, or is in quarantine "
            "('shuyuan findings' says why)"
        )
    return int(str(found[0][0]))


def _weigh(
    con: duckdb.DuckDBPyConnection, rules: EntityRules, ids: tuple[int, ...]
) -> tuple[float, tuple[int, ...], tuple[float, ...]]:
    """Match weight, levels and weights of the pair, whatever guards and thresholds say."""
    whole = keeping_all(rules)
    entity = whole.entity.model_copy(update={"guards": ()})
    named = ", ".join(f"gamma_{rule.name}, weight_{rule.name}" for rule in entity.comparisons)
    with population(con, rules, "explained"):
        con.execute("create table pair as select 0::bigint as join_key_l, 1::bigint as join_key_r, '0' as match_key")
        score(con, whole.model_copy(update={"entity": entity}))
        ((weight, *found),) = rows(con, f"select match_weight, {named} from candidate_pair")
    numbers = [float(str(value)) for value in found]
    return float(str(weight)), tuple(int(value) for value in numbers[::2]), tuple(numbers[1::2])


def _guards(
    con: duckdb.DuckDBPyConnection, rules: EntityRules, ids: tuple[int, ...], gammas: tuple[int, ...]
) -> tuple[str, ...]:
    """The labels of the guards that hold for the pair; the record of the lower rank is the left one."""
    if not rules.entity.guards:
        return ()
    columns = [str(name) for (name, *_) in rows(con, "describe standard")]
    sided = ", ".join(f"{side}.{quote(name)} as {quote(f'{name}_{side}')}" for name in columns for side in "lr")
    levels = "".join(
        f", {gamma}::tinyint as gamma_{rule.name}" for rule, gamma in zip(rules.entity.comparisons, gammas, strict=True)
    )
    holds = ", ".join(f"coalesce(({guard.when}), false)" for guard in rules.entity.guards)
    ((*held,),) = rows(
        con,
        f"select {holds} from (select {sided}{levels} from standard as l join standard as r on l.ordinal < r.ordinal "
        "where l.record_id in (from explained) and r.record_id in (from explained))",
    )
    return tuple(guard.label for guard, here in zip(rules.entity.guards, held, strict=True) if here)


def _verdict(rules: EntityRules, weight: float, guards: tuple[str, ...]) -> Verdict:
    held = {guard.effect for guard in rules.entity.guards if guard.label in guards}
    if weight < rules.entity.matching.review:
        return "below"
    if held:
        return "reject" if "reject" in held else "guard"
    return "accept" if weight >= rules.entity.matching.accept else "review"


def _readings(con: duckdb.DuckDBPyConnection, rules: EntityRules, ids: tuple[int, ...]) -> tuple[Reading, ...]:
    found = []
    for field in rules.entity.fields:
        value = quote("value_" + field)
        told = {
            record: (said, read, tuple(findings or ()))
            for record, said, read, findings in con.execute(
                f"select r.record_id, r.{quote(field)}, v.value, v.findings "
                "from (select * from record union all select * from grouped_record) as r "
                f"join coded as c using (record_id) left join {value} as v on v.{NTH} = c.{quote(f'{field}__{NTH}')} "
                "where r.record_id in (from explained)"
            ).fetchall()
        }
        (a, b) = (told[record] for record in ids)
        if a[0] is not None or b[0] is not None:
            found.append(Reading(field, (a[0], b[0]), (a[1], b[1]), (a[2], b[2])))
    return tuple(found)


def _block(con: duckdb.DuckDBPyConnection, rule: BlockingRule, ids: tuple[int, ...]) -> Block:
    """What a rule makes of the pair. Of a rule with `each` the block that both share, else the first of each record."""
    keys = ", ".join(f"cast({key} as varchar)" for key in block_keys(rule))
    hub = "false"
    if rule.cap is not None:
        hub = f"coalesce({block_text(rule)} in ({hubs_sql(rule)}), false)"
    told: dict[int, list[tuple[tuple[str | None, ...], bool]]] = {record: [] for record in ids}
    for record, is_hub, *values in con.execute(
        f"select record_id, {hub}, {keys} from {block_source(rule)} where record_id in (from explained) order by all"
    ).fetchall():
        told[record].append((tuple(values), is_hub))
    nothing: tuple[tuple[str | None, ...], bool] = (tuple(None for _ in block_keys(rule)), False)
    left, right = (told[record] or [nothing] for record in ids)
    shared = [one for one in left if one in right and None not in one[0]]
    a, b = (shared[0], shared[0]) if shared else (left[0], right[0])
    return Block(hub_name(rule), (a[0], b[0]), bool(shared) and not a[1], bool(shared) and a[1])


def _one_cluster(con: duckdb.DuckDBPyConnection, ids: tuple[int, ...]) -> bool:
    found = rows(con, "select count(distinct cluster_id) from cluster where record_id in (from explained)")
    return found == [(1,)]


def _refusal(con: duckdb.DuckDBPyConnection, ids: tuple[int, ...]) -> str | None:
    found = rows(con, "select reason from refusal where record_l in (from explained) and record_r in (from explained)")
    return str(found[0][0]) if found else None


def _path(
    con: duckdb.DuckDBPyConnection,
    rules: EntityRules,
    decided: Sequence[tuple[str, SourceRecord, SourceRecord]],
    left: SourceRecord,
    right: SourceRecord,
) -> tuple[SourceRecord, ...]:
    """The records between the two along the joins that made their cluster; nothing where they joined directly."""
    members = [
        (str(source), str(key))
        for source, key in rows(
            con,
            "select source, source_key from standard semi join (select record_id from cluster where cluster_id in "
            "(select cluster_id from cluster where record_id in (from explained))) using (record_id)",
        )
    ]
    same = [Decided("same", a, b) for kind, a, b in decided if kind == "same"]
    ways: dict[SourceRecord, list[SourceRecord]] = {member: [] for member in members}
    for join in history(con, rules, same, members):
        ways[join.left].append(join.right)
        ways[join.right].append(join.left)
    before: dict[SourceRecord, SourceRecord] = {left: left}
    queue = [left]
    while queue and right not in before:
        here = queue.pop(0)
        for other in ways[here]:
            if other not in before:
                before[other] = here
                queue.append(other)
    path = [right]
    while path[-1] != left and path[-1] in before:
        path.append(before[path[-1]])
    return tuple(reversed(path[1:-1]))


def _accepted(con: duckdb.DuckDBPyConnection, records: Sequence[SourceRecord]) -> list[tuple[object, ...]]:
    """The accepted pairs among records, as clustering takes them: heaviest first, ties by rank."""
    return rows(
        con,
        """
        with chosen as (
          select record_id, ordinal, source, source_key from standard
          semi join (select unnest($sources::varchar[]) as source, unnest($keys::varchar[]) as source_key)
          using (source, source_key)
        )
        select l.source, l.source_key, r.source, r.source_key, match_weight, match_key
        from candidate_pair join chosen as l on l.record_id = record_l join chosen as r on r.record_id = record_r
        where verdict = 'accept' order by match_weight desc, l.ordinal, r.ordinal""",
        sources=[source for source, _ in records],
        keys=[key for _, key in records],
    )
