"""What one server works with, and the releases it has open.

A request borrows one release and reads nothing else, so that an answer is never of two releases; when `current`
moves on, the next request borrows the new one and the old one is closed by whoever gives it back last.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from fastapi import Request

from desk.security import Rate
from desk.settings import Settings
from desk.tokens import TokenStore
from golden_records.manifest import current_release
from golden_records.query import Release
from linkage.audit_trail import AuditTrail
from linkage.decisions import DecisionStore
from linkage.workspace import Workspace
from rules.model import Rules


class Desk:
    """A workspace as a server sees it."""

    def __init__(self, ws: Workspace, settings: Settings) -> None:
        self.ws = ws
        self.settings = settings
        self.tokens = TokenStore(ws)
        self.trail = AuditTrail(ws.decisions)
        self.decisions = DecisionStore(ws.decisions)
        self.rate = Rate(settings.rate, settings.burst)
        self.sign_ins = Rate(settings.sign_ins / 60, settings.sign_ins)
        self._rules = ws.load_rules()
        self._idle: dict[int, list[Release]] = {}
        self._lock = threading.Lock()

    @property
    def rules(self) -> Rules:
        """The rules; read again when a release was published under others."""
        return self._rules

    @contextmanager
    def release(self, number: int | None = None) -> Iterator[Release]:
        """The current release, or an earlier one, for one request (NotFoundError: there is none)."""
        current = current_release(self.ws.releases)
        wanted = current if number is None else number
        with self._lock:
            stale = [one for n in list(self._idle) if n != current for one in self._idle.pop(n)]
            idle = self._idle.get(wanted or 0)
            release = idle.pop() if idle else None
        for one in stale:
            one.close()
        if release is None:
            release = Release.of(self.ws.releases, wanted)
            self._take_rules(release)
        try:
            yield release
        finally:
            with self._lock:
                kept = release.manifest.release == current_release(self.ws.releases)
                if kept:
                    self._idle.setdefault(release.manifest.release, []).append(release)
            if not kept:
                release.close()

    def close(self) -> None:
        """Let go of every release."""
        with self._lock:
            for releases in self._idle.values():
                for one in releases:
                    one.close()
            self._idle.clear()

    def _take_rules(self, release: Release) -> None:
        if release.manifest.rules != self._rules.sha256 and release.manifest.release == current_release(
            self.ws.releases
        ):
            self._rules = self.ws.load_rules()


def desk_of(request: Request) -> Desk:
    """The desk that answers a request."""
    found: Desk = request.app.state.desk
    return found
