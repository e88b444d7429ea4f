"""How good the data are: the scorecard, samples for people to check, the census."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from commands.printing import as_number, err, plain, print_json, print_table, say
from commands.shared import HERE, AsJson, EntityName, Number, Place, Unmask, entity_of, open_clear_text
from golden_records import census as censuses
from golden_records import sample as samples
from golden_records import scorecard as scorecards
from golden_records.query import Release
from golden_records.scorecard_sheet import write_scorecard
from linkage.audit_trail import AuditTrail
from linkage.workspace import Workspace

app = typer.Typer()


@app.command()
def quality(
    workspace: Place = HERE,
    entity: Annotated[str | None, typer.Option("--entity", "-e", help="An entity type; default: all.")] = None,
    by: Annotated[Literal["source", "region"], typer.Option(help="Rows of the table.")] = "source",
    source: Annotated[str | None, typer.Option(help="Only this source: its own scorecard.")] = None,
    truth: Annotated[Path | None, typer.Option(help="Judge linkage too, as evaluate does; with --entity.")] = None,
    sample: Annotated[Path | None, typer.Option(help="Score an answer sheet of 'shuyuan sample'.")] = None,
    html: Annotated[Path | None, typer.Option(help="Write one self-contained page to this new file.")] = None,
    xlsx: Annotated[Path | None, typer.Option(help="With --source: write a workbook to be sent to it.")] = None,
    release: Number = None,
    as_json: AsJson = False,
) -> None:
    """Tell how good the data are: six indicators with A, B and interval, by source or region, over releases."""
    if xlsx is not None and source is None:
        raise typer.BadParameter("--xlsx writes the scorecard of one source; name it with --source")
    if truth is not None and entity is None:
        raise typer.BadParameter("--truth judges one entity type; name it with --entity")
    ws = Workspace.open(workspace)
    rules = ws.load_rules()
    with Release.of(ws.releases, release) as published:
        document = scorecards.scorecard(published, rules, entity, source)
        if truth is not None and entity is not None:
            one = entity_of(rules, entity)
            document["accuracy"]["linkage"] = scorecards.linkage_accuracy(published, one, ws.rules_folder, truth)
    if sample is not None:
        document["accuracy"]["audited"] = samples.score_sample(ws.releases, rules, sample)
    if html is not None:
        from golden_records import page

        page.write_quality(document, html)
    if xlsx is not None:
        write_scorecard(document, xlsx)
    if as_json:
        return print_json(document)
    _show_quality(document, by)


@app.command()
def sample(
    entity: EntityName,
    to: Annotated[Path, typer.Option(help="A new CSV file.")],
    workspace: Place = HERE,
    size: Annotated[int, typer.Option(min=1, help="How many golden values; each source has one at least.")] = 200,
    seed: Annotated[int, typer.Option(help="Another seed draws another sample.")] = 1,
    release: Number = None,
    unmask: Unmask = None,
    as_json: AsJson = False,
) -> None:
    """Draw golden values for people to check, as an answer sheet that 'shuyuan quality --sample' scores."""
    ws = Workspace.open(workspace)
    rules = ws.load_rules()
    one = entity_of(rules, entity)
    with Release.of(ws.releases, release) as published:
        drawn = samples.Drawn(published.manifest.release, entity, size, seed)
        about = [(entity, (row[3], row[4])) for row in samples.draw(published, drawn)] if unmask is not None else []
        open_clear_text(ws, rules, unmask, about, {"action": "sample", "sample": drawn.name})
        count = samples.write_sample(published, one, drawn, to, unmask is not None)
    AuditTrail(ws.decisions).append("sample", {"sample": drawn.name, "values": count, "file": to.name})
    say(as_json, {"sample": drawn.name, "values": count, "file": str(to)}, [f"{count} values are in {to}."])


@app.command()
def census(
    workspace: Place = HERE,
    html: Annotated[Path | None, typer.Option(help="Write one self-contained page to this new file.")] = None,
    release: Number = None,
    as_json: AsJson = False,
) -> None:
    """Count what there is: golden records by state and region, duplicates, conflicts, and that it all adds up."""
    ws = Workspace.open(workspace)
    with Release.of(ws.releases, release) as published:
        document = censuses.report(published, ws.load_rules())
    if html is not None:
        from golden_records import page

        page.write_census(document, html)
    if as_json:
        return print_json(document)
    _show_census(document)


def _show_quality(document: dict[str, Any], by: str) -> None:
    for name, card in document["entities"].items():
        told = card["by_source"] if by == "source" else card["by_region"]
        rows = [
            [key, document["measures"][m["measure"]]["zh"], m["measure"], *_share(m)]
            for key, measures in [*told.items(), *([] if document["source"] else [("", card["measures"])])]
            for m in measures
        ]
        print_table(f"{name}, release {document['release']}", (by, "度量", "measure", "A", "B", "share", "95 %"), rows)
        for note in card["notes"]:
            err.print(f"note: {plain(note['en'])}")
    accuracy_ = document["accuracy"]
    rows = [["authority", name, *_share(one)] for name, one in accuracy_["authority"].items() if one]
    if accuracy_["linkage"]:
        linked = accuracy_["linkage"]
        rows += [[part, linked["entity"], *_share(linked[part])] for part in ("precision", "recall")]
    if accuracy_["audited"]:
        audited = accuracy_["audited"]
        rows.append(["audited sample", audited["entity"], *_share(audited["right"])])
        rows += [[f"  {name}", audited["entity"], *_share(one["right"])] for name, one in audited["by_source"].items()]
        rows.append(
            ["  unknown", audited["entity"], as_number(audited["unknown"]), as_number(audited["values"]), "", ""]
        )
    print_table("数据信息准确率 accuracy of data", ("by", "entity", "A", "B", "share", "95 %"), rows)


def _share(one: dict[str, Any]) -> list[str]:
    if one["share"] is None:
        return [as_number(one["A"]), as_number(one["B"]), "", ""]
    return [as_number(one["A"]), as_number(one["B"]), f"{one['share']:.2%}", f"{one['low']:.2%}–{one['high']:.2%}"]


def _show_census(document: dict[str, Any]) -> None:
    names = ("golden", "records", "members", "quarantined", "withdrawn", "duplicates", "disputed", "refused", "waiting")
    rows = []
    for name, one in document["entities"].items():
        held, conflicts = one["balance"], one["conflicts"]
        counts = [one["golden"], held["records"], held["members"], held["quarantined"], held["withdrawn"]]
        counts += [one["duplicates"], conflicts["values_disputed"], conflicts["unions_refused"]]
        counts += [conflicts["pairs_waiting"], (one["without_identifier"] or {}).get("any")]
        rows.append([name, *(as_number(n) for n in counts), "yes" if held["adds_up"] else "no"])
    print_table(f"census of release {document['release']}", ("entity", *names, "no identifier", "adds up"), rows)
    for part in ("state", "region"):
        rows = [
            [name, key or "–", as_number(n)]
            for name, one in document["entities"].items()
            for key, n in one[f"by_{part}"].items()
        ]
        if rows:
            print_table(f"golden records by {part}", ("entity", part, "golden"), rows)
