"""Writes `rules/reference/surnames.csv` (class and readings of surnames) and `surname_shares.csv`.

Sources: the facts in `surname_list.py`; readings without an entry there come from `characters.csv`, so run
`make_characters.py` first. Run from the project folder: `python rules/reference/build/make_surnames.py`.
"""

from __future__ import annotations

import csv
from pathlib import Path

from surname_list import (
    CLASSES, COMPOUND, COMPOUND_PERSONS, COVERAGE, FREQUENT, MOST_FREQUENT, RARE, READINGS, TOP_PERCENT,
)  # fmt: skip

FOLDER = Path(__file__).resolve().parents[1]
POPULATION = 1.408e9
SHARES_OF = 300


def write(name: str, header: list[str], rows: list[list[str]]) -> None:
    with (FOLDER / name).open("w", encoding="utf-8", newline="") as file:
        out = csv.writer(file, lineterminator="\n")
        out.writerow(header)
        out.writerows(rows)


def surnames() -> list[list[str]]:
    """surname, class, toned, toneless, alternative, common: readings are those of the class."""
    with (FOLDER / "characters.csv").open(encoding="utf-8") as file:
        toned = {row["char"]: row["toned"] for row in csv.DictReader(file)}
    representative = {member: names[0] for names in CLASSES for member in names}
    common = set(MOST_FREQUENT + FREQUENT)
    rows = []
    for surname in dict.fromkeys([*MOST_FREQUENT, *FREQUENT, *RARE, *representative, *COMPOUND]):
        shown = representative.get(surname, surname)
        read = READINGS.get(shown) or [" ".join(toned[char] for char in shown)]
        read = [one.replace("_", " ") for one in read]
        plain = ["".join(letter for letter in one if not letter.isdigit()) for one in read]
        other = next((one for one in plain[1:] if one != plain[0]), "")
        rows.append([surname, shown, read[0], plain[0], other, "1" if surname in common else ""])
    return rows


def shares() -> list[list[str]]:
    """Per mille of the population by surname: published for the first ten, then falling geometrically
    so that the published coverage (so many surnames hold so many percent) is met."""
    percent = list(TOP_PERCENT)
    for rank, covered in COVERAGE:
        count, total = rank - len(percent), covered - sum(percent)
        low, high = 0.5, 1.5
        for _ in range(60):
            ratio = (low + high) / 2
            if sum(percent[-1] * ratio**step for step in range(1, count + 1)) < total:
                low = ratio
            else:
                high = ratio
        percent += [percent[-1] * ratio**step for step in range(1, count + 1)]
    names = (MOST_FREQUENT + FREQUENT)[:SHARES_OF]
    basis = ["published share"] * 10 + ["rank in the 2020 name report, interpolated"] * 90
    basis += ["rank in Chinese-Names-Corpus, interpolated"] * SHARES_OF
    rows = [[name, f"{10 * part:.4f}", why] for name, part, why in zip(names, percent, basis, strict=False)]
    return rows + [
        [name, f"{1000 * persons / POPULATION:.4f}", "published count"] for name, persons in COMPOUND_PERSONS.items()
    ]


if __name__ == "__main__":
    write("surnames.csv", ["surname", "class", "toned", "toneless", "alternative", "common"], surnames())
    write("surname_shares.csv", ["surname", "per_mille", "basis"], shares())
