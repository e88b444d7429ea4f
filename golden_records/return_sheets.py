"""Return sheets: tickets on their way to the owner of a source, as XLSX and as CSV, and on their way back.

A sheet is about one source of one entity type. Its layout is locked: one row per ticket, the columns of `COLUMNS` in
their order, of which the last three are to be filled in. The first column is hidden and says in each row what the row
is about, `<layout>/<entity>/<source>/<ticket>/<seal>`, so that cells which were shifted against each other are
noticed. Everything is text; a number where text belongs is refused, because a spreadsheet made it.
"""

from __future__ import annotations

import csv
import re
import zipfile
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path
from xml.etree import ElementTree

import duckdb
import xlsxwriter

from golden_records.manifest import file_sha256
from golden_records.tickets import Ticket, TicketStore, add_event
from linkage import reading
from linkage.audit_trail import AuditTrail
from rules.errors import InputError, RefusedError
from rules.model import EntityRules, Rules

LAYOUT = "1"
ANSWERS = {"已更正": "corrected", "维持原值": "upheld", "不予采纳": "rejected"}
READ = ANSWERS | {answer: answer for answer in ANSWERS.values()}  # sheets may be answered in English, too
COLUMNS = (
    "版式",
    "工单号",
    "记录主键",
    "数据项",
    "本单位数据",
    "核对数据",
    "核对数据来源",
    "答复期限",
    "答复",
    "更正值",
    "理由",
)
MARK, NUMBER, KEY, FIELD, ANSWER, VALUE, REASON = 0, 1, 2, 3, 8, 9, 10
HIDDEN = "（不一致，内容不在共享范围）"
MOST = 10_000
_WIDTHS = (1, 8, 20, 20, 30, 30, 24, 12, 12, 30, 40)
_FORMULA = ("=", "+", "-", "@", "\t", "\r")
_MARK = re.compile(r"(\w+)/(\w+)/(\w+)/(\d+)/([0-9a-f]{8})")
_CELL = re.compile(r"([A-Z])(\d+)")
_MOST_XML = 1 << 28


@dataclass(frozen=True)
class Sent:
    """A sheet that was written: about which source, for whom, how many tickets, its files with their SHA-256."""

    entity: str
    source: str
    owner: str
    tickets: int
    due: str
    files: dict[str, str]


@dataclass(frozen=True)
class Mark:
    """What the hidden column says a row is about."""

    entity: str
    source: str
    ticket_id: int
    seal: str


@dataclass(frozen=True)
class SheetRow:
    """A row of a sheet that came back: its line, what it is about (None: it does not say), and its cells."""

    line: int
    mark: Mark | None
    cells: tuple[str, ...]


@dataclass(frozen=True)
class Sheet:
    """A sheet that came back. `numbers` are the cells (line, column) that hold a number, not text."""

    entity: str
    source: str
    rows: tuple[SheetRow, ...]
    rejected: tuple[tuple[int, str], ...]
    numbers: frozenset[tuple[int, int]]


def send(
    store: TicketStore,
    rules: Rules,
    folder: Path,
    as_of: date,
    source: str | None = None,
    entity: str | None = None,
    again: bool = False,
    most: int = MOST,
) -> list[Sent]:
    """Write the open tickets, the oldest first, one sheet per source into `folder`, and mark them sent.

    `again` takes those along that were sent or escalated and have no answer yet; `most` per sheet.

    Raises:
        RefusedError: a sheet of this name with other content is there.
    """
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    return [
        _send(store, rules.entities[tickets[0].entity], tickets, folder, as_of)
        for tickets in store.to_send(source, entity, again, most)
        if tickets and tickets[0].entity in rules.entities
    ]


def _send(store: TicketStore, one: EntityRules, tickets: Sequence[Ticket], folder: Path, as_of: date) -> Sent:
    """Write one sheet. It is in the audit trail before it has its name, and has its name before it counts as sent."""
    source = tickets[0].source
    stem = f"{one.name}_{source}_{tickets[0].ticket_id}-{tickets[-1].ticket_id}"
    rows = [sheet_row(one, ticket) for ticket in tickets]
    files: dict[str, str] = {}
    making = [folder / f".{stem}.xlsx", folder / f".{stem}.csv"]
    try:
        write_xlsx(making[0], rows, as_of)
        write_csv(making[1], rows)
        for path in making:
            path.chmod(0o600)
            target = folder / path.name[1:]
            files[target.name] = file_sha256(path) or ""
            if target.exists() and file_sha256(target) != files[target.name]:
                raise RefusedError(f"{target} exists and holds something else; choose another folder")
        detail = {"tickets": len(tickets), "entity": one.name, "source": source, "owner": tickets[0].owner}
        trail = AuditTrail(store.decisions.path)
        trail.append("export", detail | {"purpose": "verification of data by their source", "files": files})
        for path in making:
            path.replace(folder / path.name[1:])
    finally:
        for path in making:
            path.unlink(missing_ok=True)
    with store.writing() as db:
        for ticket in tickets:
            add_event(db, ticket.ticket_id, "sent", as_of, detail={"files": files})
    due = min(ticket.due for ticket in tickets)
    return Sent(one.name, source, tickets[0].owner, len(tickets), due, files)


def sheet_row(one: EntityRules, ticket: Ticket) -> tuple[str, ...]:
    """The cells of a ticket; of a field that the recipient may not see only that the values differ."""
    sources = one.sources.sources
    shown = ticket.source in sources and ticket.field in sources[ticket.source].visible
    other = sources.get(ticket.value_source)
    return (
        f"{LAYOUT}/{ticket.entity}/{ticket.source}/{ticket.ticket_id}/{ticket.seal}",
        str(ticket.ticket_id),
        ticket.source_key,
        label(one, ticket.field),
        (ticket.said or "") if shown else HIDDEN,
        (ticket.value or "") if shown else HIDDEN,
        other.title.zh if other else ticket.value_source,
        ticket.due,
        "",
        "",
        "",
    )


def label(one: EntityRules, field: str) -> str:
    """What a sheet calls a field."""
    known = one.entity.fields.get(field)
    return f"{known.title.zh} {field}" if known else field


def write_xlsx(path: Path, rows: Sequence[tuple[str, ...]], as_of: date) -> None:
    """Write a sheet of which only the last three columns can be changed; the same rows give the same bytes."""
    book = xlsxwriter.Workbook(str(path), {"strings_to_formulas": False, "strings_to_urls": False})
    book.set_properties({"created": datetime(as_of.year, as_of.month, as_of.day), "title": "数据校核单"})
    heading = book.add_format({"bold": True, "bg_color": "#D9E2F3", "border": 1, "num_format": "@"})
    locked = book.add_format({"num_format": "@", "border": 1, "text_wrap": True})
    free = book.add_format({"num_format": "@", "border": 1, "text_wrap": True, "locked": False, "bg_color": "#FFF9E5"})
    sheet = book.add_worksheet("校核")
    for column, width in enumerate(_WIDTHS):
        sheet.set_column(column, column, width, None, {"hidden": column == MARK})
        sheet.write_string(0, column, COLUMNS[column], heading)
    for line, row in enumerate(rows, start=1):
        for column, cell in enumerate(row):
            sheet.write_string(line, column, cell, free if column >= ANSWER else locked)
    labels = list(ANSWERS)
    sheet.data_validation(
        1,
        ANSWER,
        max(len(rows), 1),
        ANSWER,
        {
            "validate": "list",
            "source": labels,
            "input_title": "答复",
            "input_message": f"请选择：{'、'.join(labels)}。维持原值、不予采纳须写明理由。",
            "error_title": "答复",
            "error_message": f"只能填写：{'、'.join(labels)}",
        },
    )
    sheet.freeze_panes(1, KEY + 1)
    sheet.protect("", {"format_columns": True, "format_rows": True})
    book.close()


def write_csv(path: Path, rows: Iterable[tuple[str, ...]]) -> None:
    """Write the same table as text; what a spreadsheet would run as a formula begins with an apostrophe."""
    with path.open("w", encoding="utf-8-sig", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(COLUMNS)
        writer.writerows([guarded(cell) for cell in row] for row in rows)


def guarded(cell: str) -> str:
    """A cell of a CSV that no spreadsheet takes for a formula."""
    return f"'{cell}" if cell.startswith(_FORMULA) else cell


def unguarded(cell: str) -> str:
    """A cell as it was before it was guarded."""
    return cell[1:] if cell.startswith("'") and cell[1:].startswith(_FORMULA) else cell


def cell_name(line: int, column: int) -> str:
    """A cell as spreadsheets call it, such as J7."""
    return f"{chr(ord('A') + column)}{line}"


def read_sheet(path: Path) -> Sheet:
    """A sheet that came back; its layout is checked, its answers are not.

    Raises:
        InputError: the file cannot be read, is no return sheet, or its layout was changed; the message names the cell.
    """
    if path.suffix.lower() not in (".xlsx", ".csv"):
        raise InputError(f"{path.name}: a return sheet is .xlsx or .csv, as 'shuyuan tickets send' wrote it")
    with duckdb.connect() as con:
        incoming = reading.read(con, path)
        lines = con.execute("select * from incoming order by line").fetchall()
    _check_headings(path, incoming.headings)
    numbers = _inspect(path) if path.suffix.lower() == ".xlsx" else frozenset()
    rows = []
    for line, *cells in lines:
        texts = tuple(unguarded(str(cell or "").strip()) for cell in cells[: len(COLUMNS)])
        if any((*texts, *cells[len(COLUMNS) :])):
            rows.append(SheetRow(line, _mark(path, line, texts[MARK]), texts))
    about = next((row.mark for row in rows if row.mark is not None), None)
    if about is None:
        raise InputError(f"{path.name} A2: no row says which ticket it is about; return the sheet that was sent")
    rejected = tuple((one.line, one.reason) for one in incoming.rejected)
    return Sheet(about.entity, about.source, tuple(rows), rejected, numbers)


def _check_headings(path: Path, found: tuple[str, ...]) -> None:
    if not set(found) & set(COLUMNS):
        raise InputError(f"{path.name} A1: {found[0]!r} heads the first column: this is no return sheet")
    for column, expected in enumerate(COLUMNS):
        said = found[column] if column < len(found) else ""
        if said == expected:
            continue
        where = f"{path.name} {cell_name(1, column)}"
        if expected not in found:
            raise InputError(f"{where}: column {expected!r} is missing or was renamed (found {said!r})")
        raise InputError(f"{where}: expected {expected!r}, found {said!r}: columns were moved, added or left out")
    more = next((name for name in found[len(COLUMNS) :] if name), None)
    if more is not None:
        raise InputError(f"{path.name} {cell_name(1, found.index(more))}: column {more!r} was added")


def _mark(path: Path, line: int, text: str) -> Mark | None:
    found = _MARK.fullmatch(text)
    if found is None:
        return None
    layout, entity, source, number, seal = found.groups()
    if layout != LAYOUT:
        raise InputError(f"{path.name} A{line}: layout {layout!r}; this version reads layout {LAYOUT!r}: send it again")
    return Mark(entity, source, int(number), seal)


def _inspect(path: Path) -> frozenset[tuple[int, int]]:
    """The cells of the first sheet that hold numbers.

    Raises:
        InputError: cells are merged, which hides rows from whoever reads the table, or it does not begin in A1.
    """
    numbers = set()
    begins = False
    for tag, element in _elements(path):
        if tag == "mergeCell":
            where = f"{path.name} {element.get('ref', '')}"
            raise InputError(f"{where}: cells are merged; undo it, each row answers one ticket")
        filled = tag == "c" and any(_plain(child.tag) in ("v", "is") for child in element)
        found = _CELL.fullmatch(element.get("r", "")) if filled else None
        if found is not None:
            column, line = ord(found[1]) - ord("A"), int(found[2])
            begins = begins or (line, column) == (1, 0)
            if element.get("t", "n") == "n":
                numbers.add((line, column))
    if not begins:
        raise InputError(f"{path.name} A1: is empty: rows or columns were put in front of the table; take them out")
    return frozenset(numbers)


def _elements(path: Path) -> Iterator[tuple[str, ElementTree.Element]]:
    """The elements of the first sheet of a workbook, each when it is complete."""
    try:
        with zipfile.ZipFile(path) as archive:
            inside = archive.getinfo(_first_sheet(archive))
            if inside.file_size > _MOST_XML:
                raise InputError(f"{path.name}: {inside.file_size:,} bytes in one sheet are too many; split it")
            with archive.open(inside) as file:
                for _, element in ElementTree.iterparse(file):
                    tag = _plain(element.tag)
                    yield tag, element
                    if tag == "row":
                        element.clear()
    except (zipfile.BadZipFile, ElementTree.ParseError, KeyError) as error:
        raise InputError(f"{path.name}: not a readable XLSX file ({error}); save it again") from error


def _first_sheet(archive: zipfile.ZipFile) -> str:
    """The name, inside an XLSX file, of the sheet that stands first in its workbook."""
    book = ElementTree.fromstring(archive.read("xl/workbook.xml"))
    first = next(element for element in book.iter() if _plain(element.tag) == "sheet")
    relation = next(value for name, value in first.attrib.items() if _plain(name) == "id")
    for element in ElementTree.fromstring(archive.read("xl/_rels/workbook.xml.rels")).iter():
        if element.get("Id") == relation:
            target = element.get("Target", "")
            return target.removeprefix("/") if target.startswith("/") else f"xl/{target}"
    raise KeyError(relation)


def _plain(tag: str) -> str:
    """The name of an XML element without its namespace."""
    return tag.rpartition("}")[2]
