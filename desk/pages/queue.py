"""The queue: what waits in its order, what somebody holds, claiming and giving back."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Form, Query, Request
from starlette.responses import Response

from desk import granted
from desk.access import Identity
from desk.identity import require
from desk.language import language_of, titled
from desk.pages.rendering import go, render
from desk.state import desk_of
from golden_records.queue import Queue, Where
from rules.errors import InputError
from rules.model import Rules

router = APIRouter(include_in_schema=False)
CLAIMS = (5, 10, 20, 50)
Text = Annotated[str, Query(max_length=100)]


@router.get("/queue")
def queue_page(
    request: Request,
    identity: Annotated[Identity, require("review")],
    entity: Text = "",
    region: Text = "",
    line: Text = "",
) -> Response:
    """What waits for a decision, the most valuable answer first."""
    desk, where = desk_of(request), _where(entity, region, line)
    queue = Queue(desk.ws, desk.rules)
    return render(
        request,
        "queue.html",
        identity,
        items=granted.waiting(queue, identity.grant, where),
        held=queue.held(identity.name),
        chosen={"entity": entity, "region": region, "line": line},
        entities=[name for name in desk.rules.entities if identity.grant.sees_entity(name)],
        lines=_lines(desk.rules, language_of(request)),
        claims=CLAIMS,
        most=granted.MOST,
    )


@router.get("/queue/mine")
def mine_page(request: Request, identity: Annotated[Identity, require("decide")]) -> Response:
    """What I hold and have not answered."""
    desk = desk_of(request)
    return render(request, "mine.html", identity, items=Queue(desk.ws, desk.rules).held(identity.name))


@router.post("/queue/claim")
def claim(
    request: Request,
    identity: Annotated[Identity, require("decide")],
    count: Annotated[int, Form(ge=1, le=100)],
    entity: Annotated[str, Form(max_length=100)] = "",
    region: Annotated[str, Form(max_length=100)] = "",
    line: Annotated[str, Form(max_length=100)] = "",
) -> Response:
    """Hold the next items, and begin with the first."""
    desk = desk_of(request)
    queue = Queue(desk.ws, desk.rules)
    taken = granted.claim(queue, identity.grant, identity.name, count, _where(entity, region, line))
    return go(f"/review/{taken[0].item}" if taken else "/queue/mine")


@router.post("/queue/release")
def give_back(
    request: Request,
    identity: Annotated[Identity, require("decide")],
    item: Annotated[list[str] | None, Form()] = None,
) -> Response:
    """Give back the items that were ticked."""
    if not item:
        raise InputError("tick the items that others may take")
    desk = desk_of(request)
    Queue(desk.ws, desk.rules).release(identity.name, item)
    return go("/queue/mine")


def _where(entity: str, region: str, line: str) -> Where:
    return Where(entity or None, region.strip(), line or None)


def _lines(rules: Rules, language: str) -> list[str]:
    """The lines of business that the sources belong to."""
    found = {
        titled(source.line, "en" if language == "en" else "zh")
        for one in rules.entities.values()
        for source in one.sources.sources.values()
        if source.line
    }
    return sorted(found)
