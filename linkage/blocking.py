"""What every blocking rule costs and finds, counted exactly; nothing is sampled.

Reads: standard, frequency, known_pair. Writes: known_pair.rules (the rules that make a known pair, as bits).

    pairs       of the rule alone, from the sizes of its blocks
    only        pairs that no other rule makes: what would be saved without it
    caught      known pairs that it makes (see known.py); `share` is of all known pairs where a truth names them, and of
                those that another rule found where only the weights do
    seconds     to find its pairs: predicted from the rate of its first chunk, and as measured

The pairs of all rules are streamed once, each with the set of rules that make it; above MOST pairs only the sizes of
blocks are counted.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from math import inf
from typing import Any

import duckdb
import numpy as np
import pyarrow as pa

from linkage import frequencies, growth
from linkage.block import largest_blocks
from linkage.frequencies import hub_name
from linkage.growth import GROUPS, Expected, Spread
from linkage.kernel.blocks import Blocks, alike, blocks, stream, together
from linkage.kernel.columns import Ints
from linkage.kernel.compiler import Compiler
from linkage.kernel.conditions import Positions
from linkage.kernel.match import CHUNK, groups, keyed, read
from linkage.known import Known
from linkage.progress import SILENT, Advance, Reporter
from rules.errors import RefusedError
from rules.model import Entity, EntityRules

MOST = 200_000_000
GOALS = (10_000_000, 100_000_000, 1_400_000_000)
UNION = "all rules together"
SHOWN = 5
Document = dict[str, Any]


class Blocking:
    """The blocks of every rule of an entity type, in memory, without the hubs that are frozen in `frequency`."""

    def __init__(self, con: duckdb.DuckDBPyConnection, entity: Entity) -> None:
        compiler = Compiler(con)
        ruled = [keyed(compiler, rule) for rule in entity.blocking]
        group = compiler.value("dup_group")
        region = compiler.key(entity.region) if entity.region else None
        columns = read(con, entity, compiler.needed)
        self.con = con
        self.entity = entity
        self.count = columns.count
        self.group = groups(columns, group)
        self.blocks: list[Blocks] = [blocks(con, columns, rule) for rule in ruled]
        self.pairs = [one.pairs - alike(one, self.group) for one in self.blocks]
        # A record of which nobody knows where it is stands in a place of its own.
        alone = -1 - np.arange(self.count, dtype=np.int64)
        held = alone if region is None else columns.codes.get(region, columns.numbers.get(region, alone))
        self.place: Ints = np.where(held >= 0, held, alone).astype(np.int64)

    def masks(self, left: Positions, right: Positions) -> Ints:
        """The rules that make each of some pairs, rule i as bit i; 0 within a group that is free of duplicates."""
        found = np.zeros(left.size, dtype=np.int64)
        for i, one in enumerate(self.blocks):
            found |= together(one.of, left, right).astype(np.int64) << i
        found[(self.group[left] == self.group[right]) & (self.group[left] >= 0)] = 0
        return found

    def sizes(self, i: int) -> dict[int, int]:
        """How many blocks of rule `i` have how many records (two or more)."""
        ends = np.unique(self.blocks[i].end)
        size, count = np.unique(np.diff(ends, prepend=0), return_counts=True)
        return dict(zip(size.tolist(), count.tolist(), strict=True))


@dataclass
class Streamed:
    """What the stream of all pairs told: pairs by set of rules, seconds by rule, pairs by place."""

    by_rules: dict[int, int] = field(default_factory=dict)
    first: list[tuple[int, float]] = field(default_factory=list)
    seconds: list[float] = field(default_factory=list)
    spread: list[Spread] = field(default_factory=list)


def measure(con: duckdb.DuckDBPyConnection, rules: EntityRules, known: Known, reporter: Reporter = SILENT) -> Document:
    """The figures of every rule and of all together, over `standard` as it stands.

    Hubs are the frozen ones; where a rule or a cap is newer than they, those of the present records.
    """
    entity = rules.entity
    frozen = hubs(con, rules)
    with reporter.step(f"{rules.name}: blocks"):
        made = Blocking(con, entity)
    masks = made.masks(known.left, known.right)
    _tell_rules(con, known, masks)
    told = None
    if sum(made.pairs) <= MOST:
        with reporter.step(f"{rules.name}: pairs", sum(made.pairs)) as advance:
            told = streamed(made, advance)
    spread_known = _spread_of_known(made, known, masks)
    found = [_figures(made, i, known, masks, told, spread_known) for i in range(len(made.blocks))]
    return {
        "entity": rules.name,
        "records": made.count,
        "budget": entity.matching.budget,
        "known_pairs": known.count,
        "known_from": known.origin,
        "hubs": "frozen" if frozen else "counted now",
        "rules": found,
        "union": _union(made, known, masks, told, spread_known, found),
    }


def hubs(con: duckdb.DuckDBPyConnection, rules: EntityRules) -> bool:
    """Read the frozen hubs into `frequency`; False where they are older than the rules and were counted anew."""
    try:
        if frequencies.path_of(rules).exists():
            frequencies.load(con, rules)
            return True
    except RefusedError:
        pass
    con.execute(f"create or replace table frequency as {frequencies.frequency_sql(rules.entity)}")
    return False


def streamed(made: Blocking, advance: Advance = lambda done: None) -> Streamed:
    """Go once through the pairs of all rules."""
    count = len(made.blocks)
    told = Streamed({}, [(0, 0.0)] * count, [0.0] * count, [Spread.empty() for _ in range(count + 1)])
    group = _groups_of_places(made)
    began = time.perf_counter()
    for i, looked, left, right in stream(made.blocks, made.group, CHUNK):
        masks = made.masks(left, right)
        for mask, pairs in zip(*np.unique(masks, return_counts=True), strict=True):
            told.by_rules[int(mask)] = told.by_rules.get(int(mask), 0) + int(pairs)
        for j in range(count):
            here = np.flatnonzero(masks >> j & 1)
            _spread(told.spread[j], made, group, left[here], right[here])
        _spread(told.spread[count], made, group, left, right)
        now = time.perf_counter()
        if not told.first[i][0]:
            told.first[i] = (looked, now - began)
        told.seconds[i] += now - began
        began = now
        advance(looked)
    return told


def _groups_of_places(made: Blocking) -> Ints:
    """The group, of GROUPS, in which each record's place stands: places are dealt out by chance, with one seed."""
    _, which = np.unique(made.place, return_inverse=True)
    order = np.argsort(np.random.PCG64(1).random_raw(int(which.max(initial=0)) + 1), kind="stable")
    return np.argsort(order)[which] % GROUPS


def _spread(spread: Spread, made: Blocking, group: Ints, left: Positions, right: Positions) -> None:
    same = made.place[left] == made.place[right]
    spread.within[:] += np.bincount(group[left[same]], minlength=GROUPS)
    apart = group[left[~same]] * GROUPS + group[right[~same]]
    spread.across[:] += np.bincount(apart, minlength=GROUPS * GROUPS).reshape(GROUPS, GROUPS)


def _spread_of_known(made: Blocking, known: Known, masks: Ints) -> list[Spread]:
    """By rule, and for all together, the known pairs by place."""
    group = _groups_of_places(made)
    found = []
    for i in range(len(made.blocks) + 1):
        here = np.flatnonzero(masks >> i & 1 if i < len(made.blocks) else masks)
        spread = Spread.empty()
        _spread(spread, made, group, known.left[here], known.right[here])
        found.append(spread)
    return found


def _grown(made: Blocking, told: Streamed, i: int, known: list[Spread]) -> list[Expected]:
    """What rule `i` would make of larger registries (behind the last: all rules together)."""
    spread = Spread(told.spread[i].within, told.spread[i].across, known[i].across)
    records = np.bincount(_groups_of_places(made), minlength=GROUPS)
    goals = [goal for goal in GOALS if goal > made.count]
    if i == len(made.blocks):
        alone = [_grown(made, told, j, known) for j in range(i)]
        return [
            growth.together([one[at] for one in alone], growth.extrapolate(spread, records, goal))
            for at, goal in enumerate(goals)
        ]
    rule = made.entity.blocking[i]
    # A block of at most `cap` records gives each of them (cap - 1) / 2 pairs; with `each` nobody knows how many blocks.
    most = inf if rule.cap is None or rule.each else (rule.cap - 1) / 2
    return [growth.extrapolate(spread, records, goal, most * goal) for goal in goals]


def _figures(
    made: Blocking, i: int, known: Known, masks: Ints, told: Streamed | None, spread: list[Spread]
) -> Document:
    rule, bit = made.entity.blocking[i], 1 << i
    mine, others = masks & bit != 0, masks & ~bit != 0
    judged = np.ones(masks.size, dtype=np.bool_) if known.origin == "truth" else others
    pairs = made.pairs[i]
    if told is not None:
        pairs = sum(n for mask, n in told.by_rules.items() if mask & bit)
    document: Document = {
        "rule": hub_name(rule),
        "cap": rule.cap,
        "pairs": pairs,
        "per_record": pairs / max(made.count, 1),
        "largest_blocks": [asdict(one) for one in largest_blocks(made.con, made.entity, rule, SHOWN)],
        "block_sizes": made.sizes(i),
        "caught": int(mine.sum()),
        "caught_by_it_alone": int((masks == bit).sum()),
        "share": _share(int((mine & judged).sum()), int(judged.sum())),
    }
    if told is not None:
        looked, seconds = told.first[i]
        document |= {
            "only": told.by_rules.get(bit, 0),
            "new_pairs": sum(n for mask, n in told.by_rules.items() if mask & bit and not mask & (bit - 1)),
            "predicted_s": round(seconds * made.blocks[i].pairs / looked, 3) if looked else 0.0,
            "seconds": round(told.seconds[i], 3),
            "grown": [one.as_dict() for one in _grown(made, told, i, spread)],
        }
    return document


def _union(
    made: Blocking, known: Known, masks: Ints, told: Streamed | None, spread: list[Spread], found: Sequence[Document]
) -> Document:
    caught = int((masks != 0).sum())
    document: Document = {
        "rule": UNION,
        "pairs": sum(told.by_rules.values()) if told is not None else None,
        "caught": caught,
        "share": _share(caught, known.count) if known.origin == "truth" else None,
    }
    if told is not None:
        document |= {
            "per_record": document["pairs"] / max(made.count, 1),
            "predicted_s": round(sum(one["predicted_s"] for one in found), 3),
            "seconds": round(sum(one["seconds"] for one in found), 3),
            "grown": [one.as_dict() for one in _grown(made, told, len(made.blocks), spread)],
        }
    return document


def _share(hits: int, of: int) -> float | None:
    return hits / of if of else None


def _tell_rules(con: duckdb.DuckDBPyConnection, known: Known, masks: Ints) -> None:
    """Write beside every known pair which rules make it."""
    con.register("told_rules", pa.table({"l": known.left, "r": known.right, "rules": masks}))
    try:
        con.execute(
            "create or replace temp table known_pair as "
            "select l, r, k.truth, k.errors, k.chance, coalesce(t.rules, 0) as rules "
            "from known_pair as k join told_rules as t using (l, r)"
        )
    finally:
        con.unregister("told_rules")


def caught_by_error(con: duckdb.DuckDBPyConnection) -> dict[str, float]:
    """The share of the known pairs that some rule makes, by kind of error of their records."""
    found = con.execute(
        "select error, count(*) filter (rules <> 0) / count(*) from "
        "(select unnest(errors) as error, rules from known_pair) where error <> '' group by error order by error"
    ).fetchall()
    return {str(kind): float(share) for kind, share in found}
