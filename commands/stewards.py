"""What stewards decide about source records."""

from __future__ import annotations

import dataclasses
import getpass
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from commands.printing import err, out, plain, print_json, print_table
from commands.shared import HERE, AsJson, EntityName, Place, Reason, Steward, entity_of, record_of
from golden_records.query import Release
from golden_records.queue import Queue, Receipt
from linkage.audit_trail import AuditTrail
from linkage.decided import SourceRecord, contradictions
from linkage.decision_files import export_csv, import_csv
from linkage.decisions import Decision
from linkage.workspace import Workspace
from rules.errors import NotFoundError
from rules.masking import mask_value
from rules.model import Rules

decide_app = typer.Typer(no_args_is_help=True, help="Record what a steward decided about source records.")


Two = Annotated[tuple[str, str], typer.Argument(metavar="SOURCE/KEY SOURCE/KEY", help="Two source records.")]


@decide_app.command("same")
def decide_same(
    entity: EntityName, records: Two, reason: Reason, steward: Steward = "", workspace: Place = HERE
) -> None:
    """Two source records are one entity."""
    _decide(workspace, entity, "same", [record_of(text) for text in records], reason, steward, {})


@decide_app.command("different")
def decide_different(
    entity: EntityName, records: Two, reason: Reason, steward: Steward = "", workspace: Place = HERE
) -> None:
    """Two source records are different entities."""
    _decide(workspace, entity, "different", [record_of(text) for text in records], reason, steward, {})


@decide_app.command("unsure")
def decide_unsure(
    entity: EntityName, records: Two, reason: Reason, steward: Steward = "", workspace: Place = HERE
) -> None:
    """Leave a pair open; it waits again when one of its records changes."""
    _decide(workspace, entity, "unsure", [record_of(text) for text in records], reason, steward, {})


@decide_app.command("merge")
def decide_merge(
    entity: EntityName,
    records: Annotated[list[str], typer.Argument(metavar="SOURCE/KEY|ID…", help="Two or more records or golden ids.")],
    reason: Reason,
    steward: Steward = "",
    workspace: Place = HERE,
) -> None:
    """All these source records, or golden records, are one entity."""
    named = [named[0] for text in records if (named := _named(workspace, text))]
    _decide(workspace, entity, "merge", named, reason, steward, {})


@decide_app.command("pin")
def decide_pin(
    entity: EntityName,
    records: Annotated[list[str], typer.Argument(metavar="SOURCE/KEY|ID…", help="The records, or a golden id.")],
    reason: Reason,
    steward: Steward = "",
    workspace: Place = HERE,
) -> None:
    """These records are one entity, and nothing joins it but by a decision."""
    named = list(dict.fromkeys(record for text in records for record in _named(workspace, text)))
    _decide(workspace, entity, "pin", named, reason, steward, {})


@decide_app.command("split")
def decide_split(
    entity: EntityName,
    groups: Annotated[list[str], typer.Option("--group", metavar="S/K,S/K", help="Records that stay together.")],
    reason: Reason,
    steward: Steward = "",
    workspace: Place = HERE,
) -> None:
    """Records of one golden record are several entities, one per --group."""
    parts = [[record_of(text) for text in group.split(",")] for group in groups]
    named = [record for part in parts for record in part]
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
    one = entity_of(Workspace.open(workspace).load_rules(), entity)
    if field not in one.entity.fields:
        raise NotFoundError(f"{entity} has no field {field!r}; known are {', '.join(one.entity.fields)}")
    _decide(workspace, entity, "value", [record_of(record)], reason, steward, {"field": field, "value": ""})


@decide_app.command("again")
def decide_again(number: int, reason: Reason, steward: Steward = "", workspace: Place = HERE) -> None:
    """Make a decision anew on what its records say now."""
    ws = Workspace.open(workspace)
    _say(Queue(ws, ws.load_rules()).again(number, steward or getpass.getuser(), reason))


@decide_app.command("confirm")
def decide_confirm(number: int, reason: Reason, steward: Steward = "", workspace: Place = HERE) -> None:
    """Let a proposed decision count, as a second, different person."""
    ws = Workspace.open(workspace)
    Queue(ws, ws.load_rules()).confirm(number, steward or getpass.getuser(), reason)
    out.print(f"decision {number} is confirmed; it counts from the next 'shuyuan link' on.")


@decide_app.command("withdraw")
def decide_withdraw(number: int, steward: Steward = "", workspace: Place = HERE) -> None:
    """End a decision, or refuse a proposed one; it stays readable."""
    ws = Workspace.open(workspace)
    Queue(ws, ws.load_rules()).withdraw(number, steward or getpass.getuser())
    out.print(f"decision {number} is withdrawn.")


@decide_app.command("list")
def decide_list(
    entity: Annotated[str | None, typer.Argument(help="An entity type; default: all.")] = None,
    workspace: Place = HERE,
    withdrawn: Annotated[bool, typer.Option(help="Withdrawn ones as well.")] = False,
    proposed: Annotated[bool, typer.Option(help="Only those that wait for a second person.")] = False,
    as_json: AsJson = False,
) -> None:
    """List decisions, oldest first."""
    ws = Workspace.open(workspace)
    queue = Queue(ws, ws.load_rules())
    found = queue.pending(entity) if proposed else queue.store.listed(entity, withdrawn)
    if as_json:
        return print_json([dataclasses.asdict(one) | _payload(queue.rules, one) for one in found])
    rows = [
        [
            *(str(d.decision_id), d.kind, d.entity, " ".join("/".join(s) for s in d.subjects), d.steward, d.reason),
            *(d.decided_at, d.state if d.state != "in force" else f"with {d.second}" if d.second else ""),
        ]
        for d in found
    ]
    columns = ("id", "kind", "entity", "records", "steward", "reason", "decided at", "state")
    print_table("decisions", columns, rows)


@decide_app.command("import")
def decide_import(file: Path, workspace: Place = HERE) -> None:
    """Take decisions in from a CSV file, all or none."""
    ws = Workspace.open(workspace)
    queue = Queue(ws, ws.load_rules())
    count = import_csv(queue.store, file, queue.rules, queue.needs_second)
    AuditTrail(ws.decisions).append("import decisions", {"file": file.name, "count": count})
    out.print(f"{count} decisions are new; they count from the next 'shuyuan link' on.")
    _note_proposed(queue)


@decide_app.command("export")
def decide_export(
    file: Path,
    entity: Annotated[str | None, typer.Option("--entity", "-e", help="An entity type; default: all.")] = None,
    workspace: Place = HERE,
) -> None:
    """Write the decisions in force to a CSV file."""
    ws = Workspace.open(workspace)
    count = export_csv(Queue(ws, ws.load_rules()).store, file, entity)
    out.print(f"{count} decisions are in {file}.")


def _decide(
    workspace: Path,
    entity: str,
    kind: str,
    subjects: Sequence[SourceRecord],
    reason: str,
    steward: str,
    payload: dict[str, Any],
) -> None:
    ws = Workspace.open(workspace)
    queue = Queue(ws, ws.load_rules())
    entity_of(queue.rules, entity)
    who = steward or getpass.getuser()
    _say(queue.decide(Decision(kind, entity, tuple(subjects), reason, who, tuple(payload.items()))))
    for one in contradictions(queue.store.replay(entity)):
        err.print(f"note: contradiction: {plain(str(one))}; 'shuyuan link' refuses until one of them is withdrawn")
    for source, key in _unknown(ws, entity, subjects):
        err.print(f"note: the current release has no record {source}/{key}; the decision rests until it is there")


def _say(made: Receipt) -> None:
    if made.needs is None:
        out.print(f"decision {made.number} is kept; it counts from the next 'shuyuan link' on.")
    else:
        out.print(
            f"decision {made.number} is proposed: {plain(made.needs)}. It counts when a second person confirms it "
            f"('shuyuan decide confirm {made.number}')."
        )


def _note_proposed(queue: Queue) -> None:
    waiting = queue.pending()
    if waiting:
        err.print(
            f"note: {len(waiting)} decisions wait for a second person; 'shuyuan decide list --proposed' shows them"
        )


def _named(workspace: Path, text: str) -> list[SourceRecord]:
    """The record that was typed, or the records that a golden id holds now, in order."""
    if "/" in text:
        return [record_of(text)]
    with Release.of(Workspace.open(workspace).releases) as published:
        return published.members(text)


def _unknown(ws: Workspace, entity: str, subjects: Sequence[SourceRecord]) -> list[SourceRecord]:
    """The source records that the current release does not know; none where nothing is published."""
    try:
        with Release.of(ws.releases) as published:
            return [one for one in subjects if not published.find(entity, *one)]
    except NotFoundError:
        return []


def _payload(rules: Rules | None, decision: Decision) -> dict[str, Any]:
    """What a decision says; of an answer the corrected value is masked, and what gives values away is left out."""
    payload, one = dict(decision.payload), rules.entities.get(decision.entity) if rules else None
    if decision.kind != "answer":
        return {"payload": payload}
    value = payload.get("value")
    payload["value"] = mask_value(one.entity, str(payload["field"]), str(value)) if value and one else None
    return {"payload": payload, "evidence": None}
