"""Unified social credit codes that are right by both check characters and nobody's: their area digits begin with 88.

GB 32100-2015: registering authority, category, six digits of area, the nine characters of an organization code
(GB 11714, with a check character of its own), a check character over all.
"""

from __future__ import annotations

import numpy as np

ALPHABET = "0123456789ABCDEFGHJKLMNPQRTUWXY"
WEIGHTS = tuple(3**i % 31 for i in range(17))
OWN_WEIGHTS = (3, 7, 9, 10, 5, 8, 4, 2)
DIGITS_AND_LETTERS = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"
TYPED_FOR = {"0": "8", "1": "7", "2": "Z", "5": "6", "B": "8", "D": "0", "M": "N", "J": "1"}


def own_check(body: str) -> str:
    """The last character of an organization code whose first eight are `body`."""
    total = sum(w * DIGITS_AND_LETTERS.index(c) for w, c in zip(OWN_WEIGHTS, body, strict=True))
    return "0123456789X0"[(11 - total % 11)]


def check(body: str) -> str:
    """The last character of a credit code whose first seventeen are `body`."""
    total = sum(w * ALPHABET.index(c) for w, c in zip(WEIGHTS, body, strict=True))
    return ALPHABET[(31 - total % 31) % 31]


def is_valid(code: str) -> bool:
    """Whether both check characters of an eighteen-character code are right."""
    if len(code) != 18 or not set(code) <= set(ALPHABET):
        return False
    return own_check(code[8:16]) == code[16] and check(code[:17]) == code[17]


class CreditCodes:
    """Gives out codes, each once: organization codes of older bodies are digits, newer ones begin with MJ."""

    def __init__(self, rng: np.random.Generator) -> None:
        self._rng = rng
        self._given: set[str] = set()

    def give(self, kind: str, area: int, since: int = 2000) -> str:
        """A code of `kind` (its first two characters) for the six digits `area`; `since` is the founding year."""
        while True:
            drawn = self._rng.integers(0, 31, 6).tolist()
            if since < 2015:
                body = f"{int(self._rng.integers(10**7, 10**8))}"
            else:
                body = ("MF" if kind[0] == "N" else "MJ") + "".join(ALPHABET[i] for i in drawn)
            if body not in self._given:
                self._given.add(body)
                return complete(f"{kind}{area}{body}{own_check(body)}")


def complete(body: str) -> str:
    """The seventeen characters `body` and their check character."""
    return body + check(body)


def mistyped(rng: np.random.Generator, code: str) -> str:
    """The code with one character of its organization code or a neighbouring pair wrong; its check finds it."""
    at = int(rng.integers(8, 16))
    if rng.random() < 0.3 and code[at] != code[at + 1]:
        return code[:at] + code[at + 1] + code[at] + code[at + 2 :]
    other = TYPED_FOR.get(code[at], "3" if code[at] != "3" else "9")
    return code[:at] + other + code[at + 1 :]
