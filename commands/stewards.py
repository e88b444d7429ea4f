"""What stewards decide: the pairs that wait, and the decisions about source records."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.table import Table

from commands.printing import err, field_title, out, plain, print_json, print_table
from commands.shared import HERE, AsJson, EntityName, Place, Reason, Steward, Unmask, entity_of, keep_reason, record_of
from golden_records import masking
from golden_records.query import Release
from linkage.audit_trail import AuditTrail
from linkage.decided import SourceRecord, contradictions
from linkage.decisions import Decision, DecisionStore, Waiting
from linkage.workspace import Workspace
from rules.errors import NotFoundError
from rules.model import EntityRules, Rules

app = typer.Typer()
decide_app = typer.Typer(no_args_is_help=True, help="Record what a steward decided about source records.")


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
    shown = [entity_of(rules, entity)] if entity else list(rules.entities.values())
    keep_reason(ws, unmask, "review", {"entity": entity, "limit": limit})
    store, documents = DecisionStore(ws.decisions), []
    for one in shown:
        for pair in store.queue(one.name, limit):
            documents.append(_pair_document(one, pair, unmask is not None))
    if as_json:
        return print_json(documents)
    for document in documents:
        _show_pair(document, rules.entities[document["entity"]])
    if not documents:
        out.print("Nothing waits.")


Two = Annotated[tuple[str, str], typer.Argument(metavar="SOURCE/KEY SOURCE/KEY", help="Two source records.")]


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
    parts = [[record_of(text) for text in group.split(",")] for group in groups]
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
    one = entity_of(Workspace.open(workspace).load_rules(), entity)
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
    ws = Workspace.open(workspace)
    found = DecisionStore(ws.decisions).entries(entity, withdrawn)
    if as_json:
        rules = ws.load_rules() if any(one.kind == "answer" for one in found) else None
        return print_json([dataclasses.asdict(one) | _payload(rules, one) for one in found])
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
    print_table("decisions", ("id", "kind", "entity", "records", "steward", "reason", "decided at"), rows)


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


def _decide(
    workspace: Path, entity: str, kind: str, records: list[str], reason: str, steward: str, payload: dict[str, Any]
) -> None:
    ws = Workspace.open(workspace)
    entity_of(ws.load_rules(), entity)
    store = DecisionStore(ws.decisions)
    subjects = tuple(record_of(text) for text in records)
    seen = {frozenset((w.left, w.right)): w.evidence for w in store.queue(entity)} if len(subjects) == 2 else {}
    number = store.add(
        Decision(kind, entity, subjects, reason, steward, tuple(payload.items()), seen.get(frozenset(subjects)))
    )
    AuditTrail(ws.decisions).append("decide", {"decision_id": number, "kind": kind, "entity": entity})
    out.print(f"decision {number} is kept; it counts from the next 'shuyuan link' on.")
    for one in contradictions(store.replay(entity)):
        err.print(f"note: contradiction: {plain(str(one))}; 'shuyuan link' refuses until one of them is withdrawn")
    for source, key in _unknown(ws, entity, subjects):
        err.print(f"note: the current release has no record {source}/{key}; the decision rests until it is there")


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
    payload["value"] = masking.mask_value(one.entity, str(payload["field"]), str(value)) if value and one else None
    return {"payload": payload, "evidence": None}


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


def _show_pair(document: dict[str, Any], one: EntityRules) -> None:
    left, right = ("/".join(document[side].values()) for side in ("left", "right"))
    table = Table(
        title=f"{document['entity']}: weight {document['match_weight']}, {document['reason']}", title_justify="left"
    )
    for heading in ("", left, right):
        table.add_column(heading)
    for name, (a, b) in document["fields"].items():
        table.add_row(plain(field_title(one, name)), plain(a or ""), plain(b or ""))
    out.print(table)
    parts = ", ".join(f"{name}: {said['level']} {said['weight']:+.1f}" for name, said in document["levels"].items())
    out.print(plain(f"  {parts}"))
    out.print(f"  shuyuan decide same|different|unsure {document['entity']} {left} {right} --reason …\n")
