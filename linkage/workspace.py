"""The workspace: the user's data folder with its places and their lifetimes.

    landed/            received: every file as it came, immutable
    work.duckdb        computed: may be deleted at any time and is rebuilt from landed/
    plan.json          computed: what the last plan says, for whoever must not wait for the work database
    packed/            computed: what the kernel read of each entity type, mapped into memory by whoever searches
    spark/             computed: what a run on Spark leaves between its steps; gone when it has succeeded
    decisions.sqlite   decided: append-only (also the review queue and the audit trail)
    releases/          published: immutable, `current` is switched by one atomic rename
    rules/             the rules of this workspace, copied from the shipped ones by `init`
    shuyuan.toml       format version and issuing node

Everything in it is personal data: folders are 0700, files 0600.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import re
import shutil
import socket
import tomllib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import duckdb

from rules.errors import InputError, NotFoundError, RefusedError, ShuyuanError
from rules.loader import copy_shipped, load_rules
from rules.model import Rules

FORMAT = 1
MEMORY = "SHUYUAN_MEMORY"  # an environment variable: how much memory DuckDB may take
_NODE = re.compile(r"\d{2}")


@dataclass(frozen=True)
class Workspace:
    """A workspace folder that exists. `node` is the two-digit issuing node of its golden ids."""

    root: Path
    node: str
    format: int = FORMAT

    @property
    def landed(self) -> Path:
        return self.root / "landed"

    @property
    def database(self) -> Path:
        return self.root / "work.duckdb"

    @property
    def packed(self) -> Path:
        return self.root / "packed"

    @property
    def decisions(self) -> Path:
        return self.root / "decisions.sqlite"

    @property
    def releases(self) -> Path:
        return self.root / "releases"

    @property
    def rules_folder(self) -> Path:
        return self.root / "rules"

    @classmethod
    def create(cls, root: Path, node: str = "00", rules: Path | None = None) -> Workspace:
        """Make a workspace in `root` with a copy of the shipped rules, or of the folder `rules`.

        Raises:
            InputError: `node` is not two digits.
            RefusedError: `root` already is a workspace, or holds something else.
            RulesError: the rules folder cannot be used; nothing is created.
        """
        os.umask(0o077)
        if not _NODE.fullmatch(node):
            raise InputError(f"node {node!r}: expected two digits, 00 (the ministry) to 99")
        if (root / "shuyuan.toml").exists():
            raise RefusedError(f"{root} already is a workspace; use it, or choose another folder")
        if root.exists() and any(root.iterdir()):
            raise RefusedError(f"{root} is not empty; choose a new or an empty folder")
        if rules is not None:
            load_rules(rules)
        for folder in (root, root / "landed", root / "releases"):
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        if rules is None:
            copy_shipped(root / "rules")
        else:
            shutil.copytree(rules, root / "rules")
        write_atomically(root / "shuyuan.toml", f'format = {FORMAT}\nnode = "{node}"\n')
        return cls(root, node)

    @classmethod
    def open(cls, root: Path) -> Workspace:
        """The workspace in `root`.

        Raises:
            NotFoundError: there is none.
            InputError: its settings cannot be read.
            RefusedError: its format is not the one this version writes.
        """
        os.umask(0o077)
        settings = root / "shuyuan.toml"
        if not settings.exists():
            raise NotFoundError(f"{root} is no workspace (no shuyuan.toml); make one with 'shuyuan init {root}'")
        try:
            values = tomllib.loads(settings.read_text(encoding="utf-8"))
            workspace = cls(root, str(values["node"]), int(values["format"]))
        except (ValueError, KeyError, TypeError) as error:
            said = f"{error} is missing" if isinstance(error, KeyError) else error
            raise InputError(
                f'{settings}: {said}; expected format = {FORMAT} and node = "NN", the two digits that the golden ids '
                "of this workspace have behind their first letter: put the two lines back"
            ) from error
        if workspace.format > FORMAT:
            raise RefusedError(
                f"{root} has format {workspace.format}; this version knows {FORMAT}: install the newer version"
            )
        return workspace

    def load_rules(self) -> Rules:
        """The rules of this workspace (RulesError with every problem where they cannot be used)."""
        return load_rules(self.rules_folder)

    def connect(self) -> duckdb.DuckDBPyConnection:
        """A connection to the work database; hold `lock` while it is open.

        Raises:
            RefusedError: another program has it open.
            ShuyuanError: it is damaged.
            InputError: the environment variable SHUYUAN_MEMORY is no amount of memory.
        """
        spill = self.root / "spill"
        # Beyond it DuckDB spills; the rest of the machine is for the arrays of the kernel.
        limit = os.environ.get(MEMORY) or "60%"
        try:
            con = duckdb.connect(str(self.database))
        except duckdb.Error as error:
            said = str(error).splitlines()[0]
            if "Conflicting lock" in said:
                raise RefusedError(f"{self.database} is open in another program ({said}); close it there") from error
            if "not a valid DuckDB" in said or "Corrupt" in said:
                raise ShuyuanError(
                    f"{self.database} is damaged ({said}); it holds only what is computed: "
                    "delete it with its .wal file and run 'shuyuan link', which makes it anew"
                ) from error
            raise
        con.execute("set temp_directory = ?", [str(spill)])
        con.execute("set threads = ?", [os.cpu_count() or 1])
        con.execute("set preserve_insertion_order = false")
        # Compressing texts costs more than making them, and most tables are made anew by the next run.
        con.execute("set force_compression = 'uncompressed'")
        try:
            con.execute("set memory_limit = ?", [limit])
            con.execute("select unnest(range(100))").fetchall()  # which an amount like 0 % does not even allow
        except duckdb.Error as error:
            con.close()
            raise InputError(
                f"{MEMORY}={limit}: expected an amount of memory such as 6GB, or a share of the machine's such as 40%"
            ) from error
        return con

    @contextmanager
    def lock(self, action: str) -> Iterator[None]:
        """Hold the workspace for one batch run; a holder that died has let go of it.

        Raises:
            RefusedError: another run holds it; the message says which, where and since when.
        """
        descriptor = os.open(self.root / "lock", os.O_RDWR | os.O_CREAT, 0o600)
        try:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise RefusedError(f"{self.root} is in use: {_holder(descriptor)}; wait until it has ended") from None
            now = datetime.now(UTC).isoformat(timespec="seconds")
            text = json.dumps({"action": action, "pid": os.getpid(), "host": socket.gethostname(), "since": now})
            os.ftruncate(descriptor, 0)
            os.pwrite(descriptor, text.encode(), 0)
            yield
            os.ftruncate(descriptor, 0)
        finally:
            os.close(descriptor)

    def running(self) -> str | None:
        """Who holds the workspace now, None where nobody does."""
        path = self.root / "lock"
        if not path.exists():
            return None
        descriptor = os.open(path, os.O_RDWR)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return _holder(descriptor)
        finally:
            os.close(descriptor)
        return None


def _holder(descriptor: int) -> str:
    text = os.pread(descriptor, 4096, 0).decode(errors="replace")
    try:
        holder = json.loads(text)
    except ValueError:
        return "another run"
    return f"'{holder['action']}' by process {holder['pid']} on {holder['host']} since {holder['since']}"


def use_entity(con: duckdb.DuckDBPyConnection, name: str) -> None:
    """Make the schema of entity type `name` the one that unqualified table names mean."""
    con.execute(f'create schema if not exists "{name}"')
    con.execute("create schema if not exists reference")
    con.execute(f"set search_path = '{name},main'")


def file_sha256(path: Path) -> str | None:
    """The SHA-256 of a file in hexadecimal digits, None where there is no such file."""
    if not path.is_file():
        return None
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def write_atomically(path: Path, text: str) -> None:
    """Write a small file so that a reader sees the old one or the new one, never a part."""
    scratch = path.with_name(f".{path.name}.new")
    with scratch.open("w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    scratch.replace(path)
