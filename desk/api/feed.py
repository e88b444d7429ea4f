"""What follows the registry: events in order, and a whole release as files to begin with."""

from __future__ import annotations

import heapq
from typing import Annotated

from fastapi import APIRouter, Path, Query
from starlette.responses import FileResponse, Response

from desk.api.asking import PREFIX, PROBLEMS, UNCHANGED, Asking, asking
from desk.api.models import MOST, ChangesTold, Event, SnapshotFile, SnapshotTold
from golden_records.manifest import Written
from golden_records.query import Document, Release
from rules.errors import DeniedError, NotFoundError, RefusedError

router = APIRouter(prefix=PREFIX, tags=["feed"])
PARQUET = "application/vnd.apache.parquet"


@router.get("/changes", responses=PROBLEMS | UNCHANGED)
def changes(
    ask: Annotated[Asking, asking("read")],
    after: Annotated[int, Query(ge=0, lt=2**53, description="the last event that was taken in")] = 0,
    limit: Annotated[int, Query(ge=1, le=MOST)] = 100,
) -> ChangesTold:
    """What became of golden ids, in order, none left out; any part can be asked for again.

    Take an answer in, keep `next_after` in the same transaction, ask again with it: a consumer that dies anywhere gets
    what it had not kept once more, and loses nothing.
    """
    _must_see_all(ask, "the feed of changes")
    last = ask.release.manifest.next_seq - 1
    if after > last:
        raise RefusedError(
            f"there is no event {after:,} yet, the last is {last:,}: was the workspace restored from a backup? "
            "Take a snapshot and follow from its 'after'"
        )
    streams = [ask.release.changes(after, entity, limit + 1) for entity in ask.sight.entities]
    found: list[Document] = list(heapq.merge(*streams, key=lambda event: int(event["seq"])))
    more = len(found) > limit
    events = [Event.model_validate(one) for one in found[:limit]]
    return ChangesTold(release=ask.number, events=events, next_after=events[-1].seq if more else last, more=more)


@router.get("/snapshot", responses=PROBLEMS | UNCHANGED)
def snapshot(ask: Annotated[Asking, asking("export")]) -> SnapshotTold:
    """The files of the current release with their hashes, to be fetched one by one."""
    _must_see_all(ask, "a snapshot")
    files = [SnapshotFile(**one.model_dump()) for one in _files(ask, ask.release).values()]
    manifest = ask.release.manifest
    return SnapshotTold(release=ask.number, as_of=manifest.as_of, after=manifest.next_seq - 1, files=files)


@router.get(
    "/snapshot/{release}/{entity}/{file}",
    responses=PROBLEMS | UNCHANGED | {200: {"content": {PARQUET: {}}, "description": "the file"}},
    response_class=Response,
)
def snapshot_file(
    release: Annotated[int, Path(ge=1, lt=2**31)],
    entity: Annotated[str, Path(min_length=1, max_length=100)],
    file: Annotated[str, Path(min_length=1, max_length=100)],
    purpose: Annotated[str, Query(min_length=2, max_length=500, description="what for; kept for audit")],
    ask: Annotated[Asking, asking("export")],
) -> Response:
    """One file of a release, in clear text, for a purpose that the audit trail keeps."""
    _must_see_all(ask, "a snapshot")
    ask.sight.entity(entity)
    with ask.desk.release(release) as chosen:
        known = _files(ask, chosen)
        path = f"{entity}/{file}"
        if path not in known:
            raise NotFoundError(f"release {release} has no file {path!r}; 'snapshot' lists them")
        detail = {"release": release, "file": path, "purpose": purpose, "sha256": known[path].sha256}
        ask.desk.trail.append("export", detail, ask.identity.name)
        headers = {"Shuyuan-Release": str(release), "Shuyuan-SHA256": known[path].sha256}
        return FileResponse(chosen.folder / path, media_type=PARQUET, headers=headers)


def _files(ask: Asking, release: Release) -> dict[str, Written]:
    """The files of a release that are tables of granted entity types; indexes and rules are not handed out."""
    return {
        one.path: one
        for one in release.manifest.files
        if one.path.endswith(".parquet")
        and one.path.partition("/")[0] in ask.sight.entities
        and one.path.count("/") == 1
    }


def _must_see_all(ask: Asking, what: str) -> None:
    """DeniedError for a grant that shows some regions or attributes only: this cannot be cut and stay complete."""
    if ask.identity.grant.regions is not None or ask.identity.grant.attributes is not None:
        raise DeniedError(f"{what} is whole; a grant limited to regions or attributes does not have it")
