"""Decisions that count when a second, different person confirms them."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Request
from starlette.responses import Response

from desk.access import Identity
from desk.identity import require
from desk.pages.rendering import go, render
from desk.pages.review import Number, Reason
from desk.state import Desk, desk_of
from golden_records.queue import Queue
from linkage.decisions import Decision
from rules.errors import DeniedError, NotFoundError

router = APIRouter(include_in_schema=False)


@router.get("/queue/second")
def second_page(request: Request, identity: Annotated[Identity, require("second")]) -> Response:
    """What waits for a second person, oldest first."""
    desk = desk_of(request)
    pending = [one for one in Queue(desk.ws, desk.rules).pending() if identity.grant.sees_entity(one.entity)]
    return render(request, "second.html", identity, pending=[(one, _golden(desk, one)) for one in pending])


@router.post("/decisions/{number}/confirm")
def confirm(
    request: Request, number: Number, identity: Annotated[Identity, require("second")], reason: Reason
) -> Response:
    """Let a decision count."""
    desk = desk_of(request)
    _must_see(desk, identity, number)
    Queue(desk.ws, desk.rules).confirm(number, identity.name, reason)
    return go("/queue/second")


@router.post("/decisions/{number}/refuse")
def refuse(request: Request, number: Number, identity: Annotated[Identity, require("second")]) -> Response:
    """End a decision that was proposed."""
    desk = desk_of(request)
    decision = _must_see(desk, identity, number)
    if decision.state != "proposed":
        raise NotFoundError(f"decision {number} does not wait for a second person")
    Queue(desk.ws, desk.rules).withdraw(number, identity.name)
    return go("/queue/second")


def _must_see(desk: Desk, identity: Identity, number: int) -> Decision:
    decision = desk.decisions.one(number)
    if not identity.grant.sees_entity(decision.entity):
        raise DeniedError(f"decision {number} is about an entity type that was not granted")
    return decision


def _golden(desk: Desk, decision: Decision) -> list[str | None]:
    """The golden record that holds each record now."""
    try:
        with desk.release() as release:
            found = [release.find(decision.entity, *record) for record in decision.subjects]
    except NotFoundError:
        return [None for _ in decision.subjects]
    return [one[0]["golden_id"] if one else None for one in found]
