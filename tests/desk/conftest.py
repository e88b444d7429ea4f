"""The desk over the workspace with three releases: callers by what they were granted."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from fastapi import FastAPI
from fastapi.routing import APIRoute
from starlette.testclient import TestClient

from desk.access import Grant, Role
from desk.app import create_app
from desk.settings import Settings
from desk.tokens import TokenStore
from linkage.workspace import Workspace
from tests.desk import harbour, quay
from tests.golden_records.things import Yard
from tests.once import copy_of, once

SETTINGS = Settings(
    hosts=("testserver", "localhost"),
    proxies=frozenset({"testclient"}),
    rate=10_000,
    burst=10_000,
    deliver_every=0,
)


@dataclass(frozen=True)
class Office:
    """A desk and the workspace under it."""

    yard: Yard
    app: FastAPI

    def token(self, *roles: Role, name: str = "", **limits: object) -> str:
        """A new token of a grant."""
        grant = Grant(frozenset(roles), **limits)  # type: ignore[arg-type]
        return TokenStore(self.yard.ws).make(name or "-".join(roles), grant)[0]

    def caller(self, *roles: Role, name: str = "", **limits: object) -> TestClient:
        """A client that sends such a token."""
        headers = {"Authorization": f"Bearer {self.token(*roles, name=name, **limits)}"}
        return TestClient(self.app, headers=headers, follow_redirects=False)


def calls(route: APIRoute) -> list[Any]:
    """Everything that a route depends on, dependencies of dependencies as well."""
    waiting, found = list(route.dependant.dependencies), []
    while waiting:
        one = waiting.pop()
        found.append(one.call)
        waiting += one.dependencies
    return found


@pytest.fixture
def office(copied: Callable[[], Yard]) -> Iterator[Office]:
    """A desk of its own over a copy of the workspace."""
    yard = copied()
    app = create_app(yard.ws, SETTINGS)
    yield Office(yard, app)
    app.state.desk.close()


@pytest.fixture(scope="session")
def built(tmp_path_factory: pytest.TempPathFactory) -> Yard:
    """The workspace of quay.py, to be copied."""
    made = once(tmp_path_factory, "quay", quay.create)
    return Yard(Workspace.open(copy_of(made / "ws", tmp_path_factory.mktemp("quay") / "ws")))


@pytest.fixture
def waterfront(built: Yard, tmp_path: Path) -> Iterator[Office]:
    """A desk of its own over a copy of the workspace in which stewards have work."""
    yard = Yard(Workspace.open(copy_of(built.ws.root, tmp_path / "ws")))
    app = create_app(yard.ws, SETTINGS)
    yield Office(yard, app)
    app.state.desk.close()


@pytest.fixture(scope="session")
def port(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Office]:
    """A desk over two entity types in two regions (harbour.py); nothing of it is changed but its audit trail."""
    made = once(tmp_path_factory, "port", harbour.create)
    yard = Yard(Workspace.open(copy_of(made / "ws", tmp_path_factory.mktemp("port") / "ws")))
    app = create_app(yard.ws, SETTINGS)
    yield Office(yard, app)
    app.state.desk.close()
