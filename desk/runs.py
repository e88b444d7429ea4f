"""The batch run that a desk started last: one at a time, in a process of its own (`batch.py`).

Who starts a second one meanwhile, here or on the command line, is refused by the lock of the workspace.
"""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

from linkage.workspace import Workspace
from rules.errors import RefusedError

Step = Literal["plan", "publish"]
ROOT = Path(__file__).parent.parent


@dataclass(frozen=True)
class Run:
    """A run: who started it when, and, where it has ended, the release that it made or why there is none."""

    step: Step
    by: str
    began: str
    ended: str | None = None
    release: int | None = None
    error: str | None = None


class Runs:
    """What a desk has running over its workspace."""

    def __init__(self, ws: Workspace) -> None:
        self.ws = ws
        self.last: Run | None = None
        self._lock = threading.Lock()
        self._process: subprocess.Popen[str] | None = None
        self._waiting: threading.Thread | None = None

    @property
    def busy(self) -> bool:
        return self.last is not None and self.last.ended is None

    def start(self, step: Step, by: str, *arguments: str) -> None:
        """Begin a step (RefusedError: another run, here or elsewhere, holds the workspace)."""
        with self._lock:
            holder = self.ws.running()
            if self.busy or holder is not None:
                raise RefusedError(
                    f"another run is under way{f' ({holder})' if holder else ''}; wait until it has ended"
                )
            self._process = subprocess.Popen(
                [sys.executable, "-m", "desk.batch", step, str(self.ws.root.resolve()), *arguments],
                cwd=ROOT,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
            )
            self.last = Run(step, by, _now())
            self._waiting = threading.Thread(target=self._wait, args=(self._process, self.last), daemon=True)
            self._waiting.start()

    def close(self) -> None:
        """Stop what is running; a release that is being written is cleared away by the next run."""
        if self._process is not None and self._process.poll() is None:
            self._process.terminate()
        if self._waiting is not None:
            self._waiting.join()

    def _wait(self, process: subprocess.Popen[str], run: Run) -> None:
        out, err = process.communicate()
        try:
            told = json.loads(out.splitlines()[-1])
        except (ValueError, IndexError):
            kind = err.strip().splitlines()[-1].partition(":")[0] if err.strip() else f"exit code {process.returncode}"
            told = {"error": f"the run ended with {kind}"}  # what else it says may quote a value
        self.last = replace(run, ended=_now(), release=told.get("release"), error=told.get("error"))


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
