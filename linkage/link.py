"""Runs one entity type after another from landed files to clusters, and tells stewards what waits for them.

Reads: landed files, rules, decisions. Writes: every table of linkage, the review queue, main.linked.

`main.linked` says what an entity type was linked from and is written last: after a run that died it is
missing, and after a new file, rule or decision it no longer fits, so nothing half-linked or out of date is
ever planned or published.
"""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, field
from datetime import date
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import duckdb

from linkage import frequencies, ingest, touched
from linkage.block import RulePairs, block
from linkage.changes import cluster_changes, match_changes
from linkage.cluster import ClusterCounts, cluster
from linkage.decisions import DecisionStore
from linkage.frequencies import path_of
from linkage.kernel import store
from linkage.kernel.match import Kernel
from linkage.progress import SILENT, Reporter
from linkage.references import group, has_table
from linkage.renewal import renew
from linkage.score import score
from linkage.sql import checkpoint_later, number
from linkage.standardize import compose
from linkage.values import First, read_fields
from linkage.waiting import fill_queue
from linkage.workspace import Workspace, use_entity
from rules.columns import quote
from rules.errors import NotFoundError, RefusedError
from rules.model import EntityRules, Rules

if TYPE_CHECKING:
    from linkage.spark.engine import Spark

DISK_PER_RECORD = 2100 + 900  # bytes: the work database with its spill folder, and the packed store
MOST_CHANGED = 0.2  # of the records: beyond that matching all of them costs less than looking for what changed
Engine = Literal["kernel", "splink", "spark"]
Step = Callable[[str, int | None, bool], AbstractContextManager[Callable[[int], None]]]


@dataclass(frozen=True)
class LinkReport:
    """One linked entity type; `seconds` by step, `blocking` the pairs that each rule makes on its own.

    `changed` counts the records that came, went or say something else since the run before; None: all were linked
    anew. Where it is a number, `blocking` and `candidate_pairs` are those that these records called for.
    """

    entity: str
    records: int
    quarantined: int
    findings: int
    blocking: tuple[RulePairs, ...]
    candidate_pairs: int
    accepted: int
    waiting: int
    refused: int
    clusters: int
    changed: int | None = None
    seconds: dict[str, float] = field(default_factory=dict)


def link(
    con: duckdb.DuckDBPyConnection,
    ws: Workspace,
    rules: Rules,
    decisions: DecisionStore,
    as_of: date,
    reporter: Reporter = SILENT,
    only: Iterable[str] = (),
    engine: Engine = "kernel",
    full: bool = False,
    master: str | None = None,
) -> list[LinkReport]:
    """Link every entity type that has records (or those of `only`), in the order of the rules.

    `engine` says what executes the model: the kernel over arrays, Splink over SQL, or the kernel in the tasks of Spark
    (`master` says where). The kernel takes up what the last run left and treats what changed since, unless `full`. The
    result is always the same.

    Raises:
        NotFoundError: nothing is loaded, or an entity type is unknown or has no records.
        RefusedError: weights are missing, blocking exceeds its budget, or decisions contradict each other.
    """
    ingest.reload_landed(con, ws, rules)
    wanted = chosen(con, rules, only)
    # Read before the work begins: what a steward decides meanwhile makes the result out of date, not part of it.
    last_decision = decisions.last_id()
    _prepare_marks(con)
    spark = spark_of(ws, master) if engine == "spark" else None
    reports = []
    for one in wanted:
        if one.weights is None:
            raise RefusedError(f"{one.name} has no trained weights; run 'shuyuan train {one.name}' first")
        before = con.execute("delete from main.linked where entity = ? returning basis, batch", [one.name]).fetchall()
        kept = not full and engine == "kernel" and [by for by, _ in before] == [basis(rules, one)]
        since = before[0][1] if kept else None
        with nullcontext() if since is None else checkpoint_later(con):
            reports.append(
                _link_one(con, ws, rules, one, decisions, as_of, reporter, engine, since, spark, last_decision)
            )
        batch = number(con, "select max(batch_id) from batch")
        said = [one.name, fingerprint(con, rules, one, last_decision, as_of), as_of, basis(rules, one), batch]
        con.execute("insert into main.linked values (?, ?, ?, ?, ?)", said)
        con.execute("checkpoint")
    if spark is not None:
        spark.clear()
    return reports


def spark_of(ws: Workspace, master: str | None) -> Spark:
    """Spark, of which nothing is imported unless it is asked for."""
    from linkage.spark.engine import Spark

    return Spark(ws.root, master)


def _prepare_marks(con: duckdb.DuckDBPyConnection) -> None:
    """Make `main.linked`; a work database of before gets the columns that it lacks."""
    con.execute("create table if not exists main.linked (entity varchar primary key, inputs varchar, as_of date)")
    con.execute("alter table main.linked add column if not exists basis varchar")
    con.execute("alter table main.linked add column if not exists batch integer")


def basis(rules: Rules, one: EntityRules) -> str:
    """One hash over what must be the same for the last run's pairs to count still: program, rules and frequencies."""
    said = [version("shuyuan"), rules.sha256, _frozen(one)]
    return hashlib.sha256(json.dumps(said).encode()).hexdigest()


def prepare(
    con: duckdb.DuckDBPyConnection,
    rules: Rules,
    one: EntityRules,
    as_of: date,
    since: int | None = None,
    first: First | None = None,
) -> None:
    """Build `standard` of an entity type, its references resolved by the entity types that were linked before.

    `since` says that it stands as the last run of `link` left it, by the same rules, after that batch was loaded.
    `first` reads the texts of a field where none were read before.

    Raises:
        RefusedError: one that it refers to has records and is not linked as of the same day.
    """
    linked_on = {}
    if has_table(con, "main", "linked"):
        linked_on = dict(con.execute("select entity, as_of from main.linked").fetchall())
    for other in chosen_with_records(con, rules):
        if other.name in one.needs and linked_on.get(other.name) != as_of:
            raise RefusedError(f"{one.name} refers to {other.name}, which is not linked as of {as_of}; link it first")
    if linked_on and since is None:
        _prepare_marks(con)
        con.execute("update main.linked set basis = null where entity = ?", [one.name])
    use_entity(con, one.name)
    group(con, one, rules.entities)
    anew = read_fields(con, one, rules.folder, as_of, rules.entities, first)
    if since is None or anew or not renew(con, one, since):
        compose(con, one, kept=since is not None)


def standardized(
    con: duckdb.DuckDBPyConnection, ws: Workspace, rules: Rules, decisions: DecisionStore, name: str, as_of: date
) -> tuple[EntityRules, bool]:
    """Turn to an entity type whose `standard` is that of the files and rules that are there; whether it is linked.

    What `link` left is used as it is where it fits; else `standard` is made as of a day, and nothing is matched.

    Raises:
        NotFoundError: there is no such entity type, or it has no records.
    """
    ingest.reload_landed(con, ws, rules)
    one = chosen(con, rules, [name])[0]
    marks = []
    if has_table(con, "main", "linked"):
        marks = con.execute("select inputs, as_of from main.linked where entity = ?", [one.name]).fetchall()
    fits = [inputs == fingerprint(con, rules, one, decisions.last_id(), day) for inputs, day in marks]
    if fits != [True]:
        prepare(con, rules, one, as_of)
    use_entity(con, one.name)
    return one, fits == [True]


def chosen(con: duckdb.DuckDBPyConnection, rules: Rules, only: Iterable[str] = ()) -> list[EntityRules]:
    """The entity types to work on: those named, else all that have records (NotFoundError where none)."""
    named = list(only)
    unknown = [name for name in named if name not in rules.entities]
    if unknown:
        raise NotFoundError(f"no entity type {unknown[0]!r}; the rules have {', '.join(rules.entities)}")
    found = [one for one in chosen_with_records(con, rules) if not named or one.name in named]
    missing = [name for name in named if name not in {one.name for one in found}]
    if missing or not found:
        raise NotFoundError(f"no records of {', '.join(missing) or 'any entity type'}; run 'shuyuan load' first")
    return found


def chosen_with_records(con: duckdb.DuckDBPyConnection, rules: Rules) -> list[EntityRules]:
    """The entity types for which something was loaded, or whose sources are made of such a one's records."""
    found: dict[str, EntityRules] = {}
    for one in rules.entities.values():
        ingest.prepare(con, one)
        made_of = [source.grouped for source in one.sources.sources.values() if source.grouped]
        delivered = number(con, "select count(*) from batch") + sum(
            number(con, f"select count(*) from {quote(g.entity)}.batch where source = $source", source=g.source)
            for g in made_of
            if g.entity in rules.entities
        )
        if delivered:
            found[one.name] = one
    return list(found.values())


def fingerprint(con: duckdb.DuckDBPyConnection, rules: Rules, one: EntityRules, last_decision: int, as_of: date) -> str:
    """One hash over everything the clusters of an entity type are a function of; its tables are there (`chosen`)."""
    behind = [fingerprint(con, rules, rules.entities[name], last_decision, as_of) for name in sorted(one.needs)]
    use_entity(con, one.name)
    files = con.execute("select source, sha256, observed_on::varchar from batch order by all").fetchall()
    said = [rules.sha256, _frozen(one), str(as_of), last_decision, [list(row) for row in files], behind]
    return hashlib.sha256(json.dumps(said).encode()).hexdigest()


def _frozen(one: EntityRules) -> str:
    path = path_of(one)
    return hashlib.sha256(path.read_bytes()).hexdigest() if path.exists() else ""


def linked(con: duckdb.DuckDBPyConnection, rules: Rules, decisions: DecisionStore) -> tuple[list[EntityRules], date]:
    """The linked entity types in the order of the rules, and the day as of which they were linked.

    Raises:
        NotFoundError: nothing was linked.
        RefusedError: something has records but is not linked, or was linked from other inputs.
    """
    _prepare_marks(con)
    found = con.execute("select entity, inputs, as_of from main.linked").fetchall()
    if not found:
        raise NotFoundError("nothing is linked; run 'shuyuan load' and 'shuyuan link' first")
    marks = {name: (inputs, as_of) for name, inputs, as_of in found}
    loaded = chosen(con, rules)
    days = sorted({as_of for _, as_of in marks.values()})
    for one in loaded:
        mark = marks.get(one.name)
        if mark is None or mark[0] != fingerprint(con, rules, one, decisions.last_id(), mark[1]):
            raise RefusedError(
                f"{one.name} is not linked from what is there now: files, rules or decisions changed since, "
                "or a run was broken off; run 'shuyuan link'"
            )
    if len(days) > 1:
        raise RefusedError(f"entity types were linked as of different days ({days[0]}, {days[-1]}); run 'shuyuan link'")
    return loaded, days[0]


def disk_needed(con: duckdb.DuckDBPyConnection, entities: Iterable[EntityRules]) -> int:
    """Bytes that linking may take in the work database, its spill folder and the packed store."""
    total = 0
    for one in entities:
        use_entity(con, one.name)
        total += number(con, "select coalesce(sum(rows), 0) from batch")
    return total * DISK_PER_RECORD


def _link_one(
    con: duckdb.DuckDBPyConnection,
    ws: Workspace,
    rules: Rules,
    one: EntityRules,
    decisions: DecisionStore,
    as_of: date,
    reporter: Reporter,
    engine: Engine,
    since: int | None,
    spark: Spark | None,
    last_decision: int,
) -> LinkReport:
    use_entity(con, one.name)
    seconds: dict[str, float] = {}

    @contextmanager
    def step(name: str, total: int | None = None, watched: bool = True) -> Iterator[Callable[[int], None]]:
        began = time.perf_counter()
        with reporter.step(f"{one.name}: {name}", total, con if watched and total is None else None) as advance:
            yield advance
        seconds[name] = round(time.perf_counter() - began, 2)

    with step("standardize"):
        prepare(con, rules, one, as_of, since, spark.reading(con, one, rules.folder, as_of) if spark else None)
    changed = None if since is None else _changed(con)
    far = None
    if changed is not None:
        with step("block and score", watched=False):
            estimates, compared = match_changes(con, one, ws.packed / one.name)
        kernel = None
    else:
        touched.forget(con)
        frequencies.load(con, one)
        if spark is not None:
            far = spark.linking(con, one, fingerprint(con, rules, one, last_decision, as_of))
        estimates, compared, kernel = (*far.match(step), None) if far else _match(con, one, engine, step)
    with step("cluster", watched=False):
        if changed is not None:
            named = {subject for said in decisions.entries(one.name, withdrawn=True) for subject in said.subjects}
            counts = cluster_changes(con, one, decisions.replay(one.name), named, decisions.pinned(one.name))
        elif far is not None:
            counts = far.cluster(decisions.replay(one.name), decisions.pinned(one.name))
        else:
            counts = cluster(con, one, decisions.replay(one.name), decisions.pinned(one.name))
    with step("match index", watched=False):
        _pack(con, one, ws.packed / one.name, kernel, changed is None, basis(rules, one), as_of)
    with step("review queue", watched=False):
        waiting = fill_queue(con, one, decisions, as_of)
    return _report(con, one, estimates, compared, counts, waiting, changed, seconds)


def _match(
    con: duckdb.DuckDBPyConnection, one: EntityRules, engine: Engine, step: Step
) -> tuple[list[RulePairs], int, Kernel | None]:
    """Match all records; gives the pairs that each rule makes, how many were compared, and what the kernel read."""
    if engine == "kernel":
        with step("block", None, False):
            kernel = Kernel(con, one)
        with step("score", kernel.looks, True) as advance:
            compared = kernel.match(advance)
        kernel.forget_blocks()
        return kernel.estimates, compared, kernel
    with step("block", None, True):
        estimates = block(con, one)
    pairs = number(con, "select pairs from candidate_total")
    with step("score", pairs, True) as advance:
        score(con, one, advance)
    return estimates, pairs, None


def _pack(
    con: duckdb.DuckDBPyConnection,
    one: EntityRules,
    folder: Path,
    kernel: Kernel | None,
    anew: bool,
    made_with: str,
    as_of: date,
) -> None:
    """Write the packed store of all records where what changed was not added to it, or was too often."""
    made = store.Made.read(folder)
    if anew or made is None or made.basis != made_with or made.outgrown:
        store.write(con, one, kernel, folder, made_with, as_of)


def _changed(con: duckdb.DuckDBPyConnection) -> int | None:
    """How many records changed; None where they are so many that all are matched anew."""
    changed = number(con, "select count(*) from (from came union from gone)")
    return changed if changed <= MOST_CHANGED * number(con, "select count(*) from standard") else None


def _report(
    con: duckdb.DuckDBPyConnection,
    one: EntityRules,
    estimates: list[RulePairs],
    compared: int,
    counts: ClusterCounts,
    waiting: int,
    changed: int | None,
    seconds: dict[str, float],
) -> LinkReport:
    records = number(con, "select count(*) from standard")
    return LinkReport(
        entity=one.name,
        records=records,
        quarantined=number(con, "select count(distinct record_id) from quarantine"),
        findings=number(con, "select count(*) from finding"),
        blocking=tuple(estimates),
        candidate_pairs=compared,
        accepted=number(con, "select count(*) from candidate_pair where verdict = 'accept'"),
        waiting=waiting,
        refused=counts.refused,
        clusters=counts.clusters,
        changed=changed,
        seconds=seconds,
    )
