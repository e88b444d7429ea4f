"""Charts are drawn of what the history holds, and of nothing else."""

from __future__ import annotations

from pathlib import Path
from xml.etree import ElementTree

import pytest

from benchmarks.charts import CHARTS, draw, rungs
from benchmarks.steps import Document, history, record, save, write

SVG = "{http://www.w3.org/2000/svg}"


def words(path: Path) -> list[str]:
    return [text for one in ElementTree.parse(path).iter(f"{SVG}text") if (text := "".join(one.itertext()))]


def ladder(size: int, cpu_s: float, commit: str = "abc1234") -> Document:
    names = ("load", "link", "plan", "publish")
    steps = [{"name": name, "cpu_s": cpu_s, "wall_s": cpu_s, "peak_mib": size / 1000} for name in names]
    return {"environment": {"commit": commit}, "size": size, "records": size, "steps": steps}


def on_spark(records: int) -> Document:
    """A run of which every record cost the same in each step."""
    steps = [
        {"entity": "person", "step": name, "shuffled_per_record": 100.0, "spark_cpu_s": records * 36e-6}
        for name in ("standardize", "block", "score", "cluster")
    ]
    return {"sides": {"spark": {"entities": {"person": {"records": records}}}}, "steps": steps}


def test_nothing_is_drawn_without_a_run(tmp_path: Path) -> None:
    assert draw(tmp_path) == []


def test_every_chart_is_drawn_of_its_runs(tmp_path: Path) -> None:
    for size in (10**5, 10**6):
        record("ladder", ladder(size, (size / 10**5) ** 1.5), tmp_path)
    splink = {"records": 5, "dense": False, "cpu_ratio": 2.5, "from_standard": {"cpu_ratio": 7.5}}
    record("versus_splink", {"environment": {"commit": "abc1234"}, **splink}, tmp_path)
    sides = {
        "floor": {"cpu_s": 1.0},
        "kernel": {"cpu_s": 3.0, "pairwise": {"f1": 0.98}},
        "other": {"absent": "not installed"},
    }
    record("peers", {"environment": {"commit": "abc1234"}, "records": 7, "sides": sides}, tmp_path)
    write("spark", {str(size): on_spark(size) for size in (10**6, 10**5)}, folder=tmp_path)
    drawn = draw(tmp_path)
    assert [path.stem for path in drawn] == list(CHARTS)
    said = {path.stem: words(path) for path in drawn}
    assert any("exponent 1.50" in text for text in said["ladder_cpu"])
    assert any("exponent 1.00" in text for text in said["ladder_memory"])
    assert any("abc1234" in text for text in said["versus_splink"])
    assert {"floor", "kernel", "0.9800"} <= set(said["peers"]) and "other" not in said["peers"]
    # 2,240 M records of 100 bytes and of 36 µs each are 224 GB and 22.4 hours.
    assert {"100GB", "10", "1.4 bn persons", "extrapolated"} <= set(said["spark"])
    assert {"1TB", "100"}.isdisjoint(said["spark"])
    before = [path.read_bytes() for path in drawn]
    assert [path.read_bytes() for path in draw(tmp_path)] == before


def test_rungs_are_the_newest_of_the_newest_commit(tmp_path: Path) -> None:
    for one in (ladder(100, 9, "old"), ladder(200, 9, "old"), ladder(200, 3), ladder(100, 1), ladder(100, 2)):
        record("ladder", one, tmp_path)
    assert [(rung["size"], rung["steps"][0]["cpu_s"]) for rung in rungs(tmp_path)] == [(100, 2), (200, 3)]


def test_the_history_only_grows_and_the_latest_state_is_replaced(tmp_path: Path) -> None:
    for value in (1, 2):
        save("one", {"environment": {"commit": "abc"}, "value": value}, f"value {value}", tmp_path)
    record("other", {"value": 3}, tmp_path)
    assert [run["figures"] for run in history(tmp_path, "one")] == [{"value": 1}, {"value": 2}]
    (other,) = history(tmp_path, "other")
    assert {"cpu", "cores", "commit"} <= other["environment"].keys() and other["at"].endswith("+00:00")
    assert len(history(tmp_path)) == 3
    assert (tmp_path / "one.md").read_text("utf-8") == "value 2\n"


@pytest.mark.parametrize("name", list(CHARTS))
def test_every_chart_is_documented(name: str) -> None:
    from benchmarks.steps import ROOT

    assert f"{name}.svg" in (ROOT / "docs/benchmarks.md").read_text("utf-8")
