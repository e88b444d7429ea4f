"""The whole way once, on the demo population: generate, load, link, plan, publish, and judge against the truth."""

from __future__ import annotations

from collections.abc import Collection
from datetime import date
from typing import Any

from demo.population import generate
from golden_records.accuracy import evaluate
from golden_records.accuracy_of_links import judge
from golden_records.plan import plan
from golden_records.query import Release
from golden_records.release import publish
from linkage.decisions import DecisionStore
from linkage.ingest import load_file
from linkage.link import LinkReport, link
from linkage.progress import SILENT, Reporter
from linkage.workspace import Workspace

AS_OF = date(2026, 2, 1)
FOLDER = "demo"
Document = dict[str, Any]


def run(ws: Workspace, size: int, seed: int, reporter: Reporter = SILENT, without: Collection[str] = ()) -> Document:
    """Take `size` person records, and all else that such a province has, through a workspace that is still empty.

    Gives the release and, by entity type, records, findings, candidate pairs, golden records, pairs that wait,
    precision and recall; the same of relations, and the share of right states. The delivered files and the truth
    stay in `<workspace>/demo/`.
    """
    rules = ws.load_rules()
    decisions = DecisionStore(ws.decisions)
    with ws.lock("demo"):
        with reporter.step("demo population"):
            made = generate(ws.root / FOLDER, size, seed, without)
        con = ws.connect()
        try:
            with reporter.step("load", len(made.files)) as advance:
                for entity, source, path in made.files:
                    load_file(con, ws, rules.entities[entity], source, path)
                    advance(1)
            linked = link(con, ws, rules, decisions, AS_OF, reporter)
            planned = plan(con, ws, rules, decisions, reporter)
            number = publish(con, ws, rules, decisions, planned, reporter)
            judged = {}
            with Release.of(ws.releases, number) as release:
                with reporter.step("relations and states: compare with the truth"):
                    links = judge(release, made.truth, made.relations, made.states)
                for entity, truth in made.truth.items():
                    with reporter.step(f"{entity}: compare with the truth"):
                        judged[entity] = evaluate(con, rules.entities[entity], ws.rules_folder, release, truth)
        finally:
            con.close()
    return {
        "release": number,
        "entities": {
            one.entity: _figures(one, planned.entities[one.entity].golden, judged[one.entity]) for one in linked
        },
        **links,
        "files": str(ws.root / FOLDER),
        "truth": {entity: str(path) for entity, path in made.truth.items()},
        "example": _example(ws),
    }


def _figures(one: LinkReport, golden: int, judged: Document) -> Document:
    values = judged.get("values")
    return {
        "records": one.records,
        "quarantined": one.quarantined,
        "findings": one.findings,
        "candidate_pairs": one.candidate_pairs,
        "waiting": one.waiting,
        "golden": golden,
        "merged": one.records - golden,
        "precision": judged["pairwise"]["precision"],
        "recall": judged["pairwise"]["recall"],
        "true_values": values["share"] if values else None,
        "by_error": {
            kind: {
                "records": one["records"],
                "recall": one["recall"],
                "true_values": values["by_error"].get(kind, {}).get("share") if values else None,
            }
            for kind, one in judged["by_error"].items()
        },
    }


def _example(ws: Workspace) -> Document:
    """The golden record that most sources hold, for the commands that are shown at the end."""
    with Release.of(ws.releases) as release:
        found = [release.richest(entity) | {"entity": entity} for entity in release.manifest.entities]
    return max(found, key=lambda one: one.get("sources", 0))
