"""An audited sample: golden values drawn for people to check, and the sheet they filled in, scored.

Reads: provenance.parquet of a release. The draw is a function of release, entity type, size and seed, so a sheet in
which a row was left out, added or taken from elsewhere does not pass for the sample that was drawn.

Values are drawn by source, to each source as many as its share of all current values, but at least one: a pooled share
over the sheet is then that of the release.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb

from golden_records.query import Release
from golden_records.scorecard import share
from golden_records.segments import has_table, table_sql
from rules.errors import InputError, NotFoundError, RefusedError
from rules.masking import mask_value
from rules.model import EntityRules, Rules

Document = dict[str, Any]
HEADINGS = ("sample", "golden_id", "field", "title", "value", "source", "source_key", "answer", "note")
ANSWERS = {"right": "right", "wrong": "wrong", "unknown": "unknown", "对": "right", "错": "wrong", "不明": "unknown"}
_DRAW = """
with value as (
    select golden_id, field, value, source, source_key,
           row_number() over (partition by source order by md5($seed || golden_id || '/' || field), golden_id, field)
             as nth,
           count(*) over (partition by source) as held, count(*) over () as everything
    from {provenance} where valid_to is null
), quota as (
    select source, any_value(held) as held, any_value(everything) as everything,
           $size::bigint * any_value(held) / any_value(everything) as exact
    from value group by source
), part as (
    select source, held, floor(exact)::bigint as least,
           row_number() over (order by exact - floor(exact) desc, source) as place,
           $size::bigint - sum(floor(exact)::bigint) over () as left_over
    from quota
)
select v.golden_id, v.field, v.value, v.source, v.source_key
from value v
join part p using (source)
where v.nth <= least(p.held, greatest(1, p.least + case when p.place <= p.left_over then 1 else 0 end))
order by v.source, v.nth"""


@dataclass(frozen=True)
class Drawn:
    """What names a sample: release, entity type, size and seed; it stands in the first column of every row."""

    release: int
    entity: str
    size: int
    seed: int

    @property
    def name(self) -> str:
        return f"{self.entity}/release {self.release}/size {self.size}/seed {self.seed}"

    @classmethod
    def of(cls, text: str) -> Drawn | None:
        """The sample that a name names, None where it is no name."""
        parts = text.split("/")
        try:
            (entity, *rest) = parts
            release, size, seed = (
                int(part.removeprefix(f"{word} ")) for part, word in zip(rest, ("release", "size", "seed"), strict=True)
            )
        except ValueError:
            return None
        found = cls(release, entity, size, seed)
        return found if found.name == text else None


def draw(release: Release, drawn: Drawn) -> list[tuple[str, ...]]:
    """The rows of a sample: golden_id, field, value, source, source_key; by source, in the order of the draw.

    Raises:
        NotFoundError: the release lacks the entity type, or has no values of it.
    """
    folder = release.folder / drawn.entity
    if not has_table(folder, "provenance"):
        raise NotFoundError(f"release {release.manifest.release} has no entity type {drawn.entity!r}")
    with duckdb.connect() as con:
        found = con.execute(
            _DRAW.format(provenance=table_sql(folder, "provenance")), {"size": drawn.size, "seed": f"{drawn.seed}/"}
        ).fetchall()
    if not found:
        raise NotFoundError(f"release {release.manifest.release} has no values of {drawn.entity}")
    return found


def write_sample(release: Release, rules: EntityRules, drawn: Drawn, target: Path, clear: bool) -> int:
    """Write an answer sheet (CSV, UTF-8 with a mark for spreadsheets); gives how many values are on it.

    Raises:
        NotFoundError: there is nothing to draw from.
        RefusedError: the file exists.
    """
    if target.exists():
        raise RefusedError(f"{target} exists; choose another name")
    rows = draw(release, drawn)
    with target.open("w", encoding="utf-8-sig", newline="") as file:
        target.chmod(0o600)
        writer = csv.writer(file)
        writer.writerow(HEADINGS)
        for golden_id, field, value, source, key in rows:
            shown = value if clear else mask_value(rules.entity, field, value)
            title = rules.entity.fields[field].title.zh if field in rules.entity.fields else field
            writer.writerow((drawn.name, golden_id, field, title, shown, source, key, "", ""))
    return len(rows)


def score_sample(releases: Path, rules: Rules, path: Path) -> Document:
    """The share of right values on a sheet that was filled in, in all, by source and by field.

    right ÷ (right + wrong); what is unknown is counted apart.

    Raises:
        InputError: the sheet is not the one that was drawn, or an answer is none; with line and column.
        NotFoundError: the release it was drawn from is gone.
    """
    rows = list(_read(path))
    drawn = Drawn.of(rows[0][1]["sample"]) if rows else None
    if drawn is None:
        raise InputError(f"{path.name} line 2 column sample: not the name of a sample; use the sheet as it was written")
    if drawn.entity not in rules.entities:
        raise InputError(f"{path.name} line 2 column sample: no entity type {drawn.entity!r} in the rules")
    with Release.of(releases, drawn.release) as release:
        wanted = {(row[0], row[1]): (row[3], row[4]) for row in draw(release, drawn)}
    answers: dict[tuple[str, str], tuple[str, str]] = {}
    for line, row in rows:
        answers[_value(path, line, row, drawn, wanted, answers)] = (row["source"], _answer(path, line, row["answer"]))
    missing = sorted(set(wanted) - set(answers))
    if missing:
        raise InputError(
            f"{path.name}: {len(missing)} of the {len(wanted)} values that were drawn are missing, "
            f"the first is {missing[0][0]} {missing[0][1]}; a sample counts only as a whole"
        )
    told = [(source, field, answer) for (_, field), (source, answer) in answers.items()]
    return {
        "sample": drawn.name,
        "entity": drawn.entity,
        "release": drawn.release,
        "values": len(told),
        **_scored([answer for _, _, answer in told]),
        "by_source": {
            name: _scored([answer for source, _, answer in told if source == name])
            for name in sorted({source for source, _, _ in told})
        },
        "by_field": {
            name: _scored([answer for _, field, answer in told if field == name])
            for name in sorted({field for _, field, _ in told})
        },
    }


def _scored(answers: Sequence[str]) -> Document:
    right, wrong = answers.count("right"), answers.count("wrong")
    return {"right": share(right, right + wrong), "wrong": wrong, "unknown": answers.count("unknown")}


def _read(path: Path) -> Iterator[tuple[int, dict[str, str]]]:
    """The rows of a sheet with their line numbers, in UTF-8 or as a spreadsheet in Chinese writes it (GB18030)."""
    if not path.is_file():
        raise InputError(f"{path}: no such file")
    raw = path.read_bytes()
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError:
        try:
            text = raw.decode("gb18030")
        except UnicodeDecodeError:
            raise InputError(f"{path.name}: neither UTF-8 nor GB18030; save it as CSV UTF-8") from None
    reader = csv.reader(io.StringIO(text, newline=""))
    head = next(reader, [])
    for column, (found, wanted) in enumerate(zip(head, HEADINGS, strict=False), start=1):
        if found != wanted:
            raise InputError(f"{path.name} line 1 column {column}: found heading {found!r}, expected {wanted!r}")
    if len(head) != len(HEADINGS):
        column = min(len(head), len(HEADINGS)) + 1
        raise InputError(f"{path.name} line 1 column {column}: {len(head)} headings, expected {len(HEADINGS)}")
    for row in reader:
        if not any(cell.strip() for cell in row):
            continue
        if len(row) != len(HEADINGS):
            column = min(len(row), len(HEADINGS)) + 1
            raise InputError(
                f"{path.name} line {reader.line_num} column {column}: {len(row)} cells, expected {len(HEADINGS)}"
            )
        yield reader.line_num, dict(zip(HEADINGS, row, strict=True))


def _value(
    path: Path,
    line: int,
    row: dict[str, str],
    drawn: Drawn,
    wanted: dict[tuple[str, str], tuple[str, str]],
    seen: dict[tuple[str, str], tuple[str, str]],
) -> tuple[str, str]:
    """The value that a row is about, where it is one of the sample and not there before."""
    value = (row["golden_id"], row["field"])
    if row["sample"] != drawn.name:
        raise InputError(f"{path.name} line {line} column sample: {row['sample']!r}, but line 2 has {drawn.name!r}")
    if value not in wanted:
        raise InputError(f"{path.name} line {line} column golden_id: {' '.join(value)} was not drawn")
    if value in seen:
        raise InputError(f"{path.name} line {line} column golden_id: {' '.join(value)} stands there twice")
    if row["source"] != wanted[value][0]:
        raise InputError(f"{path.name} line {line} column source: {row['source']!r}, drawn was {wanted[value][0]!r}")
    return value


def _answer(path: Path, line: int, text: str) -> str:
    """One answer, in either language."""
    found = ANSWERS.get(text.strip().lower())
    if found is None:
        said = repr(text) if text.strip() else "no answer"
        raise InputError(f"{path.name} line {line} column answer: {said}; write right, wrong or unknown (对, 错, 不明)")
    return found
