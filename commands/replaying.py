"""Proving a release: made again from what was kept, and handed to an auditor who does so elsewhere."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Annotated

import typer

from commands.printing import Bars, as_cell, as_number, out, plain, print_json, print_table, say
from commands.shared import HERE, AsJson, Place
from golden_records import replay as replays
from golden_records.evidence import open_evidence, write_evidence
from linkage.workspace import Workspace
from rules.errors import InputError, RefusedError

app = typer.Typer()


@app.command()
def replay(
    release: Annotated[int | None, typer.Argument(help="The release; with --evidence that of the archive.")] = None,
    workspace: Place = HERE,
    evidence: Annotated[
        Path | None, typer.Option(metavar="FILE", help="An archive of 'shuyuan evidence', instead of a workspace.")
    ] = None,
    to: Annotated[
        Path | None, typer.Option(metavar="FOLDER", help="A new folder to replay in and keep; default: thrown away.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Make a release again from what was kept of it, and compare every table row for row."""
    if (release is None) == (evidence is None):
        raise InputError("name either a release or an archive (--evidence FILE)")
    if to is not None and to.exists() and any(to.iterdir()):
        raise RefusedError(f"{to} is not empty; a replay needs a new or an empty folder")
    if to is not None:
        return _replay(release, workspace, evidence, to, as_json)
    with tempfile.TemporaryDirectory(prefix="shuyuan-replay-") as scratch:
        _replay(release, workspace, evidence, Path(scratch), as_json)


@app.command()
def evidence(
    release: Annotated[int, typer.Argument(help="The release.")],
    file: Annotated[Path | None, typer.Argument(help="A new archive; default: evidence-RELEASE.tar.")] = None,
    purpose: Annotated[str, typer.Option(help="What it is for; kept in the audit trail.")] = "audit",
    without_data: Annotated[
        bool, typer.Option("--without-data", help="Masked values only; it cannot be replayed.")
    ] = False,
    workspace: Place = HERE,
    as_json: AsJson = False,
) -> None:
    """Write all that an auditor needs to check a release, and to make it again, into one archive."""
    ws = Workspace.open(workspace)
    file = file or Path(f"evidence-{release}.tar")
    with Bars().step("evidence"):
        found = write_evidence(ws, release, file, purpose, not without_data)
    document = {"release": release, "file": str(file), "files": found.files, "bytes": found.bytes}
    lines = [f"{found.files} files, {as_number(found.bytes)} bytes are in {file}; listing {found.sha256}"]
    if not without_data:
        lines.append("It holds personal data in clear text; --without-data leaves it out.")
    say(as_json, document | {"sha256": found.sha256, "data": not without_data}, lines)


def _replay(release: int | None, workspace: Path, evidence: Path | None, folder: Path, as_json: bool) -> None:
    if evidence is not None:
        ws, release = open_evidence(evidence, folder / "evidence")
    else:
        ws = Workspace.open(workspace)
    assert release is not None
    found = replays.replay(ws, release, folder / "workspace", Bars())
    if as_json:
        print_json(found.as_dict())
    else:
        _show(found)
    if not found.sound:
        raise RefusedError(f"release {release} is not what a replay of it makes: {'; '.join(_faults(found))}")


def _show(found: replays.Replay) -> None:
    rows = [
        [one.entity, one.table, as_number(one.rows), as_number(one.replayed)]
        + (["equal", ""] if one.equal else [as_number(one.only_released), as_number(one.only_replayed)])
        for one in found.tables
    ]
    headings = ("entity", "table", "rows", "replayed", "only in the release", "only in the replay")
    print_table(f"replay of release {found.release}", headings, rows)
    for one in found.tables:
        for where, told in (("release", one.first_released), ("replay", one.first_replayed)):
            for row in told:
                known = {name: value for name, value in row.items() if value is not None}
                out.print(plain(f"{one.entity} {one.table}, only in the {where}: {as_cell(known)}".strip()))
    out.print(f"rule set {found.rule_set}, version {found.made_by}")
    if found.made_by != found.replayed_by:
        out.print(f"note: the release was made by version {found.made_by}, replayed by {found.replayed_by}")
    sealed = {True: "seals this manifest", False: "seals another manifest", None: "does not seal the manifest"}
    out.print(f"audit trail: {found.seal.entries} entries, head {found.seal.head}; it {sealed[found.seal.manifest]}")
    if found.sound:
        out.print(f"release {found.release} is the same, row for row.")


def _faults(found: replays.Replay) -> list[str]:
    told = [f"{path} is altered" for path in found.altered]
    told += [f"{one.entity} {one.table} differs".strip() for one in found.tables if not one.equal]
    if found.seal.manifest is False:
        told.append("its manifest is not the one that the audit trail seals")
    if found.seal.broken_at is not None:
        told.append(f"the audit trail is broken at entry {found.seal.broken_at}")
    return told
