"""The audit trail, the last entries first, and whether its chain of hashes is whole."""

from __future__ import annotations

import json
from typing import Annotated

from fastapi import APIRouter, Query, Request
from starlette.responses import Response

from desk.access import Identity
from desk.identity import require
from desk.pages.rendering import render
from desk.state import desk_of

router = APIRouter(include_in_schema=False)
MOST = 50


@router.get("/audit")
def audit_page(
    request: Request,
    identity: Annotated[Identity, require("see_audit")],
    before: Annotated[int | None, Query(ge=1, lt=2**53)] = None,
) -> Response:
    """A page of entries."""
    return _show(request, identity, before, None)


@router.post("/audit/verify")
def verify(request: Request, identity: Annotated[Identity, require("see_audit")]) -> Response:
    """Walk the whole chain."""
    broken = desk_of(request).trail.verify()
    return _show(request, identity, None, broken or 0)


def _show(request: Request, identity: Identity, before: int | None, broken: int | None) -> Response:
    """`broken`: None where the chain was not looked at, 0 where it is whole, else its first wrong entry."""
    trail = desk_of(request).trail
    last = trail.last()
    top = last if before is None else min(before - 1, last)
    found = trail.entries(max(top - MOST, 0), min(MOST, top)) if top > 0 else []
    entries = [(one, json.dumps(one.detail, ensure_ascii=False)) for one in reversed(found)]
    older = found[0].seq if found and found[0].seq > 1 else None
    return render(request, "audit.html", identity, entries=entries, older=older, last=last, broken=broken)
