"""Runs command lines one after another and keeps what each one cost.

A step is a whole process, measured from outside by the operating system: wall seconds, CPU seconds and
peak resident memory. `environment()` says on which machine and at which commit, so that no figure in
`benchmarks/results/` stands alone. There `<benchmark>.json` and `.md` are the latest state; every measured run also
adds one line to `history.jsonl`, from which `charts.py` draws.
"""

from __future__ import annotations

import json
import os
import platform
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from rules.errors import InputError

ROOT = Path(__file__).resolve().parent.parent
RESULTS = ROOT / "benchmarks/results"
HISTORY = "history.jsonl"
Document = dict[str, Any]


@dataclass(frozen=True)
class Step:
    """One process that ran: what it printed on stdout and what it cost (seconds, MiB)."""

    name: str
    wall_s: float
    cpu_s: float
    peak_mib: int
    stdout: str

    def figures(self) -> dict[str, float | int | str]:
        """The measured figures without the output."""
        return {key: value for key, value in asdict(self).items() if key != "stdout"}


def shuyuan(name: str, *arguments: str) -> Step:
    """Run one `shuyuan` command in a process of its own.

    Raises:
        RuntimeError: the command failed; the message holds its stderr.
    """
    return run(name, [sys.executable, "-m", "cli", *arguments])


def run(name: str, command: Sequence[str]) -> Step:
    """Run `command`, wait for it and read its costs from the kernel (`wait4`)."""
    started = time.perf_counter()
    process = subprocess.Popen(
        command, cwd=ROOT, stdout=subprocess.PIPE, stderr=sys.stderr, stdin=subprocess.DEVNULL, text=True
    )
    assert process.stdout is not None
    with process.stdout:
        stdout = process.stdout.read()
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode != 0:
        raise RuntimeError(f"{' '.join(command)} ended with {process.returncode}\n{stdout}")
    return Step(
        name=name,
        wall_s=round(time.perf_counter() - started, 2),
        cpu_s=round(usage.ru_utime + usage.ru_stime, 2),
        peak_mib=usage.ru_maxrss // 1024,
        stdout=stdout,
    )


def environment() -> dict[str, str | int | float]:
    """The machine, its load and the commit, as they stand beside every figure.

    A commit is `dirty` where something other than the results of benchmarks differs from it.
    """
    commit = _git("rev-parse", "--short", "HEAD")
    if _git("status", "--porcelain", "--untracked-files=no", "--", ".", ":!benchmarks/results"):
        commit += "-dirty"
    model = next(
        (
            line.split(":", 1)[1].strip()
            for line in Path("/proc/cpuinfo").read_text().splitlines()
            if line.startswith("model name")
        ),
        platform.processor(),
    )
    return {
        "cpu": model,
        "cores": os.cpu_count() or 0,
        "memory_gib": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30, 1),
        "python": platform.python_version(),
        "commit": commit,
        "load_1min": round(os.getloadavg()[0], 2),
    }


def _git(*arguments: str) -> str:
    return subprocess.run(["git", *arguments], cwd=ROOT, capture_output=True, text=True, check=False).stdout.strip()


def command() -> str:
    """The command line of this process as a reader would type it; folders, which differ by machine, are left out.

    A limit of memory that DuckDB was given stands before it.
    """
    path = Path(sys.argv[0])
    said = f"-m benchmarks.{path.stem}" if path.parent.name == "benchmarks" else path.name
    arguments = ["…" if "/" in one else one for one in sys.argv[1:]]
    limit = [f"{name}={os.environ[name]}" for name in ("SHUYUAN_MEMORY",) if name in os.environ]
    return " ".join([*limit, "python", said, *arguments])


def write(name: str, document: Mapping[str, Any], text: str = "", folder: Path = RESULTS) -> None:
    """Write the latest state of a benchmark: `<name>.json`, and `<name>.md` where there is a text."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{name}.json").write_text(json.dumps(document, ensure_ascii=False, indent=1) + "\n", "utf-8")
    if text:
        (folder / f"{name}.md").write_text(text.rstrip() + "\n", "utf-8")


def record(name: str, figures: Mapping[str, Any], folder: Path = RESULTS) -> None:
    """Add one measured run to the history; what was measured before stays as it is.

    A line has `benchmark`, `at` (UTC), `command`, `environment` (machine and commit) and `figures`.
    """
    folder.mkdir(parents=True, exist_ok=True)
    kept = dict(figures)
    line = {
        "benchmark": name,
        "at": datetime.now(UTC).isoformat(timespec="seconds"),
        "command": command(),
        "environment": kept.pop("environment", None) or environment(),
        "figures": kept,
    }
    with (folder / HISTORY).open("a", encoding="utf-8") as file:
        file.write(json.dumps(line, ensure_ascii=False) + "\n")


def save(name: str, document: Mapping[str, Any], text: str = "", folder: Path = RESULTS) -> None:
    """Write the latest state and add it to the history."""
    write(name, document, text, folder)
    record(name, document, folder)


def history(folder: Path = RESULTS, name: str = "") -> list[Document]:
    """The runs in the order of measuring, of one benchmark or of all."""
    path = folder / HISTORY
    lines = path.read_text("utf-8").splitlines() if path.exists() else []
    runs = [json.loads(line) for line in lines if line.strip()]
    return [run for run in runs if name in ("", run["benchmark"])]


def table(steps: Sequence[Step]) -> str:
    """The steps as a Markdown table with a closing line: seconds add up, memory is the largest."""
    rows = ["| step | wall s | CPU s | peak MiB |", "| --- | ---: | ---: | ---: |"]
    rows += [f"| {s.name} | {s.wall_s:.1f} | {s.cpu_s:.1f} | {s.peak_mib:,} |" for s in steps]
    rows.append(
        f"| all | {sum(s.wall_s for s in steps):.1f} | {sum(s.cpu_s for s in steps):.1f} "
        f"| {max(s.peak_mib for s in steps):,} |"
    )
    return "\n".join(rows)


def data_folder(given: Path | None) -> Path:
    """The folder of public data: `--data`, else SHUYUAN_DATA.

    Raises:
        InputError: neither is given, or the folder is not there.
    """
    told = given or (Path(os.environ["SHUYUAN_DATA"]) if os.environ.get("SHUYUAN_DATA") else None)
    if told is None:
        raise InputError("no data; name their folder with --data or in the environment variable SHUYUAN_DATA")
    if not told.is_dir():
        raise InputError(f"{told}: no such folder; name the one that holds the data with --data or SHUYUAN_DATA")
    return told


def lacking(package: str) -> str:
    """Why a package cannot take part; empty where it is installed."""
    try:
        version(package)
    except PackageNotFoundError:
        return f"the package {package} is not installed (pip install 'shuyuan[bench]')"
    return ""
