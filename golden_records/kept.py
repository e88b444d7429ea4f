"""What a release was made of, as it was kept: rules with what they look up, delivered files, what came before.

Reads: a release and the landed files that its manifest names. Everything is checked against the manifest first.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from golden_records.manifest import MANIFEST, EntityState, Landed, Manifest, file_sha256, read_manifest
from golden_records.match_index import MATCH, REFERENCE, RULES
from linkage.rule_set import parts_of, tables_of, version_of
from linkage.workspace import Workspace
from rules.errors import NotFoundError, RefusedError
from rules.loader import load_rules
from rules.model import Rules


@dataclass(frozen=True)
class Kept:
    """What a release was made of. `landed` are pairs of a delivered file and the note of its delivery; `tables` are the
    reference tables by name; `before` are the releases that it continues or brings back."""

    folder: Path
    manifest: Manifest
    rules: Rules
    tables: dict[str, Path]
    landed: tuple[tuple[Path, Path], ...]
    before: tuple[Path, ...]


def kept_of(ws: Workspace, release: int) -> Kept:
    """What release `release` was made of.

    Raises:
        NotFoundError: there is no such release.
        RulesError: its rules cannot be read.
        RefusedError: something is gone or altered: everything of that kind is named.
    """
    folder = ws.releases / str(release)
    manifest = read_manifest(folder)
    if manifest.decided is None or manifest.rule_set is None:
        raise RefusedError(
            f"release {release} was made by version {manifest.software}, which did not keep what a replay needs; "
            "'shuyuan publish' makes releases that do"
        )
    if not (folder / RULES).is_dir():
        raise NotFoundError(f"{folder / RULES} is missing; a release cannot be replayed without its rules")
    rules = load_rules(folder / RULES)
    tables = {name: _table(folder, path) for name, path in tables_of(rules).items()}
    before = tuple(ws.releases / str(n) for n in dict.fromkeys((manifest.previous, manifest.rollback_of)) if n)
    faults = [*_rules_faults(manifest, rules, tables, _linked_then(ws, manifest))]
    for earlier in before:
        if not (earlier / MANIFEST).is_file():
            faults.append(f"release {earlier.name}, which it continues, is gone")
        else:
            faults += [f"release {earlier.name}, which it continues: {path} is altered" for path in altered(earlier)]
    landed = []
    for one in manifest.landed if manifest.rollback_of is None else ():
        found = _delivery(ws, one)
        if isinstance(found, str):
            faults.append(found)
        else:
            landed.append(found)
    if faults:
        raise RefusedError(
            f"release {release} cannot be replayed, what it was made of is not what its manifest says: "
            + "; ".join(faults)
        )
    return Kept(folder, manifest, rules, tables, tuple(landed), before)


def altered(folder: Path) -> list[str]:
    """The files of a release that are missing or not what its manifest says; the match index is not looked at."""
    return [
        one.path
        for one in read_manifest(folder).files
        if f"/{MATCH}/" not in one.path and file_sha256(folder / one.path) != one.sha256
    ]


def _table(folder: Path, path: Path) -> Path:
    """The reference table that a release kept, else the one it would be looked up in."""
    kept = folder / REFERENCE / path.name
    return kept if kept.exists() else path


def _linked_then(ws: Workspace, manifest: Manifest) -> dict[str, EntityState]:
    """The entity types that the rules of the release were used for; what was brought back may have had fewer."""
    back = ws.releases / str(manifest.rollback_of) / MANIFEST
    known = read_manifest(back.parent).entities if back.is_file() else manifest.entities
    return {name: state for name, state in manifest.entities.items() if name in known}


def _rules_faults(
    manifest: Manifest, rules: Rules, tables: dict[str, Path], states: dict[str, EntityState]
) -> Iterator[str]:
    if rules.sha256 != manifest.rules:
        yield f"the rules have the hash {rules.sha256[:12]}, not {manifest.rules[:12]}"
    for name, state in states.items():
        if name not in rules.entities:
            yield f"the rules lack {name}"
            continue
        now = parts_of(rules.entities[name], tables)
        if now.weights != state.weights:
            yield f"{name}/weights.json is altered"
        if now.frequencies != state.frequencies:
            yield f"{name}/frequencies.parquet is altered"
        for table in sorted({*now.references, *state.references}):
            if now.references.get(table) != state.references.get(table):
                yield f"the reference table {table} of {name} is another one"
    if version_of(rules, tables) != manifest.rule_set:
        yield f"they are not the rule set {(manifest.rule_set or '')[:12]}"


def _delivery(ws: Workspace, one: Landed) -> tuple[Path, Path] | str:
    """The delivered file and its note, or what is wrong with them."""
    folder = ws.landed / one.sha256
    for note in sorted(folder.glob("load.*.json")):
        said = json.loads(note.read_text("utf-8"))
        if (said["entity"], said["source"], said["observed_on"]) == (one.entity, one.source, str(one.observed_on)):
            path = folder / said["file"]
            same = file_sha256(path) == one.sha256
            return (path, note) if same else f"the delivered file {said['file']} of {one.source} is altered"
    return f"a delivered file of {one.source} (landed/{one.sha256[:12]}…) is gone"
