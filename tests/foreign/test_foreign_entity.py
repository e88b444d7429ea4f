"""An entity type that nobody here knew: rules in a folder of their own, no change to the engine."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import duckdb
import pytest
from typer.testing import CliRunner

from cli import app

HERE = Path(__file__).parent
DATA = Path(os.environ.get("SHUYUAN_DATA", HERE.parents[2] / "shared/data"))
FIGURES = DATA / "splink_datasets/historical_figures_with_errors_50k.parquet"
DAY = "2024-01-01"


def shuyuan(*arguments: object) -> Any:
    """Run one command; gives its JSON document (None where it prints none)."""
    done = CliRunner().invoke(app, [str(argument) for argument in arguments])
    assert done.exit_code == 0, done.stderr or done.exception
    return json.loads(done.stdout) if "--json" in arguments else None


@pytest.fixture(scope="module")
def deliveries(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """The public benchmark as a delivery without its answer, and the answer as a truth file."""
    if not FIGURES.exists():
        pytest.skip(f"needs {FIGURES.name}; set SHUYUAN_DATA to the folder with splink_datasets")
    folder = tmp_path_factory.mktemp("figures")
    con = duckdb.connect()
    source = str(FIGURES).replace("'", "''")
    con.execute(f"create view figures as select * from read_parquet('{source}')")
    con.execute(f"copy (select * exclude (cluster) from figures) to '{folder}/figures.csv'")
    con.execute(
        "copy (select 'encyclopedia' as source, unique_id as source_key, cluster as truth from figures) "
        f"to '{folder}/truth.csv'"
    )
    return folder / "figures.csv", folder / "truth.csv"


def test_a_foreign_rules_folder_works_end_to_end(deliveries: tuple[Path, Path], tmp_path: Path) -> None:
    figures, truth = deliveries
    place = tmp_path / "workspace"
    shuyuan("init", place, "--rules", HERE / "rules")
    here = ("--workspace", place)
    (loaded,) = shuyuan("load", figures, *here, "--json")["loaded"]
    assert (loaded["read"], loaded["new"], loaded["rejected"]) == (50_578, 50_578, 0)
    shuyuan("train", "figure", "--as-of", DAY, *here)
    shuyuan("link", "--as-of", DAY, *here)
    shuyuan("plan", *here)
    assert shuyuan("publish", "--yes", *here, "--json")["release"] == 1
    judged = shuyuan("evaluate", "figure", "--truth", truth, *here, "--json")
    assert judged["unplaced"] == 0
    assert judged["pairwise"]["precision"] >= 0.95
    assert judged["pairwise"]["recall"] >= 0.70
    (found,) = shuyuan("find", "--entity", "figure", "--source", "encyclopedia", "--key", "Q2296770-1", *here, "--json")
    shown = shuyuan("show", found["golden_id"], *here, "--json")
    assert {"source": "encyclopedia", "source_key": "Q2296770-1"} in shown["members"]
    assert len(shown["members"]) > 1
