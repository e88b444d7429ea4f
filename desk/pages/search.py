"""Finding golden records: by id, by source record, by an identifier; and search before create.

Values are sent in bodies and never stand in an address.
"""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Form, Query, Request
from starlette.responses import Response

from desk.access import Identity
from desk.identity import require
from desk.language import language_of, titled
from desk.pages.rendering import go, render
from desk.sight import Sight, granted_sources
from desk.state import Desk, desk_of
from golden_records.query import Release
from rules.errors import NotFoundError
from rules.titles import comparison_title, level_title

router = APIRouter(include_in_schema=False)
Text = Annotated[str, Form(max_length=500)]
MOST = 50
FIELD = "field."  # what names of form fields begin with that hold a value of the record


@router.get("/search")
def search_page(request: Request, identity: Annotated[Identity, require("read")]) -> Response:
    """The forms."""
    return _show(request, identity)


@router.post("/search")
def search(
    request: Request,
    identity: Annotated[Identity, require("read")],
    what: Text = "",
    source: Text = "",
    key: Text = "",
) -> Response:
    """Golden records by id or identifier (`what`), or by source record."""
    desk = desk_of(request)
    with desk.release() as release:
        sight = Sight(release, desk.rules, identity.grant)
        text = what.strip()
        if text and _is_id(release, text):
            return go(f"/golden/{text.upper()}")
        found = _by_record(sight, source.strip(), key.strip()) if key.strip() else _by_value(desk, sight, text)
        seen = sight.visible(found)
        hits = [_hit(sight, one, why) for one, why in found.items() if one in seen][:MOST]
    if len(hits) == 1 and len(found) == 1 and not text:
        return go(f"/golden/{hits[0]['golden_id']}")
    return _show(request, identity, hits=hits, asked={"source": source, "key": key})


@router.get("/search/match")
def match_page(
    request: Request,
    identity: Annotated[Identity, require("match")],
    entity: Annotated[str, Query(max_length=100)] = "",
) -> Response:
    """The form of search before create."""
    return _match(request, identity, entity)


@router.post("/search/match")
async def match(request: Request, identity: Annotated[Identity, require("match")]) -> Response:
    """Who a record may be that does not exist yet, with weights and reasons."""
    form = await request.form()
    said = {name.removeprefix(FIELD): str(value).strip() for name, value in form.items() if name.startswith(FIELD)}
    return _match(request, identity, str(form.get("entity", "")), {k: v for k, v in said.items() if v})


def _show(request: Request, identity: Identity, **more: Any) -> Response:
    sources = granted_sources(desk_of(request).rules, identity.grant)
    known: dict[str, Any] = {"hits": None, "asked": {"source": "", "key": ""}, "sources": sources}
    return render(request, "search.html", identity, **(known | more))


def _match(request: Request, identity: Identity, entity: str, said: dict[str, str] | None = None) -> Response:
    desk, language = desk_of(request), language_of(request)
    with desk.release() as release:
        sight = Sight(release, desk.rules, identity.grant)
        known = [name for name in sight.entities if name in desk.rules.entities]
        known.sort(key=lambda name: -release.manifest.entities[name].golden)
        chosen = entity or (known[0] if known else "")
        if chosen not in known:
            raise NotFoundError(f"release {release.manifest.release} has no entity type {chosen!r} that was granted")
        rules = desk.rules.entities[chosen]
        named = {column for source in rules.sources.sources.values() for column in source.columns}
        fields = [name for name in rules.entity.fields if name in named and identity.grant.sees_attribute(name)]
        matched, found = None, []
        if said:
            for name in said:
                sight.attribute(chosen, name)
            matched = desk.match(release.manifest.release, chosen, said, None, 10)
            seen = sight.visible(one.golden_id for one in matched.found)
            found = [_candidate(sight, one, language, desk) for one in matched.found if one.golden_id in seen]
    answer = matched.answer if matched else None
    if matched and len(found) < len(matched.found):
        answer = "steward"  # somebody comes near who was not granted
    context: dict[str, Any] = {"entities": known, "chosen": chosen, "fields": fields, "said": said or {}}
    return render(request, "match.html", identity, **context, answer=answer, found=found)


def _candidate(sight: Sight, one: Any, language: str, desk: Desk) -> dict[str, Any]:
    """A golden record that comes near: its summary, its weight, and how each comparison compares."""
    shown = _hit(sight, one.golden_id, "")
    rules, folder = sight.rules.entities[shown["entity"]], desk.ws.rules_folder
    levels = [
        (
            titled(comparison_title(folder, rules.entity, name), language),  # type: ignore[arg-type]
            titled(level_title(folder, level), language),  # type: ignore[arg-type]
            weight,
        )
        for name, (level, weight) in one.levels.items()
    ]
    return shown | {"weight": one.weight, "verdict": one.verdict, "levels": levels}


def _is_id(release: Release, text: str) -> bool:
    try:
        release.fate(text.upper())
    except NotFoundError:
        return False
    return True


def _by_record(sight: Sight, source: str, key: str) -> dict[str, str]:
    """Golden records that hold a source record: id -> entity type."""
    return {one["golden_id"]: "" for name in sight.entities for one in sight.release.find(name, source, key)}


def _by_value(desk: Desk, sight: Sight, text: str) -> dict[str, str]:
    """Golden records by an identifier, an old one too: id -> the field that has it."""
    found: dict[str, str] = {}
    for entity in sight.entities if text else ():
        known = desk.rules.entities.get(entity)
        for name, field in known.entity.fields.items() if known else ():
            if field.identifier and sight.grant.sees_attribute(name):
                keys = desk.forms(entity, name, text, sight.release.manifest.as_of)
                for one in sight.release.find_value(entity, name, text, keys, indexed=True):
                    found.setdefault(one["golden_id"], name)
    return found


def _hit(sight: Sight, golden_id: str, field: str) -> dict[str, Any]:
    """What a list shows of a golden record: its first values, masked."""
    document = sight.record(sight.release.show(golden_id))
    fields = sight.rules.entities[document["entity"]].entity.fields
    values = [(name, document["fields"][name]["value"]) for name in fields if name in document["fields"]]
    return {
        "golden_id": document["golden_id"],
        "entity": document["entity"],
        "status": document["status"],
        "field": field,
        "values": [one for one in values if one[1]][:5],
    }
