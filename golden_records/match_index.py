"""What a release needs to say who a record may be that it does not hold yet: the match index and the rules it is of.

releases/<n>/<entity>/match/   the packed store of `link`, linked, not copied (see linkage/kernel/store.py)
releases/<n>/rules/            the rules that the release was made with, as they were
releases/<n>/reference/        the shipped reference tables that they looked things up in, as they were
"""

from __future__ import annotations

import filecmp
import os
from collections.abc import Mapping
from pathlib import Path

from golden_records.segments import link_file
from linkage.rule_set import tables_of
from rules.loader import rule_files
from rules.model import Rules

MATCH = "match"
RULES = "rules"
REFERENCE = "reference"


def carry(packed: Path, folder: Path, before: Path | None) -> set[str]:
    """Link the match index of an entity type into `folder`; gives the files in it that the release `before` has, too.

    Where linking left none there is none.
    """
    same = set()
    for path in sorted(packed.rglob("*")):
        relative = path.relative_to(packed)
        target = folder / MATCH / relative
        if not path.is_file() or any(part.startswith(".") for part in relative.parts):
            continue
        target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        link_file(path, target)
        earlier = before / MATCH / relative if before is not None else None
        if earlier is not None and earlier.exists() and os.path.samefile(earlier, target):
            same.add(f"{folder.name}/{MATCH}/{relative.as_posix()}")
    return same


def keep_rules(rules: Rules, folder: Path, before: Path | None) -> set[str]:
    """Keep the rules and what they look up beside the tables; gives the files that the release `before` has, too."""
    kept = {f"{RULES}/{path.relative_to(rules.folder).as_posix()}": path for path in rule_files(rules.folder)}
    own = rules.folder / REFERENCE
    kept |= {f"{REFERENCE}/{path.name}": path for path in tables_of(rules).values() if path.parent != own}
    return _keep(kept, folder, before)


def keep_rules_of(release: Path, folder: Path) -> None:
    """Keep the rules of an earlier release beside the tables."""
    for name in (RULES, REFERENCE):
        kept = {path.relative_to(release).as_posix(): path for path in (release / name).rglob("*") if path.is_file()}
        _keep(kept, folder, release)


def _keep(files: Mapping[str, Path], folder: Path, before: Path | None) -> set[str]:
    """Have files in `folder` under their names: linked where the release `before` has the same, else copied."""
    same = set()
    for name, path in files.items():
        target = folder / name
        target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        earlier = before / name if before is not None else None
        if earlier is not None and earlier.exists() and filecmp.cmp(earlier, path, shallow=False):
            link_file(earlier, target)
            same.add(name)
        else:
            target.write_bytes(path.read_bytes())
    return same
