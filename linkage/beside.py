"""A workspace beside another: the same landed files and decisions, other rules; what is tried in it changes nothing.

Reads: a workspace. Writes: a folder inside it that is gone when the block ends. Landed files and releases are linked,
not copied; decisions are a copy through SQLite's own backup.
"""

from __future__ import annotations

import shutil
import sqlite3
import tempfile
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from linkage.workspace import Workspace


@contextmanager
def beside(ws: Workspace, rules: Path) -> Iterator[Workspace]:
    """A workspace like `ws`, with its releases and the rules of folder `rules`."""
    with tempfile.TemporaryDirectory(dir=ws.root, prefix=".beside-") as folder:
        root = Path(folder)
        shutil.copyfile(ws.root / "shuyuan.toml", root / "shuyuan.toml")
        shutil.copytree(rules, root / "rules")
        (root / "landed").symlink_to(ws.landed.resolve())
        (root / "releases").symlink_to(ws.releases.resolve())
        if ws.decisions.exists():
            # Open for writing: whoever only reads leaves the files of the write-ahead log behind.
            with (
                closing(sqlite3.connect(ws.decisions)) as source,
                closing(sqlite3.connect(root / "decisions.sqlite")) as copy,
            ):
                source.backup(copy)
        yield Workspace.open(root)
