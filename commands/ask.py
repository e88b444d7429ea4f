"""Asking a release: what a golden record says, where it came from, what it is related to, what became of it."""

from __future__ import annotations

import json
import sys
from contextlib import closing
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from commands.printing import as_cell, as_number, err, field_title, out, plain, print_json, print_table
from commands.shared import (
    HERE,
    AsJson,
    AsOf,
    EntityName,
    EntityOption,
    Number,
    Place,
    Unmask,
    entity_of,
    open_batch,
    open_clear_text,
)
from golden_records import export as exports
from golden_records import forms, masking
from golden_records import trust as trusts
from golden_records import watch as watches
from golden_records.matching import Matcher
from golden_records.query import Release
from linkage import ingest
from linkage.audit_trail import AuditTrail
from linkage.values import keys_of
from linkage.workspace import Workspace, use_entity
from rules.errors import InputError, NotFoundError
from rules.model import EntityRules

app = typer.Typer()


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
        held = published.ever_held(document["golden_id"]) if unmask is not None else ()
    about = [(document["entity"], record) for record in held]
    open_clear_text(ws, rules, unmask, about, {"action": "show", "golden_id": golden_id})
    if unmask is None and document["entity"] in rules.entities:
        document = masking.mask_document(rules.entities[document["entity"]].entity, document)
    if as_json:
        return print_json(document)
    _show_record(document, rules.entities.get(document["entity"]))


@app.command()
def match(
    entity: EntityName,
    said: Annotated[list[str] | None, typer.Argument(metavar="[FIELD=VALUE]...", help="What the record says.")] = None,
    workspace: Place = HERE,
    source: Annotated[str | None, typer.Option(help="The source that would deliver the record.")] = None,
    limit: Annotated[int, typer.Option(min=1, help="How many golden records.")] = 10,
    release: Number = None,
    as_json: AsJson = False,
) -> None:
    """Say who a record may be before it is created: existing, new, or a question for a steward.

    Without FIELD=VALUE the record comes as one JSON object on stdin, so that no number lands in a shell history.
    """
    with Release.of(Workspace.open(workspace).releases, release) as published, closing(Matcher(published)) as matcher:
        found = matcher.match(entity, _record_said(said), source, limit).document()
    if as_json:
        return print_json(found)
    out.print(plain(f"{_ANSWERS[found['answer']]} (release {found['release']})"))
    rows = [
        [
            one["golden_id"],
            f"{one['weight']:.2f}",
            one["verdict"],
            ", ".join(f"{name}: {level['level']}" for name, level in one["levels"].items()),
            as_cell([f"{record['source']}/{record['source_key']}" for record in one["records"]]),
        ]
        for one in found["candidates"]
    ]
    if rows:
        print_table("", ("golden_id", "weight", "verdict", "levels", "records"), rows)


_ANSWERS = {
    "existing": "已有 existing: one golden record is this one",
    "steward": "请管理员判断 ask a steward: it is in doubt which golden record this is",
    "new": "未见 new: nothing published comes near",
}


def _record_said(said: list[str] | None) -> dict[str, str | None]:
    """The record on the command line, or on stdin."""
    if said:
        parts = [one.partition("=") for one in said]
        wrong = [one for one, (_, equals, _) in zip(said, parts, strict=True) if not equals]
        if wrong:
            raise InputError(f"{wrong[0]!r}: expected FIELD=VALUE, such as name=…")
        return {field: value for field, _, value in parts}
    try:
        found = json.loads(sys.stdin.read())
    except ValueError as error:
        raise InputError(f"stdin: expected one JSON object of field and value ({error})") from None
    if not isinstance(found, dict) or not all(isinstance(value, str | None) for value in found.values()):
        raise InputError("stdin: expected one JSON object whose values are text or null")
    return found


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
        return print_json(found)
    names = ("step", "from_id", "type", "to_id", "to_name", "since", "until", "source", "source_key")
    print_table(f"relations of {golden_id}", names, [[as_cell(one[name]) for name in names] for one in found])


@app.command()
def findings(
    entity: EntityName,
    workspace: Place = HERE,
    rule: Annotated[str | None, typer.Option(help="Only this rule: its records, one by one.")] = None,
    limit: Annotated[int, typer.Option(help="How many records; -1 for all.")] = 20,
    as_json: AsJson = False,
) -> None:
    """List what was found wrong in records: how often by rule, or with --rule the source rows."""
    with open_batch(workspace, "findings") as batch:
        one = entity_of(batch.rules, entity)
        use_entity(batch.con, one.name)
        found = ingest.findings(batch.con, one, rule, limit)
    if as_json:
        return print_json(found)
    names = tuple(found[0]) if found else ("rule",)
    print_table(f"findings of {entity}", names, [[as_cell(row[name]) for name in names] for row in found])


@app.command()
def known(
    golden_id: Annotated[str, typer.Argument(help="A golden id, an old one too.")],
    form: Annotated[str, typer.Option(help="The form, a file in rules/forms/.")],
    workspace: Place = HERE,
    release: Number = None,
    unmask: Unmask = None,
    as_json: AsJson = False,
) -> None:
    """Say which questions of a form are answered already, which answers are doubtful, and what is left to ask."""
    ws = Workspace.open(workspace)
    rules = ws.load_rules()
    with Release.of(ws.releases, release) as published:
        wanted = golden_id.strip().upper()
        about = [(published.entity_of(wanted), record) for record in published.members(wanted)]
        open_clear_text(ws, rules, unmask, about, {"action": "known", "golden_id": golden_id, "form": form})
        found = forms.known(published, rules, form, wanted, unmask is not None)
    if as_json:
        return print_json(found)
    rows = [
        [place, f"{one['ask']['zh']} {one['element']}", _answer(one), *(as_cell(one.get(n)) for n in ("why", "source"))]
        for place in forms.PLACES
        for one in found[place]
    ]
    title = f"{found['title']['zh']} {form}: {found['golden_id']} on {found['as_of']}"
    print_table(title, ("", "question", "value", "why", "source"), rows)


@app.command("forms")
def forms_command(workspace: Place = HERE, as_json: AsJson = False) -> None:
    """List the forms, and what two or more of them ask for."""
    found = forms.duplicates(Workspace.open(workspace).load_rules())
    if as_json:
        return print_json(found)
    rows = [[one["form"], one["entity"], one["title"]["zh"], str(one["questions"])] for one in found["forms"]]
    print_table("forms", ("form", "entity", "title", "questions"), rows)
    rows = [
        [one["entity"], one["element"], str(len(one["forms"])), " ".join(asked["form"] for asked in one["forms"])]
        for one in found["duplicates"]
    ]
    print_table("asked more than once", ("entity", "element", "forms", "which"), rows)


@app.command()
def watch(
    names: Annotated[list[str] | None, typer.Argument(help="Watch rules; default: all.")] = None,
    workspace: Place = HERE,
    limit: Annotated[int, typer.Option(help="How many hits of each rule; -1 for all.")] = 20,
    release: Number = None,
    unmask: Unmask = None,
    as_json: AsJson = False,
) -> None:
    """List clues: what a person should look at, with the records it rests on and how strong their matches are."""
    ws = Workspace.open(workspace)
    rules = ws.load_rules()
    with Release.of(ws.releases, release) as published:
        found = watches.watch(published, rules, names or (), limit, False)
        if unmask is not None:
            ids = {one["golden_id"] for told in found for hit in told["hits"] for one in hit["match"]}
            about = [(published.entity_of(one), record) for one in sorted(ids) for record in published.members(one)]
            open_clear_text(ws, rules, unmask, about, {"action": "watch", "rules": names or list(rules.watches)})
            found = watches.watch(published, rules, names or (), limit, True)
    if as_json:
        return print_json(found)
    for one in found:
        _show_clues(one)
    err.print("note: clues, not verdicts: a person looks at the records before anything is done")


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
    one = entity_of(ws.load_rules(), entity)
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
        print_json(found)
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
    with Release.of(Workspace.open(workspace).releases) as published:
        found = list(published.changes(since, entity, limit if limit >= 0 else None))
    if as_json:
        return print_json(found)
    names = ("seq", "entity", "golden_id", "kind", "into_id", "release", "at")
    print_table("changes", names, [[as_cell(event[name]) for name in names] for event in found])


@app.command()
def trust(entity: EntityName, workspace: Place = HERE, release: Number = None, as_json: AsJson = False) -> None:
    """Say how often each source was right where sources differ, and which order that speaks for; nothing is changed."""
    ws = Workspace.open(workspace)
    one = entity_of(ws.load_rules(), entity)
    with Release.of(ws.releases, release) as published:
        found = trusts.trust(published, one)
    if as_json:
        return print_json(found)
    names = ("field", "source", "rank", "won", "lost", "share lost", "95 % interval", "proposed")
    rows = [
        [
            *(field_title(one, told["field"]), said["source"], as_cell(said["rank"]), as_number(said["won"])),
            *(as_number(said["lost"]), f"{said['share']:.3f}", f"{said['low']:.3f} to {said['high']:.3f}"),
            str(told["proposed"].index(said["source"]) + 1),
        ]
        for told in found
        for said in told["sources"]
    ]
    print_table(f"disputes of {entity}", names, rows)


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


def _answer(one: dict[str, Any]) -> str:
    """What is held in answer to a question: a value, or the golden records at the end of a relation."""
    if not isinstance(one.get("value"), list):
        return as_cell(one.get("value"))
    return "; ".join(as_cell([part for part in other.values() if part]) for other in one["value"])


def _show_clues(document: dict[str, Any]) -> None:
    rows = [
        [
            hit["golden_id"],
            hit["since"] or "",
            as_cell(hit["subject"]),
            " ".join("/".join(record.values()) for record in hit["evidence"]),
            as_number(hit["weakest_match"]),
        ]
        for hit in document["hits"]
    ]
    missing = f", not published: {', '.join(document['not_published'])}" if document["not_published"] else ""
    title = f"{document['title']['zh']} {document['rule']}: {document['count']:,} clues{missing}"
    print_table(title, ("golden_id", "since", "subject", "evidence", "weakest match"), rows)


def _show_record(document: dict[str, Any], one: EntityRules | None) -> None:
    out.print(f"{document['golden_id']}  {document['entity']}  {document['status']}")
    if document["redirected_from"]:
        out.print(f"{document['redirected_from']} was merged into it")
    if document.get("successors"):
        out.print(f"successors: {', '.join(document['successors'])}")
    names = ("value", "state", "source", "source_key", "rule", "agree", "differ")
    rows = []
    for name, said in document["fields"].items():
        rows.append([field_title(one, name), *(as_cell(said[part]) for part in names)])
        rows += [["", f"≠ {as_cell(o['said'])}", "", o["source"], o["source_key"], "", "", ""] for o in said["losers"]]
    print_table("", ("field", *names), rows)
    out.print("records: " + " ".join(f"{one['source']}/{one['source_key']}" for one in document["members"]))
    for item in document["history"]:
        out.print(plain(" ".join(f"{name}={as_cell(part)}" for name, part in item.items() if part is not None)))
    for link_ in document.get("relations", ()):
        out.print(plain(" ".join(f"{name}={as_cell(part)}" for name, part in link_.items() if part is not None)))
