"""Working days: Monday to Friday, unless the table of holidays says otherwise.

`reference/holidays.csv` has one row per exception: date, kind (`holiday` or `workday`), name. The days off of a year
are published by the State Council the November before, with the weekends that are worked instead; a workspace that
has its own `rules/reference/holidays.csv` replaces the shipped table as a whole.
"""

from __future__ import annotations

import csv
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path

from rules.errors import Problem, RulesError

TABLE = "holidays"
_KINDS = {"holiday": False, "workday": True}


@dataclass(frozen=True)
class Calendar:
    """The exceptions: day -> whether it is worked."""

    exceptions: Mapping[date, bool]

    def works(self, day: date) -> bool:
        """Whether a day is a working day."""
        return self.exceptions.get(day, day.weekday() < 5)

    def after(self, day: date, count: int) -> date:
        """The `count`-th working day after `day`; the day itself does not count, whether worked or not."""
        while count > 0:
            day += timedelta(days=1)
            count -= self.works(day)
        return day

    def announced(self, year: int) -> bool:
        """Whether the table has what is announced year by year: weekends that are worked."""
        return any(day.year == year and works for day, works in self.exceptions.items())


def read_calendar(path: Path) -> Calendar:
    """The calendar in a CSV file (RulesError with every wrong line)."""
    calendar, problems = _read(path)
    if problems:
        raise RulesError(problems)
    return calendar


def problems(rules_folder: Path) -> list[Problem]:
    """What is wrong in a workspace's own table of holidays, where it has one."""
    path = rules_folder / "reference" / f"{TABLE}.csv"
    return _read(path)[1] if path.exists() else []


def _read(path: Path) -> tuple[Calendar, list[Problem]]:
    found: dict[date, bool] = {}
    wrong: list[Problem] = []
    file = f"{path.parent.name}/{path.name}"
    with path.open(encoding="utf-8-sig", newline="") as lines:
        reader = csv.DictReader(lines)
        if not {"date", "kind"} <= set(reader.fieldnames or ()):
            return Calendar({}), [Problem(file, "line 1", "needs the columns date and kind")]
        for row in reader:
            where = f"line {reader.line_num}"
            try:
                day = date.fromisoformat(row["date"] or "")
            except ValueError:
                wrong.append(Problem(file, where, f"{row['date']!r} is no date; write YYYY-MM-DD"))
                continue
            if row["kind"] not in _KINDS:
                wrong.append(Problem(file, where, f"kind {row['kind']!r}: expected holiday or workday"))
            elif day in found:
                wrong.append(Problem(file, where, f"{day} stands there twice"))
            else:
                found[day] = _KINDS[row["kind"]]
    return Calendar(found), wrong
