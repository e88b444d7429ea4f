"""Writes `rules/reference/characters.csv`: what every Han character is compared as, read as and looks like.

Sources: readings from pypinyin (mozillazg/pinyin-data, MIT); folding from OpenCC (Apache-2.0) and
`variants.py`; four-corner codes from the package `four_corner_method` (MIT). Run from the project folder:

    pip install pypinyin opencc four_corner_method
    python rules/reference/build/make_characters.py
"""

from __future__ import annotations

import csv
import unicodedata
from pathlib import Path

import opencc
from four_corner_method import FourCornerMethod
from pypinyin.constants import PINYIN_DICT
from pypinyin.contrib.tone_convert import to_normal, to_tone3
from variants import FOLDS, NOT_FOLDED, READINGS

TARGET = Path(__file__).resolve().parents[1] / "characters.csv"
PRIVATE_USE = TARGET.with_name("private_use.csv")
SIMPLIFY = [opencc.OpenCC(name) for name in ("t2s", "hk2s")]


def fold(char: str) -> str:
    """The character that `char` is compared as."""
    char = unicodedata.normalize("NFC", char)
    for _ in range(4):
        if char in NOT_FOLDED:
            return char
        step = FOLDS.get(char)
        if step is None:
            step = next((done for one in SIMPLIFY if (done := one.convert(char)) != char), char)
        if step == char or len(step) != 1:
            return char
        char = step
    raise ValueError(f"folding {char} does not end")


def readings(char: str) -> list[str]:
    """Readings in tone-number pinyin (ü written v), the one usual in names first."""
    if char in READINGS:
        return READINGS[char]
    found = [to_tone3(reading, neutral_tone_with_five=True, v_to_u=False) for reading in raw_readings(char)[:1]]
    return [reading for reading in found if reading.isascii() and len(reading) > 1]


def raw_readings(char: str) -> list[str]:
    return [reading for reading in PINYIN_DICT.get(ord(char), "").split(",") if reading]


def plain(reading: str) -> str:
    return reading.rstrip("12345")


def main() -> None:
    corners = FourCornerMethod()
    with PRIVATE_USE.open(encoding="utf-8") as file:
        standard = {row["char"]: row["standard"] for row in csv.DictReader(file)}
    chars = {chr(code) for code in PINYIN_DICT if code >= 0x3400} | set(FOLDS) | {"〇"}
    chars = {char for char in chars if not 0xE000 <= ord(char) <= 0xF8FF} | set(standard)
    compatibility = [*range(0xF900, 0xFB00), *range(0x2F800, 0x2FA20)]
    chars |= {chr(code) for code in compatibility if unicodedata.normalize("NFC", chr(code)) != chr(code)}
    chars |= {fold(standard.get(char, char)) for char in chars}
    with TARGET.open("w", encoding="utf-8", newline="") as file:
        rows = csv.writer(file, lineterminator="\n")
        rows.writerow(["char", "folded", "toned", "toneless", "alternative", "four_corner"])
        for char in sorted(chars):
            folded = fold(standard.get(char, char))
            read = readings(folded) or readings(char)
            toned = read[0] if read else ""
            other = next((plain(one) for one in read[1:] if plain(one) != plain(toned)), "")
            rows.writerow([char, folded, toned, plain(toned), other, corners.query(folded) or ""])


if __name__ == "__main__":
    main()
