"""The next release: what it would change, who approves it, and publishing it.

Linking and publishing run in a process of their own, under the lock of the workspace (`runs.py`).
"""

from __future__ import annotations

from datetime import date
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Form, Request
from starlette.responses import Response

from desk.access import Identity
from desk.identity import require
from desk.pages.rendering import go, render
from desk.pages.review import Reason
from desk.state import Desk, desk_of
from golden_records.approvals import Approvals
from golden_records.changes import KINDS
from golden_records.manifest import current_release, read_manifest, releases_of
from golden_records.plan import read_summary
from rules.errors import NotFoundError, RefusedError

router = APIRouter(include_in_schema=False)


@router.get("/plan")
def plan_page(request: Request, identity: Annotated[Identity, require("see_plan")]) -> Response:
    """The plan, what was said of it, the run under way, and the releases so far."""
    desk = desk_of(request)
    current, summary = current_release(desk.ws.releases), read_summary(desk.ws)
    releases = [read_manifest(desk.ws.releases / str(n)) for n in releases_of(desk.ws.releases)[-10:]]
    fresh = summary is not None and summary["previous"] == current
    return render(
        request,
        "plan.html",
        identity,
        plan=summary if fresh else None,
        standing=Approvals(desk.ws).standing(summary) if summary and fresh else None,
        run=desk.runs.last,
        elsewhere=desk.ws.running() if not desk.runs.busy else None,
        kinds=(*KINDS, "unchanged"),
        releases=releases[::-1],
        current=current,
        today=date.today().isoformat(),
        may_approve=identity.grant.may("approve"),
    )


@router.post("/plan/make")
def make(request: Request, identity: Annotated[Identity, require("approve")], day: Annotated[date, Form()]) -> Response:
    """Link what was loaded and decided, and work out the next release, as of a day."""
    desk = desk_of(request)
    desk.runs.start("plan", identity.name, day.isoformat())
    desk.trail.append("make plan", {"as_of": day.isoformat()}, identity.name)
    return go("/plan")


@router.post("/plan/say")
def say(
    request: Request,
    identity: Annotated[Identity, require("approve")],
    inputs: Annotated[str, Form(max_length=64)],
    said: Annotated[Literal["approve", "refuse"], Form()],
    reason: Reason,
) -> Response:
    """Approve or refuse the plan that was looked at."""
    desk = desk_of(request)
    Approvals(desk.ws).say(_plan(desk, inputs), said, identity.name, reason)
    return go("/plan")


@router.post("/plan/publish")
def publish(
    request: Request, identity: Annotated[Identity, require("approve")], inputs: Annotated[str, Form(max_length=64)]
) -> Response:
    """Publish the plan that was approved."""
    desk = desk_of(request)
    plan = _plan(desk, inputs)
    standing = Approvals(desk.ws).standing(plan)
    if not standing.approved:
        raise RefusedError(f"the plan of release {plan['release']} needs {standing.needed} approvals and no refusal")
    forced = "; ".join(f"{one.steward}: {one.reason}" for one in standing.words) if plan["exceeded"] else ""
    desk.runs.start("publish", identity.name, inputs, forced)
    desk.trail.append("publish plan", {"release": plan["release"], "inputs": inputs}, identity.name)
    return go("/plan")


def _plan(desk: Desk, inputs: str) -> dict[str, Any]:
    """The plan that is there, where it is the one that was looked at."""
    summary = read_summary(desk.ws)
    if summary is None:
        raise NotFoundError("nothing is planned")
    if summary["inputs"] != inputs:
        raise RefusedError("the plan is another one by now; look at it again")
    return summary
