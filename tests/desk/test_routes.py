"""Every route says who may ask it."""

from __future__ import annotations

from collections.abc import Iterator

from fastapi.routing import APIRoute, iter_route_contexts

from desk.identity import Require, anyone
from tests.desk.conftest import Office, calls

OPEN = {("GET", "/login"), ("POST", "/login"), ("POST", "/language"), ("GET", "/api/v1/openapi.json")}


def routes(office: Office) -> Iterator[APIRoute]:
    for context in iter_route_contexts(office.app.routes):
        route = context.original_route
        if context.path == "/static":
            continue
        assert isinstance(route, APIRoute), f"{route}: only pages and the API are served"
        yield route


def test_every_route_says_what_it_takes_or_that_it_takes_nobody_in_particular(office: Office) -> None:
    everybody = set()
    for route in routes(office):
        said = [call for call in calls(route) if isinstance(call, Require) or call is anyone]
        assert len(said) == 1, f"{sorted(route.methods)} {route.path} needs one 'require(action)', or 'anyone'"
        if said == [anyone]:
            everybody |= {(method, route.path) for method in route.methods}
    assert everybody == OPEN
