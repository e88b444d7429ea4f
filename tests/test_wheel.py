"""The wheel, built and installed into an environment that has nothing else, takes the demo to a release."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


def run(*command: object, cwd: Path) -> str:
    done = subprocess.run([str(part) for part in command], cwd=cwd, capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stderr[-2000:]
    return done.stdout


def test_the_installed_wheel_runs_the_demo(tmp_path: Path) -> None:
    quiet = ("--quiet", "--disable-pip-version-check")
    run(sys.executable, "-m", "pip", "wheel", *quiet, "--no-deps", "--wheel-dir", tmp_path, ROOT, cwd=tmp_path)
    (wheel,) = tmp_path.glob("shuyuan-*.whl")
    run(sys.executable, "-m", "venv", "--without-pip", tmp_path / "venv", cwd=tmp_path)
    pip = (sys.executable, "-m", "pip", "--python", tmp_path / "venv/bin/python")
    run(*pip, "install", *quiet, "--no-compile", "--constraint", ROOT / "requirements.lock", wheel, cwd=tmp_path)
    shuyuan = tmp_path / "venv/bin/shuyuan"
    done = json.loads(run(shuyuan, "demo", "--workspace", tmp_path / "w", "--size", 400, "--json", cwd=tmp_path))
    assert done["release"] == 1
    assert set(done["entities"]) == {"committee", "institution", "organization", "person", "household"}
    # How right they are is told by the demo of tests/test_journey.py.
    assert all(0 < figures["golden"] < figures["records"] for figures in done["entities"].values())
    example = done["example"]
    shown = json.loads(
        run(shuyuan, "show", example["golden_id"], "--workspace", tmp_path / "w", "--json", cwd=tmp_path)
    )
    assert len(shown["members"]) > 1
