"""The quality scorecard of the current release, and how far stewards agree."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query, Request
from starlette.responses import Response

from desk.access import Identity
from desk.identity import require
from desk.pages.rendering import render
from desk.sight import Sight
from desk.state import desk_of
from golden_records.queue import Queue
from golden_records.scorecard import scorecard
from rules.errors import DeniedError

router = APIRouter(include_in_schema=False)


@router.get("/quality")
def quality_page(
    request: Request,
    identity: Annotated[Identity, require("see_quality")],
    entity: Annotated[str, Query(max_length=100)] = "",
) -> Response:
    """Shares with numerator, denominator and interval, by entity type, source and field."""
    desk = desk_of(request)
    with desk.release() as release:
        sight = Sight(release, desk.rules, identity.grant)
        regions = identity.grant.regions
        if identity.grant.attributes is not None:
            raise DeniedError("a scorecard counts every field; a grant limited to attributes does not have it")
        entities = sorted(sight.entities, key=lambda name: -release.manifest.entities[name].golden)
        chosen = sight.entity(entity) if entity else (entities[0] if entities else "")
        document = scorecard(release, desk.rules, chosen or None, regions=regions)
    # How far stewards agree is not told by region.
    agreed = None if regions is not None else Queue(desk.ws, desk.rules).quality(chosen or None)
    return render(request, "quality.html", identity, **document, chosen=chosen, known=entities, agreed=agreed)
