"""A sample of pairs for stewards to judge, and what their answers say of the whole linkage.

Reads: frame, standard; sample, sample_pair and decision in decisions.sqlite. Writes: sample, sample_pair. The pairs
wait in the ordinary review queue, where an answer is a decision like any other.

Pairs are drawn in strata: linked ones by weight, and others that rules or probes make (frame.py), by weight. Half of
the sample goes to either side; a stratum gets as many as its pairs × the doubt that its weights leave (Neyman 1934),
and at least LEAST. The draw is a function of the pairs and the seed. An estimate is that of the linkage as it was when
the sample was drawn; answers that came since make the next one better.
"""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from math import ceil
from typing import Any

import duckdb

from linkage.decided import SourceRecord
from linkage.decision_schema import transaction, with_tables
from linkage.decisions import DecisionStore
from linkage.frame import Frame
from linkage.inference import Interval, Stratum, at_most, combined, reviews_needed
from linkage.sql import rows
from rules.errors import NotFoundError
from rules.kinds.base import literal
from rules.model import Entity

SAMPLE = "sample"  # the verdict of a pair that waits because it was drawn
LEAST = 25
DOUBT = 0.1  # at least: weights may be wrong
TIGHTER = (0.01, 0.003, 0.001)
Document = dict[str, Any]
Pair = tuple[SourceRecord, SourceRecord]
_SCHEMA = """
create table if not exists sample (
  sample_id integer primary key autoincrement, entity text not null, drawn_at text not null, document text not null);
create table if not exists sample_pair (
  sample_id integer not null, stratum text not null, region text not null,
  left_source text not null, left_key text not null, right_source text not null, right_key text not null,
  match_weight real,
  primary key (sample_id, left_source, left_key, right_source, right_key)) without rowid;
"""


@dataclass(frozen=True)
class Drawn:
    """A pair that was drawn: its stratum and region, and the two records in the order of their names."""

    stratum: str
    region: str
    pair: Pair
    match_weight: float | None


@dataclass(frozen=True)
class Cell:
    """The pairs of one stratum in one region."""

    stratum: str
    linked: bool
    region: str
    pairs: int


@dataclass(frozen=True)
class Sample:
    """A sample: the frame by stratum and region, the pairs that were drawn, the matches expected outside the frame."""

    cells: tuple[Cell, ...]
    drawn: tuple[Drawn, ...]
    missed: Interval
    by_no_rule: Interval
    floor: float
    below: int
    seed: int
    sample_id: int = 0
    drawn_at: str = ""


def stratum_sql(entity: Entity) -> str:
    """SQL over `frame`: the stratum of a pair."""
    accept, review = entity.matching.accept, entity.matching.review
    strata = (
        ("linked and match_weight is null", "linked, only by way of others"),
        (f"linked and match_weight < {accept + 6}", f"linked, weight below {accept + 6:g}"),
        (f"linked and match_weight < {accept + 14}", f"linked, weight {accept + 6:g} to {accept + 14:g}"),
        ("linked", f"linked, weight from {accept + 14:g}"),
        (f"not probed and match_weight >= {review}", f"apart, weight from {review:g}"),
        ("not probed", f"apart, weight below {review:g}"),
        (f"match_weight >= {review}", f"apart, found by no rule, weight from {review:g}"),
        (f"match_weight >= {review - 5}", f"apart, found by no rule, weight {review - 5:g} to {review:g}"),
    )
    cases = " ".join(f"when {condition} then {literal(name)}" for condition, name in strata)
    return f"case {cases} else {literal(f'apart, found by no rule, weight below {review - 5:g}')} end"


def draw(con: duckdb.DuckDBPyConnection, entity: Entity, frame: Frame, size: int, seed: int) -> Sample:
    """Draw a sample of about `size` pairs from `frame`; a function of the frame and the seed."""
    region = region_sql(con)
    con.execute(
        f"create or replace temp table framed as select f.*, {stratum_sql(entity)} as stratum, {region} as place, "
        "l.source as ls, l.source_key as lk, r.source as rs, r.source_key as rk "
        "from frame as f join standard as l on l.ordinal = f.l join standard as r on r.ordinal = f.r"
    )
    cells = tuple(
        Cell(str(stratum), bool(linked), str(place), int(str(pairs)))
        for stratum, linked, place, pairs in rows(
            con, "select stratum, linked, place, count(*) from framed group by all order by all"
        )
    )
    quotas = _quotas(con, size)
    con.execute("create or replace temp table quota (stratum varchar, asked bigint)")
    con.executemany("insert into quota values (?, ?)", [list(one) for one in sorted(quotas.items())] or [["", 0]])
    found = rows(
        con,
        """
        select stratum, place, ls, lk, rs, rk, match_weight from (
          select *, row_number() over (partition by stratum order by
            md5($seed || least(ls || '/' || lk, rs || '/' || rk) || '|' || greatest(ls || '/' || lk, rs || '/' || rk)),
            ls, lk, rs, rk) as nth from framed
        ) join quota using (stratum) where nth <= asked order by stratum, nth""",
        seed=f"{seed}/",
    )
    drawn = tuple(
        Drawn(str(s), str(p), _ordered((str(a), str(b)), (str(c), str(d))), None if w is None else float(str(w)))
        for s, p, a, b, c, d, w in found
    )
    return Sample(cells, drawn, frame.missed, frame.by_no_rule, frame.floor, frame.below, seed)


def region_sql(con: duckdb.DuckDBPyConnection) -> str:
    """SQL: the region of a pair as it is told of, the shortest beginning of its code of which there are several."""
    for digits in (2, 4, 6):
        found = rows(con, f"select count(distinct left(region, {digits})) from frame")[0][0]
        if int(str(found)) > 1:
            return f"coalesce(left(region, {digits}), '')"
    return "coalesce(region, '')"


def _quotas(con: duckdb.DuckDBPyConnection, size: int) -> dict[str, int]:
    """How many pairs to ask about in each stratum."""
    doubt = "avg(sqrt(1 / (1 + power(2, -coalesce(match_weight, 3))) / (1 + power(2, coalesce(match_weight, 3)))))"
    strata = rows(con, f"select stratum, linked, count(*), {doubt} from framed group by all order by all")
    quotas: dict[str, int] = {}
    for side in (True, False):
        mine = [(str(name), int(str(n)), max(float(str(d)), DOUBT)) for name, linked, n, d in strata if linked == side]
        open_, left = dict.fromkeys((name for name, _, _ in mine), 0), size / 2
        for name, pairs, _ in mine:
            open_[name] = min(pairs, LEAST)
            left -= open_[name]
        every = sum(pairs * d for _, pairs, d in mine) or 1.0
        for name, pairs, d in mine:
            quotas[name] = min(pairs, open_[name] + ceil(max(left, 0) * pairs * d / every))
    return quotas


class SampleStore:
    """The samples of a workspace, in its `decisions.sqlite`."""

    def __init__(self, decisions: DecisionStore) -> None:
        self.decisions = decisions

    def keep(self, entity: str, sample: Sample) -> int:
        """Keep a sample; gives its number."""
        document = {
            "cells": [[c.stratum, c.linked, c.region, c.pairs] for c in sample.cells],
            "missed": sample.missed.as_dict(),
            "by_no_rule": sample.by_no_rule.as_dict(),
            "floor": sample.floor,
            "below": sample.below,
            "seed": sample.seed,
        }
        now = datetime.now(UTC).isoformat(timespec="seconds")
        with with_tables(self.decisions.path, _SCHEMA) as db, transaction(db):
            cursor = db.execute(
                "insert into sample (entity, drawn_at, document) values (?, ?, ?)",
                (entity, now, json.dumps(document, ensure_ascii=False)),
            )
            number = int(cursor.lastrowid or 0)
            db.executemany(
                "insert into sample_pair values (?, ?, ?, ?, ?, ?, ?, ?)",
                [
                    (number, one.stratum, one.region, *one.pair[0], *one.pair[1], one.match_weight)
                    for one in sample.drawn
                ],
            )
        return number

    def last(self, entity: str) -> Sample:
        """The sample that was drawn last. Raises NotFoundError where there is none."""
        with with_tables(self.decisions.path, _SCHEMA) as db:
            row = db.execute(
                "select sample_id, drawn_at, document from sample where entity = ? order by sample_id desc limit 1",
                (entity,),
            ).fetchone()
            if row is None:
                raise NotFoundError(
                    f"no sample of {entity} was drawn; 'shuyuan evaluate {entity} --draw 400' draws one for review"
                )
            drawn = db.execute(
                "select stratum, region, left_source, left_key, right_source, right_key, match_weight from sample_pair "
                "where sample_id = ? order by stratum, region, left_source, left_key, right_source, right_key",
                (row[0],),
            ).fetchall()
        said = json.loads(row[2])
        return Sample(
            tuple(Cell(*one) for one in said["cells"]),
            tuple(Drawn(s, p, ((a, b), (c, d)), w) for s, p, a, b, c, d, w in drawn),
            Interval(**said["missed"]),
            Interval(**said["by_no_rule"]),
            said["floor"],
            said["below"],
            said["seed"],
            row[0],
            row[1],
        )


def ask(con: duckdb.DuckDBPyConnection, entity: str, decisions: DecisionStore) -> None:
    """Put the pairs of the last sample that nobody decided into temporary table `asked_pair`."""
    con.execute(
        "create or replace temp table drawn_pair (ls varchar, lk varchar, rs varchar, rk varchar, weight double)"
    )
    try:
        drawn = SampleStore(decisions).last(entity).drawn
    except NotFoundError:
        drawn = ()
    said = answers(decisions, entity)
    open_ = [[*one.pair[0], *one.pair[1], one.match_weight] for one in drawn if one.pair not in said]
    if open_:
        con.executemany("insert into drawn_pair values (?, ?, ?, ?, ?)", open_)
    con.execute(
        "create or replace temp table asked_pair as "
        "select least(l.record_id, r.record_id) as record_l, greatest(l.record_id, r.record_id) as record_r, "
        "weight as match_weight from drawn_pair join standard as l on l.source = ls and l.source_key = lk "
        "join standard as r on r.source = rs and r.source_key = rk"
    )


def answers(decisions: DecisionStore, entity: str) -> dict[Pair, bool]:
    """What stewards in force say about pairs of records, by the last word on each: one entity, or not."""
    said: dict[Pair, bool] = {}
    for decision in decisions.entries(entity):
        if decision.kind in ("same", "different", "unsure"):
            pair = _ordered(decision.subjects[0], decision.subjects[1])
            said.pop(pair, None)
            if decision.kind != "unsure":
                said[pair] = decision.kind == "same"
    return said


def counted(sample: Sample, said: Mapping[Pair, bool]) -> dict[str, Stratum]:
    """The strata of a sample with what was answered.

    Pairs that nobody answered, or of which a steward was not sure, are taken to be like the others of their stratum.
    """
    asked: Counter[str] = Counter()
    right: Counter[str] = Counter()
    for one in sample.drawn:
        if one.pair in said:
            asked[one.stratum] += 1
            right[one.stratum] += said[one.pair]
    pairs: Counter[str] = Counter()
    for cell in sample.cells:
        pairs[cell.stratum] += cell.pairs
    linked = {cell.stratum: cell.linked for cell in sample.cells}
    return {name: Stratum(n, asked[name], right[name], linked[name]) for name, n in pairs.items()}


def estimated(sample: Sample, said: Mapping[Pair, bool], seed: int = 1) -> Document:
    """What the answers say: precision, recall and F1 of the linkage, and its strata."""
    strata = counted(sample, said)
    told = combined(list(strata.values()), sample.missed, seed)
    drawn = Counter(one.stratum for one in sample.drawn)
    return {
        "sample": sample.sample_id,
        "drawn_at": sample.drawn_at,
        "drawn": len(sample.drawn),
        "answered": sum(one.asked for one in strata.values()),
        **{name: interval.as_dict() for name, interval in told.items()},
        "matches_that_no_rule_makes": sample.by_no_rule.as_dict(),
        "matches_that_no_probe_makes": sample.missed.as_dict(),
        "weighed_below_the_frame": {"pairs": sample.below, "weight": sample.floor},
        "strata": [
            {
                "stratum": name,
                "linked": one.linked,
                "pairs": one.pairs,
                "drawn": drawn[name],
                "answered": one.asked,
                "one_entity": one.right,
            }
            for name, one in strata.items()
        ],
    }


def promises(sample: Sample, said: Mapping[Pair, bool], seed: int = 1) -> list[Document]:
    """For all, and by region: the false merges are at most …, with how many answers, and what less would take."""
    strata = counted(sample, said)
    local: dict[tuple[str, str], list[bool]] = defaultdict(list)
    for one in sample.drawn:
        if one.pair in said:
            local[one.stratum, one.region].append(said[one.pair])
    by_region: dict[str, list[Cell]] = defaultdict(list)
    for cell in sample.cells:
        if cell.linked:
            by_region[cell.region].append(cell)
    by_region.setdefault("", [])
    found = []
    for region, mine in sorted(by_region.items()):
        parts = [one for one in strata.values() if one.linked]
        if region:
            heard = [local[cell.stratum, cell.region] for cell in mine]
            parts = [Stratum(cell.pairs, len(one), sum(one), True) for cell, one in zip(mine, heard, strict=True)]
        asked, made = sum(one.asked for one in parts), sum(one.pairs for one in parts)
        wrong = sum(one.pairs - one.total() for one in parts if one.asked) / max(made, 1)
        bound = at_most(parts, seed)
        tighter = next((goal for goal in TIGHTER if goal < bound), None)
        found.append(
            {
                "region": region,
                "linked_pairs": made,
                "answered": asked,
                "false_merges_at_most": round(bound, 6),
                "tighter": tighter,
                "answers_needed": reviews_needed(tighter, wrong) if tighter else None,
            }
        )
    return found


def _ordered(one: SourceRecord, other: SourceRecord) -> Pair:
    return (min(one, other), max(one, other))
