"""`shuyuan serve` as a process: what it acknowledged is there after kill -9; what it logs holds no secret."""

from __future__ import annotations

import http.client
import json
import signal
import socket
import subprocess
import threading
import time
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from desk.webhooks import HookStore
from linkage.audit_trail import AuditTrail
from tests.deliveries import invoke, start
from tests.desk.conftest import Office

WAIT = 60.0  # seconds until a server has to answer


def free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


def post(port: int, path: str, token: str, body: dict[str, Any]) -> dict[str, Any]:
    headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
    request = urllib.request.Request(f"http://127.0.0.1:{port}/api/v1{path}", json.dumps(body).encode(), headers)
    with urllib.request.urlopen(request, timeout=10) as answer:
        found: dict[str, Any] = json.load(answer)
        return found


def serving(office: Office, port: int) -> subprocess.Popen[str]:
    server = start("serve", "--port", port, "--rate", 10_000, "--workspace", office.yard.ws.root)
    until = time.monotonic() + WAIT
    while time.monotonic() < until and server.poll() is None:
        try:
            urllib.request.urlopen(f"http://127.0.0.1:{port}/login", timeout=1).close()
            return server
        except OSError:
            time.sleep(0.1)
    server.kill()
    raise AssertionError(server.communicate()[1])


def test_kill_9_loses_nothing_that_was_acknowledged(office: Office) -> None:
    port, one = free_port(), office.yard.id_of("registry", "r0")
    reader, system = office.token("reader", extra=frozenset({"see_clear"})), office.token("system_administrator")
    server, done, lock = serving(office, port), [], threading.Lock()

    def ask(number: int) -> None:
        """Open clear text or add a webhook, and note what was acknowledged."""
        try:
            if number % 2:
                post(port, f"/golden/{one}/clear", reader, {"purpose": f"purpose {number}"})
                kept: tuple[str, object] = ("unmask", f"purpose {number}")
            else:
                url = f"http://127.0.0.1:9/{number}"
                kept = ("hook", post(port, "/webhooks", system, {"url": url})["url"])
        except (OSError, http.client.HTTPException):  # no answer, or half of one: nothing was acknowledged
            return
        with lock:
            done.append(kept)
            if len(done) == 25:
                server.send_signal(signal.SIGKILL)

    try:
        with ThreadPoolExecutor(6) as pool:
            list(pool.map(ask, range(200)))
    finally:
        server.kill()
        _, told = server.communicate()
    assert 25 <= len(done) < 200, told
    trail = AuditTrail(office.yard.ws.decisions)
    assert trail.verify() is None
    kept = {("unmask", entry.detail["reason"]) for entry in trail.entries() if entry.action == "unmask"}
    kept |= {("hook", hook.url) for hook in HookStore(office.yard.ws.decisions).live()}
    assert set(done) <= kept
    assert "/api/v1/golden/{golden_id}/clear 200" in told.replace("POST ", "")
    for secret in (reader, system, one, "13912345678"):
        assert secret not in told


def test_a_token_is_told_once_and_serves(office: Office) -> None:
    done = invoke("token", "--role", "reader", "--name", "benefits", "--workspace", office.yard.ws.root)
    assert done.exit_code == 0 and done.stdout.startswith("sy_")
    headers = {"Authorization": f"Bearer {done.stdout.strip()}"}
    from starlette.testclient import TestClient

    client = TestClient(office.app)
    assert client.get("/api/v1/changes", headers=headers).status_code == 200
    listed = json.loads(invoke("token", "--list", "--json", "--workspace", office.yard.ws.root).stdout)
    assert "sha256" not in listed[0] and listed[0]["name"] == "benefits"
    assert invoke("token", "--end", listed[0]["id"], "--workspace", office.yard.ws.root).exit_code == 0
    assert client.get("/api/v1/changes", headers=headers).status_code == 401
    told = [entry.action for entry in AuditTrail(office.yard.ws.decisions).entries()]
    assert told[-2:] == ["make token", "end token"]


@pytest.mark.parametrize("module", ["fastapi", "uvicorn"])
def test_without_the_extra_the_command_line_says_how_to_get_it(
    monkeypatch: pytest.MonkeyPatch, office: Office, module: str
) -> None:
    import sys

    for name in [name for name in sys.modules if name.split(".")[0] in (module, "desk")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, module, None)
    done = invoke("serve", "--workspace", office.yard.ws.root)
    assert done.exit_code == 2 and f"the desk needs {module}: pip install 'shuyuan[desk]'" in done.stderr
