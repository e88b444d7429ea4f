"""Archives that check themselves: tar, not compressed (Parquet and delivered files hardly shrink), not encrypted.

The first member lists every other one with its SHA-256, so that what is missing, altered or cut short is found before
anything of it is used. What the archive is stands in the name of that listing.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import tarfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from linkage.workspace import FORMAT
from rules.errors import InputError, RefusedError


@dataclass(frozen=True)
class Archive:
    """An archive: its files and bytes, and the SHA-256 over its listing, which names every one of them."""

    path: Path
    files: int
    bytes: int
    sha256: str


def write(target: Path, listing: str, files: Mapping[str, Path], said: Mapping[str, Any] | None = None) -> Archive:
    """Write `files`, by their names in the archive, into `target`: all of them or, where something fails, nothing.

    `said` is what the listing, the member named `listing`, says beside them.

    Raises:
        RefusedError: `target` exists, or the disk is full.
    """
    if target.exists():
        raise RefusedError(f"{target} exists; choose another name, an archive never replaces one")
    making = target.with_name(f".{target.name}.new")
    try:
        found = _write(making, target, listing, files, said or {})
        making.replace(target)
    except OSError as error:
        making.unlink(missing_ok=True)
        raise RefusedError(f"{target} could not be written ({error}); nothing was left behind") from error
    return found


def unpack(archive: Path, folder: Path, listing: str, what: str) -> dict[str, Any]:
    """Unpack into `folder` and check every file; gives what the listing says. `what` says what it should be.

    Raises:
        InputError: the archive is not such a one, is cut short, or a file is not what the listing says.
        RefusedError: a newer version wrote it.
    """
    if not archive.is_file():
        raise InputError(f"{archive}: no such file")
    try:
        with tarfile.open(archive) as tar:
            tar.extractall(folder, filter="data")
    except (tarfile.TarError, EOFError) as error:
        raise InputError(f"{archive.name} is no whole {what} ({error}); nothing of it was used") from error
    path = folder / listing
    if not path.is_file():
        raise InputError(f"{archive.name} is no {what} (no {listing})")
    said: dict[str, Any] = json.loads(path.read_text("utf-8"))
    path.unlink()
    if said["format"] > FORMAT:
        raise RefusedError(f"{archive.name} has format {said['format']}; this version knows {FORMAT}")
    for name, digest in said["files"].items():
        held = folder / name
        if not (held.is_symlink() or held.is_file()) or _describe(held) != digest:
            raise InputError(f"{archive.name}: {name} is missing or not what was put in; nothing of it was used")
    return said


def _write(making: Path, target: Path, listing: str, files: Mapping[str, Path], said: Mapping[str, Any]) -> Archive:
    listed = {name: _describe(path) for name, path in files.items()}
    text = json.dumps({"format": FORMAT, **said, "files": listed}, indent=1, sort_keys=True).encode()
    with tarfile.open(making, "w") as tar:
        head = tarfile.TarInfo(listing)
        head.size = len(text)
        tar.addfile(head, io.BytesIO(text))
        for name, path in files.items():
            tar.add(path, name, recursive=False)
    making.chmod(0o600)
    with making.open("rb") as file:
        os.fsync(file.fileno())
    return Archive(target, len(files), making.stat().st_size, hashlib.sha256(text).hexdigest())


def _describe(path: Path) -> str:
    """The SHA-256 of a file, or where a link points to."""
    if path.is_symlink():
        return f"-> {path.readlink()}"
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
