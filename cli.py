"""The command line `shuyuan`: one short function per verb; errors become exit codes here and nowhere else.

stdout is data (a table for people, one JSON document with --json), stderr is everything else. Personal data
is masked in both unless --unmask REASON is given, and the reason goes into the audit trail first.

Exit codes: 0 done · 1 unexpected · 2 usage or rules · 3 input · 4 refused · 5 not found.
"""

from __future__ import annotations

import csv
import dataclasses
import errno
import json
import os
import shutil
import sqlite3
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Annotated, Any, Literal

import duckdb
import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.table import Table
from typer.core import TyperGroup

from demo import journey
from golden_records import accuracy, masking
from golden_records import export as exports
from golden_records import release as releases
from golden_records.manifest import software_version
from golden_records.plan import Plan, plan, read_plan
from golden_records.query import Release
from golden_records.status import status as read_status
from linkage import backup as backups
from linkage import ingest
from linkage import link as links
from linkage.audit_trail import AuditTrail
from linkage.cases import run_cases
from linkage.cluster import SourceRecord
from linkage.decisions import Decision, DecisionStore, Waiting
from linkage.link import Engine
from linkage.standardize import keys_of
from linkage.train import train as train_weights
from linkage.workspace import Workspace, use_entity
from rules.checks import warnings
from rules.errors import InputError, NotFoundError, RefusedError, ShuyuanError
from rules.loader import SHIPPED, load_rules
from rules.model import EntityRules, Rules


class Output(Console):
    """stdout; a reader that has seen enough, such as `head`, is nothing unexpected."""

    def on_broken_pipe(self) -> None:
        raise BrokenPipeError


out = Output(highlight=False, width=None if sys.stdout.isatty() else 180)
err = Console(stderr=True, highlight=False, soft_wrap=True)


class Verbs(TyperGroup):
    """Turns the errors that Shuyuan raises on purpose into a sentence and an exit code."""

    def invoke(self, ctx: Any) -> Any:
        try:
            return super().invoke(ctx)
        except ShuyuanError as error:
            err.print(f"[red]error[/red] {_plain(str(error))}")
            raise typer.Exit(error.exit_code) from None
        except BrokenPipeError:
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            raise typer.Exit(0) from None
        except (OSError, sqlite3.OperationalError, duckdb.Error) as error:
            if not _disk_full(error):
                raise
            err.print(
                f"[red]error[/red] the disk is full or fails ({_plain(str(error).splitlines()[0])}); what was "
                "published and decided is as it was. Free disk space and run the command again"
            )
            raise typer.Exit(RefusedError.exit_code) from None


app = typer.Typer(cls=Verbs, no_args_is_help=True, pretty_exceptions_enable=False, add_completion=False, help=__doc__)
rules_app = typer.Typer(no_args_is_help=True, help="Check the rules.")
decide_app = typer.Typer(no_args_is_help=True, help="Record what a steward decided about source records.")
audit_app = typer.Typer(no_args_is_help=True, help="Read and verify the audit trail.")
app.add_typer(rules_app, name="rules")
app.add_typer(decide_app, name="decide")
app.add_typer(audit_app, name="audit")

Place = Annotated[Path, typer.Option("--workspace", "-w", envvar="SHUYUAN_WORKSPACE", help="The workspace folder.")]
AsJson = Annotated[bool, typer.Option("--json", help="One JSON document on stdout.")]
Unmask = Annotated[str | None, typer.Option("--unmask", metavar="REASON", help="Show clear text; kept for audit.")]
AsOf = Annotated[datetime | None, typer.Option("--as-of", formats=["%Y-%m-%d"], help="A day; default: today.")]
Number = Annotated[int | None, typer.Option("--release", help="A release number; default: the current one.")]
EntityOption = Annotated[str, typer.Option("--entity", "-e", help="The entity type.")]
Reason = Annotated[str, typer.Option("--reason", help="Why; kept with the decision.")]
Steward = Annotated[str, typer.Option("--steward", help="Who decides; default: the system user.")]
HERE = Path()


# ── setting up ───────────────────────────────────────────────────────────────────────────────────────


@app.command()
def init(
    folder: Annotated[Path, typer.Argument(help="A new or empty folder.")],
    node: Annotated[str, typer.Option(help="Two digits: who issues the ids (00 = the ministry).")] = "00",
    rules: Annotated[Path | None, typer.Option(help="A rules folder; default: the shipped rules.")] = None,
    as_json: AsJson = False,
) -> None:
    """Make a workspace."""
    ws = Workspace.create(folder, node, rules)
    known = ws.load_rules()
    AuditTrail(ws.decisions).append("init", {"node": node, "rules": known.sha256})
    document = {"workspace": str(folder), "node": node, "entities": list(known.entities)}
    _say(as_json, document, [f"{folder} is a workspace of node {node} for {', '.join(known.entities)}."])


@app.command()
def demo(
    workspace: Place = Path("demo-workspace"),
    size: Annotated[int, typer.Option(min=100, help="Person records to generate.")] = 20_000,
    seed: int = 1,
    without: Annotated[list[str] | None, typer.Option(help="An error kind to leave out; may be repeated.")] = None,
    as_json: AsJson = False,
) -> None:
    """Generate a made-up population with known truth and take it all the way to a release."""
    ws = Workspace.create(workspace)
    done = journey.run(ws, size, seed, Bars(), without or ())
    if as_json:
        return _json(done)
    columns = ("records", "findings", "candidate_pairs", "golden", "merged", "waiting", "precision", "recall")
    rows = [[name, *(_number(one[c]) for c in columns)] for name, one in done["entities"].items()]
    _table(f"release {done['release']}", ("entity", *columns), rows)
    for name, one in done["entities"].items():
        if one["by_error"]:
            told = [
                [kind, *(_number(said[n]) for n in ("records", "recall", "true_values"))]
                for kind, said in one["by_error"].items()
            ]
            _table(f"{name}, by kind of error", ("error", "records", "recall", "true golden values"), told)
        if one["true_values"] is not None:
            out.print(f"{name}: {one['true_values']:.2%} of the golden records have only true values.")
    told = [
        [kind, *(_number(said[n]) for n in ("published", "precision", "expected", "recall"))]
        for kind, said in done["relations"]["by_type"].items()
    ]
    _table("relations", ("type", "published", "precision", "in the truth", "recall"), told)
    states = ", ".join(f"{name} {said['share']:.2%}" for name, said in done["states"]["by_entity"].items())
    out.print(f"right states: {states}")
    example = done["example"]
    program = "shuyuan" if shutil.which("shuyuan") else sys.argv[0]
    key = f"--entity {example['entity']} --source {example['source']} --key {example['source_key']}"
    out.print("\nLook further:")
    for command in (f"show {example['golden_id']}", f"related {example['golden_id']} --depth 2", f"find {key}"):
        out.print(f"  {program} {command} --workspace {workspace}")
    out.print(f"\nDelivered files and truth: {done['files']}\nRelease: {ws.releases / 'current'}")


@rules_app.command("check")
def rules_check(
    workspace: Place = HERE,
    rules: Annotated[Path | None, typer.Option(help="A rules folder; default: the workspace's.")] = None,
    as_of: AsOf = None,
    as_json: AsJson = False,
) -> None:
    """List every problem of the rules, and every case that does not come out as expected."""
    folder = rules or (workspace / "rules" if (workspace / "shuyuan.toml").exists() else SHIPPED)
    known = load_rules(folder)
    for doubt in warnings(known):
        err.print(f"note: {_plain(str(doubt))}")
    failed, count = [], 0
    for one in known.entities.values():
        if one.weights is not None and one.cases:
            with Bars().step(f"{one.name}: {len(one.cases)} cases"):
                results = run_cases(one, folder, _day(as_of))
            count += len(results)
            failed += [f"{one.name}/cases.toml: {result}" for result in results if not result.passed]
    document = {"rules": str(folder), "sha256": known.sha256, "entities": list(known.entities), "cases": count}
    lines = [f"{folder}: {', '.join(known.entities)}; {count} cases, {len(failed)} not as expected", *failed]
    _say(as_json, document | {"failed": failed}, lines)
    if failed:
        raise typer.Exit(2)


# ── one batch ────────────────────────────────────────────────────────────────────────────────────────


@app.command()
def load(
    paths: Annotated[list[Path], typer.Argument(help="Files, or folders of files.")],
    workspace: Place = HERE,
    source: Annotated[str | None, typer.Option(help="The source; default: by the file's name.")] = None,
    entity: Annotated[
        str | None, typer.Option("--entity", "-e", help="Its entity type, where several have it.")
    ] = None,
    observed_on: Annotated[datetime | None, typer.Option(formats=["%Y-%m-%d"], help="The day it speaks of.")] = None,
    rejects: Annotated[Path | None, typer.Option(help="Write the rejected rows to this CSV file.")] = None,
    as_json: AsJson = False,
) -> None:
    """Land files and take in their rows. Nothing is lost: what is rejected is kept with its line and reason."""
    files = _files(paths)
    reports, refused = [], []
    with _batch(workspace, "load") as batch:
        _disk(workspace, sum(ingest.disk_needed(path) for path in files if path.is_file()))
        with Bars().step("load", len(files)) as advance:
            for path in files:
                try:
                    reports.append(_load(batch, path, entity, source, observed_on.date() if observed_on else None))
                except InputError as error:
                    refused.append({"file": path.name, "reason": str(error)})
                    batch.trail.append("load refused", refused[-1])
                advance(1)
        if rejects is not None:
            _write_rejects(batch, rejects, reports)
    document = {"loaded": [dataclasses.asdict(report) for report in reports], "refused": refused}
    if as_json:
        _json(document)
    elif reports:
        names = ("file", "entity", "source", "read", "new", "unchanged", "deleted", "rejected", "withdrawn")
        said = [[_cell(getattr(report, name)) for name in names] for report in reports]
        _table(
            "loaded",
            names,
            [[*row[:3], "already loaded"] if r.already else row for row, r in zip(said, reports, strict=True)],
        )
    if refused:
        raise InputError("\n".join(one["reason"] for one in refused))


@app.command()
def train(
    entity: Annotated[str, typer.Argument(help="The entity type.")],
    workspace: Place = HERE,
    as_of: AsOf = None,
    as_json: AsJson = False,
) -> None:
    """Estimate the weights of an entity type from the loaded records and freeze value frequencies."""
    with _batch(workspace, "train") as batch:
        ingest.reload_landed(batch.con, batch.ws, batch.rules)
        one = links.chosen(batch.con, batch.rules, [entity])[0]
        use_entity(batch.con, one.name)
        bars = Bars()
        with bars.step(f"{entity}: standardize", con=batch.con):
            links.prepare(batch.con, batch.rules, one, _day(as_of))
        report = train_weights(batch.con, one, bars)
        batch.trail.append("train", {"entity": entity, "records": report.records})
    document = {
        "entity": entity,
        "records": report.records,
        "levels": [dataclasses.asdict(level) for level in report.levels],
    }
    if as_json:
        return _json(document)
    rows = [
        [one.comparison, one.label, f"{one.m:.6g}", f"{one.u:.6g}", "" if one.observed else "default"]
        for one in report.levels
    ]
    _table(f"{entity}: weights from {report.records:,} records", ("comparison", "level", "m", "u", ""), rows)


@app.command()
def link(
    entities: Annotated[list[str] | None, typer.Argument(help="Entity types; default: all that have records.")] = None,
    workspace: Place = HERE,
    as_of: AsOf = None,
    engine: Annotated[Engine, typer.Option(help="What executes the model; both give the same result.")] = "kernel",
    as_json: AsJson = False,
) -> None:
    """Decide which records are the same entity, from landed files to clusters."""
    with _batch(workspace, "link") as batch:
        ingest.reload_landed(batch.con, batch.ws, batch.rules)
        chosen = links.chosen(batch.con, batch.rules, entities or ())
        _disk(workspace, links.disk_needed(batch.con, chosen))
        reports = links.link(
            batch.con, batch.ws, batch.rules, batch.decisions, _day(as_of), Bars(), [one.name for one in chosen], engine
        )
    if as_json:
        return _json([dataclasses.asdict(report) for report in reports])
    names = ("records", "quarantined", "findings", "candidate_pairs", "accepted", "waiting", "refused", "clusters")
    rows = [[report.entity, *(_number(getattr(report, name)) for name in names)] for report in reports]
    _table("linked", ("entity", *names), rows)


@app.command("plan")
def plan_command(workspace: Place = HERE, as_json: AsJson = False) -> None:
    """Work out what the next release would change."""
    with _batch(workspace, "plan") as batch:
        found = plan(batch.con, batch.ws, batch.rules, batch.decisions, Bars())
    if as_json:
        return _json(found.as_dict())
    _show_plan(found)


@app.command()
def publish(
    workspace: Place = HERE,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    force: Annotated[str | None, typer.Option(metavar="REASON", help="Publish although a limit is exceeded.")] = None,
    as_json: AsJson = False,
) -> None:
    """Audit and publish what was planned, as the next release."""
    with _batch(workspace, "publish") as batch:
        found = read_plan(batch.con)
        if not yes:
            _show_plan(found, err)
            if not sys.stdin.isatty():
                raise RefusedError("publish asks before it publishes; say --yes where nobody can answer")
            if not _agreed(f"Publish release {found.release}?"):
                raise RefusedError("you said no; nothing was published")
        number = releases.publish(batch.con, batch.ws, batch.rules, batch.decisions, found, Bars(), force)
    _say(
        as_json,
        {"release": number, "path": str(workspace / "releases" / str(number))},
        [f"release {number} is published."],
    )


@app.command()
def rollback(
    release: Annotated[int, typer.Argument(help="The release whose content comes back.")],
    workspace: Place = HERE,
    as_of: AsOf = None,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    as_json: AsJson = False,
) -> None:
    """Publish the content of an earlier release as a new one."""
    ws = Workspace.open(workspace)
    if not yes:
        if not sys.stdin.isatty():
            raise RefusedError("rollback asks before it publishes; say --yes where nobody can answer")
        if not _agreed(f"Publish the content of release {release} again?"):
            raise RefusedError("you said no; nothing was published")
    with ws.lock("rollback"):
        number = releases.rollback(ws, release, _day(as_of))
    _say(
        as_json,
        {"release": number, "rollback_of": release},
        [f"release {number} has the content of release {release}."],
    )


# ── what stewards decide ─────────────────────────────────────────────────────────────────────────────


@app.command()
def review(
    entity: Annotated[str | None, typer.Argument(help="An entity type; default: all.")] = None,
    workspace: Place = HERE,
    limit: Annotated[int, typer.Option(help="How many pairs; -1 for all.")] = 10,
    unmask: Unmask = None,
    as_json: AsJson = False,
) -> None:
    """Show pairs that wait for a decision, the heaviest first, with what each comparison weighs."""
    ws = Workspace.open(workspace)
    rules = ws.load_rules()
    shown = [_entity(rules, entity)] if entity else list(rules.entities.values())
    _unmasked(ws, unmask, "review", {"entity": entity, "limit": limit})
    store, documents = DecisionStore(ws.decisions), []
    for one in shown:
        for pair in store.queue(one.name, limit):
            documents.append(_pair_document(one, pair, unmask is not None))
    if as_json:
        return _json(documents)
    for document in documents:
        _show_pair(document, rules.entities[document["entity"]])
    if not documents:
        out.print("Nothing waits.")


def _decide(
    workspace: Path, entity: str, kind: str, records: list[str], reason: str, steward: str, payload: dict[str, Any]
) -> None:
    ws = Workspace.open(workspace)
    _entity(ws.load_rules(), entity)
    store = DecisionStore(ws.decisions)
    subjects = tuple(_record(text) for text in records)
    seen = {frozenset((w.left, w.right)): w.evidence for w in store.queue(entity)} if len(subjects) == 2 else {}
    number = store.add(
        Decision(kind, entity, subjects, reason, steward, tuple(payload.items()), seen.get(frozenset(subjects)))
    )
    AuditTrail(ws.decisions).append("decide", {"decision_id": number, "kind": kind, "entity": entity})
    out.print(f"decision {number} is kept; it counts from the next 'shuyuan link' on.")
    for source, key in _unknown(ws, entity, subjects):
        err.print(f"note: the current release has no record {source}/{key}; the decision rests until it is there")


def _unknown(ws: Workspace, entity: str, subjects: Sequence[SourceRecord]) -> list[SourceRecord]:
    """The source records that the current release does not know; none where nothing is published."""
    try:
        with Release.of(ws.releases) as published:
            return [one for one in subjects if not published.find(entity, *one)]
    except NotFoundError:
        return []


Two = Annotated[tuple[str, str], typer.Argument(metavar="SOURCE/KEY SOURCE/KEY", help="Two source records.")]
EntityName = Annotated[str, typer.Argument(metavar="ENTITY", help="The entity type.")]


@decide_app.command("same")
def decide_same(
    entity: EntityName, records: Two, reason: Reason, steward: Steward = "", workspace: Place = HERE
) -> None:
    """Two source records are one entity."""
    _decide(workspace, entity, "same", list(records), reason, steward, {})


@decide_app.command("different")
def decide_different(
    entity: EntityName, records: Two, reason: Reason, steward: Steward = "", workspace: Place = HERE
) -> None:
    """Two source records are different entities."""
    _decide(workspace, entity, "different", list(records), reason, steward, {})


@decide_app.command("unsure")
def decide_unsure(
    entity: EntityName, records: Two, reason: Reason, steward: Steward = "", workspace: Place = HERE
) -> None:
    """Leave a pair open; it waits again when one of its records changes."""
    _decide(workspace, entity, "unsure", list(records), reason, steward, {})


@decide_app.command("merge")
def decide_merge(
    entity: EntityName,
    records: Annotated[list[str], typer.Argument(metavar="SOURCE/KEY…", help="Two or more source records.")],
    reason: Reason,
    steward: Steward = "",
    workspace: Place = HERE,
) -> None:
    """All these source records are one entity."""
    _decide(workspace, entity, "merge", records, reason, steward, {})


@decide_app.command("split")
def decide_split(
    entity: EntityName,
    groups: Annotated[list[str], typer.Option("--group", metavar="S/K,S/K", help="Records that stay together.")],
    reason: Reason,
    steward: Steward = "",
    workspace: Place = HERE,
) -> None:
    """Records of one golden record are several entities, one per --group."""
    parts = [[_record(text) for text in group.split(",")] for group in groups]
    named = ["/".join(record) for part in parts for record in part]
    _decide(workspace, entity, "split", named, reason, steward, {"groups": parts})


@decide_app.command("value")
def decide_value(
    entity: EntityName,
    record: Annotated[str, typer.Argument(metavar="SOURCE/KEY", help="The record that has the right value.")],
    field: Annotated[str, typer.Argument(help="The field.")],
    reason: Reason,
    steward: Steward = "",
    workspace: Place = HERE,
) -> None:
    """The value of this record is the right one for a field of its golden record."""
    one = _entity(Workspace.open(workspace).load_rules(), entity)
    if field not in one.entity.fields:
        raise NotFoundError(f"{entity} has no field {field!r}; known are {', '.join(one.entity.fields)}")
    _decide(workspace, entity, "value", [record], reason, steward, {"field": field, "value": ""})


@decide_app.command("withdraw")
def decide_withdraw(number: int, steward: Steward = "", workspace: Place = HERE) -> None:
    """End a decision; it stays readable."""
    ws = Workspace.open(workspace)
    DecisionStore(ws.decisions).withdraw(number, steward or None)
    AuditTrail(ws.decisions).append("withdraw", {"decision_id": number})
    out.print(f"decision {number} is withdrawn.")


@decide_app.command("list")
def decide_list(
    entity: Annotated[str | None, typer.Argument(help="An entity type; default: all.")] = None,
    workspace: Place = HERE,
    withdrawn: Annotated[bool, typer.Option(help="Withdrawn ones as well.")] = False,
    as_json: AsJson = False,
) -> None:
    """List decisions, oldest first."""
    found = DecisionStore(Workspace.open(workspace).decisions).entries(entity, withdrawn)
    if as_json:
        return _json([dataclasses.asdict(one) | {"payload": dict(one.payload)} for one in found])
    rows = [
        [
            str(d.decision_id),
            d.kind,
            d.entity,
            " ".join("/".join(s) for s in d.subjects),
            d.steward,
            d.reason,
            d.decided_at,
        ]
        for d in found
    ]
    _table("decisions", ("id", "kind", "entity", "records", "steward", "reason", "decided at"), rows)


@decide_app.command("import")
def decide_import(file: Path, workspace: Place = HERE) -> None:
    """Take decisions in from a CSV file, all or none."""
    ws = Workspace.open(workspace)
    count = DecisionStore(ws.decisions).import_csv(file)
    AuditTrail(ws.decisions).append("import decisions", {"file": file.name, "count": count})
    out.print(f"{count} decisions are new; they count from the next 'shuyuan link' on.")


@decide_app.command("export")
def decide_export(
    file: Path,
    entity: Annotated[str | None, typer.Option("--entity", "-e", help="An entity type; default: all.")] = None,
    workspace: Place = HERE,
) -> None:
    """Write the decisions in force to a CSV file."""
    count = DecisionStore(Workspace.open(workspace).decisions).export_csv(file, entity)
    out.print(f"{count} decisions are in {file}.")


# ── asking a release ─────────────────────────────────────────────────────────────────────────────────


@app.command()
def show(
    golden_id: Annotated[str, typer.Argument(help="A golden id, an old one too.")],
    workspace: Place = HERE,
    release: Number = None,
    as_of: AsOf = None,
    unmask: Unmask = None,
    as_json: AsJson = False,
) -> None:
    """Show a golden record: every value, where it came from, who agrees and who differs."""
    ws = Workspace.open(workspace)
    rules = ws.load_rules()
    with Release.of(ws.releases, release) as published:
        document = published.show(golden_id.strip().upper(), as_of.date() if as_of else None)
    _unmasked(ws, unmask, "show", {"golden_id": golden_id})
    if unmask is None and document["entity"] in rules.entities:
        document = masking.mask_document(rules.entities[document["entity"]].entity, document)
    if as_json:
        return _json(document)
    _show_record(document, rules.entities.get(document["entity"]))


@app.command()
def related(
    golden_id: Annotated[str, typer.Argument(help="A golden id, an old one too.")],
    workspace: Place = HERE,
    depth: Annotated[int, typer.Option(min=1, max=6, help="How many steps to walk.")] = 1,
    release: Number = None,
    as_of: AsOf = None,
    as_json: AsJson = False,
) -> None:
    """Walk the relations around a golden record: members, heads, kin, branches, who succeeded whom."""
    with Release.of(Workspace.open(workspace).releases, release) as published:
        found = published.related(golden_id.strip().upper(), depth, as_of.date() if as_of else None)
    if as_json:
        return _json(found)
    names = ("step", "from_id", "type", "to_id", "since", "until", "source", "source_key")
    _table(f"relations of {golden_id}", names, [[_cell(one[name]) for name in names] for one in found])


@app.command()
def findings(
    entity: EntityName,
    workspace: Place = HERE,
    rule: Annotated[str | None, typer.Option(help="Only this rule: its records, one by one.")] = None,
    limit: Annotated[int, typer.Option(help="How many records; -1 for all.")] = 20,
    as_json: AsJson = False,
) -> None:
    """List what was found wrong in records: how often by rule, or with --rule the source rows."""
    with _batch(workspace, "findings") as batch:
        one = _entity(batch.rules, entity)
        use_entity(batch.con, one.name)
        found = ingest.findings(batch.con, one, rule, limit)
    if as_json:
        return _json(found)
    names = tuple(found[0]) if found else ("rule",)
    _table(f"findings of {entity}", names, [[_cell(row[name]) for name in names] for row in found])


@app.command()
def find(
    entity: EntityOption,
    workspace: Place = HERE,
    source: Annotated[str | None, typer.Option(help="A source …")] = None,
    key: Annotated[str | None, typer.Option(help="… and the key of its record.")] = None,
    field: Annotated[str | None, typer.Option(help="Or a field …")] = None,
    value: Annotated[str | None, typer.Option(help="… and a value; - reads it from stdin.")] = None,
    release: Number = None,
    as_json: AsJson = False,
) -> None:
    """Find golden ids by a source key or by a value, an old one too."""
    ws = Workspace.open(workspace)
    one = _entity(ws.load_rules(), entity)
    with Release.of(ws.releases, release) as published:
        if source is not None and key is not None:
            found = published.find(entity, source, key)
        elif field is not None and value is not None:
            if field not in one.entity.fields:
                raise NotFoundError(f"{entity} has no field {field!r}; known are {', '.join(one.entity.fields)}")
            text = sys.stdin.readline().strip() if value == "-" else value
            keys = keys_of(one, ws.rules_folder, field, text, published.manifest.as_of)
            found = published.find_value(entity, field, text, keys)
        else:
            raise typer.BadParameter("give --source and --key, or --field and --value")
    if as_json:
        _json(found)
    for row in found if not as_json else ():
        out.print(row["golden_id"])
    if not found:
        raise NotFoundError(f"no golden record of {entity} has it in this release")


@app.command()
def changes(
    workspace: Place = HERE,
    since: Annotated[int, typer.Option(help="Events after this number.")] = 0,
    entity: Annotated[str | None, typer.Option("--entity", "-e", help="An entity type; default: all.")] = None,
    limit: Annotated[int, typer.Option(help="How many at most; -1 for all.")] = -1,
    as_json: AsJson = False,
) -> None:
    """Tell what became of golden ids, event by event, for systems that follow."""
    found: list[dict[str, Any]] = []
    with Release.of(Workspace.open(workspace).releases) as published:
        for event in published.changes(since, entity):
            if limit >= 0 and len(found) >= limit:
                break
            found.append(event)
    if as_json:
        return _json(found)
    names = ("seq", "entity", "golden_id", "kind", "into_id", "release", "at")
    _table("changes", names, [[_cell(event[name]) for name in names] for event in found])


@app.command()
def export(
    entity: EntityName,
    file: Annotated[Path, typer.Argument(help="A new file.")],
    purpose: Annotated[str, typer.Option(help="What for; kept for audit.")] = "",
    form: Annotated[
        Literal["parquet", "csv"] | None, typer.Option("--format", help="Default: by the file's name.")
    ] = None,
    fields: Annotated[str, typer.Option(help="Fields, separated by commas; default: all.")] = "",
    workspace: Place = HERE,
    release: Number = None,
) -> None:
    """Write golden records to a file, in clear text, for a stated purpose."""
    ws = Workspace.open(workspace)
    chosen = form or ("csv" if file.suffix == ".csv" else "parquet")
    names = [name for name in fields.split(",") if name]
    with Release.of(ws.releases, release) as published:
        rows = exports.export(published, entity, file, purpose, AuditTrail(ws.decisions), chosen, names)
    out.print(f"{rows:,} golden records of {entity} are in {file}.")


@app.command()
def evaluate(
    entity: EntityName,
    truth: Annotated[Path, typer.Option(help="CSV: source, source_key, truth; optionally error, true_<field>.")],
    workspace: Place = HERE,
    release: Number = None,
    as_json: AsJson = False,
) -> None:
    """Judge a release against a known truth."""
    with _batch(workspace, "evaluate") as batch:
        one = _entity(batch.rules, entity)
        with Release.of(batch.ws.releases, release) as published:
            found = accuracy.evaluate(batch.con, one, batch.ws.rules_folder, published, truth)
    if as_json:
        return _json(found)
    _show_evaluation(entity, found)


# ── keeping it ───────────────────────────────────────────────────────────────────────────────────────


@app.command()
def status(workspace: Place = HERE, as_json: AsJson = False) -> None:
    """Say what is loaded, what waits, what is published and who works on it."""
    ws = Workspace.open(workspace)
    found = read_status(ws, ws.load_rules())
    if as_json:
        return _json(found)
    names = ("entity", "source", "files", "bytes", "observed_on")
    _table(f"{workspace} (node {ws.node})", names, [[_cell(row[n]) for n in names] for row in found["sources"]])
    names = ("release", "as_of", "published_at", "rollback_of", "golden")
    _table("releases", names, [[_cell(row[n]) for n in names] for row in found["releases"]])
    out.print(f"current release: {found['current'] or 'none'}; waiting: {_cell(found['waiting'])}")
    out.print(f"decisions: {_cell(found['decisions']) or 'none'}; running: {found['running'] or 'nothing'}")


@app.command()
def backup(
    file: Annotated[Path, typer.Argument(help="A new archive.")], workspace: Place = HERE, as_json: AsJson = False
) -> None:
    """Copy what cannot be recomputed into one archive."""
    ws = Workspace.open(workspace)
    with ws.lock("backup"), Bars().step("backup"):
        found = backups.backup(ws, file)
    AuditTrail(ws.decisions).append("backup", {"file": file.name, "sha256": found.sha256})
    document = {"file": str(file), "files": found.files, "bytes": found.bytes, "sha256": found.sha256}
    _say(
        as_json, document, [f"{found.files} files, {_number(found.bytes)} bytes are in {file}; listing {found.sha256}"]
    )


@app.command()
def restore(
    file: Annotated[Path, typer.Argument(help="An archive of 'shuyuan backup'.")],
    folder: Annotated[Path, typer.Argument(help="A new folder.")],
) -> None:
    """Make a workspace from an archive."""
    ws = backups.restore(file, folder)
    AuditTrail(ws.decisions).append("restore", {"file": file.name})
    out.print(f"{folder} is restored; 'shuyuan link' rebuilds what is computed.")


@app.command()
def upgrade(workspace: Place = HERE) -> None:
    """Bring a workspace of an older version to this version's format."""
    ws = Workspace.open(workspace)
    with ws.lock("upgrade"):
        before, after = backups.upgrade(ws)
    out.print(f"format {before} -> {after}" if before != after else f"format {after} is current; nothing to do.")


@audit_app.command("verify")
def audit_verify(workspace: Place = HERE, as_json: AsJson = False) -> None:
    """Check the chain of hashes of the audit trail."""
    trail = AuditTrail(Workspace.open(workspace).decisions)
    broken = trail.verify()
    document = {"entries": len(trail.entries()), "broken_at": broken, "head": trail.head()}
    _say(as_json, document, [f"{document['entries']} entries, head {document['head']}"])
    if broken is not None:
        raise RefusedError(f"the audit trail is broken at entry {broken}: it is missing or was changed")


@audit_app.command("list")
def audit_list(
    workspace: Place = HERE,
    limit: Annotated[int, typer.Option(help="The last so many entries.")] = 50,
    as_json: AsJson = False,
) -> None:
    """List the audit trail, oldest first."""
    found = AuditTrail(Workspace.open(workspace).decisions).entries()[-limit:]
    if as_json:
        return _json([dataclasses.asdict(entry) for entry in found])
    rows = [[str(e.seq), e.at[:19], e.actor, e.action, _cell(e.detail)] for e in found]
    _table("audit trail", ("seq", "at (UTC)", "actor", "action", "detail"), rows)


@app.command()
def version() -> None:
    """Print the version."""
    out.print(software_version())


# ── how it is done ───────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True)
class Batch:
    """What a batch verb works with while it holds the workspace."""

    ws: Workspace
    rules: Rules
    con: duckdb.DuckDBPyConnection
    decisions: DecisionStore
    trail: AuditTrail


@contextmanager
def _batch(root: Path, action: str) -> Iterator[Batch]:
    ws = Workspace.open(root)
    rules = ws.load_rules()
    with ws.lock(action):
        con = ws.connect()
        try:
            yield Batch(ws, rules, con, DecisionStore(ws.decisions), AuditTrail(ws.decisions))
        finally:
            con.close()


class Bars:
    """Shows steps on stderr: a bar with the remaining time on a terminal, else a line when a step has ended."""

    @contextmanager
    def step(
        self, name: str, total: int | None = None, con: duckdb.DuckDBPyConnection | None = None
    ) -> Iterator[Callable[[int], None]]:
        began = datetime.now(UTC)
        columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
        with Progress(*columns, TimeRemainingColumn(), console=err, transient=True, disable=not err.is_terminal) as bar:
            task = bar.add_task(name, total=100 if con is not None else total)
            ended = threading.Event()
            watch = threading.Thread(target=_watch, args=(bar, task, con, ended), daemon=True)
            if con is not None and err.is_terminal:
                watch.start()
            try:
                yield lambda done: bar.advance(task, done)
            finally:
                ended.set()
                if watch.is_alive():
                    watch.join()
        err.print(f"{name}: {(datetime.now(UTC) - began).total_seconds():.1f} s")

    def note(self, message: str) -> None:
        err.print(f"note: {_plain(message)}")


def _watch(bar: Progress, task: Any, con: duckdb.DuckDBPyConnection | None, ended: threading.Event) -> None:
    """Follow the query that runs on a connection; a step of several queries starts over with each."""
    while con is not None and not ended.wait(0.3):
        done = con.query_progress()
        if done >= 0:
            bar.update(task, completed=round(done))


def _agreed(question: str) -> bool:
    """Ask on stderr: what asks in Typer leaves a blank on stdout."""
    err.print(_plain(f"{question} [y/N] "), end="")
    return sys.stdin.readline().strip().lower() in ("y", "yes")


def _day(given: datetime | None) -> date:
    return given.date() if given else datetime.now().astimezone().date()


def _entity(rules: Rules, name: str) -> EntityRules:
    if name not in rules.entities:
        raise NotFoundError(f"no entity type {name!r}; the rules have {', '.join(rules.entities)}")
    return rules.entities[name]


def _record(text: str) -> SourceRecord:
    source, slash, key = text.partition("/")
    if not slash or not source or not key:
        raise InputError(f"{text!r}: expected SOURCE/KEY, such as civil_registry/A0001")
    return source, key


def _files(paths: list[Path]) -> list[Path]:
    """The files named, and those inside the folders named, in the order of their names."""
    found = []
    for path in paths:
        if not path.exists():
            raise InputError(f"{path}: no such file or folder")
        inside = sorted(p for p in path.rglob("*") if p.is_file() and not p.name.startswith("."))
        found += inside if path.is_dir() else [path]
    if not found:
        raise InputError(f"no files in {', '.join(str(path) for path in paths)}")
    return found


def _load(batch: Batch, path: Path, entity: str | None, source: str | None, day: date | None) -> ingest.LoadReport:
    if source is None:
        entity, source = ingest.match_source(batch.rules, path)
    owners = [one for one in batch.rules.entities.values() if source in one.sources.sources]
    owners = [one for one in owners if entity in (None, one.name)]
    if not owners:
        known = sorted(name for one in batch.rules.entities.values() for name in one.sources.sources)
        raise InputError(
            f"{path.name}: {source!r} is no registered source (known: {', '.join(known)}); see sources.toml"
        )
    if len(owners) > 1:
        raise InputError(f"{path.name}: several entity types have a source {source!r}; name one with --entity")
    return ingest.load_file(batch.con, batch.ws, owners[0], source, path, day)


def _write_rejects(batch: Batch, target: Path, reports: list[ingest.LoadReport]) -> None:
    with target.open("w", encoding="utf-8-sig", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(("file", "line", "reason", "row"))
        for report in reports:
            use_entity(batch.con, report.entity)
            writer.writerows(ingest.rejects(batch.con, report.batch_id))
    target.chmod(0o600)
    batch.trail.append("export rejects", {"file": target.name})


def _disk(root: Path, needed: int) -> None:
    """Say beforehand how much disk a step will need, and stop where there is not as much."""
    free = shutil.disk_usage(root).free
    err.print(f"disk: needs up to {needed / 1e9:.1f} GB, {free / 1e9:.1f} GB are free")
    if needed > free:
        raise RefusedError(
            f"{root}: {needed / 1e9:.1f} GB may be needed, {free / 1e9:.1f} GB are free; nothing was begun"
        )


def _disk_full(error: Exception) -> bool:
    if isinstance(error, sqlite3.OperationalError):
        return error.sqlite_errorcode & 0xFF in (sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR)
    told = ("No space left on device", "File too large", "Disk quota exceeded")
    return getattr(error, "errno", None) in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG) or any(
        text in str(error) for text in told
    )


def _unmasked(ws: Workspace, reason: str | None, action: str, detail: dict[str, Any]) -> None:
    """Keep the reason for clear text before any of it is shown."""
    if reason is None:
        return
    if not reason.strip():
        raise RefusedError("--unmask needs a reason; the audit trail keeps it")
    AuditTrail(ws.decisions).append("unmask", {"action": action, "reason": reason, **detail})


def _pair_document(one: EntityRules, pair: Waiting, clear: bool) -> dict[str, Any]:
    def shown(name: str, value: str | None) -> str | None:
        return value if clear else masking.mask_value(one.entity, name, value)

    return {
        "entity": one.name,
        "left": dict(zip(("source", "source_key"), pair.left, strict=True)),
        "right": dict(zip(("source", "source_key"), pair.right, strict=True)),
        "match_weight": round(pair.match_weight, 2),
        "verdict": pair.verdict,
        "reason": pair.reason,
        "fields": {name: [shown(name, a), shown(name, b)] for name, (a, b) in pair.said.items()},
        "levels": {name: {"level": label, "weight": weight} for name, (label, weight) in pair.levels.items()},
    }


def _title(one: EntityRules | None, field: str) -> str:
    """What a steward calls a field: in Chinese, with the name that rules and commands use."""
    known = one.entity.fields.get(field) if one else None
    return f"{known.title.zh} {field}" if known else field


def _show_pair(document: dict[str, Any], one: EntityRules) -> None:
    left, right = ("/".join(document[side].values()) for side in ("left", "right"))
    table = Table(
        title=f"{document['entity']}: weight {document['match_weight']}, {document['reason']}", title_justify="left"
    )
    for heading in ("", left, right):
        table.add_column(heading)
    for name, (a, b) in document["fields"].items():
        table.add_row(_plain(_title(one, name)), _plain(a or ""), _plain(b or ""))
    out.print(table)
    parts = ", ".join(f"{name}: {said['level']} {said['weight']:+.1f}" for name, said in document["levels"].items())
    out.print(_plain(f"  {parts}"))
    out.print(f"  shuyuan decide same|different|unsure {document['entity']} {left} {right} --reason …\n")


def _show_plan(found: Plan, console: Console = out) -> None:
    kinds = sorted({kind for one in found.entities.values() for kind in one.events})
    rows = [[n, _number(e.golden), *(_number(e.events.get(k, 0)) for k in kinds)] for n, e in found.entities.items()]
    _table(f"plan of release {found.release} as of {found.as_of}", ("entity", "golden", *kinds), rows, console)
    for sentence in found.exceeded:
        console.print(f"[red]limit[/red] {_plain(sentence)}")


def _show_record(document: dict[str, Any], one: EntityRules | None) -> None:
    out.print(f"{document['golden_id']}  {document['entity']}  {document['status']}")
    if document["redirected_from"]:
        out.print(f"{document['redirected_from']} was merged into it")
    if document.get("successors"):
        out.print(f"successors: {', '.join(document['successors'])}")
    names = ("value", "source", "source_key", "rule", "agree", "differ")
    rows = [[_title(one, name), *(_cell(said[part]) for part in names)] for name, said in document["fields"].items()]
    _table("", ("field", *names), rows)
    out.print("records: " + " ".join(f"{one['source']}/{one['source_key']}" for one in document["members"]))
    for item in document["history"]:
        out.print(_plain(" ".join(f"{name}={_cell(part)}" for name, part in item.items() if part is not None)))
    for link_ in document.get("relations", ()):
        out.print(_plain(" ".join(f"{name}={_cell(part)}" for name, part in link_.items() if part is not None)))


def _show_evaluation(entity: str, found: dict[str, Any]) -> None:
    names = ("true_pairs", "found_pairs", "right_pairs", "precision", "recall", "f1")
    rows = [["all pairs", "", *(_number(found["pairwise"][name]) for name in names)]]
    rows += [
        [kind, _number(one["records"]), *(_number(one[n]) for n in names)] for kind, one in found["by_error"].items()
    ]
    _table(
        f"{entity}: {found['records']:,} records, {found['unplaced']:,} not placed", ("error", "records", *names), rows
    )
    cubed = found["bcubed"]
    out.print(f"B-cubed: precision {_number(cubed['precision'])}, recall {_number(cubed['recall'])}")
    if "values" in found:
        values = found["values"]
        rows = [["every value", _number(values["golden"]), _number(values["share"])]]
        for part in ("by_field", "by_error"):
            rows += [[name, _number(one["golden"]), _number(one["share"])] for name, one in values[part].items()]
        _table("golden records with true values", ("", "golden", "true"), rows)


def _say(as_json: bool, document: Any, lines: list[str]) -> None:
    if as_json:
        return _json(document)
    for line in lines:
        out.print(_plain(line))


def _json(document: Any) -> None:
    sys.stdout.write(json.dumps(document, ensure_ascii=False, default=str, indent=1) + "\n")
    sys.stdout.flush()


def _table(title: str, headings: tuple[str, ...], rows: list[list[str]], console: Console = out) -> None:
    table = Table(title=title or None, title_justify="left")
    for heading in headings:
        table.add_column(heading, overflow="fold")
    for row in rows:
        table.add_row(*(_plain(cell) for cell in row))
    console.print(table)


def _number(value: float | int | None) -> str:
    if value is None:
        return ""
    return f"{value:,}" if isinstance(value, int) else f"{value:.4f}"


def _cell(value: Any) -> str:
    if isinstance(value, dict):
        return " ".join(f"{name}={_cell(part)}" for name, part in value.items())
    if isinstance(value, list | tuple):
        return " ".join(str(part) for part in value)
    return "" if value is None else f"{value:,}" if isinstance(value, int) and value > 9999 else str(value)


def _plain(text: str) -> str:
    """Text as it is: brackets in it are no markup."""
    return text.replace("[", r"\[")


if __name__ == "__main__":
    app()
