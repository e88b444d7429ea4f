"""Renders a page with what every page needs: who is signed in and what its forms must send back."""

from __future__ import annotations

from typing import Any

from fastapi import Request
from starlette.responses import Response

from desk.access import Identity


def render(request: Request, template: str, identity: Identity | None, status: int = 200, **context: Any) -> Response:
    """The page `template`; `identity` and `csrf` stand in its context."""
    known = {"identity": identity, "csrf": identity.csrf if identity else ""}
    page: Response = request.app.state.templates.TemplateResponse(request, template, known | context, status)
    return page
