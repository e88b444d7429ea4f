"""What a benchmark of Spark says that a session used counts what ended within it."""

from __future__ import annotations

import os
import socket
import struct
import subprocess
import sys
import time
from pathlib import Path

import pytest

from linkage.spark.session import missing

pytestmark = pytest.mark.skipif(missing() is not None, reason=missing() or "")


def whole_number(said: bytes) -> int:
    (found,) = struct.unpack("!i", said)
    return int(found)


@pytest.mark.parametrize("module", ["benchmarks.daemon", "pyspark.daemon"])
def test_what_a_worker_used_that_ended_is_credited_to_who_waited_for_it(module: str) -> None:
    """A worker is started as Spark does it, and let go; pages are counted, of which the shortest life has hundreds."""
    run = [sys.executable, "-m", module, "pyspark.worker"]
    told = os.environ | {"PYTHON_WORKER_FACTORY_SECRET": "x"}
    with subprocess.Popen(run, env=told, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as daemon:
        assert daemon.stdout is not None and daemon.stdin is not None
        with socket.create_connection(("127.0.0.1", whole_number(daemon.stdout.read(4)))) as asked:
            worker = Path(f"/proc/{whole_number(asked.recv(4))}")
            assert worker.exists()
        until = time.monotonic() + 60
        while worker.exists() and time.monotonic() < until:
            time.sleep(0.01)
        stat = Path(f"/proc/{daemon.pid}/stat").read_text()
        daemon.stdin.close()
    pages = int(stat.rpartition(")")[2].split()[8])
    assert (pages > 0) == (module == "benchmarks.daemon")
