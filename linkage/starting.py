"""Makes a first rule set from unknown files: profiled, proposed, trained on the records themselves, judged by nobody.

Reads: delivered files. Writes: a rules folder with weights and frequencies.

    1  every pair of key columns is a candidate blocking rule; those that agree far more often than chance would have it
       make the pairs of the passes of expectation maximisation
    2  train, link, and count what is accepted: that is the expected number of matches, the prior of the next round
    3  blocking is searched for anew among all conjunctions, by the pairs that were accepted (suggesting.py)
    4  the threshold is the weight from which on the expected F1 is greatest, if the weights are right
"""

from __future__ import annotations

import shutil
import tempfile
from collections import Counter
from collections.abc import Sequence
from datetime import date
from itertools import combinations
from pathlib import Path

import duckdb
import numpy as np

from linkage import frequencies
from linkage.ingest import load_file
from linkage.kernel.blocks import Rule, blocks
from linkage.kernel.compiler import Compiler
from linkage.kernel.match import Kernel, read
from linkage.known import from_weights
from linkage.link import prepare
from linkage.profiling import Column, Profile, profile
from linkage.progress import SILENT, Reporter
from linkage.proposing import Settings, entity_toml, sources_toml
from linkage.sql import number, rows
from linkage.suggesting import suggest
from linkage.train import train
from linkage.union import components
from linkage.workspace import Workspace, use_entity, write_atomically
from rules.errors import RefusedError
from rules.loader import load_rules
from rules.model import BlockingRule, Entity, EntityRules

_WEIGHED = """
select least(l.ordinal, r.ordinal) as l, greatest(l.ordinal, r.ordinal) as r, match_weight as w from candidate_pair
join standard as l on l.record_id = record_l join standard as r on r.record_id = record_r"""
WIDE = 40.0  # candidate pairs per record while the rules are being made
PER_RULE = 10.0
PASSES = 5
CAP = 200
ROUNDS = 2
FIRST = Settings((), (), 0.5, 6.0, -8.0, 4 * WIDE)
DOUBT = 4.0  # below the line: what waits for a steward
EXCHANGED = 0.02
LEAST = 1.0


def propose(paths: Sequence[Path], entity: str, target: Path, as_of: date, reporter: Reporter = SILENT) -> Profile:
    """Write the rules folder `target` for files of one sort of entity; gives what was found in them.

    Raises:
        InputError: the files cannot be profiled.
        RefusedError: no two columns agree often enough to learn from.
    """
    with duckdb.connect() as con:
        found = profile(con, paths)
    with tempfile.TemporaryDirectory() as folder:
        ws = _workspace(Path(folder), entity, found)
        con = ws.connect()
        try:
            _learn(con, ws, entity, found, as_of, reporter)
        finally:
            con.close()
        shutil.copytree(ws.rules_folder, target)
    return found


def _workspace(folder: Path, entity: str, found: Profile) -> Workspace:
    """A workspace with rules that only say what the fields are: every pair of fields blocks."""
    rules = folder / "rules" / entity
    rules.mkdir(parents=True)
    keys = [f"{column.field}__key" for column in found.fields]
    every = tuple(BlockingRule(keys=pair, cap=CAP) for pair in combinations(keys, 2)) or (
        BlockingRule(keys=(keys[0],)),
    )
    settings = Settings(every, ((keys[0],),), FIRST.pairs_per_record, FIRST.accept, FIRST.review, FIRST.budget)
    write_atomically(rules / "entity.toml", entity_toml(entity, found, settings, ()))
    write_atomically(rules / "sources.toml", sources_toml(found))
    return Workspace.create(folder / "workspace", rules=folder / "rules")


def _learn(
    con: duckdb.DuckDBPyConnection, ws: Workspace, entity: str, found: Profile, as_of: date, reporter: Reporter
) -> None:
    rules = ws.load_rules()
    for file in found.files:
        load_file(con, ws, rules.entities[entity], file.source, file.path, as_of)
    prepare(con, rules, rules.entities[entity], as_of)
    use_entity(con, entity)
    swapped = exchanged(con, found.fields)
    records = number(con, "select count(*) from standard")
    with reporter.step("keys"):
        wide, em = first_keys(con, rules.entities[entity].entity)
    settings = Settings(wide, em, FIRST.pairs_per_record, FIRST.accept, FIRST.review, FIRST.budget)
    path = ws.rules_folder / entity
    for _ in range(ROUNDS):
        one = _rewritten(con, ws, path, entity_toml(entity, found, settings, swapped), as_of)
        train(con, one, reporter)
        one = _trained(ws, entity)
        _weigh(con, one)
        accept, matches = threshold(con)
        settings = Settings(wide, em, max(matches / records, 1 / records), accept, FIRST.review, settings.budget)
    with reporter.step("blocking"):
        con.execute("update candidate_pair set verdict = 'accept' where match_weight >= ?", [settings.accept])
        anew = one.entity.model_copy(update={"blocking": ()})
        better = suggest(con, anew, from_weights(con, ()), int(WIDE * records), CAP, again=0.0)
    settings = Settings(
        better.rules,
        em,
        settings.pairs_per_record,
        settings.accept,
        settings.accept - DOUBT,
        max(WIDE, 2 * better.pairs / records),
    )
    one = _rewritten(con, ws, path, entity_toml(entity, found, settings, swapped), as_of)
    train(con, one, reporter)


def _rewritten(con: duckdb.DuckDBPyConnection, ws: Workspace, path: Path, text: str, as_of: date) -> EntityRules:
    """Write the rules and standardize by them."""
    write_atomically(path / "entity.toml", text)
    (path / "weights.json").unlink(missing_ok=True)
    rules = load_rules(ws.rules_folder)
    prepare(con, rules, rules.entities[path.name], as_of)
    use_entity(con, path.name)
    return rules.entities[path.name]


def _trained(ws: Workspace, entity: str) -> EntityRules:
    return load_rules(ws.rules_folder).entities[entity]


def _weigh(con: duckdb.DuckDBPyConnection, one: EntityRules) -> None:
    frequencies.load(con, one)
    Kernel(con, one).match()


def threshold(con: duckdb.DuckDBPyConnection) -> tuple[float, float]:
    """The weight from which on the expected F1 of the clusters is greatest, and the expected number of matches.

    A pair of weight w is a match with probability p = 2^w / (1 + 2^w). The pairs of the clusters that a threshold makes
    are expected to have F1 = 2 Σ p within clusters ÷ (pairs within clusters + Σ p of all) (Jansche 2007, "A maximum
    expected utility framework for binary sequence labeling"), where pairs that no rule made count as no match: a chain
    of doubtful pairs makes many of those. It is no less than LEAST: a missed match waits for a steward, a false one
    does not.
    """
    found = con.execute(_WEIGHED).fetchnumpy()
    left, right = found["l"].astype(np.int64), found["r"].astype(np.int64)
    weight = found["w"].astype(np.float64)
    if not weight.size:
        raise RefusedError("no two records look like one entity; are the files of one sort of entity?")
    probability = 1 / (1 + np.exp2(-weight))
    matches = float(probability.sum())
    best = (0.0, LEAST)
    for accept in np.arange(LEAST, max(LEAST, float(weight.max())) + 1):
        taken = weight >= accept
        label = components(int(max(left.max(), right.max())) + 1, left[taken], right[taken])
        size = np.bincount(label)
        within, right_ones = (
            float((size * (size - 1) // 2).sum()),
            float(probability[label[left] == label[right]].sum()),
        )
        best = max(best, (2 * right_ones / (within + matches), float(accept)))
    return best[1], matches


def exchanged(con: duckdb.DuckDBPyConnection, fields: Sequence[Column]) -> list[tuple[str, str]]:
    """The pairs of columns of words of which a share of the records have each other's words."""
    found = []
    words = [column for column in fields if column.role == "words"]
    for one, other in combinations(words, 2):
        a, b = f"{one.field}__key", f"{other.field}__key"
        shared, of = rows(
            con,
            f"select count(*) filter (contained), count(*) from (select {a} in (select {b} from standard) as contained "
            f"from standard where {a} is not null)",
        )[0]
        if int(str(shared)) >= EXCHANGED * int(str(of)):
            found.append((one.field, other.field))
    return found


def first_keys(
    con: duckdb.DuckDBPyConnection, entity: Entity
) -> tuple[tuple[BlockingRule, ...], tuple[tuple[str, ...], ...]]:
    """Blocking for the first rounds, and the passes of training: key columns that agree together beyond chance.

    Columns that have nothing to do with each other agree together in n²/2 × the product of their own shares. What there
    is beyond that are entities with several records, or columns that depend on each other.
    """
    made = _conjunctions(con, entity)
    records = max(number(con, "select count(*) from standard"), 2)
    every = records * (records - 1) / 2

    def sure(keys: tuple[str, ...]) -> float:
        """The share of the pairs that is beyond chance."""
        chance = every * float(np.prod([made[key,] / every for key in keys])) if len(keys) > 1 else 0.0
        return max(made[keys] - chance, 0.0) / max(made[keys], 1)

    able = [keys for keys, pairs in made.items() if 0 < pairs <= PER_RULE * records]
    able.sort(key=lambda keys: (-sure(keys), made[keys], keys))
    wide: list[BlockingRule] = []
    spent = 0
    for keys in able:
        if spent + made[keys] <= WIDE * records:
            spent += made[keys]
            wide.append(BlockingRule(keys=keys, cap=CAP))
    if not wide:
        raise RefusedError("no columns agree in few enough pairs of records to compare them; is a column missing?")
    return tuple(wide), _passes({keys: sure(keys) * made[keys] for keys in able}, list(entity.fields))


def _conjunctions(con: duckdb.DuckDBPyConnection, entity: Entity) -> dict[tuple[str, ...], int]:
    """The pairs that one, two or three key columns make; three only where two of them make too many."""
    compiler = Compiler(con)
    keys = {f"{field}__key": compiler.key(f"{field}__key") for field in entity.fields}
    columns = read(con, entity, compiler.needed)
    made: dict[tuple[str, ...], int] = {}
    for size in (1, 2, 3):
        for names in combinations(keys, size):
            if size == 3 and any(made[pair] <= PER_RULE * columns.count for pair in combinations(names, 2)):
                continue
            rule = Rule(BlockingRule(keys=names), tuple(keys[name] for name in names), None)
            made[names] = blocks(con, columns, rule).pairs
    return made


def _passes(beyond: dict[tuple[str, ...], float], fields: Sequence[str]) -> tuple[tuple[str, ...], ...]:
    """The passes of training: much agreement beyond chance, and each field free in as many passes as can be."""
    used: Counter[str] = Counter()
    chosen: list[tuple[str, ...]] = []
    while len(chosen) < PASSES:
        left = {
            keys: worth / (1 + 4 * sum(used[key] for key in keys))
            for keys, worth in beyond.items()
            if keys not in chosen
        }
        if not left:
            break
        chosen.append(max(left, key=lambda keys: (left[keys], keys)))
        used.update(chosen[-1])
    for field in fields:
        key = f"{field}__key"
        free = [keys for keys in beyond if key not in keys]
        if all(key in keys for keys in chosen) and free:
            chosen.append(max(free, key=lambda keys: (beyond[keys], keys)))
    return tuple(chosen)
