"""Writes `characters.csv`: what every Han character is compared as, read as and looks like; and the small
tables `replaced_characters.csv` and `transliteration.csv` beside it.

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
from variants import FOLDS, NOT_FOLDED, PRIVATE_USE, READINGS, TRANSLITERATION

FOLDER = Path(__file__).resolve().parents[1]
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


def replaced() -> dict[str, str]:
    """Characters that are not what they seem -> the one that is meant: private-use code points and the
    signs for radicals that PDF files carry. NFKC would do the latter, but ruin ① and ㈠ in names."""
    radicals = [chr(code) for code in range(0x2E80, 0x2FD6)]
    return PRIVATE_USE | {
        radical: unicodedata.normalize("NFKC", radical)
        for radical in radicals
        if unicodedata.normalize("NFKC", radical) != radical
    }


def write(name: str, header: list[str], rows: list[list[str]]) -> None:
    with (FOLDER / name).open("w", encoding="utf-8", newline="") as file:
        out = csv.writer(file, lineterminator="\n")
        out.writerow(header)
        out.writerows(rows)


def characters() -> list[list[str]]:
    """char, folded and, of the folded one: toned, toneless, alternative reading, four-corner code."""
    corners, standard = FourCornerMethod(), replaced()
    chars = {chr(code) for code in PINYIN_DICT if code >= 0x3400} | set(FOLDS) | {"〇"}
    chars = {char for char in chars if not 0xE000 <= ord(char) <= 0xF8FF} | set(standard)
    compatibility = [*range(0xF900, 0xFB00), *range(0x2F800, 0x2FA20)]
    chars |= {chr(code) for code in compatibility if unicodedata.normalize("NFC", chr(code)) != chr(code)}
    chars |= {fold(standard.get(char, char)) for char in chars}
    rows = []
    for char in sorted(chars):
        folded = fold(standard.get(char, char))
        read = readings(folded) or readings(char)
        toned = read[0] if read else ""
        other = next((plain(one) for one in read[1:] if plain(one) != plain(toned)), "")
        rows.append([char, folded, toned, plain(toned), other, corners.query(folded) or ""])
    return rows


if __name__ == "__main__":
    write("replaced_characters.csv", ["char", "standard"], [list(pair) for pair in sorted(replaced().items())])
    write("transliteration.csv", ["char", "toneless"], [list(pair) for pair in sorted(TRANSLITERATION.items())])
    write(
        "characters.csv",
        ["char", "folded", "toned", "toneless", "alternative", "four_corner"],
        characters(),
    )
