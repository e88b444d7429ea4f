"""One archive from which an auditor checks a release without the workspace it was made in, and without a network.

    evidence.json            first: the release, the purpose, the head of the audit trail, the SHA-256 of every file
    README.md                how to check it, in Chinese and English
    samples/<entity>/        a few rows of every table, masked
    decisions.jsonl          the decisions as the release knew them, values masked
    audit.jsonl              the audit trail, each entry with the hash that seals it
    releases/<n>/            manifest, rules, weights, reference tables; and, where the data is in it:
    releases/, landed/, decisions.sqlite, shuyuan.toml     what a replay needs, laid out as a workspace

What a replay needs is personal data in clear text, so the archive is an export: it needs a purpose, which the audit
trail keeps before anything is written. Without the data the archive holds values masked only, no frequencies of
values, and cannot be replayed.
"""

from __future__ import annotations

import csv
import json
import tempfile
from collections.abc import Iterator
from importlib.resources import files
from pathlib import Path

import duckdb

from golden_records.kept import Kept, kept_of
from golden_records.manifest import MANIFEST
from golden_records.masking import mask_row
from golden_records.match_index import MATCH, REFERENCE, RULES
from golden_records.release_tables import TABLES
from golden_records.replay import seal_of
from golden_records.segments import has_table, table_sql
from linkage import archive
from linkage.archive import Archive
from linkage.audit_trail import AuditTrail
from linkage.decisions import DecisionStore
from linkage.decisions_then import copy_as_of
from linkage.frequencies import FILE as FREQUENCIES
from linkage.workspace import Workspace
from rules.errors import RefusedError
from rules.masking import mask_value
from rules.model import Rules

LISTING = "evidence.json"
SAMPLE = 20
Files = Iterator[tuple[str, Path]]


def write_evidence(ws: Workspace, release: int, target: Path, purpose: str, data: bool = True) -> Archive:
    """Write the evidence of a release to `target`, with the data that a replay needs or without it.

    Raises:
        NotFoundError: there is no such release.
        RefusedError: no purpose was stated, `target` exists, or what the release was made of is gone or altered.
    """
    if not purpose.strip():
        raise RefusedError("evidence needs a purpose; say it with --purpose")
    if target.exists():
        raise RefusedError(f"{target} exists; choose another name")
    kept = kept_of(ws, release)
    detail = {"release": release, "purpose": purpose, "file": target.name, "data": data}
    AuditTrail(ws.decisions).append("evidence", detail)
    with tempfile.TemporaryDirectory(dir=target.parent) as scratch:
        made = Path(scratch)
        found = dict(_to_read(ws, kept, made))
        found |= dict(_without_data(ws, kept))
        if data:
            found |= dict(_to_replay(ws, kept, made))
        seal = seal_of(ws, release)
        said = detail | {"audit": {"entries": seal.entries, "head": seal.head, "broken_at": seal.broken_at}}
        return archive.write(target, LISTING, found, said)


def open_evidence(file: Path, folder: Path) -> tuple[Workspace, int]:
    """Unpack evidence into the empty `folder` and check every file; gives the workspace it is, and the release.

    Raises:
        InputError: it is no evidence, or a file is not what the listing says.
        RefusedError: it was written without the data.
    """
    said = archive.unpack(file, folder, LISTING, "evidence")
    if not said["data"]:
        raise RefusedError(
            f"every file of {file.name} is what its listing says, but it was written without the data; "
            "only evidence with the data can be replayed"
        )
    return Workspace.open(folder), int(said["release"])


def _to_read(ws: Workspace, kept: Kept, made: Path) -> Files:
    """What people read: the page, samples, decisions and the audit trail."""
    page = made / "README.md"
    page.write_text(files("golden_records.templates").joinpath("evidence.md").read_text("utf-8"), "utf-8")
    yield page.name, page
    with duckdb.connect() as con:
        for name in kept.manifest.entities:
            for table in TABLES:
                if name in kept.rules.entities and has_table(kept.folder / name, table):
                    path = made / f"{name}.{table}.csv"
                    _write_sample(con, kept, name, table, path)
                    yield f"samples/{name}/{table}.csv", path
    store = made / "decisions.sqlite"
    if kept.manifest.decided is not None:
        copy_as_of(ws.decisions, store, kept.manifest.decided, kept.manifest.published_at)
    _write_lines(made / "decisions.jsonl", decisions_masked(DecisionStore(store), kept.rules))
    _write_lines(made / "audit.jsonl", (vars(one) for one in AuditTrail(ws.decisions).entries()))
    yield from ((name, made / name) for name in ("decisions.jsonl", "audit.jsonl"))


def _without_data(ws: Workspace, kept: Kept) -> Files:
    """The manifest and the rule set but its frequencies, which are values that several records have."""
    for path in sorted(kept.folder.rglob("*")):
        top = path.relative_to(kept.folder).parts[0]
        if path.is_file() and top in (MANIFEST, RULES, REFERENCE) and path.name != FREQUENCIES:
            yield path.relative_to(ws.root).as_posix(), path


def _to_replay(ws: Workspace, kept: Kept, made: Path) -> Files:
    """What a replay needs, at its places in a workspace."""
    yield "shuyuan.toml", ws.root / "shuyuan.toml"
    for folder in (kept.folder, *kept.before):
        for path in sorted(folder.rglob("*")):
            if path.is_file() and MATCH not in path.relative_to(folder).parts:
                yield path.relative_to(ws.root).as_posix(), path
    for pair in kept.landed:
        yield from ((path.relative_to(ws.root).as_posix(), path) for path in pair)
    AuditTrail(ws.decisions).copy_to(made / "decisions.sqlite")
    yield "decisions.sqlite", made / "decisions.sqlite"


def _write_sample(con: duckdb.DuckDBPyConnection, kept: Kept, entity: str, table: str, path: Path) -> None:
    """Write some rows, the same ones every time, masked."""
    rows = table_sql(kept.folder / entity, table)
    found = con.execute(f"select t.* from {rows} as t order by md5(t::varchar) limit {SAMPLE}")
    names = [column[0] for column in found.description or ()]
    with path.open("w", encoding="utf-8-sig", newline="") as file:
        writer = csv.DictWriter(file, names)
        writer.writeheader()
        for row in found.fetchall():
            writer.writerow(mask_row(kept.rules.entities[entity].entity, table, dict(zip(names, row, strict=True))))


def decisions_masked(store: DecisionStore, rules: Rules) -> Iterator[dict[str, object]]:
    """Every decision of a store, also those that were withdrawn or never counted, with the values in them masked."""
    for one in store.listed(withdrawn=True):
        payload = dict(one.payload)
        if "value" in payload and one.entity in rules.entities:
            known = rules.entities[one.entity].entity
            payload["value"] = mask_value(known, str(payload.get("field")), str(payload["value"]))
        yield vars(one) | {"payload": payload}


def _write_lines(path: Path, rows: Iterator[dict[str, object]]) -> None:
    with path.open("w", encoding="utf-8") as file:
        for row in rows:
            file.write(json.dumps(row, ensure_ascii=False, sort_keys=True) + "\n")
