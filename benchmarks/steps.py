"""Runs command lines one after another and keeps what each one cost.

A step is a whole process, measured from outside by the operating system: wall seconds, CPU seconds and
peak resident memory. `environment()` says on which machine and at which commit, so that no figure in
`benchmarks/results/` stands alone.
"""

from __future__ import annotations

import os
import platform
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


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
    with process.stdout as pipe:
        stdout = pipe.read()
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
    """The machine, its load and the commit, as they stand beside every figure."""
    commit = subprocess.run(
        ["git", "describe", "--always", "--dirty"], cwd=ROOT, capture_output=True, text=True, check=False
    ).stdout.strip()
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
        "python": platform.python_version(),
        "commit": commit,
        "load_1min": round(os.getloadavg()[0], 2),
    }


def table(steps: Sequence[Step]) -> str:
    """The steps as a Markdown table with a closing line: seconds add up, memory is the largest."""
    rows = ["| step | wall s | CPU s | peak MiB |", "| --- | ---: | ---: | ---: |"]
    rows += [f"| {s.name} | {s.wall_s:.1f} | {s.cpu_s:.1f} | {s.peak_mib:,} |" for s in steps]
    rows.append(
        f"| all | {sum(s.wall_s for s in steps):.1f} | {sum(s.cpu_s for s in steps):.1f} "
        f"| {max(s.peak_mib for s in steps):,} |"
    )
    return "\n".join(rows)
