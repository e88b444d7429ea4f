"""Errors that people and machines make on forms, in the manner of the tables that come with pseudopeople.

Every cell is drawn by itself from (seed, form, line, column), so that a further source, row or column changes no
other cell. `rate` is the share of cells that each class of error hits; a first name that six classes may hit is in
error about six times as often as a cell that only one may.

    missing     the cell is blank                            all cells
    nickname    another name for the given name               first name
    phonetic    one part is written as it sounds              first name, last name, street
    ocr         one character is read as its like             names, street, numbers
    qwerty      one character is a neighbour on the keys      names, street, numbers
    swapped     month and day of a date change places         date
    digit       one digit is another                          date, numbers
    option      another value of the list                     coded cells
    copied      the value of another one on the form          date, number, where the data have one
"""

from __future__ import annotations

import csv
import random
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from rules.errors import InputError

NAME = ("missing", "phonetic", "ocr", "qwerty")
FIRST_NAME = (*NAME, "nickname")
NUMBER = ("missing", "ocr", "qwerty", "digit")
DATE = ("missing", "swapped", "digit", "copied")
SSN = ("missing", "digit", "copied")
OPTION = ("missing", "option")
INITIAL = ("missing", "qwerty")
TABLES = ("nicknames.csv", "phonetic_variations.csv", "ocr_errors.csv", "qwerty_errors.yaml")


class Noise:
    """Seeded errors at one rate; rate 0 leaves every cell as it is."""

    def __init__(self, folder: Path, rate: float, seed: int) -> None:
        missing = [name for name in TABLES if not (folder / name).is_file()]
        if missing:
            raise InputError(f"{folder}: lacks {', '.join(missing)}, the tables of pseudopeople")
        self.rate, self.seed = rate, seed
        self._nicknames = _nicknames(folder / "nicknames.csv")
        self._sounds = _sounds(folder / "phonetic_variations.csv")
        self._looks = _looks(folder / "ocr_errors.csv")
        self._keys = _keys(folder / "qwerty_errors.yaml")
        self._errors: dict[str, Callable[[random.Random, str, Sequence[str]], str]] = {
            "missing": lambda chance, value, others: "",
            "nickname": self._nickname,
            "phonetic": self._phonetic,
            "ocr": self._ocr,
            "qwerty": self._qwerty,
            "swapped": lambda chance, value, others: f"{value[:5]}{value[8:]}-{value[5:7]}",
            "digit": _digit,
            "option": lambda chance, value, others: chance.choice([o for o in others if o != value] or [value]),
            "copied": lambda chance, value, others: others[0] if others and others[0] else value,
        }

    def cell(self, place: str, value: str, classes: Sequence[str], others: Sequence[str] = ()) -> str:
        """`value` with the errors that hit it; `others` are the list of a coded cell, or the value to copy."""
        if not value or not self.rate:
            return value
        chance = random.Random(f"{self.seed}/{place}")
        for name in classes:
            if chance.random() < self.rate and value:
                value = self._errors[name](chance, value, others)
        return value

    def _nickname(self, chance: random.Random, value: str, others: Sequence[str]) -> str:
        return chance.choice(self._nicknames.get(value.lower(), [value.lower()])).title()

    def _phonetic(self, chance: random.Random, value: str, others: Sequence[str]) -> str:
        text = value.lower()
        fits = [
            (at, old, new)
            for where, old, new in self._sounds
            for at in range(len(text) - len(old) + 1)
            if text.startswith(old, at)
            and {"ALL": True, "START": at == 0, "END": at + len(old) == len(text)}.get(
                where, 0 < at < len(text) - len(old)
            )
        ]
        return _replaced(value, *chance.choice(fits)) if fits else value

    def _ocr(self, chance: random.Random, value: str, others: Sequence[str]) -> str:
        fits = [
            (at, old, new)
            for old, new in self._looks
            for at in range(len(value) - len(old) + 1)
            if value.startswith(old, at)
        ]
        return _replaced(value, *chance.choice(fits)) if fits else value

    def _qwerty(self, chance: random.Random, value: str, others: Sequence[str]) -> str:
        places = [at for at, character in enumerate(value) if character.lower() in self._keys]
        if not places:
            return value
        at = chance.choice(places)
        near = chance.choice(self._keys[value[at].lower()])
        return value[:at] + (near.upper() if value[at].isupper() else near) + value[at + 1 :]


def _digit(chance: random.Random, value: str, others: Sequence[str]) -> str:
    places = [at for at, character in enumerate(value) if character.isdigit()]
    if not places:
        return value
    at = chance.choice(places)
    return value[:at] + chance.choice([d for d in "0123456789" if d != value[at]]) + value[at + 1 :]


def _replaced(value: str, at: int, old: str, new: str) -> str:
    return value[:at] + new + value[at + len(old) :]


def _rows(path: Path) -> list[list[str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return [row for row in csv.reader(file) if row and not row[0].startswith("#")]


def _nicknames(path: Path) -> Mapping[str, list[str]]:
    return {row[0]: [name for name in row[1:] if name] for row in _rows(path)[1:]}


def _sounds(path: Path) -> list[tuple[str, str, str]]:
    """Where, what and by what; only the changes that need no condition on the letters around. `@` is nothing."""
    return [
        (row[0], row[1], row[2].replace("@", ""))
        for row in _rows(path)
        if len(row) >= 4 and row[3] == "None" and row[1] != row[2]
    ]


def _looks(path: Path) -> list[tuple[str, str]]:
    pairs = [(row[0], row[1]) for row in _rows(path) if len(row) == 2]
    return [*pairs, *((new, old) for old, new in pairs)]


def _keys(path: Path) -> Mapping[str, list[str]]:
    """The neighbours of each key; the file is a plain mapping of lists."""
    found: dict[str, list[str]] = {}
    for line in path.read_text("utf-8").splitlines():
        text = line.strip().replace("'", "")
        if text.startswith("- "):
            found[next(reversed(found))].append(text[2:])
        elif text.endswith(":"):
            found[text[:-1]] = []
    return {key: near for key, near in found.items() if near}
