"""Packages side by side, small: everybody is judged by the same truth, and who is absent is told of."""

from __future__ import annotations

import json
import subprocess
import sys
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import pytest

from benchmarks.peers import PACKAGES, SIDES, absent
from benchmarks.steps import ROOT, Document, history

RECORDS = 1_000


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("peers")
    command = [sys.executable, "-m", "benchmarks.peers", "--records", str(RECORDS), "--rounds", "1"]
    command += ["--results", str(folder), "--folder", str(folder / "work")]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return folder


@pytest.fixture(scope="module")
def found(results: Path) -> Document:
    document: Document = json.loads((results / "peers.json").read_text("utf-8"))
    return document


def installed(package: str) -> bool:
    try:
        version(package)
    except PackageNotFoundError:
        return False
    return True


def test_every_side_is_measured_or_absent_with_a_reason(found: Document) -> None:
    assert set(found["sides"]) == set(SIDES)
    for name, side in found["sides"].items():
        if name in PACKAGES and not installed(PACKAGES[name]):
            assert side == {"absent": f"the package {PACKAGES[name]} is not installed (pip install 'shuyuan[bench]')"}
        else:
            assert side["cpu_s"] > 0 and side["wall_s"] > 0 and side["peak_mib"] > 50, name
            assert side["cpu_s"] >= side["own_cpu_s"], name


def test_the_floor_makes_as_many_pairs_as_the_kernel_compares(found: Document) -> None:
    floor, kernel = found["sides"]["floor"], found["sides"]["kernel"]
    assert kernel["pairs"] == found["candidate_pairs"]
    assert floor["pairs"] == pytest.approx(kernel["pairs"], rel=0.01)


def test_all_are_judged_by_the_same_truth(found: Document) -> None:
    judged = {name: side["pairwise"] for name, side in found["sides"].items() if "pairwise" in side}
    assert {"kernel", "kernel_landed", "splink"} <= judged.keys()
    assert len({one["true_pairs"] for one in judged.values()}) == 1
    assert judged["kernel"] == judged["kernel_landed"]
    assert judged["kernel"]["precision"] > 0.99 and judged["kernel"]["recall"] > 0.97
    # A side that grouped nothing, or everything, would show here.
    assert all(one["f1"] > 0.3 for one in judged.values()), judged


def test_the_run_is_a_line_of_the_history(results: Path, found: Document) -> None:
    (run,) = history(results, "peers")
    assert run["figures"]["sides"] == found["sides"] and run["environment"] == found["environment"]
    page = (results / "peers.md").read_text("utf-8")
    assert all(name in page for name in SIDES)


def test_more_records_than_a_package_is_for_are_not_tried() -> None:
    assert absent("kernel", 10**9) == ""
    assert absent("recordlinkage", 50_001)
    assert bool(absent("recordlinkage", 50_000)) is not installed("recordlinkage")
