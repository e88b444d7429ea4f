"""Golden records by id, an old one too, and what they are related to."""

from __future__ import annotations

from datetime import date
from typing import Annotated, Any

from fastapi import APIRouter, Query
from starlette.responses import JSONResponse, Response

from desk.api.asking import PREFIX, PROBLEMS, UNCHANGED, Asking, asking
from desk.api.models import AsOf, ClearAsked, GoldenId, GoldenTold, Moved, RelationsTold
from desk.clear_text import open_clear_text
from desk.problems import problem

router = APIRouter(prefix=PREFIX, tags=["golden records"])
Golden = GoldenTold | Response
GONE: dict[int | str, dict[str, Any]] = {
    300: {"model": Moved, "description": "split among several, none of which is its heir"},
    308: {"model": Moved, "description": "merged: Location is its heir"},
    410: PROBLEMS[404] | {"description": "it was retired: no source has its records any more"},
}


@router.get("/golden/{golden_id}", response_model=GoldenTold, responses=PROBLEMS | UNCHANGED | GONE)
def golden(golden_id: GoldenId, ask: Annotated[Asking, asking("read")], as_of: AsOf = None) -> Golden:
    """A golden record, masked; an id that ever existed is never unknown."""
    return _golden(ask, golden_id, as_of, "")


@router.post("/golden/{golden_id}/clear", response_model=GoldenTold, responses=PROBLEMS | GONE)
def golden_clear(golden_id: GoldenId, asked: ClearAsked, ask: Annotated[Asking, asking("see_clear")]) -> Golden:
    """A golden record in clear text, for a purpose that the audit trail keeps.

    409 where a second person has to give leave first: the answer names the decision that waits for it.
    """
    return _golden(ask, golden_id, asked.as_of, "/clear", asked.purpose)


@router.get("/golden/{golden_id}/relations", response_model=RelationsTold, responses=PROBLEMS | UNCHANGED | GONE)
def relations(
    golden_id: GoldenId,
    ask: Annotated[Asking, asking("read")],
    depth: Annotated[int, Query(ge=1, le=3)] = 1,
    as_of: AsOf = None,
) -> RelationsTold | Response:
    """The relations within some steps of a golden record, each once, nearest first."""
    wanted = golden_id.strip().upper()
    gone = _gone(ask, wanted, "/relations")
    if gone is not None:
        return gone
    ask.sight.must_see(wanted)
    found = ask.sight.relations(ask.release.related(wanted, depth, as_of))
    return RelationsTold.model_validate({"release": ask.number, "golden_id": wanted, "relations": found})


def _golden(ask: Asking, golden_id: str, as_of: date | None, behind: str, purpose: str | None = None) -> Golden:
    wanted = golden_id.strip().upper()
    gone = _gone(ask, wanted, behind)
    if gone is not None:
        return gone
    ask.sight.must_see(wanted)
    document = ask.release.show(wanted, as_of)
    if purpose is not None:
        subjects = [(one["source"], one["source_key"]) for one in document["members"]]
        what = {"action": "api golden", "golden_id": wanted, "release": ask.number}
        open_clear_text(ask.desk, ask.identity, purpose, document["entity"], subjects, what)
    shown = ask.sight.record(document, clear=purpose is not None)
    shown |= {"masked": purpose is None, "release": ask.number}
    return GoldenTold.model_validate(shown)


def _gone(ask: Asking, golden_id: str, behind: str) -> Response | None:
    """The answer for an id that does not live any more, None where it does."""
    ask.sight.entity(ask.release.entity_of(golden_id))
    fate = ask.release.fate(golden_id)
    if fate["lives"]:
        return None
    told = Moved(release=ask.number, golden_id=golden_id, status=fate["status"], successors=fate["successors"] or [])
    if fate["heirs"]:
        heir = fate["heirs"][0]
        to = {"Location": f"{PREFIX}/golden/{heir}{behind}"}
        return _moved(told.model_copy(update={"heir": heir, "successors": []}), 308, ask.headers | to)
    if told.successors:
        return _moved(told, 300, ask.headers)
    said = f"{golden_id} was retired: its records are in no source any more"
    return problem(410, said, headers={"Shuyuan-Release": str(ask.number)})


def _moved(told: Moved, status: int, headers: dict[str, str]) -> Response:
    return JSONResponse(told.model_dump(), status, headers=headers)
