"""One batch, from delivered files to a published release, and back."""

from __future__ import annotations

import csv
import dataclasses
import getpass
import sys
from collections.abc import Iterator
from contextlib import suppress
from datetime import date, datetime
from pathlib import Path
from typing import Annotated, Any, Literal

import typer
from rich.console import Console

from commands.printing import Bars, agreed, as_cell, as_number, err, out, plain, print_json, print_table, say
from commands.shared import HERE, AsJson, AsOf, Batch, Place, check_disk, day_of, open_batch
from golden_records import release as releases
from golden_records.plan import Plan, plan, read_plan
from golden_records.trial import try_rules
from linkage import ingest, rule_sets
from linkage import link as links
from linkage.estimate import Key, Told
from linkage.link import Engine
from linkage.reading import SUFFIXES
from linkage.train import Estimator
from linkage.train import train as train_weights
from linkage.workspace import Workspace, use_entity
from rules.errors import InputError, RefusedError
from rules.model import EntityRules

app = typer.Typer()
SHOWN = 10
LOUDEST = 3


@app.command()
def load(
    paths: Annotated[list[Path], typer.Argument(help="Files, or folders of files.")],
    workspace: Place = HERE,
    source: Annotated[str | None, typer.Option(help="The source; default: by the file's name.")] = None,
    entity: Annotated[
        str | None, typer.Option("--entity", "-e", help="Its entity type, where several have it.")
    ] = None,
    observed_on: Annotated[datetime | None, typer.Option(formats=["%Y-%m-%d"], help="The day it speaks of.")] = None,
    rejects: Annotated[Path | None, typer.Option(help="Write the rejected rows to this CSV file.")] = None,
    engine: Annotated[
        Literal["kernel", "spark"], typer.Option(help="What reads the files; both read the same.")
    ] = "kernel",
    master: Annotated[str | None, typer.Option(help="With --engine spark: where; default: local[*].")] = None,
    as_json: AsJson = False,
) -> None:
    """Land files and take in their rows. Nothing is lost: what is rejected is kept with its line and reason."""
    files = _files(paths)
    reports, refused = [], []
    with open_batch(workspace, "load") as batch:
        check_disk(workspace, sum(ingest.disk_needed(path) for path in files if path.is_file()))
        bars, day = Bars(), observed_on.date() if observed_on else None
        far = links.spark_of(batch.ws, master).loading() if engine == "spark" else None
        if far is not None:
            with bars.step("read"):
                far.ahead(batch.con, _arriving(batch, files, entity, source))
        with bars.step("load", len(files)) as advance:
            for path in files:
                try:
                    one, named = _source_of(batch, path, entity, source)
                    reports.append(ingest.load_file(batch.con, batch.ws, one, named, path, day, far))
                except InputError as error:
                    refused.append({"file": path.name, "reason": str(error)})
                    batch.trail.append("load refused", refused[-1])
                advance(1)
        if far is not None:
            far.clear()
        if rejects is not None:
            _write_rejects(batch, rejects, reports)
    document = {"loaded": [dataclasses.asdict(report) for report in reports], "refused": refused}
    if as_json:
        print_json(document)
    elif reports:
        names = ("file", "entity", "source", "read", "new", "unchanged", "deleted", "rejected", "withdrawn")
        said = [[as_cell(getattr(report, name)) for name in names] for report in reports]
        print_table(
            "loaded",
            names,
            [[*row[:3], "already loaded"] if r.already else row for row, r in zip(said, reports, strict=True)],
        )
    if refused:
        raise InputError("\n".join(one["reason"] for one in refused))


@app.command()
def train(
    entity: Annotated[str, typer.Argument(help="The entity type.")],
    workspace: Place = HERE,
    as_of: AsOf = None,
    engine: Annotated[Estimator, typer.Option(help="What estimates; the two differ by chance of sampling.")] = "kernel",
    error: Annotated[
        float | None, typer.Option(min=0.01, max=1, help="Sample until u has this standard error, as a part of itself.")
    ] = None,
    html: Annotated[Path | None, typer.Option(help="Write one self-contained page to this new file.")] = None,
    as_json: AsJson = False,
) -> None:
    """Estimate the weights of an entity type from the loaded records and freeze value frequencies."""
    with open_batch(workspace, "train") as batch:
        ingest.reload_landed(batch.con, batch.ws, batch.rules)
        one = links.chosen(batch.con, batch.rules, [entity])[0]
        use_entity(batch.con, one.name)
        bars = Bars()
        with bars.step(f"{entity}: standardize", con=batch.con):
            links.prepare(batch.con, batch.rules, one, day_of(as_of))
        report = train_weights(batch.con, one, bars, engine, error)
        batch.trail.append("train", {"entity": entity, "records": report.records, "model": report.sha256})
    document = {
        "entity": entity,
        "records": report.records,
        "levels": [dataclasses.asdict(level) for level in report.levels],
        "passes": [_pass_document(*one) for one in report.passes],
        "doubts": [dataclasses.asdict(doubt) for doubt in report.doubts],
        "model": report.sha256,
        "u_pairs": report.u_pairs,
    }
    if html is not None:
        from golden_records import page

        page.write_training(document, html)
    if as_json:
        return print_json(document)
    rows = [
        [one.comparison, one.label, f"{one.m:.6g}", f"{one.u:.6g}", "" if one.observed else "default"]
        for one in report.levels
    ]
    print_table(f"{entity}: weights from {report.records:,} records", ("comparison", "level", "m", "u", ""), rows)
    told = [
        [" + ".join(keys), as_number(one.pairs), f"{one.share:.1%}", str(one.rounds), f"{one.apart:.4f}"]
        for keys, one, _ in report.passes
        if one is not None
    ]
    if told:
        print_table("passes", ("pairs that agree in", "pairs", "matches", "rounds", "starts differ by"), told)
    for doubt in report.doubts:
        if doubt.cause == "unseen":
            continue  # the table above says so
        out.print(f"[yellow]{doubt.cause}[/yellow] {plain(doubt.where)}: {plain(doubt.said)}")
    out.print(f"model {report.sha256}")


def _pass_document(keys: tuple[str, ...], told: Told | None, m: dict[Key, float]) -> dict[str, Any]:
    """A pass of training for machines."""

    def levels(found: dict[Key, float]) -> list[dict[str, Any]]:
        return [{"comparison": name, "label": label, "m": value} for (name, label), value in found.items()]

    document: dict[str, Any] = {"keys": list(keys), "m": levels(m)}
    if told is not None:
        both = [{"comparisons": list(pair), "times": times} for pair, times in told.together.items()]
        starts = [{"likely": one.likely, "m": levels(one.m)} for one in told.starts]
        document |= dataclasses.asdict(told) | {"together": both, "starts": starts}
    return document


@app.command()
def link(
    entities: Annotated[list[str] | None, typer.Argument(help="Entity types; default: all that have records.")] = None,
    workspace: Place = HERE,
    as_of: AsOf = None,
    engine: Annotated[Engine, typer.Option(help="What executes the model; all give the same result.")] = "kernel",
    master: Annotated[str | None, typer.Option(help="With --engine spark: where; default: local[*].")] = None,
    full: Annotated[bool, typer.Option("--full", help="Link all records anew, not only what changed.")] = False,
    as_json: AsJson = False,
) -> None:
    """Decide which records are the same entity, from landed files to clusters."""
    with open_batch(workspace, "link") as batch:
        ingest.reload_landed(batch.con, batch.ws, batch.rules)
        chosen = links.chosen(batch.con, batch.rules, entities or ())
        check_disk(workspace, links.disk_needed(batch.con, chosen))
        reports = links.link(
            batch.con,
            batch.ws,
            batch.rules,
            batch.decisions,
            day_of(as_of),
            Bars(),
            [one.name for one in chosen],
            engine,
            full,
            master,
        )
    if as_json:
        return print_json([dataclasses.asdict(report) for report in reports])
    names = ("records", "quarantined", "findings", "candidate_pairs", "accepted", "waiting", "refused", "clusters")
    rows = [
        [report.entity, "all" if report.changed is None else as_number(report.changed)]
        + [as_number(getattr(report, name)) for name in names]
        for report in reports
    ]
    print_table("linked", ("entity", "changed", *names), rows)


@app.command("plan")
def plan_command(
    workspace: Place = HERE,
    full: Annotated[bool, typer.Option("--full", help="Work out everything anew, not only what changed.")] = False,
    engine: Annotated[
        Literal["kernel", "spark"], typer.Option(help="What chooses values and states, where all are chosen.")
    ] = "kernel",
    master: Annotated[str | None, typer.Option(help="With --engine spark: where; default: local[*].")] = None,
    rules: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Try these rules on everything, and propose them.")
    ] = None,
    steward: Annotated[str, typer.Option("--steward", help="With --rules: who proposes; default: the user.")] = "",
    as_of: AsOf = None,
    as_json: AsJson = False,
) -> None:
    """Work out what the next release would change, or what other rules would."""
    if rules is not None:
        return _try(workspace, rules, steward or getpass.getuser(), as_of and as_of.date(), as_json)
    with open_batch(workspace, "plan") as batch:
        spark = links.spark_of(batch.ws, master) if engine == "spark" else None
        found = plan(batch.con, batch.ws, batch.rules, batch.decisions, Bars(), full, spark)
    if as_json:
        return print_json(found.as_dict())
    _show_plan(found)


def _try(workspace: Path, candidate: Path, proposer: str, day: date | None, as_json: bool) -> None:
    """Try rules on everything that is landed and decided, and keep them as a proposal."""
    with open_batch(workspace, "plan rules") as batch:
        trial = try_rules(batch.con, batch.ws, batch.rules, candidate, day, Bars())
        name = rule_sets.propose(batch.ws, candidate, proposer, trial.document)
    document = {"rule_set": name, "proposer": proposer, **trial.document}
    if as_json:
        return print_json(document)
    for one in document["changed_rules"]:
        out.print(plain(f"{one['key']}: {one['before']} -> {one['after']}"))
    kinds = sorted({kind for one in document["entities"].values() for kind in one["events"]})
    rows = [[n, *(as_number(e["events"].get(kind, 0)) for kind in kinds)] for n, e in document["entities"].items()]
    print_table(f"rule set {name}, against release {document['compared_with']['release']}", ("entity", *kinds), rows)
    for entity, told in document["entities"].items():
        for cause, count in told["causes"].items():
            out.print(plain(f"{entity}: {cause}: {count:,} pairs"))
        tickets, contradicted = told["tickets"], len(told["contradicted"])
        if tickets["opened"] or tickets["closed"] or contradicted:
            out.print(
                f"{entity}: {tickets['opened']:,} differences new, {tickets['closed']:,} gone; "
                f"the weights speak against {contradicted:,} decisions"
            )
        _show_side_by_side(entity, told)
        rows = [
            [
                one["kind"],
                *one["golden"],
                one["left"],
                one["right"],
                as_cell(one["weight"]),
                one["cause"],
                _speaking(one),
            ]
            for one in told["examples"][:SHOWN]
        ]
        if rows:
            names = ("", "golden", "golden", "record", "record", "weight", "why", "what speaks loudest")
            print_table(f"{entity}: examples, {len(told['examples'])} in --json", names, rows)
    for sentence in document["exceeded"]:
        out.print(f"[red]limit[/red] {plain(sentence)}")
    force = " --force" if document["exceeded"] else ""
    out.print(f"Somebody else may approve it: shuyuan rules approve {name} --reason …{force}")


def _show_side_by_side(entity: str, told: dict[str, Any]) -> None:
    """How champion and challenger judge the same pairs, and where golden records change, if they differ at all."""
    judged = told["side_by_side"]
    if any(one["before"] != one["after"] for one in judged):
        rows = [[one["before"], one["after"], as_number(one["pairs"])] for one in judged]
        print_table(f"{entity}: pairs by verdict (- is not kept)", ("present rules", "candidate", "pairs"), rows)
    moved = {region: events for region, events in told["by_region"].items() if set(events) & {"merged", "split"}}
    if moved:
        ordered = sorted(moved.items(), key=lambda one: (-sum(one[1].values()), one[0]))
        rows = [
            [region, *(as_number(events.get(kind, 0)) for kind in ("merged", "split"))] for region, events in ordered
        ]
        print_table(f"{entity}: by region, {len(rows)} in --json", ("region", "merged", "split"), rows[:SHOWN])


def _speaking(one: dict[str, Any]) -> str:
    """The levels that weigh most in a pair, for or against."""
    loudest = sorted(one["levels"].items(), key=lambda part: -abs(part[1]["weight"]))[:LOUDEST]
    return "; ".join(f"{name} {said['level']} {said['weight']:+.1f}" for name, said in loudest)


@app.command()
def publish(
    workspace: Place = HERE,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    force: Annotated[str | None, typer.Option(metavar="REASON", help="Publish although a limit is exceeded.")] = None,
    full: Annotated[bool, typer.Option("--full", help="Write and audit whole tables, not only what changed.")] = False,
    engine: Annotated[
        Literal["kernel", "spark"], typer.Option(help="What writes whole tables and look-up indexes that are large.")
    ] = "kernel",
    master: Annotated[str | None, typer.Option(help="With --engine spark: where; default: local[*].")] = None,
    as_json: AsJson = False,
) -> None:
    """Audit and publish what was planned, as the next release."""
    with open_batch(workspace, "publish") as batch:
        found = read_plan(batch.con)
        if not yes:
            _show_plan(found, err)
            if not sys.stdin.isatty():
                raise RefusedError("publish asks before it publishes; say --yes where nobody can answer")
            if not agreed(f"Publish release {found.release}?"):
                raise RefusedError("you said no; nothing was published")
        spark = links.spark_of(batch.ws, master) if engine == "spark" else None
        number = releases.publish(batch.con, batch.ws, batch.rules, batch.decisions, found, Bars(), force, full, spark)
    say(
        as_json,
        {"release": number, "path": str(workspace / "releases" / str(number))},
        [f"release {number} is published."],
    )


@app.command()
def rollback(
    release: Annotated[int, typer.Argument(help="The release whose content comes back.")],
    workspace: Place = HERE,
    as_of: AsOf = None,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    as_json: AsJson = False,
) -> None:
    """Publish the content of an earlier release as a new one."""
    ws = Workspace.open(workspace)
    if not yes:
        if not sys.stdin.isatty():
            raise RefusedError("rollback asks before it publishes; say --yes where nobody can answer")
        if not agreed(f"Publish the content of release {release} again?"):
            raise RefusedError("you said no; nothing was published")
    with ws.lock("rollback"):
        number = releases.rollback(ws, release, day_of(as_of))
    say(
        as_json,
        {"release": number, "rollback_of": release},
        [f"release {number} has the content of release {release}."],
    )


def _files(paths: list[Path]) -> list[Path]:
    """The files named, and those inside the folders named, in the order of their names."""
    found = []
    for path in paths:
        if not path.exists():
            raise InputError(f"{path}: no such file or folder; give files or folders that are there")
        inside = sorted(p for p in path.rglob("*") if p.is_file() and not p.name.startswith("."))
        found += inside if path.is_dir() else [path]
    if not found:
        raise InputError(
            f"no files in {', '.join(str(path) for path in paths)}; expected files that end with {', '.join(SUFFIXES)}"
        )
    return found


def _source_of(batch: Batch, path: Path, entity: str | None, source: str | None) -> tuple[EntityRules, str]:
    """The entity type and the source that a file comes from, as named or by its name."""
    if source is None:
        entity, source = ingest.match_source(batch.rules, path)
    owners = [one for one in batch.rules.entities.values() if source in one.sources.sources]
    owners = [one for one in owners if entity in (None, one.name)]
    if not owners:
        known = ", ".join(ingest.delivering(batch.rules.entities.values()))
        raise InputError(f"{path.name}: {source!r} is no registered source (known: {known}); see sources.toml")
    if len(owners) > 1:
        raise InputError(f"{path.name}: several entity types have a source {source!r}; name one with --entity")
    return owners[0], source


def _arriving(
    batch: Batch, paths: list[Path], entity: str | None, source: str | None
) -> Iterator[tuple[EntityRules, str, Path]]:
    """The files of which it is known where they come from."""
    for path in paths:
        with suppress(InputError):
            yield (*_source_of(batch, path, entity, source), path)


def _write_rejects(batch: Batch, target: Path, reports: list[ingest.LoadReport]) -> None:
    with target.open("w", encoding="utf-8-sig", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(("file", "line", "reason", "row"))
        for report in reports:
            use_entity(batch.con, report.entity)
            writer.writerows(ingest.rejects(batch.con, report.batch_id))
    target.chmod(0o600)
    batch.trail.append("export rejects", {"file": target.name})


def _show_plan(found: Plan, console: Console = out) -> None:
    kinds = sorted({kind for one in found.entities.values() for kind in one.events})
    rows = [
        [n, as_number(e.golden), *(as_number(e.events.get(k, 0)) for k in kinds)] for n, e in found.entities.items()
    ]
    print_table(f"plan of release {found.release} as of {found.as_of}", ("entity", "golden", *kinds), rows, console)
    for name, one in found.entities.items():
        for rule, records in one.findings.items():
            if records:
                hint = f"see 'shuyuan findings {name} --rule {rule}'"
                console.print(plain(f"{name}: {rule} in {records:,} records; {hint}"))
    for sentence in found.exceeded:
        console.print(f"[red]limit[/red] {plain(sentence)}")
