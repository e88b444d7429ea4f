"""The command line `shuyuan`: its verbs stand in commands/; errors become exit codes here and nowhere else.

stdout is data (a table for people, one JSON document with --json), stderr is everything else. Personal data
is masked in both unless --unmask REASON is given, and the reason goes into the audit trail first.

Exit codes: 0 done · 1 unexpected · 2 usage or rules · 3 input · 4 refused · 5 not found.
"""

from __future__ import annotations

import errno
import os
import sqlite3
import sys
from typing import Any

import duckdb
import typer
from typer.core import TyperGroup

from commands import (
    ask,
    batch,
    explaining,
    keeping,
    quality,
    queue,
    replaying,
    serving,
    setup,
    stewards,
    tickets,
    tuning,
)
from commands.printing import err, plain
from linkage.workspace import MEMORY
from rules.errors import RefusedError, ShuyuanError


class Verbs(TyperGroup):
    """Turns the errors that Shuyuan raises on purpose into a sentence and an exit code."""

    def invoke(self, ctx: Any) -> Any:
        try:
            return super().invoke(ctx)
        except ShuyuanError as error:
            err.print(f"[red]error[/red] {plain(str(error))}")
            raise typer.Exit(error.exit_code) from None
        except BrokenPipeError:
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            raise typer.Exit(0) from None
        except (OSError, MemoryError, sqlite3.DatabaseError, duckdb.Error) as error:
            advice = _advice(error)
            if advice is None:
                raise
            what, then = advice
            first, *_ = str(error).splitlines() or [type(error).__name__]
            said = ": ".join([*getattr(error, "__notes__", []), first])
            err.print(f"[red]error[/red] {what} ({plain(said)}); {then}")
            raise typer.Exit(RefusedError.exit_code) from None


def _advice(error: Exception) -> tuple[str, str] | None:
    """What an error of the operating system or of a database means and what to do; None where it is unexpected."""
    if _disk_full(error):
        kept = "what was published and decided is as it was"
        return "the disk is full or fails", f"{kept}. Free disk space and run the command again"
    if isinstance(error, MemoryError | duckdb.OutOfMemoryException):
        more = "more" if isinstance(error, duckdb.Error) else "less"
        return "there is not enough memory", (
            f"nothing half-done counts. Give DuckDB {more} of it with the environment variable {MEMORY} (such as 8GB), "
            "or use a larger machine, and run the command again"
        )
    if _forbidden(error):
        return "a file or folder may not be read or written", (
            "nothing was changed. Run the command as the owner of the workspace, and see that its disk is not mounted "
            "read-only"
        )
    if _damaged(error):
        return "a file of decisions or of a release is damaged", (
            "keep a copy of the workspace as it is, and restore the last backup beside it with 'shuyuan restore'"
        )
    return None


def _damaged(error: Exception) -> bool:
    if isinstance(error, sqlite3.Error):
        return _code(error) in (sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_CORRUPT)
    return isinstance(error, duckdb.Error) and any(text in str(error) for text in ("Parquet file", "No magic bytes"))


def _code(error: sqlite3.Error) -> int | None:
    """The primary result code of SQLite; an error of Python's own driver has none."""
    code: int | None = getattr(error, "sqlite_errorcode", None)
    return None if code is None else code & 0xFF


def _forbidden(error: Exception) -> bool:
    if isinstance(error, sqlite3.Error):
        return _code(error) in (sqlite3.SQLITE_READONLY, sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_PERM)
    told = ("Permission denied", "Read-only file system")
    return getattr(error, "errno", None) in (errno.EACCES, errno.EPERM, errno.EROFS) or any(
        text in str(error) for text in told
    )


def _disk_full(error: Exception) -> bool:
    if isinstance(error, sqlite3.Error):
        return _code(error) in (sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR)
    told = ("No space left on device", "File too large", "Disk quota exceeded")
    return getattr(error, "errno", None) in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG) or any(
        text in str(error) for text in told
    )


app = typer.Typer(cls=Verbs, no_args_is_help=True, pretty_exceptions_enable=False, add_completion=False, help=__doc__)
for part in (setup, batch, queue, explaining, ask, quality, tuning, serving, keeping, replaying):
    app.add_typer(part.app)
app.add_typer(setup.rules_app, name="rules")
app.add_typer(queue.queue_app, name="queue")
app.add_typer(stewards.decide_app, name="decide")
app.add_typer(tickets.tickets_app, name="tickets")
app.add_typer(keeping.audit_app, name="audit")

if __name__ == "__main__":
    app()
