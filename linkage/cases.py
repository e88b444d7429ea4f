"""Runs the cases of an entity type: each pair goes the whole way from raw text to its fate.

Reads: rules, their weights and frozen frequencies. Writes nothing; works in a database in memory.

A case is standardized, blocked, weighed, guarded and clustered exactly like a record, so a pair that no
blocking rule finds does not match, whatever its weight would be.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from pathlib import Path

import duckdb

from linkage import frequencies
from linkage.block import block
from linkage.cluster import cluster
from linkage.score import keeping_all, score
from linkage.splink_model import frequency_columns, level_labels
from linkage.standardize import standardize
from linkage.workspace import use_entity
from rules.columns import quote
from rules.loader import SHIPPED
from rules.model import Case, EntityRules

NOMINAL = 1_000_000
SATISFIES = {
    "match": {"match"},
    "review": {"review"},
    "no_match": {"no_match"},
    "not_merged": {"review", "no_match"},
}


@dataclass(frozen=True)
class CaseResult:
    """What became of a case: `match`, `review` or `no_match`, its weight and the level of every comparison."""

    case: Case
    outcome: str
    weight: float | None
    levels: dict[str, str]

    @property
    def passed(self) -> bool:
        return self.outcome in SATISFIES[self.case.expect]

    def __str__(self) -> str:
        levels = ", ".join(f"{name} {label}" for name, label in self.levels.items())
        weight = "not a candidate" if self.weight is None else f"weight {self.weight:.1f}"
        return f"{self.case.name}: expected {self.case.expect}, is {self.outcome} ({weight}; {levels})"


def run_cases(rules: EntityRules, rules_folder: Path, as_of: date) -> list[CaseResult]:
    """The result of every case in `cases.toml`, in order.

    Common values are common as in the frozen frequencies beside the rules, else in the shipped ones; with
    neither every value counts as seen once among NOMINAL records.
    """
    if not rules.cases:
        return []
    con = duckdb.connect()
    try:
        use_entity(con, rules.name)
        _load(con, rules, as_of)
        standardize(con, rules, rules_folder, as_of)
        _frequencies(con, rules)
        block(con, rules)
        con.execute(
            "delete from pair using standard as l, standard as r "
            "where l.ordinal = join_key_l and r.ordinal = join_key_r and l.source_key <> r.source_key"
        )
        score(con, keeping_all(rules))
        cluster(con, rules, [])
        return _results(con, rules)
    finally:
        con.close()


def _load(con: duckdb.DuckDBPyConnection, rules: EntityRules, as_of: date) -> None:
    fields = ", ".join(f"{quote(name)} varchar" for name in rules.entity.fields)
    con.execute(
        "create table record (record_id bigint, source varchar, source_key varchar, batch_id integer, "
        f"observed_on date, row_hash varchar, line bigint, {fields}, dup_group varchar)"
    )
    con.execute("create table grouped_record as from record where false")
    con.execute("create view current_record as from record")
    for i, case in enumerate(rules.cases):
        for side, record in (("left", case.left), ("right", case.right)):
            values = [record.get(name) for name in rules.entity.fields]
            con.execute(
                f"insert into record values ({', '.join('?' * (8 + len(values)))})",
                [2 * i + (side == "right"), side, f"{i:06}", 0, as_of, "", i, *values, None],
            )


def _frequencies(con: duckdb.DuckDBPyConnection, rules: EntityRules) -> None:
    for path in (frequencies.path_of(rules), SHIPPED / rules.name / frequencies.FILE):
        if path.exists():
            frequencies.read(con, path)
            return
    names = ["", *frequency_columns(rules.entity)]
    con.execute(
        "create table frequency as select 'total' as kind, unnest($names) as name, '' as value, $n::bigint as count",
        {"names": names, "n": NOMINAL},
    )


def _results(con: duckdb.DuckDBPyConnection, rules: EntityRules) -> list[CaseResult]:
    gammas = ", ".join(f"gamma_{one.name}" for one in rules.entity.comparisons)
    found = {
        int(key): (weight, levels, together)
        for key, weight, together, *levels in con.execute(
            f"select l.source_key, match_weight, a.cluster_id = b.cluster_id, {gammas} from candidate_pair "
            "join standard as l on l.record_id = record_l "
            "join cluster as a on a.record_id = record_l join cluster as b on b.record_id = record_r"
        ).fetchall()
    }
    results = []
    for i, case in enumerate(rules.cases):
        if i not in found:
            results.append(CaseResult(case, "no_match", None, {}))
            continue
        weight, levels, together = found[i]
        outcome = "match" if together else "review" if weight >= rules.entity.matching.review else "no_match"
        results.append(CaseResult(case, outcome, weight, _labels(rules, levels)))
    return results


def _labels(rules: EntityRules, levels: list[int]) -> dict[str, str]:
    """The label of each comparison's level; comparisons that say nothing are left out."""
    labels = {}
    for one, gamma in zip(rules.entity.comparisons, levels, strict=True):
        if gamma >= 0:
            labels[one.name] = level_labels(rules.entity, one)[gamma]
    return labels
