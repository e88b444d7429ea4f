"""Webhooks: the feed of changes pushed to other systems, signed, at least once.

A hook has a cursor, the last event that its consumer took. A delivery is the events after it; the cursor moves when the
consumer answered 2xx and not before, so whoever dies in between, here or there, loses nothing and may get events twice:
their numbers tell. Nothing but ids and kinds of events is sent.

Reads: releases. Writes: webhook (SQLite, beside the decisions).
"""

from __future__ import annotations

import hashlib
import heapq
import hmac
import http.client
import json
import logging
import secrets
import sqlite3
import threading
import time
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from desk.state import Desk
from golden_records.query import Release
from linkage.decision_schema import with_tables
from rules.errors import NotFoundError

log = logging.getLogger("shuyuan.desk")
BATCH = 500  # events in one delivery
TIMEOUT = 10.0  # seconds
LONGEST = 300.0  # seconds between two attempts at most
_SCHEMA = """
create table if not exists webhook (
  hook_id integer primary key autoincrement, url text not null, secret text not null, entities text,
  after integer not null, made_by text not null, made_at text not null, ended_at text);
"""


@dataclass(frozen=True)
class Hook:
    """A subscription. `after` is the last event that was taken; `entities` None: all."""

    hook_id: int
    url: str
    secret: str
    entities: tuple[str, ...] | None
    after: int
    made_by: str
    made_at: str


class HookStore:
    """The webhooks of a workspace, in its `decisions.sqlite`."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def add(self, url: str, entities: tuple[str, ...] | None, after: int, who: str) -> Hook:
        """A new hook with a new secret."""
        made = (url, secrets.token_urlsafe(32), None if entities is None else json.dumps(entities), after, who)
        with with_tables(self.path, _SCHEMA) as db:
            cursor = db.execute(
                "insert into webhook (url, secret, entities, after, made_by, made_at) values (?, ?, ?, ?, ?, ?)",
                (*made, datetime.now(UTC).isoformat(timespec="seconds")),
            )
        return self.get(int(cursor.lastrowid or 0))

    def end(self, hook_id: int) -> None:
        """Stop a hook; it stays in the table (NotFoundError: none in force has this id)."""
        self.get(hook_id)
        with with_tables(self.path, _SCHEMA) as db:
            now = datetime.now(UTC).isoformat(timespec="seconds")
            db.execute("update webhook set ended_at = ? where hook_id = ? and ended_at is null", (now, hook_id))

    def get(self, hook_id: int) -> Hook:
        """A hook in force (NotFoundError)."""
        found = [one for one in self.live() if one.hook_id == hook_id]
        if not found:
            raise NotFoundError(f"no webhook {hook_id} in force")
        return found[0]

    def live(self) -> list[Hook]:
        """The hooks in force, oldest first."""
        with with_tables(self.path, _SCHEMA) as db:
            rows = db.execute(
                "select hook_id, url, secret, entities, after, made_by, made_at from webhook "
                "where ended_at is null order by hook_id"
            ).fetchall()
        return [
            Hook(number, url, secret, tuple(json.loads(entities)) if entities else None, after, who, at)
            for number, url, secret, entities, after, who, at in rows
        ]

    def took(self, hook: Hook, after: int) -> None:
        """Move a cursor on, and never back."""
        with with_tables(self.path, _SCHEMA) as db:
            db.execute("update webhook set after = max(after, ?) where hook_id = ?", (after, hook.hook_id))


Post = Callable[[str, bytes, dict[str, str]], bool]


def deliver(store: HookStore, hook: Hook, release: Release, post: Post) -> bool:
    """Send a hook what it has not taken yet; gives whether it took everything."""
    last = release.manifest.next_seq - 1
    after = hook.after
    while after < last:
        names = [name for name in release.manifest.entities if hook.entities is None or name in hook.entities]
        streams = [release.changes(after, name, BATCH) for name in names]
        events = list(heapq.merge(*streams, key=lambda event: int(event["seq"])))[:BATCH]
        reached = int(events[-1]["seq"]) if len(events) == BATCH else last
        if events:
            body = json.dumps({"hook_id": hook.hook_id, "events": events}, ensure_ascii=False).encode()
            if not post(hook.url, body, {"Shuyuan-Signature": signature(hook.secret, body, int(time.time()))}):
                return False
        store.took(hook, reached)
        after = reached
    return True


def signature(secret: str, body: bytes, at: int) -> str:
    """`t=<seconds>,v1=<HMAC-SHA256 of "<seconds>.<body>" in hexadecimal digits>`."""
    seal = hmac.new(secret.encode(), f"{at}.".encode() + body, hashlib.sha256).hexdigest()
    return f"t={at},v1={seal}"


class _Still(urllib.request.HTTPRedirectHandler):
    """Follows no redirect: events go where the administrator said and nowhere else."""

    def redirect_request(self, *_: object) -> None:
        return None


def post_json(url: str, body: bytes, headers: dict[str, str]) -> bool:
    """POST a body; whether the answer was 2xx."""
    request = urllib.request.Request(url, body, {"Content-Type": "application/json", **headers})
    try:
        with urllib.request.build_opener(_Still).open(request, timeout=TIMEOUT) as answer:
            return 200 <= int(answer.status) < 300
    except (OSError, http.client.HTTPException, ValueError):  # ValueError: no address can be made of it
        return False


class Deliverer(threading.Thread):
    """Delivers while the server runs; a hook that does not answer is asked ever more rarely and blocks no other."""

    def __init__(self, desk: Desk, every: float, post: Post = post_json) -> None:
        super().__init__(name="webhooks", daemon=True)
        self._desk, self._every, self._post = desk, every, post
        self._store = HookStore(desk.ws.decisions)
        self._later: dict[int, tuple[float, float]] = {}  # hook -> when again, and how long the last wait was
        self._ending = threading.Event()

    def run(self) -> None:
        while not self._ending.wait(self._every):
            try:
                self.round()
            except (sqlite3.Error, OSError, NotFoundError) as error:
                log.error("webhooks: %s", type(error).__name__)

    def round(self) -> None:
        """Deliver once to every hook that is not waited for."""
        hooks = [one for one in self._store.live() if self._later.get(one.hook_id, (0.0,))[0] <= time.monotonic()]
        if not hooks:
            return
        with self._desk.release() as release:
            for hook in hooks:
                if deliver(self._store, hook, release, self._post):
                    self._later.pop(hook.hook_id, None)
                else:
                    wait = min(LONGEST, 2 * self._later.get(hook.hook_id, (0.0, self._every))[1])
                    self._later[hook.hook_id] = (time.monotonic() + wait, wait)
                    log.info("webhook %d did not take its events; again in %.0f s", hook.hook_id, wait)

    def stop(self) -> None:
        """End after the delivery that is under way."""
        self._ending.set()
        if self.is_alive():
            self.join(TIMEOUT + 1)
