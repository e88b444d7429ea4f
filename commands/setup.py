"""Setting up: make a workspace, try it on made-up people, check the rules and read the authority matrix."""

from __future__ import annotations

import dataclasses
import getpass
import shutil
import sys
import tempfile
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any

import typer

from commands.printing import Bars, as_cell, as_number, err, out, plain, print_json, print_table, say
from commands.shared import HERE, AsJson, AsOf, EntityName, Place, Reason, Steward, day_of, entity_of
from golden_records import authority as authorities
from golden_records import watch as watches
from linkage import rule_sets
from linkage.audit_trail import AuditTrail
from linkage.cases import run_cases
from linkage.frequencies import unsealed
from linkage.rule_set import tables_of, version_of
from linkage.starting import propose
from linkage.workspace import Workspace
from rules import keys
from rules.checks import warnings
from rules.errors import RulesError
from rules.loader import SHIPPED, load_rules

app = typer.Typer()
rules_app = typer.Typer(no_args_is_help=True, help="Check the rules, and change them by two people.")


@app.command()
def init(
    folder: Annotated[Path, typer.Argument(help="A new or empty folder.")],
    node: Annotated[str, typer.Option(help="Two digits: who issues the ids (00 = the ministry).")] = "00",
    rules: Annotated[Path | None, typer.Option(help="A rules folder; default: the shipped rules.")] = None,
    files: Annotated[
        list[Path] | None,
        typer.Option("--from", metavar="FILE", help="Propose rules for these files; may be repeated."),
    ] = None,
    entity: Annotated[str, typer.Option("--entity", "-e", help="With --from: what a row is about.")] = "item",
    as_of: AsOf = None,
    as_json: AsJson = False,
) -> None:
    """Make a workspace, with the shipped rules, those of a folder, or rules proposed for unknown files."""
    if files and rules:
        raise typer.BadParameter("--from makes rules, --rules takes them; give one of the two")
    found = None
    with tempfile.TemporaryDirectory() as scratch:
        if files:
            rules = Path(scratch) / "rules"
            found = propose(files, entity, rules, day_of(as_of), Bars())
        ws = Workspace.create(folder, node, rules)
    known = ws.load_rules()
    AuditTrail(ws.decisions).append("init", {"node": node, "rules": known.sha256})
    document: dict[str, Any] = {"workspace": str(folder), "node": node, "entities": list(known.entities)}
    if found is not None:
        document["columns"] = [dataclasses.asdict(column) | {"taken": column.taken} for column in found.columns]
    say(as_json, document, [f"{folder} is a workspace of node {node} for {', '.join(known.entities)}."])
    if found is not None and not as_json:
        rows = [
            [
                one.heading,
                one.field if one.taken else "",
                one.kind,
                f"{one.fill:.0%}",
                as_number(one.distinct),
                one.reason,
            ]
            for one in found.columns
        ]
        print_table("columns", ("column", "field", "kind", "filled", "different", "why"), rows)
        out.print(
            f"The rules are in {folder / 'rules' / entity}. Next: 'shuyuan load' these files, then 'shuyuan link'."
        )


@app.command()
def demo(
    workspace: Place = Path("demo-workspace"),
    size: Annotated[int, typer.Option(min=100, help="Person records to generate.")] = 20_000,
    seed: int = 1,
    without: Annotated[list[str] | None, typer.Option(help="An error kind to leave out; may be repeated.")] = None,
    as_json: AsJson = False,
) -> None:
    """Generate a made-up population with known truth and take it all the way to a release."""
    ws = Workspace.create(workspace)
    from demo import journey  # the made-up people are imported where they are asked for

    done = journey.run(ws, size, seed, Bars(), without or ())
    if as_json:
        return print_json(done)
    columns = ("records", "findings", "candidate_pairs", "golden", "merged", "waiting", "precision", "recall")
    rows = [[name, *(as_number(one[c]) for c in columns)] for name, one in done["entities"].items()]
    print_table(f"release {done['release']}", ("entity", *columns), rows)
    for name, one in done["entities"].items():
        if one["by_error"]:
            told = [
                [kind, *(as_number(said[n]) for n in ("records", "recall", "true_values"))]
                for kind, said in one["by_error"].items()
            ]
            print_table(f"{name}, by kind of error", ("error", "records", "recall", "true golden values"), told)
        if one["true_values"] is not None:
            out.print(f"{name}: {one['true_values']:.2%} of the golden records have only true values.")
    told = [
        [kind, *(as_number(said[n]) for n in ("published", "precision", "expected", "recall"))]
        for kind, said in done["relations"]["by_type"].items()
    ]
    print_table("relations", ("type", "published", "precision", "in the truth", "recall"), told)
    states = ", ".join(f"{name} {said['share']:.2%}" for name, said in done["states"]["by_entity"].items())
    out.print(f"right states: {states}")
    example = done["example"]
    program = "shuyuan" if shutil.which("shuyuan") else sys.argv[0]
    key = f"--entity {example['entity']} --source {example['source']} --key {example['source_key']}"
    out.print("\nLook further:")
    for command in (f"show {example['golden_id']}", f"related {example['golden_id']} --depth 2", f"find {key}"):
        out.print(f"  {program} {command} --workspace {workspace}")
    out.print(f"\nDelivered files and truth: {done['files']}\nRelease: {ws.releases / 'current'}")


@rules_app.command("check")
def rules_check(
    workspace: Place = HERE,
    rules: Annotated[Path | None, typer.Option(help="A rules folder; default: the workspace's.")] = None,
    as_of: AsOf = None,
    as_json: AsJson = False,
) -> None:
    """List every problem of the rules, and every case that does not come out as expected."""
    folder = _rules_folder(workspace, rules)
    known = load_rules(folder)
    if wrong := watches.problems(known):
        raise RulesError(wrong)
    notes = [str(doubt) for doubt in warnings(known)]
    notes += [
        f"{one.name}/{name} is not the one of the training that weights.json is of"
        for one in known.entities.values()
        for name in unsealed(one)
    ]
    for note in notes:
        err.print(f"note: {plain(note)}")
    failed, count = [], 0
    for one in known.entities.values():
        if one.weights is not None and one.cases:
            with Bars().step(f"{one.name}: {len(one.cases)} cases"):
                results = run_cases(one, folder, day_of(as_of))
            count += len(results)
            failed += [f"{one.name}/cases.toml: {result}" for result in results if not result.passed]
    version = version_of(known, tables_of(known))
    document = {"rules": str(folder), "sha256": known.sha256, "entities": list(known.entities), "cases": count}
    lines = [f"{folder}: {', '.join(known.entities)}; {count} cases, {len(failed)} not as expected", *failed]
    lines.append(f"rule set {version}")
    say(as_json, document | {"rule_set": version, "notes": notes, "failed": failed}, lines)
    if failed:
        raise typer.Exit(2)


@rules_app.command("keys")
def rules_keys(
    word: Annotated[str, typer.Argument(help="A word in the key, its table or its meaning; default: all.")] = "",
    as_json: AsJson = False,
) -> None:
    """Tell what the keys of the rules mean, their types and their defaults."""
    found = keys.matching(word)
    if as_json:
        return print_json(found)
    names = ("file", "table", "key", "type", "default", "zh", "en")
    print_table("keys of the rules", names, [[one[name] for name in names] for one in found])


@rules_app.command("approve")
def rules_approve(
    rule_set: Annotated[str, typer.Argument(help="The set that 'shuyuan plan --rules' proposed.")],
    reason: Reason,
    steward: Steward = "",
    force: Annotated[bool, typer.Option("--force", help="Although a limit is exceeded.")] = False,
    workspace: Place = HERE,
) -> None:
    """Make proposed rules the current ones; whoever proposed them may not."""
    ws = Workspace.open(workspace)
    with ws.lock("approve rules"):
        before = rule_sets.approve(ws, rule_set, steward or getpass.getuser(), reason, force)
    out.print(f"{rule_set} are the rules now; those of before are kept as {before}. Next: 'shuyuan link'.")


@rules_app.command("restore")
def rules_restore(
    rule_set: Annotated[str, typer.Argument(help="A kept set of rules.")],
    workspace: Place = HERE,
) -> None:
    """Put earlier rules back."""
    ws = Workspace.open(workspace)
    with ws.lock("restore rules"):
        before = rule_sets.restore(ws, rule_set)
    out.print(f"{rule_set} are the rules again; those of before are kept as {before}. Next: 'shuyuan link'.")


@rules_app.command("list")
def rules_list(workspace: Place = HERE, as_json: AsJson = False) -> None:
    """List the changes of rules that were proposed, and who approved them."""
    ws = Workspace.open(workspace)
    found = [dataclasses.asdict(one) for one in rule_sets.changes(ws)]
    current = rule_sets.name_of(ws.rules_folder)
    if as_json:
        return print_json({"current": current, "changes": found})
    names = ("rule_set", "proposer", "proposed_at", "approver", "approved_at", "replaced")
    print_table(f"rules: {current}", names, [[as_cell(one[name]) for name in names] for one in found])


@app.command()
def sources(
    workspace: Place = HERE,
    rules: Annotated[Path | None, typer.Option(help="A rules folder; default: the workspace's.")] = None,
    samples: Annotated[Path | None, typer.Option(metavar="FOLDER", help="Write a sample file of each here.")] = None,
    as_of: AsOf = None,
    as_json: AsJson = False,
) -> None:
    """List the registered sources by line of business, and write sample files that `load` takes."""
    known = load_rules(_rules_folder(workspace, rules))
    from demo.samples import profiles, write_samples

    written = {(one.entity, one.source): str(one.file) for one in write_samples(known, samples)} if samples else {}
    found = profiles(known, written, day_of(as_of))
    if as_json:
        return print_json(found)
    rows = [
        [
            *(one["line"]["zh"], one["title"]["zh"], one["source"], one["entity"], one["owner"]),
            *(" ".join(one["leads"]), as_number(one["cycle_days"])),
            Path(one["sample"]).name if one["sample"] else " ".join(one["files"]),
        ]
        for one in found
    ]
    names = ("line of business", "title", "source", "entity", "owner", "leads for", "cycle, days")
    print_table("sources", (*names, "sample" if samples else "files"), rows)


@app.command()
def authority(
    entity: EntityName,
    workspace: Place = HERE,
    at: Annotated[datetime | None, typer.Option(formats=["%Y-%m-%d"], help="A day; default: today.")] = None,
    as_json: AsJson = False,
) -> None:
    """Print the authority matrix in force: who leads for each attribute, who follows, on what ground."""
    found = authorities.matrix(entity_of(Workspace.open(workspace).load_rules(), entity), day_of(at))
    if as_json:
        return print_json({"entity": entity, "at": day_of(at).isoformat(), "matrix": found})
    names = ("field", "regions", "lead", "owner", "then", "since", "until", "basis", "came", "capture", "cycle days")
    rows = []
    for one in found:
        lead = one["lead"] or {}
        behind = [follower["source"] for follower in one["order"]]
        said = [one["regions"], lead.get("source", "nobody"), lead.get("owner"), behind]
        said += [one["since"], one["until"], one["basis"]]
        said += [lead.get(name) for name in ("provenance_class", "capture", "cycle_days")]
        rows.append([f"{one['title']['zh']} {one['field']}", *(as_cell(part) for part in said)])
    print_table(f"authority over {entity} on {day_of(at)}", names, rows)


def _rules_folder(workspace: Path, named: Path | None) -> Path:
    """The rules that are meant: those named, else the workspace's, else the shipped ones."""
    return named or (workspace / "rules" if (workspace / "shuyuan.toml").exists() else SHIPPED)
