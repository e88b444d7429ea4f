"""Webhooks: signed, in order, at least once; whoever dies in between loses nothing."""

from __future__ import annotations

import hashlib
import hmac
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from desk.webhooks import Deliverer, HookStore
from linkage.audit_trail import AuditTrail
from tests.desk.conftest import Office

API = "/api/v1"


class Consumer:
    """A system that takes events in; it fails, or dies after it took them in, as often as it is told."""

    def __init__(self) -> None:
        self.took: list[dict[str, Any]] = []
        self.heard: list[tuple[dict[str, str], bytes]] = []
        self.fails, self.dies = 0, 0

    def answer(self, headers: dict[str, str], body: bytes) -> int | None:
        """The status of the answer; None: the connection breaks."""
        self.heard.append((headers, body))
        if self.fails:
            self.fails -= 1
            return 503
        self.took += json.loads(body)["events"]
        if self.dies:
            self.dies -= 1
            return None
        return 204

    @contextmanager
    def listening(self) -> Iterator[str]:
        consumer = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                status = consumer.answer(dict(self.headers), self.rfile.read(int(self.headers["content-length"])))
                if status is None:
                    self.connection.close()
                    return
                self.send_response(status)
                self.send_header("Location", "/elsewhere")
                self.end_headers()

            def log_message(self, *_: object) -> None:
                pass

        server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}/take"
        finally:
            server.shutdown()
            server.server_close()


def add(office: Office, url: str, **more: object) -> dict[str, Any]:
    made = office.caller("system_administrator", name="sun").post(f"{API}/webhooks", json={"url": url, **more})
    assert made.status_code == 201, made.text
    found: dict[str, Any] = made.json()
    return found


def rounds(office: Office, number: int) -> None:
    """Deliver so often, each time as a server that was started anew."""
    for _ in range(number):
        Deliverer(office.app.state.desk, 0).round()


def everything(office: Office) -> list[dict[str, Any]]:
    with office.yard.ask() as published:
        return list(published.changes())


def test_events_come_signed_and_in_order_and_once_where_nobody_dies(office: Office) -> None:
    consumer = Consumer()
    with consumer.listening() as url:
        made = add(office, url)
        rounds(office, 2)
        assert consumer.took == everything(office)
        office.yard.deliver("registry", "2024-09-01", {"id": "r9", "mark": "MK-9", "name": "九江"})
        office.yard.release()
        rounds(office, 2)
    assert consumer.took == everything(office) and len(consumer.heard) == 2
    for headers, body in consumer.heard:
        parts = dict(part.split("=") for part in headers["Shuyuan-Signature"].split(","))
        seal = hmac.new(made["secret"].encode(), f"{parts['t']}.".encode() + body, hashlib.sha256)
        assert parts["v1"] == seal.hexdigest()


@pytest.mark.parametrize("batch", [1, 3, 500])
def test_whoever_fails_or_dies_anywhere_loses_nothing(
    office: Office, monkeypatch: pytest.MonkeyPatch, batch: int
) -> None:
    monkeypatch.setattr("desk.webhooks.BATCH", batch)
    consumer, wanted = Consumer(), everything(office)
    with consumer.listening() as url:
        add(office, url)
        consumer.fails, consumer.dies = 1, 1
        rounds(office, 1)
        assert consumer.took == [], "it failed, so nothing counts as taken"
        rounds(office, 1)
        assert consumer.took == wanted[:batch], "it took these in and died before it could say so"
        consumer.fails = 1
        rounds(office, 3)
    assert consumer.took == wanted[:batch] + wanted


def test_a_server_that_dies_between_the_answer_and_the_cursor_sends_again(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    consumer = Consumer()
    with consumer.listening() as url:
        add(office, url)
        with monkeypatch.context() as patch:
            patch.setattr(HookStore, "took", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
            with pytest.raises(KeyboardInterrupt):
                rounds(office, 1)
        rounds(office, 1)
    assert consumer.took == everything(office) * 2


def test_a_hook_of_some_entity_types_begins_where_it_was_told(office: Office) -> None:
    consumer = Consumer()
    with consumer.listening() as url:
        add(office, url, entities=["ship"], after=3)
        rounds(office, 1)
    assert consumer.took == everything(office)[3:]


def test_a_redirect_is_not_followed_and_a_silent_consumer_blocks_no_other(office: Office) -> None:
    moved, other = Consumer(), Consumer()
    moved.answer = lambda headers, body: 307  # type: ignore[method-assign]
    with moved.listening() as one, other.listening() as two:
        add(office, one)
        add(office, "http://127.0.0.1:9/nobody")
        add(office, two)
        rounds(office, 1)
    assert other.took == everything(office)
    store = HookStore(office.yard.ws.decisions)
    assert [hook.after for hook in store.live()] == [0, 0, len(other.took)]


def test_hooks_are_told_without_their_secret_and_end(office: Office) -> None:
    administrator = office.caller("system_administrator", name="sun")
    made = add(office, "https://benefits.example/take")
    assert made["secret"] not in administrator.get(f"{API}/webhooks").text
    assert administrator.delete(f"{API}/webhooks/{made['hook_id']}").status_code == 204
    assert administrator.get(f"{API}/webhooks").json() == []
    assert administrator.delete(f"{API}/webhooks/{made['hook_id']}").status_code == 404
    kept = [(one.actor, one.action) for one in AuditTrail(office.yard.ws.decisions).entries()[-2:]]
    assert kept == [("sun", "add webhook"), ("sun", "end webhook")]
    for wrong in ("file:///etc/passwd", "https://name:secret@host/", "ftp://host/"):
        assert administrator.post(f"{API}/webhooks", json={"url": wrong}).status_code == 422


def test_the_server_delivers_by_itself(office: Office) -> None:
    consumer = Consumer()
    with consumer.listening() as url:
        add(office, url)
        deliverer = Deliverer(office.app.state.desk, 0.05)
        deliverer.start()
        for _ in range(100):
            if len(consumer.took) == len(everything(office)):
                break
            threading.Event().wait(0.05)
        deliverer.stop()
    assert consumer.took == everything(office) and not deliverer.is_alive()
