"""What other rules or weights would do to the published golden records, tried on the whole population.

Reads: a workspace that is published, and a folder of rules. Writes: nothing but a workspace beside it, which is gone
afterwards (linkage/beside.py).

The candidate rules link and plan everything anew, against the current release. What is told is what `plan` would say,
by region and with causes: which keys of the rules differ, what the two sets of rules say of the same pairs, the pairs
behind merges and splits with their weights before and after, decisions of stewards that the weights now speak against,
and differences that would become tickets.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import duckdb

from golden_records.limits import SMALL
from golden_records.manifest import Manifest, current_release, read_manifest
from golden_records.plan import Plan, open_previous, plan
from golden_records.segments import has_table, table_sql
from linkage import references
from linkage.beside import beside
from linkage.decisions import DecisionStore
from linkage.link import link
from linkage.progress import SILENT, Reporter
from linkage.splink_model import level_labels, weighed
from linkage.sql import rows
from linkage.workspace import Workspace, use_entity
from rules.errors import NotFoundError
from rules.loader import load_rules
from rules.model import EntityRules, Rules

Document = dict[str, Any]
EXAMPLES = 100
TENTH = 0.1
WRONG = 0.01
MOVED = 0.01  # bits: a weight that moves by less is the same


@dataclass(frozen=True)
class Trial:
    """What the candidate rules would do: their hash, the plan, what is behind it."""

    rules: str
    plan: Plan
    document: Document


def try_rules(
    con: duckdb.DuckDBPyConnection,
    ws: Workspace,
    rules: Rules,
    candidate: Path,
    as_of: date | None = None,
    reporter: Reporter = SILENT,
) -> Trial:
    """Try the rules in folder `candidate` on everything that is landed and decided, as of a day.

    By default that is the day of the current release, so that nothing differs but the rules.

    `con` is the work database of `ws`, for what the present rules say of the same pairs.

    Raises:
        RulesError: the candidate rules cannot be used.
        NotFoundError: nothing is published that they could change.
        RefusedError: blocking would exceed its budget, or weights are missing.
    """
    known = load_rules(candidate)
    now = current_release(ws.releases)
    if now is None:
        raise NotFoundError("nothing is published, so there is nothing to compare with; 'shuyuan publish' first")
    manifest = read_manifest(ws.releases / str(now))
    as_of = as_of or manifest.as_of
    with beside(ws, candidate) as trial:
        decisions = DecisionStore(trial.decisions)
        other = trial.connect()
        try:
            link(other, trial, known, decisions, as_of, reporter, full=True)
            found = plan(other, trial, known, decisions, reporter, full=True)
            entities = {}
            for name in found.entities:
                folder = ws.releases / str(now) / name
                use_entity(other, name)
                open_previous(other, folder if folder.is_dir() else None)
                entities[name] = _entity(con, other, known.entities[name], decisions, folder)
        finally:
            other.close()
    differences = changed(rules, known)
    document = {
        "rules": known.sha256,
        "compared_with": {"rules": rules.sha256, "release": now},
        "as_of": as_of.isoformat(),
        "exceeded": _exceeded(known, manifest, found, entities, differences),
        "changed_rules": differences,
        "entities": {name: one | {"events": found.entities[name].events} for name, one in entities.items()},
    }
    return Trial(known.sha256, found, document)


def _exceeded(
    rules: Rules, manifest: Manifest, found: Plan, entities: Document, differences: list[Document]
) -> list[str]:
    """The limits that the change breaks, in sentences that name what changed and why golden records do.

    Nobody was born and nothing was delivered: of the limits of an ordinary plan a TENTH counts. And of the golden
    records that come together no more than WRONG may be expected to be different ones, by the weights of their pairs.
    """
    told = []
    for name, one in found.entities.items():
        before = manifest.entities[name].golden if name in manifest.entities else 0
        keys = [f"{d['key']} {d['before']} -> {d['after']}" for d in differences if d["key"].startswith(name)]
        said = f"changed: {', '.join(keys[:3]) or 'another entity type'}"
        wrong, merged = entities[name]["expected_wrong"], one.events.get("merged", 0)
        if merged and wrong > WRONG * merged:
            told.append(
                f"{name}: of {merged:,} golden records that would be merged {wrong:.1f} are expected to be somebody "
                f"else, by the weights of their own pairs (limit {WRONG:.0%}); {said}"
            )
        for kind, limit in rules.entities[name].entity.limits.shares.items():
            count = one.events.get(kind, 0)
            if before > SMALL and count > TENTH * limit * before:
                causes = [cause for cause in entities[name]["causes"] if cause.startswith(kind)]
                told.append(
                    f"{name}: {count:,} of {before:,} golden records would be {kind} by the change of rules alone "
                    f"(limit {TENTH * limit:.2%}); mostly {causes[0] if causes else 'for no single cause'}; "
                    f"{said}"
                )
    return told


def changed(before: Rules, after: Rules) -> list[Document]:
    """The keys in which two sets of rules differ, with both values, and the levels that weigh otherwise."""
    found: list[Document] = []
    for name in sorted({*before.entities, *after.entities}):
        old, new = before.entities.get(name), after.entities.get(name)
        if old is None or new is None:
            found.append({"key": name, "before": old and "there", "after": new and "there"})
            continue
        a, b = _flat(old.entity.model_dump(mode="json")), _flat(new.entity.model_dump(mode="json"))
        for key in [*a, *(key for key in b if key not in a)]:
            if a.get(key) != b.get(key):
                found.append({"key": f"{name}: {key}", "before": a.get(key), "after": b.get(key)})
        weighed = {key: (weight, _weights(new).get(key)) for key, weight in _weights(old).items()}
        for (comparison, label), (one, other) in weighed.items():
            if other is not None and abs(one - other) > MOVED:
                found.append({"key": f"{name}: weight of {comparison}, {label}", "before": one, "after": other})
    return found


def _flat(value: Any, key: str = "") -> dict[str, Any]:
    """Dotted keys of nested values."""
    items: list[tuple[str, Any]] = []
    if isinstance(value, dict):
        items = [(f"{key}.{name}".lstrip("."), part) for name, part in value.items()]
    elif isinstance(value, list) and any(isinstance(part, dict) for part in value):
        items = [(f"{key}.{part.get('name') or i}", part) for i, part in enumerate(value)]
    else:
        return {key: value}
    return {name: part for inner, whole in items for name, part in _flat(whole, inner).items()}


def _weights(rules: EntityRules) -> dict[tuple[str, str], float]:
    """What every level weighs, in bits."""
    return {(one["comparison"], one["level"]): one["weight"] for one in weighed(rules)}


def _entity(
    con: duckdb.DuckDBPyConnection,
    other: duckdb.DuckDBPyConnection,
    rules: EntityRules,
    decisions: DecisionStore,
    folder: Path,
) -> Document:
    """What becomes of one entity type."""
    region = f"cast(({rules.entity.region}) as varchar)" if rules.entity.region else "''"
    other.execute(_PLACED.format(region=region))
    examples = _examples(other, rules)
    before = _present(con, rules.name)
    for one in examples:
        was = before.get((one["left"], one["right"]), before.get((one["right"], one["left"])))
        one["before"] = {"weight": was[0], "verdict": was[1]} if was else None
        one["cause"] = _cause(was, one, rules)
    return {
        "by_region": _by_region(other),
        "causes": dict(Counter(f"{one['kind']}: {one['cause']}" for one in examples).most_common()),
        "expected_wrong": sum(1 / (1 + 2 ** min(one["weight"], 50)) for one in examples if one["kind"] == "merged"),
        "side_by_side": _side_by_side(other, before),
        "contradicted": _contradicted(other, rules, decisions),
        "tickets": _tickets(other, folder),
        "examples": examples[:EXAMPLES],
    }


def _present(con: duckdb.DuckDBPyConnection, entity: str) -> dict[tuple[str, str], tuple[float, str]]:
    """What the present rules say of the pairs that they keep; empty where nothing is linked."""
    if not references.has_table(con, entity, "candidate_pair"):
        return {}
    use_entity(con, entity)
    found = con.execute(_PAIRS).fetchall()
    return {(left, right): (round(float(weight), 2), str(verdict)) for left, right, weight, verdict in found}


def _cause(was: tuple[float, str] | None, one: Document, rules: EntityRules) -> str:
    """Why two golden records come together, or fall apart, in a few words."""
    accept = rules.entity.matching.accept
    if one["kind"] == "merged":
        if was is None:
            return "a pair that no rule made, or too light to be kept before"
        if was[1] == "guard":
            return "a guard held the pair back before"
        if was[0] >= accept and was[1] != "accept":
            return "the same weight is accepted now: accept is lower"
        return "the pair weighs more" if was[1] != "accept" else "a constraint kept the pair apart before"
    if one["weight"] is None:
        return "a pair that no rule makes any more, or too light to be kept"
    if was is not None and was[0] <= one["weight"] + MOVED and one["weight"] < accept:
        return "the same weight is not accepted any more: accept is higher"
    return "a guard holds the pair back" if one["verdict"] == "guard" else "the pair weighs less"


def _examples(other: duckdb.DuckDBPyConnection, rules: EntityRules) -> list[Document]:
    """The pairs behind merges and splits, those of the largest golden records and weights first."""
    names = [rule.name for rule in rules.entity.comparisons]
    labels = {rule.name: level_labels(rules.entity, rule) for rule in rules.entity.comparisons}
    gammas = ", ".join(f"gamma_{name}" for name in names)
    weights = ", ".join(f"weight_{name}" for name in names)
    found: list[Document] = []
    for kind, query in (("merged", _MERGED), ("split", _SPLIT)):
        for left, right, one, two, region, records, weight, verdict, levels, parts in other.execute(
            query.format(gammas=gammas, weights=weights)
        ).fetchall():
            told = {
                name: {"level": labels[name][gamma], "weight": round(part, 2)}
                for name, gamma, part in zip(names, levels or (), parts or (), strict=False)
                if gamma is not None and gamma >= 0
            }
            found.append(
                {
                    "kind": kind,
                    "golden": [one, two],
                    "left": left,
                    "right": right,
                    "region": region,
                    "records": records,
                    "weight": None if weight is None else round(weight, 2),
                    "verdict": verdict,
                    "levels": told,
                }
            )
    return sorted(found, key=lambda one: (-one["records"], -(one["weight"] or 0.0), one["left"], one["right"]))


def _by_region(other: duckdb.DuckDBPyConnection) -> Document:
    """Events by the region of the golden record that lives on."""
    told: Document = {}
    for region, kind, count in rows(other, _EVENTS):
        told.setdefault(str(region), {})[str(kind)] = int(str(count))
    return told


def _side_by_side(other: duckdb.DuckDBPyConnection, before: dict[tuple[str, str], tuple[float, str]]) -> list[Document]:
    """How many pairs the two sets of rules judge how: the verdict before and after, `-` where a pair is not kept."""
    counts: Counter[tuple[str, str]] = Counter()
    seen = set()
    for left, right, _, verdict in other.execute(_PAIRS).fetchall():
        was = before.get((left, right))
        seen.add((left, right))
        counts[was[1] if was else "-", str(verdict)] += 1
    for pair, (_, verdict) in before.items():
        if pair not in seen:
            counts[verdict, "-"] += 1
    return [{"before": one, "after": two, "pairs": n} for (one, two), n in sorted(counts.items())]


def _contradicted(other: duckdb.DuckDBPyConnection, rules: EntityRules, decisions: DecisionStore) -> list[Document]:
    """Decisions of stewards that stand, and that the weights speak against."""
    said = {(a, b): (w, v) for a, b, w, v in other.execute(_PAIRS).fetchall()}
    found = []
    for one in decisions.replay(rules.name):
        pair = tuple(sorted(("/".join(one.left), "/".join(one.right))))
        weight, verdict = said.get((pair[0], pair[1]), (None, "-"))
        if (one.kind == "different") == (verdict == "accept"):
            found.append({"decision": one.decision_id, "kind": one.kind, "weight": weight, "verdict": verdict})
    return found


def _tickets(other: duckdb.DuckDBPyConnection, folder: Path) -> Document:
    """Differences that are new, and those that would be gone."""
    held = table_sql(folder, "dispute") if has_table(folder, "dispute") else "(select * from dispute where false)"
    keys = "field, source, source_key"
    new, gone = rows(
        other,
        f"select (select count(*) from (select {keys} from dispute except select {keys} from {held})), "
        f"(select count(*) from (select {keys} from {held} except select {keys} from dispute))",
    )[0]
    return {"opened": int(str(new)), "closed": int(str(gone))}


_PLACED = """
create or replace temp table placed as
select s.record_id, s.source || '/' || s.source_key as name, o.golden_id as was, n.golden_id as now_id,
       coalesce({region}, '') as region, count(*) over (partition by n.golden_id) as records
from standard as s join member as m using (ordinal) join golden_number as n using (g)
left join (select source, source_key, golden_id from previous_crosswalk where until is null) as o
  on o.source = s.source and o.source_key = s.source_key"""

_PAIRS = """
select least(a, b), greatest(a, b), match_weight, verdict from (
  select l.source || '/' || l.source_key as a, r.source || '/' || r.source_key as b, match_weight, verdict
  from candidate_pair join standard as l on l.record_id = record_l join standard as r on r.record_id = record_r)"""

_MERGED = """
select name_l, name_r, one, two, region, records, match_weight, verdict, levels, parts from (
  select a.name as name_l, b.name as name_r, least(a.was, b.was) as one, greatest(a.was, b.was) as two, a.region,
         a.records, p.match_weight, p.verdict, [{gammas}] as levels, [{weights}] as parts,
         row_number() over (partition by least(a.was, b.was), greatest(a.was, b.was)
                            order by p.match_weight desc, a.name, b.name) as nth
  from candidate_pair as p join placed as a on a.record_id = p.record_l join placed as b on b.record_id = p.record_r
  where a.now_id = b.now_id and a.was <> b.was and p.verdict = 'accept'
) where nth = 1"""

_SPLIT = """
select name_l, name_r, one, two, region, records, match_weight, verdict, levels, parts from (
  select a.name as name_l, b.name as name_r, a.now_id as one, b.now_id as two, a.region,
         a.records + b.records as records, p.match_weight, p.verdict, [{gammas}] as levels, [{weights}] as parts,
         row_number() over (partition by a.now_id, b.now_id
                            order by p.match_weight desc nulls last, a.name, b.name) as nth
  from placed as a join placed as b on a.was = b.was and a.now_id < b.now_id
  left join candidate_pair as p
    on p.record_l = least(a.record_id, b.record_id) and p.record_r = greatest(a.record_id, b.record_id)
) where nth = 1"""

_EVENTS = """
select coalesce(p.region, ''), c.kind, count(distinct c.golden_id)
from change as c left join (select now_id, min(region) as region from placed group by now_id) as p
  on p.now_id = coalesce(c.into_id, c.golden_id)
group by all order by all"""
