"""A folder in memory for a run of the tests, where there is room: on a disk each file waits to be safe, for longer than
it takes to make it.
"""

from __future__ import annotations

import fcntl
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

SHARED = Path("/dev/shm")
ROOM = 10 * 2**30  # bytes that a run may need
PREFIX = "shuyuan-tests-"
LOCK = "lock"


def room(where: Path = SHARED) -> int:
    """How many bytes of a file system in memory may be used; 0 where there is none."""
    try:
        told = Path("/proc/meminfo").read_text("ascii")
        free = next(int(line.split()[1]) for line in told.splitlines() if line.startswith("MemAvailable:"))
        return min(shutil.disk_usage(where).free, free * 1024)
    except (OSError, StopIteration):
        return 0


@contextmanager
def folder(where: Path = SHARED) -> Iterator[Path]:
    """A folder of this process's own, gone afterwards; those of processes that died before they ended go first."""
    clear(where)
    with ExitStack() as held:
        made = Path(tempfile.mkdtemp(prefix=PREFIX, dir=where))
        held.callback(shutil.rmtree, made, ignore_errors=True)
        taken = made / "taken"
        fcntl.flock(held.enter_context(taken.open("w")), fcntl.LOCK_EX)
        taken.rename(made / LOCK)  # from now on others may ask whether it is held
        yield made


def clear(where: Path) -> None:
    """Remove the folders that no process holds any more."""
    for left in where.glob(f"{PREFIX}*/{LOCK}"):
        with left.open() as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                continue
            shutil.rmtree(left.parent, ignore_errors=True)
