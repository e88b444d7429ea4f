"""Errors as problem details (RFC 9457): for systems as JSON, for people as a page.

What an error of ours says is told; what is unexpected is only named, for its text may hold anybody's data.
"""

from __future__ import annotations

import logging
import sqlite3
import traceback
from collections.abc import Mapping
from http import HTTPStatus
from pathlib import Path
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse, Response

from desk.language import language_of, translator
from desk.refusals import refusal
from desk.words import N_
from rules.errors import (
    DeniedError,
    InputError,
    NotFoundError,
    RefusedError,
    RulesError,
    ShuyuanError,
    UnknownCallerError,
)

log = logging.getLogger("shuyuan.desk")
MEDIA_TYPE = "application/problem+json"
API = "/api/"
# The most particular first.
STATUS: tuple[tuple[type[Exception], int], ...] = (
    (UnknownCallerError, 401),
    (DeniedError, 403),
    (RulesError, 503),
    (NotFoundError, 404),
    (InputError, 422),
    (RefusedError, 409),
    (ShuyuanError, 500),
)


TITLES = {
    401: N_("Sign in first"),
    403: N_("This was not granted to you"),
    404: N_("There is no such thing"),
    409: N_("Refused"),
    413: N_("Too large"),
    422: N_("Something in the form is missing or wrong"),
    429: N_("Too many requests"),
    500: N_("Something went wrong"),
    503: N_("Not available now"),
}


class Problem(BaseModel):
    """A problem detail of RFC 9457. `type` is about:blank: the status says which kind it is."""

    type: str = "about:blank"
    title: str
    status: int
    detail: str
    errors: list[dict[str, str]] | None = None


def problem(
    status: int,
    detail: str,
    errors: list[dict[str, str]] | None = None,
    headers: Mapping[str, str] | None = None,
) -> JSONResponse:
    """A response that says what is wrong."""
    told = Problem(title=HTTPStatus(status).phrase, status=status, detail=detail, errors=errors)
    sent = {**(headers or {}), "Cache-Control": "no-store"}
    return JSONResponse(told.model_dump(exclude_none=True), status, headers=sent, media_type=MEDIA_TYPE)


def status_of(error: Exception) -> int:
    """The HTTP status of an error that is raised on purpose."""
    return next(status for kind, status in STATUS if isinstance(error, kind))


def handle_problems(app: FastAPI) -> None:
    """Let the app answer every error with a problem: as JSON under /api/, else as a page."""

    @app.exception_handler(ShuyuanError)
    def ours(request: Request, error: ShuyuanError) -> Response:
        status = status_of(error)
        return respond(request, status, str(error), {"WWW-Authenticate": "Bearer"} if status == 401 else None)

    @app.exception_handler(HTTPException)
    def http(request: Request, error: HTTPException) -> Response:
        return respond(request, error.status_code, str(error.detail), error.headers)

    @app.exception_handler(RequestValidationError)
    def invalid(request: Request, error: RequestValidationError) -> Response:
        errors = [{"at": ".".join(map(str, one["loc"])), "message": str(one["msg"])} for one in error.errors()]
        told = "; ".join(f"{one['at']}: {one['message']}" for one in errors)
        if not request.url.path.startswith(API):
            return respond(request, 422, told)
        return problem(422, f"the request is not what the OpenAPI document says: {told}", errors)

    @app.exception_handler(sqlite3.OperationalError)
    def busy(request: Request, error: sqlite3.OperationalError) -> Response:
        log.error("%s: %s", type(error).__name__, error.sqlite_errorname)
        return respond(
            request, 503, "the store of decisions is busy or cannot be written; try again", {"Retry-After": "2"}
        )

    @app.exception_handler(Exception)
    def unexpected(request: Request, error: Exception) -> Response:
        log.error("unexpected %s at %s", type(error).__name__, _place(error))
        return respond(request, 500, f"unexpected {type(error).__name__}; the log of the server says where")


def respond(request: Request, status: int, detail: str, headers: Mapping[str, str] | None = None) -> Response:
    """A problem as the caller can read it."""
    if request.url.path.startswith(API):
        return problem(status, detail, headers=headers)
    if status == 401 and request.method == "GET":
        return Response(status_code=303, headers={"Location": "/login", "Cache-Control": "no-store"})
    language = language_of(request)
    page: Any = request.app.state.templates.TemplateResponse(
        request,
        "problem.html",
        {"status": status, "detail": detail, "title": TITLES.get(status, HTTPStatus(status).phrase)}
        | {"told": detail if language == "en" else refusal(detail, translator(language))},
        status,
    )
    page.headers.update(headers or {})
    return page  # type: ignore[no-any-return]


def _place(error: Exception) -> str:
    """Where an error came up: file and line of the last frames. Its message is left out: it may quote a value."""
    frames = traceback.extract_tb(error.__traceback__)[-4:]
    return " < ".join(f"{Path(frame.filename).name}:{frame.lineno}" for frame in reversed(frames))
