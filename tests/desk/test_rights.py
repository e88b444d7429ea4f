"""Role × endpoint × entity type × region × attribute, as tables: what is not granted is refused or not there."""

from __future__ import annotations

import logging
from typing import Any

import pytest
from fastapi.routing import APIRoute, iter_route_contexts
from starlette.testclient import TestClient

from desk.access import ROLES, Role
from desk.security import log as desk_log
from tests.desk.conftest import Office
from tests.desk.harbour import CLEAR

API = "/api/v1"
IDS = {"r1": "S0700000000015", "r2": "S0700000000023", "r3": "S0700000000031", "b1": "B0700000000011"}
ASKING: set[Role] = {"reader", "steward", "approver", "rule_maintainer"}
EXPORT = "export beside the role"
# Every endpoint of the API, what is sent to it, and who may.
ENDPOINTS: list[tuple[str, str, dict[str, Any], set[Any]]] = [
    ("GET", "/golden/{r1}", {}, ASKING),
    ("POST", "/golden/{r1}/clear", {"json": {"purpose": "信访核查"}}, {"steward", "approver"}),
    ("GET", "/golden/{r1}/relations", {}, ASKING),
    ("GET", "/crosswalk/registry/r1", {}, ASKING),
    ("POST", "/crosswalk", {"json": {"records": [{"source": "registry", "key": "r1"}]}}, ASKING),
    ("POST", "/search", {"json": {"value": "MK-1"}}, ASKING),
    ("POST", "/verify", {"json": {"golden_id": "{r1}", "claims": {"name": "东风号"}}}, ASKING),
    ("POST", "/match", {"json": {"entity": "ship", "record": {"mark": "MK-1"}}}, ASKING),
    ("GET", "/changes", {}, ASKING),
    ("GET", "/snapshot", {}, {EXPORT}),
    ("GET", "/snapshot/1/ship/golden.parquet?purpose=统计", {}, {EXPORT}),
    ("GET", "/webhooks", {}, {"system_administrator"}),
    ("POST", "/webhooks", {"json": {"url": "http://127.0.0.1:9/"}}, {"system_administrator"}),
    ("DELETE", "/webhooks/99", {}, {"system_administrator"}),
    ("GET", "/audit", {}, {"audit_administrator"}),
]


def send(client: TestClient, method: str, path: str, more: dict[str, Any]) -> Any:
    body = {
        key: {name: value.format(**IDS) if isinstance(value, str) else value for name, value in said.items()}
        for key, said in more.items()
    }
    return client.request(method, API + path.format(**IDS), **body)


@pytest.fixture(scope="session")
def by_role(port: Office) -> dict[str, TestClient]:
    found = {role: port.caller(role, name=f"a {role}") for role in ROLES}
    return found | {EXPORT: port.caller("reader", name="an exporter", extra=frozenset({"export"}))}  # type: ignore[dict-item]


@pytest.mark.parametrize(("method", "path", "more", "may"), ENDPOINTS, ids=[f"{m} {p}" for m, p, _, _ in ENDPOINTS])
def test_every_endpoint_refuses_every_role_that_may_not(
    by_role: dict[str, TestClient], port: Office, method: str, path: str, more: dict[str, Any], may: set[str]
) -> None:
    nobody = TestClient(port.app)
    assert send(nobody, method, path, more).status_code == 401
    allowed = may | ({EXPORT} if "reader" in may else set())
    for role, client in by_role.items():
        answer = send(client, method, path, more)
        assert (answer.status_code == 403) == (role not in allowed), f"{role}: {answer.text}"
        if role in allowed:
            wanted = {"DELETE": 404, "POST /webhooks": 201, "POST /golden/{r1}/clear": 409}  # a second person's leave
            assert answer.status_code == wanted.get(method, wanted.get(f"{method} {path}", 200))


def test_the_table_has_every_endpoint_of_the_api(port: Office) -> None:
    served = [
        (method, context.original_route.path_regex)
        for context in iter_route_contexts(port.app.routes)
        if isinstance(context.original_route, APIRoute) and context.original_route.path.startswith(API)
        for method in context.original_route.methods
        if context.original_route.include_in_schema
    ]
    for method, shape in served:
        told = [p for m, p, _, _ in ENDPOINTS if m == method and shape.match((API + p).split("?")[0])]
        assert told, f"{method} {shape.pattern} stands in no row"
    assert len(served) == len(ENDPOINTS)


# What a reader with these limits sees: golden records, and fields of those.
LIMITS: list[tuple[dict[str, Any], set[str], set[str] | None]] = [
    ({}, {"r1", "r2", "r3", "b1"}, None),
    ({"entities": frozenset({"ship"})}, {"r1", "r2", "r3"}, None),
    ({"entities": frozenset({"boat"})}, {"b1"}, None),
    ({"entities": frozenset()}, set(), None),
    ({"regions": ("8801",)}, {"r1", "b1"}, None),
    ({"regions": ("880101", "8802")}, {"r1", "r2", "b1"}, None),
    ({"regions": ("8809",)}, set(), None),
    ({"regions": ("8801",), "entities": frozenset({"ship"})}, {"r1"}, None),
    ({"attributes": frozenset({"name", "flag"})}, {"r1", "r2", "r3", "b1"}, {"name", "flag"}),
    ({"attributes": frozenset()}, {"r1", "r2", "r3", "b1"}, set()),
    ({"regions": ("8802",), "attributes": frozenset({"mark"})}, {"r2"}, {"mark"}),
]

# Sets have no order of their own, and names of tests must be the same in every process.
LIMITED = [" ".join(f"{name}={','.join(sorted(limit))}" for name, limit in one[0].items()) or "none" for one in LIMITS]


@pytest.mark.parametrize(("limits", "seen", "fields"), LIMITS, ids=LIMITED)
@pytest.mark.parametrize("role", ["reader", "rule_maintainer"])
def test_a_grant_shows_what_lies_in_its_limits_and_refuses_the_rest(
    port: Office, role: Role, limits: dict[str, Any], seen: set[str], fields: set[str] | None
) -> None:
    client = port.caller(role, name=f"{role}", **limits)
    for key, golden_id in IDS.items():
        answer = client.get(f"{API}/golden/{golden_id}")
        assert answer.status_code == (200 if key in seen else 403), key
        assert client.get(f"{API}/golden/{golden_id}/relations").status_code == (200 if key in seen else 403)
        assert client.get(f"{API}/crosswalk/registry/{key}").status_code == (200 if key in seen else 404)
        if key in seen and fields is not None:
            assert set(answer.json()["fields"]) <= fields
        claims = {"golden_id": golden_id, "claims": {"name": "东风号"}}
        named = key in seen and (fields is None or "name" in fields)
        assert client.post(f"{API}/verify", json=claims).status_code == (200 if named else 403)
    records = [{"source": "registry", "key": key} for key in IDS]
    placed = client.post(f"{API}/crosswalk", json={"records": records}).json()["records"]
    assert {one["key"] for one in placed if one["golden"]} == seen
    marks = {"r1": "MK-1", "r2": "MK-2", "r3": "MK-3", "b1": "MK-7"}
    for key, mark in marks.items():
        hits = client.post(f"{API}/search", json={"value": mark}).json()["hits"]
        found = key in seen and (fields is None or "mark" in fields)
        assert [one["golden_id"] for one in hits] == ([IDS[key]] if found else [])
    whole = not {"regions", "attributes"} & set(limits)
    answer = client.get(f"{API}/changes")
    assert answer.status_code == (200 if whole else 403)
    if whole:
        assert {one["golden_id"] for one in answer.json()["events"]} == {IDS[key] for key in seen}


@pytest.mark.parametrize(("limits", "seen", "fields"), LIMITS, ids=LIMITED)
def test_clear_text_has_the_same_limits(
    port: Office, limits: dict[str, Any], seen: set[str], fields: set[str] | None
) -> None:
    client = port.caller("reader", extra=frozenset({"see_clear"}), **limits)
    for key, golden_id in IDS.items():
        before = len(port.app.state.desk.trail.entries())
        answer = client.post(f"{API}/golden/{golden_id}/clear", json={"purpose": "信访核查"})
        assert answer.status_code == (200 if key in seen else 403)
        assert len(port.app.state.desk.trail.entries()) - before == (key in seen)
        if key in seen and fields is not None:
            assert set(answer.json()["fields"]) <= fields


@pytest.mark.parametrize(
    ("limits", "types", "ends"),
    [
        ({}, {"sister", "flies"}, {"r1", "r2"}),
        ({"regions": ("8801",)}, {"flies"}, {"r1"}),
        ({"attributes": frozenset({"flag"})}, {"flies"}, {"r1"}),
        ({"attributes": frozenset({"owner"})}, set(), set()),
    ],
)
def test_a_relation_is_told_where_both_ends_and_the_field_that_tells_it_are_granted(
    port: Office, limits: dict[str, Any], types: set[str], ends: set[str]
) -> None:
    client = port.caller("reader", **limits)
    for path in (f"{API}/golden/{IDS['r1']}/relations", f"{API}/golden/{IDS['r1']}"):
        told = client.get(path).json()["relations"]
        assert {one["type"] for one in told} == types
        assert {one[end] for one in told for end in ("from_id", "to_id")} - {None} == {IDS[key] for key in ends}


@pytest.mark.parametrize(
    ("limits", "status", "answer", "found"),
    [
        ({}, 200, "existing", ["r1"]),
        ({"regions": ("8801",)}, 200, "existing", ["r1"]),
        ({"regions": ("8802",)}, 200, "steward", []),
        ({"entities": frozenset({"boat"})}, 403, None, None),
        ({"attributes": frozenset({"name"})}, 403, None, None),
    ],
)
def test_search_before_create_names_no_golden_record_that_was_not_granted(
    port: Office, limits: dict[str, Any], status: int, answer: str | None, found: list[str] | None
) -> None:
    client = port.caller("reader", **limits)
    asked = client.post(f"{API}/match", json={"entity": "ship", "record": {"mark": "MK-1"}})
    assert asked.status_code == status, asked.text
    if status == 200:
        told = asked.json()
        assert told["answer"] == answer
        assert [one["golden_id"] for one in told["candidates"]] == [IDS[key] for key in found or ()]
    new = client.post(f"{API}/match", json={"entity": "ship", "record": {"mark": "MK-99"}})
    assert new.status_code == status and (status != 200 or new.json()["answer"] == "new")


def test_a_field_that_was_not_granted_is_not_looked_into(port: Office) -> None:
    client = port.caller("reader", attributes=frozenset({"name"}))
    for field in ("mark", "owner", "radio"):
        assert client.post(f"{API}/search", json={"value": "MK-1", "field": field}).status_code == 403
        claims = {"golden_id": IDS["r1"], "claims": {"name": "东风号", field: "x"}}
        assert client.post(f"{API}/verify", json=claims).status_code == 403


@pytest.mark.parametrize("role", sorted(ASKING))
def test_no_answer_and_no_line_of_the_log_has_clear_text_unless_it_was_opened(
    port: Office, role: Role, caplog: pytest.LogCaptureFixture
) -> None:
    client = port.caller(role, name=f"masked {role}")
    with caplog.at_level(logging.DEBUG, logger=desk_log.name):
        for method, path, more, may in ENDPOINTS:
            if role not in may or path.endswith("/clear"):
                continue
            answer = send(client, method, path, more)
            assert answer.status_code == 200
            assert not [value for value in CLEAR if value in answer.text], path
        for value in sorted(CLEAR):
            client.get(f"{API}/crosswalk/registry/{value}")
            client.get(f"{API}/golden/{value}?as_of={value}")
            client.post(f"{API}/search", json={"value": value, "field": value})
    assert len(caplog.records) > 10
    for value in (*CLEAR, "%E4", client.headers["authorization"].split()[1]):
        assert value not in caplog.text
