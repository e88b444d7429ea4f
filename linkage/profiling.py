"""Looks at the columns of unknown files: how full they are, what they hold, and what they are good for in matching.

Reads: delivered files. Writes: temporary tables incoming and profiled.

A column becomes a field of a kind, or is skipped with a reason. Kinds are recognized by their patterns (identity
numbers, telephones, dates, e-mail addresses, names in Han characters); what is none of these is text or a number, told
apart by its characters, and compared as such. Values never leave this module: what it says of a column is counts.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import duckdb

from linkage import reading
from linkage.sql import rows
from rules.columns import FIXED, GOLDEN
from rules.errors import InputError
from rules.kinds.base import literal

Role = Literal["key", "words", "number", "code", "kind", "mail", "skipped"]
SAMPLE = 20_000  # distinct values that are looked at for patterns
EMPTY = 0.02
MOSTLY = 0.9
FEW = 60
PATTERNS = {
    "digits": r"[0-9][0-9 ./-]*",
    "letters": r"[\p{Latin}][\p{Latin} .''’,-]*",
    "han_name": r"\p{Han}{2,4}|\p{Han}+·\p{Han}+",
    "han": r".*\p{Han}.*",
    "mail": r"[^@ ]+@[^@ ]+\.[^@ ]+",
    "citizen_id": r"[0-9]{17}[0-9Xx]|[0-9]{15}",
    "credit_code": r"[0-9A-HJ-NP-RT-UW-Y]{2}[0-9]{6}[0-9A-HJ-NP-RT-UW-Y]{10}",
    "phone": r"(\+?86)?1[3-9][0-9]{9}|0[1-9][0-9]{1,2}-?[0-9]{7,8}",
    "date": r"(1[5-9]|20)[0-9]{2}([-/.年]?)(0?[1-9]|1[0-2])([-/.月]?)(0?[1-9]|[12][0-9]|3[01])日?",
}


@dataclass(frozen=True)
class Column:
    """One column of all files that have it, what it becomes and why.

    fill      share of rows that say something; distinct  how many different things they say
    field     its name in the rules; role  what it is used for; kind  of the field
    identifies  that hardly two entities share a value
    """

    heading: str
    field: str
    fill: float
    distinct: int
    length: float
    role: Role
    kind: str
    reason: str
    identifies: bool = False

    @property
    def taken(self) -> bool:
        """Whether it becomes a field."""
        return self.role not in ("key", "skipped")


@dataclass(frozen=True)
class File:
    """A file, the name of its source, its headings and the columns that identify a row (several are joined)."""

    path: Path
    source: str
    headings: tuple[str, ...]
    key: tuple[str, ...]
    rows: int


@dataclass(frozen=True)
class Profile:
    """What was found in the files."""

    files: tuple[File, ...]
    columns: tuple[Column, ...]

    @property
    def fields(self) -> tuple[Column, ...]:
        """The columns that become fields."""
        return tuple(column for column in self.columns if column.taken)


def profile(con: duckdb.DuckDBPyConnection, paths: Sequence[Path]) -> Profile:
    """Profile files of one sort of entity: columns of the same heading are one column.

    Raises:
        InputError: a file cannot be read, no column identifies its rows, or nothing is left to match by.
    """
    con.execute("create or replace temp table profiled (file integer, line bigint, heading varchar, value varchar)")
    files: list[File] = []
    for number, path in enumerate(paths):
        incoming = reading.read(con, path)
        for i, heading in enumerate(incoming.headings):
            con.execute(
                f"insert into profiled select {number}, line, {literal(heading)}, nullif(trim(c{i}), '') from incoming"
            )
        key = _key(con, path, incoming.headings)
        files.append(
            File(path, _name(path.stem, [one.source for one in files], "source"), incoming.headings, key, incoming.rows)
        )
    keys = {heading for one in files for heading in one.key}
    headings = list(dict.fromkeys(heading for one in files for heading in one.headings))
    columns: list[Column] = []
    for heading in headings:
        name = _name(heading, [column.field for column in columns], "column")
        columns.append(_column(con, heading, name, heading in keys))
    columns = _without_composed(con, columns)
    if not any(column.taken for column in columns):
        raise InputError(
            f"{', '.join(path.name for path in paths)}: no column to match by; all are keys, empty or constant"
        )
    return Profile(tuple(files), tuple(columns))


def _key(con: duckdb.DuckDBPyConnection, path: Path, headings: Sequence[str]) -> tuple[str, ...]:
    """The first column of a file in which every row says something else; one that is called an id before others."""
    con.execute("create or replace temp table counted as select * from incoming")
    found = []
    for i, heading in enumerate(headings):
        total, known, distinct = rows(
            con, f"select count(*), count(nullif(trim(c{i}), '')), count(distinct trim(c{i})) from counted"
        )[0]
        if total == known == distinct:
            named = re.search(r"(^|_| )(id|key|no|number|code|uuid)$|编号|序号|主键", heading.lower()) is not None
            found.append((not named, i, heading))
    if not found:
        raise InputError(f"{path.name}: no column has another value in every row, so none is a key; add one")
    return (min(found)[2],)


def _column(con: duckdb.DuckDBPyConnection, heading: str, name: str, is_key: bool) -> Column:
    where = f"heading = {literal(heading)}"
    total, known, distinct, length, most = rows(
        con,
        f"select count(*), count(value), count(distinct value), coalesce(avg(length(value)), 0), "
        f"coalesce((select max(n) from (select count(*) as n from profiled where {where} and value is not null "
        f"group by value)), 0) from profiled where {where}",
    )[0]
    all_, filled, different, mean = int(str(total)), int(str(known)), int(str(distinct)), float(str(length))
    fill = filled / max(all_, 1)

    def made(role: Role, kind: str, reason: str, identifies: bool = False) -> Column:
        return Column(heading, name, fill, different, mean, role, kind, reason, identifies)

    if is_key:
        return made("key", "", "every row has another value: it identifies the row and says nothing of the entity")
    if fill < EMPTY:
        return made("skipped", "", f"filled in {fill:.1%} of the rows only")
    if different < 2:
        return made("skipped", "", "says the same in every row")
    if different == filled and fill == 1 and all_ > FEW:
        return made("skipped", "", "every row has another value, so it can bring no two rows together")
    shares = _shares(con, where)
    often = int(str(most)) / max(filled, 1)
    several = filled / max(different, 1)
    identifies = several < 5 and often < 0.01 and mean >= 5
    for kind, words in (
        ("citizen_id", "resident identity numbers"),
        ("credit_code", "unified social credit codes"),
        ("phone", "telephone numbers"),
    ):
        if shares[kind] >= MOSTLY:
            return made("kind", kind, f"{shares[kind]:.0%} look like {words}", True)
    if shares["date"] >= 0.99 and mean >= 8:
        return made("kind", "date", f"{shares['date']:.1%} are days")
    if shares["han_name"] >= MOSTLY and different > FEW:
        return made("kind", "person_name", f"{shares['han_name']:.0%} are names of two to four Han characters")
    if shares["mail"] >= 0.5:
        return made("mail", "text", f"{shares['mail']:.0%} are e-mail addresses", True)
    if different <= FEW and several >= 20:
        return made("code", "text", f"{different} different values, like a code list")
    if shares["digits"] >= MOSTLY:
        return made("number", "text", f"{shares['digits']:.0%} are digits", identifies)
    if shares["han"] >= 0.5:
        return made("words", "text", f"{shares['han']:.0%} have Han characters, which are compared as a whole")
    return made("words", "text", f"{shares['letters']:.0%} are words in Latin letters")


def _shares(con: duckdb.DuckDBPyConnection, where: str) -> dict[str, float]:
    """The share of some distinct values that fit each pattern."""
    counted = ", ".join(
        f"count(*) filter (regexp_full_match(value, {literal(pattern)}))" for pattern in PATTERNS.values()
    )
    chosen = f"select value from profiled where {where} and value is not null group by value "
    chosen += f"order by md5(value) limit {SAMPLE}"
    total, *fits = rows(con, f"select count(*), {counted} from ({chosen})")[0]
    n = max(int(str(total)), 1)
    return {name: int(str(hits)) / n for name, hits in zip(PATTERNS, fits, strict=True)}


def _without_composed(con: duckdb.DuckDBPyConnection, columns: Sequence[Column]) -> list[Column]:
    """Skip columns that say again what two or more shorter ones say: evidence must not count twice."""
    found = list(columns)
    texts = [column for column in columns if column.role == "words"]
    for whole in texts:
        parts = [
            part.heading
            for part in texts
            if part is not whole and part.length < whole.length and _contained(con, whole.heading, part.heading)
        ]
        if len(parts) >= 2:
            at = found.index(whole)
            reason = f"holds what {' and '.join(parts)} say; agreement in it would count twice"
            found[at] = Column(
                whole.heading, whole.field, whole.fill, whole.distinct, whole.length, "skipped", "", reason
            )
    return found


def _contained(con: duckdb.DuckDBPyConnection, whole: str, part: str) -> bool:
    """Whether most rows that have both columns have the text of one within that of the other."""
    both, within = rows(
        con,
        "select count(*), count(*) filter (contains(lower(a.value), lower(b.value))) from profiled as a "
        "join profiled as b using (file, line) where a.heading = $whole and b.heading = $part "
        "and a.value is not null and b.value is not null",
        whole=whole,
        part=part,
    )[0]
    return int(str(both)) > 0 and int(str(within)) >= 0.6 * int(str(both))


def _name(heading: str, taken: Sequence[str], otherwise: str) -> str:
    """A name for the rules: the heading in small ASCII letters, or a number where it has none."""
    name = re.sub(r"[^a-z0-9]+", "_", heading.lower().strip()).strip("_")
    name = re.sub(r"^([0-9])", rf"{otherwise}_\1", name)[:32].rstrip("_") or f"{otherwise}_{len(taken) + 1}"
    if name in {*FIXED, *GOLDEN}:
        name = f"{name}_said"
    number, plain = 2, name
    while name in taken:
        name, number = f"{plain}_{number}", number + 1
    return name
