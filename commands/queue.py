"""What waits for stewards: the pairs with their evidence, who holds what until when, and how well answers agree."""

from __future__ import annotations

import getpass
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Annotated, Any

import typer
from rich.table import Table

from commands.printing import err, field_title, out, plain, print_json, print_table, say
from commands.shared import HERE, AsJson, Place, Steward, Unmask, entity_of, open_clear_text
from golden_records.kappa import Agreement
from golden_records.queue import CLAIM_HOURS, Queue, Where
from linkage.items import Item
from linkage.workspace import Workspace
from rules.masking import mask_value
from rules.model import EntityRules

app = typer.Typer()
queue_app = typer.Typer(no_args_is_help=True, help="What waits for stewards, who holds it, how well they agree.")

OneEntity = Annotated[str | None, typer.Argument(help="An entity type; default: all.")]
Region = Annotated[str, typer.Option(help="Only regions whose code begins with this.")]
Line = Annotated[str | None, typer.Option(help="Only this line of business, in Chinese or English.")]
Limit = Annotated[int, typer.Option(help="How many; -1 for all.")]


@app.command()
def review(
    entity: OneEntity = None,
    workspace: Place = HERE,
    limit: Limit = 10,
    claim: Annotated[int, typer.Option(help="Hold the next N items, so that nobody else takes them.")] = 0,
    hours: Annotated[float, typer.Option(help="How long a claim lasts.")] = CLAIM_HOURS,
    mine: Annotated[bool, typer.Option("--mine", help="Only what --steward holds.")] = False,
    steward: Steward = "",
    region: Region = "",
    line: Line = None,
    unmask: Unmask = None,
    as_json: AsJson = False,
) -> None:
    """Show what waits for a decision, the most valuable answer first, with what each comparison weighs."""
    ws = Workspace.open(workspace)
    rules, who = ws.load_rules(), steward or getpass.getuser()
    queue, where = Queue(ws, rules), Where(entity, region, line)
    if claim:
        found = queue.claim(who, claim, where, hours)
    elif mine:
        found = queue.held(who)
    else:
        found = queue.items(where, limit)
    about = [(one.entity, record) for one in found for record in one.waiting.subjects]
    open_clear_text(ws, rules, unmask, about, {"action": "review", "entity": entity, "limit": limit})
    documents = [_document(entity_of(rules, one.entity), one, unmask is not None) for one in found]
    if as_json:
        return print_json(documents)
    for document in documents:
        _show(document, rules.entities[document["entity"]])
    if not documents:
        out.print("Nothing waits.")


@queue_app.command("list")
def queue_list(
    entity: OneEntity = None,
    workspace: Place = HERE,
    limit: Limit = 20,
    region: Region = "",
    line: Line = None,
    as_json: AsJson = False,
) -> None:
    """List what waits in its order, with what the answer is worth, until when it is due and who holds it."""
    ws = Workspace.open(workspace)
    found = Queue(ws, ws.load_rules()).items(Where(entity, region, line), limit)
    documents = [_row(one) for one in found]
    if as_json:
        return print_json(documents)
    columns = ("item", "entity", "records", "region", "value", "why", "due", "steward", "until")
    print_table("queue", columns, [[str(one[name] or "") for name in columns] for one in documents])


@queue_app.command("release")
def queue_release(
    keys: Annotated[list[str] | None, typer.Argument(metavar="[ITEM]…", help="Default: all that are held.")] = None,
    steward: Steward = "",
    workspace: Place = HERE,
    as_json: AsJson = False,
) -> None:
    """Give back what a steward holds, so that others may take it."""
    ws = Workspace.open(workspace)
    count = Queue(ws, ws.load_rules()).release(steward or getpass.getuser(), keys or ())
    say(as_json, {"released": count}, [f"{count} items are free again."])


@queue_app.command("assign")
def queue_assign(
    keys: Annotated[list[str], typer.Argument(metavar="ITEM…", help="Keys, as 'queue list' shows them.")],
    to: Annotated[str, typer.Option(help="The steward who is to answer.")],
    until: Annotated[datetime, typer.Option(formats=["%Y-%m-%d"], help="The day on which it ends.")],
    steward: Steward = "",
    workspace: Place = HERE,
    as_json: AsJson = False,
) -> None:
    """Give items to a steward until a day, whoever held them before."""
    ws = Workspace.open(workspace)
    end = until.replace(tzinfo=UTC)
    count = Queue(ws, ws.load_rules()).assign(keys, to, steward or getpass.getuser(), end)
    say(as_json, {"assigned": count, "to": to, "until": end}, [f"{count} items are {to}'s until {end:%Y-%m-%d}."])


@queue_app.command("closed")
def queue_closed(entity: OneEntity = None, workspace: Place = HERE, limit: Limit = 20, as_json: AsJson = False) -> None:
    """List what closed by itself because a run made it pointless, and why."""
    ws = Workspace.open(workspace)
    found = Queue(ws, ws.load_rules()).closed(entity, limit)
    documents = [_row(one) | {"closed_because": one.closed_because, "closed_at": at} for one, at in found]
    if as_json:
        return print_json(documents)
    columns = ("item", "entity", "records", "closed_because", "closed_at")
    print_table("closed by themselves", columns, [[str(one[name]) for name in columns] for one in documents])


@queue_app.command("agreement")
def queue_agreement(entity: OneEntity = None, workspace: Place = HERE, as_json: AsJson = False) -> None:
    """How far stewards' answers agree with known ones and with each other: Cohen's kappa with interval and n."""
    ws = Workspace.open(workspace)
    found = Queue(ws, ws.load_rules()).quality(entity)
    if as_json:
        return print_json(asdict(found))
    rows = [["known answers", *_agreement(found.known)], ["second reviews", *_agreement(found.second)]]
    rows += [[f"known answers, {name}", *_agreement(one)] for name, one in found.stewards.items()]
    print_table("agreement", ("of", "n", "agree", "95 %", "kappa", "95 %"), rows)
    for first, second in found.apart:
        err.print(f"note: decisions {first} and {second} answer the same pair differently; look again")


def _agreement(one: Agreement) -> list[str]:
    share = f"{one.agreed / one.n:.2f}" if one.n else ""
    low, high = one.share
    kappa = "" if one.kappa is None else f"{one.kappa:.2f}"
    interval = "" if one.interval is None else f"{one.interval[0]:.2f} … {one.interval[1]:.2f}"
    return [str(one.n), share, f"{low:.2f} … {high:.2f}" if one.n else "", kappa, interval]


def _row(one: Item) -> dict[str, Any]:
    waiting = one.waiting
    return {
        "item": one.item,
        "entity": one.entity,
        "records": " ".join("/".join(subject) for subject in waiting.subjects),
        "region": waiting.region,
        "value": waiting.worth.value,
        "why": str(waiting.worth),
        "reason": waiting.reason,
        "opened_on": one.opened_on,
        "due": one.due,
        "steward": one.steward,
        "until": one.until,
    }


def _document(one: EntityRules, item: Item, clear: bool) -> dict[str, Any]:
    pair = item.waiting

    def shown(name: str, value: str | None) -> str | None:
        return value if clear else mask_value(one.entity, name, value)

    records = [dict(zip(("source", "source_key"), subject, strict=True)) for subject in pair.subjects]
    return {
        **_row(item),
        "records": records,
        "left": records[0],
        "right": records[min(1, len(records) - 1)],
        "match_weight": None if pair.match_weight is None else round(pair.match_weight, 2),
        "verdict": pair.verdict,
        "worth": asdict(pair.worth),
        "about": pair.about,
        "fields": {name: [shown(name, value) for value in values] for name, values in pair.said.items()},
        "levels": {name: {"level": label, "weight": weight} for name, (label, weight) in pair.levels.items()},
    }


def _show(document: dict[str, Any], one: EntityRules) -> None:
    named = ["/".join(record.values()) for record in document["records"]]
    weight = "" if document["match_weight"] is None else f" weight {document['match_weight']},"
    held = f", held by {document['steward']} until {document['until']}" if document["steward"] else ""
    title = f"{document['entity']}:{weight} {document['reason']}, due {document['due']}{held}"
    table = Table(title=plain(title), title_justify="left")
    for heading in ("", *named):
        table.add_column(heading)
    for name, values in document["fields"].items():
        table.add_row(plain(field_title(one, name)), *(plain(value or "") for value in values))
    out.print(table)
    if document["levels"]:
        parts = ", ".join(f"{name}: {said['level']} {said['weight']:+.1f}" for name, said in document["levels"].items())
        out.print(plain(f"  {parts}"))
    out.print(plain(f"  worth {document['why']}"))
    if document["verdict"] == "again":
        number = document["about"]
        out.print(f"  shuyuan decide again {number} --reason … | shuyuan decide withdraw {number}\n")
    else:
        out.print(f"  shuyuan decide same|different|unsure {document['entity']} {' '.join(named)} --reason …\n")
