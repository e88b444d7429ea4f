"""The golden id: a code that says which entity type and which node issued it, and nothing about the entity.

    P 00 0000000001 7      entity prefix · issuing node · serial · check character

The serial only grows and the check character (ISO 7064 MOD 37,36, over everything before it) catches every
single wrong character and every swap of two neighbours, so an id can be read out over the telephone.
`sql/macros.sql` computes the same check over a column.
"""

from __future__ import annotations

import re
from importlib.resources import files
from typing import NamedTuple

import duckdb

ALPHABET = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"
SERIAL_DIGITS = 10
_SHAPE = re.compile(r"([A-Z]{1,3})([0-9]{2})([0-9]{10})([0-9A-Z])")


class GoldenId(NamedTuple):
    """The parts of a well-formed golden id."""

    prefix: str
    node: str
    serial: int


def check_character(text: str) -> str:
    """The ISO 7064 MOD 37,36 check character of `text` (digits and capital letters)."""
    state = 36
    for character in text:
        state = ((state + ALPHABET.index(character) - 1) % 36 + 1) * 2 % 37
    return ALPHABET[(37 - state) % 36]


def golden_id(prefix: str, node: str, serial: int) -> str:
    """The golden id of a serial; serials run from 1 to 10¹⁰ - 1."""
    if not 0 < serial < 10**SERIAL_DIGITS:
        raise ValueError(f"serial {serial} does not fit into {SERIAL_DIGITS} digits")
    body = f"{prefix}{node}{serial:0{SERIAL_DIGITS}d}"
    return body + check_character(body)


def parse(text: str) -> GoldenId | None:
    """The parts of a golden id, None where the shape or the check character is wrong."""
    shape = _SHAPE.fullmatch(text)
    if shape is None or check_character(text[:-1]) != text[-1]:
        return None
    return GoldenId(shape[1], shape[2], int(shape[3]))


def create_macros(con: duckdb.DuckDBPyConnection) -> None:
    """Give the connection `check_character(text)` and `well_formed(golden_id)`."""
    con.execute(files(__package__).joinpath("sql", "macros.sql").read_text("utf-8"))
