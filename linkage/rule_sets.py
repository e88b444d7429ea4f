"""Sets of rules as versions: kept whole under the hash of their content, changed by two people, put back by name.

Reads: rules folders. Writes: rule_sets/<hash>/ in the workspace, table rule_change in decisions.sqlite, and `rules/`
where a change is approved or an earlier set is put back.

A set is named by the beginning of the hash that releases name it by.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from linkage.audit_trail import AuditTrail
from linkage.decision_schema import with_tables
from linkage.rule_set import tables_of, version_of
from linkage.workspace import Workspace
from rules.errors import InputError, NotFoundError, RefusedError
from rules.loader import load_rules

DIGITS = 16
FOLDER = "rule_sets"
_SCHEMA = """
create table if not exists rule_change (
  rule_set text primary key, proposer text not null, proposed_at text not null, document text not null,
  approver text, reason text, approved_at text, replaced text) without rowid;
"""


@dataclass(frozen=True)
class RuleChange:
    """A change of rules that was proposed, and who approved it; `replaced` names the set that it took the place of."""

    rule_set: str
    proposer: str
    proposed_at: str
    document: Mapping[str, Any]
    approver: str | None
    reason: str | None
    approved_at: str | None
    replaced: str | None


def name_of(folder: Path) -> str:
    """The name of a set: the beginning of the hash of all that decides in it (see rule_set.py)."""
    rules = load_rules(folder)
    return version_of(rules, tables_of(rules))[:DIGITS]


def keep(ws: Workspace, folder: Path) -> str:
    """Keep a copy of a rules folder under its hash; the same content is kept once."""
    name = name_of(folder)
    target = ws.root / FOLDER / name
    if not target.exists():
        target.parent.mkdir(mode=0o700, exist_ok=True)
        making = target.with_name(f".{name}")
        shutil.rmtree(making, ignore_errors=True)
        shutil.copytree(folder, making)
        making.replace(target)
    return name


def kept(ws: Workspace, name: str) -> Path:
    """The folder of a kept set. Raises NotFoundError where there is none of this name."""
    folder = ws.root / FOLDER / name
    if not name or not folder.is_dir():
        held = sorted(path.name for path in (ws.root / FOLDER).glob("*") if path.is_dir()) or ["none"]
        raise NotFoundError(f"no set of rules {name!r} is kept; there are {', '.join(held)}")
    return folder


def propose(ws: Workspace, candidate: Path, proposer: str, document: Mapping[str, Any]) -> str:
    """Keep a candidate with what it was found to do; gives its name."""
    name = keep(ws, candidate)
    now = datetime.now(UTC).isoformat(timespec="seconds")
    with with_tables(ws.decisions, _SCHEMA) as db:
        db.execute(
            "insert into rule_change (rule_set, proposer, proposed_at, document) values (?, ?, ?, ?) "
            "on conflict (rule_set) do update set proposer = excluded.proposer, proposed_at = excluded.proposed_at, "
            "document = excluded.document, approver = null, reason = null, approved_at = null, replaced = null",
            (name, proposer, now, json.dumps(document, ensure_ascii=False)),
        )
    AuditTrail(ws.decisions).append("propose rules", {"rule_set": name}, proposer)
    return name


def changes(ws: Workspace) -> list[RuleChange]:
    """The changes that were proposed, the last first."""
    with with_tables(ws.decisions, _SCHEMA) as db:
        found = db.execute("select * from rule_change order by proposed_at desc, rule_set").fetchall()
    return [RuleChange(a, b, c, json.loads(said), *rest) for a, b, c, said, *rest in found]


def approve(ws: Workspace, name: str, approver: str, reason: str, forced: bool = False) -> str:
    """Make a proposed set the current rules; gives the name under which those of before are kept.

    Raises:
        NotFoundError: no such change was proposed.
        RefusedError: the approver proposed it, or it exceeds the limits and is not forced.
    """
    change = next((one for one in changes(ws) if one.rule_set == name), None)
    if change is None:
        raise NotFoundError(f"no set of rules {name!r} was proposed; 'shuyuan plan --rules DIR' proposes one")
    if not reason.strip():
        raise InputError("an approval needs a reason")
    if approver == change.proposer:
        raise RefusedError(f"{approver} proposed this change; somebody else has to approve it")
    if change.document.get("exceeded") and not forced:
        raise RefusedError(
            "; ".join(change.document["exceeded"]) + ". Change the candidate, or approve it with --force if it is right"
        )
    before = _put(ws, kept(ws, name))
    now = datetime.now(UTC).isoformat(timespec="seconds")
    with with_tables(ws.decisions, _SCHEMA) as db:
        db.execute(
            "update rule_change set approver = ?, reason = ?, approved_at = ?, replaced = ? where rule_set = ?",
            (approver, reason, now, before, name),
        )
    detail = {"rule_set": name, "replaced": before, "reason": reason, "forced": forced}
    AuditTrail(ws.decisions).append("approve rules", detail, approver)
    return before


def restore(ws: Workspace, name: str) -> str:
    """Put a kept set back; gives the name under which the present rules are kept."""
    before = _put(ws, kept(ws, name))
    AuditTrail(ws.decisions).append("restore rules", {"rule_set": name, "replaced": before})
    return before


def _put(ws: Workspace, folder: Path) -> str:
    """Let `rules/` be a copy of a folder: the old rules or the new ones, never a part."""
    load_rules(folder)
    before = keep(ws, ws.rules_folder)
    making, old = ws.root / ".rules.new", ws.root / ".rules.old"
    for leftover in (making, old):
        shutil.rmtree(leftover, ignore_errors=True)
    shutil.copytree(folder, making)
    ws.rules_folder.rename(old)
    making.rename(ws.rules_folder)
    shutil.rmtree(old)
    return before
