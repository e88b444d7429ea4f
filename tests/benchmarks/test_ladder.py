"""The ladder, small: what it measures, what it makes of it, and what it refuses."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks import growth
from benchmarks.ladder import missing
from benchmarks.steps import ROOT, Document, history
from linkage.growth import exponent


def climbed(results: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "benchmarks.ladder", "--results", str(results), *arguments]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)


def rung(size: int, cpu_s: float, wall_s: float, peak_mib: int = 1024, disk_mib: int = 2048) -> Document:
    step = {"name": "link", "cpu_s": cpu_s, "wall_s": wall_s, "peak_mib": peak_mib}
    return {"size": size, "records": size, "steps": [step], "disk_mib": disk_mib, "environment": {"commit": "abc"}}


def test_two_rungs_are_measured_and_kept(tmp_path: Path) -> None:
    for size in ("300", "600"):
        done = climbed(tmp_path, "--size", size)
        assert done.returncode == 0, done.stderr
    found = json.loads((tmp_path / "ladder.json").read_text("utf-8"))
    assert [one["size"] for one in found["rungs"]] == [300, 600]
    for one in found["rungs"]:
        assert one["records"] >= one["size"] and one["precision"] > 0.99 and one["recall"] > 0.95
        assert [step["name"] for step in one["steps"]] == ["load", "link", "plan", "publish"]
        assert all(step["cpu_s"] > 0 and step["peak_mib"] > 50 for step in one["steps"])
    runs = history(tmp_path, "ladder")
    assert [run["figures"]["size"] for run in runs] == [300, 600]
    assert all(run["environment"]["commit"] and run["command"].startswith("python -m benchmarks") for run in runs)
    page = (tmp_path / "ladder.md").read_text("utf-8")
    assert "## 300 records" in page and "the nation: 1.4 bn persons" in page


def test_a_rung_without_room_is_refused_before_anything_is_made(tmp_path: Path) -> None:
    done = climbed(tmp_path, "--size", "25000000000", "--folder", str(tmp_path / "work"))
    assert done.returncode == 4
    assert "25,000,000,000 records need" in done.stderr and "--anyway" in done.stderr
    assert not list((tmp_path / "work").iterdir()) and not list(tmp_path.glob("ladder*"))


@pytest.mark.parametrize(
    ("size", "memory", "disk", "words"),
    [
        (2_000_000, 2_048, 4_096, []),
        (2_000_001, 2_047, 4_096, ["2 GiB of memory"]),
        (2_000_001, 4_096, 4_000, ["4 GiB of disk"]),
        (20_000_000, 16_384, 4_096, ["20 GiB of memory", "40 GiB of disk", "the rung of 1,000,000"]),
    ],
)
def test_room_is_judged_by_the_largest_measured_rung(size: int, memory: int, disk: int, words: list[str]) -> None:
    told = missing(size, [rung(1_000, 1, 1, peak_mib=500), rung(1_000_000, 10, 5)], memory, disk)
    assert bool(told) == bool(words)
    assert all(word in told for word in words)


def test_the_exponent_is_that_of_the_power_law() -> None:
    records = [10**5, 10**6, 5 * 10**6]
    for power in (0.9, 1.0, 1.3):
        assert exponent(records, [3e-6 * n**power for n in records]) == pytest.approx(power)
    assert exponent([10], [3.0]) is None


@pytest.mark.parametrize(
    ("wall", "cpu", "alone", "shared"),
    [(10, 20, 0, 20), (20, 20, 20, 0), (15, 20, 10, 10), (30, 20, 20, 0), (8, 20, 0, 20)],
)
def test_the_part_of_one_core_follows_from_wall_and_cpu(wall: float, cpu: float, alone: float, shared: float) -> None:
    assert growth.split(wall, cpu) == (alone, shared)


def test_the_extrapolation_is_the_arithmetic_that_is_told() -> None:
    found = growth.grow([rung(1_000_000, 100, 75), rung(2_000_000, 200, 150)])
    nation = found["goals"]["the nation: 1.4 bn persons"]
    assert found["exponents"]["all"] == 1 and nation["records"] == 2_240_000_000
    times = 2_240_000_000 / 2_000_000
    assert nation["memory_gib"] == round(times * 1) and nation["disk_gib"] == round(times * 2)
    assert nation["cpu_hours"] == pytest.approx(times * 200 / 3600, abs=0.1)
    assert nation["hours"]["64"] == pytest.approx(times * (100 + 100 / 64) / 3600, abs=0.1)
    assert nation["hours_divided"]["128"] == pytest.approx(times * 200 / 128 / 3600, abs=0.1)
