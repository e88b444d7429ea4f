"""Schemathesis asks the API whatever its document allows, and more: nothing is unexpected, nothing is undocumented."""

from __future__ import annotations

import dataclasses
import shutil
from collections.abc import Iterator
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from schemathesis.specs.openapi.checks import positive_data_acceptance

from desk.app import create_app
from linkage.workspace import Workspace
from tests.desk.conftest import SETTINGS, Office
from tests.effort import effort
from tests.golden_records.things import Yard
from tests.told import Told

CALLER = ("reader", "steward", "approver", "rule_maintainer", "system_administrator")
_OFFICE: dict[str, Any] = {}


@pytest.fixture(scope="module")
def api(told: Told, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """The document of an app over a copy of the workspace, with the app behind it."""
    root = tmp_path_factory.mktemp("schema") / "ws"
    shutil.copytree(told.yard.ws.root, root, symlinks=True)
    office = Office(
        Yard(Workspace.open(root)), create_app(Workspace.open(root), dataclasses.replace(SETTINGS, sign_ins=10**6))
    )
    everything = office.token(*CALLER, name="all", extra=frozenset({"export"}))  # type: ignore[arg-type]
    _OFFICE.update(
        tokens={False: everything, True: office.token("audit_administrator")}, ids=sorted(set(told.first.values()))
    )
    yield schemathesis.openapi.from_asgi("/api/v1/openapi.json", office.app)
    office.app.state.desk.close()


def test_whatever_is_asked_is_answered_as_the_document_says(api: Any) -> None:
    for found in api.get_all_operations():

        @settings(max_examples=effort(5, 12), derandomize=True, suppress_health_check=list(HealthCheck))
        @given(case=found.ok().as_strategy())
        def ask(case: Any) -> None:
            headers = {"Authorization": f"Bearer {_OFFICE['tokens'][case.path.endswith('/audit')]}"}
            for one in _variants(case):
                answer = one.call(headers=headers)
                # An id that was retired is well formed and gone.
                excluded = [positive_data_acceptance] if answer.status_code == 410 else []
                one.validate_response(answer, excluded_checks=excluded, headers=headers)

        ask()


def _variants(case: Any) -> Iterator[Any]:
    """A request, and the same about every golden id that ever was: chance would meet none of them."""
    yield case
    for one in _OFFICE["ids"]:
        if "golden_id" in (case.path_parameters or {}):
            case.path_parameters["golden_id"] = one
            yield case
        if isinstance(case.body, dict) and "golden_id" in case.body:
            case.body["golden_id"] = one
            yield case
