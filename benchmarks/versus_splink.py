"""Sets the kernel and plain Splink 5 side by side: the same records, the same model, each side in its own process.

    python -m benchmarks.versus_splink [--records 1000000] [--dense] [--seed 11] [--folder DIR] [--save] [--json]

Both sides weigh persons with the shipped rules and their frozen frequencies. Splink is given everything ready: a
Parquet file of the standardized columns that it compares, its blocking keys as whole numbers without nulls and hubs,
the look-ups of the frequencies. It predicts and clusters. Our side runs twice: from the standardized records
(`from_standard`: columns, blocks, weights, constrained clusters) and from what was loaded (`from_landed`: the same
after all texts were parsed, checked and keyed). Ratios are Splink's cost over ours, of whole processes with their
imports; CPU before wall.

`links` are the pairs at or above `matching.review`, which both sides write and this program compares. `--dense` adds
two loose blocking rules, under which most candidate pairs are nobody.
"""

from __future__ import annotations

import argparse
import json
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date
from pathlib import Path
from typing import Any

import duckdb

from benchmarks.steps import RESULTS, Step, environment, record, run, write
from demo.areas import generate_people
from demo.population import generate
from linkage import frequencies
from linkage.block import hashed_sql
from linkage.cluster import cluster
from linkage.frequencies import block_text
from linkage.ingest import load_file
from linkage.kernel.match import Kernel
from linkage.link import prepare
from linkage.splink_model import compared_columns, frequency_columns, settings
from linkage.sql import number
from linkage.workspace import Workspace, use_entity
from rules.columns import quote
from rules.model import BlockingRule, EntityRules, Rules

ENTITY = "person"
LANDED = "landed"  # the folder of the workspace that nobody prepares
AS_OF = date(2026, 1, 1)
LOOSE = (BlockingRule(keys=("name__toneless",)), BlockingRule(keys=("birth",)))
Document = dict[str, Any]


def main() -> None:
    """Make the records, run every side, compare what they found, and print the figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--records", type=int, default=1_000_000)
    parser.add_argument("--dense", action="store_true", help="add two loose blocking rules")
    parser.add_argument("--seed", type=int, default=11)
    parser.add_argument("--folder", type=Path, help="where to work; default: a temporary folder")
    parser.add_argument("--save", action="store_true", help="write benchmarks/results/versus_splink.json")
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.add_argument("--side", choices=tuple(SIDES), help=argparse.SUPPRESS)
    chosen = parser.parse_args()
    if chosen.side:
        print(json.dumps(SIDES[chosen.side](chosen.folder, chosen.dense)))
        return
    work = Path(tempfile.mkdtemp(dir=chosen.folder))
    try:
        found = measure(work, chosen.records, chosen.seed, chosen.dense)
    finally:
        shutil.rmtree(work, ignore_errors=True)
    if chosen.save:
        keep(found, chosen.dense)
    if chosen.json:
        print(json.dumps(found, indent=1))
    else:
        for name, value in found.items():
            print(f"{name}: {value}")


def keep(found: Document, dense: bool) -> None:
    """Keep the figures beside those of the other case and of other numbers of records."""
    path = RESULTS / "versus_splink.json"
    kept = json.loads(path.read_text("utf-8")) if path.exists() else {}
    kept[f"{'dense ' if dense else ''}{found['records']}"] = found
    write("versus_splink", dict(sorted(kept.items())))
    record("versus_splink", {"dense": dense, **found})


def measure(work: Path, records: int, seed: int, dense: bool) -> Document:
    """The figures of one number of records.

    This process stays small: the memory of a process counts from that of the one which started it.
    """
    made = json.dumps([str(work), records, seed])
    run("make", [sys.executable, "-c", f"from benchmarks.versus_splink import make; make(*{made})"])
    shutil.copytree(work / "workspace", work / LANDED / "workspace")
    steps = {side: _run(work, side, dense) for side in SIDES}
    said = {side: json.loads(step.stdout) for side, step in steps.items()}
    splink = steps["splink"]
    document: Document = {
        "records": said["from_standard"]["records"],
        "candidate_pairs": said["from_standard"]["candidate_pairs"],
        **_compared(work),
        **_ratios(splink, steps["from_landed"]),
        "from_standard": _ratios(splink, steps["from_standard"]),
        "sides": {side: {**steps[side].figures(), **said[side]} for side in SIDES if side != "prepare"},
        "environment": environment(),
    }
    return document


def make(folder: str, records: int, seed: int, only: str | None = ENTITY) -> None:
    """Make the records and load those of one entity type, or of all, into a workspace."""
    work = Path(folder)
    if only == ENTITY:  # area by area: there are enough telephone numbers, and the memory of one is enough
        made = [(ENTITY, source, path) for source, path in generate_people(work / "files", records, seed).files]
    else:
        made = list(generate(work / "files", records, seed).files)
    ws = Workspace.create(work / "workspace")
    rules = ws.load_rules()
    con = ws.connect()
    try:
        for entity, source, path in made:
            if only in (None, entity):
                load_file(con, ws, rules.entities[entity], source, path)
    finally:
        con.close()
    shutil.rmtree(work / "files")


def _run(work: Path, side: str, dense: bool) -> Step:
    flags = ["--dense"] if dense else []
    command = [sys.executable, "-m", "benchmarks.versus_splink", "--side", side, "--folder", str(work), *flags]
    return run(side, command)


def _ratios(splink: Step, ours: Step) -> Document:
    return {
        "cpu_ratio": round(splink.cpu_s / ours.cpu_s, 2),
        "wall_ratio": round(splink.wall_s / ours.wall_s, 2),
        "memory_ratio": round(splink.peak_mib / ours.peak_mib, 2),
    }


def _compared(work: Path) -> Document:
    """Whether both found the same links, and by how much their weights differ.

    Splink cannot be told that two records of a source free of duplicates are no pair: those it found do not count.
    """
    con = duckdb.connect()
    con.execute(f"create view known as select * from read_parquet('{work / 'records.parquet'}')")
    for side in ("splink", "from_landed", "from_standard"):
        by = "ordinal" if side == "splink" else "record_id"
        path = work / f"{side}.parquet"
        con.execute(
            f"create view {side} as select a.record_id as l, b.record_id as r, weight from read_parquet('{path}') "
            f"join known as a on a.{by} = l join known as b on b.{by} = r "
            "where a.dup_group is null or a.dup_group is distinct from b.dup_group"
        )
    ((links, apart, difference),) = con.execute(
        "select count(*), count(*) filter (a.weight is null or b.weight is null or c.weight is null), "
        "max(greatest(abs(a.weight - b.weight), abs(a.weight - c.weight))) "
        "from splink as a full join from_landed as b using (l, r) full join from_standard as c using (l, r)"
    ).fetchall()
    return {"links": links, "links_equal": apart == 0, "links_apart": apart, "max_weight_difference": difference}


# ── the sides: each runs in a process of its own and prints what it did ─────────────────────────────


def _prepare(work: Path, dense: bool) -> Document:
    """Standardize, freeze the frequencies, and write what Splink is given."""
    with opened(work, dense) as (con, rules, one):
        prepare(con, rules, one, AS_OF)
        frequencies.load(con, one)
        blocks = "".join(
            f", case when {hashed_sql(rule)} is not null then dense_rank() over (order by {block_text(rule)}) end "
            f"as block_{i}"
            for i, rule in enumerate(one.entity.blocking)
        )
        columns = ", ".join(quote(column) for column in compared_columns(one.entity))
        con.execute(
            f"copy (select ordinal, {columns}{blocks} from standard) to '{work / 'standard.parquet'}' (format parquet)"
        )
        con.execute(
            "copy (select ordinal, record_id, dup_group from standard) "
            f"to '{work / 'records.parquet'}' (format parquet)"
        )
        for column in frequency_columns(one.entity):
            path = work / f"tf_{column}.parquet"
            con.execute(f"copy ({frequencies.lookup_sql(column)}) to '{path}' (format parquet)")
        model = settings(one, frequencies.total(con))
        (work / "model.json").write_text(json.dumps(model, ensure_ascii=False), "utf-8")
    return {}


def _splink(work: Path, dense: bool) -> Document:
    """Plain Splink: predict and cluster."""
    from splink import DuckDBAPI, Linker

    con = duckdb.connect()
    con.execute(f"create table person as select * from read_parquet('{work / 'standard.parquet'}')")
    api = DuckDBAPI(con)
    linker = Linker(api.register("person"), json.loads((work / "model.json").read_text("utf-8")), log_level="ERROR")
    for path in sorted(work.glob("tf_*.parquet")):
        con.execute(f"create table {path.stem} as select * from read_parquet('{path}')")
        frame = api.register(path.stem, table_name=f"lookup_{path.stem}")
        linker.table_management.register_term_frequency_lookup(frame, path.stem.removeprefix("tf_"))
    entity = Workspace.open(work / "workspace").load_rules().entities[ENTITY].entity
    started = time.process_time()
    predicted = linker.inference.predict(threshold_match_weight=entity.matching.review, warning_mode="never")
    weighed = time.process_time()
    linker.clustering.cluster_pairwise_predictions_at_threshold(
        predicted, threshold_match_weight=entity.matching.accept
    )
    clustered = time.process_time()
    _write(con, work / "splink.parquet", f"ordinal_l, ordinal_r, match_weight from {predicted.physical_name}")
    return {"cpu": {"predict": round(weighed - started, 2), "cluster": round(clustered - weighed, 2)}}


def _from_standard(work: Path, dense: bool) -> Document:
    """The kernel and the constrained union, from standardized records."""
    with opened(work, dense) as (con, _, one):
        return matched(con, one, work / "from_standard.parquet", {})


def _from_landed(work: Path, dense: bool) -> Document:
    """The same from records as they were loaded, in a workspace in which no text was read yet."""
    with opened(work / LANDED, dense) as (con, rules, one):
        started = time.process_time()
        prepare(con, rules, one, AS_OF)
        return matched(con, one, work / "from_landed.parquet", {"standardize": round(time.process_time() - started, 2)})


def matched(con: duckdb.DuckDBPyConnection, one: EntityRules, path: Path, cpu: Document) -> Document:
    marks = [time.process_time()]
    frequencies.load(con, one)
    kernel = Kernel(con, one)
    marks.append(time.process_time())
    pairs = kernel.match()
    del kernel
    marks.append(time.process_time())
    cluster(con, one, [])
    marks.append(time.process_time())
    cpu |= {name: round(b - a, 2) for name, a, b in zip(("block", "score", "cluster"), marks, marks[1:], strict=False)}
    _write(con, path, "record_l, record_r, match_weight from candidate_pair")
    return {"records": number(con, "select count(*) from standard"), "candidate_pairs": pairs, "cpu": cpu}


def _write(con: duckdb.DuckDBPyConnection, path: Path, selected: str) -> None:
    con.execute(f"copy (select * from (select {selected}) as t(l, r, weight)) to '{path}' (format parquet)")


@contextmanager
def opened(work: Path, dense: bool) -> Iterator[tuple[duckdb.DuckDBPyConnection, Rules, EntityRules]]:
    ws = Workspace.open(work / "workspace")
    rules = ws.load_rules()
    one = rules.entities[ENTITY]
    if dense:
        entity = one.entity
        matching = entity.matching.model_copy(update={"budget": 1000.0})
        entity = entity.model_copy(update={"blocking": (*entity.blocking, *LOOSE), "matching": matching})
        one = one.model_copy(update={"entity": entity})
    con = ws.connect()
    try:
        use_entity(con, ENTITY)
        yield con, rules, one
    finally:
        con.close()


SIDES = {"prepare": _prepare, "splink": _splink, "from_standard": _from_standard, "from_landed": _from_landed}


if __name__ == "__main__":
    main()
