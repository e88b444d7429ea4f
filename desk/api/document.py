"""The OpenAPI document: made from the routes and models that answer, so that it cannot tell another story."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Depends, Request

from desk.api.asking import PREFIX
from desk.identity import anyone
from desk.problems import MEDIA_TYPE

router = APIRouter(prefix=PREFIX, include_in_schema=False)
BEARER = {
    "type": "http",
    "scheme": "bearer",
    "description": "a token of 'shuyuan token', or what the proxy makes of it",
}
SAID = (
    "Golden records of a workspace: by id, by source record, by identifier; their relations and changes. "
    "Every answer names the release it is from; no answer is of two releases. Values are masked. "
    "Errors are problem details (RFC 9457)."
)


@router.get("/openapi.json", dependencies=[Depends(anyone)])
def openapi(request: Request) -> dict[str, Any]:
    """What the API takes and answers."""
    return document(request.app)


def document(app: Any) -> dict[str, Any]:
    """The OpenAPI document of an application."""
    made: dict[str, Any] = app.openapi()
    made["info"]["description"] = SAID
    made["components"]["securitySchemes"] = {"token": BEARER}
    made["security"] = [{"token": []}]
    for path in made["paths"].values():
        for operation in path.values():
            for status, answer in operation["responses"].items():
                if status[0] in "45":
                    answer["content"] = {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}}
    return made
