"""Signing in: the cookie, the form that only its own session may send, the proxy that alone may say who asks."""

from __future__ import annotations

import re
import stat

import pytest
from starlette.testclient import TestClient

from desk.app import create_app
from desk.identity import COOKIE
from desk.settings import Settings
from desk.tokens import TokenStore
from tests.desk.conftest import Office


def browser(office: Office) -> TestClient:
    return TestClient(office.app, follow_redirects=False)


def signed_in(office: Office) -> TestClient:
    client = browser(office)
    done = client.post("/login", data={"token": office.token("steward", name="eve")})
    assert (done.status_code, done.headers["location"]) == (303, "/")
    return client


def csrf(client: TestClient) -> str:
    (found,) = re.findall(r'name="csrf" value="([0-9a-f]+)"', client.get("/").text)
    return str(found)


def test_a_token_begins_a_session_whose_cookie_no_script_reads_and_no_other_site_sends(office: Office) -> None:
    client = browser(office)
    assert client.get("/").headers["location"] == "/login"
    done = client.post("/login", data={"token": office.token("steward")})
    cookie = done.headers["set-cookie"].lower()
    assert "httponly" in cookie and "samesite=strict" in cookie and "sy_" not in cookie
    assert client.get("/").status_code == 200


def test_a_restart_signs_nobody_out_and_the_end_of_a_token_does(office: Office) -> None:
    client = signed_in(office)
    again = TestClient(create_app(office.yard.ws, Settings(hosts=("testserver",))), follow_redirects=False)
    again.cookies.set(COOKIE, client.cookies[COOKIE])
    assert again.get("/").status_code == 200
    store = TokenStore(office.yard.ws)
    store.end(store.all()[-1].id)
    assert again.get("/").status_code == 303


@pytest.mark.parametrize("changed", ["x", "1.9999999999.00", "{id}.9999999999.{seal}", "{id}.٣.{seal}", "{id}..", "é"])
def test_a_session_that_was_not_sealed_here_is_none(office: Office, changed: str) -> None:
    token_id, _, seal = signed_in(office).cookies[COOKIE].split(".")
    forged = changed.format(id=token_id, seal=seal)
    answer = browser(office).get("/", headers={"Cookie": f"{COOKIE}={forged}".encode()})  # type: ignore[dict-item]
    assert answer.status_code == 303


def test_a_form_counts_only_with_what_its_session_was_given(office: Office) -> None:
    client = signed_in(office)
    for sent in ({}, {"csrf": ""}, {"csrf": "0" * 64}, {"csrf": csrf(signed_in(office))}):
        assert client.post("/logout", data=sent).status_code == 403
    assert client.post("/logout", data={"csrf": csrf(client)}).status_code == 303
    assert client.get("/").status_code == 303


def test_a_form_of_another_site_is_refused(office: Office) -> None:
    client = signed_in(office)
    sent = {"csrf": csrf(client)}
    for origin in ("https://elsewhere.example", "null"):
        assert client.post("/logout", data=sent, headers={"Origin": origin}).status_code == 403
    assert client.post("/logout", data=sent, headers={"Origin": "http://testserver"}).status_code == 303


def test_a_host_that_nobody_named_is_refused(office: Office) -> None:
    assert browser(office).get("/login", headers={"Host": "rebound.example"}).status_code == 421


def test_every_answer_forbids_scripts_and_styles_from_elsewhere_or_inline(office: Office) -> None:
    for path in ("/login", "/static/desk.css", "/nowhere"):
        policy = browser(office).get(path).headers["content-security-policy"]
        assert "default-src 'none'" in policy and "unsafe" not in policy


def test_a_body_is_bounded_however_it_is_sent(office: Office) -> None:
    def parts() -> object:
        for _ in range(3):
            yield b"token=" + b"x" * 500_000

    client = browser(office)
    assert client.post("/login", content=b"x" * 1_000_001).status_code == 413
    form = {"content-type": "application/x-www-form-urlencoded"}
    assert client.post("/login", content=parts(), headers=form).status_code == 413  # type: ignore[arg-type]


def test_whoever_comes_while_too_many_are_served_is_sent_away_with_a_time(office: Office) -> None:
    full = TestClient(create_app(office.yard.ws, Settings(hosts=("testserver",), at_once=0)), follow_redirects=False)
    answer = full.get("/api/v1/golden/S0700000000015")
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "1")
    assert answer.headers["content-type"] == "application/problem+json"
    roomy = TestClient(create_app(office.yard.ws, Settings(hosts=("testserver",), at_once=1)), follow_redirects=False)
    assert [roomy.get("/api/v1/openapi.json").status_code for _ in range(3)] == [200, 200, 200]


def test_wrong_tokens_soon_have_to_wait(office: Office) -> None:
    client = browser(office)
    said = [client.post("/login", data={"token": f"sy_{n}"}).status_code for n in range(12)]
    assert said == [401] * 10 + [429] * 2
    assert client.get("/api/v1/none", headers={"Authorization": "Bearer sy_0"}).status_code == 404


def test_a_proxy_says_who_asks_and_nobody_else_does(office: Office) -> None:
    said = {"Shuyuan-User": "eve", "Shuyuan-Roles": "steward, approver"}
    assert browser(office).get("/", headers=said).status_code == 200
    assert browser(office).get("/", headers=said | {"Shuyuan-Roles": "king"}).status_code == 403
    both = "system_administrator,audit_administrator"
    assert browser(office).get("/", headers=said | {"Shuyuan-Roles": both}).status_code == 403
    alone = TestClient(create_app(office.yard.ws, Settings(hosts=("testserver",))), follow_redirects=False)
    assert alone.get("/", headers=said).headers["location"] == "/login"


def test_the_workspace_keeps_only_the_hash_of_a_token_where_only_its_owner_reads_it(office: Office) -> None:
    secret = office.token("reader")
    path = office.yard.ws.root / "tokens.json"
    assert secret not in path.read_text("utf-8") and secret[3:] not in path.read_text("utf-8")
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
