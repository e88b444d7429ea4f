"""Makes a release again from what is kept, and compares it row for row; and packs what that takes into one archive.

Reads: a release and its manifest, rule_sets/, landed/, decisions.sqlite. Writes: nothing but a workspace beside it
(`replay`), or one archive (`evidence`).

A release is a function of landed files, rules, decisions, the day and the release before. The manifest names them all;
what was landed or decided later is left out, and what was withdrawn later counts again.
"""

from __future__ import annotations

import io
import json
import sqlite3
import tarfile
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb

from golden_records.manifest import Manifest, read_manifest, releases_of
from golden_records.plan import plan
from golden_records.release import TABLES, publish
from golden_records.segments import has_table, table_sql
from linkage.audit_trail import AuditTrail
from linkage.backup import copy_sqlite
from linkage.beside import beside
from linkage.decisions import DecisionStore
from linkage.link import link
from linkage.progress import SILENT, Reporter
from linkage.rule_sets import kept
from linkage.workspace import Workspace
from rules.errors import InputError, NotFoundError, RefusedError

Document = dict[str, Any]
CLOCK = {"quality", "census"}  # they count what waits in the queue, which is of today


@dataclass(frozen=True)
class Compared:
    """A table of a release: its rows, and how many of them the replay lacks or has otherwise."""

    entity: str
    table: str
    rows: int
    missing: int
    added: int


def replay(ws: Workspace, release: int, reporter: Reporter = SILENT) -> list[Compared]:
    """Make release `release` again and compare every table.

    Raises:
        NotFoundError: there is no such release, or its set of rules was not kept.
        RefusedError: it is a rollback, or a landed file is gone.
    """
    manifest = _manifest(ws, release)
    if manifest.rollback_of is not None:
        raise RefusedError(f"release {release} is a rollback to {manifest.rollback_of}; replay that one")
    with beside(ws, kept(ws, manifest.rule_set or ""), manifest.previous, keep_releases=False) as other:
        _as_of(other, manifest)
        _landed_then(ws, other, manifest)
        rules, decisions, con = other.load_rules(), DecisionStore(other.decisions), other.connect()
        try:
            link(con, other, rules, decisions, manifest.as_of, reporter, full=True)
            found = plan(con, other, rules, decisions, reporter, full=True)
            made = publish(con, other, rules, decisions, found, reporter, forced=manifest.forced or "replay", full=True)
        finally:
            con.close()
        return [
            one
            for name in manifest.entities
            for one in _compared(name, ws.releases / str(release) / name, other.releases / str(made) / name)
        ]


def evidence(ws: Workspace, release: int, target: Path) -> Document:
    """Pack what an auditor needs to replay a release offline into the new archive `target`.

    It is a workspace without a database: rules, landed files, decisions with the audit chain, the release and the one
    before. `shuyuan replay` in the unpacked folder needs nothing else.

    Raises:
        NotFoundError: there is no such release, or its set of rules was not kept.
        RefusedError: the target exists.
    """
    manifest = _manifest(ws, release)
    if target.exists():
        raise RefusedError(f"{target} exists; choose another name")
    rules = kept(ws, manifest.rule_set or "")
    wanted = {one.sha256 for one in manifest.landed}
    told = {
        "release": release,
        "as_of": manifest.as_of.isoformat(),
        "rule_set": manifest.rule_set,
        "audit_head": AuditTrail(ws.decisions).head(),
        "software": manifest.software,
    }
    folders = [rules, *(ws.landed / sha256 for sha256 in sorted(wanted)), ws.releases / str(release)]
    folders += [ws.releases / str(manifest.previous)] if manifest.previous is not None else []
    copy = target.with_name(f".{target.name}.decisions")
    try:
        copy_sqlite(ws.decisions, copy)
        with tarfile.open(target, "x") as tar:
            text = json.dumps(told, ensure_ascii=False, indent=1).encode()
            member = tarfile.TarInfo("evidence.json")
            member.size = len(text)
            tar.addfile(member, io.BytesIO(text))
            tar.add(ws.root / "shuyuan.toml", "shuyuan.toml")
            tar.add(copy, "decisions.sqlite")
            tar.add(rules, "rules")
            for folder in folders:
                tar.add(folder.resolve(), folder.relative_to(ws.root).as_posix())
            link_ = tarfile.TarInfo("releases/current")
            link_.type, link_.linkname = tarfile.SYMTYPE, str(release)
            tar.addfile(link_)
    finally:
        copy.unlink(missing_ok=True)
    target.chmod(0o600)
    return told


def _manifest(ws: Workspace, release: int) -> Manifest:
    if release not in releases_of(ws.releases):
        raise NotFoundError(f"there is no release {release}; 'shuyuan status' lists them")
    manifest = read_manifest(ws.releases / str(release))
    if manifest.rule_set is None:
        raise NotFoundError(f"release {release} was published before sets of rules were kept; it cannot be replayed")
    return manifest


def _as_of(other: Workspace, manifest: Manifest) -> None:
    """Let the copy of the decisions be what they were when the release was published."""
    with closing(sqlite3.connect(other.decisions)) as db:
        triggers = db.execute("select name from sqlite_master where type = 'trigger'").fetchall()
        for (name,) in triggers:
            db.execute(f'drop trigger "{name}"')
        db.execute("delete from decision where decided_at > ?", (manifest.published_at,))
        db.execute(
            "update decision set withdrawn_at = null, withdrawn_by = null where withdrawn_at > ?",
            (manifest.published_at,),
        )
        db.commit()
        # Of decisions of the same second the number of the last one tells which were there.
        while DecisionStore(other.decisions).last_id() > manifest.last_decision:
            db.execute("delete from decision where decision_id = (select max(decision_id) from decision)")
            db.commit()


def _landed_then(ws: Workspace, other: Workspace, manifest: Manifest) -> None:
    """Let `landed/` hold the deliveries that the release was made of, and no others."""
    (other.root / "landed").unlink()
    (other.root / "landed").mkdir()
    for one in manifest.landed:
        source, target = ws.landed / one.sha256, other.landed / one.sha256
        note = f"load.{one.source}.{one.observed_on}.json"
        if not (source / note).is_file():
            raise InputError(f"the landed file {one.sha256} of {one.source} is gone; restore it from a backup")
        target.mkdir(exist_ok=True)
        for path in source.iterdir():
            if not path.name.startswith("load.") and not (target / path.name).exists():
                (target / path.name).symlink_to(path.resolve())
        (target / note).write_bytes((source / note).read_bytes())


def _compared(entity: str, before: Path, after: Path) -> list[Compared]:
    found = []
    with duckdb.connect() as con:
        for table in TABLES:
            if table in CLOCK or not has_table(before, table):
                continue
            one, other = table_sql(before, table), table_sql(after, table)
            columns = [str(row[0]) for row in con.execute(f"describe select * from {one}").fetchall()]
            named = ", ".join(f'"{name}"' for name in columns)
            counts = con.execute(
                f"select (select count(*) from {one}), "
                f"(select count(*) from (select {named} from {one} except all select {named} from {other})), "
                f"(select count(*) from (select {named} from {other} except all select {named} from {one}))"
            ).fetchall()[0]
            found.append(Compared(entity, table, *(int(n) for n in counts)))
    return found
