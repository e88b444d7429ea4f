"""A file of changes beside a registry, small: the release is that of doing all anew, and a difference would be seen."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from benchmarks.incremental import compare, measure
from benchmarks.steps import Document

REGISTRY, CHANGES = 300, 24


@pytest.fixture(scope="module")
def work(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("incremental")


@pytest.fixture(scope="module")
def found(work: Path) -> Document:
    return measure(work, REGISTRY, CHANGES, 5)


def test_the_release_is_that_of_doing_all_anew(found: Document) -> None:
    assert found["equals_full"] is True and found["differences"] == []


def test_every_kind_of_change_arrived(found: Document, work: Path) -> None:
    assert found["changes"] == {"new": 8, "withdrawn": 8, "changed": 8}
    assert found["records"] == found["registry"]
    events = json.loads((work / "changed/releases/2/manifest.json").read_text("utf-8"))["entities"]["person"]["events"]
    assert events["created"] > 0 and events["changed"] > 0 and events["retired"] > 0


def test_costs_are_told_of_both_ways(found: Document) -> None:
    for way in ("", "full_", "first_"):
        for kind in ("cpu_s", "wall_s"):
            assert found[f"{way}link_{kind}"] > 0
            both = found[f"{way}plan_{kind}"] + found[f"{way}publish_{kind}"]
            assert found[f"{way}release_{kind}"] == pytest.approx(both, abs=0.02)


def test_a_difference_is_seen(found: Document, work: Path) -> None:
    table = work / "full/releases/2/person/golden.parquet"
    pq.write_table(pq.read_table(table).slice(1), table)
    assert compare(work / "changed", work / "full") == [
        "person/golden.parquet: 1 rows are only in the one, 0 only in the full one"
    ]
    with closing(sqlite3.connect(work / "full/decisions.sqlite")) as db, db:
        db.execute(
            "insert into ticket_event (ticket_id, kind, at, detail, actor, recorded_at) "
            "values (1, 'sent', '2026-02-02', '{}', 'eve', '2026-02-02')"
        )
    assert "decisions.sqlite: ticket_event differs" in compare(work / "changed", work / "full")
    (work / "full/releases/2/person/relation.parquet").unlink()
    assert "person/relation.parquet: only one release has it" in compare(work / "changed", work / "full")
