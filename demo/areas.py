"""Makes people and their records area by area, so that memory is that of one area whatever the number of records.

An area is what `population.generate` makes of people alone, with counties, keys and telephone numbers of its own; a
single area has the same rows. A source of full lists writes one file per delivery, every other one file per area.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl
import pyarrow.parquet as pq

from demo.enrollment import DISABILITY, NAMES
from demo.people import AREAS
from demo.person_truth import rows
from demo.population import people_and_records
from demo.sources import deliver
from rules.errors import InputError

PER_AREA = 1_000_000
_Files = list[tuple[int, str, Path]]


@dataclass(frozen=True)
class Made:
    """What was made: (source, file) in the order of delivery, and a truth file like that of `population.generate`."""

    files: tuple[tuple[str, Path], ...]
    truth: Path


def generate_people(folder: Path, size: int, seed: int = 1, per_area: int = PER_AREA) -> Made:
    """Write `size` person records into `folder`/delivered, at most `per_area` of them in an area.

    The truth stands in `folder`/truth/person.csv; people are told apart by area and number.

    Raises:
        InputError: `size` asks for more areas than there are counties for.
    """
    areas = max(-(-size // per_area), 1)
    if areas > AREAS:
        raise InputError(f"{size:,} records are {areas} areas of {per_area:,}; there are counties for {AREAS}")
    truth = folder / "truth" / "person.csv"
    truth.parent.mkdir(parents=True, exist_ok=True)
    found: _Files = []
    with truth.open("wb") as told:
        for area in range(areas):
            here = folder / "delivered" / f"area_{area:02}"
            here.mkdir(parents=True)
            count = size * (area + 1) // areas - size * area // areas
            # One area alone draws what `population.generate` draws.
            seeds = [[seed, stream, area] if areas > 1 else [seed, stream] for stream in range(2)]
            streams = (np.random.default_rng(seeds[0]), np.random.default_rng(seeds[1]))
            _, delivery, _, _ = people_and_records(streams, count, frozenset(), (area, areas))
            found += deliver(here, delivery)
            named = pl.format("{}p{}", pl.lit(f"a{area}" if area else ""), pl.col("truth").str.strip_prefix("p"))
            told.write(rows(delivery).with_columns(truth=named).write_csv(include_header=area == 0).encode())
    found = _as_whole_lists(folder / "delivered", found)
    return Made(tuple((source, path) for _, source, path in sorted(found, key=_delivered)), truth)


def _delivered(one: tuple[int, str, Path]) -> tuple[int, int]:
    return one[0], NAMES.index(one[1])


def _as_whole_lists(folder: Path, found: _Files) -> _Files:
    """Put the full lists of all areas together, delivery by delivery, one area in memory at a time."""
    source = NAMES[DISABILITY]
    others = [one for one in found if one[1] != source]
    whole: _Files = []
    for number in sorted({number for number, name, _ in found if name == source}):
        parts = [path for at, name, path in found if (at, name) == (number, source)]
        path = folder / parts[0].name
        with pq.ParquetWriter(path, pq.read_schema(parts[0])) as writer:
            for part in parts:
                writer.write_table(pq.read_table(part))
                part.unlink()
        whole.append((number, source, path))
    return others + whole
