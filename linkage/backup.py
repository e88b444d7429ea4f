"""Keeps a second copy of what cannot be recomputed, and puts it back.

Reads: landed/, decisions.sqlite, releases/, rules/, shuyuan.toml. Writes: one archive (tar, not compressed:
Parquet and landed files hardly shrink), whose first member lists every file with its SHA-256.

`work.duckdb` is left out: it is computed. SQLite is copied through its own backup, so stewards may go on
deciding meanwhile. A restored workspace is checked file by file before it gets its name.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import shutil
import sqlite3
import tarfile
import tempfile
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from linkage.workspace import FORMAT, Workspace, write_atomically
from rules.errors import InputError, RefusedError

LISTING = "backup.json"
# Rights are granted where they count: a copy elsewhere makes its own tokens.
LEFT_OUT = {"work.duckdb", "work.duckdb.wal", "lock", "spill", "tokens.json", ".tokens.json.lock"}
SQLITE = "decisions.sqlite"


@dataclass(frozen=True)
class Backup:
    """An archive: its files and bytes, and the SHA-256 over its listing, which names every one of them."""

    path: Path
    files: int
    bytes: int
    sha256: str


def backup(ws: Workspace, target: Path) -> Backup:
    """Write the workspace into the archive `target`: the whole of it or, where something fails, nothing.

    Raises:
        RefusedError: `target` exists, or the disk is full.
    """
    if target.exists():
        raise RefusedError(f"{target} exists; choose another name, a backup never replaces one")
    making = target.with_name(f".{target.name}.new")
    with tempfile.TemporaryDirectory(dir=target.parent) as scratch:
        files = {path.relative_to(ws.root).as_posix(): path for path in _kept(ws.root)}
        if ws.decisions.exists():
            files[SQLITE] = Path(scratch) / SQLITE
            copy_sqlite(ws.decisions, files[SQLITE])
        try:
            found = _write(making, target, ws.root, files)
            making.replace(target)
        except OSError as error:
            making.unlink(missing_ok=True)
            raise RefusedError(f"{target} could not be written ({error}); nothing was left behind") from error
    return found


def restore(archive: Path, root: Path) -> Workspace:
    """Make the workspace `root` from an archive.

    Raises:
        InputError: the archive is not one of ours, is cut short, or a file is not what its listing says.
        RefusedError: `root` exists and is not empty.
    """
    if root.exists() and any(root.iterdir()):
        raise RefusedError(f"{root} is not empty; restore into a new folder")
    if not archive.is_file():
        raise InputError(f"{archive}: no such file")
    os.umask(0o077)
    making = root.with_name(f".{root.name}.restoring")
    shutil.rmtree(making, ignore_errors=True)
    making.mkdir(parents=True, mode=0o700)
    try:
        with tarfile.open(archive) as tar:
            tar.extractall(making, filter="data")
        _check(archive, making)
        (making / LISTING).unlink()
        for name in ("landed", "releases"):
            (making / name).mkdir(mode=0o700, exist_ok=True)
        if root.exists():
            root.rmdir()
        making.rename(root)
    except (tarfile.TarError, EOFError) as error:
        raise InputError(f"{archive.name} is no whole backup ({error}); nothing was restored") from error
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


def copy_sqlite(source: Path, target: Path) -> None:
    with closing(sqlite3.connect(source)) as held, closing(sqlite3.connect(target)) as copy:
        held.backup(copy)


def _write(making: Path, target: Path, root: Path, files: dict[str, Path]) -> Backup:
    listing = {name: _describe(path) for name, path in files.items()}
    text = json.dumps({"format": FORMAT, "files": listing}, indent=1, sort_keys=True).encode()
    with tarfile.open(making, "w") as tar:
        head = tarfile.TarInfo(LISTING)
        head.size = len(text)
        tar.addfile(head, io.BytesIO(text))
        for name, path in files.items():
            tar.add(path, name, recursive=False)
    with making.open("rb") as file:
        os.fsync(file.fileno())
    return Backup(target, len(files), making.stat().st_size, hashlib.sha256(text).hexdigest())


def _describe(path: Path) -> str:
    """The SHA-256 of a file, or where a link points to."""
    if path.is_symlink():
        return f"-> {path.readlink()}"
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _check(archive: Path, folder: Path) -> None:
    path = folder / LISTING
    if not path.is_file():
        raise InputError(f"{archive.name} is no backup of a workspace (no {LISTING})")
    listing = json.loads(path.read_text("utf-8"))
    if listing["format"] > FORMAT:
        raise RefusedError(f"{archive.name} has format {listing['format']}; this version knows {FORMAT}")
    for name, said in listing["files"].items():
        held = folder / name
        if not (held.is_symlink() or held.is_file()) or _describe(held) != said:
            raise InputError(f"{archive.name}: {name} is missing or not what was backed up; nothing was restored")
