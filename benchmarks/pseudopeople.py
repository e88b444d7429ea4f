"""Measures what the household is worth as evidence: made-up residents of a US state in censuses and tax forms.

    python -m benchmarks.pseudopeople [--data DIR] [--noise 0.01 --noise 0.05] [--seed 2020] [--json]

Links the census of 2020 with the census of 2030 and with the income tax forms of 2020, residents and dwellings, out
of the sample data sets of pseudopeople (`DIR/pseudopeople/sample_datasets`). Both ways of linking read the same
files; *without* leaves out what the rules in `benchmarks/rules/pseudopeople` say of the others on a form (comparisons
`kin` and `relation`, the blocking rule by the names of the others, the guard against people who stand side by side).

The data are clean. Each run makes errors of its own at a rate for each class of error (`pseudopeople_noise.py`), and
rate 0 is the clean run. Weights and frequencies are trained at the first rate on one half of the people and
everything is measured on the other. Results go to `benchmarks/results/pseudopeople.json` and `.md`.
"""

from __future__ import annotations

import argparse
import json
import shutil
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date
from pathlib import Path
from typing import Any

import duckdb

from benchmarks.pseudopeople_forms import Made, halves, read_forms, write
from benchmarks.pseudopeople_noise import Noise
from benchmarks.steps import RESULTS, ROOT, data_folder, environment, save
from golden_records.accuracy import evaluate
from golden_records.plan import plan
from golden_records.query import Release
from golden_records.release import publish
from linkage.decisions import DecisionStore
from linkage.frequencies import FILE
from linkage.ingest import load_file
from linkage.link import link
from linkage.standardize import standardize
from linkage.train import train
from linkage.workspace import Workspace, use_entity
from rules.errors import ShuyuanError
from rules.model import Entity, EntityRules, Rules

RULES = ROOT / "benchmarks/rules/pseudopeople"
AS_OF = date(2031, 1, 1)
TASKS = {
    "census 2020, census 2030": (("census_2020", "census_2030"), ("ssn",)),
    "census 2020, tax 2020": (("census_2020", "tax_2020"), ("birth", "sex")),
}
HOUSEHOLD = ("kin", "relation")
WAYS = {"without": HOUSEHOLD, "with": ()}
Document = dict[str, Any]
Trained = dict[str, tuple[Document, bytes]]


def measure(data: Path, work: Path, rates: list[float], seed: int, sample: int | None = None) -> list[Document]:
    """One document per task, rate and way; trained at the first rate above 0; `sample`: so many forms per source."""
    folder = data / "pseudopeople"
    learn_at = next(rate for rate in rates if rate)
    runs = []
    for task, (sources, silent) in TASKS.items():
        forms = read_forms(folder / "sample_datasets", sources)
        forms = {source: one[:sample] for source, one in forms.items()}
        half = halves(forms, seed)
        learn, judge = ({name for name, side in half.items() if side == wanted} for wanted in (0, 1))
        made = write(work / task / "learn", forms, learn, Noise(folder, learn_at, seed))
        tests = {
            rate: write(work / task / f"judge {rate}", forms, judge, Noise(folder, rate, seed + 1)) for rate in rates
        }
        for way, left_out in WAYS.items():
            with _opened(work / task / f"learn {way}", (*silent, *left_out)) as (con, ws, rules):
                trained = _train(con, ws, rules, made)
            for rate, one in tests.items():
                with _opened(work / task / f"judge {rate} {way}", (*silent, *left_out), trained) as (con, ws, rules):
                    found = _judge(con, ws, rules, one)
                runs.append({"task": task, "noise": rate, "household": way, **found})
    return runs


def without(rules: Rules, left_out: tuple[str, ...]) -> Rules:
    """The rules without some comparisons and the training passes by their fields; without `kin` also without the rest
    of what is said of the others."""
    kin = "kin" not in left_out

    def less(entity: Entity) -> Entity:
        em = (keys for keys in entity.training.em if not any(key.startswith(left_out) for key in keys))
        return entity.model_copy(
            update={
                "training": entity.training.model_copy(update={"em": tuple(em)}),
                "comparisons": tuple(one for one in entity.comparisons if one.name not in left_out),
                "blocking": tuple(one for one in entity.blocking if kin or one.each != "kin"),
                "guards": tuple(one for one in entity.guards if kin or "kin_l" not in one.when),
            }
        )

    entities = {name: one.model_copy(update={"entity": less(one.entity)}) for name, one in rules.entities.items()}
    return rules.model_copy(update={"entities": entities})


@contextmanager
def _opened(
    place: Path, left_out: tuple[str, ...], trained: Trained | None = None
) -> Iterator[tuple[duckdb.DuckDBPyConnection, Workspace, Rules]]:
    """A workspace of its own with the rules, and with the weights where there are some."""
    ws = Workspace.create(place, rules=RULES)
    rules = without(ws.load_rules(), left_out)
    for name, (weights, frequencies) in (trained or {}).items():
        (ws.rules_folder / name / FILE).write_bytes(frequencies)
        rules = _weighted(rules, name, weights)
    with ws.lock("benchmark"):
        con = ws.connect()
        try:
            yield con, ws, rules
        finally:
            con.close()


def _weighted(rules: Rules, name: str, weights: Document) -> Rules:
    one: EntityRules = rules.entities[name].model_copy(update={"weights": weights})
    return rules.model_copy(update={"entities": {**rules.entities, name: one}})


def _load(con: duckdb.DuckDBPyConnection, ws: Workspace, rules: Rules, made: Made) -> None:
    for entity, source, path in made.files:
        load_file(con, ws, rules.entities[entity], source, path)


def _train(con: duckdb.DuckDBPyConnection, ws: Workspace, rules: Rules, made: Made) -> Trained:
    """Weights and frequencies of both entity types; dwellings are trained on the residents that were linked."""
    _load(con, ws, rules, made)
    decisions = DecisionStore(ws.decisions)
    trained: Trained = {}
    for name in rules.entities:
        one = rules.entities[name]
        use_entity(con, name)
        standardize(con, one, rules.folder, AS_OF, rules.entities)
        train(con, one)
        weights = json.loads((one.folder / "weights.json").read_text("utf-8"))
        trained[name] = (weights, (one.folder / FILE).read_bytes())
        rules = _weighted(rules, name, weights)
        link(con, ws, rules, decisions, AS_OF, only=[name])
    return trained


def _judge(con: duckdb.DuckDBPyConnection, ws: Workspace, rules: Rules, made: Made) -> Document:
    """Link, publish and compare with the truth."""
    _load(con, ws, rules, made)
    decisions = DecisionStore(ws.decisions)
    linked = {one.entity: one for one in link(con, ws, rules, decisions, AS_OF)}
    number = publish(con, ws, rules, decisions, plan(con, ws, rules, decisions))
    found: Document = {"people": made.people}
    with Release.of(ws.releases, number) as release:
        for name, one in rules.entities.items():
            judged = evaluate(con, one, ws.rules_folder, release, made.truth[name])
            found[name] = {key: judged[key] for key in ("records", "unplaced", "pairwise", "bcubed")} | {
                "candidate_pairs": linked[name].candidate_pairs,
                "waiting": linked[name].waiting,
            }
            if name == "resident":
                found["siblings"] = _siblings(con, made.siblings)
    return found


def _siblings(con: duckdb.DuckDBPyConnection, path: Path) -> Document:
    """How many pairs of siblings there are, and how many have records in one cluster; reads `judged` of evaluate."""
    pairs, united = con.execute(
        """
        select count(*), count(*) filter (exists (
          select 1 from judged as x join judged as y using (grp) where x.truth = s.a and y.truth = s.b))
        from read_csv($path, all_varchar = true, header = true) as s""",
        {"path": str(path)},
    ).fetchall()[0]
    return {"pairs": pairs, "united": united}


def as_text(runs: list[Document]) -> str:
    """The runs as Markdown tables, one per task and entity type, with and without household evidence side by side."""
    lines: list[str] = []
    for task in TASKS:
        for entity in ("resident", "dwelling"):
            lines += [f"## {task}: {entity}s", "", *_head(entity)]
            for rate in sorted({run["noise"] for run in runs}):
                both = [_one(runs, task, rate, way) for way in WAYS]
                lines.append(f"| {f'{rate:.0%}' if rate else 'none'} | " + " | ".join(_cells(entity, both)) + " |")
            lines.append("")
    return "\n".join(lines)


def _one(runs: list[Document], task: str, rate: float, way: str) -> Document:
    return next(run for run in runs if (run["task"], run["noise"], run["household"]) == (task, rate, way))


def _head(entity: str) -> list[str]:
    shown = ["noise", "records", "true pairs"]
    for way in WAYS:
        shown += [f"{way}: precision", "recall", "F1", "B-cubed P", "R", "F1", "wait"]
        shown += ["siblings united"] if entity == "resident" else []
    return ["| " + " | ".join(shown) + " |", "|" + " ---: |" * len(shown)]


def _cells(entity: str, both: list[Document]) -> Iterator[str]:
    yield f"{both[0][entity]['records']:,}"
    yield f"{both[0][entity]['pairwise']['true_pairs']:,}"
    for run in both:
        for kind in ("pairwise", "bcubed"):
            yield from (f"{run[entity][kind][part]:.4f}" for part in ("precision", "recall", "f1"))
        yield f"{run[entity]['waiting']:,}"
        if entity == "resident":
            yield f"{run['siblings']['united']} of {run['siblings']['pairs']:,}"


def main() -> None:
    """Measure and write the results."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, help="the folder that holds pseudopeople/; default: SHUYUAN_DATA")
    parser.add_argument("--noise", type=float, action="append", help="above 0, may be repeated; default 0.01 and 0.05")
    parser.add_argument("--seed", type=int, default=2020)
    parser.add_argument("--sample", type=int, help="only so many forms of each source")
    parser.add_argument("--folder", type=Path, help="where to work; default: a temporary folder")
    parser.add_argument("--results", type=Path, default=RESULTS)
    parser.add_argument("--json", action="store_true", help="print JSON in place of tables")
    chosen = parser.parse_args()
    rates = chosen.noise or [0.01, 0.05]
    work = Path(tempfile.mkdtemp(dir=chosen.folder))
    try:
        runs = measure(data_folder(chosen.data), work, [0.0, *rates], chosen.seed, chosen.sample)
    except ShuyuanError as error:
        print(f"error {error}", file=sys.stderr)
        sys.exit(error.exit_code)
    finally:
        shutil.rmtree(work, ignore_errors=True)
    command = (
        f"python -m benchmarks.pseudopeople {' '.join(f'--noise {rate:g}' for rate in rates)} --seed {chosen.seed}"
    )
    document = {"command": command, "seed": chosen.seed, "environment": environment(), "runs": runs}
    text = as_text(runs)
    print(json.dumps(document, ensure_ascii=False, indent=1) if chosen.json else text)
    head = f"# Residents and dwellings of made-up US censuses and tax forms\n\n`{command}`\n\n{environment()}\n\n"
    if chosen.sample is None:
        save("pseudopeople", document, head + text, chosen.results)


if __name__ == "__main__":
    main()
