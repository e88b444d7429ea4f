"""For the administrators: webhooks for the one of the system, the audit trail for the one of audits."""

from __future__ import annotations

import dataclasses
from typing import Annotated

from fastapi import APIRouter, Path, Query, Request, Response

from desk.access import Identity
from desk.api.asking import PREFIX, PROBLEMS
from desk.api.models import MOST, AuditEntry, AuditTold, HookAsked, HookMade, HookTold
from desk.identity import require
from desk.state import desk_of
from desk.webhooks import Hook, HookStore
from rules.errors import NotFoundError

router = APIRouter(prefix=PREFIX, tags=["administration"])
Administrator = Annotated[Identity, require("administer_system")]


@router.get("/webhooks", responses=PROBLEMS)
def hooks(request: Request, identity: Administrator) -> list[HookTold]:
    """The webhooks in force."""
    return [HookTold.model_validate(_told(one)) for one in HookStore(desk_of(request).ws.decisions).live()]


@router.post("/webhooks", status_code=201, responses=PROBLEMS)
def add_hook(asked: HookAsked, request: Request, identity: Administrator) -> HookMade:
    """Have changes pushed to an address. The answer holds the secret that signs them, once."""
    desk = desk_of(request)
    for name in asked.entities or ():
        if name not in desk.rules.entities:
            raise NotFoundError(f"no entity type {name!r}; the rules have {', '.join(desk.rules.entities)}")
    entities = None if asked.entities is None else tuple(asked.entities)
    made = HookStore(desk.ws.decisions).add(asked.url, entities, asked.after, identity.name)
    detail = {"webhook": made.hook_id, "url": made.url, "entities": asked.entities, "after": asked.after}
    desk.trail.append("add webhook", detail, identity.name)
    return HookMade.model_validate(dataclasses.asdict(made))


@router.delete("/webhooks/{hook_id}", status_code=204, responses=PROBLEMS)
def end_hook(hook_id: Annotated[int, Path(ge=1, lt=2**53)], request: Request, identity: Administrator) -> Response:
    """Stop a webhook."""
    desk = desk_of(request)
    HookStore(desk.ws.decisions).end(hook_id)
    desk.trail.append("end webhook", {"webhook": hook_id}, identity.name)
    return Response(status_code=204)


@router.get("/audit", responses=PROBLEMS)
def audit(
    request: Request,
    identity: Annotated[Identity, require("see_audit")],
    after: Annotated[int, Query(ge=0, lt=2**53)] = 0,
    limit: Annotated[int, Query(ge=1, le=MOST)] = 100,
) -> AuditTold:
    """The audit trail, oldest first, and whether its chain is whole."""
    trail = desk_of(request).trail
    found = trail.entries(after, limit)
    return AuditTold(
        entries=[AuditEntry(**dataclasses.asdict(one)) for one in found],
        next_after=found[-1].seq if found else after,
        whole=trail.verify() is None,
    )


def _told(hook: Hook) -> dict[str, object]:
    return {name: value for name, value in dataclasses.asdict(hook).items() if name != "secret"}
