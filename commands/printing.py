"""What commands print: data on stdout, a table for people or one JSON document; everything else on stderr.

Only the command line prints; it shows what it is handed.
"""

from __future__ import annotations

import json
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

import duckdb
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.table import Table

from rules.model import EntityRules


class Output(Console):
    """stdout; a reader that has seen enough, such as `head`, is nothing unexpected."""

    def on_broken_pipe(self) -> None:
        raise BrokenPipeError


out = Output(highlight=False, width=None if sys.stdout.isatty() else 180)
err = Console(stderr=True, highlight=False, soft_wrap=True)


class Bars:
    """Shows steps on stderr: a bar with the remaining time on a terminal, else a line when a step has ended."""

    @contextmanager
    def step(
        self, name: str, total: int | None = None, con: duckdb.DuckDBPyConnection | None = None
    ) -> Iterator[Callable[[int], None]]:
        began = datetime.now(UTC)
        columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
        with Progress(*columns, TimeRemainingColumn(), console=err, transient=True, disable=not err.is_terminal) as bar:
            task = bar.add_task(name, total=100 if con is not None else total)
            ended = threading.Event()
            watch = threading.Thread(target=_watch, args=(bar, task, con, ended), daemon=True)
            if con is not None and err.is_terminal:
                watch.start()
            try:
                yield lambda done: bar.advance(task, done)
            finally:
                ended.set()
                if watch.is_alive():
                    watch.join()
        err.print(f"{name}: {(datetime.now(UTC) - began).total_seconds():.1f} s")

    def note(self, message: str) -> None:
        err.print(f"note: {plain(message)}")


def _watch(bar: Progress, task: Any, con: duckdb.DuckDBPyConnection | None, ended: threading.Event) -> None:
    """Follow the query that runs on a connection; a step of several queries starts over with each."""
    while con is not None and not ended.wait(0.3):
        done = con.query_progress()
        if done >= 0:
            bar.update(task, completed=round(done))


def agreed(question: str) -> bool:
    """Ask on stderr: what asks in Typer leaves a blank on stdout."""
    err.print(plain(f"{question} [y/N] "), end="")
    return sys.stdin.readline().strip().lower() in ("y", "yes")


def say(as_json: bool, document: Any, lines: list[str]) -> None:
    if as_json:
        return print_json(document)
    for line in lines:
        out.print(plain(line))


def print_json(document: Any) -> None:
    sys.stdout.write(json.dumps(document, ensure_ascii=False, default=str, indent=1) + "\n")
    sys.stdout.flush()


def print_table(title: str, headings: tuple[str, ...], rows: list[list[str]], console: Console = out) -> None:
    table = Table(title=title or None, title_justify="left")
    for heading in headings:
        table.add_column(heading, overflow="fold")
    for row in rows:
        table.add_row(*(plain(cell) for cell in row))
    console.print(table)


def field_title(one: EntityRules | None, field: str) -> str:
    """What a steward calls a field: in Chinese, with the name that rules and commands use."""
    known = one.entity.fields.get(field) if one else None
    return f"{known.title.zh} {field}" if known else field


def as_number(value: float | int | None) -> str:
    if value is None:
        return ""
    return f"{value:,}" if isinstance(value, int) else f"{value:.4f}"


def as_cell(value: Any) -> str:
    if isinstance(value, dict):
        return " ".join(f"{name}={as_cell(part)}" for name, part in value.items())
    if isinstance(value, list | tuple):
        return " ".join(str(part) for part in value)
    return "" if value is None else f"{value:,}" if isinstance(value, int) and value > 9999 else str(value)


def plain(text: str) -> str:
    """Text as it is: brackets in it are no markup."""
    return text.replace("[", r"\[")
