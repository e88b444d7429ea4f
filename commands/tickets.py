"""Tickets: put differences to the sources they come from, and take answers."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Any

import typer

from commands.printing import as_cell, err, field_title, out, plain, print_json, print_table
from commands.shared import HERE, AsJson, AsOf, Place, Reason, Steward, Unmask, day_of, open_clear_text
from golden_records import answers, return_sheets, tickets
from linkage.audit_trail import AuditTrail
from linkage.decided import SourceRecord
from linkage.decisions import DecisionStore
from linkage.workspace import Workspace
from rules.masking import mask_value
from rules.model import Rules

tickets_app = typer.Typer(no_args_is_help=True, help="Put differences to the sources they come from, and take answers.")
SourceOption = Annotated[str | None, typer.Option("--source", help="One source; default: all.")]
OneEntity = Annotated[str | None, typer.Option("--entity", "-e", help="An entity type; default: all.")]
TicketNumber = Annotated[int, typer.Argument(metavar="TICKET", help="The number of a ticket.")]


@tickets_app.command("list")
def tickets_list(
    workspace: Place = HERE,
    source: SourceOption = None,
    entity: OneEntity = None,
    state: Annotated[tickets.State | None, typer.Option(help="Those in this state; default: all.")] = None,
    limit: Annotated[int, typer.Option(help="How many; -1 for all.")] = 50,
    unmask: Unmask = None,
    as_json: AsJson = False,
) -> None:
    """List the differences that were put to their sources, oldest first, and where each stands."""
    ws, rules, store = _tickets(workspace)
    found = store.tickets(source, entity, (state,) if state else (), limit)
    detail = {"action": "tickets list", "source": source, "entity": entity, "limit": limit}
    open_clear_text(ws, rules, unmask, _about(found), detail)
    _show_tickets("tickets", rules, found, unmask is not None, as_json)


@tickets_app.command("show")
def tickets_show(number: TicketNumber, workspace: Place = HERE, unmask: Unmask = None, as_json: AsJson = False) -> None:
    """Show a ticket: both values, who must answer by when, and what became of it."""
    ws, rules, store = _tickets(workspace)
    ticket = store.ticket(number)
    open_clear_text(ws, rules, unmask, _about([ticket]), {"action": "tickets show", "ticket": number})
    document = _ticket_document(rules, ticket, unmask is not None)
    one = rules.entities.get(ticket.entity)
    events = store.events(number)
    for event in events if unmask is None else ():
        if event.get("corrected_value"):
            value = event["corrected_value"]
            event["corrected_value"] = mask_value(one.entity, ticket.field, value) if one else None
    if as_json:
        return print_json(document | {"events": events})
    for name, value in document.items():
        if value is not None:
            out.print(plain(f"{name}: {field_title(one, value) if name == 'field' else value}"))
    for event in events:
        told = {name: part for name, part in event.items() if part not in (None, {}, "", False)}
        out.print(plain(" ".join(f"{name}={as_cell(part)}" for name, part in told.items())))


@tickets_app.command("send")
def tickets_send(
    to: Annotated[Path, typer.Option("--to", help="The folder for the sheets.")],
    workspace: Place = HERE,
    source: SourceOption = None,
    entity: OneEntity = None,
    again: Annotated[bool, typer.Option("--again", help="Those sent before and not answered as well.")] = False,
    limit: Annotated[int, typer.Option(help="How many tickets on one sheet; -1 for all.")] = return_sheets.MOST,
    as_of: AsOf = None,
    as_json: AsJson = False,
) -> None:
    """Write one return sheet per source, as XLSX and CSV, and mark its tickets as sent."""
    _, rules, store = _tickets(workspace)
    sent = return_sheets.send(store, rules, to, day_of(as_of), source, entity, again, limit)
    if as_json:
        return print_json([dataclasses.asdict(one) for one in sent])
    names = ("entity", "source", "owner", "tickets", "due")
    rows = [[*(as_cell(getattr(one, name)) for name in names), " ".join(one.files)] for one in sent]
    print_table(f"sheets in {to}", (*names, "files"), rows)


@tickets_app.command("answer")
def tickets_answer(
    file: Annotated[Path, typer.Option("--file", help="A return sheet that came back, XLSX or CSV.")],
    workspace: Place = HERE,
    source: Annotated[str | None, typer.Option(help="Who handed it in: a sheet of another source is refused.")] = None,
    partial: Annotated[bool, typer.Option("--partial", help="Take the good rows although others are wrong.")] = False,
    steward: Steward = "",
    as_of: AsOf = None,
    as_json: AsJson = False,
) -> None:
    """Take the answers of a return sheet: all of them or, where a row is wrong, none."""
    _, rules, store = _tickets(workspace)
    taken = answers.take(store, rules, file, day_of(as_of), source, partial, steward)
    if as_json:
        return print_json(dataclasses.asdict(taken))
    out.print(
        f"{taken.file}: {taken.taken} answers of {taken.source} are taken, {taken.already} were known, "
        f"{taken.closed} came to closed tickets, {taken.unanswered} rows have none, {len(taken.bad)} cells are wrong."
    )
    for one in taken.bad:
        out.print(plain(f"  {one.cell}: {one.reason}"))


@tickets_app.command("close")
def tickets_close(
    number: TicketNumber, reason: Reason, workspace: Place = HERE, steward: Steward = "", as_of: AsOf = None
) -> None:
    """Close a ticket by hand; its difference is not asked again."""
    ws, _, store = _tickets(workspace)
    store.close(number, reason, day_of(as_of), steward)
    AuditTrail(ws.decisions).append("close ticket", {"ticket": number, "reason": reason})
    out.print(f"ticket {number} is closed.")


@tickets_app.command("overdue")
def tickets_overdue(
    workspace: Place = HERE,
    source: SourceOption = None,
    entity: OneEntity = None,
    as_of: AsOf = None,
    unmask: Unmask = None,
    as_json: AsJson = False,
) -> None:
    """List tickets that had no answer, or no promised correction, on the day they were due."""
    ws, rules, store = _tickets(workspace)
    day = day_of(as_of)
    if not tickets.calendar_of(ws.rules_folder).announced(day.year):
        err.print(f"note: holidays.csv has no worked weekends of {day.year} yet; see docs/tickets.md")
    found = store.overdue(day, source, entity)
    detail = {"action": "tickets overdue", "source": source, "entity": entity}
    open_clear_text(ws, rules, unmask, _about(found), detail)
    _show_tickets(f"overdue on {day}", rules, found, unmask is not None, as_json)


@tickets_app.command("escalate")
def tickets_escalate(workspace: Place = HERE, as_of: AsOf = None, as_json: AsJson = False) -> None:
    """Put what two sides cannot settle to their common superior: overdue, or upheld on both sides."""
    ws, rules, store = _tickets(workspace)
    found = store.escalate(rules, day_of(as_of))
    raised = [one.ticket.ticket_id for one in found if one.superior]
    if raised:
        AuditTrail(ws.decisions).append("escalate tickets", {"tickets": raised})
    for one in found:
        if one.superior is None:
            err.print(f"note: ticket {one.ticket.ticket_id} stays: no common superior; see owners in sources.toml")
    documents = [{"why": one.why, "to": one.superior} | _ticket_document(rules, one.ticket, False) for one in found]
    if as_json:
        return print_json(documents)
    names = ("ticket_id", "why", "to", "owner", "entity", "source", "source_key", "field", "value_source", "due")
    print_table("escalated", names, [[as_cell(one[name]) for name in names] for one in documents])


def _tickets(workspace: Path) -> tuple[Workspace, Rules, tickets.TicketStore]:
    """The tickets of a workspace, those of the last release among them even if its run died before it opened them."""
    ws = Workspace.open(workspace)
    rules = ws.load_rules()
    store = tickets.TicketStore(DecisionStore(ws.decisions))
    store.refresh(ws, rules)
    return ws, rules, store


def _ticket_document(rules: Rules, ticket: tickets.Ticket, clear: bool) -> dict[str, Any]:
    document = dataclasses.asdict(ticket)
    if not clear:
        del document["evidence"]  # with two masked values beside it, it gives them away
    one = rules.entities.get(ticket.entity)
    for name in ("value", "said") if not clear else ():
        document[name] = mask_value(one.entity, ticket.field, document[name]) if one else None
    return document


def _about(found: Iterable[tickets.Ticket]) -> list[tuple[str, SourceRecord]]:
    """The records whose values tickets show: who says something else, and where the golden value is from."""
    return [
        (one.entity, record)
        for one in found
        for record in ((one.source, one.source_key), (one.value_source, one.value_source_key))
    ]


def _show_tickets(title: str, rules: Rules, found: list[tickets.Ticket], clear: bool, as_json: bool) -> None:
    documents = [_ticket_document(rules, one, clear) for one in found]
    if as_json:
        return print_json(documents)
    names = ("ticket_id", "state", "due", "owner", "entity", "source", "source_key", "field", "said", "value")
    rows = [[as_cell(one[name]) for name in (*names, "value_source", "golden_id")] for one in documents]
    print_table(title, (*names, "value_source", "golden_id"), rows)
