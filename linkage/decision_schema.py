"""Opens `decisions.sqlite`: write-ahead log, many writers, and files of earlier versions brought up to date.

Layouts so far (`pragma user_version`): 0 before anybody counted, with decisions and a queue of pairs; 2 this one. What
stewards decided is kept as it is; the queue is taken over and worked out anew by the next `link`.
"""

from __future__ import annotations

import hashlib
import json
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from importlib.resources import files
from pathlib import Path

from rules.errors import RefusedError

LAYOUT = 2
_ADDED = ("needs", "blind", "item")
_TAKEN_OVER = """
insert or ignore into item (item, entity, subjects, match_weight, verdict, reason, evidence, said, levels, value, worth,
                            region, opened_on, due)
values (?, ?, ?, ?, ?, ?, ?, ?, ?, 0, '{}', '', date('now'), date('now', '+14 days'))"""


@contextmanager
def opened(path: Path) -> Iterator[sqlite3.Connection]:
    """The database, closed when the block ends; a transaction is in the hands of the caller.

    Raises:
        RefusedError: a newer version wrote it.
    """
    try:
        with closing(sqlite3.connect(path, timeout=60, isolation_level=None)) as db:
            db.execute("pragma journal_mode = wal")
            db.execute("pragma synchronous = full")
            if _layout(db) != LAYOUT:
                _upgrade(db, path)
            yield db
    except sqlite3.Error as error:
        error.add_note(str(path))  # SQLite's own words name no file
        raise


@contextmanager
def with_tables(path: Path, schema: str) -> Iterator[sqlite3.Connection]:
    """The database with the tables of `schema` beside the decisions: statements that change nothing the second time.

    Raises:
        RefusedError: a newer version wrote it.
    """
    with opened(path) as db:
        db.executescript(schema)
        yield db


@contextmanager
def transaction(db: sqlite3.Connection) -> Iterator[None]:
    """All that is written in the block is kept when it ends, none of it where it fails; one writer at a time."""
    db.execute("begin immediate")
    try:
        yield
        db.execute("commit")
    finally:
        if db.in_transaction:
            db.execute("rollback")


def copy_to(source: Path, target: Path) -> None:
    """Copy the database to a new file while others may write; nothing is written where it stands."""
    held = sqlite3.connect(f"{source.resolve().as_uri()}?mode=ro", uri=True, timeout=60)
    with closing(held), closing(sqlite3.connect(target)) as copy:
        held.backup(copy)


def item_key(entity: str, subjects: Sequence[Sequence[str]], field: str = "") -> str:
    """What a decision about these records answers: the same for every order in which they are named."""
    said = [entity, field, sorted({(source, key) for source, key in subjects})]
    return hashlib.sha256(json.dumps(said, ensure_ascii=False).encode()).hexdigest()[:16]


def _layout(db: sqlite3.Connection) -> int:
    return int(db.execute("pragma user_version").fetchone()[0])


def _upgrade(db: sqlite3.Connection, path: Path) -> None:
    with transaction(db):
        found = _layout(db)  # another process may have been faster
        if found > LAYOUT:
            raise RefusedError(f"{path} has layout {found}; this version knows {LAYOUT}: install the newer version")
        if found < LAYOUT:
            _take_over(db)
            db.execute(f"pragma user_version = {LAYOUT}")


def _take_over(db: sqlite3.Connection) -> None:
    tables = {name for (name,) in db.execute("select name from sqlite_master where type = 'table'").fetchall()}
    if "decision" in tables:
        for trigger in ("decision_stays", "decision_remains"):
            db.execute(f"drop trigger if exists {trigger}")
        for column in _ADDED:
            db.execute(f"alter table decision add column {column} text")
        made = db.execute("select decision_id, entity, subjects, payload from decision").fetchall()
        keys = [(item_key(e, json.loads(s), json.loads(p).get("field", "")), number) for number, e, s, p in made]
        db.executemany("update decision set item = ? where decision_id = ?", keys)
    for statement in _statements():
        db.execute(statement)
    if "queue" in tables:
        waited = db.execute("select * from queue").fetchall()
        for entity, *keys, weight, verdict, reason, evidence, said, levels in waited:
            pair = [keys[:2], keys[2:]]
            about = (json.dumps(pair, ensure_ascii=False), weight, verdict, reason, evidence, said, levels)
            db.execute(_TAKEN_OVER, (item_key(entity, pair), entity, *about))
        db.execute("drop table queue")


def _statements() -> Iterator[str]:
    """The statements of the layout; the body of a trigger has a `;` of its own."""
    text = ""
    for line in files("linkage.sql").joinpath("decision.sql").read_text("utf-8").splitlines(keepends=True):
        text += line
        if sqlite3.complete_statement(text):
            yield text
            text = ""
