"""What every request and every answer passes: host, origin, headers, one line in the log.

The log names the route, never the address that was asked: a source key in a path or a value in a query may be
somebody's number.
"""

from __future__ import annotations

import logging
import threading
import time
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from desk.problems import problem
from desk.settings import Settings

log = logging.getLogger("shuyuan.desk")
SAFE = frozenset({"GET", "HEAD", "OPTIONS"})
POLICY = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self' data:",
        "font-src 'self'",
        "connect-src 'self'",
        "form-action 'self'",
        "frame-ancestors 'none'",
        "base-uri 'none'",
    )
)
HEADERS = {
    "Content-Security-Policy": POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), microphone=(), geolocation=()",
}


class Guard:
    """The outermost layer of the desk."""

    def __init__(self, app: ASGIApp, settings: Settings) -> None:
        self.app = app
        self.settings = settings
        self._at_once = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return await self.app(scope, receive, send)
        began, status = time.perf_counter(), 500

        async def sending(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                headers = MutableHeaders(scope=message)
                for name, value in HEADERS.items():
                    headers.setdefault(name, value)
                if not scope["path"].startswith("/static/"):
                    headers.setdefault("Cache-Control", "no-store")
            await send(message)

        headers = Headers(scope=scope)
        refused = self._refusal(scope, headers)
        self._at_once += 1
        try:
            if refused is not None:
                await problem(*refused)(scope, receive, sending)
            elif self._at_once > self.settings.at_once:
                # Who is sent away at once may come again; who waits behind a crowd waits for nothing.
                busy = problem(503, "too many requests are under way; ask again", headers={"Retry-After": "1"})
                await busy(scope, receive, sending)
            else:
                await self.app(scope, receive, sending)
        finally:
            self._at_once -= 1
            route = getattr(scope.get("route"), "path", "-")
            told = (scope["method"], route, status, 1000 * (time.perf_counter() - began), scope.get("caller", "-"))
            log.info("%s %s %d %.1f ms %s", *told)

    def _refusal(self, scope: Scope, headers: Headers) -> tuple[int, str] | None:
        """Why a request goes no further: status and sentence."""
        host = headers.get("host", "")
        if host not in self.settings.hosts:
            return 421, "this server is not known by the name in the Host header; see 'shuyuan serve --allow-host'"
        origin = headers.get("origin")
        if scope["method"] not in SAFE and origin is not None and urlsplit(origin).netloc != host:
            return 403, "the request comes from a page of another site"
        return None


@dataclass
class Rate:
    """Token buckets by name: `rate` per second on average, `burst` at once."""

    rate: float
    burst: int
    most: int = 10_000
    _left: dict[str, tuple[float, float]] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def wait(self, who: str) -> float:
        """Seconds until `who` may ask; 0.0 where the request was taken from what is left."""
        now = time.monotonic()
        with self._lock:
            if len(self._left) >= self.most and who not in self._left:
                self._forget(now)
            left, at = self._left.get(who, (float(self.burst), now))
            left = min(float(self.burst), left + (now - at) * self.rate)
            taken = left >= 1
            self._left[who] = (left - 1 if taken else left, now)
        return 0.0 if taken else (1 - left) / self.rate

    def _forget(self, now: float) -> None:
        """Drop those whose bucket is full again; where all are in use, everybody's."""
        kept = {w: (n, at) for w, (n, at) in self._left.items() if n + (now - at) * self.rate < self.burst}
        self._left = kept if len(kept) < self.most else {}
