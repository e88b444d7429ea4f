"""Makes a release a second time, in a folder of its own, and says whether it is the same row for row.

Reads: a release, the files and decisions that it was made of, the release it continues. Writes: a scratch workspace;
nothing is written in the one that is looked at.

The scratch workspace has the rules of the release, the delivered files of its manifest and no others, the decisions as
it knew them (linkage/decisions_then.py) and, because ids and the numbers of events continue, the release before it.
There everything is linked, planned and published anew as of the release's day, and the two are compared. A release that
brought back an earlier one is brought back again.
"""

from __future__ import annotations

import shutil
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from golden_records.compare import Compared, compare
from golden_records.kept import Kept, altered, kept_of
from golden_records.manifest import MANIFEST, file_sha256, software_version
from golden_records.match_index import REFERENCE
from golden_records.plan import plan
from golden_records.release import publish, rollback
from golden_records.release_tables import TABLES
from linkage.audit_trail import AuditTrail
from linkage.decisions import DecisionStore
from linkage.decisions_then import copy_as_of
from linkage.link import link
from linkage.progress import SILENT, Reporter
from linkage.workspace import FORMAT, Workspace, write_atomically
from rules.errors import RefusedError
from rules.loader import reference_path


@dataclass(frozen=True)
class Seal:
    """What the audit trail says of a release: its entries and head, the first broken one, and whether the manifest is
    the one that it was sealed with (None: it has no entry of the release that says)."""

    entries: int
    head: str
    broken_at: int | None
    manifest: bool | None


@dataclass(frozen=True)
class Replay:
    """What a replay found. `altered` are files of the release that are not what its manifest says."""

    release: int
    rule_set: str
    made_by: str
    replayed_by: str
    seal: Seal
    altered: tuple[str, ...]
    tables: tuple[Compared, ...]

    @property
    def equal(self) -> bool:
        """Whether the replay has the same rows."""
        return all(table.equal for table in self.tables)

    @property
    def sound(self) -> bool:
        """Whether, beside, the files of the release and the audit trail are those that were written."""
        return self.equal and not self.altered and self.seal.broken_at is None and self.seal.manifest is not False

    def as_dict(self) -> dict[str, Any]:
        """The replay for machines."""
        tables = [{**asdict(table), "equal": table.equal} for table in self.tables]
        return {**asdict(self), "equal": self.equal, "sound": self.sound, "tables": tables}


def replay(ws: Workspace, release: int, folder: Path, reporter: Reporter = SILENT) -> Replay:
    """Make release `release` again in the empty folder `folder` and compare.

    Raises:
        NotFoundError: there is no such release.
        RefusedError: what it was made of is gone or altered (see `kept_of`), or the folder is not empty.
    """
    if folder.exists() and any(folder.iterdir()):
        raise RefusedError(f"{folder} is not empty; a replay needs a new or an empty folder")
    with reporter.step("what the release was made of"):
        kept = kept_of(ws, release)
        wrong = altered(kept.folder)
    scratch = _scratch(ws, kept, folder)
    if kept.manifest.rollback_of is None:
        _make(scratch, kept, reporter)
    else:
        rollback(scratch, kept.manifest.rollback_of, kept.manifest.as_of)
    with reporter.step("compare"):
        tables = compare(kept.folder, scratch.releases / str(release), kept.rules, tuple(TABLES))
    said = kept.manifest
    return Replay(
        release,
        said.rule_set or "",
        said.software,
        software_version(),
        seal_of(ws, release),
        tuple(wrong),
        tuple(tables),
    )


def seal_of(ws: Workspace, release: int) -> Seal:
    """What the audit trail of a workspace says of a release."""
    trail = AuditTrail(ws.decisions)
    entries = trail.entries()
    sealed = [one.detail for one in entries if one.action in ("publish", "rollback")]
    told = [one.get("manifest") for one in sealed if one.get("release") == release]
    same = told[-1] == file_sha256(ws.releases / str(release) / MANIFEST) if told and told[-1] else None
    return Seal(len(entries), trail.head(), trail.verify(), same)


def _make(scratch: Workspace, kept: Kept, reporter: Reporter) -> None:
    """Link, plan and publish in the scratch workspace."""
    rules, decisions = scratch.load_rules(), DecisionStore(scratch.decisions)
    con = scratch.connect()
    try:
        link(con, scratch, rules, decisions, kept.manifest.as_of, reporter, full=True)
        planned = plan(con, scratch, rules, decisions, reporter, full=True)
        publish(con, scratch, rules, decisions, planned, reporter, "a replay", full=True)
    finally:
        con.close()


def _scratch(ws: Workspace, kept: Kept, folder: Path) -> Workspace:
    """A workspace that stands where `ws` stood before the release was made; what is only read is linked."""
    manifest = kept.manifest
    made = Workspace(folder, manifest.node)
    for place in (folder, made.landed, made.releases):
        place.mkdir(mode=0o700, parents=True, exist_ok=True)
    write_atomically(folder / "shuyuan.toml", f'format = {FORMAT}\nnode = "{manifest.node}"\n')
    shutil.copytree(kept.rules.folder, made.rules_folder)
    for name, path in kept.tables.items():
        if file_sha256(path) != file_sha256(reference_path(made.rules_folder, name)):
            (made.rules_folder / REFERENCE).mkdir(exist_ok=True)
            shutil.copyfile(path, made.rules_folder / REFERENCE / path.name)
    for path, note in kept.landed:
        place = made.landed / path.parent.name
        place.mkdir(mode=0o700, exist_ok=True)
        for file in (path, note):
            if not (place / file.name).exists():
                (place / file.name).symlink_to(file.resolve())
    for earlier in kept.before:
        (made.releases / earlier.name).symlink_to(earlier.resolve())
    if manifest.previous is not None:
        (made.releases / "current").symlink_to(str(manifest.previous))
    if manifest.decided is not None:
        copy_as_of(ws.decisions, made.decisions, manifest.decided, manifest.published_at)
    return made
