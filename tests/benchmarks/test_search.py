"""The search benchmark: most of those whom the index holds are found."""

from __future__ import annotations

from pathlib import Path

from benchmarks.search import make, measure


def test_most_of_those_whom_the_index_holds_are_found(tmp_path: Path) -> None:
    found = make(tmp_path, 400, 11) | measure(tmp_path, tmp_path / "workspace", 30, 11)
    assert found["looks"] == 30 and found["records"] > 300
    assert found["known_found"] > 0.8  # a record with another phone and no number may come near nobody
    for one in ("first", "again"):
        assert 0 < found[one]["search"]["p50"] <= found[one]["search"]["p99"] <= found[one]["whole"]["p99"]
