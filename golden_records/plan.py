"""What a publication would change, worked out before anything is published.

Reads: cluster, standard, decisions and the current release. Writes: the golden tables of every entity type
and main.plan, where `publish` (another process, perhaps another day) finds it again, and plan.json, which tells it to
whoever must not wait for the work database.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Sequence
from contextlib import nullcontext
from dataclasses import asdict, dataclass, field, replace
from datetime import date
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import duckdb

from golden_records import limits
from golden_records.affected import choose, clear, gather, put_back, remember_days, take_decided, tell, within
from golden_records.census import take_census
from golden_records.changes import tell_changes
from golden_records.deliveries import hear
from golden_records.drift import count_levels
from golden_records.far import survive_far
from golden_records.golden_checks import check_golden
from golden_records.identity import Issuer, identify
from golden_records.ids import create_macros
from golden_records.lifecycle import ILLEGAL, live
from golden_records.lookup import index_identifiers
from golden_records.manifest import (
    EntityState,
    Manifest,
    current_release,
    read_manifest,
    releases_of,
    software_version,
)
from golden_records.preferences import ranked
from golden_records.quality import measure
from golden_records.relations import CIRCLE, LATE_UNKNOWN, relate, relate_again
from golden_records.segments import table_sql
from golden_records.sql import run
from golden_records.strength import strengthen
from golden_records.survivorship import survive
from linkage import touched
from linkage.decisions import DecisionStore
from linkage.link import fingerprint, linked
from linkage.progress import SILENT, Reporter
from linkage.references import has_table
from linkage.sql import number, transaction
from linkage.workspace import Workspace, use_entity, write_atomically
from rules.errors import NotFoundError, RefusedError
from rules.model import EntityRules, Rules

if TYPE_CHECKING:
    from linkage.spark.engine import Spark

VALUES = "values"
PREVIOUS = ("crosswalk", "golden", "redirect", "relation")
SUMMARY = "plan.json"
EXAMPLES = 20  # of each kind of event that a summary names


@dataclass(frozen=True)
class EntityPlan:
    """One entity type: golden records, source records in them, the last serial issued, ids by event.

    `findings` are the records that each check over golden records names.
    """

    golden: int
    records: int
    serial: int
    events: dict[str, int]
    findings: dict[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class Plan:
    """The release that would be made. `exceeded` says which limits it breaks, in sentences.

    `whole` is false where only what changed since the release before was worked out.
    """

    release: int
    previous: int | None
    as_of: date
    inputs: str
    first_seq: int
    next_seq: int
    entities: dict[str, EntityPlan]
    exceeded: tuple[str, ...] = ()
    whole: bool = True

    def as_dict(self) -> dict[str, object]:
        """The plan for machines."""
        return json.loads(json.dumps(asdict(self), default=str))  # type: ignore[no-any-return]


def plan(
    con: duckdb.DuckDBPyConnection,
    ws: Workspace,
    rules: Rules,
    decisions: DecisionStore,
    reporter: Reporter = SILENT,
    full: bool = False,
    spark: Spark | None = None,
) -> Plan:
    """Work out the next release, as of the day of linking, and keep it in the work database.

    What did not change since the current release is not worked out anew, unless `full` asks for it. Where everything is
    worked out and there is `spark`, values and states are chosen and relations are found there. The result is the same.

    Raises:
        NotFoundError: nothing has been linked.
        RefusedError: what was linked is not what is there now.
    """
    entity_types, as_of = linked(con, rules, decisions)
    inputs = inputs_hash(con, ws, rules, decisions, as_of)
    before = current_release(ws.releases)
    manifest = read_manifest(ws.releases / str(before)) if before is not None else None
    whole = full or not _continues(con, ws, rules, entity_types, as_of, manifest)
    far = spark if whole else None
    # From here on the golden tables are of no release, until the plan is kept again.
    con.execute("drop table if exists main.plan")
    (ws.root / SUMMARY).unlink(missing_ok=True)
    release = next_release(ws)
    seq = first_seq = manifest.next_seq if manifest else 1
    entities: dict[str, EntityPlan] = {}
    exceeded: list[str] = []
    serials: dict[str, int] = {}
    create_macros(con)
    for one in entity_types:
        known = _open(con, ws, one.name, manifest)
        _forget_findings(con, one)
        if not whole:
            remember_days(con)
        hear(con, one, as_of)
        take_decided(con, decisions, one.name)
        _take_values(con, decisions, one.name)
        numbered = 0
        if not whole:
            with reporter.step(f"{one.name}: what changed", con=con):
                numbered = number(con, "select max(g) from golden_number")
                choose(con, one.name)
        with nullcontext() if whole else within(con, one.name):
            with reporter.step(f"{one.name}: ids"):
                counter = known.serial if known else 0
                serials[one.name] = identify(con, Issuer(one.entity.prefix, ws.node, counter, release, as_of, numbered))
            with reporter.step(f"{one.name}: values and states", con=con):
                if far:
                    survive_far(con, far.shelf(con, one.name, VALUES, inputs), one, as_of, release)
                else:
                    survive(con, one, as_of, release)
                strengthen(con, decisions, one.name)
            index_identifiers(con, one.entity)
        if not whole:
            put_back(con, one.name)
        con.execute("create or replace table decided as from decided_now")
    others = {other.name: other for other in entity_types}
    if not whole:
        gather(con, others)
    for one in entity_types:
        known = _open(con, ws, one.name, manifest)
        with reporter.step(f"{one.name}: relations and changes"):
            if whole:
                shelf_of = partial(far.shelf, con, one.name, inputs=inputs) if far else None
                relate(con, one, others, as_of, shelf_of)
                live(con, one)
                con.execute("drop table if exists replaced")
                events = tell_changes(con, release, seq, as_of)
            else:
                relate_again(con, one, others, as_of)
                con.execute("create or replace temp table held_state as from state")
                live(con, one)
                events = tell(con, one.name, release, seq, as_of, known.golden if known else 0)
        counts = con.execute(
            "select (select count(*) from golden), (select count(*) from member), (select count(*) from change)"
        ).fetchall()[0]
        seq += counts[2]
        entities[one.name] = EntityPlan(counts[0], counts[1], serials[one.name], events)
        exceeded += limits.exceeded(con, one, events, known.golden if known else 0)
    for one in entity_types:
        if one.entity.golden_checks:
            use_entity(con, one.name)
            with reporter.step(f"{one.name}: checks over golden records"):
                entities[one.name] = replace(entities[one.name], findings=check_golden(con, one))
    for one in entity_types:
        use_entity(con, one.name)
        with reporter.step(f"{one.name}: quality", con=con), transaction(con):
            measure(con, one, as_of)
            take_census(con, one, len(decisions.queue(one.name)))
            count_levels(con, one)
        touched.settle(con)
        clear(con, one.name)
    found = Plan(
        release,
        before,
        as_of,
        inputs,
        first_seq,
        seq,
        entities,
        tuple(exceeded),
        whole,
    )
    con.execute("create or replace table main.plan (document varchar)")
    con.execute("insert into main.plan values (?)", [json.dumps(found.as_dict())])
    write_atomically(ws.root / SUMMARY, json.dumps(found.as_dict() | {"examples": _examples(con, entities)}))
    if spark is not None:
        spark.clear()
    return found


def read_summary(ws: Workspace) -> dict[str, Any] | None:
    """What the last plan says (`Plan.as_dict`), with `examples`: entity type -> [[kind, golden id, into id], …].

    None where nothing is planned. Nobody needs the work database for it.
    """
    try:
        told: dict[str, Any] = json.loads((ws.root / SUMMARY).read_text("utf-8"))
    except FileNotFoundError:
        return None
    return told


def _examples(con: duckdb.DuckDBPyConnection, entities: Iterable[str]) -> dict[str, Any]:
    """The first events of each kind, by entity type."""
    found = {}
    for name in entities:
        use_entity(con, name)
        found[name] = con.execute(
            "select kind, golden_id, into_id from change "
            "qualify row_number() over (partition by kind order by seq) <= ? order by seq",
            [EXAMPLES],
        ).fetchall()
    return found


def _continues(
    con: duckdb.DuckDBPyConnection,
    ws: Workspace,
    rules: Rules,
    entity_types: Sequence[EntityRules],
    as_of: date,
    manifest: Manifest | None,
) -> bool:
    """Whether the work database holds what the current release says, and it is known what changed since."""
    try:
        held = read_plan(con)
    except NotFoundError:
        return False
    if manifest is None or manifest.rollback_of is not None:
        return False
    if (held.release, held.inputs) != (manifest.release, manifest.inputs):
        return False
    if (manifest.rules, manifest.software, manifest.node) != (rules.sha256, software_version(), ws.node):
        return False
    if {one.name for one in entity_types} != set(held.entities):
        return False
    for one in entity_types:
        use_entity(con, one.name)
        if not touched.known(con) or ranked(one, as_of) != ranked(one, held.as_of):
            return False
    return True


def _forget_findings(con: duckdb.DuckDBPyConnection, rules: EntityRules) -> None:
    """Delete what an earlier plan found, or it would speak of the values of this one."""
    own = [CIRCLE, LATE_UNKNOWN, ILLEGAL, *(check.rule for check in rules.entity.golden_checks)]
    con.execute("delete from finding where list_contains($own, rule)", {"own": own})


def read_plan(con: duckdb.DuckDBPyConnection) -> Plan:
    """The plan that was made last. Raises NotFoundError where there is none."""
    if not has_table(con, "main", "plan"):
        raise NotFoundError("nothing is planned; run 'shuyuan plan' first")
    said = json.loads(con.execute("select document from main.plan").fetchall()[0][0])
    said["as_of"] = date.fromisoformat(said["as_of"])
    said["entities"] = {name: EntityPlan(**one) for name, one in said["entities"].items()}
    said["exceeded"] = tuple(said["exceeded"])
    return Plan(**said)


def inputs_hash(
    con: duckdb.DuckDBPyConnection, ws: Workspace, rules: Rules, decisions: DecisionStore, as_of: date
) -> str:
    """One hash over everything a release is a function of."""
    said: list[object] = [ws.node, current_release(ws.releases), software_version()]
    said += [fingerprint(con, rules, one, decisions.last_id(), as_of) for one in linked(con, rules, decisions)[0]]
    return hashlib.sha256(json.dumps(said).encode()).hexdigest()


def next_release(ws: Workspace) -> int:
    """The number of the next release: one more than any there ever was in this workspace.

    Raises:
        RefusedError: there are releases, but `current` is gone: ids would be issued a second time.
    """
    found = releases_of(ws.releases)
    if found and current_release(ws.releases) is None:
        raise RefusedError(
            f"{ws.releases / 'current'} is missing, the last release is {found[-1]}; make `current` a link to it again"
        )
    return max(found, default=0) + 1


def _open(con: duckdb.DuckDBPyConnection, ws: Workspace, name: str, manifest: Manifest | None) -> EntityState | None:
    """Turn to an entity type: its schema, and what the release before says of it."""
    use_entity(con, name)
    known = manifest.entities.get(name) if manifest else None
    open_previous(con, ws.releases / str(manifest.release) / name if manifest and known else None)
    return known


def open_previous(con: duckdb.DuckDBPyConnection, folder: Path | None) -> None:
    """Make the previous_ views: of the release's folder of this entity type, or empty ones."""
    run(con, "previous")
    if folder is not None:
        for name in PREVIOUS:
            con.execute(f"create or replace temp view previous_{name} as from {table_sql(folder, name)}")


def _take_values(con: duckdb.DuckDBPyConnection, decisions: DecisionStore, entity: str) -> None:
    con.execute(
        "create or replace temp table value_decision "
        "(source varchar, source_key varchar, field varchar, number integer)"
    )
    for position, said in enumerate(decisions.values(entity)):
        con.execute("insert into value_decision values (?, ?, ?, ?)", [*said.subject, said.field, position])
