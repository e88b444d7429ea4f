"""Local tokens: 256 random bits, told once; the workspace keeps their SHA-256 in `tokens.json`, readable by its owner.

A hash without salt is enough for a secret that nobody chose. A token is looked for by comparing with every hash in
constant time. The file also holds the key that seals sessions, so that a restart signs nobody out; a backup leaves it
out: rights are granted where they count.
"""

from __future__ import annotations

import fcntl
import hashlib
import hmac
import json
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta

from pydantic import BaseModel, ConfigDict

from desk.access import ADMINISTRATORS, Action, Grant, Role
from linkage.workspace import Workspace, write_atomically
from rules.errors import NotFoundError, RefusedError

FILE = "tokens.json"
PREFIX = "sy_"  # lets a scanner of commits and logs find a token that strayed there


class Token(BaseModel):
    """A token that was made: whose it is, what it grants, until when. The secret is not in it."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    id: str
    name: str
    roles: tuple[Role, ...]
    extra: tuple[Action, ...] = ()
    entities: tuple[str, ...] | None = None
    regions: tuple[str, ...] | None = None
    attributes: tuple[str, ...] | None = None
    sha256: str
    made_at: datetime
    ends_at: datetime

    @property
    def grant(self) -> Grant:
        return Grant(
            frozenset(self.roles),
            frozenset(self.extra),
            None if self.entities is None else frozenset(self.entities),
            self.regions,
            None if self.attributes is None else frozenset(self.attributes),
        )

    def holds(self, now: datetime) -> bool:
        """Whether it has not ended."""
        return now < self.ends_at


class _File(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    key: str
    tokens: tuple[Token, ...] = ()


class TokenStore:
    """The tokens of a workspace; reads the file again when it changed."""

    def __init__(self, ws: Workspace) -> None:
        self.path = ws.root / FILE
        self._seen: tuple[int, int] | None = None
        self._held = _File(key="")

    def make(self, name: str, grant: Grant, days: int = 30) -> tuple[str, Token]:
        """A new token for `name`: the secret, to be told once, and what is kept of it.

        Raises:
            RefusedError: `name` holds a token of another administrator's role.
        """
        secret, now = PREFIX + secrets.token_urlsafe(32), datetime.now(UTC)
        token = Token(
            id=secrets.token_hex(4),
            name=name,
            roles=tuple(sorted(grant.roles)),
            extra=tuple(sorted(grant.extra)),
            entities=None if grant.entities is None else tuple(sorted(grant.entities)),
            regions=grant.regions,
            attributes=None if grant.attributes is None else tuple(sorted(grant.attributes)),
            sha256=_sha256(secret),
            made_at=now,
            ends_at=now + timedelta(days=days),
        )
        with self._changing() as held:
            _refuse_second_administrator(held, token, now)
            self._write(held.model_copy(update={"tokens": (*held.tokens, token)}))
        return secret, token

    def end(self, token_id: str) -> Token:
        """End a token now (NotFoundError: none in force has this id); it stays in the file."""
        now = datetime.now(UTC)
        with self._changing() as held:
            found = next((one for one in held.tokens if one.id == token_id and one.holds(now)), None)
            if found is None:
                raise NotFoundError(f"no token {token_id!r} in force; 'shuyuan token --list' shows them")
            ended = found.model_copy(update={"ends_at": now})
            self._write(held.model_copy(update={"tokens": tuple(ended if t is found else t for t in held.tokens)}))
        return ended

    def all(self) -> tuple[Token, ...]:
        """Every token ever made, oldest first."""
        return self._read().tokens

    def find(self, secret: str) -> Token | None:
        """The token in force with this secret. Takes as long whether or not one matches."""
        given, found, now = _sha256(secret), None, datetime.now(UTC)
        for token in self._read().tokens:
            if hmac.compare_digest(token.sha256, given) and token.holds(now):
                found = token
        return found

    def by_id(self, token_id: str) -> Token | None:
        """The token in force with this id."""
        now = datetime.now(UTC)
        return next((t for t in self._read().tokens if t.id == token_id and t.holds(now)), None)

    def seal(self, text: str) -> str:
        """An HMAC of `text` under the workspace's key."""
        key = self._read().key
        if not key:
            with self._changing() as held:
                self._write(held)
            key = self._read().key
        return hmac.new(key.encode(), text.encode(), hashlib.sha256).hexdigest()

    def _read(self) -> _File:
        try:
            stat = self.path.stat()
        except FileNotFoundError:
            return _File(key="")
        seen = (stat.st_mtime_ns, stat.st_ino)
        if seen != self._seen:
            self._held, self._seen = _File.model_validate_json(self.path.read_text("utf-8")), seen
        return self._held

    @contextmanager
    def _changing(self) -> Iterator[_File]:
        """What the file holds, while no other process changes it."""
        descriptor = os.open(self.path.with_name(f".{FILE}.lock"), os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            held = self._read()
            yield held if held.key else held.model_copy(update={"key": secrets.token_hex(32)})
        finally:
            os.close(descriptor)

    def _write(self, held: _File) -> None:
        before = os.umask(0o077)
        try:
            write_atomically(self.path, json.dumps(held.model_dump(mode="json"), ensure_ascii=False, indent=1) + "\n")
        finally:
            os.umask(before)


def _refuse_second_administrator(held: _File, token: Token, now: datetime) -> None:
    """RefusedError where the name would be two of the administrators that exclude each other."""
    asked = ADMINISTRATORS & set(token.roles)
    for other in held.tokens:
        clash = ADMINISTRATORS & set(other.roles) - asked
        if asked and clash and other.name == token.name and other.holds(now):
            raise RefusedError(
                f"{token.name} is {sorted(clash)[0]} (token {other.id}) and cannot be {sorted(asked)[0]} as well: "
                "give it to another person, or end that token first"
            )


def _sha256(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()
