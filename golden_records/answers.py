"""Takes the answers of a return sheet: all of them or, where a row is wrong, none, unless the good ones are asked for.

Reads: a sheet (return_sheets.py), ticket. Writes: decision (kind `answer`), ticket_event, ticket.

An answer is a decision: it is kept, may be withdrawn, and is found again by its evidence wherever decisions are taken
to. A value that was upheld is asked back to the source of the golden value.
"""

from __future__ import annotations

import json
import sqlite3
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from golden_records.manifest import file_sha256
from golden_records.return_sheets import (
    ANSWER,
    ANSWERS,
    FIELD,
    KEY,
    MARK,
    NUMBER,
    READ,
    REASON,
    VALUE,
    Mark,
    Sheet,
    SheetRow,
    cell_name,
    read_sheet,
)
from golden_records.tickets import Ticket, TicketStore, add_event, ask_back, due_on, tickets_where
from linkage.audit_trail import AuditTrail
from linkage.decisions import Decision
from linkage.values import Read, read_values
from rules.errors import InputError, NotFoundError, RefusedError
from rules.kinds import KINDS
from rules.model import EntityRules, Rules

_SHOWN = 20
_COLUMN = {cell_name(0, column)[0]: name for column, name in ((ANSWER, "answer"), (VALUE, "value"), (REASON, "reason"))}
_SERIAL = "date_excel_serial"


@dataclass(frozen=True)
class Bad:
    """A cell that keeps its row from being taken, and why."""

    cell: str
    reason: str


@dataclass(frozen=True)
class Taken:
    """What became of the rows of a sheet: taken, known before, about closed tickets, without an answer, wrong."""

    file: str
    entity: str
    source: str
    taken: int
    already: int
    closed: int
    unanswered: int
    bad: tuple[Bad, ...]


@dataclass(frozen=True)
class _Said:
    """A good row: what it answers to which ticket."""

    ticket: Ticket
    answer: str
    value: str
    reason: str


def take(
    store: TicketStore,
    rules: Rules,
    path: Path,
    as_of: date,
    source: str | None = None,
    partial: bool = False,
    steward: str = "",
) -> Taken:
    """Take in the sheet at `path`. With `source`, a sheet of another source is refused.

    Raises:
        InputError: the sheet was changed or a row is wrong; the message names the cells; nothing was taken.
    """
    sheet = read_sheet(path)
    one = rules.entities.get(sheet.entity)
    if one is None or source not in (None, sheet.source):
        asked = f"not of {source!r}" if one else "which the rules lack"
        raise InputError(f"{path.name}: this is a sheet of {sheet.entity}/{sheet.source}, {asked}; nothing was taken")
    taken, counts, bad = _take(store, rules, sheet, as_of, steward, partial)
    if bad and not partial:
        raise InputError(_listed(path, bad))
    detail = {"file": path.name, "sha256": file_sha256(path), "taken": taken, "bad": len(bad)}
    AuditTrail(store.decisions.path).append("answer tickets", detail | {"entity": one.name, "source": sheet.source})
    return Taken(
        *(path.name, sheet.entity, sheet.source, taken),
        *(counts["already"], counts["closed"], counts["unanswered"], tuple(bad)),
    )


def take_one(
    store: TicketStore, rules: Rules, number: int, said: tuple[str, str, str], as_of: date, steward: str
) -> None:
    """Take the answer to one ticket: (corrected, upheld or rejected; the corrected value; the reason).

    Raises:
        NotFoundError: there is no such ticket, or the rules lack its entity type.
        InputError: the answer is not one, or lacks something.
        RefusedError: the ticket is closed, or was answered so before.
    """
    ticket = store.ticket(number)
    if ticket.entity not in rules.entities:
        raise NotFoundError(f"the rules lack entity type {ticket.entity!r} of ticket {number}")
    cells = {NUMBER: str(number), KEY: ticket.source_key, FIELD: ticket.field}
    cells |= dict(zip((ANSWER, VALUE, REASON), (text.strip() for text in said), strict=True))
    mark = Mark(ticket.entity, ticket.source, number, ticket.seal)
    row = SheetRow(0, mark, tuple(cells.get(column, "") for column in range(REASON + 1)))
    sheet = Sheet(ticket.entity, ticket.source, (row,), (), frozenset())
    taken, counts, bad = _take(store, rules, sheet, as_of, steward, partial=False)
    if bad:
        raise InputError(f"the {_COLUMN.get(bad[0].cell[0], 'answer')} {bad[0].reason}")
    if not taken:
        why = "is closed" if counts["closed"] else "has this answer already" if counts["already"] else "needs an answer"
        raise RefusedError(f"ticket {number} {why}")
    detail = {"ticket": number, "answer": said[0]}
    AuditTrail(store.decisions.path).append("answer ticket", detail, steward or None)


def _take(
    store: TicketStore, rules: Rules, sheet: Sheet, as_of: date, steward: str, partial: bool
) -> tuple[int, Counter[str], list[Bad]]:
    """Keep the good rows of a sheet, or none where one is wrong and not `partial`: how many, by place, the wrong."""
    one = rules.entities[sheet.entity]
    read = _values(one, rules.folder, sheet, as_of)
    due = due_on(rules.folder, as_of)
    with store.writing() as db:
        counts: Counter[str] = Counter()
        bad = [Bad(f"A{line}", reason) for line, reason in sheet.rejected]
        good: list[_Said] = []
        often = Counter(row.mark.ticket_id for row in sheet.rows if row.mark)
        tickets, values = _tickets(db, often)
        for row in sheet.rows:
            ticket = tickets.get(row.mark.ticket_id) if row.mark else None
            wrong = list(_misplaced(sheet, row, ticket, often)) or list(_wrong(sheet, row, ticket, read))
            bad += wrong
            if ticket is None or wrong:
                continue
            said = _Said(ticket, READ.get(row.cells[ANSWER], ""), row.cells[VALUE], row.cells[REASON])
            place = _place(said, values.get(ticket.ticket_id))
            counts[place] += 1
            if place == "taken":
                good.append(said)
        if bad and not partial:
            return 0, counts, bad
        _keep(store, db, good, as_of, steward)
        ask_back(db, rules, [said.ticket for said in good if said.answer == "upheld"], as_of, due)
    return len(good), counts, bad


def _tickets(db: sqlite3.Connection, numbers: Iterable[int]) -> tuple[dict[int, Ticket], dict[int, str]]:
    """The tickets with these numbers, and the corrected values of the answers in force."""
    asked = json.dumps(list(numbers))
    found = tickets_where(db, "ticket_id in (select value from json_each($asked))", asked=asked)
    values = db.execute(
        "select ticket_id, json_extract(d.payload, '$.value') from ticket_now "
        "join decision as d on d.decision_id = answered_by "
        "where ticket_id in (select value from json_each(?)) and answer is not null",
        (asked,),
    ).fetchall()
    return {ticket.ticket_id: ticket for ticket in found}, {number: value or "" for number, value in values}


def _misplaced(sheet: Sheet, row: SheetRow, ticket: Ticket | None, often: Counter[int]) -> Iterator[Bad]:
    """What is wrong with the locked cells of a row: it is not the row that was sent."""
    at = cell_name(row.line, MARK)
    if row.mark is None:
        yield Bad(at, "does not say which ticket the row is about: it was added, or cells were moved or merged")
    elif (row.mark.entity, row.mark.source) != (sheet.entity, sheet.source):
        yield Bad(at, f"is a row of the sheet of {row.mark.entity}/{row.mark.source}")
    elif ticket is None:
        yield Bad(at, f"there is no ticket {row.mark.ticket_id}")
    elif (ticket.entity, ticket.source) != (sheet.entity, sheet.source):
        yield Bad(at, f"ticket {ticket.ticket_id} is one of another source")
    elif ticket.seal != row.mark.seal:
        yield Bad(at, f"ticket {ticket.ticket_id} is not the one that was sent: the sheet is from another workspace")
    elif often[ticket.ticket_id] > 1:
        yield Bad(at, f"ticket {ticket.ticket_id} stands in {often[ticket.ticket_id]} rows; which one is right?")
    elif row.cells[NUMBER] != str(ticket.ticket_id):
        yield Bad(cell_name(row.line, NUMBER), f"is not ticket {ticket.ticket_id} of the row: cells were moved")
    elif row.cells[KEY] != ticket.source_key:
        yield Bad(
            cell_name(row.line, KEY),
            f"is not the key of the record that ticket {ticket.ticket_id} is about: cells were moved, "
            "or a spreadsheet changed the key",
        )
    elif row.cells[FIELD].rpartition(" ")[2] != ticket.field:
        yield Bad(cell_name(row.line, FIELD), f"is not the field of ticket {ticket.ticket_id}: cells were moved")


def _wrong(sheet: Sheet, row: SheetRow, ticket: Ticket | None, read: dict[tuple[str, str], Read]) -> Iterator[Bad]:
    """What is wrong with the answer of a row. What was typed is not repeated: it may be anybody's data."""
    label, value, reason = row.cells[ANSWER], row.cells[VALUE], row.cells[REASON]
    at_answer, at_value, at_reason = (cell_name(row.line, column) for column in (ANSWER, VALUE, REASON))
    answer = READ.get(label)
    assert ticket is not None
    if not label and (value or reason):
        yield Bad(at_answer, f"is empty beside a value or a reason; expected one of {', '.join(ANSWERS)}")
    elif label and answer is None:
        yield Bad(at_answer, f"unknown answer; expected one of {', '.join(ANSWERS)}")
    elif value and answer != "corrected":
        yield Bad(at_value, f"a corrected value beside the answer {label}")
    elif answer in ("upheld", "rejected") and not reason:
        yield Bad(at_reason, f"is empty: {label} needs a reason")
    elif value and (row.line, VALUE) in sheet.numbers:
        yield Bad(at_value, "holds a number, not text: a spreadsheet changes dates and long numbers; type it as text")
    elif value and (ticket.field, value) in read:
        found = read[ticket.field, value]
        if _SERIAL in found.findings:
            yield Bad(at_value, "a date as the number of a spreadsheet; write it as a date")
        elif found.value is None:
            yield Bad(at_value, f"cannot be read as {ticket.field} ({', '.join(found.findings) or 'nothing in it'})")
        elif found.value == ticket.said:
            yield Bad(at_value, "is what the record says already")


def _values(one: EntityRules, folder: Path, sheet: Sheet, as_of: date) -> dict[tuple[str, str], Read]:
    """What the kinds make of the corrected values: (field, text) -> value and findings. Keys of others stay unread."""
    typed: dict[str, set[str]] = {}
    for row in sheet.rows:
        field = row.cells[FIELD].rpartition(" ")[2]
        if row.cells[VALUE] and field in one.entity.fields and not one.entity.fields[field].options.get("entity"):
            typed.setdefault(field, set()).add(row.cells[VALUE])
    found: dict[tuple[str, str], Read] = {}
    for field, texts in typed.items():
        errors = {c for c, f in KINDS[one.entity.fields[field].kind].findings.items() if f.severity == "error"}
        for text, read in read_values(one, folder, field, texts, as_of).items():
            usable = not errors & set(read.findings)
            found[field, text] = read if usable else Read(None, None, read.findings)
    return found


def _place(said: _Said, held: str | None) -> str:
    """Whether an answer is taken, is in force already, comes to a closed ticket, or is none.

    `held` is the corrected value of the answer in force.
    """
    if not said.answer:
        return "unanswered"
    if said.ticket.answer == said.answer and held == said.value:
        return "already"
    return "closed" if said.ticket.state == "closed" else "taken"


def _keep(store: TicketStore, db: sqlite3.Connection, good: list[_Said], as_of: date, steward: str) -> None:
    labels = {answer: label for label, answer in ANSWERS.items()}
    decisions = [
        Decision(
            "answer",
            said.ticket.entity,
            ((said.ticket.source, said.ticket.source_key),),
            said.reason or labels[said.answer],
            steward,
            (
                ("ticket", said.ticket.ticket_id),
                ("field", said.ticket.field),
                ("answer", said.answer),
                ("value", said.value),
            ),
            said.ticket.evidence,
        )
        for said in good
    ]
    for said, number in zip(good, store.decisions.append(db, decisions), strict=True):
        add_event(db, said.ticket.ticket_id, said.answer, as_of, steward, decision_id=number)


def _listed(path: Path, bad: list[Bad]) -> str:
    told = "\n".join(f"{path.name} {one.cell}: {one.reason}" for one in bad[:_SHOWN])
    more = f"\n… and {len(bad) - _SHOWN:,} more" if len(bad) > _SHOWN else ""
    return f"{told}{more}\nnothing was taken; mend the cells, or take the good rows with --partial"
