"""Keeping it: what is there, backups, the audit trail, the version."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Annotated

import typer

from commands.printing import Bars, as_cell, as_number, out, print_json, print_table, say
from commands.shared import HERE, AsJson, Place
from golden_records.manifest import software_version
from golden_records.status import status as read_status
from linkage import backup as backups
from linkage.audit_trail import AuditTrail
from linkage.workspace import Workspace
from rules.errors import RefusedError

app = typer.Typer()
audit_app = typer.Typer(no_args_is_help=True, help="Read and verify the audit trail.")


@app.command()
def status(workspace: Place = HERE, as_json: AsJson = False) -> None:
    """Say what is loaded, what waits, what is published and who works on it."""
    ws = Workspace.open(workspace)
    found = read_status(ws, ws.load_rules())
    if as_json:
        return print_json(found)
    names = ("entity", "source", "files", "bytes", "observed_on")
    print_table(f"{workspace} (node {ws.node})", names, [[as_cell(row[n]) for n in names] for row in found["sources"]])
    names = ("release", "as_of", "published_at", "rollback_of", "golden")
    print_table("releases", names, [[as_cell(row[n]) for n in names] for row in found["releases"]])
    out.print(f"current release: {found['current'] or 'none'}; waiting: {as_cell(found['waiting'])}")
    out.print(f"decisions: {as_cell(found['decisions']) or 'none'}; running: {found['running'] or 'nothing'}")


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
    say(
        as_json,
        document,
        [f"{found.files} files, {as_number(found.bytes)} bytes are in {file}; listing {found.sha256}"],
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
def audit_verify(
    workspace: Place = HERE,
    anchor: Annotated[Path | None, typer.Option(help="An anchor file, whose heads the chain must still have.")] = None,
    as_json: AsJson = False,
) -> None:
    """Check the chain of hashes of the audit trail."""
    trail = AuditTrail(Workspace.open(workspace).decisions)
    broken, entries = trail.verify(), trail.entries()
    gone = trail.missing(anchor) if anchor is not None else None
    since = entries[0].at[:10] if entries else None
    document = {"entries": len(entries), "since": since, "broken_at": broken, "missing": gone, "head": trail.head()}
    say(as_json, document, [f"{len(entries)} entries since {since}, head {document['head']}"])
    if broken is not None:
        raise RefusedError(f"the audit trail is broken at entry {broken}: it is missing or was changed")
    if gone is not None:
        raise RefusedError(f"the audit trail is not the one that was anchored: entry {gone} is missing or another")


@audit_app.command("anchor")
def audit_anchor(
    file: Annotated[Path, typer.Argument(help="A file in another place; the head is written behind its end.")],
    workspace: Place = HERE,
    as_json: AsJson = False,
) -> None:
    """Write the head of the audit trail down in a second place."""
    head = AuditTrail(Workspace.open(workspace).decisions).anchor(file)
    say(as_json, {"seq": head.seq, "hash": head.hash, "at": head.at}, [f"entry {head.seq}, {head.hash}, is in {file}."])


@audit_app.command("list")
def audit_list(
    workspace: Place = HERE,
    limit: Annotated[int, typer.Option(help="The last so many entries.")] = 50,
    as_json: AsJson = False,
) -> None:
    """List the audit trail, oldest first."""
    found = AuditTrail(Workspace.open(workspace).decisions).entries()[-limit:]
    if as_json:
        return print_json([dataclasses.asdict(entry) for entry in found])
    rows = [[str(e.seq), e.at[:19], e.actor, e.action, as_cell(e.detail)] for e in found]
    print_table("audit trail", ("seq", "at (UTC)", "actor", "action", "detail"), rows)


@app.command()
def version() -> None:
    """Print the version."""
    out.print(software_version())
