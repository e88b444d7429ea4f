"""What a release needs to say who a record may be that it does not hold yet: the match index and the rules it is of.

releases/<n>/<entity>/match/   the packed store of `link`, linked, not copied (see linkage/kernel/store.py)
releases/<n>/rules/            the rules that the release was made with, as they were
"""

from __future__ import annotations

import filecmp
import os
from pathlib import Path

from golden_records.segments import link_file
from rules.loader import rule_files

MATCH = "match"
RULES = "rules"


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


def keep_rules(rules_folder: Path, folder: Path, before: Path | None) -> set[str]:
    """Keep the rules beside the tables; gives the files that the release `before` has, too."""
    same = set()
    for path in rule_files(rules_folder):
        relative = path.relative_to(rules_folder)
        target = folder / RULES / relative
        target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        earlier = before / RULES / relative if before is not None else None
        if earlier is not None and earlier.exists() and filecmp.cmp(earlier, path, shallow=False):
            link_file(earlier, target)
            same.add(f"{RULES}/{relative.as_posix()}")
        else:
            target.write_bytes(path.read_bytes())
    return same
