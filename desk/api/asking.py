"""What a route of the API works with: who asks, one release, and what the grant shows of it.

Every answer names its release in the body, in `Shuyuan-Release` and in its ETag. An ETag holds for one grant: what two
grants see of a record differs.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from fastapi import Depends, Request, Response

from desk.access import Action, Identity
from desk.identity import require
from desk.problems import MEDIA_TYPE, Problem
from desk.sight import Sight
from desk.state import Desk, desk_of
from golden_records.query import Release

PREFIX = "/api/v1"
# What any route of the API may answer beside what it is for.
PROBLEMS: dict[int | str, dict[str, Any]] = {
    status: {"model": Problem, "description": told, "content": {MEDIA_TYPE: {}}}
    for status, told in (
        (401, "nobody can say who asks"),
        (403, "not in what was granted"),
        (404, "there is no such thing"),
        (409, "refused: a conflict, or something is missing that it needs"),
        (413, "the body is too large"),
        (422, "not what this document says, or it cannot be read"),
        (429, "too many requests"),
        (503, "the server cannot answer now"),
    )
}
UNCHANGED: dict[int | str, dict[str, Any]] = {304: {"description": "as it was: the ETag is still right"}}


class Unchanged(Exception):
    """What the caller has is what it would get."""

    def __init__(self, headers: dict[str, str]) -> None:
        self.headers = headers


@dataclass(frozen=True)
class Asking:
    """One request: who asks, the release that answers it, and what the grant shows."""

    desk: Desk
    identity: Identity
    release: Release
    sight: Sight
    headers: dict[str, str]

    @property
    def number(self) -> int:
        return self.release.manifest.release


def asking(action: Action) -> Any:
    """The dependency of a route that asks a release: `ask: Annotated[Asking, asking("read")]`."""
    who = require(action)

    def open_release(request: Request, response: Response, identity: Identity = who) -> Iterator[Asking]:
        desk = desk_of(request)
        with desk.release() as release:
            headers = _headers(request, desk, identity, release)
            if request.method == "GET" and _has(request, headers["ETag"]):
                raise Unchanged(headers)
            response.headers.update(headers)
            yield Asking(desk, identity, release, Sight(release, desk.rules, identity.grant), headers)

    return Depends(open_release)


def _headers(request: Request, desk: Desk, identity: Identity, release: Release) -> dict[str, str]:
    number = release.manifest.release
    return {
        "ETag": f'"{number}-{desk.rules.sha256[:8]}-{identity.grant.digest}"',
        "Shuyuan-Release": str(number),
        "Cache-Control": "private, no-cache" if request.method == "GET" else "no-store",
        "Vary": "Authorization, Cookie",
    }


def _has(request: Request, etag: str) -> bool:
    given = request.headers.get("if-none-match", "")
    return etag in (one.strip().removeprefix("W/") for one in given.split(","))
