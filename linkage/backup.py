"""Keeps a second copy of what cannot be recomputed, and puts it back.

Reads: landed/, decisions.sqlite, releases/, rules/, shuyuan.toml. Writes: one archive (see archive.py).

`work.duckdb` is left out: it is computed. SQLite is copied through its own backup, so stewards may go on
deciding meanwhile. A restored workspace is checked file by file before it gets its name.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path

from linkage import archive
from linkage.archive import Archive
from linkage.decision_schema import copy_to
from linkage.workspace import FORMAT, Workspace, write_atomically
from rules.errors import RefusedError

LISTING = "backup.json"
# Rights are granted where they count: a copy elsewhere makes its own tokens.
LEFT_OUT = {"work.duckdb", "work.duckdb.wal", "lock", "spill", "tokens.json", ".tokens.json.lock"}
SQLITE = "decisions.sqlite"


def backup(ws: Workspace, target: Path) -> Archive:
    """Write the workspace into the archive `target`: the whole of it or, where something fails, nothing.

    Raises:
        RefusedError: `target` exists, or the disk is full.
    """
    if target.exists():
        raise RefusedError(f"{target} exists; choose another name, a backup never replaces one")
    with tempfile.TemporaryDirectory(dir=target.parent) as scratch:
        files = {path.relative_to(ws.root).as_posix(): path for path in _kept(ws.root)}
        if ws.decisions.exists():
            files[SQLITE] = Path(scratch) / SQLITE
            copy_to(ws.decisions, files[SQLITE])
        return archive.write(target, LISTING, files)


def restore(file: Path, root: Path) -> Workspace:
    """Make the workspace `root` from an archive.

    Raises:
        InputError: the archive is not one of ours, is cut short, or a file is not what its listing says.
        RefusedError: `root` exists and is not empty.
    """
    if root.exists() and any(root.iterdir()):
        raise RefusedError(f"{root} is not empty; restore into a new folder")
    os.umask(0o077)
    making = root.with_name(f".{root.name}.restoring")
    shutil.rmtree(making, ignore_errors=True)
    making.mkdir(parents=True, mode=0o700)
    try:
        archive.unpack(file, making, LISTING, "backup")
        for name in ("landed", "releases"):
            (making / name).mkdir(mode=0o700, exist_ok=True)
        if root.exists():
            root.rmdir()
        making.rename(root)
    finally:
        shutil.rmtree(making, ignore_errors=True)
    return Workspace.open(root)


def upgrade(ws: Workspace) -> tuple[int, int]:
    """Bring a workspace of an older version to this one's format; gives the format before and after.

    Formats so far: 1. What is computed is thrown away and rebuilt by the next `link`.
    """
    before = ws.format
    if before < FORMAT:
        for name in sorted(LEFT_OUT - {"lock"}):
            path = ws.root / name
            shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)
        write_atomically(ws.root / "shuyuan.toml", f'format = {FORMAT}\nnode = "{ws.node}"\n')
    return before, FORMAT


def _kept(root: Path) -> list[Path]:
    """Every file and link that belongs into a backup, in the order of its name."""
    found = []
    for path in sorted(root.rglob("*")):
        top = path.relative_to(root).parts[0]
        hidden = any(part.startswith(".") for part in path.relative_to(root).parts)
        if top in LEFT_OUT or top.startswith(SQLITE) or hidden or (path.is_dir() and not path.is_symlink()):
            continue
        found.append(path)
    return found
