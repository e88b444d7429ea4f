"""What one server works with, and the releases it has open.

A request borrows one release and reads nothing else, so that an answer is never of two releases; when `current`
moves on, the next request borrows the new one and the old one is closed by whoever gives it back last.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from datetime import date

from fastapi import Request

from desk.runs import Runs
from desk.security import Rate
from desk.settings import Settings
from desk.tokens import TokenStore
from golden_records.manifest import current_release
from golden_records.matching import Matched, Matcher, read_ahead
from golden_records.query import Release
from linkage.audit_trail import AuditTrail
from linkage.decisions import DecisionStore
from linkage.values import Reader
from linkage.workspace import Workspace
from rules.errors import NotFoundError, ShuyuanError
from rules.model import Rules


class Desk:
    """A workspace as a server sees it."""

    def __init__(self, ws: Workspace, settings: Settings) -> None:
        self.ws = ws
        self.settings = settings
        self.tokens = TokenStore(ws)
        self.trail = AuditTrail(ws.decisions)
        self.decisions = DecisionStore(ws.decisions)
        self.runs = Runs(ws)
        self.rate = Rate(settings.rate, settings.burst)
        self.sign_ins = Rate(settings.sign_ins / 60, settings.sign_ins)
        self._rules = ws.load_rules()
        self._idle: dict[int, list[Release]] = {}
        self._readers: dict[str, Reader] = {}
        self._reading = threading.Lock()
        self._matcher: Matcher | None = None
        self._matching = threading.Lock()
        self._warming = 0
        self.explaining = threading.Lock()
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
            if number is None:
                self._warm(release.manifest.release)
        try:
            yield release
        finally:
            with self._lock:
                kept = release.manifest.release == current_release(self.ws.releases)
                if kept:
                    self._idle.setdefault(release.manifest.release, []).append(release)
            if not kept:
                release.close()

    def forms(self, entity: str, field: str, text: str, as_of: date) -> tuple[str, ...]:
        """The canonical forms of a typed-in value (NotFoundError: the rules lack the field)."""
        known = self._rules.entities.get(entity)
        if known is None or field not in known.entity.fields:
            names = ", ".join(known.entity.fields) if known else "none"
            raise NotFoundError(f"{entity} has no field {field!r}; known are {names}")
        with self._reading:
            if entity not in self._readers:
                self._readers[entity] = Reader(known, self.ws.rules_folder, few=True)
            return self._readers[entity].keys(field, text, as_of)

    def match(
        self, release: int, entity: str, said: Mapping[str, str | None], source: str | None, limit: int
    ) -> Matched:
        """Who a record may be in a release, whose match index stays open for the next one that asks."""
        with self._matching:
            if self._matcher is None or self._matcher.release.manifest.release != release:
                self._close_matcher()
                self._matcher = Matcher(Release.of(self.ws.releases, release))
            return self._matcher.match(entity, said, source, limit)

    def matching(self) -> int | None:
        """The release whose match indexes are open, None while there is none or one is being opened."""
        if not self._matching.acquire(blocking=False):
            return None
        try:
            return None if self._matcher is None else self._matcher.release.manifest.release
        finally:
            self._matching.release()

    def close(self) -> None:
        """Let go of every release and table, and stop what is running."""
        self.runs.close()
        with self._reading:
            for reader in self._readers.values():
                reader.close()
            self._readers.clear()
        with self._matching:
            self._close_matcher()
        with self._lock:
            for releases in self._idle.values():
                for one in releases:
                    one.close()
            self._idle.clear()

    def _warm(self, release: int) -> None:
        """Open the match indexes of a release that has just become the current one, those that were asked before.

        Whoever looks at the release first, whatever for, begins it, so that who matches next waits less or not at all.
        """
        matcher = self._matcher
        if matcher is not None and matcher.release.manifest.release < release and self._warming < release:
            self._warming = release
            threading.Thread(target=self._open_matcher, args=(release, matcher.opened), daemon=True).start()

    def begin_matching(self) -> None:
        """Begin to open the match indexes of the current release, so that who matches first waits less."""
        release = current_release(self.ws.releases)
        if release is not None and self._matcher is None:
            threading.Thread(target=self._open_matcher, args=(release, None), daemon=True).start()

    def _open_matcher(self, release: int, entities: tuple[str, ...] | None) -> None:
        """Open the match indexes of some entity types of a release, or of all, and have them read ahead.

        What is as new stays open.
        """
        with self._matching, suppress(ShuyuanError):  # whoever asks is told
            if self._matcher is None or self._matcher.release.manifest.release < release:
                self._close_matcher()
                self._matcher = Matcher(Release.of(self.ws.releases, release))
                self._matcher.open(self._matcher.release.manifest.entities if entities is None else entities)
        with suppress(OSError):  # a file that cannot be read is told of where it is needed
            read_ahead(self.ws.releases / str(release))

    def _close_matcher(self) -> None:
        if self._matcher is not None:
            self._matcher.close()
            self._matcher.release.close()
            self._matcher = None

    def _take_rules(self, release: Release) -> None:
        if release.manifest.rules != self._rules.sha256 and release.manifest.release == current_release(
            self.ws.releases
        ):
            rules = self.ws.load_rules()
            with self._reading:
                self._rules = rules
                self._readers.clear()


def desk_of(request: Request) -> Desk:
    """The desk that answers a request."""
    found: Desk = request.app.state.desk
    return found
