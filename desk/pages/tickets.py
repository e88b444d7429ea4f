"""Tickets: differences that were put to their sources, where each stands, and the answers."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Form, Path, Query, Request
from starlette.responses import Response

from desk import granted
from desk.access import Identity
from desk.differing import marked
from desk.identity import require
from desk.pages.rendering import go, render
from desk.pages.review import Reason
from desk.sight import Sight
from desk.state import Desk, desk_of
from golden_records.answers import take_one
from golden_records.tickets import STATES, Ticket, TicketStore
from rules.errors import DeniedError
from rules.masking import mask_value

router = APIRouter(include_in_schema=False)
Who = Annotated[Identity, require("answer_tickets")]
Number = Annotated[int, Path(ge=1, lt=2**53)]
Text = Annotated[str, Query(max_length=100)]
MOST = 200


@router.get("/tickets")
def tickets_page(request: Request, identity: Who, state: Text = "", source: Text = "", entity: Text = "") -> Response:
    """The tickets, oldest first."""
    desk = desk_of(request)
    states = (state,) if state in STATES else () if state == "all" else ("open", "sent", "upheld", "escalated")
    found = TicketStore(desk.decisions).tickets(source or None, entity or None, states, MOST)
    with desk.release() as release:
        sight = Sight(release, desk.rules, identity.grant)
        seen = [one for one in found if granted.sees_ticket(sight, one)]
    return render(
        request,
        "tickets.html",
        identity,
        tickets=[_masked(desk, one) for one in seen],
        chosen={"state": state, "source": source, "entity": entity},
        states=STATES,
        sources=sorted({(n, s) for n, one in desk.rules.entities.items() for s in one.sources.sources}),
        today=date.today().isoformat(),
        most=MOST,
    )


@router.get("/tickets/{number}")
def ticket_page(request: Request, number: Number, identity: Who) -> Response:
    """A ticket: both values, who must answer by when, and what became of it."""
    return _show(request, identity, number)


@router.post("/tickets/{number}/answer")
def answer(
    request: Request,
    number: Number,
    identity: Who,
    said: Annotated[Literal["corrected", "upheld", "rejected"], Form()],
    value: Annotated[str, Form(max_length=500)] = "",
    reason: Reason = "",
) -> Response:
    """Take the answer of the source."""
    desk = desk_of(request)
    _ticket(desk, identity, number)
    take_one(TicketStore(desk.decisions), desk.rules, number, (said, value, reason), date.today(), identity.name)
    return go(f"/tickets/{number}")


@router.post("/tickets/{number}/close")
def close(request: Request, number: Number, identity: Who, reason: Reason) -> Response:
    """Close a ticket by hand; its difference is not asked again."""
    desk = desk_of(request)
    _ticket(desk, identity, number)
    TicketStore(desk.decisions).close(number, reason, date.today(), identity.name)
    desk.trail.append("close ticket", {"ticket": number, "reason": reason}, identity.name)
    return go(f"/tickets/{number}")


def _show(request: Request, identity: Identity, number: int) -> Response:
    desk = desk_of(request)
    ticket = _ticket(desk, identity, number)
    shown = _masked(desk, ticket)
    events = TicketStore(desk.decisions).events(number)
    for event in events:
        event["corrected_value"] = _mask(desk, ticket, event.get("corrected_value"))
    pieces = marked(ticket.value or "", ticket.said or "", (shown.value or "", shown.said or ""))
    return render(
        request,
        "ticket.html",
        identity,
        ticket=shown,
        pieces=pieces,
        events=events,
        today=date.today().isoformat(),
        answerable=ticket.state != "closed",
    )


def _ticket(desk: Desk, identity: Identity, number: int) -> Ticket:
    ticket = TicketStore(desk.decisions).ticket(number)
    with desk.release() as release:
        if not granted.sees_ticket(Sight(release, desk.rules, identity.grant), ticket):
            raise DeniedError(f"ticket {number} is not in the entity types, fields and regions that were granted")
    return ticket


def _masked(desk: Desk, ticket: Ticket) -> Ticket:
    return replace(ticket, value=_mask(desk, ticket, ticket.value), said=_mask(desk, ticket, ticket.said), evidence="")


def _mask(desk: Desk, ticket: Ticket, value: Any) -> str | None:
    one = desk.rules.entities.get(ticket.entity)
    return mask_value(one.entity, ticket.field, str(value)) if one and value else None
