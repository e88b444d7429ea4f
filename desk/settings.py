"""What a server is told when it starts: whom it answers to, whom it trusts, how much it takes."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True)
class Settings:
    """The settings of one server.

    hosts          names under which browsers may reach it, with the port where it is not 80 or 443
    proxies        addresses of reverse proxies whose headers say who asks; empty: nobody's do
    secure         browsers reach it through https only: the cookie is then sent nowhere else
    most_bytes     the largest body that is read
    rate, burst    requests per second that one identity may make on average, and at once
    sign_ins       attempts to sign in per minute from one address
    at_once        requests that are worked on or wait at the same time; one more is sent away
    hours          how long a session lasts
    deliver_every  seconds between two looks for events that webhooks have not taken; 0: this server delivers none
    """

    hosts: tuple[str, ...] = ("127.0.0.1", "localhost")
    proxies: frozenset[str] = field(default_factory=frozenset)
    secure: bool = False
    most_bytes: int = 1_000_000
    rate: float = 100.0
    burst: int = 200
    sign_ins: int = 10
    at_once: int = 200
    hours: int = 10
    deliver_every: float = 2.0
