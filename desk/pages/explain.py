"""Why two records are one entity or are not, and how a golden record came together: what the last run of `link` left.

An explanation asks the work database, so it holds the workspace for a moment, as a command does; while a batch run
holds it, it is refused and says so. Values are masked. What was asked for stands in no address.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing, contextmanager
from typing import Annotated, Any

import duckdb
from fastapi import APIRouter, Form, Request
from starlette.responses import Response

from desk.access import Identity
from desk.drawing import Waterfall, waterfall
from desk.identity import require
from desk.language import Language, language_of, translator
from desk.pages.rendering import render
from desk.sight import Sight, granted_sources
from desk.state import Desk, desk_of
from golden_records import explained
from linkage.decided import SourceRecord
from linkage.explain import explain, history, said_by_stewards
from linkage.workspace import use_entity
from rules.errors import DeniedError, NotFoundError
from rules.model import EntityRules

router = APIRouter(include_in_schema=False)
Text = Annotated[str, Form(max_length=200)]


@router.get("/explain")
def explain_page(request: Request, identity: Annotated[Identity, require("explain")]) -> Response:
    """The form that asks about two source records."""
    return _page(request, identity)


@router.post("/explain")
def explain_pair(
    request: Request,
    identity: Annotated[Identity, require("explain")],
    left_source: Text,
    left_key: Text,
    right_source: Text,
    right_key: Text,
) -> Response:
    """Why two source records are one entity, or why not."""
    desk, language = desk_of(request), language_of(request)
    left, right = (left_source, left_key.strip()), (right_source, right_key.strip())
    one = _entity(desk, identity, left, right)
    with _working(desk, one) as con:
        found = explain(con, one, left, right, said_by_stewards(desk.decisions, one.name))
    told = explained.document(one, found, desk.rules.folder, language, unmask=False)
    asked = {"left_source": left[0], "left_key": left[1], "right_source": right[0], "right_key": right[1]}
    return _page(request, identity, asked=asked, entity=one.name, told=told, weights=_drawn(told, language))


@router.get("/golden/{golden_id}/how")
def how_page(request: Request, golden_id: str, identity: Annotated[Identity, require("explain")]) -> Response:
    """In which order the records of a golden record joined, and by which pair each time."""
    desk = desk_of(request)
    with desk.release() as release:
        sight = Sight(release, desk.rules, identity.grant)
        document = sight.record(release.show(golden_id.strip().upper()))
    one = desk.rules.entities[document["entity"]]
    records = [(member["source"], member["source_key"]) for member in document["members"]]
    with _working(desk, one) as con:
        joins = history(con, one, desk.decisions.replay(one.name), records)
    return _page(request, identity, how=document["golden_id"], steps=explained.steps(joins, language_of(request)))


def _page(request: Request, identity: Identity, **more: Any) -> Response:
    sources = granted_sources(desk_of(request).rules, identity.grant)
    nothing = dict.fromkeys(("left_source", "left_key", "right_source", "right_key"), "")
    known: dict[str, Any] = {"asked": nothing, "sources": sources, "told": None, "how": None, "steps": []}
    return render(request, "explain.html", identity, **(known | more))


def _entity(desk: Desk, identity: Identity, left: SourceRecord, right: SourceRecord) -> EntityRules:
    """The entity type of two source records, where the grant shows both."""
    if identity.grant.attributes is not None:
        raise DeniedError("an explanation weighs every field; a grant limited to attributes does not have it")
    for name, one in desk.rules.entities.items():
        if {left[0], right[0]} <= set(one.sources.sources):
            with desk.release() as release:
                sight = Sight(release, desk.rules, identity.grant)
                sight.entity(name)
                for record in (left, right):
                    held = [found["golden_id"] for found in release.find(name, *record)]
                    if identity.grant.regions is not None and not sight.visible(held):
                        raise DeniedError(f"record {'/'.join(record)} is not in the regions that were granted")
            return one
    raise NotFoundError(f"no entity type has both the sources {left[0]} and {right[0]}")


@contextmanager
def _working(desk: Desk, one: EntityRules) -> Iterator[duckdb.DuckDBPyConnection]:
    """The work database, one explanation at a time (RefusedError: a batch run holds it)."""
    with desk.explaining, desk.ws.lock("explain"), closing(desk.ws.connect()) as con:
        use_entity(con, one.name)
        yield con


def _drawn(told: dict[str, Any], language: Language) -> Waterfall:
    translate = translator(language)
    steps = [(translate("prior"), "", told["prior"])]
    steps += [(part["title"], part["level_title"], part["weight"]) for part in told["parts"]]
    return waterfall(steps, (translate("sum"), told["match_weight"]), (told["review"], told["accept"]))
