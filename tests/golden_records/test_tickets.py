"""Tickets: a difference goes to its source, comes back answered, and ends where the source's next batch agrees."""

from __future__ import annotations

import csv
import hashlib
import json
import re
import shutil
import sqlite3
import zipfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import fastexcel
import pytest
import xlsxwriter
from typer.testing import CliRunner

from cli import app
from golden_records import answers, return_sheets
from golden_records.return_sheets import ANSWER, COLUMNS, HIDDEN, KEY, MARK, NUMBER, REASON, VALUE
from golden_records.tickets import TicketStore, common_superior, due_on, evidence
from linkage.audit_trail import AuditTrail
from linkage.decision_files import export_csv, import_csv
from linkage.decisions import DecisionStore
from linkage.workspace import Workspace
from rules.errors import InputError, NotFoundError, RefusedError, RulesError
from rules.loader import SHIPPED, load_rules
from rules.working_days import Calendar, read_calendar
from tests.golden_records.things import Yard
from tests.leave import give_leave

FIRST, SECOND, THIRD = date(2024, 2, 5), date(2024, 3, 5), date(2024, 4, 8)
NAMES = ("海鸥", "东风", "长江", "黄河", "珠江", "嘉陵", "汉江", "湘江")
UPHELD = "维持原值"
Cells = list[list[str]]


@dataclass(frozen=True)
class Office:
    """A workspace of ships with its tickets, and the people who send sheets and get them back."""

    yard: Yard

    @classmethod
    def create(cls, folder: Path, ships: int = len(NAMES)) -> Office:
        """One release: every ship has a name in registry and insurer, and another one in the harbour."""
        yard = Yard.create(folder / "ws")
        named = list(enumerate(NAMES[:ships]))
        yard.deliver("registry", "2024-01-31", *(_ship("r", i, name) for i, name in named))
        yard.deliver("insurer", "2024-01-31", *(_ship("i", i, name) for i, name in named))
        yard.deliver("harbour", "2024-02-01", *(_ship("h", i, f"{name}号") for i, name in named))
        yard.release(FIRST)
        return cls(yard)

    def copy(self, folder: Path) -> Office:
        shutil.copytree(self.yard.ws.root, folder / "ws", symlinks=True)
        return Office(Yard(Workspace.open(folder / "ws")))

    @property
    def store(self) -> TicketStore:
        return TicketStore(self.yard.decisions)

    def stands(self) -> dict[str, tuple[str, str | None]]:
        """Where the last ticket of each record stands: state and, of a closed one, why."""
        return {t.source_key: (t.state, t.reason if t.state == "closed" else None) for t in self.store.tickets()}

    def ids(self) -> dict[str, int]:
        """The last ticket of each record."""
        return {t.source_key: t.ticket_id for t in self.store.tickets()}

    def send(self, as_of: date = FIRST, **options: Any) -> Path:
        """Send the open tickets; gives the folder of the sheets."""
        folder = self.yard.ws.root.parent / f"sheets_{as_of}"
        return_sheets.send(self.store, self.yard.ws.load_rules(), folder, as_of, **options)
        return folder

    def take(self, path: Path, as_of: date = FIRST, **options: Any) -> answers.Taken:
        return answers.take(self.store, self.yard.ws.load_rules(), path, as_of, **options)

    def answer(self, as_of: date, **said: tuple[str, ...]) -> answers.Taken:
        """Answer tickets by the key of their record: the sheet as it was sent, with some cells filled in."""
        ids = self.ids()
        tickets = [self.store.ticket(ids[key]) for key in said]
        rules = self.yard.ws.load_rules().entities["ship"]
        path = self.yard.ws.root.parent / "answer.csv"
        rows = [list(return_sheets.sheet_row(rules, ticket)) for ticket in tickets]
        for row, cells in zip(rows, said.values(), strict=True):
            row[ANSWER : ANSWER + len(cells)] = cells
        return_sheets.write_csv(path, [tuple(row) for row in rows])
        return self.take(path, as_of)


def _ship(letter: str, number: int, name: str) -> Mapping[str, str]:
    return {"id": f"{letter}{number}", "mark": f"MK-{number}", "name": name}


@pytest.fixture(scope="module")
def office(tmp_path_factory: pytest.TempPathFactory) -> Office:
    """Two ships, two open tickets; tests that change it take a copy."""
    return Office.create(tmp_path_factory.mktemp("office"), 2)


# ── the life of a ticket ────────────────────────────────────────────────────────────────────────────


def test_over_three_releases_the_right_tickets_close_and_no_other_and_none_is_asked_twice(tmp_path: Path) -> None:
    office = Office.create(tmp_path)
    yard = office.yard
    opened = office.store.tickets()
    assert [(t.source, t.source_key, t.field, t.value, t.said) for t in opened] == [
        ("harbour", f"h{i}", "name", name, f"{name}号") for i, name in enumerate(NAMES)
    ]
    assert {(t.owner, t.opened_at, t.due, t.state) for t in opened} == {
        ("港务局", "2024-02-05", "2024-02-23", "open")
    }, "ten working days over the Spring Festival of 2024"

    office.send(date(2024, 2, 6))
    office.answer(
        date(2024, 2, 20),
        h0=("已更正", "海鸥", ""),
        h1=(UPHELD, "", "船舶证书如此"),
        h2=("不予采纳", "", "非本单位职责"),
        h6=("已更正", "", "下批更正"),
    )
    assert office.stands() == {
        "h0": ("corrected", None),
        "h1": ("upheld", None),
        "h2": ("closed", "rejected"),
        **{key: ("sent", None) for key in ("h3", "h4", "h5", "h7")},
        "h6": ("corrected", None),
        "i1": ("open", None),
    }, "what the harbour upholds is asked back to the source of the golden value"

    yard.deliver("registry", "2024-03-01", *(_ship("r", i, n) for i, n in enumerate((*NAMES[:7], "湘江号"))))
    yard.deliver("insurer", "2024-03-01", _ship("i", 7, "湘江号"))
    yard.deliver("harbour", "2024-03-01", _ship("h", 0, "海鸥"), {"id": "h3", "op": "gone"}, _ship("h", 4, "珠江一号"))
    yard.release(SECOND)
    second = office.stands()
    assert second == {
        "h0": ("closed", "agrees"),
        "h1": ("upheld", None),
        "h2": ("closed", "rejected"),
        "h3": ("closed", "withdrawn"),
        "h4": ("open", None),
        "h5": ("sent", None),
        "h6": ("corrected", None),
        "h7": ("closed", "settled"),
        "i1": ("open", None),
    }
    (old,) = [t for t in office.store.tickets() if t.source_key == "h4" and t.state == "closed"]
    assert (old.said, old.reason, office.store.ticket(office.ids()["h4"]).said) == ("珠江号", "superseded", "珠江一号")
    assert [t.source_key for t in office.store.overdue(SECOND)] == ["h5", "h6"], "promised and not delivered counts"

    office.answer(date(2024, 3, 6), i1=("已更正", "东风号", ""))
    yard.deliver("insurer", "2024-04-01", _ship("i", 1, "东风号"))
    yard.deliver("registry", "2024-04-01", *(_ship("r", i, n) for i, n in enumerate((*NAMES[:7], "湘江号"))))
    yard.deliver("harbour", "2024-04-01", _ship("h", 6, "汉江"), _ship("h", 4, "珠江"))
    yard.release(THIRD)
    assert office.stands() == second | {
        "h1": ("closed", "settled"),
        "h4": ("closed", "agrees"),
        "h6": ("closed", "agrees"),
        "i1": ("closed", "agrees"),
        "r1": ("open", None),
    }, "the registry alone differs from what harbour and insurer say now"
    assert len(office.store.tickets()) == len(NAMES) + 3
    assert AuditTrail(yard.ws.decisions).verify() is None


def test_to_take_in_a_release_again_changes_nothing(office: Office, tmp_path: Path) -> None:
    again = office.copy(tmp_path)
    before = again.store.tickets()
    assert again.store.refresh(again.yard.ws, again.yard.ws.load_rules()) == []
    again.yard.release(SECOND)
    assert again.store.tickets() == before
    assert len({t.evidence for t in before}) == 2


def test_a_release_whose_run_died_before_its_tickets_were_opened_is_taken_in_by_the_next(
    office: Office, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole, broken = office.copy(tmp_path / "whole"), office.copy(tmp_path / "broken")
    for one in (whole, broken):
        one.yard.deliver("harbour", "2024-03-01", _ship("h", 0, "海鸥"), _ship("h", 1, "东风一号"))

    def die(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(TicketStore, "refresh", die)
        with pytest.raises(KeyboardInterrupt):
            broken.yard.release(SECOND)
    assert broken.yard.ask().manifest.release == 2
    assert len(broken.store.tickets()) == 2
    whole.yard.release(SECOND)
    (done,) = broken.store.refresh(broken.yard.ws, broken.yard.ws.load_rules())
    assert (done.opened, done.closed, done.again) == (1, 2, 0)
    assert broken.store.tickets() == whole.store.tickets()


@pytest.mark.parametrize("said", ["海鸥号", None, "", 'a "b" \\ c', "tab\t line\n \x01 \x7f \u2028 😀"])
def test_a_difference_is_named_by_the_hash_of_a_json_list(said: str | None) -> None:
    listed = json.dumps(["name", "海鸥", said], ensure_ascii=False)
    assert evidence("name", "海鸥", said) == hashlib.sha256(listed.encode()).hexdigest()


def test_an_entity_type_that_is_delivered_later_is_asked_about_as_well(tmp_path: Path) -> None:
    yard = Yard.create(tmp_path / "ws")
    boats = yard.ws.rules_folder / "boat"
    shutil.copytree(yard.ws.rules_folder / "ship", boats)
    said = (boats / "entity.toml").read_text("utf-8").replace('entity = "ship"', 'entity = "boat"')
    (boats / "entity.toml").write_text(said.replace('prefix = "S"', 'prefix = "B"'), "utf-8")
    for entity, day in (("ship", FIRST), ("boat", SECOND)):
        yard.deliver("registry", f"{day}", _ship("r", 0, "海鸥"), entity=entity)
        yard.deliver("insurer", f"{day}", _ship("i", 0, "海鸥"), entity=entity)
        yard.deliver("harbour", f"{day}", _ship("h", 0, "海鸥号"), entity=entity)
        yard.release(day)
    opened = Office(yard).store.tickets()
    assert [(t.entity, t.release, t.state) for t in opened] == [("ship", 1, "open"), ("boat", 2, "open")]


def test_where_the_tickets_cannot_be_opened_the_release_stands_all_the_same(
    office: Office, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    office = office.copy(tmp_path)
    office.yard.deliver("harbour", "2024-03-01", _ship("h", 0, "海鸥"))

    def fail(*_: object) -> None:
        raise sqlite3.OperationalError("disk I/O error")

    with monkeypatch.context() as patched:
        patched.setattr(TicketStore, "refresh", fail)
        assert office.yard.release(SECOND) == 2
    assert [one["state"] for one in _said(office, "list")] == ["closed", "open"], "the next command catches up"


def test_a_correction_that_is_undone_is_asked_anew_and_an_upheld_value_is_not(office: Office, tmp_path: Path) -> None:
    office = office.copy(tmp_path)
    office.answer(FIRST, h0=("已更正", "海鸥", ""), h1=(UPHELD, "", "证书"))
    office.yard.deliver("harbour", "2024-03-01", _ship("h", 0, "海鸥"), _ship("h", 1, "东风"))
    office.yard.release(SECOND)
    assert office.stands() == {
        "h0": ("closed", "agrees"),
        "h1": ("closed", "agrees"),
        "i1": ("closed", "settled"),
    }
    office.yard.deliver("harbour", "2024-04-01", _ship("h", 0, "海鸥号"), _ship("h", 1, "东风号"))
    office.yard.release(THIRD)
    assert office.stands() == {"h0": ("open", None), "h1": ("upheld", None), "i1": ("open", None)}
    again = office.store.ticket(office.ids()["h0"])
    assert (again.due, again.answer, again.opened_at) == ("2024-04-22", None, "2024-02-05")


def test_a_source_that_is_late_closes_nothing(office: Office, tmp_path: Path) -> None:
    office = office.copy(tmp_path)
    sources = office.yard.ws.rules_folder / "ship" / "sources.toml"
    text = sources.read_text("utf-8").replace('title = { zh = "港务"', 'cycle_days = 30\ntitle = { zh = "港务"')
    sources.write_text(text, "utf-8")
    office.yard.release(THIRD)
    assert office.yard.table("dispute") == []
    assert office.stands() == {"h0": ("open", None), "h1": ("open", None)}


def test_a_rollback_tells_nothing_new(office: Office, tmp_path: Path) -> None:
    from golden_records.release import rollback

    office = office.copy(tmp_path)
    office.yard.deliver("harbour", "2024-03-01", _ship("h", 0, "海鸥"))
    office.yard.release(SECOND)
    rollback(office.yard.ws, 1, THIRD)
    (done,) = office.store.refresh(office.yard.ws, office.yard.ws.load_rules())
    assert (done.release, done.opened, done.closed, done.again) == (3, 0, 0, 0)
    assert office.stands()["h0"] == ("closed", "agrees")


def test_a_ticket_closed_by_hand_is_not_asked_again(office: Office, tmp_path: Path) -> None:
    office = office.copy(tmp_path)
    number = office.ids()["h0"]
    office.store.close(number, "两值同义", FIRST, "eve")
    with pytest.raises(RefusedError, match="was closed on 2024-02-05"):
        office.store.close(number, "again", FIRST)
    with pytest.raises(InputError, match="needs a reason"):
        office.store.close(office.ids()["h1"], " ", FIRST)
    with pytest.raises(NotFoundError, match="no ticket 99"):
        office.store.close(99, "why", FIRST)
    office.yard.release(SECOND)
    assert office.stands()["h0"] == ("closed", "steward")


def test_answers_are_decisions_that_change_no_cluster_and_end_when_they_are_withdrawn(
    office: Office, tmp_path: Path
) -> None:
    office = office.copy(tmp_path)
    decisions = office.yard.decisions
    plan, last = office.yard.plan(), decisions.last_id()
    office.send()
    office.answer(FIRST, h0=("不予采纳", "", "无此职责"), h1=("已更正", "东风", ""))
    found = {d.subjects[0][1]: d for d in decisions.entries() if d.kind == "answer"}
    assert found["h1"].subjects == (("harbour", "h1"),)
    assert dict(found["h1"].payload) == {
        "ticket": office.ids()["h1"],
        "field": "name",
        "answer": "corrected",
        "value": "东风",
    }
    assert found["h1"].evidence == office.store.ticket(office.ids()["h1"]).evidence
    assert (decisions.replay("ship"), decisions.values("ship"), decisions.last_id()) == ([], [], last)
    assert office.yard.publish(plan) == 2, "answers that come in meanwhile put no plan out of date"
    for one in found.values():
        decisions.withdraw(one.decision_id)
    assert office.stands() == {"h0": ("sent", None), "h1": ("sent", None)}


def test_answers_that_were_taken_elsewhere_are_not_asked_again(office: Office, tmp_path: Path) -> None:
    one = office.copy(tmp_path)
    one.answer(FIRST, h0=(UPHELD, "", "证书"), h1=("rejected", "", "无此职责"))
    export_csv(one.yard.decisions, tmp_path / "decisions.csv")
    lost = one.yard.ws.decisions
    for path in lost.parent.glob("decisions.sqlite*"):
        path.unlink()
    import_csv(DecisionStore(lost), tmp_path / "decisions.csv")
    one.store.refresh(one.yard.ws, one.yard.ws.load_rules())
    assert one.stands() == {"h0": ("upheld", None), "h1": ("closed", "rejected"), "i0": ("open", None)}


def test_nobody_rewrites_a_ticket_or_its_events(office: Office, tmp_path: Path) -> None:
    office = office.copy(tmp_path)
    office.send()
    db = sqlite3.connect(office.yard.ws.decisions)
    for table in ("ticket", "ticket_event"):
        for change in (f"delete from {table}", f"update {table} set recorded_at = ''"):
            with pytest.raises(sqlite3.IntegrityError):
                db.execute(change)
    db.close()


# ── due days ────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("opened", "due", "why"),
    [
        ("2026-11-23", "2026-12-07", "two plain weeks"),
        ("2026-11-21", "2026-12-04", "a Saturday: Monday is the first day"),
        ("2026-02-13", "2026-03-05", "Spring Festival from 15 to 23 February; the Saturdays 14 and 28 are worked"),
        ("2026-09-30", "2026-10-20", "National Day, 1 to 7; Saturday 10 is worked"),
        ("2025-04-24", "2025-05-12", "Labour Day, 1 to 5; Sunday 27 April is worked"),
        ("2027-10-01", "2027-10-15", "a year not announced yet: the days of the law, which fall on a weekend"),
    ],
)
def test_a_ticket_is_due_on_the_tenth_working_day(opened: str, due: str, why: str) -> None:
    assert due_on(SHIPPED, date.fromisoformat(opened)) == date.fromisoformat(due), why


def test_a_workspace_may_have_its_own_holidays(tmp_path: Path) -> None:
    (tmp_path / "reference").mkdir()
    path = tmp_path / "reference" / "holidays.csv"
    path.write_text("date,kind\n2026-11-24,holiday\n2026-11-28,workday\n2026-11-29,workday\n", "utf-8")
    assert due_on(tmp_path, date(2026, 11, 23)) == date(2026, 12, 4)
    path.write_text(
        "date,kind\n2026-13-24,holiday\n2026-11-28,feast\n2026-11-29,workday\n2026-11-29,holiday\n", "utf-8"
    )
    with pytest.raises(RulesError) as error:
        read_calendar(path)
    assert str(error.value).splitlines() == [
        "reference/holidays.csv: line 2: '2026-13-24' is no date; write YYYY-MM-DD",
        "reference/holidays.csv: line 3: kind 'feast': expected holiday or workday",
        "reference/holidays.csv: line 5: 2026-11-29 stands there twice",
    ]


def test_wrong_holidays_are_a_problem_of_the_rules(office: Office, tmp_path: Path) -> None:
    folder = office.copy(tmp_path).yard.ws.rules_folder
    (folder / "reference").mkdir()
    before = load_rules(folder).sha256
    path = folder / "reference" / "holidays.csv"
    path.write_text("date,kind\n2026-11-24,holiday\n", "utf-8")
    assert load_rules(folder).sha256 == before, "no release is a function of holidays"
    path.write_text("day,kind\n", "utf-8")
    with pytest.raises(RulesError, match="line 1: needs the columns date and kind"):
        load_rules(folder)


def test_the_shipped_holidays_are_those_of_the_law_and_of_the_notices() -> None:
    calendar: Calendar = read_calendar(SHIPPED / "reference" / "holidays.csv")
    for year in range(2025, 2031):
        fixed = [date(year, *day) for day in ((1, 1), (5, 1), (5, 2), (10, 1), (10, 2), (10, 3))]
        assert not any(calendar.works(day) for day in fixed)
    assert [calendar.announced(year) for year in (2024, 2025, 2026, 2027)] == [True, True, True, False]
    worked = [day for day, works in calendar.exceptions.items() if works]
    assert all(day.weekday() >= 5 for day in worked)
    assert sum(day.year == 2026 for day in worked) == 6


# ── sheets on their way ─────────────────────────────────────────────────────────────────────────────


def test_a_sheet_is_locked_but_for_the_answer_and_says_in_each_row_what_it_is_about(
    office: Office, tmp_path: Path
) -> None:
    office = office.copy(tmp_path)
    folder = office.send()
    names = sorted(path.name for path in folder.iterdir())
    assert names == ["ship_harbour_1-2.csv", "ship_harbour_1-2.xlsx"]
    assert {path.stat().st_mode & 0o777 for path in folder.iterdir()} == {0o600}
    seal = office.store.ticket(1).seal
    expected = [
        *(f"1/ship/harbour/1/{seal}", "1", "h0", "船名 name", "海鸥号", "海鸥", "保险", "2024-02-23"),
        *("", "", ""),
    ]
    with (folder / names[0]).open(encoding="utf-8-sig", newline="") as file:
        rows = list(csv.reader(file))
    assert (tuple(rows[0]), rows[1]) == (COLUMNS, expected)
    book = fastexcel.read_excel(str(folder / names[1]))
    table = book.load_sheet(0, header_row=None, dtypes="string").to_arrow()
    told = [[cell or "" for cell in column] for column in zip(*(c.to_pylist() for c in table.columns), strict=True)]
    assert told == rows
    sheet = _part(folder / names[1], "xl/worksheets/sheet1.xml")
    styles = _part(folder / names[1], "xl/styles.xml")
    assert "<sheetProtection " in sheet
    assert '<dataValidation type="list"' in sheet and 'sqref="I2:I3"' in sheet
    assert '"已更正,维持原值,不予采纳"' in sheet
    free = [
        i
        for i, xf in enumerate(re.findall(r"<xf [^>]*?(?:/>|>.*?</xf>)", styles.split("<cellXfs")[1]))
        if "locked" in xf
    ]
    unlocked = {ref for ref, style in re.findall(r'<c r="([A-Z]\d)" s="(\d+)"', sheet) if int(style) in free}
    assert unlocked == {f"{column}{line}" for column in "IJK" for line in (2, 3)}
    assert re.search(r'<col min="1" max="1" [^>]*hidden="1"', sheet)


def test_what_was_sent_is_marked_and_stands_in_the_audit_trail(office: Office, tmp_path: Path) -> None:
    office = office.copy(tmp_path)
    folder = office.send(date(2024, 2, 6))
    files = {path.name: return_sheets.file_sha256(path) for path in folder.iterdir()}
    (event,) = office.store.events(1)
    assert (event["kind"], event["at"], event["detail"]) == ("sent", "2024-02-06", {"files": files})
    last = AuditTrail(office.yard.ws.decisions).entries()[-1]
    assert (last.action, last.detail["tickets"], last.detail["files"]) == ("export", 2, files)
    assert office.send(date(2024, 2, 7)).exists() and not list(office.send(date(2024, 2, 7)).iterdir())
    assert len(list(office.send(date(2024, 2, 7), again=True).iterdir())) == 2
    (folder / "ship_harbour_1-2.csv").write_text("filled in", "utf-8")
    with pytest.raises(RefusedError, match="exists and holds something else"):
        office.send(date(2024, 2, 6), again=True)
    assert sorted(files) == sorted(path.name for path in folder.iterdir()), "nothing half-written is left"


def test_a_recipient_sees_only_the_values_on_its_list(office: Office, tmp_path: Path) -> None:
    office = office.copy(tmp_path)
    sources = office.yard.ws.rules_folder / "ship" / "sources.toml"
    text = sources.read_text("utf-8").replace('owner = "港务局"', 'owner = "港务局"\nsees = ["mark"]')
    sources.write_text(text, "utf-8")
    folder = office.send()
    with (folder / "ship_harbour_1-2.csv").open(encoding="utf-8-sig", newline="") as file:
        rows = list(csv.reader(file))
    assert [row[4:6] for row in rows[1:]] == [[HIDDEN, HIDDEN]] * 2
    for path in folder.iterdir():
        content = path.read_text("utf-8") if path.suffix == ".csv" else _everything(path)
        assert not [name for name in NAMES if name in content], path.name


def test_a_list_of_fields_that_nobody_has_is_a_problem_of_the_rules(office: Office, tmp_path: Path) -> None:
    folder = office.copy(tmp_path).yard.ws.rules_folder
    sources = folder / "ship" / "sources.toml"
    text = sources.read_text("utf-8").replace('owner = "港务局"', 'owner = "港务局"\nsees = ["nmae"]')
    sources.write_text(text + '\n[owners."甲"]\nsuperior = "乙"\n[owners."乙"]\nsuperior = "甲"\n', "utf-8")
    with pytest.raises(RulesError) as error:
        load_rules(folder)
    assert "sources.harbour.sees: unknown field 'nmae'; did you mean \"name\"?" in str(error.value)
    assert "owners: superiors run in a circle" in str(error.value)


def test_no_cell_of_a_sheet_is_a_formula(tmp_path: Path) -> None:
    for text in ("=1+1", "+861390000", "-5", "@x", "plain", "'quoted"):
        guarded = return_sheets.guarded(text)
        assert not guarded.startswith(("=", "+", "-", "@"))
        assert return_sheets.unguarded(guarded) == text
    row = ("=1+1",) * len(COLUMNS)
    return_sheets.write_xlsx(tmp_path / "s.xlsx", [row], FIRST)
    assert "<f>" not in _part(tmp_path / "s.xlsx", "xl/worksheets/sheet1.xml")


# ── sheets on their way back ────────────────────────────────────────────────────────────────────────


def test_an_xlsx_that_was_filled_in_is_taken_once(office: Office, tmp_path: Path) -> None:
    office = office.copy(tmp_path)
    sheet = office.send() / "ship_harbour_1-2.xlsx"
    path = _edited(sheet, tmp_path / "back.xlsx", {"I2": "已更正", "J2": "海鸥", "I3": UPHELD, "K3": "证书"})
    taken = office.take(path)
    assert (taken.taken, taken.already, taken.closed, taken.unanswered, taken.bad) == (2, 0, 0, 0, ())
    assert office.stands() == {"h0": ("corrected", None), "h1": ("upheld", None), "i1": ("open", None)}
    again = office.take(path)
    assert (again.taken, again.already) == (0, 2)
    assert len(office.yard.decisions.entries()) == 2
    changed = office.take(_edited(sheet, tmp_path / "more.xlsx", {"I3": "已更正"}))
    assert (changed.taken, changed.unanswered) == (1, 1)
    assert office.stands()["h1"] == ("corrected", None), "a later answer takes the place of an earlier one"


def test_an_answer_to_a_ticket_that_closed_meanwhile_is_no_fault(office: Office, tmp_path: Path) -> None:
    office = office.copy(tmp_path)
    sheet = office.send() / "ship_harbour_1-2.xlsx"
    office.yard.deliver("harbour", "2024-03-01", _ship("h", 0, "海鸥"))
    office.yard.release(SECOND)
    taken = office.take(_edited(sheet, tmp_path / "back.xlsx", {"I2": "已更正", "I3": "已更正"}), SECOND)
    assert (taken.taken, taken.closed) == (1, 1)


def _row(*cells: str) -> Callable[[Cells], None]:
    """The answer cells of the first row."""

    def fill(rows: Cells) -> None:
        rows[1][ANSWER : ANSWER + len(cells)] = cells

    return fill


def _put(line: int, column: int, text: str) -> Callable[[Cells], None]:
    def change(rows: Cells) -> None:
        rows[line - 1][column] = text

    return change


def _swap(rows: Cells) -> None:
    for row in rows:
        row[ANSWER], row[VALUE] = row[VALUE], row[ANSWER]


def _drop(rows: Cells) -> None:
    for row in rows:
        del row[REASON]


def _add(rows: Cells) -> None:
    for number, row in enumerate(rows):
        row.append("备注" if number == 0 else "")


def _double(rows: Cells) -> None:
    rows.append(list(rows[1]))


def _shift(rows: Cells) -> None:
    """The rows slide up by one in all columns but the hidden one, as merged cells make them."""
    rows[1][NUMBER:], rows[2][NUMBER:] = rows[2][NUMBER:], rows[1][NUMBER:]


def _other_sheet(rows: Cells) -> None:
    rows[:] = [["姓名", "金额"], ["甲", "1"]]


def _short(rows: Cells) -> None:
    rows[2] = rows[2][:5]


BAD_SHEETS: list[tuple[str, Callable[[Cells], None], str]] = [
    ("columns moved", _swap, "I1: expected '答复', found '更正值': columns were moved, added or left out"),
    ("a column renamed", _put(1, ANSWER, "回复"), "I1: column '答复' is missing or was renamed (found '回复')"),
    ("a column missing", _drop, "K1: column '理由' is missing or was renamed (found '')"),
    ("a column added", _add, "L1: column '备注' was added"),
    ("another sheet", _other_sheet, "A1: '姓名' heads the first column: this is no return sheet"),
    ("an older layout", _put(2, MARK, "0/ship/harbour/1/00000000"), "A2: layout '0'; this version reads layout '1'"),
    ("a ticket twice", _double, "A2: ticket 1 stands in 2 rows; which one is right?"),
    ("an unknown ticket", _put(2, MARK, "1/ship/harbour/99/00000000"), "A2: there is no ticket 99"),
    ("another workspace", _put(2, MARK, "1/ship/harbour/1/00000000"), "A2: ticket 1 is not the one that was sent"),
    ("two sources", _put(3, MARK, "1/ship/insurer/2/00000000"), "A3: is a row of the sheet of ship/insurer"),
    ("no mark", _put(2, MARK, ""), "A2: does not say which ticket the row is about"),
    ("rows shifted", _shift, "B2: is not ticket 1 of the row: cells were moved"),
    ("a key changed", _put(2, KEY, "0"), "C2: is not the key of the record that ticket 1 is about"),
    ("a field changed", _put(2, 3, "船东 owner"), "D2: is not the field of ticket 1: cells were moved"),
    ("a short row", _short, "A3: 5 cells where the heading has 11"),
    ("an unknown answer", _row("同意"), "I2: unknown answer; expected one of 已更正, 维持原值, 不予采纳"),
    ("a value without an answer", _row("", "海鸥"), "I2: is empty beside a value or a reason"),
    ("upheld with a value", _row(UPHELD, "海鸥", "证书"), "J2: a corrected value beside the answer 维持原值"),
    ("upheld without a reason", _row(UPHELD), "K2: is empty: 维持原值 needs a reason"),
    ("rejected without a reason", _row("不予采纳"), "K2: is empty: 不予采纳 needs a reason"),
    ("corrected to the same", _row("已更正", "海鸥号"), "J2: is what the record says already"),
]


@pytest.mark.parametrize(("name", "change", "message"), BAD_SHEETS, ids=[name for name, _, _ in BAD_SHEETS])
def test_a_bad_sheet_is_refused_with_cell_and_reason_and_nothing_of_it_is_taken(
    office: Office, tmp_path: Path, name: str, change: Callable[[Cells], None], message: str
) -> None:
    rules = office.yard.ws.load_rules().entities["ship"]
    rows = [list(COLUMNS), *(list(return_sheets.sheet_row(rules, t)) for t in office.store.tickets())]
    rows[2][ANSWER : REASON + 1] = ["已更正", "东风", ""]
    change(rows)
    path = tmp_path / "back.csv"
    with path.open("w", encoding="gb18030", newline="") as file:
        csv.writer(file).writerows(rows)
    with pytest.raises(InputError) as error:
        office.take(path)
    assert f"back.csv {message}" in str(error.value)
    assert office.yard.decisions.entries() == []
    assert office.stands() == {"h0": ("open", None), "h1": ("open", None)}


@pytest.mark.parametrize(
    ("edits", "also", "message"),
    [
        ({"J2": 45000}, "", "J2: holds a number, not text"),
        ({}, '<mergeCells count="1"><mergeCell ref="I2:I3"/></mergeCells>', "I2:I3: cells are merged"),
        ({"A1": None}, "", "A1: "),
    ],
)
def test_what_a_spreadsheet_did_to_a_sheet_is_found(
    office: Office, tmp_path: Path, edits: dict[str, Any], also: str, message: str
) -> None:
    office = office.copy(tmp_path)
    sheet = office.send() / "ship_harbour_1-2.xlsx"
    path = _edited(sheet, tmp_path / "back.xlsx", {"I2": "已更正", **edits}, also)
    with pytest.raises(InputError, match=f"back.xlsx {re.escape(message)}"):
        office.take(path)
    assert office.yard.decisions.entries() == []


def test_a_workbook_with_another_sheet_in_front_is_refused(office: Office, tmp_path: Path) -> None:
    rules = office.yard.ws.load_rules().entities["ship"]
    with xlsxwriter.Workbook(str(tmp_path / "back.xlsx")) as book:
        book.add_worksheet("说明").write_row(0, 0, ("填写说明", "联系人"))
        sheet = book.add_worksheet("校核")
        for line, row in enumerate([COLUMNS, *(return_sheets.sheet_row(rules, t) for t in office.store.tickets())]):
            sheet.write_row(line, 0, row)
    message = "back.xlsx A1: '填写说明' heads the first column: this is no return sheet"
    for partial in (False, True):
        with pytest.raises(InputError, match=re.escape(message)):
            office.take(tmp_path / "back.xlsx", partial=partial)
    assert office.yard.decisions.entries() == []


def test_with_partial_the_good_rows_are_taken_and_the_bad_ones_listed(office: Office, tmp_path: Path) -> None:
    office = office.copy(tmp_path)
    sheet = office.send() / "ship_harbour_1-2.xlsx"
    path = _edited(sheet, tmp_path / "back.xlsx", {"I2": "同意", "I3": "已更正"})
    taken = office.take(path, partial=True)
    assert taken.taken == 1
    assert [(one.cell, one.reason) for one in taken.bad] == [
        ("I2", "unknown answer; expected one of 已更正, 维持原值, 不予采纳")
    ]
    assert office.stands() == {"h0": ("sent", None), "h1": ("corrected", None)}


def test_a_date_as_a_number_is_refused_in_a_csv_as_well(tmp_path: Path) -> None:
    yard = Yard.create(tmp_path / "ws")
    yard.deliver("registry", "2024-01-31", _ship("r", 1, "海鸥") | {"built": "1999-05-04"})
    yard.deliver("insurer", "2024-01-31", _ship("i", 1, "海鸥") | {"built": "1999-05-04"})
    yard.deliver("harbour", "2024-02-01", _ship("h", 1, "海鸥") | {"built": "1998-05-04"})
    yard.release(FIRST)
    office = Office(yard)
    with pytest.raises(InputError, match="J2: a date as the number of a spreadsheet; write it as a date"):
        office.answer(FIRST, h1=("已更正", "36284"))
    with pytest.raises(InputError, match="J2: cannot be read as built \\(date_impossible\\)"):
        office.answer(FIRST, h1=("已更正", "1999-13-04"))
    assert office.answer(FIRST, h1=("已更正", "1999年5月4日")).taken == 1


def test_a_ticket_of_another_source_is_refused(office: Office, tmp_path: Path) -> None:
    office = office.copy(tmp_path)
    office.answer(FIRST, h0=("upheld", "", "证书"))
    back = office.store.ticket(office.ids()["i0"])
    rules = office.yard.ws.load_rules().entities["ship"]
    row = list(return_sheets.sheet_row(rules, back))
    row[MARK] = row[MARK].replace("insurer", "harbour")
    return_sheets.write_csv(tmp_path / "back.csv", [tuple(row)])
    with pytest.raises(InputError, match="A2: ticket 3 is one of another source"):
        office.take(tmp_path / "back.csv")
    return_sheets.write_csv(tmp_path / "own.csv", [return_sheets.sheet_row(rules, back)])
    with pytest.raises(InputError, match="a sheet of ship/insurer, not of 'harbour'; nothing was taken"):
        office.take(tmp_path / "own.csv", source="harbour")


# ── escalation ──────────────────────────────────────────────────────────────────────────────────────

OWNERS = """
[owners."港务局"]
superior = "交通厅"
[owners."金融局"]
superior = "财政厅"
[owners."交通厅"]
superior = "省政府"
[owners."财政厅"]
superior = "省政府"
"""


def test_what_both_sides_uphold_or_nobody_answers_goes_to_the_common_superior(office: Office, tmp_path: Path) -> None:
    office = office.copy(tmp_path)
    office.answer(FIRST, h0=(UPHELD, "", "证书"))
    office.answer(FIRST, i0=(UPHELD, "", "保单"))
    assert [
        (one.ticket.ticket_id, one.superior) for one in office.store.escalate(office.yard.ws.load_rules(), FIRST)
    ] == [
        (1, None),
        (3, None),
    ], "the rules name no superior: nothing is marked"
    sources = office.yard.ws.rules_folder / "ship" / "sources.toml"
    sources.write_text(sources.read_text("utf-8") + OWNERS, "utf-8")
    rules = office.yard.ws.load_rules()
    found = office.store.escalate(rules, FIRST)
    assert [(one.ticket.source_key, one.why, one.superior) for one in found] == [
        ("h0", "upheld on both sides", "省政府"),
        ("i0", "upheld on both sides", "省政府"),
    ]
    late = office.store.escalate(rules, date(2024, 2, 24))
    assert [(one.ticket.source_key, one.why) for one in late] == [("h1", "overdue")]
    assert office.store.escalate(rules, date(2024, 2, 24)) == []
    assert {(t.state, t.superior) for t in office.store.tickets()} == {("escalated", "省政府")}
    office.yard.say("value", ("harbour", "h0"), field="name", value="")
    office.yard.release(SECOND)
    assert office.stands()["h0"] == ("closed", "settled"), "the superior's word is a decision on the value"
    assert office.stands() == {
        "h0": ("closed", "settled"),
        "h1": ("escalated", None),
        "i0": ("escalated", None),
        "r0": ("open", None),
    }, "and those who differ from it are known, or asked"


@pytest.mark.parametrize(
    ("one", "other", "superior"),
    [
        ("a", "b", "top"),
        ("a", "a", "left"),
        ("a", "left", "left"),
        ("a", "top", "top"),
        ("a", "stranger", None),
        ("top", "top", None),
    ],
)
def test_the_common_superior_is_the_lowest_that_stands_over_both(one: str, other: str, superior: str | None) -> None:
    assert common_superior({"a": "left", "b": "right", "left": "top", "right": "top"}, one, other) == superior


# ── the command line ────────────────────────────────────────────────────────────────────────────────


def _said(office: Office, *words: str) -> Any:
    done = CliRunner().invoke(app, ["tickets", *words, "--workspace", str(office.yard.ws.root), "--json"])
    assert done.exit_code == 0, done.stderr
    return json.loads(done.stdout)


def test_the_verbs_tell_masked_what_the_library_does(office: Office, tmp_path: Path) -> None:
    office = office.copy(tmp_path)
    listed = _said(office, "list")
    assert [(one["ticket_id"], one["said"], one["value"], one["state"]) for one in listed] == [
        (1, "海…", "海…", "open"),
        (2, "东…", "东…", "open"),
    ]
    assert "evidence" not in listed[0], "two masked values and a hash of both are no masked values"
    command = ["tickets", "list", "--unmask", "核对", "--workspace", str(office.yard.ws.root)]
    assert CliRunner().invoke(app, command).exit_code == 4
    assert give_leave(office.yard.ws.root) == 1
    assert _said(office, "list", "--unmask", "核对")[0]["said"] == "海鸥号"
    assert AuditTrail(office.yard.ws.decisions).entries()[-1].detail["reason"] == "核对"
    assert _said(office, "list", "--source", "insurer") == _said(office, "list", "--state", "closed") == []
    (sent,) = _said(office, "send", "--to", str(tmp_path / "out"), "--entity", "ship", "--as-of", "2024-02-06")
    assert (sent["source"], sent["owner"], sent["tickets"], sent["due"]) == ("harbour", "港务局", 2, "2024-02-23")
    sheet = tmp_path / "out" / "ship_harbour_1-2.xlsx"
    path = _edited(sheet, tmp_path / "back.xlsx", {"I2": "已更正", "J2": "海鸥王"})
    assert _said(office, "answer", "--file", str(path), "--as-of", "2024-02-07")["taken"] == 1
    shown = _said(office, "show", "1")
    assert [(e["kind"], e["at"]) for e in shown["events"]] == [("sent", "2024-02-06"), ("corrected", "2024-02-07")]
    assert "海鸥" not in json.dumps(shown, ensure_ascii=False)
    decided = CliRunner().invoke(app, ["decide", "list", "--workspace", str(office.yard.ws.root), "--json"])
    assert "海鸥" not in decided.stdout
    assert json.loads(decided.stdout)[-1]["evidence"] is None
    assert [one["ticket_id"] for one in _said(office, "overdue", "--as-of", "2024-02-24")] == [1, 2]
    assert [one["why"] for one in _said(office, "escalate", "--as-of", "2024-02-24")] == ["overdue", "overdue"]
    run = CliRunner().invoke
    root = str(office.yard.ws.root)
    closed = run(app, ["tickets", "close", "2", "--reason", "同义", "--workspace", root])
    assert (closed.exit_code, closed.stdout) == (0, "ticket 2 is closed.\n")
    assert run(app, ["tickets", "close", "2", "--reason", "同义", "--workspace", root]).exit_code == 4
    assert run(app, ["tickets", "show", "9", "--workspace", root]).exit_code == 5
    bad = run(app, ["tickets", "answer", "--file", str(tmp_path / "none.csv"), "--workspace", root])
    assert (bad.exit_code, "none.csv: no such file" in bad.stderr.replace("\n", "")) == (3, True)


# ── hands ───────────────────────────────────────────────────────────────────────────────────────────


def _part(path: Path, name: str) -> str:
    with zipfile.ZipFile(path) as archive:
        return archive.read(name).decode()


def _everything(path: Path) -> str:
    with zipfile.ZipFile(path) as archive:
        return "".join(archive.read(name).decode() for name in archive.namelist())


def _edited(path: Path, target: Path, cells: Mapping[str, str | int | None], also: str = "") -> Path:
    """A copy of a workbook with some cells filled in as a spreadsheet does it: texts, numbers, or emptied."""

    def cell(found: re.Match[str]) -> str:
        value = cells[found[1]]
        style = f'<c r="{found[1]}" s="{found[2]}"'
        if value is None:
            return f"{style}/>"
        if isinstance(value, int):
            return f"{style}><v>{value}</v></c>"
        return f'{style} t="inlineStr"><is><t>{value}</t></is></c>'

    with zipfile.ZipFile(path) as old, zipfile.ZipFile(target, "w") as new:
        for name in old.namelist():
            content = old.read(name)
            if name == "xl/worksheets/sheet1.xml":
                text = content.decode()
                for ref in cells:
                    text, count = re.subn(rf'<c r="({ref})" s="(\d+)"(?:/>| t="s"><v>\d+</v></c>)', cell, text)
                    assert count == 1, ref
                content = text.replace("<dataValidations", f"{also}<dataValidations").encode()
            new.writestr(name, content)
    return target
