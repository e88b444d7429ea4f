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
        except (OSError, sqlite3.OperationalError, duckdb.Error) as error:
            if not _disk_full(error):
                raise
            err.print(
                f"[red]error[/red] the disk is full or fails ({plain(str(error).splitlines()[0])}); what was "
                "published and decided is as it was. Free disk space and run the command again"
            )
            raise typer.Exit(RefusedError.exit_code) from None


def _disk_full(error: Exception) -> bool:
    if isinstance(error, sqlite3.OperationalError):
        return error.sqlite_errorcode & 0xFF in (sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR)
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
