"""Signing in and out, and the page behind it."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Form, Request
from starlette.responses import RedirectResponse, Response

from desk.access import Identity
from desk.identity import COOKIE, anyone, require, sign_in
from desk.pages.rendering import render
from rules.errors import UnknownCallerError

router = APIRouter(include_in_schema=False)


@router.get("/login", dependencies=[Depends(anyone)])
def login_page(request: Request) -> Response:
    """The form that takes a token."""
    return render(request, "login.html", None, told="")


@router.post("/login", dependencies=[Depends(anyone)])
def login(request: Request, token: Annotated[str, Form(max_length=200)]) -> Response:
    """Begin a session."""
    response = RedirectResponse("/", 303)
    try:
        sign_in(request, response, token.strip())
    except UnknownCallerError as error:
        return render(request, "login.html", None, 401, told=str(error))
    return response


@router.post("/logout")
def logout(identity: Annotated[Identity, require()]) -> Response:
    """End the session of this browser."""
    response = RedirectResponse("/login", 303)
    response.delete_cookie(COOKIE, httponly=True, samesite="strict")
    return response


@router.get("/")
def home(request: Request, identity: Annotated[Identity, require()]) -> Response:
    """Where a session begins."""
    return render(request, "home.html", identity)
