"""Who asks: a token with each request, the cookie of a session, or the headers of a trusted proxy.

Every route names what it takes by `require(action)`, or says with `anyone` that it takes nobody in particular; a test
walks all routes and refuses one that says neither.
"""

from __future__ import annotations

import hmac
import time
from dataclasses import dataclass
from typing import Any

from fastapi import Depends, Request
from starlette.exceptions import HTTPException
from starlette.responses import Response

from desk.access import Action, Grant, Identity
from desk.security import SAFE
from desk.state import Desk, desk_of
from desk.tokens import Token
from rules.errors import DeniedError, InputError, UnknownCallerError

COOKIE = "shuyuan_session"
CSRF_FIELD = "csrf"
CSRF_HEADER = "X-CSRF-Token"
# What a trusted proxy says of whom it has signed in; lists are separated by commas, a missing limit limits nothing.
USER, ROLES = "Shuyuan-User", "Shuyuan-Roles"
LIMITS = {"entities": "Shuyuan-Entities", "regions": "Shuyuan-Regions", "attributes": "Shuyuan-Attributes"}
EXTRA_HEADER = "Shuyuan-Allow"


@dataclass(frozen=True)
class Require:
    """The dependency that lets a request pass whose identity may do `action`; None: anybody signed in."""

    action: Action | None

    async def __call__(self, request: Request) -> Identity:
        desk = desk_of(request)
        identity = identify(request, desk)
        request.scope["caller"] = identity.name
        request.state.identity = identity
        wait = desk.rate.wait(identity.name)
        if wait:
            raise HTTPException(429, "too many requests; ask again later", {"Retry-After": str(int(wait) + 1)})
        if self.action is not None:
            identity.must(self.action)
        if identity.way != "bearer" and request.method not in SAFE:
            await _check_form(request, identity)
        return identity


def require(action: Action | None = None) -> Any:
    """`identity: Annotated[Identity, require("read")]` in the signature of a route."""
    return Depends(Require(action))


def anyone() -> None:
    """The dependency of a route that answers everybody."""


def identify(request: Request, desk: Desk) -> Identity:
    """Whose request it is (UnknownCallerError: nobody can say)."""
    peer = request.client.host if request.client else ""
    if USER in request.headers:
        if peer not in desk.settings.proxies:
            raise UnknownCallerError(f"{USER} counts only from a proxy that 'shuyuan serve --trust-proxy' names")
        return _of_proxy(request, desk)
    scheme, _, secret = request.headers.get("authorization", "").partition(" ")
    if scheme:
        token = desk.tokens.find(secret.strip()) if scheme.lower() == "bearer" else None
        if token is None:
            _slow_down(desk, peer)
            raise UnknownCallerError("the token is not one in force; 'shuyuan token' makes one")
        return Identity(token.name, token.grant, "bearer")
    session = request.cookies.get(COOKIE)
    if session is None:
        raise UnknownCallerError("say who asks: send a token as 'Authorization: Bearer …', or sign in at /login")
    return _of_session(session, desk)


def sign_in(request: Request, response: Response, secret: str) -> Token:
    """Begin a session with a token (UnknownCallerError: it is not one in force)."""
    desk = desk_of(request)
    token = desk.tokens.find(secret)
    if token is None:
        _slow_down(desk, request.client.host if request.client else "")
        raise UnknownCallerError("the token is not one in force; 'shuyuan token' makes one")
    until = int(min(time.time() + desk.settings.hours * 3600, token.ends_at.timestamp()))
    response.set_cookie(
        COOKIE,
        f"{token.id}.{until}.{_seal_of(desk, token, until)}",
        max_age=until - int(time.time()),
        httponly=True,
        samesite="strict",
        secure=desk.settings.secure,
    )
    return token


def _of_session(cookie: str, desk: Desk) -> Identity:
    token_id, _, rest = cookie.partition(".")
    until, _, seal = rest.partition(".")
    token = desk.tokens.by_id(token_id)
    if token is None or not until.isdecimal() or not until.isascii() or int(until) < time.time():
        raise UnknownCallerError("the session has ended; sign in again at /login")
    if not hmac.compare_digest(seal.encode(), _seal_of(desk, token, int(until)).encode()):
        raise UnknownCallerError("the session is not one of this server; sign in again at /login")
    return Identity(token.name, token.grant, "session", desk.tokens.seal(f"csrf {cookie}"))


def _of_proxy(request: Request, desk: Desk) -> Identity:
    name = request.headers[USER].strip()
    said = {part: _listed(request.headers.get(header)) for part, header in LIMITS.items()}
    roles: Any = frozenset(_listed(request.headers.get(ROLES)) or ())
    extra: Any = frozenset(_listed(request.headers.get(EXTRA_HEADER)) or ())
    try:
        grant = Grant(
            roles,
            extra,
            None if said["entities"] is None else frozenset(said["entities"]),
            said["regions"],
            None if said["attributes"] is None else frozenset(said["attributes"]),
        )
    except InputError as error:
        raise DeniedError(f"what the proxy grants to {name or 'nobody'} cannot be used: {error}") from None
    if not name:
        raise UnknownCallerError(f"the proxy sent an empty {USER}")
    return Identity(name, grant, "proxy", desk.tokens.seal(f"csrf proxy {name}"))


def _listed(text: str | None) -> tuple[str, ...] | None:
    return None if text is None else tuple(part.strip() for part in text.split(",") if part.strip())


def _seal_of(desk: Desk, token: Token, until: int) -> str:
    return desk.tokens.seal(f"session {token.id} {until} {token.sha256}")


async def _check_form(request: Request, identity: Identity) -> None:
    """DeniedError unless the form or the header repeats what the session was given."""
    said = request.headers.get(CSRF_HEADER)
    kind = request.headers.get("content-type", "").partition(";")[0]
    if said is None and kind in ("application/x-www-form-urlencoded", "multipart/form-data"):
        form = await request.form()
        said = str(form.get(CSRF_FIELD, ""))
    if not hmac.compare_digest((said or "").encode(), identity.csrf.encode()):
        raise DeniedError("the form is from another session; load the page again")


def _slow_down(desk: Desk, peer: str) -> None:
    wait = desk.sign_ins.wait(peer)
    if wait:
        raise HTTPException(429, "too many wrong tokens; wait", {"Retry-After": str(int(wait) + 1)})
