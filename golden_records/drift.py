"""How far weights, levels and values moved since the last release: whether its model still fits what comes in.

Reads: candidate_pair, standard; weights, frequencies and table `level` of a release. Writes: level (one row per
comparison, level and verdict: how many of the pairs that linking kept).

    weights  of every level log2(m / u) then and now, and the change in bits
    levels   of every comparison the shares of its levels among accepted pairs, and their population stability index
             Σ (now - then) ln(now / then) (Siddiqi 2006, "Credit Risk Scorecards"); beside it what chance alone stays
             below in 95 of 100 cases: that quantile of χ² × (1 / pairs then + 1 / pairs now) (Yurdakul 2018)
    values   of every column with term frequencies how many bits an agreement weighs otherwise, on average and at most,
             by the frequencies of the present records in the place of those that were frozen

What moved beyond BITS or INDEX, and beyond chance, is told in sentences: it is time to look, and perhaps to train.
"""

from __future__ import annotations

from math import log, sqrt
from pathlib import Path
from typing import Any

import duckdb

from golden_records.manifest import current_release
from golden_records.match_index import RULES
from golden_records.segments import has_table, table_sql
from linkage.frequencies import path_of
from linkage.references import has_table as is_there
from linkage.splink_model import ELSE, frequency_columns, level_labels, weighed
from linkage.sql import rows
from linkage.workspace import Workspace
from rules.columns import quote
from rules.errors import ShuyuanError
from rules.kinds.base import literal
from rules.loader import load_rules
from rules.model import Entity, EntityRules

Document = dict[str, Any]
BITS = 0.5
INDEX = 0.1
STRONG = 0.25
OFTEN = 20  # records: a value that fewer have is too rare to say how its frequency moved
NULL = "null"
Z95 = 1.6448536269514722


def count_levels(con: duckdb.DuckDBPyConnection, rules: EntityRules) -> None:
    """Build `level` of the entity type in the current schema."""
    con.execute(f"create or replace table level as {levels_sql(rules.entity)}")


def levels_sql(entity: Entity) -> str:
    """SQL of `level`: the pairs that linking kept by comparison, level and verdict."""
    parts = []
    for rule in entity.comparisons:
        gamma = quote(f"gamma_{rule.name}")
        cases = " ".join(f"when {i} then {literal(label)}" for i, label in enumerate(level_labels(entity, rule)))
        parts.append(
            f"select {literal(rule.name)} as comparison, case {gamma} {cases} else {literal(NULL)} end as level, "
            "verdict::varchar as verdict, count(*) as pairs from candidate_pair group by all"
        )
    return "\nunion all ".join(parts)


def drift(con: duckdb.DuckDBPyConnection, ws: Workspace, rules: EntityRules) -> Document | None:
    """What moved in an entity type, whose schema is the current one, since the last release; None where there is none.

    A part of which the release, or the work database, has nothing is None.
    """
    release = current_release(ws.releases)
    folder = None if release is None else ws.releases / str(release)
    if folder is None or not (folder / rules.name).is_dir():
        return None
    then = _rules_then(folder, rules.name)
    found: Document = {
        "release": release,
        "told_from": {"bits": BITS, "index": INDEX, "strong_index": STRONG},
        "weights": None if then is None else _weights(then, rules),
        "levels": _levels(con, folder / rules.name, rules),
        "values": None if then is None else _values(con, then, rules.entity),
    }
    return found | {"moved": list(_moved(found))}


def stability(then: dict[str, int], now: dict[str, int]) -> tuple[float, float]:
    """The population stability index of two counts of the same levels, and what it stays below by chance (95 %).

    Half a pair stands in every level, so that one that was empty has a share.
    """
    names = sorted({*then, *now})
    before, after = (sum(one.values()) + 0.5 * len(names) for one in (then, now))
    index = 0.0
    for name in names:
        a, b = (then.get(name, 0) + 0.5) / before, (now.get(name, 0) + 0.5) / after
        index += (b - a) * log(b / a)
    return index, _chi_square_95(max(len(names) - 1, 1)) * (1 / before + 1 / after)


def _chi_square_95(degrees: int) -> float:
    """The 95 % quantile of χ², by the cube root that is nearly normal (Wilson & Hilferty 1931)."""
    part = 2 / (9 * degrees)
    return float(degrees * (1 - part + Z95 * sqrt(part)) ** 3)


def _rules_then(folder: Path, name: str) -> EntityRules | None:
    """The rules that a release keeps of an entity type; None where they cannot be read any more."""
    if not (folder / RULES).is_dir():
        return None
    try:
        return load_rules(folder / RULES).entities.get(name)
    except ShuyuanError:
        return None


def _weights(then: EntityRules, now: EntityRules) -> list[Document]:
    """Every level that either has, with its weight then and now, and the change in bits."""
    before, after = (
        {(one["comparison"], one["level"]): one["weight"] for one in weighed(rules)} for rules in (then, now)
    )
    return [
        {
            "comparison": key[0],
            "level": key[1],
            "then": before.get(key),
            "now": after.get(key),
            "bits": round(after[key] - before[key], 2) if key in before and key in after else None,
        }
        for key in dict.fromkeys([*after, *before])
    ]


def _levels(con: duckdb.DuckDBPyConnection, folder: Path, rules: EntityRules) -> list[Document] | None:
    """Every comparison with the shares of its levels among accepted pairs."""
    if not has_table(folder, "level") or not is_there(con, rules.name, "candidate_pair"):
        return None
    query = "select comparison, level, sum(pairs) from {} where verdict = 'accept' group by all"
    then, now = (
        {(str(name), str(level)): int(str(pairs)) for name, level, pairs in rows(con, query.format(table))}
        for table in (table_sql(folder, "level"), f"({levels_sql(rules.entity)})")
    )
    found = []
    for rule in rules.entity.comparisons:
        labels = [*reversed(level_labels(rules.entity, rule)), NULL]
        labels += sorted({level for name, level in then if name == rule.name and level not in labels})
        counts = [
            {level: part[rule.name, level] for level in labels if (rule.name, level) in part} for part in (then, now)
        ]
        index, by_chance = stability(*counts)
        before, after = (sum(one.values()) for one in counts)
        found.append(
            {
                "comparison": rule.name,
                "index": round(index, 4),
                "by_chance": round(by_chance, 4),
                "pairs": {"then": before, "now": after},
                "levels": [
                    {
                        "level": level,
                        "then": round(counts[0].get(level, 0) / max(before, 1), 6),
                        "now": round(counts[1].get(level, 0) / max(after, 1), 6),
                    }
                    for level in labels
                    if level in counts[0] or level in counts[1] or level == ELSE
                ],
            }
        )
    return found


def _values(con: duckdb.DuckDBPyConnection, then: EntityRules, entity: Entity) -> list[Document] | None:
    """Every column with term frequencies: the bits by which an agreement weighs otherwise."""
    path = path_of(then)
    if not path.exists() or not is_there(con, entity.entity, "standard"):
        return None
    frozen = f"read_parquet({literal(str(path))})"
    known = {str(name) for (name,) in rows(con, f"select distinct name from {frozen} where kind = 'tf'")}
    found = []
    for column in frequency_columns(entity):
        if column not in known:
            continue
        mean, most, values = rows(
            con,
            f"""
            with now as (
              select cast({quote(column)} as varchar) as value, count(*) as n from standard
              where {quote(column)} is not null group by all
            ), moved as (
              select n, abs(log2(n / sum(n) over () / (coalesce(f.count, 1) / greatest(t.count, 1)))) as bits
              from now
              left join (select value, count from {frozen} where kind = 'tf' and name = $column) as f using (value)
              cross join (select count from {frozen} where kind = 'total' and name = $column) as t
            )
            select sum(n * bits) / sum(n), max(bits) filter (n >= $often),
                   count(*) filter (n >= $often and bits > $beyond)
            from moved""",
            column=column,
            often=OFTEN,
            beyond=BITS,
        )[0]
        found.append(
            {
                "column": column,
                "bits": round(float(str(mean or 0.0)), 3),
                "most_bits": None if most is None else round(float(str(most)), 3),
                "values_beyond": int(str(values)),
            }
        )
    return found


def _moved(found: Document) -> list[str]:
    """What moved further than it should, in sentences."""
    told = []
    for one in found["weights"] or ():
        if one["bits"] is None:
            told.append(
                f"{one['comparison']}, {one['level']}: a level that is {'gone' if one['now'] is None else 'new'}"
            )
        elif abs(one["bits"]) >= BITS:
            told.append(
                f"{one['comparison']}, {one['level']}: weighs {one['now']:+.2f}, in the release {one['then']:+.2f} bits"
            )
    for one in found["levels"] or ():
        if one["index"] >= INDEX and one["index"] > one["by_chance"]:
            how = "strongly" if one["index"] >= STRONG else "noticeably"
            widest = max(one["levels"], key=lambda level: abs(level["now"] - level["then"]))
            told.append(
                f"{one['comparison']}: levels of accepted pairs moved {how} (index {one['index']:.2f}), most of all "
                f"{widest['level']}: {widest['then']:.1%} -> {widest['now']:.1%}"
            )
    for one in found["values"] or ():
        if one["bits"] >= BITS:
            told.append(
                f"{one['column']}: agreements weigh {one['bits']:.2f} bits otherwise by the present frequencies"
            )
    return told
