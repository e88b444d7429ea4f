"""The folders of a run in memory are its own, go with it, and go with the next where it was killed."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from tests.in_memory import folder, room

ROOT = Path(__file__).resolve().parent.parent
DIES = """
import os, signal, sys
from pathlib import Path
from tests.in_memory import folder
with folder(Path(sys.argv[1])) as made:
    (made / "run").mkdir()
    os.kill(os.getpid(), signal.SIGKILL)
"""


def test_a_folder_goes_with_the_run_that_holds_it_and_one_that_was_left_goes_with_the_next(tmp_path: Path) -> None:
    killed = subprocess.run([sys.executable, "-c", DIES, str(tmp_path)], cwd=ROOT, check=False)
    assert killed.returncode < 0
    (left,) = tmp_path.iterdir()
    with folder(tmp_path) as one:
        assert not left.exists()
        with folder(tmp_path) as other:
            assert one != other and one.exists()
        assert [*tmp_path.iterdir()] == [one]
    assert not list(tmp_path.iterdir())


def test_where_there_is_no_memory_to_hold_files_there_is_no_room(tmp_path: Path) -> None:
    assert room(tmp_path / "none") == 0
    assert room(tmp_path) > 0
