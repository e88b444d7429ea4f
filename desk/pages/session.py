"""Signing in and out, the language, and the page behind the door: what there is to do today."""

from __future__ import annotations

from datetime import date
from typing import Annotated, Any
from urllib.parse import urlsplit

from fastapi import APIRouter, Depends, Form, Request
from starlette.responses import RedirectResponse, Response

from desk import granted
from desk.access import Identity
from desk.identity import COOKIE, anyone, require, sign_in
from desk.language import COOKIE as LANGUAGE
from desk.language import LANGUAGES, Language
from desk.pages.rendering import go, render
from desk.state import Desk, desk_of
from golden_records.approvals import Approvals
from golden_records.manifest import current_release, read_manifest
from golden_records.plan import read_summary
from golden_records.queue import Queue, Where
from golden_records.tickets import TicketStore
from rules.errors import UnknownCallerError

router = APIRouter(include_in_schema=False)
YEAR = 365 * 24 * 3600
MOST = 1_000  # tickets that are counted


@router.get("/login", dependencies=[Depends(anyone)])
def login_page(request: Request) -> Response:
    """The form that takes a token."""
    return render(request, "login.html", None, wrong=False)


@router.post("/login", dependencies=[Depends(anyone)])
def login(request: Request, token: Annotated[str, Form(max_length=200)]) -> Response:
    """Begin a session."""
    response = RedirectResponse("/", 303)
    try:
        sign_in(request, response, token.strip())
    except UnknownCallerError:
        return render(request, "login.html", None, 401, wrong=True)
    return response


@router.post("/logout")
def logout(identity: Annotated[Identity, require()]) -> Response:
    """End the session of this browser."""
    response = RedirectResponse("/login", 303)
    response.delete_cookie(COOKIE, httponly=True, samesite="strict")
    return response


@router.post("/language", dependencies=[Depends(anyone)])
def language(request: Request, to: Annotated[Language, Form()]) -> Response:
    """Show the pages in another language, beginning with the one the browser comes from."""
    came = urlsplit(request.headers.get("referer", ""))
    back = came.path if came.netloc == request.headers.get("host") and came.path.startswith("/") else "/"
    response = go(f"/{back.lstrip('/')}{f'?{came.query}' if came.query and back == came.path else ''}")
    response.set_cookie(LANGUAGE, to if to in LANGUAGES else "zh", max_age=YEAR, samesite="lax", httponly=True)
    return response


@router.get("/")
def home(request: Request, identity: Annotated[Identity, require()]) -> Response:
    """What there is to do today, as far as the roles go."""
    desk = desk_of(request)
    return render(request, "home.html", identity, **_today(desk, identity))


def _today(desk: Desk, identity: Identity) -> dict[str, Any]:
    grant, queue = identity.grant, Queue(desk.ws, desk.rules)
    told: dict[str, Any] = {"release": None, "waiting": None, "held": None, "second": None}
    told |= {"tickets": None, "overdue": None, "plan": None, "standing": None}
    current = current_release(desk.ws.releases)
    if current is not None and grant.may("read"):
        told["release"] = read_manifest(desk.ws.releases / str(current))
    if grant.may("review"):
        told["waiting"] = granted.waiting(queue, grant, Where())
    if grant.may("decide"):
        told["held"] = queue.held(identity.name)
    if grant.may("second"):
        told["second"] = [one for one in queue.pending() if grant.sees_entity(one.entity)]
    if grant.may("answer_tickets"):
        found = TicketStore(desk.decisions).tickets(states=("open", "sent", "escalated"), limit=MOST)
        seen = [one for one in found if grant.sees_entity(one.entity) and grant.sees_attribute(one.field)]
        told["tickets"] = seen
        told["overdue"] = [one for one in seen if one.due < date.today().isoformat() and one.state != "escalated"]
    if grant.may("see_plan"):
        summary = read_summary(desk.ws)
        if summary is not None and summary["previous"] == current:
            told |= {"plan": summary, "standing": Approvals(desk.ws).standing(summary)}
    return told
