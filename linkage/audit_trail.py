"""Who did what when, in a chain of hashes: a changed or missing entry breaks every hash behind it.

It detects, it does not prevent: whoever can write the file can write a whole new chain, or cut its end off, so the head
is written down now and then in a second place, an anchor file, and the chain must still have it.

Nothing removes an entry: the database refuses to, and the first entry is looked for in every check. What is kept for at
least `KEPT_YEARS` is therefore kept as long as the workspace is.
"""

from __future__ import annotations

import getpass
import hashlib
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from linkage.decision_schema import transaction, with_tables
from rules.errors import InputError, NotFoundError

_SCHEMA = """
create table if not exists audit (
  seq integer primary key, at text not null, actor text not null, action text not null,
  detail text not null, previous text not null, hash text not null);
create trigger if not exists audit_stays before update on audit
  begin select raise(abort, 'the audit trail is append-only'); end;
create trigger if not exists audit_remains before delete on audit
  begin select raise(abort, 'the audit trail is append-only'); end;
"""
_START = "0" * 64
KEPT_YEARS = 3  # at least; 《政务数据共享条例》 2025


@dataclass(frozen=True)
class Entry:
    """One entry: what `actor` did (`action`, with `detail`) and the hash that seals it."""

    seq: int
    at: str
    actor: str
    action: str
    detail: dict[str, object]
    previous: str
    hash: str


class AuditTrail:
    """The audit trail of a workspace, in its `decisions.sqlite`."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def append(self, action: str, detail: Mapping[str, object], actor: str | None = None) -> Entry:
        """Add one entry; the actor is the operating system's user unless named."""
        at = datetime.now(UTC).isoformat(timespec="microseconds")
        who = actor or getpass.getuser()
        text = json.dumps(detail, ensure_ascii=False, sort_keys=True, default=str)
        with with_tables(self.path, _SCHEMA) as db, transaction(db):
            last = db.execute("select seq, hash from audit order by seq desc limit 1").fetchone()
            seq, previous = (last[0] + 1, last[1]) if last else (1, _START)
            seal = _seal(seq, at, who, action, text, previous)
            db.execute("insert into audit values (?, ?, ?, ?, ?, ?, ?)", (seq, at, who, action, text, previous, seal))
        return Entry(seq, at, who, action, dict(detail), previous, seal)

    def entries(self, after: int = 0, limit: int = -1) -> list[Entry]:
        """The entries after a number, oldest first, all of them or the first `limit`."""
        with with_tables(self.path, _SCHEMA) as db:
            found = db.execute("select * from audit where seq > ? order by seq limit ?", (after, limit)).fetchall()
        return [_entry(row) for row in found]

    def copy_to(self, path: Path) -> None:
        """Write every entry, as it is, into the trail of another file, which has none yet."""
        with with_tables(self.path, _SCHEMA) as db:
            rows = db.execute("select * from audit order by seq").fetchall()
        with with_tables(path, _SCHEMA) as db, transaction(db):
            db.executemany("insert into audit values (?, ?, ?, ?, ?, ?, ?)", rows)

    def head(self) -> str:
        """The hash of the last entry: what to keep elsewhere."""
        with with_tables(self.path, _SCHEMA) as db:
            last = db.execute("select hash from audit order by seq desc limit 1").fetchone()
        return str(last[0]) if last else _START

    def last(self) -> int:
        """The number of the last entry, 0 where there is none."""
        with with_tables(self.path, _SCHEMA) as db:
            return int(db.execute("select coalesce(max(seq), 0) from audit").fetchone()[0])

    def anchor(self, path: Path) -> Entry:
        """Write the head of the chain down in an anchor file, behind what stands there (NotFoundError: no entries)."""
        with with_tables(self.path, _SCHEMA) as db:
            last = db.execute("select * from audit order by seq desc limit 1").fetchone()
        if last is None:
            raise NotFoundError("the audit trail has no entries yet; there is nothing to anchor")
        entry = _entry(last)
        line = json.dumps({"seq": entry.seq, "hash": entry.hash, "at": entry.at})
        with path.open("a", encoding="utf-8") as file:
            file.write(line + "\n")
            file.flush()
            os.fsync(file.fileno())
        return entry

    def missing(self, path: Path) -> int | None:
        """The first seq of an anchor file that the chain does not have as it was; None where it has them all.

        Raises:
            InputError: the file is not an anchor file.
        """
        if not path.is_file():
            raise InputError(f"{path}: no such file; 'shuyuan audit anchor' makes one")
        with with_tables(self.path, _SCHEMA) as db:
            for line, text in enumerate(path.read_text("utf-8").splitlines(), 1):
                try:
                    said = json.loads(text)
                    seq, seal = int(said["seq"]), str(said["hash"])
                except (ValueError, KeyError, TypeError):
                    raise InputError(
                        f"{path.name} line {line}: not an anchor; each is JSON with seq and hash"
                    ) from None
                if db.execute("select hash from audit where seq = ?", (seq,)).fetchone() != (seal,):
                    return seq
        return None

    def verify(self) -> int | None:
        """The seq of the first entry that is missing or was changed; None where the chain is whole."""
        previous, expected = _START, 1
        with with_tables(self.path, _SCHEMA) as db:
            for seq, at, actor, action, text, said, seal in db.execute("select * from audit order by seq"):
                if seq != expected or said != previous or seal != _seal(seq, at, actor, action, text, said):
                    return expected
                previous, expected = seal, expected + 1
        return None


def _entry(row: tuple[Any, ...]) -> Entry:
    seq, at, actor, action, detail, previous, seal = row
    return Entry(seq, at, actor, action, json.loads(detail), previous, seal)


def _seal(seq: int, at: str, actor: str, action: str, detail: str, previous: str) -> str:
    text = json.dumps([seq, at, actor, action, detail, previous], ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()
