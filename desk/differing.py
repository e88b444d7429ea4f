"""Marks the characters in which two values differ."""

from __future__ import annotations

from dataclasses import dataclass
from difflib import SequenceMatcher


@dataclass(frozen=True)
class Piece:
    """A stretch of a value, and whether the other value has something else there."""

    text: str
    differs: bool


Pieces = tuple[Piece, ...]


def marked(left: str, right: str, shown: tuple[str, str] | None = None) -> tuple[Pieces, Pieces]:
    """Both values in stretches that are equal and stretches that differ.

    `shown` is what stands on the page instead of each (masked): character for character where it is as long as the
    value, else it is compared itself; where a mask hides all that differs, the whole is marked.
    """
    masked = shown or (left, right)
    if left != right and masked[0] == masked[1] and len(masked[0]) != len(left):
        return (Piece(masked[0], True),), (Piece(masked[1], True),)
    if (len(masked[0]), len(masked[1])) != (len(left), len(right)):
        left, right = masked
    sides: tuple[list[Piece], list[Piece]] = ([], [])
    for tag, a, b, c, d in SequenceMatcher(None, left, right, autojunk=False).get_opcodes():
        for side, text in zip(sides, (masked[0][a:b], masked[1][c:d]), strict=True):
            if text:
                side.append(Piece(text, tag != "equal"))
    return tuple(sides[0]), tuple(sides[1])
