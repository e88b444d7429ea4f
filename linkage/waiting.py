"""Hands what waits for a steward to the queue: doubtful and drawn pairs, decisions whose evidence changed, known ones.

Reads: standard, candidate_pair, cluster, refusal, record, grouped_record, decisions. Writes: the review queue.

Pairs with a known answer measure stewards (`control`): one record of two sources that state the same valid number, or
two records of which their source declares that no two are one entity. They are as near to the line as there are, drawn
by a hash of their keys, one for every twenty that wait, and look like all others.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import date
from math import ceil

import duckdb

from linkage.clerical import SAMPLE, ask
from linkage.decided import SourceRecord
from linkage.decision_schema import item_key
from linkage.decisions import ASIDE, PAIRED, Decision, DecisionStore
from linkage.evidence import evidence_of, record_text
from linkage.frequencies import hub_name
from linkage.items import Item, Waiting, Worth
from linkage.splink_model import level_labels
from linkage.sql import number
from linkage.union import DIFFERENT, DUPLICATE_FREE, PINNED
from rules.columns import quote
from rules.kinds.base import literal
from rules.loader import reference_path
from rules.model import EntityRules
from rules.working_days import TABLE, read_calendar

WORKING_DAYS = 10  # until a steward should have answered
CONTROL_SHARE = 0.05  # of what waits
IN_DOUBT = "the weight is in doubt"
Pair = tuple[SourceRecord, SourceRecord]


def fill_queue(con: duckdb.DuckDBPyConnection, one: EntityRules, decisions: DecisionStore, as_of: date) -> int:
    """Let the queue be what waits of the entity type whose schema is current; gives how many wait for a steward."""
    entries = [d for d in decisions.entries(one.name) if d.kind not in ASIDE]
    evidence = evidence_of(con, one, entries)
    fresh = [d.decision_id for d in entries if d.evidence is None]
    decisions.stamp({number: said for number in fresh if (said := evidence.get(number)) is not None})
    changed = _changed(entries, evidence)
    found = _drawn_or_doubtful(con, one, decisions)
    waiting = list(_unsettled(found, entries))
    asked = {item_key(one.name, w.subjects) for w in waiting}
    waiting += [w for w in _again(con, one, changed, evidence) if item_key(one.name, w.subjects, w.field) not in asked]
    named = {frozenset(d.subjects) for d in entries}
    controls = _controls(con, one, ceil(len(waiting) * CONTROL_SHARE))
    waiting += [w for w in controls if frozenset(w.subjects) not in named]
    calendar = read_calendar(reference_path(one.folder.parent, TABLE))
    dates = (as_of, calendar.after(as_of, WORKING_DAYS))
    return decisions.fill_queue(one.name, waiting, dates, _why_gone(con))


def _drawn_or_doubtful(con: duckdb.DuckDBPyConnection, one: EntityRules, decisions: DecisionStore) -> list[Waiting]:
    """The pairs that are doubtful or were drawn for a sample, each once; the doubtful ones for what makes them so."""
    ask(con, one.name, decisions)
    found = list(_pairs(con, one, _DOUBTFUL, _NEEDS_ONE))
    doubtful = {w.subjects for w in found}
    return found + [w for w in _pairs(con, one, _SAMPLED, _NEEDS_ONE) if w.subjects not in doubtful]


def _changed(entries: Sequence[Decision], evidence: Mapping[int, str | None]) -> list[Decision]:
    """The decisions whose evidence is another one now; of several about the same records only the last counts."""
    last = {d.item: d for d in entries}
    return [
        d for d in last.values() if d.evidence is not None and evidence.get(d.decision_id) not in (None, d.evidence)
    ]


def _unsettled(found: Sequence[Waiting], entries: Sequence[Decision]) -> Iterator[Waiting]:
    """The pairs of which nothing was decided, and those that were decided and say something else now."""
    settled = {d.item: d for d in entries if d.kind in PAIRED}
    for one in found:
        decided = settled.get(item_key(entries[0].entity, one.subjects)) if settled else None
        if decided is None:
            yield one
        elif decided.evidence is not None and decided.evidence != one.evidence:
            reason = f"decided {decided.kind!r} before, and a record changed since; {one.reason}"
            yield replace(one, reason=reason, about=decided.decision_id)


def _again(
    con: duckdb.DuckDBPyConnection, one: EntityRules, changed: Sequence[Decision], evidence: Mapping[int, str | None]
) -> Iterator[Waiting]:
    """Decisions whose evidence changed, with what their records say now. They stand until somebody says otherwise."""
    fields = list(one.entity.fields)
    listed = f"[{', '.join(f'd.{quote(name)}' for name in fields)}]"
    for decision in changed:
        subjects = tuple(dict.fromkeys(decision.subjects))
        rows = con.execute(
            f"select s.source, s.source_key, {listed} from standard as s join "
            "(from record union all by name from grouped_record) as d using (record_id) "
            "where (s.source, s.source_key) in (select (source, source_key) from about where id = $id)",
            {"id": decision.decision_id},
        ).fetchall()
        told = {(source, key): values for source, key, values in rows}
        said = {
            name: tuple(told[subject][i] for subject in subjects)
            for i, name in enumerate(fields)
            if any(told[subject][i] for subject in subjects)
        }
        yield Waiting(
            subjects[0],
            subjects[min(1, len(subjects) - 1)],
            None,
            "again",
            f"decided {decision.kind!r} before, and a record changed since",
            str(evidence[decision.decision_id]),
            said,
            worth=Worth(1.0, max(1, len(subjects) - 1)),
            about=decision.decision_id,
            also=subjects[2:],
            field=str(dict(decision.payload).get("field", "")),
        )


def _controls(con: duckdb.DuckDBPyConnection, one: EntityRules, count: int) -> Iterator[Waiting]:
    """Up to `count` pairs of which the answer is known, half of them the same entity as far as there are both."""
    slots = " or ".join(
        f"(l.{quote(e.column)} is not null and l.{quote(e.column)} = r.{quote(e.column)})" for e in one.entity.exclusive
    )
    zone = one.entity.matching.accept - one.entity.matching.review
    near = _KNOWN_SAME.format(most=one.entity.matching.accept + max(1.0, zone))
    for answer, chosen, kept, limit in (
        ("same", near, f"l.source <> r.source and ({slots or 'false'})", ceil(count / 2)),
        ("different", _KNOWN_DIFFERENT, "l.dup_group is not null and l.dup_group = r.dup_group", count // 2),
    ):
        if limit:
            for pair in _pairs(
                con, one, chosen, kept, f"order by md5(least(ka, kb) || greatest(ka, kb)) limit {limit}"
            ):
                yield replace(pair, control=answer, verdict="review", reason=IN_DOUBT)


def _pairs(
    con: duckdb.DuckDBPyConnection, one: EntityRules, chosen: str, kept: str, drawn: str = ""
) -> Iterator[Waiting]:
    """The pairs that SQL chooses from candidate_pair, as they are put to a steward."""
    fields, names = list(one.entity.fields), [rule.name for rule in one.entity.comparisons]
    labels = [level_labels(one.entity, rule) for rule in one.entity.comparisons]
    # Tables and not parts of one query: how few pairs wait must be known before records are looked up for them.
    con.execute(f"create or replace temp table chosen as {chosen}")
    con.execute(f"create or replace temp table waiting as {_WAITING} where {kept} {drawn}")
    con.execute(_SIDE)
    found = con.execute(pairs_sql(one)).fetchall() if number(con, "select count(*) from waiting") else ()
    rules = [hub_name(rule) for rule in one.entity.blocking]
    for *keys, weight, verdict, reason, evidence, left, right, gammas, weights, worth, regions, found_by in found:
        said = {name: (a, b) for name, a, b in zip(fields, left, right, strict=True) if a or b}
        levels = {
            name: (known[gamma], round(part, 2))
            for name, known, gamma, part in zip(names, labels, gammas, weights, strict=True)
            if gamma is not None and gamma >= 0
        }
        yield Waiting(
            *((keys[0], keys[1]), (keys[2], keys[3]), weight, verdict, reason, evidence, said, levels),
            worth=Worth(_closeness(one, weight), worth["moved"], tuple(worth["disputed"]), tuple(worth["events"])),
            region=_common([region for region in regions if region]),
            found_by="" if found_by is None else rules[int(found_by)],
        )


def _common(regions: Sequence[str]) -> str:
    """The beginning that all regions share: the region that stands over them."""
    low, high = min(regions, default=""), max(regions, default="")
    return low[: next((i for i, (a, b) in enumerate(zip(low, high, strict=False)) if a != b), len(low))]


def _closeness(one: EntityRules, weight: float) -> float:
    """How near a match weight is to the line between one entity and two: 1 at it, ½ half a zone of doubt away."""
    half = max(1.0, (one.entity.matching.accept - one.entity.matching.review) / 2)
    return round(float(2 ** (-abs(weight - one.entity.matching.accept) / half)), 4)


def pairs_sql(one: EntityRules) -> str:
    """SQL of the pairs in `waiting`: both source keys, weight, verdict, reason, evidence, what both say, levels, worth,
    both regions, number of the blocking rule."""
    entity = one.entity
    said = [f"[{', '.join(f'{side}.{quote(name)}' for name in entity.fields)}]" for side in "cd"]
    text = [record_text(one, side) for side in "cd"]
    gammas = ", ".join(f"gamma_{rule.name}" for rule in entity.comparisons)
    weights = ", ".join(f"weight_{rule.name}" for rule in entity.comparisons)
    keys = {name: quote(f"{name}__key") for name, rule in entity.fields.items() if rule.golden}
    differ = ", ".join(f"case when l.{key} <> r.{key} then {literal(name)} end" for name, key in keys.items())
    events = entity.lifecycle.events if entity.lifecycle else ()
    told = " union all ".join(
        f"select record_id, {literal(event.event)} as event from standard where ({event.when})"
        for event in events
        if event.when
    )
    return f"""
with cluster_of as materialized (
  select record_id, cluster_id from cluster
  where cluster_id in (select cluster_id from cluster semi join side using (record_id))
), size as (
  select cluster_id, count(*) as n from cluster_of group by cluster_id
), telling as (
  select cluster_id, list_sort(list(distinct event)) as events
  from ({told or "select null::bigint as record_id, null::varchar as event where false"})
  join cluster_of using (record_id) group by cluster_id
), shown as materialized (
  select {", ".join(["record_id", "source", "source_key", *keys.values()])},
         ({entity.region or "null"})::varchar as _region
  from standard semi join side using (record_id)
), delivered as materialized (
  select * from record semi join side using (record_id)
  union all
  select * from grouped_record semi join side using (record_id)
)
select l.source, l.source_key, r.source, r.source_key, match_weight, verdict, why,
       md5(least({text[0]}, {text[1]}) || chr(29) || greatest({text[0]}, {text[1]})),
       {said[0]}, {said[1]}, [{gammas}], [{weights}],
       {{'moved': least(m.n, n.n), 'disputed': list_filter([{differ}]::varchar[], lambda f: f is not null),
         'events': list_sort(list_filter(coalesce(t.events, []) || coalesce(u.events, []), lambda e:
                   not (list_contains(coalesce(t.events, []), e) and list_contains(coalesce(u.events, []), e))))}},
       [l._region, r._region], match_key
from waiting
join shown as l on l.record_id = record_l
join shown as r on r.record_id = record_r
join cluster_of as a on a.record_id = record_l
join cluster_of as b on b.record_id = record_r
join size as m on m.cluster_id = a.cluster_id
join size as n on n.cluster_id = b.cluster_id
left join telling as t on t.cluster_id = a.cluster_id
left join telling as u on u.cluster_id = b.cluster_id
join delivered as c on c.record_id = record_l
join delivered as d on d.record_id = record_r
order by match_weight desc, 1, 2, 3, 4"""


def _why_gone(con: duckdb.DuckDBPyConnection) -> Callable[[Sequence[Item]], Mapping[str, str]]:
    """Says of items why no steward is needed any more."""

    def why(gone: Sequence[Item]) -> Mapping[str, str]:
        if not gone:
            return {}
        ends = [(one.item, *one.waiting.left, *one.waiting.right, one.waiting.about is not None) for one in gone]
        names = ("items", "ls", "lk", "rs", "rk", "again")
        found = con.execute(_WHY, dict(zip(names, map(list, zip(*ends, strict=True)), strict=True))).fetchall()
        return {str(item): str(because) for item, because in found}

    return why


_WAITING = """
  select p.*, l.source || chr(31) || l.source_key as ka, r.source || chr(31) || r.source_key as kb
  from chosen as p join standard as l on l.record_id = record_l join standard as r on r.record_id = record_r"""

_SIDE = """
create or replace temp table side as
select record_l as record_id from waiting union select record_r from waiting"""

# A source that is free of duplicates needs no steward to say that two of its records differ.
_NEEDS_ONE = "(l.dup_group is null or l.dup_group is distinct from r.dup_group)"

# The pairs that may wait: doubtful by weight, held by a guard, or refused by a constraint.
_DOUBTFUL = f"""
  select p.*, case verdict when 'guard' then 'a guard of the rules holds it back' else '{IN_DOUBT}' end as why
  from candidate_pair as p join cluster as a on a.record_id = record_l join cluster as b on b.record_id = record_r
  where verdict in ('review', 'guard') and a.cluster_id <> b.cluster_id
  union all
  select p.* replace ('refused' as verdict), case f.reason when '{PINNED}' then 'a steward pinned one of the entities'
                                             else 'two values of ' || f.reason || ' in one cluster' end
  from refusal as f join candidate_pair as p using (record_l, record_r)
  where f.reason not in ('{DUPLICATE_FREE}', '{DIFFERENT}')"""

# Those of the last sample that nobody decided, whether a rule makes them or not.
_SAMPLED = f"""
  select p.* replace (a.record_l as record_l, a.record_r as record_r, coalesce(p.match_weight, a.match_weight, 0) as
         match_weight, '{SAMPLE}' as verdict), 'drawn to measure how good the linkage is' as why
  from asked_pair as a left join candidate_pair as p on p.record_l = a.record_l and p.record_r = a.record_r"""

_KNOWN_SAME = """
  select p.*, '' as why
  from candidate_pair as p join cluster as a on a.record_id = record_l join cluster as b on b.record_id = record_r
  where verdict = 'accept' and a.cluster_id = b.cluster_id and match_weight <= {most}"""

_KNOWN_DIFFERENT = """
  select p.*, '' as why
  from candidate_pair as p join cluster as a on a.record_id = record_l join cluster as b on b.record_id = record_r
  where verdict in ('review', 'guard') and a.cluster_id <> b.cluster_id"""

_WHY = """
select g.item, case when l.record_id is null or r.record_id is null then 'withdrawn'
                    when g.again then 'settled'
                    when a.cluster_id = b.cluster_id then 'together'
                    when p.verdict in ('review', 'guard', 'accept') then 'apart' else 'unlikely' end
from (select unnest($items::varchar[]) as item, unnest($ls::varchar[]) as ls, unnest($lk::varchar[]) as lk,
             unnest($rs::varchar[]) as rs, unnest($rk::varchar[]) as rk, unnest($again::boolean[]) as again) as g
left join standard as l on l.source = g.ls and l.source_key = g.lk
left join standard as r on r.source = g.rs and r.source_key = g.rk
left join cluster as a on a.record_id = l.record_id
left join cluster as b on b.record_id = r.record_id
left join candidate_pair as p
  on p.record_l = least(l.record_id, r.record_id) and p.record_r = greatest(l.record_id, r.record_id)"""
