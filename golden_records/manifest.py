"""What a release says about itself: enough to check every byte of it and to replay how it was made."""

from __future__ import annotations

import json
from datetime import date
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError

from linkage.decisions import Taken
from linkage.workspace import file_sha256 as file_sha256
from rules.errors import NotFoundError, ShuyuanError

FORMAT = 1
MANIFEST = "manifest.json"
PENDING = ".current"


class _Part(BaseModel):
    """Frozen, and strict about what it knows; a later version may write more."""

    model_config = ConfigDict(frozen=True, extra="ignore")


class Landed(_Part):
    """A landed file that the release was made of."""

    entity: str
    source: str
    sha256: str
    rows: int
    observed_on: date | None


class Written(_Part):
    """A file of the release, its path relative to the release's folder."""

    path: str
    rows: int
    bytes: int
    sha256: str


class EntityState(_Part):
    """One entity type: hashes of what it was linked with, the last serial issued, counts of events."""

    prefix: str
    serial: int
    golden: int
    records: int
    events: dict[str, int]
    weights: str | None
    frequencies: str | None
    references: dict[str, str]


class Manifest(_Part):
    """`manifest.json`. Only `published_at` depends on the clock.

    rules     the hash of the files of the rules; rule_set that of all that decides (see rule_set.py)
    decided   how far the decisions had come; both are None in a release of an earlier version
    """

    format: int = FORMAT
    release: int
    previous: int | None
    rollback_of: int | None = None
    published_at: str
    as_of: date
    node: str
    software: str
    rules: str
    rule_set: str | None = None
    inputs: str
    last_decision: int
    decided: Taken | None = None
    forced: str | None = None
    first_seq: int
    next_seq: int
    entities: dict[str, EntityState]
    landed: tuple[Landed, ...]
    files: tuple[Written, ...] = ()

    def text(self) -> str:
        """The manifest as it is written."""
        return json.dumps(self.model_dump(mode="json"), ensure_ascii=False, indent=1) + "\n"


def read_manifest(folder: Path) -> Manifest:
    """The manifest of the release in `folder`.

    Raises:
        NotFoundError: there is none.
        ShuyuanError: it is damaged.
    """
    path = folder / MANIFEST
    if not path.is_file():
        raise NotFoundError(f"{folder} is no release (no manifest.json); 'shuyuan status' lists the releases")
    try:
        return Manifest.model_validate_json(path.read_bytes())
    except ValidationError as error:
        first = error.errors()[0]
        raise ShuyuanError(
            f"{path} is damaged ({'.'.join(map(str, first['loc'])) or first['type']}: {first['msg']}); "
            "take the folder of the release out of a backup, which 'shuyuan restore' unpacks beside this workspace"
        ) from error


def current_release(releases: Path) -> int | None:
    """The number of the published release, None before the first one."""
    link = releases / "current"
    return int(link.readlink().name) if link.is_symlink() else None


def pending_release(releases: Path) -> int | None:
    """The number of a release that a run was about to publish when it died, None where there is none."""
    link = releases / PENDING
    return int(link.readlink().name) if link.is_symlink() else None


def releases_of(releases: Path) -> list[int]:
    """The numbers of the published releases, oldest first."""
    found = {int(path.name) for path in releases.iterdir() if path.name.isdigit()}
    return sorted(found - {pending_release(releases)})


def software_version() -> str:
    """The version of the installed package."""
    try:
        return version("shuyuan")
    except PackageNotFoundError:
        return "unreleased"


def lineage(release: Path) -> list[Path]:
    """The folder of a release and those of all before it that are still there, oldest first."""
    found, at = [release], read_manifest(release)
    while at.previous is not None and (release.parent / str(at.previous)).exists():
        found.append(release.parent / str(at.previous))
        at = read_manifest(found[-1])
    return found[::-1]
