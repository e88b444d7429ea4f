"""What the registers of households, committees, organizations and institutions have in common.

An entity says of itself, for each of the three deliveries, one row per source; what differs from the delivery before
is written again in a source of changes, everything in a source of full lists.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import polars as pl

from demo.life import DELIVERIES
from demo.sources import spreadsheet

Row = dict[str, str | None]
Version = tuple[str, Row | None]
Rates = dict[str, dict[str, float]]
Made = list[tuple[int, str, Path]]


@dataclass
class Noted:
    """Draws errors by the rates of an entity type (kind -> source -> rate) and notes which record has which."""

    rng: np.random.Generator
    rates: Rates
    without: frozenset[str]
    errors: defaultdict[tuple[str, str], list[str]] = field(default_factory=lambda: defaultdict(list))

    def draw(self, kind: str, source: str) -> bool:
        """Whether the next record of `source` gets this error; a draw is made even where the kind is switched off."""
        return bool(self.rng.random() < self.rates[kind].get(source, 0.0)) and kind not in self.without

    def note(self, kind: str, source: str, key: str) -> None:
        """The record has this error."""
        if kind not in self.errors[source, key]:
            self.errors[source, key].append(kind)

    def hit(self, kind: str, source: str, key: str) -> bool:
        """Draw, and note it at once."""
        found = self.draw(kind, source)
        if found:
            self.note(kind, source, key)
        return found

    def error(self, source: str, key: str) -> str | None:
        """The kinds of error of a record, joined by semicolons."""
        return ";".join(self.errors.get((source, key), ())) or None

    def counts(self) -> dict[str, int]:
        """How many records have each kind."""
        told = Counter(kind for kinds in self.errors.values() for kind in kinds)
        return {kind: told[kind] for kind in self.rates}


@dataclass(frozen=True)
class Writing:
    """How a source delivers: its key heading, everything or changes, and the ending of its files."""

    source: str
    key: str
    snapshot: bool
    ending: str


def deliver_rows(folder: Path, writing: Writing, versions: Sequence[Sequence[Row | None]], day: str) -> Made:
    """Write the three deliveries of a source; `versions` has, by entity, a row (or none) for each delivery.

    `day` is the heading of the column that says when a row was written; it does not make a row another one.
    """
    made: Made = []
    for i, date in enumerate(DELIVERIES):
        rows = []
        for three in versions:
            row, before = three[i], three[i - 1] if i else None
            if row is None or not (writing.snapshot or before is None or _differs(row, before, day)):
                continue
            rows.append(row)
        if rows:
            path = folder / f"{writing.source}_{date}.{writing.ending}"
            write_rows(path, sorted(rows, key=lambda row: row[writing.key] or ""))
            made.append((i, writing.source, path))
    return made


def _differs(row: Row, before: Row, day: str) -> bool:
    return any(value != before.get(heading) for heading, value in row.items() if heading != day)


def write_rows(path: Path, rows: list[Row]) -> None:
    """Write rows in the format that the ending names: `gb.csv` is CSV in GB18030."""
    frame = pl.DataFrame(rows, schema=dict.fromkeys(rows[0], pl.String))
    match path.suffix:
        case ".csv":
            frame.write_csv(path)
        case ".txt":
            path.write_bytes(frame.write_csv().encode("gb18030"))
        case ".tsv":
            frame.write_csv(path, separator="\t")
        case ".parquet":
            frame.write_parquet(path)
        case _:
            spreadsheet(path, frame)


NAMED = ""  # the entity type of an end that is no entity, only named


@dataclass
class Book:
    """The truth: by entity type one row per delivered record, the relations, and the states at the end."""

    folder: Path
    rows: dict[str, list[pl.DataFrame]] = field(default_factory=lambda: defaultdict(list))
    relations: list[pl.DataFrame] = field(default_factory=list)
    states: list[pl.DataFrame] = field(default_factory=list)

    def tell(self, entity: str, rows: pl.DataFrame) -> None:
        """Add truth rows of an entity type."""
        self.rows[entity].append(rows)

    def relate(self, kind: str, ends: tuple[str, str], pairs: Iterable[tuple[str, str, str | None]]) -> None:
        """Add relations of `kind` between entity types `ends`: (from, to, until)."""
        found = list(pairs)
        if found:
            one, other, until = zip(*found, strict=True)
            self.relations.append(_relations(kind, ends, list(one), list(other), list(until)))

    def state(self, entity: str, states: dict[str, str]) -> None:
        """Add the states of entities at the end."""
        frame = pl.DataFrame({"truth": list(states), "state": list(states.values())}, schema_overrides=_TEXTS)
        self.states.append(frame.select(pl.lit(entity).alias("entity"), "truth", "state"))

    def write(self) -> dict[str, Path]:
        """Write the truth of every entity type, the relations and the states; gives the file of each type."""
        files = {}
        known = {}
        for entity, frames in self.rows.items():
            files[entity] = self.folder / f"{entity}.csv"
            whole = pl.concat(frames, how="diagonal").sort("source", "source_key")
            known[entity] = whole.select(pl.lit(entity).alias("entity"), "truth").unique()
            whole.write_csv(files[entity])
        relations = pl.concat(self.relations).unique(maintain_order=True)
        named = relations.filter(pl.col("to_entity") == NAMED).select(entity="to_entity", truth="to_truth").unique()
        told = pl.concat([*known.values(), named])
        for end in ("from", "to"):
            on = [f"{end}_entity", f"{end}_truth"]
            relations = relations.join(told, left_on=on, right_on=["entity", "truth"], how="semi")
        relations.sort(relations.columns).write_csv(self.folder / "relations.csv")
        states = pl.concat(self.states).join(told, on=["entity", "truth"], how="semi")
        states.unique().sort("entity", "truth").write_csv(self.folder / "states.csv")
        return files


_TEXTS = {"truth": pl.String, "state": pl.String}


def _relations(
    kind: str, ends: tuple[str, str], one: list[str], other: list[str], until: list[str | None]
) -> pl.DataFrame:
    return pl.DataFrame(
        {
            "type": [kind] * len(one),
            "from_entity": [ends[0]] * len(one),
            "from_truth": one,
            "to_entity": [ends[1]] * len(one),
            "to_truth": other,
            "until": pl.Series(until, dtype=pl.String),
        }
    )


def truth_rows(rows: list[Row]) -> pl.DataFrame:
    """Truth rows given one by one; there may be none."""
    return pl.DataFrame(rows, schema=dict.fromkeys(rows[0], pl.String)) if rows else pl.DataFrame()
