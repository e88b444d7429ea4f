"""Why two records are one entity or are not, and how a golden record came together."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Annotated

import typer

from commands.printing import out, plain, print_json, print_table, say
from commands.shared import HERE, AsJson, EntityName, Place, Unmask, entity_of, open_batch, open_clear_text, record_of
from golden_records import explained
from golden_records.query import Release
from linkage.explain import explain, history, said_by_stewards
from linkage.workspace import use_entity, write_atomically

app = typer.Typer()

Record = Annotated[str, typer.Argument(metavar="SOURCE/KEY", help="A source record.")]
Lang = Annotated[explained.Language, typer.Option("--lang", help="The language of what is explained.")]
Picture = Annotated[Path | None, typer.Option("--svg", metavar="FILE", help="Also draw it into this file.")]


@app.command()
def why(
    entity: EntityName,
    left: Record,
    right: Record,
    workspace: Place = HERE,
    lang: Lang = "en",
    svg: Picture = None,
    unmask: Unmask = None,
    as_json: AsJson = False,
) -> None:
    """Explain a pair of records: what each says, what every comparison weighs, what found it, what became of it."""
    _explain(entity, left, right, workspace, lang, svg, unmask, as_json, missing=False)


@app.command("why-not")
def why_not(
    entity: EntityName,
    left: Record,
    right: Record,
    workspace: Place = HERE,
    lang: Lang = "en",
    svg: Picture = None,
    unmask: Unmask = None,
    as_json: AsJson = False,
) -> None:
    """Explain why two records are not one: the blocking keys that differ, the weight that lacks, what refused them."""
    _explain(entity, left, right, workspace, lang, svg, unmask, as_json, missing=True)


@app.command()
def how(
    golden_id: Annotated[str, typer.Argument(help="A golden id.")],
    workspace: Place = HERE,
    lang: Lang = "en",
    as_json: AsJson = False,
) -> None:
    """Tell in which order the records of a golden record joined, and by which pair each time."""
    wanted = golden_id.strip().upper()
    with open_batch(workspace, "how") as batch:
        with Release.of(batch.ws.releases, None) as published:
            shown = published.show(wanted)
        one = entity_of(batch.rules, shown["entity"])
        records = [(member["source"], member["source_key"]) for member in shown["members"]]
        use_entity(batch.con, one.name)
        joins = history(batch.con, one, batch.decisions.replay(one.name), records)
    told = explained.steps(joins, lang)
    document = {
        "golden_id": shown["golden_id"],
        "entity": one.name,
        "records": ["/".join(record) for record in records],
        "joins": [dataclasses.asdict(join) for join in joins],
        "sentences": told,
    }
    say(as_json, document, told)


def _explain(
    entity: str,
    left: str,
    right: str,
    workspace: Path,
    lang: explained.Language,
    svg: Path | None,
    unmask: str | None,
    as_json: bool,
    missing: bool,
) -> None:
    with open_batch(workspace, "why") as batch:
        one = entity_of(batch.rules, entity)
        pair = [(entity, record_of(text)) for text in (left, right)]
        detail = {"action": "why", "entity": entity, "records": [left, right]}
        open_clear_text(batch.ws, batch.rules, unmask, pair, detail)
        use_entity(batch.con, one.name)
        found = explain(batch.con, one, record_of(left), record_of(right), said_by_stewards(batch.decisions, entity))
    told = explained.document(one, found, batch.ws.rules_folder, lang, unmask is not None)
    if svg is not None:
        write_atomically(svg, explained.picture(told, lang))
    if as_json:
        return print_json(told)
    for sentence in told["sentences"]:
        out.print(plain(sentence))
    if missing:
        _show_blocks(told)
    _show_readings(told)
    _show_parts(told, lang)
    if not missing:
        _show_blocks(told)


def _show_readings(told: explained.Document) -> None:
    rows = []
    for one in told["readings"]:
        cells = []
        for said, read, findings in zip(one["said"], one["read"], one["findings"], strict=True):
            cells += [said or "", "" if read == said else read or "–", " ".join(findings)]
        rows.append([f"{one['title']} {one['field']}", *cells])
    sides = ["/".join(told[side]) for side in ("left", "right")]
    print_table("", ("field", sides[0], "read as", "findings", sides[1], "read as ", "findings "), rows)


def _show_parts(told: explained.Document, lang: explained.Language) -> None:
    rows = [[explained.say("prior", lang), "", f"{told['prior']:+.2f}"]]
    rows += [
        [f"{one['title']} {one['comparison']}", f"{one['level_title']} ({one['level']})", f"{one['weight']:+.2f}"]
        for one in told["parts"]
    ]
    rows.append([explained.say("sum", lang), "", f"{told['match_weight']:+.2f}"])
    print_table("", ("comparison", "level", "weight"), rows)


def _show_blocks(told: explained.Document) -> None:
    rows = [
        [one["rule"], *(" + ".join(key or "–" for key in side) for side in one["keys"]), _met(one)]
        for one in told["blocks"]
    ]
    print_table("", ("blocking rule", *("/".join(told[side]) for side in ("left", "right")), "finds"), rows)


def _met(block: explained.Document) -> str:
    return "yes" if block["meets"] else "too common" if block["hub"] else "no"
