"""Generates the demo population: delivered files of five departments and a yearly list, and the truth behind them.

Everything follows from `size`, `seed` and `without`: the same three give the same bytes. Area codes begin with 88,
which no authority ever gave out; see `people.py`.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl

from demo.committees import deliver_years
from demo.errors import KINDS, LEADING_SHARE, RATES, Records, spoil
from demo.names import Ints, Strings
from demo.people import People, addresses, division_codes, populate
from demo.sources import LEADING, NAMES, deliver, enroll, keys
from rules.errors import InputError

PEOPLE_PER_RECORD = 1 / 1.6
SPREADSHEET = 3
COMMITTEES_PER_RECORD = 1 / 40


@dataclass(frozen=True)
class Generated:
    """What was made.

    files   (entity, source, file) in the order of delivery
    truth   entity -> its truth file: source, source_key, truth, error, true_<field> …
    counts  kind of error -> records that have it
    """

    files: tuple[tuple[str, str, Path], ...]
    truth: dict[str, Path]
    counts: dict[str, int]


def generate(folder: Path, size: int = 20_000, seed: int = 1, without: Collection[str] = ()) -> Generated:
    """Write `size` person records and a yearly committee list into `folder`/delivered, the truth beside them.

    Raises:
        InputError: `without` names an unknown kind of error.
    """
    unknown = sorted(set(without) - set(KINDS))
    if unknown:
        raise InputError(f"no kind of error {unknown[0]!r}; known are {', '.join(KINDS)}")
    delivered, known = folder / "delivered", folder / "truth"
    for made in (delivered, known):
        made.mkdir(parents=True, exist_ok=True)
    left_out = frozenset(without)
    rng = np.random.default_rng(seed)
    people = populate(rng, round(size * PEOPLE_PER_RECORD * 1.03) + 10, left_out)
    records = enroll(rng, people, size)
    spoil(rng, people, records, records.source == LEADING, left_out)
    key = keys(rng, records)
    withdrawn, numbers = _late(rng, records, left_out)
    files = deliver(delivered, records, key, numbers, withdrawn)
    _write_truth(known / "person.csv", people, records, key)
    yearly, told = deliver_years(delivered, known / "committee.csv", rng, max(40, round(size * COMMITTEES_PER_RECORD)))
    counts = {kind: int(records.has[kind].sum()) for kind in KINDS}
    return Generated(
        files=(*(("person", source, path) for source, path in files), *(("committee", *one) for one in yearly)),
        truth={"person": known / "person.csv", "committee": known / "committee.csv"},
        counts=counts | told,
    )


def _late(rng: np.random.Generator, records: Records, without: frozenset[str]) -> tuple[Ints, Ints]:
    """The records that are taken back, and those whose number a spreadsheet damages; noted in `records.has`."""
    drawn = rng.random((2, len(records)))
    rate = RATES["withdrawn"] * np.where(records.source == LEADING, LEADING_SHARE, 1.0)
    gone = (drawn[0] < rate) & ("withdrawn" not in without)
    whole = np.array([text is not None and len(text) == 18 and text.isdigit() for text in records.citizen_id.tolist()])
    number = (drawn[1] < RATES["id_spreadsheet"]) & (records.source == SPREADSHEET) & whole
    number &= "id_spreadsheet" not in without
    records.has |= {"withdrawn": gone, "id_spreadsheet": number}
    return np.flatnonzero(gone), np.flatnonzero(number)


def _write_truth(path: Path, people: People, records: Records, key: Strings) -> None:
    person = records.person
    errors = np.full(len(records), "", dtype=object)
    for kind in KINDS:
        errors[records.has[kind]] += f";{kind}"
    pl.DataFrame(
        {
            "source": _texts(np.array(NAMES, dtype=object)[records.source]),
            "source_key": _texts(key),
            "truth": pl.Series([f"p{n}" for n in person.tolist()], dtype=pl.String),
            "error": _texts(errors).str.strip_prefix(";").replace("", None),
            "true_name": _texts(people.name[person]),
            "true_sex": pl.Series(people.sex[person]).cast(pl.String),
            "true_birth_date": _texts(people.birth[person].astype(str)),
            "true_citizen_id": _texts(people.citizen_id[person]),
            "true_phone": _texts(people.phone[person]),
            "true_division": _texts(division_codes(people.county[person], people.township[person])),
            "true_address": _texts(
                addresses(people.county[person], people.township[person], people.household[person] % 89 + 1)
            ),
        }
    ).sort("source", "source_key").write_csv(path)


def _texts(values: Strings) -> pl.Series:
    return pl.Series(values.tolist(), dtype=pl.String)
