"""What several commands share: their options, and the way from what was typed to a workspace, a day, an entity type."""

from __future__ import annotations

import getpass
import shutil
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path
from typing import Annotated, Any

import duckdb
import typer

from commands.printing import err
from golden_records.clear_text import ask_leave
from golden_records.queue import Queue
from linkage.audit_trail import AuditTrail
from linkage.decided import SourceRecord
from linkage.decisions import DecisionStore
from linkage.workspace import Workspace
from rules.errors import InputError, NotFoundError, RefusedError
from rules.model import EntityRules, Rules

Place = Annotated[Path, typer.Option("--workspace", "-w", envvar="SHUYUAN_WORKSPACE", help="The workspace folder.")]
AsJson = Annotated[bool, typer.Option("--json", help="One JSON document on stdout.")]
Unmask = Annotated[
    str | None, typer.Option("--unmask", metavar="REASON", help="Show clear text; a second person gives leave.")
]
AsOf = Annotated[datetime | None, typer.Option("--as-of", formats=["%Y-%m-%d"], help="A day; default: today.")]
Number = Annotated[int | None, typer.Option("--release", help="A release number; default: the current one.")]
EntityOption = Annotated[str, typer.Option("--entity", "-e", help="The entity type.")]
EntityName = Annotated[str, typer.Argument(metavar="ENTITY", help="The entity type.")]
Reason = Annotated[str, typer.Option("--reason", help="Why; kept with the decision.")]
Steward = Annotated[str, typer.Option("--steward", help="Who decides; default: the system user.")]
HERE = Path()


@dataclass(frozen=True)
class Batch:
    """What a batch verb works with while it holds the workspace."""

    ws: Workspace
    rules: Rules
    con: duckdb.DuckDBPyConnection
    decisions: DecisionStore
    trail: AuditTrail


@contextmanager
def open_batch(root: Path, action: str) -> Iterator[Batch]:
    ws = Workspace.open(root)
    rules = ws.load_rules()
    with ws.lock(action):
        con = ws.connect()
        try:
            yield Batch(ws, rules, con, DecisionStore(ws.decisions), AuditTrail(ws.decisions))
        finally:
            con.close()


def day_of(given: datetime | None) -> date:
    return given.date() if given else datetime.now().astimezone().date()


def entity_of(rules: Rules, name: str) -> EntityRules:
    if name not in rules.entities:
        raise NotFoundError(f"no entity type {name!r}; the rules have {', '.join(rules.entities)}")
    return rules.entities[name]


def record_of(text: str) -> SourceRecord:
    source, slash, key = text.partition("/")
    if not slash or not source or not key:
        raise InputError(f"{text!r}: expected SOURCE/KEY, such as civil_registry/A0001")
    return source, key


def check_disk(root: Path, needed: int) -> None:
    """Say beforehand how much disk a step will need, and stop where there is not as much."""
    free = shutil.disk_usage(root).free
    err.print(f"disk: needs up to {needed / 1e9:.1f} GB, {free / 1e9:.1f} GB are free")
    if needed > free:
        raise RefusedError(
            f"{root}: {needed / 1e9:.1f} GB may be needed, {free / 1e9:.1f} GB are free; nothing was begun"
        )


def open_clear_text(
    ws: Workspace, rules: Rules, reason: str | None, records: Iterable[tuple[str, SourceRecord]], detail: dict[str, Any]
) -> None:
    """Let the system user see the clear text of source records (entity type, record), before any of it is shown.

    Nothing is done without a reason: then values stay masked. Leave comes from a second person, as at the desk; the
    audit trail keeps the reason and `detail`.

    Raises:
        RefusedError: the reason is empty, or a second person has not given leave yet.
    """
    if reason is None:
        return
    if not reason.strip():
        raise RefusedError("--unmask needs a reason; the audit trail keeps it")
    queue, steward = Queue(ws, rules), getpass.getuser()
    wanted: dict[str, list[SourceRecord]] = {}
    for entity, record in dict.fromkeys(records):
        wanted.setdefault(entity, []).append(record)
    asked = [ask_leave(queue, entity, subjects, steward, reason) for entity, subjects in wanted.items()]
    waiting = [str(number) for number in asked if number is not None]
    if waiting:
        raise RefusedError(
            f"clear text needs a second person: decision {', '.join(waiting)} waits for one "
            f"('shuyuan decide confirm {waiting[0]}'); ask again when it is confirmed"
        )
    AuditTrail(ws.decisions).append("unmask", {"reason": reason, **detail})
