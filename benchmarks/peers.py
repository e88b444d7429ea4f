"""Sets the kernel beside other packages on the same records: each with the settings that its own documents recommend.

    python -m benchmarks.peers [--records 200000] [--rounds 2] [--seed 11] [--side NAME]... [--folder DIR] [--json]

Everyone reads one Parquet file of cleaned persons (name, sex, birth date, identity number, phone, division, address)
and writes which records belong together; the truth is read afterwards, by this program alone. A side is a process of
its own; the sides take turns, and the order is turned round in every other round, so that a busy machine hurts all
alike. Of the rounds the least CPU counts. The sides:

    floor          reads the file and joins one 64-bit hash with itself, to as many pairs as the kernel compares
    kernel         our blocks, weights and constrained clusters, from standardized records, with the shipped weights
    kernel_landed  the same from what was loaded: every text is parsed, checked and keyed first
    splink         plain Splink 5 as in its deduplication tutorial, training included: comparisons of its own library,
                   prior from deterministic rules at recall 0.7, u by sampling, two sessions of EM, threshold 0.95
    goldenmatch    its zero-configuration `dedupe_df`
    goldenmatch_rules  the example of its documents for rules of one's own: exact identity number, name at 0.85 and
                   address at 0.80, one blocking column
    recordlinkage  blocks, Jaro-Winkler at its documented 0.85, its unsupervised ECM classifier; up to 50,000 records

The packages of other people are the extra `bench` of pyproject.toml. One that is not installed, or fails, is told of
with the reason, and the others run all the same. Results go to `benchmarks/results/peers.json` and `.md`.
"""

from __future__ import annotations

import argparse
import json
import math
import shutil
import sys
import tempfile
import time
from importlib.metadata import version
from pathlib import Path
from typing import Any

import duckdb

from benchmarks.steps import RESULTS, Document, Step, command, environment, lacking, run, save
from benchmarks.versus_splink import AS_OF, ENTITY, matched, opened
from demo.areas import generate_people
from linkage.evaluate import compare, read_truth
from linkage.ingest import load_file
from linkage.link import prepare
from linkage.workspace import Workspace

COLUMNS = ("name", "sex", "birth_date", "citizen_id", "phone", "division", "address")
PACKAGES = {
    "splink": "splink",
    "goldenmatch": "goldenmatch",
    "goldenmatch_rules": "goldenmatch",
    "recordlinkage": "recordlinkage",
}
MOST = {"recordlinkage": 50_000}
BLOCKS = (("citizen_id",), ("name", "birth_date"), ("phone",), ("name", "division"), ("birth_date", "division"))


def main() -> None:
    """Run every side in turn, judge what it found, and keep the figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--records", type=int, default=200_000)
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--seed", type=int, default=11)
    parser.add_argument("--side", action="append", choices=tuple(SIDES), help="may be repeated; default: all")
    parser.add_argument("--folder", type=Path, help="where to work; default: a temporary folder")
    parser.add_argument("--results", type=Path, default=RESULTS)
    parser.add_argument("--json", action="store_true", help="print JSON in place of a table")
    parser.add_argument("--as", dest="as_side", choices=tuple(SIDES), help=argparse.SUPPRESS)
    parser.add_argument("--pairs", type=int, default=0, help=argparse.SUPPRESS)
    chosen = parser.parse_args()
    if chosen.as_side:
        started = time.process_time()
        try:
            said = SIDES[chosen.as_side](chosen.folder, chosen)
        except Exception as error:
            # The last line of what is printed is the reason that the run tells of.
            print(f"{type(error).__name__}: {' '.join(str(error).split())[:200]}")
            raise
        print(json.dumps({"own_cpu_s": round(time.process_time() - started, 2), **said}))
        return
    if chosen.folder:
        chosen.folder.mkdir(parents=True, exist_ok=True)
    work = Path(tempfile.mkdtemp(dir=chosen.folder))
    machine = environment()
    try:
        found = measure(work, chosen.records, chosen.seed, chosen.rounds, chosen.side or list(SIDES))
    finally:
        shutil.rmtree(work, ignore_errors=True)
    document = {"environment": machine, "seed": chosen.seed, **found}
    text = as_text(document)
    save("peers", document, text, chosen.results)
    print(json.dumps(document, ensure_ascii=False, indent=1) if chosen.json else text)


def measure(work: Path, records: int, seed: int, rounds: int, wanted: list[str]) -> Document:
    """The figures of every side; this process stays small, whose memory would count as that of the sides."""
    made = json.dumps([str(work), records, seed])
    run("make", [sys.executable, "-c", f"from benchmarks.peers import make; make(*{made})"])
    count = json.loads((work / "made.json").read_text("utf-8"))
    sides: dict[str, Document] = {}
    able = []
    for side in wanted:
        reason = absent(side, count["records"])
        if reason:
            sides[side] = {"absent": reason}
        else:
            able.append(side)
    taken: dict[str, list[tuple[Step, Document]]] = {side: [] for side in able}
    for number in range(rounds):
        for side in able if number % 2 == 0 else reversed(able):
            if "absent" in sides.get(side, {}):
                continue
            try:
                step = _run(work, side, seed, count["candidate_pairs"])
            except RuntimeError as error:
                told = str(error).splitlines()[-1].replace(sys.executable, "python").replace(str(work), "…")
                sides[side] = {"absent": f"failed: {told}"}
                continue
            taken[side].append((step, {**json.loads(step.stdout.splitlines()[-1]), **_judged(work, side)}))
    for side, runs in taken.items():
        if "absent" not in sides.get(side, {}):
            sides[side] = _told(side, runs)
    floor, kernel = sides.get("floor", {}), sides.get("kernel", {})
    for one in sides.values():
        if "cpu_s" in one and "cpu_s" in floor:
            one["cpu_over_floor"] = round(one["cpu_s"] / floor["cpu_s"], 2)
        if "cpu_s" in one and "cpu_s" in kernel:
            one["cpu_over_kernel"] = round(one["cpu_s"] / kernel["cpu_s"], 2)
    return {**count, "rounds": rounds, "sides": {side: sides[side] for side in wanted}}


def absent(side: str, records: int) -> str:
    """Why a side cannot take part with so many records; empty where it can."""
    missing = lacking(PACKAGES[side]) if side in PACKAGES else ""
    if missing:
        return missing
    if records > MOST.get(side, records):
        return f"{records:,} records are more than the {MOST[side]:,} that it is measured with"
    return ""


def _run(work: Path, side: str, seed: int, pairs: int) -> Step:
    arguments = ["--as", side, "--folder", str(work), "--seed", str(seed), "--pairs", str(pairs)]
    return run(side, [sys.executable, "-m", "benchmarks.peers", *arguments])


def _told(side: str, runs: list[tuple[Step, Document]]) -> Document:
    """The round of least CPU, the range of all, and whether every round found the same."""
    best, said = min(runs, key=lambda one: one[0].cpu_s)
    same = all(one.get("pairwise") == said.get("pairwise") for _, one in runs)
    package = PACKAGES.get(side)
    return {
        **({"version": version(package)} if package else {}),
        "cpu_s": best.cpu_s,
        "wall_s": min(step.wall_s for step, _ in runs),
        "peak_mib": best.peak_mib,
        "cpu_s_of_rounds": [step.cpu_s for step, _ in runs],
        "wall_s_of_rounds": [step.wall_s for step, _ in runs],
        "same_in_every_round": same,
        **said,
    }


def _judged(work: Path, side: str) -> Document:
    """Precision, recall and F1 over pairs of records of the groups that a side wrote."""
    if side == "floor":
        return {}
    con = duckdb.connect()
    truth = read_truth(con, work / "truth.csv")
    con.execute(
        "create table placed as select r.source, r.source_key, coalesce('g' || g.grp, 'r' || r.id) as grp "
        f"from read_parquet('{work / 'known.parquet'}') as r "
        f"left join read_parquet('{work / f'{side}.parquet'}') as g using (id)"
    )
    pairwise = compare(con, truth)["pairwise"]
    return {"pairwise": {key: round(one, 5) if isinstance(one, float) else one for key, one in pairwise.items()}}


def as_text(document: Document) -> str:
    """The page: one row per side."""
    lines = [
        "# The kernel beside other packages\n",
        f"`{command()}`\n",
        f"{document['environment']}\n",
        f"{document['records']:,} person records; the kernel compares {document['candidate_pairs']:,} pairs of them. "
        f"Least CPU of {document['rounds']} rounds.\n",
        "| side | CPU s | of it own | wall s | peak MiB | CPU ÷ floor | CPU ÷ kernel | precision | recall | F1 |",
        "| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: |",
    ]
    notes = []
    for name, one in document["sides"].items():
        if "absent" in one:
            notes.append(f"- {name} is absent: {one['absent']}")
            continue
        found = one.get("pairwise")
        shares = [f"{found[key]:.4f}" for key in ("precision", "recall", "f1")] if found else ["", "", ""]
        title = f"{name} {one['version']}" if "version" in one else name
        lines.append(
            f"| {title} | {one['cpu_s']:.2f} | {one['own_cpu_s']:.2f} | {one['wall_s']:.2f} | {one['peak_mib']:,} "
            f"| {one.get('cpu_over_floor', '')} | {one.get('cpu_over_kernel', '')} | {' | '.join(shares)} |"
        )
    for name, one in document["sides"].items():
        if one.get("cpu"):
            notes.append(f"- {name}: CPU s by part {one['cpu']}")
        if one.get("said"):
            notes.append(f"- {name} says: {one['said']}")
    lines += ["", "*Own* is without the start of the process and the imports that all sides share.", "", *notes]
    return "\n".join(lines)


def make(folder: str, records: int, seed: int) -> None:
    """Make and load the records, standardize them, and write what every side is given; counts the kernel's pairs."""
    work = Path(folder)
    made = generate_people(work / "files", records, seed)
    ws = Workspace.create(work / "workspace")
    rules = ws.load_rules()
    con = ws.connect()
    try:
        for source, path in made.files:
            load_file(con, ws, rules.entities[ENTITY], source, path)
    finally:
        con.close()
    shutil.move(made.truth, work / "truth.csv")
    shutil.rmtree(work / "files")
    with opened(work, False) as (con, rules, one):
        prepare(con, rules, one, AS_OF)
        given = f"record_id as id, source, {', '.join(COLUMNS)}"
        for name, selected in (("records", given), ("known", "record_id as id, source, source_key")):
            path = work / f"{name}.parquet"
            con.execute(f"copy (select {selected} from standard order by record_id) to '{path}' (format parquet)")
        counted = matched(con, one, work / "links.parquet", {})
    told = {"records": counted["records"], "candidate_pairs": counted["candidate_pairs"]}
    (work / "made.json").write_text(json.dumps(told), "utf-8")


# ── the sides: each runs in a process of its own, reads records.parquet and writes <side>.parquet (id, grp) ──


def _floor(work: Path, chosen: argparse.Namespace) -> Document:
    """What nobody who compares so many pairs can do without: read everything, join one word with itself.

    Words come in groups of equal ones, of the least size that makes as many pairs; other records have one of their own.
    """
    con = duckdb.connect()
    con.execute(f"create view person as select * from read_parquet('{work / 'records.parquet'}')")
    count = con.execute("select count(*) from person").fetchall()[0][0]
    size = max(2, math.ceil(2 * chosen.pairs / max(count, 1)) + 1)
    grouped = min(round(2 * chosen.pairs / (size - 1)), count) // size * size
    con.execute(
        f"create table word as select id, hash(case when n < {grouped} then n // {size} else n + {count} end) as word "
        "from (select id, row_number() over () - 1 as n from person)"
    )
    # Every column is decoded, as a linkage would have to.
    con.execute(f"select {', '.join(f'bit_xor(hash({column}))' for column in COLUMNS)} from person").fetchall()
    pairs = con.execute("select count(*) from word as a join word as b using (word) where a.id < b.id").fetchall()
    return {"pairs": pairs[0][0]}


def _kernel(work: Path, chosen: argparse.Namespace) -> Document:
    return _ours(work, "kernel", False)


def _kernel_landed(work: Path, chosen: argparse.Namespace) -> Document:
    return _ours(work, "kernel_landed", True)


def _ours(work: Path, side: str, landed: bool) -> Document:
    with opened(work, False) as (con, rules, one):
        started = time.process_time()
        if landed:
            prepare(con, rules, one, AS_OF)
        cpu = {"standardize": round(time.process_time() - started, 2)} if landed else {}
        said = matched(con, one, work / "links.parquet", cpu)
        con.execute(
            f"copy (select record_id as id, cluster_id as grp from cluster) to '{work / f'{side}.parquet'}' "
            "(format parquet)"
        )
    return {"pairs": said["candidate_pairs"], "cpu": said["cpu"]}


def _splink(work: Path, chosen: argparse.Namespace) -> Document:
    import splink.comparison_library as cl
    from splink import DuckDBAPI, Linker, SettingsCreator, block_on

    con = duckdb.connect()
    con.execute(f"create table person as select * from read_parquet('{work / 'records.parquet'}')")
    settings = SettingsCreator(
        link_type="dedupe_only",
        unique_id_column_name="id",
        comparisons=[
            cl.NameComparison("name").configure(term_frequency_adjustments=True),
            cl.ExactMatch("sex"),
            cl.DateOfBirthComparison("birth_date", input_is_string=True),
            cl.LevenshteinAtThresholds("citizen_id", [1, 2]),
            cl.ExactMatch("phone").configure(term_frequency_adjustments=True),
            cl.ExactMatch("division").configure(term_frequency_adjustments=True),
        ],
        blocking_rules_to_generate_predictions=[block_on(*columns) for columns in BLOCKS],
    )
    linker = Linker(DuckDBAPI(con).register("person"), settings, log_level="ERROR")
    marks = [time.process_time()]
    training = linker.training
    sure = [block_on("citizen_id"), block_on("name", "birth_date", "division")]
    training.estimate_probability_two_random_records_match(sure, recall=0.7)
    training.estimate_u_using_random_sampling(max_pairs=1e6, seed=chosen.seed)
    for columns in (("name",), ("birth_date",)):
        training.estimate_parameters_using_expectation_maximisation(block_on(*columns))
    marks.append(time.process_time())
    predicted = linker.inference.predict(threshold_match_probability=0.01, warning_mode="never")
    marks.append(time.process_time())
    clusters = linker.clustering.cluster_pairwise_predictions_at_threshold(predicted, threshold_match_probability=0.95)
    marks.append(time.process_time())
    _write(con, f"select id, cluster_id as grp from {clusters.physical_name}", work / "splink.parquet")
    pairs = con.execute(f"select count(*) from {predicted.physical_name}").fetchall()[0][0]
    parts = zip(("train", "predict", "cluster"), marks, marks[1:], strict=False)
    return {"pairs_above_0.01": pairs, "cpu": {name: round(b - a, 2) for name, a, b in parts}}


def _goldenmatch(work: Path, chosen: argparse.Namespace) -> Document:
    return _dedupe(work, "goldenmatch", {})


def _goldenmatch_rules(work: Path, chosen: argparse.Namespace) -> Document:
    fuzzy = {"name": 0.85, "address": 0.80}
    return _dedupe(work, "goldenmatch_rules", {"exact": ["citizen_id"], "fuzzy": fuzzy, "blocking": ["birth_date"]})


def _dedupe(work: Path, side: str, rules: Document) -> Document:
    import logging
    import warnings

    import pyarrow as pa
    import pyarrow.parquet as pq

    logging.disable(logging.CRITICAL)
    with warnings.catch_warnings(record=True):
        warnings.simplefilter("always")
        import goldenmatch as gm

        table = pq.read_table(work / "records.parquet")
        # Its answer to a configuration that it has no confidence in is an error, unless it is told to go on.
        result = gm.dedupe_df(table, exclude_columns=["id"], confidence_required=False, **rules)
    ids = table["id"].to_pylist()
    members = [(ids[row], number) for number, one in result.clusters.items() for row in one["members"]]
    found = pa.table({"id": [one for one, _ in members], "grp": [number for _, number in members]})
    pq.write_table(found, work / f"{side}.parquet")
    keys = [f"{one.type} {'+'.join(str(field.field) for field in one.fields)}" for one in result.config.matchkeys]
    return {"pairs": len(result.scored_pairs or ()), "said": f"it matches by {'; '.join(keys)}"}


def _recordlinkage(work: Path, chosen: argparse.Namespace) -> Document:
    import warnings

    import pandas as pd
    import recordlinkage as rl
    from recordlinkage.classifiers import ECMClassifier
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    warnings.simplefilter("ignore")
    frame = pd.read_parquet(work / "records.parquet").set_index("id")
    indexer = rl.Index()
    for columns in BLOCKS:
        indexer.block(list(columns))
    pairs = indexer.index(frame)
    # A missing value of both sides blocks together: no pair is meant by that.
    known = {columns: frame[list(columns)].notna().all(axis=1) for columns in BLOCKS}
    left, right = (frame.loc[pairs.get_level_values(i)] for i in (0, 1))
    same = [
        (left[list(columns)].to_numpy() == right[list(columns)].to_numpy()).all(axis=1)
        & known[columns].loc[pairs.get_level_values(0)].to_numpy()
        for columns in BLOCKS
    ]
    pairs = pairs[pd.DataFrame(same).any(axis=0).to_numpy()]
    comparing = rl.Compare()
    comparing.string("name", "name", method="jarowinkler", threshold=0.85)
    for column in ("sex", "birth_date", "phone", "division"):
        comparing.exact(column, column)
    comparing.string("citizen_id", "citizen_id", method="jarowinkler", threshold=0.85)
    comparing.string("address", "address", method="jarowinkler", threshold=0.85)
    links = ECMClassifier().fit_predict(comparing.compute(pairs, frame))
    places = {one: i for i, one in enumerate(frame.index)}
    ends = [[places[one] for one in links.get_level_values(i)] for i in (0, 1)]
    graph = coo_array(([1] * len(links), (ends[0], ends[1])), shape=(len(frame), len(frame)))
    groups = connected_components(graph, directed=False)[1]
    pd.DataFrame({"id": frame.index, "grp": groups}).to_parquet(work / "recordlinkage.parquet")
    return {"pairs": len(pairs)}


def _write(con: duckdb.DuckDBPyConnection, selected: str, path: Path) -> None:
    con.execute(f"copy ({selected}) to '{path}' (format parquet)")


SIDES: dict[str, Any] = {
    "floor": _floor,
    "kernel": _kernel,
    "kernel_landed": _kernel_landed,
    "splink": _splink,
    "goldenmatch": _goldenmatch,
    "goldenmatch_rules": _goldenmatch_rules,
    "recordlinkage": _recordlinkage,
}


if __name__ == "__main__":
    main()
