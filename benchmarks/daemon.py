"""Starts the Python workers of Spark as pyspark does, and waits for those that end, so that their CPU is not lost.

Spark lets workers go that had nothing to do for a minute. pyspark's own daemon ignores that a child ended; the system
then forgets what the child used, and what a session used falls. Who waits is credited with it (`session_cpu`).
"""

from __future__ import annotations

import os
import signal
from contextlib import suppress
from types import SimpleNamespace
from typing import Any

from pyspark import daemon


def main() -> None:
    """Run pyspark's daemon."""
    daemon.signal = SimpleNamespace(**vars(signal) | {"signal": _handle})
    daemon.manager()


def _handle(number: int, handler: Any) -> Any:
    return signal.signal(number, _wait if (number, handler) == (signal.SIGCHLD, signal.SIG_IGN) else handler)


def _wait(number: int, frame: Any) -> None:
    with suppress(ChildProcessError):
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass


if __name__ == "__main__":
    main()
